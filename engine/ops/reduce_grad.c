/*
 * reduce_grad: gradients of the reductions: dy is spread over what was
 * reduced, times the derivative of the reduction by each element.
 *
 * ReduceMax and ReduceMin: equal extremes share the gradient evenly, as
 * PyTorch's amax has it.
 */

#include "ops/grads.h"


/* Output or dy with the reduced axes as dimensions of 1. */
static maas_vid_t
rg_kept(maas_grad_t *c, maas_vid_t v)
{
    int64_t     keep = 1;
    maas_vid_t  axes = maas_grad_in(c, 1);

    maas_pass_attr_int(c->n, "keepdims", &keep);

    /* Without axes everything is reduced, and a scalar fits anyway. */
    return keep || axes == MAAS_NOVAL ? v
           : maas_grad_op2(c, "Unsqueeze", v, axes);
}


/* Elements that went into one of the output, as a scalar like x. */
static maas_vid_t
rg_count(maas_grad_t *c)
{
    maas_vid_t       x = c->n->in[0], n;
    maas_raw_attr_t  to = maas_pass_int("to", maas_grad_type(c, x)->dtype);

    n = maas_grad_op2(c, "Div", maas_grad_op1(c, "Size", x),
                      maas_grad_op1(c, "Size", c->n->out[0]));

    return maas_grad_emit(c, "", "Cast", &to, 1, &n, 1);
}


/* dy, shared by the elements that are the extreme. */
static maas_vid_t
rg_extreme(maas_grad_t *c, maas_vid_t dy)
{
    maas_vid_t       x = c->n->in[0], is, in[2], n;
    maas_raw_attr_t  to = maas_pass_int("to", maas_grad_type(c, x)->dtype);
    maas_raw_attr_t  keep = maas_pass_int("keepdims", 1);

    is = maas_grad_op2(c, "Equal", x, rg_kept(c, c->n->out[0]));
    is = maas_grad_emit(c, "", "Cast", &to, 1, &is, 1);
    in[0] = is;
    in[1] = maas_grad_in(c, 1);
    n = maas_grad_emit(c, "", "ReduceSum", &keep, 1, in,
                       in[1] == MAAS_NOVAL ? 1 : 2);

    return maas_grad_op2(c, "Mul", is, maas_grad_op2(c, "Div", dy, n));
}


static bool
rg_no_axes(const maas_grad_t *c)
{
    maas_vid_t  axes = maas_grad_in(c, 1);

    return axes == MAAS_NOVAL || maas_grad_type(c, axes)->dims[0] == 0;
}


maas_status_t
maas_grad_reduce(maas_grad_t *c)
{
    int64_t      noop = 0;
    maas_vid_t   x = c->n->in[0], y = c->n->out[0], dy = c->dout[0], d;
    const char  *op = c->n->op->name + 6;       /* behind "Reduce" */

    maas_pass_attr_int(c->n, "noop_with_empty_axes", &noop);

    if (noop && rg_no_axes(c)) {
        c->din[0] = dy;
        return MAAS_OK;
    }

    dy = rg_kept(c, dy);
    y = rg_kept(c, y);

    if (strcmp(op, "Sum") == 0) {
        d = dy;

    } else if (strcmp(op, "Mean") == 0) {
        d = maas_grad_op2(c, "Div", dy, rg_count(c));

    } else if (strcmp(op, "Max") == 0 || strcmp(op, "Min") == 0) {
        d = rg_extreme(c, dy);

    } else if (strcmp(op, "L1") == 0) {
        d = maas_grad_op2(c, "Mul", dy, maas_grad_op1(c, "Sign", x));

    } else if (strcmp(op, "L2") == 0) {
        d = maas_grad_op2(c, "Mul", x, maas_grad_op2(c, "Div", dy, y));

    } else if (strcmp(op, "SumSquare") == 0) {
        d = maas_grad_op2(c, "Mul", dy, maas_grad_scalar(c, x, 2));
        d = maas_grad_op2(c, "Mul", x, d);

    } else if (strcmp(op, "LogSum") == 0) {
        d = maas_grad_op1(c, "Exp", maas_grad_op1(c, "Neg", y));
        d = maas_grad_op2(c, "Mul", dy, d);

    } else if (strcmp(op, "LogSumExp") == 0) {
        d = maas_grad_op1(c, "Exp", maas_grad_op2(c, "Sub", x, y));
        d = maas_grad_op2(c, "Mul", dy, d);

    } else {            /* Prod: where no factor is 0 */
        d = maas_grad_op2(c, "Div", maas_grad_op2(c, "Mul", dy, y), x);
    }

    c->din[0] = maas_grad_op2(c, "Expand", d, maas_grad_op1(c, "Shape", x));
    return c->rc;
}
