/*
 * planframe.h: private to planning: values, frames and storages.
 *
 * A frame is one graph being walked: the main graph, or the branch of an If
 * that its condition chose.  A storage is a piece of the arena; values that
 * are views of each other share one.  storage_refs counts the uses that are
 * still to come: at 0 the piece is free after the current step.
 *
 * Ownership: frames and their values lie in plan->mem, since a plan that is
 * cut keeps them for its children; the rest belongs to the builder.
 */

#ifndef MAAS_PLANFRAME_H
#define MAAS_PLANFRAME_H

#include "graph/infer.h"
#include "graph/plan.h"


typedef struct {
    maas_tensor_t  t;           /* data: contents, when known */
    uint8_t        kind;
    uint8_t        at;          /* maas_at_t */
    uint32_t       index;       /* as maas_operand_t; PLAN: see off */
    uint64_t       off;         /* PLAN: UINT64_MAX until it has a place */
    int32_t        storage;     /* of this plan; -1 */
    uint32_t       uses;        /* still to come */
} plan_val_t;

typedef struct maas_plan_frame_s {
    uint32_t     graph;
    uint32_t     node;          /* next */
    plan_val_t  *val;
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
    bool                    entered;    /* a branch was begun */

    /* A cut, as in maas_plan_t; extent: what it gave for the next node. */
    uint8_t                 need_what;
    maas_vid_t              need_val;
    const int64_t          *extent;

    maas_storage_t         *storage;
    uint32_t               *storage_refs;
    uint32_t                n_storage;
    uint32_t                cap_storage;

    plan_const_t           *consts;
    uint32_t                n_const;
    uint32_t                cap_const;

    uint32_t                cap_step;
    uint32_t                cap_operand;

    /* One node's worth. */
    maas_tensor_t          *in;
    maas_tensor_t          *out;
    maas_type_t            *type;
    maas_infer_in_t        *infer_in;
    maas_infer_out_t       *infer_out;
    maas_dim_t             *ival;
    maas_dim_t             *out_ival;
} plan_build_t;


maas_status_t plan_begin(plan_build_t *b, const maas_plan_src_t *src,
    maas_plan_t *parent, maas_err_t *err);
maas_status_t plan_inputs(plan_build_t *b, const maas_tensor_t *in);

/* Frees the builder; on failure the plan too.  Returns rc. */
maas_status_t plan_end(plan_build_t *b, maas_status_t rc, maas_plan_t **out);

void plan_val_set(plan_val_t *v, const maas_tensor_t *t, uint8_t kind);
void plan_val_ref(plan_build_t *b, const plan_val_t *v);
void plan_consume(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    uint32_t step);

maas_status_t plan_storage(plan_build_t *b, uint64_t bytes, uint32_t step,
    int32_t *out);

/* v NULL: absent. */
maas_status_t plan_operand(plan_build_t *b, plan_val_t *v);
maas_status_t plan_operand_of(plan_build_t *b, plan_val_t *v,
    maas_operand_t *o);
maas_status_t plan_add_step(plan_build_t *b, const maas_plan_step_t *s);

/* If: enters the branch, or MAAS_NEED. */
maas_status_t plan_control(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n);
void plan_return(plan_build_t *b);

maas_status_t plan_consts(plan_build_t *b);


/* -- plancut.c ----------------------------------------------------------- */

/* The plan ends here: MAAS_NEED. */
maas_status_t plan_need_contents(plan_build_t *b, maas_vid_t v);

/* The same, behind a step that counts: the inputs are loaded. */
maas_status_t plan_need_extent(plan_build_t *b, plan_frame_t *f,
    const maas_node_t *n);

/* Closes the plan that is cut; f: the frame that was worked on. */
maas_status_t plan_cut(plan_build_t *b, plan_frame_t *f);
maas_status_t plan_frames_keep(plan_build_t *b);
maas_status_t plan_resume(plan_build_t *b, const void *data);

#endif
