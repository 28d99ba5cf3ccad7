/*
 * train_network.h: between the files that train a network of a
 * specification: what one training is made of.
 *
 * Ownership: the job is the caller's; the rest lies in its arena.
 * Threads:   a member of the team, or none.
 */

#ifndef MAAS_TRAIN_NETWORK_H
#define MAAS_TRAIN_NETWORK_H

#include "train/finetune_cache.h"
#include "train/train_run.h"


typedef struct {
    maas_train_t           *t;
    maas_network_t          net;
    const maas_raw_model_t *core;       /* without the steps before it */
    maas_finetune_cache_t  *cache;      /* NULL: there is none */
    maas_train_pipe_t      *pipe;       /* NULL: there are none */
    maas_loss_t             loss;
    maas_optim_t            optim;
    maas_schedule_t         schedule;
    maas_spec_early_t       early;
    maas_spec_checkpoint_t  ckpt;
    maas_tensor_t           x;
    maas_tensor_t           y;
    bool                    classes;    /* the target is a column of them */
    bool                    each;       /* it is one at each place */
    bool                    dense;
    bool                    logits;
    double                 *factor;     /* by class; NULL: none */
    uint64_t                metrics;
    maas_feed_t             feed;       /* of the data */
    maas_feed_t             piped;      /* of the loop */
    maas_trainer_opts_t     opts;
    maas_weights_t          weights;
    maas_fit_sums_t         test;
    int64_t                 fold;       /* 0: none */
    int64_t                 epochs;
    bool                    alone;      /* after folds: nothing to watch */
    /* Of folds: sums of values and squares, by monitor. */
    double                  sum[MAAS_FIT_METRICS + 1];
    double                  sum2[MAAS_FIT_METRICS + 1];
    int64_t                 best_epochs;
} train_net_t;

/* Loss, target, metrics, optimiser and so on, for the network that is built. */
maas_status_t maas_train_options(train_net_t *n);

/* Of a model that goes on from another: its source; then its network. */
maas_status_t maas_train_tune_open(maas_train_t *t);
maas_status_t maas_train_tune(train_net_t *n, const maas_layer_value_t *in);

/* After the feed is known: perhaps another core, and its feed. */
maas_status_t maas_train_tune_cache(train_net_t *n);

/* What is watched; validated: there are rows for it. */
maas_status_t maas_train_monitor(train_net_t *n, bool validated,
    maas_monitor_t *m);

#endif
