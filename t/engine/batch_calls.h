/*
 * batch_calls.h: models and calls of the tests that run several calls
 * together.
 */

#ifndef MAAS_TEST_BATCH_CALLS_H
#define MAAS_TEST_BATCH_CALLS_H

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "pbwrite.h"
#include "tap.h"


#define CALLS  12

typedef struct {
    void            *image;
    size_t           size;
    maas_model_t    *m;
    maas_catalog_t  *catalog;
    maas_stats_t     stats;
} loaded_t;

static const char *const  dialects[] = { "kserve" };
static const maas_api_t   api = { .dialects = dialects, .n_dialects = 1,
                                  .detail = true };


static bool
serve(loaded_t *l, maas_status_t rc, const char *what, maas_err_t *err)
{
    if (rc != MAAS_OK
        || maas_model_open(&l->m, l->image, l->size, NULL, err) != MAAS_OK)
    {
        printf("# %s: %s\n", what, err->text);
        return false;
    }

    l->catalog = maas_catalog_create(maas_host_default());
    return maas_catalog_add(l->catalog, maas_str("m"), 1, l->m, NULL, NULL,
                            err) == MAAS_OK
           && maas_catalog_stats(l->catalog, maas_str("m"), 1, &l->stats)
              == MAAS_OK;
}


static bool
load(loaded_t *l, const char *path)
{
    maas_err_t      err = { 0 };
    maas_compile_t  spec = { .path = path };

    memset(l, 0, sizeof(*l));
    return serve(l, maas_compile(&spec, &l->image, &l->size, &err), path,
                 &err);
}


/* Frees the bytes. */
static inline bool
load_bytes(loaded_t *l, pb_t b)
{
    maas_err_t      err = { 0 };
    maas_status_t   rc;
    maas_compile_t  spec = { 0 };

    memset(l, 0, sizeof(*l));
    rc = maas_compile_bytes(b.data, b.len, NULL, &spec, &l->image, &l->size,
                            &err);
    maas_buf_destroy(&b);
    return serve(l, rc, "bytes", &err);
}


static void
unload(loaded_t *l)
{
    maas_catalog_destroy(l->catalog);
    maas_model_release(l->m);
    maas_image_free(l->image);
}


/* With a model.json beside it; frees the bytes. */
static bool
load_json(loaded_t *l, pb_t b, const char *json)
{
    char   dir[] = "/tmp/maas_batch_XXXXXX", path[64];
    bool   good;
    FILE  *f;

    if (mkdtemp(dir) == NULL) {
        return false;
    }

    snprintf(path, sizeof(path), "%s/model.json", dir);
    f = fopen(path, "w");
    fputs(json, f);
    fclose(f);

    snprintf(path, sizeof(path), "%s/model.onnx", dir);
    f = fopen(path, "w");
    fwrite(b.data, 1, b.len, f);
    fclose(f);
    maas_buf_destroy(&b);

    good = load(l, path);

    unlink(path);
    snprintf(path, sizeof(path), "%s/model.json", dir);
    unlink(path);
    rmdir(dir);

    return good;
}


static pb_t
one_node(pb_t node, int in_type, int in_rank, const int64_t *in, int out_type,
    int out_rank, const int64_t *out)
{
    pb_t  g = pb_new();

    pb_put(&g, 1, node);
    pb_put(&g, 11, pb_port("x", in_type, in_rank, in));
    pb_put(&g, 12, pb_port("y", out_type, out_rank, out));
    return pb_model(g, 8, 13);
}


static pb_t
with(pb_t node, pb_t attr)
{
    pb_put(&node, 5, attr);
    return node;
}


/* -- calls --------------------------------------------------------------- */

typedef struct {
    maas_call_t         *call;
    maas_buf_t           body;
    const maas_reply_t  *reply;
} request_t;


/* Rows of x, other open dimensions `open`; whole numbers are 0 to 4. */
static void
prepare(request_t *r, const loaded_t *l, int64_t rows, int64_t open,
    uint32_t seed, bool binary, int bad)
{
    int                 axis = l->m->meta->batch_axis;
    size_t              n;
    int64_t             d, count = 1;
    maas_request_t      req = { .method = maas_str("POST"),
                                .path = maas_str("/models/m/infer") };
    const maas_port_t  *p = maas_model_inputs(l->m, &n);

    maas_buf_init(&r->body, maas_host_default());
    maas_buf_printf(&r->body, "{\"inputs\":[{\"name\":\"%.*s\",\"shape\":[",
                    (int) p->name.len, p->name.data);

    for (int i = 0; i < p->rank; i++) {
        d = i == axis ? rows : p->dims[i] < 0 ? open : p->dims[i];
        count *= d;
        maas_buf_printf(&r->body, "%s%lld", i ? "," : "", (long long) d);
    }

    maas_buf_printf(&r->body, "],\"datatype\":\"%s\",\"data\":[",
                    p->dtype == MAAS_I64 ? "INT64" : "FP32");

    for (int64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        maas_buf_puts(&r->body, i ? "," : "");

        if (p->dtype == MAAS_I64) {
            maas_buf_printf(&r->body, "%d", bad != 0 ? bad
                                            : (int) (seed >> 16) % 5);
        } else {
            maas_buf_printf(&r->body, "%.9g",
                            (int) (seed >> 8) / 8388608.0 - 1);
        }
    }

    maas_buf_printf(&r->body, "]}],\"parameters\":{\"binary_data_output\":%s,"
                    "\"priority\":3,\"timeout\":1500}}",
                    binary ? "true" : "false");

    r->call = maas_call_create(maas_host_default(), &api, l->catalog);
    maas_call_route(r->call, &req);
    maas_call_body(r->call, r->body.data, r->body.len);

    if (maas_call_decode(r->call) != MAAS_OK) {
        r->reply = maas_call_encode(r->call);
        printf("# decode: %.*s\n", (int) r->reply->part[0].len,
               r->reply->part[0].data);
    }
}


static void
finish(request_t *r)
{
    maas_call_destroy(r->call);
    maas_buf_destroy(&r->body);
}


static bool
same_reply(const maas_reply_t *a, const maas_reply_t *b)
{
    if (a->status != b->status || a->n_parts != b->n_parts) {
        return false;
    }

    for (size_t i = 0; i < a->n_parts; i++) {
        if (a->part[i].len != b->part[i].len
            || memcmp(a->part[i].data, b->part[i].data, a->part[i].len) != 0)
        {
            return false;
        }
    }

    return true;
}

#endif
