/*
 * kqgemm_avx2: products of 8-bit panels widened to int16 with VPMADDWD,
 * tiles of 4 rows by 8 columns; and rows of 8-bit tensors.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define MAAS_ISA  avx2

#define KQ_NAME   maas_k_q8_gemm_avx2madd
#define KQ_ROWS   4
#define KQ_COLS   4
#define KQ_R(F)   F(0) F(1) F(2) F(3)

#include "kernels/x86/qvec_avx2.h"

Q_INL QV q_zero(void) { return _mm256_setzero_si256(); }

/* Two sums of a column lie side by side. */
Q_INL void
q_store(int32_t *c, QV s, bool add)
{
    __m128i        v;
    const __m256i  even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);

    s = _mm256_add_epi32(s, _mm256_srli_epi64(s, 32));
    v = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(s, even));
    v = add ? _mm_add_epi32(v, _mm_loadu_si128((const __m128i *) c)) : v;
    _mm_storeu_si128((__m128i *) c, v);
}

#include "kernels/x86/qgemm_tile.h"
#include "kernels/ref/qrow_body.h"


void
maas_k_q8_gemm_avx2(const maas_qgemm_t *g)
{
    if (maas_cpu_has_avxvnni()) {
        maas_k_q8_gemm_avxvnni(g);

    } else {
        maas_k_q8_gemm_avx2madd(g);
    }
}
