/*
 * evaluate_class: what follows from true and predicted classes alone: the
 * confusion matrix and all that is computed from it, and what follows from
 * each row's scores: log loss, Brier, top k.
 *
 * Formulas: scikit-learn's user guide, "Classification metrics";
 * Matthews of more than two classes: Gorodkin 2004.
 */

#include <float.h>
#include <math.h>

#include "train/evaluate_stages.h"


static double
class_ratio(double a, double b)
{
    return b == 0 ? 0 : a / b;
}


static double
class_f1(double precision, double recall)
{
    return class_ratio(2 * precision * recall, precision + recall);
}


/* Support and predictions of each class; occurs: in any row, whatever its
 * weight. */
static maas_status_t
class_count(const maas_eval_job_t *job, const int32_t *label, maas_eval_t *r,
    bool *occurs, maas_err_t *err)
{
    size_t  cells, k = (size_t) r->n_class;

    if (!maas_mul_size(k, k, &cells) || cells > SIZE_MAX / sizeof(double)) {
        return maas_err(err, MAAS_ELIMIT, "%d classes are too many for a "
                        "confusion matrix", r->n_class);
    }

    r->per_class = maas_arena_array(&r->mem, k, sizeof(*r->per_class));
    r->confusion = maas_arena_array(&r->mem, cells, sizeof(double));

    if (r->per_class == NULL || r->confusion == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < job->n; i++) {
        double  w = maas_eval_weight(job, i);

        r->confusion[(size_t) job->truth[i] * k + (size_t) label[i]] += w;
        occurs[job->truth[i]] = true;
        occurs[label[i]] = true;
    }

    for (size_t t = 0; t < k; t++) {
        for (size_t p = 0; p < k; p++) {
            r->per_class[t].support += r->confusion[t * k + p];
            r->per_class[p].predicted += r->confusion[t * k + p];
        }
    }

    for (size_t t = 0; t < k; t++) {
        maas_eval_class_t  *c = &r->per_class[t];

        c->precision = class_ratio(r->confusion[t * k + t], c->predicted);
        c->recall = class_ratio(r->confusion[t * k + t], c->support);
        c->f1 = class_f1(c->precision, c->recall);
    }

    return MAAS_OK;
}


/* Macro: over classes that occur.  Weighted: by support. */
static void
class_means(maas_eval_t *r, const bool *occurs)
{
    int     present = 0;
    double  macro[3] = { 0 }, by[3] = { 0 }, w, support = 0, hits = 0;
    double  balanced = 0, seen = 0;

    for (int i = 0; i < r->n_class; i++) {
        const maas_eval_class_t  *c = &r->per_class[i];

        w = c->support;
        support += w;
        present += occurs[i];
        hits += r->confusion[(size_t) i * (size_t) r->n_class + (size_t) i];
        macro[0] += c->precision;
        macro[1] += c->recall;
        macro[2] += c->f1;
        by[0] += w * c->precision;
        by[1] += w * c->recall;
        by[2] += w * c->f1;

        if (w > 0) {
            balanced += c->recall;
            seen++;
        }
    }

    for (int k = 0; k < 3; k++) {
        maas_eval_set(r, MAAS_M_PRECISION_MACRO + k, macro[k] / present);
        maas_eval_set(r, MAAS_M_PRECISION_MICRO + k, hits / support);
        maas_eval_set(r, MAAS_M_PRECISION_WEIGHTED + k, by[k] / support);
    }

    maas_eval_set(r, MAAS_M_ACCURACY, hits / support);
    maas_eval_set(r, MAAS_M_BALANCED_ACCURACY, balanced / seen);

    if (r->n_class == 2) {
        const maas_eval_class_t  *c = &r->per_class[r->positive];

        maas_eval_set(r, MAAS_M_PRECISION, c->precision);
        maas_eval_set(r, MAAS_M_RECALL, c->recall);
        maas_eval_set(r, MAAS_M_F1, c->f1);
    }
}


static void
class_agreement(maas_eval_t *r)
{
    double  n = 0, hits = 0, tp = 0, tt = 0, pp = 0, off = 0, chance = 0;
    size_t  k = (size_t) r->n_class;

    for (size_t i = 0; i < k; i++) {
        n += r->per_class[i].predicted;
    }

    for (size_t i = 0; i < k; i++) {
        double  t = r->per_class[i].support, p = r->per_class[i].predicted;

        hits += r->confusion[i * k + i];
        tp += t * p;
        tt += t * t;
        pp += p * p;

        for (size_t j = 0; j < k; j++) {
            if (i != j) {
                off += r->confusion[i * k + j];
                chance += t * r->per_class[j].predicted / n;
            }
        }
    }

    tt = n * n - tt;
    pp = n * n - pp;
    maas_eval_set(r, MAAS_M_MATTHEWS, tt * pp == 0 ? 0
                  : (hits * n - tp) / sqrt(tt * pp));

    if (chance == 0) {
        maas_eval_undefined(r, MAAS_M_KAPPA, "one class alone occurs");

    } else {
        maas_eval_set(r, MAAS_M_KAPPA, 1 - off / chance);
    }
}


maas_status_t
maas_eval_labels(const maas_eval_job_t *job, const int32_t *label,
    maas_eval_t *r, maas_err_t *err)
{
    bool  *occurs;

    occurs = maas_arena_array(&r->mem, (size_t) r->n_class, sizeof(*occurs));
    if (occurs == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(class_count(job, label, r, occurs, err));
    class_means(r, occurs);
    class_agreement(r);

    return MAAS_OK;
}


/* -- scores of each row -------------------------------------------------- */

static double
score_clip(double p, double eps)
{
    return p < eps ? eps : p > 1 - eps ? 1 - eps : p;
}


/* Clipped, then normalised, as scikit-learn 1.2 does. */
static double
score_log_loss(const maas_eval_job_t *job, int64_t i, double eps)
{
    double  p, sum = 0;

    if (job->n_score == 1) {
        p = score_clip(job->score[i], eps);
        sum = (1 - p) + p;
        p = job->truth[i] == job->positive ? p : 1 - p;
        return -log(p / sum);
    }

    for (int c = 0; c < job->n_score; c++) {
        sum += score_clip(maas_eval_score(job, i, c), eps);
    }

    return -log(score_clip(maas_eval_score(job, i, job->truth[i]), eps)
                / sum);
}


/* Two classes: of the positive one; more: the sum over the classes. */
static double
score_brier(const maas_eval_job_t *job, int64_t i)
{
    double  d, sum = 0;

    if (job->n_class == 2) {
        d = (job->truth[i] == job->positive)
            - maas_eval_score(job, i, job->positive);
        return d * d;
    }

    for (int c = 0; c < job->n_class; c++) {
        d = (job->truth[i] == c) - maas_eval_score(job, i, c);
        sum += d * d;
    }

    return sum;
}


/* Of equal scores, the later class comes first. */
static bool
score_in_top(const maas_eval_job_t *job, int64_t i, int k)
{
    int            better = 0;
    int32_t        t = job->truth[i];
    const double  *s = job->score + i * job->n_score;

    for (int c = 0; c < job->n_score; c++) {
        better += s[c] > s[t] || (s[c] == s[t] && c > t);
    }

    return better < k;
}


maas_status_t
maas_eval_scores(const maas_eval_job_t *job, maas_eval_t *r, maas_err_t *err)
{
    double  w, eps, loss = 0, brier = 0, top = 0;

    (void) err;
    eps = job->eps > 0 ? job->eps : DBL_EPSILON;

    for (int64_t i = 0; i < job->n; i++) {
        w = maas_eval_weight(job, i);

        if (r->probabilities) {
            loss += w * score_log_loss(job, i, eps);
            brier += w * score_brier(job, i);
        }

        if (job->n_score > 2 && r->top_k > 0) {
            top += w * score_in_top(job, i, r->top_k);
        }
    }

    if (job->n_score > 2 && r->top_k > 0) {
        maas_eval_set(r, MAAS_M_TOP_K, top / r->weight);
    }

    if (!r->probabilities) {
        maas_eval_undefined(r, MAAS_M_LOG_LOSS,
                            "the scores are no probabilities");
        maas_eval_undefined(r, MAAS_M_BRIER,
                            "the scores are no probabilities");

    } else if (r->n_class < 2) {
        maas_eval_undefined(r, MAAS_M_LOG_LOSS, "there is one class alone");
        maas_eval_undefined(r, MAAS_M_BRIER, "there is one class alone");

    } else {
        maas_eval_set(r, MAAS_M_LOG_LOSS, loss / r->weight);
        maas_eval_set(r, MAAS_M_BRIER, brier / r->weight);
    }

    return MAAS_OK;
}
