/*
 * row_body: plain C kernels that look at a whole row: reductions, dot,
 * softmax and layer normalisation; a template (see gemm_body.h), included
 * behind map_body.h.
 *
 * The association is that of MAAS_K_LANES, whatever the level.
 */


#define ROW_REDUCE(op, neutral, step, join)                                   \
    float                                                                     \
    MAAS_K(reduce_##op)(const float *x, int64_t n)                            \
    {                                                                         \
        int      j, w;                                                        \
        float    u, v, acc[MAAS_K_LANES];                                     \
        int64_t  i;                                                           \
                                                                              \
        for (j = 0; j < MAAS_K_LANES; j++) {                                  \
            acc[j] = neutral;                                                 \
        }                                                                     \
                                                                              \
        for (i = 0; i < n; i += MAAS_K_LANES) {                               \
            w = (int) maas_min(n - i, MAAS_K_LANES);                          \
                                                                              \
            for (j = 0; j < w; j++) {                                         \
                u = acc[j];                                                   \
                v = x[i + j];                                                 \
                acc[j] = (step);                                              \
            }                                                                 \
        }                                                                     \
                                                                              \
        for (w = MAAS_K_LANES / 2; w != 0; w /= 2) {                          \
            for (j = 0; j < w; j++) {                                         \
                u = acc[j];                                                   \
                v = acc[j + w];                                               \
                acc[j] = (join);                                              \
            }                                                                 \
        }                                                                     \
                                                                              \
        return acc[0];                                                        \
    }

ROW_REDUCE(sum, 0.0f, u + v, u + v)
ROW_REDUCE(max, -INFINITY, MAP_MAX(u, v), MAP_MAX(u, v))
ROW_REDUCE(min, INFINITY, MAP_MIN(u, v), MAP_MIN(u, v))
ROW_REDUCE(sumsq, 0.0f, MAAS_MADD(v, v, u), u + v)
ROW_REDUCE(sumabs, 0.0f, u + fabsf(v), u + v)
ROW_REDUCE(prod, 1.0f, u * v, u * v)


float
MAAS_K(dot)(const float *a, const float *b, int64_t n)
{
    int      j, w;
    float    acc[MAAS_K_LANES] = { 0 };
    int64_t  i;

    for (i = 0; i < n; i += MAAS_K_LANES) {
        w = (int) maas_min(n - i, MAAS_K_LANES);

        for (j = 0; j < w; j++) {
            acc[j] = MAAS_MADD(a[i + j], b[i + j], acc[j]);
        }

        for ( /* void */ ; j < MAAS_K_LANES; j++) {
            acc[j] += 0.0f;
        }
    }

    for (w = MAAS_K_LANES / 2; w != 0; w /= 2) {
        for (j = 0; j < w; j++) {
            acc[j] += acc[j + w];
        }
    }

    return acc[0];
}


/* A row of -Inf only gives NaN, as the formula does. */
void
MAAS_K(softmax)(float *y, const float *x, int64_t n)
{
    float    max, sum;
    int64_t  i;

    max = MAAS_K(reduce_max)(x, n);

    for (i = 0; i < n; i++) {
        y[i] = expf(x[i] - max);
    }

    sum = 1.0f / MAAS_K(reduce_sum)(y, n);

    for (i = 0; i < n; i++) {
        y[i] *= sum;
    }
}


void
MAAS_K(softmax_add)(float *y, const float *x, const float *add, int64_t n,
    float f)
{
    int64_t  i;

    for (i = 0; i < n; i++) {
        y[i] = add != NULL ? x[i] * f + add[i] : x[i] * f;
    }

    MAAS_K(softmax)(y, y, n);
}


void
MAAS_K(softmax_back)(float *d, const float *p, int64_t n, float f)
{
    float    sum;
    int64_t  i;

    sum = MAAS_K(dot)(p, d, n);

    for (i = 0; i < n; i++) {
        d[i] = f * p[i] * (d[i] - sum);
    }
}


/* The sum of exponentials must not need a buffer: y may be x. */
static float
MAAS_K(sum_exp)(const float *x, int64_t n, float max)
{
    int      j, w;
    float    buf[MAAS_K_LANES], acc[MAAS_K_LANES] = { 0 };
    int64_t  i;

    for (i = 0; i < n; i += MAAS_K_LANES) {
        w = (int) maas_min(n - i, MAAS_K_LANES);

        for (j = 0; j < w; j++) {
            buf[j] = expf(x[i + j] - max);
        }

        for (j = 0; j < w; j++) {
            acc[j] += buf[j];
        }
    }

    return MAAS_K(reduce_sum)(acc, MAAS_K_LANES);
}


void
MAAS_K(log_softmax)(float *y, const float *x, int64_t n)
{
    float    max, lse;
    int64_t  i;

    max = MAAS_K(reduce_max)(x, n);
    lse = logf(MAAS_K(sum_exp)(x, n, max));

    for (i = 0; i < n; i++) {
        y[i] = x[i] - max - lse;
    }
}


/* 1 / sqrt(the mean of (x - mu)^2, and eps). */
static float
MAAS_K(inv_std)(const float *x, int64_t n, float mu, float eps)
{
    int      j, w;
    float    d, acc[MAAS_K_LANES] = { 0 };
    int64_t  i;

    for (i = 0; i < n; i += MAAS_K_LANES) {
        w = (int) maas_min(n - i, MAAS_K_LANES);

        for (j = 0; j < w; j++) {
            d = x[i + j] - mu;
            acc[j] = MAAS_MADD(d, d, acc[j]);
        }
    }

    d = MAAS_K(reduce_sum)(acc, MAAS_K_LANES) / (float) n;

    return 1.0f / sqrtf(d + eps);
}


/* Two passes: the variance is that of x - mean.  mean, inv_std: or NULL. */
void
MAAS_K(layer_norm)(float *y, const float *x, const float *gamma,
    const float *beta, int64_t n, float eps, float *mean, float *inv_std)
{
    float    mu, inv;
    int64_t  i;

    mu = MAAS_K(reduce_sum)(x, n) / (float) n;
    inv = MAAS_K(inv_std)(x, n, mu, eps);

    for (i = 0; i < n; i++) {
        y[i] = MAAS_MADD((x[i] - mu) * inv, gamma[i],
                         beta != NULL ? beta[i] : 0.0f);
    }

    if (mean != NULL) {
        *mean = mu;
    }

    if (inv_std != NULL) {
        *inv_std = inv;
    }
}


#undef ROW_REDUCE
