/*
 * boost_tree.c: one tree, leaf by leaf: the leaf whose best cut gains most
 * is cut next.  Histograms of the smaller child are summed, those of the
 * larger one are what is left of the parent's.
 *
 * Ownership: a booster owns its scratch; histograms are made when needed and
 *            kept for the next tree.
 * Threads:   rows and pairs of columns are shared out where they are many.
 * Ranks:     each sums and scans pairs of columns of its own; the best cuts
 *            go to all, so all cut alike.
 */

#include "train/estimators/boost.h"


struct maas_boost_leaf_s {
    uint32_t           first;           /* rows to learn from */
    uint32_t           n;
    uint32_t           v_first;         /* rows to stop by */
    uint32_t           v_n;
    uint32_t           depth;
    uint32_t           node;
    maas_boost_sum_t   sum;
    maas_boost_hist_t  hist;            /* sum NULL: none */
    maas_boost_cut_t   cut;
};

#define TREE_PART  8192         /* rows that a thread moves at a time */
#define TREE_WORK  16384        /* row-pairs that are worth sharing out */


/* -- memory -------------------------------------------------------------- */

maas_status_t
maas_booster_init(maas_booster_t *b, const maas_boost_conf_t *conf,
    maas_crew_t *crew)
{
    char    *m;
    size_t   n = conf->bins->n, pairs = conf->bins->n_pair + 1;
    size_t   parts = n / TREE_PART + 2, leaves = conf->max_leaves;

    *b = (maas_booster_t) { .conf = conf, .crew = crew };
    m = maas_alloc(conf->host,
                   n * sizeof(maas_boost_pair_t)
                   + leaves * sizeof(maas_boost_leaf_t)
                   + 2 * pairs * sizeof(maas_boost_cut_t)
                   + (leaves + 1) * sizeof(maas_boost_hist_t)
                   + (leaves + 1) * sizeof(void *)
                   + 3 * n * sizeof(uint32_t) + parts * sizeof(uint32_t));
    if (m == NULL) {
        return MAAS_ENOMEM;
    }

    b->memory = m;
    b->leaf = (maas_boost_leaf_t *) m;
    b->cut = (maas_boost_cut_t *) (b->leaf + leaves);
    b->gh = (maas_boost_pair_t *) (b->cut + 2 * pairs);
    b->free = (maas_boost_hist_t *) (b->gh + n);
    b->hist = (void **) (b->free + leaves + 1);
    b->row = (uint32_t *) (b->hist + leaves + 1);
    b->spare[0] = b->row + n;
    b->spare[1] = b->spare[0] + n;
    b->moved = b->spare[1] + n;

    return MAAS_OK;
}


void
maas_booster_destroy(maas_booster_t *b)
{
    for (uint32_t i = 0; i < b->n_hist; i++) {
        maas_free(b->conf->host, b->hist[i]);
    }

    if (b->memory != NULL) {
        maas_free(b->conf->host, b->memory);
    }
}


static bool
tree_hist(maas_booster_t *b, maas_boost_hist_t *out)
{
    char    *m;
    size_t   n = (size_t) b->conf->bins->total + 1;

    if (b->n_free != 0) {
        *out = b->free[--b->n_free];
        return true;
    }

    m = maas_alloc(b->conf->host,
                   n * (sizeof(maas_boost_sum_t) + sizeof(uint32_t)));
    if (m == NULL) {
        return false;
    }

    b->hist[b->n_hist++] = m;
    *out = (maas_boost_hist_t) {
        (maas_boost_sum_t *) m, (uint32_t *) (m + n * sizeof(maas_boost_sum_t))
    };

    return true;
}


static void
tree_give_back(maas_booster_t *b, maas_boost_leaf_t *l)
{
    if (l->hist.sum != NULL) {
        b->free[b->n_free++] = l->hist;
        l->hist.sum = NULL;
    }
}


/* Units over the crew when there is enough work in them. */
static maas_status_t
tree_share(maas_booster_t *b, maas_crew_pt fn, void *arg, int64_t units,
    uint64_t work)
{
    if (b->crew != NULL && units > 1 && work >= TREE_WORK) {
        return maas_crew_run(b->crew, fn, arg, units, 0, 0);
    }

    for (int64_t i = 0; i < units; i++) {
        MAAS_TRY(fn(arg, 0, i));
    }

    return MAAS_OK;
}


/* -- cuts of new leaves -------------------------------------------------- */

typedef struct {
    maas_booster_t           *b;
    maas_boost_leaf_t        *small;    /* whose histogram is summed */
    maas_boost_leaf_t        *large;    /* the rest; NULL: small is the root */
    const maas_boost_pair_t  *gh;
    int64_t                   first;    /* pair of this rank */
    bool                      scan[2];
} sums_t;


static bool
tree_may_cut(const maas_booster_t *b, const maas_boost_leaf_t *l)
{
    const maas_boost_conf_t  *c = b->conf;

    return l->n / 2 >= c->rule.min_leaf && l->depth < c->max_depth
           && l->sum[1] >= 2 * c->rule.min_hessian;
}


static maas_status_t
sums_pair(void *arg, int slot, int64_t unit)
{
    sums_t                   *s = arg;
    uint32_t                  pair = (uint32_t) (s->first + unit);
    maas_booster_t           *b = s->b;
    maas_boost_cut_t         *cut = &b->cut[2 * pair];
    const maas_boost_conf_t  *c = b->conf;

    (void) slot;

    maas_boost_fill(c->bins, pair,
                    s->large != NULL ? b->row + s->small->first : NULL,
                    s->gh, s->small->n, c->rule.flat, s->small->hist);

    if (s->large != NULL) {
        maas_boost_subtract(c->bins, pair, c->rule.flat, s->large->hist,
                            s->small->hist);
    }

    cut[0].gain = 0;
    cut[1].gain = 0;

    if (s->scan[0]) {
        maas_boost_scan(c->bins, pair, &c->rule, s->small->hist,
                        s->small->sum, s->small->n, &cut[0]);
    }

    if (s->scan[1]) {
        maas_boost_scan(c->bins, pair, &c->rule, s->large->hist,
                        s->large->sum, s->large->n, &cut[1]);
    }

    return MAAS_OK;
}


static void
tree_better(const sums_t *s, const maas_boost_cut_t cut[2])
{
    maas_boost_leaf_t  *l[2] = { s->small, s->large };

    for (int side = 0; side < 2; side++) {
        if (s->scan[side] && cut[side].gain > l[side]->cut.gain) {
            l[side]->cut = cut[side];
        }
    }
}


#define TREE_CUT  7             /* numbers of a cut */

static void
tree_pack(maas_boost_leaf_t *l, double *to)
{
    const maas_boost_cut_t  *c = &l->cut;

    if (c->gain > 0) {
        memcpy(to, (double[TREE_CUT]) { c->gain, c->col, c->bin, c->missing,
                                        c->sum[0], c->sum[1], c->count },
               TREE_CUT * sizeof(double));
    }

    l->cut.gain = 0;
}


static maas_boost_cut_t
tree_unpack(const double *v)
{
    return (maas_boost_cut_t) {
        .gain = v[0], .col = (uint32_t) v[1], .bin = (uint32_t) v[2],
        .missing = v[3] != 0, .sum = { v[4], v[5] },
        .count = (uint32_t) v[6]
    };
}


/* The best of each rank's pairs, rank by rank: by pair, as those of one. */
static maas_status_t
tree_ranks(const sums_t *s, maas_status_t rc)
{
    double             own[MAAS_RANKS_OWN] = { 0 };
    maas_err_t        *err = s->b->crew->f->err;
    const double      *all;
    maas_ranks_t      *r = s->b->crew->f->ranks;
    maas_boost_cut_t   cut[2];

    _Static_assert(2 * TREE_CUT <= MAAS_RANKS_OWN, "two cuts");

    tree_pack(s->small, own);

    if (s->large != NULL) {
        tree_pack(s->large, own + TREE_CUT);
    }

    MAAS_TRY(maas_ranks_gather(r, rc, own, &all, err));

    for (int i = 0; i < r->n; i++, all += MAAS_RANKS_OWN) {
        cut[0] = tree_unpack(all);
        cut[1] = tree_unpack(all + TREE_CUT);
        tree_better(s, cut);
    }

    return MAAS_OK;
}


/* Best cuts of both; of equals, the first column's. */
static maas_status_t
tree_find(sums_t *s)
{
    int64_t          own;
    maas_status_t    rc;
    maas_booster_t  *b = s->b;
    maas_ranks_t    *r = b->crew != NULL ? b->crew->f->ranks : NULL;
    const uint32_t   pairs = b->conf->bins->n_pair;

    s->scan[0] = tree_may_cut(b, s->small);
    s->scan[1] = s->large != NULL && tree_may_cut(b, s->large);
    s->small->cut.gain = 0;

    if (s->large != NULL) {
        s->large->cut.gain = 0;
    }

    if (!s->scan[0] && !s->scan[1]) {
        return MAAS_OK;
    }

    if (!tree_hist(b, &s->small->hist)) {
        return MAAS_ENOMEM;
    }

    own = maas_ranks_part(r, pairs, &s->first);
    rc = tree_share(b, sums_pair, s, own,
                    ((uint64_t) s->small->n + 256) * (uint64_t) own);

    for (int64_t i = s->first; rc == MAAS_OK && i < s->first + own; i++) {
        tree_better(s, &b->cut[2 * i]);
    }

    return r != NULL ? tree_ranks(s, rc) : rc;
}


/* -- rows to their sides ------------------------------------------------- */

typedef struct {
    maas_booster_t           *b;
    const maas_boost_pair_t  *gh;
    const uint16_t           *bin;
    unsigned                  shift;
    uint32_t                  limit;    /* yes: bin <= limit */
    uint32_t                  nan;      /* bin of missing; 256: none */
    bool                      missing;
    uint32_t                  first;
    uint32_t                  n;
    uint32_t                  n_yes;
    bool                      small_yes;
    bool                      gather;
} move_t;


static maas_status_t
move_part(void *arg, int slot, int64_t part)
{
    bool       yes;
    move_t    *m = arg;
    uint32_t   v, bin, from = (uint32_t) part * TREE_PART, i = 0, j = 0;
    uint32_t   n = maas_min(m->n - from, TREE_PART);
    uint32_t  *row = m->b->row + m->first + from;
    uint32_t  *a = m->b->spare[0] + from, *b = m->b->spare[1] + from;

    (void) slot;

    for (uint32_t k = 0; k < n; k++) {
        v = row[k];
        bin = (m->bin[v] >> m->shift) & 255;
        yes = bin == m->nan ? m->missing : bin <= m->limit;
        a[i] = v;
        b[j] = v;
        i += yes;
        j += !yes;
    }

    m->b->moved[part] = i;
    return MAAS_OK;
}


/* Copies a part where it belongs, gradients of the smaller side with it. */
static maas_status_t
move_back(void *arg, int slot, int64_t part)
{
    move_t             *m = arg;
    uint32_t            from = (uint32_t) part * TREE_PART, yes = 0, no, i, j;
    uint32_t            n = maas_min(m->n - from, TREE_PART);
    const uint32_t     *s;
    maas_boost_pair_t  *gh = m->b->gh;

    (void) slot;

    for (int64_t k = 0; k < part; k++) {
        yes += m->b->moved[k];
    }

    no = from - yes;
    i = m->b->moved[part];
    j = n - i;
    memcpy(m->b->row + m->first + yes, m->b->spare[0] + from,
           i * sizeof(uint32_t));
    memcpy(m->b->row + m->first + m->n_yes + no, m->b->spare[1] + from,
           j * sizeof(uint32_t));

    if (!m->gather) {
        return MAAS_OK;
    }

    s = m->b->spare[m->small_yes ? 0 : 1] + from;
    gh += m->small_yes ? yes : no;
    n = m->small_yes ? i : j;

    for (uint32_t k = 0; k < n; k++) {
        gh[k] = m->gh[s[k]];
    }

    return MAAS_OK;
}


/* Rows [first, first + n): yes before no; *yes: how many they are. */
static maas_status_t
tree_move(move_t *m, uint32_t first, uint32_t n, bool gather, uint32_t *yes)
{
    uint32_t  parts = (n + TREE_PART - 1) / TREE_PART;

    m->first = first;
    m->n = n;
    m->n_yes = 0;
    m->gather = gather;
    MAAS_TRY(tree_share(m->b, move_part, m, parts, n));

    for (uint32_t i = 0; i < parts; i++) {
        m->n_yes += m->b->moved[i];
    }

    *yes = m->n_yes;
    m->small_yes = m->n_yes <= n - m->n_yes;

    return tree_share(m->b, move_back, m, parts, n);
}


/* -- growing ------------------------------------------------------------- */

static maas_status_t
tree_divide(maas_booster_t *b, maas_boost_leaf_t *l, maas_boost_leaf_t *r,
    const maas_boost_pair_t *gh, bool last)
{
    uint32_t                  yes, v_yes = 0;
    sums_t                    s = { .b = b, .gh = b->gh };
    maas_boost_leaf_t         p = *l;
    const maas_boost_col_t   *c = &b->conf->bins->col[p.cut.col];
    move_t                    m = { .b = b, .gh = gh };

    m.bin = b->conf->bins->bin + (size_t) (p.cut.col / 2) * b->conf->bins->n;
    m.shift = p.cut.col % 2 * 8;
    m.limit = p.cut.bin;
    m.nan = c->missing ? c->n_bin : 256;
    m.missing = p.cut.missing;
    MAAS_TRY(tree_move(&m, p.v_first, p.v_n, false, &v_yes));
    MAAS_TRY(tree_move(&m, p.first, p.n, !last, &yes));

    *l = (maas_boost_leaf_t) {
        .first = p.first, .n = yes, .v_first = p.v_first, .v_n = v_yes,
        .depth = p.depth + 1, .sum = p.cut.sum
    };
    *r = (maas_boost_leaf_t) {
        .first = p.first + yes, .n = p.n - yes, .v_first = p.v_first + v_yes,
        .v_n = p.v_n - v_yes, .depth = p.depth + 1, .sum = p.sum - p.cut.sum
    };

    s.small = m.small_yes ? l : r;
    s.large = m.small_yes ? r : l;
    s.large->hist = p.hist;

    return last ? MAAS_OK : tree_find(&s);
}


static maas_status_t
tree_cut(maas_booster_t *b, maas_boost_leaf_t *l,
    const maas_boost_pair_t *gh, maas_grown_t *out)
{
    bool                     last = b->n_leaf + 1 == b->conf->max_leaves;
    uint32_t                 child, node = l->node;
    maas_boost_cut_t         cut = l->cut;
    maas_boost_leaf_t       *r = &b->leaf[b->n_leaf];
    const maas_boost_col_t  *c = &b->conf->bins->col[cut.col];

    child = maas_grown_node(b->conf->host, out, 2);
    if (child == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    out->node[node] = (maas_grown_node_t) {
        .feature = (int32_t) c->feature, .yes = child, .no = child + 1,
        .threshold = cut.bin + 1 < c->n_bin ? c->edge[cut.bin]
                                            : __builtin_inff(),
        .gain = (float) cut.gain,
        .missing = cut.missing
    };

    MAAS_TRY(tree_divide(b, l, r, gh, last));
    b->n_leaf++;
    l->node = child;
    r->node = child + 1;
    out->depth = maas_max(out->depth, l->depth);

    if (l->cut.gain <= 0) {
        tree_give_back(b, l);
    }

    if (r->cut.gain <= 0) {
        tree_give_back(b, r);
    }

    return MAAS_OK;
}


/* Sums of all gradients, in their order. */
static maas_boost_sum_t
tree_sum(const maas_boost_pair_t *gh, uint32_t n)
{
    maas_boost_sum_t  s = { 0, 0 };

    for (uint32_t i = 0; i < n; i++) {
        s += __builtin_convertvector(gh[i], maas_boost_sum_t);
    }

    return s;
}


static maas_status_t
tree_root(maas_booster_t *b, const maas_boost_pair_t *gh)
{
    sums_t                    s = { .b = b, .gh = gh, .small = b->leaf };
    const maas_boost_conf_t  *c = b->conf;

    for (uint32_t i = 0; i < c->bins->n; i++) {
        b->row[i] = i;
    }

    b->leaf[0] = (maas_boost_leaf_t) {
        .n = c->n_train, .v_first = c->n_train,
        .v_n = c->bins->n - c->n_train, .sum = tree_sum(gh, c->n_train)
    };
    b->n_leaf = 1;

    if (b->crew != NULL && b->crew->f->ranks != NULL) {
        MAAS_TRY(maas_ranks_meet(b->crew->f->ranks, MAAS_OK, NULL, 0,
                                 b->crew->f->err));
        maas_ranks_share(b->crew->f->ranks, 0, &b->leaf[0].sum,
                         sizeof(b->leaf[0].sum));
    }

    return tree_find(&s);
}


/* -- leaf values --------------------------------------------------------- */

typedef struct {
    maas_booster_t  *b;
    double          *raw;
} values_t;


static maas_status_t
values_leaf(void *arg, int slot, int64_t i)
{
    double                    v;
    values_t                 *t = arg;
    const uint32_t           *row = t->b->row;
    const maas_boost_leaf_t  *l = &t->b->leaf[i];

    (void) slot;

    v = l->sum[0];          /* its value by now */

    for (uint32_t k = l->first; k < l->first + l->n; k++) {
        t->raw[row[k]] += v;
    }

    for (uint32_t k = l->v_first; k < l->v_first + l->v_n; k++) {
        t->raw[row[k]] += v;
    }

    return MAAS_OK;
}


static maas_status_t
tree_values(maas_booster_t *b, int target, double *raw, maas_grown_t *out)
{
    float                     v;
    uint32_t                  at = maas_grown_weight(b->conf->host, out,
                                                     b->n_leaf);
    values_t                  t = { .b = b, .raw = raw };
    maas_boost_leaf_t        *l;
    const maas_boost_conf_t  *c = b->conf;

    if (at == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    for (uint32_t i = 0; i < b->n_leaf; i++) {
        l = &b->leaf[i];
        v = (float) (-c->rate * l->sum[0] / (l->sum[1] + c->rule.l2));
        l->sum[0] = (double) v;
        out->weight[at + i] = (maas_grown_weight_t) { target, v };
        out->node[l->node] = (maas_grown_node_t) {
            .feature = -1, .yes = at + i, .no = 1
        };
        tree_give_back(b, l);
    }

    return tree_share(b, values_leaf, &t, b->n_leaf, c->bins->n);
}


maas_status_t
maas_booster_run(maas_booster_t *b, const maas_boost_pair_t *gh, int target,
    double *raw, maas_grown_t *out)
{
    maas_boost_leaf_t  *best;

    if (maas_grown_node(b->conf->host, out, 1) == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(tree_root(b, gh));

    while (b->n_leaf < b->conf->max_leaves) {
        best = &b->leaf[0];

        for (uint32_t i = 1; i < b->n_leaf; i++) {
            best = b->leaf[i].cut.gain > best->cut.gain ? &b->leaf[i] : best;
        }

        if (best->cut.gain <= 0) {
            break;
        }

        MAAS_TRY(tree_cut(b, best, gh, out));
    }

    return tree_values(b, target, raw, out);
}
