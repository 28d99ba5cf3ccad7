/*
 * MatMul and Gemm of a few rows of float32 by a B that is computed, as
 * attention of a decoder has it: packing B would take longer than the
 * product, so it is read where it is, when its columns are neighbours.  The
 * bits are those of the packed product.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/matmul.h"


#define FEW_ROWS  8
#define FEW_COLS  128           /* a unit has whole ones */


bool
mm_few_blocks(mm_t *g)
{
    int64_t  nb;

    if (g->m > FEW_ROWS || g->n == 1 || g->ns != 1) {
        return false;
    }

    /* A unit reads half a MiB, or multiplies as long as that takes. */
    nb = 200000 / (maas_max(g->m, 2) * maas_max(g->k, 1)) + 1;
    nb = (maas_min(nb, g->n) + FEW_COLS - 1) / FEW_COLS * FEW_COLS;

    g->few = true;
    g->mb = maas_max(g->m, 1);
    g->nb = nb;
    return true;
}


void
mm_few_gemm(const maas_kernels_t *kt, const mm_t *g, maas_gemm_t *k)
{
    k->ldb = g->ks;
    kt->gemmb(k, 0, k->m);
}
