/*
 * maas.ConvWinograd2, maas.ConvWinograd4: 3x3 convolutions of stride 1 over
 * blocked activations with fewer multiplications, F(2x2, 3x3) and F(4x4,
 * 3x3).  They round otherwise than the chain of an exact convolution: the
 * compiler takes them under `numerics fast` alone.
 *
 * A unit is some tiles of one image and some channels: the thread transforms
 * the tiles' inputs into its scratch, multiplies the (m + 2)^2 values of the
 * tiles by the transformed weights, two blocks of channels at a time, and
 * transforms back.  Units of the same tiles follow each other.
 *
 * Ownership: nothing is allocated.  Threads: units are independent; an
 * output knows neither unit nor batch.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/conv.h"


#define CW_CACHE  262144        /* floats of transformed inputs */
#define CW_LEAST  28            /* tiles, however many channels */
#define CW_STEP   32            /* output channels at a time */

typedef struct {
    int      m, t;              /* t: (m + 2)^2 */
    int64_t  batch, c, n, h, w, oh, ow, ph, pw;
    int64_t  across, tiles;     /* of an image */
    int64_t  nt, sets;          /* tiles of a unit; units of tiles */
    int64_t  nb, nset;          /* channels of a unit */
} cw_t;


/* -- which --------------------------------------------------------------- */

static bool
cw_fits(const maas_window_attr_t *a, const maas_type_t *w)
{
    maas_window_t  win;

    if (w->rank != 4 || a->group != 1 || w->dims[2] != 3 || w->dims[3] != 3
        || w->dims[0] < 8 || w->dims[1] < 8
        || maas_window_attrs(&win, a, w->dims + 2, 2, NULL) != MAAS_OK)
    {
        return false;
    }

    return win.s[0] == 1 && win.s[1] == 1 && win.d[0] == 1 && win.d[1] == 1
           && win.p0[0] <= 1 && win.p0[1] <= 1;
}


/*
 * Nanoseconds, believed: products, beside which the weights come from
 * memory, and transforms.  m = 0: the direct convolution, which is left for
 * a gain of 15 %.
 */
static double
cw_cost(int m, double c, double n, double h, double w)
{
    double  t, tiles, weights, products;

    if (m == 0) {
        return c * n * 9 * 2 * h * w / 222;
    }

    t = (m + 2) * (m + 2);
    tiles = ceil(h / m) * ceil(w / m);
    products = t * c * n * 2 * maas_max(tiles, 8) / 220;
    weights = t * c * n * 4 / 20;

    return maas_max(products, weights) + 0.2 * maas_min(products, weights)
           + tiles * t * (c + n) * 4 / 20;
}


/* The operator that takes a convolution of blocked X, or NULL. */
const char *
conv_winograd(const maas_window_attr_t *a, const maas_type_t *x,
    const maas_type_t *w)
{
    double  cost[3], c, n, h = 28, v = 28;

    if (!cw_fits(a, w)) {
        return NULL;
    }

    if (maas_dim_known(x->dims[2]) && maas_dim_known(x->dims[3])) {
        h = (double) x->dims[2];
        v = (double) x->dims[3];
    }

    n = (double) w->dims[0];
    c = (double) w->dims[1];

    for (int i = 0; i < 3; i++) {
        cost[i] = cw_cost(i * 2, c, n, h, v);
    }

    if (maas_min(cost[1], cost[2]) > 0.85 * cost[0]) {
        return NULL;
    }

    return cost[1] <= cost[2] ? "ConvWinograd2" : "ConvWinograd4";
}


static bool
cw_pack(const maas_node_t *n, const maas_type_t *const *type, maas_pack_t *p,
    int m)
{
    const maas_type_t  *w = type[1];

    if (p->input != 1 || w == NULL || w->dtype != MAAS_F32
        || !cw_fits(n->attr, w))
    {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->groups = (m + 2) * (m + 2);
    p->n = w->dims[0];
    p->k = w->dims[1];
    p->gs = 0;
    p->ks = 9;
    p->ns = 9 * p->k;
    p->taps = 1;
    p->winograd = m;
    p->needed = true;
    return true;
}


bool
conv_winograd2_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    return cw_pack(n, type, p, 2);
}


bool
conv_winograd4_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    return cw_pack(n, type, p, 4);
}


/* -- geometry ------------------------------------------------------------ */

static void
cw_geom(cw_t *g, int m, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *w, const maas_tensor_t *y)
{
    int64_t        units, blocks;
    maas_window_t  win;

    maas_window_init(&win, attr, w->dims + 2, 2, x->dims + 2, y->dims + 2);

    g->m = m;
    g->t = (m + 2) * (m + 2);
    g->batch = x->dims[0];
    g->c = w->dims[1];
    g->n = w->dims[0];
    g->h = win.in[0];
    g->w = win.in[1];
    g->oh = win.out[0];
    g->ow = win.out[1];
    g->ph = win.p0[0];
    g->pw = win.p0[1];
    g->across = (g->ow + m - 1) / m;
    g->tiles = g->across * ((g->oh + m - 1) / m);

    g->nt = CW_CACHE / (g->t * maas_blocks(g->c) * MAAS_C16);
    g->nt = maas_max(g->nt / 14 * 14, CW_LEAST);
    g->sets = maas_max((g->tiles + g->nt - 1) / g->nt, 1);
    g->nt = maas_max((g->tiles + g->sets - 1) / g->sets, 1);

    blocks = maas_blocks(g->n);
    units = maas_max(g->batch * g->sets, 1);

    while (blocks > 2 && units * ((maas_blocks(g->n) + blocks - 1) / blocks)
                         < 8)
    {
        blocks = (blocks + 1) / 2;
    }

    g->nb = (blocks + 1) / 2 * CW_STEP;
    g->nset = (g->n + g->nb - 1) / g->nb;
}


static bool
cw_setup(maas_setup_t *u, int m)
{
    cw_t  g;

    if (u->in[0].format != MAAS_FMT_C16 || u->in[0].rank != 4
        || u->in[1].format != MAAS_FMT_P16)
    {
        return false;
    }

    cw_geom(&g, m, u->attr, &u->in[0], &u->in[1], &u->out[0]);
    u->units = g.batch * g.sets * g.nset;
    u->scratch = (size_t) (g.t * g.nt)
                 * (size_t) (maas_blocks(g.c) * MAAS_C16 + CW_STEP)
                 * sizeof(float);
    u->cost = 100 + (double) g.batch
                    * cw_cost(m, (double) g.c, (double) g.n, (double) g.oh,
                              (double) g.ow);
    u->inplace = conv_blocked_inplace(u);
    return true;
}


bool
conv_winograd2_setup(maas_setup_t *u)
{
    return cw_setup(u, 2);
}


bool
conv_winograd4_setup(maas_setup_t *u)
{
    return cw_setup(u, 4);
}


/* -- running ------------------------------------------------------------- */

/* Tiles [t0, t0 + nt) of an image to v: [t][block][tile][16]. */
static void
cw_from(const maas_step_t *s, const cw_t *g, int64_t image, int64_t t0,
    int64_t nt, float *v)
{
    int64_t         b, i, blocks = maas_blocks(g->c), plane;
    const float    *x;
    maas_wino16_t   t = { .m = g->m, .h = g->h, .w = g->w };

    plane = g->h * g->w * MAAS_C16;
    x = (const float *) s->in[0].data + image * blocks * plane;
    t.step = blocks * nt * MAAS_C16;

    for (b = 0; b < blocks; b++, x += plane) {
        for (i = 0; i < nt; i++) {
            t.y0 = (t0 + i) / g->across * g->m - g->ph;
            t.x0 = (t0 + i) % g->across * g->m - g->pw;
            s->k->winoin16(&t, v + (b * nt + i) * MAAS_C16, x);
        }
    }
}


/* The products of n channels from oc on: m[t][block][tile][16]. */
static void
cw_product(const maas_step_t *s, const cw_t *g, int64_t nt, int64_t oc,
    int64_t n, const float *v, float *m)
{
    int64_t         blocks = maas_blocks(g->c);
    maas_conv16_t   c = { 0 };

    c.rows = 1;
    c.cols = nt;
    c.n = n;
    c.na = blocks;
    c.nb = c.nc = 1;
    c.run = MAAS_C16;
    c.last = g->c - (blocks - 1) * MAAS_C16;
    c.xa = nt * MAAS_C16;
    c.xcol = MAAS_C16;
    c.wa = MAAS_C16 * MAAS_C16;
    c.wblock = g->c * MAAS_C16;
    c.yblock = nt * MAAS_C16;

    for (int t = 0; t < g->t; t++) {
        c.x = v + t * blocks * nt * MAAS_C16;
        c.y = m + t * nt * CW_STEP;
        c.w = (const float *) s->in[1].data
              + (size_t) t * maas_p16_elems(g->c, g->n) + oc * g->c;
        c.ahead = t + 1 < g->t ? c.w + maas_p16_elems(g->c, g->n)
                  : c.w + c.wblock * 2 - t * maas_p16_elems(g->c, g->n);
        c.nahead = oc + n < g->n || t + 1 < g->t ? c.wblock : 0;
        s->k->conv16(&c);
    }
}


/* Back to block `b` (of `image`), channels from oc on. */
static void
cw_to(const maas_step_t *s, const cw_t *g, int64_t image, int64_t t0,
    int64_t nt, int64_t oc, const float *m)
{
    float           bias[MAAS_C16], *y;
    int64_t         i, at;
    const float    *b = conv_bias(s), *add;
    maas_wino16_t   t = { .m = g->m, .h = g->oh, .w = g->ow };

    for (i = 0; i < MAAS_C16; i++) {
        bias[i] = b != NULL && oc + i < g->n ? b[oc + i] : 0;
    }

    (void) conv_blocked_posts(s, &add, &t.clip, &t.lo, &t.hi);

    at = (image * maas_blocks(g->n) + oc / MAAS_C16) * g->oh * g->ow
         * MAAS_C16;
    y = (float *) s->out[0].data + at;
    t.add = add != NULL ? add + at : NULL;
    t.bias = bias;
    t.step = nt * CW_STEP;

    for (i = 0; i < nt; i++) {
        t.y0 = (t0 + i) / g->across * g->m;
        t.x0 = (t0 + i) % g->across * g->m;
        s->k->winoout16(&t, y, m + i * MAAS_C16);
    }
}


/* Post-ops that the transform did not take: the tiles' rows, in pieces. */
static void
cw_rest(const maas_step_t *s, const cw_t *g, int64_t image, int64_t t0,
    int64_t nt, int64_t oc)
{
    int             posts;
    bool            clip;
    float           lo, hi, *y = s->out[0].data;
    int64_t         i, r, y0, x0, at, plane;
    const float    *add;

    posts = conv_blocked_posts(s, &add, &clip, &lo, &hi);
    if (posts == s->n_post) {
        return;
    }

    plane = image * maas_blocks(g->n) + oc / MAAS_C16;

    for (i = t0; i < t0 + nt; i++) {
        y0 = i / g->across * g->m;
        x0 = i % g->across * g->m;

        for (r = y0; r < maas_min(y0 + g->m, g->oh); r++) {
            at = ((plane * g->oh + r) * g->ow + x0) * MAAS_C16;
            maas_post_apply16(s, posts, y + at, y + at,
                              maas_min(g->ow - x0, g->m), at, plane);
        }
    }
}


static void
cw_unit(const maas_step_t *s, const cw_t *g, int64_t image, int64_t t0,
    int64_t nt, int64_t oc, int64_t end, float *v)
{
    float    *m = v + g->t * nt * maas_blocks(g->c) * MAAS_C16;
    int64_t   n, b;

    for ( /* void */ ; oc < end; oc += CW_STEP) {
        n = maas_min(end - oc, CW_STEP);
        cw_product(s, g, nt, oc, n, v, m);

        for (b = 0; b < n; b += MAAS_C16) {
            cw_to(s, g, image, t0, nt, oc + b, m + b * nt);
            cw_rest(s, g, image, t0, nt, oc + b);
        }
    }
}


static maas_status_t
cw_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    int m)
{
    cw_t      g;
    int64_t   u, i, t0, nt, oc, none = -1, *have;

    cw_geom(&g, m, s->attr, &s->in[0], &s->in[1], &s->out[0]);
    have = slot->keep != NULL ? slot->keep : &none;

    for (u = first; u < last; u++) {
        i = u / g.nset;
        t0 = i % g.sets * g.nt;
        nt = maas_min(g.nt, g.tiles - t0);

        if (nt <= 0) {
            continue;
        }

        if (i != *have) {
            cw_from(s, &g, i / g.sets, t0, nt, slot->scratch);
            *have = i;
        }

        oc = u % g.nset * g.nb;
        cw_unit(s, &g, i / g.sets, t0, nt, oc, maas_min(oc + g.nb, g.n),
                slot->scratch);
    }

    return MAAS_OK;
}


maas_status_t
conv_winograd2_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return cw_run(s, slot, first, last, 2);
}


maas_status_t
conv_winograd4_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return cw_run(s, slot, first, last, 4);
}
