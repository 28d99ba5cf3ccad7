/*
 * kfit_avx512: passes over the rows of a fit, built for this level: the plain
 * loops of kernels/ref/fit_body.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>
#include <string.h>

#include "kernels/kfit.h"


#define MAAS_ISA   avx512

/* Sums in registers: 24 of 32. */
#define FIT_LANES  8
#define FIT_HIGH   8
#define FIT_WIDE   3

typedef double  fit_v __attribute__((vector_size(8 * FIT_LANES)));

#define FIT_MLA(s, u, v)                                                      \
    ((fit_v) _mm512_fmadd_pd((__m512d) (u), (__m512d) (v), (__m512d) (s)))
#define FIT_ADD(s, a, v)  FIT_MLA(s, _mm512_set1_pd(a), v)

#include "kernels/ref/fit_body.h"
