/*
 * Dialect: Open Inference Protocol, version 2, over HTTP: routes and
 * answers, with the extensions for binary tensors and classification;
 * kserve_decode.c reads the requests, kserve_docs.c writes the documents.
 *
 * Ownership: all hangs on the call; binary outputs are parts that point at
 *            the result.
 * Threads:   a call belongs to one thread at a time.
 * https://github.com/kserve/open-inference-protocol
 */

#include "proto/kserve.h"


/* -- routes -------------------------------------------------------------- */

static maas_status_t
kserve_unknown(const maas_proto_call_t *c, maas_err_t *err)
{
    return maas_err(err, MAAS_ENOENT, "no route \"%.*s\" in the Open "
                    "Inference Protocol: expected health/live, health/ready, "
                    "models/NAME[/versions/V][/infer|/ready|/config|/stats], "
                    "models/stats or repository/index",
                    (int) maas_min(c->req.path.len, 128), c->req.path.data);
}


/* A path that another habit leads to: the words, or NULL. */
static const char *
kserve_meant(const maas_proto_call_t *c, maas_str_t s)
{
    static const char *const  verbs[] = {
        "predict", "classify", "regress", "infer", "inference", "infers",
        "explain", "generate"
    };

    if (maas_str_is(c->req.method, "POST")) {
        for (size_t i = 0; i < maas_nelts(verbs); i++) {
            if (maas_str_is(s, verbs[i])) {
                return "an inference is POST models/NAME[/versions/V]/infer";
            }
        }
    }

    return maas_str_is(s, "version") || maas_str_is(s, "labels")
               ? "a version or a label goes behind versions/"
           : maas_str_is(s, "metadata")
               ? "the metadata are GET models/NAME[/versions/V]"
           : maas_str_is(s, "models")
               ? "the list of the models is POST repository/index" : NULL;
}


/* An unknown route, of which s is the segment that nobody knows. */
static maas_status_t
kserve_unknown_word(const maas_proto_call_t *c, maas_str_t s, maas_err_t *err)
{
    const char  *meant = kserve_meant(c, s);

    (void) kserve_unknown(c, err);

    if (meant != NULL) {
        (void) maas_err_suffix(err, meant);
    }

    return MAAS_ENOENT;
}


static maas_status_t
kserve_get(maas_proto_call_t *c, uint8_t what, uint8_t need, maas_err_t *err)
{
    c->route.what = what;
    c->route.need = need;

    return maas_proto_is_get(c) ? MAAS_OK
                                : maas_proto_method(c, "GET, HEAD", err);
}


static maas_status_t
kserve_post(maas_proto_call_t *c, uint8_t what, uint8_t need, maas_err_t *err)
{
    c->route.what = what;
    c->route.need = need;
    c->route.infer = what == KSERVE_INFER;
    c->route.body = what == KSERVE_INDEX;

    return maas_str_is(c->req.method, "POST")
           ? MAAS_OK : maas_proto_method(c, "POST", err);
}


/* models/M[/versions/V]: who posts to it has an inference in mind. */
static maas_status_t
kserve_metadata(maas_proto_call_t *c, maas_err_t *err)
{
    maas_str_t     path = c->req.path;
    maas_status_t  rc;

    rc = kserve_get(c, KSERVE_MODEL, MAAS_NEED_MODEL, err);

    if (rc != MAAS_OK && maas_str_is(c->req.method, "POST")) {
        path.len -= path.len != 0 && path.data[path.len - 1] == '/';
        rc = maas_err(err, rc, "method POST is not allowed here; use GET, "
                      "HEAD, or infer with POST %.*s/infer",
                      (int) maas_min(path.len, 256), path.data);
    }

    return rc;
}


/* "M[/versions/V]:verb" is another dialect's: the model is M all the same. */
static maas_status_t
kserve_route_verb(maas_proto_call_t *c, maas_str_t path, const char *colon,
    maas_err_t *err)
{
    maas_str_t  verb;

    verb.data = colon + 1;
    verb.len = (size_t) (path.data + path.len - verb.data);
    path.len = (size_t) (colon - path.data);

    c->route.model = maas_proto_segment(&path);

    return kserve_unknown_word(c, verb, err);
}


/* Behind models/: stats | M[/versions/V][/ready|/config|/stats|/infer] */
static maas_status_t
kserve_route_model(maas_proto_call_t *c, maas_str_t path, maas_err_t *err)
{
    maas_str_t           s;
    const char          *colon;
    maas_proto_route_t  *r = &c->route;

    colon = path.len != 0 ? memchr(path.data, ':', path.len) : NULL;

    if (colon != NULL) {
        return kserve_route_verb(c, path, colon, err);
    }

    s = maas_proto_segment(&path);

    if (maas_str_is(s, "stats") && path.len == 0) {
        return kserve_get(c, KSERVE_STATS, MAAS_NEED_LIST, err);
    }

    if (s.len == 0) {
        return kserve_unknown_word(c, maas_str("models"), err);
    }

    r->model = s;
    s = maas_proto_segment(&path);

    if (maas_str_is(s, "versions")) {
        r->version = maas_proto_segment(&path);

        if (r->version.len == 0) {
            return kserve_unknown(c, err);
        }

        s = maas_proto_segment(&path);
    }

    if (path.len != 0) {
        return kserve_unknown_word(c, s, err);
    }

    return maas_str_is(s, "infer")
               ? kserve_post(c, KSERVE_INFER, MAAS_NEED_MODEL, err)
           : s.len == 0
               ? kserve_metadata(c, err)
           : maas_str_is(s, "ready")
               ? kserve_get(c, KSERVE_MODEL_READY, MAAS_NEED_MODEL, err)
           : maas_str_is(s, "config")
               ? kserve_get(c, KSERVE_CONFIG, MAAS_NEED_MODEL, err)
           : maas_str_is(s, "stats")
               ? kserve_get(c, KSERVE_STATS, MAAS_NEED_NAME, err)
           : kserve_unknown_word(c, s, err);
}


/* Behind repository/: index | models/M/(load|unload) */
static maas_status_t
kserve_route_repository(maas_proto_call_t *c, maas_str_t path,
    maas_err_t *err)
{
    maas_str_t  s = maas_proto_segment(&path);

    if (maas_str_is(s, "index") && path.len == 0) {
        return kserve_post(c, KSERVE_INDEX, MAAS_NEED_LIST, err);
    }

    if (maas_str_is(s, "models")) {
        (void) maas_proto_segment(&path);
        s = maas_proto_segment(&path);

        if (path.len == 0
            && (maas_str_is(s, "load") || maas_str_is(s, "unload")))
        {
            return maas_err(err, MAAS_EFORBIDDEN, "this location only reads: "
                            "models come and go by nginx's configuration");
        }
    }

    return kserve_unknown(c, err);
}


static maas_status_t
kserve_route(maas_proto_call_t *c, maas_err_t *err)
{
    maas_str_t  s, path = c->req.path;

    s = maas_proto_segment(&path);

    if (maas_str_is(s, "v2")) {
        s = maas_proto_segment(&path);
    }

    if (maas_str_is(s, "models")) {
        return kserve_route_model(c, path, err);
    }

    if (maas_str_is(s, "repository")) {
        return kserve_route_repository(c, path, err);
    }

    if (maas_str_is(s, "health")) {
        s = maas_proto_segment(&path);

        return path.len != 0 ? kserve_unknown(c, err)
               : maas_str_is(s, "live")
                   ? kserve_get(c, KSERVE_LIVE, MAAS_NEED_LIST, err)
               : maas_str_is(s, "ready")
                   ? kserve_get(c, KSERVE_READY, MAAS_NEED_LIST, err)
               : kserve_unknown(c, err);
    }

    return s.len == 0 && path.len == 0
           ? kserve_get(c, KSERVE_SERVER, MAAS_NEED_NOTHING, err)
           : kserve_unknown(c, err);
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


/* Floats with six decimals, as clients of the extension know them. */
static void
kserve_put_score(maas_buf_t *b, const maas_tensor_t *t, int64_t i,
    double score)
{
    if (maas_dtypes[t->dtype].is_float) {
        maas_buf_printf(b, "%f", score);

    } else {
        maas_json_put_elements(b, t, i, 1, MAAS_JSON_NULL);
    }
}


/* "score:index[:label]" of the best of one row; end[i]: where they end. */
static void
kserve_put_row(maas_proto_call_t *c, size_t i, maas_buf_t *b, int64_t first,
    int64_t n, maas_proto_class_t *k, int64_t top, uint32_t *end)
{
    bool                  softmax;
    char                  text[MAAS_CLASS_TEXT];
    maas_str_t            label;
    const maas_meta_t    *meta = c->route.m->meta;
    const maas_tensor_t  *t = &c->out[i];

    softmax = meta != NULL && meta->meaning == MAAS_MEANS_CLASSES
              && meta->output == i && meta->softmax;
    maas_proto_classes(t, first, n, softmax, k, top);

    for (int64_t p = 0; p < top; p++) {
        kserve_put_score(b, t, first + k[p].index, k[p].score);
        maas_buf_printf(b, ":%lld", (long long) k[p].index);
        label = maas_proto_class_label(c, i, k[p].index, text);

        if (label.data != NULL) {
            maas_buf_add(b, ":", 1);
            maas_buf_add(b, label.data, label.len);
        }

        end[p] = (uint32_t) b->len;
    }
}


/* Offsets in front of the text, as a tensor of the call. */
static maas_status_t
kserve_strings(maas_proto_call_t *c, const maas_buf_t *text, int64_t n,
    const uint32_t *end, maas_tensor_t *t, maas_err_t *err)
{
    size_t     bytes;
    uint32_t  *off;

    if (text->failed) {
        return maas_err_nomem(err);
    }

    if (!maas_string_bytes(n, text->len, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "the classes are too many");
    }

    off = maas_proto_alloc(c, bytes, err);
    if (off == NULL) {
        return MAAS_ENOMEM;
    }

    off[0] = 0;

    if (n != 0) {
        memcpy(off + 1, end, (size_t) n * sizeof(uint32_t));
        memcpy(off + n + 1, text->data, text->len);
    }

    t->data = off;
    t->bytes = bytes;

    return MAAS_OK;
}


/*
 * The classes of output i as strings: [rows, k], or [k] of a model that does
 * not take rows.
 */
static maas_status_t
kserve_classify(maas_proto_call_t *c, size_t i, int64_t count,
    maas_tensor_t *t, maas_err_t *err)
{
    int64_t               n, top, all, rows = 1;
    uint32_t             *end;
    maas_buf_t            text;
    maas_status_t         rc;
    maas_proto_class_t   *k;
    const maas_tensor_t  *out = &c->out[i];

    memset(t, 0, sizeof(*t));
    t->dtype = MAAS_STRING;
    all = maas_tensor_count(out);

    if (maas_proto_batches(c->route.m) && out->rank != 0) {
        rows = out->dims[0];
        t->dims[t->rank++] = rows;
    }

    n = rows != 0 ? all / rows : 0;
    top = maas_min(n, count);
    t->dims[t->rank++] = top;

    k = maas_proto_alloc(c, (size_t) top * sizeof(maas_proto_class_t), err);
    if (k == NULL) {
        return MAAS_ENOMEM;
    }

    end = maas_proto_alloc(c, (size_t) (rows * top) * sizeof(uint32_t), err);
    if (end == NULL) {
        return MAAS_ENOMEM;
    }

    maas_buf_init(&text, c->host);

    for (int64_t row = 0; row < rows; row++) {
        kserve_put_row(c, i, &text, row * n, n, k, top, end + row * top);
    }

    rc = kserve_strings(c, &text, rows * top, end, t, err);
    maas_buf_destroy(&text);

    return rc;
}


static maas_status_t
kserve_put_output(maas_proto_call_t *c, const kserve_want_t *w,
    maas_err_t *err)
{
    bool                  map;
    size_t                len = 0;
    maas_buf_t           *b = &c->text;
    maas_tensor_t         classes;
    const maas_port_t    *port = &c->route.m->out[w->index];
    const maas_tensor_t  *t = &c->out[w->index];

    map = w->classes == 0 && maas_proto_is_map(c, w->index);

    if (w->classes != 0) {
        MAAS_TRY(kserve_classify(c, w->index, w->classes, &classes, err));
        t = &classes;
    }

    maas_buf_puts(b, "{\"name\":");
    maas_buf_json(b, port->name.data, port->name.len);
    maas_buf_puts(b, ",\"datatype\":\"");
    maas_buf_puts(b, maas_dtypes[t->dtype].oip);
    maas_buf_puts(b, "\",\"shape\":[");

    for (int d = 0; d < t->rank; d++) {
        maas_buf_puts(b, d != 0 ? "," : "");
        maas_json_put_int(b, t->dims[d]);
    }

    maas_buf_puts(b, "]");

    if (map || w->binary) {
        maas_buf_puts(b, ",\"parameters\":{");

        if (map) {
            kserve_put_keys(c, &c->keys[w->index]);
        }

        if (w->binary) {
            MAAS_TRY(maas_proto_raw_part(c, t, &len, err));
            maas_buf_printf(b, "%s\"binary_data_size\":%zu", map ? "," : "",
                            len);
        }

        maas_buf_puts(b, "}");
    }

    if (!w->binary) {
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
    maas_buf_puts(b, ",\"model_version\":\"");
    maas_json_put_int(b, c->route.m->version);
    maas_buf_puts(b, "\"");

    if (k->id_given) {
        maas_buf_puts(b, ",\"id\":");
        maas_buf_json(b, k->id.data, k->id.len);
    }

    maas_buf_puts(b, ",\"outputs\":[");
}


static maas_status_t
kserve_encode(maas_proto_call_t *c, maas_err_t *err)
{
    bool                 any = false;
    const kserve_ctx_t  *k = c->ctx;

    c->type = maas_str("application/json");

    if (c->route.what == KSERVE_INDEX) {
        maas_kserve_index(c);
        return MAAS_OK;
    }

    kserve_put_head(c);

    for (size_t i = 0; i < k->n_want; i++) {
        maas_buf_puts(&c->text, i != 0 ? "," : "");
        MAAS_TRY(kserve_put_output(c, &k->want[i], err));
        any |= k->want[i].binary;
    }

    maas_buf_puts(&c->text, "]}");

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
    maas_kserve_document, maas_proto_error
};
