/*
 * trees_old: reads TreeEnsembleRegressor and TreeEnsembleClassifier: lists
 * of nodes with the numbers of their trees, and leaf weights that name a
 * tree and a node.
 *
 * Ownership: lists lie in the arena of ti_t.
 * Threads:   one thread.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <stdlib.h>

#include "ops/trees_file.h"


typedef struct {
    int64_t   tree;
    int64_t   id;
    uint32_t  at;
} to_key_t;

typedef struct {
    ti_t                *t;
    bool                 classify;
    size_t               n;
    const int64_t       *tree, *id, *feature, *yes, *no, *missing;
    const maas_str_t    *mode;
    ti_real_t            value;
    size_t               m;
    const int64_t       *wtarget, *wtree, *wid;
    ti_real_t            weight;
    to_key_t            *key;           /* sorted */
} to_t;


/* -- attributes ---------------------------------------------------------- */

static maas_status_t
to_read_nodes(to_t *o, const maas_raw_node_t *n)
{
    ti_t                   *t = o->t;
    const maas_raw_attr_t  *a = maas_raw_attr(n, "nodes_treeids");

    o->n = a != NULL && a->type == MAAS_ATTR_INTS ? a->n : 0;

    if (o->n == 0 || o->n > INT32_MAX / 2) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute 'nodes_treeids' lists %zu nodes; expected "
                        "1 to %d", o->n, INT32_MAX / 2);
    }

    o->tree = a->ints;
    MAAS_TRY(ti_ints(t, n, "nodes_nodeids", o->n, false, &o->id));
    MAAS_TRY(ti_ints(t, n, "nodes_featureids", o->n, false, &o->feature));
    MAAS_TRY(ti_ints(t, n, "nodes_truenodeids", o->n, false, &o->yes));
    MAAS_TRY(ti_ints(t, n, "nodes_falsenodeids", o->n, false, &o->no));
    MAAS_TRY(ti_ints(t, n, "nodes_missing_value_tracks_true", o->n, true,
                     &o->missing));
    MAAS_TRY(ti_list(t, n, "nodes_modes", MAAS_ATTR_STRINGS, o->n, false,
                     &a));
    o->mode = a->strings;

    MAAS_TRY(ti_reals(t, n, "nodes_values", "nodes_values_as_tensor",
                      &o->value));

    if (o->value.n != o->n) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute 'nodes_values' has %zu values; expected "
                        "%zu, one a node", o->value.n, o->n);
    }

    return MAAS_OK;
}


static maas_status_t
to_read_weights(to_t *o, const maas_raw_node_t *n)
{
    bool                    c = o->classify;
    ti_t                   *t = o->t;
    const char             *name = c ? "class_ids" : "target_ids";
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);

    o->m = a != NULL && a->type == MAAS_ATTR_INTS ? a->n : 0;

    if (o->m == 0 || o->m > INT32_MAX / 2) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute '%s' lists %zu leaf weights; expected 1 to "
                        "%d", name, o->m, INT32_MAX / 2);
    }

    o->wtarget = a->ints;
    MAAS_TRY(ti_ints(t, n, c ? "class_treeids" : "target_treeids", o->m,
                     false, &o->wtree));
    MAAS_TRY(ti_ints(t, n, c ? "class_nodeids" : "target_nodeids", o->m,
                     false, &o->wid));
    MAAS_TRY(ti_reals(t, n, c ? "class_weights" : "target_weights",
                      c ? "class_weights_as_tensor"
                        : "target_weights_as_tensor", &o->weight));

    if (o->weight.n != o->m) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute '%s' has %zu values; expected %zu, one a "
                        "leaf weight", c ? "class_weights" : "target_weights",
                        o->weight.n, o->m);
    }

    for (size_t i = 0; i < o->m; i++) {
        if (o->wtarget[i] < 0 || o->wtarget[i] >= t->targets) {
            return maas_err(t->err, MAAS_EINVAL,
                            "%s[%zu] is %lld; expected 0 to %lld", name, i,
                            (long long) o->wtarget[i],
                            (long long) t->targets - 1);
        }
    }

    return MAAS_OK;
}


static maas_status_t
to_read_targets(to_t *o, const maas_raw_node_t *n)
{
    ti_t                   *t = o->t;
    size_t                  ni, ns;
    const maas_raw_attr_t  *a, *b;

    if (!o->classify) {
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
                        o->classify ? "class labels" : "targets (n_targets)",
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
to_compare(const void *a, const void *b)
{
    const to_key_t  *k = a, *l = b;

    if (k->tree != l->tree) {
        return k->tree < l->tree ? -1 : 1;
    }

    return k->id < l->id ? -1 : k->id > l->id;
}


static const to_key_t *
to_find(const to_t *o, int64_t tree, int64_t id)
{
    to_key_t  key = { tree, id, 0 };

    return bsearch(&key, o->key, o->n, sizeof(key), to_compare);
}


static maas_status_t
to_index(to_t *o)
{
    o->key = maas_arena_array(&o->t->arena, o->n, sizeof(to_key_t));
    if (o->key == NULL) {
        return maas_err_nomem(o->t->err);
    }

    for (size_t i = 0; i < o->n; i++) {
        o->key[i] = (to_key_t) { o->tree[i], o->id[i], (uint32_t) i };
    }

    qsort(o->key, o->n, sizeof(to_key_t), to_compare);

    for (size_t i = 1; i < o->n; i++) {
        if (to_compare(&o->key[i - 1], &o->key[i]) == 0) {
            return maas_err(o->t->err, MAAS_EINVAL,
                            "tree %lld has two nodes %lld",
                            (long long) o->key[i].tree,
                            (long long) o->key[i].id);
        }
    }

    return MAAS_OK;
}


/* Sorts the leaf weights by node, in the order of the file within each. */
static maas_status_t
to_group(to_t *o)
{
    ti_t            *t = o->t;
    uint32_t        *at, *next;
    const to_key_t  *k;

    t->n_weight = o->m;
    t->first = maas_arena_array(&t->arena, o->n + 1, sizeof(uint32_t));
    t->weight = maas_arena_array(&t->arena, o->m, sizeof(tree_weight_t));
    at = maas_arena_array(&t->arena, o->m, sizeof(uint32_t));
    next = maas_arena_array(&t->arena, o->n, sizeof(uint32_t));
    if (t->first == NULL || t->weight == NULL || at == NULL || next == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < o->m; i++) {
        k = to_find(o, o->wtree[i], o->wid[i]);

        if (k == NULL) {
            return maas_err(t->err, MAAS_EINVAL,
                            "leaf weight %zu is of node %lld of tree %lld, "
                            "which does not exist", i, (long long) o->wid[i],
                            (long long) o->wtree[i]);
        }

        at[i] = k->at;
        t->first[k->at + 1]++;
    }

    for (size_t i = 0; i < o->n; i++) {
        t->first[i + 1] += t->first[i];
        next[i] = t->first[i];
    }

    for (size_t i = 0; i < o->m; i++) {
        t->weight[next[at[i]]++] = (tree_weight_t) {
            o->wtarget[i], ti_real(&o->weight, i)
        };
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

static const char *const  to_modes[] = {
    [TREE_LEQ] = "BRANCH_LEQ", [TREE_LT] = "BRANCH_LT",
    [TREE_GTE] = "BRANCH_GTE", [TREE_GT] = "BRANCH_GT",
    [TREE_EQ] = "BRANCH_EQ", [TREE_NEQ] = "BRANCH_NEQ",
    [TREE_MEMBER] = "", [TREE_LEAF] = "LEAF"
};


static maas_status_t
to_child(to_t *o, size_t parent, int64_t id, uint32_t *out)
{
    const to_key_t  *k = to_find(o, o->tree[parent], id);

    if (k == NULL) {
        return maas_err(o->t->err, MAAS_EINVAL,
                        "node %lld of tree %lld branches to node %lld, which "
                        "does not exist", (long long) o->id[parent],
                        (long long) o->tree[parent], (long long) id);
    }

    *out = k->at;
    return MAAS_OK;
}


static maas_status_t
to_node(to_t *o, size_t i, ti_node_t *out)
{
    int  mode;

    for (mode = 0; mode <= TREE_LEAF; mode++) {
        if (o->mode[i].len != 0 && maas_str_is(o->mode[i], to_modes[mode])) {
            break;
        }
    }

    if (mode > TREE_LEAF) {
        return maas_err(o->t->err, MAAS_EINVAL,
                        "nodes_modes[%zu] is '%.*s'; expected LEAF or "
                        "BRANCH_LEQ, LT, GTE, GT, EQ or NEQ", i,
                        (int) maas_min(o->mode[i].len, 40),
                        o->mode[i].data);
    }

    out->mode = (uint8_t) mode;

    if (mode == TREE_LEAF) {
        return MAAS_OK;
    }

    if (o->feature[i] < 0 || o->feature[i] > INT32_MAX) {
        return maas_err(o->t->err, MAAS_EINVAL,
                        "nodes_featureids[%zu] is %lld", i,
                        (long long) o->feature[i]);
    }

    out->value = ti_real(&o->value, i);
    out->feature = (int32_t) o->feature[i];
    out->missing = o->missing != NULL && o->missing[i] == 1;
    MAAS_TRY(to_child(o, i, o->yes[i], &out->yes));

    return to_child(o, i, o->no[i], &out->no);
}


/* The first node that is listed of a tree is its root. */
static maas_status_t
to_nodes(to_t *o)
{
    ti_t  *t = o->t;

    t->n = o->n;
    t->node = maas_arena_array(&t->arena, o->n, sizeof(ti_node_t));
    t->root = maas_arena_array(&t->arena, o->n, sizeof(uint32_t));
    if (t->node == NULL || t->root == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < o->n; i++) {
        MAAS_TRY(to_node(o, i, &t->node[i]));

        if (i == 0 || o->tree[i] != o->tree[i - 1]) {
            t->root[t->n_root++] = (uint32_t) i;
        }
    }

    return MAAS_OK;
}


maas_status_t
ti_read_old(ti_t *t, const maas_raw_node_t *n)
{
    to_t  o = { .t = t, .classify = t->classify };

    MAAS_TRY(to_read_targets(&o, n));
    MAAS_TRY(to_read_nodes(&o, n));
    MAAS_TRY(to_read_weights(&o, n));
    MAAS_TRY(to_index(&o));
    MAAS_TRY(to_group(&o));

    return to_nodes(&o);
}
