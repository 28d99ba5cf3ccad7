/*
 * boost_bins.c: numbers into bins.  A column with few values gets a bin for
 * each; else bins of about equally many rows.  The edge between two bins
 * lies halfway between the values beside it, as a float32 below.
 *
 * Ownership: the bins own their memory; scratch is freed.
 * Threads:   pairs of columns are spread over the crew.
 */

#include "train/estimators/boost.h"


typedef struct {
    const maas_fit_job_t  *f;
    const uint32_t        *place;
    uint32_t               n;
    uint32_t               max_bins;
    maas_boost_bins_t     *b;
    uint64_t              *scratch;     /* [slots][2][rows] */
    maas_boost_col_t      *all;         /* [p] */
    uint8_t               *bytes;       /* [p][n] */
} bins_t;


/* Rows to the end of which the next cut is looked for. */
static uint32_t
bins_cut(const uint64_t *s, uint32_t n, uint32_t at, uint32_t left)
{
    uint32_t  i = at + (n - at + left - 1) / left;

    /* Behind the values that are equal to the last one. */
    while (i < n && s[i] >> 32 == s[i - 1] >> 32) {
        i++;
    }

    return i;
}


static uint32_t
bins_distinct(const uint64_t *s, uint32_t n, uint32_t most)
{
    uint32_t  kinds = n != 0;

    for (uint32_t i = 1; i < n && kinds <= most; i++) {
        kinds += s[i] >> 32 != s[i - 1] >> 32;
    }

    return kinds;
}


/* Edges of the sorted column s of n values, and each row's bin. */
static void
bins_edges(const bins_t *t, const uint64_t *s, uint32_t n,
    maas_boost_col_t *c, uint8_t *bin)
{
    bool      few = bins_distinct(s, n, t->max_bins) <= t->max_bins;
    uint32_t  i, row, at = 0, k = 0;

    for ( /* void */ ; at < n; k++) {
        i = bins_cut(s, n, at, few ? n - at : t->max_bins - k);

        if (i < n) {
            c->edge[k] = maas_grow_between(
                             maas_grow_unkey((uint32_t) (s[i - 1] >> 32)),
                             maas_grow_unkey((uint32_t) (s[i] >> 32)));
        }

        for ( /* void */ ; at < i; at++) {
            row = (uint32_t) s[at];
            bin[t->place != NULL ? t->place[row] : row] = (uint8_t) k;
        }
    }

    c->n_bin = k;
}


static maas_status_t
bins_column(void *arg, int slot, int64_t col)
{
    bins_t            *t = arg;
    size_t             rows = (size_t) t->f->n;
    uint8_t           *bin = t->bytes + (size_t) col * t->n;
    uint32_t           n, m = 0;
    uint64_t          *a = t->scratch + 2 * (size_t) slot * rows, *s;
    maas_boost_col_t  *c = &t->all[col];

    n = maas_grow_sort_column(t->f, (uint32_t) col, a, a + rows, &s);

    /* Rows without a place are left out. */
    for (uint32_t i = 0; t->place != NULL && i < n; i++) {
        s[m] = s[i];
        m += t->place[(uint32_t) s[i]] != UINT32_MAX;
    }

    n = t->place != NULL ? m : n;
    c->feature = (uint32_t) col;
    c->missing = n < t->n;

    if (!c->missing) {
        bins_edges(t, s, n, c, bin);
        return MAAS_OK;
    }

    /* What stays as it is, is missing: the bin behind all. */
    memset(bin, 255, t->n);
    bins_edges(t, s, n, c, bin);

    for (uint32_t i = 0; i < t->n; i++) {
        bin[i] = bin[i] == 255 ? (uint8_t) c->n_bin : bin[i];
    }

    return MAAS_OK;
}


static maas_status_t
bins_fill(void *arg, int slot, int64_t pair)
{
    bins_t         *t = arg;
    uint16_t       *out = t->b->bin + (size_t) pair * t->b->n;
    uint32_t        col = 2 * (uint32_t) pair;
    const uint8_t  *x, *y;

    (void) slot;

    x = t->bytes + (size_t) t->b->col[col].feature * t->n;

    if (col + 1 == t->b->n_col) {
        for (uint32_t i = 0; i < t->n; i++) {
            out[i] = x[i];
        }

        return MAAS_OK;
    }

    y = t->bytes + (size_t) t->b->col[col + 1].feature * t->n;

    for (uint32_t i = 0; i < t->n; i++) {
        out[i] = (uint16_t) (x[i] | y[i] << 8);
    }

    return MAAS_OK;
}


/* Columns that vary, side by side. */
static maas_status_t
bins_keep(bins_t *t)
{
    size_t              size;
    uint32_t            n = 0, p = (uint32_t) t->f->p;
    uint64_t            total = 0;
    maas_boost_col_t   *c = t->all;
    maas_boost_bins_t  *b = t->b;

    for (uint32_t j = 0; j < p; j++) {
        if (t->all[j].n_bin + t->all[j].missing > 1) {
            c[n] = t->all[j];
            c[n].offset = (uint32_t) total;
            total += c[n].n_bin + c[n].missing;
            n++;
        }
    }

    if (total >= UINT32_MAX / 64) {
        return MAAS_ENOMEM;
    }

    b->n_col = n;
    b->n_pair = (n + 1) / 2;
    b->total = (uint32_t) total;

    if (!maas_mul_size((size_t) b->n_pair * sizeof(uint16_t), b->n, &size)) {
        return MAAS_ENOMEM;
    }

    b->bin = maas_calloc(t->f->host, 1, maas_max(size, 1));
    return b->bin != NULL ? MAAS_OK : MAAS_ENOMEM;
}


void
maas_boost_bins_free(const maas_host_t *host, maas_boost_bins_t *b)
{
    maas_free(host, b->col);
    maas_free(host, b->bin);
    b->col = NULL;
    b->bin = NULL;
}


static maas_status_t
bins_all(maas_crew_t *c, bins_t *t)
{
    MAAS_TRY(maas_crew_run(c, bins_column, t, t->f->p, 0, 0));

    if (bins_keep(t) != MAAS_OK) {
        return maas_err_nomem(t->f->err);
    }

    return maas_crew_run(c, bins_fill, t, t->b->n_pair, 0, 0);
}


maas_status_t
maas_boost_bins(maas_crew_t *c, const uint32_t *place, uint32_t n,
    uint32_t max_bins, maas_boost_bins_t *b)
{
    bins_t                 t = { c->f, place, n, max_bins, b };
    maas_status_t          rc;
    const maas_fit_job_t  *f = c->f;

    *b = (maas_boost_bins_t) { .n = n };
    t.all = maas_calloc(f->host, (size_t) f->p, sizeof(maas_boost_col_t));
    t.scratch = maas_alloc(f->host, 2 * sizeof(uint64_t) * (size_t) f->n
                                    * (size_t) c->slots);
    t.bytes = maas_alloc(f->host, (size_t) f->p * n);
    b->col = t.all;

    rc = t.all == NULL || t.scratch == NULL || t.bytes == NULL
         ? maas_err_nomem(f->err) : bins_all(c, &t);
    maas_free(f->host, t.scratch);
    maas_free(f->host, t.bytes);

    return rc;
}
