/*
 * blocked_net.h: networks that a test opens beside each other, one of which
 * works on blocked activations, and the comparison of their runs.
 */

#ifndef T_BLOCKED_NET_H
#define T_BLOCKED_NET_H

#include <math.h>

#include "open_net.h"


/* With plans that know of the chains that are asked for. */
static bool
net_begin(open_t *o, maas_arena_t *a, maas_raw_model_t *raw,
    maas_chains_t chains, maas_err_t *err)
{
    if (!net_open(o, a, raw, chains, err)) {
        return false;
    }

    net_replan(o);
    return true;
}


static uint32_t
nodes_of(const maas_model_t *m, const char *op)
{
    uint32_t             n = 0;
    const maas_graph_t  *g = m->src.graph[0];

    for (uint32_t i = 0; i < g->n_node; i++) {
        n += g->node[i].op != NULL && strcmp(g->node[i].op->name, op) == 0;
    }

    return n;
}


static bool
same(const maas_run_t *x, uint32_t i, const maas_run_t *y, uint32_t j)
{
    maas_tensor_t  a, b;

    maas_run_output(x, i, &a, NULL);
    maas_run_output(y, j, &b, NULL);

    return a.rank == b.rank
           && memcmp(a.dims, b.dims, a.rank * sizeof(*a.dims)) == 0
           && memcmp(a.data, b.data,
                     (size_t) maas_tensor_count(&a) * sizeof(float)) == 0;
}


static void
fill(maas_arena_t *a, maas_tensor_t *t, int rank, const int64_t *dims)
{
    *t = (maas_tensor_t) { .dtype = MAAS_F32, .rank = rank };
    memcpy(t->dims, dims, rank * sizeof(*dims));
    t->bytes = (size_t) maas_tensor_count(t) * sizeof(float);
    t->data = maas_arena_alloc(a, maas_max(t->bytes, 4u));

    for (int64_t k = 0; k < maas_tensor_count(t); k++) {
        ((float *) t->data)[k] = sinf((float) (k * 7 % 1000));
    }
}


static maas_str_t
conv(build_t *b, maas_str_t x, int rank, int64_t in, int64_t out, int64_t k)
{
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *n;

    n = node(b, "Conv", y, 2, x,
             floats_of(b, rank, (int64_t []) { out, in, k, k },
                       1.5f / sqrtf((float) (in * k * k)), 0));
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("auto_pad"), .type = MAAS_ATTR_STRING,
        .s = maas_str("SAME_UPPER")
    };
    return y;
}


static maas_raw_port_t *
image(maas_raw_port_t *p, maas_str_t name, int rank, const int64_t *dims,
    bool open)
{
    memset(p, 0, sizeof(*p));
    p->name = name;
    p->dtype = MAAS_F32;
    p->rank = rank;

    for (int i = 0; i < rank; i++) {
        p->dims[i] = open && i != 1 ? -1 : dims[i];
    }

    return p;
}

#endif
