/*
 * CenterCropPad-18: each axis is cropped or padded with zeros around its
 * middle; where that is not even, the smaller part lies before.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include "ops/move.h"


typedef struct {
    maas_list_t  axes;
} ccp_attr_t;


/* The axis of element i of shape. */
static int
ccp_axis(const ccp_attr_t *a, int i, int rank)
{
    int64_t  axis = i;

    if (a->axes.n != 0) {
        axis = maas_list_ints(a, &a->axes)[i];
    }

    return (int) (axis < 0 ? axis + rank : axis);
}


static maas_status_t
ccp_infer(maas_infer_t *c)
{
    int                 n, axis, rank = c->in[0].type->rank;
    uint32_t            seen = 0;
    maas_dim_t          v[MAAS_IVAL_MAX], dims[MAAS_RANK_MAX];
    maas_status_t       rc;
    const ccp_attr_t   *a = c->attr;
    const maas_type_t  *x = c->in[0].type;

    for (uint32_t i = 0; i < a->axes.n; i++) {
        MAAS_TRY(maas_axis(maas_list_ints(a, &a->axes)[i], rank, &axis,
                           c->err));

        if (seen >> axis & 1) {
            return maas_err(c->err, MAAS_EINVAL, "axis %d is given twice",
                            axis);
        }

        seen |= 1u << axis;
    }

    rc = maas_ival_vector(c, 1, "shape", MAAS_RANK_MAX, v, &n);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    memcpy(dims, x->dims, sizeof(dims));

    if (n >= 0 && n != (a->axes.n ? (int) a->axes.n : rank)) {
        return maas_err(c->err, MAAS_EINVAL, "shape has %d elements, expected "
                        "%d", n, a->axes.n ? (int) a->axes.n : rank);
    }

    for (int i = 0; i < (a->axes.n ? (int) a->axes.n : rank); i++) {
        axis = ccp_axis(a, i, rank);
        dims[axis] = n >= 0 ? v[i] : MAAS_DIM_NONE;

        if (maas_dim_known(dims[axis]) && dims[axis] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "element %d of shape is "
                            "%lld, expected 0 or more", i,
                            (long long) dims[axis]);
        }
    }

    maas_infer_set(c, 0, x->dtype, rank, dims);
    return rc;
}


/* Positions [first, last) of the output, as parts of rows. */
static maas_status_t
ccp_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int                   l = s->in[0].rank - 1;
    bool                  inside;
    char                 *dst = s->out[0].data;
    size_t                size = maas_dtype_size(s->in[0].dtype);
    int64_t               from, to, n, row, at, p, lo, hi, off, mul;
    int64_t               shift[MAAS_RANK_MAX];
    const char           *src = s->in[0].data;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    (void) slot;

    if (l < 0) {
        memcpy(dst, src, size);
        return MAAS_OK;
    }

    /* Source index = output index + shift. */
    for (int d = 0; d <= l; d++) {
        shift[d] = x->dims[d] >= y->dims[d]
                   ? (x->dims[d] - y->dims[d]) / 2
                   : -((y->dims[d] - x->dims[d]) / 2);
    }

    n = maas_tensor_count(y);
    from = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);

    for (; from < to; from += n) {
        row = from / y->dims[l];
        at = from % y->dims[l];
        n = maas_min(y->dims[l] - at, to - from);
        mul = x->dims[l];
        off = 0;
        inside = true;

        for (int d = l - 1; d >= 0; d--) {
            p = row % y->dims[d] + shift[d];
            row /= y->dims[d];
            inside = inside && p >= 0 && p < x->dims[d];
            off += p * mul;
            mul *= x->dims[d];
        }

        lo = maas_min(maas_max(at, -shift[l]), at + n);
        hi = maas_max(maas_min(at + n, x->dims[l] - shift[l]), lo);
        memset(dst + (size_t) from * size, 0, (size_t) n * size);

        if (inside && lo < hi) {
            memcpy(dst + (size_t) (from + lo - at) * size,
                   src + (size_t) (off + lo + shift[l]) * size,
                   (size_t) (hi - lo) * size);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  ccp_in[] = {
    { "input_data", MAAS_D_FIXED, 'T', 0 },
    { "shape", MAAS_D(I32) | MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  ccp_out[] = {
    { "output_data", MAAS_D_FIXED, 'T', 0 }
};

static const maas_attr_row_t  ccp_attrs[] = {
    { .name = "axes", .type = MAAS_ATTR_INTS,
      .off = offsetof(ccp_attr_t, axes) }
};

static const maas_kernel_row_t  ccp_kernel[] = {
    { .id = "centercroppad.rows", .setup = maas_move_setup, .run = ccp_run }
};

static const maas_case_t  ccp_cases[] = {
    { "| f32[5,8,3] =i64[3]{10,4,3}", NULL },
    { "axes=[1,-3] | f16[5,8,3] i64[2]{9,5}", NULL },
    { "| u8[6,7] i32[2]{3,10}", NULL },
    { "| i64[0,3] =i64[2]{2,2}", NULL },
    { "| f64[200,300] =i64[2]{301,199}", NULL },
    { NULL, NULL }
};

static const maas_case_t  ccp_bad[] = {
    { "| f32[2,3] =i64[1]{3}", "shape has 1 elements, expected 2" },
    { "| f32[2,3] =i64[2]{3,-1}", "element 1 of shape is -1" },
    { "axes=[0,-2] | f32[2,3] =i64[2]{3,1}", "axis 0 is given twice" },
    { "axes=[2] | f32[2,3] =i64[1]{3}", "axis 2" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_center_crop_pad[] = {
    {
        .name = "CenterCropPad", .domain = "", .since = 18, .first = 18,
        .flags = MAAS_OP_PURE,
        MAAS_IO(ccp_in, ccp_out),
        MAAS_ATTRS(ccp_attrs, ccp_attr_t),
        .infer = ccp_infer,
        MAAS_KERNELS(ccp_kernel),
        .cases = ccp_cases, .bad = ccp_bad
    },
    { .name = NULL }
};
