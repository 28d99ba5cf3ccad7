/*
 * kmap_avx2: element-wise kernels, whole-row kernels and gradients of both;
 * the bodies are in vmap.h, vrow.h and vback.h, the functions in vmath.h
 * and vtrig.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"
#include "kernels/x86/vec_avx2.h"


#define MAAS_ISA  avx2

#include "kernels/x86/vmath.h"
#include "kernels/x86/vtrig.h"
#include "kernels/x86/vmap.h"
#include "kernels/x86/vrow.h"
#include "kernels/x86/vback.h"
