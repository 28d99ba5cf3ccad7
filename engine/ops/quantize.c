/*
 * QuantizeLinear-23, DequantizeLinear-23 and DynamicQuantizeLinear-11.
 *
 * To 8 or 16 bits: x / scale rounded half to even, plus the zero point,
 * saturated; NaN gives the least value of the type.  From integers: the
 * difference is exact, its product with the scale rounds once.  Per axis,
 * runs of one channel are rows; on the last axis a row runs over the
 * channels, or over a block.  4-bit weights are read two to a byte.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/quant.h"


typedef struct {
    int64_t  axis;
    int64_t  block;             /* elements of the axis to a scale; 0: all */
    int64_t  output;            /* dtype; 0: as the other inputs have it */
    int64_t  precision;         /* of the division, which is in float32 */
    int64_t  saturate;          /* of float8, which is not served */
} quantize_attr_t;

/*
 * x as [outer, n, inner] around the axis.  Element (o, i, j) has the scale
 * (o * so + i / block) * inner_scales + j * (inner_scales > 1): one for all
 * has block = n = all.
 */
typedef struct {
    int64_t  n;
    int64_t  inner;
    int64_t  block;
    int64_t  blocks;            /* of an outer item; blocked scales only */
    bool     blocked;
} quantize_axis_t;


/* Scales and zero points of blocks have the shape of x, less on the axis. */
static maas_status_t
quantize_blocks(maas_infer_t *c, int i, const char *name, int axis)
{
    char                    text[MAAS_DIMS_TEXT];
    bool                    good;
    maas_dim_t              want;
    const maas_type_t      *x = c->in[0].type, *t = c->in[i].type;
    const quantize_attr_t  *a = c->attr;

    good = t->rank == x->rank;

    for (int d = 0; good && d < x->rank; d++) {
        want = x->dims[d];

        if (d == axis) {
            want = maas_dim_ceil(c->syms, want, a->block);
        }

        good = !maas_dim_known(want) || !maas_dim_known(t->dims[d])
               || want == t->dims[d];
    }

    return good ? MAAS_OK
           : maas_err(c->err, MAAS_EINVAL, "%s has shape %s, expected that of "
                      "x with one for %lld elements of axis %d", name,
                      maas_dims_text(text, t->dims, t->rank),
                      (long long) a->block, axis);
}


static maas_status_t
quantize_infer(maas_infer_t *c, maas_dtype_t dtype)
{
    int                     axis = 0, i;
    maas_dim_t              n;
    const char             *name[] = { "x", "the scale", "the zero point" };
    const maas_type_t      *x = c->in[0].type, *t;
    const quantize_attr_t  *a = c->attr;

    if (a->block > 0) {
        MAAS_TRY(maas_axis(a->axis, x->rank, &axis, c->err));
    }

    for (i = 1; i < 3; i++) {
        if (!maas_infer_has(c, i)) {
            continue;
        }

        if (a->block > 0) {
            MAAS_TRY(quantize_blocks(c, i, name[i], axis));
            continue;
        }

        t = c->in[i].type;
        n = MAAS_DIM_NONE;

        if (t->rank == 1 && t->dims[0] != 1 && maas_dim_known(t->dims[0])) {
            MAAS_TRY(maas_axis(a->axis, x->rank, &axis, c->err));
            n = x->dims[axis];
        }

        MAAS_TRY(quant_infer_vector(c, i, name[i], n, "channel of the axis"));
    }

    maas_infer_set(c, 0, dtype, x->rank, x->dims);
    return MAAS_OK;
}


/* The output's type: attribute and zero point have to agree. */
static maas_status_t
quantizelinear_infer(maas_infer_t *c)
{
    maas_dtype_t            t = MAAS_U8;
    const quantize_attr_t  *a = c->attr;

    if (a->output != 0) {
        t = a->output > 0 && a->output < MAAS_DTYPES
            ? (maas_dtype_t) a->output : MAAS_NODTYPE;

        if (!(MAAS_D_Q16 >> t & 1)) {
            return maas_err(c->err, MAAS_EUNSUPPORTED, "output_dtype is "
                            "%lld; int8, uint8, int16 and uint16 are served",
                            (long long) a->output);
        }
    }

    if (maas_infer_has(c, 2)) {
        if (a->output != 0 && t != c->in[2].type->dtype) {
            return maas_err(c->err, MAAS_EINVAL, "output_dtype is %s, the "
                            "zero point is %s", maas_dtype_name(t),
                            maas_dtype_name(c->in[2].type->dtype));
        }

        t = c->in[2].type->dtype;
    }

    return quantize_infer(c, t);
}


static maas_status_t
dequantizelinear_infer(maas_infer_t *c)
{
    maas_dtype_t            t = c->in[1].type->dtype;
    const quantize_attr_t  *a = c->attr;

    if (a->output != 0) {
        t = a->output > 0 && a->output < MAAS_DTYPES
            ? (maas_dtype_t) a->output : MAAS_NODTYPE;

        if (!((MAAS_D(F32) | MAAS_D_HALF) >> t & 1)) {
            return maas_err(c->err, MAAS_EUNSUPPORTED, "output_dtype is "
                            "%lld; float32, float16 and bfloat16 are served",
                            (long long) a->output);
        }
    }

    return quantize_infer(c, t);
}


static void
quantize_axis(const maas_step_t *s, quantize_axis_t *q)
{
    int                     axis, i;
    int64_t                 channels;
    const maas_tensor_t    *x = &s->in[0];
    const quantize_attr_t  *a = s->attr;

    channels = maas_tensor_count(&s->in[1]);

    if (quant_has(s, 2)) {
        channels = maas_max(channels, maas_tensor_count(&s->in[2]));
    }

    q->blocked = a->block > 0;
    q->inner = q->blocks = q->block = 1;

    if (channels == 1) {
        q->n = 1;
        q->inner = maas_max(maas_tensor_count(x), 1);
        q->blocked = false;
        return;
    }

    axis = (int) (a->axis < 0 ? a->axis + x->rank : a->axis);
    q->n = x->dims[axis];

    for (i = axis + 1; i < x->rank; i++) {
        q->inner *= x->dims[i];
    }

    if (q->blocked) {
        q->block = a->block;
        q->blocks = (q->n + a->block - 1) / a->block;
    }
}


/*
 * From element `at` on: the first scale, the step between those of a row
 * and the length of the row, at most `left`.
 */
static int64_t
quantize_run(const quantize_axis_t *q, int64_t at, int64_t left,
    int64_t *scale, int *step)
{
    int64_t  j = at % q->inner, i = at / q->inner % q->n;
    int64_t  o = at / q->inner / q->n;

    *step = 1;

    if (!q->blocked) {
        *scale = i;
        *step = q->inner == 1;
        return maas_min(q->inner == 1 ? q->n - i : q->inner - j, left);
    }

    *scale = (o * q->blocks + i / q->block) * q->inner + j;

    if (q->inner > 1) {
        return maas_min(q->inner - j, left);
    }

    *step = 0;
    return maas_min(maas_min(q->block - i % q->block, q->n - i), left);
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


QUANTIZE_LOOP(float, int16_t, quantize_f32_i16, -32768, 32767)


QUANTIZE_LOOP(float, uint16_t, quantize_f32_u16, 0, 65535)


QUANTIZE_LOOP(int32_t, int16_t, quantize_i32_i16, -32768, 32767)


QUANTIZE_LOOP(int32_t, uint16_t, quantize_i32_u16, 0, 65535)


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


DEQUANTIZE_LOOP(int16_t, int32_t, dequantize_i16)


DEQUANTIZE_LOOP(uint16_t, int32_t, dequantize_u16)


/* The difference of two int32 is taken as int64. */
DEQUANTIZE_LOOP(int32_t, int64_t, dequantize_i32)


#define QUANTIZE_CHUNK  512

/* Four bits of element i. */
static int8_t
quantize_nibble(const maas_tensor_t *t, int64_t i)
{
    int  v = ((const uint8_t *) t->data)[i / 2] >> (i % 2 * 4) & 15;

    return (int8_t) (t->dtype == MAAS_I4 && v > 7 ? v - 16 : v);
}


/*
 * Elements [at, at + n) of a tensor; those of 4 bits are widened into buf,
 * which has room for QUANTIZE_CHUNK.
 */
static const void *
quantize_elems(const maas_tensor_t *t, int64_t at, int64_t n, int8_t *buf)
{
    if (maas_dtypes[t->dtype].block_elems == 1) {
        return (const char *) t->data
               + (size_t) at * maas_dtype_size(t->dtype);
    }

    for (int64_t i = 0; i < n; i++) {
        buf[i] = quantize_nibble(t, at + i);
    }

    return buf;
}


/* The output may be float16 or bfloat16: by way of a buffer. */
static void
quantize_rows(const maas_step_t *s, quantize_row_pt fn, int64_t first,
    int64_t last)
{
    int              step, st, zt;
    bool             half = (MAAS_D_HALF >> s->out[0].dtype & 1) != 0;
    bool             packed = maas_dtypes[s->in[0].dtype].block_elems > 1;
    char            *y = s->out[0].data;
    float            wide[QUANTIZE_CHUNK];
    int8_t           xbuf[QUANTIZE_CHUNK], zbuf[QUANTIZE_CHUNK];
    size_t           ys = maas_dtype_size(s->out[0].dtype);
    int64_t          at, hi, i, n;
    const void      *x, *zero = NULL;
    const float     *scale = s->in[1].data;
    quantize_axis_t  q;

    maas_unit_range(first, last, maas_tensor_count(&s->in[0]), &at, &hi);
    quantize_axis(s, &q);

    st = maas_tensor_count(&s->in[1]) > 1;
    zt = quant_has(s, 2) && maas_tensor_count(&s->in[2]) > 1;

    for (; at < hi; at += n) {
        n = quantize_run(&q, at, half || packed
                         ? maas_min(hi - at, QUANTIZE_CHUNK) : hi - at,
                         &i, &step);
        x = quantize_elems(&s->in[0], at, n, xbuf);

        if (quant_has(s, 2)) {
            zero = quantize_elems(&s->in[2], i * zt, zt && step ? n : 1,
                                  zbuf);
        }

        fn(half ? (void *) wide : y + (size_t) at * ys, x, scale + i * st,
           st && step, zero, zt && step, n);

        if (half) {
            maas_cast_row(y + (size_t) at * ys, s->out[0].dtype, wide,
                          MAAS_F32, n);
        }
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
    static const quantize_row_pt  rows[2][MAAS_DTYPES] = {
        { [MAAS_I8] = quantize_f32_i8, [MAAS_U8] = quantize_f32_u8,
          [MAAS_I16] = quantize_f32_i16, [MAAS_U16] = quantize_f32_u16 },
        { [MAAS_I8] = quantize_i32_i8, [MAAS_U8] = quantize_i32_u8,
          [MAAS_I16] = quantize_i32_i16, [MAAS_U16] = quantize_i32_u16 }
    };
    quantize_row_pt               fn;

    fn = rows[s->in[0].dtype == MAAS_I32][s->out[0].dtype];

    if (fn == NULL) {
        return maas_err_dtype(slot, s->out[0].dtype);
    }

    quantize_rows(s, fn, first, last);
    return MAAS_OK;
}


static maas_status_t
dequantizelinear_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    static const quantize_row_pt  rows[MAAS_DTYPES] = {
        [MAAS_I8] = dequantize_i8, [MAAS_U8] = dequantize_u8,
        [MAAS_I16] = dequantize_i16, [MAAS_U16] = dequantize_u16,
        [MAAS_I32] = dequantize_i32,
        [MAAS_I4] = dequantize_i8, [MAAS_U4] = dequantize_u8
    };
    quantize_row_pt               fn = rows[s->in[0].dtype];

    if (fn == NULL) {
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
    }

    zero = quant_dynamic(lo, hi, &scale);

    if (s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE) {
        *(float *) s->out[1].data = scale;
    }

    if (s->n_out > 2 && s->out[2].dtype != MAAS_NODTYPE) {
        *(uint8_t *) s->out[2].data = zero;
    }

    if (s->out[0].dtype != MAAS_NODTYPE) {
        s->k->quantize(s->out[0].data, x, scale, zero, n);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define QUANTIZE_INT(label, member, def)                                      \
    { .name = label, .type = MAAS_ATTR_INT, .i = def,                         \
      .off = offsetof(quantize_attr_t, member) }

static const maas_attr_row_t  quantize_attrs[] = {
    QUANTIZE_INT("axis", axis, 1),
    { .name = "block_size", .type = MAAS_ATTR_INT, .min = 0,
      .max = INT32_MAX, .off = offsetof(quantize_attr_t, block) },
    QUANTIZE_INT("output_dtype", output, 0),
    QUANTIZE_INT("precision", precision, 0),
    QUANTIZE_INT("saturate", saturate, 1)
};

static const maas_attr_row_t  dequantize_attrs[] = {
    QUANTIZE_INT("axis", axis, 1),
    { .name = "block_size", .type = MAAS_ATTR_INT, .min = 0,
      .max = INT32_MAX, .off = offsetof(quantize_attr_t, block) },
    QUANTIZE_INT("output_dtype", output, 0)
};

static const maas_formal_t  quantize_in[] = {
    { "x",            MAAS_D(F32) | MAAS_D(I32), 0, 0 },
    { "y_scale",      MAAS_D(F32), 0, 0 },
    { "y_zero_point", MAAS_D_Q16, 'Q', MAAS_OPT }
};

static const maas_formal_t  quantize_out[] = { { "y", MAAS_D_Q16, 'Q', 0 } };

#define DEQUANTIZE_TYPES  (MAAS_D_Q16 | MAAS_D(I32) | MAAS_D(U4) | MAAS_D(I4))

static const maas_formal_t  dequantize_in[] = {
    { "x",            DEQUANTIZE_TYPES, 'Q', 0 },
    { "x_scale",      MAAS_D(F32), 0, 0 },
    { "x_zero_point", DEQUANTIZE_TYPES, 'Q', MAAS_OPT }
};

static const maas_formal_t  dequantize_out[] = {
    { "y", MAAS_D(F32) | MAAS_D_HALF, 0, 0 }
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
    { "| f32[3,17] f32[]{0.0002} i16[]{-7}", NULL },
    { "output_dtype=4 | f32[33]:inf f32[]{0.0002}", NULL },
    { "| i32[19] f32[]{2} u16[]{700}", NULL },
    { "axis=1 block_size=3 | f32[2,7,5] f32[2,3,5]:pos i8[2,3,5]", NULL },
    { "axis=-1 block_size=4 | f32[3,10] f32[3,3]:pos", NULL },
    { "| f16[3,17] f16[]{0.02} u8[]{3}", NULL },
    { NULL, NULL }
};

static const maas_case_t  quantize_bad[] = {
    { "| f32[3,4] f32[3] u8[3]", "one for each channel of the axis (4)" },
    { "| f32[3,4] f32[4] u8[3]", "the zero point has shape [3]" },
    { "axis=2 | f32[3,4] f32[4] u8[4]", "axis 2" },
    { "| f32[3,4] f32[1,4] u8[4]", "the scale has shape [1,4]" },
    { "| f32[3] f32[] i32[]", "y_zero_point" },
    { "output_dtype=17 | f32[3] f32[]", "output_dtype is 17" },
    { "output_dtype=3 | f32[3] f32[] u8[]", "the zero point is uint8" },
    { "block_size=2 | f32[3,4] f32[3,3]", "one for 2 elements of axis 1" },
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
    { "| u16[3,5] f32[5] u16[5]", NULL },
    { "| i16[33] f32[]", NULL },
    { "axis=0 block_size=2 | u8[5,3] f32[3,3] u8[3,3]", NULL },
    { "axis=1 block_size=32 | i8[3,70] f32[3,3]", NULL },
    { "| i8[5,3] f16[3] i8[3]", NULL },
    { "output_dtype=10 | i8[5,700] f32[]", NULL },
    { "output_dtype=16 | i8[5,3] f16[3]", NULL },
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
        .name = "QuantizeLinear", .domain = "", .since = 23, .first = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(quantize_in, quantize_out),
        MAAS_ATTRS(quantize_attrs, quantize_attr_t),
        .infer = quantizelinear_infer,
        MAAS_KERNELS(quantize_kernels),
        .cases = quantize_cases, .bad = quantize_bad
    },
    {
        /* where integers may compute what is rounded: ops/ms_qlinear.c */
        .name = "Requantize", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(quantize_in, quantize_out),
        MAAS_ATTRS(quantize_attrs, quantize_attr_t),
        .infer = quantizelinear_infer,
        MAAS_KERNELS(quantize_kernels)
    },
    {
        .name = "DequantizeLinear", .domain = "", .since = 23, .first = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(dequantize_in, dequantize_out),
        MAAS_ATTRS(dequantize_attrs, quantize_attr_t),
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
