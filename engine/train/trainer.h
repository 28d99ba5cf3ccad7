/*
 * trainer: the loop of training a network: epochs of mini-batches in an order
 * by (seed, epoch), steps of the optimiser, validation, early stopping, the
 * best weights, checkpoints.
 *
 * The result is a function of model, data, options and seed: not of the
 * number of threads, of when checkpoints are written, or of how often the
 * run was killed and resumed.  The number of ranks changes its rounding.
 *
 * Ownership: a trainer owns its buffers; model, feed and weights are the
 *            caller's and must outlive it.
 * Threads:   maas_trainer_run() on a member of the team, or without one.
 */

#ifndef MAAS_TRAINER_H
#define MAAS_TRAINER_H

#include <stdatomic.h>

#include "base/team.h"
#include "train/feed.h"
#include "train/fit_seen.h"
#include "train/fitnet.h"
#include "train/optim.h"
#include "train/ranks.h"


typedef struct maas_trainer_s  maas_trainer_t;

/* A value by epoch: the loss, or a metric. */
typedef struct {
    bool  validation;
    int   metric;               /* maas_fit_metric_t; -1: the loss */
} maas_monitor_t;

typedef struct {
    const maas_raw_model_t  *model;
    maas_weights_t          *weights;
    const maas_feed_t       *feed;
    const maas_loss_t       *loss;
    const maas_optim_t      *optim;
    const maas_schedule_t   *schedule;
    const maas_host_t       *host;
    const maas_kernels_t    *k;
    bool                     dense;         /* classes as float32 */
    bool                     logits;        /* the model gives scores */

    const int64_t           *train;         /* rows */
    int64_t                  n_train;
    const int64_t           *validation;
    int64_t                  n_validation;  /* 0: none */

    uint64_t                 seed;
    int64_t                  epochs;
    int64_t                  batch;         /* 0: all rows */
    bool                     ordered;       /* rows as they are */
    uint64_t                 metrics;       /* bits; those that are no sums
                                               are not told of training */

    maas_monitor_t           monitor;
    int64_t                  patience;      /* -1: never stop early */
    double                   min_delta;
    bool                     best;          /* end with the best weights */

    /* NULL: none.  Every so many steps, or nanoseconds; 0: by epoch only. */
    const char              *checkpoint;
    int64_t                  every_steps;
    uint64_t                 every_ns;
    const uint8_t           *digest;        /* of specification and data */
    bool                     resume;
    bool                     keep;      /* a last one when all is done */

    maas_team_t             *team;
    maas_ranks_t            *ranks;         /* NULL: alone */
    const atomic_bool       *cancel;        /* NULL, or polled each step */

    /* Told on the thread of the run; NULL: nobody asks. */
    void                   (*step)(void *ctx, const maas_trainer_t *t);
    void                   (*epoch)(void *ctx, const maas_trainer_t *t);
    void                    *ctx;
} maas_trainer_opts_t;

/* What a checkpoint holds besides buffers; plain bytes. */
typedef struct {
    int64_t                epoch;       /* that is going on */
    int64_t                batch;       /* next one in it */
    int64_t                step;        /* of the optimiser, so far */
    int64_t                best_epoch;  /* counted from 1; 0: none */
    int64_t                bad;         /* epochs without progress */
    int64_t                done;        /* 1: nothing is left to do */
    int64_t                wild;        /* steps whose loss is far above the
                                           first, to the last one */
    int64_t                wild_step;   /* the first of them */
    double                 first;       /* loss of the first step */
    double                 best;
    double                 seconds;     /* of all runs */
    double                 rate;        /* of the last step */
    maas_fit_sums_t        train;       /* of the epoch so far */
    maas_fit_sums_t        validation;  /* of the last one */
    maas_schedule_state_t  schedule;
} maas_trainer_state_t;

struct maas_trainer_s {
    maas_trainer_opts_t    o;
    maas_trainer_state_t   st;
    int64_t                batches;     /* of an epoch */
    int64_t                items;       /* of a full batch */
    int64_t                share;       /* this rank's largest part of it */
    bool                   stop;        /* a rank was cancelled */
    bool                   absent;      /* has no row of this batch */
    maas_exchange_t        exchange;
    maas_err_t             met;         /* why an exchange has failed */
    float                  loss;        /* of the last batch */
    double                 norm;        /* of the last gradient */
    bool                   resumed;
    /* A JSON object a line, one an epoch. */
    maas_buf_t             history;

    maas_fitnet_t         *fit;
    maas_fitnet_t         *check;       /* validation */
    float                 *moment[MAAS_OPTIM_MOMENTS];
    float                 *best;
    float                 *sum;         /* of gradients, to accumulate */
    maas_fit_seen_t        seen;        /* while rows are judged */
    int64_t                seen_at;     /* of their batch */
    int64_t               *order;
    void                  *x, *y;
    float                 *weight;
    struct trainer_piece_s  *piece;
    int64_t                n_piece;
    double                *partial;
    uint64_t               saved;       /* ns */
    uint64_t               started;
    maas_arena_t           arena;
};

maas_status_t maas_trainer_create(maas_trainer_t **out,
    const maas_trainer_opts_t *o, maas_err_t *err);
void maas_trainer_destroy(maas_trainer_t *t);

/*
 * Trains to the end; then the weights are the result.  MAAS_ECANCEL: stopped
 * with a checkpoint written.  A loss or gradient that is no finite number
 * ends it (MAAS_EINVAL), as do losses that stay at a thousand times the
 * first or above for the steps of two epochs (10 to 100 of them), or to the
 * end; the last checkpoint from before stays as it was.
 */
maas_status_t maas_trainer_run(maas_trainer_t *t, maas_err_t *err);

/* Adds rows to sums with the weights as they are, as when it is served. */
maas_status_t maas_trainer_evaluate(maas_trainer_t *t, const int64_t *row,
    int64_t n, maas_fit_sums_t *sums, maas_err_t *err);

/* "validation_accuracy" and the like. */
void maas_monitor_name(const maas_monitor_t *m, char out[64]);

/* One gradient step from what maas_fitnet_run() left: see trainer_step.c. */
maas_status_t maas_trainer_begin(maas_trainer_t *t, maas_err_t *err);
maas_status_t maas_trainer_gather(maas_trainer_t *t, int64_t n, bool first);
maas_status_t maas_trainer_update(maas_trainer_t *t, bool summed,
    int64_t items, double rate, maas_err_t *err);


/* -- ranks: see trainer_ranks.c ------------------------------------------ */

maas_status_t maas_trainer_meet(maas_trainer_t *t, maas_status_t rc,
    const maas_fit_sums_t *s, maas_fit_sums_t *to, maas_err_t *err);
maas_status_t maas_trainer_exchange(maas_trainer_t *t, maas_status_t rc,
    const maas_fit_sums_t *s, maas_err_t *err);
void maas_trainer_align(maas_trainer_t *t);

/* Inside a run: maas_exchange_t.sum, ctx the trainer. */
maas_status_t maas_trainer_sum(void *ctx, int64_t id, double *x, int64_t n,
    maas_err_t *err);
maas_status_t maas_trainer_follow(maas_trainer_t *t, maas_status_t rc,
    maas_err_t *err);


/* -- checkpoints --------------------------------------------------------- */

/*
 * One file: state, history, weights, moments, best weights, SHA-256.  It is
 * written beside, synced, and renamed: a reader sees the old one or the new
 * one.
 */
maas_status_t maas_checkpoint_write(const maas_trainer_t *t,
    maas_err_t *err);

/* MAAS_ENOENT: there is none.  MAAS_EINVAL: of another run, or damaged. */
maas_status_t maas_checkpoint_read(maas_trainer_t *t, maas_err_t *err);

#endif
