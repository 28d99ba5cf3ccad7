/*
 * fitnet: the graph of a training step, or of a validation: the model, its
 * loss, and for training the gradients of its weights, run from the weights'
 * buffer as it is.
 *
 * For training, Dropout draws zeros by (seed, step) and BatchNormalization
 * takes the statistics of the batch and gives new running ones; where a run
 * is of a part of a batch, Dropout draws as for the whole, and statistics are
 * of the whole by an exchange with those that have the other parts.
 *
 * Ownership: a fitnet owns its graph and net; the weights must outlive it
 *            and stay where they are.
 * Threads:   one run at a time.
 */

#ifndef MAAS_FITNET_H
#define MAAS_FITNET_H

#include "train/losses.h"
#include "train/net.h"
#include "train/weights.h"


typedef struct {
    const maas_raw_model_t  *model;     /* one output of float32 counts */
    const maas_weights_t    *weights;
    const maas_loss_t       *loss;
    const maas_host_t       *host;
    const maas_kernels_t    *k;
    bool                     train;
    bool                     dense;     /* CLASSES as float32 */
    bool                     weighted;  /* an input of weights of items */
    /* Runs are of parts of a batch; it must outlive the fitnet.  Or NULL. */
    const maas_exchange_t   *exchange;
} maas_fitnet_spec_t;

typedef struct maas_fitnet_s  maas_fitnet_t;

maas_status_t maas_fitnet_create(maas_fitnet_t **out,
    const maas_fitnet_spec_t *spec, maas_err_t *err);
void maas_fitnet_destroy(maas_fitnet_t *f);

/* Type of the result, with the batch on axis 0. */
const maas_type_t *maas_fitnet_result(const maas_fitnet_t *f);

typedef struct {
    const maas_tensor_t  *in;           /* the model's inputs */
    maas_tensor_t         target;
    const float          *weight;       /* of each item, when weighted */
    int64_t               seed;
    int64_t               step;
    int64_t               first;        /* rows of the batch before these */
    maas_team_t          *team;
    /* Answers; data until the next run. */
    float                 loss;
    maas_tensor_t         result;
} maas_fitnet_run_t;

maas_status_t maas_fitnet_run(maas_fitnet_t *f, maas_fitnet_run_t *r,
    maas_err_t *err);

/* After a run: the gradient of segment i; NULL: it has none (zero). */
const float *maas_fitnet_grad(const maas_fitnet_t *f, uint32_t i);

/* Copies new running statistics into the weights. */
void maas_fitnet_keep(const maas_fitnet_t *f, float *data);

/* Does a run exchange sums, so that all must run who share the batch? */
bool maas_fitnet_exchanges(const maas_fitnet_t *f);

#endif
