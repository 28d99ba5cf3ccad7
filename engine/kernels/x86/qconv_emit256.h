/*
 * qconv_emit256: qconv_emit.h for 16 sums with vectors of 256 bits; the same
 * steps.  For the levels from AVX2 on; included after MAAS_ISA is defined.
 */

#include <immintrin.h>


/* v within lo and hi (NaN gives lo), rounded half to even. */
static inline __attribute__((always_inline)) __m256i
MAAS_KQ(near256)(__m256 v, float lo, float hi)
{
    v = _mm256_max_ps(v, _mm256_set1_ps(lo));
    v = _mm256_min_ps(v, _mm256_set1_ps(hi));

    return _mm256_cvtps_epi32(v);
}


/* The bytes of 8 sums, in 32 bits each. */
static inline __attribute__((always_inline)) __m256i
MAAS_KQ(half256)(const maas_qconv16_t *c, const int32_t *sum, const float *s,
    int64_t at)
{
    __m256   f;
    __m256i  q;

    f = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *) sum));
    q = MAAS_KQ(near256)(_mm256_mul_ps(f, _mm256_loadu_ps(s)), c->lo, c->hi);

    if (c->add == NULL) {
        return _mm256_add_epi32(q, _mm256_set1_epi32(c->zero));
    }

    f = _mm256_cvtepi32_ps(_mm256_sub_epi32(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)
                                             (c->add + at))),
        _mm256_set1_epi32(c->zadd)));
    f = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(q),
                                    _mm256_set1_ps(c->fsum)),
                      _mm256_mul_ps(f, _mm256_set1_ps(c->fadd)));
    q = MAAS_KQ(near256)(f, c->alo, c->ahi);

    return _mm256_add_epi32(q, _mm256_set1_epi32(c->azero));
}


static inline __attribute__((always_inline)) void
MAAS_KQ(emit256)(const maas_qconv16_t *c, const int32_t *sum, const float *s,
    int64_t at)
{
    __m256i  a, b;

    if (c->scale == NULL) {
        memcpy((int32_t *) c->y + at, sum, 16 * sizeof(int32_t));
        return;
    }

    a = MAAS_KQ(half256)(c, sum, s, at);
    b = MAAS_KQ(half256)(c, sum + 8, s + 8, at + 8);
    a = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
    _mm_storeu_si128((__m128i *) ((uint8_t *) c->y + at),
                     _mm_packus_epi16(_mm256_castsi256_si128(a),
                                      _mm256_extracti128_si256(a, 1)));
}
