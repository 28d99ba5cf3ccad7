/*
 * evaluate_regress: errors of numbers.  With several targets a measure is
 * the mean of the targets' own.
 *
 * Sums are kept in long double, so that a constant target has exactly no
 * variance and shifted targets lose nothing.  Weighted median: the first
 * error at which the weights below and at it reach half of all.
 */

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "train/evaluate_stages.h"


typedef struct {
    double  error;
    double  weight;
} regress_error_t;


static int
regress_order(const void *a, const void *b)
{
    double  x = ((const regress_error_t *) a)->error;
    double  y = ((const regress_error_t *) b)->error;

    return (x > y) - (x < y);
}


static double
regress_median(regress_error_t *e, size_t n, bool weighted)
{
    double  half, at = 0, all = 0;

    qsort(e, n, sizeof(*e), regress_order);

    if (!weighted) {
        return n % 2 == 1 ? e[n / 2].error
               : (e[n / 2 - 1].error + e[n / 2].error) / 2;
    }

    for (size_t i = 0; i < n; i++) {
        all += e[i].weight;
    }

    half = all / 2;

    for (size_t i = 0; i < n; i++) {
        at += e[i].weight;

        if (at >= half && at > 0) {
            return e[i].error;
        }
    }

    return e[n - 1].error;
}


/* 1 - a / b; no variance: 1 when there is no error either, else 0. */
static double
regress_explained(double a, double b)
{
    if (b != 0) {
        return 1 - a / b;
    }

    return a == 0 ? 1 : 0;
}


typedef struct {
    long double  weight, y, diff;           /* first pass: means */
    long double  sq, ab, ratio;
    long double  var, err;                  /* around the means */
    double       max;
} regress_sums_t;


static void
regress_pass(const maas_eval_job_t *job, int64_t t, regress_sums_t *s,
    regress_error_t *e)
{
    double         d, w;
    long double    v;
    int64_t        m = job->n_target;
    const double  *y = job->y + t, *p = job->predicted + t;

    memset(s, 0, sizeof(*s));

    for (int64_t i = 0; i < job->n; i++) {
        w = maas_eval_weight(job, i);
        d = y[i * m] - p[i * m];
        s->weight += w;
        s->y += (long double) w * y[i * m];
        s->diff += (long double) w * d;
        s->sq += (long double) w * d * d;
        s->ab += (long double) w * fabs(d);
        s->ratio += (long double) w * fabs(d)
                    / fmax(fabs(y[i * m]), DBL_EPSILON);
        s->max = fmax(s->max, fabs(d));
        e[i] = (regress_error_t) { fabs(d), w };
    }

    s->y /= s->weight;
    s->diff /= s->weight;

    for (int64_t i = 0; i < job->n; i++) {
        w = maas_eval_weight(job, i);
        v = y[i * m] - s->y;
        s->var += w * v * v;
        v = (y[i * m] - p[i * m]) - s->diff;
        s->err += w * v * v;
    }
}


static void
regress_target(const maas_eval_job_t *job, int64_t t, regress_error_t *e,
    maas_eval_target_t *out, double *mape, double *max)
{
    regress_sums_t  s;

    regress_pass(job, t, &s, e);

    out->mse = (double) (s.sq / s.weight);
    out->rmse = sqrt(out->mse);
    out->mae = (double) (s.ab / s.weight);
    out->median_ae = regress_median(e, (size_t) job->n, job->weight != NULL);
    out->r2 = job->n < 2 ? NAN
              : regress_explained((double) s.sq, (double) s.var);
    out->explained_variance = regress_explained((double) s.err,
                                                (double) s.var);
    *mape += (double) (s.ratio / s.weight);
    *max = fmax(*max, s.max);
}


static void
regress_means(maas_eval_t *r, double mape, double max)
{
    double              m = (double) r->n_target;
    maas_eval_target_t  sum = { 0 };

    for (int64_t t = 0; t < r->n_target; t++) {
        const maas_eval_target_t  *p = &r->per_target[t];

        sum.mse += p->mse;
        sum.rmse += p->rmse;
        sum.mae += p->mae;
        sum.median_ae += p->median_ae;
        sum.r2 += p->r2;
        sum.explained_variance += p->explained_variance;
    }

    maas_eval_set(r, MAAS_M_MSE, sum.mse / m);
    maas_eval_set(r, MAAS_M_RMSE, sum.rmse / m);
    maas_eval_set(r, MAAS_M_MAE, sum.mae / m);
    maas_eval_set(r, MAAS_M_MEDIAN_AE, sum.median_ae / m);
    maas_eval_set(r, MAAS_M_MAPE, mape / m);
    maas_eval_set(r, MAAS_M_EXPLAINED_VARIANCE, sum.explained_variance / m);

    if (r->n_target == 1) {
        maas_eval_set(r, MAAS_M_MAX_ERROR, max);
    }

    if (r->n < 2) {
        maas_eval_undefined(r, MAAS_M_R2, "it takes two rows");

    } else {
        maas_eval_set(r, MAAS_M_R2, sum.r2 / m);
    }
}


maas_status_t
maas_eval_numbers(const maas_eval_job_t *job, maas_eval_t *r, maas_err_t *err)
{
    double            mape = 0, max = 0;
    regress_error_t  *e;

    if (job->n_target < 1) {
        return maas_err(err, MAAS_EINVAL, "there are no targets");
    }

    r->per_target = maas_arena_array(&r->mem, (size_t) job->n_target,
                                     sizeof(*r->per_target));
    if (r->per_target == NULL) {
        return maas_err_nomem(err);
    }

    e = maas_calloc(job->host, (size_t) job->n, sizeof(*e));
    if (e == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t t = 0; t < job->n_target; t++) {
        regress_target(job, t, e, &r->per_target[t], &mape, &max);
    }

    maas_free(job->host, e);
    regress_means(r, mape, max);
    return MAAS_OK;
}
