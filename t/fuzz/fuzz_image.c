/*
 * Images: a whole image, compiled from a model of the corpus, is changed as
 * the input says ({uint32 offset, byte to xor} each; how many bytes are left
 * over says which model) and then loaded, and planned where it loads; where a
 * plan is cut, so is what follows, with contents that the input chooses.  The
 * payload's checksum is not looked at, as when a worker maps it; nothing is
 * run.
 */

#include <stdio.h>
#include <stdlib.h>

#include "api/compile.h"
#include "api/model_priv.h"


static const char *const  model[] = { "if", "loop", "scan", "sequence",
                                      "extent" };

static void    *seed[maas_nelts(model)];
static size_t   seed_size[maas_nelts(model)];


static void
fuzz_seed(void)
{
    char             path[64];
    maas_err_t       err;
    maas_compile_t   spec = { .path = path };

    maas_init(NULL, NULL);

    for (size_t i = 0; i < maas_nelts(model); i++) {
        snprintf(path, sizeof(path), "t/fuzz/corpus/onnx/%s.onnx", model[i]);

        if (maas_compile(&spec, &seed[i], &seed_size[i], &err) != MAAS_OK) {
            fprintf(stderr, "%s (run from the top folder)\n", err.text);
            exit(1);
        }
    }
}


/* Contents that a run may have come to: all bytes 0, 1, ... */
static void
fuzz_children(maas_model_t *m, maas_plan_t *p, uint8_t contents)
{
    void         *data;
    maas_err_t    err;
    maas_plan_t  *child;

    for (int i = 0; i < 6 && p->cut; i++) {
        data = malloc(p->need.bytes + 1);
        memset(data, 0, p->need.bytes + 1);

        /* Small integers, or bytes. */
        for (size_t k = 0; k < p->need.bytes;
             k += p->need.dtype == MAAS_I64 ? 8 : 1)
        {
            ((uint8_t *) data)[k] = (contents >> i) & 3;
        }

        if (maas_plan_child(&child, &m->src, p, data, &err) != MAAS_OK) {
            free(data);
            break;
        }

        free(data);
        maas_plan_release(p, m->src.host);
        p = child;
    }

    maas_plan_release(p, m->src.host);
}


static void
fuzz_plan(maas_model_t *m, uint8_t contents)
{
    size_t          n, bytes;
    maas_err_t      err;
    maas_plan_t    *p;
    maas_tensor_t   in[8];
    const maas_port_t  *port = maas_model_inputs(m, &n);

    if (n > 8) {
        return;
    }

    memset(in, 0, sizeof(in));

    for (size_t i = 0; i < n; i++) {
        in[i].dtype = port[i].dtype == MAAS_NODTYPE ? MAAS_F32
                                                    : port[i].dtype;
        in[i].rank = port[i].rank < 0 ? 0 : port[i].rank;

        for (int d = 0; d < in[i].rank; d++) {
            in[i].dims[d] = port[i].dims[d] < 0 ? 2 : port[i].dims[d];
        }

        if (!maas_tensor_size(&in[i], 0, &bytes)) {
            return;
        }

        in[i].bytes = bytes;
    }

    if (maas_plan_make(&p, &m->src, in, &err) == MAAS_OK) {
        fuzz_children(m, p, contents);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *image;
    size_t         k = size % maas_nelts(model);
    uint8_t        contents = size != 0 ? data[size - 1] : 0;
    uint32_t       off;
    maas_err_t     err;
    maas_model_t  *m;

    if (seed[0] == NULL) {
        fuzz_seed();
    }

    image = aligned_alloc(4096, maas_align(seed_size[k], 4096));
    memcpy(image, seed[k], seed_size[k]);

    for ( /* void */ ; size >= 5; data += 5, size -= 5) {
        memcpy(&off, data, 4);
        image[off % seed_size[k]] ^= data[4];
    }

    if (maas_model_open(&m, image, seed_size[k], NULL, &err) == MAAS_OK) {
        fuzz_plan(m, contents);
        maas_model_release(m);
    }

    free(image);
    return 0;
}
