/*
 * Chosen rows of chosen columns, as dense matrices.  Rows go in blocks, so
 * that a wide matrix is written in lines of the cache, and a column is read
 * from where it lies.
 *
 * Ownership: the caller's memory.
 * Threads:   reentrant.
 */

#include <math.h>

#include "train/dataset_format.h"


#define GATHER_BLOCK  256       /* rows */


static inline int64_t
gather_row(const maas_rows_t *rows, int64_t i)
{
    return rows->index != NULL ? rows->index[i] : rows->first + i;
}


static maas_status_t
gather_rows(const maas_dataset_t *ds, const maas_rows_t *rows,
    maas_err_t *err)
{
    int64_t  r, n = maas_dataset_rows(ds);

    if (rows->index == NULL && rows->first >= 0 && rows->n >= 0
        && rows->first <= n && rows->n <= n - rows->first)
    {
        return MAAS_OK;
    }

    for (int64_t i = 0; i < rows->n; i++) {
        r = gather_row(rows, i);

        if (r < 0 || r >= n) {
            return maas_err(err, MAAS_EINVAL, "row %lld of a dataset of %lld",
                            (long long) r, (long long) n);
        }
    }

    return MAAS_OK;
}


size_t
maas_dataset_width(const maas_dataset_t *ds, const int *column, int n_column)
{
    size_t  n = 0;

    for (int i = 0; i < n_column; i++) {
        n += ds->column[column[i]].width;
    }

    return n;
}


static maas_status_t
gather_columns(const maas_dataset_t *ds, const int *column, int n_column,
    size_t ld, maas_err_t *err)
{
    const maas_column_t  *c;

    for (int i = 0; i < n_column; i++) {
        c = &ds->column[column[i]];

        if (c->kind == MAAS_COL_TEXT) {
            return maas_err(err, MAAS_EINVAL, "column \"%.*s\" is text: it "
                            "has no numbers%s%.*s",
                            (int) maas_min(c->name.len, 80), c->name.data,
                            c->note.len != 0 ? "; " : "", (int) c->note.len,
                            c->note.data);
        }
    }

    return maas_dataset_width(ds, column, n_column) <= ld ? MAAS_OK
           : maas_err(err, MAAS_EINTERNAL, "rows of %zu elements do not hold "
                      "the columns", ld);
}


/* out is double or float, as f32 says: a constant where this is inlined. */
static inline void
gather_put(void *out, bool f32, size_t i, double v)
{
    if (f32) {
        ((float *) out)[i] = (float) v;
    } else {
        ((double *) out)[i] = v;
    }
}


#define GATHER_CASE(d, type, expr)                                            \
    case d: {                                                                 \
        const type  *p = data;                                                \
                                                                              \
        for (size_t i = 0; i < n; i++) {                                      \
            type  v = p[i];                                                   \
                                                                              \
            gather_put(out, f32, at + i, (double) (expr));                    \
        }                                                                     \
                                                                              \
        break;                                                                \
    }

/* n elements of a tensor. */
static inline __attribute__((always_inline)) void
gather_elements(const void *data, maas_dtype_t dtype, size_t n, void *out,
    bool f32, size_t at)
{
    switch (dtype) {
    GATHER_CASE(MAAS_F32, float, v)
    GATHER_CASE(MAAS_F64, double, v)
    GATHER_CASE(MAAS_U8, uint8_t, v)
    GATHER_CASE(MAAS_BOOL, uint8_t, v != 0)
    GATHER_CASE(MAAS_I8, int8_t, v)
    GATHER_CASE(MAAS_U16, uint16_t, v)
    GATHER_CASE(MAAS_I16, int16_t, v)
    GATHER_CASE(MAAS_U32, uint32_t, v)
    GATHER_CASE(MAAS_I32, int32_t, v)
    GATHER_CASE(MAAS_U64, uint64_t, v)
    GATHER_CASE(MAAS_I64, int64_t, v)
    GATHER_CASE(MAAS_F16, uint16_t, maas_f16_to_f32(v))
    default:
    GATHER_CASE(MAAS_BF16, uint16_t, maas_bf16_to_f32(v))
    }
}


static inline __attribute__((always_inline)) void
gather_column(const maas_column_t *c, const maas_rows_t *rows, int64_t first,
    int64_t last, void *out, bool f32, size_t ld, size_t at)
{
    double   v;
    size_t   o = (size_t) first * ld + at;
    int64_t  r;

    for (int64_t i = first; i < last; i++, o += ld) {
        r = gather_row(rows, i);

        if (!maas_column_has(c, r)) {
            for (size_t k = 0; k < c->width; k++) {
                gather_put(out, f32, o + k, NAN);
            }

            continue;
        }

        switch (c->kind) {

        case MAAS_COL_NUMBER:
            v = ((const double *) c->data)[r];
            break;

        case MAAS_COL_INTEGER:
            v = (double) ((const int64_t *) c->data)[r];
            break;

        case MAAS_COL_BOOL:
            v = ((const uint8_t *) c->data)[r] != 0;
            break;

        case MAAS_COL_CATEGORY:
            v = ((const int32_t *) c->data)[r];
            break;

        default:
            gather_elements((const char *) c->data + (size_t) r * c->item,
                            c->dtype, c->width, out, f32, o);
            continue;
        }

        gather_put(out, f32, o, v);
    }
}


static inline __attribute__((always_inline)) void
gather_all(const maas_dataset_t *ds, const int *column, int n_column,
    const maas_rows_t *rows, void *out, bool f32, size_t ld)
{
    size_t   at;
    int64_t  last;

    for (int64_t i = 0; i < rows->n; i = last) {
        last = maas_min(i + GATHER_BLOCK, rows->n);
        at = 0;

        for (int k = 0; k < n_column; k++) {
            gather_column(&ds->column[column[k]], rows, i, last, out, f32, ld,
                          at);
            at += ds->column[column[k]].width;
        }
    }
}


maas_status_t
maas_dataset_numbers(const maas_dataset_t *ds, const int *column,
    int n_column, const maas_rows_t *rows, double *out, size_t ld,
    maas_err_t *err)
{
    MAAS_TRY(gather_rows(ds, rows, err));
    MAAS_TRY(gather_columns(ds, column, n_column, ld, err));
    gather_all(ds, column, n_column, rows, out, false, ld);

    return MAAS_OK;
}


maas_status_t
maas_dataset_floats(const maas_dataset_t *ds, const int *column,
    int n_column, const maas_rows_t *rows, float *out, size_t ld,
    maas_err_t *err)
{
    MAAS_TRY(gather_rows(ds, rows, err));
    MAAS_TRY(gather_columns(ds, column, n_column, ld, err));
    gather_all(ds, column, n_column, rows, out, true, ld);

    return MAAS_OK;
}


maas_status_t
maas_dataset_items(const maas_dataset_t *ds, int column,
    const maas_rows_t *rows, void *out, maas_err_t *err)
{
    char                 *p = out;
    const maas_column_t  *c = &ds->column[column];

    MAAS_TRY(gather_rows(ds, rows, err));

    if (c->item == 0) {
        return maas_err(err, MAAS_EINVAL, "column \"%.*s\" is text: it has "
                        "no items", (int) maas_min(c->name.len, 80),
                        c->name.data);
    }

    for (int64_t i = 0; i < rows->n; i++, p += c->item) {
        memcpy(p, (const char *) c->data
                  + (size_t) gather_row(rows, i) * c->item, c->item);
    }

    return MAAS_OK;
}


maas_status_t
maas_dataset_texts(const maas_dataset_t *ds, int column,
    const maas_rows_t *rows, maas_str_t *out, maas_err_t *err)
{
    const maas_column_t  *c = &ds->column[column];

    MAAS_TRY(gather_rows(ds, rows, err));

    if (c->kind != MAAS_COL_TEXT && c->kind != MAAS_COL_CATEGORY) {
        return maas_err(err, MAAS_EINVAL, "column \"%.*s\" is not text but %s",
                        (int) maas_min(c->name.len, 80), c->name.data,
                        maas_col_kind_name(c->kind));
    }

    for (int64_t i = 0; i < rows->n; i++) {
        out[i] = maas_column_text(c, gather_row(rows, i));
    }

    return MAAS_OK;
}
