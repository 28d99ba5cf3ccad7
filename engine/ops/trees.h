/*
 * trees: private to trees.c and trees_import.c.  A forest in the form in
 * which it is walked: three int64 a node, two a leaf weight, all constants
 * of the node maas.Trees, so that the image holds and shares them.
 *
 * A child's number is above its parent's: a walk ends.  Inference checks
 * that for every plan, since an image is bytes from a disk.
 */

#ifndef MAAS_TREES_H
#define MAAS_TREES_H

#include "ops/ops_common.h"


typedef enum {
    TREE_LEQ = 0, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_LEAF
} tree_mode_t;

typedef struct {
    double    value;
    int32_t   feature;
    uint16_t  mode;             /* tree_mode_t */
    uint16_t  missing;          /* NaN goes the way of true */
    int32_t   yes;              /* leaf: its first weight */
    int32_t   no;               /* leaf: how many */
} tree_node_t;

typedef struct {
    int64_t  target;            /* or class */
    double   weight;
} tree_weight_t;

_Static_assert(sizeof(tree_node_t) == 3 * sizeof(int64_t), "tree node");
_Static_assert(sizeof(tree_weight_t) == 2 * sizeof(int64_t), "leaf weight");

#define TREES_NODES    1        /* inputs of maas.Trees besides X */
#define TREES_WEIGHTS  2
#define TREES_ROOTS    3
#define TREES_BASE     4

#define TREES_TARGETS_MAX  (1 << 20)

/* TreeEnsembleRegressor and -Classifier become maas.Trees. */
maas_status_t maas_trees_upgrade(maas_import_t *im, maas_raw_node_t *n,
    int opset, maas_err_t *err);

#endif
