/*
 * fit_seen: what a model answered on some rows, kept until all have been
 * seen, for the measures that are no sums over batches: maas_evaluate()
 * computes them, as `maas evaluate` does.
 *
 * Ownership: two buffers of the rows, from begin to end.
 * Threads:   one thread.
 */

#ifndef MAAS_FIT_SEEN_H
#define MAAS_FIT_SEEN_H

#include "train/fit_metrics.h"


typedef struct {
    const maas_host_t   *host;
    maas_target_kind_t   kind;
    bool                 logits;        /* scores, to be made probabilities */
    uint64_t             wanted;        /* bits of maas_fit_metric_t */
    /* Set by begin(). */
    int64_t              rows;          /* that are judged, of all items */
    int64_t              each;          /* rows of an item */
    int64_t              k;             /* numbers of a row */
    float               *score;         /* [rows][k] */
    float               *truth;         /* class, or [k] numbers; below 0: a
                                           class that is not judged */
    int64_t              n_truth;
} maas_fit_seen_t;

/* items of a result of this shape, without its batch; zeros before add(). */
maas_status_t maas_fit_seen_begin(maas_fit_seen_t *s, int64_t items,
    const int64_t *dims, int rank, maas_err_t *err);
void maas_fit_seen_end(maas_fit_seen_t *s);

/* Items from number `at` on; as in maas_fit_sums_add(). */
void maas_fit_seen_add(maas_fit_seen_t *s, int64_t at,
    const maas_tensor_t *result, const maas_tensor_t *target);

/* measured[MAAS_M_COUNT]; NaN: not asked for, or not defined. */
maas_status_t maas_fit_seen_measure(const maas_fit_seen_t *s,
    double *measured, maas_err_t *err);

#endif
