/*
 * Fuzz target: CSV.  The first byte chooses the model and whether a header
 * line is announced; the rest is the body.  The models give back what they
 * get, so an answer in CSV that is sent again has to give the same answer.
 */

#include <stdio.h>

#include "maas.h"
#include "../engine/fake_model.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char *const  models[] = {
    "add", "two", "id_string", "cube", "free", "id_bool", "id_float64",
    "id_uint64", "id_bfloat16", "scalar"
};

static const maas_str_t  types[] = {
    { "text/csv", 8 },
    { "text/csv; header=present", 24 },
    { "text/csv; header=absent", 23 }
};


/* The answer as one block, NULL: an error. */
static char *
fuzz_ask(maas_catalog_t *catalog, maas_str_t model, maas_str_t type,
    const char *p, size_t n, size_t *length)
{
    char                *body = malloc(n != 0 ? n : 1), *out = NULL;
    maas_api_t           api = { .n_dialects = 1 };
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("POST") };
    const maas_reply_t  *r;
    static const char   *dialect = "pass";

    memcpy(body, p, n);
    api.dialects = (const char *const *) &dialect;
    req.model = model;
    req.content_type = type;
    req.accept = types[2];
    call = maas_call_create(&maas_host_libc, &api, catalog);

    if (maas_call_route(call, &req) != MAAS_ACT_INFER) {
        abort();
    }

    maas_call_body(call, body, n);

    if (maas_call_decode(call) == MAAS_OK) {
        maas_call_run(call, NULL);
    }

    r = maas_call_encode(call);

    if (r->status < 200 || r->status == 500) {
        abort();
    }

    if (r->status == 200) {
        *length = r->length;
        out = malloc(r->length + 1);
        memcpy(out, r->part[0].data, r->length);
    }

    maas_call_destroy(call);
    free(body);

    return out;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                   *one, *two;
    size_t                  n, m;
    maas_str_t              model;
    static maas_catalog_t  *catalog;

    if (size == 0) {
        return 0;
    }

    if (catalog == NULL) {
        catalog = maas_catalog_create(&maas_host_libc);
        fake_fill(catalog);
    }

    model.data = models[data[0] % maas_nelts(models)];
    model.len = strlen(model.data);

    one = fuzz_ask(catalog, model, types[data[0] / 16 % 3],
                   (const char *) data + 1, size - 1, &n);

    if (one == NULL) {
        return 0;
    }

    two = fuzz_ask(catalog, model, types[2], one, n, &m);

    if (two == NULL || m != n || memcmp(one, two, n) != 0) {
        fprintf(stderr, "%.*s", (int) n, one);
        abort();
    }

    free(one);
    free(two);

    return 0;
}
