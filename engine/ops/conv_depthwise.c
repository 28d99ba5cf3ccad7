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


maas_status_t
conv_blocked_run_dw(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int            posts;
    cb_t           g;
    float          bias[MAAS_C16];
    int64_t        u, c, at, plane, part, parts, blocks;
    const float   *b = conv_bias(s);
    maas_win16_t   w = { 0 };

    (void) slot;

    conv_band_geom(&g, s->attr, &s->in[0], &s->in[1], &s->out[0], false);
    posts = conv_blocked_posts(s, NULL, &w.clip, &w.lo, &w.hi);
    parts = maas_blocked_parts(g.oh, g.ow, DWB_PIXELS);
    blocks = maas_blocks(s->out[0].dims[1]);

    w.ih = g.ih, w.iw = g.iw, w.oh = g.oh, w.ow = g.ow;
    w.kh = g.kh, w.kw = g.kw, w.sh = g.sh, w.sw = g.sw;
    w.ph = g.ph, w.pw = g.pw, w.dh = g.dh, w.dw = g.dw;
    w.bias = bias;

    for (u = first; u < last; u++) {
        plane = maas_unit16(u, blocks, parts, &part);
        c = plane % blocks * MAAS_C16;

        for (int64_t i = 0; i < MAAS_C16; i++) {
            bias[i] = b != NULL && c + i < s->out[0].dims[1] ? b[c + i] : 0;
        }

        w.x = (const float *) s->in[0].data + plane * g.ih * g.iw * MAAS_C16;
        w.w = (const float *) s->in[1].data + c * g.kh * g.kw;
        w.y = (float *) s->out[0].data + plane * g.oh * g.ow * MAAS_C16;
        w.y0 = part * g.oh / parts;
        w.y1 = (part + 1) * g.oh / parts;
        s->k->dwconv16(&w);

        at = (plane * g.oh + w.y0) * g.ow * MAAS_C16;

        if (posts < s->n_post) {
            maas_post_apply16(s, posts, (float *) s->out[0].data + at,
                              (float *) s->out[0].data + at,
                              (w.y1 - w.y0) * g.ow, at, plane);
        }
    }

    return MAAS_OK;
}
