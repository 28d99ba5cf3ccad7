/*
 * Dialect: TensorFlow Serving's REST interface: predict in row and column
 * form, status, metadata; with it the readiness routes of KServe V1, which
 * share its paths (a shared answer carries the keys of both).  Words of a
 * path, but for names, are not case-sensitive.  tfserving_examples.c has
 * :classify and :regress.
 *
 * Ownership: all hangs on the call.
 * Threads:   a call belongs to one thread at a time.
 * https://www.tensorflow.org/tfx/serving/api_rest
 */

#include <stdio.h>
#include <strings.h>

#include "proto/tfserving.h"


#define TFS_SIGNATURE  "serving_default"


/* -- routes -------------------------------------------------------------- */

static maas_status_t
tfs_unknown(const maas_proto_call_t *c, maas_err_t *err)
{
    return maas_err(err, MAAS_ENOENT, "no route \"%.*s\" in TensorFlow "
                    "Serving's REST: expected "
                    "models/NAME[/versions/N|/labels/L][:predict|:classify|"
                    ":regress|/metadata]",
                    (int) maas_min(c->req.path.len, 128), c->req.path.data);
}


/* As above, and what was meant. */
static maas_status_t
tfs_unknown_but(const maas_proto_call_t *c, const char *meant,
    maas_err_t *err)
{
    (void) tfs_unknown(c, err);
    (void) maas_err_suffix(err, meant);

    return MAAS_ENOENT;
}


static bool
tfs_is(maas_str_t s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}


/* Cuts ":verb" off; verb->data NULL: there is none. */
static void
tfs_verb(maas_str_t *path, maas_str_t *verb)
{
    const char  *colon;

    colon = path->len != 0 ? memchr(path->data, ':', path->len) : NULL;

    if (colon == NULL) {
        *verb = (maas_str_t) { NULL, 0 };
        return;
    }

    verb->data = colon + 1;
    verb->len = (size_t) (path->data + path->len - verb->data);
    path->len = (size_t) (colon - path->data);
}


static bool
tfs_is_number(maas_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }
    }

    return s.len != 0;
}


static maas_status_t
tfs_route_verb(maas_proto_call_t *c, maas_str_t verb, maas_err_t *err)
{
    static const struct {
        const char  *name;
        uint8_t      what;
    } verbs[] = {
        { "predict", TFS_PREDICT },
        { "classify", TFS_CLASSIFY },
        { "regress", TFS_REGRESS }
    };

    for (size_t i = 0; i < maas_nelts(verbs); i++) {
        if (tfs_is(verb, verbs[i].name)) {
            c->route.what = verbs[i].what;
            c->route.need = MAAS_NEED_MODEL;
            c->route.infer = true;
            return maas_str_is(c->req.method, "POST")
                   ? MAAS_OK : maas_proto_method(c, "POST", err);
        }
    }

    if (tfs_is(verb, "explain")) {
        return maas_err(err, MAAS_EUNSUPPORTED, "\":%.*s\" is not supported; "
                        "use :predict", (int) verb.len, verb.data);
    }

    return tfs_unknown(c, err);
}


/* models/M[...]/word: the words of other dialects. */
static maas_status_t
tfs_unknown_word(const maas_proto_call_t *c, maas_str_t s, maas_err_t *err)
{
    if (maas_str_is(c->req.method, "POST") && !tfs_is(s, "metadata")) {
        return tfs_unknown_but(c, "an inference is POST models/NAME:predict",
                               err);
    }

    return tfs_unknown(c, err);
}


/* The status of a model: who posts to it has an inference in mind. */
static maas_status_t
tfs_status(maas_proto_call_t *c, maas_err_t *err)
{
    maas_str_t     path = c->req.path;
    maas_status_t  rc;

    if (maas_proto_is_get(c)) {
        return MAAS_OK;
    }

    rc = maas_proto_method(c, "GET, HEAD", err);

    if (maas_str_is(c->req.method, "POST") && c->route.what == TFS_STATUS) {
        path.len -= path.data[path.len - 1] == '/';
        rc = maas_err(err, rc, "method POST is not allowed here; use GET, "
                      "HEAD, or infer with POST %.*s:predict",
                      (int) maas_min(path.len, 256), path.data);
    }

    return rc;
}


/* Behind models/: M[/versions/N | /labels/L][/metadata] */
static maas_status_t
tfs_route_model(maas_proto_call_t *c, maas_str_t path, maas_err_t *err)
{
    maas_str_t           s, verb;
    maas_proto_route_t  *r = &c->route;

    tfs_verb(&path, &verb);

    r->model = maas_proto_segment(&path);
    r->what = TFS_STATUS;
    r->need = MAAS_NEED_NAME;
    s = maas_proto_segment(&path);

    if (tfs_is(s, "versions") || tfs_is(s, "labels")) {
        r->version = maas_proto_segment(&path);

        if (r->version.len == 0) {
            return tfs_unknown(c, err);
        }

        if (tfs_is_number(r->version) != tfs_is(s, "versions")) {
            return tfs_unknown_but(c, "a number goes behind versions/, "
                                   "a label behind labels/", err);
        }

        s = maas_proto_segment(&path);
    }

    if (path.len != 0 || r->model.len == 0) {
        return tfs_unknown(c, err);
    }

    if (verb.data != NULL) {
        return s.len == 0 ? tfs_route_verb(c, verb, err)
                          : tfs_unknown(c, err);
    }

    if (tfs_is(s, "metadata")) {
        r->what = TFS_METADATA;
        r->need = MAAS_NEED_MODEL;

    } else if (s.len != 0) {
        return tfs_unknown_word(c, s, err);
    }

    return tfs_status(c, err);
}


static maas_status_t
tfs_route(maas_proto_call_t *c, maas_err_t *err)
{
    maas_str_t  s, path = c->req.path;

    s = maas_proto_segment(&path);

    if (tfs_is(s, "v1")) {
        s = maas_proto_segment(&path);
    }

    if (!tfs_is(s, "models")) {
        return tfs_unknown(c, err);
    }

    if (path.len > 1) {
        return tfs_route_model(c, path, err);
    }

    c->route.what = TFS_MODELS;
    c->route.need = MAAS_NEED_LIST;

    return maas_proto_is_get(c) ? MAAS_OK
                                : maas_proto_method(c, "GET, HEAD", err);
}


/* -- documents ----------------------------------------------------------- */

static void
tfs_put_models(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    bool                       first = true;
    const maas_proto_entry_t  *e = c->route.entry;

    if (!maas_proto_key(doc, "models")) {
        return;
    }

    maas_buf_puts(doc->b, "[");

    /* Versions of a name stand together. */
    for (size_t i = 0; i < c->route.n_entry; i++) {

        if (i != 0 && maas_str_eq(e[i].name, e[i - 1].name)) {
            continue;
        }

        maas_buf_puts(doc->b, first ? "" : ",");
        maas_buf_json(doc->b, e[i].name.data, e[i].name.len);
        first = false;
    }

    maas_buf_puts(doc->b, "]");
}


static void
tfs_put_state(maas_buf_t *b, const maas_proto_entry_t *e)
{
    maas_buf_printf(b, "{\"version\":\"%lld\",\"state\":\"%s\",\"status\":{"
                    "\"error_code\":\"%s\",\"error_message\":",
                    (long long) e->version,
                    e->available ? "AVAILABLE" : "END",
                    e->available ? "OK" : "UNAVAILABLE");

    if (e->available || e->reason == NULL) {
        maas_buf_puts(b, "\"\"}}");
        return;
    }

    maas_buf_json(b, e->reason, strlen(e->reason));
    maas_buf_puts(b, "}}");
}


static void
tfs_put_status(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    bool                       ready = false;
    const maas_proto_entry_t  *e = c->route.entry;

    if (maas_proto_key(doc, "model_version_status")) {
        maas_buf_puts(doc->b, "[");

        /* The newest first, as clients have seen it. */
        for (size_t i = c->route.n_entry; i-- > 0; /* void */ ) {
            tfs_put_state(doc->b, &e[i]);
            maas_buf_puts(doc->b, i != 0 ? "," : "");
        }

        maas_buf_puts(doc->b, "]");
    }

    for (size_t i = 0; i < c->route.n_entry; i++) {
        ready |= e[i].available;
    }

    if (maas_proto_key(doc, "name")) {
        maas_buf_json(doc->b, c->route.model.data, c->route.model.len);
    }

    if (maas_proto_key(doc, "ready")) {
        maas_buf_puts(doc->b, ready ? "true" : "false");
    }
}


static void
tfs_put_ports(maas_buf_t *b, const maas_port_t *port, size_t n)
{
    const char  *type;

    maas_buf_puts(b, "{");

    for (size_t i = 0; i < n; i++) {
        type = maas_dtypes[port[i].dtype].tfs;

        maas_buf_puts(b, i != 0 ? "," : "");
        maas_buf_json(b, port[i].name.data, port[i].name.len);
        maas_buf_printf(b, ":{\"dtype\":\"%s\",\"tensor_shape\":{\"dim\":[",
                        type != NULL ? type : "DT_INVALID");

        for (int d = 0; d < port[i].rank; d++) {
            maas_buf_printf(b, "%s{\"size\":\"%lld\",\"name\":\"\"}",
                            d != 0 ? "," : "", port[i].dims[d] < 0
                            ? -1 : (long long) port[i].dims[d]);
        }

        maas_buf_printf(b, "],\"unknown_rank\":%s},\"name\":",
                        port[i].rank < 0 ? "true" : "false");
        maas_buf_json(b, port[i].name.data, port[i].name.len);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "}");
}


static void
tfs_put_metadata(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    const maas_proto_model_t  *m = c->route.m;

    if (maas_proto_key(doc, "model_spec")) {
        maas_buf_puts(doc->b, "{\"name\":");
        maas_buf_json(doc->b, m->name.data, m->name.len);
        maas_buf_printf(doc->b, ",\"signature_name\":\"\",\"version\":"
                        "\"%lld\"}", (long long) m->version);
    }

    if (!maas_proto_key(doc, "metadata")) {
        return;
    }

    maas_buf_puts(doc->b, "{\"signature_def\":{\"signature_def\":{\""
                  TFS_SIGNATURE "\":{\"inputs\":");
    tfs_put_ports(doc->b, m->in, m->n_in);
    maas_buf_puts(doc->b, ",\"outputs\":");
    tfs_put_ports(doc->b, m->out, m->n_out);
    maas_buf_puts(doc->b, ",\"method_name\":"
                  "\"tensorflow/serving/predict\"}}}}");
}


static void
tfs_document(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
    switch (c->route.what) {

    case TFS_MODELS:
        tfs_put_models(c, doc);
        break;

    case TFS_STATUS:
        tfs_put_status(c, doc);
        break;

    default:
        tfs_put_metadata(c, doc);
    }
}


/* -- decode -------------------------------------------------------------- */

maas_status_t
maas_tfs_signature(maas_proto_call_t *c, maas_json_t *j)
{
    maas_str_t  s;

    MAAS_TRY(maas_json_string(j, c->arena, &s));

    if (s.len != 0 && !maas_str_is(s, TFS_SIGNATURE)) {
        return maas_json_fail(j, "no signature \"%.*s\"; there is \""
                              TFS_SIGNATURE "\"", (int) maas_min(s.len, 64),
                              s.data);
    }

    return MAAS_OK;
}


/* "instances" or "inputs" into the tensors; other keys are stepped over. */
static maas_status_t
tfs_key(maas_proto_call_t *c, maas_json_t *j, maas_str_t key, bool *given)
{
    bool        rows;
    tfs_ctx_t  *k = c->ctx;

    if (maas_str_is(key, "signature_name")) {
        return maas_tfs_signature(c, j);
    }

    rows = maas_str_is(key, "instances");

    if (!rows && !maas_str_is(key, "inputs")) {
        return maas_json_skip(j);
    }

    if (*given) {
        return maas_err(j->err, MAAS_EINVAL, "more than one of \"instances\" "
                        "and \"inputs\"");
    }

    *given = true;
    k->rows = rows;

    return rows ? maas_proto_json_rows(c, j, j->err)
                : maas_proto_json_columns(c, j, false, j->err);
}


static maas_status_t
tfs_decode(maas_proto_call_t *c, maas_err_t *err)
{
    bool         first = true, given = false;
    maas_str_t   key;
    tfs_ctx_t   *k;
    maas_json_t  j;

    k = maas_arena_alloc(c->arena, sizeof(tfs_ctx_t));
    if (k == NULL) {
        return maas_err_nomem(err);
    }

    c->ctx = k;

    if (c->route.what != TFS_PREDICT) {
        return maas_tfs_decode_examples(c, err);
    }

    maas_json_init(&j, c->body, c->body_len, err);

    for ( ;; ) {
        MAAS_TRY(maas_json_key(&j, c->arena, &first, &key));

        if (key.data == NULL) {
            break;
        }

        MAAS_TRY(tfs_key(c, &j, key, &given));
    }

    MAAS_TRY(maas_json_end(&j));

    if (!given) {
        return maas_err(err, MAAS_EINVAL,
                        "the request lacks \"instances\" or \"inputs\"; "
                        "expected {\"instances\": [...]}, a list of samples, "
                        "or {\"inputs\": ...}, whole tensors");
    }

    MAAS_TRY(maas_proto_complete(c, err));

    for (size_t i = 1; k->rows && i < c->route.m->n_in; i++) {
        if (c->in[i].rank == 0 || c->in[0].rank == 0
            || c->in[i].dims[0] != c->in[0].dims[0])
        {
            return maas_err(err, MAAS_EINVAL, "the inputs differ in the "
                            "number of instances");
        }
    }

    return MAAS_OK;
}


/* -- encode -------------------------------------------------------------- */

static bool
tfs_is_bytes(const maas_port_t *port)
{
    return port->dtype == MAAS_STRING && !maas_kind_is_list(port->kind)
           && port->name.len >= 6
           && memcmp(port->name.data + port->name.len - 6, "_bytes", 6) == 0;
}


/* Nested {"b64": ...}. */
static void
tfs_put_bytes(maas_buf_t *b, const maas_tensor_t *t, int from, int64_t first)
{
    int64_t  inner = 1;

    if (from >= t->rank) {
        maas_json_put_b64(b, maas_tensor_str(t, first));
        return;
    }

    for (int d = from + 1; d < t->rank; d++) {
        inner *= t->dims[d];
    }

    maas_buf_puts(b, "[");

    for (int64_t i = 0; i < t->dims[from]; i++) {
        maas_buf_puts(b, i != 0 ? "," : "");
        tfs_put_bytes(b, t, from + 1, first + i * inner);
    }

    maas_buf_puts(b, "]");
}


/* Output i from dimension `from` on; row: which of dimension 0. */
static void
tfs_put_output(maas_proto_call_t *c, size_t i, int from, int64_t row)
{
    int64_t               inner = 1;
    const maas_tensor_t  *t = &c->out[i];

    for (int d = from; from != 0 && d < t->rank; d++) {
        inner *= t->dims[d];
    }

    if (maas_proto_is_map(c, i)) {

        if (from != 0) {
            maas_json_put_map(&c->text, t, &c->keys[i], row,
                              MAAS_JSON_TOKENS);
            return;
        }

        maas_buf_puts(&c->text, "[");

        for (int64_t r = 0; r < t->dims[0]; r++) {
            maas_buf_puts(&c->text, r != 0 ? "," : "");
            maas_json_put_map(&c->text, t, &c->keys[i], r, MAAS_JSON_TOKENS);
        }

        maas_buf_puts(&c->text, "]");
        return;
    }

    if (tfs_is_bytes(&c->route.m->out[i])) {
        tfs_put_bytes(&c->text, t, from, row * inner);
        return;
    }

    maas_json_put_nested(&c->text, t, from, row * inner, MAAS_JSON_TOKENS);
}


/* The single output, or an object of all. */
static void
tfs_put_outputs(maas_proto_call_t *c, int from, int64_t row)
{
    const maas_proto_model_t  *m = c->route.m;

    if (m->n_out == 1) {
        tfs_put_output(c, 0, from, row);
        return;
    }

    maas_buf_puts(&c->text, "{");

    for (size_t i = 0; i < m->n_out; i++) {
        maas_buf_puts(&c->text, i != 0 ? "," : "");
        maas_buf_json(&c->text, m->out[i].name.data, m->out[i].name.len);
        maas_buf_puts(&c->text, ":");
        tfs_put_output(c, i, from, row);
    }

    maas_buf_puts(&c->text, "}");
}


static maas_status_t
tfs_encode(maas_proto_call_t *c, maas_err_t *err)
{
    int64_t                    n;
    const tfs_ctx_t           *k = c->ctx;
    const maas_proto_model_t  *m = c->route.m;

    if (c->route.what != TFS_PREDICT) {
        return maas_tfs_encode_results(c, err);
    }

    c->type = maas_str("application/json");

    if (!k->rows) {
        maas_buf_puts(&c->text, "{\"outputs\":");
        tfs_put_outputs(c, 0, 0);
        maas_buf_puts(&c->text, "}");
        return MAAS_OK;
    }

    n = c->in[0].rank != 0 ? c->in[0].dims[0] : 1;

    for (size_t i = 0; i < m->n_out; i++) {
        if (c->out[i].rank == 0 || c->out[i].dims[0] != n
            || maas_kind_is_list(m->out[i].kind))
        {
            return maas_err(err, MAAS_EINVAL,
                            "output \"%.*s\" has no dimension 0 of %lld "
                            "instances; use the column form (\"inputs\")",
                            (int) maas_min(m->out[i].name.len, 64),
                            m->out[i].name.data, (long long) n);
        }
    }

    maas_buf_puts(&c->text, "{\"predictions\":[");

    for (int64_t row = 0; row < n; row++) {
        maas_buf_puts(&c->text, row != 0 ? "," : "");
        tfs_put_outputs(c, 1, row);
    }

    maas_buf_puts(&c->text, "]}");

    return MAAS_OK;
}


const maas_proto_t  maas_proto_tfserving = {
    "tfserving", tfs_route, tfs_decode, tfs_encode, tfs_document,
    maas_proto_error
};
