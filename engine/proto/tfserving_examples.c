/*
 * :classify and :regress of TensorFlow Serving: examples of named features
 * in, classes or values out.  A feature is an input, a value or a flat list
 * of what one row of it holds; features of the context are those of every
 * example that does not have its own.
 *
 * "context" may stand behind "examples", so both are checked and stepped
 * over first, and read when the request's object ends.
 *
 * Ownership: tensors hang on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#include "proto/tfserving.h"


/* Bytes of the context that all examples together may read again. */
#define TFS_CONTEXT_MAX  ((size_t) 64 * 1024 * 1024)

/* An input while the examples are read. */
typedef struct {
    maas_json_tensor_t   b;         /* values of all examples in a row */
    const char          *context;   /* its value there; NULL: none */
    size_t               context_len;
    int64_t              width;     /* values of an example; -1: none yet */
    int64_t              examples;  /* that have it */
} tfs_feature_t;

typedef struct {
    tfs_feature_t  *feature;        /* of each input */
    const char     *examples;       /* where they are in the body */
    const char     *context;
    size_t          again;          /* bytes read again so far */
} tfs_examples_t;


/* -- decode -------------------------------------------------------------- */

/* Which output is the answer?  model.json says so, or there is no choice. */
static maas_status_t
tfs_choose(maas_proto_call_t *c, maas_err_t *err)
{
    uint8_t                    means = MAAS_MEANS_RAW;
    tfs_ctx_t                 *k = c->ctx;
    const maas_proto_model_t  *m = c->route.m;
    const bool                 classify = c->route.what == TFS_CLASSIFY;

    if (m->meta != NULL && m->meta->output < m->n_out) {
        means = m->meta->meaning;
        k->out = m->meta->output;
    }

    if (classify && means == MAAS_MEANS_CLASSES) {
        return MAAS_OK;
    }

    for (size_t i = 0; classify && i < m->n_out; i++) {
        if (m->out[i].kind == MAAS_KIND_SEQUENCE_MAP) {
            k->out = i;
            return MAAS_OK;
        }
    }

    if (classify) {
        return maas_err(err, MAAS_EINVAL, "model \"%.*s\" is no classifier: "
                        "no output is a map, and its model.json does not say "
                        "\"meaning\": \"classes\"; use :predict",
                        (int) m->name.len, m->name.data);
    }

    if (means == MAAS_MEANS_REGRESSION
        || (m->n_out == 1 && means == MAAS_MEANS_RAW))
    {
        return MAAS_OK;
    }

    return maas_err(err, MAAS_EINVAL, "model \"%.*s\" is no regressor: its "
                    "model.json does not say \"meaning\": \"regression\"; use "
                    "%s", (int) m->name.len, m->name.data,
                    means == MAAS_MEANS_CLASSES ? ":classify" : ":predict");
}


/* A value, or a flat list of values. */
static maas_status_t
tfs_feature(tfs_feature_t *f, maas_json_t *j)
{
    bool     more = true, first = true;
    int64_t  width = 0, before = f->b.n;

    if (maas_json_peek(j) != '[') {
        MAAS_TRY(maas_json_tensor_read(&f->b, j, true));
        width = 1;

    } else {
        for ( ;; ) {
            MAAS_TRY(maas_json_item(j, &first, &more));

            if (!more) {
                break;
            }

            if (maas_json_peek(j) == '[') {
                return maas_json_fail(j, "a list in a list; a feature is a "
                                      "value or a flat list of values");
            }

            MAAS_TRY(maas_json_tensor_read(&f->b, j, true));
        }

        width = f->b.n - before;
    }

    if (f->width >= 0 && f->width != width) {
        return maas_json_fail(j, "%lld values, but the examples before have "
                              "%lld", (long long) width,
                              (long long) f->width);
    }

    f->width = width;
    f->examples++;

    return MAAS_OK;
}


static maas_status_t
tfs_prefix(maas_proto_call_t *c, size_t i, maas_status_t rc, maas_err_t *err)
{
    maas_str_t  name = c->route.m->in[i].name;

    return rc == MAAS_OK || rc == MAAS_ENOMEM ? rc
           : maas_err_prefix(err, "input \"%.*s\"",
                             (int) maas_min(name.len, 64), name.data);
}


/* What an example lacks, out of the context. */
static maas_status_t
tfs_from_context(maas_proto_call_t *c, tfs_examples_t *x, size_t i,
    maas_err_t *err)
{
    maas_str_t      name = c->route.m->in[i].name;
    maas_json_t     j;
    tfs_feature_t  *f = &x->feature[i];

    if (f->context == NULL) {
        return maas_err(err, MAAS_EINVAL, "missing input \"%.*s\"",
                        (int) maas_min(name.len, 64), name.data);
    }

    x->again += f->context_len;

    if (x->again > TFS_CONTEXT_MAX) {
        return maas_err(err, MAAS_ELIMIT, "the context is too large for so "
                        "many examples");
    }

    maas_json_init(&j, c->body, c->body_len, err);
    j.pos = f->context;

    return tfs_prefix(c, i, tfs_feature(f, &j), err);
}


static maas_status_t
tfs_example(maas_proto_call_t *c, tfs_examples_t *x, maas_json_t *j,
    int64_t row, maas_err_t *err)
{
    int                        i;
    bool                       first = true;
    maas_str_t                 key;
    const maas_proto_model_t  *m = c->route.m;

    for ( ;; ) {
        MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

        if (key.data == NULL) {
            break;
        }

        i = maas_proto_port(m->in, m->n_in, key);
        if (i < 0) {
            return maas_proto_unknown_input(c, key, err);
        }

        if (x->feature[i].examples != row) {
            return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is given twice",
                            (int) maas_min(key.len, 64), key.data);
        }

        MAAS_TRY(tfs_prefix(c, (size_t) i, tfs_feature(&x->feature[i], j),
                            err));
    }

    for (size_t n = 0; n < m->n_in; n++) {
        if (x->feature[n].examples == row) {
            MAAS_TRY(tfs_from_context(c, x, n, err));
        }
    }

    return MAAS_OK;
}


/* Where the features of the context are. */
static maas_status_t
tfs_context(maas_proto_call_t *c, tfs_examples_t *x, maas_err_t *err)
{
    int                        i;
    bool                       first = true;
    maas_str_t                 key;
    maas_json_t                j;
    tfs_feature_t             *f;
    const maas_proto_model_t  *m = c->route.m;

    if (x->context == NULL) {
        return MAAS_OK;
    }

    maas_json_init(&j, c->body, c->body_len, err);
    j.pos = x->context;

    for ( ;; ) {
        MAAS_TRY(maas_json_key(&j, c->arena, &first, &key));

        if (key.data == NULL) {
            return MAAS_OK;
        }

        i = maas_proto_port(m->in, m->n_in, key);
        if (i < 0) {
            return maas_proto_unknown_input(c, key, err);
        }

        f = &x->feature[i];

        if (f->context != NULL) {
            return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is given twice "
                            "in the context", (int) maas_min(key.len, 64),
                            key.data);
        }

        f->context = j.pos;
        MAAS_TRY(maas_json_skip(&j));
        f->context_len = (size_t) (j.pos - f->context);
    }
}


/* [examples, ...]: the list of an example takes the shape of a row. */
static maas_status_t
tfs_shape(maas_proto_call_t *c, const tfs_feature_t *f, size_t i,
    int64_t *dims, int *rank, maas_err_t *err)
{
    int                 open = -1;
    char                text[MAAS_DIMS_TEXT];
    int64_t             n = 1;
    const maas_port_t  *port = &c->route.m->in[i];

    dims[0] = f->examples;
    *rank = port->rank < 0 ? (f->width == 1 ? 1 : 2) : port->rank;

    if (port->rank < 0) {
        dims[1] = f->width;
        return MAAS_OK;
    }

    for (int d = 1; d < port->rank; d++) {
        dims[d] = port->dims[d];

        if (dims[d] < 0 && open < 0) {
            open = d;

        } else if (dims[d] < 0 || !maas_mul_i64(n, dims[d], &n)) {
            n = -1;
            break;
        }
    }

    if (open >= 0 && n > 0) {
        dims[open] = f->width / n;
        n *= dims[open];
    }

    if (port->rank < 1 || n != f->width) {
        return maas_err(err, MAAS_EINVAL, "input \"%.*s\": an example has "
                        "%lld values, but the model takes %s",
                        (int) maas_min(port->name.len, 64), port->name.data,
                        (long long) f->width,
                        maas_dims_text(text, port->dims, port->rank));
    }

    return MAAS_OK;
}


static maas_status_t
tfs_done(maas_proto_call_t *c, tfs_feature_t *f, size_t i, maas_err_t *err)
{
    int             rank;
    void           *block;
    int64_t         dims[MAAS_RANK_MAX];
    maas_tensor_t   t;

    MAAS_TRY(tfs_shape(c, f, i, dims, &rank, err));
    MAAS_TRY(maas_proto_shape(c, i, dims, rank, err));
    MAAS_TRY(maas_json_tensor_done(&f->b, &t, &block, err));
    MAAS_TRY(maas_proto_adopt(c, block, err));

    t.rank = (uint8_t) rank;
    memcpy(t.dims, dims, (size_t) rank * sizeof(int64_t));
    c->in[i] = t;

    return MAAS_OK;
}


static maas_status_t
tfs_rows(maas_proto_call_t *c, tfs_examples_t *x, maas_err_t *err)
{
    bool           more, first = true;
    int64_t        row;
    tfs_ctx_t     *k = c->ctx;
    maas_json_t    j;
    maas_status_t  rc;

    MAAS_TRY(tfs_context(c, x, err));

    maas_json_init(&j, c->body, c->body_len, err);
    j.pos = x->examples;

    for (row = 0; /* void */ ; row++) {
        MAAS_TRY(maas_json_item(&j, &first, &more));

        if (!more) {
            break;
        }

        rc = tfs_example(c, x, &j, row, err);
        if (rc != MAAS_OK) {
            return rc == MAAS_ENOMEM ? rc
                   : maas_err_prefix(err, "example %lld", (long long) row);
        }
    }

    if (row == 0) {
        return maas_err(err, MAAS_EINVAL, "\"examples\" is an empty list");
    }

    k->examples = row;

    for (size_t i = 0; i < c->route.m->n_in; i++) {
        MAAS_TRY(tfs_done(c, &x->feature[i], i, err));
    }

    return MAAS_OK;
}


/* Builders of all inputs, then the examples. */
static maas_status_t
tfs_read(maas_proto_call_t *c, tfs_examples_t *x, maas_err_t *err)
{
    size_t              n = c->route.m->n_in;
    maas_status_t       rc = MAAS_OK;
    maas_json_tensor_t  *b;

    x->feature = maas_arena_array(c->arena, n + 1, sizeof(tfs_feature_t));
    if (x->feature == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < n && rc == MAAS_OK; i++) {
        x->feature[i].width = -1;
        b = &x->feature[i].b;
        b->expect = -1;
        rc = maas_proto_json_builder(c, b, i, 0, err);
    }

    if (rc == MAAS_OK) {
        rc = tfs_rows(c, x, err);
    }

    for (size_t i = 0; i < n; i++) {
        if (x->feature[i].b.host != NULL) {
            maas_json_tensor_destroy(&x->feature[i].b);
        }
    }

    return rc;
}


static maas_status_t
tfs_examples_key(maas_proto_call_t *c, maas_json_t *j, maas_str_t key,
    tfs_examples_t *x)
{
    const char  **at;

    if (maas_str_is(key, "signature_name")) {
        return maas_tfs_signature(c, j);
    }

    at = maas_str_is(key, "examples") ? &x->examples
         : maas_str_is(key, "context") ? &x->context : NULL;

    if (at != NULL) {
        if (*at != NULL) {
            return maas_json_fail(j, "\"%.*s\" is given twice",
                                  (int) key.len, key.data);
        }

        *at = j->pos;
    }

    return maas_json_skip(j);
}


maas_status_t
maas_tfs_decode_examples(maas_proto_call_t *c, maas_err_t *err)
{
    bool            first = true;
    maas_str_t      key;
    maas_json_t     j;
    tfs_examples_t  x;

    memset(&x, 0, sizeof(x));
    MAAS_TRY(tfs_choose(c, err));
    maas_json_init(&j, c->body, c->body_len, err);

    for ( ;; ) {
        MAAS_TRY(maas_json_key(&j, c->arena, &first, &key));

        if (key.data == NULL) {
            break;
        }

        MAAS_TRY(tfs_examples_key(c, &j, key, &x));
    }

    MAAS_TRY(maas_json_end(&j));

    if (x.examples == NULL) {
        return maas_err(err, MAAS_EINVAL, "the request lacks \"examples\"; "
                        "expected {\"examples\": [{...}, ...]}, an object by "
                        "input name for each");
    }

    return tfs_read(c, &x, err);
}


/* -- encode -------------------------------------------------------------- */

/* A float as its tensor's type has it; NaN and infinities as words. */
static void
tfs_put_score(maas_buf_t *b, const maas_tensor_t *t, double v)
{
    float          f = (float) v;
    maas_tensor_t  one = { &f, sizeof(f), MAAS_F32, 0, 0, { 0 } };

    if (t->dtype == MAAS_F64 || !maas_dtypes[t->dtype].is_float) {
        one = (maas_tensor_t) { &v, sizeof(v), MAAS_F64, 0, 0, { 0 } };
    }

    maas_json_put_elements(b, &one, 0, 1, MAAS_JSON_TOKENS);
}


/* [["label", score], ...] of one example */
static void
tfs_put_classes(maas_proto_call_t *c, size_t out, maas_proto_class_t *k,
    int64_t top, int64_t row)
{
    char                  text[MAAS_CLASS_TEXT];
    maas_str_t            label;
    maas_buf_t           *b = &c->text;
    const maas_meta_t    *meta = c->route.m->meta;
    const maas_tensor_t  *t = &c->out[out];
    const int64_t         n = maas_proto_class_count(t);

    maas_proto_classes(t, row * n, n, meta != NULL && meta->output == out
                       && meta->softmax, k, top);

    for (int64_t i = 0; i < top; i++) {
        label = maas_proto_class_label(c, out, k[i].index, text);
        maas_buf_puts(b, i != 0 ? ",[" : "[");

        if (label.data != NULL) {
            maas_buf_json(b, label.data, label.len);

        } else {
            maas_buf_printf(b, "\"%lld\"", (long long) k[i].index);
        }

        maas_buf_puts(b, ",");
        tfs_put_score(b, t, k[i].score);
        maas_buf_puts(b, "]");
    }
}


static maas_status_t
tfs_encode_classes(maas_proto_call_t *c, maas_err_t *err)
{
    int64_t               top;
    const tfs_ctx_t      *k = c->ctx;
    const maas_meta_t    *meta = c->route.m->meta;
    maas_proto_class_t   *best;
    const maas_tensor_t  *t = &c->out[k->out];

    if (t->rank < 2 || t->dims[0] != k->examples
        || maas_tensor_count(t) != k->examples * maas_proto_class_count(t)
        || t->dtype == MAAS_STRING || t->dtype == MAAS_NODTYPE)
    {
        return maas_err(err, MAAS_EINVAL, "the output that holds the classes "
                        "is not [examples, classes]; use :predict");
    }

    top = maas_proto_class_count(t);

    if (meta != NULL && meta->output == k->out && meta->top_k != 0) {
        top = maas_min(top, (int64_t) meta->top_k);
    }

    best = maas_proto_alloc(c, (size_t) top * sizeof(maas_proto_class_t),
                            err);
    if (best == NULL) {
        return MAAS_ENOMEM;
    }

    for (int64_t row = 0; row < k->examples; row++) {
        maas_buf_puts(&c->text, row != 0 ? ",[" : "[");
        tfs_put_classes(c, k->out, best, top, row);
        maas_buf_puts(&c->text, "]");
    }

    return MAAS_OK;
}


maas_status_t
maas_tfs_encode_results(maas_proto_call_t *c, maas_err_t *err)
{
    const tfs_ctx_t      *k = c->ctx;
    const maas_tensor_t  *t = &c->out[k->out];

    c->type = maas_str("application/json");
    maas_buf_puts(&c->text, "{\"results\":[");

    if (c->route.what == TFS_CLASSIFY) {
        MAAS_TRY(tfs_encode_classes(c, err));

    } else {
        if (t->rank == 0 || t->dims[0] != k->examples
            || maas_tensor_count(t) != k->examples
            || t->dtype == MAAS_STRING || t->dtype == MAAS_BOOL
            || t->dtype == MAAS_NODTYPE)
        {
            return maas_err(err, MAAS_EINVAL, "the output has not one number "
                            "for each example; use :predict");
        }

        maas_json_put_elements(&c->text, t, 0, k->examples, MAAS_JSON_TOKENS);
    }

    maas_buf_puts(&c->text, "]}");

    return MAAS_OK;
}
