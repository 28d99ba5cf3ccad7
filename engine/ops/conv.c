/*
 * Conv-11: shapes, the choice of the kernel, depthwise float32 and plain
 * loops for float64.  The products are in conv_gemm.c.
 *
 * 1-D to 6-D; groups, dilations, auto_pad and asymmetric pads everywhere.
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/conv.h"
#include "ops/grads.h"


/* Depthwise: every output channel reads one input channel. */
static bool
conv_is_depthwise(int64_t group, int64_t icg, int64_t ocg, int rank)
{
    return icg == 1 && group > 1 && ocg <= 4 && rank <= 4;
}


maas_status_t
conv_infer_dims(maas_infer_t *c, int input, int bias, maas_dim_t *dims)
{
    int                        i, nd;
    int64_t                    kernel[MAAS_WINDOW_MAX];
    maas_dim_t                 ch, n;
    maas_window_t              win;
    const maas_type_t         *x = c->in[0].type, *w = c->in[input].type;
    const maas_window_attr_t  *a = c->attr;

    if (x->rank < 3 || w->rank != x->rank) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank %d and W has rank %d, expected the same "
                        "rank of 3 or more", x->rank, w->rank);
    }

    nd = x->rank - 2;

    for (i = 0; i < nd; i++) {
        if (!maas_dim_known(w->dims[i + 2])) {
            if (a->kernel_shape.n != (uint32_t) nd) {
                return MAAS_INFER_NEED(c, input);
            }

            kernel[i] = maas_list_ints(a, &a->kernel_shape)[i];

        } else {
            kernel[i] = w->dims[i + 2];
        }
    }

    MAAS_TRY(maas_window_attrs(&win, a, kernel, nd, c->err));

    if (maas_dim_known(w->dims[0]) && (w->dims[0] % a->group != 0
                                       || w->dims[0] == 0))
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "W has %lld output channels, expected a multiple of "
                        "group %lld", (long long) w->dims[0],
                        (long long) a->group);
    }

    MAAS_TRY(maas_infer_merge(c, x->dims[1],
                              maas_dim_mul(c->syms, w->dims[1], a->group),
                              &ch, "channels of X and W[1] * group"));

    if (bias >= 0 && maas_infer_has(c, bias)) {
        if (c->in[bias].type->rank != 1) {
            return maas_err(c->err, MAAS_EINVAL,
                            "B has rank %d, expected 1",
                            c->in[bias].type->rank);
        }

        MAAS_TRY(maas_infer_merge(c, c->in[bias].type->dims[0], w->dims[0],
                                  &n, "length of B and W[0]"));
    }

    dims[0] = x->dims[0];
    dims[1] = w->dims[0];
    return maas_window_infer(c, &win, a, x->dims + 2, dims + 2);
}


static maas_status_t
conv_infer(maas_infer_t *c)
{
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[0].type;

    MAAS_TRY(conv_infer_dims(c, 1, 2, dims));
    maas_infer_set(c, 0, x->dtype, x->rank, dims);
    return MAAS_OK;
}


/*
 * The gradient of an operator with weights W by its input X, S being the
 * shape of X: dY and X have the channels of W, in either direction.
 */
maas_status_t
conv_infer_adjoint(maas_infer_t *c, bool transposed)
{
    int                        n;
    maas_dim_t                 dims[MAAS_IVAL_MAX], wide, d;
    const maas_type_t         *y = c->in[0].type, *w = c->in[1].type;
    const maas_window_attr_t  *a = c->attr;

    MAAS_TRY(maas_infer_ints(c, 3, dims, &n));

    if (y->rank < 3 || w->rank != y->rank || n != y->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d, W has rank %d "
                        "and S has %d values, expected as many of 3 or more",
                        y->rank, w->rank, n);
    }

    wide = maas_dim_mul(c->syms, w->dims[1], a->group);

    MAAS_TRY(maas_infer_merge(c, y->dims[0], dims[0], &d, "images"));
    MAAS_TRY(maas_infer_merge(c, y->dims[1],
                              transposed ? wide : w->dims[0], &d,
                              "channels of dY and W"));
    MAAS_TRY(maas_infer_merge(c, dims[1], transposed ? w->dims[0] : wide, &d,
                              "channels of S and W"));

    maas_infer_set(c, 0, y->dtype, y->rank, dims);
    return MAAS_OK;
}


static maas_status_t
conv_infer_back(maas_infer_t *c)
{
    return conv_infer_adjoint(c, true);
}


/* Called for every constant input with p->input preset; see matmul.c. */
static bool
conv_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    int                        i;
    const maas_type_t         *w = type[1];
    const maas_window_attr_t  *a = n->attr;

    if (p->input != 1 || w == NULL || w->dtype != MAAS_F32 || w->rank < 3
        || conv_is_depthwise(a->group, w->dims[1], w->dims[0] / a->group,
                             w->rank))
    {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->groups = a->group;
    p->n = w->dims[0] / a->group;
    p->k = w->dims[1];

    for (i = 2; i < w->rank; i++) {
        p->k *= w->dims[i];
    }

    p->gs = p->n * p->k;
    p->ks = 1;
    p->ns = p->k;
    p->eight = true;
    return p->n > 0 && p->k > 0;
}


double
conv_flops(const maas_setup_t *u)
{
    int     i;
    double  n;

    n = 2.0 * (double) maas_tensor_count(&u->out[0]);

    for (i = 1; i < u->in[1].rank; i++) {
        n *= (double) u->in[1].dims[i];
    }

    return n;
}


/* -- depthwise ----------------------------------------------------------- */

/* Output rows of a unit. */
static int64_t
conv_dw_rows(const maas_window_t *w)
{
    int64_t  ow = maas_max(w->out[w->nd - 1], 1);

    return maas_max(16384 / ow, 4);
}


static int64_t
conv_dw_blocks(const maas_window_t *w)
{
    int64_t  oh = w->nd == 2 ? w->out[0] : 1;

    return (oh + conv_dw_rows(w) - 1) / conv_dw_rows(w);
}


static bool
conv_setup_dw(maas_setup_t *u)
{
    int          i;
    conv_geom_t  g;

    if (u->in[0].dtype != MAAS_F32 || u->in[1].format != MAAS_FMT_PLAIN) {
        return false;
    }

    conv_geom(&g, u->attr, &u->in[0], &u->in[1], &u->out[0]);

    if (!conv_is_depthwise(g.group, g.icg, g.ocg, u->in[0].rank)) {
        return false;
    }

    for (i = 0; i < g.w.nd; i++) {
        if (g.w.p0[i] > INT32_MAX || g.w.d[i] > INT32_MAX) {
            return false;
        }
    }

    u->units = maas_max(g.batch * g.group * g.ocg * conv_dw_blocks(&g.w), 1);
    u->cost = conv_flops(u) / 40 + (double) u->out[0].bytes / 40;
    return true;
}


static maas_status_t
conv_run_dw(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   l;
    bool                  two;
    float                *y;
    int64_t               u, plane, oc, y0, y1, at;
    const float          *x, *f, *bias;
    conv_geom_t           g;
    maas_post_block_t     b;
    const maas_window_t  *w = &g.w;

    (void) slot;

    conv_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);
    bias = conv_bias(s);
    two = w->nd == 2;
    l = w->nd - 1;

    for (u = first; u < last && g.batch != 0; u++) {
        plane = u / conv_dw_blocks(w);
        y0 = u % conv_dw_blocks(w) * conv_dw_rows(w);
        y1 = maas_min(y0 + conv_dw_rows(w), two ? w->out[0] : 1);
        oc = plane % (g.group * g.ocg);

        y = (float *) s->out[0].data + plane * w->out_count;
        x = (const float *) s->in[0].data + plane / g.ocg * w->in_count;
        f = (const float *) s->in[1].data + oc * w->k_count;

        s->k->dwconv(y, x, f, bias != NULL ? bias[oc] : 0,
                     two ? w->in[0] : 1, w->in[l], two ? w->out[0] : 1,
                     w->out[l], two ? (int) w->k[0] : 1, (int) w->k[l],
                     two ? (int) w->s[0] : 1, (int) w->s[l],
                     two ? (int) w->p0[0] : 0, (int) w->p0[l],
                     two ? (int) w->d[0] : 1, (int) w->d[l], y0, y1);

        if (s->n_post != 0) {
            at = plane * w->out_count + y0 * w->out[l];
            b = (maas_post_block_t) {
                y + y0 * w->out[l], w->out_count, 1,
                (y1 - y0) * w->out[l], at, w->out_count, oc, 1, 0
            };
            maas_post_apply(s, &b);
        }
    }

    return MAAS_OK;
}


/* -- float64 ------------------------------------------------------------- */

static bool
conv_setup_f64(maas_setup_t *u)
{
    if (u->in[0].dtype != MAAS_F64) {
        return false;
    }

    u->units = maas_max(u->out[0].dims[0] * u->out[0].dims[1], 1);
    u->cost = conv_flops(u);
    return true;
}


/* Adds one input plane to one output plane. */
static void
conv_plane_f64(const maas_window_t *w, double *y, const double *x,
    const double *f)
{
    int      l = w->nd - 1;
    double   v;
    int64_t  o, r, kx, i, lo, hi, off, base, ow, rows;

    ow = w->out[l];
    rows = w->k_count / w->k[l];

    for (o = 0; o < w->out_count / ow; o++) {
        for (r = 0; r < rows; r++) {
            if (!maas_window_row(w, o, r, &off)) {
                continue;
            }

            for (kx = 0; kx < w->k[l]; kx++) {
                base = kx * w->d[l] - w->p0[l];
                maas_window_range(ow, w->s[l], base, w->in[l], &lo, &hi);
                v = f[r * w->k[l] + kx];

                for (i = lo; i < hi; i++) {
                    y[o * ow + i] += v * x[off + base + i * w->s[l]];
                }
            }
        }
    }
}


static maas_status_t
conv_run_f64(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double        *y;
    int64_t        u, c, i, oc, in;
    conv_geom_t    g;
    const double  *bias, *f;

    (void) slot;

    conv_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);
    bias = conv_bias(s);

    for (u = first; u < last && maas_tensor_count(&s->out[0]) != 0; u++) {
        oc = u % (g.group * g.ocg);
        in = u / g.ocg * g.icg;
        y = (double *) s->out[0].data + u * g.w.out_count;
        f = (const double *) s->in[1].data + oc * g.k;

        for (i = 0; i < g.w.out_count; i++) {
            y[i] = bias != NULL ? bias[oc] : 0;
        }

        for (c = 0; c < g.icg; c++) {
            conv_plane_f64(&g.w, y,
                           (const double *) s->in[0].data
                           + (in + c) * g.w.in_count,
                           f + c * g.w.k_count);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  conv_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 },
    { "B", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  conv_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_attr_row_t  conv_attrs[] = { CONV_ATTRS };

/* S: the shape of the gradient. */
static const maas_formal_t  conv_back_in[] = {
    { "dY", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 },
    { "B", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "S", MAAS_D(I64), 0, 0 }
};

static const maas_attr_row_t  conv_back_attrs[] = { CONV_BACK_ATTRS };

static const maas_case_t  conv_back_cases[] = {
    { "strides=[2,2] | f32[2,3,8,8] f32[4,3,2,2] - =i64[4]{2,4,4,4}", NULL },
    { NULL, NULL }
};

static const maas_case_t  conv_back_bad[] = {
    { "| f32[2,3,8,8] f32[4,2,2,2] - =i64[4]{2,4,7,7}", "channels" },
    { "| f32[2,3,8,8] f32[4,3,2,2] - =i64[3]{2,4,7}", "S has 3 values" },
    { NULL, NULL }
};

static const maas_kernel_row_t  conv_kernels[] = {
    { "conv.point.p16", MAAS_CPU_REF, 0, CONV_POST, conv_setup_point,
      conv_run_point },
    { "conv.gemmt.p16", MAAS_CPU_REF, 0, CONV_POST, conv_setup_packed,
      conv_run_gemm },
    { "conv.depthwise", MAAS_CPU_REF, 0, CONV_POST, conv_setup_dw,
      conv_run_dw },
    { "conv.gemmt.dyn", MAAS_CPU_REF, 0, CONV_POST, conv_setup_plain,
      conv_run_gemm },
    { "conv.loops", MAAS_CPU_REF, 0, 0, conv_setup_f64, conv_run_f64 }
};

static const maas_kernel_row_t  conv_blocked_kernels[] = {
    { "conv.c16", MAAS_CPU_REF, 0, CONV_POST | 1u << MAAS_POST_BINARY_PLANE,
      conv_blocked_setup, conv_blocked_run, conv_blocked_rows,
      conv_blocked_band },
    { "conv.depthwise.c16", MAAS_CPU_REF, 0,
      CONV_POST | 1u << MAAS_POST_BINARY_PLANE, conv_blocked_setup_dw,
      conv_blocked_run_dw, conv_blocked_rows_dw, conv_blocked_band_dw }
};

/* Scale and shift of the input's channels, of whole blocks. */
static const maas_formal_t  conv_normed_in[] = {
    { "X", MAAS_D(F32), 0, 0 },
    { "W", MAAS_D(F32), 0, 0 },
    { "B", MAAS_D(F32), 0, MAAS_OPT },
    { "scale", MAAS_D(F32), 0, 0 },
    { "shift", MAAS_D(F32), 0, 0 }
};

static const maas_attr_row_t  conv_normed_attrs[] = {
    CONV_ATTRS,
    { "low", MAAS_ATTR_FLOAT, true, offsetof(conv_normed_attr_t, low) },
    { "high", MAAS_ATTR_FLOAT, true, offsetof(conv_normed_attr_t, high) }
};

static const maas_kernel_row_t  conv_normed_kernels[] = {
    { "conv.normed.c16", MAAS_CPU_REF, 0,
      CONV_POST | 1u << MAAS_POST_BINARY_PLANE, conv_normed_setup,
      conv_normed_run, conv_normed_rows, conv_normed_band }
};

static const maas_kernel_row_t  conv_grouped_kernels[] = {
    { "conv.grouped.c16", MAAS_CPU_REF, 0,
      CONV_POST | 1u << MAAS_POST_BINARY_PLANE, conv_grouped_setup,
      conv_grouped_run }
};

static const maas_kernel_row_t  conv_shuffled_kernels[] = {
    { "conv.shuffled.c16", MAAS_CPU_REF, 0,
      CONV_POST | 1u << MAAS_POST_BINARY_PLANE, conv_shuffled_setup,
      conv_shuffled_run }
};

static const maas_kernel_row_t  conv_winograd2_kernels[] = {
    { "conv.winograd2.c16", MAAS_CPU_REF, 0,
      CONV_POST | 1u << MAAS_POST_BINARY_PLANE, conv_winograd2_setup,
      conv_winograd2_run }
};

static const maas_kernel_row_t  conv_winograd4_kernels[] = {
    { "conv.winograd4.c16", MAAS_CPU_REF, 0,
      CONV_POST | 1u << MAAS_POST_BINARY_PLANE, conv_winograd4_setup,
      conv_winograd4_run }
};

static const maas_case_t  conv_cases[] = {
    { "| f32[1,1,5,5] =f32[1,1,3,3]", NULL },
    { "pads=[1,1,1,1] | f32[2,3,17,19] =f32[20,3,3,3] =f32[20]", NULL },
    { "strides=[2,2] pads=[1,0,2,1] | f32[1,4,9,15] =f32[7,4,3,3]", NULL },
    { "group=2 dilations=[2,1] | f32[2,6,11,9] =f32[8,3,3,2] =f32[8]",
      NULL },
    { "| f32[2,33,7,5] =f32[18,33,1,1] =f32[18]", NULL },
    { "strides=[2,2] | f32[1,8,9,9] =f32[16,8,1,1]", NULL },
    { "group=5 pads=[1,1,1,1] | f32[2,5,9,33] =f32[5,1,3,3] =f32[5]", NULL },
    { "group=3 strides=[2,2] dilations=[2,2] pads=[2,2,2,2] | f32[1,3,15,16] "
      "=f32[6,1,3,3]", NULL },
    { "| f32[3,4,3,3] =f32[17,4,3,3] =f32[17]", NULL },
    { "auto_pad=SAME_UPPER strides=[2,2] | f32[1,2,8,7] =f32[3,2,3,4]",
      NULL },
    { "auto_pad=SAME_LOWER | f32[1,2,8,7] =f32[3,2,3,4]", NULL },
    { "auto_pad=VALID | f32[1,2,8,7] f32[3,2,3,4] f32[3]", NULL },
    { "pads=[2,1] strides=[3] | f32[2,3,40] =f32[5,3,4]", NULL },
    { "group=4 pads=[1,1] | f32[1,4,33] =f32[4,1,3] =f32[4]", NULL },
    { "pads=[1,1,1,1,1,1] | f32[1,2,4,5,6] =f32[3,2,3,3,3]", NULL },
    { "| f32[0,3,5,5] =f32[4,3,3,3]", NULL },
    { "group=2 pads=[1,0,0,1] | f64[2,4,6,5] f64[6,2,3,2] f64[6]", NULL },
    { "pads=[1,1,1,1] | f32[2,5,9,7] f32[18,5,3,3] f32[18]", NULL },
    { "strides=[2,3] pads=[1,0,2,1] dilations=[2,1] | f32[2,4,9,15] "
      "f32[7,4,3,3] f32[7]", NULL },
    { "group=3 auto_pad=SAME_LOWER strides=[2,1] | f32[1,6,8,7] "
      "f32[3,2,3,4]", NULL },
    { "group=5 pads=[1,1,1,1] | f32[2,5,9,11] f32[5,1,3,3] f32[5]", NULL },
    { "pads=[2,1] strides=[3] | f32[2,3,20] f32[5,3,4] f32[5]", NULL },
    { "pads=[1,1,0,2] | f32[2,20,9,7] f32[37,20,3,3] f32[37]", NULL },
    { "group=2 pads=[2,2,2,2] dilations=[2,2] | f32[2,32,5,6] f32[64,16,3,3]",
      NULL },
    { "group=37 pads=[1,1,1,1] | f32[2,37,9,8] f32[37,1,3,3] f32[37]", NULL },
    { "group=18 strides=[2,2] pads=[1,2,0,1] | f32[2,18,9,14] f32[18,1,3,4] "
      "f32[18]", NULL },
    { "group=16 strides=[3,2] dilations=[2,3] pads=[2,4,2,2] | "
      "f32[1,16,13,15] f32[16,1,5,3]", NULL },
    { "group=33 strides=[2] pads=[3,3] | f32[2,33,19] f32[33,1,7]", NULL },
    { "group=17 strides=[4,4] | f32[1,17,9,10] f32[17,1,2,2]", NULL },
    { "strides=[2,2] pads=[3,3,3,3] | f32[2,19,15,14] f32[35,19,7,7]", NULL },
    { "strides=[2,2] | f32[2,40,9,8] f32[16,40,1,1]", NULL },
    { "strides=[3,2] pads=[1,2,0,1] dilations=[2,1] group=2 | "
      "f32[1,32,13,9] f32[32,16,3,3]", NULL },
    { "strides=[4] pads=[2,1] | f32[2,17,23] f32[18,17,3]", NULL },
    { "pads=[3,3,3,3] | f32[1,17,5,6] f32[16,17,2,2]", NULL },
    { "strides=[2,2] pads=[1,1,1,1] | f32[3,17,8,7] f32[18,17,3,3] f32[18]",
      NULL },
    { "| f32[2,33,5,6] f32[70,33,1,1] f32[70]", NULL },
    { "pads=[1,2] | f32[2,18,20] f32[20,18,3] f32[20]", NULL },
    { "pads=[1,1,1,1] | f32[1,2,40,33] f32[52,2,3,3] f32[52]", NULL },
    { "pads=[1,1,1,1,1,1] strides=[1,2,1] | f32[1,2,4,5,6] f32[3,2,3,3,3]",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  conv_bad[] = {
    { "| f32[1,3,5,5] f32[4,2,3,3]", "channels of X and W" },
    { "group=3 | f32[1,3,5,5] f32[4,1,3,3]", "multiple of group 3" },
    { "| f32[1,3,2,2] f32[4,3,3,3]", "window spans 3" },
    { "strides=[1] | f32[1,3,5,5] f32[4,3,3,3]", "strides has 1 values" },
    { "strides=[0,1] | f32[1,3,5,5] f32[4,3,3,3]", "strides[0] is 0" },
    { "kernel_shape=[2,3] | f32[1,3,5,5] f32[4,3,3,3]", "kernel_shape[0]" },
    { "| f32[3,5] f32[4,3]", "3 or more" },
    { "| f32[1,3,5,5] f32[4,3,3,3] f32[5]", "length of B" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_conv[] = {
    {
        .name = "Conv", .domain = "", .since = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(conv_in, conv_out),
        MAAS_ATTRS(conv_attrs, maas_window_attr_t),
        .infer = conv_infer,
        MAAS_KERNELS(conv_kernels),
        .pack = conv_pack, .blocked = conv_blocked, .flops = conv_flops,
        .grad = maas_grad_conv,
        .cases = conv_cases, .bad = conv_bad
    },
    {
        /* dX of ConvTranspose, whose weights are a convolution's. */
        .name = "ConvTransposeGradX", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(conv_back_in, conv_out),
        MAAS_ATTRS(conv_back_attrs, maas_window_attr_t),
        .infer = conv_infer_back,
        MAAS_KERNELS(conv_kernels),
        .pack = conv_pack, .flops = conv_flops,
        .cases = conv_back_cases, .bad = conv_back_bad
    },
    {
        .name = "ConvBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(conv_in, conv_out),
        MAAS_ATTRS(conv_attrs, maas_window_attr_t),
        .infer = conv_blocked_infer,
        MAAS_KERNELS(conv_blocked_kernels),
        .pack = conv_blocked_pack, .flops = conv_flops
    },
    {
        .name = "ConvNormed", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(conv_normed_in, conv_out),
        MAAS_ATTRS(conv_normed_attrs, conv_normed_attr_t),
        .infer = conv_blocked_infer,
        MAAS_KERNELS(conv_normed_kernels),
        .pack = conv_blocked_pack, .flops = conv_flops
    },
    {
        .name = "ConvGrouped", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(conv_in, conv_out),
        MAAS_ATTRS(conv_attrs, maas_window_attr_t),
        .infer = conv_blocked_infer,
        MAAS_KERNELS(conv_grouped_kernels),
        .pack = conv_blocked_pack, .flops = conv_flops
    },
    {
        .name = "ConvShuffled", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(conv_in, conv_out),
        MAAS_ATTRS(conv_attrs, maas_window_attr_t),
        .infer = conv_blocked_infer,
        MAAS_KERNELS(conv_shuffled_kernels),
        .pack = conv_blocked_pack, .flops = conv_flops
    },
    {
        .name = "ConvWinograd2", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(conv_in, conv_out),
        MAAS_ATTRS(conv_attrs, maas_window_attr_t),
        .infer = conv_blocked_infer,
        MAAS_KERNELS(conv_winograd2_kernels),
        .pack = conv_winograd2_pack, .flops = conv_flops
    },
    {
        .name = "ConvWinograd4", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(conv_in, conv_out),
        MAAS_ATTRS(conv_attrs, maas_window_attr_t),
        .infer = conv_blocked_infer,
        MAAS_KERNELS(conv_winograd4_kernels),
        .pack = conv_winograd4_pack, .flops = conv_flops
    },
    { .name = NULL }
};
