/*
 * activation_nodes: activations of layers, as nodes of ONNX's operators.
 * Those that are one operator are a row of a table.
 *
 * Threads: one thread a list of layers.
 */

#include <math.h>

#include "train/layer.h"


enum {
    ACT_LINEAR = MAAS_ACT_LINEAR, ACT_RELU = MAAS_ACT_RELU,
    ACT_TANH = MAAS_ACT_TANH,
    ACT_SIGMOID, ACT_SOFTMAX, ACT_LEAKY, ACT_ELU, ACT_SELU, ACT_GELU,
    ACT_SWISH, ACT_MISH, ACT_SOFTPLUS, ACT_SOFTSIGN, ACT_LOG_SOFTMAX,
    ACT_HARD_SIGMOID, ACT_HARD_SWISH, ACT_EXPONENTIAL, ACT_N
};

const char *const  maas_activation_words[] = {
    [ACT_LINEAR] = "linear",
    [ACT_RELU] = "relu",
    [ACT_TANH] = "tanh",
    [ACT_SIGMOID] = "sigmoid",
    [ACT_SOFTMAX] = "softmax",
    [ACT_LEAKY] = "leaky_relu",
    [ACT_ELU] = "elu",
    [ACT_SELU] = "selu",
    [ACT_GELU] = "gelu",
    [ACT_SWISH] = "swish",
    [ACT_MISH] = "mish",
    [ACT_SOFTPLUS] = "softplus",
    [ACT_SOFTSIGN] = "softsign",
    [ACT_LOG_SOFTMAX] = "log_softmax",
    [ACT_HARD_SIGMOID] = "hard_sigmoid",
    [ACT_HARD_SWISH] = "hard_swish",
    [ACT_EXPONENTIAL] = "exponential",
    NULL
};

/* attr: of `alpha`, with its usual value. */
typedef struct {
    const char  *op;
    const char  *attr;
    float        alpha;
} act_row_t;

static const act_row_t  act_rows[ACT_N] = {
    [ACT_RELU] = { "Relu", NULL, 0 },
    [ACT_TANH] = { "Tanh", NULL, 0 },
    [ACT_SIGMOID] = { "Sigmoid", NULL, 0 },
    [ACT_LEAKY] = { "LeakyRelu", "alpha", 0.01f },
    [ACT_ELU] = { "Elu", "alpha", 1 },
    [ACT_SELU] = { "Selu", NULL, 0 },
    [ACT_SOFTPLUS] = { "Softplus", NULL, 0 },
    [ACT_SOFTSIGN] = { "Softsign", NULL, 0 },
    [ACT_HARD_SWISH] = { "HardSwish", NULL, 0 },
    [ACT_EXPONENTIAL] = { "Exp", NULL, 0 }
};


/* x / 2 * (1 + erf(x / sqrt(2))): Hendrycks and Gimpel, 2016. */
static maas_str_t
act_gelu(maas_build_t *b, maas_str_t x)
{
    maas_str_t  t;

    t = maas_build_op2(b, "Div", x, maas_build_float(b, 1.41421356237309505f));
    t = maas_build_op1(b, "Erf", t);
    t = maas_build_op2(b, "Add", t, maas_build_float(b, 1));
    t = maas_build_op2(b, "Mul", x, t);

    return maas_build_op2(b, "Mul", t, maas_build_float(b, 0.5f));
}


static maas_str_t
act_attr(maas_build_t *b, const char *op, maas_str_t x,
    const maas_raw_attr_t *attr, size_t n)
{
    return maas_build_node(b, &(maas_build_node_t) {
        .op = op, .in = &x, .n_in = 1, .attr = attr, .n_attr = n });
}


maas_status_t
maas_layer_activation(maas_layers_t *l, int64_t act, double alpha)
{
    const act_row_t  *r = &act_rows[act];
    maas_str_t        x = l->at.value, y;
    maas_build_t     *b = l->build;
    maas_raw_attr_t   a[2];

    MAAS_TRY(maas_layer_float(l));

    if (!isnan(alpha) && r->attr == NULL) {
        return maas_err(l->err, MAAS_EINVAL, "\"%s\" has no \"alpha\"",
                        maas_activation_words[act]);
    }

    switch (act) {

    case ACT_LINEAR:
        return MAAS_OK;

    case ACT_SOFTMAX:
    case ACT_LOG_SOFTMAX:
        a[0] = maas_build_attr_int("axis", -1);
        y = act_attr(b, act == ACT_SOFTMAX ? "Softmax" : "LogSoftmax", x, a,
                     1);
        break;

    case ACT_GELU:
        y = act_gelu(b, x);
        break;

    case ACT_SWISH:
        y = maas_build_op2(b, "Mul", x, maas_build_op1(b, "Sigmoid", x));
        break;

    case ACT_MISH:
        y = maas_build_op1(b, "Tanh", maas_build_op1(b, "Softplus", x));
        y = maas_build_op2(b, "Mul", x, y);
        break;

    case ACT_HARD_SIGMOID:              /* relu6(x + 3) / 6 */
        a[0] = maas_build_attr_float("alpha", 1.0f / 6);
        a[1] = maas_build_attr_float("beta", 0.5f);
        y = act_attr(b, "HardSigmoid", x, a, 2);
        break;

    default:
        if (r->attr != NULL) {
            a[0] = maas_build_attr_float(r->attr, isnan(alpha)
                                                  ? r->alpha : (float) alpha);
        }

        y = act_attr(b, r->op, x, a, r->attr != NULL);
    }

    maas_layer_value(l, y);
    return MAAS_OK;
}
