/*
 * raw_same.h: are two raw models the same?  What a writer must keep.  The
 * first difference is printed as a comment of TAP.
 */

#ifndef MAAS_RAW_SAME_H
#define MAAS_RAW_SAME_H

#include <stdio.h>

#include "graph/raw.h"


#define RAW_DIFF(cond, what, name)                                            \
    do {                                                                      \
        if (!(cond)) {                                                        \
            printf("# %s of '%.*s' differs\n", what, (int) (name).len,        \
                   (name).data);                                              \
            return false;                                                     \
        }                                                                     \
    } while (0)

static bool raw_same_graph(const maas_raw_graph_t *a,
    const maas_raw_graph_t *b);


static bool
raw_same_strs(const maas_str_t *a, const maas_str_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!maas_str_eq(a[i], b[i])) {
            return false;
        }
    }

    return true;
}


static bool
raw_same_tensor(const maas_tensor_t *a, const maas_tensor_t *b)
{
    int64_t  n = maas_tensor_count(a);
    size_t   bytes;

    if (a->dtype != b->dtype || a->rank != b->rank || a->format != b->format
        || memcmp(a->dims, b->dims, a->rank * sizeof(int64_t)) != 0)
    {
        return false;
    }

    if (a->dtype != MAAS_STRING) {
        return maas_dtype_bytes(a->dtype, n, &bytes)
               && (bytes == 0 || memcmp(a->data, b->data, bytes) == 0);
    }

    for (int64_t i = 0; i < n; i++) {
        if (!maas_str_eq(maas_tensor_str(a, i), maas_tensor_str(b, i))) {
            return false;
        }
    }

    return true;
}


static bool
raw_same_attr(const maas_raw_attr_t *a, const maas_raw_attr_t *b)
{
    RAW_DIFF(maas_str_eq(a->name, b->name) && a->type == b->type
             && maas_str_eq(a->ref, b->ref) && a->sparse == b->sparse,
             "kind", a->name);
    RAW_DIFF(a->i == b->i && memcmp(&a->f, &b->f, sizeof(a->f)) == 0
             && maas_str_eq(a->s, b->s) && a->n == b->n, "value", a->name);
    RAW_DIFF(a->ints == NULL
             || memcmp(a->ints, b->ints, a->n * sizeof(int64_t)) == 0,
             "list", a->name);
    RAW_DIFF(a->floats == NULL
             || memcmp(a->floats, b->floats, a->n * sizeof(float)) == 0,
             "list", a->name);
    RAW_DIFF(a->strings == NULL
             || raw_same_strs(a->strings, b->strings, a->n), "list",
             a->name);

    if (a->type == MAAS_ATTR_TENSOR && a->ref.len == 0) {
        RAW_DIFF(raw_same_tensor(&a->t, &b->t), "tensor", a->name);
    }

    return a->g == NULL || raw_same_graph(a->g, b->g);
}


static bool
raw_same_nodes(const maas_raw_node_t *a, const maas_raw_node_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++, a++, b++) {
        RAW_DIFF(maas_str_eq(a->op, b->op) && maas_str_eq(a->name, b->name)
                 && maas_str_eq(a->domain, b->domain)
                 && maas_str_eq(a->overload, b->overload)
                 && a->n_in == b->n_in && a->n_out == b->n_out
                 && a->n_attr == b->n_attr, "node", a->op);
        RAW_DIFF(raw_same_strs(a->in, b->in, a->n_in), "input", a->op);
        RAW_DIFF(raw_same_strs(a->out, b->out, a->n_out), "output", a->op);

        for (uint32_t k = 0; k < a->n_attr; k++) {
            RAW_DIFF(raw_same_attr(&a->attr[k], &b->attr[k]), "node",
                     a->op);
        }
    }

    return true;
}


static bool
raw_same_ports(const maas_raw_port_t *a, const maas_raw_port_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++, a++, b++) {
        RAW_DIFF(maas_str_eq(a->name, b->name) && a->kind == b->kind
                 && a->inner == b->inner && a->key == b->key
                 && a->dtype == b->dtype && a->rank == b->rank, "type",
                 a->name);

        for (int k = 0; k < a->rank; k++) {
            RAW_DIFF(a->dims[k] == b->dims[k]
                     && maas_str_eq(a->sym[k], b->sym[k]), "shape", a->name);
        }
    }

    return true;
}


static bool
raw_same_graph(const maas_raw_graph_t *a, const maas_raw_graph_t *b)
{
    RAW_DIFF(maas_str_eq(a->name, b->name) && a->n_in == b->n_in
             && a->n_out == b->n_out && a->n_init == b->n_init
             && a->n_node == b->n_node, "graph", a->name);

    for (uint32_t i = 0; i < a->n_init; i++) {
        RAW_DIFF(maas_str_eq(a->init[i].name, b->init[i].name)
                 && raw_same_tensor(&a->init[i].t, &b->init[i].t),
                 "initializer", a->init[i].name);
    }

    return raw_same_ports(a->in, b->in, a->n_in)
           && raw_same_ports(a->out, b->out, a->n_out)
           && raw_same_nodes(a->node, b->node, a->n_node);
}


static bool
raw_same_opsets(const maas_raw_opset_t *a, const maas_raw_opset_t *b,
    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!maas_str_eq(a[i].domain, b[i].domain)
            || a[i].version != b[i].version)
        {
            return false;
        }
    }

    return true;
}


static bool
raw_same_func(const maas_raw_func_t *a, const maas_raw_func_t *b)
{
    RAW_DIFF(maas_str_eq(a->name, b->name)
             && maas_str_eq(a->domain, b->domain)
             && maas_str_eq(a->overload, b->overload) && a->n_in == b->n_in
             && a->n_out == b->n_out && a->n_attr == b->n_attr
             && a->n_preset == b->n_preset && a->n_node == b->n_node
             && a->n_opset == b->n_opset, "function", a->name);
    RAW_DIFF(raw_same_strs(a->in, b->in, a->n_in)
             && raw_same_strs(a->out, b->out, a->n_out)
             && raw_same_strs(a->attr, b->attr, a->n_attr)
             && raw_same_opsets(a->opset, b->opset, a->n_opset), "list",
             a->name);

    for (uint32_t i = 0; i < a->n_preset; i++) {
        RAW_DIFF(raw_same_attr(&a->preset[i], &b->preset[i]), "default",
                 a->name);
    }

    return raw_same_nodes(a->node, b->node, a->n_node);
}


__attribute__((unused))
static bool
raw_same(const maas_raw_model_t *a, const maas_raw_model_t *b)
{
    RAW_DIFF(a->ir_version == b->ir_version && a->n_opset == b->n_opset
             && a->n_func == b->n_func
             && maas_str_eq(a->producer, b->producer)
             && raw_same_opsets(a->opset, b->opset, a->n_opset), "model",
             a->graph.name);

    for (uint32_t i = 0; i < a->n_func; i++) {
        RAW_DIFF(raw_same_func(&a->func[i], &b->func[i]), "model",
                 a->graph.name);
    }

    return raw_same_graph(&a->graph, &b->graph);
}

#endif
