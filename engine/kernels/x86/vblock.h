/*
 * vblock: convolution over blocks of 16 channels for one instruction set; a
 * template over the words of vec_*.h.  The includer defines MAAS_ISA,
 * KB_HALF (pixels of half a tile) and KB_R (a list macro of the pixels).
 *
 * A tile is two halves of pixels, which follow each other in a row or lie in
 * two rows, by two vectors of channels: every weight that is loaded meets
 * all pixels, every input both vectors.  One call makes the equal tiles of a
 * row: the processor reaches the next tile's chain while it stores this one,
 * if few instructions lie between.
 *
 * Fetched ahead, a line or two with each weight: during the first run of a
 * tile the places of the next tile's outputs, then the weights of the next
 * channels.
 *
 * 1x1 kernels to one vector of a whole block have tiles of their own, in
 * vpoint.h.  Windows (depthwise, maximum) and sums are in vwindow.h.
 */

#define KB_CH    (2 * VL)           /* channels of a tile */
#define KB_LINE  64                 /* bytes of a block of one pixel */


typedef struct {
    const maas_conv16_t  *c;
    const float          *x0;       /* of the first pixel */
    const float          *add0;
    float                *y0;
    const float          *x;
    const float          *w;        /* of the first run */
    const float          *add;
    float                *y;
    int64_t               run;      /* inputs of the first run */
    int64_t               wnext;    /* between the weights of two parts */
    int64_t               wlast;    /* more, before the last */
    int64_t               xhalf;    /* from the first half to the second */
    int64_t               yhalf;
    int64_t               xstep;    /* from a tile to the next */
    int64_t               ystep;
    int64_t               count;    /* tiles */
    int64_t               left;     /* from this one of them, backwards, and */
    int64_t               right;    /* up to this one: at an end of a row */
    const char           *fetch;    /* with the next tile */
    int64_t               pace;     /* bytes of it with each weight */
    int64_t               pass;     /* bytes of it with each tile */
    bool                  low;      /* there is such a limit */
    bool                  high;
    float                 bias[KB_CH];
} kb_tile_t;

typedef void (*kb_tile_pt)(const kb_tile_t *t);


/* Pixel q of a half; s1, s3, s5: that many times the bytes of a step. */
#define KB_AT(p, q)                                                           \
    (*(const float *) ((const char *) (p)                                     \
        + ((q) == 0 ? 0 : (q) == 1 ? s1 : (q) == 2 ? 2 * s1 : (q) == 3 ? s3   \
           : (q) == 4 ? 4 * s1 : (q) == 5 ? s5 : 2 * s3)))

/* Or all multiples of s1 would take registers in the innermost loop. */
#if KB_HALF > 3
#define KB_STEPS()  __asm__ ("" : "+r" (s1), "+r" (s3), "+r" (s5))
#else
#define KB_STEPS()  __asm__ ("" : "+r" (s1))
#endif

#define KB_HAS(r)    ((r) < KB_HALF ? R0 > (r) : R1 > (r) - KB_HALF)

/* SIDE: 1 where the first pixel of a row is left out, 2: the last. */
#define KB_TAKES(r)                                                           \
    (KB_HAS(r)                                                                \
     && !(SIDE == 1 && ((r) == 0 || (TWO && (r) == KB_HALF)))                 \
     && !(SIDE == 2 && ((r) == (R1 > 0 ? KB_HALF + R1 : R0) - 1               \
                        || (TWO && (r) == R0 - 1))))
#define KB_OUT(y, r)                                                          \
    (((r) < KB_HALF ? y : y##_half) + (r) % KB_HALF * MAAS_C16)

#define KB_START(r)  V  x##r = b0, z##r = b1;

#define KB_SUMS(r)                                                            \
    if (KB_HAS(r)) {                                                          \
        x##r = v_load(KB_OUT(y, r));                                          \
                                                                              \
        if (W > 1) {                                                          \
            z##r = v_load(KB_OUT(z, r));                                      \
        }                                                                     \
    }

#define KB_STEP(r)                                                            \
    if (KB_TAKES(r)) {                                                        \
        v = v_set1(KB_AT(r < KB_HALF ? q0 : q1, r % KB_HALF));                \
        x##r = v_fma(v, b0, x##r);                                            \
                                                                              \
        if (W > 1) {                                                          \
            z##r = v_fma(v, b1, z##r);                                        \
        }                                                                     \
    }

/* Input i of a run. */
#define KB_INPUT(i)                                                           \
    KB_STEPS();                                                               \
    b0 = v_load(w + (i) * MAAS_C16);                                          \
    b1 = W > 1 ? v_load(w + vs + (i) * MAAS_C16) : b0;                        \
    __builtin_prefetch(f);                                                    \
                                                                              \
    if (W > 1 && VL == MAAS_C16) {                                            \
        __builtin_prefetch(f + fs);                                           \
    }                                                                         \
                                                                              \
    f += pace;                                                                \
    q0 = p0 + (i);                                                            \
    q1 = p1 + (i);                                                            \
    KB_R(KB_STEP)

#define KB_RUN(n, side)                                                       \
    for (k = run; k != 0; k -= n) {                                           \
        enum { SIDE = side };                                                 \
                                                                              \
        KB_INPUT(0)                                                           \
                                                                              \
        if (n > 1) {                                                          \
            KB_INPUT(1) KB_INPUT(2) KB_INPUT(3)                               \
        }                                                                     \
                                                                              \
        w += n * MAAS_C16;                                                    \
        p0 += n;                                                              \
        p1 += n;                                                              \
    }

#define KB_ADD(r)                                                             \
    if (KB_HAS(r)) {                                                          \
        x##r = v_add(x##r, v_load(KB_OUT(add, r)));                           \
                                                                              \
        if (W > 1) {                                                          \
            z##r = v_add(z##r, v_load(KB_OUT(add, r) + ys));                  \
        }                                                                     \
    }

#define KB_LOW(r)                                                             \
    if (KB_HAS(r)) {                                                          \
        x##r = v_max(b0, x##r);                                               \
        z##r = W > 1 ? v_max(b0, z##r) : z##r;                                \
    }

#define KB_HIGH(r)                                                            \
    if (KB_HAS(r)) {                                                          \
        x##r = v_min(b0, x##r);                                               \
        z##r = W > 1 ? v_min(b0, z##r) : z##r;                                \
    }

#define KB_END(r)                                                             \
    if (KB_HAS(r)) {                                                          \
        v_store(KB_OUT(y, r), x##r);                                          \
                                                                              \
        if (W > 1) {                                                          \
            v_store(KB_OUT(z, r), z##r);                                      \
        }                                                                     \
    }


/*
 * t->count tiles of R0 and R1 pixels, in two rows or one, by W vectors;
 * constants where this is inlined.
 */
V_INL void
kb_tile(const kb_tile_t *t, const int R0, const int R1, const int W,
    const bool TWO)
{
    V                     b0, b1, v;
    bool                  first;
    float                *y = t->y, *y_half, *z, *z_half;
    int64_t               n, a, b, i, k, run, s1, s3, s5, vs, ys, fs, pace;
    int64_t               i0, i1;   /* taps beside a row */
    const char           *f, *fetch = t->fetch;
    const float          *x = t->x, *w, *p0, *p1, *q0, *q1, *pa, *pb, *pc;
    const float          *add = t->add, *add_half;
    const maas_conv16_t  *c = t->c;

    s1 = c->xcol * (int64_t) sizeof(float);
    s3 = 3 * s1;
    s5 = 5 * s1;
    vs = VL < MAAS_C16 ? VL : W > 1 ? c->wblock : 0;
    ys = VL < MAAS_C16 ? VL : c->yblock;

    for (n = t->count; n > 0; n--) {
        y_half = y + t->yhalf;
        z = y + ys;
        z_half = z + t->yhalf;

        b0 = v_load(t->bias);
        b1 = W > 1 ? v_load(t->bias + VL) : b0;

        KB_R(KB_START)

        if (c->sums) {
            KB_R(KB_SUMS)
        }

        f = (const char *) (y + t->ystep);
        fs = ys * (int64_t) sizeof(float);
        pace = KB_LINE;
        first = c->run == MAAS_C16;     /* planes have but few weights */

        w = t->w;
        pa = x;
        pb = x + c->skip;
        run = t->run;
        i0 = n >= t->left ? c->nc : 0;
        i1 = n <= t->right ? 1 : 0;

        for (a = c->na; a > 0; ) {
            for (b = c->nb; b > 0; b--, pb += c->xb) {
                p0 = pb;

                for (i = c->nc; i > 0; i--, p0 = pc) {
                    p1 = p0 + t->xhalf;
                    pc = p0 + c->xc;

                    if (i == i0) {
                        KB_RUN(1, 1)
                    } else if (i == i1) {
                        KB_RUN(1, 2)
                    } else if (run % 4 == 0) {
                        KB_RUN(4, 0)
                    } else {
                        KB_RUN(1, 0)
                    }

                    if (first) {
                        f = fetch;
                        fs = vs * (int64_t) sizeof(float);
                        pace = t->pace;
                        first = false;
                    }
                }
            }

            if (--a == 0) {
                break;
            }

            pa += c->xa;
            pb = pa;
            run = c->run;
            w += t->wnext;

            if (a == 1) {
                run = c->last;
                w += t->wlast;
            }
        }

        if (add != NULL) {
            add_half = add + t->yhalf;
            KB_R(KB_ADD)
            add += t->ystep;
        }

        if (t->low) {
            b0 = v_set1(c->lo);
            KB_R(KB_LOW)
        }

        if (t->high) {
            b0 = v_set1(c->hi);
            KB_R(KB_HIGH)
        }

        KB_R(KB_END)
        x += t->xstep;
        y += t->ystep;
        fetch += t->pass;
    }
}


#define KB_TILE(r0, r1, W, two)                                               \
    static __attribute__((noinline)) void                                     \
    kb_tile_##r0##_##r1##_##W##_##two(const kb_tile_t *t)                     \
    {                                                                         \
        kb_tile(t, r0, r1, W, two);                                           \
    }
#define KB_NAME(r0, r1, W, two)                                               \
    [W - 1][two][r0][r1] = kb_tile_##r0##_##r1##_##W##_##two,

KB_TILES(KB_TILE)

static const kb_tile_pt  kb_tiles[2][2][KB_HALF + 1][KB_HALF + 1] = {
    KB_TILES(KB_NAME)
};


#if VL == MAAS_C16
#include "kernels/x86/vpoint.h"
#endif


/*
 * count tiles, which make n pixels each of a row, from pixel p of row r on;
 * all of them begin and end their rows, or they go along one.
 */
static void
kb_pixels(kb_tile_t *t, int64_t r, int64_t p, int64_t n, int64_t count,
    kb_tile_pt tile)
{
    bool                  two;
    int64_t               at;
    const maas_conv16_t  *c = t->c;

    if (count == 0) {
        return;
    }

    at = r * c->yrow + p * MAAS_C16;
    t->x = t->x0 + r * c->xrow + p * c->xcol;
    t->y = t->y0 + at;
    t->add = t->add0 != NULL ? t->add0 + at : NULL;
    t->count = count;
    two = c->cols <= KB_HALF;
    t->left = !c->left ? INT64_MAX : two ? 1 : p == 0 ? count : INT64_MAX;
    t->right = !c->right ? 0 : two ? count
               : p + count * n == c->cols ? 1 : 0;
    tile(t);
    t->fetch += count * t->pass;
}


/* count tiles of n pixels, which follow each other in row r. */
static void
kb_row(kb_tile_t *t, int64_t r, int64_t p, int64_t n, int W, int64_t count)
{
    kb_tile_pt  tile;

#if VL == MAAS_C16
    if (n > 2 * KB_HALF) {
        tile = kp_tiles[n - KP_LEAST];
    } else
#endif
    {
        tile = kb_tiles[W - 1][0][maas_min(n, KB_HALF)]
                       [maas_max(n - KB_HALF, 0)];
    }

    t->xstep = n * t->c->xcol;
    t->ystep = n * MAAS_C16;
    kb_pixels(t, r, p, n, count, tile);
}


/* What row r sees of planes that the row before it does not. */
V_INL void
kb_planes(const kb_tile_t *t, int64_t r)
{
    int64_t               a, i, n;
    const float          *x;
    const maas_conv16_t  *c = t->c;

    n = maas_min(c->nb * c->xb, c->xrow);
    x = t->x0 + r * c->xrow + c->nb * c->xb - n;

    for (a = 0; a < c->na; a++, x += c->xa) {
        for (i = 0; i < n; i += KB_LINE / (int64_t) sizeof(float)) {
            __builtin_prefetch(x + i);
        }
    }
}


/* All pixels by W vectors of channels. */
static void
kb_plane(kb_tile_t *t, int W)
{
    int64_t               r, n, more, tiles, wide = 2 * KB_HALF;
    const maas_conv16_t  *c = t->c;

    if (c->cols <= KB_HALF) {
        t->xhalf = c->xrow;
        t->yhalf = c->yrow;
        t->xstep = 2 * c->xrow;
        t->ystep = 2 * c->yrow;
        kb_pixels(t, 0, 0, c->cols, c->rows / 2,
                  kb_tiles[W - 1][1][c->cols][c->cols]);
        kb_pixels(t, c->rows - c->rows % 2, 0, c->cols, c->rows % 2,
                  kb_tiles[W - 1][0][c->cols][0]);
        return;
    }

    t->xhalf = KB_HALF * c->xcol;
    t->yhalf = KB_HALF * MAAS_C16;

#if VL == MAAS_C16
    wide = kp_takes(t, W) ? KP_WIDE : wide;
#endif

    tiles = (c->cols + wide - 1) / wide;
    n = c->cols / tiles;
    more = c->cols % tiles;             /* tiles of one pixel more */

    for (r = 0; r < c->rows; r++) {
        if (c->run != MAAS_C16) {
            kb_planes(t, r + 1);
        }

        kb_row(t, r, 0, n + 1, W, more);
        kb_row(t, r, more * (n + 1), n, W, tiles - more);
    }
}


/* Where the weights of the parts of the chain lie, from w on. */
static void
kb_weights(kb_tile_t *t, const float *w)
{
    int64_t               first, above;
    const maas_conv16_t  *c = t->c;

    first = c->na > 1 ? c->run : c->last;
    above = c->b0 * c->nc;

    t->run = first - c->skip;
    t->w = w + above * first * MAAS_C16;
    t->wnext = c->wa - c->nb * c->nc * c->run * MAAS_C16;
    t->wlast = above * (c->last - c->run) * MAAS_C16;
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


/* Bias and limits of channels from n on; zeros and none are as good. */
static void
kb_ends(kb_tile_t *t, int64_t n)
{
    const maas_conv16_t  *c = t->c;

    v_store(t->bias, c->bias != NULL ? v_loads(c->bias + n, c->n - n)
                                     : v_zero());
    v_store(t->bias + VL, c->bias != NULL && c->n - n > VL
                          ? v_loads(c->bias + n + VL, c->n - n - VL)
                          : v_zero());

    t->low = c->clip && !c->more && c->lo != -INFINITY;
    t->high = c->clip && !c->more && c->hi != INFINITY;
}


void
MAAS_K(conv16)(const maas_conv16_t *c)
{
    int64_t       n, at, step = maas_max(KB_CH, MAAS_C16);
    kb_tile_t     t = { .c = c };
    const float  *w;

    for (n = 0; n < c->n; n += step) {
        at = n / MAAS_C16 * c->yblock;
        w = c->w + n / MAAS_C16 * c->wblock;
        t.x0 = c->x;
        t.y0 = c->y + at;
        t.add0 = c->add != NULL && !c->more ? c->add + at : NULL;
        kb_weights(&t, w);
        kb_ends(&t, n);

        if (n + step < c->n) {
            kb_fetch(&t, w + step / MAAS_C16 * c->wblock,
                     c->na * c->nb * c->nc * c->run * MAAS_C16);
        } else if (c->ahead != NULL) {
            kb_fetch(&t, c->ahead + n / MAAS_C16 * c->wblock, c->nahead);
        } else {
            kb_fetch(&t, w, 0);
        }

        kb_plane(&t, VL < MAAS_C16 || c->n - n > MAAS_C16 ? 2 : 1);
    }
}
