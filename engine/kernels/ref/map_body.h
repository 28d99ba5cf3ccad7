/*
 * map_body: plain C element-wise kernels; a template (see gemm_body.h).
 *
 * min and max give NaN when either value is NaN, and the second of two
 * equal values; clip, relu and hsigmoid let NaN pass.
 */


#define MAP_MAX(a, b)  ((a) > (b) || (a) != (a) ? (a) : (b))
#define MAP_MIN(a, b)  ((a) < (b) || (a) != (a) ? (a) : (b))


static inline float
MAAS_K(clamp)(float x, float lo, float hi)
{
    x = lo > x ? lo : x;

    return hi < x ? hi : x;
}


/* Both branches divide by 1 + exp(-|x|), which cannot overflow. */
static inline float
MAAS_K(sigmoid1)(float x)
{
    float  e = expf(-fabsf(x));

    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}


static inline float
MAAS_K(softplus1)(float x)
{
    return (x > 0.0f || x != x ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}


/* Of x within +-1e9, where the cube is finite. */
static inline float
MAAS_K(swish1)(float x, float a, float b)
{
    return MAAS_K(sigmoid1)(x * MAAS_MADD(x * b, x, a));
}


/* tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), which is 1 from 20 on. */
static inline float
MAAS_K(mish1)(float x)
{
    float  e = expf(20.0f < x ? 20.0f : x);

    e *= e + 2.0f;

    return e / (e + 2.0f);
}


/*
 * The sum with 1.5 * 2^23 rounds half to even, and leaves no -0; lo and hi
 * are less the zero point.
 */
static inline float
MAAS_K(qdq1)(float x, float a, float lo, float hi)
{
    x /= a;
    x = x > lo ? x : lo;
    x = x < hi ? x : hi;
    x += 12582912.0f;
    x -= 12582912.0f;

    return x * a;
}


#define MAP_UNARY(op, expr)                                                   \
    void                                                                      \
    MAAS_K(op)(float *y, const float *x, int64_t n, float a, float b)         \
    {                                                                         \
        float    v;                                                           \
        int64_t  i;                                                           \
                                                                              \
        (void) a;                                                             \
        (void) b;                                                             \
                                                                              \
        for (i = 0; i < n; i++) {                                             \
            v = x[i];                                                         \
            y[i] = (expr);                                                    \
        }                                                                     \
    }

MAP_UNARY(exp, expf(v))
MAP_UNARY(log, logf(v))
MAP_UNARY(tanh, tanhf(v))
MAP_UNARY(sigmoid, MAAS_K(sigmoid1)(v))
MAP_UNARY(erf, erff(v))
MAP_UNARY(sqrt, sqrtf(v))
MAP_UNARY(recip, 1.0f / v)
MAP_UNARY(abs, fabsf(v))
MAP_UNARY(neg, -v)
MAP_UNARY(floor, floorf(v))
MAP_UNARY(ceil, ceilf(v))
MAP_UNARY(round, rintf(v))
MAP_UNARY(relu, 0.0f > v ? 0.0f : v)
MAP_UNARY(clip, MAAS_K(clamp)(v, a, b))
MAP_UNARY(leaky, v < 0.0f ? a * v : v)
MAP_UNARY(elu, v < 0.0f ? a * expm1f(v) : v)
MAP_UNARY(hsigmoid, MAAS_K(clamp)(MAAS_MADD(v, a, b), 0.0f, 1.0f))
MAP_UNARY(hswish, v * MAAS_K(clamp)(MAAS_MADD(v, 1.0f / 6, 0.5f), 0.0f, 1.0f))
MAP_UNARY(silu, v * MAAS_K(sigmoid1)(v))
MAP_UNARY(gelu, 0.5f * v * (1.0f + erff(v * 0.70710678118654752f)))
MAP_UNARY(softplus, MAAS_K(softplus1)(v))
MAP_UNARY(affine, MAAS_MADD(v, a, b))
MAP_UNARY(swish, v * MAAS_K(swish1)(MAAS_K(clamp)(v, -1e9f, 1e9f), a, b))
MAP_UNARY(mish, v * MAAS_K(mish1)(v))
MAP_UNARY(sin, sinf(v))
MAP_UNARY(cos, cosf(v))
MAP_UNARY(tan, tanf(v))
MAP_UNARY(asin, asinf(v))
MAP_UNARY(acos, acosf(v))
MAP_UNARY(atan, atanf(v))
MAP_UNARY(sinh, sinhf(v))
MAP_UNARY(cosh, coshf(v))
MAP_UNARY(asinh, asinhf(v))
MAP_UNARY(acosh, acoshf(v))
MAP_UNARY(atanh, atanhf(v))
MAP_UNARY(qdq_u8, MAAS_K(qdq1)(v, a, 0.0f - b, 255.0f - b))
MAP_UNARY(qdq_i8, MAAS_K(qdq1)(v, a, -128.0f - b, 127.0f - b))


#define MAP_BINARY(op, expr)                                                  \
    void                                                                      \
    MAAS_K(op)(float *y, const float *a, int sa, const float *b, int sb,      \
        int64_t n)                                                            \
    {                                                                         \
        float    u, v;                                                        \
        int64_t  i;                                                           \
                                                                              \
        if (n <= 0) {                                                         \
            return;                                                           \
        }                                                                     \
                                                                              \
        u = *a;                                                               \
        v = *b;                                                               \
                                                                              \
        if (sa && sb) {                                                       \
            for (i = 0; i < n; i++) {                                         \
                u = a[i];                                                     \
                v = b[i];                                                     \
                y[i] = (expr);                                                \
            }                                                                 \
                                                                              \
        } else if (sa) {                                                      \
            for (i = 0; i < n; i++) {                                         \
                u = a[i];                                                     \
                y[i] = (expr);                                                \
            }                                                                 \
                                                                              \
        } else if (sb) {                                                      \
            for (i = 0; i < n; i++) {                                         \
                v = b[i];                                                     \
                y[i] = (expr);                                                \
            }                                                                 \
                                                                              \
        } else {                                                              \
            for (i = 0; i < n; i++) {                                         \
                y[i] = (expr);                                                \
            }                                                                 \
        }                                                                     \
    }

MAP_BINARY(badd, u + v)
MAP_BINARY(bsub, u - v)
MAP_BINARY(bmul, u * v)
MAP_BINARY(bdiv, u / v)
MAP_BINARY(bmin, MAP_MIN(u, v))
MAP_BINARY(bmax, MAP_MAX(u, v))
MAP_BINARY(bpow, powf(u, v))


#define MAP_FOLD(op, expr)                                                    \
    void                                                                      \
    MAAS_K(fold_##op)(float *y, const float *x, int64_t ld, int64_t rows,     \
        int64_t n)                                                            \
    {                                                                         \
        float    u, v;                                                        \
        int64_t  i, r;                                                        \
                                                                              \
        for (r = 0; r < rows; r++) {                                          \
            for (i = 0; i < n; i++) {                                         \
                u = y[i];                                                     \
                v = x[r * ld + i];                                            \
                y[i] = (expr);                                                \
            }                                                                 \
        }                                                                     \
    }

MAP_FOLD(sum, u + v)
MAP_FOLD(max, MAP_MAX(u, v))
MAP_FOLD(min, MAP_MIN(u, v))
MAP_FOLD(sumsq, MAAS_MADD(v, v, u))
MAP_FOLD(sumabs, u + fabsf(v))
MAP_FOLD(prod, u * v)


void
MAAS_K(axpy)(float *y, float a, const float *x, int64_t n)
{
    int64_t  i;

    for (i = 0; i < n; i++) {
        y[i] = MAAS_MADD(a, x[i], y[i]);
    }
}


/* A signalling NaN becomes quiet, as the F16C instruction has it. */
void
MAAS_K(from_f16)(float *y, const uint16_t *x, int64_t n)
{
    int64_t   i;
    uint32_t  s, e, m, u;

    for (i = 0; i < n; i++) {
        s = (uint32_t) (x[i] & 0x8000) << 16;
        e = (x[i] >> 10) & 31;
        m = x[i] & 0x3ff;

        if (e == 31) {
            u = s | 0x7f800000 | m << 13 | (m ? 0x400000 : 0);

        } else if (e != 0) {
            u = s | (e + 112) << 23 | m << 13;

        } else if (m == 0) {
            u = s;

        } else {
            e = 113;

            while ((m & 0x400) == 0) {
                m <<= 1;
                e--;
            }

            u = s | e << 23 | (m & 0x3ff) << 13;
        }

        memcpy(&y[i], &u, sizeof(u));
    }
}


/* To the nearest, ties to even; too large gives Inf. */
void
MAAS_K(to_f16)(uint16_t *y, const float *x, int64_t n)
{
    int       shift;
    int64_t   i;
    uint32_t  u, s, m, h, rest, half;

    for (i = 0; i < n; i++) {
        memcpy(&u, &x[i], sizeof(u));
        s = u >> 16 & 0x8000;
        u &= 0x7fffffff;

        if (u > 0x7f800000) {
            h = 0x7e00 | (u >> 13 & 0x3ff);

        } else if (u >= 0x47800000) {
            h = 0x7c00;

        } else if (u < 0x33000000) {
            h = 0;

        } else {
            m = (u & 0x7fffff) | 0x800000;
            shift = 13;

            if (u < 0x38800000) {
                shift = 126 - (int) (u >> 23);
                h = m >> shift;

            } else {
                h = (u - 0x38000000) >> 13;
            }

            rest = m & ((1u << shift) - 1);
            half = 1u << (shift - 1);
            h += rest > half || (rest == half && (h & 1));
        }

        y[i] = (uint16_t) (s | h);
    }
}


#undef MAP_UNARY
#undef MAP_BINARY
#undef MAP_FOLD
