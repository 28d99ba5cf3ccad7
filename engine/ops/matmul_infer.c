/*
 * Shapes of MatMul-13 and Gemm-13: batch axes broadcast, the inner extents
 * agree, C of Gemm broadcasts to the product.
 *
 * Ownership: nothing is kept.  Threads: reentrant.
 */

#include "ops/matmul.h"


maas_status_t
mm_infer(maas_infer_t *c, int input, maas_dim_t *dims, int *rank)
{
    int                 i, ia, ib, nb;
    maas_dim_t          k, x, y;
    const maas_type_t  *a = c->in[0].type, *b = c->in[input].type;

    if (a->rank < 1 || b->rank < 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "inputs have ranks %d and %d, expected 1 or more",
                        a->rank, b->rank);
    }

    MAAS_TRY(maas_infer_merge(c, a->dims[a->rank - 1],
                              b->dims[b->rank > 1 ? b->rank - 2 : 0], &k,
                              "inner dimension of A and B"));

    nb = maas_max(maas_max(a->rank, b->rank) - 2, 0);

    for (i = 0; i < nb; i++) {
        ia = a->rank - 2 - (nb - i);
        ib = b->rank - 2 - (nb - i);
        x = ia >= 0 ? a->dims[ia] : 1;
        y = ib >= 0 ? b->dims[ib] : 1;

        if (x == 1 || y == 1) {
            dims[i] = x == 1 ? y : x;

        } else {
            MAAS_TRY(maas_infer_merge(c, x, y, &dims[i],
                                      "batch dimension of A and B"));
        }
    }

    *rank = nb;

    if (a->rank > 1) {
        dims[(*rank)++] = a->dims[a->rank - 2];
    }

    if (b->rank > 1) {
        dims[(*rank)++] = b->dims[b->rank - 1];
    }

    return MAAS_OK;
}


maas_status_t
mm_matmul_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(mm_infer(c, 1, dims, &rank));
    maas_infer_set(c, 0, c->in[0].type->dtype, rank, dims);
    return MAAS_OK;
}


maas_status_t
mm_gemm_infer(maas_infer_t *c)
{
    int                 i, d;
    char                text[MAAS_DIMS_TEXT];
    maas_dim_t          dims[2], k;
    const gemm_attr_t  *at = c->attr;
    const maas_type_t  *a = c->in[0].type, *b = c->in[1].type, *x;

    if (a->rank != 2 || b->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "A has rank %d and B has rank %d, expected 2",
                        a->rank, b->rank);
    }

    MAAS_TRY(maas_infer_merge(c, a->dims[at->transA ? 0 : 1],
                              b->dims[at->transB ? 1 : 0], &k,
                              "inner dimension of A and B"));
    dims[0] = a->dims[at->transA ? 1 : 0];
    dims[1] = b->dims[at->transB ? 0 : 1];

    if (maas_infer_has(c, 2)) {
        x = c->in[2].type;

        for (i = 0; i < x->rank; i++) {
            d = 2 - x->rank + i;

            if (d < 0 || (x->dims[i] != 1 && maas_dim_known(x->dims[i])
                          && maas_dim_known(dims[d])
                          && x->dims[i] != dims[d]))
            {
                return maas_err(c->err, MAAS_EINVAL,
                                "C of shape %s does not broadcast to the "
                                "product",
                                maas_dims_text(text, x->dims, x->rank));
            }
        }
    }

    maas_infer_set(c, 0, a->dtype, 2, dims);
    return MAAS_OK;
}
