/*
 * import_const.c: Constant nodes become constants of the graph.
 *
 * Ownership: what a constant holds lies in the graph's arena.
 * Threads:   one thread.
 */

#include "graph/import.h"


static maas_status_t
imp_constant(maas_import_t *im, const maas_raw_node_t *n, maas_tensor_t *t)
{
    bool                    list;
    const maas_raw_attr_t  *a = n->attr;

    if (n->n_in != 0 || n->n_out != 1 || n->out[0].len == 0
        || n->n_attr != 1)
    {
        return maas_err(im->err, MAAS_EINVAL, "it has %u inputs, %u outputs "
                        "and %u attributes; 0, 1 and 1 are expected",
                        n->n_in, n->n_out, n->n_attr);
    }

    memset(t, 0, sizeof(*t));
    list = a->type >= MAAS_ATTR_FLOATS;
    t->rank = list ? 1 : 0;
    t->dims[0] = list ? (int64_t) a->n : 0;

    if (maas_str_is(a->name, a->sparse ? "sparse_value" : "value")
        && a->type == MAAS_ATTR_TENSOR)
    {
        *t = a->t;

    } else if (maas_str_is(a->name, list ? "value_floats" : "value_float")
               && a->type == (list ? MAAS_ATTR_FLOATS : MAAS_ATTR_FLOAT))
    {
        t->dtype = MAAS_F32;
        t->bytes = (list ? a->n : 1) * sizeof(float);
        t->data = list ? (void *) a->floats
                       : maas_arena_dup(im->arena, &a->f, sizeof(a->f));

    } else if (maas_str_is(a->name, list ? "value_ints" : "value_int")
               && a->type == (list ? MAAS_ATTR_INTS : MAAS_ATTR_INT))
    {
        t->dtype = MAAS_I64;
        t->bytes = (list ? a->n : 1) * sizeof(int64_t);
        t->data = list ? (void *) a->ints
                       : maas_arena_dup(im->arena, &a->i, sizeof(a->i));

    } else if (maas_str_is(a->name, list ? "value_strings" : "value_string")
               && a->type == (list ? MAAS_ATTR_STRINGS : MAAS_ATTR_STRING))
    {
        return maas_strings_tensor(im->arena, list ? a->strings : &a->s,
                                   list ? a->n : 1, !list, t, im->err);

    } else {
        return maas_err(im->err, MAAS_EUNSUPPORTED, "attribute '%.*s' is not "
                        "known; value, sparse_value, value_float(s), "
                        "value_int(s) or value_string(s) are expected",
                        IMP_SHOW(a->name));
    }

    return t->data != NULL ? MAAS_OK : maas_err_nomem(im->err);
}


maas_status_t
imp_constant_node(maas_import_t *im, const maas_raw_node_t *n)
{
    maas_vid_t     id;
    maas_tensor_t  t;

    MAAS_TRY(imp_constant(im, n, &t));

    id = maas_graph_const(im->scope->g, n->out[0], &t);
    if (id == MAAS_NOVAL) {
        return maas_err_nomem(im->err);
    }

    return imp_define(im, im->scope, n->out[0], id);
}
