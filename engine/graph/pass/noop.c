/*
 * noop.c: nodes that change nothing go: views and casts whose type is the
 * input's, Dropout at inference whose mask nobody reads.
 *
 * Ownership: nothing is allocated.
 * Threads:   one thread.
 */

#include "graph/pass/pass.h"


static bool
noop_same_type(const maas_type_t *a, const maas_type_t *b)
{
    return a->dtype == b->dtype && a->kind == b->kind
           && maas_type_same_dims(a, b);
}


static bool
noop_is(const maas_pass_t *p, const maas_node_t *n)
{
    if (n->op == NULL || n->n_post != 0 || n->n_in == 0
        || n->in[0] == MAAS_NOVAL || n->out[0] == MAAS_NOVAL
        || maas_pass_is_output(p->g, n->out[0]))
    {
        return false;
    }

    if (maas_pass_is(n, "Identity")) {
        return true;
    }

    if (maas_pass_is(n, "Dropout")) {
        return n->n_formal < 3
               && (n->n_out < 2 || n->out[1] == MAAS_NOVAL
                   || p->uses[n->out[1]] == 0);
    }

    if ((n->op->flags & MAAS_OP_VIEW) || maas_pass_is(n, "Cast")) {
        return noop_same_type(&p->g->value[n->in[0]].type,
                              &p->g->value[n->out[0]].type)
               && p->g->value[n->out[0]].type.kind == MAAS_KIND_TENSOR;
    }

    return false;
}


static maas_status_t
noop_run(maas_pass_t *p)
{
    maas_vid_t    from, to;
    maas_node_t  *n;

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        n = &p->g->node[i];

        if (!noop_is(p, n)) {
            continue;
        }

        from = n->out[0];
        to = n->in[0];
        maas_pass_delete(n);
        maas_graph_replace(p->g, from, to);
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_noop = {
    .name = "noop", .run = noop_run, .needs_types = true
};
