/*
 * qgemm_tile: the product of 8-bit panels for one instruction set; a
 * template.  The includer defines KQ_NAME(op), the words
 *
 *   QV               a vector of sums of KQ_COLS columns
 *   QB, q_load(p)    4 k of KQ_COLS columns
 *   QA, q_set(a)     4 k of one row, for all columns
 *   q_dot(s, a, b)   s + the products
 *   q_store(c, s, add)   KQ_COLS sums to c, or onto c
 *
 * KQ_ROWS by two vectors is the tile.  Blocks of KQ_KC of k, whose panels
 * stay in the first cache while the rows pass; between blocks the sums lie
 * in C.
 */

#define KQ_KC  768


typedef struct {
    int64_t        k;               /* of this block */
    int64_t        lda, ldc;
    const uint8_t *a;
    const int8_t  *b[2];
    const int8_t  *next[2];         /* the blocks of B after these */
    int32_t       *c;
    bool           add;
} kq_tile_t;


/* Up to 4 bytes of a row, zeros behind them. */
static inline __attribute__((always_inline)) uint32_t
kq_word(const uint8_t *a, int64_t n)
{
    uint32_t  w = 0;

    if (n >= 4) {
        memcpy(&w, a, 4);
        return w;
    }

    for (int64_t i = 0; i < n; i++) {
        w |= (uint32_t) a[i] << (8 * i);
    }

    return w;
}


/* Row r of four k; `word` reads them. */
#define KQ_STEP(r, word)                                                      \
        if (R > r) {                                                          \
            a = q_set(word((r < 3 ? a0 : r < 6 ? a3 : r < 9 ? a6 : a9)        \
                           + (r % 3) * lda + k));                             \
            x##r = q_dot(x##r, a, b0);                                        \
            if (W > 1) {                                                      \
                y##r = q_dot(y##r, a, b1);                                    \
            }                                                                 \
        }
#define KQ_WORD(p)     kq_word(p, 4)
#define KQ_TAIL(p)     kq_word(p, t->k - k)
#define KQ_STEP4(r)    KQ_STEP(r, KQ_WORD)
#define KQ_STEPEND(r)  KQ_STEP(r, KQ_TAIL)


/* R rows by W vectors; both are constants where this is inlined. */
static inline __attribute__((always_inline)) void
kq_tile(const kq_tile_t *t, const int R, const int W)
{
    QA              a;
    QB              b0, b1;
    int64_t         k, lda = t->lda, whole = t->k / 4 * 4;
    const int8_t   *p0 = t->b[0], *p1 = t->b[1];
    const int8_t   *f0 = t->next[0], *f1 = t->next[1];
    const uint8_t  *a0, *a3, *a6, *a9;

#define KQ_START(r)                                                           \
    QV  x##r = q_zero(), y##r = q_zero();
    KQ_R(KQ_START)

    a0 = t->a;
    a3 = a0 + 3 * lda;
    a6 = a0 + 6 * lda;
    a9 = a0 + 9 * lda;

    for (k = 0; k < whole; k += 4) {
        b0 = q_load(p0 + k * MAAS_Q16);
        b1 = W > 1 ? q_load(p1 + k * MAAS_Q16) : b0;
        __builtin_prefetch(f0 + k * MAAS_Q16, 0, 2);

        if (W > 1 && KQ_COLS == MAAS_Q16) {
            __builtin_prefetch(f1 + k * MAAS_Q16, 0, 2);
        }

        KQ_R(KQ_STEP4)
    }

    if (k < t->k) {
        b0 = q_load(p0 + k * MAAS_Q16);
        b1 = W > 1 ? q_load(p1 + k * MAAS_Q16) : b0;
        KQ_R(KQ_STEPEND)
    }

#define KQ_END(r)                                                             \
    if (R > r) {                                                              \
        q_store(t->c + r * t->ldc, x##r, t->add);                             \
        if (W > 1) {                                                          \
            q_store(t->c + r * t->ldc + KQ_COLS, y##r, t->add);               \
        }                                                                     \
    }
    KQ_R(KQ_END)
}


#define KQ_DEFINE(r)                                                          \
    static __attribute__((noinline)) void                                     \
    kq_tile_##r(const kq_tile_t *t)                                           \
    {                                                                         \
        kq_tile(t, r + 1, 2);                                                 \
    }                                                                         \
    static __attribute__((noinline)) void                                     \
    kq_half_##r(const kq_tile_t *t)                                           \
    {                                                                         \
        kq_tile(t, r + 1, 1);                                                 \
    }
#define KQ_FULL(r)  kq_tile_##r,
#define KQ_HALF(r)  kq_half_##r,

KQ_R(KQ_DEFINE)

static void (*const  kq_tiles[2][KQ_ROWS])(const kq_tile_t *t) = {
    { KQ_R(KQ_FULL) }, { KQ_R(KQ_HALF) }
};


/* Where column n lies from k0 on. */
static const int8_t *
kq_at(const maas_qgemm_t *g, int64_t n, int64_t k0)
{
    return g->b + n / MAAS_Q16 * maas_q16_panel(g->k) + MAAS_Q16_HEAD
           + k0 * MAAS_Q16 + n % MAAS_Q16 * 4;
}


/*
 * All rows of the columns from n on, k [k0, k0 + t->k); half a tile wide.
 * What comes next is fetched ahead: the next columns, the next k of the
 * first ones, or behind the last block the panels of the next unit.
 */
static void
kq_rows(const maas_qgemm_t *g, kq_tile_t *t, int64_t n, int64_t k0, bool half)
{
    int64_t  i, r, to, k1 = k0, left = g->m;
    int64_t  tiles = (g->m + KQ_ROWS - 1) / KQ_ROWS;

    to = n + 2 * KQ_COLS;

    if (to >= g->n) {
        k1 = k0 + t->k < g->k ? k0 + t->k : 0;
        to = k1 != 0 ? 0 : (g->n + MAAS_Q16 - 1) / MAAS_Q16 * MAAS_Q16;
    }

    for (int w = 0; w < (half ? 1 : 2); w++) {
        t->b[w] = kq_at(g, n + w * KQ_COLS, k0);
    }

    t->next[0] = kq_at(g, to, k1);
    t->next[1] = kq_at(g, to + KQ_COLS, k1);

    for (i = 0; i < g->m; i += r) {
        r = (left + tiles - 1) / tiles;
        t->a = g->a + i * g->lda + k0;
        t->c = g->c + i * g->ldc + n;
        kq_tiles[half][r - 1](t);
        left -= r;
        tiles--;
    }
}


void
KQ_NAME(const maas_qgemm_t *g)
{
    bool       half;
    int64_t    k = 0, n, pad;
    kq_tile_t  t = { .lda = g->lda, .ldc = g->ldc };

    pad = (g->n + MAAS_Q16 - 1) / MAAS_Q16 * MAAS_Q16;

    do {
        t.k = maas_min(g->k - k, KQ_KC);
        t.add = k != 0;

        for (n = 0; n < pad; n += half ? KQ_COLS : 2 * KQ_COLS) {
            half = pad - n < 2 * KQ_COLS;
            kq_rows(g, &t, n, k, half);
        }

        k += t.k;
    } while (k < g->k);
}
