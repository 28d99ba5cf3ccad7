/*
 * Requests of the Open Inference Protocol: JSON, JSON with binary tensors
 * behind it, or one raw tensor.
 *
 * The body is read in one pass: a tensor's numbers go straight into its
 * memory as soon as name, shape and datatype are known; where "data" stands
 * before them it is stepped over and read when the tensor's object ends.
 *
 * Ownership: all hangs on the call; binary inputs may point into the body.
 * Threads:   a call belongs to one thread at a time.
 * https://github.com/kserve/open-inference-protocol
 */

#include <strings.h>

#include "proto/kserve.h"


/* An input object while it is read. */
typedef struct {
    maas_str_t   name;
    maas_str_t   datatype;
    int          index;             /* -1: no name yet */
    int          rank;              /* -1: no shape yet */
    int64_t      dims[MAAS_RANK_MAX];
    int64_t      binary;            /* binary_data_size; -1: none */
    const char  *data;              /* "data" that was stepped over */
    bool         done;
} kserve_input_t;

/* A parameter that is read: an integer from 0 on, or a boolean. */
typedef struct {
    const char  *name;
    int64_t     *number;
    int8_t      *flag;
} kserve_param_t;

/* Where the request's parts are. */
typedef struct {
    maas_json_t   j;
    size_t        blob;             /* offset of the next binary tensor */
    unsigned      seen;
} kserve_body_t;

enum {
    SEEN_ID = 1,
    SEEN_INPUTS = 2,
    SEEN_OUTPUTS = 4,
    SEEN_PARAMETERS = 8,
    SEEN_NAME = 16,
    SEEN_SHAPE = 32,
    SEEN_DATATYPE = 64,
    SEEN_DATA = 128
};


static maas_status_t
kserve_once(maas_json_t *j, unsigned *seen, unsigned bit, maas_str_t key)
{
    if (*seen & bit) {
        return maas_json_fail(j, "\"%.*s\" is given twice",
                              (int) maas_min(key.len, 64), key.data);
    }

    *seen |= bit;
    return MAAS_OK;
}


/* Length of the JSON in front of the binary tensors. */
static maas_status_t
kserve_json_length(const maas_proto_call_t *c, size_t *len, maas_err_t *err)
{
    uint64_t     n = 0;
    maas_str_t   h = c->req.binary_header, type = c->req.content_type;

    if (h.len == 0) {
        *len = c->body_len;

        if (type.len >= 24
            && strncasecmp(type.data, "application/octet-stream", 24) == 0)
        {
            return maas_err(err, MAAS_EINVAL, "application/octet-stream needs "
                            "the header Inference-Header-Content-Length: the "
                            "bytes of JSON before the binary tensors, or 0 "
                            "when the body is the single input");
        }

        return MAAS_OK;
    }

    for (size_t i = 0; i < h.len; i++) {
        if (h.data[i] < '0' || h.data[i] > '9' || i == 18) {
            return maas_err(err, MAAS_EINVAL, "Inference-Header-Content-"
                            "Length \"%.*s\" is no decimal length",
                            (int) maas_min(h.len, 32), h.data);
        }

        n = n * 10 + (uint64_t) (h.data[i] - '0');
    }

    if (n > c->body_len) {
        return maas_err(err, MAAS_EINVAL, "Inference-Header-Content-Length is "
                        "%llu, but the body has %zu bytes",
                        (unsigned long long) n, c->body_len);
    }

    *len = (size_t) n;
    return MAAS_OK;
}


/* 0 and "" mean none. */
static maas_status_t
kserve_sequence(maas_proto_call_t *c, maas_json_t *j)
{
    int64_t     n = 0;
    maas_str_t  s = { NULL, 0 };

    if (maas_json_peek(j) == '"') {
        MAAS_TRY(maas_json_string(j, c->arena, &s));

    } else {
        MAAS_TRY(maas_json_int(j, &n));
    }

    if (n != 0 || s.len != 0) {
        return maas_json_fail(j, "\"sequence_id\": sequences are not "
                              "supported, each request stands alone");
    }

    return MAAS_OK;
}


/*
 * A parameter that is not looked for: ignored, unless it would change what
 * the request means.
 */
static maas_status_t
kserve_other(maas_proto_call_t *c, maas_json_t *j, maas_str_t key)
{
    if (maas_str_is(key, "sequence_id")) {
        return kserve_sequence(c, j);
    }

    if (key.len >= 13 && memcmp(key.data, "shared_memory", 13) == 0) {
        return maas_json_fail(j, "\"%.*s\": shared memory is not supported; "
                              "send the data in the body",
                              (int) maas_min(key.len, 64), key.data);
    }

    if (maas_str_is(key, "headers")
        || (key.len >= 7 && memcmp(key.data, "triton_", 7) == 0
            && !maas_str_is(key, "triton_enable_empty_final_response")))
    {
        return maas_json_fail(j, "\"%.*s\": this name of a parameter is "
                              "reserved", (int) maas_min(key.len, 64),
                              key.data);
    }

    return maas_json_skip(j);
}


/* {"binary_data_size": 12, ...} */
static maas_status_t
kserve_parameters(maas_proto_call_t *c, maas_json_t *j,
    const kserve_param_t *params, size_t n)
{
    bool        v, first = true;
    size_t      i;
    maas_str_t  key;

    for ( ;; ) {
        MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

        if (key.data == NULL) {
            return MAAS_OK;
        }

        for (i = 0; i < n && !maas_str_is(key, params[i].name); i++) {
            /* void */
        }

        if (i == n) {
            MAAS_TRY(kserve_other(c, j, key));
            continue;
        }

        if (params[i].flag != NULL) {
            MAAS_TRY(maas_json_bool(j, &v));
            *params[i].flag = v;
            continue;
        }

        if (maas_json_int(j, params[i].number) != MAAS_OK) {
            return maas_err_prefix(j->err, "parameter \"%s\"",
                                   params[i].name);
        }

        if (*params[i].number < 0) {
            return maas_json_fail(j, "\"%s\" is negative", params[i].name);
        }
    }
}


static maas_status_t
kserve_shape(maas_json_t *j, kserve_input_t *in)
{
    bool     more, first = true;
    int64_t  v;

    in->rank = 0;

    for ( ;; ) {
        MAAS_TRY(maas_json_item(j, &first, &more));

        if (!more) {
            return MAAS_OK;
        }

        if (in->rank == MAAS_RANK_MAX) {
            return maas_json_fail(j, "\"shape\" has more than %d dimensions",
                                  MAAS_RANK_MAX);
        }

        MAAS_TRY(maas_json_int(j, &v));

        if (v < 0) {
            return maas_json_fail(j, "\"shape\" has the negative dimension "
                                  "%lld; in place of an open one it needs the "
                                  "number that \"data\" has",
                                  (long long) v);
        }

        in->dims[in->rank++] = v;
    }
}


static maas_status_t
kserve_input_name(maas_proto_call_t *c, maas_json_t *j, kserve_input_t *in)
{
    const maas_proto_model_t  *m = c->route.m;

    MAAS_TRY(maas_json_string(j, c->arena, &in->name));

    in->index = maas_proto_port(m->in, m->n_in, in->name);

    if (in->index < 0) {
        return maas_proto_unknown_input(c, in->name, j->err);
    }

    if (c->in[in->index].data != NULL) {
        return maas_err(j->err, MAAS_EINVAL, "input \"%.*s\" is given twice",
                        (int) maas_min(in->name.len, 64), in->name.data);
    }

    return MAAS_OK;
}


static const char *
kserve_takes(const maas_port_t *port)
{
    return port->kind == MAAS_KIND_TENSOR && port->dtype != MAAS_NODTYPE
           ? maas_dtypes[port->dtype].oip : "no tensor";
}


static maas_status_t
kserve_check_datatype(maas_proto_call_t *c, const kserve_input_t *in,
    maas_err_t *err)
{
    maas_dtype_t        dtype;
    const maas_port_t  *port = &c->route.m->in[in->index];

    dtype = maas_dtype_by_oip(in->datatype);

    if (dtype == MAAS_NODTYPE) {
        return maas_err(err, MAAS_EINVAL,
                        "input \"%.*s\": unknown datatype \"%.*s\"; the model "
                        "takes %s",
                        (int) maas_min(in->name.len, 64), in->name.data,
                        (int) maas_min(in->datatype.len, 32),
                        in->datatype.data, kserve_takes(port));
    }

    if (port->kind != MAAS_KIND_TENSOR) {
        return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is a %s, which has "
                        "no form in this protocol; maas_pass and TensorFlow "
                        "Serving's \"inputs\" take it as JSON",
                        (int) maas_min(in->name.len, 64), in->name.data,
                        maas_kind_name(port->kind));
    }

    if (dtype != port->dtype) {
        return maas_err(err, MAAS_EINVAL,
                        "input \"%.*s\": datatype %s, but the model takes %s",
                        (int) maas_min(in->name.len, 64), in->name.data,
                        maas_dtypes[dtype].oip, kserve_takes(port));
    }

    return MAAS_OK;
}


static maas_status_t
kserve_data(maas_proto_call_t *c, maas_json_t *j, kserve_input_t *in)
{
    uint8_t  dtype = c->route.m->in[in->index].dtype;

    if (dtype == MAAS_F16 || dtype == MAAS_BF16) {
        return maas_err(j->err, MAAS_EINVAL,
                        "input \"%.*s\": %s has no JSON form; send it as "
                        "binary data (binary_data_size)",
                        (int) maas_min(in->name.len, 64), in->name.data,
                        maas_dtypes[dtype].oip);
    }

    MAAS_TRY(maas_proto_json_input(c, j, (size_t) in->index, in->dims,
                                   in->rank, j->err));
    in->done = true;

    return MAAS_OK;
}


static maas_status_t
kserve_input_key(maas_proto_call_t *c, kserve_body_t *body,
    kserve_input_t *in, maas_str_t key)
{
    maas_json_t  *j = &body->j;

    if (maas_str_is(key, "name")) {
        MAAS_TRY(kserve_once(j, &body->seen, SEEN_NAME, key));
        return kserve_input_name(c, j, in);
    }

    if (maas_str_is(key, "shape")) {
        MAAS_TRY(kserve_once(j, &body->seen, SEEN_SHAPE, key));
        return kserve_shape(j, in);
    }

    if (maas_str_is(key, "datatype")) {
        MAAS_TRY(kserve_once(j, &body->seen, SEEN_DATATYPE, key));
        return maas_json_string(j, c->arena, &in->datatype);
    }

    if (maas_str_is(key, "parameters")) {
        const kserve_param_t  size = { "binary_data_size", &in->binary };

        return kserve_parameters(c, j, &size, 1);
    }

    if (!maas_str_is(key, "data")) {
        return maas_json_skip(j);
    }

    MAAS_TRY(kserve_once(j, &body->seen, SEEN_DATA, key));

    if (in->index >= 0 && in->rank >= 0 && in->datatype.data != NULL) {
        MAAS_TRY(kserve_check_datatype(c, in, j->err));
        return kserve_data(c, j, in);
    }

    in->data = j->pos;
    return maas_json_skip(j);
}


/* The object of an input has ended: checks it, reads what was put off. */
static maas_status_t
kserve_input_end(maas_proto_call_t *c, kserve_body_t *body,
    kserve_input_t *in)
{
    size_t        left;
    const char   *lacks;
    maas_json_t   j = body->j;

    lacks = in->index < 0 ? "name" : in->rank < 0 ? "shape"
            : in->datatype.data == NULL ? "datatype"
            : in->binary < 0 && !(body->seen & SEEN_DATA)
              ? "data\" (or the parameter \"binary_data_size" : NULL;

    if (lacks != NULL) {
        return maas_json_fail(&body->j, "an input \"%.*s\" without \"%s\"%s",
                              (int) maas_min(in->name.len, 64),
                              in->name.len ? in->name.data : "", lacks,
                              strchr(lacks, '(') != NULL ? ")" : "");
    }

    if (in->binary >= 0 && (body->seen & SEEN_DATA)) {
        return maas_json_fail(&body->j, "input \"%.*s\" has both \"data\" and "
                              "binary_data_size",
                              (int) maas_min(in->name.len, 64),
                              in->name.data);
    }

    MAAS_TRY(kserve_check_datatype(c, in, body->j.err));

    if (in->binary < 0) {
        j.pos = in->data;
        return in->done ? MAAS_OK : kserve_data(c, &j, in);
    }

    left = c->body_len - body->blob;

    if ((uint64_t) in->binary > left) {
        return maas_err(body->j.err, MAAS_EINVAL,
                        "input \"%.*s\": binary_data_size is %lld, but %zu "
                        "bytes are left in the body",
                        (int) maas_min(in->name.len, 64), in->name.data,
                        (long long) in->binary, left);
    }

    MAAS_TRY(maas_proto_raw(c, (size_t) in->index, c->body + body->blob,
                            (size_t) in->binary, in->dims, in->rank,
                            body->j.err));
    body->blob += (size_t) in->binary;

    return MAAS_OK;
}


static maas_status_t
kserve_inputs(maas_proto_call_t *c, kserve_body_t *body)
{
    bool            more, first_key, first = true;
    unsigned        seen = body->seen;
    maas_str_t      key;
    maas_json_t    *j = &body->j;
    kserve_input_t  in;

    for ( ;; ) {
        MAAS_TRY(maas_json_item(j, &first, &more));

        if (!more) {
            body->seen = seen;
            return MAAS_OK;
        }

        memset(&in, 0, sizeof(in));
        in.index = -1;
        in.rank = -1;
        in.binary = -1;
        body->seen = 0;
        first_key = true;

        for ( ;; ) {
            MAAS_TRY(maas_json_key(j, c->arena, &first_key, &key));

            if (key.data == NULL) {
                break;
            }

            MAAS_TRY(kserve_input_key(c, body, &in, key));
        }

        MAAS_TRY(kserve_input_end(c, body, &in));
    }
}


/* A requested output by its name. */
static maas_status_t
kserve_want(maas_proto_call_t *c, kserve_want_t *w, maas_str_t name,
    maas_err_t *err)
{
    int                        i;
    kserve_ctx_t              *k = c->ctx;
    const maas_proto_model_t  *m = c->route.m;

    i = maas_proto_port(m->out, m->n_out, name);
    if (i < 0) {
        return maas_proto_unknown_port("output", "gives", m->out, m->n_out,
                                       name, err);
    }

    for (size_t n = 0; n < k->n_want; n++) {
        if (k->want[n].index == (size_t) i) {
            return maas_err(err, MAAS_EINVAL,
                            "output \"%.*s\" is requested twice",
                            (int) maas_min(name.len, 64), name.data);
        }
    }

    if (w->classes != 0
        && (m->out[i].dtype == MAAS_STRING || m->out[i].dtype == MAAS_BOOL))
    {
        return maas_err(err, MAAS_EINVAL, "output \"%.*s\": %s has no "
                        "classes; classification is for numbers",
                        (int) maas_min(name.len, 64), name.data,
                        maas_dtypes[m->out[i].dtype].oip);
    }

    w->index = (size_t) i;
    k->want[k->n_want++] = *w;

    return MAAS_OK;
}


/* {"name": "y", "parameters": {"binary_data": true}} */
static maas_status_t
kserve_output(maas_proto_call_t *c, maas_json_t *j)
{
    bool                  first = true;
    maas_str_t            key, name = { NULL, 0 };
    kserve_want_t         w = { .binary = -1 };
    const kserve_param_t  params[] = {
        { "binary_data", NULL, &w.binary },
        { "classification", &w.classes, NULL }
    };

    for ( ;; ) {
        MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

        if (key.data == NULL) {
            break;
        }

        if (maas_str_is(key, "name")) {
            MAAS_TRY(maas_json_string(j, c->arena, &name));

        } else if (maas_str_is(key, "parameters")) {
            MAAS_TRY(kserve_parameters(c, j, params, maas_nelts(params)));

        } else {
            MAAS_TRY(maas_json_skip(j));
        }
    }

    if (name.data == NULL) {
        return maas_json_fail(j, "a requested output without \"name\"");
    }

    return kserve_want(c, &w, name, j->err);
}


/*
 * Without "outputs", all of them.  What was not said of one is as for all;
 * what can't be written is refused before anything is computed.
 */
static maas_status_t
kserve_wanted(maas_proto_call_t *c, maas_err_t *err)
{
    kserve_want_t      *w;
    kserve_ctx_t       *k = c->ctx;
    const maas_port_t  *port;

    if (k->n_want == 0) {
        k->n_want = c->route.m->n_out;

        for (size_t i = 0; i < k->n_want; i++) {
            k->want[i] = (kserve_want_t) { .index = i, .binary = -1 };
        }
    }

    for (size_t i = 0; i < k->n_want; i++) {
        w = &k->want[i];
        w->binary = w->binary < 0 ? k->binary_all : w->binary;
        port = &c->route.m->out[w->index];

        if (maas_kind_is_list(port->kind)) {
            return maas_err(err, MAAS_EINVAL, "output \"%.*s\" is a %s, "
                            "which has no form in this protocol; request "
                            "others with \"outputs\"",
                            (int) maas_min(port->name.len, 64),
                            port->name.data, maas_kind_name(port->kind));
        }

        if (!w->binary && w->classes == 0
            && (port->dtype == MAAS_F16 || port->dtype == MAAS_BF16))
        {
            return maas_err(err, MAAS_EINVAL,
                            "output \"%.*s\": %s has no JSON form; request "
                            "it with the parameter binary_data",
                            (int) maas_min(port->name.len, 64),
                            port->name.data, maas_dtypes[port->dtype].oip);
        }
    }

    return MAAS_OK;
}


static maas_status_t
kserve_outputs(maas_proto_call_t *c, maas_json_t *j)
{
    bool  more, first = true;

    for ( ;; ) {
        MAAS_TRY(maas_json_item(j, &first, &more));

        if (!more) {
            return MAAS_OK;
        }

        MAAS_TRY(kserve_output(c, j));
    }
}


/* Of the request: which outputs are binary, and how urgent it is. */
static maas_status_t
kserve_request_parameters(maas_proto_call_t *c, maas_json_t *j)
{
    int64_t               priority = 0, timeout = 0;
    kserve_ctx_t         *k = c->ctx;
    const kserve_param_t  params[] = {
        { "binary_data_output", NULL, &k->binary_all },
        { "priority", &priority, NULL },
        { "timeout", &timeout, NULL }
    };

    MAAS_TRY(kserve_parameters(c, j, params, maas_nelts(params)));

    c->priority = (uint64_t) priority;
    c->timeout_us = (uint64_t) timeout;

    return MAAS_OK;
}


static maas_status_t
kserve_top_key(maas_proto_call_t *c, kserve_body_t *body, maas_str_t key)
{
    maas_json_t           *j = &body->j;
    kserve_ctx_t          *k = c->ctx;

    if (maas_str_is(key, "inputs")) {
        MAAS_TRY(kserve_once(j, &body->seen, SEEN_INPUTS, key));
        return kserve_inputs(c, body);
    }

    if (maas_str_is(key, "outputs")) {
        MAAS_TRY(kserve_once(j, &body->seen, SEEN_OUTPUTS, key));
        return kserve_outputs(c, j);
    }

    if (maas_str_is(key, "id")) {
        MAAS_TRY(kserve_once(j, &body->seen, SEEN_ID, key));
        k->id_given = true;
        return maas_json_string(j, c->arena, &k->id);
    }

    if (maas_str_is(key, "parameters")) {
        MAAS_TRY(kserve_once(j, &body->seen, SEEN_PARAMETERS, key));
        return kserve_request_parameters(c, j);
    }

    return maas_json_skip(j);
}


static maas_status_t
kserve_decode_json(maas_proto_call_t *c, size_t len, maas_err_t *err)
{
    bool            first = true;
    maas_str_t      key;
    kserve_body_t   body;

    memset(&body, 0, sizeof(body));
    maas_json_init(&body.j, c->body, len, err);
    body.blob = len;

    for ( ;; ) {
        MAAS_TRY(maas_json_key(&body.j, c->arena, &first, &key));

        if (key.data == NULL) {
            break;
        }

        MAAS_TRY(kserve_top_key(c, &body, key));
    }

    MAAS_TRY(maas_json_end(&body.j));

    if (!(body.seen & SEEN_INPUTS)) {
        return maas_err(err, MAAS_EINVAL, "the request lacks \"inputs\"; "
                        "expected {\"inputs\": [{\"name\": ..., \"shape\": "
                        "[...], \"datatype\": ..., \"data\": [...]}]}");
    }

    if (body.blob != c->body_len) {
        return maas_err(err, MAAS_EINVAL, "%zu bytes behind the last binary "
                        "tensor: each has as many as its binary_data_size "
                        "says", c->body_len - body.blob);
    }

    return maas_proto_complete(c, err);
}


/* {"ready": true}: only models that answer.  No body: all. */
static maas_status_t
kserve_decode_index(maas_proto_call_t *c, maas_err_t *err)
{
    bool           first = true;
    maas_str_t     key;
    maas_json_t    j;
    kserve_ctx_t  *k = c->ctx;

    maas_json_init(&j, c->body, c->body_len, err);

    if (maas_json_peek(&j) == -1) {
        return MAAS_OK;
    }

    for ( ;; ) {
        MAAS_TRY(maas_json_key(&j, c->arena, &first, &key));

        if (key.data == NULL) {
            return maas_json_end(&j);
        }

        if (maas_str_is(key, "ready")) {
            MAAS_TRY(maas_json_bool(&j, &k->only_ready));

        } else {
            MAAS_TRY(maas_json_skip(&j));
        }
    }
}


maas_status_t
maas_kserve_decode(maas_proto_call_t *c, maas_err_t *err)
{
    size_t         len = 0;
    kserve_ctx_t  *k;

    k = maas_arena_alloc(c->arena, sizeof(kserve_ctx_t));
    if (k == NULL) {
        return maas_err_nomem(err);
    }

    c->ctx = k;

    if (c->route.what == KSERVE_INDEX) {
        return kserve_decode_index(c, err);
    }

    k->want = maas_arena_array(c->arena, c->route.m->n_out + 1,
                               sizeof(kserve_want_t));
    if (k->want == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(kserve_json_length(c, &len, err));

    /* "0": the body is one tensor, the answer binary. */
    if (len == 0 && c->req.binary_header.len != 0) {
        k->binary_all = true;
        MAAS_TRY(maas_proto_raw_body(c, err));

    } else {
        MAAS_TRY(kserve_decode_json(c, len, err));
    }

    return kserve_wanted(c, err);
}
