/*
 * kdouble_avx2: products of float64, AVX2 and FMA: tiles of 2 rows by 16
 * columns.  The loops are in vdouble.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/kdouble.h"
#include "kernels/klevel.h"


typedef __m256d  D;

#define DL              4
#define d_load(p)       _mm256_loadu_pd(p)
#define d_store(p, v)   _mm256_storeu_pd(p, v)
#define d_set1(x)       _mm256_set1_pd(x)
#define d_fma(a, b, c)  _mm256_fmadd_pd(a, b, c)

#define MAAS_ISA  avx2
#define KD_ROWS   2
#define KD_R(F)   F(0) F(1)

#include "kernels/x86/vdouble.h"

extern const maas_dgemm16_pt  maas_k_dgemm16_avx2;

const maas_dgemm16_pt  maas_k_dgemm16_avx2 = maas_k_f32_dgemm16_avx2;
