/*
 * fuse_qdq.c: a tensor that goes to 8 bits and straight back becomes one
 * elementwise node, which passes between other nodes take for a post-op:
 *
 *   DequantizeLinear(QuantizeLinear(x, s, z), s, z)      = maas.FakeQuant(x)
 *
 * where s is one constant float32 above 0 and z a constant of its type.  Both
 * round the same numbers, so that no bit of the result differs.
 */

#include "graph/pass/pass.h"


/* The one constant of input i, of either type; absent: 0, as uint8. */
static bool
qdq_zero(const maas_pass_t *p, const maas_node_t *n, int i, int64_t *zero,
    maas_dtype_t *dtype)
{
    const maas_value_t  *v;

    *zero = 0;
    *dtype = MAAS_U8;

    if (n->n_formal <= i || n->in[i] == MAAS_NOVAL) {
        return true;
    }

    v = maas_pass_const(p->g, n->in[i]);

    if (v == NULL || maas_dims_count(v->type.dims, v->type.rank) != 1
        || (v->type.dtype != MAAS_I8 && v->type.dtype != MAAS_U8))
    {
        return false;
    }

    *dtype = v->type.dtype;
    *zero = v->type.dtype == MAAS_I8 ? *(const int8_t *) v->data
                                     : *(const uint8_t *) v->data;
    return true;
}


static bool
qdq_match(const maas_pass_t *p, const maas_node_t *dq, maas_vid_t *x,
    float *scale, int64_t *zero, bool *is_signed)
{
    float               other;
    int64_t             z;
    maas_dtype_t        t, from;
    const maas_node_t  *q;

    if (!maas_pass_is(dq, "DequantizeLinear") || dq->n_post != 0
        || p->g->value[dq->out[0]].type.dtype != MAAS_F32)
    {
        return false;
    }

    q = maas_pass_maker(p, dq->in[0], "QuantizeLinear");

    if (q == NULL || p->g->value[q->in[0]].type.dtype != MAAS_F32
        || !maas_pass_scalar(p->g, q->in[1], scale)
        || !maas_pass_scalar(p->g, dq->in[1], &other)
        || *scale != other || !(*scale > 0)
        || !qdq_zero(p, q, 2, zero, &t) || !qdq_zero(p, dq, 2, &z, &from)
        || *zero != z)
    {
        return false;
    }

    t = p->g->value[q->out[0]].type.dtype;
    *x = q->in[0];
    *is_signed = t == MAAS_I8;
    return t == MAAS_I8 || t == MAAS_U8;
}


static maas_status_t
qdq_run(maas_pass_t *p)
{
    bool        is_signed;
    float       scale;
    int64_t     zero;
    maas_vid_t  x;

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (p->g->node[i].op == NULL
            || !qdq_match(p, &p->g->node[i], &x, &scale, &zero, &is_signed))
        {
            continue;
        }

        maas_raw_attr_t  attr[] = {
            maas_pass_float("scale", scale), maas_pass_int("zero", zero),
            maas_pass_int("signed", is_signed)
        };

        MAAS_TRY(maas_pass_become(p, i, "maas", "FakeQuant", attr,
                                  maas_nelts(attr), &x, 1));
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_qdq = {
    .name = "fuse_qdq", .run = qdq_run, .needs_types = true
};
