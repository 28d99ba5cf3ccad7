/*
 * search: the values of a specification's fields that score best.  Grid,
 * random, or successive halving, each with k folds; a trial is the base
 * specification with some fields set, and what it scores is the caller's
 * function.
 *
 * A trial is a function of the search and its seed, whatever ran before.  A
 * trial that fails is kept with its error and comes last.
 *
 * Ownership: a result owns its specifications and texts until
 *            maas_search_free().
 * Threads:   one thread; run() may use more.
 */

#ifndef MAAS_SEARCH_H
#define MAAS_SEARCH_H

#include <stdatomic.h>

#include <jansson.h>

#include "train/ranks.h"


#define MAAS_SEARCH_TRIALS  100000      /* at most */
#define MAAS_SEARCH_FOLDS   1000

/*
 * The search as JSON:
 *   { "type": "grid" | "random" | "halving",
 *     "fields": { "optimizer.learning_rate": [0.1, 0.01],
 *                 "model.layers[0].units": {"min": 8, "max": 64, "log": true},
 *                 "seed": {"min": 1, "max": 9, "steps": 3} },
 *     "metric": "validation_loss", "goal": "min" | "max",
 *     "folds": 0, "seed": 1,
 *     "trials": 10,                                    random, halving
 *     "resource": "epochs", "min": 1, "max": 27, "factor": 3 }   halving
 * A range of two integers draws integers, unless "integer" is false; "log":
 * evenly in the logarithm.  A grid takes "steps" values of a range, its ends
 * included.  Without a goal it is that of the metric: losses and errors are
 * to be small.
 */
typedef enum {
    MAAS_SEARCH_GRID = 0,
    MAAS_SEARCH_RANDOM,
    MAAS_SEARCH_HALVING
} maas_search_type_t;

/* What run() is to score. */
typedef struct {
    const json_t  *spec;        /* the whole specification; borrowed */
    const char    *metric;
    int            trial;
    int            rung;        /* HALVING: from 0 */
    int            fold;        /* of folds; 0 of 0 without */
    int            folds;
} maas_search_run_t;

typedef struct {
    int          trial;
    int          rung;
    double       resource;      /* HALVING; else 0 */
    json_t      *values;        /* path -> value */
    double       score;         /* mean of the folds; NaN: it failed */
    double       std;           /* of the folds, by their number */
    double      *fold;          /* scores of the folds; NULL without */
    double       seconds;
    const char  *error;         /* NULL: none */
    bool         known;         /* from the log: it was not run now */
} maas_search_trial_t;

typedef struct maas_search_log_s  maas_search_log_t;

typedef struct {
    const json_t       *base;   /* the specification; borrowed */
    const json_t       *search; /* the object above; borrowed */
    /*
     * MAAS_ECANCEL and MAAS_ENOMEM end the search; any other failure is that
     * of the trial.
     */
    maas_status_t     (*run)(void *ctx, const maas_search_run_t *run,
        double *score, maas_err_t *err);
    /* After each trial of each rung; of: how many there will be.  NULL. */
    void              (*done)(void *ctx, const maas_search_trial_t *t,
        int n, int of);
    void               *ctx;
    const atomic_bool  *cancel;     /* NULL, or polled: MAAS_ECANCEL */
    /*
     * Of trials that were made before, which are not run, and of those that
     * are made: see search_log.h.  NULL: none.
     */
    maas_search_log_t  *log;
    /*
     * Trial i of a round (of all, or of a rung) runs on rank i % n; then all
     * have the scores of all.  done() is called on each, after the round.
     * NULL: alone.
     */
    maas_ranks_t       *ranks;
    const maas_host_t  *host;
} maas_search_job_t;

typedef struct {
    maas_arena_t          mem;
    maas_search_type_t    type;
    const char           *metric;
    bool                  less;     /* the smallest is the best */
    int                   folds;
    uint64_t              seed;
    const char           *resource; /* HALVING: its path */
    int                   n;
    maas_search_trial_t  *trial;    /* best first; failed ones last */
    json_t               *best;     /* the specification of trial[0]; with
                                       the whole resource */
} maas_search_t;

/*
 * MAAS_EINVAL: the search is wrong, with the place, or every trial failed,
 * with the error of the first.  r may be freed after a failure, too, and
 * holds the trials that were made.
 */
maas_status_t maas_search(const maas_search_job_t *job, maas_search_t *r,
    maas_err_t *err);
void maas_search_free(maas_search_t *r);

/* A table for people, best first; a JSON object. */
void maas_search_text(maas_buf_t *b, const maas_search_t *r);
void maas_search_json(maas_buf_t *b, const maas_search_t *r);

/* An object of one trial, for a line of a log. */
void maas_search_trial_json(maas_buf_t *b, const maas_search_t *r,
    const maas_search_trial_t *t);

/*
 * Sets a field, "model.layers[0].units": members by name, elements of a list
 * by index.  All but the last must be there.  where: put before an error.
 */
maas_status_t maas_search_set(json_t *spec, const char *path, json_t *value,
    const char *where, maas_err_t *err);

#endif
