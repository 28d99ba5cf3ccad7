/*
 * qvec_avx2: words of 8-bit sums on 256 bits: widened to int16, VPMADDWD, so
 * that two sums of a column lie side by side.
 *
 * QV: sums, QA: 4 bytes of a row for every lane, QB: 8-bit panels.
 * Included by files that are built for this level; all is reentrant.
 */

#ifndef MAAS_QVEC_AVX2_H
#define MAAS_QVEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define Q_INL  static inline __attribute__((always_inline))

typedef __m256i  QV, QA, QB;

Q_INL QB
q_load(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) p));
}

Q_INL QA
q_set(uint32_t a)
{
    return _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(
        _mm_cvtsi32_si128((int) a)));
}

Q_INL QV
q_dot(QV s, QA a, QB b)
{
    return _mm256_add_epi32(s, _mm256_madd_epi16(a, b));
}

#endif
