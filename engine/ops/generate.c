/*
 * Tensors made from little: ConstantOfShape, Range, EyeLike, and Trilu,
 * which keeps a triangle.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/move.h"


typedef struct {
    maas_list_t  value;
} constant_attr_t;

typedef struct {
    int64_t  dtype;
    int64_t  k;
} eye_attr_t;

typedef struct {
    int64_t  upper;
} trilu_attr_t;


/* -- ConstantOfShape ----------------------------------------------------- */

static void
constant_value(const constant_attr_t *a, maas_tensor_t *t, uint64_t *bits)
{
    *bits = 0;
    memset(t, 0, sizeof(*t));
    t->dtype = MAAS_F32;

    if (maas_list_tensor(a, &a->value, t)
        && t->bytes >= maas_dtype_size(t->dtype))
    {
        memcpy(bits, t->data, maas_dtype_size(t->dtype));
    }
}


static void
constant_values(maas_infer_t *c, const maas_tensor_t *t, const void *bits,
    const maas_dim_t *dims, int rank)
{
    int64_t     n, one;
    maas_dim_t  v[MAAS_IVAL_MAX];

    n = maas_ival_product(c, dims, rank);

    if (!maas_dim_known(n) || n > MAAS_IVAL_MAX
        || (t->dtype != MAAS_I64 && t->dtype != MAAS_I32))
    {
        return;
    }

    one = t->dtype == MAAS_I64 ? *(const int64_t *) bits
                               : *(const int32_t *) bits;

    if (!maas_dim_known(one)) {
        return;
    }

    for (int64_t i = 0; i < n; i++) {
        v[i] = one;
    }

    maas_ival_set(c, 0, v, (int) n);
}


static maas_status_t
constant_infer(maas_infer_t *c)
{
    int                     n;
    uint64_t                bits;
    maas_dim_t              dims[MAAS_IVAL_MAX];
    maas_status_t           rc;
    maas_tensor_t           t;
    const constant_attr_t  *a = c->attr;

    constant_value(a, &t, &bits);

    if (!(MAAS_D_FIXED >> t.dtype & 1)) {
        return maas_err(c->err, MAAS_EUNSUPPORTED,
                        "value is a %s, expected a number",
                        maas_dtype_name(t.dtype));
    }

    if (a->value.n != 0 && maas_tensor_count(&t) != 1) {
        return maas_err(c->err, MAAS_EINVAL, "value has %lld elements, "
                        "expected 1", (long long) maas_tensor_count(&t));
    }

    rc = maas_ival_vector(c, 0, "input", MAAS_RANK_MAX, dims, &n);

    if (n == -1) {
        return rc;
    }

    for (int i = 0; i < n; i++) {
        if (maas_dim_known(dims[i]) && dims[i] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "dimension %d is %lld, "
                            "expected 0 or more", i, (long long) dims[i]);
        }
    }

    maas_infer_set(c, 0, t.dtype, n, dims);
    constant_values(c, &t, &bits, dims, n);

    return rc;
}


static maas_status_t
constant_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    size_t                size;
    int64_t               n, from, to;
    uint64_t              bits;
    maas_tensor_t         t;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    constant_value(s->attr, &t, &bits);
    size = maas_dtype_size(y->dtype);
    n = maas_tensor_count(y);
    from = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);
    maas_move_fill((char *) y->data + (size_t) from * size, &bits, size,
                   to - from);

    return MAAS_OK;
}


/* -- Range --------------------------------------------------------------- */

static double
range_number(int dtype, const void *p)
{
    switch (dtype) {
    case MAAS_F32:
        return *(const float *) p;
    case MAAS_F64:
        return *(const double *) p;
    case MAAS_I16:
        return *(const int16_t *) p;
    case MAAS_I32:
        return *(const int32_t *) p;
    default:
        return (double) *(const int64_t *) p;
    }
}


/* Extent of integer contents, some of them symbols. */
static maas_status_t
range_symbolic(maas_infer_t *c, const maas_dim_t *v, maas_dim_t *n)
{
    if (v[2] == 0) {
        return maas_err(c->err, MAAS_EINVAL, "delta is 0");
    }

    *n = maas_dim_sub(c->syms, v[1], v[0]);

    if (maas_dim_known(v[2]) && v[2] < 0) {
        *n = maas_dim_ceil(c->syms, maas_dim_sub(c->syms, v[0], v[1]),
                           -v[2]);
    } else {
        *n = maas_dim_ceil(c->syms, *n, v[2]);
    }

    /* A symbol alone is an extent and not below 0. */
    if (maas_dim_known(*n) || v[0] != 0) {
        *n = maas_dim_max(c->syms, *n, 0);
    }

    return MAAS_OK;
}


static maas_status_t
range_extent(maas_infer_t *c, int dtype, maas_dim_t *n)
{
    double  v[3], d;

    for (int i = 0; i < 3; i++) {
        if (c->in[i].data == NULL) {
            return MAAS_INFER_NEED(c, i);
        }

        v[i] = range_number(dtype, c->in[i].data);
    }

    if (v[2] == 0) {
        return maas_err(c->err, MAAS_EINVAL, "delta is 0");
    }

    d = ceil((v[1] - v[0]) / v[2]);

    if (!(d < 9e15)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "from %g to %g by %g is no finite range", v[0], v[1],
                        v[2]);
    }

    *n = d > 0 ? (int64_t) d : 0;
    return MAAS_OK;
}


static void
range_values(maas_infer_t *c, const maas_dim_t *v, maas_dim_t n)
{
    maas_dim_t  out[MAAS_IVAL_MAX];

    if (!maas_dim_known(n) || n > MAAS_IVAL_MAX) {
        return;
    }

    for (int64_t i = 0; i < n; i++) {
        out[i] = maas_dim_add(c->syms, v[0],
                              maas_dim_mul(c->syms, v[2], i));
    }

    maas_ival_set(c, 0, out, (int) n);
}


static maas_status_t
range_infer(maas_infer_t *c)
{
    int            n, dtype = c->in[0].type->dtype;
    bool           ints = true;
    maas_dim_t     dim = MAAS_DIM_NONE, v[3], one[MAAS_IVAL_MAX];
    maas_status_t  rc = MAAS_OK;

    static const char *const  names[] = { "start", "limit", "delta" };

    for (int i = 0; i < 3; i++) {
        const maas_type_t  *t = c->in[i].type;

        if (t->rank > 1 || (t->rank == 1 && maas_dim_known(t->dims[0])
                            && t->dims[0] != 1))
        {
            return maas_err(c->err, MAAS_EINVAL, "%s is not a scalar",
                            names[i]);
        }

        if (ints && maas_ival_get(c, i, one, &n) && n == 1) {
            v[i] = one[0];

            if (v[i] == MAAS_DIM_NONE && rc == MAAS_OK) {
                rc = MAAS_INFER_NEED(c, i);
            }
        } else {
            ints = false;
        }
    }

    if (ints && rc == MAAS_OK) {
        MAAS_TRY(range_symbolic(c, v, &dim));
    } else if (!ints) {
        rc = range_extent(c, dtype, &dim);
    }

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    maas_infer_set(c, 0, dtype, 1, &dim);

    if (ints && rc == MAAS_OK) {
        range_values(c, v, dim);
    }

    return rc;
}


#define RANGE_FILL(T, W)                                                      \
    do {                                                                      \
        T  *y = s->out[0].data;                                               \
        W   start = (W) *(const T *) s->in[0].data;                           \
        W   delta = (W) *(const T *) s->in[2].data;                           \
        for (int64_t i = from; i < to; i++) {                                 \
            y[i] = (T) (start + (W) i * delta);                               \
        }                                                                     \
    } while (0)

static maas_status_t
range_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t  n, from, to;

    (void) slot;

    n = maas_tensor_count(&s->out[0]);
    from = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);

    switch (s->out[0].dtype) {
    case MAAS_F32:
        RANGE_FILL(float, double);
        break;
    case MAAS_F64:
        RANGE_FILL(double, double);
        break;
    case MAAS_I16:
        RANGE_FILL(int16_t, uint64_t);
        break;
    case MAAS_I32:
        RANGE_FILL(int32_t, uint64_t);
        break;
    default:
        RANGE_FILL(int64_t, uint64_t);
        break;
    }

    return MAAS_OK;
}


/* -- EyeLike ------------------------------------------------------------- */

static maas_status_t
eye_infer(maas_infer_t *c)
{
    int                 dtype;
    const eye_attr_t   *a = c->attr;
    const maas_type_t  *t = c->in[0].type;

    if (t->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL, "the input has rank %d, "
                        "expected 2", t->rank);
    }

    dtype = a->dtype != 0 ? (int) a->dtype : t->dtype;

    if (dtype < 1 || dtype >= MAAS_DTYPES || !(MAAS_D_FIXED & (1u << dtype)))
    {
        return maas_err(c->err, MAAS_EUNSUPPORTED,
                        "dtype %d is not supported", dtype);
    }

    maas_infer_set(c, 0, dtype, 2, t->dims);

    return MAAS_OK;
}


static uint64_t
eye_one(int dtype)
{
    uint64_t      bits = 1;
    const float   f = 1.0f;
    const double  d = 1.0;

    switch (dtype) {
    case MAAS_F32:
        memcpy(&bits, &f, sizeof(f));
        break;
    case MAAS_F64:
        memcpy(&bits, &d, sizeof(d));
        break;
    case MAAS_F16:
        bits = maas_f32_to_f16(f);
        break;
    case MAAS_BF16:
        bits = maas_f32_to_bf16(f);
        break;
    default:
        break;
    }

    return bits;
}


static maas_status_t
eye_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    char                 *row;
    size_t                size;
    int64_t               r, to, col;
    uint64_t              one, zero = 0;
    const eye_attr_t     *a = s->attr;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    size = maas_dtype_size(y->dtype);
    one = eye_one(y->dtype);
    r = maas_move_start(y->dims[0], s->units, first);
    to = maas_move_start(y->dims[0], s->units, last);

    for (; r < to; r++) {
        row = (char *) y->data + (size_t) (r * y->dims[1]) * size;
        maas_move_fill(row, &zero, size, y->dims[1]);
        col = r + a->k;

        if (col >= 0 && col < y->dims[1]) {
            memcpy(row + (size_t) col * size, &one, size);
        }
    }

    return MAAS_OK;
}


/* -- Trilu --------------------------------------------------------------- */

static maas_status_t
trilu_infer(maas_infer_t *c)
{
    const maas_type_t  *t = c->in[0].type, *k;

    if (t->rank < 2) {
        return maas_err(c->err, MAAS_EINVAL, "the input has rank %d, "
                        "expected 2 or more", t->rank);
    }

    if (maas_infer_has(c, 1)) {
        k = c->in[1].type;

        if (k->rank > 1 || (k->rank == 1 && maas_dim_known(k->dims[0])
                            && k->dims[0] != 1))
        {
            return maas_err(c->err, MAAS_EINVAL, "k is not a scalar");
        }
    }

    return maas_infer_same(c);
}


static maas_status_t
trilu_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char                 *d;
    size_t                size;
    int64_t               k, r, to, rows, cols, cut, lo, hi, n;
    uint64_t              zero = 0;
    const char           *x;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    k = s->n_formal > 1 && s->in[1].dtype != MAAS_NODTYPE
        ? maas_move_int(&s->in[1], 0) : 0;
    size = maas_dtype_size(y->dtype);
    rows = y->dims[y->rank - 2];
    cols = y->dims[y->rank - 1];
    n = maas_tensor_count(y);
    n = cols != 0 ? n / cols : 0;
    r = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);

    for (; r < to; r++) {
        d = (char *) y->data + (size_t) (r * cols) * size;
        x = (const char *) s->in[0].data + (size_t) (r * cols) * size;

        /* The upper part starts at column `cut`, the lower ends before. */
        cut = r % rows + k;

        if (((const trilu_attr_t *) s->attr)->upper) {
            lo = maas_max(0, maas_min(cols, cut));
            hi = cols;
        } else {
            lo = 0;
            hi = maas_max(0, maas_min(cols, cut + 1));
        }

        maas_move_fill(d, &zero, size, lo);

        if (d != x && hi > lo) {
            memcpy(d + (size_t) lo * size, x + (size_t) lo * size,
                   (size_t) (hi - lo) * size);
        }

        maas_move_fill(d + (size_t) hi * size, &zero, size, cols - hi);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  constant_in[] = {
    { "input", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  fixed_out[] = {
    { "output", MAAS_D_FIXED, 0, 0 }
};

#define RANGE_TYPES  (MAAS_D_FLOAT | MAAS_D(I16) | MAAS_D(I32) | MAAS_D(I64))

static const maas_formal_t  range_in[] = {
    { "start", RANGE_TYPES, 'T', 0 },
    { "limit", RANGE_TYPES, 'T', 0 },
    { "delta", RANGE_TYPES, 'T', 0 }
};

static const maas_formal_t  range_out[] = {
    { "output", RANGE_TYPES, 'T', 0 }
};

static const maas_formal_t  eye_in[] = {
    { "input", MAAS_D_FIXED, 0, 0 }
};

static const maas_formal_t  trilu_in[] = {
    { "input", MAAS_D_FIXED, 'T', 0 },
    { "k", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  trilu_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};


static const maas_attr_row_t  constant_attrs[] = {
    { .name = "value", .type = MAAS_ATTR_TENSOR,
      .off = offsetof(constant_attr_t, value) }
};

static const maas_attr_row_t  eye_attrs[] = {
    { .name = "dtype", .type = MAAS_ATTR_INT,
      .off = offsetof(eye_attr_t, dtype) },
    { .name = "k", .type = MAAS_ATTR_INT, .min = -((int64_t) 1 << 40),
      .max = (int64_t) 1 << 40, .off = offsetof(eye_attr_t, k) }
};

static const maas_attr_row_t  trilu_attrs[] = {
    { .name = "upper", .type = MAAS_ATTR_INT, .i = 1,
      .off = offsetof(trilu_attr_t, upper) }
};


static const maas_kernel_row_t  constant_kernel[] = {
    { .id = "constantofshape.fill", .setup = maas_move_setup,
      .run = constant_run }
};

static const maas_kernel_row_t  range_kernel[] = {
    { .id = "range.fill", .setup = maas_move_setup, .run = range_run }
};

static const maas_kernel_row_t  eye_kernel[] = {
    { .id = "eyelike.rows", .setup = maas_move_setup, .run = eye_run }
};

static const maas_kernel_row_t  trilu_kernel[] = {
    { .id = "trilu.rows", .inplace = 1, .setup = maas_move_setup,
      .run = trilu_run }
};


static const maas_case_t  constant_cases[] = {
    { "| =i64[3]{4,3,2}", NULL },
    { "| =i64[0]", NULL },
    { "| =i64[2]{0,5}", NULL },
    { "| i64[2]{7,9}", NULL },
    { "| =i64[2]{131,257}", NULL },
    { NULL, NULL }
};

static const maas_case_t  constant_bad[] = {
    { "| =i64[2]{3,-1}", "dimension 1 is -1" },
    { "| =i64[9]{1,1,1,1,1,1,1,1,1}", "expected at most 8" },
    { NULL, NULL }
};

static const maas_case_t  range_cases[] = {
    { "| =f32[]{1} =f32[]{5} =f32[]{2}", NULL },
    { "| =i32[]{10} =i32[]{6} =i32[]{-3}", NULL },
    { "| =i64[]{0} =i64[]{100000} =i64[]{1}", NULL },
    { "| =f64[]{0} =f64[]{1} =f64[]{0.1}", NULL },
    { "| =i16[]{5} =i16[]{5} =i16[]{1}", NULL },
    { "| i64[]{3} i64[]{9} i64[]{2}", NULL },
    { NULL, NULL }
};

static const maas_case_t  range_bad[] = {
    { "| =i64[]{0} =i64[]{9} =i64[]{0}", "delta is 0" },
    { "| =f32[]{0} =f32[]{1} =f32[]{0}", "delta is 0" },
    { "| =i64[2]{0,1} =i64[]{9} =i64[]{1}", "start is not a scalar" },
    { NULL, NULL }
};

static const maas_case_t  eye_cases[] = {
    { "| f32[3,4]", NULL },
    { "k=1 dtype=11 | i32[4,5]", NULL },
    { "k=-1 dtype=7 | f32[5,2]", NULL },
    { "dtype=10 k=9 | f32[2,2]", NULL },
    { "| bool[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  eye_bad[] = {
    { "| f32[3]", "expected 2" },
    { "dtype=8 | f32[3,3]", "dtype 8 is not supported" },
    { NULL, NULL }
};

static const maas_case_t  trilu_cases[] = {
    { "| f32[4,5]", NULL },
    { "upper=0 | i64[2,4,5]", NULL },
    { "| f16[4,5] i64[]{-2}", NULL },
    { "upper=0 | u8[3,4,5] i64[]{2}", NULL },
    { "upper=0 | f64[4,5] i64[]{-7}", NULL },
    { "| bool[3,3] i64[1]{6}", NULL },
    { "| f32[2,0,5]", NULL },
    { "| f32[67,129]:nan", NULL },
    { NULL, NULL }
};

static const maas_case_t  trilu_bad[] = {
    { "| f32[4]", "expected 2 or more" },
    { "| f32[4,4] =i64[2]{1,2}", "k is not a scalar" },
    { NULL, NULL }
};


static maas_status_t
trilu_grad(maas_grad_t *c)
{
    maas_vid_t  in[] = { c->dout[0], maas_grad_in(c, 1) };

    maas_grad_emit_same(c, "", "Trilu", in, in[1] == MAAS_NOVAL ? 1 : 2,
                        &c->din[0], 1);
    return c->rc;
}


const maas_op_t  maas_ops_generate[] = {
    {
        .name = "ConstantOfShape", .domain = "", .since = 9, .first = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(constant_in, fixed_out),
        MAAS_ATTRS(constant_attrs, constant_attr_t),
        .infer = constant_infer,
        MAAS_KERNELS(constant_kernel),
        .cases = constant_cases, .bad = constant_bad
    },
    {
        .name = "Range", .domain = "", .since = 11, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(range_in, range_out),
        .infer = range_infer,
        MAAS_KERNELS(range_kernel),
        .cases = range_cases, .bad = range_bad
    },
    {
        .name = "EyeLike", .domain = "", .since = 9, .first = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(eye_in, fixed_out),
        MAAS_ATTRS(eye_attrs, eye_attr_t),
        .infer = eye_infer,
        MAAS_KERNELS(eye_kernel),
        .cases = eye_cases, .bad = eye_bad
    },
    {
        .name = "Trilu", .domain = "", .since = 14, .first = 14,
        .flags = MAAS_OP_PURE,
        MAAS_IO(trilu_in, trilu_out),
        MAAS_ATTRS(trilu_attrs, trilu_attr_t),
        .infer = trilu_infer,
        MAAS_KERNELS(trilu_kernel),
        .grad = trilu_grad,
        .cases = trilu_cases, .bad = trilu_bad
    },
    { .name = NULL }
};
