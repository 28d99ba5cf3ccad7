/*
 * graph.c: building and editing the intermediate representation.
 *
 * Ownership: all memory comes from the graph's arena; arrays that outgrow
 * their room are copied and the old ones stay until the arena goes.
 * Threads:   one thread until the graph is frozen.
 */

#include "graph/graph.h"


static bool
graph_grow(maas_arena_t *a, void **array, uint32_t n, uint32_t *cap,
    size_t size)
{
    void      *p;
    uint32_t   want;

    if (n < *cap) {
        return true;
    }

    want = *cap ? *cap * 2 : 32;

    p = maas_arena_array(a, want, size);
    if (p == NULL) {
        return false;
    }

    if (n != 0) {
        memcpy(p, *array, n * size);
    }

    *array = p;
    *cap = want;
    return true;
}


maas_graph_t *
maas_graph_create(maas_arena_t *a)
{
    maas_graph_t  *g;

    g = maas_arena_alloc(a, sizeof(maas_graph_t));
    if (g == NULL) {
        return NULL;
    }

    g->arena = a;
    g->syms = maas_syms_create(a);

    return g->syms != NULL ? g : NULL;
}


maas_vid_t
maas_graph_value(maas_graph_t *g, maas_str_t name)
{
    maas_value_t  *v;

    if (!graph_grow(g->arena, (void **) &g->value, g->n_value, &g->cap_value,
                    sizeof(maas_value_t)))
    {
        return MAAS_NOVAL;
    }

    v = &g->value[g->n_value];
    memset(v, 0, sizeof(maas_value_t));
    v->name = name;
    v->type.rank = -1;
    v->keys = MAAS_NOVAL;

    return g->n_value++;
}


maas_vid_t
maas_graph_const(maas_graph_t *g, maas_str_t name, const maas_tensor_t *t)
{
    maas_vid_t     id;
    maas_value_t  *v;

    id = maas_graph_value(g, name);
    if (id == MAAS_NOVAL) {
        return id;
    }

    v = &g->value[id];
    v->role = MAAS_ROLE_CONST;
    v->type.dtype = t->dtype;
    v->type.rank = t->rank;
    v->type.format = t->format;
    memcpy(v->type.dims, t->dims, t->rank * sizeof(int64_t));
    v->data = t->data;
    v->bytes = t->bytes;

    return id;
}


maas_tensor_t
maas_value_tensor(const maas_value_t *v)
{
    maas_tensor_t  t = { 0 };

    t.data = (void *) v->data;
    t.bytes = v->bytes;
    t.dtype = v->type.dtype;
    t.rank = v->type.rank < 0 ? 0 : v->type.rank;
    t.format = v->type.format;
    memcpy(t.dims, v->type.dims, t.rank * sizeof(int64_t));

    return t;
}


maas_node_t *
maas_graph_node(maas_graph_t *g, const maas_op_t *op, const void *attr,
    uint32_t attr_bytes, const maas_vid_t *in, uint32_t n_in,
    const maas_vid_t *out, uint32_t n_out)
{
    maas_node_t  *n;

    if (n_in > UINT16_MAX || n_out > UINT16_MAX
        || !graph_grow(g->arena, (void **) &g->node, g->n_node, &g->cap_node,
                       sizeof(maas_node_t)))
    {
        return NULL;
    }

    n = &g->node[g->n_node];
    memset(n, 0, sizeof(maas_node_t));
    n->op = op;
    n->attr_bytes = attr_bytes;
    n->n_in = n_in;
    n->n_formal = n_in;
    n->n_out = n_out;
    n->attr = maas_arena_dup(g->arena, attr, attr_bytes);
    n->in = maas_arena_dup(g->arena, in, n_in * sizeof(maas_vid_t));
    n->out = maas_arena_dup(g->arena, out, n_out * sizeof(maas_vid_t));

    if ((attr_bytes && n->attr == NULL) || (n_in && n->in == NULL)
        || (n_out && n->out == NULL))
    {
        return NULL;
    }

    g->n_node++;
    return n;
}


void
maas_graph_replace(maas_graph_t *g, maas_vid_t from, maas_vid_t to)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        for (uint32_t j = 0; j < g->node[i].n_in; j++) {
            if (g->node[i].in[j] == from) {
                g->node[i].in[j] = to;
            }
        }
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        if (g->out[i] == from) {
            g->out[i] = to;
        }
    }
}
