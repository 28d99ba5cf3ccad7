/*
 * build.c: a raw model, node by node.  Names of values are kept in a set, so
 * that a node that reads what nobody makes, or a name that is given twice,
 * is found where it is written and not when the model is loaded.
 *
 * Ownership: everything lies in the arena of the builder; lists grow as
 *            chains of blocks and are laid out once, by maas_build_done().
 * Threads:   one thread.
 * Format:    https://github.com/onnx/onnx/blob/main/docs/IR.md
 */

#include <stdio.h>

#include "train/build.h"


#define BUILD_OPSET     17
#define BUILD_OPSET_ML  3
#define BUILD_IR        8
#define BUILD_IR_20     9       /* of opset 20 */

#define SHOW(s)  (int) maas_min((s).len, 120), (s).data

typedef struct build_item_s  build_item_t;

struct build_item_s {
    build_item_t  *next;
};

/* Items of one size, in order. */
typedef struct {
    build_item_t   *first;
    build_item_t  **last;
    size_t          size;
    uint32_t        n;
} build_list_t;

struct maas_build_s {
    maas_arena_t  *arena;
    maas_err_t     err;         /* status MAAS_OK: none so far */
    build_list_t   in;
    build_list_t   out;
    build_list_t   init;
    build_list_t   node;
    maas_str_t    *name;        /* the set: open addressing */
    size_t         n_name;
    size_t         n_slot;      /* a power of two */
    unsigned       fresh;
    int            opset;       /* of ai.onnx */
    bool           ml;
};


/* -- lists and names ----------------------------------------------------- */

static void
build_nomem(maas_build_t *b)
{
    if (b->err.status == MAAS_OK) {
        (void) maas_err_nomem(&b->err);
    }
}


/* Payload of a new item, zeroed; NULL after an error. */
static void *
build_add(maas_build_t *b, build_list_t *l)
{
    build_item_t  *i = maas_arena_alloc(b->arena, 16 + l->size);

    if (i == NULL || l->n == UINT32_MAX) {
        build_nomem(b);
        return NULL;
    }

    *l->last = i;
    l->last = &i->next;
    l->n++;

    return (char *) i + 16;
}


static void *
build_array(maas_build_t *b, const build_list_t *l)
{
    char  *p, *to;

    to = maas_arena_array(b->arena, maas_max(l->n, 1u), l->size);
    if (to == NULL) {
        build_nomem(b);
        return NULL;
    }

    p = to;

    for (const build_item_t *i = l->first; i != NULL; i = i->next) {
        memcpy(p, (const char *) i + 16, l->size);
        p += l->size;
    }

    return to;
}


/* The slot of a name, or the free one where it belongs. */
static maas_str_t *
build_slot(const maas_build_t *b, maas_str_t name)
{
    size_t    i;
    uint64_t  h = 14695981039346656037u;        /* FNV-1a */

    for (i = 0; i < name.len; i++) {
        h = (h ^ (uint8_t) name.data[i]) * 1099511628211u;
    }

    for (i = h & (b->n_slot - 1);
         b->name[i].data != NULL && !maas_str_eq(b->name[i], name);
         i = (i + 1) & (b->n_slot - 1))
    {
        /* void */
    }

    return &b->name[i];
}


static bool
build_known(const maas_build_t *b, maas_str_t name)
{
    return build_slot(b, name)->data != NULL;
}


static bool
build_grow(maas_build_t *b)
{
    size_t       n = b->n_slot;
    maas_str_t  *old = b->name;

    b->name = maas_arena_array(b->arena, n * 2, sizeof(maas_str_t));
    if (b->name == NULL) {
        b->name = old;
        build_nomem(b);
        return false;
    }

    b->n_slot = n * 2;

    for (size_t i = 0; i < n; i++) {
        if (old[i].data != NULL) {
            *build_slot(b, old[i]) = old[i];
        }
    }

    return true;
}


/* Defines a value; NULL or "": under a fresh name.  Answers the copy. */
static maas_str_t
build_name(maas_build_t *b, maas_str_t name)
{
    char        text[24];
    maas_str_t  copy;

    if (b->err.status != MAAS_OK) {
        return maas_str("");
    }

    if (b->n_name * 2 >= b->n_slot && !build_grow(b)) {
        return maas_str("");
    }

    if (name.len == 0) {
        do {
            name.len = (size_t) snprintf(text, sizeof(text), "t_%u",
                                         ++b->fresh);
            name.data = text;
        } while (build_known(b, name));

    } else if (build_known(b, name)) {
        (void) maas_err(&b->err, MAAS_EINVAL, "two values of the model are "
                        "called '%.*s'", SHOW(name));
        return maas_str("");
    }

    copy = maas_arena_str(b->arena, name.data, name.len);
    if (copy.data == NULL) {
        build_nomem(b);
        return maas_str("");
    }

    *build_slot(b, copy) = copy;
    b->n_name++;

    return copy;
}


static maas_str_t
build_cname(maas_build_t *b, const char *name)
{
    return build_name(b, name != NULL ? (maas_str_t) { name, strlen(name) }
                                      : maas_str(""));
}


/* -- ports --------------------------------------------------------------- */

maas_build_t *
maas_build_create(maas_arena_t *a)
{
    maas_build_t  *b = maas_arena_alloc(a, sizeof(*b));

    if (b == NULL) {
        return NULL;
    }

    b->arena = a;
    b->opset = BUILD_OPSET;
    b->n_slot = 64;
    b->name = maas_arena_array(a, b->n_slot, sizeof(maas_str_t));

    b->in.size = b->out.size = sizeof(maas_raw_port_t);
    b->init.size = sizeof(maas_raw_init_t);
    b->node.size = sizeof(maas_raw_node_t);

    b->in.last = &b->in.first;
    b->out.last = &b->out.first;
    b->init.last = &b->init.first;
    b->node.last = &b->node.first;

    return b->name != NULL ? b : NULL;
}


static void
build_port(maas_build_t *b, build_list_t *l, maas_str_t name,
    maas_dtype_t dtype, int rank, const int64_t *dims)
{
    maas_raw_port_t  *p;

    if (b->err.status == MAAS_OK && (rank < 0 || rank > MAAS_RANK_MAX)) {
        (void) maas_err(&b->err, MAAS_EUNSUPPORTED, "'%.*s' has %d "
                        "dimensions; 0 to %d are possible", SHOW(name), rank,
                        MAAS_RANK_MAX);
    }

    if (b->err.status != MAAS_OK || (p = build_add(b, l)) == NULL) {
        return;
    }

    p->name = name;
    p->kind = MAAS_KIND_TENSOR;
    p->dtype = (uint8_t) dtype;
    p->rank = rank;

    for (int i = 0; i < rank; i++) {
        p->dims[i] = maas_max(dims[i], -1);
        p->sym[i] = i == 0 && dims[i] < 0 ? maas_str("N") : maas_str("");
    }
}


maas_str_t
maas_build_input(maas_build_t *b, const char *name, maas_dtype_t dtype,
    int rank, const int64_t *dims)
{
    maas_str_t  s = build_cname(b, name);

    build_port(b, &b->in, s, dtype, rank, dims);

    return b->err.status == MAAS_OK ? s : maas_str("");
}


void
maas_build_output(maas_build_t *b, maas_str_t value, maas_dtype_t dtype,
    int rank, const int64_t *dims)
{
    maas_str_t  *known = build_slot(b, value);

    if (b->err.status == MAAS_OK && known->data == NULL) {
        (void) maas_err(&b->err, MAAS_EINVAL, "output '%.*s': no input, "
                        "constant or node of the model makes it",
                        SHOW(value));
    }

    build_port(b, &b->out, *known, dtype, rank, dims);
}


/* -- constants ----------------------------------------------------------- */

static bool
build_copy(maas_build_t *b, maas_tensor_t *to, const maas_tensor_t *t,
    maas_str_t name)
{
    int64_t  n;
    size_t   bytes = t->bytes;

    *to = *t;
    n = t->rank <= MAAS_RANK_MAX ? maas_dims_count(t->dims, t->rank) : -1;

    if (n < 0 || t->format != 0 || maas_dtypes[t->dtype].name == NULL
        || (t->dtype == MAAS_STRING
            ? !maas_string_check(t)
            : !maas_dtype_bytes(t->dtype, n, &bytes) || bytes > t->bytes))
    {
        (void) maas_err(&b->err, MAAS_EINVAL, "constant '%.*s': its data "
                        "does not have its shape and type", SHOW(name));
        return false;
    }

    to->bytes = bytes;
    to->data = maas_arena_dup(b->arena, t->data, bytes);

    if (to->data == NULL) {
        build_nomem(b);
        return false;
    }

    return true;
}


maas_str_t
maas_build_tensor(maas_build_t *b, const char *name, const maas_tensor_t *t)
{
    maas_str_t        s = build_cname(b, name);
    maas_tensor_t     copy;
    maas_raw_init_t  *init;

    if (b->err.status != MAAS_OK || !build_copy(b, &copy, t, s)
        || (init = build_add(b, &b->init)) == NULL)
    {
        return maas_str("");
    }

    init->name = s;
    init->t = copy;

    return s;
}


static maas_str_t
build_plain(maas_build_t *b, const char *name, maas_dtype_t dtype,
    const void *v, int rank, const int64_t *dims)
{
    int64_t        n;
    maas_tensor_t  t = { .data = (void *) v, .dtype = dtype };

    n = rank >= 0 && rank <= MAAS_RANK_MAX ? maas_dims_count(dims, rank) : -1;

    if (n < 0 || !maas_dtype_bytes(dtype, n, &t.bytes)) {
        if (b->err.status == MAAS_OK) {
            (void) maas_err(&b->err, MAAS_EINVAL, "constant '%s': its shape "
                            "overflows", name != NULL ? name : "");
        }

        return maas_str("");
    }

    t.rank = (uint8_t) rank;

    for (int i = 0; i < rank; i++) {
        t.dims[i] = dims[i];
    }

    return maas_build_tensor(b, name, &t);
}


maas_str_t
maas_build_floats(maas_build_t *b, const char *name, const float *v,
    int rank, const int64_t *dims)
{
    return build_plain(b, name, MAAS_F32, v, rank, dims);
}


maas_str_t
maas_build_ints(maas_build_t *b, const char *name, const int64_t *v,
    int rank, const int64_t *dims)
{
    return build_plain(b, name, MAAS_I64, v, rank, dims);
}


maas_str_t
maas_build_float(maas_build_t *b, float v)
{
    return build_plain(b, NULL, MAAS_F32, &v, 0, NULL);
}


maas_str_t
maas_build_int(maas_build_t *b, int64_t v)
{
    return build_plain(b, NULL, MAAS_I64, &v, 0, NULL);
}


/* -- nodes --------------------------------------------------------------- */

static maas_str_t
build_dup_str(maas_build_t *b, maas_str_t s)
{
    maas_str_t  copy = maas_arena_str(b->arena, s.data, s.len);

    if (copy.data == NULL) {
        build_nomem(b);
        return maas_str("");
    }

    return copy;
}


static const maas_str_t *
build_dup_strs(maas_build_t *b, const maas_str_t *s, size_t n)
{
    maas_str_t  *copy = maas_arena_array(b->arena, maas_max(n, 1u),
                                         sizeof(maas_str_t));
    if (copy == NULL) {
        build_nomem(b);
        return NULL;
    }

    for (size_t i = 0; i < n; i++) {
        copy[i] = build_dup_str(b, s[i]);
    }

    return copy;
}


static const void *
build_dup(maas_build_t *b, const void *p, size_t n, size_t size)
{
    void  *copy = maas_arena_array(b->arena, maas_max(n, 1u), size);

    if (copy == NULL) {
        build_nomem(b);

    } else if (n != 0) {
        memcpy(copy, p, n * size);
    }

    return copy;
}


static void
build_attr(maas_build_t *b, maas_raw_attr_t *to, const maas_raw_attr_t *from)
{
    *to = *from;
    to->name = build_dup_str(b, from->name);

    switch (from->type) {

    case MAAS_ATTR_STRING:
        to->s = build_dup_str(b, from->s);
        break;

    case MAAS_ATTR_TENSOR:
        (void) build_copy(b, &to->t, &from->t, from->name);
        break;

    case MAAS_ATTR_INTS:
        to->ints = build_dup(b, from->ints, from->n, sizeof(int64_t));
        break;

    case MAAS_ATTR_FLOATS:
        to->floats = build_dup(b, from->floats, from->n, sizeof(float));
        break;

    case MAAS_ATTR_STRINGS:
        to->strings = build_dup_strs(b, from->strings, from->n);
        break;

    default:
        break;
    }
}


/* Inputs must be there already; the copies in the set are theirs. */
static bool
build_inputs(maas_build_t *b, maas_raw_node_t *r, const maas_build_node_t *n)
{
    maas_str_t  *known;

    r->n_in = (uint32_t) n->n_in;
    r->in = maas_arena_array(b->arena, maas_max(n->n_in, 1u),
                             sizeof(maas_str_t));
    if (r->in == NULL) {
        build_nomem(b);
        return false;
    }

    for (size_t i = 0; i < n->n_in; i++) {
        r->in[i] = maas_str("");

        if (n->in[i].len == 0) {
            continue;
        }

        known = build_slot(b, n->in[i]);

        if (known->data == NULL) {
            (void) maas_err(&b->err, MAAS_EINVAL, "node %u (%s): nothing "
                            "before it makes its input %zu, '%.*s'",
                            b->node.n, n->op, i, SHOW(n->in[i]));
            return false;
        }

        r->in[i] = *known;
    }

    return true;
}


static bool
build_outputs(maas_build_t *b, maas_raw_node_t *r,
    const maas_build_node_t *n)
{
    r->n_out = n->n_out != 0 ? (uint32_t) n->n_out : 1;
    r->out = maas_arena_array(b->arena, r->n_out, sizeof(maas_str_t));

    if (r->out == NULL) {
        build_nomem(b);
        return false;
    }

    for (uint32_t i = 0; i < r->n_out; i++) {
        r->out[i] = build_name(b, n->out != NULL ? n->out[i] : maas_str(""));

        if (n->out != NULL) {
            n->out[i] = r->out[i];
        }
    }

    return b->err.status == MAAS_OK;
}


static bool
build_domain(maas_build_t *b, maas_raw_node_t *r, const maas_build_node_t *n)
{
    if (n->domain == NULL || n->domain[0] == '\0') {
        r->domain = maas_str("");

    } else if (strcmp(n->domain, "ai.onnx.ml") == 0) {
        r->domain = maas_str("ai.onnx.ml");
        b->ml = true;

    } else {
        (void) maas_err(&b->err, MAAS_EUNSUPPORTED, "node %u (%s): models "
                        "are not written with operators of domain '%s'",
                        b->node.n, n->op, n->domain);
        return false;
    }

    return true;
}


maas_str_t
maas_build_node(maas_build_t *b, const maas_build_node_t *n)
{
    maas_raw_node_t   r = { .overload = maas_str(""), .name = maas_str("") };
    maas_raw_node_t  *to;

    if (b->err.status == MAAS_OK && build_domain(b, &r, n)
        && build_inputs(b, &r, n) && build_outputs(b, &r, n))
    {
        r.op = build_dup_str(b, (maas_str_t) { n->op, strlen(n->op) });
        r.n_attr = (uint32_t) n->n_attr;
        r.attr = maas_arena_array(b->arena, maas_max(n->n_attr, 1u),
                                  sizeof(maas_raw_attr_t));

        if (r.attr == NULL) {
            build_nomem(b);
        }

        for (size_t i = 0; i < n->n_attr && r.attr != NULL; i++) {
            build_attr(b, &r.attr[i], &n->attr[i]);
        }

        to = build_add(b, &b->node);

        if (to != NULL && b->err.status == MAAS_OK) {
            *to = r;
            return r.out[0];
        }
    }

    for (size_t i = 0; n->out != NULL && i < n->n_out; i++) {
        n->out[i] = maas_str("");
    }

    return maas_str("");
}


maas_str_t
maas_build_op1(maas_build_t *b, const char *op, maas_str_t x)
{
    return maas_build_node(b, &(maas_build_node_t) { .op = op, .in = &x,
                                                     .n_in = 1 });
}


maas_str_t
maas_build_op2(maas_build_t *b, const char *op, maas_str_t x, maas_str_t y)
{
    const maas_str_t  in[] = { x, y };

    return maas_build_node(b, &(maas_build_node_t) { .op = op, .in = in,
                                                     .n_in = 2 });
}


/* -- the model ----------------------------------------------------------- */

void
maas_build_opset(maas_build_t *b, int opset)
{
    b->opset = maas_max(b->opset, opset);
}


/* Reduce* but ReduceSum took axes as an attribute up to opset 17. */
static void
build_axes(maas_build_t *b, maas_raw_node_t *n)
{
    int64_t           count;
    maas_str_t       *in;
    maas_raw_attr_t  *a = NULL;

    if (n->op.len < 7 || memcmp(n->op.data, "Reduce", 6) != 0
        || n->domain.len != 0 || n->n_in != 1)
    {
        return;
    }

    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (maas_str_is(n->attr[i].name, "axes")) {
            a = &n->attr[i];
        }
    }

    if (a == NULL) {
        return;
    }

    count = (int64_t) a->n;
    in = maas_arena_array(b->arena, 2, sizeof(*in));
    if (in == NULL) {
        build_nomem(b);
        return;
    }

    in[0] = n->in[0];
    in[1] = maas_build_ints(b, NULL, a->ints, 1, &count);
    n->in = in;
    n->n_in = 2;
    *a = n->attr[--n->n_attr];
}


static void
build_upgrade(maas_build_t *b)
{
    for (build_item_t *i = b->node.first; i != NULL && b->opset >= 18;
         i = i->next)
    {
        build_axes(b, (maas_raw_node_t *) ((char *) i + 16));
    }
}


static maas_raw_opset_t *
build_opsets(maas_build_t *b)
{
    maas_raw_opset_t  o[] = {
        { maas_str(""), b->opset },
        { maas_str("ai.onnx.ml"), BUILD_OPSET_ML }
    };

    return (maas_raw_opset_t *) build_dup(b, o, 2, sizeof(*o));
}


maas_status_t
maas_build_done(maas_build_t *b, const maas_raw_model_t **out,
    maas_err_t *err)
{
    maas_raw_graph_t  *g;
    maas_raw_model_t  *m;

    if (b->err.status == MAAS_OK && b->out.n == 0) {
        (void) maas_err(&b->err, MAAS_EINVAL, "the model has no outputs");
    }

    build_upgrade(b);
    m = maas_arena_alloc(b->arena, sizeof(*m));

    if (m == NULL) {
        build_nomem(b);

    } else {
        g = &m->graph;
        g->name = maas_str("model");
        g->n_in = b->in.n;
        g->n_out = b->out.n;
        g->n_init = b->init.n;
        g->n_node = b->node.n;
        g->in = build_array(b, &b->in);
        g->out = build_array(b, &b->out);
        g->init = build_array(b, &b->init);
        g->node = build_array(b, &b->node);

        m->ir_version = b->opset >= 20 ? BUILD_IR_20 : BUILD_IR;
        m->n_opset = b->ml ? 2 : 1;
        m->opset = build_opsets(b);
        m->producer = maas_str("maas");
        m->platform = maas_str("onnx");
    }

    if (b->err.status != MAAS_OK) {
        return maas_err(err, b->err.status, "%s", b->err.text);
    }

    *out = m;
    return MAAS_OK;
}
