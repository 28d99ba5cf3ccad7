/*
 * JSON into a dataset: rows ([{..},..]), columns ({"a":[..],..}; {"0":..}
 * in place of a list, as pandas writes it) and an object a line.  The file
 * is cut into values by a scanner that knows strings and brackets alone;
 * Jansson reads each, so that one row is in memory at a time.
 *
 * Ownership: see dataset_import.h.
 * Threads:   one thread.
 */

#include <jansson.h>

#include "train/dataset_import.h"


#define JS_SAMPLE  1000         /* rows that the first guess sees */
#define JS_SPARSE  1000         /* times more cells than there are values */
#define JS_CELLS   (UINT64_C(1) << 26)  /* from so many on */

typedef enum { JS_ROWS = 0, JS_COLUMNS, JS_LINES } js_form_t;

typedef struct {
    maas_import_job_t  *job;
    maas_text_t         text;
    maas_cells_t        cells;
    const char         *path;
    js_form_t           form;
    uint64_t            line;           /* of text.pos */
    uint64_t            rows;
    uint64_t            given, all;     /* cells that were there, or not */
    double             *list;
    size_t              n_list, cap_list;
    json_t             *value;          /* the one at hand */
} js_t;


static maas_status_t
js_bad(js_t *j, const char *what)
{
    return maas_err(j->job->err, MAAS_EINVAL, "%s: line %llu: %s", j->path,
                    (unsigned long long) j->line, what);
}


static maas_status_t
js_more(js_t *j)
{
    maas_status_t  rc = maas_text_more(&j->text);

    if (rc == MAAS_ELIMIT) {
        return maas_err(j->job->err, MAAS_ELIMIT, "%s: line %llu: a value of "
                        "more than %zu bytes", j->path,
                        (unsigned long long) j->line, j->text.limit);
    }

    return rc;
}


/* The next byte that is no white space, not taken; -1: the end. */
static maas_status_t
js_peek(js_t *j, int *byte)
{
    char          c;
    maas_text_t  *t = &j->text;

    for ( ;; ) {
        for ( /* void */ ; t->pos < t->end; t->pos++) {
            c = *t->pos;

            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
                *byte = (unsigned char) c;
                return MAAS_OK;
            }

            j->line += c == '\n';
        }

        if (t->eof) {
            *byte = -1;
            return MAAS_OK;
        }

        MAAS_TRY(js_more(j));
    }
}


static maas_status_t
js_take(js_t *j, char want, const char *where)
{
    int   c;
    char  text[80];

    MAAS_TRY(js_peek(j, &c));

    if (c == want) {
        j->text.pos++;
        return MAAS_OK;
    }

    snprintf(text, sizeof(text), "'%c' expected %s, not %s", want, where,
             c < 0 ? "the end" : (char[]) { '\'', (char) c, '\'', 0 });
    return js_bad(j, text);
}


/* Behind the string at p, or NULL: it does not end here. */
static const char *
js_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"') {
            return p + 1;
        }

        p += *p == '\\';
    }

    return NULL;
}


/* Behind the value at p, or NULL: it may not end here. */
static const char *
js_behind(const char *p, const char *end, bool eof)
{
    size_t  depth = 0;

    if (*p != '{' && *p != '[' && *p != '"') {
        while (p < end && strchr(" \n\r\t,]}:", *p) == NULL) {
            p++;
        }

        return p < end || eof ? p : NULL;
    }

    while (p != NULL && p < end) {
        switch (*p) {

        case '"':
            p = js_string(p, end);
            break;

        case '{':
        case '[':
            depth++;
            p++;
            break;

        case '}':
        case ']':
            depth--;
            p++;
            break;

        default:
            p++;
            continue;
        }

        if (depth == 0) {
            return p;
        }
    }

    return NULL;
}


/* The next value into j->value. */
static maas_status_t
js_value(js_t *j)
{
    int            c;
    char           text[JSON_ERROR_TEXT_LENGTH + 60];
    size_t         n;
    const char    *behind;
    json_error_t   e;
    maas_text_t   *t = &j->text;

    json_decref(j->value);
    j->value = NULL;
    MAAS_TRY(js_peek(j, &c));

    if (c < 0) {
        return js_bad(j, "a value expected, not the end");
    }

    while ((behind = js_behind(t->pos, t->end, t->eof)) == NULL) {
        if (t->eof) {
            return js_bad(j, "the value that begins here does not end");
        }

        MAAS_TRY(js_more(j));
    }

    n = (size_t) (behind - t->pos);
    j->value = json_loadb(t->pos, n, JSON_DECODE_ANY | JSON_ALLOW_NUL
                                     | JSON_REJECT_DUPLICATES, &e);

    if (j->value == NULL) {
        j->line += e.line > 0 ? (uint64_t) e.line - 1 : 0;
        snprintf(text, sizeof(text), "%s%s", e.text,
                 strstr(e.text, "NaN") || strstr(e.text, "Infinity")
                 ? " (JSON has no such number: write null)" : "");
        return js_bad(j, text);
    }

    for (const char *p = t->pos; p < behind; p++) {
        j->line += *p == '\n';
    }

    t->pos += n;
    return MAAS_OK;
}


/* -- cells --------------------------------------------------------------- */

static maas_status_t
js_refused(js_t *j, int column, const char *what)
{
    maas_str_t  name = j->cells.column[column].name;

    return maas_err(j->job->err, MAAS_EINVAL, "%s: row %llu, column "
                    "\"%.*s\": %s (a cell is a number, a text, true, false, "
                    "null, or lists of numbers)", j->path,
                    (unsigned long long) j->cells.line,
                    (int) maas_min(name.len, 80), name.data, what);
}


static maas_status_t
js_list_add(js_t *j, double v)
{
    size_t   cap = j->cap_list * 2 + 256;
    double  *p;

    if (j->n_list == j->cap_list) {
        p = maas_alloc(j->job->host, cap * sizeof(*p));
        if (p == NULL) {
            return maas_err_nomem(j->job->err);
        }

        if (j->n_list != 0) {
            memcpy(p, j->list, j->n_list * sizeof(*p));
        }

        maas_free(j->job->host, j->list);
        j->list = p;
        j->cap_list = cap;
    }

    j->list[j->n_list++] = v;
    return MAAS_OK;
}


/* Nested lists of one shape: dims are those of the first of each depth. */
static maas_status_t
js_list(js_t *j, int column, const json_t *v, int depth, int *rank,
    int64_t *dims)
{
    size_t  n = json_array_size(v);
    json_t *e;

    if (depth == MAAS_RANK_MAX || n == 0) {
        return js_refused(j, column, n == 0 ? "an empty list"
                                            : "lists too deep in lists");
    }

    if (*rank <= depth) {
        dims[depth] = (int64_t) n;
        *rank = depth + 1;
    }

    if (dims[depth] != (int64_t) n) {
        return js_refused(j, column, "lists of different lengths");
    }

    for (size_t i = 0; i < n; i++) {
        e = json_array_get(v, i);

        if (json_is_array(e)) {
            if (depth + 1 == *rank && j->n_list != 0) {
                return js_refused(j, column, "numbers beside lists");
            }

            MAAS_TRY(js_list(j, column, e, depth + 1, rank, dims));
            continue;
        }

        if (!json_is_number(e) || depth + 1 != *rank) {
            return js_refused(j, column, json_is_number(e)
                              ? "numbers beside lists"
                              : "a list with something that is no number");
        }

        MAAS_TRY(js_list_add(j, json_number_value(e)));
    }

    return MAAS_OK;
}


static maas_status_t
js_cell(js_t *j, int column, const json_t *v)
{
    int            rank = 0;
    int64_t        dims[MAAS_RANK_MAX];
    maas_str_t     s;
    maas_cells_t  *c = &j->cells;

    switch (json_typeof(v)) {

    case JSON_INTEGER:
        return maas_cells_integer(c, column, json_integer_value(v));

    case JSON_REAL:
        return maas_cells_number(c, column, json_real_value(v));

    case JSON_TRUE:
    case JSON_FALSE:
        return maas_cells_bool(c, column, json_is_true(v));

    case JSON_NULL:
        return maas_cells_missing(c, column);

    case JSON_STRING:
        s = (maas_str_t) { json_string_value(v), json_string_length(v) };

        for (size_t i = 0; i < j->job->o->n_missing; i++) {
            if (maas_str_eq(s, j->job->o->missing[i])) {
                return maas_cells_missing(c, column);
            }
        }

        return s.len == 0 ? maas_cells_missing(c, column)
                          : maas_cells_text(c, column, s);

    case JSON_ARRAY:
        j->n_list = 0;
        MAAS_TRY(js_list(j, column, v, 0, &rank, dims));
        return maas_cells_list(c, column, rank, dims, j->list);

    default:
        return js_refused(j, column, "an object");
    }
}


static maas_status_t
js_row(js_t *j)
{
    int          column = 0;
    json_t      *v;
    const char  *key;

    j->cells.line = ++j->rows;

    if (!json_is_object(j->value)) {
        return js_bad(j, "a row is not an object: {\"column\": value, ...}");
    }

    json_object_foreach(j->value, key, v) {
        MAAS_TRY(maas_cells_column(&j->cells,
                                   (maas_str_t) { key, strlen(key) },
                                   &column));
        MAAS_TRY(js_cell(j, column, v));
        column++;
    }

    /* A small file of ever new names would fill a disk with nothing. */
    j->given += json_object_size(j->value);
    j->all += (uint64_t) j->cells.n;

    if (j->all > JS_CELLS && j->all / JS_SPARSE > j->given) {
        return maas_err(j->job->err, MAAS_ELIMIT, "%s: row %llu: there are %d "
                        "columns, and nearly all cells are empty", j->path,
                        (unsigned long long) j->rows, j->cells.n);
    }

    return maas_cells_row(&j->cells);
}


/* -- forms --------------------------------------------------------------- */

/* Rows, at most max of them; the text is behind the opening bracket. */
static maas_status_t
js_rows(js_t *j, uint64_t max)
{
    int   c;

    for (bool first = true; j->rows < max; first = false) {
        MAAS_TRY(js_peek(j, &c));

        if (j->form == JS_LINES) {
            if (c < 0) {
                return MAAS_OK;
            }

        } else if (c == ']') {
            j->text.pos++;
            MAAS_TRY(js_peek(j, &c));
            return c < 0 ? MAAS_OK
                         : js_bad(j, "something stands behind the rows");

        } else if (!first) {
            MAAS_TRY(js_take(j, ',', "between rows"));
        }

        MAAS_TRY(js_value(j));
        MAAS_TRY(js_row(j));
    }

    return MAAS_OK;
}


/* One column's cells: a list, or an object whose names are of no matter. */
static maas_status_t
js_column(js_t *j, int column)
{
    int   c;
    bool  object;

    MAAS_TRY(js_peek(j, &c));

    if (c != '[' && c != '{') {
        return js_bad(j, "a column is not a list");
    }

    object = c == '{';
    j->text.pos++;

    for (j->cells.line = 1; ; j->cells.line++) {
        MAAS_TRY(js_peek(j, &c));

        if (c == (object ? '}' : ']')) {
            j->text.pos++;
            return MAAS_OK;
        }

        if (j->cells.line != 1) {
            MAAS_TRY(js_take(j, ',', "between the values of a column"));
        }

        if (object) {
            MAAS_TRY(js_value(j));
            MAAS_TRY(js_take(j, ':', "behind the name of a value"));
        }

        MAAS_TRY(js_value(j));
        MAAS_TRY(js_cell(j, column, j->value));
        j->rows++;
    }
}


static maas_status_t
js_columns(js_t *j)
{
    int   c, column;

    for (int i = 0; ; i++) {
        MAAS_TRY(js_peek(j, &c));

        if (c == '}') {
            j->text.pos++;
            MAAS_TRY(js_peek(j, &c));
            return c < 0 ? MAAS_OK
                         : js_bad(j, "something stands behind the columns");
        }

        if (i != 0) {
            MAAS_TRY(js_take(j, ',', "between columns"));
        }

        MAAS_TRY(js_value(j));

        if (!json_is_string(j->value)) {
            return js_bad(j, "a column has no name");
        }

        column = i;
        MAAS_TRY(maas_cells_column(&j->cells, (maas_str_t) {
                                       json_string_value(j->value),
                                       json_string_length(j->value) },
                                   &column));

        if (column != i) {
            return js_bad(j, "two columns have one name");
        }

        MAAS_TRY(js_take(j, ':', "behind the name of a column"));
        MAAS_TRY(js_column(j, column));
    }
}


/* {"a": [ is columns, {"a": 1 the first of many objects. */
static maas_status_t
js_form(js_t *j, bool lines)
{
    int          c;
    const char  *p;

    MAAS_TRY(js_peek(j, &c));

    if (c < 0) {
        return maas_err(j->job->err, MAAS_EINVAL, "%s: the file is empty",
                        j->path);
    }

    j->form = lines ? JS_LINES : c == '[' ? JS_ROWS : JS_COLUMNS;

    if (lines || c == '[') {
        return MAAS_OK;
    }

    if (c != '{') {
        return js_bad(j, "neither a list of rows nor an object of columns");
    }

    j->text.pos++;
    MAAS_TRY(js_peek(j, &c));

    if (c == '"') {
        while ((p = js_string(j->text.pos, j->text.end)) == NULL
               && !j->text.eof)
        {
            MAAS_TRY(js_more(j));
        }

        j->text.pos = p == NULL ? j->text.end : (char *) (uintptr_t) p;
        MAAS_TRY(js_take(j, ':', "behind a name"));
        MAAS_TRY(js_peek(j, &c));
        j->form = c == '[' || c == '{' ? JS_COLUMNS : JS_LINES;
    }

    return MAAS_OK;
}


/* To the first row or column. */
static maas_status_t
js_begin(js_t *j)
{
    maas_text_t  *t = &j->text;

    MAAS_TRY(maas_text_rewind(t));
    j->line = 1;
    j->rows = 0;
    j->given = j->all = 0;

    while (t->end - t->pos < 3 && !t->eof) {
        MAAS_TRY(js_more(j));
    }

    if (t->end - t->pos >= 3 && memcmp(t->pos, "\xef\xbb\xbf", 3) == 0) {
        t->pos += 3;
    }

    return MAAS_OK;
}


static maas_status_t
js_pass(js_t *j, uint64_t max)
{
    MAAS_TRY(js_begin(j));

    if (j->form != JS_LINES) {
        MAAS_TRY(js_take(j, j->form == JS_ROWS ? '[' : '{', "at the start"));
    }

    return j->form == JS_COLUMNS ? js_columns(j) : js_rows(j, max);
}


static maas_status_t
js_run(js_t *j, bool lines)
{
    bool  again = true;

    MAAS_TRY(js_begin(j));
    MAAS_TRY(js_form(j, lines));
    j->cells.what = "row";
    j->cells.by_column = j->form == JS_COLUMNS;
    MAAS_TRY(js_pass(j, JS_SAMPLE));

    if (j->rows == 0 || j->cells.n == 0) {
        return maas_err(j->job->err, MAAS_EINVAL, "%s: there is no row",
                        j->path);
    }

    for (int pass = 0; again; pass++) {
        if (pass == 3) {
            return maas_err(j->job->err, MAAS_EIO, "%s: the file changes "
                            "while it is read", j->path);
        }

        MAAS_TRY(maas_cells_begin(&j->cells));
        MAAS_TRY(js_pass(j, UINT64_MAX));
        MAAS_TRY(maas_cells_end(&j->cells, &again));
    }

    return MAAS_OK;
}


maas_status_t
maas_import_json(maas_import_job_t *job, bool lines)
{
    js_t           j = { .job = job, .path = job->source[0] };
    size_t         limit = job->o->record != 0 ? job->o->record
                                               : MAAS_IMPORT_RECORD;
    maas_status_t  rc;

    maas_cells_init(&j.cells, job, j.path);
    rc = maas_text_open(&j.text, job, j.path, limit);

    if (rc == MAAS_OK) {
        rc = js_run(&j, lines);
    }

    maas_text_close(&j.text);
    maas_cells_close(&j.cells);
    maas_free(job->host, j.list);
    json_decref(j.value);

    return rc;
}
