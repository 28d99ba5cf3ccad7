/*
 * trees_file.h: a forest as a file lists it, with numbers of nodes instead
 * of identifiers: what trees_old.c and trees_modern.c read, trees_layout.c
 * lays out and trees_import.c gives to the new node.  Private to them.
 *
 * Ownership: all lists lie in the arena of ti_t, or in the raw node.
 * Threads:   one thread.
 */

#ifndef MAAS_TREES_FILE_H
#define MAAS_TREES_FILE_H

#include "ops/trees.h"


typedef enum {
    TREE_LEQ = 0, TREE_LT, TREE_GTE, TREE_GT, TREE_EQ, TREE_NEQ, TREE_MEMBER,
    TREE_LEAF
} tree_mode_t;

/* A list of floats, or a tensor of float16, float32 or float64. */
typedef struct {
    size_t       n;
    int          dtype;
    const void  *data;
} ti_real_t;

/* A node of the file; children are numbers of nodes. */
typedef struct {
    double    value;
    int32_t   feature;
    uint8_t   mode;             /* tree_mode_t */
    bool      missing;          /* NaN goes the way of true */
    uint32_t  yes;
    uint32_t  no;
    uint32_t  set;              /* MEMBER: first of its values, and how many */
    uint32_t  n_set;
} ti_node_t;

typedef struct {
    maas_arena_t    arena;
    maas_err_t     *err;
    bool            classify;
    bool            modern;         /* TreeEnsemble: output of X's type */
    bool            wide;           /* some list is float64 */
    int64_t         targets;

    ti_node_t      *node;
    size_t          n;
    uint32_t       *root;
    size_t          n_root;
    uint32_t       *first;          /* weights of node i: [i] to [i + 1] */
    tree_weight_t  *weight;
    size_t          n_weight;
    double         *set;            /* values of sets, each ascending */
    size_t          n_set;
    ti_real_t       base;

    /* Laid out: the inputs of maas.Trees, in int64s. */
    const void     *input[TREES_INPUTS];
    size_t          size[TREES_INPUTS];
    bool            large;
    trees_leaf_t    leaf;
} ti_t;


/* Attributes. */
maas_status_t ti_list(ti_t *t, const maas_raw_node_t *n, const char *name,
    maas_attr_type_t type, size_t want, bool may_lack,
    const maas_raw_attr_t **out);
maas_status_t ti_ints(ti_t *t, const maas_raw_node_t *n, const char *name,
    size_t want, bool may_lack, const int64_t **out);

/* `name` (NULL: none), or the tensor; any length. */
maas_status_t ti_reals(ti_t *t, const maas_raw_node_t *n, const char *name,
    const char *tensor, ti_real_t *out);
double ti_real(const ti_real_t *r, size_t i);

/* The two forms. */
maas_status_t ti_read_old(ti_t *t, const maas_raw_node_t *n);
maas_status_t ti_read_modern(ti_t *t, const maas_raw_node_t *n);

/* Checks that these are trees and fills what is laid out. */
maas_status_t ti_layout(ti_t *t, bool sums);

#endif
