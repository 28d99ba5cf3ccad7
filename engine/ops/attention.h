/*
 * Shared by attention.c (kernel) and attention_infer.c (shapes).
 *
 * Ownership: plain values on the caller's stack.  Threads: reentrant.
 */

#ifndef MAAS_ATTENTION_H
#define MAAS_ATTENTION_H

#include "graph/op.h"


enum {
    ATT_Q, ATT_K, ATT_V, ATT_MASK, ATT_PAST_K, ATT_PAST_V, ATT_LENGTHS
};

/* What qk_matmul_output is. */
enum { ATT_QK = 0, ATT_QK_CAP, ATT_QK_MASK, ATT_QK_SOFTMAX };

typedef struct {
    int64_t  causal;
    int64_t  q_heads;           /* 0: not given */
    int64_t  kv_heads;
    int64_t  qk_mode;
    int64_t  precision;
    int64_t  nan;               /* a row that sees nothing is NaN */
    float    scale;             /* 0: 1 / sqrt(d) */
    float    softcap;
} att_attr_t;

typedef struct {
    int64_t  b, hq, hk;
    int64_t  sq, sk, past, total;
    int64_t  d, dv;
    int64_t  ldq, ldk, ldv, ldy;            /* between rows */
    int64_t  q_head, k_head, v_head, y_head;    /* between heads */
    float    scale;
} att_geom_t;

void att_geom(att_geom_t *g, const att_attr_t *a, const maas_tensor_t *in,
    int n_in);

maas_status_t att_infer(maas_infer_t *c);

#endif
