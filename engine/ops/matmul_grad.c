/*
 * matmul_grad: gradients of MatMul and Gemm: products with one of the
 * factors transposed.
 *
 * For y = a b:  da = dy b^T,  db = a^T dy.  Where b is a matrix, a and dy
 * are taken as matrices too: db is one product, not a sum of products.
 */

#include "ops/grads.h"


/* alpha op(a) op(b) */
static maas_vid_t
mg_gemm(maas_grad_t *c, maas_vid_t a, bool ta, maas_vid_t b, bool tb,
    float alpha)
{
    maas_vid_t       in[] = { a, b };
    maas_raw_attr_t  attr[] = {
        maas_pass_int("transA", ta),
        maas_pass_int("transB", tb),
        maas_pass_float("alpha", alpha)
    };

    return maas_grad_emit(c, "", "Gemm", attr, 3, in, 2);
}


/* All but the last axis become one. */
static maas_vid_t
mg_flat(maas_grad_t *c, maas_vid_t v, int rank)
{
    maas_raw_attr_t  axis = maas_pass_int("axis", rank - 1);

    return rank == 2 ? v : maas_grad_emit(c, "", "Flatten", &axis, 1, &v, 1);
}


/* b is a matrix. */
static maas_status_t
mg_matrix(maas_grad_t *c, int rank)
{
    maas_vid_t  a = c->n->in[0], b = c->n->in[1], dy = c->dout[0], d;

    dy = mg_flat(c, dy, rank);

    if (c->need[0]) {
        d = mg_gemm(c, dy, false, b, true, 1);
        c->din[0] = rank == 2 ? d : maas_grad_reshape_like(c, d, a);
    }

    if (c->need[1]) {
        c->din[1] = mg_gemm(c, mg_flat(c, a, rank), true, dy, false, 1);
    }

    return c->rc;
}


static maas_vid_t
mg_unsqueeze(maas_grad_t *c, maas_vid_t v, int64_t axis)
{
    return maas_grad_op2(c, "Unsqueeze", v, maas_grad_ints(c, &axis, 1));
}


/* The last two axes exchanged. */
static maas_vid_t
mg_transposed(maas_grad_t *c, maas_vid_t v, int rank)
{
    int64_t          perm[MAAS_RANK_MAX];
    maas_raw_attr_t  attr = { .name = maas_str("perm"), .ints = perm,
                              .n = rank, .type = MAAS_ATTR_INTS };

    for (int d = 0; d < rank; d++) {
        perm[d] = d;
    }

    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;

    return maas_grad_emit(c, "", "Transpose", &attr, 1, &v, 1);
}


/* Sums over axes that broadcasting repeated. */
static maas_vid_t
mg_fit(maas_grad_t *c, maas_vid_t d, maas_vid_t x)
{
    maas_vid_t  in[] = { d, maas_grad_op1(c, "Shape", x) };

    return maas_grad_emit(c, "maas", "SumTo", NULL, 0, in, 2);
}


/* Do the leading axes of a and b agree, so that nothing is repeated? */
static bool
mg_same_batch(const maas_type_t *a, const maas_type_t *b)
{
    if (a->rank != b->rank) {
        return false;
    }

    for (int d = 0; d < a->rank - 2; d++) {
        if (a->dims[d] != b->dims[d] || a->dims[d] == MAAS_DIM_NONE) {
            return false;
        }
    }

    return true;
}


maas_status_t
maas_grad_matmul(maas_grad_t *c)
{
    bool                same;
    maas_vid_t          a = c->n->in[0], b = c->n->in[1], dy = c->dout[0], d;
    const maas_type_t   ta = *maas_grad_type(c, a);
    const maas_type_t   tb = *maas_grad_type(c, b);

    if (ta.rank < 1 || tb.rank < 1) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "ranks must be known");
    }

    if (tb.rank == 2 && ta.rank >= 2) {
        return mg_matrix(c, ta.rank);
    }

    same = mg_same_batch(&ta, &tb);

    /* A vector is a matrix of one row, or of one column. */
    if (ta.rank == 1) {
        a = mg_unsqueeze(c, a, 0);
        dy = mg_unsqueeze(c, dy, tb.rank == 1 ? 0 : -2);
    }

    if (tb.rank == 1) {
        b = mg_unsqueeze(c, b, 1);
        dy = mg_unsqueeze(c, dy, -1);
    }

    if (c->need[0]) {
        d = maas_grad_op2(c, "MatMul", dy,
                          mg_transposed(c, b, maas_max(tb.rank, 2)));
        d = same ? d : mg_fit(c, d, a);
        c->din[0] = ta.rank == 1
                    ? maas_grad_reshape_like(c, d, c->n->in[0]) : d;
    }

    if (c->need[1]) {
        d = maas_grad_op2(c, "MatMul",
                          mg_transposed(c, a, maas_max(ta.rank, 2)), dy);
        d = same ? d : mg_fit(c, d, b);
        c->din[1] = tb.rank == 1
                    ? maas_grad_reshape_like(c, d, c->n->in[1]) : d;
    }

    return c->rc;
}


static bool
mg_flag(const maas_grad_t *c, const char *name)
{
    int64_t  i = 0;

    maas_pass_attr_int(c->n, name, &i);
    return i != 0;
}


static float
mg_float(const maas_grad_t *c, const char *name)
{
    return *(const float *) maas_pass_attr(c->n, name);
}


/* y = alpha op(a) op(b) + beta c */
maas_status_t
maas_grad_gemm(maas_grad_t *c)
{
    bool        ta = mg_flag(c, "transA"), tb = mg_flag(c, "transB");
    float       alpha = mg_float(c, "alpha"), beta = mg_float(c, "beta");
    maas_vid_t  a = c->n->in[0], b = c->n->in[1], dy = c->dout[0], d;

    if (c->need[0]) {
        c->din[0] = ta ? mg_gemm(c, b, tb, dy, true, alpha)
                       : mg_gemm(c, dy, false, b, !tb, alpha);
    }

    if (c->need[1]) {
        c->din[1] = tb ? mg_gemm(c, dy, true, a, ta, alpha)
                       : mg_gemm(c, a, !ta, dy, false, alpha);
    }

    if (maas_grad_need(c, 2)) {
        d = maas_grad_unbroadcast(c, dy, c->n->out[0], c->n->in[2]);
        c->din[2] = beta == 1 ? d
                    : maas_grad_op2(c, "Mul", d,
                                    maas_grad_scalar(c, c->n->in[2], beta));
    }

    return c->rc;
}
