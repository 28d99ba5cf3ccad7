/*
 * kfit_ref: passes over the rows of a fit at the reference level, and the
 * choice of a level's.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <string.h>

#include "kernels/kfit.h"


#define MAAS_ISA   ref

/* Sums in registers: 8 of 16. */
#define FIT_LANES  2
#define FIT_HIGH   4
#define FIT_WIDE   2

typedef double  fit_v __attribute__((vector_size(8 * FIT_LANES)));

#define FIT_ADD(s, a, v)  ((s) + (a) * (v))
#define FIT_MLA(s, u, v)  ((s) + (u) * (v))

#include "kernels/ref/fit_body.h"


#define FIT_LEVEL(isa)                                                        \
    void maas_k_f64_products_##isa(const maas_fit_product_t *c);              \
    void maas_k_f64_columns_##isa(const maas_fit_columns_t *c);               \
    void maas_k_f64_centre_##isa(double *to, int64_t ld, const double *x,     \
        int64_t m, int64_t p, const double *mean, const double *scale,        \
        const double *w);                                                     \
    void maas_k_f64_dots_##isa(double *y, int64_t ldy, const double *x,       \
        int64_t m, int64_t p, const double *w)

#define FIT_ROW(isa)  { maas_k_f64_products_##isa, maas_k_f64_columns_##isa,  \
                        maas_k_f64_centre_##isa, maas_k_f64_dots_##isa }

FIT_LEVEL(v2);
FIT_LEVEL(avx2);
FIT_LEVEL(avx512);


const maas_fit_kernels_t *
maas_fit_kernels(const maas_kernels_t *k)
{
    static const maas_fit_kernels_t  table[MAAS_CPU_LEVELS] = {
        [MAAS_CPU_REF] = FIT_ROW(ref),
#if defined(__x86_64__)
        [MAAS_CPU_V2] = FIT_ROW(v2),
        [MAAS_CPU_AVX2] = FIT_ROW(avx2),
        [MAAS_CPU_AVX512] = FIT_ROW(avx512),
#endif
    };

    return &table[k->level];
}
