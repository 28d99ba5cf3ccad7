/*
 * maas.QConv: QLinearConv and ConvInteger by constant weights over blocks of
 * 16 channels, weights in panels (qconv.h).  graph/pass/layout.c chooses it
 * in the form of maas.QConvBlocked and maas.ConvIntegerBlocked, whose weights
 * graph/pass/pack_qconv.c then packs.
 *
 * Bytes lie as uint8, zero points of int8 are raised by 128 with them.  A sum
 * begins with bias - zx * (sum of the channel's weights), so that padding,
 * filled with zx, adds nothing.  Sums are exact: the result is that of
 * qconv.c to the bit.  The attribute `again`: what QAdd or QConcat (qlinear.c)
 * made of it is made at once,
 *
 *   z = clamp(round((y - zy) * fsum + (add - add_zero) * fadd)) + z_zero
 *
 * Without sy the int32 sums are the output, which is plain then.
 *
 * A unit is a band of output pixels of one image and some blocks of
 * channels.  Where taps fall beside the image, and of planes, the band's
 * inputs are copied into the thread's scratch.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/qconv.h"


#define QB_CACHE   (96 << 10)   /* bytes of a band's inputs */
#define QB_BIG     (384 << 10)  /* the same, where weights are large */
#define QB_LARGE   (256 << 10)  /* these are */
#define QB_LEAST   112          /* pixels of a band that is cut */
#define QB_TILE    14           /* pixels of a row that kernels take */
#define QB_UNITS   4

typedef struct {
    qconv_panel_t  p;
    int64_t        batch;
    int64_t        ih, iw, oh, ow, sh, sw, ph, pw, dh, dw;
    int64_t        lane;        /* bytes of an input pixel */
    bool           copy;
    int64_t        rows, cols;  /* of a band */
    int64_t        in_rows, in_cols;    /* that a band sees, at most */
    int64_t        nrow, ncol;
    int64_t        nb, nset;    /* blocks of a unit */
    int64_t        taken;       /* parts of the input that a unit copies */
    size_t         input, start, sums;  /* of the scratch */
} qb_t;


bool
qconv_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b, int w, int zw)
{
    qconv_panel_t              p;
    const maas_type_t         *x = type[0], *k = type[w];
    const maas_window_attr_t  *a = n->attr;

    if (!(b->constant >> w & 1) || k->rank < 3 || k->rank > 4
        || x->rank != k->rank || n->n_post != 0
        || maas_dims_count(k->dims, k->rank) < 1
        || (zw < n->n_formal && type[zw] != NULL
            && !(b->constant >> zw & 1))
        || !maas_window_near(a, k->dims + 2, k->rank - 2)
        || !qconv_panel_init(&p, a->group, k->dims[0], k->dims[1],
                             k->rank > 3 ? k->dims[2] : 1,
                             k->dims[k->rank - 1], QCONV_PASSES))
    {
        return false;
    }

    b->in = !p.planes;
    b->bytes = true;
    return true;
}


/* -- the geometry -------------------------------------------------------- */

static void
qb_window(qb_t *g, const maas_window_t *w)
{
    int   l = w->nd - 1;
    bool  two = w->nd == 2;

    g->ih = two ? w->in[0] : 1;
    g->oh = two ? w->out[0] : 1;
    g->sh = two ? w->s[0] : 1;
    g->dh = two ? w->d[0] : 1;
    g->ph = two ? w->p0[0] : 0;
    g->iw = w->in[l];
    g->ow = w->out[l];
    g->sw = w->s[l];
    g->dw = w->d[l];
    g->pw = w->p0[l];
}


/* Parts of `all` of some n each, even, multiples of `step`. */
static int64_t
qb_even(int64_t all, int64_t n, int64_t step)
{
    int64_t  parts = (all + maas_max(n, 1) - 1) / maas_max(n, 1);

    n = (all + maas_max(parts, 1) - 1) / maas_max(parts, 1);

    return maas_max((n + step - 1) / step * step, step);
}


/* Bands of so many pixels; rows of them where a row is no more. */
static void
qb_cut(qb_t *g, int64_t pixels)
{
    g->cols = g->ow;
    g->rows = 1;

    if (pixels < g->ow) {
        g->cols = maas_min(qb_even(g->ow, pixels, QB_TILE), g->ow);
    } else {
        g->rows = qb_even(g->oh, pixels / maas_max(g->ow, 1), 1);
    }

    g->nrow = (g->oh + g->rows - 1) / g->rows;
    g->ncol = (g->ow + maas_max(g->cols, 1) - 1) / maas_max(g->cols, 1);
}


static void
qb_units(qb_t *g)
{
    bool     large;
    int64_t  each, n, all = g->oh * g->ow, weights, bands;

    weights = g->p.blocks * g->p.panel;
    large = weights > QB_LARGE;
    each = g->taken * g->lane * g->sh * g->sw;
    n = maas_max((large ? QB_BIG : QB_CACHE) / maas_max(each, 1), QB_TILE);

    /* Small weights: bands for threads; large ones: sets of channels. */
    if (!large && all * g->batch < QB_UNITS * n) {
        n = maas_max(all * g->batch / QB_UNITS, QB_LEAST);
    }

    qb_cut(g, n);
    bands = g->batch * g->nrow * g->ncol;
    g->nb = 1;

    if (g->p.group == 1) {
        n = (g->p.blocks + 1) / 2;
        n = bands >= QB_UNITS ? n : maas_max(n * bands / QB_UNITS, 1);
        g->nb = qb_even(g->p.blocks, 2 * n, 2);
    }

    g->nset = (g->p.blocks + g->nb - 1) / g->nb;
    g->in_rows = (g->rows - 1) * g->sh + (g->p.kh - 1) * g->dh + 1;
    g->in_cols = (g->cols - 1) * g->sw + (g->p.kw - 1) * g->dw + 1;
}


/* False: the attributes are no convolution's.  y: int32 sums, or bytes. */
static bool
qb_geom(qb_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *y)
{
    int                  nd = x->rank - 2;
    int64_t              kernel[2], n;
    maas_window_t        w;
    const qconv_attr_t  *a = attr;

    if (nd < 1 || nd > 2 || a->w.kernel_shape.n != (uint32_t) nd) {
        return false;
    }

    memcpy(kernel, maas_list_ints(attr, &a->w.kernel_shape),
           (size_t) nd * sizeof(int64_t));

    if (!qconv_panel_init(&g->p, a->w.group, a->oc, a->icg,
                          nd > 1 ? kernel[0] : 1, kernel[nd - 1],
                          a->passes))
    {
        return false;
    }

    maas_window_init(&w, &a->w, kernel, nd, x->dims + 2, y->dims + 2);
    qb_window(g, &w);

    g->batch = x->dims[0];
    g->lane = g->p.planes ? 4 : MAAS_C16;
    g->copy = g->p.planes || g->ph > 0 || g->pw > 0
              || (g->oh - 1) * g->sh + (g->p.kh - 1) * g->dh >= g->ih
              || (g->ow - 1) * g->sw + (g->p.kw - 1) * g->dw >= g->iw;

    /* A pixel sees itself alone: a plane is one row. */
    if (!g->copy && g->p.kh * g->p.kw * g->sh * g->sw == 1
        && g->oh == g->ih && g->ow == g->iw)
    {
        g->iw = g->ow = g->oh * g->ow;
        g->ih = g->oh = 1;
    }

    g->taken = g->p.na;
    qb_units(g);

    if (!maas_mul_i64(g->in_rows, g->in_cols, &n)
        || !maas_mul_i64(n, g->taken * g->lane, &n) || n > INT64_MAX / 2)
    {
        return false;
    }

    g->input = g->copy ? maas_align((size_t) n, MAAS_ALIGN) : 0;
    g->start = (size_t) g->nb * MAAS_C16 * 4;
    g->sums = y->dtype != MAAS_I32 ? 0
              : (size_t) (maas_min(g->nb, 2) * g->rows * g->cols)
                * MAAS_C16 * 4;
    return true;
}


static double
qconv_flops(const maas_setup_t *u)
{
    double               n = 2.0 * (double) maas_tensor_count(&u->out[0]);
    const qconv_attr_t  *a = u->attr;

    for (uint32_t i = 0; i < a->w.kernel_shape.n; i++) {
        n *= (double) maas_list_ints(a, &a->w.kernel_shape)[i];
    }

    return n * (double) a->icg;
}


/* What is added lies as the output does. */
static bool
qb_add_fits(const maas_setup_t *u)
{
    const maas_tensor_t  *t = &u->in[QCONV_ADD];

    return u->n_formal <= QCONV_ADD || t->dtype == MAAS_NODTYPE
           || (t->format == MAAS_FMT_C16 && t->rank == u->out[0].rank
               && memcmp(t->dims, u->out[0].dims,
                         (size_t) t->rank * sizeof(int64_t)) == 0);
}


static bool
qconv_setup(maas_setup_t *u)
{
    qb_t                 g;
    const qconv_attr_t  *a = u->attr;

    if (!qb_geom(&g, a, &u->in[0], &u->out[0])
        || u->in[0].format != (g.p.planes ? MAAS_FMT_PLAIN : MAAS_FMT_C16)
        || !qb_add_fits(u))
    {
        return false;
    }

    u->units = g.batch * g.nrow * g.ncol * g.nset;
    u->scratch = g.input + 2 * g.start + g.sums;
    u->cost = 100 + qconv_flops(u) / 400 + (double) u->out[0].bytes / 20;
    return true;
}


/* -- one unit ------------------------------------------------------------ */

typedef struct {
    int64_t         image, r0, c0, rows, cols;
    int64_t         b0, blocks;
    const uint8_t  *x;          /* the first tap of the first pixel */
    int64_t         row, part;  /* bytes from one to the next */
    int32_t         zx;         /* raised, as the bytes are */
} qb_unit_t;


/* 4 bytes for each of n pixels of up to 4 planes. */
QUANT_FAST static void
qb_weave(uint32_t *restrict y, const uint8_t *restrict x, int64_t plane,
    int64_t planes, int64_t n, uint32_t flip)
{
    int64_t         i;
    const uint8_t  *x1 = planes > 1 ? x + plane : x;
    const uint8_t  *x2 = planes > 2 ? x1 + plane : x;
    const uint8_t  *x3 = planes > 3 ? x2 + plane : x;

    if (planes == 1) {
        for (i = 0; i < n; i++) {
            y[i] = x[i] ^ flip;
        }

        return;
    }

    for (i = 0; i < n; i++) {
        y[i] = (x[i] | (uint32_t) x1[i] << 8 | (uint32_t) x2[i] << 16
                | (uint32_t) x3[i] << 24) ^ flip;
    }
}


/* Pixels [x0, x1) of row y of a part, or zx where y is beside the image. */
static void
qb_row(const qb_t *g, const qb_unit_t *u, const maas_step_t *s,
    uint8_t *dst, int64_t part, int64_t y, int64_t x0, int64_t n)
{
    int64_t      left, right;
    const char  *x = s->in[0].data;

    left = y < 0 || y >= g->ih ? n : maas_min(maas_max(-x0, 0), n);
    right = maas_max(maas_min(x0 + n, g->iw) - x0, left);
    memset(dst, u->zx, (size_t) (left * g->lane));
    memset(dst + right * g->lane, u->zx, (size_t) ((n - right) * g->lane));

    if (right == left) {
        return;
    }

    x0 += left;

    if (g->p.planes) {
        x += (u->image * g->p.icg * g->ih + y) * g->iw + x0;
        qb_weave((uint32_t *) (void *) (dst + left * 4), (const uint8_t *) x,
                 g->ih * g->iw, g->p.icg, right - left,
                 s->in[0].dtype == MAAS_I8 ? 0x80808080u : 0);
        return;
    }

    x += (((u->image * g->p.parts + part) * g->ih + y) * g->iw + x0)
         * MAAS_C16;
    memcpy(dst + left * MAAS_C16, x, (size_t) ((right - left) * MAAS_C16));
}


/* The input of the unit, which begins with part `from`; key: which it is. */
static void
qb_open(const qb_t *g, qb_unit_t *u, const maas_step_t *s,
    maas_slot_t *slot, int64_t from, int64_t key)
{
    int64_t   p, y, rows, cols, y0, x0;
    uint8_t  *dst = slot->scratch;

    y0 = u->r0 * g->sh - g->ph;
    x0 = u->c0 * g->sw - g->pw;

    if (!g->copy) {
        u->row = g->iw * MAAS_C16;
        u->part = g->ih * u->row;
        u->x = (const uint8_t *) s->in[0].data
               + (u->image * g->p.parts + from) * u->part + y0 * u->row
               + x0 * MAAS_C16;
        return;
    }

    rows = (u->rows - 1) * g->sh + (g->p.kh - 1) * g->dh + 1;
    cols = (u->cols - 1) * g->sw + (g->p.kw - 1) * g->dw + 1;
    u->x = dst;
    u->row = cols * g->lane;
    u->part = rows * u->row;

    if (slot->keep != NULL && *slot->keep == key) {
        return;
    }

    for (p = from; p < from + g->taken; p++) {
        for (y = y0; y < y0 + rows; y++, dst += u->row) {
            qb_row(g, u, s, dst, p, y, x0, cols);
        }
    }

    if (slot->keep != NULL) {
        *slot->keep = key;
    }
}


/* What the sums of the unit's channels begin with, and their scales. */
static void
qb_channels(const qb_t *g, const qb_unit_t *u, const maas_step_t *s,
    int32_t *start, float *scale)
{
    int32_t         sum;
    int64_t         oc, i = 0, n = u->blocks * MAAS_C16;
    const char     *panel = (const char *) s->in[QCONV_W].data
                            + u->b0 * g->p.panel;
    const int32_t  *bias = quant_has(s, QCONV_B) ? s->in[QCONV_B].data : NULL;

    for (oc = u->b0 * MAAS_C16; i < n && oc < g->p.oc; i++, oc++) {
        memcpy(&sum, panel + i / MAAS_C16 * g->p.panel + i % MAAS_C16 * 4,
               sizeof(sum));
        start[i] = (int32_t) ((bias != NULL ? (uint32_t) bias[oc] : 0)
                              - (uint32_t) u->zx * (uint32_t) sum);
        scale[i] = !quant_has(s, QCONV_SY) ? 0
                   : quant_scale(s, QCONV_SX, 0) * quant_scale(s, QCONV_SW, oc)
                     / quant_scale(s, QCONV_SY, 0);
    }

    for ( /* void */ ; i < n; i++) {
        start[i] = 0;
        scale[i] = 0;
    }
}


/* A zero point as the bytes of a tensor of this type have it. */
static int32_t
qb_zero(const maas_step_t *s, int i, maas_dtype_t dtype)
{
    return quant_zero(s, i, 0) + (dtype == MAAS_I8 ? 128 : 0);
}


/* The least (or most) that `limit` of y's type leaves, less the zero point. */
static float
qb_limit(int64_t limit, maas_dtype_t dtype, int32_t zero)
{
    limit += dtype == MAAS_I8 ? 128 : 0;

    return (float) (maas_min(maas_max(limit, 0), 255) - zero);
}


/* How sums become bytes. */
static void
qb_rounding(const maas_step_t *s, maas_qconv16_t *c)
{
    maas_dtype_t         t = s->out[0].dtype;
    const qconv_attr_t  *a = s->attr;

    c->zero = qb_zero(s, QCONV_ZY, t);
    c->lo = qb_limit(a->low, t, c->zero);
    c->hi = qb_limit(a->high, t, c->zero);

    if (a->again) {
        c->fsum = a->fsum;
        c->azero = (int32_t) a->z_zero + (t == MAAS_I8 ? 128 : 0);
        c->alo = qb_limit(a->z_low, t, c->azero);
        c->ahi = qb_limit(a->z_high, t, c->azero);
        c->add = s->out[0].data;            /* any bytes, times 0 */
    }

    if (a->again && quant_has(s, QCONV_ADD)) {
        c->add = s->in[QCONV_ADD].data;
        c->zadd = (int32_t) a->add_zero
                  + (s->in[QCONV_ADD].dtype == MAAS_I8 ? 128 : 0);
        c->fadd = a->fadd;
    }
}


/* The chain of an output element: see maas_qconv16_t. */
static void
qb_chain(const qb_t *g, const qb_unit_t *u, maas_qconv16_t *c)
{
    bool  row = g->p.planes && g->dw == 1;

    c->passes = g->p.passes;
    c->na = g->p.na;
    c->nb = g->p.kh;
    c->nc = row ? 1 : g->p.kw;
    c->run = row ? g->p.kw * 4 : MAAS_C16;
    c->last = row ? c->run : g->p.last;
    c->xa = u->part;
    c->xb = g->dh * u->row;
    c->xc = g->dw * g->lane;
    c->xrow = g->sh * u->row;
    c->xcol = g->sw * g->lane;
    c->yrow = g->ow * MAAS_C16;
    c->yblock = g->oh * g->ow * MAAS_C16;
    c->wblock = g->p.panel;
    c->rows = u->rows;
    c->cols = u->cols;
    c->x = u->x;
}


/* int32 sums, some blocks at a time, to a plain output. */
static void
qb_sums(const qb_t *g, const qb_unit_t *u, const maas_step_t *s,
    maas_qconv16_t *c, int32_t *sums)
{
    int64_t         oc, n = u->rows * u->cols, pixels = g->oh * g->ow;
    maas_qconv16_t  p = *c;

    p.y = sums;
    p.yrow = u->cols * MAAS_C16;
    p.yblock = n * MAAS_C16;

    for (int64_t b = 0; b < u->blocks; b += p.blocks) {
        p.blocks = maas_min(u->blocks - b, 2);
        p.w = c->w + b * c->wblock;
        p.start = c->start + b * MAAS_C16;

        if (g->p.depthwise) {
            s->k->qdw16(&p);
        } else {
            s->k->qconv16(&p);
        }

        for (int64_t i = 0; i < p.blocks; i++) {
            oc = (u->b0 + b + i) * MAAS_C16;
            s->k->transpose((float *) s->out[0].data
                            + (u->image * g->p.oc + oc) * pixels
                            + u->r0 * g->ow + u->c0, pixels,
                            (const float *) (const void *) sums
                            + i * p.yblock, MAAS_C16, n,
                            maas_min(g->p.oc - oc, MAAS_C16));
        }
    }
}


static void
qb_compute(const qb_t *g, const qb_unit_t *u, const maas_step_t *s,
    char *room, bool final)
{
    int64_t         at;
    maas_qconv16_t  c = { 0 };

    c.start = (int32_t *) (void *) room;
    c.scale = (float *) (void *) (room + g->start);
    qb_channels(g, u, s, (int32_t *) (void *) room,
                (float *) (void *) (room + g->start));
    qb_chain(g, u, &c);
    c.w = (const int8_t *) s->in[QCONV_W].data + u->b0 * g->p.panel
          + QCONV_HEAD;
    c.blocks = u->blocks;
    c.ahead = final ? NULL : c.w + u->blocks * g->p.panel;

    if (!quant_has(s, QCONV_SY)) {
        c.scale = NULL;
        qb_sums(g, u, s, &c, (int32_t *) (void *) (room + 2 * g->start));
        return;
    }

    at = (u->image * g->p.blocks + u->b0) * c.yblock + u->r0 * c.yrow
         + u->c0 * MAAS_C16;
    qb_rounding(s, &c);
    c.y = (uint8_t *) s->out[0].data + at;
    c.add = c.add != NULL ? c.add + at : NULL;

    if (g->p.depthwise) {
        s->k->qdw16(&c);
    } else {
        s->k->qconv16(&c);
    }
}


static maas_status_t
qconv_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char       *room;
    qb_t        g;
    int64_t     n, band, from;
    qb_unit_t   b = { 0 };

    if (!qb_geom(&g, s->attr, &s->in[0], &s->out[0])) {
        return maas_err(slot->err, MAAS_EINTERNAL, "maas.QConv without its "
                        "geometry");
    }

    room = (char *) slot->scratch + g.input;
    b.zx = qb_zero(s, QCONV_ZX, s->in[0].dtype);

    for (int64_t u = first; u < last; u++) {
        band = u / g.nset;
        n = band % (g.nrow * g.ncol);
        b.image = band / (g.nrow * g.ncol);
        b.r0 = n / g.ncol * g.rows;
        b.rows = maas_min(g.rows, g.oh - b.r0);
        b.c0 = n % g.ncol * g.cols;
        b.cols = maas_min(g.cols, g.ow - b.c0);
        b.b0 = u % g.nset * g.nb;
        b.blocks = maas_min(g.nb, g.p.blocks - b.b0);
        from = qconv_panel_from(&g.p, b.b0);

        qb_open(&g, &b, s, slot, from, g.p.group == 1 ? band : u);
        qb_compute(&g, &b, s, room, u % g.nset + 1 == g.nset);
    }

    return MAAS_OK;
}


/* -- shapes -------------------------------------------------------------- */

static maas_status_t
qconv_infer_panels(maas_infer_t *c)
{
    bool                 good;
    const int64_t       *k;
    qconv_panel_t        p;
    const maas_type_t   *x = c->in[0].type, *w = c->in[QCONV_W].type;
    const qconv_attr_t  *a = c->attr;

    good = (x->rank == 3 || x->rank == 4)
           && a->w.kernel_shape.n == (uint32_t) (x->rank - 2);

    if (good) {
        k = maas_list_ints(a, &a->w.kernel_shape);
        good = qconv_panel_init(&p, a->w.group, a->oc, a->icg,
                                x->rank > 3 ? k[0] : 1, k[x->rank - 3],
                                a->passes)
               && w->rank == 2 && w->dims[0] == p.blocks
               && w->dims[1] == p.panel;
    }

    return good ? MAAS_OK
           : maas_err(c->err, MAAS_EINVAL, "W is no panels of a convolution "
                      "of %lld channels", (long long) a->oc);
}


static maas_status_t
qconv_infer(maas_infer_t *c)
{
    maas_dim_t           dims[MAAS_RANK_MAX];
    maas_type_t          w = { .dtype = MAAS_I8 };
    maas_infer_t         plain = *c;
    maas_infer_in_t      in[2] = { c->in[0] };
    const maas_type_t   *x = c->in[0].type;
    const qconv_attr_t  *a = c->attr;

    MAAS_TRY(qconv_infer_panels(c));

    w.rank = x->rank;
    w.dims[0] = a->oc;
    w.dims[1] = a->icg;

    for (int i = 2; i < x->rank; i++) {
        w.dims[i] = maas_list_ints(a, &a->w.kernel_shape)[i - 2];
    }

    in[1].type = &w;
    plain.in = in;
    plain.n_in = 2;
    MAAS_TRY(conv_infer_dims(&plain, 1, -1, dims));

    MAAS_TRY(quant_infer_vector(c, QCONV_SW, "the scale of W", a->oc,
                                "output channel"));

    if (maas_infer_has(c, QCONV_B)
        && (c->in[QCONV_B].type->rank != 1
            || c->in[QCONV_B].type->dims[0] != a->oc))
    {
        return maas_err(c->err, MAAS_EINVAL, "B has not %lld elements",
                        (long long) a->oc);
    }

    if (!maas_infer_has(c, QCONV_SY)) {
        maas_infer_set(c, 0, MAAS_I32, x->rank, dims);
        return MAAS_OK;
    }

    if (!maas_infer_has(c, QCONV_SX) || !maas_infer_has(c, QCONV_SW)
        || !maas_infer_has(c, QCONV_ZY))
    {
        return maas_err(c->err, MAAS_EINVAL, "expected the scales of X and W "
                        "and the zero point of Y");
    }

    maas_infer_set(c, 0, c->in[QCONV_ZY].type->dtype, x->rank, dims);
    return maas_blocked_out(c, MAAS_OK);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  qconv_in[] = {
    { "x",              MAAS_D_Q8, 'X', 0 },
    { "w",              MAAS_D(I8), 0, 0 },
    { "x_zero_point",   MAAS_D_Q8, 'X', MAAS_OPT },
    { "x_scale",        MAAS_D(F32), 0, MAAS_OPT },
    { "w_scale",        MAAS_D(F32), 0, MAAS_OPT },
    { "y_scale",        MAAS_D(F32), 0, MAAS_OPT },
    { "y_zero_point",   MAAS_D_Q8, 'Y', MAAS_OPT },
    { "B",              MAAS_D(I32), 0, MAAS_OPT },
    { "add",            MAAS_D_Q8, 0, MAAS_OPT }
};

static const maas_formal_t  qconv_out[] = {
    { "y", MAAS_D_Q8 | MAAS_D(I32), 0, 0 }
};

#define QCONV_INT(label, member, def, lo, hi)                                 \
    { .name = label, .type = MAAS_ATTR_INT, .i = def, .min = lo, .max = hi,   \
      .off = offsetof(qconv_attr_t, member) }

static const maas_attr_row_t  qconv_attrs[] = {
    CONV_ATTRS,
    QCONV_INT("oc", oc, 1, 1, INT32_MAX),
    QCONV_INT("icg", icg, 1, 1, INT32_MAX),
    QCONV_INT("passes", passes, 1, 1, QCONV_PASSES),
    QCONV_INT("low", low, -128, -128, 255),
    QCONV_INT("high", high, 255, -128, 255),
    QCONV_INT("again", again, 0, 0, 1),
    QCONV_INT("add_zero", add_zero, 0, -128, 255),
    QCONV_INT("z_zero", z_zero, 0, -128, 255),
    QCONV_INT("z_low", z_low, -128, -128, 255),
    QCONV_INT("z_high", z_high, 255, -128, 255),
    { .name = "fsum", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(qconv_attr_t, fsum) },
    { .name = "fadd", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(qconv_attr_t, fadd) }
};

static const maas_kernel_row_t  qconv_kernels[] = {
    { "qconv.panels", MAAS_CPU_REF, 0, 0, qconv_setup, qconv_run }
};

static const maas_case_t  qconv_bad[] = {
    { "kernel_shape=[1,1] oc=4 icg=3 | u8[1,3,5,5] i8[1,64]", "no panels" },
    { "oc=4 icg=3 | u8[1,3,5,5] i8[1,128]", "no panels" },
    { "kernel_shape=[1,1] oc=4 icg=3 | u8[1,2,5,5] i8[1,128]",
      "channels of X" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_qconv_blocked[] = {
    {
        .name = "QConv", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qconv_in, qconv_out),
        MAAS_ATTRS(qconv_attrs, qconv_attr_t),
        .infer = qconv_infer,
        MAAS_KERNELS(qconv_kernels),
        .flops = qconv_flops,
        .bad = qconv_bad
    },
    { .name = NULL }
};
