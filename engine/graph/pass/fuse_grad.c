/*
 * fuse_grad.c: the backward pass of Relu and MaxPool in the other order.
 *
 * MaxPool gives dY to the first maximum x = y of a window, Relu passes on
 * what came to x > 0: dY may as well be taken where y > 0 before it is
 * spread, which is a fraction of the elements.
 */

#include "graph/pass/pass.h"


static bool
fuse_grad_is(const maas_node_t *n, const char *op)
{
    return n->op != NULL && strcmp(n->op->domain, "maas") == 0
           && strcmp(n->op->name, op) == 0;
}


/* UnaryGrad of Relu, by its output. */
static bool
fuse_grad_relu(const maas_node_t *n)
{
    const int64_t          *fn;
    const maas_attr_row_t  *row;

    if (!fuse_grad_is(n, "UnaryGrad") || n->n_post != 0) {
        return false;
    }

    row = &n->op->attr[0];
    fn = maas_pass_attr(n, "fn");

    return fn != NULL && strcmp(row->words[*fn], "relu") == 0;
}


static maas_status_t
fuse_grad_run(maas_pass_t *p)
{
    maas_vid_t     d, *pool_in, *relu_in;
    maas_graph_t  *g = p->g;
    maas_node_t   *relu, *pool;

    for (uint32_t i = 0; i < g->n_node; i++) {
        relu = &g->node[i];

        if (!fuse_grad_relu(relu)
            || p->producer[relu->in[0]] == MAAS_NONODE)
        {
            continue;
        }

        pool = &g->node[p->producer[relu->in[0]]];

        if (!fuse_grad_is(pool, "MaxPoolGrad") || pool->n_post != 0
            || pool->in[0] != relu->in[1]
            || maas_pass_only_user(p, pool->out[0]) != relu)
        {
            continue;
        }

        /* relu: (dx, x) -> out becomes (dy, y) -> d; pool: ... d -> out */
        pool_in = maas_arena_dup(g->arena, pool->in, 3 * sizeof(d));
        relu_in = maas_arena_dup(g->arena, relu->in, 2 * sizeof(d));
        if (pool_in == NULL || relu_in == NULL) {
            return maas_err_nomem(p->err);
        }

        d = pool->out[0];
        g->value[d].type = g->value[pool_in[2]].type;
        relu_in[0] = pool_in[2];
        relu_in[1] = pool_in[1];
        pool_in[2] = d;
        pool->out[0] = relu->out[0];
        relu->out[0] = d;
        pool->in = pool_in;
        relu->in = relu_in;

        MAAS_TRY(maas_pass_index(p));
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_grad = {
    .name = "fuse_grad", .run = fuse_grad_run, .needs_types = true
};
