/*
 * onnx_priv.h: what the files of the ONNX reader share.
 *
 * The schema's strings are compiled as bytes (see the Makefile), so that
 * names keep every byte and their true length.
 */

#ifndef MAAS_ONNX_PRIV_H
#define MAAS_ONNX_PRIV_H

#include <protobuf-c/protobuf-c.h>

#include "formats/onnx.h"
#include "onnx.pb-c.h"


#define ONNX_DEPTH_MAX   64
#define ONNX_FIELDS_MAX  (4 * 1024 * 1024)

typedef struct {
    maas_arena_t   *arena;
    const uint8_t  *base;           /* the file */
    size_t          size;
    maas_err_t     *err;
} onnx_ctx_t;

/* What the scan leaves in raw_data: where the payload lies in the file. */
typedef struct {
    uint64_t  off;
    uint64_t  len;
} onnx_extent_t;

/*
 * Checks the bytes against the schema and hands protobuf-c a shorter copy of
 * them: every raw_data payload is cut out and replaced by its extent, fields
 * that nobody reads are left out.  *msg is freed by maas_onnx_free().
 */
typedef struct {
    ProtobufCMessage    *msg;
    ProtobufCAllocator   alloc;
    const maas_host_t   *host;
    size_t               left;      /* budget */
    bool                 refused;   /* the budget was the reason */
} onnx_message_t;

maas_status_t maas_onnx_unpack(onnx_message_t *m, const onnx_ctx_t *c,
    const ProtobufCMessageDescriptor *desc);
void maas_onnx_free(onnx_message_t *m);

/* what: "initializer", "attribute"; only for the text of errors. */
maas_status_t maas_onnx_convert(const onnx_ctx_t *c,
    const Onnx__TensorProto *p, const char *what, maas_str_t name,
    maas_tensor_t *t);

/* ONNX number to dtype; MAAS_NODTYPE when there is no such tensor here. */
maas_dtype_t maas_onnx_dtype(int64_t n);

/* Copies into the arena. */
maas_status_t maas_onnx_str(const onnx_ctx_t *c, const ProtobufCBinaryData *b,
    maas_str_t *out);

static inline maas_str_t
onnx_str(const ProtobufCBinaryData *b)
{
    return (maas_str_t) { (const char *) b->data, b->len };
}

#endif
