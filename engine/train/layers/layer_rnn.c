/*
 * layer_rnn: simple_rnn, lstm, gru, and bidirectional around one of them.
 * Sequences are [N,T,F]; ONNX's operators take [T,N,F], with both directions
 * in one node.
 *
 * The gates are those of Keras and PyTorch: lstm without peepholes, gru with
 * the reset gate after the product (linear_before_reset).
 *
 * Threads: one thread a list of layers.
 */

#include "train/layer.h"


typedef struct {
    int64_t  units;
    int64_t  activation;        /* simple_rnn */
    int64_t  kernel_init;
    int64_t  recurrent_init;
    int64_t  bias_init;
    bool     sequences;
    bool     backwards;
    bool     forget;            /* lstm */
} rnn_layer_t;

typedef struct {
    const char  *op;
    int          gates;
    int64_t      dirs;
    int64_t      merge;
} rnn_kind_t;

static const char *const  rnn_activations[] = { "tanh", "relu", NULL };

#define RNN_PARAMS                                                            \
    MAAS_PARAM_SIZE(rnn_layer_t, units, "units", "size of the state"),        \
    MAAS_PARAM_YES(rnn_layer_t, sequences, "return_sequences", 0,             \
                   "give the state of every step, not the last one"),         \
    MAAS_PARAM_YES(rnn_layer_t, backwards, "go_backwards", 0,                 \
                   "from the last step to the first"),                        \
    MAAS_PARAM_INIT(rnn_layer_t, kernel_init, "kernel_initializer",           \
                    MAAS_INIT_GLOROT_UNIFORM),                                \
    MAAS_PARAM_INIT(rnn_layer_t, recurrent_init, "recurrent_initializer",     \
                    MAAS_INIT_ORTHOGONAL),                                    \
    MAAS_PARAM_INIT(rnn_layer_t, bias_init, "bias_initializer",               \
                    MAAS_INIT_ZEROS)

static const maas_param_t  simple_params[] = {
    RNN_PARAMS,
    { .name = "activation", .type = MAAS_PARAM_WORD,
      .off = offsetof(rnn_layer_t, activation), .words = rnn_activations,
      .about = "of the state" }
};

static const maas_param_t  gru_params[] = { RNN_PARAMS };

static const maas_param_t  lstm_params[] = {
    RNN_PARAMS,
    MAAS_PARAM_YES(rnn_layer_t, forget, "unit_forget_bias", 1,
                   "the forget gate's bias starts at 1")
};


static maas_status_t
rnn_weights(maas_layers_t *l, const rnn_layer_t *p, const rnn_kind_t *k,
    maas_str_t *in)
{
    int64_t           rows, h = p->units, f = l->at.dims[2];
    maas_layer_new_t  w = { .what = "weight", .init = p->kernel_init,
                            .rank = 3, .fan_in = (double) f,
                            .fan_out = (double) h,
                            .parts = k->dirs * k->gates };
    maas_layer_new_t  r = { .what = "recurrent", .init = p->recurrent_init,
                            .rank = 3, .fan_in = (double) h,
                            .fan_out = (double) h,
                            .parts = k->dirs * k->gates };
    maas_layer_new_t  b = { .what = "bias", .init = p->bias_init, .rank = 2,
                            .fan_in = (double) h, .fan_out = (double) h,
                            .bias = true };

    MAAS_TRY(maas_layer_mul(l, h, 2 * k->gates, &rows));

    w.dims[0] = r.dims[0] = b.dims[0] = k->dirs;
    w.dims[1] = r.dims[1] = k->gates * h;
    w.dims[2] = f;
    r.dims[2] = h;
    b.dims[1] = rows;

    /* Gates are in the order i, o, f, c. */
    if (p->forget) {
        b.ones_at = 2 * h;
        b.ones = h;
    }

    MAAS_TRY(maas_layer_weight(l, &w, &in[1]));
    MAAS_TRY(maas_layer_weight(l, &r, &in[2]));

    return maas_layer_weight(l, &b, &in[3]);
}


static size_t
rnn_attrs(const rnn_layer_t *p, const rnn_kind_t *k, maas_str_t *act,
    maas_raw_attr_t *a)
{
    size_t  n = 0;

    a[n++] = maas_build_attr_int("hidden_size", p->units);
    a[n++] = maas_build_attr_string("direction",
                                    k->dirs == 2 ? "bidirectional"
                                    : p->backwards ? "reverse" : "forward");

    if (k->gates == 3) {
        a[n++] = maas_build_attr_int("linear_before_reset", 1);
    }

    if (k->gates == 1 && p->activation == 1) {
        act[0] = act[1] = maas_str("Relu");
        a[n++] = maas_build_attr_strings("activations", act,
                                         (size_t) k->dirs);
    }

    return n;
}


/* Both directions, on axis `axis` of x, become one. */
static maas_status_t
rnn_merge(maas_layers_t *l, const rnn_layer_t *p, const rnn_kind_t *k,
    maas_str_t x, int axis)
{
    int              rank = axis + 1;
    int64_t          dims[3] = { -1, l->at.dims[1], p->units };
    maas_str_t       y;
    maas_raw_attr_t  a[2];

    dims[axis] = p->units;

    if (k->merge == 0) {
        MAAS_TRY(maas_layer_mul(l, p->units, k->dirs, &dims[axis]));
        y = maas_layer_reshape(l, x, dims, rank);

    } else {
        int64_t  one = 1, at = axis;

        a[0] = maas_build_attr_int("keepdims", 0);

        if (k->merge == 1) {
            maas_str_t  in[2] = {
                x, maas_build_ints(l->build, NULL, &at, 1, &one)
            };

            y = maas_build_node(l->build, &(maas_build_node_t) {
                .op = "ReduceSum", .in = in, .n_in = 2, .attr = a,
                .n_attr = 1 });

        } else {
            a[1] = maas_build_attr_ints("axes", &at, 1);
            y = maas_build_node(l->build, &(maas_build_node_t) {
                .op = "ReduceMean", .in = &x, .n_in = 1, .attr = a,
                .n_attr = 2 });
        }
    }

    maas_layer_set(l, y, rank, dims);
    return MAAS_OK;
}


static maas_status_t
rnn_layer(maas_layers_t *l, const rnn_layer_t *p, const rnn_kind_t *k)
{
    size_t                n_out = p->sequences ? 1 : 2;
    maas_str_t            in[4], out[2] = { maas_str(""), maas_str("") };
    maas_str_t            act[2];
    maas_raw_attr_t       a[4];
    static const int64_t  turn[] = { 1, 0, 2 }, back[] = { 2, 0, 1, 3 };

    MAAS_TRY(maas_layer_rank(l, 3, 3, "a sequence [N,T,F]"));

    in[0] = maas_layer_transpose(l, l->at.value, turn, 3);
    MAAS_TRY(rnn_weights(l, p, k, in));

    (void) maas_build_node(l->build, &(maas_build_node_t) {
        .op = k->op, .in = in, .n_in = 4, .out = out, .n_out = n_out,
        .attr = a, .n_attr = rnn_attrs(p, k, act, a) });

    /* [T,D,N,H] -> [N,T,D,H]; [D,N,H] -> [N,D,H] */
    if (p->sequences) {
        return rnn_merge(l, p, k,
                         maas_layer_transpose(l, out[0], back, 4), 2);
    }

    return rnn_merge(l, p, k, maas_layer_transpose(l, out[1], turn, 3), 1);
}


static maas_status_t
simple_build(maas_layers_t *l, const void *param)
{
    return rnn_layer(l, param, &(rnn_kind_t) { "RNN", 1, 1, 0 });
}


static maas_status_t
gru_build(maas_layers_t *l, const void *param)
{
    return rnn_layer(l, param, &(rnn_kind_t) { "GRU", 3, 1, 0 });
}


static maas_status_t
lstm_build(maas_layers_t *l, const void *param)
{
    return rnn_layer(l, param, &(rnn_kind_t) { "LSTM", 4, 1, 0 });
}


/* -- bidirectional ------------------------------------------------------- */

typedef struct {
    const json_t  *layer;
    int64_t        merge;
} both_t;

static const char *const  both_merges[] = { "concat", "sum", "ave", NULL };

static const maas_param_t  both_params[] = {
    { .name = "layer", .type = MAAS_PARAM_JSON, .required = true,
      .off = offsetof(both_t, layer),
      .about = "a simple_rnn, lstm or gru" },
    { .name = "merge_mode", .type = MAAS_PARAM_WORD,
      .off = offsetof(both_t, merge), .words = both_merges,
      .about = "how both directions are put together" }
};


static maas_status_t
both_build(maas_layers_t *l, const void *param)
{
    rnn_layer_t                r;
    const char                *type;
    const both_t              *p = param;
    const maas_layer_t        *row;
    static const rnn_kind_t    kind[] = {
        { "RNN", 1, 2, 0 }, { "GRU", 3, 2, 0 }, { "LSTM", 4, 2, 0 }
    };
    static const char *const   name[] = { "simple_rnn", "gru", "lstm" };
    static const char *const   skip[] = { "type", NULL };

    type = json_string_value(json_object_get(p->layer, "type"));

    for (size_t i = 0; type != NULL && i < maas_nelts(kind); i++) {
        rnn_kind_t  k = kind[i];

        if (strcmp(type, name[i]) != 0) {
            continue;
        }

        row = maas_layer_find((maas_str_t) { type, strlen(type) });
        memset(&r, 0, sizeof(r));
        MAAS_TRY(maas_params_parse(l->arena, p->layer, row->param,
                                   row->n_param, skip, "layer", &r, l->err));
        if (r.backwards) {
            return maas_err(l->err, MAAS_EINVAL, "layer: \"go_backwards\" "
                            "has no meaning in both directions");
        }

        k.merge = p->merge;
        return rnn_layer(l, &r, &k);
    }

    return maas_err(l->err, MAAS_EINVAL, "\"layer\" must be a simple_rnn, an "
                    "lstm or a gru");
}


const maas_layer_t  maas_layers_layer_rnn[] = {

    { .name = "simple_rnn", .about = "h = tanh(W x + R h + b)",
      MAAS_LAYER_PARAMS(simple_params, rnn_layer_t), .build = simple_build },

    { .name = "lstm", .about = "long short-term memory",
      MAAS_LAYER_PARAMS(lstm_params, rnn_layer_t), .build = lstm_build },

    { .name = "gru", .about = "gated recurrent units",
      MAAS_LAYER_PARAMS(gru_params, rnn_layer_t), .build = gru_build },

    { .name = "bidirectional",
      .about = "a recurrent layer in both directions",
      MAAS_LAYER_PARAMS(both_params, both_t), .build = both_build },

    { .name = NULL }
};
