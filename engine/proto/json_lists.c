/*
 * json_lists.c: sequences, maps and optionals out of JSON: a list of tensors,
 * an object, a value or null.  Keys that are integers are written as decimal
 * strings, for JSON has no others.
 *
 * Ownership: lists of items lie in the arena; the memory of tensors goes to
 *            adopt(), which frees it where it fails.
 * Threads:   reentrant.
 */

#include <stdlib.h>

#include "graph/raw.h"
#include "proto/json.h"


static uint64_t
lists_left(const maas_json_list_t *l)
{
    return l->seen < l->limit ? l->limit - l->seen : 0;
}


static maas_status_t
lists_builder(const maas_json_list_t *l, maas_json_tensor_t *b, uint8_t dtype,
    maas_err_t *err)
{
    memset(b, 0, sizeof(*b));
    b->host = l->host;
    b->dtype = dtype;
    b->limit = lists_left(l);
    b->expect = -1;
    b->b64 = true;

    return maas_json_tensor_init(b, 8, err);
}


static maas_status_t
lists_done(maas_json_list_t *l, maas_json_tensor_t *b, maas_tensor_t *t,
    maas_err_t *err)
{
    void  *block;

    l->seen += (uint64_t) b->n;
    MAAS_TRY(maas_json_tensor_done(b, t, &block, err));

    return l->adopt(l->ctx, block, err);
}


static maas_status_t
lists_tensor(maas_json_list_t *l, maas_json_t *j, maas_tensor_t *t)
{
    maas_status_t       rc;
    maas_json_tensor_t  b;

    MAAS_TRY(lists_builder(l, &b, l->dtype, j->err));

    rc = maas_json_tensor_read(&b, j, false);

    if (rc == MAAS_OK) {
        rc = lists_done(l, &b, t, j->err);
    }

    maas_json_tensor_destroy(&b);
    return rc;
}


static maas_status_t
lists_sequence(maas_json_list_t *l, maas_json_t *j, maas_items_t *items)
{
    bool            more, first = true;
    uint32_t        cap = 0;
    maas_tensor_t  *grown;

    if (maas_json_peek(j) != '[') {
        return maas_json_fail(j, "%s where a sequence, a list of tensors, "
                              "is expected", maas_json_what(j));
    }

    for ( ;; ) {
        MAAS_TRY(maas_json_item(j, &first, &more));

        if (!more) {
            return MAAS_OK;
        }

        if (items->n == MAAS_ITEMS_MAX) {
            return maas_err(j->err, MAAS_ELIMIT, "a sequence of more than %d "
                            "tensors", MAAS_ITEMS_MAX);
        }

        if (items->n == cap) {
            cap = maas_max(2 * cap, 8u);
            grown = maas_arena_array(l->arena, cap, sizeof(*grown));
            if (grown == NULL) {
                return maas_err_nomem(j->err);
            }

            if (items->n != 0) {
                memcpy(grown, items->item, items->n * sizeof(*grown));
            }

            items->item = grown;
        }

        if (lists_tensor(l, j, &items->item[items->n]) != MAAS_OK) {
            return maas_err_prefix(j->err, "item %u", items->n);
        }

        items->n++;
    }
}


/* -- maps ---------------------------------------------------------------- */

static maas_status_t
lists_key(maas_json_tensor_t *b, maas_str_t key, maas_err_t *err)
{
    maas_json_t  j;

    if (b->dtype == MAAS_STRING) {
        b->rank = 1;
        b->dims[0] = -1;
        b->count[1]++;
        return maas_json_tensor_string(b, key, err);
    }

    maas_json_init(&j, key.data, key.len, err);

    if (maas_json_tensor_read(b, &j, true) != MAAS_OK
        || maas_json_end(&j) != MAAS_OK || b->rank != 1)
    {
        return maas_err(err, MAAS_EINVAL, "key \"%.*s\": the keys of this "
                        "map are %s, as decimal strings",
                        (int) maas_min(key.len, 64), key.data,
                        maas_dtype_name(b->dtype));
    }

    return MAAS_OK;
}


static maas_status_t
lists_pairs(maas_json_list_t *l, maas_json_t *j, maas_json_tensor_t *keys,
    maas_json_tensor_t *values)
{
    bool        first = true;
    maas_str_t  key;

    for ( ;; ) {
        MAAS_TRY(maas_json_key(j, l->arena, &first, &key));

        if (key.data == NULL) {
            return MAAS_OK;
        }

        MAAS_TRY(lists_key(keys, key, j->err));

        if (maas_json_tensor_read(values, j, true) != MAAS_OK) {
            return maas_err_prefix(j->err, "key \"%.*s\"",
                                   (int) maas_min(key.len, 64), key.data);
        }

        if (values->rank != 1) {
            return maas_err(j->err, MAAS_EINVAL, "key \"%.*s\": a list; the "
                            "values of this map are single ones of %s",
                            (int) maas_min(key.len, 64), key.data,
                            maas_dtype_name(values->dtype));
        }
    }
}


static int
lists_compare_strings(const void *a, const void *b)
{
    const maas_str_t  *x = a, *y = b;
    int                c = 0;

    if (x->len != 0 && y->len != 0) {
        c = memcmp(x->data, y->data, maas_min(x->len, y->len));
    }

    return c != 0 ? c : (x->len > y->len) - (x->len < y->len);
}


static int
lists_compare_ints(const void *a, const void *b)
{
    int64_t  x = *(const int64_t *) a, y = *(const int64_t *) b;

    return (x > y) - (x < y);
}


static maas_status_t
lists_twice(maas_arena_t *a, const maas_tensor_t *keys, maas_err_t *err)
{
    int64_t      n = keys->dims[0], *v;
    maas_str_t  *s;

    if (keys->dtype == MAAS_STRING) {
        s = maas_arena_array(a, (size_t) n + 1, sizeof(*s));
        if (s == NULL) {
            return maas_err_nomem(err);
        }

        for (int64_t i = 0; i < n; i++) {
            s[i] = maas_tensor_str(keys, i);
        }

        qsort(s, (size_t) n, sizeof(*s), lists_compare_strings);

        for (int64_t i = 1; i < n; i++) {
            if (maas_str_eq(s[i], s[i - 1])) {
                return maas_err(err, MAAS_EINVAL, "key \"%.*s\" is given "
                                "twice", (int) maas_min(s[i].len, 64),
                                s[i].data);
            }
        }

        return MAAS_OK;
    }

    if (keys->dtype != MAAS_I64) {
        return MAAS_OK;
    }

    v = maas_arena_dup(a, keys->data, ((size_t) n + 1) * sizeof(*v));
    if (v == NULL) {
        return maas_err_nomem(err);
    }

    qsort(v, (size_t) n, sizeof(*v), lists_compare_ints);

    for (int64_t i = 1; i < n; i++) {
        if (v[i] == v[i - 1]) {
            return maas_err(err, MAAS_EINVAL, "key \"%lld\" is given twice",
                            (long long) v[i]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
lists_map(maas_json_list_t *l, maas_json_t *j, maas_items_t *items)
{
    maas_status_t       rc;
    maas_json_tensor_t  b[2];

    if (maas_json_peek(j) != '{') {
        return maas_json_fail(j, "%s where a map, an object, is expected",
                              maas_json_what(j));
    }

    items->item = maas_arena_array(l->arena, 2, sizeof(maas_tensor_t));
    if (items->item == NULL) {
        return maas_err_nomem(j->err);
    }

    MAAS_TRY(lists_builder(l, &b[0], l->key, j->err));
    rc = lists_builder(l, &b[1], l->dtype, j->err);

    if (rc == MAAS_OK) {
        rc = lists_pairs(l, j, &b[0], &b[1]);

        for (int i = 0; i < 2 && rc == MAAS_OK; i++) {
            b[i].rank = 1;
            b[i].dims[0] = b[i].n;
            rc = lists_done(l, &b[i], &items->item[i], j->err);
        }

        if (rc == MAAS_OK) {
            items->n = 2;
            rc = lists_twice(l->arena, &items->item[0], j->err);
        }

        maas_json_tensor_destroy(&b[1]);
    }

    maas_json_tensor_destroy(&b[0]);
    return rc;
}


/* -- all kinds ----------------------------------------------------------- */

static maas_status_t
lists_optional(maas_json_list_t *l, maas_json_t *j, maas_items_t *items)
{
    items->inner = l->inner;

    if (maas_json_peek(j) == 'n') {
        return maas_json_skip(j);
    }

    items->has = true;

    switch (l->inner) {

    case MAAS_KIND_SEQUENCE:
        return lists_sequence(l, j, items);

    case MAAS_KIND_MAP:
        return lists_map(l, j, items);

    default:
        items->item = maas_arena_array(l->arena, 1, sizeof(maas_tensor_t));
        if (items->item == NULL) {
            return maas_err_nomem(j->err);
        }

        items->n = 1;
        return lists_tensor(l, j, items->item);
    }
}


maas_status_t
maas_json_list(maas_json_list_t *l, maas_json_t *j, maas_tensor_t *t)
{
    maas_items_t  *items;

    if (l->dtype == MAAS_NODTYPE
        || l->inner == MAAS_KIND_SEQUENCE_MAP
        || l->inner == MAAS_KIND_OPTIONAL
        || ((l->kind == MAAS_KIND_MAP || l->inner == MAAS_KIND_MAP)
            && l->key == MAAS_NODTYPE))
    {
        return maas_err(j->err, MAAS_EUNSUPPORTED, "a %s of this type has no "
                        "form in JSON", maas_kind_name(l->kind));
    }

    items = maas_arena_array(l->arena, 1, sizeof(*items));
    if (items == NULL) {
        return maas_err_nomem(j->err);
    }

    items->kind = l->kind;

    switch (l->kind) {

    case MAAS_KIND_SEQUENCE:
        MAAS_TRY(lists_sequence(l, j, items));
        break;

    case MAAS_KIND_MAP:
        MAAS_TRY(lists_map(l, j, items));
        break;

    default:
        MAAS_TRY(lists_optional(l, j, items));
    }

    memset(t, 0, sizeof(*t));
    t->format = MAAS_FMT_ITEMS;
    t->dtype = l->dtype;
    t->rank = 1;
    t->dims[0] = items->n;
    t->data = items;

    return MAAS_OK;
}
