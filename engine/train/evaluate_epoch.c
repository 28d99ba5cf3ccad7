/*
 * evaluate_epoch: measures that grow batch by batch while a model trains.
 * The variance of the targets is Welford's with weights (West 1979).
 *
 * Ownership: three arrays of the classes, until destroy.
 * Threads:   one thread.
 */

#include <math.h>

#include "train/evaluate.h"


maas_status_t
maas_eval_epoch_init(maas_eval_epoch_t *e, const maas_host_t *host,
    int n_class, maas_err_t *err)
{
    memset(e, 0, sizeof(*e));
    e->host = host;
    e->n_class = n_class;

    if (n_class > 0) {
        e->tp = maas_calloc(host, (size_t) n_class, 3 * sizeof(double));
        if (e->tp == NULL) {
            return maas_err_nomem(err);
        }

        e->truth = e->tp + n_class;
        e->predicted = e->truth + n_class;
    }

    return MAAS_OK;
}


void
maas_eval_epoch_reset(maas_eval_epoch_t *e)
{
    maas_eval_epoch_t  clean = { .host = e->host, .n_class = e->n_class,
                                 .tp = e->tp, .truth = e->truth,
                                 .predicted = e->predicted };

    *e = clean;

    if (e->tp != NULL) {
        memset(e->tp, 0, (size_t) e->n_class * 3 * sizeof(double));
    }
}


void
maas_eval_epoch_destroy(maas_eval_epoch_t *e)
{
    if (e->host != NULL) {
        maas_free(e->host, e->tp);
    }

    memset(e, 0, sizeof(*e));
}


void
maas_eval_epoch_loss(maas_eval_epoch_t *e, double mean, double weight)
{
    e->loss += mean * weight;
    e->loss_weight += weight;
}


void
maas_eval_epoch_classes(maas_eval_epoch_t *e, const float *score,
    int n_score, double threshold, const int32_t *truth,
    const double *weight, int64_t n)
{
    int      best;
    double   w;

    for (int64_t i = 0; i < n; i++, score += n_score) {
        w = weight != NULL ? weight[i] : 1;
        best = 0;

        if (n_score == 1) {
            best = (double) score[0] > threshold;
        }

        for (int c = 1; c < n_score; c++) {
            best = score[c] > score[best] ? c : best;
        }

        e->n++;
        e->weight += w;
        e->truth[truth[i]] += w;
        e->predicted[best] += w;

        if (best == truth[i]) {
            e->hits += w;
            e->tp[best] += w;
        }
    }
}


void
maas_eval_epoch_numbers(maas_eval_epoch_t *e, const float *predicted,
    const float *y, int64_t n_target, const double *weight, int64_t n)
{
    double  d, w, delta;

    for (int64_t i = 0; i < n; i++) {
        w = weight != NULL ? weight[i] : 1;
        e->n++;
        e->weight += w;

        for (int64_t t = 0; t < n_target && w > 0; t++) {
            d = (double) y[i * n_target + t]
                - (double) predicted[i * n_target + t];
            e->sq += w * d * d;
            e->ab += w * fabs(d);

            e->values += w;
            delta = (double) y[i * n_target + t] - e->mean;
            e->mean += delta * w / e->values;
            e->m2 += w * delta * ((double) y[i * n_target + t] - e->mean);
        }
    }
}


static double
epoch_ratio(double a, double b)
{
    return b == 0 ? 0 : a / b;
}


/* kind: 0 precision, 1 recall, 2 F1 of class i */
static double
epoch_class(const maas_eval_epoch_t *e, int i, int kind)
{
    double  p = epoch_ratio(e->tp[i], e->predicted[i]);
    double  r = epoch_ratio(e->tp[i], e->truth[i]);

    return kind == 0 ? p : kind == 1 ? r : epoch_ratio(2 * p * r, p + r);
}


static double
epoch_macro(const maas_eval_epoch_t *e, int kind)
{
    double  sum = 0, n = 0;

    if (e->n_class == 2) {
        return epoch_class(e, 1, kind);
    }

    for (int i = 0; i < e->n_class; i++) {
        if (e->truth[i] > 0 || e->predicted[i] > 0) {
            sum += epoch_class(e, i, kind);
            n++;
        }
    }

    return sum / n;
}


static double
epoch_balanced(const maas_eval_epoch_t *e)
{
    double  sum = 0, n = 0;

    for (int i = 0; i < e->n_class; i++) {
        if (e->truth[i] > 0) {
            sum += e->tp[i] / e->truth[i];
            n++;
        }
    }

    return sum / n;
}


static double
epoch_r2(const maas_eval_epoch_t *e)
{
    if (e->n < 2) {
        return NAN;
    }

    return e->m2 > 0 ? 1 - e->sq / e->m2 : e->sq == 0 ? 1 : 0;
}


bool
maas_eval_epoch_get(const maas_eval_epoch_t *e, maas_str_t name,
    double *value)
{
    static const char *const  of_class[] = { "precision", "recall", "f1" };

    if (maas_str_is(name, "loss")) {
        *value = e->loss / e->loss_weight;
        return true;
    }

    if (e->n_class == 0) {
        if (maas_str_is(name, "mse")) {
            *value = e->sq / e->values;

        } else if (maas_str_is(name, "rmse")) {
            *value = sqrt(e->sq / e->values);

        } else if (maas_str_is(name, "mae")) {
            *value = e->ab / e->values;

        } else if (maas_str_is(name, "r2")) {
            *value = epoch_r2(e);

        } else {
            return false;
        }

        return true;
    }

    for (int k = 0; k < 3; k++) {
        if (maas_str_is(name, of_class[k])) {
            *value = e->n == 0 ? NAN : epoch_macro(e, k);
            return true;
        }
    }

    if (maas_str_is(name, "accuracy")) {
        *value = e->hits / e->weight;

    } else if (maas_str_is(name, "balanced_accuracy")) {
        *value = e->n == 0 ? NAN : epoch_balanced(e);

    } else {
        return false;
    }

    return true;
}
