/*
 * conv_grad: gradients of Conv and ConvTranspose by X, W and B.
 *
 * By X each is the other one's forward product (maas.ConvGradX and
 * maas.ConvTransposeGradX, in convtranspose.c and conv.c).  By W both are
 * maas.ConvGradW, the convolution's: sums over images and pixels of dY times
 * the input under each tap; for ConvTranspose X and dY change places.
 *
 * float32: a unit is a block of output channels by a block of columns
 * (input channel, tap) of the weights: inputs are packed as panels of
 * pixels and multiplied.  Sums run over the pixels of an image, then over
 * images, in the order of both, whatever the threads are.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/conv.h"
#include "ops/grads.h"


#define GW_COLS    48           /* columns of a unit */
#define GW_ROWS    64           /* output channels of a unit */
#define GW_PIXELS  256          /* of a product */

typedef struct {
    conv_geom_t  g;
    int64_t      rows, nrow;    /* of a unit; units of a group */
    int64_t      ncol;
    int64_t      units;         /* of the weights; channels of dB follow */
} gw_t;


static void
gw_geom(gw_t *w, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *dy, const maas_tensor_t *dw)
{
    conv_geom(&w->g, attr, x, dw, dy);

    w->rows = maas_min(GW_ROWS, w->g.ocg);
    w->nrow = (w->g.ocg + w->rows - 1) / maas_max(w->rows, 1);
    w->ncol = (w->g.k + GW_COLS - 1) / GW_COLS;
    w->units = w->g.group * w->nrow * w->ncol;
}


/* Output 1 of a step that is asked for. */
static bool
gw_bias(const maas_tensor_t *out, int n)
{
    return n > 1 && out[1].dtype != MAAS_NODTYPE;
}


static double
gw_flops(const maas_setup_t *u)
{
    double  n = 2 * (double) maas_tensor_count(&u->in[1]);

    for (int i = 1; i < u->out[0].rank; i++) {
        n *= (double) u->out[0].dims[i];
    }

    return n;
}


/* -- float32 ------------------------------------------------------------- */

static bool
gw_setup(maas_setup_t *u)
{
    gw_t  w;

    if (u->in[0].dtype != MAAS_F32 || u->in[0].format != MAAS_FMT_PLAIN
        || u->in[1].format != MAAS_FMT_PLAIN)
    {
        return false;
    }

    gw_geom(&w, u->attr, &u->in[0], &u->in[1], &u->out[0]);

    u->units = maas_max(w.units + (gw_bias(u->out, u->n_out)
                                   ? w.g.group * w.g.ocg : 0), 1);
    u->scratch = (GW_PIXELS + 2 * GW_ROWS) * GW_COLS * sizeof(float);
    u->cost = gw_flops(u) / 30;
    return true;
}


/* Taps (r, kx) of pixels [m0, m0 + n): dst is 16 apart and zero. */
static void
gw_column(const maas_window_t *w, float *dst, const float *plane, int64_t r,
    int64_t kx, int64_t m0, int64_t n)
{
    int           l = w->nd - 1;
    int64_t       o, x0, len, off, lo, hi, base, ow = w->out[l];
    const float  *p;

    o = m0 / ow;
    x0 = m0 % ow;

    while (n > 0) {
        len = maas_min(ow - x0, n);

        if (maas_window_row(w, o, r, &off)) {
            base = kx * w->d[l] - w->p0[l] + x0 * w->s[l];
            maas_window_range(len, w->s[l], base, w->in[l], &lo, &hi);
            p = plane + off + base;

            for (int64_t i = lo; i < hi; i++) {
                dst[i * MAAS_P16] = p[i * w->s[l]];
            }
        }

        dst += len * MAAS_P16;
        n -= len;
        x0 = 0;
        o++;
    }
}


/* Columns [c0, c0 + n) of pixels [m0, m0 + m) of one image's group. */
static void
gw_panels(const conv_geom_t *g, float *dst, const float *x, int64_t c0,
    int64_t n, int64_t m0, int64_t m)
{
    int64_t               j, tap, kw;
    const maas_window_t  *w = &g->w;

    kw = w->k[w->nd - 1];
    memset(dst, 0, maas_p16_elems(m, n) * sizeof(float));

    for (j = 0; j < n; j++) {
        tap = (c0 + j) % w->k_count;
        gw_column(w, dst + j / MAAS_P16 * m * MAAS_P16 + j % MAAS_P16,
                  x + (c0 + j) / w->k_count * w->in_count, tap / kw,
                  tap % kw, m0, m);
    }
}


static void
gw_unit(const maas_step_t *s, const gw_t *w, float *scratch, int64_t u)
{
    float              *sum, *part, *dw = s->out[0].data;
    int64_t             gi, c0, n, r0, rows, i, m0;
    maas_gemm_t         p;
    const float        *x, *dy;
    const conv_geom_t  *g = &w->g;
    const int64_t       pixels = g->w.out_count;

    sum = scratch + GW_PIXELS * GW_COLS;
    part = sum + GW_ROWS * GW_COLS;

    c0 = u % w->ncol * GW_COLS;
    n = maas_min(GW_COLS, g->k - c0);
    r0 = u / w->ncol % w->nrow * w->rows;
    rows = maas_min(w->rows, g->ocg - r0);
    gi = u / w->ncol / w->nrow;

    memset(sum, 0, GW_ROWS * GW_COLS * sizeof(float));

    for (i = 0; i < g->batch; i++) {
        x = (const float *) s->in[0].data
            + (i * g->group + gi) * g->icg * g->w.in_count;
        dy = (const float *) s->in[1].data
             + ((i * g->group + gi) * g->ocg + r0) * pixels;

        for (m0 = 0; m0 < pixels; m0 += GW_PIXELS) {
            p = (maas_gemm_t) {
                rows, n, maas_min(pixels - m0, GW_PIXELS), dy + m0, pixels,
                scratch, part, GW_COLS, NULL, m0 != 0
            };
            gw_panels(g, scratch, x, c0, n, m0, p.k);
            s->k->gemm(&p, 0, rows);
        }

        for (int64_t r = 0; r < rows && pixels != 0; r++) {
            s->k->binary[MAAS_B_ADD](sum + r * GW_COLS, sum + r * GW_COLS, 1,
                                     part + r * GW_COLS, 1, n);
        }
    }

    for (int64_t r = 0; r < rows; r++) {
        memcpy(dw + (gi * g->ocg + r0 + r) * g->k + c0, sum + r * GW_COLS,
               (size_t) n * sizeof(float));
    }
}


static maas_status_t
gw_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    gw_t          w;
    float         sum;
    int64_t       u, i, oc, channels;
    const float  *dy = s->in[1].data;

    gw_geom(&w, s->attr, &s->in[0], &s->in[1], &s->out[0]);
    channels = w.g.group * w.g.ocg;

    for (u = first; u < last; u++) {
        if (u < w.units) {
            gw_unit(s, &w, slot->scratch, u);
            continue;
        }

        oc = u - w.units;
        sum = 0;

        for (i = 0; i < w.g.batch && oc < channels; i++) {
            sum += s->k->reduce[MAAS_R_SUM](dy + (i * channels + oc)
                                                 * w.g.w.out_count,
                                            w.g.w.out_count);
        }

        if (oc < channels && gw_bias(s->out, s->n_out)) {
            ((float *) s->out[1].data)[oc] = sum;
        }
    }

    return MAAS_OK;
}


/* -- float64 ------------------------------------------------------------- */

static bool
gw_setup_f64(maas_setup_t *u)
{
    if (u->in[0].dtype != MAAS_F64) {
        return false;
    }

    u->units = maas_max(u->out[0].dims[0], 1);
    u->cost = gw_flops(u);
    return true;
}


/* One tap of one plane. */
static double
gw_tap_f64(const maas_window_t *w, const double *x, const double *dy,
    int64_t r, int64_t kx)
{
    int      l = w->nd - 1;
    double   sum = 0;
    int64_t  o, i, lo, hi, off, base, ow = w->out[l];

    for (o = 0; ow != 0 && o < w->out_count / ow; o++) {
        if (!maas_window_row(w, o, r, &off)) {
            continue;
        }

        base = kx * w->d[l] - w->p0[l];
        maas_window_range(ow, w->s[l], base, w->in[l], &lo, &hi);

        for (i = lo; i < hi; i++) {
            sum += x[off + base + i * w->s[l]] * dy[o * ow + i];
        }
    }

    return sum;
}


static maas_status_t
gw_run_f64(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double         sum;
    int64_t        u, j, i, c, tap, kw, channels;
    conv_geom_t    g;
    const double  *x = s->in[0].data, *dy = s->in[1].data;

    (void) slot;

    conv_geom(&g, s->attr, &s->in[0], &s->out[0], &s->in[1]);
    channels = g.group * g.ocg;
    kw = g.w.k[g.w.nd - 1];

    for (u = first; u < last && u < channels; u++) {
        for (j = 0; j < g.k; j++) {
            sum = 0;
            c = u / g.ocg * g.icg + j / g.w.k_count;
            tap = j % g.w.k_count;

            for (i = 0; i < g.batch; i++) {
                sum += gw_tap_f64(&g.w, x + (i * g.group * g.icg + c)
                                            * g.w.in_count,
                                  dy + (i * channels + u) * g.w.out_count,
                                  tap / kw, tap % kw);
            }

            ((double *) s->out[0].data)[u * g.k + j] = sum;
        }

        sum = 0;

        for (i = 0; i < g.batch * g.w.out_count; i++) {
            sum += dy[(i / g.w.out_count * channels + u) * g.w.out_count
                      + i % g.w.out_count];
        }

        if (gw_bias(s->out, s->n_out)) {
            ((double *) s->out[1].data)[u] = sum;
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static maas_status_t
gw_infer(maas_infer_t *c)
{
    maas_dim_t                 d;
    maas_window_t              win;
    const maas_type_t         *x = c->in[0].type, *y = c->in[1].type;
    const maas_type_t         *w = c->in[2].type;
    const maas_dim_t          *dims = w->dims;
    const maas_window_attr_t  *a = c->attr;

    if (x->rank < 3 || y->rank != x->rank || w->rank != x->rank) {
        return maas_err(c->err, MAAS_EINVAL, "X, dY and W have ranks %d, %d "
                        "and %d, expected the same of 3 or more",
                        x->rank, y->rank, w->rank);
    }

    for (int i = 2; i < w->rank; i++) {
        if (!maas_dim_known(dims[i])) {
            return MAAS_INFER_NEED(c, 2);
        }
    }

    MAAS_TRY(maas_window_attrs(&win, a, dims + 2, w->rank - 2, c->err));

    if (maas_dim_known(dims[0]) && (dims[0] < 1 || dims[0] % a->group != 0)) {
        return maas_err(c->err, MAAS_EINVAL, "W has %lld output channels, "
                        "expected a multiple of group %lld",
                        (long long) dims[0], (long long) a->group);
    }

    MAAS_TRY(maas_infer_merge(c, x->dims[0], y->dims[0], &d, "images"));
    MAAS_TRY(maas_infer_merge(c, y->dims[1], dims[0], &d,
                              "channels of dY and W[0]"));
    MAAS_TRY(maas_infer_merge(c, x->dims[1],
                              maas_dim_mul(c->syms, dims[1], a->group), &d,
                              "channels of X and W[1] * group"));
    maas_infer_set(c, 0, x->dtype, w->rank, dims);

    if (c->n_out > 1) {
        maas_infer_set(c, 1, x->dtype, 1, dims);
    }

    return MAAS_OK;
}


static const maas_formal_t  gw_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "dY", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  gw_out[] = {
    { "dW", MAAS_D_FLOAT, 'T', 0 },
    { "dB", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  gw_attrs[] = { CONV_BACK_ATTRS };

static const maas_kernel_row_t  gw_kernels[] = {
    { "convgradw.gemm", MAAS_CPU_REF, 0, 0, gw_setup, gw_run },
    { "convgradw.loops", MAAS_CPU_REF, 0, 0, gw_setup_f64, gw_run_f64 }
};

static const maas_kernel_row_t  gw_blocked_kernels[] = {
    { "convgradw.depthwise.c16", MAAS_CPU_REF, 0, 0,
      conv_gradw_depthwise_setup, conv_gradw_depthwise_run },
    { "convgradw.c16", MAAS_CPU_REF, 0, 0, conv_gradw_blocked_setup,
      conv_gradw_blocked_run }
};

static const maas_case_t  gw_cases[] = {
    { "pads=[1,1,1,1] | f32[2,3,9,8] f32[2,5,9,8] f32[5,3,3,3]", NULL },
    { "group=2 | f32[1,40,23,24] f32[1,130,21,22] f32[130,20,3,3]",
      NULL },
    { "| f64[1,2,5,5] f64[1,4,3,3] f64[4,2,3,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gw_bad[] = {
    { "| f32[2,3,9,8] f32[2,5,7,6] f32[5,2,3,3]", "channels of X" },
    { "| f32[2,3,9,8] f32[2,5,7,6] f32[4,3,3,3]", "channels of dY" },
    { "| f32[2,3,9,8] f32[2,5,7,6] f32[4,3,3]", "ranks 4, 4 and 3" },
    { "group=2 | f32[2,6,9,8] f32[2,5,7,6] f32[5,3,3,3]",
      "multiple of group 2" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_conv_grad[] = {
    {
        .name = "ConvGradW", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(gw_in, gw_out),
        MAAS_ATTRS(gw_attrs, maas_window_attr_t),
        .infer = gw_infer,
        MAAS_KERNELS(gw_kernels),
        .blocked = conv_gradw_blocked, .flops = gw_flops,
        .cases = gw_cases, .bad = gw_bad
    },
    {
        .name = "ConvGradWBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(gw_in, gw_out),
        MAAS_ATTRS(gw_attrs, maas_window_attr_t),
        .infer = gw_infer,
        MAAS_KERNELS(gw_blocked_kernels), .flops = gw_flops
    },
    { .name = NULL }
};


/* -- gradients ----------------------------------------------------------- */

/* dY over all axes but the channels'. */
static maas_vid_t
cg_bias(maas_grad_t *c, maas_vid_t dy)
{
    int              n = 0;
    int64_t          axes[MAAS_RANK_MAX];
    maas_vid_t       in[2];
    maas_raw_attr_t  keep = maas_pass_int("keepdims", 0);

    for (int d = 0; d < maas_grad_type(c, c->n->in[0])->rank; d++) {
        if (d != 1) {
            axes[n++] = d;
        }
    }

    in[0] = dy;
    in[1] = maas_grad_ints(c, axes, n);
    return maas_grad_emit(c, "", "ReduceSum", &keep, 1, in, 2);
}


static maas_vid_t
cg_by_x(maas_grad_t *c, const char *op)
{
    maas_vid_t  out, x = c->n->in[0];
    maas_vid_t  in[] = { c->dout[0], c->n->in[1], MAAS_NOVAL,
                         maas_grad_op1(c, "Shape", x) };

    maas_grad_emit_same(c, "maas", op, in, 4, &out, 1);
    return out;
}


/* out[0]: dW; out[1], with `bias`: dB. */
static void
cg_by_w(maas_grad_t *c, maas_vid_t x, maas_vid_t dy, bool bias,
    maas_vid_t *out)
{
    maas_vid_t  in[] = { x, dy, c->n->in[1] };

    maas_grad_emit_same(c, "maas", "ConvGradW", in, 3, out, bias ? 2 : 1);
}


maas_status_t
maas_grad_conv(maas_grad_t *c)
{
    maas_vid_t  out[2];

    if (c->need[0]) {
        c->din[0] = cg_by_x(c, "ConvGradX");
    }

    if (c->need[1]) {
        cg_by_w(c, c->n->in[0], c->dout[0], maas_grad_need(c, 2), out);
        c->din[1] = out[0];
    }

    if (maas_grad_need(c, 2)) {
        c->din[2] = c->need[1] ? out[1] : cg_bias(c, c->dout[0]);
    }

    return c->rc;
}


maas_status_t
maas_grad_convtranspose(maas_grad_t *c)
{
    if (c->need[0]) {
        c->din[0] = cg_by_x(c, "ConvTransposeGradX");
    }

    if (c->need[1]) {
        cg_by_w(c, c->dout[0], c->n->in[0], false, &c->din[1]);
    }

    if (maas_grad_need(c, 2)) {
        c->din[2] = cg_bias(c, c->dout[0]);
    }

    return c->rc;
}
