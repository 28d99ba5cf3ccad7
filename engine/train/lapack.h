/*
 * lapack: the dense factorisations that fitting needs, by the LAPACK of
 * OpenBLAS (the serial build).  Matrices are column-major float64; leading
 * dimensions are the number of rows.
 *
 * Ownership: matrices are the caller's; most are overwritten, as said.  Work
 *            memory comes from host and is given back.
 * Threads:   reentrant; calls of several threads take turns.
 * Errors:    MAAS_ENOMEM; MAAS_ELIMIT where a size exceeds LAPACK's 32-bit
 *            integers; MAAS_EUNSUPPORTED when this build of OpenBLAS
 *            computes wrong results on this processor.
 */

#ifndef MAAS_LAPACK_H
#define MAAS_LAPACK_H

#include "base/base.h"


/*
 * Least squares of least norm: min ||a x - b||.  a: m x n, destroyed.  b has
 * max(m, n) rows and rhs columns: the first m are read, the first n are x.
 * Singular values below rcond times the largest count as zero.
 */
maas_status_t maas_lapack_lstsq(const maas_host_t *host, double *a,
    int64_t m, int64_t n, double *b, int64_t rhs, double rcond,
    int64_t *rank, maas_err_t *err);

/*
 * a = u diag(s) vt with k = min(m, n) singular values, descending.  a: m x
 * n, destroyed; u: m x k; vt: k x n.
 */
maas_status_t maas_lapack_svd(const maas_host_t *host, double *a, int64_t m,
    int64_t n, double *u, double *s, double *vt, maas_err_t *err);

/* a = q r, m >= n; r goes into the upper triangle, q is lost. */
maas_status_t maas_lapack_qr(const maas_host_t *host, double *a, int64_t m,
    int64_t n, maas_err_t *err);

/*
 * a x = b, a symmetric positive definite n x n (upper triangle, destroyed),
 * b: n x rhs becomes x.  *definite false, and b as it was: a is not.
 */
maas_status_t maas_lapack_solve(double *a, int64_t n, double *b,
    int64_t rhs, bool *definite, maas_err_t *err);

/*
 * a = r'r, a symmetric n x n of which the upper triangle is read and becomes
 * r.  inverse (n x n): r's inverse, in its upper triangle.  *definite false:
 * a is not positive definite, and both hold anything.
 */
maas_status_t maas_lapack_cholesky(double *a, int64_t n, double *inverse,
    bool *definite, maas_err_t *err);

#endif
