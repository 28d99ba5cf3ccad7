/*
 * pca.c: principal components: directions of the largest variance, by the
 * singular values of the centred rows.  A step of a pipeline.  The sign of
 * a component makes its largest coefficient positive.
 *
 * Ownership: scratch arenas of the fit; constants are copied to nodes.
 * Threads:   the job's, for passes over the rows.
 * Formulas:  Hastie, Tibshirani, Friedman, The Elements of Statistical
 *            Learning, 14.5.1.
 */

#include <float.h>
#include <math.h>

#include "train/fit_linear.h"
#include "train/lapack.h"


#define PCA_ROWS  1024          /* between looks at cancel */

typedef struct {
    double  components;
    bool    whiten;
} pca_param_t;

static const maas_param_t  pca_params[] = {
    { .name = "components", .type = MAAS_PARAM_NUMBER, .min = 0, .max = 1e9,
      .off = offsetof(pca_param_t, components),
      .about = "how many; below 1: as many as explain this part of the "
               "variance; 0: all" },
    { .name = "whiten", .type = MAAS_PARAM_BOOL,
      .off = offsetof(pca_param_t, whiten),
      .about = "divide by the standard deviations" }
};

typedef struct {
    maas_fit_job_t  *f;
    maas_arena_t    *scratch;
    maas_linear_cols_t  cols;
    double          *mean;          /* cols.mean */
    double          *s;             /* k singular values */
    double          *vt;            /* k x p, column-major */
    int64_t          k;
    int64_t          q;             /* components that are kept */
} pca_t;


/* Of many rows, the r of x = q r has the same values and directions. */
static maas_status_t
pca_svd(pca_t *c)
{
    double          *a, *u;
    int64_t          n = c->f->n, p = c->f->p, m = maas_min(n, p);
    maas_fit_job_t  *f = c->f;

    a = maas_arena_array(c->scratch, (size_t) (m * p), sizeof(double));
    u = maas_arena_array(c->scratch, (size_t) (m * c->k), sizeof(double));

    if (a == NULL || u == NULL) {
        return maas_err_nomem(f->err);
    }

    if (n > p) {
        MAAS_TRY(maas_linear_triangle(f, 0, &c->cols, NULL, a));

    } else {
        for (int64_t i = 0; i < n * p; i++) {
            a[i / p + i % p * n] = f->x[i] - c->cols.mean[i % p];
        }
    }

    return maas_lapack_svd(f->host, a, m, p, u, c->s, c->vt, f->err);
}


static maas_status_t
pca_count(pca_t *c)
{
    double              sum = 0, total = 0;
    int64_t             k = c->k;
    const pca_param_t  *q = c->f->param;

    if (q->components >= 1) {
        c->q = (int64_t) q->components;

        if ((double) c->q != q->components || c->q > k) {
            return maas_err(c->f->err, MAAS_EINVAL, "\"components\" is %g; "
                            "%lld rows of %lld features have 1 to %lld, in "
                            "whole numbers", q->components,
                            (long long) c->f->n, (long long) c->f->p,
                            (long long) k);
        }

        return MAAS_OK;
    }

    for (int64_t i = 0; i < k; i++) {
        total += c->s[i] * c->s[i];
    }

    c->q = k;

    for (int64_t i = 0; i < k && q->components > 0; i++) {
        sum += c->s[i] * c->s[i];

        if (sum > q->components * total) {
            c->q = i + 1;
            break;
        }
    }

    return MAAS_OK;
}


static void
pca_signs(pca_t *c)
{
    double   most;
    int64_t  k = c->k;

    for (int64_t i = 0; i < c->q; i++) {
        most = 0;

        for (int64_t j = 0; j < c->f->p; j++) {
            if (fabs(c->vt[i + j * k]) > fabs(most) * (1 + 1e-10)) {
                most = c->vt[i + j * k];
            }
        }

        for (int64_t j = 0; most < 0 && j < c->f->p; j++) {
            c->vt[i + j * k] = -c->vt[i + j * k];
        }
    }
}


static maas_status_t
pca_say(pca_t *c)
{
    double   *row, *var, total = 0, n = (double) c->f->n;
    int64_t   p = c->f->p, q = c->q;

    row = maas_arena_array(c->scratch, (size_t) (q * p), sizeof(double));
    var = maas_arena_array(c->scratch, (size_t) (2 * q), sizeof(double));

    if (row == NULL || var == NULL) {
        return maas_err_nomem(c->f->err);
    }

    for (int64_t i = 0; i < c->k; i++) {
        total += c->s[i] * c->s[i];
    }

    for (int64_t i = 0; i < q; i++) {
        var[i] = c->s[i] * c->s[i] / (n - 1);
        var[q + i] = total > 0 ? c->s[i] * c->s[i] / total : 0;

        for (int64_t j = 0; j < p; j++) {
            row[i * p + j] = c->vt[i + j * c->k];
        }
    }

    maas_fit_say_list(c->f, "mean", c->mean, p);
    maas_fit_say_rows(c->f, "components", row, q, p);
    maas_fit_say_list(c->f, "explained_variance", var, q);
    maas_fit_say_list(c->f, "explained_variance_ratio", var + q, q);
    return MAAS_OK;
}


/* A component is multiplied by this; one without variance says nothing. */
static double
pca_scale(const pca_t *c, int64_t i)
{
    int64_t             wide = maas_max(c->f->n, c->f->p);
    const pca_param_t  *param = c->f->param;

    return !param->whiten ? 1
           : c->s[i] > DBL_EPSILON * (double) wide * c->s[0]
           ? sqrt((double) (c->f->n - 1)) / c->s[i] : 0;
}


/* (x - m) w + b: b takes back what rounding the mean to float32 did. */
static maas_status_t
pca_nodes(pca_t *c)
{
    float              *m, *w, *b;
    double              d, scale;
    int64_t             p = c->f->p, q = c->q;
    maas_str_t          in[3];
    maas_build_t       *build = c->f->build;

    m = maas_arena_array(c->scratch, (size_t) p, sizeof(float));
    w = maas_arena_array(c->scratch, (size_t) (p * q), sizeof(float));
    b = maas_arena_array(c->scratch, (size_t) q, sizeof(float));

    if (m == NULL || w == NULL || b == NULL) {
        return maas_err_nomem(c->f->err);
    }

    for (int64_t j = 0; j < p; j++) {
        m[j] = (float) c->mean[j];
    }

    for (int64_t i = 0; i < q; i++) {
        scale = pca_scale(c, i);
        d = 0;

        for (int64_t j = 0; j < p; j++) {
            w[j * q + i] = (float) (scale * c->vt[i + j * c->k]);
            d += ((double) m[j] - c->mean[j]) * scale * c->vt[i + j * c->k];
        }

        b[i] = (float) d;
    }

    in[0] = maas_build_op2(build, "Sub", c->f->in,
                           maas_build_floats(build, NULL, m, 2,
                                             (int64_t[]) { 1, p }));
    in[1] = maas_build_floats(build, NULL, w, 2, (int64_t[]) { p, q });
    in[2] = maas_build_floats(build, NULL, b, 1, &q);
    c->f->out[0] = maas_fit_op(c->f, "Gemm", in, 3, NULL, 0, NULL);

    return MAAS_OK;
}


/* What the samples become: rows of q numbers. */
static maas_status_t
pca_features(pca_t *c)
{
    double          *w, *y, d;
    int64_t          p = c->f->p, q = c->q;
    const double    *x = c->f->x;
    maas_fit_job_t  *f = c->f;

    w = maas_arena_array(c->scratch, (size_t) p, (size_t) q * sizeof(*w));
    y = maas_arena_array(f->arena, (size_t) f->n, (size_t) q * sizeof(*y));

    if (w == NULL || y == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < p * q; i++) {
        w[i] = pca_scale(c, i % q) * c->vt[i % q + i / q * c->k];
    }

    f->features = y;
    f->n_features = q;

    for (int64_t r = 0; r < f->n; r++, x += p, y += q) {
        if (r % PCA_ROWS == 0) {
            MAAS_TRY(maas_fit_poll(f));
        }

        for (int64_t j = 0; j < p; j++) {
            d = x[j] - c->mean[j];

            for (int64_t i = 0; i < q; i++) {
                y[i] += d * w[j * q + i];
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
pca_run(pca_t *c)
{
    maas_fit_job_t  *f = c->f;

    c->k = maas_min(f->n, f->p);
    c->s = maas_arena_array(c->scratch, (size_t) c->k, sizeof(double));
    c->vt = maas_arena_array(c->scratch, (size_t) (c->k * f->p),
                             sizeof(double));

    if (c->s == NULL || c->vt == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(maas_linear_columns(f, c->scratch, f->x, f->p, true, &c->cols));
    MAAS_TRY(maas_fit_poll(f));
    c->mean = c->cols.mean;
    MAAS_TRY(pca_svd(c));
    MAAS_TRY(pca_count(c));
    pca_signs(c);
    MAAS_TRY(pca_say(c));
    MAAS_TRY(pca_features(c));

    return pca_nodes(c);
}


static maas_status_t
pca_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    pca_t          c = { .f = f };
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));
    MAAS_TRY(maas_fit_no_weights(f));

    if (f->n < 2) {
        return maas_err(f->err, MAAS_EINVAL, "principal components need at "
                        "least two rows");
    }

    maas_arena_init(&scratch, f->host, 0);
    c.scratch = &scratch;
    rc = pca_run(&c);
    maas_arena_destroy(&scratch);

    return rc;
}


const maas_estimator_t  maas_estimators_pca[] = {
    { .name = "pca",
      .about = "principal components in place of the features",
      .tasks = 1u << MAAS_TASK_TRANSFORM,
      MAAS_PARAMS(pca_params, pca_param_t),
      .fit = pca_fit, .ranks = true },
    { .name = NULL }
};
