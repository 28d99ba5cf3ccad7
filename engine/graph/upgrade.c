/*
 * upgrade.c: what an operator's upgrade() may do to a raw node: attributes
 * to inputs, new constants, nodes emitted before it, and questions about
 * what is known of its inputs.  The node is a copy of the importer's.
 *
 * Ownership: what is added lies in the graph's arena.
 * Threads:   one thread.
 */

#include <stdio.h>

#include "graph/import.h"


/*
 * Types of intermediate values come from inference over the part of the
 * graph that is built; so often at most, since each goes over all of it.
 */
#define IMP_INFERS_MAX  64


maas_raw_attr_t *
maas_raw_attr(const maas_raw_node_t *n, const char *name)
{
    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (maas_str_is(n->attr[i].name, name)) {
            return &n->attr[i];
        }
    }

    return NULL;
}


void
maas_raw_attr_drop(maas_raw_node_t *n, const char *name)
{
    uint32_t  kept = 0;

    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (!maas_str_is(n->attr[i].name, name)) {
            n->attr[kept++] = n->attr[i];
        }
    }

    n->n_attr = kept;
}


maas_status_t
maas_raw_attr_int(maas_import_t *im, maas_raw_node_t *n, const char *name,
    int64_t i)
{
    maas_raw_attr_t  *a;

    a = maas_raw_attr(n, name);

    if (a == NULL) {
        a = maas_arena_array(im->arena, (size_t) n->n_attr + 1, sizeof(*a));
        if (a == NULL) {
            return maas_err_nomem(im->err);
        }

        if (n->n_attr != 0) {
            memcpy(a, n->attr, n->n_attr * sizeof(*a));
        }

        n->attr = a;
        a = &n->attr[n->n_attr++];
        a->name = maas_arena_str(im->arena, name, strlen(name));

        if (a->name.data == NULL) {
            n->n_attr--;
            return maas_err_nomem(im->err);
        }
    }

    a->type = MAAS_ATTR_INT;
    a->i = i;
    return MAAS_OK;
}


maas_str_t
maas_raw_fresh(maas_import_t *im)
{
    int           n;
    char          text[32];
    maas_str_t    s;
    imp_scope_t  *at;

    do {
        n = snprintf(text, sizeof(text), "maas:%u", im->fresh++);
        s = (maas_str_t) { text, (size_t) n };
    } while (imp_lookup(im->scope, s, &at) != NULL);

    return maas_arena_str(im->arena, text, (size_t) n);
}


maas_status_t
maas_raw_input_room(maas_import_t *im, maas_raw_node_t *n, uint32_t index)
{
    maas_str_t  *in;

    if (index < n->n_in) {
        return MAAS_OK;
    }

    in = maas_arena_array(im->arena, (size_t) index + 1, sizeof(maas_str_t));
    if (in == NULL) {
        return maas_err_nomem(im->err);
    }

    if (n->n_in != 0) {
        memcpy(in, n->in, n->n_in * sizeof(maas_str_t));
    }

    for (uint32_t i = n->n_in; i <= index; i++) {
        in[i] = maas_str("");
    }

    n->in = in;
    n->n_in = index + 1;
    return MAAS_OK;
}


static maas_status_t
raw_input_const(maas_import_t *im, maas_raw_node_t *n, uint32_t index,
    const maas_tensor_t *t)
{
    maas_vid_t  id;
    maas_str_t  name;

    MAAS_TRY(maas_raw_input_room(im, n, index));

    name = maas_raw_fresh(im);
    if (name.data == NULL || t->data == NULL) {
        return maas_err_nomem(im->err);
    }

    id = maas_graph_const(im->scope->g, name, t);
    if (id == MAAS_NOVAL) {
        return maas_err_nomem(im->err);
    }

    MAAS_TRY(imp_define(im, im->scope, name, id));

    n->in[index] = name;
    return MAAS_OK;
}


maas_status_t
maas_raw_input_ints(maas_import_t *im, maas_raw_node_t *n, uint32_t index,
    const int64_t *v, size_t count, bool scalar)
{
    maas_tensor_t  t = { .dtype = MAAS_I64 };

    t.rank = scalar ? 0 : 1;
    t.dims[0] = scalar ? 0 : (int64_t) count;
    t.bytes = count * sizeof(int64_t);
    t.data = maas_arena_dup(im->arena, v, t.bytes);

    return raw_input_const(im, n, index, &t);
}


maas_status_t
maas_raw_input_floats(maas_import_t *im, maas_raw_node_t *n, uint32_t index,
    const float *v, size_t count)
{
    maas_tensor_t  t = { .dtype = MAAS_F32, .rank = 1 };

    t.dims[0] = (int64_t) count;
    t.bytes = count * sizeof(float);
    t.data = maas_arena_dup(im->arena, v, t.bytes);

    return raw_input_const(im, n, index, &t);
}


maas_status_t
maas_raw_input_float(maas_import_t *im, maas_raw_node_t *n, uint32_t index,
    maas_dtype_t dtype, double v)
{
    float          f = (float) v;
    int64_t        i;
    uint16_t       h;
    const void    *p = &f;
    maas_tensor_t  t = { .dtype = dtype };

    switch (dtype) {

    case MAAS_F32:
        break;

    case MAAS_F64:
        p = &v;
        break;

    case MAAS_F16:
    case MAAS_BF16:
        h = dtype == MAAS_F16 ? maas_f32_to_f16(f) : maas_f32_to_bf16(f);
        p = &h;
        break;

    case MAAS_NODTYPE:
    case MAAS_STRING:
    case MAAS_DTYPES:
        return maas_err(im->err, MAAS_EUNSUPPORTED, "the type of its first "
                        "input has to be known to give input %u a type",
                        index);

    default:
        if (!(v >= -9.2e18 && v <= 9.2e18)) {
            return maas_err(im->err, MAAS_EINVAL, "%g does not fit %s", v,
                            maas_dtype_name(dtype));
        }

        i = (int64_t) v;        /* little-endian: low bytes first */
        p = &i;
    }

    t.bytes = maas_dtype_size(dtype);
    t.data = maas_arena_dup(im->arena, p, t.bytes);

    return raw_input_const(im, n, index, &t);
}


maas_status_t
maas_raw_attr_to_input(maas_import_t *im, maas_raw_node_t *n,
    const char *name, uint32_t index)
{
    maas_raw_attr_t  *a;

    a = maas_raw_attr(n, name);
    if (a == NULL) {
        return MAAS_OK;
    }

    if (a->type != MAAS_ATTR_INT && a->type != MAAS_ATTR_INTS) {
        return maas_err(im->err, MAAS_EINVAL,
                        "attribute '%s' has to be ints", name);
    }

    if (index < n->n_in && n->in[index].len != 0) {
        return maas_err(im->err, MAAS_EINVAL, "'%s' is given as attribute "
                        "and as input %u", name, index);
    }

    if (a->type == MAAS_ATTR_INT) {
        MAAS_TRY(maas_raw_input_ints(im, n, index, &a->i, 1, true));

    } else {
        MAAS_TRY(maas_raw_input_ints(im, n, index, a->ints, a->n, false));
    }

    maas_raw_attr_drop(n, name);
    return MAAS_OK;
}


/* -- what is known ------------------------------------------------------- */

/* Inference over what is built; its scratch goes to the importer's. */
static void
raw_infer(maas_import_t *im, imp_scope_t *sc)
{
    maas_err_t     err;
    maas_arena_t  *arena = sc->g->arena;

    sc->g->arena = &im->tmp;
    (void) maas_graph_infer(sc->g, &err);
    sc->g->arena = arena;

    sc->inferred = sc->g->n_node;
    im->infers++;
}


static const maas_type_t *
raw_input_type(maas_import_t *im, const maas_raw_node_t *n, uint32_t index)
{
    imp_name_t         *e;
    imp_scope_t        *at;
    const maas_type_t  *t;

    if (index >= n->n_in || n->in[index].len == 0) {
        return NULL;
    }

    e = imp_lookup(im->scope, n->in[index], &at);
    if (e == NULL || e->vid == MAAS_NOVAL) {
        return NULL;
    }

    t = &at->g->value[e->vid].type;

    if ((t->dtype == MAAS_NODTYPE || t->rank < 0)
        && at->inferred < at->g->n_node && im->infers < IMP_INFERS_MAX)
    {
        raw_infer(im, at);
    }

    return &at->g->value[e->vid].type;
}


maas_dtype_t
maas_raw_input_dtype(maas_import_t *im, const maas_raw_node_t *n,
    uint32_t index)
{
    const maas_type_t  *t = raw_input_type(im, n, index);

    return t != NULL ? t->dtype : MAAS_NODTYPE;
}


int
maas_raw_input_rank(maas_import_t *im, const maas_raw_node_t *n,
    uint32_t index)
{
    const maas_type_t  *t = raw_input_type(im, n, index);

    return t != NULL ? t->rank : -1;
}


/* -- more nodes ---------------------------------------------------------- */

static maas_status_t
raw_node(maas_import_t *im, const char *op, const maas_str_t *in,
    uint32_t n_in, const maas_str_t *out, uint32_t n_out,
    const maas_raw_attr_t *attr, uint32_t n_attr, maas_raw_node_t *n)
{
    memset(n, 0, sizeof(*n));

    n->op = (maas_str_t) { op, strlen(op) };
    n->n_in = n_in;
    n->n_out = n_out;
    n->n_attr = n_attr;
    n->in = maas_arena_dup(im->arena, in, n_in * sizeof(maas_str_t));
    n->out = maas_arena_dup(im->arena, out, n_out * sizeof(maas_str_t));
    n->attr = maas_arena_dup(im->arena, attr,
                             n_attr * sizeof(maas_raw_attr_t));

    return n->in != NULL && n->out != NULL && n->attr != NULL
           ? MAAS_OK : maas_err_nomem(im->err);
}


maas_status_t
imp_emit(maas_import_t *im, const maas_raw_node_t *n)
{
    const maas_op_t  *row;

    row = maas_op_find(maas_str(""), n->op);
    if (row == NULL) {
        row = maas_op_find(maas_str("maas"), n->op);
    }

    if (row == NULL) {
        return maas_err(im->err, MAAS_EUNSUPPORTED,
                        "it becomes %.*s, which is not served",
                        IMP_SHOW(n->op));
    }

    return imp_build(im, row, n);
}


maas_status_t
maas_raw_emit(maas_import_t *im, const char *op, const maas_str_t *in,
    uint32_t n_in, const maas_str_t *out, uint32_t n_out,
    const maas_raw_attr_t *attr, uint32_t n_attr)
{
    maas_raw_node_t  n;

    MAAS_TRY(raw_node(im, op, in, n_in, out, n_out, attr, n_attr, &n));
    return imp_emit(im, &n);
}


maas_status_t
maas_raw_emit_after(maas_import_t *im, const char *op, const maas_str_t *in,
    uint32_t n_in, const maas_str_t *out, uint32_t n_out,
    const maas_raw_attr_t *attr, uint32_t n_attr)
{
    imp_after_t  *a;

    a = maas_arena_array(im->arena, 1, sizeof(imp_after_t));
    if (a == NULL) {
        return maas_err_nomem(im->err);
    }

    MAAS_TRY(raw_node(im, op, in, n_in, out, n_out, attr, n_attr,
                      &a->node));
    a->next = im->after;
    im->after = a;

    return MAAS_OK;
}
