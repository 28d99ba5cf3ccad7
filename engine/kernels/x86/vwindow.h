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


V_INL V
vw_limit(const maas_win16_t *c, V v)
{
    return c->clip ? v_min(v_set1(c->hi), v_max(v_set1(c->lo), v)) : v;
}


/* v_max() gives the second when either is NaN, so only a has to be asked. */
V_INL V
vw_max(V a, V v)
{
    return v_sel(v_nan(a), a, v_max(a, v));
}


/* P pixels, vector h of each; taps [k0, k1) x [x0, x1). */
V_INL void
vw_pixels(const vw_tap_t *t, const int P, const bool max, int h,
    const int64_t K)
{
    V                    a, f = v_zero();
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

#define VW_END(i)                                                             \
    if (P > i) {                                                              \
        v_store(t->y + i * t->ystep + h * VL, vw_limit(c, a##i));             \
    }
    VW_8(VW_END)
}


/*
 * n pixels in line, the first at (oy, ox), the next dy rows or dx columns on;
 * t->k0, k1, x0, x1 say which taps lie inside.  Where n is no multiple of a
 * block's pixels, the last block makes some once more.
 */
V_INL void
vw_line(vw_tap_t *t, int64_t oy, int64_t ox, int64_t dy, int64_t dx,
    int64_t n, const bool max, const int64_t K)
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
                vw_pixels(t, VW_P, max, h, K);

            } else if (wide == VW_P / 2) {
                vw_pixels(t, VW_P / 2, max, h, K);

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

    *lo = maas_min((p + s - 1) / s, n);
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
        vw_line(t, oy, ox, 1, 0, n, max, 0);
    }
}


V_INL void
vw_rows(const maas_win16_t *c, const bool max, const int64_t K)
{
    int64_t   oy, ox, x0, x1, y0, y1;
    vw_tap_t  t = { .c = c, .w = c->w };

    vw_inner(c->ow, c->iw, c->kw, c->sw, c->pw, c->dw, &x0, &x1);
    vw_inner(c->oh, c->ih, c->kh, c->sh, c->ph, c->dh, &y0, &y1);
    t.x1 = c->kw;

    for (oy = c->y0; oy < c->y1; oy++) {
        vw_taps(oy * c->sh - c->ph, c->kh, c->dh, c->ih, &t.k0, &t.k1);
        vw_line(&t, oy, x0, 0, 1, x1 - x0, max, K);
    }

    for (ox = 0; ox < x0; ox++) {
        vw_column(&t, ox, y0, y1, max);
    }

    for (ox = x1; ox < c->ow; ox++) {
        vw_column(&t, ox, y0, y1, max);
    }
}


void
MAAS_K(dwconv16)(const maas_win16_t *c)
{
    if (c->kw == 3) {
        vw_rows(c, false, 3);

    } else if (c->kw == 5) {
        vw_rows(c, false, 5);

    } else {
        vw_rows(c, false, 0);
    }
}


void
MAAS_K(maxpool16)(const maas_win16_t *c)
{
    vw_rows(c, true, 0);
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
#define W_LIMIT(v, a, b)  v_min(v_set1(b), v_max(v_set1(a), v))

#include "kernels/wino_body.h"
