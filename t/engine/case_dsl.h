/*
 * case_dsl.h: the text of an operator's case -> a model of one node.
 *
 *   "attr=value attr=value > N | input input"
 *
 * attributes: 3, 0.5, [1,2], "a text" or a bare word; inputs: f32[2,3] with
 * random values, f32[2,3]:nan (mixed in), i64[2]{1,2} with these, f32[] a
 * scalar, - absent, = before it: a constant.  "> N": the node has N outputs;
 * without it, those that the operator always has, or all when none is, and
 * one of a variadic output.
 *
 * Ownership: everything lies in the arena.
 */

#ifndef MAAS_CASE_DSL_H
#define MAAS_CASE_DSL_H

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/import.h"


#define CASE_INPUTS_MAX  32
#define CASE_ATTRS_MAX   32

typedef struct {
    bool           absent;
    bool           constant;
    maas_tensor_t  t;
} case_input_t;

typedef struct {
    const maas_op_t  *op;
    const char       *text;
    maas_arena_t     *arena;
    uint64_t          seed;
    uint32_t          n_in;
    uint32_t          n_attr;
    uint32_t          n_out;
    case_input_t      in[CASE_INPUTS_MAX];
    maas_raw_attr_t   attr[CASE_ATTRS_MAX];
    char              error[200];
} case_t;


static uint64_t
case_random(case_t *c)
{
    uint64_t  x = c->seed;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    c->seed = x;

    return x >> 11;
}


/* Uniform in [0, 1). */
static double
case_uniform(case_t *c)
{
    return (double) case_random(c) / 9007199254740992.0;
}


static bool
case_fail(case_t *c, const char *what, const char *at)
{
    snprintf(c->error, sizeof(c->error), "%s at '%.60s'", what, at);
    return false;
}


static maas_dtype_t
case_dtype(const char *s, size_t n)
{
    static const struct {
        const char    *name;
        maas_dtype_t   dtype;
    } row[] = {
        { "f32", MAAS_F32 }, { "f64", MAAS_F64 }, { "f16", MAAS_F16 },
        { "bf16", MAAS_BF16 }, { "i8", MAAS_I8 }, { "i16", MAAS_I16 },
        { "i32", MAAS_I32 }, { "i64", MAAS_I64 }, { "u8", MAAS_U8 },
        { "u16", MAAS_U16 }, { "u32", MAAS_U32 }, { "u64", MAAS_U64 },
        { "bool", MAAS_BOOL }, { "str", MAAS_STRING }
    };

    for (size_t i = 0; i < maas_nelts(row); i++) {
        if (strlen(row[i].name) == n && memcmp(row[i].name, s, n) == 0) {
            return row[i].dtype;
        }
    }

    return MAAS_NODTYPE;
}


static void
case_store(maas_tensor_t *t, int64_t i, double f, int64_t v)
{
    char      *p = (char *) t->data + i * maas_dtype_size(t->dtype);
    float      x = (float) f;
    uint16_t   h;

    switch (t->dtype) {

    case MAAS_F32:
        memcpy(p, &x, 4);
        break;

    case MAAS_F64:
        memcpy(p, &f, 8);
        break;

    case MAAS_F16:
        h = maas_f32_to_f16(x);
        memcpy(p, &h, 2);
        break;

    case MAAS_BF16:
        h = maas_f32_to_bf16(x);
        memcpy(p, &h, 2);
        break;

    default:
        memcpy(p, &v, maas_dtype_size(t->dtype));
    }
}


/* One value of a random fill, `fill` mixed in. */
static void
case_random_value(case_t *c, maas_tensor_t *t, int64_t i, const char *fill)
{
    bool      mix = case_random(c) % 4 == 0;
    double    f = case_uniform(c) * 4 - 2;
    int64_t   v = (int64_t) (case_random(c) % 15) - 7;

    if (strcmp(fill, "pos") == 0) {
        f = case_uniform(c) * 2 + 0.1;
        v = (int64_t) (case_random(c) % 7) + 1;

    } else if (strcmp(fill, "prob") == 0) {
        f = case_uniform(c);

    } else if (mix && strcmp(fill, "nan") == 0) {
        f = NAN;

    } else if (mix && strcmp(fill, "inf") == 0) {
        f = f < 0 ? -INFINITY : INFINITY;

    } else if (mix && strcmp(fill, "denormal") == 0) {
        f *= t->dtype == MAAS_F64 ? 1e-310 : 1e-40;

    } else if (mix && strcmp(fill, "zero") == 0) {
        f = 0;
        v = 0;
    }

    if (!maas_dtypes[t->dtype].is_signed && v < 0) {
        v = -v;
    }

    case_store(t, i, f, t->dtype == MAAS_BOOL ? v & 1 : v);
}


static bool
case_strings(case_t *c, maas_tensor_t *t, const char *p, size_t len)
{
    static const char *const  words[] = { "", "a", "bc", "def", "maas" };
    size_t       n = (size_t) maas_tensor_count(t), size;
    maas_str_t  *s = maas_arena_array(c->arena, n, sizeof(maas_str_t));
    maas_err_t   err;
    maas_tensor_t  flat;

    for (size_t i = 0; i < n; i++) {
        if (p == NULL) {
            s[i].data = words[case_random(c) % maas_nelts(words)];
            s[i].len = strlen(s[i].data);
            continue;
        }

        size = 0;
        while (size < len && p[size] != ',') {
            size++;
        }

        s[i] = (maas_str_t) { p, size };
        p += maas_min(size + 1, len);
        len -= maas_min(size + 1, len);
    }

    if (maas_strings_tensor(c->arena, s, n, false, &flat, &err) != MAAS_OK) {
        return case_fail(c, err.text, "strings");
    }

    t->data = flat.data;
    t->bytes = flat.bytes;
    return true;
}


static bool
case_values(case_t *c, maas_tensor_t *t, const char *p, size_t len)
{
    char     text[80];
    size_t   n;
    int64_t  count = maas_tensor_count(t);

    for (int64_t i = 0; i < count; i++) {
        n = 0;
        while (n < len && p[n] != ',') {
            n++;
        }

        if (n == 0 || n >= sizeof(text)) {
            return case_fail(c, "too few values", p);
        }

        memcpy(text, p, n);
        text[n] = '\0';
        case_store(t, i, strtod(text, NULL),
                   t->dtype == MAAS_U64 ? (int64_t) strtoull(text, NULL, 0)
                                        : strtoll(text, NULL, 0));
        p += maas_min(n + 1, len);
        len -= maas_min(n + 1, len);
    }

    return len == 0 || case_fail(c, "too many values", p);
}


/* dtype[dims], and memory for such elements; *end goes behind it. */
static bool
case_shape(case_t *c, const char *p, const char **end, maas_tensor_t *t)
{
    char    *stop;
    size_t   n = strcspn(p, "[ "), bytes;

    memset(t, 0, sizeof(*t));
    t->dtype = case_dtype(p, n);

    if (t->dtype == MAAS_NODTYPE || p[n] != '[') {
        return case_fail(c, "dtype[dims] expected", p);
    }

    for (p += n + 1; *p != ']'; p = *stop == ',' ? stop + 1 : stop) {
        if (t->rank == MAAS_RANK_MAX) {
            return case_fail(c, "too many dims", p);
        }

        t->dims[t->rank++] = strtoll(p, &stop, 10);
        if (stop == p) {
            return case_fail(c, "a dim expected", p);
        }
    }

    *end = p + 1;

    if (t->dtype != MAAS_STRING) {
        if (!maas_dtype_bytes(t->dtype, maas_tensor_count(t), &bytes)) {
            return case_fail(c, "too large", p);
        }

        t->bytes = bytes;
        t->data = maas_arena_alloc(c->arena, bytes + MAAS_ALIGN);
        t->data = (void *) maas_align((uintptr_t) t->data, MAAS_ALIGN);
    }

    return true;
}


/* dtype[dims], then {values} or :fill; *end goes behind it. */
static bool
case_tensor(case_t *c, const char *p, const char **end, maas_tensor_t *t)
{
    char         fill[16] = "";
    size_t       n;
    const char  *close;

    if (!case_shape(c, p, &p, t)) {
        return false;
    }

    if (*p == '{') {
        close = strchr(p, '}');
        if (close == NULL) {
            return case_fail(c, "} expected", p);
        }

        *end = close + 1;
        n = (size_t) (close - p - 1);
        return t->dtype == MAAS_STRING ? case_strings(c, t, p + 1, n)
                                       : case_values(c, t, p + 1, n);
    }

    if (*p == ':') {
        n = strcspn(++p, " ");
        snprintf(fill, sizeof(fill), "%.*s", (int) n, p);
        p += n;
    }

    *end = p;

    if (t->dtype == MAAS_STRING) {
        return case_strings(c, t, NULL, 0);
    }

    for (int64_t i = 0; i < maas_tensor_count(t); i++) {
        case_random_value(c, t, i, fill);
    }

    return true;
}


/* The type of an attribute: the row's, unless the text cannot be one. */
static int
case_attr_type(const case_t *c, maas_str_t name, const char *p, size_t n)
{
    int   type;
    bool  number = strchr("0123456789-+.", *p) != NULL && *p != '\0';
    bool  real = memchr(p, '.', n) != NULL;

    for (int i = 0; i < c->op->n_attr; i++) {
        type = c->op->attr[i].type;

        if (!maas_str_is(name, c->op->attr[i].name)) {
            continue;
        }

        if ((type == MAAS_ATTR_STRING && *p != '[')
            || (type == MAAS_ATTR_TENSOR && !number && *p != '[')
            || (type == MAAS_ATTR_INT && number && !real)
            || (type == MAAS_ATTR_FLOAT && *p != '[' && *p != '"')
            || (type >= MAAS_ATTR_FLOATS && *p == '['))
        {
            return type;
        }
    }

    if (*p == '[') {
        return real ? MAAS_ATTR_FLOATS : MAAS_ATTR_INTS;
    }

    return !number ? MAAS_ATTR_STRING : real ? MAAS_ATTR_FLOAT
                                             : MAAS_ATTR_INT;
}


/* The items of "[a,b,c]". */
static void
case_attr_list(case_t *c, maas_raw_attr_t *a, const char *p, size_t n)
{
    size_t       len, max = n + 1;
    float       *f = maas_arena_array(c->arena, max, sizeof(float));
    int64_t     *v = maas_arena_array(c->arena, max, sizeof(int64_t));
    maas_str_t  *s = maas_arena_array(c->arena, max, sizeof(maas_str_t));
    const char  *end = p + n - 1;

    for (p++; p < end; p += len + 1) {
        len = strcspn(p, ",]");
        f[a->n] = strtof(p, NULL);
        v[a->n] = strtoll(p, NULL, 10);
        s[a->n] = (maas_str_t) { p, len };

        if (len >= 2 && *p == '"') {
            s[a->n] = (maas_str_t) { p + 1, len - 2 };
        }

        a->n++;
    }

    a->floats = f;
    a->ints = v;
    a->strings = s;
}


static bool
case_attr(case_t *c, const char *p, const char **end)
{
    size_t            n, k = strcspn(p, "= ");
    const char       *v = p + k + 1, *stop;
    maas_raw_attr_t  *a = &c->attr[c->n_attr];

    if (p[k] != '=' || c->n_attr == CASE_ATTRS_MAX) {
        return case_fail(c, "attr=value expected", p);
    }

    stop = *v == '"' ? strchr(v + 1, '"') : *v == '[' ? strchr(v, ']') : NULL;
    n = stop != NULL ? (size_t) (stop + 1 - v) : strcspn(v, " ");
    *end = v + n;

    memset(a, 0, sizeof(*a));
    a->name = (maas_str_t) { p, k };
    a->type = case_attr_type(c, a->name, v, n);
    c->n_attr++;

    switch (a->type) {

    case MAAS_ATTR_INT:
        a->i = strtoll(v, NULL, 10);
        return true;

    case MAAS_ATTR_FLOAT:
        a->f = strtof(v, NULL);
        return true;

    case MAAS_ATTR_STRING:
        a->s = *v == '"' ? (maas_str_t) { v + 1, n - 2 }
                         : (maas_str_t) { v, n };
        return true;

    case MAAS_ATTR_TENSOR:
        return case_tensor(c, v, end, &a->t);

    default:
        case_attr_list(c, a, v, n);
        return true;
    }
}


static void
case_outputs(case_t *c)
{
    const maas_op_t  *op = c->op;

    if (c->n_out != 0) {
        return;
    }

    for (uint32_t i = 0; i < op->n_out; i++) {
        if (!(op->out[i].flags & MAAS_OPT)) {
            c->n_out = i + 1;
        }
    }

    if (c->n_out == 0) {
        c->n_out = op->n_out;
    }
}


__attribute__((unused))
static bool
case_parse(case_t *c, maas_arena_t *a, const maas_op_t *op, const char *text)
{
    bool           inputs = false;
    char          *stop;
    const char    *p;
    case_input_t  *in;

    memset(c, 0, sizeof(*c));
    c->op = op;
    c->text = text;
    c->arena = a;
    c->seed = UINT64_C(0x9e3779b97f4a7c15);

    for (p = text; *p != '\0'; p++) {
        c->seed = c->seed * 31 + (uint8_t) *p;
    }

    c->seed |= 1;

    for (p = text; *p != '\0'; ) {
        if (*p == ' ') {
            p++;

        } else if (*p == '|' && !inputs) {
            inputs = true;
            p++;

        } else if (*p == '>' && !inputs) {
            c->n_out = (uint32_t) strtoul(p + 1, &stop, 10);
            p = stop;

        } else if (!inputs) {
            if (!case_attr(c, p, &p)) {
                return false;
            }

        } else {
            if (c->n_in == CASE_INPUTS_MAX) {
                return case_fail(c, "too many inputs", p);
            }

            in = &c->in[c->n_in++];
            in->absent = *p == '-';
            in->constant = *p == '=';
            p += in->absent || in->constant;

            if (!in->absent && !case_tensor(c, p, &p, &in->t)) {
                return false;
            }
        }
    }

    case_outputs(c);
    return true;
}


static maas_str_t
case_name(case_t *c, const char *prefix, uint32_t i)
{
    int   n;
    char  text[32];

    n = snprintf(text, sizeof(text), "%s%u", prefix, i);
    return maas_arena_str(c->arena, text, (size_t) n);
}


/* What precedes each input, so that it is no input of the run. */
static const char *
case_before(const maas_tensor_t *t)
{
    switch (t->dtype) {

    case MAAS_F32:
    case MAAS_F64:
        return "Neg";

    case MAAS_BOOL:
        return "Not";

    default:
        return NULL;
    }
}


enum {
    CASE_PLAIN = 0,
    CASE_INNER,                 /* inputs are made by nodes before it */
    CASE_DYNAMIC,               /* no dimension is declared */
    CASE_WAYS
};

/* The node of the operator, but for the names of its inputs and outputs. */
static maas_raw_node_t *
case_node(case_t *c)
{
    maas_raw_node_t  *n = maas_arena_alloc(c->arena, sizeof(*n));

    n->op = (maas_str_t) { c->op->name, strlen(c->op->name) };
    n->domain = (maas_str_t) { c->op->domain, strlen(c->op->domain) };
    n->name = maas_str("case");
    n->n_in = c->n_in;
    n->n_out = c->n_out;
    n->n_attr = c->n_attr;
    n->attr = maas_arena_dup(c->arena, c->attr,
                             c->n_attr * sizeof(maas_raw_attr_t));
    n->in = maas_arena_array(c->arena, c->n_in, sizeof(maas_str_t));
    n->out = maas_arena_array(c->arena, c->n_out, sizeof(maas_str_t));

    return n;
}


/* Input i of the operator: an initializer, or an input of the graph. */
static void
case_input(case_t *c, maas_raw_graph_t *g, uint32_t i, maas_str_t name,
    int way)
{
    const char       *before = case_before(&c->in[i].t);
    maas_raw_node_t  *n;
    maas_raw_port_t  *port;

    if (c->in[i].constant) {
        g->init[g->n_init].name = name;
        g->init[g->n_init++].t = c->in[i].t;
        return;
    }

    port = &g->in[g->n_in++];
    port->name = name;
    port->dtype = c->in[i].t.dtype;
    port->rank = c->in[i].t.rank;

    for (int d = 0; d < port->rank; d++) {
        port->dims[d] = way == CASE_DYNAMIC ? -1 : c->in[i].t.dims[d];
    }

    if (way == CASE_INNER && before != NULL && c->op->domain[0] == '\0') {
        port->name = case_name(c, "w", i);
        n = &g->node[g->n_node++];
        n->op = (maas_str_t) { before, strlen(before) };
        n->domain = maas_str("");
        n->name = name;
        n->n_in = n->n_out = 1;
        n->in = maas_arena_dup(c->arena, &port->name, sizeof(maas_str_t));
        n->out = maas_arena_dup(c->arena, &name, sizeof(maas_str_t));
    }
}


/* The model; its inputs are those of the case that are not constant. */
__attribute__((unused))
static maas_raw_model_t *
case_model(case_t *c, int way)
{
    bool               own = (c->op->flags & MAAS_OP_INTERNAL) != 0;
    maas_raw_node_t   *last = case_node(c);
    maas_raw_graph_t  *g;
    maas_raw_model_t  *m = maas_arena_alloc(c->arena, sizeof(*m));

    m->ir_version = 8;
    m->platform = own ? maas_str("maas") : maas_str("onnx");
    m->n_opset = 1;
    m->opset = maas_arena_alloc(c->arena, sizeof(maas_raw_opset_t));
    m->opset->domain = last->domain;
    m->opset->version = c->op->until ? c->op->until
                        : maas_str_is(m->opset->domain, "ai.onnx.ml") ? 3
                        : maas_max(c->op->since, own ? 1 : 17);

    g = &m->graph;
    g->in = maas_arena_array(c->arena, c->n_in, sizeof(*g->in));
    g->init = maas_arena_array(c->arena, c->n_in, sizeof(*g->init));
    g->out = maas_arena_array(c->arena, c->n_out, sizeof(*g->out));
    g->node = maas_arena_array(c->arena, c->n_in + 1, sizeof(*g->node));

    for (uint32_t i = 0; i < c->n_in; i++) {
        last->in[i] = c->in[i].absent ? maas_str("") : case_name(c, "x", i);

        if (!c->in[i].absent) {
            case_input(c, g, i, last->in[i], way);
        }
    }

    for (uint32_t i = 0; i < c->n_out; i++) {
        last->out[i] = case_name(c, "y", i);
        g->out[i].name = last->out[i];
        g->out[i].rank = -1;
    }

    g->n_out = c->n_out;
    g->node[g->n_node++] = *last;
    return m;
}


/* The inputs of a run; for CASE_INNER what the nodes before turn back. */
__attribute__((unused))
static void
case_feed(case_t *c, int way, maas_tensor_t *in)
{
    uint32_t        n = 0;
    uint8_t        *p;
    size_t          size;
    maas_tensor_t  *t;

    for (uint32_t i = 0; i < c->n_in; i++) {
        if (c->in[i].absent || c->in[i].constant) {
            continue;
        }

        t = &in[n++];
        *t = c->in[i].t;

        if (way != CASE_INNER || case_before(t) == NULL
            || *c->op->domain != '\0')
        {
            continue;
        }

        p = maas_arena_alloc(c->arena, t->bytes + MAAS_ALIGN);
        p = (uint8_t *) maas_align((uintptr_t) p, MAAS_ALIGN);
        memcpy(p, t->data, t->bytes);
        t->data = p;
        size = maas_dtype_size(t->dtype);

        for (size_t k = 0; k < t->bytes; k += size) {
            p[k + size - 1] ^= t->dtype == MAAS_BOOL ? 1 : 0x80;
        }
    }
}

#endif
