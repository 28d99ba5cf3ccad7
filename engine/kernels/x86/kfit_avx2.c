/*
 * kfit_avx2: passes over the rows of a fit, built for this level: the plain
 * loops of kernels/ref/fit_body.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>
#include <string.h>

#include "kernels/kfit.h"


#define MAAS_ISA   avx2

/* Sums in registers: 12 of 16. */
#define FIT_LANES  4
#define FIT_HIGH   4
#define FIT_WIDE   3

typedef double  fit_v __attribute__((vector_size(8 * FIT_LANES)));

#define FIT_MLA(s, u, v)                                                      \
    ((fit_v) _mm256_fmadd_pd((__m256d) (u), (__m256d) (v), (__m256d) (s)))
#define FIT_ADD(s, a, v)  FIT_MLA(s, _mm256_set1_pd(a), v)

#include "kernels/ref/fit_body.h"
