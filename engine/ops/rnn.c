/*
 * RNN-14: H = f(X W + H R + biases).  The work is in rnn_core.c, rnn_run.c.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include "ops/grads.h"
#include "ops/rnn_core.h"


static maas_status_t
rnn_op_infer(maas_infer_t *c)
{
    return rnn_infer(c, RNN_CELL_RNN);
}


static bool
rnn_op_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    (void) n;
    return rnn_pack(type, p, RNN_CELL_RNN);
}


static bool
rnn_op_setup(maas_setup_t *u)
{
    return rnn_setup(u, RNN_CELL_RNN);
}


static maas_status_t
rnn_op_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return rnn_run(s, slot, first, last, RNN_CELL_RNN);
}


static const maas_formal_t  rnn_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 },
    { "R", MAAS_D_FLOAT, 'T', 0 },
    { "B", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "sequence_lens", MAAS_D(I32), 0, MAAS_OPT },
    { "initial_h", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  rnn_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "Y_h", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  rnn_attrs[] = { RNN_ATTRS };

static const maas_kernel_row_t  rnn_kernels[] = {
    { "rnn.steps", MAAS_CPU_REF, 0, 0, rnn_op_setup, rnn_op_run }
};

static const maas_case_t  rnn_cases[] = {
    { "direction=bidirectional > 2 | f32[4,3,2] f32[2,3,2] f32[2,3,3] "
      "f32[2,6] i32[3]{2,0,4} f32[2,3,3]", NULL },
    { "hidden_size=5 | f32[3,2,4] =f32[1,5,4] =f32[1,5,5]", NULL },
    { "hidden_size=17 direction=bidirectional clip=0.5 | f32[7,3,9] "
      "=f32[2,17,9] =f32[2,17,17] =f32[2,34] i32[3]{7,2,0} f32[2,3,17]",
      NULL },
    { "layout=1 activations=[\"Relu\"] | f32[2,3,4] f32[1,5,4] f32[1,5,5] "
      "- - f32[2,1,5]", NULL },
    { "direction=reverse | f64[3,2,4] f64[1,5,4] f64[1,5,5]", NULL },
    { "direction=bidirectional > 2 | f32[4,18,2] f32[2,3,2] f32[2,3,3] "
      "f32[2,6] - f32[2,18,3]", NULL },
    { "activations=[\"Relu\"] | f32[3,2,4] f32[1,5,4] f32[1,5,5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  rnn_bad[] = {
    { "hidden_size=4 | f32[3,2,4] f32[1,5,4] f32[1,5,5]", "hidden_size" },
    { "| f32[3,2,4] f32[1,5,3] f32[1,5,5]", "W" },
    { "| f32[3,2] f32[1,5,3] f32[1,5,5]", "expected 3" },
    { "activations=[\"Foo\"] | f32[3,2,4] f32[1,5,4] f32[1,5,5]",
      "'Foo' is unknown" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_rnn[] = {
    {
        .name = "RNN", .domain = "", .since = 14,
        .flags = MAAS_OP_PURE,
        MAAS_IO(rnn_in, rnn_out),
        MAAS_ATTRS(rnn_attrs, rnn_attr_t),
        .upgrade = rnn_upgrade, .first = 6,
        .infer = rnn_op_infer,
        MAAS_KERNELS(rnn_kernels),
        .pack = rnn_op_pack, .flops = rnn_flops,
        .grad = maas_grad_rnn,
        .cases = rnn_cases, .bad = rnn_bad
    },
    { .name = NULL }
};
