/*
 * gemm_rows: float32 C = A * B of one to four rows of A for one instruction
 * set; a template over the words of vec_*.h.  The includer defines MAAS_ISA
 * and how many vectors of columns go with two rows, KR_W2, and with three or
 * four, KR_W4 (with one: eight).
 *
 * B passes once, so there is nothing to block by k: a tile is as wide as the
 * registers hold, so that its chains hide the latency and its columns lie in
 * few streams.  B is P16 panels or plain, in which case the last vector of a
 * row is read as far as it exists; the chains are the same.
 */

#define KR_VPP   (MAAS_P16 / VL)    /* vectors of a panel */
#define KR_MOST  4


typedef struct {
    int64_t       step;             /* of B, from a k to the next */
    int64_t       left;             /* columns that exist */
    int64_t       vec[8];           /* where vector j begins */
    const float  *a, *b;
    float        *c;
    const float  *bias, *after;     /* of the first column, or NULL */
} kr_tile_t;


/* The first value of the chain; n columns of the vector exist. */
V_INL V
kr_start(const float *c, const float *bias, bool load, int64_t n)
{
    V  v;

    v = load ? v_loads(c, n) : v_zero();

    if (bias != NULL) {
        v = load ? v_add(v, v_loads(bias, n)) : v_loads(bias, n);
    }

    return v;
}


/* R rows by W vectors, constants where this is inlined; cut: the last one. */
V_INL void
kr_tile(const maas_gemm_t *g, const kr_tile_t *t, const int R, const int W,
    const bool cut)
{
    V             v, w, acc[4][8];
    int64_t       k, lda = g->lda, some = t->left - (W - 1) * VL;
    const float  *b = t->b, *a = t->a;

#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < W; j++) {
            acc[r][j] = kr_start(t->c + r * g->ldc + j * VL,
                                 t->bias ? t->bias + j * VL : NULL,
                                 g->accumulate, t->left - j * VL);
        }
    }

#pragma GCC unroll 2
    for (k = 0; k < g->k; k++) {
#pragma GCC unroll 8
        for (int j = 0; j < W; j++) {
            w = cut && j == W - 1 ? v_loads(b + t->vec[j], some)
                                  : v_load(b + t->vec[j]);
#pragma GCC unroll 4
            for (int r = 0; r < R; r++) {
                v = v_set1(a[r * lda + k]);
                acc[r][j] = v_fma(v, w, acc[r][j]);
            }
        }

        b += t->step;
    }

#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
        for (int j = 0; j < W; j++) {
            v = acc[r][j];

            if (t->after != NULL) {
                v = v_add(v, v_loads(t->after + j * VL, t->left - j * VL));
            }

            v_stores(t->c + r * g->ldc + j * VL, v, t->left - j * VL);
        }
    }
}


#define KR_FN(kind, r, w, cut)                                                \
    static __attribute__((noinline)) void                                     \
    kr_##kind##_##r##_##w(const maas_gemm_t *g, const kr_tile_t *t)           \
    {                                                                         \
        kr_tile(g, t, r, w, cut);                                             \
    }

#define KR_8(F, k, r, c)                                                      \
    F(k, r, 1, c) F(k, r, 2, c) F(k, r, 3, c) F(k, r, 4, c) F(k, r, 5, c)     \
    F(k, r, 6, c) F(k, r, 7, c) F(k, r, 8, c)
#define KR_ALL(F, k, c)                                                       \
    KR_8(F, k, 1, c) KR_8(F, k, 2, c)                                         \
    F(k, 3, 1, c) F(k, 3, 2, c) F(k, 3, 3, c) F(k, 3, 4, c)                   \
    F(k, 4, 1, c) F(k, 4, 2, c) F(k, 4, 3, c) F(k, 4, 4, c)
#define KR_NAME(k, r, w, c)  [r - 1][w - 1] = kr_##k##_##r##_##w,

KR_ALL(KR_FN, whole, false)
KR_ALL(KR_FN, cut, true)

static void (*const  kr_tiles[2][KR_MOST][8])(const maas_gemm_t *g,
    const kr_tile_t *t) = {
    { KR_ALL(KR_NAME, whole, false) },
    { KR_ALL(KR_NAME, cut, true) }
};


/* `rows` of A from i on, all columns; plain: B is. */
static void
kr_rows(const maas_gemm_t *g, int64_t i, int rows, bool plain)
{
    int        most = rows == 1 ? 8 : rows == 2 ? KR_W2 : KR_W4, w;
    int64_t    n;
    kr_tile_t  t = { .a = g->a + i * g->lda };

    t.step = plain ? g->ldb : MAAS_P16;

    for (int j = 0; j < 8; j++) {
        t.vec[j] = plain ? j * VL
                         : j / KR_VPP * MAAS_P16 * g->k + j % KR_VPP * VL;
    }

    for (n = 0; n < g->n; n += w * VL) {
        t.left = g->n - n;
        t.b = g->b + (plain ? n : n * g->k);
        t.c = g->c + i * g->ldc + n;
        t.bias = g->bias != NULL ? g->bias + n : NULL;
        t.after = g->after != NULL ? g->after + n : NULL;
        w = (int) maas_min((t.left + VL - 1) / VL, most);
        kr_tiles[plain && t.left < w * VL][rows - 1][w - 1](g, &t);
    }
}


/* At most KR_MOST rows by panels. */
static void
kr_gemm(const maas_gemm_t *g, int64_t m0, int64_t m1)
{
    if (m0 < m1) {
        kr_rows(g, m0, (int) (m1 - m0), false);
    }
}


void
MAAS_K(gemmb)(const maas_gemm_t *g, int64_t m0, int64_t m1)
{
    int  rows;

    for ( /* void */ ; m0 < m1; m0 += rows) {
        rows = m1 - m0 <= KR_MOST ? (int) (m1 - m0)
               : m1 - m0 <= 2 * KR_MOST ? (int) (m1 - m0 + 1) / 2 : KR_MOST;
        kr_rows(g, m0, rows, true);
    }
}
