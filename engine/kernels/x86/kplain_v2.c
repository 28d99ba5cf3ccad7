/*
 * kplain_v2: the plain C bodies, built for x86-64-v2.  There is no fused
 * multiply-add at this level: products round before they are added.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"


#define MAAS_ISA               v2
#define MAAS_MADD(a, b, c)     ((a) * (b) + (c))

#include "kernels/ref/gemm_body.h"
#include "kernels/ref/qgemm_body.h"
#include "kernels/ref/qconv_body.h"
#include "kernels/ref/qrow_body.h"
#include "kernels/ref/map_body.h"
#include "kernels/ref/row_body.h"
#include "kernels/ref/back_body.h"
#include "kernels/ref/block_body.h"
