/*
 * planframe.c: values, frames, storages and operands of a plan that is
 * being built.  See planframe.h.
 *
 * Ownership: frames lie in plan->mem, the rest is the builder's.
 * Threads:   one thread per plan.
 */

#include "graph/planframe.h"


/* A plan may not eat the worker: its own tables are bounded. */
#define PLAN_MEM_MAX  (256u << 20)


maas_status_t
plan_room_in(plan_build_t *b, uint32_t n)
{
    if (n <= b->cap_in) {
        return MAAS_OK;
    }

    n = maas_max(n, b->cap_in * 2);

    b->val = maas_arena_array(&b->tmp, n, sizeof(*b->val));
    b->in = maas_arena_array(&b->tmp, n, sizeof(*b->in));
    b->type = maas_arena_array(&b->tmp, n, sizeof(*b->type));
    b->formal = maas_arena_array(&b->tmp, n, sizeof(*b->formal));
    b->infer_in = maas_arena_array(&b->tmp, n, sizeof(*b->infer_in));
    b->ival = maas_arena_array(&b->tmp, n,
                               MAAS_IVAL_MAX * sizeof(maas_dim_t));

    if (b->val == NULL || b->in == NULL || b->type == NULL
        || b->formal == NULL || b->infer_in == NULL || b->ival == NULL)
    {
        return maas_err_nomem(b->err);
    }

    b->cap_in = n;
    return MAAS_OK;
}


maas_status_t
plan_room_out(plan_build_t *b, uint32_t n)
{
    if (n <= b->cap_out) {
        return MAAS_OK;
    }

    n = maas_max(n, b->cap_out * 2);

    b->oval = maas_arena_array(&b->tmp, n, sizeof(*b->oval));
    b->out = maas_arena_array(&b->tmp, n, sizeof(*b->out));
    b->infer_out = maas_arena_array(&b->tmp, n, sizeof(*b->infer_out));
    b->out_ival = maas_arena_array(&b->tmp, n,
                                   MAAS_IVAL_MAX * sizeof(maas_dim_t));

    if (b->oval == NULL || b->out == NULL || b->infer_out == NULL
        || b->out_ival == NULL)
    {
        return maas_err_nomem(b->err);
    }

    b->cap_out = n;
    return MAAS_OK;
}


static maas_status_t
plan_scratch(plan_build_t *b)
{
    uint32_t             in = 8, out = 8;
    const maas_graph_t  *g;

    for (uint32_t i = 0; i < b->src->n_graph; i++) {
        g = b->src->graph[i];

        for (uint32_t j = 0; j < g->n_node; j++) {
            in = maas_max(in, (uint32_t) g->node[j].n_in);
            out = maas_max(out, (uint32_t) g->node[j].n_out);
        }
    }

    for (int i = 0; i <= MAAS_KIND_OPTIONAL; i++) {
        b->list[i].kind = (uint8_t) i;
        b->list[i].rank = -1;
    }

    MAAS_TRY(plan_room_in(b, in));
    return plan_room_out(b, out);
}


maas_status_t
plan_begin(plan_build_t *b, const maas_plan_src_t *src, maas_plan_t *parent,
    maas_err_t *err)
{
    maas_plan_t  *p;

    memset(b, 0, sizeof(plan_build_t));
    b->src = src;
    b->err = err;
    maas_arena_init(&b->tmp, src->host, PLAN_MEM_MAX);

    p = maas_calloc(src->host, 1, sizeof(maas_plan_t));
    if (p == NULL) {
        return maas_err_nomem(err);
    }

    atomic_init(&p->refs, 1);
    maas_arena_init(&p->mem, src->host, PLAN_MEM_MAX);
    b->plan = p;

    if (parent != NULL) {
        atomic_fetch_add(&parent->refs, 1);
        p->parent = parent;
        p->level = parent->level + 1;
    }

    b->frame = maas_arena_array(&p->mem, PLAN_DEPTH_MAX,
                                sizeof(plan_frame_t));
    b->idle = maas_arena_array(&b->tmp, src->n_graph, sizeof(*b->idle));
    if (b->frame == NULL || b->idle == NULL) {
        return maas_err_nomem(err);
    }

    return plan_scratch(b);
}


maas_status_t
plan_end(plan_build_t *b, maas_status_t rc, maas_plan_t **out)
{
    const maas_host_t  *host = b->src->host;

    maas_arena_destroy(&b->tmp);
    *out = NULL;

    if (rc != MAAS_OK) {
        maas_plan_release(b->plan, host);
        return rc;
    }

    *out = b->plan;
    return MAAS_OK;
}


/* -- values -------------------------------------------------------------- */

void
plan_val_set(plan_val_t *v, const maas_tensor_t *t, uint8_t kind)
{
    uint32_t  uses = v->uses;

    memset(v, 0, sizeof(plan_val_t));
    v->t = *t;
    v->kind = kind;
    v->uses = uses;
    v->off = UINT64_MAX;
    v->storage = -1;
}


void
plan_val_alias(plan_val_t *to, const plan_val_t *from)
{
    uint32_t  uses = to->uses;

    *to = *from;
    to->uses = uses;
}


static void
plan_refs(plan_build_t *b, const plan_val_t *v, uint32_t uses)
{
    if (v->storage >= 0) {
        b->storage_refs[v->storage] += uses;
    }

    for (uint32_t i = 0; i < v->n_item; i++) {
        plan_refs(b, &v->item[i], uses);
    }
}


void
plan_val_ref(plan_build_t *b, const plan_val_t *v)
{
    plan_refs(b, v, v->uses);
}


static void
plan_unref(plan_build_t *b, const plan_val_t *v, uint32_t step)
{
    if (v->storage >= 0) {
        b->storage_refs[v->storage]--;
        b->storage[v->storage].last = maas_max(b->storage[v->storage].last,
                                               step);
    }

    for (uint32_t i = 0; i < v->n_item; i++) {
        plan_unref(b, &v->item[i], step);
    }
}


void
plan_use(plan_build_t *b, plan_val_t *v, uint32_t step)
{
    v->uses--;
    plan_unref(b, v, step);
}


void
plan_hold(plan_build_t *b, plan_val_t *v)
{
    v->uses = 1;
    plan_refs(b, v, 1);
}


void
plan_consume(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    uint32_t step)
{
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] != MAAS_NOVAL) {
            plan_use(b, &f->val[n->in[i]], step);
        }
    }
}


/* -- growing tables ------------------------------------------------------ */

static maas_status_t
plan_grow(plan_build_t *b, maas_arena_t *a, void *array, uint32_t n,
    uint32_t *cap, size_t size)
{
    void      *p, **slot = array;
    uint32_t   want;

    if (n < *cap) {
        return MAAS_OK;
    }

    want = *cap ? *cap * 2 : 64;

    p = maas_arena_array(a, want, size);
    if (p == NULL) {
        return maas_err_nomem(b->err);
    }

    if (n != 0) {
        memcpy(p, *slot, n * size);
    }

    *slot = p;
    *cap = want;
    return MAAS_OK;
}


maas_status_t
plan_storage(plan_build_t *b, uint64_t bytes, uint32_t step, int32_t *out)
{
    uint32_t  cap = b->cap_storage;

    MAAS_TRY(plan_grow(b, &b->tmp, &b->storage_refs, b->n_storage, &cap,
                       sizeof(uint32_t)));
    MAAS_TRY(plan_grow(b, &b->tmp, &b->storage, b->n_storage,
                       &b->cap_storage, sizeof(maas_storage_t)));

    b->storage[b->n_storage] = (maas_storage_t) {
        .bytes = bytes, .first = step, .last = step
    };
    b->storage_refs[b->n_storage] = 0;
    *out = (int32_t) b->n_storage++;

    return MAAS_OK;
}


maas_status_t
plan_add_step(plan_build_t *b, const maas_plan_step_t *s)
{
    MAAS_TRY(plan_grow(b, &b->plan->mem, &b->plan->step, b->plan->n_step,
                       &b->cap_step, sizeof(maas_plan_step_t)));

    b->plan->step[b->plan->n_step++] = *s;
    return MAAS_OK;
}


/* Where the table says, or would say, that the contents have a place. */
static uint32_t *
plan_const_slot(const plan_build_t *b, const void *data, uint64_t bytes)
{
    uint32_t             mask = b->cap_const_at - 1, *slot;
    uint64_t             h = ((uintptr_t) data ^ bytes << 1)
                             * 0x9e3779b97f4a7c15u;
    const plan_const_t  *c;

    for (h >>= 32; /* void */ ; h++) {
        slot = &b->const_at[h & mask];
        if (*slot == 0) {
            return slot;
        }

        c = &b->consts[*slot - 1];
        if (c->data == data && c->bytes == bytes) {
            return slot;
        }
    }
}


static maas_status_t
plan_const_room(plan_build_t *b)
{
    MAAS_TRY(plan_grow(b, &b->tmp, &b->consts, b->n_const, &b->cap_const,
                       sizeof(plan_const_t)));

    if (b->n_const < b->cap_const_at / 2) {
        return MAAS_OK;
    }

    b->cap_const_at = b->cap_const * 2;
    b->const_at = maas_arena_array(&b->tmp, b->cap_const_at,
                                   sizeof(uint32_t));
    if (b->const_at == NULL) {
        return maas_err_nomem(b->err);
    }

    for (uint32_t i = 0; i < b->n_const; i++) {
        *plan_const_slot(b, b->consts[i].data, b->consts[i].bytes) = i + 1;
    }

    return MAAS_OK;
}


/*
 * A place among the plan's constants for contents that a step reads: one for
 * all values that are them, such as what every iteration captures.
 */
static maas_status_t
plan_const_place(plan_build_t *b, plan_val_t *v)
{
    uint32_t  *slot;

    if (v->off != UINT64_MAX) {
        return MAAS_OK;
    }

    MAAS_TRY(plan_const_room(b));

    slot = plan_const_slot(b, v->t.data, v->t.bytes);
    v->index = b->plan->level;

    if (*slot != 0) {
        v->off = b->consts[*slot - 1].off;
        return MAAS_OK;
    }

    v->off = b->plan->const_bytes;
    b->consts[b->n_const++] = (plan_const_t) { v->t.data, v->t.bytes,
                                               v->off };
    b->plan->const_bytes += maas_align(v->t.bytes, MAAS_ALIGN);
    *slot = b->n_const;

    return MAAS_OK;
}


maas_status_t
plan_operand_of(plan_build_t *b, plan_val_t *v, maas_operand_t *o)
{
    memset(o, 0, sizeof(maas_operand_t));

    if (v == NULL) {
        return MAAS_OK;
    }

    if (v->at == MAAS_AT_PLAN) {
        MAAS_TRY(plan_const_place(b, v));
    }

    o->at = v->at;
    o->dtype = v->t.dtype;
    o->rank = v->t.rank;
    o->format = v->t.format;
    o->index = v->index;
    o->off = v->storage >= 0 ? (uint64_t) v->storage : v->off;
    o->delta = v->at == MAAS_AT_PLAN ? 0 : v->delta;
    o->bytes = v->t.bytes;
    memcpy(o->dims, v->t.dims, sizeof(o->dims));

    return MAAS_OK;
}


maas_status_t
plan_operand(plan_build_t *b, plan_val_t *v)
{
    maas_operand_t  o;

    MAAS_TRY(plan_operand_of(b, v, &o));
    MAAS_TRY(plan_grow(b, &b->plan->mem, &b->plan->operand,
                       b->plan->n_operand, &b->cap_operand,
                       sizeof(maas_operand_t)));

    b->plan->operand[b->plan->n_operand++] = o;
    return MAAS_OK;
}


maas_status_t
plan_consts(plan_build_t *b)
{
    char         *p;
    maas_plan_t  *plan = b->plan;

    if (plan->const_bytes == 0) {
        return MAAS_OK;
    }

    p = maas_arena_alloc(&plan->mem, plan->const_bytes + MAAS_ALIGN);
    if (p == NULL) {
        return maas_err_nomem(b->err);
    }

    plan->consts = (void *) maas_align((uintptr_t) p, MAAS_ALIGN);

    for (uint32_t i = 0; i < b->n_const; i++) {
        if (b->consts[i].bytes != 0) {
            memcpy((char *) plan->consts + b->consts[i].off,
                   b->consts[i].data, b->consts[i].bytes);
        }
    }

    return MAAS_OK;
}


/* -- frames -------------------------------------------------------------- */

static void
plan_count_uses(const maas_graph_t *g, plan_val_t *val)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        for (int j = 0; j < g->node[i].n_in; j++) {
            if (g->node[i].in[j] != MAAS_NOVAL) {
                val[g->node[i].in[j]].uses++;
            }
        }
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        val[g->out[i]].uses++;
    }
}


void
plan_frame_reset(plan_build_t *b, plan_frame_t *f)
{
    plan_val_t           *v;
    maas_tensor_t         t;
    const maas_graph_t   *g = b->src->graph[f->graph];

    f->node = 0;
    memset(f->val, 0, g->n_value * sizeof(plan_val_t));
    plan_count_uses(g, f->val);

    for (uint32_t i = 0; i < g->n_value; i++) {
        v = &f->val[i];
        v->storage = -1;

        if (g->value[i].role == MAAS_ROLE_CONST
            || g->value[i].role == MAAS_ROLE_PARAM)
        {
            t = maas_value_tensor(&g->value[i]);

            /* A parameter has a place, and other contents at each run. */
            if (g->value[i].role == MAAS_ROLE_PARAM) {
                t.data = NULL;
            }

            plan_val_set(v, &t, g->value[i].type.kind);
            v->at = MAAS_AT_IMAGE;
            v->index = f->graph;
            v->off = i;
        }
    }
}


maas_status_t
plan_frame_enter(plan_build_t *b, uint32_t graph)
{
    plan_frame_t         *f;
    const maas_graph_t   *g = b->src->graph[graph];

    if (b->n_frame == PLAN_DEPTH_MAX) {
        return maas_err(b->err, MAAS_ELIMIT,
                        "bodies are nested deeper than %d",
                        PLAN_DEPTH_MAX);
    }

    f = &b->frame[b->n_frame];
    f->graph = graph;
    f->loop = NULL;
    f->val = b->idle[graph];
    b->idle[graph] = NULL;

    if (f->val == NULL) {
        f->val = maas_arena_array(&b->plan->mem, g->n_value + 1,
                                  sizeof(plan_val_t));
        if (f->val == NULL) {
            return maas_err_nomem(b->err);
        }
    }

    plan_frame_reset(b, f);
    b->n_frame++;

    return MAAS_OK;
}


void
plan_frame_leave(plan_build_t *b)
{
    plan_frame_t  *f = &b->frame[--b->n_frame];

    b->idle[f->graph] = f->val;
}


void
plan_val_input(plan_val_t *v, uint32_t i, size_t item)
{
    v->t.data = NULL;
    v->at = MAAS_AT_INPUT;
    v->index = i;
    v->off = item;

    /* The plan is for all texts that its key stands for. */
    if (v->t.dtype == MAAS_STRING) {
        v->t.bytes += maas_tensor_text_room(&v->t) - maas_tensor_text(&v->t);
    }
}


/* As of outputs: what is larger has no cost and no place. */
static maas_status_t
plan_check_input(plan_build_t *b, uint32_t i, const maas_tensor_t *t)
{
    int64_t  count = maas_dims_count(t->dims, t->rank);
    char     text[MAAS_DIMS_TEXT];

    if (count < 0 || (uint64_t) count > b->src->max_elements) {
        return maas_err(b->err, MAAS_ELIMIT,
                        "input %u of shape %s exceeds %llu elements", i,
                        maas_dims_text(text, t->dims, t->rank),
                        (unsigned long long) b->src->max_elements);
    }

    return MAAS_OK;
}


maas_status_t
plan_inputs(plan_build_t *b, const maas_tensor_t *in)
{
    uint8_t              kind;
    plan_val_t          *v;
    const maas_graph_t  *g = b->src->graph[0];

    MAAS_TRY(plan_frame_enter(b, 0));

    for (uint32_t i = 0; i < g->n_in; i++) {
        v = &b->frame[0].val[g->in[i]];
        kind = g->value[g->in[i]].type.kind;

        if (maas_kind_is_list(kind) != (in[i].format == MAAS_FMT_ITEMS)) {
            return maas_err(b->err, MAAS_EINVAL, "input %u is a %s, but %s "
                            "is given", i, maas_kind_name(kind),
                            maas_kind_is_list(kind) ? "a tensor" : "a list");
        }

        if (in[i].format == MAAS_FMT_ITEMS) {
            MAAS_TRY(plan_list_input(b, v, i, &in[i], kind));
            continue;
        }

        MAAS_TRY(plan_check_input(b, i, &in[i]));
        plan_val_set(v, &in[i], kind);
        plan_val_input(v, i, 0);
    }

    return MAAS_OK;
}
