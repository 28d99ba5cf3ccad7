/*
 * vwindow: windows over one block of 16 channels (depthwise convolution,
 * maximum), sums and affine maps; a template over the words of vec_*.h.
 *
 * Pixels whose taps all lie inside go along their row, those at the ends of
 * rows, with the taps that lie inside, along their column: by eights, or by
 * fours where there are fewer (by fours or twos).
 */

#define VW_N   (MAAS_C16 / VL)          /* vectors of a pixel */
#define VW_P   (VL == MAAS_C16 ? 8 : 4) /* pixels at a time */

#define VW_8(F)  F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)


typedef struct {
    const maas_win16_t  *c;
    const float         *x;     /* tap (0, 0) of the first pixel */
    const float         *w;
    float               *y;
    int64_t              k0, k1, x0, x1;
    int64_t              xstep, ystep;  /* from a pixel to the next */
} vw_tap_t;


/* v_max() gives the second when either is NaN, so only a has to be asked. */
V_INL V
vw_max(V a, V v)
{
    return v_sel(v_nan(a), a, v_max(a, v));
}


/* Limits are read before anything is stored: a store may change them. */
#define VW_LIMIT(i)                                                           \
        if (P > i) {                                                          \
            a##i = v_min(hi, v_max(lo, a##i));                                \
        }

#define VW_END(i)                                                             \
    if (P > i) {                                                              \
        v_store(y + i * s, a##i);                                             \
    }

#define VW_FINISH                                                             \
    y = t->y + h * VL;                                                        \
    s = t->ystep;                                                             \
                                                                              \
    if (c->clip) {                                                            \
        lo = v_set1(c->lo);                                                   \
        hi = v_set1(c->hi);                                                   \
        VW_8(VW_LIMIT)                                                        \
    }                                                                         \
                                                                              \
    VW_8(VW_END)


/* P pixels, vector h of each; taps [k0, k1) x [x0, x1). */
V_INL void
vw_pixels(const vw_tap_t *t, const int P, const bool max, int h,
    const int64_t K)
{
    V                    a, f = v_zero(), lo, hi;
    float               *y;
    int64_t              ky, kx, s, x0, x1;
    const float         *p, *w;
    const maas_win16_t  *c = t->c;

    s = t->xstep;
    a = max ? v_set1(-INFINITY) : v_load(c->bias + h * VL);
    x0 = K ? 0 : t->x0;
    x1 = K ? K : t->x1;

#define VW_START(i)  V  a##i = a;
    VW_8(VW_START)

    for (ky = t->k0; ky < t->k1; ky++) {
        p = t->x + (ky * c->dh * c->iw + x0 * c->dw) * MAAS_C16 + h * VL;
        w = t->w + (ky * c->kw + x0) * MAAS_C16 + h * VL;

        for (kx = x0; kx < x1; kx++) {
            if (!max) {
                f = v_load(w);
            }

#define VW_TAP(i)                                                             \
            if (P > i) {                                                      \
                a = v_load(p + i * s);                                        \
                a##i = max ? vw_max(a##i, a) : v_fma(a, f, a##i);             \
            }
            VW_8(VW_TAP)

            p += c->dw * MAAS_C16;
            w += MAAS_C16;
        }
    }

    VW_FINISH
}


/* The value lies in a register: gcc would load it again for every use. */
#define VW_ONCE(v)  __asm__ ("" : "+v" (v))

/* Column i of the inputs meets the taps of the pixels that see it. */
#define VW_COLUMN(i)                                                          \
        if (i < (P - 1) * S + K) {                                            \
            v = v_load(p + i * MAAS_C16);                                     \
            VW_ONCE(v);                                                       \
            VW_SEEN(i, 0) VW_SEEN(i, 1) VW_SEEN(i, 2) VW_SEEN(i, 3)           \
            VW_SEEN(i, 4) VW_SEEN(i, 5) VW_SEEN(i, 6) VW_SEEN(i, 7)           \
        }

#define VW_SEEN(i, j)                                                         \
            if (P > j && i >= j * S && i - j * S < K) {                       \
                a##j = v_fma(v, i - j * S == 0 ? f0 : i - j * S == 1 ? f1     \
                                : i - j * S == 2 ? f2 : i - j * S == 3 ? f3   \
                                : f4, a##j);                                  \
            }

/*
 * The same for pixels along a row, stride S, K columns of taps that all lie
 * inside, none left out between them: every input is loaded once a row.
 */
V_INL void
vw_along(const vw_tap_t *t, const int P, int h, const int K, const int S)
{
    V                    a, v, f0, f1, f2, f3, f4, lo, hi;
    float               *y;
    int64_t              ky, s;
    const float         *p, *w;
    const maas_win16_t  *c = t->c;

    a = v_load(c->bias + h * VL);
    VW_8(VW_START)

    for (ky = t->k0; ky < t->k1; ky++) {
        p = t->x + ky * c->dh * c->iw * MAAS_C16 + h * VL;
        w = t->w + ky * K * MAAS_C16 + h * VL;

        f0 = v_load(w);
        f1 = v_load(w + MAAS_C16);
        f2 = v_load(w + 2 * MAAS_C16);
        f3 = K > 3 ? v_load(w + 3 * MAAS_C16) : f0;
        f4 = K > 3 ? v_load(w + 4 * MAAS_C16) : f0;
        VW_ONCE(f0);
        VW_ONCE(f1);
        VW_ONCE(f2);

        VW_8(VW_COLUMN)
        VW_COLUMN(8) VW_COLUMN(9) VW_COLUMN(10) VW_COLUMN(11)
        VW_COLUMN(12) VW_COLUMN(13) VW_COLUMN(14) VW_COLUMN(15)
        VW_COLUMN(16) VW_COLUMN(17) VW_COLUMN(18)
    }

    VW_FINISH
}


/* Column i of the inputs meets the maxima of the pixels that see it. */
#define VW_TALL(i)                                                            \
        if (i < (P - 1) * S + K) {                                            \
            v = v_load(p + i * MAAS_C16);                                     \
            VW_ONCE(v);                                                       \
                                                                              \
            if (i % 4 == 0) {                                                 \
                f0 = v_fma(v, zero, f0);                                      \
            } else if (i % 4 == 1) {                                          \
                f1 = v_fma(v, zero, f1);                                      \
            } else if (i % 4 == 2) {                                          \
                f2 = v_fma(v, zero, f2);                                      \
            } else {                                                          \
                f3 = v_fma(v, zero, f3);                                      \
            }                                                                 \
                                                                              \
            VW_OVER(i, 0) VW_OVER(i, 1) VW_OVER(i, 2) VW_OVER(i, 3)           \
            VW_OVER(i, 4) VW_OVER(i, 5) VW_OVER(i, 6) VW_OVER(i, 7)           \
        }

#define VW_OVER(i, j)                                                         \
            if (P > j && i >= j * S && i - j * S < K) {                       \
                a##j = v_max(a##j, v);                                        \
            }

/*
 * The same for maxima.  v_max() loses a NaN, but not the sum of all inputs
 * times zero (nor an infinity): where that is one, nothing is written and the
 * answer is no.
 */
V_INL bool
vw_tall(const vw_tap_t *t, const int P, int h, const int K, const int S)
{
    V                    a, v, f0, f1, f2, f3, lo, hi, zero = v_zero();
    float               *y;
    int64_t              ky, s;
    const float         *p;
    const maas_win16_t  *c = t->c;

    a = v_set1(-INFINITY);
    f0 = f1 = f2 = f3 = zero;
    VW_8(VW_START)

    for (ky = t->k0; ky < t->k1; ky++) {
        p = t->x + ky * c->dh * c->iw * MAAS_C16 + h * VL;

        VW_8(VW_TALL)
        VW_TALL(8) VW_TALL(9) VW_TALL(10) VW_TALL(11)
        VW_TALL(12) VW_TALL(13) VW_TALL(14) VW_TALL(15) VW_TALL(16)
    }

    if (vm_any(v_nan(v_add(v_add(f0, f1), v_add(f2, f3))))) {
        return false;
    }

    VW_FINISH
    return true;
}


/* S: 0, or the stride, and vw_along() or vw_tall() may be taken for rows. */
V_INL void
vw_some(const vw_tap_t *t, const int P, const bool max, int h,
    const int64_t K, const int S)
{
    if (S && K && !max) {
        vw_along(t, P, h, K, S);

    } else if (!S || !K || !vw_tall(t, P, h, K, S)) {
        vw_pixels(t, P, max, h, K);
    }
}


/*
 * n pixels in line, the first at (oy, ox), the next dy rows or dx columns on;
 * t->k0, k1, x0, x1 say which taps lie inside.  Where n is no multiple of a
 * block's pixels, the last block makes some once more.
 */
V_INL void
vw_line(vw_tap_t *t, int64_t oy, int64_t ox, int64_t dy, int64_t dx,
    int64_t n, const bool max, const int64_t K, const int S)
{
    int64_t              i, at, wide, x, y;
    const maas_win16_t  *c = t->c;

    wide = n >= VW_P ? VW_P : n >= VW_P / 2 ? VW_P / 2 : 1;
    t->xstep = (dy * c->sh * c->iw + dx * c->sw) * MAAS_C16;
    t->ystep = (dy * c->ow + dx) * MAAS_C16;

    for (i = 0; i < n; i += wide) {
        at = maas_min(i, n - wide);
        y = oy + at * dy;
        x = ox + at * dx;
        t->x = c->x + ((y * c->sh - c->ph) * c->iw + x * c->sw - c->pw)
                      * MAAS_C16;
        t->y = c->y + (y * c->ow + x) * MAAS_C16;

        for (int h = 0; h < VW_N; h++) {
            if (wide == VW_P) {
                vw_some(t, VW_P, max, h, K, S);

            } else if (wide == VW_P / 2) {
                vw_some(t, VW_P / 2, max, h, K, S);

            } else {
                vw_pixels(t, 1, max, h, K);
            }
        }
    }
}


/* Pixels [*lo, *hi) of n see nothing outside of an extent. */
static void
vw_inner(int64_t n, int64_t size, int64_t k, int64_t s, int64_t p, int64_t d,
    int64_t *lo, int64_t *hi)
{
    int64_t  end = size + p - (k - 1) * d - 1;

    *lo = maas_min(maas_max(p + s - 1, 0) / s, n);
    *hi = end < 0 ? 0 : maas_min(end / s + 1, n);
    *hi = maas_max(*hi, *lo);
}


/* Taps [*k0, *k1) of the pixel at `at` lie inside. */
V_INL void
vw_taps(int64_t at, int64_t k, int64_t d, int64_t size, int64_t *k0,
    int64_t *k1)
{
    for (*k0 = 0; *k0 < k && at + *k0 * d < 0; (*k0)++) { /* void */ }
    for (*k1 = k; *k1 > *k0 && at + (*k1 - 1) * d >= size; (*k1)--) {
        /* void */
    }
}


/* The pixels of column ox, which sees what lies outside. */
V_INL void
vw_column(vw_tap_t *t, int64_t ox, int64_t lo, int64_t hi, const bool max)
{
    int64_t              oy, n;
    const maas_win16_t  *c = t->c;

    vw_taps(ox * c->sw - c->pw, c->kw, c->dw, c->iw, &t->x0, &t->x1);

    for (oy = c->y0; oy < c->y1; oy += n) {
        n = oy >= lo && oy < hi ? maas_min(hi, c->y1) - oy : 1;
        vw_taps(oy * c->sh - c->ph, c->kh, c->dh, c->ih, &t->k0, &t->k1);
        vw_line(t, oy, ox, 1, 0, n, max, 0, 0);
    }
}


V_INL void
vw_rows(const maas_win16_t *c, const bool max, const int64_t K, const int S)
{
    int64_t   oy, ox, x0, x1, y0, y1;
    vw_tap_t  t = { .c = c, .w = c->w };

    vw_inner(c->ow, c->iw, c->kw, c->sw, c->pw, c->dw, &x0, &x1);
    vw_inner(c->oh, c->ih, c->kh, c->sh, c->ph, c->dh, &y0, &y1);
    t.x1 = c->kw;

    for (oy = c->y0; oy < c->y1; oy++) {
        vw_taps(oy * c->sh - c->ph, c->kh, c->dh, c->ih, &t.k0, &t.k1);
        vw_line(&t, oy, x0, 0, 1, x1 - x0, max, K, S);
    }

    for (ox = 0; ox < x0; ox++) {
        vw_column(&t, ox, y0, y1, max);
    }

    for (ox = x1; ox < c->ow; ox++) {
        vw_column(&t, ox, y0, y1, max);
    }
}


/* Kernels of K columns, of the strides that have a loop of their own. */
#define VW_DEPTHWISE(K)                                                       \
    static __attribute__((noinline)) void                                     \
    vw_depthwise_##K(const maas_win16_t *c)                                   \
    {                                                                         \
        if (c->dw == 1 && c->sw == 1) {                                       \
            vw_rows(c, false, K, 1);                                          \
                                                                              \
        } else if (c->dw == 1 && c->sw == 2) {                                \
            vw_rows(c, false, K, 2);                                          \
                                                                              \
        } else {                                                              \
            vw_rows(c, false, K, 0);                                          \
        }                                                                     \
    }

VW_DEPTHWISE(3)
VW_DEPTHWISE(5)


void
MAAS_K(dwconv16)(const maas_win16_t *c)
{
    if (c->kw == 3) {
        vw_depthwise_3(c);

    } else if (c->kw == 5) {
        vw_depthwise_5(c);

    } else {
        vw_rows(c, false, 0, 0);
    }
}


/* Most pools are one of these. */
#define VW_MAXPOOL(K, S)                                                      \
    static __attribute__((noinline)) void                                     \
    vw_maxpool_##K##_##S(const maas_win16_t *c)                               \
    {                                                                         \
        vw_rows(c, true, K, S);                                               \
    }

VW_MAXPOOL(2, 2)
VW_MAXPOOL(3, 1)
VW_MAXPOOL(3, 2)
VW_MAXPOOL(0, 0)


void
MAAS_K(maxpool16)(const maas_win16_t *c)
{
    int64_t  what = c->dw != 1 ? 0 : c->kw * 10 + c->sw;

    if (what == 22) {
        vw_maxpool_2_2(c);

    } else if (what == 31) {
        vw_maxpool_3_1(c);

    } else if (what == 32) {
        vw_maxpool_3_2(c);

    } else {
        vw_maxpool_0_0(c);
    }
}


void
MAAS_K(lanes16)(float *y, const float *x, int64_t n, int64_t count)
{
    for (int64_t i = 0; i < n; i++, x += MAAS_C16, y += MAAS_C16) {
        for (int h = 0; h < VW_N; h++) {
            v_stores(y + h * VL, v_loads(x + h * VL, count - h * VL),
                     count - h * VL);
        }
    }
}


void
MAAS_K(sum16)(float *y, const float *x, int64_t n, float f)
{
    V             s0, s1, s2, s3;
    int64_t       i;
    const float  *p;

    for (int h = 0; h < VW_N; h++) {
        s0 = s1 = s2 = s3 = v_zero();
        p = x + h * VL;

        for (i = 0; i + 4 <= n; i += 4, p += 4 * MAAS_C16) {
            s0 = v_add(s0, v_load(p));
            s1 = v_add(s1, v_load(p + MAAS_C16));
            s2 = v_add(s2, v_load(p + 2 * MAAS_C16));
            s3 = v_add(s3, v_load(p + 3 * MAAS_C16));
        }

        if (i < n) {
            s0 = v_add(s0, v_load(p));
        }

        if (i + 1 < n) {
            s1 = v_add(s1, v_load(p + MAAS_C16));
        }

        if (i + 2 < n) {
            s2 = v_add(s2, v_load(p + 2 * MAAS_C16));
        }

        v_store(y + h * VL, v_mul(v_add(v_add(s0, s2), v_add(s1, s3)),
                                  v_set1(f)));
    }
}


void
MAAS_K(affine16)(float *y, const float *x, const float *a, const float *b,
    int64_t n, float lo, float hi)
{
    V  va, vb, vlo = v_set1(lo), vhi = v_set1(hi);

    for (int h = 0; h < VW_N; h++) {
        va = v_load(a + h * VL);
        vb = v_load(b + h * VL);

        for (int64_t i = 0; i < n; i++) {
            v_store(y + i * MAAS_C16 + h * VL,
                    v_min(vhi, v_max(vlo, v_fma(
                        v_load(x + i * MAAS_C16 + h * VL), va, vb))));
        }
    }
}


/* -- Winograd ------------------------------------------------------------ */

#define W_INL             V_INL
#define WV                V
#define WL                VL
#define W_LOAD(p)         v_load(p)
#define W_STORE(p, v)     v_store(p, v)
#define W_ZERO()          v_zero()
#define W_ADD(a, b)       v_add(a, b)
#define W_SUB(a, b)       v_sub(a, b)
#define W_FMA(a, c, b)    v_fma(a, v_set1(c), b)
#define W_SET1(c)         v_set1(c)
#define W_LIMIT(v, a, b)  v_min(b, v_max(a, v))

#include "kernels/wino_body.h"
