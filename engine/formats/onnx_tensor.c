/*
 * onnx_tensor.c: TensorProto -> maas_tensor_t, from every form in which ONNX
 * stores numbers.  raw_data and external data stay where they are unless
 * they are misaligned for the dtype; all other forms are rewritten into the
 * arena.
 *
 * Ownership: data lies in the arena, the file's bytes or an external file.
 * Threads:   reentrant.
 * Format:    TensorProto in onnx.proto
 */

#include "formats/onnx_priv.h"


typedef struct {
    const onnx_ctx_t         *c;
    const Onnx__TensorProto  *p;
    const char               *what;
    maas_str_t                name;
    maas_tensor_t            *t;
    int64_t                   count;
} conv_t;


maas_dtype_t
maas_onnx_dtype(int64_t n)
{
    if (n < 0 || n >= MAAS_DTYPES || maas_dtypes[n].name == NULL) {
        return MAAS_NODTYPE;
    }

    return (maas_dtype_t) n;
}


maas_status_t
maas_onnx_str(const onnx_ctx_t *c, const ProtobufCBinaryData *b,
    maas_str_t *out)
{
    *out = maas_arena_str(c->arena, (const char *) b->data, b->len);

    return out->data != NULL ? MAAS_OK : maas_err_nomem(c->err);
}


#define conv_err(v, status, ...)                                              \
    (maas_err((v)->c->err, status, __VA_ARGS__), conv_prefix(v))


static maas_status_t
conv_prefix(const conv_t *v)
{
    return maas_err_prefix(v->c->err, "%s '%.*s'", v->what,
                           (int) maas_min(v->name.len, 120), v->name.data);
}


static maas_status_t
conv_count(const conv_t *v, size_t found)
{
    char  dims[MAAS_DIMS_TEXT];

    if ((uint64_t) v->count == found) {
        return MAAS_OK;
    }

    return conv_err(v, MAAS_EINVAL,
                    "%lld elements by its shape %s, but %zu in the data",
                    (long long) v->count,
                    maas_dims_text(dims, v->t->dims, v->t->rank), found);
}


const char *
maas_onnx_dtype_hint(int32_t type)
{
    return type == 14 || type == 15
               ? " (complex numbers); split them into two float tensors"
           : type >= 17 && type <= 20
               ? " (float8); export the model in float16 or float32"
           : type == 23
               ? " (float4); export the model in float16 or float32" : "";
}


static maas_status_t
conv_shape(conv_t *v)
{
    size_t                    bytes;
    maas_tensor_t            *t = v->t;
    const Onnx__TensorProto  *p = v->p;

    memset(t, 0, sizeof(*t));
    t->dtype = maas_onnx_dtype(p->data_type);

    if (t->dtype == MAAS_NODTYPE) {
        return conv_err(v, MAAS_EUNSUPPORTED, "data type %d is not served%s",
                        (int) p->data_type,
                        maas_onnx_dtype_hint(p->data_type));
    }

    if (p->n_dims > MAAS_RANK_MAX) {
        return conv_err(v, MAAS_EUNSUPPORTED, "it has %zu dimensions, at "
                        "most %d are served", p->n_dims, MAAS_RANK_MAX);
    }

    t->rank = (uint8_t) p->n_dims;

    for (int i = 0; i < t->rank; i++) {
        t->dims[i] = p->dims[i];

        if (t->dims[i] < 0) {
            return conv_err(v, MAAS_EINVAL, "dimension %d is %lld", i,
                            (long long) t->dims[i]);
        }
    }

    v->count = maas_dims_count(t->dims, t->rank);

    if (v->count < 0 || (t->dtype != MAAS_STRING
                         && !maas_dtype_bytes(t->dtype, v->count, &bytes)))
    {
        return conv_err(v, MAAS_EINVAL, "its shape overflows");
    }

    return MAAS_OK;
}


/* ONNX says nothing of bytes other than 0 and 1; here there are none. */
static maas_status_t
conv_bools(conv_t *v)
{
    uint8_t        *copy;
    const uint8_t  *p = v->t->data;

    for (int64_t i = 0; i < v->count; i++) {
        if (p[i] <= 1) {
            continue;
        }

        copy = maas_arena_dup(v->c->arena, p, v->count);
        if (copy == NULL) {
            return maas_err_nomem(v->c->err);
        }

        for ( ; i < v->count; i++) {
            copy[i] = copy[i] != 0;
        }

        v->t->data = copy;
    }

    return MAAS_OK;
}


/* Elements in so many bytes; the last of a packed type may be half full. */
static size_t
conv_elems(const conv_t *v, size_t bytes)
{
    size_t                   need;
    const maas_dtype_row_t  *row = &maas_dtypes[v->t->dtype];

    if (row->block_elems > 1 && maas_dtype_bytes(v->t->dtype, v->count, &need)
        && need == bytes)
    {
        return (size_t) v->count;
    }

    return bytes / row->block_bytes * row->block_elems;
}


/* Bytes as they lie in memory; they stay where they are, if they may. */
static maas_status_t
conv_bytes(conv_t *v, const uint8_t *p, size_t n)
{
    if ((uintptr_t) p % maas_dtype_size(v->t->dtype) != 0) {
        p = maas_arena_dup(v->c->arena, p, n);
        if (p == NULL) {
            return maas_err_nomem(v->c->err);
        }
    }

    v->t->data = (void *) p;
    v->t->bytes = n;

    return v->t->dtype == MAAS_BOOL ? conv_bools(v) : MAAS_OK;
}


static maas_status_t
conv_raw(conv_t *v, const onnx_extent_t *x)
{
    size_t  size = maas_dtype_size(v->t->dtype);

    if (size == 0) {
        return conv_err(v, MAAS_EINVAL, "strings cannot lie in raw_data");
    }

    if (x->len % size != 0) {
        return conv_err(v, MAAS_EINVAL, "%llu bytes of raw_data are no whole "
                        "number of %s elements", (unsigned long long) x->len,
                        maas_dtype_name(v->t->dtype));
    }

    MAAS_TRY(conv_count(v, conv_elems(v, x->len)));

    return conv_bytes(v, v->c->base + x->off, x->len);
}


static maas_status_t
conv_external(conv_t *v)
{
    size_t          bytes;
    const uint8_t  *p;

    if (!maas_dtype_bytes(v->t->dtype, v->count, &bytes)) {
        return conv_err(v, MAAS_EINVAL,
                        "strings cannot lie in an external file");
    }

    return maas_onnx_external(v->c, v->p, bytes, &p) == MAAS_OK
           ? conv_bytes(v, p, bytes) : conv_prefix(v);
}


static maas_status_t
conv_copy(conv_t *v, const void *p, size_t n)
{
    size_t  bytes;

    MAAS_TRY(conv_count(v, n));

    (void) maas_dtype_bytes(v->t->dtype, v->count, &bytes);

    v->t->data = maas_arena_dup(v->c->arena, p, bytes);
    v->t->bytes = bytes;

    return v->t->data != NULL ? MAAS_OK : maas_err_nomem(v->c->err);
}


/* int32_data: everything of at most 32 bits but float32 and uint32. */
static maas_status_t
conv_narrow(conv_t *v, const int32_t *p, size_t n)
{
    static const struct { int32_t min, max; } range[MAAS_DTYPES] = {
        [MAAS_U8] = { 0, UINT8_MAX }, [MAAS_I8] = { INT8_MIN, INT8_MAX },
        [MAAS_U16] = { 0, UINT16_MAX }, [MAAS_I16] = { INT16_MIN, INT16_MAX },
        [MAAS_BOOL] = { 0, 1 }, [MAAS_F16] = { 0, UINT16_MAX },
        [MAAS_BF16] = { 0, UINT16_MAX }, [MAAS_U4] = { INT8_MIN, UINT8_MAX },
        [MAAS_I4] = { INT8_MIN, UINT8_MAX }     /* two to an int32 */
    };
    size_t    size = maas_dtype_size(v->t->dtype);
    int32_t   min = range[v->t->dtype].min, max = range[v->t->dtype].max;
    uint8_t  *to;

    MAAS_TRY(conv_count(v, conv_elems(v, n * size)));

    to = maas_arena_array(v->c->arena, n, size);
    if (to == NULL) {
        return maas_err_nomem(v->c->err);
    }

    for (size_t i = 0; i < n; i++) {
        if (p[i] < min || p[i] > max) {
            return conv_err(v, MAAS_EINVAL,
                            "element %zu is %d, which does not fit %s", i,
                            (int) p[i], maas_dtype_name(v->t->dtype));
        }

        memcpy(to + i * size, &p[i], size);     /* little-endian */
    }

    v->t->data = to;
    v->t->bytes = n * size;
    return MAAS_OK;
}


static maas_status_t
conv_u32(conv_t *v, const uint64_t *p, size_t n)
{
    uint32_t  *to;

    MAAS_TRY(conv_count(v, n));

    to = maas_arena_array(v->c->arena, n, sizeof(uint32_t));
    if (to == NULL) {
        return maas_err_nomem(v->c->err);
    }

    for (size_t i = 0; i < n; i++) {
        if (p[i] > UINT32_MAX) {
            return conv_err(v, MAAS_EINVAL,
                            "element %zu does not fit uint32", i);
        }

        to[i] = (uint32_t) p[i];
    }

    v->t->data = to;
    v->t->bytes = n * sizeof(uint32_t);
    return MAAS_OK;
}


static maas_status_t
conv_strings(conv_t *v, const ProtobufCBinaryData *p, size_t n)
{
    char      *text;
    size_t     len = 0, bytes;
    uint32_t  *off;

    MAAS_TRY(conv_count(v, n));

    for (size_t i = 0; i < n; i++) {
        len += p[i].len;            /* bounded by the file's size */
    }

    if (!maas_string_bytes(v->count, len, &bytes)) {
        return conv_err(v, MAAS_ELIMIT, "its text is too long");
    }

    off = maas_arena_alloc(v->c->arena, bytes);
    if (off == NULL) {
        return maas_err_nomem(v->c->err);
    }

    text = (char *) (off + n + 1);

    for (size_t i = 0; i < n; i++) {
        if (p[i].len != 0) {
            memcpy(text + off[i], p[i].data, p[i].len);
        }

        off[i + 1] = off[i] + (uint32_t) p[i].len;
    }

    v->t->data = off;
    v->t->bytes = bytes;
    return MAAS_OK;
}


static maas_status_t
conv_typed(conv_t *v)
{
    const Onnx__TensorProto  *p = v->p;

    switch (v->t->dtype) {

    case MAAS_F32:
        return conv_copy(v, p->float_data, p->n_float_data);

    case MAAS_I32:
        return conv_copy(v, p->int32_data, p->n_int32_data);

    case MAAS_I64:
        return conv_copy(v, p->int64_data, p->n_int64_data);

    case MAAS_F64:
        return conv_copy(v, p->double_data, p->n_double_data);

    case MAAS_U64:
        return conv_copy(v, p->uint64_data, p->n_uint64_data);

    case MAAS_U32:
        return conv_u32(v, p->uint64_data, p->n_uint64_data);

    case MAAS_STRING:
        return conv_strings(v, p->string_data, p->n_string_data);

    default:
        return conv_narrow(v, p->int32_data, p->n_int32_data);
    }
}


maas_status_t
maas_onnx_convert(const onnx_ctx_t *c, const Onnx__TensorProto *p,
    const char *what, maas_str_t name, maas_tensor_t *t)
{
    size_t         typed;
    conv_t         v = { .c = c, .p = p, .what = what, .name = name, .t = t };
    onnx_extent_t  x = { 0, 0 };

    MAAS_TRY(conv_shape(&v));

    if (p->segment != NULL) {
        return conv_err(&v, MAAS_EUNSUPPORTED, "segments are not served");
    }

    typed = p->n_float_data + p->n_int32_data + p->n_int64_data
            + p->n_double_data + p->n_uint64_data + p->n_string_data;

    if (p->has_raw_data) {
        memcpy(&x, p->raw_data.data, sizeof(x));
    }

    if (x.len != 0 && typed != 0) {
        return conv_err(&v, MAAS_EINVAL,
                        "its data is given twice, raw and typed");
    }

    if (p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        return x.len != 0 || typed != 0
               ? conv_err(&v, MAAS_EINVAL, "its data is given twice, here "
                          "and in an external file")
               : conv_external(&v);
    }

    return x.len != 0 ? conv_raw(&v, &x) : conv_typed(&v);
}


maas_status_t
maas_onnx_tensor(const void *p, size_t n, maas_arena_t *a, maas_tensor_t *t,
    maas_str_t *name, maas_err_t *err)
{
    maas_err_t                local;
    onnx_ctx_t                c = { .arena = a, .base = p, .size = n,
                                    .err = err != NULL ? err : &local };
    maas_str_t                title;
    maas_status_t             rc;
    onnx_message_t            m;
    const Onnx__TensorProto  *tp;

    rc = maas_onnx_unpack(&m, &c, &onnx__tensor_proto__descriptor);

    if (rc != MAAS_OK) {
        return rc == MAAS_ENOMEM ? rc : maas_err_prefix(c.err, "not a tensor "
                                        "(TensorProto), perhaps a sequence");
    }

    tp = (const Onnx__TensorProto *) m.msg;

    if (tp->segment != NULL || !tp->has_data_type) {
        /* A SequenceProto has its elements where a segment would be. */
        rc = maas_err(c.err, MAAS_EUNSUPPORTED, "not a tensor (TensorProto)%s",
                      tp->segment != NULL ? ": it looks like a sequence"
                                          : ": it names no data type");

    } else {
        rc = maas_onnx_convert(&c, tp, "tensor", onnx_str(&tp->name), t);

        /* A name where packed dims would be: an empty sequence, or none. */
        if (rc != MAAS_OK && rc != MAAS_ENOMEM && c.base[0] == 0x0a) {
            rc = maas_err_prefix(c.err, "not a tensor (TensorProto), perhaps "
                                        "a sequence");
        }
    }

    if (rc == MAAS_OK) {
        rc = maas_onnx_str(&c, &tp->name, &title);
        if (name != NULL) {
            *name = title;
        }
    }

    maas_onnx_free(&m);
    return rc;
}
