/*
 * QuantizeLinear-13, DequantizeLinear-13 and DynamicQuantizeLinear-11.
 *
 * To 8 bits: x / scale rounded half to even, plus the zero point, saturated;
 * NaN gives the least value of the type.  From 8 bits: the difference is
 * exact, its product with the scale rounds once.  Per axis, runs of one
 * channel are rows; on the last axis a row runs over the channels.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/quant.h"


typedef struct {
    int64_t  axis;
} quantize_attr_t;

/* Channels, and elements of one channel that lie together. */
typedef struct {
    int64_t  channels;
    int64_t  inner;
} quantize_axis_t;


static maas_status_t
quantize_infer(maas_infer_t *c, maas_dtype_t dtype)
{
    int                     axis, i;
    maas_dim_t              n = MAAS_DIM_NONE;
    const char             *name[] = { "x", "the scale", "the zero point" };
    const maas_type_t      *x = c->in[0].type, *t;
    const quantize_attr_t  *a = c->attr;

    for (i = 1; i < 3; i++) {
        if (!maas_infer_has(c, i)) {
            continue;
        }

        t = c->in[i].type;

        if (t->rank == 1 && t->dims[0] != 1 && maas_dim_known(t->dims[0])) {
            MAAS_TRY(maas_axis(a->axis, x->rank, &axis, c->err));
            n = x->dims[axis];
        }

        MAAS_TRY(quant_infer_vector(c, i, name[i], n, "channel of the axis"));
    }

    maas_infer_set(c, 0, dtype, x->rank, x->dims);
    return MAAS_OK;
}


static maas_status_t
quantizelinear_infer(maas_infer_t *c)
{
    return quantize_infer(c, maas_infer_has(c, 2) ? c->in[2].type->dtype
                                                  : MAAS_U8);
}


static maas_status_t
dequantizelinear_infer(maas_infer_t *c)
{
    return quantize_infer(c, c->in[1].type->dtype);
}


static void
quantize_axis(const maas_step_t *s, quantize_axis_t *q)
{
    int                     axis, i;
    const maas_tensor_t    *x = &s->in[0];
    const quantize_attr_t  *a = s->attr;

    q->channels = maas_tensor_count(&s->in[1]);
    q->inner = 1;

    if (quant_has(s, 2)) {
        q->channels = maas_max(q->channels, maas_tensor_count(&s->in[2]));
    }

    if (q->channels == 1) {
        q->inner = maas_tensor_count(x);
        return;
    }

    axis = (int) (a->axis < 0 ? a->axis + x->rank : a->axis);

    for (i = axis + 1; i < x->rank; i++) {
        q->inner *= x->dims[i];
    }
}


/*
 * n elements with scale[i * st] and zero[i * zt]; the strides are 0, or 1
 * where a row runs over channels.
 */
typedef void (*quantize_row_pt)(void *y, const void *x, const float *scale,
    int st, const void *zero, int zt, int64_t n);

/* Calls name_loop() so that the common strides are constants. */
#define QUANTIZE_ROW(name, Q)                                                 \
                                                                              \
QUANT_FAST static void                                                        \
name(void *y, const void *x, const float *scale, int st, const void *zero,    \
    int zt, int64_t n)                                                        \
{                                                                             \
    static const Q  none;                                                     \
                                                                              \
    if (zero == NULL) {                                                       \
        zero = &none;                                                         \
        zt = 0;                                                               \
    }                                                                         \
                                                                              \
    if (st == 0 && zt == 0) {                                                 \
        name##_loop(y, x, scale, 0, zero, 0, n);                              \
                                                                              \
    } else {                                                                  \
        name##_loop(y, x, scale, st, zero, zt, n);                            \
    }                                                                         \
}

#define QUANTIZE_LOOP(S, Q, name, lo, hi)                                     \
                                                                              \
static inline __attribute__((always_inline)) void                             \
name##_loop(Q *restrict y, const S *restrict x, const float *restrict scale,  \
    int st, const Q *restrict zero, int zt, int64_t n)                        \
{                                                                             \
    for (int64_t i = 0; i < n; i++) {                                         \
        y[i] = (Q) quant_one((float) x[i] / scale[i * st], zero[i * zt], lo,  \
                             hi);                                             \
    }                                                                         \
}                                                                             \
                                                                              \
                                                                              \
QUANTIZE_ROW(name, Q)

QUANTIZE_LOOP(float, int8_t, quantize_f32_i8, -128, 127)


QUANTIZE_LOOP(float, uint8_t, quantize_f32_u8, 0, 255)


QUANTIZE_LOOP(int32_t, int8_t, quantize_i32_i8, -128, 127)


QUANTIZE_LOOP(int32_t, uint8_t, quantize_i32_u8, 0, 255)


#define DEQUANTIZE_LOOP(Q, D, name)                                           \
                                                                              \
static inline __attribute__((always_inline)) void                             \
name##_loop(float *restrict y, const Q *restrict x,                           \
    const float *restrict scale, int st, const Q *restrict zero, int zt,      \
    int64_t n)                                                                \
{                                                                             \
    for (int64_t i = 0; i < n; i++) {                                         \
        y[i] = (float) ((D) x[i] - (D) zero[i * zt]) * scale[i * st];         \
    }                                                                         \
}                                                                             \
                                                                              \
                                                                              \
QUANTIZE_ROW(name, Q)

DEQUANTIZE_LOOP(int8_t, int32_t, dequantize_i8)


DEQUANTIZE_LOOP(uint8_t, int32_t, dequantize_u8)


/* The difference of two int32 is taken as int64. */
DEQUANTIZE_LOOP(int32_t, int64_t, dequantize_i32)


static void
quantize_rows(const maas_step_t *s, quantize_row_pt fn, int64_t first,
    int64_t last)
{
    int              st, zt;
    char            *y = s->out[0].data;
    size_t           xs, ys, zs;
    int64_t          at, hi, ch, n;
    const char      *x = s->in[0].data, *zero;
    const float     *scale = s->in[1].data;
    quantize_axis_t  q;

    maas_unit_range(first, last, maas_tensor_count(&s->in[0]), &at, &hi);
    quantize_axis(s, &q);

    xs = maas_dtype_size(s->in[0].dtype);
    ys = maas_dtype_size(s->out[0].dtype);
    zero = quant_has(s, 2) ? s->in[2].data : NULL;
    zs = zero != NULL ? maas_dtype_size(s->in[2].dtype) : 0;
    st = maas_tensor_count(&s->in[1]) > 1;
    zt = zero != NULL && maas_tensor_count(&s->in[2]) > 1;

    while (at < hi) {
        ch = at / q.inner % q.channels;
        n = q.inner == 1 ? q.channels - ch : q.inner - at % q.inner;
        n = maas_min(n, hi - at);

        fn(y + (size_t) at * ys, x + (size_t) at * xs, scale + ch * st,
           st && q.inner == 1, zero != NULL ? zero + ch * zt * zs : NULL,
           zt && q.inner == 1, n);
        at += n;
    }
}


static bool
quantize_setup(maas_setup_t *u)
{
    return maas_setup_elements(u, 0.7);
}


static maas_status_t
quantizelinear_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    bool  sign = s->out[0].dtype == MAAS_I8;

    (void) slot;

    if (s->in[0].dtype == MAAS_I32) {
        quantize_rows(s, sign ? quantize_i32_i8 : quantize_i32_u8, first,
                      last);

    } else {
        quantize_rows(s, sign ? quantize_f32_i8 : quantize_f32_u8, first,
                      last);
    }

    return MAAS_OK;
}


static maas_status_t
dequantizelinear_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    quantize_row_pt  fn;

    switch (s->in[0].dtype) {

    case MAAS_I8:
        fn = dequantize_i8;
        break;

    case MAAS_U8:
        fn = dequantize_u8;
        break;

    case MAAS_I32:
        fn = dequantize_i32;
        break;

    default:
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    quantize_rows(s, fn, first, last);
    return MAAS_OK;
}


/* -- DynamicQuantizeLinear ----------------------------------------------- */

static maas_status_t
dynamic_infer(maas_infer_t *c)
{
    const maas_type_t  *x = c->in[0].type;

    maas_infer_set(c, 0, MAAS_U8, x->rank, x->dims);
    maas_infer_set(c, 1, MAAS_F32, 0, NULL);
    maas_infer_set(c, 2, MAAS_U8, 0, NULL);
    return MAAS_OK;
}


static bool
dynamic_setup(maas_setup_t *u)
{
    (void) maas_setup_elements(u, 1);
    u->units = 1;
    return true;
}


/*
 * The range is widened to hold 0, whose image is the zero point.  A range
 * of nothing but 0 has the scale 1.
 */
static maas_status_t
dynamic_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float         lo = 0, hi = 0, scale;
    uint8_t       zero;
    int64_t       n = maas_tensor_count(&s->in[0]);
    const float  *x = s->in[0].data;

    (void) slot;

    if (first >= last) {
        return MAAS_OK;
    }

    if (n > 0) {
        lo = s->k->reduce[MAAS_R_MIN](x, n);
        hi = s->k->reduce[MAAS_R_MAX](x, n);
        lo = lo > 0 ? 0 : lo;
        hi = hi < 0 ? 0 : hi;
    }

    scale = hi == lo ? 1 : (hi - lo) / 255;
    zero = (uint8_t) quant_one(0 - lo / scale, 0, 0, 255);

    if (s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE) {
        *(float *) s->out[1].data = scale;
    }

    if (s->n_out > 2 && s->out[2].dtype != MAAS_NODTYPE) {
        *(uint8_t *) s->out[2].data = zero;
    }

    if (s->out[0].dtype != MAAS_NODTYPE) {
        quantize_f32_u8(s->out[0].data, x, &scale, 0, &zero, 0, n);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_attr_row_t  quantize_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(quantize_attr_t, axis), .i = 1 }
};

static const maas_formal_t  quantize_in[] = {
    { "x",            MAAS_D(F32) | MAAS_D(I32), 0, 0 },
    { "y_scale",      MAAS_D(F32), 0, 0 },
    { "y_zero_point", MAAS_D_Q8, 'Q', MAAS_OPT }
};

static const maas_formal_t  quantize_out[] = { { "y", MAAS_D_Q8, 'Q', 0 } };

static const maas_formal_t  dequantize_in[] = {
    { "x",            MAAS_D_Q8 | MAAS_D(I32), 'Q', 0 },
    { "x_scale",      MAAS_D(F32), 'S', 0 },
    { "x_zero_point", MAAS_D_Q8 | MAAS_D(I32), 'Q', MAAS_OPT }
};

static const maas_formal_t  dequantize_out[] = {
    { "y", MAAS_D(F32), 'S', 0 }
};

static const maas_formal_t  dynamic_in[] = { { "x", MAAS_D(F32), 0, 0 } };

static const maas_formal_t  dynamic_out[] = {
    { "y",            MAAS_D(U8), 0, 0 },
    { "y_scale",      MAAS_D(F32), 0, 0 },
    { "y_zero_point", MAAS_D(U8), 0, 0 }
};

static const maas_kernel_row_t  quantize_kernels[] = {
    { "quantizelinear.rows", MAAS_CPU_REF, 0, 0, quantize_setup,
      quantizelinear_run }
};

static const maas_kernel_row_t  dequantize_kernels[] = {
    { "dequantizelinear.rows", MAAS_CPU_REF, 0, 0, maas_setup_cheap,
      dequantizelinear_run }
};

static const maas_kernel_row_t  dynamic_kernels[] = {
    { "dynamicquantizelinear.rows", MAAS_CPU_REF, 0, 0, dynamic_setup,
      dynamic_run }
};

static const maas_case_t  quantize_cases[] = {
    { "| f32[3,17] f32[]{0.02} u8[]{128}", NULL },
    { "| f32[3,17]:nan =f32[1]{0.01} =i8[1]{-3}", NULL },
    { "| f32[33]:inf f32[]{0.05}", NULL },
    { "| f32[2,5,7] =f32[5]{0.01,0.02,0.5,0.001,1} =i8[5]", NULL },
    { "axis=-1 | f32[9,3] f32[3]{0.01,0.02,0.03} u8[3]", NULL },
    { "axis=0 | f32[3,33] f32[3]{0.01,0.02,0.03}", NULL },
    { "| f32[8]{-2.5,-1.5,-0.5,0.5,1.5,2.5,126.5,127.5} f32[]{1} i8[]{0}",
      NULL },
    { "| i32[19] f32[]{2} u8[]{7}", NULL },
    { "| i32[3] f32[]{3} i8[]{7}", NULL },
    { "| f32[40000] f32[]{0.01} u8[]{100}", NULL },
    { "axis=0 | f32[3,20000] f32[3]{0.01,0.02,0.03} i8[3]", NULL },
    { "| f32[] f32[]{0.5} u8[]{3}", NULL },
    { "| f32[0,4] f32[4] u8[4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  quantize_bad[] = {
    { "| f32[3,4] f32[3] u8[3]", "one for each channel of the axis (4)" },
    { "| f32[3,4] f32[4] u8[3]", "the zero point has shape [3]" },
    { "axis=2 | f32[3,4] f32[4] u8[4]", "axis 2" },
    { "| f32[3,4] f32[1,4] u8[4]", "the scale has shape [1,4]" },
    { "| f32[3] f32[] i32[]", "y_zero_point" },
    { NULL, NULL }
};

static const maas_case_t  dequantize_cases[] = {
    { "| u8[3,17] f32[] u8[]", NULL },
    { "| i8[33] =f32[1] =i8[1]", NULL },
    { "| i8[2,5,7] =f32[5] =i8[5]", NULL },
    { "axis=-1 | u8[9,3] f32[3] u8[3]", NULL },
    { "axis=0 | u8[3,33] f32[3]", NULL },
    { "| i32[19] f32[]", NULL },
    { "| i32[4]{2147483647,-2147483648,5,0} f32[]{0.5} i32[]{-7}", NULL },
    { "axis=0 | i8[3,20000] f32[3] i8[3]", NULL },
    { "| u8[] f32[] u8[]", NULL },
    { "| i8[0,4] f32[4] i8[4]", NULL },
    { "| =i8[7,5] =f32[5] =i8[5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  dequantize_bad[] = {
    { "| i8[3,4] f32[3] i8[3]", "one for each channel of the axis (4)" },
    { "axis=-3 | i8[3,4] f32[4] i8[4]", "axis -3" },
    { "| i8[3] f32[] u8[]", "have to be of one type" },
    { "| f32[3] f32[]", "expected" },
    { NULL, NULL }
};

static const maas_case_t  dynamic_cases[] = {
    { "| f32[3,17]", NULL },
    { "| f32[33]:pos", NULL },
    { "| f32[5]{-1,-2,-3,-0.5,-7}", NULL },
    { "| f32[4]{0,0,0,0}", NULL },
    { "| f32[6]{0,2,-3,-2.5,1.34,0.5}", NULL },
    { "| f32[40000]", NULL },
    { "| f32[]", NULL },
    { "| f32[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  dynamic_bad[] = {
    { "| i32[3]", "expected" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_quantize[] = {
    {
        .name = "QuantizeLinear", .domain = "", .since = 13, .first = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(quantize_in, quantize_out),
        MAAS_ATTRS(quantize_attrs, quantize_attr_t),
        .infer = quantizelinear_infer,
        MAAS_KERNELS(quantize_kernels),
        .cases = quantize_cases, .bad = quantize_bad
    },
    {
        .name = "DequantizeLinear", .domain = "", .since = 13, .first = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(dequantize_in, dequantize_out),
        MAAS_ATTRS(quantize_attrs, quantize_attr_t),
        .infer = dequantizelinear_infer,
        MAAS_KERNELS(dequantize_kernels),
        .cases = dequantize_cases, .bad = dequantize_bad
    },
    {
        .name = "DynamicQuantizeLinear", .domain = "", .since = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(dynamic_in, dynamic_out),
        .infer = dynamic_infer,
        MAAS_KERNELS(dynamic_kernels),
        .cases = dynamic_cases, .bad = dynamic_bad
    },
    { .name = NULL }
};
