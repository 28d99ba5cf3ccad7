/*
 * move_grad: gradients of operators that only move, copy or convert
 * elements: dy goes back where its elements came from.
 *
 * Ownership: what is emitted lies in the graph's arena.
 * Threads:   one thread, while a graph is made.
 */

#include "ops/grads.h"


maas_status_t
maas_grad_view(maas_grad_t *c)
{
    c->din[0] = maas_grad_reshape_like(c, c->dout[0], c->n->in[0]);
    return c->rc;
}


maas_status_t
maas_grad_cast(maas_grad_t *c)
{
    maas_raw_attr_t  to;

    to = maas_pass_int("to", maas_grad_type(c, c->n->in[0])->dtype);
    c->din[0] = maas_grad_emit(c, "", "Cast", &to, 1, c->dout, 1);
    return c->rc;
}


maas_status_t
maas_grad_transpose(maas_grad_t *c)
{
    int                 rank = maas_grad_type(c, c->n->in[0])->rank;
    int64_t             inverse[MAAS_RANK_MAX];
    const int64_t      *p;
    maas_raw_attr_t     attr = { .name = maas_str("perm"), .ints = inverse,
                                 .type = MAAS_ATTR_INTS };
    const maas_list_t  *perm = maas_pass_attr(c->n, "perm");

    /* Without perm the axes are reversed: so is the way back. */
    if (perm->n == 0) {
        c->din[0] = maas_grad_op1(c, "Transpose", c->dout[0]);
        return c->rc;
    }

    if ((int) perm->n != rank) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "the rank must be known");
    }

    p = maas_list_ints(c->attr, perm);

    for (int d = 0; d < rank; d++) {
        inverse[p[d]] = d;
    }

    attr.n = rank;
    c->din[0] = maas_grad_emit(c, "", "Transpose", &attr, 1, c->dout, 1);
    return c->rc;
}


/* Extents of the inputs along the axis, as a 1-D tensor. */
static maas_vid_t
vg_extents(maas_grad_t *c, int64_t axis)
{
    int64_t          at = axis;
    maas_vid_t       part[64], index;
    maas_raw_attr_t  zero = maas_pass_int("axis", 0);

    index = maas_grad_ints(c, &at, 1);

    for (int i = 0; i < c->n->n_in; i++) {
        part[i] = maas_grad_op2(c, "Gather",
                                maas_grad_op1(c, "Shape", c->n->in[i]),
                                index);
    }

    return maas_grad_emit(c, "", "Concat", &zero, 1, part, c->n->n_in);
}


maas_status_t
maas_grad_concat(maas_grad_t *c)
{
    int64_t          axis = 0;
    maas_vid_t       in[2], out[64];
    maas_raw_attr_t  attr;

    if (c->n->n_in > 64) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "the gradient of more "
                        "than 64 inputs");
    }

    maas_pass_attr_int(c->n, "axis", &axis);
    attr = maas_pass_int("axis", axis);
    in[0] = c->dout[0];
    in[1] = vg_extents(c, axis);
    maas_grad_emit_n(c, "", "Split", &attr, 1, in, 2, out, c->n->n_in);

    for (int i = 0; i < c->n->n_in; i++) {
        c->din[i] = out[i];
    }

    return c->rc;
}


/* Zeros of the shape of v. */
static maas_vid_t
vg_zeros(maas_grad_t *c, maas_vid_t v)
{
    return maas_grad_op2(c, "Expand", maas_grad_scalar(c, v, 0),
                         maas_grad_op1(c, "Shape", v));
}


maas_status_t
maas_grad_split(maas_grad_t *c)
{
    int64_t          axis = 0;
    maas_vid_t       in[64];
    maas_raw_attr_t  attr;

    if (c->n->n_out > 64) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "the gradient of more "
                        "than 64 outputs");
    }

    maas_pass_attr_int(c->n, "axis", &axis);
    attr = maas_pass_int("axis", axis);

    for (int i = 0; i < c->n->n_out; i++) {
        in[i] = c->dout[i] != MAAS_NOVAL ? c->dout[i]
                : vg_zeros(c, maas_grad_out(c, i));
    }

    c->din[0] = maas_grad_emit(c, "", "Concat", &attr, 1, in, c->n->n_out);
    return c->rc;
}


maas_status_t
maas_grad_expand(maas_grad_t *c)
{
    c->din[0] = maas_grad_unbroadcast(c, c->dout[0], c->n->out[0],
                                      c->n->in[0]);
    return c->rc;
}


static maas_raw_attr_t
vg_block(const maas_grad_t *c)
{
    int64_t  n = 1;

    maas_pass_attr_int(c->n, "blocksize", &n);
    return maas_pass_int("blocksize", n);
}


maas_status_t
maas_grad_space(maas_grad_t *c)
{
    maas_raw_attr_t  a = vg_block(c);

    c->din[0] = maas_grad_emit(c, "", "DepthToSpace", &a, 1, c->dout, 1);
    return c->rc;
}


/*
 * Mode CRD takes channels as [C, b, b]: dY as [N, C, H, b, W, b] has its
 * blocks moved behind C.
 */
maas_status_t
maas_grad_depth(maas_grad_t *c)
{
    int64_t                mode = 0, d[6], b;
    maas_vid_t             v;
    maas_raw_attr_t        a = vg_block(c);
    const maas_type_t     *y = maas_grad_type(c, c->n->out[0]);
    static const int64_t   perm[] = { 0, 1, 3, 5, 2, 4 };
    const maas_raw_attr_t  order = { .name = maas_str("perm"), .ints = perm,
                                     .n = 6, .type = MAAS_ATTR_INTS };

    maas_pass_attr_int(c->n, "mode", &mode);

    if (mode == 0) {
        c->din[0] = maas_grad_emit(c, "", "SpaceToDepth", &a, 1, c->dout, 1);
        return c->rc;
    }

    b = a.i;

    if (y->rank != 4 || !maas_dim_known(y->dims[1])
        || !maas_dim_known(y->dims[2]) || !maas_dim_known(y->dims[3]))
    {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "channels, height and "
                        "width must be known in mode CRD");
    }

    d[0] = 0;                   /* as it is */
    d[1] = y->dims[1];
    d[2] = y->dims[2] / b;
    d[3] = b;
    d[4] = y->dims[3] / b;
    d[5] = b;

    v = maas_grad_op2(c, "Reshape", c->dout[0], maas_grad_ints(c, d, 6));
    v = maas_grad_emit(c, "", "Transpose", &order, 1, &v, 1);
    c->din[0] = maas_grad_reshape_like(c, v, c->n->in[0]);
    return c->rc;
}
