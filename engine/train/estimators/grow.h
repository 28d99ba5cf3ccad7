/*
 * grow.h: decision trees with exact splits: what decision trees, random
 * forests and extremely randomised trees share, and how every kind of tree
 * is written.  Private to train/estimators.
 *
 * Features are rounded to float32, as they are served, and turned into
 * ranks: the number of its value among the distinct values of its column.
 * A node sorts integers of few bits, by radix; a threshold lies halfway
 * between the two values at the cut, rounded down to a float32, so that
 * every float32 falls on the side where it falls by the exact one.
 *
 * Ownership: as each struct says; scratch comes from job->host.
 * Threads:   a maas_grower_t belongs to one thread; the data are shared.
 */

#ifndef MAAS_GROW_H
#define MAAS_GROW_H

#include "train/crew.h"
#include "train/fit.h"


#define MAAS_GROW_ROWS  (1 << 30)       /* at most */

/* -- samples ------------------------------------------------------------- */

/* Lists in an arena of the fit; numbers until maas_grow_data_free(). */
typedef struct {
    uint32_t          n;
    uint32_t          p;
    uint32_t        **rank;         /* [p]: that of row i at i * stride */
    size_t            stride;       /* 1: columns; p: rows, of keys */
    float           **value;        /* [p][n_value], ascending */
    uint32_t         *n_value;
    uint32_t         *ranks;
} maas_grow_data_t;

/*
 * maas_fit_check(), and what trees refuse besides: numbers outside of
 * float32, classifiers with rows of one class.
 */
maas_status_t maas_grow_check(const maas_fit_job_t *f, maas_task_kind_t task,
    bool missing);

/*
 * After check(); also what failed must be freed.  keys: maas_grow_key() in
 * place of ranks, no values: for cuts at random, which need no order.
 */
maas_status_t maas_grow_data(maas_crew_t *c, maas_arena_t *a, bool keys,
    maas_grow_data_t *d);
void maas_grow_data_free(const maas_host_t *host, maas_grow_data_t *d);

/*
 * One column sorted: key << 32 | row, ascending, of those rows that have a
 * value; returns how many.  key: maas_grow_key() of the value.  Both arrays
 * hold n; the result lies in *out, which is one of them.
 */
uint32_t maas_grow_sort_column(const maas_fit_job_t *f, uint32_t col,
    uint64_t *a, uint64_t *b, uint64_t **out);

/* Radix sort by bits [32, 32 + bits); returns a or b. */
uint64_t *maas_grow_sort(uint64_t *a, uint64_t *b, uint32_t n, int bits);

/* float32 in the order of the numbers; -0 is 0. */
static inline uint32_t
maas_grow_key(float v)
{
    uint32_t  u;

    v += 0.0f;
    memcpy(&u, &v, sizeof(u));
    return u ^ ((uint32_t) -(int32_t) (u >> 31) | 0x80000000);
}


static inline float
maas_grow_unkey(uint32_t k)
{
    float  v;

    k ^= k >> 31 ? 0x80000000 : 0xffffffff;
    memcpy(&v, &k, sizeof(v));
    return v;
}


/* The largest float32 that is not above t. */
float maas_grow_floor(double t);

/* The threshold between two neighbours a < b. */
static inline float
maas_grow_between(float a, float b)
{
    return maas_grow_floor((double) a + ((double) b - (double) a) * 0.5);
}


/* -- trees --------------------------------------------------------------- */

typedef struct {
    int32_t   feature;              /* below 0: a leaf */
    float     threshold;            /* yes: x <= threshold */
    uint32_t  yes;                  /* of a leaf: its first weight */
    uint32_t  no;                   /* of a leaf: the number of them */
    float     gain;                 /* of impurity, times weight of rows */
    bool      missing;              /* NaN goes to yes */
} maas_grown_node_t;

typedef struct {
    int32_t  target;                /* or class */
    float    value;
} maas_grown_weight_t;

/* From job->host: maas_grown_free(). */
typedef struct {
    maas_grown_node_t    *node;     /* node 0: the root */
    maas_grown_weight_t  *weight;
    uint32_t              n_node;
    uint32_t              n_weight;
    uint32_t              cap_node;
    uint32_t              cap_weight;
    uint32_t              depth;
    double                right;    /* training rows, by weight, that the
                                       leaves' largest class names right; or
                                       the sum of squared errors */
} maas_grown_t;

/* New ones; UINT32_MAX: no memory. */
uint32_t maas_grown_node(const maas_host_t *host, maas_grown_t *t,
    uint32_t n);
uint32_t maas_grown_weight(const maas_host_t *host, maas_grown_t *t,
    uint32_t n);
void maas_grown_free(const maas_host_t *host, maas_grown_t *t, int64_t n);


/* -- growing ------------------------------------------------------------- */

typedef enum {
    MAAS_GROW_GINI = 0,
    MAAS_GROW_ENTROPY,
    MAAS_GROW_SQUARED
} maas_grow_by_t;

typedef struct {
    const maas_grow_data_t  *data;
    const maas_fit_job_t    *f;
    maas_grow_by_t           by;
    int                      k;             /* classes or targets */
    const double            *y;             /* SQUARED: [n][k], the target
                                               less its mean, over unit */
    const double            *mean;          /* [k] */
    double                   unit;
    const double            *weight;        /* [n]; NULL: all 1 */
    double                   whole;         /* weight of all rows */
    uint32_t                 max_depth;
    uint32_t                 min_split;
    uint32_t                 min_leaf;
    uint32_t                 max_features;  /* 1 to p */
    bool                     random;        /* cuts at a random threshold */
    bool                     bootstrap;
    bool                     shuffle;       /* features in random order */
    float                    scale;         /* of leaf values: 1 / trees */
    const double            *xlogx;         /* ENTROPY: of 0 .. n_xlogx - 1 */
    uint32_t                 n_xlogx;       /* 0: weights are no integers */
} maas_grow_t;

/* A row in a node. */
typedef struct {
    double    w;
    union {
        double    y;            /* w * y of a single target */
        uint32_t  cls;
        uint32_t  row;          /* of several targets */
    };
} maas_grow_cell_t;

typedef struct {
    uint32_t  feature;
    uint32_t  rank;             /* yes: up to it */
    float     threshold;
    double    score;            /* what the criterion wants large */
    bool      found;
} maas_grow_cut_t;

typedef struct maas_grow_stack_s  maas_grow_stack_t;

typedef struct {
    const maas_grow_t    *g;
    maas_crew_random_t    random;
    double               *row_weight;       /* [n] of this tree */
    uint32_t             *row;              /* rows, node by node */
    uint32_t             *spare;
    maas_grow_cell_t     *cell;             /* of the node, in its order */
    uint64_t             *key[2];
    uint32_t             *feature;          /* [p], a permutation */
    double               *left;             /* [2][k] */
    double               *all;              /* [k] sums of the node */
    maas_grow_stack_t    *stack;
    /* The node. */
    uint32_t              first;
    uint32_t              n;
    double                w;
    double                score;            /* of the node as a leaf */
    double                square;           /* sum of all[]^2, or of f(all) */
    bool                  pure;             /* nothing to gain */
    void                 *memory;
} maas_grower_t;

maas_status_t maas_grower_init(maas_grower_t *r, const maas_grow_t *g);
void maas_grower_destroy(maas_grower_t *r);

/* Tree number `tree` of the fit: MAAS_ENOMEM or MAAS_ECANCEL, no text. */
maas_status_t maas_grower_run(maas_grower_t *r, uint64_t tree,
    maas_grown_t *out);

/* Fills cell, all, w, score and pure of the node. */
void maas_grow_node(maas_grower_t *r);

/*
 * The best cut of the node.  known: how many of r->feature, from the front,
 * are constant here; grows by those that are found so.
 */
maas_grow_cut_t maas_grow_cut(maas_grower_t *r, uint32_t *known);


/* -- a whole fit --------------------------------------------------------- */

/*
 * fn(arg, slot, i) grows tree[i]: by the crew, or by the crews of all ranks
 * of the job, which then all hold all trees.
 */
maas_status_t maas_grow_trees(maas_crew_t *c, maas_crew_pt fn, void *arg,
    maas_grown_t *tree, int64_t trees);

/* "max_features": NULL, "all", "sqrt", "log2", a count, or a fraction. */
maas_status_t maas_grow_features(const maas_fit_job_t *f, const json_t *v,
    uint32_t def, uint32_t *out);

/*
 * Everything from samples to nodes: g has what its parameters say; the rest
 * is filled.
 */
maas_status_t maas_grow_fit(maas_fit_job_t *f, maas_task_kind_t task,
    maas_grow_t *g, int64_t trees);


/* -- writing ------------------------------------------------------------- */

/* TreeEnsembleClassifier: sets job->out. */
maas_status_t maas_grow_write_classes(maas_fit_job_t *f,
    const maas_grown_t *t, int64_t trees);

/* TreeEnsembleRegressor, summing; base NULL: none.  Returns its output. */
maas_status_t maas_grow_write_sums(maas_fit_job_t *f, const maas_grown_t *t,
    int64_t trees, int targets, const double *base, const char *name,
    maas_str_t *out);

/* "features":p,"trees":..,"nodes":..,"depth":..,"importances":[..] */
void maas_grow_summary(maas_fit_job_t *f, const maas_grown_t *t,
    int64_t trees);

#endif
