/*
 * vmap: element-wise kernels over the words of vec_*.h, vmath.h and vtrig.h; a
 * template (MAAS_ISA).  A tail goes through the same vector code with a
 * masked load and store.  Edge cases are those of ref/map_body.h.
 */


V_INL V
vm_clamp(V x, V lo, V hi)
{
    return v_min(hi, v_max(lo, x));
}


/* v / a, NaN as lo, rounded half to even without a -0, times a. */
V_INL V
vm_qdq(V v, V a, V lo, V hi)
{
    const V  round = v_set1(12582912.0f);

    v = v_min(v_max(v_div(v, a), lo), hi);

    return v_mul(v_sub(v_add(v, round), round), a);
}


#define VMAP_UNARY(op, expr)                                                  \
    void                                                                      \
    MAAS_K(op)(float *y, const float *x, int64_t n, float a, float b)         \
    {                                                                         \
        V        v, va = v_set1(a), vb = v_set1(b);                           \
        int64_t  i;                                                           \
                                                                              \
        (void) va;                                                            \
        (void) vb;                                                            \
                                                                              \
        for (i = 0; i + VL <= n; i += VL) {                                   \
            v = v_load(x + i);                                                \
            v_store(y + i, (expr));                                           \
        }                                                                     \
                                                                              \
        if (i < n) {                                                          \
            v = v_loadn(x + i, (int) (n - i));                                \
            v_storen(y + i, (expr), (int) (n - i));                           \
        }                                                                     \
    }

VMAP_UNARY(exp, vm_exp(v))
VMAP_UNARY(log, vm_log(v))
VMAP_UNARY(tanh, vm_tanh(v))
VMAP_UNARY(sigmoid, vm_sigmoid(v))
VMAP_UNARY(erf, vm_erf(v))
VMAP_UNARY(sqrt, v_sqrt(v))
VMAP_UNARY(recip, v_div(v_set1(1.0f), v))
VMAP_UNARY(abs, vm_abs(v))
VMAP_UNARY(neg, v_xor(v, v_set1(-0.0f)))
VMAP_UNARY(floor, v_floor(v))
VMAP_UNARY(ceil, v_ceil(v))
VMAP_UNARY(round, v_rint(v))
VMAP_UNARY(relu, v_max(v_zero(), v))
VMAP_UNARY(clip, vm_clamp(v, va, vb))
VMAP_UNARY(leaky, v_sel(v_lt(v, v_zero()), v_mul(va, v), v))
VMAP_UNARY(elu, v_sel(v_lt(v, v_zero()), v_mul(va, vm_expm1(v)), v))
VMAP_UNARY(hsigmoid, vm_clamp(v_fma(v, va, vb), v_zero(), v_set1(1.0f)))
VMAP_UNARY(hswish, v_mul(v, vm_clamp(v_fma(v, v_set1(1.0f / 6), v_set1(0.5f)),
                                     v_zero(), v_set1(1.0f))))
VMAP_UNARY(silu, v_mul(v, vm_sigmoid(v)))
VMAP_UNARY(gelu, vm_gelu(v))
VMAP_UNARY(softplus, vm_softplus(v))
VMAP_UNARY(affine, v_fma(v, va, vb))
VMAP_UNARY(swish, vm_swish(v, va, vb))
VMAP_UNARY(mish, vm_mish(v))
VMAP_UNARY(sin, vm_sin(v))
VMAP_UNARY(cos, vm_cos(v))
VMAP_UNARY(tan, vm_tan(v))
VMAP_UNARY(asin, vm_asin(v))
VMAP_UNARY(acos, vm_acos(v))
VMAP_UNARY(atan, vm_atan(v))
VMAP_UNARY(sinh, vm_sinh(v))
VMAP_UNARY(cosh, vm_cosh(v))
VMAP_UNARY(asinh, vm_asinh(v))
VMAP_UNARY(acosh, vm_acosh(v))
VMAP_UNARY(atanh, vm_atanh(v))
VMAP_UNARY(qdq_u8, vm_qdq(v, va, v_sub(v_zero(), vb),
                          v_sub(v_set1(255.0f), vb)))
VMAP_UNARY(qdq_i8, vm_qdq(v, va, v_sub(v_set1(-128.0f), vb),
                          v_sub(v_set1(127.0f), vb)))


#define VMAP_BINARY(op, expr)                                                 \
    void                                                                      \
    MAAS_K(op)(float *y, const float *a, int sa, const float *b, int sb,      \
        int64_t n)                                                            \
    {                                                                         \
        int      r;                                                           \
        V        u, v;                                                        \
        int64_t  i;                                                           \
                                                                              \
        if (n <= 0) {                                                         \
            return;                                                           \
        }                                                                     \
                                                                              \
        u = v_set1(*a);                                                       \
        v = v_set1(*b);                                                       \
                                                                              \
        for (i = 0; i + VL <= n; i += VL) {                                   \
            u = sa ? v_load(a + i) : u;                                       \
            v = sb ? v_load(b + i) : v;                                       \
            v_store(y + i, (expr));                                           \
        }                                                                     \
                                                                              \
        if (i < n) {                                                          \
            r = (int) (n - i);                                                \
            u = sa ? v_loadn(a + i, r) : u;                                   \
            v = sb ? v_loadn(b + i, r) : v;                                   \
            v_storen(y + i, (expr), r);                                       \
        }                                                                     \
    }

VMAP_BINARY(badd, v_add(u, v))
VMAP_BINARY(bsub, v_sub(u, v))
VMAP_BINARY(bmul, v_mul(u, v))
VMAP_BINARY(bdiv, v_div(u, v))
VMAP_BINARY(bmin, vm_min(u, v))
VMAP_BINARY(bmax, vm_max(u, v))


/* powf() is the C library's at every level. */
void
MAAS_K(bpow)(float *y, const float *a, int sa, const float *b, int sb,
    int64_t n)
{
    maas_k_f32_bpow_ref(y, a, sa, b, sb, n);
}


/* Columns in registers while the rows pass. */
#define VMAP_FOLD(op, expr)                                                   \
    void                                                                      \
    MAAS_K(fold_##op)(float *y, const float *x, int64_t ld, int64_t rows,     \
        int64_t n)                                                            \
    {                                                                         \
        int      j, m;                                                        \
        V        u, v, acc[4];                                                \
        int64_t  i, r;                                                        \
                                                                              \
        for (i = 0; i + 4 * VL <= n; i += 4 * VL) {                           \
            for (j = 0; j < 4; j++) {                                         \
                acc[j] = v_load(y + i + j * VL);                              \
            }                                                                 \
                                                                              \
            for (r = 0; r < rows; r++) {                                      \
                for (j = 0; j < 4; j++) {                                     \
                    u = acc[j];                                               \
                    v = v_load(x + r * ld + i + j * VL);                      \
                    acc[j] = (expr);                                          \
                }                                                             \
            }                                                                 \
                                                                              \
            for (j = 0; j < 4; j++) {                                         \
                v_store(y + i + j * VL, acc[j]);                              \
            }                                                                 \
        }                                                                     \
                                                                              \
        for ( /* void */ ; i < n; i += VL) {                                  \
            m = (int) maas_min(n - i, VL);                                    \
            u = v_loads(y + i, m);                                            \
                                                                              \
            for (r = 0; r < rows; r++) {                                      \
                v = v_loads(x + r * ld + i, m);                               \
                u = (expr);                                                   \
            }                                                                 \
                                                                              \
            v_stores(y + i, u, m);                                            \
        }                                                                     \
    }

VMAP_FOLD(sum, v_add(u, v))
VMAP_FOLD(max, vm_max(u, v))
VMAP_FOLD(min, vm_min(u, v))
VMAP_FOLD(sumsq, v_fma(v, v, u))
VMAP_FOLD(sumabs, v_add(u, vm_abs(v)))
VMAP_FOLD(prod, v_mul(u, v))


void
MAAS_K(axpy)(float *y, float a, const float *x, int64_t n)
{
    int      r;
    V        va = v_set1(a);
    int64_t  i;

    for (i = 0; i + VL <= n; i += VL) {
        v_store(y + i, v_fma(va, v_load(x + i), v_load(y + i)));
    }

    if (i < n) {
        r = (int) (n - i);
        v_storen(y + i, v_fma(va, v_loadn(x + i, r), v_loadn(y + i, r)), r);
    }
}


void
MAAS_K(from_f16)(float *y, const uint16_t *x, int64_t n)
{
    int64_t   i;
    uint16_t  buf[VL] = { 0 };

    for (i = 0; i + VL <= n; i += VL) {
        v_store(y + i, v_from_half(x + i));
    }

    if (i < n) {
        memcpy(buf, x + i, (size_t) (n - i) * sizeof(uint16_t));
        v_storen(y + i, v_from_half(buf), (int) (n - i));
    }
}


void
MAAS_K(to_f16)(uint16_t *y, const float *x, int64_t n)
{
    int64_t   i;
    uint16_t  buf[VL];

    for (i = 0; i + VL <= n; i += VL) {
        v_to_half(y + i, v_load(x + i));
    }

    if (i < n) {
        v_to_half(buf, v_loadn(x + i, (int) (n - i)));
        memcpy(y + i, buf, (size_t) (n - i) * sizeof(uint16_t));
    }
}
