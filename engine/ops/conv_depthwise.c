/*
 * maas.ConvBlocked with one channel a group: depthwise convolution over
 * blocked activations.
 *
 * A unit is some output rows of one block of 16 channels of an image.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/conv_band.h"


#define DWB_PIXELS  1024      /* output pixels of a unit */

bool
conv_blocked_setup_dw(maas_setup_t *u)
{
    cb_t  g;

    if (u->in[1].format != MAAS_FMT_P16 || u->in[0].format != MAAS_FMT_C16
        || !conv_w_depthwise(u->attr, u->in[1].dims))
    {
        return false;
    }

    conv_band_geom(&g, u->attr, &u->in[0], &u->in[1], &u->out[0], false);
    u->units = maas_planes16(&u->out[0])
               * maas_blocked_parts(g.oh, g.ow, DWB_PIXELS);
    u->cost = 100 + conv_flops(u) / 50;
    return true;
}


static void
dwb_window(const maas_step_t *s, const cb_t *g, maas_win16_t *w)
{
    memset(w, 0, sizeof(*w));
    (void) conv_blocked_posts(s, NULL, &w->clip, &w->lo, &w->hi);

    w->ih = g->ih, w->iw = g->iw, w->oh = g->oh, w->ow = g->ow;
    w->kh = g->kh, w->kw = g->kw, w->sh = g->sh, w->sw = g->sw;
    w->ph = g->ph, w->pw = g->pw, w->dh = g->dh, w->dw = g->dw;
}


/* Rows [w->y0, w->y1) of a plane: image times blocks, plus the block. */
static void
dwb_rows(const maas_step_t *s, const cb_t *g, maas_win16_t *w, int64_t plane)
{
    int            posts;
    bool           clip;
    float          bias[MAAS_C16], *y, lo, hi;
    int64_t        c, at, channels = s->out[0].dims[1];
    const float   *b = conv_bias(s);

    c = plane % maas_blocks(channels) * MAAS_C16;

    for (int64_t i = 0; i < MAAS_C16; i++) {
        bias[i] = b != NULL && c + i < channels ? b[c + i] : 0;
    }

    w->bias = bias;
    w->x = g->x + plane * g->xplane;
    w->w = (const float *) s->in[1].data + c * g->kh * g->kw;
    w->y = g->y + plane * g->yplane;
    s->k->dwconv16(w);

    posts = conv_blocked_posts(s, NULL, &clip, &lo, &hi);

    if (posts < s->n_post) {
        at = w->y0 * g->ow * MAAS_C16;
        y = w->y + at;
        maas_post_apply16(s, posts, y, y, (w->y1 - w->y0) * g->ow,
                          plane * g->oh * g->ow * MAAS_C16 + at, plane);
    }
}


maas_status_t
conv_blocked_run_dw(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    cb_t           g;
    int64_t        plane, part, parts, blocks;
    maas_win16_t   w;

    (void) slot;

    conv_band_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0], false);
    conv_band_places(&g, s, NULL);
    dwb_window(s, &g, &w);
    parts = maas_blocked_parts(g.oh, g.ow, DWB_PIXELS);
    blocks = maas_blocks(s->out[0].dims[1]);

    for (int64_t u = first; u < last; u++) {
        plane = maas_unit16(u, blocks, parts, &part);
        w.y0 = part * g.oh / parts;
        w.y1 = (part + 1) * g.oh / parts;
        dwb_rows(s, &g, &w, plane);
    }

    return MAAS_OK;
}


/* -- by rows ------------------------------------------------------------- */

/* For what places say, channels are blocks of one group. */
static void
dwb_geom(cb_t *g, const void *attr, const maas_tensor_t *in,
    const maas_tensor_t *out)
{
    conv_band_shape(g, attr, &in[0], &in[1], out, false);
    g->parts = maas_blocks(out->dims[1]);
    g->ocg = out->dims[1];
    g->group = 1;
}


bool
conv_blocked_rows_dw(const maas_setup_t *u, maas_by_rows_t *r)
{
    cb_t  g;

    dwb_geom(&g, u->attr, u->in, u->out);
    conv_band_rows(&g, r);
    return true;
}


void
conv_blocked_band_dw(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b)
{
    cb_t           g;
    int64_t        plane = b->image * maas_blocks(s->out[0].dims[1]);
    maas_win16_t   w;

    (void) slot;

    dwb_geom(&g, s->attr, s->in, s->out);
    conv_band_places(&g, s, b);
    dwb_window(s, &g, &w);
    w.y0 = b->r0;
    w.y1 = b->r1;

    for (int64_t i = 0; i < g.parts; i++) {
        dwb_rows(s, &g, &w, plane + i);
    }
}
