/*
 * Dialect: Open Inference Protocol, version 2, over HTTP: routes, documents
 * and answers, with the binary tensor extension; kserve_decode.c reads the
 * requests.
 *
 * Ownership: all hangs on the call; binary outputs are parts that point at
 *            the result.
 * Threads:   a call belongs to one thread at a time.
 * https://github.com/kserve/open-inference-protocol
 */

#include "proto/kserve.h"


enum {
    KSERVE_SERVER = 0,
    KSERVE_LIVE,
    KSERVE_READY,
    KSERVE_MODEL,
    KSERVE_MODEL_READY,
    KSERVE_INFER
};


/* -- routes -------------------------------------------------------------- */

static maas_status_t
kserve_unknown(const maas_proto_call_t *c, maas_err_t *err)
{
    return maas_err(err, MAAS_ENOENT, "no route \"%.*s\" in the Open "
                    "Inference Protocol",
                    (int) maas_min(c->req.path.len, 128), c->req.path.data);
}


/* Behind models/: M[/versions/V][/ready|/infer] */
static maas_status_t
kserve_route_model(maas_proto_call_t *c, maas_str_t path, maas_err_t *err)
{
    maas_str_t           s;
    maas_proto_route_t  *r = &c->route;

    r->model = maas_proto_segment(&path);
    r->need = MAAS_NEED_MODEL;
    s = maas_proto_segment(&path);

    if (maas_str_is(s, "versions")) {
        r->version = maas_proto_segment(&path);

        if (r->version.len == 0) {
            return kserve_unknown(c, err);
        }

        s = maas_proto_segment(&path);
    }

    if (r->model.len == 0 || path.len != 0) {
        return kserve_unknown(c, err);
    }

    if (maas_str_is(s, "infer")) {
        r->what = KSERVE_INFER;
        r->infer = true;
        return maas_str_is(c->req.method, "POST")
               ? MAAS_OK : maas_proto_method(c, "POST", err);
    }

    if (s.len == 0) {
        r->what = KSERVE_MODEL;

    } else if (maas_str_is(s, "ready")) {
        r->what = KSERVE_MODEL_READY;

    } else {
        return kserve_unknown(c, err);
    }

    return maas_proto_is_get(c) ? MAAS_OK
                                : maas_proto_method(c, "GET, HEAD", err);
}


static maas_status_t
kserve_route(maas_proto_call_t *c, maas_err_t *err)
{
    maas_str_t           s, path = c->req.path;
    maas_proto_route_t  *r = &c->route;

    s = maas_proto_segment(&path);

    if (maas_str_is(s, "v2")) {
        s = maas_proto_segment(&path);
    }

    if (maas_str_is(s, "models")) {
        return kserve_route_model(c, path, err);
    }

    if (maas_str_is(s, "health")) {
        s = maas_proto_segment(&path);
        r->what = maas_str_is(s, "live") ? KSERVE_LIVE : KSERVE_READY;
        r->need = MAAS_NEED_LIST;

        if (r->what == KSERVE_READY && !maas_str_is(s, "ready")) {
            return kserve_unknown(c, err);
        }

    } else if (s.len == 0) {
        r->what = KSERVE_SERVER;

    } else {
        return kserve_unknown(c, err);
    }

    if (path.len != 0) {
        return kserve_unknown(c, err);
    }

    return maas_proto_is_get(c) ? MAAS_OK
                                : maas_proto_method(c, "GET, HEAD", err);
}


/* -- documents ----------------------------------------------------------- */

static void
kserve_put_ports(maas_buf_t *b, const maas_port_t *port, size_t n)
{
    const char  *type;

    maas_buf_puts(b, "[");

    for (size_t i = 0; i < n; i++) {
        type = maas_dtypes[port[i].dtype].oip;

        maas_buf_puts(b, i != 0 ? ",{\"name\":" : "{\"name\":");
        maas_buf_json(b, port[i].name.data, port[i].name.len);
        maas_buf_printf(b, ",\"datatype\":\"%s\",\"shape\":[",
                        type != NULL ? type : "");

        for (int d = 0; d < port[i].rank; d++) {
            maas_buf_printf(b, "%s%lld", d != 0 ? "," : "", port[i].dims[d] < 0
                            ? -1 : (long long) port[i].dims[d]);
        }

        maas_buf_puts(b, port[i].rank < 0 ? "-1]}" : "]}");
    }

    maas_buf_puts(b, "]");
}


static void
kserve_put_model(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    maas_str_t                 s;
    const maas_proto_model_t  *m = c->route.m;

    if (maas_proto_key(doc, "name")) {
        maas_buf_json(doc->b, m->name.data, m->name.len);
    }

    if (maas_proto_key(doc, "versions")) {
        maas_buf_puts(doc->b, "[");

        for (size_t i = 0; i < c->route.n_entry; i++) {
            maas_buf_printf(doc->b, "%s\"%lld\"", i != 0 ? "," : "",
                            (long long) c->route.entry[i].version);
        }

        maas_buf_puts(doc->b, "]");
    }

    if (maas_proto_key(doc, "platform")) {
        s = m->meta != NULL ? maas_meta_str(m->meta, m->meta->platform)
                            : (maas_str_t) { NULL, 0 };
        s = s.len != 0 ? s : maas_str("onnx");
        maas_buf_json(doc->b, s.data, s.len);
    }

    if (maas_proto_key(doc, "inputs")) {
        kserve_put_ports(doc->b, m->in, m->n_in);
    }

    if (maas_proto_key(doc, "outputs")) {
        kserve_put_ports(doc->b, m->out, m->n_out);
    }
}


/* Ready: every name has a version that answers. */
static bool
kserve_all_ready(const maas_proto_route_t *r)
{
    bool  ready;

    for (size_t i = 0; i < r->n_entry; i++) {
        ready = false;

        for (size_t k = 0; k < r->n_entry && !ready; k++) {
            ready = r->entry[k].available
                    && maas_str_eq(r->entry[k].name, r->entry[i].name);
        }

        if (!ready) {
            return false;
        }
    }

    return true;
}


static void
kserve_document(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    bool  ready;

    switch (c->route.what) {

    case KSERVE_LIVE:
        if (maas_proto_key(doc, "live")) {
            maas_buf_puts(doc->b, "true");
        }

        return;

    case KSERVE_READY:
        ready = kserve_all_ready(&c->route);
        c->http = ready ? 0 : 503;

        if (maas_proto_key(doc, "ready")) {
            maas_buf_puts(doc->b, ready ? "true" : "false");
        }

        return;

    case KSERVE_MODEL:
        kserve_put_model(c, doc);
        return;

    case KSERVE_MODEL_READY:
        if (maas_proto_key(doc, "name")) {
            maas_buf_json(doc->b, c->route.m->name.data,
                          c->route.m->name.len);
        }

        if (maas_proto_key(doc, "ready")) {
            maas_buf_puts(doc->b, "true");
        }

        return;
    }

    if (maas_proto_key(doc, "name")) {
        maas_buf_puts(doc->b, "\"ngx_maas\"");
    }

    if (maas_proto_key(doc, "version")) {
        maas_buf_puts(doc->b, "\"" MAAS_VERSION "\"");
    }

    if (maas_proto_key(doc, "extensions")) {
        maas_buf_puts(doc->b, "[\"binary_tensor_data\"]");
    }
}


/* -- encode -------------------------------------------------------------- */

/* Keys of a map as a parameter: "[\"a\",\"b\"]" */
static void
kserve_put_keys(maas_proto_call_t *c, const maas_tensor_t *keys)
{
    maas_buf_t  b;

    maas_buf_init(&b, c->host);
    maas_json_put_nested(&b, keys, 0, 0, MAAS_JSON_NULL);
    maas_buf_puts(&c->text, "\"map_keys\":");

    if (b.failed) {
        c->text.failed = true;

    } else {
        maas_buf_json(&c->text, b.data, b.len);
    }

    maas_buf_destroy(&b);
}


static maas_status_t
kserve_put_output(maas_proto_call_t *c, size_t i, bool binary,
    maas_err_t *err)
{
    size_t                len = 0;
    maas_buf_t           *b = &c->text;
    const maas_port_t    *port = &c->route.m->out[i];
    const maas_tensor_t  *t = &c->out[i];
    const bool            map = maas_proto_is_map(c, i);

    if (!binary && (t->dtype == MAAS_F16 || t->dtype == MAAS_BF16)) {
        return maas_err(err, MAAS_EINVAL,
                        "output \"%.*s\": %s has no JSON form; request it "
                        "with the parameter binary_data",
                        (int) maas_min(port->name.len, 64), port->name.data,
                        maas_dtypes[t->dtype].oip);
    }

    maas_buf_puts(b, "{\"name\":");
    maas_buf_json(b, port->name.data, port->name.len);
    maas_buf_printf(b, ",\"datatype\":\"%s\",\"shape\":[",
                    maas_dtypes[t->dtype].oip);

    for (int d = 0; d < t->rank; d++) {
        maas_buf_printf(b, "%s%lld", d != 0 ? "," : "",
                        (long long) t->dims[d]);
    }

    maas_buf_puts(b, "]");

    if (map || binary) {
        maas_buf_puts(b, ",\"parameters\":{");

        if (map) {
            kserve_put_keys(c, &c->keys[i]);
        }

        if (binary) {
            MAAS_TRY(maas_proto_raw_part(c, i, &len, err));
            maas_buf_printf(b, "%s\"binary_data_size\":%zu", map ? "," : "",
                            len);
        }

        maas_buf_puts(b, "}");
    }

    if (!binary) {
        maas_buf_puts(b, ",\"data\":[");
        maas_json_put_elements(b, t, 0, maas_tensor_count(t), MAAS_JSON_NULL);
        maas_buf_puts(b, "]");
    }

    maas_buf_puts(b, "}");

    return MAAS_OK;
}


static void
kserve_put_head(maas_proto_call_t *c)
{
    maas_buf_t          *b = &c->text;
    const kserve_ctx_t  *k = c->ctx;

    maas_buf_puts(b, "{\"model_name\":");
    maas_buf_json(b, c->route.m->name.data, c->route.m->name.len);
    maas_buf_printf(b, ",\"model_version\":\"%lld\"",
                    (long long) c->route.m->version);

    if (k->id_given) {
        maas_buf_puts(b, ",\"id\":");
        maas_buf_json(b, k->id.data, k->id.len);
    }

    maas_buf_puts(b, ",\"outputs\":[");
}


static maas_status_t
kserve_encode(maas_proto_call_t *c, maas_err_t *err)
{
    bool                 binary, any = false;
    size_t               n;
    const kserve_ctx_t  *k = c->ctx;

    kserve_put_head(c);

    n = k->given ? k->n : c->route.m->n_out;

    for (size_t i = 0; i < n; i++) {
        binary = k->given && k->binary[i] >= 0 ? k->binary[i] : k->binary_all;
        any |= binary;

        if (i != 0) {
            maas_buf_puts(&c->text, ",");
        }

        MAAS_TRY(kserve_put_output(c, k->given ? k->index[i] : i, binary,
                                   err));
    }

    maas_buf_puts(&c->text, "]}");

    c->type = maas_str("application/json");

    if (any) {
        c->type = maas_str("application/octet-stream");

        if (!maas_proto_header(c, maas_str("Inference-Header-Content-Length"),
                               "%zu", c->text.len))
        {
            return maas_err_nomem(err);
        }
    }

    return MAAS_OK;
}


const maas_proto_t  maas_proto_kserve = {
    "kserve", kserve_route, maas_kserve_decode, kserve_encode,
    kserve_document, maas_proto_error
};
