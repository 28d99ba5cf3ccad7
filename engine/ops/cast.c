/*
 * cast: Cast and CastLike between all dtypes (strings: cast_string.c), and
 * maas_cast_row() for the other operators.
 *
 * To integers: truncation toward zero.  What lies outside int64 (NaN and
 * infinities too) becomes the least int64, as NumPy and ONNX Runtime give
 * on x86-64; int32 likewise has its least value outside its range, and
 * narrower types keep the low bits.  To bool: not zero, so NaN is true.
 * float16 and bfloat16 round to nearest even, once: float64 is brought to
 * float32 with rounding to odd on the way.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md, Cast.
 */

#include <math.h>

#include "ops/cast_string.h"
#include "ops/grads.h"


#define CAST_CHUNK  512


/* -- one element --------------------------------------------------------- */

static inline int64_t
cast_i64(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t) v : INT64_MIN;
}


static inline int32_t
cast_i32(double v)
{
    return v > -0x1p31 - 1 && v < 0x1p31 ? (int32_t) v : INT32_MIN;
}


/* The same of a float32, which has no value between these limits and its. */
static inline int32_t
cast_i32f(float v)
{
    return v >= -0x1p31f && v < 0x1p31f ? (int32_t) v : INT32_MIN;
}


static inline uint64_t
cast_u64(double v)
{
    return v >= 0x1p63 && v < 0x1p64 ? (uint64_t) v : (uint64_t) cast_i64(v);
}


/* float64 to float32 so that a second rounding cannot go wrong. */
static float
cast_odd(double v)
{
    union { float f; uint32_t u; }  r = { .f = (float) v };

    if ((double) r.f == v || v != v || isinf(r.f) || (r.u & 1)) {
        return r.f;
    }

    /* The neighbour on the other side of v is odd. */
    r.u += fabs((double) r.f) < fabs(v) ? 1 : -1;
    return r.f;
}


/* -- rows of C types ----------------------------------------------------- */

typedef void (*cast_row_pt)(void *y, const void *x, int64_t n);

#define CAST_LOOP(S, st, D, dt, expr)                                         \
    static void                                                               \
    cast_##S##_##D(void *y, const void *x, int64_t n)                         \
    {                                                                         \
        dt        *q = y;                                                     \
        const st  *p = x;                                                     \
                                                                              \
        MAAS_ROW_LOOP                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            const st  v = p[i];                                               \
                                                                              \
            q[i] = (dt) (expr);                                               \
        }                                                                     \
    }

/* From an integer or a bool: C's conversions are all defined. */
#define CAST_PLAIN(S, st, D, dt)  CAST_LOOP(S, st, D, dt, v)

#define CAST_FROM_INT(a, S, st)                                               \
    CAST_PLAIN(S, st, F32, float)   CAST_PLAIN(S, st, F64, double)            \
    CAST_PLAIN(S, st, I8, int8_t)   CAST_PLAIN(S, st, I16, int16_t)           \
    CAST_PLAIN(S, st, I32, int32_t) CAST_PLAIN(S, st, I64, int64_t)           \
    CAST_PLAIN(S, st, U8, uint8_t)  CAST_PLAIN(S, st, U16, uint16_t)          \
    CAST_PLAIN(S, st, U32, uint32_t) CAST_PLAIN(S, st, U64, uint64_t)         \
    CAST_LOOP(S, st, BOOL, uint8_t, v != 0)

/*
 * i32: to int32; low: what has the low 8 bits.  A float32 outside int32 is a
 * multiple of 256, so that they are 0, as those of the least int32.
 */
#define CAST_FROM_REAL(i32, low, S, st)                                       \
    CAST_PLAIN(S, st, F32, float)   CAST_PLAIN(S, st, F64, double)            \
    CAST_LOOP(S, st, I8, int8_t, low(v))                                      \
    CAST_LOOP(S, st, I16, int16_t, cast_i64(v))                               \
    CAST_LOOP(S, st, I32, int32_t, i32(v))                                    \
    CAST_LOOP(S, st, I64, int64_t, cast_i64(v))                               \
    CAST_LOOP(S, st, U8, uint8_t, low(v))                                     \
    CAST_LOOP(S, st, U16, uint16_t, cast_i64(v))                              \
    CAST_LOOP(S, st, U32, uint32_t, cast_i64(v))                              \
    CAST_LOOP(S, st, U64, uint64_t, cast_u64(v))                              \
    CAST_LOOP(S, st, BOOL, uint8_t, v != 0)

MAAS_T_INT(CAST_FROM_INT, -)
CAST_FROM_INT(-, BOOL, uint8_t)
CAST_FROM_REAL(cast_i32f, cast_i32f, F32, float)
CAST_FROM_REAL(cast_i32, cast_i64, F64, double)

#define CAST_ENTRY(S, D)  [MAAS_##D] = cast_##S##_##D

#define CAST_TABLE(a, S, st)                                                  \
    [MAAS_##S] = {                                                            \
        CAST_ENTRY(S, F32), CAST_ENTRY(S, F64), CAST_ENTRY(S, BOOL),          \
        CAST_ENTRY(S, I8), CAST_ENTRY(S, I16), CAST_ENTRY(S, I32),            \
        CAST_ENTRY(S, I64), CAST_ENTRY(S, U8), CAST_ENTRY(S, U16),            \
        CAST_ENTRY(S, U32), CAST_ENTRY(S, U64)                                \
    },

static const cast_row_pt  cast_rows[MAAS_DTYPES][MAAS_DTYPES] = {
    MAAS_T_NUM(CAST_TABLE, -) CAST_TABLE(-, BOOL, uint8_t)
};


/* -- half precision ------------------------------------------------------ */

static bool
cast_is_half(int dtype)
{
    return dtype == MAAS_F16 || dtype == MAAS_BF16;
}


static void
cast_from_half(float *y, const uint16_t *x, int xt, int64_t n)
{
    if (xt == MAAS_BF16) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = maas_bf16_to_f32(x[i]);
        }

        return;
    }

    for (int64_t i = 0; i < n; i++) {
        y[i] = maas_f16_to_f32(x[i]);
    }
}


static void
cast_to_half(uint16_t *y, int yt, const void *x, int xt, int64_t n)
{
    float         v;
    const float  *p = x;

    if (xt == MAAS_F32 && yt == MAAS_BF16) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = maas_f32_to_bf16(p[i]);
        }

        return;
    }

    for (int64_t i = 0; i < n; i++) {
        v = xt == MAAS_F32 ? ((const float *) x)[i]
                           : cast_odd(((const double *) x)[i]);
        y[i] = yt == MAAS_F16 ? maas_f32_to_f16(v) : maas_f32_to_bf16(v);
    }
}


/* Through float64, which holds every 32-bit integer and both halves. */
static void
cast_half_row(void *y, int yt, const void *x, int xt, int64_t n)
{
    int          mid = xt == MAAS_F32 ? MAAS_F32 : MAAS_F64;
    size_t       xs = maas_dtype_size(xt), ys = maas_dtype_size(yt);
    int64_t      m;
    const void  *src;

    union {
        float   f[CAST_CHUNK];
        double  d[CAST_CHUNK];
    } buf;

    for (int64_t i = 0; i < n; i += m) {
        m = maas_min(n - i, CAST_CHUNK);
        src = (const char *) x + i * xs;

        if (cast_is_half(xt)) {
            cast_from_half(buf.f, src, xt, m);
            src = buf.f;
            mid = MAAS_F32;

        } else if (xt != mid) {
            cast_rows[xt][mid](buf.d, src, m);
            src = buf.d;
        }

        if (cast_is_half(yt)) {
            cast_to_half((uint16_t *) y + i, yt, src, mid, m);

        } else {
            cast_rows[mid][yt]((char *) y + i * ys, src, m);
        }
    }
}


void
maas_cast_row(void *y, maas_dtype_t yt, const void *x, maas_dtype_t xt,
    int64_t n)
{
    if (n <= 0) {
        return;
    }

    if (xt == yt) {
        if (x != y) {
            memcpy(y, x, (size_t) n * maas_dtype_size(xt));
        }

        return;
    }

    if (cast_is_half(xt) || cast_is_half(yt)) {
        cast_half_row(y, yt, x, xt, n);
        return;
    }

    cast_rows[xt][yt](y, x, n);
}


/* -- the operators ------------------------------------------------------- */

typedef struct {
    int64_t  to;
    int64_t  saturate;          /* of float8, which is not served */
    int64_t  round_mode;        /* of float8 too */
} cast_attr_t;

static const char *const  cast_rounds[] = { "up", "down", "nearest", NULL };

#define CAST_FLOAT8                                                           \
    { .name = "round_mode", .type = MAAS_ATTR_STRING, .words = cast_rounds,   \
      .off = offsetof(cast_attr_t, round_mode) },                             \
    { .name = "saturate", .type = MAAS_ATTR_INT, .i = 1, .min = 0, .max = 1,  \
      .off = offsetof(cast_attr_t, saturate) }

static const maas_attr_row_t  castlike_attrs[] = { CAST_FLOAT8 };

static const maas_attr_row_t  cast_attrs[] = {
    CAST_FLOAT8,
    { .name = "to", .type = MAAS_ATTR_INT, .required = true,
      .off = offsetof(cast_attr_t, to) }
};


static maas_status_t
cast_to(maas_infer_t *c, int64_t to)
{
    bool                    ints;
    const maas_infer_in_t  *in = &c->in[0];

    if (to <= 0 || to >= MAAS_DTYPES || !(MAAS_D_ALL >> to & 1)) {
        return maas_err(c->err, MAAS_EUNSUPPORTED,
                        "data type %lld%s is not supported; expected "
                        "float16, bfloat16, float32, float64, an integer "
                        "type of 8 bits or more, bool or string",
                        (long long) to,
                        to >= 17 && to <= 20 ? " (float8)" : "");
    }

    maas_infer_set(c, 0, (maas_dtype_t) to, in->type->rank, in->type->dims);

    if (to == MAAS_STRING || in->type->dtype == MAAS_STRING) {
        return maas_cast_text_infer(c);
    }

    ints = (MAAS_D(I32) | MAAS_D(I64)) & (1u << to);

    if (!ints || in->ival == NULL || in->n_ival < 0) {
        return MAAS_OK;
    }

    for (int i = 0; i < in->n_ival; i++) {
        maas_dim_t  v = in->ival[i];

        c->out[0].ival[i] = v;

        if (to == MAAS_I32 && maas_dim_known(v)) {
            c->out[0].ival[i] = (int32_t) v;
        }
    }

    c->out[0].n_ival = in->n_ival;
    return MAAS_OK;
}


static maas_status_t
cast_infer(maas_infer_t *c)
{
    const cast_attr_t  *at = c->attr;

    return cast_to(c, at->to);
}


static maas_status_t
castlike_infer(maas_infer_t *c)
{
    return cast_to(c, c->in[1].type->dtype);
}


static bool
cast_is_text(const maas_tensor_t *in, const maas_tensor_t *out)
{
    return in->dtype == MAAS_STRING || out->dtype == MAAS_STRING;
}


/* Strings follow each other in one unit. */
static bool
cast_setup(maas_setup_t *u)
{
    if (!cast_is_text(&u->in[0], &u->out[0])) {
        return maas_setup_cheap(u);
    }

    u->cost = 50 + 500.0 * (double) maas_tensor_count(&u->out[0]);
    return true;
}


static maas_status_t
cast_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    char        *y;
    int64_t      lo, hi;
    const char  *x;

    if (cast_is_text(&s->in[0], &s->out[0])) {
        return maas_cast_text_run(s, slot);
    }

    maas_unit_range(first, last, maas_tensor_count(&s->in[0]), &lo, &hi);

    if (lo >= hi) {
        return MAAS_OK;
    }

    x = (const char *) s->in[0].data
        + (size_t) lo * maas_dtype_size(s->in[0].dtype);
    y = (char *) s->out[0].data
        + (size_t) lo * maas_dtype_size(s->out[0].dtype);

    if (s->in[0].dtype == MAAS_F16 && s->out[0].dtype == MAAS_F32) {
        s->k->f16_to_f32((float *) y, (const uint16_t *) x, hi - lo);

    } else if (s->in[0].dtype == MAAS_F32 && s->out[0].dtype == MAAS_F16) {
        s->k->f32_to_f16((uint16_t *) y, (const float *) x, hi - lo);

    } else {
        maas_cast_row(y, s->out[0].dtype, x, s->in[0].dtype, hi - lo);
    }

    return MAAS_OK;
}


static const maas_kernel_row_t  cast_kernel[] = {
    { "cast.rows", MAAS_CPU_REF, 0, 0, cast_setup, cast_run }
};

static const maas_kernel_row_t  castlike_kernel[] = {
    { "castlike.rows", MAAS_CPU_REF, 0, 0, cast_setup, cast_run }
};

static const maas_formal_t  cast_in[] = {
    { "input", MAAS_D_ALL, 0, 0 }
};

static const maas_formal_t  castlike_in[] = {
    { "input",       MAAS_D_ALL, 'S', 0 },
    { "target_type", MAAS_D_ALL, 'T', 0 }
};

static const maas_formal_t  cast_out[] = { { "output", MAAS_D_ALL, 0, 0 } };

static const maas_formal_t  castlike_out[] = {
    { "output", MAAS_D_ALL, 'T', 0 }
};

static const maas_case_t  cast_cases[] = {
    { "to=11 | f32[3,5]", NULL },
    { "to=1 | f32[2,17]", NULL },
    { "to=7 | f32[33]:inf", NULL },
    { "to=6 | f64[33]:nan", NULL },
    { "to=3 | f32[4]:nan", NULL },
    { "to=13 | f64[9]", NULL },
    { "to=10 | f32[17]:denormal", NULL },
    { "to=16 | f64[17]:inf", NULL },
    { "to=1 | f16[19]", NULL },
    { "to=7 | bf16[5]", NULL },
    { "to=9 | f32[5]:nan", NULL },
    { "to=1 | bool[3]", NULL },
    { "to=11 | u64[]", NULL },
    { "to=2 | i64[0,4]", NULL },
    { "to=8 | f32[3,17]:nan", NULL },
    { "to=8 | f64[33]:inf", NULL },
    { "to=8 | f16[5]", NULL },
    { "to=8 | f32[9]:denormal", NULL },
    { "to=8 | u64[2]{0,18446744073709551615}", NULL },
    { "to=8 | bool[3]", NULL },
    { "to=8 | i8[0]", NULL },
    { "to=8 | str[5]", NULL },
    { "to=1 | str[6]{1.5,-2e3,NaN,+INF,-inf,.5}", NULL },
    { "to=11 | str[]{0.1}", NULL },
    { "to=10 | str[2]{65504,1e-7}", NULL },
    { "to=7 | str[3]{-9223372036854775808,12,3.9}", NULL },
    { "to=9 | str[4]{True,false,0,2}", NULL },
    { "to=6 | str[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  cast_bad[] = {
    { "to=14 | f32[2]", "data type 14" },
    { "to=17 | f32[2]", "data type 17 (float8) is not supported" },
    { "to=22 | f32[2]", "data type 22" },
    { "to=1 | str[2]{1,one}", "element 1, 'one', is no number" },
    { "to=7 | str[2]{0x10,1}", "'0x10'" },
    { "| f32[2]", "to" },
    { NULL, NULL }
};

static const maas_case_t  castlike_cases[] = {
    { "| f32[3,5] i32[1]", NULL },
    { "| i64[3] f16[0]", NULL },
    { "| f32[] bool[2]", NULL },
    { "| f32[4] str[1]", NULL },
    { "| str[2]{1,2} f32[1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  castlike_bad[] = {
    { "| str[1]{x} f32[1]", "'x', is no number" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_cast[] = {

    { .name = "Cast", .domain = "", .since = 19, .first = 6,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(cast_in, cast_out),
      MAAS_ATTRS(cast_attrs, cast_attr_t), .infer = cast_infer,
      MAAS_KERNELS(cast_kernel), .grad = maas_grad_cast,
      .cases = cast_cases, .bad = cast_bad },

    { .name = "CastLike", .domain = "", .since = 19, .first = 15,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE,
      MAAS_IO(castlike_in, castlike_out),
      MAAS_ATTRS(castlike_attrs, cast_attr_t), .infer = castlike_infer,
      MAAS_KERNELS(castlike_kernel), .cases = castlike_cases,
      .bad = castlike_bad },

    { .name = NULL }
};
