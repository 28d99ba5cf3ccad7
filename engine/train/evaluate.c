/*
 * evaluate: the entry.  Checks a job, runs the stages of its kind, and holds
 * the list of measures; the arithmetic is in evaluate_*.c.
 *
 * Ownership: results lie in the arena of the result.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stdio.h>

#include "train/evaluate_stages.h"


#define C  MAAS_EVAL_CLASSES
#define N  MAAS_EVAL_NUMBERS
#define K  MAAS_EVAL_CLUSTERS

const maas_eval_row_t  maas_eval_rows[MAAS_M_COUNT] = {
    { "accuracy", "share of right classes", C, false },
    { "balanced_accuracy", "mean recall of the classes that occur", C, false },
    { "precision", "two classes: how many taken for the positive one are it",
      C, false },
    { "recall", "two classes: how many of the positive one were found", C,
      false },
    { "f1", "two classes: harmonic mean of precision and recall", C, false },
    { "precision_macro", "mean of the classes' precision", C, false },
    { "recall_macro", "mean of the classes' recall", C, false },
    { "f1_macro", "mean of the classes' F1", C, false },
    { "precision_micro", "precision over all classes together", C, false },
    { "recall_micro", "recall over all classes together", C, false },
    { "f1_micro", "F1 over all classes together", C, false },
    { "precision_weighted", "precision by the classes' support", C, false },
    { "recall_weighted", "recall by the classes' support", C, false },
    { "f1_weighted", "F1 by the classes' support", C, false },
    { "matthews", "Matthews correlation coefficient", C, false },
    { "kappa", "Cohen's kappa", C, false },
    { "top_k_accuracy", "share of rows whose class is among the k best", C,
      false },
    { "roc_auc", "two classes: area under the ROC curve", C, false },
    { "roc_auc_macro", "mean over the classes, each against the rest", C,
      false },
    { "roc_auc_weighted", "the same by the classes' support", C, false },
    { "roc_auc_micro", "all decisions of all classes in one curve", C, false },
    { "roc_auc_ovo", "mean over the pairs of classes", C, false },
    { "roc_auc_ovo_weighted", "the same by the rows of the pairs", C, false },
    { "average_precision", "two classes: of the precision-recall curve", C,
      false },
    { "average_precision_macro", "mean over the classes", C, false },
    { "average_precision_weighted", "the same by the classes' support", C,
      false },
    { "average_precision_micro", "all decisions of all classes in one curve",
      C, false },
    { "log_loss", "mean cross-entropy in nats", C, true },
    { "brier", "mean squared error of the probabilities", C, true },
    { "mse", "mean squared error", N, true },
    { "rmse", "root of the mean squared error", N, true },
    { "mae", "mean absolute error", N, true },
    { "median_ae", "median absolute error", N, true },
    { "max_error", "largest absolute error", N, true },
    { "mape", "mean absolute error relative to the truth", N, true },
    { "r2", "coefficient of determination", N, false },
    { "explained_variance", "share of the variance that is explained", N,
      false },
    { "silhouette", "mean silhouette of the rows, euclidean", K, false },
};

#undef C
#undef N
#undef K


int
maas_eval_find(maas_str_t name, maas_err_t *err)
{
    char         text[MAAS_NEAR_TEXT];
    maas_near_t  near = { .word = name };

    for (int i = 0; i < MAAS_M_COUNT; i++) {
        maas_str_t  s = { maas_eval_rows[i].name,
                          strlen(maas_eval_rows[i].name) };

        if (maas_str_eq(s, name)) {
            return i;
        }

        maas_near(&near, s);
    }

    (void) maas_err(err, MAAS_EINVAL, "there is no metric \"%.*s\"%s",
                    (int) maas_min(name.len, 60u), name.data,
                    maas_near_text(&near, text));
    return -1;
}


void
maas_eval_softmax(double *score, int64_t n, int n_score)
{
    double  top, sum, *s = score;

    for (int64_t i = 0; i < n; i++, s += n_score) {
        if (n_score == 1) {
            s[0] = s[0] >= 0 ? 1 / (1 + exp(-s[0]))
                             : exp(s[0]) / (1 + exp(s[0]));
            continue;
        }

        top = s[0];
        sum = 0;

        for (int c = 1; c < n_score; c++) {
            top = fmax(top, s[c]);
        }

        for (int c = 0; c < n_score; c++) {
            s[c] = exp(s[c] - top);
            sum += s[c];
        }

        for (int c = 0; c < n_score; c++) {
            s[c] /= sum;
        }
    }
}


int32_t
maas_eval_argmax(const double *row, int n_score, int positive,
    double threshold)
{
    int  best = 0;

    if (n_score == 1) {
        return row[0] > threshold ? positive : 1 - positive;
    }

    for (int c = 1; c < n_score; c++) {
        if (row[c] > row[best]) {
            best = c;
        }
    }

    return best;
}


/* -- checks -------------------------------------------------------------- */

static maas_status_t
evaluate_weights(const maas_eval_job_t *job, maas_eval_t *r, maas_err_t *err)
{
    r->weight = 0;

    for (int64_t i = 0; i < job->n; i++) {
        double  w = maas_eval_weight(job, i);

        if (!isfinite(w) || w < 0) {
            return maas_err(err, MAAS_EINVAL, "row %lld: the weight %g is not "
                            "a number of at least 0", (long long) i, w);
        }

        r->weight += w;
    }

    if (!(r->weight > 0) || !isfinite(r->weight)) {
        return maas_err(err, MAAS_EINVAL, "the weights sum to %g",
                        r->weight);
    }

    return MAAS_OK;
}


static maas_status_t
evaluate_indices(const maas_eval_job_t *job, const int32_t *v,
    const char *what, maas_err_t *err)
{
    for (int64_t i = 0; i < job->n; i++) {
        if (v[i] < 0 || v[i] >= job->n_class) {
            return maas_err(err, MAAS_EINVAL, "row %lld: the %s class is %d, "
                            "and there are %d (from 0)", (long long) i, what,
                            v[i], job->n_class);
        }
    }

    return MAAS_OK;
}


static maas_status_t
evaluate_finite(const double *v, int64_t n, int64_t columns,
    const char *what, maas_err_t *err)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < columns; c++, v++) {
            if (!isfinite(*v)) {
                return maas_err(err, MAAS_EINVAL, "row %lld, column %lld: the "
                                "%s is %s", (long long) i, (long long) c,
                                what, isnan(*v) ? "nan" : "infinite");
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
evaluate_check(const maas_eval_job_t *job, maas_err_t *err)
{
    if (job->n < 1) {
        return maas_err(err, MAAS_EINVAL, "there are no rows to evaluate");
    }

    switch (job->kind) {

    case MAAS_EVAL_NUMBERS:
        MAAS_TRY(evaluate_finite(job->y, job->n, job->n_target,
                                 "target", err));
        return evaluate_finite(job->predicted, job->n, job->n_target,
                               "prediction", err);

    case MAAS_EVAL_CLUSTERS:
        return evaluate_finite(job->x, job->n, job->p, "feature", err);

    default:
        break;
    }

    if (job->n_class < 1) {
        return maas_err(err, MAAS_EINVAL, "there are no classes");
    }

    if (job->score != NULL && job->n_score != job->n_class
        && !(job->n_score == 1 && job->n_class == 2))
    {
        return maas_err(err, MAAS_EINVAL, "%d scores a row, and %d classes",
                        job->n_score, job->n_class);
    }

    if (job->label == NULL && job->score == NULL) {
        return maas_err(err, MAAS_EINVAL, "neither labels nor scores were "
                        "predicted");
    }

    if (job->n_class == 2 && (job->positive < 0 || job->positive > 1)) {
        return maas_err(err, MAAS_EINVAL, "the positive class is %d, not 0 "
                        "or 1", job->positive);
    }

    MAAS_TRY(evaluate_indices(job, job->truth, "true", err));

    if (job->label != NULL) {
        MAAS_TRY(evaluate_indices(job, job->label, "predicted", err));
    }

    return job->score == NULL ? MAAS_OK
           : evaluate_finite(job->score, job->n, job->n_score, "score", err);
}


/* -- the stages ---------------------------------------------------------- */

/* In [0,1], and rows that sum to 1 within what half floats round. */
static bool
evaluate_probabilities(const maas_eval_job_t *job)
{
    double         sum;
    const double  *s = job->score;

    for (int64_t i = 0; i < job->n; i++) {
        sum = 0;

        for (int c = 0; c < job->n_score; c++, s++) {
            if (*s < 0 || *s > 1) {
                return false;
            }

            sum += *s;
        }

        if (job->n_score > 1 && fabs(sum - 1) > 2e-3) {
            return false;
        }
    }

    return true;
}


static maas_status_t
evaluate_names(const maas_str_t *from, int64_t n, const maas_str_t **to,
    maas_eval_t *r, maas_err_t *err)
{
    maas_str_t  *s;

    if (from == NULL) {
        return MAAS_OK;
    }

    s = maas_arena_array(&r->mem, (size_t) n, sizeof(*s));
    if (s == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < n; i++) {
        s[i] = maas_arena_str(&r->mem, from[i].data, from[i].len);
        if (s[i].data == NULL) {
            return maas_err_nomem(err);
        }
    }

    *to = s;
    return MAAS_OK;
}


static maas_status_t
evaluate_classes(const maas_eval_job_t *job, maas_eval_t *r, maas_err_t *err)
{
    double          threshold;
    int32_t        *label = NULL;
    maas_status_t   rc;

    r->n_class = job->n_class;
    r->positive = job->n_class == 2 ? job->positive : 0;
    r->top_k = job->top_k != 0 ? job->top_k
               : job->n_class > 5 ? 5 : job->n_class > 2 ? 2 : 0;
    MAAS_TRY(evaluate_names(job->class_name, job->n_class, &r->class_name, r,
                            err));

    r->probabilities = job->score != NULL && evaluate_probabilities(job);

    if (job->label == NULL) {
        label = maas_calloc(job->host, (size_t) job->n, sizeof(*label));
        if (label == NULL) {
            return maas_err_nomem(err);
        }

        threshold = r->probabilities ? 0.5 : 0;

        for (int64_t i = 0; i < job->n; i++) {
            label[i] = maas_eval_argmax(job->score + i * job->n_score,
                                        job->n_score, job->positive,
                                        threshold);
        }
    }

    rc = maas_eval_labels(job, job->label != NULL ? job->label : label, r,
                          err);
    maas_free(job->host, label);

    if (rc == MAAS_OK && job->score != NULL) {
        rc = maas_eval_scores(job, r, err);

        if (rc == MAAS_OK && !job->no_curves) {
            rc = maas_eval_curves(job, r, err);
        }
    }

    return rc;
}


maas_status_t
maas_evaluate(const maas_eval_job_t *job, maas_eval_t *r, maas_err_t *err)
{
    memset(r, 0, sizeof(*r));
    maas_arena_init(&r->mem, job->host, 0);

    for (int i = 0; i < MAAS_M_COUNT; i++) {
        maas_eval_undefined(r, i, "");
    }

    r->kind = job->kind;
    r->n = job->n;

    MAAS_TRY(evaluate_check(job, err));
    MAAS_TRY(evaluate_weights(job, r, err));

    switch (job->kind) {

    case MAAS_EVAL_NUMBERS:
        r->n_target = job->n_target;
        MAAS_TRY(evaluate_names(job->target_name, job->n_target,
                                &r->target_name, r, err));
        return maas_eval_numbers(job, r, err);

    case MAAS_EVAL_CLUSTERS:
        return maas_eval_clusters(job, r, err);

    default:
        return evaluate_classes(job, r, err);
    }
}


void
maas_eval_free(maas_eval_t *r)
{
    maas_arena_destroy(&r->mem);
}
