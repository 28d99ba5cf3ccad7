/*
 * rl_net: the network of an agent: observation -> what each action is worth,
 * layers of Gemm and Relu.  It is a model that is run from a buffer of
 * weights, and one that is trained.
 *
 * Ownership: models lie in the arena; nets own their graphs and plans.
 * Threads:   one run at a time.
 */

#ifndef MAAS_RL_NET_H
#define MAAS_RL_NET_H

#include "train/fitnet.h"
#include "train/rl.h"


typedef struct {
    const maas_raw_model_t  *values;    /* observation -> values */
    const maas_raw_model_t  *chosen;    /* and mask [N,A] -> sum, [N,1] */
    const maas_raw_model_t  *served;    /* observation -> values, action */
    maas_segment_t          *seg;
    uint32_t                 n_seg;
} maas_rl_models_t;

/* Layers of hidden[] units with Relu, then one of n_action. */
maas_status_t maas_rl_models(maas_rl_job_t *j, const maas_param_ints_t *hidden,
    maas_rl_models_t *m);

typedef struct maas_rl_net_s  maas_rl_net_t;

/* data: a buffer of w's layout, read at every run. */
maas_status_t maas_rl_net_create(maas_rl_net_t **out, maas_rl_job_t *j,
    const maas_raw_model_t *m, const maas_weights_t *w, const float *data);
void maas_rl_net_destroy(maas_rl_net_t *n);

/* obs: n rows.  *values: n rows of n_action, until the next run. */
maas_status_t maas_rl_net_run(maas_rl_net_t *n, const float *obs, int64_t rows,
    maas_team_t *team, const float **values, maas_err_t *err);

#endif
