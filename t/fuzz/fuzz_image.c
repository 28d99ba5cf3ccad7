/*
 * Images: a whole image, compiled from a model of the corpus, is changed as
 * the input says ({uint32 offset, byte to xor} each) and then loaded, and
 * planned where it loads.  The payload's checksum is not looked at, as when
 * a worker maps it; nothing is run.
 */

#include <stdio.h>
#include <stdlib.h>

#include "api/compile.h"
#include "api/model_priv.h"


static void    *seed;
static size_t   seed_size;


static void
fuzz_seed(void)
{
    maas_err_t      err;
    maas_compile_t  spec = { .path = "t/fuzz/corpus/onnx/if.onnx" };

    maas_init(NULL, NULL);

    if (maas_compile(&spec, &seed, &seed_size, &err) != MAAS_OK) {
        fprintf(stderr, "%s (run from the top folder)\n", err.text);
        exit(1);
    }
}


static void
fuzz_plan(maas_model_t *m)
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
        maas_plan_release(p, m->src.host);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char          *image;
    uint32_t       off;
    maas_err_t     err;
    maas_model_t  *m;

    if (seed == NULL) {
        fuzz_seed();
    }

    image = aligned_alloc(4096, maas_align(seed_size, 4096));
    memcpy(image, seed, seed_size);

    for ( /* void */ ; size >= 5; data += 5, size -= 5) {
        memcpy(&off, data, 4);
        image[off % seed_size] ^= data[4];
    }

    if (maas_model_open(&m, image, seed_size, NULL, &err) == MAAS_OK) {
        fuzz_plan(m);
        maas_model_release(m);
    }

    free(image);
    return 0;
}
