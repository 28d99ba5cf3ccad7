/*
 * ms_fused: FusedMatMul, FusedConv and FusedGemm of com.microsoft, which
 * become the operators that they were made of: the passes fuse them again
 * as the kernels here want it.
 *
 * Spec: ONNX Runtime, docs/ContribOperators.md.
 */

#include "ops/ops_common.h"


/* -- FusedMatMul --------------------------------------------------------- */

/* Input i with its last two axes exchanged. */
static maas_status_t
fused_transpose(maas_import_t *im, maas_raw_node_t *n, uint32_t i,
    const char *name, maas_err_t *err)
{
    int                     rank;
    int64_t                 perm[MAAS_RANK_MAX];
    maas_raw_attr_t         attr = { .name = maas_str("perm"),
                                     .type = MAAS_ATTR_INTS };
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);

    if (a == NULL || a->i == 0) {
        return MAAS_OK;
    }

    rank = maas_raw_input_rank(im, n, i);

    if (rank < 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "%s needs an input whose rank is known", name);
    }

    if (rank < 2) {
        return MAAS_OK;
    }

    for (int d = 0; d < rank; d++) {
        perm[d] = d < rank - 2 ? d : 2 * rank - 3 - d;
    }

    attr.n = (size_t) rank;
    attr.ints = perm;

    return maas_upgrade_before(im, n, i, "Transpose", &n->in[i], 1, &attr, 1);
}


static maas_status_t
fused_matmul_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    float                   alpha = 1;
    const maas_raw_attr_t  *a;
    static const char      *batch[] = { "transBatchA", "transBatchB" };

    (void) opset;

    for (int i = 0; i < 2; i++) {
        a = maas_raw_attr(n, batch[i]);

        if (a != NULL && a->i != 0) {
            return maas_err(err, MAAS_EUNSUPPORTED,
                            "%s is 1, which is not served", batch[i]);
        }
    }

    MAAS_TRY(fused_transpose(im, n, 0, "transA", err));
    MAAS_TRY(fused_transpose(im, n, 1, "transB", err));

    a = maas_raw_attr(n, "alpha");
    alpha = a != NULL ? a->f : alpha;
    n->n_attr = 0;
    n->domain = maas_str("");
    n->op = maas_str("MatMul");

    if (alpha == 1) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_upgrade_before(im, n, 0, "MatMul", n->in, 2, NULL, 0));
    n->op = maas_str("Mul");

    return maas_raw_input_float(im, n, 1,
                                maas_raw_input_dtype(im, n, 0), (double) alpha);
}


/* -- FusedConv, FusedGemm ------------------------------------------------ */

/* Sets attribute `name` to a float. */
static maas_status_t
fused_float(maas_import_t *im, maas_raw_node_t *n, const char *name, float v)
{
    maas_raw_attr_t  *a;

    MAAS_TRY(maas_raw_attr_int(im, n, name, 0));
    a = maas_raw_attr(n, name);
    a->type = MAAS_ATTR_FLOAT;
    a->f = v;
    return MAAS_OK;
}


/* n, whose only input is there, becomes the activation. */
static maas_status_t
fused_activation(maas_import_t *im, maas_raw_node_t *n, maas_str_t name,
    const float *p, size_t n_p, maas_err_t *err)
{
    static const struct { const char *name, *attr[2]; bool inputs; }  acts[] =
    {
        { "Relu", { NULL }, false }, { "Sigmoid", { NULL }, false },
        { "Tanh", { NULL }, false }, { "HardSwish", { NULL }, false },
        { "LeakyRelu", { "alpha" }, false },
        { "Elu", { "alpha" }, false },
        { "HardSigmoid", { "alpha", "beta" }, false },
        { "Clip", { "min", "max" }, true }
    };

    for (size_t i = 0; i < maas_nelts(acts); i++) {
        if (!maas_str_is(name, acts[i].name)) {
            continue;
        }

        n->op = (maas_str_t) { acts[i].name, strlen(acts[i].name) };
        n->domain = maas_str("");
        n->n_in = 1;
        n->n_attr = 0;

        for (uint32_t j = 0; j < 2 && acts[i].attr[j] != NULL && j < n_p; j++)
        {
            MAAS_TRY(acts[i].inputs
                     ? maas_raw_input_float(im, n, j + 1, MAAS_F32,
                                            (double) p[j])
                     : fused_float(im, n, acts[i].attr[j], p[j]));
        }

        return MAAS_OK;
    }

    return maas_err(err, MAAS_EUNSUPPORTED, "activation '%.*s' is not "
                    "served; Relu, Sigmoid, Tanh, LeakyRelu, Elu, Clip, "
                    "HardSigmoid and HardSwish are",
                    (int) maas_min(name.len, 60), name.data);
}


/* Conv with W, B and a sum Z, then an activation. */
static maas_status_t
fused_conv_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    size_t                  n_p = 0;
    maas_str_t              act = { NULL, 0 }, in[2];
    const float            *p = NULL;
    const maas_raw_attr_t  *a;

    (void) opset;

    a = maas_raw_attr(n, "activation");
    act = a != NULL ? a->s : act;
    a = maas_raw_attr(n, "activation_params");

    if (a != NULL) {
        p = a->floats;
        n_p = a->n;
    }

    maas_raw_attr_drop(n, "activation");
    maas_raw_attr_drop(n, "activation_params");

    if (act.len == 0 && !maas_raw_has(n, 3)) {
        n->op = maas_str("Conv");
        n->domain = maas_str("");
        n->n_in = maas_min(n->n_in, 3);
        return MAAS_OK;
    }

    MAAS_TRY(maas_upgrade_before(im, n, 0, "Conv", n->in,
                                 maas_min(n->n_in, 3), n->attr, n->n_attr));

    if (maas_raw_has(n, 3)) {
        in[0] = n->in[0];
        in[1] = n->in[3];

        if (act.len == 0) {
            n->in[1] = in[1];
            n->n_in = 2;
            n->n_attr = 0;
            n->op = maas_str("Add");
            n->domain = maas_str("");
            return MAAS_OK;
        }

        MAAS_TRY(maas_upgrade_before(im, n, 0, "Add", in, 2, NULL, 0));
    }

    return fused_activation(im, n, act, p, n_p, err);
}


/* Gemm, then an activation. */
static maas_status_t
fused_gemm_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    float                      p[2];
    size_t                     n_p = 0;
    maas_str_t                 act = { NULL, 0 };
    const maas_raw_attr_t     *a;
    static const char *const   names[] = {
        "activation_alpha", "activation_beta", "activation_gamma"
    };

    (void) opset;

    a = maas_raw_attr(n, "activation");
    act = a != NULL ? a->s : act;

    for (size_t i = 0; i < maas_nelts(names); i++) {
        a = maas_raw_attr(n, names[i]);

        if (a != NULL && i < 2 && n_p == i) {
            p[n_p++] = a->f;
        }

        maas_raw_attr_drop(n, names[i]);
    }

    maas_raw_attr_drop(n, "activation");

    if (act.len == 0) {
        n->op = maas_str("Gemm");
        n->domain = maas_str("");
        return MAAS_OK;
    }

    MAAS_TRY(maas_upgrade_before(im, n, 0, "Gemm", n->in, n->n_in, n->attr,
                                 n->n_attr));

    return fused_activation(im, n, act, p, n_p, err);
}


/* -- rows ---------------------------------------------------------------- */

typedef struct {
    int64_t      i[5];
    float        f[5];
    maas_list_t  word, pad, params, dilations, kernel, pads, strides;
} fused_attr_t;

#define FUSED_T(name)    { name, MAAS_D_FLOAT, 'T', 0 }
#define FUSED_OPT(name)  { name, MAAS_D_FLOAT, 'T', MAAS_OPT }

static const maas_formal_t  fused_matmul_in[] = { FUSED_T("A"), FUSED_T("B") };

static const maas_formal_t  fused_conv_in[] = {
    FUSED_T("X"), FUSED_T("W"), FUSED_OPT("B"), FUSED_OPT("Z")
};

static const maas_formal_t  fused_gemm_in[] = {
    FUSED_T("A"), FUSED_T("B"), FUSED_OPT("C")
};

static const maas_formal_t  fused_out[] = { FUSED_T("Y") };

#define FUSED_ATTR(label, kind, member)                                       \
    { .name = label, .type = MAAS_ATTR_##kind,                                \
      .off = offsetof(fused_attr_t, member) }

static const maas_attr_row_t  fused_matmul_attrs[] = {
    FUSED_ATTR("alpha", FLOAT, f[0]), FUSED_ATTR("transA", INT, i[0]),
    FUSED_ATTR("transB", INT, i[1]), FUSED_ATTR("transBatchA", INT, i[2]),
    FUSED_ATTR("transBatchB", INT, i[3])
};

static const maas_attr_row_t  fused_conv_attrs[] = {
    FUSED_ATTR("activation", STRING, word),
    FUSED_ATTR("activation_params", FLOATS, params),
    FUSED_ATTR("auto_pad", STRING, pad),
    FUSED_ATTR("dilations", INTS, dilations), FUSED_ATTR("group", INT, i[0]),
    FUSED_ATTR("kernel_shape", INTS, kernel), FUSED_ATTR("pads", INTS, pads),
    FUSED_ATTR("strides", INTS, strides)
};

static const maas_attr_row_t  fused_gemm_attrs[] = {
    FUSED_ATTR("activation", STRING, word),
    FUSED_ATTR("activation_alpha", FLOAT, f[0]),
    FUSED_ATTR("activation_beta", FLOAT, f[1]),
    FUSED_ATTR("activation_gamma", FLOAT, f[2]),
    FUSED_ATTR("alpha", FLOAT, f[3]), FUSED_ATTR("beta", FLOAT, f[4]),
    FUSED_ATTR("transA", INT, i[0]), FUSED_ATTR("transB", INT, i[1])
};

static const maas_case_t  fused_matmul_cases[] = {
    { "transB=1 alpha=0.25 | f32[2,5,8] =f32[2,7,8]", NULL },
    { "transA=1 | f32[8,5] f32[8,7]", NULL },
    { NULL, NULL }
};

static const maas_case_t  fused_matmul_bad[] = {
    { "transBatchA=1 | f32[2,5,8] f32[2,8,3]", "transBatchA is 1" },
    { NULL, NULL }
};

static const maas_case_t  fused_conv_cases[] = {
    { "activation=Relu | f32[1,3,5,5] =f32[4,3,3,3] =f32[4]", NULL },
    { "activation=Clip activation_params=[0.0,0.5] pads=[1,1,1,1] | "
      "f32[1,3,5,5] =f32[4,3,3,3] =f32[4] f32[1,4,5,5]", NULL },
    { "| f32[1,3,5,5] =f32[4,3,3,3] - f32[1,4,3,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  fused_conv_bad[] = {
    { "activation=Sin | f32[1,3,5,5] =f32[4,3,3,3]",
      "activation 'Sin' is not served" },
    { NULL, NULL }
};

static const maas_case_t  fused_gemm_cases[] = {
    { "activation=LeakyRelu activation_alpha=0.2 transB=1 | f32[3,8] "
      "=f32[5,8] =f32[5]", NULL },
    { NULL, NULL }
};

#define FUSED_ROW(NAME, up, i, at, c, b)                                      \
    { .name = NAME, .domain = "com.microsoft", .since = 2, .until = 1,        \
      .first = 1, .infer = maas_infer_same, MAAS_IO(i, fused_out),            \
      MAAS_ATTRS(at, fused_attr_t), .upgrade = up, .cases = c, .bad = b }

const maas_op_t  maas_ops_ms_fused[] = {

    FUSED_ROW("FusedMatMul", fused_matmul_upgrade, fused_matmul_in,
              fused_matmul_attrs, fused_matmul_cases, fused_matmul_bad),
    FUSED_ROW("FusedConv", fused_conv_upgrade, fused_conv_in,
              fused_conv_attrs, fused_conv_cases, fused_conv_bad),
    FUSED_ROW("FusedGemm", fused_gemm_upgrade, fused_gemm_in,
              fused_gemm_attrs, fused_gemm_cases, fused_conv_bad),

    { .name = NULL }
};
