/*
 * einsum.h: an einsum equation as loops.  Every label is a loop; loops of
 * the output come first, in its order, then those that are summed.  Private
 * to ops/.
 */

#ifndef MAAS_EINSUM_H
#define MAAS_EINSUM_H

#include "graph/op.h"


#define EIN_OPERANDS  16

/* A-Z, a-z, then the axes of an ellipsis, aligned to the right. */
#define EIN_ELLIPSIS  52
#define EIN_LABELS    (EIN_ELLIPSIS + MAAS_RANK_MAX)

typedef struct {
    maas_list_t  equation;
} einsum_attr_t;

typedef struct {
    int      n;                 /* operands */
    int      rank[EIN_OPERANDS];
    int      n_out;
    uint8_t  label[EIN_OPERANDS][MAAS_RANK_MAX];
    uint8_t  out[MAAS_RANK_MAX];
} ein_equation_t;

typedef struct {
    int       n;                /* operands */
    int       n_out;            /* loops over the output */
    int       n_loop;
    uint32_t  used[EIN_LABELS]; /* by loop: bits of operands that have it */
    int64_t   dim[EIN_LABELS];
    int64_t   stride[EIN_OPERANDS][EIN_LABELS];     /* in items */
    int64_t   out_stride[MAAS_RANK_MAX];
} ein_loops_t;

/* Of checked operands; the equation was parsed before. */
void maas_ein_loops(const einsum_attr_t *attr, const maas_tensor_t *in, int n,
    ein_loops_t *l);

/* Two float32 operands as batched matrix products. */
bool maas_ein_gemm_setup(maas_setup_t *u);
maas_status_t maas_ein_gemm_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

#endif
