/*
 * activation: Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Sigmoid
 * HardSigmoid HardSwish Tanh Softplus Softsign, and Dropout, which passes
 * its input when a model is served.
 *
 * float32 goes through the kernel table where it has the function.  All but
 * PRelu's slope are elementwise and may write over their input.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


typedef struct {
    float  alpha;
    float  beta;                /* gamma of Selu */
} act_attr_t;


/* -- functions ----------------------------------------------------------- */

/* To [0, 1]; NaN passes. */
static inline double
act_unit(double v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}


#define ACT_TABLE(name, FN, e64, setup)                                       \
    MAAS_UN_LOOP(name, F64, double, e64)                                      \
    static const maas_un_t  name##_un = {                                     \
        MAAS_U_##FN, { MAAS_UN_ENTRY(name, F64, double) }                     \
    };                                                                        \
    ACT_KERNEL(name, setup)                                                   \
    ACT_POST(name, FN)

#define ACT_ROWS(name, e32, e64, setup)                                       \
    MAAS_UN_LOOP(name, F32, float, e32)                                       \
    MAAS_UN_LOOP(name, F64, double, e64)                                      \
    static const maas_un_t  name##_un = {                                     \
        MAAS_UN_ROW, { MAAS_T_FLOAT(MAAS_UN_ENTRY, name) }                    \
    };                                                                        \
    ACT_KERNEL(name, setup)

/* Operators without attributes have an empty struct behind s->attr. */
#define ACT_KERNEL(name, setup)                                               \
    static maas_status_t                                                      \
    name##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,        \
        int64_t last)                                                         \
    {                                                                         \
        const act_attr_t  *at = s->attr;                                      \
                                                                              \
        return maas_un_run(s, slot, first, last, &name##_un, at->alpha,       \
                           at->beta);                                         \
    }                                                                         \
                                                                              \
    static const maas_kernel_row_t  name##_kernel[] = {                       \
        { #name ".rows", MAAS_CPU_REF, 1, 0, setup, name##_run }              \
    };

/* As a post-op, with the node's parameters. */
#define ACT_POST(name, FN)                                                    \
    static bool                                                               \
    name##_post(const maas_node_t *n, int through, const void *const *data,   \
        maas_post_t *out)                                                     \
    {                                                                         \
        const act_attr_t  *at = n->attr;                                      \
                                                                              \
        (void) data;                                                          \
                                                                              \
        *out = (maas_post_t) { .kind = MAAS_POST_UNARY, .fn = MAAS_U_##FN,    \
                               .a = at->alpha, .b = at->beta };               \
        return through == 0;                                                  \
    }

#define NO_post  NULL

ACT_TABLE(leaky, LEAKY, v < 0 ? A * v : v, maas_setup_cheap)
ACT_TABLE(elu, ELU, v < 0 ? A * expm1(v) : v, maas_setup_math)
ACT_TABLE(hsigmoid, HSIGMOID, act_unit(A * v + B), maas_setup_cheap)
ACT_ROWS(selu, v > 0 ? B * v : B * (A * expm1f(v)),
         v > 0 ? B * v : B * (A * expm1(v)), maas_setup_libm)
ACT_ROWS(celu, v > 0 ? v : A * expm1f(v / A), v > 0 ? v : A * expm1(v / A),
         maas_setup_libm)
/* NaN is not above alpha, and gives 0 as in the definition. */
ACT_ROWS(threshold, v > A ? v : 0, v > A ? v : 0, maas_setup_cheap)

#define PLAIN_TABLE(name, FN, e64, setup)                                     \
    MAAS_UN_LOOP(name, F64, double, e64)                                      \
    static const maas_un_t  name##_un = {                                     \
        MAAS_U_##FN, { MAAS_UN_ENTRY(name, F64, double) }                     \
    };                                                                        \
    MAAS_UN_KERNEL(name, setup)                                               \
    MAAS_UN_POST(name, FN)

PLAIN_TABLE(sigmoid, SIGMOID, 1 / (1 + exp(-v)), maas_setup_math)
PLAIN_TABLE(tanh, TANH, tanh(v), maas_setup_math)
PLAIN_TABLE(hswish, HSWISH, v * act_unit(v / 6 + 0.5),
            maas_setup_cheap)
PLAIN_TABLE(softplus, SOFTPLUS, fmax(v, 0) + log1p(exp(-fabs(v))),
            maas_setup_math)

MAAS_UN_LOOP(softsign, F32, float, v / (1 + fabsf(v)))
MAAS_UN_LOOP(softsign, F64, double, v / (1 + fabs(v)))

static const maas_un_t  softsign_un = {
    MAAS_UN_ROW, { MAAS_T_FLOAT(MAAS_UN_ENTRY, softsign) }
};

MAAS_UN_KERNEL(softsign, maas_setup_cheap)

/* NaN passes. */
#define RELU_SINT(name, D, type)  MAAS_UN_LOOP(name, D, type, v < 0 ? 0 : v)

RELU_SINT(relu, F64, double)
MAAS_T_SINT(RELU_SINT, relu)

static const maas_un_t  relu_un = {
    MAAS_U_RELU,
    { MAAS_UN_ENTRY(relu, F64, double) MAAS_T_SINT(MAAS_UN_ENTRY, relu) }
};

MAAS_UN_KERNEL(relu, maas_setup_cheap)
MAAS_UN_POST(relu, RELU)


/* -- PRelu --------------------------------------------------------------- */

/* Opset 6: a slope of one dimension is one value a channel. */
static maas_status_t
prelu_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    int  rx, rs;

    if (opset >= 7) {
        return MAAS_OK;
    }

    rx = maas_raw_input_rank(im, n, 0);
    rs = maas_raw_input_rank(im, n, 1);

    if (rs == 0) {
        return MAAS_OK;
    }

    if (rx < 0 || rs < 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "a slope by channel needs inputs whose ranks are "
                        "known");
    }

    if (rs != 1 || rx <= 2) {
        return MAAS_OK;
    }

    return maas_upgrade_trailing(im, n, 1, 1, rx - 2);
}


static maas_status_t
prelu_infer(maas_infer_t *c)
{
    int                 rank;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[0].type, *slope = c->in[1].type;

    MAAS_TRY(maas_infer_broadcast(c, 0, 2, dims, &rank));

    for (int i = rank - 1, j = x->rank - 1; i >= 0; i--, j--) {
        if (j < 0 || (x->dims[j] == 1 && maas_dim_known(dims[i])
                      && dims[i] != 1))
        {
            return maas_err(c->err, MAAS_EINVAL,
                            "the slope must broadcast to the input, but has "
                            "a dimension %lld that the input lacks",
                            (long long) slope->dims[slope->rank - rank + i]);
        }
    }

    return maas_infer_same(c);
}


typedef struct {
    const maas_step_t  *s;
} prelu_ctx_t;

/* Multiplies negative elements by the slope. */
#define PRELU_ROW(name, D, type)                                              \
    static void                                                               \
    name##_##D(void *ctx, int64_t at, int64_t n, const int64_t *off,          \
        const int64_t *stride)                                                \
    {                                                                         \
        const maas_step_t  *s = ((prelu_ctx_t *) ctx)->s;                     \
        type               *y = (type *) s->out[0].data + at;                 \
        const type         *x = (const type *) s->in[0].data + off[0];        \
        const type         *a = (const type *) s->in[1].data + off[1];        \
        const type          zero = 0;                                         \
        const int64_t       sa = stride[1];                                   \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            y[i] = x[i] < zero ? (type) (x[i] * PRELU_CAST(type) a[i * sa])   \
                               : x[i];                                        \
        }                                                                     \
    }

#define PRELU_CAST(type)  (type)
PRELU_ROW(prelu, F32, float)
PRELU_ROW(prelu, F64, double)
PRELU_ROW(prelu, U32, uint32_t)
PRELU_ROW(prelu, U64, uint64_t)
#undef PRELU_CAST
#define PRELU_CAST(type)  (uint64_t)
PRELU_ROW(prelu, I32, int32_t)
PRELU_ROW(prelu, I64, int64_t)

static const maas_bc_row_pt  prelu_rows[MAAS_DTYPES] = {
    MAAS_T_FLOAT(MAAS_UN_ENTRY, prelu)
    MAAS_UN_ENTRY(prelu, I32, int32_t) MAAS_UN_ENTRY(prelu, I64, int64_t)
    MAAS_UN_ENTRY(prelu, U32, uint32_t) MAAS_UN_ENTRY(prelu, U64, uint64_t)
};


static maas_status_t
prelu_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t         lo, hi;
    maas_bc_t       bc;
    prelu_ctx_t     ctx = { s };
    maas_bc_row_pt  row = prelu_rows[s->in[0].dtype];

    if (row == NULL) {
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);
    maas_bc_tensors(&bc, &s->out[0], s->in, 2);
    maas_bc_run(&bc, lo, hi, row, &ctx);

    return MAAS_OK;
}


static const maas_kernel_row_t  prelu_kernel[] = {
    { "prelu.rows", MAAS_CPU_REF, 1, 0, maas_setup_cheap, prelu_run }
};


/* -- Dropout ------------------------------------------------------------- */

typedef struct {
    int64_t  seed;
} dropout_attr_t;

static const maas_attr_row_t  dropout_attrs[] = {
    { .name = "seed", .type = MAAS_ATTR_INT,
      .off = offsetof(dropout_attr_t, seed) }
};


/*
 * Before 12 the ratio was an attribute, before 10 the mask had the type of
 * the data, before 7 is_test told training from inference.  Models are
 * served, so the data passes in all of them.
 */
static maas_status_t
dropout_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    int         dtype;
    maas_str_t  out[2];

    (void) err;

    if (opset >= 12) {
        return MAAS_OK;
    }

    maas_raw_attr_drop(n, "ratio");
    maas_raw_attr_drop(n, "is_test");

    if (opset >= 10 || n->n_in < 1 || n->n_out < 2 || n->out[1].len == 0) {
        return MAAS_OK;
    }

    /* The mask's Cast takes the place of the node. */
    dtype = maas_raw_input_dtype(im, n, 0);
    out[0] = n->out[0];
    out[1] = maas_raw_fresh(im);
    if (out[1].data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit(im, "Dropout", n->in, n->n_in, out, 2, NULL, 0));

    n->op = maas_str("Cast");
    n->in[0] = out[1];
    n->n_in = 1;
    n->out++;
    n->n_out--;
    n->n_attr = 0;

    return maas_raw_attr_int(im, n, "to", dtype != 0 ? dtype : MAAS_F32);
}


static bool
dropout_is_zero(const maas_infer_in_t *ratio)
{
    switch (ratio->type->dtype) {
    case MAAS_F32:
        return *(const float *) ratio->data == 0;
    case MAAS_F64:
        return *(const double *) ratio->data == 0;
    default:
        return (*(const uint16_t *) ratio->data & 0x7fff) == 0;
    }
}


static maas_status_t
dropout_infer(maas_infer_t *c)
{
    if (maas_infer_has(c, 2)) {
        if (c->in[2].data == NULL) {
            return MAAS_INFER_NEED(c, 2);
        }

        if (*(const uint8_t *) c->in[2].data != 0) {
            if (maas_infer_has(c, 1) && c->in[1].data == NULL) {
                return MAAS_INFER_NEED(c, 1);
            }

            if (!maas_infer_has(c, 1) || !dropout_is_zero(&c->in[1])) {
                return maas_err(c->err, MAAS_EUNSUPPORTED,
                                "training_mode is true: random dropout is "
                                "not served; export the model for inference");
            }
        }
    }

    MAAS_TRY(maas_infer_same(c));

    if (c->n_out > 1) {
        maas_infer_set(c, 1, MAAS_BOOL, c->in[0].type->rank,
                       c->in[0].type->dims);
    }

    return MAAS_OK;
}


static maas_status_t
dropout_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    size_t   size = maas_dtype_size(s->in[0].dtype);
    int64_t  lo, hi;

    (void) slot;

    maas_unit_range(first, last, maas_tensor_count(&s->in[0]), &lo, &hi);

    if (lo >= hi) {
        return MAAS_OK;
    }

    if (s->out[0].data != NULL && s->out[0].data != s->in[0].data) {
        memcpy((char *) s->out[0].data + (size_t) lo * size,
               (const char *) s->in[0].data + (size_t) lo * size,
               (size_t) (hi - lo) * size);
    }

    if (s->n_out > 1 && s->out[1].data != NULL) {
        memset((char *) s->out[1].data + lo, 1, (size_t) (hi - lo));
    }

    return MAAS_OK;
}


static bool
dropout_setup(maas_setup_t *u)
{
    int64_t  n = maas_tensor_count(&u->in[0]);

    u->units = maas_units(n);
    u->cost = 50 + 0.2 * (double) n;
    return true;
}


static const maas_kernel_row_t  dropout_kernel[] = {
    { "dropout.copy", MAAS_CPU_REF, 1, 0, dropout_setup, dropout_run }
};

static const maas_formal_t  dropout_in[] = {
    { "data",          MAAS_D_FLOAT | MAAS_D_HALF,     'T', 0 },
    { "ratio",         MAAS_D_FLOAT | MAAS_D(F16),       0, MAAS_OPT },
    { "training_mode", MAAS_D(BOOL),                     0, MAAS_OPT }
};

static const maas_formal_t  dropout_out[] = {
    { "output", MAAS_D_FLOAT | MAAS_D_HALF, 'T', 0 },
    { "mask",   MAAS_D(BOOL),                 0, MAAS_OPT }
};

static const maas_case_t  dropout_cases[] = {
    { "| f32[3,7]", NULL },
    { "| f32[] =f32[]{0.5}", NULL },
    { "| f16[5] =f32[]{0} =bool[]{1}", NULL },
    { "seed=3 | f64[0] - =bool[]{0}", NULL },
    { NULL, NULL }
};

static const maas_case_t  dropout_bad[] = {
    { "| f32[3] =f32[]{0.5} =bool[]{1}", "training_mode" },
    { "| i32[3]", "int32" },
    { NULL, NULL }
};


/* -- rows ---------------------------------------------------------------- */

static const maas_attr_row_t  leaky_attrs[] = {
    { .name = "alpha", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(act_attr_t, alpha), .f = 0.01f }
};

static const maas_attr_row_t  one_attrs[] = {       /* Elu, Celu, Thresholded */
    { .name = "alpha", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(act_attr_t, alpha), .f = 1 }
};

static const maas_attr_row_t  selu_attrs[] = {
    { .name = "alpha", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(act_attr_t, alpha), .f = 1.67326319217681884765625f },
    { .name = "gamma", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(act_attr_t, beta), .f = 1.05070102214813232421875f }
};

static const maas_attr_row_t  hsigmoid_attrs[] = {
    { .name = "alpha", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(act_attr_t, alpha), .f = 0.2f },
    { .name = "beta", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(act_attr_t, beta), .f = 0.5f }
};

static const maas_formal_t  real_in[] = { { "X", MAAS_D_FLOAT, 'T', 0 } };
static const maas_formal_t  real_out[] = { { "Y", MAAS_D_FLOAT, 'T', 0 } };

#define RELU_TYPES   (MAAS_D_FLOAT | MAAS_D_SINT)
#define PRELU_TYPES  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64) | MAAS_D(U32)  \
                      | MAAS_D(U64))

static const maas_formal_t  relu_in[] = { { "X", RELU_TYPES, 'T', 0 } };
static const maas_formal_t  relu_out[] = { { "Y", RELU_TYPES, 'T', 0 } };

static const maas_formal_t  prelu_in[] = {
    { "X", PRELU_TYPES, 'T', 0 }, { "slope", PRELU_TYPES, 'T', 0 }
};
static const maas_formal_t  prelu_out[] = { { "Y", PRELU_TYPES, 'T', 0 } };

static const maas_case_t  real_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[]", NULL },
    { "| f32[0]", NULL },
    { "| f32[33]:nan", NULL },
    { "| f32[31]:inf", NULL },
    { "| f32[16]:denormal", NULL },
    { "| f64[7]", NULL },
    { "| f32[129,257]", NULL },
    { NULL, NULL }
};

static const maas_case_t  alpha_cases[] = {
    { "| f32[3,17]", NULL },
    { "alpha=0.5 | f32[3,17]", NULL },
    { "alpha=2 | f64[5]:inf", NULL },
    { "alpha=0.3 | f32[0]", NULL },
    { "alpha=0.3 | f32[]:nan", NULL },
    { NULL, NULL }
};

static const maas_case_t  relu_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[33]:nan", NULL },
    { "| f64[]", NULL },
    { "| i8[21]", NULL },
    { "| i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  prelu_cases[] = {
    { "| f32[2,3,5,5] =f32[3,1,1]", NULL },
    { "| f32[2,17] f32[]", NULL },
    { "| f64[2,3] f64[2,3]:inf", NULL },
    { "| i32[5] i32[1]", NULL },
    { "| f32[0,3] f32[3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  real_bad[] = {
    { "| u8[3]", "uint8" },
    { NULL, NULL }
};

static const maas_case_t  alpha_bad[] = {
    { "| u8[3]", "uint8" },
    { "alpha=\"x\" | f32[3]", "alpha" },
    { NULL, NULL }
};

static const maas_case_t  prelu_bad[] = {
    { "| f32[1,3] f32[2,3]", "slope" },
    { "| f32[4] f32[3]", "broadcast" },
    { NULL, NULL }
};

#define ACT_ROW(NAME, SINCE, FIRST, id, post, io, c, b)                       \
    .name = NAME, .domain = "", .since = SINCE, .first = FIRST,               \
    .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(io##_in, io##_out),  \
    .infer = maas_infer_same, MAAS_KERNELS(id##_kernel),                      \
    .as_post = post##_post, .grad = maas_grad_unary, .cases = c, .bad = b

const maas_op_t  maas_ops_activation[] = {

    { ACT_ROW("Relu", 14, 6, relu, relu, relu, relu_cases, real_bad) },
    { ACT_ROW("Sigmoid", 13, 6, sigmoid, sigmoid, real, real_cases, real_bad) },
    { ACT_ROW("Tanh", 13, 6, tanh, tanh, real, real_cases, real_bad) },
    { ACT_ROW("HardSwish", 14, 14, hswish, hswish, real, real_cases,
              real_bad) },
    { ACT_ROW("Softplus", 1, 1, softplus, softplus, real, real_cases,
              real_bad) },
    { ACT_ROW("Softsign", 1, 1, softsign, NO, real, real_cases, real_bad) },

    { ACT_ROW("LeakyRelu", 16, 6, leaky, leaky, real, alpha_cases, alpha_bad),
      MAAS_ATTRS(leaky_attrs, act_attr_t) },
    { ACT_ROW("Elu", 6, 6, elu, elu, real, alpha_cases, alpha_bad),
      MAAS_ATTRS(one_attrs, act_attr_t) },
    { ACT_ROW("Celu", 12, 12, celu, NO, real, alpha_cases, alpha_bad),
      MAAS_ATTRS(one_attrs, act_attr_t) },
    { ACT_ROW("ThresholdedRelu", 10, 10, threshold, NO, real, alpha_cases,
              alpha_bad),
      MAAS_ATTRS(one_attrs, act_attr_t) },
    { ACT_ROW("Selu", 6, 6, selu, NO, real, alpha_cases, alpha_bad),
      MAAS_ATTRS(selu_attrs, act_attr_t) },
    { ACT_ROW("HardSigmoid", 6, 6, hsigmoid, hsigmoid, real, alpha_cases,
              alpha_bad),
      MAAS_ATTRS(hsigmoid_attrs, act_attr_t) },

    { .name = "PRelu", .domain = "", .since = 16, .first = 6,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE,
      MAAS_IO(prelu_in, prelu_out), .upgrade = prelu_upgrade,
      .infer = prelu_infer, MAAS_KERNELS(prelu_kernel),
      .grad = maas_grad_prelu,
      .cases = prelu_cases, .bad = prelu_bad },

    { .name = "Dropout", .domain = "", .since = 13, .first = 6,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE,
      MAAS_IO(dropout_in, dropout_out), .upgrade = dropout_upgrade,
      .infer = dropout_infer, MAAS_KERNELS(dropout_kernel),
      MAAS_ATTRS(dropout_attrs, dropout_attr_t), .cases = dropout_cases,
      .bad = dropout_bad },

    { .name = NULL }
};
