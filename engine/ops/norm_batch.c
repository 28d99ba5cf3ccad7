/*
 * BatchNormalization-15, plain and over blocked activations.
 *
 * float32 is an affine map of the kernel table, float64 plain loops; with
 * training_mode the batch's statistics and the running ones are computed.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/grads.h"
#include "ops/norm.h"


static maas_status_t
bn_infer(maas_infer_t *c)
{
    int                 o;
    maas_dim_t          ch;
    const maas_type_t  *x = c->in[0].type;
    const norm_attr_t  *a = c->attr;

    if (x->rank < 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank 0, expected 1 or more");
    }

    MAAS_TRY(norm_channels(c, 1, 5));
    MAAS_TRY(maas_infer_same(c));

    ch = c->in[1].type->dims[0];

    for (o = 1; o < c->n_out; o++) {
        if (c->out[o].wanted && (!a->training_mode || o > 2)) {
            return maas_err(c->err, MAAS_EUNSUPPORTED,
                            "output %d belongs to training; expected one "
                            "output when training_mode is 0", o);
        }

        maas_infer_set(c, o, c->in[3].type->dtype, 1, &ch);
    }

    return MAAS_OK;
}


/*
 * Before 14 training was implied by more outputs (is_test in 6), and
 * `spatial` 0 meant statistics for each activation.
 */
static maas_status_t
bn_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset, maas_err_t *err)
{
    maas_raw_attr_t  *a;

    (void) im;

    if (opset >= 14) {
        return MAAS_OK;
    }

    a = maas_raw_attr(n, "spatial");

    if (a != NULL && a->i == 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "attribute spatial is 0, expected 1");
    }

    maas_raw_attr_drop(n, "spatial");
    maas_raw_attr_drop(n, "is_test");
    maas_raw_attr_drop(n, "consumed_inputs");
    return MAAS_OK;
}


static bool
bn_setup(maas_setup_t *u)
{
    norm_geom_t         g;
    const norm_attr_t  *a = u->attr;

    if (a->training_mode) {
        return false;
    }

    norm_geom(&g, &u->in[0]);
    u->units = maas_max(g.n * (g.hw >= 8 ? g.c : 1), 1);
    u->cost = (double) u->in[0].bytes / 10;
    return true;
}


static void
bn_scale(const maas_step_t *s, int64_t c, double *a, double *b)
{
    const norm_attr_t  *at = s->attr;

    *a = norm_at(&s->in[1], c)
         / sqrt(norm_at(&s->in[4], c) + (double) at->epsilon);
    *b = norm_at(&s->in[2], c) - norm_at(&s->in[3], c) * *a;
}


static void
bn_plane(const maas_step_t *s, int64_t c, int64_t at, int64_t n)
{
    double                a, b;
    int64_t               i;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    bn_scale(s, c, &a, &b);

    if (x->dtype == MAAS_F32 && n >= 8) {
        s->k->unary[MAAS_U_AFFINE]((float *) y->data + at,
                                   (const float *) x->data + at, n,
                                   (float) a, (float) b);
        return;
    }

    if (x->dtype == MAAS_F32) {
        for (i = at; i < at + n; i++) {
            ((float *) y->data)[i] = fmaf((float) a,
                                          ((const float *) x->data)[i],
                                          (float) b);
        }

        return;
    }

    for (i = at; i < at + n; i++) {
        ((double *) y->data)[i] = a * ((const double *) x->data)[i] + b;
    }
}


/* -- the same, blocked --------------------------------------------------- */

#define BN_UNIT  1024           /* pixels of a plane of 16 channels */
#define BN_HALVES  392          /* so many are two units for two threads */

static bool
bn_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    const norm_attr_t  *a = n->attr;

    return !a->training_mode
           && maas_blocked_window(n, type, "BatchNormalizationBlocked", b);
}


static maas_status_t
bn_blocked_infer(maas_infer_t *c)
{
    return maas_blocked_out(c, bn_infer(c));
}


static int64_t
bn_parts(const maas_tensor_t *x)
{
    int64_t  n = maas_pixels(x);

    return maas_max((n + BN_UNIT - 1) / BN_UNIT, n < BN_HALVES ? 1 : 2);
}


static bool
bn_blocked_setup(maas_setup_t *u)
{
    if (u->in[0].format != MAAS_FMT_C16) {
        return false;
    }

    u->units = maas_planes16(&u->in[0]) * bn_parts(&u->in[0]);
    u->cost = 100 + (double) u->in[0].bytes / 40;
    return true;
}


/* Scale and shift of 16 channels from c on; lanes beyond them get zeros. */
static void
bn_scale16(const maas_step_t *s, int64_t c, float *scale, float *shift)
{
    double   a, b;
    int64_t  n = maas_min(s->in[0].dims[1] - c, MAAS_C16);

    memset(scale, 0, MAAS_C16 * sizeof(float));
    memset(shift, 0, MAAS_C16 * sizeof(float));

    for (int64_t i = 0; i < n; i++) {
        bn_scale(s, c + i, &a, &b);
        scale[i] = (float) a;
        shift[i] = (float) b;
    }
}


static maas_status_t
bn_blocked_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   done = 0;
    float                 a[MAAS_C16], b[MAAS_C16], lo, hi, *y;
    int64_t               u, plane, part, parts, n, p, blocks, at;
    const maas_post_t    *q = s->post;
    const maas_tensor_t  *x = &s->in[0];

    (void) slot;

    parts = bn_parts(x);
    blocks = maas_blocks(x->dims[1]);
    lo = -INFINITY;
    hi = INFINITY;

    if (s->n_post > 0 && q->kind == MAAS_POST_UNARY
        && (q->fn == MAAS_U_RELU || q->fn == MAAS_U_CLIP))
    {
        lo = q->fn == MAAS_U_RELU ? 0 : q->a;
        hi = q->fn == MAAS_U_RELU ? INFINITY : q->b;
        done = 1;
    }

    for (u = first; u < last; u++) {
        plane = maas_unit16(u, blocks, parts, &part);
        p = part * maas_pixels(x) / parts;
        n = (part + 1) * maas_pixels(x) / parts - p;
        at = (plane * maas_pixels(x) + p) * MAAS_C16;
        y = (float *) s->out[0].data + at;

        bn_scale16(s, plane % blocks * MAAS_C16, a, b);
        s->k->affine16(y, (const float *) x->data + at, a, b, n, lo, hi);

        if (done < s->n_post) {
            maas_post_apply16(s, done, y, y, n, at, plane);
        }
    }

    return MAAS_OK;
}


static maas_status_t
bn_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t      u, c;
    norm_geom_t  g;

    (void) slot;

    norm_geom(&g, &s->in[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    for (u = first; u < last; u++) {
        if (g.hw >= 8) {
            bn_plane(s, u % g.c, u * g.hw, g.hw);
            continue;
        }

        for (c = 0; c < g.c; c++) {
            bn_plane(s, c, (u * g.c + c) * g.hw, g.hw);
        }
    }

    return MAAS_OK;
}


static bool
bn_train_setup(maas_setup_t *u)
{
    norm_geom_t  g;

    norm_geom(&g, &u->in[0]);
    u->units = maas_max(g.c, 1);
    u->cost = (double) u->in[0].bytes;
    return true;
}


static void
bn_train_channel(const maas_step_t *s, const norm_geom_t *g, int64_t c)
{
    double              mean = 0, var = 0, d, scale;
    int64_t             n, i, at;
    const norm_attr_t  *a = s->attr;

    for (n = 0; n < g->n; n++) {
        for (i = 0, at = (n * g->c + c) * g->hw; i < g->hw; i++) {
            mean += norm_at(&s->in[0], at + i);
        }
    }

    mean /= (double) (g->n * g->hw);

    for (n = 0; n < g->n; n++) {
        for (i = 0, at = (n * g->c + c) * g->hw; i < g->hw; i++) {
            d = norm_at(&s->in[0], at + i) - mean;
            var += d * d;
        }
    }

    var /= (double) (g->n * g->hw);
    scale = norm_at(&s->in[1], c) / sqrt(var + (double) a->epsilon);

    for (n = 0; n < g->n; n++) {
        for (i = 0, at = (n * g->c + c) * g->hw; i < g->hw; i++) {
            d = norm_at(&s->in[0], at + i) - mean;
            norm_put(&s->out[0], at + i, d * scale
                                         + norm_at(&s->in[2], c));
        }
    }

    for (i = 1; i < s->n_out && i < 3; i++) {
        if (s->out[i].dtype == MAAS_NODTYPE || s->out[i].data == NULL) {
            continue;
        }

        d = norm_at(&s->in[2 + i], c);
        norm_put(&s->out[i], c, d * (double) a->momentum
                                + (i == 1 ? mean : var)
                                  * (1 - (double) a->momentum));
    }
}


static maas_status_t
bn_train_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    norm_geom_t  g;

    (void) slot;

    norm_geom(&g, &s->in[0]);

    for (int64_t u = first; u < last && u < g.c; u++) {
        bn_train_channel(s, &g, u);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  bn_in[] = {
    NORM_T("X"), NORM_T("scale"), NORM_T("B"), NORM_T("input_mean"),
    NORM_T("input_var")
};

/* The last two are of versions before 14. */
static const maas_formal_t  bn_out[] = {
    NORM_T("Y"),
    { "running_mean", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "running_var", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "saved_mean", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "saved_var", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  bn_attrs[] = {
    NORM_EPSILON,
    { "momentum", MAAS_ATTR_FLOAT, false, offsetof(norm_attr_t, momentum), 0,
      0.9f },
    { "training_mode", MAAS_ATTR_INT, false,
      offsetof(norm_attr_t, training_mode), 0, 0, NULL, 0, 1 }
};

static const maas_kernel_row_t  bn_kernels[] = {
    { "batchnorm.affine", MAAS_CPU_REF, 1, 0, bn_setup, bn_run },
    { "batchnorm.train", MAAS_CPU_REF, 0, 0, bn_train_setup, bn_train_run }
};

static const maas_kernel_row_t  bn_blocked_kernels[] = {
    { "batchnorm.c16", MAAS_CPU_REF, 1,
      1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY
      | 1u << MAAS_POST_BINARY_SCALAR | 1u << MAAS_POST_BINARY_CHANNEL
      | 1u << MAAS_POST_BINARY_PLANE, bn_blocked_setup, bn_blocked_run }
};

static const maas_case_t  bn_cases[] = {
    { "| f32[2,3,5,7] f32[3] f32[3] f32[3] f32[3]:pos", NULL },
    { "epsilon=0.01 | f32[4,17] =f32[17] =f32[17] =f32[17] =f32[17]:pos",
      NULL },
    { "| f32[6] f32[1] f32[1] f32[1] f32[1]:pos", NULL },
    { "| f32[0,3,5] f32[3] f32[3] f32[3] f32[3]:pos", NULL },
    { "| f64[2,3,5] f64[3] f64[3] f64[3] f64[3]:pos", NULL },
    { "training_mode=1 | f32[4,3,5] f32[3] f32[3] f32[3] f32[3]:pos", NULL },
    { NULL, NULL }
};

static const maas_case_t  bn_bad[] = {
    { "| f32[2,3,5] f32[4] f32[3] f32[3] f32[3]", "channels of X" },
    { "| f32[2,3,5] f32[3,1] f32[3] f32[3] f32[3]", "rank 2, expected 1" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_norm_batch[] = {
    {
        .name = "BatchNormalization", .domain = "", .since = 15,
        .blocked = bn_blocked,
        .flags = MAAS_OP_PURE,
        MAAS_IO(bn_in, bn_out),
        MAAS_ATTRS(bn_attrs, norm_attr_t),
        .upgrade = bn_upgrade, .first = 6,
        .infer = bn_infer,
        MAAS_KERNELS(bn_kernels),
        .grad = maas_grad_batch_norm,
        .cases = bn_cases, .bad = bn_bad
    },
    {
        .name = "BatchNormalizationBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(bn_in, bn_out),
        MAAS_ATTRS(bn_attrs, norm_attr_t),
        .infer = bn_blocked_infer,
        MAAS_KERNELS(bn_blocked_kernels)
    },
    { .name = NULL }
};
