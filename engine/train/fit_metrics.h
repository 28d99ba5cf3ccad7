/*
 * fit_metrics: what is told about an epoch besides its loss.  Sums over
 * batches, in double, in the order of the rows; and by fit_seen.h all the
 * measures of classes and numbers that maas_evaluate() has.
 *
 * Ownership: plain values.
 * Threads:   one thread.
 */

#ifndef MAAS_FIT_METRICS_H
#define MAAS_FIT_METRICS_H

#include "tensor/tensor.h"
#include "train/evaluate.h"
#include "train/losses.h"


typedef enum {
    MAAS_FIT_ACCURACY = 0,
    MAAS_FIT_MAE,
    MAAS_FIT_MSE,
    MAAS_FIT_RMSE,
    MAAS_FIT_R2,
    MAAS_FIT_SUMMED,            /* from here on: measures of evaluate.h */
    MAAS_FIT_METRICS = MAAS_FIT_SUMMED + MAAS_M_COUNT
} maas_fit_metric_t;

/* Sets of metrics are bits of a uint64_t. */
#define MAAS_FIT_BIT(m)       (UINT64_C(1) << (m))
#define MAAS_FIT_SUMMED_BITS  (MAAS_FIT_BIT(MAAS_FIT_SUMMED) - 1)

const char *maas_fit_metric_name(int m);
const char *maas_fit_metric_about(int m);
bool maas_fit_metric_more(int m);           /* is better */

/* Names that others know it by, one by one; NULL: no more. */
const char *maas_fit_metric_alias(int m, int i);

/* Under another number as well, or of neither classes nor numbers. */
bool maas_fit_metric_hidden(int m);

/* -1: unknown. */
int maas_fit_metric_find(maas_str_t name);

/* What a result is judged as. */
typedef struct {
    maas_target_kind_t  kind;
    bool                numbers;    /* targets are float32 */
    int64_t             n_class;    /* 0: of a row several may be right */
    const char         *what;       /* "the loss mean_squared_error" */
} maas_fit_judge_t;

/* Names become bits; an unknown one, or one that does not fit, is said. */
maas_status_t maas_fit_metric_parse(const maas_param_texts_t *names,
    const maas_fit_judge_t *j, uint64_t *wanted, maas_err_t *err);

/* The first largest of n. */
int64_t maas_fit_argmax(const float *x, int64_t n);

typedef struct {
    double   loss;              /* times items */
    int64_t  items;
    double   hits, judged;      /* accuracy */
    double   absolute, square, count;
    double   sum, sum2;         /* of the targets */
    double   measured[MAAS_M_COUNT];    /* by maas_fit_seen_measure() */
} maas_fit_sums_t;

/*
 * wanted: bits of the metrics.  result: of the model, float32;
 * logits: it gives scores, not probabilities (accuracy of BINARY: above 0).
 */
void maas_fit_sums_add(maas_fit_sums_t *s, uint64_t wanted,
    maas_target_kind_t kind, bool logits, float loss,
    const maas_tensor_t *result, const maas_tensor_t *target);

double maas_fit_metric(const maas_fit_sums_t *s, int m);

#endif
