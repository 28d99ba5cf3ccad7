/*
 * qvec_avxvnni: words of 8-bit sums by VPDPBUSD on 256 bits (VEX).
 *
 * QV: sums, QA: 4 bytes of a row for every lane, QB: 8-bit panels.
 * Included by files that are built for this level; all is reentrant.
 */

#ifndef MAAS_QVEC_AVXVNNI_H
#define MAAS_QVEC_AVXVNNI_H

#include <immintrin.h>
#include <stdint.h>

#define Q_INL  static inline __attribute__((always_inline))

typedef __m256i  QV, QA, QB;

Q_INL QB q_load(const int8_t *p) { return _mm256_loadu_si256((const QB *) p); }
Q_INL QA q_set(uint32_t a) { return _mm256_set1_epi32((int) a); }
/* As text: the compiler copies sums to and fro around the intrinsic. */
Q_INL QV
q_dot(QV s, QA a, QB b)
{
    __asm__ ("%{vex%} vpdpbusd %2, %1, %0" : "+x" (s) : "x" (a), "x" (b));
    return s;
}

#endif
