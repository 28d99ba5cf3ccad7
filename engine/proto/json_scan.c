/*
 * The JSON scanner: keys, items, strings, and values that are skipped.  It
 * never recurses; nesting is bounded, so that 100 MB of '[' fail at the
 * 65th byte.
 *
 * Ownership: strings point into the body, or into the arena when they hold
 *            escapes.
 * Threads:   one scanner, one thread.
 * https://www.rfc-editor.org/rfc/rfc8259
 */

#include <stdio.h>

#include "proto/json.h"


void
maas_json_init(maas_json_t *j, const char *p, size_t n, maas_err_t *err)
{
    j->pos = p;
    j->end = n != 0 ? p + n : p;
    j->start = p;
    j->err = err;
}


maas_status_t
maas_json_fail(maas_json_t *j, const char *fmt, ...)
{
    char     text[MAAS_ERR_TEXT];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    return maas_err(j->err, MAAS_EINVAL, "JSON, byte %zu: %s",
                    (size_t) (j->pos - j->start), text);
}


/* A word that ends where letters and digits end. */
static bool
json_is(const maas_json_t *j, const char *word)
{
    char    c;
    size_t  n = strlen(word);

    if ((size_t) (j->end - j->pos) < n || memcmp(j->pos, word, n) != 0) {
        return false;
    }

    if ((size_t) (j->end - j->pos) == n) {
        return true;
    }

    c = j->pos[n];

    return !(c >= '0' && c <= '9')
           && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}


const char *
maas_json_what(maas_json_t *j)
{
    int  c = maas_json_peek(j);

    switch (c) {

    case -1:
        return j->start == j->end ? "an empty body" : "the end of the body";

    case '{':
        return "an object";

    case '[':
        return "a list";

    case '"':
        return "a string";

    case '\'':
        return "a single quote (JSON has double ones)";

    case 't':
    case 'f':
        return json_is(j, "true") || json_is(j, "false") ? "a boolean"
                                                         : "a bare word";

    case 'n':
        return json_is(j, "null") ? "null" : "a bare word";

    case ']':
    case '}':
        return "a closing bracket";

    case ',':
        return "a comma";
    }

    if (c == '-' || c == 'N' || c == 'I' || (c >= '0' && c <= '9')) {
        return "a number";
    }

    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
           ? "a bare word" : "a byte that begins no value";
}


maas_status_t
maas_json_end(maas_json_t *j)
{
    if (maas_json_peek(j) != -1) {
        return maas_json_fail(j, "%s where the end of the body is expected",
                              maas_json_what(j));
    }

    return MAAS_OK;
}


/* The byte before the next key or item; *last: it was the closing one. */
static maas_status_t
json_next(maas_json_t *j, bool *first, char open, char close, bool *last)
{
    int  c;

    c = maas_json_peek(j);
    *last = false;

    if (*first) {
        *first = false;

        if (c != open) {
            return maas_json_fail(j, "%s where %s is expected",
                                  maas_json_what(j),
                                  open == '{' ? "an object" : "a list");
        }

        j->pos++;

        if (maas_json_peek(j) == close) {
            j->pos++;
            *last = true;
        }

        return MAAS_OK;
    }

    if (c == close) {
        j->pos++;
        *last = true;
        return MAAS_OK;
    }

    if (c != ',') {
        return maas_json_fail(j, "%s where ',' or '%c' is expected",
                              maas_json_what(j), close);
    }

    j->pos++;
    return MAAS_OK;
}


maas_status_t
maas_json_key(maas_json_t *j, maas_arena_t *a, bool *first, maas_str_t *key)
{
    bool  last;

    MAAS_TRY(json_next(j, first, '{', '}', &last));

    if (last) {
        key->data = NULL;
        key->len = 0;
        return MAAS_OK;
    }

    MAAS_TRY(maas_json_string(j, a, key));

    if (maas_json_peek(j) != ':') {
        return maas_json_fail(j, "%s where ':' is expected",
                              maas_json_what(j));
    }

    j->pos++;
    return MAAS_OK;
}


maas_status_t
maas_json_item(maas_json_t *j, bool *first, bool *more)
{
    bool  last;

    MAAS_TRY(json_next(j, first, '[', ']', &last));
    *more = !last;

    return MAAS_OK;
}


/*
 * The high bit of each byte that is '"', '\\' or a control character; a bit
 * above the lowest may be wrong.  Bytes above 0x7f are none.
 */
static inline uint64_t
json_special(uint64_t v)
{
    uint64_t        quote, slash;
    const uint64_t  ones = 0x0101010101010101;

    quote = v ^ ones * '"';
    slash = v ^ ones * '\\';

    return ((quote - ones) | (slash - ones) | (v - ones * 0x20)) & ~v
           & ones * 0x80;
}


/* Behind the opening quote: finds the closing one, checks the bytes. */
static maas_status_t
json_string_end(maas_json_t *j, bool *escapes)
{
    char      c;
    uint64_t  v;

    *escapes = false;

    while (j->pos < j->end) {

        if (j->end - j->pos >= 8) {
            memcpy(&v, j->pos, 8);
            v = json_special(v);

            if (v == 0) {
                j->pos += 8;
                continue;
            }

            j->pos += __builtin_ctzll(v) >> 3;
        }

        c = *j->pos;

        if (c == '"') {
            return MAAS_OK;
        }

        if ((unsigned char) c < 0x20) {
            return maas_json_fail(j, "control character 0x%02x in a string",
                                  c);
        }

        if (c == '\\') {
            *escapes = true;
            j->pos++;

            if (j->pos == j->end) {
                break;
            }
        }

        j->pos++;
    }

    return maas_json_fail(j, "a string is not closed");
}


static int
json_hex4(const char *p, const char *end)
{
    int  v = 0;

    if (end - p < 4) {
        return -1;
    }

    for (int i = 0; i < 4; i++) {
        char  c = p[i];

        if (c >= '0' && c <= '9') {
            v = v * 16 + (c - '0');

        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            v = v * 16 + ((c | 0x20) - 'a') + 10;

        } else {
            return -1;
        }
    }

    return v;
}


static char *
json_put_utf8(char *q, uint32_t c)
{
    if (c < 0x80) {
        *q++ = (char) c;
        return q;
    }

    if (c < 0x800) {
        *q++ = (char) (0xc0 | c >> 6);

    } else {
        if (c < 0x10000) {
            *q++ = (char) (0xe0 | c >> 12);

        } else {
            *q++ = (char) (0xf0 | c >> 18);
            *q++ = (char) (0x80 | (c >> 12 & 0x3f));
        }

        *q++ = (char) (0x80 | (c >> 6 & 0x3f));
    }

    *q++ = (char) (0x80 | (c & 0x3f));

    return q;
}


/*
 * \uXXXX at p (behind the u); a pair of surrogates is one character, a
 * lonely one becomes U+FFFD.  Bytes taken, 0 when malformed.
 */
static size_t
json_unicode(const char *p, const char *end, uint32_t *out)
{
    int  hi, lo;

    hi = json_hex4(p, end);
    if (hi < 0) {
        return 0;
    }

    *out = (uint32_t) hi;

    if (hi < 0xd800 || hi > 0xdfff) {
        return 4;
    }

    *out = 0xfffd;

    if (hi > 0xdbff || end - p < 10 || p[4] != '\\' || p[5] != 'u') {
        return 4;
    }

    lo = json_hex4(p + 6, end);
    if (lo < 0xdc00 || lo > 0xdfff) {
        return 4;
    }

    *out = 0x10000 + ((uint32_t) (hi - 0xd800) << 10)
           + (uint32_t) (lo - 0xdc00);

    return 10;
}


/* Never longer than its source. */
static maas_status_t
json_unescape(maas_json_t *j, const char *p, const char *end, char *out,
    size_t *len)
{
    char               *q = out;
    size_t              n;
    uint32_t            c;
    const char         *e;
    static const char   from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    while (p < end) {

        if (*p != '\\') {
            *q++ = *p++;
            continue;
        }

        p++;

        if (p < end && *p == 'u') {
            n = json_unicode(p + 1, end, &c);
            if (n == 0) {
                return maas_json_fail(j, "a \\u without 4 hexadecimal "
                                      "digits in a string");
            }

            q = json_put_utf8(q, c);
            p += 1 + n;
            continue;
        }

        e = p < end && *p != '\0' ? strchr(from, *p) : NULL;
        if (e == NULL) {
            return maas_json_fail(j, "unknown escape in a string");
        }

        *q++ = to[e - from];
        p++;
    }

    *len = (size_t) (q - out);
    return MAAS_OK;
}


maas_status_t
maas_json_string(maas_json_t *j, maas_arena_t *a, maas_str_t *s)
{
    bool         escapes;
    char        *q;
    const char  *p;

    if (maas_json_peek(j) != '"') {
        return maas_json_fail(j, "%s where a string is expected",
                              maas_json_what(j));
    }

    p = ++j->pos;
    MAAS_TRY(json_string_end(j, &escapes));

    s->data = p;
    s->len = (size_t) (j->pos - p);

    if (escapes) {
        q = maas_arena_alloc(a, s->len);
        if (q == NULL) {
            return maas_err_nomem(j->err);
        }

        MAAS_TRY(json_unescape(j, p, j->pos, q, &s->len));
        s->data = q;
    }

    j->pos++;
    return MAAS_OK;
}


static bool
json_word(maas_json_t *j, const char *word)
{
    if (!json_is(j, word)) {
        return false;
    }

    j->pos += strlen(word);
    return true;
}


maas_status_t
maas_json_bool(maas_json_t *j, bool *v)
{
    maas_json_peek(j);

    if (json_word(j, "true")) {
        *v = true;
        return MAAS_OK;
    }

    if (json_word(j, "false")) {
        *v = false;
        return MAAS_OK;
    }

    return maas_json_fail(j, "%s where true or false is expected",
                          maas_json_what(j));
}


maas_status_t
maas_json_int(maas_json_t *j, int64_t *v)
{
    const char       *p;
    maas_num_t   num;

    maas_json_peek(j);

    p = maas_num_read(j->pos, j->end, &num);
    if (p == NULL || !maas_num_i64(&num, v)) {
        return maas_json_fail(j, "%s where a 64-bit integer is expected",
                              p == NULL ? maas_json_what(j)
                                        : "a larger number, or a fraction,");
    }

    j->pos = p;
    return MAAS_OK;
}


/* One value that is neither list nor object. */
static maas_status_t
json_skip_leaf(maas_json_t *j, int c)
{
    bool              escapes;
    const char       *p;
    maas_num_t   num;

    if (c == '"') {
        j->pos++;
        MAAS_TRY(json_string_end(j, &escapes));
        j->pos++;
        return MAAS_OK;
    }

    if (json_word(j, "true") || json_word(j, "false") || json_word(j, "null"))
    {
        return MAAS_OK;
    }

    p = maas_num_read(j->pos, j->end, &num);
    if (p == NULL) {
        return maas_json_fail(j, "%s where a value is expected",
                              maas_json_what(j));
    }

    j->pos = p;
    return MAAS_OK;
}


/* The key and colon before the next value of an object. */
static maas_status_t
json_skip_key(maas_json_t *j)
{
    if (maas_json_peek(j) != '"') {
        return maas_json_fail(j, "%s where a key is expected",
                              maas_json_what(j));
    }

    MAAS_TRY(json_skip_leaf(j, '"'));

    if (maas_json_peek(j) != ':') {
        return maas_json_fail(j, "%s where ':' is expected",
                              maas_json_what(j));
    }

    j->pos++;
    return MAAS_OK;
}


/* Opens a list or object; *value: a value follows. */
static maas_status_t
json_skip_open(maas_json_t *j, char *stack, int *depth, bool *value)
{
    char  close;

    if (*depth == MAAS_JSON_DEPTH) {
        return maas_json_fail(j, "nested deeper than %d", MAAS_JSON_DEPTH);
    }

    close = *j->pos == '[' ? ']' : '}';
    j->pos++;

    if (maas_json_peek(j) == close) {
        j->pos++;
        *value = false;
        return MAAS_OK;
    }

    stack[(*depth)++] = close;
    *value = true;

    return close == '}' ? json_skip_key(j) : MAAS_OK;
}


/* Behind a value: closes what ends, until another value follows. */
static maas_status_t
json_skip_close(maas_json_t *j, char *stack, int *depth)
{
    int  c;

    while (*depth > 0) {
        c = maas_json_peek(j);

        if (c == ',') {
            j->pos++;
            return stack[*depth - 1] == '}' ? json_skip_key(j) : MAAS_OK;
        }

        if (c != stack[*depth - 1]) {
            return maas_json_fail(j, "%s where ',' or '%c' is expected",
                                  maas_json_what(j), stack[*depth - 1]);
        }

        j->pos++;
        (*depth)--;
    }

    return MAAS_OK;
}


maas_status_t
maas_json_skip(maas_json_t *j)
{
    int   c, depth = 0;
    bool  value;
    char  stack[MAAS_JSON_DEPTH];

    do {
        c = maas_json_peek(j);
        value = false;

        if (c == '[' || c == '{') {
            MAAS_TRY(json_skip_open(j, stack, &depth, &value));

        } else {
            MAAS_TRY(json_skip_leaf(j, c));
        }

        if (!value) {
            MAAS_TRY(json_skip_close(j, stack, &depth));
        }

    } while (depth > 0);

    return MAAS_OK;
}
