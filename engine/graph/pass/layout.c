/*
 * layout.c: chains of convolutions and what lies between them work on
 * blocked activations (MAAS_FMT_C16).
 *
 * Nodes are taken in order.  A node whose operator has a blocked form gets
 * it where that form's inputs are blocked already or are worth a conversion;
 * an elementwise node becomes a post-op of its producer, or a maas.Map with
 * that post-op.  A value's blocked form is a value of its own, its twin; a
 * conversion stands where one form is made and the other is read.
 *
 * Nothing is decided by sizes that may be declared or not, so that a graph
 * has the same numbers whatever is known of its shapes.
 */

#include "graph/pass/pass.h"


typedef struct {
    maas_pass_t  *p;
    uint32_t      n_value;      /* of the graph as it was */
    maas_vid_t   *twin;         /* by value; MAAS_NOVAL: none */
    uint32_t     *maker;        /* node that makes the twin itself */
    bool         *lost;         /* the plain form is not made any more */
} layout_t;

#define LAYOUT_POSTS  8
#define LAYOUT_IN     32        /* inputs of a node that are looked at */


static bool
layout_has(const layout_t *l, maas_vid_t v)
{
    return v != MAAS_NOVAL && v < l->n_value && l->twin[v] != MAAS_NOVAL;
}


/* May a value have a blocked form?  bytes: of 8-bit numbers. */
static bool
layout_fits(const layout_t *l, maas_vid_t v, bool bytes)
{
    const maas_type_t  *t;

    if (v == MAAS_NOVAL || v >= l->n_value) {
        return false;
    }

    t = &l->p->g->value[v].type;

    return t->kind == MAAS_KIND_TENSOR && t->rank >= 3
           && t->format == MAAS_FMT_PLAIN
           && (bytes ? t->dtype == MAAS_U8 || t->dtype == MAAS_I8
                     : t->dtype == MAAS_F32);
}


static maas_status_t
layout_twin(layout_t *l, maas_vid_t v, uint32_t maker)
{
    maas_vid_t    t;
    maas_type_t   type = l->p->g->value[v].type;

    t = maas_graph_value(l->p->g, maas_str(""));
    if (t == MAAS_NOVAL) {
        return maas_err_nomem(l->p->err);
    }

    type.format = MAAS_FMT_C16;
    l->p->g->value[t].type = type;
    l->twin[v] = t;
    l->maker[v] = maker;

    return MAAS_OK;
}


/* A conversion from one value to another; both are there. */
static maas_status_t
layout_convert(layout_t *l, const char *op, maas_vid_t from, maas_vid_t to)
{
    maas_vid_t    out;
    maas_type_t   type = l->p->g->value[to].type;
    maas_node_t  *n;

    MAAS_TRY(maas_pass_emit(l->p, "maas", op, NULL, 0, &from, 1, &type,
                            &out));

    n = &l->p->g->node[l->p->g->n_node - 1];
    n->out[0] = to;
    n->name = l->p->g->value[maas_min(from, to)].name;

    return MAAS_OK;
}


/* Node i reads the twin of its input j from now on. */
static maas_status_t
layout_read(layout_t *l, uint32_t i, int j)
{
    maas_vid_t  v = l->p->g->node[i].in[j];

    if (!layout_has(l, v)) {
        MAAS_TRY(layout_twin(l, v, MAAS_NONODE));
        MAAS_TRY(layout_convert(l, "ToBlocked", v, l->twin[v]));
    }

    l->p->g->node[i].in[j] = l->twin[v];
    return MAAS_OK;
}


/* n: of its outputs, from the first. */
static maas_status_t
layout_write(layout_t *l, uint32_t i, int n)
{
    maas_vid_t  v;

    for (int j = 0; j < n; j++) {
        v = l->p->g->node[i].out[j];

        if (v != MAAS_NOVAL) {
            MAAS_TRY(layout_twin(l, v, i));
            l->p->g->node[i].out[j] = l->twin[v];
            l->lost[v] = true;
        }
    }

    return MAAS_OK;
}


static const maas_op_t *
layout_row(const char *name)
{
    return maas_op_find(maas_str("maas"),
                        (maas_str_t) { name, strlen(name) });
}


/* -- operators with a blocked form --------------------------------------- */

static bool
layout_form(const layout_t *l, const maas_node_t *n, maas_blocked_t *b)
{
    const void          *data[LAYOUT_IN] = { NULL };
    const maas_type_t   *type[LAYOUT_IN] = { NULL };
    const maas_value_t  *v;

    if (n->op->blocked == NULL || n->n_in > LAYOUT_IN) {
        return false;
    }

    for (int j = 0; j < n->n_in; j++) {
        if (n->in[j] != MAAS_NOVAL) {
            type[j] = &l->p->g->value[n->in[j]].type;
            v = maas_pass_const(l->p->g, n->in[j]);
            data[j] = v != NULL ? v->data : NULL;
            b->in |= layout_has(l, n->in[j]) ? 1u << j : 0;
            b->constant |= maas_pass_weight(l->p->g, n->in[j])
                           ? 1u << j : 0;
        }
    }

    b->data = data;
    b->out = n->out[0] != MAAS_NOVAL ? &l->p->g->value[n->out[0]].type : NULL;

    if (!n->op->blocked(n, type, b)) {
        return false;
    }

    for (int j = 0; j < n->n_in; j++) {
        if ((b->in & (1u << j)) && !layout_fits(l, n->in[j], b->bytes)) {
            return false;
        }
    }

    for (int j = 0; j < (b->first ? 1 : n->n_out) && !b->plain; j++) {
        if (n->out[j] != MAAS_NOVAL
            && !layout_fits(l, n->out[j], b->bytes))
        {
            return false;
        }
    }

    return true;
}


static maas_status_t
layout_op(layout_t *l, uint32_t i, bool *done)
{
    maas_blocked_t   b = { .fast = l->p->fast };
    maas_node_t     *n = &l->p->g->node[i];

    if (!layout_form(l, n, &b)) {
        return MAAS_OK;
    }

    *done = true;
    n->op = layout_row(b.op);

    for (int j = 0; j < l->p->g->node[i].n_in; j++) {
        if (b.in & (1u << j)) {
            MAAS_TRY(layout_read(l, i, j));
        }
    }

    if (!b.plain) {
        MAAS_TRY(layout_write(l, i, b.first ? 1
                                            : l->p->g->node[i].n_out));
    }

    return maas_pass_pack_node(l->p, i);
}


/* -- elementwise nodes --------------------------------------------------- */

/* The node that makes input `v` of the only one that reads it, or NONODE. */
static uint32_t
layout_fusable(const layout_t *l, maas_vid_t v, const maas_post_t *post)
{
    uint32_t             at = l->maker[v];
    const maas_node_t   *from;

    if (at == MAAS_NONODE || l->p->uses[v] != 1
        || maas_pass_is_output(l->p->g, v))
    {
        return MAAS_NONODE;
    }

    from = &l->p->g->node[at];

    return from->op != NULL && from->n_post < LAYOUT_POSTS
           && (maas_pass_posts(from->op) & (1u << post->kind))
           ? at : MAAS_NONODE;
}


/* Node i becomes `from` with one post-op more; operand: a value or NOVAL. */
static maas_status_t
layout_append(layout_t *l, uint32_t i, const maas_node_t *from,
    const maas_post_t *post, maas_vid_t operand)
{
    maas_vid_t    *in;
    maas_node_t    fused = *from;
    maas_post_t   *list;
    maas_graph_t  *g = l->p->g;

    list = maas_arena_array(g->arena, from->n_post + 1, sizeof(*list));
    in = maas_arena_array(g->arena, from->n_in + 1, sizeof(*in));
    if (list == NULL || in == NULL) {
        return maas_err_nomem(l->p->err);
    }

    if (from->n_post != 0) {
        memcpy(list, from->post, from->n_post * sizeof(*list));
    }

    memcpy(in, from->in, from->n_in * sizeof(*in));
    list[fused.n_post] = *post;

    if (operand != MAAS_NOVAL) {
        list[fused.n_post].operand = from->n_in;
        in[fused.n_in++] = operand;
    }

    fused.n_post++;
    fused.in = in;
    fused.post = list;
    fused.out = maas_arena_dup(g->arena, from->out,
                               from->n_out * sizeof(maas_vid_t));
    if (fused.out == NULL) {
        return maas_err_nomem(l->p->err);
    }

    fused.out[0] = g->node[i].out[0];

    g->node[i] = fused;
    return layout_write(l, i, 1);
}


/* An elementwise node that takes blocked input j as a post-op. */
static maas_status_t
layout_map(layout_t *l, uint32_t i, int j, const maas_post_t *post)
{
    uint32_t       at;
    maas_vid_t     v, operand = MAAS_NOVAL;
    maas_node_t    map = { 0 };
    maas_graph_t  *g = l->p->g;

    v = g->node[i].in[j];

    if (post->kind != MAAS_POST_UNARY) {
        if (post->kind == MAAS_POST_BINARY) {
            MAAS_TRY(layout_read(l, i, post->operand));
        }

        operand = g->node[i].in[post->operand];
    }

    at = layout_fusable(l, v, post);

    if (at != MAAS_NONODE) {
        map = g->node[at];
        MAAS_TRY(layout_append(l, i, &map, post, operand));
        maas_pass_delete(&g->node[at]);
        return MAAS_OK;
    }

    map.op = layout_row("Map");
    map.n_in = map.n_formal = map.n_out = 1;
    map.in = map.out = &l->twin[v];
    map.name = g->node[i].name;

    return layout_append(l, i, &map, post, operand);
}


static maas_status_t
layout_elementwise(layout_t *l, uint32_t i)
{
    maas_post_t   post;
    maas_node_t  *n = &l->p->g->node[i];
    const uint32_t  mask = maas_pass_posts(layout_row("Map"));

    for (int j = 0; j < n->n_in && j < LAYOUT_IN; j++) {
        memset(&post, 0, sizeof(post));

        if (layout_has(l, n->in[j]) && layout_fits(l, n->in[j], false)
            && n->n_out == 1
            && n->out[0] != MAAS_NOVAL && layout_fits(l, n->out[0], false)
            && maas_pass_as_post(l->p, n, j, &post)
            && (mask & (1u << post.kind)))
        {
            return layout_map(l, i, j, &post);
        }
    }

    return MAAS_OK;
}


/* What reads a shape alone reads that of either form. */
static void
layout_shape(const layout_t *l, maas_node_t *n)
{
    if ((n->op->flags & MAAS_OP_SHAPE) && n->n_in > 0
        && layout_has(l, n->in[0]))
    {
        n->in[0] = l->twin[n->in[0]];
    }
}


/* -- channel shuffles ---------------------------------------------------- */

/* The two types agree but for axis 1, which is read as [g, c / g]. */
static bool
layout_split(const maas_type_t *x, const maas_type_t *t)
{
    return x->rank == 4 && t->rank == 5 && x->dims[0] == t->dims[0]
           && x->dims[2] == t->dims[3] && x->dims[3] == t->dims[4]
           && maas_dim_known(x->dims[1]) && maas_dim_known(t->dims[1])
           && maas_dim_known(t->dims[2])
           && t->dims[1] * t->dims[2] == x->dims[1];
}


/* Transpose(0, 2, 1, 3, 4); its attributes begin with perm. */
static bool
layout_swaps(const maas_node_t *n)
{
    static const int64_t  want[] = { 0, 2, 1, 3, 4 };
    const maas_list_t    *perm = n->attr;

    return maas_pass_is(n, "Transpose") && n->n_post == 0
           && perm->n == maas_nelts(want)
           && memcmp(maas_list_ints(n->attr, perm), want, sizeof(want)) == 0;
}


/* The last node of a shuffle of the groups of `from`, or NULL. */
static maas_node_t *
layout_shuffle_end(const layout_t *l, const maas_node_t *from,
    const maas_node_t *first, maas_node_t **middle)
{
    maas_node_t        *last;
    const maas_value_t *v = l->p->g->value;
    const maas_type_t  *x = &v[first->in[0]].type, *t;

    *middle = maas_pass_only_user(l->p, first->out[0]);

    if (*middle == NULL || !layout_swaps(*middle)) {
        return NULL;
    }

    t = &v[first->out[0]].type;
    last = maas_pass_only_user(l->p, (*middle)->out[0]);

    if (last == NULL || !maas_pass_is(last, "Reshape")
        || last->in[0] != (*middle)->out[0] || !layout_split(x, t)
        || t->dims[1] * v[from->in[1]].type.dims[1]
           != v[from->in[0]].type.dims[1]
        || !layout_fits(l, last->out[0], false)
        || v[last->out[0]].type.rank != x->rank)
    {
        return NULL;
    }

    for (int i = 0; i < x->rank; i++) {
        if (v[last->out[0]].type.dims[i] != x->dims[i]) {
            return NULL;
        }
    }

    for (int i = 0; i < from->n_post; i++) {
        if (from->post[i].kind != MAAS_POST_UNARY) {
            return NULL;
        }
    }

    return last;
}


/* Reshape, Transpose, Reshape behind a grouped convolution. */
static maas_status_t
layout_shuffle(layout_t *l, uint32_t i, bool *done)
{
    maas_vid_t    out;
    maas_node_t  *n = &l->p->g->node[i], *from, *middle, *last, fused;

    if (!maas_pass_is(n, "Reshape") || !layout_has(l, n->in[0])
        || l->maker[n->in[0]] == MAAS_NONODE
        || maas_pass_only_user(l->p, n->in[0]) != n)
    {
        return MAAS_OK;
    }

    from = &l->p->g->node[l->maker[n->in[0]]];

    if (from->op != layout_row("ConvGrouped")) {
        return MAAS_OK;
    }

    last = layout_shuffle_end(l, from, n, &middle);
    if (last == NULL) {
        return MAAS_OK;
    }

    out = last->out[0];
    fused = *from;
    fused.op = layout_row("ConvShuffled");
    fused.out = maas_arena_dup(l->p->g->arena, &out, sizeof(out));
    if (fused.out == NULL) {
        return maas_err_nomem(l->p->err);
    }

    *last = fused;
    maas_pass_delete(from);
    maas_pass_delete(middle);
    maas_pass_delete(n);
    *done = true;

    return layout_write(l, (uint32_t) (last - l->p->g->node), 1);
}


/* -- the pass ------------------------------------------------------------ */

static maas_status_t
layout_plain(layout_t *l, maas_vid_t v)
{
    if (v == MAAS_NOVAL || v >= l->n_value || !l->lost[v]) {
        return MAAS_OK;
    }

    l->lost[v] = false;
    return layout_convert(l, "FromBlocked", l->twin[v], v);
}


/* What still reads a plain form that nothing makes gets it made. */
static maas_status_t
layout_restore(layout_t *l)
{
    uint32_t       n = l->p->g->n_node;
    maas_graph_t  *g = l->p->g;

    for (uint32_t i = 0; i < n; i++) {
        for (int j = 0; g->node[i].op != NULL && j < g->node[i].n_in; j++) {
            MAAS_TRY(layout_plain(l, g->node[i].in[j]));
        }
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        MAAS_TRY(layout_plain(l, g->out[i]));
    }

    return MAAS_OK;
}


static maas_status_t
layout_run(maas_pass_t *p)
{
    bool           done;
    uint32_t       n = p->g->n_node;
    layout_t       l = { .p = p, .n_value = p->g->n_value };
    maas_arena_t  *a = p->g->arena;

    l.twin = maas_arena_array(a, l.n_value + 1, sizeof(*l.twin));
    l.maker = maas_arena_array(a, l.n_value + 1, sizeof(*l.maker));
    l.lost = maas_arena_array(a, l.n_value + 1, sizeof(*l.lost));
    if (l.twin == NULL || l.maker == NULL || l.lost == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < l.n_value; i++) {
        l.twin[i] = MAAS_NOVAL;
        l.maker[i] = MAAS_NONODE;
    }

    for (uint32_t i = 0; i < n; i++) {
        if (p->g->node[i].op == NULL) {
            continue;
        }

        done = false;
        layout_shape(&l, &p->g->node[i]);
        MAAS_TRY(layout_op(&l, i, &done));

        if (!done) {
            MAAS_TRY(layout_shuffle(&l, i, &done));
        }

        if (!done) {
            MAAS_TRY(layout_elementwise(&l, i));
        }
    }

    MAAS_TRY(layout_restore(&l));
    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_layout = {
    .name = "layout", .run = layout_run, .needs_types = true
};
