/*
 * maas.ConvGrouped, maas.ConvShuffled: 1x1 convolutions over blocked
 * activations whose groups do not fill blocks of 16 channels.
 *
 * A unit is a band of pixels of one image.  The chain of a group starts
 * amid a block of the input; its outputs are made in the thread's scratch,
 * blocks of the group, and go from there to the lanes where they belong.
 * ConvShuffled puts channel j of group i at j * groups + i, which is the
 * shuffle of channels that follows such a convolution.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/conv.h"
#include "ops/panels8.h"


#define CG_CACHE  16384         /* floats of a band of outputs */
#define CG_LEAST  12            /* channels of a group that are worth it */

typedef struct {
    int64_t  batch, group, icg, ocg;
    int64_t  pixels, band, nband;
    int64_t  wide;              /* blocks of a group's outputs */
} cg_t;


bool
conv_grouped(const maas_window_attr_t *a, const maas_type_t *w)
{
    for (int i = 2; i < w->rank; i++) {
        if (w->dims[i] != 1
            || (a->strides.n != 0
                && maas_list_ints(a, &a->strides)[i - 2] != 1))
        {
            return false;
        }
    }

    for (uint32_t i = 0; i < a->pads.n; i++) {
        if (maas_list_ints(a, &a->pads)[i] != 0) {
            return false;
        }
    }

    return a->group > 1 && w->dims[0] / a->group >= CG_LEAST;
}


static void
cg_geom(cg_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *w)
{
    const maas_window_attr_t  *a = attr;

    g->batch = x->dims[0];
    g->group = a->group;
    g->icg = w->dims[1];
    g->ocg = w->dims[0] / a->group;
    g->wide = maas_blocks(g->ocg);
    g->pixels = maas_pixels(x);

    g->band = CG_CACHE / (g->group * g->wide * MAAS_C16);
    g->band = maas_max(g->band / 28 * 28, 28);
    g->nband = (g->pixels + g->band - 1) / g->band;
}


/* One group of pixels [p0, p0 + n) of image i into y; room: for weights. */
static void
cg_conv(const maas_step_t *s, const cg_t *g, maas_conv16_t *c, int64_t i,
    int64_t ig, int64_t p0, int64_t n, float *room)
{
    int64_t       at = ig * g->icg, blocks = maas_blocks(g->icg * g->group);
    const float  *bias = conv_bias(s);

    c->skip = at % MAAS_C16;
    c->na = maas_blocks(c->skip + g->icg);
    c->nb = c->nc = 1;
    c->run = MAAS_C16;
    c->last = c->skip + g->icg - (c->na - 1) * MAAS_C16;
    c->xa = g->pixels * MAAS_C16;
    c->xcol = MAAS_C16;
    c->x = (const float *) s->in[0].data
           + ((i * blocks + at / MAAS_C16) * g->pixels + p0) * MAAS_C16;

    c->wa = MAAS_C16 * MAAS_C16;
    c->wblock = g->icg * MAAS_C16;

    if (s->in[1].format == MAAS_FMT_P16Q8) {
        panels8_unpack(s->k, room, panels8_at(s->in[1].data, ig, g->icg,
                                              g->ocg, 0),
                       g->icg, g->wide, 0, g->icg);
        c->w = room;

    } else {
        c->w = (const float *) s->in[1].data
               + (size_t) ig * maas_p16_elems(g->icg, g->ocg);
    }

    c->bias = bias != NULL ? bias + ig * g->ocg : NULL;
    c->n = g->ocg;
    c->rows = 1;
    c->cols = n;
    c->yblock = n * MAAS_C16;
    s->k->conv16(c);
}


/* A group's outputs to channels from ig * ocg on; y: the image's, at p0. */
static void
cg_spread(const maas_step_t *s, const cg_t *g, const float *x, float *y,
    int64_t ig, int64_t n)
{
    int64_t  c, lane, count, first, plane = g->pixels * MAAS_C16;
    float   *dst;

    for (int64_t b = 0; b < g->wide; b++, x += n * MAAS_C16) {
        c = ig * g->ocg + b * MAAS_C16;
        count = maas_min(g->ocg - b * MAAS_C16, MAAS_C16);
        lane = c % MAAS_C16;
        first = maas_min(count, MAAS_C16 - lane);
        dst = y + c / MAAS_C16 * plane;
        s->k->lanes16(dst + lane, x, n, first);

        if (first < count) {
            s->k->lanes16(dst + plane, x + first, n, count - first);
        }
    }
}


/* All groups' outputs, shuffled. */
static void
cg_shuffle(const maas_step_t *s, const cg_t *g, const float *x, float *y,
    int64_t n)
{
    int64_t       all = g->group * g->ocg, i, j;
    float        *d;
    const float  *p;

    for (int64_t b = 0; g->group == 4 && b < maas_blocks(all); b += 4) {
        s->k->weave16(y + b * g->pixels * MAAS_C16, g->pixels * MAAS_C16,
                      x + b / 4 * n * MAAS_C16, g->wide * n * MAAS_C16, n,
                      maas_min(maas_blocks(all) - b, 4));
    }

    for (int64_t b = 0; g->group != 4 && b < maas_blocks(all); b++) {
        for (int64_t c = b * MAAS_C16;
             c < maas_min(all, (b + 1) * MAAS_C16); c++)
        {
            i = c % g->group;
            j = c / g->group;
            p = x + (i * g->wide + j / MAAS_C16) * n * MAAS_C16
                + j % MAAS_C16;
            d = y + b * g->pixels * MAAS_C16 + c % MAAS_C16;

            for (int64_t k = 0; k < n; k++) {
                d[k * MAAS_C16] = p[k * MAAS_C16];
            }
        }
    }
}


static bool
cg_setup(maas_setup_t *u, int64_t groups)
{
    cg_t  g;

    if (!maas_format_panels(u->in[1].format)
        || u->in[0].format != MAAS_FMT_C16)
    {
        return false;
    }

    cg_geom(&g, u->attr, &u->in[0], &u->in[1]);
    u->units = g.batch * g.nband;
    u->scratch = (size_t) ((groups == 0 ? g.group : groups) * g.wide
                           * maas_min(g.band, g.pixels) * MAAS_C16)
                 * sizeof(float);
    u->scratch += u->in[1].format == MAAS_FMT_P16Q8
                  ? maas_p16_elems(g.icg, g.ocg) * sizeof(float) : 0;
    u->cost = 100 + conv_flops(u) / 110;
    return true;
}


bool
conv_grouped_setup(maas_setup_t *u)
{
    return cg_setup(u, 1);
}


bool
conv_shuffled_setup(maas_setup_t *u)
{
    return cg_setup(u, 0);
}


static void
cg_unit(const maas_step_t *s, const cg_t *g, float *scratch, int64_t u,
    bool shuffled)
{
    int             posts;
    float          *y, *room;
    int64_t         i, p0, n, at, blocks;
    maas_conv16_t   c = { 0 };

    blocks = maas_blocks(g->group * g->ocg);
    i = u / g->nband;
    p0 = u % g->nband * g->band;
    n = maas_min(g->band, g->pixels - p0);
    y = (float *) s->out[0].data + (i * blocks * g->pixels + p0) * MAAS_C16;
    posts = conv_blocked_posts(s, NULL, &c.clip, &c.lo, &c.hi);
    c.y = scratch;
    room = scratch + (shuffled ? g->group : 1) * g->wide
                     * maas_min(g->band, g->pixels) * MAAS_C16;

    for (int64_t ig = 0; ig < g->group; ig++) {
        cg_conv(s, g, &c, i, ig, p0, n, room);

        if (shuffled) {
            c.y += g->wide * n * MAAS_C16;
        } else {
            cg_spread(s, g, scratch, y, ig, n);
        }
    }

    if (shuffled) {
        cg_shuffle(s, g, scratch, y, n);
    }

    for (int64_t b = 0; b < blocks && posts < s->n_post; b++) {
        at = ((i * blocks + b) * g->pixels + p0) * MAAS_C16;
        maas_post_apply16(s, posts, (float *) s->out[0].data + at,
                          (float *) s->out[0].data + at, n, at,
                          i * blocks + b);
    }
}


maas_status_t
conv_grouped_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    cg_t  g;

    cg_geom(&g, s->attr, &s->in[0], &s->in[1]);

    for (int64_t u = first; u < last; u++) {
        cg_unit(s, &g, slot->scratch, u, false);
    }

    return MAAS_OK;
}


maas_status_t
conv_shuffled_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    cg_t  g;

    cg_geom(&g, s->attr, &s->in[0], &s->in[1]);

    for (int64_t u = first; u < last; u++) {
        cg_unit(s, &g, slot->scratch, u, true);
    }

    return MAAS_OK;
}
