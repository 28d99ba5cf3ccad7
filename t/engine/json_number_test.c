/*
 * proto/json: numbers read and written against strtod() and printf().
 */

#include <math.h>
#include <stdlib.h>

#include "kernels/knumlist.h"
#include "proto/json.h"
#include "tap.h"
#include "xorshift.h"


static int
same_f64(double a, double b)
{
    return memcmp(&a, &b, 8) == 0;
}


/* Does this text read as strtod() and strtof() read it? */
static int
reads(const char *text)
{
    float             f, wf;
    double            d, wd;
    maas_num_t   num;

    if (maas_num_read(text, text + strlen(text), &num)
        != text + strlen(text))
    {
        printf("# not taken: %s\n", text);
        return 0;
    }

    d = maas_num_f64(&num);
    f = maas_num_f32(&num);
    wd = strtod(text, NULL);
    wf = strtof(text, NULL);

    if (!same_f64(d, wd) || memcmp(&f, &wf, 4) != 0) {
        printf("# %s: %.17g %.9g, expected %.17g %.9g\n", text, d, f, wd, wf);
        return 0;
    }

    return 1;
}


static const char *const  good_numbers[] = {
    "0", "-0", "0.0", "-0.0e5", "1", "-1", "1e400", "-1e400", "1e-400",
    "9007199254740993", "9007199254740992.9999999999999999999999",
    "16777217", "16777217.0000000000000000000000001", "16777219",
    "0.1", "0.30000000000000004", "1.7976931348623157e308",
    "1.7976931348623159e308", "4.9e-324", "2.4703282292062327e-324",
    "2.4703282292062328e-324", "2.2250738585072011e-308",
    "3.4028235677973366e38", "3.4028235677973365e38", "1e38", "1e39",
    "7.0064923216240853e-46", "7.0064923216240854e-46", "1e23", "1e22",
    "8.5e27", "123456789012345678901234567890", "1E+2", "1e-2", "12e0",
    "0.000000000000000000000000000000000000000000001",
    "18446744073709551615", "18446744073709551616", "1e99999999999999",
    "1e-99999999999999", "0e99999999999999", "5e-1",
    "10000000000000000000000.5", "0.00000000000000000000000000123"
};

static const char *const  bad_numbers[] = {
    "", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "01", "-01", "00",
    "inf", "nan", "-NaN", "Infinit", "0x10", "e5", "--1"
};


/* Number i of many kinds. */
static void
random_number(int i, char *text, size_t size)
{
    float     f;
    double    d;
    uint32_t  u;
    uint64_t  v;

    v = rnd();

    switch (i % 6) {

    case 0:
        memcpy(&d, &v, 8);
        snprintf(text, size, "%.17g", d);
        break;

    case 1:
        d = (double) (int64_t) v / 9223372036854775808.0;
        snprintf(text, size, "%.*g", (int) (rnd() % 20) + 1, d);
        break;

    case 2:
        u = (uint32_t) v;
        memcpy(&f, &u, 4);
        snprintf(text, size, "%.9g", f);
        break;

    case 3:
        snprintf(text, size, "%llue%d", (unsigned long long) v,
                 (int) (rnd() % 60) - 30);
        break;

    case 4:                             /* ties of floats */
        u = (uint32_t) v & 0x7fffffff;
        memcpy(&f, &u, 4);
        d = ((double) f + (double) nextafterf(f, 0)) / 2;
        snprintf(text, size, "%.60g", d);
        break;

    default:                            /* ties of doubles */
        v = v >> 12 | (uint64_t) (1023 + rnd() % 60) << 52;
        memcpy(&d, &v, 8);
        snprintf(text, size, "%.70Lg", ((long double) d
                 + (long double) nextafter(d, 0)) / 2);
    }
}


static void
test_read(void)
{
    int         bad = 0;
    char        text[2000];
    maas_num_t  num;

    for (size_t i = 0; i < maas_nelts(good_numbers); i++) {
        ok(reads(good_numbers[i]), "reads %s", good_numbers[i]);
    }

    for (size_t i = 0; i < maas_nelts(bad_numbers); i++) {
        const char  *p = bad_numbers[i], *e = p + strlen(p);

        ok(maas_num_read(p, e, &num) != e || *p == '\0', "refuses '%s'",
           p);
    }

    for (int i = 0; i < 300000; i++) {
        random_number(i, text, sizeof(text));

        if (strpbrk(text, "ni") == NULL) {
            bad += !reads(text);
        }
    }

    is_int(bad, 0, "random numbers read as by strtod");
}


/* Numbers with more digits than any type holds. */
static void
test_read_long(void)
{
    char  text[2000];

    memset(text, '7', sizeof(text));
    text[1] = '.';
    text[1990] = '\0';
    ok(reads(text), "1989 digits");

    /* A tie that the 1500th digit breaks. */
    memset(text, '0', sizeof(text));
    memcpy(text, "9007199254740993.", 17);
    text[1500] = '\0';
    ok(reads(text), "a tie with 1500 digits");
    text[1499] = '1';
    ok(reads(text), "a tie broken by the last one");
    memset(text, '0', 1500);
    memcpy(text, "9007199254740993", 16);
    text[1499] = '1';
    memcpy(text + 1500, "e-1484", 7);
    ok(reads(text), "the same without a point");
}


static void
test_int(void)
{
    int64_t           i;
    uint64_t          u;
    maas_num_t   num;

    struct {
        const char  *text;
        int          is_i64, is_u64;
    } cases[] = {
        { "0", 1, 1 }, { "-0", 1, 1 }, { "-1", 1, 0 },
        { "9223372036854775807", 1, 1 }, { "9223372036854775808", 0, 1 },
        { "-9223372036854775808", 1, 0 }, { "-9223372036854775809", 0, 0 },
        { "18446744073709551615", 0, 1 }, { "18446744073709551616", 0, 0 },
        { "1.0", 0, 0 }, { "1e2", 0, 0 }, { "NaN", 0, 0 },
        { "99999999999999999999999999", 0, 0 }
    };

    for (size_t k = 0; k < maas_nelts(cases); k++) {
        const char  *t = cases[k].text;

        maas_num_read(t, t + strlen(t), &num);
        ok(maas_num_i64(&num, &i) == (cases[k].is_i64 != 0)
           && maas_num_u64(&num, &u) == (cases[k].is_u64 != 0)
           && (!cases[k].is_i64 || i == strtoll(t, NULL, 10)), "integer %s",
           t);
    }
}


static int
digits_of(const char *p)
{
    int  n = 0, trailing = 0;

    for ( /* void */ ; *p != '\0' && *p != 'e'; p++) {
        if (*p < '0' || *p > '9' || (n == 0 && *p == '0')) {
            continue;
        }

        n++;
        trailing = *p == '0' ? trailing + 1 : 0;
    }

    return n - trailing;
}


/* Reads back, and no shorter %.*g does; the nearest of the shortest. */
static int
shortest(const char *text, double v, int is_float)
{
    int   n, want;
    char  ref[64];

    for (want = 1; want <= 17; want++) {
        snprintf(ref, sizeof(ref), "%.*g", want, v);

        if (is_float ? strtof(ref, NULL) == (float) v
                     : strtod(ref, NULL) == v)
        {
            break;
        }
    }

    n = digits_of(text);

    if (n > want
        || (is_float ? strtof(text, NULL) != (float) v
                     : strtod(text, NULL) != v)
        || (n == want && fabsl(strtold(text, NULL) - v)
                         > fabsl(strtold(ref, NULL) - v) * (1 + 1e-15L)))
    {
        printf("# %.17g written as %s, printf: %s\n", v, text, ref);
        return 0;
    }

    return 1;
}


static void
test_write(void)
{
    char  text[MAAS_NUM_TEXT + 1];

    struct {
        double       v;
        const char  *text;
    } cases[] = {
        { 0, "0.0" }, { -0.0, "-0.0" }, { 1, "1.0" }, { -1.5, "-1.5" },
        { 0.1, "0.1" }, { 1e21, "1e21" }, { 1e16, "1e16" },
        { 1e15, "1000000000000000.0" }, { 123456789, "123456789.0" },
        { 5e-324, "5e-324" }, { 1.7976931348623157e308,
        "1.7976931348623157e308" }, { 0.0001, "0.0001" },
        { 0.00001, "0.00001" }, { 0.000001, "1e-6" }, { 9007199254740993.0,
        "9007199254740992.0" }, { 1e23, "1e23" }, { 0.3, "0.3" },
        { 2.2250738585072014e-308, "2.2250738585072014e-308" }
    };

    for (size_t i = 0; i < maas_nelts(cases); i++) {
        *maas_num_put_f64(text, cases[i].v) = '\0';
        is_str(text, cases[i].text, "shortest form");
    }

    *maas_num_put_i64(text, INT64_MIN) = '\0';
    is_str(text, "-9223372036854775808", "INT64_MIN");
    *maas_num_put_u64(text, UINT64_MAX) = '\0';
    is_str(text, "18446744073709551615", "UINT64_MAX");
}


/* Patterns of bits all over the range, and around each power of two. */
static void
test_write_floats(void)
{
    int    bad = 0;
    char   text[MAAS_NUM_TEXT + 1];
    float  f;

    for (uint64_t i = 0; i < 0x7f800000; i += 15013) {
        uint32_t  w = (uint32_t) i;

        memcpy(&f, &w, 4);
        *maas_num_put_f32(text, f) = '\0';
        bad += !shortest(text, f, 1);
    }

    for (int e = 1; e < 255; e++) {
        for (uint32_t m = 0; m < 3; m++) {
            uint32_t  w = (uint32_t) e << 23 | (m == 2 ? 0x7fffff : m);

            memcpy(&f, &w, 4);
            *maas_num_put_f32(text, f) = '\0';
            bad += !shortest(text, f, 1);
        }
    }

    is_int(bad, 0, "floats are the shortest that read back");
}


static void
test_write_doubles(void)
{
    int       bad = 0;
    char      text[MAAS_NUM_TEXT + 1];
    double    d;
    uint64_t  u;

    for (int i = 0; i < 100000; i++) {
        u = rnd() & (UINT64_MAX >> 1);

        if (i < 2046 * 3) {
            u = (uint64_t) (i / 3 + 1) << 52;
            u = i % 3 == 0 ? u : i % 3 == 1 ? u + 1 : u - 1;
        }

        memcpy(&d, &u, 8);

        if (isfinite(d)) {
            *maas_num_put_f64(text, d) = '\0';
            bad += !shortest(text, d, 0) || strlen(text) > 25;
        }
    }

    is_int(bad, 0, "doubles likewise");
}


/* -- lists --------------------------------------------------------------- */

#define LIST_N  400

/* A number as clients write them; kind 0: integers. */
static int
list_text(char *p, int kind)
{
    double       v = (double) (int64_t) rnd() / 9223372036854775808.0;
    static const char *const  odd[] = {
        "-0", "0", "0.0", "-0.0", "99999999", "100000000", "16777217",
        "12345678901234567890", "1e30", "1E+2", "-1e-30", "3.5e-07",
        "0.1234567890123456789", "0.00000000000000000000001", "8388608.5",
        "8388607.5", "0.500000029802322387695", "0.50000002980232239",
        "1.1754942e-38", "1e-45", "123456789.12345678"
    };

    switch (kind) {

    case 0:
        return sprintf(p, "%d", (int) (rnd() % 256));

    case 1:
        return sprintf(p, "%lld", (long long) (rnd() >> (rnd() % 63)));

    case 2:
        return sprintf(p, "%.*f", (int) (rnd() % 19) + 1, v * 2000);

    case 3:
        return sprintf(p, "%.*g", (int) (rnd() % 18) + 1, v);

    case 4:
        return sprintf(p, "%.*e", (int) (rnd() % 18) + 1, v * 1e10);

    case 5:
        return sprintf(p, "%s", odd[rnd() % maas_nelts(odd)]);

    default:
        return sprintf(p, "%d", (int) (rnd() % 40000) - 20000);
    }
}


/* Lists of `width` numbers each; the length. */
static size_t
list_make(char *text, int kind, int width)
{
    char       *p = text;
    const char *comma = rnd() % 2 ? "," : ", ";

    p += sprintf(p, "[[");

    for (int i = 0; i < LIST_N; i++) {
        p += list_text(p, kind == 7 ? (int) (rnd() % 7) : kind);
        p += sprintf(p, "%s%s%s", (i + 1) % width != 0 ? "" : "]",
                     i + 1 < LIST_N ? comma : "]",
                     (i + 1) % width != 0 || i + 1 == LIST_N ? "" : "[");
    }

    return (size_t) (p - text);
}


/*
 * What was read from text to stop, one number at a time: all of it, and the
 * same values?  Where lists end there may be "],[".
 */
static bool
list_same(const char *p, const char *stop, const char *end, const float *out,
    const int32_t *ints, int64_t n, const maas_num_rows_t *rows)
{
    float            f;
    int64_t          i, v;
    maas_num_t       num;
    maas_num_rows_t  at = { .width = rows->width };

    for (i = 0; i < n; i++) {
        p = maas_num_read(p, end, &num);
        if (p == NULL || p == end || num.kind != MAAS_NUM_FINITE) {
            return false;
        }

        f = maas_num_f32(&num);

        if (ints != NULL ? !maas_num_i64(&num, &v) || v != ints[i]
                         : isinf(f) || memcmp(&f, &out[i], 4) != 0)
        {
            return false;
        }

        if (p == stop) {
            return *p == ']' && i + 1 == n && at.at == rows->at
                   && at.done == rows->done;
        }

        at.at++;

        if (*p == ']') {
            if (at.at != at.width || end - p < 4 || p[1] != ',') {
                return false;
            }

            p += 1;
            at.at = 0;
            at.done++;
            p += 1 + (p[1] == ' ');

            if (*p != '[') {
                return false;
            }

        } else if (*p != ',') {
            return false;
        }

        for (p++; p < end && *p == ' '; p++) { /* void */ }
    }

    return p == stop && at.at == rows->at && at.done == rows->done;
}


/* At a copy that ends where memory does, for the sanitizers. */
static bool
list_case(const char *text, size_t len, int64_t from, int width, bool whole)
{
    bool             good;
    char            *copy = malloc(len);
    float            out[LIST_N];
    int32_t          ints[LIST_N];
    int64_t          n;
    const char      *p, *end = copy + len;
    maas_num_rows_t  rows = { .width = width };

    memcpy(copy, text, len);

    p = maas_num_floats(copy, copy + from, end, out, LIST_N, &rows, &n);
    good = list_same(copy + from, p, end, out, NULL, n, &rows)
           && (!whole || n > 0);

    rows = (maas_num_rows_t) { .width = width };
    p = maas_num_ints(copy, copy + from, end, ints, LIST_N, &rows, &n);
    good &= list_same(copy + from, p, end, NULL, ints, n, &rows);

    if (!good) {
        printf("# after %lld numbers, \"%.40s\"\n", (long long) n, p);
    }

    free(copy);

    return good;
}


static void
test_lists(void)
{
    int                bad = 0, wrong = 0;
    char               text[LIST_N * 40];
    size_t             len, at;
    static const int   widths[] = { 1, 2, 3, 5, 20, LIST_N };
    static const char  bytes[] = "0123456789--..,,  [[]]eE++ax\n\"";

    for (int i = 0; i < 3000; i++) {
        int  width = widths[rnd() % maas_nelts(widths)];

        len = list_make(text, i % 8, width);
        bad += !list_case(text, len, 2, width, i % 8 != 1 && i % 8 != 5
                                               && i % 8 != 7);
        bad += !list_case(text, len, 2, 0, false);

        for (int k = 0; k < 4; k++) {
            at = 2 + rnd() % (len < 300 ? len - 2 : 300);
            text[at] = bytes[rnd() % (sizeof(bytes) - 1)];
            wrong += !list_case(text, len, 2, width, false);
        }
    }

    is_int(bad, 0, "lists read as their numbers, one after the other");
    is_int(wrong, 0, "so do lists with wrong bytes, up to these");
}


/* Exact: row k times 2^128 fits integers only near 0; check these. */
static void
test_pow10(void)
{
    int                bad = 0;
    unsigned __int128  g, p = 1;

    for (int k = 0; k <= 27; k++) {
        g = (unsigned __int128) maas_num_pow10[k - MAAS_NUM_POW10_MIN][0] << 64
            | maas_num_pow10[k - MAAS_NUM_POW10_MIN][1];
        unsigned __int128  n = p;

        while (!(n >> 127)) {
            n <<= 1;
        }

        bad += n != g;
        p *= 10;
    }

    is_int(bad, 0, "powers of ten");
}


int
main(void)
{
    test_pow10();
    test_read();
    test_read_long();
    test_int();
    test_lists();
    test_write();
    test_write_floats();
    test_write_doubles();

    return done();
}
