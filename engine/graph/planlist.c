/*
 * planlist.c: sequences, maps and optionals.  A list is known while planning
 * as the values it holds; making it and taking it apart moves no byte.
 *
 * Ownership: items lie in plan->mem.
 * Threads:   one thread builds a plan.
 */

#include "graph/planframe.h"


maas_status_t
plan_items(plan_build_t *b, plan_val_t *v, uint32_t n)
{
    v->n_item = n;
    v->item = maas_arena_array(&b->plan->mem, maas_max(n, 1u),
                               sizeof(plan_val_t));
    if (v->item == NULL) {
        return maas_err_nomem(b->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        v->item[i].storage = -1;
    }

    return MAAS_OK;
}


/* A list without a place of its own. */
static void
plan_list_set(plan_val_t *v, uint8_t kind, uint8_t inner, bool has)
{
    maas_tensor_t  none = { 0 };

    plan_val_set(v, &none, kind);
    v->inner = inner;
    v->has = has;
}


maas_status_t
plan_list_input(plan_build_t *b, plan_val_t *v, uint32_t i,
    const maas_tensor_t *in, uint8_t kind)
{
    plan_val_t          *p;
    const maas_items_t  *l = in->data;

    plan_list_set(v, kind, l->inner, l->has);
    MAAS_TRY(plan_items(b, v, l->n));

    for (uint32_t j = 0; j < l->n; j++) {
        p = &v->item[j];
        plan_val_set(p, &l->item[j], MAAS_KIND_TENSOR);
        plan_val_input(p, i, j);
    }

    return MAAS_OK;
}


/* -- select() ------------------------------------------------------------ */

/* Tensors of an input: the items of a list, or itself. */
static uint32_t
select_count(const plan_val_t *v)
{
    return plan_is_list(v) ? v->n_item : 1;
}


static maas_status_t
select_inputs(plan_build_t *b, const plan_frame_t *f, const maas_node_t *n,
    maas_select_t *c)
{
    uint32_t          at = 0;
    plan_val_t       *v;
    maas_items_in_t  *in;

    in = maas_arena_array(&b->tmp, maas_max(n->n_in, 1), sizeof(*in));
    if (in == NULL) {
        return maas_err_nomem(b->err);
    }

    for (int i = 0; i < n->n_in; i++) {
        in[i].absent = n->in[i] == MAAS_NOVAL;
        if (in[i].absent) {
            at++;
            continue;
        }

        v = &f->val[n->in[i]];
        in[i].kind = v->kind;
        in[i].inner = v->inner;
        in[i].has = v->has;
        in[i].n = select_count(v);
        in[i].tensor = &b->infer_in[at];
        at += in[i].n;
    }

    c->node = n;
    c->attr = n->attr;
    c->n_in = n->n_in;
    c->in = in;
    c->err = b->err;
    c->pick = maas_arena_array(&b->tmp, maas_max(at, 1u), sizeof(*c->pick));

    return c->pick != NULL ? MAAS_OK : maas_err_nomem(b->err);
}


static maas_status_t
select_scalar(plan_build_t *b, const maas_select_t *c, plan_val_t *v)
{
    void           *p;
    maas_tensor_t   t = { 0 };

    p = maas_arena_alloc(&b->plan->mem, sizeof(int64_t));
    if (p == NULL) {
        return maas_err_nomem(b->err);
    }

    if (c->dtype == MAAS_BOOL) {
        *(uint8_t *) p = c->value != 0;
    } else {
        *(int64_t *) p = c->value;
    }

    t.dtype = c->dtype;
    t.bytes = c->dtype == MAAS_BOOL ? 1 : sizeof(int64_t);
    t.data = p;

    plan_val_set(v, &t, MAAS_KIND_TENSOR);
    v->at = MAAS_AT_PLAN;

    return MAAS_OK;
}


/* The tensor that was picked. */
static const plan_val_t *
select_pick(const plan_frame_t *f, const maas_node_t *n,
    const maas_pick_t *pick)
{
    const plan_val_t  *v = &f->val[n->in[pick->in]];

    return plan_is_list(v) ? &v->item[pick->item] : v;
}


static maas_status_t
select_output(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    const maas_select_t *c)
{
    plan_val_t  *v = &f->val[n->out[0]];

    if (c->dtype != MAAS_NODTYPE) {
        return select_scalar(b, c, v);
    }

    if (c->kind == MAAS_KIND_TENSOR) {
        plan_val_alias(v, select_pick(f, n, &c->pick[0]));
        plan_val_ref(b, v);
        return MAAS_OK;
    }

    plan_list_set(v, c->kind, c->inner, c->has);
    MAAS_TRY(plan_items(b, v, c->n));

    for (uint32_t i = 0; i < c->n; i++) {
        plan_val_alias(&v->item[i], select_pick(f, n, &c->pick[i]));
        v->item[i].uses = 0;
    }

    plan_val_ref(b, v);
    return MAAS_OK;
}


maas_status_t
plan_select(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    maas_select_t  c = { 0 };
    maas_status_t  rc;

    MAAS_TRY(select_inputs(b, f, n, &c));

    rc = n->op->select(&c);

    if (rc == MAAS_NEED) {
        return plan_need_contents(b, n->in[c.need], 0);
    }

    MAAS_TRY(rc);

    if (n->out[0] != MAAS_NOVAL) {
        MAAS_TRY(select_output(b, f, n, &c));
    }

    plan_consume(b, f, n, b->plan->n_step);
    return MAAS_OK;
}


/* -- a node's values in a row -------------------------------------------- */

maas_status_t
plan_inputs_spread(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    uint32_t     at = 0, total = 0;
    plan_val_t  *v;

    b->flat = *n;

    for (int i = 0; i < n->n_in; i++) {
        total += n->in[i] != MAAS_NOVAL ? select_count(&f->val[n->in[i]])
                                        : 1;
    }

    if (total > UINT16_MAX) {
        return maas_err(b->err, MAAS_ELIMIT, "%u tensors are given; the "
                        "limit is %u", total, UINT16_MAX);
    }

    MAAS_TRY(plan_room_in(b, total));

    for (int i = 0; i < n->n_in; i++) {
        v = n->in[i] != MAAS_NOVAL ? &f->val[n->in[i]] : NULL;

        if (v == NULL || !plan_is_list(v)) {
            b->val[at++] = v;
            continue;
        }

        for (uint32_t j = 0; j < v->n_item; j++) {
            b->val[at++] = &v->item[j];
        }
    }

    b->flat.n_formal = (uint16_t) (n->n_formal + total - n->n_in);
    b->flat.n_in = (uint16_t) total;

    plan_load(b);
    return MAAS_OK;
}


/* Output 0 becomes a sequence of as many tensors as items() says. */
static maas_status_t
spread_items(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    int64_t        count = 0;
    plan_val_t    *v = &f->val[n->out[0]];
    maas_infer_t   c = { 0 };
    maas_status_t  rc;

    c.node = n;
    c.attr = n->attr;
    c.n_in = b->flat.n_formal;
    c.in = b->infer_in;
    c.err = b->err;

    rc = n->op->items(&c, &count);

    if (rc == MAAS_NEED) {
        return plan_need_input(b, f, n, c.need);
    }

    MAAS_TRY(rc);

    if (count < 0 || count > UINT16_MAX) {
        return maas_err(b->err, MAAS_ELIMIT, "a sequence of %lld tensors; "
                        "the limit is %u", (long long) count, UINT16_MAX);
    }

    plan_list_set(v, MAAS_KIND_SEQUENCE, 0, false);
    MAAS_TRY(plan_items(b, v, (uint32_t) count));
    MAAS_TRY(plan_room_out(b, (uint32_t) count));

    for (int64_t i = 0; i < count; i++) {
        v->item[i].uses = v->uses;
        b->oval[i] = &v->item[i];
    }

    b->flat.n_out = (uint16_t) count;
    return MAAS_OK;
}


maas_status_t
plan_outputs_spread(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    if (n->op->items != NULL && n->out[0] != MAAS_NOVAL) {
        return spread_items(b, f, n);
    }

    for (int i = 0; i < n->n_out; i++) {
        b->oval[i] = n->out[i] != MAAS_NOVAL ? &f->val[n->out[i]] : NULL;
    }

    return MAAS_OK;
}
