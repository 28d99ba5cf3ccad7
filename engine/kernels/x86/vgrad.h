/*
 * vgrad: gradients of convolutions over blocks of 16 channels; a template
 * over the words of vec_*.h.  The includer defines MAAS_ISA, WG_R (inputs of
 * the tallest tile) and WG_TILES (a list macro of the tiles: inputs by
 * vectors).
 *
 * A tile keeps its sums in registers over all pixels: every vector of dy
 * that is loaded meets all inputs, every input all vectors.
 */


/* Tile of R inputs by W vectors; NEXT: inputs are neighbours. */
V_INL void
wg_tile(const maas_wgrad16_t *c, const float *x, const float *dy, float *dw,
    const int R, const int W, const bool NEXT)
{
    V              t, v0, v1, v2, v3;
    int64_t        r, p;
    const float   *q, *d;
    const int64_t  xn = NEXT ? 1 : c->xnext, xcol = c->xcol;
    const int64_t  vs = VL < MAAS_C16 ? VL : c->yblock;
    const int64_t  ds = VL;

#define WG_ALL(F)  F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)

#define WG_START(i)                                                           \
    V  a##i = v_zero(), b##i = v_zero(), c##i = v_zero(), d##i = v_zero();

    WG_ALL(WG_START)

#define WG_STEP(i)                                                            \
            if (R > i) {                                                      \
                t = v_set1(q[i * xn]);                                        \
                a##i = v_fma(t, v0, a##i);                                    \
                b##i = W > 1 ? v_fma(t, v1, b##i) : b##i;                     \
                c##i = W > 2 ? v_fma(t, v2, c##i) : c##i;                     \
                d##i = W > 3 ? v_fma(t, v3, d##i) : d##i;                     \
            }

    for (r = 0; r < c->rows; r++) {
        q = x + r * c->xrow;
        d = dy + r * c->yrow;

        for (p = 0; p < c->cols; p++) {
            v0 = v_load(d);
            v1 = W > 1 ? v_load(d + vs) : v0;
            v2 = W > 2 ? v_load(d + 2 * vs) : v0;
            v3 = W > 3 ? v_load(d + 3 * vs) : v0;
            WG_ALL(WG_STEP)
            q += xcol;
            d += MAAS_C16;
        }
    }

#define WG_ADD(i, w, v)                                                       \
    if (R > i && W > w) {                                                     \
        float  *to = dw + i * c->dwrow + w * ds;                              \
                                                                              \
        v_store(to, v_add(v_load(to), v));                                    \
    }
#define WG_END(i)                                                             \
    WG_ADD(i, 0, a##i) WG_ADD(i, 1, b##i) WG_ADD(i, 2, c##i)                  \
    WG_ADD(i, 3, d##i)

    WG_ALL(WG_END)
}


#define WG_FN(R, W)                                                           \
    static __attribute__((noinline)) void                                     \
    wg_near_##R##_##W(const maas_wgrad16_t *c, const float *x,                \
        const float *dy, float *dw)                                           \
    {                                                                         \
        wg_tile(c, x, dy, dw, R, W, true);                                    \
    }                                                                         \
                                                                              \
    static __attribute__((noinline)) void                                     \
    wg_far_##R##_##W(const maas_wgrad16_t *c, const float *x,                 \
        const float *dy, float *dw)                                           \
    {                                                                         \
        wg_tile(c, x, dy, dw, R, W, false);                                   \
    }
#define WG_NEAR(R, W)  [R][W] = wg_near_##R##_##W,
#define WG_FAR(R, W)   [R][W] = wg_far_##R##_##W,

WG_TILES(WG_FN)

static void (*const  wg_tiles[2][WG_R + 1][5])(const maas_wgrad16_t *c,
    const float *x, const float *dy, float *dw) = {
    { WG_TILES(WG_FAR) }, { WG_TILES(WG_NEAR) }
};


/* Inputs [i, i + R) by all blocks. */
static void
wg_inputs(const maas_wgrad16_t *c, int64_t i, int R)
{
    int      W, most, per = MAAS_C16 / VL;      /* vectors of a block */
    int64_t  b, left;

    most = per > 1 ? 1 : R > 4 ? 3 : 4;

    for (b = 0; b < c->blocks; b += W) {
        left = c->blocks - b;
        W = (int) maas_min(left, most);

        /* 2 + 2, not 3 + 1. */
        W = left == most + 1 && most == 3 ? 2 : W;

        wg_tiles[c->xnext == 1][R][W * per](c, c->x + i * c->xnext,
                                            c->dy + b * c->yblock,
                                            c->dw + i * c->dwrow
                                            + b * MAAS_C16);
    }
}


void
MAAS_K(wgrad16)(const maas_wgrad16_t *c)
{
    int      R = WG_R;
    int64_t  i;

    for (i = 0; i < c->n; i += R) {
        while (R > c->n - i) {
            R /= 2;
        }

        wg_inputs(c, i, R);
    }
}


/* -- depthwise ----------------------------------------------------------- */

#define WD_W  4                     /* taps of a row of the kernel at once */

typedef struct {
    int64_t  lo, hi;                /* columns of dy that some tap reaches */
    int64_t  in0, in1;              /* that all of them do */
    int64_t  c0[WD_W], c1[WD_W];    /* that each does */
} wd_span_t;


/* First and last + 1 of n columns with 0 <= x * s + off < size. */
V_INL void
wd_range(int64_t n, int64_t s, int64_t off, int64_t size, int64_t *first,
    int64_t *last)
{
    int64_t  lo, hi;

    lo = off >= 0 ? 0 : (-off + s - 1) / s;
    hi = off >= size ? 0 : (size - 1 - off) / s + 1;

    *last = maas_min(hi, n);
    *first = maas_min(lo, *last);
}


/* Taps [k, k + W) of kernel row ky, half h of the lanes. */
V_INL void
wd_taps(const maas_win16_t *c, float *dw, const float *dy, int64_t ky,
    int64_t k, int h, const wd_span_t *s, const int W)
{
    V              d, a[WD_W], b[WD_W];
    int64_t        r0, r1, ox;
    const int64_t  step = c->dw * MAAS_C16, col = c->sw * MAAS_C16;
    const float   *x, *q;

#define WD_EACH  _Pragma("GCC unroll 4") for (int j = 0; j < W; j++)

    WD_EACH {
        a[j] = b[j] = v_zero();
    }

    wd_range(c->y1, c->sh, ky * c->dh - c->ph, c->ih, &r0, &r1);

#define WD_EDGE(acc)                                                          \
    d = v_load(q + ox * MAAS_C16);                                            \
    WD_EACH {                                                                 \
        if (ox >= s->c0[j] && ox < s->c1[j]) {                                \
            acc[j] = v_fma(v_load(x + ox * col + j * step), d, acc[j]);       \
        }                                                                     \
    }
#define WD_ALL(acc, at)                                                       \
    d = v_load(q + (at) * MAAS_C16);                                          \
    WD_EACH {                                                                 \
        acc[j] = v_fma(v_load(x + (at) * col + j * step), d, acc[j]);         \
    }

    for (int64_t oy = maas_max(r0, c->y0); oy < r1; oy++) {
        x = c->x + ((oy * c->sh + ky * c->dh - c->ph) * c->iw
                    + k * c->dw - c->pw) * MAAS_C16 + h * VL;
        q = dy + oy * c->ow * MAAS_C16 + h * VL;

        for (ox = s->lo; ox < s->hi; ox++) {
            if (ox >= s->in0 && ox % 2 == 0) {
                for ( /* void */ ; ox + 2 <= s->in1; ox += 2) {
                    WD_ALL(a, ox)
                    WD_ALL(b, ox + 1)
                }

                if (ox >= s->hi) {
                    break;
                }
            }

            if (ox % 2 == 0) {
                WD_EDGE(a)

            } else {
                WD_EDGE(b)
            }
        }
    }

    WD_EACH {
        float  *to = dw + (ky * c->kw + k + j) * MAAS_C16 + h * VL;

        v_store(to, v_add(v_load(to), v_add(a[j], b[j])));
    }
}


void
MAAS_K(dwgrad16)(const maas_win16_t *c, float *dw, const float *dy)
{
    int64_t    k, n;
    wd_span_t  s;

    for (k = 0; k < c->kw; k += n) {
        n = maas_min(c->kw - k, WD_W);
        s.lo = s.in1 = c->ow;
        s.hi = s.in0 = 0;

        for (int j = 0; j < n; j++) {
            wd_range(c->ow, c->sw, (k + j) * c->dw - c->pw, c->iw, &s.c0[j],
                     &s.c1[j]);
            s.lo = maas_min(s.lo, s.c0[j]);
            s.hi = maas_max(s.hi, s.c1[j]);
            s.in0 = maas_max(s.in0, s.c0[j]);
            s.in1 = maas_min(s.in1, s.c1[j]);
        }

        for (int64_t i = 0; i < c->kh * (MAAS_C16 / VL); i++) {
            int64_t  ky = i / (MAAS_C16 / VL);
            int      h = (int) (i % (MAAS_C16 / VL));

            switch (n) {
            case 1: wd_taps(c, dw, dy, ky, k, h, &s, 1); break;
            case 2: wd_taps(c, dw, dy, ky, k, h, &s, 2); break;
            case 3: wd_taps(c, dw, dy, ky, k, h, &s, 3); break;
            default: wd_taps(c, dw, dy, ky, k, h, &s, 4); break;
            }
        }
    }
}


/* -- MaxPool ------------------------------------------------------------- */

/* Taps [k0, k1) x [x0, x1) of one pixel: x, dx at tap 0; y, dy there. */
V_INL void
mg_pixel(const maas_win16_t *c, const float *x, float *dx, const float *y,
    const float *dy, const int64_t k0, const int64_t k1, const int64_t x0,
    const int64_t x1, const bool add)
{
    V        top, left, t, v, in;
    int64_t  to, row = c->dh * c->iw * MAAS_C16, col = c->dw * MAAS_C16;

#pragma GCC unroll 2
    for (int l = 0; l < MAAS_C16; l += VL) {
        top = v_load(y + l);
        left = v_load(dy + l);

#pragma GCC unroll 2
        for (int64_t ky = k0; ky < k1; ky++) {
#pragma GCC unroll 2
            for (int64_t kx = x0; kx < x1; kx++) {
                to = ky * row + kx * col + l;
                in = v_load(x + to);
                t = v_zero();
                v = v_sel(v_eq(in, top), left, t);
                v = v_sel(v_nan(in), left, v);
                left = v_sel(v_eq(in, top), t, left);
                left = v_sel(v_nan(in), t, left);
                v_store(dx + to, add ? v_add(v_load(dx + to), v) : v);
            }
        }
    }
}


/* Taps [*lo, *hi) of n, d apart, that start at `at` and lie in [0, size). */
static void
mg_taps(int64_t at, int64_t n, int64_t d, int64_t size, int64_t *lo,
    int64_t *hi)
{
    for (*lo = 0; *lo < n && at + *lo * d < 0; (*lo)++) { /* void */ }
    for (*hi = n; *hi > *lo && at + (*hi - 1) * d >= size; (*hi)--) {
        /* void */
    }
}


void
MAAS_K(maxgrad16)(const maas_win16_t *c, float *dx, const float *dy,
    bool add)
{
    int64_t  oy, ox, iy, ix, k0, k1, x0, x1, at, to;

    for (oy = 0; oy < c->oh; oy++) {
        iy = oy * c->sh - c->ph;
        mg_taps(iy, c->kh, c->dh, c->ih, &k0, &k1);

        for (ox = 0; ox < c->ow; ox++) {
            ix = ox * c->sw - c->pw;
            mg_taps(ix, c->kw, c->dw, c->iw, &x0, &x1);
            at = (oy * c->ow + ox) * MAAS_C16;
            to = (iy * c->iw + ix) * MAAS_C16;

            if (k0 == 0 && k1 == 2 && x0 == 0 && x1 == 2 && !add) {
                mg_pixel(c, c->x + to, dx + to, c->y + at, dy + at, 0, 2, 0,
                         2, false);

            } else {
                mg_pixel(c, c->x + to, dx + to, c->y + at, dy + at, k0, k1,
                         x0, x1, add);
            }
        }
    }
}
