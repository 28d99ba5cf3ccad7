/*
 * layer.h: the contract of the layers of a network.  A file in train/layers/
 * exports one const array of rows, `const maas_layer_t maas_layers_<file>[]`,
 * closed by a row without a name; a script lists the folder.  Specifications,
 * documentation and tests read the rows.
 *
 * A layer writes itself as nodes of the model that will be served: standard
 * operators of ONNX, weights as initializers with their first values.  What
 * training changes about it (dropout, batch statistics) is done to the graph
 * later (train/fitnet.h).
 *
 * Axis 0 is the batch; images are [N,C,H,W], series for convolution
 * [N,C,L], sequences for recurrent layers and attention [N,T,F].
 *
 * Ownership: everything lies in the arena.
 * Threads:   one thread.
 */

#ifndef MAAS_LAYER_H
#define MAAS_LAYER_H

#include "train/build.h"
#include "train/initializer.h"
#include "train/params.h"


typedef struct {
    maas_str_t  name;           /* "dense_1.weight" */
    bool        trainable;
    bool        frozen;         /* not trained, nor running statistics */
    bool        decay;          /* weights, not biases and norms */
} maas_layer_weight_t;

typedef struct maas_layers_s  maas_layers_t;
typedef struct maas_layer_s   maas_layer_t;

/* What the layers so far make: the input of the next one. */
typedef struct {
    maas_str_t  value;
    uint8_t     dtype;
    int         rank;
    int64_t     dims[MAAS_RANK_MAX];    /* dims[0] -1; the others known */
} maas_layer_value_t;

struct maas_layers_s {
    maas_build_t         *build;
    maas_arena_t         *arena;
    const maas_host_t    *host;
    uint64_t              seed;
    maas_err_t           *err;
    maas_layer_value_t    at;
    /* Of the layer that is being built: */
    maas_str_t            name;
    bool                  frozen;
    int                   depth;
    /* Of all: */
    uint32_t              n_weight;
    uint32_t              cap_weight;
    maas_layer_weight_t  *weight;
    const maas_layer_t  **made;         /* rows, for numbers in names */
    uint32_t              n_made;
    uint32_t              cap_made;
};

struct maas_layer_s {
    const char          *name;          /* "conv2d" */
    const char          *about;         /* one line for the documentation */
    const maas_param_t  *param;
    uint8_t              n_param;
    uint16_t             param_size;
    /* Reads and replaces l->at.  The caller puts the layer's place before
     * the text of an error. */
    maas_status_t      (*build)(maas_layers_t *l, const void *param);
};

const maas_layer_t *maas_layer_find(maas_str_t name);
const maas_layer_t *maas_layer_next(const maas_layer_t *after);

/*
 * list: an array of layer objects.  Before: build, arena, host, seed, err
 * and at are set.  Errors: "layers[3] (conv2d): ...".
 */
maas_status_t maas_layers_build(maas_layers_t *l, const json_t *list);


/* -- for rows ------------------------------------------------------------ */

/*
 * A weight of the layer: "NAME.what".  fan_in and fan_out: for its first
 * values.  What has rank 1 is a bias or a scale: it does not decay.
 */
typedef struct {
    const char       *what;
    maas_init_kind_t  init;
    int               rank;
    int64_t           dims[MAAS_RANK_MAX];
    double            fan_in;
    double            fan_out;
    bool              still;        /* not trained: running statistics */
    bool              bias;         /* whatever its rank */
    /* Gates of a recurrent layer: dims[0] * dims[1] rows are so many
     * matrices below each other, each with first values of its own. */
    int64_t           parts;
    /* Elements that start at 1: `ones` of them from `ones_at`, in each of
     * dims[0] items. */
    int64_t           ones_at;
    int64_t           ones;
} maas_layer_new_t;

maas_status_t maas_layer_weight(maas_layers_t *l, const maas_layer_new_t *w,
    maas_str_t *name);

/* "takes an image [N,C,H,W], got [N,10]" unless the rank is in range. */
maas_status_t maas_layer_rank(const maas_layers_t *l, int min, int max,
    const char *takes);
maas_status_t maas_layer_float(const maas_layers_t *l);

/* "[N,10]" */
const char *maas_layer_shape(const maas_layers_t *l,
    char out[MAAS_DIMS_TEXT]);

/* Sets l->at. */
void maas_layer_set(maas_layers_t *l, maas_str_t value, int rank,
    const int64_t *dims);
/* The same with the shape that it has. */
void maas_layer_value(maas_layers_t *l, maas_str_t value);

/* Product of two sizes of a weight. */
maas_status_t maas_layer_mul(const maas_layers_t *l, int64_t a, int64_t b,
    int64_t *out);

/* Nodes with ints: Transpose; Reshape of a batch ([0, ...]). */
maas_str_t maas_layer_transpose(maas_layers_t *l, maas_str_t x,
    const int64_t *perm, int rank);
maas_str_t maas_layer_reshape(maas_layers_t *l, maas_str_t x,
    const int64_t *dims, int rank);

/* x * weight of [in, units], plus a bias, on the last axis. */
maas_status_t maas_layer_linear(maas_layers_t *l, maas_str_t x, int rank,
    int64_t in, int64_t units, int64_t kernel, int64_t bias,
    const char *prefix, maas_str_t *out);

/* Activations: words of a parameter, and what they do to l->at. */
extern const char *const  maas_activation_words[];
#define MAAS_ACT_LINEAR  0
#define MAAS_ACT_RELU    1
#define MAAS_ACT_TANH    2

maas_status_t maas_layer_activation(maas_layers_t *l, int64_t act,
    double alpha);                      /* NAN: the usual one */

/* Dropout of x: standard operator, nothing when rate is 0. */
maas_str_t maas_layer_dropout(maas_layers_t *l, maas_str_t x, double rate);

#define MAAS_PARAM_ACT(t, m, d)                                               \
    { .name = "activation", .type = MAAS_PARAM_WORD, .off = offsetof(t, m),   \
      .def = d, .words = maas_activation_words,                               \
      .about = "applied to the result" }

#define MAAS_PARAM_INIT(t, m, n, d)                                           \
    { .name = n, .type = MAAS_PARAM_WORD, .off = offsetof(t, m), .def = d,    \
      .words = maas_init_words, .about = "first values" }

#define MAAS_PARAM_YES(t, m, n, d, text)                                      \
    { .name = n, .type = MAAS_PARAM_BOOL, .off = offsetof(t, m), .def = d,    \
      .about = text }

#define MAAS_PARAM_SIZE(t, m, n, text)                                        \
    { .name = n, .type = MAAS_PARAM_INT, .required = true,                    \
      .off = offsetof(t, m), .min = 1, .max = 1 << 24, .about = text }

#define MAAS_LAYER_PARAMS(a, t)  .param = a, .n_param = maas_nelts(a),        \
                                 .param_size = sizeof(t)

#endif
