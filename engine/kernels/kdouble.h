/*
 * kdouble.h: products of float64 matrices by tiles.
 *
 * A panel is 16 columns of B: element (k, j) at panel[k * 16 + j].  Each
 * element of C is one chain in ascending k, of fused multiply-adds at the
 * levels that have them; the bits know no tile, block or thread.
 *
 * Threads: reentrant.
 */

#ifndef MAAS_KDOUBLE_H
#define MAAS_KDOUBLE_H

#include "kernels/kernels.h"


#define MAAS_D16  16

typedef struct {
    int64_t        m, k;
    int            n;           /* columns that there are, 1 to 16 */
    const double  *a;           /* A(i, k) at a + i * ai + k * ak */
    int64_t        ai, ak;
    const double  *panel;
    double        *c;           /* row i at c + i * ldc */
    int64_t        ldc;
    bool           accumulate;  /* C starts the chain, else 0 */
} maas_dgemm16_t;

typedef void (*maas_dgemm16_pt)(const maas_dgemm16_t *g);

/* Of the level of k. */
maas_dgemm16_pt maas_dgemm16(const maas_kernels_t *k);

#endif
