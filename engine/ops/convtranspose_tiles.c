/*
 * ConvTranspose whose kernel is as large as its stride, over blocked inputs
 * (domain maas): each input pixel makes a tile of the output alone, as a 1x1
 * convolution to kh * kw times the channels would.
 *
 * maas.ConvTransposeBlocked: one product for each place of the tile, whose
 * pixels then go to their places.  maas.ConvTransposePlanes: of so few
 * channels that a block holds them at all places, one product; the output is
 * plain.
 *
 * A unit is some input rows of an image by two blocks of output channels (all
 * channels).
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/conv.h"


#define TT_UNIT  512            /* input pixels of a unit */
#define TT_SET   32             /* output channels of a unit */
#define TT_LEAST 8              /* channels that are worth a block */

typedef struct {
    int64_t  batch, ic, oc;
    int64_t  ih, iw, kh, kw;
    int64_t  nset, parts;
} tt_t;


static void
tt_geom(tt_t *g, const maas_tensor_t *x, const maas_tensor_t *w, int64_t set)
{
    bool  two = x->rank > 3;

    g->batch = x->dims[0];
    g->ic = w->dims[0];
    g->oc = w->dims[1];
    g->ih = two ? x->dims[2] : 1;
    g->iw = x->dims[x->rank - 1];
    g->kh = two ? w->dims[2] : 1;
    g->kw = w->dims[x->rank - 1];
    g->nset = (g->oc + set - 1) / set;
    g->parts = maas_blocked_parts(g->ih, g->iw, TT_UNIT);
}


/* Is it one of these, with all of the geometry known?  *taps of a tile. */
static bool
tt_tiles(const maas_window_attr_t *a, const maas_type_t *w, int64_t *taps)
{
    int            nd = w->rank - 2;
    maas_window_t  win;

    if (nd < 1 || nd > 2 || a->group != 1 || a->output_shape.n != 0) {
        return false;
    }

    for (int i = 0; i < w->rank; i++) {
        if (!maas_dim_known(w->dims[i]) || w->dims[i] < 1) {
            return false;
        }
    }

    if (maas_window_attrs(&win, a, w->dims + 2, nd, NULL) != MAAS_OK) {
        return false;
    }

    *taps = 1;

    for (int i = 0; i < nd; i++) {
        if (win.k[i] != win.s[i] || win.d[i] != 1 || win.p0[i] != 0
            || win.p1[i] != 0
            || (a->output_padding.n != 0
                && maas_list_ints(a, &a->output_padding)[i] != 0))
        {
            return false;
        }

        *taps *= win.k[i];
    }

    return true;
}


bool
convtranspose_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    int64_t             taps;
    const maas_type_t  *x = type[0], *w = type[1];

    if (!(b->in & 1) || !(b->constant & 2) || x->rank != w->rank
        || w->dtype != MAAS_F32 || w->format != MAAS_FMT_PLAIN
        || !tt_tiles(n->attr, w, &taps))
    {
        return false;
    }

    b->in = 1;

    if (w->dims[1] < TT_LEAST) {
        b->op = "ConvTransposePlanes";
        b->plain = true;
        return w->dims[1] * taps <= MAAS_C16;
    }

    b->op = "ConvTransposeBlocked";

    for (int i = 0; i < n->n_post; i++) {
        if (n->post[i].kind == MAAS_POST_BINARY) {
            b->in |= 1u << n->post[i].operand;
        }
    }

    return true;
}


/* A matrix for each place of a tile. */
bool
convtranspose_blocked_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p)
{
    int64_t             taps;
    const maas_type_t  *w = type[1];

    if (p->input != 1 || w == NULL || w->dtype != MAAS_F32
        || !tt_tiles(n->attr, w, &taps))
    {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->needed = true;
    p->groups = taps;
    p->gs = 1;
    p->k = w->dims[0];
    p->n = w->dims[1];
    p->ns = taps;
    return maas_mul_i64(p->n, taps, &p->ks);
}


/* One matrix: the places of a tile, fastest, and channels are columns. */
bool
convtranspose_planes_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p)
{
    int64_t             taps;
    const maas_type_t  *w = type[1];

    if (p->input != 1 || w == NULL || w->dtype != MAAS_F32
        || !tt_tiles(n->attr, w, &taps))
    {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->needed = true;
    p->groups = 1;
    p->k = w->dims[0];
    p->ns = 1;
    return maas_mul_i64(w->dims[1], taps, &p->n)
           && maas_mul_i64(p->n, p->k, &p->gs) && (p->ks = p->n, true);
}


static bool
tt_setup(maas_setup_t *u, int64_t set, int64_t width)
{
    tt_t     g;
    int64_t  rows;

    if (u->in[0].format != MAAS_FMT_C16 || u->in[1].format != MAAS_FMT_P16) {
        return false;
    }

    tt_geom(&g, &u->in[0], &u->in[1], set);
    rows = (g.ih + g.parts - 1) / g.parts;
    u->units = g.batch * g.nset * g.parts;
    u->scratch = (size_t) (rows * g.iw * width) * sizeof(float);
    u->cost = 100 + 2.0 * (double) (g.ic * g.kh * g.kw * g.ih * g.iw)
                    * (double) (g.batch * g.oc) / 100
              + (double) u->out[0].bytes / 20;
    return true;
}


bool
convtranspose_blocked_setup(maas_setup_t *u)
{
    return tt_setup(u, TT_SET, TT_SET);
}


bool
convtranspose_planes_setup(maas_setup_t *u)
{
    tt_t  g;

    tt_geom(&g, &u->in[0], &u->in[1], TT_SET);

    return g.oc * g.kh * g.kw <= MAAS_C16 && tt_setup(u, MAAS_C16, MAAS_C16);
}


/* n channels of input rows [r0, r1) of an image, from weights w to `to`. */
static void
tt_product(const maas_step_t *s, const tt_t *g, float *to, const float *w,
    const float *bias, int64_t n, int64_t image, int64_t r0, int64_t r1)
{
    int64_t        pixels = (r1 - r0) * g->iw, blocks = maas_blocks(g->ic);
    int64_t        plane = g->ih * g->iw * MAAS_C16;
    maas_conv16_t  c = {
        .x = (const float *) s->in[0].data + image * blocks * plane
             + r0 * g->iw * MAAS_C16,
        .w = w, .bias = bias, .y = to, .rows = 1, .cols = pixels, .n = n,
        .na = blocks, .nb = 1, .nc = 1, .run = MAAS_C16,
        .last = g->ic - (blocks - 1) * MAAS_C16, .xa = plane,
        .xrow = pixels * MAAS_C16, .xcol = MAAS_C16,
        .yrow = pixels * MAAS_C16, .yblock = pixels * MAAS_C16,
        .wa = MAAS_C16 * MAAS_P16, .wb = 1, .wblock = g->ic * MAAS_P16
    };

    s->k->conv16(&c);
}


/* Pixels of one place of the tiles of rows [r0, r1) to a plane. */
static void
tt_spread(const tt_t *g, float *y, const float *from, int64_t t, int64_t r0,
    int64_t r1)
{
    float  *to;

    for (int64_t r = r0; r < r1; r++) {
        to = y + ((r * g->kh + t / g->kw) * g->iw * g->kw + t % g->kw)
                 * MAAS_C16;

        for (int64_t i = 0; i < g->iw; i++, from += MAAS_C16) {
            memcpy(to, from, MAAS_C16 * sizeof(float));
            to += g->kw * MAAS_C16;
        }
    }
}


/* Channels from c0 on; y: their first block. */
static void
tt_unit(const maas_step_t *s, const tt_t *g, float *made, int64_t image,
    int64_t c0, int64_t r0, int64_t r1)
{
    float        *y;
    int64_t       n = maas_min(g->oc - c0, TT_SET), size, at, plane;
    const float  *w, *bias = conv_bias(s);

    size = g->ih * g->kh * g->iw * g->kw * MAAS_C16;
    plane = image * maas_blocks(g->oc) + c0 / MAAS_C16;
    y = (float *) s->out[0].data + plane * size;

    for (int64_t t = 0; t < g->kh * g->kw; t++) {
        w = (const float *) s->in[1].data
            + t * (int64_t) maas_p16_elems(g->ic, g->oc) + c0 * g->ic;
        tt_product(s, g, made, w, bias != NULL ? bias + c0 : NULL, n, image,
                   r0, r1);

        for (int64_t b = 0; b < maas_blocks(n); b++) {
            tt_spread(g, y + b * size,
                      made + b * (r1 - r0) * g->iw * MAAS_C16, t, r0, r1);
        }
    }

    at = r0 * g->kh * g->iw * g->kw * MAAS_C16;

    for (int64_t b = 0; b < maas_blocks(n) && s->n_post != 0; b++) {
        maas_post_apply16(s, 0, y + b * size + at, y + b * size + at,
                          (r1 - r0) * g->kh * g->iw * g->kw,
                          (plane + b) * size + at, plane + b);
    }
}


maas_status_t
convtranspose_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    tt_t     g;
    int64_t  part, at;

    tt_geom(&g, &s->in[0], &s->in[1], TT_SET);

    for (int64_t u = first; u < last; u++) {
        at = maas_unit16(u, g.nset, g.parts, &part);
        tt_unit(s, &g, slot->scratch, at / g.nset, at % g.nset * TT_SET,
                part * g.ih / g.parts, (part + 1) * g.ih / g.parts);
    }

    return MAAS_OK;
}


/* A row: kw floats of each of n pixels. */
static inline __attribute__((always_inline)) void
tt_row(float *to, const float *from, int64_t n, const int64_t kw)
{
    for ( /* void */ ; n > 0; n--, from += MAAS_C16) {
        for (int64_t j = 0; j < kw; j++) {
            to[j] = from[j];
        }

        to += kw;
    }
}


/* Channel c of rows [r0, r1); y: of its plane. */
static void
tt_plane(const tt_t *g, float *y, const float *made, int64_t c, int64_t r0,
    int64_t r1)
{
    float        *to;
    const float  *from;

    for (int64_t r = r0; r < r1; r++) {
        for (int64_t k = 0; k < g->kh; k++) {
            to = y + (r * g->kh + k) * g->iw * g->kw;
            from = made + (r - r0) * g->iw * MAAS_C16
                   + (c * g->kh + k) * g->kw;

            if (g->kw == 2) {
                tt_row(to, from, g->iw, 2);
            } else {
                tt_row(to, from, g->iw, g->kw);
            }
        }
    }
}


maas_status_t
convtranspose_planes_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    tt_t                g;
    float               lanes[MAAS_C16], *y = s->out[0].data;
    int64_t             image, taps, r0, r1, at, n, size;
    const float        *bias = conv_bias(s);
    maas_post_block_t   b;

    tt_geom(&g, &s->in[0], &s->in[1], MAAS_C16);
    taps = g.kh * g.kw;
    size = g.ih * g.iw * taps;

    for (int64_t i = 0; i < g.oc * taps && bias != NULL; i++) {
        lanes[i] = bias[i / taps];
    }

    for (int64_t u = first; u < last; u++) {
        image = u / g.parts;
        r0 = u % g.parts * g.ih / g.parts;
        r1 = (u % g.parts + 1) * g.ih / g.parts;
        n = (r1 - r0) * g.iw * taps;

        tt_product(s, &g, slot->scratch, s->in[1].data,
                   bias != NULL ? lanes : NULL, g.oc * taps, image, r0, r1);

        for (int64_t c = 0; c < g.oc; c++) {
            at = (image * g.oc + c) * size;
            tt_plane(&g, y + at, slot->scratch, c, r0, r1);
            at += r0 * g.iw * taps;
            b = (maas_post_block_t) { y + at, n, 1, n, at, n, c, 1, 0 };
            maas_post_apply(s, &b);
        }
    }

    return MAAS_OK;
}
