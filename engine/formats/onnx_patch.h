/*
 * onnx_patch: the bytes of an ONNX file with some values replaced, and all
 * else as it was: documentation, metadata, order, fields that this engine
 * does not know.  What a file keeps in external data is written into it.
 *
 * Ownership: the buffer is the caller's; nothing else is kept.
 * Threads:   reentrant.
 */

#ifndef MAAS_ONNX_PATCH_H
#define MAAS_ONNX_PATCH_H

#include "graph/raw.h"


/* An initializer of the main graph and its new value, dense. */
typedef struct {
    maas_str_t     name;
    maas_tensor_t  t;
} maas_onnx_value_t;

/* A declared dimension of an input, output or value of the main graph. */
typedef struct {
    maas_str_t  name;
    int         axis;
    int64_t     dim;
} maas_onnx_dim_t;

typedef struct {
    const maas_raw_model_t   *model;    /* as it was read from the bytes */
    const maas_onnx_value_t  *value;
    size_t                    n_value;
    const maas_onnx_dim_t    *dim;
    size_t                    n_dim;
    const maas_str_t         *drop;     /* value_info that is left out */
    size_t                    n_drop;
} maas_onnx_patch_t;

/*
 * Appends the new file to out.  MAAS_ENOENT: no initializer is called so;
 * MAAS_EUNSUPPORTED: external data that are no initializer of the main
 * graph; MAAS_ELIMIT above 2 GiB, the limit of the format.
 */
maas_status_t maas_onnx_patch(const void *p, size_t n,
    const maas_onnx_patch_t *patch, maas_buf_t *out, maas_err_t *err);

#endif
