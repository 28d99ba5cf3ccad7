/*
 * gradient_boosting: trees one after the other, each of the gradients that
 * the ones before have left, by histograms: Friedman, "Greedy function
 * approximation: a gradient boosting machine", 2001; Ke et al., "LightGBM",
 * 2017.  Missing values go to the side of a cut where they gain more.
 *
 * Served as a TreeEnsembleRegressor of the raw scores, then Sigmoid or
 * Softmax, ArgMax and the classes' names.
 *
 * Ownership: everything is freed before the call returns, but what the model
 *            holds.
 * Threads:   trees of several classes grow side by side where they are many,
 *            else one tree is shared out; neither changes a bit.
 */

#include "train/estimators/boost.h"


typedef struct {
    int64_t  iterations;
    double   learning_rate;
    int64_t  max_leaf_nodes;
    int64_t  max_depth;
    int64_t  min_samples_leaf;
    double   l2;
    int64_t  max_bins;
    bool     early_stopping;
    double   validation_fraction;
    int64_t  patience;
    double   tolerance;
} boost_param_t;

static const maas_param_t  boost_params[] = {
    { "iterations", MAAS_PARAM_INT, false,
      offsetof(boost_param_t, iterations), 100, NULL, 1, 100000,
      .about = "trees, of each class or target; at most, when it stops early"
    },
    { "learning_rate", MAAS_PARAM_NUMBER, false,
      offsetof(boost_param_t, learning_rate), 0.1, NULL, 0, 10, true,
      .about = "what leaf values are multiplied with" },
    { "max_leaf_nodes", MAAS_PARAM_INT, false,
      offsetof(boost_param_t, max_leaf_nodes), 31, NULL, 2, 65536,
      .about = "leaves of a tree" },
    { "max_depth", MAAS_PARAM_INT, false, offsetof(boost_param_t, max_depth),
      0, NULL, 0, 1 << 30, .about = "cuts from the root to a leaf; 0: any" },
    { "min_samples_leaf", MAAS_PARAM_INT, false,
      offsetof(boost_param_t, min_samples_leaf), 20, NULL, 1, 1 << 30,
      .about = "rows that a leaf needs" },
    { "l2", MAAS_PARAM_NUMBER, false, offsetof(boost_param_t, l2), 0, NULL,
      0, 1e30, .about = "added to the hessians of a leaf" },
    { "max_bins", MAAS_PARAM_INT, false, offsetof(boost_param_t, max_bins),
      255, NULL, 2, MAAS_BOOST_BINS,
      .about = "bins that the numbers of a feature are put into" },
    { "early_stopping", MAAS_PARAM_BOOL, false,
      offsetof(boost_param_t, early_stopping), 0,
      .about = "stops when the loss of rows held back falls no more" },
    { "validation_fraction", MAAS_PARAM_NUMBER, false,
      offsetof(boost_param_t, validation_fraction), 0.1, NULL, 0, 0.9, true,
      .about = "rows that are held back to stop by" },
    { "patience", MAAS_PARAM_INT, false, offsetof(boost_param_t, patience),
      10, NULL, 1, 100000,
      .about = "iterations without a lower loss before it stops" },
    { "tolerance", MAAS_PARAM_NUMBER, false,
      offsetof(boost_param_t, tolerance), 1e-7, NULL, 0, 1e30,
      .about = "falls of the loss up to it do not count" },
};

typedef struct {
    maas_fit_job_t       *f;
    const boost_param_t  *p;
    bool                  classify;
    maas_crew_t           crew;
    maas_arena_t          arena;
    maas_boost_bins_t     bins;
    maas_boost_conf_t     conf;
    maas_boost_state_t    s;
    uint32_t             *place;        /* of each row; NULL: as it is */
    double               *base;         /* [k] */
    maas_booster_t       *booster;      /* one for each slot */
    int64_t               whole;        /* trees of an iteration that threads
                                           grow whole, side by side */
    maas_grown_t         *tree;         /* [iterations][k] */
    int64_t               done;         /* iterations */
    int64_t               kept;
    double                validation;   /* loss of the kept ones */
} boost_t;

#define BOOST_ROWS  4096        /* gradients that are computed at a time */


/* -- samples ------------------------------------------------------------- */

/*
 * How many rows of each class, or of all, are held back; order[] takes the
 * rows with weight, in random order when any are.  Returns how many.
 */
static uint32_t
boost_quota(const boost_t *t, uint32_t *order, uint32_t *quota)
{
    uint32_t               j, v, m = 0;
    const maas_fit_job_t  *f = t->f;
    maas_crew_random_t     r = maas_crew_random(f->seed, 0);

    for (uint32_t i = 0; i < (uint32_t) f->n; i++) {
        if (f->weight == NULL || f->weight[i] > 0) {
            order[m++] = i;
            quota[t->classify ? f->label[i] : 0]++;
        }
    }

    for (int k = 0; k < (t->classify ? f->n_class : 1); k++) {
        quota[k] = t->p->early_stopping
                   ? (uint32_t) (quota[k] * t->p->validation_fraction) : 0;
    }

    for (uint32_t i = m; t->p->early_stopping && i > 1; i--) {
        j = maas_crew_below(&r, i);
        v = order[j];
        order[j] = order[i - 1];
        order[i - 1] = v;
    }

    return m;
}


/* Where each row lies: rows to learn from first, in their order. */
static maas_status_t
boost_places(boost_t *t)
{
    uint32_t               v, n = (uint32_t) t->f->n, m, held = 0, j = 0;
    uint32_t              *order, *quota, *place;
    const maas_fit_job_t  *f = t->f;

    order = maas_arena_array(&t->arena, n, sizeof(uint32_t));
    place = maas_arena_array(&t->arena, n, sizeof(uint32_t));
    quota = maas_arena_array(&t->arena, t->classify ? (size_t) f->n_class : 1,
                             sizeof(uint32_t));
    if (order == NULL || place == NULL || quota == NULL) {
        return maas_err_nomem(f->err);
    }

    memset(place, 0xff, n * sizeof(uint32_t));
    m = boost_quota(t, order, quota);

    /* Marked, then numbered. */
    for (uint32_t i = 0; i < m; i++) {
        v = t->classify ? (uint32_t) f->label[order[i]] : 0;
        place[order[i]] = quota[v] != 0;
        held += quota[v] != 0;
        quota[v] -= quota[v] != 0;
    }

    if (t->p->early_stopping && held == 0) {
        return maas_err(f->err, MAAS_EINVAL, "early_stopping holds back %g "
                        "of the rows, rounded down in each class: none of "
                        "%u", t->p->validation_fraction, m);
    }

    t->conf.n_train = m - held;
    t->s.n = m;
    held = m - held;

    for (uint32_t i = 0; i < n; i++) {
        if (place[i] != UINT32_MAX) {
            place[i] = place[i] ? held++ : j++;
        }
    }

    t->place = m == n && t->conf.n_train == n ? NULL : place;
    return MAAS_OK;
}


static inline uint32_t
boost_at(const boost_t *t, uint32_t row)
{
    return t->place != NULL ? t->place[row] : row;
}


static maas_status_t
boost_target(boost_t *t)
{
    double          *y;
    size_t           n = t->s.n, k = (size_t) t->s.k;
    uint32_t         at, *label;
    maas_fit_job_t  *f = t->f;

    y = maas_arena_array(&t->arena, t->classify ? 1 : n * k, sizeof(double));
    label = maas_arena_array(&t->arena, t->classify ? n : 1,
                             sizeof(uint32_t));
    if (y == NULL || label == NULL) {
        return maas_err_nomem(f->err);
    }

    for (uint32_t i = 0; i < (uint32_t) f->n; i++) {
        at = boost_at(t, i);

        if (at == UINT32_MAX) {
            continue;
        }

        if (t->classify) {
            label[at] = (uint32_t) f->label[i];
        }

        for (size_t j = 0; !t->classify && j < k; j++) {
            y[j * n + at] = f->y[i * k + j];
        }
    }

    t->s.y = y;
    t->s.label = label;

    return MAAS_OK;
}


/* Weights of 1 on average; none when all are equal. */
static maas_status_t
boost_weights(boost_t *t)
{
    bool             equal = true;
    double          *w, first = 0, sum = 0;
    uint32_t         at;
    maas_fit_job_t  *f = t->f;

    for (int64_t i = 0; f->weight != NULL && i < f->n; i++) {
        first = first > 0 ? first : f->weight[i];
        equal = equal && (f->weight[i] == first || f->weight[i] == 0);
        sum += f->weight[i];
    }

    if (equal) {
        return MAAS_OK;
    }

    w = maas_arena_array(&t->arena, t->s.n, sizeof(double));
    if (w == NULL) {
        return maas_err_nomem(f->err);
    }

    for (uint32_t i = 0; i < (uint32_t) f->n; i++) {
        at = boost_at(t, i);

        if (at != UINT32_MAX) {
            w[at] = f->weight[i] / sum * t->s.n;
        }
    }

    t->s.weight = w;
    return MAAS_OK;
}


static maas_status_t
boost_state(boost_t *t)
{
    size_t  size, n = t->s.n, k;

    t->s.loss = !t->classify ? MAAS_BOOST_SQUARED
                : t->f->n_class == 2 ? MAAS_BOOST_BINARY : MAAS_BOOST_SOFTMAX;
    t->s.k = !t->classify ? (int) t->f->n_target
             : t->f->n_class == 2 ? 1 : t->f->n_class;
    k = (size_t) t->s.k;

    if (!maas_mul_size(n * sizeof(double), k, &size)) {
        return maas_err_nomem(t->f->err);
    }

    MAAS_TRY(boost_target(t));
    MAAS_TRY(boost_weights(t));
    t->base = maas_arena_array(&t->arena, k, sizeof(double));
    t->s.raw = maas_arena_array(&t->arena, n * k, sizeof(double));
    t->s.gh = maas_arena_array(&t->arena, n * k, sizeof(maas_boost_pair_t));
    if (t->base == NULL || t->s.raw == NULL || t->s.gh == NULL) {
        return maas_err_nomem(t->f->err);
    }

    maas_boost_start(&t->s, t->conf.n_train, t->base);

    for (size_t i = 0; i < n * k; i++) {
        t->s.raw[i] = (double) (float) t->base[i / n];
    }

    return MAAS_OK;
}


/* -- iterations ---------------------------------------------------------- */

static maas_status_t
boost_gradients(void *arg, int slot, int64_t part)
{
    boost_t   *t = arg;
    uint32_t   first = (uint32_t) part * BOOST_ROWS;

    (void) slot;

    maas_boost_gradients(&t->s, first, maas_min(first + BOOST_ROWS,
                                                t->conf.n_train));
    return MAAS_OK;
}


static maas_status_t
boost_tree(void *arg, int slot, int64_t k)
{
    size_t           at;
    boost_t         *t = arg;
    maas_booster_t  *b = &t->booster[slot];

    if (b->conf == NULL) {
        MAAS_TRY(maas_booster_init(b, &t->conf, NULL));
    }

    b->crew = k < t->whole ? NULL : &t->crew;
    at = (size_t) k * t->s.n;

    return maas_booster_run(b, t->s.gh + at, (int) k, t->s.raw + at,
                            &t->tree[t->done * t->s.k + k]);
}


static maas_status_t
boost_iterate(boost_t *t)
{
    int64_t        parts = (t->conf.n_train + BOOST_ROWS - 1) / BOOST_ROWS;
    maas_status_t  rc = MAAS_OK;

    MAAS_TRY(maas_crew_run(&t->crew, boost_gradients, t, parts, 0, 0));

    if (t->whole > 0) {
        MAAS_TRY(maas_crew_run(&t->crew, boost_tree, t, t->whole, 0, 0));
    }

    for (int64_t k = t->whole; k < t->s.k && rc == MAAS_OK; k++) {
        MAAS_TRY(maas_crew_poll(&t->crew));
        rc = boost_tree(t, 0, k);
    }

    if (rc == MAAS_ENOMEM) {
        return maas_err_nomem(t->f->err);
    }

    MAAS_TRY(rc);

    t->done++;

    if (t->f->progress != NULL) {
        t->f->progress(t->f->progress_ctx, (uint64_t) t->done,
                       (uint64_t) t->p->iterations);
    }

    return MAAS_OK;
}


/* Stops when the loss, the first rank's, has not fallen for `patience`
 * iterations. */
static maas_status_t
boost_stop(boost_t *t, bool *stop)
{
    double  loss;

    if (t->conf.n_train == t->s.n) {
        t->kept = t->done;
        return MAAS_OK;
    }

    loss = maas_boost_loss(&t->s, t->conf.n_train, t->s.n);
    MAAS_TRY(maas_ranks_meet(t->f->ranks, MAAS_OK, NULL, 0, t->f->err));
    maas_ranks_share(t->f->ranks, 0, &loss, sizeof(loss));

    if (t->done == 0 || loss < t->validation - t->p->tolerance) {
        t->validation = loss;
        t->kept = t->done;
    }

    *stop = t->done != 0 && t->done - t->kept >= t->p->patience;
    return MAAS_OK;
}


static maas_status_t
boost_loop(boost_t *t)
{
    bool    stop = false;
    size_t  trees, slots = (size_t) t->crew.slots;

    trees = (size_t) t->p->iterations * (size_t) t->s.k;
    t->booster = maas_arena_array(&t->arena, slots, sizeof(maas_booster_t));
    t->tree = maas_arena_array(&t->arena, trees, sizeof(maas_grown_t));
    if (t->booster == NULL || t->tree == NULL) {
        return maas_err_nomem(t->f->err);
    }

    /*
     * Whole trees where they share out evenly; all, when they are small.
     * Ranks cut one tree after the other.
     */
    if (t->f->ranks == NULL && slots > 1 && (size_t) t->s.k >= slots) {
        t->whole = (double) t->s.n * t->bins.n_col < 50000 ? t->s.k
                   : t->s.k - t->s.k % (int64_t) slots;
    }

    MAAS_TRY(boost_stop(t, &stop));

    while (t->done < t->p->iterations && !stop) {
        MAAS_TRY(boost_iterate(t));
        MAAS_TRY(boost_stop(t, &stop));
    }

    return MAAS_OK;
}


/* -- the model ----------------------------------------------------------- */

static void
boost_summary(boost_t *t)
{
    maas_fit_job_t  *f = t->f;

    if (f->summary == NULL) {
        return;
    }

    maas_grow_summary(f, t->tree, t->kept * t->s.k);
    maas_fit_say_int(f, "iterations", t->kept);

    if (t->conf.n_train < t->s.n) {
        maas_fit_say(f, "validation_loss", t->validation);

    } else {
        maas_fit_say(f, "training_loss",
                     maas_boost_loss(&t->s, 0, t->conf.n_train));
    }
}


/* Scores that no tree made better: a leaf of nothing, as there must be one. */
static maas_status_t
boost_leaf(boost_t *t)
{
    maas_grown_t  *g = &t->tree[0];

    t->kept = 1;

    for (int k = 0; k < t->s.k; k++, g++) {
        g->n_node = 0;
        g->n_weight = 0;

        if (maas_grown_node(t->f->host, g, 1) == UINT32_MAX
            || maas_grown_weight(t->f->host, g, 1) == UINT32_MAX)
        {
            return maas_err_nomem(t->f->err);
        }

        g->node[0] = (maas_grown_node_t) { .feature = -1, .no = 1 };
        g->weight[0] = (maas_grown_weight_t) { k, 0 };
    }

    return MAAS_OK;
}


static maas_status_t
boost_write(boost_t *t)
{
    maas_str_t       raw, pair[2];
    maas_raw_attr_t  axis = maas_build_attr_int("axis", 1);
    maas_fit_job_t  *f = t->f;

    MAAS_TRY(maas_grow_write_sums(f, t->tree, t->kept * t->s.k, t->s.k,
                                  t->base, t->classify ? NULL : "prediction",
                                  &raw));

    if (!t->classify) {
        f->out[0] = raw;
        return MAAS_OK;
    }

    if (t->s.loss == MAAS_BOOST_BINARY) {
        pair[1] = maas_build_op1(f->build, "Sigmoid", raw);
        pair[0] = maas_build_op2(f->build, "Sub",
                                 maas_build_float(f->build, 1), pair[1]);
        f->out[1] = maas_fit_op(f, "Concat", pair, 2, &axis, 1,
                                "probabilities");

    } else {
        f->out[1] = maas_fit_op(f, "Softmax", &raw, 1, &axis, 1,
                                "probabilities");
    }

    f->out[0] = maas_fit_label(f, f->out[1]);
    return MAAS_OK;
}


static maas_status_t
boost_all(boost_t *t)
{
    MAAS_TRY(boost_places(t));
    MAAS_TRY(boost_state(t));
    MAAS_TRY(maas_boost_bins(&t->crew, t->place, t->s.n,
                             (uint32_t) t->p->max_bins, &t->bins));
    t->conf.rule.flat = t->s.loss == MAAS_BOOST_SQUARED
                        && t->s.weight == NULL;
    MAAS_TRY(boost_loop(t));
    boost_summary(t);

    if (t->kept == 0) {
        MAAS_TRY(boost_leaf(t));
    }

    return boost_write(t);
}


static maas_status_t
boost_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    boost_t               t = { .f = f, .p = f->param };
    maas_status_t         rc;
    const boost_param_t  *p = f->param;

    MAAS_TRY(maas_grow_check(f, task, true));

    t.classify = task == MAAS_TASK_CLASSIFICATION;
    t.conf = (maas_boost_conf_t) {
        .host = f->host, .bins = &t.bins, .rate = p->learning_rate,
        .max_leaves = (uint32_t) p->max_leaf_nodes,
        .max_depth = p->max_depth ? (uint32_t) p->max_depth : UINT32_MAX,
        .rule = { (uint32_t) p->min_samples_leaf, 1e-3, p->l2 }
    };

    maas_arena_init(&t.arena, f->host, 0);
    maas_crew_begin(&t.crew, f);
    rc = boost_all(&t);
    maas_grown_free(f->host, t.tree, t.tree == NULL ? 0
                    : p->iterations * t.s.k);

    for (int i = 0; t.booster != NULL && i < t.crew.slots; i++) {
        maas_booster_destroy(&t.booster[i]);
    }

    maas_boost_bins_free(f->host, &t.bins);
    maas_crew_end(&t.crew);
    maas_arena_destroy(&t.arena);

    return rc;
}


const maas_estimator_t  maas_estimators_gradient_boosting[] = {
    { "gradient_boosting", "trees one after the other, each of the errors "
      "that are left, by histograms",
      1 << MAAS_TASK_REGRESSION | 1 << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(boost_params, boost_param_t), true, boost_fit,
      .ranks = true },
    { 0 }
};
