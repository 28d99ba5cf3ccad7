/*
 * vmath: exp, log, tanh, sigmoid, erf and what follows from them, over the
 * words of vec_*.h (included before).  Each lane is computed alone and the
 * same way, so that a value does not depend on its place in a vector; AVX2
 * and AVX-512 give the same bits.
 *
 * The polynomials are minimax fits (Remez exchange) made for this file; the
 * error of each fit is beside it.  Errors of the functions, in units of the
 * last place over all floats, measured against double precision: exp 1,
 * log 1, tanh 3, sigmoid 3, expm1 1, erf 3.2 (9e-8 absolute), softplus 2;
 * gelu 1.5e-7 max(1, |x|), since 1 + erf cancels.
 */


/* The sign of s on |v|, for v >= 0. */
V_INL V
vm_sign(V v, V s)
{
    return v_or(v, v_and(s, v_set1(-0.0f)));
}


V_INL V
vm_abs(V x)
{
    return v_andnot(v_set1(-0.0f), x);
}


/*
 * x = n ln 2 + r; returns exp(r) - 1 and n; NaN passes through r.
 * exp(r) - 1 = r + r^2 q(r), |r| <= ln(2) / 2: 1.4e-8 relative.
 */
V_INL V
vm_exp_reduced(V x, V *n)
{
    V  r, q;

    *n = v_rint(v_mul(x, v_set1(1.44269504f)));

    r = v_fnma(*n, v_set1(0.693359375f), x);
    r = v_fnma(*n, v_set1(-2.12194440e-4f), r);

    q = v_set1(0.00138825108f);
    q = v_fma(q, r, v_set1(0.00836658012f));
    q = v_fma(q, r, v_set1(0.0416672006f));
    q = v_fma(q, r, v_set1(0.166665435f));
    q = v_fma(q, r, v_set1(0.5f));

    return v_fma(v_mul(r, r), q, r);
}


/* x is clamped to where the result is 0 or Inf. */
V_INL V
vm_exp_parts(V x, V *n)
{
    x = v_min(v_set1(89.0f), x);
    x = v_max(v_set1(-104.0f), x);

    return vm_exp_reduced(x, n);
}


V_INL V
vm_exp(V x)
{
    V  n, p;

    p = vm_exp_parts(x, &n);

    return v_scale2(v_add(p, v_set1(1.0f)), n);
}


/* exp(x) - 1 for x <= 0, without cancellation: 2^n p + (2^n - 1). */
V_INL V
vm_expm1(V x)
{
    V  n, p, s;

    p = vm_exp_parts(x, &n);
    s = v_scale2(v_set1(1.0f), n);

    return v_fma(s, p, v_sub(s, v_set1(1.0f)));
}


/*
 * x = 2^e m, m within [sqrt(1/2), sqrt(2)), f = m - 1;
 * log(m) = f - f^2 / 2 + f^3 p(f): 5.9e-9 relative.
 */
V_INL V
vm_log(V x)
{
    V   e, f, z, p, y;
    VI  i, k;
    VM  tiny;

    /* subnormal numbers: times 2^23 */
    tiny = v_lt(x, v_set1(1.17549435e-38f));
    y = v_sel(tiny, v_mul(x, v_set1(8388608.0f)), x);

    i = v_bits(y);
    k = vi_sra(vi_sub(i, vi_set1(0x3f3504f3)), 23);
    f = v_sub(vi_float(vi_sub(i, vi_sll(k, 23))), v_set1(1.0f));
    e = v_sub(vi_tofloat(k), v_sel(tiny, v_set1(23.0f), v_zero()));
    z = v_mul(f, f);

    p = v_set1(-0.0785954967f);
    p = v_fma(p, f, v_set1(0.128816083f));
    p = v_fma(p, f, v_set1(-0.131287634f));
    p = v_fma(p, f, v_set1(0.141811997f));
    p = v_fma(p, f, v_set1(-0.166245535f));
    p = v_fma(p, f, v_set1(0.200022861f));
    p = v_fma(p, f, v_set1(-0.250008106f));
    p = v_fma(p, f, v_set1(0.333333164f));

    p = v_mul(v_mul(p, f), z);
    p = v_fma(e, v_set1(-2.12194440e-4f), p);
    p = v_fnma(v_set1(0.5f), z, p);
    p = v_fma(e, v_set1(0.693359375f), v_add(f, p));

    /* 0: -Inf; negative: NaN; Inf and NaN stay */
    p = v_sel(v_eq(x, v_zero()), v_set1(-INFINITY), p);
    p = v_sel(v_lt(x, v_zero()), v_set1(NAN), p);
    p = v_sel(v_eq(x, v_set1(INFINITY)), x, p);

    return v_sel(v_nan(x), x, p);
}


/* tanh |x| = -t / (t + 2), t = exp(-2 |x|) - 1: accurate near 0, too. */
V_INL V
vm_tanh(V x)
{
    V  t, y;

    t = vm_expm1(v_mul(vm_abs(x), v_set1(-2.0f)));
    y = v_div(t, v_add(t, v_set1(2.0f)));

    return vm_sign(vm_abs(y), x);
}


/* Both branches divide by 1 + exp(-|x|), which cannot overflow. */
V_INL V
vm_sigmoid(V x)
{
    V  e, one = v_set1(1.0f);

    e = vm_exp(v_or(x, v_set1(-0.0f)));

    return v_div(v_sel(v_lt(x, v_zero()), e, one), v_add(one, e));
}


/*
 * erf |x| = 1 - exp(-|x| g(|x|)), g(x) = -log(erfc x) / x on [0, 4]:
 * 4.1e-9 relative to erf.  From 4 on, erf is 1 in float32.
 */
V_INL V
vm_erf(V x)
{
    V  a, g;

    a = v_min(v_set1(4.0f), vm_abs(x));

    g = v_set1(-9.25466429e-06f);
    g = v_fma(g, a, v_set1(0.000117627751f));
    g = v_fma(g, a, v_set1(-0.000632792886f));
    g = v_fma(g, a, v_set1(0.00166695821f));
    g = v_fma(g, a, v_set1(-0.000160342359f));
    g = v_fma(g, a, v_set1(-0.0191530809f));
    g = v_fma(g, a, v_set1(0.102777831f));
    g = v_fma(g, a, v_set1(0.636619389f));
    g = v_fma(g, a, v_set1(1.12837923f));

    g = vm_expm1(v_xor(v_mul(a, g), v_set1(-0.0f)));

    return vm_sign(vm_abs(g), x);
}


V_INL V
vm_gelu(V x)
{
    V  t;

    t = v_add(v_set1(1.0f), vm_erf(v_mul(x, v_set1(0.70710678f))));

    return v_mul(v_mul(v_set1(0.5f), x), t);
}


/* max(x, 0) + log(1 + t), t = exp(-|x|); u = 1 + t loses t - (u - 1). */
V_INL V
vm_softplus(V x)
{
    V  t, u, l, one = v_set1(1.0f);

    t = vm_exp(v_or(x, v_set1(-0.0f)));
    u = v_add(one, t);
    l = v_add(vm_log(u), v_div(v_sub(t, v_sub(u, one)), u));

    return v_add(v_max(v_zero(), x), l);
}


/* x * sigmoid(a * x + b * x^3); see ref/map_body.h for the limits. */
V_INL V
vm_swish(V x, V a, V b)
{
    V  c;

    c = v_min(v_set1(1e9f), v_max(v_set1(-1e9f), x));
    c = v_mul(c, v_fma(v_mul(c, b), c, a));

    return v_mul(x, vm_sigmoid(c));
}


V_INL V
vm_mish(V x)
{
    V  e, two = v_set1(2.0f);

    e = vm_exp(v_min(v_set1(20.0f), x));
    e = v_mul(e, v_add(e, two));

    return v_mul(x, v_div(e, v_add(e, two)));
}


/* NaN when either is NaN, the second when they are equal. */
V_INL V
vm_max(V a, V b)
{
    return v_sel(v_nan(a), a, v_max(a, b));
}


V_INL V
vm_min(V a, V b)
{
    return v_sel(v_nan(a), a, v_min(a, b));
}
