/*
 * kdouble_ref: products of float64 at the reference level, and the choice of
 * a level's.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include "kernels/kdouble.h"
#include "kernels/klevel.h"


#define MAAS_ISA  ref

#include "kernels/ref/double_body.h"

extern const maas_dgemm16_pt  maas_k_dgemm16_avx2, maas_k_dgemm16_avx512;


/* v2 has no more than plain C. */
maas_dgemm16_pt
maas_dgemm16(const maas_kernels_t *k)
{
#if defined(__x86_64__)
    if (k->level == MAAS_CPU_AVX512) {
        return maas_k_dgemm16_avx512;
    }

    if (k->level == MAAS_CPU_AVX2) {
        return maas_k_dgemm16_avx2;
    }
#endif

    (void) k;
    return maas_k_f32_dgemm16_ref;
}
