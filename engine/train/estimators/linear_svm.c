/*
 * linear_svm.c: linear support vector machines, one class against the rest:
 *
 *   min 1/2 (||w||^2 + b^2) + C sum_i weight_i loss(y_i (w x_i + b))
 *
 * with y = 1 or -1 and loss(s) = max(0, 1 - s)^2 or max(0, 1 - s).  The
 * first is solved by Newton's method, the second by coordinate descent on
 * its dual: Hsieh, Chang, Lin, Keerthi, Sundararajan, "A dual coordinate
 * descent method for large-scale linear SVM", 2008.
 *
 * Ownership: scratch arenas of the fit.
 * Threads:   one thread a job.
 */

#include <math.h>

#include "base/random.h"
#include "train/fit_newton.h"


typedef struct {
    bool     intercept;
    int64_t  loss;
    int64_t  weights;
    double   c;
    double   tolerance;
    int64_t  steps;
} svm_param_t;

enum { LOSS_SQUARED = 0, LOSS_HINGE };

static const char *const  svm_losses[] = { "squared_hinge", "hinge", NULL };
static const char *const  svm_weights[] = { "none", "balanced", NULL };

static const maas_param_t  svm_params[] = {
    { .name = "c", .type = MAAS_PARAM_NUMBER, .def = 1, .min = 0,
      .max = 1e300, .open = true, .off = offsetof(svm_param_t, c),
      .about = "weight of the losses beside the penalty" },
    { .name = "loss", .type = MAAS_PARAM_WORD, .words = svm_losses,
      .off = offsetof(svm_param_t, loss),
      .about = "of rows on the wrong side of their margin" },
    { .name = "class_weight", .type = MAAS_PARAM_WORD, .words = svm_weights,
      .off = offsetof(svm_param_t, weights),
      .about = "balanced: every class counts as much as the others" },
    { .name = "intercept", .type = MAAS_PARAM_BOOL, .def = 1,
      .off = offsetof(svm_param_t, intercept),
      .about = "learn constant terms; they are penalised as well" },
    { .name = "tolerance", .type = MAAS_PARAM_NUMBER, .def = 1e-6, .min = 0,
      .max = 1, .open = true, .off = offsetof(svm_param_t, tolerance),
      .about = "gradient to stop at: of squared_hinge as a part of the "
               "first, of hinge that of the dual" },
    { .name = "max_iterations", .type = MAAS_PARAM_INT, .def = 2000,
      .min = 1, .max = 1e9, .off = offsetof(svm_param_t, steps),
      .about = "steps of Newton's method, or sweeps over the rows, at most" }
};

/* One class against the rest. */
typedef struct {
    const maas_fit_job_t  *f;
    const double          *weight;      /* with C */
    double                *left;        /* 1 - y z, where above 0 */
    int64_t                k;           /* the class */
} svm_t;


static double
svm_sign(const svm_t *s, int64_t i)
{
    return s->f->label[i] == s->k ? 1 : -1;
}


/* -- squared hinge ------------------------------------------------------- */

static double
svm_loss(void *ctx, int64_t first, int64_t m, const double *z, double *r,
    int64_t ld)
{
    svm_t   *s = ctx;
    double   sum = 0, y, left, w;

    for (int64_t i = 0; i < m; i++) {
        y = svm_sign(s, first + i);
        w = s->weight[first + i];
        left = fmax(0, 1 - y * z[i * ld]);
        s->left[first + i] = left;
        sum += w * left * left;
        r[i * ld] = -2 * w * y * left;
    }

    return sum;
}


static void
svm_block(void *ctx, int64_t first, int64_t m, int64_t a, int64_t b,
    double *h)
{
    svm_t  *s = ctx;

    (void) a;
    (void) b;

    for (int64_t i = first; i < first + m; i++) {
        h[i - first] = s->left[i] > 0 ? 2 * s->weight[i] : 0;
    }
}


static void
svm_curve(void *ctx, int64_t first, int64_t m, const double *v, double *u,
    int64_t ld)
{
    svm_t  *s = ctx;

    for (int64_t i = 0; i < m; i++) {
        u[i * ld] = s->left[first + i] > 0
                    ? 2 * s->weight[first + i] * v[i * ld] : 0;
    }
}


/* -- hinge --------------------------------------------------------------- */

typedef struct {
    const maas_design_t  *d;
    double               *w;            /* q, in the scale of the design */
    double               *alpha;        /* n */
    double               *square;       /* n */
    const double         *back;         /* q: 1 / penalty of a column */
    int64_t              *order;
} dual_t;


/* One row; answers the projected gradient that it had. */
static double
dual_step(const svm_t *s, dual_t *u, int64_t i)
{
    double         g, pg, old = u->alpha[i], y = svm_sign(s, i), a;
    int64_t        q = u->d->q;
    const double  *z = u->d->z + i * u->d->ld;

    if (s->weight[i] <= 0) {
        return 0;
    }

    g = y * maas_fit_dot(u->w, z, q) - 1;
    pg = old <= 0 ? fmin(g, 0) : old >= s->weight[i] ? fmax(g, 0) : g;

    if (pg == 0) {
        return 0;
    }

    a = u->square[i] > 0 ? old - g / u->square[i] : s->weight[i];
    a = fmin(fmax(a, 0), s->weight[i]);
    u->alpha[i] = a;

    for (int64_t j = 0; j < q; j++) {
        u->w[j] += (a - old) * y * z[j] * u->back[j];
    }

    return pg;
}


/* Rows in an order of their own in each sweep. */
static void
dual_shuffle(const svm_t *s, dual_t *u, int64_t sweep)
{
    int64_t        j, t, n = s->f->n;
    maas_random_t  g = maas_random(s->f->seed, (uint32_t) s->k,
                                   (uint32_t) sweep);

    for (int64_t i = n - 1; i > 0; i--) {
        j = (int64_t) maas_random_below(&g, (uint64_t) i, (uint64_t) i + 1);
        t = u->order[i];
        u->order[i] = u->order[j];
        u->order[j] = t;
    }
}


static maas_status_t
dual_run(const svm_t *s, dual_t *u, const svm_param_t *q, int64_t *sweeps,
    bool *converged)
{
    double   low, high, pg;
    int64_t  sweep;

    *converged = false;

    for (sweep = 0; sweep < q->steps && !*converged; sweep++) {
        MAAS_TRY(maas_fit_poll(s->f));
        dual_shuffle(s, u, sweep);
        low = high = 0;

        for (int64_t i = 0; i < s->f->n; i++) {
            pg = dual_step(s, u, u->order[i]);
            low = fmin(low, pg);
            high = fmax(high, pg);
        }

        *converged = high - low <= q->tolerance;
    }

    *sweeps = maas_max(*sweeps, sweep);
    return MAAS_OK;
}


/* -- the fit ------------------------------------------------------------- */

typedef struct {
    maas_fit_job_t  *f;
    maas_arena_t    *scratch;
    maas_design_t    d;
    double          *penalty;           /* q */
    dual_t           u;
    svm_t            s;
    int64_t          rounds;
    bool             converged;
    double           objective;
} svm_fit_t;


static maas_status_t
svm_class_hinge(svm_fit_t *c, double *w)
{
    bool     good;
    double   z;
    int64_t  n = c->f->n, q = c->d.q;

    c->u.w = w;
    memset(c->u.alpha, 0, (size_t) n * sizeof(double));

    for (int64_t i = 0; i < n; i++) {
        c->u.order[i] = i;
    }

    MAAS_TRY(dual_run(&c->s, &c->u, c->f->param, &c->rounds, &good));
    c->converged = c->converged && good;

    for (int64_t j = 0; j < q; j++) {
        c->objective += 0.5 * c->penalty[j] * w[j] * w[j];
    }

    for (int64_t i = 0; i < n; i++) {
        z = maas_fit_dot(w, c->d.z + i * c->d.ld, q);
        c->objective += c->s.weight[i] * fmax(0, 1 - svm_sign(&c->s, i) * z);
    }

    return MAAS_OK;
}


static maas_status_t
svm_class(svm_fit_t *c, double *w)
{
    maas_newton_t        s = {
        .f = c->f, .z = c->d.z, .q = c->d.q, .k = 1,
        .loss = svm_loss, .curve = svm_curve, .block = svm_block,
        .ctx = &c->s, .penalty = c->penalty
    };
    const svm_param_t   *q = c->f->param;

    if (q->loss == LOSS_HINGE) {
        return svm_class_hinge(c, w);
    }

    s.tolerance = q->tolerance;
    s.steps = q->steps;
    MAAS_TRY(maas_newton_run(&s, w));

    c->rounds = maas_max(c->rounds, s.iterations);
    c->converged = c->converged && s.converged;
    c->objective += s.objective;
    return MAAS_OK;
}


static maas_status_t
svm_prepare(svm_fit_t *c)
{
    double             *w, *back, *square, z;
    int64_t             n = c->f->n, q;
    maas_fit_job_t     *f = c->f;
    const svm_param_t  *param = f->param;

    MAAS_TRY(maas_design_make(f, c->scratch, false, param->intercept,
                              &c->d));

    q = c->d.q;
    w = maas_fit_weights(f, c->scratch, param->weights != 0);
    back = maas_arena_array(c->scratch, (size_t) q, sizeof(double));
    square = maas_arena_array(c->scratch, (size_t) n, sizeof(double));
    c->penalty = maas_arena_array(c->scratch, (size_t) q, sizeof(double));
    c->s.left = maas_arena_array(c->scratch, (size_t) n, sizeof(double));
    c->u.alpha = maas_arena_array(c->scratch, (size_t) n, sizeof(double));
    c->u.order = maas_arena_array(c->scratch, (size_t) n, sizeof(int64_t));

    if (w == NULL || back == NULL || square == NULL || c->penalty == NULL
        || c->s.left == NULL || c->u.alpha == NULL || c->u.order == NULL)
    {
        return maas_err_nomem(f->err);
    }

    for (int64_t j = 0; j < q; j++) {
        back[j] = j < f->p ? c->d.scale[j] * c->d.scale[j] : 1;
        c->penalty[j] = 1 / back[j];
    }

    for (int64_t i = 0; i < n; i++) {
        w[i] *= param->c;

        for (int64_t j = 0; j < q; j++) {
            z = c->d.z[i * c->d.ld + j];
            square[i] += z * z * back[j];
        }
    }

    c->s.f = f;
    c->s.weight = w;
    c->u.d = &c->d;
    c->u.back = back;
    c->u.square = square;
    return MAAS_OK;
}


static maas_status_t
svm_run(maas_fit_job_t *f, maas_arena_t *scratch)
{
    double     *w, *coef, *b;
    int64_t     rows = f->n_class == 2 ? 1 : f->n_class;
    svm_fit_t   c = { .f = f, .scratch = scratch, .converged = true };

    MAAS_TRY(svm_prepare(&c));

    w = maas_arena_array(scratch, (size_t) (rows * c.d.q), sizeof(double));
    coef = maas_arena_array(scratch, (size_t) (rows * f->p), sizeof(double));
    b = maas_arena_array(scratch, (size_t) rows, sizeof(double));

    if (w == NULL || coef == NULL || b == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t k = 0; k < rows; k++) {
        c.s.k = rows == 1 ? 1 : k;
        MAAS_TRY(svm_class(&c, w + k * c.d.q));
    }

    maas_design_back(f, &c.d, w, rows, coef, b);

    maas_fit_say_rows(f, "coefficients", coef, rows, f->p);
    maas_fit_say_list(f, "intercept", b, rows);
    maas_fit_say(f, "objective", c.objective);
    maas_fit_say_int(f, "iterations", c.rounds);
    maas_fit_say_bool(f, "converged", c.converged);

    return maas_fit_classifier(f, coef, b, rows, NULL, "NONE");
}


static maas_status_t
svm_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));
    MAAS_TRY(maas_fit_check_classes(f));

    maas_arena_init(&scratch, f->host, 0);
    rc = svm_run(f, &scratch);
    maas_arena_destroy(&scratch);

    return rc;
}


const maas_estimator_t  maas_estimators_linear_svm[] = {
    { .name = "linear_svm",
      .about = "classes parted by planes with the widest margin; scores, "
               "no probabilities",
      .tasks = 1u << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(svm_params, svm_param_t),
      .fit = svm_fit, .ranks = true, .alone = { "loss", "hinge" } },
    { .name = NULL }
};
