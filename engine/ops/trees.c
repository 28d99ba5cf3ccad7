/*
 * trees: ai.onnx.ml TreeEnsembleRegressor and TreeEnsembleClassifier.  They
 * become maas.Trees when they are imported (trees_import.c); this file walks
 * it.
 *
 * Sums are float32, or float64 when the input or a list of the file is.
 * Where the specification is silent (two classes of which one has weights,
 * sizes of base_values) the results are those of ONNX Runtime.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <math.h>

#include "ops/trees.h"


typedef struct {
    int64_t      targets;
    int64_t      classify;
    int64_t      binary;        /* two classes, weights for one of them */
    int64_t      positive;      /* no weight is negative */
    int64_t      wide;
    int64_t      aggregate;
    int64_t      post;
    maas_list_t  ints;          /* class labels */
    maas_list_t  strings;
} trees_attr_t;

enum { AGG_SUM = 0, AGG_AVERAGE, AGG_MIN, AGG_MAX };
enum { POST_NONE = 0, POST_SOFTMAX, POST_LOGISTIC, POST_SOFTMAX_ZERO,
       POST_PROBIT };

static const char *const  agg_words[] = {
    "SUM", "AVERAGE", "MIN", "MAX", NULL
};

static const char *const  post_words[] = {
    "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", NULL
};

#define TREES_INT(label, member)                                              \
    { .name = label, .type = MAAS_ATTR_INT,                                   \
      .off = offsetof(trees_attr_t, member) }

static const maas_attr_row_t  trees_attrs[] = {
    { .name = "n_targets", .type = MAAS_ATTR_INT, .required = true,
      .off = offsetof(trees_attr_t, targets), .min = 1,
      .max = TREES_TARGETS_MAX },
    TREES_INT("classify", classify),
    TREES_INT("binary", binary),
    TREES_INT("positive", positive),
    TREES_INT("wide", wide),
    { .name = "aggregate_function", .type = MAAS_ATTR_STRING,
      .off = offsetof(trees_attr_t, aggregate), .words = agg_words },
    { .name = "post_transform", .type = MAAS_ATTR_STRING,
      .off = offsetof(trees_attr_t, post), .words = post_words },
    { .name = "classlabels_int64s", .type = MAAS_ATTR_INTS,
      .off = offsetof(trees_attr_t, ints) },
    { .name = "classlabels_strings", .type = MAAS_ATTR_STRINGS,
      .off = offsetof(trees_attr_t, strings) }
};


/* -- inference ----------------------------------------------------------- */

/* Constant input i as records of `size` int64. */
static maas_status_t
trees_input(maas_infer_t *c, int i, int64_t size, const void **data,
    int64_t *n)
{
    const maas_type_t  *t = c->in[i].type;

    if (c->in[i].data == NULL || t->rank != 1 || !maas_dim_known(t->dims[0])
        || t->dims[0] % size != 0)
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "input %d has to be a constant of records of %lld "
                        "integers", i, (long long) size);
    }

    *data = c->in[i].data;
    *n = t->dims[0] / size;
    return MAAS_OK;
}


/* Every number that a walk follows; `features` < 0: not known yet. */
static maas_status_t
trees_check(maas_infer_t *c, int64_t features)
{
    const void           *p, *q, *r;
    const int64_t        *root;
    int64_t               n, m, t;
    const tree_node_t    *node;
    const trees_attr_t   *at = c->attr;
    const tree_weight_t  *w;

    MAAS_TRY(trees_input(c, TREES_NODES, 3, &p, &n));
    MAAS_TRY(trees_input(c, TREES_WEIGHTS, 2, &q, &m));
    MAAS_TRY(trees_input(c, TREES_ROOTS, 1, &r, &t));
    node = p;
    w = q;
    root = r;

    for (int64_t i = 0; i < n; i++) {
        if (node[i].mode == TREE_LEAF
            ? node[i].yes < 0 || node[i].no < 0
              || (int64_t) node[i].yes + node[i].no > m
            : node[i].mode > TREE_LEAF || node[i].feature < 0
              || node[i].yes <= i || node[i].yes >= n || node[i].no <= i
              || node[i].no >= n)
        {
            return maas_err(c->err, MAAS_EINVAL, "tree node %lld is damaged",
                            (long long) i);
        }

        if (node[i].mode != TREE_LEAF && features >= 0
            && node[i].feature >= features)
        {
            return maas_err(c->err, MAAS_EINVAL,
                            "the input has %lld features, but the trees read "
                            "feature %d", (long long) features,
                            node[i].feature);
        }
    }

    for (int64_t i = 0; i < m; i++) {
        if (w[i].target < 0 || w[i].target >= at->targets) {
            return maas_err(c->err, MAAS_EINVAL,
                            "leaf weight %lld is damaged", (long long) i);
        }
    }

    for (int64_t i = 0; i < t; i++) {
        if (root[i] < 0 || root[i] >= n) {
            return maas_err(c->err, MAAS_EINVAL, "root %lld is damaged",
                            (long long) i);
        }
    }

    return MAAS_OK;
}


static maas_status_t
trees_labels(maas_infer_t *c, maas_dim_t rows)
{
    size_t               longest = 0;
    const trees_attr_t  *at = c->attr;

    if (at->strings.n == 0) {
        if (at->ints.n != at->targets) {
            return maas_err(c->err, MAAS_EINVAL, "class labels are missing");
        }

        maas_infer_set(c, 0, MAAS_I64, 1, &rows);
        return MAAS_OK;
    }

    if (at->strings.n != at->targets) {
        return maas_err(c->err, MAAS_EINVAL, "class labels are missing");
    }

    maas_infer_set(c, 0, MAAS_STRING, 1, &rows);

    for (uint32_t i = 0; i < at->strings.n; i++) {
        longest = maas_max(longest,
                           maas_list_strings(at, &at->strings, i).len);
    }

    if (maas_dim_known(rows)
        && (!maas_mul_size(longest, (size_t) rows, &c->out[0].str_bytes)
            || c->out[0].str_bytes > UINT32_MAX))
    {
        return maas_err(c->err, MAAS_ELIMIT,
                        "labels of %lld rows exceed 4 GiB of text",
                        (long long) rows);
    }

    return MAAS_OK;
}


static maas_status_t
trees_infer(maas_infer_t *c)
{
    int64_t              n;
    maas_dim_t           dims[2], features;
    const void          *base;
    const maas_type_t   *x = c->in[0].type;
    const trees_attr_t  *at = c->attr;

    if (x->rank != 1 && x->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "the input has rank %d; expected [rows, features] or "
                        "[features]", x->rank);
    }

    dims[0] = x->rank == 2 ? x->dims[0] : 1;
    dims[1] = at->targets;
    features = x->dims[x->rank - 1];

    MAAS_TRY(trees_check(c, maas_dim_known(features) ? features : -1));
    MAAS_TRY(trees_input(c, TREES_BASE, 1, &base, &n));

    if (n > 1 && n != at->targets) {
        return maas_err(c->err, MAAS_EINVAL, "base values are damaged");
    }

    if (!at->classify) {
        maas_infer_set(c, 0, MAAS_F32, 2, dims);
        return MAAS_OK;
    }

    MAAS_TRY(trees_labels(c, dims[0]));

    if (c->n_out > 1) {
        maas_infer_set(c, 1, MAAS_F32, 2, dims);
    }

    return MAAS_OK;
}


/* -- scores -------------------------------------------------------------- */

typedef struct {
    double  v;
    bool    has;
} score_t;

typedef struct {
    const trees_attr_t   *at;
    const tree_node_t    *node;
    const tree_weight_t  *weight;
    const int64_t        *root;
    const double         *base;
    int64_t               n_root;
    int64_t               n_base;
    bool                  wide;
} forest_t;

/* The leaf that the row x reaches from node i. */
typedef const tree_node_t *(*walk_pt)(const tree_node_t *node, int64_t i,
    const void *x);

#define WALK(name, D, type)                                                   \
    static const tree_node_t *                                                \
    name##_##D(const tree_node_t *node, int64_t i, const void *x)             \
    {                                                                         \
        bool                yes;                                              \
        double              v;                                                \
        const tree_node_t  *n;                                                \
                                                                              \
        for (n = &node[i]; n->mode != TREE_LEAF;                              \
             n = &node[yes ? n->yes : n->no])                                 \
        {                                                                     \
            v = (double) ((const type *) x)[n->feature];                      \
                                                                              \
            yes = tree_test(n, v);                                            \
        }                                                                     \
                                                                              \
        return n;                                                             \
    }


static inline bool
tree_test(const tree_node_t *n, double v)
{
    bool  yes;

    switch (n->mode) {
    case TREE_LEQ:
        yes = v <= n->value;
        break;
    case TREE_LT:
        yes = v < n->value;
        break;
    case TREE_GTE:
        yes = v >= n->value;
        break;
    case TREE_GT:
        yes = v > n->value;
        break;
    case TREE_EQ:
        yes = v == n->value;
        break;
    default:                    /* TREE_NEQ */
        yes = v != n->value;
    }

    return yes || (n->missing && v != v);
}


WALK(walk, F32, float)
WALK(walk, F64, double)
WALK(walk, I32, int32_t)
WALK(walk, I64, int64_t)

static const walk_pt  walks[MAAS_DTYPES] = {
    [MAAS_F32] = walk_F32, [MAAS_F64] = walk_F64, [MAAS_I32] = walk_I32,
    [MAAS_I64] = walk_I64
};


static double
forest_add(const forest_t *f, double a, double b)
{
    return f->wide ? a + b : (double) ((float) a + (float) b);
}


static void
forest_leaf(const forest_t *f, score_t *score, const tree_node_t *leaf)
{
    score_t              *s;
    const tree_weight_t  *w = f->weight + leaf->yes;

    for (int32_t i = 0; i < leaf->no; i++, w++) {
        s = &score[w->target];

        switch (f->at->aggregate) {
        case AGG_MIN:
            s->v = !s->has || w->weight < s->v ? w->weight : s->v;
            break;
        case AGG_MAX:
            s->v = !s->has || w->weight > s->v ? w->weight : s->v;
            break;
        default:
            s->v = forest_add(f, s->v, w->weight);
        }

        s->has = true;
    }
}


/* -- transforms ---------------------------------------------------------- */

static double
tree_logistic(double v)
{
    double  p = 1 / (1 + exp(-fabs(v)));

    return v < 0 ? 1 - p : p;
}


/*
 * sqrt(2) times the inverse of erf at 2 v - 1, by Winitzki's closed form
 * with a = 0.147.
 */
static double
tree_probit(double v)
{
    double  x = 2 * v - 1;
    double  l = log((1 - x) * (1 + x));
    double  b = 2 / (M_PI * 0.147) + 0.5 * l;
    double  r = sqrt(-b + sqrt(b * b - l / 0.147));

    return M_SQRT2 * (x < 0 ? -r : r);
}


/* SOFTMAX_ZERO leaves scores of zero out of the sum and of the powers. */
static void
tree_softmax(score_t *s, int64_t n, bool zero)
{
    double  max = s[0].v, sum = 0;

    for (int64_t i = 1; i < n; i++) {
        max = s[i].v > max ? s[i].v : max;
    }

    for (int64_t i = 0; i < n; i++) {
        if (zero && fabs(s[i].v) <= 1e-7) {
            s[i].v *= exp(-max);
            continue;
        }

        s[i].v = exp(s[i].v - max);
        sum += s[i].v;
    }

    for (int64_t i = 0; i < n; i++) {
        s[i].v /= sum;
    }
}


static void
tree_transform(score_t *s, int64_t n, int64_t post)
{
    switch (post) {

    case POST_SOFTMAX:
    case POST_SOFTMAX_ZERO:
        tree_softmax(s, n, post == POST_SOFTMAX_ZERO);
        return;

    case POST_LOGISTIC:
        for (int64_t i = 0; i < n; i++) {
            s[i].v = tree_logistic(s[i].v);
        }

        return;

    case POST_PROBIT:
        for (int64_t i = 0; i < n; i++) {
            s[i].v = tree_probit(s[i].v);
        }
    }
}


/* -- a row's result ------------------------------------------------------ */

static void
forest_regress(const forest_t *f, score_t *s)
{
    int64_t  n = f->at->targets;

    for (int64_t i = 0; i < n; i++) {
        if (f->at->aggregate == AGG_AVERAGE) {
            s[i].v /= (double) f->n_root;
        }

        if (f->n_base == n) {
            s[i].v = forest_add(f, s[i].v, f->base[i]);
        }
    }

    /* One target: the other transforms make no sense and are not applied. */
    if (n > 1 || f->at->post == POST_PROBIT) {
        tree_transform(s, n, f->at->post);
    }
}


/* More than two classes: the class, -1 when no leaf had a weight. */
static int64_t
forest_multi(const forest_t *f, score_t *s)
{
    double   best = 0;
    int64_t  at = -1;

    for (int64_t i = 0; i < f->n_base; i++) {
        s[i].v = s[i].has ? forest_add(f, s[i].v, f->base[i]) : f->base[i];
        s[i].has = true;
    }

    for (int64_t i = 0; i < f->at->targets; i++) {
        if (s[i].has && (at < 0 || s[i].v > best)) {
            at = i;
            best = s[i].v;
        }
    }

    tree_transform(s, f->at->targets, f->at->post);
    return at;
}


/*
 * Two classes with a score v for the first alone: v belongs to the positive
 * class, and the other one follows from it.
 */
static void
forest_second(const forest_t *f, score_t *s)
{
    double  v = s[0].v;

    if (f->at->post == POST_PROBIT) {
        s[0].v = tree_probit(v);

    } else if (!f->at->binary && f->n_base == 1) {
        s[1].v = 0;

    } else if (f->at->post == POST_LOGISTIC) {
        s[1].v = tree_logistic(v);
        s[0].v = tree_logistic(-v);

    } else {
        s[1].v = v;
        s[0].v = f->at->binary && f->at->positive ? 1 - v : -v;
    }
}


/*
 * Two classes: 1 or 0, and both scores.  What base_values do here is not
 * specified; the second one moves the first class's score to both classes
 * when the second has one, as in ONNX Runtime.
 */
static int64_t
forest_pair(const forest_t *f, score_t *s)
{
    double  v;

    if (f->n_base == 2 && s[1].has) {
        s[1].v = forest_add(f, f->base[1], s[0].v);
        s[0].v = -s[1].v;

    } else if (f->n_base > 0) {
        s[0].v = forest_add(f, s[0].v, f->base[0]);
    }

    v = s[1].has ? s[1].v : s[0].has ? s[0].v : 0;

    if (s[1].has || f->n_base == 2) {
        s[0].v = s[0].has ? s[0].v : 0;
        tree_transform(s, 2, f->at->post);

    } else {
        forest_second(f, s);
    }

    return v > (f->at->binary && f->at->positive ? 0.5 : 0);
}


static int64_t
forest_classify(const forest_t *f, score_t *s)
{
    int64_t  at;

    if (f->at->targets > 2) {
        at = forest_multi(f, s);
        return at < 0 ? 0 : at;
    }

    if (f->at->targets == 2) {
        return forest_pair(f, s);
    }

    if (f->n_base == 1) {
        s[0].v = forest_add(f, s[0].v, f->base[0]);
    }

    at = s[0].v > 0;

    if (f->at->post == POST_PROBIT) {
        tree_transform(s, 1, POST_PROBIT);
    }

    return at;
}


/* -- the operator -------------------------------------------------------- */

static int64_t
trees_rows(const maas_tensor_t *x)
{
    return x->rank == 2 ? x->dims[0] : 1;
}


/* Rows of a unit; labels that are strings follow each other in one. */
static int64_t
trees_per(const maas_tensor_t *roots, const maas_tensor_t *label,
    int64_t rows)
{
    return label->dtype == MAAS_STRING
           ? maas_max(rows, 1) : maas_unit_items(roots->dims[0] * 32);
}


static bool
trees_setup(maas_setup_t *u)
{
    int64_t              rows = trees_rows(&u->in[0]), per;
    const trees_attr_t  *at = u->attr;

    per = trees_per(&u->in[TREES_ROOTS], &u->out[0], rows);

    u->units = maas_max((rows + per - 1) / per, 1);
    u->scratch = (size_t) at->targets * sizeof(score_t);
    u->cost = 100 + (double) rows * (20.0 * (double) u->in[TREES_ROOTS].dims[0]
                                     + 10.0 * (double) at->targets);
    return true;
}


static void
trees_put(const maas_step_t *s, const forest_t *f, int64_t row, int64_t class,
    const score_t *score)
{
    float               *z = s->out[f->at->classify ? 1 : 0].data;
    uint32_t            *off;
    maas_str_t           text;
    const trees_attr_t  *at = f->at;

    if (z != NULL && (!at->classify || s->n_out > 1)) {
        for (int64_t i = 0; i < at->targets; i++) {
            z[row * at->targets + i] = (float) score[i].v;
        }
    }

    if (!at->classify || s->out[0].data == NULL) {
        return;
    }

    if (at->strings.n == 0) {
        /* With a single class ONNX Runtime answers 1 or 0 itself. */
        ((int64_t *) s->out[0].data)[row] = at->targets == 1
                          ? class : maas_list_ints(at, &at->ints)[class];
        return;
    }

    off = s->out[0].data;
    text = maas_list_strings(at, &at->strings,
                             at->targets == 1 ? 0 : (uint32_t) class);
    off[0] = 0;
    memcpy((char *) (off + trees_rows(&s->in[0]) + 1) + off[row], text.data,
           text.len);
    off[row + 1] = off[row] + (uint32_t) text.len;
}


static maas_status_t
trees_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    walk_pt               walk = walks[s->in[0].dtype];
    score_t              *score = slot->scratch;
    int64_t               rows = trees_rows(&s->in[0]), per, hi, class = 0;
    forest_t              f = { .at = s->attr };
    const char           *x;
    const maas_tensor_t  *in = s->in;

    if (walk == NULL) {
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    f.node = in[TREES_NODES].data;
    f.weight = in[TREES_WEIGHTS].data;
    f.root = in[TREES_ROOTS].data;
    f.base = in[TREES_BASE].data;
    f.n_root = in[TREES_ROOTS].dims[0];
    f.n_base = in[TREES_BASE].dims[0];
    f.wide = f.at->wide || in[0].dtype == MAAS_F64;

    per = trees_per(&in[TREES_ROOTS], &s->out[0], rows);
    hi = maas_min(last * per, rows);

    if (s->out[0].dtype == MAAS_STRING && rows == 0 && s->out[0].data) {
        *(uint32_t *) s->out[0].data = 0;
    }

    for (int64_t i = first * per; i < hi; i++) {
        x = (const char *) in[0].data
            + (size_t) (i * in[0].dims[in[0].rank - 1])
              * maas_dtype_size(in[0].dtype);
        memset(score, 0, (size_t) f.at->targets * sizeof(score_t));

        for (int64_t t = 0; t < f.n_root; t++) {
            forest_leaf(&f, score, walk(f.node, f.root[t], x));
        }

        if (f.at->classify) {
            class = forest_classify(&f, score);

        } else {
            forest_regress(&f, score);
        }

        trees_put(s, &f, i, class, score);
    }

    return MAAS_OK;
}


static const maas_kernel_row_t  trees_kernel[] = {
    { "trees.walk", MAAS_CPU_REF, 0, 0, trees_setup, trees_run }
};

#define TREES_X  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64))
#define TREES_Y  (MAAS_D(F32) | MAAS_D(I64) | MAAS_D(STRING))

static const maas_formal_t  trees_in[] = {
    { "X",       TREES_X,     0, 0 },
    { "nodes",   MAAS_D(I64), 0, 0 },
    { "weights", MAAS_D(I64), 0, 0 },
    { "roots",   MAAS_D(I64), 0, 0 },
    { "base",    MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  trees_out[] = {
    { "Y", TREES_Y,     0, 0 },
    { "Z", MAAS_D(F32), 0, MAAS_OPT }
};


/* -- the ensembles of the file ------------------------------------------- */

/* Never asked: import replaces the node. */
static maas_status_t
ensemble_infer(maas_infer_t *c)
{
    return maas_err(c->err, MAAS_EINTERNAL,
                    "the ensemble was not brought to its inner form");
}


static const maas_formal_t  ensemble_in[] = { { "X", TREES_X, 0, 0 } };

static const maas_formal_t  regressor_out[] = {
    { "Y", MAAS_D(F32), 0, 0 }
};

static const maas_formal_t  classifier_out[] = {
    { "Y", MAAS_D(I64) | MAAS_D(STRING), 0, 0 },
    { "Z", MAAS_D(F32), 0, 0 }
};


/* -- rows ---------------------------------------------------------------- */

const maas_op_t  maas_ops_trees[] = {

    /* since 5: every form that a file has is upgraded. */
    { .name = "TreeEnsembleRegressor", .domain = "ai.onnx.ml", .since = 5,
      .until = 4, .first = 1, .flags = MAAS_OP_PURE,
      MAAS_IO(ensemble_in, regressor_out), .upgrade = maas_trees_upgrade,
      .infer = ensemble_infer },

    { .name = "TreeEnsembleClassifier", .domain = "ai.onnx.ml", .since = 5,
      .until = 4, .first = 1, .flags = MAAS_OP_PURE,
      MAAS_IO(ensemble_in, classifier_out), .upgrade = maas_trees_upgrade,
      .infer = ensemble_infer },

    { .name = "Trees", .domain = "maas", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(trees_in, trees_out),
      MAAS_ATTRS(trees_attrs, trees_attr_t), .infer = trees_infer,
      MAAS_KERNELS(trees_kernel) },

    { .name = NULL }
};
