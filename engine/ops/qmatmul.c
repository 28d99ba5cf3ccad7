/*
 * MatMulInteger-10 and QLinearMatMul-10.
 *
 * A unit is a block of rows and columns of one product: its columns of B
 * become panels (ops/qpanels.h) in the scratch of the thread.  Units of one
 * block of B follow each other, so that a thread packs it once.  Sums are
 * int32 and exact; they are scaled in float32 by a_scale * b_scale / y_scale.
 *
 * Scales and zero points: one element, 1-D (a row of A, a column of B), or
 * of the operand's shape with 1 for K.  Element (row, column) of the whole
 * operand then has the index modulo their number.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/matmul.h"
#include "ops/qpanels.h"


#define QMM_ROWS    96
#define QMM_BLOCK   131072          /* bytes of a block of B */

/* Inputs by role; -1: the operator has none. */
typedef struct {
    int8_t  b, za, zb, sa, sb, sy, zy;
} qmm_in_t;

static const qmm_in_t  qmm_integer = { 1, 2, 3, -1, -1, -1, -1 };
static const qmm_in_t  qmm_linear = { 3, 2, 5, 1, 4, 6, 7 };

/* Sizes of a thread's scratch: rows of A, of B, sums, zeros and scales. */
typedef struct {
    size_t  a, b, c, sums, zero, scale;
} qmm_room_t;


static void
qmm_init(mm_t *g, qmm_room_t *r, const qmm_in_t *in, const maas_tensor_t *t,
    const maas_tensor_t *y)
{
    int64_t  panel;

    mm_init(g, NULL, &t[0], &t[in->b], y);

    panel = maas_q16_panel(g->k);
    g->mb = maas_min(QMM_ROWS, maas_max(g->m, 1));
    g->nb = maas_max(QMM_BLOCK / panel, 1) * MAAS_Q16;
    g->nb = maas_min(maas_min(g->nb, 256), qpanels_cols(maas_max(g->n, 1)));

    /* blocks of like height */
    g->mblocks = (g->m + g->mb - 1) / g->mb;
    g->mb = g->mblocks != 0 ? (g->m + g->mblocks - 1) / g->mblocks : 1;
    g->nblocks = (g->n + g->nb - 1) / g->nb;

    r->a = t[0].dtype == MAAS_I8
           ? maas_align((size_t) (g->mb * g->k), MAAS_ALIGN) : 0;
    r->b = maas_align((size_t) (g->nb / MAAS_Q16 * panel), MAAS_ALIGN);
    r->c = maas_align((size_t) (g->mb * g->nb) * 4, MAAS_ALIGN);
    r->sums = maas_align((size_t) g->nb * 4, MAAS_ALIGN);
    r->zero = r->sums;
    r->scale = r->sums;
}


static bool
qmm_setup(maas_setup_t *u, const qmm_in_t *in)
{
    mm_t        g;
    qmm_room_t  r;

    qmm_init(&g, &r, in, u->in, u->out);

    u->units = maas_max(g.batch * g.mblocks * g.nblocks, 1);
    u->scratch = r.a + r.b + r.c + r.sums + r.zero + r.scale;
    u->cost = 100 + (double) g.batch * (double) g.m * (double) g.n
              * (double) g.k / 200 + (double) u->in[in->b].bytes / 4;
    return true;
}


static bool
matmulinteger_setup(maas_setup_t *u)
{
    return qmm_setup(u, &qmm_integer);
}


static bool
qlinearmatmul_setup(maas_setup_t *u)
{
    return qmm_setup(u, &qmm_linear);
}


static double
qmm_flops(const maas_setup_t *u)
{
    const maas_tensor_t  *a = &u->in[0];

    return 2.0 * (double) maas_tensor_count(&u->out[0])
           * (double) a->dims[a->rank - 1];
}


/* One block of the product; at: its matrix of the output. */
typedef struct {
    int64_t    m0, n0;
    int64_t    at, ia, ib;
    int8_t    *panels;
    float     *scale;
    qpanels_t  b;
} qmm_block_t;


static void
qmm_pack(const maas_step_t *s, const qmm_in_t *in, const mm_t *g,
    qmm_block_t *b, int32_t *zero)
{
    const char           *p;
    const maas_tensor_t  *t = &s->in[in->b];

    p = (const char *) t->data + b->ib * g->k * g->n + b->n0;
    qpanels_pack(s->k, b->panels, p, t->dtype, g->n, g->k, b->b.cols);
    b->b.zero = qpanels_zero(s, in->zb, t->dtype == MAAS_U8,
                             b->ib * g->n + b->n0, b->b.cols, zero);
}


/* A row in the scratch of sums: to codes.  Its scales: of the block. */
static void
qmm_codes(const maas_step_t *s, const qmm_in_t *in, const mm_t *g,
    const qmm_block_t *b, int64_t row, bool first, const int32_t *sums)
{
    char          *y = s->out[0].data;
    const int32_t  lo = s->out[0].dtype == MAAS_I8 ? -128 : 0;
    const int64_t  ra = b->ia * g->m + row, ry = b->at * g->m + row;
    float          sa, sy;

    if (first || maas_tensor_count(&s->in[in->sa]) > 1
        || maas_tensor_count(&s->in[in->sy]) > 1)
    {
        sa = quant_scale(s, in->sa, ra);
        sy = quant_scale(s, in->sy, ry);

        for (int64_t j = 0; j < b->b.cols; j++) {
            b->scale[j] = sa * quant_scale(s, in->sb, b->ib * g->n + b->n0 + j)
                          / sy;
        }
    }

    s->k->qround((uint8_t *) y + ry * g->n + b->n0, sums, b->scale, 1,
                 quant_zero(s, in->zy, ry), lo, lo + 255, b->b.cols);
}


static void
qmm_block(const maas_step_t *s, const qmm_in_t *in, const mm_t *g,
    qmm_block_t *b, void *raised)
{
    int32_t              *y, za;
    int64_t               i, row;
    const maas_tensor_t  *a = &s->in[0];

    b->b.a = qpanels_raise(raised, (const char *) a->data
                                   + (b->ia * g->m + b->m0) * g->k,
                           a->dtype, b->b.rows * g->k);
    qpanels_product(s->k, &b->b);

    for (i = 0; i < b->b.rows; i++) {
        row = b->m0 + i;
        za = quant_zero(s, in->za, b->ia * g->m + row)
             + (a->dtype == MAAS_I8 ? 128 : 0);
        y = in->sy < 0
            ? (int32_t *) s->out[0].data + (b->at * g->m + row) * g->n + b->n0
            : b->b.c + i * qpanels_cols(b->b.cols);
        qpanels_row(s->k, &b->b, i, za, y);

        if (in->sy >= 0) {
            qmm_codes(s, in, g, b, row, i == 0, y);
        }
    }
}


static maas_status_t
qmm_run(const maas_step_t *s, const qmm_in_t *in, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    mm_t         g;
    char        *p = slot->scratch;
    int32_t     *zero;
    int64_t      u, t, key, have = -1;
    qmm_room_t   r;
    qmm_block_t  b;

    qmm_init(&g, &r, in, s->in, s->out);

    if (g.m == 0 || g.n == 0 || g.batch == 0) {
        return MAAS_OK;
    }

    b.panels = (int8_t *) (p += r.a);
    b.b.c = (int32_t *) (p += r.b);
    b.b.sums = (int32_t *) (p += r.c);
    zero = (int32_t *) (p += r.sums);
    b.scale = (float *) (p + r.zero);
    b.b.b = b.panels;
    b.b.k = g.k;

    for (u = first; u < last; u++) {
        b.m0 = u % g.mblocks * g.mb;
        t = u / g.mblocks;
        b.n0 = t % g.nblocks * g.nb;
        b.at = t / g.nblocks;
        b.b.rows = maas_min(g.mb, g.m - b.m0);
        b.b.cols = maas_min(g.nb, g.n - b.n0);
        mm_at(&g, b.at, &b.ia, &b.ib);
        key = b.ib * g.nblocks + t % g.nblocks;

        if (key != have) {
            qmm_pack(s, in, &g, &b, zero);
            have = key;
        }

        qmm_block(s, in, &g, &b, slot->scratch);
    }

    return MAAS_OK;
}


static maas_status_t
matmulinteger_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return qmm_run(s, &qmm_integer, slot, first, last);
}


static maas_status_t
qlinearmatmul_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return qmm_run(s, &qmm_linear, slot, first, last);
}


/* -- shapes -------------------------------------------------------------- */

/*
 * Input i goes with an operand of these dims, whose axis `keep` it has (-1:
 * none) while the other of the last two axes is 1.
 */
static maas_status_t
qmm_infer_param(maas_infer_t *c, int i, const char *name,
    const maas_dim_t *dims, int rank, int keep, const char *what)
{
    int                 d, last;
    char                text[MAAS_DIMS_TEXT];
    maas_dim_t          want;
    const maas_type_t  *t;

    if (i < 0 || !maas_infer_has(c, i)) {
        return MAAS_OK;
    }

    t = c->in[i].type;

    if (t->rank < 2 || rank < 2) {
        return quant_infer_vector(c, i, name, keep < 0 ? 1 : dims[keep],
                                  keep < 0 ? NULL : what);
    }

    last = keep == rank - 1 ? rank - 2 : rank - 1;

    for (d = 0; d < rank && t->rank == rank; d++) {
        want = d == last ? 1 : dims[d];

        if (maas_dim_known(want) && maas_dim_known(t->dims[d])
            && t->dims[d] != want)
        {
            break;
        }
    }

    if (t->rank != rank || d < rank) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%s has shape %s, expected one element, one for each "
                        "%s, or the operand's shape with 1 for the other axis",
                        name, maas_dims_text(text, t->dims, t->rank), what);
    }

    return MAAS_OK;
}


static maas_status_t
qmm_infer(maas_infer_t *c, const qmm_in_t *in, maas_dtype_t dtype)
{
    int                 ia, ib, rank, row;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *a = c->in[0].type, *b = c->in[in->b].type;

    MAAS_TRY(mm_infer(c, in->b, dims, &rank));

    ia = a->rank > 1 ? a->rank - 2 : -1;
    ib = b->rank > 1 ? b->rank - 1 : -1;
    row = ia < 0 ? -1 : ib < 0 ? rank - 1 : rank - 2;

    MAAS_TRY(qmm_infer_param(c, in->za, "the zero point of A", a->dims,
                             a->rank, ia, "row"));
    MAAS_TRY(qmm_infer_param(c, in->sa, "the scale of A", a->dims, a->rank,
                             ia, "row"));
    MAAS_TRY(qmm_infer_param(c, in->zb, "the zero point of B", b->dims,
                             b->rank, ib, "column"));
    MAAS_TRY(qmm_infer_param(c, in->sb, "the scale of B", b->dims, b->rank,
                             ib, "column"));

    /* Without columns, 1-D is all that a row's parameters can be. */
    MAAS_TRY(qmm_infer_param(c, in->sy, "the scale of Y", dims,
                             ib < 0 ? 1 : rank, row, "row"));
    MAAS_TRY(qmm_infer_param(c, in->zy, "the zero point of Y", dims,
                             ib < 0 ? 1 : rank, row, "row"));

    maas_infer_set(c, 0, dtype, rank, dims);
    return MAAS_OK;
}


static maas_status_t
matmulinteger_infer(maas_infer_t *c)
{
    return qmm_infer(c, &qmm_integer, MAAS_I32);
}


static maas_status_t
qlinearmatmul_infer(maas_infer_t *c)
{
    return qmm_infer(c, &qmm_linear, c->in[7].type->dtype);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  matmulinteger_in[] = {
    { "A",            MAAS_D_Q8, 'A', 0 },
    { "B",            MAAS_D_Q8, 'B', 0 },
    { "a_zero_point", MAAS_D_Q8, 'A', MAAS_OPT },
    { "b_zero_point", MAAS_D_Q8, 'B', MAAS_OPT }
};

static const maas_formal_t  matmulinteger_out[] = {
    { "Y", MAAS_D(I32), 0, 0 }
};

static const maas_formal_t  qlinearmatmul_in[] = {
    { "a",            MAAS_D_Q8, 'A', 0 },
    { "a_scale",      MAAS_D(F32), 0, 0 },
    { "a_zero_point", MAAS_D_Q8, 'A', 0 },
    { "b",            MAAS_D_Q8, 'B', 0 },
    { "b_scale",      MAAS_D(F32), 0, 0 },
    { "b_zero_point", MAAS_D_Q8, 'B', 0 },
    { "y_scale",      MAAS_D(F32), 0, 0 },
    { "y_zero_point", MAAS_D_Q8, 'Y', 0 }
};

static const maas_formal_t  qlinearmatmul_out[] = {
    { "y", MAAS_D_Q8, 'Y', 0 }
};

static const maas_kernel_row_t  matmulinteger_kernels[] = {
    { "matmulinteger.panels", MAAS_CPU_REF, 0, 0, matmulinteger_setup,
      matmulinteger_run }
};

static const maas_kernel_row_t  qlinearmatmul_kernels[] = {
    { "qlinearmatmul.panels", MAAS_CPU_REF, 0, 0, qlinearmatmul_setup,
      qlinearmatmul_run }
};

static const maas_case_t  matmulinteger_cases[] = {
    { "| u8[3,4] i8[4,5]", NULL },
    { "| u8[7,33] =i8[33,17] =u8[] =i8[]", NULL },
    { "| i8[7,33] =u8[33,17] =i8[7] =u8[17]", NULL },
    { "| u8[100,70] u8[70,530] u8[1] u8[530]", NULL },
    { "| i8[2,3,4] i8[4,5] i8[3] i8[5]", NULL },
    { "| u8[2,1,7,9] u8[3,9,16] u8[2,1,7,1] u8[3,1,16]", NULL },
    { "| u8[4] i8[4,5] u8[] i8[5]", NULL },
    { "| u8[3,4] i8[4] u8[3] i8[]", NULL },
    { "| u8[4] u8[4]", NULL },
    { "| u8[2,65] u8[65,3] - u8[]", NULL },
    { "| u8[0,4] u8[4,5]", NULL },
    { "| u8[3,0] u8[0,5] u8[3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  matmulinteger_bad[] = {
    { "| u8[3,4] u8[5,6]", "inner dimension" },
    { "| u8[2,3,4] u8[3,4,5]", "batch dimension" },
    { "| u8[] u8[4,5]", "expected 1 or more" },
    { "| u8[3,4] u8[4,5] u8[4]", "one for each row (3)" },
    { "| u8[3,4] u8[4,5] u8[] u8[4]", "one for each column (5)" },
    { "| u8[3,4] u8[4,5] u8[3,4]", "the operand's shape" },
    { "| u8[3,4] f32[4,5]", "expected" },
    { NULL, NULL }
};

static const maas_case_t  qlinearmatmul_cases[] = {
    { "| u8[3,4] f32[]{0.01} u8[] u8[4,5] f32[]{0.02} u8[] f32[]{0.03} u8[]",
      NULL },
    { "| u8[7,33] f32[]{0.01} u8[]{127} =i8[33,17] =f32[17]:pos =i8[17] "
      "=f32[]{0.7} =u8[]{90}", NULL },
    { "| i8[50,33] f32[1]{0.01} i8[1]{-2} i8[33,70] f32[1]{0.5} i8[1]{1} "
      "f32[1]{0.7} i8[1]{5}", NULL },
    { "| u8[3,20] f32[3]:pos u8[3] u8[20,5] f32[5]:pos u8[5] f32[3]:pos i8[3]",
      NULL },
    { "| u8[2,3,4] f32[2,3,1]:pos u8[2,3,1] u8[2,4,5] f32[2,1,5]:pos u8[2,1,5] "
      "f32[]{2} u8[]{100}", NULL },
    { "| u8[2,3,4] f32[] u8[] i8[4,5] f32[5] i8[5] f32[2,3,1] u8[2,3,1]",
      NULL },
    { "| u8[4] f32[]{0.1} u8[] u8[4] f32[]{0.2} u8[] f32[]{3} u8[]", NULL },
    { "| u8[3,4] f32[3] u8[3] u8[4] f32[] u8[] f32[3] u8[3]", NULL },
    { "| u8[3,0] f32[]{0.1} u8[] u8[0,5] f32[]{0.2} u8[] f32[]{3} u8[]",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  qlinearmatmul_bad[] = {
    { "| u8[3,4] f32[] u8[] u8[3,5] f32[] u8[] f32[] u8[]",
      "inner dimension" },
    { "| u8[3,4] f32[2] u8[] u8[4,5] f32[] u8[] f32[] u8[]",
      "the scale of A has shape [2]" },
    { "| u8[3,4] f32[] u8[] u8[4,5] f32[3] u8[] f32[] u8[]",
      "the scale of B has shape [3]" },
    { "| u8[3,4] f32[] u8[] u8[4,5] f32[] u8[] f32[5] u8[]",
      "the scale of Y has shape [5]" },
    { "| u8[3,4] f32[] u8[] u8[4,5] f32[] u8[] f32[]", "y_zero_point" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_qmatmul[] = {
    {
        .name = "MatMulInteger", .domain = "", .since = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(matmulinteger_in, matmulinteger_out),
        .infer = matmulinteger_infer,
        MAAS_KERNELS(matmulinteger_kernels),
        .flops = qmm_flops,
        .cases = matmulinteger_cases, .bad = matmulinteger_bad
    },
    {
        .name = "QLinearMatMul", .domain = "", .since = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(qlinearmatmul_in, qlinearmatmul_out),
        .infer = qlinearmatmul_infer,
        MAAS_KERNELS(qlinearmatmul_kernels),
        .flops = qmm_flops,
        .cases = qlinearmatmul_cases, .bad = qlinearmatmul_bad
    },
    { .name = NULL }
};
