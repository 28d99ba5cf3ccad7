/*
 * trees: maas.Trees, which TreeEnsembleRegressor, TreeEnsembleClassifier and
 * TreeEnsemble become when they are imported (trees_import.c): its
 * inference and its work for threads.  The sums over trees are in
 * trees_sum.c, what becomes of them in trees_score.c.
 *
 * Sums are float64.  TREES_BLOCK trees are summed, in their order, then the
 * sums of blocks: whether rows or blocks of trees are split among threads,
 * and however many rows there are, the bits are the same.
 *
 * Ownership: the forest lies in constants.
 * Threads:   reentrant; blocks of one step meet in its shared memory.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <stdatomic.h>

#include "ops/trees_sum.h"


static const char *const  agg_words[] = {
    "SUM", "AVERAGE", "MIN", "MAX", NULL
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
    TREES_INT("modern", modern),
    TREES_INT("large", large),
    { .name = "leaf", .type = MAAS_ATTR_INT, .min = TREES_VALUE,
      .max = TREES_LIST, .off = offsetof(trees_attr_t, leaf) },
    { .name = "aggregate_function", .type = MAAS_ATTR_STRING,
      .off = offsetof(trees_attr_t, aggregate), .words = agg_words },
    { .name = "post_transform", .type = MAAS_ATTR_STRING,
      .off = offsetof(trees_attr_t, post), .words = maas_ml_post_words },
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


static maas_status_t
trees_damaged(maas_infer_t *c, const char *what, int64_t i)
{
    return maas_err(c->err, MAAS_EINVAL, "%s %lld is damaged", what,
                    (long long) i);
}


/* Every column; `features` < 0: not known yet. */
static maas_status_t
trees_check_columns(maas_infer_t *c, int64_t features, int64_t *columns)
{
    int64_t            n;
    const void        *p, *table;
    const tree_col_t  *col;

    MAAS_TRY(trees_input(c, TREES_COLUMNS, 2, &p, columns));
    MAAS_TRY(trees_input(c, TREES_TABLE, 1, &table, &n));
    col = p;

    if (*columns < 1 || *columns > INT32_MAX / TREES_LANES) {
        return trees_damaged(c, "column", 0);
    }

    for (int64_t i = 1; i < *columns; i++) {
        if (col[i].kind == TREE_COL_ZERO || col[i].kind >= TREE_COLS
            || col[i].feature < 0
            || (i > 1 && col[i].kind < col[i - 1].kind)
            || (col[i].kind != TREE_COL_EQUAL
                && (int64_t) col[i].first + col[i].n > n))
        {
            return trees_damaged(c, "column", i);
        }

        if (features >= 0 && col[i].feature >= features) {
            return maas_err(c->err, MAAS_EINVAL,
                            "the input has %lld features, but the trees read "
                            "feature %d", (long long) features,
                            col[i].feature);
        }
    }

    return MAAS_OK;
}


/* A walk stays in the list and ends: children come later. */
static maas_status_t
trees_check_nodes(maas_infer_t *c, int64_t columns)
{
    bool                 large = ((const trees_attr_t *) c->attr)->large;
    int64_t              n, m, child, col;
    const void          *p, *q;
    const tree_t        *tree;
    const tree_small_t  *s;
    const tree_large_t  *g;

    MAAS_TRY(trees_input(c, TREES_NODES, large ? 2 : 1, &p, &n));
    MAAS_TRY(trees_input(c, TREES_TREES, 2, &q, &m));
    tree = q;
    s = p;
    g = p;

    for (int64_t i = 0; i < n; i++) {
        child = large ? g[i].child : s[i].child;
        col = large ? g[i].col : s[i].col;

        if (col % TREES_LANES != 0 || col / TREES_LANES >= columns
            || (child == 0 ? col != 0 : i + child + 1 >= n))
        {
            return trees_damaged(c, "tree node", i);
        }
    }

    for (int64_t i = 0; i < m; i++) {
        if (tree[i].root < 0 || tree[i].root >= n || tree[i].level >= n
            || tree[i].target >= ((const trees_attr_t *) c->attr)->targets)
        {
            return trees_damaged(c, "tree", i);
        }
    }

    return MAAS_OK;
}


/* Lists of leaves; keys of leaves are checked when they are reached. */
static maas_status_t
trees_check_leaves(maas_infer_t *c)
{
    int64_t               n, m;
    const void           *p, *q;
    const int64_t        *first;
    const trees_attr_t   *at = c->attr;
    const tree_weight_t  *w;

    MAAS_TRY(trees_input(c, TREES_LEAVES, 1, &p, &n));
    MAAS_TRY(trees_input(c, TREES_WEIGHTS, at->leaf == TREES_LIST ? 2 : 1, &q,
                         &m));
    first = p;
    w = q;

    if (at->leaf == TREES_DENSE && (m == 0 || m % at->targets != 0)) {
        return trees_damaged(c, "leaf", 0);
    }

    if (at->leaf != TREES_LIST) {
        return MAAS_OK;
    }

    for (int64_t i = 0; i < n; i++) {
        if (first[i] < 0 || first[i] > m || (i > 0 && first[i] < first[i - 1]))
        {
            return trees_damaged(c, "leaf", i);
        }
    }

    for (int64_t i = 0; i < m; i++) {
        if (w[i].target < 0 || w[i].target >= at->targets) {
            return trees_damaged(c, "leaf weight", i);
        }
    }

    return n < 2 ? trees_damaged(c, "leaf", 0) : MAAS_OK;
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
    int64_t              n, columns;
    maas_dim_t           dims[2], features;
    const void          *base;
    maas_dtype_t         dtype;
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

    MAAS_TRY(trees_check_columns(c, maas_dim_known(features) ? features : -1,
                                 &columns));
    MAAS_TRY(trees_check_nodes(c, columns));
    MAAS_TRY(trees_check_leaves(c));
    MAAS_TRY(trees_input(c, TREES_BASE, 1, &base, &n));

    if (n > 1 && n != at->targets) {
        return maas_err(c->err, MAAS_EINVAL, "base values are damaged");
    }

    dtype = at->modern && x->dtype == MAAS_F64 ? MAAS_F64 : MAAS_F32;

    if (!at->classify) {
        maas_infer_set(c, 0, dtype, 2, dims);
        return MAAS_OK;
    }

    MAAS_TRY(trees_labels(c, dims[0]));

    if (c->n_out > 1) {
        maas_infer_set(c, 1, MAAS_F32, 2, dims);
    }

    return MAAS_OK;
}


/* -- work ---------------------------------------------------------------- */

/*
 * How the work is split: by blocks of trees when there are few rows, else
 * by rows.  What threads leave in shared memory: blocks their sums, rows
 * their class when labels are strings, which one thread writes in a row.
 */
typedef struct {
    int64_t  rows;
    int64_t  blocks;
    bool     by_block;
    int64_t  per;               /* rows of a unit */
    int64_t  units;
    size_t   keys;              /* bytes of scratch */
    size_t   sums;
    size_t   shared;
} trees_work_t;

#define TREES_SHARED   (1 << 20)    /* bytes, for sums of blocks */
#define TREES_SCRATCH  (96 << 10)   /* bytes, where that leaves rows */


static int64_t
trees_rows(const maas_tensor_t *x)
{
    return x->rank == 2 ? x->dims[0] : 1;
}


static void
trees_work(const trees_attr_t *at, const maas_tensor_t *in, bool text,
    trees_work_t *w)
{
    int64_t  columns = in[TREES_COLUMNS].dims[0] / 2, row, fit;

    w->rows = trees_rows(&in[0]);
    w->blocks = maas_forest_blocks(in[TREES_TREES].dims[0] / 2);
    row = at->targets * (int64_t) (sizeof(double) + 1);
    w->shared = 0;

    w->by_block = w->blocks > 1 && w->rows > 0
                  && w->rows <= 2 * TREES_LANES
                  && w->blocks * w->rows * row <= TREES_SHARED;

    fit = TREES_SCRATCH / (columns * 4 + 2 * row);
    w->per = maas_min(maas_min(fit, TREES_ROWS), (w->rows + 7) / 8);
    w->per = w->by_block ? w->rows
             : maas_max(w->per / TREES_LANES, 1) * TREES_LANES;
    w->units = w->by_block ? w->blocks
               : maas_max((w->rows + w->per - 1) / w->per, 1);

    if (w->by_block) {
        w->shared = MAAS_ALIGN + (size_t) (w->blocks * w->rows * row);

    } else if (text) {
        w->shared = MAAS_ALIGN + (size_t) w->rows * sizeof(int64_t);
    }

    w->keys = maas_align((size_t) ((w->per + TREES_LANES - 1) / TREES_LANES
                                   * TREES_LANES * columns) * 4, MAAS_ALIGN);
    w->sums = maas_align((size_t) (w->per * row), MAAS_ALIGN);
}


static bool
trees_setup(maas_setup_t *u)
{
    bool                 text = u->out[0].dtype == MAAS_STRING;
    trees_work_t         w;
    const trees_attr_t  *at = u->attr;

    trees_work(at, u->in, text, &w);

    u->units = w.units;
    u->shared = w.shared;
    u->scratch = w.keys + 2 * w.sums
                 + (size_t) at->targets * sizeof(score_t);
    u->cost = 100 + (double) w.rows
              * (4.0 * (double) (u->in[TREES_TREES].dims[0] / 2)
                 + 2.0 * (double) (u->in[TREES_COLUMNS].dims[0] / 2)
                 + 10.0 * (double) at->targets);
    return true;
}


/* Memory of a unit. */
typedef struct {
    forest_t      f;
    trees_work_t  w;
    uint32_t     *keys;
    sums_t        all;
    sums_t        block;
    score_t      *score;
    atomic_uint  *done;             /* units, in shared memory */
    char         *shared;           /* what follows */
} trees_run_t;


static void
trees_keys(const trees_run_t *r, const maas_step_t *s, int64_t row,
    int64_t n)
{
    size_t       size;
    int64_t      lane = r->f.keys.n_col * TREES_LANES;
    const char  *x = s->in[0].data;

    size = (size_t) s->in[0].dims[s->in[0].rank - 1]
           * maas_dtype_size(s->in[0].dtype);

    for (int64_t i = 0; i < n; i++) {
        maas_trees_keys(&r->f.keys, x + (size_t) (row + i) * size,
                        s->in[0].dtype,
                        r->keys + i / TREES_LANES * lane + i % TREES_LANES);
    }

    /* Lanes without a row walk too: let it be a short way. */
    for (int64_t i = n; i % TREES_LANES != 0; i++) {
        for (int64_t c = 0; c < r->f.keys.n_col; c++) {
            r->keys[i / TREES_LANES * lane + c * TREES_LANES
                    + i % TREES_LANES] = 0;
        }
    }
}


/* Scores and label of a row from its sums. */
static void
trees_put(const trees_run_t *r, const maas_step_t *s, int64_t row,
    const double *v, const uint8_t *has)
{
    int64_t              n = r->f.at->targets, class = 0;
    maas_tensor_t       *z = &s->out[r->f.at->classify ? 1 : 0];
    const trees_attr_t  *at = r->f.at;

    for (int64_t i = 0; i < n; i++) {
        r->score[i] = (score_t) { v[i], has[i] };
    }

    if (at->classify) {
        class = maas_trees_classify(at, &r->f.base, r->score);

    } else {
        maas_trees_regress(at, &r->f.base, r->score);
    }

    if ((!at->classify || s->n_out > 1) && z->data != NULL) {
        for (int64_t i = 0; i < n; i++) {
            if (z->dtype == MAAS_F64) {
                ((double *) z->data)[row * n + i] = r->score[i].v;

            } else {
                ((float *) z->data)[row * n + i] = (float) r->score[i].v;
            }
        }
    }

    if (!at->classify || s->out[0].data == NULL) {
        return;
    }

    if (s->out[0].dtype == MAAS_STRING) {
        ((int64_t *) r->shared)[row] = class;
        return;
    }

    /* With a single class ONNX Runtime answers 1 or 0 itself. */
    ((int64_t *) s->out[0].data)[row]
        = n == 1 ? class : maas_list_ints(at, &at->ints)[class];
}


/* Labels that are strings follow each other: the last unit writes them. */
static void
trees_text(const trees_run_t *r, const maas_step_t *s)
{
    int64_t             class;
    const trees_attr_t  *at = r->f.at;

    if (!at->classify || s->out[0].dtype != MAAS_STRING
        || s->out[0].data == NULL)
    {
        return;
    }

    maas_ml_begin(&s->out[0]);

    for (int64_t i = 0; i < r->w.rows; i++) {
        class = at->targets == 1 ? 0 : ((int64_t *) r->shared)[i];
        maas_ml_put(&s->out[0], r->w.rows, i,
                    maas_list_strings(at, &at->strings, (uint32_t) class));
    }
}


/* Rows [row, row + n) from their keys. */
static void
trees_unit_rows(const trees_run_t *r, const maas_step_t *s, int64_t row)
{
    int64_t  n = r->f.at->targets, rows = maas_min(r->w.per, r->w.rows - row);

    if (rows <= 0) {
        return;
    }

    trees_keys(r, s, row, rows);
    maas_sum_block(&r->f, 0, r->keys, rows, &r->all);

    for (int64_t b = 1; b < r->w.blocks; b++) {
        maas_sum_block(&r->f, b, r->keys, rows, &r->block);
        maas_sum_join(&r->f, &r->all, &r->block, rows * n);
    }

    for (int64_t i = 0; i < rows; i++) {
        trees_put(r, s, row + i, r->all.v + i * n, r->all.has + i * n);
    }
}


/* Sums of block b in shared memory: all values, then all flags. */
static void
trees_shared(const trees_run_t *r, int64_t b, sums_t *s)
{
    int64_t  n = r->w.rows * r->f.at->targets;

    s->v = (double *) r->shared + b * n;
    s->has = (uint8_t *) ((double *) r->shared + r->w.blocks * n) + b * n;
}


/* All blocks are done: their sums become the first one's. */
static void
trees_finish(const trees_run_t *r, const maas_step_t *s)
{
    int64_t  n = r->f.at->targets;
    sums_t   all, part;

    trees_shared(r, 0, &all);

    for (int64_t b = 1; b < r->w.blocks; b++) {
        trees_shared(r, b, &part);
        maas_sum_join(&r->f, &all, &part, r->w.rows * n);
    }

    memcpy(r->all.v, all.v, (size_t) (r->w.rows * n) * sizeof(double));
    memcpy(r->all.has, all.has, (size_t) (r->w.rows * n));

    for (int64_t i = 0; i < r->w.rows; i++) {
        trees_put(r, s, i, r->all.v + i * n, r->all.has + i * n);
    }
}


static void
trees_open(trees_run_t *r, const maas_step_t *s, maas_slot_t *slot)
{
    char                *p = slot->scratch;
    int64_t              n;
    const trees_attr_t  *at = s->attr;

    trees_work(at, s->in, s->out[0].dtype == MAAS_STRING, &r->w);
    maas_forest_open(&r->f, at, s->in);

    n = r->w.per * at->targets;
    r->keys = (uint32_t *) p;
    r->all.v = (double *) (p + r->w.keys);
    r->all.has = (uint8_t *) (r->all.v + n);
    r->block.v = (double *) (p + r->w.keys + r->w.sums);
    r->block.has = (uint8_t *) (r->block.v + n);
    r->score = (score_t *) (p + r->w.keys + 2 * r->w.sums);
    r->done = s->shared;
    r->shared = (char *) s->shared + MAAS_ALIGN;
}


static maas_status_t
trees_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    sums_t        part;
    uint32_t      n = (uint32_t) (last - first);
    trees_run_t   r;

    trees_open(&r, s, slot);

    if (r.w.by_block) {
        trees_keys(&r, s, 0, r.w.rows);
    }

    for (int64_t i = first; i < last; i++) {
        if (r.w.by_block) {
            trees_shared(&r, i, &part);
            maas_sum_block(&r.f, i, r.keys, r.w.rows, &part);

        } else {
            trees_unit_rows(&r, s, i * r.w.per);
        }
    }

    if (r.w.shared == 0
        || atomic_fetch_add_explicit(r.done, n, memory_order_acq_rel) + n
           != (uint32_t) r.w.units)
    {
        return MAAS_OK;
    }

    if (r.w.by_block) {
        trees_finish(&r, s);
    }

    trees_text(&r, s);
    return MAAS_OK;
}


static const maas_kernel_row_t  trees_kernel[] = {
    { "trees.walk", MAAS_CPU_REF, 0, 0, trees_setup, trees_run }
};

#define TREES_X  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64))
#define TREES_Y  (MAAS_D_FLOAT | MAAS_D(I64) | MAAS_D(STRING))

static const maas_formal_t  trees_in[] = {
    { "X",       TREES_X,     0, 0 },
    { "nodes",   MAAS_D(I64), 0, 0 },
    { "trees",   MAAS_D(I64), 0, 0 },
    { "columns", MAAS_D(I64), 0, 0 },
    { "table",   MAAS_D(I64), 0, 0 },
    { "leaves",  MAAS_D(I64), 0, 0 },
    { "weights", MAAS_D(I64), 0, 0 },
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


static const maas_formal_t  modern_io[] = { { "X", MAAS_D_FLOAT | MAAS_D(F16),
                                              'T', 0 } };

static const maas_formal_t  ensemble_in[] = { { "X", TREES_X, 0, 0 } };

static const maas_formal_t  regressor_out[] = {
    { "Y", MAAS_D(F32), 0, 0 }
};

static const maas_formal_t  classifier_out[] = {
    { "Y", MAAS_D(I64) | MAAS_D(STRING), 0, 0 },
    { "Z", MAAS_D(F32), 0, 0 }
};


/* What a file lists; import takes it away, the types are for cases. */
typedef struct {
    maas_list_t  modes;
} ensemble_attr_t;

static const maas_attr_row_t  ensemble_attrs[] = {
    { .name = "nodes_modes", .type = MAAS_ATTR_STRINGS,
      .off = offsetof(ensemble_attr_t, modes) }
};

/* Two trees: x1 <= .5 and then x0 < -.5, and a leaf alone. */
#define TREES_FILE                                                            \
    "nodes_treeids=[0,0,0,0,0,7] nodes_nodeids=[0,1,2,3,4,0] "                \
    "nodes_featureids=[1,0,0,0,0,0] nodes_values=[0.5,0,-0.5,0,0,0] "         \
    "nodes_truenodeids=[1,0,3,0,0,0] nodes_falsenodeids=[2,0,4,0,0,0] "       \
    "nodes_missing_value_tracks_true=[1,0,0,0,0,0] "
#define TREES_MODES  "nodes_modes=[BRANCH_LEQ,LEAF,BRANCH_LT,LEAF,LEAF,LEAF] "
#define TREES_LEAVES_OF(what)                                                 \
    what "_treeids=[0,0,0,7] " what "_nodeids=[1,3,4,0] "                     \
    what "_weights=[1.5,-2.25,4,0.5] "

static const maas_case_t  regressor_cases[] = {
    { "n_targets=1 " TREES_FILE TREES_MODES TREES_LEAVES_OF("target")
      "target_ids=[0,0,0,0] base_values=[0.25] | f32[67,3]:nan", NULL },
    { "n_targets=2 " TREES_FILE TREES_MODES TREES_LEAVES_OF("target")
      "target_ids=[0,1,1,0] aggregate_function=MAX | f64[9,2]:inf", NULL },
    { "n_targets=2 " TREES_FILE TREES_MODES TREES_LEAVES_OF("target")
      "target_ids=[1,1,0,1] post_transform=SOFTMAX | i64[3,2]", NULL },
    { "n_targets=1 " TREES_FILE TREES_MODES TREES_LEAVES_OF("target")
      "target_ids=[0,0,0,0] aggregate_function=AVERAGE | i32[2]", NULL },
    { "n_targets=1 " TREES_FILE TREES_MODES TREES_LEAVES_OF("target")
      "target_ids=[0,0,0,0] | f32[0,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  regressor_bad[] = {
    { "n_targets=1 " TREES_FILE TREES_MODES TREES_LEAVES_OF("target")
      "target_ids=[0,0,0,0] | f32[4,1]", "the trees read feature 1" },
    { "n_targets=1 " TREES_FILE TREES_MODES TREES_LEAVES_OF("target")
      "target_ids=[0,0,0,1] | f32[4,2]", "target_ids[3] is 1" },
    { "n_targets=1 " TREES_FILE "nodes_modes=[BRANCH_LEQ,LEAF,BRANCH_IN,LEAF,"
      "LEAF,LEAF] " TREES_LEAVES_OF("target")
      "target_ids=[0,0,0,0] | f32[4,2]", "nodes_modes[2] is 'BRANCH_IN'" },
    { "n_targets=1 " TREES_MODES " | f32[4,2]", "'nodes_treeids' lists 0" },
    { NULL, NULL }
};

static const maas_case_t  classifier_cases[] = {
    { "classlabels_int64s=[3,5,7] " TREES_FILE TREES_MODES
      TREES_LEAVES_OF("class") "class_ids=[0,1,2,0] post_transform=SOFTMAX "
      "> 2 | f32[35,2]", NULL },
    { "classlabels_int64s=[0,1] " TREES_FILE TREES_MODES
      TREES_LEAVES_OF("class") "class_ids=[0,0,0,0] post_transform=LOGISTIC "
      "> 2 | f64[5,2]:nan", NULL },
    { NULL, NULL }
};


/* -- rows ---------------------------------------------------------------- */

const maas_op_t  maas_ops_trees[] = {

    /* since 5: every form that a file has is upgraded. */
    { .name = "TreeEnsembleRegressor", .domain = "ai.onnx.ml", .since = 5,
      .until = 4, .first = 1, .flags = MAAS_OP_PURE,
      MAAS_IO(ensemble_in, regressor_out),
      MAAS_ATTRS(ensemble_attrs, ensemble_attr_t),
      .upgrade = maas_trees_upgrade, .infer = ensemble_infer,
      .cases = regressor_cases, .bad = regressor_bad },

    { .name = "TreeEnsembleClassifier", .domain = "ai.onnx.ml", .since = 5,
      .until = 4, .first = 1, .flags = MAAS_OP_PURE,
      MAAS_IO(ensemble_in, classifier_out),
      MAAS_ATTRS(ensemble_attrs, ensemble_attr_t),
      .upgrade = maas_trees_upgrade, .infer = ensemble_infer,
      .cases = classifier_cases },

    /* since 6: so that 5 is upgraded too. */
    { .name = "TreeEnsemble", .domain = "ai.onnx.ml", .since = 6, .first = 5,
      .flags = MAAS_OP_PURE, MAAS_IO(modern_io, modern_io),
      .upgrade = maas_trees_upgrade, .infer = ensemble_infer },

    { .name = "Trees", .domain = "maas", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(trees_in, trees_out),
      MAAS_ATTRS(trees_attrs, trees_attr_t), .infer = trees_infer,
      MAAS_KERNELS(trees_kernel) },

    { .name = NULL }
};
