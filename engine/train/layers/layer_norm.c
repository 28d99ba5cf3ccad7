/*
 * layer_norm: batch_norm, layer_norm, dropout, normalize: what keeps numbers
 * in their range.
 *
 * Threads: one thread a list of layers.
 */

#include "train/layer.h"


/* -- batch_norm ---------------------------------------------------------- */

typedef struct {
    double  momentum;
    double  epsilon;
} batch_norm_t;

static const maas_param_t  batch_norm_params[] = {
    { .name = "momentum", .type = MAAS_PARAM_NUMBER, .def = 0.9,
      .off = offsetof(batch_norm_t, momentum), .min = 0, .max = 1,
      .about = "what stays of the running statistics at a step" },
    { .name = "epsilon", .type = MAAS_PARAM_NUMBER, .def = 1e-5,
      .off = offsetof(batch_norm_t, epsilon), .min = 0, .max = 1,
      .open = true, .about = "added to the variance" }
};


static maas_status_t
batch_norm_build(maas_layers_t *l, const void *param)
{
    maas_str_t           in[5];
    maas_raw_attr_t      a[2];
    const batch_norm_t  *p = param;
    maas_layer_new_t     w[] = {
        { .what = "weight", .init = MAAS_INIT_ONES },
        { .what = "bias", .init = MAAS_INIT_ZEROS },
        { .what = "running_mean", .init = MAAS_INIT_ZEROS, .still = true },
        { .what = "running_var", .init = MAAS_INIT_ONES, .still = true }
    };

    MAAS_TRY(maas_layer_rank(l, 2, MAAS_RANK_MAX, "channels on axis 1"));

    in[0] = l->at.value;

    for (int i = 0; i < 4; i++) {
        w[i].rank = 1;
        w[i].dims[0] = l->at.dims[1];
        MAAS_TRY(maas_layer_weight(l, &w[i], &in[i + 1]));
    }

    a[0] = maas_build_attr_float("epsilon", (float) p->epsilon);
    a[1] = maas_build_attr_float("momentum", (float) p->momentum);

    maas_layer_value(l, maas_build_node(l->build, &(maas_build_node_t) {
        .op = "BatchNormalization", .in = in, .n_in = 5, .attr = a,
        .n_attr = 2 }));

    return MAAS_OK;
}


/* -- layer_norm ---------------------------------------------------------- */

typedef struct {
    double  epsilon;
} layer_norm_t;

static const maas_param_t  layer_norm_params[] = {
    { .name = "epsilon", .type = MAAS_PARAM_NUMBER, .def = 1e-5,
      .off = offsetof(layer_norm_t, epsilon), .min = 0, .max = 1,
      .open = true, .about = "added to the variance" }
};


static maas_status_t
layer_norm_build(maas_layers_t *l, const void *param)
{
    maas_str_t           in[3];
    maas_raw_attr_t      a[2];
    const layer_norm_t  *p = param;
    maas_layer_new_t     w = { .what = "weight", .init = MAAS_INIT_ONES,
                               .rank = 1 };
    maas_layer_new_t     b = { .what = "bias", .init = MAAS_INIT_ZEROS,
                               .rank = 1 };

    MAAS_TRY(maas_layer_rank(l, 2, MAAS_RANK_MAX, "at least [N,features]"));

    in[0] = l->at.value;
    w.dims[0] = b.dims[0] = l->at.dims[l->at.rank - 1];
    MAAS_TRY(maas_layer_weight(l, &w, &in[1]));
    MAAS_TRY(maas_layer_weight(l, &b, &in[2]));

    a[0] = maas_build_attr_float("epsilon", (float) p->epsilon);
    a[1] = maas_build_attr_int("axis", -1);

    maas_layer_value(l, maas_build_node(l->build, &(maas_build_node_t) {
        .op = "LayerNormalization", .in = in, .n_in = 3, .attr = a,
        .n_attr = 2 }));

    return MAAS_OK;
}


/* -- dropout ------------------------------------------------------------- */

typedef struct {
    double  rate;
} dropout_layer_t;

static const maas_param_t  dropout_params[] = {
    { .name = "rate", .type = MAAS_PARAM_NUMBER, .required = true,
      .off = offsetof(dropout_layer_t, rate), .min = 0, .max = 0.999,
      .about = "share of elements that become 0 while training" }
};


static maas_status_t
dropout_build(maas_layers_t *l, const void *param)
{
    const dropout_layer_t  *p = param;

    MAAS_TRY(maas_layer_float(l));
    maas_layer_value(l, maas_layer_dropout(l, l->at.value, p->rate));

    return MAAS_OK;
}


/* -- normalize ----------------------------------------------------------- */

typedef struct {
    maas_param_numbers_t  mean;
    maas_param_numbers_t  std;
    double                scale;
} normalize_t;

static const maas_param_t  normalize_params[] = {
    { .name = "scale", .type = MAAS_PARAM_NUMBER, .def = 1,
      .off = offsetof(normalize_t, scale), .min = -1e300, .max = 1e300,
      .about = "factor before all else" },
    { .name = "mean", .type = MAAS_PARAM_NUMBERS,
      .off = offsetof(normalize_t, mean), .min = -1e300, .max = 1e300,
      .about = "subtracted: one, or one for each of axis 1; 0" },
    { .name = "std", .type = MAAS_PARAM_NUMBERS,
      .off = offsetof(normalize_t, std), .min = 0, .max = 1e300,
      .open = true, .about = "divides: one, or one for each of axis 1; 1" }
};


/* A constant that broadcasts over [N,C,...]. */
static maas_status_t
normalize_const(maas_layers_t *l, const char *key, maas_param_numbers_t v,
    maas_str_t *out)
{
    float    *f;
    int64_t   dims[MAAS_RANK_MAX];

    if (v.n != 1 && v.n != (size_t) l->at.dims[1]) {
        return maas_err(l->err, MAAS_EINVAL, "\"%s\" has %zu numbers, "
                        "expected 1 or %lld", key, v.n,
                        (long long) l->at.dims[1]);
    }

    f = maas_arena_array(l->arena, v.n, sizeof(float));
    if (f == NULL) {
        return maas_err_nomem(l->err);
    }

    for (size_t i = 0; i < v.n; i++) {
        f[i] = (float) v.v[i];
    }

    for (int i = 0; i < l->at.rank; i++) {
        dims[i] = 1;
    }

    dims[0] = (int64_t) v.n;
    *out = maas_build_floats(l->build, NULL, f, v.n == 1 ? 0
                             : l->at.rank - 1, dims);
    return MAAS_OK;
}


static maas_status_t
normalize_build(maas_layers_t *l, const void *param)
{
    maas_str_t          x = l->at.value, c;
    const normalize_t  *p = param;

    MAAS_TRY(maas_layer_rank(l, 2, MAAS_RANK_MAX, "channels on axis 1"));

    if (p->scale != 1) {
        x = maas_build_op2(l->build, "Mul", x,
                           maas_build_float(l->build, (float) p->scale));
    }

    if (p->mean.n != 0) {
        MAAS_TRY(normalize_const(l, "mean", p->mean, &c));
        x = maas_build_op2(l->build, "Sub", x, c);
    }

    if (p->std.n != 0) {
        MAAS_TRY(normalize_const(l, "std", p->std, &c));
        x = maas_build_op2(l->build, "Div", x, c);
    }

    maas_layer_value(l, x);
    return MAAS_OK;
}


const maas_layer_t  maas_layers_layer_norm[] = {

    { .name = "batch_norm",
      .about = "each channel by its mean and variance in the batch",
      MAAS_LAYER_PARAMS(batch_norm_params, batch_norm_t),
      .build = batch_norm_build },

    { .name = "layer_norm",
      .about = "the last axis by its mean and variance",
      MAAS_LAYER_PARAMS(layer_norm_params, layer_norm_t),
      .build = layer_norm_build },

    { .name = "dropout", .about = "random zeros while training",
      MAAS_LAYER_PARAMS(dropout_params, dropout_layer_t),
      .build = dropout_build },

    { .name = "normalize",
      .about = "(x * scale - mean) / std with numbers that are given",
      MAAS_LAYER_PARAMS(normalize_params, normalize_t),
      .build = normalize_build },

    { .name = NULL }
};
