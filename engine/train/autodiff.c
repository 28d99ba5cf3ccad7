/*
 * autodiff.c: the walk of reverse mode.  See autodiff.h, graph/grad.h.
 *
 * Ownership: everything lies in the graph's arena.
 * Threads:   one thread.
 */

#include "graph/grad.h"
#include "train/autodiff.h"


typedef struct {
    maas_grad_t    c;
    maas_pass_t    p;
    uint32_t       n_fwd;       /* values of the forward graph */
    bool          *on;          /* by value: depends on what is asked for */
    maas_vid_t    *sum;         /* by value: its gradient so far */
    maas_vid_t    *dout;        /* of one node */
    maas_vid_t    *din;
    bool          *need;
} autodiff_t;


static bool
autodiff_float(const maas_graph_t *g, maas_vid_t v)
{
    uint8_t  dtype = g->value[v].type.dtype;

    return dtype == MAAS_F32 || dtype == MAAS_F64;
}


/* Which values depend on wrt by way of floats. */
static void
autodiff_mark(autodiff_t *a, const maas_vid_t *wrt, uint32_t n)
{
    bool                 on;
    const maas_node_t   *node;
    const maas_graph_t  *g = a->c.g;

    for (uint32_t i = 0; i < n; i++) {
        a->on[wrt[i]] = true;
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        node = &g->node[i];
        on = false;

        for (int j = 0; j < node->n_in; j++) {
            on = on || (node->in[j] != MAAS_NOVAL && a->on[node->in[j]]);
        }

        for (int j = 0; on && j < node->n_out; j++) {
            if (node->out[j] != MAAS_NOVAL && autodiff_float(g, node->out[j]))
            {
                a->on[node->out[j]] = node->op->grad != maas_grad_zero;
            }
        }
    }
}


static maas_status_t
autodiff_room(autodiff_t *a)
{
    size_t         in = 1, out = 1;
    maas_graph_t  *g = a->c.g;

    a->n_fwd = g->n_value;

    for (uint32_t i = 0; i < g->n_node; i++) {
        in = maas_max(in, g->node[i].n_in);
        out = maas_max(out, g->node[i].n_out);
    }

    a->on = maas_arena_array(g->arena, g->n_value + 1, sizeof(bool));
    a->sum = maas_arena_array(g->arena, g->n_value + 1, sizeof(maas_vid_t));
    a->dout = maas_arena_array(g->arena, out, sizeof(maas_vid_t));
    a->din = maas_arena_array(g->arena, in, sizeof(maas_vid_t));
    a->need = maas_arena_array(g->arena, in, sizeof(bool));

    if (a->on == NULL || a->sum == NULL || a->dout == NULL || a->din == NULL
        || a->need == NULL)
    {
        return maas_err_nomem(a->c.err);
    }

    for (uint32_t i = 0; i < g->n_value; i++) {
        a->sum[i] = MAAS_NOVAL;
    }

    return MAAS_OK;
}


/* The gradient of a value by one more of its uses. */
static void
autodiff_add(autodiff_t *a, maas_vid_t v, maas_vid_t d)
{
    maas_type_t  type = a->c.g->value[v].type;

    if (d == MAAS_NOVAL) {
        return;
    }

    if (d >= a->n_fwd) {
        a->c.g->value[d].type = type;
    }

    if (a->sum[v] == MAAS_NOVAL) {
        a->sum[v] = d;
        return;
    }

    a->sum[v] = maas_grad_op2(&a->c, "Add", a->sum[v], d);

    if (a->sum[v] != MAAS_NOVAL) {
        a->c.g->value[a->sum[v]].type = type;
    }
}


static maas_status_t
autodiff_refuse(autodiff_t *a, const maas_node_t *n)
{
    return maas_err(a->c.err, MAAS_EUNSUPPORTED, "node '%.*s' (%s) has no "
                    "gradient: what lies before it cannot be trained",
                    (int) maas_min(n->name.len, 120), n->name.data,
                    n->op->name);
}


static maas_status_t
autodiff_node(autodiff_t *a, uint32_t i)
{
    bool          any = false, wanted = false;
    maas_node_t   n = a->c.g->node[i];

    for (int j = 0; j < n.n_out; j++) {
        a->dout[j] = n.out[j] != MAAS_NOVAL ? a->sum[n.out[j]] : MAAS_NOVAL;
        any = any || a->dout[j] != MAAS_NOVAL;
    }

    for (int j = 0; j < n.n_in; j++) {
        a->din[j] = MAAS_NOVAL;
        a->need[j] = n.in[j] != MAAS_NOVAL && a->on[n.in[j]];
        wanted = wanted || a->need[j];
    }

    if (!any || !wanted) {
        return MAAS_OK;
    }

    if (n.op->grad == NULL || n.n_post != 0 || n.n_body != 0) {
        return autodiff_refuse(a, &n);
    }

    a->c.n = &n;
    a->c.attr = n.attr;
    a->c.index = i;
    a->c.dout = a->dout;
    a->c.din = a->din;
    a->c.need = a->need;

    MAAS_TRY(n.op->grad(&a->c));

    for (int j = 0; j < n.n_in && a->c.rc == MAAS_OK; j++) {
        if (a->need[j]) {
            autodiff_add(a, n.in[j], a->din[j]);
        }
    }

    return a->c.rc;
}


maas_status_t
maas_autodiff(maas_graph_t *g, maas_vid_t loss, const maas_vid_t *wrt,
    uint32_t n, maas_vid_t *grad, maas_err_t *err)
{
    uint32_t    n_node = g->n_node;
    autodiff_t  a = { .c = { .g = g, .p = &a.p, .err = err },
                      .p = { .g = g, .err = err } };

    MAAS_TRY(autodiff_room(&a));
    autodiff_mark(&a, wrt, n);

    for (uint32_t i = 0; i < n; i++) {
        grad[i] = MAAS_NOVAL;
    }

    if (!a.on[loss]) {
        return MAAS_OK;
    }

    a.sum[loss] = maas_grad_scalar(&a.c, loss, 1);
    if (a.c.rc != MAAS_OK) {
        return a.c.rc;
    }

    if (g->value[loss].type.rank != 0) {
        a.sum[loss] = maas_grad_reshape_like(&a.c, a.sum[loss], loss);
    }

    for (uint32_t i = n_node; i-- > 0 && a.c.rc == MAAS_OK; ) {
        MAAS_TRY(autodiff_node(&a, i));
    }

    for (uint32_t i = 0; i < n && a.c.rc == MAAS_OK; i++) {
        grad[i] = a.sum[wrt[i]];
    }

    return a.c.rc;
}
