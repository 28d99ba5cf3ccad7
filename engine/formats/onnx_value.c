/*
 * onnx_value.c: SequenceProto and OptionalProto, in which test cases keep
 * values that are no tensors.  The fields are few: they are walked with the
 * bounded reader, and each tensor is read as such.
 *
 * Ownership: what is read lies in the arena.
 * Threads:   reentrant.
 * Format:    https://github.com/onnx/onnx/blob/main/onnx/onnx-data.proto
 */

#include "formats/onnx.h"


enum {
    SEQUENCE_TENSOR = 3,        /* field numbers */
    OPTIONAL_TENSOR = 3,
    OPTIONAL_SEQUENCE = 5
};

typedef struct {
    uint32_t     id;
    const void  *data;          /* of a field with a length, else NULL */
    size_t       len;
} value_field_t;


/* The next field; false at the end. */
static bool
value_next(maas_reader_t *r, value_field_t *f)
{
    uint64_t  key;

    if (maas_reader_left(r) == 0) {
        return false;
    }

    key = maas_read_varint(r);
    f->id = (uint32_t) (key >> 3);
    f->data = NULL;
    f->len = 0;

    switch (key & 7) {
    case 0:
        (void) maas_read_varint(r);
        break;
    case 1:
        (void) maas_read_bytes(r, 8);
        break;
    case 2:
        f->len = (size_t) maas_read_varint(r);
        f->data = maas_read_bytes(r, f->len);
        break;
    case 5:
        (void) maas_read_bytes(r, 4);
        break;
    default:
        r->failed = true;
    }

    return !r->failed;
}


static maas_status_t
value_bad(maas_err_t *err)
{
    return maas_err(err, MAAS_ETRUNC, "the bytes are no SequenceProto or "
                    "OptionalProto");
}


static maas_status_t
value_sequence(const void *p, size_t n, maas_arena_t *a, maas_items_t *l,
    maas_err_t *err)
{
    uint32_t       count = 0;
    maas_reader_t  r;
    value_field_t  f;

    maas_reader_init(&r, p, n);

    while (value_next(&r, &f)) {
        count += f.id == SEQUENCE_TENSOR;
    }

    if (r.failed || count > MAAS_ITEMS_MAX) {
        return value_bad(err);
    }

    l->item = maas_arena_array(a, maas_max(count, 1u),
                               sizeof(maas_tensor_t));
    if (l->item == NULL) {
        return maas_err_nomem(err);
    }

    maas_reader_init(&r, p, n);

    while (value_next(&r, &f)) {
        if (f.id == SEQUENCE_TENSOR) {
            MAAS_TRY(maas_onnx_tensor(f.data, f.len, a, &l->item[l->n++],
                                      NULL, err));
        }
    }

    return MAAS_OK;
}


static maas_status_t
value_optional(const void *p, size_t n, maas_arena_t *a, maas_items_t *l,
    maas_err_t *err)
{
    maas_reader_t  r;
    value_field_t  f;

    maas_reader_init(&r, p, n);

    while (value_next(&r, &f)) {
        if (f.id == OPTIONAL_SEQUENCE) {
            l->has = true;
            l->inner = MAAS_KIND_SEQUENCE;
            MAAS_TRY(value_sequence(f.data, f.len, a, l, err));

        } else if (f.id == OPTIONAL_TENSOR) {
            l->has = true;
            l->n = 1;
            l->item = maas_arena_array(a, 1, sizeof(maas_tensor_t));
            if (l->item == NULL) {
                return maas_err_nomem(err);
            }

            MAAS_TRY(maas_onnx_tensor(f.data, f.len, a, l->item, NULL, err));
        }
    }

    return r.failed ? value_bad(err) : MAAS_OK;
}


maas_status_t
maas_onnx_value(const void *p, size_t n, maas_kind_t kind, maas_arena_t *a,
    maas_tensor_t *t, maas_err_t *err)
{
    maas_items_t  *l;

    if (kind == MAAS_KIND_TENSOR) {
        return maas_onnx_tensor(p, n, a, t, NULL, err);
    }

    if (kind != MAAS_KIND_SEQUENCE && kind != MAAS_KIND_OPTIONAL) {
        return maas_err(err, MAAS_EUNSUPPORTED, "a %s is not read from a "
                        "file", maas_kind_name(kind));
    }

    l = maas_arena_array(a, 1, sizeof(*l));
    if (l == NULL) {
        return maas_err_nomem(err);
    }

    l->kind = (uint8_t) kind;

    MAAS_TRY(kind == MAAS_KIND_SEQUENCE ? value_sequence(p, n, a, l, err)
                                        : value_optional(p, n, a, l, err));

    memset(t, 0, sizeof(*t));
    t->format = MAAS_FMT_ITEMS;
    t->rank = 1;
    t->dims[0] = l->n;
    t->dtype = l->n != 0 ? l->item[0].dtype : MAAS_NODTYPE;
    t->data = l;

    return MAAS_OK;
}
