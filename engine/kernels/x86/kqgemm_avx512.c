/*
 * kqgemm_avx512: products of 8-bit panels without VNNI: widened to int16,
 * VPMADDWD, tiles of 12 rows by 16 columns; and rows of 8-bit tensors.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define MAAS_ISA  avx512

#define KQ_NAME   maas_k_q8_gemm_avx512madd
#define KQ_ROWS   12
#define KQ_COLS   8
#define KQ_R(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

#include "kernels/x86/qvec_avx512.h"

Q_INL QV q_zero(void) { return _mm512_setzero_si512(); }

/* Two sums of a column lie side by side. */
Q_INL void
q_store(int32_t *c, QV s, bool add)
{
    __m256i  v;

    v = _mm512_cvtepi64_epi32(_mm512_add_epi32(s, _mm512_srli_epi64(s, 32)));
    v = add ? _mm256_add_epi32(v, _mm256_loadu_si256((const __m256i *) c)) : v;
    _mm256_storeu_si256((__m256i *) c, v);
}

#include "kernels/x86/qgemm_tile.h"
#include "kernels/ref/qrow_body.h"


void
maas_k_q8_gemm_avx512(const maas_qgemm_t *g)
{
    if (maas_cpu_has_vnni()) {
        maas_k_q8_gemm_avx512vnni(g);

    } else {
        maas_k_q8_gemm_avx512madd(g);
    }
}
