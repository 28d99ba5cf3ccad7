/*
 * broadcast: walks an output and the operands that are broadcast into it as
 * rows in which every operand has one stride.  Dimensions of size 1 are
 * dropped and neighbours that are contiguous in all operands are joined, so
 * that equal shapes become one long row and a [1,C,1,1] operand a scalar a
 * plane.  Operands made by maas_bc_add() have a row stride of 0 or 1.
 *
 * Ownership: a maas_bc_t is a value on the stack; nothing is allocated.
 * Threads:   element ranges [first, last) of one output are independent.
 */

#ifndef MAAS_BROADCAST_H
#define MAAS_BROADCAST_H

#include "graph/op.h"


#define MAAS_BC_MAX  4

typedef struct {
    int      rank;              /* after maas_bc_close(): at least 1 */
    int      n;                 /* operands, the output not counted */
    int64_t  total;             /* elements of the output */
    int64_t  dims[MAAS_RANK_MAX];
    int64_t  stride[MAAS_BC_MAX][MAAS_RANK_MAX];    /* in elements */
} maas_bc_t;

/*
 * One row: output elements [at, at + n); operand i has its first element at
 * off[i] and its step in stride[i], both in elements.
 */
typedef void (*maas_bc_row_pt)(void *ctx, int64_t at, int64_t n,
    const int64_t *off, const int64_t *stride);

/* The contiguous output; then its operands in order; then close. */
void maas_bc_init(maas_bc_t *b, const int64_t *dims, int rank);

/* A contiguous operand of dims that broadcast to the output's. */
void maas_bc_add(maas_bc_t *b, const int64_t *dims, int rank);

/* Drops and joins dimensions. */
void maas_bc_close(maas_bc_t *b);

/* Rows of elements [first, last) of the output; rows are cut at the ends. */
void maas_bc_run(const maas_bc_t *b, int64_t first, int64_t last,
    maas_bc_row_pt row, void *ctx);

/* All of the above for tensors. */
void maas_bc_tensors(maas_bc_t *b, const maas_tensor_t *out,
    const maas_tensor_t *in, int n);

#endif
