/*
 * fit_metrics.c: see fit_metrics.h.
 *
 * Ownership: plain values.
 * Threads:   one thread.
 */

#include <math.h>

#include "train/fit_metrics.h"


typedef struct {
    const char  *name;
    const char  *about;
    bool         more;
} metric_row_t;

static const metric_row_t  metric_rows[MAAS_FIT_SUMMED] = {
    { "accuracy", "share of items whose class is right", true },
    { "mean_absolute_error", "mean of |x - y|", false },
    { "mean_squared_error", "mean of (x - y)^2", false },
    { "root_mean_squared_error", "its square root", false },
    { "r2", "1 - squared error / variance of the targets", true }
};

#define SEEN(m)  (MAAS_FIT_SUMMED + MAAS_M_##m)

static const struct {
    const char  *name;
    int          metric;
} metric_alias[] = {
    { "acc", MAAS_FIT_ACCURACY },
    { "binary_accuracy", MAAS_FIT_ACCURACY },
    { "categorical_accuracy", MAAS_FIT_ACCURACY },
    { "sparse_categorical_accuracy", MAAS_FIT_ACCURACY },
    { "mae", MAAS_FIT_MAE },
    { "mse", MAAS_FIT_MSE },
    { "rmse", MAAS_FIT_RMSE },
    { "r2_score", MAAS_FIT_R2 },
    { "f1_score", SEEN(F1) },
    { "top_k", SEEN(TOP_K) },
    { "top_k_categorical_accuracy", SEEN(TOP_K) },
    { "sparse_top_k_categorical_accuracy", SEEN(TOP_K) },
    { "auc", SEEN(ROC_AUC) },
    { "mean_absolute_percentage_error", SEEN(MAPE) }
};


/* -- names --------------------------------------------------------------- */

const char *
maas_fit_metric_name(int m)
{
    return m < MAAS_FIT_SUMMED ? metric_rows[m].name
                               : maas_eval_rows[m - MAAS_FIT_SUMMED].name;
}


const char *
maas_fit_metric_about(int m)
{
    return m < MAAS_FIT_SUMMED ? metric_rows[m].about
                               : maas_eval_rows[m - MAAS_FIT_SUMMED].about;
}


bool
maas_fit_metric_more(int m)
{
    return m < MAAS_FIT_SUMMED ? metric_rows[m].more
                               : !maas_eval_rows[m - MAAS_FIT_SUMMED].less;
}


const char *
maas_fit_metric_alias(int m, int i)
{
    for (size_t k = 0; k < maas_nelts(metric_alias); k++) {
        if (metric_alias[k].metric == m && i-- == 0) {
            return metric_alias[k].name;
        }
    }

    return NULL;
}


bool
maas_fit_metric_hidden(int m)
{
    switch (m) {
    case SEEN(ACCURACY):
    case SEEN(MSE):
    case SEEN(RMSE):
    case SEEN(MAE):
    case SEEN(R2):
    case SEEN(SILHOUETTE):
        return true;
    default:
        return false;
    }
}


int
maas_fit_metric_find(maas_str_t name)
{
    for (int m = 0; m < MAAS_FIT_METRICS; m++) {
        if (!maas_fit_metric_hidden(m)
            && maas_str_is(name, maas_fit_metric_name(m)))
        {
            return m;
        }
    }

    for (size_t k = 0; k < maas_nelts(metric_alias); k++) {
        if (maas_str_is(name, metric_alias[k].name)) {
            return metric_alias[k].metric;
        }
    }

    return -1;
}


static maas_status_t
metric_unknown(maas_str_t name, maas_err_t *err)
{
    char         near[MAAS_NEAR_TEXT];
    maas_near_t  guess = { .word = name };

    for (int m = 0; m < MAAS_FIT_METRICS; m++) {
        const char  *s = maas_fit_metric_name(m);

        if (!maas_fit_metric_hidden(m)) {
            maas_near(&guess, (maas_str_t) { s, strlen(s) });
        }
    }

    return maas_err(err, MAAS_EINVAL, "metrics: unknown \"%.*s\"%s",
                    (int) maas_min(name.len, 100u), name.data,
                    guess.best.data != NULL ? maas_near_text(&guess, near)
                    : "; maas train --describe lists all");
}


/* NULL: it fits; else why not. */
static const char *
metric_misfit(int m, const maas_fit_judge_t *j)
{
    bool  classes = j->kind != MAAS_TARGET_NUMBERS;

    if (m < MAAS_FIT_SUMMED) {
        return (m == MAAS_FIT_ACCURACY ? classes : j->numbers) ? NULL : "";
    }

    if (maas_eval_rows[m - MAAS_FIT_SUMMED].kind
        != (classes ? MAAS_EVAL_CLASSES : MAAS_EVAL_NUMBERS))
    {
        return "";
    }

    switch (m) {

    case SEEN(PRECISION):
    case SEEN(RECALL):
    case SEEN(F1):
    case SEEN(ROC_AUC):
    case SEEN(AP):
        return j->n_class <= 2 ? j->n_class == 0 ? "" : NULL
               : "it is of two classes; of more there are the same name with "
                 "_macro, _micro or _weighted";

    case SEEN(TOP_K):
    case SEEN(ROC_AUC_MACRO):
    case SEEN(ROC_AUC_WEIGHTED):
    case SEEN(ROC_AUC_MICRO):
    case SEEN(ROC_AUC_OVO):
    case SEEN(ROC_AUC_OVO_WEIGHTED):
    case SEEN(AP_MACRO):
    case SEEN(AP_WEIGHTED):
    case SEEN(AP_MICRO):
        return j->n_class == 0 ? "" : j->n_class > 2 ? NULL
               : "it is of more than two classes; of two there are roc_auc, "
                 "average_precision and accuracy";

    default:
        return classes && j->n_class == 0 ? "" : NULL;
    }
}


maas_status_t
maas_fit_metric_parse(const maas_param_texts_t *names,
    const maas_fit_judge_t *j, uint64_t *wanted, maas_err_t *err)
{
    int          m;
    const char  *why;

    for (size_t i = 0; i < names->n; i++) {
        m = maas_fit_metric_find(names->v[i]);

        if (m < 0) {
            return metric_unknown(names->v[i], err);
        }

        why = metric_misfit(m, j);

        if (why != NULL) {
            return maas_err(err, MAAS_EINVAL, "metrics: \"%s\" does not fit "
                            "%s%s%s", maas_fit_metric_name(m), j->what,
                            why[0] != '\0' ? ": " : "", why);
        }

        *wanted |= MAAS_FIT_BIT(m);
    }

    return MAAS_OK;
}


/* -- sums ---------------------------------------------------------------- */

int64_t
maas_fit_argmax(const float *x, int64_t n)
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
            : maas_fit_argmax((const float *) y->data + i * k, k);
        s->judged += c >= 0;
        s->hits += c >= 0 && maas_fit_argmax(p, k) == c;
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
maas_fit_sums_add(maas_fit_sums_t *s, uint64_t wanted,
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

    if ((wanted & MAAS_FIT_SUMMED_BITS & ~MAAS_FIT_BIT(MAAS_FIT_ACCURACY))
        && target->dtype == MAAS_F32)
    {
        fit_numbers(s, result, target);
    }
}


double
maas_fit_metric(const maas_fit_sums_t *s, int m)
{
    if (m >= MAAS_FIT_SUMMED) {
        return s->measured[m - MAAS_FIT_SUMMED];
    }

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
