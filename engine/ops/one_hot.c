/*
 * OneHot: rows of `off` with `on` where the index says so.  Indices and the
 * depth may have any numeric type; an index outside hits nothing.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include <math.h>

#include "ops/move.h"


typedef struct {
    int64_t  axis;
} onehot_attr_t;

#define ONEHOT_NONE  INT64_MIN      /* an index that hits nothing */

static int64_t
onehot_float(double d)
{
    return fabs(d) < 9e15 ? (int64_t) d : ONEHOT_NONE;
}


/* An index or a depth of any numeric type; floats are cut to integers. */
static int64_t
onehot_number(int dtype, const void *p, int64_t i)
{
    uint64_t  u;

    switch (dtype) {
    case MAAS_F32:
        return onehot_float(((const float *) p)[i]);
    case MAAS_F64:
        return onehot_float(((const double *) p)[i]);
    case MAAS_F16:
        return onehot_float(maas_f16_to_f32(((const uint16_t *) p)[i]));
    case MAAS_U8:
        return ((const uint8_t *) p)[i];
    case MAAS_I8:
        return ((const int8_t *) p)[i];
    case MAAS_U16:
        return ((const uint16_t *) p)[i];
    case MAAS_I16:
        return ((const int16_t *) p)[i];
    case MAAS_I32:
        return ((const int32_t *) p)[i];
    case MAAS_U32:
        return ((const uint32_t *) p)[i];
    case MAAS_U64:
        u = ((const uint64_t *) p)[i];
        return u > INT64_MAX ? ONEHOT_NONE : (int64_t) u;
    default:
        return ((const int64_t *) p)[i];
    }
}


static maas_status_t
onehot_depth(maas_infer_t *c, maas_dim_t *depth)
{
    int                 n;
    maas_dim_t          v[MAAS_IVAL_MAX];
    const maas_type_t  *t = c->in[1].type;

    *depth = MAAS_DIM_NONE;

    if (t->rank > 1 || (t->rank == 1 && maas_dim_known(t->dims[0])
                        && t->dims[0] != 1))
    {
        return maas_err(c->err, MAAS_EINVAL, "depth is not a scalar");
    }

    if (c->in[1].data != NULL) {
        *depth = onehot_number(t->dtype, c->in[1].data, 0);

    } else if (maas_ival_get(c, 1, v, &n) && n == 1
               && v[0] != MAAS_DIM_NONE)
    {
        *depth = v[0];
        return MAAS_OK;

    } else {
        return MAAS_INFER_NEED(c, 1);
    }

    if (*depth < 0) {
        return maas_err(c->err, MAAS_EINVAL, "depth is %lld, expected 0 or "
                        "more", (long long) *depth);
    }

    return MAAS_OK;
}


static maas_status_t
onehot_infer(maas_infer_t *c)
{
    int                 axis;
    maas_dim_t          depth, dims[MAAS_RANK_MAX + 1];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type, *v = c->in[2].type;

    if (t->rank + 1 > MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "the output has rank %d, "
                        "at most %d is supported", t->rank + 1,
                        MAAS_RANK_MAX);
    }

    if (v->rank != 1 || (maas_dim_known(v->dims[0]) && v->dims[0] != 2)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "values are not two numbers, [off, on]");
    }

    MAAS_TRY(maas_axis(((const onehot_attr_t *) c->attr)->axis, t->rank + 1,
                       &axis, c->err));

    rc = onehot_depth(c, &depth);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    memcpy(dims, t->dims, (size_t) axis * sizeof(maas_dim_t));
    dims[axis] = depth;
    memcpy(dims + axis + 1, t->dims + axis,
           (size_t) (t->rank - axis) * sizeof(maas_dim_t));
    maas_infer_set(c, 0, v->dtype, t->rank + 1, dims);

    return rc;
}


/* Output rows [outer, depth], each of `inner` items. */
static maas_status_t
onehot_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    char                 *dst = s->out[0].data;
    size_t                size;
    int64_t               at, depth, inner = 1, p, to;
    const char           *off, *on;
    const maas_tensor_t  *ix = &s->in[0], *y = &s->out[0];

    (void) slot;

    axis = (int) ((const onehot_attr_t *) s->attr)->axis;
    axis = axis < 0 ? axis + y->rank : axis;
    depth = y->dims[axis];
    size = maas_dtype_size(y->dtype);
    off = s->in[2].data;
    on = off + size;

    for (int i = axis + 1; i < y->rank; i++) {
        inner *= y->dims[i];
    }

    if (maas_tensor_count(y) == 0) {
        return MAAS_OK;
    }

    p = maas_move_start(maas_tensor_count(y) / inner, s->units, first);
    to = maas_move_start(maas_tensor_count(y) / inner, s->units, last);

    if (p >= to) {
        return MAAS_OK;
    }

    maas_move_fill(dst + (size_t) (p * inner) * size, off, size,
                   (to - p) * inner);

    for (int64_t o = p / depth; o <= (to - 1) / depth; o++) {
        for (int64_t i = 0; i < inner; i++) {
            at = onehot_number(ix->dtype, ix->data, o * inner + i);
            at = at < 0 && at >= -depth ? at + depth : at;

            if (at < 0 || at >= depth) {
                continue;
            }

            at += o * depth;

            if (at >= p && at < to) {
                memcpy(dst + (size_t) (at * inner + i) * size, on, size);
            }
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  onehot_in[] = {
    { "indices", MAAS_D_NUM | MAAS_D(F16), 0, 0 },
    { "depth", MAAS_D_NUM | MAAS_D(F16), 0, 0 },
    { "values", MAAS_D_FIXED, 'V', 0 }
};

static const maas_formal_t  onehot_out[] = {
    { "output", MAAS_D_FIXED, 'V', 0 }
};

static const maas_attr_row_t  onehot_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .i = -1,
      .off = offsetof(onehot_attr_t, axis) }
};

static const maas_kernel_row_t  onehot_kernel[] = {
    { .id = "onehot.rows", .setup = maas_move_setup, .run = onehot_run }
};

static const maas_case_t  onehot_cases[] = {
    { "| i64[2,3]{0,3,-1,9,2,-5} =i64[]{4} =f32[2]{0,1}", NULL },
    { "axis=0 | i32[3]{1,0,2} =i32[]{3} =f64[2]{-1,5}", NULL },
    { "axis=1 | f32[2,2]{0,1,2,0} =f32[]{3} =i64[2]{2,7}", NULL },
    { "axis=-2 | u8[2,2]{0,1,2,0} =i64[1]{3} =bool[2]{0,1}", NULL },
    { "| i64[]{1} =i64[]{5} =f16[2]{0,1}", NULL },
    { "| i64[0,2] =i64[]{5} =f32[2]{0,1}", NULL },
    { "| i64[3]{0,0,0} =i64[]{0} =f32[2]{0,1}", NULL },
    { "| i64[2]{0,1} i64[]{3} =f32[2]{0,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  onehot_bad[] = {
    { "| i64[2] =i64[]{-3} =f32[2]{0,1}", "depth is -3" },
    { "| i64[2] =i64[]{3} =f32[3]{0,1,2}", "two numbers" },
    { "axis=3 | i64[2] =i64[]{3} =f32[2]{0,1}", "axis 3 is out of range" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_one_hot[] = {
    {
        .name = "OneHot", .domain = "", .since = 11, .first = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(onehot_in, onehot_out),
        MAAS_ATTRS(onehot_attrs, onehot_attr_t),
        .infer = onehot_infer,
        MAAS_KERNELS(onehot_kernel),
        .cases = onehot_cases, .bad = onehot_bad
    },
    { .name = NULL }
};
