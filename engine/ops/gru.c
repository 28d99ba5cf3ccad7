/*
 * GRU-14, gates z, r, h; linear_before_reset says which product r gates.
 * The work is in rnn_core.c and rnn_run.c.
 *
 * maas.GRUTrain is the same with a fourth output, which the gradient reads:
 * gates [seq, directions, batch, 4 hidden] after their functions, in the
 * order of a direction's steps, and behind them what r multiplies, with
 * linear_before_reset; 0 behind the end of a row.  The third is not made.
 */

#include "ops/grads.h"
#include "ops/rnn_core.h"


static maas_status_t
gru_op_infer(maas_infer_t *c)
{
    return rnn_infer(c, RNN_CELL_GRU);
}


static bool
gru_op_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    (void) n;
    return rnn_pack(type, p, RNN_CELL_GRU);
}


static bool
gru_op_setup(maas_setup_t *u)
{
    return rnn_setup(u, RNN_CELL_GRU);
}


static maas_status_t
gru_op_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return rnn_run(s, slot, first, last, RNN_CELL_GRU);
}


static const maas_formal_t  gru_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 },
    { "R", MAAS_D_FLOAT, 'T', 0 },
    { "B", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "sequence_lens", MAAS_D(I32), 0, MAAS_OPT },
    { "initial_h", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  gru_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "Y_h", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  gru_train_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "Y_h", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "none", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "gates", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  gru_attrs[] = {
    RNN_ATTRS,
    { "linear_before_reset", MAAS_ATTR_INT, false,
      offsetof(rnn_attr_t, linear_before_reset), 0, 0, NULL, 0, 1 }
};

static const maas_kernel_row_t  gru_kernels[] = {
    { "gru.steps", MAAS_CPU_REF, 0, 0, gru_op_setup, gru_op_run }
};

static const maas_case_t  gru_cases[] = {
    { "hidden_size=5 | f32[3,2,4] =f32[1,15,4] =f32[1,15,5]", NULL },
    { "direction=bidirectional linear_before_reset=1 | f32[7,3,9] "
      "=f32[2,51,9] =f32[2,51,17] =f32[2,102] i32[3]{7,2,0} f32[2,3,17]",
      NULL },
    { "layout=1 direction=reverse clip=0.5 | f32[2,3,4] f32[1,15,4] "
      "f32[1,15,5] f32[1,30]", NULL },
    { "| f64[3,2,4] f64[1,15,4] f64[1,15,5]", NULL },
    { "linear_before_reset=1 | f64[3,2,4] f64[1,15,4] f64[1,15,5]", NULL },
    { "direction=bidirectional > 2 | f32[4,3,2] f32[2,9,2] f32[2,9,3] "
      "f32[2,18] i32[3]{4,0,1} f32[2,3,3]", NULL },
    { "layout=1 direction=reverse > 2 | f32[3,4,2] f32[1,9,2] f32[1,9,3] "
      "f32[1,18] - f32[3,1,3]", NULL },
    { "direction=bidirectional linear_before_reset=1 > 2 | f32[4,3,2] "
      "f32[2,9,2] f32[2,9,3] f32[2,18] - f32[2,3,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gru_train_cases[] = {
    { "hidden_size=5 > 4 | f32[3,2,4] =f32[1,15,4] =f32[1,15,5]", NULL },
    { "direction=bidirectional linear_before_reset=1 > 4 | f32[7,3,9] "
      "=f32[2,51,9] =f32[2,51,17] =f32[2,102] i32[3]{7,2,0} f32[2,3,17]",
      NULL },
    { "direction=reverse > 4 | f64[5,19,3] f64[1,9,3] f64[1,9,3] f64[1,18]",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  gru_bad[] = {
    { "| f32[3,2,4] f32[1,5,4] f32[1,5,5]", "W" },
    { "activations=[\"Tanh\"] | f32[3,2,4] f32[1,15,4] f32[1,15,5]",
      "activations has 1 values, expected 2" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_gru[] = {
    {
        .name = "GRU", .domain = "", .since = 14,
        .flags = MAAS_OP_PURE,
        MAAS_IO(gru_in, gru_out),
        MAAS_ATTRS(gru_attrs, rnn_attr_t),
        .upgrade = rnn_upgrade, .first = 6,
        .infer = gru_op_infer,
        MAAS_KERNELS(gru_kernels),
        .pack = gru_op_pack, .flops = rnn_flops,
        .grad = maas_grad_rnn,
        .cases = gru_cases, .bad = gru_bad
    },
    {
        .name = "GRUTrain", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(gru_in, gru_train_out),
        MAAS_ATTRS(gru_attrs, rnn_attr_t),
        .infer = gru_op_infer,
        MAAS_KERNELS(gru_kernels),
        .pack = gru_op_pack, .flops = rnn_flops,
        .cases = gru_train_cases, .bad = gru_bad
    },
    { .name = NULL }
};
