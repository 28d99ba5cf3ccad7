/*
 * network: the object "model" of a specification of type "network" -> the
 * model that will be served, with first values.
 *
 * Ownership: everything lies in the arena.
 * Threads:   one thread.
 */

#ifndef MAAS_NETWORK_H
#define MAAS_NETWORK_H

#include "train/layer.h"
#include "train/weights.h"


typedef struct {
    const maas_raw_model_t  *model;
    maas_segment_t          *seg;
    uint32_t                 n_seg;
    maas_layer_value_t       in;
    maas_layer_value_t       out;
    const char              *last;      /* last operator: "Softmax", "" */
    int64_t                  n_weight;  /* trainable numbers */
} maas_network_t;

extern const maas_param_t  maas_network_params[];
extern const size_t        maas_network_n_params;
extern const maas_param_t  maas_network_input_params[];
extern const size_t        maas_network_n_input;

/*
 * b: a model that makes in->value, which the network goes on from; NULL: one
 * of its own.  in: shape and type that the data have; "input" of the object
 * may give another shape of as many elements, and int64.  The input is called
 * "features" or "image", the output "probabilities" after a last Softmax or
 * Sigmoid, else "prediction".
 */
maas_status_t maas_network_build(maas_network_t *n, maas_arena_t *a,
    const maas_host_t *host, const json_t *model, maas_build_t *b,
    const maas_layer_value_t *in, uint64_t seed, maas_err_t *err);

#endif
