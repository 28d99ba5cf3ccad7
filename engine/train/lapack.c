/*
 * lapack.c: the only file that calls LAPACK.  OpenBLAS exports the Fortran
 * routines; a length of every character argument follows the others.
 *
 * OpenBLAS picks its kernels by the CPU and has been seen to compute wrong
 * results on processors that it does not know.  So each routine is tried
 * once on a small matrix; where a result does not multiply back, nothing is
 * fitted and the error names the remedy.
 *
 * Ownership: work memory is the host's and is freed before return.
 * Threads:   calls take turns (maas_blas_enter()); the verdict is one atomic.
 * Routines:  https://netlib.org/lapack/explore-html/
 */

#include <limits.h>
#include <math.h>
#include <stdatomic.h>

#include "kernels/kernels.h"
#include "train/lapack.h"


extern void dgelsd_(const int *m, const int *n, const int *rhs, double *a,
    const int *lda, double *b, const int *ldb, double *s,
    const double *rcond, int *rank, double *work, const int *lwork,
    int *iwork, int *info);
extern void dgesdd_(const char *job, const int *m, const int *n, double *a,
    const int *lda, double *s, double *u, const int *ldu, double *vt,
    const int *ldvt, double *work, const int *lwork, int *iwork, int *info,
    size_t job_len);
extern void dgeqrf_(const int *m, const int *n, double *a, const int *lda,
    double *tau, double *work, const int *lwork, int *info);
extern void dpotrf_(const char *uplo, const int *n, double *a,
    const int *lda, int *info, size_t uplo_len);
extern void dpotrs_(const char *uplo, const int *n, const int *rhs,
    const double *a, const int *lda, double *b, const int *ldb, int *info,
    size_t uplo_len);
extern void dtrtri_(const char *uplo, const char *diag, const int *n,
    double *a, const int *lda, int *info, size_t uplo_len, size_t diag_len);

enum { LP_UNKNOWN = 0, LP_GOOD, LP_BAD };

#define LP_M    24              /* of the matrices of the check */
#define LP_N    17
#define LP_TOL  1e-11

static atomic_int  lp_verdict;

static maas_status_t lp_ready(const maas_host_t *host, maas_err_t *err);


static maas_status_t
lp_size(int64_t m, int64_t n, maas_err_t *err)
{
    int64_t  count;

    if (m > INT_MAX || n > INT_MAX || !maas_mul_i64(m, n, &count)
        || count > INT64_MAX / 16)
    {
        return maas_err(err, MAAS_ELIMIT, "a matrix of %lld rows and %lld "
                        "columns is too large to be factorised",
                        (long long) m, (long long) n);
    }

    return MAAS_OK;
}


static maas_status_t
lp_failed(const char *what, int info, maas_err_t *err)
{
    return info < 0
           ? maas_err(err, MAAS_EINTERNAL, "%s: argument %d", what, -info)
           : maas_err(err, MAAS_EINVAL, "%s did not converge; are there "
                      "values of very different size?", what);
}


/* -- routines ------------------------------------------------------------ */

static maas_status_t
lp_lstsq(const maas_host_t *host, double *a, int64_t m, int64_t n,
    double *b, int64_t rhs, double rcond, int64_t *rank, maas_err_t *err)
{
    int      im = (int) m, in = (int) n, ir = (int) rhs, lda, ldb, found = 0;
    int      lwork = -1, liwork = 0, info = 0;
    double   want = 0, *work, *s;

    lda = maas_max(im, 1);
    ldb = maas_max(maas_max(im, in), 1);

    maas_blas_enter();
    dgelsd_(&im, &in, &ir, a, &lda, b, &ldb, &want, &rcond, &found, &want,
            &lwork, &liwork, &info);
    maas_blas_leave();

    /* The integers needed are written for a query, but not by all builds. */
    lwork = (int) want;
    liwork = maas_max(liwork, 3 * 32 * maas_min(im, in)
                              + 11 * maas_min(im, in));

    work = maas_calloc(host, (size_t) lwork + (size_t) maas_min(im, in) + 1
                             + (size_t) liwork, sizeof(double));
    if (work == NULL) {
        return maas_err_nomem(err);
    }

    s = work + lwork;

    maas_blas_enter();
    dgelsd_(&im, &in, &ir, a, &lda, b, &ldb, s, &rcond, &found, work,
            &lwork, (int *) (s + maas_min(im, in) + 1), &info);
    maas_blas_leave();

    maas_free(host, work);
    *rank = found;

    return info == 0 ? MAAS_OK : lp_failed("least squares", info, err);
}


static maas_status_t
lp_svd(const maas_host_t *host, double *a, int64_t m, int64_t n, double *u,
    double *s, double *vt, maas_err_t *err)
{
    int      im = (int) m, in = (int) n, k = maas_min(im, in);
    int      lwork = -1, info = 0, query = 0;
    double   want = 0, *work;

    maas_blas_enter();
    dgesdd_("S", &im, &in, a, &im, s, u, &im, vt, &k, &want, &lwork, &query,
            &info, 1);
    maas_blas_leave();
    lwork = (int) want;

    work = maas_calloc(host, (size_t) lwork + 8 * (size_t) k,
                       sizeof(double));
    if (work == NULL) {
        return maas_err_nomem(err);
    }

    maas_blas_enter();
    dgesdd_("S", &im, &in, a, &im, s, u, &im, vt, &k, work, &lwork,
            (int *) (work + lwork), &info, 1);
    maas_blas_leave();

    maas_free(host, work);

    return info == 0 ? MAAS_OK
           : lp_failed("the singular value decomposition", info, err);
}


static maas_status_t
lp_qr(const maas_host_t *host, double *a, int64_t m, int64_t n,
    maas_err_t *err)
{
    int     im = (int) m, in = (int) n, lwork = -1, info = 0;
    double  want = 0, tau = 0, *work;

    maas_blas_enter();
    dgeqrf_(&im, &in, a, &im, &tau, &want, &lwork, &info);
    maas_blas_leave();
    lwork = (int) want;

    work = maas_calloc(host, (size_t) lwork + (size_t) n, sizeof(double));
    if (work == NULL) {
        return maas_err_nomem(err);
    }

    maas_blas_enter();
    dgeqrf_(&im, &in, a, &im, work + lwork, work, &lwork, &info);
    maas_blas_leave();
    maas_free(host, work);

    return info == 0 ? MAAS_OK : lp_failed("QR", info, err);
}


static bool
lp_solve(double *a, int64_t n, double *b, int64_t rhs)
{
    int  in = (int) n, ir = (int) rhs, info = 0;

    maas_blas_enter();
    dpotrf_("U", &in, a, &in, &info, 1);
    maas_blas_leave();

    if (info != 0) {
        return false;
    }

    maas_blas_enter();
    dpotrs_("U", &in, &ir, a, &in, b, &in, &info, 1);
    maas_blas_leave();

    return info == 0;
}


static bool
lp_cholesky(double *a, int64_t n, double *inverse)
{
    int  in = (int) n, info = 0;

    maas_blas_enter();
    dpotrf_("U", &in, a, &in, &info, 1);
    maas_blas_leave();

    if (info != 0) {
        return false;
    }

    memcpy(inverse, a, (size_t) (n * n) * sizeof(double));

    maas_blas_enter();
    dtrtri_("U", "N", &in, inverse, &in, &info, 1, 1);
    maas_blas_leave();

    return info == 0;
}


maas_status_t
maas_lapack_lstsq(const maas_host_t *host, double *a, int64_t m, int64_t n,
    double *b, int64_t rhs, double rcond, int64_t *rank, maas_err_t *err)
{
    MAAS_TRY(lp_size(m, n, err));
    MAAS_TRY(lp_size(maas_max(m, n), rhs, err));
    MAAS_TRY(lp_ready(host, err));

    return lp_lstsq(host, a, m, n, b, rhs, rcond, rank, err);
}


maas_status_t
maas_lapack_svd(const maas_host_t *host, double *a, int64_t m, int64_t n,
    double *u, double *s, double *vt, maas_err_t *err)
{
    MAAS_TRY(lp_size(m, n, err));
    MAAS_TRY(lp_ready(host, err));

    return lp_svd(host, a, m, n, u, s, vt, err);
}


maas_status_t
maas_lapack_qr(const maas_host_t *host, double *a, int64_t m, int64_t n,
    maas_err_t *err)
{
    MAAS_TRY(lp_size(m, n, err));
    MAAS_TRY(lp_ready(host, err));

    return lp_qr(host, a, m, n, err);
}


maas_status_t
maas_lapack_solve(double *a, int64_t n, double *b, int64_t rhs,
    bool *definite, maas_err_t *err)
{
    MAAS_TRY(lp_size(n, maas_max(n, rhs), err));
    MAAS_TRY(lp_ready(&maas_host_libc, err));

    *definite = lp_solve(a, n, b, rhs);
    return MAAS_OK;
}


maas_status_t
maas_lapack_cholesky(double *a, int64_t n, double *inverse, bool *definite,
    maas_err_t *err)
{
    MAAS_TRY(lp_size(n, n, err));
    MAAS_TRY(lp_ready(&maas_host_libc, err));

    *definite = lp_cholesky(a, n, inverse);
    return MAAS_OK;
}


/* -- the check ----------------------------------------------------------- */

static void
lp_fill(double *p, int n)
{
    uint32_t  x = 1;

    for (int i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (double) x / 2147483648.0 - 1.0;
    }
}


/* Largest |a' (a x - b)|: zero at the least squares. */
static double
lp_normal(const double *a, const double *b, const double *x)
{
    double  r[LP_M], worst = 0, sum;

    for (int i = 0; i < LP_M; i++) {
        r[i] = -b[i];

        for (int j = 0; j < LP_N; j++) {
            r[i] += a[i + j * LP_M] * x[j];
        }
    }

    for (int j = 0; j < LP_N; j++) {
        sum = 0;

        for (int i = 0; i < LP_M; i++) {
            sum += a[i + j * LP_M] * r[i];
        }

        worst = fmax(worst, fabs(sum));
    }

    return worst;
}


/* a'a, and c'c where c is upper triangular: largest difference. */
static double
lp_gram(const double *a, const double *c)
{
    double  worst = 0, x, y;

    for (int j = 0; j < LP_N; j++) {
        for (int k = 0; k < LP_N; k++) {
            x = y = 0;

            for (int i = 0; i < LP_M; i++) {
                x += a[i + j * LP_M] * a[i + k * LP_M];
                y += i <= j && i <= k ? c[i + j * LP_M] * c[i + k * LP_M] : 0;
            }

            worst = fmax(worst, fabs(x - y));
        }
    }

    return worst;
}


static double
lp_back(const double *a, const double *u, const double *s, const double *vt)
{
    double  worst = 0, x;

    for (int i = 0; i < LP_M; i++) {
        for (int j = 0; j < LP_N; j++) {
            x = 0;

            for (int k = 0; k < LP_N; k++) {
                x += u[i + k * LP_M] * s[k] * vt[k + j * LP_N];
            }

            worst = fmax(worst, fabs(x - a[i + j * LP_M]));
        }
    }

    return worst;
}


/* inverse' inverse of g = r'r undoes g x: off by how much. */
static double
lp_undone(const double *g, const double *inverse)
{
    double  worst = 0, x[LP_N], y[LP_N], z[LP_N];

    lp_fill(x, LP_N);

    for (int i = 0; i < LP_N; i++) {
        y[i] = 0;

        for (int j = 0; j < LP_N; j++) {
            y[i] += g[i + j * LP_N] * x[j];
        }
    }

    for (int j = 0; j < LP_N; j++) {            /* inverse' y */
        z[j] = 0;

        for (int i = 0; i <= j; i++) {
            z[j] += inverse[i + j * LP_N] * y[i];
        }
    }

    for (int i = 0; i < LP_N; i++) {
        for (int j = i; j < LP_N; j++) {
            x[i] -= inverse[i + j * LP_N] * z[j];
        }

        worst = fmax(worst, fabs(x[i]));
    }

    return worst;
}


/* The normal equations of the same problem. */
static bool
lp_check_solve(const double *a, const double *b)
{
    double  g[LP_N * LP_N], c[LP_N * LP_N], inverse[LP_N * LP_N], x[LP_N];

    for (int j = 0; j < LP_N; j++) {
        x[j] = 0;

        for (int i = 0; i < LP_M; i++) {
            x[j] += a[i + j * LP_M] * b[i];
        }

        for (int k = 0; k < LP_N; k++) {
            g[j + k * LP_N] = 0;

            for (int i = 0; i < LP_M; i++) {
                g[j + k * LP_N] += a[i + j * LP_M] * a[i + k * LP_M];
            }
        }
    }

    memcpy(c, g, sizeof(g));

    return lp_cholesky(c, LP_N, inverse) && lp_undone(g, inverse) < LP_TOL
           && lp_solve(g, LP_N, x, 1) && lp_normal(a, b, x) < LP_TOL;
}


static maas_status_t
lp_check(const maas_host_t *host, bool *good, maas_err_t *err)
{
    double   a[LP_M * LP_N], c[LP_M * LP_N], b[LP_M], x[LP_M];
    double   u[LP_M * LP_N], s[LP_N], vt[LP_N * LP_N];
    int64_t  rank;

    lp_fill(a, LP_M * LP_N);
    lp_fill(b, LP_M);

    memcpy(c, a, sizeof(a));
    memcpy(x, b, sizeof(b));
    MAAS_TRY(lp_lstsq(host, c, LP_M, LP_N, x, 1, 1e-15, &rank, err));
    *good = rank == LP_N && lp_normal(a, b, x) < LP_TOL;

    memcpy(c, a, sizeof(a));
    MAAS_TRY(lp_svd(host, c, LP_M, LP_N, u, s, vt, err));
    *good = *good && lp_back(a, u, s, vt) < LP_TOL;

    memcpy(c, a, sizeof(a));
    MAAS_TRY(lp_qr(host, c, LP_M, LP_N, err));
    *good = *good && lp_gram(a, c) < LP_TOL && lp_check_solve(a, b);

    return MAAS_OK;
}


static maas_status_t
lp_ready(const maas_host_t *host, maas_err_t *err)
{
    int   verdict = atomic_load_explicit(&lp_verdict, memory_order_relaxed);
    bool  good = false;

    if (maas_unlikely(verdict == LP_UNKNOWN)) {
        MAAS_TRY(lp_check(host, &good, err));
        verdict = good ? LP_GOOD : LP_BAD;
        atomic_store_explicit(&lp_verdict, verdict, memory_order_relaxed);
    }

    if (verdict == LP_GOOD) {
        return MAAS_OK;
    }

    return maas_err(err, MAAS_EUNSUPPORTED, "OpenBLAS computes wrong results "
                    "on this processor; set OPENBLAS_CORETYPE=Haswell (or "
                    "another that fits) in the environment");
}
