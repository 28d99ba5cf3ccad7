/*
 * kmap_avx512: element-wise kernels and whole-row kernels; the bodies are in
 * vmap.h and vrow.h, the functions in vmath.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"
#include "kernels/x86/vec_avx512.h"


#define MAAS_ISA  avx512

#include "kernels/x86/vmath.h"
#include "kernels/x86/vmap.h"
#include "kernels/x86/vrow.h"
