/*
 * dropout.h: which elements of a batch a dropout keeps, and what becomes of
 * them; see train_dropout.c.  For attention.c, which drops weights that are
 * never written down.
 *
 * Plain values on the caller's stack; reentrant.
 */

#ifndef MAAS_DROPOUT_H
#define MAAS_DROPOUT_H

#include "base/random.h"
#include "graph/op.h"


typedef struct {
    maas_random_t  g;
    uint64_t       before;      /* elements of the batch before these */
    uint32_t       below;
    double         scale;
} maas_drop_t;

/* key: 2 or 4 numbers; total: of elements. */
void maas_drop_init(maas_drop_t *d, const int64_t *key, int64_t n_key,
    int64_t node, float ratio, int64_t total);

/* Factors of elements [at, at + n): 0, or 1 / (1 - ratio). */
void maas_drop_factors(const maas_drop_t *d, void *f, maas_dtype_t dtype,
    int64_t at, int64_t n);

#endif
