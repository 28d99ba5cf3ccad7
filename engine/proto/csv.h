/*
 * csv.h: rows of comma-separated values, as RFC 4180 has them: quoted
 * fields, "" inside them for a quote, LF or CRLF.  Empty lines are passed
 * over.
 *
 * Ownership: fields point into the text; those with "" are copied into the
 *            arena given.
 * Threads:   one reader, one thread.
 * https://www.rfc-editor.org/rfc/rfc4180
 */

#ifndef MAAS_CSV_H
#define MAAS_CSV_H

#include "base/base.h"


typedef struct {
    const char  *pos;
    const char  *end;
    size_t       line;          /* of pos, from 1 */
    size_t       row;           /* line of the row that was read last */
} maas_csv_t;

/* A byte order mark is passed over. */
void maas_csv_init(maas_csv_t *csv, const char *p, size_t n);

/*
 * The next row: *n fields, 0 at the end.  Of more than cap the rest is
 * counted only; field NULL: all are, and nothing is copied.
 */
maas_status_t maas_csv_row(maas_csv_t *csv, maas_arena_t *a,
    maas_str_t *field, size_t cap, size_t *n, maas_err_t *err);

/* A field, in quotes where it must be. */
void maas_csv_put(maas_buf_t *b, maas_str_t s);

#endif
