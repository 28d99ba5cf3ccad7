/*
 * trees_sum: what the leaves that rows reach give, summed over a block of
 * trees.  Sums are float64 and in the order of the trees.
 *
 * Ownership: the caller has the memory of sums.
 * Threads:   reentrant.
 */

#include "ops/trees_sum.h"


void
maas_forest_open(forest_t *f, const trees_attr_t *at, const maas_tensor_t *in)
{
    f->at = at;
    f->tree = in[TREES_TREES].data;
    f->n_tree = in[TREES_TREES].dims[0] / 2;
    f->node = in[TREES_NODES].data;
    f->keys.col = in[TREES_COLUMNS].data;
    f->keys.n_col = in[TREES_COLUMNS].dims[0] / 2;
    f->keys.table = in[TREES_TABLE].data;
    f->first = in[TREES_LEAVES].data;
    f->list = in[TREES_WEIGHTS].data;
    f->dense = in[TREES_WEIGHTS].data;
    f->n_leaf = (uint32_t) (at->leaf == TREES_LIST
                            ? in[TREES_LEAVES].dims[0] - 1
                            : in[TREES_WEIGHTS].dims[0] / at->targets);
    f->base.v = in[TREES_BASE].data;
    f->base.n = in[TREES_BASE].dims[0];
    f->base.trees = f->n_tree;
}


/* One more value of a target. */
static inline void
sum_add(int64_t aggregate, double *v, uint8_t *has, double w)
{
    switch (aggregate) {
    case AGG_MIN:
        *v = !*has || w < *v ? w : *v;
        break;
    case AGG_MAX:
        *v = !*has || w > *v ? w : *v;
        break;
    default:
        *v += w;
    }

    *has = 1;
}


/* What leaf `key` of a tree gives one row, where it is not a value. */
static void
sum_leaf(const forest_t *f, uint32_t key, double *v, uint8_t *has)
{
    int64_t               n = f->at->targets;
    const double         *d;
    const tree_weight_t  *p, *end;

    key = key < f->n_leaf ? key : 0;

    if (f->at->leaf == TREES_DENSE) {
        d = f->dense + key * n;

        for (int64_t i = 0; i < n; i++) {
            v[i] += d[i];
            has[i] = 1;
        }

        return;
    }

    p = f->list + f->first[key];
    end = f->list + f->first[key + 1];

    for ( /* void */ ; p < end; p++) {
        sum_add(f->at->aggregate, &v[p->target], &has[p->target], p->weight);
    }
}


/* Trees [t, t + n), which one row has walked. */
static inline void
sum_trees(const forest_t *f, const tree_t *t, int n, const uint32_t *leaf,
    double *v, uint8_t *has)
{
    float  w;

    if (f->at->leaf != TREES_VALUE) {
        for (int i = 0; i < n; i++) {
            sum_leaf(f, leaf[i], v, has);
        }

        return;
    }

    for (int i = 0; i < n; i++) {
        memcpy(&w, &leaf[i], sizeof(w));
        v[t[i].target] += w;
        has[t[i].target] = 1;
    }
}


/* Tree t, which `rows` rows have walked. */
static inline void
sum_rows(const forest_t *f, const tree_t *t, int64_t rows,
    const uint32_t *leaf, double *v, uint8_t *has)
{
    float    w;
    int64_t  n = f->at->targets;

    if (f->at->leaf != TREES_VALUE) {
        for (int64_t r = 0; r < rows; r++) {
            sum_leaf(f, leaf[r], v + r * n, has + r * n);
        }

        return;
    }

    v += t->target;
    has += t->target;

    for (int64_t r = 0; r < rows; r++) {
        memcpy(&w, &leaf[r], sizeof(w));
        v[r * n] += w;
        has[r * n] = 1;
    }
}


/* Trees [t, end) for up to LANES rows whose keys are the lanes of k. */
static void
sum_lanes(const forest_t *f, int64_t t, int64_t end, const uint32_t *k,
    int64_t rows, const sums_t *s)
{
    int       m;
    int64_t   n = f->at->targets;
    uint32_t  leaf[TREES_LANES];

    if (rows < TREES_LANES / 2) {
        for ( /* void */ ; t < end; t += m) {
            m = (int) maas_min(end - t, TREES_LANES);

            for (int64_t r = 0; r < rows; r++) {
                maas_trees_row(f->node, f->at->large, f->tree + t, m, k + r,
                               leaf);
                sum_trees(f, f->tree + t, m, leaf, s->v + r * n,
                          s->has + r * n);
            }
        }

        return;
    }

    for ( /* void */ ; t < end; t++) {
        maas_trees_rows(f->node, f->at->large, f->tree + t, k, leaf);
        sum_rows(f, f->tree + t, rows, leaf, s->v, s->has);
    }
}


void
maas_sum_block(const forest_t *f, int64_t block, const uint32_t *k,
    int64_t rows, const sums_t *s)
{
    int64_t  n = f->at->targets, lane = f->keys.n_col * TREES_LANES;
    int64_t  t = block * TREES_BLOCK;
    int64_t  end = maas_min(t + TREES_BLOCK, f->n_tree);
    sums_t   part;

    memset(s->v, 0, (size_t) (rows * n) * sizeof(double));
    memset(s->has, 0, (size_t) (rows * n));

    if (rows <= TREES_LANES) {
        sum_lanes(f, t, end, k, rows, s);
        return;
    }

    for ( /* void */ ; t < end; t++) {
        for (int64_t r = 0; r < rows; r += TREES_LANES) {
            part.v = s->v + r * n;
            part.has = s->has + r * n;
            sum_lanes(f, t, t + 1, k + r / TREES_LANES * lane,
                      maas_min(rows - r, TREES_LANES), &part);
        }
    }
}


void
maas_sum_join(const forest_t *f, const sums_t *all, const sums_t *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (s->has[i]) {
            sum_add(f->at->aggregate, &all->v[i], &all->has[i], s->v[i]);
        }
    }
}
