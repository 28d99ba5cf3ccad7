/*
 * Dialect of maas_pass: the shortest way from bytes to an answer.  In: JSON
 * (a value for a single input, or an object keyed by input name), the raw
 * bytes of a single input, an image where the model says how to prepare
 * one.  Out: classes with labels, or text, where the model says that its
 * output means that, else nested lists; raw bytes if the client accepts these.
 *
 * Ownership: all hangs on the call; raw inputs point into the body, raw
 *            outputs at the result.
 * Threads:   a call belongs to one thread at a time.
 */

#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "media/image.h"
#include "proto/ctc.h"
#include "proto/proto.h"


enum {
    PASS_DESCRIBE = 0,
    PASS_RUN
};

#define PASS_PIXELS  ((uint64_t) 64 * 1024 * 1024)


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

static void
pass_put_ports(maas_buf_t *b, const maas_port_t *port, size_t n)
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

        maas_buf_puts(b, port[i].rank < 0 ? "}" : "]}");
    }

    maas_buf_puts(b, "]");
}


static bool
pass_takes_image(const maas_proto_model_t *m)
{
    return m->meta != NULL && m->meta->prep.kind == MAAS_PREP_IMAGE
           && m->n_in == 1;
}


static void
pass_document(maas_proto_call_t *c, maas_proto_doc_t *doc)
{
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
        maas_buf_printf(doc->b, "[\"application/json\"%s%s]", m->n_in == 1
                        ? ",\"application/octet-stream\"" : "",
                        pass_takes_image(m)
                        ? ",\"image/jpeg\",\"image/png\"" : "");
    }

    if (maas_proto_key(doc, "inputs")) {
        pass_put_ports(doc->b, m->in, m->n_in);
    }

    if (maas_proto_key(doc, "outputs")) {
        pass_put_ports(doc->b, m->out, m->n_out);
    }
}


/* -- decode -------------------------------------------------------------- */

/* {"inputs": ...}, {"instances": [...]} or {"name": ...} */
static maas_status_t
pass_object(maas_proto_call_t *c, maas_json_t *j, maas_err_t *err)
{
    bool                       first = true, wrapped = false;
    size_t                     n = 0;
    maas_str_t                 key;
    const maas_proto_model_t  *m = c->route.m;

    for ( ;; n++) {
        MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

        if (key.data == NULL) {
            return MAAS_OK;
        }

        if (wrapped) {
            return maas_json_fail(j, "\"%.*s\" beside \"inputs\" or "
                                  "\"instances\"",
                                  (int) maas_min(key.len, 64), key.data);
        }

        if (n == 0 && maas_proto_port(m->in, m->n_in, key) < 0) {

            if (maas_str_is(key, "inputs")) {
                wrapped = true;
                MAAS_TRY(maas_proto_json_columns(c, j, true, err));
                continue;
            }

            if (maas_str_is(key, "instances")) {
                wrapped = true;
                MAAS_TRY(maas_proto_json_rows(c, j, err));
                continue;
            }
        }

        MAAS_TRY(maas_proto_json_named(c, j, key, true, err));
    }
}


static maas_status_t
pass_json(maas_proto_call_t *c, maas_err_t *err)
{
    maas_json_t  j;

    maas_json_init(&j, c->body, c->body_len, err);

    MAAS_TRY(maas_json_peek(&j) == '{'
             ? pass_object(c, &j, err)
             : maas_proto_json_only(c, &j, true, err));
    MAAS_TRY(maas_json_end(&j));

    return maas_proto_complete(c, err);
}


/* Prepared as float32 or uint8; 16-bit floats are converted behind that. */
static maas_status_t
pass_image(maas_proto_call_t *c, maas_err_t *err)
{
    int                  rank;
    size_t               bytes;
    int64_t              n, dims[MAAS_RANK_MAX];
    uint8_t              dtype;
    uint16_t            *half;
    maas_tensor_t        t = { 0 };
    maas_image_size_t    size;
    const maas_prep_t   *prep = &c->route.m->meta->prep;

    MAAS_TRY(maas_image_size(c->body, c->body_len, PASS_PIXELS, &size, err));
    MAAS_TRY(maas_image_dims(prep, &size, dims, &rank, err));
    MAAS_TRY(maas_proto_shape(c, 0, dims, rank, err));

    dtype = c->route.m->in[0].dtype;
    n = maas_dims_count(dims, rank);
    t.dtype = dtype == MAAS_U8 ? MAAS_U8 : MAAS_F32;
    t.rank = (uint8_t) rank;
    memcpy(t.dims, dims, (size_t) rank * sizeof(int64_t));

    if (n < 0 || !maas_dtype_bytes(t.dtype, n, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "the image is too large");
    }

    t.data = maas_proto_alloc(c, bytes, err);
    if (t.data == NULL) {
        return MAAS_ENOMEM;
    }

    t.bytes = bytes;
    MAAS_TRY(maas_image_prepare(c->host, c->body, c->body_len, PASS_PIXELS,
                                prep, &t, err));

    if (dtype == MAAS_F16 || dtype == MAAS_BF16) {
        half = t.data;

        /* In place: element i is read before anything at it is written. */
        for (int64_t i = 0; i < n; i++) {
            float  f;

            memcpy(&f, (char *) t.data + i * 4, sizeof(f));
            half[i] = dtype == MAAS_F16 ? maas_f32_to_f16(f)
                                        : maas_f32_to_bf16(f);
        }

        t.bytes = bytes / 2;
        t.dtype = dtype;
    }

    c->in[0] = t;
    return MAAS_OK;
}


static bool
pass_type_is(maas_str_t type, const char *name)
{
    return type.len == strlen(name)
           && strncasecmp(type.data, name, type.len) == 0;
}


/* Without parameters and blanks. */
static maas_str_t
pass_type(maas_str_t type)
{
    size_t  n = 0;

    while (n < type.len && type.data[n] != ';' && type.data[n] != ' ') {
        n++;
    }

    return (maas_str_t) { type.data, n };
}


static bool
pass_is_json(const maas_proto_call_t *c, maas_str_t type)
{
    size_t  i = 0;

    if (pass_type_is(type, "application/json")
        || pass_type_is(type, "text/json")
        || (type.len > 5
            && strncasecmp(type.data + type.len - 5, "+json", 5) == 0))
    {
        return true;
    }

    /* What `curl -d` sends, and what sends no type. */
    if (type.len != 0
        && !pass_type_is(type, "application/x-www-form-urlencoded"))
    {
        return false;
    }

    while (i < c->body_len && strchr(" \t\r\n", c->body[i]) != NULL
           && c->body[i] != '\0')
    {
        i++;
    }

    return i < c->body_len && (c->body[i] == '{' || c->body[i] == '[');
}


static maas_status_t
pass_decode(maas_proto_call_t *c, maas_err_t *err)
{
    bool        image;
    maas_str_t  type = pass_type(c->req.content_type);

    if (pass_is_json(c, type)) {
        return pass_json(c, err);
    }

    if (pass_type_is(type, "application/octet-stream")) {
        return maas_proto_raw_body(c, err);
    }

    image = pass_takes_image(c->route.m);

    if (image && (pass_type_is(type, "image/jpeg")
                  || pass_type_is(type, "image/jpg")
                  || pass_type_is(type, "image/png")
                  || (type.len == 0
                      && maas_image_sniff(c->body, c->body_len) != NULL)))
    {
        return pass_image(c, err);
    }

    return maas_err(err, MAAS_EMEDIA, "Content-Type \"%.*s\" is not accepted; "
                    "this model takes application/json%s%s",
                    (int) maas_min(type.len, 64), type.len ? type.data : "",
                    c->route.m->n_in == 1 ? ", application/octet-stream" : "",
                    image ? ", image/jpeg, image/png" : "");
}


/* -- encode: classes ----------------------------------------------------- */

static void
pass_put_label(maas_proto_call_t *c, size_t out, int64_t index)
{
    char        text[MAAS_CLASS_TEXT];
    maas_str_t  s;

    s = maas_proto_class_label(c, out, index, text);

    if (s.data != NULL) {
        maas_buf_json(&c->text, s.data, s.len);

    } else {
        maas_buf_printf(&c->text, "\"%lld\"", (long long) index);
    }
}


static void
pass_put_score(maas_buf_t *b, const maas_tensor_t *t, double v)
{
    char  *p;

    if (!isfinite(v)) {
        maas_buf_puts(b, "null");
        return;
    }

    p = maas_buf_reserve(b, MAAS_JSON_NUMBER);

    if (p != NULL) {
        b->len += (size_t) ((t->dtype == MAAS_F64
                             ? maas_json_put_f64(p, v)
                             : maas_json_put_f32(p, (float) v)) - p);
    }
}


/* "classes":[...] of one row of scores */
static void
pass_put_classes(maas_proto_call_t *c, size_t out, maas_proto_class_t *k,
    int64_t top, int64_t row)
{
    maas_buf_t           *b = &c->text;
    const maas_tensor_t  *t = &c->out[out];
    const int64_t         n = t->dims[t->rank - 1];

    maas_proto_classes(t, row * n, n, c->route.m->meta->softmax, k, top);
    maas_buf_puts(b, "\"classes\":[");

    for (int64_t i = 0; i < top; i++) {
        maas_buf_puts(b, i != 0 ? ",{\"label\":" : "{\"label\":");
        pass_put_label(c, out, k[i].index);
        maas_buf_printf(b, ",\"index\":%lld,\"score\":",
                        (long long) k[i].index);
        pass_put_score(b, t, k[i].score);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


static maas_status_t
pass_encode_classes(maas_proto_call_t *c, size_t out, maas_err_t *err)
{
    int64_t               n, top, rows;
    maas_buf_t           *b = &c->text;
    const maas_meta_t    *meta = c->route.m->meta;
    maas_proto_class_t   *k;
    const maas_tensor_t  *t = &c->out[out];

    n = t->dims[t->rank - 1];
    rows = maas_tensor_count(t) / n;
    top = meta->top_k != 0 ? maas_min(n, (int64_t) meta->top_k) : n;

    k = maas_proto_alloc(c, (size_t) top * sizeof(maas_proto_class_t), err);
    if (k == NULL) {
        return MAAS_ENOMEM;
    }

    if (rows == 1) {
        pass_put_classes(c, out, k, top, 0);
        return MAAS_OK;
    }

    maas_buf_puts(b, "\"results\":[");

    for (int64_t row = 0; row < rows; row++) {
        maas_buf_puts(b, row != 0 ? ",{" : "{");
        pass_put_classes(c, out, k, top, row);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");

    return MAAS_OK;
}


/* -- encode -------------------------------------------------------------- */

/* Does the model say that this output holds scores, and does it? */
static bool
pass_is_classes(const maas_proto_call_t *c, size_t *out)
{
    const maas_meta_t    *meta = c->route.m->meta;
    const maas_tensor_t  *t;

    if (meta == NULL || meta->meaning != MAAS_MEANS_CLASSES
        || meta->output >= c->route.m->n_out)
    {
        return false;
    }

    *out = meta->output;
    t = &c->out[meta->output];

    return t->rank >= 1 && t->dims[t->rank - 1] > 0
           && maas_dtypes[t->dtype].is_float;
}


static bool
pass_is_text(const maas_proto_call_t *c, size_t *out)
{
    const maas_meta_t  *meta = c->route.m->meta;

    *out = meta != NULL ? meta->output : 0;

    return *out < c->route.m->n_out
           && maas_ctc_is(meta, *out, &c->out[*out]);
}


static void
pass_put_output(maas_proto_call_t *c, size_t i)
{
    const maas_tensor_t  *t = &c->out[i];

    if (!maas_proto_is_map(c, i)) {
        maas_json_put_nested(&c->text, t, 0, 0, MAAS_JSON_NULL);
        return;
    }

    maas_buf_puts(&c->text, "[");

    for (int64_t row = 0; row < t->dims[0]; row++) {
        maas_buf_puts(&c->text, row != 0 ? "," : "");
        maas_json_put_map(&c->text, t, &c->keys[i], row, MAAS_JSON_NULL);
    }

    maas_buf_puts(&c->text, "]");
}


/* Is the type named in Accept?  Weights are not looked at. */
static bool
pass_accepts(maas_str_t accept, const char *type)
{
    size_t  n = strlen(type);

    for (size_t i = 0; i + n <= accept.len; i++) {
        if (strncasecmp(accept.data + i, type, n) == 0) {
            return true;
        }
    }

    return false;
}


static maas_status_t
pass_encode_raw(maas_proto_call_t *c, maas_err_t *err)
{
    char                  dims[MAAS_DIMS_TEXT];
    size_t                len;
    const maas_tensor_t  *t = &c->out[0];

    if (c->route.m->n_out != 1) {
        c->http = 406;
        return maas_err(err, MAAS_EINVAL, "application/octet-stream can only "
                        "hold a single output; this model has %zu",
                        c->route.m->n_out);
    }

    MAAS_TRY(maas_proto_raw_part(c, t, &len, err));

    maas_dims_text(dims, t->dims, t->rank);
    dims[strlen(dims) - 1] = '\0';
    c->type = maas_str("application/octet-stream");

    if (!maas_proto_header(c, maas_str("Maas-Datatype"), "%s",
                           maas_dtype_name(t->dtype))
        || !maas_proto_header(c, maas_str("Maas-Shape"), "%s", dims + 1))
    {
        return maas_err_nomem(err);
    }

    return MAAS_OK;
}


static maas_status_t
pass_encode(maas_proto_call_t *c, maas_err_t *err)
{
    size_t                     out;
    maas_buf_t                *b = &c->text;
    const maas_proto_model_t  *m = c->route.m;

    if (pass_accepts(c->req.accept, "application/octet-stream")
        && !pass_accepts(c->req.accept, "application/json"))
    {
        return pass_encode_raw(c, err);
    }

    c->type = maas_str("application/json");

    maas_buf_puts(b, "{\"model\":");
    maas_buf_json(b, m->name.data, m->name.len);
    maas_buf_printf(b, ",\"version\":\"%lld\",", (long long) m->version);

    if (pass_is_classes(c, &out)) {
        MAAS_TRY(pass_encode_classes(c, out, err));
        maas_buf_puts(b, "}");
        return MAAS_OK;
    }

    if (pass_is_text(c, &out)) {
        MAAS_TRY(maas_ctc_encode(c, out, err));
        maas_buf_puts(b, "}");
        return MAAS_OK;
    }

    maas_buf_puts(b, "\"outputs\":{");

    for (size_t i = 0; i < m->n_out; i++) {
        maas_buf_puts(b, i != 0 ? "," : "");
        maas_buf_json(b, m->out[i].name.data, m->out[i].name.len);
        maas_buf_puts(b, ":");
        pass_put_output(c, i);
    }

    maas_buf_puts(b, "}}");

    return MAAS_OK;
}


const maas_proto_t  maas_proto_pass = {
    "pass", pass_route, pass_decode, pass_encode, pass_document,
    maas_proto_error
};
