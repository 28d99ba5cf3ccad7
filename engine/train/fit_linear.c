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


/* Centred columns; one that is constant but for rounding becomes zero. */
static void
linear_columns(const maas_fit_job_t *f, const double *v, int64_t cols,
    const double *mean, double *to, int64_t ld)
{
    double  d, far;

    for (int64_t j = 0; j < cols; j++) {
        far = 0;

        for (int64_t i = 0; i < f->n; i++) {
            d = v[i * cols + j] - mean[j];
            far = fmax(far, fabs(d));
            to[i + j * ld] = d * linear_root(f, i);
        }

        if (mean[j] != 0 && far <= 8 * DBL_EPSILON * fabs(mean[j])) {
            memset(to + j * ld, 0, (size_t) f->n * sizeof(double));
        }
    }
}


/* The two parts of r go where they are solved. */
static maas_status_t
linear_qr(const maas_fit_job_t *f, maas_arena_t *scratch, double *xy,
    maas_linear_t *l)
{
    int64_t  p = f->p, t = f->n_target, n = f->n;

    MAAS_TRY(maas_lapack_qr(f->host, xy, n, p + t, f->err));

    l->m = l->ld = p;
    l->a = maas_arena_array(scratch, (size_t) (p * p), sizeof(double));
    l->b = maas_arena_array(scratch, (size_t) (p * t), sizeof(double));

    if (l->a == NULL || l->b == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t j = 0; j < p; j++) {
        memcpy(l->a + j * p, xy + j * n, (size_t) (j + 1) * sizeof(double));
    }

    for (int64_t k = 0; k < t; k++) {
        memcpy(l->b + k * p, xy + (p + k) * n, (size_t) p * sizeof(double));

        for (int64_t i = p; i <= p + k; i++) {
            l->rest[k] += xy[i + (p + k) * n] * xy[i + (p + k) * n];
        }
    }

    return MAAS_OK;
}


static maas_status_t
linear_small(const maas_fit_job_t *f, maas_arena_t *scratch,
    maas_linear_t *l)
{
    double         *xy;
    int64_t         p = f->p, t = f->n_target, n = f->n;
    maas_arena_t    big;
    maas_status_t   rc;

    maas_arena_init(&big, f->host, 0);

    xy = maas_arena_array(&big, (size_t) n * (size_t) (p + t),
                          sizeof(double));
    if (xy == NULL) {
        rc = maas_err_nomem(f->err);

    } else {
        linear_columns(f, f->x, p, l->mean, xy, n);
        linear_columns(f, f->y, t, l->y_mean, xy + n * p, n);
        rc = linear_qr(f, scratch, xy, l);
    }

    maas_arena_destroy(&big);
    return rc;
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

    if (n > p + t) {
        return linear_small(f, scratch, l);
    }

    l->m = n;
    l->ld = maas_max(n, p);
    l->a = maas_arena_array(scratch, (size_t) (n * p), sizeof(double));
    l->b = maas_arena_array(scratch, (size_t) (l->ld * t), sizeof(double));

    if (l->a == NULL || l->b == NULL) {
        return maas_err_nomem(f->err);
    }

    linear_columns(f, f->x, p, l->mean, l->a, n);
    linear_columns(f, f->y, t, l->y_mean, l->b, l->ld);

    return MAAS_OK;
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
