/*
 * Shared by attention.c (kernel), attention_grad.c (its gradient) and
 * attention_infer.c (shapes).
 *
 * Ownership: plain values on the caller's stack.  Threads: reentrant.
 */

#ifndef MAAS_ATTENTION_H
#define MAAS_ATTENTION_H

#include "graph/op.h"


enum {
    ATT_Q, ATT_K, ATT_V, ATT_MASK, ATT_PAST_K, ATT_PAST_V, ATT_LENGTHS,
    ATT_KEY,                    /* of a dropout of the weights, in training */
    ATT_DY                      /* of the gradient */
};

#define ATT_ROWS   32           /* rows of Q in a block */

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
    float    fill;              /* where a bool mask hides; 0: -Inf */
    float    ratio;             /* of the dropout: see train_dropout.c */
    int64_t  drop;
} att_attr_t;

typedef struct {
    int64_t  b, hq, hk;
    int64_t  sq, sk, past, total;
    int64_t  d, dv;
    int64_t  ldq, ldk, ldv, ldy;            /* between rows */
    int64_t  q_head, k_head, v_head, y_head;    /* between heads */
    float    scale;
    bool     keep;              /* output 3 may be wanted */
} att_geom_t;

void att_geom(att_geom_t *g, const att_attr_t *a, const maas_tensor_t *in,
    int n_in);

static inline bool
att_has(const maas_tensor_t *in, int n, int i)
{
    return i < n && in[i].dtype != MAAS_NODTYPE;
}

static inline size_t
att_room(int64_t n, size_t size)
{
    return maas_align((size_t) n * size, MAAS_ALIGN);
}

/*
 * From products of row i of head h of image b to weights, in place; before
 * the dropout.  Inputs are those of Attention in their order.
 */
void att_row_f32(const maas_step_t *s, const att_geom_t *g, float *row,
    int64_t b, int64_t h, int64_t i);
void att_row_f64(const maas_step_t *s, const att_geom_t *g, double *row,
    int64_t b, int64_t h, int64_t i);

/* Where a mask wrote `fill` over the products of a row, d becomes 0. */
void att_unhide(const maas_step_t *s, const att_geom_t *g, void *d,
    int64_t b, int64_t h, int64_t i);

/* The factors of a row's weights by dropout; false: there is none. */
bool att_drop_row(const maas_step_t *s, const att_geom_t *g, void *f,
    int64_t b, int64_t h, int64_t i);

maas_status_t att_infer(maas_infer_t *c);

#endif
