/*
 * feed: rows of data as tensors: what the loop of training reads.
 *
 * Ownership: whoever made the feed.
 * Threads:   one thread.
 */

#ifndef MAAS_FEED_H
#define MAAS_FEED_H

#include "tensor/tensor.h"


typedef struct {
    void           *ctx;
    /* Type and shape of an input and a target; dims[0] is the batch. */
    maas_tensor_t   x;
    maas_tensor_t   y;
    /* train: rows may be augmented, by epoch. */
    maas_status_t (*rows)(void *ctx, const int64_t *row, int64_t n,
                          bool train, uint64_t epoch, void *x, void *y,
                          maas_err_t *err);
    /* Weight of each item of a batch by its target; NULL: all 1. */
    void          (*weigh)(void *ctx, const void *y, int64_t n,
                           float *weight);
} maas_feed_t;

#endif
