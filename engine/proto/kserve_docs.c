/*
 * Documents of the Open Inference Protocol: server, health, metadata,
 * configuration, statistics, and the index of the repository.
 *
 * Ownership: all hangs on the call.
 * Threads:   one at a time; counters are read while others write them.
 * https://github.com/kserve/open-inference-protocol
 */

#include "proto/kserve.h"


/* -- metadata ------------------------------------------------------------ */

static void
kserve_put_dims(maas_buf_t *b, const maas_port_t *port, int from)
{
    maas_buf_puts(b, "[");

    for (int d = from; d < port->rank; d++) {
        maas_buf_printf(b, "%s%lld", d != from ? "," : "", port->dims[d] < 0
                        ? -1 : (long long) port->dims[d]);
    }

    maas_buf_puts(b, port->rank < 0 ? "-1]" : "]");
}


static void
kserve_put_ports(maas_buf_t *b, const maas_port_t *port, size_t n)
{
    const char  *type;

    maas_buf_puts(b, "[");

    for (size_t i = 0; i < n; i++) {
        type = maas_dtypes[port[i].dtype].oip;

        maas_buf_puts(b, i != 0 ? ",{\"name\":" : "{\"name\":");
        maas_buf_json(b, port[i].name.data, port[i].name.len);
        maas_buf_printf(b, ",\"datatype\":\"%s\",\"shape\":",
                        type != NULL ? type : "");
        kserve_put_dims(b, &port[i], 0);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


static maas_str_t
kserve_platform(const maas_proto_model_t *m)
{
    maas_str_t  s = { NULL, 0 };

    if (m->meta != NULL) {
        s = maas_meta_str(m->meta, m->meta->platform);
    }

    return s.len != 0 ? s : maas_str("onnx");
}


static void
kserve_put_name(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    if (maas_proto_key(doc, "name")) {
        maas_buf_json(doc->b, c->route.m->name.data, c->route.m->name.len);
    }
}


static void
kserve_put_platform(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    maas_str_t  s = kserve_platform(c->route.m);

    if (maas_proto_key(doc, "platform")) {
        maas_buf_json(doc->b, s.data, s.len);
    }
}


static void
kserve_put_model(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    const maas_proto_model_t  *m = c->route.m;

    kserve_put_name(c, doc);

    if (maas_proto_key(doc, "versions")) {
        maas_buf_puts(doc->b, "[");

        for (size_t i = 0; i < c->route.n_entry; i++) {
            maas_buf_printf(doc->b, "%s\"%lld\"", i != 0 ? "," : "",
                            (long long) c->route.entry[i].version);
        }

        maas_buf_puts(doc->b, "]");
    }

    kserve_put_platform(c, doc);

    if (maas_proto_key(doc, "inputs")) {
        kserve_put_ports(doc->b, m->in, m->n_in);
    }

    if (maas_proto_key(doc, "outputs")) {
        kserve_put_ports(doc->b, m->out, m->n_out);
    }
}


/* -- configuration ------------------------------------------------------- */

/* What stands for a dtype in a model configuration: "TYPE_FP32". */
static void
kserve_put_type(maas_buf_t *b, uint8_t dtype)
{
    const char  *type = maas_dtypes[dtype].oip;

    maas_buf_printf(b, "\"data_type\":\"TYPE_%s\"", type == NULL ? "INVALID"
                    : dtype == MAAS_STRING ? "STRING" : type);
}


static void
kserve_put_port(maas_buf_t *b, const maas_port_t *port, int from)
{
    maas_buf_puts(b, "{\"name\":");
    maas_buf_json(b, port->name.data, port->name.len);
    maas_buf_puts(b, ",");
    kserve_put_type(b, port->dtype);
    maas_buf_puts(b, ",\"dims\":");
    kserve_put_dims(b, port, from);
}


/* Dimensions without that of the batch, when there is one. */
static void
kserve_put_inputs(maas_buf_t *b, const maas_proto_model_t *m, int from)
{
    bool  ragged;

    maas_buf_puts(b, "[");

    for (size_t i = 0; i < m->n_in; i++) {
        ragged = m->meta != NULL && maas_meta_pad(m->meta, i) != NULL;

        maas_buf_puts(b, i != 0 ? "," : "");
        kserve_put_port(b, &m->in[i], from);
        maas_buf_printf(b, ",\"format\":\"FORMAT_NONE\",\"is_shape_tensor\":"
                        "false,\"allow_ragged_batch\":%s,\"optional\":false}",
                        ragged ? "true" : "false");
    }

    maas_buf_puts(b, "]");
}


static void
kserve_put_outputs(maas_buf_t *b, const maas_proto_model_t *m, int from)
{
    maas_buf_puts(b, "[");

    for (size_t i = 0; i < m->n_out; i++) {
        maas_buf_puts(b, i != 0 ? "," : "");
        kserve_put_port(b, &m->out[i], from);
        maas_buf_puts(b, ",\"label_filename\":\"\",\"is_shape_tensor\":"
                      "false}");
    }

    maas_buf_puts(b, "]");
}


/*
 * The largest batch that model.json declares, for a model that takes rows;
 * 0, with whole shapes in dims, for others.
 */
static void
kserve_put_config(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    int64_t                    max = 0;
    maas_buf_t                *b = doc->b;
    const maas_proto_model_t  *m = c->route.m;

    if (m->meta != NULL && maas_proto_batches(m)) {
        max = m->meta->profile_max;
    }

    kserve_put_name(c, doc);
    kserve_put_platform(c, doc);

    if (maas_proto_key(doc, "backend")) {
        maas_buf_puts(b, "\"ngx_maas\"");
    }

    if (maas_proto_key(doc, "version_policy")) {
        maas_buf_puts(b, "{\"specific\":{\"versions\":[");

        for (size_t i = 0; i < c->route.n_entry; i++) {
            maas_buf_printf(b, "%s%lld", i != 0 ? "," : "",
                            (long long) c->route.entry[i].version);
        }

        maas_buf_puts(b, "]}}");
    }

    if (maas_proto_key(doc, "max_batch_size")) {
        maas_buf_printf(b, "%lld", (long long) max);
    }

    if (maas_proto_key(doc, "input")) {
        kserve_put_inputs(b, m, max != 0);
    }

    if (maas_proto_key(doc, "output")) {
        kserve_put_outputs(b, m, max != 0);
    }

    if (maas_proto_key(doc, "model_transaction_policy")) {
        maas_buf_puts(b, "{\"decoupled\":false}");
    }

    if (maas_proto_key(doc, "parameters")) {
        maas_buf_puts(b, "{}");
    }
}


/* -- statistics ---------------------------------------------------------- */

static void
kserve_put_stat(maas_buf_t *b, const char *before, const maas_stat_t *s)
{
    static const maas_stat_t  none;

    s = s != NULL ? s : &none;
    maas_buf_printf(b, "%s:{\"count\":%llu,\"ns\":%llu}", before,
                    (unsigned long long) s->count,
                    (unsigned long long) s->ns);
}


/* In ascending order of their sizes. */
static void
kserve_put_batches(maas_buf_t *b, const maas_stats_t *s)
{
    int       best;
    uint64_t  rows, last = 0;

    for ( ;; ) {
        best = -1;
        rows = UINT64_MAX;

        for (int i = 0; i < MAAS_STATS_BATCHES; i++) {
            if (s->batch[i].rows > last && s->batch[i].rows < rows) {
                rows = s->batch[i].rows;
                best = i;
            }
        }

        if (best < 0) {
            return;
        }

        maas_buf_printf(b, "%s{\"batch_size\":%llu", last != 0 ? "," : "",
                        (unsigned long long) rows);
        kserve_put_stat(b, ",\"compute_input\"", &s->batch[best].input);
        kserve_put_stat(b, ",\"compute_infer\"", &s->batch[best].infer);
        kserve_put_stat(b, ",\"compute_output\"", &s->batch[best].output);
        maas_buf_puts(b, "}");
        last = rows;
    }
}


static void
kserve_put_stats(maas_buf_t *b, const maas_proto_entry_t *e)
{
    const maas_stats_t  *s = e->stats;

    maas_buf_puts(b, "{\"name\":");
    maas_buf_json(b, e->name.data, e->name.len);
    maas_buf_printf(b, ",\"version\":\"%lld\",\"last_inference\":%llu,"
                    "\"inference_count\":%llu,\"execution_count\":%llu,"
                    "\"inference_stats\":{", (long long) e->version,
                    (unsigned long long) s->last_ms,
                    (unsigned long long) s->rows,
                    (unsigned long long) s->runs);
    kserve_put_stat(b, "\"success\"", &s->success);
    kserve_put_stat(b, ",\"fail\"", &s->fail);
    kserve_put_stat(b, ",\"queue\"", &s->queue);
    kserve_put_stat(b, ",\"compute_input\"", &s->input);
    kserve_put_stat(b, ",\"compute_infer\"", &s->infer);
    kserve_put_stat(b, ",\"compute_output\"", &s->output);
    kserve_put_stat(b, ",\"cache_hit\"", NULL);
    kserve_put_stat(b, ",\"cache_miss\"", NULL);
    maas_buf_puts(b, "},\"response_stats\":{},\"batch_stats\":[");
    kserve_put_batches(b, s);
    maas_buf_printf(b, "],\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,"
                    "\"byte_size\":%llu}]}", (unsigned long long) e->memory);
}


static void
kserve_put_all_stats(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    bool  first = true;

    if (!maas_proto_key(doc, "model_stats")) {
        return;
    }

    maas_buf_puts(doc->b, "[");

    for (size_t i = 0; i < c->route.n_entry; i++) {
        if (c->route.entry[i].available) {
            maas_buf_puts(doc->b, first ? "" : ",");
            kserve_put_stats(doc->b, &c->route.entry[i]);
            first = false;
        }
    }

    maas_buf_puts(doc->b, "]");
}


/* -- the server ---------------------------------------------------------- */

void
maas_kserve_index(maas_proto_call_t *c)
{
    bool                       first = true;
    maas_buf_t                *b = &c->text;
    const kserve_ctx_t        *k = c->ctx;
    const maas_proto_entry_t  *e;

    maas_buf_puts(b, "[");

    for (size_t i = 0; i < c->route.n_entry; i++) {
        e = &c->route.entry[i];

        if (k->only_ready && !e->available) {
            continue;
        }

        maas_buf_puts(b, first ? "{\"name\":" : ",{\"name\":");
        maas_buf_json(b, e->name.data, e->name.len);
        maas_buf_printf(b, ",\"version\":\"%lld\",\"state\":\"%s\"",
                        (long long) e->version,
                        e->available ? "READY" : "UNAVAILABLE");

        if (!e->available && e->reason != NULL) {
            maas_buf_puts(b, ",\"reason\":");
            maas_buf_json(b, e->reason, strlen(e->reason));
        }

        maas_buf_puts(b, "}");
        first = false;
    }

    maas_buf_puts(b, "]");
}


static void
kserve_put_server(maas_proto_doc_t *doc)
{
    if (maas_proto_key(doc, "name")) {
        maas_buf_puts(doc->b, "\"ngx_maas\"");
    }

    if (maas_proto_key(doc, "version")) {
        maas_buf_puts(doc->b, "\"" MAAS_VERSION "\"");
    }

    if (maas_proto_key(doc, "extensions")) {
        maas_buf_puts(doc->b, "[\"classification\",\"binary_tensor_data\","
                      "\"parameters\",\"statistics\","
                      "\"model_configuration\"]");
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
kserve_put_flag(maas_proto_doc_t *doc, const char *key, bool value)
{
    if (maas_proto_key(doc, key)) {
        maas_buf_puts(doc->b, value ? "true" : "false");
    }
}


void
maas_kserve_document(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    bool  ready;

    switch (c->route.what) {

    case KSERVE_LIVE:
        kserve_put_flag(doc, "live", true);
        return;

    case KSERVE_READY:
        ready = kserve_all_ready(&c->route);
        c->http = ready ? 0 : 503;
        kserve_put_flag(doc, "ready", ready);
        return;

    case KSERVE_MODEL:
        kserve_put_model(c, doc);
        return;

    case KSERVE_MODEL_READY:
        kserve_put_name(c, doc);
        kserve_put_flag(doc, "ready", true);
        return;

    case KSERVE_CONFIG:
        kserve_put_config(c, doc);
        return;

    case KSERVE_STATS:
        kserve_put_all_stats(c, doc);
        return;
    }

    kserve_put_server(doc);
}
