/*
 * plan: a graph bound to concrete shapes.  Steps have kernels, operands have
 * addresses relative to a base; running is a loop over steps.
 *
 * Planning walks the nodes in order.  A node whose inputs' contents are
 * known is computed at once and disappears; a view shares its input's
 * storage; all others become steps.  Where an operator needs contents that
 * only a run can give, the plan is *cut*: the run computes what precedes,
 * reads the contents, and goes on with the child plan of those contents.
 * An If is replaced by the branch that its condition chooses.
 *
 * Ownership: a plan owns its arena; steps point into the model's graphs and
 * image.  Plans are counted: a cache and every run of them hold one.
 * Threads:   immutable after maas_plan_make(); the caller serialises making.
 */

#ifndef MAAS_PLAN_H
#define MAAS_PLAN_H

#include <stdatomic.h>

#include "graph/op.h"


typedef enum {
    MAAS_AT_NONE = 0,           /* absent */
    MAAS_AT_ARENA,              /* off in the arena of level `index` */
    MAAS_AT_INPUT,              /* input `index`; item `off` of a list */
    MAAS_AT_IMAGE,              /* constant: value `off` of graph `index` */
    MAAS_AT_PLAN,               /* off in the plan's own constants */
    MAAS_AT_CHAIN               /* rows of it, in the scratch of a chain */
} maas_at_t;

/* Pointer-free: lies in an image as it is. */
typedef struct {
    uint8_t   at;
    uint8_t   dtype;
    uint8_t   rank;
    uint8_t   format;
    uint32_t  index;
    uint64_t  off;
    uint64_t  delta;            /* bytes behind that: a slice */
    uint64_t  bytes;
    int64_t   dims[MAAS_RANK_MAX];
} maas_operand_t;

/* An output that is a list: its operands among the plan's outputs. */
typedef struct {
    uint8_t   kind;             /* maas_kind_t */
    uint8_t   inner;
    bool      has;
    uint32_t  first;
    uint32_t  n;
} maas_plan_list_t;

/* Instead of a kernel: the node's post-ops alone, on its output. */
#define MAAS_KERNEL_POST    UINT32_MAX

/* The node's extent(): counts what its outputs will hold. */
#define MAAS_KERNEL_EXTENT  (UINT32_MAX - 1)

typedef struct {
    uint32_t  graph;            /* index of the graph */
    uint32_t  node;
    uint32_t  kernel;           /* index into the operator's kernels */
    uint32_t  operand;          /* first; inputs, then outputs */
    uint16_t  n_in;
    uint16_t  n_out;
    uint32_t  chain;            /* see below; 0: the step stands alone */
    int64_t   units;
    uint64_t  scratch;          /* bytes for each thread */
    uint64_t  shared;           /* offset of shared bytes in the arena */
    double    cost;             /* ns */
} maas_plan_step_t;

/*
 * Steps that run as one, by bands of rows (chain.h): the first has their
 * number, and units, scratch and cost of all; the others have this, and no
 * units.
 */
#define MAAS_CHAINED  UINT32_MAX

/* What a plan is cut for. */
typedef enum {
    MAAS_NEED_CONTENTS = 0,     /* of a value */
    MAAS_NEED_EXTENT            /* of the next node's outputs */
} maas_need_t;

typedef struct maas_plan_s        maas_plan_t;
typedef struct maas_plan_frame_s  maas_plan_frame_t;

struct maas_plan_s {
    atomic_uint          refs;
    maas_arena_t         mem;
    maas_plan_t         *parent;        /* counted */
    uint32_t             level;         /* 0: of input shapes alone */
    uint32_t             n_step;
    uint32_t             n_operand;
    uint32_t             n_out;         /* operands; when not cut */
    uint32_t             n_list;        /* outputs that are lists */
    maas_plan_step_t    *step;
    maas_operand_t      *operand;
    maas_operand_t      *out;
    maas_plan_list_t    *list;          /* one an output, or NULL */
    void                *consts;        /* computed while planning */
    uint64_t             const_bytes;
    uint64_t             arena_bytes;
    uint64_t             tensor_bytes;  /* sum of storages, for reports */
    uint64_t             scratch;       /* largest of a thread */
    double               cost;
    double               flops;

    /* A cut: contents of this operand choose the child. */
    bool                 cut;
    maas_operand_t       need;
    uint8_t              need_what;     /* maas_need_t */
    uint32_t             need_val;      /* value of the last frame's graph */
    uint32_t             need_item;     /* of a list */
    maas_plan_frame_t   *frames;        /* where planning goes on */
    uint32_t             n_frame;

    /* The key: shapes of inputs, or the contents that chose the child. */
    uint8_t             *key;
    size_t               key_len;
    maas_plan_t         *children;
    uint32_t             n_child;
    maas_plan_t         *next;
    bool                 dropped;       /* no cache knows it any more */
    uint64_t             used;          /* tick of the last use */
    uint64_t             seen_ns;       /* time of it */
    uint32_t             hits;          /* uses after the first, aging */
    struct maas_run_ctx_s  *idle;       /* contexts that may be taken */
};

/* Which steps become chains; the others than AUTO are for tests. */
typedef enum {
    MAAS_CHAINS_AUTO = 0,       /* where it pays, by shapes */
    MAAS_CHAINS_OFF,
    MAAS_CHAINS_ALL             /* wherever it can be, a row at a time */
} maas_chains_t;

/* What a plan is made of. */
typedef struct {
    const maas_host_t      *host;
    maas_graph_t *const    *graph;      /* 0: main; bodies after it */
    uint32_t                n_graph;
    const maas_kernels_t   *k;
    uint64_t                max_elements;
    uint64_t                max_bytes;  /* of an arena; 0: none */
    uint8_t                 chains;     /* maas_chains_t */
} maas_plan_src_t;

/*
 * Root: in[] gives dtype and dims of every input.  The text of an error
 * names the node.
 */
maas_status_t maas_plan_make(maas_plan_t **out, const maas_plan_src_t *src,
    const maas_tensor_t *in, maas_err_t *err);

/* Child of a plan that was cut; data: contents of parent->need. */
maas_status_t maas_plan_child(maas_plan_t **out, const maas_plan_src_t *src,
    maas_plan_t *parent, const void *data, maas_err_t *err);

void maas_plan_release(maas_plan_t *p, const maas_host_t *host);

/* Which graph a body is. */
uint32_t maas_plan_graph(const maas_plan_src_t *src, const maas_graph_t *g);


/* -- memory planner ------------------------------------------------------ */

/* A piece of the arena that is needed in steps [first, last]. */
typedef struct {
    uint64_t  bytes;
    uint64_t  off;              /* the answer */
    uint32_t  first;
    uint32_t  last;
    uint32_t  into;             /* 1 + the piece that it is a slice of; 0 */
    uint64_t  delta;            /* bytes behind that piece's start */
} maas_storage_t;

/*
 * Gives offsets so that no two pieces whose steps overlap share bytes:
 * largest first, each at the lowest gap.  Returns the bytes in all.
 * order: room for 3 n numbers.
 */
uint64_t maas_memory_plan(maas_storage_t *s, uint32_t n, uint32_t *order);


/* What a step calls: "conv.gemmt.p16", "post", "extent". */
const char *maas_plan_kernel(const maas_node_t *n,
    const maas_plan_step_t *s);


/* -- one node, alone ----------------------------------------------------- */

/*
 * Chooses a kernel; in and out have dtype, format and dims, and constants
 * have data.  NULL: none takes it.
 */
const maas_kernel_row_t *maas_kernel_choose(const maas_node_t *n,
    const maas_kernels_t *k, const maas_tensor_t *in,
    const maas_tensor_t *out, maas_setup_t *u);

/* Post-ops as a step: its units, and its run. */
int64_t maas_post_units(const maas_node_t *n, const maas_tensor_t *out);
maas_status_t maas_post_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/*
 * Computes a node whose input contents are all given.  Outputs' data come
 * from `mem`; used by constant folding and while planning.
 */
maas_status_t maas_node_eval(const maas_node_t *n, const maas_kernels_t *k,
    const maas_tensor_t *in, maas_tensor_t *out, maas_arena_t *mem,
    const maas_host_t *host, maas_err_t *err);

/* The node's extent() over inputs whose contents are all given. */
maas_status_t maas_node_extent(const maas_node_t *n, const maas_kernels_t *k,
    const maas_tensor_t *in, int64_t *extent, const maas_host_t *host,
    maas_err_t *err);

/* Bytes of scratch that it takes. */
size_t maas_extent_scratch(const maas_node_t *n, const maas_tensor_t *in);

/*
 * Bytes of a tensor by dtype, dims and format; false on overflow.  str_bytes:
 * of the text of strings, or of panels, which dims do not tell.
 */
bool maas_tensor_size(const maas_tensor_t *t, size_t str_bytes,
    size_t *bytes);

#endif
