/*
 * trees_walk: rows to keys, and keys down the trees.
 *
 * Eight walks run side by side, without a branch on the data: each step of
 * one waits for two loads, and seven others fill the time.  Measured on a
 * machine with AVX-512 against gathers of 16 lanes, plain code was 2.8 times
 * as fast, so that all levels share it, and with it the bits.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#include "ops/trees.h"


/* -- keys ---------------------------------------------------------------- */

/* Neighbours in order are neighbours as keys: one up, one down. */
static inline uint32_t
key_up_F32(float x)
{
    return maas_tree_key(x);
}


static inline uint32_t
key_down_F32(float x)
{
    return maas_tree_key(x);
}


static inline uint32_t
key_up_F64(double x)
{
    float  f = (float) x;

    return maas_tree_key(f) + ((double) f < x);
}


static inline uint32_t
key_down_F64(double x)
{
    float  f = (float) x;

    return maas_tree_key(f) - ((double) f > x);
}


static inline uint32_t
key_up_I32(int32_t x)
{
    return key_up_F64(x);
}


static inline uint32_t
key_down_I32(int32_t x)
{
    return key_down_F64(x);
}


/* The float nearest to x as an integer; 2^63 is above every x. */
static inline uint32_t
key_up_I64(int64_t x)
{
    float  f = (float) x;

    return maas_tree_key(f) + (f < 0x1p63f && (int64_t) f < x);
}


static inline uint32_t
key_down_I64(int64_t x)
{
    float  f = (float) x;

    return maas_tree_key(f) - (f >= 0x1p63f || (int64_t) f > x);
}


/* Numbers of the ascending table that are below v, or up to v. */
static uint32_t
key_rank(const double *table, uint32_t n, double v, bool upto)
{
    uint32_t  at = 0, half;

    while (n > 0) {
        half = n / 2;

        if (upto ? table[at + half] <= v : table[at + half] < v) {
            at += half + 1;
            n -= half + 1;

        } else {
            n = half;
        }
    }

    return at;
}


static uint32_t
key_other(const trees_keys_t *f, const tree_col_t *c, double v)
{
    uint32_t  at;

    switch (c->kind) {

    case TREE_COL_BELOW:
    case TREE_COL_UPTO:
        return 1 + key_rank(f->table + c->first, c->n, v,
                            c->kind == TREE_COL_UPTO);

    case TREE_COL_EQUAL:
        return v != c->value;

    default:
        at = key_rank(f->table + c->first, c->n, v, false);
        return at == c->n || f->table[c->first + at] != v;
    }
}


#define KEY_NAN(c)  ((c)->low ? 0 : UINT32_MAX)

#define KEYS(D, type)                                                         \
    static void                                                               \
    keys_##D(const trees_keys_t *f, const type *x, uint32_t *k)               \
    {                                                                         \
        type               v;                                                 \
        const tree_col_t  *c = f->col + 1, *end = f->col + f->n_col;          \
                                                                              \
        *k = 0;                                                               \
        k += TREES_LANES;                                                     \
                                                                              \
        for ( /* void */ ; c < end && c->kind == TREE_COL_UP; c++) {          \
            v = x[c->feature];                                                \
            *k = v == v ? key_up_##D(v) : KEY_NAN(c);                         \
            k += TREES_LANES;                                                 \
        }                                                                     \
                                                                              \
        for ( /* void */ ; c < end; c++) {                                    \
            v = x[c->feature];                                                \
            *k = v != v ? KEY_NAN(c)                                          \
                 : c->kind == TREE_COL_DOWN ? key_down_##D(v)                 \
                 : key_other(f, c, (double) v);                               \
            k += TREES_LANES;                                                 \
        }                                                                     \
    }

KEYS(F32, float)
KEYS(F64, double)
KEYS(I32, int32_t)
KEYS(I64, int64_t)


void
maas_trees_keys(const trees_keys_t *f, const void *x, int dtype, uint32_t *k)
{
    switch (dtype) {
    case MAAS_F32:
        keys_F32(f, x, k);
        return;
    case MAAS_F64:
        keys_F64(f, x, k);
        return;
    case MAAS_I32:
        keys_I32(f, x, k);
        return;
    default:
        keys_I64(f, x, k);
    }
}


/* -- walks --------------------------------------------------------------- */

#define STEP(p, i)  p += (size_t) p->child + (p->key < k[(size_t) p->col + i])

/* Steps at a leaf do no harm, so that it is looked for late. */
#define WALK(size, A, B, C, D, E, F, G, H)                                    \
    for ( /* void */ ; level > 0; level--) {                                  \
        STEP(a, A); STEP(b, B); STEP(c, C); STEP(d, D);                       \
        STEP(e, E); STEP(f, F); STEP(g, G); STEP(h, H);                       \
    }                                                                         \
                                                                              \
    while (a->child | b->child | c->child | d->child | e->child | f->child    \
           | g->child | h->child)                                             \
    {                                                                         \
        STEP(a, A); STEP(b, B); STEP(c, C); STEP(d, D);                       \
        STEP(e, E); STEP(f, F); STEP(g, G); STEP(h, H);                       \
    }                                                                         \
                                                                              \
    leaf[0] = a->key;                                                         \
    leaf[1] = b->key;                                                         \
    leaf[2] = c->key;                                                         \
    leaf[3] = d->key;                                                         \
    leaf[4] = e->key;                                                         \
    leaf[5] = f->key;                                                         \
    leaf[6] = g->key;                                                         \
    leaf[7] = h->key;

#define WALKS(size)                                                           \
    static void                                                               \
    rows_##size(const tree_##size##_t *a, uint32_t level, const uint32_t *k,  \
        uint32_t *leaf)                                                       \
    {                                                                         \
        const tree_##size##_t  *b = a, *c = a, *d = a, *e = a, *f = a,        \
                               *g = a, *h = a;                                \
                                                                              \
        WALK(size, 0, 1, 2, 3, 4, 5, 6, 7)                                    \
    }                                                                         \
                                                                              \
    static void                                                               \
    row_##size(const tree_##size##_t *node, const tree_t *t, int n,           \
        const uint32_t *k, uint32_t *leaf)                                    \
    {                                                                         \
        uint32_t                level = t->level;                             \
        const tree_##size##_t  *p[TREES_LANES], *a, *b, *c, *d, *e, *f, *g,   \
                               *h;                                            \
                                                                              \
        for (int i = 0; i < TREES_LANES; i++) {                               \
            p[i] = node + t[i < n ? i : n - 1].root;                          \
            level = maas_max(level, t[i < n ? i : n - 1].level);              \
        }                                                                     \
                                                                              \
        a = p[0]; b = p[1]; c = p[2]; d = p[3];                               \
        e = p[4]; f = p[5]; g = p[6]; h = p[7];                               \
        WALK(size, 0, 0, 0, 0, 0, 0, 0, 0)                                    \
    }

WALKS(small)
WALKS(large)


void
maas_trees_rows(const void *nodes, bool large, const tree_t *tree,
    const uint32_t *k, uint32_t *leaf)
{
    if (large) {
        rows_large((const tree_large_t *) nodes + tree->root, tree->level, k,
                   leaf);

    } else {
        rows_small((const tree_small_t *) nodes + tree->root, tree->level, k,
                   leaf);
    }
}


void
maas_trees_row(const void *nodes, bool large, const tree_t *tree, int n,
    const uint32_t *k, uint32_t *leaf)
{
    if (large) {
        row_large(nodes, tree, n, k, leaf);

    } else {
        row_small(nodes, tree, n, k, leaf);
    }
}
