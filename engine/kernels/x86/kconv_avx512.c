/*
 * kconv_avx512: depthwise convolution, transposition and packing; the bodies
 * are in vconv.h and vmove.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include "kernels/klevel.h"
#include "kernels/x86/vec_avx512.h"


#define MAAS_ISA  avx512

#include "kernels/x86/vconv.h"
#include "kernels/x86/vmove.h"
