/*
 * maas dataset show, head, export and split.
 *
 * Memory: freed before return.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/number.h"
#include "cli/cli_dataset.h"


#define SHOW_CLASSES  12        /* listed on a line */


/* -- show ---------------------------------------------------------------- */

static void
show_kind(const maas_column_t *c, char out[160])
{
    char  dims[MAAS_DIMS_TEXT];

    if (c->kind == MAAS_COL_TENSOR) {
        snprintf(out, 160, "%s %.100s", maas_dtype_name(c->dtype),
                 maas_dims_text(dims, c->dims, c->rank));
    } else {
        snprintf(out, 160, "%s", maas_col_kind_name(c->kind));
    }
}


static void
show_classes(const maas_column_t *c)
{
    char        tmp[32];
    maas_str_t  s;

    printf("%*s%u %s:", 4, "", c->n_class,
           c->kind == MAAS_COL_INTEGER ? "values" : "classes");

    for (uint32_t k = 0; k < c->n_class && k < SHOW_CLASSES; k++) {
        s = maas_column_class(c, k, tmp);
        printf("%s %.*s (%lld)", k == 0 ? "" : ",",
               (int) maas_min(s.len, 40), s.data, (long long) c->count[k]);
    }

    printf("%s\n", c->n_class > SHOW_CLASSES ? ", ..." : "");
}


static void
show_column(const maas_column_t *c, int width)
{
    char  kind[160];

    show_kind(c, kind);
    printf("%-*.*s  %-16s %8lld", width, (int) c->name.len, c->name.data,
           kind, (long long) c->stats.missing);

    if (isfinite(c->stats.min)) {
        printf(" %12.6g %12.6g %12.6g %12.6g", c->stats.min, c->stats.max,
               c->stats.mean, c->stats.std);
    }

    if (c->stats.infinite != 0) {
        printf("  %lld infinite", (long long) c->stats.infinite);
    }

    printf("\n");

    if (c->n_class != 0
        && (c->kind != MAAS_COL_INTEGER || c->n_class <= SHOW_CLASSES))
    {
        show_classes(c);
    }

    if (c->note.len != 0) {
        printf("    %.*s\n", (int) c->note.len, c->note.data);
    }
}


static void
show_text(const maas_dataset_t *ds, const char *path)
{
    int   width = 6, n = maas_dataset_columns(ds);
    char  hex[2 * MAAS_DIGEST + 1];

    for (int i = 0; i < n; i++) {
        width = maas_max(width, (int) maas_min(
                             maas_dataset_column(ds, i)->name.len, 40));
    }

    maas_hex(hex, maas_dataset_digest(ds), MAAS_DIGEST);
    printf("%s: %lld rows, %d columns, %zu bytes\nsha256 %s\n\n", path,
           (long long) maas_dataset_rows(ds), n, maas_dataset_bytes(ds), hex);
    printf("%-*s  %-16s %8s %12s %12s %12s %12s\n", width, "column", "kind",
           "missing", "min", "max", "mean", "std");

    for (int i = 0; i < n; i++) {
        show_column(maas_dataset_column(ds, i), width);
    }
}


static void
show_number(maas_buf_t *b, const char *name, double v)
{
    char  text[MAAS_NUM_TEXT];

    maas_buf_printf(b, ",\"%s\":", name);

    if (isfinite(v)) {
        maas_buf_add(b, text, (size_t) (maas_num_put_f64(text, v) - text));
    } else {
        maas_buf_puts(b, "null");
    }
}


static void
show_json_column(maas_buf_t *b, const maas_column_t *c)
{
    char        tmp[32];
    maas_str_t  s;

    maas_buf_puts(b, "{\"name\":");
    maas_buf_json(b, c->name.data, c->name.len);
    maas_buf_printf(b, ",\"kind\":\"%s\",\"missing\":%lld",
                    maas_col_kind_name(c->kind), (long long) c->stats.missing);

    if (c->kind == MAAS_COL_TENSOR) {
        maas_buf_printf(b, ",\"dtype\":\"%s\",\"shape\":[",
                        maas_dtype_name(c->dtype));

        for (int d = 0; d < c->rank; d++) {
            maas_buf_printf(b, "%s%lld", d == 0 ? "" : ",",
                            (long long) c->dims[d]);
        }

        maas_buf_printf(b, "],\"image\":%s", c->image ? "true" : "false");
    }

    if (c->kind != MAAS_COL_CATEGORY) {
        maas_buf_printf(b, ",\"infinite\":%lld",
                        (long long) c->stats.infinite);
        show_number(b, "min", c->stats.min);
        show_number(b, "max", c->stats.max);
        show_number(b, "mean", c->stats.mean);
        show_number(b, "std", c->stats.std);
    }

    if (c->n_class != 0) {
        maas_buf_puts(b, ",\"classes\":[");

        for (uint32_t k = 0; k < c->n_class; k++) {
            s = maas_column_class(c, k, tmp);
            maas_buf_puts(b, k == 0 ? "{\"class\":" : ",{\"class\":");

            if (c->kind == MAAS_COL_INTEGER) {
                maas_buf_add(b, s.data, s.len);
            } else {
                maas_buf_json(b, s.data, s.len);
            }

            maas_buf_printf(b, ",\"rows\":%lld}", (long long) c->count[k]);
        }

        maas_buf_puts(b, "]");
    }

    if (c->note.len != 0) {
        maas_buf_puts(b, ",\"note\":");
        maas_buf_json(b, c->note.data, c->note.len);
    }

    maas_buf_puts(b, "}");
}


static int
show_json(const maas_dataset_t *ds)
{
    char        hex[2 * MAAS_DIGEST + 1];
    maas_buf_t  b;
    maas_err_t  err;

    maas_buf_init(&b, maas_host_default());
    maas_hex(hex, maas_dataset_digest(ds), MAAS_DIGEST);
    maas_buf_printf(&b, "{\"rows\":%lld,\"bytes\":%zu,\"sha256\":\"%s\","
                    "\"columns\":[", (long long) maas_dataset_rows(ds),
                    maas_dataset_bytes(ds), hex);

    for (int i = 0; i < maas_dataset_columns(ds); i++) {
        maas_buf_puts(&b, i == 0 ? "" : ",");
        show_json_column(&b, maas_dataset_column(ds, i));
    }

    maas_buf_puts(&b, "]}\n");

    return cli_print(&b, &err) == MAAS_OK ? CLI_OK : cli_fail("%s", err.text);
}


int
cli_dataset_show(const cli_dataset_t *o)
{
    int              rc;
    maas_err_t       err;
    maas_dataset_t  *ds;

    rc = cli_dataset_open(o, &ds);
    if (rc != -1) {
        return rc;
    }

    if (o->verify && maas_dataset_verify(ds, &err) != MAAS_OK) {
        rc = cli_fail("%s: %s", o->rest.v[1], err.text);

    } else if (o->json) {
        rc = show_json(ds);

    } else {
        show_text(ds, o->rest.v[1]);
        rc = CLI_OK;
    }

    maas_dataset_close(ds);
    return rc;
}


/* -- rows as CSV --------------------------------------------------------- */

/* Quotes where CSV needs them, or where the text would read as none. */
static void
rows_text(maas_buf_t *b, maas_str_t s)
{
    bool  quote = s.len == 0 || s.data[0] == ' '
                  || s.data[s.len - 1] == ' ' || maas_str_is(s, "NA")
                  || maas_str_is(s, "N/A") || maas_str_is(s, "NaN")
                  || maas_str_is(s, "nan") || maas_str_is(s, "null")
                  || maas_str_is(s, "NULL");

    for (size_t i = 0; i < s.len && !quote; i++) {
        quote = strchr("\",\n\r;\t", s.data[i]) != NULL;
    }

    if (!quote) {
        maas_buf_add(b, s.data, s.len);
        return;
    }

    maas_buf_puts(b, "\"");

    for (size_t i = 0; i < s.len; i++) {
        maas_buf_add(b, s.data[i] == '"' ? "\"\"" : s.data + i,
                     s.data[i] == '"' ? 2 : 1);
    }

    maas_buf_puts(b, "\"");
}


static void
rows_number(maas_buf_t *b, double v)
{
    char   text[MAAS_NUM_TEXT], *end;

    if (isnan(v)) {
        return;
    }

    if (isinf(v)) {
        maas_buf_puts(b, v < 0 ? "-inf" : "inf");
        return;
    }

    end = maas_num_put_f64(text, v);
    maas_buf_add(b, text, (size_t) (end - text));
}


static void
rows_names(const maas_dataset_t *ds, maas_buf_t *b)
{
    char                  name[240];
    const maas_column_t  *c;

    for (int i = 0; i < maas_dataset_columns(ds); i++) {
        c = maas_dataset_column(ds, i);
        maas_buf_puts(b, i == 0 ? "" : ",");

        if (c->kind != MAAS_COL_TENSOR) {
            rows_text(b, c->name);
            continue;
        }

        for (size_t k = 0; k < c->width; k++) {
            snprintf(name, sizeof(name), "%.*s_%zu",
                     (int) maas_min(c->name.len, 200), c->name.data, k);
            maas_buf_puts(b, k == 0 ? "" : ",");
            rows_text(b, (maas_str_t) { name, strlen(name) });
        }
    }

    maas_buf_puts(b, "\n");
}


static maas_status_t
rows_cell(const maas_dataset_t *ds, int i, int64_t r, double *item,
    maas_buf_t *b, maas_err_t *err)
{
    maas_rows_t           rows = { NULL, r, 1 };
    const maas_column_t  *c = maas_dataset_column(ds, i);

    switch (c->kind) {

    case MAAS_COL_CATEGORY:
    case MAAS_COL_TEXT:
        if (maas_column_has(c, r)) {
            rows_text(b, maas_column_text(c, r));
        }

        return MAAS_OK;

    case MAAS_COL_BOOL:
        if (maas_column_has(c, r)) {
            maas_buf_puts(b, ((const uint8_t *) c->data)[r] ? "true"
                                                            : "false");
        }

        return MAAS_OK;

    case MAAS_COL_INTEGER:
        if (maas_column_has(c, r)) {
            maas_buf_printf(b, "%lld",
                            (long long) ((const int64_t *) c->data)[r]);
        }

        return MAAS_OK;

    default:
        MAAS_TRY(maas_dataset_numbers(ds, &i, 1, &rows, item, c->width, err));

        for (size_t k = 0; k < c->width; k++) {
            maas_buf_puts(b, k == 0 ? "" : ",");

            if (c->kind == MAAS_COL_TENSOR && item[k] == floor(item[k])
                && fabs(item[k]) < 1e15)
            {
                maas_buf_printf(b, "%lld", (long long) item[k]);
            } else {
                rows_number(b, item[k]);
            }
        }

        return MAAS_OK;
    }
}


static int
rows_write(const maas_dataset_t *ds, int64_t n, FILE *out)
{
    int             columns = maas_dataset_columns(ds);
    double         *item;
    size_t          width = 1;
    maas_buf_t      b;
    maas_err_t      err;
    maas_status_t   rc = MAAS_OK;

    for (int i = 0; i < columns; i++) {
        width = maas_max(width, maas_dataset_column(ds, i)->width);
    }

    item = calloc(width, sizeof(*item));
    if (item == NULL) {
        return cli_fail("out of memory");
    }

    maas_buf_init(&b, maas_host_default());
    rows_names(ds, &b);

    for (int64_t r = 0; r < n && rc == MAAS_OK && !b.failed; r++) {
        for (int i = 0; i < columns && rc == MAAS_OK; i++) {
            maas_buf_puts(&b, i == 0 ? "" : ",");
            rc = rows_cell(ds, i, r, item, &b, &err);
        }

        maas_buf_puts(&b, "\n");

        if (b.len > 1 << 16) {
            fwrite(b.data, 1, b.len, out);
            b.len = 0;
        }

        if (r % 1024 == 0) {
            cli_progress_count((uint64_t) r, (uint64_t) n);
        }
    }

    if (rc == MAAS_OK && b.failed) {
        rc = maas_err_nomem(&err);
    }

    if (rc == MAAS_OK) {
        fwrite(b.data, 1, b.len, out);
    }

    maas_buf_destroy(&b);
    free(item);

    return rc == MAAS_OK ? CLI_OK : cli_fail("%s", err.text);
}


int
cli_dataset_head(const cli_dataset_t *o)
{
    int              rc;
    maas_dataset_t  *ds;

    rc = cli_dataset_open(o, &ds);
    if (rc != -1) {
        return rc;
    }

    rc = rows_write(ds, maas_min(o->rows, maas_dataset_rows(ds)), stdout);
    maas_dataset_close(ds);
    return rc;
}


/* Under another name until it is whole. */
static int
export_file(const maas_dataset_t *ds, const char *path)
{
    int    rc;
    bool   bad;
    char   temp[4096];
    FILE  *f;

    if (snprintf(temp, sizeof(temp), "%s.part", path) >= (int) sizeof(temp)) {
        return cli_fail("%s: the name is too long", path);
    }

    f = fopen(temp, "we");
    if (f == NULL) {
        return cli_fail("%s: %s", temp, strerror(errno));
    }

    rc = rows_write(ds, maas_dataset_rows(ds), f);
    bad = ferror(f) != 0;

    if ((fclose(f) != 0 || bad) && rc == CLI_OK) {
        rc = cli_fail("cannot write %s: %s", path, strerror(errno));
    }

    if (rc == CLI_OK && rename(temp, path) != 0) {
        rc = cli_fail("%s: %s", path, strerror(errno));
    }

    if (rc != CLI_OK) {
        remove(temp);
    }

    return rc;
}


int
cli_dataset_export(const cli_dataset_t *o)
{
    int              rc;
    struct stat      a, b;
    maas_dataset_t  *ds;

    rc = cli_dataset_open(o, &ds);
    if (rc != -1) {
        return rc;
    }

    if (o->output != NULL && stat(o->output, &a) == 0
        && stat(o->rest.v[1], &b) == 0 && a.st_dev == b.st_dev
        && a.st_ino == b.st_ino)
    {
        maas_dataset_close(ds);
        return cli_fail("%s would be written over itself", o->output);
    }

    cli_progress_begin(cli_base(o->rest.v[1]));
    rc = o->output == NULL ? rows_write(ds, maas_dataset_rows(ds), stdout)
                           : export_file(ds, o->output);
    cli_progress_end();
    maas_dataset_close(ds);
    return rc;
}


/* -- split --------------------------------------------------------------- */

static int
split_spec(const cli_dataset_t *o, const maas_dataset_t *ds,
    maas_split_spec_t *s)
{
    maas_err_t  err;

    s->by = o->by == NULL || strcmp(o->by, "random") == 0 ? MAAS_SPLIT_RANDOM
            : strcmp(o->by, "group") == 0 ? MAAS_SPLIT_GROUP
                                          : MAAS_SPLIT_TIME;
    s->validation = o->validation > 0 ? o->validation
                    : o->test > 0 ? 0 : 0.2;
    s->test = o->test;
    s->seed = (uint64_t) o->seed;
    s->column = s->stratify = -1;

    if (s->by == MAAS_SPLIT_TIME && strcmp(o->by, "time") != 0) {
        return cli_usage("--by %s: expected random, group or time", o->by);
    }

    if ((s->by == MAAS_SPLIT_RANDOM) != (o->column == NULL)) {
        return cli_usage(o->column == NULL ? "--by %s needs --column"
                         : "--column needs --by group or time",
                         o->by == NULL ? "" : o->by);
    }

    if (o->stratify != NULL && s->by != MAAS_SPLIT_RANDOM) {
        return cli_usage("--stratify goes with --by random");
    }

    if ((o->column != NULL
         && maas_dataset_find(ds, (maas_str_t) { o->column,
                                                 strlen(o->column) },
                              &s->column, &err) != MAAS_OK)
        || (o->stratify != NULL
            && maas_dataset_find(ds, (maas_str_t) { o->stratify,
                                                    strlen(o->stratify) },
                                 &s->stratify, &err) != MAAS_OK))
    {
        return cli_fail("%s", err.text);
    }

    return -1;
}


static int
split_write(const maas_dataset_t *ds, const char *prefix, const char *part,
    const int64_t *index, int64_t n)
{
    char         path[4096];
    maas_err_t   err;
    maas_rows_t  rows = { index, 0, n };

    if (n == 0) {
        return CLI_OK;
    }

    if (snprintf(path, sizeof(path), "%s.%s.maasds", prefix, part)
        >= (int) sizeof(path))
    {
        return cli_fail("%s: the name is too long", prefix);
    }

    if (maas_dataset_copy(ds, &rows, path, 0, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    printf("%s: %lld rows\n", path, (long long) n);
    return CLI_OK;
}


int
cli_dataset_split(const cli_dataset_t *o)
{
    int                rc;
    char               prefix[4096];
    maas_err_t         err;
    maas_arena_t       mem;
    maas_split_t       out;
    maas_dataset_t    *ds;
    maas_split_spec_t  spec = { 0 };

    rc = cli_dataset_open(o, &ds);
    if (rc != -1) {
        return rc;
    }

    snprintf(prefix, sizeof(prefix), "%s",
             o->output != NULL ? o->output : o->rest.v[1]);

    if (o->output == NULL && cli_ends(prefix, ".maasds")) {
        prefix[strlen(prefix) - 7] = '\0';
    }

    maas_arena_init(&mem, maas_host_default(), 0);
    rc = split_spec(o, ds, &spec);

    if (rc == -1) {
        rc = maas_dataset_split(ds, &spec, &mem, &out, &err) == MAAS_OK
             ? CLI_OK : cli_fail("%s", err.text);
    }

    if (rc == CLI_OK) {
        rc = split_write(ds, prefix, "train", out.train, out.n_train);
    }

    if (rc == CLI_OK) {
        rc = split_write(ds, prefix, "validation", out.validation,
                         out.n_validation);
    }

    if (rc == CLI_OK) {
        rc = split_write(ds, prefix, "test", out.test, out.n_test);
    }

    maas_arena_destroy(&mem);
    maas_dataset_close(ds);
    return rc;
}
