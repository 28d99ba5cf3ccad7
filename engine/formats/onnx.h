/*
 * onnx.h: the reader of ONNX files: bytes -> maas_raw_model_t, nothing else.
 * The meaning of operators is graph/import.c's business.
 *
 * Ownership: what is read lies in the arena; large initializers point into
 *            the bytes given, which must outlive it.
 * Threads:   reentrant.
 * Format:    https://github.com/onnx/onnx/blob/main/docs/IR.md
 */

#ifndef MAAS_ONNX_H
#define MAAS_ONNX_H

#include "graph/raw.h"


/* What is served; the error texts quote them. */
#define MAAS_ONNX_IR_MIN     3
#define MAAS_ONNX_IR_MAX     9
#define MAAS_ONNX_OPSET_MIN  6
#define MAAS_ONNX_OPSET_MAX  17

/*
 * Reads a ModelProto.  dir is the folder of the file (NULL: none), where its
 * external data would lie; such files are refused for now.
 */
maas_status_t maas_onnx_read(maas_raw_model_t **out, maas_arena_t *a,
    const void *p, size_t n, const char *dir, maas_err_t *err);

/* Reads a TensorProto (a .pb file of a test case); name may be NULL. */
maas_status_t maas_onnx_tensor(const void *p, size_t n, maas_arena_t *a,
    maas_tensor_t *t, maas_str_t *name, maas_err_t *err);

/*
 * The same for a value of another kind: SequenceProto or OptionalProto; *t
 * has format MAAS_FMT_ITEMS.
 */
maas_status_t maas_onnx_value(const void *p, size_t n, maas_kind_t kind,
    maas_arena_t *a, maas_tensor_t *t, maas_err_t *err);

#endif
