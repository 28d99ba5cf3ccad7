/*
 * Gradients of convolutions over blocked activations.  That by X is a blocked
 * convolution; its kernel is in conv_blocked.c.
 *
 * maas.ConvGradWBlocked: the gradient of a convolution by its weights, of
 * blocked dY and of blocked inputs, or planes of few channels.
 *
 * A unit is a block of input channels by some blocks of output channels; its
 * sums, of every tap, stay in the thread's scratch while all images pass.
 * A large image goes by bands of rows, so that what the taps share is in the
 * cache.  The order of sums is that of pixels of a band, bands and images,
 * whatever the threads are.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/conv.h"


#define GB_PLANES  4            /* input channels that are read from planes */
#define GB_BAND    1024         /* output pixels of a band */
#define GB_WIDE    3            /* blocks of output channels of a unit */

typedef struct {
    int64_t  batch, group, icg, ocg;
    int64_t  ih, iw, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
    bool     planes;
    int64_t  taps;
    int64_t  xparts;            /* blocks of inputs of a group; planes: 1 */
    int64_t  yparts;            /* blocks of outputs of a group */
    int64_t  wide, sets;        /* blocks of a unit; units of yparts */
    int64_t  rows;              /* of a band */
} gb_t;


static void
gb_geom(gb_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *dy, const maas_tensor_t *dw)
{
    int                        l;
    bool                       two;
    maas_window_t              w;
    const maas_window_attr_t  *a = attr;

    maas_window_init(&w, a, dw->dims + 2, x->rank - 2, x->dims + 2,
                     dy->dims + 2);
    l = w.nd - 1;
    two = l > 0;

    g->batch = x->dims[0];
    g->group = a->group;
    g->icg = dw->dims[1];
    g->ocg = dw->dims[0] / a->group;
    g->ih = two ? w.in[0] : 1, g->iw = w.in[l];
    g->oh = two ? w.out[0] : 1, g->ow = w.out[l];
    g->kh = two ? w.k[0] : 1, g->kw = w.k[l];
    g->sh = two ? w.s[0] : 1, g->sw = w.s[l];
    g->ph = two ? w.p0[0] : 0, g->pw = w.p0[l];
    g->dh = two ? w.d[0] : 1, g->dw = w.d[l];
    g->planes = x->format == MAAS_FMT_PLAIN;
    g->taps = g->kh * g->kw;
    g->xparts = g->planes ? 1 : maas_blocks(g->icg);
    g->yparts = maas_blocks(g->ocg);
    g->sets = (g->yparts + GB_WIDE - 1) / GB_WIDE;
    g->wide = (g->yparts + g->sets - 1) / g->sets;
    g->sets = (g->yparts + g->wide - 1) / g->wide;
    g->rows = maas_max(GB_BAND / maas_max(g->ow, 1), 1);
}


bool
conv_gradw_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    const maas_type_t         *x = type[0], *w = type[2];
    const maas_window_attr_t  *a = n->attr;

    if (x->dtype != MAAS_F32 || w->rank < 3 || w->rank > 4
        || x->rank != w->rank || n->n_post != 0)
    {
        return false;
    }

    for (int i = 0; i < w->rank; i++) {
        if (!maas_dim_known(w->dims[i]) || w->dims[i] < 1) {
            return false;
        }
    }

    if (!conv_w_depthwise(a, w->dims) && !conv_w_aligned(a, w->dims)) {
        return false;
    }

    b->op = "ConvGradWBlocked";
    b->plain = true;
    b->in = (b->in & 1) || w->dims[1] > GB_PLANES || a->group != 1 ? 3 : 2;
    return true;
}


static double
gb_flops(const gb_t *g)
{
    return 2.0 * (double) (g->batch * g->group * g->icg * g->ocg)
           * (double) (g->taps * g->oh * g->ow);
}


/* Floats of a unit's sums: inputs by tap, then the bias. */
static int64_t
gb_inputs(const gb_t *g)
{
    return g->planes ? g->icg : MAAS_C16;
}


bool
conv_gradw_blocked_setup(maas_setup_t *u)
{
    gb_t  g;

    gb_geom(&g, u->attr, &u->in[0], &u->in[1], &u->out[0]);

    if (u->in[1].format != MAAS_FMT_C16
        || conv_w_depthwise(u->attr, u->out[0].dims)
        || (g.planes && (g.group != 1 || g.icg > GB_PLANES)))
    {
        return false;
    }

    u->units = g.group * g.xparts * g.sets;
    u->scratch = (size_t) ((g.taps * gb_inputs(&g) + 1) * g.wide * MAAS_C16)
                 * sizeof(float);
    u->cost = 100 + gb_flops(&g) / 120;
    return true;
}


typedef struct {
    const float  *x;            /* of the image: the first block or plane */
    const float  *dy;
    float        *sum;
    int64_t       n, blocks;
    int64_t       r0, r1;       /* output rows */
} gb_band_t;


/* One tap of a band. */
static void
gb_tap(const gb_t *g, const maas_kernels_t *k, const gb_band_t *b,
    int64_t ky, int64_t kx)
{
    int64_t         r0, r1, c0, c1, oy, ox;
    const int64_t   lane = g->planes ? 1 : MAAS_C16;
    maas_wgrad16_t  t;

    oy = ky * g->dh - g->ph;
    ox = kx * g->dw - g->pw;
    maas_window_range(b->r1, g->sh, oy, g->ih, &r0, &r1);
    maas_window_range(g->ow, g->sw, ox, g->iw, &c0, &c1);
    r0 = maas_max(r0, b->r0);

    if (r0 >= r1 || c0 >= c1) {
        return;
    }

    t = (maas_wgrad16_t) {
        .x = b->x + ((oy + r0 * g->sh) * g->iw + ox + c0 * g->sw) * lane,
        .dy = b->dy + (r0 * g->ow + c0) * MAAS_C16,
        .dw = b->sum + (ky * g->kw + kx) * gb_inputs(g) * g->wide * MAAS_C16,
        .n = b->n, .blocks = b->blocks, .rows = r1 - r0, .cols = c1 - c0,
        .xrow = g->sh * g->iw * lane, .xcol = g->sw * lane,
        .xnext = g->planes ? g->ih * g->iw : 1,
        .yrow = g->ow * MAAS_C16, .yblock = g->oh * g->ow * MAAS_C16,
        .dwrow = g->wide * MAAS_C16
    };

    /* A whole plane without a border is one row. */
    if (t.cols == g->ow && g->sh == 1 && t.xcol * t.cols == t.xrow) {
        t.cols *= t.rows;
        t.rows = 1;
    }

    k->wgrad16(&t);
}


static void
gb_band(const gb_t *g, const maas_kernels_t *k, const gb_band_t *b,
    bool bias)
{
    float    part[MAAS_C16], *to;
    int64_t  plane = g->oh * g->ow * MAAS_C16;

    for (int64_t ky = 0; ky < g->kh; ky++) {
        for (int64_t kx = 0; kx < g->kw; kx++) {
            gb_tap(g, k, b, ky, kx);
        }
    }

    to = b->sum + g->taps * gb_inputs(g) * g->wide * MAAS_C16;

    for (int64_t i = 0; bias && i < b->blocks; i++) {
        k->sum16(part, b->dy + i * plane + b->r0 * g->ow * MAAS_C16,
                 (b->r1 - b->r0) * g->ow, 1);

        for (int l = 0; l < MAAS_C16; l++) {
            to[i * MAAS_C16 + l] += part[l];
        }
    }
}


/* Sums of a unit to the weights: blocks from y0 on, inputs from c0 on. */
static void
gb_write(const gb_t *g, const gb_band_t *b, float *dw, int64_t oc,
    int64_t c0)
{
    int64_t       i, t, o, n;
    const float  *from = b->sum;

    n = maas_min(b->blocks * MAAS_C16, g->ocg - oc % g->ocg);

    for (t = 0; t < g->taps; t++) {
        for (i = 0; i < gb_inputs(g); i++, from += g->wide * MAAS_C16) {
            for (o = 0; o < n && i < b->n; o++) {
                dw[((oc + o) * g->icg + c0 + i) * g->taps + t] = from[o];
            }
        }
    }
}


static void
gb_unit(const maas_step_t *s, const gb_t *g, float *sum, int64_t u)
{
    bool       bias;
    int64_t    gi, xp, y0, i, r, oc, xplane, yplane;
    gb_band_t  b = { .sum = sum };

    y0 = u % g->sets * g->wide;
    xp = u / g->sets % g->xparts;
    gi = u / g->sets / g->xparts;
    oc = gi * g->ocg + y0 * MAAS_C16;
    xplane = g->ih * g->iw * gb_inputs(g);
    yplane = g->oh * g->ow * MAAS_C16;
    bias = xp == 0 && s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE;

    b.n = g->planes ? g->icg : maas_min(g->icg - xp * MAAS_C16, MAAS_C16);
    b.blocks = maas_min(g->wide, g->yparts - y0);
    memset(sum, 0, (size_t) ((g->taps * gb_inputs(g) + 1) * g->wide
                             * MAAS_C16) * sizeof(float));

    for (i = 0; i < g->batch; i++) {
        b.x = (const float *) s->in[0].data
              + ((i * g->group + gi) * g->xparts + xp) * xplane;
        b.dy = (const float *) s->in[1].data
               + ((i * g->group + gi) * g->yparts + y0) * yplane;

        for (r = 0; r < g->oh; r += g->rows) {
            b.r0 = r;
            b.r1 = maas_min(r + g->rows, g->oh);
            gb_band(g, s->k, &b, bias);
        }
    }

    gb_write(g, &b, s->out[0].data, oc, xp * MAAS_C16);

    if (bias) {
        memcpy((float *) s->out[1].data + oc,
               sum + g->taps * gb_inputs(g) * g->wide * MAAS_C16,
               (size_t) maas_min(b.blocks * MAAS_C16,
                                 g->ocg - y0 * MAAS_C16) * sizeof(float));
    }
}


maas_status_t
conv_gradw_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    gb_t  g;

    gb_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);

    for (int64_t u = first; u < last; u++) {
        gb_unit(s, &g, slot->scratch, u);
    }

    return MAAS_OK;
}


/* -- the gradient by X --------------------------------------------------- */

/*
 * Of a convolution of stride 1: the convolution of dY with the kernels
 * turned about, inputs and outputs exchanged.  With strides, phase by phase:
 * conv_grad_phases.c.
 */
bool
conv_gradx_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    int                        nd;
    int64_t                    one;
    maas_window_t              win;
    const maas_type_t         *y = type[0], *w = type[1];
    const maas_window_attr_t  *a = n->attr;

    nd = w->rank - 2;

    if (!(b->constant & 2) || nd < 1 || nd > 2 || y->rank != w->rank
        || y->dtype != MAAS_F32 || w->format != MAAS_FMT_PLAIN)
    {
        return false;
    }

    for (int i = 0; i < w->rank; i++) {
        if (!maas_dim_known(w->dims[i]) || w->dims[i] < 1) {
            return false;
        }
    }

    if ((!conv_w_depthwise(a, w->dims) && !conv_w_aligned(a, w->dims))
        || w->dims[0] % a->group != 0
        || maas_window_attrs(&win, a, w->dims + 2, nd, NULL) != MAAS_OK)
    {
        return false;
    }

    /* A vector for each image is a plain product. */
    one = maas_dims_count(w->dims + 2, nd);

    for (int i = 2; i < y->rank && one == 1; i++) {
        one = y->dims[i];
    }

    b->op = "ConvGradXBlocked";
    b->in = 1;
    return one != 1 && n->n_post == 0;
}


bool
conv_gradx_blocked_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p)
{
    int64_t                    taps = 1;
    const maas_type_t         *w = type[1];
    const maas_window_attr_t  *a = n->attr;

    if (p->input != 1 || w == NULL || w->dtype != MAAS_F32
        || w->dims[0] % a->group != 0)
    {
        return false;
    }

    for (int i = 2; i < w->rank; i++) {
        if (!maas_mul_i64(taps, w->dims[i], &taps)) {
            return false;
        }
    }

    p->format = MAAS_FMT_P16;
    p->needed = true;

    if (conv_w_depthwise(a, w->dims)) {
        p->groups = 1;
        p->n = w->dims[0];
        p->k = taps;
        p->ks = 1;
        p->ns = taps;
        p->taps = 1;
        return maas_mul_i64(p->n, p->k, &p->gs) && p->n > 0 && p->k > 0;
    }

    p->groups = a->group;
    p->n = w->dims[1];
    p->taps = taps;
    p->flip = taps > 1;
    p->ns = taps;

    return maas_mul_i64(w->dims[0] / a->group, taps, &p->k)
           && maas_mul_i64(p->n, taps, &p->ks)
           && maas_mul_i64(p->ks, w->dims[0] / a->group, &p->gs)
           && p->n > 0 && p->k > 0;
}
