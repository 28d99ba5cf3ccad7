/*
 * TAP for the unit tests: a line a check, the plan at the end, an exit
 * status that says whether all passed.  Included once by each test program.
 */

#ifndef MAAS_TAP_H
#define MAAS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>


static int  tap_n;
static int  tap_failed;


__attribute__((format(printf, 2, 3), unused))
static inline int
ok(int cond, const char *fmt, ...)
{
    va_list  args;

    tap_n++;
    tap_failed += !cond;

    printf("%sok %d - ", cond ? "" : "not ", tap_n);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");
    fflush(stdout);

    return cond;
}


__attribute__((unused))
static inline int
is_int(long long got, long long want, const char *name)
{
    if (!ok(got == want, "%s", name)) {
        printf("# got %lld, expected %lld\n", got, want);
    }

    return got == want;
}


__attribute__((unused))
static inline int
is_str(const char *got, const char *want, const char *name)
{
    if (!ok(strcmp(got, want) == 0, "%s", name)) {
        printf("# got: %s\n# expected: %s\n", got, want);
    }

    return strcmp(got, want) == 0;
}


/* Passes when text holds part. */
__attribute__((unused))
static inline int
has_str(const char *text, const char *part, const char *name)
{
    if (!ok(strstr(text, part) != NULL, "%s", name)) {
        printf("# got: %s\n# expected to hold: %s\n", text, part);
    }

    return strstr(text, part) != NULL;
}


static inline int
done(void)
{
    printf("1..%d\n", tap_n);

    return tap_failed != 0;
}

#endif
