/*
 * neighbours.c: the class, or the mean target, of the k nearest rows that
 * were seen.  Nothing is learned but the rows: they become a constant of
 * the model.
 *
 * Served so: with c = x - mean, the squared distances to all rows are
 * |t|^2 - 2 c t' (+ |c|^2, which is the same for all), in float64; TopK
 * takes the k least, the first row where some are equal; the distances of
 * these k are then computed again as sums of squared differences, so that a
 * row that was seen is at distance 0 exactly.
 *
 * Ownership: the constants lie in the builder's arena.
 * Threads:   one thread a job.
 */

#include <math.h>

#include "train/fit.h"


typedef struct {
    int64_t  k;
    int64_t  weights;
} near_param_t;

enum { NEAR_UNIFORM = 0, NEAR_DISTANCE };

static const char *const  near_weights[] = { "uniform", "distance", NULL };

static const maas_param_t  near_params[] = {
    { .name = "k", .type = MAAS_PARAM_INT, .def = 5, .min = 1, .max = 10000,
      .off = offsetof(near_param_t, k), .about = "neighbours that are asked" },
    { .name = "weights", .type = MAAS_PARAM_WORD, .words = near_weights,
      .off = offsetof(near_param_t, weights),
      .about = "of their votes: all equal, or 1 / distance" }
};

typedef struct {
    maas_fit_job_t      *f;
    const near_param_t  *q;
    maas_arena_t        *scratch;
    float               *rows;      /* n x p: as float32, what is served */
    double              *centred;   /* p x n, less the mean, times -2 */
    double              *square;    /* n */
    double              *mean;
} near_t;


/* -- rows ---------------------------------------------------------------- */

static maas_status_t
near_rows(near_t *c)
{
    double           d;
    int64_t          n = c->f->n, p = c->f->p;
    maas_fit_job_t  *f = c->f;

    c->rows = maas_arena_array(c->scratch, (size_t) (n * p), sizeof(float));
    c->centred = maas_arena_array(c->scratch, (size_t) (n * p),
                                  sizeof(double));
    c->square = maas_arena_array(c->scratch, (size_t) n, sizeof(double));
    c->mean = maas_arena_array(c->scratch, (size_t) p, sizeof(double));

    if (c->rows == NULL || c->centred == NULL || c->square == NULL
        || c->mean == NULL)
    {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < n * p; i++) {
        c->rows[i] = (float) f->x[i];
        c->mean[i % p] += (double) c->rows[i] / (double) n;

        if (!isfinite(c->rows[i])) {
            return maas_err(f->err, MAAS_EINVAL, "row %lld, feature %lld is "
                            "%g, beyond what float32 holds",
                            (long long) (i / p), (long long) (i % p),
                            f->x[i]);
        }
    }

    /* Whole means keep whole numbers exact, and ties ties. */
    for (int64_t j = 0; j < p; j++) {
        c->mean[j] = rint(c->mean[j]);
    }

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < p; j++) {
            d = (double) c->rows[i * p + j] - c->mean[j];
            c->square[i] += d * d;
            c->centred[j * n + i] = -2 * d;
        }
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

static maas_str_t
near_axis(near_t *c, int64_t axis)
{
    return maas_build_ints(c->f->build, NULL, &axis, 1, (int64_t[]) { 1 });
}


/* Numbers of the k nearest rows, [N,k]; x: float64 [N,p]. */
static maas_str_t
near_search(near_t *c, maas_str_t x)
{
    int64_t           n = c->f->n, p = c->f->p, k = c->q->k;
    maas_str_t        in[2], out[2] = { maas_str(""), maas_str("") };
    maas_build_t     *b = c->f->build;
    maas_raw_attr_t   a[2];

    x = maas_build_op2(b, "Sub", x, maas_fit_doubles(c->f, c->mean, 2,
                                        (int64_t[]) { 1, p }));
    x = maas_build_op2(b, "MatMul", x, maas_fit_doubles(c->f, c->centred, 2,
                                           (int64_t[]) { p, n }));
    in[0] = maas_build_op2(b, "Add", x, maas_fit_doubles(c->f, c->square, 2,
                                            (int64_t[]) { 1, n }));
    in[1] = maas_build_ints(b, NULL, &k, 1, (int64_t[]) { 1 });

    a[0] = maas_build_attr_int("largest", 0);
    a[1] = maas_build_attr_int("axis", 1);

    (void) maas_build_node(b, &(maas_build_node_t) {
        .op = "TopK", .in = in, .n_in = 2, .out = out, .n_out = 2,
        .attr = a, .n_attr = 2
    });

    return out[1];
}


/* Squared distances of the chosen rows, float64 [N,k]. */
static maas_str_t
near_squares(near_t *c, maas_str_t x, maas_str_t which)
{
    maas_str_t        in[2];
    maas_build_t     *b = c->f->build;
    maas_raw_attr_t   a[2];

    in[0] = maas_build_floats(b, NULL, c->rows, 2,
                              (int64_t[]) { c->f->n, c->f->p });
    in[1] = which;
    in[1] = maas_fit_op(c->f, "Gather", in, 2, NULL, 0, NULL);
    in[1] = maas_fit_cast(c->f, in[1], MAAS_F64, NULL);

    in[0] = maas_build_op2(b, "Unsqueeze", x, near_axis(c, 1));
    in[0] = maas_build_op2(b, "Sub", in[1], in[0]);

    a[0] = maas_build_attr_ints("axes", (int64_t[]) { 2 }, 1);
    a[1] = maas_build_attr_int("keepdims", 0);

    return maas_fit_op(c->f, "ReduceSumSquare", in, 1, a, 2, NULL);
}


/*
 * Shares of the votes, float64 [N,k,1], of sum 1.  Where a neighbour is at
 * distance 0, only such neighbours count.
 */
static maas_str_t
near_shares(near_t *c, maas_str_t x, maas_str_t which)
{
    double            one = 1;
    maas_str_t        d, zero, any, w, in[3];
    maas_build_t     *b = c->f->build;
    maas_raw_attr_t   axis, keep;

    d = near_squares(c, x, which);
    zero = maas_fit_cast(c->f, maas_build_op2(b, "Equal", d,
               maas_fit_doubles(c->f, &(double) { 0 }, 0, NULL)), MAAS_F64,
               NULL);

    axis = maas_build_attr_ints("axes", (int64_t[]) { 1 }, 1);
    any = maas_fit_op(c->f, "ReduceMax", &zero, 1, &axis, 1, NULL);
    any = maas_fit_cast(c->f, any, MAAS_BOOL, NULL);

    /* 1 / (d + [d is 0]): no infinity that Where() would have to drop. */
    w = maas_build_op1(b, "Sqrt", maas_build_op2(b, "Add", d, zero));
    w = maas_build_op2(b, "Div", maas_fit_doubles(c->f, &one, 0, NULL), w);

    in[0] = any;
    in[1] = zero;
    in[2] = w;
    w = maas_fit_op(c->f, "Where", in, 3, NULL, 0, NULL);

    in[0] = w;
    in[1] = near_axis(c, 1);
    keep = maas_build_attr_int("keepdims", 1);
    w = maas_build_op2(b, "Div", w, maas_fit_op(c->f, "ReduceSum", in, 2,
                                                &keep, 1, NULL));

    return maas_build_op2(b, "Unsqueeze", w, near_axis(c, 2));
}


/* What the neighbours say: mean over them of value[row], float64 [N,q]. */
static maas_str_t
near_votes(near_t *c, const double *value, int64_t q)
{
    double            k = (double) c->q->k;
    maas_str_t        x, which, in[2], sum;
    maas_build_t     *b = c->f->build;
    maas_raw_attr_t   keep = maas_build_attr_int("keepdims", 0);

    x = maas_fit_cast(c->f, c->f->in, MAAS_F64, NULL);
    which = near_search(c, x);

    in[0] = maas_fit_doubles(c->f, value, 2, (int64_t[]) { c->f->n, q });
    in[1] = which;
    in[0] = maas_fit_op(c->f, "Gather", in, 2, NULL, 0, NULL);

    if (c->q->weights == NEAR_DISTANCE) {
        in[0] = maas_build_op2(b, "Mul", in[0], near_shares(c, x, which));
    }

    in[1] = near_axis(c, 1);
    sum = maas_fit_op(c->f, "ReduceSum", in, 2, &keep, 1, NULL);

    return c->q->weights == NEAR_DISTANCE ? sum
           : maas_build_op2(b, "Div", sum,
                            maas_fit_doubles(c->f, &k, 0, NULL));
}


/* -- the fit ------------------------------------------------------------- */

static maas_status_t
near_classes(near_t *c)
{
    double           *value;
    int64_t           n = c->f->n, k = c->f->n_class;
    maas_str_t        votes;
    maas_fit_job_t   *f = c->f;

    value = maas_arena_array(c->scratch, (size_t) n * (size_t) k,
                             sizeof(double));
    if (value == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < n; i++) {
        value[i * k + f->label[i]] = 1;
    }

    votes = near_votes(c, value, k);
    f->out[0] = maas_fit_label(f, votes);
    f->out[1] = maas_fit_cast(f, votes, MAAS_F32, "probabilities");
    return MAAS_OK;
}


static maas_status_t
near_run(near_t *c, maas_task_kind_t task)
{
    maas_str_t       votes;
    maas_fit_job_t  *f = c->f;

    if (c->q->k > f->n) {
        return maas_err(f->err, MAAS_EINVAL, "\"k\" is %lld, but there are "
                        "only %lld rows", (long long) c->q->k,
                        (long long) f->n);
    }

    MAAS_TRY(near_rows(c));
    maas_fit_say_int(f, "rows", f->n);

    if (task == MAAS_TASK_CLASSIFICATION) {
        return near_classes(c);
    }

    votes = near_votes(c, f->y, f->n_target);
    f->out[0] = maas_fit_cast(f, votes, MAAS_F32, "prediction");
    return MAAS_OK;
}


static maas_status_t
near_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    near_t         c = { .f = f, .q = f->param };
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));
    MAAS_TRY(maas_fit_no_weights(f));

    maas_arena_init(&scratch, f->host, 0);
    c.scratch = &scratch;
    rc = near_run(&c, task);
    maas_arena_destroy(&scratch);

    return rc;
}


const maas_estimator_t  maas_estimators_neighbours[] = {
    { .name = "k_nearest_neighbours",
      .about = "the votes, or the mean, of the nearest rows that were seen",
      .tasks = 1u << MAAS_TASK_CLASSIFICATION | 1u << MAAS_TASK_REGRESSION,
      MAAS_PARAMS(near_params, near_param_t),
      .fit = near_fit },
    { .name = NULL }
};
