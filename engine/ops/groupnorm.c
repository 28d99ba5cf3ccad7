/*
 * GroupNormalization-21 and RMSNormalization-23, which ONNX Runtime knew as
 * SimplifiedLayerNormalization of ONNX's domain, at every opset.
 *
 * The channels of a group lie together, so its mean and variance are those
 * of one row.  Opset 18 had a scale and a bias for each group, 21 has them
 * for each channel: the length tells which, and where both are the same
 * number they mean the same.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/norm.h"


/* -- GroupNormalization -------------------------------------------------- */

static maas_status_t
gn_params(maas_infer_t *c, int i, const char *name)
{
    maas_dim_t          n, ch = c->in[0].type->dims[1];
    const norm_attr_t  *a = c->attr;
    const maas_type_t  *t = c->in[i].type;

    n = t->rank == 1 ? t->dims[0] : -1;

    if (t->rank == 1 && (!maas_dim_known(n) || !maas_dim_known(ch) || n == ch
                         || n == a->num_groups))
    {
        return MAAS_OK;
    }

    return maas_err(c->err, MAAS_EINVAL, "%s has rank %d and %lld elements; "
                    "expected one for each channel (%lld)", name, t->rank,
                    (long long) n,
                    (long long) (maas_dim_known(ch) ? ch : -1));
}


static maas_status_t
gn_infer(maas_infer_t *c)
{
    const maas_type_t  *x = c->in[0].type;
    const norm_attr_t  *a = c->attr;

    if (x->rank < 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank %d, expected 2 or more", x->rank);
    }

    if (maas_dim_known(x->dims[1]) && x->dims[1] % a->num_groups != 0) {
        return maas_err(c->err, MAAS_EINVAL, "%lld channels do not divide "
                        "into %lld groups", (long long) x->dims[1],
                        (long long) a->num_groups);
    }

    MAAS_TRY(gn_params(c, 1, "scale"));
    MAAS_TRY(gn_params(c, 2, "bias"));

    return maas_infer_same(c);
}


static bool
gn_setup(maas_setup_t *u)
{
    const norm_attr_t  *a = u->attr;

    u->units = maas_max(u->in[0].dims[0] * a->num_groups, 1);
    u->cost = 100 + (double) u->in[0].bytes / 4;
    return true;
}


/* Element of a parameter of channel c in group g. */
static double
gn_param(const maas_step_t *s, int i, int64_t g, int64_t c)
{
    return norm_at(&s->in[i],
                   maas_tensor_count(&s->in[i]) == s->in[0].dims[1] ? c : g);
}


static void
gn_group_f32(const maas_step_t *s, int64_t u, int64_t n, int64_t hw)
{
    float               *y = (float *) s->out[0].data + u * n;
    float                mean, inv;
    int64_t              c, g;
    const float         *x = (const float *) s->in[0].data + u * n;
    const norm_attr_t   *a = s->attr;

    g = u % a->num_groups;
    mean = s->k->reduce[MAAS_R_SUM](x, n) / (float) n;
    s->k->unary[MAAS_U_AFFINE](y, x, n, 1, -mean);
    inv = 1 / sqrtf(s->k->reduce[MAAS_R_SUMSQ](y, n) / (float) n
                    + a->epsilon);

    for (int64_t i = 0; i < n / hw; i++) {
        c = g * (n / hw) + i;
        s->k->unary[MAAS_U_AFFINE](y + i * hw, y + i * hw, hw,
                                   (float) gn_param(s, 1, g, c) * inv,
                                   (float) gn_param(s, 2, g, c));
    }
}


static void
gn_group_f64(const maas_step_t *s, int64_t u, int64_t n, int64_t hw)
{
    double              *y = (double *) s->out[0].data + u * n;
    double               d, mean = 0, var = 0;
    int64_t              c, g;
    const double        *x = (const double *) s->in[0].data + u * n;
    const norm_attr_t   *a = s->attr;

    g = u % a->num_groups;

    for (int64_t i = 0; i < n; i++) {
        mean += x[i] / (double) n;
    }

    for (int64_t i = 0; i < n; i++) {
        d = x[i] - mean;
        var += d * d / (double) n;
    }

    var = 1 / sqrt(var + (double) a->epsilon);

    for (int64_t i = 0; i < n; i++) {
        c = g * (n / hw) + i / hw;
        y[i] = (x[i] - mean) * var * gn_param(s, 1, g, c)
               + gn_param(s, 2, g, c);
    }
}


static maas_status_t
gn_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t               n, hw;
    const norm_attr_t    *a = s->attr;
    const maas_tensor_t  *x = &s->in[0];

    (void) slot;

    if (maas_tensor_count(x) == 0) {
        return MAAS_OK;
    }

    hw = maas_dims_count(x->dims + 2, x->rank - 2);
    n = x->dims[1] / a->num_groups * hw;

    for (int64_t u = first; u < last; u++) {
        if (x->dtype == MAAS_F32) {
            gn_group_f32(s, u, n, hw);

        } else {
            gn_group_f64(s, u, n, hw);
        }
    }

    return MAAS_OK;
}


/* -- RMSNormalization ---------------------------------------------------- */

static maas_status_t
rms_infer(maas_infer_t *c)
{
    int                 axis;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[0].type;
    const norm_attr_t  *a = c->attr;

    MAAS_TRY(maas_axis(a->axis, x->rank, &axis, c->err));
    MAAS_TRY(norm_broadcasts(c, 1));

    for (int i = 0; i < x->rank; i++) {
        dims[i] = i < axis ? x->dims[i] : 1;
    }

    if (c->n_out > 1) {
        maas_infer_set(c, 1, MAAS_F32, x->rank, dims);
    }

    return maas_infer_same(c);
}


static bool
rms_setup(maas_setup_t *u)
{
    int64_t  rows, n, per;

    norm_rows(u->attr, &u->in[0], &rows, &n);
    per = maas_max(4096 / maas_max(n, 1), 1);
    u->units = maas_max((rows + per - 1) / per, 1);
    u->cost = 50 + (double) u->in[0].bytes / 8;
    return true;
}


static double
rms_row(const maas_step_t *s, int64_t u, int64_t n)
{
    double              v, sum = 0;
    const norm_attr_t  *a = s->attr;

    for (int64_t i = u * n; i < (u + 1) * n; i++) {
        v = norm_at(&s->in[0], i);
        sum += v * v;
    }

    sum = 1 / sqrt(sum / (double) n + (double) a->epsilon);

    for (int64_t i = u * n; i < (u + 1) * n; i++) {
        norm_put(&s->out[0], i, norm_at(&s->in[0], i) * sum
                 * norm_at(&s->in[1], norm_param(&s->in[0], &s->in[1], i)));
    }

    return sum;
}


static maas_status_t
rms_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    bool                fast;
    float              *y = s->out[0].data, inv;
    int64_t             rows, n, per;
    const float        *x = s->in[0].data;
    const norm_attr_t  *a = s->attr;

    (void) slot;

    norm_rows(a, &s->in[0], &rows, &n);

    if (maas_tensor_count(&s->in[0]) == 0) {
        return MAAS_OK;
    }

    per = maas_max(4096 / n, 1);
    fast = s->in[0].dtype == MAAS_F32 && maas_tensor_count(&s->in[1]) == n;

    for (int64_t u = first * per; u < maas_min(last * per, rows); u++) {
        if (fast) {
            inv = s->k->reduce[MAAS_R_SUMSQ](x + u * n, n) / (float) n;
            inv = 1 / sqrtf(inv + a->epsilon);
            s->k->unary[MAAS_U_AFFINE](y + u * n, x + u * n, n, inv, 0);
            s->k->binary[MAAS_B_MUL](y + u * n, y + u * n, 1, s->in[1].data,
                                     1, n);

        } else {
            inv = (float) rms_row(s, u, n);
        }

        if (s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE
            && s->out[1].data != NULL)
        {
            ((float *) s->out[1].data)[u] = inv;
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define NORM_T(name)  { name, MAAS_D_FLOAT, 'T', 0 }

static const maas_formal_t  gn_in[] = {
    NORM_T("X"), NORM_T("scale"), NORM_T("bias")
};

static const maas_formal_t  gn_out[] = { NORM_T("Y") };

static const maas_formal_t  rms_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 }, { "scale", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  rms_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', 0 }, { "InvStdDev", MAAS_D(F32), 0, MAAS_OPT }
};

#define NORM_EPSILON                                                          \
    { "epsilon", MAAS_ATTR_FLOAT, false, offsetof(norm_attr_t, epsilon), 0,   \
      1e-5f }
#define NORM_STASH                                                            \
    { "stash_type", MAAS_ATTR_INT, false, offsetof(norm_attr_t, stash_type),  \
      1, 0, NULL, 0, 16 }

static const maas_attr_row_t  gn_attrs[] = {
    NORM_EPSILON,
    { "num_groups", MAAS_ATTR_INT, true, offsetof(norm_attr_t, num_groups), 0,
      0, NULL, 1, INT32_MAX },
    NORM_STASH
};

static const maas_attr_row_t  rms_attrs[] = {
    { "axis", MAAS_ATTR_INT, false, offsetof(norm_attr_t, axis), -1 },
    NORM_EPSILON,
    NORM_STASH
};

static const maas_kernel_row_t  gn_kernels[] = {
    { "groupnorm", MAAS_CPU_REF, 0, 0, gn_setup, gn_run }
};

static const maas_kernel_row_t  rms_kernels[] = {
    { "rmsnorm", MAAS_CPU_REF, 1, 0, rms_setup, rms_run }
};

static const maas_kernel_row_t  simplified_kernels[] = {
    { "simplifiednorm", MAAS_CPU_REF, 1, 0, rms_setup, rms_run }
};

static const maas_case_t  gn_cases[] = {
    { "num_groups=2 | f32[2,6,5,7] f32[6] f32[6]", NULL },
    { "num_groups=2 | f32[2,6,5,7] =f32[2] =f32[2]", NULL },
    { "num_groups=3 epsilon=0.1 | f64[2,6,5] f64[6] f64[6]", NULL },
    { "num_groups=1 | f32[4,17] f32[17] f32[17]", NULL },
    { "num_groups=4 | f16[1,4,3,3,3] f16[4] f16[4]", NULL },
    { "num_groups=2 | f32[0,4,3] f32[4] f32[4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gn_bad[] = {
    { "num_groups=4 | f32[2,6,5] f32[6] f32[6]", "6 channels do not divide" },
    { "num_groups=2 | f32[2,6,5] f32[3] f32[6]", "scale has rank 1 and 3" },
    { "num_groups=0 | f32[2,6,5] f32[6] f32[6]", "num_groups" },
    { "num_groups=1 | f32[6] f32[6] f32[6]", "expected 2 or more" },
    { NULL, NULL }
};

static const maas_case_t  rms_cases[] = {
    { "| f32[2,5,33] =f32[33]", NULL },
    { "axis=1 epsilon=0.1 | f32[2,3,4] f32[3,4]", NULL },
    { "axis=-2 | f32[2,3,4] f32[1]", NULL },
    { "| f64[3,7] f64[7]", NULL },
    { "| bf16[3,7] bf16[7]", NULL },
    { "| f32[0,4] f32[4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  rms_bad[] = {
    { "axis=3 | f32[2,3] f32[3]", "axis" },
    { "| f32[2,3] f32[4]", "does not broadcast" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_groupnorm[] = {
    {
        .name = "GroupNormalization", .domain = "", .since = 21, .first = 18,
        .flags = MAAS_OP_PURE,
        MAAS_IO(gn_in, gn_out),
        MAAS_ATTRS(gn_attrs, norm_attr_t),
        .infer = gn_infer,
        MAAS_KERNELS(gn_kernels),
        .grad = maas_grad_group_norm,
        .cases = gn_cases, .bad = gn_bad
    },
    {
        .name = "RMSNormalization", .domain = "", .since = 23, .first = 23,
        .flags = MAAS_OP_PURE,
        MAAS_IO(rms_in, rms_out),
        MAAS_ATTRS(rms_attrs, norm_attr_t),
        .infer = rms_infer,
        MAAS_KERNELS(rms_kernels),
        .cases = rms_cases, .bad = rms_bad
    },
    {
        .name = "SimplifiedLayerNormalization", .domain = "", .since = 1,
        .first = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(rms_in, rms_out),
        MAAS_ATTRS(rms_attrs, norm_attr_t),
        .infer = rms_infer,
        MAAS_KERNELS(simplified_kernels),
        .cases = rms_cases, .bad = rms_bad
    },
    { .name = NULL }
};
