/*
 * Dialects, catalog and calls against a fake model: a table of requests with
 * the status and a part of the answer; binary bodies; refused memory.
 */

#include <math.h>

#include "maas.h"
#include "tap.h"
#include "fake_model.h"
#include "proto_cases.h"
#include "proto/proto.h"
#include "refuser.h"


static maas_catalog_t    *catalog;
static const char *const  kserve[] = { "kserve" };
static const char *const  tfs[] = { "tfserving" };
static const char *const  both[] = { "kserve", "tfserving" };
static const char *const  pass[] = { "pass" };


static maas_api_t
api_of(const char *dialects)
{
    maas_api_t  api = { .models = fake_names, .n_models = fake_n };

    api.n_dialects = strlen(dialects);
    api.dialects = dialects[1] != '\0' ? both : dialects[0] == 'k' ? kserve
                   : dialects[0] == 't' ? tfs : pass;

    return api;
}


static maas_request_t
request_of(const proto_case_t *c)
{
    const char      *space = strchr(c->target, ' ');
    maas_request_t   req;

    memset(&req, 0, sizeof(req));
    req.method = (maas_str_t) { c->target, (size_t) (space - c->target) };

    if (c->dialects[0] == 'p') {
        req.model = (maas_str_t) { space + 1, strcspn(space + 1, "?") };
        req.args.data = req.model.data + req.model.len;
        req.args.data += *req.args.data == '?';
        req.args.len = strlen(req.args.data);

    } else {
        req.path = (maas_str_t) { space + 1, strlen(space + 1) };
    }

    req.content_type = c->type == NULL ? maas_str("application/json")
                       : (maas_str_t) { c->type, strlen(c->type) };

    if (c->accept != NULL) {
        req.accept = (maas_str_t) { c->accept, strlen(c->accept) };
    }

    if (c->binary != NULL) {
        req.binary_header = (maas_str_t) { c->binary, strlen(c->binary) };
    }

    return req;
}


/* The whole way; body is a copy that ends where the text does. */
static maas_call_t *
perform(const maas_host_t *host, const maas_api_t *api,
    const maas_request_t *req, char *body, size_t len,
    const maas_reply_t **reply)
{
    maas_call_t    *call;
    maas_action_t   action;

    call = maas_call_create(host, api, catalog);
    if (call == NULL) {
        return NULL;
    }

    action = maas_call_route(call, req);

    if (action != MAAS_ACT_REPLY) {
        maas_call_body(call, body, len);

        if (maas_call_decode(call) == MAAS_OK && action == MAAS_ACT_INFER) {
            maas_call_run(call, NULL);
        }
    }

    *reply = maas_call_encode(call);
    return call;
}


static char *
join(const maas_reply_t *r)
{
    char    *p = malloc(r->length + 1);
    size_t   n = 0;

    for (size_t i = 0; i < r->n_parts; i++) {
        memcpy(p + n, r->part[i].data, r->part[i].len);
        n += r->part[i].len;
    }

    p[n] = '\0';

    if (n != r->length) {
        printf("# the parts have %zu bytes, length is %zu\n", n, r->length);
    }

    return p;
}


static bool
is_json(const char *p, size_t n)
{
    maas_json_t  j;

    maas_json_init(&j, p, n, NULL);

    return maas_json_skip(&j) == MAAS_OK && maas_json_end(&j) == MAAS_OK;
}


static const char *
header(const maas_reply_t *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (maas_str_is(r->header[i].name, name)) {
            return r->header[i].value.data;
        }
    }

    return "";
}


static void
test_case(const proto_case_t *c)
{
    int                  good;
    char                *body, *text;
    size_t               len = strlen(c->body);
    maas_api_t           api = api_of(c->dialects);
    maas_call_t         *call;
    maas_request_t       req = request_of(c);
    const maas_reply_t  *r;

    body = malloc(len + 1);
    memcpy(body, c->body, len);

    /* Without the byte behind it, so that an overrun is seen. */
    body = realloc(body, len != 0 ? len : 1);
    call = perform(&maas_host_libc, &api, &req, body, len, &r);
    text = join(r);

    good = r->status == c->status
           && (c->part[0] == '!' ? strstr(text, c->part + 1) == NULL
                                 : strstr(text, c->part) != NULL)
           && (!maas_str_is(r->content_type, "application/json")
               || is_json(text, r->length))
           && (r->status != 405 || header(r, "Allow")[0] != '\0');

    if (!ok(good, "%s %s %.60s", c->dialects, c->target, c->body)) {
        printf("# %d %s\n# expected: %d %s\n", r->status, text, c->status,
               c->part);
    }

    free(text);
    maas_call_destroy(call);
    free(body);
}


/* -- binary -------------------------------------------------------------- */

static const char  binary_json[] =
    "{\"id\":\"7\",\"parameters\":{\"binary_data_output\":true},\"inputs\":[{"
    "\"name\":\"x\",\"shape\":[%d],\"datatype\":\"%s\",\"parameters\":{"
    "\"binary_data_size\":%zu}}]}";


static void
binary_id(maas_dtype_t dtype, const char *blob, size_t n, int count,
    int status, const char *part)
{
    char                 path[64], size[16];
    char                *body, *text;
    size_t               len;
    maas_api_t           api = api_of("k");
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("POST") };
    const maas_reply_t  *r;

    snprintf(path, sizeof(path), "/v2/models/%s/infer", fake_id_names[dtype]);
    body = malloc(1024);
    len = (size_t) snprintf(body, 1024, binary_json, count,
                            maas_dtypes[dtype].oip, n);
    snprintf(size, sizeof(size), "%zu", len);
    memcpy(body + len, blob, n);
    body = realloc(body, len + n);

    req.path = (maas_str_t) { path, strlen(path) };
    req.content_type = maas_str("application/octet-stream");
    req.binary_header = (maas_str_t) { size, strlen(size) };
    call = perform(&maas_host_libc, &api, &req, body, len + n, &r);
    text = join(r);

    if (status == 200) {
        len = strtoul(header(r, "Inference-Header-Content-Length"), NULL, 10);

        if (!ok(r->status == 200 && r->length == len + n
                && memcmp(text + len, blob, n) == 0 && is_json(text, len),
                "binary %s", maas_dtype_name(dtype)))
        {
            printf("# %d %s\n", r->status, text);
        }

    } else {
        is_int(r->status, status, "binary: status");
        has_str(text, part, "binary: text");
    }

    free(text);
    maas_call_destroy(call);
    free(body);
}


static void
test_binary(void)
{
    int   size;
    char  blob[64];

    for (int i = 0; i < 64; i++) {
        blob[i] = (char) (i & 1);
    }

    for (int t = 0; t < MAAS_DTYPES; t++) {
        if (fake_id_names[t] == NULL || t == MAAS_STRING) {
            continue;
        }

        size = (int) maas_dtype_size(t);
        binary_id(t, blob, (size_t) size * 3, 3, 200, NULL);
        binary_id(t, blob, 0, 0, 200, NULL);
    }

    binary_id(MAAS_STRING, "\3\0\0\0abc\0\0\0\0", 11, 2, 200, NULL);
    binary_id(MAAS_STRING, "\3\0\0\0abc\0\0\0\0", 11, 3, 400, "can't hold 3");
    binary_id(MAAS_STRING, "\4\0\0\0abc", 7, 1, 400, "string 0 of 1 ends");
    binary_id(MAAS_STRING, "\377\377\377\377", 4, 1, 400, "ends behind");
    binary_id(MAAS_STRING, "\1\0\0\0abc", 7, 1, 400, "2 bytes behind");
    binary_id(MAAS_F32, blob, 11, 3, 400, "11 bytes of data, but 3 elements "
              "of float32 need 12");
    binary_id(MAAS_BOOL, "\1\2", 2, 2, 400, "element 1 is 2, not 0 or 1");
}


/* Two binary tensors and one in JSON between them; a byte too many. */
static void
test_mixed(void)
{
    static const char    json[] = "{\"inputs\":[{\"name\":\"b\",\"shape\":[1],"
        "\"datatype\":\"INT64\",\"parameters\":{\"binary_data_size\":8}},"
        "{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1,2],\"data\":[1,2]"
        "}],\"outputs\":[{\"name\":\"s\",\"parameters\":{\"binary_data\":true"
        "}},{\"name\":\"t\"}]}";
    char                *text, size[16], *body;
    size_t               len = sizeof(json) - 1;
    float                f[2];
    maas_api_t           api = api_of("k");
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("POST"),
                                 .path = maas_str("/models/two/infer") };
    const maas_reply_t  *r;

    body = malloc(len + 9);
    memcpy(body, json, len);
    memcpy(body + len, "\5\0\0\0\0\0\0\0x", 9);
    snprintf(size, sizeof(size), "%zu", len);
    req.binary_header = (maas_str_t) { size, strlen(size) };

    call = perform(&maas_host_libc, &api, &req, body, len + 8, &r);
    text = join(r);
    has_str(text, "\"name\":\"t\",\"datatype\":\"INT64\",\"shape\":[1],"
            "\"data\":[5]", "binary in, JSON out");
    memcpy(f, text + r->length - 8, 8);
    ok(f[0] == 1 && f[1] == 2 && r->n_parts == 2, "JSON in, binary out");
    free(text);
    maas_call_destroy(call);

    call = perform(&maas_host_libc, &api, &req, body, len + 9, &r);
    text = join(r);
    has_str(text, "1 bytes behind the last binary tensor", "a byte too many");
    free(text);
    maas_call_destroy(call);
    free(body);

    /* Raw: header 0. */
    body = malloc(8);
    memcpy(body, f, 8);
    req.path = maas_str("/models/add/infer");
    req.binary_header = maas_str("0");
    call = perform(&maas_host_libc, &api, &req, body, 8, &r);
    text = join(r);
    ok(r->status == 200 && memcmp(text + r->length - 8, f, 8) == 0
       && strstr(text, "\"shape\":[1,2]") != NULL, "raw request");
    free(text);
    maas_call_destroy(call);

    /* 40 binary outputs are more than the parts of a reply. */
    req.path = maas_str("/models/many/infer");
    call = perform(&maas_host_libc, &api, &req, body, 8, &r);
    ok(r->status == 200 && r->n_parts == 1 && r->length > 320, "many parts");
    maas_call_destroy(call);
    free(body);
}


/* -- classes ------------------------------------------------------------- */

/* Is score a of index i before score b of index j? */
static bool
class_before(float a, int64_t i, float b, int64_t j)
{
    return a != a || b != b ? (a == a) > (b == b)
                              || ((a == a) == (b == b) && i < j)
                            : a > b || (a == b && i < j);
}


/* The rank of each element by counting; every k; ties, NaN, infinities. */
static void
test_classes(void)
{
    int                 bad = 0;
    float               v[40];
    int64_t             rank;
    unsigned            seed = 7;
    maas_tensor_t       t = { v, sizeof(v), MAAS_F32, 1, 0, { 40 } };
    static const float  odd[] = { NAN, INFINITY, -INFINITY, 0, -0.0f, 1, 1 };
    maas_proto_class_t  k[40];

    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 40; i++) {
            seed = seed * 1664525 + 1013904223;
            v[i] = seed >> 28 < 7 ? odd[seed >> 28] : (float) (seed >> 20);
        }

        for (int64_t n = 0; n <= 37; n++) {
            maas_proto_classes(&t, 3, 37, false, k, n);

            for (int64_t i = 0; i < n; i++) {
                rank = 0;

                for (int64_t j = 0; j < 37; j++) {
                    rank += class_before(v[3 + j], j, v[3 + k[i].index],
                                         k[i].index);
                }

                bad += rank != i;
            }
        }
    }

    is_int(bad, 0, "the best k in order, for every k");

    v[0] = 1, v[1] = 3, v[2] = 2;
    maas_proto_classes(&t, 0, 3, true, k, 2);
    ok(k[0].index == 1 && k[1].index == 2
       && k[0].score > 0.6652409 && k[0].score < 0.6652410
       && k[1].score > 0.2447284 && k[1].score < 0.2447285,
       "softmax over the whole row");

    t.dtype = MAAS_I16;
    memcpy(v, (int16_t[]) { -5, 300, 299 }, 6);
    maas_proto_classes(&t, 0, 3, false, k, 1);
    ok(k[0].index == 1 && k[0].score == 300, "integers");
}


/* -- calls --------------------------------------------------------------- */

static void
test_call(void)
{
    void                *user;
    char                 body[] = "[[1,2]]", text[64];
    int64_t              version;
    maas_str_t           name;
    maas_api_t           api = api_of("p");
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("POST"),
        .content_type = maas_str("application/json"),
        .model = maas_str("add"), .version = maas_str("canary") };
    maas_call_info_t     info;
    const maas_reply_t  *r;

    ok(maas_dialect_exists("kserve") && !maas_dialect_exists("x"), "dialects");

    call = maas_call_create(&maas_host_libc, &api, catalog);
    is_int(maas_call_route(call, &req), MAAS_ACT_INFER, "route");
    ok(maas_call_target(call, &user, &name, &version) && version == 1
       && maas_str_is(name, "add") && user == &fake_models[0], "target");
    ok(maas_str_is(maas_call_model_name(call), "add"), "name");
    maas_call_body(call, body, 7);
    ok(maas_call_decode_cheap(call), "small bodies are cheap");
    ok(maas_call_cost(call) == UINT64_MAX, "no cost before decode");
    is_int(maas_call_decode(call), MAAS_OK, "decode");
    is_int(maas_call_cost(call), 1000, "cost");
    maas_call_cancel(call);
    is_int(maas_call_run(call, NULL), MAAS_ECANCEL, "cancelled");
    maas_call_info(call, &info);
    ok(info.status == MAAS_ECANCEL && !info.ran, "info");
    r = maas_call_encode(call);
    is_int(r->status, 499, "499");
    maas_call_fail(call, MAAS_EDEADLINE, 0, "deadline of %d s", 2);
    r = maas_call_encode(call);
    ok(r->status == 504 && strstr(r->part[0].data, "deadline of 2 s"), "504");
    maas_call_body(call, body, 20000);
    ok(!maas_call_decode_cheap(call), "large bodies are not");
    maas_call_destroy(call);

    call = maas_call_create(&maas_host_libc, &api, catalog);
    maas_call_fail(call, MAAS_EBUSY, 429, "too many");
    r = maas_call_encode(call);
    ok(r->status == 429 && r->n_parts == 1, "error before a route");
    is_int(maas_call_run(call, NULL), MAAS_EBUSY, "run keeps the error");
    maas_call_destroy(call);

    is_int(maas_error_body(&api, 413, "too \"big\"", text, sizeof(text)), 23,
           "error body");
    ok(memcmp(text, "{\"error\":\"too \\\"big\\\"\"}", 23) == 0, "its text");
    is_int(maas_error_body(NULL, 413, "abc", text, 4), 15, "cut");
    is_int(fake_models[0].refs, 2, "references are given back");
}


/* -- statistics ---------------------------------------------------------- */

static int
stats_post(const char *body)
{
    int                  status;
    char                *copy = strdup(body);
    maas_api_t           api = api_of("k");
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("POST"),
                                 .path = maas_str("/models/rows/infer") };
    const maas_reply_t  *r;

    call = perform(&maas_host_libc, &api, &req, copy, strlen(copy), &r);
    (void) maas_call_encode(call);      /* once more: counted once */
    status = r->status;
    maas_call_destroy(call);
    free(copy);

    return status;
}


static int
stats_rows(int rows)
{
    int   n;
    char  body[1024];

    n = snprintf(body, sizeof(body), "{\"inputs\":[{\"name\":\"x\",\"shape\":"
                 "[%d,2],\"datatype\":\"FP32\",\"data\":[", rows);

    for (int i = 0; i < rows * 2; i++) {
        n += snprintf(body + n, sizeof(body) - (size_t) n, "%s1",
                      i != 0 ? "," : "");
    }

    snprintf(body + n, sizeof(body) - (size_t) n, "]}]}");

    return stats_post(body);
}


/* A call that ends before it is answered; with a body or without. */
static void
stats_leave(bool body)
{
    maas_api_t       api = api_of("k");
    maas_call_t     *call;
    maas_request_t   req = { .method = maas_str("POST"),
                             .path = maas_str("/models/rows/infer") };

    call = maas_call_create(&maas_host_libc, &api, catalog);
    maas_call_route(call, &req);

    if (body) {
        maas_call_body(call, NULL, 0);
    }

    maas_call_destroy(call);
}


static void
test_stats(void)
{
    char                *text;
    uint64_t             parts;
    maas_api_t           api = api_of("k");
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("GET"),
        .path = maas_str("/v2/models/rows/versions/1/stats") };
    const maas_reply_t  *r;
    static maas_stats_t  s;

    is_int(maas_catalog_stats(catalog, maas_str("rows"), 2, &s), MAAS_ENOENT,
           "counters of no version");
    is_int(maas_catalog_stats(catalog, maas_str("rows"), 1, &s), MAAS_OK,
           "counters of the host");

    ok(stats_rows(3) == 200 && stats_rows(2) == 200 && stats_rows(3) == 200
       && stats_rows(0) == 200 && stats_post("{}") == 400, "five calls");
    stats_leave(false);
    is_int((long) s.fail.count, 1, "a call for its route alone is not counted");
    stats_leave(true);

    ok(s.success.count == 4 && s.fail.count == 2 && s.queue.count == 4
       && s.input.count == 4 && s.infer.count == 4 && s.output.count == 4,
       "calls by outcome");
    ok(s.rows == 8 && s.runs == 4, "inferences and executions");
    ok(s.last_ms > 1600000000000u, "when the last one was");

    parts = s.queue.ns + s.input.ns + s.infer.ns + s.output.ns;
    ok(s.input.ns != 0 && s.output.ns != 0 && s.fail.ns != 0
       && parts <= s.success.ns, "the parts are in the whole");

    call = perform(&maas_host_libc, &api, &req, NULL, 0, &r);
    text = join(r);
    has_str(text, "\"inference_count\":8,\"execution_count\":4,"
            "\"inference_stats\":{\"success\":{\"count\":4,\"ns\":", "stats");
    has_str(text, "\"batch_stats\":[{\"batch_size\":2,\"compute_input\":{"
            "\"count\":1,", "batches, the smallest first");
    has_str(text, "{\"batch_size\":3,\"compute_input\":{\"count\":2,",
            "by size");
    free(text);
    maas_call_destroy(call);

    for (int i = 1; i <= 40; i++) {
        is_int(stats_rows(i), 200, "rows");
    }

    parts = 0;

    for (int i = 0; i < MAAS_STATS_BATCHES; i++) {
        parts += s.batch[i].infer.count;
    }

    ok(s.success.count == 44 && parts == 27, "more sizes than slots");
}


/* A picture of 2 x 2 pixels, its bytes 1 to 12; and no body at all. */
static void
test_image(void)
{
    static uint8_t       png[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00,
        0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
        0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0xfd, 0xd4, 0x9a, 0x73,
        0x00, 0x00, 0x00, 0x16, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63,
        0x60, 0x64, 0x62, 0x66, 0x61, 0x65, 0x63, 0x60, 0xe7, 0xe0, 0xe4,
        0xe2, 0xe6, 0x01, 0x00, 0x01, 0x8f, 0x00, 0x4f, 0x04, 0x74, 0xad,
        0xbd, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42,
        0x60, 0x82
    };
    char                *text;
    maas_api_t           api = api_of("p");
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("POST"),
        .content_type = maas_str("image/png"), .model = maas_str("image") };
    const maas_reply_t  *r;

    for (int i = 0; i < 2; i++) {
        call = perform(&maas_host_libc, &api, &req, (char *) png, sizeof(png),
                       &r);
        text = join(r);
        has_str(text, "{\"y\":[[[[1.0,4.0],[7.0,10.0]],[[2.0,5.0],[8.0,11.0]],"
                "[[3.0,6.0],[9.0,12.0]]]]}", "PNG as a tensor");
        ok(!maas_call_decode_cheap(call), "pictures are not cheap");
        free(text);
        maas_call_destroy(call);

        req.content_type = (maas_str_t) { NULL, 0 };    /* by its bytes */
    }

    for (size_t i = 0; i < fake_n; i++) {
        req.model = fake_names[i];
        req.content_type = i & 1 ? maas_str("application/octet-stream")
                                 : maas_str("application/json");
        call = perform(&maas_host_libc, &api, &req, NULL, 0, &r);
        ok(r->status == 400 || r->status == 200 || r->status == 503
           || r->status == 415
           || (r->status == 500 && maas_str_is(req.model, "fails")),
           "no body: %.*s", (int) req.model.len, req.model.data);
        maas_call_destroy(call);
    }
}


/* What a client is not told, the log of the server has. */
static void
test_hidden(void)
{
    maas_api_t           api = api_of("p");
    maas_call_t         *call;
    maas_request_t       req = { .method = maas_str("POST"),
        .content_type = maas_str("application/json"),
        .model = maas_str("fails") };
    maas_call_info_t     info;
    const maas_reply_t  *r;

    for (int detail = 0; detail < 2; detail++) {
        api.detail = detail;
        call = perform(&maas_host_libc, &api, &req, "[1]", 3, &r);
        maas_call_info(call, &info);
        is_int(r->status, 500, "a model that fails");
        ok((strcmp(info.error, info.cause) == 0) == (detail != 0),
           "the client is told \"%s\"", info.error);
        ok(info.cause[0] != '\0' && strstr(info.cause, "while the") == NULL,
           "the log \"%s\"", info.cause);
        maas_call_destroy(call);
    }
}


static void
test_catalog(void)
{
    maas_err_t           err;
    const maas_entry_t  *e = NULL;

    maas_catalog_find(catalog, maas_str("add"), maas_str(""), &e, &err);
    is_int(e->version, 3, "the highest that answers");
    maas_catalog_find(catalog, maas_str("add"), maas_str("7"), &e, &err);
    ok(e->version == 7 && e->model == NULL, "an unavailable one by number");
    is_int(maas_catalog_add(catalog, maas_str("add"), 1, NULL, NULL, NULL,
                            &err), MAAS_EINVAL, "twice");
    is_int(maas_catalog_add(catalog, maas_str("../x"), 1, NULL, NULL, NULL,
                            &err), MAAS_EINVAL, "bad name");
    is_int(maas_catalog_label(catalog, maas_str("add"), maas_str("12"), 1,
                              &err), MAAS_EINVAL, "a number as label");
    is_int(maas_catalog_label(catalog, maas_str("add"), maas_str("x"), 9,
                              &err), MAAS_ENOENT, "label of nothing");
    maas_catalog_label(catalog, maas_str("add"), maas_str("stable"), 1, &err);
    maas_catalog_find(catalog, maas_str("add"), maas_str(""), &e, &err);
    is_int(e->version, 1, "stable wins");
    e = maas_catalog_next(catalog, NULL);
    is_int(e->version, 1, "ascending");
    e = maas_catalog_next(catalog, maas_catalog_next(catalog, e));
    is_int(e->version, 7, "to the end");
    ok(maas_str_is(maas_catalog_next(catalog, e)->name, "two"), "next name");
}


/* -- refused memory ------------------------------------------------------ */

static void
test_memory(void)
{
    int                  bad = 0, told = 0, done_at;
    char                *body;
    maas_api_t           api;
    maas_call_t         *call;
    maas_request_t       req;
    refuser_t            left;
    const maas_host_t    host = refuser_host(&left);
    const maas_reply_t  *r;

    for (size_t i = 0; i < maas_nelts(cases); i++) {
        api = api_of(cases[i].dialects);
        req = request_of(&cases[i]);
        body = strdup(cases[i].body);
        done_at = 0;

        for (int k = 0; k < 100 && !done_at; k++) {
            left = (refuser_t) { .refuse = k + 1, .rest = true };
            call = perform(&host, &api, &req, body, strlen(body), &r);
            done_at = call != NULL && r->status == cases[i].status;
            bad += call != NULL && (r->n_parts == 0 || (r->status != 503
                                    && r->status != cases[i].status));
            maas_call_destroy(call);
            bad += left.live != 0;

            if (bad != 0 && told == 0) {
                told = printf("# %s %.60s, allocation %d\n", cases[i].target,
                              cases[i].body, k);
            }
        }

        bad += !done_at;
        free(body);
    }

    is_int(bad, 0, "refused memory: 503, no leak, no crash");
}


int
main(void)
{
    catalog = maas_catalog_create(&maas_host_libc);
    fake_fill(catalog);
    maas_catalog_add(catalog, maas_str("hidden"), 1, &fake_models[0], NULL,
                     NULL, NULL);

    fake_names[fake_n++] = maas_str("down");

    for (size_t i = 0; i < maas_nelts(cases); i++) {
        test_case(&cases[i]);
    }

    test_binary();
    test_mixed();
    test_classes();
    test_stats();
    test_image();
    maas_catalog_destroy(catalog);

    fake_free();
    memset(fake_models, 0, sizeof(fake_models));
    fake_n = 0;
    catalog = maas_catalog_create(&maas_host_libc);
    fake_fill(catalog);
    fake_names[fake_n++] = maas_str("down");
    test_memory();
    test_call();
    test_hidden();
    test_catalog();
    maas_catalog_destroy(catalog);
    is_int(fake_models[0].refs, 0, "no reference is left");
    fake_free();

    return done();
}
