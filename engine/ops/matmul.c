/*
 * MatMul-13 and Gemm-13.
 *
 * float32 runs on the packed kernel: constant B arrives as P16 panels, of 8
 * bits where it was dequantised (panels8.h); any other B is packed by the
 * unit that reads it, into the scratch of its thread; units of one B block
 * follow each other, so a thread packs it once.  A few rows take B as it lies
 * (matmul_few.c).  The chain of an output element depends on none of these.
 * B with one column is a dot product a row.
 * float64: matmul_double.c; integers use plain loops.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/grads.h"
#include "ops/matmul.h"
#include "ops/panels8.h"


#define MM_ROWS  192
#define MM_COLS  192


static void
mm_batch(mm_t *g, const maas_tensor_t *a, const maas_tensor_t *b,
    const maas_tensor_t *y, int yskip)
{
    int      i, j;
    int64_t  as, bs, an, bn;

    g->nb_dims = y->rank - yskip;
    g->batch = 1;
    as = bs = 1;
    an = bn = 1;

    for (i = g->nb_dims - 1; i >= 0; i--) {
        g->dims[i] = y->dims[i];
        g->batch *= y->dims[i];

        j = a->rank - 2 - (g->nb_dims - i);
        g->as[i] = j >= 0 && a->dims[j] > 1 ? as : 0;
        if (j >= 0) {
            as *= a->dims[j];
            an *= a->dims[j];
        }

        j = b->rank - 2 - (g->nb_dims - i);
        g->bs[i] = j >= 0 && b->dims[j] > 1 ? bs : 0;
        if (j >= 0) {
            bs *= b->dims[j];
            bn *= b->dims[j];
        }
    }

    if (bn == 1 && an == g->batch) {
        g->m *= g->batch;
        g->batch = 1;
        g->nb_dims = 0;
    }
}


/*
 * Blocks of a product that packs B itself: rows within the second cache,
 * columns likewise.
 */
static void
mm_blocks_plain(mm_t *g)
{
    int64_t  k, mb, nb, least;

    k = maas_max(g->k, 1);
    mb = 192;

    while (mb > 24 && mb * k > 65536) {
        mb /= 2;
    }

    mb = maas_min(mb, maas_max(g->m, 1));
    least = 50000 / (mb * k) + 1;
    nb = maas_max(65536 / k, least);
    nb = (nb + 15) / 16 * 16;

    if (nb > g->n) {
        nb = maas_max((g->n + 15) / 16 * 16, 16);
    }

    g->mb = mb;
    g->nb = nb;
}


/*
 * Of packed panels: the kernel blocks by k and reads a panel once for all
 * rows, so that blocks are as high as it likes them; the columns are cut so
 * that a few threads find work, an even number of times, into whole pairs
 * of panels.
 */
static void
mm_blocks_packed(mm_t *g)
{
    int64_t  mblocks, nblocks, most, least;

    mblocks = (g->m + MM_ROWS - 1) / MM_ROWS;
    mblocks = maas_max(mblocks, 1);
    g->mb = maas_max((g->m + mblocks - 1) / mblocks, 1);

    least = 50000 / (g->mb * maas_max(g->k, 1)) + 1;
    most = maas_max(g->n / maas_max(least, 32), 1);
    nblocks = (g->n + MM_COLS - 1) / MM_COLS;
    nblocks = maas_max(nblocks, 4 / maas_min(mblocks, 4));
    nblocks = maas_min(nblocks + (nblocks & mblocks & 1), most);
    nblocks = maas_max(nblocks, 1);

    g->nb = ((g->n + nblocks - 1) / nblocks + 31) / 32 * 32;
    g->nb = maas_min(g->nb, maas_max((g->n + 15) / 16 * 16, 16));

    if (mblocks == 1 && nblocks < 4 && g->m >= 96
        && g->m * g->k > 200000 / maas_max(g->n, 1))
    {
        g->mb = (g->m + 3) / 4;
    }
}


static void
mm_blocks(mm_t *g, bool packed)
{
    if (packed) {
        mm_blocks_packed(g);

    } else if (mm_few_blocks(g)) {
        /* done */

    } else {
        mm_blocks_plain(g);
    }

    g->mblocks = (g->m + g->mb - 1) / g->mb;
    g->nblocks = (g->n + g->nb - 1) / g->nb;
}


void
mm_init(mm_t *g, const void *attr, const maas_tensor_t *a,
    const maas_tensor_t *b, const maas_tensor_t *y)
{
    int                 yskip;
    const gemm_attr_t  *ga = attr;

    memset(g, 0, sizeof(mm_t));

    if (ga != NULL) {
        g->ta = ga->transA;
        g->m = g->ta ? a->dims[1] : a->dims[0];
        g->k = g->ta ? a->dims[0] : a->dims[1];
        g->n = ga->transB ? b->dims[0] : b->dims[1];
        g->lda = a->dims[1];
        g->ks = ga->transB ? 1 : g->n;
        g->ns = ga->transB ? g->k : 1;
        g->batch = 1;
        mm_blocks(g, maas_format_panels(b->format));
        return;
    }

    yskip = (a->rank > 1) + (b->rank > 1);
    g->k = a->dims[a->rank - 1];
    g->m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    g->n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    g->lda = g->k;
    g->ks = g->n;
    g->ns = 1;
    mm_batch(g, a, b, y, yskip);
    mm_blocks(g, maas_format_panels(b->format));
}


/* Matrix numbers of A and B for batch element i. */
void
mm_at(const mm_t *g, int64_t i, int64_t *a, int64_t *b)
{
    *a = *b = 0;

    for (int d = g->nb_dims - 1; d >= 0; d--) {
        *a += i % g->dims[d] * g->as[d];
        *b += i % g->dims[d] * g->bs[d];
        i /= g->dims[d];
    }
}


static double
mm_flops(const mm_t *g)
{
    return 2.0 * (double) g->batch * (double) g->m * (double) g->n
           * (double) g->k;
}


static double
matmul_flops(const maas_setup_t *u)
{
    mm_t  g;

    mm_init(&g, NULL, &u->in[0], &u->in[1], &u->out[0]);
    return mm_flops(&g);
}


static double
gemm_flops(const maas_setup_t *u)
{
    mm_t  g;

    mm_init(&g, u->attr, &u->in[0], &u->in[1], &u->out[0]);
    return mm_flops(&g);
}


/* -- float32 ------------------------------------------------------------- */

static size_t
mm_scratch_a(const mm_t *g)
{
    return g->ta ? maas_align((size_t) g->mb * (size_t) g->k * 4, MAAS_ALIGN)
                 : 0;
}


static bool
mm_setup_f32(maas_setup_t *u, const void *attr, bool packed)
{
    mm_t    g;
    size_t  b;

    if (u->in[0].dtype != MAAS_F32 || u->in[0].format != MAAS_FMT_PLAIN
        || (packed ? !maas_format_panels(u->in[1].format)
                   : u->in[1].format != MAAS_FMT_PLAIN))
    {
        return false;
    }

    mm_init(&g, attr, &u->in[0], &u->in[1], &u->out[0]);
    b = u->in[1].format == MAAS_FMT_P16Q8 ? panels8_scratch()
        : packed || g.n == 1 || g.few ? 0 : maas_p16_elems(g.k, g.nb) * 4;

    u->units = maas_max(g.batch * g.mblocks * g.nblocks, 1);
    u->scratch = mm_scratch_a(&g) + b;
    u->cost = mm_flops(&g) / 50 + (double) u->out[0].bytes / 10
              + (packed ? 0 : (double) u->in[1].bytes / 10);
    return true;
}


static bool
matmul_setup_packed(maas_setup_t *u)
{
    return mm_setup_f32(u, NULL, true);
}


static bool
matmul_setup_plain(maas_setup_t *u)
{
    return mm_setup_f32(u, NULL, false);
}


static bool
gemm_setup_packed(maas_setup_t *u)
{
    return mm_setup_f32(u, u->attr, true);
}


static bool
gemm_setup_plain(maas_setup_t *u)
{
    return mm_setup_f32(u, u->attr, false);
}


/*
 * One block of C; b: panels of its columns, or the one plain column; w8: 8-bit
 * panels.
 */
typedef struct {
    int64_t       m0, rows;
    int64_t       n0, cols;
    int64_t       at;           /* matrix of the output */
    const float  *a;            /* its first row */
    int64_t       lda;
    const float  *b;
    const int8_t *w8;
} mm_block_t;


/* How C of Gemm comes in; MM_C_CHAIN: it starts the chain. */
typedef enum { MM_C_NONE, MM_C_CHAIN, MM_C_COPY, MM_C_AFTER }  mm_c_t;

static mm_c_t
mm_c(const maas_step_t *s, const gemm_attr_t *a, const mm_t *g)
{
    const maas_tensor_t  *c = &s->in[2];

    if (a == NULL || s->n_formal < 3 || c->dtype == MAAS_NODTYPE
        || a->beta == 0)
    {
        return MM_C_NONE;
    }

    if (a->alpha != 1 || a->beta != 1 || c->rank == 0
        || c->dims[c->rank - 1] != g->n)
    {
        return MM_C_AFTER;
    }

    return c->rank == 1 || c->dims[0] == 1 ? MM_C_CHAIN : MM_C_COPY;
}


/* y = alpha * y + beta * C for one row. */
static void
mm_c_row(const maas_step_t *s, const gemm_attr_t *a, float *y, int64_t row,
    int64_t n0, int64_t cols)
{
    float                 add;
    int64_t               cr, cc;
    const float          *p;
    const maas_tensor_t  *c = &s->in[2];

    p = c->data;
    cc = c->rank > 0 ? c->dims[c->rank - 1] : 1;
    cr = c->rank > 1 ? c->dims[0] : 1;
    p += cr > 1 ? row * cc : 0;

    if (cc > 1) {
        if (a->alpha != 1) {
            s->k->unary[MAAS_U_AFFINE](y, y, cols, a->alpha, 0);
        }

        s->k->axpy(y, a->beta, p + n0, cols);
        return;
    }

    add = a->beta * p[0];
    s->k->unary[MAAS_U_AFFINE](y, y, cols, a->alpha, add);
}


/*
 * A first post-op that adds a value to each column is added by the kernel as
 * it stores; the others take a pass.  Not behind a plain dot product, and not
 * where alpha or C come between.
 */
static const float *
mm_after(const maas_step_t *s, const gemm_attr_t *a, const mm_t *g)
{
    const maas_post_t  *p = s->post;

    if (s->n_post == 0 || p->kind != MAAS_POST_BINARY_LAST
        || p->fn != MAAS_B_ADD || (a != NULL && a->alpha != 1)
        || (g->n == 1 && s->in[1].format == MAAS_FMT_PLAIN))
    {
        return NULL;
    }

    return s->in[p->operand].data;
}


/*
 * Post-ops from `first` on.  With one column the block is a row of values;
 * where B is a vector, the rows of A are the last axis, along which a post-op
 * may go: no row then crosses its end.
 */
static void
mm_posts(const maas_step_t *s, const mm_t *g, const mm_block_t *b, int first)
{
    int64_t               n, last, at;
    maas_step_t           rest = *s;
    maas_post_block_t     p = { 0 };
    const maas_tensor_t  *y = &s->out[0];

    if (s->n_post <= first) {
        return;
    }

    rest.post += first;
    rest.n_post -= (uint16_t) first;
    at = (b->at * g->m + b->m0) * g->n + b->n0;

    if (g->n != 1) {
        p = (maas_post_block_t) {
            (float *) y->data + at, g->n, b->rows, b->cols, at, g->n, 0, 0,
            b->n0
        };
        maas_post_apply(&rest, &p);
        return;
    }

    last = s->in[1].rank == 1 ? y->dims[y->rank - 1] : INT64_MAX;

    for (int64_t i = 0; i < b->rows; i += n) {
        p.at = at + i;
        p.col = p.at % last;
        n = maas_min(b->rows - i, last - p.col);
        p.y = (float *) y->data + p.at;
        p.rows = 1;
        p.cols = p.ld = p.step = n;
        maas_post_apply(&rest, &p);
    }
}


static void
mm_block_f32(const maas_step_t *s, const gemm_attr_t *a, const mm_t *g,
    const mm_block_t *b, float *room)
{
    float              *y;
    mm_c_t              mode;
    int64_t             i, at;
    maas_gemm_t         k;
    const float        *c, *after;

    mode = mm_c(s, a, g);
    at = (b->at * g->m + b->m0) * g->n + b->n0;
    y = (float *) s->out[0].data + at;
    c = mode != MM_C_NONE ? s->in[2].data : NULL;
    after = mode == MM_C_NONE || mode == MM_C_CHAIN ? mm_after(s, a, g) : NULL;

    for (i = 0; mode == MM_C_COPY && i < b->rows; i++) {
        memcpy(y + i * g->n, c + (b->m0 + i) * g->n + b->n0,
               (size_t) b->cols * sizeof(float));
    }

    if (g->n == 1 && s->in[1].format == MAAS_FMT_PLAIN) {
        for (i = 0; i < b->rows; i++) {
            y[i] = s->k->dot(b->a + i * b->lda, b->b, g->k)
                   + (mode == MM_C_COPY ? y[i] : 0)
                   + (mode == MM_C_CHAIN ? c[0] : 0);
        }

    } else {
        k = (maas_gemm_t) {
            b->rows, b->cols, g->k, b->a, b->lda, b->b, y, g->n,
            mode == MM_C_CHAIN ? c + b->n0 : NULL, mode == MM_C_COPY,
            after != NULL ? after + b->n0 : NULL
        };

        if (b->w8 != NULL) {
            panels8_gemm(s->k, &k, b->w8, room);
        } else if (g->few) {
            mm_few_gemm(s->k, g, &k);
        } else {
            s->k->gemm(&k, 0, b->rows);
        }
    }

    for (i = 0; i < b->rows; i++) {
        if (mode == MM_C_AFTER) {
            mm_c_row(s, a, y + i * g->n, b->m0 + i, b->n0, b->cols);

        } else if (a != NULL && a->alpha != 1) {
            s->k->unary[MAAS_U_AFFINE](y + i * g->n, y + i * g->n, b->cols,
                                       a->alpha, 0);
        }
    }

    mm_posts(s, g, b, after != NULL);
}


/* The block's rows of A; transposed, they go through the scratch. */
static void
mm_rows_f32(const maas_step_t *s, const mm_t *g, mm_block_t *b, int64_t ia,
    float *scratch)
{
    if (g->ta) {
        s->k->transpose(scratch, g->k, (const float *) s->in[0].data + b->m0,
                        g->lda, g->k, b->rows);
        b->a = scratch;
        b->lda = g->k;
        return;
    }

    b->a = (const float *) s->in[0].data + ia * g->m * g->k
           + b->m0 * g->lda;
    b->lda = g->lda;
}


static maas_status_t
mm_run_f32(const maas_step_t *s, const gemm_attr_t *a, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    bool          packed, column;
    mm_t          g;
    float        *sa, *sb;
    int64_t       u, t, ia, ib, key, packed_key;
    const float  *base;
    mm_block_t    b = { 0 };

    mm_init(&g, a, &s->in[0], &s->in[1], &s->out[0]);

    if (g.m == 0 || g.n == 0 || g.batch == 0) {
        return MAAS_OK;
    }

    packed = s->in[1].format != MAAS_FMT_PLAIN;
    column = g.n == 1 && !packed;
    sa = slot->scratch;
    sb = (float *) ((char *) slot->scratch + mm_scratch_a(&g));
    packed_key = -1;

    for (u = first; u < last; u++) {
        b.m0 = u % g.mblocks * g.mb;
        t = u / g.mblocks;
        b.n0 = t % g.nblocks * g.nb;
        b.at = t / g.nblocks;
        b.rows = maas_min(g.mb, g.m - b.m0);
        b.cols = maas_min(g.nb, g.n - b.n0);
        mm_at(&g, b.at, &ia, &ib);

        if (s->in[1].format == MAAS_FMT_P16Q8) {
            b.w8 = panels8_at(s->in[1].data, ib, g.k, g.n, b.n0 / MAAS_P16);

        } else if (packed) {
            b.b = (const float *) s->in[1].data
                  + (size_t) ib * maas_p16_elems(g.k, g.n) + b.n0 * g.k;

        } else {
            base = (const float *) s->in[1].data + ib * g.k * g.n
                   + b.n0 * g.ns;
            key = ib * g.nblocks + t % g.nblocks;

            if (!column && !g.few && key != packed_key) {
                s->k->pack_p16(sb, base, g.ks, g.ns, g.k, b.cols, 0,
                               (b.cols + 15) / 16);
                packed_key = key;
            }

            b.b = column || g.few ? base : sb;
        }

        mm_rows_f32(s, &g, &b, ia, sa);
        mm_block_f32(s, a, &g, &b, sb);
    }

    return MAAS_OK;
}


static maas_status_t
matmul_run_f32(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return mm_run_f32(s, NULL, slot, first, last);
}


static maas_status_t
gemm_run_f32(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return mm_run_f32(s, s->attr, slot, first, last);
}


/* -- packing ------------------------------------------------------------- */

/*
 * The compiler asks for every constant input with p->input preset to its
 * index; true: that input is wanted as p then says.
 */
static bool
matmul_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    int                 i;
    const maas_type_t  *b = type[1];

    (void) n;

    if (p->input != 1 || b == NULL || b->dtype != MAAS_F32 || b->rank < 2
        || type[0] == NULL || type[0]->dtype != MAAS_F32)
    {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->k = b->dims[b->rank - 2];
    p->n = b->dims[b->rank - 1];
    p->groups = 1;

    for (i = 0; i < b->rank - 2; i++) {
        p->groups *= b->dims[i];
    }

    p->gs = p->k * p->n;
    p->ks = p->n;
    p->ns = 1;
    p->eight = true;
    return p->n > 1 && p->k > 0 && p->groups > 0;
}


static bool
gemm_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    const maas_type_t  *b = type[1];
    const gemm_attr_t  *a = n->attr;

    if (p->input != 1 || b == NULL || b->dtype != MAAS_F32 || b->rank != 2) {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->groups = 1;
    p->gs = 0;
    p->k = a->transB ? b->dims[1] : b->dims[0];
    p->n = a->transB ? b->dims[0] : b->dims[1];
    p->ks = a->transB ? 1 : p->n;
    p->ns = a->transB ? p->k : 1;
    p->eight = true;
    return p->n > 1 && p->k > 0;
}


/* Gemm-6: C broadcasts always from 7 on. */
static maas_status_t
gemm_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) im;
    (void) err;

    if (opset < 7) {
        maas_raw_attr_drop(n, "broadcast");
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define MM_TYPES  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64) | MAAS_D(U32)     \
                   | MAAS_D(U64))

static const maas_formal_t  matmul_in[] = {
    { "A", MM_TYPES, 'T', 0 },
    { "B", MM_TYPES, 'T', 0 }
};

static const maas_formal_t  gemm_in[] = {
    { "A", MM_TYPES, 'T', 0 },
    { "B", MM_TYPES, 'T', 0 },
    { "C", MM_TYPES, 'T', MAAS_OPT }
};

static const maas_formal_t  mm_out[] = {
    { "Y", MM_TYPES, 'T', 0 }
};

static const maas_attr_row_t  gemm_attrs[] = {
    { "alpha", MAAS_ATTR_FLOAT, false, offsetof(gemm_attr_t, alpha), 0, 1 },
    { "beta", MAAS_ATTR_FLOAT, false, offsetof(gemm_attr_t, beta), 0, 1 },
    { "transA", MAAS_ATTR_INT, false, offsetof(gemm_attr_t, transA) },
    { "transB", MAAS_ATTR_INT, false, offsetof(gemm_attr_t, transB) }
};

#define MM_POST  (1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY              \
                  | 1u << MAAS_POST_BINARY_SCALAR                             \
                  | 1u << MAAS_POST_BINARY_LAST)

static const maas_kernel_row_t  matmul_kernels[] = {
    { "matmul.gemm.p16", MAAS_CPU_REF, 0, MM_POST, matmul_setup_packed,
      matmul_run_f32 },
    { "matmul.gemm.dyn", MAAS_CPU_REF, 0, MM_POST, matmul_setup_plain,
      matmul_run_f32 },
    { "matmul.double", MAAS_CPU_REF, 0, 0, matmul_double_setup,
      matmul_double_run },
    { "matmul.loops", MAAS_CPU_REF, 0, 0, mm_loops_setup, matmul_loops_run }
};

static const maas_kernel_row_t  gemm_kernels[] = {
    { "gemm.gemm.p16", MAAS_CPU_REF, 0, MM_POST, gemm_setup_packed,
      gemm_run_f32 },
    { "gemm.gemm.turned", MAAS_CPU_REF, 0, MM_POST, gemm_turned_setup,
      gemm_turned_run },
    { "gemm.gemm.dyn", MAAS_CPU_REF, 0, MM_POST, gemm_setup_plain,
      gemm_run_f32 },
    { "gemm.double", MAAS_CPU_REF, 0, 0, gemm_double_setup,
      gemm_double_run },
    { "gemm.loops", MAAS_CPU_REF, 0, 0, mm_loops_setup, gemm_loops_run }
};

static const maas_case_t  matmul_cases[] = {
    { "| f32[3,4] f32[4,5]", NULL },
    { "| f32[7,33] =f32[33,17]", NULL },
    { "| f32[2,3,4] =f32[4,5]", NULL },
    { "| f32[2,1,7,9] f32[3,9,16]", NULL },
    { "| f32[2,3,5,6] =f32[3,6,33]", NULL },
    { "| f32[4] f32[4,5]", NULL },
    { "| f32[2,1,9] f32[2,9,300]", NULL },
    { "| f32[5,90] f32[90,131]", NULL },
    { "| f32[3,4] f32[4]", NULL },
    { "| f32[4] f32[4]", NULL },
    { "| f32[2,3,4] =f32[4]", NULL },
    { "| f32[0,4] f32[4,5]", NULL },
    { "| f32[3,0] f32[0,5]", NULL },
    { "| f32[200,130] =f32[130,100]", NULL },
    { "| f64[3,7] f64[7,5]", NULL },
    { "| f64[2,100,530] f64[2,530,70]", NULL },
    { "| f64[7] f64[7]", NULL },
    { "| i32[2,3,7] i32[7,5]", NULL },
    { "| i64[3,7] i64[7,1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  matmul_bad[] = {
    { "| f32[3,4] f32[5,6]", "inner dimension" },
    { "| f32[2,3,4] f32[3,4,5]", "batch dimension" },
    { "| f32[] f32[4,5]", "expected 1 or more" },
    { NULL, NULL }
};

static const maas_case_t  gemm_cases[] = {
    { "| f32[3,4] f32[4,5]", NULL },
    { "| f32[3,4] =f32[4,5] =f32[5]", NULL },
    { "transB=1 | f32[9,33] =f32[17,33] =f32[17]", NULL },
    { "transA=1 alpha=0.5 | f32[33,7] =f32[33,17] f32[7,17]", NULL },
    { "transA=1 alpha=0.5 | f32[700,70] f32[700,90]", NULL },
    { "transA=1 transB=1 | f32[9,30] f32[37,9]", NULL },
    { "transA=1 | f32[0,3] f32[0,5]", NULL },
    { "transA=1 transB=1 beta=2.0 | f32[4,3] f32[5,4] f32[3,1]", NULL },
    { "alpha=0.25 beta=0.35 | f32[3,4] =f32[4,5] f32[]", NULL },
    { "| f32[30,40] =f32[40,50] f32[30,50]", NULL },
    { "| f32[1,64] =f32[64,100] =f32[1,100]", NULL },
    { "transB=1 | f32[5,64] =f32[1,64] =f32[1]", NULL },
    { "beta=0.0 | f32[3,4] f32[4,5] f32[3,5]:nan", NULL },
    { "| f32[0,4] f32[4,5] f32[5]", NULL },
    { "transB=1 | f32[3,130] f32[300,130] f32[300]", NULL },
    { "transB=1 alpha=0.5 | f32[8,70] f32[33,70] f32[8,33]", NULL },
    { "transA=1 transB=1 | f32[7,2] f32[150,7] f32[2,150]", NULL },
    { "transA=1 alpha=0.5 | f64[4,3] f64[4,5] f64[5]", NULL },
    { "transA=1 transB=1 beta=0.5 | f64[9,30] f64[37,9] f64[30,1]", NULL },
    { "| f64[3,0] f64[0,5] f64[3,5]", NULL },
    { "| i32[3,4] i32[4,5] i32[5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  gemm_bad[] = {
    { "| f32[3,4] f32[5,6]", "inner dimension" },
    { "| f32[2,3,4] f32[4,5]", "expected 2" },
    { "| f32[3,4] f32[4,5] f32[4]", "does not broadcast" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_matmul[] = {
    {
        .name = "MatMul", .domain = "", .since = 13,
        .flags = MAAS_OP_PURE,
        MAAS_IO(matmul_in, mm_out),
        .infer = mm_matmul_infer,
        MAAS_KERNELS(matmul_kernels),
        .pack = matmul_pack, .flops = matmul_flops,
        .grad = maas_grad_matmul, .cases = matmul_cases, .bad = matmul_bad
    },
    {
        .name = "Gemm", .domain = "", .since = 13,
        .flags = MAAS_OP_PURE,
        MAAS_IO(gemm_in, mm_out),
        MAAS_ATTRS(gemm_attrs, gemm_attr_t),
        .upgrade = gemm_upgrade, .first = 6,
        .infer = mm_gemm_infer,
        MAAS_KERNELS(gemm_kernels),
        .pack = gemm_pack, .flops = gemm_flops,
        .grad = maas_grad_gemm, .cases = gemm_cases, .bad = gemm_bad
    },
    { .name = NULL }
};
