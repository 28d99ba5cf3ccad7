/*
 * gemm_tile: float32 C = A * B for one instruction set; a template over the
 * words of vec_*.h.  The includer defines MAAS_ISA, KG_ROWS (rows of the
 * widest tile), KG_KC (k of a block) and KG_R (a list macro of the rows).
 *
 * Up to four rows: gemm_rows.h, which the includer includes before; the first
 * value of a chain is its kr_start(), too.  Else a
 * tile is KG_ROWS rows by two vectors, or by one where a matrix, or its
 * last columns, are no more.  Blocks: KG_KC of k, KG_MC rows,
 * then pairs of vectors, whose block of B stays in a near cache while
 * the rows pass.  Between blocks of k the partial sums lie in C, which
 * changes no bit of the chain.  The next block of B is fetched ahead, to the
 * second cache, as the first has no room for two: the hardware does not
 * guess that it lies K * 64 bytes further.  Behind the last block comes what
 * follows in memory, which is the next unit's.
 */

#define KG_VPP  (MAAS_P16 / VL)     /* vectors of a panel */
#define KG_MC   240


typedef struct {
    int64_t       k;                /* of this block */
    int64_t       lda;
    int64_t       ldc;
    int64_t       vstride;          /* from a vector of B to the next */
    const float  *a;
    const float  *b;
    const float  *next;             /* the block of B after this one */
    float        *c;
    const float  *bias;             /* of this column, or NULL */
    const float  *after;            /* likewise, where the chain ends */
    bool          load;
    int           n;                /* columns that exist */
} kg_tile_t;


/* What kg_tile() does for row r of R. */
#define KG_START(r)                                                           \
    V  x##r, y##r = v_zero();                                                 \
    if (R > r) {                                                              \
        x##r = kr_start(c + r * ldc, s, t->load, t->n);                       \
    }                                                                         \
    if (R > r && W > 1) {                                                     \
        y##r = kr_start(c + r * ldc + VL, s1, t->load, t->n - VL);            \
    }

#define KG_STEP(r)                                                            \
    if (R > r) {                                                              \
        v = v_set1(T ? a0[r] : (r < 3 ? a0 : r < 6 ? a3 : r < 9 ? a6          \
                                : a9)[k + (r % 3) * lda]);                    \
        x##r = v_fma(v, b0, x##r);                                            \
        y##r = W > 1 ? v_fma(v, b1, y##r) : y##r;                             \
    }

#define KG_AFTER(r)                                                           \
    if (R > r) {                                                              \
        x##r = v_add(x##r, b0);                                               \
        y##r = v_add(y##r, b1);                                               \
    }

#define KG_END(r)                                                             \
    if (R > r) {                                                              \
        v_stores(c + r * ldc, x##r, t->n);                                    \
    }                                                                         \
    if (R > r && W > 1) {                                                     \
        v_stores(c + r * ldc + VL, y##r, t->n - VL);                          \
    }


/*
 * R rows by W vectors; R, W and T are constants where this is inlined.  T: A
 * lies transposed, the rows of a k next to each other.
 */
V_INL void
kg_tile(const kg_tile_t *t, const int R, const int W, const bool T)
{
    V             b0, b1 = v_zero(), v;
    int64_t       k, lda = t->lda, ldc = t->ldc, vs = t->vstride;
    float        *c = t->c;
    const float  *a0, *a3, *a6, *a9, *b = t->b, *f = t->next;
    const float  *s = t->bias, *s1 = s ? s + VL : NULL;

    KG_R(KG_START)

    a0 = t->a;
    a3 = a0 + (T ? 0 : 3 * lda);
    a6 = a0 + (T ? 0 : 6 * lda);
    a9 = a0 + (T ? 0 : 9 * lda);

#pragma GCC unroll 4
    for (k = 0; k < t->k; k++) {
        b0 = v_load(b);
        b1 = W > 1 ? v_load(b + vs) : b1;
        __builtin_prefetch(f, 0, 2);

        if (VL == MAAS_P16 && W > 1) {
            __builtin_prefetch(f + vs, 0, 2);
        }

        b += MAAS_P16;
        f += MAAS_P16;
        KG_R(KG_STEP)
        a0 += T ? lda : 0;
    }

    if (t->after != NULL) {
        b0 = v_loads(t->after, t->n);
        b1 = v_loads(t->after + VL, t->n - VL);

        KG_R(KG_AFTER)
    }

    KG_R(KG_END)
}


#define KG_FN(name, r, w, t)                                                  \
    static __attribute__((noinline)) void                                     \
    kg_##name##_##r(const kg_tile_t *tile)                                    \
    {                                                                         \
        kg_tile(tile, r + 1, w, t);                                           \
    }
#define KG_DEFINE(r)                                                          \
    KG_FN(two, r, 2, false) KG_FN(one, r, 1, false)                           \
    KG_FN(turned_two, r, 2, true) KG_FN(turned_one, r, 1, true)

#define KG_TWO(r)         kg_two_##r,
#define KG_ONE(r)         kg_one_##r,
#define KG_TURNED_TWO(r)  kg_turned_two_##r,
#define KG_TURNED_ONE(r)  kg_turned_one_##r,

KG_R(KG_DEFINE)

/* By: A is turned, one vector, rows less 1. */
static void (*const  kg_tiles[2][2][KG_ROWS])(const kg_tile_t *t) = {
    { { KG_R(KG_TWO) }, { KG_R(KG_ONE) } },
    { { KG_R(KG_TURNED_TWO) }, { KG_R(KG_TURNED_ONE) } }
};


/* Rows [i0, i1), k [k0, k0 + t->k): all columns. */
static void
kg_block(const maas_gemm_t *g, kg_tile_t *t, int64_t i0, int64_t i1,
    int64_t k0, bool turned)
{
    int64_t  i, n, r, tiles, left, step, after;

    t->load = k0 != 0 || g->accumulate;
    step = maas_max(2 * VL, MAAS_P16);
    after = k0 + t->k < g->k
            ? (k0 + t->k) * MAAS_P16
            : (g->n + MAAS_P16 - 1) / MAAS_P16 * MAAS_P16 * g->k;

    for (n = 0; n < g->n; n += step) {
        t->n = (int) maas_min(g->n - n, step);
        t->b = g->b + n * g->k + k0 * MAAS_P16;
        t->next = n + step < g->n ? t->b + step * g->k : g->b + after;
        t->bias = g->bias != NULL && k0 == 0 ? g->bias + n : NULL;
        t->after = g->after != NULL && k0 + t->k == g->k ? g->after + n
                                                         : NULL;

        t->vstride = VL < MAAS_P16 ? VL : MAAS_P16 * g->k;

        tiles = (i1 - i0 + KG_ROWS - 1) / KG_ROWS;
        left = i1 - i0;

        for (i = i0; i < i1; i += r) {
            r = (left + tiles - 1) / tiles;
            t->a = g->a + (turned ? k0 * g->lda + i : i * g->lda + k0);
            t->c = g->c + i * g->ldc + n;
            kg_tiles[turned][t->n <= VL][r - 1](t);
            left -= r;
            tiles--;
        }
    }
}


static void
kg_blocks(const maas_gemm_t *g, int64_t m0, int64_t m1, bool turned)
{
    int64_t    i, k, mb;
    kg_tile_t  t = { .lda = g->lda, .ldc = g->ldc };

    for (i = m0; i < m1; i += mb) {
        mb = m1 - i <= KG_MC + KG_MC / 2 ? m1 - i : KG_MC;
        k = 0;

        do {
            t.k = maas_min(g->k - k, KG_KC);
            kg_block(g, &t, i, i + mb, k, turned);
            k += t.k;
        } while (k < g->k);
    }
}


void
MAAS_K(gemm)(const maas_gemm_t *g, int64_t m0, int64_t m1)
{
    if (m1 - m0 <= KR_MOST) {
        kr_gemm(g, m0, m1);

    } else {
        kg_blocks(g, m0, m1, false);
    }
}


void
MAAS_K(gemmta)(const maas_gemm_t *g, int64_t m0, int64_t m1)
{
    kg_blocks(g, m0, m1, true);
}
