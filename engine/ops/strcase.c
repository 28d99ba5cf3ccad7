/*
 * strcase: letters in their other case, by the simple mappings of Unicode
 * for ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic.  Bytes that are
 * no UTF-8 stay as they are.
 *
 * Threads: reentrant.
 */

#include "ops/strcase.h"


/* Pairs that lie side by side, upper case at `odd` numbers or at even ones. */
static uint32_t
case_pair(uint32_t c, bool odd, bool upper)
{
    return upper ? (c - odd) / 2 * 2 + odd : (c - odd) / 2 * 2 + odd + 1;
}


static uint32_t
case_latin(uint32_t c, bool upper)
{
    if (c < 0x100) {
        return upper ? (c >= 0xe0 && c != 0xf7 ? (c == 0xff ? 0x178 : c - 32)
                        : c == 0xb5 ? 0x39c : c)
               : c >= 0xc0 && c <= 0xde && c != 0xd7 ? c + 32 : c;
    }

    /* Those that have no partner beside them. */
    switch (c) {
    case 0x130:
        return upper ? c : 'i';
    case 0x131:
        return upper ? 'I' : c;
    case 0x138:
    case 0x149:
        return c;
    case 0x178:
        return upper ? c : 0xff;
    case 0x17f:
        return upper ? 'S' : c;
    default:
        return case_pair(c, (c > 0x138 && c < 0x149) || c > 0x178, upper);
    }
}


static uint32_t
case_greek(uint32_t c, bool upper)
{
    if (!upper) {
        return c == 0x386 ? 0x3ac : c >= 0x388 && c <= 0x38a ? c + 37
               : c == 0x38c ? 0x3cc : c == 0x38e || c == 0x38f ? c + 63
               : c >= 0x391 && c <= 0x3ab && c != 0x3a2 ? c + 32 : c;
    }

    return c == 0x3ac ? 0x386 : c >= 0x3ad && c <= 0x3af ? c - 37
           : c == 0x3cc ? 0x38c : c == 0x3cd || c == 0x3ce ? c - 63
           : c == 0x3c2 ? 0x3a3 : c >= 0x3b1 && c <= 0x3cb ? c - 32 : c;
}


static uint32_t
case_cyrillic(uint32_t c, bool upper)
{
    if (c < 0x410) {
        return upper ? c : c + 80;
    }

    if (c < 0x430) {
        return upper ? c : c + 32;
    }

    if (c < 0x460) {
        return !upper ? c : c < 0x450 ? c - 32 : c - 80;
    }

    if (c == 0x4c0 || c == 0x4cf) {
        return upper ? 0x4c0 : 0x4cf;
    }

    return c > 0x481 && c < 0x48a
           ? c : case_pair(c, c > 0x4c0 && c < 0x4cf, upper);
}


static uint32_t
case_of(uint32_t c, bool upper)
{
    if (c < 0x80) {
        return upper ? (c >= 'a' && c <= 'z' ? c - 32 : c)
                     : (c >= 'A' && c <= 'Z' ? c + 32 : c);
    }

    if (c >= 0x80 && c < 0x180) {
        return case_latin(c, upper);
    }

    if (c >= 0x386 && c <= 0x3ce) {
        return case_greek(c, upper);
    }

    return c >= 0x400 && c < 0x530 ? case_cyrillic(c, upper) : c;
}


size_t
maas_str_case_next(char *out, const char *p, size_t n, bool upper)
{
    uint32_t  c = (uint8_t) p[0];

    if (c >= 0xc2 && c <= 0xdf && n > 1 && ((uint8_t) p[1] & 0xc0) == 0x80) {
        c = case_of((c & 0x1f) << 6 | ((uint8_t) p[1] & 0x3f), upper);
        out[0] = (char) (0xc0 | c >> 6);
        out[1] = (char) (0x80 | (c & 0x3f));

        if (c < 0x80) {             /* dotless i, long s: a byte less */
            out[0] = (char) c;
            out[1] = '\0';
        }

        return 2;
    }

    out[0] = c < 0x80 ? (char) case_of(c, upper) : p[0];
    return 1;
}


size_t
maas_str_case(char *out, maas_str_t s, bool upper)
{
    char    two[2];
    size_t  used, len = 0;

    for (size_t i = 0; i < s.len; i += used) {
        used = maas_str_case_next(two, s.data + i, s.len - i, upper);
        out[len++] = two[0];

        if (used == 2 && two[1] != '\0') {
            out[len++] = two[1];
        }
    }

    return len;
}
