/*
 * fit_seen.c: see fit_seen.h.
 *
 * Ownership: two buffers of the rows, from begin to end.
 * Threads:   one thread.
 */

#include <math.h>

#include "train/fit_seen.h"


maas_status_t
maas_fit_seen_begin(maas_fit_seen_t *s, int64_t items, const int64_t *dims,
    int rank, maas_err_t *err)
{
    int64_t  n = maas_dims_count(dims, rank), size;

    s->each = 1;
    s->k = maas_max(n, 1);

    if (s->kind == MAAS_TARGET_CLASSES) {
        s->k = rank > 0 ? dims[rank - 1] : 1;
        s->each = n / maas_max(s->k, 1);

    } else if (s->kind != MAAS_TARGET_NUMBERS) {
        s->k = 1;
        s->each = n;
    }

    if (n < 1 || !maas_mul_i64(items, n, &size) || size > INT64_MAX / 16) {
        return maas_err(err, MAAS_ELIMIT, "metrics: %lld rows of a result "
                        "of %lld numbers are too many", (long long) items,
                        (long long) n);
    }

    s->rows = items * s->each;
    s->n_truth = s->kind == MAAS_TARGET_CLASSES ? s->rows : size;
    s->score = maas_calloc(s->host, (size_t) (size + s->n_truth) + 1,
                           sizeof(float));
    if (s->score == NULL) {
        return maas_err_nomem(err);
    }

    s->truth = s->score + size;
    return MAAS_OK;
}


void
maas_fit_seen_end(maas_fit_seen_t *s)
{
    if (s->score != NULL) {
        maas_free(s->host, s->score);
    }

    s->score = NULL;
}


void
maas_fit_seen_add(maas_fit_seen_t *s, int64_t at,
    const maas_tensor_t *result, const maas_tensor_t *target)
{
    float          edge = s->kind == MAAS_TARGET_SIGNS ? 0 : 0.5f;
    float         *truth;
    int64_t        n = result->dims[0] * s->each;
    const float   *y = target->data;
    const int64_t *label = target->data;

    memcpy(s->score + at * s->each * s->k, result->data,
           (size_t) (n * s->k) * sizeof(float));
    truth = s->truth + at * s->each
                       * (s->kind == MAAS_TARGET_NUMBERS ? s->k : 1);

    if (s->kind == MAAS_TARGET_NUMBERS) {
        memcpy(truth, y, (size_t) (n * s->k) * sizeof(float));
        return;
    }

    for (int64_t i = 0; i < n; i++) {
        truth[i] = s->kind != MAAS_TARGET_CLASSES ? y[i] > edge
                   : target->dtype == MAAS_I64 ? (float) label[i]
                   : (float) maas_fit_argmax(y + i * s->k, s->k);
    }
}


/* -- measures ------------------------------------------------------------ */

#define SEEN_BIT(m)  (UINT64_C(1) << (MAAS_FIT_SUMMED + (m)))

/* Bits from measure a to measure b. */
static uint64_t
seen_bits(int a, int b)
{
    return (SEEN_BIT(b) - SEEN_BIT(a)) | SEEN_BIT(b);
}


static void
seen_take(const maas_fit_seen_t *s, const maas_eval_t *r, double *measured)
{
    for (int m = 0; m < MAAS_M_COUNT; m++) {
        measured[m] = s->wanted & SEEN_BIT(m) && r->why[m] == NULL
                      ? r->value[m] : NAN;
    }
}


static maas_status_t
seen_evaluate(const maas_fit_seen_t *s, const maas_eval_job_t *job,
    double *measured, maas_err_t *err)
{
    maas_eval_t    r;
    maas_status_t  rc = maas_evaluate(job, &r, err);

    if (rc == MAAS_OK) {
        seen_take(s, &r, measured);
    }

    maas_eval_free(&r);
    return rc;
}


/* Rows that are judged, as maas_evaluate() wants them. */
static maas_status_t
seen_classes(const maas_fit_seen_t *s, maas_arena_t *a, double *measured,
    maas_err_t *err)
{
    double           edge, *score, *to;
    int32_t         *truth, *label;
    size_t           rows = (size_t) s->rows, k = (size_t) s->k;
    maas_eval_job_t  job = {
        .host = s->host, .kind = MAAS_EVAL_CLASSES, .n_score = (int) s->k,
        .n_class = (int) maas_max(s->k, 2), .positive = 1,
        .no_curves = !(s->wanted & seen_bits(MAAS_M_ROC_AUC, MAAS_M_AP_MICRO))
    };

    score = maas_arena_array(a, rows * k, sizeof(double));
    truth = maas_arena_array(a, rows, sizeof(int32_t));
    label = maas_arena_array(a, rows, sizeof(int32_t));

    if (score == NULL || truth == NULL || label == NULL) {
        return maas_err_nomem(err);
    }

    edge = s->logits || s->kind == MAAS_TARGET_SIGNS ? 0 : 0.5;

    for (size_t i = 0; i < rows; i++) {
        if (s->truth[i] < 0) {
            continue;
        }

        to = score + (size_t) job.n * k;

        for (size_t j = 0; j < k; j++) {
            to[j] = (double) s->score[i * k + j];
        }

        truth[job.n] = (int32_t) s->truth[i];
        label[job.n++] = maas_eval_argmax(to, (int) k, 1, edge);
    }

    if (s->logits && s->kind != MAAS_TARGET_SIGNS) {
        maas_eval_softmax(score, job.n, (int) k);
    }

    job.truth = truth;
    job.label = label;
    job.score = s->wanted & seen_bits(MAAS_M_TOP_K, MAAS_M_BRIER) ? score
                                                                  : NULL;

    return job.n == 0 ? MAAS_OK : seen_evaluate(s, &job, measured, err);
}


static maas_status_t
seen_numbers(const maas_fit_seen_t *s, maas_arena_t *a, double *measured,
    maas_err_t *err)
{
    size_t            n = (size_t) s->rows * (size_t) s->k;
    double           *x, *y;
    maas_eval_job_t   job = {
        .host = s->host, .kind = MAAS_EVAL_NUMBERS, .n = s->rows,
        .n_target = s->k
    };

    x = maas_arena_array(a, n, sizeof(double));
    y = maas_arena_array(a, n, sizeof(double));

    if (x == NULL || y == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < n; i++) {
        x[i] = (double) s->score[i];
        y[i] = (double) s->truth[i];
    }

    job.predicted = x;
    job.y = y;

    return seen_evaluate(s, &job, measured, err);
}


maas_status_t
maas_fit_seen_measure(const maas_fit_seen_t *s, double *measured,
    maas_err_t *err)
{
    maas_arena_t   a;
    maas_status_t  rc = MAAS_OK;

    for (int m = 0; m < MAAS_M_COUNT; m++) {
        measured[m] = NAN;
    }

    maas_arena_init(&a, s->host, 0);

    if (s->rows > 0) {
        rc = s->kind == MAAS_TARGET_NUMBERS
             ? seen_numbers(s, &a, measured, err)
             : seen_classes(s, &a, measured, err);
    }

    maas_arena_destroy(&a);

    return rc == MAAS_OK ? rc : maas_err_prefix(err, "metrics");
}
