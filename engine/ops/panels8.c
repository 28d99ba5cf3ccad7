/*
 * panels8.c: see panels8.h.
 *
 * Ownership: nothing is allocated.
 * Threads:   reentrant.
 */

#include "ops/panels8.h"


/*
 * A block of k and columns stays within the first cache, with the rows of A
 * that meet it: two panels, as the product itself takes them, or for a row or
 * two as many as keep its sums apart.
 */
#define P8_COLS    32
#define P8_STEP    64
#define P8_THIN    128
#define P8_SHORT   48


void
panels8_unpack(const maas_kernels_t *t, float *dst, const int8_t *w,
    int64_t k, int64_t panels, int64_t k0, int64_t rows)
{
    const float  *head;

    for (int64_t p = 0; p < panels; p++) {
        head = (const float *) (const void *) w;
        t->unpack16(dst, w + MAAS_P16Q8_HEAD + k0 * MAAS_P16, head,
                    head + MAAS_P16, rows);
        dst += rows * MAAS_P16;
        w += maas_p16q8_panel(k);
    }
}


size_t
panels8_scratch(void)
{
    return maas_max(P8_COLS * P8_STEP, P8_THIN * P8_SHORT) * sizeof(float);
}


void
panels8_gemm(const maas_kernels_t *t, const maas_gemm_t *g, const int8_t *w,
    float *scratch)
{
    bool         thin = g->m <= 2;
    int64_t      k = 0, n, cols = thin ? P8_THIN : P8_COLS;
    maas_gemm_t  part = *g;

    part.b = scratch;

    do {
        part.k = maas_min(thin ? P8_SHORT : P8_STEP, g->k - k);
        part.a = g->a + k;
        part.accumulate = k != 0 || g->accumulate;

        for (n = 0; n < g->n; n += cols) {
            part.n = maas_min(cols, g->n - n);
            part.c = g->c + n;
            part.bias = k == 0 && g->bias != NULL ? g->bias + n : NULL;
            part.after = k + part.k == g->k && g->after != NULL
                         ? g->after + n : NULL;
            panels8_unpack(t, scratch, w + n / MAAS_P16
                                           * maas_p16q8_panel(g->k),
                           g->k, (part.n + MAAS_P16 - 1) / MAAS_P16, k,
                           part.k);
            t->gemm(&part, 0, g->m);
        }

        k += part.k;
    } while (k < g->k);
}
