/*
 * koptim_ref: the updates of optimisers at the reference level, and the
 * choice of a level's.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"
#include "kernels/koptim.h"


#define MAAS_ISA  ref

#include "kernels/ref/optim_body.h"

extern const maas_optim_pt  maas_k_optim_v2[];
extern const maas_optim_pt  maas_k_optim_avx2[];
extern const maas_optim_pt  maas_k_optim_avx512[];


maas_optim_pt
maas_optim_kernel(const maas_kernels_t *k, maas_optim_kernel_t which)
{
    static const maas_optim_pt *const  table[MAAS_CPU_LEVELS] = {
        [MAAS_CPU_REF] = maas_k_optim_ref,
#if defined(__x86_64__)
        [MAAS_CPU_V2] = maas_k_optim_v2,
        [MAAS_CPU_AVX2] = maas_k_optim_avx2,
        [MAAS_CPU_AVX512] = maas_k_optim_avx512,
#endif
    };

    return table[k->level][which];
}
