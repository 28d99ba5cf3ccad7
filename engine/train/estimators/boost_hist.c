/*
 * boost_hist.c: sums of gradients in bins, and the best cut along them.  A
 * bin's gradient and hessian lie in one vector of two doubles: one load, one
 * add, one store for both.  A bin is summed in the order of its rows by one
 * thread, so that threads change no bit.
 *
 * The gain of a cut is G_L^2 / (H_L + l2) + G_R^2 / (H_R + l2) less that of
 * the node: Friedman, "Greedy function approximation", 2001, with the second
 * order of Chen and Guestrin, "XGBoost", 2016.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#include "train/estimators/boost.h"


/* -- sums ---------------------------------------------------------------- */

#define FILL(ROW, COUNT)                                                      \
    for (uint32_t i = 0; i < n; i++) {                                        \
        uint32_t          at = bin[ROW], lo = at & 255, hi = at >> 8;         \
        maas_boost_sum_t  v = __builtin_convertvector(gh[i],                  \
                                                      maas_boost_sum_t);      \
        x[lo] += v;                                                           \
        y[hi] += v;                                                           \
        COUNT                                                                 \
    }


void
maas_boost_fill(const maas_boost_bins_t *b, uint32_t pair,
    const uint32_t *row, const maas_boost_pair_t *gh, uint32_t n, bool flat,
    maas_boost_hist_t h)
{
    uint32_t                *cx, *cy, end;
    const uint16_t          *bin = b->bin + (size_t) pair * b->n;
    maas_boost_sum_t        *x, *y;
    const maas_boost_col_t  *c = &b->col[2 * pair];
    const bool               two = 2 * pair + 1 < b->n_col;

    /* What an odd column's other half sums goes where nobody looks. */
    end = two ? c[1].offset + c[1].n_bin + c[1].missing : b->total + 1;
    x = h.sum + c->offset;
    y = h.sum + (two ? c[1].offset : b->total);
    cx = h.count + c->offset;
    cy = h.count + (two ? c[1].offset : b->total);
    memset(x, 0, (end - c->offset) * sizeof(maas_boost_sum_t));

    if (!flat) {
        memset(cx, 0, (end - c->offset) * sizeof(uint32_t));
    }

    if (row == NULL && flat) {
        FILL(i, )
    } else if (row == NULL) {
        FILL(i, cx[lo]++; cy[hi]++;)
    } else if (flat) {
        FILL(row[i], )
    } else {
        FILL(row[i], cx[lo]++; cy[hi]++;)
    }
}


void
maas_boost_subtract(const maas_boost_bins_t *b, uint32_t pair, bool flat,
    maas_boost_hist_t x, maas_boost_hist_t y)
{
    uint32_t                 last = maas_min(2 * pair + 1, b->n_col - 1);
    uint32_t                 i = b->col[2 * pair].offset, end;
    const maas_boost_col_t  *c = &b->col[last];

    end = c->offset + c->n_bin + c->missing;

    for (uint32_t j = i; j < end; j++) {
        x.sum[j] -= y.sum[j];
    }

    for (uint32_t j = i; !flat && j < end; j++) {
        x.count[j] -= y.count[j];
    }
}


/* -- cuts ---------------------------------------------------------------- */

typedef struct {
    const maas_boost_rule_t  *r;
    maas_boost_sum_t          all;
    uint32_t                  n;
    double                    num;      /* of the best, as a fraction */
    double                    den;
    maas_boost_cut_t          cut;
    bool                      found;
} scan_t;


static inline void
scan_offer(scan_t *s, maas_boost_sum_t yes, uint32_t n, uint32_t bin,
    bool missing)
{
    double            hl, hr, num, den;
    maas_boost_sum_t  no = s->all - yes;

    if (n < s->r->min_leaf || s->n - n < s->r->min_leaf
        || yes[1] < s->r->min_hessian || no[1] < s->r->min_hessian)
    {
        return;
    }

    hl = yes[1] + s->r->l2;
    hr = no[1] + s->r->l2;
    num = yes[0] * yes[0] * hr + no[0] * no[0] * hl;
    den = hl * hr;

    if (num * s->den > s->num * den) {
        s->num = num;
        s->den = den;
        s->cut.bin = bin;
        s->cut.missing = missing;
        s->cut.sum = yes;
        s->cut.count = n;
        s->found = true;
    }
}


static inline uint32_t
scan_count(const scan_t *s, maas_boost_hist_t h, uint32_t bin)
{
    return s->r->flat ? (uint32_t) h.sum[bin][1] : h.count[bin];
}


/* Bins from 0 on go to yes, one by one; nan: missing rows are here. */
static void
scan_column(scan_t *s, const maas_boost_col_t *c, maas_boost_hist_t h,
    bool nan, bool missing)
{
    uint32_t          n = 0, end = c->n_bin - 1;
    maas_boost_sum_t  yes = { 0, 0 };

    h.sum += c->offset;
    h.count += c->offset;

    if (missing) {
        yes = h.sum[c->n_bin];
        n = scan_count(s, h, c->n_bin);

    } else if (nan) {
        end = c->n_bin;         /* all numbers on one side is a cut as well */
    }

    for (uint32_t i = 0; i < end; i++) {
        yes += h.sum[i];
        n += scan_count(s, h, i);
        scan_offer(s, yes, n, i, missing);
    }
}


/* Missing rows that are not here would go where most rows go. */
static void
scan_both(scan_t *s, const maas_boost_col_t *c, maas_boost_hist_t h)
{
    bool  nan = c->missing && scan_count(s, h, c->offset + c->n_bin) != 0;

    scan_column(s, c, h, nan, false);

    if (nan) {
        scan_column(s, c, h, nan, true);
    } else {
        s->cut.missing = s->cut.count > s->n - s->cut.count;
    }
}


#define SCAN_NOISE  1e-12       /* gains below it, of the whole, are rounding */

void
maas_boost_scan(const maas_boost_bins_t *b, uint32_t pair,
    const maas_boost_rule_t *r, maas_boost_hist_t h, maas_boost_sum_t sum,
    uint32_t count, maas_boost_cut_t *best)
{
    double    gain, whole = sum[0] * sum[0] / (sum[1] + r->l2);
    uint32_t  last = maas_min(2 * pair + 1, b->n_col - 1);

    for (uint32_t j = 2 * pair; j <= last; j++) {
        scan_t  s = { r, sum, count, 0, 1 };

        if (b->col[j].n_bin == 0) {
            continue;
        }

        scan_both(&s, &b->col[j], h);
        gain = s.num / s.den;

        if (s.found && gain - whole > SCAN_NOISE * gain
            && gain - whole > best->gain)
        {
            *best = s.cut;
            best->gain = gain - whole;
            best->col = j;
        }
    }
}
