/*
 * naive_bayes.c: classes by Bayes' rule, features taken as independent in
 * each class: normal, counts, or yes and no.  The log-likelihoods are
 * computed in float64 when served as well, as they are differences of large
 * sums.
 *
 * Ownership: scratch arenas of the fit; constants are copied to nodes.
 * Threads:   the job's, for passes over the rows.
 * Formulas:  Manning, Raghavan, Schuetze, Introduction to Information
 *            Retrieval, chapter 13.
 */

#include <float.h>
#include <math.h>

#include "train/fit_rows.h"


typedef struct {
    int64_t               kind;
    double                alpha;
    double                smoothing;
    double                threshold;
    maas_param_numbers_t  priors;
} bayes_param_t;

enum { BAYES_GAUSSIAN = 0, BAYES_MULTINOMIAL, BAYES_BERNOULLI };

static const char *const  bayes_kinds[] = {
    "gaussian", "multinomial", "bernoulli", NULL
};

static const maas_param_t  bayes_params[] = {
    { .name = "kind", .type = MAAS_PARAM_WORD, .words = bayes_kinds,
      .off = offsetof(bayes_param_t, kind),
      .about = "of the features: numbers, counts, or above the threshold "
               "and not" },
    { .name = "alpha", .type = MAAS_PARAM_NUMBER, .def = 1, .min = 0,
      .max = 1e300, .open = true, .off = offsetof(bayes_param_t, alpha),
      .about = "multinomial, bernoulli: counts added to each feature" },
    { .name = "var_smoothing", .type = MAAS_PARAM_NUMBER, .def = 1e-9,
      .min = 0, .max = 1e300, .off = offsetof(bayes_param_t, smoothing),
      .about = "gaussian: part of the largest variance added to all" },
    { .name = "threshold", .type = MAAS_PARAM_NUMBER, .min = -1e300,
      .max = 1e300, .off = offsetof(bayes_param_t, threshold),
      .about = "bernoulli: above it is yes" },
    { .name = "priors", .type = MAAS_PARAM_NUMBERS, .min = 0, .max = 1,
      .open = true, .off = offsetof(bayes_param_t, priors),
      .about = "probabilities of the classes; none: as often as they are "
               "seen" }
};

typedef struct {
    maas_fit_job_t       *f;
    const bayes_param_t  *q;
    const double         *weight;
    double               *count;        /* of the classes */
    double               *prior;        /* logarithms */
    double               *a;            /* classes x features */
    double               *b;
} bayes_t;


/* -- learning ------------------------------------------------------------ */

static maas_status_t
bayes_priors(bayes_t *c)
{
    int               k = c->f->n_class;
    double            sum = 0;
    maas_fit_job_t   *f = c->f;

    for (int64_t i = 0; i < f->n; i++) {
        c->count[f->label[i]] += c->weight[i];
        sum += c->weight[i];
    }

    if (c->q->priors.n != 0) {
        sum = 0;

        for (size_t i = 0; i < c->q->priors.n; i++) {
            sum += c->q->priors.v[i];
        }

        if (c->q->priors.n != (size_t) k || fabs(sum - 1) > 1e-8) {
            return maas_err(f->err, MAAS_EINVAL, "\"priors\" has %zu values "
                            "of sum %g; expected %d, one a class, of sum 1",
                            c->q->priors.n, sum, k);
        }
    }

    for (int i = 0; i < k; i++) {
        c->prior[i] = c->q->priors.n != 0 ? log(c->q->priors.v[i])
                                          : log(c->count[i] / sum);

        /* A class without rows: less likely than anything. */
        if (c->count[i] == 0) {
            c->prior[i] = -DBL_MAX / 4;
        }
    }

    return MAAS_OK;
}


typedef struct {
    maas_fit_rows_t   rows;
    const bayes_t    *c;
    const double     *shift;            /* of all classes, or of each */
    int64_t           ld_shift;
    double           *sums;             /* [parts][2][classes][features] */
    bool              squares;
} gauss_t;


static maas_status_t
gauss_part(void *arg, int slot, int64_t part)
{
    double              *sum;
    int64_t              first, last, size;
    gauss_t             *g = arg;
    maas_fit_job_t      *f = g->c->f;
    maas_fit_columns_t   q;

    (void) slot;

    first = maas_fit_rows_at(&g->rows, part);
    last = maas_fit_rows_at(&g->rows, part + 1);
    size = f->n_class * f->p;
    sum = g->sums + part * 2 * size;
    memset(sum, 0, (size_t) (2 * size) * sizeof(double));

    q = (maas_fit_columns_t) {
        .sum = sum, .square = g->squares ? sum + size : NULL, .ld = f->p,
        .group = f->label + first, .shift = g->shift,
        .ld_shift = g->ld_shift, .weight = g->c->weight + first,
        .x = f->x + first * f->p, .m = last - first, .p = f->p
    };

    g->rows.k->columns(&q);
    return MAAS_OK;
}


/* Sums over the classes, of x - shift and of its squares. */
static maas_status_t
gauss_pass(gauss_t *g, const double *shift, int64_t ld_shift, bool squares)
{
    g->shift = shift;
    g->ld_shift = ld_shift;
    g->squares = squares;

    MAAS_TRY(maas_fit_rows_run(&g->rows, gauss_part, g));
    maas_fit_rows_add(&g->rows, g->sums, 2 * g->c->f->n_class * g->c->f->p);

    return MAAS_OK;
}


/* a: means; b: sums of squared differences to them, times weight. */
static maas_status_t
gauss_moments(gauss_t *g, maas_arena_t *scratch, double *most)
{
    double           d, count, *shift, *dev;
    int64_t          p = g->c->f->p, size = g->c->f->n_class * p;
    const bayes_t   *c = g->c;
    maas_fit_job_t  *f = c->f;

    g->sums = maas_arena_array(scratch, (size_t) (g->rows.parts * 2 * size),
                               sizeof(double));
    shift = maas_arena_array(scratch, (size_t) p, sizeof(double));
    dev = maas_arena_array(scratch, (size_t) p, sizeof(double));

    if (g->sums == NULL || shift == NULL || dev == NULL) {
        return maas_err_nomem(f->err);
    }

    /* The largest variance of a feature over all rows, without weights. */
    MAAS_TRY(maas_fit_rows_means(&g->rows, scratch, f->x, p, NULL, shift,
                                 dev));

    for (int64_t j = 0; j < p; j++) {
        *most = fmax(*most, dev[j] * dev[j]);
    }

    MAAS_TRY(gauss_pass(g, shift, 0, false));

    for (int64_t i = 0; i < size; i++) {
        count = c->count[i / p] > 0 ? c->count[i / p] : 1;
        c->a[i] = c->count[i / p] > 0 ? shift[i % p] + g->sums[i] / count
                                      : 0;
    }

    MAAS_TRY(gauss_pass(g, c->a, p, true));

    for (int64_t i = 0; i < size; i++) {
        count = c->count[i / p] > 0 ? c->count[i / p] : 1;
        d = g->sums[i] / count;         /* what rounding left */
        c->a[i] += d;
        c->b[i] = fmax(g->sums[size + i] - count * d * d, 0);
    }

    return MAAS_OK;
}


/* a: means, b: variances. */
static maas_status_t
gauss_learn(bayes_t *c, maas_arena_t *scratch)
{
    double           add, most = 0;
    gauss_t          g = { .c = c };
    int64_t          p = c->f->p;
    maas_status_t    rc;
    maas_fit_job_t  *f = c->f;

    maas_fit_rows_begin(&g.rows, f);
    maas_fit_rows_limit(&g.rows, 2 * f->n_class * p);
    rc = gauss_moments(&g, scratch, &most);
    maas_fit_rows_end(&g.rows);
    MAAS_TRY(rc);

    add = c->q->smoothing * most;

    for (int64_t i = 0; i < f->n_class * p; i++) {
        c->b[i] = c->b[i] / (c->count[i / p] > 0 ? c->count[i / p] : 1)
                  + add;

        if (!(c->b[i] > 0)) {
            if (c->count[i / p] > 0 && c->q->smoothing == 0) {
                return maas_err(f->err, MAAS_EINVAL, "feature %lld does not "
                                "vary within a class; \"var_smoothing\" must "
                                "be above 0", (long long) (i % p));
            }

            c->b[i] = 1;                /* all features are constant */
        }
    }

    return MAAS_OK;
}


static double
bayes_bit(const bayes_t *c, double x)
{
    return x > c->q->threshold ? 1 : 0;
}


typedef struct {
    maas_fit_rows_t   rows;
    const bayes_t    *c;
    double           *sums;             /* [parts][classes][features] */
} counts_t;


static maas_status_t
counts_part(void *arg, int slot, int64_t part)
{
    bool             bits;
    double          *sum;
    int64_t          last, p;
    counts_t        *t = arg;
    const double    *x;
    const bayes_t   *c = t->c;
    maas_fit_job_t  *f = c->f;

    (void) slot;

    p = f->p;
    bits = c->q->kind == BAYES_BERNOULLI;
    last = maas_fit_rows_at(&t->rows, part + 1);

    for (int64_t i = maas_fit_rows_at(&t->rows, part); i < last; i++) {
        sum = t->sums + (part * f->n_class + f->label[i]) * p;
        x = f->x + i * p;

        for (int64_t j = 0; j < p; j++) {
            sum[j] += c->weight[i] * (bits ? bayes_bit(c, x[j]) : x[j]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
counts_check(const bayes_t *c)
{
    int64_t          p = c->f->p;
    maas_fit_job_t  *f = c->f;

    for (int64_t i = 0; i < f->n * p; i++) {
        if (f->x[i] < 0) {
            return maas_err(f->err, MAAS_EINVAL, "row %lld, feature "
                            "%lld is %g; counts are not below 0",
                            (long long) (i / p), (long long) (i % p),
                            f->x[i]);
        }
    }

    return MAAS_OK;
}


/* a: smoothed sums of features or of yeses in each class. */
static maas_status_t
counts_learn(bayes_t *c, maas_arena_t *scratch)
{
    counts_t        t = { .c = c };
    int64_t         size = c->f->n_class * c->f->p;
    maas_status_t   rc;

    if (c->q->kind == BAYES_MULTINOMIAL) {
        MAAS_TRY(counts_check(c));
    }

    maas_fit_rows_begin(&t.rows, c->f);
    maas_fit_rows_limit(&t.rows, size);
    t.sums = maas_arena_array(scratch, (size_t) (t.rows.parts * size),
                              sizeof(double));
    rc = t.sums == NULL ? maas_err_nomem(c->f->err)
         : maas_fit_rows_run(&t.rows, counts_part, &t);

    if (rc == MAAS_OK) {
        maas_fit_rows_add(&t.rows, t.sums, size);
    }

    maas_fit_rows_end(&t.rows);
    MAAS_TRY(rc);

    for (int64_t i = 0; i < size; i++) {
        c->a[i] = t.sums[i] + c->q->alpha;
    }

    return MAAS_OK;
}


/* a: log p, or log p - log (1 - p); what is constant goes to the prior. */
static void
counts_logs(bayes_t *c)
{
    double   sum, yes;
    int64_t  p = c->f->p;

    for (int k = 0; k < c->f->n_class; k++) {
        double  *a = c->a + k * p;

        sum = 0;

        for (int64_t j = 0; j < p; j++) {
            sum += a[j];
        }

        for (int64_t j = 0; j < p; j++) {
            if (c->q->kind == BAYES_MULTINOMIAL) {
                a[j] = log(a[j] / sum);
                c->b[k * p + j] = a[j];

            } else {
                yes = a[j] / (c->count[k] + 2 * c->q->alpha);
                c->b[k * p + j] = log(yes);
                a[j] = log(yes) - log1p(-yes);
                c->prior[k] += log1p(-yes);
            }
        }
    }
}


/* -- nodes --------------------------------------------------------------- */

/* log p(k) - 1/2 sum_j (log 2 pi var + (x - mean)^2 / var) */
static maas_str_t
gauss_nodes(bayes_t *c, maas_str_t x)
{
    double            *root = c->b;
    int64_t            k = c->f->n_class, p = c->f->p, dims[3];
    maas_str_t         in[2];
    maas_fit_job_t    *f = c->f;
    maas_raw_attr_t    a[2];

    for (int64_t i = 0; i < k * p; i++) {
        c->prior[i / p] -= 0.5 * log(2 * M_PI * c->b[i]);
        root[i] = sqrt(0.5 / c->b[i]);
    }

    dims[0] = 1;
    dims[1] = k;
    dims[2] = p;

    in[0] = x;
    in[1] = maas_build_ints(f->build, NULL, (int64_t[]) { 1 }, 1,
                            (int64_t[]) { 1 });
    in[0] = maas_fit_op(f, "Unsqueeze", in, 2, NULL, 0, NULL);
    in[0] = maas_build_op2(f->build, "Sub", in[0],
                           maas_fit_doubles(f, c->a, 3, dims));
    in[0] = maas_build_op2(f->build, "Mul", in[0],
                           maas_fit_doubles(f, root, 3, dims));

    a[0] = maas_build_attr_ints("axes", (int64_t[]) { 2 }, 1);
    a[1] = maas_build_attr_int("keepdims", 0);
    in[0] = maas_fit_op(f, "ReduceSumSquare", in, 1, a, 2, NULL);

    return maas_build_op2(f->build, "Sub",
                          maas_fit_doubles(f, c->prior, 2, dims), in[0]);
}


/* The largest float32 that is not above t: every float32 is on its side. */
static float
bayes_below(double t)
{
    float  v = (float) t;

    return (double) v > t ? nextafterf(v, -INFINITY) : v;
}


static maas_str_t
counts_nodes(bayes_t *c, maas_str_t x)
{
    double            *t;
    int64_t            k = c->f->n_class, p = c->f->p;
    maas_str_t         y;
    maas_fit_job_t    *f = c->f;

    /* MatMul wants p x k. */
    t = c->b;

    for (int64_t i = 0; i < k * p; i++) {
        t[i % p * k + i / p] = c->a[i];
    }

    if (c->q->kind == BAYES_BERNOULLI) {
        x = maas_build_op2(f->build, "Greater", f->in,
                           maas_build_float(f->build,
                                            bayes_below(c->q->threshold)));
        x = maas_fit_cast(f, x, MAAS_F64, NULL);
    }

    y = maas_build_op2(f->build, "MatMul", x,
                       maas_fit_doubles(f, t, 2, (int64_t[]) { p, k }));

    return maas_build_op2(f->build, "Add", y,
                          maas_fit_doubles(f, c->prior, 2,
                                           (int64_t[]) { 1, k }));
}


static void
bayes_nodes(bayes_t *c)
{
    maas_str_t        s;
    maas_fit_job_t   *f = c->f;
    maas_raw_attr_t   axis = maas_build_attr_int("axis", 1);

    s = c->q->kind == BAYES_BERNOULLI ? maas_str("")
        : maas_fit_cast(f, f->in, MAAS_F64, NULL);
    s = c->q->kind == BAYES_GAUSSIAN ? gauss_nodes(c, s)
                                     : counts_nodes(c, s);

    f->out[0] = maas_fit_label(f, s);
    s = maas_fit_op(f, "Softmax", &s, 1, &axis, 1, NULL);
    f->out[1] = maas_fit_cast(f, s, MAAS_F32, "probabilities");
}


/* -- the fit ------------------------------------------------------------- */

static maas_status_t
bayes_run(bayes_t *c, maas_arena_t *scratch)
{
    size_t           k = (size_t) c->f->n_class, p = (size_t) c->f->p;
    maas_fit_job_t  *f = c->f;

    c->weight = maas_fit_weights(f, scratch, false);
    c->count = maas_arena_array(scratch, k, sizeof(double));
    c->prior = maas_arena_array(scratch, k, sizeof(double));
    c->a = maas_arena_array(scratch, k * p, sizeof(double));
    c->b = maas_arena_array(scratch, k * p, sizeof(double));

    if (c->weight == NULL || c->count == NULL || c->prior == NULL
        || c->a == NULL || c->b == NULL)
    {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(bayes_priors(c));
    maas_fit_say_list(f, "class_count", c->count, f->n_class);
    maas_fit_say_list(f, "class_log_prior", c->prior, f->n_class);

    if (c->q->kind == BAYES_GAUSSIAN) {
        MAAS_TRY(gauss_learn(c, scratch));
        maas_fit_say_rows(f, "means", c->a, f->n_class, f->p);
        maas_fit_say_rows(f, "variances", c->b, f->n_class, f->p);

    } else {
        MAAS_TRY(counts_learn(c, scratch));
        counts_logs(c);
        maas_fit_say_rows(f, "feature_log_probabilities", c->b, f->n_class,
                          f->p);
    }

    bayes_nodes(c);
    return MAAS_OK;
}


static maas_status_t
bayes_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    bayes_t        c = { .f = f, .q = f->param };
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));

    maas_arena_init(&scratch, f->host, 0);
    rc = bayes_run(&c, &scratch);
    maas_arena_destroy(&scratch);

    return rc;
}


const maas_estimator_t  maas_estimators_naive_bayes[] = {
    { .name = "naive_bayes",
      .about = "Bayes' rule with features that are independent in each "
               "class",
      .tasks = 1u << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(bayes_params, bayes_param_t),
      .fit = bayes_fit, .ranks = true },
    { .name = NULL }
};
