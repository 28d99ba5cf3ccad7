/*
 * A byte buffer that grows by doubling, and JSON strings into it.  An
 * append that is refused sets `failed`; later ones do nothing, so that a
 * writer checks once, at its end.
 *
 * Ownership: the buffer owns its bytes until maas_buf_destroy().
 * Threads:   one at a time.
 */

#include <stdio.h>

#include "base/base.h"


#define BUF_MIN  256


void
maas_buf_init(maas_buf_t *b, const maas_host_t *host)
{
    b->host = host;
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
    b->failed = false;
}


void
maas_buf_destroy(maas_buf_t *b)
{
    if (b == NULL || b->data == NULL) {
        return;
    }

    maas_free(b->host, b->data);
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
}


char *
maas_buf_reserve(maas_buf_t *b, size_t n)
{
    char    *p;
    size_t   cap, need;

    if (b->failed) {
        return NULL;
    }

    if (n <= b->cap - b->len) {
        return b->data + b->len;
    }

    if (n > SIZE_MAX / 4 - b->len) {
        b->failed = true;
        return NULL;
    }

    need = b->len + n;
    cap = maas_max(b->cap, BUF_MIN);

    while (cap < need) {
        cap *= 2;
    }

    p = maas_alloc(b->host, cap);
    if (p == NULL) {
        b->failed = true;
        return NULL;
    }

    if (b->len != 0) {
        memcpy(p, b->data, b->len);
    }

    maas_free(b->host, b->data);
    b->data = p;
    b->cap = cap;

    return p + b->len;
}


void
maas_buf_add(maas_buf_t *b, const void *p, size_t n)
{
    char  *q;

    if (n == 0) {
        return;
    }

    q = maas_buf_reserve(b, n);
    if (q != NULL) {
        memcpy(q, p, n);
        b->len += n;
    }
}


void
maas_buf_puts(maas_buf_t *b, const char *s)
{
    maas_buf_add(b, s, strlen(s));
}


void
maas_buf_printf(maas_buf_t *b, const char *fmt, ...)
{
    int      n;
    char    *p;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    if (n < 0) {
        b->failed = true;
        return;
    }

    p = maas_buf_reserve(b, (size_t) n + 1);
    if (p == NULL) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(p, (size_t) n + 1, fmt, args);
    va_end(args);

    b->len += (size_t) n;
}


/* Bytes of the UTF-8 sequence at p, 0 when it is none (RFC 3629). */
static size_t
utf8_length(const uint8_t *p, size_t n)
{
    size_t    len;
    uint32_t  c, low;

    if (p[0] < 0x80) {
        return 1;
    }

    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }

    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len > n) {
        return 0;
    }

    c = p[0] & (0x7f >> len);

    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        c = c << 6 | (p[i] & 0x3f);
    }

    low = len == 2 ? 0x80 : len == 3 ? 0x800 : 0x10000;

    if (c < low || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        return 0;
    }

    return len;
}


bool
maas_utf8_valid(const char *p, size_t n)
{
    size_t  len;

    for (size_t i = 0; i < n; i += len) {
        len = utf8_length((const uint8_t *) p + i, n - i);

        if (len == 0) {
            return false;
        }
    }

    return true;
}


static void
json_escape(maas_buf_t *b, uint8_t c)
{
    switch (c) {

    case '"':
        maas_buf_add(b, "\\\"", 2);
        break;

    case '\\':
        maas_buf_add(b, "\\\\", 2);
        break;

    case '\n':
        maas_buf_add(b, "\\n", 2);
        break;

    case '\r':
        maas_buf_add(b, "\\r", 2);
        break;

    case '\t':
        maas_buf_add(b, "\\t", 2);
        break;

    default:
        maas_buf_printf(b, "\\u%04x", c);
    }
}


void
maas_buf_json(maas_buf_t *b, const char *p, size_t n)
{
    size_t          i, start, len;
    const uint8_t  *u;

    u = (const uint8_t *) p;
    start = 0;
    i = 0;

    maas_buf_add(b, "\"", 1);

    while (i < n) {

        if (u[i] >= 0x20 && u[i] < 0x80 && u[i] != '"' && u[i] != '\\') {
            i++;
            continue;
        }

        len = utf8_length(u + i, n - i);

        if (len > 1) {
            i += len;
            continue;
        }

        maas_buf_add(b, p + start, i - start);

        if (len == 0) {
            maas_buf_add(b, "\xef\xbf\xbd", 3);         /* U+FFFD */

        } else {
            json_escape(b, u[i]);
        }

        start = ++i;
    }

    maas_buf_add(b, p + start, n - start);
    maas_buf_add(b, "\"", 1);
}
