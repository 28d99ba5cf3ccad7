/*
 * What a band of a convolution over blocked activations sees of its input:
 * where it lies, or a copy in the thread's scratch, where more than a tap
 * falls beside a row or where the input is normalised first.
 *
 * Ownership: nothing is allocated.  Threads: reentrant; the scratch is the
 * thread's own.
 */

#include "ops/conv_band.h"


/* A row of the copy: zeros beside [x0, x1). */
typedef struct {
    size_t   left, len, right;
    int64_t  x0;
} ci_row_t;


static ci_row_t
ci_row(const cb_t *g, const cb_band_t *b, int64_t cols)
{
    int64_t   x1;
    ci_row_t  r;

    r.x0 = maas_min(maas_max(b->x0, 0), g->iw);
    x1 = maas_max(maas_min(b->x0 + cols, g->iw), r.x0);

    r.left = (size_t) maas_min(maas_max(-b->x0, 0), cols) * g->lane;
    r.len = (size_t) (x1 - r.x0) * g->lane;
    r.right = (size_t) cols * g->lane - r.left - r.len;

    return r;
}


/*
 * Input slices from d0 and rows from y0 on that the band's taps reach and
 * that there are; made: they lie in dst.
 */
static void
ci_copy(const cb_t *g, cb_band_t *b, float *dst, bool made)
{
    int64_t       d1, y1, cols = (b->cols - 1) * g->sw
                                 + (g->kw - 1) * g->dw + 1;
    ci_row_t      r = ci_row(g, b, cols);
    const float  *src = b->x, *p;

    d1 = maas_min((b->z1 - 1) * g->sd - g->pd + (g->kd - 1) * g->dd + 1,
                  g->id);
    y1 = maas_min((b->r1 - 1) * g->sh - g->ph + (g->kh - 1) * g->dh + 1,
                  g->ih);

    b->x = dst;

    for (int64_t c = 0; c < g->parts && !made; c++, src += b->part) {
        for (int64_t d = b->d0; d < d1; d++) {
            for (int64_t y = b->y0; y < y1; y++) {
                p = src + d * b->slice + (y * g->iw + r.x0) * g->lane;
                memset(dst, 0, r.left * sizeof(float));
                memcpy(dst + r.left, p, r.len * sizeof(float));
                memset(dst + r.left + r.len, 0, r.right * sizeof(float));
                dst += cols * g->lane;
            }
        }
    }

    b->row = cols * g->lane;
    b->slice = maas_max(y1 - b->y0, 0) * b->row;
    b->part = maas_max(d1 - b->d0, 0) * b->slice;
}


/* The band's pixels, which are those of the output, scaled and shifted. */
static void
ci_norm(const cb_t *g, const maas_step_t *s, cb_band_t *b, float *dst,
    bool made)
{
    int64_t                    n = (b->r1 - b->r0) * b->cols;
    const float               *x = b->x + b->r0 * b->row
                                   + b->c0 * MAAS_C16;
    const float               *scale = s->in[3].data, *shift = s->in[4].data;
    const conv_normed_attr_t  *a = s->attr;

    b->x = dst;

    for (int64_t c = 0; c < g->parts && !made; c++, x += b->part) {
        s->k->affine16(dst, x, scale + c * MAAS_C16, shift + c * MAAS_C16, n,
                       a->low, a->high);
        dst += n * MAAS_C16;
    }

    b->row = b->cols * MAAS_C16;
    b->slice = b->part = n * MAAS_C16;
}


void
conv_band_open(const cb_t *g, const maas_step_t *s, int64_t ig, int64_t n,
    maas_slot_t *slot, cb_band_t *b)
{
    bool  made;

    b->d0 = maas_min(maas_max(b->z0 * g->sd - g->pd, 0), g->id);
    b->y0 = maas_min(maas_max(b->r0 * g->sh - g->ph, 0), g->ih);
    b->x0 = b->c0 * g->sw - g->pw;
    b->x = g->x + ig * g->parts * g->xplane;
    b->part = g->xplane;
    b->row = g->iw * g->lane;
    b->slice = g->ih * b->row;

    if (g->copy || g->normed) {
        made = slot->keep != NULL && *slot->keep == n;

        if (g->normed) {
            ci_norm(g, s, b, slot->scratch, made);
        } else {
            ci_copy(g, b, slot->scratch, made);
        }

        if (slot->keep != NULL) {
            *slot->keep = n;
        }

        return;
    }

    b->x += b->d0 * b->slice + b->y0 * b->row + b->x0 * g->lane;
}


void
conv_band_at(const cb_t *g, const maas_step_t *s, int64_t n,
    maas_slot_t *slot, cb_band_t *b)
{
    int64_t  u = n % (g->nrow * g->ncol), z = n / (g->nrow * g->ncol);

    b->z0 = z % g->ndeep * g->od / g->ndeep;
    b->z1 = (z % g->ndeep + 1) * g->od / g->ndeep;
    b->r0 = u / g->ncol * g->oh / g->nrow;
    b->r1 = (u / g->ncol + 1) * g->oh / g->nrow;
    b->c0 = u % g->ncol * g->cols;
    b->cols = maas_min(g->cols, g->ow - b->c0);
    conv_band_open(g, s, z / g->ndeep, n, slot, b);
}


size_t
conv_band_copied(const cb_t *g)
{
    return !g->copy && !g->normed ? 0
           : maas_align((size_t) (g->parts * g->lane)
                        * (size_t) maas_min(g->in_deep, g->id)
                        * (size_t) (maas_min(g->in_rows, g->ih) * g->in_cols)
                        * sizeof(float), MAAS_ALIGN);
}
