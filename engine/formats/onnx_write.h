/*
 * onnx_write: a model as bytes of the ONNX format.  The counterpart of
 * onnx.h: what maas_onnx_read() makes of the bytes equals what was written.
 *
 * Ownership: the buffer is the caller's.
 * Threads:   reentrant.
 */

#ifndef MAAS_ONNX_WRITE_H
#define MAAS_ONNX_WRITE_H

#include "graph/raw.h"


/* metadata_props of the model. */
typedef struct {
    maas_str_t  key;
    maas_str_t  value;
} maas_onnx_prop_t;

/*
 * Appends the model to out.  Tensors are written as raw_data, strings as
 * string_data; functions of the model are written too.  MAAS_ELIMIT above
 * 2 GiB, the limit of the format.
 */
maas_status_t maas_onnx_write(const maas_raw_model_t *m,
    const maas_onnx_prop_t *prop, size_t n_prop, maas_buf_t *out,
    maas_err_t *err);

#endif
