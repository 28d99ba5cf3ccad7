/*
 * strcase.h: see strcase.c.
 *
 * Ownership: the caller's.
 * Threads:   reentrant.
 */

#ifndef MAAS_STRCASE_H
#define MAAS_STRCASE_H

#include "base/base.h"


/* Writes s in lower or upper case to out: at most s.len bytes. */
size_t maas_str_case(char *out, maas_str_t s, bool upper);

/*
 * The first character of n > 0 bytes to out, which has room for two; returns
 * the bytes read.  One of two bytes changes, longer ones stay: they are read
 * a byte at a time.  A character that becomes one byte is followed by a 0.
 */
size_t maas_str_case_next(char *out, const char *p, size_t n, bool upper);

#endif
