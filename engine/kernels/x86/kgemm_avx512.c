/*
 * kgemm_avx512: float32 products, AVX-512: tiles of 12 rows by 32 columns
 * and of 8 channels by 48 pixels.  The loops are in gemm_rows.h,
 * gemm_tile.h and gemmt_tile.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include "kernels/klevel.h"
#include "kernels/x86/vec_avx512.h"


#define MAAS_ISA  avx512

#define KG_ROWS   12
#define KG_KC     768
#define KG_R(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

#define KR_W2     8
#define KR_W4     4

#define KT_CH     8
#define KT_C(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)

#include "kernels/x86/gemm_rows.h"
#include "kernels/x86/gemm_tile.h"
#include "kernels/x86/gemmt_tile.h"
