/*
 * sched.h: private to sched/: a model's queue, and what is known of times.
 *
 * Ownership: the scheduler owns its models; items are the host's.
 * Threads:   one thread.
 */

#ifndef MAAS_SCHED_H
#define MAAS_SCHED_H

#include "base/base.h"
#include "maas.h"


typedef struct {
    maas_sched_item_t    queue;         /* sentinel; next: oldest */
    uint64_t             weight;        /* of those in it */
} sched_level_t;

/* A running mean of times and of the weights that took them. */
typedef struct {
    double               us;
    double               weight;
    uint32_t             count;         /* of measures, RATE_FEW at most */
} sched_rate_t;

struct maas_sched_model_s {
    maas_sched_t        *s;
    maas_sched_model_t  *next;          /* ring of models */
    maas_sched_conf_t    conf;
    sched_level_t        level[MAAS_SCHED_LEVELS];
    uint32_t             queued;
    uint32_t             running;
    uint64_t             running_weight;
    uint64_t             since_us;      /* a run ended, or the first began */
    uint64_t             backlog_us;    /* since_us, if some waited; else 0 */
    sched_rate_t         service;       /* of a run */
    double               slower;        /* the last one than it, 1 or more */
    sched_rate_t         drain;         /* from end to end while some wait */
};

struct maas_sched_s {
    const maas_host_t   *host;
    maas_sched_model_t  *turn;          /* whose turn it is; NULL: none */
    maas_sched_item_t    late;          /* sentinel */
    uint32_t             capacity;
    uint32_t             running;
};


/* -- estimate.c ---------------------------------------------------------- */

/* 1 to conf.levels. */
uint32_t sched_level(const maas_sched_model_t *m,
    const maas_sched_item_t *it);

/* How long a run that has this much to do takes; 0: not known. */
uint64_t sched_run_us(const maas_sched_model_t *m, uint64_t weight);

/* The same when it must not be less: if the last one was slow, so is this. */
uint64_t sched_run_most(const maas_sched_model_t *m, uint64_t weight);

/* With what estimates may be wrong by. */
uint64_t sched_margin(uint64_t us);

/* Time that a request must have left besides wait and run. */
uint64_t sched_reserve(const maas_sched_model_t *m,
    const maas_sched_item_t *it, uint64_t now_us);

/* maas_sched_admit(), and what it must have left. */
maas_status_t sched_admit(const maas_sched_model_t *m,
    const maas_sched_item_t *it, uint64_t now_us, uint64_t reserve_us,
    uint32_t *retry);

/* Seconds after which the deadline could be met. */
uint32_t sched_retry(const maas_sched_model_t *m,
    const maas_sched_item_t *it, uint64_t now_us);

/* A run has ended; it is no longer counted as running. */
void sched_measure(maas_sched_model_t *m, const maas_sched_item_t *first,
    uint64_t now_us, bool measured);

#endif
