/*
 * qvec_avx512vnni: words of 8-bit sums by VPDPBUSD on 512 bits.
 *
 * QV: sums, QA: 4 bytes of a row for every lane, QB: 8-bit panels.
 * Included by files that are built for this level; all is reentrant.
 */

#ifndef MAAS_QVEC_AVX512VNNI_H
#define MAAS_QVEC_AVX512VNNI_H

#include <immintrin.h>
#include <stdint.h>

#define Q_INL  static inline __attribute__((always_inline))

typedef __m512i  QV, QA, QB;

Q_INL QB q_load(const int8_t *p) { return _mm512_loadu_si512(p); }
Q_INL QA q_set(uint32_t a) { return _mm512_set1_epi32((int) a); }
/* As text: the compiler copies sums to and fro around the intrinsic. */
Q_INL QV
q_dot(QV s, QA a, QB b)
{
    __asm__ ("vpdpbusd %2, %1, %0" : "+v" (s) : "v" (a), "v" (b));
    return s;
}

#endif
