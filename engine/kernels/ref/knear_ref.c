/*
 * knear_ref: products with a few vectors at the reference level, and the
 * choice of a level's.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <string.h>

#include "kernels/knear.h"


#define MAAS_ISA  ref

#include "kernels/ref/near_body.h"

void maas_k_f64_near_v2(double *y, int64_t ldy, const double *x, int64_t m,
    int64_t p, const double *t, int64_t panels);
void maas_k_f64_near_avx2(double *y, int64_t ldy, const double *x, int64_t m,
    int64_t p, const double *t, int64_t panels);
void maas_k_f64_near_avx512(double *y, int64_t ldy, const double *x,
    int64_t m, int64_t p, const double *t, int64_t panels);


maas_near_pt
maas_near_kernel(const maas_kernels_t *k)
{
    static const maas_near_pt  table[MAAS_CPU_LEVELS] = {
        [MAAS_CPU_REF] = maas_k_f64_near_ref,
#if defined(__x86_64__)
        [MAAS_CPU_V2] = maas_k_f64_near_v2,
        [MAAS_CPU_AVX2] = maas_k_f64_near_avx2,
        [MAAS_CPU_AVX512] = maas_k_f64_near_avx512,
#endif
    };

    return table[k->level];
}
