/*
 * layer_dense: dense, embedding, position_embedding, activation: what works
 * on each row or step by itself.
 *
 * Threads: one thread a list of layers.
 */

#include <math.h>

#include "train/layer.h"


/* -- dense --------------------------------------------------------------- */

typedef struct {
    int64_t  units;
    int64_t  activation;
    int64_t  kernel_init;
    int64_t  bias_init;
    bool     use_bias;
} dense_t;

static const maas_param_t  dense_params[] = {
    MAAS_PARAM_SIZE(dense_t, units, "units", "size of the last axis"),
    MAAS_PARAM_ACT(dense_t, activation, MAAS_ACT_LINEAR),
    MAAS_PARAM_YES(dense_t, use_bias, "use_bias", 1, "add a bias"),
    MAAS_PARAM_INIT(dense_t, kernel_init, "kernel_initializer",
                    MAAS_INIT_GLOROT_UNIFORM),
    MAAS_PARAM_INIT(dense_t, bias_init, "bias_initializer", MAAS_INIT_ZEROS)
};


static maas_status_t
dense_build(maas_layers_t *l, const void *param)
{
    int             last = l->at.rank - 1;
    maas_str_t      y;
    const dense_t  *p = param;

    MAAS_TRY(maas_layer_rank(l, 2, MAAS_RANK_MAX, "at least [N,features]"));
    MAAS_TRY(maas_layer_linear(l, l->at.value, l->at.rank, l->at.dims[last],
                               p->units, p->kernel_init,
                               p->use_bias ? p->bias_init : -1, "", &y));
    l->at.dims[last] = p->units;
    maas_layer_value(l, y);

    return maas_layer_activation(l, p->activation, NAN);
}


/* -- embedding ----------------------------------------------------------- */

typedef struct {
    int64_t  input_dim;
    int64_t  output_dim;
    int64_t  init;
} embedding_t;

static const maas_param_t  embedding_params[] = {
    MAAS_PARAM_SIZE(embedding_t, input_dim, "input_dim",
                    "number of words: integers are 0 to input_dim - 1"),
    MAAS_PARAM_SIZE(embedding_t, output_dim, "output_dim",
                    "numbers for each word"),
    MAAS_PARAM_INIT(embedding_t, init, "embeddings_initializer",
                    MAAS_INIT_UNIFORM)
};


static maas_status_t
embedding_build(maas_layers_t *l, const void *param)
{
    maas_str_t          w;
    const embedding_t  *p = param;
    maas_layer_new_t    table = { .what = "weight", .init = p->init,
                                  .rank = 2,
                                  .dims = { p->input_dim, p->output_dim },
                                  .fan_in = (double) p->input_dim,
                                  .fan_out = (double) p->output_dim };

    if (l->at.dtype != MAAS_I64) {
        return maas_err(l->err, MAAS_EINVAL, "takes int64, got %s: it can "
                        "only be first, after an input of type int64",
                        maas_dtype_name(l->at.dtype));
    }

    if (l->at.rank >= MAAS_RANK_MAX) {
        return maas_err(l->err, MAAS_EINVAL, "the result has more than %d "
                        "dimensions", MAAS_RANK_MAX);
    }

    MAAS_TRY(maas_layer_weight(l, &table, &w));
    maas_layer_value(l, maas_build_op2(l->build, "Gather", w, l->at.value));
    l->at.dims[l->at.rank++] = p->output_dim;
    l->at.dtype = MAAS_F32;

    return MAAS_OK;
}


typedef struct {
    int64_t  init;
} position_t;

static const maas_param_t  position_params[] = {
    MAAS_PARAM_INIT(position_t, init, "embeddings_initializer",
                    MAAS_INIT_UNIFORM)
};


static maas_status_t
position_build(maas_layers_t *l, const void *param)
{
    maas_str_t         w;
    const position_t  *p = param;
    maas_layer_new_t   table = { .what = "weight", .init = p->init,
                                 .rank = 2 };

    MAAS_TRY(maas_layer_rank(l, 3, 3, "a sequence [N,T,F]"));

    table.dims[0] = l->at.dims[1];
    table.dims[1] = l->at.dims[2];
    table.fan_in = (double) table.dims[0];
    table.fan_out = (double) table.dims[1];

    MAAS_TRY(maas_layer_weight(l, &table, &w));
    maas_layer_value(l, maas_build_op2(l->build, "Add", l->at.value, w));

    return MAAS_OK;
}


/* -- activation ---------------------------------------------------------- */

typedef struct {
    int64_t  function;
    double   alpha;
} activation_t;

#define ACT_USUAL  -1e9

static const maas_param_t  activation_params[] = {
    { .name = "function", .type = MAAS_PARAM_WORD, .required = true,
      .off = offsetof(activation_t, function),
      .words = maas_activation_words, .about = "its name" },
    { .name = "alpha", .type = MAAS_PARAM_NUMBER, .def = ACT_USUAL,
      .off = offsetof(activation_t, alpha),
      .about = "of leaky_relu (0.01) and elu (1)" }
};


static maas_status_t
activation_build(maas_layers_t *l, const void *param)
{
    const activation_t  *p = param;

    return maas_layer_activation(l, p->function,
                                 p->alpha == ACT_USUAL ? NAN : p->alpha);
}


const maas_layer_t  maas_layers_layer_dense[] = {

    { .name = "dense", .about = "x * weight + bias on the last axis",
      MAAS_LAYER_PARAMS(dense_params, dense_t), .build = dense_build },

    { .name = "embedding", .about = "a row of a table for each integer",
      MAAS_LAYER_PARAMS(embedding_params, embedding_t),
      .build = embedding_build },

    { .name = "position_embedding",
      .about = "adds a learned vector for each place of a sequence",
      MAAS_LAYER_PARAMS(position_params, position_t),
      .build = position_build },

    { .name = "activation", .about = "a function of each element",
      MAAS_LAYER_PARAMS(activation_params, activation_t),
      .build = activation_build },

    { .name = NULL }
};
