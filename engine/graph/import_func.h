/*
 * import_func.h: private to graph/: what writing functions out consists of.
 *
 *   func_names.c   names inside functions, and what they become
 *   import_func.c  calls, attributes, bodies
 *
 * Ownership: what the new graph has lies in the graph's arena, the rest in
 *            im->tmp.
 * Threads:   one thread.
 */

#ifndef MAAS_IMPORT_FUNC_H
#define MAAS_IMPORT_FUNC_H

#include "graph/import.h"


#define FUNC_DEPTH_MAX  64              /* calls in calls */
#define FUNC_BODY_MAX   64              /* bodies in bodies */
#define FUNC_BYTES_MAX  ((size_t) 512 << 20)

/* What names inside a function, or inside a body of one, stand for. */
typedef struct func_names_s {
    const struct func_names_s  *outer;
    imp_table_t                 table;  /* node: index into to[] */
    maas_str_t                 *to;
    uint32_t                    n;
    uint32_t                    cap;
} func_names_t;

typedef struct func_call_s {
    const struct func_call_s  *outer;
    const maas_raw_func_t     *f;
    const maas_raw_node_t     *node;    /* the call, in its caller's names */
    maas_str_t                 name;    /* in front of inner names */
    int                        depth;
} func_call_t;

typedef struct {
    maas_import_t    *im;
    imp_table_t       used;             /* every name of a tensor there is */
    maas_raw_node_t  *node;             /* the graph that is written */
    uint32_t          n;
    uint32_t          cap;
    size_t            start;            /* bytes in use before */
    int               depth;            /* of bodies */
} func_t;


/* Every name in the graph and its bodies is taken from now on. */
maas_status_t func_use_graph(func_t *fn, const maas_raw_graph_t *g);

/* "call/name", with a number behind it when that is taken. */
maas_status_t func_fresh(func_t *fn, const func_call_t *call,
    maas_str_t name, maas_str_t *out);

maas_status_t func_names_init(func_t *fn, func_names_t *s,
    const func_names_t *outer, uint32_t room);

/* *had: it has a meaning in this very scope already, which stays. */
maas_status_t func_bind(func_t *fn, func_names_t *s, maas_str_t name,
    maas_str_t to, bool *had);

/* A fresh name for what the function or its body makes; what: for errors. */
maas_status_t func_make(func_t *fn, const func_call_t *call,
    func_names_t *s, maas_str_t name, const char *what);

/* What names stand for; s NULL, outside of functions: themselves. */
maas_status_t func_name(func_t *fn, const func_names_t *s, maas_str_t name,
    maas_str_t *out);
maas_status_t func_name_list(func_t *fn, const func_names_t *s,
    const maas_str_t *in, uint32_t n, maas_str_t **out);

#endif
