/*
 * kplain_ref: the reference level.  Plain C with fmaf(), which the C
 * library maps to the instruction where there is one, so that the bits are
 * those of the AVX2 and AVX-512 levels on any machine.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"


#define MAAS_ISA               ref
#define MAAS_MADD(a, b, c)     fmaf(a, b, c)

#include "kernels/ref/gemm_body.h"
#include "kernels/ref/qgemm_body.h"
#include "kernels/ref/qconv_body.h"
#include "kernels/ref/qrow_body.h"
#include "kernels/ref/map_body.h"
#include "kernels/ref/row_body.h"
#include "kernels/ref/back_body.h"
#include "kernels/ref/block_body.h"


void
maas_k_f64_gemm_ref(int64_t m, int64_t n, int64_t k, const double *a,
    int64_t lda, const double *b, int64_t ldb, double *c, int64_t ldc)
{
    double   v;
    int64_t  i, j, l;

    for (i = 0; i < m; i++) {
        for (j = 0; j < n; j++) {
            c[i * ldc + j] = 0.0;
        }

        for (l = 0; l < k; l++) {
            v = a[i * lda + l];

            for (j = 0; j < n; j++) {
                c[i * ldc + j] += v * b[l * ldb + j];
            }
        }
    }
}
