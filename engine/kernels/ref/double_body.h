/*
 * double_body: a panel's product in plain C; a template (MAAS_ISA).
 *
 * Ownership: none.
 * Threads:   reentrant; ranges split the rows.
 */


static void
MAAS_K(dgemm16)(const maas_dgemm16_t *g)
{
    double         acc[MAAS_D16];
    const double  *b;

    for (int64_t i = 0; i < g->m; i++) {
        for (int j = 0; j < MAAS_D16; j++) {
            acc[j] = g->accumulate && j < g->n ? g->c[i * g->ldc + j] : 0;
        }

        b = g->panel;

        for (int64_t k = 0; k < g->k; k++, b += MAAS_D16) {
            for (int j = 0; j < MAAS_D16; j++) {
                acc[j] += g->a[i * g->ai + k * g->ak] * b[j];
            }
        }

        memcpy(g->c + i * g->ldc, acc, (size_t) g->n * sizeof(double));
    }
}
