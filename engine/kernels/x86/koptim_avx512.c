/*
 * koptim_avx512: the updates of optimisers, built for this level: the plain
 * loops of kernels/ref/optim_body.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"
#include "kernels/koptim.h"


#define MAAS_ISA  avx512

#include "kernels/ref/optim_body.h"
