/*
 * kserve.h: what the two halves of the dialect share: the request as the
 * encoder needs it.  Private to proto/kserve*.c.
 */

#ifndef MAAS_PROTO_KSERVE_H
#define MAAS_PROTO_KSERVE_H

#include "proto/proto.h"


typedef struct {
    bool        given;              /* "outputs" stood in the request */
    bool        binary_all;         /* binary_data_output */
    bool        id_given;
    maas_str_t  id;
    size_t      n;
    uint16_t   *index;              /* of the outputs wanted, in order */
    int8_t     *binary;             /* 1, 0, -1: as binary_all says */
} kserve_ctx_t;


maas_status_t maas_kserve_decode(maas_proto_call_t *c, maas_err_t *err);

#endif
