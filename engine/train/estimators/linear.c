/*
 * linear.c: ordinary least squares and ridge regression.
 *
 *   linear_regression   min ||y - x w - b||^2, of least norm where several
 *                       w do as well (LAPACK's dgelsd)
 *   ridge               min ||y - x w - b||^2 + alpha ||w||^2, by the
 *                       singular values of x
 *
 * Ownership: scratch arenas of the fit; coefficients are copied to nodes.
 * Threads:   one thread a job.
 * Formulas:  Hastie, Tibshirani, Friedman, The Elements of Statistical
 *            Learning, 3.2 and 3.4.1.
 */

#include <float.h>

#include "train/fit_linear.h"
#include "train/lapack.h"


typedef struct {
    bool    intercept;
    double  alpha;
} linear_param_t;

#define LINEAR_INTERCEPT                                                      \
    { .name = "intercept", .type = MAAS_PARAM_BOOL, .def = 1,                 \
      .off = offsetof(linear_param_t, intercept),                             \
      .about = "learn a constant term" }

static const maas_param_t  linear_params[] = {
    LINEAR_INTERCEPT
};

static const maas_param_t  ridge_params[] = {
    { .name = "alpha", .type = MAAS_PARAM_NUMBER, .def = 1, .min = 0,
      .max = 1e300, .off = offsetof(linear_param_t, alpha),
      .about = "weight of the squared coefficients; 0: none" },
    LINEAR_INTERCEPT
};


static double
linear_rcond(const maas_fit_job_t *f)
{
    return DBL_EPSILON * (double) maas_max(f->n, f->p);
}


/* dgelsd leaves the solutions in the first p rows of b. */
static maas_status_t
linear_solve(maas_fit_job_t *f, maas_linear_t *l, double *coef)
{
    int64_t  rank;

    MAAS_TRY(maas_lapack_lstsq(f->host, l->a, l->m, f->p, l->b, f->n_target,
                               linear_rcond(f), &rank, f->err));

    for (int64_t k = 0; k < f->n_target; k++) {
        memcpy(coef + k * f->p, l->b + k * l->ld,
               (size_t) f->p * sizeof(double));
    }

    maas_fit_say_int(f, "rank", rank);
    return MAAS_OK;
}


/* w = v diag(s / (s^2 + alpha)) u' b */
static maas_status_t
ridge_solve(maas_fit_job_t *f, maas_arena_t *scratch, maas_linear_t *l,
    double alpha, double *coef)
{
    double   *u, *s, *vt, least, g;
    int64_t   m = l->m, p = f->p, k = maas_min(m, p);

    u = maas_arena_array(scratch, (size_t) (m * k), sizeof(double));
    s = maas_arena_array(scratch, (size_t) k, sizeof(double));
    vt = maas_arena_array(scratch, (size_t) (k * p), sizeof(double));

    if (u == NULL || s == NULL || vt == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(maas_lapack_svd(f->host, l->a, m, p, u, s, vt, f->err));

    least = linear_rcond(f) * s[0];

    for (int64_t t = 0; t < f->n_target; t++) {
        for (int64_t i = 0; i < k && s[i] > least; i++) {
            g = 0;

            for (int64_t r = 0; r < m; r++) {
                g += u[r + i * m] * l->b[r + t * l->ld];
            }

            g *= s[i] / (s[i] * s[i] + alpha);

            for (int64_t j = 0; j < p; j++) {
                coef[t * p + j] += g * vt[i + j * k];
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
linear_run(maas_fit_job_t *f, maas_arena_t *scratch, bool ridge)
{
    double                *coef;
    maas_linear_t          l;
    const linear_param_t  *q = f->param;

    MAAS_TRY(maas_linear_reduce(f, scratch, q->intercept, &l));
    MAAS_TRY(maas_fit_poll(f));

    coef = maas_arena_array(scratch, (size_t) (f->n_target * f->p),
                            sizeof(double));
    if (coef == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(ridge ? ridge_solve(f, scratch, &l, q->alpha, coef)
                   : linear_solve(f, &l, coef));

    return maas_linear_finish(f, scratch, &l, coef, q->intercept);
}


static maas_status_t
linear_fit(maas_fit_job_t *f, maas_task_kind_t task, bool ridge)
{
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));

    maas_arena_init(&scratch, f->host, 0);
    rc = linear_run(f, &scratch, ridge);
    maas_arena_destroy(&scratch);

    return rc;
}


static maas_status_t
linear_regression_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return linear_fit(f, task, false);
}


static maas_status_t
ridge_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return linear_fit(f, task, true);
}


const maas_estimator_t  maas_estimators_linear[] = {
    { .name = "linear_regression",
      .about = "least squares; of least norm where several fit as well",
      .tasks = 1u << MAAS_TASK_REGRESSION,
      MAAS_PARAMS(linear_params, linear_param_t),
      .fit = linear_regression_fit, .ranks = true },
    { .name = "ridge",
      .about = "least squares with a penalty on squared coefficients",
      .tasks = 1u << MAAS_TASK_REGRESSION,
      MAAS_PARAMS(ridge_params, linear_param_t),
      .fit = ridge_fit, .ranks = true },
    { .name = NULL }
};
