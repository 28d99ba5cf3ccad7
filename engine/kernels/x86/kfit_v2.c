/*
 * kfit_v2: passes over the rows of a fit, built for this level: the plain
 * loops of kernels/ref/fit_body.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <string.h>

#include "kernels/kfit.h"


#define MAAS_ISA   v2

/* Sums in registers: 8 of 16. */
#define FIT_LANES  2
#define FIT_HIGH   4
#define FIT_WIDE   2

typedef double  fit_v __attribute__((vector_size(8 * FIT_LANES)));

#define FIT_ADD(s, a, v)  ((s) + (a) * (v))
#define FIT_MLA(s, u, v)  ((s) + (u) * (v))

#include "kernels/ref/fit_body.h"
