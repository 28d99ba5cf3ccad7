/*
 * grow_tree.c: one tree: its rows by bootstrap, its nodes depth first, its
 * leaves.  Rows of a node lie together; a cut moves them stably, so that
 * walks over memory go forward.
 *
 * Ownership: a grower owns its scratch, a maas_grown_t what it holds.
 * Threads:   one for each grower.
 */

#include "train/estimators/grow.h"


/* What is still to be grown: rows [first, first + n). */
struct maas_grow_stack_s {
    uint32_t  first;
    uint32_t  n;
    uint32_t  depth;
    uint32_t  constant;         /* features that are known to be */
    uint32_t  node;
};


/* -- lists of a tree ----------------------------------------------------- */

/* Room for n more of `size` bytes. */
static bool
grown_room(const maas_host_t *host, void **list, uint32_t used,
    uint32_t *cap, uint32_t n, size_t size)
{
    void    *p;
    size_t   want = (size_t) used + n, to;

    if (want <= *cap) {
        return true;
    }

    to = maas_max(want, (size_t) *cap * 2);
    to = maas_max(to, 32);

    if (to > INT32_MAX) {
        return false;
    }

    p = maas_alloc(host, to * size);
    if (p == NULL) {
        return false;
    }

    if (used != 0) {
        memcpy(p, *list, used * size);
    }

    maas_free(host, *list);
    *list = p;
    *cap = (uint32_t) to;

    return true;
}


uint32_t
maas_grown_node(const maas_host_t *host, maas_grown_t *t, uint32_t n)
{
    uint32_t  at = t->n_node;

    if (!grown_room(host, (void **) &t->node, at, &t->cap_node, n,
                    sizeof(maas_grown_node_t)))
    {
        return UINT32_MAX;
    }

    memset(&t->node[at], 0, n * sizeof(maas_grown_node_t));
    t->n_node += n;

    return at;
}


uint32_t
maas_grown_weight(const maas_host_t *host, maas_grown_t *t, uint32_t n)
{
    uint32_t  at = t->n_weight;

    if (!grown_room(host, (void **) &t->weight, at, &t->cap_weight, n,
                    sizeof(maas_grown_weight_t)))
    {
        return UINT32_MAX;
    }

    t->n_weight += n;
    return at;
}


void
maas_grown_free(const maas_host_t *host, maas_grown_t *t, int64_t n)
{
    if (t == NULL) {
        return;
    }

    for (int64_t i = 0; i < n; i++) {
        maas_free(host, t[i].node);
        maas_free(host, t[i].weight);
    }
}


/* -- the grower ---------------------------------------------------------- */

maas_status_t
maas_grower_init(maas_grower_t *r, const maas_grow_t *g)
{
    char                *m;
    size_t               n = g->data->n, k = (size_t) g->k, size;
    const size_t         each = 2 * sizeof(uint64_t) + sizeof(double)
                                + sizeof(maas_grow_cell_t)
                                + 2 * sizeof(uint32_t)
                                + sizeof(maas_grow_stack_t);

    *r = (maas_grower_t) { .g = g };

    /* A stack deeper than a chain of cuts does not get. */
    size = (n + 2) * each + 3 * k * sizeof(double)
           + g->data->p * sizeof(uint32_t);
    m = maas_alloc(g->f->host, size);
    if (m == NULL) {
        return MAAS_ENOMEM;
    }

    r->memory = m;
    r->key[0] = (uint64_t *) m;
    r->key[1] = r->key[0] + n;
    r->row_weight = (double *) (r->key[1] + n);
    r->left = r->row_weight + n;
    r->all = r->left + 2 * k;
    r->cell = (maas_grow_cell_t *) (r->all + k);
    r->row = (uint32_t *) (r->cell + n);
    r->spare = r->row + n;
    r->feature = r->spare + n;
    r->stack = (maas_grow_stack_t *) (r->feature + g->data->p);

    return MAAS_OK;
}


void
maas_grower_destroy(maas_grower_t *r)
{
    if (r->memory != NULL) {
        maas_free(r->g->f->host, r->memory);
    }
}


/*
 * Weights of this tree's rows; those without weight are left out.  None:
 * a bootstrap sample that drew nothing but such.
 */
static uint32_t
grower_rows(maas_grower_t *r, bool bootstrap)
{
    double             *w = r->row_weight;
    uint32_t            n = r->g->data->n, m = 0;
    const maas_grow_t  *g = r->g;

    for (uint32_t i = 0; i < n; i++) {
        w[i] = bootstrap ? 0 : 1;
    }

    for (uint32_t i = 0; bootstrap && i < n; i++) {
        w[maas_crew_below(&r->random, n)] += 1;
    }

    for (uint32_t i = 0; g->weight != NULL && i < n; i++) {
        w[i] *= g->weight[i];
    }

    for (uint32_t i = 0; i < n; i++) {
        r->row[m] = i;
        m += w[i] > 0;
    }

    return m;
}


/* -- leaves -------------------------------------------------------------- */

/* Shares of the classes that it has; of two classes, that of the second. */
static maas_status_t
leaf_classes(maas_grower_t *r, maas_grown_t *out, maas_grown_node_t *node)
{
    int                   k, n = 0, from = r->g->k == 2;
    bool                  all = r->g->k == 2;
    double                most = 0;
    uint32_t              at;
    maas_grown_weight_t  *w;

    for (k = 0; k < r->g->k; k++) {
        n += k >= from && (all || r->all[k] > 0);
        most = maas_max(most, r->all[k]);
    }

    at = maas_grown_weight(r->g->f->host, out, (uint32_t) n);
    if (at == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    node->yes = at;
    node->no = (uint32_t) n;
    out->right += most;
    w = &out->weight[at];

    for (k = from; k < r->g->k; k++) {
        if (all || r->all[k] > 0) {
            *w++ = (maas_grown_weight_t) {
                k, (float) (r->all[k] / r->w)
            };
        }
    }

    return MAAS_OK;
}


/* Squared errors of the leaf's rows against its means, by weight. */
static double
leaf_errors(const maas_grower_t *r)
{
    double         d, s = 0;
    size_t         k = (size_t) r->g->k;
    uint32_t       row;
    const double  *y;

    for (uint32_t i = 0; i < r->n; i++) {
        row = r->row[r->first + i];
        y = r->g->y + row * k;

        for (size_t j = 0; j < k; j++) {
            d = y[j] - r->all[j] / r->w;
            s += r->row_weight[row] * d * d;
        }
    }

    return s * r->g->unit * r->g->unit;
}


static maas_status_t
leaf_targets(maas_grower_t *r, maas_grown_t *out, maas_grown_node_t *node)
{
    double    mean;
    uint32_t  at = maas_grown_weight(r->g->f->host, out, (uint32_t) r->g->k);

    if (at == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    node->yes = at;
    node->no = (uint32_t) r->g->k;
    out->right += leaf_errors(r);

    for (int k = 0; k < r->g->k; k++) {
        mean = r->g->mean[k] + r->g->unit * (r->all[k] / r->w);
        out->weight[at + (uint32_t) k] = (maas_grown_weight_t) {
            k, (float) (mean * (double) r->g->scale)
        };
    }

    return MAAS_OK;
}


static maas_status_t
grower_leaf(maas_grower_t *r, maas_grown_t *out, uint32_t at)
{
    maas_grown_node_t  *node = &out->node[at];

    node->feature = -1;

    return r->g->by == MAAS_GROW_SQUARED ? leaf_targets(r, out, node)
                                         : leaf_classes(r, out, node);
}


/* -- nodes --------------------------------------------------------------- */

/* Rows up to the rank come first; returns how many they are. */
static uint32_t
grower_divide(maas_grower_t *r, const maas_grow_cut_t *cut)
{
    bool             right;
    uint32_t         v, yes = 0, no = 0, *row = r->row + r->first;
    const size_t     stride = r->g->data->stride;
    const uint32_t  *rank = r->g->data->rank[cut->feature];

    for (uint32_t i = 0; i < r->n; i++) {
        v = row[i];
        right = rank[v * stride] > cut->rank;
        row[yes] = v;
        r->spare[no] = v;
        yes += !right;
        no += right;
    }

    memcpy(row + yes, r->spare, no * sizeof(uint32_t));
    return yes;
}


static maas_status_t
grower_step(maas_grower_t *r, maas_grow_stack_t s, maas_grow_stack_t **top,
    maas_grown_t *out)
{
    uint32_t             yes, child;
    maas_grow_cut_t      cut = { 0 };
    const maas_grow_t   *g = r->g;
    maas_grown_node_t   *node;

    r->first = s.first;
    r->n = s.n;
    maas_grow_node(r);
    out->depth = maas_max(out->depth, s.depth);

    if (!r->pure && s.depth < g->max_depth && s.n >= g->min_split
        && s.n / 2 >= g->min_leaf)
    {
        cut = maas_grow_cut(r, &s.constant);
    }

    if (!cut.found) {
        return grower_leaf(r, out, s.node);
    }

    child = maas_grown_node(g->f->host, out, 2);
    if (child == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    node = &out->node[s.node];
    *node = (maas_grown_node_t) {
        .feature = (int32_t) cut.feature, .threshold = cut.threshold,
        .yes = child, .no = child + 1,
        .gain = (float) maas_max(cut.score - r->score, 0)
    };

    yes = grower_divide(r, &cut);
    *(*top)++ = (maas_grow_stack_t) {
        s.first + yes, s.n - yes, s.depth + 1, s.constant, child + 1
    };
    *(*top)++ = (maas_grow_stack_t) {
        s.first, yes, s.depth + 1, s.constant, child
    };

    return MAAS_OK;
}


#define GROWER_POLL  256        /* nodes between looks at cancel */

maas_status_t
maas_grower_run(maas_grower_t *r, uint64_t tree, maas_grown_t *out)
{
    uint32_t             n, steps = 0;
    maas_grow_stack_t   *top = r->stack;
    const atomic_bool   *cancel = r->g->f->cancel;

    r->random = maas_crew_random(r->g->f->seed, tree);

    for (uint32_t j = 0; j < r->g->data->p; j++) {
        r->feature[j] = j;
    }

    n = grower_rows(r, r->g->bootstrap);
    n = n != 0 ? n : grower_rows(r, false);

    if (maas_grown_node(r->g->f->host, out, 1) == UINT32_MAX) {
        return MAAS_ENOMEM;
    }

    *top++ = (maas_grow_stack_t) { .n = n };

    while (top > r->stack) {
        if (++steps % GROWER_POLL == 0 && cancel != NULL
            && atomic_load_explicit(cancel, memory_order_relaxed))
        {
            return MAAS_ECANCEL;
        }

        top--;
        MAAS_TRY(grower_step(r, *top, &top, out));
    }

    return MAAS_OK;
}
