/*
 * zipmap.c: a value that is a sequence of maps is stored as the tensor of
 * the map's values; its keys become a constant that the value names.
 *
 * Ownership: the keys lie in the graph's arena.
 * Threads:   one thread.
 */

#include "graph/pass/pass.h"


static maas_status_t
zipmap_run(maas_pass_t *p)
{
    maas_vid_t           keys;
    maas_tensor_t        t;
    const maas_node_t   *n;

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        n = &p->g->node[i];

        if (n->op == NULL || n->op->keys == NULL
            || n->out[0] == MAAS_NOVAL)
        {
            continue;
        }

        if (!n->op->keys(n, &t)) {
            return maas_err(p->err, MAAS_EINVAL,
                            "node '%.*s' (%s): its map has no keys",
                            (int) n->name.len, n->name.data, n->op->name);
        }

        keys = maas_graph_const(p->g, maas_str(""), &t);
        if (keys == MAAS_NOVAL) {
            return maas_err_nomem(p->err);
        }

        p->g->value[n->out[0]].keys = keys;
    }

    return maas_pass_index(p);
}


const maas_pass_row_t  maas_pass_zipmap = {
    .name = "zipmap", .run = zipmap_run, .always = true
};
