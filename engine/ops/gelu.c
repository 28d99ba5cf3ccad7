/*
 * gelu: Gelu-20, Mish-18, Swish-24, and what ONNX Runtime's optimiser puts
 * in their place: Gelu, FastGelu, BiasGelu and QuickGelu of com.microsoft,
 * which become these.
 *
 * With tanh, x / 2 * (1 + tanh(c (x + 0.044715 x^3))), c = sqrt(2 / pi), is
 * x * sigmoid(2 c x + 2 c 0.044715 x^3): the kernel of Swish.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md; ONNX Runtime,
 * docs/ContribOperators.md.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


#define GELU_A  1.59576912160573071f
#define GELU_B  0.07135481627260026f

typedef struct {
    int64_t  tanh;              /* index into gelu_words */
} gelu_attr_t;

typedef struct {
    float  alpha;
} swish_attr_t;

static const char *const  gelu_words[] = { "none", "tanh", NULL };


static inline double
gelu_sigmoid(double v)
{
    return v < 0 ? exp(v) / (1 + exp(v)) : 1 / (1 + exp(-v));
}


/* -- float64 ------------------------------------------------------------- */

MAAS_UN_LOOP(gelu_erf, F64, double, v / 2 * (1 + erf(v * M_SQRT1_2)))
MAAS_UN_LOOP(gelu_tanh, F64, double, v / 2
             * (1 + tanh(M_2_SQRTPI * M_SQRT1_2
                         * (v + 0.044715 * v * v * v))))
MAAS_UN_LOOP(swish, F64, double, v * gelu_sigmoid(A * v))
MAAS_UN_LOOP(mish, F64, double,
             v * tanh(fmax(v, 0) + log1p(exp(-fabs(v)))))

static const maas_un_t  gelu_un[] = {
    { MAAS_U_GELU, { MAAS_UN_ENTRY(gelu_erf, F64, double) } },
    { MAAS_U_SWISH, { MAAS_UN_ENTRY(gelu_tanh, F64, double) } }
};

static const maas_un_t  swish_un = {
    MAAS_U_SWISH, { MAAS_UN_ENTRY(swish, F64, double) }
};

/* alpha of 1 */
static const maas_un_t  silu_un = {
    MAAS_U_SILU, { MAAS_UN_ENTRY(swish, F64, double) }
};

static const maas_un_t  mish_un = {
    MAAS_U_MISH, { MAAS_UN_ENTRY(mish, F64, double) }
};

MAAS_UN_KERNEL(mish, maas_setup_math)
MAAS_UN_POST(mish, MISH)


/* -- Gelu ---------------------------------------------------------------- */

static maas_status_t
gelu_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    const gelu_attr_t  *a = s->attr;

    return maas_un_run(s, slot, first, last, &gelu_un[a->tanh],
                       (double) GELU_A, (double) GELU_B);
}


static bool
gelu_post(const maas_node_t *n, int through, const void *const *data,
    maas_post_t *out)
{
    const gelu_attr_t  *a = n->attr;

    (void) data;

    *out = (maas_post_t) { .kind = MAAS_POST_UNARY, .fn = MAAS_U_GELU };

    if (a->tanh) {
        *out = (maas_post_t) { .kind = MAAS_POST_UNARY, .fn = MAAS_U_SWISH,
                               .a = GELU_A, .b = GELU_B };
    }

    return through == 0;
}


/* -- Swish --------------------------------------------------------------- */

static maas_status_t
swish_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    const swish_attr_t  *a = s->attr;

    return maas_un_run(s, slot, first, last,
                       a->alpha == 1 ? &silu_un : &swish_un,
                       (double) a->alpha, 0);
}


static bool
swish_post(const maas_node_t *n, int through, const void *const *data,
    maas_post_t *out)
{
    const swish_attr_t  *a = n->attr;

    (void) data;

    *out = (maas_post_t) { .kind = MAAS_POST_UNARY, .a = a->alpha,
                           .fn = a->alpha == 1 ? MAAS_U_SILU : MAAS_U_SWISH };
    return through == 0;
}


/* -- com.microsoft ------------------------------------------------------- */

/* FastGelu: by tanh; BiasGelu: by erf; a bias is added before. */
static maas_status_t
gelu_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    bool  fast = maas_str_is(n->op, "FastGelu");

    (void) opset;
    (void) err;

    if (maas_raw_has(n, 1)) {
        MAAS_TRY(maas_upgrade_before(im, n, 0, "Add", n->in, 2, NULL, 0));
    }

    n->n_in = maas_min(n->n_in, 1);
    n->op = maas_str("Gelu");
    n->domain = maas_str("");
    n->n_attr = 0;

    return fast ? maas_upgrade_word(im, n, "approximate", maas_str("tanh"))
                : MAAS_OK;
}


/* Its alpha is 1.702 by default, Swish's is 1. */
static maas_status_t
quick_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_raw_attr_t  *a;

    (void) opset;
    (void) err;

    n->op = maas_str("Swish");
    n->domain = maas_str("");

    if (maas_raw_attr(n, "alpha") == NULL) {
        MAAS_TRY(maas_raw_attr_int(im, n, "alpha", 0));
        a = maas_raw_attr(n, "alpha");
        a->type = MAAS_ATTR_FLOAT;
        a->f = 1.702f;
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  gelu_in[] = { { "X", MAAS_D_FLOAT, 'T', 0 } };
static const maas_formal_t  gelu_out[] = { { "Y", MAAS_D_FLOAT, 'T', 0 } };

static const maas_formal_t  gelu_bias_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "bias", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  gelu_fast_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "bias", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  gelu_attrs[] = {
    { .name = "approximate", .type = MAAS_ATTR_STRING, .words = gelu_words,
      .off = offsetof(gelu_attr_t, tanh) }
};

static const maas_attr_row_t  swish_attrs[] = {
    { .name = "alpha", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(swish_attr_t, alpha), .f = 1 }
};

static const maas_kernel_row_t  gelu_kernel[] = {
    { "gelu.rows", MAAS_CPU_REF, 1, 0, maas_setup_math, gelu_run }
};

static const maas_kernel_row_t  swish_kernel[] = {
    { "swish.rows", MAAS_CPU_REF, 1, 0, maas_setup_math, swish_run }
};

static const maas_case_t  gelu_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "approximate=tanh | f32[3,17]", NULL },
    { "approximate=tanh | f32[33]:nan", NULL },
    { "approximate=none | f64[7]:inf", NULL },
    { "approximate=tanh | f64[19]", NULL },
    { "| f16[5]", NULL },
    { "| f32[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gelu_bad[] = {
    { "approximate=sigmoid | f32[3]", "expected one of none, tanh" },
    { "| i32[3]", "int32" },
    { NULL, NULL }
};

static const maas_case_t  swish_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "alpha=1.702 | f32[3,17]:inf", NULL },
    { "alpha=0.5 | f64[9]:nan", NULL },
    { "| f32[]", NULL },
    { NULL, NULL }
};

static const maas_case_t  mish_cases[] = {
    { "| f32[2,3,5]", NULL },
    { "| f32[33]:inf", NULL },
    { "| f64[9]:nan", NULL },
    { "| bf16[9]", NULL },
    { "| f32[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gelu_bias_cases[] = {
    { "| f32[2,3,5] =f32[5]", NULL },
    { "| f16[3,5] f16[5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gelu_fast_cases[] = {
    { "| f32[2,3,5] =f32[5]", NULL },
    { "| f32[2,3,5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gelu_one_cases[] = {
    { "| f32[2,3,5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gelu_number_bad[] = {
    { "| i32[3]", "int32" },
    { NULL, NULL }
};

static const maas_case_t  gelu_bias_bad[] = {
    { "| f32[2,3] f32[2]", "broadcast" },
    { NULL, NULL }
};

#define GELU_MS                                                               \
    .domain = "com.microsoft", .since = 2, .until = 1, .first = 1,            \
    .infer = maas_infer_same

const maas_op_t  maas_ops_gelu[] = {

    { .name = "Gelu", .domain = "", .since = 20, .first = 20,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(gelu_in, gelu_out),
      MAAS_ATTRS(gelu_attrs, gelu_attr_t), .infer = maas_infer_same,
      MAAS_KERNELS(gelu_kernel), .as_post = gelu_post,
      .grad = maas_grad_unary, .cases = gelu_cases,
      .bad = gelu_bad },

    { .name = "Swish", .domain = "", .since = 24, .first = 24,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(gelu_in, gelu_out),
      MAAS_ATTRS(swish_attrs, swish_attr_t), .infer = maas_infer_same,
      MAAS_KERNELS(swish_kernel), .as_post = swish_post,
      .grad = maas_grad_unary,
      .cases = swish_cases, .bad = gelu_number_bad },

    { .name = "Mish", .domain = "", .since = 18, .first = 18,
      .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE, MAAS_IO(gelu_in, gelu_out),
      .infer = maas_infer_same, MAAS_KERNELS(mish_kernel),
      .as_post = mish_post, .grad = maas_grad_unary,
      .cases = mish_cases, .bad = gelu_number_bad },

    { .name = "Gelu", GELU_MS, MAAS_IO(gelu_in, gelu_out),
      .upgrade = gelu_upgrade, .cases = gelu_one_cases,
      .bad = gelu_number_bad },

    { .name = "BiasGelu", GELU_MS, MAAS_IO(gelu_bias_in, gelu_out),
      .upgrade = gelu_upgrade, .cases = gelu_bias_cases,
      .bad = gelu_bias_bad },

    { .name = "FastGelu", GELU_MS, MAAS_IO(gelu_fast_in, gelu_out),
      .upgrade = gelu_upgrade, .cases = gelu_fast_cases,
      .bad = gelu_bias_bad },

    { .name = "QuickGelu", GELU_MS, MAAS_IO(gelu_in, gelu_out),
      MAAS_ATTRS(swish_attrs, swish_attr_t), .upgrade = quick_upgrade,
      .cases = gelu_one_cases, .bad = gelu_number_bad },

    { .name = NULL }
};
