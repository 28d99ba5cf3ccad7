/*
 * fit.h: what estimators share: checks of the samples, weights of rows and
 * classes, outputs as nodes, and what is said about what was learned.
 *
 * Ownership: scratch is the caller's; names lie in the job's arena.
 * Threads:   a job is fitted by one thread.
 */

#ifndef MAAS_FIT_H
#define MAAS_FIT_H

#include "train/estimator.h"


/*
 * Rows, features, targets, classes and weights: counted and finite.  NaN in
 * x is refused unless missing; the text names row and feature, from 0.
 */
maas_status_t maas_fit_check(const maas_fit_job_t *f, maas_task_kind_t task,
    bool missing);

/* "2 classes are needed, there is one: 'spam'" */
maas_status_t maas_fit_check_classes(const maas_fit_job_t *f);

/* MAAS_EINVAL: this estimator takes no weights. */
maas_status_t maas_fit_no_weights(const maas_fit_job_t *f);

/* MAAS_ECANCEL, when somebody asked for it. */
maas_status_t maas_fit_poll(const maas_fit_job_t *f);

/*
 * Weights of the rows: those of the job times, when balanced, those of the
 * classes: sum of weights / (classes * weight of the class).  NULL: no
 * memory.
 */
double *maas_fit_weights(const maas_fit_job_t *f, maas_arena_t *scratch,
    bool balanced);

/* sum of a[i] * b[i], in four interleaved chains */
double maas_fit_dot(const double *a, const double *b, int64_t n);


/* -- nodes --------------------------------------------------------------- */

/* A constant of float64. */
maas_str_t maas_fit_doubles(maas_fit_job_t *f, const double *v, int rank,
    const int64_t *dims);

/* A value in another type. */
maas_str_t maas_fit_cast(maas_fit_job_t *f, maas_str_t x, maas_dtype_t to,
    const char *name);

/* attr: "axes" and so on; name NULL: a fresh one. */
maas_str_t maas_fit_op(maas_fit_job_t *f, const char *op,
    const maas_str_t *in, size_t n_in, const maas_raw_attr_t *attr,
    size_t n_attr, const char *name);

/* The attribute of ai.onnx.ml's classifiers that names the classes. */
maas_raw_attr_t maas_fit_labels(const maas_fit_job_t *f);

/* From scores [N,n_class] to "label": the name of the largest. */
maas_str_t maas_fit_label(maas_fit_job_t *f, maas_str_t scores);

/*
 * A linear model: prediction = x coef' + intercept, coef rows x p.  What
 * rounding coef to float32 does to a row at the mean is taken back by the
 * intercept; mean may be NULL.  LinearRegressor -> out[0] "prediction".
 */
maas_status_t maas_fit_regressor(maas_fit_job_t *f, const double *coef,
    const double *intercept, int64_t rows, const double *mean);

/*
 * LinearClassifier -> "label" and "probabilities" (post "LOGISTIC" or
 * "SOFTMAX") or "scores" ("NONE").  One row of coefficients for two classes:
 * the score of the second.
 */
maas_status_t maas_fit_classifier(maas_fit_job_t *f, const double *coef,
    const double *intercept, int64_t rows, const double *mean,
    const char *post);


/* -- what was learned ---------------------------------------------------- */

/* Members of the summary; what is not finite is null. */
void maas_fit_say(maas_fit_job_t *f, const char *name, double v);
void maas_fit_say_int(maas_fit_job_t *f, const char *name, int64_t v);
void maas_fit_say_bool(maas_fit_job_t *f, const char *name, bool v);
void maas_fit_say_list(maas_fit_job_t *f, const char *name, const double *v,
    int64_t n);
void maas_fit_say_rows(maas_fit_job_t *f, const char *name, const double *v,
    int64_t rows, int64_t cols);

#endif
