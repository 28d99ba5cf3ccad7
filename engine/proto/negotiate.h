/*
 * negotiate.h: media types in headers: their parts, and which of several an
 * Accept header ranks highest.
 *
 * Ownership: everything points into the header given.
 * Threads:   reentrant.
 * https://www.rfc-editor.org/rfc/rfc9110#name-content-negotiation
 */

#ifndef MAAS_NEGOTIATE_H
#define MAAS_NEGOTIATE_H

#include "base/base.h"


/* "text/csv; header=absent" -> "text/csv", without blanks. */
maas_str_t maas_media_type(maas_str_t header);

/* Not case-sensitive. */
bool maas_media_is(maas_str_t type, const char *name);

/* The value of a parameter, without its quotes; data NULL: not there. */
maas_str_t maas_media_param(maas_str_t header, const char *name);

/*
 * Index of the type that Accept ranks highest, -1: none will do.  By weight;
 * then one that is named wins over "*"; then the first of the list.  An
 * empty header takes the first.  *range: what named the winner, with its
 * parameters.
 */
int maas_negotiate(maas_str_t accept, const char *const *types, size_t n,
    maas_str_t *range);

#endif
