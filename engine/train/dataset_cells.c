/*
 * Cells whose kinds are found out while they are written.  The guess of a
 * column only ever widens: nothing, bool, integer -> number, text; so a
 * second pass at most is needed when the first guess was too narrow.
 *
 * Ownership: see dataset_import.h.
 * Threads:   one thread.
 */

#include <math.h>
#include <stdio.h>

#include "base/number.h"
#include "train/dataset_import.h"


static const char *const  cell_what[] = {
    "nothing", "true or false", "integers", "numbers", "text", "lists"
};

static const uint8_t  cell_kind[] = {
    MAAS_COL_INTEGER, MAAS_COL_BOOL, MAAS_COL_INTEGER, MAAS_COL_NUMBER,
    MAAS_COL_CATEGORY, MAAS_COL_TENSOR
};


void
maas_cells_init(maas_cells_t *c, maas_import_job_t *j, const char *path)
{
    memset(c, 0, sizeof(*c));
    c->job = j;
    c->path = path;
    c->what = "line";
    maas_arena_init(&c->mem, j->host, 0);
}


void
maas_cells_close(maas_cells_t *c)
{
    maas_dataset_discard(c->w);
    c->w = NULL;
    maas_free(c->job->host, c->column);
    c->column = NULL;
    maas_arena_destroy(&c->mem);
}


/* -- columns ------------------------------------------------------------- */

static maas_status_t
cells_grow(maas_cells_t *c)
{
    int                  cap = maas_max(c->cap * 2, 16);
    maas_cell_column_t  *p;

    if (c->n == MAAS_DATASET_COLUMNS) {
        return maas_err(c->job->err, MAAS_ELIMIT, "%s: %s %llu: more than %d "
                        "columns", c->path, c->what,
                        (unsigned long long) c->line, MAAS_DATASET_COLUMNS);
    }

    if (c->n < c->cap) {
        return MAAS_OK;
    }

    p = maas_calloc(c->job->host, (size_t) cap, sizeof(*p));
    if (p == NULL) {
        return maas_err_nomem(c->job->err);
    }

    if (c->n != 0) {
        memcpy(p, c->column, (size_t) c->n * sizeof(*p));
    }

    maas_free(c->job->host, c->column);
    c->column = p;
    c->cap = cap;
    return MAAS_OK;
}


maas_status_t
maas_cells_column(maas_cells_t *c, maas_str_t name, int *column)
{
    int                   i = *column;
    maas_cell_column_t   *col;
    const maas_dataset_import_t  *o = c->job->o;

    /* Rows list their names in one order, as a rule. */
    if (i < c->n && maas_str_eq(c->column[i].name, name)) {
        return MAAS_OK;
    }

    for (i = 0; i < c->n; i++) {
        if (maas_str_eq(c->column[i].name, name)) {
            *column = i;
            return MAAS_OK;
        }
    }

    MAAS_TRY(cells_grow(c));
    col = &c->column[c->n];
    memset(col, 0, sizeof(*col));
    col->told = -1;
    col->name = maas_arena_str(&c->mem, name.data, name.len);

    if (col->name.data == NULL) {
        return maas_err_nomem(c->job->err);
    }

    for (size_t k = 0; k < o->n_kind; k++) {
        if (maas_str_eq(o->kind[k].column, name)) {
            col->told = (int8_t) o->kind[k].kind;
        }
    }

    c->redo |= c->w != NULL;
    *column = c->n++;
    return MAAS_OK;
}


static maas_status_t
cells_names(maas_cells_t *c)
{
    int                   k;
    char                  text[MAAS_NEAR_TEXT];
    maas_near_t           near = { 0 };
    const maas_dataset_import_t  *o = c->job->o;

    for (size_t i = 0; i < o->n_kind; i++) {
        near.word = o->kind[i].column;

        for (k = 0; k < c->n; k++) {
            if (maas_str_eq(c->column[k].name, near.word)) {
                break;
            }

            maas_near(&near, c->column[k].name);
        }

        if (k == c->n) {
            return maas_err(c->job->err, MAAS_EINVAL, "%s: no column is "
                            "called \"%.*s\"%s", c->path,
                            (int) maas_min(near.word.len, 80),
                            near.word.data, maas_near_text(&near, text));
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_cells_begin(maas_cells_t *c)
{
    maas_status_t        rc;
    maas_cell_column_t  *col;
    maas_column_spec_t  *spec;

    MAAS_TRY(cells_names(c));

    spec = maas_calloc(c->job->host, (size_t) c->n + 1, sizeof(*spec));
    if (spec == NULL) {
        return maas_err_nomem(c->job->err);
    }

    for (int i = 0; i < c->n; i++) {
        col = &c->column[i];
        col->made = col->told >= 0 ? (uint8_t) col->told
                                   : cell_kind[col->cell];
        spec[i].name = col->name;
        spec[i].kind = col->made;
        spec[i].fixed = col->told >= 0;
        spec[i].dtype = MAAS_F32;
        spec[i].rank = (uint8_t) col->rank;
        memcpy(spec[i].dims, col->dims, sizeof(spec[i].dims));
    }

    rc = maas_dataset_create(&c->w, c->job->host, c->job->path, spec, c->n,
                             c->job->o->budget, c->job->err);
    maas_free(c->job->host, spec);

    if (rc == MAAS_OK && c->by_column) {
        maas_dataset_by_column(c->w);
    }

    c->redo = false;
    return rc;
}


/* -- kinds --------------------------------------------------------------- */

static void
cells_sample(maas_cells_t *c, maas_cell_column_t *col, maas_str_t s)
{
    size_t  n = maas_min(s.len, sizeof(col->sample) - 4);

    while (n > 0 && n < s.len && (s.data[n] & 0xc0) == 0x80) {
        n--;
    }

    memcpy(col->sample, s.data, n);
    memcpy(col->sample + n, n < s.len ? "..." : "", n < s.len ? 4 : 1);

    for (char *p = col->sample; *p != '\0'; p++) {
        *p = (unsigned char) *p < ' ' ? ' ' : *p;
    }

    col->line = c->line;
}


/* Widens the guess; what does not fit the writer's column needs a redo. */
static void
cells_see(maas_cells_t *c, maas_cell_column_t *col, maas_cell_t cell,
    maas_str_t s)
{
    maas_cell_t  was = col->cell;

    if (was == cell || (was == CELL_NUMBER && cell == CELL_INTEGER)) {
        return;
    }

    if (was == CELL_NONE) {
        col->cell = cell;
        col->first = c->line;

        if (cell == CELL_TEXT) {
            cells_sample(c, col, s);
        }

    } else if (was == CELL_INTEGER && cell == CELL_NUMBER) {
        col->cell = CELL_NUMBER;

    } else if (was != CELL_TEXT) {
        cells_sample(c, col, s);
        snprintf(col->note, sizeof(col->note), "text since %s %llu, which is "
                 "\"%s\"; %s before, from %s %llu on", c->what,
                 (unsigned long long) c->line, col->sample, cell_what[was],
                 c->what, (unsigned long long) col->first);
        col->mixed = true;
        col->cell = CELL_TEXT;

    } else if (!col->mixed) {
        snprintf(col->note, sizeof(col->note), "text, as %s %llu is \"%s\"; "
                 "other values are %s, as in %s %llu", c->what,
                 (unsigned long long) col->line, col->sample,
                 cell_what[cell], c->what, (unsigned long long) c->line);
        col->mixed = true;
    }

    c->redo |= c->w != NULL && cell_kind[col->cell] != col->made
               && !(col->made == MAAS_COL_INTEGER
                    && col->cell == CELL_NUMBER);
}


static bool
cells_is(maas_str_t s, const char *word)
{
    size_t  n = strlen(word);

    if (s.len != n) {
        return false;
    }

    for (size_t i = 0; i < n; i++) {
        if ((s.data[i] | 0x20) != word[i]) {
            return false;
        }
    }

    return true;
}


static bool
cells_missing_word(const maas_cells_t *c, maas_str_t s, bool quoted)
{
    const maas_dataset_import_t  *o = c->job->o;

    for (size_t i = 0; i < o->n_missing; i++) {
        if (maas_str_eq(o->missing[i], s)) {
            return true;
        }
    }

    if (quoted || s.len > 4 || s.len < 2) {
        return false;
    }

    return maas_str_is(s, "NA") || maas_str_is(s, "N/A")
           || maas_str_is(s, "NaN") || maas_str_is(s, "nan")
           || maas_str_is(s, "null") || maas_str_is(s, "NULL");
}


typedef struct {
    maas_cell_t  cell;
    int64_t      i;
    double       d;
} cell_value_t;


static bool
cells_read_number(maas_str_t s, cell_value_t *v)
{
    maas_num_t   num;
    const char  *p = s.data, *end = s.data + s.len;

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    if (maas_num_scan(p, end, &num) == end) {
        if (num.integer && num.exp10 == 0
            && num.w < UINT64_C(1000000000000000000))
        {
            v->cell = CELL_INTEGER;
            v->i = num.neg ? -(int64_t) num.w : (int64_t) num.w;
            v->d = num.neg ? -(double) num.w : (double) num.w;
            return true;
        }

        v->cell = num.integer && maas_num_i64(&num, &v->i) ? CELL_INTEGER
                                                           : CELL_NUMBER;
        v->d = maas_num_f64(&num);
        return true;
    }

    v->d = p < end && *p == '-' ? -INFINITY : INFINITY;
    p += p < end && (*p == '-' || *p == '+');
    s = (maas_str_t) { p, (size_t) (end - p) };
    v->cell = CELL_NUMBER;

    return cells_is(s, "inf") || cells_is(s, "infinity");
}


static bool
cells_read_bool(maas_str_t s, bool *v)
{
    *v = cells_is(s, "true");

    return *v || cells_is(s, "false");
}


/* Is the text one of a number's? */
static inline bool
cells_may_be_number(char c)
{
    return (unsigned char) (c - '0') < 10 || c == '-' || c == '+' || c == '.'
           || c == ' ' || c == '\t' || (c | 0x20) == 'i';
}


/* -- values of a known kind ---------------------------------------------- */

maas_status_t
maas_cells_missing(maas_cells_t *c, int column)
{
    if (c->w != NULL && !c->redo && c->by_column) {
        maas_dataset_put_missing(c->w, column);
    }

    return MAAS_OK;
}


static maas_status_t
cells_refused(maas_cells_t *c, const maas_cell_column_t *col, maas_str_t s)
{
    return maas_err(c->job->err, MAAS_EINVAL, "%s: %s %llu, column \"%.*s\": "
                    "\"%.*s\" is no %s, as the column is told to be", c->path,
                    c->what, (unsigned long long) c->line,
                    (int) maas_min(col->name.len, 80), col->name.data,
                    (int) maas_min(s.len, 60), s.data,
                    maas_col_kind_name(col->told));
}


/* A value into the column of the kind that it was told to have. */
static maas_status_t
cells_told(maas_cells_t *c, int column, maas_str_t s)
{
    bool                       b;
    cell_value_t               v;
    const maas_cell_column_t  *col = &c->column[column];

    switch (col->told) {

    case MAAS_COL_NUMBER:
        if (!cells_read_number(s, &v)) {
            return cells_refused(c, col, s);
        }

        if (c->w != NULL) {
            maas_dataset_put_number(c->w, column, v.d);
        }

        return MAAS_OK;

    case MAAS_COL_INTEGER:
        if (!cells_read_number(s, &v) || v.cell != CELL_INTEGER) {
            return cells_refused(c, col, s);
        }

        if (c->w != NULL) {
            maas_dataset_put_integer(c->w, column, v.i);
        }

        return MAAS_OK;

    case MAAS_COL_BOOL:
        if (!cells_read_bool(s, &b)) {
            b = maas_str_is(s, "1") || cells_is(s, "yes");

            if (!b && !maas_str_is(s, "0") && !cells_is(s, "no")) {
                return cells_refused(c, col, s);
            }
        }

        if (c->w != NULL) {
            maas_dataset_put_bool(c->w, column, b);
        }

        return MAAS_OK;

    default:
        if (c->w != NULL) {
            maas_dataset_put_text(c->w, column, s);
        }

        return MAAS_OK;
    }
}


maas_status_t
maas_cells_text(maas_cells_t *c, int column, maas_str_t s)
{
    maas_cell_column_t  *col = &c->column[column];

    if (col->told >= 0) {
        return cells_told(c, column, s);
    }

    cells_see(c, col, CELL_TEXT, s);

    if (c->w != NULL && !c->redo) {
        maas_dataset_put_text(c->w, column, s);
    }

    return MAAS_OK;
}


maas_status_t
maas_cells_bool(maas_cells_t *c, int column, bool v)
{
    maas_str_t           s = v ? maas_str("true") : maas_str("false");
    maas_cell_column_t  *col = &c->column[column];

    if (col->told >= 0) {
        return cells_told(c, column, s);
    }

    cells_see(c, col, CELL_BOOL, s);

    if (c->w != NULL && !c->redo) {
        if (col->cell == CELL_TEXT) {
            maas_dataset_put_text(c->w, column, s);
        } else {
            maas_dataset_put_bool(c->w, column, v);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_cells_integer(maas_cells_t *c, int column, int64_t v)
{
    char                 text[MAAS_NUM_TEXT];
    maas_str_t           s = { text, 0 };
    maas_cell_column_t  *col = &c->column[column];

    if (col->told >= 0 || col->cell >= CELL_TEXT || col->cell == CELL_BOOL) {
        s.len = (size_t) (maas_num_put_i64(text, v) - text);

        if (col->told >= 0) {
            return cells_told(c, column, s);
        }
    }

    cells_see(c, col, CELL_INTEGER, s);

    if (c->w != NULL && !c->redo) {
        if (col->cell == CELL_TEXT) {
            maas_dataset_put_text(c->w, column, s);
        } else {
            maas_dataset_put_integer(c->w, column, v);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_cells_number(maas_cells_t *c, int column, double v)
{
    char                 text[MAAS_NUM_TEXT];
    maas_str_t           s = { text, 0 };
    maas_cell_column_t  *col = &c->column[column];

    if (v != v) {
        return maas_cells_missing(c, column);
    }

    if (isfinite(v) && (col->told >= 0 || col->cell >= CELL_TEXT
                        || col->cell == CELL_BOOL))
    {
        s.len = (size_t) (maas_num_put_f64(text, v) - text);
    }

    if (col->told == MAAS_COL_NUMBER) {
        if (c->w != NULL) {
            maas_dataset_put_number(c->w, column, v);
        }

        return MAAS_OK;
    }

    if (col->told >= 0) {
        return cells_told(c, column, s);
    }

    cells_see(c, col, CELL_NUMBER, s);

    if (c->w != NULL && !c->redo) {
        if (col->cell == CELL_TEXT) {
            maas_dataset_put_text(c->w, column, s);
        } else {
            maas_dataset_put_number(c->w, column, v);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_cells_list(maas_cells_t *c, int column, int rank, const int64_t *dims,
    const double *v)
{
    char                 want[MAAS_DIMS_TEXT], got[MAAS_DIMS_TEXT];
    float               *item;
    int64_t              n = maas_dims_count(dims, rank);
    maas_cell_column_t  *col = &c->column[column];

    if (col->told >= 0 && col->told != MAAS_COL_TENSOR) {
        return cells_refused(c, col, maas_str("a list"));
    }

    if (col->cell == CELL_NONE) {
        cells_see(c, col, CELL_LIST, maas_str(""));
        col->rank = (int8_t) rank;
        memcpy(col->dims, dims, (size_t) rank * sizeof(*dims));
    }

    if (col->cell != CELL_LIST || col->rank != rank
        || memcmp(col->dims, dims, (size_t) rank * sizeof(*dims)) != 0)
    {
        return maas_err(c->job->err, MAAS_EINVAL, "%s: %s %llu, column "
                        "\"%.*s\": a list of shape %s; before, from %s %llu "
                        "on, it has %s%s", c->path, c->what,
                        (unsigned long long) c->line,
                        (int) maas_min(col->name.len, 80), col->name.data,
                        maas_dims_text(got, dims, rank), c->what,
                        (unsigned long long) col->first,
                        cell_what[col->cell], col->cell != CELL_LIST ? ""
                        : maas_dims_text(want, col->dims, col->rank));
    }

    if (c->w == NULL || c->redo) {
        return MAAS_OK;
    }

    item = maas_alloc(c->job->host, (size_t) n * sizeof(*item));
    if (item == NULL) {
        return maas_err_nomem(c->job->err);
    }

    for (int64_t i = 0; i < n; i++) {
        item[i] = (float) v[i];
    }

    maas_dataset_put_item(c->w, column, item);
    maas_free(c->job->host, item);
    return MAAS_OK;
}


/* -- text of CSV --------------------------------------------------------- */

/* The column is text already: is this other than text, for the note? */
static void
cells_note(maas_cells_t *c, maas_cell_column_t *col, maas_str_t s)
{
    cell_value_t  v;

    if (!col->mixed && cells_may_be_number(s.data[0])
        && cells_read_number(s, &v))
    {
        cells_see(c, col, v.cell, s);
    }
}


static inline maas_status_t
cells_put_number(maas_cells_t *c, int column, maas_str_t s,
    const cell_value_t *v)
{
    maas_cell_column_t  *col = &c->column[column];

    cells_see(c, col, v->cell, s);

    if (c->w == NULL || c->redo) {
        return MAAS_OK;
    }

    if (v->cell == CELL_INTEGER && col->made == MAAS_COL_INTEGER) {
        maas_dataset_put_integer(c->w, column, v->i);
    } else {
        maas_dataset_put_number(c->w, column, v->d);
    }

    return MAAS_OK;
}


maas_status_t
maas_cells_put(maas_cells_t *c, int column, maas_str_t s, bool quoted)
{
    bool                 b;
    cell_value_t         v;
    maas_cell_column_t  *col = &c->column[column];

    if (s.len == 0) {
        return maas_cells_missing(c, column);
    }

    if (col->told < 0 && col->cell != CELL_TEXT && c->job->o->n_missing == 0
        && cells_may_be_number(s.data[0]) && cells_read_number(s, &v))
    {
        return cells_put_number(c, column, s, &v);
    }

    if (cells_missing_word(c, s, quoted)) {
        return maas_cells_missing(c, column);
    }

    if (col->told >= 0) {
        return cells_told(c, column, s);
    }

    if (col->cell == CELL_TEXT) {
        cells_note(c, col, s);
        return maas_cells_text(c, column, s);
    }

    if (cells_may_be_number(s.data[0]) && cells_read_number(s, &v)) {
        return cells_put_number(c, column, s, &v);
    }

    if (cells_read_bool(s, &b)) {
        cells_see(c, col, CELL_BOOL, s);

        if (c->w != NULL && !c->redo) {
            maas_dataset_put_bool(c->w, column, b);
        }

        return MAAS_OK;
    }

    return maas_cells_text(c, column, s);
}


/* -- rows ---------------------------------------------------------------- */

maas_status_t
maas_cells_row(maas_cells_t *c)
{
    maas_status_t  rc;

    if (c->w == NULL || c->redo) {
        return MAAS_OK;
    }

    rc = maas_dataset_end_row(c->w, c->job->err);

    if (rc == MAAS_EINVAL) {
        (void) maas_err_prefix(c->job->err, "%s: %s %llu", c->path, c->what,
                               (unsigned long long) c->line);
    }

    return rc;
}


maas_status_t
maas_cells_end(maas_cells_t *c, bool *again)
{
    maas_dataset_writer_t  *w = c->w;

    *again = c->redo || w == NULL;

    if (*again) {
        maas_dataset_discard(w);
        c->w = NULL;
        c->redo = false;
        return MAAS_OK;
    }

    for (int i = 0; i < c->n; i++) {
        if (c->column[i].note[0] != '\0' && c->column[i].told < 0) {
            maas_dataset_note(w, i, (maas_str_t) { c->column[i].note,
                                                strlen(c->column[i].note) });
        }
    }

    c->w = NULL;

    return maas_dataset_commit(w, c->job->err);
}
