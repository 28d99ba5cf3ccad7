/*
 * onnx_data.c: tensors whose numbers are not simply there: in external files
 * beside the model, and sparse ones, which are written out.
 *
 * External data is mapped, not read: its tensors point into the mapping.  A
 * sparse tensor may be small in the file and vast in memory, so that all of
 * them together have a budget.
 *
 * Ownership: written out tensors lie in the arena; mappings are the folder's.
 * Threads:   reentrant.
 * Format:    TensorProto, SparseTensorProto in onnx.proto;
 *            https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */

#include "formats/onnx_priv.h"


#define SHOW(s)  (int) maas_min((s).len, 120), (const char *) (s).data


/* -- external files ------------------------------------------------------ */

typedef struct {
    maas_str_t  file;
    maas_str_t  sha1;           /* len 0: not given */
    uint64_t    offset;
    uint64_t    length;         /* UINT64_MAX: not given */
} external_t;


static maas_status_t
external_number(const onnx_ctx_t *c, const Onnx__StringStringEntryProto *e,
    uint64_t *out)
{
    uint64_t    v = 0;
    maas_str_t  s = onnx_str(&e->value);

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || i > 18) {
            s.len = 0;
        } else {
            v = v * 10 + (uint64_t) (s.data[i] - '0');
        }
    }

    if (s.len == 0) {
        return maas_err(c->err, MAAS_EINVAL, "'%.*s' of its external data is "
                        "'%.*s'; a number of bytes is expected",
                        SHOW(e->key), SHOW(e->value));
    }

    *out = v;
    return MAAS_OK;
}


static maas_status_t
external_entries(const onnx_ctx_t *c, const Onnx__TensorProto *p,
    external_t *x)
{
    maas_str_t                           key;
    const Onnx__StringStringEntryProto  *e;

    for (size_t i = 0; i < p->n_external_data; i++) {
        e = p->external_data[i];
        key = onnx_str(&e->key);

        if (maas_str_is(key, "location")) {
            x->file = onnx_str(&e->value);

        } else if (maas_str_is(key, "offset")) {
            MAAS_TRY(external_number(c, e, &x->offset));

        } else if (maas_str_is(key, "length")) {
            MAAS_TRY(external_number(c, e, &x->length));

        } else if (maas_str_is(key, "checksum")) {
            x->sha1 = onnx_str(&e->value);
        }
    }

    if (x->file.len == 0) {
        return maas_err(c->err, MAAS_EINVAL, "its data is external, but no "
                        "'location' names the file");
    }

    return MAAS_OK;
}


maas_status_t
maas_onnx_external(const onnx_ctx_t *c, const Onnx__TensorProto *p,
    size_t bytes, const uint8_t **data)
{
    external_t    x = { .length = UINT64_MAX };
    maas_file_t  *f;

    MAAS_TRY(external_entries(c, p, &x));

    if (x.length != UINT64_MAX && x.length != bytes) {
        return maas_err(c->err, MAAS_EINVAL, "%llu bytes of file '%.*s' are "
                        "given, but its shape and type need %zu",
                        (unsigned long long) x.length, SHOW(x.file), bytes);
    }

    if (c->folder == NULL) {
        return maas_err(c->err, MAAS_ENOENT, "its data is in file '%.*s', "
                        "but the model came without a folder", SHOW(x.file));
    }

    MAAS_TRY(maas_folder_open(c->folder, x.file, &f, c->err));

    if (x.offset > f->size || bytes > f->size - x.offset) {
        return maas_err(c->err, MAAS_ETRUNC, "file '%.*s' is too short: %zu "
                        "bytes at offset %llu are needed, but it has %zu; "
                        "was it copied as a whole?", SHOW(x.file), bytes,
                        (unsigned long long) x.offset, f->size);
    }

    if (x.sha1.len != 0) {
        MAAS_TRY(maas_file_check(f, x.sha1, c->err));
    }

    *data = f->data != NULL ? f->data + x.offset
                            : maas_arena_alloc(c->arena, 1);

    return *data != NULL ? MAAS_OK : maas_err_nomem(c->err);
}


/* -- sparse tensors ------------------------------------------------------ */

typedef struct {
    const onnx_ctx_t  *c;
    maas_tensor_t     *t;       /* the dense one */
    maas_tensor_t      values;
    maas_tensor_t      indices;
    int64_t            n;       /* values */
    int64_t            count;   /* elements of the dense one */
} sparse_t;


static maas_status_t
sparse_dims(sparse_t *s, const Onnx__SparseTensorProto *p)
{
    char            text[MAAS_DIMS_TEXT];
    maas_err_t     *err = s->c->err;
    maas_tensor_t  *v = &s->values, *x = &s->indices;

    if (p->n_dims > MAAS_RANK_MAX) {
        return maas_err(err, MAAS_EUNSUPPORTED, "it has %zu dimensions, at "
                        "most %d are served", p->n_dims, MAAS_RANK_MAX);
    }

    s->t->rank = (uint8_t) p->n_dims;

    if (p->n_dims != 0) {
        memcpy(s->t->dims, p->dims, p->n_dims * sizeof(int64_t));
    }

    s->count = maas_dims_count(s->t->dims, s->t->rank);

    if (s->count < 0) {
        return maas_err(err, MAAS_EINVAL, "its shape %s is negative or "
                        "overflows", maas_dims_text(text, s->t->dims,
                                                    s->t->rank));
    }

    if (v->rank != 1) {
        return maas_err(err, MAAS_EINVAL, "its values have shape %s; a list "
                        "is expected", maas_dims_text(text, v->dims,
                                                      v->rank));
    }

    s->n = v->dims[0];

    if (x->dtype != MAAS_I64 || x->rank < 1 || x->rank > 2
        || x->dims[0] != s->n
        || (x->rank == 2 && x->dims[1] != s->t->rank))
    {
        return maas_err(err, MAAS_EINVAL, "its indices are %s%s; int64[%lld] "
                        "or int64[%lld,%d] is expected",
                        maas_dtype_name(x->dtype),
                        maas_dims_text(text, x->dims, x->rank),
                        (long long) s->n, (long long) s->n, s->t->rank);
    }

    return MAAS_OK;
}


/* Where value i goes, in elements. */
static maas_status_t
sparse_at(const sparse_t *s, int64_t i, int64_t *at)
{
    const int64_t  *x = s->indices.data;

    if (s->indices.rank == 1) {
        *at = x[i];

        if (*at < 0 || *at >= s->count) {
            return maas_err(s->c->err, MAAS_EINVAL, "index %lld is %lld; it "
                            "has %lld elements", (long long) i,
                            (long long) *at, (long long) s->count);
        }

        return MAAS_OK;
    }

    x += i * s->t->rank;
    *at = 0;

    for (int d = 0; d < s->t->rank; d++) {
        if (x[d] < 0 || x[d] >= s->t->dims[d]) {
            return maas_err(s->c->err, MAAS_EINVAL, "index %lld is %lld on "
                            "axis %d, which has %lld", (long long) i,
                            (long long) x[d], d,
                            (long long) s->t->dims[d]);
        }

        *at = *at * s->t->dims[d] + x[d];
    }

    return MAAS_OK;
}


/* Ascending indices, which ONNX prescribes, are indices that differ. */
static maas_status_t
sparse_next(const sparse_t *s, int64_t i, int64_t *at)
{
    int64_t  before = *at;

    MAAS_TRY(sparse_at(s, i, at));

    if (*at <= before) {
        return maas_err(s->c->err, MAAS_EINVAL, "index %lld does not ascend: "
                        "element %lld follows element %lld", (long long) i,
                        (long long) *at, (long long) before);
    }

    return MAAS_OK;
}


static maas_status_t
sparse_room(const sparse_t *s, size_t bytes)
{
    if (s->c->expand != NULL) {
        if (bytes > *s->c->expand) {
            return maas_err(s->c->err, MAAS_ELIMIT, "written out it takes "
                            "%zu bytes, but all sparse tensors of a model "
                            "may take %zu more", bytes, *s->c->expand);
        }

        *s->c->expand -= bytes;
    }

    s->t->bytes = bytes;
    s->t->data = maas_arena_alloc(s->c->arena, bytes);

    return s->t->data != NULL ? MAAS_OK : maas_err_nomem(s->c->err);
}


/* Elements without a value are 0. */
static maas_status_t
sparse_numbers(const sparse_t *s)
{
    size_t    size = maas_dtype_size(s->t->dtype), bytes;
    int64_t   at = -1;

    if (maas_dtypes[s->t->dtype].block_elems != 1) {
        return maas_err(s->c->err, MAAS_EUNSUPPORTED, "%s is packed, which "
                        "is not served in sparse tensors",
                        maas_dtype_name(s->t->dtype));
    }

    if (!maas_dtype_bytes(s->t->dtype, s->count, &bytes)) {
        return maas_err(s->c->err, MAAS_EINVAL, "its shape overflows");
    }

    MAAS_TRY(sparse_room(s, bytes));

    for (int64_t i = 0; i < s->n; i++) {
        MAAS_TRY(sparse_next(s, i, &at));
        memcpy((char *) s->t->data + (size_t) at * size,
               (const char *) s->values.data + (size_t) i * size, size);
    }

    return MAAS_OK;
}


/* Elements without a value are "". */
static maas_status_t
sparse_strings(const sparse_t *s)
{
    char       *text;
    size_t      len, bytes;
    int64_t     at = -1, done = 0;
    uint32_t   *off;
    maas_str_t  v;

    len = s->values.bytes - ((size_t) s->n + 1) * sizeof(uint32_t);

    if (!maas_string_bytes(s->count, len, &bytes)) {
        return maas_err(s->c->err, MAAS_ELIMIT, "its text is too long");
    }

    MAAS_TRY(sparse_room(s, bytes));

    off = s->t->data;
    text = (char *) (off + s->count + 1);

    for (int64_t i = 0; i < s->n; i++) {
        MAAS_TRY(sparse_next(s, i, &at));

        for ( ; done < at; done++) {
            off[done + 1] = off[done];
        }

        v = maas_tensor_str(&s->values, i);
        memcpy(text + off[at], v.data, v.len);
        off[at + 1] = off[at] + (uint32_t) v.len;
        done = at + 1;
    }

    for ( ; done < s->count; done++) {
        off[done + 1] = off[done];
    }

    return MAAS_OK;
}


maas_status_t
maas_onnx_sparse(const onnx_ctx_t *c, const Onnx__SparseTensorProto *p,
    const char *what, maas_str_t name, maas_tensor_t *t)
{
    sparse_t       s = { .c = c, .t = t };
    maas_status_t  rc;

    memset(t, 0, sizeof(*t));

    if (p->values == NULL || p->indices == NULL) {
        return maas_err(c->err, MAAS_EINVAL, "sparse %s '%.*s' has no %s",
                        what, SHOW(name),
                        p->values == NULL ? "values" : "indices");
    }

    MAAS_TRY(maas_onnx_convert(c, p->values, "values of sparse", name,
                               &s.values));
    MAAS_TRY(maas_onnx_convert(c, p->indices, "indices of sparse", name,
                               &s.indices));

    t->dtype = s.values.dtype;
    rc = sparse_dims(&s, p);

    if (rc == MAAS_OK) {
        rc = t->dtype == MAAS_STRING ? sparse_strings(&s)
                                     : sparse_numbers(&s);
    }

    return rc == MAAS_OK ? rc : maas_err_prefix(c->err, "sparse %s '%.*s'",
                                                what, SHOW(name));
}
