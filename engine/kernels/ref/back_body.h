/*
 * back_body: plain C kernels of gradients: of the functions of one input, of
 * layer normalisation and of a row of LSTM; a template (see gemm_body.h),
 * included behind row_body.h.
 *
 * The maps make no fused multiply-adds: those without exp() and the like
 * give the same bits at every level.
 */


#define BACK_RSQRT_2PI  0.398942280f            /* 1 / sqrt(2 pi) */
#define BACK_GELU_C     0.797884561f            /* sqrt(2 / pi) */
#define BACK_GELU_K     0.044715f


static inline float
MAAS_K(back_elu1)(float d, float v, float a)
{
    return v > 0.0f ? d : d * a * expf(v);
}


/* 0 up to -3, d from 3 on. */
static inline float
MAAS_K(back_hswish1)(float d, float v)
{
    return v <= -3.0f ? 0.0f : v >= 3.0f ? d
           : d * (v * (1 / 3.0f) + 0.5f);
}


static inline float
MAAS_K(back_gelu1)(float d, float v)
{
    float  s = erff(v * 0.70710678f), t = expf(v * v * -0.5f);

    return d * ((1.0f + s) * 0.5f + v * t * BACK_RSQRT_2PI);
}


/* Of v within +-1e6, where the square is finite and tanh is 1 by far. */
static inline float
MAAS_K(back_gelu_tanh1)(float d, float v)
{
    float  q, t;

    v = MAAS_K(clamp)(v, -1e6f, 1e6f);
    q = v * v * BACK_GELU_K;
    t = tanhf(BACK_GELU_C * (v + q * v));

    return d * ((1.0f + t) * 0.5f
                + v * 0.5f * (1.0f - t * t) * BACK_GELU_C
                  * (1.0f + 3.0f * q));
}


static inline float
MAAS_K(back_swish1)(float d, float v, float a)
{
    float  s = MAAS_K(sigmoid1)(a * v);

    return d * s * (1.0f + a * v * (1.0f - s));
}


static inline float
MAAS_K(back_mish1)(float d, float v)
{
    float  s = MAAS_K(sigmoid1)(v), w = MAAS_K(mish1)(v);

    return d * (w + v * s * (1.0f - w * w));
}


#define BACK(op, expr)                                                        \
    void                                                                      \
    MAAS_K(back_##op)(float *dx, const float *dy, const float *pv,            \
        int64_t n, float a, float b)                                          \
    {                                                                         \
        float    d, v;                                                        \
        int64_t  i;                                                           \
                                                                              \
        (void) a;                                                             \
        (void) b;                                                             \
                                                                              \
        for (i = 0; i < n; i++) {                                             \
            d = dy[i];                                                        \
            v = pv[i];                                                        \
            dx[i] = (expr);                                                   \
        }                                                                     \
    }

BACK(relu, v > 0.0f ? d : 0.0f)
BACK(leaky, v > 0.0f ? d : a * d)
BACK(elu, MAAS_K(back_elu1)(d, v, a))
BACK(sigmoid, d * v * (1.0f - v))
BACK(tanh, d * (1.0f - v * v))
BACK(hsigmoid, a * v + b > 0.0f && a * v + b < 1.0f ? a * d : 0.0f)
BACK(hswish, MAAS_K(back_hswish1)(d, v))
BACK(softplus, d * MAAS_K(sigmoid1)(v))
BACK(gelu, MAAS_K(back_gelu1)(d, v))
BACK(gelu_tanh, MAAS_K(back_gelu_tanh1)(d, v))
BACK(swish, MAAS_K(back_swish1)(d, v, a))
BACK(mish, MAAS_K(back_mish1)(d, v))


static void
MAAS_K(layer_norm_back1)(float *dx, const float *dy, const float *x,
    const float *gamma, int64_t n, float eps, float *stats)
{
    int      j, w;
    float    mu, inv, g, h, sg, sh;
    float    ag[MAAS_K_LANES] = { 0 }, ah[MAAS_K_LANES] = { 0 };
    int64_t  i;

    mu = MAAS_K(reduce_sum)(x, n) / (float) n;
    inv = MAAS_K(inv_std)(x, n, mu, eps);

    for (i = 0; i < n; i += MAAS_K_LANES) {
        w = (int) maas_min(n - i, MAAS_K_LANES);

        for (j = 0; j < w; j++) {
            g = dy[i + j] * gamma[i + j];
            h = (x[i + j] - mu) * inv;
            ag[j] += g;
            ah[j] = MAAS_MADD(g, h, ah[j]);
        }
    }

    sg = MAAS_K(reduce_sum)(ag, MAAS_K_LANES) / (float) n;
    sh = MAAS_K(reduce_sum)(ah, MAAS_K_LANES) / (float) n;

    for (i = 0; i < n; i++) {
        g = dy[i] * gamma[i] - sg;
        h = (x[i] - mu) * inv;
        dx[i] = MAAS_MADD(-h, sh, g) * inv;
    }

    stats[0] = mu;
    stats[1] = inv;
}


void
MAAS_K(layer_norm_back)(float *dx, const float *dy, const float *x,
    const float *gamma, int64_t rows, int64_t n, float eps, float *stats)
{
    for (int64_t r = 0; r < rows; r++) {
        MAAS_K(layer_norm_back1)(dx + r * n, dy + r * n, x + r * n, gamma, n,
                                 eps, stats + 2 * r);
    }
}


void
MAAS_K(layer_norm_sums)(float *dgamma, float *dbeta, const float *dy,
    const float *x, int64_t ld, const float *stats, int64_t rows, int64_t n)
{
    float    h;
    int64_t  i, r;

    for (i = 0; i < n; i++) {
        dgamma[i] = 0.0f;
        dbeta[i] = 0.0f;
    }

    for (r = 0; r < rows; r++, dy += ld, x += ld) {
        for (i = 0; i < n; i++) {
            h = (x[i] - stats[2 * r]) * stats[2 * r + 1];
            dgamma[i] = MAAS_MADD(dy[i], h, dgamma[i]);
            dbeta[i] += dy[i];
        }
    }
}


#define REAL        float
#define LSTM(name)  lstm_##name##_f32
#include "kernels/lstm_body.h"


void
MAAS_K(lstm_cell)(float *c, const float *a, const float *last, int64_t n)
{
    lstm_cell_f32(c, a, last, n);
}


void
MAAS_K(lstm_back)(float *a, const float *dh, float *dc, const float *last,
    const float *th, int64_t n)
{
    lstm_back_f32(a, dh, dc, last, th, n);
}


#undef BACK
