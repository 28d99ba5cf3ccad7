/*
 * pass.h: rewrites of a graph while compiling.  One rewrite a file; each
 * exports a row, and passes.c runs the rows in a fixed order over the main
 * graph and all bodies.  Any of them may be switched off by name: a graph
 * means the same with and without it (t/engine/pass_test.c).
 *
 * Ownership: new values, nodes and constants lie in the graph's arena.
 * Threads:   one thread.
 */

#ifndef MAAS_PASS_H
#define MAAS_PASS_H

#include "graph/import.h"
#include "graph/plan.h"


typedef struct {
    maas_graph_t          *g;
    const maas_kernels_t  *k;
    const maas_host_t     *host;
    size_t                 budget;      /* bytes of folded constants left */
    bool                   fast;        /* numerics */
    maas_err_t            *err;

    /* Of maas_pass_index(): by value. */
    uint32_t              *uses;        /* by nodes and outputs */
    uint32_t              *producer;    /* node, or MAAS_NONODE */
    uint32_t              *consumer;    /* the last node that reads it */
} maas_pass_t;

#define MAAS_NONODE  UINT32_MAX

typedef struct {
    const char     *name;
    maas_status_t (*run)(maas_pass_t *p);
    bool            needs_types;        /* infer before */
    bool            always;             /* cannot be switched off */
} maas_pass_row_t;

extern const maas_pass_row_t  maas_pass_cse, maas_pass_fuse_norm,
    maas_pass_fuse_gelu, maas_pass_fuse_swish, maas_pass_fuse_attention,
    maas_pass_fuse_qmatmul,
    maas_pass_fuse_grad, maas_pass_fuse_scale, maas_pass_fuse_normconv,
    maas_pass_fuse_parts, maas_pass_fuse_qdq, maas_pass_fuse_qlinear,
    maas_pass_pack_qconv;

extern const maas_pass_row_t  maas_pass_zipmap, maas_pass_half,
    maas_pass_noop, maas_pass_fold, maas_pass_convbn, maas_pass_postop,
    maas_pass_layout, maas_pass_pack, maas_pass_dce;

/* Every pass in the order of running, closed by NULL. */
extern const maas_pass_row_t *const  maas_pass_order[];

typedef struct {
    const maas_host_t     *host;
    const maas_kernels_t  *k;
    size_t                 fold_budget;
    bool                   fast;        /* numerics */
    const char            *off;         /* names to leave out, by commas */
} maas_pass_opts_t;

maas_status_t maas_passes_run(maas_graph_t *g, const maas_pass_opts_t *o,
    maas_err_t *err);

/*
 * The rewrites that a graph gets before its gradients are made, so that
 * these are of whole operators: what exporters spell out becomes
 * LayerNormalization, Gelu, HardSwish and Attention.  Takes nothing away:
 * values that the caller knows are all still there.
 */
maas_status_t maas_passes_before_grad(maas_graph_t *g,
    const maas_pass_opts_t *o, maas_err_t *err);


/* -- for passes ---------------------------------------------------------- */

/* Fills uses, producer and consumer for the graph as it is. */
maas_status_t maas_pass_index(maas_pass_t *p);

/* The only node that reads v, once, and v is no output; else NULL. */
maas_node_t *maas_pass_only_user(const maas_pass_t *p, maas_vid_t v);

bool maas_pass_is_output(const maas_graph_t *g, maas_vid_t v);

static inline bool
maas_pass_is(const maas_node_t *n, const char *op)
{
    return n->op != NULL && n->op->domain[0] == '\0'
           && strcmp(n->op->name, op) == 0;
}

/* A constant's value with plain bytes, or NULL. */
const maas_value_t *maas_pass_const(const maas_graph_t *g, maas_vid_t v);

/* A constant with plain bytes, or a parameter that is trained. */
static inline bool
maas_pass_weight(const maas_graph_t *g, maas_vid_t v)
{
    return maas_pass_const(g, v) != NULL
           || (v != MAAS_NOVAL && g->value[v].role == MAAS_ROLE_PARAM);
}

/*
 * BatchNormalization as it is served: scale, bias, mean and variance are
 * float32 constants.
 */
bool maas_pass_norm(const maas_pass_t *p, const maas_node_t *n);

/* A float32 constant of one element. */
bool maas_pass_scalar(const maas_graph_t *g, maas_vid_t v, float *f);

/* The node that makes v, when its operator is `op` (NULL: any), or NULL. */
const maas_node_t *maas_pass_maker(const maas_pass_t *p, maas_vid_t v,
    const char *op);

/* The member of an attribute in the node's struct; NULL: it has none. */
const void *maas_pass_attr(const maas_node_t *n, const char *name);
bool maas_pass_attr_int(const maas_node_t *n, const char *name, int64_t *i);

/* The attribute of a node, a list of integers or a word, for another one. */
maas_raw_attr_t maas_pass_attr_list(const maas_node_t *n, const char *name);
maas_raw_attr_t maas_pass_attr_word(const maas_node_t *n, const char *name);

/*
 * Appends a node with one new output of the given type (NULL: to be
 * inferred).  The order of nodes is mended by maas_pass_sort().
 */
maas_status_t maas_pass_emit(maas_pass_t *p, const char *domain,
    const char *op, const maas_raw_attr_t *attr, uint32_t n_attr,
    const maas_vid_t *in, uint32_t n_in, const maas_type_t *type,
    maas_vid_t *out);

/* Node i gets another operator; its outputs, and types of them, stay. */
maas_status_t maas_pass_become(maas_pass_t *p, uint32_t i,
    const char *domain, const char *op, const maas_raw_attr_t *attr,
    uint32_t n_attr, const maas_vid_t *in, uint32_t n_in);

static inline maas_raw_attr_t
maas_pass_int(const char *name, int64_t i)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .i = i,
                               .type = MAAS_ATTR_INT };
}

static inline maas_raw_attr_t
maas_pass_float(const char *name, float f)
{
    return (maas_raw_attr_t) { .name = { name, strlen(name) }, .f = f,
                               .type = MAAS_ATTR_FLOAT };
}

/* A deleted node: op NULL, until maas_pass_sort() takes it away. */
static inline void
maas_pass_delete(maas_node_t *n)
{
    n->op = NULL;
    n->n_in = 0;
    n->n_out = 0;
    n->n_body = 0;
    n->n_post = 0;
}

/* Deleted nodes go, the others stand in an order that can be run. */
maas_status_t maas_pass_sort(maas_pass_t *p);

/*
 * Computes a node all of whose inputs are constants; its outputs become
 * constants.  MAAS_ELIMIT without text: too large for the budget.
 */
maas_status_t maas_pass_fold_node(maas_pass_t *p, maas_node_t *n);

/*
 * codes.c: float32 constants that were 8-bit numbers and are to be so in the
 * image.  Will this node's result be one?
 */
bool maas_codes_wanted(const maas_pass_t *p, const maas_node_t *n);

/* The 8-bit numbers of such a node's result, of this shape. */
maas_status_t maas_codes_make(maas_pass_t *p, const maas_node_t *n,
    const maas_tensor_t *out, const maas_codes_t **codes);

/*
 * The constant in 8-bit panels: a value of its own.  MAAS_NOVAL: a column has
 * more than one scale, or it can't be packed so.
 */
maas_status_t maas_codes_pack(maas_pass_t *p, const maas_pack_t *how,
    maas_vid_t from, maas_vid_t *to);

/* Those of matrices of `rows` rows side by side: k x n each, or n x k. */
maas_status_t maas_codes_join(maas_pass_t *p, const maas_vid_t *v,
    const bool *transposed, uint32_t n, const maas_codes_t **codes);

/* What is still read as float32 gets its DequantizeLinear back. */
maas_status_t maas_codes_restore(maas_pass_t *p);

/* packing.c: packs the constants of node i that its operator wants packed. */
maas_status_t maas_pass_pack_node(maas_pass_t *p, uint32_t i);

/* postop.c: is node n a post-op of what makes its input i? */
bool maas_pass_as_post(const maas_pass_t *p, const maas_node_t *n, int i,
    maas_post_t *post);

/* The kinds of post-ops that some kernel of the operator takes. */
uint32_t maas_pass_posts(const maas_op_t *op);

#endif
