/*
 * Chosen rows of a dataset as a dataset of their own: same columns, same
 * classes.
 *
 * Ownership: see dataset.h.
 * Threads:   reentrant.
 */

#include "train/dataset_format.h"


static maas_status_t
copy_columns(const maas_dataset_t *ds, maas_column_spec_t *spec,
    maas_arena_t *a, maas_err_t *err)
{
    char                  tmp[32];
    maas_str_t           *name;
    const maas_column_t  *c;

    for (int i = 0; i < maas_dataset_columns(ds); i++) {
        c = &ds->column[i];
        spec[i].name = c->name;
        spec[i].kind = c->kind;
        spec[i].dtype = c->dtype;
        spec[i].rank = c->rank;
        spec[i].image = c->image;
        spec[i].fixed = true;
        memcpy(spec[i].dims, c->dims, sizeof(c->dims));

        if (c->kind != MAAS_COL_CATEGORY || c->n_class == 0) {
            continue;
        }

        name = maas_arena_array(a, c->n_class, sizeof(*name));
        if (name == NULL) {
            return maas_err_nomem(err);
        }

        for (uint32_t k = 0; k < c->n_class; k++) {
            name[k] = maas_column_class(c, k, tmp);
        }

        spec[i].class_name = name;
        spec[i].n_class = c->n_class;
    }

    return MAAS_OK;
}


static void
copy_cell(maas_dataset_writer_t *w, const maas_column_t *c, int i, int64_t r)
{
    if (!maas_column_has(c, r)) {
        return;
    }

    switch (c->kind) {

    case MAAS_COL_NUMBER:
        maas_dataset_put_number(w, i, ((const double *) c->data)[r]);
        return;

    case MAAS_COL_INTEGER:
        maas_dataset_put_integer(w, i, ((const int64_t *) c->data)[r]);
        return;

    case MAAS_COL_BOOL:
        maas_dataset_put_bool(w, i, ((const uint8_t *) c->data)[r] != 0);
        return;

    case MAAS_COL_CATEGORY:
        maas_dataset_put_code(w, i, ((const int32_t *) c->data)[r]);
        return;

    case MAAS_COL_TEXT:
        maas_dataset_put_text(w, i, maas_column_text(c, r));
        return;

    default:
        maas_dataset_put_item(w, i, (const char *) c->data
                                    + (size_t) r * c->item);
    }
}


static maas_status_t
copy_rows(const maas_dataset_t *ds, const maas_rows_t *rows,
    maas_dataset_writer_t *w, maas_err_t *err)
{
    int      n = maas_dataset_columns(ds);
    int64_t  r;

    for (int64_t i = 0; i < rows->n; i++) {
        r = rows->index != NULL ? rows->index[i] : rows->first + i;

        if (r < 0 || r >= maas_dataset_rows(ds)) {
            return maas_err(err, MAAS_EINVAL, "row %lld of a dataset of %lld",
                            (long long) r,
                            (long long) maas_dataset_rows(ds));
        }

        for (int k = 0; k < n; k++) {
            copy_cell(w, &ds->column[k], k, r);
        }

        MAAS_TRY(maas_dataset_end_row(w, err));
    }

    for (int k = 0; k < n; k++) {
        maas_dataset_note(w, k, ds->column[k].note);
    }

    return MAAS_OK;
}


maas_status_t
maas_dataset_copy(const maas_dataset_t *ds, const maas_rows_t *rows,
    const char *path, size_t budget, maas_err_t *err)
{
    maas_arena_t            mem;
    maas_status_t           rc;
    maas_column_spec_t     *spec;
    maas_dataset_writer_t  *w = NULL;

    maas_arena_init(&mem, ds->host, 0);
    spec = maas_arena_array(&mem, (size_t) maas_dataset_columns(ds) + 1,
                            sizeof(*spec));
    rc = spec == NULL ? maas_err_nomem(err)
                      : copy_columns(ds, spec, &mem, err);

    if (rc == MAAS_OK) {
        rc = maas_dataset_create(&w, ds->host, path, spec,
                                 maas_dataset_columns(ds), budget, err);
    }

    if (rc == MAAS_OK) {
        rc = copy_rows(ds, rows, w, err);

        if (rc == MAAS_OK) {
            rc = maas_dataset_commit(w, err);
        } else {
            maas_dataset_discard(w);
        }
    }

    maas_arena_destroy(&mem);
    return rc;
}
