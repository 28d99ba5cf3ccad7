/*
 * trees_layout: the forest of a file in the form that is walked (trees.h):
 * what branches ask becomes columns and keys, trees become nodes in
 * breadth-first order, leaves a value, a row or a list of weights.  Nodes
 * that no root reaches are dropped.
 *
 * Ownership: lists lie in the arena of ti_t.
 * Threads:   one thread.
 */

#include <math.h>
#include <stdlib.h>

#include "ops/trees_file.h"


#define TL_DEPTH  10            /* levels that are walked to the end */

typedef struct {
    ti_t        *t;
    bool         exact;         /* thresholds are float32: no tables */
    size_t       n;             /* nodes that are walked */
    uint32_t    *order;         /* number in the file */
    uint32_t    *child;         /* distance to the children */
    uint32_t    *key;
    uint32_t    *col;
    uint32_t    *level;
    tree_t      *tree;
    tree_col_t  *column;
    size_t       n_column;
    double      *table;
    size_t       n_table;
    size_t       n_leaf;
} tl_t;


/* -- what a branch asks -------------------------------------------------- */

/* True if "yes" of the walk is "no" of the file. */
static bool
tl_swapped(const ti_node_t *n)
{
    return n->mode == TREE_GTE || n->mode == TREE_GT || n->mode == TREE_NEQ;
}


static int
tl_kind(const tl_t *l, const ti_node_t *n)
{
    switch (n->mode) {
    case TREE_LEQ:
    case TREE_GT:
        return l->exact ? TREE_COL_UP : TREE_COL_BELOW;
    case TREE_LT:
    case TREE_GTE:
        return l->exact ? TREE_COL_DOWN : TREE_COL_UPTO;
    case TREE_MEMBER:
        return TREE_COL_SET;
    default:
        return TREE_COL_EQUAL;
    }
}


/* NaN is in no relation but !=, unless the branch says that it goes there. */
static bool
tl_low(const ti_node_t *n)
{
    bool  yes = n->missing || n->mode == TREE_NEQ;

    return yes != tl_swapped(n);
}


/* -- order --------------------------------------------------------------- */

static maas_status_t
tl_visit(tl_t *l, uint32_t at, uint32_t level, uint8_t *seen, size_t limit)
{
    const ti_node_t  *n = &l->t->node[at];

    if (l->n == limit || (seen[at] && !(l->t->modern
                                        && n->mode == TREE_LEAF)))
    {
        return maas_err(l->t->err, MAAS_EINVAL,
                        "node %u of the lists is reached twice: this is no "
                        "tree", at);
    }

    seen[at] = 1;
    l->level[l->n] = level;
    l->order[l->n++] = at;
    return MAAS_OK;
}


/* One tree, in breadth-first order; `first`: where it begins. */
static maas_status_t
tl_tree(tl_t *l, size_t root, uint8_t *seen, size_t limit)
{
    bool              swap;
    size_t            first = l->n;
    uint64_t          leaves = 0, levels = 0;
    const ti_node_t  *n;
    tree_t           *tree = &l->tree[root];

    tree->root = (int64_t) first;
    MAAS_TRY(tl_visit(l, l->t->root[root], 0, seen, limit));

    for (size_t i = first; i < l->n; i++) {
        n = &l->t->node[l->order[i]];

        if (n->mode == TREE_LEAF) {
            levels += l->level[i];
            leaves++;
            continue;
        }

        swap = tl_swapped(n);
        l->child[i] = (uint32_t) (l->n - i);
        MAAS_TRY(tl_visit(l, swap ? n->no : n->yes, l->level[i] + 1, seen,
                          limit));
        MAAS_TRY(tl_visit(l, swap ? n->yes : n->no, l->level[i] + 1, seen,
                          limit));
    }

    /* In a deep tree most walks end far above its deepest leaf. */
    tree->level = l->level[l->n - 1];

    if (tree->level > TL_DEPTH) {
        tree->level = (uint32_t) (levels / leaves);
    }

    return MAAS_OK;
}


/* Each branch is reached once, leaves of the modern form more often. */
static maas_status_t
tl_order(tl_t *l)
{
    ti_t     *t = l->t;
    size_t    limit = t->n_root;
    uint8_t  *seen = maas_arena_alloc(&t->arena, t->n);

    for (size_t i = 0; i < t->n; i++) {
        limit += t->node[i].mode == TREE_LEAF ? 0 : 2;
    }

    l->order = maas_arena_array(&t->arena, limit, sizeof(uint32_t));
    l->child = maas_arena_array(&t->arena, limit, sizeof(uint32_t));
    l->level = maas_arena_array(&t->arena, limit, sizeof(uint32_t));
    l->key = maas_arena_array(&t->arena, limit, sizeof(uint32_t));
    l->col = maas_arena_array(&t->arena, limit, sizeof(uint32_t));
    l->tree = maas_arena_array(&t->arena, t->n_root, sizeof(tree_t));
    if (seen == NULL || l->order == NULL || l->child == NULL
        || l->level == NULL || l->key == NULL || l->col == NULL
        || l->tree == NULL)
    {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < t->n_root; i++) {
        MAAS_TRY(tl_tree(l, i, seen, limit));
    }

    return MAAS_OK;
}


/* -- columns ------------------------------------------------------------- */

typedef struct {
    tree_col_t       col;
    double           value;     /* threshold, for tables */
    const ti_node_t *node;
    uint32_t         at;        /* node that is walked */
} tl_ask_t;


static int
tl_compare_double(double a, double b)
{
    return a < b ? -1 : a > b;
}


static int
tl_compare_set(const ti_node_t *a, const ti_node_t *b)
{
    return a->set != b->set ? (a->set < b->set ? -1 : 1)
           : a->n_set < b->n_set ? -1 : a->n_set > b->n_set;
}


/* By column; 0: the same one. */
static int
tl_compare(const tl_ask_t *a, const tl_ask_t *b)
{
    if (a->col.kind != b->col.kind) {
        return a->col.kind < b->col.kind ? -1 : 1;
    }

    if (a->col.feature != b->col.feature) {
        return a->col.feature < b->col.feature ? -1 : 1;
    }

    if (a->col.low != b->col.low) {
        return a->col.low < b->col.low ? -1 : 1;
    }

    return a->col.kind == TREE_COL_EQUAL
           ? tl_compare_double(a->col.value, b->col.value)
           : a->col.kind == TREE_COL_SET ? tl_compare_set(a->node, b->node)
           : 0;
}


static int
tl_sort(const void *a, const void *b)
{
    const tl_ask_t  *x = a, *y = b;
    int              order = tl_compare(x, y);

    return order != 0 ? order
           : (order = tl_compare_double(x->value, y->value)) != 0 ? order
           : x->at < y->at ? -1 : x->at > y->at;
}


/* What every branch asks, sorted; what compares with NaN asks for no set. */
static maas_status_t
tl_asks(tl_t *l, tl_ask_t **out, size_t *count)
{
    size_t      n = 0;
    tl_ask_t   *ask;
    ti_node_t  *node;

    ask = maas_arena_array(&l->t->arena, l->n + 1, sizeof(tl_ask_t));
    if (ask == NULL) {
        return maas_err_nomem(l->t->err);
    }

    for (size_t i = 0; i < l->n; i++) {
        node = &l->t->node[l->order[i]];

        if (node->mode == TREE_LEAF) {
            continue;
        }

        ask[n].at = (uint32_t) i;
        ask[n].node = node;
        ask[n].col.kind = (uint16_t) tl_kind(l, node);
        ask[n].col.feature = node->feature;
        ask[n].col.low = tl_low(node);

        if (node->value == node->value || node->mode == TREE_MEMBER) {
            ask[n].value = node->mode == TREE_MEMBER ? 0 : node->value;

        } else {
            node->n_set = 0;
            ask[n].col.kind = TREE_COL_SET;
        }

        if (ask[n].col.kind == TREE_COL_EQUAL) {
            ask[n].col.value = node->value == 0 ? 0 : node->value;
        }

        n++;
    }

    qsort(ask, n, sizeof(tl_ask_t), tl_sort);

    *out = ask;
    *count = n;
    return MAAS_OK;
}


/* The key of a branch: at or below it is "yes". */
static uint32_t
tl_key(tl_t *l, const tl_ask_t *a)
{
    tree_col_t  *c = &l->column[l->n_column - 1];

    switch (c->kind) {

    case TREE_COL_UP:
        return maas_tree_key((float) a->value);

    case TREE_COL_DOWN:
        return maas_tree_key((float) a->value) - 1;

    case TREE_COL_BELOW:
    case TREE_COL_UPTO:
        if (c->n == 0 || l->table[l->n_table - 1] != a->value) {
            l->table[l->n_table++] = a->value;
            c->n++;
        }

        return c->n;            /* 1 + the number of those before it */

    default:
        return 0;
    }
}


static maas_status_t
tl_columns(tl_t *l)
{
    size_t       n = 0;
    ti_t        *t = l->t;
    tl_ask_t    *ask = NULL;
    tree_col_t  *c;

    MAAS_TRY(tl_asks(l, &ask, &n));

    l->column = maas_arena_array(&t->arena, n + 1, sizeof(tree_col_t));
    l->table = maas_arena_array(&t->arena, n + t->n_set + 1, sizeof(double));
    if (l->column == NULL || l->table == NULL) {
        return maas_err_nomem(t->err);
    }

    l->n_column = 1;            /* the leaves' */

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || tl_compare(&ask[i - 1], &ask[i]) != 0) {
            c = &l->column[l->n_column++];
            *c = ask[i].col;

            if (c->kind != TREE_COL_EQUAL) {
                c->first = (uint32_t) l->n_table;
            }

            if (c->kind == TREE_COL_SET) {
                c->n = ask[i].node->n_set;
                memcpy(l->table + l->n_table, t->set + ask[i].node->set,
                       c->n * sizeof(double));
                l->n_table += c->n;
            }
        }

        l->key[ask[i].at] = tl_key(l, &ask[i]);
        l->col[ask[i].at] = (uint32_t) l->n_column - 1;
    }

    return MAAS_OK;
}


/* -- leaves -------------------------------------------------------------- */

/* What fits every leaf: a value, a row, or a list. */
static trees_leaf_t
tl_form(const tl_t *l, bool sums)
{
    bool                  value = sums, dense = sums && l->t->targets <= 256;
    uint32_t              at, n, target = 0;
    const ti_t           *t = l->t;
    const tree_weight_t  *w;

    for (size_t i = 0, tree = 0; i < l->n && (value || dense); i++) {
        at = l->order[i];

        if (tree < t->n_root && (size_t) l->tree[tree].root == i) {
            target = UINT32_MAX;
            tree++;
        }

        if (t->node[at].mode != TREE_LEAF) {
            continue;
        }

        n = t->first[at + 1] - t->first[at];
        w = &t->weight[t->first[at]];
        value &= n == 1 && (double) (float) w->weight == w->weight
                 && (target == UINT32_MAX || target == w->target);
        target = n == 1 ? (uint32_t) w->target : target;
        dense &= n == t->targets;

        for (uint32_t k = 0; dense && k < n; k++) {
            dense = w[k].target == k;
        }
    }

    return value ? TREES_VALUE : dense ? TREES_DENSE : TREES_LIST;
}


/* Gives leaf `i` its key. */
static void
tl_leaf(tl_t *l, size_t i, double *dense, int64_t *first, tree_weight_t *list)
{
    float     f;
    ti_t     *t = l->t;
    uint32_t  at = l->order[i], n = t->first[at + 1] - t->first[at];

    if (t->leaf == TREES_VALUE) {
        f = (float) t->weight[t->first[at]].weight;
        memcpy(&l->key[i], &f, sizeof(f));
        return;
    }

    if (t->leaf == TREES_DENSE) {
        for (uint32_t k = 0; k < n; k++) {
            dense[l->n_leaf * n + k] = t->weight[t->first[at] + k].weight;
        }

    } else {
        memcpy(list + first[l->n_leaf], t->weight + t->first[at],
               n * sizeof(tree_weight_t));
        first[l->n_leaf + 1] = first[l->n_leaf] + n;
    }

    l->key[i] = (uint32_t) l->n_leaf++;
}


static maas_status_t
tl_leaves(tl_t *l, bool sums)
{
    ti_t           *t = l->t;
    size_t          leaves = 0, weights = 0, tree = 0;
    double         *dense;
    int64_t        *first;
    tree_weight_t  *list;

    t->leaf = tl_form(l, sums);

    for (size_t i = 0; i < l->n; i++) {
        if (l->child[i] == 0) {
            leaves++;
            weights += t->first[l->order[i] + 1] - t->first[l->order[i]];
        }
    }

    leaves = t->leaf == TREES_VALUE ? 0 : leaves;
    dense = maas_arena_array(&t->arena, t->leaf == TREES_DENSE ? weights : 0,
                             sizeof(double));
    first = maas_arena_array(&t->arena, t->leaf == TREES_LIST ? leaves + 1 : 0,
                             sizeof(int64_t));
    list = maas_arena_array(&t->arena, t->leaf == TREES_LIST ? weights : 0,
                            sizeof(tree_weight_t));
    if (dense == NULL || first == NULL || list == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < l->n; i++) {
        if (tree < t->n_root && (size_t) l->tree[tree].root == i) {
            tree++;
        }

        if (l->child[i] != 0) {
            continue;
        }

        if (t->leaf == TREES_VALUE) {
            l->tree[tree - 1].target
                = (uint32_t) t->weight[t->first[l->order[i]]].target;
        }

        tl_leaf(l, i, dense, first, list);
    }

    t->input[TREES_LEAVES] = first;
    t->size[TREES_LEAVES] = t->leaf == TREES_LIST ? leaves + 1 : 0;
    t->input[TREES_WEIGHTS] = t->leaf == TREES_DENSE ? (void *) dense : list;
    t->size[TREES_WEIGHTS] = t->leaf == TREES_DENSE ? weights
                             : t->leaf == TREES_LIST ? 2 * weights : 0;
    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

static maas_status_t
tl_nodes(tl_t *l)
{
    ti_t          *t = l->t;
    tree_small_t  *s;
    tree_large_t  *g;

    t->large = l->n_column * TREES_LANES > UINT16_MAX;

    for (size_t i = 0; i < l->n; i++) {
        t->large |= l->child[i] > UINT16_MAX;
    }

    s = maas_arena_array(&t->arena, l->n, t->large ? sizeof(tree_large_t)
                                                   : sizeof(tree_small_t));
    if (s == NULL) {
        return maas_err_nomem(t->err);
    }

    g = (tree_large_t *) s;

    for (size_t i = 0; i < l->n; i++) {
        if (t->large) {
            g[i].key = l->key[i];
            g[i].col = l->col[i] * TREES_LANES;
            g[i].child = l->child[i];

        } else {
            s[i].key = l->key[i];
            s[i].col = (uint16_t) (l->col[i] * TREES_LANES);
            s[i].child = (uint16_t) l->child[i];
        }
    }

    t->input[TREES_NODES] = s;
    t->size[TREES_NODES] = l->n * (t->large ? 2 : 1);
    return MAAS_OK;
}


maas_status_t
ti_layout(ti_t *t, bool sums)
{
    tl_t        l = { .t = t, .exact = true };
    ti_node_t  *n;

    for (size_t i = 0; i < t->n; i++) {
        n = &t->node[i];
        l.exact &= n->mode == TREE_LEAF || n->value != n->value
                   || (double) (float) n->value == n->value;

        /* No number is <, >, <= or >= NaN. */
        if (n->value != n->value && (n->mode == TREE_LT || n->mode == TREE_GT
                                     || n->mode == TREE_GTE))
        {
            n->mode = TREE_LEQ;
        }
    }

    MAAS_TRY(tl_order(&l));
    MAAS_TRY(tl_columns(&l));
    MAAS_TRY(tl_leaves(&l, sums));
    MAAS_TRY(tl_nodes(&l));

    t->input[TREES_TREES] = l.tree;
    t->size[TREES_TREES] = 2 * t->n_root;
    t->input[TREES_COLUMNS] = l.column;
    t->size[TREES_COLUMNS] = 2 * l.n_column;
    t->input[TREES_TABLE] = l.table;
    t->size[TREES_TABLE] = l.n_table;
    return MAAS_OK;
}
