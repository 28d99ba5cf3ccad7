/*
 * A model as its file spells it, before it means anything to us: names are
 * strings, attributes are untyped, nodes are in file order.  formats/ make
 * it from bytes; graph/import.c turns it into a maas_graph_t.
 *
 * Ownership: everything lies in one arena, or points into the file's bytes
 * and into external files (large initializers), which must outlive it.
 */

#ifndef MAAS_RAW_H
#define MAAS_RAW_H

#include "tensor/tensor.h"


typedef struct maas_raw_graph_s  maas_raw_graph_t;

typedef enum {
    MAAS_ATTR_NONE = 0,
    MAAS_ATTR_FLOAT,
    MAAS_ATTR_INT,
    MAAS_ATTR_STRING,
    MAAS_ATTR_TENSOR,
    MAAS_ATTR_GRAPH,
    MAAS_ATTR_FLOATS,
    MAAS_ATTR_INTS,
    MAAS_ATTR_STRINGS           /* 1 to 8: ONNX AttributeProto.AttributeType */
} maas_attr_type_t;

typedef struct {
    maas_str_t         name;
    maas_attr_type_t   type;
    int64_t            i;
    float              f;
    maas_str_t         s;
    size_t             n;       /* of ints, floats or strings */
    const int64_t     *ints;
    const float       *floats;
    const maas_str_t  *strings;
    maas_tensor_t      t;
    maas_raw_graph_t  *g;
    bool               sparse;  /* t was written out from a sparse one */
    maas_str_t         ref;     /* len != 0: attribute of the function */
} maas_raw_attr_t;

typedef struct {
    maas_str_t  domain;
    int64_t     version;
} maas_raw_opset_t;

typedef struct {
    maas_str_t        op;
    maas_str_t        domain;   /* "" for ai.onnx */
    maas_str_t        name;
    uint32_t          n_in;
    uint32_t          n_out;
    uint32_t          n_attr;
    maas_str_t       *in;       /* len 0: absent optional */
    maas_str_t       *out;
    maas_raw_attr_t  *attr;
    maas_str_t        overload; /* of a function */
    /* Opsets of the function that it is from; NULL: the model's. */
    const maas_raw_opset_t  *opset;
    uint32_t                 n_opset;
} maas_raw_node_t;

typedef enum {
    MAAS_KIND_TENSOR = 0,
    MAAS_KIND_SEQUENCE,
    MAAS_KIND_MAP,
    MAAS_KIND_SEQUENCE_MAP,     /* sequence(map(key, float)), of ZipMap */
    MAAS_KIND_OPTIONAL
} maas_kind_t;

/* Sequences of tensors, maps and optionals: known while planning only. */
static inline bool
maas_kind_is_list(uint8_t kind)
{
    return kind != MAAS_KIND_TENSOR && kind != MAAS_KIND_SEQUENCE_MAP;
}

static inline const char *
maas_kind_name(uint8_t kind)
{
    static const char *const  name[] = {
        "tensor", "sequence", "map", "sequence of maps", "optional"
    };

    return kind < maas_nelts(name) ? name[kind] : "?";
}

/* A declared input or output; dims[i] < 0 with its symbol in sym[i]. */
typedef struct {
    maas_str_t   name;
    maas_kind_t  kind;
    uint8_t      inner;         /* OPTIONAL: kind of what it holds */
    uint8_t      key;           /* of a map: dtype of its keys */
    uint8_t      dtype;         /* MAAS_NODTYPE: not declared */
    int          rank;          /* -1: not declared */
    int64_t      dims[MAAS_RANK_MAX];
    maas_str_t   sym[MAAS_RANK_MAX];    /* len 0: unnamed */
} maas_raw_port_t;

typedef struct {
    maas_str_t     name;
    maas_tensor_t  t;
} maas_raw_init_t;

struct maas_raw_graph_s {
    maas_str_t        name;
    uint32_t          n_in;
    uint32_t          n_out;
    uint32_t          n_init;
    uint32_t          n_node;
    maas_raw_port_t  *in;
    maas_raw_port_t  *out;
    maas_raw_init_t  *init;
    maas_raw_node_t  *node;
};

/* A function of the model: its calls are replaced by its nodes. */
typedef struct {
    maas_str_t         name;
    maas_str_t         domain;
    maas_str_t         overload;
    uint32_t           n_in;
    uint32_t           n_out;
    uint32_t           n_attr;
    uint32_t           n_preset;
    uint32_t           n_node;
    uint32_t           n_opset;
    maas_str_t        *in;
    maas_str_t        *out;
    maas_str_t        *attr;    /* names of those without a default */
    maas_raw_attr_t   *preset;  /* defaults of the others */
    maas_raw_node_t   *node;
    maas_raw_opset_t  *opset;
} maas_raw_func_t;

typedef struct {
    maas_raw_graph_t   graph;
    int64_t            ir_version;
    uint32_t           n_opset;
    maas_raw_opset_t  *opset;
    uint32_t           n_func;
    maas_raw_func_t   *func;
    maas_str_t         producer;
    maas_str_t         platform;    /* "onnx" */
} maas_raw_model_t;

#endif
