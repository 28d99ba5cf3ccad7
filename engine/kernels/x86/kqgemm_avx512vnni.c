/*
 * kqgemm_avx512vnni: products of 8-bit panels with VPDPBUSD on 512 bits:
 * tiles of 12 rows by 32 columns.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define KQ_NAME   maas_k_q8_gemm_avx512vnni
#define KQ_ROWS   12
#define KQ_COLS   16
#define KQ_R(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

#include "kernels/x86/qvec_avx512vnni.h"

Q_INL QV q_zero(void) { return _mm512_setzero_si512(); }

Q_INL void
q_store(int32_t *c, QV s, bool add)
{
    s = add ? _mm512_add_epi32(s, _mm512_loadu_si512(c)) : s;
    _mm512_storeu_si512(c, s);
}

#include "kernels/x86/qgemm_tile.h"
