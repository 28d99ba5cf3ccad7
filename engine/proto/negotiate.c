/*
 * Media types of requests and answers: see negotiate.h.  A range that makes
 * no sense is passed over; the others count.
 *
 * Ownership: none; views into the header.
 * Threads:   reentrant.
 */

#include <strings.h>

#include "proto/negotiate.h"


/* Takes what stands before the next `end` that is not inside quotes. */
static maas_str_t
media_split(maas_str_t *rest, char end)
{
    bool        quoted = false;
    size_t      n = 0;
    maas_str_t  s = *rest;

    for ( /* void */ ; n < s.len && (quoted || s.data[n] != end); n++) {
        if (quoted && s.data[n] == '\\' && n + 1 < s.len) {
            n++;

        } else if (s.data[n] == '"') {
            quoted = !quoted;
        }
    }

    rest->data = s.data + maas_min(n + 1, s.len);
    rest->len = s.len - maas_min(n + 1, s.len);

    return maas_str_trim((maas_str_t) { s.data, n });
}


maas_str_t
maas_media_type(maas_str_t header)
{
    return media_split(&header, ';');
}


bool
maas_media_is(maas_str_t type, const char *name)
{
    return type.len == strlen(name)
           && strncasecmp(type.data, name, type.len) == 0;
}


maas_str_t
maas_media_param(maas_str_t header, const char *name)
{
    maas_str_t  part, key;

    (void) media_split(&header, ';');

    while (header.len != 0) {
        part = media_split(&header, ';');
        key = media_split(&part, '=');

        if (!maas_media_is(key, name)) {
            continue;
        }

        part = maas_str_trim(part);

        if (part.len >= 2 && part.data[0] == '"'
            && part.data[part.len - 1] == '"')
        {
            part.data++;
            part.len -= 2;
        }

        return part.data != NULL ? part : (maas_str_t) { "", 0 };
    }

    return (maas_str_t) { NULL, 0 };
}


/* "0.5" in thousandths; -1: no weight. */
static int
media_weight(maas_str_t s)
{
    int  w, unit = 100;

    if (s.data == NULL) {
        return 1000;
    }

    if (s.len == 0 || s.len > 5 || (s.data[0] != '0' && s.data[0] != '1')
        || (s.len > 1 && s.data[1] != '.'))
    {
        return -1;
    }

    w = (s.data[0] - '0') * 1000;

    for (size_t i = 2; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return -1;
        }

        w += (s.data[i] - '0') * unit;
        unit /= 10;
    }

    return w <= 1000 ? w : -1;
}


/* How closely a range names a type; 0: it does not. */
static int
media_match(maas_str_t range, const char *type)
{
    size_t  slash = (size_t) (strchr(type, '/') - type);

    if (maas_media_is(range, "*/*")) {
        return 1;
    }

    if (range.len == slash + 2 && range.data[slash + 1] == '*'
        && strncasecmp(range.data, type, slash + 1) == 0)
    {
        return 2;
    }

    return maas_media_is(range, type) ? 3 : 0;
}


/* The weight of a type: that of the range which names it most closely. */
static int
media_rank(maas_str_t accept, const char *type, int *close, maas_str_t *range)
{
    int         weight = 0, w, match;
    maas_str_t  part;

    *close = 0;

    while (accept.len != 0) {
        part = media_split(&accept, ',');
        match = media_match(maas_media_type(part), type);
        w = media_weight(maas_media_param(part, "q"));

        if (match > *close && w >= 0) {
            *close = match;
            *range = part;
            weight = w;
        }
    }

    return weight;
}


int
maas_negotiate(maas_str_t accept, const char *const *types, size_t n,
    maas_str_t *range)
{
    int         best = -1, best_weight = 0, best_close = 0;
    int         weight, close;
    maas_str_t  named;

    *range = (maas_str_t) { "", 0 };
    accept = maas_str_trim(accept);

    if (accept.len == 0) {
        return n != 0 ? 0 : -1;
    }

    for (size_t i = 0; i < n; i++) {
        weight = media_rank(accept, types[i], &close, &named);

        if (weight > best_weight
            || (weight == best_weight && weight != 0 && close > best_close))
        {
            best = (int) i;
            best_weight = weight;
            best_close = close;
            *range = named;
        }
    }

    return best;
}
