/*
 * grad.c: what operators' grad() emits with.  See grad.h.
 *
 * Ownership: what is emitted lies in the graph's arena.
 * Threads:   one thread.
 */

#include "graph/grad.h"


maas_status_t
maas_grad_zero(maas_grad_t *c)
{
    (void) c;

    return MAAS_OK;
}


static maas_vid_t
grad_rc(maas_grad_t *c, maas_status_t rc)
{
    if (c->rc == MAAS_OK) {
        c->rc = rc;
    }

    return MAAS_NOVAL;
}


maas_vid_t
maas_grad_out(maas_grad_t *c, int i)
{
    maas_vid_t    v;
    maas_node_t  *n;

    if (c->rc != MAAS_OK) {
        return MAAS_NOVAL;
    }

    n = &c->g->node[c->index];

    if (i >= n->n_out) {
        return grad_rc(c, maas_err(c->err, MAAS_EINTERNAL, "%s has no output "
                                   "%d to save", n->op->name, i));
    }

    if (n->out[i] == MAAS_NOVAL) {
        v = maas_graph_value(c->g, maas_str(""));
        if (v == MAAS_NOVAL) {
            return grad_rc(c, maas_err_nomem(c->err));
        }

        n->out[i] = v;
    }

    return n->out[i];
}


const maas_type_t *
maas_grad_type(const maas_grad_t *c, maas_vid_t v)
{
    return &c->g->value[v].type;
}


/* -- emitting ------------------------------------------------------------ */

static maas_status_t
grad_outputs(maas_grad_t *c, maas_vid_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        out[i] = maas_graph_value(c->g, maas_str(""));
        if (out[i] == MAAS_NOVAL) {
            return maas_err_nomem(c->err);
        }
    }

    return MAAS_OK;
}


static maas_status_t
grad_node(maas_grad_t *c, const maas_op_t *op, const void *attr,
    uint32_t bytes, const maas_vid_t *in, uint32_t n_in, maas_vid_t *out,
    uint32_t n_out)
{
    maas_node_t  *n;

    MAAS_TRY(grad_outputs(c, out, n_out));

    n = maas_graph_node(c->g, op, attr, bytes, in, n_in, out, n_out);
    if (n == NULL) {
        return maas_err_nomem(c->err);
    }

    /* Errors of the backward node name the forward node, where one is. */
    n->name = c->n != NULL && c->n->name.len != 0 ? c->n->name
              : (maas_str_t) { op->name, strlen(op->name) };

    return MAAS_OK;
}


static const maas_op_t *
grad_find(maas_grad_t *c, const char *domain, const char *op)
{
    const maas_op_t  *row;

    row = maas_op_find((maas_str_t) { domain, strlen(domain) },
                       (maas_str_t) { op, strlen(op) });
    if (row == NULL) {
        grad_rc(c, maas_err(c->err, MAAS_EINTERNAL, "the gradient of %s "
                            "needs %s", c->n->op->name, op));
    }

    return row;
}


void
maas_grad_become(maas_grad_t *c, const char *op, int n_out)
{
    maas_vid_t       *out;
    maas_node_t      *n = &c->g->node[c->index];
    const maas_op_t  *row = grad_find(c, "maas", op);

    if (row == NULL || c->rc != MAAS_OK) {
        return;
    }

    out = maas_arena_alloc(c->g->arena,
                           (size_t) n_out * sizeof(maas_vid_t));
    if (out == NULL) {
        grad_rc(c, maas_err_nomem(c->err));
        return;
    }

    for (int i = 0; i < n_out; i++) {
        out[i] = i < n->n_out ? n->out[i] : MAAS_NOVAL;
    }

    n->op = row;
    n->out = out;
    n->n_out = (uint16_t) n_out;
}


/* The row of what is emitted, whose outputs are none until it is. */
static const maas_op_t *
grad_row(maas_grad_t *c, const char *domain, const char *op, maas_vid_t *out,
    uint32_t n_out)
{
    for (uint32_t i = 0; i < n_out; i++) {
        out[i] = MAAS_NOVAL;
    }

    return c->rc == MAAS_OK ? grad_find(c, domain, op) : NULL;
}


void
maas_grad_emit_n(maas_grad_t *c, const char *domain, const char *op,
    const maas_raw_attr_t *attr, uint32_t n_attr, const maas_vid_t *in,
    uint32_t n_in, maas_vid_t *out, uint32_t n_out)
{
    void             *a;
    uint32_t          bytes;
    maas_status_t     rc;
    const maas_op_t  *row;

    row = grad_row(c, domain, op, out, n_out);
    if (row == NULL) {
        return;
    }

    rc = maas_attr_parse(c->g->arena, row, attr, n_attr, &a, &bytes, c->err);

    if (rc == MAAS_OK) {
        rc = grad_node(c, row, a, bytes, in, n_in, out, n_out);
    }

    grad_rc(c, rc);
}


void
maas_grad_emit_same(maas_grad_t *c, const char *domain, const char *op,
    const maas_vid_t *in, uint32_t n_in, maas_vid_t *out, uint32_t n_out)
{
    const maas_op_t  *row;

    row = grad_row(c, domain, op, out, n_out);
    if (row == NULL) {
        return;
    }

    if (row->attr_size != c->n->op->attr_size) {
        grad_rc(c, maas_err(c->err, MAAS_EINTERNAL, "%s and %s differ in "
                            "their attributes", op, c->n->op->name));
        return;
    }

    grad_rc(c, grad_node(c, row, c->attr, c->n->attr_bytes, in, n_in, out,
                         n_out));
}


maas_vid_t
maas_grad_emit(maas_grad_t *c, const char *domain, const char *op,
    const maas_raw_attr_t *attr, uint32_t n_attr, const maas_vid_t *in,
    uint32_t n_in)
{
    maas_vid_t  out;

    maas_grad_emit_n(c, domain, op, attr, n_attr, in, n_in, &out, 1);
    return out;
}


maas_vid_t
maas_grad_op1(maas_grad_t *c, const char *op, maas_vid_t x)
{
    return maas_grad_emit(c, "", op, NULL, 0, &x, 1);
}


maas_vid_t
maas_grad_op2(maas_grad_t *c, const char *op, maas_vid_t x, maas_vid_t y)
{
    maas_vid_t  in[] = { x, y };

    return maas_grad_emit(c, "", op, NULL, 0, in, 2);
}


maas_vid_t
maas_grad_op3(maas_grad_t *c, const char *op, maas_vid_t x, maas_vid_t y,
    maas_vid_t z)
{
    maas_vid_t  in[] = { x, y, z };

    return maas_grad_emit(c, "", op, NULL, 0, in, 3);
}


/* -- constants ----------------------------------------------------------- */

static maas_vid_t
grad_const(maas_grad_t *c, uint8_t dtype, int rank, int64_t n,
    const void *data, size_t bytes)
{
    maas_vid_t     v;
    maas_tensor_t  t = { .dtype = dtype, .rank = rank, .bytes = bytes };

    if (c->rc != MAAS_OK) {
        return MAAS_NOVAL;
    }

    t.dims[0] = n;
    t.data = maas_arena_alloc(c->g->arena, bytes + MAAS_ALIGN);
    if (t.data == NULL) {
        return grad_rc(c, maas_err_nomem(c->err));
    }

    memcpy(t.data, data, bytes);

    v = maas_graph_const(c->g, maas_str(""), &t);
    return v != MAAS_NOVAL ? v : grad_rc(c, maas_err_nomem(c->err));
}


maas_vid_t
maas_grad_scalar(maas_grad_t *c, maas_vid_t like, double v)
{
    float  f = (float) v;

    if (c->g->value[like].type.dtype == MAAS_F64) {
        return grad_const(c, MAAS_F64, 0, 0, &v, sizeof(v));
    }

    return grad_const(c, MAAS_F32, 0, 0, &f, sizeof(f));
}


maas_vid_t
maas_grad_ints(maas_grad_t *c, const int64_t *v, int64_t n)
{
    return grad_const(c, MAAS_I64, 1, n, v, (size_t) n * sizeof(*v));
}


/* -- shapes -------------------------------------------------------------- */

maas_vid_t
maas_grad_reshape_like(maas_grad_t *c, maas_vid_t dy, maas_vid_t x)
{
    maas_raw_attr_t  zero = maas_pass_int("allowzero", 1);
    maas_vid_t       in[2] = { dy, maas_grad_op1(c, "Shape", x) };

    return maas_grad_emit(c, "", "Reshape", &zero, 1, in, 2);
}


/*
 * Axes of y along which x is repeated: -1 where the dimensions are not known
 * well enough to tell.
 */
static int
grad_repeated(const maas_type_t *x, const maas_type_t *y, int64_t *axis)
{
    int         n = 0, lead = y->rank - x->rank;
    maas_dim_t  a, b;

    if (x->rank < 0 || y->rank < 0) {
        return -1;
    }

    for (int d = 0; d < y->rank; d++) {
        a = d < lead ? 1 : x->dims[d - lead];
        b = y->dims[d];

        if (d < lead || (a == 1 && b != 1)) {
            axis[n++] = d;

        } else if (a != b || a == MAAS_DIM_NONE) {
            return -1;
        }
    }

    return n;
}


maas_vid_t
maas_grad_unbroadcast(maas_grad_t *c, maas_vid_t dy, maas_vid_t y,
    maas_vid_t x)
{
    int                 n;
    int64_t             axis[MAAS_RANK_MAX];
    maas_vid_t          in[2], sum;
    maas_raw_attr_t     keep = maas_pass_int("keepdims", 0);
    const maas_type_t  *tx, *ty;

    if (c->rc != MAAS_OK) {
        return MAAS_NOVAL;
    }

    tx = maas_grad_type(c, x);
    ty = maas_grad_type(c, y);
    n = grad_repeated(tx, ty, axis);

    if (n == 0) {
        return dy;
    }

    if (n < 0) {
        in[0] = dy;
        in[1] = maas_grad_op1(c, "Shape", x);
        return maas_grad_emit(c, "maas", "SumTo", NULL, 0, in, 2);
    }

    in[0] = dy;
    in[1] = maas_grad_ints(c, axis, n);
    sum = maas_grad_emit(c, "", "ReduceSum", &keep, 1, in, 2);

    /* Axes of x that stay as 1 are gone now, unless all were leading. */
    return axis[n - 1] == n - 1 && n == ty->rank - tx->rank
           ? sum : maas_grad_reshape_like(c, sum, x);
}
