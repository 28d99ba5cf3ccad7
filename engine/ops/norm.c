/*
 * InstanceNormalization-6, LayerNormalization-17.
 *
 * float32 uses the kernel table; float64 plain loops.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/norm.h"


/* -- InstanceNormalization ----------------------------------------------- */

static maas_status_t
in_infer(maas_infer_t *c)
{
    if (c->in[0].type->rank < 3) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank %d, expected 3 or more",
                        c->in[0].type->rank);
    }

    MAAS_TRY(norm_channels(c, 1, 3));
    return maas_infer_same(c);
}


static bool
in_setup(maas_setup_t *u)
{
    norm_geom_t  g;

    norm_geom(&g, &u->in[0]);
    u->units = maas_max(g.n * g.c, 1);
    u->cost = (double) u->in[0].bytes / 4;
    return true;
}


static void
in_plane_f32(const maas_step_t *s, int64_t u, int64_t c, int64_t n)
{
    float               *y = (float *) s->out[0].data + u * n;
    float                mean, var, scale;
    const float         *x = (const float *) s->in[0].data + u * n;
    const norm_attr_t   *a = s->attr;

    mean = s->k->reduce[MAAS_R_SUM](x, n) / (float) n;
    s->k->unary[MAAS_U_AFFINE](y, x, n, 1, -mean);
    var = s->k->reduce[MAAS_R_SUMSQ](y, n) / (float) n;
    scale = ((const float *) s->in[1].data)[c] / sqrtf(var + a->epsilon);
    s->k->unary[MAAS_U_AFFINE](y, y, n, scale,
                               ((const float *) s->in[2].data)[c]);
}


static void
in_plane_f64(const maas_step_t *s, int64_t u, int64_t c, int64_t n)
{
    double              *y = (double *) s->out[0].data + u * n;
    double               mean = 0, var = 0, scale;
    int64_t              i;
    const double        *x = (const double *) s->in[0].data + u * n;
    const norm_attr_t   *a = s->attr;

    for (i = 0; i < n; i++) {
        mean += x[i];
    }

    mean /= (double) n;

    for (i = 0; i < n; i++) {
        var += (x[i] - mean) * (x[i] - mean);
    }

    scale = norm_at(&s->in[1], c)
            / sqrt(var / (double) n + (double) a->epsilon);

    for (i = 0; i < n; i++) {
        y[i] = (x[i] - mean) * scale + norm_at(&s->in[2], c);
    }
}


static maas_status_t
in_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    norm_geom_t  g;

    (void) slot;

    norm_geom(&g, &s->in[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    for (int64_t u = first; u < last; u++) {
        if (s->in[0].dtype == MAAS_F32) {
            in_plane_f32(s, u, u % g.c, g.hw);

        } else {
            in_plane_f64(s, u, u % g.c, g.hw);
        }
    }

    return MAAS_OK;
}


/* -- LayerNormalization -------------------------------------------------- */

/* Scale and B must broadcast to X in one direction. */
maas_status_t
norm_broadcasts(maas_infer_t *c, int i)
{
    int                 d;
    char                text[2][MAAS_DIMS_TEXT];
    const maas_type_t  *x = c->in[0].type, *p = c->in[i].type;

    for (d = 1; d <= p->rank; d++) {
        if (d > x->rank
            || (p->dims[p->rank - d] != 1
                && maas_dim_known(p->dims[p->rank - d])
                && maas_dim_known(x->dims[x->rank - d])
                && p->dims[p->rank - d] != x->dims[x->rank - d]))
        {
            return maas_err(c->err, MAAS_EINVAL,
                            "input %d of shape %s does not broadcast to X "
                            "of shape %s", i,
                            maas_dims_text(text[0], p->dims, p->rank),
                            maas_dims_text(text[1], x->dims, x->rank));
        }
    }

    return MAAS_OK;
}


static maas_status_t
ln_infer(maas_infer_t *c)
{
    int                 i, o, axis;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[0].type;
    const norm_attr_t  *a = c->attr;

    MAAS_TRY(maas_axis(a->axis, x->rank, &axis, c->err));
    MAAS_TRY(norm_broadcasts(c, 1));

    if (maas_infer_has(c, 2)) {
        MAAS_TRY(norm_broadcasts(c, 2));
    }

    for (i = 0; i < x->rank; i++) {
        dims[i] = i < axis ? x->dims[i] : 1;
    }

    for (o = 1; o < c->n_out; o++) {
        maas_infer_set(c, o, MAAS_F32, x->rank, dims);
    }

    return maas_infer_same(c);
}


static bool
ln_setup(maas_setup_t *u)
{
    int64_t  rows, n;

    norm_rows(u->attr, &u->in[0], &rows, &n);
    u->units = maas_max(rows, 1);
    u->cost = (double) u->in[0].bytes / 4;
    return true;
}


static void
ln_row(const maas_step_t *s, int64_t u, int64_t n, double *mean, double *inv)
{
    double                v, var = 0;
    int64_t               i;
    const maas_tensor_t  *b = NULL;
    const norm_attr_t    *a = s->attr;

    if (s->n_formal > 2 && s->in[2].dtype != MAAS_NODTYPE) {
        b = &s->in[2];
    }

    *mean = 0;

    for (i = u * n; i < (u + 1) * n; i++) {
        *mean += norm_at(&s->in[0], i);
    }

    *mean /= (double) n;

    for (i = u * n; i < (u + 1) * n; i++) {
        v = norm_at(&s->in[0], i) - *mean;
        var += v * v;
    }

    *inv = 1 / sqrt(var / (double) n + (double) a->epsilon);

    for (i = u * n; i < (u + 1) * n; i++) {
        v = (norm_at(&s->in[0], i) - *mean) * *inv
            * norm_at(&s->in[1], norm_param(&s->in[0], &s->in[1], i));
        v += b != NULL ? norm_at(b, norm_param(&s->in[0], b, i)) : 0;
        norm_put(&s->out[0], i, v);
    }
}


static maas_status_t
ln_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    bool               fast, has_b;
    float              stat[2];
    double             mean, inv;
    int64_t            u, n, rows;
    const norm_attr_t  *a = s->attr;

    (void) slot;

    norm_rows(a, &s->in[0], &rows, &n);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    has_b = s->n_formal > 2 && s->in[2].dtype != MAAS_NODTYPE;
    fast = s->in[0].dtype == MAAS_F32 && maas_tensor_count(&s->in[1]) == n
           && (!has_b || maas_tensor_count(&s->in[2]) == n);

    for (u = first; u < last; u++) {
        if (fast) {
            s->k->layer_norm((float *) s->out[0].data + u * n,
                             (const float *) s->in[0].data + u * n,
                             s->in[1].data, has_b ? s->in[2].data : NULL, n,
                             a->epsilon, &stat[0], &stat[1]);

        } else {
            ln_row(s, u, n, &mean, &inv);
            stat[0] = (float) mean;
            stat[1] = (float) inv;
        }

        for (int o = 1; o < s->n_out; o++) {
            if (s->out[o].dtype != MAAS_NODTYPE && s->out[o].data != NULL) {
                ((float *) s->out[o].data)[u] = stat[o - 1];
            }
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  in_in[] = {
    NORM_T("input"), NORM_T("scale"), NORM_T("B")
};

static const maas_formal_t  ln_in[] = {
    NORM_T("X"), NORM_T("Scale"), { "B", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  ln_out[] = {
    NORM_T("Y"),
    { "Mean", MAAS_D(F32), 0, MAAS_OPT },
    { "InvStdDev", MAAS_D(F32), 0, MAAS_OPT }
};

static const maas_formal_t  norm_out[] = { NORM_T("Y") };

static const maas_attr_row_t  in_attrs[] = { NORM_EPSILON };

static const maas_attr_row_t  ln_attrs[] = {
    { "axis", MAAS_ATTR_INT, false, offsetof(norm_attr_t, axis), -1 },
    NORM_EPSILON,
    { "stash_type", MAAS_ATTR_INT, false, offsetof(norm_attr_t, stash_type),
      1, 0, NULL, 0, 1 }
};

static const maas_kernel_row_t  in_kernels[] = {
    { "instancenorm", MAAS_CPU_REF, 0, 0, in_setup, in_run }
};

static const maas_kernel_row_t  ln_kernels[] = {
    { "layernorm", MAAS_CPU_REF, 0, 0, ln_setup, ln_run }
};

static const maas_case_t  in_cases[] = {
    { "| f32[2,3,5,7] f32[3] f32[3]", NULL },
    { "epsilon=0.01 | f32[1,5,33] =f32[5] =f32[5]", NULL },
    { "| f64[2,3,5] f64[3] f64[3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  in_bad[] = {
    { "| f32[2,3,5] f32[4] f32[3]", "channels of X" },
    { "| f32[2,3] f32[3] f32[3]", "expected 3 or more" },
    { NULL, NULL }
};

static const maas_case_t  ln_cases[] = {
    { "| f32[2,5,33] =f32[33] =f32[33]", NULL },
    { "axis=1 epsilon=0.1 | f32[2,3,4] f32[3,4]", NULL },
    { "axis=0 | f32[2,3] f32[2,3] f32[3]", NULL },
    { "axis=-2 | f32[2,3,4] f32[1] f32[3,1]", NULL },
    { "| f32[0,4] f32[4] f32[4]", NULL },
    { "| f64[3,7] f64[7] f64[7]", NULL },
    { NULL, NULL }
};

static const maas_case_t  ln_bad[] = {
    { "axis=3 | f32[2,3] f32[3]", "axis" },
    { "| f32[2,3] f32[4]", "does not broadcast" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_norm[] = {
    {
        .name = "InstanceNormalization", .domain = "", .since = 6,
        .flags = MAAS_OP_PURE,
        MAAS_IO(in_in, norm_out),
        MAAS_ATTRS(in_attrs, norm_attr_t),
        .infer = in_infer,
        MAAS_KERNELS(in_kernels),
        .grad = maas_grad_group_norm,
        .cases = in_cases, .bad = in_bad
    },
    {
        .name = "LayerNormalization", .domain = "", .since = 17,
        .flags = MAAS_OP_PURE,
        MAAS_IO(ln_in, ln_out),
        MAAS_ATTRS(ln_attrs, norm_attr_t),
        .infer = ln_infer,
        MAAS_KERNELS(ln_kernels),
        .grad = maas_grad_layer_norm,
        .cases = ln_cases, .bad = ln_bad
    },
    { .name = NULL }
};
