/*
 * matmul_double: MatMul and Gemm of float64, by panels of 16 columns that a
 * unit packs into its scratch, a chunk of k at a time; C carries the chain
 * from chunk to chunk.  A unit is a block of rows by a panel or some.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "kernels/kdouble.h"
#include "ops/matmul.h"


#define MD_ROWS   96
#define MD_COLS   64
#define MD_CHUNK  512           /* of k: a panel's is 64 KB */


static void
md_blocks(mm_t *g)
{
    g->mb = MD_ROWS;
    g->nb = MD_COLS;
    g->mblocks = (g->m + g->mb - 1) / g->mb;
    g->nblocks = (g->n + g->nb - 1) / g->nb;
}


static bool
md_setup(maas_setup_t *u, const gemm_attr_t *a)
{
    mm_t  g;

    if (u->in[0].dtype != MAAS_F64 || u->in[1].format != MAAS_FMT_PLAIN) {
        return false;
    }

    mm_init(&g, a, &u->in[0], &u->in[1], &u->out[0]);
    md_blocks(&g);
    u->units = maas_max(g.batch * g.mblocks * g.nblocks, 1);
    u->scratch = (size_t) maas_min(maas_max(g.k, 1), MD_CHUNK) * MAAS_D16
                 * sizeof(double);
    u->cost = 100 + 2.0 * (double) (g.batch * g.m * g.n) * (double) g.k / 25;
    return true;
}


bool
matmul_double_setup(maas_setup_t *u)
{
    return md_setup(u, NULL);
}


bool
gemm_double_setup(maas_setup_t *u)
{
    return md_setup(u, u->attr);
}


/* Panel of rows k of B, columns [0, n) from b on. */
static void
md_pack(double *to, const double *b, const mm_t *g, int64_t k, int n)
{
    for (int64_t i = 0; i < k; i++, b += g->ks, to += MAAS_D16) {
        for (int j = 0; j < MAAS_D16; j++) {
            to[j] = j < n ? b[j * g->ns] : 0;
        }
    }
}


/* y = alpha * y + beta * C; C is [], [1], [N], [M,1], [M,N]. */
static void
md_c(const maas_step_t *s, const gemm_attr_t *a, double *y, int64_t row,
    int64_t n0, int n)
{
    bool                  has;
    int64_t               cc, cr;
    const double         *p = NULL;
    const maas_tensor_t  *c = &s->in[2];

    has = s->n_formal > 2 && c->dtype != MAAS_NODTYPE && a->beta != 0;
    cc = has && c->rank > 0 ? c->dims[c->rank - 1] : 1;
    cr = has && c->rank > 1 ? c->dims[0] : 1;

    if (has) {
        p = (const double *) c->data + (cr > 1 ? row * cc : 0)
            + (cc > 1 ? n0 : 0);
    }

    for (int j = 0; j < n; j++) {
        y[j] = (double) a->alpha * y[j]
               + (has ? (double) a->beta * p[cc > 1 ? j : 0] : 0);
    }
}


static void
md_unit(const maas_step_t *s, const gemm_attr_t *a, const mm_t *g,
    double *panel, int64_t u)
{
    int64_t          m0 = u % g->mblocks * g->mb, t = u / g->mblocks;
    int64_t          n0 = t % g->nblocks * g->nb, at = t / g->nblocks;
    int64_t          ia, ib, n1 = maas_min(n0 + g->nb, g->n), kc;
    const double    *x, *b;
    maas_dgemm16_pt  product = maas_dgemm16(s->k);
    maas_dgemm16_t   d = { .m = maas_min(g->mb, g->m - m0), .panel = panel,
                           .ai = g->ta ? 1 : g->lda,
                           .ak = g->ta ? g->lda : 1, .ldc = g->n };

    mm_at(g, at, &ia, &ib);
    x = (const double *) s->in[0].data + ia * g->m * g->k + m0 * d.ai;
    b = (const double *) s->in[1].data + ib * g->k * g->n;

    for (int64_t n = n0; n < n1; n += MAAS_D16) {
        d.n = (int) maas_min(n1 - n, MAAS_D16);
        d.c = (double *) s->out[0].data + (at * g->m + m0) * g->n + n;

        for (int64_t k = 0; k == 0 || k < g->k; k += kc) {
            kc = maas_min(maas_max(g->k - k, 1), MD_CHUNK);
            d.k = maas_min(kc, g->k - k);
            d.a = x + k * d.ak;
            d.accumulate = k != 0;
            md_pack(panel, b + k * g->ks + n * g->ns, g, d.k, d.n);
            product(&d);
        }

        for (int64_t i = 0; a != NULL && i < d.m; i++) {
            md_c(s, a, d.c + i * g->n, m0 + i, n, d.n);
        }
    }
}


static maas_status_t
md_run(const maas_step_t *s, maas_slot_t *slot, const gemm_attr_t *a,
    int64_t first, int64_t last)
{
    mm_t  g;

    mm_init(&g, a, &s->in[0], &s->in[1], &s->out[0]);
    md_blocks(&g);

    if (g.m == 0 || g.n == 0 || g.batch == 0) {
        return MAAS_OK;
    }

    for (int64_t u = first; u < last; u++) {
        md_unit(s, a, &g, slot->scratch, u);
    }

    return MAAS_OK;
}


maas_status_t
matmul_double_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return md_run(s, slot, NULL, first, last);
}


maas_status_t
gemm_double_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return md_run(s, slot, s->attr, first, last);
}
