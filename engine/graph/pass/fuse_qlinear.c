/*
 * fuse_qlinear.c: graphs that quantise every tensor compute with integers
 * under `numerics fast`.  DequantizeLinear before a node and QuantizeLinear
 * behind it are taken in, with a Relu or Clip between, which limits codes;
 * under `exact`, too, where maas.Requantize stands behind it
 * (ops/ms_qlinear.c), which becomes QuantizeLinear where it is not:
 *
 *   Conv                        maas.QConvLimited
 *   Add of two such tensors     maas.QAdd
 *   Concat along axis 1         maas.QConcat
 *   GlobalAveragePool           maas.QAverage (its output may stay float32)
 *   Gemm, MatMul by a weight    MatMulInteger, Cast, Mul, Add
 *   MaxPool, Flatten, Reshape, Transpose, Squeeze, Unsqueeze, Identity
 *                               the same of the codes, where both ends have
 *                               one scale and zero point
 *
 * Scales and zero points are constants, one for a tensor of activations; of
 * weights one, or one for each output channel.  A bias becomes int32 in units
 * of the product of the scales.  Sums of a Conv, Gemm, MatMul are exact; then
 * one rounding takes the place of those of float32 arithmetic, so that a code
 * may differ by one from that of `numerics exact`.
 */

#include <math.h>

#include "graph/pass/fuse_qlinear.h"


/* -- constants ----------------------------------------------------------- */

maas_status_t
fq_const(const fq_t *f, maas_dtype_t type, int64_t n, bool scalar,
    const void *data, maas_vid_t *v)
{
    maas_tensor_t  t = { .dtype = type, .rank = scalar ? 0 : 1, .dims = { n },
                         .bytes = (size_t) n * maas_dtype_size(type) };

    t.data = maas_arena_dup(f->p->g->arena, data, t.bytes);
    *v = t.data != NULL ? maas_graph_const(f->p->g, maas_str(""), &t)
                        : MAAS_NOVAL;

    return *v == MAAS_NOVAL ? maas_err_nomem(f->p->err) : MAAS_OK;
}


static int32_t
fq_byte(const maas_value_t *v, int64_t i)
{
    return v->type.dtype == MAAS_I8 ? ((const int8_t *) v->data)[i]
                                    : ((const uint8_t *) v->data)[i];
}


/* Inputs 1 and 2 of a node that quantises or goes back, for a whole tensor. */
static bool
fq_params(const fq_t *f, const maas_node_t *n, maas_dtype_t type, fq_codes_t *c)
{
    const maas_value_t  *z;

    c->type = type;
    c->scale = n->in[1];
    c->zero = n->n_formal > 2 ? n->in[2] : MAAS_NOVAL;
    c->z = 0;

    if ((type != MAAS_U8 && type != MAAS_I8) || n->n_post != 0
        || !maas_pass_scalar(f->p->g, n->in[1], &c->s)
        || !(c->s > 0) || !isfinite(c->s))
    {
        return false;
    }

    if (c->zero == MAAS_NOVAL) {
        return true;
    }

    z = maas_pass_const(f->p->g, c->zero);

    if (z == NULL || z->type.dtype != type
        || maas_dims_count(z->type.dims, z->type.rank) != 1)
    {
        return false;
    }

    c->z = fq_byte(z, 0);
    return true;
}


bool
fq_from(const fq_t *f, maas_vid_t v, fq_codes_t *c)
{
    const maas_node_t  *n = maas_pass_maker(f->p, v, "DequantizeLinear");

    if (n == NULL || f->p->g->value[v].type.dtype != MAAS_F32) {
        return false;
    }

    c->q = n->in[0];
    return f->p->g->value[c->q].role != MAAS_ROLE_CONST
           && fq_params(f, n, f->p->g->value[c->q].type.dtype, c);
}


/* -- what follows -------------------------------------------------------- */

static bool
fq_same(const fq_codes_t *a, const fq_codes_t *b)
{
    return a->s == b->s && a->z == b->z && a->type == b->type;
}


static int32_t
fq_code(const fq_codes_t *c, float v)
{
    int32_t  lo = c->type == MAAS_I8 ? -128 : 0;
    float    q = nearbyintf(v / c->s) + (float) c->z;

    return q > (float) lo ? (int32_t) fminf(q, (float) (lo + 255)) : lo;
}


static bool
fq_is_requantize(const maas_node_t *n)
{
    return n->op != NULL && strcmp(n->op->domain, "maas") == 0
           && strcmp(n->op->name, "Requantize") == 0;
}


bool
fq_end(const fq_t *f, const maas_node_t *n, fq_end_t *e)
{
    maas_post_t   post = { 0 };
    maas_node_t   *next;
    maas_graph_t  *g = f->p->g;

    memset(e, 0, sizeof(*e));

    if (n->n_post != 0 || maas_pass_is_output(g, n->out[0])) {
        return false;
    }

    next = maas_pass_only_user(f->p, n->out[0]);

    if (next != NULL && next->op != NULL && next->in[0] == n->out[0]
        && next->n_out == 1
        && !maas_pass_is_output(g, next->out[0])
        && maas_pass_as_post(f->p, next, 0, &post)
        && post.kind == MAAS_POST_UNARY
        && (post.fn == MAAS_U_RELU || post.fn == MAAS_U_CLIP))
    {
        e->limit = next;
        next = maas_pass_only_user(f->p, next->out[0]);
    }

    if (next == NULL
        || !(fq_is_requantize(next)
             || (f->p->fast && maas_pass_is(next, "QuantizeLinear")))
        || next->in[0] != (e->limit != NULL ? e->limit->out[0] : n->out[0])
        || !fq_params(f, next, g->value[next->out[0]].type.dtype, &e->to))
    {
        return false;
    }

    e->quant = next;
    e->to.q = next->out[0];
    e->low = e->to.type == MAAS_I8 ? -128 : 0;
    e->high = e->low + 255;

    if (e->limit != NULL) {
        e->low = fq_code(&e->to, post.fn == MAAS_U_RELU ? 0 : post.a);
        e->high = post.fn == MAAS_U_RELU ? e->high : fq_code(&e->to, post.b);
    }

    return true;
}


maas_status_t
fq_become(const fq_t *f, uint32_t i, const fq_end_t *e, const char *domain,
    const char *op, const maas_raw_attr_t *attr, uint32_t n_attr,
    const maas_vid_t *in, uint32_t n_in)
{
    maas_vid_t  *out;

    out = maas_arena_dup(f->p->g->arena, &e->to.q, sizeof(*out));
    if (out == NULL) {
        return maas_err_nomem(f->p->err);
    }

    MAAS_TRY(maas_pass_become(f->p, i, domain, op, attr, n_attr, in, n_in));

    if (e->limit != NULL) {
        maas_pass_delete(e->limit);
    }

    maas_pass_delete(e->quant);
    f->p->g->node[i].out = out;
    f->p->g->node[i].n_out = 1;
    f->p->producer[e->to.q] = i;

    return MAAS_OK;
}


maas_status_t
fq_zero(const fq_t *f, const fq_codes_t *c, maas_vid_t *v)
{
    const uint8_t  none = 0;

    *v = c->zero;
    return *v != MAAS_NOVAL ? MAAS_OK
                            : fq_const(f, c->type, 1, true, &none, v);
}


/* -- Add, Concat, GlobalAveragePool -------------------------------------- */

static maas_status_t
fq_add(const fq_t *f, uint32_t i)
{
    fq_codes_t          a, b;
    fq_end_t            e;
    const maas_type_t  *ta, *tb;
    const maas_node_t  *n = &f->p->g->node[i];

    if (n->n_in != 2 || !fq_from(f, n->in[0], &a) || !fq_from(f, n->in[1], &b)
        || !fq_end(f, n, &e))
    {
        return MAAS_OK;
    }

    ta = &f->p->g->value[n->in[0]].type;
    tb = &f->p->g->value[n->in[1]].type;

    if (ta->rank != tb->rank || ta->rank < 1) {
        return MAAS_OK;
    }

    for (int d = 0; d < ta->rank; d++) {
        if (ta->dims[d] == MAAS_DIM_NONE || ta->dims[d] != tb->dims[d]) {
            return MAAS_OK;
        }
    }

    maas_vid_t       in[] = { a.q, b.q };
    maas_raw_attr_t  attr[] = {
        maas_pass_float("fa", a.s / e.to.s),
        maas_pass_float("fb", b.s / e.to.s),
        maas_pass_int("za", a.z), maas_pass_int("zb", b.z),
        maas_pass_int("zero", e.to.z), maas_pass_int("low", e.low),
        maas_pass_int("high", e.high),
        maas_pass_int("signed", e.to.type == MAAS_I8)
    };

    return fq_become(f, i, &e, "maas", "QAdd", attr, maas_nelts(attr), in, 2);
}


#define FQ_PARTS  16

static maas_status_t
fq_concat(const fq_t *f, uint32_t i)
{
    float               scale[FQ_PARTS];
    int64_t             axis = 0, from[FQ_PARTS];
    fq_codes_t          c;
    fq_end_t            e;
    maas_vid_t          in[FQ_PARTS];
    const maas_node_t  *n = &f->p->g->node[i];

    (void) maas_pass_attr_int(n, "axis", &axis);

    if (axis != 1 || n->n_in < 1 || n->n_in > FQ_PARTS || !fq_end(f, n, &e)
        || e.limit != NULL)
    {
        return MAAS_OK;
    }

    for (int j = 0; j < n->n_in; j++) {
        if (n->in[j] == MAAS_NOVAL || !fq_from(f, n->in[j], &c)) {
            return MAAS_OK;
        }

        in[j] = c.q;
        scale[j] = c.s / e.to.s;
        from[j] = c.z;
    }

    maas_raw_attr_t  attr[] = {
        { .name = maas_str("scale"), .type = MAAS_ATTR_FLOATS, .floats = scale,
          .n = n->n_in },
        { .name = maas_str("from"), .type = MAAS_ATTR_INTS, .ints = from,
          .n = n->n_in },
        maas_pass_int("zero", e.to.z),
        maas_pass_int("signed", e.to.type == MAAS_I8)
    };

    return fq_become(f, i, &e, "maas", "QConcat", attr, maas_nelts(attr), in,
                     n->n_in);
}


static maas_status_t
fq_average(const fq_t *f, uint32_t i)
{
    bool                coded;
    fq_codes_t          x;
    fq_end_t            e;
    const maas_node_t  *n = &f->p->g->node[i];

    if (n->n_post != 0 || !fq_from(f, n->in[0], &x)
        || f->p->g->value[n->in[0]].type.rank < 3)
    {
        return MAAS_OK;
    }

    coded = fq_end(f, n, &e) && e.limit == NULL;

    if (!coded && !f->p->fast) {
        return MAAS_OK;
    }

    maas_raw_attr_t  attr[] = {
        maas_pass_float("scale", coded ? x.s / e.to.s : x.s),
        maas_pass_int("from", x.z), maas_pass_int("plain", !coded),
        maas_pass_int("zero", coded ? e.to.z : 0),
        maas_pass_int("signed", coded && e.to.type == MAAS_I8)
    };

    if (!coded) {
        return maas_pass_become(f->p, i, "maas", "QAverage", attr,
                                maas_nelts(attr), &x.q, 1);
    }

    return fq_become(f, i, &e, "maas", "QAverage", attr, maas_nelts(attr),
                     &x.q, 1);
}


/* -- nodes that move codes ----------------------------------------------- */

static bool
fq_moves(const maas_node_t *n)
{
    static const char *const  names[] = {
        "MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze",
        "Identity", NULL
    };

    for (int i = 0; names[i] != NULL; i++) {
        if (maas_pass_is(n, names[i])) {
            return n->n_out == 1;
        }
    }

    return false;
}


static maas_status_t
fq_move(const fq_t *f, uint32_t i)
{
    fq_end_t      e;
    fq_codes_t    x;
    maas_vid_t   *in, *out;
    maas_node_t  *n = &f->p->g->node[i];

    if (!fq_from(f, n->in[0], &x) || !fq_end(f, n, &e) || e.limit != NULL
        || !fq_same(&x, &e.to))
    {
        return MAAS_OK;
    }

    in = maas_arena_dup(f->p->g->arena, n->in, n->n_in * sizeof(*in));
    out = maas_arena_dup(f->p->g->arena, &e.to.q, sizeof(*out));
    if (in == NULL || out == NULL) {
        return maas_err_nomem(f->p->err);
    }

    in[0] = x.q;
    n->in = in;
    n->out = out;
    maas_pass_delete(e.quant);
    f->p->producer[e.to.q] = i;

    return MAAS_OK;
}


/* -- the pass ------------------------------------------------------------ */

static maas_status_t
fq_node(const fq_t *f, uint32_t i)
{
    const maas_node_t  *n = &f->p->g->node[i];

    if (maas_pass_is(n, "Conv")) {
        return fq_conv(f, i);
    }

    if (maas_pass_is(n, "Add")) {
        return fq_add(f, i);
    }

    if (maas_pass_is(n, "Concat")) {
        return fq_concat(f, i);
    }

    if (maas_pass_is(n, "GlobalAveragePool")) {
        return fq_average(f, i);
    }

    if (maas_pass_is(n, "Gemm") || maas_pass_is(n, "MatMul")) {
        return f->p->fast ? fq_matmul(f, i) : MAAS_OK;
    }

    return fq_moves(n) ? fq_move(f, i) : MAAS_OK;
}


static maas_status_t
fq_run(maas_pass_t *p)
{
    fq_t  f = { .p = p, .n_node = p->g->n_node };

    for (uint32_t i = 0; i < f.n_node; i++) {
        if (p->g->node[i].op != NULL) {
            MAAS_TRY(fq_node(&f, i));
        }
    }

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (fq_is_requantize(&p->g->node[i])) {
            p->g->node[i].op = maas_op_find(maas_str(""),
                                            maas_str("QuantizeLinear"));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_qlinear = {
    .name = "fuse_qlinear", .run = fq_run, .needs_types = true
};
