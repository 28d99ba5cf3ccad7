/*
 * lasso.c: least squares with a penalty that makes coefficients zero:
 *
 *   min 1/(2 n) ||y - x w - b||^2
 *       + alpha l1_ratio |w|_1 + alpha (1 - l1_ratio) / 2 ||w||^2
 *
 * by cyclic coordinate descent on the reduced problem, first over all
 * coefficients, then over those that are not zero until these stand still.
 * It ends when the duality gap is below tolerance ||y||^2, as in Kim, Koh,
 * Lustig, Boyd, Gorinevsky, "An interior-point method for large-scale
 * l1-regularized least squares", 2007.
 *
 * Ownership: scratch arenas of the fit.
 * Threads:   one thread a job.
 */

#include <math.h>

#include "train/fit_linear.h"


typedef struct {
    bool     intercept;
    double   alpha;
    double   ratio;
    double   tolerance;
    int64_t  sweeps;
} lasso_param_t;

#define LASSO_COMMON                                                          \
    { .name = "alpha", .type = MAAS_PARAM_NUMBER, .def = 1, .min = 0,         \
      .max = 1e300, .off = offsetof(lasso_param_t, alpha),                    \
      .about = "weight of the penalty" },                                     \
    { .name = "intercept", .type = MAAS_PARAM_BOOL, .def = 1,                 \
      .off = offsetof(lasso_param_t, intercept),                              \
      .about = "learn a constant term" },                                     \
    { .name = "tolerance", .type = MAAS_PARAM_NUMBER, .def = 1e-8, .min = 0,  \
      .max = 1, .open = true, .off = offsetof(lasso_param_t, tolerance),      \
      .about = "duality gap to stop at, as a part of the targets' squares" }, \
    { .name = "max_iterations", .type = MAAS_PARAM_INT, .def = 100000,        \
      .min = 1, .max = 1e9, .off = offsetof(lasso_param_t, sweeps),           \
      .about = "sweeps over the coefficients, at most" }

static const maas_param_t  lasso_params[] = { LASSO_COMMON };

static const maas_param_t  elastic_params[] = {
    LASSO_COMMON,
    { .name = "l1_ratio", .type = MAAS_PARAM_NUMBER, .def = 0.5, .min = 0,
      .max = 1, .off = offsetof(lasso_param_t, ratio),
      .about = "share of the absolute values in the penalty; 1: lasso, 0: "
               "ridge" }
};

/* One target; the penalties are times the weight of all rows. */
typedef struct {
    const double  *a;           /* m x p, column-major */
    int64_t        m;
    int64_t        p;
    double        *r;           /* what is left of the target */
    double        *square;      /* of each column */
    double        *w;
    double         l1;
    double         l2;
    double         y2;          /* ||y||^2, with what the QR took away */
    double         rest;
} lasso_t;


/* One coefficient; answers what the step changed the fit by, squared. */
static double
lasso_step(lasso_t *l, int64_t j)
{
    double         old = l->w[j], c, d;
    const double  *a = l->a + j * l->m;

    if (l->square[j] == 0) {
        l->w[j] = 0;
        return 0;
    }

    c = maas_fit_dot(a, l->r, l->m) + old * l->square[j];
    c = fmax(fabs(c) - l->l1, 0) * (c < 0 ? -1 : 1);
    l->w[j] = c / (l->square[j] + l->l2);
    d = l->w[j] - old;

    if (d != 0) {
        for (int64_t i = 0; i < l->m; i++) {
            l->r[i] -= d * a[i];
        }
    }

    return d * d * l->square[j];
}


static double
lasso_sweep(lasso_t *l, bool active)
{
    double  most = 0;

    for (int64_t j = 0; j < l->p; j++) {
        if (!active || l->w[j] != 0) {
            most = fmax(most, lasso_step(l, j));
        }
    }

    return most;
}


/* Primal less dual objective, both times the weight of all rows. */
static double
lasso_gap(const lasso_t *l)
{
    double  r2, w2, w1 = 0, ry, dual = 0, scale = 1, gap, c;

    r2 = maas_fit_dot(l->r, l->r, l->m) + l->rest;
    w2 = maas_fit_dot(l->w, l->w, l->p);
    ry = r2;                            /* r'y = r'r + r'aw */

    for (int64_t j = 0; j < l->p; j++) {
        c = maas_fit_dot(l->a + j * l->m, l->r, l->m);
        ry += c * l->w[j];
        dual = fmax(dual, fabs(c - l->l2 * l->w[j]));
        w1 += fabs(l->w[j]);
    }

    if (dual > l->l1) {
        scale = l->l1 / dual;
    }

    gap = 0.5 * r2 * (1 + scale * scale) + l->l1 * w1 - scale * ry;

    return gap + 0.5 * l->l2 * (1 + scale * scale) * w2;
}


static maas_status_t
lasso_descend(maas_fit_job_t *f, lasso_t *l, const lasso_param_t *q,
    int64_t *sweeps, bool *converged)
{
    double   still = 0x1p-104 * l->y2;      /* one bit of the targets */
    int64_t  i, k;

    *converged = false;

    for (i = 0; i < q->sweeps && !*converged; i++) {
        MAAS_TRY(maas_fit_poll(f));

        *converged = lasso_sweep(l, false) <= still;

        for (k = 0; k < 100 && i < q->sweeps; k++, i++) {
            if (lasso_sweep(l, true) <= still) {
                break;
            }
        }

        *converged = *converged || lasso_gap(l) <= q->tolerance * l->y2;
    }

    *sweeps = maas_max(*sweeps, i);
    return MAAS_OK;
}


static maas_status_t
lasso_targets(maas_fit_job_t *f, const maas_linear_t *q, lasso_t *l,
    double *coef)
{
    bool                  converged, all = true;
    int64_t               sweeps = 0;
    const lasso_param_t  *param = f->param;

    for (int64_t t = 0; t < f->n_target; t++) {
        l->w = coef + t * f->p;
        l->rest = q->rest[t];
        memcpy(l->r, q->b + t * q->ld, (size_t) l->m * sizeof(double));
        l->y2 = maas_fit_dot(l->r, l->r, l->m) + l->rest;

        MAAS_TRY(lasso_descend(f, l, param, &sweeps, &converged));
        all = all && converged;
    }

    maas_fit_say_int(f, "iterations", sweeps);
    maas_fit_say_bool(f, "converged", all);
    return MAAS_OK;
}


static maas_status_t
lasso_run(maas_fit_job_t *f, maas_arena_t *scratch, double ratio)
{
    double               *coef;
    lasso_t               l = { .p = f->p };
    maas_linear_t         q;
    const lasso_param_t  *param = f->param;

    MAAS_TRY(maas_linear_reduce(f, scratch, param->intercept, &q));

    l.a = q.a;
    l.m = q.m;
    l.l1 = param->alpha * ratio * q.weight;
    l.l2 = param->alpha * (1 - ratio) * q.weight;
    l.r = maas_arena_array(scratch, (size_t) q.m, sizeof(double));
    l.square = maas_arena_array(scratch, (size_t) f->p, sizeof(double));
    coef = maas_arena_array(scratch, (size_t) (f->n_target * f->p),
                            sizeof(double));

    if (l.r == NULL || l.square == NULL || coef == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t j = 0; j < f->p; j++) {
        l.square[j] = maas_fit_dot(l.a + j * l.m, l.a + j * l.m, l.m);
    }

    MAAS_TRY(lasso_targets(f, &q, &l, coef));

    return maas_linear_finish(f, scratch, &q, coef, param->intercept);
}


static maas_status_t
lasso_fit_ratio(maas_fit_job_t *f, maas_task_kind_t task, double ratio)
{
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));

    maas_arena_init(&scratch, f->host, 0);
    rc = lasso_run(f, &scratch, ratio);
    maas_arena_destroy(&scratch);

    return rc;
}


static maas_status_t
lasso_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return lasso_fit_ratio(f, task, 1);
}


static maas_status_t
elastic_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return lasso_fit_ratio(f, task,
                           ((const lasso_param_t *) f->param)->ratio);
}


const maas_estimator_t  maas_estimators_lasso[] = {
    { .name = "lasso",
      .about = "least squares with a penalty that makes coefficients zero",
      .tasks = 1u << MAAS_TASK_REGRESSION,
      MAAS_PARAMS(lasso_params, lasso_param_t),
      .fit = lasso_fit, .ranks = true },
    { .name = "elastic_net",
      .about = "least squares with the penalties of lasso and ridge",
      .tasks = 1u << MAAS_TASK_REGRESSION,
      MAAS_PARAMS(elastic_params, lasso_param_t),
      .fit = elastic_fit, .ranks = true },
    { .name = NULL }
};
