/*
 * pool_rows.c: float32 maxima and sums of a plane that is not blocked, for
 * any number of spatial axes.  A band of output rows at a time: the input
 * rows under each are folded into one of a padded band, whose columns are
 * then folded as one long row with its neighbours to the right; of these
 * every stride-th is an output.  Taps come in ascending order, rows first.
 *
 * Ownership: the caller's scratch.  Threads: reentrant.
 */

#include <math.h>

#include "ops/pool.h"


#define POOL_BAND  4096         /* floats of a band, of more than one row */


typedef struct {
    int64_t  iw, ow, kw, sw, dw;
    int64_t  left;              /* padding before a row */
    int64_t  wide;              /* floats of a padded row */
    int64_t  rows;              /* of a band */
} pool_band_t;


static void
pool_band(pool_band_t *b, const maas_window_t *w)
{
    int  l = w->nd - 1;

    b->iw = w->in[l];
    b->ow = w->out[l];
    b->kw = w->k[l];
    b->sw = w->s[l];
    b->dw = w->d[l];
    b->left = w->p0[l];
    b->wide = maas_max((b->ow - 1) * b->sw + (b->kw - 1) * b->dw + 1,
                       b->left + b->iw);
    b->rows = maas_max(POOL_BAND / maas_max(b->wide, 1), 1);
    b->rows = maas_min(b->rows, maas_max(w->out_count / maas_max(b->ow, 1),
                                         1));
}


size_t
maas_pool_scratch(const maas_window_t *w)
{
    pool_band_t  b;

    pool_band(&b, w);
    return (size_t) (2 * b.rows * b.wide) * sizeof(float);
}


/* Rows of an image, which lie one dilation apart. */
static bool
pool_under_2d(const maas_window_t *w, const maas_kernels_t *k,
    maas_reduce_t op, float *row, const float *x, int64_t o)
{
    int64_t  iw = w->in[1], ky = 0, n = w->k[0], d = w->d[0];
    int64_t  y = o * w->s[0] - w->p0[0];

    while (ky < n && y + ky * d < 0) {
        ky++;
    }

    while (n > ky && y + (n - 1) * d >= w->in[0]) {
        n--;
    }

    if (ky == n) {
        return false;
    }

    x += (y + ky * d) * iw;
    memcpy(row, x, (size_t) iw * sizeof(float));
    k->fold[op](row, x + d * iw, d * iw, n - ky - 1, iw);
    return true;
}


/* What lies under output row o; false: nothing does. */
static bool
pool_under(const maas_window_t *w, const maas_kernels_t *k, maas_reduce_t op,
    float *row, const float *x, int64_t o)
{
    bool     first = true;
    int64_t  off, iw = w->in[w->nd - 1];

    if (w->nd == 2) {
        return pool_under_2d(w, k, op, row, x, o);
    }

    for (int64_t r = 0; r < w->k_count / w->k[w->nd - 1]; r++) {
        if (!maas_window_row(w, o, r, &off)) {
            continue;
        }

        if (first) {
            memcpy(row, x + off, (size_t) iw * sizeof(float));

        } else {
            k->fold[op](row, x + off, 0, 1, iw);
        }

        first = false;
    }

    return !first;
}


/* One of `step` elements. */
static void
pool_pick(float *y, const float *x, int64_t step, int64_t n)
{
    if (step == 1) {
        memcpy(y, x, (size_t) n * sizeof(float));

    } else if (step == 2) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[2 * i];
        }

    } else {
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[step * i];
        }
    }
}


void
maas_pool_rows(const maas_window_t *w, const maas_kernels_t *k,
    maas_reduce_t op, float *y, const float *x, float *scratch)
{
    float        *band, *sum, start = op == MAAS_R_MAX ? -INFINITY : 0;
    int64_t       n, m, all = w->out_count / w->out[w->nd - 1];
    pool_band_t   b;

    pool_band(&b, w);
    band = scratch;
    sum = band + b.rows * b.wide;

    for (int64_t i = 0; i < b.rows * b.wide; i++) {
        band[i] = start;
    }

    for (int64_t o = 0; o < all; o += n) {
        n = maas_min(all - o, b.rows);
        m = n * b.wide - (b.kw - 1) * b.dw;

        for (int64_t r = 0; r < n; r++) {
            float  *row = band + r * b.wide + b.left;

            if (!pool_under(w, k, op, row, x, o + r)) {
                for (int64_t i = 0; i < b.iw; i++) {
                    row[i] = start;
                }
            }
        }

        for (int64_t i = 0; i < m; i++) {
            sum[i] = start;
        }

        k->fold[op](sum, band, b.dw, b.kw, m);

        for (int64_t r = 0; r < n; r++) {
            pool_pick(y + (o + r) * b.ow, sum + r * b.wide, b.sw, b.ow);
        }
    }
}
