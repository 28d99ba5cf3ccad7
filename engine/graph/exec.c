/*
 * exec.c: contexts and the loop over steps.  See exec.h.
 *
 * A step is split over the lease's members when it is worth it; alone, it is
 * cut into pieces of about half a millisecond, so that a cancel is seen soon.
 */

#include <sys/mman.h>

#include "graph/chain.h"
#include "graph/exec.h"


#define EXEC_PAGE      4096
#define EXEC_REST      65536        /* bytes; fewer are kept */
#define EXEC_SPLIT_NS  8000.0       /* below this a split costs more */
#define EXEC_PIECE_NS  500000.0     /* between two looks at cancel */


/* -- contexts ------------------------------------------------------------ */

typedef struct {
    size_t  tensor, step, run, list, item, err, arena;
    size_t  scratch, scratch_step, total;
} ctx_layout_t;


static bool
ctx_layout(const maas_plan_t *p, uint32_t slots, ctx_layout_t *l)
{
    size_t  at = maas_align(sizeof(maas_run_ctx_t), MAAS_ALIGN);

    l->tensor = at;
    at += maas_align(p->n_operand * sizeof(maas_tensor_t), MAAS_ALIGN);
    l->step = at;
    at += maas_align(p->n_step * sizeof(maas_step_t), MAAS_ALIGN);
    l->run = at;
    at += maas_align(p->n_step * sizeof(maas_run_pt), MAAS_ALIGN);
    l->list = at;
    at += maas_align(p->n_list * sizeof(maas_items_t), MAAS_ALIGN);
    l->item = at;
    at += p->n_list == 0 ? 0
          : maas_align(p->n_out * sizeof(maas_tensor_t), MAAS_ALIGN);
    l->err = at;
    at += maas_align(slots * sizeof(maas_err_t), MAAS_ALIGN);

    if (p->arena_bytes > SIZE_MAX / 4 || p->scratch > SIZE_MAX / 4096) {
        return false;
    }

    l->arena = at;
    at += maas_align(p->arena_bytes, MAAS_ALIGN);
    l->scratch = at;
    l->scratch_step = maas_align(p->scratch, MAAS_ALIGN) + MAAS_ALIGN;
    at += l->scratch_step * slots;
    l->total = at + MAAS_ALIGN;

    return true;
}


uint64_t
maas_ctx_bytes(const maas_plan_t *plan, uint32_t slots)
{
    ctx_layout_t  l;

    return ctx_layout(plan, slots, &l) ? l.total : UINT64_MAX;
}


static const maas_run_ctx_t *
ctx_level(const maas_run_ctx_t *c, uint32_t level)
{
    while (c->plan->level != level) {
        c = c->parent;
    }

    return c;
}


/* Where an input of this run lies; in NULL: not known yet. */
static void
ctx_input(const maas_operand_t *o, const maas_tensor_t *in, maas_tensor_t *t)
{
    const maas_tensor_t  *from;

    t->data = NULL;

    if (in == NULL) {
        return;
    }

    from = &in[o->index];

    if (from->format == MAAS_FMT_ITEMS) {
        from = &((const maas_items_t *) from->data)->item[o->off];
    }

    t->data = (char *) from->data + o->delta;

    /* The text of strings is as long as it is in this run. */
    if (o->dtype == MAAS_STRING) {
        t->bytes = from->bytes;
    }
}


void
maas_ctx_tensor(const maas_run_ctx_t *c, const maas_plan_src_t *src,
    const maas_operand_t *o, const maas_tensor_t *in, maas_tensor_t *t)
{
    t->bytes = o->bytes;
    t->dtype = o->dtype;
    t->rank = o->rank;
    t->format = o->format;
    memcpy(t->dims, o->dims, sizeof(t->dims));

    switch (o->at) {
    case MAAS_AT_ARENA:
        t->data = ctx_level(c, o->index)->arena + o->off + o->delta;
        break;
    case MAAS_AT_IMAGE:
        t->data = (char *) src->graph[o->index]->value[o->off].data
                  + o->delta;
        break;
    case MAAS_AT_PLAN:
        t->data = (char *) ctx_level(c, o->index)->plan->consts + o->off;
        break;
    case MAAS_AT_INPUT:
        ctx_input(o, in, t);
        break;
    default:                    /* NONE, CHAIN */
        t->data = NULL;
    }
}


void
maas_ctx_output(const maas_run_ctx_t *c, const maas_plan_src_t *src,
    uint32_t i, const maas_tensor_t *in, maas_tensor_t *t)
{
    maas_items_t            *l = c->list;
    const maas_plan_t       *p = c->plan;
    const maas_plan_list_t  *list = &p->list[i];

    /* A plan out of an image has no lists. */
    if (p->list == NULL || !maas_kind_is_list(list->kind)) {
        maas_ctx_tensor(c, src, &p->out[p->list != NULL ? list->first : i],
                        in, t);
        return;
    }

    for (uint32_t j = 0; j < i; j++) {
        l += maas_kind_is_list(p->list[j].kind);
    }

    for (uint32_t j = list->first; j < list->first + list->n; j++) {
        maas_ctx_tensor(c, src, &p->out[j], in, &c->item[j]);
    }

    l->item = c->item + list->first;
    l->n = list->n;
    l->kind = list->kind;
    l->inner = list->inner;
    l->has = list->has;

    memset(t, 0, sizeof(*t));
    t->format = MAAS_FMT_ITEMS;
    t->rank = 1;
    t->dims[0] = list->n;
    t->dtype = list->n != 0 ? l->item[0].dtype : MAAS_NODTYPE;
    t->data = l;
}


/* Does the next step apply the post-ops of step i? */
static bool
ctx_posts_apart(const maas_plan_t *p, uint32_t i)
{
    return i + 1 < p->n_step && p->step[i].kernel != MAAS_KERNEL_POST
           && p->step[i + 1].kernel == MAAS_KERNEL_POST
           && p->step[i + 1].graph == p->step[i].graph
           && p->step[i + 1].node == p->step[i].node;
}


static void
ctx_bind(maas_run_ctx_t *c, const maas_plan_src_t *src)
{
    maas_step_t             *s;
    const maas_node_t       *n;
    const maas_plan_t       *p = c->plan;
    const maas_plan_step_t  *ps;

    for (uint32_t i = 0; i < p->n_operand; i++) {
        maas_ctx_tensor(c, src, &p->operand[i], NULL, &c->tensor[i]);
    }

    for (uint32_t i = 0; i < p->n_step; i++) {
        ps = &p->step[i];
        s = &c->step[i];
        n = &src->graph[ps->graph]->node[ps->node];

        s->attr = n->attr;
        s->k = src->k;
        s->in = &c->tensor[ps->operand];
        s->out = s->in + ps->n_in;
        s->post = n->post;
        s->n_in = ps->n_in;
        s->n_formal = ps->kernel == MAAS_KERNEL_EXTENT ? ps->n_in
                      : ps->n_in - (n->n_in - n->n_formal);
        s->n_out = ps->n_out;
        s->n_post = ctx_posts_apart(p, i) ? 0 : n->n_post;
        s->units = ps->units;
        s->shared = ps->shared != UINT64_MAX ? c->arena + ps->shared : NULL;
        s->chain = ps->chain;
        s->kernel = ps->kernel < n->op->n_kernel
                    ? &n->op->kernel[ps->kernel] : NULL;
        c->run[i] = ps->chain != 0 ? maas_chain_run
                    : ps->kernel == MAAS_KERNEL_POST ? maas_post_run
                    : ps->kernel == MAAS_KERNEL_EXTENT ? n->op->extent
                    : s->kernel->run;
    }
}


maas_status_t
maas_ctx_create(maas_run_ctx_t **out, const maas_plan_src_t *src,
    maas_plan_t *plan, maas_run_ctx_t *parent, uint32_t slots,
    maas_err_t *err)
{
    char            *mem, *p;
    ctx_layout_t     l;
    maas_run_ctx_t  *c;

    if (!ctx_layout(plan, slots, &l)
        || (mem = maas_alloc(src->host, l.total + sizeof(void *))) == NULL)
    {
        return maas_err_nomem(err);
    }

    /* The block's own address lies before the aligned context. */
    p = (char *) maas_align((uintptr_t) mem + sizeof(void *), MAAS_ALIGN);
    ((void **) p)[-1] = mem;
    memset(p, 0, l.arena);

    c = (maas_run_ctx_t *) p;
    c->plan = plan;
    c->graph = src->graph;
    c->parent = parent;
    c->slots = slots;
    c->bytes = l.total;
    c->tensor = (maas_tensor_t *) (p + l.tensor);
    c->step = (maas_step_t *) (p + l.step);
    c->run = (maas_run_pt *) (p + l.run);
    c->list = (maas_items_t *) (p + l.list);
    c->item = (maas_tensor_t *) (p + l.item);
    c->err = (maas_err_t *) (p + l.err);
    c->arena = p + l.arena;
    c->scratch = p + l.scratch;
    c->scratch_step = l.scratch_step;

    for (uint32_t i = 0; i < slots; i++) {
        memset(c->scratch + (i + 1) * l.scratch_step - MAAS_ALIGN, 0,
               MAAS_ALIGN);
    }

    atomic_fetch_add(&plan->refs, 1);
    ctx_bind(c, src);

    *out = c;
    return MAAS_OK;
}


void
maas_ctx_destroy(maas_run_ctx_t *c, const maas_host_t *host)
{
    maas_run_ctx_t  *child;

    if (c == NULL) {
        return;
    }

    while ((child = c->children) != NULL) {
        c->children = child->next;
        maas_ctx_destroy(child, host);
    }

    maas_plan_release(c->plan, host);
    maas_free(host, ((void **) c)[-1]);
}


/* -- giving back --------------------------------------------------------- */

static uintptr_t
ctx_pages_end(const maas_run_ctx_t *c)
{
    uintptr_t  end = (uintptr_t) c->scratch + c->slots * c->scratch_step;

    return end - end % EXEC_PAGE - c->rested;
}


size_t
maas_ctx_pages(const maas_run_ctx_t *c)
{
    uintptr_t  end = ctx_pages_end(c);
    uintptr_t  first = maas_align((uintptr_t) c->arena, EXEC_PAGE);

    return end < first + (c->rested != 0 ? 0 : EXEC_REST) ? 0 : end - first;
}


/*
 * From the end backwards, so that `rested` says which.  MADV_FREE would cost
 * the next run less, but the pages would count as this process's until the
 * system is short of memory, and it would not know whether it may start.
 */
size_t
maas_ctx_rest(maas_run_ctx_t *c, size_t most)
{
    size_t  bytes = maas_min(maas_ctx_pages(c), maas_max(most, EXEC_PAGE));

    bytes -= bytes % EXEC_PAGE;

    /* Refused where memory is locked. */
    if (bytes == 0 || madvise((void *) (ctx_pages_end(c) - bytes), bytes,
                              MADV_DONTNEED) != 0)
    {
        return 0;
    }

    c->rested += bytes;
    return bytes;
}


/* -- running ------------------------------------------------------------- */

typedef struct {
    maas_run_ctx_t        *c;
    const maas_exec_t     *x;
    uint32_t               step;
    int64_t                piece;
    _Atomic(maas_status_t) status;
    _Atomic(int)           failed;      /* slot whose text counts */
} exec_step_t;


static bool
exec_cancelled(const maas_exec_t *x)
{
    return x->cancel != NULL
           && atomic_load_explicit(x->cancel, memory_order_relaxed);
}


static void
exec_fail(exec_step_t *e, maas_status_t rc, int slot)
{
    maas_status_t  none = MAAS_OK;

    if (atomic_compare_exchange_strong(&e->status, &none, rc)) {
        atomic_store(&e->failed, slot);
    }
}


/* Behind the scratch of a slot; no other thread writes to it. */
typedef struct {
    int64_t   keep;
    uint64_t  turn;                     /* of the step that it is for */
} exec_slot_t;


static int64_t *
exec_keep(const maas_run_ctx_t *c, int slot)
{
    exec_slot_t  *s = (exec_slot_t *) (c->scratch
                                       + (slot + 1) * c->scratch_step
                                       - MAAS_ALIGN);

    if (s->turn != c->turn) {
        s->turn = c->turn;
        s->keep = -1;
    }

    return &s->keep;
}


static void
exec_chunk(void *arg, int slot, int64_t first, int64_t last)
{
    int64_t         end;
    exec_step_t    *e = arg;
    maas_slot_t     s;
    maas_status_t   rc;

    s.index = slot;
    s.scratch = e->c->scratch + slot * e->c->scratch_step;
    s.keep = exec_keep(e->c, slot);
    s.err = &e->c->err[slot];
    s.exchange = e->x->exchange;

    for ( /* void */ ; first < last; first = end) {
        end = maas_min(last, first + e->piece);

        if (exec_cancelled(e->x)) {
            exec_fail(e, MAAS_ECANCEL, slot);
            return;
        }

        if (atomic_load_explicit(&e->status, memory_order_relaxed)
            != MAAS_OK)
        {
            return;
        }

        rc = e->c->run[e->step](&e->c->step[e->step], &s, first, end);
        if (rc != MAAS_OK) {
            exec_fail(e, rc, slot);
            return;
        }
    }
}


static maas_status_t
exec_report(const exec_step_t *e, maas_status_t rc)
{
    const maas_node_t       *n;
    const maas_plan_step_t  *s;

    if (rc == MAAS_ECANCEL) {
        return maas_err(e->x->err, rc, "the run was cancelled");
    }

    s = &e->c->plan->step[e->step];
    n = &e->c->graph[s->graph]->node[s->node];

    return maas_err(e->x->err, rc, "node '%.*s' (%s): %s",
                    (int) n->name.len, n->name.data, n->op->name,
                    e->c->err[e->failed].text);
}


maas_status_t
maas_ctx_step(maas_run_ctx_t *c, const maas_exec_t *x, uint32_t i)
{
    double                   unit;
    exec_step_t              e;
    maas_status_t            rc;
    const maas_plan_step_t  *s = &c->plan->step[i];

    if (s->units == 0) {
        return MAAS_OK;
    }

    unit = s->cost / (double) s->units;

    if (c->step[i].shared != NULL) {
        memset(c->step[i].shared, 0, MAAS_ALIGN);
    }

    c->turn++;
    e.c = c;
    e.x = x;
    e.step = i;
    e.piece = unit * (double) s->units <= EXEC_PIECE_NS ? s->units
              : unit >= EXEC_PIECE_NS ? 1
              : (int64_t) (EXEC_PIECE_NS / unit);
    atomic_init(&e.status, MAAS_OK);
    atomic_init(&e.failed, 0);

    if (x->lease != NULL && s->units > 1 && s->cost >= EXEC_SPLIT_NS) {
        maas_lease_run(x->lease, exec_chunk, &e, s->units);
    } else {
        exec_chunk(&e, maas_team_self(x->team), 0, s->units);
    }

    rc = atomic_load(&e.status);
    return rc == MAAS_OK ? rc : exec_report(&e, rc);
}


void
maas_ctx_inputs(maas_run_ctx_t *c, const maas_exec_t *x)
{
    const maas_plan_t  *p = c->plan;

    for (uint32_t i = 0; i < p->n_operand; i++) {
        if (p->operand[i].at == MAAS_AT_INPUT) {
            ctx_input(&p->operand[i], x->in, &c->tensor[i]);
        }
    }
}


maas_status_t
maas_ctx_run(maas_run_ctx_t *c, const maas_exec_t *x)
{
    maas_ctx_inputs(c, x);

    for (uint32_t i = 0; i < c->plan->n_step; i++) {
        MAAS_TRY(maas_ctx_step(c, x, i));
    }

    return MAAS_OK;
}
