/*
 * kdouble_avx512: products of float64, AVX-512: tiles of 12 rows by 16
 * columns.  The loops are in vdouble.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/kdouble.h"
#include "kernels/klevel.h"


typedef __m512d  D;

#define DL              8
#define d_load(p)       _mm512_loadu_pd(p)
#define d_store(p, v)   _mm512_storeu_pd(p, v)
#define d_set1(x)       _mm512_set1_pd(x)
#define d_fma(a, b, c)  _mm512_fmadd_pd(a, b, c)

#define MAAS_ISA  avx512
#define KD_ROWS   12
#define KD_R(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

#include "kernels/x86/vdouble.h"

extern const maas_dgemm16_pt  maas_k_dgemm16_avx512;

const maas_dgemm16_pt  maas_k_dgemm16_avx512 = maas_k_f32_dgemm16_avx512;
