/*
 * trees.h: the forest of a maas.Trees node as an image holds it, and what
 * the files trees*.c share.  Private to them.
 *
 * A walk compares integers.  A row is first turned into keys, one for each
 * column that the trees ask about: a feature as an integer in the order of
 * the numbers, or 0 and 1 for "equal to v" and "in the set S" (1: no).  A
 * branch asks `key of its column <= its own`; children lie side by side,
 * "yes" first.  What the file spells otherwise (>=, <, !=, where NaN goes)
 * is in the choice of the column, of the key and of the order of children.
 *
 * Nodes of a tree are in breadth-first order.  A leaf asks about column 0,
 * whose key is 0, and has no child: it leads to itself, so that eight walks
 * run side by side without a branch.
 */

#ifndef MAAS_TREES_H
#define MAAS_TREES_H

#include "ops/ops_common.h"


/* -- nodes --------------------------------------------------------------- */

#define TREES_LANES   8         /* rows, or trees, that are walked at once */
#define TREES_BLOCK   64        /* trees that are summed before the rest */
#define TREES_ROWS    64        /* rows of a work unit, at most */

/* Key of column c, lane i: keys[c * TREES_LANES + i]; nodes have c * LANES. */
typedef struct {
    uint32_t  key;              /* of a leaf: what it gives */
    uint16_t  col;
    uint16_t  child;            /* distance to the children; 0: a leaf */
} tree_small_t;

typedef struct {
    uint32_t  key;
    uint32_t  col;
    uint32_t  child;
    uint32_t  pad;
} tree_large_t;

typedef struct {
    int64_t   root;
    uint32_t  level;            /* steps before leaves are looked for */
    uint32_t  target;           /* of all of its leaves (TREES_VALUE) */
} tree_t;

_Static_assert(sizeof(tree_small_t) == sizeof(int64_t), "tree node");
_Static_assert(sizeof(tree_large_t) == 2 * sizeof(int64_t), "tree node");
_Static_assert(sizeof(tree_t) == 2 * sizeof(int64_t), "tree");


/* -- columns ------------------------------------------------------------- */

/* In the order in which they lie. */
typedef enum {
    TREE_COL_ZERO = 0,          /* the first one, for leaves */
    TREE_COL_UP,                /* rounded up to float32: x <= t */
    TREE_COL_DOWN,              /* rounded down: x < t */
    TREE_COL_BELOW,             /* numbers of a table below it: x <= t */
    TREE_COL_UPTO,              /* numbers of a table up to it: x < t */
    TREE_COL_EQUAL,
    TREE_COL_SET,
    TREE_COLS
} tree_col_kind_t;

typedef struct {
    int32_t   feature;
    uint16_t  kind;             /* tree_col_kind_t */
    uint16_t  low;              /* NaN: the lowest key, else the highest */
    union {
        double    value;        /* EQUAL */
        struct {
            uint32_t  first;    /* in the table, ascending */
            uint32_t  n;
        };
    };
} tree_col_t;

_Static_assert(sizeof(tree_col_t) == 2 * sizeof(int64_t), "tree column");

/* A float's bits in the order of the numbers, above 0 and below ~0. */
static inline uint32_t
maas_tree_key(float f)
{
    uint32_t  u;

    memcpy(&u, &f, sizeof(u));

    if (u == 0x80000000) {
        u = 0;
    }

    return u ^ ((uint32_t) -(int32_t) (u >> 31) | 0x80000000);
}


/* -- what leaves give ---------------------------------------------------- */

typedef enum {
    TREES_VALUE = 0,            /* the key is a float32; one target a tree */
    TREES_DENSE,                /* its number; a weight for each target */
    TREES_LIST                  /* its number; leaf[i] to leaf[i + 1] */
} trees_leaf_t;

typedef struct {
    int64_t  target;            /* or class */
    double   weight;
} tree_weight_t;

_Static_assert(sizeof(tree_weight_t) == 2 * sizeof(int64_t), "leaf weight");


/* -- the node ------------------------------------------------------------ */

enum {                          /* inputs of maas.Trees besides X: int64 */
    TREES_NODES = 1, TREES_TREES, TREES_COLUMNS, TREES_TABLE, TREES_LEAVES,
    TREES_WEIGHTS, TREES_BASE, TREES_INPUTS
};

#define TREES_TARGETS_MAX  (1 << 20)

/* TreeEnsembleRegressor, -Classifier and TreeEnsemble become maas.Trees. */
maas_status_t maas_trees_upgrade(maas_import_t *im, maas_raw_node_t *n,
    int opset, maas_err_t *err);


/* -- walking ------------------------------------------------------------- */

typedef struct {
    const tree_col_t  *col;
    int64_t            n_col;
    const double      *table;
} trees_keys_t;

/* Keys of one row of the dtype into lane 0 of k. */
void maas_trees_keys(const trees_keys_t *f, const void *x, int dtype,
    uint32_t *k);

/* Lanes of k through one tree; trees through lane 0 of k (n <= LANES). */
void maas_trees_rows(const void *nodes, bool large, const tree_t *tree,
    const uint32_t *k, uint32_t *leaf);
void maas_trees_row(const void *nodes, bool large, const tree_t *tree, int n,
    const uint32_t *k, uint32_t *leaf);

#endif
