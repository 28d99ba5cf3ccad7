/*
 * infer_body.c: types in the bodies of control nodes while compiling.  What
 * is carried from iteration to iteration may change its shape: the body is
 * inferred again with what two iterations have in common, until that holds.
 *
 * Ownership: types are written into the bodies' values.
 * Threads:   one thread.
 */

#include "graph/bodies.h"
#include "graph/infer.h"


/* What two types have in common; false: `a` had it already. */
static bool
body_widen(maas_type_t *a, const maas_type_t *b)
{
    bool  changed = false;

    if (a->rank < 0 || maas_kind_is_list(a->kind)) {
        return false;
    }

    if (b->rank != a->rank || b->dtype != a->dtype || b->kind != a->kind) {
        a->rank = -1;
        return true;
    }

    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i] && a->dims[i] != MAAS_DIM_NONE) {
            a->dims[i] = MAAS_DIM_NONE;
            changed = true;
        }
    }

    return changed;
}


/* A scalar that the loop itself gives. */
static void
body_scalar(maas_graph_t *b, uint32_t i, maas_dtype_t dtype)
{
    maas_type_t  *t = &b->value[b->in[i]].type;

    memset(t, 0, sizeof(*t));
    t->dtype = dtype;
}


static void
body_slice(const maas_type_t *from, uint8_t control, maas_type_t *to)
{
    *to = *from;

    if (maas_kind_is_list(from->kind)) {
        to->kind = MAAS_KIND_TENSOR;
        to->rank = -1;

    } else if (control == MAAS_CONTROL_SCAN && from->rank > 0) {
        to->rank--;
        memmove(to->dims, to->dims + 1, to->rank * sizeof(maas_dim_t));
    }
}


static void
body_inputs(const maas_graph_t *g, const maas_node_t *n, maas_graph_t *b,
    const maas_body_t *c)
{
    maas_vid_t    from;
    uint32_t      k = 0, first = 0;
    maas_type_t  *to;

    if (n->op->control == MAAS_CONTROL_LOOP) {
        body_scalar(b, k++, MAAS_I64);
        body_scalar(b, k++, MAAS_BOOL);
        first = c->fixed;

    } else if (n->op->control == MAAS_CONTROL_IF) {
        first = c->fixed;
    }

    for (uint32_t i = first; i < n->n_formal && k < b->n_in; i++, k++) {
        from = n->in[i];
        to = &b->value[b->in[k]].type;

        if (from == MAAS_NOVAL) {
            continue;
        }

        if (i >= c->fixed + c->carried
            && i < c->fixed + c->carried + c->sliced)
        {
            body_slice(&g->value[from].type, n->op->control, to);

        } else {
            *to = g->value[from].type;
        }
    }
}


/* What earlier inference said of a body's values may not hold any more. */
static void
body_forget(maas_graph_t *b)
{
    const maas_node_t  *n;

    for (uint32_t i = 0; i < b->n_node; i++) {
        n = &b->node[i];

        for (int j = 0; j < n->n_out; j++) {
            if (n->out[j] != MAAS_NOVAL) {
                b->value[n->out[j]].type.rank = -1;
            }
        }
    }
}


static maas_status_t
body_infer(const maas_graph_t *g, const maas_node_t *n, int body,
    maas_err_t *err)
{
    bool           changed;
    uint32_t       first;
    maas_body_t    c;
    maas_graph_t  *b = n->body[body];

    MAAS_TRY(maas_body_counts(n, body, &c, err));
    body_inputs(g, n, b, &c);

    first = n->op->control == MAAS_CONTROL_LOOP ? c.fixed : 0;

    do {
        if (c.carried != 0) {
            body_forget(b);
        }

        MAAS_TRY(maas_graph_infer(b, err));
        changed = false;

        for (uint32_t i = 0; i < c.carried; i++) {
            changed |= body_widen(&b->value[b->in[first + i]].type,
                                  &b->value[b->out[c.cond + i]].type);
        }
    } while (changed);

    return MAAS_OK;
}


maas_status_t
maas_infer_bodies(const maas_graph_t *g, const maas_node_t *n,
    maas_err_t *err)
{
    for (int i = 0; i < n->n_body; i++) {
        MAAS_TRY(body_infer(g, n, i, err));
    }

    return MAAS_OK;
}
