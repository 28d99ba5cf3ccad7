/*
 * ml_common: the steps that the ai.onnx.ml operators share; see ml_common.h.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <math.h>

#include "ops/ml_common.h"


const char *const  maas_ml_post_words[] = {
    "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", NULL
};


/* -- scores -------------------------------------------------------------- */

float
maas_ml_logistic(float v)
{
    float  p = 1 / (1 + expf(-fabsf(v)));

    return v < 0 ? 1 - p : p;
}


/*
 * sqrt(2) times the inverse of erf at 2 v - 1, by Winitzki's closed form
 * with a = 0.147.
 */
float
maas_ml_probit(float v)
{
    double  x = 2 * (double) v - 1;
    double  l = log((1 - x) * (1 + x));
    double  b = 2 / (M_PI * 0.147) + 0.5 * l;
    double  r = sqrt(-b + sqrt(b * b - l / 0.147));

    return (float) (M_SQRT2 * (x < 0 ? -r : r));
}


/* SOFTMAX_ZERO leaves scores of zero out of the sum and of the powers. */
static void
ml_softmax(float *s, int64_t n, bool zero)
{
    float  max = s[0], sum = 0;

    for (int64_t i = 1; i < n; i++) {
        max = s[i] > max ? s[i] : max;
    }

    for (int64_t i = 0; i < n; i++) {
        if (zero && fabsf(s[i]) <= 1e-7f) {
            s[i] *= expf(-max);
            continue;
        }

        s[i] = expf(s[i] - max);
        sum += s[i];
    }

    for (int64_t i = 0; i < n; i++) {
        s[i] /= sum;
    }
}


void
maas_ml_transform(float *s, int64_t n, int64_t post)
{
    switch (post) {

    case ML_SOFTMAX:
    case ML_SOFTMAX_ZERO:
        if (n > 0) {
            ml_softmax(s, n, post == ML_SOFTMAX_ZERO);
        }

        return;

    case ML_LOGISTIC:
        for (int64_t i = 0; i < n; i++) {
            s[i] = maas_ml_logistic(s[i]);
        }

        return;

    case ML_PROBIT:
        for (int64_t i = 0; i < n; i++) {
            s[i] = maas_ml_probit(s[i]);
        }
    }
}


/* -- rows ---------------------------------------------------------------- */

maas_status_t
maas_ml_rows(maas_infer_t *c, maas_dim_t *rows, maas_dim_t *features)
{
    const maas_type_t  *x = c->in[0].type;

    if (x->rank != 1 && x->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "the input has rank %d; expected [rows, features] or "
                        "[features]", x->rank);
    }

    *rows = x->rank == 2 ? x->dims[0] : 1;
    *features = x->dims[x->rank - 1];
    return MAAS_OK;
}


maas_status_t
maas_ml_features(maas_infer_t *c, maas_dim_t features, int64_t want)
{
    if (maas_dim_known(features) && features != want) {
        return maas_err(c->err, MAAS_EINVAL,
                        "the input has %lld features; the coefficients are "
                        "of %lld", (long long) features, (long long) want);
    }

    return MAAS_OK;
}


const float *
maas_ml_row(const maas_tensor_t *x, int64_t i, float *buf)
{
    int64_t      n = x->dims[x->rank - 1];
    const char  *p = (const char *) x->data
                     + (size_t) (i * n) * maas_dtype_size(x->dtype);

    if (x->dtype == MAAS_F32) {
        return (const float *) p;
    }

    maas_cast_row(buf, MAAS_F32, p, x->dtype, n);
    return buf;
}


/* -- labels -------------------------------------------------------------- */

size_t
maas_ml_longest(const void *attr, const maas_list_t *l)
{
    size_t  longest = 0;

    for (uint32_t i = 0; i < l->n; i++) {
        longest = maas_max(longest, maas_list_strings(attr, l, i).len);
    }

    return longest;
}


maas_status_t
maas_ml_text(maas_infer_t *c, int o, maas_dim_t count, size_t longest)
{
    if (maas_dim_known(count)
        && (!maas_mul_size(longest, (size_t) count, &c->out[o].str_bytes)
            || c->out[o].str_bytes > UINT32_MAX))
    {
        return maas_err(c->err, MAAS_ELIMIT,
                        "%lld strings exceed 4 GiB of text",
                        (long long) count);
    }

    return MAAS_OK;
}


maas_status_t
maas_ml_labels(maas_infer_t *c, const maas_list_t *ints,
    const maas_list_t *strings, maas_dim_t rows)
{
    if ((ints->n == 0) == (strings->n == 0)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "one of the attributes 'classlabels_ints' and "
                        "'classlabels_strings' is expected");
    }

    if (ints->n != 0) {
        maas_infer_set(c, 0, MAAS_I64, 1, &rows);
        return MAAS_OK;
    }

    maas_infer_set(c, 0, MAAS_STRING, 1, &rows);

    /* A lone class is answered with "1" or "0". */
    return maas_ml_text(c, 0, rows,
                        maas_max(maas_ml_longest(c->attr, strings), 1));
}


/* -- tables -------------------------------------------------------------- */

uint32_t
maas_ml_slots(uint32_t n)
{
    uint32_t  slots = 8;

    while (slots < 2 * (uint64_t) n && slots < 1u << 31) {
        slots *= 2;
    }

    return slots;
}


uint64_t
maas_ml_hash(maas_str_t s)
{
    uint64_t  h = 0x243f6a8885a308d3ull ^ s.len, v;

    for (; s.len >= 8; s.data += 8, s.len -= 8) {
        memcpy(&v, s.data, 8);
        h = maas_ml_mix(h, v);
    }

    v = 0;
    if (s.len != 0) {
        memcpy(&v, s.data, s.len);
    }

    return maas_ml_mix(h, v);
}
