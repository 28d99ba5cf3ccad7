/*
 * model_priv.h: private to api/: a model's insides, shared by
 *
 *   model.c      opening, what lasts
 *   budget.c     memory of plans and contexts
 *   rest.c       what of it goes back to the system meanwhile
 *   plancache.c  which plans are kept
 *   run.c        what a call does
 *   batch_check.c  whether rows are independent
 *   pad_check.c  whether they are independent of padding
 */

#ifndef MAAS_MODEL_PRIV_H
#define MAAS_MODEL_PRIV_H

#include <pthread.h>

#include "api/model.h"
#include "formats/model_image.h"
#include "graph/exec.h"


/* Numbers in the key of a root plan: ranks and dims of all inputs. */
#define MODEL_KEY_MAX  1024

struct maas_model_s {
    atomic_uint          refs;
    void                *mapped;        /* NULL: the bytes are not ours */
    size_t               bytes;
    maas_image_t        *image;
    maas_port_t         *port;          /* inputs, then outputs */
    const maas_meta_t   *meta;
    maas_limits_t        limits;
    maas_plan_src_t      src;
    maas_host_t          host;          /* counts what plans and runs take */
    _Atomic(uint64_t)    memory;        /* bytes of it now held */
    _Atomic(uint64_t)    rested;        /* of these, without pages */
    _Atomic(uint64_t)    refused;       /* allocations, by a budget */
    maas_model_t        *next;          /* in the process, see budget.c */

    pthread_mutex_t      lock;
    pthread_mutex_t      planning;
    maas_plan_t         *plans;
    uint32_t             n_plan;
    uint32_t             n_below;       /* plans that are children */
    uint32_t             evicted;       /* since hits were halved */
    uint64_t             stale_ns;      /* unused so long: no longer kept */
    atomic_bool          batches;       /* rows are known to be independent */
    _Atomic(uint8_t *)   pads;          /* likewise of padding: see
                                           maas_model_pads() */
};

/* The level that maas_init() chose. */
maas_cpu_t maas_cpu_in_use(void);

bool model_key(const maas_model_t *m, const maas_tensor_t *in, int64_t *key,
    size_t *len);
maas_status_t model_profile_plan(maas_model_t *m, maas_plan_t **out,
    maas_err_t *err);


/* Floats in [-1, 1); whole numbers that may be an index: 0 or 1. */
void model_fill(maas_tensor_t *t, uint32_t *seed);


/* -- budget.c ------------------------------------------------------------ */

/* The model's host, and its place among those that may have to give way. */
void model_join(maas_model_t *m);
void model_leave(maas_model_t *m);

/*
 * Makes room for bytes in both budgets: idle contexts go first, then plans,
 * those first that were used longest ago.  False: there is none to be had.
 * No lock of a model may be held.
 */
bool model_reclaim(maas_model_t *m, uint64_t bytes);

/* Calls fn for each model until it answers true; then true. */
bool models_each(bool (*fn)(maas_model_t *m, void *arg), void *arg);

/* The smaller of the two budgets. */
uint64_t model_budget(const maas_model_t *m);

/* Time for "used": one clock for all models. */
uint64_t model_tick(void);

maas_status_t model_ctx_make(maas_model_t *m, maas_plan_t *p,
    maas_run_ctx_t *parent, uint32_t slots, maas_run_ctx_t **out,
    maas_err_t *err);
void model_ctx_free(maas_model_t *m, maas_run_ctx_t *c);

/* A context of which pages were given back is about to be used. */
void model_ctx_wake(maas_model_t *m, maas_run_ctx_t *c);

/* The text for a budget that is spent. */
maas_status_t model_spent(maas_err_t *err);


/* -- plancache.c --------------------------------------------------------- */

/* A plan with a reference; made when it is not there. */
maas_status_t model_plan(maas_model_t *m, maas_plan_t *parent,
    const maas_tensor_t *in, const void *key, size_t len, maas_plan_t **out,
    maas_err_t *err);

/* Under the lock: the plan, its children and the contexts they keep. */
void model_drop_plan(maas_model_t *m, maas_plan_t *p);

/* Under the lock: frees what a tree of contexts has for dropped plans. */
void model_prune(maas_model_t *m, maas_run_ctx_t *c);

#endif
