/*
 * vtrig: trigonometric and hyperbolic functions and their inverses over the
 * words of vec_*.h and vmath.h (included before).  Each lane is computed
 * alone and the same way; AVX2 and AVX-512 give the same bits.
 *
 * The polynomials are minimax fits (Remez exchange) made for this file, with
 * the relative error of each fit beside it.  Errors of the functions, in units
 * of the last place, measured against double precision over every 16411th
 * float: sin and cos 1.5, tan 2.3, asin 2.2, acos 1.1, atan 1.3, sinh and cosh
 * 1.5, asinh 1.9, acosh 1.6, atanh 2.2.
 */

#define VT_FAR  1e5f


/* Lanes beyond VT_FAR are the C library's at every level. */
static __attribute__((noinline)) void
vt_far(float *y, const float *x, float (*f)(float v))
{
    for (int i = 0; i < VL; i++) {
        if (fabsf(x[i]) > VT_FAR) {
            y[i] = f(x[i]);
        }
    }
}


V_INL V
vt_mend(V y, V x, float (*f)(float v))
{
    float  in[VL], out[VL];

    if (!vm_any(v_lt(v_set1(VT_FAR), vm_abs(x)))) {
        return y;
    }

    v_store(in, x);
    v_store(out, y);
    vt_far(out, in, f);

    return v_load(out);
}


/*
 * |x| = n pi / 2 + r, for |x| <= VT_FAR; pi / 2 in three parts, of which the
 * first difference is exact.
 */
V_INL V
vt_reduce(V x, VI *n)
{
    V  a = vm_abs(x), q, r;

    q = v_rint(v_mul(a, v_set1(0.63661977f)));
    r = v_fnma(q, v_set1(1.57079637f), a);
    r = v_fma(q, v_set1(4.37113883e-8f), r);
    r = v_fma(q, v_set1(1.71512451e-15f), r);
    *n = v_toint(q);

    return r;
}


/*
 * sin(|x| + quarter * pi / 2), by |r| <= pi / 4 and a little:
 * sin r = r + r^3 s(r^2): 4.1e-9, cos r = 1 - r^2 / 2 + r^4 c(r^2): 1.3e-10.
 */
V_INL V
vt_sine(V x, int quarter)
{
    V   r, z, s, c, y;
    VI  n;

    r = vt_reduce(x, &n);
    n = vi_add(n, vi_set1(quarter));
    z = v_mul(r, r);

    s = v_set1(-0.000195087414f);
    s = v_fma(s, z, v_set1(0.0083321128f));
    s = v_fma(s, z, v_set1(-0.166666538f));
    s = v_fma(v_mul(r, z), s, r);

    c = v_set1(2.44256807e-5f);
    c = v_fma(c, z, v_set1(-0.00138872513f));
    c = v_fma(c, z, v_set1(0.0416666456f));
    c = v_fma(v_mul(z, z), c, v_fnma(v_set1(0.5f), z, v_set1(1.0f)));

    y = v_sel(vi_gt(vi_set1(0), vi_sll(n, 31)), c, s);

    return v_xor(y, vi_float(vi_sll(vi_sra(n, 1), 31)));
}


V_INL V
vm_sin(V x)
{
    return vt_mend(v_xor(vt_sine(x, 0), v_and(x, v_set1(-0.0f))), x, sinf);
}


V_INL V
vm_cos(V x)
{
    return vt_mend(vt_sine(x, 1), x, cosf);
}


/* tan r = r + r^3 t(r^2): 1.5e-9; where n is odd, -1 / tan r. */
V_INL V
vm_tan(V x)
{
    V   r, z, t, y;
    VI  n;

    r = vt_reduce(x, &n);
    z = v_mul(r, r);

    t = v_set1(0.0044861096f);
    t = v_fma(t, z, v_set1(-0.000129232561f));
    t = v_fma(t, z, v_set1(0.0110050822f));
    t = v_fma(t, z, v_set1(0.021218257f));
    t = v_fma(t, z, v_set1(0.0540720113f));
    t = v_fma(t, z, v_set1(0.133325592f));
    t = v_fma(t, z, v_set1(0.333333522f));
    t = v_fma(v_mul(r, z), t, r);

    y = v_sel(vi_gt(vi_set1(0), vi_sll(n, 31)), v_div(v_set1(-1.0f), t), t);

    return vt_mend(v_xor(y, v_and(x, v_set1(-0.0f))), x, tanf);
}


/*
 * asin s = s + s^3 p(s^2) for s <= 1/2: 4.9e-9.  Above, by the half angle:
 * asin a = pi / 2 - 2 asin(sqrt((1 - a) / 2)).  *big: lanes of the latter,
 * of which the result is asin(sqrt(...)).
 */
V_INL V
vt_asin(V a, VM *big)
{
    V  z, s, p, half = v_set1(0.5f);

    *big = v_lt(half, a);
    z = v_sel(*big, v_fnma(half, a, half), v_mul(a, a));
    s = v_sel(*big, v_sqrt(z), a);

    p = v_set1(0.0421782471f);
    p = v_fma(p, z, v_set1(0.0241729468f));
    p = v_fma(p, z, v_set1(0.0454716049f));
    p = v_fma(p, z, v_set1(0.0749528855f));
    p = v_fma(p, z, v_set1(0.166667521f));

    return v_fma(v_mul(s, z), p, s);
}


/* pi / 2 = 1.57079637 - 4.37113883e-8 */
V_INL V
vm_asin(V x)
{
    V   s, y;
    VM  big;

    s = vt_asin(vm_abs(x), &big);
    y = v_fnma(v_set1(2.0f), s, v_set1(-4.37113883e-8f));
    y = v_sel(big, v_add(v_set1(1.57079637f), y), s);

    return v_xor(y, v_and(x, v_set1(-0.0f)));
}


/* pi / 2 - asin x; near 1 twice the half angle, near -1 pi less that. */
V_INL V
vm_acos(V x)
{
    V   s, t, y;
    VM  big, minus = v_lt(x, v_zero());

    s = vt_asin(vm_abs(x), &big);
    t = v_add(s, s);
    t = v_sel(minus, v_sub(v_set1(3.14159274f),
                           v_add(t, v_set1(8.74227766e-8f))), t);
    y = v_sel(minus, s, v_xor(s, v_set1(-0.0f)));
    y = v_add(v_set1(1.57079637f), v_add(y, v_set1(-4.37113883e-8f)));

    return v_sel(big, t, y);
}


/* atan r = r + r^3 p(r^2) up to 1: 2.6e-9; above, pi / 2 - atan(1 / r). */
V_INL V
vm_atan(V x)
{
    V   a = vm_abs(x), r, z, p;
    VM  big = v_lt(v_set1(1.0f), a);

    r = v_sel(big, v_div(v_set1(1.0f), a), a);
    z = v_mul(r, r);

    p = v_set1(-0.00179361703f);
    p = v_fma(p, z, v_set1(0.0109145921f));
    p = v_fma(p, z, v_set1(-0.0311778393f));
    p = v_fma(p, z, v_set1(0.0579576083f));
    p = v_fma(p, z, v_set1(-0.0840345249f));
    p = v_fma(p, z, v_set1(0.109521873f));
    p = v_fma(p, z, v_set1(-0.142642424f));
    p = v_fma(p, z, v_set1(0.199985489f));
    p = v_fma(p, z, v_set1(-0.333332986f));
    p = v_fma(v_mul(r, z), p, r);

    z = v_sub(v_set1(1.57079637f), v_add(p, v_set1(4.37113883e-8f)));

    return v_xor(v_sel(big, z, p), v_and(x, v_set1(-0.0f)));
}


/* exp(a) / 2, which is finite a little further than exp(a) is. */
V_INL V
vt_half_exp(V a)
{
    V  n, p;

    p = vm_exp_reduced(v_min(v_set1(90.0f), a), &n);

    return v_scale2(v_add(p, v_set1(1.0f)), v_sub(n, v_set1(1.0f)));
}


/* sinh a = a + a^3 p(a^2) below 1: 5.2e-11 */
V_INL V
vm_sinh(V x)
{
    V  a = vm_abs(x), z, p, e;

    z = v_mul(a, a);
    p = v_set1(2.81695134e-6f);
    p = v_fma(p, z, v_set1(0.000198361595f));
    p = v_fma(p, z, v_set1(0.0083333496f));
    p = v_fma(p, z, v_set1(0.166666672f));
    p = v_fma(v_mul(a, z), p, a);

    e = vt_half_exp(a);
    e = v_sub(e, v_div(v_set1(0.25f), e));
    p = v_sel(v_lt(a, v_set1(1.0f)), p, e);

    return v_xor(p, v_and(x, v_set1(-0.0f)));
}


V_INL V
vm_cosh(V x)
{
    V  e = vt_half_exp(vm_abs(x));

    return v_add(e, v_div(v_set1(0.25f), e));
}


/* log(1 + t); u = 1 + t loses t - (u - 1). */
V_INL V
vt_log1p(V t)
{
    V  u, l, one = v_set1(1.0f);

    u = v_add(one, t);
    l = vm_log(u);
    t = v_add(l, v_div(v_sub(t, v_sub(u, one)), u));

    return v_sel(v_eq(u, v_set1(INFINITY)), u, t);
}


/* Beyond 2^30, where 1 is nothing beside a^2: log(2 a). */
V_INL V
vt_log_twice(V a)
{
    return v_add(vm_log(a), v_set1(0.693147182f));
}


/* log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))) */
V_INL V
vm_asinh(V x)
{
    V  a = vm_abs(x), z, y, one = v_set1(1.0f);

    z = v_mul(a, a);
    y = v_add(one, v_sqrt(v_add(z, one)));
    y = vt_log1p(v_add(a, v_div(z, y)));
    y = v_sel(v_lt(v_set1(1073741824.0f), a), vt_log_twice(a), y);

    return v_xor(vm_abs(y), v_and(x, v_set1(-0.0f)));
}


/* log1p(t + sqrt(2 t + t^2)), t = x - 1; NaN below 1. */
V_INL V
vm_acosh(V x)
{
    V  t, y;

    t = v_sub(x, v_set1(1.0f));
    y = vt_log1p(v_add(t, v_sqrt(v_fma(t, t, v_add(t, t)))));
    y = v_sel(v_lt(v_set1(1073741824.0f), x), vt_log_twice(x), y);

    return v_sel(v_lt(x, v_set1(1.0f)), v_set1(NAN), y);
}


/* log1p(2 a / (1 - a)) / 2 */
V_INL V
vm_atanh(V x)
{
    V  a = vm_abs(x), y;

    y = v_div(v_add(a, a), v_sub(v_set1(1.0f), a));
    y = v_mul(v_set1(0.5f), vt_log1p(y));

    return v_xor(y, v_and(x, v_set1(-0.0f)));
}
