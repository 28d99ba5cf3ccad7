/*
 * build: a model made by us, node by node: what layers, estimators and
 * pipelines write.  The result is a raw model, like one that was read from a
 * file: maas_graph_import() makes a graph of it, maas_onnx_write() a file.
 *
 * Errors are sticky: after the first failure every call returns "" and
 * maas_build_done() reports it.
 *
 * Ownership: everything lies in the arena; data of constants is copied.
 * Threads:   one thread.
 */

#ifndef MAAS_BUILD_H
#define MAAS_BUILD_H

#include "graph/raw.h"


typedef struct maas_build_s  maas_build_t;

/*
 * ONNX opsets of the result: ai.onnx 17 and, once a node needs it,
 * ai.onnx.ml 3: what runtimes of the last years all read.
 */
maas_build_t *maas_build_create(maas_arena_t *a);   /* NULL: no memory */

/*
 * Operators of a later opset of ai.onnx are going to be used: the model gets
 * it.  Axes of reductions, an attribute up to 17, become inputs then.
 */
void maas_build_opset(maas_build_t *b, int opset);

/* dims[i] -1: open, called "N" on axis 0.  name: as it will be served. */
maas_str_t maas_build_input(maas_build_t *b, const char *name,
    maas_dtype_t dtype, int rank, const int64_t *dims);

/* A value that becomes an output of the model under its own name. */
void maas_build_output(maas_build_t *b, maas_str_t value,
    maas_dtype_t dtype, int rank, const int64_t *dims);

/* Constants; name NULL: a fresh one. */
maas_str_t maas_build_tensor(maas_build_t *b, const char *name,
    const maas_tensor_t *t);
maas_str_t maas_build_floats(maas_build_t *b, const char *name,
    const float *v, int rank, const int64_t *dims);
maas_str_t maas_build_ints(maas_build_t *b, const char *name,
    const int64_t *v, int rank, const int64_t *dims);
maas_str_t maas_build_float(maas_build_t *b, float v);      /* a scalar */
maas_str_t maas_build_int(maas_build_t *b, int64_t v);      /* a scalar */

/*
 * Nodes.  domain "" or "ai.onnx.ml".  Outputs get fresh names; where out[i]
 * is given with a length it is kept.  Returns out[0].
 */
typedef struct {
    const char             *op;
    const char             *domain;     /* NULL: "" */
    const maas_str_t       *in;
    size_t                  n_in;
    maas_str_t             *out;        /* NULL: one fresh output */
    size_t                  n_out;      /* 0: 1 */
    const maas_raw_attr_t  *attr;       /* lists are copied */
    size_t                  n_attr;
} maas_build_node_t;

maas_str_t maas_build_node(maas_build_t *b, const maas_build_node_t *n);

/* The common case: operators of ai.onnx with one output, no attributes. */
maas_str_t maas_build_op1(maas_build_t *b, const char *op, maas_str_t x);
maas_str_t maas_build_op2(maas_build_t *b, const char *op, maas_str_t x,
    maas_str_t y);

/* Attributes, for arrays of them. */
static inline maas_raw_attr_t
maas_build_attr_int(const char *name, int64_t i)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .i = i,
                               .type = MAAS_ATTR_INT };
}

static inline maas_raw_attr_t
maas_build_attr_float(const char *name, float f)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .f = f,
                               .type = MAAS_ATTR_FLOAT };
}

static inline maas_raw_attr_t
maas_build_attr_string(const char *name, const char *s)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) },
                               .s = { s, strlen(s) },
                               .type = MAAS_ATTR_STRING };
}

static inline maas_raw_attr_t
maas_build_attr_ints(const char *name, const int64_t *v, size_t n)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .ints = v,
                               .n = n, .type = MAAS_ATTR_INTS };
}

static inline maas_raw_attr_t
maas_build_attr_floats(const char *name, const float *v, size_t n)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .floats = v,
                               .n = n, .type = MAAS_ATTR_FLOATS };
}

static inline maas_raw_attr_t
maas_build_attr_strings(const char *name, const maas_str_t *v, size_t n)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .strings = v,
                               .n = n, .type = MAAS_ATTR_STRINGS };
}

/* The model, or the first error; inputs and outputs in order of the calls. */
maas_status_t maas_build_done(maas_build_t *b, const maas_raw_model_t **m,
    maas_err_t *err);

#endif
