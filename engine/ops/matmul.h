/*
 * Shared by matmul.c, matmul_infer.c, matmul_turned.c, matmul_few.c,
 * matmul_loops.c and qmatmul.c: the geometry of one product.
 * Plain values on the caller's stack; reentrant.
 */

#ifndef MAAS_MATMUL_H
#define MAAS_MATMUL_H

#include "graph/op.h"


typedef struct {
    float    alpha;
    float    beta;
    int64_t  transA;
    int64_t  transB;
} gemm_attr_t;

typedef struct {
    int64_t  batch, m, n, k;
    int64_t  lda;               /* A(i, j) at i * lda + j, or, ta: swapped */
    bool     ta;
    int64_t  ks, ns;            /* B(i, j) at i * ks + j * ns */
    bool     few;               /* rows: B is taken as it lies */
    int64_t  mb, nb;            /* block of a unit */
    int64_t  mblocks, nblocks;
    int      nb_dims;           /* batch axes of the output, */
    int64_t  dims[MAAS_RANK_MAX];
    int64_t  as[MAAS_RANK_MAX]; /* and their strides in matrices */
    int64_t  bs[MAAS_RANK_MAX];
} mm_t;

/* attr: gemm_attr_t, or NULL for MatMul. */
void mm_init(mm_t *g, const void *attr, const maas_tensor_t *a,
    const maas_tensor_t *b, const maas_tensor_t *y);
void mm_at(const mm_t *g, int64_t i, int64_t *a, int64_t *b);

/* Dims of the product of input 0 and B, which is input `input`. */
maas_status_t mm_infer(maas_infer_t *c, int input, maas_dim_t *dims,
    int *rank);
maas_status_t mm_matmul_infer(maas_infer_t *c);
maas_status_t mm_gemm_infer(maas_infer_t *c);

/*
 * A few rows of float32 by a B whose columns are neighbours and that is not
 * packed: sets few and the blocks of g, or returns false.  k->b is then the
 * first element of the block's columns.
 */
bool mm_few_blocks(mm_t *g);
void mm_few_gemm(const maas_kernels_t *kt, const mm_t *g, maas_gemm_t *k);

/* Gemm of float32 with A transposed; a unit is a block of the output. */
bool gemm_turned_setup(maas_setup_t *u);
maas_status_t gemm_turned_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* float64; a unit is a block of the output. */
bool matmul_double_setup(maas_setup_t *u);
bool gemm_double_setup(maas_setup_t *u);
maas_status_t matmul_double_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t gemm_double_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* Plain loops for integers; a unit is a row. */
bool mm_loops_setup(maas_setup_t *u);
maas_status_t matmul_loops_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t gemm_loops_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

#endif
