/*
 * kqgemm_avxvnni: products of 8-bit panels with VPDPBUSD on 256 bits (VEX):
 * tiles of 6 rows by 16 columns.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define KQ_NAME   maas_k_q8_gemm_avxvnni
#define KQ_ROWS   6
#define KQ_COLS   8
#define KQ_R(F)   F(0) F(1) F(2) F(3) F(4) F(5)

#include "kernels/x86/qvec_avxvnni.h"

Q_INL QV q_zero(void) { return _mm256_setzero_si256(); }

Q_INL void
q_store(int32_t *c, QV s, bool add)
{
    s = add ? _mm256_add_epi32(s, _mm256_loadu_si256((const QB *) c)) : s;
    _mm256_storeu_si256((QB *) c, s);
}

#include "kernels/x86/qgemm_tile.h"
