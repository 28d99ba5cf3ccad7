/*
 * Decimal to binary and back.
 *
 * Reading: up to 19 digits become an integer w, the value is w * 10^e.
 * Where both are exact in double one operation rounds correctly (Clinger,
 * "How to read floating point numbers accurately", 1990).  Otherwise the
 * same is done in the 64-bit significand of x87, which decides all but the
 * results that sit next to a tie; these, and far exponents, go to strtod()
 * on a normalised copy without a decimal point, so that no locale matters.
 *
 * Writing: the shortest decimal in the rounding interval, the nearest of
 * these (Giulietti, "The Schubfach way to render doubles", 2020).
 *
 * Threads: reentrant.
 */

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/json.h"


#define NUM_DIGITS    19        /* fit into 64 bits */
#define NUM_COPY      800       /* digits that can decide: 767 for a double */
#define NUM_EXP_MAX   100000


static inline bool
num_digit(const char *p, const char *end)
{
    return p < end && (unsigned char) (*p - '0') < 10;
}


/* Digits into w, as long as they fit; *dropped counts the others. */
static inline const char *
num_digits(const char *p, const char *end, maas_json_num_t *num, int *kept,
    int64_t *dropped)
{
    while (num_digit(p, end)) {

        if (*kept < NUM_DIGITS) {
            num->w = num->w * 10 + (uint64_t) (*p - '0');
            *kept += num->w != 0;

        } else {
            (*dropped)++;
            num->cut |= *p != '0';
        }

        p++;
    }

    return p;
}


/* The exponent at p (behind the e), or NULL. */
static const char *
num_exponent(const char *p, const char *end, int64_t *exp)
{
    bool     neg = false;
    int64_t  e = 0;

    if (p < end && (*p == '-' || *p == '+')) {
        neg = *p++ == '-';
    }

    if (!num_digit(p, end)) {
        return NULL;
    }

    while (num_digit(p, end)) {
        if (e < NUM_EXP_MAX) {
            e = e * 10 + (*p - '0');
        }

        p++;
    }

    *exp += neg ? -e : e;
    return p;
}


static const char *
num_token(const char *p, const char *end, maas_json_num_t *num)
{
    size_t  n = (size_t) (end - p);

    if (n >= 8 && memcmp(p, "Infinity", 8) == 0) {
        num->kind = MAAS_NUM_INF;
        return p + 8;
    }

    if (n >= 3 && memcmp(p, "NaN", 3) == 0 && !num->neg) {
        num->kind = MAAS_NUM_NAN;
        return p + 3;
    }

    return NULL;
}


const char *
maas_json_number(const char *p, const char *end, maas_json_num_t *num)
{
    int          kept = 0;
    int64_t      dropped = 0, exp = 0;
    const char  *start = p, *digits;

    num->text = start;
    num->w = 0;
    num->neg = false;
    num->cut = false;
    num->integer = true;
    num->kind = MAAS_NUM_FINITE;

    if (p < end && *p == '-') {
        num->neg = true;
        p++;
    }

    digits = p;
    p = num_digits(p, end, num, &kept, &dropped);

    if (p == digits) {
        p = num_token(p, end, num);
        num->len = p != NULL ? (size_t) (p - start) : 0;
        return p;
    }

    /* No leading zeros. */
    if (*digits == '0' && p - digits > 1) {
        return NULL;
    }

    exp = dropped;

    if (p < end && *p == '.') {
        num->integer = false;
        digits = ++p;
        dropped = 0;
        p = num_digits(p, end, num, &kept, &dropped);

        if (p == digits) {
            return NULL;
        }

        exp -= (p - digits) - dropped;
    }

    if (p < end && (*p | 0x20) == 'e') {
        num->integer = false;
        p = num_exponent(p + 1, end, &exp);
        if (p == NULL) {
            return NULL;
        }
    }

    num->exp10 = exp;
    num->len = (size_t) (p - start);

    return p;
}


static const double  num_p10[] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
    1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

#define NUM_P10_MAX  22         /* 5^22 < 2^53 */


/*
 * strtod() on "digits" "e" "exponent".  Digits behind the 800th can only
 * tell on which side of a tie the value lies: one digit does that.
 */
static void
num_slow(const maas_json_num_t *num, double *d, float *f)
{
    int          n = 0;
    bool         point = false, sticky = false;
    char         text[NUM_COPY + 32];
    int64_t      exp = 0;
    const char  *p, *end;

    p = num->text + num->neg;
    end = num->text + num->len;

    for ( /* void */ ; p < end && (*p | 0x20) != 'e'; p++) {

        if (*p == '.') {
            point = true;
            continue;
        }

        if (n == 0 && *p == '0') {
            exp -= point;

        } else if (n < NUM_COPY) {
            text[n++] = *p;
            exp -= point;

        } else {
            sticky |= *p != '0';
            exp += !point;
        }
    }

    if (sticky) {
        text[n++] = '1';
        exp--;
    }

    if (p < end) {
        num_exponent(p + 1, end, &exp);
    }

    snprintf(text + n, sizeof(text) - (size_t) n, "e%lld", (long long) exp);

    if (d != NULL) {
        *d = strtod(text, NULL);

    } else {
        *f = strtof(text, NULL);
    }
}


#if (LDBL_MANT_DIG == 64)

#define NUM_P10L_MAX  27        /* 5^27 < 2^63 */

static const long double  num_p10l[] = {
    1e0L, 1e1L, 1e2L, 1e3L, 1e4L, 1e5L, 1e6L, 1e7L, 1e8L, 1e9L, 1e10L,
    1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
    1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L
};


/*
 * w * 10^exp to 64 bits.  False when the `low` bits below the target's
 * significand are exactly half: a rounded value there may be either side.
 */
static inline bool
num_extended(uint64_t w, int64_t exp, int low, long double *x)
{
    uint64_t  man;

    *x = exp < 0 ? (long double) w / num_p10l[-exp]
                 : (long double) w * num_p10l[exp];

    memcpy(&man, x, sizeof(man));

    return (man & (((uint64_t) 1 << low) - 1)) != (uint64_t) 1 << (low - 1);
}

#endif


double
maas_json_f64(const maas_json_num_t *num)
{
    double       d;
    int64_t      e = num->exp10;
#if (LDBL_MANT_DIG == 64)
    long double  x, y;
#endif

    if (num->kind != MAAS_NUM_FINITE) {
        d = num->kind == MAAS_NUM_NAN ? NAN : INFINITY;

    } else if (num->w == 0) {
        d = 0;

    } else if (!num->cut && num->w <= (uint64_t) 1 << 53
               && e >= -NUM_P10_MAX && e <= NUM_P10_MAX)
    {
        d = e < 0 ? (double) num->w / num_p10[-e]
                  : (double) num->w * num_p10[e];

#if (LDBL_MANT_DIG == 64)
    } else if (e >= -NUM_P10L_MAX && e <= NUM_P10L_MAX
               && num_extended(num->w, e, 11, &x)
               && (!num->cut || (num_extended(num->w + 1, e, 11, &y)
                                 && (double) x == (double) y)))
    {
        d = (double) x;
#endif

    } else {
        num_slow(num, &d, NULL);
    }

    return num->neg ? -d : d;
}


float
maas_json_f32(const maas_json_num_t *num)
{
    float        f;
    double       d;
    int64_t      e = num->exp10;
    uint64_t     bits;
#if (LDBL_MANT_DIG == 64)
    long double  x, y;
#endif

    if (num->kind != MAAS_NUM_FINITE) {
        f = num->kind == MAAS_NUM_NAN ? NAN : INFINITY;
        return num->neg ? -f : f;
    }

    if (num->w == 0) {
        return num->neg ? -0.0f : 0.0f;
    }

    /* The nearest double decides unless it looks like a tie of floats. */
    if (!num->cut && num->w <= (uint64_t) 1 << 53
        && e >= -NUM_P10_MAX && e <= NUM_P10_MAX)
    {
        d = e < 0 ? (double) num->w / num_p10[-e]
                  : (double) num->w * num_p10[e];
        memcpy(&bits, &d, sizeof(bits));

        if ((bits & 0x1fffffff) != 0x10000000) {
            return num->neg ? -(float) d : (float) d;
        }
    }

#if (LDBL_MANT_DIG == 64)
    if (e >= -NUM_P10L_MAX && e <= NUM_P10L_MAX
        && num_extended(num->w, e, 40, &x)
        && (!num->cut || (num_extended(num->w + 1, e, 40, &y)
                          && (float) x == (float) y)))
    {
        return num->neg ? -(float) x : (float) x;
    }
#endif

    num_slow(num, NULL, &f);
    return num->neg ? -f : f;
}


bool
maas_json_u64(const maas_json_num_t *num, uint64_t *v)
{
    uint64_t     w = 0;
    const char  *p, *end;

    if (!num->integer || num->kind != MAAS_NUM_FINITE) {
        return false;
    }

    p = num->text + num->neg;
    end = num->text + num->len;

    for ( /* void */ ; p < end; p++) {
        if (__builtin_mul_overflow(w, 10, &w)
            || __builtin_add_overflow(w, (uint64_t) (*p - '0'), &w))
        {
            return false;
        }
    }

    *v = w;
    return !num->neg || w == 0;
}


bool
maas_json_i64(const maas_json_num_t *num, int64_t *v)
{
    uint64_t         w;
    maas_json_num_t  abs = *num;

    abs.neg = false;
    abs.text += num->neg;
    abs.len -= num->neg;

    if (!maas_json_u64(&abs, &w)) {
        return false;
    }

    if (w > (uint64_t) INT64_MAX + num->neg) {
        return false;
    }

    *v = num->neg ? (int64_t) (0 - w) : (int64_t) w;
    return true;
}


char *
maas_json_put_u64(char *p, uint64_t v)
{
    char  text[20];
    int   n = 0;

    do {
        text[n++] = (char) ('0' + v % 10);
        v /= 10;
    } while (v != 0);

    while (n > 0) {
        *p++ = text[--n];
    }

    return p;
}


char *
maas_json_put_i64(char *p, int64_t v)
{
    if (v < 0) {
        *p++ = '-';
        return maas_json_put_u64(p, 0 - (uint64_t) v);
    }

    return maas_json_put_u64(p, (uint64_t) v);
}


/* -- shortest decimals --------------------------------------------------- */

typedef struct {
    uint64_t  digits;
    int       exp10;
} num_decimal_t;


/* High 64 bits of g * cp, the lowest one "or"ed with what was cut. */
static inline uint64_t
num_mul_odd(const uint64_t g[2], uint64_t cp)
{
    unsigned __int128  lo, hi;

    lo = (unsigned __int128) g[1] * cp;
    hi = (unsigned __int128) g[0] * cp + (uint64_t) (lo >> 64);

    return (uint64_t) (hi >> 64) | ((uint64_t) hi > 1);
}


/*
 * The shortest decimal within the rounding interval of c * 2^q.  The
 * interval is closed when c is even; below a power of two it is narrower
 * (`near`).  Variables as in the paper: the bounds and the value, times 4
 * and scaled by 10^-k, are vl, v, vr.
 */
static num_decimal_t
num_shortest(uint64_t c, int q, bool near)
{
    int              k, h;
    bool             odd, u, w, up;
    uint64_t         vl, v, vr, s, t, mid;
    const uint64_t  *g;

    odd = c & 1;
    k = (q * 1262611 - (near ? 524031 : 0)) >> 22;      /* floor(log10) */
    h = q + ((-k * 1741647) >> 19) + 1;                 /* floor(log2) */
    g = maas_json_pow10[-k - MAAS_POW10_MIN];

    vl = num_mul_odd(g, (4 * c - 2 + near) << h) + odd;
    v = num_mul_odd(g, (4 * c) << h);
    vr = num_mul_odd(g, (4 * c + 2) << h) - odd;
    s = v / 4;

    if (s >= 10) {
        t = s / 10;
        u = vl <= 40 * t;
        w = 40 * t + 40 <= vr;

        if (u != w) {
            return (num_decimal_t) { t + w, k + 1 };
        }
    }

    u = vl <= 4 * s;
    w = 4 * s + 4 <= vr;

    if (u != w) {
        return (num_decimal_t) { s + w, k };
    }

    mid = 4 * s + 2;
    up = v > mid || (v == mid && (s & 1));

    return (num_decimal_t) { s + up, k };
}


/* "1.5", "12.0", "1e21", "1.5e-7": as JavaScript, but with a ".0". */
static char *
num_format(char *p, num_decimal_t d)
{
    int   n, point;
    char  text[20];

    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exp10++;
    }

    n = (int) (maas_json_put_u64(text, d.digits) - text);
    point = n + d.exp10;            /* digits before the decimal point */

    if (point > 0 && point <= 16) {

        for (int i = 0; i < point; i++) {
            *p++ = i < n ? text[i] : '0';
        }

        *p++ = '.';

        if (n <= point) {
            *p++ = '0';
            return p;
        }

        memcpy(p, text + point, (size_t) (n - point));
        return p + (n - point);
    }

    if (point <= 0 && point > -5) {
        *p++ = '0';
        *p++ = '.';

        for (int i = point; i < 0; i++) {
            *p++ = '0';
        }

        memcpy(p, text, (size_t) n);
        return p + n;
    }

    *p++ = text[0];

    if (n > 1) {
        *p++ = '.';
        memcpy(p, text + 1, (size_t) (n - 1));
        p += n - 1;
    }

    *p++ = 'e';

    return maas_json_put_i64(p, point - 1);
}


/* man bits of significand without the hidden one, value c * 2^(q). */
static char *
num_put(char *p, bool neg, uint64_t frac, int exp, int man, int bias)
{
    int            q;
    uint64_t       c;
    num_decimal_t  d;

    if (neg) {
        *p++ = '-';
    }

    if (exp == 0 && frac == 0) {
        memcpy(p, "0.0", 3);
        return p + 3;
    }

    c = exp != 0 ? frac | (uint64_t) 1 << man : frac;
    q = (exp != 0 ? exp : 1) - bias - man;

    /* An integer below 2^(man + 1) is its own shortest form. */
    if (q <= 0 && q >= -man && (c & (((uint64_t) 1 << -q) - 1)) == 0) {
        d.digits = c >> -q;
        d.exp10 = 0;

    } else {
        d = num_shortest(c, q, frac == 0 && exp > 1);
    }

    return num_format(p, d);
}


char *
maas_json_put_f32(char *p, float v)
{
    uint32_t  u;

    memcpy(&u, &v, sizeof(u));

    return num_put(p, u >> 31, u & 0x7fffff, (int) (u >> 23 & 255), 23, 127);
}


char *
maas_json_put_f64(char *p, double v)
{
    uint64_t  u;

    memcpy(&u, &v, sizeof(u));

    return num_put(p, u >> 63, u & (((uint64_t) 1 << 52) - 1),
                   (int) (u >> 52 & 2047), 52, 1023);
}
