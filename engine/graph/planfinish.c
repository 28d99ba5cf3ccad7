/*
 * planfinish.c: the last stage of planning: operands of the outputs, places
 * of storages and constants, and the operands that learn them.
 *
 * Ownership: what the plan keeps lies in plan->mem.
 * Threads:   one thread builds a plan.
 */

#include "graph/planframe.h"


/* Operands of the outputs, those of lists spread out. */
static maas_status_t
plan_outputs(plan_build_t *b)
{
    plan_val_t          *v;
    maas_plan_t         *p = b->plan;
    const maas_graph_t  *g = b->src->graph[0];

    for (uint32_t i = 0; i < g->n_out; i++) {
        v = &b->frame[0].val[g->out[i]];
        p->n_list += plan_is_list(v);
        p->n_out += plan_is_list(v) ? v->n_item : 1;
    }

    p->out = maas_arena_array(&p->mem, p->n_out + 1, sizeof(maas_operand_t));
    p->list = maas_arena_array(&p->mem, g->n_out + 1,
                               sizeof(maas_plan_list_t));
    if (p->out == NULL || p->list == NULL) {
        return maas_err_nomem(b->err);
    }

    p->n_out = 0;

    for (uint32_t i = 0; i < g->n_out; i++) {
        v = &b->frame[0].val[g->out[i]];

        p->list[i] = (maas_plan_list_t) { v->kind, v->inner, v->has,
                                          p->n_out, v->n_item };

        if (!plan_is_list(v)) {
            MAAS_TRY(plan_operand_of(b, v, &p->out[p->n_out++]));
            continue;
        }

        for (uint32_t j = 0; j < v->n_item; j++) {
            MAAS_TRY(plan_operand_of(b, &v->item[j], &p->out[p->n_out++]));
        }
    }

    return MAAS_OK;
}


static void
plan_patch(const plan_build_t *b, maas_operand_t *o)
{
    if (o->at == MAAS_AT_ARENA && o->index == b->plan->level) {
        o->off = b->storage[o->off].off;
    }
}


/* Offsets for the storages; then every operand learns its own. */
maas_status_t
plan_finish(plan_build_t *b)
{
    uint32_t     *order;
    maas_plan_t  *p = b->plan;

    if (!p->cut) {
        MAAS_TRY(plan_outputs(b));
    }

    MAAS_TRY(plan_consts(b));
    MAAS_TRY(plan_chains(b));

    order = maas_arena_array(&b->tmp, b->n_storage + 1,
                             3 * sizeof(uint32_t));
    if (order == NULL) {
        return maas_err_nomem(b->err);
    }

    plan_slices_join(b);

    for (uint32_t i = 0; i < b->n_storage; i++) {
        p->tensor_bytes += b->storage[i].bytes;

        if (b->storage_refs[i] != 0) {
            b->storage[i].last = UINT32_MAX;
        }
    }

    p->arena_bytes = maas_memory_plan(b->storage, b->n_storage, order);
    plan_slices_place(b);

    if (b->src->max_bytes != 0 && p->arena_bytes > b->src->max_bytes) {
        return maas_err(b->err, MAAS_ELIMIT,
                        "these shapes need %llu bytes of working memory; "
                        "the limit is %llu",
                        (unsigned long long) p->arena_bytes,
                        (unsigned long long) b->src->max_bytes);
    }

    for (uint32_t i = 0; i < p->n_operand; i++) {
        plan_patch(b, &p->operand[i]);
    }

    for (uint32_t i = 0; i < p->n_step; i++) {
        if (p->step[i].shared != UINT64_MAX) {
            p->step[i].shared = b->storage[p->step[i].shared].off;
        }
    }

    if (p->cut) {
        plan_patch(b, &p->need);
        return plan_frames_keep(b);
    }

    for (uint32_t i = 0; i < p->n_out; i++) {
        plan_patch(b, &p->out[i]);
    }

    return MAAS_OK;
}
