/*
 * trees_score.h: from the sums of a row to its scores and its class.
 * Private to trees*.c.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#ifndef MAAS_TREES_SCORE_H
#define MAAS_TREES_SCORE_H

#include "ops/ml_common.h"
#include "ops/trees.h"


typedef struct {
    int64_t      targets;
    int64_t      classify;
    int64_t      binary;        /* two classes, weights for one of them */
    int64_t      positive;      /* no weight is negative */
    int64_t      modern;        /* float64 gives float64 */
    int64_t      large;         /* nodes are tree_large_t */
    int64_t      leaf;          /* trees_leaf_t */
    int64_t      aggregate;
    int64_t      post;
    maas_list_t  ints;          /* class labels */
    maas_list_t  strings;
} trees_attr_t;

enum { AGG_SUM = 0, AGG_AVERAGE, AGG_MIN, AGG_MAX };

typedef struct {
    const double  *v;           /* base values: none, 1, or one a target */
    int64_t        n;
    int64_t        trees;
} trees_base_t;

typedef struct {
    double  v;
    bool    has;                /* some leaf had a weight for it */
} score_t;

void maas_trees_regress(const trees_attr_t *at, const trees_base_t *b,
    score_t *s);

/* The number of the class. */
int64_t maas_trees_classify(const trees_attr_t *at, const trees_base_t *b,
    score_t *s);

#endif
