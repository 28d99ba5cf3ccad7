/*
 * kserve.h: what the parts of the dialect share: routes, and the request as
 * the encoder needs it.  Private to proto/kserve*.c.
 *
 * Ownership: all hangs on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#ifndef MAAS_PROTO_KSERVE_H
#define MAAS_PROTO_KSERVE_H

#include "proto/proto.h"


enum {
    KSERVE_SERVER = 0,
    KSERVE_LIVE,
    KSERVE_READY,
    KSERVE_MODEL,
    KSERVE_MODEL_READY,
    KSERVE_CONFIG,
    KSERVE_STATS,
    KSERVE_INDEX,
    KSERVE_INFER
};

/* An output of the answer. */
typedef struct {
    size_t   index;
    int64_t  classes;               /* the best of so many; 0: the tensor */
    int8_t   binary;
} kserve_want_t;

typedef struct {
    int8_t          binary_all;     /* binary_data_output */
    bool            id_given;
    bool            only_ready;     /* of the repository's index */
    maas_str_t      id;
    kserve_want_t  *want;
    size_t          n_want;
} kserve_ctx_t;


maas_status_t maas_kserve_decode(maas_proto_call_t *c, maas_err_t *err);
void maas_kserve_document(maas_proto_call_t *c, maas_proto_doc_t *doc);
void maas_kserve_index(maas_proto_call_t *c);

#endif
