/*
 * trees_modern: reads TreeEnsemble (ai.onnx.ml 5): branches and leaves in
 * lists of their own, links that are numbers in these, modes as bytes, and
 * sets of members that NaN separates.
 *
 * Ownership: lists lie in the arena of ti_t.
 * Threads:   one thread.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <stdlib.h>

#include "ops/trees_file.h"


typedef struct {
    ti_t           *t;
    size_t          n;              /* branches */
    size_t          m;              /* leaves */
    const int64_t  *feature, *yes, *no, *yes_leaf, *no_leaf, *missing;
    const int64_t  *target;
    const uint8_t  *mode;
    ti_real_t       split;
    ti_real_t       weight;
    ti_real_t       member;
} tm_t;


/* -- attributes ---------------------------------------------------------- */

static maas_status_t
tm_count(tm_t *m, const maas_raw_node_t *n, const char *name, size_t *count,
    const int64_t **out)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);

    *count = a != NULL && a->type == MAAS_ATTR_INTS ? a->n : 0;

    if (*count == 0 || *count > INT32_MAX / 4) {
        return maas_err(m->t->err, MAAS_EINVAL,
                        "attribute '%s' has %zu values; expected 1 to %d",
                        name, *count, INT32_MAX / 4);
    }

    *out = a->ints;
    return MAAS_OK;
}


static maas_status_t
tm_reals(tm_t *m, const maas_raw_node_t *n, const char *name, size_t want,
    ti_real_t *out)
{
    MAAS_TRY(ti_reals(m->t, n, NULL, name, out));

    if (out->n != want) {
        return maas_err(m->t->err, MAAS_EINVAL,
                        "attribute '%s' has %zu values; expected %zu", name,
                        out->n, want);
    }

    return MAAS_OK;
}


static maas_status_t
tm_modes(tm_t *m, const maas_raw_node_t *n)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, "nodes_modes");

    if (a == NULL || a->type != MAAS_ATTR_TENSOR || a->t.dtype != MAAS_U8
        || maas_tensor_count(&a->t) != (int64_t) m->n)
    {
        return maas_err(m->t->err, MAAS_EINVAL,
                        "attribute 'nodes_modes' has to be a tensor of %zu "
                        "uint8, one a branch", m->n);
    }

    m->mode = a->t.data;

    for (size_t i = 0; i < m->n; i++) {
        if (m->mode[i] > TREE_MEMBER) {
            return maas_err(m->t->err, MAAS_EINVAL,
                            "nodes_modes[%zu] is %d; expected 0 to %d", i,
                            m->mode[i], TREE_MEMBER);
        }
    }

    return MAAS_OK;
}


static maas_status_t
tm_attrs(tm_t *m, const maas_raw_node_t *n)
{
    ti_t                   *t = m->t;
    const maas_raw_attr_t  *a = maas_raw_attr(n, "n_targets");

    t->targets = a == NULL ? 1 : a->type == MAAS_ATTR_INT ? a->i : 0;

    if (t->targets < 1 || t->targets > TREES_TARGETS_MAX) {
        return maas_err(t->err, MAAS_EINVAL, "it has %lld targets "
                        "(n_targets); expected 1 to %d",
                        (long long) t->targets, TREES_TARGETS_MAX);
    }

    MAAS_TRY(tm_count(m, n, "nodes_featureids", &m->n, &m->feature));
    MAAS_TRY(tm_count(m, n, "leaf_targetids", &m->m, &m->target));
    MAAS_TRY(ti_ints(t, n, "nodes_truenodeids", m->n, false, &m->yes));
    MAAS_TRY(ti_ints(t, n, "nodes_falsenodeids", m->n, false, &m->no));
    MAAS_TRY(ti_ints(t, n, "nodes_trueleafs", m->n, false, &m->yes_leaf));
    MAAS_TRY(ti_ints(t, n, "nodes_falseleafs", m->n, false, &m->no_leaf));
    MAAS_TRY(ti_ints(t, n, "nodes_missing_value_tracks_true", m->n, true,
                     &m->missing));
    MAAS_TRY(tm_modes(m, n));
    MAAS_TRY(tm_reals(m, n, "nodes_splits", m->n, &m->split));
    MAAS_TRY(tm_reals(m, n, "leaf_weights", m->m, &m->weight));

    return ti_reals(t, n, NULL, "membership_values", &m->member);
}


/* -- sets ---------------------------------------------------------------- */

static int
tm_compare(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}


/* The sets, one for each MEMBER branch, in the order of the branches. */
static maas_status_t
tm_sets(tm_t *m)
{
    ti_t    *t = m->t;
    size_t   at = 0, sets = 0;
    double   v;

    t->set = maas_arena_array(&t->arena, m->member.n + 1, sizeof(double));
    if (t->set == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < m->n; i++) {
        if (m->mode[i] != TREE_MEMBER) {
            continue;
        }

        t->node[i].set = (uint32_t) t->n_set;
        sets++;

        while (at < m->member.n) {
            v = ti_real(&m->member, at++);

            if (v != v) {
                break;
            }

            t->set[t->n_set++] = v;
        }

        t->node[i].n_set = (uint32_t) t->n_set - t->node[i].set;
        qsort(t->set + t->node[i].set, t->node[i].n_set, sizeof(double),
              tm_compare);
    }

    if (at < m->member.n || (sets > 0 && m->member.n == 0)) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute 'membership_values' has %zu values; "
                        "expected a set, each ended by NaN, for each of the "
                        "%zu branches of mode MEMBER", m->member.n, sets);
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

static maas_status_t
tm_link(tm_t *m, const char *name, size_t i, int64_t to, int64_t leaf,
    uint32_t *out)
{
    size_t  limit = leaf ? m->m : m->n;

    if (to < 0 || (size_t) to >= limit) {
        return maas_err(m->t->err, MAAS_EINVAL, "%s[%zu] is %lld; there are "
                        "%zu %s", name, i, (long long) to, limit,
                        leaf ? "leaves" : "branches");
    }

    *out = (uint32_t) (to + (leaf ? (int64_t) m->n : 0));
    return MAAS_OK;
}


static maas_status_t
tm_branch(tm_t *m, size_t i, ti_node_t *out)
{
    if (m->feature[i] < 0 || m->feature[i] > INT32_MAX) {
        return maas_err(m->t->err, MAAS_EINVAL,
                        "nodes_featureids[%zu] is %lld", i,
                        (long long) m->feature[i]);
    }

    out->mode = m->mode[i];
    out->value = ti_real(&m->split, i);
    out->feature = (int32_t) m->feature[i];
    out->missing = m->missing != NULL && m->missing[i] == 1;
    MAAS_TRY(tm_link(m, "nodes_truenodeids", i, m->yes[i], m->yes_leaf[i],
                     &out->yes));

    return tm_link(m, "nodes_falsenodeids", i, m->no[i], m->no_leaf[i],
                   &out->no);
}


/* Leaf i is node n + i, with one weight. */
static maas_status_t
tm_leaves(tm_t *m)
{
    ti_t  *t = m->t;

    for (size_t i = 0; i < m->m; i++) {
        if (m->target[i] < 0 || m->target[i] >= t->targets) {
            return maas_err(t->err, MAAS_EINVAL,
                            "leaf_targetids[%zu] is %lld; expected 0 to %lld",
                            i, (long long) m->target[i],
                            (long long) t->targets - 1);
        }

        t->node[m->n + i].mode = TREE_LEAF;
        t->first[m->n + i + 1] = (uint32_t) i + 1;
        t->weight[i] = (tree_weight_t) {
            m->target[i], ti_real(&m->weight, i)
        };
    }

    return MAAS_OK;
}


static maas_status_t
tm_roots(tm_t *m, const maas_raw_node_t *n)
{
    ti_t           *t = m->t;
    const int64_t  *root;

    MAAS_TRY(tm_count(m, n, "tree_roots", &t->n_root, &root));

    t->root = maas_arena_array(&t->arena, t->n_root, sizeof(uint32_t));
    if (t->root == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < t->n_root; i++) {
        MAAS_TRY(tm_link(m, "tree_roots", i, root[i], 0, &t->root[i]));
    }

    return MAAS_OK;
}


maas_status_t
ti_read_modern(ti_t *t, const maas_raw_node_t *n)
{
    tm_t  m = { .t = t };

    MAAS_TRY(tm_attrs(&m, n));

    t->n = m.n + m.m;
    t->n_weight = m.m;
    t->node = maas_arena_array(&t->arena, t->n, sizeof(ti_node_t));
    t->first = maas_arena_array(&t->arena, t->n + 1, sizeof(uint32_t));
    t->weight = maas_arena_array(&t->arena, m.m, sizeof(tree_weight_t));
    if (t->node == NULL || t->first == NULL || t->weight == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < m.n; i++) {
        MAAS_TRY(tm_branch(&m, i, &t->node[i]));
    }

    MAAS_TRY(tm_sets(&m));
    MAAS_TRY(tm_leaves(&m));

    return tm_roots(&m, n);
}
