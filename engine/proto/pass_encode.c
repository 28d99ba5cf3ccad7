/*
 * Answers of maas_pass, in the type that was agreed on.  JSON has the best
 * classes, or text, where the model says that its output means these, else
 * all outputs as nested lists, or as base64 on demand; the other types have
 * the outputs as they are.
 *
 * Ownership: text in the call's buffer; raw parts point at the result.
 * Threads:   a call belongs to one thread at a time.
 */

#include <math.h>

#include "proto/ctc.h"
#include "proto/pass_stages.h"


/* -- classes ------------------------------------------------------------- */

static void
encode_put_label(maas_proto_call_t *c, size_t out, int64_t index)
{
    char        text[MAAS_CLASS_TEXT];
    maas_str_t  s;

    s = maas_proto_class_label(c, out, index, text);

    if (s.data != NULL) {
        maas_buf_json(&c->text, s.data, s.len);

    } else {
        maas_buf_puts(&c->text, "\"");
        maas_json_put_int(&c->text, index);
        maas_buf_puts(&c->text, "\"");
    }
}


static void
encode_put_score(maas_buf_t *b, const maas_tensor_t *t, double v)
{
    char  *p;

    if (!isfinite(v)) {
        maas_buf_puts(b, "null");
        return;
    }

    p = maas_buf_reserve(b, MAAS_NUM_TEXT);

    if (p != NULL) {
        b->len += (size_t) ((t->dtype == MAAS_F64
                             ? maas_num_put_f64(p, v)
                             : maas_num_put_f32(p, (float) v)) - p);
    }
}


/* "classes":[...] of one row of scores */
static void
encode_put_classes(maas_proto_call_t *c, size_t out, maas_proto_class_t *k,
    int64_t top, int64_t row)
{
    maas_buf_t           *b = &c->text;
    const maas_tensor_t  *t = &c->out[out];
    const int64_t         n = maas_proto_class_count(t);

    maas_proto_classes(t, row * n, n, c->route.m->meta->softmax, k, top);
    maas_buf_puts(b, "\"classes\":[");

    for (int64_t i = 0; i < top; i++) {
        maas_buf_puts(b, i != 0 ? ",{\"label\":" : "{\"label\":");
        encode_put_label(c, out, k[i].index);
        maas_buf_puts(b, ",\"index\":");
        maas_json_put_int(b, k[i].index);
        maas_buf_puts(b, ",\"score\":");
        encode_put_score(b, t, k[i].score);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


int64_t
maas_pass_top(const maas_proto_call_t *c, int64_t n)
{
    uint32_t                top = c->route.m->meta->top_k;
    const maas_pass_ask_t  *ask = c->ctx;

    top = ask->has_top ? ask->top : top;

    return top != 0 ? maas_min(n, (int64_t) top) : n;
}


static maas_status_t
encode_classes(maas_proto_call_t *c, size_t out, maas_err_t *err)
{
    int64_t               n, top, rows;
    maas_buf_t           *b = &c->text;
    maas_proto_class_t   *k;
    const maas_tensor_t  *t = &c->out[out];

    n = maas_proto_class_count(t);
    rows = maas_tensor_count(t) / n;
    top = maas_pass_top(c, n);

    k = maas_proto_alloc(c, (size_t) top * sizeof(maas_proto_class_t), err);
    if (k == NULL) {
        return MAAS_ENOMEM;
    }

    if (rows == 1) {
        encode_put_classes(c, out, k, top, 0);
        return MAAS_OK;
    }

    maas_buf_puts(b, "\"results\":[");

    for (int64_t row = 0; row < rows; row++) {
        maas_buf_puts(b, row != 0 ? ",{" : "{");
        encode_put_classes(c, out, k, top, row);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");

    return MAAS_OK;
}


/* -- JSON ---------------------------------------------------------------- */

bool
maas_pass_is_classes(const maas_proto_call_t *c, size_t *out)
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

    return t->rank >= 1 && maas_proto_class_count(t) > 0
           && maas_dtypes[t->dtype].is_float;
}


static bool
encode_is_text(const maas_proto_call_t *c, size_t *out)
{
    const maas_meta_t  *meta = c->route.m->meta;

    *out = meta != NULL ? meta->output : 0;

    return *out < c->route.m->n_out
           && maas_ctc_is(meta, *out, &c->out[*out]);
}


static void
encode_put_output(maas_proto_call_t *c, size_t i)
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


/* {"type":"float32","shape":[1,384],"b64":"..."} */
static void
encode_put_base64(maas_proto_call_t *c, size_t i)
{
    size_t                bytes;
    char                  dims[MAAS_DIMS_TEXT];
    maas_buf_t           *b = &c->text;
    const maas_tensor_t  *t = &c->out[i];

    if (t->dtype == MAAS_STRING || t->format == MAAS_FMT_ITEMS
        || !maas_dtype_bytes(t->dtype, maas_tensor_count(t), &bytes))
    {
        encode_put_output(c, i);
        return;
    }

    maas_buf_printf(b, "{\"type\":\"%s\",\"shape\":%s,",
                    maas_dtype_name(t->dtype),
                    maas_dims_text(dims, t->dims, t->rank));

    if (maas_proto_is_map(c, i)) {
        maas_buf_puts(b, "\"keys\":");
        maas_json_put_nested(b, &c->keys[i], 0, 0, MAAS_JSON_NULL);
        maas_buf_puts(b, ",");
    }

    maas_buf_puts(b, "\"b64\":");
    maas_json_put_base64(b, (maas_str_t) { t->data, bytes });
    maas_buf_puts(b, "}");
}


static maas_status_t
encode_json(maas_proto_call_t *c, maas_err_t *err)
{
    size_t                     out;
    maas_buf_t                *b = &c->text;
    maas_pass_ask_t           *ask = c->ctx;
    const maas_proto_model_t  *m = c->route.m;

    c->type = maas_str("application/json");

    maas_buf_puts(b, "{\"model\":");
    maas_buf_json(b, m->name.data, m->name.len);
    maas_buf_puts(b, ",\"version\":\"");
    maas_json_put_int(b, m->version);
    maas_buf_puts(b, "\",");

    if (maas_pass_is_classes(c, &out) && !ask->base64) {
        MAAS_TRY(encode_classes(c, out, err));
        maas_buf_puts(b, "}");
        return MAAS_OK;
    }

    if (encode_is_text(c, &out) && !ask->base64) {
        MAAS_TRY(maas_ctc_encode(c, out, err));
        maas_buf_puts(b, "}");
        return MAAS_OK;
    }

    maas_buf_puts(b, "\"outputs\":{");

    for (size_t i = 0; i < m->n_out; i++) {
        maas_buf_puts(b, i != 0 ? "," : "");
        maas_buf_json(b, m->out[i].name.data, m->out[i].name.len);
        maas_buf_puts(b, ":");

        if (ask->base64) {
            encode_put_base64(c, i);

        } else {
            encode_put_output(c, i);
        }
    }

    maas_buf_puts(b, "}}");

    return MAAS_OK;
}


/* -- the other types ----------------------------------------------------- */

static maas_status_t
encode_raw(maas_proto_call_t *c, maas_err_t *err)
{
    char                  dims[MAAS_DIMS_TEXT];
    size_t                len;
    const maas_tensor_t  *t = &c->out[0];

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


/* The data goes out from where it lies. */
static maas_status_t
encode_npy(maas_proto_call_t *c, maas_err_t *err)
{
    size_t  len;

    c->type = maas_str("application/x-npy");

    if (c->out[0].dtype == MAAS_BF16) {
        return maas_npy_write(&c->text, &c->out[0], err);
    }

    MAAS_TRY(maas_npy_head(&c->text, &c->out[0], err));

    return maas_proto_raw_part(c, &c->out[0], &len, err);
}


maas_status_t
maas_pass_encode(maas_proto_call_t *c, maas_err_t *err)
{
    maas_pass_ask_t  *ask = c->ctx;

    switch (ask->out) {

    case MAAS_PASS_RAW:
        return encode_raw(c, err);

    case MAAS_PASS_NPY:
        return encode_npy(c, err);

    case MAAS_PASS_NPZ:
        return maas_pass_put_npz(c, err);

    case MAAS_PASS_CSV:
        return maas_pass_put_csv(c, ask->csv_header, err);
    }

    return encode_json(c, err);
}
