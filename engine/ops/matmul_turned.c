/*
 * matmul_turned: Gemm with A transposed, C = alpha A^T B, in float32: the
 * gradient of weights, where k is the rows of a batch and long, m and n are
 * the weight's extents.
 *
 * A is read as it lies.  A unit is a block of C; it takes k in chunks, whose
 * panels of B it packs into its scratch, and C carries the chain from one to
 * the next, so that the bits are those of one chain over k.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/matmul.h"


#define MT_UNITS  4             /* so that a few threads find work */
#define MT_COLS   128
#define MT_ROWS   256
#define MT_PANEL  49152         /* floats of packed B: in the second cache */


/* Blocks: low ones cost more packing of B, narrow ones more reading of A. */
static void
mt_blocks(mm_t *g)
{
    int64_t  n = maas_max(g->n, 1), m = maas_max(g->m, 1);

    g->nblocks = (n + MT_COLS - 1) / MT_COLS;

    if (g->nblocks < MT_UNITS && g->k * n * m > 200000) {
        g->nblocks = maas_min((n + 31) / 32, MT_UNITS);
    }

    g->nb = ((n + g->nblocks - 1) / g->nblocks + 31) / 32 * 32;
    g->nblocks = (n + g->nb - 1) / g->nb;

    g->mblocks = (m + MT_ROWS - 1) / MT_ROWS;

    if (g->nblocks * g->mblocks < MT_UNITS && g->k * n * m > 200000) {
        g->mblocks = maas_min((m + 23) / 24, MT_UNITS / g->nblocks);
    }

    g->mb = ((m + g->mblocks - 1) / g->mblocks + 11) / 12 * 12;
    g->mblocks = (m + g->mb - 1) / g->mb;
}


static int64_t
mt_chunk(const mm_t *g)
{
    int64_t  most = maas_max(MT_PANEL / g->nb, 1);
    int64_t  parts = (g->k + most - 1) / most;

    return maas_max((g->k + maas_max(parts, 1) - 1) / maas_max(parts, 1), 1);
}


bool
gemm_turned_setup(maas_setup_t *u)
{
    mm_t                g;
    const gemm_attr_t  *a = u->attr;

    if (u->in[0].dtype != MAAS_F32 || u->in[0].format != MAAS_FMT_PLAIN
        || u->in[1].format != MAAS_FMT_PLAIN || !a->transA
        || (u->n_formal > 2 && u->in[2].dtype != MAAS_NODTYPE
            && a->beta != 0))
    {
        return false;
    }

    mm_init(&g, a, &u->in[0], &u->in[1], &u->out[0]);

    if (g.n < 2) {
        return false;
    }

    mt_blocks(&g);
    u->units = maas_max(g.mblocks * g.nblocks, 1);
    u->scratch = (size_t) (g.nb * mt_chunk(&g)) * sizeof(float);
    u->cost = 2.0 * (double) g.m * (double) g.n * (double) g.k / 50
              + (double) u->out[0].bytes / 10
              + (double) u->in[1].bytes / 10;
    return true;
}


static void
mt_block(const maas_step_t *s, const mm_t *g, float *panels, int64_t m0,
    int64_t n0)
{
    float              *y;
    int64_t             kc, rows = maas_min(g->mb, g->m - m0);
    int64_t             cols = maas_min(g->nb, g->n - n0);
    maas_gemm_t         c;
    maas_post_block_t   post;
    const float        *a = (const float *) s->in[0].data + m0;
    const float        *b = (const float *) s->in[1].data + n0 * g->ns;
    const gemm_attr_t  *at = s->attr;

    y = (float *) s->out[0].data + m0 * g->n + n0;
    c = (maas_gemm_t) { .m = rows, .n = cols, .lda = g->lda, .b = panels,
                        .c = y, .ldc = g->n };
    kc = mt_chunk(g);

    for (int64_t k = 0; k == 0 || k < g->k; k += kc) {
        c.k = maas_min(kc, g->k - k);
        c.a = a + k * g->lda;
        c.accumulate = k != 0;
        s->k->pack_p16(panels, b + k * g->ks, g->ks, g->ns, c.k, cols, 0,
                       (cols + 15) / 16);
        s->k->gemmta(&c, 0, rows);
    }

    for (int64_t i = 0; at->alpha != 1 && i < rows; i++) {
        s->k->unary[MAAS_U_AFFINE](y + i * g->n, y + i * g->n, cols,
                                   at->alpha, 0);
    }

    if (s->n_post != 0) {
        post = (maas_post_block_t) { y, g->n, rows, cols, m0 * g->n + n0,
                                     g->n, 0, 0, n0 };
        maas_post_apply(s, &post);
    }
}


maas_status_t
gemm_turned_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    mm_t  g;

    mm_init(&g, s->attr, &s->in[0], &s->in[1], &s->out[0]);
    mt_blocks(&g);

    if (g.m == 0 || g.n == 0) {
        return MAAS_OK;
    }

    for (int64_t u = first; u < last; u++) {
        mt_block(s, &g, slot->scratch, u % g.mblocks * g.mb,
                 u / g.mblocks * g.nb);
    }

    return MAAS_OK;
}
