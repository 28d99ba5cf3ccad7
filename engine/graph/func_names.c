/*
 * func_names.c: names inside functions.  Each call, and each body inside a
 * function, is a scope whose names become others in the graph that is
 * written, so that two calls of one function do not meet.
 *
 * Ownership: new names lie in the graph's arena, scopes in im->tmp.
 * Threads:   one thread.
 */

#include <stdio.h>

#include "graph/import_func.h"


/* Functions double what they call: a small file may ask for any amount. */
static maas_status_t
func_budget(const func_t *fn)
{
    size_t  used = fn->im->arena->used + fn->im->tmp.used - fn->start;

    return used <= FUNC_BYTES_MAX ? MAAS_OK
           : maas_err(fn->im->err, MAAS_ELIMIT, "with its functions written "
                      "out the structure of the model takes more than %zu MB",
                      FUNC_BYTES_MAX >> 20);
}


static maas_status_t
func_use(func_t *fn, maas_str_t name)
{
    bool  is_new;

    if (name.len != 0 && imp_table_add(&fn->used, name, &is_new) == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    return MAAS_OK;
}


maas_status_t
func_use_graph(func_t *fn, const maas_raw_graph_t *g)
{
    const maas_raw_node_t  *n;

    for (uint32_t i = 0; i < g->n_in; i++) {
        MAAS_TRY(func_use(fn, g->in[i].name));
    }

    for (uint32_t i = 0; i < g->n_init; i++) {
        MAAS_TRY(func_use(fn, g->init[i].name));
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        n = &g->node[i];

        for (uint32_t j = 0; j < n->n_out; j++) {
            MAAS_TRY(func_use(fn, n->out[j]));
        }

        for (uint32_t j = 0; j < n->n_attr; j++) {
            if (n->attr[j].type == MAAS_ATTR_GRAPH && n->attr[j].g != NULL) {
                MAAS_TRY(func_use_graph(fn, n->attr[j].g));
            }
        }
    }

    return MAAS_OK;
}


maas_status_t
func_fresh(func_t *fn, const func_call_t *call, maas_str_t name,
    maas_str_t *out)
{
    int         n;
    bool        is_new = false;
    char       *p;
    size_t      len = call->name.len + name.len + 16;
    uint32_t    k = 0;

    MAAS_TRY(func_budget(fn));

    p = maas_arena_alloc(fn->im->arena, len);
    if (p == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    memcpy(p, call->name.data, call->name.len);
    p[call->name.len] = '/';

    if (name.len != 0) {
        memcpy(p + call->name.len + 1, name.data, name.len);
    }

    *out = (maas_str_t) { p, call->name.len + 1 + name.len };

    while (!is_new) {
        if (k != 0) {
            n = snprintf(p + call->name.len + 1 + name.len, 15, ":%u", k);
            out->len = call->name.len + 1 + name.len + (size_t) n;
        }

        if (imp_table_add(&fn->used, *out, &is_new) == NULL) {
            return maas_err_nomem(fn->im->err);
        }

        k++;
    }

    return MAAS_OK;
}


maas_status_t
func_names_init(func_t *fn, func_names_t *s, const func_names_t *outer,
    uint32_t room)
{
    s->outer = outer;
    s->n = 0;
    s->cap = maas_max(room, 8u);
    s->to = maas_arena_array(&fn->im->tmp, s->cap, sizeof(maas_str_t));

    return s->to != NULL && imp_table_init(&s->table, &fn->im->tmp, s->cap)
           ? MAAS_OK : maas_err_nomem(fn->im->err);
}


maas_status_t
func_bind(func_t *fn, func_names_t *s, maas_str_t name, maas_str_t to,
    bool *had)
{
    bool         is_new;
    maas_str_t  *more;
    imp_name_t  *e;

    e = imp_table_add(&s->table, name, &is_new);
    if (e == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    *had = !is_new;

    if (!is_new) {
        return MAAS_OK;
    }

    if (s->n == s->cap) {
        more = maas_arena_array(&fn->im->tmp, (size_t) s->cap * 2,
                                sizeof(maas_str_t));
        if (more == NULL) {
            return maas_err_nomem(fn->im->err);
        }

        memcpy(more, s->to, s->n * sizeof(maas_str_t));
        s->to = more;
        s->cap *= 2;
    }

    e->node = s->n;
    s->to[s->n++] = to;
    return MAAS_OK;
}


maas_status_t
func_make(func_t *fn, const func_call_t *call, func_names_t *s,
    maas_str_t name, const char *what)
{
    bool        had;
    maas_str_t  to;

    if (name.len == 0) {
        return MAAS_OK;
    }

    if (imp_table_find(&s->table, name) != NULL) {
        return maas_err(fn->im->err, MAAS_EINVAL, "%s '%.*s': another tensor "
                        "has this name", what, IMP_SHOW(name));
    }

    MAAS_TRY(func_fresh(fn, call, name, &to));

    return func_bind(fn, s, name, to, &had);
}


maas_status_t
func_name(func_t *fn, const func_names_t *s, maas_str_t name,
    maas_str_t *out)
{
    imp_name_t  *e;

    *out = name;

    if (s == NULL || name.len == 0) {
        return MAAS_OK;
    }

    for ( ; s != NULL; s = s->outer) {
        e = imp_table_find(&s->table, name);

        if (e != NULL) {
            *out = s->to[e->node];
            return MAAS_OK;
        }
    }

    return maas_err(fn->im->err, MAAS_EINVAL, "tensor '%.*s' is made by no "
                    "node or input of the function", IMP_SHOW(name));
}


maas_status_t
func_name_list(func_t *fn, const func_names_t *s, const maas_str_t *in,
    uint32_t n, maas_str_t **out)
{
    *out = maas_arena_array(fn->im->arena, n, sizeof(maas_str_t));
    if (*out == NULL) {
        return maas_err_nomem(fn->im->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        MAAS_TRY(func_name(fn, s, in[i], &(*out)[i]));
    }

    return MAAS_OK;
}
