/*
 * maas.PackQ8 and maas.QMatMul: MatMulInteger by a constant matrix, which
 * lies in 8-bit panels (kernels.h).  The compiler puts them in the place of
 * MatMulInteger (graph/pass/fuse_qmatmul.c).
 *
 * Given a scale, the int32 sums become float32 and are multiplied by it: an
 * element, or one for each column; post-ops may follow.
 *
 * The kernel multiplies uint8 by int8: an int8 A is raised by 128 in the
 * scratch, a uint8 B was lowered by 128 when it was packed, and so are the
 * zero points.  With them, sum (a - za) (b - zb) is
 *   sum a b - za sum b - zb (sum a - K za), and exact.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/quant.h"


#define QP_ROWS  96
#define QP_COLS  128


typedef struct {
    int64_t  k;
    int64_t  n;
    int64_t  raised;            /* B was uint8 */
} qp_attr_t;

enum { QP_A, QP_B, QP_ZA, QP_ZB, QP_SCALE };


/* -- packing ------------------------------------------------------------- */

static maas_status_t
packq8_infer(maas_infer_t *c)
{
    maas_dim_t          dims[2];
    const maas_type_t  *x = c->in[0].type;

    if (x->rank != 2 || x->dims[0] > INT32_MAX || x->dims[1] > INT32_MAX) {
        return maas_err(c->err, MAAS_EINVAL, "expected a matrix");
    }

    dims[0] = MAAS_DIM_NONE;
    dims[1] = MAAS_DIM_NONE;

    if (maas_dim_known(x->dims[0]) && maas_dim_known(x->dims[1])) {
        dims[0] = (x->dims[1] + MAAS_Q16 - 1) / MAAS_Q16;
        dims[1] = maas_q16_panel(x->dims[0]);
    }

    maas_infer_set(c, 0, MAAS_I8, 2, dims);
    return MAAS_OK;
}


static bool
packq8_setup(maas_setup_t *u)
{
    u->units = (u->in[0].dims[1] + MAAS_Q16 - 1) / MAAS_Q16;
    u->cost = (double) maas_tensor_count(&u->in[0]);
    return true;
}


static maas_status_t
packq8_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int8_t         *y;
    int32_t         v, sum[MAAS_Q16];
    int64_t         i, j, p, cols, k = s->in[0].dims[0], n = s->in[0].dims[1];
    int64_t         size = maas_q16_panel(k);
    const uint8_t  *x = s->in[0].data;
    const uint8_t   flip = s->in[0].dtype == MAAS_U8 ? 0x80 : 0;

    (void) slot;

    for (p = first; p < last; p++) {
        y = (int8_t *) s->out[0].data + p * size;
        cols = maas_min(n - p * MAAS_Q16, MAAS_Q16);
        memset(y, 0, (size_t) size);
        memset(sum, 0, sizeof(sum));

        for (i = 0; i < k; i++) {
            for (j = 0; j < cols; j++) {
                v = (int8_t) (x[i * n + p * MAAS_Q16 + j] ^ flip);
                sum[j] += v;
                y[MAAS_Q16_HEAD + (i / 4 * MAAS_Q16 + j) * 4 + i % 4] =
                    (int8_t) v;
            }
        }

        memcpy(y, sum, sizeof(sum));
    }

    return MAAS_OK;
}


/* -- products ------------------------------------------------------------ */

/* Blocks, and what a thread's scratch holds. */
typedef struct {
    int64_t  m, mb, nb, mblocks, nblocks;
    size_t   a, c, sums, zero;
} qp_t;


static void
qp_init(qp_t *q, const qp_attr_t *at, const maas_tensor_t *a)
{
    bool  raise = a->dtype == MAAS_I8;

    q->m = maas_tensor_count(a) / maas_max(at->k, 1);
    q->mb = maas_max(maas_min(q->m, QP_ROWS), 1);
    q->nb = q->mb <= QP_ROWS / 4 ? 2 * QP_COLS : QP_COLS;
    q->nb = maas_min((at->n + MAAS_Q16 - 1) / MAAS_Q16 * MAAS_Q16, q->nb);

    /* blocks of like height */
    q->mblocks = (q->m + q->mb - 1) / q->mb;
    q->mb = q->mblocks != 0 ? (q->m + q->mblocks - 1) / q->mblocks : 1;
    q->nblocks = (at->n + q->nb - 1) / q->nb;

    /* and an even number of them, for two threads */
    if (q->nblocks > 1 && (q->nblocks & q->mblocks & 1)) {
        q->nb = (at->n + q->nblocks) / (q->nblocks + 1);
        q->nb = (q->nb + MAAS_Q16 - 1) / MAAS_Q16 * MAAS_Q16;
        q->nblocks = (at->n + q->nb - 1) / q->nb;
    }

    q->a = raise ? maas_align((size_t) (q->mb * at->k), MAAS_ALIGN) : 0;
    q->c = maas_align((size_t) (q->mb * q->nb) * 4, MAAS_ALIGN);
    q->sums = maas_align((size_t) q->nb * 4, MAAS_ALIGN);
    q->zero = q->sums;
}


static bool
qmatmul_setup(maas_setup_t *u)
{
    qp_t              q;
    const qp_attr_t  *at = u->attr;

    qp_init(&q, at, &u->in[QP_A]);

    u->units = maas_max(q.mblocks * q.nblocks, 1);
    u->scratch = q.a + q.c + q.sums + q.zero;
    u->cost = 100 + (double) q.m * (double) at->k * (double) at->n / 200
              + (double) u->out[0].bytes / 10;
    return true;
}


static double
qmatmul_flops(const maas_setup_t *u)
{
    const qp_attr_t  *at = u->attr;

    return 2.0 * (double) maas_tensor_count(&u->out[0]) * (double) at->k;
}


/* One block: its place, and the thread's scratch. */
typedef struct {
    int64_t         m0, rows, n0, cols, pad;
    const uint8_t  *a;
    int32_t        *c, *sums, *zero;    /* zero: NULL when all are 0 */
} qp_block_t;


/* Sums of the columns, and zero points of B where one is not 0. */
static void
qp_columns(const maas_step_t *s, const qp_attr_t *at, qp_block_t *b,
    int32_t *zero)
{
    bool         any = false;
    int64_t      j;
    const char  *panel = (const char *) s->in[QP_B].data
                         + b->n0 / MAAS_Q16 * maas_q16_panel(at->k);

    for (j = 0; j < b->cols; j += MAAS_Q16) {
        memcpy(b->sums + j, panel, MAAS_Q16 * sizeof(int32_t));
        panel += maas_q16_panel(at->k);
    }

    for (j = 0; j < b->cols; j++) {
        zero[j] = quant_zero(s, QP_ZB, b->n0 + j) - (at->raised ? 128 : 0);
        any = any || zero[j] != 0;
    }

    b->zero = any ? zero : NULL;
}


static void
qp_rows(const maas_step_t *s, const qp_attr_t *at, const qp_block_t *b)
{
    float       *f;
    int32_t     *y, za, r = 0;
    int64_t      i, row, by;
    const bool   raise = s->in[QP_A].dtype == MAAS_I8;

    by = quant_has(s, QP_SCALE) && maas_tensor_count(&s->in[QP_SCALE]) > 1;

    for (i = 0; i < b->rows; i++) {
        row = b->m0 + i;
        za = quant_zero(s, QP_ZA, row) + (raise ? 128 : 0);

        if (b->zero != NULL) {
            r = (int32_t) ((uint32_t) at->k * (uint32_t) za
                           - s->k->qsum(b->a + i * at->k, at->k));
        }

        y = quant_has(s, QP_SCALE)
            ? b->c + i * b->pad
            : (int32_t *) s->out[0].data + row * at->n + b->n0;
        s->k->qfix(y, b->c + i * b->pad, b->sums, -za, b->zero, r, b->cols);

        if (quant_has(s, QP_SCALE)) {
            f = (float *) s->out[0].data + row * at->n + b->n0;
            s->k->qscale(f, y, (const float *) s->in[QP_SCALE].data
                               + b->n0 * by, (int) by, b->cols);
        }
    }
}


static void
qp_block(const maas_step_t *s, const qp_attr_t *at, qp_block_t *b,
    int32_t *zero)
{
    int64_t            y = b->m0 * at->n + b->n0;
    maas_qgemm_t       g;
    maas_post_block_t  post;

    b->pad = (b->cols + MAAS_Q16 - 1) / MAAS_Q16 * MAAS_Q16;

    g = (maas_qgemm_t) {
        b->rows, b->cols, at->k, b->a, at->k,
        (const int8_t *) s->in[QP_B].data
            + b->n0 / MAAS_Q16 * maas_q16_panel(at->k), b->c, b->pad
    };
    s->k->qgemm(&g);

    qp_columns(s, at, b, zero);
    qp_rows(s, at, b);

    if (s->n_post != 0) {
        post = (maas_post_block_t) {
            (float *) s->out[0].data + y, at->n, b->rows, b->cols, y, at->n,
            0, 0, b->n0
        };
        maas_post_apply(s, &post);
    }
}


static maas_status_t
qmatmul_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char             *p = slot->scratch;
    qp_t              q;
    uint8_t          *raised;
    int32_t          *zero;
    int64_t           u;
    qp_block_t        b;
    const qp_attr_t  *at = s->attr;

    qp_init(&q, at, &s->in[QP_A]);

    if (q.m == 0) {
        return MAAS_OK;
    }

    raised = (uint8_t *) p;
    b.c = (int32_t *) (p += q.a);
    b.sums = (int32_t *) (p += q.c);
    zero = (int32_t *) (p + q.sums);

    for (u = first; u < last; u++) {
        b.m0 = u % q.mblocks * q.mb;
        b.n0 = u / q.mblocks * q.nb;
        b.rows = maas_min(q.mb, q.m - b.m0);
        b.cols = maas_min(q.nb, at->n - b.n0);
        b.a = (const uint8_t *) s->in[QP_A].data + b.m0 * at->k;

        if (q.a != 0) {
            for (int64_t i = 0; i < b.rows * at->k; i++) {
                raised[i] = b.a[i] ^ 0x80;
            }

            b.a = raised;
        }

        qp_block(s, at, &b, zero);
    }

    return MAAS_OK;
}


static maas_status_t
qmatmul_infer(maas_infer_t *c)
{
    maas_dim_t          dims[MAAS_RANK_MAX], k;
    const qp_attr_t    *at = c->attr;
    const maas_type_t  *a = c->in[QP_A].type, *b = c->in[QP_B].type, *t;

    if (a->rank < 2) {
        return maas_err(c->err, MAAS_EINVAL, "A has rank %d, expected 2 or "
                        "more", a->rank);
    }

    if (b->rank != 2 || at->k > INT32_MAX
        || b->dims[0] != (at->n + MAAS_Q16 - 1) / MAAS_Q16
        || b->dims[1] != maas_q16_panel(at->k))
    {
        return maas_err(c->err, MAAS_EINVAL, "B is no panels of %lld x %lld",
                        (long long) at->k, (long long) at->n);
    }

    MAAS_TRY(maas_infer_merge(c, a->dims[a->rank - 1], at->k, &k,
                              "inner dimension of A and B"));
    MAAS_TRY(quant_infer_vector(c, QP_ZB, "the zero point of B", at->n,
                                "column"));

    if (maas_infer_has(c, QP_SCALE)) {
        t = c->in[QP_SCALE].type;

        if (t->rank < 0 || maas_dims_count(t->dims, t->rank) != 1) {
            MAAS_TRY(quant_infer_vector(c, QP_SCALE, "the scale", at->n,
                                        "column"));
        }
    }

    memcpy(dims, a->dims, sizeof(dims));
    dims[a->rank - 1] = at->n;
    maas_infer_set(c, 0, maas_infer_has(c, QP_SCALE) ? MAAS_F32 : MAAS_I32,
                   a->rank, dims);
    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  packq8_in[] = { { "B", MAAS_D_Q8, 0, 0 } };
static const maas_formal_t  packq8_out[] = { { "P", MAAS_D(I8), 0, 0 } };

static const maas_formal_t  qmatmul_in[] = {
    { "A",            MAAS_D_Q8, 'A', 0 },
    { "B",            MAAS_D(I8), 0, 0 },
    { "a_zero_point", MAAS_D_Q8, 'A', MAAS_OPT },
    { "b_zero_point", MAAS_D_Q8, 0, MAAS_OPT },
    { "scale",        MAAS_D(F32), 0, MAAS_OPT }
};

static const maas_formal_t  qmatmul_out[] = {
    { "Y", MAAS_D(I32) | MAAS_D(F32), 0, 0 }
};

static const maas_attr_row_t  qmatmul_attrs[] = {
    { .name = "k", .type = MAAS_ATTR_INT, .required = true, .min = 1,
      .max = INT32_MAX, .off = offsetof(qp_attr_t, k) },
    { .name = "n", .type = MAAS_ATTR_INT, .required = true, .min = 1,
      .max = INT32_MAX, .off = offsetof(qp_attr_t, n) },
    { .name = "raised", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(qp_attr_t, raised) }
};

static const maas_kernel_row_t  packq8_kernels[] = {
    { "packq8.panels", MAAS_CPU_REF, 0, 0, packq8_setup, packq8_run }
};

#define QP_POSTS  (1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY             \
                   | 1u << MAAS_POST_BINARY_SCALAR                            \
                   | 1u << MAAS_POST_BINARY_LAST)

static const maas_kernel_row_t  qmatmul_kernels[] = {
    { "qmatmul.panels", MAAS_CPU_REF, 0, QP_POSTS, qmatmul_setup,
      qmatmul_run }
};

static const maas_case_t  packq8_cases[] = {
    { "| i8[5,3]", NULL },
    { "| u8[33,40]", NULL },
    { "| u8[4,16]", NULL },
    { NULL, NULL }
};

static const maas_case_t  packq8_bad[] = {
    { "| i8[5]", "expected a matrix" },
    { NULL, NULL }
};

static const maas_case_t  qmatmul_bad[] = {
    { "k=4 n=3 | u8[2,4] i8[1,64]", "no panels of 4 x 3" },
    { "k=4 n=3 | u8[2,5] i8[1,128]", "inner dimension" },
    { "k=4 n=3 | u8[4] i8[1,128]", "A has rank 1" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_qpanels[] = {
    {
        .name = "PackQ8", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(packq8_in, packq8_out),
        .infer = packq8_infer,
        MAAS_KERNELS(packq8_kernels),
        .cases = packq8_cases, .bad = packq8_bad
    },
    {
        .name = "QMatMul", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qmatmul_in, qmatmul_out),
        MAAS_ATTRS(qmatmul_attrs, qp_attr_t),
        .infer = qmatmul_infer,
        MAAS_KERNELS(qmatmul_kernels),
        .flops = qmatmul_flops,
        .bad = qmatmul_bad
    },
    { .name = NULL }
};
