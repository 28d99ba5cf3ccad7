/*
 * maas.PackQ8 and maas.QMatMul: MatMulInteger and QLinearMatMul by a constant
 * matrix, which lies in 8-bit panels (kernels.h).  The compiler puts them in
 * their place (graph/pass/fuse_qmatmul.c).
 *
 * Given a bias, int32 for each column, the sums begin with it.  Given a scale
 * they become float32 and are multiplied by it: an element, or one for each
 * column; post-ops may follow.  Given a zero point, too, they are rounded to
 * codes of its type.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/qpanels.h"


#define QP_ROWS  96
#define QP_COLS  128


typedef struct {
    int64_t  k;
    int64_t  n;
    int64_t  raised;            /* B was uint8 */
} qp_attr_t;

enum { QP_A, QP_B, QP_ZA, QP_ZB, QP_SCALE, QP_BIAS, QP_ZY };


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
    int64_t      k = s->in[0].dims[0], n = s->in[0].dims[1];
    const char  *x = s->in[0].data;

    (void) slot;

    if (first < last) {
        qpanels_pack(s->k,
                     (int8_t *) s->out[0].data + first * maas_q16_panel(k),
                     x + first * MAAS_Q16, s->in[0].dtype, n, k,
                     maas_min(last * MAAS_Q16, n) - first * MAAS_Q16);
    }

    return MAAS_OK;
}


/* -- blocks -------------------------------------------------------------- */

void
qpanels_pack(const maas_kernels_t *t, int8_t *y, const void *x,
    maas_dtype_t xt, int64_t ld, int64_t k, int64_t n)
{
    int32_t         v, sum[MAAS_Q16];
    int64_t         i, j;
    const uint8_t   flip = xt == MAAS_U8 ? 0x80 : 0, *b = x;

    for ( /* void */ ; n >= MAAS_Q16; n -= MAAS_Q16) {
        t->qpack16(y, b, ld, k, flip);
        y += maas_q16_panel(k);
        b += MAAS_Q16;
    }

    if (n == 0) {
        return;
    }

    memset(y, 0, (size_t) maas_q16_panel(k));
    memset(sum, 0, sizeof(sum));

    for (i = 0; i < k; i++) {
        for (j = 0; j < n; j++) {
            v = (int8_t) (b[i * ld + j] ^ flip);
            sum[j] += v;
            y[MAAS_Q16_HEAD + (i / 4 * MAAS_Q16 + j) * 4 + i % 4] =
                (int8_t) v;
        }
    }

    memcpy(y, sum, sizeof(sum));
}


const uint8_t *
qpanels_raise(uint8_t *y, const void *x, maas_dtype_t xt, int64_t n)
{
    const uint8_t  *a = x;

    if (xt == MAAS_U8) {
        return a;
    }

    for (int64_t i = 0; i < n; i++) {
        y[i] = a[i] ^ 0x80;
    }

    return y;
}


void
qpanels_product(const maas_kernels_t *k, const qpanels_t *b)
{
    const int8_t  *panel = b->b;
    maas_qgemm_t   g = { b->rows, b->cols, b->k, b->a, b->k, b->b, b->c,
                         qpanels_cols(b->cols) };

    k->qgemm(&g);

    for (int64_t j = 0; j < b->cols; j += MAAS_Q16) {
        memcpy(b->sums + j, panel, MAAS_Q16 * sizeof(int32_t));
        panel += maas_q16_panel(b->k);
    }
}


void
qpanels_row(const maas_kernels_t *k, const qpanels_t *b, int64_t i,
    int32_t za, int32_t *y)
{
    int32_t  r = 0;

    if (b->zero != NULL) {
        r = (int32_t) ((uint32_t) b->k * (uint32_t) za
                       - k->qsum(b->a + i * b->k, b->k));
    }

    k->qfix(y, b->c + i * qpanels_cols(b->cols), b->sums, -za, b->zero, r,
            b->cols);
}


const int32_t *
qpanels_zero(const maas_step_t *s, int in, bool raised, int64_t n0, int64_t n,
    int32_t *zero)
{
    bool  any = false;

    for (int64_t j = 0; j < n; j++) {
        zero[j] = quant_zero(s, in, n0 + j) - (raised ? 128 : 0);
        any = any || zero[j] != 0;
    }

    return any ? zero : NULL;
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


/* Rows [m0, m0 + b->rows) of columns from n0 on. */
static void
qp_rows(const maas_step_t *s, const qp_attr_t *at, const qpanels_t *b,
    int64_t m0, int64_t n0)
{
    const bool     scaled = quant_has(s, QP_SCALE);
    const int32_t  lo = s->out[0].dtype == MAAS_I8 ? -128 : 0;
    const int      by = scaled && maas_tensor_count(&s->in[QP_SCALE]) > 1;
    int32_t       *y, za;
    int64_t        i, row;
    const float   *scale = NULL;

    if (scaled) {
        scale = (const float *) s->in[QP_SCALE].data + n0 * by;
    }

    for (i = 0; i < b->rows; i++) {
        row = (m0 + i) * at->n + n0;
        za = quant_zero(s, QP_ZA, m0 + i)
             + (s->in[QP_A].dtype == MAAS_I8 ? 128 : 0);
        y = scaled ? b->c + i * qpanels_cols(b->cols)
                   : (int32_t *) s->out[0].data + row;
        qpanels_row(s->k, b, i, za, y);

        if (quant_has(s, QP_BIAS)) {
            s->k->qfix(y, y, (const int32_t *) s->in[QP_BIAS].data + n0, 1,
                       NULL, 0, b->cols);
        }

        if (quant_has(s, QP_ZY)) {
            s->k->qround((uint8_t *) s->out[0].data + row, y, scale, by,
                         quant_zero(s, QP_ZY, 0), lo, lo + 255, b->cols);

        } else if (scaled) {
            s->k->qscale((float *) s->out[0].data + row, y, scale, by,
                         b->cols);
        }
    }
}


static void
qp_block(const maas_step_t *s, const qp_attr_t *at, const qpanels_t *b,
    int64_t m0, int64_t n0)
{
    int64_t            y = m0 * at->n + n0;
    maas_post_block_t  post;

    qpanels_product(s->k, b);
    qp_rows(s, at, b, m0, n0);

    if (s->n_post != 0) {
        post = (maas_post_block_t) {
            (float *) s->out[0].data + y, at->n, b->rows, b->cols, y, at->n,
            0, 0, n0
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
    int32_t          *zero;
    int64_t           u, m0, n0;
    qpanels_t         b;
    const qp_attr_t  *at = s->attr;

    qp_init(&q, at, &s->in[QP_A]);

    if (q.m == 0) {
        return MAAS_OK;
    }

    b.k = at->k;
    b.c = (int32_t *) (p += q.a);
    b.sums = (int32_t *) (p += q.c);
    zero = (int32_t *) (p + q.sums);

    for (u = first; u < last; u++) {
        m0 = u % q.mblocks * q.mb;
        n0 = u / q.mblocks * q.nb;
        b.rows = maas_min(q.mb, q.m - m0);
        b.cols = maas_min(q.nb, at->n - n0);
        b.a = qpanels_raise(slot->scratch,
                            (const char *) s->in[QP_A].data + m0 * at->k,
                            s->in[QP_A].dtype, b.rows * at->k);
        b.b = (const int8_t *) s->in[QP_B].data
              + n0 / MAAS_Q16 * maas_q16_panel(at->k);
        b.zero = qpanels_zero(s, QP_ZB, at->raised, n0, b.cols, zero);
        qp_block(s, at, &b, m0, n0);
    }

    return MAAS_OK;
}


static maas_status_t
qmatmul_infer_bias(maas_infer_t *c, int64_t n)
{
    char                text[MAAS_DIMS_TEXT];
    const maas_type_t  *t;

    if (!maas_infer_has(c, QP_BIAS)) {
        return MAAS_OK;
    }

    t = c->in[QP_BIAS].type;

    if (t->rank != 1 || (maas_dim_known(t->dims[0]) && t->dims[0] != n)) {
        return maas_err(c->err, MAAS_EINVAL, "the bias has shape %s, expected "
                        "[%lld]", maas_dims_text(text, t->dims, t->rank),
                        (long long) n);
    }

    return MAAS_OK;
}


static maas_status_t
qmatmul_infer(maas_infer_t *c)
{
    maas_dtype_t        type = maas_infer_has(c, QP_SCALE) ? MAAS_F32
                                                           : MAAS_I32;
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

    MAAS_TRY(quant_infer_vector(c, QP_ZY, "the zero point of Y", 1, NULL));
    MAAS_TRY(qmatmul_infer_bias(c, at->n));

    if (maas_infer_has(c, QP_ZY)) {
        if (!maas_infer_has(c, QP_SCALE)) {
            return maas_err(c->err, MAAS_EINVAL, "a zero point of Y needs a "
                            "scale");
        }

        type = c->in[QP_ZY].type->dtype;
    }

    memcpy(dims, a->dims, sizeof(dims));
    dims[a->rank - 1] = at->n;
    maas_infer_set(c, 0, type, a->rank, dims);
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
    { "scale",        MAAS_D(F32), 0, MAAS_OPT },
    { "bias",         MAAS_D(I32), 0, MAAS_OPT },
    { "y_zero_point", MAAS_D_Q8, 0, MAAS_OPT }
};

static const maas_formal_t  qmatmul_out[] = {
    { "Y", MAAS_D(I32) | MAAS_D(F32) | MAAS_D_Q8, 0, 0 }
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
    { "k=4 n=3 | u8[2,4] i8[1,128] - - - - u8[]", "needs a scale" },
    { "k=4 n=3 | u8[2,4] i8[1,128] - - f32[] i32[2]", "expected [3]" },
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
