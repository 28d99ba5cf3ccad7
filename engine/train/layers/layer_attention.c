/*
 * layer_attention: self_attention and the transformer block: Vaswani et al.,
 * "Attention is all you need", 2017.  Written in products, transpositions
 * and Softmax; the compiler fuses them again for serving.
 *
 * Threads: one thread a list of layers.
 */

#include <math.h>
#include <stdio.h>

#include "train/layer.h"


typedef struct {
    int64_t  heads;
    int64_t  key_dim;           /* 0: features / heads */
    int64_t  units;             /* transformer */
    int64_t  activation;        /* transformer */
    int64_t  order;             /* transformer */
    int64_t  init;
    double   dropout;
    double   epsilon;
    bool     causal;
} attn_layer_t;

#define ATTN_PARAMS                                                           \
    MAAS_PARAM_SIZE(attn_layer_t, heads, "heads", "parts that look by "       \
                    "themselves"),                                            \
    { .name = "key_dim", .type = MAAS_PARAM_INT,                              \
      .off = offsetof(attn_layer_t, key_dim), .min = 0, .max = 1 << 20,       \
      .about = "size of a head; 0: features / heads" },                       \
    { .name = "dropout", .type = MAAS_PARAM_NUMBER,                           \
      .off = offsetof(attn_layer_t, dropout), .min = 0, .max = 0.999,         \
      .about = "of the attention while training" },                           \
    MAAS_PARAM_YES(attn_layer_t, causal, "causal", 0,                         \
                   "a step sees itself and those before it"),                 \
    MAAS_PARAM_INIT(attn_layer_t, init, "kernel_initializer",                 \
                    MAAS_INIT_GLOROT_UNIFORM)

static const char *const  attn_orders[] = { "post", "pre", NULL };

static const maas_param_t  attn_params[] = { ATTN_PARAMS };

static const maas_param_t  block_params[] = {
    ATTN_PARAMS,
    MAAS_PARAM_SIZE(attn_layer_t, units, "units",
                    "of the dense layer between two"),
    { .name = "activation", .type = MAAS_PARAM_WORD, .def = MAAS_ACT_RELU,
      .off = offsetof(attn_layer_t, activation),
      .words = maas_activation_words, .about = "of that layer" },
    { .name = "norm", .type = MAAS_PARAM_WORD,
      .off = offsetof(attn_layer_t, order), .words = attn_orders,
      .about = "layer_norm after each part, or before it" },
    { .name = "epsilon", .type = MAAS_PARAM_NUMBER, .def = 1e-5,
      .off = offsetof(attn_layer_t, epsilon), .min = 0, .max = 1,
      .open = true, .about = "of layer_norm" }
};


/* [N,T,heads * size] -> [N,heads,T,size], or with the last two exchanged. */
static maas_str_t
attn_heads(maas_layers_t *l, maas_str_t x, int64_t heads, int64_t size,
    bool turned)
{
    int64_t               dims[4] = { -1, l->at.dims[1], heads, size };
    static const int64_t  plain[] = { 0, 2, 1, 3 }, turn[] = { 0, 2, 3, 1 };

    return maas_layer_transpose(l, maas_layer_reshape(l, x, dims, 4),
                                turned ? turn : plain, 4);
}


/* 0 where a step may look, else a number that Softmax makes 0. */
static maas_status_t
attn_mask(maas_layers_t *l, maas_str_t *scores)
{
    float    *m;
    int64_t   t = l->at.dims[1], n, dims[2] = { t, t };

    MAAS_TRY(maas_layer_mul(l, t, t, &n));

    m = maas_arena_array(l->arena, (size_t) n, sizeof(float));
    if (m == NULL) {
        return maas_err_nomem(l->err);
    }

    for (int64_t i = 0; i < t; i++) {
        for (int64_t j = i + 1; j < t; j++) {
            m[i * t + j] = -1e9f;
        }
    }

    *scores = maas_build_op2(l->build, "Add", *scores,
                             maas_build_floats(l->build, NULL, m, 2, dims));
    return MAAS_OK;
}


static maas_status_t
attn_project(maas_layers_t *l, maas_str_t x, int64_t in, int64_t out,
    int64_t init, const char *prefix, maas_str_t *y)
{
    return maas_layer_linear(l, x, 3, in, out, init, MAAS_INIT_ZEROS, prefix,
                             y);
}


/* x [N,T,F] -> [N,T,F] */
static maas_status_t
attn_self(maas_layers_t *l, const attn_layer_t *p, maas_str_t x,
    maas_str_t *y)
{
    int64_t           f = l->at.dims[2], size, all, dims[3];
    maas_str_t        q, k, v, s;
    maas_build_t     *b = l->build;
    maas_raw_attr_t   axis = maas_build_attr_int("axis", -1);

    if (p->key_dim == 0 && f % p->heads != 0) {
        return maas_err(l->err, MAAS_EINVAL, "%lld features cannot be "
                        "divided among %lld heads; \"key_dim\" sets the size "
                        "of one", (long long) f, (long long) p->heads);
    }

    size = p->key_dim != 0 ? p->key_dim : f / p->heads;
    MAAS_TRY(maas_layer_mul(l, size, p->heads, &all));
    MAAS_TRY(attn_project(l, x, f, all, p->init, "query_", &q));
    MAAS_TRY(attn_project(l, x, f, all, p->init, "key_", &k));
    MAAS_TRY(attn_project(l, x, f, all, p->init, "value_", &v));

    s = maas_build_op2(b, "MatMul", attn_heads(l, q, p->heads, size, false),
                       attn_heads(l, k, p->heads, size, true));
    s = maas_build_op2(b, "Mul", s,
                       maas_build_float(b, (float) (1 / sqrt((double) size))));

    if (p->causal) {
        MAAS_TRY(attn_mask(l, &s));
    }

    s = maas_build_node(b, &(maas_build_node_t) {
        .op = "Softmax", .in = &s, .n_in = 1, .attr = &axis, .n_attr = 1 });
    s = maas_layer_dropout(l, s, p->dropout);
    s = maas_build_op2(b, "MatMul", s,
                       attn_heads(l, v, p->heads, size, false));

    dims[1] = l->at.dims[1];
    dims[2] = all;
    s = maas_layer_reshape(l, maas_layer_transpose(l, s, (const int64_t[])
                           { 0, 2, 1, 3 }, 4), dims, 3);

    return attn_project(l, s, all, f, p->init, "output_", y);
}


static maas_status_t
attn_build(maas_layers_t *l, const void *param)
{
    maas_str_t  y;

    MAAS_TRY(maas_layer_rank(l, 3, 3, "a sequence [N,T,F]"));
    MAAS_TRY(attn_self(l, param, l->at.value, &y));
    maas_layer_value(l, y);

    return MAAS_OK;
}


/* -- transformer --------------------------------------------------------- */

static maas_status_t
block_norm(maas_layers_t *l, const attn_layer_t *p, const char *prefix,
    maas_str_t x, maas_str_t *y)
{
    char              what[2][32];
    maas_str_t        in[3] = { x };
    maas_raw_attr_t   a[2];
    maas_layer_new_t  w = { .what = what[0], .init = MAAS_INIT_ONES,
                            .rank = 1, .dims = { l->at.dims[2] } };
    maas_layer_new_t  b = { .what = what[1], .init = MAAS_INIT_ZEROS,
                            .rank = 1, .dims = { l->at.dims[2] } };

    snprintf(what[0], sizeof(what[0]), "%sweight", prefix);
    snprintf(what[1], sizeof(what[1]), "%sbias", prefix);
    MAAS_TRY(maas_layer_weight(l, &w, &in[1]));
    MAAS_TRY(maas_layer_weight(l, &b, &in[2]));

    a[0] = maas_build_attr_float("epsilon", (float) p->epsilon);
    a[1] = maas_build_attr_int("axis", -1);

    *y = maas_build_node(l->build, &(maas_build_node_t) {
        .op = "LayerNormalization", .in = in, .n_in = 3, .attr = a,
        .n_attr = 2 });

    return MAAS_OK;
}


static maas_status_t
block_dense(maas_layers_t *l, const attn_layer_t *p, maas_str_t x,
    maas_str_t *y)
{
    int64_t             f = l->at.dims[2];
    maas_layer_value_t  at = l->at;

    MAAS_TRY(attn_project(l, x, f, p->units, p->init, "dense_", y));

    l->at.value = *y;
    l->at.dims[2] = p->units;
    MAAS_TRY(maas_layer_activation(l, p->activation, NAN));
    x = l->at.value;
    l->at = at;

    return attn_project(l, x, p->units, f, p->init, "dense2_", y);
}


/* x + part(norm(x)), or norm(x + part(x)). */
static maas_status_t
block_part(maas_layers_t *l, const attn_layer_t *p, bool dense)
{
    maas_str_t   x = l->at.value, y = x;
    const char  *norm = dense ? "norm2_" : "norm_";

    if (p->order == 1) {
        MAAS_TRY(block_norm(l, p, norm, x, &y));
    }

    MAAS_TRY(dense ? block_dense(l, p, y, &y) : attn_self(l, p, y, &y));
    y = maas_build_op2(l->build, "Add", x,
                       maas_layer_dropout(l, y, p->dropout));

    if (p->order == 0) {
        MAAS_TRY(block_norm(l, p, norm, y, &y));
    }

    maas_layer_value(l, y);
    return MAAS_OK;
}


static maas_status_t
block_build(maas_layers_t *l, const void *param)
{
    MAAS_TRY(maas_layer_rank(l, 3, 3, "a sequence [N,T,F]"));
    MAAS_TRY(block_part(l, param, false));

    return block_part(l, param, true);
}


const maas_layer_t  maas_layers_layer_attention[] = {

    { .name = "self_attention",
      .about = "every step of a sequence looks at the others",
      MAAS_LAYER_PARAMS(attn_params, attn_layer_t), .build = attn_build },

    { .name = "transformer",
      .about = "self_attention and two dense layers, with residuals and "
               "layer_norm",
      MAAS_LAYER_PARAMS(block_params, attn_layer_t), .build = block_build },

    { .name = NULL }
};
