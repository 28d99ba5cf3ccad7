/*
 * unary_grad: gradients of the elementwise functions of one input, by one
 * operator of domain maas, UnaryGrad(dy, v) with the function's name: v is
 * the function's input or, where the derivative is cheaper by it, its
 * output.
 *
 * At a kink the derivative is the one that PyTorch takes: Relu'(0) = 0,
 * Abs'(0) = 0, LeakyRelu'(0) = alpha.
 *
 * float32 rows are of the kernel table (back), or take exp from there, a
 * block at a time; float64 is the reference.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/grads.h"
#include "ops/ops_common.h"


#define UG_BLOCK  512
#define UG_RSQRT_2PI  0.3989422804014327        /* 1 / sqrt(2 pi) */
#define UG_GELU_C     0.7978845608028654        /* sqrt(2 / pi) */

typedef struct {
    int64_t  fn;
    float    alpha;
    float    beta;
} ug_attr_t;


static inline double
ug_sigmoid(double v)
{
    return v < 0 ? exp(v) / (1 + exp(v)) : 1 / (1 + exp(-v));
}


/* d/dx tanh-GELU, of t = tanh(c (x + 0.044715 x^3)). */
#define UG_GELU_TANH(t)                                                       \
    ((1 + (t)) / 2 + v / 2 * (1 - (t) * (t)) * UG_C                           \
     * (1 + UG_3K * v * v))

/*
 * The functions of the kernel table: F(id, kernel, operator, saved output?,
 * float64).  d: dy, v: the saved value, A, B: the operator's parameters.
 */
#define UG_KERNELS(F)                                                         \
    F(relu, RELU, "Relu", true, v > 0 ? d : 0)                                \
    F(leaky, LEAKY, "LeakyRelu", false, v > 0 ? d : A * d)                    \
    F(elu, ELU, "Elu", false, v > 0 ? d : d * A * exp(v))                     \
    F(sigmoid, SIGMOID, "Sigmoid", true, d * v * (1 - v))                     \
    F(tanh, TANH, "Tanh", true, d * (1 - v * v))                              \
    F(hsigmoid, HSIGMOID, "HardSigmoid", false,                               \
      A * v + B > 0 && A * v + B < 1 ? A * d : 0)                             \
    F(hswish, HSWISH, "HardSwish", false,                                     \
      v <= -3 ? 0 : v >= 3 ? d : d * (v / 3 + 0.5))                           \
    F(softplus, SOFTPLUS, "Softplus", false, d * ug_sigmoid(v))               \
    F(gelu, GELU, "Gelu", false,                                              \
      d * ((1 + erf(v * M_SQRT1_2)) / 2                                       \
           + v * exp(-v * v / 2) * UG_RSQRT_2PI))                             \
    F(gelu_tanh, GELU_TANH, "", false,                                        \
      d * UG_GELU_TANH(tanh(UG_GELU_C * (v + 0.044715 * v * v * v))))         \
    F(swish, SWISH, "Swish", false,                                           \
      d * ug_sigmoid(A * v) * (1 + A * v * (1 - ug_sigmoid(A * v))))          \
    F(mish, MISH, "Mish", false,                                              \
      d * (ug_tsp(v) + v * ug_sigmoid(v) * (1 - ug_tsp(v) * ug_tsp(v))))

/*
 * The others: F(id, operator, saved output?, float64; and float32 by
 * s = k0(p0) of the kernel table).
 */
#define UG_LIST(F)                                                            \
    F(threshold, "ThresholdedRelu", false, v > A ? d : 0,                     \
      NONE, 0, v > A ? d : 0)                                                 \
    F(selu, "Selu", false, B * (v > 0 ? d : d * A * exp(v)),                  \
      EXP, v > 0 ? 0 : v, B * (v > 0 ? d : d * A * s))                        \
    F(celu, "Celu", false, v > 0 ? d : d * exp(v / A),                        \
      EXP, v > 0 ? 0 : v / A, v > 0 ? d : d * s)                              \
    F(softsign, "Softsign", false, d / ((1 + fabs(v)) * (1 + fabs(v))),       \
      NONE, 0, d / ((1 + fabsf(v)) * (1 + fabsf(v))))                         \
    F(sqrt, "Sqrt", true, d / (2 * v),                                        \
      NONE, 0, d / (2 * v))                                                   \
    F(reciprocal, "Reciprocal", true, -d * v * v,                             \
      NONE, 0, -d * v * v)                                                    \
    F(exp, "Exp", true, d * v, NONE, 0, d * v)                                \
    F(log, "Log", false, d / v, NONE, 0, d / v)                               \
    F(abs, "Abs", false, v > 0 ? d : v < 0 ? -d : 0,                          \
      NONE, 0, v > 0 ? d : v < 0 ? -d : 0)                                    \
    F(erf, "Erf", false, d * M_2_SQRTPI * exp(-v * v),                        \
      EXP, -v * v, d * (float) M_2_SQRTPI * s)                                \
    F(sin, "Sin", false, d * cos(v), NONE, 0, d * cosf(v))                    \
    F(cos, "Cos", false, -d * sin(v), NONE, 0, -d * sinf(v))                  \
    F(tan, "Tan", true, d * (1 + v * v), NONE, 0, d * (1 + v * v))            \
    F(asin, "Asin", false, d / sqrt(1 - v * v),                               \
      NONE, 0, d / sqrtf(1 - v * v))                                          \
    F(acos, "Acos", false, -d / sqrt(1 - v * v),                              \
      NONE, 0, -d / sqrtf(1 - v * v))                                         \
    F(atan, "Atan", false, d / (1 + v * v),                                   \
      NONE, 0, d / (1 + v * v))                                               \
    F(sinh, "Sinh", false, d * cosh(v), NONE, 0, d * coshf(v))                \
    F(cosh, "Cosh", false, d * sinh(v), NONE, 0, d * sinhf(v))                \
    F(asinh, "Asinh", false, d / sqrt(v * v + 1),                             \
      NONE, 0, d / sqrtf(v * v + 1))                                          \
    F(acosh, "Acosh", false, d / sqrt(v * v - 1),                             \
      NONE, 0, d / sqrtf(v * v - 1))                                          \
    F(atanh, "Atanh", false, d / (1 - v * v),                                 \
      NONE, 0, d / (1 - v * v))


/* tanh(softplus(v)) */
static inline double
ug_tsp(double v)
{
    return tanh(fmax(v, 0) + log1p(exp(-fabs(v))));
}


#define MAAS_U_NONE  -1

typedef void (*ug_row_pt)(const maas_kernels_t *k, void *dx, const void *dy,
    const void *v, int64_t n, float a, float b);

#define UG_C   UG_GELU_C
#define UG_3K  (3 * 0.044715)

#define UG_F64(id, e64)                                                       \
    static void                                                               \
    ug_##id##_f64(const maas_kernels_t *k, void *dx, const void *dy,          \
        const void *pv, int64_t n, float a, float b)                          \
    {                                                                         \
        double        *x = dx;                                                \
        const double  *pd = dy, *vv = pv, A = (double) a, B = (double) b;     \
                                                                              \
        (void) k;                                                             \
        (void) A;                                                             \
        (void) B;                                                             \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            const double  d = pd[i], v = vv[i];                               \
                                                                              \
            x[i] = e64;                                                       \
        }                                                                     \
    }

#define UG_F32_KERNEL(id, of)                                                 \
    static void                                                               \
    ug_##id##_f32(const maas_kernels_t *k, void *dx, const void *dy,          \
        const void *pv, int64_t n, float a, float b)                          \
    {                                                                         \
        k->back[MAAS_G_##of](dx, dy, pv, n, a, b);                            \
    }

#define UG_KERNEL(id, of, name, saved, e64)  UG_F32_KERNEL(id, of)            \
                                             UG_F64(id, e64)

UG_KERNELS(UG_KERNEL)


#define UG_F32(id, k0, p0, e32)                                               \
    static void                                                               \
    ug_##id##_f32(const maas_kernels_t *k, void *dx, const void *dy,          \
        const void *pv, int64_t n, float a, float b)                          \
    {                                                                         \
        float         t[UG_BLOCK], *x = dx;                                   \
        int64_t       m;                                                      \
        const float  *pd = dy, *vv = pv, A = a, B = b;                        \
                                                                              \
        (void) k;                                                             \
        (void) A;                                                             \
        (void) B;                                                             \
                                                                              \
        for ( ; n > 0; n -= m, x += m, pd += m, vv += m) {                    \
            m = maas_min(n, UG_BLOCK);                                        \
                                                                              \
            if (MAAS_U_##k0 != MAAS_U_NONE) {                                 \
                for (int64_t i = 0; i < m; i++) {                             \
                    const float  v = vv[i];                                   \
                                                                              \
                    (void) v;                                                 \
                    t[i] = p0;                                                \
                }                                                             \
                                                                              \
                k->unary[maas_max(MAAS_U_##k0, 0)](t, t, m, 0, 0);            \
            }                                                                 \
                                                                              \
            for (int64_t i = 0; i < m; i++) {                                 \
                const float  d = pd[i], v = vv[i];                            \
                const float  s = MAAS_U_##k0 != MAAS_U_NONE ? t[i] : 0;       \
                                                                              \
                (void) v;                                                     \
                (void) s;                                                     \
                x[i] = e32;                                                   \
            }                                                                 \
        }                                                                     \
    }

#define UG_LOOP(id, name, saved, e64, k0, p0, e32)  UG_F32(id, k0, p0, e32)   \
                                                    UG_F64(id, e64)

UG_LIST(UG_LOOP)


typedef struct {
    const char  *op;            /* of the forward node; "": by hand */
    bool         saved;         /* v is the output */
    ug_row_pt    f32;
    ug_row_pt    f64;
} ug_fn_t;

#define UG_ROW_KERNEL(id, of, name, saved, e64)                               \
    { name, saved, ug_##id##_f32, ug_##id##_f64 },
#define UG_ROW(id, name, saved, e64, k0, p0, e32)                             \
    { name, saved, ug_##id##_f32, ug_##id##_f64 },

static const ug_fn_t  ug_fns[] = { UG_KERNELS(UG_ROW_KERNEL)
                                   UG_LIST(UG_ROW) };

#define UG_WORD_KERNEL(id, of, name, saved, e64)  #id,
#define UG_WORD(id, name, saved, e64, k0, p0, e32)  #id,

static const char *const  ug_words[] = { UG_KERNELS(UG_WORD_KERNEL)
                                         UG_LIST(UG_WORD) NULL };


/* -- the operator -------------------------------------------------------- */

static maas_status_t
ug_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    size_t            size = maas_dtype_size(s->in[0].dtype);
    int64_t           lo, hi;
    const ug_attr_t  *at = s->attr;
    ug_row_pt         row;

    (void) slot;

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);

    if (lo < hi) {
        row = s->in[0].dtype == MAAS_F64 ? ug_fns[at->fn].f64
                                         : ug_fns[at->fn].f32;
        row(s->k, (char *) s->out[0].data + (size_t) lo * size,
            (const char *) s->in[0].data + (size_t) lo * size,
            (const char *) s->in[1].data + (size_t) lo * size, hi - lo,
            at->alpha, at->beta);
    }

    return MAAS_OK;
}


static maas_status_t
ug_infer(maas_infer_t *c)
{
    if (c->in[0].type->rank != c->in[1].type->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dy and v have ranks %d and %d",
                        c->in[0].type->rank, c->in[1].type->rank);
    }

    return maas_infer_same(c);
}


/* -- blocked by 16 channels: the same on all that lies there ------------- */

static int64_t
ug_count16(const maas_tensor_t *t)
{
    return maas_planes16(t) * maas_pixels(t) * MAAS_C16;
}


static bool
ug_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    if (!(b->in & 3) || n->n_post != 0 || type[0]->dtype != MAAS_F32) {
        return false;
    }

    b->op = "UnaryGradBlocked";
    b->in = 3;
    return true;
}


static maas_status_t
ug_blocked_infer(maas_infer_t *c)
{
    return maas_blocked_out(c, ug_infer(c));
}


static bool
ug_blocked_setup(maas_setup_t *u)
{
    int64_t  n = ug_count16(&u->out[0]);

    u->units = maas_max((n + MAAS_UNIT - 1) / MAAS_UNIT, 1);
    u->cost = 50 + (double) n * 0.3;
    return u->in[0].format == MAAS_FMT_C16;
}


static maas_status_t
ug_blocked_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t           lo, hi;
    const ug_attr_t  *at = s->attr;

    (void) slot;

    maas_unit_range(first, last, ug_count16(&s->out[0]), &lo, &hi);

    if (lo < hi) {
        ug_fns[at->fn].f32(s->k, (float *) s->out[0].data + lo,
                           (const float *) s->in[0].data + lo,
                           (const float *) s->in[1].data + lo, hi - lo,
                           at->alpha, at->beta);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_attr_row_t  ug_attrs[] = {
    { .name = "fn", .type = MAAS_ATTR_STRING, .required = true,
      .off = offsetof(ug_attr_t, fn), .words = ug_words },
    { .name = "alpha", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(ug_attr_t, alpha) },
    { .name = "beta", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(ug_attr_t, beta) }
};

static const maas_kernel_row_t  ug_kernel[] = {
    { "unarygrad.rows", MAAS_CPU_REF, 3, 0, maas_setup_math, ug_run }
};

static const maas_kernel_row_t  ug_blocked_kernel[] = {
    { "unarygrad.c16", MAAS_CPU_REF, 3, 0, ug_blocked_setup, ug_blocked_run }
};

static const maas_formal_t  ug_in[] = {
    { "dY", MAAS_D_FLOAT, 'T', 0 },
    { "V",  MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  ug_out[] = {
    { "dX", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_case_t  ug_cases[] = {
    { "fn=relu | f32[2,3,5] f32[2,3,5]", NULL },
    { "fn=tanh | f64[7] f64[7]", NULL },
    { "fn=gelu | f32[1025] f32[1025]", NULL },
    { "fn=elu alpha=0.5 | f32[0] f32[0]", NULL },
    { "fn=mish | f32[] f32[]", NULL },
    { "fn=swish alpha=1.5 | f32[3,700] f32[3,700]:nan", NULL },
    { "fn=selu alpha=1.7 beta=1.1 | f32[40000] f32[40000]", NULL },
    { NULL, NULL }
};

static const maas_case_t  ug_bad[] = {
    { "fn=relu | f32[2] f32[2,1]", "ranks 1 and 2" },
    { "fn=cube | f32[2] f32[2]", "fn" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_unary_grad[] = {

    { .name = "UnaryGrad", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(ug_in, ug_out),
      MAAS_ATTRS(ug_attrs, ug_attr_t), .infer = ug_infer,
      MAAS_KERNELS(ug_kernel), .blocked = ug_blocked,
      .cases = ug_cases, .bad = ug_bad },

    { .name = "UnaryGradBlocked", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(ug_in, ug_out),
      MAAS_ATTRS(ug_attrs, ug_attr_t), .infer = ug_blocked_infer,
      MAAS_KERNELS(ug_blocked_kernel) },

    { .name = NULL }
};


/* -- gradients ----------------------------------------------------------- */

static maas_raw_attr_t
ug_attr_word(const char *word)
{
    return (maas_raw_attr_t) { .name = maas_str("fn"),
                               .s = { word, strlen(word) },
                               .type = MAAS_ATTR_STRING };
}


static float
ug_param(const maas_grad_t *c, const char *name, float none)
{
    const float  *f = maas_pass_attr(c->n, name);

    return f != NULL ? *f : none;
}


static maas_vid_t
ug_emit(maas_grad_t *c, const char *fn, maas_vid_t dy, maas_vid_t v)
{
    maas_vid_t       in[] = { dy, v };
    maas_raw_attr_t  attr[] = {
        ug_attr_word(fn),
        maas_pass_float("alpha", ug_param(c, "alpha", 0)),
        maas_pass_float("beta", ug_param(c, "beta", ug_param(c, "gamma", 0)))
    };

    return maas_grad_emit(c, "maas", "UnaryGrad", attr, 3, in, 2);
}


maas_status_t
maas_grad_unary(maas_grad_t *c)
{
    const int64_t  *tanh;

    for (size_t i = 0; i < maas_nelts(ug_fns); i++) {

        if (strcmp(ug_fns[i].op, c->n->op->name) != 0) {
            continue;
        }

        tanh = maas_pass_attr(c->n, "approximate");

        c->din[0] = ug_emit(c, tanh != NULL && *tanh != 0 ? "gelu_tanh"
                                                          : ug_words[i],
                            c->dout[0], ug_fns[i].saved
                                        ? maas_grad_out(c, 0)
                                        : maas_grad_in(c, 0));
        return c->rc;
    }

    return maas_err(c->err, MAAS_EINTERNAL, "no derivative of %s",
                    c->n->op->name);
}


/* Passes where the input lies between the limits; the limits get nothing. */
maas_status_t
maas_grad_clip(maas_grad_t *c)
{
    maas_vid_t  x = maas_grad_in(c, 0), limit, ok, zero;

    c->din[0] = c->dout[0];
    zero = maas_grad_scalar(c, x, 0);

    for (int i = 1; i <= 2; i++) {
        limit = maas_grad_in(c, i);

        if (limit != MAAS_NOVAL) {
            ok = maas_grad_op2(c, i == 1 ? "GreaterOrEqual" : "LessOrEqual",
                               x, limit);
            c->din[0] = maas_grad_op3(c, "Where", ok, c->din[0], zero);
        }
    }

    return c->rc;
}


maas_status_t
maas_grad_prelu(maas_grad_t *c)
{
    maas_vid_t  x = c->n->in[0], a = c->n->in[1], dy = c->dout[0];
    maas_vid_t  pos, zero;

    zero = maas_grad_scalar(c, x, 0);
    pos = maas_grad_op2(c, "Greater", x, zero);

    if (c->need[0]) {
        c->din[0] = maas_grad_op3(c, "Where", pos, dy,
                                  maas_grad_op2(c, "Mul", dy, a));
    }

    if (c->need[1]) {
        c->din[1] = maas_grad_op3(c, "Where", pos, zero,
                                  maas_grad_op2(c, "Mul", dy, x));
        c->din[1] = maas_grad_unbroadcast(c, c->din[1], c->n->out[0], a);
    }

    return c->rc;
}
