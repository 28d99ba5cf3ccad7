/*
 * fit_linear.c: centring, weighting and the triangle of a least-squares
 * problem: by products of its columns, or by QR where these are dependent.
 *
 * Ownership: scratch arena; the nodes copy what they keep.
 * Threads:   the job's, for passes over the rows.
 */

#include <float.h>
#include <math.h>

#include "train/fit_linear.h"
#include "train/fit_rows.h"
#include "train/lapack.h"


#define LINEAR_ROWS  512        /* of a block, at least */


/* sqrt of the weight of a row. */
static double
linear_root(const maas_fit_job_t *f, int64_t i)
{
    return f->weight != NULL ? sqrt(f->weight[i]) : 1;
}


maas_status_t
maas_linear_columns(const maas_fit_job_t *f, maas_arena_t *scratch,
    const double *v, int64_t cols, bool centre, maas_linear_cols_t *c)
{
    maas_status_t    rc;
    maas_fit_rows_t  rows;

    c->mean = maas_arena_array(scratch, (size_t) cols, sizeof(double));
    c->vary = maas_arena_array(scratch, (size_t) cols, sizeof(double));

    if (c->mean == NULL || c->vary == NULL) {
        return maas_err_nomem(f->err);
    }

    if (centre) {
        maas_fit_rows_begin(&rows, f);
        rc = maas_fit_rows_means(&rows, scratch, v, cols, f->weight, c->mean,
                                 c->vary);
        maas_fit_rows_end(&rows);
        MAAS_TRY(rc);
    }

    for (int64_t j = 0; j < cols; j++) {
        c->vary[j] = c->mean[j] == 0
                     || !maas_fit_constant(c->mean[j], c->vary[j]);
    }

    return MAAS_OK;
}


/* Centred and weighted rows [first, last) as columns of `to`. */
static void
linear_turn(const maas_fit_job_t *f, const double *v, int64_t cols,
    const maas_linear_cols_t *c, int64_t first, int64_t last, double *to,
    int64_t ld)
{
    double         w;
    const double  *row;

    for (int64_t i = first; i < last; i++) {
        row = v + i * cols;
        w = linear_root(f, i);

        for (int64_t j = 0; j < cols; j++) {
            to[i - first + j * ld] = (row[j] - c->mean[j]) * c->vary[j] * w;
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
    const maas_linear_cols_t *x, const maas_linear_cols_t *y, double *r)
{
    double   *w;
    int64_t   p = f->p, q = p + targets, rows, ld, last;

    rows = maas_min(f->n, maas_max((int64_t) LINEAR_ROWS, 4 * q));
    ld = q + rows;
    w = maas_arena_array(a, (size_t) q * sizeof(double), (size_t) ld);

    if (w == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < f->n; i = last) {
        MAAS_TRY(maas_fit_poll(f));
        last = maas_min(i + rows, f->n);

        linear_turn(f, f->x, p, x, i, last, w + q, ld);

        if (targets != 0) {
            linear_turn(f, f->y, targets, y, i, last, w + q + p * ld, ld);
        }

        MAAS_TRY(maas_lapack_qr(f->host, w, ld, q, f->err));
        linear_clear(w, ld, q);
    }

    for (int64_t j = 0; j < q; j++) {
        memcpy(r + j * q, w + j * ld, (size_t) q * sizeof(double));
    }

    return MAAS_OK;
}


/* -- products of columns ------------------------------------------------- */

/*
 * Where columns are far from dependent, r is the Cholesky factor of their
 * products: half the work of QR, and any thread's.  Columns are brought to
 * length 1 first.  Rounding moves r by some DBL_EPSILON times the condition
 * of the products, which is at most p times the trace of their inverse.
 */
#define LINEAR_LOST  1e-11

typedef struct {
    maas_fit_rows_t            rows;
    const maas_linear_cols_t  *x;
    const maas_linear_cols_t  *y;
    int64_t                    targets;
    int64_t                    ld;
    double                    *gram;        /* [parts][ld][ld] */
    double                    *block;       /* [slots][MAAS_FIT_ROWS][ld] */
} linear_gram_t;


static maas_status_t
linear_gram_part(void *arg, int slot, int64_t part)
{
    double                 root[MAAS_FIT_ROWS], *w;
    int64_t                m, ld, last;
    linear_gram_t         *c = arg;
    maas_fit_product_t     q;
    const maas_fit_job_t  *f = c->rows.f;

    ld = c->ld;
    w = c->block + slot * MAAS_FIT_ROWS * ld;
    last = maas_fit_rows_at(&c->rows, part + 1);
    q = (maas_fit_product_t) {
        .g = c->gram + part * ld * ld, .ldg = ld, .a = w, .lda = ld,
        .ni = ld, .b = w, .ldb = ld, .nj = ld, .upper = true
    };

    for (int64_t i = maas_fit_rows_at(&c->rows, part); i < last; i += m) {
        m = maas_min(last - i, (int64_t) MAAS_FIT_ROWS);

        for (int64_t k = 0; f->weight != NULL && k < m; k++) {
            root[k] = linear_root(f, i + k);
        }

        c->rows.k->centre(w, ld, f->x + i * f->p, m, f->p, c->x->mean,
                          c->x->vary, f->weight != NULL ? root : NULL);

        if (c->targets != 0) {
            c->rows.k->centre(w + f->p, ld, f->y + i * c->targets, m,
                              c->targets, c->y->mean, c->y->vary,
                              f->weight != NULL ? root : NULL);
        }

        q.m = m;
        c->rows.k->products(&q);
    }

    return MAAS_OK;
}


/* r of the features from products of length 1; false: too dependent. */
static maas_status_t
linear_cholesky(const linear_gram_t *c, double *unit, double *a,
    double *inverse, bool *good)
{
    double   g, trace = 0;
    int64_t  p = c->rows.f->p;

    for (int64_t j = 0; j < p; j++) {
        g = c->gram[j * c->ld + j];
        unit[j] = g > 0 ? 1 / sqrt(g) : 0;

        for (int64_t i = 0; i < j; i++) {
            a[i + j * p] = c->gram[i * c->ld + j] * unit[i] * unit[j];
        }

        a[j + j * p] = 1;               /* a constant column too */
    }

    MAAS_TRY(maas_lapack_cholesky(a, p, inverse, good, c->rows.f->err));

    for (int64_t j = 0; *good && j < p; j++) {
        for (int64_t i = 0; i <= j; i++) {
            trace += inverse[i + j * p] * inverse[i + j * p];
        }
    }

    *good = *good && sqrt((double) p) * DBL_EPSILON * trace <= LINEAR_LOST;
    return MAAS_OK;
}


/* Targets: r' s = x'y by forward substitution; what is left of them. */
static void
linear_project(const linear_gram_t *c, const double *unit, const double *a,
    double *r)
{
    double   s, left, *to;
    int64_t  p = c->rows.f->p, q = p + c->targets;

    for (int64_t k = p; k < q; k++) {
        to = r + k * q;
        left = c->gram[k * c->ld + k];

        for (int64_t i = 0; i < p; i++) {
            s = c->gram[i * c->ld + k] * unit[i];

            for (int64_t l = 0; l < i; l++) {
                s -= a[l + i * p] * to[l];
            }

            to[i] = s / a[i + i * p];
            left -= to[i] * to[i];
        }

        to[k] = sqrt(fmax(left, 0));
    }
}


static maas_status_t
linear_products(linear_gram_t *c, maas_arena_t *work, double *r, bool *good)
{
    double   *unit, *a, *inverse;
    int64_t   p = c->rows.f->p, q = p + c->targets;
    size_t    ld = (size_t) c->ld;

    c->gram = maas_arena_array(work, (size_t) c->rows.parts * ld,
                               ld * sizeof(double));
    c->block = maas_arena_array(work, (size_t) c->rows.crew.slots * ld,
                                MAAS_FIT_ROWS * sizeof(double));
    unit = maas_arena_array(work, (size_t) p, sizeof(double));
    a = maas_arena_array(work, (size_t) (p * p), sizeof(double));
    inverse = maas_arena_array(work, (size_t) (p * p), sizeof(double));

    if (c->gram == NULL || c->block == NULL || unit == NULL || a == NULL
        || inverse == NULL)
    {
        return maas_err_nomem(c->rows.f->err);
    }

    MAAS_TRY(maas_fit_rows_run(&c->rows, linear_gram_part, c));
    maas_fit_rows_add(&c->rows, c->gram, c->ld * c->ld);
    MAAS_TRY(linear_cholesky(c, unit, a, inverse, good));

    if (!*good) {
        return MAAS_OK;
    }

    memset(r, 0, (size_t) (q * q) * sizeof(double));

    for (int64_t j = 0; j < p; j++) {
        for (int64_t i = 0; i <= j && unit[j] != 0; i++) {
            r[i + j * q] = a[i + j * p] / unit[j];
        }
    }

    linear_project(c, unit, a, r);
    return MAAS_OK;
}


maas_status_t
maas_linear_triangle(const maas_fit_job_t *f, int64_t targets,
    const maas_linear_cols_t *x, const maas_linear_cols_t *y, double *r)
{
    bool            good = false;
    maas_arena_t    work;
    maas_status_t   rc;
    linear_gram_t   c = { .x = x, .y = y, .targets = targets,
                          .ld = maas_fit_pad(f->p + targets) };

    maas_arena_init(&work, f->host, 0);

    maas_fit_rows_begin(&c.rows, f);
    maas_fit_rows_limit(&c.rows, c.ld * c.ld);
    rc = linear_products(&c, &work, r, &good);
    maas_fit_rows_end(&c.rows);

    if (rc == MAAS_OK && !good) {
        maas_arena_destroy(&work);
        maas_arena_init(&work, f->host, 0);
        rc = linear_blocks(f, &work, targets, x, y, r);
    }

    maas_arena_destroy(&work);
    return rc;
}


/* The two parts of r go where they are solved. */
static maas_status_t
linear_small(const maas_fit_job_t *f, maas_arena_t *scratch,
    const maas_linear_cols_t *x, const maas_linear_cols_t *y,
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

    MAAS_TRY(maas_linear_triangle(f, t, x, y, r));

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
    const maas_linear_cols_t *x, const maas_linear_cols_t *y,
    maas_linear_t *l)
{
    int64_t  p = f->p, t = f->n_target, n = f->n;

    l->m = n;
    l->ld = maas_max(n, p);
    l->a = maas_arena_array(scratch, (size_t) (n * p), sizeof(double));
    l->b = maas_arena_array(scratch, (size_t) (l->ld * t), sizeof(double));

    if (l->a == NULL || l->b == NULL) {
        return maas_err_nomem(f->err);
    }

    linear_turn(f, f->x, p, x, 0, n, l->a, n);
    linear_turn(f, f->y, t, y, 0, n, l->b, l->ld);

    return MAAS_OK;
}


maas_status_t
maas_linear_reduce(const maas_fit_job_t *f, maas_arena_t *scratch,
    bool intercept, maas_linear_t *l)
{
    int64_t             p = f->p, t = f->n_target, n = f->n;
    maas_linear_cols_t  x, y;

    memset(l, 0, sizeof(*l));

    l->rest = maas_arena_array(scratch, (size_t) t, sizeof(double));
    if (l->rest == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < n; i++) {
        l->weight += f->weight != NULL ? f->weight[i] : 1;
    }

    MAAS_TRY(maas_linear_columns(f, scratch, f->x, p, intercept, &x));
    MAAS_TRY(maas_linear_columns(f, scratch, f->y, t, intercept, &y));
    MAAS_TRY(maas_fit_poll(f));

    l->mean = x.mean;
    l->y_mean = y.mean;

    return n > p + t ? linear_small(f, scratch, &x, &y, l)
                     : linear_whole(f, scratch, &x, &y, l);
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
