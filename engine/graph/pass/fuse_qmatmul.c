/*
 * fuse_qmatmul.c: MatMulInteger and QLinearMatMul by a constant matrix become
 * maas.QMatMul over 8-bit panels.  The Cast to float32 and the Mul by a scale
 * that follow MatMulInteger in dynamically quantised models are taken in:
 *
 *   MatMulInteger(A, B, za, zb) -> Cast -> Mul(scale)   = QMatMul(..., scale)
 *
 * where the scale is one element, or one for each column, and a sum with a
 * constant of int32 may stand before the Cast.  Where a QuantizeLinear by the
 * scale 1 follows the Mul, the node rounds to codes.  Scales of
 * QLinearMatMul are constants, one but for the columns of B.  All round the
 * same numbers, so that no bit of the result differs.
 *
 * DynamicQuantizeLinear becomes two nodes whose work threads share:
 *
 *   scale, zero = maas.DynamicRange(x)
 *   y = maas.DynamicQuantize(x, scale, zero)
 */

#include "graph/pass/pass.h"


/* The panels of a constant, made once for all its readers. */
typedef struct {
    maas_vid_t  from, to;
} qmatmul_row_t;


/* zb: the zero point of B, or MAAS_NOVAL. */
static bool
qmatmul_by(const maas_pass_t *p, maas_vid_t va, maas_vid_t vb, maas_vid_t zb)
{
    const maas_type_t   *a = &p->g->value[va].type, *z;
    const maas_value_t  *b = maas_pass_const(p->g, vb);

    if (b == NULL || b->type.rank != 2 || a->rank < 2
        || b->type.dims[0] < 1 || b->type.dims[0] > INT32_MAX
        || b->type.dims[1] < 1 || b->type.dims[1] > INT32_MAX)
    {
        return false;
    }

    if (zb != MAAS_NOVAL) {
        z = &p->g->value[zb].type;
        return z->rank == 0 || (z->rank == 1 && maas_dim_known(z->dims[0]));
    }

    return true;
}


static bool
qmatmul_match(const maas_pass_t *p, const maas_node_t *n)
{
    return maas_pass_is(n, "MatMulInteger") && n->n_formal >= 2
           && qmatmul_by(p, n->in[0], n->in[1],
                         n->n_formal > 3 ? n->in[3] : MAAS_NOVAL);
}


/* One element, or along the last axis of n columns. */
static bool
qmatmul_is_scale(const maas_type_t *t, int64_t n)
{
    if (t->dtype != MAAS_F32 || t->format != MAAS_FMT_PLAIN) {
        return false;
    }

    return t->rank == 0
           || (t->rank == 1 && (t->dims[0] == 1 || t->dims[0] == n));
}


/* The node behind, when it is `op` and alone reads node n's output. */
static maas_node_t *
qmatmul_next(const maas_pass_t *p, const maas_node_t *n, const char *op)
{
    maas_node_t  *next;

    if (maas_pass_is_output(p->g, n->out[0])) {
        return NULL;
    }

    next = maas_pass_only_user(p, n->out[0]);
    return next != NULL && next->n_post == 0 && maas_pass_is(next, op)
           ? next : NULL;
}


/* What follows a MatMulInteger: NULL, or MAAS_NOVAL, where there is none. */
typedef struct {
    maas_node_t  *add, *cast, *mul, *quant;
    maas_vid_t    bias, scale, zero;
} qmatmul_tail_t;


/* A constant of int32 for each column is added. */
static maas_node_t *
qmatmul_bias(const maas_pass_t *p, const maas_node_t *n, int64_t cols,
    maas_vid_t *bias)
{
    maas_node_t         *add = qmatmul_next(p, n, "Add");
    const maas_value_t  *v;

    if (add == NULL || add->n_in != 2) {
        return NULL;
    }

    *bias = add->in[add->in[0] == n->out[0]];
    v = maas_pass_const(p->g, *bias);

    return v != NULL && v->type.dtype == MAAS_I32 && v->type.rank == 1
           && v->type.dims[0] == cols ? add : NULL;
}


/* One scale that is 1, and one zero point. */
static maas_node_t *
qmatmul_codes(const maas_pass_t *p, const maas_node_t *n, maas_vid_t *zero)
{
    float                by;
    maas_node_t         *q = qmatmul_next(p, n, "QuantizeLinear");
    const maas_value_t  *z;

    if (q == NULL || q->n_formal != 3 || q->in[0] != n->out[0]
        || !maas_pass_scalar(p->g, q->in[1], &by) || by != 1)
    {
        return NULL;
    }

    *zero = q->in[2];
    z = maas_pass_const(p->g, *zero);

    return z != NULL && z->type.rank <= 1
           && maas_dims_count(z->type.dims, z->type.rank) == 1
           && (z->type.dtype == MAAS_U8 || z->type.dtype == MAAS_I8)
           ? q : NULL;
}


static void
qmatmul_tail(const maas_pass_t *p, const maas_node_t *n, int64_t cols,
    qmatmul_tail_t *t)
{
    *t = (qmatmul_tail_t) { .bias = MAAS_NOVAL, .scale = MAAS_NOVAL,
                            .zero = MAAS_NOVAL };

    t->add = qmatmul_bias(p, n, cols, &t->bias);
    t->cast = qmatmul_next(p, t->add != NULL ? t->add : n, "Cast");

    if (t->cast == NULL
        || p->g->value[t->cast->out[0]].type.dtype != MAAS_F32)
    {
        return;
    }

    t->mul = qmatmul_next(p, t->cast, "Mul");
    if (t->mul == NULL || t->mul->n_in != 2) {
        t->mul = NULL;
        return;
    }

    t->scale = t->mul->in[t->mul->in[0] == t->cast->out[0]];

    if (!qmatmul_is_scale(&p->g->value[t->scale].type, cols)) {
        t->mul = NULL;
        return;
    }

    t->quant = qmatmul_codes(p, t->mul, &t->zero);
}


static maas_status_t
qmatmul_panels(maas_pass_t *p, maas_vid_t from, qmatmul_row_t *done,
    uint32_t *n_done, maas_vid_t *to)
{
    maas_type_t    type = p->g->value[from].type;
    maas_node_t   *n;
    maas_value_t  *v;
    maas_tensor_t  in, out = { 0 };

    for (uint32_t i = 0; i < *n_done; i++) {
        if (done[i].from == from) {
            *to = done[i].to;
            return MAAS_OK;
        }
    }

    in = maas_value_tensor(&p->g->value[from]);
    out.dtype = MAAS_I8;
    out.rank = 2;
    out.dims[0] = (type.dims[1] + MAAS_Q16 - 1) / MAAS_Q16;
    out.dims[1] = maas_q16_panel(type.dims[0]);

    if (!maas_mul_size((size_t) out.dims[0], (size_t) out.dims[1],
                       &out.bytes))
    {
        return maas_err_nomem(p->err);
    }

    type.dtype = MAAS_I8;
    type.dims[0] = out.dims[0];
    type.dims[1] = out.dims[1];

    MAAS_TRY(maas_pass_emit(p, "maas", "PackQ8", NULL, 0, &from, 1, &type,
                            to));
    n = &p->g->node[p->g->n_node - 1];
    MAAS_TRY(maas_node_eval(n, p->k, &in, &out, p->g->arena, p->host,
                            p->err));

    v = &p->g->value[*to];
    v->name = p->g->value[from].name;
    v->role = MAAS_ROLE_CONST;
    v->data = out.data;
    v->bytes = out.bytes;
    maas_pass_delete(n);
    done[(*n_done)++] = (qmatmul_row_t) { from, *to };

    return MAAS_OK;
}


/* The node that ends the chain stays; those before it go. */
static maas_node_t *
qmatmul_last(maas_node_t *n, const qmatmul_tail_t *t, maas_vid_t in[7])
{
    maas_node_t  *part[4] = { n, t->add, t->cast, t->mul };

    if (t->mul == NULL) {
        return n;
    }

    for (int i = 0; i < 3 + (t->quant != NULL); i++) {
        if (part[i] != NULL) {
            maas_pass_delete(part[i]);
        }
    }

    in[4] = t->scale;

    if (t->add != NULL) {
        in[5] = t->bias;
    }

    if (t->quant != NULL) {
        in[6] = t->zero;
    }

    return t->quant != NULL ? t->quant : t->mul;
}


static maas_status_t
qmatmul_node(maas_pass_t *p, uint32_t i, qmatmul_row_t *done,
    uint32_t *n_done)
{
    uint32_t            at, n_in = 7;
    maas_vid_t          in[7] = { MAAS_NOVAL, MAAS_NOVAL, MAAS_NOVAL,
                                  MAAS_NOVAL, MAAS_NOVAL, MAAS_NOVAL,
                                  MAAS_NOVAL };
    maas_node_t        *n = &p->g->node[i];
    qmatmul_tail_t      tail;
    const maas_type_t  *b = &p->g->value[n->in[1]].type;

    maas_raw_attr_t     attr[] = {
        maas_pass_int("k", b->dims[0]), maas_pass_int("n", b->dims[1]),
        maas_pass_int("raised", b->dtype == MAAS_U8)
    };

    for (int j = 0; j < n->n_formal && j < 4; j++) {
        in[j] = n->in[j];
    }

    qmatmul_tail(p, n, b->dims[1], &tail);
    at = (uint32_t) (qmatmul_last(n, &tail, in) - p->g->node);
    MAAS_TRY(qmatmul_panels(p, in[1], done, n_done, &in[1]));

    while (n_in > 4 && in[n_in - 1] == MAAS_NOVAL) {
        n_in--;
    }

    return maas_pass_become(p, at, "maas", "QMatMul", attr, maas_nelts(attr),
                            in, n_in);
}


/* Scales and zero points are constants, one but for the columns of B. */
static bool
qmatmul_linear_match(const maas_pass_t *p, const maas_node_t *n)
{
    int64_t              cols;
    const maas_value_t  *v;
    static const int     in[] = { 1, 2, 4, 6, 7 };

    if (!maas_pass_is(n, "QLinearMatMul") || n->n_formal != 8
        || !qmatmul_by(p, n->in[0], n->in[3], n->in[5]))
    {
        return false;
    }

    cols = p->g->value[n->in[3]].type.dims[1];

    for (size_t i = 0; i < maas_nelts(in); i++) {
        v = maas_pass_const(p->g, n->in[in[i]]);

        if (v == NULL || v->type.rank > 1
            || (maas_dims_count(v->type.dims, v->type.rank) != 1
                && (in[i] != 4 || v->type.dims[0] != cols)))
        {
            return false;
        }
    }

    return true;
}


/* The scale of the sums, as QLinearMatMul rounds it. */
static maas_status_t
qmatmul_linear(maas_pass_t *p, uint32_t i, qmatmul_row_t *done,
    uint32_t *n_done)
{
    float               *scale;
    maas_vid_t           in[7] = { MAAS_NOVAL, MAAS_NOVAL, MAAS_NOVAL,
                                   MAAS_NOVAL, MAAS_NOVAL, MAAS_NOVAL,
                                   MAAS_NOVAL };
    maas_tensor_t        t;
    const maas_node_t   *n = &p->g->node[i];
    const maas_type_t   *b = &p->g->value[n->in[3]].type;
    const float         *sa = p->g->value[n->in[1]].data;
    const maas_value_t  *sb = &p->g->value[n->in[4]];
    const float         *sy = p->g->value[n->in[6]].data;

    maas_raw_attr_t      attr[] = {
        maas_pass_int("k", b->dims[0]), maas_pass_int("n", b->dims[1]),
        maas_pass_int("raised", b->dtype == MAAS_U8)
    };

    t = maas_value_tensor(sb);
    t.data = scale = maas_arena_alloc(p->g->arena, t.bytes);
    if (scale == NULL) {
        return maas_err_nomem(p->err);
    }

    for (int64_t j = 0; j < maas_tensor_count(&t); j++) {
        scale[j] = sa[0] * ((const float *) sb->data)[j] / sy[0];
    }

    in[0] = n->in[0];
    in[2] = n->in[2];
    in[3] = n->in[5];
    in[6] = n->in[7];
    in[4] = maas_graph_const(p->g, maas_str(""), &t);
    if (in[4] == MAAS_NOVAL) {
        return maas_err_nomem(p->err);
    }

    MAAS_TRY(qmatmul_panels(p, n->in[3], done, n_done, &in[1]));

    return maas_pass_become(p, i, "maas", "QMatMul", attr, maas_nelts(attr),
                            in, 7);
}


static maas_status_t
qmatmul_emit(maas_pass_t *p, const char *op, maas_str_t name,
    const maas_vid_t *in, uint32_t n_in, const maas_vid_t *out,
    uint32_t n_out)
{
    maas_node_t      *n;
    const maas_op_t  *row;

    row = maas_op_find(maas_str("maas"), (maas_str_t) { op, strlen(op) });
    if (row == NULL) {
        return maas_err(p->err, MAAS_EINTERNAL, "a pass needs %s", op);
    }

    n = maas_graph_node(p->g, row, NULL, 0, in, n_in, out, n_out);
    if (n == NULL) {
        return maas_err_nomem(p->err);
    }

    n->name = name;
    return MAAS_OK;
}


static maas_status_t
qmatmul_dynamic(maas_pass_t *p, uint32_t i)
{
    maas_vid_t    in[3], out[3];
    maas_str_t    name;
    maas_node_t  *n = &p->g->node[i];

    if (!maas_pass_is(n, "DynamicQuantizeLinear") || n->n_out != 3
        || n->n_post != 0)
    {
        return MAAS_OK;
    }

    for (int j = 0; j < 3; j++) {
        out[j] = n->out[j];

        if (out[j] == MAAS_NOVAL) {
            return MAAS_OK;
        }
    }

    in[0] = n->in[0];
    in[1] = out[1];
    in[2] = out[2];
    name = n->name;
    maas_pass_delete(n);

    MAAS_TRY(qmatmul_emit(p, "DynamicRange", name, in, 1, out + 1, 2));
    return qmatmul_emit(p, "DynamicQuantize", name, in, 3, out, 1);
}


static maas_status_t
qmatmul_run(maas_pass_t *p)
{
    uint32_t        n = p->g->n_node, n_done = 0;
    qmatmul_row_t  *done;

    done = maas_arena_array(p->g->arena, n + 1, sizeof(*done));
    if (done == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        MAAS_TRY(qmatmul_dynamic(p, i));

        if (qmatmul_match(p, &p->g->node[i])) {
            MAAS_TRY(qmatmul_node(p, i, done, &n_done));

        } else if (qmatmul_linear_match(p, &p->g->node[i])) {
            MAAS_TRY(qmatmul_linear(p, i, done, &n_done));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_qmatmul = {
    .name = "fuse_qmatmul", .run = qmatmul_run, .needs_types = true
};
