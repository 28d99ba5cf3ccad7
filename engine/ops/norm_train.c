/*
 * norm_train: BatchNormalization while training, and the gradients of Batch-,
 * Instance- and GroupNormalization, plain and over blocked activations.
 *
 * maas.BatchNormTrain normalises by the batch; its running variance takes the
 * unbiased one, as PyTorch's does (ONNX's training_mode: the biased one).
 *
 * The kernels are in norm_train_run.c.
 */

#include "ops/blocked.h"
#include "ops/grads.h"
#include "ops/norm_train.h"


/* -- shapes -------------------------------------------------------------- */

/* Inputs dY, X, scale, ...: the gradients of X, scale and bias. */
static maas_status_t
nt_infer_grad(maas_infer_t *c)
{
    maas_dim_t          d;
    const maas_type_t  *dy = c->in[0].type, *x = c->in[1].type;

    if (x->rank < 1 || dy->rank != x->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d and X has rank "
                        "%d, expected the same, 1 or more", dy->rank,
                        x->rank);
    }

    for (int i = 0; i < x->rank; i++) {
        MAAS_TRY(maas_infer_merge(c, dy->dims[i], x->dims[i], &d,
                                  "shapes of dY and X"));
    }

    for (int o = 1; o < c->n_out; o++) {
        maas_infer_set(c, o, x->dtype, c->in[2].type->rank,
                       c->in[2].type->dims);
    }

    return maas_infer_same(c);
}


static maas_status_t
nt_infer_batch(maas_infer_t *c)
{
    MAAS_TRY(norm_channels(c, 2, c->n_in));
    return nt_infer_grad(c);
}


static maas_status_t
nt_infer_batch16(maas_infer_t *c)
{
    return maas_blocked_out(c, nt_infer_batch(c));
}


static maas_status_t
nt_infer_group(maas_infer_t *c)
{
    const maas_type_t  *x = c->in[1].type, *scale = c->in[2].type;
    const norm_attr_t  *a = c->attr;
    const maas_dim_t    n = scale->rank == 1 ? scale->dims[0] : -1;

    if (x->rank < 2) {
        return maas_err(c->err, MAAS_EINVAL, "X has rank %d, expected 2 or "
                        "more", x->rank);
    }

    if (scale->rank != 1
        || (maas_dim_known(n) && maas_dim_known(x->dims[1])
            && n != x->dims[1] && n != a->num_groups))
    {
        return maas_err(c->err, MAAS_EINVAL, "scale has rank %d and %lld "
                        "elements, expected one for each channel or group",
                        scale->rank, (long long) n);
    }

    if (a->num_groups > 0 && maas_dim_known(x->dims[1])
        && x->dims[1] % a->num_groups != 0)
    {
        return maas_err(c->err, MAAS_EINVAL, "%lld channels do not divide "
                        "into %lld groups", (long long) x->dims[1],
                        (long long) a->num_groups);
    }

    return nt_infer_grad(c);
}


static maas_status_t
nt_infer_train(maas_infer_t *c)
{
    maas_dim_t  ch;

    if (c->in[0].type->rank < 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank 0, expected 1 or more");
    }

    MAAS_TRY(norm_channels(c, 1, 5));
    ch = c->in[1].type->dims[0];

    for (int o = 1; o < c->n_out; o++) {
        maas_infer_set(c, o, c->in[0].type->dtype, 1, &ch);
    }

    return maas_infer_same(c);
}


static maas_status_t
nt_infer_train16(maas_infer_t *c)
{
    return maas_blocked_out(c, nt_infer_train(c));
}


/* -- blocked forms ------------------------------------------------------- */

static bool
nt_blocked(const maas_node_t *n, const maas_type_t *type, const char *op,
    maas_blocked_t *b)
{
    b->op = op;
    b->first = true;
    return n->n_post == 0 && type->dtype == MAAS_F32
           && (type->rank == 3 || type->rank == 4);
}


static bool
nt_blocked_grad(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    b->in &= 3;

    if (b->in == 0) {
        return false;
    }

    b->in = 3;
    return nt_blocked(n, type[0], "BatchNormGradBlocked", b);
}


static bool
nt_blocked_train(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    b->in &= 1;
    return b->in != 0
           && nt_blocked(n, type[0], "BatchNormTrainBlocked", b);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  nt_grad_in[] = {
    NORM_T("dY"), NORM_T("X"), NORM_T("scale"), NORM_T("mean"), NORM_T("var")
};

static const maas_formal_t  nt_grad_out[] = {
    NORM_T("dX"),
    { "dScale", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "dB", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  nt_train_in[] = {
    NORM_T("X"), NORM_T("scale"), NORM_T("B"), NORM_T("input_mean"),
    NORM_T("input_var")
};

static const maas_formal_t  nt_train_out[] = {
    NORM_T("Y"),
    { "running_mean", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "running_var", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  nt_attrs[] = {
    NORM_EPSILON,
    { "momentum", MAAS_ATTR_FLOAT, false, offsetof(norm_attr_t, momentum), 0,
      0.9f },
    { "num_groups", MAAS_ATTR_INT, false, offsetof(norm_attr_t, num_groups),
      0, 0, NULL, 0, INT32_MAX },
    { "training_mode", MAAS_ATTR_INT, false,
      offsetof(norm_attr_t, training_mode), 0, 0, NULL, 0, 1 }
};

#define NT_POST  (1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY              \
                  | 1u << MAAS_POST_BINARY_SCALAR                             \
                  | 1u << MAAS_POST_BINARY_CHANNEL                            \
                  | 1u << MAAS_POST_BINARY_PLANE)

static const maas_kernel_row_t  nt_batch_kernels[] = {
    { "batchnormgrad.rows", MAAS_CPU_REF, 0, 0, nt_setup, nt_run_batch }
};

static const maas_kernel_row_t  nt_batch16_kernels[] = {
    { "batchnormgrad.c16", MAAS_CPU_REF, 0, 0, nt_setup, nt_run_batch16 }
};

static const maas_kernel_row_t  nt_frozen_kernels[] = {
    { "batchnormfrozengrad.rows", MAAS_CPU_REF, 0, 0, nt_setup,
      nt_run_frozen }
};

static const maas_kernel_row_t  nt_group_kernels[] = {
    { "groupnormgrad.rows", MAAS_CPU_REF, 0, 0, nt_setup_group,
      nt_run_group }
};

static const maas_kernel_row_t  nt_train_kernels[] = {
    { "batchnormtrain.rows", MAAS_CPU_REF, 0, 0, nt_setup, nt_run_train }
};

static const maas_kernel_row_t  nt_train16_kernels[] = {
    { "batchnormtrain.c16", MAAS_CPU_REF, 0, NT_POST, nt_setup,
      nt_run_train16 }
};

static const maas_case_t  nt_train_cases[] = {
    { "| f32[4,3,5,6] f32[3] f32[3] f32[3] f32[3]:pos", NULL },
    { "epsilon=0.01 | f32[40,7] f32[7] f32[7] f32[7] f32[7]:pos", NULL },
    { NULL, NULL }
};

static const maas_case_t  nt_train_bad[] = {
    { "| f32[2,3,5] f32[4] f32[3] f32[3] f32[3]", "channels of X" },
    { NULL, NULL }
};

static const maas_case_t  nt_group_bad[] = {
    { "num_groups=2 | f32[2,3,5] f32[2,3,5] f32[3]", "2 groups" },
    { "| f32[2,3,5] f32[2,3,5] f32[4]", "each channel" },
    { "| f32[2,3,5] f32[2,3,4] f32[3]", "shapes of dY" },
    { NULL, NULL }
};

#define NT_OP(op, ins, n, outs, shapes, list)                                 \
    .name = op, .domain = "maas", .since = 1,                                 \
    .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,                                 \
    .in = ins, .n_in = n, .out = outs, .n_out = 3,                            \
    MAAS_ATTRS(nt_attrs, norm_attr_t), .infer = shapes, MAAS_KERNELS(list)


const maas_op_t  maas_ops_norm_train[] = {

    { NT_OP("BatchNormTrain", nt_train_in, 5, nt_train_out, nt_infer_train,
            nt_train_kernels),
      .blocked = nt_blocked_train, .grad = maas_grad_batch_norm,
      .cases = nt_train_cases, .bad = nt_train_bad },

    { NT_OP("BatchNormTrainBlocked", nt_train_in, 5, nt_train_out,
            nt_infer_train16, nt_train16_kernels) },

    { NT_OP("BatchNormGrad", nt_grad_in, 3, nt_grad_out, nt_infer_batch,
            nt_batch_kernels),
      .blocked = nt_blocked_grad },

    { NT_OP("BatchNormGradBlocked", nt_grad_in, 3, nt_grad_out,
            nt_infer_batch16, nt_batch16_kernels) },

    { NT_OP("BatchNormFrozenGrad", nt_grad_in, 5, nt_grad_out,
            nt_infer_batch, nt_frozen_kernels) },

    { NT_OP("GroupNormGrad", nt_grad_in, 3, nt_grad_out, nt_infer_group,
            nt_group_kernels),
      .bad = nt_group_bad },

    { .name = NULL }
};


/* -- gradients ----------------------------------------------------------- */

static maas_status_t
nt_emit(maas_grad_t *c, const char *op, int n_in)
{
    maas_vid_t  out[3];
    maas_vid_t  in[] = { c->dout[0], c->n->in[0], c->n->in[1],
                         maas_grad_in(c, 3), maas_grad_in(c, 4) };

    for (int i = 1; i < c->n->n_out; i++) {
        if (c->dout[i] != MAAS_NOVAL) {
            return maas_err(c->err, MAAS_EUNSUPPORTED, "running statistics "
                            "have no gradient");
        }
    }

    maas_grad_emit_same(c, "maas", op, in, n_in, out, 3);

    for (int i = 0; i < 3; i++) {
        c->din[i] = out[i];
    }

    return c->rc;
}


maas_status_t
maas_grad_batch_norm(maas_grad_t *c)
{
    bool                train = strcmp(c->n->op->domain, "maas") == 0;
    const norm_attr_t  *a = c->attr;

    train = train || a->training_mode;

    return train ? nt_emit(c, "BatchNormGrad", 3)
                 : nt_emit(c, "BatchNormFrozenGrad", 5);
}


/* Instance- and GroupNormalization; the former has no groups. */
maas_status_t
maas_grad_group_norm(maas_grad_t *c)
{
    return nt_emit(c, "GroupNormGrad", 3);
}
