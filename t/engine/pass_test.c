/*
 * maas_pass: a table of requests; arrays of NumPy in and out; batches of
 * images in forms and in JSON; the reader of forms at its limits; entity
 * tags; refused memory.
 */

#include "maas.h"
#include "tap.h"
#include "fake_model.h"
#include "pass_cases.h"
#include "proto/json.h"
#include "proto/multipart.h"
#include "proto/negotiate.h"
#include "refuser.h"


static maas_catalog_t    *catalog;
static const char *const  pass[] = { "pass" };

/* 2 x 2 pixels, bytes 1 to 12. */
static const uint8_t  png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00,
    0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
    0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0xfd, 0xd4, 0x9a, 0x73,
    0x00, 0x00, 0x00, 0x16, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63,
    0x60, 0x64, 0x62, 0x66, 0x61, 0x65, 0x63, 0x60, 0xe7, 0xe0, 0xe4,
    0xe2, 0xe6, 0x01, 0x00, 0x01, 0x8f, 0x00, 0x4f, 0x04, 0x74, 0xad,
    0xbd, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42,
    0x60, 0x82
};

#define PIXELS  "[[[1.0,4.0],[7.0,10.0]],[[2.0,5.0],[8.0,11.0]]," \
                "[[3.0,6.0],[9.0,12.0]]]"


/* -- models -------------------------------------------------------------- */

static void
add_models(void)
{
    char             *base;
    maas_meta_t      *meta = fake_meta();
    maas_model_t     *m;
    maas_meta_str_t  *f;

    base = (char *) meta;
    meta->n_features = 3;
    meta->features = sizeof(maas_meta_t);
    f = (maas_meta_str_t *) (base + meta->features);

    for (uint32_t i = 0; i < 3; i++) {
        f[i] = (maas_meta_str_t) { sizeof(maas_meta_t) + 64 + 4 * i, 4 };
    }

    memcpy(base + sizeof(maas_meta_t) + 64, "longwidehigh", 12);
    fake_add(catalog, fake_one("table", MAAS_F32, FAKE_DIMS(-1, 3), meta), 1);

    m = fake_model("mixed", NULL);
    m->n_in = m->n_out = 4;
    fake_port(&m->in[0], "age", MAAS_F32, FAKE_DIMS(-1, 1));
    fake_port(&m->in[1], "n", MAAS_I32, FAKE_DIMS(-1));
    fake_port(&m->in[2], "ok", MAAS_BOOL, FAKE_DIMS(-1, 1));
    fake_port(&m->in[3], "city", MAAS_STRING, FAKE_DIMS(-1, 1));
    memcpy(m->out, m->in, sizeof(m->in));
    fake_add(catalog, m, 1);

    m = fake_model("pair", fake_image());
    m->n_in = m->n_out = 2;
    m->meta->prep.input = 1;
    fake_port(&m->in[0], "k", MAAS_F32, FAKE_DIMS(-1));
    fake_port(&m->in[1], "pic", MAAS_F16, FAKE_DIMS(-1, 3, 2, 2));
    memcpy(m->out, m->in, sizeof(m->in));
    fake_add(catalog, m, 1);

    m = fake_one("bytes", MAAS_U8, FAKE_DIMS(-1, 3, -1, -1), fake_image());
    m->meta->prep.width = 0;
    m->meta->prep.height = 0;
    fake_add(catalog, m, 1);
}


/* -- requests ------------------------------------------------------------ */

typedef struct {
    int     status;
    char    type[64];
    char    etag[64];
    char   *body;
    size_t  len;
    bool    ran;
    bool    cheap;
} answer_t;


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


static maas_request_t
request_of(const char *target, const char *type, const char *accept)
{
    maas_request_t  req = { .method = maas_str("POST") };

    req.model = (maas_str_t) { target, strcspn(target, "?") };
    req.args.data = target + req.model.len;
    req.args.data += *req.args.data == '?';
    req.args.len = strlen(req.args.data);
    req.content_type = type == NULL ? maas_str("application/json")
                                    : (maas_str_t) { type, strlen(type) };
    req.accept = accept == NULL ? maas_str("")
                                : (maas_str_t) { accept, strlen(accept) };

    return req;
}


/* The whole way; the body is copied to the end of a block. */
static answer_t
ask(const maas_host_t *host, const maas_request_t *req, const void *body,
    size_t len, bool etag)
{
    char                *copy = malloc(len != 0 ? len : 1);
    answer_t             a = { 0 };
    maas_api_t           api = { .dialects = pass, .n_dialects = 1,
                                 .etag = etag };
    maas_call_t         *call;
    maas_call_info_t     info;
    const maas_reply_t  *r;

    memcpy(copy, body, len);
    call = maas_call_create(host, &api, catalog);

    if (call == NULL) {
        free(copy);
        return a;
    }

    if (maas_call_route(call, req) == MAAS_ACT_INFER) {
        maas_call_body(call, copy, len);
        a.cheap = maas_call_decode_cheap(call);

        if (maas_call_decode(call) == MAAS_OK) {
            maas_call_run(call, NULL);
        }
    }

    r = maas_call_encode(call);
    maas_call_info(call, &info);
    a.status = r->status;
    a.len = r->length;
    a.ran = info.ran;
    snprintf(a.type, sizeof(a.type), "%.*s", (int) r->content_type.len,
             r->content_type.data);
    snprintf(a.etag, sizeof(a.etag), "%s", header(r, "ETag"));
    a.body = malloc(r->length + 1);
    len = 0;

    for (size_t i = 0; i < r->n_parts; i++) {
        memcpy(a.body + len, r->part[i].data, r->part[i].len);
        len += r->part[i].len;
    }

    a.body[len] = '\0';

    if (len != r->length) {
        ok(0, "the parts have %zu bytes, length is %zu", len, r->length);
    }

    maas_call_destroy(call);
    free(copy);

    return a;
}


static bool
is_json(const char *p, size_t n)
{
    maas_json_t  j;

    maas_json_init(&j, p, n, NULL);

    return maas_json_skip(&j) == MAAS_OK && maas_json_end(&j) == MAAS_OK;
}


static void
test_cases(void)
{
    bool                good;
    answer_t            a;
    maas_request_t      req;
    const pass_case_t  *c;

    for (c = cases; c < cases + maas_nelts(cases); c++) {
        req = request_of(c->target, c->type, c->accept);
        a = ask(&maas_host_libc, &req, c->body, strlen(c->body), false);

        good = a.status == c->status
               && (c->part[0] == '=' ? strcmp(a.body, c->part + 1) == 0
                                     : strstr(a.body, c->part) != NULL)
               && (strcmp(a.type, "application/json") != 0
                   || is_json(a.body, a.len));

        if (!ok(good, "%s %.50s", c->target, c->body)) {
            printf("# %d %s\n# expected: %d %s\n", a.status, a.body,
                   c->status, c->part);
        }

        free(a.body);
    }
}


/* -- arrays -------------------------------------------------------------- */

static void
npy(maas_buf_t *b, maas_dtype_t dtype, const void *data, size_t bytes,
    int rank, const int64_t *dims)
{
    maas_err_t     err;
    maas_tensor_t  t = { (void *) (uintptr_t) data, bytes, (uint8_t) dtype,
                         (uint8_t) rank };

    memcpy(t.dims, dims, (size_t) rank * sizeof(int64_t));
    maas_buf_init(b, &maas_host_libc);
    maas_npy_write(b, &t, &err);
}


/* Posts an array, and looks for a part of the answer. */
static void
npy_case(const char *model, maas_dtype_t dtype, const void *data,
    size_t bytes, int rank, const int64_t *dims, int status,
    const char *part)
{
    answer_t        a;
    maas_buf_t      b;
    maas_request_t  req = request_of(model, "application/x-npy", NULL);

    npy(&b, dtype, data, bytes, rank, dims);
    a = ask(&maas_host_libc, &req, b.data, b.len, false);
    is_int(a.status, status, model);
    has_str(a.body, part, model);
    free(a.body);
    maas_buf_destroy(&b);
}


static void
test_npy(void)
{
    char            *p;
    answer_t         a;
    maas_buf_t       b;
    maas_request_t   req = request_of("add", "application/x-npy",
                                      "application/x-npy");
    const float      f[4] = { 1, 2, 3, 4 };

    npy(&b, MAAS_F32, f, 16, FAKE_DIMS(2, 2));
    a = ask(&maas_host_libc, &req, b.data, b.len, false);
    ok(a.status == 200 && a.len == b.len && memcmp(a.body, b.data, a.len) == 0,
       "npy in, the same npy out");
    is_str(a.type, "application/x-npy", "type");
    free(a.body);

    /* The same two rows in columns. */
    p = memmem(b.data, b.len, "False", 5);
    memcpy(p, "True ", 5);
    req.accept = maas_str("");
    a = ask(&maas_host_libc, &req, b.data, b.len, false);
    has_str(a.body, "[[1.0,3.0],[2.0,4.0]]", "Fortran order");
    free(a.body);
    maas_buf_destroy(&b);
}


static void
test_npy_values(void)
{
    const float     f[6] = { 1, 2, 3, 4, 5, 6 };
    const double    d[2] = { 1.5, 1e300 };
    const int64_t   q[2] = { 127, -129 };
    const uint64_t  u[2] = { 1, UINT64_MAX };
    const int16_t   h[2] = { -1, 300 };
    const uint16_t  half[2] = { 0x3c00, 0x4000 };

    npy_case("add", MAAS_F32, f, 8, FAKE_DIMS(2), 200, "[[1.0,2.0]]");
    npy_case("add", MAAS_F64, d, 8, FAKE_DIMS(1), 400, "shape [1], but");
    npy_case("id_float32", MAAS_F64, d, 8, FAKE_DIMS(1), 200, "[1.5]");
    npy_case("id_float32", MAAS_F64, d, 16, FAKE_DIMS(2), 400, "input \\\"x"
             "\\\": npy: element 1, 1.0000000000000001e+300, is out of the "
             "range of float32");
    npy_case("id_float64", MAAS_F16, half, 4, FAKE_DIMS(2), 200, "[1.0,2.0]");
    npy_case("id_bfloat16", MAAS_F32, f, 8, FAKE_DIMS(2), 200, "[1.0,2.0]");
    npy_case("id_int8", MAAS_I64, q, 8, FAKE_DIMS(1), 200, "[127]");
    npy_case("id_int8", MAAS_I64, q, 16, FAKE_DIMS(2), 400, "element 1, -129");
    npy_case("id_uint64", MAAS_U64, u, 16, FAKE_DIMS(2), 200,
             "18446744073709551615");
    npy_case("id_int64", MAAS_U64, u, 16, FAKE_DIMS(2), 400, "element 1");
    npy_case("id_uint64", MAAS_I64, q, 16, FAKE_DIMS(2), 400, "element 1");
    npy_case("id_uint8", MAAS_I16, h, 4, FAKE_DIMS(2), 400, "element 0, -1");
    npy_case("id_int64", MAAS_I16, h, 4, FAKE_DIMS(2), 200, "[-1,300]");
    npy_case("id_float16", MAAS_I16, h, 4, FAKE_DIMS(2), 200, "[-1.0,300.0]");
    npy_case("id_int64", MAAS_F32, f, 4, FAKE_DIMS(1), 400, "float32, but the "
             "model takes int64; convert it with astype()");
    npy_case("id_bool", MAAS_U8, f, 4, FAKE_DIMS(4), 400, "takes bool");
    npy_case("add", MAAS_F32, f, 24, FAKE_DIMS(3, 2), 200, "[5.0,6.0]");
    npy_case("add", MAAS_F32, f, 0, FAKE_DIMS(0, 2), 200, "{\"y\":[]}");
    npy_case("add", MAAS_F32, f, 24, FAKE_DIMS(2, 3), 400, "shape [2,3], but "
             "the model takes [?,2]");
}


/* Two outputs in an archive: members begin and end where they say. */
static void
test_npz(void)
{
    answer_t        a;
    maas_err_t      err;
    maas_tensor_t   t;
    maas_request_t  req = request_of("two", NULL, "application/x-npz");

    a = ask(&maas_host_libc, &req, "{\"a\":[1,2],\"b\":3}", 17, false);
    ok(a.status == 200 && memcmp(a.body, "PK\3\4", 4) == 0
       && memcmp(a.body + 30, "s.npy", 5) == 0, "npz");
    ok(maas_npy_read(a.body + 35, 128 + 8, &t, &err) != MAAS_OK
       || t.rank == 2, "its first member");
    ok(memcmp(a.body + a.len - 22, "PK\5\6", 4) == 0
       && a.body[a.len - 12] == 2, "its end counts two");
    free(a.body);
}


/* -- images -------------------------------------------------------------- */

static void
form_add(maas_buf_t *b, const char *head, const void *p, size_t n)
{
    maas_buf_printf(b, "--XX\r\nContent-Disposition: form-data; %s\r\n\r\n",
                    head);
    maas_buf_add(b, p, n);
    maas_buf_puts(b, "\r\n");
}


static void
form_ask(maas_buf_t *b, const char *model, int status, const char *part,
    const char *name)
{
    answer_t        a;
    maas_request_t  req = request_of(model, FORM, NULL);

    maas_buf_puts(b, END);
    a = ask(&maas_host_libc, &req, b->data, b->len, false);
    is_int(a.status, status, name);
    has_str(a.body, part, name);
    ok(!a.cheap, "pictures are not cheap");
    free(a.body);
    b->len = 0;
}


static void
test_form_images(void)
{
    float       f = 7;
    int64_t     one = 1;
    maas_buf_t  b, n;

    maas_buf_init(&b, &maas_host_libc);

    form_add(&b, "name=\"file\"; filename=\"a.png\"", png, sizeof(png));
    form_ask(&b, "image", 200, "{\"y\":[" PIXELS "]}", "any name");

    form_add(&b, "name=\"x\"\r\nContent-Type: image/png", png, sizeof(png));
    form_add(&b, "name=\"x\"\r\nContent-Type: application/octet-stream", png,
             sizeof(png));
    form_add(&b, "name=\"images[]\"", png, sizeof(png));
    form_ask(&b, "image", 200, "[" PIXELS "," PIXELS "," PIXELS "]",
             "a batch");

    form_add(&b, "name=\"image\"", png, sizeof(png));
    form_add(&b, "name=\"k\"", "3.5", 3);
    form_ask(&b, "pair", 200, "{\"k\":[3.5],\"pic\":[" PIXELS "]}",
             "beside another input, float16");

    form_add(&b, "name=\"k\"", png, sizeof(png));
    form_ask(&b, "pair", 415, "does not take one there", "in a wrong place");

    form_add(&b, "name=\"pic\"", "[]", 2);
    form_add(&b, "name=\"pic\"", png, sizeof(png));
    form_ask(&b, "pair", 400, "input \\\"pic\\\"", "twice");

    form_add(&b, "name=\"x\"", png, sizeof(png));
    form_add(&b, "name=\"x\"", png, 40);
    form_ask(&b, "image", 400, "image 1", "the second is cut");

    form_add(&b, "name=\"x\"", png, sizeof(png));
    form_ask(&b, "bytes", 200, "{\"y\":[[[[1,4],[7,10]],", "uint8");

    npy(&n, MAAS_F32, &f, 4, 1, &one);
    form_add(&b, "name=\"k\"; filename=\"k.npy\"\r\nContent-Type: "
             "application/octet-stream", n.data, n.len);
    form_add(&b, "name=\"pic\"", png, sizeof(png));
    form_ask(&b, "pair", 200, "\"k\":[7.0]", "an array beside an image");
    maas_buf_destroy(&n);

    for (int i = 0; i < 300; i++) {
        form_add(&b, "name=\"x\"", png, sizeof(png));
    }

    form_ask(&b, "image", 413, "more than 1000 elements", "too many images");
    maas_buf_destroy(&b);
}


/* @ stands for the picture. */
static void
json_image(const char *model, const char *format, int status,
    const char *part)
{
    answer_t        a;
    maas_buf_t      b, b64;
    maas_request_t  req = request_of(model, NULL, NULL);

    maas_buf_init(&b, &maas_host_libc);
    maas_buf_init(&b64, &maas_host_libc);
    maas_json_put_b64(&b64, (maas_str_t) { (const char *) png, sizeof(png) });

    for (const char *p = format; *p != '\0'; p++) {
        maas_buf_add(&b, *p == '@' ? b64.data : p, *p == '@' ? b64.len : 1);
    }

    a = ask(&maas_host_libc, &req, b.data, b.len, false);
    is_int(a.status, status, format);
    has_str(a.body, part, format);
    ok(!a.cheap, "pictures are not cheap");
    free(a.body);
    maas_buf_destroy(&b);
    maas_buf_destroy(&b64);
}


static void
test_json_images(void)
{
    json_image("image", "@", 200, "{\"y\":[" PIXELS "]}");
    json_image("image", "[@,@]", 200, "[" PIXELS "," PIXELS "]");
    json_image("image", "{\"x\":@}", 200, "{\"y\":[" PIXELS "]}");
    json_image("image", "{\"x\":[@, @ ]}", 200, PIXELS "," PIXELS);
    json_image("image", "{\"inputs\":@}", 200, PIXELS);
    json_image("image", "{\"inputs\":{\"x\":[@]}}", 200, PIXELS);
    json_image("image", "{\"instances\":[@,@]}", 200, PIXELS "," PIXELS);
    json_image("image", "{\"instances\":[{\"x\":@},{\"x\":@}]}", 200,
               PIXELS "," PIXELS);
    json_image("pair", "{\"k\":[1],\"pic\":@}", 200, "\"k\":[1.0],\"pic\":"
               "[" PIXELS "]");
    json_image("pair", "{\"instances\":[{\"k\":1,\"pic\":@},{\"pic\":@,\"k\":2"
               "}]}", 200, "\"k\":[1.0,2.0],\"pic\":[" PIXELS "," PIXELS);
    json_image("pair", "{\"instances\":[{\"k\":1,\"pic\":@},{\"pic\":[[[1,2],"
               "[3,4]],[[1,2],[3,4]],[[1,2],[3,4]]],\"k\":2}]}", 400,
               "1 of 2 instances are images");
    json_image("pair", "{\"instances\":[{\"pic\":@},{\"k\":2}]}", 400,
               "instance 0: missing input \\\"k\\\"");
    json_image("pair", "{\"instances\":[{\"pic\":@,\"pic\":@}]}", 400,
               "given twice");
    json_image("image", "[@,@", 400, "end of the body");
}


/* -- the readers --------------------------------------------------------- */

static void
test_multipart(void)
{
    maas_err_t        err;
    maas_buf_t        b;
    maas_part_t       part;
    maas_arena_t      a;
    maas_multipart_t  m;

    maas_arena_init(&a, &maas_host_libc, 0);
    maas_buf_init(&b, &maas_host_libc);

    form_add(&b, "name=\"a\\\"b\\\\c%22%0D%0A%41\"; filename=\"C:\\x.png\"",
             "1", 1);
    form_add(&b, "name=e", "", 0);
    form_add(&b, "name=\"q;r=s\"", "\r\n--X\r\n", 7);
    maas_buf_puts(&b, END);

    maas_multipart_init(&m, maas_str(FORM), b.data, b.len, &err);
    is_int(maas_multipart_next(&m, &a, &part, &err), MAAS_OK, "first part");
    ok(maas_str_is(part.name, "a\"b\\c\"\r\n%41"), "quotes and escapes");
    ok(maas_str_is(part.filename, "C:\\x.png"), "a backslash of Windows");
    maas_multipart_next(&m, &a, &part, &err);
    ok(maas_str_is(part.name, "e") && part.len == 0 && part.data != NULL,
       "an empty part");
    maas_multipart_next(&m, &a, &part, &err);
    ok(maas_str_is(part.name, "q;r=s") && part.len == 7, "almost a boundary");
    is_int(maas_multipart_next(&m, &a, &part, &err), MAAS_OK, "the end");
    ok(part.data == NULL, "has no part");

    maas_buf_destroy(&b);
    maas_arena_destroy(&a);
}


static void
test_multipart_limits(void)
{
    size_t            n = 0;
    maas_err_t        err;
    maas_buf_t        b;
    maas_part_t       part;
    maas_arena_t      a;
    maas_status_t     rc;
    maas_multipart_t  m;

    maas_arena_init(&a, &maas_host_libc, 0);
    maas_buf_init(&b, &maas_host_libc);

    for (int i = 0; i <= MAAS_MULTIPART_PARTS; i++) {
        form_add(&b, "name=x", "", 0);
    }

    maas_buf_puts(&b, END);
    maas_multipart_init(&m, maas_str(FORM), b.data, b.len, &err);

    do {
        rc = maas_multipart_next(&m, &a, &part, &err);
        n += rc == MAAS_OK;
    } while (rc == MAAS_OK && part.data != NULL);

    ok(rc == MAAS_ELIMIT && n == MAAS_MULTIPART_PARTS, "too many parts");

    b.len = 0;
    maas_buf_puts(&b, "--XX\r\nContent-Disposition: form-data; name=x\r\n");

    for (int i = 0; i < MAAS_MULTIPART_HEADERS; i++) {
        maas_buf_puts(&b, "A: b\r\n");
    }

    maas_buf_puts(&b, "\r\n\r\n" END);
    maas_multipart_init(&m, maas_str(FORM), b.data, b.len, &err);
    is_int(maas_multipart_next(&m, &a, &part, &err), MAAS_EINVAL, "headers");
    has_str(err.text, "more than 16 headers", "are too many");

    b.len = 0;
    maas_buf_puts(&b, "--XX\r\nA: ");

    for (int i = 0; i < 3000; i++) {
        maas_buf_puts(&b, "b");
    }

    maas_buf_puts(&b, "\r\n\r\n\r\n" END);
    maas_multipart_init(&m, maas_str(FORM), b.data, b.len, &err);
    is_int(maas_multipart_next(&m, &a, &part, &err), MAAS_EINVAL, "a header");
    has_str(err.text, "longer than 2048 bytes", "is too long");

    maas_buf_destroy(&b);
    maas_arena_destroy(&a);
}


static void
test_media(void)
{
    maas_str_t  s = maas_str("Text/CSV ; Header=\"pre\\\"sent\";q=0.5;x=");

    ok(maas_media_is(maas_media_type(s), "text/csv"), "type");
    ok(maas_str_is(maas_media_param(s, "header"), "pre\\\"sent"), "quoted");
    ok(maas_str_is(maas_media_param(s, "Q"), "0.5"), "any case");
    ok(maas_media_param(s, "x").data != NULL
       && maas_media_param(s, "x").len == 0, "empty");
    ok(maas_media_param(s, "y").data == NULL, "none");
    ok(maas_media_type(maas_str("")).len == 0, "nothing");
}


/* -- entity tags --------------------------------------------------------- */

static void
etag_case(maas_request_t *req, const char *list, const char *body, int status,
    const char *name)
{
    answer_t  a;

    req->if_none_match = (maas_str_t) { list, strlen(list) };
    a = ask(&maas_host_libc, req, body, strlen(body), true);
    ok(a.status == status && a.ran == (status == 200)
       && (status != 304 || a.len == 0) && a.etag[0] == '"', "%s", name);
    free(a.body);
}


static void
test_etag(void)
{
    char            one[64], list[200];
    answer_t        a, b;
    maas_request_t  req = request_of("add", NULL, NULL), other;

    a = ask(&maas_host_libc, &req, "[1,2]", 5, true);
    ok(a.status == 200 && strlen(a.etag) == 34, "a tag");
    strcpy(one, a.etag);
    free(a.body);

    etag_case(&req, one, "[1,2]", 304, "the same");
    etag_case(&req, "*", "[1,2]", 304, "any");
    snprintf(list, sizeof(list), "\"x\", W/%s", one);
    etag_case(&req, list, "[1,2]", 304, "in a list, weak");
    snprintf(list, sizeof(list), "\"%.10s\",\"\" , %.20s", one, one);
    etag_case(&req, list, "[1,2]", 200, "not in a list");
    etag_case(&req, one, "[1, 2]", 200, "another body");

    other = request_of("add", NULL, "text/csv");
    etag_case(&other, one, "[1,2]", 200, "another type");
    other = request_of("add?encoding=base64", NULL, NULL);
    etag_case(&other, one, "[1,2]", 200, "another encoding");
    other = request_of("add?x=1&encoding=list", NULL, "*/*");
    etag_case(&other, one, "[1,2]", 304, "what does not matter");
    other = request_of("add", "application/ld+json", NULL);
    etag_case(&other, one, "[1,2]", 200, "another type of body");
    other = request_of("add", NULL, NULL);
    other.version = maas_str("1");
    etag_case(&other, one, "[1,2]", 200, "another version");

    req.if_none_match = maas_str("");
    a = ask(&maas_host_libc, &req, "[1,", 3, true);
    ok(a.status == 400 && a.etag[0] == '\0', "an error has no tag");
    free(a.body);
    b = ask(&maas_host_libc, &req, "[1,2]", 5, false);
    ok(b.status == 200 && b.etag[0] == '\0', "off");
    free(b.body);
}


/* -- refused memory ------------------------------------------------------ */

static void
test_memory(void)
{
    int                 bad = 0, last;
    answer_t            a;
    maas_request_t      req;
    refuser_t           left;
    const maas_host_t   host = refuser_host(&left);
    const pass_case_t  *c;

    for (c = cases; c < cases + maas_nelts(cases); c++) {
        req = request_of(c->target, c->type, c->accept);
        last = 0;

        for (int k = 0; k < 100 && last != c->status; k++) {
            left = (refuser_t) { .refuse = k + 1, .rest = true };
            a = ask(&host, &req, c->body, strlen(c->body), true);
            last = a.status;
            free(a.body);

            if (left.live != 0
                || (last != 0 && last != 503 && last != c->status))
            {
                printf("# %s %.40s: allocation %d: %d, %ld blocks\n",
                       c->target, c->body, k, last, left.live);
                bad++;
            }
        }

        bad += last != c->status;
    }

    is_int(bad, 0, "refused memory: 503, no leak, no crash");
}


int
main(void)
{
    catalog = maas_catalog_create(&maas_host_libc);
    fake_fill(catalog);
    add_models();

    test_media();
    test_multipart();
    test_multipart_limits();
    test_cases();
    test_npy();
    test_npy_values();
    test_npz();
    test_form_images();
    test_json_images();
    test_etag();
    test_memory();

    maas_catalog_destroy(catalog);
    fake_free();

    return done();
}
