/*
 * multipart.h: the parts of a multipart/form-data body, one after the other.
 * Strict: no text before the first boundary, a Content-Disposition with a
 * name in each part, CRLF line ends, bounded headers and parts.
 *
 * Ownership: parts point into the body; names with escapes are copied into
 *            the arena given.
 * Threads:   one reader, one thread.
 * https://www.rfc-editor.org/rfc/rfc7578
 */

#ifndef MAAS_MULTIPART_H
#define MAAS_MULTIPART_H

#include "base/base.h"


#define MAAS_MULTIPART_PARTS     1024
#define MAAS_MULTIPART_HEADERS   16         /* of one part */
#define MAAS_MULTIPART_LINE      2048       /* bytes of one header */
#define MAAS_MULTIPART_BOUNDARY  70

typedef struct {
    maas_str_t   name;
    maas_str_t   filename;      /* data NULL: not given */
    maas_str_t   type;          /* Content-Type; len 0: not given */
    const char  *data;
    size_t       len;
} maas_part_t;

typedef struct {
    const char  *start;
    const char  *pos;
    const char  *end;
    unsigned     n;             /* parts so far */
    size_t       mark_len;
    char         mark[MAAS_MULTIPART_BOUNDARY + 4];     /* CRLF -- boundary */
} maas_multipart_t;

/* type: the request's Content-Type, with the boundary. */
maas_status_t maas_multipart_init(maas_multipart_t *m, maas_str_t type,
    const char *p, size_t n, maas_err_t *err);

/* The next part; part->data NULL behind the last. */
maas_status_t maas_multipart_next(maas_multipart_t *m, maas_arena_t *a,
    maas_part_t *part, maas_err_t *err);

#endif
