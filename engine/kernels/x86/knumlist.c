/*
 * Lists of numbers out of text: 64 bytes at a time.  Masks of what each byte
 * is tell where numbers begin and end and whether the text between them is
 * "," or ", ", or "],[" where a list of known length ends; so no number
 * waits for the end of the one before it.  Digits are taken 16 at a time.
 * Whatever looks otherwise is read one number at a time.
 *
 * A value of up to 18 digits is w / 10^n in double: w and the quotient are
 * rounded, less than 2 units of the last place together, and the nearest
 * float32 follows unless a tie is that near.  Ties go to maas_num_f32().
 *
 * Threads: reentrant.
 */

#include <math.h>

#include "kernels/knumlist.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif


/*
 * One number, as long as it is plain and has a comma or a bracket right
 * behind it; NULL otherwise, and for errors, which the caller tells.
 */
static const char *
list_one(const char *p, const char *end, float *out)
{
    maas_num_t  num;

    p = maas_num_read(p, end, &num);

    if (p == NULL || p == end || (*p != ',' && *p != ']')
        || num.kind != MAAS_NUM_FINITE)
    {
        return NULL;
    }

    *out = maas_num_f32(&num);

    return isinf(*out) ? NULL : p;
}


static const char *
list_one_int(const char *p, const char *end, int32_t *out)
{
    int64_t     v;
    maas_num_t  num;

    p = maas_num_read(p, end, &num);

    if (p == NULL || p == end || (*p != ',' && *p != ']')
        || !maas_num_i64(&num, &v) || v < INT32_MIN || v > INT32_MAX)
    {
        return NULL;
    }

    *out = (int32_t) v;

    return p;
}


#if defined(__SSE2__)

#define LIST_WINDOW  64
#define LIST_BEFORE  16         /* bytes in front of a window that are read */
#define LIST_MAX     32         /* numbers of a window */
#define LIST_DIGITS  18         /* of a number: w < 2^63 */
#define LIST_P10     22         /* 5^22 < 2^53 */

/* A bit for each byte; the first is the lowest. */
typedef struct {
    uint64_t  digit;
    uint64_t  comma;
    uint64_t  dot;
    uint64_t  minus;
    uint64_t  space;
    uint64_t  open;
    uint64_t  close;
    uint64_t  exp;              /* "e" */
    uint64_t  plus;
    uint64_t  start;            /* of numbers */
    uint64_t  mark;             /* point, "e" and the byte behind of each */
} list_masks_t;

static const double  list_p10[] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
    1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

static const uint64_t  list_u10[] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
    1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
    100000000000000, 1000000000000000, 10000000000000000
};

/* From entry n on: 16 bytes, the last n of them set. */
static const uint8_t  list_last[32] = {
    [16] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255
};


static inline uint64_t
list_bits(__m128i a, __m128i b, __m128i c, __m128i d)
{
    return (uint64_t) _mm_movemask_epi8(a)
           | (uint64_t) _mm_movemask_epi8(b) << 16
           | (uint64_t) _mm_movemask_epi8(c) << 32
           | (uint64_t) _mm_movemask_epi8(d) << 48;
}


static inline uint64_t
list_equal(const __m128i x[4], char c)
{
    __m128i  v = _mm_set1_epi8(c);

    return list_bits(_mm_cmpeq_epi8(x[0], v), _mm_cmpeq_epi8(x[1], v),
                     _mm_cmpeq_epi8(x[2], v), _mm_cmpeq_epi8(x[3], v));
}


static inline uint64_t
list_digits(const __m128i x[4])
{
    __m128i  y[4], nine = _mm_set1_epi8(9), zero = _mm_set1_epi8('0');

    for (int i = 0; i < 4; i++) {
        y[i] = _mm_sub_epi8(x[i], zero);
        y[i] = _mm_cmpeq_epi8(_mm_min_epu8(y[i], nine), y[i]);
    }

    return list_bits(y[0], y[1], y[2], y[3]);
}


/* What the bytes are; the bits of those that are nothing of a list. */
static inline uint64_t
list_classes(const char *p, list_masks_t *m)
{
    __m128i   x[4];
    uint64_t  rest;

    for (int i = 0; i < 4; i++) {
        x[i] = _mm_loadu_si128((const __m128i *) (p + 16 * i));
    }

    m->digit = list_digits(x);
    m->comma = list_equal(x, ',');
    m->dot = list_equal(x, '.');
    m->minus = list_equal(x, '-');
    rest = ~(m->digit | m->comma | m->dot | m->minus);

    m->space = m->open = m->close = m->exp = m->plus = 0;

    if (rest != 0) {
        m->space = list_equal(x, ' ');
        m->open = list_equal(x, '[');
        m->close = list_equal(x, ']');
        rest &= ~(m->space | m->open | m->close);
    }

    if (rest != 0) {
        m->exp = list_equal(x, 'e') | list_equal(x, 'E');
        m->plus = list_equal(x, '+');
        rest &= ~(m->exp | m->plus);
    }

    return rest;
}


/* The byte behind these, or behind the one of `skip` that follows. */
static inline uint64_t
list_behind(uint64_t these, uint64_t skip)
{
    uint64_t  next = these << 1;

    return (next & ~skip) | (next & skip) << 1;
}


/* Signs, points and exponents have their digits. */
static inline uint64_t
list_check_number(const list_masks_t *m)
{
    uint64_t  bad, sign;

    bad = m->dot & ~(m->digit << 1);
    bad |= (m->dot | (m->minus & m->start)) << 1 & ~m->digit;
    sign = m->plus | (m->minus & ~m->start);

    if ((m->exp | sign) != 0) {
        bad |= m->exp & ~(m->digit << 1);
        bad |= sign & ~(m->exp << 1);
        bad |= list_behind(m->exp, sign) & ~m->digit;
    }

    return bad;
}


/*
 * Bytes in front of the first that is wrong: numbers up to there, and what
 * stands between them, are well formed but for what list_number() looks at.
 */
static inline uint64_t
list_check(const char *p, bool rows, list_masks_t *m)
{
    uint64_t  bad, number, end, ends, rims;

    bad = list_classes(p, m);
    number = m->digit | m->dot | m->minus | m->exp | m->plus;
    m->start = number & ~(number << 1);
    end = ~number & number << 1;
    m->mark = end | m->dot | m->exp;
    bad |= list_check_number(m);

    rims = m->comma & m->close << 1;                    /* of "],[" */
    ends = m->comma & ~rims;

    bad |= end & ~(m->comma | m->close);
    bad |= ends & ~end;
    bad |= list_behind(ends, m->space) & ~number;
    bad |= m->space & ~(m->comma << 1);

    if ((m->open | m->close) != 0) {
        bad |= rows ? 0 : m->open | m->close;
        bad |= m->close & ~end;
        bad |= m->close << 1 & ~m->comma;
        bad |= list_behind(rims, m->space) ^ m->open;
        bad |= m->open << 1 & ~number;
    }

    return bad != 0 ? (bad & -bad) - 1 : UINT64_MAX;
}


/* The last n <= 16 of the 16 digits in front of p, four in each number. */
static inline __m128i
list_fours(const char *p, int n)
{
    __m128i  x, keep, odd;

    x = _mm_loadu_si128((const __m128i *) (p - 16));
    keep = _mm_loadu_si128((const __m128i *) (list_last + n));
    x = _mm_and_si128(_mm_sub_epi8(x, _mm_set1_epi8('0')), keep);

    odd = _mm_srli_epi16(x, 8);
    x = _mm_and_si128(x, _mm_set1_epi16(255));
    x = _mm_add_epi16(_mm_mullo_epi16(x, _mm_set1_epi16(10)), odd);

    return _mm_madd_epi16(x, _mm_set1_epi32(1 << 16 | 100));
}


/* Eight digits in each of a and of b. */
static inline __m128i
list_eights(__m128i a, __m128i b)
{
    return _mm_madd_epi16(_mm_packs_epi32(a, b),
                          _mm_set1_epi32(1 << 16 | 10000));
}


/*
 * Digits from p to dot and from there to end, as w / 10^n; false: look
 * closer.  Behind "0." there may be more than 16.
 */
static inline bool
list_fraction(const char *p, const char *dot, const char *end, int64_t *w,
    int *n)
{
    int          whole = (int) (dot - p);
    bool         more;
    __m128i      x;
    uint64_t     low, high;

    *n = (int) (end - dot) - 1;
    more = *n > 16;

    if (whole > 8 || whole + *n > LIST_DIGITS + (*p == '0')
        || (*p == '0' && whole > 1) || (more && *p != '0'))
    {
        return false;
    }

    x = list_eights(list_fours(end, more ? 16 : *n),
                    list_fours(more ? end - 16 : dot,
                               more ? *n - 16 : whole));
    low = (uint64_t) _mm_cvtsi128_si64(x);
    high = (uint64_t) _mm_cvtsi128_si64(_mm_unpackhi_epi64(x, x));

    *w = (int64_t) ((low & 0xffffffff) * 100000000 + (low >> 32)
                    + (high >> 32) * list_u10[more ? 16 : *n]);
    return true;
}


/* An integer of at most 8 digits from p to end; false: look closer. */
static inline bool
list_integer(const char *p, const char *end, int64_t *w)
{
    int      n = (int) (end - p);
    __m128i  x;

    if (n > 8 || (*p == '0' && n > 1)) {
        return false;
    }

    x = list_fours(end, n);
    x = list_eights(x, x);
    *w = (int64_t) ((uint64_t) _mm_cvtsi128_si64(x) >> 32);

    return true;
}


/* "-07" from p to end, in front of which there is a digit. */
static inline int
list_exponent(const char *p, const char *end)
{
    int   v = end[-1] - '0';
    bool  neg = *p == '-';

    p += *p == '-' || *p == '+';

    if (end - p == 2) {
        v += (*p - '0') * 10;

    } else if (end - p > 2) {
        v = 100;
    }

    return neg ? -v : v;
}


/* w * 10^exp, of one sign; false: out of range, or next to a tie. */
static inline bool
list_float(int64_t w, int exp, uint32_t sign, float *out)
{
    double    d;
    uint32_t  u;
    uint64_t  bits;

    if (exp < -LIST_P10 || exp > LIST_P10) {
        return false;
    }

    d = exp < 0 ? (double) w / list_p10[-exp] : (double) w * list_p10[exp];
    memcpy(&bits, &d, sizeof(bits));

    *out = (float) d;
    memcpy(&u, out, sizeof(u));
    u |= sign << 31;
    memcpy(out, &u, sizeof(u));

    return (bits & 0x1fffffff) - 0x0ffffffe > 4 && (exp <= 0 || d < 1e38);
}


/* Takes the next mark off. */
static inline const char *
list_mark(const char *text, list_masks_t *m)
{
    text += __builtin_ctzll(m->mark);
    m->mark &= m->mark - 1;

    return text;
}


/*
 * The number at p, the next of the window, which begins at text: up to
 * *end.  False: it is no plain one, or wrong.
 */
static inline bool
list_number(const char *text, const char *p, list_masks_t *m,
    const char **end, float *out)
{
    int          n = 0;
    bool         plain;
    int64_t      w = 0;
    uint32_t     sign;
    const char  *dot, *q;

    q = list_mark(text, m);
    sign = *p == '-';
    p += sign;

    if (*q == '.') {
        dot = q;
        q = list_mark(text, m);
        plain = list_fraction(p, dot, q, &w, &n);

    } else {
        plain = list_integer(p, q, &w);
    }

    n = -n;

    if ((*q | 0x20) == 'e') {
        p = q + 1;
        q = list_mark(text, m);
        n += list_exponent(p, q);
    }

    *end = q;

    return plain && (*q == ',' || *q == ']') && list_float(w, n, sign, out);
}


/* One more number of the list; false: a list of another length ends. */
static inline bool
list_count(maas_num_rows_t *rows, char end)
{
    if (end != ']') {
        rows->at++;
        return true;
    }

    if (rows->at + 1 != rows->width) {
        return false;
    }

    rows->at = 0;
    rows->done++;

    return true;
}


/* The n <= 8 digits in front of p. */
static inline int32_t
list_short(const char *p, int n)
{
    __m128i  x, keep;

    x = _mm_loadl_epi64((const __m128i *) (p - 8));
    keep = _mm_loadl_epi64((const __m128i *) (list_last + 8 + n));
    x = _mm_and_si128(_mm_sub_epi8(x, _mm_set1_epi8('0')), keep);

    x = _mm_unpacklo_epi8(x, _mm_setzero_si128());
    x = _mm_madd_epi16(x, _mm_setr_epi16(1000, 100, 10, 1, 1000, 100, 10, 1));
    x = _mm_packs_epi32(x, x);
    x = _mm_madd_epi16(x, _mm_setr_epi16(10000, 10000, 1, 1, 0, 0, 0, 0));
    x = _mm_add_epi32(x, _mm_srli_si128(x, 4));

    return _mm_cvtsi128_si32(x);
}


/* Integers of at most 8 digits, without zeros in front. */
static inline bool
list_is_short(const char *p, uint64_t good, const list_masks_t *m)
{
    uint64_t  zero = 0, first, run;

    if (((m->dot | m->exp) & good) != 0) {
        return false;
    }

    for (int i = 0; i < 4; i++) {
        zero |= (uint64_t) _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_set1_epi8('0'),
                    _mm_loadu_si128((const __m128i *) (p + 16 * i))))
                << 16 * i;
    }

    first = m->start | (m->start & m->minus) << 1;
    run = m->digit & m->digit >> 1;
    run &= run >> 2;
    run &= run >> 4;
    run &= m->digit >> 8;

    return ((run | (first & zero & m->digit >> 1)) & good) == 0;
}


/* The numbers of a window that list_is_short(). */
static inline int64_t
list_shorts(const char *p, int32_t *out, list_masks_t *m, bool minus,
    maas_num_rows_t *rows, const char **next)
{
    int32_t      v, neg = 0;
    int64_t      i;
    const char  *end, *q = p;

    for (i = 0; /* void */ ; i++) {
        m->start &= m->start - 1;

        if (m->start == 0) {
            break;
        }

        end = list_mark(p, m);

        if (!list_count(rows, *end)) {
            break;
        }

        neg = minus && *q == '-';
        v = list_short(end, (int) (end - q) - neg);
        out[i] = (v ^ -neg) + neg;
        q = p + __builtin_ctzll(m->start);
    }

    *next = q;
    return i;
}


/* As many integers as end in the window at p; *next: behind the last. */
static int64_t
list_window_ints(const char *p, int32_t *out, maas_num_rows_t *rows,
    const char **next)
{
    uint64_t      good;
    list_masks_t  m;

    good = list_check(p, rows->width != 0, &m);
    m.start &= good;

    if ((m.start & 1) == 0 || !list_is_short(p, good, &m)) {
        return 0;
    }

    return (m.minus & good) != 0 ? list_shorts(p, out, &m, true, rows, next)
                                 : list_shorts(p, out, &m, false, rows, next);
}


/* Numbers likewise. */
static int64_t
list_window(const char *p, float *out, maas_num_rows_t *rows,
    const char **next)
{
    int32_t       v[LIST_MAX];
    int64_t       i, n;
    uint64_t      good;
    const char   *end, *q = p;
    list_masks_t  m;

    good = list_check(p, rows->width != 0, &m);
    m.start &= good;

    if ((m.start & 1) == 0) {
        return 0;
    }

    /* There is no integer -0. */
    if ((m.minus & good) == 0 && list_is_short(p, good, &m)) {
        n = list_shorts(p, v, &m, false, rows, next);

        for (i = 0; i < n; i++) {
            out[i] = (float) v[i];
        }

        return n;
    }

    for (i = 0; /* void */ ; i++) {
        m.start &= m.start - 1;

        if (m.start == 0 || !list_number(p, q, &m, &end, out + i)
            || !list_count(rows, *end))
        {
            break;
        }

        q = p + __builtin_ctzll(m.start);
    }

    *next = q;
    return i;
}


/* Windows, as long as they find numbers: into out, or into ints. */
static const char *
list_windows(const char *p, const char *end, float *out, int32_t *ints,
    int64_t max, maas_num_rows_t *rows, int64_t *n)
{
    int64_t  k;

    *n = 0;

    while (max - *n >= LIST_MAX && end - p >= LIST_WINDOW) {
        k = ints != NULL ? list_window_ints(p, ints + *n, rows, &p)
                         : list_window(p, out + *n, rows, &p);

        if (k == 0) {
            break;
        }

        *n += k;
    }

    return p;
}

#endif


/*
 * Behind "1.5, 2.5, 3.5]" the bracket, behind a comma the next number; into
 * out, or into ints.
 */
static inline const char *
list_read(const char *text, const char *p, const char *end, float *out,
    int32_t *ints, int64_t max, maas_num_rows_t *rows, int64_t *n)
{
    int64_t      i;
    const char  *q;
#if defined(__SSE2__)
    int64_t      k;
    const char  *from = maas_max(p, text + LIST_BEFORE);
#endif

    for (i = 0; i < max; /* void */ ) {

#if defined(__SSE2__)
        if (p >= from) {
            p = list_windows(p, end, ints != NULL ? NULL : out + i,
                             ints != NULL ? ints + i : NULL, max - i, rows,
                             &k);
            i += k;
            from = p + LIST_WINDOW;

            if (i == max) {
                break;
            }
        }
#endif

        q = ints != NULL ? list_one_int(p, end, &ints[i])
                         : list_one(p, end, &out[i]);
        if (q == NULL) {
            break;
        }

        i++;
        p = q;

        if (*q == ']') {
            break;
        }

        rows->at++;
        p++;

        while (p < end && *p == ' ') {
            p++;
        }
    }

    *n = i;
    return p;
}


const char *
maas_num_floats(const char *text, const char *p, const char *end, float *out,
    int64_t max, maas_num_rows_t *rows, int64_t *n)
{
    return list_read(text, p, end, out, NULL, max, rows, n);
}


const char *
maas_num_ints(const char *text, const char *p, const char *end, int32_t *out,
    int64_t max, maas_num_rows_t *rows, int64_t *n)
{
    return list_read(text, p, end, NULL, out, max, rows, n);
}
