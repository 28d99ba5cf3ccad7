/*
 * maas.MatMulParts: products of one input by several matrices, which stand
 * side by side in B; the compiler makes it of Q, K and V of attention and of
 * a product that is split at once (graph/pass/fuse_parts.c).
 *
 * Output i has the columns of part i, each tensor for itself, so that its
 * readers need no strides and nothing is copied.  A unit is a block of rows
 * and of columns, whose ends need not be those of parts.  A bias is added
 * behind the chain, or starts it (`chain`), as it did where it came from: the
 * bits are those of the products apart.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/matmul.h"
#include "ops/panels8.h"


typedef struct {
    maas_list_t  parts;         /* columns of each output */
    int64_t      chain;
} parts_attr_t;

enum { PARTS_A, PARTS_B, PARTS_BIAS };


/* -- shapes -------------------------------------------------------------- */

static maas_status_t
parts_infer(maas_infer_t *c)
{
    int64_t              sum = 0;
    maas_dim_t           k, dims[MAAS_RANK_MAX];
    const int64_t       *part;
    const maas_type_t   *a = c->in[PARTS_A].type, *b = c->in[PARTS_B].type;
    const parts_attr_t  *at = c->attr;

    part = maas_list_ints(at, &at->parts);

    if (a->rank < 2 || b->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL, "A has rank %d and B has rank "
                        "%d, expected 2 or more, and 2", a->rank, b->rank);
    }

    if ((int) at->parts.n != c->n_out) {
        return maas_err(c->err, MAAS_EINVAL, "%d parts for %d outputs",
                        (int) at->parts.n, c->n_out);
    }

    MAAS_TRY(maas_infer_merge(c, a->dims[a->rank - 1], b->dims[0], &k,
                              "inner dimension of A and B"));
    memcpy(dims, a->dims, sizeof(dims));

    for (int i = 0; i < c->n_out; i++) {
        if (part[i] < 1 || part[i] > INT32_MAX
            || (i < c->n_out - 1 && part[i] % MAAS_P16 != 0))
        {
            return maas_err(c->err, MAAS_EINVAL, "part %d has %lld columns, "
                            "expected a multiple of %d", i,
                            (long long) part[i], MAAS_P16);
        }

        sum += part[i];
        dims[a->rank - 1] = part[i];
        maas_infer_set(c, i, MAAS_F32, a->rank, dims);
    }

    MAAS_TRY(maas_infer_merge(c, b->dims[1], sum, &k, "columns of B"));

    return maas_infer_has(c, PARTS_BIAS)
           ? maas_infer_merge(c, c->in[PARTS_BIAS].type->dims[0], sum, &k,
                              "values of the bias") : MAAS_OK;
}


/* -- products ------------------------------------------------------------ */

/* Rows are cut as in mm_t, columns into `blocks` runs of pairs of panels. */
typedef struct {
    mm_t     g;
    int64_t  pairs, blocks;
} parts_t;


/*
 * Blocks of columns that come out even on a few threads, whatever the parts
 * are: a block may end one part and begin the next.
 */
static void
parts_init(parts_t *p, const maas_tensor_t *in, const maas_tensor_t *out)
{
    double  work;

    mm_init(&p->g, NULL, &in[PARTS_A], &in[PARTS_B], out);
    work = (double) p->g.mb * (double) p->g.k * (double) p->g.n;

    p->pairs = maas_max((p->g.n + 2 * MAAS_P16 - 1) / (2 * MAAS_P16), 1);
    p->blocks = p->pairs % 8 != 0 && p->pairs % 4 == 0 && p->pairs < 64
                ? 4 : 8;

    while (p->pairs / p->blocks > 16) {
        p->blocks *= 2;
    }

    while (p->blocks > 1 && (p->blocks > p->pairs
                             || work / (double) p->blocks < 50000))
    {
        p->blocks /= 2;
    }
}


static bool
parts_setup(maas_setup_t *u)
{
    parts_t  p;
    int64_t  most;

    parts_init(&p, u->in, &u->out[0]);
    most = (p.pairs + p.blocks - 1) / p.blocks * 2 * MAAS_P16;

    u->units = maas_max(p.g.mblocks * p.blocks, 1);
    u->scratch = u->in[PARTS_B].format == MAAS_FMT_P16 ? 0
                 : u->in[PARTS_B].format == MAAS_FMT_P16Q8
                 ? panels8_scratch()
                 : maas_p16_elems(p.g.k, most) * sizeof(float);
    u->cost = 100 + (double) p.g.m * (double) p.g.n * (double) p.g.k / 25
              + (double) p.g.m * (double) p.g.n / 2.5;
    return true;
}


static double
parts_flops(const maas_setup_t *u)
{
    mm_t  g;

    mm_init(&g, NULL, &u->in[PARTS_A], &u->in[PARTS_B], &u->out[0]);
    return 2.0 * (double) g.m * (double) g.n * (double) g.k;
}


/* Rows from m0 on, columns [n0, n1), of which part `out` has those from at. */
typedef struct {
    int64_t  m0, rows;
    int64_t  n0, n1;
    int64_t  at;
} parts_block_t;


/* The columns of the block that part `out` has. */
static void
parts_product(const maas_step_t *s, const mm_t *g, const parts_block_t *b,
    int out, float *scratch)
{
    int64_t              from, to, ldc;
    const float         *w = s->in[PARTS_B].data, *bias = NULL;
    maas_gemm_t          k;
    const parts_attr_t  *at = s->attr;

    ldc = maas_list_ints(at, &at->parts)[out];
    from = maas_max(b->n0, b->at);
    to = maas_min(b->n1, b->at + ldc);

    if (from >= to || s->out[out].dtype == MAAS_NODTYPE) {
        return;
    }

    if (s->n_formal > PARTS_BIAS && s->in[PARTS_BIAS].dtype != MAAS_NODTYPE) {
        bias = (const float *) s->in[PARTS_BIAS].data + from;
    }

    if (s->in[PARTS_B].format == MAAS_FMT_P16) {
        w += from * g->k;

    } else if (s->in[PARTS_B].format == MAAS_FMT_PLAIN) {
        s->k->pack_p16(scratch, w + from, g->ks, g->ns, g->k, to - from, 0,
                       (to - from + 15) / 16);
        w = scratch;
    }

    k = (maas_gemm_t) {
        .m = b->rows, .n = to - from, .k = g->k, .b = w, .lda = g->lda,
        .a = (const float *) s->in[PARTS_A].data + b->m0 * g->lda,
        .c = (float *) s->out[out].data + b->m0 * ldc + from - b->at,
        .ldc = ldc, .bias = at->chain ? bias : NULL,
        .after = at->chain ? NULL : bias
    };

    if (s->in[PARTS_B].format == MAAS_FMT_P16Q8) {
        panels8_gemm(s->k, &k, panels8_at(w, 0, g->k, g->n, from / MAAS_P16),
                     scratch);
    } else {
        s->k->gemm(&k, 0, b->rows);
    }
}


static maas_status_t
parts_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    parts_t              p;
    int64_t              t;
    parts_block_t        b;
    const parts_attr_t  *at = s->attr;

    parts_init(&p, s->in, &s->out[0]);

    for (int64_t u = first; u < last && p.g.m != 0; u++) {
        t = u / p.g.mblocks;
        b.m0 = u % p.g.mblocks * p.g.mb;
        b.rows = maas_min(p.g.mb, p.g.m - b.m0);
        b.n0 = t * p.pairs / p.blocks * 2 * MAAS_P16;
        b.n1 = (t + 1) * p.pairs / p.blocks * 2 * MAAS_P16;
        b.at = 0;

        for (int i = 0; i < s->n_out; i++) {
            parts_product(s, &p.g, &b, i, slot->scratch);
            b.at += maas_list_ints(at, &at->parts)[i];
        }
    }

    return MAAS_OK;
}


static bool
parts_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    const maas_type_t  *b = type[PARTS_B];

    (void) n;

    if (p->input != PARTS_B || b == NULL || b->rank != 2) {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->groups = 1;
    p->k = p->gs = b->dims[0];
    p->n = p->ks = b->dims[1];
    p->ns = 1;
    p->eight = true;
    return p->k > 0;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  parts_in[] = {
    { "A", MAAS_D(F32), 0, 0 },
    { "B", MAAS_D(F32), 0, 0 },
    { "bias", MAAS_D(F32), 0, MAAS_OPT }
};

static const maas_formal_t  parts_out[] = {
    { "outputs", MAAS_D(F32), 0, MAAS_VARIADIC }
};

static const maas_attr_row_t  parts_attrs[] = {
    { .name = "chain", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(parts_attr_t, chain) },
    { .name = "parts", .type = MAAS_ATTR_INTS, .required = true,
      .off = offsetof(parts_attr_t, parts) }
};

static const maas_kernel_row_t  parts_kernels[] = {
    { "matmulparts.gemm.p16", MAAS_CPU_REF, 0, 0, parts_setup, parts_run }
};

static const maas_case_t  parts_cases[] = {
    { "parts=[16,32,7] > 3 | f32[2,3,20] =f32[20,55] =f32[55]", NULL },
    { "parts=[16,16] chain=1 > 2 | f32[200,130] =f32[130,32] =f32[32]", NULL },
    { "parts=[400] | f32[5,33] =f32[33,400]", NULL },
    { "parts=[48,48] > 2 | f32[13,9] f32[9,96]", NULL },
    { "parts=[16,16] > 2 | f32[0,4] =f32[4,32]", NULL },
    { NULL, NULL }
};

static const maas_case_t  parts_bad[] = {
    { "parts=[16,15] > 2 | f32[3,4] =f32[4,32]", "columns of B" },
    { "parts=[15,17] > 2 | f32[3,4] =f32[4,32]", "multiple of 16" },
    { "parts=[32] | f32[3,5] =f32[4,32]", "inner dimension" },
    { "parts=[32] | f32[4] =f32[4,32]", "rank 1" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_matmul_parts[] = {
    {
        .name = "MatMulParts", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(parts_in, parts_out),
        MAAS_ATTRS(parts_attrs, parts_attr_t),
        .infer = parts_infer,
        MAAS_KERNELS(parts_kernels),
        .pack = parts_pack, .flops = parts_flops,
        .cases = parts_cases, .bad = parts_bad
    },
    { .name = NULL }
};
