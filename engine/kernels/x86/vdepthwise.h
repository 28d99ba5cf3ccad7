/*
 * vdepthwise: depthwise convolution over one block of 16 channels, strides 1
 * (of any dilation) and 2; a template over the words of vec_*.h, included by
 * vwindow.h.
 *
 * A tile is some pixels of a row that are as far apart as the taps: every
 * column of the input is loaded once for all pixels that see it, and a column
 * beside the image is left out of their chains.  A kernel's row goes by
 * pieces of up to seven taps, whose weights stay in registers.
 */

/* Pixels of the tiles; what no tile fills is made by two that overlap. */
#define VD_P0  (VL == MAAS_C16 ? 8 : 4)
#define VD_P1  (VL == MAAS_C16 ? 7 : 3)
#define VD_P2  (VL == MAAS_C16 ? 4 : 2)


typedef struct {
    const maas_win16_t  *c;
    const float         *x;     /* tap (0, 0) of the first pixel */
    float               *y;
    int64_t              k0, k1;
    int64_t              step;  /* floats from a column to the next */
    int64_t              count; /* tiles that follow each other */
    int64_t              lo;    /* columns lo, lo + 1, ... of a tile, so */
    uint64_t             n;     /* many, lie inside */
} vd_tile_t;


/* Column i of the inputs meets the taps of the pixels that see it. */
#define VD_COLUMN(i, K)                                                       \
        if (i < (P - 1) * S + K) {                                            \
            if (!EDGE || (uint64_t) (at + i) < t->n) {                        \
                v = v_load(q);                                                \
                VW_ONCE(v);                                                   \
                VD_SEEN(i, 0, K) VD_SEEN(i, 1, K) VD_SEEN(i, 2, K)            \
                VD_SEEN(i, 3, K) VD_SEEN(i, 4, K) VD_SEEN(i, 5, K)            \
                VD_SEEN(i, 6, K) VD_SEEN(i, 7, K)                             \
            }                                                                 \
                                                                              \
            q += step;                                                        \
        }

#define VD_SEEN(i, j, K)                                                      \
            if (P > j && i >= j * S && i - j * S < K) {                       \
                a##j = v_fma(v, i - j * S == 0 ? f0 : i - j * S == 1 ? f1     \
                                : i - j * S == 2 ? f2 : i - j * S == 3 ? f3   \
                                : i - j * S == 4 ? f4 : i - j * S == 5 ? f5   \
                                : f6, a##j);                                  \
            }

/* K taps of a row from p and w on; at: of its first column. */
#define VD_TAPS(K)                                                            \
        f0 = v_load(w);                                                       \
        f1 = K > 1 ? v_load(w + MAAS_C16) : f0;                               \
        f2 = K > 2 ? v_load(w + 2 * MAAS_C16) : f0;                           \
        f3 = K > 3 ? v_load(w + 3 * MAAS_C16) : f0;                           \
        f4 = K > 4 ? v_load(w + 4 * MAAS_C16) : f0;                           \
        f5 = K > 5 ? v_load(w + 5 * MAAS_C16) : f0;                           \
        f6 = K > 6 ? v_load(w + 6 * MAAS_C16) : f0;                           \
        VW_ONCE(f0);                                                          \
        VW_ONCE(f1);                                                          \
        VW_ONCE(f2);                                                          \
        q = p;                                                                \
                                                                              \
        VD_COLUMN(0, K) VD_COLUMN(1, K) VD_COLUMN(2, K) VD_COLUMN(3, K)       \
        VD_COLUMN(4, K) VD_COLUMN(5, K) VD_COLUMN(6, K) VD_COLUMN(7, K)       \
        VD_COLUMN(8, K) VD_COLUMN(9, K) VD_COLUMN(10, K) VD_COLUMN(11, K)     \
        VD_COLUMN(12, K) VD_COLUMN(13, K) VD_COLUMN(14, K) VD_COLUMN(15, K)   \
        VD_COLUMN(16, K) VD_COLUMN(17, K) VD_COLUMN(18, K) VD_COLUMN(19, K)   \
        VD_COLUMN(20, K)

#define VD_PIECE(K)                                                           \
            VD_TAPS(K)                                                        \
            p += K * step;                                                    \
            w += K * MAAS_C16;                                                \
            at += K;                                                          \
            left -= K;

#define VD_START(i)  V  a##i = a;

#define VD_LIMIT(i)                                                           \
        if (P > i) {                                                          \
            a##i = v_min(hi, v_max(lo, a##i));                                \
        }

#define VD_END(i)                                                             \
    if (P > i) {                                                              \
        v_store(y + i * s, a##i);                                             \
    }


/*
 * P pixels from x on, vector h of each; KW columns of taps that are
 * neighbours, 0: c->kw, t->step apart.
 */
V_INL void
vd_tile(const vd_tile_t *t, const float *x, float *y, int h, const int KW,
    const int S, const int P, const bool EDGE)
{
    V                    a, v, f0, f1, f2, f3, f4, f5, f6, lo, hi;
    int64_t              z, ky, at, left;
    const int64_t        step = KW ? MAAS_C16 : t->step;
    const int64_t        s = S == 1 ? step : MAAS_C16;
    const float         *p, *q, *w;
    const maas_win16_t  *c = t->c;

    a = v_load(c->bias + h * VL);
    VW_8(VD_START)

    for (z = 0; z <= c->deep; z++) {
        for (ky = t->k0; ky < t->k1; ky++) {
            p = x + z * c->xd + ky * c->dh * c->iw * MAAS_C16 + h * VL;
            w = c->w + (z * c->kh + ky) * c->kw * MAAS_C16 + h * VL;
            at = -t->lo;

            if (KW) {
                VD_TAPS(KW)
                continue;
            }

            for (left = c->kw; left > 0; ) {
                if (left >= 7) {
                    VD_PIECE(7)
                } else if (left >= 5) {
                    VD_PIECE(5)
                } else if (left >= 3) {
                    VD_PIECE(3)
                } else {
                    VD_PIECE(1)
                }
            }
        }
    }

    /* Limits are read before anything is stored: a store may change them. */
    if (c->clip) {
        lo = v_set1(c->lo);
        hi = v_set1(c->hi);
        VW_8(VD_LIMIT)
    }

    y += h * VL;
    VW_8(VD_END)
}


V_INL void
vd_some(const vd_tile_t *t, const int KW, const int S, const int P,
    const bool EDGE)
{
    float         *y = t->y;
    const float   *x = t->x;
    const int64_t  step = KW ? MAAS_C16 : t->step;

    for (int64_t n = t->count; n > 0; n--) {
        for (int h = 0; h < VW_N; h++) {
            vd_tile(t, x, y, h, KW, S, P, EDGE);
        }

        x += P * S * step;
        y += P * (S == 1 ? step : MAAS_C16);
    }
}


#define VD_TILE(K, S, p, edge)                                                \
    static __attribute__((noinline)) void                                     \
    vd_tile_##K##_##S##_##p##_##edge(const vd_tile_t *t)                      \
    {                                                                         \
        vd_some(t, K, S, p == 3 ? 1 : p == 2 ? VD_P2 : p == 1 ? VD_P1 : VD_P0,\
                edge);                                                        \
    }
#define VD_NAME(K, S, p, edge)  vd_tile_##K##_##S##_##p##_##edge

#define VD_TILES(K, S)                                                        \
    VD_TILE(K, S, 0, 0) VD_TILE(K, S, 0, 1) VD_TILE(K, S, 1, 0)               \
    VD_TILE(K, S, 1, 1) VD_TILE(K, S, 2, 0) VD_TILE(K, S, 2, 1)               \
    VD_TILE(K, S, 3, 1)
#define VD_NAMES(K, S)                                                        \
    { { VD_NAME(K, S, 0, 0), VD_NAME(K, S, 0, 1) },                           \
      { VD_NAME(K, S, 1, 0), VD_NAME(K, S, 1, 1) },                           \
      { VD_NAME(K, S, 2, 0), VD_NAME(K, S, 2, 1) },                           \
      { VD_NAME(K, S, 3, 1), VD_NAME(K, S, 3, 1) } }

VD_TILES(0, 1)
VD_TILES(0, 2)
VD_TILES(3, 1)
VD_TILES(3, 2)
VD_TILES(5, 1)
VD_TILES(5, 2)
VD_TILES(7, 1)
VD_TILES(7, 2)

typedef void  (*vd_tile_pt)(const vd_tile_t *t);

/* By columns of taps (any, 3, 5, 7), stride, size of tile, edge. */
static const vd_tile_pt  vd_tiles[4][2][4][2] = {
    { VD_NAMES(0, 1), VD_NAMES(0, 2) },
    { VD_NAMES(3, 1), VD_NAMES(3, 2) },
    { VD_NAMES(5, 1), VD_NAMES(5, 2) },
    { VD_NAMES(7, 1), VD_NAMES(7, 2) }
};


/* Which of `cols` columns from ix on, c->dw apart, lie inside. */
V_INL bool
vd_inside(vd_tile_t *t, int64_t ix, int64_t cols)
{
    int64_t  hi, d = t->c->dw, iw = t->c->iw;

    t->lo = 0;
    t->n = (uint64_t) cols;

    if (ix >= 0 && ix + (cols - 1) * d < iw) {
        return true;
    }

    t->lo = ix >= 0 ? 0 : d == 1 ? -ix : (d - 1 - ix) / d;
    hi = ix >= iw ? 0 : d == 1 ? iw - ix : (iw - 1 - ix) / d + 1;
    t->n = (uint64_t) maas_max(maas_min(hi, cols) - t->lo, (int64_t) 0);
    return false;
}


/* n pixels of row oy from ox on, c->dw apart. */
V_INL void
vd_line(vd_tile_t *t, const vd_tile_pt (*tile)[2], int64_t oy, int64_t ox,
    int64_t n)
{
    int                  which;
    bool                 inside;
    int64_t              x, ix, i, wide, span;
    const float         *row;
    const maas_win16_t  *c = t->c;

    which = n >= VD_P0 ? (n % VD_P0 != 0 && n % VD_P1 == 0 ? 1 : 0)
            : n == VD_P1 ? 1 : n >= VD_P2 ? 2 : 3;
    wide = which == 0 ? VD_P0 : which == 1 ? VD_P1 : which == 2 ? VD_P2 : 1;
    span = (wide - 1) * c->sw + c->kw;
    row = c->x + ((oy * c->sh - c->ph) * c->iw - c->pw) * MAAS_C16;

    for (i = 0; i < n; i += wide * t->count) {
        x = ox + maas_min(i, n - wide) * c->dw;
        ix = x * c->sw - c->pw;
        t->x = row + x * c->sw * MAAS_C16;
        t->y = c->y + (oy * c->ow + x) * MAAS_C16;
        t->count = 1;
        inside = vd_inside(t, ix, span);

        if (inside) {
            x = (c->iw - 1 - (span - 1) * c->dw - ix)
                / (wide * c->sw * c->dw);
            t->count = maas_max(maas_min(x + 1, (n - i) / wide), 1);
        }

        tile[which][!inside](t);
    }
}


/*
 * Strides and dilations that have tiles, and rows that fill some.  Small
 * kernels over long rows have few ends: vw_along() is the faster one.
 */
static bool
vd_fits(const maas_win16_t *c)
{
    if (c->dw != 1) {
        return c->sw == 1 && c->ow >= c->dw * VD_P1 && c->kw > 2;
    }

    return c->sw <= 2 && (c->kw > 5 || c->deep > 0
                          || (c->kw > 2 && c->ow <= 8));
}


static void
vd_rows(const maas_win16_t *c)
{
    int                 k = c->dw == 1
                            && (c->kw == 3 || c->kw == 5 || c->kw == 7)
                            ? (int) c->kw / 2 : 0;
    vd_tile_t           t = { .c = c, .step = c->dw * MAAS_C16 };
    const vd_tile_pt  (*tile)[2] = vd_tiles[k][c->sw - 1];

    for (int64_t oy = c->y0; oy < c->y1; oy++) {
        vw_taps(oy * c->sh - c->ph, c->kh, c->dh, c->ih, &t.k0, &t.k1);

        for (int64_t ox = 0; ox < maas_min(c->dw, c->ow); ox++) {
            vd_line(&t, tile, oy, ox, (c->ow - ox + c->dw - 1) / c->dw);
        }
    }
}
