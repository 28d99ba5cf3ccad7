/*
 * import_body.c: bodies of control nodes.  What a body reads from outside
 * becomes an input of the node and of each of its bodies, in one order;
 * constants are shared instead.
 *
 * Ownership: graphs lie in the graph's arena, the rest in im->tmp.
 * Threads:   one thread.
 */

#include "graph/import.h"


maas_status_t
imp_capture(maas_import_t *im, imp_scope_t *sc, maas_str_t name,
    maas_vid_t outer, maas_vid_t *vid)
{
    imp_capture_t        *p;
    maas_tensor_t         t;
    const maas_value_t   *v = &sc->parent->g->value[outer];

    /* Constants are shared, not captured: a body may fold and pack them. */
    if (v->role == MAAS_ROLE_CONST) {
        t = maas_value_tensor(v);
        *vid = maas_graph_const(sc->g, v->name, &t);
        return *vid != MAAS_NOVAL ? imp_define(im, sc, name, *vid)
                                  : maas_err_nomem(im->err);
    }

    if (sc->n_capture == sc->cap_capture) {
        p = maas_arena_array(&im->tmp, (size_t) sc->cap_capture * 2 + 8,
                             sizeof(*p));
        if (p == NULL) {
            return maas_err_nomem(im->err);
        }

        if (sc->n_capture != 0) {
            memcpy(p, sc->capture, sc->n_capture * sizeof(*p));
        }

        sc->capture = p;
        sc->cap_capture = sc->cap_capture * 2 + 8;
    }

    *vid = maas_graph_value(sc->g, v->name);
    if (*vid == MAAS_NOVAL) {
        return maas_err_nomem(im->err);
    }

    sc->g->value[*vid].role = MAAS_ROLE_INPUT;
    sc->g->value[*vid].type = v->type;
    sc->capture[sc->n_capture++] = (imp_capture_t) { outer, *vid };

    return imp_define(im, sc, name, *vid);
}


/* The body's value for what the node captures, which another body reads. */
static maas_vid_t
imp_capture_inner(const imp_scope_t *body, maas_vid_t outer)
{
    for (uint32_t i = 0; i < body->n_capture; i++) {
        if (body->capture[i].outer == outer) {
            return body->capture[i].inner;
        }
    }

    return MAAS_NOVAL;
}


/* Appends the node's captures to the inputs of one body, in their order. */
static maas_status_t
imp_body_inputs(maas_import_t *im, imp_scope_t *body, const maas_vid_t *outer,
    uint32_t n)
{
    maas_vid_t     *in, id;
    maas_graph_t   *g = body->g;
    maas_value_t   *v;

    in = maas_arena_array(im->arena, (size_t) g->n_in + n,
                          sizeof(maas_vid_t));
    if (in == NULL) {
        return maas_err_nomem(im->err);
    }

    memcpy(in, g->in, g->n_in * sizeof(maas_vid_t));
    g->in = in;

    for (uint32_t i = 0; i < n; i++) {
        id = imp_capture_inner(body, outer[i]);

        if (id == MAAS_NOVAL) {
            v = &body->parent->g->value[outer[i]];
            id = maas_graph_value(g, v->name);
            if (id == MAAS_NOVAL) {
                return maas_err_nomem(im->err);
            }

            g->value[id].role = MAAS_ROLE_INPUT;
            g->value[id].type = v->type;
        }

        g->in[g->n_in++] = id;
    }

    return MAAS_OK;
}


/* Every outer value that some body reads, once, in order of first use. */
static maas_status_t
imp_union(maas_import_t *im, const imp_scope_t *body, uint32_t n_body,
    maas_vid_t **outer, uint32_t *n_outer)
{
    uint8_t   *seen;
    uint32_t   room = 0;

    for (uint32_t b = 0; b < n_body; b++) {
        room += body[b].n_capture;
    }

    *n_outer = 0;
    *outer = maas_arena_array(&im->tmp, room, sizeof(maas_vid_t));
    seen = maas_arena_array(&im->tmp, im->scope->g->n_value, 1);

    if (*outer == NULL || seen == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t b = 0; b < n_body; b++) {
        for (uint32_t i = 0; i < body[b].n_capture; i++) {
            if (!seen[body[b].capture[i].outer]) {
                seen[body[b].capture[i].outer] = 1;
                (*outer)[(*n_outer)++] = body[b].capture[i].outer;
            }
        }
    }

    return MAAS_OK;
}


maas_status_t
imp_bodies(maas_import_t *im, const maas_op_t *op, const maas_raw_node_t *n,
    imp_scope_t **body, uint32_t *n_body)
{
    imp_scope_t      *outer = im->scope;
    maas_status_t     rc;
    maas_raw_attr_t  *a;

    *n_body = 0;
    *body = maas_arena_array(&im->tmp, op->n_attr, sizeof(imp_scope_t));
    if (*body == NULL) {
        return maas_err_nomem(im->err);
    }

    for (int i = 0; i < op->n_attr; i++) {
        if (op->attr[i].type != MAAS_ATTR_GRAPH) {
            continue;
        }

        a = maas_raw_attr(n, op->attr[i].name);
        if (a == NULL) {
            continue;
        }

        (*body)[*n_body].parent = outer;
        rc = imp_graph(im, &(*body)[*n_body], a->g);
        im->scope = outer;

        if (rc != MAAS_OK) {
            return maas_err_prefix(im->err, "'%s'", op->attr[i].name);
        }

        (*n_body)++;
    }

    return MAAS_OK;
}


maas_status_t
imp_captures(maas_import_t *im, const maas_op_t *op, imp_scope_t *body,
    uint32_t n_body, maas_vid_t **in, uint32_t *n_in, uint32_t *n_formal)
{
    bool         variadic;
    uint32_t     n, formals;
    maas_vid_t  *outer, *all;

    MAAS_TRY(imp_union(im, body, n_body, &outer, &n));

    /* Captures follow all formals, given or not. */
    variadic = op->in[op->n_in - 1].flags & MAAS_VARIADIC;
    formals = maas_max(*n_in, op->n_in - (variadic ? 1u : 0u));

    all = maas_arena_array(&im->tmp, (size_t) formals + n,
                           sizeof(maas_vid_t));
    if (all == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < formals; i++) {
        all[i] = i < *n_in ? (*in)[i] : MAAS_NOVAL;
    }

    memcpy(all + formals, outer, n * sizeof(maas_vid_t));

    for (uint32_t b = 0; b < n_body; b++) {
        MAAS_TRY(imp_body_inputs(im, &body[b], outer, n));
    }

    *in = all;
    *n_in = formals + n;
    *n_formal = formals;
    return MAAS_OK;
}


maas_status_t
imp_branch_outputs(maas_import_t *im, const imp_scope_t *body,
    uint32_t n_body, maas_raw_node_t *n)
{
    uint32_t     count;
    maas_str_t  *out;

    count = n_body == 2 ? body[0].g->n_out : 0;

    if (count <= n->n_out || body[1].g->n_out != count) {
        return MAAS_OK;
    }

    out = maas_arena_array(&im->tmp, count, sizeof(maas_str_t));
    if (out == NULL) {
        return maas_err_nomem(im->err);
    }

    for (uint32_t i = 0; i < count; i++) {
        out[i] = i < n->n_out ? n->out[i] : maas_str("");
    }

    n->out = out;
    n->n_out = count;
    return MAAS_OK;
}
