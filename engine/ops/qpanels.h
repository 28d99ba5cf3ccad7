/*
 * qpanels: products of 8-bit numbers by 8-bit panels (kernels.h), as
 * QMatMul, QLinearMatMul and MatMulInteger make them.
 *
 * The kernel multiplies uint8 by int8: an int8 A is raised by 128 in the
 * scratch, a uint8 B is lowered by 128 when it is packed, and so are the
 * zero points.  With them, sum (a - za) (b - zb) is
 *   sum a b - za sum b - zb (sum a - K za), and exact.
 *
 * Ownership: plain values on the caller's stack.  Threads: reentrant.
 */

#ifndef MAAS_QPANELS_H
#define MAAS_QPANELS_H

#include "ops/quant.h"


/* Columns of whole panels. */
static inline int64_t
qpanels_cols(int64_t n)
{
    return (n + MAAS_Q16 - 1) / MAAS_Q16 * MAAS_Q16;
}


/* A block of rows of A and of panels. */
typedef struct {
    int64_t         k, rows, cols;
    const uint8_t  *a;          /* rows x k, raised */
    const int8_t   *b;          /* panels of `cols` columns */
    int32_t        *c;          /* rows x qpanels_cols(cols) */
    int32_t        *sums;       /* of the columns: qpanels_cols(cols) */
    const int32_t  *zero;       /* lowered, of the columns; NULL: all 0 */
} qpanels_t;

/* Panels of n columns of k rows; row i of B at x + i * ld. */
void qpanels_pack(const maas_kernels_t *t, int8_t *y, const void *x,
    maas_dtype_t xt, int64_t ld, int64_t k, int64_t n);

/* n bytes of A as uint8: x itself, or raised in y. */
const uint8_t *qpanels_raise(uint8_t *y, const void *x, maas_dtype_t xt,
    int64_t n);

/* c and sums of the block, without zero points. */
void qpanels_product(const maas_kernels_t *k, const qpanels_t *b);

/* y = row i with them; za: raised.  y may be the row of c. */
void qpanels_row(const maas_kernels_t *k, const qpanels_t *b, int64_t i,
    int32_t za, int32_t *y);

/*
 * Zero points of columns [n0, n0 + n) of B from input `in`, lowered if B is
 * uint8 (`raised`); NULL when all are 0.
 */
const int32_t *qpanels_zero(const maas_step_t *s, int in, bool raised,
    int64_t n0, int64_t n, int32_t *zero);

#endif
