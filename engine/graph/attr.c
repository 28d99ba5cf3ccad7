/*
 * attr.c: attributes of a node -> the operator's struct, which has no
 * pointers: lists lie behind it, on 16-byte boundaries, so that the struct
 * can be mapped with the image.  Unknown and bad attributes are refused.
 *
 * Ownership: the struct lies in the arena given.
 * Threads:   reentrant.
 */

#include "graph/import.h"


#define ATTR_ALIGN  16

_Static_assert(sizeof(maas_attr_tensor_t) % ATTR_ALIGN == 0, "tensor data");

typedef struct {
    char    *base;
    size_t   len;
} attr_out_t;


static const char *const  attr_types[] = {
    "nothing", "a float", "an int", "a string", "a tensor", "a graph",
    "a list of floats", "a list of ints", "a list of strings"
};


static const maas_attr_row_t *
attr_row(const maas_op_t *op, maas_str_t name)
{
    for (int i = 0; i < op->n_attr; i++) {
        if (maas_str_is(name, op->attr[i].name)) {
            return &op->attr[i];
        }
    }

    return NULL;
}


static maas_status_t
attr_unknown(const maas_op_t *op, maas_str_t name, maas_err_t *err)
{
    char         text[300], near[MAAS_NEAR_TEXT];
    size_t       len = 0;
    maas_near_t  m = { .word = name };

    text[0] = '\0';

    for (int i = 0; i < op->n_attr; i++) {

        /* what upgrade() alone may write */
        if (strncmp(op->attr[i].name, "maas_", 5) == 0) {
            continue;
        }

        maas_near(&m, (maas_str_t) { op->attr[i].name,
                                     strlen(op->attr[i].name) });

        if (len + strlen(op->attr[i].name) + 3 > sizeof(text)) {
            break;
        }

        if (len != 0) {
            memcpy(text + len, ", ", 3);
            len += 2;
        }

        strcpy(text + len, op->attr[i].name);
        len += strlen(op->attr[i].name);
    }

    return maas_err(err, MAAS_EINVAL, "attribute '%.*s' is not known; %s%s%s",
                    IMP_SHOW(name), op->n_attr ? "known: " : "it has none",
                    text, maas_near_text(&m, near));
}


static maas_status_t
attr_word(const maas_attr_row_t *row, maas_str_t s, int64_t *out,
    maas_err_t *err)
{
    char    text[300];
    size_t  len = 0;

    text[0] = '\0';

    for (int64_t i = 0; row->words[i] != NULL; i++) {
        if (maas_str_is(s, row->words[i])) {
            *out = i;
            return MAAS_OK;
        }

        if (len + strlen(row->words[i]) + 3 <= sizeof(text)) {
            if (len != 0) {
                memcpy(text + len, ", ", 3);
                len += 2;
            }

            strcpy(text + len, row->words[i]);
            len += strlen(row->words[i]);
        }
    }

    return maas_err(err, MAAS_EINVAL, "attribute '%s' is '%.*s'; expected "
                    "one of %s", row->name, IMP_SHOW(s), text);
}


static bool
attr_is_list(int type)
{
    return type == MAAS_ATTR_FLOATS || type == MAAS_ATTR_INTS
           || type == MAAS_ATTR_STRINGS;
}


static maas_status_t
attr_check(const maas_op_t *op, const maas_raw_attr_t *raw, uint32_t n,
    bool *seen, maas_err_t *err)
{
    const maas_attr_row_t  *row;

    for (uint32_t i = 0; i < n; i++) {
        row = attr_row(op, raw[i].name);
        if (row == NULL) {
            return attr_unknown(op, raw[i].name, err);
        }

        if (seen[row - op->attr]) {
            return maas_err(err, MAAS_EINVAL, "attribute '%s' is given twice",
                            row->name);
        }

        seen[row - op->attr] = true;

        /* Exporters don't know the type of an empty list. */
        if (raw[i].type != row->type
            && !(attr_is_list(raw[i].type) && attr_is_list(row->type)
                 && raw[i].n == 0))
        {
            return maas_err(err, MAAS_EINVAL, "attribute '%s' is %s; %s is "
                            "expected", row->name, attr_types[raw[i].type],
                            attr_types[row->type]);
        }
    }

    for (int i = 0; i < op->n_attr; i++) {
        if (op->attr[i].required && !seen[i]) {
            return maas_err(err, MAAS_EINVAL,
                            "attribute '%s' is required (%s)",
                            op->attr[i].name, attr_types[op->attr[i].type]);
        }
    }

    return MAAS_OK;
}


/* Bytes behind the struct; false on overflow. */
static bool
attr_tail(const maas_attr_row_t *row, const maas_raw_attr_t *a, size_t *bytes)
{
    size_t  n = 0;

    switch (row->type) {

    case MAAS_ATTR_STRING:
        n = row->words != NULL ? 0 : a->s.len;
        break;

    case MAAS_ATTR_TENSOR:
        n = sizeof(maas_attr_tensor_t) + a->t.bytes;
        break;

    case MAAS_ATTR_FLOATS:
        n = a->n * sizeof(float);
        break;

    case MAAS_ATTR_INTS:
        n = a->n * sizeof(int64_t);
        break;

    case MAAS_ATTR_STRINGS:
        n = a->n * 2 * sizeof(uint32_t);

        for (size_t i = 0; i < a->n; i++) {
            n += a->strings[i].len;
        }

        break;
    }

    *bytes += maas_align(n, ATTR_ALIGN);

    return n <= UINT32_MAX && *bytes <= UINT32_MAX - ATTR_ALIGN;
}


static void *
attr_list(attr_out_t *o, size_t off, uint32_t n, size_t bytes)
{
    char         *p = o->base + o->len;
    maas_list_t   l = { n, (uint32_t) o->len };

    memcpy(o->base + off, &l, sizeof(l));
    o->len += maas_align(bytes, ATTR_ALIGN);

    return p;
}


static void
attr_copy(attr_out_t *o, size_t off, const void *p, size_t n, size_t size)
{
    void  *to;

    if (n != 0) {
        to = attr_list(o, off, (uint32_t) n, n * size);
        memcpy(to, p, n * size);
    }
}


static void
attr_put_tensor(attr_out_t *o, size_t off, const maas_tensor_t *t)
{
    maas_attr_tensor_t  *h;

    h = attr_list(o, off, 1, sizeof(*h) + t->bytes);
    h->dtype = t->dtype;
    h->rank = t->rank;
    h->bytes = t->bytes;
    memcpy(h->dims, t->dims, sizeof(h->dims));

    if (t->bytes != 0) {
        memcpy(h + 1, t->data, t->bytes);
    }
}


static void
attr_put_strings(attr_out_t *o, size_t off, const maas_raw_attr_t *a)
{
    char      *text;
    size_t     bytes = a->n * 2 * sizeof(uint32_t);
    uint32_t  *pair;

    if (a->n == 0) {
        return;
    }

    for (size_t i = 0; i < a->n; i++) {
        bytes += a->strings[i].len;
    }

    pair = attr_list(o, off, (uint32_t) a->n, bytes);
    text = (char *) (pair + 2 * a->n);

    for (size_t i = 0; i < a->n; i++) {
        pair[2 * i] = (uint32_t) (text - o->base);
        pair[2 * i + 1] = (uint32_t) a->strings[i].len;

        if (a->strings[i].len != 0) {
            memcpy(text, a->strings[i].data, a->strings[i].len);
            text += a->strings[i].len;
        }
    }
}


static maas_status_t
attr_put(attr_out_t *o, const maas_attr_row_t *row, const maas_raw_attr_t *a,
    maas_err_t *err)
{
    int64_t  v = a->i;

    switch (row->type) {

    case MAAS_ATTR_INT:
        if (row->max > row->min && (v < row->min || v > row->max)) {
            return maas_err(err, MAAS_EINVAL, "attribute '%s' is %lld; %lld "
                            "to %lld is expected", row->name, (long long) v,
                            (long long) row->min, (long long) row->max);
        }

        memcpy(o->base + row->off, &v, sizeof(v));
        break;

    case MAAS_ATTR_FLOAT:
        memcpy(o->base + row->off, &a->f, sizeof(a->f));
        break;

    case MAAS_ATTR_STRING:
        if (row->words != NULL) {
            MAAS_TRY(attr_word(row, a->s, &v, err));
            memcpy(o->base + row->off, &v, sizeof(v));

        } else if (a->s.len != 0) {
            attr_copy(o, row->off, a->s.data, a->s.len, 1);

        } else {
            /* Given and empty: n is 0, off is not. */
            (void) attr_list(o, row->off, 0, 0);
        }

        break;

    case MAAS_ATTR_TENSOR:
        attr_put_tensor(o, row->off, &a->t);
        break;

    case MAAS_ATTR_FLOATS:
        attr_copy(o, row->off, a->floats, a->n, sizeof(float));
        break;

    case MAAS_ATTR_INTS:
        attr_copy(o, row->off, a->ints, a->n, sizeof(int64_t));
        break;

    case MAAS_ATTR_STRINGS:
        attr_put_strings(o, row->off, a);
        break;
    }

    return MAAS_OK;
}


static void
attr_defaults(char *base, const maas_op_t *op)
{
    const maas_attr_row_t  *row;

    for (int i = 0; i < op->n_attr; i++) {
        row = &op->attr[i];

        if (row->type == MAAS_ATTR_INT
            || (row->type == MAAS_ATTR_STRING && row->words != NULL))
        {
            memcpy(base + row->off, &row->i, sizeof(row->i));

        } else if (row->type == MAAS_ATTR_FLOAT) {
            memcpy(base + row->off, &row->f, sizeof(row->f));
        }
    }
}


maas_status_t
maas_attr_parse(maas_arena_t *a, const maas_op_t *op,
    const maas_raw_attr_t *raw, uint32_t n, void **attr, uint32_t *bytes,
    maas_err_t *err)
{
    bool        seen[UINT8_MAX] = { false };
    size_t      size = maas_align(op->attr_size, ATTR_ALIGN);
    attr_out_t  o;

    *attr = NULL;
    *bytes = 0;

    MAAS_TRY(attr_check(op, raw, n, seen, err));

    if (op->attr_size == 0) {
        return MAAS_OK;
    }

    o.len = size;

    for (uint32_t i = 0; i < n; i++) {
        if (!attr_tail(attr_row(op, raw[i].name), &raw[i], &size)) {
            return maas_err(err, MAAS_ELIMIT, "attribute '%.*s' is too large",
                            IMP_SHOW(raw[i].name));
        }
    }

    o.base = maas_arena_alloc(a, size);
    if (o.base == NULL) {
        return maas_err_nomem(err);
    }

    attr_defaults(o.base, op);

    for (uint32_t i = 0; i < n; i++) {
        MAAS_TRY(attr_put(&o, attr_row(op, raw[i].name), &raw[i], err));
    }

    *attr = o.base;
    *bytes = (uint32_t) size;
    return MAAS_OK;
}


maas_status_t
maas_strings_tensor(maas_arena_t *a, const maas_str_t *s, size_t n,
    bool scalar, maas_tensor_t *t, maas_err_t *err)
{
    char      *text;
    size_t     len = 0, bytes;
    uint32_t  *off;

    for (size_t i = 0; i < n; i++) {
        len += s[i].len;
    }

    if (!maas_string_bytes((int64_t) n, len, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "its text is too long");
    }

    off = maas_arena_alloc(a, bytes);
    if (off == NULL) {
        return maas_err_nomem(err);
    }

    text = (char *) (off + n + 1);

    for (size_t i = 0; i < n; i++) {
        if (s[i].len != 0) {
            memcpy(text + off[i], s[i].data, s[i].len);
        }

        off[i + 1] = off[i] + (uint32_t) s[i].len;
    }

    memset(t, 0, sizeof(*t));
    t->dtype = MAAS_STRING;
    t->rank = scalar ? 0 : 1;
    t->dims[0] = scalar ? 0 : (int64_t) n;
    t->data = off;
    t->bytes = bytes;
    return MAAS_OK;
}
