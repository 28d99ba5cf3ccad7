/*
 * CSV and TSV into a dataset: RFC 4180 with LF or CRLF, a byte order mark,
 * quoted fields with separators, quotes and line ends inside.  A record is
 * split where it lies in the reader's buffer; a field is unquoted in place.
 *
 * Ownership: see dataset_import.h.
 * Threads:   one thread.
 * https://www.rfc-editor.org/rfc/rfc4180
 */

#include "base/number.h"
#include "train/dataset_import.h"


#define CSV_SNIFF_ROWS  50
#define CSV_SAMPLE      (256u << 10)    /* bytes that the first guess sees */

typedef struct {
    char    *data;
    size_t   len;
    bool     quoted;
    bool     twice;             /* "" inside */
} csv_field_t;

typedef struct {
    maas_import_job_t  *job;
    maas_text_t         text;
    maas_cells_t        cells;
    const char         *path;
    char                sep;
    uint8_t             stop[256];  /* bytes that end an open field */
    csv_field_t        *field;
    size_t              cap, n;
    uint64_t            line;       /* of the next byte */
    uint64_t            row;        /* line where the record began */
    bool                header;
    bool                any;        /* a record was read */
} csv_t;

/* What csv_split() says. */
typedef enum {
    CSV_RECORD = 0,
    CSV_MORE,                   /* the record does not end here */
    CSV_BAD,
    CSV_NOMEM
} csv_rc_t;


static csv_rc_t
csv_add(csv_t *c, char *p, size_t len, bool quoted, bool twice)
{
    size_t        cap = c->cap * 2 + 64;
    csv_field_t  *f;

    if (c->n == c->cap) {
        f = maas_calloc(c->job->host, cap, sizeof(*f));
        if (f == NULL) {
            return CSV_NOMEM;
        }

        if (c->n != 0) {
            memcpy(f, c->field, c->n * sizeof(*f));
        }

        maas_free(c->job->host, c->field);
        c->field = f;
        c->cap = cap;
    }

    c->field[c->n++] = (csv_field_t) { p, len, quoted, twice };
    return CSV_RECORD;
}


static csv_rc_t
csv_bad(csv_t *c, uint64_t line, const char *what)
{
    (void) maas_err(c->job->err, MAAS_EINVAL, "%s: line %llu, field %zu: %s",
                    c->path, (unsigned long long) line, c->n + 1, what);

    return CSV_BAD;
}


/* The field in quotes at *at; moves behind the closing one. */
static csv_rc_t
csv_quoted(csv_t *c, char **at, const char *end, uint64_t *line)
{
    char  *p = *at + 1, *start = p, *q;
    bool   twice = false;

    for ( ;; p = q + 2) {
        q = memchr(p, '"', (size_t) (end - p));

        if (q == NULL || (q + 1 == end && !c->text.eof)) {
            if (!c->text.eof) {
                return CSV_MORE;
            }

            return csv_bad(c, *line, "a field in quotes does not end");
        }

        for (const char *s = p; s < q; s++) {
            *line += *s == '\n';
        }

        if (q + 1 == end || q[1] != '"') {
            break;
        }

        twice = true;
    }

    *at = q + 1;
    p = q + 1;

    if (p < end && *p != c->sep && *p != '\n'
        && !(*p == '\r' && (p + 1 == end || p[1] == '\n')))
    {
        return csv_bad(c, *line, "text behind the closing quote (a quote "
                       "inside a field in quotes is written twice)");
    }

    return csv_add(c, start, (size_t) (q - start), true, twice);
}


/*
 * One record from p on into c->field; *behind its end.  Nothing of it is
 * changed, so that it can be split again when more was read.
 */
static csv_rc_t
csv_split(csv_t *c, char *p, char *end, char **behind, uint64_t *line)
{
    char      *start;
    csv_rc_t   rc;

    c->n = 0;

    for ( ;; ) {
        if (p < end && *p == '"') {
            rc = csv_quoted(c, &p, end, line);

        } else {
            start = p;

            while (p < end && !c->stop[(uint8_t) *p]) {
                p++;
            }

            /* A CR that no LF follows belongs to the field. */
            while (p + 1 < end && *p == '\r' && p[1] != '\n') {
                do {
                    p++;
                } while (p < end && !c->stop[(uint8_t) *p]);
            }

            rc = csv_add(c, start, (size_t) (p - start), false, false);
        }

        if (rc != CSV_RECORD) {
            return rc;
        }

        if (p < end && *p == c->sep) {
            p++;
            continue;
        }

        if (p < end && *p == '\r') {
            p++;
        }

        if (p == end) {
            *behind = p;
            return c->text.eof ? CSV_RECORD : CSV_MORE;
        }

        (*line)++;
        *behind = p + 1;
        return CSV_RECORD;
    }
}


static void
csv_separator(csv_t *c, char sep)
{
    memset(c->stop, 0, sizeof(c->stop));
    c->stop[(uint8_t) sep] = 1;
    c->stop['\n'] = 1;
    c->stop['\r'] = 1;
    c->sep = sep;
}


/* Reads more; a record that is too long is named by its line. */
static maas_status_t
csv_more(csv_t *c)
{
    maas_status_t  rc = maas_text_more(&c->text);

    if (rc == MAAS_ELIMIT) {
        return maas_err(c->job->err, MAAS_ELIMIT, "%s: line %llu is longer "
                        "than %zu bytes (is a quote not closed?)", c->path,
                        (unsigned long long) c->line, c->text.limit);
    }

    return rc;
}


/* The next record; *got false: the end.  Empty lines are passed over. */
static maas_status_t
csv_record(csv_t *c, bool *got)
{
    char       *behind;
    csv_rc_t    rc;
    uint64_t    line;
    maas_text_t  *t = &c->text;

    for ( ;; ) {
        *got = false;

        if (t->pos == t->end) {
            MAAS_TRY(csv_more(c));

            if (t->pos == t->end) {
                return MAAS_OK;
            }
        }

        line = c->line;
        rc = csv_split(c, t->pos, t->end, &behind, &line);

        switch (rc) {

        case CSV_MORE:
            MAAS_TRY(csv_more(c));
            continue;

        case CSV_BAD:
            return MAAS_EINVAL;

        case CSV_NOMEM:
            return maas_err_nomem(c->job->err);

        default:
            break;
        }

        t->pos = behind;
        c->row = c->line;
        c->line = line;

        if (c->n == 1 && c->field[0].len == 0 && !c->field[0].quoted) {
            continue;
        }

        *got = true;
        return MAAS_OK;
    }
}


/* "" -> ", where it lies. */
static maas_str_t
csv_text(const csv_field_t *f)
{
    size_t  n = 0;

    if (!f->twice) {
        return (maas_str_t) { f->data, f->len };
    }

    for (size_t i = 0; i < f->len; i++) {
        f->data[n++] = f->data[i];
        i += f->data[i] == '"';
    }

    return (maas_str_t) { f->data, n };
}


/* -- finding out --------------------------------------------------------- */

/* As much as one piece, so that the first rows are there. */
static maas_status_t
csv_fill(csv_t *c)
{
    maas_text_t  *t = &c->text;

    while (!t->eof && (size_t) (t->end - t->pos) < maas_min(CSV_SAMPLE,
                                                            t->limit))
    {
        MAAS_TRY(csv_more(c));
    }

    return MAAS_OK;
}


/* How many records in a row have as many fields, above 1, as the first. */
static csv_rc_t
csv_score(csv_t *c, char sep, int *score, size_t *n_field)
{
    char      *p = c->text.pos, *behind;
    csv_rc_t   rc;
    uint64_t   line = 1;

    csv_separator(c, sep);
    *n_field = 0;
    *score = 0;

    while (*score < CSV_SNIFF_ROWS && p < c->text.end) {
        rc = csv_split(c, p, c->text.end, &behind, &line);

        if (rc != CSV_RECORD) {
            *score = rc == CSV_BAD ? 0 : *score;
            return rc;
        }

        p = behind;

        if (c->n == 1 && c->field[0].len == 0) {
            continue;
        }

        if (*score == 0) {
            *n_field = c->n;

        } else if (c->n != *n_field) {
            break;
        }

        (*score)++;
    }

    return CSV_RECORD;
}


/* The separator by which most records have the same number of fields. */
static maas_status_t
csv_sniff(csv_t *c)
{
    int                score, best = 0;
    char               sep = ',';
    size_t             n, most = 1;
    csv_rc_t           rc = CSV_RECORD;
    maas_err_t        *err = c->job->err, ignored;
    static const char  known[] = ",;\t";

    c->job->err = &ignored;

    for (const char *s = known; *s != '\0' && rc != CSV_NOMEM; s++) {
        rc = csv_score(c, *s, &score, &n);

        if (n > 1 && (score > best || (score == best && n > most))) {
            best = score;
            most = n;
            sep = *s;
        }
    }

    c->job->err = err;
    csv_separator(c, sep);

    return rc == CSV_NOMEM ? maas_err_nomem(err) : MAAS_OK;
}


static bool
csv_is_value(const csv_field_t *f)
{
    maas_num_t   num;
    const char  *p = f->data, *end = p + f->len;

    while (p < end && *p == ' ') {
        p++;
    }

    return p < end && maas_num_scan(p, end, &num) == end;
}


/* The line that comes next, as far as it was read, has a number. */
static bool
csv_number_follows(const csv_t *c)
{
    const char   *p = c->text.pos, *end = c->text.end;
    csv_field_t   f;

    while (p < end && *p != '\n') {
        f = (csv_field_t) { .data = (char *) (uintptr_t) p };

        while (p < end && *p != c->sep && *p != '\n' && *p != '\r') {
            p++;
        }

        f.len = (size_t) (p - f.data);

        if (csv_is_value(&f)) {
            return true;
        }

        p += p < end && *p != '\n';
    }

    return false;
}


/*
 * A first record in which no field is a number names; one with a field twice
 * does not, unless there are numbers below.
 */
static bool
csv_has_header(const csv_t *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (csv_is_value(&c->field[i])) {
            return false;
        }

        if (c->n > 1000) {
            continue;
        }

        for (size_t k = 0; k < i; k++) {
            if (c->field[i].len != 0 && c->field[i].len == c->field[k].len
                && memcmp(c->field[i].data, c->field[k].data,
                          c->field[i].len) == 0)
            {
                return csv_number_follows(c);
            }
        }
    }

    return true;
}


static maas_status_t
csv_names(csv_t *c)
{
    int         column, n;
    char        tmp[32] = "column_";
    maas_str_t  name;

    if (c->n > MAAS_DATASET_COLUMNS) {
        return maas_err(c->job->err, MAAS_ELIMIT, "%s: line %llu has %zu "
                        "fields; at most %d are taken", c->path,
                        (unsigned long long) c->row, c->n,
                        MAAS_DATASET_COLUMNS);
    }

    for (size_t i = 0; i < c->n; i++) {
        name = c->header ? csv_text(&c->field[i]) : (maas_str_t) { "", 0 };

        while (name.len != 0 && *name.data == ' ') {
            name.data++;
            name.len--;
        }

        while (name.len != 0 && name.data[name.len - 1] == ' ') {
            name.len--;
        }

        if (name.len == 0) {
            name.data = tmp;
            name.len = (size_t) (maas_num_put_u64(tmp + 7, i + 1) - tmp);
        }

        column = n = c->cells.n;
        MAAS_TRY(maas_cells_column(&c->cells, name, &column));

        if (column != n) {
            return maas_err(c->job->err, MAAS_EINVAL, "%s: line %llu: columns "
                            "%d and %zu are both called \"%.*s\"%s", c->path,
                            (unsigned long long) c->row, column + 1, i + 1,
                            (int) maas_min(name.len, 80), name.data,
                            c->job->o->header < 0
                            ? " (is it no header? --header no)" : "");
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static maas_status_t
csv_ragged(const csv_t *c)
{
    const char         *more = "";
    const csv_field_t  *f = &c->field[0];

    if (c->n == 1 && c->job->o->separator == '\0'
        && (memchr(f->data, ',', f->len) || memchr(f->data, ';', f->len)
            || memchr(f->data, '|', f->len) || memchr(f->data, '\t', f->len)))
    {
        more = "; is the separator another one? --separator";
    }

    return maas_err(c->job->err, MAAS_EINVAL, "%s: line %llu has %zu field%s, "
                    "and the %s has %d%s", c->path,
                    (unsigned long long) c->row, c->n, c->n == 1 ? "" : "s",
                    c->header ? "header" : "first line", c->cells.n, more);
}


static maas_status_t
csv_cells(csv_t *c)
{
    if (c->n != (size_t) c->cells.n) {
        return csv_ragged(c);
    }

    c->cells.line = c->row;

    for (size_t i = 0; i < c->n; i++) {
        MAAS_TRY(maas_cells_put(&c->cells, (int) i, csv_text(&c->field[i]),
                                c->field[i].quoted));
    }

    return maas_cells_row(&c->cells);
}


/* From the start to the first record behind the header. */
static maas_status_t
csv_begin(csv_t *c, bool first)
{
    bool          got;
    maas_text_t  *t = &c->text;

    c->line = 1;
    MAAS_TRY(csv_fill(c));

    if (t->end - t->pos >= 3 && memcmp(t->pos, "\xef\xbb\xbf", 3) == 0) {
        t->pos += 3;
    }

    if (t->end - t->pos >= 2 && (memcmp(t->pos, "\xff\xfe", 2) == 0
                                 || memcmp(t->pos, "\xfe\xff", 2) == 0))
    {
        return maas_err(c->job->err, MAAS_EUNSUPPORTED, "%s: the text is "
                        "UTF-16: save it as UTF-8", c->path);
    }

    if (!first) {
        return c->header ? csv_record(c, &got) : MAAS_OK;
    }

    if (c->job->o->separator != '\0') {
        csv_separator(c, c->job->o->separator);
    } else {
        MAAS_TRY(csv_sniff(c));
    }

    MAAS_TRY(csv_record(c, &got));

    if (!got) {
        return maas_err(c->job->err, MAAS_EINVAL, "%s: the file is empty",
                        c->path);
    }

    c->header = c->job->o->header < 0 ? csv_has_header(c)
                                      : c->job->o->header != 0;
    MAAS_TRY(csv_names(c));

    if (!c->header) {
        c->any = true;
        return csv_cells(c);
    }

    return MAAS_OK;
}


/* Guesses by the rows that lie in memory. */
static maas_status_t
csv_sample(csv_t *c)
{
    bool          got;
    char         *stop;
    maas_text_t  *t = &c->text;

    MAAS_TRY(csv_begin(c, true));
    stop = t->pos + maas_min((size_t) (t->end - t->pos), CSV_SAMPLE);

    while (t->pos < stop) {
        uint64_t  taken = t->taken;

        MAAS_TRY(csv_record(c, &got));

        if (!got) {
            break;
        }

        c->any = true;
        MAAS_TRY(csv_cells(c));

        if (t->taken != taken) {
            break;
        }
    }

    if (!c->any) {
        return maas_err(c->job->err, MAAS_EINVAL, "%s: there is a header and "
                        "no row", c->path);
    }

    return MAAS_OK;
}


static maas_status_t
csv_run(csv_t *c)
{
    bool  got, again = true;

    MAAS_TRY(csv_sample(c));

    for (int pass = 0; again; pass++) {
        if (pass == 3) {
            return maas_err(c->job->err, MAAS_EIO, "%s: the file changes "
                            "while it is read", c->path);
        }

        MAAS_TRY(maas_cells_begin(&c->cells));
        MAAS_TRY(maas_text_rewind(&c->text));
        MAAS_TRY(csv_begin(c, false));

        for ( ;; ) {
            MAAS_TRY(csv_record(c, &got));

            if (!got) {
                break;
            }

            MAAS_TRY(csv_cells(c));
        }

        MAAS_TRY(maas_cells_end(&c->cells, &again));
    }

    return MAAS_OK;
}


maas_status_t
maas_import_csv(maas_import_job_t *j)
{
    csv_t          c = { .job = j, .path = j->source[0] };
    size_t         limit = j->o->record != 0 ? j->o->record
                                             : MAAS_IMPORT_RECORD;
    maas_status_t  rc;

    maas_cells_init(&c.cells, j, c.path);
    rc = maas_text_open(&c.text, j, c.path, limit);

    if (rc == MAAS_OK) {
        rc = csv_run(&c);
    }

    maas_text_close(&c.text);
    maas_cells_close(&c.cells);
    maas_free(j->host, c.field);

    return rc;
}
