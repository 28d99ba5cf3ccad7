/*
 * vback: gradients of the functions of one input, of layer normalisation and
 * of a row of LSTM, over the words of vec_*.h and vmath.h; a template
 * (MAAS_ISA), included behind vrow.h.  The formulas and edge cases are those
 * of ref/back_body.h.
 */


#define VB_TILE  4              /* vectors of columns that are summed at once */


V_INL V
vb_gelu(V d, V v)
{
    V  s, t;

    s = vm_erf(v_mul(v, v_set1(0.70710678f)));
    t = vm_exp(v_mul(v_mul(v, v), v_set1(-0.5f)));
    s = v_mul(v_add(v_set1(1.0f), s), v_set1(0.5f));
    t = v_mul(v_mul(v, t), v_set1(0.398942280f));

    return v_mul(d, v_add(s, t));
}


V_INL V
vb_gelu_tanh(V d, V v)
{
    V  q, t, u, c = v_set1(0.797884561f), one = v_set1(1.0f);
    V  half = v_set1(0.5f);

    v = vm_clamp(v, v_set1(-1e6f), v_set1(1e6f));
    q = v_mul(v_mul(v, v), v_set1(0.044715f));
    t = vm_tanh(v_mul(c, v_add(v, v_mul(q, v))));
    u = v_mul(v_mul(v_mul(v, half), v_sub(one, v_mul(t, t))), c);
    u = v_mul(u, v_add(one, v_mul(v_set1(3.0f), q)));

    return v_mul(d, v_add(v_mul(v_add(one, t), half), u));
}


V_INL V
vb_hsigmoid(V d, V v, V a, V b)
{
    V  t = v_add(v_mul(a, v), b);

    return v_sel(vm_and(v_lt(v_zero(), t), v_lt(t, v_set1(1.0f))),
                 v_mul(a, d), v_zero());
}


/* From 3 on is beyond the float before it. */
V_INL V
vb_hswish(V d, V v)
{
    V  t = v_mul(d, v_add(v_mul(v, v_set1(1 / 3.0f)), v_set1(0.5f)));

    t = v_sel(v_lt(v_set1(0x1.7ffffep+1f), v), d, t);

    return v_sel(v_lt(v, v_set1(-0x1.7ffffep+1f)), v_zero(), t);
}


V_INL V
vb_swish(V d, V v, V a)
{
    V  t = v_mul(a, v), s = vm_sigmoid(t), one = v_set1(1.0f);

    return v_mul(v_mul(d, s), v_add(one, v_mul(t, v_sub(one, s))));
}


V_INL V
vb_mish(V d, V v)
{
    V  e, w, s = vm_sigmoid(v), two = v_set1(2.0f);

    e = vm_exp(v_min(v_set1(20.0f), v));
    e = v_mul(e, v_add(e, two));
    w = v_div(e, v_add(e, two));
    s = v_mul(v_mul(v, s), v_sub(v_set1(1.0f), v_mul(w, w)));

    return v_mul(d, v_add(w, s));
}


/* Not of positive v: exp(v) is not used there, and must not be Inf. */
V_INL V
vb_elu(V d, V v, V a)
{
    V  e = vm_exp(v_min(v_zero(), v));

    return v_sel(v_lt(v_zero(), v), d, v_mul(v_mul(d, a), e));
}


#define VB_MAP(op, expr)                                                      \
    void                                                                      \
    MAAS_K(back_##op)(float *dx, const float *dy, const float *pv,            \
        int64_t n, float a, float b)                                          \
    {                                                                         \
        int      r;                                                           \
        V        d, v, va = v_set1(a), vb = v_set1(b);                        \
        int64_t  i;                                                           \
                                                                              \
        (void) va;                                                            \
        (void) vb;                                                            \
                                                                              \
        for (i = 0; i + VL <= n; i += VL) {                                   \
            d = v_load(dy + i);                                               \
            v = v_load(pv + i);                                               \
            v_store(dx + i, (expr));                                          \
        }                                                                     \
                                                                              \
        if (i < n) {                                                          \
            r = (int) (n - i);                                                \
            d = v_loadn(dy + i, r);                                           \
            v = v_loadn(pv + i, r);                                           \
            v_storen(dx + i, (expr), r);                                      \
        }                                                                     \
    }

VB_MAP(relu, v_sel(v_lt(v_zero(), v), d, v_zero()))
VB_MAP(leaky, v_sel(v_lt(v_zero(), v), d, v_mul(va, d)))
VB_MAP(elu, vb_elu(d, v, va))
VB_MAP(sigmoid, v_mul(v_mul(d, v), v_sub(v_set1(1.0f), v)))
VB_MAP(tanh, v_mul(d, v_sub(v_set1(1.0f), v_mul(v, v))))
VB_MAP(hsigmoid, vb_hsigmoid(d, v, va, vb))
VB_MAP(hswish, vb_hswish(d, v))
VB_MAP(softplus, v_mul(d, vm_sigmoid(v)))
VB_MAP(gelu, vb_gelu(d, v))
VB_MAP(gelu_tanh, vb_gelu_tanh(d, v))
VB_MAP(swish, vb_swish(d, v, va))
VB_MAP(mish, vb_mish(d, v))


/* Sums over a row of g = dy gamma, and of g (x - mean) / std. */
V_INL void
vb_norm_sums(const float *dy, const float *x, const float *gamma, int64_t n,
    V mu, V inv, float *sg, float *sh)
{
    int      j, r;
    V        g, h, ag[VR_N], ah[VR_N];
    int64_t  i;

    for (j = 0; j < VR_N; j++) {
        ag[j] = v_zero();
        ah[j] = v_zero();
    }

    for (i = 0; i + MAAS_K_LANES <= n; i += MAAS_K_LANES) {
        for (j = 0; j < VR_N; j++) {
            g = v_mul(v_load(dy + i + j * VL), v_load(gamma + i + j * VL));
            h = v_mul(v_sub(v_load(x + i + j * VL), mu), inv);
            ag[j] = v_add(ag[j], g);
            ah[j] = v_fma(g, h, ah[j]);
        }
    }

    for (j = 0; j < VR_N && i + j * VL < n; j++) {
        r = vr_count(n - i, j);
        g = v_mul(v_loadn(dy + i + j * VL, r), v_loadn(gamma + i + j * VL, r));
        h = v_mul(v_sub(v_loadn(x + i + j * VL, r), mu), inv);
        ag[j] = v_add(ag[j], g);
        ah[j] = v_fma(g, v_sel(vm_first(r), h, v_zero()), ah[j]);
    }

    VR_JOIN(ag, *sg, v_add(u, v));
    VR_JOIN(ah, *sh, v_add(u, v));
}


/* Rows that are in hand together: no row waits for the sums of another. */
#define VB_ROWS  8

/* One row, from its statistics and the means of g and g h. */
V_INL void
vb_norm_row(float *dx, const float *dy, const float *x, const float *gamma,
    int64_t n, const float *stats, float sg, float sh)
{
    int      r;
    V        g, h, mu, inv, vg, vh;
    int64_t  i;

    mu = v_set1(stats[0]);
    inv = v_set1(stats[1]);
    vg = v_set1(sg);
    vh = v_set1(sh);

    for (i = 0; i < n; i += VL) {
        r = (int) maas_min(n - i, VL);
        g = v_mul(v_loads(dy + i, r), v_loads(gamma + i, r));
        h = v_mul(v_sub(v_loads(x + i, r), mu), inv);
        v_stores(dx + i, v_mul(v_fnma(h, vh, v_sub(g, vg)), inv), r);
    }
}


static void
vb_norm_rows(float *dx, const float *dy, const float *x, const float *gamma,
    int rows, int64_t n, float eps, float *stats)
{
    int    r;
    float  sg[VB_ROWS], sh[VB_ROWS];

    for (r = 0; r < rows; r++) {
        stats[2 * r] = MAAS_K(reduce_sum)(x + r * n, n) / (float) n;
    }

    for (r = 0; r < rows; r++) {
        sg[r] = vr_sum_var(x + r * n, n, stats[2 * r]) / (float) n + eps;
    }

    for (r = 0; r < rows; r++) {
        stats[2 * r + 1] = 1.0f / sqrtf(sg[r]);
    }

    for (r = 0; r < rows; r++) {
        vb_norm_sums(dy + r * n, x + r * n, gamma, n, v_set1(stats[2 * r]),
                     v_set1(stats[2 * r + 1]), &sg[r], &sh[r]);
    }

    for (r = 0; r < rows; r++) {
        vb_norm_row(dx + r * n, dy + r * n, x + r * n, gamma, n,
                    stats + 2 * r, sg[r] / (float) n, sh[r] / (float) n);
    }
}


void
MAAS_K(layer_norm_back)(float *dx, const float *dy, const float *x,
    const float *gamma, int64_t rows, int64_t n, float eps, float *stats)
{
    int      some;
    int64_t  r;

    /* Long rows are read again from the first cache: few at a time. */
    for (r = 0; r < rows; r += some) {
        some = (int) maas_min(rows - r, n <= 512 ? VB_ROWS : 1);
        vb_norm_rows(dx + r * n, dy + r * n, x + r * n, gamma, some, n, eps,
                     stats + 2 * r);
    }
}


/* So many vectors of columns, of which n lanes are there. */
V_INL void
vb_columns(float *dgamma, float *dbeta, const float *dy, const float *x,
    int64_t ld, const float *stats, int64_t rows, int64_t n, const int count)
{
    V  d, h, mu, inv, sg[VB_TILE], sb[VB_TILE];

    for (int j = 0; j < count; j++) {
        sg[j] = v_zero();
        sb[j] = v_zero();
    }

    for (int64_t r = 0; r < rows; r++, dy += ld, x += ld) {
        mu = v_set1(stats[2 * r]);
        inv = v_set1(stats[2 * r + 1]);

        for (int j = 0; j < count; j++) {
            d = v_loads(dy + j * VL, n - j * VL);
            h = v_mul(v_sub(v_loads(x + j * VL, n - j * VL), mu), inv);
            sg[j] = v_fma(d, h, sg[j]);
            sb[j] = v_add(sb[j], d);
        }
    }

    for (int j = 0; j < count; j++) {
        v_stores(dgamma + j * VL, sg[j], n - j * VL);
        v_stores(dbeta + j * VL, sb[j], n - j * VL);
    }
}


void
MAAS_K(layer_norm_sums)(float *dgamma, float *dbeta, const float *dy,
    const float *x, int64_t ld, const float *stats, int64_t rows, int64_t n)
{
    int64_t  i = 0;

    for ( /* void */ ; i + VB_TILE * VL <= n; i += VB_TILE * VL) {
        vb_columns(dgamma + i, dbeta + i, dy + i, x + i, ld, stats, rows,
                   VB_TILE * VL, VB_TILE);
    }

    for ( /* void */ ; i + 2 * VL <= n; i += 2 * VL) {
        vb_columns(dgamma + i, dbeta + i, dy + i, x + i, ld, stats, rows,
                   2 * VL, 2);
    }

    for ( /* void */ ; i + VL <= n; i += VL) {
        vb_columns(dgamma + i, dbeta + i, dy + i, x + i, ld, stats, rows, VL,
                   1);
    }

    if (i < n) {
        vb_columns(dgamma + i, dbeta + i, dy + i, x + i, ld, stats, rows,
                   n - i, 1);
    }
}


void
MAAS_K(lstm_cell)(float *c, const float *a, const float *last, int64_t n)
{
    int      r;
    V        t;
    int64_t  j;

    for (j = 0; j < n; j += VL) {
        r = (int) maas_min(n - j, VL);
        t = v_mul(v_loads(a + j, r), v_loads(a + 3 * n + j, r));
        t = v_add(v_mul(v_loads(a + 2 * n + j, r), v_loads(last + j, r)), t);
        v_stores(c + j, t, r);
    }
}


/* No fused multiply-adds, as in the reference. */
void
MAAS_K(lstm_back)(float *a, const float *dh, float *dc, const float *last,
    const float *th, int64_t n)
{
    int      r;
    V        i, o, f, w, d, h, t, one = v_set1(1.0f);
    int64_t  j;

    for (j = 0; j < n; j += VL) {
        r = (int) maas_min(n - j, VL);
        i = v_loads(a + j, r);
        o = v_loads(a + n + j, r);
        f = v_loads(a + 2 * n + j, r);
        w = v_loads(a + 3 * n + j, r);
        h = v_loads(dh + j, r);
        t = v_loads(th + j, r);
        d = v_mul(v_mul(h, o), v_sub(one, v_mul(t, t)));
        d = v_add(v_loads(dc + j, r), d);

        t = v_mul(v_mul(v_mul(h, t), o), v_sub(one, o));
        v_stores(a + n + j, t, r);
        t = v_mul(v_mul(v_mul(d, w), i), v_sub(one, i));
        v_stores(a + j, t, r);
        t = v_mul(v_mul(v_mul(d, v_loads(last + j, r)), f), v_sub(one, f));
        v_stores(a + 2 * n + j, t, r);
        t = v_mul(v_mul(d, i), v_sub(one, v_mul(w, w)));
        v_stores(a + 3 * n + j, t, r);
        v_stores(dc + j, v_mul(d, f), r);
    }
}
