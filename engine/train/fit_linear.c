/*
 * fit_linear.c: centring, weighting and QR of a least-squares problem.
 *
 * Ownership: scratch arena; the nodes copy what they keep.
 * Threads:   one thread a job.
 */

#include <float.h>
#include <math.h>

#include "train/fit_linear.h"
#include "train/lapack.h"


#define LINEAR_ROWS  512        /* of a block, at least */


/* sqrt of the weight of a row. */
static double
linear_root(const maas_fit_job_t *f, int64_t i)
{
    return f->weight != NULL ? sqrt(f->weight[i]) : 1;
}


/* Weighted means of columns, twice over: the second takes out rounding. */
static void
linear_means(const maas_fit_job_t *f, const double *v, int64_t cols,
    double weight, double *mean, double *delta)
{
    double  w;

    for (int pass = 0; pass < 2; pass++) {
        memset(delta, 0, (size_t) cols * sizeof(double));

        for (int64_t i = 0; i < f->n; i++) {
            w = f->weight != NULL ? f->weight[i] : 1;

            for (int64_t j = 0; j < cols; j++) {
                delta[j] += w * (v[i * cols + j] - mean[j]);
            }
        }

        for (int64_t j = 0; j < cols; j++) {
            mean[j] += delta[j] / weight;
        }
    }
}


/* 0 for a column that is constant but for rounding, else 1. */
static void
linear_vary(const maas_fit_job_t *f, const double *v, int64_t cols,
    const double *mean, double *vary)
{
    memset(vary, 0, (size_t) cols * sizeof(double));

    for (int64_t i = 0; i < f->n; i++) {
        for (int64_t j = 0; j < cols; j++) {
            vary[j] = fmax(vary[j], fabs(v[i * cols + j] - mean[j]));
        }
    }

    for (int64_t j = 0; j < cols; j++) {
        vary[j] = mean[j] == 0 || vary[j] > 8 * DBL_EPSILON * fabs(mean[j]);
    }
}


/* Centred and weighted rows [first, last) as columns of `to`. */
static void
linear_columns(const maas_fit_job_t *f, const double *v, int64_t cols,
    const double *mean, const double *vary, int64_t first, int64_t last,
    double *to, int64_t ld)
{
    double         w;
    const double  *row;

    for (int64_t i = first; i < last; i++) {
        row = v + i * cols;
        w = linear_root(f, i);

        for (int64_t j = 0; j < cols; j++) {
            to[i - first + j * ld] = (row[j] - mean[j]) * vary[j] * w;
        }
    }
}


/* What is below the diagonal of the first q rows are reflectors: away. */
static void
linear_clear(double *a, int64_t ld, int64_t q)
{
    for (int64_t j = 0; j < q; j++) {
        memset(a + j * ld + j + 1, 0, (size_t) (ld - j - 1)
                                      * sizeof(double));
    }
}


/* Blocks of rows under the r so far, a size that the cache holds. */
static maas_status_t
linear_blocks(const maas_fit_job_t *f, maas_arena_t *a, int64_t targets,
    const double *mean, const double *y_mean, double *r)
{
    double   *w, *vary;
    int64_t   p = f->p, q = p + targets, rows, ld, last;

    rows = maas_min(f->n, maas_max((int64_t) LINEAR_ROWS, 4 * q));
    ld = q + rows;
    vary = maas_arena_array(a, (size_t) q, sizeof(double));
    w = maas_arena_array(a, (size_t) q * sizeof(double), (size_t) ld);

    if (vary == NULL || w == NULL) {
        return maas_err_nomem(f->err);
    }

    linear_vary(f, f->x, p, mean, vary);

    if (targets != 0) {
        linear_vary(f, f->y, targets, y_mean, vary + p);
    }

    for (int64_t i = 0; i < f->n; i = last) {
        MAAS_TRY(maas_fit_poll(f));
        last = maas_min(i + rows, f->n);

        linear_columns(f, f->x, p, mean, vary, i, last, w + q, ld);
        linear_columns(f, f->y, targets, y_mean, vary + p, i, last,
                       w + q + p * ld, ld);

        MAAS_TRY(maas_lapack_qr(f->host, w, ld, q, f->err));
        linear_clear(w, ld, q);
    }

    for (int64_t j = 0; j < q; j++) {
        memcpy(r + j * q, w + j * ld, (size_t) q * sizeof(double));
    }

    return MAAS_OK;
}


maas_status_t
maas_linear_triangle(const maas_fit_job_t *f, int64_t targets,
    const double *mean, const double *y_mean, double *r)
{
    maas_arena_t   work;
    maas_status_t  rc;

    maas_arena_init(&work, f->host, 0);
    rc = linear_blocks(f, &work, targets, mean, y_mean, r);
    maas_arena_destroy(&work);

    return rc;
}


/* The two parts of r go where they are solved. */
static maas_status_t
linear_small(const maas_fit_job_t *f, maas_arena_t *scratch,
    maas_linear_t *l)
{
    double   *r;
    int64_t   p = f->p, t = f->n_target, q = p + t;

    l->m = l->ld = p;
    l->a = maas_arena_array(scratch, (size_t) (p * p), sizeof(double));
    l->b = maas_arena_array(scratch, (size_t) (p * t), sizeof(double));
    r = maas_arena_array(scratch, (size_t) (q * q), sizeof(double));

    if (l->a == NULL || l->b == NULL || r == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(maas_linear_triangle(f, t, l->mean, l->y_mean, r));

    for (int64_t j = 0; j < p; j++) {
        memcpy(l->a + j * p, r + j * q, (size_t) p * sizeof(double));
    }

    for (int64_t k = 0; k < t; k++) {
        memcpy(l->b + k * p, r + (p + k) * q, (size_t) p * sizeof(double));

        for (int64_t i = p; i <= p + k; i++) {
            l->rest[k] += r[i + (p + k) * q] * r[i + (p + k) * q];
        }
    }

    return MAAS_OK;
}


/* As many rows as features, or fewer: all of them. */
static maas_status_t
linear_whole(const maas_fit_job_t *f, maas_arena_t *scratch,
    maas_linear_t *l)
{
    double   *vary;
    int64_t   p = f->p, t = f->n_target, n = f->n;

    l->m = n;
    l->ld = maas_max(n, p);
    l->a = maas_arena_array(scratch, (size_t) (n * p), sizeof(double));
    l->b = maas_arena_array(scratch, (size_t) (l->ld * t), sizeof(double));
    vary = maas_arena_array(scratch, (size_t) maas_max(p, t),
                            sizeof(double));

    if (l->a == NULL || l->b == NULL || vary == NULL) {
        return maas_err_nomem(f->err);
    }

    linear_vary(f, f->x, p, l->mean, vary);
    linear_columns(f, f->x, p, l->mean, vary, 0, n, l->a, n);
    linear_vary(f, f->y, t, l->y_mean, vary);
    linear_columns(f, f->y, t, l->y_mean, vary, 0, n, l->b, l->ld);

    return MAAS_OK;
}


maas_status_t
maas_linear_reduce(const maas_fit_job_t *f, maas_arena_t *scratch,
    bool intercept, maas_linear_t *l)
{
    double   *delta;
    int64_t   p = f->p, t = f->n_target, n = f->n, cols = maas_max(p, t);

    memset(l, 0, sizeof(*l));

    l->mean = maas_arena_array(scratch, (size_t) p, sizeof(double));
    l->y_mean = maas_arena_array(scratch, (size_t) t, sizeof(double));
    l->rest = maas_arena_array(scratch, (size_t) t, sizeof(double));
    delta = maas_arena_array(scratch, (size_t) cols, sizeof(double));

    if (l->mean == NULL || l->y_mean == NULL || l->rest == NULL
        || delta == NULL)
    {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < n; i++) {
        l->weight += f->weight != NULL ? f->weight[i] : 1;
    }

    if (intercept) {
        linear_means(f, f->x, p, l->weight, l->mean, delta);
        linear_means(f, f->y, t, l->weight, l->y_mean, delta);
    }

    MAAS_TRY(maas_fit_poll(f));

    return n > p + t ? linear_small(f, scratch, l)
                     : linear_whole(f, scratch, l);
}


maas_status_t
maas_linear_finish(maas_fit_job_t *f, maas_arena_t *scratch,
    const maas_linear_t *l, const double *coef, bool intercept)
{
    double   *b;
    int64_t   t = f->n_target, p = f->p;

    b = maas_arena_array(scratch, (size_t) t, sizeof(double));
    if (b == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t k = 0; intercept && k < t; k++) {
        b[k] = l->y_mean[k];

        for (int64_t j = 0; j < p; j++) {
            b[k] -= coef[k * p + j] * l->mean[j];
        }
    }

    if (t == 1) {
        maas_fit_say_list(f, "coefficients", coef, p);
        maas_fit_say(f, "intercept", b[0]);

    } else {
        maas_fit_say_rows(f, "coefficients", coef, t, p);
        maas_fit_say_list(f, "intercept", b, t);
    }

    return maas_fit_regressor(f, coef, b, t, intercept ? l->mean : NULL);
}
