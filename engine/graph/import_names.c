/*
 * import_names.c: the names of a scope, what bodies read from outside, and
 * an order of nodes that can be run.  ONNX promises such an order; files
 * that break the promise are sorted, and a cycle is refused by name.
 *
 * Ownership: everything here lies in im->tmp and goes after the import.
 * Threads:   one thread.
 */

#include "graph/import.h"


typedef struct {
    maas_str_t  *name;
    uint32_t     n;
    uint32_t     cap;
} imp_list_t;

typedef struct {
    uint32_t  node;
    uint32_t  next;             /* of its names to visit */
} imp_visit_t;


/* -- table --------------------------------------------------------------- */

static uint32_t
table_hash(maas_str_t s)
{
    uint64_t  h = UINT64_C(0xcbf29ce484222325);     /* FNV-1a */

    for (size_t i = 0; i < s.len; i++) {
        h = (h ^ (uint8_t) s.data[i]) * UINT64_C(0x100000001b3);
    }

    return (uint32_t) (h ^ h >> 32);
}


bool
imp_table_init(imp_table_t *t, maas_arena_t *a, uint32_t room)
{
    t->arena = a;
    t->n = 0;
    t->cap = 16;

    while (t->cap / 4 * 3 <= room && t->cap < UINT32_C(1) << 30) {
        t->cap *= 2;
    }

    t->slot = maas_arena_array(a, t->cap, sizeof(imp_name_t));
    return t->slot != NULL;
}


static imp_name_t *
table_slot(const imp_table_t *t, maas_str_t name)
{
    uint32_t  i = table_hash(name) & (t->cap - 1);

    while (t->slot[i].name.data != NULL
           && !maas_str_eq(t->slot[i].name, name))
    {
        i = (i + 1) & (t->cap - 1);
    }

    return &t->slot[i];
}


imp_name_t *
imp_table_find(const imp_table_t *t, maas_str_t name)
{
    imp_name_t  *e = table_slot(t, name);

    return e->name.data != NULL ? e : NULL;
}


imp_name_t *
imp_table_add(imp_table_t *t, maas_str_t name, bool *is_new)
{
    imp_name_t   *e;
    imp_table_t   old = *t;

    if (t->n >= t->cap / 4 * 3) {
        if (!imp_table_init(t, t->arena, t->n * 2)) {
            *t = old;
            return NULL;
        }

        for (uint32_t i = 0; i < old.cap; i++) {
            if (old.slot[i].name.data != NULL) {
                *table_slot(t, old.slot[i].name) = old.slot[i];
            }
        }

        t->n = old.n;
    }

    e = table_slot(t, name);
    *is_new = e->name.data == NULL;

    if (*is_new) {
        e->name = name;
        e->vid = MAAS_NOVAL;
        e->node = IMP_NONODE;
        t->n++;
    }

    return e;
}


/* -- free names ---------------------------------------------------------- */

static maas_status_t
list_add(maas_import_t *im, imp_list_t *l, maas_str_t name)
{
    maas_str_t  *p;

    if (l->n == l->cap) {
        p = maas_arena_array(&im->tmp, l->cap ? (size_t) l->cap * 2 : 8,
                             sizeof(maas_str_t));
        if (p == NULL) {
            return maas_err_nomem(im->err);
        }

        if (l->n != 0) {
            memcpy(p, l->name, l->n * sizeof(maas_str_t));
        }

        l->name = p;
        l->cap = l->cap ? l->cap * 2 : 8;
    }

    l->name[l->n++] = name;
    return MAAS_OK;
}


static maas_status_t
free_name(maas_import_t *im, imp_table_t *known, maas_str_t name,
    imp_list_t *out)
{
    bool  is_new;

    if (name.len == 0) {
        return MAAS_OK;
    }

    if (imp_table_add(known, name, &is_new) == NULL) {
        return maas_err_nomem(im->err);
    }

    return is_new ? list_add(im, out, name) : MAAS_OK;
}


static maas_status_t free_of_node(maas_import_t *im, const maas_raw_node_t *n,
    imp_list_t *out);


static maas_status_t
free_known(maas_import_t *im, const maas_raw_graph_t *g, imp_table_t *known)
{
    bool      is_new;
    uint32_t  ok = 1;

    if (!imp_table_init(known, &im->tmp, g->n_in + g->n_init + g->n_node)) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < g->n_in; i++) {
        ok &= imp_table_add(known, g->in[i].name, &is_new) != NULL;
    }

    for (uint32_t i = 0; i < g->n_init; i++) {
        ok &= imp_table_add(known, g->init[i].name, &is_new) != NULL;
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (uint32_t j = 0; j < g->node[i].n_out; j++) {
            ok &= imp_table_add(known, g->node[i].out[j], &is_new) != NULL;
        }
    }

    return ok ? MAAS_OK : maas_err_nomem(im->err);
}


/* What a body reads and does not make. */
static maas_status_t
free_of_graph(maas_import_t *im, const maas_raw_graph_t *g, imp_list_t *out)
{
    imp_list_t   l;
    imp_table_t  known;

    MAAS_TRY(free_known(im, g, &known));

    for (uint32_t i = 0; i < g->n_node; i++) {
        memset(&l, 0, sizeof(l));
        MAAS_TRY(free_of_node(im, &g->node[i], &l));

        for (uint32_t j = 0; j < l.n; j++) {
            MAAS_TRY(free_name(im, &known, l.name[j], out));
        }
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        MAAS_TRY(free_name(im, &known, g->out[i].name, out));
    }

    return MAAS_OK;
}


static maas_status_t
free_of_node(maas_import_t *im, const maas_raw_node_t *n, imp_list_t *out)
{
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i].len != 0) {
            MAAS_TRY(list_add(im, out, n->in[i]));
        }
    }

    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (n->attr[i].type == MAAS_ATTR_GRAPH) {
            MAAS_TRY(free_of_graph(im, n->attr[i].g, out));
        }
    }

    return MAAS_OK;
}


/* -- order --------------------------------------------------------------- */

static maas_status_t
sort_cycle(maas_import_t *im, const maas_raw_node_t *n, maas_str_t name)
{
    return maas_err(im->err, MAAS_EINVAL, "the graph has a cycle: node "
                    "'%.*s' (%.*s) depends on itself by tensor '%.*s'",
                    IMP_SHOW(imp_node_name(n)), IMP_SHOW(n->op),
                    IMP_SHOW(name));
}


/* Depth first, with a stack of our own: chains may be long. */
static maas_status_t
sort_from(maas_import_t *im, imp_scope_t *sc, const imp_list_t *reads,
    uint8_t *state, imp_visit_t *stack, uint32_t root, uint32_t *order,
    uint32_t *n_order)
{
    uint32_t      depth = 1;
    maas_str_t    name;
    imp_name_t   *e;
    imp_visit_t  *v;

    stack[0] = (imp_visit_t) { root, 0 };
    state[root] = 1;

    while (depth != 0) {
        v = &stack[depth - 1];

        if (v->next == reads[v->node].n) {
            state[v->node] = 2;
            order[(*n_order)++] = v->node;
            depth--;
            continue;
        }

        name = reads[v->node].name[v->next++];
        e = imp_table_find(&sc->names, name);

        if (e == NULL || e->node == IMP_NONODE || state[e->node] == 2) {
            continue;
        }

        if (state[e->node] == 1) {
            return sort_cycle(im, &sc->raw->node[e->node], name);
        }

        state[e->node] = 1;
        stack[depth++] = (imp_visit_t) { e->node, 0 };
    }

    return MAAS_OK;
}


maas_status_t
imp_sort(maas_import_t *im, imp_scope_t *sc, uint32_t **order)
{
    uint8_t      *state;
    uint32_t      n = sc->raw->n_node, done = 0;
    imp_list_t   *reads;
    imp_visit_t  *stack;

    state = maas_arena_array(&im->tmp, n, 1);
    reads = maas_arena_array(&im->tmp, n, sizeof(imp_list_t));
    stack = maas_arena_array(&im->tmp, n, sizeof(imp_visit_t));
    *order = maas_arena_array(&im->tmp, n, sizeof(uint32_t));

    if (state == NULL || reads == NULL || stack == NULL || *order == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        MAAS_TRY(free_of_node(im, &sc->raw->node[i], &reads[i]));
    }

    for (uint32_t i = 0; i < n; i++) {
        if (state[i] == 0) {
            MAAS_TRY(sort_from(im, sc, reads, state, stack, i, *order,
                               &done));
        }
    }

    return MAAS_OK;
}
