/*
 * math_unary: elementwise functions of one input, and Clip.
 *
 * float32 goes through the kernel table where it has the function; the rest
 * are loops made from one template.  Integers wrap around, as in NumPy.
 * Kernels may write over their input; elements are independent, so units
 * can be cut anywhere.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#include <float.h>
#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


/* -- functions ----------------------------------------------------------- */

/* In the kernel table for float32; e64 is the float64 expression. */
#define UN_TABLE(name, FN, e64, setup)                                        \
    MAAS_UN_LOOP(name, F64, double, e64)                                      \
    static const maas_un_t  name##_un = {                                     \
        MAAS_U_##FN, { MAAS_UN_ENTRY(name, F64, double) }                     \
    };                                                                        \
    MAAS_UN_KERNEL(name, setup)                                               \
    MAAS_UN_POST(name, FN)

/* The same, never a post-op. */
#define UN_TRIG(name, FN)                                                     \
    MAAS_UN_LOOP(name, F64, double, name(v))                                  \
    static const maas_un_t  name##_un = {                                     \
        MAAS_U_##FN, { MAAS_UN_ENTRY(name, F64, double) }                     \
    };                                                                        \
    MAAS_UN_KERNEL(name, maas_setup_math)

#define NO_post  NULL

UN_TABLE(exp, EXP, exp(v), maas_setup_math)
UN_TABLE(log, LOG, log(v), maas_setup_math)
UN_TABLE(sqrt, SQRT, sqrt(v), maas_setup_math)
UN_TABLE(reciprocal, RECIP, 1 / v, maas_setup_math)
UN_TABLE(floor, FLOOR, floor(v), maas_setup_cheap)
UN_TABLE(ceil, CEIL, ceil(v), maas_setup_cheap)
UN_TABLE(round, ROUND, rint(v), maas_setup_cheap)

UN_TRIG(sin, SIN)
UN_TRIG(cos, COS)
UN_TRIG(tan, TAN)
UN_TRIG(asin, ASIN)
UN_TRIG(acos, ACOS)
UN_TRIG(atan, ATAN)
UN_TRIG(sinh, SINH)
UN_TRIG(cosh, COSH)
UN_TRIG(asinh, ASINH)
UN_TRIG(acosh, ACOSH)
UN_TRIG(atanh, ATANH)

/* Integers: through uint64_t, where overflow is defined. */
#define NEG_INT(name, D, type)                                                \
    MAAS_UN_LOOP(name, D, type, 0 - (uint64_t) v)
#define ABS_INT(name, D, type)                                                \
    MAAS_UN_LOOP(name, D, type, v < 0 ? 0 - (uint64_t) v : (uint64_t) v)
#define ABS_UINT(name, D, type)   MAAS_UN_LOOP(name, D, type, v)
#define ERF_INT(name, D, type)    MAAS_UN_LOOP(name, D, type, erf((double) v))
#define SIGN_SINT(name, D, type)  MAAS_UN_LOOP(name, D, type, (v > 0) - (v < 0))
#define SIGN_UINT(name, D, type)  MAAS_UN_LOOP(name, D, type, v != 0)
/* NaN and signed zeros stay what they are. */
#define SIGN_REAL(name, D, type)                                              \
    MAAS_UN_LOOP(name, D, type, v > 0 ? 1 : v < 0 ? -1 : v)

MAAS_UN_LOOP(neg, F64, double, -v)
MAAS_T_SINT(NEG_INT, neg)

static const maas_un_t  neg_un = {
    MAAS_U_NEG,
    { MAAS_UN_ENTRY(neg, F64, double) MAAS_T_SINT(MAAS_UN_ENTRY, neg) }
};

MAAS_UN_KERNEL(neg, maas_setup_cheap)
MAAS_UN_POST(neg, NEG)

MAAS_UN_LOOP(abs, F64, double, fabs(v))
MAAS_T_SINT(ABS_INT, abs)
MAAS_T_UINT(ABS_UINT, abs)

static const maas_un_t  abs_un = {
    MAAS_U_ABS,
    { MAAS_UN_ENTRY(abs, F64, double) MAAS_T_INT(MAAS_UN_ENTRY, abs) }
};

MAAS_UN_KERNEL(abs, maas_setup_cheap)
MAAS_UN_POST(abs, ABS)

MAAS_UN_LOOP(erf, F64, double, erf(v))
MAAS_T_INT(ERF_INT, erf)

static const maas_un_t  erf_un = {
    MAAS_U_ERF,
    { MAAS_UN_ENTRY(erf, F64, double) MAAS_T_INT(MAAS_UN_ENTRY, erf) }
};

MAAS_UN_KERNEL(erf, maas_setup_math)
MAAS_UN_POST(erf, ERF)

MAAS_T_FLOAT(SIGN_REAL, sign)
MAAS_T_SINT(SIGN_SINT, sign)
MAAS_T_UINT(SIGN_UINT, sign)

static const maas_un_t  sign_un = {
    MAAS_UN_ROW, { MAAS_T_NUM(MAAS_UN_ENTRY, sign) }
};

MAAS_UN_KERNEL(sign, maas_setup_cheap)


/* Contents of small integer tensors go through Neg, for shape arithmetic. */
static maas_status_t
neg_infer(maas_infer_t *c)
{
    const maas_infer_in_t  *in = &c->in[0];

    if (in->ival != NULL && in->n_ival >= 0) {
        for (int i = 0; i < in->n_ival; i++) {
            c->out[0].ival[i] = maas_dim_sub(c->syms, 0, in->ival[i]);
        }

        c->out[0].n_ival = in->n_ival;
    }

    return maas_infer_same(c);
}


/* -- Clip ---------------------------------------------------------------- */

/* Opset 6: limits are attributes. */
static maas_status_t
clip_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    int                     dtype;
    const maas_raw_attr_t  *at;
    static const char      *name[] = { "min", "max" };

    (void) err;

    if (opset >= 11) {
        return MAAS_OK;
    }

    dtype = maas_raw_input_dtype(im, n, 0);

    for (uint32_t i = 0; i < 2; i++) {
        at = maas_raw_attr(n, name[i]);
        if (at == NULL) {
            continue;
        }

        MAAS_TRY(maas_raw_input_float(im, n, i + 1,
                                      dtype != 0 ? dtype : MAAS_F32, at->f));
        maas_raw_attr_drop(n, name[i]);
    }

    return MAAS_OK;
}


static maas_status_t
clip_infer(maas_infer_t *c)
{
    for (int i = 1; i < 3; i++) {
        const maas_type_t  *t = maas_infer_has(c, i) ? c->in[i].type : NULL;

        if (t == NULL) {
            continue;
        }

        for (int d = 0; d < t->rank; d++) {
            if (maas_dim_known(t->dims[d]) && t->dims[d] != 1) {
                return maas_err(c->err, MAAS_EINVAL,
                                "%s must be a scalar, but dimension %d of it "
                                "is %lld", i == 1 ? "min" : "max", d,
                                (long long) t->dims[d]);
            }
        }
    }

    return maas_infer_same(c);
}


/* NaN passes; where min > max, max wins. */
#define CLIP_LOOP(name, D, type)                                              \
    static void                                                               \
    name##_##D(void *y, const void *x, int64_t n, const void *lo,             \
        const void *hi)                                                       \
    {                                                                         \
        type        *q = y;                                                   \
        const type  *p = x;                                                   \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            type  v = p[i];                                                   \
                                                                              \
            v = lo != NULL && v < *(const type *) lo ? *(const type *) lo     \
                                                     : v;                     \
            q[i] = hi != NULL && v > *(const type *) hi ? *(const type *) hi  \
                                                        : v;                  \
        }                                                                     \
    }

MAAS_T_INT(CLIP_LOOP, clip)
CLIP_LOOP(clip, F64, double)

typedef void (*clip_row_pt)(void *y, const void *x, int64_t n,
    const void *lo, const void *hi);

static const clip_row_pt  clip_rows[MAAS_DTYPES] = {
    MAAS_T_INT(MAAS_UN_ENTRY, clip) MAAS_UN_ENTRY(clip, F64, double)
};


static maas_status_t
clip_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int          dtype = s->in[0].dtype;
    char        *y;
    size_t       size = maas_dtype_size(dtype);
    int64_t      from, to;
    const char  *x;
    const void  *lo, *hi;

    maas_unit_range(first, last, maas_tensor_count(&s->in[0]), &from, &to);

    if (from >= to) {
        return MAAS_OK;
    }

    x = (const char *) s->in[0].data + (size_t) from * size;
    y = (char *) s->out[0].data + (size_t) from * size;
    lo = s->n_formal > 1 && s->in[1].dtype != 0 ? s->in[1].data : NULL;
    hi = s->n_formal > 2 && s->in[2].dtype != 0 ? s->in[2].data : NULL;

    if (dtype == MAAS_F32) {
        s->k->unary[MAAS_U_CLIP]((float *) y, (const float *) x, to - from,
                            lo != NULL ? *(const float *) lo : -INFINITY,
                            hi != NULL ? *(const float *) hi : INFINITY);
        return MAAS_OK;
    }

    if (clip_rows[dtype] == NULL) {
        return maas_err_dtype(slot, dtype);
    }

    clip_rows[dtype](y, x, to - from, lo, hi);
    return MAAS_OK;
}


/* Limits have to be constants: they become the parameters. */
static bool
clip_post(const maas_node_t *n, int through, const void *const *data,
    maas_post_t *out)
{
    float  limit[2] = { -INFINITY, INFINITY };

    if (through != 0) {
        return false;
    }

    for (int i = 1; i < n->n_in && i < 3; i++) {
        if (n->in[i] == MAAS_NOVAL) {
            continue;
        }

        if (data[i] == NULL) {
            return false;
        }

        limit[i - 1] = *(const float *) data[i];
    }

    *out = (maas_post_t) { .kind = MAAS_POST_UNARY, .fn = MAAS_U_CLIP,
                           .a = limit[0], .b = limit[1] };
    return true;
}


static const maas_kernel_row_t  clip_kernel[] = {
    { "clip.rows", MAAS_CPU_REF, 1, 0, maas_setup_cheap, clip_run }
};

static const maas_formal_t  clip_in[] = {
    { "input", MAAS_D_NUM, 'T', 0 },
    { "min",   MAAS_D_NUM, 'T', MAAS_OPT },
    { "max",   MAAS_D_NUM, 'T', MAAS_OPT }
};

static const maas_formal_t  clip_out[] = {
    { "output", MAAS_D_NUM, 'T', 0 }
};

static const maas_case_t  clip_cases[] = {
    { "| f32[3,7] =f32[]{-0.5} =f32[]{0.5}", NULL },
    { "| f32[33]:nan f32[] -", NULL },
    { "| f32[17]:inf - =f32[]{1}", NULL },
    { "| f32[] - -", NULL },
    { "| f64[9] =f64[]{-0.5} =f64[]{0.25}", NULL },
    { "| i8[40] =i8[]{-3} -", NULL },
    { "| u64[5] =u64[]{1} =u64[]{2}", NULL },
    { "| f32[0,3] =f32[]{0}", NULL },
    { NULL, NULL }
};

static const maas_case_t  clip_bad[] = {
    { "| f32[4] =f32[2]{0,1}", "min must be a scalar" },
    { NULL, NULL }
};


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  real_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  real_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  num_in[] = {
    { "X", MAAS_D_NUM, 'T', 0 }
};

static const maas_formal_t  num_out[] = {
    { "Y", MAAS_D_NUM, 'T', 0 }
};

static const maas_formal_t  signed_in[] = {
    { "X", MAAS_D_FLOAT | MAAS_D_SINT, 'T', 0 }
};

static const maas_formal_t  signed_out[] = {
    { "Y", MAAS_D_FLOAT | MAAS_D_SINT, 'T', 0 }
};

static const maas_case_t  real_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[]", NULL },
    { "| f32[0]", NULL },
    { "| f32[31]:nan", NULL },
    { "| f32[33]:inf", NULL },
    { "| f32[17]:pos", NULL },
    { "| f32[16]:denormal", NULL },
    { "| f64[3,3]", NULL },
    { "| f32[129,257]:prob", NULL },
    { NULL, NULL }
};

/* No denormals: a negative one is below 0, or -0 where they are flushed. */
static const maas_case_t  log_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[]", NULL },
    { "| f32[0]", NULL },
    { "| f32[31]:nan", NULL },
    { "| f32[33]:inf", NULL },
    { "| f32[17]:pos", NULL },
    { "| f64[3,3]", NULL },
    { "| f32[129,257]:prob", NULL },
    { NULL, NULL }
};

static const maas_case_t  acosh_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[4]{1.25,2,7,1}", NULL },
    { "| f64[3]{1.5,3,40}", NULL },
    { "| f32[33]:inf", NULL },
    { "| f32[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  int_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[33]:nan", NULL },
    { "| f64[7]:inf", NULL },
    { "| i8[19]", NULL },
    { "| i32[]", NULL },
    { "| i64[2]{-9223372036854775808,3}", NULL },
    { "| i16[0,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  real_bad[] = {
    { "| i32[3]", "int32" },
    { "| bool[3]", "bool" },
    { NULL, NULL }
};

static const maas_case_t  num_bad[] = {
    { "| bool[3]", "bool" },
    { "| str[2]", "string" },
    { NULL, NULL }
};

#define UN_OP(NAME, SINCE, FIRST, id, io, how, post, d, c, b)                 \
    { .name = NAME, .domain = "", .since = SINCE, .first = FIRST,             \
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(io##_in, io##_out),\
      .infer = how, MAAS_KERNELS(id##_kernel), .as_post = post##_post,        \
      .grad = d, .cases = c, .bad = b }

#define UN_REAL(NAME, SINCE, FIRST, id, post)                                 \
    UN_OP(NAME, SINCE, FIRST, id, real, maas_infer_same, post,                \
          maas_grad_unary, real_cases, real_bad)

#define UN_STEP(NAME, SINCE, FIRST, id)                                       \
    UN_OP(NAME, SINCE, FIRST, id, real, maas_infer_same, id, maas_grad_zero,  \
          real_cases, real_bad)


static maas_status_t
neg_grad(maas_grad_t *c)
{
    c->din[0] = maas_grad_op1(c, "Neg", c->dout[0]);
    return c->rc;
}


const maas_op_t  maas_ops_math_unary[] = {

    UN_REAL("Exp", 13, 6, exp, exp),
    UN_OP("Log", 13, 6, log, real, maas_infer_same, log, maas_grad_unary,
          log_cases, real_bad),
    UN_REAL("Sqrt", 13, 6, sqrt, sqrt),
    UN_REAL("Reciprocal", 13, 6, reciprocal, reciprocal),
    UN_STEP("Floor", 13, 6, floor),
    UN_STEP("Ceil", 13, 6, ceil),
    UN_STEP("Round", 11, 11, round),
    UN_REAL("Sin", 7, 7, sin, NO),
    UN_REAL("Cos", 7, 7, cos, NO),
    UN_REAL("Tan", 7, 7, tan, NO),
    UN_REAL("Asin", 7, 7, asin, NO),
    UN_REAL("Acos", 7, 7, acos, NO),
    UN_REAL("Atan", 7, 7, atan, NO),
    UN_REAL("Sinh", 9, 9, sinh, NO),
    UN_REAL("Cosh", 9, 9, cosh, NO),
    UN_REAL("Asinh", 9, 9, asinh, NO),
    UN_OP("Acosh", 9, 9, acosh, real, maas_infer_same, NO, maas_grad_unary,
          acosh_cases, real_bad),
    UN_REAL("Atanh", 9, 9, atanh, NO),

    UN_OP("Neg", 13, 6, neg, signed, neg_infer, neg,
          neg_grad, int_cases, num_bad),
    UN_OP("Abs", 13, 6, abs, num, maas_infer_same, abs,
          maas_grad_unary, int_cases, num_bad),
    UN_OP("Erf", 13, 9, erf, num, maas_infer_same, erf,
          maas_grad_unary, int_cases, num_bad),
    UN_OP("Sign", 13, 9, sign, num, maas_infer_same, NO,
          maas_grad_zero, int_cases, num_bad),

    { .name = "Clip", .domain = "", .since = 13, .first = 6,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(clip_in, clip_out),
      .upgrade = clip_upgrade, .infer = clip_infer, MAAS_KERNELS(clip_kernel),
      .as_post = clip_post, .grad = maas_grad_clip, .cases = clip_cases,
      .bad = clip_bad },

    { .name = NULL }
};
