/*
 * plan.c: shapes in, steps out.  plan.h tells what a plan is; planframe.c
 * keeps values and frames, this file walks the nodes.
 *
 * Ownership: what the plan keeps lies in plan->mem; the builder's own
 * arrays go when planning ends.
 * Threads:   one thread builds a plan.
 */

#include "graph/import.h"
#include "graph/planframe.h"


/* Contents above this are computed by a run, not while planning. */
#define PLAN_EVAL_BYTES  (1 << 20)
#define PLAN_EVAL_TOTAL  (64 << 20)     /* of all that a plan keeps */
#define PLAN_EVAL_READ   (1 << 30)      /* of all that is read for it */

/* Nodes that are walked: others wait for a plan of this model meanwhile. */
#define PLAN_WALK_MAX    (1 << 20)


maas_status_t
plan_err_node(plan_build_t *b, const maas_node_t *n, maas_status_t rc)
{
    (void) maas_err_prefix(b->err, "node '%.*s' (%s)", (int) n->name.len,
                           n->name.data, n->op->name);
    return rc;
}


void
plan_load(plan_build_t *b)
{
    plan_val_t       *v;
    maas_infer_in_t  *in;

    for (int i = 0; i < b->flat.n_in; i++) {
        in = &b->infer_in[i];
        memset(in, 0, sizeof(*in));
        memset(&b->in[i], 0, sizeof(maas_tensor_t));
        in->n_ival = -1;

        v = b->val[i];
        if (v == NULL) {
            continue;
        }

        b->in[i] = v->t;

        b->type[i].kind = v->kind;
        b->type[i].dtype = v->t.dtype;
        b->type[i].rank = v->t.rank;
        b->type[i].format = v->t.format;
        memcpy(b->type[i].dims, v->t.dims, sizeof(v->t.dims));

        in->type = &b->type[i];
        in->data = v->t.data;
        in->str_bytes = maas_tensor_text(&v->t);

        in->n_ival = maas_ival_load(&v->t, b->ival + i * MAAS_IVAL_MAX);
        in->ival = in->n_ival >= 0 ? b->ival + i * MAAS_IVAL_MAX : NULL;
    }
}


static maas_status_t
plan_check_output(plan_build_t *b, int i)
{
    size_t               bytes;
    int64_t              count;
    maas_tensor_t       *t = &b->out[i];
    const maas_type_t   *type = &b->infer_out[i].type;
    char                 text[MAAS_DIMS_TEXT];

    memset(t, 0, sizeof(maas_tensor_t));

    if (!b->infer_out[i].wanted) {
        return MAAS_OK;
    }

    if (type->rank < 0 || type->rank > MAAS_RANK_MAX) {
        return maas_err(b->err, MAAS_EINTERNAL,
                        "the shape of output %d is not known", i);
    }

    t->dtype = type->dtype;
    t->rank = type->rank;
    t->format = type->format;

    for (int d = 0; d < type->rank; d++) {
        if (!maas_dim_known(type->dims[d]) || type->dims[d] < 0) {
            return maas_err(b->err, MAAS_EINVAL,
                            "output %d would have a negative or unknown "
                            "dimension (axis %d)", i, d);
        }

        t->dims[d] = type->dims[d];
    }

    count = maas_dims_count(t->dims, t->rank);

    if (count < 0 || !maas_tensor_size(t, b->infer_out[i].str_bytes, &bytes)
        || (uint64_t) count > b->src->max_elements)
    {
        return maas_err(b->err, MAAS_ELIMIT,
                        "output %d of shape %s exceeds %llu elements", i,
                        maas_dims_text(text, t->dims, t->rank),
                        (unsigned long long) b->src->max_elements);
    }

    /* A packed constant keeps its source's dims: its bytes are greater. */
    t->bytes = bytes;
    return MAAS_OK;
}


/* Are the contents of all inputs known? */
static bool
plan_inputs_known(const plan_build_t *b)
{
    for (int i = 0; i < b->flat.n_in; i++) {
        if (b->val[i] != NULL && b->in[i].data == NULL) {
            return false;
        }
    }

    return true;
}


static maas_status_t
plan_infer(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    int64_t        extent[MAAS_EXTENT_MAX];
    maas_infer_t   c = { 0 };
    maas_status_t  rc;

    for (int i = 0; i < b->flat.n_out; i++) {
        memset(&b->infer_out[i], 0, sizeof(maas_infer_out_t));
        b->infer_out[i].type.rank = -1;
        b->infer_out[i].ival = b->out_ival + i * MAAS_IVAL_MAX;
        b->infer_out[i].n_ival = -1;
        b->infer_out[i].wanted = b->oval[i] != NULL;
    }

    c.node = n;
    c.attr = n->attr;
    c.n_in = b->flat.n_formal;
    c.n_out = b->flat.n_out;
    c.in = b->infer_in;
    c.out = b->infer_out;
    c.err = b->err;
    c.extent = b->extent;
    b->extent = NULL;

    rc = n->op->infer(&c);

    if (rc == MAAS_INFER_EXTENT && plan_inputs_known(b)) {
        MAAS_TRY(maas_node_extent(&b->flat, b->src->k, b->in, extent,
                                  b->src->host, b->err));
        c.extent = extent;
        rc = n->op->infer(&c);
    }

    if (rc == MAAS_NEED) {
        return plan_need_input(b, f, n, c.need);
    }

    if (rc == MAAS_INFER_EXTENT) {
        return plan_need_extent(b, f, n);
    }

    MAAS_TRY(rc);

    for (int i = 0; i < b->flat.n_out; i++) {
        MAAS_TRY(plan_check_output(b, i));
    }

    return MAAS_OK;
}


/* Can it be computed now?  Then it is, and leaves no step. */
static bool
plan_can_eval(plan_build_t *b, const maas_node_t *n)
{
    size_t  bytes = 0, read = 0;

    if (n->op->flags & MAAS_OP_SHAPE) {
        return true;
    }

    /* Post-ops may need a step of their own. */
    if (!(n->op->flags & MAAS_OP_PURE) || b->flat.n_in == 0
        || n->n_post != 0)
    {
        return false;
    }

    if (!plan_inputs_known(b)) {
        return false;
    }

    for (int i = 0; i < b->flat.n_in; i++) {
        read += b->in[i].bytes;
    }

    for (int i = 0; i < b->flat.n_out; i++) {
        bytes += b->out[i].bytes;
    }

    if (bytes > PLAN_EVAL_BYTES || read > PLAN_EVAL_READ - b->eval_read
        || bytes > PLAN_EVAL_TOTAL - maas_min(b->plan->mem.used,
                                              (size_t) PLAN_EVAL_TOTAL))
    {
        return false;
    }

    b->eval_read += read;
    return true;
}


static maas_status_t
plan_eval(plan_build_t *b)
{
    plan_val_t  *v;

    MAAS_TRY(maas_node_eval(&b->flat, b->src->k, b->in, b->out,
                            &b->plan->mem, b->src->host, b->err));

    for (int i = 0; i < b->flat.n_out; i++) {
        v = b->oval[i];

        if (v != NULL) {
            plan_val_set(v, &b->out[i], b->infer_out[i].type.kind);
            v->at = MAAS_AT_PLAN;
        }
    }

    return MAAS_OK;
}


static void
plan_view(plan_build_t *b)
{
    plan_val_t  from = *b->val[0];
    plan_val_t  *v = b->oval[0];

    plan_val_alias(v, &from);
    v->t = b->out[0];
    v->t.data = from.t.data;
    v->t.bytes = from.t.bytes;
    v->kind = b->infer_out[0].type.kind;
    plan_val_ref(b, v);
}


/*
 * Does another input read the storage of input i?  Where output 0 takes its
 * place, it would read what was written: Sum(a, b, a), or the updates of a
 * Scatter that are a view of its data.  Two operands of an elementwise node
 * are read at the element that is written, unless one is a part of the other
 * that is spread over it.
 */
static bool
plan_read_twice(const plan_build_t *b, int i)
{
    bool                pair;
    const maas_node_t  *n = &b->flat;

    pair = (n->op->flags & MAAS_OP_ELEMENTWISE) && n->n_formal == 2;

    for (int j = 0; j < n->n_in; j++) {
        if (j != i && b->val[j] != NULL
            && b->val[j]->storage == b->val[i]->storage
            && (!pair || j >= n->n_formal || b->val[j]->delta != 0
                || b->val[j]->t.bytes != b->val[i]->t.bytes))
        {
            return true;
        }
    }

    return false;
}


/*
 * The storage of output 0: that of an input which dies here and whose
 * kernel writes in place (mask), else a new one.
 */
static int32_t
plan_inplace(plan_build_t *b, uint32_t mask, uint32_t step)
{
    const plan_val_t  *v;

    for (int i = 0; i < b->flat.n_in && i < 32; i++) {
        v = b->val[i];

        if (!(mask & (1u << i)) || v == NULL) {
            continue;
        }

        if (v->storage >= 0 && b->storage_refs[v->storage] == 0
            && v->delta == 0 && !plan_read_twice(b, i)
            && v->t.dtype != MAAS_STRING
            && maas_dtype_size(v->t.dtype)
               == maas_dtype_size(b->out[0].dtype)
            && maas_tensor_count(&v->t) == maas_tensor_count(&b->out[0])
            && b->storage[v->storage].bytes >= b->out[0].bytes)
        {
            b->storage[v->storage].last = step;
            return v->storage;
        }
    }

    return -1;
}


static maas_status_t
plan_step_outputs(plan_build_t *b, uint32_t inplace, uint32_t step,
    uint32_t last)
{
    int32_t      storage;
    plan_val_t  *v;

    for (int i = 0; i < b->flat.n_out; i++) {
        v = b->oval[i];

        if (v == NULL) {
            MAAS_TRY(plan_operand(b, NULL));
            continue;
        }

        storage = i == 0 ? plan_inplace(b, inplace, step) : -1;

        if (storage < 0) {
            MAAS_TRY(plan_storage(b, b->out[i].bytes, step, &storage));
        }

        plan_val_set(v, &b->out[i], b->infer_out[i].type.kind);
        v->t.data = NULL;
        v->at = MAAS_AT_ARENA;
        v->index = b->plan->level;
        v->storage = storage;
        b->storage[v->storage].last = last;

        plan_val_ref(b, v);
        MAAS_TRY(plan_operand(b, v));
    }

    return MAAS_OK;
}


/* Operands of post-ops must have the shapes that their kinds imply. */
static maas_status_t
plan_check_posts(const plan_build_t *b, const maas_node_t *n)
{
    int64_t               want;
    const maas_post_t    *p;
    const maas_tensor_t  *y = &b->out[0];

    for (int i = 0; i < n->n_post; i++) {
        p = &n->post[i];

        switch (p->kind) {
        case MAAS_POST_UNARY:
            continue;
        case MAAS_POST_BINARY:
            want = maas_tensor_count(y);
            break;
        case MAAS_POST_BINARY_LAST:
            want = y->rank > 0 ? y->dims[y->rank - 1] : 1;
            break;
        case MAAS_POST_BINARY_CHANNEL:
            want = y->rank > 1 ? y->dims[1] : 1;
            break;
        case MAAS_POST_BINARY_PLANE:
            want = y->rank > 1 ? y->dims[0] * y->dims[1] : 1;
            break;
        default:
            want = 1;
        }

        if (maas_tensor_count(&b->in[p->operand]) != want
            || b->in[p->operand].dtype != MAAS_F32
            || b->in[p->operand].format
               != (p->kind == MAAS_POST_BINARY ? y->format : MAAS_FMT_PLAIN)
            || y->dtype != MAAS_F32)
        {
            return maas_err(b->err, MAAS_EINVAL,
                            "post-op %d: its operand has %lld elements, but "
                            "%lld are needed", i,
                            (long long) maas_tensor_count(
                                                    &b->in[p->operand]),
                            (long long) want);
        }
    }

    return MAAS_OK;
}


/* The kernel; *apart: it does not take the post-ops, they follow alone. */
static const maas_kernel_row_t *
plan_kernel(plan_build_t *b, maas_setup_t *u, bool *apart)
{
    maas_node_t               plain = b->flat;
    const maas_kernel_row_t  *row;

    *apart = false;

    row = maas_kernel_choose(&plain, b->src->k, b->in, b->out, u);

    if (row == NULL && plain.n_post != 0) {
        plain.n_post = 0;
        *apart = true;
        row = maas_kernel_choose(&plain, b->src->k, b->in, b->out, u);
    }

    return row;
}


/* Repeats the operands of the step before as a step of the post-ops. */
static maas_status_t
plan_post_step(plan_build_t *b, const maas_node_t *n)
{
    maas_plan_step_t  s = b->plan->step[b->plan->n_step - 1];

    s.kernel = MAAS_KERNEL_POST;
    s.units = maas_post_units(n, &b->out[0]);
    s.scratch = 0;
    s.shared = UINT64_MAX;
    s.cost = (double) maas_tensor_count(&b->out[0]) * 0.2 * n->n_post;
    b->plan->cost += s.cost;

    return plan_add_step(b, &s);
}


static void
plan_step_fill(const plan_build_t *b, const plan_frame_t *f,
    const maas_setup_t *u, maas_plan_step_t *s)
{
    s->graph = f->graph;
    s->node = f->node;
    s->operand = b->plan->n_operand;
    s->n_in = b->flat.n_in;
    s->n_out = b->flat.n_out;
    s->units = maas_max(u->units, 0);
    s->scratch = u->scratch;
    s->shared = UINT64_MAX;
    s->cost = u->cost;
}


/* The operands of the inputs, which live until the step last. */
static maas_status_t
plan_step_inputs(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    bool consume, uint32_t last)
{
    for (int i = 0; i < b->flat.n_in; i++) {
        MAAS_TRY(plan_operand(b, b->val[i]));
    }

    if (consume) {
        plan_consume(b, f, n, last);
    }

    return MAAS_OK;
}


static void
plan_step_sums(plan_build_t *b, const maas_node_t *n, const maas_setup_t *u)
{
    b->plan->scratch = maas_max(b->plan->scratch, u->scratch);
    b->plan->cost += u->cost;

    if (n->op->flops != NULL) {
        b->plan->flops += n->op->flops(u);
    }
}


maas_status_t
plan_step(plan_build_t *b, plan_frame_t *f, const maas_node_t *n,
    bool consume)
{
    bool                      apart;
    int32_t                   shared;
    uint32_t                  last;
    maas_setup_t              u;
    maas_plan_step_t          s = { 0 };
    const maas_kernel_row_t  *row;

    MAAS_TRY(plan_check_posts(b, n));

    row = plan_kernel(b, &u, &apart);
    if (row == NULL) {
        return maas_err(b->err, MAAS_EUNSUPPORTED,
                        "no kernel takes these types and shapes (first "
                        "input: %s)", b->flat.n_in
                        ? maas_dtype_name(b->in[0].dtype) : "none");
    }

    if (u.cuts && plan_cuts(b, u.cut_at)) {
        if (consume) {
            plan_consume(b, f, n, b->plan->n_step);
        }

        return MAAS_OK;
    }

    plan_step_fill(b, f, &u, &s);
    s.kernel = row - n->op->kernel;

    last = b->plan->n_step + (apart ? 1 : 0);   /* of the node */
    MAAS_TRY(plan_step_inputs(b, f, n, consume, last));
    MAAS_TRY(plan_step_outputs(b, row->inplace | (apart ? 0 : u.inplace),
                               b->plan->n_step, last));

    if (u.slices && plan_slices(b, b->oval[0]->storage)) {
        s.units = 0;
        s.cost = u.cost = 0;
    }

    if (u.shared != 0) {
        MAAS_TRY(plan_storage(b, u.shared, b->plan->n_step, &shared));
        s.shared = shared;
    }

    plan_step_sums(b, n, &u);
    MAAS_TRY(plan_add_step(b, &s));
    return apart ? plan_post_step(b, n) : MAAS_OK;
}


/*
 * Kinds and dtypes of the inputs, as when the model is imported: what a
 * branch or a list gives need not have been known then.
 */
static maas_status_t
plan_check_types(plan_build_t *b, const plan_frame_t *f,
    const maas_node_t *n)
{
    uint32_t           at = 0;
    const plan_val_t  *v;

    for (int i = 0; i < n->n_formal; i++) {
        v = n->in[i] != MAAS_NOVAL ? &f->val[n->in[i]] : NULL;

        if (v != NULL && plan_is_list(v)) {
            b->formal[i] = &b->list[v->kind];
            at += v->n_item;

        } else {
            b->formal[i] = b->infer_in[at++].type;
        }
    }

    return maas_formals_types(n->op, b->formal, n->n_formal, b->err);
}


/* MAAS_NEED: the plan is cut before this node. */
static maas_status_t
plan_node(plan_build_t *b, plan_frame_t *f, const maas_node_t *n)
{
    maas_status_t  rc;

    if (n->op->flags & MAAS_OP_CONTROL) {
        return plan_control(b, f, n);
    }

    MAAS_TRY(plan_inputs_spread(b, f, n));
    MAAS_TRY(plan_check_types(b, f, n));
    MAAS_TRY(plan_outputs_spread(b, f, n));

    if (n->op->select != NULL
        && (n->op->kernel == NULL || (n->in[0] != MAAS_NOVAL
                                      && plan_is_list(&f->val[n->in[0]]))))
    {
        return plan_select(b, f, n);
    }

    MAAS_TRY(plan_infer(b, f, n));

    if (plan_can_eval(b, n)) {
        rc = plan_eval(b);
        plan_consume(b, f, n, b->plan->n_step);
        return rc;
    }

    if ((n->op->flags & MAAS_OP_VIEW) && n->n_post == 0
        && n->n_out == 1 && n->out[0] != MAAS_NOVAL)
    {
        plan_view(b);
        plan_consume(b, f, n, b->plan->n_step);
        return MAAS_OK;
    }

    return plan_step(b, f, n, true);
}


static maas_status_t
plan_walk(plan_build_t *b)
{
    plan_frame_t       *f;
    maas_status_t       rc;
    const maas_node_t  *n;

    for (uint32_t walked = 0; /* void */ ; walked++) {
        f = &b->frame[b->n_frame - 1];

        if (walked > PLAN_WALK_MAX) {
            return maas_err(b->err, MAAS_ELIMIT, "these inputs take more "
                            "than %d nodes of iterations", PLAN_WALK_MAX);
        }

        if (f->node == b->src->graph[f->graph]->n_node) {
            if (b->n_frame == 1) {
                return MAAS_OK;
            }

            rc = plan_return(b);

            if (rc == MAAS_NEED) {
                return plan_cut(b, f);
            }

            MAAS_TRY(rc);
            continue;
        }

        n = &b->src->graph[f->graph]->node[f->node];

        rc = plan_node(b, f, n);

        if (rc == MAAS_NEED) {
            rc = plan_cut(b, f);
            return rc == MAAS_OK ? rc : plan_err_node(b, n, rc);
        }

        if (rc != MAAS_OK) {
            return plan_err_node(b, n, rc);
        }

        /* A branch has its own frame now; the node ends when it returns. */
        if (!b->entered) {
            f->node++;
        }

        b->entered = false;
    }
}


static maas_status_t
plan_run_build(plan_build_t *b)
{
    MAAS_TRY(plan_walk(b));

    return plan_finish(b);
}


maas_status_t
maas_plan_make(maas_plan_t **out, const maas_plan_src_t *src,
    const maas_tensor_t *in, maas_err_t *err)
{
    plan_build_t   b;
    maas_status_t  rc;

    rc = plan_begin(&b, src, NULL, err);

    if (rc == MAAS_OK) {
        rc = plan_inputs(&b, in);
    }

    if (rc == MAAS_OK) {
        rc = plan_run_build(&b);
    }

    return plan_end(&b, rc, out);
}


maas_status_t
maas_plan_child(maas_plan_t **out, const maas_plan_src_t *src,
    maas_plan_t *parent, const void *data, maas_err_t *err)
{
    plan_build_t   b;
    maas_status_t  rc;

    rc = plan_begin(&b, src, parent, err);

    if (rc == MAAS_OK) {
        rc = plan_resume(&b, data);
    }

    if (rc == MAAS_OK) {
        rc = plan_run_build(&b);
    }

    return plan_end(&b, rc, out);
}


void
maas_plan_release(maas_plan_t *p, const maas_host_t *host)
{
    maas_plan_t   *parent;
    maas_arena_t   mem;

    while (p != NULL && atomic_fetch_sub(&p->refs, 1) == 1) {
        parent = p->parent;
        mem = p->mem;
        maas_arena_destroy(&mem);
        maas_free(host, p);
        p = parent;
    }
}


const char *
maas_plan_kernel(const maas_node_t *n, const maas_plan_step_t *s)
{
    switch (s->kernel) {
    case MAAS_KERNEL_POST:
        return "post";
    case MAAS_KERNEL_EXTENT:
        return "extent";
    default:
        return n->op->kernel[s->kernel].id;
    }
}


uint32_t
maas_plan_graph(const maas_plan_src_t *src, const maas_graph_t *g)
{
    for (uint32_t i = 0; i < src->n_graph; i++) {
        if (src->graph[i] == g) {
            return i;
        }
    }

    return UINT32_MAX;
}
