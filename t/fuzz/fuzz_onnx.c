/*
 * Fuzz target: bytes -> ONNX reader -> importer -> inference, under a budget
 * of memory, in a folder that holds a file for external data.  What is read
 * is written with its first float weight replaced, too.  What fails as a
 * model is tried as a tensor, then as a list.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/onnx.h"
#include "formats/onnx_patch.h"
#include "graph/graph.h"
#include "pb_mutate.h"


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


/* 64 bytes w.bin, in a folder that goes when the process does. */
static char  fuzz_dir[] = "/tmp/maas_fuzz.XXXXXX";


static void
fuzz_dir_remove(void)
{
    char  path[64];

    snprintf(path, sizeof(path), "%s/w.bin", fuzz_dir);
    unlink(path);
    rmdir(fuzz_dir);
}


static const char *
fuzz_folder(void)
{
    int          fd;
    char         path[64];
    static int   made;

    if (!made) {
        if (mkdtemp(fuzz_dir) == NULL) {
            abort();
        }

        snprintf(path, sizeof(path), "%s/w.bin", fuzz_dir);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (fd == -1 || write(fd, path, sizeof(path)) != sizeof(path)) {
            abort();
        }

        close(fd);
        atexit(fuzz_dir_remove);
        made = 1;
    }

    return fuzz_dir;
}


static void
fuzz_patch(const uint8_t *data, size_t size, const maas_host_t *host,
    const maas_raw_model_t *m)
{
    maas_buf_t              out;
    maas_err_t             err = { 0 };
    maas_onnx_dim_t        dim = { .axis = 1, .dim = 3 };
    maas_onnx_value_t      v;
    maas_onnx_patch_t      p = { .model = m, .value = &v, .dim = &dim };
    const maas_raw_init_t *init = m->graph.init;

    if (m->graph.n_init != 0 && init->t.dtype == MAAS_F32) {
        v = (maas_onnx_value_t) { init->name, init->t };
        p.n_value = 1;
    }

    if (m->graph.n_out != 0) {
        dim.name = m->graph.out[0].name;
        p.n_dim = 1;
    }

    maas_buf_init(&out, host);

    if (maas_onnx_patch(data, size, &p, &out, &err) != MAAS_OK
        && err.text[0] == '\0')
    {
        abort();
    }

    maas_buf_destroy(&out);
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
    maas_folder_t      folder;
    maas_raw_model_t  *m;
    maas_onnx_opts_t   opts = { &folder, FUZZ_BUDGET / 4 };

    maas_arena_init(&a, &host, FUZZ_BUDGET / 2);

    if (maas_folder_init(&folder, &host, fuzz_folder(), &err) != MAAS_OK) {
        abort();
    }

    rc = maas_onnx_read(&m, &a, data, size, &opts, &err);

    if (rc == MAAS_OK) {
        fuzz_patch(data, size, &host, m);
        rc = maas_graph_import(&g, &a, m, &err);

        if (rc == MAAS_OK) {
            rc = maas_graph_infer(g, &err);
        }

    } else {
        rc = maas_onnx_tensor(data, size, &a, &t, &name, &err);

        for (maas_kind_t kind = MAAS_KIND_SEQUENCE;
             rc != MAAS_OK && kind <= MAAS_KIND_OPTIONAL; kind++)
        {
            err.text[0] = '\0';
            rc = maas_onnx_value(data, size, kind, &a, &t, &err);
        }
    }

    /* A refusal says why, and nothing is left behind. */
    if (rc != MAAS_OK && err.text[0] == '\0') {
        abort();
    }

    maas_arena_destroy(&a);
    maas_folder_close(&folder);

    if (left != FUZZ_BUDGET) {
        abort();
    }

    return 0;
}
