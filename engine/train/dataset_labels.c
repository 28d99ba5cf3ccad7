/*
 * Columns as class labels: which classes there are, and each row's.
 *
 * Ownership: lists lie in the caller's arena; names may point into the
 *            dataset.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stdlib.h>

#include "train/dataset_format.h"


static maas_status_t
labels_refused(const maas_column_t *c, const char *why, int64_t row,
    maas_err_t *err)
{
    return maas_err(err, MAAS_EINVAL, "column \"%.*s\" cannot be class "
                    "labels: row %lld is %s", (int) maas_min(c->name.len, 80),
                    c->name.data, (long long) row + 1, why);
}


static maas_status_t
labels_limit(const maas_column_t *c, int limit, maas_err_t *err)
{
    return maas_err(err, MAAS_ELIMIT, "column \"%.*s\" has more than %d "
                    "classes: is it a number to predict (regression)?",
                    (int) maas_min(c->name.len, 80), c->name.data, limit);
}


/* An integer, or a number that is one. */
static maas_status_t
labels_integer(const maas_column_t *c, int64_t r, int64_t *v,
    maas_err_t *err)
{
    double  d;

    if (c->kind == MAAS_COL_INTEGER) {
        *v = ((const int64_t *) c->data)[r];
        return MAAS_OK;
    }

    d = ((const double *) c->data)[r];

    if (!(fabs(d) < 9007199254740992.0) || d != floor(d)) {
        return labels_refused(c, "no integer", r, err);
    }

    *v = (int64_t) d;
    return MAAS_OK;
}


static int64_t
labels_find(const int64_t *v, int64_t n, int64_t x)
{
    int64_t  lo = 0, hi = n, mid;

    while (lo < hi) {
        mid = (lo + hi) / 2;

        if (v[mid] < x) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }

    return lo;
}


/* Values that were found, sorted, and how many rows each has. */
typedef struct {
    void     *v;
    int64_t  *count;
    size_t    size;             /* of a value */
    int64_t   n;
    int64_t   cap;
} labels_list_t;


/* A new value becomes number `at`, with one row. */
static maas_status_t
labels_insert(labels_list_t *l, int64_t at, const void *value,
    const maas_column_t *c, int limit, maas_arena_t *a, maas_err_t *err)
{
    char     *v;
    int64_t  *count, cap = maas_max(l->cap * 2, 64);
    size_t    size = l->size;

    if (l->n == limit) {
        return labels_limit(c, limit, err);
    }

    if (l->n == l->cap) {
        v = maas_arena_array(a, (size_t) cap, size);
        count = maas_arena_array(a, (size_t) cap, sizeof(*count));
        if (v == NULL || count == NULL) {
            return maas_err_nomem(err);
        }

        if (l->n != 0) {
            memcpy(v, l->v, (size_t) l->n * size);
            memcpy(count, l->count, (size_t) l->n * sizeof(*count));
        }

        l->v = v;
        l->count = count;
        l->cap = cap;
    }

    v = (char *) l->v + (size_t) at * size;
    count = l->count + at;
    memmove(v + size, v, (size_t) (l->n - at) * size);
    memmove(count + 1, count, (size_t) (l->n - at) * sizeof(*count));
    memcpy(v, value, size);
    *count = 1;
    l->n++;

    return MAAS_OK;
}


/* Few values: kept sorted, found by halving. */
static maas_status_t
labels_integers(const maas_dataset_t *ds, const maas_column_t *c, int limit,
    maas_arena_t *a, maas_classes_t *out, maas_err_t *err)
{
    int64_t        x, at;
    labels_list_t  l = { .size = sizeof(x) };

    for (int64_t r = 0; r < maas_dataset_rows(ds); r++) {
        if (!maas_column_has(c, r)) {
            continue;
        }

        MAAS_TRY(labels_integer(c, r, &x, err));
        at = labels_find(l.v, l.n, x);

        if (at < l.n && ((const int64_t *) l.v)[at] == x) {
            l.count[at]++;

        } else {
            MAAS_TRY(labels_insert(&l, at, &x, c, limit, a, err));
        }
    }

    out->n = (int) l.n;
    out->integer = l.v;
    out->count = l.count;
    return MAAS_OK;
}


static int
labels_compare(maas_str_t a, maas_str_t b)
{
    size_t  n = maas_min(a.len, b.len);
    int     d = n == 0 ? 0 : memcmp(a.data, b.data, n);

    return d != 0 ? d : a.len < b.len ? -1 : a.len > b.len;
}


static int64_t
labels_find_text(const maas_str_t *v, int64_t n, maas_str_t s)
{
    int64_t  lo = 0, hi = n, mid;

    while (lo < hi) {
        mid = (lo + hi) / 2;

        if (labels_compare(v[mid], s) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }

    return lo;
}


static maas_status_t
labels_texts(const maas_dataset_t *ds, const maas_column_t *c, int limit,
    maas_arena_t *a, maas_classes_t *out, maas_err_t *err)
{
    int64_t        at;
    maas_str_t     s;
    labels_list_t  l = { .size = sizeof(s) };

    for (int64_t r = 0; r < maas_dataset_rows(ds); r++) {
        if (!maas_column_has(c, r)) {
            continue;
        }

        s = maas_column_text(c, r);
        at = labels_find_text(l.v, l.n, s);

        if (at < l.n && maas_str_eq(((const maas_str_t *) l.v)[at], s)) {
            l.count[at]++;

        } else {
            MAAS_TRY(labels_insert(&l, at, &s, c, limit, a, err));
        }
    }

    out->n = (int) l.n;
    out->name = l.v;
    out->count = l.count;
    return MAAS_OK;
}


/* The column has its classes. */
static maas_status_t
labels_given(const maas_column_t *c, int limit, maas_arena_t *a,
    maas_classes_t *out, maas_err_t *err)
{
    char         tmp[32];
    maas_str_t  *name;

    if (c->n_class > (uint32_t) limit) {
        return labels_limit(c, limit, err);
    }

    name = maas_arena_array(a, (size_t) c->n_class + 1, sizeof(*name));
    if (name == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < c->n_class; i++) {
        name[i] = maas_column_class(c, i, tmp);
    }

    out->n = (int) c->n_class;
    out->name = name;
    out->count = c->count;
    return MAAS_OK;
}


maas_status_t
maas_dataset_classes(const maas_dataset_t *ds, int column, int limit,
    maas_arena_t *a, maas_classes_t *out, maas_err_t *err)
{
    const maas_column_t  *c = &ds->column[column];

    memset(out, 0, sizeof(*out));
    out->column = column;
    limit = limit <= 0 ? MAAS_DATASET_CLASSES : limit;

    switch (c->kind) {

    case MAAS_COL_CATEGORY:
    case MAAS_COL_BOOL:
        if (c->n_class != 0) {
            return labels_given(c, limit, a, out, err);
        }

        return MAAS_OK;

    case MAAS_COL_NUMBER:
    case MAAS_COL_INTEGER:
        return labels_integers(ds, c, limit, a, out, err);

    case MAAS_COL_TEXT:
        return labels_texts(ds, c, limit, a, out, err);

    default:
        return maas_err(err, MAAS_EINVAL, "column \"%.*s\" is a tensor and "
                        "cannot be class labels",
                        (int) maas_min(c->name.len, 80), c->name.data);
    }
}


static int32_t
labels_one(const maas_column_t *c, const maas_classes_t *k, int64_t r)
{
    int64_t     at, v = 0;
    maas_str_t  s;

    if (!maas_column_has(c, r)) {
        return -1;
    }

    switch (c->kind) {

    case MAAS_COL_CATEGORY:
        return ((const int32_t *) c->data)[r];

    case MAAS_COL_BOOL:
        return ((const uint8_t *) c->data)[r] != 0;

    case MAAS_COL_TEXT:
        s = maas_column_text(c, r);
        at = labels_find_text(k->name, k->n, s);
        return at < k->n && maas_str_eq(k->name[at], s) ? (int32_t) at : -1;

    default:
        if (labels_integer(c, r, &v, NULL) != MAAS_OK) {
            return -1;
        }

        at = labels_find(k->integer, k->n, v);
        return at < k->n && k->integer[at] == v ? (int32_t) at : -1;
    }
}


maas_status_t
maas_dataset_labels(const maas_dataset_t *ds, const maas_classes_t *classes,
    const maas_rows_t *rows, int32_t *out, maas_err_t *err)
{
    int32_t               k;
    int64_t               r, n = maas_dataset_rows(ds);
    const maas_column_t  *c = &ds->column[classes->column];

    for (int64_t i = 0; i < rows->n; i++) {
        r = rows->index != NULL ? rows->index[i] : rows->first + i;

        if (r < 0 || r >= n) {
            return maas_err(err, MAAS_EINVAL, "row %lld of a dataset of %lld",
                            (long long) r, (long long) n);
        }

        k = labels_one(c, classes, r);
        out[i] = k < classes->n ? k : -1;
    }

    return MAAS_OK;
}
