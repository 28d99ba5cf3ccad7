/*
 * Dialect of maas_pass: the shortest way from bytes to an answer, one model
 * at one URL.  Here are its routes and the description of the model; what
 * is asked, how bodies are read and answers written is in pass_ask.c,
 * pass_decode.c and pass_encode.c.
 *
 * Ownership: all hangs on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#include "proto/pass_stages.h"


enum {
    PASS_DESCRIBE = 0,
    PASS_RUN
};


static maas_status_t
pass_route(maas_proto_call_t *c, maas_err_t *err)
{
    c->route.need = MAAS_NEED_MODEL;

    if (maas_str_is(c->req.method, "POST")) {
        c->route.what = PASS_RUN;
        c->route.infer = true;
        return MAAS_OK;
    }

    c->route.what = PASS_DESCRIBE;

    return maas_proto_is_get(c) ? MAAS_OK
                                : maas_proto_method(c, "GET, HEAD, POST", err);
}


/* -- description --------------------------------------------------------- */

/* The names of an input's columns, which model.json may have. */
static void
pass_put_features(maas_buf_t *b, const maas_meta_t *meta)
{
    maas_str_t  s;

    maas_buf_puts(b, ",\"features\":[");

    for (uint32_t k = 0; k < meta->n_features; k++) {
        s = maas_meta_feature(meta, k);
        maas_buf_puts(b, k != 0 ? "," : "");
        maas_buf_json(b, s.data, s.len);
    }

    maas_buf_puts(b, "]");
}


/* meta: of inputs; else NULL. */
static void
pass_put_ports(maas_buf_t *b, const maas_port_t *port, size_t n,
    const maas_meta_t *meta)
{
    maas_str_t  s;

    maas_buf_puts(b, "[");

    for (size_t i = 0; i < n; i++) {
        maas_buf_puts(b, i != 0 ? ",{\"name\":" : "{\"name\":");
        maas_buf_json(b, port[i].name.data, port[i].name.len);
        maas_buf_printf(b, ",\"type\":\"%s\",\"shape\":",
                        maas_dtype_name(port[i].dtype));
        maas_buf_puts(b, port[i].rank < 0 ? "null" : "[");

        for (int d = 0; d < port[i].rank; d++) {
            s = port[i].sym[d];
            maas_buf_puts(b, d != 0 ? "," : "");

            if (port[i].dims[d] >= 0) {
                maas_buf_printf(b, "%lld", (long long) port[i].dims[d]);

            } else if (s.len != 0 && !maas_str_is(s, "?")) {
                maas_buf_json(b, s.data, s.len);

            } else {
                maas_buf_puts(b, "null");
            }
        }

        maas_buf_puts(b, port[i].rank < 0 ? "" : "]");

        if (meta != NULL && meta->n_features != 0 && meta->prep.input == i) {
            pass_put_features(b, meta);
        }

        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


static void
pass_document(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    uint8_t                    types[MAAS_PASS_TYPES];
    maas_str_t                 s;
    const maas_proto_model_t  *m = c->route.m;

    if (maas_proto_key(doc, "model")) {
        maas_buf_json(doc->b, m->name.data, m->name.len);
    }

    if (maas_proto_key(doc, "version")) {
        maas_buf_printf(doc->b, "\"%lld\"", (long long) m->version);
    }

    if (m->meta != NULL && m->meta->description.len != 0
        && maas_proto_key(doc, "description"))
    {
        s = maas_meta_str(m->meta, m->meta->description);
        maas_buf_json(doc->b, s.data, s.len);
    }

    if (maas_proto_key(doc, "accepts")) {
        maas_buf_puts(doc->b, "[");
        maas_pass_list(doc->b, types, maas_pass_accepts(m, types), true);
        maas_buf_puts(doc->b, "]");
    }

    if (maas_proto_key(doc, "answers")) {
        maas_buf_puts(doc->b, "[");
        maas_pass_list(doc->b, types, maas_pass_answers(m, types), true);
        maas_buf_puts(doc->b, "]");
    }

    if (maas_proto_key(doc, "inputs")) {
        pass_put_ports(doc->b, m->in, m->n_in, m->meta);
    }

    if (maas_proto_key(doc, "outputs")) {
        pass_put_ports(doc->b, m->out, m->n_out, NULL);
    }
}


const maas_proto_t  maas_proto_pass = {
    "pass", pass_route, maas_pass_decode, maas_pass_encode, pass_document,
    maas_proto_error, maas_pass_ask
};
