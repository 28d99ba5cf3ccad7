/*
 * Shared by rnn.c, gru.c and lstm.c: attributes, geometry and the loop over
 * time.  A unit is a direction and a block of batch rows; all its time
 * steps run in its thread's scratch.
 *
 * Spec: ONNX RNN-14, GRU-14, LSTM-14.  Plain values; reentrant.
 */

#ifndef MAAS_RNN_CORE_H
#define MAAS_RNN_CORE_H

#include "graph/op.h"

/* lstm_cell_f64() and lstm_back_f64(). */
#define REAL        double
#define LSTM(name)  lstm_##name##_f64
#include "kernels/lstm_body.h"


typedef enum { RNN_CELL_RNN = 0, RNN_CELL_GRU, RNN_CELL_LSTM }  rnn_cell_t;

enum { RNN_FORWARD = 0, RNN_REVERSE, RNN_BIDIRECTIONAL };

extern const char *const  rnn_directions[];

#define RNN_SAVED  3            /* the output of the train forms for gates */

typedef struct {
    float        clip;                  /* 0: none */
    int64_t      direction;
    int64_t      hidden_size;
    int64_t      layout;
    int64_t      linear_before_reset;   /* GRU */
    int64_t      input_forget;          /* LSTM */
    maas_list_t  activations;
    maas_list_t  alpha;
    maas_list_t  beta;
} rnn_attr_t;

/* The attributes that all three have. */
#define RNN_ATTRS                                                             \
    { "activation_alpha", MAAS_ATTR_FLOATS, false,                            \
      offsetof(rnn_attr_t, alpha) },                                          \
    { "activation_beta", MAAS_ATTR_FLOATS, false,                             \
      offsetof(rnn_attr_t, beta) },                                           \
    { "activations", MAAS_ATTR_STRINGS, false,                                \
      offsetof(rnn_attr_t, activations) },                                    \
    { "clip", MAAS_ATTR_FLOAT, false, offsetof(rnn_attr_t, clip) },           \
    { "direction", MAAS_ATTR_STRING, false,                                   \
      offsetof(rnn_attr_t, direction), 0, 0, rnn_directions },                \
    { "hidden_size", MAAS_ATTR_INT, false,                                    \
      offsetof(rnn_attr_t, hidden_size), 0, 0, NULL, 0, INT32_MAX },          \
    { "layout", MAAS_ATTR_INT, false, offsetof(rnn_attr_t, layout), 0, 0,     \
      NULL, 0, 1 }

enum {
    RNN_X, RNN_W, RNN_R, RNN_B, RNN_LENS, RNN_H0,
    RNN_C0, RNN_P                       /* LSTM */
};

typedef enum {
    RNN_RELU = 0, RNN_TANH, RNN_SIGMOID, RNN_AFFINE, RNN_LEAKY,
    RNN_THRESHOLDED, RNN_SCALED_TANH, RNN_HARD_SIGMOID, RNN_ELU,
    RNN_SOFTSIGN, RNN_SOFTPLUS, RNN_ACTS
} rnn_fn_t;

typedef struct {
    rnn_fn_t  fn;
    float     a;
    float     b;
} rnn_act_t;

/* Offsets and sizes count elements. */
typedef struct {
    rnn_cell_t  cell;
    int64_t     dirs, seq, batch, in, hid;
    int64_t     gates;                  /* hid * gates of the cell */
    int64_t     xt, xb;                 /* strides of X: time, batch */
    int64_t     yt, yb, yd;             /* of Y: time, batch, direction */
    int64_t     hb, hd;                 /* of Y_h and initial_h */
    int64_t     mb, blocks;             /* batch rows of a unit */
    int64_t     tb;                     /* steps whose inputs go together */
    int64_t     slices;                 /* of a step that threads share; 0 */
    int64_t     wsize, rsize;           /* a direction's weights, packed */
    size_t      gx, h, c, tmp, bias, w, r, total;   /* in the scratch */
    rnn_act_t   act[2][3];
} rnn_geom_t;

maas_status_t rnn_infer(maas_infer_t *c, rnn_cell_t cell);
maas_status_t rnn_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err);
bool rnn_pack(const maas_type_t *const *type, maas_pack_t *p,
    rnn_cell_t cell);
bool rnn_setup(maas_setup_t *u, rnn_cell_t cell);
double rnn_flops(const maas_setup_t *u);
maas_status_t rnn_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last, rnn_cell_t cell);

/* Between rnn_core.c and rnn_run.c. */
maas_status_t rnn_acts(const rnn_attr_t *a, rnn_cell_t cell,
    rnn_act_t act[2][3], maas_err_t *err);
/* rnn_run.c: the shared memory of a step; see there. */
size_t rnn_shared(const rnn_geom_t *g);
void rnn_geom(rnn_geom_t *g, const rnn_attr_t *a, rnn_cell_t cell,
    const maas_tensor_t *in, uint16_t n_formal);

static inline bool
rnn_has(const maas_tensor_t *in, uint16_t n_formal, int i)
{
    return i < n_formal && in[i].dtype != MAAS_NODTYPE;
}

#endif
