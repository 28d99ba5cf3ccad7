/*
 * conv_grad_phases: the gradient by X of a convolution with strides, over
 * blocked activations.
 *
 * With stride s, the pixels of X whose rows and columns leave the same rests
 * by s (a phase) are reached by the same taps, and each of these taps takes
 * its pixels of dY without gaps: a product of one tap over a plane.  A unit
 * is an image and group by 32 channels of X; a band of a phase is summed in
 * the thread's scratch, tap after tap, and its pixels then go to their
 * places, s apart.  No product is made with a zero between pixels.
 *
 * Ownership: nothing is allocated.  Threads: units are independent; taps are
 * added in their order, whatever the bands and units are.
 */

#include "ops/blocked.h"
#include "ops/conv.h"


#define GP_SET   32             /* channels that run together */
#define GP_BAND  784            /* pixels of a band */

typedef struct {
    int64_t  batch, group, icg, ocg;
    int64_t  ih, iw, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
    int64_t  nset;
} gp_t;

/* One axis of a phase: pixels p, p + s, ... of X. */
typedef struct {
    int64_t  p, n;
} gp_axis_t;


static void
gp_geom(gp_t *g, const void *attr, const maas_tensor_t *dy,
    const maas_tensor_t *w, const maas_tensor_t *dx)
{
    int                        l;
    bool                       two;
    maas_window_t              win;
    const maas_window_attr_t  *a = attr;

    maas_window_init(&win, a, w->dims + 2, dx->rank - 2, dx->dims + 2,
                     dy->dims + 2);
    l = win.nd - 1;
    two = l > 0;

    g->batch = dx->dims[0];
    g->group = a->group;
    g->icg = w->dims[1];
    g->ocg = w->dims[0] / a->group;
    g->ih = two ? win.in[0] : 1, g->iw = win.in[l];
    g->oh = two ? win.out[0] : 1, g->ow = win.out[l];
    g->kh = two ? win.k[0] : 1, g->kw = win.k[l];
    g->sh = two ? win.s[0] : 1, g->sw = win.s[l];
    g->ph = two ? win.p0[0] : 0, g->pw = win.p0[l];
    g->dh = two ? win.d[0] : 1, g->dw = win.d[l];
    g->nset = (g->icg + GP_SET - 1) / GP_SET;
}


/* Rows of a band of a phase. */
static int64_t
gp_rows(const gp_t *g, int64_t cols)
{
    return maas_min(maas_max(GP_BAND / maas_max(cols, 1), 1),
                    (g->ih + g->sh - 1) / g->sh);
}


bool
conv_gradx_phases_setup(maas_setup_t *u)
{
    gp_t     g;
    int64_t  cols;

    if (u->in[1].format != MAAS_FMT_P16 || u->in[0].format != MAAS_FMT_C16
        || conv_w_depthwise(u->attr, u->in[1].dims)
        || !conv_w_aligned(u->attr, u->in[1].dims))
    {
        return false;
    }

    gp_geom(&g, u->attr, &u->in[0], &u->in[1], &u->out[0]);

    /* Else it is a convolution itself: conv_blocked.c. */
    if (g.sh == 1 && g.sw == 1 && g.ph <= (g.kh - 1) * g.dh
        && g.pw <= (g.kw - 1) * g.dw)
    {
        return false;
    }

    cols = (g.iw + g.sw - 1) / g.sw;
    u->units = g.batch * g.group * g.nset;
    u->scratch = (size_t) (gp_rows(&g, cols) * cols * GP_SET)
                 * sizeof(float);
    u->cost = 100 + 2.0 * (double) (g.batch * g.group * g.icg * g.ocg)
                    * (double) (g.oh * g.ow * g.kh * g.kw) / 150;
    return true;
}


/*
 * Pixel j of the phase meets tap k at j + *at of dY, for j in [*lo, *hi) of
 * [lo, hi); false: the tap is not one of the phase's.
 */
static bool
gp_tap(const gp_axis_t *a, int64_t k, int64_t s, int64_t pad, int64_t d,
    int64_t out, int64_t *lo, int64_t *hi, int64_t *at)
{
    int64_t  from = a->p + pad - k * d;

    if (from % s != 0) {
        return false;
    }

    *at = from / s;
    *lo = maas_max(*lo, -*at);
    *hi = maas_min(*hi, out - *at);

    return *lo < *hi;
}


/* Rows [r0, r1) of a phase: sums of every tap. */
static void
gp_band(const gp_t *g, const maas_kernels_t *k, maas_conv16_t *c,
    const float *dy, float *sum, const gp_axis_t *row, const gp_axis_t *col,
    int64_t r0, int64_t r1)
{
    int64_t  y0, y1, x0, x1, ay, ax;

    c->yrow = col->n * MAAS_C16;
    c->yblock = (r1 - r0) * c->yrow;
    memset(sum, 0, (size_t) ((c->n + MAAS_C16 - 1) / MAAS_C16 * c->yblock)
                   * sizeof(float));

    for (int64_t t = 0; t < g->kh * g->kw; t++) {
        y0 = r0;
        y1 = r1;
        x0 = 0;
        x1 = col->n;

        if (!gp_tap(row, t / g->kw, g->sh, g->ph, g->dh, g->oh, &y0, &y1,
                    &ay)
            || !gp_tap(col, t % g->kw, g->sw, g->pw, g->dw, g->ow, &x0, &x1,
                       &ax))
        {
            continue;
        }

        c->x = dy + ((y0 + ay) * g->ow + x0 + ax) * MAAS_C16;
        c->y = sum + ((y0 - r0) * col->n + x0) * MAAS_C16;
        c->rows = y1 - y0;
        c->cols = x1 - x0;
        c->b0 = g->kh * g->kw - 1 - t;          /* packed turned about */
        k->conv16(c);
    }
}


/* The band's pixels to their places in dX, whose blocks lie `plane` apart. */
static void
gp_spread(const gp_t *g, const float *sum, float *dx, int64_t blocks,
    const gp_axis_t *row, const gp_axis_t *col, int64_t r0, int64_t r1)
{
    float  *to;

    for (int64_t b = 0; b < blocks; b++, dx += g->ih * g->iw * MAAS_C16) {
        for (int64_t r = r0; r < r1; r++) {
            to = dx + ((row->p + r * g->sh) * g->iw + col->p) * MAAS_C16;

            for (int64_t i = 0; i < col->n; i++, sum += MAAS_C16) {
                memcpy(to, sum, MAAS_C16 * sizeof(float));
                to += g->sw * MAAS_C16;
            }
        }
    }
}


static void
gp_unit(const maas_step_t *s, const gp_t *g, float *sum, int64_t u)
{
    float          *dx;
    int64_t         ig = u / g->nset, c0 = u % g->nset * GP_SET, rows, r1;
    int64_t         taps = g->kh * g->kw, plane = g->oh * g->ow * MAAS_C16;
    gp_axis_t       row, col;
    const float    *dy;
    maas_conv16_t   c = {
        .n = maas_min(g->icg - c0, GP_SET), .na = maas_blocks(g->ocg),
        .nb = 1, .nc = 1, .run = MAAS_C16, .xa = plane,
        .xrow = g->ow * MAAS_C16, .xcol = MAAS_C16,
        .wa = taps * MAAS_C16 * MAAS_C16, .wb = taps,
        .wblock = g->ocg * taps * MAAS_C16, .sums = true
    };

    c.last = g->ocg - (c.na - 1) * MAAS_C16;
    c.w = (const float *) s->in[1].data
          + (size_t) (ig % g->group) * maas_p16_elems(g->ocg * taps, g->icg)
          + c0 / MAAS_C16 * c.wblock;
    dy = (const float *) s->in[0].data + ig * c.na * plane;
    dx = (float *) s->out[0].data
         + (ig * maas_blocks(g->icg) + c0 / MAAS_C16) * g->ih * g->iw
           * MAAS_C16;

    for (row.p = 0; row.p < maas_min(g->sh, g->ih); row.p++) {
        for (col.p = 0; col.p < maas_min(g->sw, g->iw); col.p++) {
            row.n = (g->ih - row.p + g->sh - 1) / g->sh;
            col.n = (g->iw - col.p + g->sw - 1) / g->sw;
            rows = gp_rows(g, (g->iw + g->sw - 1) / g->sw);

            for (int64_t r = 0; r < row.n; r = r1) {
                r1 = maas_min(r + rows, row.n);
                gp_band(g, s->k, &c, dy, sum, &row, &col, r, r1);
                gp_spread(g, sum, dx, maas_blocks(c.n), &row, &col, r, r1);
            }
        }
    }
}


maas_status_t
conv_gradx_phases_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    gp_t  g;

    gp_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);

    for (int64_t u = first; u < last; u++) {
        gp_unit(s, &g, slot->scratch, u);
    }

    return MAAS_OK;
}
