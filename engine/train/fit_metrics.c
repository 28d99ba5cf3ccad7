/*
 * fit_metrics.c: see fit_metrics.h.
 */

#include <math.h>

#include "train/fit_metrics.h"


const maas_fit_metric_row_t  maas_fit_metric_rows[] = {
    [MAAS_FIT_ACCURACY] = { "accuracy", "acc",
        "share of items whose class is right", true },
    [MAAS_FIT_MAE] = { "mean_absolute_error", "mae", "mean of |x - y|",
        false },
    [MAAS_FIT_MSE] = { "mean_squared_error", "mse", "mean of (x - y)^2",
        false },
    [MAAS_FIT_RMSE] = { "root_mean_squared_error", "rmse", "its square root",
        false },
    [MAAS_FIT_R2] = { "r2", NULL,
        "1 - squared error / variance of the targets", true },
    [MAAS_FIT_METRICS] = { NULL, NULL, NULL, false }
};


int
maas_fit_metric_find(maas_str_t name)
{
    for (int i = 0; i < MAAS_FIT_METRICS; i++) {
        if (maas_str_is(name, maas_fit_metric_rows[i].name)
            || (maas_fit_metric_rows[i].alias != NULL
                && maas_str_is(name, maas_fit_metric_rows[i].alias)))
        {
            return i;
        }
    }

    return -1;
}


static int64_t
fit_argmax(const float *x, int64_t n)
{
    int64_t  best = 0;

    for (int64_t i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }

    return best;
}


/* Classes on the last axis; negative ones are not judged. */
static void
fit_classes(maas_fit_sums_t *s, const maas_tensor_t *x,
    const maas_tensor_t *y)
{
    int64_t         c, k = x->dims[x->rank - 1];
    int64_t         rows = maas_tensor_count(x) / maas_max(k, 1);
    const float    *p = x->data;
    const int64_t  *label = y->data;

    for (int64_t i = 0; i < rows; i++, p += k) {
        c = y->dtype == MAAS_I64 ? label[i]
            : fit_argmax((const float *) y->data + i * k, k);
        s->judged += c >= 0;
        s->hits += c >= 0 && fit_argmax(p, k) == c;
    }
}


static void
fit_binary(maas_fit_sums_t *s, const maas_tensor_t *x, const maas_tensor_t *y,
    float edge, float y_edge)
{
    int64_t       n = maas_tensor_count(x);
    const float  *p = x->data, *t = y->data;

    for (int64_t i = 0; i < n; i++) {
        s->hits += (p[i] > edge) == (t[i] > y_edge);
    }

    s->judged += (double) n;
}


static void
fit_numbers(maas_fit_sums_t *s, const maas_tensor_t *x,
    const maas_tensor_t *y)
{
    double        d, t;
    int64_t       n = maas_tensor_count(x);
    const float  *p = x->data, *q = y->data;

    for (int64_t i = 0; i < n; i++) {
        t = (double) q[i];
        d = (double) p[i] - t;
        s->absolute += fabs(d);
        s->square += d * d;
        s->sum += t;
        s->sum2 += t * t;
    }

    s->count += (double) n;
}


void
maas_fit_sums_add(maas_fit_sums_t *s, unsigned wanted,
    maas_target_kind_t kind, bool logits, float loss,
    const maas_tensor_t *result, const maas_tensor_t *target)
{
    int64_t  items = result->dims[0];

    s->loss += (double) loss * (double) items;
    s->items += items;

    if (wanted & 1u << MAAS_FIT_ACCURACY) {
        if (kind == MAAS_TARGET_CLASSES) {
            fit_classes(s, result, target);

        } else if (kind != MAAS_TARGET_NUMBERS) {
            fit_binary(s, result, target,
                       logits || kind == MAAS_TARGET_SIGNS ? 0 : 0.5f,
                       kind == MAAS_TARGET_SIGNS ? 0 : 0.5f);
        }
    }

    if ((wanted & ~(1u << MAAS_FIT_ACCURACY)) && target->dtype == MAAS_F32) {
        fit_numbers(s, result, target);
    }
}


double
maas_fit_metric(const maas_fit_sums_t *s, maas_fit_metric_t m)
{
    switch (m) {

    case MAAS_FIT_ACCURACY:
        return s->hits / s->judged;

    case MAAS_FIT_MAE:
        return s->absolute / s->count;

    case MAAS_FIT_MSE:
        return s->square / s->count;

    case MAAS_FIT_RMSE:
        return sqrt(s->square / s->count);

    default:
        return 1 - s->square / (s->sum2 - s->sum * s->sum / s->count);
    }
}
