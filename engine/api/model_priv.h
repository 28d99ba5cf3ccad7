/*
 * model_priv.h: private to api/: a model's insides, shared by model.c (what
 * lasts) and run.c (what a call does).
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
    _Atomic(uint64_t)    memory;        /* contexts now held */

    pthread_mutex_t      lock;
    pthread_mutex_t      planning;
    maas_plan_t         *plans;
    uint32_t             n_plan;
    uint64_t             tick;
};

/* The level that maas_init() chose. */
maas_cpu_t maas_cpu_in_use(void);

bool model_key(const maas_model_t *m, const maas_tensor_t *in, int64_t *key,
    size_t *len);
maas_status_t model_profile_plan(maas_model_t *m, maas_plan_t **out,
    maas_err_t *err);
maas_status_t model_plan(maas_model_t *m, maas_plan_t *parent,
    const maas_tensor_t *in, const void *key, size_t len, maas_plan_t **out,
    maas_err_t *err);

/* Contexts, charged to the model's and the process's budget. */
maas_status_t model_ctx_make(maas_model_t *m, maas_plan_t *p,
    maas_run_ctx_t *parent, uint32_t slots, maas_run_ctx_t **out,
    maas_err_t *err);
void model_ctx_free(maas_model_t *m, maas_run_ctx_t *c);

#endif
