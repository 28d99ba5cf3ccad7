/*
 * NumPy's .npy files, versions 1 and 2: a magic, a length, a Python literal
 * {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } and the data.
 * The literal is read by a small scanner that knows just these three keys.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * Ownership: the view points into the caller's bytes.
 * Threads:   reentrant.
 */

#include "tensor/tensor.h"


#define NPY_MAGIC       "\x93NUMPY"
#define NPY_MAGIC_LEN   6
#define NPY_HEADER_MAX  (64 * 1024)


typedef struct {
    maas_npy_t  *npy;
    unsigned     seen;
} npy_header_t;

enum { NPY_DESCR = 1, NPY_ORDER = 2, NPY_SHAPE = 4 };


static void
npy_space(maas_reader_t *r)
{
    while (r->pos < r->end
           && (*r->pos == ' ' || *r->pos == '\n' || *r->pos == '\t'))
    {
        r->pos++;
    }
}


/* Skips white space; takes c if it is next. */
static bool
npy_take(maas_reader_t *r, char c)
{
    npy_space(r);

    if (r->pos < r->end && *r->pos == (uint8_t) c) {
        r->pos++;
        return true;
    }

    return false;
}


static bool
npy_word(maas_reader_t *r, const char *word)
{
    size_t  n = strlen(word);

    npy_space(r);

    if (maas_reader_left(r) >= n && memcmp(r->pos, word, n) == 0) {
        r->pos += n;
        return true;
    }

    return false;
}


static bool
npy_string(maas_reader_t *r, maas_str_t *s)
{
    char            quote;
    const uint8_t  *start;

    npy_space(r);

    if (r->pos == r->end || (*r->pos != '\'' && *r->pos != '"')) {
        return false;
    }

    quote = (char) *r->pos++;
    start = r->pos;

    while (r->pos < r->end && *r->pos != (uint8_t) quote) {
        r->pos++;
    }

    s->data = (const char *) start;
    s->len = (size_t) (r->pos - start);

    return npy_take(r, quote);
}


static bool
npy_int(maas_reader_t *r, int64_t *v)
{
    const uint8_t  *start;

    npy_space(r);
    start = r->pos;
    *v = 0;

    while (r->pos < r->end && *r->pos >= '0' && *r->pos <= '9') {
        if (!maas_mul_i64(*v, 10, v)
            || __builtin_add_overflow(*v, (int64_t) (*r->pos - '0'), v))
        {
            return false;
        }

        r->pos++;
    }

    return r->pos != start;
}


static maas_status_t
npy_shape(maas_reader_t *r, npy_header_t *h, maas_err_t *err)
{
    int64_t  dim;

    if (!npy_take(r, '(')) {
        return maas_err(err, MAAS_EINVAL, "npy: 'shape' is not a tuple");
    }

    while (!npy_take(r, ')')) {

        if (h->npy->rank == MAAS_RANK_MAX) {
            return maas_err(err, MAAS_EUNSUPPORTED,
                            "npy: more than %d dimensions", MAAS_RANK_MAX);
        }

        if (!npy_int(r, &dim)) {
            return maas_err(err, MAAS_EINVAL,
                            "npy: dimension %d of 'shape' is not a "
                            "non-negative 64-bit integer", h->npy->rank);
        }

        h->npy->dims[h->npy->rank++] = dim;

        if (!npy_take(r, ',')) {
            if (npy_take(r, ')')) {
                break;
            }

            return maas_err(err, MAAS_EINVAL,
                            "npy: 'shape' is not closed behind dimension %d",
                            h->npy->rank - 1);
        }
    }

    h->seen |= NPY_SHAPE;
    return MAAS_OK;
}


static maas_status_t
npy_pair(maas_reader_t *r, npy_header_t *h, maas_err_t *err)
{
    maas_str_t  key;

    if (!npy_string(r, &key) || !npy_take(r, ':')) {
        return maas_err(err, MAAS_EINVAL,
                        "npy: the header is not a dictionary of strings");
    }

    if (maas_str_is(key, "shape") && !(h->seen & NPY_SHAPE)) {
        return npy_shape(r, h, err);
    }

    if (maas_str_is(key, "descr") && !(h->seen & NPY_DESCR)) {
        if (!npy_string(r, &h->npy->descr)) {
            return maas_err(err, MAAS_EUNSUPPORTED,
                            "npy: 'descr' is not a plain type");
        }

        h->seen |= NPY_DESCR;
        return MAAS_OK;
    }

    if (maas_str_is(key, "fortran_order") && !(h->seen & NPY_ORDER)) {
        h->npy->fortran = npy_word(r, "True");
        h->seen |= NPY_ORDER;

        if (h->npy->fortran || npy_word(r, "False")) {
            return MAAS_OK;
        }

        return maas_err(err, MAAS_EINVAL,
                        "npy: 'fortran_order' is neither True nor False");
    }

    return maas_err(err, MAAS_EINVAL,
                    "npy: unknown or repeated header key '%.*s'",
                    (int) maas_min(key.len, 32), key.data);
}


static maas_status_t
npy_header(maas_reader_t *r, npy_header_t *h, maas_err_t *err)
{
    if (!npy_take(r, '{')) {
        return maas_err(err, MAAS_EINVAL,
                        "npy: the header does not start with '{'");
    }

    while (!npy_take(r, '}')) {
        MAAS_TRY(npy_pair(r, h, err));

        if (!npy_take(r, ',')) {
            if (npy_take(r, '}')) {
                break;
            }

            return maas_err(err, MAAS_EINVAL,
                            "npy: ',' or '}' expected in the header");
        }
    }

    npy_space(r);

    if (r->pos != r->end) {
        return maas_err(err, MAAS_EINVAL,
                        "npy: %zu bytes behind the header's '}'",
                        maas_reader_left(r));
    }

    if (h->seen != (NPY_DESCR | NPY_ORDER | NPY_SHAPE)) {
        return maas_err(err, MAAS_EINVAL, "npy: the header lacks '%s'",
                        !(h->seen & NPY_DESCR) ? "descr"
                        : !(h->seen & NPY_ORDER) ? "fortran_order" : "shape");
    }

    return MAAS_OK;
}


/* Magic, version and length; the reader is left at the data. */
static maas_status_t
npy_open(maas_reader_t *r, maas_reader_t *header, maas_err_t *err)
{
    size_t          len;
    uint8_t         major;
    const uint8_t  *p;

    p = maas_read_bytes(r, NPY_MAGIC_LEN);
    if (p == NULL || memcmp(p, NPY_MAGIC, NPY_MAGIC_LEN) != 0) {
        return maas_err(err, MAAS_EINVAL,
                        "npy: the file does not start with \\x93NUMPY");
    }

    major = maas_read_u8(r);
    maas_read_u8(r);

    if (!r->failed && major != 1 && major != 2) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "npy: version %u; 1 and 2 are read", major);
    }

    len = major == 1 ? maas_read_u16(r) : maas_read_u32(r);

    if (len > NPY_HEADER_MAX) {
        return maas_err(err, MAAS_ELIMIT,
                        "npy: the header has %zu bytes; at most %d", len,
                        NPY_HEADER_MAX);
    }

    p = maas_read_bytes(r, len);
    if (p == NULL) {
        return maas_err(err, MAAS_ETRUNC,
                        "npy: the file ends inside the header");
    }

    maas_reader_init(header, p, len);
    return MAAS_OK;
}


maas_status_t
maas_npy_open(const void *p, size_t n, maas_npy_t *npy, maas_err_t *err)
{
    npy_header_t   h = { npy, 0 };
    maas_reader_t  r, header;

    memset(npy, 0, sizeof(*npy));
    maas_reader_init(&r, p, n);

    MAAS_TRY(npy_open(&r, &header, err));
    MAAS_TRY(npy_header(&header, &h, err));

    npy->data = r.pos;
    npy->bytes = maas_reader_left(&r);
    return MAAS_OK;
}


maas_status_t
maas_npy_view(const void *p, size_t n, maas_tensor_t *t, bool *fortran,
    maas_err_t *err)
{
    size_t          bytes;
    int64_t         count;
    maas_npy_t      h;
    maas_dtype_t    dtype;
    const uint8_t  *data;

    memset(t, 0, sizeof(*t));
    MAAS_TRY(maas_npy_open(p, n, &h, err));

    dtype = maas_dtype_by_npy(h.descr);
    if (dtype == MAAS_NODTYPE) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "npy: type '%.*s' is not read (little-endian numbers "
                        "and bool are)", (int) maas_min(h.descr.len, 32),
                        h.descr.data);
    }

    count = maas_dims_count(h.dims, h.rank);
    if (count < 0 || !maas_dtype_bytes(dtype, count, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "npy: the shape is too large");
    }

    if (h.bytes != bytes) {
        return maas_err(err, MAAS_ETRUNC,
                        "npy: the shape needs %zu bytes of data, the file "
                        "has %zu", bytes, h.bytes);
    }

    data = h.data;

    for (size_t i = 0; dtype == MAAS_BOOL && i < bytes; i++) {
        if (data[i] > 1) {
            return maas_err(err, MAAS_EINVAL,
                            "npy: bool element %zu is %u, not 0 or 1", i,
                            data[i]);
        }
    }

    t->data = (void *) (uintptr_t) data;
    t->bytes = bytes;
    t->dtype = (uint8_t) dtype;
    t->rank = (uint8_t) h.rank;
    memcpy(t->dims, h.dims, sizeof(t->dims));

    /* One dimension has one order. */
    *fortran = h.fortran && h.rank > 1 && count > 1;

    return MAAS_OK;
}


maas_status_t
maas_npy_read(const void *p, size_t n, maas_tensor_t *t, maas_err_t *err)
{
    bool  fortran;

    MAAS_TRY(maas_npy_view(p, n, t, &fortran, err));

    if (fortran) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "npy: Fortran order; save with order='C'");
    }

    if ((uintptr_t) t->data % maas_dtype_size(t->dtype) != 0 && t->bytes != 0)
    {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "npy: the data is not aligned to its items");
    }

    return MAAS_OK;
}


static void
npy_write_header(maas_buf_t *b, const char *descr, const maas_tensor_t *t)
{
    maas_buf_printf(b, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                    descr);

    for (int i = 0; i < t->rank; i++) {
        maas_buf_printf(b, "%lld,%s", (long long) t->dims[i],
                        i + 1 < t->rank ? " " : "");
    }

    maas_buf_puts(b, "), }");
}


/*
 * bfloat16 is written as float32: the format has no name for it.  Strings
 * have no fixed width and are refused.
 */
maas_status_t
maas_npy_head(maas_buf_t *b, const maas_tensor_t *t, maas_err_t *err)
{
    char        *p;
    size_t       start, len, pad;
    const char  *descr;

    descr = t->dtype == MAAS_BF16 ? "<f4" : maas_dtypes[t->dtype].npy;
    if (descr == NULL) {
        return maas_err(err, MAAS_EUNSUPPORTED, "npy: %s can't be written",
                        maas_dtype_name(t->dtype));
    }

    start = b->len;
    maas_buf_add(b, NPY_MAGIC "\1\0\0\0", NPY_MAGIC_LEN + 4);
    npy_write_header(b, descr, t);

    len = b->len - start;
    pad = maas_align(len + 1, 64) - len;
    p = maas_buf_reserve(b, pad);

    if (p == NULL) {
        return maas_err_nomem(err);
    }

    memset(p, ' ', pad - 1);
    p[pad - 1] = '\n';
    b->len += pad;
    len = b->len - start - NPY_MAGIC_LEN - 4;
    b->data[start + 8] = (char) (len & 255);
    b->data[start + 9] = (char) (len >> 8);

    return MAAS_OK;
}


maas_status_t
maas_npy_write(maas_buf_t *b, const maas_tensor_t *t, maas_err_t *err)
{
    int64_t          n;
    const uint16_t  *half;

    MAAS_TRY(maas_npy_head(b, t, err));

    if (t->dtype == MAAS_BF16) {
        half = t->data;
        n = maas_tensor_count(t);

        for (int64_t i = 0; i < n; i++) {
            float  f = maas_bf16_to_f32(half[i]);

            maas_buf_add(b, &f, sizeof(f));
        }

    } else if (t->bytes != 0) {
        maas_buf_add(b, t->data, t->bytes);
    }

    return b->failed ? maas_err_nomem(err) : MAAS_OK;
}
