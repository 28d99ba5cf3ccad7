/*
 * port.h: an input or output of a model as the dialects and the model see
 * it.  Lives as long as the model.
 *
 * Ownership: the model's.
 * Threads:   constant.
 */

#ifndef MAAS_PROTO_PORT_H
#define MAAS_PROTO_PORT_H

#include "graph/raw.h"


/* dims[i] < 0: dynamic, with its symbol in sym[i]. */
typedef struct {
    maas_str_t   name;
    maas_str_t   sym[MAAS_RANK_MAX];
    int64_t      dims[MAAS_RANK_MAX];
    uint8_t      kind;          /* maas_kind_t */
    uint8_t      inner;         /* OPTIONAL: kind of what it holds */
    uint8_t      key;           /* of a map: dtype of its keys */
    uint8_t      dtype;         /* of tensors, of a map's values */
    int8_t       rank;          /* -1: unknown */
} maas_port_t;

#endif
