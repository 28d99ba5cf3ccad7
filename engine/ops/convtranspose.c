/*
 * ConvTranspose-11: the adjoint of Conv.  The window runs over the output:
 * in maas_window_t `in` is our output and `out` our input.
 *
 * float32: a unit is a block of output channels of one image and group; a
 * product gives every tap of a block of input pixels, which are added to
 * the output in the order of pixels blocks, then taps.  Blocks depend on
 * the shapes of one image only.  float64: plain loops.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/conv.h"
#include "ops/grads.h"


#define CT_CACHE  98304             /* floats of a block of taps */

typedef struct {
    maas_window_t  w;
    int64_t        batch, group;
    int64_t        icg, ocg;
    int64_t        taps;            /* of a pixel: ocg * kernel */
    int64_t        ob, oblocks;     /* channels of a unit */
    int64_t        mb;              /* pixels of a product */
} ct_geom_t;


/* Pads of one axis, given its output size. */
static void
ct_pads(maas_window_t *w, int i, const maas_window_attr_t *a, int64_t extra)
{
    int64_t  total;

    if (a->output_shape.n == 0 && a->auto_pad != MAAS_PAD_SAME_UPPER
        && a->auto_pad != MAAS_PAD_SAME_LOWER)
    {
        return;
    }

    total = (w->out[i] - 1) * w->s[i] + extra + (w->k[i] - 1) * w->d[i] + 1
            - w->in[i];
    total = maas_max(total, 0);
    w->p0[i] = a->auto_pad == MAAS_PAD_SAME_UPPER ? total / 2
                                                  : total - total / 2;
    w->p1[i] = total - w->p0[i];
}


static int64_t
ct_extra(const maas_window_attr_t *a, int i)
{
    return a->output_padding.n != 0
           ? maas_list_ints(a, &a->output_padding)[i] : 0;
}


static void
ct_geom(ct_geom_t *g, const maas_window_attr_t *a, const maas_tensor_t *x,
    const maas_tensor_t *f, const maas_tensor_t *y)
{
    int             i, nd = x->rank - 2;
    int64_t         step;
    maas_window_t  *w = &g->w;

    (void) maas_window_attrs(w, a, f->dims + 2, nd, NULL);

    w->in_count = w->out_count = w->k_count = 1;

    for (i = 0; i < nd; i++) {
        w->in[i] = y->dims[i + 2];
        w->out[i] = x->dims[i + 2];
        w->in_count *= w->in[i];
        w->out_count *= w->out[i];
        w->k_count *= w->k[i];
        ct_pads(w, i, a, ct_extra(a, i));
    }

    g->batch = x->dims[0];
    g->group = a->group;
    g->icg = x->dims[1] / a->group;
    g->ocg = f->dims[1];
    g->taps = g->ocg * w->k_count;

    /* A unit's taps start at a panel. */
    for (step = 1; step * w->k_count % 16 != 0; step *= 2) { /* void */ }

    g->ob = maas_max(64 / w->k_count / step, 1) * step;
    g->oblocks = (g->ocg + g->ob - 1) / g->ob;

    g->mb = CT_CACHE / (g->ob * w->k_count);
    g->mb = maas_max(g->mb / 16 * 16, 16);
    g->mb = maas_min(g->mb, (w->out_count + 15) / 16 * 16);
}


static double
ct_flops(const maas_setup_t *u)
{
    int     i;
    double  n = 2.0 * (double) maas_tensor_count(&u->in[0]);

    for (i = 1; i < u->in[1].rank; i++) {
        n *= (double) u->in[1].dims[i];
    }

    return n;
}


/* -- shapes -------------------------------------------------------------- */

static maas_status_t
ct_list(maas_infer_t *c, const maas_window_attr_t *a, const maas_list_t *l,
    const char *name, int nd)
{
    for (uint32_t i = 0; i < l->n; i++) {
        int64_t  v = maas_list_ints(a, l)[i];

        if (v < 0 || v > INT32_MAX) {
            return maas_err(c->err, MAAS_EINVAL,
                            "attribute %s[%u] is %lld, expected 0 or more",
                            name, (unsigned) i, (long long) v);
        }
    }

    if (l->n != 0 && l->n != (uint32_t) nd) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute %s has %u values, expected %d", name,
                        (unsigned) l->n, nd);
    }

    return MAAS_OK;
}


static maas_status_t
ct_infer_axes(maas_infer_t *c, const maas_window_attr_t *a,
    const maas_window_t *w, const maas_dim_t *in, maas_dim_t *out)
{
    int64_t       extra, dk;
    maas_dim_t    d;
    maas_syms_t  *s = c->syms;

    for (int i = 0; i < w->nd; i++) {
        extra = ct_extra(a, i);
        dk = (w->k[i] - 1) * w->d[i] + 1;

        if (a->output_shape.n != 0) {
            out[i] = maas_list_ints(a, &a->output_shape)[i];
            continue;
        }

        if (a->auto_pad == MAAS_PAD_SAME_UPPER
            || a->auto_pad == MAAS_PAD_SAME_LOWER)
        {
            out[i] = maas_dim_mul(s, in[i], w->s[i]);
            continue;
        }

        d = maas_dim_mul(s, maas_dim_sub(s, in[i], 1), w->s[i]);
        out[i] = maas_dim_add(s, d, extra + dk - w->p0[i] - w->p1[i]);

        if (maas_dim_known(out[i]) && out[i] < 0) {
            return maas_err(c->err, MAAS_EINVAL,
                            "pads of spatial axis %d leave %lld elements", i,
                            (long long) out[i]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
ct_infer(maas_infer_t *c)
{
    int                        i, nd;
    maas_dim_t                 dims[MAAS_RANK_MAX], ch;
    maas_window_t              w;
    const maas_type_t         *x = c->in[0].type, *f = c->in[1].type;
    const maas_window_attr_t  *a = c->attr;

    if (x->rank < 3 || f->rank != x->rank) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank %d and W has rank %d, expected the same "
                        "rank of 3 or more", x->rank, f->rank);
    }

    nd = x->rank - 2;

    for (i = 1; i < f->rank; i++) {
        if (!maas_dim_known(f->dims[i])) {
            return MAAS_INFER_NEED(c, 1);
        }
    }

    MAAS_TRY(maas_window_attrs(&w, a, f->dims + 2, nd, c->err));
    MAAS_TRY(ct_list(c, a, &a->output_padding, "output_padding", nd));
    MAAS_TRY(ct_list(c, a, &a->output_shape, "output_shape", nd));
    MAAS_TRY(maas_infer_merge(c, x->dims[1], f->dims[0], &ch,
                              "channels of X and W[0]"));

    if (maas_dim_known(ch) && (ch % a->group != 0 || ch == 0)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has %lld channels, expected a multiple of group "
                        "%lld", (long long) ch, (long long) a->group);
    }

    dims[0] = x->dims[0];
    dims[1] = maas_dim_mul(c->syms, f->dims[1], a->group);

    if (maas_infer_has(c, 2)) {
        if (c->in[2].type->rank != 1) {
            return maas_err(c->err, MAAS_EINVAL,
                            "B has rank %d, expected 1",
                            c->in[2].type->rank);
        }

        MAAS_TRY(maas_infer_merge(c, c->in[2].type->dims[0], dims[1], &ch,
                                  "length of B and W[1] * group"));
    }

    MAAS_TRY(ct_infer_axes(c, a, &w, x->dims + 2, dims + 2));
    maas_infer_set(c, 0, x->dtype, x->rank, dims);
    return MAAS_OK;
}


static maas_status_t
ct_blocked_infer(maas_infer_t *c)
{
    return maas_blocked_out(c, ct_infer(c));
}


static maas_status_t
gradx_infer(maas_infer_t *c)
{
    return conv_infer_adjoint(c, false);
}


static maas_status_t
gradx_blocked_infer(maas_infer_t *c)
{
    return maas_blocked_out(c, gradx_infer(c));
}


/* Called for every constant input with p->input preset; see matmul.c. */
static bool
ct_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    int                        i;
    const maas_type_t         *f = type[1];
    const maas_window_attr_t  *a = n->attr;

    if (p->input != 1 || f == NULL || f->dtype != MAAS_F32 || f->rank < 3) {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->groups = a->group;
    p->k = f->dims[0] / a->group;
    p->n = 1;

    for (i = 1; i < f->rank; i++) {
        p->n *= f->dims[i];
    }

    p->gs = p->k * p->n;
    p->ks = p->n;
    p->ns = 1;
    return p->k > 0 && p->n > 0;
}


/* -- float32 ------------------------------------------------------------- */

static bool
ct_setup(maas_setup_t *u)
{
    ct_geom_t  g;

    if (u->in[0].dtype != MAAS_F32) {
        return false;
    }

    ct_geom(&g, u->attr, &u->in[0], &u->in[1], &u->out[0]);

    u->units = maas_max(g.batch * g.group * g.oblocks, 1);
    u->scratch = (size_t) (g.mb * g.ob * g.w.k_count) * sizeof(float);

    if (u->in[1].format == MAAS_FMT_PLAIN) {
        u->scratch += maas_p16_elems(g.icg, g.ob * g.w.k_count)
                      * sizeof(float);
    }

    u->cost = ct_flops(u) / 40 + (double) u->out[0].bytes / 5;
    return true;
}


/* Adds pixels [m0, m0 + n) of one tap (kernel row r, column kx). */
static void
ct_scatter(const maas_window_t *w, float *y, const float *taps, int64_t r,
    int64_t kx, int64_t m0, int64_t n)
{
    int       l = w->nd - 1;
    float    *p;
    int64_t   o, x0, len, off, lo, hi, i, base, s = w->s[l];

    o = m0 / w->out[l];
    x0 = m0 % w->out[l];

    while (n > 0) {
        len = maas_min(w->out[l] - x0, n);

        if (maas_window_row(w, o, r, &off)) {
            base = kx * w->d[l] - w->p0[l] + x0 * s;
            maas_window_range(len, s, base, w->in[l], &lo, &hi);
            p = y + off + base;

            for (i = lo; i < hi; i++) {
                p[i * s] += taps[i];
            }
        }

        taps += len;
        n -= len;
        x0 = 0;
        o++;
    }
}


/* Channels [oc, oc + n) of one image; wp: panels of their taps. */
static void
ct_block(const maas_step_t *s, const ct_geom_t *g, float *taps,
    const float *wp, const float *x, float *y, int64_t n)
{
    int64_t               m0, m, c, r, kx, kw;
    const float          *t;
    maas_gemmt_t          p;
    const maas_window_t  *w = &g->w;

    kw = w->k[w->nd - 1];

    for (m0 = 0; m0 < w->out_count; m0 += g->mb) {
        m = maas_min(g->mb, w->out_count - m0);
        p = (maas_gemmt_t) {
            m, n * w->k_count, g->icg, x + m0, w->out_count, wp, taps,
            g->mb, NULL, false
        };
        s->k->gemmt(&p, 0, m, 0, p.n);
        t = taps;

        for (c = 0; c < n; c++) {
            for (r = 0; r < w->k_count / kw; r++) {
                for (kx = 0; kx < kw; kx++) {
                    ct_scatter(w, y + c * w->in_count, t, r, kx, m0, m);
                    t += g->mb;
                }
            }
        }
    }
}


static void
ct_post(const maas_step_t *s, const ct_geom_t *g, int64_t at, int64_t oc,
    int64_t n)
{
    maas_post_block_t  b;

    b = (maas_post_block_t) {
        (float *) s->out[0].data + at, g->w.in_count, n, g->w.in_count, at,
        g->w.in_count, oc, 1, 0
    };
    maas_post_apply(s, &b);
}


static maas_status_t
ct_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    float        *y, *pack;
    int64_t       u, ig, gi, c0, n, oc, c, i, at;
    ct_geom_t     g;
    const float  *w, *bias = conv_bias(s);

    ct_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    pack = (float *) slot->scratch + g.mb * g.ob * g.w.k_count;

    for (u = first; u < last; u++) {
        c0 = u % g.oblocks * g.ob;
        ig = u / g.oblocks;
        gi = ig % g.group;
        n = maas_min(g.ob, g.ocg - c0);
        oc = gi * g.ocg + c0;
        at = (ig * g.ocg + c0) * g.w.in_count;
        y = (float *) s->out[0].data + at;

        for (c = 0; c < n; c++) {
            for (i = 0; i < g.w.in_count; i++) {
                y[c * g.w.in_count + i] = bias != NULL ? bias[oc + c] : 0;
            }
        }

        w = s->in[1].data;

        if (s->in[1].format == MAAS_FMT_P16) {
            w += (size_t) gi * maas_p16_elems(g.icg, g.taps)
                 + c0 * g.w.k_count * g.icg;

        } else {
            s->k->pack_p16(pack, w + gi * g.icg * g.taps
                                 + c0 * g.w.k_count,
                           g.taps, 1, g.icg, n * g.w.k_count, 0,
                           (n * g.w.k_count + 15) / 16);
            w = pack;
        }

        ct_block(s, &g, slot->scratch, w,
                 (const float *) s->in[0].data + ig * g.icg * g.w.out_count,
                 y, n);

        if (s->n_post != 0) {
            ct_post(s, &g, at, oc, n);
        }
    }

    return MAAS_OK;
}


/* -- float64 ------------------------------------------------------------- */

static bool
ct_setup_f64(maas_setup_t *u)
{
    if (u->in[0].dtype != MAAS_F64) {
        return false;
    }

    u->units = maas_max(u->out[0].dims[0] * u->out[0].dims[1], 1);
    u->cost = ct_flops(u);
    return true;
}


static void
ct_plane_f64(const maas_window_t *w, double *y, const double *x,
    const double *f)
{
    int      l = w->nd - 1;
    double   v;
    int64_t  o, r, kx, i, lo, hi, off, base, n = w->out[l];

    for (o = 0; o < w->out_count / n; o++) {
        for (r = 0; r < w->k_count / w->k[l]; r++) {
            if (!maas_window_row(w, o, r, &off)) {
                continue;
            }

            for (kx = 0; kx < w->k[l]; kx++) {
                base = kx * w->d[l] - w->p0[l];
                maas_window_range(n, w->s[l], base, w->in[l], &lo, &hi);
                v = f[r * w->k[l] + kx];

                for (i = lo; i < hi; i++) {
                    y[off + base + i * w->s[l]] += v * x[o * n + i];
                }
            }
        }
    }
}


static maas_status_t
ct_run_f64(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double        *y;
    int64_t        u, i, c, oc, ic;
    ct_geom_t      g;
    const double  *bias = conv_bias(s), *x, *f;

    (void) slot;

    ct_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    for (u = first; u < last && g.w.out_count != 0; u++) {
        oc = u % (g.group * g.ocg);
        y = (double *) s->out[0].data + u * g.w.in_count;

        for (i = 0; i < g.w.in_count; i++) {
            y[i] = bias != NULL ? bias[oc] : 0;
        }

        for (c = 0; c < g.icg; c++) {
            ic = oc / g.ocg * g.icg + c;
            x = (const double *) s->in[0].data
                + (u / (g.group * g.ocg) * g.group * g.icg + ic)
                  * g.w.out_count;
            f = (const double *) s->in[1].data
                + (ic * g.ocg + oc % g.ocg) * g.w.k_count;
            ct_plane_f64(&g.w, y, x, f);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  ct_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 },
    { "B", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  ct_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_attr_row_t  ct_attrs[] = { CONV_BACK_ATTRS };

/* dX of Conv; S: its shape. */
static const maas_formal_t  gradx_in[] = {
    { "dY", MAAS_D_FLOAT, 'T', 0 },
    { "W", MAAS_D_FLOAT, 'T', 0 },
    { "B", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "S", MAAS_D(I64), 0, 0 }
};

static const maas_attr_row_t  gradx_attrs[] = { CONV_ATTRS };

static const maas_kernel_row_t  ct_kernels[] = {
    { "convtranspose.gemmt", MAAS_CPU_REF, 0, CONV_POST, ct_setup, ct_run },
    { "convtranspose.loops", MAAS_CPU_REF, 0, 0, ct_setup_f64, ct_run_f64 }
};

static const maas_kernel_row_t  ct_blocked_kernels[] = {
    { "convtranspose.tiles.c16", MAAS_CPU_REF, 0,
      CONV_POST | 1u << MAAS_POST_BINARY_PLANE, convtranspose_blocked_setup,
      convtranspose_blocked_run }
};

static const maas_kernel_row_t  ct_planes_kernels[] = {
    { "convtranspose.tiles", MAAS_CPU_REF, 0, CONV_POST,
      convtranspose_planes_setup, convtranspose_planes_run }
};

static const maas_kernel_row_t  gradx_kernels[] = {
    { "convgradx.gemmt", MAAS_CPU_REF, 0, 0, ct_setup, ct_run },
    { "convgradx.loops", MAAS_CPU_REF, 0, 0, ct_setup_f64, ct_run_f64 }
};

static const maas_kernel_row_t  gradx_blocked_kernels[] = {
    { "convgradx.depthwise.c16", MAAS_CPU_REF, 0, 0,
      conv_gradx_depthwise_setup, conv_gradx_depthwise_run },
    { "convgradx.phases.c16", MAAS_CPU_REF, 0, 0, conv_gradx_phases_setup,
      conv_gradx_phases_run },
    { "convgradx.c16", MAAS_CPU_REF, 0, 0, conv_gradx_blocked_setup,
      conv_gradx_blocked_run }
};

static const maas_case_t  gradx_cases[] = {
    { "strides=[2,2] pads=[1,0,1,0] | f32[2,6,4,4] f32[6,5,3,3] - "
      "=i64[4]{2,5,8,9}", NULL },
    { NULL, NULL }
};

static const maas_case_t  gradx_bad[] = {
    { "| f32[2,3,8,8] f32[4,2,2,2] - =i64[4]{2,2,9,9}", "channels of dY" },
    { "| f32[2,4,8,8] f32[4,2,2,2] - =i64[4]{2,3,9,9}", "channels of S" },
    { "| f32[2,4,8,8] f32[4,2,2,2] - =i64[4]{3,2,9,9}", "images" },
    { NULL, NULL }
};

static const maas_case_t  ct_cases[] = {
    { "| f32[1,1,3,3] =f32[1,2,3,3]", NULL },
    { "strides=[2,2] pads=[1,1,1,1] | f32[2,6,9,7] =f32[6,20,3,3] =f32[20]",
      NULL },
    { "strides=[3,2] output_shape=[10,8] | f32[1,1,3,3] =f32[1,2,3,3]",
      NULL },
    { "strides=[3,2] output_padding=[1,1] | f32[1,1,3,3] f32[1,2,3,3]",
      NULL },
    { "group=2 dilations=[2,2] | f32[2,4,5,6] =f32[4,3,2,2] =f32[6]", NULL },
    { "auto_pad=SAME_UPPER strides=[2,2] | f32[1,1,3,3] =f32[1,2,3,3]",
      NULL },
    { "strides=[4] | f32[1,33,40] =f32[33,17,8]", NULL },
    { "| f32[1,1,3,4,5] =f32[1,2,3,3,3]", NULL },
    { "strides=[2,1] group=2 | f64[2,4,5,6] f64[4,3,2,2] f64[6]", NULL },
    { "| f32[0,1,3,3] =f32[1,2,3,3]", NULL },
    { "strides=[2,2] pads=[1,1,1,0] output_padding=[1,0] group=2 | "
      "f32[2,4,5,4] f32[4,3,3,3] f32[6]", NULL },
    { "strides=[3,2] output_shape=[10,8] | f32[1,2,3,3] f32[2,2,3,3]", NULL },
    { "strides=[2] auto_pad=SAME_LOWER | f32[2,2,5] f32[2,3,3] f32[3]",
      NULL },
    { "strides=[1,2,1] dilations=[1,1,2] | f32[1,2,3,2,4] f32[2,1,2,2,2]",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  ct_bad[] = {
    { "| f32[1,3,5,5] f32[4,2,3,3]", "channels of X and W" },
    { "pads=[9,9,9,9] | f32[1,4,5,5] f32[4,2,3,3]", "leave" },
    { "output_padding=[1] | f32[1,4,5,5] f32[4,2,3,3]",
      "output_padding has 1 values" },
    { "output_padding=[-1,0] | f32[1,4,5,5] f32[4,2,3,3]",
      "output_padding[0] is -1" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_convtranspose[] = {
    {
        .name = "ConvTranspose", .domain = "", .since = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(ct_in, ct_out),
        MAAS_ATTRS(ct_attrs, maas_window_attr_t),
        .infer = ct_infer,
        MAAS_KERNELS(ct_kernels),
        .pack = ct_pack, .blocked = convtranspose_blocked,
        .flops = ct_flops,
        .grad = maas_grad_convtranspose,
        .cases = ct_cases, .bad = ct_bad
    },
    {
        .name = "ConvTransposeBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(ct_in, ct_out),
        MAAS_ATTRS(ct_attrs, maas_window_attr_t),
        .infer = ct_blocked_infer,
        MAAS_KERNELS(ct_blocked_kernels),
        .pack = convtranspose_blocked_pack, .flops = ct_flops
    },
    {
        .name = "ConvTransposePlanes", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(ct_in, ct_out),
        MAAS_ATTRS(ct_attrs, maas_window_attr_t),
        .infer = ct_infer,
        MAAS_KERNELS(ct_planes_kernels),
        .pack = convtranspose_planes_pack, .flops = ct_flops
    },
    {
        .name = "ConvGradX", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(gradx_in, ct_out),
        MAAS_ATTRS(gradx_attrs, maas_window_attr_t),
        .infer = gradx_infer,
        MAAS_KERNELS(gradx_kernels),
        .pack = ct_pack, .blocked = conv_gradx_blocked,
        .flops = ct_flops,
        .cases = gradx_cases, .bad = gradx_bad
    },
    {
        .name = "ConvGradXBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(gradx_in, ct_out),
        MAAS_ATTRS(gradx_attrs, maas_window_attr_t),
        .infer = gradx_blocked_infer,
        MAAS_KERNELS(gradx_blocked_kernels),
        .pack = conv_gradx_blocked_pack, .flops = ct_flops
    },
    { .name = NULL }
};
