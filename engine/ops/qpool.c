/*
 * maas.MaxPoolBytes: MaxPool of 8-bit numbers over blocks of 16 channels,
 * where they lie as uint8.  A unit is some rows of a plane; where windows
 * reach over its sides, the rows are copied with zeros about them, the least
 * that there is.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/pool.h"


#define QPOOL_UNIT  1024        /* output pixels of a unit */

typedef struct {
    maas_win16_t  w;            /* without x and y */
    int64_t       parts, in_rows, in_cols;
    bool          copy;
} qpool_t;


static void
qpool_geom(qpool_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *y)
{
    maas_window_t  full;

    pool_blocked_geom(&g->w, &full, attr, x, y);

    g->parts = maas_blocked_parts(g->w.oh, g->w.ow, QPOOL_UNIT);
    g->in_rows = ((g->w.oh + g->parts - 1) / g->parts - 1) * g->w.sh
                 + (g->w.kh - 1) * g->w.dh + 1;
    g->in_cols = (g->w.ow - 1) * g->w.sw + (g->w.kw - 1) * g->w.dw + 1;
    g->copy = g->w.ph > 0 || g->w.pw > 0 || g->in_cols > g->w.iw
              || (g->w.oh - 1) * g->w.sh + (g->w.kh - 1) * g->w.dh >= g->w.ih;
}


bool
qpool_setup(maas_setup_t *u)
{
    qpool_t  g;

    if (u->in[0].format != MAAS_FMT_C16
        || u->in[0].rank < 3 || u->in[0].rank > 4)
    {
        return false;
    }

    qpool_geom(&g, u->attr, &u->in[0], &u->out[0]);
    u->units = maas_planes16(&u->out[0]) * g.parts;
    u->scratch = g.copy ? (size_t) (g.in_rows * g.in_cols) * MAAS_C16 : 0;
    u->cost = 100 + (double) maas_tensor_count(&u->out[0])
                    * (double) (g.w.kh * g.w.kw) * 0.02;
    return true;
}


/* Rows [y0, y0 + n) of a plane, and zeros where there are none. */
static void
qpool_copy(const qpool_t *g, uint8_t *dst, const uint8_t *x, int64_t y0,
    int64_t n)
{
    int64_t  left = g->w.pw, right;

    right = maas_min(g->w.iw + left, g->in_cols);

    for (int64_t y = y0; y < y0 + n; y++, dst += g->in_cols * MAAS_C16) {
        memset(dst, 0, (size_t) (g->in_cols * MAAS_C16));

        if (y >= 0 && y < g->w.ih && right > left) {
            memcpy(dst + left * MAAS_C16, x + y * g->w.iw * MAAS_C16,
                   (size_t) ((right - left) * MAAS_C16));
        }
    }
}


maas_status_t
qpool_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t          part, plane, r0, rows;
    qpool_t          g;
    const uint8_t   *x;
    maas_qconv16_t   c = { 0 };

    qpool_geom(&g, s->attr, &s->in[0], &s->out[0]);
    c.cols = g.w.ow;
    c.nb = g.w.kh;
    c.nc = g.w.kw;
    c.xc = g.w.dw * MAAS_C16;
    c.xcol = g.w.sw * MAAS_C16;
    c.xb = g.w.dh * (g.copy ? g.in_cols : g.w.iw) * MAAS_C16;
    c.xrow = g.w.sh * (g.copy ? g.in_cols : g.w.iw) * MAAS_C16;
    c.yrow = g.w.ow * MAAS_C16;

    for (int64_t u = first; u < last; u++) {
        plane = maas_unit16(u, maas_blocks(s->out[0].dims[1]), g.parts,
                            &part);
        r0 = part * g.w.oh / g.parts;
        c.rows = (part + 1) * g.w.oh / g.parts - r0;
        rows = (c.rows - 1) * g.w.sh + (g.w.kh - 1) * g.w.dh + 1;
        x = (const uint8_t *) s->in[0].data
            + plane * g.w.ih * g.w.iw * MAAS_C16;

        if (g.copy) {
            qpool_copy(&g, slot->scratch, x, r0 * g.w.sh - g.w.ph, rows);
            c.x = slot->scratch;
        } else {
            c.x = x + r0 * c.xrow;
        }

        c.y = (uint8_t *) s->out[0].data + plane * g.w.oh * c.yrow
              + r0 * c.yrow;

        if (c.rows > 0) {
            s->k->qmax16(&c);
        }
    }

    return MAAS_OK;
}
