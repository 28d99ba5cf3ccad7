/*
 * Binary to decimal: the shortest text that reads back as the same value,
 * by "The Schubfach way to render doubles" (Giulietti, 2020); float32 with
 * powers of 64 bits.  Eight digits are made at once, in a word, and stored
 * as one: up to MAAS_NUM_TEXT bytes behind the text are touched.
 *
 * Threads: reentrant.
 */

#include "base/number.h"


#define PUT_ZEROS  0x3030303030303030u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits in words");


/* The digits of v < 10^8, a byte each, the first in the lowest. */
static inline uint64_t
put_eight(uint32_t v)
{
    uint64_t  x, t;

    x = v / 10000 | (uint64_t) (v % 10000) << 32;
    t = (x * 10486 >> 20) & 0x0000007f0000007f;         /* x / 100 */
    x = t | (x - t * 100) << 16;
    t = (x * 103 >> 10) & 0x000f000f000f000f;           /* x / 10 */

    return t | (x - t * 10) << 8;
}


static inline void
put_word(char *p, uint64_t v)
{
    memcpy(p, &v, 8);
}


char *
maas_num_put_u64(char *p, uint64_t v)
{
    int       zeros;
    uint64_t  x;

    if (v >= 100000000) {
        p = maas_num_put_u64(p, v / 100000000);
        put_word(p, put_eight((uint32_t) (v % 100000000)) | PUT_ZEROS);
        return p + 8;
    }

    x = put_eight((uint32_t) v);
    zeros = v != 0 ? __builtin_ctzll(x) >> 3 : 7;
    put_word(p, (x | PUT_ZEROS) >> zeros * 8);

    return p + 8 - zeros;
}


char *
maas_num_put_i64(char *p, int64_t v)
{
    if (v < 0) {
        *p++ = '-';
        return maas_num_put_u64(p, 0 - (uint64_t) v);
    }

    return maas_num_put_u64(p, (uint64_t) v);
}


/* -- float64 ------------------------------------------------------------- */

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
    g = maas_num_pow10[-k - MAAS_NUM_POW10_MIN];

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

    n = (int) (maas_num_put_u64(text, d.digits) - text);
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

    return maas_num_put_i64(p, point - 1);
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
maas_num_put_f64(char *p, double v)
{
    uint64_t  u;

    memcpy(&u, &v, sizeof(u));

    return num_put(p, u >> 63, u & (((uint64_t) 1 << 52) - 1),
                   (int) (u >> 52 & 2047), 52, 1023);
}


/* -- float32 ------------------------------------------------------------- */

/* As num_mul_odd(), of 64 bits. */
static inline uint32_t
put_mul_odd(uint64_t g, uint32_t cp)
{
    unsigned __int128  p = (unsigned __int128) g * cp;

    return (uint32_t) (p >> 64) | ((uint32_t) (p >> 32) > 1);
}


/* yes ? a : b, without a branch. */
static inline uint32_t
put_choose(bool yes, uint32_t a, uint32_t b)
{
    uint32_t  mask = 0 - (uint32_t) yes;

    __asm__("" : "+r" (mask));

    return b ^ ((a ^ b) & mask);
}


/* As num_shortest(). */
static inline uint32_t
put_shortest(uint32_t c, int q, bool near, int *exp10)
{
    int              k, h;
    bool             odd, u, w, up, short_u, short_w, is_short;
    uint32_t         vl, v, vr, s, t, mid;
    uint64_t         g;
    const uint64_t  *g2;

    odd = c & 1;
    k = (q * 1262611 - (near ? 524031 : 0)) >> 22;
    h = q + ((-k * 1741647) >> 19) + 1;
    g2 = maas_num_pow10[-k - MAAS_NUM_POW10_MIN];
    g = g2[0] + (g2[1] != 0);                           /* rounded up */

    vl = put_mul_odd(g, (4 * c - 2 + near) << h) + odd;
    v = put_mul_odd(g, (4 * c) << h);
    vr = put_mul_odd(g, (4 * c + 2) << h) - odd;
    s = v / 4;

    t = s / 10;
    short_u = vl <= 40 * t;
    short_w = 40 * t + 40 <= vr;
    is_short = (s >= 10) & (short_u != short_w);

    u = vl <= 4 * s;
    w = 4 * s + 4 <= vr;

    mid = 4 * s + 2;
    up = (v > mid) | ((v == mid) & s & 1);

    /* Which of them is as good as random: no branches. */
    *exp10 = k + is_short;
    s += put_choose(u != w, w, up);

    return put_choose(is_short, t + short_w, s);
}


/*
 * With an exponent: first is the digit before the point, 0: that of the word
 * x, of n digits.
 */
static inline char *
put_exponent(char *p, char first, uint64_t x, int n, int point)
{
    if (first == 0) {
        first = (char) x;
        x >>= 8;
        n--;
    }

    *p++ = first;
    *p = '.';
    put_word(p + 1, x);
    p += n != 0 ? n + 1 : 0;
    *p++ = 'e';

    return maas_num_put_i64(p, point - 1);
}


/* As num_format(), of digits < 10^9. */
static inline char *
put_format(char *p, uint32_t digits, int exp10)
{
    int       n, point, zeros = 0;
    char      first = 0;
    uint64_t  x;

    if (digits >= 100000000) {
        first = (char) ('0' + digits / 100000000);
        x = put_eight(digits % 100000000);

    } else {
        x = put_eight(digits);
        zeros = __builtin_ctzll(x) >> 3;
        x >>= zeros * 8;
    }

    /* Left aligned: n digits of the word, then zeros. */
    n = x != 0 ? 8 - (__builtin_clzll(x) >> 3) : 0;
    x |= PUT_ZEROS;
    point = 8 - zeros + exp10 + (first != 0);   /* digits before the point */

    if (point > -5 && point <= 0) {
        memcpy(p, "0.000000", 8);
        p += 2 - point;

        *p = first;
        p += first != 0;
        put_word(p, x);
        return p + n;
    }

    if (point > 0 && point <= 16) {
        *p = first;
        p += first != 0;
        point -= first != 0;
        put_word(p, x);

        if (n <= point) {
            put_word(p + 8, PUT_ZEROS);
            memcpy(p + point, ".0", 2);
            return p + point + 2;
        }

        put_word(p + point + 1, x >> point * 8);
        p[point] = '.';
        return p + n + 1;
    }

    return put_exponent(p, first, x, n, point);
}


char *
maas_num_put_f32(char *p, float v)
{
    int       exp, q, exp10 = 0;
    uint32_t  u, c;

    memcpy(&u, &v, sizeof(u));

    *p = '-';
    p += u >> 31;
    u &= 0x7fffffff;

    if (u == 0) {
        memcpy(p, "0.0", 3);
        return p + 3;
    }

    exp = (int) (u >> 23);
    c = exp != 0 ? (u & 0x7fffff) | 0x800000 : u;
    q = maas_max(exp, 1) - 127 - 23;

    /* An integer below 2^24 is its own shortest form. */
    if (q <= 0 && q >= -23 && (c & (((uint32_t) 1 << -q) - 1)) == 0) {
        c >>= -q;

    } else {
        c = put_shortest(c, q, c == 0x800000 && exp > 1, &exp10);
    }

    return put_format(p, c, exp10);
}
