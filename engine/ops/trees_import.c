/*
 * trees_import: TreeEnsembleRegressor and TreeEnsembleClassifier (ai.onnx.ml
 * 1 and 3) to maas.Trees: parallel attribute lists to nodes in the order of
 * a walk, "true" child first.  Nodes that no root reaches are dropped.
 *
 * Ownership: work memory is an arena that dies here; constants and
 * attributes go to the importer.
 * Threads:   one thread.
 */

#include <math.h>
#include <stdlib.h>

#include "ops/trees.h"


/* A list of floats, or a tensor of float32 or float64. */
typedef struct {
    size_t         n;
    const float   *f;
    const double  *d;
} ti_real_t;

typedef struct {
    int64_t   tree;
    int64_t   id;
    uint32_t  at;
} ti_key_t;

typedef struct {
    maas_arena_t         arena;
    maas_err_t          *err;
    bool                 classify;
    bool                 wide;          /* some list is float64 */
    size_t               n;             /* nodes in the file */
    const int64_t       *tree, *id, *feature, *yes, *no, *missing;
    const maas_str_t    *mode;
    ti_real_t            value;
    size_t               m;             /* leaf weights */
    const int64_t       *wtarget, *wtree, *wid;
    ti_real_t            weight;
    ti_real_t            base;
    int64_t              targets;

    ti_key_t            *key;           /* sorted */
    uint32_t            *first;         /* weights of node i, n + 1 */
    tree_weight_t       *weights;       /* by node */
    tree_node_t         *nodes;
    size_t               n_nodes;
    int64_t             *roots;
    size_t               n_roots;
} ti_t;


/* -- attributes ---------------------------------------------------------- */

static maas_status_t
ti_list(ti_t *t, const maas_raw_node_t *n, const char *name,
    maas_attr_type_t type, size_t want, bool may_lack,
    const maas_raw_attr_t **out)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);

    *out = NULL;

    if (a == NULL || (a->n == 0 && may_lack)) {
        if (may_lack || want == 0) {
            return MAAS_OK;
        }

        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' is missing",
                        name);
    }

    if (a->type != type && a->n != 0) {
        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' has to be a list "
                        "of %s", name, type == MAAS_ATTR_INTS ? "ints"
                        : type == MAAS_ATTR_FLOATS ? "floats" : "strings");
    }

    if (a->n != want) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute '%s' has %zu values; expected %zu, as many "
                        "as the lists beside it", name, a->n, want);
    }

    *out = a;
    return MAAS_OK;
}


static maas_status_t
ti_ints(ti_t *t, const maas_raw_node_t *n, const char *name, size_t want,
    bool may_lack, const int64_t **out)
{
    const maas_raw_attr_t  *a;

    MAAS_TRY(ti_list(t, n, name, MAAS_ATTR_INTS, want, may_lack, &a));

    *out = a != NULL ? a->ints : NULL;
    return MAAS_OK;
}


/* `name`, or the tensor name_as_tensor; any length. */
static maas_status_t
ti_reals(ti_t *t, const maas_raw_node_t *n, const char *name,
    const char *tensor, ti_real_t *out)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);
    const maas_raw_attr_t  *b = maas_raw_attr(n, tensor);

    memset(out, 0, sizeof(*out));

    if (b != NULL && b->type == MAAS_ATTR_TENSOR) {
        if (a != NULL && a->n != 0) {
            return maas_err(t->err, MAAS_EINVAL, "attributes '%s' and '%s' "
                            "exclude each other", name, tensor);
        }

        if (b->t.dtype != MAAS_F32 && b->t.dtype != MAAS_F64) {
            return maas_err(t->err, MAAS_EINVAL, "attribute '%s' is %s; "
                            "expected float32 or float64", tensor,
                            maas_dtype_name(b->t.dtype));
        }

        out->n = (size_t) maas_tensor_count(&b->t);

        if (b->t.dtype == MAAS_F64) {
            out->d = b->t.data;
            t->wide = true;

        } else {
            out->f = b->t.data;
        }

        return MAAS_OK;
    }

    if (b != NULL || (a != NULL && a->n != 0 && a->type != MAAS_ATTR_FLOATS)) {
        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' has to be a %s",
                        b != NULL ? tensor : name,
                        b != NULL ? "tensor" : "list of floats");
    }

    if (a != NULL) {
        out->n = a->n;
        out->f = a->floats;
    }

    return MAAS_OK;
}


/* Tensors of a file need not be aligned for us. */
static double
ti_real(const ti_real_t *r, size_t i)
{
    float   f;
    double  d;

    if (r->d != NULL) {
        memcpy(&d, (const char *) r->d + i * sizeof(d), sizeof(d));
        return d;
    }

    memcpy(&f, (const char *) r->f + i * sizeof(f), sizeof(f));
    return f;
}


static maas_status_t
ti_read_nodes(ti_t *t, const maas_raw_node_t *n)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, "nodes_treeids");

    t->n = a != NULL && a->type == MAAS_ATTR_INTS ? a->n : 0;

    if (t->n == 0 || t->n > INT32_MAX / 2) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute 'nodes_treeids' lists %zu nodes; expected "
                        "1 to %d", t->n, INT32_MAX / 2);
    }

    t->tree = a->ints;
    MAAS_TRY(ti_ints(t, n, "nodes_nodeids", t->n, false, &t->id));
    MAAS_TRY(ti_ints(t, n, "nodes_featureids", t->n, false, &t->feature));
    MAAS_TRY(ti_ints(t, n, "nodes_truenodeids", t->n, false, &t->yes));
    MAAS_TRY(ti_ints(t, n, "nodes_falsenodeids", t->n, false, &t->no));
    MAAS_TRY(ti_ints(t, n, "nodes_missing_value_tracks_true", t->n, true,
                     &t->missing));
    MAAS_TRY(ti_list(t, n, "nodes_modes", MAAS_ATTR_STRINGS, t->n, false,
                     &a));
    t->mode = a->strings;

    MAAS_TRY(ti_reals(t, n, "nodes_values", "nodes_values_as_tensor",
                      &t->value));

    if (t->value.n != t->n) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute 'nodes_values' has %zu values; expected "
                        "%zu, one a node", t->value.n, t->n);
    }

    return MAAS_OK;
}


static maas_status_t
ti_read_weights(ti_t *t, const maas_raw_node_t *n)
{
    bool                    c = t->classify;
    const char             *name = c ? "class_ids" : "target_ids";
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);

    t->m = a != NULL && a->type == MAAS_ATTR_INTS ? a->n : 0;

    if (t->m == 0 || t->m > INT32_MAX / 2) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute '%s' lists %zu leaf weights; expected 1 to "
                        "%d", name, t->m, INT32_MAX / 2);
    }

    t->wtarget = a->ints;
    MAAS_TRY(ti_ints(t, n, c ? "class_treeids" : "target_treeids", t->m,
                     false, &t->wtree));
    MAAS_TRY(ti_ints(t, n, c ? "class_nodeids" : "target_nodeids", t->m,
                     false, &t->wid));
    MAAS_TRY(ti_reals(t, n, c ? "class_weights" : "target_weights",
                      c ? "class_weights_as_tensor"
                        : "target_weights_as_tensor", &t->weight));

    if (t->weight.n != t->m) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute '%s' has %zu values; expected %zu, one a "
                        "leaf weight", c ? "class_weights" : "target_weights",
                        t->weight.n, t->m);
    }

    for (size_t i = 0; i < t->m; i++) {
        if (t->wtarget[i] < 0 || t->wtarget[i] >= t->targets) {
            return maas_err(t->err, MAAS_EINVAL,
                            "%s[%zu] is %lld; expected 0 to %lld", name, i,
                            (long long) t->wtarget[i],
                            (long long) t->targets - 1);
        }
    }

    return MAAS_OK;
}


static maas_status_t
ti_read_targets(ti_t *t, const maas_raw_node_t *n)
{
    size_t                  ni, ns;
    const maas_raw_attr_t  *a, *b;

    if (!t->classify) {
        a = maas_raw_attr(n, "n_targets");
        t->targets = a != NULL && a->type == MAAS_ATTR_INT ? a->i : 0;

    } else {
        a = maas_raw_attr(n, "classlabels_int64s");
        b = maas_raw_attr(n, "classlabels_strings");
        ni = a != NULL ? a->n : 0;
        ns = b != NULL ? b->n : 0;

        if ((ni == 0) == (ns == 0)) {
            return maas_err(t->err, MAAS_EINVAL,
                            "one of the attributes 'classlabels_int64s' and "
                            "'classlabels_strings' is expected");
        }

        t->targets = (int64_t) maas_min(ni + ns, (size_t) INT32_MAX);
    }

    if (t->targets < 1 || t->targets > TREES_TARGETS_MAX) {
        return maas_err(t->err, MAAS_EINVAL, "it has %lld %s; expected 1 to "
                        "%d", (long long) t->targets,
                        t->classify ? "class labels" : "targets (n_targets)",
                        TREES_TARGETS_MAX);
    }

    MAAS_TRY(ti_reals(t, n, "base_values", "base_values_as_tensor", &t->base));

    if (t->base.n > 1 && t->base.n != (size_t) t->targets) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute 'base_values' has %zu values; expected "
                        "none, 1 or %lld", t->base.n, (long long) t->targets);
    }

    return MAAS_OK;
}


/* -- numbers of nodes ---------------------------------------------------- */

static int
ti_compare(const void *a, const void *b)
{
    const ti_key_t  *k = a, *l = b;

    if (k->tree != l->tree) {
        return k->tree < l->tree ? -1 : 1;
    }

    return k->id < l->id ? -1 : k->id > l->id;
}


static const ti_key_t *
ti_find(const ti_t *t, int64_t tree, int64_t id)
{
    ti_key_t  key = { tree, id, 0 };

    return bsearch(&key, t->key, t->n, sizeof(key), ti_compare);
}


static maas_status_t
ti_index(ti_t *t)
{
    t->key = maas_arena_array(&t->arena, t->n, sizeof(ti_key_t));
    if (t->key == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < t->n; i++) {
        t->key[i] = (ti_key_t) { t->tree[i], t->id[i], (uint32_t) i };
    }

    qsort(t->key, t->n, sizeof(ti_key_t), ti_compare);

    for (size_t i = 1; i < t->n; i++) {
        if (ti_compare(&t->key[i - 1], &t->key[i]) == 0) {
            return maas_err(t->err, MAAS_EINVAL,
                            "tree %lld has two nodes %lld",
                            (long long) t->key[i].tree,
                            (long long) t->key[i].id);
        }
    }

    return MAAS_OK;
}


/* Sorts the leaf weights by node, in the order of the file within each. */
static maas_status_t
ti_group(ti_t *t)
{
    uint32_t        *at, *next;
    const ti_key_t  *k;

    t->first = maas_arena_array(&t->arena, t->n + 1, sizeof(uint32_t));
    t->weights = maas_arena_array(&t->arena, t->m, sizeof(tree_weight_t));
    at = maas_arena_array(&t->arena, t->m, sizeof(uint32_t));
    next = maas_arena_array(&t->arena, t->n, sizeof(uint32_t));
    if (t->first == NULL || t->weights == NULL || at == NULL || next == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < t->m; i++) {
        k = ti_find(t, t->wtree[i], t->wid[i]);

        if (k == NULL) {
            return maas_err(t->err, MAAS_EINVAL,
                            "leaf weight %zu is of node %lld of tree %lld, "
                            "which does not exist", i, (long long) t->wid[i],
                            (long long) t->wtree[i]);
        }

        at[i] = k->at;
        t->first[k->at + 1]++;
    }

    for (size_t i = 0; i < t->n; i++) {
        t->first[i + 1] += t->first[i];
        next[i] = t->first[i];
    }

    for (size_t i = 0; i < t->m; i++) {
        t->weights[next[at[i]]++] = (tree_weight_t) {
            t->wtarget[i], ti_real(&t->weight, i)
        };
    }

    return MAAS_OK;
}


/* -- the walk ------------------------------------------------------------ */

static const char *const  ti_modes[] = {
    "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
    "BRANCH_NEQ", "LEAF"
};


/* Node `at` of the file as it is walked; its children come later. */
static maas_status_t
ti_node(ti_t *t, uint32_t at, tree_node_t *out)
{
    int  mode;

    for (mode = 0; mode <= TREE_LEAF; mode++) {
        if (maas_str_is(t->mode[at], ti_modes[mode])) {
            break;
        }
    }

    if (mode > TREE_LEAF) {
        return maas_err(t->err, MAAS_EINVAL,
                        "nodes_modes[%u] is '%.*s'; expected LEAF or "
                        "BRANCH_LEQ, LT, GTE, GT, EQ or NEQ", at,
                        (int) maas_min(t->mode[at].len, 40),
                        t->mode[at].data);
    }

    memset(out, 0, sizeof(*out));
    out->mode = (uint16_t) mode;

    if (mode == TREE_LEAF) {
        out->yes = (int32_t) t->first[at];
        out->no = (int32_t) (t->first[at + 1] - t->first[at]);
        return MAAS_OK;
    }

    if (t->feature[at] < 0 || t->feature[at] > INT32_MAX) {
        return maas_err(t->err, MAAS_EINVAL,
                        "nodes_featureids[%u] is %lld", at,
                        (long long) t->feature[at]);
    }

    out->value = ti_real(&t->value, at);
    out->feature = (int32_t) t->feature[at];
    out->missing = t->missing != NULL && t->missing[at] == 1;
    return MAAS_OK;
}


typedef struct {
    uint32_t   at;
    int32_t   *link;            /* where its number goes; NULL: a root */
} ti_visit_t;


static maas_status_t
ti_child(ti_t *t, uint32_t parent, int64_t id, ti_visit_t *v)
{
    const ti_key_t  *k = ti_find(t, t->tree[parent], id);

    if (k == NULL) {
        return maas_err(t->err, MAAS_EINVAL,
                        "node %lld of tree %lld branches to node %lld, which "
                        "does not exist", (long long) t->id[parent],
                        (long long) t->tree[parent], (long long) id);
    }

    v->at = k->at;
    return MAAS_OK;
}


/* Numbers the nodes of one tree; each may be reached once. */
static maas_status_t
ti_tree(ti_t *t, uint32_t root, bool *seen, ti_visit_t *stack)
{
    size_t        depth = 0;
    ti_visit_t    v;
    tree_node_t  *node;

    stack[depth++] = (ti_visit_t) { root, NULL };

    while (depth > 0) {
        v = stack[--depth];

        if (seen[v.at]) {
            return maas_err(t->err, MAAS_EINVAL,
                            "node %lld of tree %lld is reached twice: this is "
                            "no tree", (long long) t->id[v.at],
                            (long long) t->tree[v.at]);
        }

        seen[v.at] = true;
        node = &t->nodes[t->n_nodes];

        if (v.link != NULL) {
            *v.link = (int32_t) t->n_nodes;
        }

        MAAS_TRY(ti_node(t, v.at, node));
        t->n_nodes++;

        if (node->mode == TREE_LEAF) {
            continue;
        }

        stack[depth].link = &node->no;
        MAAS_TRY(ti_child(t, v.at, t->no[v.at], &stack[depth++]));
        stack[depth].link = &node->yes;
        MAAS_TRY(ti_child(t, v.at, t->yes[v.at], &stack[depth++]));
    }

    return MAAS_OK;
}


/* The first node that is listed of a tree is its root. */
static maas_status_t
ti_walk(ti_t *t)
{
    bool        *seen;
    ti_visit_t  *stack;

    seen = maas_arena_alloc(&t->arena, t->n);
    stack = maas_arena_array(&t->arena, t->n + 2, sizeof(ti_visit_t));
    t->nodes = maas_arena_array(&t->arena, t->n, sizeof(tree_node_t));
    t->roots = maas_arena_array(&t->arena, t->n, sizeof(int64_t));
    if (seen == NULL || stack == NULL || t->nodes == NULL || t->roots == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < t->n; i++) {
        if (i == 0 || t->tree[i] != t->tree[i - 1]) {
            t->roots[t->n_roots++] = (int64_t) t->n_nodes;
            MAAS_TRY(ti_tree(t, (uint32_t) i, seen, stack));
        }
    }

    return MAAS_OK;
}


/* -- the new node -------------------------------------------------------- */

/* Which rules of a classifier for two classes hold. */
static maas_status_t
ti_flags(ti_t *t, maas_import_t *im, maas_raw_node_t *n)
{
    bool  single = true, positive = true;

    for (size_t i = 0; i < t->m; i++) {
        single &= t->wtarget[i] == t->wtarget[0];
        positive &= !(ti_real(&t->weight, i) < 0);
    }

    MAAS_TRY(maas_raw_attr_int(im, n, "n_targets", t->targets));
    MAAS_TRY(maas_raw_attr_int(im, n, "classify", t->classify));
    MAAS_TRY(maas_raw_attr_int(im, n, "binary", t->targets == 2 && single));
    MAAS_TRY(maas_raw_attr_int(im, n, "positive", positive));

    return maas_raw_attr_int(im, n, "wide", t->wide);
}


/* Attributes that maas.Trees has as they are. */
static void
ti_keep(maas_raw_node_t *n)
{
    uint32_t                  kept = 0;
    static const char *const  names[] = {
        "aggregate_function", "post_transform", "classlabels_int64s",
        "classlabels_strings"
    };

    for (uint32_t i = 0; i < n->n_attr; i++) {
        for (size_t j = 0; j < maas_nelts(names); j++) {
            if (maas_str_is(n->attr[i].name, names[j])) {
                n->attr[kept++] = n->attr[i];
                break;
            }
        }
    }

    n->n_attr = kept;
}


static maas_status_t
ti_emit(ti_t *t, maas_import_t *im, maas_raw_node_t *n)
{
    double  *base;

    base = maas_arena_array(&t->arena, t->base.n + 1, sizeof(double));
    if (base == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < t->base.n; i++) {
        base[i] = ti_real(&t->base, i);
    }

    MAAS_TRY(maas_raw_input_ints(im, n, TREES_NODES, (int64_t *) t->nodes,
                                 3 * t->n_nodes, false));
    MAAS_TRY(maas_raw_input_ints(im, n, TREES_WEIGHTS, (int64_t *) t->weights,
                                 2 * t->m, false));
    MAAS_TRY(maas_raw_input_ints(im, n, TREES_ROOTS, t->roots, t->n_roots,
                                 false));
    MAAS_TRY(maas_raw_input_ints(im, n, TREES_BASE, (int64_t *) base,
                                 t->base.n, false));
    ti_keep(n);
    MAAS_TRY(ti_flags(t, im, n));

    n->op = maas_str("Trees");
    n->domain = maas_str("maas");
    return MAAS_OK;
}


static maas_status_t
ti_build(ti_t *t, maas_import_t *im, maas_raw_node_t *n)
{
    if (n->n_in != 1) {
        return maas_err(t->err, MAAS_EINVAL, "it has %u inputs; expected 1",
                        n->n_in);
    }

    MAAS_TRY(ti_read_targets(t, n));
    MAAS_TRY(ti_read_nodes(t, n));
    MAAS_TRY(ti_read_weights(t, n));
    MAAS_TRY(ti_index(t));
    MAAS_TRY(ti_group(t));
    MAAS_TRY(ti_walk(t));

    return ti_emit(t, im, n);
}


maas_status_t
maas_trees_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    ti_t           t = { 0 };
    maas_status_t  rc;

    (void) opset;

    t.err = err;
    t.classify = maas_str_is(n->op, "TreeEnsembleClassifier");
    maas_arena_init(&t.arena, &maas_host_libc, 0);

    rc = ti_build(&t, im, n);

    maas_arena_destroy(&t.arena);
    return rc;
}
