/*
 * qgemm_body: the product of 8-bit panels in plain C; a template that a
 * level includes after it has defined MAAS_ISA.  Sums wrap like unsigned
 * ones, so that all levels agree to the bit.
 */


/* One row of one panel. */
static void
MAAS_KQ(gemm_tile)(const maas_qgemm_t *g, int64_t i, int64_t p)
{
    int            j;
    int32_t       *c = g->c + i * g->ldc + p * MAAS_Q16;
    int64_t        k;
    uint32_t       acc[MAAS_Q16] = { 0 };
    const int8_t  *b = g->b + p * maas_q16_panel(g->k) + MAAS_Q16_HEAD;
    const uint8_t *a = g->a + i * g->lda;

    for (k = 0; k < g->k; k++) {
        for (j = 0; j < MAAS_Q16; j++) {
            acc[j] += (uint32_t) (a[k] * b[k / 4 * 64 + j * 4 + k % 4]);
        }
    }

    for (j = 0; j < MAAS_Q16; j++) {
        c[j] = (int32_t) acc[j];
    }
}


void
MAAS_KQ(gemm)(const maas_qgemm_t *g)
{
    for (int64_t p = 0; p * MAAS_Q16 < g->n; p++) {
        for (int64_t i = 0; i < g->m; i++) {
            MAAS_KQ(gemm_tile)(g, i, p);
        }
    }
}
