/*
 * quant: rows of quantised values; see quant.h.
 *
 * Every function is exact, so its result knows neither the CPU level nor
 * how the work was cut.
 */

#include "ops/quant.h"


maas_status_t
quant_infer_vector(maas_infer_t *c, int i, const char *name, maas_dim_t n,
    const char *what)
{
    char                text[MAAS_DIMS_TEXT];
    const maas_type_t  *t;

    if (!maas_infer_has(c, i)) {
        return MAAS_OK;
    }

    t = c->in[i].type;

    if (t->rank == 0 || (t->rank == 1 && t->dims[0] == 1)) {
        return MAAS_OK;
    }

    if (t->rank == 1 && (!maas_dim_known(t->dims[0])
                         || (what != NULL && !maas_dim_known(n))
                         || (what != NULL && t->dims[0] == n)))
    {
        return MAAS_OK;
    }

    if (what == NULL) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%s has shape %s, expected one element", name,
                        maas_dims_text(text, t->dims, t->rank));
    }

    if (!maas_dim_known(n)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%s has shape %s, expected one element or one for "
                        "each %s", name,
                        maas_dims_text(text, t->dims, t->rank), what);
    }

    return maas_err(c->err, MAAS_EINVAL,
                    "%s has shape %s, expected one element or one for each "
                    "%s (%lld)", name,
                    maas_dims_text(text, t->dims, t->rank), what,
                    (long long) n);
}


/* -- to int16 ------------------------------------------------------------ */

#define QUANT_WIDEN(T, name)                                                  \
                                                                              \
QUANT_FAST static void                                                        \
name(int16_t *restrict y, const T *restrict x, int64_t xs, int64_t n,         \
    int32_t zero)                                                             \
{                                                                             \
    if (xs == 1) {                                                            \
        for (int64_t i = 0; i < n; i++) {                                     \
            y[i] = (int16_t) (x[i] - (int16_t) zero);                         \
        }                                                                     \
                                                                              \
        return;                                                               \
    }                                                                         \
                                                                              \
    for (int64_t i = 0; i < n; i++) {                                         \
        y[i] = (int16_t) (x[i * xs] - zero);                                  \
    }                                                                         \
}


QUANT_WIDEN(int8_t, quant_widen_i8)


QUANT_WIDEN(uint8_t, quant_widen_u8)


void
quant_widen(int16_t *y, const void *x, maas_dtype_t xt, int64_t xs, int64_t n,
    int32_t zero)
{
    if (xt == MAAS_I8) {
        quant_widen_i8(y, x, xs, n, zero);

    } else {
        quant_widen_u8(y, x, xs, n, zero);
    }
}


/* -- products ------------------------------------------------------------ */

QUANT_FAST static void
quant_dot4(int32_t *restrict y, const int16_t *restrict a,
    const int16_t *restrict b, int64_t kp)
{
    uint32_t  s0 = 0, s1 = 0, s2 = 0, s3 = 0;

    for (int64_t i = 0; i < kp; i++) {
        s0 += (uint32_t) (a[i] * b[i]);
        s1 += (uint32_t) (a[i] * b[kp + i]);
        s2 += (uint32_t) (a[i] * b[2 * kp + i]);
        s3 += (uint32_t) (a[i] * b[3 * kp + i]);
    }

    y[0] = (int32_t) s0;
    y[1] = (int32_t) s1;
    y[2] = (int32_t) s2;
    y[3] = (int32_t) s3;
}


QUANT_FAST static int32_t
quant_dot(const int16_t *restrict a, const int16_t *restrict b, int64_t kp)
{
    uint32_t  sum = 0;

    for (int64_t i = 0; i < kp; i++) {
        sum += (uint32_t) (a[i] * b[i]);
    }

    return (int32_t) sum;
}


void
quant_products(int32_t *y, int64_t ld, const int16_t *a, int64_t rows,
    const int16_t *b, int64_t cols, int64_t kp)
{
    int64_t  i, j;

    for (j = 0; j + 4 <= cols; j += 4) {
        for (i = 0; i < rows; i++) {
            quant_dot4(y + i * ld + j, a + i * kp, b + j * kp, kp);
        }
    }

    for (; j < cols; j++) {
        for (i = 0; i < rows; i++) {
            y[i * ld + j] = quant_dot(a + i * kp, b + j * kp, kp);
        }
    }
}


/* -- to 8 bits ----------------------------------------------------------- */

QUANT_FAST void
quant_round(void *y, maas_dtype_t yt, const int32_t *x, const float *scale,
    int32_t zero, int64_t n)
{
    int8_t   *s = y;
    uint8_t  *u = y;

    if (yt == MAAS_I8) {
        for (int64_t i = 0; i < n; i++) {
            s[i] = (int8_t) quant_one((float) x[i] * scale[i], zero, -128,
                                      127);
        }

        return;
    }

    for (int64_t i = 0; i < n; i++) {
        u[i] = (uint8_t) quant_one((float) x[i] * scale[i], zero, 0, 255);
    }
}
