/*
 * import.c: maas_raw_model_t -> maas_graph_t.  Names become value numbers,
 * initializers and Constant nodes become constants, nodes are brought to the
 * canonical opset and checked against their operator's row, bodies become
 * graphs whose captures are inputs.  Nothing is computed here.
 *
 * Ownership: the graph lies in the caller's arena; constants point to where
 *            the raw model has them.
 * Threads:   one thread.
 */

#include "graph/import.h"


/*
 * Opsets of a domain whose meaning the operators' rows follow.  Below min
 * an operator is served only if it has not changed since.
 */
static const struct {
    const char  *domain;
    int64_t      min;
    int64_t      max;
} imp_domains[] = {
    { "", 6, 24 },
    { "ai.onnx.ml", 1, 5 }
};


/* -- errors -------------------------------------------------------------- */

/* Of a node's domain; 0: not imported. */
static int64_t
imp_opset(const maas_import_t *im, const maas_raw_node_t *n)
{
    uint32_t                 count = im->model->n_opset;
    const maas_raw_opset_t  *set = im->model->opset;

    if (n->opset != NULL) {
        count = n->n_opset;
        set = n->opset;
    }

    for (uint32_t i = 0; i < count; i++) {
        if (maas_str_eq(set[i].domain, n->domain)) {
            return set[i].version;
        }
    }

    return 0;
}


maas_str_t
imp_node_name(const maas_raw_node_t *n)
{
    if (n->name.len != 0) {
        return n->name;
    }

    /* Without a name, the first output tells which one it is. */
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i].len != 0) {
            return n->out[i];
        }
    }

    return maas_str("");
}


/* Puts "node 'x' (Op, opset N)" before the text. */
static maas_status_t
imp_fail(const maas_import_t *im, const maas_raw_node_t *n)
{
    maas_str_t  name = imp_node_name(n);

    return maas_err_prefix(im->err, "node '%.*s' (%.*s%s%.*s, opset %lld)",
                           IMP_SHOW(name), IMP_SHOW(n->domain),
                           n->domain.len ? "." : "", IMP_SHOW(n->op),
                           (long long) imp_opset(im, n));
}


/* -- names --------------------------------------------------------------- */

imp_name_t *
imp_lookup(imp_scope_t *sc, maas_str_t name, imp_scope_t **at)
{
    imp_name_t  *e;

    for ( ; sc != NULL; sc = sc->parent) {
        e = imp_table_find(&sc->names, name);

        if (e != NULL) {
            *at = sc;
            return e;
        }
    }

    return NULL;
}


maas_status_t
imp_define(maas_import_t *im, imp_scope_t *sc, maas_str_t name,
    maas_vid_t vid)
{
    bool         is_new;
    imp_name_t  *e;

    e = imp_table_add(&sc->names, name, &is_new);
    if (e == NULL) {
        return maas_err_nomem(im->err);
    }

    if (e->vid != MAAS_NOVAL) {
        return maas_err(im->err, MAAS_EINVAL,
                        "tensor '%.*s' is made twice", IMP_SHOW(name));
    }

    e->vid = vid;
    return MAAS_OK;
}


/* A name that is to be made in this scope: by whom, and that by none else. */
static maas_status_t
imp_declare(maas_import_t *im, imp_scope_t *sc, maas_str_t name,
    uint32_t node, const char *what)
{
    bool          is_new;
    imp_name_t   *e;
    imp_scope_t  *at;

    if (name.len == 0) {
        return maas_err(im->err, MAAS_EINVAL, "%s without a name", what);
    }

    e = imp_lookup(sc->parent, name, &at);
    if (e != NULL && e->vid != MAAS_NOVAL) {
        return maas_err(im->err, MAAS_EINVAL, "%s '%.*s' of a body hides a "
                        "tensor of the same name outside", what,
                        IMP_SHOW(name));
    }

    e = imp_table_add(&sc->names, name, &is_new);
    if (e == NULL) {
        return maas_err_nomem(im->err);
    }

    if (!is_new) {
        return maas_err(im->err, MAAS_EINVAL, "%s '%.*s': another tensor has "
                        "this name", what, IMP_SHOW(name));
    }

    e->node = node;
    return MAAS_OK;
}


/* The value that a name means here; captures it when it is from outside. */
static maas_status_t
imp_resolve(maas_import_t *im, imp_scope_t *sc, maas_str_t name,
    maas_vid_t *vid)
{
    imp_name_t  *e;

    e = imp_table_find(&sc->names, name);

    if (e != NULL && e->vid != MAAS_NOVAL) {
        *vid = e->vid;
        return MAAS_OK;
    }

    if (e != NULL || sc->parent == NULL) {
        return maas_err(im->err, MAAS_EINVAL, "tensor '%.*s' is made by no "
                        "node, input or initializer%s", IMP_SHOW(name),
                        e != NULL ? " before it is read" : "");
    }

    MAAS_TRY(imp_resolve(im, sc->parent, name, vid));

    return imp_capture(im, sc, name, *vid, vid);
}


/* -- inputs and initializers --------------------------------------------- */

static maas_status_t
imp_inits(maas_import_t *im, imp_scope_t *sc)
{
    maas_vid_t              id;
    const maas_raw_init_t  *init;

    for (uint32_t i = 0; i < sc->raw->n_init; i++) {
        init = &sc->raw->init[i];

        MAAS_TRY(imp_declare(im, sc, init->name, IMP_NONODE, "initializer"));

        id = maas_graph_const(sc->g, init->name, &init->t);
        if (id == MAAS_NOVAL) {
            return maas_err_nomem(im->err);
        }

        MAAS_TRY(imp_define(im, sc, init->name, id));
    }

    return MAAS_OK;
}


static void
imp_port_type(maas_import_t *im, imp_scope_t *sc, const maas_raw_port_t *p,
    maas_type_t *t)
{
    t->kind = p->kind;
    t->inner = p->inner;
    t->key = p->key;
    t->dtype = p->dtype;
    t->rank = -1;

    /* In bodies a declared shape is a hint, and often wrong. */
    if (sc->parent != NULL) {
        return;
    }

    t->rank = (int8_t) p->rank;

    for (int i = 0; i < p->rank; i++) {
        t->dims[i] = p->dims[i] >= 0 ? p->dims[i]
                         : maas_dim_symbol(im->scope->g->syms, p->sym[i]);
    }
}


/* Types of several elements to a byte are for weights. */
static maas_status_t
imp_packed(const maas_import_t *im, maas_str_t name, uint8_t dtype)
{
    if (maas_dtypes[dtype].block_elems <= 1) {
        return MAAS_OK;
    }

    return maas_err(im->err, MAAS_EUNSUPPORTED, "'%.*s' is %s, which is "
                    "served in weights of DequantizeLinear only",
                    IMP_SHOW(name), maas_dtype_name(dtype));
}


static maas_status_t
imp_inputs(maas_import_t *im, imp_scope_t *sc)
{
    maas_vid_t              id;
    imp_name_t             *e;
    const maas_raw_port_t  *p;

    sc->g->in = maas_arena_array(im->arena, sc->raw->n_in,
                                 sizeof(maas_vid_t));
    if (sc->g->in == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < sc->raw->n_in; i++) {
        p = &sc->raw->in[i];

        /* An initializer that is listed as input too is a constant. */
        e = imp_table_find(&sc->names, p->name);
        if (e != NULL && sc->parent == NULL && e->vid < sc->raw->n_init) {
            continue;
        }

        MAAS_TRY(imp_declare(im, sc, p->name, IMP_NONODE, "input"));

        if (sc->parent == NULL && p->dtype == MAAS_NODTYPE) {
            return maas_err(im->err, MAAS_EINVAL, "input '%.*s' has no "
                            "declared type", IMP_SHOW(p->name));
        }

        MAAS_TRY(imp_packed(im, p->name, p->dtype));

        id = maas_graph_value(sc->g, p->name);
        if (id == MAAS_NOVAL) {
            return maas_err_nomem(im->err);
        }

        sc->g->value[id].role = MAAS_ROLE_INPUT;
        imp_port_type(im, sc, p, &sc->g->value[id].type);
        sc->g->in[sc->g->n_in++] = id;

        MAAS_TRY(imp_define(im, sc, p->name, id));
    }

    return MAAS_OK;
}


/*
 * Where inference cannot tell whether it is a list, the file does; and of
 * what dtype a body's output is: it counts where no iteration gives one.
 */
static void
imp_output_kind(imp_scope_t *sc, const maas_raw_port_t *p, maas_vid_t id)
{
    maas_type_t  *t = &sc->g->value[id].type;

    if (sc->parent != NULL && t->dtype == MAAS_NODTYPE && t->rank < 0
        && !maas_kind_is_list(p->kind) && !maas_kind_is_list(t->kind))
    {
        t->dtype = p->dtype;
    }

    if (maas_kind_is_list(p->kind) && !maas_kind_is_list(t->kind)
        && t->rank < 0 && sc->parent == NULL)
    {
        t->kind = p->kind;
        t->dtype = p->dtype;
    }
}


static maas_status_t
imp_outputs(maas_import_t *im, imp_scope_t *sc)
{
    bool          is_new;
    maas_str_t    name;
    imp_table_t   seen;

    sc->g->out = maas_arena_array(im->arena, sc->raw->n_out,
                                  sizeof(maas_vid_t));
    sc->g->declared = sc->parent != NULL ? NULL
                      : maas_arena_array(im->arena, sc->raw->n_out,
                                         sizeof(maas_type_t));
    if (sc->g->out == NULL || !imp_table_init(&seen, &im->tmp, 16)
        || (sc->g->declared == NULL && sc->parent == NULL))
    {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < sc->raw->n_out; i++) {
        name = sc->raw->out[i].name;

        if (imp_resolve(im, sc, name, &sc->g->out[i]) != MAAS_OK) {
            return maas_err_prefix(im->err, "output '%.*s'", IMP_SHOW(name));
        }

        imp_output_kind(sc, &sc->raw->out[i], sc->g->out[i]);
        MAAS_TRY(imp_packed(im, name,
                            sc->g->value[sc->g->out[i]].type.dtype));

        if (imp_table_add(&seen, name, &is_new) == NULL) {
            return maas_err_nomem(im->err);
        }

        if (!is_new && sc->parent == NULL) {
            return maas_err(im->err, MAAS_EINVAL,
                            "output '%.*s' is listed twice", IMP_SHOW(name));
        }

        if (sc->parent == NULL) {
            imp_port_type(im, sc, &sc->raw->out[i], &sc->g->declared[i]);
        }

        sc->g->n_out++;
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

static maas_status_t
imp_node_inputs(maas_import_t *im, const maas_op_t *op,
    const maas_raw_node_t *n, maas_vid_t **in, uint32_t *n_in)
{
    uint32_t             count = n->n_in;
    const maas_type_t  **type;

    while (count != 0 && n->in[count - 1].len == 0) {
        count--;
    }

    *in = maas_arena_array(&im->tmp, count, sizeof(maas_vid_t));
    type = maas_arena_array(&im->tmp, count, sizeof(*type));
    if (*in == NULL || type == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < count; i++) {
        (*in)[i] = MAAS_NOVAL;

        if (n->in[i].len != 0) {
            MAAS_TRY(imp_resolve(im, im->scope, n->in[i], &(*in)[i]));
        }
    }

    /* After the last resolve: a capture may move the array of values. */
    for (uint32_t i = 0; i < count; i++) {
        type[i] = (*in)[i] != MAAS_NOVAL
                  ? &im->scope->g->value[(*in)[i]].type : NULL;
    }

    *n_in = count;
    return maas_formals_types(op, type, count, im->err);
}


static maas_status_t
imp_node_outputs(maas_import_t *im, const maas_op_t *op,
    const maas_raw_node_t *n, maas_vid_t **out, uint32_t *n_out)
{
    bool        named;
    uint32_t    count = n->n_out, need = 0;

    while (count != 0 && n->out[count - 1].len == 0
           && !(op->flags & MAAS_OP_CONTROL))
    {
        count--;
    }

    /* Outputs that the operator always makes have a value, wanted or not. */
    for (uint32_t i = 0; i < op->n_out; i++) {
        if (!(op->out[i].flags & (MAAS_OPT | MAAS_VARIADIC))) {
            need = i + 1;
        }
    }

    *n_out = maas_max(count, need);
    *out = maas_arena_array(&im->tmp, *n_out, sizeof(maas_vid_t));
    if (*out == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < *n_out; i++) {
        (*out)[i] = MAAS_NOVAL;
        named = i < count && n->out[i].len != 0;

        if (!named && (i >= need || (op->out[i].flags & MAAS_OPT))) {
            continue;
        }

        (*out)[i] = maas_graph_value(im->scope->g,
                                     named ? n->out[i] : maas_str(""));
        if ((*out)[i] == MAAS_NOVAL) {
            return maas_err_nomem(im->err);
        }

        if (named) {
            MAAS_TRY(imp_define(im, im->scope, n->out[i], (*out)[i]));
        }
    }

    return MAAS_OK;
}


maas_status_t
imp_build(maas_import_t *im, const maas_op_t *op, const maas_raw_node_t *n)
{
    void             *attr;
    uint32_t          n_in = 0, n_out = 0, bytes, n_body = 0, formals;
    maas_body_t       counts;
    maas_vid_t       *in, *out;
    imp_scope_t      *body = NULL;
    maas_node_t      *node;
    maas_raw_node_t   raw = *n;

    MAAS_TRY(maas_formals_count(op, n, im->err));
    MAAS_TRY(maas_attr_parse(&im->tmp, op, n->attr, n->n_attr, &attr, &bytes,
                             im->err));
    MAAS_TRY(imp_node_inputs(im, op, n, &in, &n_in));
    formals = n_in;

    if (op->flags & MAAS_OP_CONTROL) {
        MAAS_TRY(imp_bodies(im, op, n, &body, &n_body));
        MAAS_TRY(imp_captures(im, op, body, n_body, &in, &n_in, &formals));
    }

    if (op->control == MAAS_CONTROL_IF) {
        MAAS_TRY(imp_branch_outputs(im, body, n_body, &raw));
    }

    MAAS_TRY(imp_node_outputs(im, op, &raw, &out, &n_out));

    node = maas_graph_node(im->scope->g, op, attr, bytes, in, n_in, out,
                           n_out);
    if (node == NULL) {
        return maas_err_nomem(im->err);
    }

    node->name = imp_node_name(n);
    node->n_body = (uint16_t) n_body;
    node->n_capture = (uint16_t) (n_in - formals);
    node->body = maas_arena_array(im->arena, n_body, sizeof(maas_graph_t *));
    if (node->body == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < n_body; i++) {
        node->body[i] = body[i].g;

        if (op->control != MAAS_CONTROL_IF) {
            MAAS_TRY(maas_body_counts(node, (int) i, &counts, im->err));
        }
    }

    return MAAS_OK;
}


/* The row of a node of the file, whose opset it has to serve. */
static maas_status_t
imp_row(maas_import_t *im, const maas_raw_node_t *n, int64_t opset,
    const maas_op_t **op)
{
    char              near[MAAS_NEAR_TEXT];
    const maas_op_t  *row;

    row = maas_op_find(n->domain, n->op);

    /* Internal operators are for graphs of our own, never for a file's. */
    if (row == NULL || ((row->flags & MAAS_OP_INTERNAL)
                        && !maas_str_is(im->model->platform, "maas")))
    {
        return maas_err(im->err, MAAS_EUNSUPPORTED,
                        "this operator is not served%s (\"maas inspect "
                        "--ops\" lists those that are)",
                        maas_op_near(n->domain, n->op, near));
    }

    if (opset == 0) {
        return maas_err(im->err, MAAS_EINVAL, "the %s does not import an "
                        "opset of domain '%.*s'", n->opset != NULL
                        ? "function" : "model", IMP_SHOW(n->domain));
    }

    for (size_t i = 0; i < maas_nelts(imp_domains); i++) {
        if (maas_str_is(n->domain, imp_domains[i].domain)
            && (opset > imp_domains[i].max
                || (opset < imp_domains[i].min && opset < row->since)))
        {
            return maas_err(im->err, MAAS_EUNSUPPORTED, "this opset is not "
                            "served; %lld to %lld are",
                            (long long) imp_domains[i].min,
                            (long long) imp_domains[i].max);
        }
    }

    if (opset < 1 || opset < row->first) {
        return maas_err(im->err, MAAS_EUNSUPPORTED, "this opset of the "
                        "operator is not served; %d and up are",
                        maas_max(row->first, 1));
    }

    if (row->until != 0 && opset > row->until) {
        return maas_err(im->err, MAAS_EINVAL, "the operator ended with "
                        "opset %d", row->until);
    }

    *op = row;
    return MAAS_OK;
}


static maas_status_t
imp_upgrade(maas_import_t *im, maas_raw_node_t *n, const maas_op_t **op,
    int64_t opset)
{
    n->in = maas_arena_dup(im->arena, n->in, n->n_in * sizeof(maas_str_t));
    n->out = maas_arena_dup(im->arena, n->out,
                            n->n_out * sizeof(maas_str_t));
    n->attr = maas_arena_dup(im->arena, n->attr,
                             n->n_attr * sizeof(maas_raw_attr_t));

    if (n->in == NULL || n->out == NULL || n->attr == NULL) {
        return maas_err_nomem(im->err);
    }

    MAAS_TRY((*op)->upgrade(im, n, (int) opset, im->err));

    *op = maas_op_find(n->domain, n->op);
    if (*op == NULL) {
        return maas_err(im->err, MAAS_EUNSUPPORTED,
                        "it becomes %.*s, which is not served",
                        IMP_SHOW(n->op));
    }

    return MAAS_OK;
}


/* The node, then those that its upgrade puts behind it. */
static maas_status_t
imp_build_all(maas_import_t *im, const maas_op_t *op,
    const maas_raw_node_t *n)
{
    imp_after_t  *after = im->after;

    /* Bodies of the node have nodes of their own behind theirs. */
    im->after = NULL;

    MAAS_TRY(imp_build(im, op, n));

    for ( /* void */ ; after != NULL; after = after->next) {
        MAAS_TRY(imp_emit(im, &after->node));
    }

    return MAAS_OK;
}


static maas_status_t
imp_node(maas_import_t *im, const maas_raw_node_t *raw)
{
    int64_t           opset = imp_opset(im, raw);
    maas_status_t     rc;
    maas_raw_node_t   n = *raw;
    const maas_op_t  *op = NULL;

    if (n.domain.len == 0 && opset != 0 && maas_str_is(n.op, "Constant")) {
        rc = imp_constant_node(im, &n);

    } else {
        rc = imp_row(im, &n, opset, &op);

        if (rc == MAAS_OK && op->upgrade != NULL
            && (opset < op->since || (op->flags & MAAS_OP_REWRITE)))
        {
            rc = imp_upgrade(im, &n, &op, opset);
        }

        if (rc == MAAS_OK) {
            rc = imp_build_all(im, op, &n);
        }
    }

    return rc == MAAS_OK ? MAAS_OK : imp_fail(im, raw);
}


/* -- graphs -------------------------------------------------------------- */

static maas_status_t
imp_declare_nodes(maas_import_t *im, imp_scope_t *sc)
{
    maas_str_t              name;
    maas_status_t           rc;
    const maas_raw_node_t  *n;

    for (uint32_t i = 0; i < sc->raw->n_node; i++) {
        n = &sc->raw->node[i];

        for (uint32_t j = 0; j < n->n_out; j++) {
            name = n->out[j];
            if (name.len == 0) {
                continue;
            }

            rc = imp_declare(im, sc, name, i, "output");
            if (rc != MAAS_OK) {
                return imp_fail(im, n);
            }
        }
    }

    return MAAS_OK;
}


maas_status_t
imp_graph(maas_import_t *im, imp_scope_t *sc, const maas_raw_graph_t *raw)
{
    uint32_t  *order;

    sc->raw = raw;
    sc->g = maas_graph_create(im->arena);
    if (sc->g == NULL
        || !imp_table_init(&sc->names, &im->tmp, raw->n_in + raw->n_init
                           + raw->n_node))
    {
        return maas_err_nomem(im->err);
    }

    if (sc->parent != NULL) {
        sc->g->syms = sc->parent->g->syms;
    }

    im->scope = sc;

    MAAS_TRY(imp_inits(im, sc));
    MAAS_TRY(imp_inputs(im, sc));
    MAAS_TRY(imp_declare_nodes(im, sc));
    MAAS_TRY(imp_sort(im, sc, &order));

    for (uint32_t i = 0; i < raw->n_node; i++) {
        MAAS_TRY(imp_node(im, &raw->node[order[i]]));
    }

    return imp_outputs(im, sc);
}


maas_status_t
maas_graph_import(maas_graph_t **out, maas_arena_t *a,
    const maas_raw_model_t *raw, maas_err_t *err)
{
    maas_err_t               local;
    imp_scope_t              top = { 0 };
    maas_status_t            rc;
    maas_import_t            im = { 0 };
    const maas_raw_graph_t  *graph = &raw->graph;

    *out = NULL;

    im.arena = a;
    im.model = raw;
    im.err = err != NULL ? err : &local;
    maas_arena_init(&im.tmp, a->host, a->limit);

    rc = imp_functions(&im, &graph);

    if (rc == MAAS_OK) {
        rc = imp_graph(&im, &top, graph);
    }

    maas_arena_destroy(&im.tmp);

    if (rc == MAAS_OK) {
        *out = top.g;
    }

    return rc;
}
