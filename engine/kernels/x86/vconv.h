/*
 * vconv: depthwise 2-D convolution over the words of vec_*.h; a template
 * (MAAS_ISA).  Vectors run along a row of the output.  Where all taps of a
 * vector lie inside, it takes plain loads; elsewhere each tap has a mask of
 * the lanes that it reaches, and leaves the chain of the others alone, so
 * the bits are those of ref/gemm_body.h.
 */


typedef struct {
    const float  *in;
    const float  *w;
    float        *out;
    float         bias;
    int           ih, iw, ow;
    int           kh, kw, sh, sw, ph, pw, dh, dw;
} vc_arg_t;


/* The VL values at p[0], p[S], p[2 S], ... */
V_INL V
vc_load(const float *p, const int S)
{
    return S == 1 ? v_load(p) : v_even(v_load(p), v_load(p + VL));
}


/* Lanes i of x with 0 <= x + i * s < end. */
V_INL VM
vc_inside(int x, int s, int end)
{
    VI  i;

    i = vi_add(vi_set1(x), vi_mul(vi_iota(), vi_set1(s)));

    return vm_and(vi_gt(i, vi_set1(-1)), vi_gt(vi_set1(end), i));
}


/* The lanes that a tap reaches, and the floats to load for them. */
typedef struct {
    VM  lanes;
    VM  a;
    VM  b;
} vc_mask_t;


V_INL vc_mask_t
vc_mask(int x, int end, const int S)
{
    vc_mask_t  m;

    m.lanes = m.a = m.b = vc_inside(x, S, end);

    if (S != 1) {
        m.a = vc_inside(x, 1, end);
        m.b = vc_inside(x + VL, 1, end);
    }

    return m;
}


V_INL V
vc_load_edge(const float *p, vc_mask_t m, const int S)
{
    return S == 1 ? v_loadm(p, m.a)
           : v_even(v_loadm(p, m.a), v_loadm(p + VL, m.b));
}


/* All taps of the vector are inside; r0: the row of tap 0, column ix. */
V_INL V
vc_inner(const vc_arg_t *g, V acc, const float *r0, const int k0, const int k1,
    const int KW, const int S)
{
    int           ky, kx;
    const float  *r, *w;

#pragma GCC unroll 5
    for (ky = k0; ky < k1; ky++) {
        r = r0 + (int64_t) ky * g->dh * g->iw;
        w = g->w + ky * KW;

#pragma GCC unroll 5
        for (kx = 0; kx < KW; kx++) {
            acc = v_fma(v_set1(w[kx]), vc_load(r + kx * g->dw, S), acc);
        }
    }

    return acc;
}


/* Some are not; KW is at most 5 here. */
V_INL V
vc_edge(const vc_arg_t *g, V acc, const float *r0, int ix, const int k0,
    const int k1, const int KW, const int S)
{
    V             x;
    int           ky, kx;
    vc_mask_t     m[5];
    const float  *r, *w;

#pragma GCC unroll 5
    for (kx = 0; kx < KW; kx++) {
        m[kx] = vc_mask(ix + kx * g->dw, g->iw, S);
    }

    for (ky = k0; ky < k1; ky++) {
        r = r0 + (int64_t) ky * g->dh * g->iw;
        w = g->w + ky * KW;

#pragma GCC unroll 5
        for (kx = 0; kx < KW; kx++) {
            x = vc_load_edge(r + kx * g->dw, m[kx], S);
            acc = v_sel(m[kx].lanes, v_fma(v_set1(w[kx]), x, acc), acc);
        }
    }

    return acc;
}


/* The same for any kernel. */
V_INL V
vc_edge_any(const vc_arg_t *g, V acc, const float *r0, int ix, int k0, int k1,
    int kw, const int S)
{
    V             x;
    int           ky, kx;
    vc_mask_t     m;
    const float  *r, *w;

    for (ky = k0; ky < k1; ky++) {
        r = r0 + (int64_t) ky * g->dh * g->iw;
        w = g->w + ky * kw;

        for (kx = 0; kx < kw; kx++) {
            m = vc_mask(ix + kx * g->dw, g->iw, S);
            x = vc_load_edge(r + kx * g->dw, m, S);
            acc = v_sel(m.lanes, v_fma(v_set1(w[kx]), x, acc), acc);
        }
    }

    return acc;
}


/* One row: rows [k0, k1) of the kernel lie inside.  K: 3, 5 or 0 (any). */
V_INL void
vc_row(const vc_arg_t *g, int oy, const int k0, const int k1, const int K,
    const int S)
{
    V             acc;
    int           x, ix, reach;
    float        *out;
    const float  *r;
    const int     kw = K ? K : g->kw;

    reach = (VL - 1) * S + (kw - 1) * g->dw + (S - 1);
    out = g->out + (int64_t) oy * g->ow;

    for (x = 0; x < g->ow; x += VL) {
        acc = v_set1(g->bias);
        ix = x * S - g->pw;
        r = g->in + ((int64_t) oy * g->sh - g->ph) * g->iw + ix;

        if (ix >= 0 && ix + reach < g->iw) {
            acc = vc_inner(g, acc, r, k0, k1, kw, S);

        } else if (K) {
            acc = vc_edge(g, acc, r, ix, k0, k1, K, S);

        } else {
            acc = vc_edge_any(g, acc, r, ix, k0, k1, kw, S);
        }

        v_stores(out + x, acc, g->ow - x);
    }
}


/* Output row j of four takes row i of the input as its tap row i - j. */
#define VC_TAKE(j)                                                            \
            if (i >= j && i - j < K) {                                        \
                t = v_fma(v_set1(g->w[(i - j) * K + kx]), v, a##j);           \
                a##j = edge ? v_sel(m, t, a##j) : t;                          \
            }

/*
 * VL columns of four output rows at once, stride 1, no dilation of rows, all
 * rows of the kernel inside: a vector of the input is loaded once for all
 * taps that need it.  The order of the taps of each row stays.
 */
V_INL void
vc_quad_part(const vc_arg_t *g, float *out, const float *r, int ix, int n,
    const int K, const bool edge)
{
    V    v, t, a0, a1, a2, a3;
    VM   m;
    int  i, kx;

    a0 = a1 = a2 = a3 = v_set1(g->bias);

#pragma GCC unroll 8
    for (i = 0; i < K + 3; i++) {
#pragma GCC unroll 5
        for (kx = 0; kx < K; kx++) {
            m = edge ? vc_inside(ix + kx * g->dw, 1, g->iw) : vm_first(VL);
            v = edge ? v_loadm(r + kx * g->dw, m) : v_load(r + kx * g->dw);
            VC_TAKE(0) VC_TAKE(1) VC_TAKE(2) VC_TAKE(3)
        }

        r += g->iw;
    }

    v_stores(out, a0, n);
    v_stores(out + g->ow, a1, n);
    v_stores(out + 2 * (int64_t) g->ow, a2, n);
    v_stores(out + 3 * (int64_t) g->ow, a3, n);
}


V_INL void
vc_quad(const vc_arg_t *g, int oy, const int K)
{
    int           x, ix, reach;
    float        *out;
    const float  *r;

    reach = VL - 1 + (K - 1) * g->dw;
    out = g->out + (int64_t) oy * g->ow;
    r = g->in + ((int64_t) oy - g->ph) * g->iw;

    for (x = 0; x < g->ow; x += VL) {
        ix = x - g->pw;

        if (ix >= 0 && ix + reach < g->iw) {
            vc_quad_part(g, out + x, r + ix, ix, g->ow - x, K, false);

        } else {
            vc_quad_part(g, out + x, r + ix, ix, g->ow - x, K, true);
        }
    }
}


static void
vc_quad_3(const vc_arg_t *g, int oy)
{
    vc_quad(g, oy, 3);
}


static void
vc_quad_5(const vc_arg_t *g, int oy)
{
    vc_quad(g, oy, 5);
}


/* Strides other than 1 and 2: a value at a time, the same chain. */
static void
vc_row_any(const vc_arg_t *g, int oy, int k0, int k1)
{
    int           x, ky, kx;
    float         acc;
    int64_t       ix;
    const float  *r;

    for (x = 0; x < g->ow; x++) {
        acc = g->bias;

        for (ky = k0; ky < k1; ky++) {
            r = g->in + ((int64_t) oy * g->sh - g->ph + (int64_t) ky * g->dh)
                        * g->iw;

            for (kx = 0; kx < g->kw; kx++) {
                ix = (int64_t) x * g->sw - g->pw + (int64_t) kx * g->dw;

                if (ix >= 0 && ix < g->iw) {
                    acc = __builtin_fmaf(g->w[ky * g->kw + kx], r[ix], acc);
                }
            }
        }

        g->out[(int64_t) oy * g->ow + x] = acc;
    }
}


/* Where all rows of the kernel lie inside, their number is a constant. */
#define VC_ROW(K, S)                                                          \
    static void                                                               \
    vc_row_##K##_##S(const vc_arg_t *g, int oy, int k0, int k1)               \
    {                                                                         \
        if (k0 == 0 && k1 == K) {                                             \
            vc_row(g, oy, 0, K, K, S);                                        \
                                                                              \
        } else {                                                              \
            vc_row(g, oy, k0, k1, K, S);                                      \
        }                                                                     \
    }

VC_ROW(3, 1)
VC_ROW(3, 2)
VC_ROW(5, 1)
VC_ROW(5, 2)


static void
vc_row_n_1(const vc_arg_t *g, int oy, int k0, int k1)
{
    vc_row(g, oy, k0, k1, 0, 1);
}


static void
vc_row_n_2(const vc_arg_t *g, int oy, int k0, int k1)
{
    vc_row(g, oy, k0, k1, 0, 2);
}


/* ow * sw and the reach of the taps must stay within an int, with room. */
#define VC_MAX  (1 << 28)

void
MAAS_K(dwconv)(float *out, const float *in, const float *w, float bias,
    int64_t ih, int64_t iw, int64_t oh, int64_t ow, int kh, int kw, int sh,
    int sw, int ph, int pw, int dh, int dw, int64_t y0, int64_t y1)
{
    int       k0, k1;
    int64_t   y, iy;
    vc_arg_t  g;
    void    (*row)(const vc_arg_t *g, int oy, int k0, int k1);
    void    (*quad)(const vc_arg_t *g, int oy);

    if (ih > VC_MAX || iw > VC_MAX || oh > VC_MAX || ow * sw > VC_MAX
        || pw > VC_MAX || (int64_t) kw * dw > VC_MAX)
    {
        maas_k_f32_dwconv_ref(out, in, w, bias, ih, iw, oh, ow, kh, kw, sh,
                              sw, ph, pw, dh, dw, y0, y1);
        return;
    }

    g = (vc_arg_t) { in, w, out, bias, (int) ih, (int) iw, (int) ow, kh, kw,
                     sh, sw, ph, pw, dh, dw };

    row = sw == 1 ? (kw == 3 ? vc_row_3_1 : kw == 5 ? vc_row_5_1 : vc_row_n_1)
        : sw == 2 ? (kw == 3 ? vc_row_3_2 : kw == 5 ? vc_row_5_2 : vc_row_n_2)
        : vc_row_any;

    quad = sh != 1 || sw != 1 || dh != 1 || kh != kw ? NULL
           : kh == 3 ? vc_quad_3 : kh == 5 ? vc_quad_5 : NULL;

    for (y = y0; y < y1; y++) {
        iy = y * sh - ph;

        if (quad != NULL && y + 4 <= y1 && iy >= 0 && iy + 3 + kh <= ih) {
            quad(&g, (int) y);
            y += 3;
            continue;
        }

        for (k0 = 0; k0 < kh && iy + (int64_t) k0 * dh < 0; k0++) { /* void */ }
        for (k1 = kh; k1 > k0 && iy + (int64_t) (k1 - 1) * dh >= ih; k1--) {
            /* void */
        }

        row(&g, (int) y, k0, k1);
    }
}
