/*
 * boost.h: gradient boosting by histograms: numbers become bins, a tree
 * grows leaf by leaf from sums of gradients in each bin.  Private to
 * train/estimators.
 *
 * Samples are put in an order of our own: rows to learn from first, rows to
 * stop by behind them; rows without weight are left out.  All arrays below
 * follow that order.
 *
 * Ownership: as each struct says; memory comes from job->host.
 * Threads:   a maas_booster_t belongs to one thread, which may share out the
 *            work of one tree over a crew.
 */

#ifndef MAAS_BOOST_H
#define MAAS_BOOST_H

#include "train/estimators/grow.h"


/* -- bins ---------------------------------------------------------------- */

#define MAAS_BOOST_BINS  255        /* of numbers; one more of missing ones */

/* One column that varies. */
typedef struct {
    uint32_t  feature;
    uint32_t  offset;               /* of its bins in a histogram */
    uint32_t  n_bin;                /* of numbers */
    bool      missing;              /* bin n_bin: NaN */
    float     edge[MAAS_BOOST_BINS];    /* bin b: x <= edge[b] */
} maas_boost_col_t;

typedef struct {
    uint32_t           n;
    uint32_t           n_col;
    uint32_t           n_pair;
    uint32_t           total;       /* bins of all columns; 1 more of none */
    maas_boost_col_t  *col;
    uint16_t          *bin;         /* [n_pair][n]: columns 2i, 2i + 1 in the
                                       low and high byte */
} maas_boost_bins_t;

/*
 * place[row]: where it lies, UINT32_MAX: nowhere; n places in all.  NULL:
 * as they are.  Columns that are constant are left out.
 */
maas_status_t maas_boost_bins(maas_crew_t *c, const uint32_t *place,
    uint32_t n, uint32_t max_bins, maas_boost_bins_t *b);
void maas_boost_bins_free(const maas_host_t *host, maas_boost_bins_t *b);


/* -- histograms ---------------------------------------------------------- */

typedef double  maas_boost_sum_t __attribute__((vector_size(16)));
typedef float   maas_boost_pair_t __attribute__((vector_size(8)));

/* Sums of (gradient, hessian) and rows of each bin. */
typedef struct {
    maas_boost_sum_t  *sum;
    uint32_t          *count;
} maas_boost_hist_t;

typedef struct {
    uint32_t  min_leaf;
    double    min_hessian;
    double    l2;
    bool      flat;             /* hessians are 1: they count the rows */
} maas_boost_rule_t;

typedef struct {
    double            gain;     /* above 0 where a cut was found */
    uint32_t          col;
    uint32_t          bin;      /* yes: up to it */
    bool              missing;  /* go to yes */
    maas_boost_sum_t  sum;      /* of yes */
    uint32_t          count;
} maas_boost_cut_t;

/* Pair `pair` of n rows; row NULL: 0 .. n - 1.  gh: in the order of row. */
void maas_boost_fill(const maas_boost_bins_t *b, uint32_t pair,
    const uint32_t *row, const maas_boost_pair_t *gh, uint32_t n, bool flat,
    maas_boost_hist_t h);

/* a -= b, columns of the pair. */
void maas_boost_subtract(const maas_boost_bins_t *b, uint32_t pair, bool flat,
    maas_boost_hist_t x, maas_boost_hist_t y);

/* Improves best by the columns of the pair, of a node with these sums. */
void maas_boost_scan(const maas_boost_bins_t *b, uint32_t pair,
    const maas_boost_rule_t *r, maas_boost_hist_t h, maas_boost_sum_t sum,
    uint32_t count, maas_boost_cut_t *best);


/* -- trees --------------------------------------------------------------- */

typedef struct {
    const maas_host_t        *host;
    const maas_boost_bins_t  *bins;
    maas_boost_rule_t         rule;
    uint32_t                  n_train;
    uint32_t                  max_leaves;
    uint32_t                  max_depth;
    double                    rate;
} maas_boost_conf_t;

typedef struct maas_boost_leaf_s  maas_boost_leaf_t;

typedef struct {
    const maas_boost_conf_t  *conf;
    maas_crew_t              *crew;     /* NULL: alone */
    uint32_t                 *row;      /* [n], leaf by leaf; those to stop
                                           by likewise, behind n_train */
    uint32_t                 *spare[2]; /* [n] */
    maas_boost_pair_t        *gh;       /* [n_train], of the smaller child */
    maas_boost_leaf_t        *leaf;     /* [max_leaves] */
    uint32_t                  n_leaf;
    void                    **hist;     /* [max_leaves + 1], made when first
                                           needed */
    uint32_t                  n_hist;
    uint32_t                  n_free;
    maas_boost_hist_t        *free;
    uint32_t                 *moved;    /* yes rows of each part */
    maas_boost_cut_t         *cut;      /* [2][n_pair] */
    void                     *memory;
} maas_booster_t;

maas_status_t maas_booster_init(maas_booster_t *b,
    const maas_boost_conf_t *conf, maas_crew_t *crew);
void maas_booster_destroy(maas_booster_t *b);

/*
 * A tree for gradients and hessians gh[n]; its leaf values, of `target`, are
 * added to raw[n].  Errors have no text.
 */
maas_status_t maas_booster_run(maas_booster_t *b,
    const maas_boost_pair_t *gh, int target, double *raw, maas_grown_t *out);


/* -- losses -------------------------------------------------------------- */

typedef enum {
    MAAS_BOOST_SQUARED = 0,     /* k targets */
    MAAS_BOOST_BINARY,          /* k = 1 */
    MAAS_BOOST_SOFTMAX          /* k classes */
} maas_boost_loss_t;

typedef struct {
    maas_boost_loss_t         loss;
    uint32_t                  n;
    int                       k;
    const double             *y;        /* SQUARED: [k][n] */
    const uint32_t           *label;    /* [n] */
    const double             *weight;   /* [n]; NULL: all 1 */
    double                   *raw;      /* [k][n] */
    maas_boost_pair_t        *gh;       /* [k][n] */
} maas_boost_state_t;

/* Start values of raw, one each: from rows 0 .. n_train - 1. */
void maas_boost_start(const maas_boost_state_t *s, uint32_t n_train,
    double *base);

/* gh of rows [first, last) from their raw. */
void maas_boost_gradients(const maas_boost_state_t *s, uint32_t first,
    uint32_t last);

/* Mean loss of rows [first, last): half the squared error, or log loss. */
double maas_boost_loss(const maas_boost_state_t *s, uint32_t first,
    uint32_t last);

#endif
