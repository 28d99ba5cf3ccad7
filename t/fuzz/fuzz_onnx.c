/*
 * Fuzz target: bytes -> ONNX reader -> importer -> inference, under a budget
 * of memory.  What fails as a model is tried as a tensor.
 */

#include <stdlib.h>

#include "formats/onnx.h"
#include "graph/graph.h"


#define FUZZ_BUDGET  ((size_t) 64 << 20)

typedef struct {
    size_t  size;
    size_t  pad;
} fuzz_head_t;


static void *
fuzz_alloc(void *ctx, size_t size)
{
    size_t       *left = ctx;
    fuzz_head_t  *h;

    if (size > *left || *left - size < sizeof(fuzz_head_t)) {
        return NULL;
    }

    size += sizeof(fuzz_head_t);
    h = malloc(size);

    if (h != NULL) {
        h->size = size;
        *left -= size;
    }

    return h != NULL ? h + 1 : NULL;
}


static void
fuzz_free(void *ctx, void *p)
{
    size_t       *left = ctx;
    fuzz_head_t  *h;

    if (p != NULL) {
        h = (fuzz_head_t *) p - 1;
        *left += h->size;
        free(h);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             left = FUZZ_BUDGET;
    maas_err_t         err = { 0 };
    maas_str_t         name;
    maas_host_t        host = { fuzz_alloc, fuzz_free, &left };
    maas_arena_t       a;
    maas_graph_t      *g;
    maas_tensor_t      t;
    maas_status_t      rc;
    maas_raw_model_t  *m;

    maas_arena_init(&a, &host, FUZZ_BUDGET / 2);

    rc = maas_onnx_read(&m, &a, data, size, NULL, &err);

    if (rc == MAAS_OK) {
        rc = maas_graph_import(&g, &a, m, &err);

        if (rc == MAAS_OK) {
            rc = maas_graph_infer(g, &err);
        }

    } else {
        rc = maas_onnx_tensor(data, size, &a, &t, &name, &err);
    }

    /* A refusal says why, and nothing is left behind. */
    if (rc != MAAS_OK && err.text[0] == '\0') {
        abort();
    }

    maas_arena_destroy(&a);

    if (left != FUZZ_BUDGET) {
        abort();
    }

    return 0;
}
