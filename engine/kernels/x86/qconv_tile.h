/*
 * qconv_tile: convolutions of 8-bit numbers for one instruction set; a
 * template.  The includer defines KC_NAME(op), KC_ROWS pixels and KC_R of
 * them, and the words of qgemm_tile.h without q_zero and q_store, but
 *
 *   q_start(s)         a vector of KQ_COLS sums that begin so
 *   kc_emit(t, r, v, s)  what becomes of pixel r's vector v of sums
 *   kc_end(t, rows, v)   after all of them, of so many vectors
 *
 * A tile is KC_ROWS pixels of a row by two vectors.  All pixels meet the
 * weights of a tile before the next ones are read.
 */

typedef struct {
    const maas_qconv16_t  *c;
    const uint8_t  *x;              /* first tap of the first pixel */
    const int8_t   *w[2], *ahead;
    const int32_t  *start[2];
    const float    *scale[2];
    int64_t         at[2];          /* elements of y */
#ifdef KC_BUFFER
    int64_t         block;
    int             lane;           /* of the block, of the first vector */
    int32_t         sum[KC_ROWS][2 * KQ_COLS];
#endif
} kc_tile_t;


#ifdef KC_BUFFER

/* Sums go by way of memory where a vector has fewer than 16. */
#define kc_emit(t, r, v, s)  q_store((t)->sum[r] + (v) * KQ_COLS, s)

static void
kc_end(const kc_tile_t *t, int rows, int v)
{
    const maas_qconv16_t  *c = t->c;
    int32_t                sum[16];
    uint8_t                y[16], add[16];
    const int              n = v * KQ_COLS;
    maas_qconv16_t         one;

    for (int r = 0; r < rows; r++) {
        if (n == 16) {
            KC_ROW(c, t->sum[r], t->scale[0], t->at[0] + r * 16);
            continue;
        }

        /* A part of the lanes of a block. */
        memset(sum, 0, sizeof(sum));
        memcpy(sum + t->lane, t->sum[r], (size_t) n * sizeof(int32_t));

        if (c->scale == NULL) {
            memcpy((int32_t *) c->y + t->at[0] + r * 16 + t->lane,
                   t->sum[r], (size_t) n * sizeof(int32_t));
            continue;
        }

        one = *c;
        one.y = y;

        if (c->add != NULL) {
            memcpy(add, c->add + t->at[0] + r * 16, sizeof(add));
            one.add = add;
        }

        KC_ROW(&one, sum, t->scale[0], 0);
        memcpy((uint8_t *) c->y + t->at[0] + r * 16 + t->lane, y + t->lane,
               (size_t) n);
    }
}

#endif


static inline __attribute__((always_inline)) uint32_t
kc_word(const uint8_t *p)
{
    uint32_t  w;

    memcpy(&w, p, 4);
    return w;
}


#define KC_STEP(r)                                                            \
        if (R > r) {                                                          \
            a = q_set(kc_word((r < 3 ? p0 : r < 6 ? p3 : r < 9 ? p6           \
                               : r < 12 ? p9 : p12) + (r % 3) * step + i));   \
            x##r = q_dot(x##r, a, b0);                                        \
            if (W > 1) {                                                      \
                y##r = q_dot(y##r, a, b1);                                    \
            }                                                                 \
        }

#define KC_FOUR                                                               \
        b0 = q_load(w0);                                                      \
        b1 = W > 1 ? q_load(w1) : b0;                                         \
        __builtin_prefetch(ahead, 0, 2);                                      \
        __builtin_prefetch(ahead + wide, 0, 2);                               \
        w0 += 64;                                                             \
        w1 += 64;                                                             \
        ahead += 64;                                                          \
        KC_R(KC_STEP)

/* R pixels by W vectors; both are constants where this is inlined. */
static inline __attribute__((always_inline)) void
kc_tile(kc_tile_t *t, const int R, const int W)
{
    QA                     a;
    QB                     b0, b1;
    int64_t                i, n, na, nb, nc, passes, step;
    const int8_t          *w0 = t->w[0], *w1 = t->w[1], *ahead = t->ahead;
    const uint8_t         *xa, *xb, *p0, *p3, *p6, *p9, *p12;
    const maas_qconv16_t  *c = t->c;
    const int64_t          wide = c->wblock;

    step = c->xcol;

#define KC_START(r)                                                           \
    QV  x##r = q_start(t->start[0]), y##r = q_start(t->start[1]);
    KC_R(KC_START)

    for (passes = c->passes; passes > 0; passes--) {
        xa = t->x;

        for (na = c->na; na > 0; na--, xa += c->xa) {
            n = na > 1 ? c->run : c->last;
            xb = xa;

            for (nb = c->nb; nb > 0; nb--, xb += c->xb) {
                p0 = xb;

                for (nc = c->nc; nc > 0; nc--, p0 += c->xc) {
                    p3 = p0 + 3 * step;
                    p6 = p3 + 3 * step;
                    p9 = p6 + 3 * step;
                    p12 = p9 + 3 * step;

                    for (i = 0; i < n; i += 4) {
                        KC_FOUR
                    }
                }
            }
        }
    }

#define KC_END(r)                                                             \
    if (R > r) {                                                              \
        kc_emit(t, r, 0, x##r);                                               \
        if (W > 1) {                                                          \
            kc_emit(t, r, 1, y##r);                                           \
        }                                                                     \
    }
    KC_R(KC_END)
    kc_end(t, R, W);
}


#define KC_DEFINE(r)                                                          \
    static __attribute__((noinline)) void                                     \
    kc_tile_##r(kc_tile_t *t)                                                 \
    {                                                                         \
        kc_tile(t, r + 1, 2);                                                 \
    }                                                                         \
    static __attribute__((noinline)) void                                     \
    kc_half_##r(kc_tile_t *t)                                                 \
    {                                                                         \
        kc_tile(t, r + 1, 1);                                                 \
    }
#define KC_FULL(r)  kc_tile_##r,
#define KC_HALF(r)  kc_half_##r,

KC_R(KC_DEFINE)

static void (*const  kc_tiles[2][KC_ROWS])(kc_tile_t *t) = {
    { KC_R(KC_FULL) }, { KC_R(KC_HALF) }
};


/* Every pixel by the weights of one tile, from column n of 16 a block on. */
static void
kc_pixels(const maas_qconv16_t *c, kc_tile_t *t, int64_t n, bool half)
{
    int64_t  at[2], r, left, tiles, i;

    for (int v = 0; v < (half ? 1 : 2); v++) {
        i = n + v * KQ_COLS;
        t->w[v] = c->w + i / 16 * c->wblock + i % 16 * 4;
        t->start[v] = c->start + i;
        t->scale[v] = c->scale != NULL ? c->scale + i : NULL;
        at[v] = i / 16 * c->yblock;
    }

    t->ahead = t->w[0] + 2 * KQ_COLS / 16 * c->wblock;

    if (n + 2 * KQ_COLS >= c->blocks * 16) {
        t->ahead = c->ahead != NULL ? c->ahead : t->w[0];
    }

    if (half) {
        t->w[1] = t->w[0];
        t->start[1] = t->start[0];
        at[1] = at[0];
    }

#ifdef KC_BUFFER
    t->lane = (int) (n % 16);
    if (t->scale[0] != NULL) {
        t->scale[0] -= t->lane;
    }
#endif

    for (int64_t y = 0; y < c->rows; y++) {
        left = c->cols;
        tiles = (c->cols + KC_ROWS - 1) / KC_ROWS;

        for (i = 0; i < c->cols; i += r) {
            r = (left + tiles - 1) / tiles;
            t->x = c->x + y * c->xrow + i * c->xcol;
            t->at[0] = at[0] + y * c->yrow + i * 16;
            t->at[1] = at[1] + y * c->yrow + i * 16;
            kc_tiles[half][r - 1](t);
            left -= r;
            tiles--;
        }
    }
}


void
KC_NAME(const maas_qconv16_t *c)
{
    bool       half;
    int64_t    n, cols = c->blocks * 16;
    kc_tile_t  t = { .c = c };

    for (n = 0; n < cols; n += half ? KQ_COLS : 2 * KQ_COLS) {
        half = cols - n < 2 * KQ_COLS;
        kc_pixels(c, &t, n, half);
    }
}
