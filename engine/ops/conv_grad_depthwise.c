/*
 * conv_grad_depthwise: gradients of a depthwise convolution over blocks of 16
 * channels.
 *
 * By X: a depthwise convolution of dY itself, with the taps in reverse; with
 * strides one for each phase of X (see conv_grad_phases.c), whose pixels are
 * spread from the thread's scratch.  A unit is a plane of a block.
 *
 * By W: a unit is a block of channels; its sums stay in the scratch while all
 * images pass.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/conv.h"


typedef struct {
    int64_t  ih, iw, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
    int64_t  batch, blocks;
} gd_t;

/* Pixels p, p + s, ... of an axis of X, and the taps that reach them. */
typedef struct {
    int64_t  p, n;
    int64_t  k, step, taps;         /* the last tap, and those before it */
    int64_t  at, next;              /* where that meets dY; the one before */
} gd_axis_t;


static void
gd_geom(gd_t *g, const void *attr, const maas_tensor_t *x,
    const int64_t *w, const maas_tensor_t *dy)
{
    int            l;
    bool           two;
    maas_window_t  win;

    maas_window_init(&win, attr, w + 2, x->rank - 2, x->dims + 2,
                     dy->dims + 2);
    l = win.nd - 1;
    two = l > 0;

    g->batch = x->dims[0];
    g->blocks = maas_blocks(x->dims[1]);
    g->ih = two ? win.in[0] : 1, g->iw = win.in[l];
    g->oh = two ? win.out[0] : 1, g->ow = win.out[l];
    g->kh = two ? win.k[0] : 1, g->kw = win.k[l];
    g->sh = two ? win.s[0] : 1, g->sw = win.s[l];
    g->ph = two ? win.p0[0] : 0, g->pw = win.p0[l];
    g->dh = two ? win.d[0] : 1, g->dw = win.d[l];
}


/* -- by X ---------------------------------------------------------------- */

static int64_t
gd_phase(const gd_t *g)
{
    return ((g->ih + g->sh - 1) / g->sh) * ((g->iw + g->sw - 1) / g->sw)
           * MAAS_C16;
}


bool
conv_gradx_depthwise_setup(maas_setup_t *u)
{
    gd_t  g;

    if (u->in[1].format != MAAS_FMT_P16 || u->in[0].format != MAAS_FMT_C16
        || !conv_w_depthwise(u->attr, u->in[1].dims))
    {
        return false;
    }

    gd_geom(&g, u->attr, &u->out[0], u->in[1].dims, &u->in[0]);
    u->units = maas_max(g.batch * g.blocks, 1);
    u->scratch = (size_t) (g.kh * g.kw * MAAS_C16) * sizeof(float);

    if (g.sh * g.sw != 1) {
        u->scratch += (size_t) gd_phase(&g) * sizeof(float);
    }

    u->cost = 100 + 2.0 * (double) (g.batch * g.blocks * MAAS_C16)
                    * (double) (g.oh * g.ow * g.kh * g.kw) / 50;
    return true;
}


/* The phase p of an axis: taps k with (p + pad - k d) divisible by s. */
static void
gd_axis(gd_axis_t *a, int64_t p, int64_t size, int64_t k, int64_t s,
    int64_t pad, int64_t d)
{
    *a = (gd_axis_t) { .p = p, .n = (size - p + s - 1) / s, .step = 1,
                       .next = d };

    for (int64_t i = k; i-- > 0; ) {
        if ((p + pad - i * d) % s != 0) {
            continue;
        }

        if (a->taps == 0) {
            a->k = i;
            a->at = (p + pad - i * d) / s;

        } else if (a->taps == 1) {
            a->step = a->k - i;
            a->next = a->step * d / s;
        }

        a->taps++;
    }
}


static void
gd_spread(const gd_t *g, const float *from, float *dx, const gd_axis_t *row,
    const gd_axis_t *col)
{
    float  *to;

    for (int64_t r = 0; r < row->n; r++) {
        to = dx + ((row->p + r * g->sh) * g->iw + col->p) * MAAS_C16;

        for (int64_t i = 0; i < col->n; i++, from += MAAS_C16) {
            memcpy(to, from, MAAS_C16 * sizeof(float));
            to += g->sw * MAAS_C16;
        }
    }
}


/* One phase of one plane; w: of the block; part: the phase's pixels. */
static void
gd_part(const gd_t *g, const maas_kernels_t *k, const float *dy,
    const float *w, float *taps, float *part, const gd_axis_t *row,
    const gd_axis_t *col)
{
    int64_t             t;
    static const float  zero[MAAS_C16];
    maas_win16_t        c = {
        .x = dy, .w = taps, .bias = zero, .y = part, .ih = g->oh,
        .iw = g->ow, .oh = row->n, .ow = col->n, .kh = row->taps,
        .kw = col->taps, .sh = 1, .sw = 1, .ph = -row->at, .pw = -col->at,
        .dh = maas_max(row->next, 1), .dw = maas_max(col->next, 1),
        .y1 = row->n
    };

    if (row->taps == 0 || col->taps == 0) {
        memset(part, 0, (size_t) (row->n * col->n * MAAS_C16)
                        * sizeof(float));
        return;
    }

    for (int64_t i = 0; i < row->taps * col->taps; i++) {
        t = (row->k - i / col->taps * row->step) * g->kw
            + col->k - i % col->taps * col->step;
        memcpy(taps + i * MAAS_C16, w + t * MAAS_C16,
               MAAS_C16 * sizeof(float));
    }

    k->dwconv16(&c);
}


maas_status_t
conv_gradx_depthwise_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    gd_t          g;
    float        *taps = slot->scratch, *part, *dx;
    gd_axis_t     row, col;
    const float  *dy, *w;

    gd_geom(&g, s->attr, &s->out[0], s->in[1].dims, &s->in[0]);
    part = taps + g.kh * g.kw * MAAS_C16;

    for (int64_t u = first; u < last && u < g.batch * g.blocks; u++) {
        dx = (float *) s->out[0].data + u * g.ih * g.iw * MAAS_C16;
        dy = (const float *) s->in[0].data + u * g.oh * g.ow * MAAS_C16;
        w = (const float *) s->in[1].data
            + u % g.blocks * g.kh * g.kw * MAAS_C16;

        for (int64_t p = 0; p < g.sh * g.sw; p++) {
            if (p / g.sw >= g.ih || p % g.sw >= g.iw) {
                continue;
            }

            gd_axis(&row, p / g.sw, g.ih, g.kh, g.sh, g.ph, g.dh);
            gd_axis(&col, p % g.sw, g.iw, g.kw, g.sw, g.pw, g.dw);

            if (g.sh * g.sw == 1) {
                gd_part(&g, s->k, dy, w, taps, dx, &row, &col);
                continue;
            }

            gd_part(&g, s->k, dy, w, taps, part, &row, &col);
            gd_spread(&g, part, dx, &row, &col);
        }
    }

    return MAAS_OK;
}


/* -- by W ---------------------------------------------------------------- */

bool
conv_gradw_depthwise_setup(maas_setup_t *u)
{
    gd_t  g;

    if (u->in[0].format != MAAS_FMT_C16 || u->in[1].format != MAAS_FMT_C16
        || !conv_w_depthwise(u->attr, u->out[0].dims))
    {
        return false;
    }

    gd_geom(&g, u->attr, &u->in[0], u->out[0].dims, &u->in[1]);
    u->units = maas_max(g.blocks, 1);
    u->scratch = (size_t) ((g.kh * g.kw + 1) * MAAS_C16) * sizeof(float);
    u->cost = 100 + 2.0 * (double) (g.batch * g.blocks * MAAS_C16)
                    * (double) (g.oh * g.ow * g.kh * g.kw) / 50;
    return true;
}


static void
gd_block(const maas_step_t *s, const gd_t *g, float *sum, int64_t b)
{
    bool           bias;
    float          part[MAAS_C16], *db = sum + g->kh * g->kw * MAAS_C16;
    int64_t        plane, taps = g->kh * g->kw, c = b * MAAS_C16, n;
    const float   *dy;
    maas_win16_t   w = {
        .ih = g->ih, .iw = g->iw, .oh = g->oh, .ow = g->ow, .kh = g->kh,
        .kw = g->kw, .sh = g->sh, .sw = g->sw, .ph = g->ph, .pw = g->pw,
        .dh = g->dh, .dw = g->dw, .y1 = g->oh
    };

    n = maas_min(s->out[0].dims[0] - c, MAAS_C16);
    bias = s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE;
    memset(sum, 0, (size_t) ((taps + 1) * MAAS_C16) * sizeof(float));

    for (int64_t i = 0; i < g->batch; i++) {
        plane = i * g->blocks + b;
        w.x = (const float *) s->in[0].data
              + plane * g->ih * g->iw * MAAS_C16;
        dy = (const float *) s->in[1].data + plane * g->oh * g->ow * MAAS_C16;
        s->k->dwgrad16(&w, sum, dy);

        if (bias) {
            s->k->sum16(part, dy, g->oh * g->ow, 1);
            s->k->binary[MAAS_B_ADD](db, db, 1, part, 1, MAAS_C16);
        }
    }

    for (int64_t l = 0; l < n; l++) {
        for (int64_t t = 0; t < taps; t++) {
            ((float *) s->out[0].data)[(c + l) * taps + t]
                = sum[t * MAAS_C16 + l];
        }
    }

    if (bias) {
        memcpy((float *) s->out[1].data + c, db, (size_t) n * sizeof(float));
    }
}


maas_status_t
conv_gradw_depthwise_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    gd_t  g;

    gd_geom(&g, s->attr, &s->in[0], s->out[0].dims, &s->in[1]);

    for (int64_t u = first; u < last && u < g.blocks; u++) {
        gd_block(s, &g, slot->scratch, u);
    }

    return MAAS_OK;
}
