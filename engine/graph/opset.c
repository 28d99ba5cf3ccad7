/*
 * opset.c: the operators of the generated registry, by name.
 *
 * Ownership: rows are constant data.
 * Threads:   reentrant.
 */

#include "graph/op.h"


extern const maas_op_t *const  maas_registry_ops[];


const maas_op_t *
maas_op_find(maas_str_t domain, maas_str_t name)
{
    const maas_op_t  *op;

    if (maas_str_is(domain, "ai.onnx")) {
        domain.len = 0;
    }

    for (int i = 0; maas_registry_ops[i] != NULL; i++) {
        for (op = maas_registry_ops[i]; op->name != NULL; op++) {
            if (maas_str_is(name, op->name)
                && maas_str_is(domain, op->domain != NULL ? op->domain : ""))
            {
                return op;
            }
        }
    }

    return NULL;
}


const char *
maas_op_near(maas_str_t domain, maas_str_t name, char text[MAAS_NEAR_TEXT])
{
    maas_near_t       near = { .word = name };
    const maas_op_t  *op = NULL;

    while ((op = maas_op_next(op)) != NULL) {
        if (!(op->flags & MAAS_OP_INTERNAL)
            && maas_str_is(domain, op->domain != NULL ? op->domain : ""))
        {
            maas_near(&near, (maas_str_t) { op->name, strlen(op->name) });
        }
    }

    return maas_near_text(&near, text);
}


const maas_op_t *
maas_op_next(const maas_op_t *after)
{
    const maas_op_t  *op;

    if (after != NULL && after[1].name != NULL) {
        return after + 1;
    }

    for (int i = 0; maas_registry_ops[i] != NULL; i++) {
        if (maas_registry_ops[i]->name == NULL) {
            continue;
        }

        if (after == NULL) {
            return maas_registry_ops[i];
        }

        for (op = maas_registry_ops[i]; op->name != NULL; op++) {
            if (op == after) {
                after = NULL;
                break;
            }
        }
    }

    return NULL;
}
