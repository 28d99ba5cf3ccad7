/*
 * LSTM-14, gates i, o, f, c, with peepholes and coupled input and forget.
 * The work is in rnn_core.c and rnn_run.c.
 *
 * maas.LSTMTrain is the same with a fourth output, which the gradient reads:
 * gates [seq, directions, batch, 4 hidden] after their functions, in the
 * order of a direction's steps; 0 behind the end of a row.
 */

#include "ops/grads.h"
#include "ops/rnn_core.h"


static maas_status_t
lstm_op_infer(maas_infer_t *c)
{
    return rnn_infer(c, RNN_CELL_LSTM);
}


static bool
lstm_op_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    (void) n;
    return rnn_pack(type, p, RNN_CELL_LSTM);
}


static bool
lstm_op_setup(maas_setup_t *u)
{
    return rnn_setup(u, RNN_CELL_LSTM);
}


static maas_status_t
lstm_op_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return rnn_run(s, slot, first, last, RNN_CELL_LSTM);
}


static const maas_formal_t  lstm_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 },
    { "R", MAAS_D_FLOAT, 'T', 0 },
    { "B", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "sequence_lens", MAAS_D(I32), 0, MAAS_OPT },
    { "initial_h", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "initial_c", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "P", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  lstm_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "Y_h", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "Y_c", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  lstm_train_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "Y_h", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "Y_c", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "gates", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  lstm_attrs[] = {
    RNN_ATTRS,
    { "input_forget", MAAS_ATTR_INT, false,
      offsetof(rnn_attr_t, input_forget), 0, 0, NULL, 0, 1 }
};

static const maas_kernel_row_t  lstm_kernels[] = {
    { "lstm.steps", MAAS_CPU_REF, 0, 0, lstm_op_setup, lstm_op_run }
};

static const maas_case_t  lstm_cases[] = {
    { "hidden_size=5 | f32[3,2,4] =f32[1,20,4] =f32[1,20,5]", NULL },
    { "direction=bidirectional | f32[7,3,9] =f32[2,68,9] =f32[2,68,17] "
      "=f32[2,136] i32[3]{7,2,0} f32[2,3,17] f32[2,3,17] f32[2,51]", NULL },
    { "layout=1 direction=reverse clip=0.5 input_forget=1 | f32[2,3,4] "
      "f32[1,20,4] f32[1,20,5] f32[1,40]", NULL },
    { "| f32[40,1,16] =f32[1,128,16] =f32[1,128,32]", NULL },
    { "| f64[3,2,4] f64[1,20,4] f64[1,20,5]", NULL },
    { "direction=bidirectional > 3 | f32[4,3,2] f32[2,12,2] f32[2,12,3] "
      "f32[2,24] - f32[2,3,3] f32[2,3,3]", NULL },
    { "direction=reverse | f32[5,19,3] f32[1,12,3] f32[1,12,3] f32[1,24]",
      NULL },
    { "direction=bidirectional > 3 | f32[4,3,2] f32[2,12,2] f32[2,12,3] "
      "f32[2,24] i32[3]{4,0,1} f32[2,3,3] f32[2,3,3]", NULL },
    { "layout=1 direction=bidirectional > 3 | f32[3,4,2] f32[2,12,2] "
      "f32[2,12,3] f32[2,24] i32[3]{4,2,3} f32[3,2,3] f32[3,2,3] f32[2,9]",
      NULL },
    { "> 3 | f32[3,18,2] f32[1,12,2] f32[1,12,3] f32[1,24] "
      "i32[18]{3,2,1,3,3,3,2,2,1,1,2,3,1,2,3,3,2,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  lstm_train_cases[] = {
    { "hidden_size=5 > 4 | f32[3,2,4] =f32[1,20,4] =f32[1,20,5]", NULL },
    { "direction=bidirectional > 4 | f32[7,3,9] =f32[2,68,9] =f32[2,68,17] "
      "=f32[2,136] i32[3]{7,2,0} f32[2,3,17] f32[2,3,17]", NULL },
    { "direction=reverse > 4 | f64[5,19,3] f64[1,12,3] f64[1,12,3] "
      "f64[1,24]", NULL },
    { NULL, NULL }
};

static const maas_case_t  lstm_bad[] = {
    { "| f32[3,2,4] f32[1,20,4] f32[1,20,5] - - - - f32[1,14]", "P" },
    { "| f32[3,2,4] f32[1,20,4] f32[1,20,5] - - f32[1,2,4]", "initial_h" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_lstm[] = {
    {
        .name = "LSTM", .domain = "", .since = 14,
        .flags = MAAS_OP_PURE,
        MAAS_IO(lstm_in, lstm_out),
        MAAS_ATTRS(lstm_attrs, rnn_attr_t),
        .upgrade = rnn_upgrade, .first = 6,
        .infer = lstm_op_infer,
        MAAS_KERNELS(lstm_kernels),
        .pack = lstm_op_pack, .flops = rnn_flops,
        .grad = maas_grad_rnn,
        .cases = lstm_cases, .bad = lstm_bad
    },
    {
        .name = "LSTMTrain", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(lstm_in, lstm_train_out),
        MAAS_ATTRS(lstm_attrs, rnn_attr_t),
        .infer = lstm_op_infer,
        MAAS_KERNELS(lstm_kernels),
        .pack = lstm_op_pack, .flops = rnn_flops,
        .cases = lstm_train_cases, .bad = lstm_bad
    },
    { .name = NULL }
};
