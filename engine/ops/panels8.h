/*
 * Products by 8-bit panels (MAAS_FMT_P16Q8): a block of rows of some panels
 * becomes float32 in the thread's scratch, as DequantizeLinear has it, and
 * meets every row of A or every pixel there.  The chains are those of the
 * product by float32 panels, to the bit.
 *
 * Ownership: nothing is allocated.  Threads: reentrant.
 */

#ifndef MAAS_PANELS8_H
#define MAAS_PANELS8_H

#include "graph/op.h"


/* Panel p of matrix number `group` of k x n. */
static inline const int8_t *
panels8_at(const void *w, int64_t group, int64_t k, int64_t n, int64_t p)
{
    return (const int8_t *) w
           + (group * ((n + MAAS_P16 - 1) / MAAS_P16) + p)
             * maas_p16q8_panel(k);
}


/* Rows [k0, k0 + rows) of `panels` panels of k rows: P16 of that many. */
void panels8_unpack(const maas_kernels_t *t, float *dst, const int8_t *w,
    int64_t k, int64_t panels, int64_t k0, int64_t rows);

/* Bytes of scratch of any product. */
size_t panels8_scratch(void);

/* g->b is not read: the matrix is w, panels of g->k rows. */
void panels8_gemm(const maas_kernels_t *t, const maas_gemm_t *g,
    const int8_t *w, float *scratch);

#endif
