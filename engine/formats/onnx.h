/*
 * onnx.h: the reader of ONNX files: bytes -> maas_raw_model_t, nothing else.
 * The meaning of operators is graph/import.c's business.
 *
 * Ownership: what is read lies in the arena; large initializers point into
 *            the bytes given, or into external files; both must outlive it.
 * Threads:   reentrant.
 * Format:    https://github.com/onnx/onnx/blob/main/docs/IR.md
 */

#ifndef MAAS_ONNX_H
#define MAAS_ONNX_H

#include "base/folder.h"
#include "graph/raw.h"


/* What is served; the error texts quote them. */
#define MAAS_ONNX_IR_MIN     3
#define MAAS_ONNX_IR_MAX     12
#define MAAS_ONNX_OPSET_MIN  6
#define MAAS_ONNX_OPSET_MAX  24

/* Where a model comes from, and what it may cost. */
typedef struct {
    maas_folder_t  *folder;     /* of external data; NULL: there is none */
    size_t          expand;     /* bytes of sparse tensors; 0: 2 GiB */
} maas_onnx_opts_t;

/*
 * Reads a ModelProto; opts may be NULL.  Tensors in external files point
 * into the folder's mappings, which must outlive the model.
 */
maas_status_t maas_onnx_read(maas_raw_model_t **out, maas_arena_t *a,
    const void *p, size_t n, const maas_onnx_opts_t *opts, maas_err_t *err);

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
