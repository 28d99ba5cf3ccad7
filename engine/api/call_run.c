/*
 * A request: body -> tensors -> run -> reply.
 *
 * Ownership: the reply points into the call: its text, its tensors, its run.
 * Threads:   one at a time; decode and run may be on a team thread.
 */

#define _GNU_SOURCE

#include <stdio.h>

#include "api/call.h"
#include "media/image.h"


/* Larger bodies, and images, are decoded on a team thread. */
#define CALL_CHEAP  (16 * 1024)


void
maas_call_body(maas_call_t *call, void *data, size_t len)
{
    call->c.body = data;
    call->c.body_len = len;
    call->body_ns = maas_now_ns();
}


/*
 * A few bytes of a picture may be many pixels, so none is decoded by the
 * event loop: neither a body that is one, nor one in a form, nor one in
 * JSON, where the key "b64" might be hidden by escapes.
 */
bool
maas_call_decode_cheap(const maas_call_t *call)
{
    size_t                     n = call->c.body_len;
    const char                *p = call->c.body;
    const maas_proto_model_t  *m = call->c.route.m;

    if (n > CALL_CHEAP) {
        return false;
    }

    if (n == 0 || m == NULL || m->meta == NULL
        || m->meta->prep.kind != MAAS_PREP_IMAGE)
    {
        return true;
    }

    return maas_image_sniff(p, n) == NULL && memchr(p, '\\', n) == NULL
           && memmem(p, n, "b64", 3) == NULL
           && memmem(p, n, "\r\n\r\n", 4) == NULL;
}


static maas_status_t
call_decode(maas_call_t *call)
{
    size_t              n = call->c.route.m->n_in;
    maas_proto_call_t  *c = &call->c;

    c->in = maas_arena_array(c->arena, n + 1, sizeof(maas_tensor_t));
    if (c->in == NULL) {
        return maas_err_nomem(&call->err);
    }

    MAAS_TRY(call->proto->decode(c, &call->err));

    for (size_t i = 0; i < n; i++) {
        MAAS_TRY(maas_model_check_input(call->model, i, &c->in[i],
                                        &call->err));
    }

    return MAAS_OK;
}


maas_status_t
maas_call_decode(maas_call_t *call)
{
    maas_status_t  rc;

    if (call->err.status != MAAS_OK) {
        return call->err.status;
    }

    if (call->proto == NULL || (call->model == NULL && !call->c.route.body)) {
        return maas_call_set_error(call, MAAS_EINTERNAL, 0,
                                   "decode without a route");
    }

    call->c.http = 0;
    call->decode_ns = maas_now_ns();

    rc = call->api->etag && call->model != NULL ? maas_call_make_etag(call)
                                                : MAAS_OK;

    if (rc == MAAS_OK && !call->unchanged) {
        rc = call->model == NULL ? call->proto->decode(&call->c, &call->err)
                                 : call_decode(call);
        call->decoded = rc == MAAS_OK;
    }

    call->input_ns = maas_now_ns() - call->decode_ns;

    return maas_call_set_error(call, rc, rc != MAAS_OK ? call->c.http : 0,
                               call->err.text);
}


uint64_t
maas_call_cost(maas_call_t *call)
{
    if (!call->decoded || call->model == NULL) {
        return UINT64_MAX;
    }

    return maas_model_cost(call->model, call->c.in);
}


/* Text of our own bugs names nodes and paths; clients may not see these. */
static maas_status_t
call_run_failed(maas_call_t *call, maas_status_t rc)
{
    const char  *text = call->err.text;

    if (!call->api->detail && (rc == MAAS_EINTERNAL || rc == MAAS_EIO)) {
        call->cause = maas_arena_str(&call->arena, text, strlen(text)).data;
        text = "internal error while the model ran";

    } else if (!call->api->detail && strncmp(text, "node '", 6) == 0) {
        text = "the model cannot compute from inputs of these shapes and "
               "values";
    }

    return maas_call_set_error(call, rc, 0, text);
}


maas_status_t
maas_call_run(maas_call_t *call, maas_team_t *team)
{
    size_t          n;
    maas_status_t   rc;
    maas_tensor_t  *out, *keys;

    if (call->err.status != MAAS_OK || call->unchanged) {
        return call->err.status;
    }

    if (!call->decoded || call->model == NULL) {
        return maas_call_set_error(call, MAAS_EINTERNAL, 0,
                                   "run without inputs");
    }

    n = call->c.route.m->n_out;
    out = maas_arena_array(&call->arena, n + 1, sizeof(maas_tensor_t));
    keys = maas_arena_array(&call->arena, n + 1, sizeof(maas_tensor_t));

    if (out == NULL || keys == NULL) {
        return maas_call_set_error(call, MAAS_ENOMEM, 0, "out of memory");
    }

    call->run_ns = maas_now_ns();
    rc = maas_model_run(call->model, call->c.in, team, &call->cancel,
                        &call->run, &call->err);
    call->compute_ns = maas_now_ns() - call->run_ns;

    if (rc != MAAS_OK) {
        call->run = NULL;
        return call_run_failed(call, rc);
    }

    call->ran = true;
    call->batch = 1;

    for (size_t i = 0; i < n; i++) {
        maas_run_output(call->run, i, &out[i], &keys[i]);

        /* No dialect shall take a list for numbers. */
        if (out[i].format == MAAS_FMT_ITEMS) {
            out[i].dtype = MAAS_NODTYPE;
        }
    }

    call->c.out = out;
    call->c.keys = keys;
    call->err.status = MAAS_OK;

    return MAAS_OK;
}


/* -- reply --------------------------------------------------------------- */

static void
call_add_part(maas_reply_t *r, maas_str_t part)
{
    if (part.len != 0) {
        r->part[r->n_parts++] = part;
        r->length += part.len;
    }
}


/* Text and parts as they are; more parts than fit become one. */
static bool
call_parts(maas_call_t *call)
{
    maas_reply_t       *r = &call->reply;
    maas_proto_call_t  *c = &call->c;

    r->n_parts = 0;
    r->length = 0;

    if (c->n_part >= MAAS_REPLY_PARTS) {

        for (size_t i = 0; i < c->n_part; i++) {
            maas_buf_add(&c->text, c->part[i].data, c->part[i].len);
        }

        c->n_part = 0;
    }

    if (c->text.failed) {
        return false;
    }

    call_add_part(r, (maas_str_t) { c->text.data, c->text.len });

    for (size_t i = 0; i < c->n_part; i++) {
        call_add_part(r, c->part[i]);
    }

    return true;
}


static void
call_text_reset(maas_proto_call_t *c)
{
    c->text.len = 0;
    c->text.failed = false;
    c->n_part = 0;
    c->n_header = 0;
}


static void
call_reply_error(maas_call_t *call)
{
    maas_reply_t             *r = &call->reply;
    maas_proto_call_t        *c = &call->c;
    static const maas_str_t   nomem = maas_str("{\"error\":"
                                               "\"out of memory\"}");

    call_text_reset(c);

    r->status = call->http != 0 ? call->http
                                : maas_status_http(call->err.status);
    r->content_type = maas_str("application/json");
    r->n_headers = 0;

    if (call->err.status == MAAS_EMETHOD && c->route.allow != NULL) {
        r->header[r->n_headers++] = (maas_header_t) {
            maas_str("Allow"), { c->route.allow, strlen(c->route.allow) }
        };
    }

    if (call->err.status == MAAS_EMEDIA && maas_call_encoded(call)) {
        r->header[r->n_headers++] = (maas_header_t) {
            maas_str("Accept-Encoding"), maas_str("identity")
        };
    }

    if (call->proto != NULL) {
        call->proto->error(&c->text, r->status, call->err.text);

    } else {
        maas_proto_error(&c->text, r->status, call->err.text);
    }

    if (!call_parts(call)) {
        r->n_parts = 0;
        r->length = 0;
        call_add_part(r, nomem);
    }
}


/* The keys of every dialect that knows the route, in one object. */
static maas_status_t
call_documents(maas_call_t *call)
{
    maas_proto_call_t  *c = &call->c;
    maas_proto_doc_t    doc;

    memset(&doc, 0, sizeof(doc));
    doc.b = &c->text;
    maas_buf_puts(doc.b, "{");

    for (size_t i = 0; i < call->n_route; i++) {
        c->route = call->route[i];
        c->route.proto->document(c, &doc);
    }

    maas_buf_puts(doc.b, "}");
    c->type = maas_str("application/json");

    return MAAS_OK;
}


static maas_status_t
call_encode(maas_call_t *call)
{
    maas_reply_t       *r = &call->reply;
    maas_proto_call_t  *c = &call->c;

    call_text_reset(c);
    c->http = 0;

    if (call->n_route != 0) {
        MAAS_TRY(call_documents(call));

    } else if (call->unchanged) {
        c->http = 304;
        c->type = (maas_str_t) { "", 0 };

    } else if (call->ran || (call->decoded && c->route.body)) {
        MAAS_TRY(call->proto->encode(c, &call->err));

    } else {
        return maas_err(&call->err, MAAS_EINTERNAL, "nothing to answer");
    }

    if (!call_parts(call)) {
        return maas_err_nomem(&call->err);
    }

    if (call->etag[0] != '\0'
        && (!maas_proto_header(c, maas_str("ETag"), "%s", call->etag)
            || !maas_proto_header(c, maas_str("Vary"), "Accept")))
    {
        return maas_err_nomem(&call->err);
    }

    r->status = c->http != 0 ? c->http : 200;
    r->content_type = c->type;
    r->n_headers = c->n_header;
    memcpy(r->header, c->header, sizeof(r->header));

    return MAAS_OK;
}


/* Nothing of the reply lies in the run: others may have its memory. */
static void
call_give_back(maas_call_t *call)
{
    if (call->run != NULL && call->c.n_part == 0) {
        maas_run_release(call->run);
        call->run = NULL;
        call->c.out = NULL;
        call->c.keys = NULL;
        call->given = true;
    }
}


const maas_reply_t *
maas_call_encode(maas_call_t *call)
{
    uint64_t       start = maas_now_ns();
    maas_status_t  rc;

    /* Asked again: what it was made of may be given back. */
    if (call->given) {
        return &call->reply;
    }

    if (call->err.status == MAAS_OK) {
        rc = call_encode(call);

        if (rc == MAAS_OK) {
            maas_call_count(call, start);
            call_give_back(call);
            return &call->reply;
        }

        maas_call_set_error(call, rc, call->c.http, call->err.text);
    }

    call_reply_error(call);
    maas_call_count_failed(call);

    return &call->reply;
}


size_t
maas_error_body(const maas_api_t *api, int http, const char *text, char *out,
    size_t size)
{
    size_t       n;
    maas_buf_t   b;
    void       (*error)(maas_buf_t *, int, const char *) = maas_proto_error;

    for (size_t i = 0; api != NULL && api->n_dialects != 0
                       && maas_registry_protos[i] != NULL; i++)
    {
        if (strcmp(maas_registry_protos[i]->name, api->dialects[0]) == 0) {
            error = maas_registry_protos[i]->error;
        }
    }

    maas_buf_init(&b, &maas_host_libc);
    error(&b, http, text);

    n = b.failed ? 0 : b.len;

    if (n != 0) {
        memcpy(out, b.data, maas_min(n, size));
    }

    maas_buf_destroy(&b);
    return n;
}
