/*
 * Rows of a dataset for a model that is evaluated: which columns are its
 * inputs, which one is true, and the tensors of a batch.
 *
 * Ownership: the table owns the dataset; texts point into it, so it is
 *            closed last.
 * Threads:   fill() any thread, else the main one; one import at a time.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli_eval.h"
#include "media/image.h"
#include "train/dataset.h"


struct cli_table_s {
    cli_eval_t          *e;
    cli_table_spec_t     spec;
    maas_dataset_t      *ds;
    const cli_model_t   *m;
    int                 *target;
    int                  n_target;
    int                 *feature;       /* side by side, or one an input */
    int                  n_feature;
    int                  weight;        /* -1: none */
    bool                 matrix;
    bool                 image;         /* pixels, prepared as model.json */
    int64_t             *index;         /* rows that have a truth */
    int64_t              n;
};


/* -- opening ------------------------------------------------------------- */

/* Where rows are imported to: for a while, and for a signal's handler. */
static char  table_dir[512];
static char  table_file[560];


/* The folder goes, then the process: SA_RESETHAND has set the default. */
static void
table_signal(int sig)
{
    (void) unlink(table_file);
    (void) rmdir(table_dir);
    (void) raise(sig);
}


static void
table_signals(struct sigaction *before, bool begin)
{
    static const int  sig[] = { SIGINT, SIGTERM, SIGHUP };

    struct sigaction  sa = { .sa_handler = table_signal,
                             .sa_flags = SA_RESETHAND };

    for (size_t i = 0; i < maas_nelts(sig); i++) {
        if (!begin) {
            sigaction(sig[i], &before[i], NULL);
            continue;
        }

        /* what is ignored stays so */
        sigaction(sig[i], NULL, &before[i]);

        if (before[i].sa_handler != SIG_IGN) {
            sigaction(sig[i], &sa, NULL);
        }
    }
}


static maas_status_t
table_import(const char *path, maas_dataset_t **ds, maas_err_t *err)
{
    const char             *tmp = getenv("TMPDIR");
    maas_status_t           rc;
    struct sigaction        before[3];
    maas_dataset_import_t   options = { .header = -1 };

    snprintf(table_dir, sizeof(table_dir), "%.480s/maas_XXXXXX",
             tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    table_signals(before, true);

    if (mkdtemp(table_dir) == NULL) {
        rc = maas_err(err, MAAS_EIO, "%s: %s", table_dir, strerror(errno));
        table_signals(before, false);
        return rc;
    }

    snprintf(table_file, sizeof(table_file), "%s/rows.maasds", table_dir);
    cli_progress_begin("reading");
    rc = maas_dataset_import(maas_host_default(), &path, 1, table_file,
                             &options, err);
    cli_progress_end();

    if (rc == MAAS_OK) {
        rc = maas_dataset_open(ds, maas_host_default(), table_file, err);
        (void) unlink(table_file);
    }

    (void) rmdir(table_dir);
    table_signals(before, false);
    return rc;
}


/* "a,b" -> columns; a name with a comma is taken whole when it is one. */
static maas_status_t
table_columns(const cli_table_t *t, const char *list, int **column, int *n,
    maas_err_t *err)
{
    int          at;
    size_t       len;
    const char  *p = list;

    *column = maas_arena_array(&t->e->mem, strlen(list) + 1, sizeof(int));
    if (*column == NULL) {
        return maas_err_nomem(err);
    }

    *n = 0;

    if (maas_dataset_find(t->ds, (maas_str_t) { list, strlen(list) }, &at,
                          NULL) == MAAS_OK)
    {
        (*column)[(*n)++] = at;
        return MAAS_OK;
    }

    for ( ;; ) {
        len = strcspn(p, ",");

        if (maas_dataset_find(t->ds, (maas_str_t) { p, len }, &at, err)
            != MAAS_OK)
        {
            return maas_err_prefix(err, "%s", t->spec.path);
        }

        (*column)[(*n)++] = at;
        p += len;

        if (*p++ == '\0') {
            return MAAS_OK;
        }
    }
}


static bool
table_has(const cli_table_t *t, const char *name)
{
    int  at;

    return maas_dataset_find(t->ds, (maas_str_t) { name, strlen(name) }, &at,
                             NULL) == MAAS_OK;
}


static maas_status_t
table_target(cli_table_t *t, maas_err_t *err)
{
    static const char *const  usual[] = { "label", "target", "class" };

    if (t->spec.no_target) {
        return MAAS_OK;
    }

    if (t->spec.target != NULL) {
        return table_columns(t, t->spec.target, &t->target, &t->n_target,
                             err);
    }

    for (size_t i = 0; i < maas_nelts(usual); i++) {
        if (table_has(t, usual[i])) {
            return table_columns(t, usual[i], &t->target, &t->n_target, err);
        }
    }

    return t->e->task == MAAS_EVAL_CLUSTERS ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "%s: which column is true?  --target "
                      "COLUMN", t->spec.path);
}


maas_status_t
cli_table_open(cli_table_t **out, cli_eval_t *e, const cli_table_spec_t *spec,
    maas_err_t *err)
{
    int            n;
    int           *column;
    cli_table_t   *t;
    maas_status_t  rc;

    t = maas_arena_alloc(&e->mem, sizeof(*t));
    if (t == NULL) {
        return maas_err_nomem(err);
    }

    t->e = e;
    t->spec = *spec;
    t->weight = -1;
    rc = cli_ends(spec->path, ".maasds")
         ? maas_dataset_open(&t->ds, maas_host_default(), spec->path, err)
         : table_import(spec->path, &t->ds, err);

    if (rc != MAAS_OK) {
        return rc;
    }

    *out = t;
    MAAS_TRY(table_target(t, err));

    if (spec->weight != NULL) {
        MAAS_TRY(table_columns(t, spec->weight, &column, &n, err));
        t->weight = column[0];
    }

    return MAAS_OK;
}


void
cli_table_close(cli_table_t *t)
{
    if (t != NULL) {
        maas_dataset_close(t->ds);
    }
}


/* -- which columns are inputs -------------------------------------------- */

static bool
table_used(const cli_table_t *t, int column)
{
    for (int i = 0; i < t->n_target; i++) {
        if (t->target[i] == column) {
            return true;
        }
    }

    return column == t->weight;
}


static maas_status_t
table_named(cli_table_t *t, maas_str_t name, maas_err_t *err)
{
    if (maas_dataset_find(t->ds, name, &t->feature[t->n_feature], err)
        != MAAS_OK)
    {
        return maas_err_prefix(err, "%s: an input of the model", t->spec.path);
    }

    t->n_feature++;
    return MAAS_OK;
}


/* Columns side by side: by name, as asked for, or all others. */
static maas_status_t
table_features(cli_table_t *t, maas_err_t *err)
{
    const maas_meta_t  *meta = maas_model_meta(t->m->m);

    if (t->spec.features != NULL) {
        return table_columns(t, t->spec.features, &t->feature, &t->n_feature,
                             err);
    }

    if (meta->n_features > 0) {
        for (uint32_t i = 0; i < meta->n_features; i++) {
            MAAS_TRY(table_named(t, maas_meta_feature(meta, i), err));
        }

        return MAAS_OK;
    }

    for (int i = 0; i < maas_dataset_columns(t->ds); i++) {
        if (!table_used(t, i)) {
            t->feature[t->n_feature++] = i;
        }
    }

    return MAAS_OK;
}


static bool
table_is_image(const cli_table_t *t)
{
    const maas_meta_t    *meta = maas_model_meta(t->m->m);
    const maas_column_t  *c = maas_dataset_column(t->ds, t->feature[0]);

    return t->n_feature == 1 && meta->prep.kind == MAAS_PREP_IMAGE
           && c->kind == MAAS_COL_TENSOR && c->dtype == MAAS_U8
           && c->rank == 3 && (c->dims[2] == 1 || c->dims[2] == 3);
}


/* The numbers of a row must be those of the input. */
static maas_status_t
table_fits(const cli_table_t *t, const maas_port_t *port, const int *column,
    int n, maas_err_t *err)
{
    char     text[160];
    size_t   width = maas_dataset_width(t->ds, column, n);
    int64_t  want = 1;

    for (int d = 1; d < port->rank; d++) {
        if (port->dims[d] < 0 || !maas_mul_i64(want, port->dims[d], &want)) {
            return MAAS_OK;
        }
    }

    if (port->rank <= 0 || width == (size_t) want) {
        return MAAS_OK;
    }

    cli_port_text(port, text, sizeof(text));
    return maas_err(err, MAAS_EINVAL, "%s: input \"%.*s\" is %s, and %d "
                    "column%s of it make %zu numbers a row (--features a,b "
                    "chooses)", t->spec.path, (int) maas_min(port->name.len,
                    60u), port->name.data, text, n, n == 1 ? "" : "s", width);
}


static maas_status_t
table_inputs(cli_table_t *t, maas_err_t *err)
{
    size_t              n;
    const maas_port_t  *port = maas_model_inputs(t->m->m, &n);

    t->feature = maas_arena_array(&t->e->mem, n + maas_model_meta(t->m->m)
                                  ->n_features
                                  + (size_t) maas_dataset_columns(t->ds),
                                  sizeof(int));
    if (t->feature == NULL) {
        return maas_err_nomem(err);
    }

    t->matrix = n == 1
                && maas_dataset_find(t->ds, port[0].name, &t->feature[0],
                                     NULL) != MAAS_OK;

    if (t->matrix) {
        MAAS_TRY(table_features(t, err));
        t->image = t->n_feature > 0 && table_is_image(t);

        return t->image ? MAAS_OK
               : table_fits(t, &port[0], t->feature, t->n_feature, err);
    }

    for (size_t i = 0; i < n; i++) {
        MAAS_TRY(table_named(t, port[i].name, err));
    }

    t->image = n == 1 && table_is_image(t);

    for (size_t i = 0; i < n && !t->image; i++) {
        if (port[i].dtype != MAAS_STRING) {
            MAAS_TRY(table_fits(t, &port[i], &t->feature[i], 1, err));
        }
    }

    return MAAS_OK;
}


/* -- tensors of a batch -------------------------------------------------- */

static maas_status_t
table_room(maas_tensor_t *t, size_t bytes, maas_err_t *err)
{
    t->data = aligned_alloc(MAAS_ALIGN, maas_align(bytes + 1, MAAS_ALIGN));
    t->bytes = bytes;

    return t->data != NULL ? MAAS_OK : maas_err_nomem(err);
}


static maas_status_t
table_texts(cli_table_t *t, int column, const maas_rows_t *rows,
    maas_tensor_t *out, maas_err_t *err)
{
    char           *p;
    size_t          bytes, len = 0;
    uint32_t       *off;
    maas_str_t     *s = calloc((size_t) rows->n, sizeof(*s));
    maas_status_t   rc;

    if (s == NULL) {
        return maas_err_nomem(err);
    }

    rc = maas_dataset_texts(t->ds, column, rows, s, err);

    for (int64_t i = 0; i < rows->n; i++) {
        len += s[i].len;
    }

    if (rc == MAAS_OK && (len > UINT32_MAX
                          || !maas_string_bytes(rows->n, len, &bytes)))
    {
        rc = maas_err(err, MAAS_ELIMIT, "texts of a batch are more than 4 "
                      "GB: --batch");
    }

    if (rc == MAAS_OK) {
        rc = table_room(out, bytes, err);
    }

    if (rc == MAAS_OK) {
        off = out->data;
        p = (char *) (off + rows->n + 1);
        off[0] = 0;

        for (int64_t i = 0; i < rows->n; i++) {
            off[i + 1] = off[i] + (uint32_t) s[i].len;

            if (s[i].len > 0) {
                memcpy(p + off[i], s[i].data, s[i].len);
            }
        }
    }

    free(s);
    return rc;
}


static void
table_store(maas_tensor_t *t, int64_t i, double v)
{
    switch (t->dtype) {
    case MAAS_F64:  ((double *) t->data)[i] = v; break;
    case MAAS_I64:  ((int64_t *) t->data)[i] = (int64_t) v; break;
    case MAAS_I32:  ((int32_t *) t->data)[i] = (int32_t) v; break;
    case MAAS_U8:   ((uint8_t *) t->data)[i] = (uint8_t) v; break;
    case MAAS_BOOL: ((uint8_t *) t->data)[i] = v != 0; break;
    default:        ((float *) t->data)[i] = (float) v;
    }
}


static bool
table_holds(int dtype, double v)
{
    switch (dtype) {
    case MAAS_I64:  return v >= -0x1p63 && v < 0x1p63 && v == (int64_t) v;
    case MAAS_I32:  return v >= -0x1p31 && v < 0x1p31 && v == (int32_t) v;
    case MAAS_U8:   return v >= 0 && v < 256 && v == (uint8_t) v;
    case MAAS_BOOL: return v == 0 || v == 1;
    default:        return true;
    }
}


static maas_status_t
table_numbers(cli_table_t *t, const int *column, int n,
    const maas_rows_t *rows, maas_tensor_t *out, maas_err_t *err)
{
    double         *v;
    size_t          bytes, width = maas_dataset_width(t->ds, column, n);
    int64_t         count;
    maas_status_t   rc;

    if (!maas_mul_i64((int64_t) width, rows->n, &count)
        || !maas_dtype_bytes(out->dtype, count, &bytes))
    {
        return maas_err_nomem(err);
    }

    MAAS_TRY(table_room(out, bytes, err));

    if (out->dtype == MAAS_F32) {
        return maas_dataset_floats(t->ds, column, n, rows, out->data, width,
                                   err);
    }

    v = calloc((size_t) count, sizeof(*v));
    if (v == NULL) {
        return maas_err_nomem(err);
    }

    rc = maas_dataset_numbers(t->ds, column, n, rows, v, width, err);

    for (int64_t i = 0; rc == MAAS_OK && i < count; i++) {
        if (!table_holds(out->dtype, v[i])) {
            rc = maas_err(err, MAAS_EINVAL, "%s: %g does not fit into an "
                          "input of %s", t->spec.path, v[i],
                          maas_dtype_name(out->dtype));
            break;
        }

        table_store(out, i, v[i]);
    }

    free(v);
    return rc;
}


static maas_status_t
table_images(cli_table_t *t, const maas_rows_t *rows, maas_tensor_t *out,
    maas_err_t *err)
{
    int                   rank;
    size_t                per, bytes;
    int64_t               dims[MAAS_RANK_MAX];
    maas_tensor_t         one;
    maas_image_size_t     size;
    const maas_prep_t    *prep = &maas_model_meta(t->m->m)->prep;
    const maas_column_t  *c = maas_dataset_column(t->ds, t->feature[0]);

    size = (maas_image_size_t) { (uint32_t) c->dims[1],
                                 (uint32_t) c->dims[0] };
    MAAS_TRY(maas_image_dims(prep, &size, dims, &rank, err));

    if (!maas_dtype_bytes(out->dtype, maas_dims_count(dims, rank), &per)
        || !maas_mul_size(per, (size_t) rows->n, &bytes))
    {
        return maas_err_nomem(err);
    }

    MAAS_TRY(table_room(out, bytes, err));

    for (int64_t i = 0; i < rows->n; i++) {
        one = (maas_tensor_t) { .data = (char *) out->data + (size_t) i * per,
                                .bytes = per, .dtype = out->dtype,
                                .rank = (uint8_t) rank };
        memcpy(one.dims, dims, sizeof(dims));
        MAAS_TRY(maas_image_pixels(maas_host_default(),
                                   (const uint8_t *) c->data
                                   + (size_t) rows->index[i] * c->item,
                                   &size, (int) c->dims[2], prep, &one,
                                   err));
    }

    out->rank = (uint8_t) rank;
    memcpy(out->dims, dims, sizeof(dims));
    out->dims[0] = rows->n;
    return MAAS_OK;
}


/* Open dimensions behind the rows: those of the column, or its width. */
static void
table_shape(const cli_table_t *t, const int *column, int n,
    maas_tensor_t *out)
{
    const maas_column_t  *c = maas_dataset_column(t->ds, column[0]);

    if (n == 1 && c->kind == MAAS_COL_TENSOR && out->rank == c->rank + 1) {
        memcpy(out->dims + 1, c->dims, c->rank * sizeof(int64_t));
        return;
    }

    for (int d = 1; d < out->rank; d++) {
        if (out->dims[d] < 0) {
            out->dims[d] = d == 1 && out->rank == 2
                           ? (int64_t) maas_dataset_width(t->ds, column, n)
                           : 1;
        }
    }

    if (out->rank == 0) {
        out->rank = 2;
        out->dims[1] = (int64_t) maas_dataset_width(t->ds, column, n);
    }
}


static maas_status_t
table_fill(void *ctx, size_t input, int64_t first, maas_tensor_t *out,
    maas_err_t *err)
{
    cli_table_t  *t = ctx;
    int           n = t->matrix ? t->n_feature : 1;
    const int    *column = t->feature + (t->matrix ? 0 : input);
    maas_rows_t   rows = { .index = t->index + first, .n = out->dims[0] };

    if (t->image) {
        return table_images(t, &rows, out, err);
    }

    if (out->dtype == MAAS_STRING) {
        for (int d = 1; d < out->rank; d++) {
            out->dims[d] = 1;
        }

        return table_texts(t, column[0], &rows, out, err);
    }

    table_shape(t, column, n, out);
    return table_numbers(t, column, n, &rows, out, err);
}


maas_status_t
cli_table_rows(cli_table_t *t, const cli_model_t *m, cli_rows_t *rows,
    int64_t *left_out, maas_err_t *err)
{
    int64_t  all = maas_dataset_rows(t->ds);

    t->m = m;
    t->index = maas_arena_array(&t->e->mem, (size_t) maas_max(1, all),
                                sizeof(int64_t));
    if (t->index == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < all; i++) {
        bool  has = true;

        for (int k = 0; k < t->n_target; k++) {
            has = has && maas_column_has(maas_dataset_column(t->ds,
                                                             t->target[k]),
                                         i);
        }

        if (has) {
            t->index[t->n++] = i;
        }
    }

    *left_out = all - t->n;
    *rows = (cli_rows_t) { .n = t->n, .fill = table_fill, .ctx = t };

    return table_inputs(t, err);
}


/* -- truth --------------------------------------------------------------- */

static maas_status_t
table_values(cli_table_t *t, const int *column, int n, cli_values_t *v,
    maas_err_t *err)
{
    size_t       cells;
    maas_rows_t  rows = { .index = t->index, .n = t->n };
    maas_str_t   name = maas_dataset_column(t->ds, column[0])->name;

    name = maas_arena_str(&t->e->mem, name.data, name.len);
    v->what = name.data != NULL && n == 1 ? name.data : t->spec.path;
    v->width = (int64_t) maas_dataset_width(t->ds, column, n);

    if (!maas_mul_size((size_t) v->width, (size_t) t->n, &cells)) {
        return maas_err_nomem(err);
    }

    v->number = maas_arena_array(&t->e->mem, cells, sizeof(double));
    if (v->number == NULL) {
        return maas_err_nomem(err);
    }

    v->n = t->n;
    return maas_dataset_numbers(t->ds, column, n, &rows, v->number,
                                (size_t) v->width, err);
}


/* A truth of false and true is text where the model has these names. */
static bool
table_bool_names(const cli_eval_t *e)
{
    for (int i = 0; i < e->n_class; i++) {
        if (maas_str_is(e->class_name[i], "true")) {
            return true;
        }
    }

    return e->label.text != NULL;
}


static maas_status_t
table_words(cli_table_t *t, const maas_column_t *c, cli_values_t *v,
    maas_err_t *err)
{
    maas_str_t  name = maas_arena_str(&t->e->mem, c->name.data, c->name.len);

    v->what = name.data != NULL ? name.data : t->spec.path;
    v->width = 1;
    v->text = maas_arena_array(&t->e->mem, (size_t) t->n, sizeof(maas_str_t));

    if (v->text == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < t->n; i++) {
        if (c->kind != MAAS_COL_BOOL) {
            v->text[i] = maas_column_text(c, t->index[i]);
            continue;
        }

        v->text[i] = ((const uint8_t *) c->data)[t->index[i]] != 0
                     ? maas_str("true") : maas_str("false");
    }

    v->n = t->n;
    return MAAS_OK;
}


maas_status_t
cli_table_truth(cli_table_t *t, maas_err_t *err)
{
    cli_eval_t           *e = t->e;
    const maas_column_t  *c;

    if (t->weight >= 0) {
        MAAS_TRY(table_values(t, &t->weight, 1, &e->weight, err));
    }

    if (t->n_target == 0) {
        return e->truth.n != 0 ? MAAS_OK
               : table_values(t, t->feature, t->n_feature, &e->x, err);
    }

    c = maas_dataset_column(t->ds, t->target[0]);

    if (t->n_target == 1
        && (c->kind == MAAS_COL_TEXT || c->kind == MAAS_COL_CATEGORY
            || (c->kind == MAAS_COL_BOOL && table_bool_names(e))))
    {
        return table_words(t, c, &e->truth, err);
    }

    MAAS_TRY(table_values(t, t->target, t->n_target, &e->truth, err));
    e->truth.integer = c->kind == MAAS_COL_INTEGER || c->kind == MAAS_COL_BOOL;
    e->target_name = maas_arena_array(&e->mem, (size_t) e->truth.width,
                                      sizeof(maas_str_t));

    if (e->target_name == NULL || e->truth.width != t->n_target) {
        e->target_name = NULL;
        return MAAS_OK;
    }

    for (int i = 0; i < t->n_target; i++) {
        e->target_name[i] = maas_dataset_column(t->ds, t->target[i])->name;
    }

    return MAAS_OK;
}
