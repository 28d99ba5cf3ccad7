/*
 * exec: running a plan.  A context is one run's memory: arena, scratch for
 * every member of the team, and the steps with their addresses filled in.
 * Running allocates nothing, logs nothing and takes no lock.
 *
 * Ownership: a context owns its memory, its child contexts and a reference
 *            to its plan.
 * Threads:   a context belongs to one run at a time.
 */

#ifndef MAAS_EXEC_H
#define MAAS_EXEC_H

#include "base/team.h"
#include "graph/plan.h"


typedef struct maas_run_ctx_s  maas_run_ctx_t;

struct maas_run_ctx_s {
    maas_plan_t      *plan;
    maas_graph_t *const  *graph;    /* of the model */
    maas_run_ctx_t   *parent;       /* of the plan that was cut */
    maas_run_ctx_t   *children;
    maas_run_ctx_t   *next;
    uint32_t          slots;
    size_t            bytes;        /* all that this context holds */
    char             *arena;
    char             *scratch;
    size_t            scratch_step; /* bytes from slot to slot */
    maas_tensor_t    *tensor;       /* one an operand */
    maas_step_t      *step;
    maas_run_pt      *run;
    maas_items_t     *list;         /* outputs that are lists, ... */
    maas_tensor_t    *item;         /* ... and their tensors */
    maas_err_t       *err;          /* one a slot */
    uint64_t          turn;         /* of steps, begun */
    size_t            rested;       /* bytes that maas_ctx_rest() gave back */
    uint64_t          idle_ns;      /* when its last run ended */
    uintptr_t         user[8];      /* for whoever takes the context */
};

/* slots: members that may take part.  parent NULL for a root plan. */
maas_status_t maas_ctx_create(maas_run_ctx_t **out,
    const maas_plan_src_t *src, maas_plan_t *plan, maas_run_ctx_t *parent,
    uint32_t slots, maas_err_t *err);
void maas_ctx_destroy(maas_run_ctx_t *c, const maas_host_t *host);

/* Bytes that create() would take; UINT64_MAX on overflow. */
uint64_t maas_ctx_bytes(const maas_plan_t *plan, uint32_t slots);

/*
 * Bytes of whole pages of arena and scratch that a context may have; 0 when
 * they are not worth a call.  Children are not looked at.
 */
size_t maas_ctx_pages(const maas_run_ctx_t *c);

/*
 * Gives pages of an idle context back to the system, `most` bytes at a call;
 * how many, 0: none are left.  They stay allocated: a run finds zeros there,
 * as it may find anything.
 */
size_t maas_ctx_rest(maas_run_ctx_t *c, size_t most);

typedef struct {
    const maas_tensor_t  *in;       /* inputs of the run */
    maas_team_t          *team;
    maas_lease_t         *lease;    /* NULL: this thread alone */
    const atomic_bool    *cancel;   /* may be NULL */
    const maas_exchange_t  *exchange;       /* of a training; may be NULL */
    maas_err_t           *err;
} maas_exec_t;

/* Runs the steps of one context: inputs(), then step() in order. */
maas_status_t maas_ctx_run(maas_run_ctx_t *c, const maas_exec_t *x);
void maas_ctx_inputs(maas_run_ctx_t *c, const maas_exec_t *x);
maas_status_t maas_ctx_step(maas_run_ctx_t *c, const maas_exec_t *x,
    uint32_t i);

/*
 * Output i of a plan that is not cut.  A list: *t has format MAAS_FMT_ITEMS;
 * its items lie in the context.
 */
void maas_ctx_output(const maas_run_ctx_t *c, const maas_plan_src_t *src,
    uint32_t i, const maas_tensor_t *in, maas_tensor_t *t);

/* The tensor of an operand as seen from this context. */
void maas_ctx_tensor(const maas_run_ctx_t *c, const maas_plan_src_t *src,
    const maas_operand_t *o, const maas_tensor_t *in, maas_tensor_t *t);

#endif
