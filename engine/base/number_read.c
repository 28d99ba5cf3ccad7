/*
 * Decimal to binary: numbers out of JSON and of other text.
 *
 * Up to 19 digits become an integer w, the value is w * 10^e.
 * Where both are exact in double one operation rounds correctly (Clinger,
 * "How to read floating point numbers accurately", 1990).  Otherwise the
 * same is done in the 64-bit significand of x87, which decides all but the
 * results that sit next to a tie; these, and far exponents, go to strtod()
 * on a normalised copy without a decimal point, so that no locale matters.
 *
 * Digits are taken eight at a time, in a word.
 *
 * Threads: reentrant.
 */

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"


#define NUM_DIGITS    19        /* fit into 64 bits */
#define NUM_COPY      800       /* digits that can decide: 767 for a double */
#define NUM_EXP_MAX   100000


static inline bool
num_digit(const char *p, const char *end)
{
    return p < end && (unsigned char) (*p - '0') < 10;
}


/* Eight digits, the first in the lowest byte, as a number. */
static inline uint64_t
num_eight(uint64_t v)
{
    v = (v * 10 + (v >> 8)) & 0x00ff00ff00ff00ff;
    v = (v * 100 + (v >> 16)) & 0x0000ffff0000ffff;

    return (v * 10000 + (v >> 32)) & 0xffffffff;
}


/* Digits into w, as long as they fit; *dropped counts the others. */
static inline const char *
num_digits(const char *p, const char *end, maas_num_t *num, int *kept,
    int64_t *dropped)
{
    int                     n;
    uint64_t                v, other;
    static const uint64_t   p10[] = { 1, 10, 100, 1000, 10000, 100000,
                                      1000000, 10000000, 100000000 };

    while (end - p >= 8 && *kept <= NUM_DIGITS - 8) {
        memcpy(&v, p, 8);
        v ^= 0x3030303030303030;
        other = ((v + 0x7676767676767676) | v) & 0x8080808080808080;

        if (other == 0) {
            n = 8;

        } else {
            n = __builtin_ctzll(other) >> 3;

            if (n == 0) {
                return p;
            }

            v <<= 64 - n * 8;
        }

        v = num_eight(v);
        num->w = num->w * p10[n] + v;
        *kept += num->w != 0 ? n : 0;
        p += n;

        if (n < 8) {
            return p;
        }
    }

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


/* An exponent, if there is one, behind the digits; exp: by the point. */
static inline const char *
num_end(const char *p, const char *end, int64_t exp, maas_num_t *num)
{
    if (p < end && (*p | 0x20) == 'e') {
        num->integer = false;
        p = num_exponent(p + 1, end, &exp);
        if (p == NULL) {
            return NULL;
        }
    }

    num->exp10 = exp;
    num->len = (size_t) (p - num->text);

    return p;
}


static const char *
num_token(const char *p, const char *end, maas_num_t *num)
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
maas_num_read(const char *p, const char *end, maas_num_t *num)
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

    return num_end(p, end, exp, num);
}


const char *
maas_num_scan(const char *p, const char *end, maas_num_t *num)
{
    int          kept = 0;
    bool         any;
    int64_t      dropped = 0, exp;
    const char  *digits;

    num->w = 0;
    num->neg = p < end && *p == '-';
    num->cut = false;
    num->integer = true;
    num->kind = MAAS_NUM_FINITE;
    num->text = p;

    if (p < end && (*p == '-' || *p == '+')) {
        num->text += *p == '+';
        p++;
    }

    digits = p;
    p = num_digits(p, end, num, &kept, &dropped);
    any = p != digits;
    exp = dropped;

    if (p < end && *p == '.') {
        num->integer = false;
        digits = ++p;
        dropped = 0;
        p = num_digits(p, end, num, &kept, &dropped);
        any |= p != digits;
        exp -= (p - digits) - dropped;
    }

    if (!any) {
        return NULL;
    }

    return num_end(p, end, exp, num);
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
num_slow(const maas_num_t *num, double *d, float *f)
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
maas_num_f64(const maas_num_t *num)
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
maas_num_f32(const maas_num_t *num)
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
maas_num_u64(const maas_num_t *num, uint64_t *v)
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
maas_num_i64(const maas_num_t *num, int64_t *v)
{
    uint64_t         w;
    maas_num_t  abs = *num;

    abs.neg = false;
    abs.text += num->neg;
    abs.len -= num->neg;

    if (!maas_num_u64(&abs, &w)) {
        return false;
    }

    if (w > (uint64_t) INT64_MAX + num->neg) {
        return false;
    }

    *v = num->neg ? (int64_t) (0 - w) : (int64_t) w;
    return true;
}
