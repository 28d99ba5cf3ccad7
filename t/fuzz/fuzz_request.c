/*
 * Fuzz target: the line and the headers of a request.  The first byte
 * chooses what the location serves and how; the rest are fields, each closed
 * by a byte 255: method, path, whole path, arguments, Content-Type,
 * Content-Encoding, Accept, Inference-Header-Content-Length, If-None-Match,
 * model and version of maas_pass; behind them is the body.
 *
 * Whatever comes is answered, and not by a failure of ours; JSON where it
 * says so; no header has a control byte; paths of the machine stay here, if
 * they did not come with the request; an answer with a tag is unchanged for
 * who has the tag.
 */

#include <stdio.h>

#include "maas.h"
#include "proto/json.h"
#include "../engine/fake_model.h"


#define REQ_END  0xff

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


typedef struct {
    const uint8_t  *p;
    size_t          n;
} req_bytes_t;

static maas_str_t
req_field(req_bytes_t *b)
{
    maas_str_t      s = { (const char *) b->p, b->n };
    const uint8_t  *end = memchr(b->p, REQ_END, b->n);

    if (end == NULL) {
        b->p += b->n;
        b->n = 0;
        return s;
    }

    s.len = (size_t) (end - b->p);
    b->p += s.len + 1;
    b->n -= s.len + 1;

    return s;
}


static void
req_fields(maas_request_t *req, req_bytes_t *b, bool pass)
{
    memset(req, 0, sizeof(*req));
    req->method = req_field(b);
    req->path = req_field(b);
    req->whole = req_field(b);
    req->args = req_field(b);
    req->content_type = req_field(b);
    req->content_encoding = req_field(b);
    req->accept = req_field(b);
    req->binary_header = req_field(b);
    req->if_none_match = req_field(b);
    req->model = req_field(b);
    req->version = req_field(b);

    /* Only maas_pass has a model that is not in the path. */
    if (!pass) {
        req->model.len = 0;
    }
}


static void
req_header(maas_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((uint8_t) s.data[i] < 0x20 || s.data[i] == 0x7f) {
            fprintf(stderr, "a header with byte %d\n", s.data[i]);
            abort();
        }
    }
}


/* The tag; len 0: none.  paths: the answer may have some. */
static maas_str_t
req_check(const maas_reply_t *r, bool paths)
{
    size_t       n = 0;
    maas_str_t   tag = { NULL, 0 };
    maas_json_t  j;

    for (size_t i = 0; i < r->n_parts; i++) {
        n += r->part[i].len;

        if (!paths
            && memmem(r->part[i].data, r->part[i].len, "/srv/", 5) != NULL)
        {
            fprintf(stderr, "a path\n");
            abort();
        }
    }

    req_header(r->content_type);

    for (size_t i = 0; i < r->n_headers; i++) {
        req_header(r->header[i].name);
        req_header(r->header[i].value);

        if (maas_str_is(r->header[i].name, "ETag")) {
            tag = r->header[i].value;
        }
    }

    if (n != r->length || r->status < 200 || r->status > 599
        || r->status == 500 || (r->status == 304 && n != 0))
    {
        fprintf(stderr, "status %d, %zu bytes\n", r->status, n);
        abort();
    }

    if (maas_str_is(r->content_type, "application/json") && n != 0) {
        maas_json_init(&j, r->part[0].data, r->part[0].len, NULL);

        if (r->part[0].len != 0 && r->n_parts == 1
            && (maas_json_skip(&j) != MAAS_OK || maas_json_end(&j) != MAAS_OK))
        {
            fprintf(stderr, "%.*s\n", (int) r->part[0].len, r->part[0].data);
            abort();
        }
    }

    return tag;
}


/* Copies the tag; returns the status. */
static int
req_ask(const maas_api_t *api, maas_catalog_t *catalog,
    const maas_request_t *req, const req_bytes_t *b, bool paths,
    char tag[128])
{
    int                  status;
    char                *body = malloc(b->n != 0 ? b->n : 1);
    void                *user;
    int64_t              version;
    maas_str_t           name;
    maas_call_t         *call;
    maas_action_t        action;
    maas_call_info_t     info;
    const maas_reply_t  *r;

    memcpy(body, b->p, b->n);
    call = maas_call_create(&maas_host_libc, api, catalog);
    action = maas_call_route(call, req);
    (void) maas_call_model_name(call);

    if (action == MAAS_ACT_INFER
        && !maas_call_target(call, &user, &name, &version))
    {
        abort();
    }

    if (action != MAAS_ACT_REPLY) {
        maas_call_body(call, body, b->n);
        (void) maas_call_decode_cheap(call);

        if (maas_call_decode(call) == MAAS_OK) {
            maas_call_info(call, &info);

            if (action == MAAS_ACT_INFER && !info.unchanged) {
                (void) maas_call_run(call, NULL);
            }
        }
    }

    r = maas_call_encode(call);
    name = req_check(r, paths);
    status = r->status;
    snprintf(tag, 128, "%.*s", (int) name.len, name.len ? name.data : "");

    maas_call_destroy(call);
    free(body);

    return status;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                        status;
    bool                       paths;
    char                       tag[128], again[128], text[512];
    size_t                     k;
    maas_api_t                 api = { 0 };
    req_bytes_t                b = { data + 1, size - 1 };
    maas_request_t             req;
    static maas_catalog_t     *catalog;
    static const char *const   all[] = { "kserve", "tfserving", "pass" };
    static const maas_str_t    some[] = { maas_str("add"), maas_str("zip") };
    static const uint8_t       first[] = { 0, 1, 0, 2 }, n[] = { 1, 1, 2, 1 };

    if (size == 0) {
        return 0;
    }

    if (catalog == NULL) {
        catalog = maas_catalog_create(&maas_host_libc);
        fake_fill(catalog);
    }

    k = data[0] & 3;
    api.dialects = all + first[k];
    api.n_dialects = n[k];
    api.detail = data[0] >> 2 & 1;
    api.etag = data[0] >> 3 & 1;
    api.models = some;
    api.n_models = data[0] >> 4 & 1 ? maas_nelts(some) : 0;

    req_fields(&req, &b, k == 3);
    paths = api.detail || memmem(data, size, "/srv/", 5) != NULL;
    status = req_ask(&api, catalog, &req, &b, paths, tag);

    if (status == 200 && tag[0] != '\0' && req.if_none_match.len == 0) {
        req.if_none_match = (maas_str_t) { tag, strlen(tag) };

        if (req_ask(&api, catalog, &req, &b, paths, again) != 304) {
            fprintf(stderr, "%s has changed\n", tag);
            abort();
        }
    }

    (void) maas_error_body(&api, status, tag, text, sizeof(text));
    return 0;
}
