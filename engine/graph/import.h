/*
 * import.h: private to graph/: what the stages of the importer share.
 *
 *   import_func.c    functions, written out where they are called
 *   import_names.c   names of a scope, free names of bodies, order of nodes
 *   upgrade.c        what operators' upgrade() may do to a raw node
 *   attr.c           attributes -> the operator's pointer-free struct
 *   formals.c        counts, presence and types of inputs and outputs
 *   import_body.c    bodies of control nodes and what they capture
 *   import.c         scopes and nodes
 *
 * Ownership: the graph's arena owns what remains; im->tmp what does not.
 * Threads:   one thread.
 */

#ifndef MAAS_IMPORT_H
#define MAAS_IMPORT_H

#include "graph/bodies.h"


/* A name for an error's text: at most 120 bytes of it. */
#define IMP_SHOW(s)  (int) maas_min((s).len, 120), ((s).data ? (s).data : "")

#define IMP_NONODE     UINT32_MAX
#define IMP_FUNCS_MAX  4096

typedef struct {
    maas_str_t  name;
    maas_vid_t  vid;            /* MAAS_NOVAL: its node is not built yet */
    uint32_t    node;           /* raw node that makes it; IMP_NONODE */
} imp_name_t;

/* Names of one scope: open addressing, grown at three quarters. */
typedef struct {
    maas_arena_t  *arena;
    imp_name_t    *slot;        /* name.data NULL: free */
    uint32_t       cap;
    uint32_t       n;
} imp_table_t;

bool imp_table_init(imp_table_t *t, maas_arena_t *a, uint32_t room);
imp_name_t *imp_table_find(const imp_table_t *t, maas_str_t name);

/* The entry of the name, new or not (*is_new); NULL: no memory. */
imp_name_t *imp_table_add(imp_table_t *t, maas_str_t name, bool *is_new);


typedef struct {
    maas_vid_t  outer;
    maas_vid_t  inner;
} imp_capture_t;

typedef struct imp_scope_s  imp_scope_t;

struct imp_scope_s {
    imp_scope_t             *parent;
    const maas_raw_graph_t  *raw;
    maas_graph_t            *g;
    imp_table_t              names;
    imp_capture_t           *capture;
    uint32_t                 n_capture;
    uint32_t                 cap_capture;
    uint32_t                 inferred;      /* nodes when last inferred */
};

/* A node that an upgrade emits behind the one it rewrites. */
typedef struct imp_after_s {
    struct imp_after_s  *next;
    maas_raw_node_t      node;
} imp_after_t;

struct maas_import_s {
    maas_arena_t            *arena;
    maas_arena_t             tmp;
    const maas_raw_model_t  *model;
    imp_scope_t             *scope;         /* being built */
    maas_err_t              *err;
    imp_after_t             *after;         /* behind the current node */
    uint32_t                 fresh;
    uint32_t                 infers;        /* early inferences so far */
};


/* The node as errors name it. */
maas_str_t imp_node_name(const maas_raw_node_t *n);

/* *g without calls of functions: itself when there are none. */
maas_status_t imp_functions(maas_import_t *im, const maas_raw_graph_t **g);

/* Indices of the raw nodes in an order that can be run. */
maas_status_t imp_sort(maas_import_t *im, imp_scope_t *sc, uint32_t **order);

/* Where a name is known, here or further out; NULL: nowhere. */
imp_name_t *imp_lookup(imp_scope_t *sc, maas_str_t name, imp_scope_t **at);

/* Gives a value number its name in the scope; it must not have one yet. */
maas_status_t imp_define(maas_import_t *im, imp_scope_t *sc, maas_str_t name,
    maas_vid_t vid);

/* Adds a node of the canonical opset to the scope that is being built. */
maas_status_t imp_build(maas_import_t *im, const maas_op_t *op,
    const maas_raw_node_t *n);

/* A node of operator Constant: no node, a constant with its output's name. */
maas_status_t imp_constant_node(maas_import_t *im, const maas_raw_node_t *n);

/* Builds a node that an upgrade emits. */
maas_status_t imp_emit(maas_import_t *im, const maas_raw_node_t *n);

/* Imports a graph into a scope whose parent is set; NULL: the model's own. */
maas_status_t imp_graph(maas_import_t *im, imp_scope_t *sc,
    const maas_raw_graph_t *raw);

/* The value of a body that stands for one of the enclosing scope. */
maas_status_t imp_capture(maas_import_t *im, imp_scope_t *sc, maas_str_t name,
    maas_vid_t outer, maas_vid_t *vid);

/* Imports the bodies of a node, in the order of the operator's rows. */
maas_status_t imp_bodies(maas_import_t *im, const maas_op_t *op,
    const maas_raw_node_t *n, imp_scope_t **body, uint32_t *n_body);

/* An If need not list the last outputs of its branches: none is wanted. */
maas_status_t imp_branch_outputs(maas_import_t *im, const imp_scope_t *body,
    uint32_t n_body, maas_raw_node_t *n);

/* Inputs of a node with bodies: its formals, then what is captured. */
maas_status_t imp_captures(maas_import_t *im, const maas_op_t *op,
    imp_scope_t *body, uint32_t n_body, maas_vid_t **in, uint32_t *n_in,
    uint32_t *n_formal);


/*
 * Parses attributes into the operator's struct with its lists behind it;
 * *attr is NULL when the operator has none.
 */
maas_status_t maas_attr_parse(maas_arena_t *a, const maas_op_t *op,
    const maas_raw_attr_t *raw, uint32_t n, void **attr, uint32_t *bytes,
    maas_err_t *err);

/* A 1-D (or, scalar, 0-D) string tensor. */
maas_status_t maas_strings_tensor(maas_arena_t *a, const maas_str_t *s,
    size_t n, bool scalar, maas_tensor_t *t, maas_err_t *err);

/* Numbers of inputs and outputs, and which are absent (len 0). */
maas_status_t maas_formals_count(const maas_op_t *op,
    const maas_raw_node_t *n, maas_err_t *err);

/*
 * dtypes and kinds of inputs against the formals; type[i] NULL: absent;
 * unknown dtypes pass.  float16 and bfloat16 pass where float32 does: they
 * are computed in it.
 */
maas_status_t maas_formals_types(const maas_op_t *op,
    const maas_type_t *const *type, uint32_t n, maas_err_t *err);

#endif
