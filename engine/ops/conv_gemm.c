/*
 * Convolution of float32 as a product with packed weights.
 *
 * A unit is a block of output pixels of one image and group, and a block of
 * channels; it copies the pixels' taps into rows of its thread's scratch
 * (k rows of mb pixels) and multiplies.  Units of one pixel block follow
 * each other, so that a thread copies it once.  1x1 kernels read the input
 * in place.  Where the output is one pixel that sees the whole input, the
 * step is a matrix product over the batch.
 *
 * Ownership: nothing is allocated.  Threads: units are independent, and the
 * chain of an output element (bias, then k ascending) knows no unit.
 */

#include "ops/conv.h"
#include "ops/panels8.h"


#define CONV_CACHE  98304           /* floats of a block of taps */


static void
conv_blocks(conv_geom_t *g)
{
    int64_t  mb, nb, units, panels;

    mb = CONV_CACHE / maas_max(g->k, 1);
    mb = maas_min(maas_max(mb, 64), 256);
    g->mblocks = (g->w.out_count + mb - 1) / mb;
    mb = (g->w.out_count + g->mblocks - 1) / maas_max(g->mblocks, 1);
    g->mb = (mb + 15) / 16 * 16;
    g->mblocks = (g->w.out_count + g->mb - 1) / maas_max(g->mb, 1);

    panels = (g->ocg + 15) / 16;
    units = g->batch * g->group * g->mblocks;
    nb = panels;

    while (nb > 2 && units * ((panels + nb - 1) / nb) < 16) {
        nb = (nb + 1) / 2;
    }

    g->nb = nb * 16;
    g->nblocks = (g->ocg + g->nb - 1) / maas_max(g->nb, 1);
}


void
conv_geom(conv_geom_t *g, const maas_window_attr_t *a,
    const maas_tensor_t *x, const maas_tensor_t *w, const maas_tensor_t *y)
{
    int  i, nd = x->rank - 2;

    maas_window_init(&g->w, a, w->dims + 2, nd, x->dims + 2, y->dims + 2);

    g->batch = x->dims[0];
    g->group = a->group;
    g->icg = w->dims[1];
    g->ocg = w->dims[0] / a->group;
    g->k = g->icg * g->w.k_count;
    g->direct = g->w.k_count == 1;

    for (i = 0; i < nd; i++) {
        g->direct = g->direct && g->w.s[i] == 1 && g->w.p0[i] == 0
                    && g->w.p1[i] == 0 && g->w.in[i] == g->w.out[i];
    }

    conv_blocks(g);
}


/* -- taps to rows -------------------------------------------------------- */

/* n taps of one input row, from x * s + off on; outside: 0. */
static inline void
conv_taps(float *dst, const float *src, int64_t x0, int64_t n, int64_t s,
    int64_t off, int64_t size)
{
    int64_t       i, lo, hi;
    const float  *p;

    off += x0 * s;
    maas_window_range(n, s, off, size, &lo, &hi);

    for (i = 0; i < lo; i++) {
        dst[i] = 0;
    }

    p = src + off;

    if (s == 1) {
        if (hi > lo) {
            memcpy(dst + lo, p + lo, (size_t) (hi - lo) * sizeof(float));
        }

    } else if (s == 2) {
        for (i = lo; i < hi; i++) {
            dst[i] = p[i * 2];
        }

    } else {
        for (i = lo; i < hi; i++) {
            dst[i] = p[i * s];
        }
    }

    for (i = maas_max(hi, lo); i < n; i++) {
        dst[i] = 0;
    }
}


/* One row of taps: kernel row kr, column kx, pixels [m0, m0 + n). */
static void
conv_row(const maas_window_t *w, float *dst, const float *plane, int64_t kr,
    int64_t kx, int64_t m0, int64_t n)
{
    int       last = w->nd - 1;
    int64_t   o, x0, len, off, ow;

    ow = w->out[last];
    o = m0 / ow;
    x0 = m0 % ow;

    while (n > 0) {
        len = maas_min(ow - x0, n);

        if (maas_window_row(w, o, kr, &off)) {
            conv_taps(dst, plane + off, x0, len, w->s[last],
                      kx * w->d[last] - w->p0[last], w->in[last]);

        } else {
            memset(dst, 0, (size_t) len * sizeof(float));
        }

        dst += len;
        n -= len;
        x0 = 0;
        o++;
    }
}


static void
conv_rows_any(const conv_geom_t *g, float *dst, const float *x, int64_t m0,
    int64_t n)
{
    int64_t               c, r, kx, kw, rows;
    const maas_window_t  *w = &g->w;

    kw = w->k[w->nd - 1];
    rows = w->k_count / kw;

    for (c = 0; c < g->icg; c++) {
        for (r = 0; r < rows; r++) {
            for (kx = 0; kx < kw; kx++) {
                conv_row(w, dst, x, r, kx, m0, n);
                dst += g->mb;
            }
        }

        x += w->in_count;
    }
}


/* Few floats: a call costs more than the copy. */
static inline void
conv_copy(float *dst, const float *src, int64_t n)
{
    int64_t  i;

    if (n >= 64) {
        memcpy(dst, src, (size_t) n * sizeof(float));
        return;
    }

    for (i = 0; i + 4 <= n; i += 4) {
        memcpy(dst + i, src + i, 4 * sizeof(float));
    }

    for ( /* void */ ; i < n; i++) {
        dst[i] = src[i];
    }
}


static inline void
conv_zero(float *dst, int64_t n)
{
    static const float  zeros[64];

    conv_copy(dst, zeros, maas_min(n, 64));

    if (n > 64) {
        memset(dst + 64, 0, (size_t) (n - 64) * sizeof(float));
    }
}


/*
 * One row of taps of a 1-D or 2-D window, from input row iy on; [lo, hi):
 * the columns of a whole output row whose tap lies inside.
 */
static void
conv_row_2d(const maas_window_t *w, float *dst, const float *in, int64_t iy,
    int64_t ih, int64_t x0, int64_t n, int64_t kx, int64_t lo, int64_t hi)
{
    int           l = w->nd - 1;
    int64_t       a, b, i, len, sx = w->s[l], sy = l > 0 ? w->s[l - 1] : 1;
    const float  *p;

    for ( /* void */ ; n > 0; n -= len, dst += len, x0 = 0, iy += sy) {
        len = maas_min(w->out[l] - x0, n);
        a = maas_min(maas_max(lo - x0, 0), len);
        b = maas_max(maas_min(hi - x0, len), a);

        if (iy < 0 || iy >= ih || a == b) {
            conv_zero(dst, len);
            continue;
        }

        conv_zero(dst, a);
        p = in + iy * w->in[l] + kx * w->d[l] - w->p0[l] + x0 * sx;

        if (sx == 1) {
            conv_copy(dst + a, p + a, b - a);

        } else if (sx == 2) {
            for (i = a; i + 4 <= b; i += 4) {
                dst[i] = p[i * 2];
                dst[i + 1] = p[i * 2 + 2];
                dst[i + 2] = p[i * 2 + 4];
                dst[i + 3] = p[i * 2 + 6];
            }

            for ( /* void */ ; i < b; i++) {
                dst[i] = p[i * 2];
            }

        } else {
            for (i = a; i < b; i++) {
                dst[i] = p[i * sx];
            }
        }

        conv_zero(dst + b, len - b);
    }
}


/*
 * The same with strides of 1 and rows as long as the input's: the taps of
 * all pixels are one piece of the plane, but for columns that fall outside.
 */
static void
conv_row_same(const maas_window_t *w, float *dst, const float *in,
    int64_t iy, int64_t ih, int64_t x0, int64_t n, int64_t kx, int64_t lo,
    int64_t hi)
{
    int      l = w->nd - 1;
    int64_t  a, b, i, j, start, ow = w->out[l];

    start = iy * ow + x0 + kx * w->d[l] - w->p0[l];
    a = iy < 0 ? -iy * ow - x0 : 0;
    a = maas_min(maas_max(a, -start), n);
    b = maas_min((ih - iy) * ow - x0, w->in_count - start);
    b = maas_min(maas_max(b, a), n);

    conv_zero(dst, a);
    conv_copy(dst + a, in + start + a, b - a);
    conv_zero(dst + b, n - b);

    if (lo == 0 && hi == ow) {
        return;
    }

    for (j = -x0; j < n; j += ow) {
        for (i = maas_max(j, 0); i < maas_min(j + lo, n); i++) {
            dst[i] = 0;
        }

        for (i = maas_max(j + hi, 0); i < maas_min(j + ow, n); i++) {
            dst[i] = 0;
        }
    }
}


/* k rows of taps of pixels [m0, m0 + n). */
static void
conv_rows(const conv_geom_t *g, float *dst, const float *x, int64_t m0,
    int64_t n)
{
    int                   l = g->w.nd - 1;
    bool                  same;
    int64_t               c, ky, kx, kh, ih, y, x0, lo, hi;
    const maas_window_t  *w = &g->w;

    if (w->nd > 2) {
        conv_rows_any(g, dst, x, m0, n);
        return;
    }

    kh = l > 0 ? w->k[0] : 1;
    ih = l > 0 ? w->in[0] : 1;
    y = l > 0 ? m0 / w->out[l] * w->s[0] - w->p0[0] : 0;
    x0 = m0 % w->out[l];
    same = w->s[l] == 1 && w->out[l] == w->in[l] && (l == 0 || w->s[0] == 1);

    for (kx = 0; kx < w->k[l]; kx++) {
        maas_window_range(w->out[l], w->s[l], kx * w->d[l] - w->p0[l],
                          w->in[l], &lo, &hi);

        for (c = 0; c < g->icg; c++) {
            for (ky = 0; ky < kh; ky++) {
                (same ? conv_row_same : conv_row_2d)
                    (w, dst + ((c * kh + ky) * w->k[l] + kx) * g->mb,
                     x + c * w->in_count, y + (l > 0 ? ky * w->d[0] : 0), ih,
                     x0, n, kx, lo, hi);
            }
        }
    }
}


/* -- the product --------------------------------------------------------- */

static size_t
conv_scratch_x(const conv_geom_t *g)
{
    return g->direct ? 0 : (size_t) g->mb * (size_t) g->k * sizeof(float);
}


static bool
conv_setup_gemm(maas_setup_t *u, maas_format_t format)
{
    conv_geom_t  g;

    if (u->in[0].dtype != MAAS_F32
        || (u->in[1].format == MAAS_FMT_PLAIN) != (format == MAAS_FMT_PLAIN))
    {
        return false;
    }

    conv_geom(&g, u->attr, &u->in[0], &u->in[1], &u->out[0]);

    u->units = maas_max(g.batch * g.group * g.mblocks * g.nblocks, 1);
    u->scratch = conv_scratch_x(&g);

    if (u->in[1].format != MAAS_FMT_P16) {
        u->scratch += maas_p16_elems(g.k, g.nb) * sizeof(float);
    }

    u->cost = conv_flops(u) / 150 + (double) u->out[0].bytes / 30
              + (double) u->in[0].bytes / 10;
    return true;
}


bool
conv_setup_packed(maas_setup_t *u)
{
    return conv_setup_gemm(u, MAAS_FMT_P16);
}


bool
conv_setup_plain(maas_setup_t *u)
{
    return conv_setup_gemm(u, MAAS_FMT_PLAIN);
}


static void
conv_post(const maas_step_t *s, const conv_geom_t *g, int64_t image,
    int64_t channel, int64_t rows, int64_t m0, int64_t cols)
{
    int64_t            at, step = g->w.out_count;
    maas_post_block_t  b;

    at = (image * g->group * g->ocg + channel) * step + m0;
    b = (maas_post_block_t) {
        (float *) s->out[0].data + at, step, rows, cols, at, step,
        channel, 1, 0
    };
    maas_post_apply(s, &b);
}


/* A block of channels against the rows at x; wp: its panels. */
static void
conv_block(const maas_step_t *s, const conv_geom_t *g, int64_t ig,
    int64_t m0, int64_t n0, const float *x, int64_t ldx, const float *wp)
{
    int64_t        oc, cols, m;
    float         *y;
    maas_gemmt_t   t;
    const float   *bias = conv_bias(s);

    m = maas_min(g->mb, g->w.out_count - m0);
    cols = maas_min(g->nb, g->ocg - n0);
    oc = ig % g->group * g->ocg + n0;
    y = (float *) s->out[0].data + (ig * g->ocg + n0) * g->w.out_count + m0;

    t = (maas_gemmt_t) {
        m, cols, g->k, x, ldx, wp, y, g->w.out_count,
        bias != NULL ? bias + oc : NULL, false
    };
    s->k->gemmt(&t, 0, m, 0, cols);

    if (s->n_post != 0) {
        conv_post(s, g, ig / g->group, oc, cols, m0, m);
    }
}


/* Float32 panels of the channels from n0 on of a group. */
static void
conv_weights(const maas_step_t *s, const conv_geom_t *g, int64_t gi,
    int64_t n0, float *pack)
{
    int64_t       n = maas_min(g->nb, g->ocg - n0);
    const float  *w = s->in[1].data;

    if (s->in[1].format == MAAS_FMT_P16Q8) {
        panels8_unpack(s->k, pack, panels8_at(w, gi, g->k, g->ocg,
                                              n0 / MAAS_P16),
                       g->k, (n + 15) / 16, 0, g->k);
        return;
    }

    s->k->pack_p16(pack, w + (gi * g->ocg + n0) * g->k, 1, g->k, g->k, n, 0,
                   (n + 15) / 16);
}


maas_status_t
conv_run_gemm(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float        *rows, *pack;
    int64_t       u, ig, m0, n0, gi, ldx, have_x, have_w;
    conv_geom_t   g;
    const float  *x, *w;

    conv_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    rows = slot->scratch;
    pack = (float *) ((char *) slot->scratch + conv_scratch_x(&g));
    have_x = have_w = -1;

    for (u = first; u < last; u++) {
        n0 = u % g.nblocks * g.nb;
        m0 = u / g.nblocks % g.mblocks * g.mb;
        ig = u / g.nblocks / g.mblocks;
        gi = ig % g.group;

        x = (const float *) s->in[0].data + ig * g.icg * g.w.in_count;
        ldx = g.w.in_count;

        if (g.direct) {
            x += m0;

        } else {
            if (have_x != u / g.nblocks) {
                conv_rows(&g, rows, x, m0,
                          maas_min(g.mb, g.w.out_count - m0));
                have_x = u / g.nblocks;
            }

            x = rows;
            ldx = g.mb;
        }

        w = s->in[1].data;

        if (s->in[1].format == MAAS_FMT_P16) {
            w += (size_t) gi * maas_p16_elems(g.k, g.ocg) + n0 * g.k;

        } else {
            if (have_w != gi * g.nblocks + u % g.nblocks) {
                conv_weights(s, &g, gi, n0, pack);
                have_w = gi * g.nblocks + u % g.nblocks;
            }

            w = pack;
        }

        conv_block(s, &g, ig, m0, n0, x, ldx, w);
    }

    return MAAS_OK;
}


/* -- one pixel that sees everything -------------------------------------- */

#define CONV_POINT_ROWS  48

bool
conv_setup_point(maas_setup_t *u)
{
    int          i;
    conv_geom_t  g;

    if (u->in[0].dtype != MAAS_F32
        || !maas_format_panels(u->in[1].format))
    {
        return false;
    }

    conv_geom(&g, u->attr, &u->in[0], &u->in[1], &u->out[0]);

    for (i = 0; i < g.w.nd; i++) {
        if (g.w.out[i] != 1 || g.w.p0[i] != 0 || g.w.in[i] != g.w.k[i]
            || g.w.p1[i] != 0 || (g.w.d[i] != 1 && g.w.k[i] != 1))
        {
            return false;
        }
    }

    u->units = maas_max((g.batch + CONV_POINT_ROWS - 1) / CONV_POINT_ROWS
                        * g.group * ((g.ocg + 63) / 64), 1);
    u->scratch = u->in[1].format == MAAS_FMT_P16Q8
                 ? panels8_scratch() : 0;
    u->cost = conv_flops(u) / 100;
    return true;
}


maas_status_t
conv_run_point(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    bool          eight = s->in[1].format == MAAS_FMT_P16Q8;
    int64_t       u, t, i, m0, n0, gi, m, n, oc, row;
    conv_geom_t   g;
    maas_gemm_t   p;
    const float  *x = s->in[0].data, *w = s->in[1].data, *bias;

    conv_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);
    bias = conv_bias(s);
    row = (g.batch + CONV_POINT_ROWS - 1) / CONV_POINT_ROWS;

    for (u = first; u < last && g.batch != 0; u++) {
        m0 = u % row * CONV_POINT_ROWS;
        t = u / row;
        n0 = t % ((g.ocg + 63) / 64) * 64;
        gi = t / ((g.ocg + 63) / 64);
        m = maas_min(g.batch - m0, CONV_POINT_ROWS);
        n = maas_min(g.ocg - n0, 64);
        oc = gi * g.ocg + n0;

        p = (maas_gemm_t) {
            m, n, g.k, x + (m0 * g.group + gi) * g.k, g.group * g.k,
            w + (eight ? 0 : (size_t) gi * maas_p16_elems(g.k, g.ocg)
                             + (size_t) (n0 * g.k)),
            (float *) s->out[0].data + m0 * g.group * g.ocg + oc,
            g.group * g.ocg, bias != NULL ? bias + oc : NULL, false
        };

        if (eight) {
            panels8_gemm(s->k, &p, panels8_at(w, gi, g.k, g.ocg,
                                              n0 / MAAS_P16), slot->scratch);
        } else {
            s->k->gemm(&p, 0, m);
        }

        for (i = 0; i < m && s->n_post != 0; i++) {
            conv_post(s, &g, m0 + i, oc, n, 0, 1);
        }
    }

    return MAAS_OK;
}
