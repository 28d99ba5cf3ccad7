/*
 * tfserving.h: what the halves of the dialect share.  Private to
 * proto/tfserving*.c.
 *
 * Ownership: all hangs on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#ifndef MAAS_PROTO_TFSERVING_H
#define MAAS_PROTO_TFSERVING_H

#include "proto/proto.h"


enum {
    TFS_MODELS = 0,
    TFS_STATUS,
    TFS_METADATA,
    TFS_PREDICT,
    TFS_CLASSIFY,
    TFS_REGRESS
};

typedef struct {
    bool     rows;                  /* "instances", not "inputs" */
    size_t   out;                   /* that :classify, :regress answer */
    int64_t  examples;
} tfs_ctx_t;


/* "signature_name" */
maas_status_t maas_tfs_signature(maas_proto_call_t *c, maas_json_t *j);

/* :classify and :regress */
maas_status_t maas_tfs_decode_examples(maas_proto_call_t *c, maas_err_t *err);
maas_status_t maas_tfs_encode_results(maas_proto_call_t *c, maas_err_t *err);

#endif
