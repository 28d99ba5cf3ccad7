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


/* Few values: kept sorted, found by halving. */
static maas_status_t
labels_integers(const maas_dataset_t *ds, const maas_column_t *c, int limit,
    maas_arena_t *a, maas_classes_t *out, maas_err_t *err)
{
    int64_t  x, at, n = 0, cap = 0, *v = NULL, *k = NULL, *grown;

    for (int64_t r = 0; r < maas_dataset_rows(ds); r++) {
        if (!maas_column_has(c, r)) {
            continue;
        }

        MAAS_TRY(labels_integer(c, r, &x, err));
        at = labels_find(v, n, x);

        if (at < n && v[at] == x) {
            k[at]++;
            continue;
        }

        if (n == limit) {
            return labels_limit(c, limit, err);
        }

        if (n == cap) {
            cap = maas_max(cap * 2, 64);
            grown = maas_arena_array(a, (size_t) cap * 2, sizeof(*grown));
            if (grown == NULL) {
                return maas_err_nomem(err);
            }

            if (n != 0) {
                memcpy(grown, v, (size_t) n * sizeof(*v));
                memcpy(grown + cap, k, (size_t) n * sizeof(*k));
            }

            v = grown;
            k = grown + cap;
        }

        memmove(v + at + 1, v + at, (size_t) (n - at) * sizeof(*v));
        memmove(k + at + 1, k + at, (size_t) (n - at) * sizeof(*k));
        v[at] = x;
        k[at] = 1;
        n++;
    }

    out->n = (int) n;
    out->integer = v;
    out->count = k;
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
    int64_t      at, n = 0, cap = 0, *k = NULL, *kk;
    maas_str_t   s, *v = NULL, *vv;

    for (int64_t r = 0; r < maas_dataset_rows(ds); r++) {
        if (!maas_column_has(c, r)) {
            continue;
        }

        s = maas_column_text(c, r);
        at = labels_find_text(v, n, s);

        if (at < n && maas_str_eq(v[at], s)) {
            k[at]++;
            continue;
        }

        if (n == limit) {
            return labels_limit(c, limit, err);
        }

        if (n == cap) {
            cap = maas_max(cap * 2, 64);
            vv = maas_arena_array(a, (size_t) cap, sizeof(*vv));
            kk = maas_arena_array(a, (size_t) cap, sizeof(*kk));
            if (vv == NULL || kk == NULL) {
                return maas_err_nomem(err);
            }

            if (n != 0) {
                memcpy(vv, v, (size_t) n * sizeof(*v));
                memcpy(kk, k, (size_t) n * sizeof(*k));
            }

            v = vv;
            k = kk;
        }

        memmove(v + at + 1, v + at, (size_t) (n - at) * sizeof(*v));
        memmove(k + at + 1, k + at, (size_t) (n - at) * sizeof(*k));
        v[at] = s;
        k[at] = 1;
        n++;
    }

    out->n = (int) n;
    out->name = v;
    out->count = k;
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
