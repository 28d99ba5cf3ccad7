/*
 * infer.h: private to graph/: what inference while compiling and inference
 * while planning share.
 *
 * Ownership: nothing is allocated but in the context's arena.
 * Threads:   one thread per context.
 */

#ifndef MAAS_INFER_H
#define MAAS_INFER_H

#include "graph/op.h"


/*
 * Loads a small integer tensor (v: room for MAAS_IVAL_MAX); returns the
 * number of values, -1 when it is none or too large.
 */
int maas_ival_load(const maas_tensor_t *t, maas_dim_t *v);

/* Types of a node's bodies, from those of the node's inputs. */
maas_status_t maas_infer_bodies(const maas_graph_t *g, const maas_node_t *n,
    maas_err_t *err);

#endif
