/*
 * cast_string: Cast between strings and numbers.
 *
 * Numbers are written as NumPy prints them: the fewest digits that read back
 * as the same value of the type, an exponent below 1e-4 and from 1e16, and
 * nan, inf, -inf, True, False.  What is read: decimal numbers with an
 * exponent, NaN, INF and Infinity with a sign, True and False, in any case,
 * with blanks around them.  A fraction to an integer type is truncated.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant; a step is one unit, for strings follow each other.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md, Cast.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "ops/cast_string.h"
#include "ops/ml_common.h"


#define TEXT_NUMBER  32         /* bytes of the longest number written */
#define TEXT_READ    1024       /* bytes of the longest number read */


/* -- inference ----------------------------------------------------------- */

maas_status_t
maas_cast_text_infer(maas_infer_t *c)
{
    maas_dim_t          count = 1;
    const maas_type_t  *x = c->in[0].type;

    if (c->out[0].type.dtype != MAAS_STRING) {
        return MAAS_OK;
    }

    for (int d = 0; d < x->rank; d++) {
        count = maas_dim_mul(c->syms, count, x->dims[d]);
    }

    if (x->dtype != MAAS_STRING) {
        return maas_ml_text(c, 0, count, TEXT_NUMBER);
    }

    c->out[0].str_bytes = c->in[0].str_bytes;
    return MAAS_OK;
}


/* -- numbers to text ----------------------------------------------------- */

/* The value that the text has in the type. */
static double
text_back(const char *text, int dtype)
{
    double  v = strtod(text, NULL);

    switch (dtype) {
    case MAAS_F64:
        return v;
    case MAAS_F16:
        return maas_f16_to_f32(maas_f32_to_f16((float) v));
    case MAAS_BF16:
        return maas_bf16_to_f32(maas_f32_to_bf16((float) v));
    default:
        return strtof(text, NULL);
    }
}


/* The fewest digits: d.ddde[+-]xx; digits without the point go to `digit`. */
static int
text_digits(double v, int dtype, char *digit, int *exponent)
{
    int    n = 0;
    char   text[40], *e;

    for (int p = 0; p <= 16; p++) {
        snprintf(text, sizeof(text), "%.*e", p, v);

        if (text_back(text, dtype) == v) {
            break;
        }
    }

    e = strchr(text, 'e');
    *exponent = atoi(e + 1);

    for (const char *c = text; c < e; c++) {
        if (*c >= '0' && *c <= '9') {
            digit[n++] = *c;
        }
    }

    while (n > 1 && digit[n - 1] == '0') {
        n--;
    }

    return n;
}


/* A finite number that is not negative; returns what was written. */
static int
text_real(char *out, double v, int dtype)
{
    int   n, e, len = 0;
    char  digit[24];

    /* Denormal numbers are zero where the run has the CPU flush them. */
    if (v == 0) {
        memcpy(out, "0.0", 3);
        return 3;
    }

    n = text_digits(v, dtype, digit, &e);

    if (v < 1e-4 || v >= 1e16) {
        out[len++] = digit[0];

        if (n > 1) {
            out[len++] = '.';
            memcpy(out + len, digit + 1, n - 1);
            len += n - 1;
        }

        return len + sprintf(out + len, "e%c%02d", e < 0 ? '-' : '+', abs(e));
    }

    if (e < 0) {
        len = sprintf(out, "0.%.*s", -e - 1, "0000");
        memcpy(out + len, digit, n);
        return len + n;
    }

    for (int i = 0; i <= maas_max(e + 1, n - 1); i++) {
        if (i == e + 1) {
            out[len++] = '.';
        }

        out[len++] = i < n ? digit[i] : '0';
    }

    return len;
}


static int
text_float(char *out, double v, int dtype)
{
    int  len = 0;

    if (v != v) {
        memcpy(out, "nan", 3);
        return 3;
    }

    if (signbit(v)) {
        out[len++] = '-';
    }

    if (isinf(v)) {
        memcpy(out + len, "inf", 3);
        return len + 3;
    }

    return len + text_real(out + len, fabs(v), dtype);
}


static int
text_write(char *out, const maas_tensor_t *x, int64_t i)
{
    double       v;
    int64_t      n;
    const char  *p = (const char *) x->data
                     + (size_t) i * maas_dtype_size(x->dtype);

    if (x->dtype == MAAS_BOOL) {
        return sprintf(out, "%s", *p ? "True" : "False");
    }

    if (x->dtype == MAAS_F16 || x->dtype == MAAS_BF16
        || maas_dtypes[x->dtype].is_float)
    {
        maas_cast_row(&v, MAAS_F64, p, x->dtype, 1);
        return text_float(out, v, x->dtype);
    }

    maas_cast_row(&n, MAAS_I64, p, x->dtype, 1);

    return x->dtype == MAAS_U64
           ? sprintf(out, "%llu", (unsigned long long) n)
           : sprintf(out, "%lld", (long long) n);
}


/* -- text to numbers ----------------------------------------------------- */

typedef struct {
    const char  *name;
    double       value;
} text_word_t;

static const text_word_t  text_words[] = {
    { "nan", NAN }, { "inf", INFINITY }, { "infinity", INFINITY },
    { "true", 1 }, { "false", 0 }
};


static bool
text_word(const char *text, double *v)
{
    bool  minus = *text == '-';

    if (*text == '-' || *text == '+') {
        text++;
    }

    for (size_t i = 0; i < maas_nelts(text_words); i++) {
        if (strcasecmp(text, text_words[i].name) == 0) {
            *v = minus ? -text_words[i].value : text_words[i].value;
            return true;
        }
    }

    return false;
}


/* `text` to one element of the dtype; false: no number. */
static bool
text_parse(const char *text, int dtype, void *y)
{
    char     *end;
    float     f;
    double    v;
    int64_t   n;

    if (text_word(text, &v)) {
        maas_cast_row(y, dtype, &v, MAAS_F64, 1);
        return true;
    }

    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }

    errno = 0;

    if (maas_dtypes[dtype].is_int) {
        n = *text != '-' && dtype == MAAS_U64
            ? (int64_t) strtoull(text, &end, 10) : strtoll(text, &end, 10);

        if (*end == '\0' && end != text && errno == 0) {
            maas_cast_row(y, dtype, &n, MAAS_I64, 1);
            return true;
        }
    }

    if (dtype == MAAS_F32) {
        f = strtof(text, &end);
        memcpy(y, &f, sizeof(f));
        return *end == '\0' && end != text;
    }

    v = strtod(text, &end);
    maas_cast_row(y, dtype, &v, MAAS_F64, 1);
    return *end == '\0' && end != text;
}


static bool
text_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}


static maas_status_t
text_read(const maas_step_t *s, maas_slot_t *slot, int64_t i)
{
    char           text[TEXT_READ];
    size_t         size = maas_dtype_size(s->out[0].dtype);
    maas_str_t     t = maas_tensor_str(&s->in[0], i);

    while (t.len != 0 && text_blank(t.data[0])) {
        t.data++;
        t.len--;
    }

    while (t.len != 0 && text_blank(t.data[t.len - 1])) {
        t.len--;
    }

    if (t.len < sizeof(text) && memchr(t.data, '\0', t.len) == NULL) {
        memcpy(text, t.data, t.len);
        text[t.len] = '\0';

        if (text_parse(text, s->out[0].dtype,
                       (char *) s->out[0].data + (size_t) i * size))
        {
            return MAAS_OK;
        }
    }

    return maas_err(slot->err, MAAS_EINVAL,
                    "element %lld, '%.*s', is no number", (long long) i,
                    (int) maas_min(t.len, 40), t.data);
}


/* -- steps --------------------------------------------------------------- */

maas_status_t
maas_cast_text_run(const maas_step_t *s, maas_slot_t *slot)
{
    char        text[TEXT_NUMBER + 1];
    int64_t     n = maas_tensor_count(&s->in[0]);
    maas_str_t  t;

    maas_ml_begin(&s->out[0]);

    for (int64_t i = 0; i < n; i++) {
        if (s->out[0].dtype != MAAS_STRING) {
            MAAS_TRY(text_read(s, slot, i));
            continue;
        }

        if (s->in[0].dtype == MAAS_STRING) {
            t = maas_tensor_str(&s->in[0], i);

        } else {
            t.data = text;
            t.len = (size_t) text_write(text, &s->in[0], i);
        }

        maas_ml_put(&s->out[0], n, i, t);
    }

    return MAAS_OK;
}
