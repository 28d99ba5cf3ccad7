/*
 * kgemm_avx2: float32 products, AVX2 and FMA: tiles of 6 rows by 16 columns
 * and of 4 channels by 24 pixels.  The loops are in gemm_rows.h,
 * gemm_tile.h and gemmt_tile.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include "kernels/klevel.h"
#include "kernels/x86/vec_avx2.h"


#define MAAS_ISA  avx2

#define KG_ROWS   6
#define KG_KC     256
#define KG_R(F)   F(0) F(1) F(2) F(3) F(4) F(5)

#define KR_W2     4
#define KR_W4     2

#define KT_CH     4
#define KT_C(F)   F(0) F(1) F(2) F(3)

#include "kernels/x86/gemm_rows.h"
#include "kernels/x86/gemm_tile.h"
#include "kernels/x86/gemmt_tile.h"
