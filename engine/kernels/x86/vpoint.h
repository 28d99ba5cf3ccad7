/*
 * vpoint: tiles of vblock.h for 1x1 kernels to one vector of channels, which
 * is a whole block.  A weight meets as many pixels as there are registers,
 * or its load would cost as much as what is done with it; there are no
 * weights to fetch ahead, so a tile fetches what the next one sees.
 *
 * The chain of an element is that of vblock.h.
 */

#define KP_WIDE   28                /* pixels of a tile */
#define KP_LEAST  22

#define KP_R(F)                                                               \
    F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12)       \
    F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23) F(24)   \
    F(25) F(26) F(27)

#define KP_START(r)  V  x##r = b;

#define KP_SUMS(r)                                                            \
    if ((r) < R) {                                                            \
        x##r = v_load(y + (r) * MAAS_C16);                                    \
    }

#define KP_STEP(r)                                                            \
    if ((r) < R) {                                                            \
        x##r = v_fma(v_set1(p[(r) * MAAS_C16]), b, x##r);                     \
    }

/* One input of the pixels; of the next tile's, two lines. */
#define KP_INPUT()                                                            \
    b = v_load(w);                                                            \
    __builtin_prefetch(f);                                                    \
    __builtin_prefetch(f + KB_LINE);                                          \
    f += 2 * KB_LINE;                                                         \
    w += MAAS_C16;                                                            \
    KP_R(KP_STEP)                                                             \
    p++;

#define KP_ADD(r)                                                             \
    if ((r) < R) {                                                            \
        x##r = v_add(x##r, v_load(add + (r) * MAAS_C16));                     \
    }

#define KP_LOW(r)   x##r = v_max(b, x##r);
#define KP_HIGH(r)  x##r = v_min(b, x##r);

#define KP_END(r)                                                             \
    if ((r) < R) {                                                            \
        v_store(y + (r) * MAAS_C16, x##r);                                    \
    }


/* t->count tiles of R pixels. */
V_INL void
kp_tile(const kb_tile_t *t, const int R)
{
    V                     b;
    float                *y = t->y;
    int64_t               n, a, k;
    const char           *f, *fy;
    const float          *x = t->x, *pa, *p, *w, *add = t->add;
    const maas_conv16_t  *c = t->c;

    for (n = t->count; n > 0; n--) {
        b = v_load(t->bias);

        KP_R(KP_START)

        if (c->sums) {
            KP_R(KP_SUMS)
        }

        w = t->w;
        fy = (const char *) (y + t->ystep);

        for (a = c->na, pa = x; a > 0; a--, pa += c->xa) {
            __builtin_prefetch(fy);
            __builtin_prefetch(fy + KB_LINE);
            __builtin_prefetch(fy + 2 * KB_LINE);
            __builtin_prefetch(fy + 3 * KB_LINE);
            fy += 4 * KB_LINE;
            f = (const char *) (pa + t->xstep);

            for (p = pa, k = a > 1 ? c->run : c->last; k > 0; k--) {
                KP_INPUT()
            }
        }

        if (add != NULL) {
            KP_R(KP_ADD)
            add += t->ystep;
        }

        if (t->low) {
            b = v_set1(c->lo);
            KP_R(KP_LOW)
        }

        if (t->high) {
            b = v_set1(c->hi);
            KP_R(KP_HIGH)
        }

        KP_R(KP_END)
        x += t->xstep;
        y += t->ystep;
    }
}


#define KP_SIZES(F)  F(22) F(23) F(24) F(25) F(26) F(27) F(28)
#define KP_TILE(R)                                                            \
    static __attribute__((noinline)) void                                     \
    kp_tile_##R(const kb_tile_t *t)                                           \
    {                                                                         \
        kp_tile(t, R);                                                        \
    }
#define KP_NAME(R)  kp_tile_##R,

KP_SIZES(KP_TILE)

static const kb_tile_pt  kp_tiles[KP_WIDE - KP_LEAST + 1] = {
    KP_SIZES(KP_NAME)
};


/* Its rows can be cut into tiles of KP_LEAST to KP_WIDE pixels. */
static bool
kp_takes(const kb_tile_t *t, int W)
{
    const maas_conv16_t  *c = t->c;

    return W == 1 && c->nb == 1 && c->nc == 1 && c->b0 == 0 && c->skip == 0
           && c->run == MAAS_C16 && c->wa == MAAS_C16 * MAAS_C16
           && c->xcol == MAAS_C16 && t->pass == 0
           && c->cols / ((c->cols + KP_WIDE - 1) / KP_WIDE) >= KP_LEAST;
}
