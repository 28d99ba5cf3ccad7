/*
 * grow_split.c: the best cut of a node.  A feature's ranks are sorted with
 * the places of the rows beside them; one walk along them moves rows from
 * right to left and asks the criterion at each change of the rank.
 *
 * Every criterion is a number that is to be large:
 *   Gini      sum_k L_k^2 / L + sum_k R_k^2 / R
 *   entropy   sum_k (f(L_k) + f(R_k)) - f(L) - f(R),  f(x) = x log2 x
 *   squared   sum_k S_k^2 / L + sum_k T_k^2 / R
 * with weights L, R of both sides, L_k, R_k of their classes, and S_k, T_k
 * their sums of target k.  The node's own number, with nothing on the right,
 * taken away, that is the impurity gained, times weight: Breiman, Friedman,
 * Olshen, Stone, Classification and Regression Trees, 1984.
 *
 * Ownership: memory is the grower's.
 * Threads:   one for each grower.
 */

#include <math.h>

#include "train/estimators/grow.h"


/* -- the node ------------------------------------------------------------ */

static inline double
split_xlogx(const maas_grow_t *g, double x)
{
    if (g->n_xlogx != 0) {
        return g->xlogx[(uint32_t) x];
    }

    return x > 0 ? x * log2(x) : 0;
}


static void
node_classes(maas_grower_t *r)
{
    double              w, s = 0;
    uint32_t            row, kinds = 0;
    const maas_grow_t  *g = r->g;
    const int32_t      *label = g->f->label;
    maas_grow_cell_t   *c = r->cell;

    for (uint32_t i = 0; i < r->n; i++, c++) {
        row = r->row[r->first + i];
        w = r->row_weight[row];
        c->w = w;
        c->cls = (uint32_t) label[row];
        r->w += w;
        r->all[c->cls] += w;
    }

    for (int k = 0; k < g->k; k++) {
        w = r->all[k];
        kinds += w > 0;
        s += g->by == MAAS_GROW_GINI ? w * w : split_xlogx(g, w);
    }

    r->square = s;
    r->score = g->by == MAAS_GROW_GINI ? s / r->w
               : s - split_xlogx(g, r->w);
    r->pure = kinds < 2;
}


static void
node_target(maas_grower_t *r)
{
    double             w, y, lo, hi, s = 0, sum = 0;
    uint32_t           row;
    const double      *all = r->g->y;
    maas_grow_cell_t  *c = r->cell;

    lo = hi = all[r->row[r->first]];

    for (uint32_t i = 0; i < r->n; i++, c++) {
        row = r->row[r->first + i];
        w = r->row_weight[row];
        y = all[row];
        lo = y < lo ? y : lo;
        hi = y > hi ? y : hi;
        c->w = w;
        c->y = w * y;
        s += c->y;
        sum += w;
    }

    r->w = sum;
    r->all[0] = s;
    r->score = s * s / sum;
    r->pure = lo == hi;
}


static void
node_targets(maas_grower_t *r)
{
    double             w;
    uint32_t           row;
    const size_t       k = (size_t) r->g->k;
    const double      *y, *y0 = r->g->y + (size_t) r->row[r->first] * k;
    maas_grow_cell_t  *c = r->cell;

    r->pure = true;

    for (uint32_t i = 0; i < r->n; i++, c++) {
        row = r->row[r->first + i];
        y = r->g->y + (size_t) row * k;
        w = r->row_weight[row];
        c->w = w;
        c->row = row;
        r->w += w;

        for (size_t j = 0; j < k; j++) {
            r->all[j] += w * y[j];
            r->pure &= y[j] == y0[j];
        }
    }

    for (size_t j = 0; j < k; j++) {
        r->score += r->all[j] * r->all[j];
    }

    r->score /= r->w;
}


void
maas_grow_node(maas_grower_t *r)
{
    r->w = 0;
    r->score = 0;
    memset(r->all, 0, (size_t) r->g->k * sizeof(double));

    if (r->g->by != MAAS_GROW_SQUARED) {
        node_classes(r);

    } else if (r->g->k == 1) {
        node_target(r);

    } else {
        node_targets(r);
    }
}


/* -- walks along a feature ----------------------------------------------- */

/*
 * Scores are fractions num / den with den > 0, compared by multiplying
 * across; best starts as a number below all.
 */
typedef struct {
    double    num;
    double    den;
    uint32_t  at;               /* rows on the left; 0: none yet */
} split_best_t;

static inline void
split_offer(split_best_t *b, double num, double den, uint32_t at)
{
    /* Not above 0: a side whose weight rounding has taken. */
    if (den > 0 && (num * b->den > b->num * den || b->at == 0)) {
        b->num = num;
        b->den = den;
        b->at = at;
    }
}


/* May a cut lie behind row i, in sorted order? */
#define SPLIT_HERE(i)                                                         \
    ((i) + 1 >= least && (i) < last && key[i] >> 32 != key[(i) + 1] >> 32)


static split_best_t
walk_gini(maas_grower_t *r, const uint64_t *key)
{
    double                   w, l, wl = 0, wr = r->w, sl = 0, sr = r->square;
    double                  *left = r->left;
    const double            *all = r->all;
    uint32_t                 least = r->g->min_leaf, last = r->n - least;
    split_best_t             b = { 0, 1, 0 };
    const maas_grow_cell_t  *c;

    memset(left, 0, (size_t) r->g->k * sizeof(double));

    for (uint32_t i = 0; i < last; i++) {
        c = &r->cell[(uint32_t) key[i]];
        w = c->w;
        l = left[c->cls];
        sl += w * (l + l + w);
        sr += w * (w - 2 * (all[c->cls] - l));
        left[c->cls] = l + w;
        wl += w;
        wr -= w;

        if (SPLIT_HERE(i)) {
            split_offer(&b, sl * wr + sr * wl, wl * wr, i + 1);
        }
    }

    return b;
}


/* Two classes: only the weight of class 1 is counted. */
static split_best_t
walk_gini2(maas_grower_t *r, const uint64_t *key)
{
    double                   l0, r0, wl = 0, wr, l1 = 0, r1;
    uint32_t                 least = r->g->min_leaf, last = r->n - least;
    split_best_t             b = { 0, 1, 0 };
    const maas_grow_cell_t  *c;

    for (uint32_t i = 0; i < last; i++) {
        c = &r->cell[(uint32_t) key[i]];
        wl += c->w;
        l1 += c->cls ? c->w : 0;

        if (SPLIT_HERE(i)) {
            wr = r->w - wl;
            r1 = r->all[1] - l1;
            l0 = wl - l1;
            r0 = wr - r1;
            split_offer(&b, (l0 * l0 + l1 * l1) * wr
                            + (r0 * r0 + r1 * r1) * wl, wl * wr, i + 1);
        }
    }

    return b;
}


static split_best_t
walk_entropy(maas_grower_t *r, const uint64_t *key)
{
    double                   w, l, q, wl = 0, s = r->square;
    double                  *left = r->left;
    uint32_t                 least = r->g->min_leaf, last = r->n - least;
    split_best_t             b = { 0, 1, 0 };
    const maas_grow_t       *g = r->g;
    const maas_grow_cell_t  *c;

    memset(left, 0, (size_t) g->k * sizeof(double));

    for (uint32_t i = 0; i < last; i++) {
        c = &r->cell[(uint32_t) key[i]];
        w = c->w;
        l = left[c->cls];
        q = r->all[c->cls] - l;
        s += split_xlogx(g, l + w) - split_xlogx(g, l)
             + split_xlogx(g, maas_max(q - w, 0)) - split_xlogx(g, q);
        left[c->cls] = l + w;
        wl += w;

        if (SPLIT_HERE(i)) {
            split_offer(&b, s - split_xlogx(g, wl)
                            - split_xlogx(g, r->w - wl), 1, i + 1);
        }
    }

    return b;
}


static split_best_t
walk_target(maas_grower_t *r, const uint64_t *key)
{
    double                   sl = 0, sr, wl = 0, wr;
    uint32_t                 least = r->g->min_leaf, last = r->n - least;
    split_best_t             b = { 0, 1, 0 };
    const maas_grow_cell_t  *c;

    for (uint32_t i = 0; i < last; i++) {
        c = &r->cell[(uint32_t) key[i]];
        wl += c->w;
        sl += c->y;

        if (SPLIT_HERE(i)) {
            wr = r->w - wl;
            sr = r->all[0] - sl;
            split_offer(&b, sl * sl * wr + sr * sr * wl, wl * wr, i + 1);
        }
    }

    return b;
}


static split_best_t
walk_targets(maas_grower_t *r, const uint64_t *key)
{
    double                   sl, sr, d, wl = 0, wr, *left = r->left;
    const size_t             k = (size_t) r->g->k;
    const double            *y;
    uint32_t                 least = r->g->min_leaf, last = r->n - least;
    split_best_t             b = { 0, 1, 0 };
    const maas_grow_cell_t  *c;

    memset(left, 0, k * sizeof(double));

    for (uint32_t i = 0; i < last; i++) {
        c = &r->cell[(uint32_t) key[i]];
        y = r->g->y + (size_t) c->row * k;
        wl += c->w;

        for (size_t j = 0; j < k; j++) {
            left[j] += c->w * y[j];
        }

        if (SPLIT_HERE(i)) {
            wr = r->w - wl;
            sl = 0;
            sr = 0;

            for (size_t j = 0; j < k; j++) {
                d = r->all[j] - left[j];
                sl += left[j] * left[j];
                sr += d * d;
            }

            split_offer(&b, sl * wr + sr * wl, wl * wr, i + 1);
        }
    }

    return b;
}


static split_best_t
split_walk(maas_grower_t *r, const uint64_t *key)
{
    switch (r->g->by) {
    case MAAS_GROW_GINI:
        return r->g->k == 2 ? walk_gini2(r, key) : walk_gini(r, key);
    case MAAS_GROW_ENTROPY:
        return walk_entropy(r, key);
    default:
        return r->g->k == 1 ? walk_target(r, key) : walk_targets(r, key);
    }
}


/* -- a feature ----------------------------------------------------------- */

static void
split_take(maas_grow_cut_t *cut, const split_best_t *b, uint32_t feature,
    uint32_t rank, float threshold)
{
    double  score = b->num / b->den;

    /* Of equals the first feature, in whatever order they come. */
    if (b->at != 0
        && (!cut->found || score > cut->score
            || (score == cut->score && feature < cut->feature)))
    {
        *cut = (maas_grow_cut_t) { feature, rank, threshold, score, true };
    }
}


/* Keys of the node's rows, the least rank taken away; the span of ranks. */
static uint32_t
split_keys(const maas_grower_t *r, const uint32_t *rank, uint32_t *lowest)
{
    uint32_t         v, lo = UINT32_MAX, hi = 0;
    uint64_t        *key = r->key[0];
    const uint32_t  *row = r->row + r->first;

    for (uint32_t i = 0; i < r->n; i++) {
        v = rank[row[i]];
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
        key[i] = (uint64_t) v << 32 | i;
    }

    *lowest = lo;
    return hi - lo;
}


/* False: the feature is constant here. */
static bool
split_best(maas_grower_t *r, uint32_t feature, maas_grow_cut_t *cut)
{
    int            bits;
    float         *value = r->g->data->value[feature];
    uint32_t       lo, span, a;
    uint64_t      *key = r->key[0], base;
    split_best_t   b;

    span = split_keys(r, r->g->data->rank[feature], &lo);
    if (span == 0) {
        return false;
    }

    base = (uint64_t) lo << 32;

    for (uint32_t i = 0; i < r->n; i++) {
        key[i] -= base;
    }

    bits = 32 - __builtin_clz(span);
    key = maas_grow_sort(key, r->key[1], r->n, bits);
    b = split_walk(r, key);

    if (b.at != 0) {
        a = lo + (uint32_t) (key[b.at - 1] >> 32);
        split_take(cut, &b, feature, a, maas_grow_between(value[a],
                   value[lo + (uint32_t) (key[b.at] >> 32)]));
    }

    return true;
}


/* -- a random threshold -------------------------------------------------- */

#define RANDOM_AHEAD  16        /* rows whose keys are fetched ahead */

/* Keys of the node's rows, side by side; the highest one. */
static uint32_t
random_ranks(const maas_grower_t *r, const uint32_t *rank, uint32_t *lowest)
{
    size_t           stride = r->g->data->stride;
    uint32_t         v, lo = UINT32_MAX, hi = 0, last = r->n - 1;
    uint32_t        *at = (uint32_t *) r->key[0];
    const uint32_t  *row = r->row + r->first;

    for (uint32_t i = 0; i < r->n; i++) {
        v = row[maas_min(i + RANDOM_AHEAD, last)];
        __builtin_prefetch(&rank[v * stride]);

        v = rank[row[i] * stride];
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
        at[i] = v;
    }

    *lowest = lo;
    return hi;
}


/*
 * Sums of the rows up to the rank go to r->left; returns their weight.
 * Neighbours of one class do not wait for each other: odd rows have sums of
 * their own, behind.
 */
static double
random_classes(maas_grower_t *r, const uint32_t *at, uint32_t rank,
    uint32_t *n_left)
{
    double                   w, wl[2] = { 0, 0 };
    size_t                   k = (size_t) r->g->k;
    uint32_t                 n = 0, odd;
    const maas_grow_cell_t  *c = r->cell;
    static const double      share[2] = { 0, 1 };

    memset(r->left, 0, 2 * k * sizeof(double));

    for (uint32_t i = 0; i < r->n; i++, c++) {
        bool  yes = at[i] <= rank;

        odd = i & 1;
        n += yes;
        w = c->w * share[yes];
        wl[odd] += w;
        r->left[odd * k + c->cls] += w;
    }

    for (size_t j = 0; j < k; j++) {
        r->left[j] += r->left[k + j];
    }

    *n_left = n;
    return wl[0] + wl[1];
}


static double
random_left(maas_grower_t *r, const uint32_t *at, uint32_t rank,
    uint32_t *n_left)
{
    double             w, wl = 0, s = 0;
    size_t             k = (size_t) r->g->k;
    uint32_t           n = 0;
    const double      *y;
    maas_grow_cell_t  *c = r->cell;
    static const double  share[2] = { 0, 1 };

    if (r->g->by != MAAS_GROW_SQUARED) {
        return random_classes(r, at, rank, n_left);
    }

    memset(r->left, 0, k * sizeof(double));

    for (uint32_t i = 0; i < r->n; i++, c++) {
        bool  yes = at[i] <= rank;

        n += yes;
        w = c->w * share[yes];
        wl += w;

        if (k == 1) {
            s += c->y * share[yes];
            continue;
        }

        y = r->g->y + (size_t) c->row * k;

        for (size_t j = 0; j < k; j++) {
            r->left[j] += w * y[j];
        }
    }

    if (k == 1) {
        r->left[0] = s;
    }

    *n_left = n;
    return wl;
}


static double
random_score(const maas_grower_t *r, double wl)
{
    double              d, s = 0, t = 0, wr = r->w - wl;
    const maas_grow_t  *g = r->g;

    for (int j = 0; j < g->k; j++) {
        d = r->all[j] - r->left[j];

        if (g->by == MAAS_GROW_ENTROPY) {
            s += split_xlogx(g, r->left[j]) + split_xlogx(g, maas_max(d, 0));

        } else {
            s += r->left[j] * r->left[j];
            t += d * d;
        }
    }

    return g->by == MAAS_GROW_ENTROPY
           ? s - split_xlogx(g, wl) - split_xlogx(g, wr)
           : s / wl + t / wr;
}


/* The columns hold keys of the numbers, see grow.h. */
static bool
split_random(maas_grower_t *r, uint32_t feature, maas_grow_cut_t *cut)
{
    float         t;
    double        a, b, wl;
    uint32_t      lo, hi, n;
    split_best_t  best;

    hi = random_ranks(r, r->g->data->rank[feature], &lo);
    if (hi == lo) {
        return false;
    }

    a = (double) maas_grow_unkey(lo);
    b = (double) maas_grow_unkey(hi);
    t = maas_grow_floor(a + maas_crew_uniform(&r->random) * (b - a));

    if (!((double) t >= a && (double) t < b)) {
        t = maas_grow_unkey(lo);
    }

    lo = maas_grow_key(t);
    wl = random_left(r, (const uint32_t *) r->key[0], lo, &n);

    if (n >= r->g->min_leaf && r->n - n >= r->g->min_leaf) {
        best = (split_best_t) { random_score(r, wl), 1, n };
        split_take(cut, &best, feature, lo, t);
    }

    return true;
}


/* -- all features -------------------------------------------------------- */

/*
 * As many features are drawn as asked for, and more while all were constant.
 * r->feature holds at the front those that are known to be constant here,
 * which holds below as well; draws swap behind them only.  A known one that
 * is drawn counts as tried, so that trees look at fewer features where few
 * are left, as Breiman's do.
 */
maas_grow_cut_t
maas_grow_cut(maas_grower_t *r, uint32_t *known)
{
    bool              varies;
    uint32_t          j, t, *list = r->feature, undrawn = *known;
    uint32_t          drawn = 0, constant = *known, end = r->g->data->p;
    maas_grow_cut_t   cut = { 0 };

    /* [0, constant) known, [constant, end) not drawn, [end, p) tried. */
    while (constant < end
           && (drawn < r->g->max_features || end == r->g->data->p))
    {
        j = constant;
        drawn++;

        if (r->g->shuffle) {
            j = maas_crew_below(&r->random, undrawn + end - constant);

            if (j < undrawn) {
                undrawn--;
                continue;
            }

            j += constant - undrawn;
        }

        t = list[j];
        varies = r->g->random ? split_random(r, t, &cut)
                              : split_best(r, t, &cut);

        if (varies) {
            list[j] = list[--end];
            list[end] = t;

        } else {
            list[j] = list[constant];
            list[constant++] = t;
        }
    }

    *known = constant;
    return cut;
}
