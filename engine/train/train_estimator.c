/*
 * train_estimator: an estimator of a specification: the rows as a matrix of
 * doubles, fit() once, then its nodes as a model.  See train_run.h and
 * estimator.h.
 */

#include <math.h>
#include <stdio.h>

#include "train/estimator.h"
#include "train/fit_seen.h"
#include "train/train_run.h"


#define EST_FOLD     (64u << 20)        /* bytes of folded constants */
#define EST_ROWS     1024               /* that are measured at a time */

typedef struct {
    maas_train_t            *t;
    const maas_estimator_t  *e;
    maas_task_kind_t         task;
    uint64_t                 wanted;    /* metrics */
    maas_fit_job_t           f;
    maas_build_t            *build;
    uint64_t                 start;
} train_est_t;


static void
est_progress(void *ctx, uint64_t done, uint64_t of)
{
    train_est_t         *n = ctx;
    maas_train_event_t   e = { .kind = MAAS_TRAIN_FIT, .done = done,
                               .of = of };

    if (n->t->job->event != NULL
        && (n->t->job->ranks == NULL || n->t->job->ranks->rank == 0))
    {
        n->t->job->event(n->t->job->ctx, &e);
    }
}


/* What the estimator can do with the target that there is. */
static maas_status_t
est_task(train_est_t *n)
{
    uint32_t                   can = n->e->tasks;
    const maas_data_info_t  *i = n->t->info;
    static const maas_task_kind_t  alone[] = {
        MAAS_TASK_CLUSTERING, MAAS_TASK_OUTLIERS
    };

    if (i->n_target_column == 0) {
        for (size_t k = 0; k < maas_nelts(alone); k++) {
            if (can >> alone[k] & 1) {
                n->task = alone[k];
                return MAAS_OK;
            }
        }

        return maas_err(n->t->err, MAAS_EINVAL, "data: %s needs a "
                        "\"target\"", n->e->name);
    }

    /* Integers are classes for what cannot do numbers. */
    if ((can >> MAAS_TASK_CLASSIFICATION & 1) && i->n_class != 0
        && (i->class_name != NULL || !(can >> MAAS_TASK_REGRESSION & 1)))
    {
        n->task = MAAS_TASK_CLASSIFICATION;
        return MAAS_OK;
    }

    if ((can >> MAAS_TASK_REGRESSION & 1) && i->class_name == NULL) {
        n->task = MAAS_TASK_REGRESSION;
        return MAAS_OK;
    }

    return maas_err(n->t->err, MAAS_EINVAL, "data: %s cannot learn \"%.*s\": "
                    "it learns %s, and the column is of %s", n->e->name,
                    (int) maas_min(i->target.len, 100u), i->target.data,
                    can >> MAAS_TASK_REGRESSION & 1 ? "numbers"
                    : can >> MAAS_TASK_CLASSIFICATION & 1 ? "classes"
                    : "without a target",
                    i->class_name != NULL ? "names" : "numbers");
}


static maas_status_t
est_matrix(train_est_t *n)
{
    double                  *y = NULL;
    int32_t                 *label = NULL;
    int64_t                  rows = n->t->rows.n_train;
    maas_train_t            *t = n->t;
    maas_pipeline_t          p;
    const maas_data_info_t  *i = t->info;

    n->build = maas_build_create(&t->arena);
    if (n->build == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_train_pipe_matrix(&p, t, n->build, n->e->missing));

    if (n->task == MAAS_TASK_REGRESSION) {
        y = maas_arena_array(&t->arena, (size_t) rows
                             * (size_t) i->n_target + 1, sizeof(*y));
        if (y == NULL) {
            return maas_err_nomem(t->err);
        }

        MAAS_TRY(maas_data_numbers(t->source, t->rows.train, rows, y,
                                     t->err));

    } else if (n->task == MAAS_TASK_CLASSIFICATION) {
        label = maas_arena_array(&t->arena, (size_t) rows + 1,
                                 sizeof(*label));
        if (label == NULL) {
            return maas_err_nomem(t->err);
        }

        MAAS_TRY(maas_data_labels(t->source, t->rows.train, rows, label,
                                    t->err));
    }

    n->f.x = p.x;
    n->f.n = rows;
    n->f.p = p.p;
    n->f.in = p.value;
    n->f.y = y;
    n->f.n_target = i->n_target;
    n->f.label = label;
    n->f.n_class = i->n_class;
    n->f.class_name = i->class_name;
    n->f.class_int = i->class_int;

    return MAAS_OK;
}


static maas_status_t
est_fit(train_est_t *n)
{
    void                      *param;
    maas_train_t              *t = n->t;
    static const char *const   skip[] = { "type", NULL };

    param = maas_arena_alloc(&t->arena, n->e->param_size + 1u);
    if (param == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_params_parse(&t->arena, t->job->spec->model, n->e->param,
                               n->e->n_param, skip, "model", param,
                               t->err));
    n->f.param = param;
    n->f.seed = (uint64_t) t->job->spec->seed;
    n->f.threads = t->job->threads;
    n->f.team = t->job->team;
    n->f.ranks = t->job->ranks;
    n->f.cancel = t->job->cancel;
    n->f.progress = est_progress;
    n->f.progress_ctx = n;
    n->f.build = n->build;
    n->f.arena = &t->arena;
    n->f.host = t->job->host;
    n->f.summary = &t->training;
    n->f.err = t->err;
    n->start = maas_now_ns();

    return n->e->fit(&n->f, n->task);
}


/* Outputs as estimator.h names and types them; probabilities come first, as
 * model.json means the first one. */
static maas_status_t
est_outputs(train_est_t *n)
{
    int64_t                    one[1] = { -1 }, two[2] = { -1, -1 };
    const maas_data_info_t  *i = n->t->info;

    switch (n->task) {

    case MAAS_TASK_REGRESSION:
        two[1] = i->n_target;
        maas_build_output(n->build, n->f.out[0], MAAS_F32, 2, two);
        break;

    case MAAS_TASK_CLASSIFICATION:
        two[1] = i->n_class;
        maas_build_output(n->build, n->f.out[1], MAAS_F32, 2, two);
        maas_build_output(n->build, n->f.out[0], i->class_name != NULL
                          ? MAAS_STRING : MAAS_I64, 1, one);
        n->t->classes = true;
        break;

    default:
        if (n->task == MAAS_TASK_OUTLIERS) {
            two[1] = 1;
        }

        maas_build_output(n->build, n->f.out[0], MAAS_I64, 1, one);

        if (n->f.out[1].len != 0) {
            maas_build_output(n->build, n->f.out[1], MAAS_F32, 2, two);
        }
    }

    return maas_build_done(n->build, &n->t->model, n->t->err);
}


/* -- measures ------------------------------------------------------------ */

static maas_status_t
est_net(train_est_t *n, maas_arena_t *a, maas_net_t **net,
    maas_tensor_t **out)
{
    maas_graph_t      *g;
    maas_train_t      *t = n->t;
    maas_pass_opts_t   opts = { .host = t->job->host, .k = t->k,
                                .fold_budget = EST_FOLD };

    MAAS_TRY(maas_graph_import(&g, a, t->model, t->err));
    MAAS_TRY(maas_passes_run(g, &opts, t->err));

    *out = maas_arena_array(a, g->n_out + 1u, sizeof(**out));
    if (*out == NULL) {
        return maas_err_nomem(t->err);
    }

    return maas_net_create(net, g, t->k, t->job->host, t->err);
}


/* The targets of rows, as the sums want them. */
static maas_status_t
est_targets(train_est_t *n, const int64_t *row, int64_t k, maas_arena_t *a,
    maas_tensor_t *y)
{
    float         *f;
    double        *d;
    int32_t       *c;
    int64_t       *l, each = n->t->info->n_target;
    maas_train_t  *t = n->t;

    memset(y, 0, sizeof(*y));
    y->rank = 1;
    y->dims[0] = k;

    if (n->task == MAAS_TASK_CLASSIFICATION) {
        c = maas_arena_array(a, (size_t) k, sizeof(*c));
        l = maas_arena_array(a, (size_t) k, sizeof(*l));

        if (c == NULL || l == NULL) {
            return maas_err_nomem(t->err);
        }

        MAAS_TRY(maas_data_labels(t->source, row, k, c, t->err));

        for (int64_t i = 0; i < k; i++) {
            l[i] = c[i];
        }

        y->dtype = MAAS_I64;
        y->data = l;
        return MAAS_OK;
    }

    d = maas_arena_array(a, (size_t) (k * each), sizeof(*d));
    f = maas_arena_array(a, (size_t) (k * each), sizeof(*f));

    if (d == NULL || f == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_data_numbers(t->source, row, k, d, t->err));

    for (int64_t i = 0; i < k * each; i++) {
        f[i] = (float) d[i];
    }

    y->dtype = MAAS_F32;
    y->data = f;
    return MAAS_OK;
}


static maas_target_kind_t
est_kind(const train_est_t *n)
{
    return n->task == MAAS_TASK_CLASSIFICATION ? MAAS_TARGET_CLASSES
                                               : MAAS_TARGET_NUMBERS;
}


static maas_status_t
est_metrics(train_est_t *n)
{
    char                       what[80];
    bool                       classes;
    const maas_param_texts_t  *l = &n->t->job->spec->metrics;
    maas_fit_judge_t           j = { .kind = est_kind(n), .what = what };

    classes = n->task == MAAS_TASK_CLASSIFICATION;
    j.numbers = !classes;
    j.n_class = classes ? n->t->info->n_class : 0;
    snprintf(what, sizeof(what), "%s, which gives %s", n->e->name,
             classes ? "classes" : "numbers");

    if (n->task != MAAS_TASK_CLASSIFICATION
        && n->task != MAAS_TASK_REGRESSION)
    {
        return l->n == 0 ? MAAS_OK
               : maas_err(n->t->err, MAAS_EINVAL, "metrics: %s learns without "
                          "a target, which nothing can be measured by",
                          n->e->name);
    }

    if (l->n == 0) {
        n->wanted = classes ? MAAS_FIT_BIT(MAAS_FIT_ACCURACY)
                    : MAAS_FIT_BIT(MAAS_FIT_MAE)
                      | MAAS_FIT_BIT(MAAS_FIT_RMSE)
                      | MAAS_FIT_BIT(MAAS_FIT_R2);
    }

    return maas_fit_metric_parse(l, &j, &n->wanted, n->t->err);
}


/* Only where a metric wants more than sums. */
static maas_status_t
est_seen(train_est_t *n, int64_t rows, maas_fit_seen_t *s)
{
    bool     classes = n->task == MAAS_TASK_CLASSIFICATION;
    int64_t  k = classes ? n->t->info->n_class : n->t->info->n_target;

    *s = (maas_fit_seen_t) { .host = n->t->job->host, .kind = est_kind(n),
                             .wanted = n->wanted };

    return (n->wanted & ~MAAS_FIT_SUMMED_BITS) == 0 ? MAAS_OK
           : maas_fit_seen_begin(s, rows, &k, 1, n->t->err);
}


static maas_status_t
est_batch(train_est_t *n, maas_net_t *net, maas_tensor_t *out,
    const int64_t *row, int64_t k, maas_arena_t *a, maas_fit_sums_t *sums,
    maas_fit_seen_t *seen, int64_t seen_at)
{
    int                 n_in;
    maas_train_t       *t = n->t;
    maas_tensor_t      *in, y;
    const maas_rows_t   rows = { row, 0, k };

    in = maas_arena_array(a, (size_t) t->info->n_column + 1, sizeof(*in));
    if (in == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_pipeline_inputs(maas_data_dataset(t->source),
                                  maas_data_columns(t->source),
                                  t->info->n_column, &rows, a, in, &n_in,
                                  t->err));
    MAAS_TRY(maas_net_run(net, in, t->job->team, out, t->err));
    MAAS_TRY(est_targets(n, row, k, a, &y));

    maas_fit_sums_add(sums, n->wanted, est_kind(n), true, 0, &out[0], &y);

    if (seen->score != NULL) {
        maas_fit_seen_add(seen, seen_at, &out[0], &y);
    }

    return MAAS_OK;
}


static maas_status_t
est_sums(train_est_t *n, const int64_t *row, int64_t rows,
    maas_fit_sums_t *sums)
{
    int64_t         k;
    maas_net_t     *net = NULL;
    maas_arena_t     a, batch;
    maas_tensor_t   *out = NULL;
    maas_status_t    rc;
    maas_fit_seen_t  seen;

    memset(sums, 0, sizeof(*sums));
    MAAS_TRY(est_seen(n, rows, &seen));
    maas_arena_init(&a, n->t->job->host, 0);
    rc = est_net(n, &a, &net, &out);

    for (int64_t at = 0; at < rows && rc == MAAS_OK; at += k) {
        k = maas_min(rows - at, EST_ROWS);
        maas_arena_init(&batch, n->t->job->host, 0);
        rc = est_batch(n, net, out, row + at, k, &batch, sums, &seen, at);
        maas_arena_destroy(&batch);
    }

    if (rc == MAAS_OK && seen.score != NULL) {
        rc = maas_fit_seen_measure(&seen, sums->measured, n->t->err);
    }

    maas_fit_seen_end(&seen);

    maas_net_destroy(net);
    maas_arena_destroy(&a);

    return rc;
}


static void
est_put(const train_est_t *n, const char *prefix,
    const maas_fit_sums_t *sums, maas_buf_t *b)
{
    char  name[96];

    for (int m = 0; m < MAAS_FIT_METRICS; m++) {
        if (n->wanted >> m & 1) {
            snprintf(name, sizeof(name), "%s%s", prefix,
                     maas_fit_metric_name(m));
            maas_train_put(b, name, maas_fit_metric(sums, m));
        }
    }
}


static maas_status_t
est_measure(train_est_t *n, const char *prefix, const int64_t *row,
    int64_t rows)
{
    maas_fit_sums_t  sums;

    if (rows == 0 || (n->task != MAAS_TASK_CLASSIFICATION
                      && n->task != MAAS_TASK_REGRESSION))
    {
        return MAAS_OK;
    }

    MAAS_TRY(est_sums(n, row, rows, &sums));
    est_put(n, prefix, &sums, &n->t->metrics);

    return MAAS_OK;
}


/* -- the run ------------------------------------------------------------- */

static maas_status_t
est_once(train_est_t *n)
{
    n->t->training.len = 0;
    MAAS_TRY(est_matrix(n));
    MAAS_TRY(est_fit(n));

    return est_outputs(n);
}


static maas_status_t
est_fold(train_est_t *n, int64_t fold, const maas_data_rows_t *rows,
    maas_fit_sums_t *sums)
{
    maas_buf_t  b;

    n->t->rows = *rows;
    MAAS_TRY(est_once(n));
    MAAS_TRY(est_sums(n, rows->validation, rows->n_validation, sums));

    maas_buf_init(&b, n->t->job->host);
    maas_buf_printf(&b, "{\"fold\":%lld", (long long) fold);
    est_put(n, "validation_", sums, &b);
    maas_buf_puts(&b, "}");
    maas_train_event(n->t, MAAS_TRAIN_FOLD, NULL, fold,
                     (maas_str_t) { b.data, b.len });
    maas_buf_destroy(&b);

    return MAAS_OK;
}


/* Each fold is judged by rows that it did not see; then all are learned. */
static maas_status_t
est_folds(train_est_t *n)
{
    int64_t                 k = n->t->job->spec->folds;
    double                  v, sum[MAAS_FIT_METRICS] = { 0 };
    double                  sum2[MAAS_FIT_METRICS] = { 0 };
    maas_fit_sums_t         sums;
    maas_data_rows_t        rows;
    const maas_data_rows_t  all = n->t->rows;

    if (n->task != MAAS_TASK_CLASSIFICATION
        && n->task != MAAS_TASK_REGRESSION)
    {
        return maas_err(n->t->err, MAAS_EINVAL, "\"folds\": %s learns "
                        "without a target, which nothing can be measured by",
                        n->e->name);
    }

    for (int64_t i = 0; i < k; i++) {
        MAAS_TRY(maas_data_split(n->t->source, i, &rows, n->t->err));
        MAAS_TRY(est_fold(n, i + 1, &rows, &sums));

        for (int m = 0; m < MAAS_FIT_METRICS; m++) {
            v = maas_fit_metric(&sums, m);
            sum[m] += v / (double) k;
            sum2[m] += v * v / (double) k;
        }
    }

    n->t->rows = all;

    for (int m = 0; m < MAAS_FIT_METRICS; m++) {
        char  name[96];

        if (n->wanted >> m & 1) {
            snprintf(name, sizeof(name), "folds_%s",
                     maas_fit_metric_name(m));
            maas_train_put(&n->t->metrics, name, sum[m]);
            snprintf(name, sizeof(name), "folds_%s_std",
                     maas_fit_metric_name(m));
            maas_train_put(&n->t->metrics, name,
                           sqrt(maas_max(sum2[m] - sum[m] * sum[m], 0)));
        }
    }

    return maas_train_all_rows(n->t);
}


maas_status_t
maas_train_estimator(maas_train_t *t)
{
    train_est_t    n = { .t = t };
    const json_t  *type = json_object_get(t->job->spec->model, "type");

    n.e = maas_estimator_find((maas_str_t) { json_string_value(type),
                                             json_string_length(type) });

    if (n.e->tasks == 1u << MAAS_TASK_TRANSFORM) {
        return maas_err(t->err, MAAS_EINVAL, "model: \"%s\" is a step of a "
                        "pipeline", n.e->name);
    }

    MAAS_TRY(est_task(&n));
    MAAS_TRY(est_metrics(&n));

    if (t->job->spec->folds != 0) {
        MAAS_TRY(est_folds(&n));
    }

    MAAS_TRY(est_once(&n));
    maas_train_put(&t->training, "seconds",
                   (double) (maas_now_ns() - n.start) / 1e9);
    maas_train_put(&t->training, "threads", t->job->threads);

    if (t->job->ranks != NULL) {
        maas_train_put(&t->training, "ranks", t->job->ranks->n);
    }


    MAAS_TRY(est_measure(&n, "test_", t->rows.test, t->rows.n_test));
    MAAS_TRY(est_measure(&n, "", t->rows.train, t->rows.n_train));
    MAAS_TRY(est_measure(&n, "validation_", t->rows.validation,
                         t->rows.n_validation));

    return t->training.failed ? maas_err_nomem(t->err) : MAAS_OK;
}
