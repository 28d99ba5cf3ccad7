/*
 * kqconv_avx512: convolutions of 8-bit numbers without VNNI: widened to
 * int16, VPMADDWD, tiles of 12 pixels by 16 channels; windows and sums of
 * two tensors.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define MAAS_ISA  avx512

#include "kernels/ref/qconv_emit.h"
#include "kernels/x86/qconv_emit256.h"

#define KQ_EMIT   MAAS_KQ(emit256)

#include "kernels/ref/qwindow_body.h"
#include "kernels/x86/qconv_dw256.h"

#define KC_NAME   maas_k_q8_conv16_avx512madd
#define KC_BUFFER
#define KC_ROW    MAAS_KQ(emit256)
#define KC_ROWS   12
#define KQ_COLS   8
#define KC_R(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

#include "kernels/x86/qvec_avx512.h"

/* Two sums of a column lie side by side. */
Q_INL QV
q_start(const int32_t *s)
{
    return _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *) s));
}

Q_INL void
q_store(int32_t *c, QV s)
{
    s = _mm512_add_epi32(s, _mm512_srli_epi64(s, 32));
    _mm256_storeu_si256((__m256i *) c, _mm512_cvtepi64_epi32(s));
}

#include "kernels/x86/qconv_tile.h"


void
maas_k_q8_dw16_avx512madd(const maas_qconv16_t *c)
{
    MAAS_KQ(dw256)(c);
}


void
maas_k_q8_conv16_avx512(const maas_qconv16_t *c)
{
    if (maas_cpu_has_vnni()) {
        maas_k_q8_conv16_avx512vnni(c);

    } else {
        maas_k_q8_conv16_avx512madd(c);
    }
}


void
maas_k_q8_dw16_avx512(const maas_qconv16_t *c)
{
    if (maas_cpu_has_vnni()) {
        maas_k_q8_dw16_avx512vnni(c);

    } else {
        maas_k_q8_dw16_avx512madd(c);
    }
}
