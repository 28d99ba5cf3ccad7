/*
 * kfit: passes over the rows of a fit in float64: products of columns, sums
 * of columns, rows that are centred and scaled.  Every thread computes its
 * own block of rows, which OpenBLAS's serial build does not allow.
 *
 * An element is one chain in ascending rows.  columns() and centre() have no
 * fused multiply-adds, so that all levels give the same bits; products()
 * and dots() fuse where the level can, and dots() sums in its lanes.
 *
 * Threads: reentrant; ranges of rows split the work.
 */

#ifndef MAAS_FIT_KERNELS_H
#define MAAS_FIT_KERNELS_H

#include "kernels/kernels.h"


/* Columns of a and b of products() are padded to so many, with zeros. */
#define MAAS_FIT_PAD   8
/* Rows at a time that the first cache holds. */
#define MAAS_FIT_ROWS  64

static inline int64_t
maas_fit_pad(int64_t n)
{
    return (n + MAAS_FIT_PAD - 1) / MAAS_FIT_PAD * MAAS_FIT_PAD;
}


typedef struct {
    double        *g;           /* ni x nj, row i at g + i * ldg: added to */
    int64_t        ldg;
    const double  *a;           /* m x ni, row r at a + r * lda */
    int64_t        lda;
    int64_t        ni;          /* a multiple of MAAS_FIT_PAD, as nj */
    const double  *b;           /* m x nj */
    int64_t        ldb;
    int64_t        nj;
    const double  *h;           /* m weights of the rows; NULL: 1 */
    int64_t        m;
    bool           upper;       /* only blocks that touch j >= i */
} maas_fit_product_t;

typedef struct {
    double         *sum;        /* [groups][ld] += w (x - shift) */
    double         *square;     /* += w (x - shift)^2; NULL: not asked for */
    int64_t         ld;
    const int32_t  *group;      /* of each row; NULL: all 0 */
    const double   *shift;
    int64_t         ld_shift;   /* 0: the same for all groups */
    const double   *weight;     /* of each row; NULL: 1 */
    const double   *x;          /* m x p, row-major */
    int64_t         m;
    int64_t         p;
} maas_fit_columns_t;

typedef struct {
    /* g += a' diag(h) b */
    void (*products)(const maas_fit_product_t *c);
    void (*columns)(const maas_fit_columns_t *c);
    /* to[i][j] = (x[i][j] - mean[j]) * scale[j] * w[i]; w NULL: 1 */
    void (*centre)(double *to, int64_t ld, const double *x, int64_t m,
        int64_t p, const double *mean, const double *scale, const double *w);
    /* y[i * ldy] = x_i w, p a multiple of MAAS_FIT_PAD */
    void (*dots)(double *y, int64_t ldy, const double *x, int64_t m,
        int64_t p, const double *w);
} maas_fit_kernels_t;

/* Of the level of k. */
const maas_fit_kernels_t *maas_fit_kernels(const maas_kernels_t *k);

#endif
