/*
 * layer_conv: conv1d, conv2d, max and average pooling over windows and over
 * everything.
 *
 * Windows are as Keras has them: "valid" stays inside, "same" makes
 * ceil(size / stride) outputs with the odd row of padding at the end;
 * "padding" may also be numbers, as in PyTorch.
 *
 * Threads: one thread a list of layers.
 */

#include <math.h>

#include "train/layer.h"


/* -- windows ------------------------------------------------------------- */

typedef struct {
    int      n;                 /* spatial axes */
    int64_t  k[2], s[2], d[2];
    int64_t  pad[4];            /* begins, then ends */
    int64_t  out[2];
} window_t;


/* One number for all axes, or one each. */
static maas_status_t
window_list(const maas_layers_t *l, const char *key, maas_param_ints_t v,
    int64_t def, int n, int64_t *out)
{
    if (v.n > 1 && v.n != (size_t) n) {
        return maas_err(l->err, MAAS_EINVAL, "\"%s\" has %zu numbers, "
                        "expected 1%s", key, v.n, n > 1 ? " or 2" : "");
    }

    for (int i = 0; i < n; i++) {
        out[i] = v.n == 0 ? def : v.v[v.n == 1 ? 0 : i];
    }

    return MAAS_OK;
}


/* padding: "valid", "same", or numbers. */
static maas_status_t
window_pads(const maas_layers_t *l, window_t *w, const json_t *padding,
    bool *same)
{
    int64_t        p;
    const char    *word = json_string_value(padding);
    const json_t  *item;

    *same = word != NULL && strcmp(word, "same") == 0;

    if (padding == NULL || *same
        || (word != NULL && strcmp(word, "valid") == 0))
    {
        return MAAS_OK;
    }

    if (json_is_array(padding)
        && json_array_size(padding) != (size_t) w->n)
    {
        return maas_err(l->err, MAAS_EINVAL, "\"padding\" has %zu numbers, "
                        "expected %d", json_array_size(padding), w->n);
    }

    for (int i = 0; i < w->n; i++) {
        item = json_is_array(padding) ? json_array_get(padding, (size_t) i)
                                      : padding;
        p = json_integer_value(item);

        if (!json_is_integer(item) || p < 0 || p > 1 << 20) {
            return maas_err(l->err, MAAS_EINVAL, "\"padding\" must be "
                            "\"valid\", \"same\", or numbers of at least 0");
        }

        w->pad[i] = w->pad[i + w->n] = p;
    }

    return MAAS_OK;
}


/* What the windows make of the axes of l->at behind the channels. */
static maas_status_t
window_out(const maas_layers_t *l, window_t *w, const json_t *padding)
{
    bool     same;
    char     shape[MAAS_DIMS_TEXT];
    int64_t  span, size, total;

    MAAS_TRY(window_pads(l, w, padding, &same));

    for (int i = 0; i < w->n; i++) {
        size = l->at.dims[2 + i];
        span = (w->k[i] - 1) * w->d[i] + 1;

        if (same) {
            w->out[i] = (size + w->s[i] - 1) / w->s[i];
            total = maas_max((w->out[i] - 1) * w->s[i] + span - size, 0);
            w->pad[i] = total / 2;
            w->pad[i + w->n] = total - total / 2;
        }

        size += w->pad[i] + w->pad[i + w->n];

        if (size < span) {
            return maas_err(l->err, MAAS_EINVAL, "a window of %lld does not "
                            "fit into %s%s", (long long) span,
                            maas_layer_shape(l, shape),
                            w->pad[i] != 0 ? " with its padding" : "");
        }

        w->out[i] = (size - span) / w->s[i] + 1;
    }

    return MAAS_OK;
}


static size_t
window_attrs(const window_t *w, maas_raw_attr_t *a)
{
    size_t  n = (size_t) w->n;

    a[0] = maas_build_attr_ints("kernel_shape", w->k, n);
    a[1] = maas_build_attr_ints("strides", w->s, n);
    a[2] = maas_build_attr_ints("pads", w->pad, 2 * n);

    return 3;
}


/* -- convolution --------------------------------------------------------- */

typedef struct {
    int64_t            filters;
    maas_param_ints_t  kernel;
    maas_param_ints_t  strides;
    maas_param_ints_t  dilation;
    const json_t      *padding;
    int64_t            groups;
    int64_t            activation;
    int64_t            kernel_init;
    int64_t            bias_init;
    bool               use_bias;
} conv_layer_t;

#define WINDOW_INTS(t, m, n, need, text)                                      \
    { .name = n, .type = MAAS_PARAM_INTS, .required = need,                   \
      .off = offsetof(t, m), .min = 1, .max = 1 << 20, .about = text }

#define WINDOW_PADDING(t)                                                     \
    { .name = "padding", .type = MAAS_PARAM_JSON, .off = offsetof(t, padding),\
      .about = "\"valid\", \"same\", or numbers" }

static const maas_param_t  conv_params[] = {
    MAAS_PARAM_SIZE(conv_layer_t, filters, "filters", "channels of the result"),
    WINDOW_INTS(conv_layer_t, kernel, "kernel_size", true, "of the window"),
    WINDOW_INTS(conv_layer_t, strides, "strides", false,
                "from window to window; 1"),
    WINDOW_PADDING(conv_layer_t),
    WINDOW_INTS(conv_layer_t, dilation, "dilation_rate", false,
                "from tap to tap; 1"),
    { .name = "groups", .type = MAAS_PARAM_INT, .def = 1,
      .off = offsetof(conv_layer_t, groups), .min = 1, .max = 1 << 20,
      .about = "parts of the channels that are kept apart" },
    MAAS_PARAM_ACT(conv_layer_t, activation, MAAS_ACT_LINEAR),
    MAAS_PARAM_YES(conv_layer_t, use_bias, "use_bias", 1, "add a bias"),
    MAAS_PARAM_INIT(conv_layer_t, kernel_init, "kernel_initializer",
                    MAAS_INIT_GLOROT_UNIFORM),
    MAAS_PARAM_INIT(conv_layer_t, bias_init, "bias_initializer",
                    MAAS_INIT_ZEROS)
};


static maas_status_t
conv_weights(maas_layers_t *l, const conv_layer_t *p, const window_t *w,
    maas_str_t *in, size_t *n_in)
{
    int64_t           taps = w->k[0] * (w->n > 1 ? w->k[1] : 1);
    int64_t           per = l->at.dims[1] / p->groups;
    maas_layer_new_t  k = { .what = "weight", .init = p->kernel_init,
                            .rank = 2 + w->n,
                            .dims = { p->filters, per, w->k[0], w->k[1] } };
    maas_layer_new_t  b = { .what = "bias", .init = p->bias_init, .rank = 1,
                            .dims = { p->filters } };

    k.fan_in = b.fan_in = (double) per * (double) taps;
    k.fan_out = b.fan_out = (double) p->filters * (double) taps
                            / (double) p->groups;

    MAAS_TRY(maas_layer_weight(l, &k, &in[1]));
    *n_in = 2;

    if (p->use_bias) {
        MAAS_TRY(maas_layer_weight(l, &b, &in[2]));
        *n_in = 3;
    }

    return MAAS_OK;
}


static maas_status_t
conv_layer(maas_layers_t *l, const conv_layer_t *p, int n)
{
    size_t           n_in, n_attr;
    window_t         w = { .n = n };
    maas_str_t       in[3], y;
    maas_raw_attr_t  a[5];

    MAAS_TRY(maas_layer_rank(l, 2 + n, 2 + n, n == 1
                             ? "a series [N,C,L]" : "an image [N,C,H,W]"));

    if (l->at.dims[1] % p->groups != 0 || p->filters % p->groups != 0) {
        return maas_err(l->err, MAAS_EINVAL, "%lld groups: neither may %lld "
                        "channels nor %lld filters leave a rest",
                        (long long) p->groups, (long long) l->at.dims[1],
                        (long long) p->filters);
    }

    MAAS_TRY(window_list(l, "kernel_size", p->kernel, 1, n, w.k));
    MAAS_TRY(window_list(l, "strides", p->strides, 1, n, w.s));
    MAAS_TRY(window_list(l, "dilation_rate", p->dilation, 1, n, w.d));
    MAAS_TRY(window_out(l, &w, p->padding));

    in[0] = l->at.value;
    MAAS_TRY(conv_weights(l, p, &w, in, &n_in));

    n_attr = window_attrs(&w, a);
    a[n_attr++] = maas_build_attr_ints("dilations", w.d, (size_t) n);
    a[n_attr++] = maas_build_attr_int("group", p->groups);

    y = maas_build_node(l->build, &(maas_build_node_t) {
        .op = "Conv", .in = in, .n_in = n_in, .attr = a, .n_attr = n_attr });

    l->at.dims[1] = p->filters;
    memcpy(&l->at.dims[2], w.out, (size_t) n * sizeof(int64_t));
    maas_layer_value(l, y);

    return maas_layer_activation(l, p->activation, NAN);
}


static maas_status_t
conv1d_build(maas_layers_t *l, const void *param)
{
    return conv_layer(l, param, 1);
}


static maas_status_t
conv2d_build(maas_layers_t *l, const void *param)
{
    return conv_layer(l, param, 2);
}


/* -- pooling ------------------------------------------------------------- */

typedef struct {
    maas_param_ints_t  size;
    maas_param_ints_t  strides;
    const json_t      *padding;
} pool_layer_t;

static const maas_param_t  pool_params[] = {
    WINDOW_INTS(pool_layer_t, size, "pool_size", false, "of the window; 2"),
    WINDOW_INTS(pool_layer_t, strides, "strides", false,
                "from window to window; pool_size"),
    WINDOW_PADDING(pool_layer_t)
};


static maas_status_t
pool_layer(maas_layers_t *l, const pool_layer_t *p, const char *op)
{
    int              n = l->at.rank - 2;
    size_t           n_attr;
    window_t         w = { .n = n, .d = { 1, 1 } };
    maas_raw_attr_t  a[3];

    MAAS_TRY(maas_layer_rank(l, 3, 4, "an image [N,C,H,W] or a series "
                             "[N,C,L]"));
    MAAS_TRY(window_list(l, "pool_size", p->size, 2, n, w.k));
    MAAS_TRY(window_list(l, "strides", p->strides.n != 0 ? p->strides
                         : p->size, 2, n, w.s));
    MAAS_TRY(window_out(l, &w, p->padding));

    n_attr = window_attrs(&w, a);

    maas_layer_value(l, maas_build_node(l->build, &(maas_build_node_t) {
        .op = op, .in = &l->at.value, .n_in = 1, .attr = a,
        .n_attr = n_attr }));
    memcpy(&l->at.dims[2], w.out, (size_t) n * sizeof(int64_t));

    return MAAS_OK;
}


static maas_status_t
maxpool_build(maas_layers_t *l, const void *param)
{
    return pool_layer(l, param, "MaxPool");
}


static maas_status_t
avgpool_build(maas_layers_t *l, const void *param)
{
    return pool_layer(l, param, "AveragePool");
}


/* [N,C,...] -> [N,C] */
static maas_status_t
global_layer(maas_layers_t *l, const char *op)
{
    maas_str_t       y;
    maas_raw_attr_t  axis = maas_build_attr_int("axis", 1);

    MAAS_TRY(maas_layer_rank(l, 3, 4, "an image [N,C,H,W] or a series "
                             "[N,C,L]"));

    y = maas_build_op1(l->build, op, l->at.value);
    y = maas_build_node(l->build, &(maas_build_node_t) {
        .op = "Flatten", .in = &y, .n_in = 1, .attr = &axis, .n_attr = 1 });
    maas_layer_set(l, y, 2, l->at.dims);

    return MAAS_OK;
}


static maas_status_t
global_maxpool_build(maas_layers_t *l, const void *param)
{
    (void) param;

    return global_layer(l, "GlobalMaxPool");
}


static maas_status_t
global_avgpool_build(maas_layers_t *l, const void *param)
{
    (void) param;

    return global_layer(l, "GlobalAveragePool");
}


const maas_layer_t  maas_layers_layer_conv[] = {

    { .name = "conv1d", .about = "convolution of a series [N,C,L]",
      MAAS_LAYER_PARAMS(conv_params, conv_layer_t), .build = conv1d_build },

    { .name = "conv2d", .about = "convolution of an image [N,C,H,W]",
      MAAS_LAYER_PARAMS(conv_params, conv_layer_t), .build = conv2d_build },

    { .name = "maxpool", .about = "the largest of each window",
      MAAS_LAYER_PARAMS(pool_params, pool_layer_t), .build = maxpool_build },

    { .name = "avgpool",
      .about = "the mean of each window, without its padding",
      MAAS_LAYER_PARAMS(pool_params, pool_layer_t), .build = avgpool_build },

    { .name = "global_maxpool", .about = "the largest of each channel",
      .build = global_maxpool_build },

    { .name = "global_avgpool", .about = "the mean of each channel",
      .build = global_avgpool_build },

    { .name = NULL }
};
