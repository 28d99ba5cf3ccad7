/*
 * knumlist: lists of numbers out of text, many at a time; the values are
 * those of base/number.h.  x86/knumlist.c needs nothing beyond SSE2, so that
 * it is no entry of the tables; elsewhere it reads one number at a time.
 *
 * Threads: reentrant.
 */

#ifndef MAAS_KNUMLIST_H
#define MAAS_KNUMLIST_H

#include "base/number.h"


/*
 * Lists of one length that follow each other in a list: "1,2],[3,4].  The
 * numbers of each (0: not known, or no list may follow: the text is read up
 * to the end of this one), those of the list where the text stands, and
 * lists that were ended and followed by another.
 */
typedef struct {
    int64_t  width;
    int64_t  at;
    int64_t  done;
} maas_num_rows_t;

/*
 * Numbers from p on, each with a comma behind it, at most max, of which *n
 * were read: where they end.  The last of a list is taken as well, up to its
 * bracket, and is not in rows->at.  A number that is no plain one is left to
 * the caller.  The text may be read from its begin (text <= p) to its end.
 */
const char *maas_num_floats(const char *text, const char *p, const char *end,
    float *out, int64_t max, maas_num_rows_t *rows, int64_t *n);

/* Integers likewise, those of 32 bits. */
const char *maas_num_ints(const char *text, const char *p, const char *end,
    int32_t *out, int64_t max, maas_num_rows_t *rows, int64_t *n);

#endif
