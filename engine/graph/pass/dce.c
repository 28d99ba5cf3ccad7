/*
 * dce.c: nodes whose outputs nobody reads go; values that nobody names go
 * too, so that a constant which was packed is not in the image twice.
 *
 * Ownership: values keep their places in the graph's arena.
 * Threads:   one thread.
 */

#include "graph/pass/pass.h"


static bool
dce_dead(const maas_pass_t *p, const maas_node_t *n)
{
    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] != MAAS_NOVAL && p->uses[n->out[i]] != 0) {
            return false;
        }
    }

    return true;
}


static void
dce_nodes(maas_pass_t *p)
{
    maas_node_t   *n;
    maas_graph_t  *g = p->g;

    /* Backwards: a dead consumer frees its producers in the same sweep. */
    for (uint32_t i = g->n_node; i-- > 0; /* void */ ) {
        n = &g->node[i];

        if (n->op == NULL || !dce_dead(p, n)) {
            continue;
        }

        for (int j = 0; j < n->n_in; j++) {
            if (n->in[j] != MAAS_NOVAL) {
                p->uses[n->in[j]]--;
            }
        }

        maas_pass_delete(n);
    }
}


static void
dce_map(maas_vid_t *list, uint32_t n, const uint32_t *map)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i] != MAAS_NOVAL) {
            list[i] = map[list[i]];
        }
    }
}


static void
dce_mark(bool *used, const maas_vid_t *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i] != MAAS_NOVAL) {
            used[list[i]] = true;
        }
    }
}


/* What the codes of a value name: they may become a node's inputs again. */
static maas_status_t
dce_map_codes(maas_pass_t *p, maas_value_t *v, const uint32_t *map)
{
    maas_codes_t  *c;

    if (v->codes == NULL) {
        return MAAS_OK;
    }

    c = maas_arena_dup(p->g->arena, v->codes, sizeof(*c));
    if (c == NULL) {
        return maas_err_nomem(p->err);
    }

    dce_map(c->in, 3, map);
    v->codes = c;
    return MAAS_OK;
}


static maas_status_t
dce_values(maas_pass_t *p)
{
    bool          *used;
    uint32_t      *map, n = 0;
    maas_graph_t  *g = p->g;

    used = maas_arena_array(g->arena, g->n_value + 1, sizeof(bool));
    map = maas_arena_array(g->arena, g->n_value + 1, sizeof(uint32_t));
    if (used == NULL || map == NULL) {
        return maas_err_nomem(p->err);
    }

    dce_mark(used, g->in, g->n_in);
    dce_mark(used, g->out, g->n_out);

    for (uint32_t i = 0; i < g->n_node; i++) {
        dce_mark(used, g->node[i].in, g->node[i].n_in);
        dce_mark(used, g->node[i].out, g->node[i].n_out);
    }

    for (uint32_t i = 0; i < g->n_value; i++) {
        if (used[i] && g->value[i].keys != MAAS_NOVAL) {
            used[g->value[i].keys] = true;
        }

        if (used[i] && g->value[i].codes != NULL) {
            dce_mark(used, g->value[i].codes->in, 3);
        }
    }

    for (uint32_t i = 0; i < g->n_value; i++) {
        map[i] = used[i] ? n : MAAS_NOVAL;

        if (used[i]) {
            g->value[n++] = g->value[i];
        }
    }

    g->n_value = n;

    for (uint32_t i = 0; i < n; i++) {
        if (g->value[i].keys != MAAS_NOVAL) {
            g->value[i].keys = map[g->value[i].keys];
        }

        MAAS_TRY(dce_map_codes(p, &g->value[i], map));
    }

    dce_map(g->in, g->n_in, map);
    dce_map(g->out, g->n_out, map);

    for (uint32_t i = 0; i < g->n_node; i++) {
        dce_map(g->node[i].in, g->node[i].n_in, map);
        dce_map(g->node[i].out, g->node[i].n_out, map);
    }

    return MAAS_OK;
}


static maas_status_t
dce_run(maas_pass_t *p)
{
    dce_nodes(p);
    MAAS_TRY(maas_pass_sort(p));
    MAAS_TRY(dce_values(p));

    return maas_pass_index(p);
}


const maas_pass_row_t  maas_pass_dce = {
    .name = "dce", .run = dce_run, .always = true
};
