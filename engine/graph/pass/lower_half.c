/*
 * lower_half.c: float16 and bfloat16 are stored as such and computed in
 * float32: where an operator has no kernel for them, its half inputs are cast
 * up and its half outputs cast down again.  A value that was just computed
 * in float32 is read as that: a chain of such operators rounds once, where
 * it ends, and is fused like one of float32.
 */

#include "graph/pass/pass.h"


static bool
half_dtype(uint8_t dtype)
{
    return dtype == MAAS_F16 || dtype == MAAS_BF16;
}


static const maas_formal_t *
half_formal(const maas_formal_t *f, int n, int i)
{
    return n == 0 ? NULL : &f[maas_min(i, n - 1)];
}


static bool
half_wants(const maas_graph_t *g, const maas_node_t *n)
{
    uint8_t               dtype;
    const maas_formal_t  *f;

    /* Captures go to bodies, whose own nodes are lowered. */
    if (n->op->flags & MAAS_OP_CONTROL) {
        return false;
    }

    for (int i = 0; i < n->n_formal; i++) {
        if (n->in[i] == MAAS_NOVAL) {
            continue;
        }

        dtype = g->value[n->in[i]].type.dtype;
        f = half_formal(n->op->in, n->op->n_in, i);

        if (half_dtype(dtype) && !(f->dtypes & (1u << dtype))) {
            return true;
        }
    }

    return false;
}


static maas_status_t
half_cast(maas_pass_t *p, maas_vid_t from, maas_dtype_t to, maas_vid_t *out)
{
    maas_type_t      type = p->g->value[from].type;
    maas_raw_attr_t  attr = { .name = maas_str("to"), .i = to,
                              .type = MAAS_ATTR_INT };

    type.dtype = to;
    return maas_pass_emit(p, "", "Cast", &attr, 1, &from, 1, &type, out);
}


/* up[v]: value v in float32, MAAS_NOVAL where there is none yet. */
static maas_status_t
half_node(maas_pass_t *p, maas_vid_t *up, uint32_t i)
{
    uint8_t        dtype;
    maas_vid_t     from, to;
    maas_node_t   *n;
    maas_graph_t  *g = p->g;

    for (int j = 0; j < g->node[i].n_formal; j++) {
        from = g->node[i].in[j];

        if (from == MAAS_NOVAL || !half_dtype(g->value[from].type.dtype)) {
            continue;
        }

        if (up[from] == MAAS_NOVAL) {
            MAAS_TRY(half_cast(p, from, MAAS_F32, &up[from]));
        }

        g->node[i].in[j] = up[from];
    }

    for (int j = 0; j < g->node[i].n_out; j++) {
        from = g->node[i].out[j];
        if (from == MAAS_NOVAL) {
            continue;
        }

        dtype = g->value[from].type.dtype;
        if (!half_dtype(dtype)) {
            continue;
        }

        to = maas_graph_value(g, maas_str(""));
        if (to == MAAS_NOVAL) {
            return maas_err_nomem(p->err);
        }

        g->value[to].type = g->value[from].type;
        g->value[to].type.dtype = MAAS_F32;
        g->node[i].out[j] = to;
        up[from] = to;

        /* The new Cast writes the old value, which keeps its name. */
        MAAS_TRY(half_cast(p, to, dtype, &to));
        n = &g->node[g->n_node - 1];
        n->out[0] = from;
    }

    return MAAS_OK;
}


static maas_status_t
half_run(maas_pass_t *p)
{
    uint32_t     n = p->g->n_node;
    maas_vid_t  *up;

    up = maas_arena_array(p->g->arena, p->g->n_value + 1,
                          sizeof(maas_vid_t));
    if (up == NULL) {
        return maas_err_nomem(p->err);
    }

    memset(up, 0xff, p->g->n_value * sizeof(maas_vid_t));

    for (uint32_t i = 0; i < n; i++) {
        if (p->g->node[i].op != NULL && half_wants(p->g, &p->g->node[i])) {
            MAAS_TRY(half_node(p, up, i));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_half = {
    .name = "half", .run = half_run, .needs_types = true, .always = true
};
