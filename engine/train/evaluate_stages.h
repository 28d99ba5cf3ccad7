/*
 * evaluate_stages.h: between the files of evaluate.
 *
 * Ownership: what a stage finds lies in the result's arena.
 * Threads:   one thread per result.
 */

#ifndef MAAS_EVALUATE_STAGES_H
#define MAAS_EVALUATE_STAGES_H

#include "train/evaluate.h"


/* A row of a curve: its score, its weight, is it of the class? */
typedef struct {
    double  score;
    double  weight;
    bool    positive;
} maas_eval_point_t;

static inline double
maas_eval_weight(const maas_eval_job_t *job, int64_t i)
{
    return job->weight != NULL ? job->weight[i] : 1;
}


static inline void
maas_eval_set(maas_eval_t *r, int m, double v)
{
    r->value[m] = v;
    r->why[m] = NULL;
}


/* why: a literal, or in the arena of r. */
static inline void
maas_eval_undefined(maas_eval_t *r, int m, const char *why)
{
    r->value[m] = __builtin_nan("");
    r->why[m] = why;
}


/* The stages; label: of the job, or what scores say. */
maas_status_t maas_eval_labels(const maas_eval_job_t *job,
    const int32_t *label, maas_eval_t *r, maas_err_t *err);
maas_status_t maas_eval_scores(const maas_eval_job_t *job, maas_eval_t *r,
    maas_err_t *err);
maas_status_t maas_eval_curves(const maas_eval_job_t *job, maas_eval_t *r,
    maas_err_t *err);
maas_status_t maas_eval_numbers(const maas_eval_job_t *job, maas_eval_t *r,
    maas_err_t *err);
maas_status_t maas_eval_clusters(const maas_eval_job_t *job, maas_eval_t *r,
    maas_err_t *err);

/* Score of row i for class c (of the positive one: 1 - s of its rest). */
static inline double
maas_eval_score(const maas_eval_job_t *job, int64_t i, int c)
{
    if (job->n_score == 1) {
        return c == job->positive ? job->score[i] : 1 - job->score[i];
    }

    return job->score[i * job->n_score + c];
}

#endif
