/*
 * quant: what the quantised operators share: shapes of scales and zero
 * points, widening of 8-bit rows to int16 with the zero point taken away,
 * exact dot products of such rows and rounding of their sums.
 *
 * A difference of two 8-bit values fits in int16 and a product of two
 * differences in int32; sums wrap like unsigned ones.
 * Ownership: plain values on the caller's stack.  Threads: reentrant.
 */

#ifndef MAAS_QUANT_H
#define MAAS_QUANT_H

#include "ops/ops_common.h"


/* Loops over rows, which the compiler turns into vector code. */
#define QUANT_FAST  __attribute__((optimize("O3")))

#define MAAS_D_Q8   (MAAS_D(I8) | MAAS_D(U8))
#define MAAS_D_Q16  (MAAS_D_Q8 | MAAS_D(I16) | MAAS_D(U16))

/* int16 elements of a row that holds k. */
static inline int64_t
quant_row(int64_t k)
{
    return (k + 7) / 8 * 8;
}


static inline bool
quant_has(const maas_step_t *s, int i)
{
    return i < s->n_formal && s->in[i].dtype != MAAS_NODTYPE;
}


/* A zero point, or 0 when input i is absent; `at` runs over its elements. */
static inline int32_t
quant_zero(const maas_step_t *s, int i, int64_t at)
{
    const maas_tensor_t  *t = &s->in[i];

    if (!quant_has(s, i)) {
        return 0;
    }

    at %= maas_max(maas_tensor_count(t), 1);

    return t->dtype == MAAS_I8 ? ((const int8_t *) t->data)[at]
                               : ((const uint8_t *) t->data)[at];
}


static inline float
quant_scale(const maas_step_t *s, int i, int64_t at)
{
    const maas_tensor_t  *t = &s->in[i];

    return ((const float *) t->data)[at % maas_max(maas_tensor_count(t), 1)];
}


/* Input i, if present, has one element or is 1-D of length n (0: not). */
maas_status_t quant_infer_vector(maas_infer_t *c, int i, const char *name,
    maas_dim_t n, const char *what);

/* y[i] = x[i * xs] - zero, x of int8 or uint8. */
void quant_widen(int16_t *y, const void *x, maas_dtype_t xt, int64_t xs,
    int64_t n, int32_t zero);

/* y[i * ld + j] = a's row i times b's row j, all of kp elements. */
void quant_products(int32_t *y, int64_t ld, const int16_t *a, int64_t rows,
    const int16_t *b, int64_t cols, int64_t kp);

/* saturate(round_half_even(x[i] * scale[i]) + zero) as int8 or uint8. */
void quant_round(void *y, maas_dtype_t yt, const int32_t *x,
    const float *scale, int32_t zero, int64_t n);

/*
 * Rounds v half to even and adds zero, within [lo, hi]; NaN gives lo.  The
 * sum with 1.5 * 2^23 leaves the rounded integer in the low bits of a
 * float: |lo - zero| and |hi - zero| are far below 2^22.
 */
static inline int32_t
quant_one(float v, int32_t zero, int32_t lo, int32_t hi)
{
    float  least = (float) (lo - zero), most = (float) (hi - zero);

    union { float f; int32_t i; }  r;

    v = v > least ? v : least;
    v = v < most ? v : most;
    r.f = v + 12582912.0f;

    return r.i - 0x4b400000 + zero;
}


/*
 * Scale and zero point of values in [lo, hi], which is widened to hold 0: its
 * image is the zero point.  A range of nothing but 0 has the scale 1.
 */
static inline uint8_t
quant_dynamic(float lo, float hi, float *scale)
{
    lo = lo > 0 ? 0 : lo;
    hi = hi < 0 ? 0 : hi;
    *scale = hi == lo ? 1 : (hi - lo) / 255;

    return (uint8_t) quant_one(0 - lo / *scale, 0, 0, 255);
}

#endif
