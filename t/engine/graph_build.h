/*
 * Random graphs: a builder of raw models, node by node, and models that are
 * drawn from a seed: elementwise nodes, views, concatenations, products,
 * branches whose condition a run computes, shapes that a run computes.
 *
 * Ownership: everything lies in the arena.
 */

#ifndef MAAS_GRAPH_BUILD_H
#define MAAS_GRAPH_BUILD_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/import.h"
#include "graph/plan.h"


#define VALS_MAX   200
#define NODES_MAX  1000

/* A float32 value of shape [N, cols], or [N * cols]. */
typedef struct {
    maas_str_t  name;
    int64_t     cols;
    bool        flat;
} val_t;

typedef struct {
    maas_arena_t      *a;
    uint64_t          *seed;
    uint32_t          *names;
    maas_raw_graph_t  *g;
    int                depth;
    int                n_val;
    val_t              val[VALS_MAX];
} build_t;


static uint32_t
rnd(build_t *b, uint32_t n)
{
    uint64_t  x = *b->seed;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *b->seed = x;

    return (uint32_t) (x >> 20) % n;
}


/* -- graphs -------------------------------------------------------------- */

static maas_raw_graph_t *
new_graph(maas_arena_t *a)
{
    maas_raw_graph_t  *g = maas_arena_alloc(a, sizeof(*g));

    g->node = maas_arena_array(a, NODES_MAX, sizeof(*g->node));
    g->init = maas_arena_array(a, NODES_MAX, sizeof(*g->init));
    g->in = maas_arena_array(a, 8, sizeof(*g->in));
    g->out = maas_arena_array(a, 16, sizeof(*g->out));

    return g;
}


static maas_str_t
new_name(build_t *b)
{
    char  text[16];

    snprintf(text, sizeof(text), "v%u", (*b->names)++);
    return maas_arena_str(b->a, text, strlen(text));
}


static maas_str_t
constant(build_t *b, maas_dtype_t dtype, int rank, const int64_t *dims,
    const void *data)
{
    maas_raw_init_t  *i = &b->g->init[b->g->n_init++];

    i->name = new_name(b);
    i->t.dtype = dtype;
    i->t.rank = rank;

    for (int d = 0; d < rank; d++) {
        i->t.dims[d] = dims[d];
    }

    (void) maas_tensor_size(&i->t, 0, &i->t.bytes);
    i->t.data = maas_arena_dup(b->a, data, i->t.bytes);

    return i->name;
}


__attribute__((unused))
static void
int_list(build_t *b, maas_raw_node_t *n, const char *name, int count,
    const int64_t *v)
{
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_INTS,
        .ints = maas_arena_dup(b->a, v, (size_t) count * sizeof(*v)),
        .n = (uint32_t) count
    };
}


/* Numbers of shift - scale to shift + scale. */
__attribute__((unused))
static maas_str_t
floats_of(build_t *b, int rank, const int64_t *dims, float scale, float shift)
{
    float       *v;
    int64_t      n = maas_dims_count(dims, rank);
    maas_str_t   name;

    v = malloc((size_t) n * sizeof(float));

    for (int64_t i = 0; i < n; i++) {
        v[i] = ((int) rnd(b, 2001) / 1000.0f - 1) * scale + shift;
    }

    name = constant(b, MAAS_F32, rank, dims, v);
    free(v);
    return name;
}


static maas_str_t
random_floats(build_t *b, int rank, int64_t rows, int64_t cols)
{
    float    v[64 * 64];
    int64_t  dims[2] = { rows, cols };

    for (int64_t i = 0; i < rows * cols; i++) {
        v[i] = (int) rnd(b, 2001) / 2500.0f - 0.4f;
    }

    return constant(b, MAAS_F32, rank, rank == 1 ? dims + 1 : dims, v);
}


static maas_str_t
ints(build_t *b, int n, int64_t x, int64_t y)
{
    int64_t  v[2] = { x, y }, dim = n;

    return constant(b, MAAS_I64, 1, &dim, v);
}


static maas_raw_node_t *
node(build_t *b, const char *op, maas_str_t out, uint32_t n_in, ...)
{
    va_list           args;
    maas_raw_node_t  *n = &b->g->node[b->g->n_node++];

    memset(n, 0, sizeof(*n));
    n->op = (maas_str_t) { op, strlen(op) };
    n->domain = maas_str("");
    n->name = out;
    n->n_in = n_in;
    n->n_out = 1;
    n->in = maas_arena_array(b->a, n_in + 1, sizeof(maas_str_t));
    n->out = maas_arena_dup(b->a, &out, sizeof(out));
    n->attr = maas_arena_array(b->a, 8, sizeof(maas_raw_attr_t));

    va_start(args, n_in);

    for (uint32_t i = 0; i < n_in; i++) {
        n->in[i] = va_arg(args, maas_str_t);
    }

    va_end(args);
    return n;
}


static void
attr_int(maas_raw_node_t *n, const char *name, int64_t v)
{
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_INT, .i = v
    };
}


static void
attr_graph(maas_raw_node_t *n, const char *name, maas_raw_graph_t *g)
{
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = { name, strlen(name) }, .type = MAAS_ATTR_GRAPH, .g = g
    };
}


static maas_raw_port_t *
port(maas_raw_port_t *p, maas_str_t name, int64_t cols)
{
    memset(p, 0, sizeof(*p));
    p->name = name;
    p->dtype = MAAS_F32;
    p->rank = cols < 0 ? -1 : 2;
    p->dims[0] = -1;
    p->sym[0] = maas_str("N");
    p->dims[1] = cols;

    return p;
}


static val_t
add_val(build_t *b, int64_t cols, bool flat)
{
    val_t  v = { new_name(b), cols, flat };

    if (b->n_val < VALS_MAX) {
        b->val[b->n_val++] = v;
    }

    return v;
}


/* A value of rank 2; cols 0: any. */
static val_t
pick(build_t *b, int64_t cols)
{
    int  n = b->n_val, at = rnd(b, n);

    for (int i = 0; i < n; i++) {
        if (!b->val[(at + i) % n].flat
            && (cols == 0 || b->val[(at + i) % n].cols == cols))
        {
            return b->val[(at + i) % n];
        }
    }

    return b->val[0];
}


static void add_node(build_t *b);

/* What a test adds to the kinds of nodes below. */
static void  (*more_nodes)(build_t *b);


/* One branch: its value has `cols` columns; it may be an outer one. */
static maas_raw_graph_t *
branch(const build_t *b, int64_t cols)
{
    val_t              v;
    build_t           *k = malloc(sizeof(*k));
    maas_raw_graph_t  *g = new_graph(b->a);

    *k = *b;
    k->g = g;
    k->depth++;

    for (uint32_t i = rnd(k, 4); i > 0; i--) {
        add_node(k);
    }

    v = pick(k, cols);
    port(&g->out[0], v.name, -1);
    g->n_out = 1;

    if (rnd(k, 3) == 0) {
        v = add_val(k, cols, false);
        node(k, "Add", v.name, 2, g->out[0].name,
             random_floats(k, 1, 1, cols));
        port(&g->out[0], v.name, -1);
    }

    free(k);
    return g;
}


static void
add_if(build_t *b)
{
    float              zero = 0.0317f;
    val_t              x = pick(b, 0), like = pick(b, 0), y;
    maas_str_t         sum = new_name(b), cond = new_name(b);
    maas_raw_node_t   *n;
    maas_raw_graph_t  *g[2] = { NULL, NULL };

    n = node(b, "ReduceSum", sum, 1, x.name);
    attr_int(n, "keepdims", 0);
    node(b, "Greater", cond, 2, sum,
         constant(b, MAAS_F32, 0, NULL, &zero));

    g[0] = branch(b, like.cols);
    g[1] = branch(b, like.cols);

    y = add_val(b, like.cols, false);
    n = node(b, "If", y.name, 1, cond);
    attr_graph(n, "then_branch", g[0]);
    attr_graph(n, "else_branch", g[1]);
}


/* Reshape to a shape that a run computes: [0, 0] keeps both dimensions. */
static void
add_dynamic_view(build_t *b)
{
    float             zero = 0;
    val_t             x = pick(b, 0), y = add_val(b, x.cols, false);
    maas_str_t        t[6];
    maas_raw_node_t  *n;

    for (int i = 0; i < 6; i++) {
        t[i] = new_name(b);
    }

    node(b, "Sigmoid", t[0], 1, x.name);
    n = node(b, "ReduceSum", t[1], 1, t[0]);
    attr_int(n, "keepdims", 1);
    node(b, "Mul", t[2], 2, t[1], constant(b, MAAS_F32, 0, NULL, &zero));
    n = node(b, "Cast", t[3], 1, t[2]);
    attr_int(n, "to", MAAS_I64);
    node(b, "Reshape", t[4], 2, t[3], ints(b, 1, -1, 0));
    n = node(b, "Concat", t[5], 2, t[4], t[4]);
    attr_int(n, "axis", 0);
    node(b, "Reshape", y.name, 2, x.name, t[5]);
}


static void
add_binary(build_t *b)
{
    static const char *const  ops[] = { "Add", "Sub", "Max", "Mul", "Sum" };
    val_t        x = pick(b, 0), y, z = pick(b, x.cols);
    float        one = 0.7f;
    maas_str_t   other = z.name, t;
    uint32_t     op = rnd(b, 5);

    if (rnd(b, 4) == 0) {
        other = random_floats(b, 1, 1, x.cols);
    } else if (rnd(b, 6) == 0) {
        other = constant(b, MAAS_F32, 0, NULL, &one);
    } else if (z.cols != x.cols) {
        other = x.name;
    }

    y = add_val(b, x.cols, false);

    if (op == 4) {
        node(b, "Sum", y.name, 3, x.name, other, x.name);
    } else if (op == 3) {
        t = new_name(b);
        node(b, "Mul", t, 2, x.name, other);
        node(b, "Tanh", y.name, 1, t);
    } else if (rnd(b, 2)) {
        node(b, ops[op], y.name, 2, x.name, other);
    } else {
        node(b, ops[op], y.name, 2, other, x.name);
    }
}


static void
add_view(build_t *b)
{
    val_t        x = b->val[rnd(b, b->n_val)], y;
    maas_str_t   t;

    if (x.flat) {
        y = add_val(b, x.cols, false);
        node(b, "Reshape", y.name, 2, x.name, ints(b, 2, -1, x.cols));
    } else if (rnd(b, 2)) {
        y = add_val(b, x.cols, true);
        node(b, "Reshape", y.name, 2, x.name, ints(b, 1, -1, 0));
    } else if (rnd(b, 2)) {
        y = add_val(b, x.cols, false);
        node(b, "Identity", y.name, 1, x.name);
    } else {
        t = new_name(b);
        y = add_val(b, x.cols, false);
        node(b, "Unsqueeze", t, 2, x.name, ints(b, 1, 1, 0));
        node(b, "Squeeze", y.name, 2, t, ints(b, 1, 1, 0));
    }
}


static void
add_node(build_t *b)
{
    static const char *const  ops[] = { "Relu", "Sigmoid", "Tanh", "Neg",
                                        "Abs", "Softmax" };
    val_t             x, y, z;
    int64_t           cols;
    maas_raw_node_t  *n;

    if (more_nodes != NULL && rnd(b, 4) == 0) {
        more_nodes(b);
        return;
    }

    switch (rnd(b, 12)) {

    case 0: case 1: case 2:
        x = b->val[rnd(b, b->n_val)];
        y = add_val(b, x.cols, x.flat);
        node(b, ops[rnd(b, x.flat ? 5 : 6)], y.name, 1, x.name);
        return;

    case 3: case 4: case 5:
        add_binary(b);
        return;

    case 6:
        x = pick(b, 0);
        z = pick(b, 0);
        if (x.cols + z.cols <= 40) {
            y = add_val(b, x.cols + z.cols, false);
            n = node(b, "Concat", y.name, 2, x.name, z.name);
            attr_int(n, "axis", 1);
        }
        return;

    case 7:
        x = pick(b, 0);
        cols = 1 + rnd(b, 20);
        y = add_val(b, cols, false);
        node(b, "MatMul", y.name, 2, x.name,
             random_floats(b, 2, x.cols, cols));
        return;

    case 8: case 9:
        add_view(b);
        return;

    case 10:
        if (b->depth < 3) {
            add_if(b);
        }
        return;

    default:
        add_dynamic_view(b);
    }
}


static build_t *
model_begin(maas_arena_t *a, uint64_t seed)
{
    build_t  *b = maas_arena_alloc(a, sizeof(*b));

    b->a = a;
    b->seed = maas_arena_alloc(a, sizeof(*b->seed));
    *b->seed = seed * 0x9e3779b97f4a7c15u + 77;
    b->names = maas_arena_alloc(a, sizeof(*b->names));
    b->g = new_graph(a);

    return b;
}


static maas_raw_model_t *
model_end(build_t *b)
{
    maas_raw_model_t  *m = maas_arena_alloc(b->a, sizeof(*m));

    m->graph = *b->g;
    m->ir_version = 8;
    m->n_opset = 1;
    m->opset = maas_arena_alloc(b->a, sizeof(*m->opset));
    m->opset->domain = maas_str("");
    m->opset->version = 17;

    return m;
}


static bool
is_output(const maas_raw_graph_t *g, maas_str_t name)
{
    for (uint32_t i = 0; i < g->n_out; i++) {
        if (maas_str_eq(g->out[i].name, name)) {
            return true;
        }
    }

    return false;
}


__attribute__((unused))
static maas_raw_model_t *
random_model(maas_arena_t *a, uint64_t seed)
{
    val_t      v;
    build_t   *b = model_begin(a, seed);
    uint32_t   n_out;

    for (int i = 0; i < 2; i++) {
        v = add_val(b, i ? 7 : 3 + rnd(b, 10), false);
        port(&b->g->in[b->g->n_in++], v.name, v.cols);
    }

    for (uint32_t i = 2 + rnd(b, 18); i > 0; i--) {
        add_node(b);
    }

    n_out = 1 + rnd(b, 4);

    for (uint32_t i = 0; i < n_out; i++) {
        v = b->val[rnd(b, 3) ? b->n_val - 1 - rnd(b, (b->n_val + 1) / 2)
                             : rnd(b, b->n_val)];

        if (is_output(b->g, v.name)) {
            continue;
        }

        port(&b->g->out[b->g->n_out++], v.name, -1);
    }

    if (rnd(b, 4) == 0) {
        port(&b->g->out[b->g->n_out++], random_floats(b, 1, 1, 5), -1);
    }

    return model_end(b);
}

#endif
