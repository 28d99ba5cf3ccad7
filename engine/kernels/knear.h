/*
 * knear: products of rows with a few vectors in float64, for searches of the
 * nearest one: every thread computes its own, which OpenBLAS's serial build
 * does not allow.  An element is a sum in ascending p without fused
 * multiply-adds: every level and every split of the rows gives the same bits.
 *
 * Threads: reentrant; ranges split the rows.
 */

#ifndef MAAS_NEAR_KERNELS_H
#define MAAS_NEAR_KERNELS_H

#include "kernels/kernels.h"


/* Vectors lie in panels of so many: element (j, v) of a panel at j * 8 + v. */
#define MAAS_NEAR_PANEL  8

/*
 * y[i * ldy + v] = x_i t_v for m rows of p elements and so many panels of
 * vectors; ldy is at least 8 panels.
 */
typedef void (*maas_near_pt)(double *y, int64_t ldy, const double *x,
    int64_t m, int64_t p, const double *t, int64_t panels);

/* Of the level of k. */
maas_near_pt maas_near_kernel(const maas_kernels_t *k);

#endif
