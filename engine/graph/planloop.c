/*
 * planloop.c: control flow while planning.  An If is replaced by the branch
 * that its condition chooses.  Iterations are laid out one after the other:
 * each has shapes, kernels and places of its own, so carried values may
 * change their shapes, and no step is spent on the loop itself.  Where the
 * condition of the next iteration is not known, the plan is cut there.
 *
 * Ownership: the state of a loop lies in plan->mem, since a cut keeps it.
 * Threads:   one thread builds a plan.
 */

#include "graph/planframe.h"


/* Iterations of one loop: a plan holds the steps of all. */
#define LOOP_TRIPS_MAX  65535


static maas_status_t
loop_array(plan_build_t *b, plan_val_t **val, uint32_t n)
{
    *val = maas_arena_array(&b->plan->mem, maas_max(n, 1u),
                            sizeof(plan_val_t));
    if (*val == NULL) {
        return maas_err_nomem(b->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        (*val)[i].storage = -1;
    }

    return MAAS_OK;
}


static maas_status_t
loop_create(plan_build_t *b, const maas_body_t *n, int64_t trips,
    plan_loop_t **out)
{
    plan_loop_t  *l;

    l = maas_arena_array(&b->plan->mem, 1, sizeof(plan_loop_t));
    if (l == NULL) {
        return maas_err_nomem(b->err);
    }

    l->n = *n;
    l->trips = trips;
    l->room = 4;
    l->scanned = maas_arena_array(&b->plan->mem, n->scanned + 1,
                                  sizeof(plan_val_t *));
    if (l->scanned == NULL) {
        return maas_err_nomem(b->err);
    }

    MAAS_TRY(loop_array(b, &l->carried, n->carried));

    for (uint32_t i = 0; i < n->scanned; i++) {
        MAAS_TRY(loop_array(b, &l->scanned[i], l->room));
    }

    *out = l;
    return MAAS_OK;
}


maas_status_t
plan_loop_copy(plan_build_t *b, plan_frame_t *f)
{
    plan_loop_t  *l;

    l = maas_arena_dup(&b->plan->mem, f->loop, sizeof(plan_loop_t));
    if (l == NULL) {
        return maas_err_nomem(b->err);
    }

    l->scanned = maas_arena_dup(&b->plan->mem, l->scanned,
                                (l->n.scanned + 1) * sizeof(plan_val_t *));
    if (l->scanned == NULL) {
        return maas_err_nomem(b->err);
    }

    MAAS_TRY(plan_vals_copy(b, &l->carried, l->n.carried));

    for (uint32_t i = 0; i < l->n.scanned; i++) {
        MAAS_TRY(plan_vals_copy(b, &l->scanned[i], l->room));
    }

    f->loop = l;
    return MAAS_OK;
}


/* -- inputs of an iteration ---------------------------------------------- */

static maas_status_t
loop_scalar(plan_build_t *b, plan_val_t *v, maas_dtype_t dtype, int64_t value)
{
    void           *p;
    maas_tensor_t   t = { 0 };

    p = maas_arena_alloc(&b->plan->mem, sizeof(int64_t));
    if (p == NULL) {
        return maas_err_nomem(b->err);
    }

    *(int64_t *) p = value;
    t.data = p;
    t.dtype = dtype;
    t.bytes = maas_dtype_size(dtype);

    plan_val_set(v, &t, MAAS_KIND_TENSOR);
    v->at = MAAS_AT_PLAN;

    return MAAS_OK;
}


static void
loop_alias(plan_build_t *b, plan_val_t *to, const plan_val_t *from)
{
    plan_val_alias(to, from);
    plan_val_ref(b, to);
}


/* What iteration `at` takes of a value that is scanned. */
static maas_status_t
loop_slice(plan_build_t *b, plan_val_t *to, const plan_val_t *from,
    int64_t at, uint8_t control)
{
    size_t  bytes;

    if (control == MAAS_CONTROL_MAP) {
        loop_alias(b, to, plan_is_list(from) ? &from->item[at] : from);
        return MAAS_OK;
    }

    if (from->t.dtype == MAAS_STRING) {
        return maas_err(b->err, MAAS_EUNSUPPORTED,
                        "strings cannot be scanned");
    }

    plan_val_alias(to, from);

    to->t.rank--;
    memmove(to->t.dims, to->t.dims + 1, to->t.rank * sizeof(int64_t));

    if (!maas_tensor_size(&to->t, 0, &bytes)) {
        return maas_err(b->err, MAAS_ELIMIT, "a slice is too large");
    }

    to->t.bytes = bytes;
    to->delta += bytes * (size_t) at;

    if (to->t.data != NULL) {
        to->t.data = (char *) to->t.data + bytes * (size_t) at;
        to->off = to->at == MAAS_AT_PLAN ? UINT64_MAX : to->off;
    }

    plan_val_ref(b, to);
    return MAAS_OK;
}


static maas_status_t
loop_inputs(plan_build_t *b, plan_frame_t *outer, plan_frame_t *f,
    const maas_node_t *n)
{
    bool                 back;
    int64_t              at;
    uint32_t             i, k = 0, from;
    plan_loop_t         *l = f->loop;
    const maas_graph_t  *g = b->src->graph[f->graph];

    if (n->op->control == MAAS_CONTROL_LOOP) {
        MAAS_TRY(loop_scalar(b, &f->val[g->in[k++]], MAAS_I64, l->trip));
        MAAS_TRY(loop_scalar(b, &f->val[g->in[k++]], MAAS_BOOL, 1));
    }

    from = l->n.fixed;

    for (i = 0; i < l->n.carried; i++) {
        loop_alias(b, &f->val[g->in[k++]],
                   l->trip == 0 ? &outer->val[n->in[from + i]]
                                : &l->carried[i]);
    }

    from += l->n.carried;

    for (i = 0; i < l->n.sliced; i++) {
        back = n->op->backwards != NULL
               && n->op->backwards(n->attr, (int) i, false);
        at = back ? l->trips - 1 - l->trip : l->trip;
        MAAS_TRY(loop_slice(b, &f->val[g->in[k++]],
                            &outer->val[n->in[from + i]], at,
                            n->op->control));
    }

    from += l->n.sliced;

    for (i = 0; i < l->n.captures; i++) {
        loop_alias(b, &f->val[g->in[k++]], &outer->val[n->in[from + i]]);
    }

    return MAAS_OK;
}


/* -- how often ----------------------------------------------------------- */

/* Loop: inputs 0 and 1, both optional.  *trips 0: not once. */
static maas_status_t
loop_trips_loop(plan_build_t *b, const plan_frame_t *f, const maas_node_t *n,
    int64_t *trips)
{
    plan_val_t  *v;

    *trips = INT64_MAX;

    for (int i = 0; i < 2; i++) {
        if (n->in[i] == MAAS_NOVAL) {
            continue;
        }

        v = &f->val[n->in[i]];

        if (maas_tensor_count(&v->t) != 1 || plan_is_list(v)
            || v->t.dtype != (i == 0 ? MAAS_I64 : MAAS_BOOL))
        {
            return maas_err(b->err, MAAS_EINVAL, "the %s must be one %s",
                            i == 0 ? "trip count" : "condition",
                            i == 0 ? "int64" : "boolean");
        }

        if (v->t.data == NULL) {
            return plan_need_contents(b, n->in[i], 0);
        }

        if (i == 0) {
            *trips = maas_max(*(const int64_t *) v->t.data, 0);

        } else if (!*(const uint8_t *) v->t.data) {
            *trips = 0;
        }
    }

    return MAAS_OK;
}


/* Scan and Map: what is scanned is of one length. */
static maas_status_t
loop_trips_scan(plan_build_t *b, const plan_frame_t *f, const maas_node_t *n,
    const maas_body_t *c, int64_t *trips)
{
    int64_t            len;
    const plan_val_t  *v;

    *trips = -1;

    for (uint32_t i = 0; i < c->sliced; i++) {
        v = &f->val[n->in[c->carried + i]];

        if (n->op->control == MAAS_CONTROL_MAP && !plan_is_list(v)) {
            continue;
        }

        if (!plan_is_list(v) && v->t.rank == 0) {
            return maas_err(b->err, MAAS_EINVAL, "input %u is a scalar; what "
                            "is scanned has an axis", c->carried + i);
        }

        len = plan_is_list(v) ? (int64_t) v->n_item : v->t.dims[0];

        if (*trips >= 0 && len != *trips) {
            return maas_err(b->err, MAAS_EINVAL, "input %u has a length of "
                            "%lld; those before have %lld", c->carried + i,
                            (long long) len, (long long) *trips);
        }

        *trips = len;
    }

    *trips = maas_max(*trips, 0);
    return MAAS_OK;
}


/* -- outputs ------------------------------------------------------------- */

/* One iteration's type with an axis of iterations before it. */
static maas_status_t
loop_stack_type(plan_build_t *b, const plan_loop_t *l, uint32_t o,
    const maas_type_t *type, maas_tensor_t *t)
{
    int             rank = type->rank;
    uint32_t        trips = (uint32_t) l->trip;
    maas_tensor_t  *in = b->in;

    memset(t, 0, sizeof(*t));
    t->dtype = type->dtype;

    if (trips != 0) {
        t->dtype = in->dtype;
        rank = in->rank;

    } else if (t->dtype == MAAS_NODTYPE) {
        return maas_err(b->err, MAAS_EINVAL, "there is no iteration, and the "
                        "model does not say of what type scanned output %u "
                        "is", o);
    }

    if (rank >= MAAS_RANK_MAX) {
        return maas_err(b->err, MAAS_EUNSUPPORTED, "scanned output %u has "
                        "%d dimensions, and would get one more; the limit is "
                        "%d", o, rank, MAAS_RANK_MAX);
    }

    t->rank = (uint8_t) (maas_max(rank, 0) + 1);
    t->dims[0] = trips;

    for (int d = 1; d < t->rank; d++) {
        t->dims[d] = trips != 0 ? in->dims[d - 1]
                                : maas_max(type->dims[d - 1], 0);
    }

    for (uint32_t i = 1; i < trips; i++) {
        if (in[i].rank != t->rank - 1 || in[i].dtype != t->dtype
            || memcmp(in[i].dims, t->dims + 1,
                      (t->rank - 1) * sizeof(int64_t)) != 0)
        {
            return maas_err(b->err, MAAS_EINVAL, "scanned output %u has one "
                            "shape in iteration 0 and another in %u", o, i);
        }
    }

    return MAAS_OK;
}


/* A step that puts the iterations' tensors one after the other. */
static maas_status_t
loop_stack(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    plan_loop_t *l, uint32_t o, const maas_type_t *type)
{
    bool            back;
    int64_t         count;
    uint32_t        at, trips = (uint32_t) l->trip;
    maas_tensor_t  *t = &b->out[0];

    MAAS_TRY(plan_room_in(b, trips));

    b->flat = *n;
    b->flat.n_in = (uint16_t) trips;
    b->flat.n_formal = (uint16_t) trips;
    b->flat.n_out = 1;
    b->oval[0] = &f->val[n->out[l->n.carried + o]];

    back = n->op->backwards != NULL
           && n->op->backwards(n->attr, (int) o, true);

    for (uint32_t i = 0; i < trips; i++) {
        at = back ? trips - 1 - i : i;
        b->val[at] = &l->scanned[o][i];
    }

    plan_load(b);
    MAAS_TRY(loop_stack_type(b, l, o, type, t));
    b->infer_out[0].type.kind = MAAS_KIND_TENSOR;

    count = maas_dims_count(t->dims, t->rank);

    if (count < 0 || (uint64_t) count > b->src->max_elements
        || !maas_tensor_size(t, 0, &t->bytes))
    {
        return maas_err(b->err, MAAS_ELIMIT, "scanned output %u exceeds %llu "
                        "elements", o,
                        (unsigned long long) b->src->max_elements);
    }

    MAAS_TRY(plan_step(b, f, n, false));

    for (uint32_t i = 0; i < trips; i++) {
        plan_use(b, &l->scanned[o][i], b->plan->n_step);
    }

    return MAAS_OK;
}


/* Map: what the iterations gave is a sequence. */
static maas_status_t
loop_sequence(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    plan_loop_t *l, uint32_t o)
{
    uint32_t       uses;
    plan_val_t    *v = &f->val[n->out[o]];
    maas_tensor_t  none = { 0 };

    plan_val_set(v, &none, MAAS_KIND_SEQUENCE);
    MAAS_TRY(plan_items(b, v, (uint32_t) l->trip));

    for (uint32_t i = 0; i < v->n_item; i++) {
        uses = v->item[i].uses;
        v->item[i] = l->scanned[o][i];
        v->item[i].uses = uses;
    }

    plan_val_ref(b, v);

    for (uint32_t i = 0; i < v->n_item; i++) {
        plan_use(b, &l->scanned[o][i], b->plan->n_step);
    }

    return MAAS_OK;
}


/* The values after the last iteration become those of the node. */
static maas_status_t
loop_finish(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    plan_loop_t *l, const maas_graph_t *g)
{
    uint32_t           o;
    const plan_val_t  *from;

    for (o = 0; o < l->n.carried; o++) {
        from = l->trip == 0 ? &f->val[n->in[l->n.fixed + o]]
                            : &l->carried[o];

        if (o < n->n_out && n->out[o] != MAAS_NOVAL) {
            loop_alias(b, &f->val[n->out[o]], from);
        }

        if (l->trip != 0) {
            plan_use(b, &l->carried[o], b->plan->n_step);
        }
    }

    for (o = 0; o < l->n.scanned; o++) {
        if (l->n.carried + o >= n->n_out
            || n->out[l->n.carried + o] == MAAS_NOVAL)
        {
            for (int64_t i = 0; i < l->trip; i++) {
                plan_use(b, &l->scanned[o][i], b->plan->n_step);
            }

        } else if (n->op->control == MAAS_CONTROL_MAP) {
            MAAS_TRY(loop_sequence(b, f, n, l, o));

        } else {
            MAAS_TRY(loop_stack(b, f, n, l, o,
              &g->value[g->out[l->n.cond + l->n.carried + o]].type));
        }
    }

    /* Only now: every iteration reads what the node reads. */
    plan_consume(b, f, n, b->plan->n_step);
    return MAAS_OK;
}


/* -- from iteration to iteration ----------------------------------------- */

/* Keeps what an iteration gives. */
static maas_status_t
loop_collect(plan_build_t *b, plan_frame_t *f, const maas_graph_t *g)
{
    uint32_t      o;
    plan_val_t   *v, *more;
    plan_loop_t  *l = f->loop;

    for (o = 0; o < l->n.scanned; o++) {
        if (l->trip == l->room) {
            MAAS_TRY(loop_array(b, &more, l->room * 2));
            memcpy(more, l->scanned[o], l->room * sizeof(plan_val_t));
            l->scanned[o] = more;
        }

        v = &l->scanned[o][l->trip];
        *v = f->val[g->out[l->n.cond + l->n.carried + o]];

        if (plan_is_list(v)) {
            return maas_err(b->err, MAAS_EINVAL,
                            "output %u of an iteration is no tensor", o);
        }

        plan_hold(b, v);
    }

    l->room *= l->trip == l->room ? 2 : 1;

    for (o = 0; o < l->n.carried; o++) {
        if (l->trip != 0) {
            plan_use(b, &l->carried[o], b->plan->n_step);
        }

        l->carried[o] = f->val[g->out[l->n.cond + o]];
        plan_hold(b, &l->carried[o]);
    }

    for (o = 0; o < g->n_out; o++) {
        plan_use(b, &f->val[g->out[o]], b->plan->n_step);
    }

    l->trip++;
    return MAAS_OK;
}


/* Is there another iteration?  The condition is output 0 of the body. */
static maas_status_t
loop_goes_on(plan_build_t *b, const plan_frame_t *f, const maas_graph_t *g,
    bool *on)
{
    const plan_val_t   *v;
    const plan_loop_t  *l = f->loop;

    *on = l->trip + 1 < l->trips;

    if (l->n.cond == 0 || !*on) {
        return MAAS_OK;
    }

    v = &f->val[g->out[0]];

    if (v->t.dtype != MAAS_BOOL || maas_tensor_count(&v->t) != 1) {
        return maas_err(b->err, MAAS_EINVAL,
                        "the condition must be one boolean");
    }

    if (v->t.data == NULL) {
        return plan_need_contents(b, g->out[0], 0);
    }

    *on = *(const uint8_t *) v->t.data;
    return MAAS_OK;
}


static maas_status_t
loop_return(plan_build_t *b, plan_frame_t *f)
{
    bool                 on;
    plan_frame_t        *outer = f - 1;
    const maas_node_t   *n;
    const maas_graph_t  *g = b->src->graph[f->graph];

    n = &b->src->graph[outer->graph]->node[outer->node];

    MAAS_TRY(loop_goes_on(b, f, g, &on));
    MAAS_TRY(loop_collect(b, f, g));

    if (on && f->loop->trip == LOOP_TRIPS_MAX) {
        return maas_err(b->err, MAAS_ELIMIT, "more than %d iterations",
                        LOOP_TRIPS_MAX);
    }

    if (on) {
        plan_frame_reset(b, f);
        return loop_inputs(b, outer, f, n);
    }

    plan_frame_leave(b);
    MAAS_TRY(loop_finish(b, outer, n, f->loop, g));
    outer->node++;

    return MAAS_OK;
}


/*
 * Does the condition that the body gives never change?  It is what the body
 * was given, by however many Identity, or a constant.
 */
static bool
loop_counts(const maas_graph_t *g)
{
    maas_vid_t  v = g->out[0];

    for (uint32_t i = g->n_node; i-- != 0; /* void */ ) {
        const maas_node_t  *n = &g->node[i];

        if (n->n_out != 0 && n->out[0] == v && n->n_in == 1
            && strcmp(n->op->name, "Identity") == 0)
        {
            v = n->in[0];
        }
    }

    return (g->n_in > 1 && v == g->in[1])
           || (g->value[v].role == MAAS_ROLE_CONST
               && g->value[v].type.dtype == MAAS_BOOL
               && g->value[v].data != NULL
               && *(const uint8_t *) g->value[v].data);
}


static maas_status_t
loop_enter(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    int64_t         trips;
    uint32_t        graph = maas_plan_graph(b->src, n->body[0]);
    plan_loop_t    *l = NULL;
    maas_body_t     c;
    plan_frame_t   *inner;

    MAAS_TRY(maas_body_counts(n, 0, &c, b->err));

    for (uint32_t i = c.fixed; i < n->n_formal; i++) {
        if (n->in[i] == MAAS_NOVAL) {
            return maas_err(b->err, MAAS_EINVAL, "input %u is not given", i);
        }
    }

    MAAS_TRY(n->op->control == MAAS_CONTROL_LOOP
             ? loop_trips_loop(b, f, n, &trips)
             : loop_trips_scan(b, f, n, &c, &trips));

    if (trips > LOOP_TRIPS_MAX
        && (n->op->control != MAAS_CONTROL_LOOP || loop_counts(n->body[0])))
    {
        if (trips == INT64_MAX) {
            return maas_err(b->err, MAAS_ELIMIT, "iterations without an end; "
                            "the limit is %d", LOOP_TRIPS_MAX);
        }

        return maas_err(b->err, MAAS_ELIMIT, "%lld iterations; the limit is "
                        "%d", (long long) trips, LOOP_TRIPS_MAX);
    }

    MAAS_TRY(loop_create(b, &c, trips, &l));

    if (trips == 0) {
        MAAS_TRY(loop_finish(b, f, n, l, n->body[0]));
        return MAAS_OK;
    }

    MAAS_TRY(plan_frame_enter(b, graph));
    inner = &b->frame[b->n_frame - 1];
    inner->loop = l;
    b->entered = true;

    return loop_inputs(b, f, inner, n);
}


/* -- If ------------------------------------------------------------------ */

static maas_status_t
branch_enter(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    int                  first = n->n_formal - n->n_capture;
    plan_val_t          *cond = &f->val[n->in[0]];
    const maas_graph_t  *body;

    if (cond->t.data == NULL) {
        return plan_need_contents(b, n->in[0], 0);
    }

    if (cond->t.dtype != MAAS_BOOL || maas_tensor_count(&cond->t) != 1) {
        return maas_err(b->err, MAAS_EINVAL,
                        "the condition must be one boolean");
    }

    body = n->body[*(const uint8_t *) cond->t.data ? 0 : 1];

    MAAS_TRY(plan_frame_enter(b, maas_plan_graph(b->src, body)));

    for (int i = first; i < n->n_formal; i++) {
        loop_alias(b, &b->frame[b->n_frame - 1].val[body->in[i - first]],
                   &f->val[n->in[i]]);
    }

    plan_consume(b, f, n, b->plan->n_step);
    b->entered = true;

    return MAAS_OK;
}


static maas_status_t
branch_return(plan_build_t *b, plan_frame_t *inner)
{
    plan_frame_t        *outer = inner - 1;
    const maas_node_t   *n;
    const maas_graph_t  *body = b->src->graph[inner->graph];

    n = &b->src->graph[outer->graph]->node[outer->node];

    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] != MAAS_NOVAL) {
            loop_alias(b, &outer->val[n->out[i]], &inner->val[body->out[i]]);
        }
    }

    for (uint32_t i = 0; i < body->n_out; i++) {
        plan_use(b, &inner->val[body->out[i]], b->plan->n_step);
    }

    outer->node++;
    plan_frame_leave(b);

    return MAAS_OK;
}


maas_status_t
plan_control(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    return n->op->control == MAAS_CONTROL_IF ? branch_enter(b, f, n)
                                             : loop_enter(b, f, n);
}


maas_status_t
plan_return(plan_build_t *b)
{
    plan_frame_t       *f = &b->frame[b->n_frame - 1];
    maas_status_t       rc;
    const maas_node_t  *n;

    n = &b->src->graph[f[-1].graph]->node[f[-1].node];
    rc = f->loop != NULL ? loop_return(b, f) : branch_return(b, f);

    return rc == MAAS_OK || rc == MAAS_NEED ? rc : plan_err_node(b, n, rc);
}
