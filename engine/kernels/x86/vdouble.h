/*
 * vdouble: tiles of a float64 product; a template.  The includer defines
 * MAAS_ISA, the words D, DL (lanes), d_zero, d_load, d_store, d_set1, d_fma,
 * and KD_ROWS and KD_R (rows of the tallest tile, a list macro of them).
 *
 * A tile is R rows by the 16 columns of a panel, KD_V vectors, in registers
 * over all of k.
 */

#define KD_V  (MAAS_D16 / DL)


static inline __attribute__((always_inline)) void
kd_tile(const maas_dgemm16_t *g, int64_t i, const int R)
{
    D              acc[KD_ROWS][KD_V], b[KD_V], v;
    double         edge[MAAS_D16] = { 0 }, *c = g->c + i * g->ldc;
    const double  *a = g->a + i * g->ai, *p = g->panel;

#define KD_EACH(x, n)  _Pragma("GCC unroll 16") for (int x = 0; x < n; x++)

    KD_EACH(r, R) {
        if (g->accumulate) {
            memcpy(edge, c + r * g->ldc, (size_t) g->n * sizeof(double));
        }

        KD_EACH(j, KD_V) {
            acc[r][j] = d_load(edge + j * DL);
        }
    }

    for (int64_t k = 0; k < g->k; k++, p += MAAS_D16, a += g->ak) {
        KD_EACH(j, KD_V) {
            b[j] = d_load(p + j * DL);
        }

        KD_EACH(r, R) {
            v = d_set1(a[r * g->ai]);

            KD_EACH(j, KD_V) {
                acc[r][j] = d_fma(v, b[j], acc[r][j]);
            }
        }
    }

    KD_EACH(r, R) {
        KD_EACH(j, KD_V) {
            d_store(edge + j * DL, acc[r][j]);
        }

        memcpy(c + r * g->ldc, edge, (size_t) g->n * sizeof(double));
    }
}


#define KD_DEFINE(r)                                                          \
    static __attribute__((noinline)) void                                     \
    kd_tile_##r(const maas_dgemm16_t *g, int64_t i)                           \
    {                                                                         \
        kd_tile(g, i, r + 1);                                                 \
    }
#define KD_NAME(r)  kd_tile_##r,

KD_R(KD_DEFINE)

static void (*const  kd_tiles[])(const maas_dgemm16_t *g, int64_t i) = {
    KD_R(KD_NAME)
};


static void
MAAS_K(dgemm16)(const maas_dgemm16_t *g)
{
    int64_t  r;

    for (int64_t i = 0; i < g->m; i += r) {
        r = maas_min(g->m - i, KD_ROWS);
        kd_tiles[r - 1](g, i);
    }
}
