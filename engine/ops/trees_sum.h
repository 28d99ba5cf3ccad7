/*
 * trees_sum.h: a forest that is bound to a step, and the sums of its leaves.
 * Private to trees*.c.
 *
 * Ownership: the caller has the memory of sums.
 * Threads:   reentrant.
 */

#ifndef MAAS_TREES_SUM_H
#define MAAS_TREES_SUM_H

#include "ops/trees_score.h"


typedef struct {
    const trees_attr_t   *at;
    const tree_t         *tree;
    int64_t               n_tree;
    const void           *node;
    trees_keys_t          keys;
    const int64_t        *first;
    const tree_weight_t  *list;
    const double         *dense;
    uint32_t              n_leaf;
    trees_base_t          base;
} forest_t;

/* Sums of rows: targets of row 0, of row 1, ...; has: of each, 0 or 1. */
typedef struct {
    double   *v;
    uint8_t  *has;
} sums_t;


void maas_forest_open(forest_t *f, const trees_attr_t *at,
    const maas_tensor_t *in);

/* Blocks of TREES_BLOCK trees; at least 1. */
static inline int64_t
maas_forest_blocks(int64_t trees)
{
    return maas_max((trees + TREES_BLOCK - 1) / TREES_BLOCK, 1);
}


/* One block of trees for `rows` rows, a tree after the other. */
void maas_sum_block(const forest_t *f, int64_t block, const uint32_t *k,
    int64_t rows, const sums_t *s);

/* Joins the sums of one more block, n values. */
void maas_sum_join(const forest_t *f, const sums_t *all, const sums_t *s,
    int64_t n);

#endif
