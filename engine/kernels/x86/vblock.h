/*
 * vblock: convolution over blocks of 16 channels for one instruction set; a
 * template over the words of vec_*.h.  The includer defines MAAS_ISA,
 * KB_HALF (pixels of half a tile) and KB_R (a list macro of the pixels).
 *
 * A tile is two halves of pixels, which follow each other in a row or lie in
 * two rows, by two vectors of channels: every weight that is loaded meets
 * all pixels, every input both vectors.  Weights pass from the second cache;
 * those of the next channels are fetched ahead, some with each tile.  Where
 * the outputs go is fetched before the chain begins.
 *
 * Windows (depthwise, maximum) and sums are in vwindow.h.
 */

#define KB_CH  (2 * VL)         /* channels of a tile */


typedef struct {
    const maas_conv16_t  *c;
    const float          *x0;       /* of the first pixel */
    const float          *add0;
    float                *y0;
    const float          *x;
    const float          *w;
    const float          *bias;
    const float          *add;
    float                *y;
    int64_t               xhalf;    /* from the first half to the second */
    int64_t               yhalf;
    const char           *fetch;    /* with the next tile */
    int64_t               pace;     /* bytes of it with each weight */
    int64_t               pass;     /* bytes of it with each tile */
    int                   n;        /* channels that exist */
} kb_tile_t;


/* Pixel q of a half; s1, s3, s5: that many times the bytes of a step. */
#define KB_AT(p, q)                                                           \
    (*(const float *) ((const char *) (p)                                     \
        + ((q) == 0 ? 0 : (q) == 1 ? s1 : (q) == 2 ? 2 * s1 : (q) == 3 ? s3   \
           : (q) == 4 ? 4 * s1 : (q) == 5 ? s5 : 2 * s3)))

#define KB_HAS(r)  ((r) < KB_HALF ? R0 > (r) : R1 > (r) - KB_HALF)
#define KB_OUT(r)  ((r) < KB_HALF ? (r) * MAAS_C16                            \
                    : t->yhalf + ((r) - KB_HALF) * MAAS_C16)


/* R0 and R1 pixels by W vectors; constants where this is inlined. */
V_INL void
kb_tile(const kb_tile_t *t, const int R0, const int R1, const int W)
{
    V                     b0, b1, v;
    float                *y = t->y;
    int64_t               a, b, i, k, run, s1, s3, s5, vs, ys, fs;
    const char           *f = t->fetch;
    const float          *w, *p0, *p1, *pb, *add = t->add;
    const maas_conv16_t  *c = t->c;

    s1 = c->xcol * (int64_t) sizeof(float);
    s3 = 3 * s1;
    s5 = 5 * s1;
    vs = VL < MAAS_C16 ? VL : W > 1 ? c->wblock : 0;
    ys = VL < MAAS_C16 ? VL : c->yblock;
    fs = vs * (int64_t) sizeof(float);

    b0 = t->bias != NULL ? v_loads(t->bias, t->n) : v_zero();
    b1 = t->bias != NULL && W > 1 ? v_loads(t->bias + VL, t->n - VL)
                                  : v_zero();

#define KB_START(r)  V  x##r = b0, z##r = b1;
    KB_R(KB_START)

#define KB_SUMS(r)                                                            \
        if (KB_HAS(r)) {                                                      \
            x##r = v_load(y + KB_OUT(r));                                     \
                                                                              \
            if (W > 1) {                                                      \
                z##r = v_load(y + KB_OUT(r) + ys);                            \
            }                                                                 \
        }

#define KB_TOUCH(r)                                                           \
        if (KB_HAS(r)) {                                                      \
            __builtin_prefetch(p0 + KB_OUT(r));                               \
                                                                              \
            if (W > 1 && VL == MAAS_C16) {                                    \
                __builtin_prefetch(p0 + KB_OUT(r) + ys);                      \
            }                                                                 \
        }

    if (c->sums) {
        KB_R(KB_SUMS)

    } else {
        p0 = y;
        KB_R(KB_TOUCH)
    }

    if (add != NULL && add != y) {
        p0 = add;
        KB_R(KB_TOUCH)
    }

#define KB_STEP(r)                                                            \
                    if (KB_HAS(r)) {                                          \
                        v = v_set1(KB_AT(r < KB_HALF ? p0 : p1,               \
                                         r % KB_HALF));                       \
                        x##r = v_fma(v, b0, x##r);                            \
                                                                              \
                        if (W > 1) {                                          \
                            z##r = v_fma(v, b1, z##r);                        \
                        }                                                     \
                    }

    for (a = 0; a < c->na; a++) {
        run = a + 1 < c->na ? c->run : c->last;
        w = t->w + a * c->wa + c->b0 * c->nc * run * MAAS_C16;
        pb = t->x + a * c->xa;

        if (a == 0) {
            run -= c->skip;
            pb += c->skip;
        } else {
            w -= c->skip * MAAS_C16;
        }

        for (b = 0; b < c->nb; b++, pb += c->xb) {
            for (i = 0; i < c->nc; i++) {
                p0 = pb + i * c->xc;
                p1 = p0 + t->xhalf;

#pragma GCC unroll 4
                for (k = 0; k < run; k++) {
                    b0 = v_load(w);
                    b1 = W > 1 ? v_load(w + vs) : b0;
                    __builtin_prefetch(f, 0, 2);

                    if (W > 1 && VL == MAAS_C16) {
                        __builtin_prefetch(f + fs, 0, 2);
                    }

                    KB_R(KB_STEP)
                    w += MAAS_C16;
                    f += t->pace;
                    p0++;
                    p1++;
                }
            }
        }
    }

#define KB_ADD(r)                                                             \
        if (KB_HAS(r)) {                                                      \
            x##r = v_add(x##r, v_load(add + KB_OUT(r)));                      \
                                                                              \
            if (W > 1) {                                                      \
                z##r = v_add(z##r, v_load(add + KB_OUT(r) + ys));             \
            }                                                                 \
        }

#define KB_LIMIT(r)                                                           \
        if (KB_HAS(r)) {                                                      \
            x##r = v_min(b1, v_max(b0, x##r));                                \
                                                                              \
            if (W > 1) {                                                      \
                z##r = v_min(b1, v_max(b0, z##r));                            \
            }                                                                 \
        }

#define KB_END(r)                                                             \
    if (KB_HAS(r)) {                                                          \
        v_store(y + KB_OUT(r), x##r);                                         \
                                                                              \
        if (W > 1) {                                                          \
            v_store(y + KB_OUT(r) + ys, z##r);                                \
        }                                                                     \
    }

    if (add != NULL) {
        KB_R(KB_ADD)
    }

    if (c->clip && !c->more) {
        b0 = v_set1(c->lo);
        b1 = v_set1(c->hi);
        KB_R(KB_LIMIT)
    }

    KB_R(KB_END)
}


#define KB_TILE(r0, r1, W)                                                    \
    static __attribute__((noinline)) void                                     \
    kb_tile_##r0##_##r1##_##W(const kb_tile_t *t)                             \
    {                                                                         \
        kb_tile(t, r0, r1, W);                                                \
    }
#define KB_NAME(r0, r1, W)  [W - 1][r0][r1] = kb_tile_##r0##_##r1##_##W,

KB_TILES(KB_TILE)

static void (*const  kb_tiles[2][KB_HALF + 1][KB_HALF + 1])
    (const kb_tile_t *t) = { KB_TILES(KB_NAME) };


V_INL void
kb_pixels(kb_tile_t *t, int64_t r, int64_t p, int64_t r0, int64_t r1, int W)
{
    int64_t               at;
    const maas_conv16_t  *c = t->c;

    at = r * c->yrow + p * MAAS_C16;
    t->x = t->x0 + r * c->xrow + p * c->xcol;
    t->y = t->y0 + at;
    t->add = t->add0 != NULL ? t->add0 + at : NULL;
    kb_tiles[W - 1][r0][r1](t);
    t->fetch += t->pass;
}


/* All pixels by W vectors of channels. */
static void
kb_plane(kb_tile_t *t, int W)
{
    int64_t               r, p, n, tiles;
    const maas_conv16_t  *c = t->c;

    if (c->cols <= KB_HALF) {
        t->xhalf = c->xrow;
        t->yhalf = c->yrow;

        for (r = 0; r + 2 <= c->rows; r += 2) {
            kb_pixels(t, r, 0, c->cols, c->cols, W);
        }

        if (r < c->rows) {
            kb_pixels(t, r, 0, c->cols, 0, W);
        }

        return;
    }

    t->xhalf = KB_HALF * c->xcol;
    t->yhalf = KB_HALF * MAAS_C16;

    for (r = 0; r < c->rows; r++) {
        tiles = (c->cols + 2 * KB_HALF - 1) / (2 * KB_HALF);

        for (p = 0; p < c->cols; p += n, tiles--) {
            n = (c->cols - p + tiles - 1) / tiles;
            kb_pixels(t, r, p, maas_min(n, KB_HALF),
                      maas_max(n - KB_HALF, 0), W);
        }
    }
}


/* What the tiles of all pixels fetch: n floats from `from` on. */
static void
kb_fetch(kb_tile_t *t, const float *from, int64_t n)
{
    int64_t               tiles, steps;
    const maas_conv16_t  *c = t->c;

    tiles = c->cols <= KB_HALF ? (c->rows + 1) / 2
            : c->rows * ((c->cols + 2 * KB_HALF - 1) / (2 * KB_HALF));
    steps = ((c->na - 1) * c->run + c->last) * c->nb * c->nc - c->skip;

    t->fetch = (const char *) from;
    t->pass = n * (int64_t) sizeof(float) / maas_max(tiles, 1);
    t->pace = (t->pass + steps - 1) / maas_max(steps, 1);
}


void
MAAS_K(conv16)(const maas_conv16_t *c)
{
    int64_t    n, at, step = maas_max(KB_CH, MAAS_C16);
    kb_tile_t  t = { .c = c };

    for (n = 0; n < c->n; n += step) {
        at = n / MAAS_C16 * c->yblock;
        t.x0 = c->x;
        t.w = c->w + n / MAAS_C16 * c->wblock;
        t.y0 = c->y + at;
        t.add0 = c->add != NULL && !c->more ? c->add + at : NULL;
        t.bias = c->bias != NULL ? c->bias + n : NULL;
        t.n = (int) maas_min(c->n - n, step);

        if (n + step < c->n) {
            kb_fetch(&t, t.w + step / MAAS_C16 * c->wblock,
                     c->na * c->nb * c->nc * c->run * MAAS_C16);
        } else if (c->ahead != NULL) {
            kb_fetch(&t, c->ahead + n / MAAS_C16 * c->wblock, c->nahead);
        } else {
            kb_fetch(&t, t.w, 0);
        }

        kb_plane(&t, VL < MAAS_C16 || c->n - n > MAAS_C16 ? 2 : 1);
    }
}
