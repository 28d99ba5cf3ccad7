/*
 * vrow: kernels that look at a whole row, over the words of vec_*.h and
 * vmath.h; a template (MAAS_ISA).  MAAS_K_LANES lanes lie in VR_N vectors
 * and are joined by halves, which is the association of ref/row_body.h.
 */

#define VR_N  (MAAS_K_LANES / VL)


/* Lane i of the second half-group comes to lane i; the rest is not used. */
#define VR_HALF(w, expr)                                                      \
    if (VL > w) {                                                             \
        v = v_down(u, w);                                                     \
        u = (expr);                                                           \
    }

/* Joins the lanes of VR_N vectors; expr makes one value of u and v. */
#define VR_JOIN(acc, result, expr)                                            \
    do {                                                                      \
        int  w_, j_;                                                          \
        V    u, v;                                                            \
                                                                              \
        for (w_ = VR_N / 2; w_ != 0; w_ /= 2) {                               \
            for (j_ = 0; j_ < w_; j_++) {                                     \
                u = acc[j_];                                                  \
                v = acc[j_ + w_];                                             \
                acc[j_] = (expr);                                             \
            }                                                                 \
        }                                                                     \
                                                                              \
        u = acc[0];                                                           \
        VR_HALF(8, expr)                                                      \
        VR_HALF(4, expr)                                                      \
        VR_HALF(2, expr)                                                      \
        VR_HALF(1, expr)                                                      \
        result = v_first(u);                                                  \
    } while (0)


/* The same of a single vector. */
#define VR_JOIN1(acc, result, expr)                                           \
    do {                                                                      \
        V  u, v;                                                              \
                                                                              \
        u = (acc);                                                            \
        VR_HALF(8, expr)                                                      \
        VR_HALF(4, expr)                                                      \
        VR_HALF(2, expr)                                                      \
        VR_HALF(1, expr)                                                      \
        result = v_first(u);                                                  \
    } while (0)


/* How many of the VL elements of vector j exist when left elements do. */
V_INL int
vr_count(int64_t left, int j)
{
    left -= j * VL;

    return left <= 0 ? 0 : left >= VL ? VL : (int) left;
}


#define VR_REDUCE(op, neutral, step, join)                                    \
    float                                                                     \
    MAAS_K(reduce_##op)(const float *x, int64_t n)                            \
    {                                                                         \
        int      j;                                                           \
        V        u, v, acc[VR_N];                                             \
        float    result;                                                      \
        int64_t  i;                                                           \
                                                                              \
        if (n <= VL) {                                                        \
            u = v_set1(neutral);                                              \
            v = v_loadf(x, (int) n, u);                                       \
            acc[0] = (step);                                                  \
            VR_JOIN1(acc[0], result, join);                                   \
                                                                              \
            return result;                                                    \
        }                                                                     \
                                                                              \
        for (j = 0; j < VR_N; j++) {                                          \
            acc[j] = v_set1(neutral);                                         \
        }                                                                     \
                                                                              \
        for (i = 0; i + MAAS_K_LANES <= n; i += MAAS_K_LANES) {               \
            for (j = 0; j < VR_N; j++) {                                      \
                u = acc[j];                                                   \
                v = v_load(x + i + j * VL);                                   \
                acc[j] = (step);                                              \
            }                                                                 \
        }                                                                     \
                                                                              \
        for (j = 0; j < VR_N && i + j * VL < n; j++) {                        \
            u = acc[j];                                                       \
            v = v_loadf(x + i + j * VL, vr_count(n - i, j),                   \
                        v_set1(neutral));                                     \
            acc[j] = (step);                                                  \
        }                                                                     \
                                                                              \
        VR_JOIN(acc, result, join);                                           \
                                                                              \
        return result;                                                        \
    }

VR_REDUCE(sum, 0.0f, v_add(u, v), v_add(u, v))
VR_REDUCE(max, -INFINITY, vm_max(u, v), vm_max(u, v))
VR_REDUCE(min, INFINITY, vm_min(u, v), vm_min(u, v))
VR_REDUCE(sumsq, 0.0f, v_fma(v, v, u), v_add(u, v))
VR_REDUCE(sumabs, 0.0f, v_add(u, vm_abs(v)), v_add(u, v))
VR_REDUCE(prod, 1.0f, v_mul(u, v), v_mul(u, v))


float
MAAS_K(dot)(const float *a, const float *b, int64_t n)
{
    int      j, r;
    V        acc[VR_N];
    float    result;
    int64_t  i;

    for (j = 0; j < VR_N; j++) {
        acc[j] = v_zero();
    }

    for (i = 0; i + MAAS_K_LANES <= n; i += MAAS_K_LANES) {
        for (j = 0; j < VR_N; j++) {
            acc[j] = v_fma(v_load(a + i + j * VL), v_load(b + i + j * VL),
                           acc[j]);
        }
    }

    if (i < n) {
        for (j = 0; j < VR_N; j++) {
            r = vr_count(n - i, j);

            if (r == 0) {
                acc[j] = v_add(acc[j], v_zero());
                continue;
            }

            acc[j] = v_fma(v_loadn(a + i + j * VL, r),
                           v_loadn(b + i + j * VL, r), acc[j]);
        }
    }

    VR_JOIN(acc, result, v_add(u, v));

    return result;
}


/*
 * The greatest of a row for softmax, where a NaN need not win: its own
 * exponential makes the sum NaN.
 */
V_INL float
vr_top(const float *x, int64_t n)
{
    int      j;
    V        acc[VR_N];
    float    result;
    int64_t  i;

    for (j = 0; j < VR_N; j++) {
        acc[j] = v_set1(-INFINITY);
    }

    for (i = 0; i + MAAS_K_LANES <= n; i += MAAS_K_LANES) {
        for (j = 0; j < VR_N; j++) {
            acc[j] = v_max(v_load(x + i + j * VL), acc[j]);
        }
    }

    for (j = 0; j < VR_N && i + j * VL < n; j++) {
        acc[j] = v_max(v_loadf(x + i + j * VL, vr_count(n - i, j),
                               v_set1(-INFINITY)), acc[j]);
    }

    VR_JOIN(acc, result, v_max(u, v));

    return result;
}


/* The sum of exp(x - max); the exponentials go to y unless it is NULL. */
V_INL float
vr_sum_exp(float *y, const float *x, int64_t n, float max)
{
    int      j, r;
    V        e, acc[VR_N], vmax = v_set1(max);
    float    result;
    int64_t  i;

    for (j = 0; j < VR_N; j++) {
        acc[j] = v_zero();
    }

    for (i = 0; i < n; i += MAAS_K_LANES) {
        for (j = 0; j < VR_N; j++) {
            r = vr_count(n - i, j);

            if (r == VL) {
                e = vm_exp(v_sub(v_load(x + i + j * VL), vmax));
                acc[j] = v_add(acc[j], e);

                if (y != NULL) {
                    v_store(y + i + j * VL, e);
                }

            } else if (r != 0) {
                e = vm_exp(v_sub(v_loadn(x + i + j * VL, r), vmax));
                acc[j] = v_add(acc[j], v_sel(vm_first(r), e, v_zero()));

                if (y != NULL) {
                    v_storen(y + i + j * VL, e, r);
                }
            }
        }
    }

    VR_JOIN(acc, result, v_add(u, v));

    return result;
}


/* exp(x - max) times one by its sum. */
V_INL void
vr_softmax(float *y, const float *x, int64_t n, float max)
{
    V        part;
    int64_t  i;

    part = v_set1(1.0f / vr_sum_exp(y, x, n, max));

    for (i = 0; i + VL <= n; i += VL) {
        v_store(y + i, v_mul(v_load(y + i), part));
    }

    if (i < n) {
        v_storen(y + i, v_mul(v_loadn(y + i, (int) (n - i)), part),
                 (int) (n - i));
    }
}


/* A row that fits in a vector, of which r elements exist. */
V_INL void
vr_softmax_short(float *y, V x, int r)
{
    V      e;
    VM     m = vm_first(r);
    float  max, sum;

    VR_JOIN1(v_sel(m, x, v_set1(-INFINITY)), max, v_max(u, v));
    e = v_sel(m, vm_exp(v_sub(x, v_set1(max))), v_zero());
    VR_JOIN1(e, sum, v_add(u, v));
    v_storen(y, v_mul(e, v_set1(1.0f / sum)), r);
}


/* A row of -Inf only gives NaN, as the formula does. */
void
MAAS_K(softmax)(float *y, const float *x, int64_t n)
{
    if (n <= VL) {
        vr_softmax_short(y, v_loadn(x, (int) n), (int) n);
        return;
    }

    vr_softmax(y, x, n, vr_top(x, n));
}


void
MAAS_K(softmax_add)(float *y, const float *x, const float *add, int64_t n,
    float f)
{
    V        t, top = v_set1(-INFINITY), fs = v_set1(f);
    int      r;
    float    max;
    int64_t  i;

    for (i = 0; i < n; i += VL) {
        r = (int) maas_min(n - i, VL);
        t = v_mul(v_loads(x + i, r), fs);
        t = add != NULL ? v_add(t, v_loads(add + i, r)) : t;
        v_stores(y + i, t, r);
        top = v_max(r == VL ? t : v_sel(vm_first(r), t, top), top);
    }

    VR_JOIN1(top, max, v_max(u, v));
    vr_softmax(y, y, n, max);
}


void
MAAS_K(softmax_back)(float *d, const float *p, int64_t n, float f)
{
    V        t, sum = v_set1(MAAS_K(dot)(p, d, n)), fs = v_set1(f);
    int      r;
    int64_t  i;

    for (i = 0; i < n; i += VL) {
        r = (int) maas_min(n - i, VL);
        t = v_sub(v_loads(d + i, r), sum);
        v_stores(d + i, v_mul(v_mul(fs, v_loads(p + i, r)), t), r);
    }
}


void
MAAS_K(log_softmax)(float *y, const float *x, int64_t n)
{
    int      r;
    V        lse, vmax;
    float    max;
    int64_t  i;

    max = vr_top(x, n);
    vmax = v_set1(max);
    lse = vm_log(v_set1(vr_sum_exp(NULL, x, n, max)));

    for (i = 0; i + VL <= n; i += VL) {
        v_store(y + i, v_sub(v_sub(v_load(x + i), vmax), lse));
    }

    if (i < n) {
        r = (int) (n - i);
        v_storen(y + i, v_sub(v_sub(v_loadn(x + i, r), vmax), lse), r);
    }
}


/* The sum of (x - mean)^2. */
V_INL float
vr_sum_var(const float *x, int64_t n, float mean)
{
    int      j, r;
    V        d, acc[VR_N], mu = v_set1(mean);
    float    result;
    int64_t  i;

    for (j = 0; j < VR_N; j++) {
        acc[j] = v_zero();
    }

    for (i = 0; i + MAAS_K_LANES <= n; i += MAAS_K_LANES) {
        for (j = 0; j < VR_N; j++) {
            d = v_sub(v_load(x + i + j * VL), mu);
            acc[j] = v_fma(d, d, acc[j]);
        }
    }

    for (j = 0; j < VR_N && i + j * VL < n; j++) {
        r = vr_count(n - i, j);
        d = v_sub(v_loadn(x + i + j * VL, r), mu);
        d = v_sel(vm_first(r), d, v_zero());
        acc[j] = v_fma(d, d, acc[j]);
    }

    VR_JOIN(acc, result, v_add(u, v));

    return result;
}


/* Two passes: the variance is that of x - mean.  mean, inv_std: or NULL. */
void
MAAS_K(layer_norm)(float *y, const float *x, const float *gamma,
    const float *beta, int64_t n, float eps, float *mean, float *inv_std)
{
    int      r;
    V        d, s, m, b = v_zero();
    float    mu, inv;
    int64_t  i;

    mu = MAAS_K(reduce_sum)(x, n) / (float) n;
    inv = 1.0f / sqrtf(vr_sum_var(x, n, mu) / (float) n + eps);
    m = v_set1(mu);
    s = v_set1(inv);

    for (i = 0; i + VL <= n; i += VL) {
        d = v_mul(v_sub(v_load(x + i), m), s);
        b = beta != NULL ? v_load(beta + i) : b;
        v_store(y + i, v_fma(d, v_load(gamma + i), b));
    }

    if (i < n) {
        r = (int) (n - i);
        d = v_mul(v_sub(v_loadn(x + i, r), m), s);
        b = beta != NULL ? v_loadn(beta + i, r) : b;
        v_storen(y + i, v_fma(d, v_loadn(gamma + i, r), b), r);
    }

    if (mean != NULL) {
        *mean = mu;
    }

    if (inv_std != NULL) {
        *inv_std = inv;
    }
}
