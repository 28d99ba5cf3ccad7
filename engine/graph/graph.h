/*
 * graph: the intermediate representation.  Values are numbered; a node
 * reads and writes value numbers.  Names, symbols and constants hang on
 * values.  The same structure serves the compiler (mutable, in an arena)
 * and a worker (a view whose constants point into the mapped image).
 *
 * Ownership: the graph's arena owns nodes, values and names.  Constant data
 * is owned by the arena, the model file's bytes or the image.
 * Threads:   immutable once frozen; a mutable graph belongs to one thread.
 */

#ifndef MAAS_GRAPH_H
#define MAAS_GRAPH_H

#include "graph/raw.h"
#include "kernels/kernels.h"


/* -- dimensions ---------------------------------------------------------- */

/*
 * A dimension, or an element of a small integer tensor: a constant, or an
 * expression over symbols.  Expressions are numbered from MAAS_DIM_SYM up;
 * MAAS_DIM_NONE is "nothing is known".
 */
typedef int64_t  maas_dim_t;

#define MAAS_DIM_SYM      INT64_MIN
#define MAAS_DIM_SYM_MAX  (1 << 20)
#define MAAS_DIM_NONE     (INT64_MIN + MAAS_DIM_SYM_MAX)

static inline bool
maas_dim_known(maas_dim_t d)
{
    return d > MAAS_DIM_NONE;
}


typedef struct maas_syms_s  maas_syms_t;

/* Symbolic arithmetic; constants fold, unknown operands stay unknown. */
maas_dim_t maas_dim_add(maas_syms_t *s, maas_dim_t a, maas_dim_t b);
maas_dim_t maas_dim_sub(maas_syms_t *s, maas_dim_t a, maas_dim_t b);
maas_dim_t maas_dim_mul(maas_syms_t *s, maas_dim_t a, maas_dim_t b);
maas_dim_t maas_dim_div(maas_syms_t *s, maas_dim_t a, maas_dim_t b);
                                        /* floor; b = 0: unknown */
maas_dim_t maas_dim_ceil(maas_syms_t *s, maas_dim_t a, maas_dim_t b);
maas_dim_t maas_dim_min(maas_syms_t *s, maas_dim_t a, maas_dim_t b);
maas_dim_t maas_dim_max(maas_syms_t *s, maas_dim_t a, maas_dim_t b);
/* What two extents are together, equal or one of them 1. */
maas_dim_t maas_dim_broadcast(maas_syms_t *s, maas_dim_t a, maas_dim_t b);

/* The symbol of a name, made at first use; len 0: a fresh one. */
maas_dim_t maas_dim_symbol(maas_syms_t *s, maas_str_t name);

maas_syms_t *maas_syms_create(maas_arena_t *a);

/* "batch", "(batch*2)", "7", "?" */
void maas_dim_text(const maas_syms_t *s, maas_dim_t d, char *out, size_t n);


/* -- values -------------------------------------------------------------- */

typedef uint32_t  maas_vid_t;

#define MAAS_NOVAL  UINT32_MAX

typedef enum {
    MAAS_ROLE_ACT = 0,
    MAAS_ROLE_INPUT,            /* given by the caller of a run */
    MAAS_ROLE_CONST,
    MAAS_ROLE_PARAM,            /* trainable */
    MAAS_ROLE_STATE             /* lives in a session, written in place */
} maas_role_t;

typedef struct {
    uint8_t     kind;           /* maas_kind_t */
    uint8_t     dtype;          /* MAAS_NODTYPE: not known yet */
    int8_t      rank;           /* -1: not known yet */
    uint8_t     format;         /* maas_format_t */
    uint8_t     inner;          /* OPTIONAL: kind of what it holds */
    uint8_t     key;            /* of a map: dtype of its keys */
    maas_dim_t  dims[MAAS_RANK_MAX];
} maas_type_t;

/* The same rank and the same extents, by symbols too; all of them known. */
static inline bool
maas_type_same_dims(const maas_type_t *a, const maas_type_t *b)
{
    if (a->rank < 0 || a->rank != b->rank) {
        return false;
    }

    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i] || a->dims[i] == MAAS_DIM_NONE) {
            return false;
        }
    }

    return true;
}

/*
 * 8-bit numbers that a float32 constant was made of, while compiling: element
 * e is (code[e] - zero[c]) * scale[c], c = e / inner % n.
 */
typedef struct {
    const int8_t  *code;        /* uint8 less 128, as its zero point */
    const float   *scale;
    const float   *zero;
    int64_t        n;
    int64_t        inner;
    maas_vid_t     in[3];       /* of DequantizeLinear; NOVAL: it is gone */
    int64_t        axis;
} maas_codes_t;

typedef struct {
    maas_str_t    name;
    maas_type_t   type;
    uint8_t       role;         /* maas_role_t */
    const void   *data;         /* of a constant */
    size_t        bytes;
    const maas_codes_t  *codes; /* NULL: none that count */
    /*
     * Maps: the constant 1-D tensor of keys (int64 or string) whose order
     * is the order of the last axis of the values.
     */
    maas_vid_t    keys;
} maas_value_t;


/* -- nodes --------------------------------------------------------------- */

typedef struct maas_op_s     maas_op_t;
typedef struct maas_graph_s  maas_graph_t;

typedef enum {
    MAAS_POST_UNARY = 0,        /* fn: maas_unary_t, with a and b */
    MAAS_POST_BINARY,           /* fn: maas_binary_t, operand of out's shape */
    MAAS_POST_BINARY_SCALAR,    /* operand of one element */
    MAAS_POST_BINARY_LAST,      /* operand along the last axis */
    MAAS_POST_BINARY_CHANNEL,   /* operand along axis 1: [C] or [1,C,1,1] */
    MAAS_POST_BINARY_PLANE      /* operand for each plane: [N,C,1,1] */
} maas_post_kind_t;

/* Fused into the producer: out = fn(out[, operand]), in order. */
typedef struct {
    uint8_t   kind;
    uint8_t   fn;
    uint16_t  operand;          /* index into the node's inputs */
    float     a;
    float     b;
} maas_post_t;

typedef struct {
    const maas_op_t  *op;
    const void       *attr;         /* the op's struct, pointer-free */
    uint32_t          attr_bytes;   /* with the tail of lists */
    uint16_t          n_in;         /* with operands of post-ops */
    uint16_t          n_formal;     /* inputs of the operator itself */
    uint16_t          n_out;
    uint16_t          n_post;
    uint16_t          n_body;
    uint16_t          n_capture;    /* last formal inputs: read by bodies */
    maas_vid_t       *in;           /* MAAS_NOVAL: absent */
    maas_vid_t       *out;          /* MAAS_NOVAL: not wanted */
    maas_post_t      *post;
    maas_graph_t    **body;         /* subgraphs, in order of attributes */
    maas_str_t        name;
} maas_node_t;

struct maas_graph_s {
    maas_arena_t   *arena;
    maas_syms_t    *syms;
    uint32_t        n_value;
    uint32_t        cap_value;
    uint32_t        n_node;
    uint32_t        cap_node;
    uint32_t        n_in;
    uint32_t        n_out;
    maas_value_t   *value;
    maas_node_t    *node;           /* in an order that can be run */
    maas_vid_t     *in;
    maas_vid_t     *out;
    maas_type_t    *declared;       /* of each output; NULL: a body */
};
/*
 * A body (of If, Loop, Scan) is a graph of its own.  What it reads from
 * outside is an input of the control node and of the body: the last inputs
 * of the node, in the order of the last inputs of each body.
 */

maas_graph_t *maas_graph_create(maas_arena_t *a);   /* NULL: no memory */

/* MAAS_NOVAL when memory is refused. */
maas_vid_t maas_graph_value(maas_graph_t *g, maas_str_t name);

/* A constant; data is kept, not copied. */
maas_vid_t maas_graph_const(maas_graph_t *g, maas_str_t name,
    const maas_tensor_t *t);

/* The tensor view of a constant. */
maas_tensor_t maas_value_tensor(const maas_value_t *v);

/* Appends; attr is copied.  NULL when memory is refused. */
maas_node_t *maas_graph_node(maas_graph_t *g, const maas_op_t *op,
    const void *attr, uint32_t attr_bytes, const maas_vid_t *in,
    uint32_t n_in, const maas_vid_t *out, uint32_t n_out);

/* Every use of value `from` reads `to` from now on, outputs included. */
void maas_graph_replace(maas_graph_t *g, maas_vid_t from, maas_vid_t to);

/*
 * Importer: resolves names, upgrades nodes to the canonical opset, parses
 * attributes, orders nodes, turns captures into inputs.  The error names
 * the node, its operator and opset, and the reason.
 */
maas_status_t maas_graph_import(maas_graph_t **out, maas_arena_t *a,
    const maas_raw_model_t *raw, maas_err_t *err);

/* Symbolic inference over the whole graph; fills types of values. */
maas_status_t maas_graph_infer(maas_graph_t *g, maas_err_t *err);

#endif
