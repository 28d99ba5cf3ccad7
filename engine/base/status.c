/*
 * The one place where an error's text is formatted, and the two clocks.  The
 * text is cut, never overrun; it is formatted at the origin of the error and
 * may get prefixes on the way up.
 *
 * Ownership: the caller owns the maas_err_t.
 * Threads:   reentrant.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"


maas_status_t
maas_err(maas_err_t *err, maas_status_t status, const char *fmt, ...)
{
    va_list  args;

    if (err == NULL) {
        return status;
    }

    err->status = status;

    va_start(args, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);

    return status;
}


maas_status_t
maas_err_prefix(maas_err_t *err, const char *fmt, ...)
{
    char     text[MAAS_ERR_TEXT];
    int      n;
    size_t   len, room;
    va_list  args;

    if (err == NULL) {
        return MAAS_EINTERNAL;
    }

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (n < 0) {
        return err->status;
    }

    len = maas_min((size_t) n, sizeof(text) - 1);
    room = sizeof(text) - len;
    snprintf(text + len, room, ": %.*s", (int) room, err->text);
    memcpy(err->text, text, sizeof(text));

    return err->status;
}


maas_status_t
maas_err_nomem(maas_err_t *err)
{
    return maas_err(err, MAAS_ENOMEM, "out of memory");
}


uint64_t
maas_now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}


uint64_t
maas_coarse_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);

    return (uint64_t) ts.tv_sec * 1000000000u + (uint64_t) ts.tv_nsec;
}


maas_status_t
maas_err_suffix(maas_err_t *err, const char *more)
{
    size_t  len;

    if (err == NULL) {
        return MAAS_EINTERNAL;
    }

    len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, "; %s", more);

    return err->status;
}
