/*
 * passes.c: the order of passes and what they share.  See pass.h.
 *
 * Ownership: what is made lies in the graph's arena.
 * Threads:   one thread.
 */

#include "graph/pass/pass.h"


const maas_pass_row_t *const  maas_pass_order[] = {
    &maas_pass_zipmap,
    &maas_pass_half,
    &maas_pass_dce,             /* frees outputs that upgrades left unread */
    &maas_pass_noop,
    &maas_pass_fuse_qlinear,
    &maas_pass_fold,
    &maas_pass_fuse_qdq,
    &maas_pass_cse,
    &maas_pass_fuse_norm,
    &maas_pass_fuse_gelu,
    &maas_pass_fuse_swish,
    &maas_pass_fuse_attention,
    &maas_pass_dce,             /* what the fusions left */
    &maas_pass_fuse_scale,
    &maas_pass_fuse_parts,
    &maas_pass_convbn,
    &maas_pass_fuse_qmatmul,
    &maas_pass_fuse_grad,
    &maas_pass_postop,
    &maas_pass_layout,
    &maas_pass_pack_qconv,
    &maas_pass_fuse_normconv,
    &maas_pass_pack,
    &maas_pass_dce,
    NULL
};

static const maas_pass_row_t *const  pass_before_grad[] = {
    &maas_pass_fold,
    &maas_pass_fuse_norm,
    &maas_pass_fuse_gelu,
    &maas_pass_fuse_swish,
    &maas_pass_fuse_attention,
    NULL
};


/* -- index --------------------------------------------------------------- */

maas_status_t
maas_pass_index(maas_pass_t *p)
{
    maas_vid_t           v;
    maas_graph_t        *g = p->g;
    const maas_node_t   *n;

    p->uses = maas_arena_array(g->arena, g->n_value + 1, sizeof(uint32_t));
    p->producer = maas_arena_array(g->arena, g->n_value + 1,
                                   sizeof(uint32_t));
    p->consumer = maas_arena_array(g->arena, g->n_value + 1,
                                   sizeof(uint32_t));
    if (p->uses == NULL || p->producer == NULL || p->consumer == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < g->n_value; i++) {
        p->producer[i] = MAAS_NONODE;
        p->consumer[i] = MAAS_NONODE;
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        n = &g->node[i];

        for (int j = 0; j < n->n_in; j++) {
            v = n->in[j];
            if (v != MAAS_NOVAL) {
                p->uses[v]++;
                p->consumer[v] = i;
            }
        }

        for (int j = 0; j < n->n_out; j++) {
            if (n->out[j] != MAAS_NOVAL) {
                p->producer[n->out[j]] = i;
            }
        }
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        p->uses[g->out[i]]++;
    }

    return MAAS_OK;
}


bool
maas_pass_is_output(const maas_graph_t *g, maas_vid_t v)
{
    for (uint32_t i = 0; i < g->n_out; i++) {
        if (g->out[i] == v) {
            return true;
        }
    }

    return false;
}


maas_node_t *
maas_pass_only_user(const maas_pass_t *p, maas_vid_t v)
{
    if (v == MAAS_NOVAL || p->uses[v] != 1 || p->consumer[v] == MAAS_NONODE) {
        return NULL;
    }

    return &p->g->node[p->consumer[v]];
}


const maas_value_t *
maas_pass_const(const maas_graph_t *g, maas_vid_t v)
{
    if (v == MAAS_NOVAL || g->value[v].role != MAAS_ROLE_CONST
        || g->value[v].type.format != MAAS_FMT_PLAIN)
    {
        return NULL;
    }

    return &g->value[v];
}


bool
maas_pass_scalar(const maas_graph_t *g, maas_vid_t v, float *f)
{
    const maas_value_t  *c = maas_pass_const(g, v);

    if (c == NULL || c->type.dtype != MAAS_F32 || c->type.rank < 0
        || maas_dims_count(c->type.dims, c->type.rank) != 1)
    {
        return false;
    }

    *f = *(const float *) c->data;
    return true;
}


bool
maas_pass_norm(const maas_pass_t *p, const maas_node_t *n)
{
    if (!maas_pass_is(n, "BatchNormalization") || n->n_out != 1
        || n->n_formal != 5 || n->n_post != 0)
    {
        return false;
    }

    for (int i = 1; i < 5; i++) {
        if (maas_pass_const(p->g, n->in[i]) == NULL
            || p->g->value[n->in[i]].type.dtype != MAAS_F32)
        {
            return false;
        }
    }

    return true;
}


const maas_node_t *
maas_pass_maker(const maas_pass_t *p, maas_vid_t v, const char *op)
{
    const maas_node_t  *n;

    if (v == MAAS_NOVAL || p->producer[v] == MAAS_NONODE) {
        return NULL;
    }

    n = &p->g->node[p->producer[v]];
    return op == NULL || maas_pass_is(n, op) ? n : NULL;
}


const void *
maas_pass_attr(const maas_node_t *n, const char *name)
{
    for (int i = 0; i < n->op->n_attr; i++) {
        if (strcmp(n->op->attr[i].name, name) == 0) {
            return (const char *) n->attr + n->op->attr[i].off;
        }
    }

    return NULL;
}


bool
maas_pass_attr_int(const maas_node_t *n, const char *name, int64_t *i)
{
    const void  *a = maas_pass_attr(n, name);

    if (a != NULL) {
        memcpy(i, a, sizeof(*i));
    }

    return a != NULL;
}


maas_raw_attr_t
maas_pass_attr_list(const maas_node_t *n, const char *name)
{
    const maas_list_t  *l = maas_pass_attr(n, name);
    maas_raw_attr_t     a = { .name = { name, strlen(name) },
                              .type = MAAS_ATTR_INTS };

    if (l != NULL && l->n != 0) {
        a.ints = maas_list_ints(n->attr, l);
        a.n = l->n;
    }

    return a;
}


maas_raw_attr_t
maas_pass_attr_word(const maas_node_t *n, const char *name)
{
    int64_t          i = 0;
    const char      *word = "";
    maas_raw_attr_t  a = { .name = { name, strlen(name) },
                           .type = MAAS_ATTR_STRING };

    (void) maas_pass_attr_int(n, name, &i);

    for (int j = 0; j < n->op->n_attr; j++) {
        if (strcmp(n->op->attr[j].name, name) == 0) {
            word = n->op->attr[j].words[i];
        }
    }

    a.s = (maas_str_t) { word, strlen(word) };
    return a;
}


/* -- editing ------------------------------------------------------------- */

maas_status_t
maas_pass_emit(maas_pass_t *p, const char *domain, const char *op,
    const maas_raw_attr_t *attr, uint32_t n_attr, const maas_vid_t *in,
    uint32_t n_in, const maas_type_t *type, maas_vid_t *out)
{
    void             *a;
    uint32_t          bytes;
    maas_node_t      *n;
    const maas_op_t  *row;

    row = maas_op_find((maas_str_t) { domain, strlen(domain) },
                       (maas_str_t) { op, strlen(op) });
    if (row == NULL) {
        return maas_err(p->err, MAAS_EINTERNAL, "a pass needs %s", op);
    }

    MAAS_TRY(maas_attr_parse(p->g->arena, row, attr, n_attr, &a, &bytes,
                             p->err));

    *out = maas_graph_value(p->g, maas_str(""));
    if (*out == MAAS_NOVAL) {
        return maas_err_nomem(p->err);
    }

    if (type != NULL) {
        p->g->value[*out].type = *type;
    }

    n = maas_graph_node(p->g, row, a, bytes, in, n_in, out, 1);
    if (n == NULL) {
        return maas_err_nomem(p->err);
    }

    n->name = (maas_str_t) { op, strlen(op) };
    return MAAS_OK;
}


maas_status_t
maas_pass_become(maas_pass_t *p, uint32_t i, const char *domain,
    const char *op, const maas_raw_attr_t *attr, uint32_t n_attr,
    const maas_vid_t *in, uint32_t n_in)
{
    void         *a;
    maas_node_t   n = p->g->node[i];

    n.op = maas_op_find((maas_str_t) { domain, strlen(domain) },
                        (maas_str_t) { op, strlen(op) });
    if (n.op == NULL) {
        return maas_err(p->err, MAAS_EINTERNAL, "a pass needs %s", op);
    }

    MAAS_TRY(maas_attr_parse(p->g->arena, n.op, attr, n_attr, &a,
                             &n.attr_bytes, p->err));
    n.attr = a;
    n.in = maas_arena_dup(p->g->arena, in, n_in * sizeof(maas_vid_t));
    if (n.in == NULL) {
        return maas_err_nomem(p->err);
    }

    n.n_in = n_in;
    n.n_formal = n_in;
    p->g->node[i] = n;

    return MAAS_OK;
}


/* Inputs of node i that are not made yet. */
static uint32_t
sort_missing(const maas_pass_t *p, const bool *made, uint32_t i)
{
    uint32_t            n = 0;
    const maas_node_t  *node = &p->g->node[i];

    for (int j = 0; j < node->n_in; j++) {
        n += node->in[j] != MAAS_NOVAL && !made[node->in[j]]
             && p->producer[node->in[j]] != MAAS_NONODE;
    }

    return n;
}


/*
 * Repeated sweeps: the order is nearly right already, so that one or two
 * are enough.
 */
maas_status_t
maas_pass_sort(maas_pass_t *p)
{
    bool          *made, *done, moved = true;
    uint32_t       n = 0;
    maas_node_t   *node;
    maas_graph_t  *g = p->g;

    MAAS_TRY(maas_pass_index(p));

    made = maas_arena_array(g->arena, g->n_value + 1, sizeof(bool));
    done = maas_arena_array(g->arena, g->n_node + 1, sizeof(bool));
    node = maas_arena_array(g->arena, g->n_node + 1, sizeof(maas_node_t));
    if (made == NULL || done == NULL || node == NULL) {
        return maas_err_nomem(p->err);
    }

    while (moved) {
        moved = false;

        for (uint32_t i = 0; i < g->n_node; i++) {
            if (done[i] || g->node[i].op == NULL
                || sort_missing(p, made, i) != 0)
            {
                continue;
            }

            for (int j = 0; j < g->node[i].n_out; j++) {
                if (g->node[i].out[j] != MAAS_NOVAL) {
                    made[g->node[i].out[j]] = true;
                }
            }

            node[n++] = g->node[i];
            done[i] = true;
            moved = true;
        }
    }

    g->node = node;
    g->cap_node = g->n_node + 1;
    g->n_node = n;

    return maas_pass_index(p);
}


/* -- running ------------------------------------------------------------- */

static bool
pass_is_off(const maas_pass_opts_t *o, const maas_pass_row_t *row)
{
    size_t       len = strlen(row->name);
    const char  *p = o->off;

    while (!row->always && p != NULL && *p != '\0') {
        if (strncmp(p, row->name, len) == 0
            && (p[len] == ',' || p[len] == '\0'))
        {
            return true;
        }

        p = strchr(p, ',');
        p = p != NULL ? p + 1 : NULL;
    }

    return false;
}


/* A name that no pass has would switch nothing off unnoticed. */
static maas_status_t
pass_off_check(const maas_pass_opts_t *o, maas_err_t *err)
{
    bool         known;
    size_t       len;
    const char  *p, *name;

    for (p = o->off; p != NULL && *p != '\0'; p += len + (p[len] == ',')) {
        len = strcspn(p, ",");
        known = len == 0;

        for (int i = 0; maas_pass_order[i] != NULL; i++) {
            name = maas_pass_order[i]->name;
            known = known || (strlen(name) == len
                              && strncmp(name, p, len) == 0);
        }

        if (!known) {
            return maas_err(err, MAAS_EINVAL, "there is no pass '%.*s'",
                            (int) len, p);
        }
    }

    return MAAS_OK;
}


static maas_status_t
pass_graph(const maas_pass_row_t *row, maas_pass_t *p, maas_graph_t *g)
{
    p->g = g;
    MAAS_TRY(maas_pass_index(p));
    MAAS_TRY(row->run(p));

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (int j = 0; j < g->node[i].n_body; j++) {
            MAAS_TRY(pass_graph(row, p, g->node[i].body[j]));
        }
    }

    return MAAS_OK;
}


static maas_status_t
pass_list(const maas_pass_row_t *const *list, maas_graph_t *g,
    const maas_pass_opts_t *o, maas_err_t *err)
{
    maas_pass_t  p = { .k = o->k, .host = o->host, .budget = o->fold_budget,
                       .fast = o->fast, .err = err };

    MAAS_TRY(pass_off_check(o, err));

    for (int i = 0; list[i] != NULL; i++) {
        if (pass_is_off(o, list[i])) {
            continue;
        }

        if (list[i]->needs_types) {
            MAAS_TRY(maas_graph_infer(g, err));
        }

        MAAS_TRY(pass_graph(list[i], &p, g));
    }

    return maas_graph_infer(g, err);
}


maas_status_t
maas_passes_run(maas_graph_t *g, const maas_pass_opts_t *o, maas_err_t *err)
{
    return pass_list(maas_pass_order, g, o, err);
}


maas_status_t
maas_passes_before_grad(maas_graph_t *g, const maas_pass_opts_t *o,
    maas_err_t *err)
{
    return pass_list(pass_before_grad, g, o, err);
}
