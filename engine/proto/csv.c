/*
 * Fields and rows of CSV text: see csv.h.  Knows nothing of models.
 *
 * Ownership: see csv.h.
 * Threads:   one reader, one thread.
 */

#include "proto/csv.h"


static bool
csv_marked(const char *p, size_t n)
{
    return n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0;
}


void
maas_csv_init(maas_csv_t *csv, const char *p, size_t n)
{
    if (csv_marked(p, n)) {
        p += 3;
        n -= 3;
    }

    csv->pos = n != 0 ? p : "";
    csv->end = csv->pos + n;
    csv->line = 1;
    csv->row = 1;
}


/* At a line end, or the end? */
static bool
csv_at_end(const maas_csv_t *csv)
{
    return csv->pos == csv->end || *csv->pos == '\n'
           || (*csv->pos == '\r'
               && (csv->pos + 1 == csv->end || csv->pos[1] == '\n'));
}


static void
csv_skip_end(maas_csv_t *csv)
{
    if (csv->pos < csv->end && *csv->pos == '\r') {
        csv->pos++;
    }

    if (csv->pos < csv->end && *csv->pos == '\n') {
        csv->pos++;
        csv->line++;
    }
}


/* "" -> " */
static maas_status_t
csv_unquote(maas_arena_t *a, maas_str_t *s, maas_err_t *err)
{
    char    *p;
    size_t   n = 0;

    p = maas_arena_alloc(a, s->len);
    if (p == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < s->len; i++) {
        p[n++] = s->data[i];
        i += s->data[i] == '"';
    }

    *s = (maas_str_t) { p, n };
    return MAAS_OK;
}


static maas_status_t
csv_quoted(maas_csv_t *csv, maas_arena_t *a, maas_str_t *s, maas_err_t *err)
{
    bool         twice = false;
    const char  *start = ++csv->pos;

    for ( ;; csv->pos++) {

        if (csv->pos == csv->end) {
            return maas_err(err, MAAS_EINVAL, "CSV, line %zu: a field in "
                            "quotes does not end", csv->row);
        }

        csv->line += *csv->pos == '\n';

        if (*csv->pos != '"') {
            continue;
        }

        if (csv->pos + 1 == csv->end || csv->pos[1] != '"') {
            break;
        }

        twice = true;
        csv->pos++;
    }

    *s = (maas_str_t) { start, (size_t) (csv->pos++ - start) };

    return twice && a != NULL ? csv_unquote(a, s, err) : MAAS_OK;
}


static maas_status_t
csv_field(maas_csv_t *csv, maas_arena_t *a, maas_str_t *s, maas_err_t *err)
{
    const char  *start = csv->pos;

    if (csv->pos < csv->end && *csv->pos == '"') {
        MAAS_TRY(csv_quoted(csv, a, s, err));

        if (!csv_at_end(csv) && *csv->pos != ',') {
            return maas_err(err, MAAS_EINVAL, "CSV, line %zu: text behind the "
                            "closing quote of a field", csv->row);
        }

        return MAAS_OK;
    }

    while (!csv_at_end(csv) && *csv->pos != ',') {

        if (*csv->pos == '"') {
            return maas_err(err, MAAS_EINVAL, "CSV, line %zu: a quote inside "
                            "a field that does not begin with one", csv->row);
        }

        csv->pos++;
    }

    *s = (maas_str_t) { start, (size_t) (csv->pos - start) };
    return MAAS_OK;
}


maas_status_t
maas_csv_row(maas_csv_t *csv, maas_arena_t *a, maas_str_t *field, size_t cap,
    size_t *n, maas_err_t *err)
{
    bool        keep;
    maas_str_t  s;

    *n = 0;

    while (csv->pos < csv->end && csv_at_end(csv)) {
        csv_skip_end(csv);
    }

    if (csv->pos == csv->end) {
        return MAAS_OK;
    }

    csv->row = csv->line;

    for ( ;; ) {
        keep = field != NULL && *n < cap;
        MAAS_TRY(csv_field(csv, keep ? a : NULL, &s, err));

        if (keep) {
            field[*n] = s;
        }

        (*n)++;

        if (csv_at_end(csv)) {
            csv_skip_end(csv);
            return MAAS_OK;
        }

        csv->pos++;
    }
}


void
maas_csv_put(maas_buf_t *b, maas_str_t s)
{
    /* An empty field could be no line, and a mark of UTF-8 that of the text. */
    bool  quote = s.len == 0 || csv_marked(s.data, s.len);

    for (size_t i = 0; i < s.len && !quote; i++) {
        quote = s.data[i] == '"' || s.data[i] == ',' || s.data[i] == '\n'
                || s.data[i] == '\r';
    }

    if (!quote) {
        maas_buf_add(b, s.data, s.len);
        return;
    }

    maas_buf_add(b, "\"", 1);

    for (size_t i = 0; i < s.len; i++) {
        maas_buf_add(b, s.data[i] == '"' ? "\"\"" : s.data + i,
                     s.data[i] == '"' ? 2 : 1);
    }

    maas_buf_add(b, "\"", 1);
}
