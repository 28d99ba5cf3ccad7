/*
 * Fuzz target: requests of all dialects against the fake models.  The first
 * byte chooses dialect and model, the second how the body is declared; the
 * rest is the body.  The answer must be JSON where it says that it is.
 */

#include <stdio.h>

#include "maas.h"
#include "proto/json.h"
#include "../engine/fake_model.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


typedef struct {
    const char  *dialect;
    const char  *path;              /* or the model, for pass */
} fuzz_target_t;

static const fuzz_target_t  targets[] = {
    { "kserve", "/models/add/infer" },
    { "kserve", "/models/two/infer" },
    { "kserve", "/models/id_string/infer" },
    { "kserve", "/models/id_bool/infer" },
    { "kserve", "/models/id_int8/infer" },
    { "kserve", "/models/id_float16/infer" },
    { "kserve", "/models/scalar/infer" },
    { "tfserving", "/models/add:predict" },
    { "tfserving", "/models/two:predict" },
    { "tfserving", "/models/text:predict" },
    { "tfserving", "/models/id_uint64:predict" },
    { "tfserving", "/models/zip:predict" },
    { "pass", "add" },
    { "pass", "two" },
    { "pass", "digits" },
    { "pass", "cube" },
    { "pass", "free" },
    { "pass", "text" },
    { "pass", "id_bfloat16" },
    { "pass", "open" },
    { "kserve", "/models/digits/infer" },
    { "kserve", "/models/zip/infer" },
    { "kserve", "/repository/index" },
    { "tfserving", "/models/zip:classify" },
    { "tfserving", "/models/digits:classify" },
    { "tfserving", "/models/score:regress" },
    { "tfserving", "/models/id_string:regress" }
};


static maas_catalog_t *
fuzz_catalog(void)
{
    static maas_catalog_t  *c;

    if (c == NULL) {
        c = maas_catalog_create(&maas_host_libc);
        fake_fill(c);
    }

    return c;
}


/* What the second byte declares. */
static void
fuzz_request(maas_request_t *req, const fuzz_target_t *t, uint8_t how,
    size_t size, char digits[24])
{
    memset(req, 0, sizeof(*req));
    req->method = maas_str("POST");
    req->content_type = how & 1 ? maas_str("application/octet-stream")
                                : maas_str("application/json");
    req->accept = how & 2 ? maas_str("application/octet-stream")
                          : maas_str("application/json");

    if (strcmp(t->dialect, "pass") == 0) {
        req->model = (maas_str_t) { t->path, strlen(t->path) };

    } else {
        req->path = (maas_str_t) { t->path, strlen(t->path) };
    }

    /* Bytes behind the JSON; or no JSON; or more JSON than there is body. */
    if (how & 4) {
        how >>= 3;
        snprintf(digits, 24, "%zu", how == 31 ? 0 : how == 30 ? size + 1
                                    : size - (how < size ? how : size));
        req->binary_header = (maas_str_t) { digits, strlen(digits) };
    }
}


static void
fuzz_check(const maas_reply_t *r)
{
    size_t       n = 0;
    maas_json_t  j;

    for (size_t i = 0; i < r->n_parts; i++) {
        n += r->part[i].len;
    }

    if (n != r->length || r->status < 200 || r->status == 500) {
        abort();
    }

    if (maas_str_is(r->content_type, "application/json")) {
        maas_json_init(&j, r->part[0].data, r->part[0].len, NULL);

        if (maas_json_skip(&j) != MAAS_OK || maas_json_end(&j) != MAAS_OK) {
            abort();
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                   digits[24], *body;
    maas_call_t           *call;
    maas_api_t             api = { .n_dialects = 1, .detail = true };
    maas_action_t          action;
    maas_request_t         req;
    const fuzz_target_t   *t;

    if (size < 2) {
        return 0;
    }

    t = &targets[data[0] % maas_nelts(targets)];
    api.dialects = &t->dialect;
    fuzz_request(&req, t, data[1], size - 2, digits);

    body = malloc(size - 2 != 0 ? size - 2 : 1);
    memcpy(body, data + 2, size - 2);

    call = maas_call_create(&maas_host_libc, &api, fuzz_catalog());

    action = maas_call_route(call, &req);

    /* maas_pass may refuse a type before there is a body. */
    if (action == MAAS_ACT_REPLY && strcmp(t->dialect, "pass") != 0) {
        abort();
    }

    maas_call_body(call, body, size - 2);

    if (action != MAAS_ACT_REPLY && maas_call_decode(call) == MAAS_OK
        && action == MAAS_ACT_INFER)
    {
        maas_call_run(call, NULL);
    }

    fuzz_check(maas_call_encode(call));
    maas_call_destroy(call);
    free(body);

    return 0;
}
