/*
 * AffineGrid-20: the points of a grid, from matrices theta [N, 2, 3] (or
 * [N, 3, 4]) and the size [N, C, H, W] (or [N, C, D, H, W]) of the images:
 * what GridSample takes.  Coordinates are computed in double.
 */

#include "ops/move.h"


typedef struct {
    int64_t  align_corners;
} ag_attr_t;


static maas_status_t
ag_infer(maas_infer_t *c)
{
    int                 n, nd;
    maas_dim_t          d, v[MAAS_IVAL_MAX], dims[5];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type, *size = c->in[1].type;

    if (t->rank != 3) {
        return maas_err(c->err, MAAS_EINVAL, "theta has rank %d, expected 3",
                        t->rank);
    }

    rc = maas_ival_vector(c, 1, "size", MAAS_RANK_MAX, v, &n);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    if (n < 0 && maas_dim_known(t->dims[1])) {
        n = (int) t->dims[1] + 2;

        for (int i = 0; i < n && n <= 5; i++) {
            v[i] = MAAS_DIM_NONE;
        }
    }

    if (n < 0) {
        return rc;
    }

    nd = n - 2;

    if ((nd != 2 && nd != 3) || size->rank != 1) {
        return maas_err(c->err, MAAS_EINVAL, "size has %d elements, expected "
                        "4 (N, C, H, W) or 5", n);
    }

    MAAS_TRY(maas_infer_merge(c, t->dims[1], nd, &d, "rows of theta"));
    MAAS_TRY(maas_infer_merge(c, t->dims[2], nd + 1, &d,
                              "columns of theta"));
    MAAS_TRY(maas_infer_merge(c, t->dims[0], v[0], &dims[0],
                              "the batch of theta and size"));

    for (int i = 0; i < nd; i++) {
        dims[1 + i] = v[2 + i];

        if (maas_dim_known(v[2 + i]) && v[2 + i] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "element %d of size is %lld, "
                            "expected 0 or more", 2 + i,
                            (long long) v[2 + i]);
        }
    }

    dims[1 + nd] = nd;
    maas_infer_set(c, 0, t->dtype, nd + 2, dims);
    return rc;
}


static double
ag_at(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_F64 ? ((const double *) t->data)[i]
                                : (double) ((const float *) t->data)[i];
}


/* Pixel i of n in [-1, 1]. */
static double
ag_coordinate(const ag_attr_t *a, int64_t i, int64_t n)
{
    if (!a->align_corners) {
        return (2 * (double) i + 1) / (double) n - 1;
    }

    return n > 1 ? 2 * (double) i / (double) (n - 1) - 1 : 0;
}


static maas_status_t
ag_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int                   nd = s->out[0].rank - 2;
    double                at[4], v;
    int64_t               p, q, to, points;
    const maas_tensor_t  *t = &s->in[0], *y = &s->out[0];

    (void) slot;

    points = maas_dims_count(y->dims + 1, nd);
    p = maas_move_start(points * y->dims[0], s->units, first);
    to = maas_move_start(points * y->dims[0], s->units, last);

    for (; p < to; p++) {
        q = p % points;

        /* at[0] is along the last axis. */
        for (int d = nd - 1, i = 0; d >= 0; d--, i++) {
            at[i] = ag_coordinate(s->attr, q % y->dims[1 + d],
                                  y->dims[1 + d]);
            q /= y->dims[1 + d];
        }

        at[nd] = 1;

        for (int i = 0; i < nd; i++) {
            v = 0;

            for (int j = 0; j <= nd; j++) {
                v += at[j] * ag_at(t, (p / points * nd + i) * (nd + 1) + j);
            }

            if (y->dtype == MAAS_F64) {
                ((double *) y->data)[p * nd + i] = v;

            } else {
                ((float *) y->data)[p * nd + i] = (float) v;
            }
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  ag_in[] = {
    { "theta", MAAS_D_FLOAT, 'T', 0 }, { "size", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  ag_out[] = { { "grid", MAAS_D_FLOAT, 'T', 0 } };

static const maas_attr_row_t  ag_attrs[] = {
    { .name = "align_corners", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(ag_attr_t, align_corners) }
};

static const maas_kernel_row_t  ag_kernel[] = {
    { .id = "affinegrid.points", .setup = maas_move_setup, .run = ag_run }
};

static const maas_case_t  ag_cases[] = {
    { "| f32[2,2,3] =i64[4]{2,3,4,5}", NULL },
    { "align_corners=1 | f64[2,3,4] i64[5]{2,1,4,5,1}", NULL },
    { "| f32[1,2,3] =i64[4]{1,1,200,100}", NULL },
    { "| f32[0,2,3] =i64[4]{0,3,4,5}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ag_bad[] = {
    { "| f32[2,2,3] =i64[3]{2,3,4}", "size has 3 elements" },
    { "| f32[2,2,4] =i64[4]{2,3,4,5}", "columns of theta" },
    { "| f32[2,2,3] =i64[4]{3,3,4,5}", "the batch of theta and size" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_affinegrid[] = {
    {
        .name = "AffineGrid", .domain = "", .since = 20, .first = 20,
        .flags = MAAS_OP_PURE,
        MAAS_IO(ag_in, ag_out),
        MAAS_ATTRS(ag_attrs, ag_attr_t),
        .infer = ag_infer,
        MAAS_KERNELS(ag_kernel),
        .cases = ag_cases, .bad = ag_bad
    },
    { .name = NULL }
};
