/*
 * kqconv_avx512vnni: convolutions of 8-bit numbers with VPDPBUSD on 512 bits:
 * tiles of 14 pixels by 32 channels; and depthwise ones, where 4 rows of the
 * kernel are the 4 bytes of a lane.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define KC_NAME   maas_k_q8_conv16_avx512vnni
#define KC_ROWS   14
#define KQ_COLS   16
#define KC_R(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10)     \
                  F(11) F(12) F(13)

#include "kernels/x86/qvec_avx512vnni.h"

Q_INL QV q_start(const int32_t *s) { return _mm512_loadu_si512(s); }

/* v within lo and hi (NaN gives lo), rounded half to even. */
Q_INL __m512i
q_near(__m512 v, float lo, float hi)
{
    v = _mm512_max_ps(v, _mm512_set1_ps(lo));
    v = _mm512_min_ps(v, _mm512_set1_ps(hi));

    return _mm512_cvtps_epi32(v);
}

Q_INL void
q_emit(const maas_qconv16_t *c, __m512i sum, const float *scale, int64_t at)
{
    __m512   f;
    __m128i  add, *y;

    if (scale == NULL) {
        _mm512_storeu_si512((int32_t *) c->y + at, sum);
        return;
    }

    f = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(scale));
    sum = q_near(f, c->lo, c->hi);
    y = (__m128i *) ((uint8_t *) c->y + at);

    if (c->add == NULL) {
        sum = _mm512_add_epi32(sum, _mm512_set1_epi32(c->zero));
        _mm_storeu_si128(y, _mm512_cvtepi32_epi8(sum));
        return;
    }

    add = _mm_loadu_si128((const __m128i *) (c->add + at));
    f = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(add),
                                            _mm512_set1_epi32(c->zadd)));
    f = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum),
                                    _mm512_set1_ps(c->fsum)),
                      _mm512_mul_ps(f, _mm512_set1_ps(c->fadd)));
    sum = _mm512_add_epi32(q_near(f, c->alo, c->ahi),
                           _mm512_set1_epi32(c->azero));
    _mm_storeu_si128(y, _mm512_cvtepi32_epi8(sum));
}

#define kc_emit(t, r, v, s)                                                   \
    q_emit((t)->c, s, (t)->scale[v], (t)->at[v] + r * 16)
#define kc_end(t, rows, v)   (void) 0

#include "kernels/x86/qconv_tile.h"


/* -- depthwise ----------------------------------------------------------- */

Q_INL __m512i
q_wide(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) p));
}

/* Up to 4 rows of a column, a byte each in every lane. */
Q_INL __m512i
q_column(const uint8_t *p, int64_t row, int64_t n)
{
    __m512i  v = q_wide(p);

    if (n > 1) {
        v = _mm512_or_si512(v, _mm512_slli_epi32(q_wide(p + row), 8));
    }

    if (n > 2) {
        v = _mm512_or_si512(v, _mm512_slli_epi32(q_wide(p + 2 * row), 16));
    }

    if (n > 3) {
        v = _mm512_or_si512(v, _mm512_slli_epi32(q_wide(p + 3 * row), 24));
    }

    return v;
}


/* A row of output of a 3 x 3 kernel, stride 1: a column serves three. */
static void
kc_dw_slide(const maas_qconv16_t *c, const uint8_t *x, int64_t at)
{
    __m512i        v0, v1, v2, s;
    const __m512i  w0 = q_load(c->w), w1 = q_load(c->w + 64);
    const __m512i  w2 = q_load(c->w + 128), start = q_start(c->start);

    v0 = q_column(x, c->xb, 3);
    v1 = q_column(x + c->xc, c->xb, 3);

    for (int64_t i = 0; i < c->cols; i++, at += 16) {
        v2 = q_column(x + (i + 2) * c->xc, c->xb, 3);
        s = q_dot(q_dot(q_dot(start, v0, w0), v1, w1), v2, w2);
        q_emit(c, s, c->scale, at);
        v0 = v1;
        v1 = v2;
    }
}


static void
kc_dw_row(const maas_qconv16_t *c, const uint8_t *x, int64_t at)
{
    int64_t        b;
    __m512i        s;
    const int8_t  *w;

    for (int64_t i = 0; i < c->cols; i++, at += 16, x += c->xcol) {
        s = q_start(c->start);
        w = c->w;

        for (int64_t p = 0; p < c->passes; p++) {
            for (int64_t k = 0; k < c->nc; k++) {
                for (b = 0; b < c->nb; b += 4, w += 64) {
                    s = q_dot(s, q_column(x + b * c->xb + k * c->xc, c->xb,
                                          c->nb - b), q_load(w));
                }
            }
        }

        q_emit(c, s, c->scale, at);
    }
}


void
maas_k_q8_dw16_avx512vnni(const maas_qconv16_t *c)
{
    bool  slide = c->nb == 3 && c->nc == 3 && c->passes == 1
                  && c->xcol == c->xc;

    for (int64_t y = 0; y < c->rows; y++) {
        if (slide) {
            kc_dw_slide(c, c->x + y * c->xrow, y * c->yrow);
        } else {
            kc_dw_row(c, c->x + y * c->xrow, y * c->yrow);
        }
    }
}
