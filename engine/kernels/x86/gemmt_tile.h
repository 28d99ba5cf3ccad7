/*
 * gemmt_tile: the transposed product of NCHW convolution for one
 * instruction set; a template over the words of vec_*.h.  The includer
 * defines MAAS_ISA, KT_CH (channels of a tile, 4 or 8) and KT_C (a list
 * macro of the channels).
 *
 * A tile is KT_CH channels by three vectors along m.  X is copied in blocks
 * to the stack (at most 96 KB), tile by tile, since its rows lie far apart:
 * each in another page and often in the same cache set.  The copy is filled
 * up with zeros, so only the stores know of edges.  The next block of W is
 * fetched ahead.
 */

#define KT_KC   128
#define KT_MB   192                 /* columns of a block */


typedef struct {
    int64_t       k;
    int64_t       xs;               /* from a row of x to the next */
    int64_t       ldc;
    const float  *x;
    const float  *w;
    const float  *next;             /* the block of W after this one */
    float        *c;
    const float  *bias;
    bool          load;
    int           m;                /* columns that exist */
} kt_tile_t;


V_INL V
kt_start(const float *c, const float *bias, bool load, int m)
{
    V  v;

    v = load ? v_loads(c, m) : v_zero();

    if (bias != NULL) {
        v = load ? v_add(v, v_set1(*bias)) : v_set1(*bias);
    }

    return v;
}


/* What kt_tile() does for channel r of C. */
#define KT_START(r)                                                           \
    V  x##r, y##r, z##r;                                                      \
    if (C > r) {                                                              \
        x##r = kt_start(c + r * ldc, s ? s + r : s, t->load, t->m);           \
        if (U > 1) {                                                          \
            y##r = kt_start(c + r * ldc + VL, s ? s + r : s, t->load,         \
                            t->m - VL);                                       \
        }                                                                     \
        if (U > 2) {                                                          \
            z##r = kt_start(c + r * ldc + 2 * VL, s ? s + r : s, t->load,     \
                            t->m - 2 * VL);                                   \
        }                                                                     \
    }

#define KT_STEP(r)                                                            \
    if (C > r) {                                                              \
        v = v_set1(w[r]);                                                     \
        x##r = v_fma(v, p, x##r);                                             \
        if (U > 1) {                                                          \
            y##r = v_fma(v, q, y##r);                                         \
        }                                                                     \
        if (U > 2) {                                                          \
            z##r = v_fma(v, o, z##r);                                         \
        }                                                                     \
    }

#define KT_END(r)                                                             \
    if (C > r) {                                                              \
        v_stores(c + r * ldc, x##r, t->m);                                    \
        if (U > 1) {                                                          \
            v_stores(c + r * ldc + VL, y##r, t->m - VL);                      \
        }                                                                     \
        if (U > 2) {                                                          \
            v_stores(c + r * ldc + 2 * VL, z##r, t->m - 2 * VL);              \
        }                                                                     \
    }


/* C channels by U vectors, both constants where this is inlined. */
V_INL void
kt_tile(const kt_tile_t *t, const int C, const int U)
{
    V             v, p, q, o;
    float        *c = t->c;
    int64_t       k, ldc = t->ldc, xs = t->xs;
    const float  *x = t->x, *w = t->w, *s = t->bias, *f = t->next;

    KT_C(KT_START)

    q = o = v_zero();

#pragma GCC unroll 2
    for (k = 0; k < t->k; k++) {
        p = v_load(x);

        if (U > 1) {
            q = v_load(x + VL);
        }

        if (U > 2) {
            o = v_load(x + 2 * VL);
        }

        __builtin_prefetch(f);
        f += MAAS_P16;
        x += xs;
        KT_C(KT_STEP)
        w += MAAS_P16;
    }

    KT_C(KT_END)
}


#define KT_DEFINE(r)                                                          \
    static __attribute__((noinline)) void                                     \
    kt_tile_##r##_1(const kt_tile_t *t)                                       \
    {                                                                         \
        kt_tile(t, r + 1, 1);                                                 \
    }                                                                         \
    static __attribute__((noinline)) void                                     \
    kt_tile_##r##_2(const kt_tile_t *t)                                       \
    {                                                                         \
        kt_tile(t, r + 1, 2);                                                 \
    }                                                                         \
    static __attribute__((noinline)) void                                     \
    kt_tile_##r##_3(const kt_tile_t *t)                                       \
    {                                                                         \
        kt_tile(t, r + 1, 3);                                                 \
    }
#define KT_NAME(r)  { kt_tile_##r##_1, kt_tile_##r##_2, kt_tile_##r##_3 },

KT_C(KT_DEFINE)

static void (*const  kt_tiles[][3])(const kt_tile_t *t) = { KT_C(KT_NAME) };


/* Vectors of the next tile when left remain: 3, but 2 + 2 and not 3 + 1. */
V_INL int
kt_vectors(int left)
{
    return left == 4 ? 2 : left > 3 ? 3 : left;
}


/* k rows of X, columns [0, m), in tiles, each of k rows of its vectors. */
static void
kt_copy(float *d, const float *x, int64_t ldx, int64_t k, int m)
{
    int           j, u, w, left;
    int64_t       i;
    const float  *s;

    for (left = (m + VL - 1) / VL; left > 0; left -= u) {
        u = kt_vectors(left);
        w = maas_min(m, u * VL);
        s = x;

        for (i = 0; i < k; i++) {
            for (j = 0; j + VL <= w; j += VL) {
                v_store(d + j, v_load(s + j));
            }

            if (j < w) {
                v_store(d + j, v_loadn(s + j, w - j));
            }

            d += u * VL;
            s += ldx;
        }

        x += u * VL;
        m -= u * VL;
    }
}


/*
 * One panel of W (ch channels of it) against all tiles of a block; t has
 * the block's first w, c and bias.
 */
static void
kt_panel(kt_tile_t t, const float *x, int m, int ch)
{
    int        u, r, parts, part, chs, left;
    kt_tile_t  q;

    parts = (ch + KT_CH - 1) / KT_CH;

    for (left = (m + VL - 1) / VL; left > 0; left -= u) {
        u = kt_vectors(left);
        chs = ch;
        q = t;
        q.m = maas_min(m, u * VL);
        q.x = x;
        q.xs = u * VL;

        for (part = parts; part > 0; part--) {
            r = (chs + part - 1) / part;
            kt_tiles[r - 1][u - 1](&q);
            q.w += r;
            q.c += r * t.ldc;
            q.bias = q.bias ? q.bias + r : NULL;
            chs -= r;
        }

        x += t.k * u * VL;
        t.c += u * VL;
        m -= u * VL;
    }
}


void
MAAS_K(gemmt)(const maas_gemmt_t *g, int64_t m0, int64_t m1, int64_t n0,
    int64_t n1)
{
    int        mb;
    float      buf[KT_KC * KT_MB] __attribute__((aligned(64)));
    int64_t    m, n, k;
    kt_tile_t  t = { 0 };

    n1 = maas_min(n1, g->n);
    t.ldc = g->ldc;

    for (m = m0; m < m1; m += mb) {
        mb = (int) maas_min(m1 - m, KT_MB);
        k = 0;

        do {
            t.k = maas_min(g->k - k, KT_KC);
            t.load = k != 0 || g->accumulate;
            kt_copy(buf, g->x + k * g->ldx + m, g->ldx, t.k, mb);

            for (n = n0; n < n1; n += MAAS_P16) {
                t.w = g->w + n * g->k + k * MAAS_P16;
                t.next = n + MAAS_P16 < n1 ? t.w + g->k * MAAS_P16
                         : g->w + n0 * g->k + (k + t.k < g->k ? k + t.k : 0)
                           * MAAS_P16;
                t.c = g->c + n * g->ldc + m;
                t.bias = g->bias != NULL && k == 0 ? g->bias + n : NULL;
                kt_panel(t, buf, mb, (int) maas_min(n1 - n, MAAS_P16));
            }

            k += t.k;
        } while (k < g->k);
    }
}
