/*
 * infer.c: helpers for operators' infer(), and symbolic inference over a
 * whole graph while compiling.
 *
 * The same infer() serves both ends: here dims may be symbols and contents
 * are mostly unknown; in plan.c all dims are numbers.
 *
 * Ownership: types are written into the graph's values.
 * Threads:   one thread.
 */

#include "graph/import.h"
#include "graph/infer.h"


maas_status_t
maas_infer_same(maas_infer_t *c)
{
    uint8_t  kind = c->in[0].type->kind;

    c->out[0].type = *c->in[0].type;
    c->out[0].type.kind = kind;
    c->out[0].type.format = MAAS_FMT_PLAIN;

    return MAAS_OK;
}


void
maas_infer_set(maas_infer_t *c, int o, maas_dtype_t dtype, int rank,
    const maas_dim_t *dims)
{
    maas_type_t  *t = &c->out[o].type;

    t->kind = MAAS_KIND_TENSOR;
    t->dtype = dtype;
    t->rank = rank;
    t->format = MAAS_FMT_PLAIN;

    for (int i = 0; i < rank; i++) {
        t->dims[i] = dims[i];
    }
}


void
maas_infer_rank(maas_infer_t *c, const maas_type_t *t)
{
    maas_dim_t  dims[MAAS_RANK_MAX];

    for (int i = 0; i < t->rank; i++) {
        dims[i] = MAAS_DIM_NONE;
    }

    maas_infer_set(c, 0, t->dtype, t->rank, dims);
}


maas_status_t
maas_infer_merge(maas_infer_t *c, maas_dim_t a, maas_dim_t b,
    maas_dim_t *out, const char *what)
{
    if (maas_dim_known(a) && maas_dim_known(b) && a != b) {
        return maas_err(c->err, MAAS_EINVAL, "%s: %lld and %lld differ",
                        what, (long long) a, (long long) b);
    }

    *out = maas_dim_known(a) || b == MAAS_DIM_NONE ? a : b;
    return MAAS_OK;
}


/* One axis of a broadcast; symbols that meet a known dim > 1 yield to it. */
static maas_status_t
infer_broadcast_dim(maas_infer_t *c, maas_dim_t a, maas_dim_t b,
    maas_dim_t *out)
{
    if (a == b || b == 1) {
        *out = a;
        return MAAS_OK;
    }

    if (a == 1) {
        *out = b;
        return MAAS_OK;
    }

    if (maas_dim_known(a) && maas_dim_known(b)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "shapes do not broadcast: %lld against %lld",
                        (long long) a, (long long) b);
    }

    *out = maas_dim_known(a) ? a : maas_dim_known(b) ? b
           : maas_dim_broadcast(c->syms, a, b);
    return MAAS_OK;
}


maas_status_t
maas_infer_broadcast(maas_infer_t *c, int first, int last, maas_dim_t *dims,
    int *rank)
{
    int                 r, off;
    const maas_type_t  *t;

    r = 0;

    for (int i = first; i < last; i++) {
        if (c->in[i].type != NULL) {
            r = maas_max(r, c->in[i].type->rank);
        }
    }

    for (int d = 0; d < r; d++) {
        dims[d] = 1;
    }

    for (int i = first; i < last; i++) {
        t = c->in[i].type;
        if (t == NULL) {
            continue;
        }

        off = r - t->rank;

        for (int d = 0; d < t->rank; d++) {
            MAAS_TRY(infer_broadcast_dim(c, dims[off + d], t->dims[d],
                                         &dims[off + d]));
        }
    }

    *rank = r;
    return MAAS_OK;
}


maas_status_t
maas_axis(int64_t axis, int rank, int *out, maas_err_t *err)
{
    if (axis < -rank || axis >= rank) {
        return maas_err(err, MAAS_EINVAL,
                        "axis %lld is out of range [%d, %d]",
                        (long long) axis, -rank, rank - 1);
    }

    *out = (int) (axis < 0 ? axis + rank : axis);
    return MAAS_OK;
}


maas_status_t
maas_infer_ints(maas_infer_t *c, int i, maas_dim_t *v, int *n)
{
    const maas_infer_in_t  *in = &c->in[i];

    if (in->type->dtype != MAAS_I64 && in->type->dtype != MAAS_I32) {
        return maas_err(c->err, MAAS_EINVAL,
                        "input %d: int32 or int64 expected, but it is %s",
                        i, maas_dtype_name(in->type->dtype));
    }

    if (in->type->rank > 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "input %d: a 1-D tensor expected, but its rank is %d",
                        i, in->type->rank);
    }

    if (in->ival == NULL) {
        if (in->data != NULL) {
            return maas_err(c->err, MAAS_ELIMIT,
                            "input %d: more than %d values", i,
                            MAAS_IVAL_MAX);
        }

        return MAAS_INFER_NEED(c, i);
    }

    memcpy(v, in->ival, in->n_ival * sizeof(maas_dim_t));
    *n = in->n_ival;
    return MAAS_OK;
}


int
maas_ival_load(const maas_tensor_t *t, maas_dim_t *v)
{
    int64_t  n;

    if (t->data == NULL || (t->dtype != MAAS_I64 && t->dtype != MAAS_I32)
        || t->format != MAAS_FMT_PLAIN)
    {
        return -1;
    }

    n = maas_tensor_count(t);
    if (n > MAAS_IVAL_MAX) {
        return -1;
    }

    for (int64_t i = 0; i < n; i++) {
        v[i] = t->dtype == MAAS_I64 ? ((const int64_t *) t->data)[i]
                                    : ((const int32_t *) t->data)[i];
        if (!maas_dim_known(v[i])) {
            return -1;
        }
    }

    return (int) n;
}


/* -- a whole graph ------------------------------------------------------- */

typedef struct {
    maas_dim_t  **ival;         /* by value; NULL: unknown */
    int          *n_ival;
} infer_state_t;


static maas_status_t
infer_const(maas_graph_t *g, infer_state_t *st, maas_vid_t id)
{
    int            n;
    maas_dim_t     v[MAAS_IVAL_MAX];
    maas_tensor_t  t;

    t = maas_value_tensor(&g->value[id]);
    n = maas_ival_load(&t, v);

    if (n >= 0) {
        st->ival[id] = maas_arena_dup(g->arena, v,
                                      maas_max(n, 1) * sizeof(maas_dim_t));
        st->n_ival[id] = n;
    }

    return MAAS_OK;
}


/* False: an input is not known well enough to ask the operator. */
static bool
infer_inputs(const maas_graph_t *g, const infer_state_t *st,
    const maas_node_t *n, maas_infer_in_t *in)
{
    const maas_value_t  *v;

    for (int i = 0; i < n->n_formal; i++) {
        memset(&in[i], 0, sizeof(in[i]));
        in[i].n_ival = -1;

        if (n->in[i] == MAAS_NOVAL) {
            continue;
        }

        v = &g->value[n->in[i]];

        /* Lists are made and taken apart whatever the shapes. */
        if (v->type.dtype == MAAS_NODTYPE
            || (v->type.rank < 0 && !maas_kind_is_list(v->type.kind)
                && n->op->control == MAAS_CONTROL_NONE
                && n->op->select == NULL))
        {
            return false;
        }

        in[i].type = &v->type;
        in[i].data = v->role == MAAS_ROLE_CONST ? v->data : NULL;
        in[i].ival = st->ival[n->in[i]];
        in[i].n_ival = in[i].ival != NULL ? st->n_ival[n->in[i]] : -1;
    }

    return true;
}


static maas_status_t
infer_keep(maas_graph_t *g, infer_state_t *st, const maas_node_t *n,
    maas_infer_out_t *out)
{
    maas_value_t  *v;

    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] == MAAS_NOVAL) {
            continue;
        }

        v = &g->value[n->out[i]];

        if (out[i].type.rank >= 0 || maas_kind_is_list(out[i].type.kind)) {
            v->type = out[i].type;

        } else if (v->type.dtype == MAAS_NODTYPE) {
            v->type.dtype = out[i].type.dtype;
        }

        if (out[i].n_ival >= 0) {
            st->ival[n->out[i]] = maas_arena_dup(g->arena, out[i].ival,
                          maas_max(out[i].n_ival, 1) * sizeof(maas_dim_t));
            st->n_ival[n->out[i]] = out[i].n_ival;
        }
    }

    return MAAS_OK;
}


static maas_status_t
infer_fail(const maas_node_t *n, maas_status_t rc, maas_err_t *err)
{
    (void) maas_err_prefix(err, "node '%.*s' (%s)", (int) n->name.len,
                           n->name.data, n->op->name);
    return rc;
}


/* dtypes that were not known when the node was imported. */
static maas_status_t
infer_check(maas_graph_t *g, const maas_node_t *n,
    const maas_infer_in_t *in, maas_err_t *err)
{
    maas_status_t        rc;
    const maas_type_t  **type;

    type = maas_arena_array(g->arena, n->n_formal + 1, sizeof(*type));
    if (type == NULL) {
        return maas_err_nomem(err);
    }

    for (int i = 0; i < n->n_formal; i++) {
        type[i] = in[i].type;
    }

    rc = maas_formals_types(n->op, type, n->n_formal, err);
    return rc == MAAS_OK ? rc : infer_fail(n, rc, err);
}


static maas_status_t
infer_node(maas_graph_t *g, infer_state_t *st, const maas_node_t *n,
    maas_err_t *err)
{
    maas_dim_t        *ival;
    maas_infer_t       c = { 0 };
    maas_status_t      rc;
    maas_infer_in_t   *in;
    maas_infer_out_t  *out;

    in = maas_arena_array(g->arena, n->n_in + 1, sizeof(*in));
    out = maas_arena_array(g->arena, n->n_out + 1, sizeof(*out));
    ival = maas_arena_array(g->arena, n->n_out + 1,
                            MAAS_IVAL_MAX * sizeof(maas_dim_t));
    if (in == NULL || out == NULL || ival == NULL) {
        return maas_err_nomem(err);
    }

    for (int i = 0; i < n->n_out; i++) {
        out[i].type.rank = -1;
        out[i].ival = ival + i * MAAS_IVAL_MAX;
        out[i].n_ival = -1;
        out[i].wanted = n->out[i] != MAAS_NOVAL;
    }

    if (!infer_inputs(g, st, n, in)) {
        return MAAS_OK;
    }

    MAAS_TRY(infer_check(g, n, in, err));

    c.node = n;
    c.attr = n->attr;
    c.n_in = n->n_formal;
    c.n_out = n->n_out;
    c.in = in;
    c.out = out;
    c.syms = g->syms;
    c.err = err;

    if (n->n_body != 0) {
        rc = maas_infer_bodies(g, n, err);
        if (rc != MAAS_OK) {
            return infer_fail(n, rc, err);
        }
    }

    rc = n->op->infer(&c);

    if (rc != MAAS_OK && rc != MAAS_NEED && rc != MAAS_INFER_EXTENT) {
        return infer_fail(n, rc, err);
    }

    return infer_keep(g, st, n, out);
}


maas_status_t
maas_graph_infer(maas_graph_t *g, maas_err_t *err)
{
    infer_state_t  st;

    st.ival = maas_arena_array(g->arena, g->n_value + 1, sizeof(*st.ival));
    st.n_ival = maas_arena_array(g->arena, g->n_value + 1,
                                 sizeof(*st.n_ival));
    if (st.ival == NULL || st.n_ival == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < g->n_value; i++) {
        if (g->value[i].role == MAAS_ROLE_CONST) {
            MAAS_TRY(infer_const(g, &st, i));
        }
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        MAAS_TRY(infer_node(g, &st, &g->node[i], err));
    }

    return MAAS_OK;
}
