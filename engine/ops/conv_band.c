/*
 * The geometry of a convolution over blocked activations: bands of output
 * rows whose inputs stay in the cache, and sets of channels, so that there
 * are units for some threads; it knows shapes alone.  And where the rows of
 * a run lie.
 *
 * Ownership: plain values.  Threads: reentrant.
 */

#include "ops/conv_band.h"


#define CB_CACHE   65536        /* floats of a band of inputs ... */
#define CB_ONCE    102400       /* ... that one row of outputs sees each */
#define CB_PIXELS  56           /* of a band: it meets all weights */
#define CB_LEAST   42           /* pixels of a band that is cut in two */


static void
cb_window(cb_t *g, const maas_window_t *w)
{
    int   l = w->nd - 1;
    bool  two = w->nd == 2;

    g->ih = two ? w->in[0] : 1;
    g->oh = two ? w->out[0] : 1;
    g->kh = two ? w->k[0] : 1;
    g->sh = two ? w->s[0] : 1;
    g->dh = two ? w->d[0] : 1;
    g->ph = two ? w->p0[0] : 0;
    g->iw = w->in[l];
    g->ow = w->out[l];
    g->kw = w->k[l];
    g->sw = w->s[l];
    g->dw = w->d[l];
    g->pw = w->p0[l];
}


int64_t
conv_band_even(int64_t all, int64_t n, int64_t step)
{
    int64_t  parts;

    n = maas_max(n, step);
    parts = (all + n - 1) / n;
    n = (all + maas_max(parts, 1) - 1) / maas_max(parts, 1);

    return maas_max((n + step - 1) / step * step, step);
}


/* Bands, and sets of channels that make at least eight units of them. */
static void
cb_units(cb_t *g)
{
    int64_t  bands, sets, n;

    g->nrow = (g->oh + g->rows - 1) / g->rows;
    g->ncol = (g->ow + maas_max(g->cols, 1) - 1) / maas_max(g->cols, 1);
    bands = g->batch * g->group * g->nrow * g->ncol;
    sets = (g->ocg + CB_SET - 1) / CB_SET;
    n = bands >= 8 ? sets : maas_max(sets * bands / 8, 1);

    /* Even in all, if it can be. */
    if (n < sets && bands * ((sets + n - 1) / n) % 2 == 1) {
        n = (sets + (sets + n - 1) / n) / ((sets + n - 1) / n + 1);
    }

    g->nb = n * CB_SET;
    g->nset = (g->ocg + g->nb - 1) / g->nb;
}


/* Two threads would not share these units evenly, and rows can be cut. */
static bool
cb_uneven(const cb_t *g)
{
    int64_t  units = g->batch * g->group * g->nrow * g->ncol * g->nset;

    return g->rows > 1 && g->rows * g->cols >= CB_LEAST
           && ((units % 2 == 1 && units < 8)
               || (units < 4 && maas_blocks(g->ocg) % 2 == 1));
}


static void
cb_bands(cb_t *g)
{
    int64_t  wide, n;

    wide = (g->ow - 1) * g->sw + (g->kw - 1) * g->dw + 1;

    /* Pixels between those that are read do not count. */
    if (!g->planes && !g->copy) {
        wide = maas_min(wide, g->ow * g->kw);
    }

    wide *= g->parts * g->lane;

    if (!g->planes && !g->copy && g->kh <= g->sh) {
        n = CB_ONCE / maas_max(wide, 1) / g->kh;
    } else {
        n = (CB_CACHE / maas_max(wide, 1) - (g->kh - 1) * g->dh) / g->sh;
    }

    n = maas_max(n, CB_PIXELS / maas_max(g->ow, 1));
    g->rows = conv_band_even(g->oh, n, 1);
    g->cols = g->ow;

    if (g->rows == 1 && wide > 2 * CB_CACHE) {
        n = CB_CACHE / (g->parts * g->lane * g->sw)
            - (g->kw - 1) * g->dw / g->sw;
        g->cols = conv_band_even(g->ow, n, 28);
    }

    if (g->rows == g->oh && g->oh >= MAAS_HALVES) {
        g->rows = (g->oh + 1) / 2;
    }

    while (cb_units(g), cb_uneven(g)) {
        g->rows = (g->rows + 1) / 2;
    }

    g->in_rows = (g->rows - 1) * g->sh + (g->kh - 1) * g->dh + 1;
    g->in_cols = (g->cols - 1) * g->sw + (g->kw - 1) * g->dw + 1;
}


/* The window of a gradient by X (stride 1): from dY to dX. */
static void
cb_turn(maas_window_t *w)
{
    int64_t  n;

    for (int i = 0; i < w->nd; i++) {
        n = w->in[i];
        w->in[i] = w->out[i];
        w->out[i] = n;
        w->p0[i] = (w->k[i] - 1) * w->d[i] - w->p0[i];
    }
}


/*
 * Taps beside a row: where there is one at the most on each side, the kernel
 * leaves it out, else the rows are copied with zeros at their ends.
 */
static void
cb_sides(cb_t *g)
{
    int64_t  over, most = maas_min(g->sw, g->dw);

    over = (g->ow - 1) * g->sw + (g->kw - 1) * g->dw - g->pw - g->iw + 1;
    g->left = g->pw > 0;
    g->right = over > 0;
    g->copy = (g->left || g->right)
              && (g->planes || g->kw == 1 || g->pw > most || over > most);
}


void
conv_band_shape(cb_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *w, const maas_tensor_t *y, bool back)
{
    maas_window_t              win;
    const maas_window_attr_t  *a = attr;

    maas_window_init(&win, a, w->dims + 2, x->rank - 2,
                     (back ? y : x)->dims + 2, (back ? x : y)->dims + 2);

    if (back) {
        cb_turn(&win);
    }

    cb_window(g, &win);

    g->batch = x->dims[0];
    g->group = a->group;
    g->icg = back ? w->dims[0] / a->group : w->dims[1];
    g->ocg = back ? w->dims[1] : w->dims[0] / a->group;
    g->planes = x->format == MAAS_FMT_PLAIN;
    g->eight = w->format == MAAS_FMT_P16Q8;
    g->lane = g->planes ? 1 : MAAS_C16;
    g->parts = g->planes ? g->icg : maas_blocks(g->icg);
    cb_sides(g);
    g->flat = g->kh * g->kw * g->sh * g->sw == 1 && !g->copy && g->ph == 0
              && g->oh == g->ih && g->ow == g->iw;
}


void
conv_band_geom(cb_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *w, const maas_tensor_t *y, bool back)
{
    conv_band_shape(g, attr, x, w, y, back);
    cb_bands(g);
}


/*
 * A band's planes are those of its image: the address of image 0 is where it
 * would be if all images lay as this one does.
 */
void
conv_band_places(cb_t *g, const maas_step_t *s, const maas_band_t *b)
{
    g->x = s->in[0].data;
    g->y = s->out[0].data;
    g->xplane = g->ih * g->iw * g->lane;
    g->yplane = g->oh * g->ow * MAAS_C16;

    if (b != NULL) {
        g->xplane = b->xplane;
        g->yplane = b->yplane;
        g->x = b->x - b->image * g->group * g->parts * g->xplane;
        g->y = b->y - b->image * g->group * maas_blocks(g->ocg) * g->yplane;
    }
}


void
conv_band_rows(const cb_t *g, maas_by_rows_t *r)
{
    memset(r, 0, sizeof(*r));
    r->in = g->ih;
    r->out = g->oh;
    r->step = g->sh;
    r->before = g->ph;
    r->reach = (g->kh - 1) * g->dh + 1;
}
