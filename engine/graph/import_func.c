/*
 * import_func.c: functions of a model are written out where they are called,
 * before anything else looks at the graph.  A call's node becomes the nodes
 * of the function, whose inner names get the call's name in front, so that
 * errors and profiles say where a node is from.  Attribute references take
 * what the call gives, else the function's default, else nothing.  The nodes
 * keep the opsets that the function imports.
 *
 * A function that calls itself, directly or not, has no end and is refused;
 * doubling from level to level is bounded by the number of nodes.
 *
 * Ownership: the new graph lies in the graph's arena, since nodes keep their
 *            names; what is needed only here in im->tmp.
 * Threads:   one thread.
 * Format:    FunctionProto in onnx.proto
 */

#include <stdio.h>

#include "graph/import_func.h"


static maas_status_t func_graph(func_t *fn, const func_call_t *call,
    const func_names_t *names, const maas_raw_graph_t *g,
    maas_raw_graph_t **out);
static maas_status_t func_node(func_t *fn, const func_call_t *call,
    const func_names_t *names, const maas_raw_node_t *n);


/* -- attributes ---------------------------------------------------------- */

/* What a reference stands for; NULL: nothing, the attribute goes. */
static const maas_raw_attr_t *
func_attr_value(const func_call_t *call, maas_str_t name, bool *preset)
{
    *preset = false;

    for (uint32_t i = 0; i < call->node->n_attr; i++) {
        if (maas_str_eq(call->node->attr[i].name, name)) {
            return &call->node->attr[i];
        }
    }

    *preset = true;

    for (uint32_t i = 0; i < call->f->n_preset; i++) {
        if (maas_str_eq(call->f->preset[i].name, name)) {
            return &call->f->preset[i];
        }
    }

    return NULL;
}


static maas_status_t
func_attrs(func_t *fn, const func_call_t *call, const func_names_t *names,
    const maas_raw_node_t *n, maas_raw_node_t *to)
{
    bool                    preset;
    maas_raw_attr_t        *a;
    const maas_raw_attr_t  *from;

    to->n_attr = 0;
    to->attr = maas_arena_array(fn->im->arena, n->n_attr, sizeof(*to->attr));
    if (to->attr == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    for (uint32_t i = 0; i < n->n_attr; i++) {
        from = &n->attr[i];
        preset = true;

        if (from->ref.len != 0 && call != NULL) {
            from = func_attr_value(call, from->ref, &preset);
            if (from == NULL) {
                continue;
            }
        }

        a = &to->attr[to->n_attr++];
        *a = *from;
        a->name = n->attr[i].name;

        /* A graph that the call gives is in the caller's names already. */
        if (a->type == MAAS_ATTR_GRAPH && preset) {
            MAAS_TRY(func_graph(fn, call, names, from->g, &a->g));
        }
    }

    return MAAS_OK;
}


/* -- calls --------------------------------------------------------------- */

static const maas_raw_func_t *
func_find(const func_t *fn, const maas_raw_node_t *n)
{
    const maas_raw_model_t  *m = fn->im->model;

    for (uint32_t i = 0; i < m->n_func; i++) {
        if (maas_str_eq(m->func[i].name, n->op)
            && maas_str_eq(m->func[i].domain, n->domain)
            && maas_str_eq(m->func[i].overload, n->overload))
        {
            return &m->func[i];
        }
    }

    return NULL;
}


/* The calls from the first one of f to the next one. */
static maas_status_t
func_cycle(func_t *fn, const func_call_t *call, const maas_raw_func_t *f)
{
    char                text[600];
    size_t              len = 0;
    const func_call_t  *path[FUNC_DEPTH_MAX + 1];
    int                 n = 0;

    for ( ; call->f != f; call = call->outer) {
        path[n++] = call;
    }

    path[n++] = call;
    text[0] = '\0';

    while (n != 0 && len < sizeof(text) - 300) {
        n--;
        len += (size_t) snprintf(text + len, sizeof(text) - len,
                                 "%.*s.%.*s -> ", IMP_SHOW(path[n]->f->domain),
                                 IMP_SHOW(path[n]->f->name));
    }

    return maas_err(fn->im->err, MAAS_EINVAL, "functions call each other in "
                    "a cycle: %s%s%.*s.%.*s", text, n != 0 ? "... -> " : "",
                    IMP_SHOW(f->domain), IMP_SHOW(f->name));
}


static bool
func_refers(const maas_raw_node_t *n, uint32_t n_node, maas_str_t name)
{
    const maas_raw_attr_t  *a;

    for (uint32_t i = 0; i < n_node; i++) {
        for (uint32_t j = 0; j < n[i].n_attr; j++) {
            a = &n[i].attr[j];

            if (maas_str_eq(a->ref, name)
                || (a->type == MAAS_ATTR_GRAPH && a->g != NULL
                    && func_refers(a->g->node, a->g->n_node, name)))
            {
                return true;
            }
        }
    }

    return false;
}


/* An attribute that the function neither lists nor reads is a mistake. */
static maas_status_t
func_check_attr(func_t *fn, const maas_raw_func_t *f, maas_str_t name)
{
    for (uint32_t i = 0; i < f->n_attr; i++) {
        if (maas_str_eq(f->attr[i], name)) {
            return MAAS_OK;
        }
    }

    for (uint32_t i = 0; i < f->n_preset; i++) {
        if (maas_str_eq(f->preset[i].name, name)) {
            return MAAS_OK;
        }
    }

    if (func_refers(f->node, f->n_node, name)) {
        return MAAS_OK;
    }

    return maas_err(fn->im->err, MAAS_EINVAL, "attribute '%.*s' is not known "
                    "to the function", IMP_SHOW(name));
}


static maas_status_t
func_check_call(func_t *fn, const func_call_t *outer,
    const maas_raw_func_t *f, maas_raw_node_t *n)
{
    while (n->n_in > f->n_in && n->in[n->n_in - 1].len == 0) {
        n->n_in--;
    }

    while (n->n_out > f->n_out && n->out[n->n_out - 1].len == 0) {
        n->n_out--;
    }

    if (n->n_in > f->n_in || n->n_out > f->n_out) {
        return maas_err(fn->im->err, MAAS_EINVAL, "the call has %u inputs "
                        "and %u outputs, but the function has %u and %u",
                        n->n_in, n->n_out, f->n_in, f->n_out);
    }

    for (uint32_t i = 0; i < n->n_attr; i++) {
        MAAS_TRY(func_check_attr(fn, f, n->attr[i].name));
    }

    if (outer != NULL && outer->depth + 1 >= FUNC_DEPTH_MAX) {
        return maas_err(fn->im->err, MAAS_ELIMIT, "functions call each other "
                        "deeper than %d", FUNC_DEPTH_MAX);
    }

    for (const func_call_t *c = outer; c != NULL; c = c->outer) {
        if (c->f == f) {
            return func_cycle(fn, outer, f);
        }
    }

    return MAAS_OK;
}


static maas_status_t
func_emit(func_t *fn, const maas_raw_node_t *n)
{
    uint32_t          cap = fn->cap != 0 ? fn->cap * 2 : 64;
    maas_raw_node_t  *more;

    if (fn->n == fn->cap) {
        more = maas_arena_array(fn->im->arena, cap, sizeof(*more));
        if (more == NULL) {
            return maas_err_nomem(fn->im->err);
        }

        if (fn->n != 0) {
            memcpy(more, fn->node, fn->n * sizeof(*more));
        }

        fn->node = more;
        fn->cap = cap;
    }

    fn->node[fn->n++] = *n;
    return MAAS_OK;
}


/* out = in, where a function gives an input or one tensor twice. */
static maas_status_t
func_identity(func_t *fn, const func_call_t *call, maas_str_t in,
    maas_str_t out)
{
    maas_raw_node_t                n = { .op = maas_str("Identity") };
    static const maas_raw_opset_t  opset = { maas_str(""), 16 };

    n.in = maas_arena_dup(fn->im->arena, &in, sizeof(in));
    n.out = maas_arena_dup(fn->im->arena, &out, sizeof(out));
    if (n.in == NULL || n.out == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    n.name = call->name;
    n.n_in = 1;
    n.n_out = 1;
    n.opset = &opset;
    n.n_opset = 1;

    return func_emit(fn, &n);
}


/* Formal inputs, then everything that the function makes. */
static maas_status_t
func_bind_all(func_t *fn, const func_call_t *call, func_names_t *s)
{
    bool                    had;
    maas_str_t              to;
    const maas_raw_func_t  *f = call->f;
    const maas_raw_node_t  *n = call->node;

    MAAS_TRY(func_names_init(fn, s, NULL, f->n_in + f->n_out + f->n_node));

    for (uint32_t i = 0; i < f->n_in; i++) {
        to = i < n->n_in ? n->in[i] : maas_str("");
        MAAS_TRY(func_bind(fn, s, f->in[i], to, &had));

        if (had) {
            return maas_err(fn->im->err, MAAS_EINVAL, "input '%.*s' is "
                            "listed twice", IMP_SHOW(f->in[i]));
        }
    }

    for (uint32_t i = 0; i < f->n_node; i++) {
        for (uint32_t j = 0; j < f->node[i].n_out; j++) {
            MAAS_TRY(func_make(fn, call, s, f->node[i].out[j], "output"));
        }
    }

    return MAAS_OK;
}


/* Is output i one that the call takes under another name already? */
static bool
func_taken(const func_call_t *call, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++) {
        if (call->node->out[j].len != 0
            && maas_str_eq(call->f->out[j], call->f->out[i]))
        {
            return true;
        }
    }

    return false;
}


/* The call's own names for what it takes from the function. */
static maas_status_t
func_bind_output(func_t *fn, const func_call_t *call, func_names_t *s,
    uint32_t i)
{
    imp_name_t  *e;
    maas_str_t   name = call->f->out[i], to = call->node->out[i];

    e = imp_table_find(&s->table, name);

    if (e == NULL) {
        return maas_err(fn->im->err, MAAS_EINVAL, "output '%.*s' is made by "
                        "no node or input of the function", IMP_SHOW(name));
    }

    /* Inputs were bound first. */
    if (e->node >= call->f->n_in && !func_taken(call, i)) {
        s->to[e->node] = to;
        return MAAS_OK;
    }

    if (s->to[e->node].len == 0) {
        return maas_err(fn->im->err, MAAS_EINVAL, "output '%.*s' is an input "
                        "that the call does not give", IMP_SHOW(name));
    }

    return func_identity(fn, call, s->to[e->node], to);
}


/* Everything about the call itself. */
static maas_status_t
func_begin(func_t *fn, func_call_t *call, maas_raw_node_t *n,
    func_names_t *names)
{
    MAAS_TRY(func_check_call(fn, call->outer, call->f, n));
    MAAS_TRY(func_bind_all(fn, call, names));

    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i].len != 0) {
            MAAS_TRY(func_bind_output(fn, call, names, i));
        }
    }

    return MAAS_OK;
}


static maas_status_t
func_fail(func_t *fn, const func_call_t *call)
{
    const maas_raw_func_t  *f = call->f;

    return maas_err_prefix(fn->im->err, "node '%.*s' (function %.*s%s%.*s)",
                           IMP_SHOW(call->name), IMP_SHOW(f->domain),
                           f->domain.len != 0 ? "." : "", IMP_SHOW(f->name));
}


static maas_status_t
func_expand(func_t *fn, const func_call_t *outer, const maas_raw_func_t *f,
    maas_raw_node_t *n)
{
    func_call_t      call = { outer, f, n, imp_node_name(n), 0 };
    func_names_t     names;
    maas_raw_node_t  inner;

    call.depth = outer != NULL ? outer->depth + 1 : 0;
    call.name = call.name.len != 0 ? call.name : f->name;

    if (func_begin(fn, &call, n, &names) != MAAS_OK) {
        return func_fail(fn, &call);
    }

    for (uint32_t i = 0; i < f->n_node; i++) {
        inner = f->node[i];
        inner.opset = f->opset;
        inner.n_opset = f->n_opset;
        MAAS_TRY(func_node(fn, &call, &names, &inner));
    }

    return MAAS_OK;
}


/* The node under the names of the graph that is written. */
static maas_status_t
func_rename(func_t *fn, const func_call_t *call, const func_names_t *names,
    const maas_raw_node_t *n, maas_raw_node_t *to)
{
    *to = *n;

    MAAS_TRY(func_name_list(fn, names, n->in, n->n_in, &to->in));
    MAAS_TRY(func_name_list(fn, names, n->out, n->n_out, &to->out));

    if (call == NULL) {
        return MAAS_OK;
    }

    return func_fresh(fn, call, n->name.len != 0 ? n->name : n->op,
                      &to->name);
}


static maas_status_t
func_node(func_t *fn, const func_call_t *call, const func_names_t *names,
    const maas_raw_node_t *n)
{
    maas_status_t           rc;
    maas_raw_node_t         to;
    const maas_raw_func_t  *f;

    rc = func_rename(fn, call, names, n, &to);

    if (rc != MAAS_OK) {
        return call != NULL ? func_fail(fn, call) : rc;
    }

    MAAS_TRY(func_attrs(fn, call, names, n, &to));

    f = func_find(fn, &to);

    return f == NULL ? func_emit(fn, &to) : func_expand(fn, call, f, &to);
}


/* -- graphs -------------------------------------------------------------- */

/* Names that a body of a function's node makes. */
static maas_status_t
func_body_names(func_t *fn, const func_call_t *call, func_names_t *s,
    const maas_raw_graph_t *g)
{
    for (uint32_t i = 0; i < g->n_init; i++) {
        MAAS_TRY(func_make(fn, call, s, g->init[i].name, "initializer"));
    }

    for (uint32_t i = 0; i < g->n_in; i++) {
        MAAS_TRY(func_make(fn, call, s, g->in[i].name, "input"));
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (uint32_t j = 0; j < g->node[i].n_out; j++) {
            MAAS_TRY(func_make(fn, call, s, g->node[i].out[j], "output"));
        }
    }

    return MAAS_OK;
}


/* Its ports and initializers under their new names. */
static maas_status_t
func_rename_graph(func_t *fn, const func_names_t *s, maas_raw_graph_t *g)
{
    g->in = maas_arena_dup(fn->im->arena, g->in, g->n_in * sizeof(*g->in));
    g->out = maas_arena_dup(fn->im->arena, g->out,
                            g->n_out * sizeof(*g->out));
    g->init = maas_arena_dup(fn->im->arena, g->init,
                             g->n_init * sizeof(*g->init));

    if (g->in == NULL || g->out == NULL || g->init == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    for (uint32_t i = 0; i < g->n_in; i++) {
        MAAS_TRY(func_name(fn, s, g->in[i].name, &g->in[i].name));
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        MAAS_TRY(func_name(fn, s, g->out[i].name, &g->out[i].name));
    }

    for (uint32_t i = 0; i < g->n_init; i++) {
        MAAS_TRY(func_name(fn, s, g->init[i].name, &g->init[i].name));
    }

    return MAAS_OK;
}


static maas_status_t
func_graph_nodes(func_t *fn, const func_call_t *call,
    const func_names_t *names, const maas_raw_graph_t *g,
    maas_raw_graph_t *to)
{
    func_t           outer = *fn;
    maas_status_t    rc = MAAS_OK;
    maas_raw_node_t  inner;

    fn->node = NULL;
    fn->n = 0;
    fn->cap = 0;

    for (uint32_t i = 0; i < g->n_node && rc == MAAS_OK; i++) {
        inner = g->node[i];

        if (call != NULL) {
            inner.opset = call->f->opset;
            inner.n_opset = call->f->n_opset;
        }

        rc = func_node(fn, call, names, &inner);
    }

    to->node = fn->node;
    to->n_node = fn->n;

    fn->node = outer.node;
    fn->n = outer.n;
    fn->cap = outer.cap;

    return rc;
}


static maas_status_t
func_graph(func_t *fn, const func_call_t *call, const func_names_t *names,
    const maas_raw_graph_t *g, maas_raw_graph_t **out)
{
    func_names_t       own;
    maas_status_t      rc;
    maas_raw_graph_t  *to;

    if (++fn->depth > FUNC_BODY_MAX) {
        return maas_err(fn->im->err, MAAS_ELIMIT, "with its functions "
                        "written out the model has bodies nested deeper "
                        "than %d", FUNC_BODY_MAX);
    }

    to = maas_arena_dup(fn->im->arena, g, sizeof(*g));
    if (to == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    if (call != NULL) {
        MAAS_TRY(func_names_init(fn, &own, names,
                                 g->n_in + g->n_init + g->n_node));
        MAAS_TRY(func_body_names(fn, call, &own, g));
        MAAS_TRY(func_rename_graph(fn, &own, to));
        names = &own;
    }

    rc = func_graph_nodes(fn, call, names, g, to);

    fn->depth--;
    *out = to;
    return rc;
}


/* Two functions of one name leave open which one is called. */
static maas_status_t
func_check_names(maas_import_t *im)
{
    const maas_raw_func_t   *f, *g;
    const maas_raw_model_t  *m = im->model;

    for (uint32_t i = 0; i < m->n_func; i++) {
        f = &m->func[i];

        if (f->name.len == 0) {
            return maas_err(im->err, MAAS_EINVAL, "a function of domain "
                            "'%.*s' has no name", IMP_SHOW(f->domain));
        }

        for (uint32_t j = 0; j < i; j++) {
            g = &m->func[j];

            if (maas_str_eq(f->name, g->name)
                && maas_str_eq(f->domain, g->domain)
                && maas_str_eq(f->overload, g->overload))
            {
                return maas_err(im->err, MAAS_EINVAL, "function '%.*s.%.*s' "
                                "is given twice", IMP_SHOW(f->domain),
                                IMP_SHOW(f->name));
            }
        }
    }

    return MAAS_OK;
}


maas_status_t
imp_functions(maas_import_t *im, const maas_raw_graph_t **g)
{
    func_t             fn = { .im = im, .start = im->arena->used };
    maas_raw_graph_t  *to;

    if (im->model->n_func == 0) {
        return MAAS_OK;
    }

    if (im->model->n_func > IMP_FUNCS_MAX) {
        return maas_err(im->err, MAAS_ELIMIT, "%u functions, at most %d are "
                        "served", im->model->n_func, IMP_FUNCS_MAX);
    }

    MAAS_TRY(func_check_names(im));

    if (!imp_table_init(&fn.used, &im->tmp, (*g)->n_node)) {
        return maas_err_nomem(im->err);
    }

    MAAS_TRY(func_use_graph(&fn, *g));
    MAAS_TRY(func_graph(&fn, NULL, NULL, *g, &to));

    *g = to;
    return MAAS_OK;
}
