/*
 * fuse_qlinear.h: shared by the files that make integer operators of nodes
 * between quantised tensors (fuse_qlinear.c says which).
 *
 * Ownership: plain values; constants lie in the graph's arena.
 */

#ifndef MAAS_FUSE_QLINEAR_H
#define MAAS_FUSE_QLINEAR_H

#include "graph/pass/pass.h"


/* A tensor by its codes. */
typedef struct {
    maas_vid_t    q;            /* NOVAL: none */
    maas_vid_t    scale, zero;  /* constants; zero may be NOVAL */
    float         s;
    int32_t       z;
    maas_dtype_t  type;
} fq_codes_t;

typedef struct {
    maas_pass_t  *p;
    uint32_t      n_node;       /* of the graph as it was */
} fq_t;

/* How the node's output goes on to codes. */
typedef struct {
    fq_codes_t       to;           /* q: what QuantizeLinear made */
    int32_t       low, high;
    maas_node_t  *limit, *quant;
} fq_end_t;


/* A new constant of n elements, a scalar or 1-D. */
maas_status_t fq_const(const fq_t *f, maas_dtype_t type, int64_t n,
    bool scalar, const void *data, maas_vid_t *v);

/* A zero point, made where the graph has none. */
maas_status_t fq_zero(const fq_t *f, const fq_codes_t *c, maas_vid_t *v);

/* The codes that value v was made of, with constant scale and zero point. */
bool fq_from(const fq_t *f, maas_vid_t v, fq_codes_t *c);

/* Relu or Clip, if it comes next behind n, and QuantizeLinear. */
bool fq_end(const fq_t *f, const maas_node_t *n, fq_end_t *e);

/* Node i becomes `op` and makes the codes itself. */
maas_status_t fq_become(const fq_t *f, uint32_t i, const fq_end_t *e,
    const char *domain, const char *op, const maas_raw_attr_t *attr,
    uint32_t n_attr, const maas_vid_t *in, uint32_t n_in);

/* fuse_qlinear_weights.c: Conv; Gemm or MatMul. */
maas_status_t fq_conv(const fq_t *f, uint32_t i);
maas_status_t fq_matmul(const fq_t *f, uint32_t i);

#endif
