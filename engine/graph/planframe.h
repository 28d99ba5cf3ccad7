/*
 * planframe.h: private to planning: values, frames and storages.
 *
 *   planframe.c   values, storages, operands, constants, frames
 *   planlist.c    sequences, maps and optionals
 *   planloop.c    control flow: branches, iterations
 *   plancut.c     where a plan ends, and how its child goes on
 *   plan.c        the walk over the nodes
 *   planslice.c   outputs that are slices of a later one
 *   planchain.c   steps that run as one, by bands of rows
 *   planfinish.c  outputs, and places for all
 *
 * A frame is one graph being walked: the main graph, or a body.  A storage
 * is a piece of the arena; values that are views of each other share one.
 * storage_refs counts the uses that are still to come: at 0 the piece is
 * free after the current step.
 *
 * Ownership: frames and their values lie in plan->mem, since a plan that is
 * cut keeps them for its children; the rest belongs to the builder.
 */

#ifndef MAAS_PLANFRAME_H
#define MAAS_PLANFRAME_H

#include "graph/bodies.h"
#include "graph/infer.h"
#include "graph/plan.h"


typedef struct plan_val_s  plan_val_t;

struct plan_val_s {
    maas_tensor_t  t;           /* data: contents, when known */
    uint8_t        kind;
    uint8_t        at;          /* maas_at_t */
    uint8_t        inner;       /* OPTIONAL: the kind that it holds */
    bool           has;         /* OPTIONAL: it holds something */
    uint32_t       index;       /* as maas_operand_t; PLAN: see off */
    uint64_t       off;         /* PLAN: UINT64_MAX until it has a place */
    uint64_t       delta;       /* bytes behind that: a slice */
    int32_t        storage;     /* of this plan; -1 */
    uint32_t       uses;        /* still to come */
    uint32_t       n_item;      /* of a list */
    plan_val_t    *item;
};

/* An iteration of a body. */
typedef struct {
    maas_body_t   n;
    int64_t       trip;         /* of this iteration, from 0 */
    int64_t       trips;        /* at most */
    plan_val_t   *carried;      /* for the next iteration */
    plan_val_t  **scanned;      /* by output, then trip */
    uint32_t      room;
} plan_loop_t;

typedef struct maas_plan_frame_s {
    uint32_t      graph;
    uint32_t      node;         /* next */
    plan_val_t   *val;
    plan_loop_t  *loop;         /* NULL: main graph, or a branch */
} plan_frame_t;

#define PLAN_DEPTH_MAX  32

typedef struct {
    const void  *data;
    uint64_t     bytes;
    uint64_t     off;
} plan_const_t;

typedef struct {
    const maas_plan_src_t  *src;
    maas_plan_t            *plan;
    maas_err_t             *err;
    maas_arena_t            tmp;

    plan_frame_t           *frame;      /* a stack */
    uint32_t                n_frame;
    bool                    entered;    /* a body was begun */

    /* A cut, as in maas_plan_t; extent: what it gave for the next node. */
    uint8_t                 need_what;
    maas_vid_t              need_val;
    uint32_t                need_item;
    const int64_t          *extent;

    maas_storage_t         *storage;
    uint32_t               *storage_refs;
    uint32_t                n_storage;
    uint32_t                cap_storage;

    plan_const_t           *consts;
    uint32_t                n_const;
    uint32_t                cap_const;
    uint32_t               *const_at;   /* by address: 1 + index; 0: none */
    uint32_t                cap_const_at;
    size_t                  eval_read;  /* bytes, by what was computed */
    plan_val_t            **idle;       /* by graph: values of no frame */

    uint32_t                cap_step;
    uint32_t                cap_operand;

    /*
     * One node's worth: the node with its lists spread out (flat's counts,
     * not its arrays), and for each input and output the value.
     */
    maas_node_t             flat;
    uint32_t                cap_in;
    uint32_t                cap_out;
    plan_val_t            **val;
    plan_val_t            **oval;
    maas_tensor_t          *in;
    maas_tensor_t          *out;
    maas_type_t            *type;
    const maas_type_t     **formal;     /* by input of the node */
    maas_type_t             list[MAAS_KIND_OPTIONAL + 1];
    maas_infer_in_t        *infer_in;
    maas_infer_out_t       *infer_out;
    maas_dim_t             *ival;
    maas_dim_t             *out_ival;
} plan_build_t;


/* -- planframe.c --------------------------------------------------------- */

maas_status_t plan_begin(plan_build_t *b, const maas_plan_src_t *src,
    maas_plan_t *parent, maas_err_t *err);

/* Frees the builder; on failure the plan too.  Returns rc. */
maas_status_t plan_end(plan_build_t *b, maas_status_t rc, maas_plan_t **out);

/* Room for a node of so many tensors. */
maas_status_t plan_room_in(plan_build_t *b, uint32_t n);
maas_status_t plan_room_out(plan_build_t *b, uint32_t n);

/* Item `item` of input i of the run. */
void plan_val_input(plan_val_t *v, uint32_t i, size_t item);
void plan_val_set(plan_val_t *v, const maas_tensor_t *t, uint8_t kind);

/* Where a value is, without its count of uses. */
void plan_val_alias(plan_val_t *to, const plan_val_t *from);

/* All uses of a value to come; one use less. */
void plan_val_ref(plan_build_t *b, const plan_val_t *v);
void plan_use(plan_build_t *b, plan_val_t *v, uint32_t step);

/* One use that no node has: until it is dropped. */
void plan_hold(plan_build_t *b, plan_val_t *v);

void plan_consume(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    uint32_t step);

maas_status_t plan_storage(plan_build_t *b, uint64_t bytes, uint32_t step,
    int32_t *out);

/* v NULL: absent. */
maas_status_t plan_operand(plan_build_t *b, plan_val_t *v);
maas_status_t plan_operand_of(plan_build_t *b, plan_val_t *v,
    maas_operand_t *o);
maas_status_t plan_add_step(plan_build_t *b, const maas_plan_step_t *s);
maas_status_t plan_consts(plan_build_t *b);

/* The values of a frame before anything ran; uses are counted. */
void plan_frame_reset(plan_build_t *b, plan_frame_t *f);
maas_status_t plan_frame_enter(plan_build_t *b, uint32_t graph);

/* The last frame ends; its values serve the next one of its graph. */
void plan_frame_leave(plan_build_t *b);
maas_status_t plan_inputs(plan_build_t *b, const maas_tensor_t *in);


/* -- planlist.c ---------------------------------------------------------- */

static inline bool
plan_is_list(const plan_val_t *v)
{
    return maas_kind_is_list(v->kind);
}

/* Items for a list, all zero, in plan->mem. */
maas_status_t plan_items(plan_build_t *b, plan_val_t *v, uint32_t n);

/* Input i of a run as a list. */
maas_status_t plan_list_input(plan_build_t *b, plan_val_t *v, uint32_t i,
    const maas_tensor_t *in, uint8_t kind);

/* A node with select(): no step. */
maas_status_t plan_select(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n);

/* Values of the node into b->val and b->oval, those of lists in a row. */
maas_status_t plan_inputs_spread(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n);
maas_status_t plan_outputs_spread(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n);


/* -- planloop.c ---------------------------------------------------------- */

/* Enters the body of a control node, or MAAS_NEED. */
maas_status_t plan_control(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n);

/* The end of a body: the next iteration, or back to the outer frame. */
maas_status_t plan_return(plan_build_t *b);

/* Copies a loop into this plan's memory. */
maas_status_t plan_loop_copy(plan_build_t *b, plan_frame_t *f);


/* -- plancut.c ----------------------------------------------------------- */

/* The plan ends here: MAAS_NEED. */
maas_status_t plan_need_contents(plan_build_t *b, maas_vid_t v,
    uint32_t item);

/* Contents of input i of the node whose lists are spread out. */
maas_status_t plan_need_input(plan_build_t *b, const plan_frame_t *f,
    const maas_node_t *n, int i);

/* The same, behind a step that counts: the inputs are loaded. */
maas_status_t plan_need_extent(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n);

/* Closes the plan that is cut; f: the frame that was worked on. */
maas_status_t plan_cut(plan_build_t *b, plan_frame_t *f);
maas_status_t plan_frames_keep(plan_build_t *b);
maas_status_t plan_vals_copy(plan_build_t *b, plan_val_t **val, uint32_t n);
maas_status_t plan_resume(plan_build_t *b, const void *data);


/* -- plan.c -------------------------------------------------------------- */

/* Puts the node before the text of the error. */
maas_status_t plan_err_node(plan_build_t *b, const maas_node_t *n,
    maas_status_t rc);

/* Loads b->val into what infer() and kernels see. */
void plan_load(plan_build_t *b);

/* A step of b->flat over b->val, into b->oval; post-ops, in-place. */
maas_status_t plan_step(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n, bool consume);


/* -- planfinish.c -------------------------------------------------------- */

maas_status_t plan_finish(plan_build_t *b);


/* -- planchain.c --------------------------------------------------------- */

/* Joins steps to chains; the operands have no offsets yet. */
maas_status_t plan_chains(plan_build_t *b);


/*
 * The inputs of the current node become slices of storage `output`, where
 * they can; true: all of them did.  join() before storages are placed gives
 * the bytes and steps of slices to what they lie in; place() after it.
 */
bool plan_slices(plan_build_t *b, int32_t output);
void plan_slices_join(plan_build_t *b);
void plan_slices_place(plan_build_t *b);

/*
 * Outputs that are parts of input 0, from byte `at` on: values in its storage
 * if they can be; false: none of them is.
 */
bool plan_cuts(plan_build_t *b, size_t at);

#endif
