/*
 * logistic.c: logistic regression, and softmax (multinomial) regression:
 *
 *   min C sum_i weight_i log-loss_i + 1/2 ||w||^2
 *
 * with free intercepts.  Two classes have one row of coefficients, that of
 * the second class; more classes, and softmax_regression always, one row a
 * class under the softmax.
 *
 * Ownership: scratch arenas of the fit.
 * Threads:   the job's: callbacks of several, each for rows of its own.
 * Formulas:  Hastie, Tibshirani, Friedman, The Elements of Statistical
 *            Learning, 4.4.
 */

#include <math.h>

#include "train/fit_newton.h"


typedef struct {
    bool     intercept;
    int64_t  penalty;
    int64_t  weights;
    double   c;
    double   tolerance;
    int64_t  steps;
} logit_param_t;

enum { PENALTY_L2 = 0, PENALTY_NONE };

static const char *const  logit_penalties[] = { "l2", "none", NULL };
static const char *const  logit_weights[] = { "none", "balanced", NULL };

static const maas_param_t  logit_params[] = {
    { .name = "c", .type = MAAS_PARAM_NUMBER, .def = 1, .min = 0,
      .max = 1e300, .open = true, .off = offsetof(logit_param_t, c),
      .about = "weight of the losses beside the penalty" },
    { .name = "penalty", .type = MAAS_PARAM_WORD, .words = logit_penalties,
      .off = offsetof(logit_param_t, penalty),
      .about = "on the coefficients: half their squares, or none" },
    { .name = "class_weight", .type = MAAS_PARAM_WORD,
      .words = logit_weights, .off = offsetof(logit_param_t, weights),
      .about = "balanced: every class counts as much as the others" },
    { .name = "intercept", .type = MAAS_PARAM_BOOL, .def = 1,
      .off = offsetof(logit_param_t, intercept),
      .about = "learn constant terms" },
    { .name = "tolerance", .type = MAAS_PARAM_NUMBER, .def = 1e-8, .min = 0,
      .max = 1, .open = true, .off = offsetof(logit_param_t, tolerance),
      .about = "gradient to stop at, as a part of the first" },
    { .name = "max_iterations", .type = MAAS_PARAM_INT, .def = 200, .min = 1,
      .max = 1e9, .off = offsetof(logit_param_t, steps),
      .about = "steps of Newton's method, at most" }
};

typedef struct {
    const maas_fit_job_t  *f;
    const double          *weight;
    double                *p;       /* n x k probabilities; k 1: of class 1 */
    int64_t                k;
} logit_t;


/* -- two classes --------------------------------------------------------- */

static double
logit_loss2(void *ctx, int64_t first, int64_t m, const double *z, double *r,
    int64_t ld)
{
    bool            yes;
    double          e, sum = 0, v, s;
    logit_t        *l = ctx;
    double         *p = l->p + first;
    const double   *w = l->weight + first;
    const int32_t  *label = l->f->label + first;

    for (int64_t i = 0; i < m; i++) {
        v = z[i * ld];
        yes = label[i] == 1;
        s = yes ? v : -v;
        e = exp(-fabs(v));
        sum += w[i] * (log1p(e) - fmin(s, 0));

        /* What the wrong class gets. */
        s = s >= 0 ? e / (1 + e) : 1 / (1 + e);
        p[i] = v >= 0 ? 1 / (1 + e) : e / (1 + e);
        r[i * ld] = yes ? -w[i] * s : w[i] * s;
    }

    return sum;
}


static void
logit_curve2(void *ctx, int64_t first, int64_t m, const double *v,
    double *u, int64_t ld)
{
    logit_t       *l = ctx;
    const double  *p = l->p + first;

    for (int64_t i = 0; i < m; i++) {
        u[i * ld] = l->weight[first + i] * p[i] * (1 - p[i]) * v[i * ld];
    }
}


/* -- the softmax --------------------------------------------------------- */

static double
logit_loss(void *ctx, int64_t first, int64_t m, const double *z, double *r,
    int64_t ld)
{
    double    *p, most, sum, total = 0, w;
    int64_t    k, y;
    logit_t   *l = ctx;

    k = l->k;

    for (int64_t i = 0; i < m; i++, z += ld, r += ld) {
        p = l->p + (first + i) * k;
        y = l->f->label[first + i];
        w = l->weight[first + i];
        most = z[0];
        sum = 0;

        for (int64_t a = 1; a < k; a++) {
            most = fmax(most, z[a]);
        }

        for (int64_t a = 0; a < k; a++) {
            p[a] = exp(z[a] - most);
            sum += p[a];
        }

        total += w * (log(sum) + most - z[y]);

        for (int64_t a = 0; a < k; a++) {
            p[a] /= sum;
            r[a] = w * (p[a] - (y == a ? 1 : 0));
        }
    }

    return total;
}


static void
logit_curve(void *ctx, int64_t first, int64_t m, const double *v, double *u,
    int64_t ld)
{
    double         mean;
    int64_t        k;
    logit_t       *l = ctx;
    const double  *p;

    k = l->k;

    for (int64_t i = first; i < first + m; i++, v += ld, u += ld) {
        p = l->p + i * k;
        mean = 0;

        for (int64_t a = 0; a < k; a++) {
            mean += p[a] * v[a];
        }

        for (int64_t a = 0; a < k; a++) {
            u[a] = l->weight[i] * p[a] * (v[a] - mean);
        }
    }
}


/* Of two classes there is one row of scores, p (1 - p) as well. */
static void
logit_block(void *ctx, int64_t first, int64_t m, int64_t a, int64_t b,
    double *h)
{
    logit_t       *l = ctx;
    const double  *p;

    for (int64_t i = first; i < first + m; i++) {
        p = l->p + i * l->k;
        h[i - first] = l->weight[i] * p[a] * ((a == b ? 1 : 0) - p[b]);
    }
}


/* -- the fit ------------------------------------------------------------- */

/* Where all classes may move together, they do not. */
static void
logit_centre(double *w, int64_t k, int64_t q)
{
    double  mean;

    for (int64_t j = 0; k > 1 && j < q; j++) {
        mean = 0;

        for (int64_t a = 0; a < k; a++) {
            mean += w[a * q + j] / (double) k;
        }

        for (int64_t a = 0; a < k; a++) {
            w[a * q + j] -= mean;
        }
    }
}


static maas_status_t
logit_solve(maas_fit_job_t *f, maas_arena_t *scratch, logit_t *l,
    const maas_design_t *d, double *w)
{
    double                *penalty;
    const logit_param_t   *q = f->param;
    maas_newton_t          s = {
        .f = f, .z = d->z, .q = d->q, .k = l->k,
        .loss = l->k == 1 ? logit_loss2 : logit_loss,
        .curve = l->k == 1 ? logit_curve2 : logit_curve,
        .block = logit_block, .ctx = l, .tolerance = q->tolerance,
        .steps = q->steps
    };

    penalty = maas_arena_array(scratch, (size_t) d->q, sizeof(double));
    if (penalty == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t j = 0; q->penalty == PENALTY_L2 && j < f->p; j++) {
        penalty[j] = 1 / (q->c * d->scale[j] * d->scale[j]);
    }

    s.penalty = penalty;
    MAAS_TRY(maas_newton_run(&s, w));
    logit_centre(w, l->k, d->q);

    maas_fit_say(f, "objective", s.objective
                                 * (q->penalty == PENALTY_L2 ? q->c : 1));
    maas_fit_say_int(f, "iterations", s.iterations);
    maas_fit_say_bool(f, "converged", s.converged);
    return MAAS_OK;
}


static maas_status_t
logit_run(maas_fit_job_t *f, maas_arena_t *scratch, int64_t k)
{
    double               *w, *coef, *b;
    logit_t               l = { .f = f, .k = k };
    maas_design_t         d;
    const logit_param_t  *q = f->param;

    MAAS_TRY(maas_design_make(f, scratch, q->intercept, q->intercept, &d));

    l.weight = maas_fit_weights(f, scratch, q->weights != 0);
    l.p = maas_arena_array(scratch, (size_t) f->n * (size_t) k,
                           sizeof(double));
    w = maas_arena_array(scratch, (size_t) (k * d.q), sizeof(double));
    coef = maas_arena_array(scratch, (size_t) (k * f->p), sizeof(double));
    b = maas_arena_array(scratch, (size_t) k, sizeof(double));

    if (l.weight == NULL || l.p == NULL || w == NULL || coef == NULL
        || b == NULL)
    {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(logit_solve(f, scratch, &l, &d, w));
    maas_design_back(f, &d, w, k, coef, b);

    maas_fit_say_rows(f, "coefficients", coef, k, f->p);
    maas_fit_say_list(f, "intercept", b, k);

    return maas_fit_classifier(f, coef, b, k,
                               q->intercept ? d.mean : NULL,
                               k == 1 ? "LOGISTIC" : "SOFTMAX");
}


static maas_status_t
logit_fit(maas_fit_job_t *f, maas_task_kind_t task, bool softmax)
{
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));
    MAAS_TRY(maas_fit_check_classes(f));

    maas_arena_init(&scratch, f->host, 0);
    rc = logit_run(f, &scratch, f->n_class == 2 && !softmax ? 1
                                                            : f->n_class);
    maas_arena_destroy(&scratch);

    return rc;
}


static maas_status_t
logistic_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return logit_fit(f, task, false);
}


static maas_status_t
softmax_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return logit_fit(f, task, true);
}


const maas_estimator_t  maas_estimators_logistic[] = {
    { .name = "logistic_regression",
      .about = "probabilities from a linear score; more than two classes "
               "under a softmax",
      .tasks = 1u << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(logit_params, logit_param_t),
      .fit = logistic_fit, .ranks = true },
    { .name = "softmax_regression",
      .about = "a linear score for each class, two as well, under a softmax",
      .tasks = 1u << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(logit_params, logit_param_t),
      .fit = softmax_fit, .ranks = true },
    { .name = NULL }
};
