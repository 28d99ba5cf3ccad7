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
plan_need_contents(plan_build_t *b, maas_vid_t v, uint32_t item)
{
    b->need_what = MAAS_NEED_CONTENTS;
    b->need_val = v;
    b->need_item = item;
    return MAAS_NEED;
}


maas_status_t
plan_need_input(plan_build_t *b, const plan_frame_t *f, const maas_node_t *n,
    int i)
{
    uint32_t           items, at = (uint32_t) i;
    const plan_val_t  *v;

    for (int j = 0; j < n->n_in; j++) {
        v = n->in[j] != MAAS_NOVAL ? &f->val[n->in[j]] : NULL;
        items = v != NULL && plan_is_list(v) ? v->n_item : 1;

        if (at < items) {
            return plan_need_contents(b, n->in[j], at);
        }

        at -= items;
    }

    return maas_err(b->err, MAAS_EINTERNAL, "input %d is not there", i);
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
    s.n_in = b->flat.n_formal;
    s.n_out = 1;
    s.units = 1;
    s.scratch = maas_extent_scratch(&b->flat, b->in);
    s.shared = UINT64_MAX;

    for (int i = 0; i < b->flat.n_formal; i++) {
        MAAS_TRY(plan_operand(b, b->val[i]));
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


/* The value, or the item of a list, whose contents are wanted. */
static plan_val_t *
plan_needed(plan_frame_t *f, maas_vid_t vid, uint32_t item)
{
    plan_val_t  *v = &f->val[vid];

    return plan_is_list(v) ? &v->item[item] : v;
}


/* Contents that are known must settle it: else a run would never end. */
static maas_status_t
plan_cut_contents(plan_build_t *b, plan_frame_t *f)
{
    plan_val_t          *v = &f->val[b->need_val];
    const maas_value_t  *value;

    value = &b->src->graph[f->graph]->value[b->need_val];

    if (plan_is_list(v) && b->need_item >= v->n_item) {
        return maas_err(b->err, MAAS_EINVAL, "'%.*s' is a %s; a tensor is "
                        "expected", (int) value->name.len, value->name.data,
                        maas_kind_name(v->kind));
    }

    v = plan_needed(f, b->need_val, b->need_item);

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
    b->plan->need_item = b->need_item;

    return b->need_what == MAAS_NEED_CONTENTS ? plan_cut_contents(b, f)
                                              : MAAS_OK;
}


/* Storages have offsets now; what is kept names those. */
static void
plan_val_keep(const plan_build_t *b, plan_val_t *v)
{
    if (v->storage >= 0) {
        v->off = b->storage[v->storage].off;
        v->index = b->plan->level;
        v->storage = -1;
    }

    for (uint32_t i = 0; i < v->n_item; i++) {
        plan_val_keep(b, &v->item[i]);
    }
}


static void
plan_loop_keep(const plan_build_t *b, plan_loop_t *l)
{
    for (uint32_t i = 0; i < l->n.carried && l->trip != 0; i++) {
        plan_val_keep(b, &l->carried[i]);
    }

    for (uint32_t i = 0; i < l->n.scanned; i++) {
        for (int64_t j = 0; j < l->trip; j++) {
            plan_val_keep(b, &l->scanned[i][j]);
        }
    }
}


maas_status_t
plan_frames_keep(plan_build_t *b)
{
    const maas_graph_t  *g;

    b->plan->frames = b->frame;
    b->plan->n_frame = b->n_frame;

    for (uint32_t i = 0; i < b->n_frame; i++) {
        g = b->src->graph[b->frame[i].graph];

        for (uint32_t j = 0; j < g->n_value; j++) {
            plan_val_keep(b, &b->frame[i].val[j]);
        }

        if (b->frame[i].loop != NULL) {
            plan_loop_keep(b, b->frame[i].loop);
        }
    }

    return MAAS_OK;
}


/* Copies the values' lists; constants get a place in this plan. */
maas_status_t
plan_vals_copy(plan_build_t *b, plan_val_t **val, uint32_t n)
{
    plan_val_t  *v;

    *val = maas_arena_dup(&b->plan->mem, *val,
                          maas_max(n, 1u) * sizeof(plan_val_t));
    if (*val == NULL) {
        return maas_err_nomem(b->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        v = &(*val)[i];

        if (v->at == MAAS_AT_PLAN) {
            v->off = UINT64_MAX;
        }

        if (v->n_item != 0) {
            MAAS_TRY(plan_vals_copy(b, &v->item, v->n_item));
        }
    }

    return MAAS_OK;
}


static maas_status_t
plan_frames_copy(plan_build_t *b)
{
    plan_frame_t       *f;
    const maas_plan_t  *p = b->plan->parent;

    for (uint32_t i = 0; i < p->n_frame; i++) {
        f = &b->frame[i];
        *f = p->frames[i];

        MAAS_TRY(plan_vals_copy(b, &f->val,
                                b->src->graph[f->graph]->n_value));

        if (f->loop != NULL) {
            MAAS_TRY(plan_loop_copy(b, f));
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

    v = plan_needed(&b->frame[b->n_frame - 1], p->need_val, p->need_item);
    v->t.data = copy;
    return MAAS_OK;
}
