/*
 * network.c: see network.h.
 *
 * Ownership: everything lies in the arena.
 * Threads:   one thread.
 */

#include "train/network.h"


typedef struct {
    const json_t  *input;
    const json_t  *layers;
} network_json_t;

typedef struct {
    maas_param_ints_t  shape;
    int64_t            type;
} network_input_t;

static const char *const  network_types[] = { "float32", "int64", NULL };

const maas_param_t  maas_network_params[] = {
    { .name = "layers", .type = MAAS_PARAM_JSON, .required = true,
      .off = offsetof(network_json_t, layers), .about = "a list of layers" },
    { .name = "input", .type = MAAS_PARAM_JSON,
      .off = offsetof(network_json_t, input),
      .about = "what a row looks like, where the data do not say" }
};

const size_t  maas_network_n_params = maas_nelts(maas_network_params);

const maas_param_t  maas_network_input_params[] = {
    { .name = "shape", .type = MAAS_PARAM_INTS,
      .off = offsetof(network_input_t, shape), .min = 1, .max = 1 << 24,
      .about = "without the batch: [1,8,8]; as many numbers as a row has" },
    { .name = "type", .type = MAAS_PARAM_WORD,
      .off = offsetof(network_input_t, type), .words = network_types,
      .about = "int64 before an embedding, which has it by itself" }
};

const size_t  maas_network_n_input = maas_nelts(maas_network_input_params);


/* Does the first layer take integers? */
static bool
network_integers(const json_t *layers)
{
    const char  *type;

    type = json_string_value(json_object_get(json_array_get(layers, 0),
                                             "type"));
    return type != NULL && strcmp(type, "embedding") == 0;
}


static maas_status_t
network_input(maas_layers_t *l, const network_json_t *j,
    const maas_layer_value_t *in, maas_err_t *err)
{
    char             text[MAAS_DIMS_TEXT];
    int64_t          have = 1, want = 1;
    network_input_t  p = { 0 };

    l->at = *in;

    MAAS_TRY(maas_params_parse(l->arena, j->input, maas_network_input_params,
                               maas_network_n_input, NULL, "model: input",
                               &p, err));

    if (p.type == 1 || network_integers(j->layers)) {
        l->at.dtype = MAAS_I64;
    }

    if (p.shape.n == 0) {
        return MAAS_OK;
    }

    if (p.shape.n >= MAAS_RANK_MAX) {
        return maas_err(err, MAAS_EINVAL, "model: input: \"shape\" has %zu "
                        "numbers, at most %d are possible", p.shape.n,
                        MAAS_RANK_MAX - 1);
    }

    for (int i = 1; i < in->rank; i++) {
        have *= in->dims[i];
    }

    l->at.rank = (int) p.shape.n + 1;

    for (size_t i = 0; i < p.shape.n; i++) {
        MAAS_TRY(maas_layer_mul(l, want, p.shape.v[i], &want));
        l->at.dims[i + 1] = p.shape.v[i];
    }

    if (want != have) {
        return maas_err(err, MAAS_EINVAL, "model: input: \"shape\" %s has "
                        "%lld elements, a row of the data %lld",
                        maas_dims_text(text, p.shape.v, (int) p.shape.n),
                        (long long) want, (long long) have);
    }

    return MAAS_OK;
}


/* A value of a model that is there already gets type and shape. */
static void
network_fit(maas_layers_t *l, const maas_layer_value_t *in)
{
    maas_raw_attr_t  to = maas_build_attr_int("to", MAAS_I64);

    if (l->at.dtype != in->dtype) {
        l->at.value = maas_build_node(l->build, &(maas_build_node_t) {
            .op = "Cast", .in = &l->at.value, .n_in = 1, .attr = &to,
            .n_attr = 1 });
    }

    if (l->at.rank != in->rank) {
        l->at.value = maas_layer_reshape(l, l->at.value, l->at.dims,
                                         l->at.rank);
    }
}


/* The last node's output, and all that reads it, get another name. */
static const char *
network_name(maas_raw_model_t *m, maas_str_t value)
{
    const char        *last = "";
    maas_str_t         name;
    maas_raw_graph_t  *g = &m->graph;

    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].n_out == 1 && maas_str_eq(g->node[i].out[0], value)) {
            last = g->node[i].op.data;
        }
    }

    name = strcmp(last, "Softmax") == 0 || strcmp(last, "Sigmoid") == 0
           ? maas_str("probabilities") : maas_str("prediction");

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (uint32_t k = 0; k < g->node[i].n_out; k++) {
            if (maas_str_eq(g->node[i].out[k], value)) {
                g->node[i].out[k] = name;
            }
        }

        for (uint32_t k = 0; k < g->node[i].n_in; k++) {
            if (maas_str_eq(g->node[i].in[k], value)) {
                g->node[i].in[k] = name;
            }
        }
    }

    if (!maas_str_eq(g->in[0].name, value)) {
        g->out[0].name = name;
    }

    return last;
}


static maas_status_t
network_segments(maas_network_t *n, const maas_layers_t *l, maas_err_t *err)
{
    const maas_raw_graph_t  *g = &n->model->graph;

    n->n_seg = l->n_weight;
    n->seg = maas_arena_array(l->arena, maas_max(l->n_weight, 1u),
                              sizeof(*n->seg));
    if (n->seg == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < l->n_weight; i++) {
        n->seg[i].name = l->weight[i].name;
        n->seg[i].trainable = l->weight[i].trainable;
        n->seg[i].still = l->weight[i].frozen;
        n->seg[i].decay = l->weight[i].decay;

        for (uint32_t k = 0; k < g->n_init; k++) {
            if (l->weight[i].trainable
                && maas_str_eq(g->init[k].name, l->weight[i].name))
            {
                n->n_weight += maas_tensor_count(&g->init[k].t);
            }
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_network_build(maas_network_t *n, maas_arena_t *a,
    const maas_host_t *host, const json_t *model, maas_build_t *b,
    const maas_layer_value_t *in, uint64_t seed, maas_err_t *err)
{
    maas_layers_t             l = { .arena = a, .host = host, .seed = seed,
                                    .err = err };
    network_json_t            j = { 0 };
    static const char *const  skip[] = { "type", NULL };

    memset(n, 0, sizeof(*n));
    MAAS_TRY(maas_params_parse(a, model, maas_network_params,
                               maas_network_n_params, skip, "model", &j,
                               err));
    MAAS_TRY(network_input(&l, &j, in, err));

    l.build = b != NULL ? b : maas_build_create(a);
    if (l.build == NULL) {
        return maas_err_nomem(err);
    }

    if (b == NULL) {
        l.at.value = maas_build_input(l.build, l.at.rank == 4 ? "image"
                                      : "features", l.at.dtype, l.at.rank,
                                      l.at.dims);
        n->in = l.at;

    } else {
        n->in = *in;
        network_fit(&l, in);
    }

    if (maas_layers_build(&l, j.layers) != MAAS_OK) {
        return maas_err_prefix(err, "model");
    }

    n->out = l.at;
    maas_build_output(l.build, l.at.value, l.at.dtype, l.at.rank, l.at.dims);
    MAAS_TRY(maas_build_done(l.build, &n->model, err));
    n->last = network_name((maas_raw_model_t *) n->model, l.at.value);

    return network_segments(n, &l, err);
}
