/*
 * What all dialects share that is not JSON input: paths, methods, errors,
 * documents, memory of tensors, shapes, raw bytes in and out.
 *
 * Ownership: blocks hang on the call until maas_proto_release().
 * Threads:   a call belongs to one thread at a time.
 */

#include <stdio.h>

#include "proto/proto.h"


struct maas_proto_block_s {
    maas_proto_block_t  *next;
    void                *block;
};


bool
maas_proto_is_get(const maas_proto_call_t *c)
{
    return maas_str_is(c->req.method, "GET")
           || maas_str_is(c->req.method, "HEAD");
}


maas_status_t
maas_proto_method(maas_proto_call_t *c, const char *allow, maas_err_t *err)
{
    c->route.allow = allow;

    return maas_err(err, MAAS_EMETHOD, "method %.*s is not allowed here; "
                    "use %s", (int) maas_min(c->req.method.len, 32),
                    c->req.method.data, allow);
}


maas_str_t
maas_proto_segment(maas_str_t *path)
{
    size_t      n = 0;
    maas_str_t  s = *path;

    if (s.len != 0 && s.data[0] == '/') {
        s.data++;
        s.len--;
    }

    while (n < s.len && s.data[n] != '/') {
        n++;
    }

    path->data = s.data + n;
    path->len = s.len - n;
    s.len = n;

    return s;
}


void
maas_proto_error(maas_buf_t *b, int http, const char *text)
{
    (void) http;

    maas_buf_puts(b, "{\"error\":");
    maas_buf_json(b, text, strlen(text));
    maas_buf_puts(b, "}");
}


bool
maas_proto_key(maas_proto_doc_t *doc, const char *key)
{
    for (size_t i = 0; i < doc->n; i++) {
        if (strcmp(doc->seen[i], key) == 0) {
            return false;
        }
    }

    if (doc->n == maas_nelts(doc->seen)) {
        return false;
    }

    maas_buf_printf(doc->b, "%s\"%s\":", doc->n != 0 ? "," : "", key);
    doc->seen[doc->n++] = key;

    return true;
}


maas_status_t
maas_proto_adopt(maas_proto_call_t *c, void *block, maas_err_t *err)
{
    maas_proto_block_t  *b;

    b = maas_arena_alloc(c->arena, sizeof(maas_proto_block_t));
    if (b == NULL) {
        maas_free(c->host, block);
        return maas_err_nomem(err);
    }

    b->block = block;
    b->next = c->blocks;
    c->blocks = b;

    return MAAS_OK;
}


void *
maas_proto_alloc(maas_proto_call_t *c, size_t size, maas_err_t *err)
{
    void  *block = NULL;

    if (size <= SIZE_MAX - MAAS_ALIGN) {
        block = maas_alloc(c->host, size + MAAS_ALIGN);
    }

    if (block == NULL) {
        maas_err_nomem(err);
        return NULL;
    }

    if (maas_proto_adopt(c, block, err) != MAAS_OK) {
        return NULL;
    }

    return (void *) maas_align((uintptr_t) block, MAAS_ALIGN);
}


void
maas_proto_release(maas_proto_call_t *c)
{
    for (maas_proto_block_t *b = c->blocks; b != NULL; b = b->next) {
        maas_free(c->host, b->block);
    }

    c->blocks = NULL;
}


static bool
dialect_rows(const maas_port_t *port, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (port[i].rank < 1 || port[i].dims[0] >= 0) {
            return false;
        }
    }

    return true;
}


bool
maas_proto_batches(const maas_proto_model_t *m)
{
    return (m->meta == NULL || m->meta->batch_axis == 0)
           && dialect_rows(m->in, m->n_in) && dialect_rows(m->out, m->n_out);
}


int
maas_proto_port(const maas_port_t *ports, size_t n, maas_str_t name)
{
    for (size_t i = 0; i < n; i++) {
        if (maas_str_eq(ports[i].name, name)) {
            return (int) i;
        }
    }

    return -1;
}


maas_status_t
maas_proto_unknown_port(const char *what, const char *verb,
    const maas_port_t *port, size_t n, maas_str_t name, maas_err_t *err)
{
    int          len = 0;
    char         names[256], near[MAAS_NEAR_TEXT];
    maas_near_t  m = { .word = name };

    names[0] = '\0';

    for (size_t i = 0; i < n; i++) {
        maas_near(&m, port[i].name);

        if (len < (int) sizeof(names) - 1) {
            len += snprintf(names + len, sizeof(names) - (size_t) len,
                            "%s\"%.*s\"", i != 0 ? ", " : "",
                            (int) port[i].name.len, port[i].name.data);
        }
    }

    return maas_err(err, MAAS_EINVAL, "unknown %s \"%.*s\"; this model %s "
                    "%s%s", what, (int) maas_min(name.len, 64), name.data,
                    verb, names, n > 1 ? maas_near_text(&m, near) : "");
}


/* Columns of a table have names in CSV, not in JSON. */
static bool
dialect_is_feature(const maas_proto_model_t *m, maas_str_t name)
{
    for (uint32_t k = 0; m->meta != NULL && k < m->meta->n_features; k++) {
        if (maas_str_eq(maas_meta_feature(m->meta, k), name)) {
            return m->meta->prep.input < m->n_in;
        }
    }

    return false;
}


maas_status_t
maas_proto_input_rc(const maas_port_t *port, maas_status_t rc,
    maas_err_t *err)
{
    if (rc == MAAS_OK || rc == MAAS_ENOMEM) {
        return rc;
    }

    return maas_err_prefix(err, "input \"%.*s\"",
                           (int) maas_min(port->name.len, 64),
                           port->name.data);
}


maas_status_t
maas_proto_unknown_input(const maas_proto_call_t *c, maas_str_t name,
    maas_err_t *err)
{
    maas_str_t                 in;
    const maas_proto_model_t  *m = c->route.m;

    if (dialect_is_feature(m, name)) {
        in = m->in[m->meta->prep.input].name;
        return maas_err(err, MAAS_EINVAL, "unknown input \"%.*s\"; it is a "
                        "column of \"%.*s\", which takes the %u columns as "
                        "a list in their order (by name they come as CSV)",
                        (int) maas_min(name.len, 64), name.data,
                        (int) maas_min(in.len, 64), in.data,
                        m->meta->n_features);
    }

    return maas_proto_unknown_port("input", "takes", c->route.m->in,
                                   c->route.m->n_in, name, err);
}


maas_status_t
maas_proto_complete(const maas_proto_call_t *c, maas_err_t *err)
{
    int                        n = 0;
    char                       names[256];
    const maas_proto_model_t  *m = c->route.m;

    names[0] = '\0';

    for (size_t i = 0; i < m->n_in && n < (int) sizeof(names) - 1; i++) {
        if (c->in[i].data == NULL) {
            n += snprintf(names + n, sizeof(names) - (size_t) n,
                          "%s\"%.*s\"", n != 0 ? ", " : "",
                          (int) m->in[i].name.len, m->in[i].name.data);
        }
    }

    if (n != 0) {
        return maas_err(err, MAAS_EINVAL, "missing input %s", names);
    }

    return MAAS_OK;
}


maas_status_t
maas_proto_shape(const maas_proto_call_t *c, size_t i, const int64_t *dims,
    int rank, maas_err_t *err)
{
    bool                fits;
    char                came[MAAS_DIMS_TEXT], want[MAAS_DIMS_TEXT];
    int64_t             n;
    const maas_port_t  *port = &c->route.m->in[i];

    fits = port->rank < 0 || port->rank == rank;

    for (int d = 0; d < rank && fits && port->rank >= 0; d++) {
        fits = port->dims[d] < 0 || port->dims[d] == dims[d];
    }

    if (!fits) {
        return maas_err(err, MAAS_EINVAL,
                        "input \"%.*s\": shape %s, but the model takes %s",
                        (int) maas_min(port->name.len, 64), port->name.data,
                        maas_dims_text(came, dims, rank),
                        maas_dims_text(want, port->dims, port->rank));
    }

    n = maas_dims_count(dims, rank);

    if (n < 0 || (uint64_t) n > c->route.m->max_elements) {
        return maas_err(err, MAAS_ELIMIT,
                        "input \"%.*s\": shape %s has more than %llu "
                        "elements, the limit of this model",
                        (int) maas_min(port->name.len, 64), port->name.data,
                        maas_dims_text(came, dims, rank),
                        (unsigned long long) c->route.m->max_elements);
    }

    return MAAS_OK;
}


/* -- raw bytes in -------------------------------------------------------- */

/* Elements with a length before each -> offsets and bytes. */
static maas_status_t
raw_strings(maas_proto_call_t *c, const char *p, size_t len, int64_t n,
    maas_tensor_t *t, maas_err_t *err)
{
    char           *text;
    size_t          bytes;
    uint32_t        size, *off;
    maas_reader_t   r;
    const uint8_t  *s;

    /* Each element has four bytes at least. */
    if ((uint64_t) n > len / 4) {
        return maas_err(err, MAAS_EINVAL, "%zu bytes can't hold %lld strings",
                        len, (long long) n);
    }

    if (!maas_string_bytes(n, len - (size_t) n * 4, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "the strings are too many");
    }

    off = maas_proto_alloc(c, bytes, err);
    if (off == NULL) {
        return MAAS_ENOMEM;
    }

    maas_reader_init(&r, p, len);
    text = (char *) (off + n + 1);
    off[0] = 0;

    for (int64_t i = 0; i < n; i++) {
        size = maas_read_u32(&r);
        s = maas_read_bytes(&r, size);

        if (s == NULL || r.failed) {
            return maas_err(err, MAAS_EINVAL, "string %lld of %lld ends "
                            "behind the data", (long long) i, (long long) n);
        }

        memcpy(text + off[i], s, size);
        off[i + 1] = off[i] + size;
    }

    if (maas_reader_left(&r) != 0) {
        return maas_err(err, MAAS_EINVAL, "%zu bytes behind the last of %lld "
                        "strings", maas_reader_left(&r), (long long) n);
    }

    t->data = off;
    t->bytes = bytes;

    return MAAS_OK;
}


static maas_status_t
raw_fixed(maas_proto_call_t *c, const char *p, size_t len, int64_t n,
    maas_tensor_t *t, maas_err_t *err)
{
    void    *copy;
    size_t   bytes = 0;

    if (!maas_dtype_bytes(t->dtype, n, &bytes) || bytes != len) {
        return maas_err(err, MAAS_EINVAL, "%zu bytes of data, but %lld "
                        "elements of %s need %zu", len, (long long) n,
                        maas_dtype_name(t->dtype), bytes);
    }

    for (size_t k = 0; t->dtype == MAAS_BOOL && k < len; k++) {
        if ((uint8_t) p[k] > 1) {
            return maas_err(err, MAAS_EINVAL, "element %zu is %u, not 0 or 1",
                            k, (uint8_t) p[k]);
        }
    }

    t->data = (void *) (uintptr_t) p;
    t->bytes = len;

    if (len == 0 || (uintptr_t) p % maas_dtype_size(t->dtype) != 0) {
        copy = maas_proto_alloc(c, len, err);
        if (copy == NULL) {
            return MAAS_ENOMEM;
        }

        if (len != 0) {
            memcpy(copy, p, len);
        }

        t->data = copy;
    }

    return MAAS_OK;
}


maas_status_t
maas_proto_raw(maas_proto_call_t *c, size_t i, const char *p, size_t len,
    const int64_t *dims, int rank, maas_err_t *err)
{
    int64_t             n;
    maas_tensor_t       t = { 0 };
    maas_status_t       rc;
    const maas_port_t  *port = &c->route.m->in[i];

    MAAS_TRY(maas_proto_shape(c, i, dims, rank, err));

    n = maas_dims_count(dims, rank);
    t.dtype = port->dtype;
    t.rank = (uint8_t) rank;

    if (rank != 0) {
        memcpy(t.dims, dims, (size_t) rank * sizeof(int64_t));
    }

    rc = t.dtype == MAAS_STRING ? raw_strings(c, p, len, n, &t, err)
                                : raw_fixed(c, p, len, n, &t, err);

    MAAS_TRY(maas_proto_input_rc(port, rc, err));
    c->in[i] = t;
    return MAAS_OK;
}


/*
 * The dynamic dimension from the number of elements.  Of several, the first
 * is a batch of 1.  -1: they do not determine the shape.
 */
static int64_t
raw_solve(const maas_port_t *port, int64_t n, int64_t *dims)
{
    int      free = -1;
    int64_t  fixed = 1;

    if (port->rank < 0) {
        return -1;
    }

    for (int d = 0; d < port->rank; d++) {
        dims[d] = port->dims[d];

        if (dims[d] < 0) {
            if (free == 0) {
                dims[0] = 1;

            } else if (free > 0) {
                return -1;
            }

            free = d;
        }
    }

    for (int d = 0; d < port->rank; d++) {
        if (d != free && !maas_mul_i64(fixed, dims[d], &fixed)) {
            return -1;
        }
    }

    if (free >= 0) {
        dims[free] = fixed > 0 ? n / fixed : 0;
    }

    return fixed;
}


/* An input of strings takes the bytes as one string. */
static maas_status_t
raw_string(maas_proto_call_t *c, size_t i, const char *bytes, size_t len,
    maas_err_t *err)
{
    char                *p;
    int64_t              dims[MAAS_RANK_MAX];
    uint32_t             size;
    const maas_port_t   *port = &c->route.m->in[i];

    if (len > UINT32_MAX - sizeof(size)) {
        return maas_err(err, MAAS_ELIMIT, "a string has at most 4 GiB");
    }

    size = (uint32_t) len;

    p = maas_proto_alloc(c, sizeof(size) + len, err);
    if (p == NULL) {
        return MAAS_ENOMEM;
    }

    memcpy(p, &size, sizeof(size));

    if (size != 0) {
        memcpy(p + sizeof(size), bytes, size);
    }

    for (int d = 0; d < MAAS_RANK_MAX; d++) {
        dims[d] = 1;
    }

    return maas_proto_raw(c, i, p, sizeof(size) + len, dims,
                          port->rank < 0 ? 1 : port->rank, err);
}


maas_status_t
maas_proto_raw_input(maas_proto_call_t *c, size_t i, const char *p,
    size_t len, maas_err_t *err)
{
    char                want[MAAS_DIMS_TEXT];
    size_t              item;
    int64_t             n, fixed, dims[MAAS_RANK_MAX];
    const maas_port_t  *port = &c->route.m->in[i];

    if (port->dtype == MAAS_STRING) {
        return raw_string(c, i, p, len, err);
    }

    item = maas_dtype_size(port->dtype);
    n = (int64_t) (len / item);
    fixed = raw_solve(port, n, dims);

    if (fixed < 0) {
        return maas_err(err, MAAS_EINVAL, "raw bytes do not determine the "
                        "shape of input \"%.*s\": %s",
                        (int) maas_min(port->name.len, 64), port->name.data,
                        port->rank < 0 ? "unknown rank"
                        : maas_dims_text(want, port->dims, port->rank));
    }

    if (len % item == 0 && maas_dims_count(dims, port->rank) == n) {
        return maas_proto_raw(c, i, p, len, dims, port->rank, err);
    }

    return maas_err(err, MAAS_EINVAL, "input \"%.*s\": %zu bytes of data, but "
                    "%s of %s needs %s%lld bytes",
                    (int) maas_min(port->name.len, 64), port->name.data, len,
                    maas_dims_text(want, port->dims, port->rank),
                    maas_dtype_name(port->dtype),
                    maas_dims_count(port->dims, port->rank) < 0
                    ? "a multiple of " : "",
                    (long long) fixed * (long long) item);
}


maas_status_t
maas_proto_raw_body(maas_proto_call_t *c, maas_err_t *err)
{
    const maas_port_t         *port = &c->route.m->in[0];
    const maas_proto_model_t  *m = c->route.m;

    if (m->n_in != 1 || port->kind != MAAS_KIND_TENSOR
        || port->dtype == MAAS_NODTYPE)
    {
        return maas_err(err, MAAS_EINVAL, "raw bytes can only be the single "
                        "input of a model; this one has %zu", m->n_in);
    }

    return maas_proto_raw_input(c, 0, c->body, c->body_len, err);
}


/* -- raw bytes out ------------------------------------------------------- */

static maas_status_t
raw_put_strings(maas_proto_call_t *c, const maas_tensor_t *t,
    maas_str_t *part, maas_err_t *err)
{
    char        *p;
    size_t       bytes;
    int64_t      n = maas_tensor_count(t);
    uint32_t     size;
    maas_str_t   s;

    bytes = (size_t) n * sizeof(uint32_t) + ((const uint32_t *) t->data)[n];

    p = maas_proto_alloc(c, bytes, err);
    if (p == NULL) {
        return MAAS_ENOMEM;
    }

    *part = (maas_str_t) { p, bytes };

    for (int64_t i = 0; i < n; i++) {
        s = maas_tensor_str(t, i);
        size = (uint32_t) s.len;
        memcpy(p, &size, sizeof(size));
        memcpy(p + sizeof(size), s.data, s.len);
        p += sizeof(size) + s.len;
    }

    return MAAS_OK;
}


bool
maas_proto_is_map(const maas_proto_call_t *c, size_t i)
{
    const maas_tensor_t  *t = &c->out[i];

    return c->keys != NULL && c->keys[i].data != NULL && t->rank == 2
           && t->dims[1] == maas_tensor_count(&c->keys[i]);
}


maas_status_t
maas_proto_raw_part(maas_proto_call_t *c, const maas_tensor_t *t, size_t *len,
    maas_err_t *err)
{
    size_t      bytes;
    maas_str_t  part;

    if (t->format == MAAS_FMT_ITEMS) {
        return maas_err(err, MAAS_EINVAL, "an output that is a list of "
                        "tensors has no form as raw bytes");
    }

    if (c->part == NULL) {
        c->part = maas_arena_array(c->arena, c->route.m->n_out,
                                   sizeof(maas_str_t));
        if (c->part == NULL) {
            return maas_err_nomem(err);
        }
    }

    if (t->dtype == MAAS_STRING) {
        MAAS_TRY(raw_put_strings(c, t, &part, err));

    } else {
        if (!maas_dtype_bytes(t->dtype, maas_tensor_count(t), &bytes)) {
            return maas_err(err, MAAS_EINTERNAL, "output without a size");
        }

        part = (maas_str_t) { t->data, bytes };
    }

    c->part[c->n_part++] = part;
    *len = part.len;

    return MAAS_OK;
}


bool
maas_proto_header(maas_proto_call_t *c, maas_str_t name, const char *fmt, ...)
{
    int         n;
    char        text[256];
    va_list     args;
    maas_str_t  value;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (n < 0 || (size_t) n >= sizeof(text)
        || c->n_header == MAAS_REPLY_HEADERS)
    {
        return false;
    }

    value = maas_arena_str(c->arena, text, (size_t) n);
    if (value.data == NULL) {
        return false;
    }

    c->header[c->n_header++] = (maas_header_t) { name, value };
    return true;
}
