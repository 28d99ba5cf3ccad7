/*
 * isolation_forest: rows that random cuts set apart early are outliers: Liu,
 * Ting, Zhou, "Isolation forest", 2008.  A tree cuts a sample of rows at a
 * random threshold of a random feature, down to the depth of a balanced
 * tree; a leaf of m rows counts as c(m) cuts deeper, the mean depth of an
 * unsuccessful search among m.
 *
 * Served as a TreeEnsembleRegressor of the mean path E; the score is
 * -2^(-E / c(sample)) - offset, below 0 outside.  offset: -1/2, or the
 * quantile of the training rows' scores that `contamination` asks for.
 *
 * Ownership: everything is freed before the call returns, but what the model
 *            holds.
 * Threads:   a tree on each; tree i's random bits are a function of the seed
 *            and of i.
 */

#include <math.h>
#include <stdlib.h>

#include "train/estimators/grow.h"


typedef struct {
    int64_t  trees;
    int64_t  max_samples;
    double   contamination;
} iso_param_t;

static const maas_param_t  iso_params[] = {
    { "trees", MAAS_PARAM_INT, false, offsetof(iso_param_t, trees), 100, NULL,
      1, 100000, .about = "how many trees are averaged" },
    { "max_samples", MAAS_PARAM_INT, false,
      offsetof(iso_param_t, max_samples), 256, NULL, 2, 1 << 30,
      .about = "rows that a tree sees; all, where there are fewer" },
    { "contamination", MAAS_PARAM_NUMBER, false,
      offsetof(iso_param_t, contamination), 0, NULL, 0, 0.5,
      .about = "share of the training rows that lie outside; 0: those that "
               "score below -1/2" },
};

/* A part of a tree: rows [first, first + n) of its sample. */
typedef struct {
    uint32_t  first;
    uint32_t  n;
    uint32_t  depth;
    uint32_t  node;
} iso_part_t;

typedef struct {
    maas_fit_job_t     *f;
    const iso_param_t  *p;
    maas_crew_t         crew;
    maas_arena_t        arena;
    uint32_t            sample;
    uint32_t            max_depth;
    uint32_t           *row;            /* [slots][n] */
    uint32_t           *feature;        /* [slots][p] */
    iso_part_t         *stack;          /* [slots][max_depth + 2] */
    maas_grown_t       *tree;
    double             *score;          /* [n], of training rows */
    double              offset;
} iso_t;


/* Mean depth of an unsuccessful search in a tree of n. */
static double
iso_depth(uint32_t n)
{
    double  d = n;

    if (n < 2) {
        return 0;
    }

    return n == 2 ? 1 : 2 * (log(d - 1) + 0.57721566490153286)
                        - 2 * (d - 1) / d;
}


static inline float
iso_value(const iso_t *t, uint32_t row, uint32_t feature)
{
    return (float) t->f->x[(size_t) row * (size_t) t->f->p + feature];
}


/* -- trees --------------------------------------------------------------- */

/* A random feature that varies here, and a threshold in its range. */
static bool
iso_cut(const iso_t *t, const uint32_t *row, uint32_t n, uint32_t *list,
    maas_crew_random_t *r, maas_grown_node_t *node)
{
    float     v, lo, hi, at;
    uint32_t  j, f, p = (uint32_t) t->f->p;

    for (uint32_t left = p; left > 0; left--) {
        j = maas_crew_below(r, left);
        f = list[j];
        list[j] = list[left - 1];
        list[left - 1] = f;
        lo = hi = iso_value(t, row[0], f);

        for (uint32_t i = 1; i < n; i++) {
            v = iso_value(t, row[i], f);
            lo = v < lo ? v : lo;
            hi = v > hi ? v : hi;
        }

        if (lo < hi) {
            at = maas_grow_floor((double) lo + maas_crew_uniform(r)
                                 * ((double) hi - (double) lo));
            node->feature = (int32_t) f;
            node->threshold = at >= lo && at < hi ? at : lo;
            return true;
        }
    }

    return false;
}


static uint32_t
iso_divide(const iso_t *t, uint32_t *row, uint32_t n,
    const maas_grown_node_t *node)
{
    uint32_t  v, yes = 0;

    for (uint32_t i = 0; i < n; i++) {
        v = row[i];

        if (iso_value(t, v, (uint32_t) node->feature) <= node->threshold) {
            row[i] = row[yes];
            row[yes++] = v;
        }
    }

    return yes;
}


static maas_status_t
iso_step(const iso_t *t, iso_part_t s, uint32_t *row, uint32_t *list,
    maas_crew_random_t *r, maas_grown_t *out, iso_part_t **top)
{
    uint32_t           at, yes;
    maas_grown_node_t  node = { .feature = -1, .no = 1 };

    out->depth = maas_max(out->depth, s.depth);
    row += s.first;

    if (s.n < 2 || s.depth >= t->max_depth
        || !iso_cut(t, row, s.n, list, r, &node))
    {
        at = maas_grown_weight(t->f->host, out, 1);
        if (at == UINT32_MAX) {
            return MAAS_ENOMEM;
        }

        node.yes = at;
        out->weight[at] = (maas_grown_weight_t) {
            0, (float) ((s.depth + iso_depth(s.n)) / (double) t->p->trees)
        };
        out->node[s.node] = node;

        return MAAS_OK;
    }

    at = maas_grown_node(t->f->host, out, 2);
    if (at == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    yes = iso_divide(t, row, s.n, &node);
    node.yes = at;
    node.no = at + 1;
    out->node[s.node] = node;
    *(*top)++ = (iso_part_t) { s.first + yes, s.n - yes, s.depth + 1,
                               at + 1 };
    *(*top)++ = (iso_part_t) { s.first, yes, s.depth + 1, at };

    return MAAS_OK;
}


static maas_status_t
iso_tree(void *arg, int slot, int64_t unit)
{
    iso_t               *t = arg;
    uint32_t             j, v, n = (uint32_t) t->f->n, p = (uint32_t) t->f->p;
    uint32_t            *row = t->row + (size_t) slot * n;
    uint32_t            *list = t->feature + (size_t) slot * p;
    iso_part_t          *stack, *top;
    maas_grown_t        *out = &t->tree[unit];
    maas_crew_random_t   r = maas_crew_random(t->f->seed, (uint64_t) unit);

    stack = t->stack + (size_t) slot * (t->max_depth + 2);
    top = stack;

    for (uint32_t i = 0; i < n; i++) {
        row[i] = i;
    }

    for (uint32_t i = 0; i < p; i++) {
        list[i] = i;
    }

    for (uint32_t i = 0; i < t->sample; i++) {
        j = i + maas_crew_below(&r, n - i);
        v = row[j];
        row[j] = row[i];
        row[i] = v;
    }

    if (maas_grown_node(t->f->host, out, 1) == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    *top++ = (iso_part_t) { .n = t->sample };

    while (top > stack) {
        top--;
        MAAS_TRY(iso_step(t, *top, row, list, &r, out, &top));
    }

    return MAAS_OK;
}


/* -- scores -------------------------------------------------------------- */

#define ISO_ROWS  1024

static maas_status_t
iso_scores(void *arg, int slot, int64_t part)
{
    float                     sum;
    iso_t                    *t = arg;
    uint32_t                  first = (uint32_t) part * ISO_ROWS, last;
    const maas_grown_node_t  *n, *root;

    (void) slot;
    last = maas_min(first + ISO_ROWS, (uint32_t) t->f->n);

    for (uint32_t i = first; i < last; i++) {
        sum = 0;

        for (int64_t k = 0; k < t->p->trees; k++) {
            root = n = t->tree[k].node;

            while (n->feature >= 0) {
                n = root + (iso_value(t, i, (uint32_t) n->feature)
                            <= n->threshold ? n->yes : n->no);
            }

            sum += t->tree[k].weight[n->yes].value;
        }

        t->score[i] = -exp2(-(double) sum / iso_depth(t->sample));
    }

    return MAAS_OK;
}


static int
iso_compare(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}


/* The quantile, between neighbours as far as it lies between them. */
static maas_status_t
iso_offset(iso_t *t)
{
    double   at;
    size_t   i, n = (size_t) t->f->n;

    t->offset = -0.5;

    if (t->p->contamination <= 0) {
        return MAAS_OK;
    }

    t->score = maas_arena_array(&t->arena, n, sizeof(double));
    if (t->score == NULL) {
        return maas_err_nomem(t->f->err);
    }

    MAAS_TRY(maas_crew_run(&t->crew, iso_scores, t,
                           (int64_t) ((n + ISO_ROWS - 1) / ISO_ROWS), 0, 0));
    qsort(t->score, n, sizeof(double), iso_compare);
    at = t->p->contamination * (double) (n - 1);
    i = (size_t) at;
    t->offset = t->score[i];

    if (i + 1 < n) {
        t->offset += (at - (double) i) * (t->score[i + 1] - t->score[i]);
    }

    return MAAS_OK;
}


/* -- the model ----------------------------------------------------------- */

/*
 * scores = -exp(E * (-ln 2 / c)) - offset; label = 1 - 2 * (scores < 0), one
 * number a row.
 */
static void
iso_write(iso_t *t, maas_str_t path)
{
    double           c = iso_depth(t->sample);
    int64_t          one = 1, flat = -1;
    maas_str_t       in[2], v;
    maas_fit_job_t  *f = t->f;
    maas_build_t    *b = f->build;

    v = maas_build_op2(b, "Mul", path,
                       maas_build_float(b, (float) (-0.69314718055994531
                                                    / c)));
    v = maas_build_op1(b, "Neg", maas_build_op1(b, "Exp", v));
    in[0] = v;
    in[1] = maas_build_float(b, (float) t->offset);
    f->out[1] = maas_fit_op(f, "Sub", in, 2, NULL, 0, "scores");

    v = maas_build_op2(b, "Less", f->out[1], maas_build_float(b, 0));
    v = maas_fit_cast(f, v, MAAS_I64, NULL);
    v = maas_build_op2(b, "Mul", v, maas_build_int(b, 2));
    v = maas_build_op2(b, "Sub", maas_build_int(b, 1), v);
    in[0] = v;
    in[1] = maas_build_ints(b, NULL, &flat, 1, &one);
    f->out[0] = maas_fit_op(f, "Reshape", in, 2, NULL, 0, "label");
}


static maas_status_t
iso_all(iso_t *t)
{
    size_t           n = (size_t) t->f->n, p = (size_t) t->f->p;
    size_t           slots = (size_t) t->crew.slots;
    maas_str_t       path;
    maas_fit_job_t  *f = t->f;

    t->row = maas_arena_array(&t->arena, slots * n, sizeof(uint32_t));
    t->feature = maas_arena_array(&t->arena, slots * p, sizeof(uint32_t));
    t->stack = maas_arena_array(&t->arena, slots * (t->max_depth + 2),
                                sizeof(iso_part_t));
    t->tree = maas_arena_array(&t->arena, (size_t) t->p->trees,
                               sizeof(maas_grown_t));
    if (t->row == NULL || t->feature == NULL || t->stack == NULL
        || t->tree == NULL)
    {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(maas_grow_trees(&t->crew, iso_tree, t, t->tree, t->p->trees));
    MAAS_TRY(iso_offset(t));

    if (f->summary != NULL) {
        maas_grow_summary(f, t->tree, t->p->trees);
        maas_fit_say_int(f, "samples", t->sample);
        maas_fit_say(f, "offset", t->offset);
    }

    MAAS_TRY(maas_grow_write_sums(f, t->tree, t->p->trees, 1, NULL, NULL,
                                  &path));
    iso_write(t, path);

    return MAAS_OK;
}


static maas_status_t
iso_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    iso_t               t = { .f = f, .p = f->param };
    maas_status_t       rc;

    MAAS_TRY(maas_fit_no_weights(f));
    MAAS_TRY(maas_grow_check(f, task, false));

    if (f->n < 2) {
        return maas_err(f->err, MAAS_EINVAL, "there is one row; nothing can "
                        "be told apart with less than two");
    }

    t.sample = (uint32_t) maas_min(t.p->max_samples, f->n);
    t.max_depth = 32 - (uint32_t) __builtin_clz(t.sample - 1);
    maas_arena_init(&t.arena, f->host, 0);
    maas_crew_begin(&t.crew, f);
    rc = iso_all(&t);
    maas_grown_free(f->host, t.tree, t.tree != NULL ? t.p->trees : 0);
    maas_crew_end(&t.crew);
    maas_arena_destroy(&t.arena);

    return rc;
}


const maas_estimator_t  maas_estimators_isolation_forest[] = {
    { "isolation_forest", "rows that random cuts set apart early lie outside",
      1 << MAAS_TASK_OUTLIERS, MAAS_PARAMS(iso_params, iso_param_t), false,
      iso_fit, true },
    { 0 }
};
