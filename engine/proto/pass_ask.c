/*
 * What a request to maas_pass asks for: the query arguments, the type of the
 * answer by Accept, the type of the body.  All of it is known before the
 * body is read, and what is wrong is said then.
 *
 * Ownership: the answer lies in the call's arena.
 * Threads:   a call belongs to one thread at a time.
 */

#include <stdio.h>

#include "proto/pass_stages.h"


const char *const  maas_pass_types[MAAS_PASS_TYPES] = {
    "application/json", "application/octet-stream", "application/x-npy",
    "application/x-npz", "text/csv", "multipart/form-data", "image/jpeg",
    "image/png"
};


size_t
maas_pass_accepts(const maas_proto_model_t *m, uint8_t out[MAAS_PASS_TYPES])
{
    size_t  n = 0;

    out[n++] = MAAS_PASS_JSON;

    if (m->n_in == 1) {
        out[n++] = MAAS_PASS_RAW;

        if (maas_proto_takes_image(m, 0)) {
            out[n++] = MAAS_PASS_JPEG;
            out[n++] = MAAS_PASS_PNG;
        }

        if (m->in[0].dtype != MAAS_STRING) {
            out[n++] = MAAS_PASS_NPY;
        }
    }

    if (maas_pass_takes_csv(m)) {
        out[n++] = MAAS_PASS_CSV;
    }

    out[n++] = MAAS_PASS_FORM;

    return n;
}


size_t
maas_pass_answers(const maas_proto_model_t *m, uint8_t out[MAAS_PASS_TYPES])
{
    bool    strings = false;
    size_t  n = 0;

    out[n++] = MAAS_PASS_JSON;

    for (size_t i = 0; i < m->n_out; i++) {
        strings = strings || m->out[i].dtype == MAAS_STRING;

        if (maas_kind_is_list(m->out[i].kind)) {
            return n;
        }
    }

    if (m->n_out == 1) {
        out[n++] = MAAS_PASS_RAW;
    }

    if (m->n_out == 1 && !strings) {
        out[n++] = MAAS_PASS_NPY;
    }

    if (!strings) {
        out[n++] = MAAS_PASS_NPZ;
    }

    out[n++] = MAAS_PASS_CSV;

    return n;
}


void
maas_pass_list(maas_buf_t *b, const uint8_t *types, size_t n, bool quoted)
{
    for (size_t i = 0; i < n; i++) {
        maas_buf_puts(b, i == 0 ? "" : quoted ? "," : ", ");
        maas_buf_puts(b, quoted ? "\"" : "");
        maas_buf_puts(b, maas_pass_types[types[i]]);
        maas_buf_puts(b, quoted ? "\"" : "");
    }
}


/* -- query --------------------------------------------------------------- */

static int
ask_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/* %XX and "+" in a value; a copy where it has any. */
static bool
ask_unescape(maas_arena_t *a, maas_str_t *s)
{
    char    *p;
    size_t   n = 0;

    if (memchr(s->data, '%', s->len) == NULL
        && memchr(s->data, '+', s->len) == NULL)
    {
        return true;
    }

    p = maas_arena_alloc(a, s->len + 1);
    if (p == NULL) {
        return false;
    }

    for (size_t i = 0; i < s->len; i++) {
        p[n] = s->data[i] == '+' ? ' ' : s->data[i];

        if (s->data[i] == '%' && i + 2 < s->len
            && ask_hex(s->data[i + 1]) >= 0 && ask_hex(s->data[i + 2]) >= 0)
        {
            p[n] = (char) (ask_hex(s->data[i + 1]) * 16
                           + ask_hex(s->data[i + 2]));
            i += 2;
        }

        n++;
    }

    *s = (maas_str_t) { p, n };
    return true;
}


static maas_status_t
ask_top(maas_proto_call_t *c, maas_str_t v, maas_err_t *err)
{
    uint64_t                   n = 0;
    maas_pass_ask_t           *ask = c->ctx;
    const maas_proto_model_t  *m = c->route.m;

    if (ask->has_top) {
        return maas_err(err, MAAS_EINVAL, "the argument \"top\" is given "
                        "twice");
    }

    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] < '0' || v.data[i] > '9' || v.len > 9) {
            v.len = 0;
        } else {
            n = n * 10 + (uint64_t) (v.data[i] - '0');
        }
    }

    if (v.len == 0) {
        return maas_err(err, MAAS_EINVAL, "the argument \"top\" must be a "
                        "number of classes, 0 for all, for example top=3");
    }

    if (m->meta == NULL || m->meta->meaning != MAAS_MEANS_CLASSES) {
        return maas_err(err, MAAS_EINVAL, "the argument \"top\" goes with a "
                        "model whose output means classes; this one's does "
                        "not (model.json: output.meaning)");
    }

    ask->has_top = true;
    ask->top = (uint32_t) n;

    return MAAS_OK;
}


static maas_status_t
ask_arg(maas_proto_call_t *c, maas_str_t name, maas_str_t v, bool *encoding,
    maas_err_t *err)
{
    maas_pass_ask_t  *ask = c->ctx;

    if (!maas_str_is(name, "top") && !maas_str_is(name, "encoding")) {
        return MAAS_OK;
    }

    if (!ask_unescape(c->arena, &v)) {
        return maas_err_nomem(err);
    }

    if (maas_str_is(name, "top")) {
        return ask_top(c, v, err);
    }

    ask->base64 = maas_str_is(v, "base64");

    if (*encoding || (!ask->base64 && !maas_str_is(v, "list"))) {
        return maas_err(err, MAAS_EINVAL, "the argument \"encoding\" is %s; "
                        "it may be \"list\" or \"base64\"", *encoding
                        ? "given twice" : "none that is known");
    }

    *encoding = true;
    return MAAS_OK;
}


static maas_status_t
ask_query(maas_proto_call_t *c, maas_err_t *err)
{
    bool         encoding = false;
    maas_str_t   rest = c->req.args, name, value;
    const char  *p;

    while (rest.len != 0) {
        p = memchr(rest.data, '&', rest.len);
        name = (maas_str_t) { rest.data, p == NULL ? rest.len
                                         : (size_t) (p - rest.data) };
        rest.data += maas_min(name.len + 1, rest.len);
        rest.len -= maas_min(name.len + 1, rest.len);

        p = name.len != 0 ? memchr(name.data, '=', name.len) : NULL;
        value = (maas_str_t) { "", 0 };

        if (p != NULL) {
            value.data = p + 1;
            value.len = name.len - (size_t) (p + 1 - name.data);
            name.len = (size_t) (p - name.data);
        }

        MAAS_TRY(ask_arg(c, name, value, &encoding, err));
    }

    return MAAS_OK;
}


/* -- types --------------------------------------------------------------- */

/* The text of the list goes into the error, which has room for it. */
static maas_status_t
ask_refuse(maas_proto_call_t *c, maas_status_t rc, int http,
    const char *header, maas_str_t value, const char *what,
    const uint8_t *types, size_t n, maas_err_t *err)
{
    maas_buf_t  b;

    maas_buf_init(&b, c->host);
    maas_pass_list(&b, types, n, false);

    if (b.failed) {
        maas_buf_destroy(&b);
        return maas_err_nomem(err);
    }

    c->http = http;

    if (value.len == 0) {
        maas_err(err, rc, "%s %s %.*s", header, what, (int) b.len, b.data);

    } else {
        maas_err(err, rc, "%s \"%.*s\" %s %.*s", header,
                 (int) maas_min(value.len, 64), value.data, what, (int) b.len,
                 b.data);
    }

    maas_buf_destroy(&b);

    return rc;
}


static maas_status_t
ask_answer(maas_proto_call_t *c, maas_err_t *err)
{
    int               best;
    size_t            n;
    uint8_t           types[MAAS_PASS_TYPES];
    maas_str_t        range;
    const char       *names[MAAS_PASS_TYPES];
    maas_pass_ask_t  *ask = c->ctx;

    n = maas_pass_answers(c->route.m, types);

    for (size_t i = 0; i < n; i++) {
        names[i] = maas_pass_types[types[i]];
    }

    best = maas_negotiate(c->req.accept, names, n, &range);

    if (best < 0) {
        return ask_refuse(c, MAAS_EINVAL, 406, "Accept", c->req.accept,
                          "allows none of what this model answers with:",
                          types, n, err);
    }

    ask->out = types[best];
    ask->csv_header = !maas_media_is(maas_media_param(range, "header"),
                                     "absent");

    return MAAS_OK;
}


bool
maas_pass_is_json(maas_str_t type, const char *p, size_t len)
{
    size_t  i = 0;

    if (maas_media_is(type, "application/json")
        || maas_media_is(type, "text/json")
        || (type.len > 5
            && maas_media_is((maas_str_t) { type.data + type.len - 5, 5 },
                             "+json")))
    {
        return true;
    }

    /* What `curl -d` sends, and what sends no type. */
    if (type.len != 0
        && !maas_media_is(type, "application/x-www-form-urlencoded"))
    {
        return false;
    }

    while (i < len && strchr(" \t\r\n", p[i]) != NULL && p[i] != '\0') {
        i++;
    }

    return i < len && (p[i] == '{' || p[i] == '[');
}


maas_status_t
maas_pass_refuse_body(maas_proto_call_t *c, maas_err_t *err)
{
    uint8_t      types[MAAS_PASS_TYPES];
    size_t       n = maas_pass_accepts(c->route.m, types);
    maas_str_t   type = maas_media_type(c->req.content_type);
    const char  *what = "is not accepted; this model takes";

    if (type.len == 0) {
        what = "is not given, and the body does not begin as JSON does; this "
               "model takes";

    } else if (maas_media_is(type, "application/x-www-form-urlencoded")) {
        what = "is not accepted, and the body does not begin as JSON does "
               "(with curl, --data-binary and -H \"Content-Type: ...\" send a "
               "file); this model takes";
    }

    return ask_refuse(c, MAAS_EMEDIA, 0, "Content-Type", type, what, types, n,
                      err);
}


static maas_status_t
ask_body(maas_proto_call_t *c, maas_err_t *err)
{
    size_t      n;
    uint8_t     types[MAAS_PASS_TYPES];
    maas_str_t  type = maas_media_type(c->req.content_type);

    /* Its bytes tell. */
    if (type.len == 0
        || maas_media_is(type, "application/x-www-form-urlencoded")
        || maas_pass_is_json(type, NULL, 0))
    {
        return MAAS_OK;
    }

    n = maas_pass_accepts(c->route.m, types);

    for (size_t i = 0; i < n; i++) {
        if (maas_media_is(type, maas_pass_types[types[i]])
            || (types[i] == MAAS_PASS_JPEG
                && maas_media_is(type, "image/jpg")))
        {
            return MAAS_OK;
        }
    }

    return maas_pass_refuse_body(c, err);
}


maas_status_t
maas_pass_ask(maas_proto_call_t *c, maas_err_t *err)
{
    char              variant[64];
    maas_pass_ask_t  *ask;

    ask = maas_arena_alloc(c->arena, sizeof(maas_pass_ask_t));
    if (ask == NULL) {
        return maas_err_nomem(err);
    }

    c->ctx = ask;

    MAAS_TRY(ask_query(c, err));
    MAAS_TRY(ask_answer(c, err));
    MAAS_TRY(ask_body(c, err));

    snprintf(variant, sizeof(variant), "%u %u %u %u %u", ask->out,
             ask->csv_header, ask->base64, ask->has_top, ask->top);

    c->variant = maas_arena_str(c->arena, variant, strlen(variant));

    return c->variant.data != NULL ? MAAS_OK : maas_err_nomem(err);
}
