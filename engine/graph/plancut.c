/*
 * plancut.c: where a plan ends because only a run can tell how it goes on:
 * the contents of a value decide shapes or a branch, or a node's data how
 * much it will give.  A cut plan keeps its frames; its child goes on with
 * them and with what the run has read.
 *
 * Ownership: frames lie in plan->mem; a child copies those of its parent.
 * Threads:   one thread builds a plan.
 */

#include "graph/planframe.h"


#define PLAN_NEED_MAX  (64u << 10)


maas_status_t
plan_need_contents(plan_build_t *b, maas_vid_t v)
{
    b->need_what = MAAS_NEED_CONTENTS;
    b->need_val = v;
    return MAAS_NEED;
}


maas_status_t
plan_need_extent(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    plan_val_t         v = { 0 };
    maas_plan_step_t   s = { 0 };

    s.graph = f->graph;
    s.node = f->node;
    s.kernel = MAAS_KERNEL_EXTENT;
    s.operand = b->plan->n_operand;
    s.n_in = n->n_formal;
    s.n_out = 1;
    s.units = 1;
    s.scratch = maas_extent_scratch(n, b->in);
    s.shared = UINT64_MAX;

    for (int i = 0; i < n->n_formal; i++) {
        MAAS_TRY(plan_operand(b, n->in[i] == MAAS_NOVAL
                                 ? NULL : &f->val[n->in[i]]));
        s.cost += (double) b->in[i].bytes * 0.25;
    }

    v.t.dtype = MAAS_I64;
    v.t.rank = 1;
    v.t.dims[0] = n->op->n_extent;
    v.t.bytes = n->op->n_extent * sizeof(int64_t);
    v.at = MAAS_AT_ARENA;
    v.index = b->plan->level;

    MAAS_TRY(plan_storage(b, v.t.bytes, b->plan->n_step, &v.storage));
    b->storage_refs[v.storage] = 1;
    MAAS_TRY(plan_operand(b, &v));

    b->plan->need = b->plan->operand[b->plan->n_operand - 1];
    b->plan->scratch = maas_max(b->plan->scratch, s.scratch);
    b->plan->cost += s.cost;
    b->need_what = MAAS_NEED_EXTENT;

    MAAS_TRY(plan_add_step(b, &s));
    return MAAS_NEED;
}


/* What a value needs contents for is known: else a run would never end. */
static maas_status_t
plan_cut_contents(plan_build_t *b, plan_frame_t *f)
{
    plan_val_t          *v = &f->val[b->need_val];
    const maas_value_t  *value;

    value = &b->src->graph[f->graph]->value[b->need_val];

    if (v->t.data != NULL) {
        return maas_err(b->err, MAAS_EINTERNAL,
                        "the contents of '%.*s' are known, but do not settle "
                        "the shapes that they decide",
                        (int) value->name.len, value->name.data);
    }

    if (v->t.bytes > PLAN_NEED_MAX) {
        return maas_err(b->err, MAAS_ELIMIT,
                        "the contents of '%.*s' decide shapes, but have %zu "
                        "bytes; the limit is %u", (int) value->name.len,
                        value->name.data, v->t.bytes, PLAN_NEED_MAX);
    }

    return plan_operand_of(b, v, &b->plan->need);
}


maas_status_t
plan_cut(plan_build_t *b, plan_frame_t *f)
{
    b->plan->cut = true;
    b->plan->need_what = b->need_what;
    b->plan->need_val = b->need_val;

    return b->need_what == MAAS_NEED_CONTENTS ? plan_cut_contents(b, f)
                                              : MAAS_OK;
}


maas_status_t
plan_frames_keep(plan_build_t *b)
{
    plan_val_t           *v;
    const maas_graph_t   *g;

    b->plan->frames = b->frame;
    b->plan->n_frame = b->n_frame;

    for (uint32_t i = 0; i < b->n_frame; i++) {
        g = b->src->graph[b->frame[i].graph];

        for (uint32_t j = 0; j < g->n_value; j++) {
            v = &b->frame[i].val[j];

            if (v->storage >= 0) {
                v->off = b->storage[v->storage].off;
                v->index = b->plan->level;
                v->storage = -1;
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
plan_frames_copy(plan_build_t *b)
{
    plan_frame_t        *f;
    const maas_plan_t   *p = b->plan->parent;
    const maas_graph_t  *g;

    for (uint32_t i = 0; i < p->n_frame; i++) {
        f = &b->frame[i];
        *f = p->frames[i];
        g = b->src->graph[f->graph];

        f->val = maas_arena_dup(&b->plan->mem, f->val,
                                (g->n_value + 1) * sizeof(plan_val_t));
        if (f->val == NULL) {
            return maas_err_nomem(b->err);
        }

        for (uint32_t j = 0; j < g->n_value; j++) {
            if (f->val[j].at == MAAS_AT_PLAN) {
                f->val[j].off = UINT64_MAX;
            }
        }
    }

    b->n_frame = p->n_frame;
    return MAAS_OK;
}


maas_status_t
plan_resume(plan_build_t *b, const void *data)
{
    void               *copy;
    plan_val_t         *v;
    const maas_plan_t  *p = b->plan->parent;

    MAAS_TRY(plan_frames_copy(b));

    copy = maas_arena_alloc(&b->plan->mem, maas_max(p->need.bytes, 8u));
    if (copy == NULL) {
        return maas_err_nomem(b->err);
    }

    if (p->need.bytes != 0) {
        memcpy(copy, data, p->need.bytes);
    }

    if (p->need_what == MAAS_NEED_EXTENT) {
        b->extent = copy;
        return MAAS_OK;
    }

    v = &b->frame[b->n_frame - 1].val[p->need_val];
    v->t.data = copy;
    return MAAS_OK;
}
