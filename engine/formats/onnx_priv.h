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
    maas_folder_t  *folder;         /* of external data; NULL: none */
    size_t         *expand;         /* bytes that sparse tensors may take */
    bool            function;       /* inside one: attributes may refer */
    struct onnx_message_s  *message;
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
typedef struct onnx_message_s {
    ProtobufCMessage    *msg;
    ProtobufCAllocator   alloc;
    const maas_host_t   *host;
    size_t               left;      /* budget */
    bool                 refused;   /* the budget was the reason */
} onnx_message_t;

/* " (float8); export ..." of a data type that is not served, or "". */
const char *maas_onnx_dtype_hint(int32_t type);

/* What bytes that are no ONNX model look like, and the remedy; or NULL. */
const char *maas_onnx_foreign(const void *p, size_t n);

maas_status_t maas_onnx_unpack(onnx_message_t *m, const onnx_ctx_t *c,
    const ProtobufCMessageDescriptor *desc);
void maas_onnx_free(onnx_message_t *m);

/*
 * Fields that are newer than libonnx 1.12.  They survive the scan, and are
 * among the unknown fields of a message; a newer schema has members.
 */
#define ONNX_NODE_OVERLOAD       8
#define ONNX_FUNCTION_DEFAULT    11     /* attribute_proto */
#define ONNX_FUNCTION_OVERLOAD   13

size_t maas_onnx_newer(const ProtobufCMessage *m, uint32_t id);
ProtobufCBinaryData maas_onnx_newer_bytes(const ProtobufCMessage *m,
    uint32_t id);                       /* the last; len 0: none */

/* The i-th AttributeProto of a field; *owned: free it as the message is. */
Onnx__AttributeProto *maas_onnx_newer_attr(const onnx_ctx_t *c,
    const ProtobufCMessage *m, uint32_t id, size_t i, bool *owned);

/* what: "initializer", "attribute"; only for the text of errors. */
maas_status_t maas_onnx_convert(const onnx_ctx_t *c,
    const Onnx__TensorProto *p, const char *what, maas_str_t name,
    maas_tensor_t *t);

/* A sparse tensor, written out. */
maas_status_t maas_onnx_sparse(const onnx_ctx_t *c,
    const Onnx__SparseTensorProto *p, const char *what, maas_str_t name,
    maas_tensor_t *t);

/*
 * The bytes of a tensor in an external file: as many as its shape asks for.
 * The error's text lacks the tensor's name.
 */
maas_status_t maas_onnx_external(const onnx_ctx_t *c,
    const Onnx__TensorProto *p, size_t bytes, const uint8_t **data);

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
