/*
 * fit_metrics: what is told about an epoch besides its loss.  Sums over
 * batches, in double, in the order of the rows.
 *
 * Ownership: plain values.
 * Threads:   one thread.
 */

#ifndef MAAS_FIT_METRICS_H
#define MAAS_FIT_METRICS_H

#include "tensor/tensor.h"
#include "train/losses.h"


typedef enum {
    MAAS_FIT_ACCURACY = 0,
    MAAS_FIT_MAE,
    MAAS_FIT_MSE,
    MAAS_FIT_RMSE,
    MAAS_FIT_R2,
    MAAS_FIT_METRICS
} maas_fit_metric_t;

typedef struct {
    const char  *name;
    const char  *alias;         /* NULL: none */
    const char  *about;
    bool         more;          /* is better */
} maas_fit_metric_row_t;

extern const maas_fit_metric_row_t  maas_fit_metric_rows[];

/* -1: unknown. */
int maas_fit_metric_find(maas_str_t name);

typedef struct {
    double   loss;              /* times items */
    int64_t  items;
    double   hits, judged;      /* accuracy */
    double   absolute, square, count;
    double   sum, sum2;         /* of the targets */
} maas_fit_sums_t;

/*
 * wanted: bits of maas_fit_metric_t.  result: of the model, float32;
 * logits: it gives scores, not probabilities (accuracy of BINARY: above 0).
 */
void maas_fit_sums_add(maas_fit_sums_t *s, unsigned wanted,
    maas_target_kind_t kind, bool logits, float loss,
    const maas_tensor_t *result, const maas_tensor_t *target);

double maas_fit_metric(const maas_fit_sums_t *s, maas_fit_metric_t m);

#endif
