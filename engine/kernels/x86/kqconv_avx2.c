/*
 * kqconv_avx2: convolutions of 8-bit numbers widened to int16 with VPMADDWD,
 * tiles of 4 pixels by 8 channels; windows and sums of two tensors.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define MAAS_ISA  avx2

#include "kernels/ref/qconv_emit.h"
#include "kernels/x86/qconv_emit256.h"

#define KQ_EMIT   MAAS_KQ(emit256)

#include "kernels/ref/qwindow_body.h"
#include "kernels/x86/qconv_dw256.h"

#define KC_NAME   maas_k_q8_conv16_avx2madd
#define KC_BUFFER
#define KC_ROW    MAAS_KQ(emit256)
#define KC_ROWS   4
#define KQ_COLS   4
#define KC_R(F)   F(0) F(1) F(2) F(3)

#include "kernels/x86/qvec_avx2.h"

/* Two sums of a column lie side by side. */
Q_INL QV
q_start(const int32_t *s)
{
    return _mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *) s));
}

Q_INL void
q_store(int32_t *c, QV s)
{
    const __m256i  even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);

    s = _mm256_add_epi32(s, _mm256_srli_epi64(s, 32));
    _mm_storeu_si128((__m128i *) c, _mm256_castsi256_si128(
        _mm256_permutevar8x32_epi32(s, even)));
}

#include "kernels/x86/qconv_tile.h"


void
maas_k_q8_conv16_avx2(const maas_qconv16_t *c)
{
    if (maas_cpu_has_avxvnni()) {
        maas_k_q8_conv16_avxvnni(c);

    } else {
        maas_k_q8_conv16_avx2madd(c);
    }
}


void
maas_k_q8_dw16_avx2(const maas_qconv16_t *c)
{
    MAAS_KQ(dw256)(c);
}
