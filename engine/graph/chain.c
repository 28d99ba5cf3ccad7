/*
 * chain.c: bands of rows through several steps.  See chain.h.
 *
 * A slot's scratch: which rows each output has there, the largest scratch of
 * a step, then the rows, by planes, those of the lowest number first.
 */

#include "graph/chain.h"


/* Planes that are a power of two apart would share their lines in a cache. */
#define CHAIN_APART  48         /* floats */

/* Rows [from, to) of the output lie in the scratch. */
typedef struct {
    int64_t  from, to;
} chain_held_t;


static void
chain_setup(maas_setup_t *u, const maas_step_t *s)
{
    memset(u, 0, sizeof(*u));
    u->attr = s->attr;
    u->in = s->in;
    u->out = s->out;
    u->post = s->post;
    u->n_in = s->n_in;
    u->n_formal = s->n_formal;
    u->n_out = s->n_out;
    u->n_post = s->n_post;
}


bool
maas_chain_rows(maas_chain_t *c, const maas_step_t *s, int n)
{
    maas_setup_t  u;

    memset(c, 0, sizeof(*c));

    if (n < 2 || n > MAAS_CHAIN_MAX) {
        return false;
    }

    for (int i = 0; i < n; i++) {
        chain_setup(&u, &s[i]);

        if (s[i].kernel == NULL || s[i].kernel->rows == NULL
            || !s[i].kernel->rows(&u, &c->step[i].rows))
        {
            return false;
        }

        c->step[i].rows.per = maas_max(c->step[i].rows.per, 1);
    }

    c->n = n;
    c->images = s[0].out[0].dims[0];
    return true;
}


/* Input rows that `n` output rows see, at most. */
static int64_t
chain_seen(const maas_by_rows_t *r, int64_t n)
{
    return maas_min(((n - 1) * r->step + r->per - 1) / r->per + r->reach,
                    r->in);
}


void
maas_chain_bands(maas_chain_t *c, const maas_step_t *s, int64_t bands)
{
    size_t                scratch = 0, off;
    int64_t               n;
    maas_chained_t       *p;
    const maas_tensor_t  *t;

    c->bands = bands;
    n = (c->step[c->n - 1].rows.out + bands - 1) / bands;

    for (int i = c->n - 1; i >= 0; i--) {
        p = &c->step[i];
        p->most = n;
        n = chain_seen(&p->rows, n);
        scratch = maas_max(scratch, p->rows.scratch
                                    + (size_t) n * p->rows.scratch_row);
    }

    off = maas_align(c->n * sizeof(chain_held_t), MAAS_ALIGN)
          + maas_align(scratch, MAAS_ALIGN);

    for (int i = 0; i + 1 < c->n; i++) {
        p = &c->step[i];
        t = &s[i].out[0];
        p->width = t->dims[t->rank - 1] * MAAS_C16;
        p->planes = (t->dims[1] + MAAS_C16 - 1) / MAAS_C16;
        p->plane = p->most * p->width + CHAIN_APART;
        p->off = off;
        off += maas_align((size_t) (p->planes * p->plane) * sizeof(float),
                          MAAS_ALIGN);
    }

    c->scratch = off;
}


/* The rows from `from` on that are there come first; makes room for `to`. */
static void
chain_slide(const maas_chained_t *p, chain_held_t *h, float *rows,
    int64_t from, int64_t to)
{
    int64_t  keep = maas_max(h->to - from, 0);

    if (keep > 0 && from > h->from) {
        for (int64_t i = 0; i < p->planes; i++) {
            memmove(rows + i * p->plane,
                    rows + i * p->plane + (from - h->from) * p->width,
                    (size_t) (keep * p->width) * sizeof(float));
        }
    }

    h->from = from;
    h->to = maas_max(to, h->to);
}


/*
 * From the rows [r0, r1) of the last output down: those that each step has
 * to make; held: the rows that are there, then those that will be.
 */
static void
chain_want(const maas_chain_t *c, char *scratch, int64_t r0, int64_t r1,
    maas_band_t *b)
{
    int64_t             from, to;
    chain_held_t       *held = (chain_held_t *) scratch, *h;
    const maas_by_rows_t  *r;

    for (int i = c->n - 1; i >= 0; i--) {
        b[i].r0 = r0;
        b[i].r1 = r1;

        if (i == 0 || r0 >= r1) {
            r0 = r1 = 0;
            continue;
        }

        r = &c->step[i].rows;
        h = &held[i - 1];
        from = r0 * r->step / r->per - r->before;
        to = (r1 - 1) * r->step / r->per - r->before + r->reach;
        from = maas_min(maas_max(from, 0), r->in);
        to = maas_min(maas_max(to, 0), r->in);
        r0 = maas_max(from, h->to);
        r1 = to;

        chain_slide(&c->step[i - 1], h,
                    (float *) (scratch + c->step[i - 1].off), from, to);
    }
}


/* The image in a tensor; *plane: floats from a plane to the next. */
static float *
chain_image(const maas_tensor_t *t, int64_t image, int64_t *plane)
{
    int64_t  n = 1, planes = t->dims[1];

    for (int i = 2; i < t->rank; i++) {
        n *= t->dims[i];
    }

    if (t->format == MAAS_FMT_C16) {
        planes = (planes + MAAS_C16 - 1) / MAAS_C16;
        n *= MAAS_C16;
    }

    *plane = n;

    return (float *) t->data + image * planes * n;
}


/* Unit u; again: the scratch holds what the unit before it left. */
static void
chain_unit(const maas_chain_t *c, const maas_step_t *s, maas_slot_t *slot,
    int64_t u, bool again)
{
    char                  *scratch = slot->scratch;
    int64_t                image = u / c->bands, band = u % c->bands, keep;
    int64_t                rows = c->step[c->n - 1].rows.out;
    maas_slot_t            own = *slot;
    maas_band_t            b[MAAS_CHAIN_MAX];
    chain_held_t          *held = slot->scratch;
    const maas_chained_t  *p;

    if (!again) {
        memset(held, 0, c->n * sizeof(*held));
    }

    own.scratch = scratch + maas_align(c->n * sizeof(*held), MAAS_ALIGN);
    own.keep = &keep;

    chain_want(c, scratch, band * rows / c->bands,
               (band + 1) * rows / c->bands, b);

    b[0].x = chain_image(&s[0].in[0], image, &b[0].xplane);

    for (int i = 0; i < c->n; i++) {
        p = &c->step[i];
        b[i].image = image;

        if (i + 1 == c->n) {
            b[i].y = chain_image(&s[i].out[0], image, &b[i].yplane);

        } else {
            b[i].y = (float *) (scratch + p->off) - held[i].from * p->width;
            b[i].yplane = p->plane;
            b[i + 1].x = b[i].y;
            b[i + 1].xplane = p->plane;
        }

        if (b[i].r0 < b[i].r1) {
            keep = -1;
            s[i].kernel->band(&s[i], &own, &b[i]);
        }
    }
}


maas_status_t
maas_chain_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    maas_chain_t  c;

    if (!maas_chain_rows(&c, s, (int) s[0].chain)) {
        return maas_err(slot->err, MAAS_EINTERNAL,
                        "these steps do not go by rows");
    }

    maas_chain_bands(&c, s, s[0].units / c.images);

    for (int64_t u = first; u < last; u++) {
        chain_unit(&c, s, slot, u, u % c.bands != 0 && slot->keep != NULL
                                   && *slot->keep == u - 1);

        if (slot->keep != NULL) {
            *slot->keep = u;
        }
    }

    return MAAS_OK;
}
