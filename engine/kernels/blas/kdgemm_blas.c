/*
 * kdgemm_blas: the float64 product by OpenBLAS (the serial build).
 *
 * OpenBLAS picks its kernels by the CPU and has been seen to compute wrong
 * results on processors that it does not know.  So it is compared once with
 * plain C; when they differ, plain C computes from then on.
 *
 * The serial build has no lock around the buffers that its products pack
 * into, so that two threads at once get wrong results: there is one here.
 *
 * Threads: the verdict is one atomic; two threads may reach the same one.
 */

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include <cblas.h>

#include "kernels/klevel.h"


enum { KB_UNKNOWN = 0, KB_GOOD, KB_BAD };

#define KB_MAX  112             /* largest edge of the check, in elements */

static atomic_int       kb_verdict;
static pthread_mutex_t  kb_mutex = PTHREAD_MUTEX_INITIALIZER;


void
maas_blas_enter(void)
{
    pthread_mutex_lock(&kb_mutex);
}


void
maas_blas_leave(void)
{
    pthread_mutex_unlock(&kb_mutex);
}


static void
kb_call(int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
    const double *b, int64_t ldb, double *c, int64_t ldc)
{
    maas_blas_enter();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) m, (int) n,
                (int) k, 1.0, a, (int) lda, b, (int) ldb, 0.0, c, (int) ldc);
    maas_blas_leave();
}


static void
kb_fill(double *p, int n, uint32_t x)
{
    int  i;

    for (i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (double) x / 2147483648.0 - 1.0;
    }
}


/*
 * Values are within [-1, 1], so that a sum of k products differs by less
 * than k * k * 2^-53 between two orders of summation.
 */
static bool
kb_check_one(int m, int n, int k)
{
    int     i;
    double  a[24 * KB_MAX], b[KB_MAX * 24], c[24 * 24], d[24 * 24];

    kb_fill(a, m * k, 1);
    kb_fill(b, k * n, 2);

    kb_call(m, n, k, a, k, b, n, c, n);
    maas_k_f64_gemm_ref(m, n, k, a, k, b, n, d, n);

    for (i = 0; i < m * n; i++) {
        if (!(fabs(c[i] - d[i]) <= (double) k * k * 0x1p-52)) {
            return false;
        }
    }

    return true;
}


/* Shapes of the vector, small and blocked paths, with ragged edges. */
static bool
kb_check(void)
{
    static const int  shapes[][3] = {
        { 1, 1, 1 }, { 1, 24, 112 }, { 24, 1, 112 }, { 24, 24, 112 },
        { 23, 17, 111 }, { 7, 13, 5 }, { 16, 8, 64 }, { 5, 24, 33 }
    };

    size_t  i;

    for (i = 0; i < maas_nelts(shapes); i++) {
        if (!kb_check_one(shapes[i][0], shapes[i][1], shapes[i][2])) {
            return false;
        }
    }

    return true;
}


void
maas_k_f64_gemm_blas(int64_t m, int64_t n, int64_t k, const double *a,
    int64_t lda, const double *b, int64_t ldb, double *c, int64_t ldc)
{
    int  verdict;

    verdict = atomic_load_explicit(&kb_verdict, memory_order_relaxed);

    if (maas_unlikely(verdict == KB_UNKNOWN)) {
        verdict = kb_check() ? KB_GOOD : KB_BAD;
        atomic_store_explicit(&kb_verdict, verdict, memory_order_relaxed);
    }

    if (verdict == KB_BAD || k <= 0 || m <= 0 || n <= 0
        || m > INT_MAX || n > INT_MAX || k > INT_MAX
        || lda > INT_MAX || ldb > INT_MAX || ldc > INT_MAX)
    {
        maas_k_f64_gemm_ref(m, n, k, a, lda, b, ldb, c, ldc);
        return;
    }

    kb_call(m, n, k, a, lda, b, ldb, c, ldc);
}
