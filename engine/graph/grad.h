/*
 * grad.h: how an operator says what its gradient is.
 *
 * Reverse mode: for y = f(x...) and a scalar loss L, a row's grad() is given
 * the values dL/dy of the node's outputs and emits ordinary nodes that
 * compute dL/dx of its inputs.  The backward pass is then a part of the same
 * graph: the same passes, planner and kernels work on it.
 *
 * Failures stick in the context: a helper that fails returns MAAS_NOVAL, so
 * do the ones after it, and maas_autodiff() reports the first.
 *
 * Ownership: what is emitted lies in the graph's arena.
 * Threads:   one thread.
 */

#ifndef MAAS_GRAD_H
#define MAAS_GRAD_H

#include "graph/op.h"
#include "graph/pass/pass.h"


struct maas_grad_s {
    maas_pass_t       *p;
    maas_graph_t      *g;
    const maas_node_t *n;           /* the node, a copy */
    const void        *attr;
    uint32_t           index;       /* of the node in the graph */
    const maas_vid_t  *dout;        /* dL/d(output); MAAS_NOVAL: is zero */
    const bool        *need;        /* by input: is it asked for? */
    maas_vid_t        *din;         /* set by grad(); MAAS_NOVAL: is zero */
    maas_status_t      rc;
    maas_err_t        *err;
};

/*
 * Of operators that pass nothing on, since the derivative is zero wherever
 * it exists (Floor, Sign, comparisons, Shape).
 */
maas_status_t maas_grad_zero(maas_grad_t *c);

static inline bool
maas_grad_need(const maas_grad_t *c, int i)
{
    return i < c->n->n_in && c->need[i];
}

static inline maas_vid_t
maas_grad_in(const maas_grad_t *c, int i)
{
    return i < c->n->n_in ? c->n->in[i] : MAAS_NOVAL;
}

/*
 * Output i of the forward node, to be used again ("saved"): one that nobody
 * wanted so far is made to be computed.
 */
maas_vid_t maas_grad_out(maas_grad_t *c, int i);

/*
 * The forward node becomes an operator of domain maas that takes the same
 * inputs and attributes and has n_out outputs: it also gives what the
 * gradient wants saved, by maas_grad_out().  c->n stays as it was.
 */
void maas_grad_become(maas_grad_t *c, const char *op, int n_out);

/* Type of a value; forward values are all inferred. */
const maas_type_t *maas_grad_type(const maas_grad_t *c, maas_vid_t v);


/* -- emitting ------------------------------------------------------------ */

/* Nodes of domain "" with one output and no attributes. */
maas_vid_t maas_grad_op1(maas_grad_t *c, const char *op, maas_vid_t x);
maas_vid_t maas_grad_op2(maas_grad_t *c, const char *op, maas_vid_t x,
    maas_vid_t y);
maas_vid_t maas_grad_op3(maas_grad_t *c, const char *op, maas_vid_t x,
    maas_vid_t y, maas_vid_t z);

/* Any node with one output; domain "" or "maas". */
maas_vid_t maas_grad_emit(maas_grad_t *c, const char *domain,
    const char *op, const maas_raw_attr_t *attr, uint32_t n_attr,
    const maas_vid_t *in, uint32_t n_in);

/* The same with n_out outputs, out[i] set. */
void maas_grad_emit_n(maas_grad_t *c, const char *domain, const char *op,
    const maas_raw_attr_t *attr, uint32_t n_attr, const maas_vid_t *in,
    uint32_t n_in, maas_vid_t *out, uint32_t n_out);

/*
 * The same with the forward node's own attributes: `domain`.`op` must have
 * the same attribute struct (a backward operator that lists the same rows).
 */
void maas_grad_emit_same(maas_grad_t *c, const char *domain, const char *op,
    const maas_vid_t *in, uint32_t n_in, maas_vid_t *out, uint32_t n_out);

/* Constants: a scalar of the dtype of value `like`; a 1-D int64 tensor. */
maas_vid_t maas_grad_scalar(maas_grad_t *c, maas_vid_t like, double v);
maas_vid_t maas_grad_ints(maas_grad_t *c, const int64_t *v, int64_t n);

/*
 * dy summed over what broadcasting x to the shape of y repeated: dL/dx where
 * y = x op ..., elementwise.  y gives dy's shape.
 */
maas_vid_t maas_grad_unbroadcast(maas_grad_t *c, maas_vid_t dy, maas_vid_t y,
    maas_vid_t x);

/* dy with the shape of x (of as many elements). */
maas_vid_t maas_grad_reshape_like(maas_grad_t *c, maas_vid_t dy,
    maas_vid_t x);

#endif
