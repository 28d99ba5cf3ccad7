/*
 * grow_fit.c: a whole fit of one or many trees: targets and weights made
 * ready, trees grown by the crew, the result written.
 *
 * Ownership: everything is freed before the call returns, but what the
 *            model holds.
 * Threads:   a tree is grown by one thread.
 */

#include <math.h>

#include "train/estimators/grow.h"


typedef struct {
    maas_fit_job_t    *f;
    maas_crew_t        crew;
    maas_arena_t       arena;
    maas_grow_data_t   data;
    maas_grow_t       *g;
    maas_grower_t     *grower;      /* one for each slot */
    maas_grown_t      *tree;
    int64_t            trees;
} fit_t;


/* -- parameters ---------------------------------------------------------- */

static bool
features_number(const json_t *v, double p, double *out)
{
    double  d = json_number_value(v);

    if (json_is_integer(v)) {
        *out = d;
        return d >= 1 && d <= p;
    }

    *out = floor(d * p);
    return json_is_real(v) && d > 0 && d <= 1;
}


maas_status_t
maas_grow_features(const maas_fit_job_t *f, const json_t *v, uint32_t def,
    uint32_t *out)
{
    double       n, p = (double) f->p;
    const char  *s;

    if (v == NULL || json_is_null(v)) {
        *out = def;
        return MAAS_OK;
    }

    s = json_is_string(v) ? json_string_value(v) : "";

    if (strcmp(s, "all") == 0) {
        n = p;

    } else if (strcmp(s, "sqrt") == 0) {
        n = floor(sqrt(p));

    } else if (strcmp(s, "log2") == 0) {
        n = floor(log2(p));

    } else if (!features_number(v, p, &n)) {
        return maas_err(f->err, MAAS_EINVAL, "max_features: expected \"all\", "
                        "\"sqrt\", \"log2\", a count from 1 to %lld, or a "
                        "fraction above 0 and up to 1.0", (long long) f->p);
    }

    *out = (uint32_t) maas_max(n, 1);
    return MAAS_OK;
}


/* -- weights and targets ------------------------------------------------- */

/*
 * Weights that are integers stay; others are scaled to 1 on average, so that
 * no product of theirs overflows.
 */
static maas_status_t
fit_weights(fit_t *t)
{
    bool                   whole = true;
    double                *w, v, sum = 0;
    int64_t                n = t->f->n;
    const maas_fit_job_t  *f = t->f;

    for (int64_t i = 0; i < n; i++) {
        v = f->weight == NULL ? 1 : f->weight[i];
        whole = whole && v <= 1048576 && v == floor(v);
        sum += v;
    }

    t->g->weight = f->weight;
    t->g->whole = whole && sum <= INT32_MAX ? sum : 0;

    if (f->weight == NULL || t->g->whole != 0) {
        return MAAS_OK;
    }

    w = maas_arena_array(&t->arena, (size_t) n, sizeof(double));
    if (w == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < n; i++) {
        w[i] = f->weight[i] / sum * (double) n;
    }

    t->g->weight = w;
    return MAAS_OK;
}


#define FIT_XLOGX  (1 << 22)        /* entries, at most: 32 MB */

static maas_status_t
fit_entropy(fit_t *t)
{
    double    *v, most = t->g->whole;
    uint32_t   n;

    /* A bootstrap sample may draw the heaviest row every time. */
    if (t->g->bootstrap && t->g->weight != NULL) {
        most = 0;
    }

    if (t->g->by != MAAS_GROW_ENTROPY || most == 0 || most >= FIT_XLOGX) {
        return MAAS_OK;
    }

    n = (uint32_t) most + 1;
    v = maas_arena_array(&t->arena, n, sizeof(double));
    if (v == NULL) {
        return maas_err_nomem(t->f->err);
    }

    for (uint32_t i = 1; i < n; i++) {
        v[i] = i * log2(i);
    }

    t->g->xlogx = v;
    t->g->n_xlogx = n;

    return MAAS_OK;
}


/* Targets less their means, over the largest distance of all from it. */
static maas_status_t
fit_targets(fit_t *t)
{
    double                *y, *mean, far = 0, w, sum = 0;
    size_t                 n = (size_t) t->f->n, k = (size_t) t->g->k;
    const maas_fit_job_t  *f = t->f;

    y = maas_arena_array(&t->arena, n * k, sizeof(double));
    mean = maas_arena_array(&t->arena, k, sizeof(double));
    if (y == NULL || mean == NULL) {
        return maas_err_nomem(f->err);
    }

    for (size_t i = 0; i < n; i++) {
        w = f->weight == NULL ? 1 : f->weight[i];
        sum += w;

        for (size_t j = 0; j < k && w > 0; j++) {
            mean[j] += w / sum * (f->y[i * k + j] - mean[j]);
        }
    }

    for (size_t i = 0; i < n * k; i++) {
        y[i] = f->y[i] - mean[i % k];
        far = maas_max(far, fabs(y[i]));
    }

    far = far > 0 ? far : 1;

    for (size_t i = 0; i < n * k; i++) {
        y[i] /= far;
    }

    t->g->y = y;
    t->g->mean = mean;
    t->g->unit = far;

    return MAAS_OK;
}


/* -- trees --------------------------------------------------------------- */

static maas_status_t
fit_tree(void *arg, int slot, int64_t unit)
{
    fit_t  *t = arg;

    if (t->grower[slot].g == NULL) {
        MAAS_TRY(maas_grower_init(&t->grower[slot], t->g));
    }

    return maas_grower_run(&t->grower[slot], (uint64_t) unit, &t->tree[unit]);
}


static maas_status_t
fit_trees(fit_t *t)
{
    maas_status_t  rc;

    t->grower = maas_arena_array(&t->arena, (size_t) t->crew.slots,
                                 sizeof(maas_grower_t));
    t->tree = maas_arena_array(&t->arena, (size_t) t->trees,
                               sizeof(maas_grown_t));
    if (t->grower == NULL || t->tree == NULL) {
        return maas_err_nomem(t->f->err);
    }

    rc = maas_grow_trees(&t->crew, fit_tree, t, t->tree, t->trees);

    for (int i = 0; i < t->crew.slots; i++) {
        maas_grower_destroy(&t->grower[i]);
    }

    return rc;
}


static void
fit_summary(fit_t *t)
{
    double  sum = 0;

    if (t->f->summary == NULL) {
        return;
    }

    maas_grow_summary(t->f, t->tree, t->trees);

    if (t->trees != 1 || t->g->bootstrap) {
        return;
    }

    for (int64_t i = 0; i < t->f->n; i++) {
        sum += t->g->weight != NULL ? t->g->weight[i] : 1;
    }

    maas_fit_say(t->f, t->g->by == MAAS_GROW_SQUARED ? "training_mse"
                 : "training_accuracy", t->tree[0].right / sum);
}


static maas_status_t
fit_all(fit_t *t, maas_task_kind_t task)
{
    bool             classify = task == MAAS_TASK_CLASSIFICATION;
    maas_fit_job_t  *f = t->f;

    MAAS_TRY(fit_weights(t));
    MAAS_TRY(classify ? fit_entropy(t) : fit_targets(t));
    MAAS_TRY(maas_grow_data(&t->crew, &t->arena, t->g->random, &t->data));
    MAAS_TRY(fit_trees(t));
    fit_summary(t);

    if (classify) {
        return maas_grow_write_classes(f, t->tree, t->trees);
    }

    return maas_grow_write_sums(f, t->tree, t->trees, t->g->k, NULL,
                                "prediction", &f->out[0]);
}


maas_status_t
maas_grow_fit(maas_fit_job_t *f, maas_task_kind_t task, maas_grow_t *g,
    int64_t trees)
{
    fit_t          t = { .f = f, .g = g, .trees = trees };
    maas_status_t  rc;

    MAAS_TRY(maas_grow_check(f, task, false));

    g->f = f;
    g->data = &t.data;
    g->k = (int) (task == MAAS_TASK_CLASSIFICATION ? f->n_class
                                                   : f->n_target);
    g->shuffle = g->max_features < (uint64_t) f->p;

    if (task == MAAS_TASK_REGRESSION) {
        g->by = MAAS_GROW_SQUARED;
    }

    maas_arena_init(&t.arena, f->host, 0);
    maas_crew_begin(&t.crew, f);
    g->scale = (float) (1.0 / (double) trees);
    rc = fit_all(&t, task);
    maas_grow_data_free(f->host, &t.data);
    maas_grown_free(f->host, t.tree, t.tree != NULL ? trees : 0);
    maas_crew_end(&t.crew);
    maas_arena_destroy(&t.arena);

    return rc;
}
