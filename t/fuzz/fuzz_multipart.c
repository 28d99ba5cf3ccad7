/*
 * Fuzz target: forms.  The first byte chooses the model, the rest is the
 * body; its boundary is "XX".  Parts that the reader finds lie in the body,
 * one behind the other, and the whole request is answered.
 */

#include <stdio.h>

#include "maas.h"
#include "proto/multipart.h"
#include "../engine/fake_model.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char *const  models[] = {
    "add", "two", "image", "id_string", "cube", "free", "id_bool", "digits"
};

static const maas_str_t  type = { "multipart/form-data; boundary=XX", 32 };


static void
fuzz_reader(const char *body, size_t size)
{
    const char        *at = body;
    maas_err_t         err;
    maas_part_t        part;
    maas_arena_t       a;
    maas_multipart_t   m;

    maas_arena_init(&a, &maas_host_libc, 0);

    if (maas_multipart_init(&m, type, body, size, &err) != MAAS_OK) {
        abort();
    }

    while (maas_multipart_next(&m, &a, &part, &err) == MAAS_OK
           && part.data != NULL)
    {
        if (part.data < at || part.data + part.len > body + size
            || part.name.len == 0 || m.n > MAAS_MULTIPART_PARTS)
        {
            abort();
        }

        at = part.data + part.len;
    }

    maas_arena_destroy(&a);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                    *body;
    maas_api_t               api = { .n_dialects = 1 };
    maas_call_t             *call;
    maas_request_t           req = { .method = maas_str("POST") };
    const maas_reply_t      *r;
    static const char       *dialect = "pass";
    static maas_catalog_t   *catalog;

    if (size == 0) {
        return 0;
    }

    if (catalog == NULL) {
        catalog = maas_catalog_create(&maas_host_libc);
        fake_fill(catalog);
    }

    body = malloc(size);
    memcpy(body, data + 1, size - 1);
    fuzz_reader(body, size - 1);

    api.dialects = (const char *const *) &dialect;
    req.model.data = models[data[0] % maas_nelts(models)];
    req.model.len = strlen(req.model.data);
    req.content_type = type;

    call = maas_call_create(&maas_host_libc, &api, catalog);

    if (maas_call_route(call, &req) != MAAS_ACT_INFER) {
        abort();
    }

    maas_call_body(call, body, size - 1);

    if (maas_call_decode(call) == MAAS_OK) {
        maas_call_run(call, NULL);
    }

    r = maas_call_encode(call);

    if (r->status < 200 || r->status == 500) {
        abort();
    }

    maas_call_destroy(call);
    free(body);

    return 0;
}
