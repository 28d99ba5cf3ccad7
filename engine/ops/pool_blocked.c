/*
 * Pooling over blocked activations (domain maas): a unit is some rows of a
 * plane of 16 channels, or bands of rows of all planes are made (op.h).
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/pool.h"


#define PB_UNIT  1024           /* output pixels of a unit */


void
pool_blocked_geom(maas_win16_t *p, maas_window_t *full, const void *attr,
    const maas_tensor_t *x, const maas_tensor_t *y)
{
    int             l;
    bool            two;
    maas_window_t   w;

    maas_window_init(full, attr, NULL, x->rank - 2, x->dims + 2,
                     y->dims + 2);
    w = *full;
    maas_pool_trim(&w);
    l = w.nd - 1;
    two = l > 0;

    memset(p, 0, sizeof(*p));
    p->ih = two ? w.in[0] : 1;
    p->oh = two ? w.out[0] : 1;
    p->kh = two ? w.k[0] : 1;
    p->sh = two ? w.s[0] : 1;
    p->ph = two ? w.p0[0] : 0;
    p->dh = two ? w.d[0] : 1;
    p->iw = w.in[l];
    p->ow = w.out[l];
    p->kw = w.k[l];
    p->sw = w.s[l];
    p->pw = w.p0[l];
    p->dw = w.d[l];
}


bool
pool_blocked_setup(maas_setup_t *u)
{
    maas_win16_t   p;
    maas_window_t  w;

    if (u->in[0].format != MAAS_FMT_C16) {
        return false;
    }

    pool_blocked_geom(&p, &w, u->attr, &u->in[0], &u->out[0]);
    u->units = maas_planes16(&u->out[0])
               * maas_blocked_parts(p.oh, p.ow, PB_UNIT);
    u->cost = 100 + (double) maas_tensor_count(&u->out[0])
                    * (double) (p.kh * p.kw) * 0.05;
    return true;
}


/* Unit u to a window over its plane. */
static void
pb_unit(const maas_step_t *s, maas_win16_t *p, int64_t u)
{
    int64_t  part, parts = maas_blocked_parts(p->oh, p->ow, PB_UNIT), plane;

    plane = maas_unit16(u, maas_blocks(s->out[0].dims[1]), parts, &part);
    p->x = (const float *) s->in[0].data + plane * p->ih * p->iw * MAAS_C16;
    p->y = (float *) s->out[0].data + plane * p->oh * p->ow * MAAS_C16;
    p->y0 = part * p->oh / parts;
    p->y1 = (part + 1) * p->oh / parts;
}


/* Of plane i of a band. */
static void
pb_plane(maas_win16_t *p, const maas_band_t *b, int64_t i)
{
    p->x = b->x + i * b->xplane;
    p->y = b->y + i * b->yplane;
    p->y0 = b->r0;
    p->y1 = b->r1;
}


bool
pool_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r)
{
    maas_win16_t   p;
    maas_window_t  w;

    pool_blocked_geom(&p, &w, u->attr, &u->in[0], &u->out[0]);
    memset(r, 0, sizeof(*r));
    r->in = p.ih;
    r->out = p.oh;
    r->step = p.sh;
    r->before = p.ph;
    r->reach = (p.kh - 1) * p.dh + 1;
    return true;
}


maas_status_t
maxpool_blocked_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    maas_win16_t   p;
    maas_window_t  w;

    (void) slot;

    pool_blocked_geom(&p, &w, s->attr, &s->in[0], &s->out[0]);

    for (int64_t u = first; u < last; u++) {
        pb_unit(s, &p, u);
        s->k->maxpool16(&p);
    }

    return MAAS_OK;
}


void
maxpool_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b)
{
    maas_win16_t   p;
    maas_window_t  w;

    (void) slot;

    pool_blocked_geom(&p, &w, s->attr, &s->in[0], &s->out[0]);

    for (int64_t i = 0; i < maas_blocks(s->out[0].dims[1]); i++) {
        pb_plane(&p, b, i);
        s->k->maxpool16(&p);
    }
}


/* Row oy, which holds sums, to averages. */
static void
pb_divide(const maas_win16_t *p, const maas_window_t *w, int64_t oy,
    bool pads)
{
    int      l = w->nd - 1;
    float   *y;
    int64_t  rows = l > 0 ? maas_pool_count(w, 0, oy, pads) : 1, ix, n;

    for (int64_t ox = 0; ox < p->ow; ox++) {
        ix = ox * w->s[l] - w->p0[l];
        n = ix >= 0 && ix + (w->k[l] - 1) * w->d[l] < w->in[l]
            ? w->k[l] : maas_pool_count(w, l, ox, pads);
        y = p->y + (oy * p->ow + ox) * MAAS_C16;

        for (int c = 0; c < MAAS_C16; c++) {
            y[c] /= (float) (rows * n);
        }
    }
}


/* Scratch: ones, the weights of a sum. */
bool
averagepool_blocked_setup(maas_setup_t *u)
{
    maas_win16_t   p;
    maas_window_t  w;

    if (!pool_blocked_setup(u)) {
        return false;
    }

    pool_blocked_geom(&p, &w, u->attr, &u->in[0], &u->out[0]);
    u->scratch = (size_t) (p.kh * p.kw) * MAAS_C16 * sizeof(float);
    return true;
}


bool
averagepool_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r)
{
    maas_win16_t   p;
    maas_window_t  w;

    pool_blocked_geom(&p, &w, u->attr, &u->in[0], &u->out[0]);
    (void) pool_blocked_rows(u, r);
    r->scratch = (size_t) (p.kh * p.kw) * MAAS_C16 * sizeof(float);
    return true;
}


static const float  pb_zeros[MAAS_C16];


/* The weights of a sum: ones, in the scratch; from zero. */
static void
pb_ones(maas_win16_t *p, const maas_slot_t *slot)
{
    float  *ones = slot->scratch;

    for (int64_t i = 0; i < p->kh * p->kw * MAAS_C16; i++) {
        ones[i] = 1;
    }

    p->w = ones;
    p->bias = pb_zeros;
}


static void
pb_average(const maas_step_t *s, const maas_win16_t *p,
    const maas_window_t *w)
{
    const maas_window_attr_t  *a = s->attr;

    s->k->dwconv16(p);

    for (int64_t y = p->y0; y < p->y1; y++) {
        pb_divide(p, w, y, a->count_include_pad != 0);
    }
}


maas_status_t
averagepool_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    maas_win16_t   p;
    maas_window_t  w;

    pool_blocked_geom(&p, &w, s->attr, &s->in[0], &s->out[0]);
    pb_ones(&p, slot);

    for (int64_t u = first; u < last; u++) {
        pb_unit(s, &p, u);
        pb_average(s, &p, &w);
    }

    return MAAS_OK;
}


void
averagepool_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b)
{
    maas_win16_t   p;
    maas_window_t  w;

    pool_blocked_geom(&p, &w, s->attr, &s->in[0], &s->out[0]);
    pb_ones(&p, slot);

    for (int64_t i = 0; i < maas_blocks(s->out[0].dims[1]); i++) {
        pb_plane(&p, b, i);
        pb_average(s, &p, &w);
    }
}


/* -- GlobalAveragePool --------------------------------------------------- */

bool
global_blocked_setup(maas_setup_t *u)
{
    if (u->in[0].format != MAAS_FMT_C16) {
        return false;
    }

    u->units = maas_planes16(&u->in[0]);
    u->cost = 100 + (double) u->in[0].bytes / 40;
    return true;
}


maas_status_t
globalaverage_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    float                 sum[MAAS_C16];
    int64_t               u, n, c, blocks;
    const maas_tensor_t  *x = &s->in[0];

    (void) slot;

    n = maas_pixels(x);
    blocks = maas_blocks(x->dims[1]);

    for (u = first; u < last; u++) {
        s->k->sum16(sum, (const float *) x->data + u * n * MAAS_C16, n,
                    1.0f / (float) n);
        c = u % blocks * MAAS_C16;
        memcpy((float *) s->out[0].data + u / blocks * x->dims[1] + c, sum,
               (size_t) maas_min(x->dims[1] - c, MAAS_C16) * sizeof(float));
    }

    return MAAS_OK;
}
