/*
 * The reader of multipart/form-data.  A delimiter is CRLF, "--" and the
 * boundary; what stands behind it on its line is blank, or "--" at the end.
 * The bytes of a part are never looked into.
 *
 * Ownership: see multipart.h.
 * Threads:   one reader, one thread.
 * https://www.rfc-editor.org/rfc/rfc2046#section-5.1
 */

#define _GNU_SOURCE

#include <strings.h>

#include "proto/multipart.h"
#include "proto/negotiate.h"


static maas_status_t
multipart_fail(const maas_multipart_t *m, maas_err_t *err, const char *what)
{
    return maas_err(err, MAAS_EINVAL, "multipart, part %u, byte %zu: %s", m->n,
                    (size_t) (m->pos - m->start), what);
}


static bool
multipart_boundary_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
           || (c >= 'a' && c <= 'z')
           || (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}


maas_status_t
maas_multipart_init(maas_multipart_t *m, maas_str_t type, const char *p,
    size_t n, maas_err_t *err)
{
    bool        good;
    maas_str_t  b;

    memset(m, 0, sizeof(*m));
    m->start = m->pos = n != 0 ? p : "";
    m->end = m->start + n;

    b = maas_media_param(type, "boundary");
    good = b.len != 0 && b.len <= MAAS_MULTIPART_BOUNDARY
           && b.data[b.len - 1] != ' ';

    for (size_t i = 0; good && i < b.len; i++) {
        good = multipart_boundary_char(b.data[i]);
    }

    if (!good) {
        return maas_err(err, MAAS_EINVAL, "Content-Type multipart/form-data "
                        "needs a parameter boundary of 1 to %d characters",
                        MAAS_MULTIPART_BOUNDARY);
    }

    memcpy(m->mark, "\r\n--", 4);
    memcpy(m->mark + 4, b.data, b.len);
    m->mark_len = b.len + 4;

    return MAAS_OK;
}


/* -- delimiters ---------------------------------------------------------- */

/* Before the first part its line end may be missing. */
static maas_status_t
multipart_first(maas_multipart_t *m, maas_err_t *err)
{
    size_t  skip = m->end - m->pos >= 2 && memcmp(m->pos, "\r\n", 2) == 0 ? 0
                                                                         : 2;
    size_t  n = m->mark_len - skip;

    if ((size_t) (m->end - m->pos) < n
        || memcmp(m->pos, m->mark + skip, n) != 0)
    {
        return maas_err(err, MAAS_EINVAL, "multipart: the body does not begin "
                        "with \"%.*s\", the boundary of its Content-Type",
                        (int) m->mark_len - 2, m->mark + 2);
    }

    m->pos += n;
    return MAAS_OK;
}


/* Behind the boundary: the rest of its line.  *last: that was the end. */
static maas_status_t
multipart_line(maas_multipart_t *m, bool *last, maas_err_t *err)
{
    *last = m->end - m->pos >= 2 && memcmp(m->pos, "--", 2) == 0;

    if (*last) {
        return MAAS_OK;
    }

    while (m->pos < m->end && (*m->pos == ' ' || *m->pos == '\t')) {
        m->pos++;
    }

    if (m->end - m->pos < 2 || memcmp(m->pos, "\r\n", 2) != 0) {
        return multipart_fail(m, err, "no line end behind a boundary");
    }

    m->pos += 2;
    return MAAS_OK;
}


/* -- headers ------------------------------------------------------------- */

static int
multipart_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


/*
 * Browsers write %22, %0D and %0A for what may not stand in a quoted string,
 * other clients a backslash before a quote or a backslash.
 */
static maas_status_t
multipart_unquote(maas_arena_t *a, maas_str_t *s, maas_err_t *err)
{
    char    *p;
    size_t   n = 0;
    int      c;

    if (memchr(s->data, '\\', s->len) == NULL
        && memchr(s->data, '%', s->len) == NULL)
    {
        return MAAS_OK;
    }

    p = maas_arena_alloc(a, s->len + 1);
    if (p == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < s->len; i++) {
        p[n] = s->data[i];

        if (s->data[i] == '\\' && i + 1 < s->len
            && (s->data[i + 1] == '"' || s->data[i + 1] == '\\'))
        {
            p[n] = s->data[++i];

        } else if (s->data[i] == '%' && i + 2 < s->len) {
            c = multipart_hex(s->data[i + 1]) * 16
                + multipart_hex(s->data[i + 2]);

            if (c == '"' || c == '\r' || c == '\n') {
                p[n] = (char) c;
                i += 2;
            }
        }

        n++;
    }

    *s = (maas_str_t) { p, n };
    return MAAS_OK;
}


static maas_status_t
multipart_disposition(maas_multipart_t *m, maas_arena_t *a, maas_str_t value,
    maas_part_t *part, maas_err_t *err)
{
    if (part->name.data != NULL) {
        return multipart_fail(m, err, "two Content-Dispositions");
    }

    if (!maas_media_is(maas_media_type(value), "form-data")) {
        return multipart_fail(m, err, "Content-Disposition is not form-data");
    }

    part->name = maas_media_param(value, "name");
    part->filename = maas_media_param(value, "filename");

    if (part->name.len == 0) {
        return multipart_fail(m, err, "Content-Disposition has no name");
    }

    MAAS_TRY(multipart_unquote(a, &part->name, err));

    return part->filename.data == NULL
           ? MAAS_OK : multipart_unquote(a, &part->filename, err);
}


static maas_status_t
multipart_header(maas_multipart_t *m, maas_arena_t *a, maas_str_t line,
    maas_part_t *part, maas_err_t *err)
{
    maas_str_t   name, value;
    const char  *colon = memchr(line.data, ':', line.len);

    if (colon == NULL || colon == line.data) {
        return multipart_fail(m, err, "a header without a name and a colon");
    }

    name = (maas_str_t) { line.data, (size_t) (colon - line.data) };
    value = (maas_str_t) { colon + 1, line.len - name.len - 1 };

    while (value.len != 0 && (*value.data == ' ' || *value.data == '\t')) {
        value.data++;
        value.len--;
    }

    if (maas_media_is(name, "Content-Disposition")) {
        return multipart_disposition(m, a, value, part, err);
    }

    if (maas_media_is(name, "Content-Type")) {
        part->type = value;

    } else if (maas_media_is(name, "Content-Transfer-Encoding")
               && !maas_media_is(value, "binary")
               && !maas_media_is(value, "8bit")
               && !maas_media_is(value, "7bit"))
    {
        return multipart_fail(m, err, "Content-Transfer-Encoding may only be "
                              "binary, 8bit or 7bit");
    }

    return MAAS_OK;
}


static maas_status_t
multipart_headers(maas_multipart_t *m, maas_arena_t *a, maas_part_t *part,
    maas_err_t *err)
{
    size_t       left;
    const char  *nl;
    maas_str_t   line;

    for (int n = 0; /* void */ ; n++) {
        left = (size_t) (m->end - m->pos);
        nl = memmem(m->pos, maas_min(left, MAAS_MULTIPART_LINE + 2), "\r\n",
                    2);

        if (nl == NULL) {
            return multipart_fail(m, err, left <= MAAS_MULTIPART_LINE
                                  ? "the body ends inside the headers"
                                  : "a header is longer than 2048 bytes");
        }

        line = (maas_str_t) { m->pos, (size_t) (nl - m->pos) };

        if (line.len == 0) {
            m->pos = nl + 2;
            break;
        }

        if (n == MAAS_MULTIPART_HEADERS) {
            return multipart_fail(m, err, "more than 16 headers");
        }

        MAAS_TRY(multipart_header(m, a, line, part, err));
        m->pos = nl + 2;
    }

    return part->name.data != NULL ? MAAS_OK
           : multipart_fail(m, err, "no Content-Disposition: form-data; "
                            "name=\"...\"");
}


maas_status_t
maas_multipart_next(maas_multipart_t *m, maas_arena_t *a, maas_part_t *part,
    maas_err_t *err)
{
    bool         last;
    const char  *next;

    memset(part, 0, sizeof(*part));

    if (m->n == 0) {
        MAAS_TRY(multipart_first(m, err));
    }

    MAAS_TRY(multipart_line(m, &last, err));

    if (last) {
        return MAAS_OK;
    }

    if (m->n == MAAS_MULTIPART_PARTS) {
        return maas_err(err, MAAS_ELIMIT, "multipart: more than %d parts",
                        MAAS_MULTIPART_PARTS);
    }

    m->n++;
    MAAS_TRY(multipart_headers(m, a, part, err));

    /* An empty part: its line end is that of the headers. */
    next = memmem(m->pos - 2, (size_t) (m->end - m->pos) + 2, m->mark,
                  m->mark_len);

    if (next == NULL) {
        return multipart_fail(m, err, "the part does not end with the "
                              "boundary: the body is cut off");
    }

    part->data = m->pos;
    part->len = next >= m->pos ? (size_t) (next - m->pos) : 0;
    m->pos = next + m->mark_len;

    return MAAS_OK;
}
