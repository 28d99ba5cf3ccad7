/*
 * softmax: Softmax, LogSoftmax and Hardmax.
 *
 * From opset 13 on one axis is normalised.  Before, the input was seen as
 * a matrix whose rows run over all dimensions from `axis` (default 1) on:
 * upgrade() keeps that meaning in the attribute maas_flatten.
 *
 * The input is seen as [outer, n, inner].  inner = 1: rows of the kernel
 * table.  Else blocks of inner columns are normalised while n rows pass,
 * with the same three steps: maximum, sum of exponentials, division.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md and docs/Changelog.md.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


#define SM_BLOCK  256

typedef struct {
    int64_t  axis;
    int64_t  flatten;
} sm_attr_t;

static const maas_attr_row_t  sm_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(sm_attr_t, axis), .i = -1 },
    { .name = "maas_flatten", .type = MAAS_ATTR_INT,
      .off = offsetof(sm_attr_t, flatten), .min = 0, .max = 1 }
};


static maas_status_t
sm_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset, maas_err_t *err)
{
    (void) err;

    if (opset >= 13) {
        return MAAS_OK;
    }

    if (maas_raw_attr(n, "axis") == NULL) {
        MAAS_TRY(maas_raw_attr_int(im, n, "axis", 1));
    }

    return maas_raw_attr_int(im, n, "maas_flatten", 1);
}


static maas_status_t
sm_infer(maas_infer_t *c)
{
    int               axis, rank = c->in[0].type->rank;
    const sm_attr_t  *at = c->attr;

    /* A matrix may have all dimensions on one side: axis = rank. */
    if (!at->flatten || at->axis != rank) {
        MAAS_TRY(maas_axis(at->axis, rank, &axis, c->err));
    }

    return maas_infer_same(c);
}


static bool
sm_setup(maas_setup_t *u)
{
    maas_lanes_t      v;
    const sm_attr_t  *at = u->attr;

    maas_lanes(&v, &u->in[0], at->axis, at->flatten != 0, SM_BLOCK);

    u->units = maas_lanes_units(&v);
    u->cost = 100 + 2 * (double) maas_tensor_count(&u->in[0]);
    return true;
}


/* cols columns of n rows, `inner` elements apart; y may be x. */
typedef void (*sm_block_pt)(const maas_kernels_t *k, void *y, const void *x,
    int64_t n, int64_t inner, int64_t cols);


static void
softmax_F32(const maas_kernels_t *k, void *y, const void *x, int64_t n,
    int64_t inner, int64_t cols)
{
    float         max[SM_BLOCK], sum[SM_BLOCK] = { 0 };
    float        *q = y;
    const float  *p = x;

    if (inner == 1) {
        k->softmax(q, p, n);
        return;
    }

    memcpy(max, p, (size_t) cols * sizeof(float));

    k->fold[MAAS_R_MAX](max, p + inner, inner, n - 1, cols);

    for (int64_t i = 0; i < n; i++) {
        float  *r = q + i * inner;

        k->binary[MAAS_B_SUB](r, p + i * inner, 1, max, 1, cols);
        k->unary[MAAS_U_EXP](r, r, cols, 0, 0);
        k->fold[MAAS_R_SUM](sum, r, 0, 1, cols);
    }

    k->unary[MAAS_U_RECIP](sum, sum, cols, 0, 0);

    for (int64_t i = 0; i < n; i++) {
        k->fold[MAAS_R_PROD](q + i * inner, sum, 0, 1, cols);
    }
}


static void
log_softmax_F32(const maas_kernels_t *k, void *y, const void *x, int64_t n,
    int64_t inner, int64_t cols)
{
    float         max[SM_BLOCK], sum[SM_BLOCK] = { 0 }, tmp[SM_BLOCK];
    float        *q = y;
    const float  *p = x;

    if (inner == 1) {
        k->log_softmax(q, p, n);
        return;
    }

    memcpy(max, p, (size_t) cols * sizeof(float));

    k->fold[MAAS_R_MAX](max, p + inner, inner, n - 1, cols);

    for (int64_t i = 0; i < n; i++) {
        float  *r = q + i * inner;

        k->binary[MAAS_B_SUB](r, p + i * inner, 1, max, 1, cols);
        k->unary[MAAS_U_EXP](tmp, r, cols, 0, 0);
        k->fold[MAAS_R_SUM](sum, tmp, 0, 1, cols);
    }

    k->unary[MAAS_U_LOG](sum, sum, cols, 0, 0);

    for (int64_t i = 0; i < n; i++) {
        k->binary[MAAS_B_SUB](q + i * inner, q + i * inner, 1, sum, 1, cols);
    }
}


/* One column after the other; a NaN makes its column NaN. */
static void
softmax_F64(const maas_kernels_t *k, void *y, const void *x, int64_t n,
    int64_t inner, int64_t cols)
{
    double         max, sum;
    double        *q;
    const double  *p;

    (void) k;

    for (int64_t j = 0; j < cols; j++) {
        p = (const double *) x + j;
        q = (double *) y + j;
        max = p[0];
        sum = 0;

        for (int64_t i = 1; i < n; i++) {
            max = p[i * inner] > max ? p[i * inner] : max;
        }

        for (int64_t i = 0; i < n; i++) {
            q[i * inner] = exp(p[i * inner] - max);
            sum += q[i * inner];
        }

        for (int64_t i = 0; i < n; i++) {
            q[i * inner] /= sum;
        }
    }
}


static void
log_softmax_F64(const maas_kernels_t *k, void *y, const void *x, int64_t n,
    int64_t inner, int64_t cols)
{
    double         max, sum;
    double        *q;
    const double  *p;

    (void) k;

    for (int64_t j = 0; j < cols; j++) {
        p = (const double *) x + j;
        q = (double *) y + j;
        max = p[0];
        sum = 0;

        for (int64_t i = 1; i < n; i++) {
            max = p[i * inner] > max ? p[i * inner] : max;
        }

        for (int64_t i = 0; i < n; i++) {
            sum += exp(p[i * inner] - max);
        }

        sum = log(sum);

        for (int64_t i = 0; i < n; i++) {
            q[i * inner] = p[i * inner] - max - sum;
        }
    }
}


/* 1 at the first maximum of a column, as ArgMax finds it: NaN wins. */
#define HARDMAX(name, D, type)                                                \
    static void                                                               \
    name##_##D(const maas_kernels_t *k, void *y, const void *x, int64_t n,    \
        int64_t inner, int64_t cols)                                          \
    {                                                                         \
        type         max;                                                     \
        type        *q;                                                       \
        int64_t      at;                                                      \
        const type  *p;                                                       \
                                                                              \
        (void) k;                                                             \
                                                                              \
        for (int64_t j = 0; j < cols; j++) {                                  \
            p = (const type *) x + j;                                         \
            q = (type *) y + j;                                               \
            max = p[0];                                                       \
            at = 0;                                                           \
                                                                              \
            for (int64_t i = 1; i < n; i++) {                                 \
                if (p[i * inner] > max                                        \
                    || (p[i * inner] != p[i * inner] && max == max))          \
                {                                                             \
                    max = p[i * inner];                                       \
                    at = i;                                                   \
                }                                                             \
            }                                                                 \
                                                                              \
            for (int64_t i = 0; i < n; i++) {                                 \
                q[i * inner] = i == at;                                       \
            }                                                                 \
        }                                                                     \
    }

HARDMAX(hardmax, F64, double)


/* The greatest of a row by the kernel, then the first that is it. */
static void
hardmax_row(const maas_kernels_t *k, float *y, const float *x, int64_t n)
{
    float    max = k->reduce[MAAS_R_MAX](x, n);
    int64_t  i = 0;

    while (x[i] != max && (x[i] == x[i] || max == max)) {
        i++;
    }

    memset(y, 0, (size_t) n * sizeof(float));
    y[i] = 1;
}


static void
hardmax_F32(const maas_kernels_t *k, void *y, const void *x, int64_t n,
    int64_t inner, int64_t cols)
{
    bool          hit, done[SM_BLOCK] = { false };
    float         max[SM_BLOCK], *q = y;
    const float  *p = x;

    if (inner == 1) {
        hardmax_row(k, y, x, n);
        return;
    }

    memcpy(max, p, (size_t) cols * sizeof(float));
    k->fold[MAAS_R_MAX](max, p + inner, inner, n - 1, cols);

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < cols; j++) {
            hit = (p[j] == max[j]) | ((p[j] != p[j]) & (max[j] != max[j]));
            q[j] = hit & !done[j];
            done[j] |= hit;
        }

        p += inner;
        q += inner;
    }
}


static maas_status_t
sm_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    sm_block_pt f32, sm_block_pt f64)
{
    size_t            size = maas_dtype_size(s->in[0].dtype), off;
    int64_t           hi, col, row;
    sm_block_pt       block;
    maas_lanes_t      v;
    const sm_attr_t  *at = s->attr;

    block = s->in[0].dtype == MAAS_F32 ? f32
            : s->in[0].dtype == MAAS_F64 ? f64 : NULL;

    if (block == NULL) {
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    maas_lanes(&v, &s->in[0], at->axis, at->flatten != 0, SM_BLOCK);
    hi = v.n == 0 ? 0 : maas_min(last * v.per, v.outer * v.blocks);

    for (int64_t b = first * v.per; b < hi; b++) {
        row = b / v.blocks;
        col = b % v.blocks * SM_BLOCK;
        off = (size_t) (row * v.n * v.inner + col) * size;

        block(s->k, (char *) s->out[0].data + off,
              (const char *) s->in[0].data + off, v.n, v.inner,
              maas_min(SM_BLOCK, v.inner - col));
    }

    return MAAS_OK;
}


#define SM_OP(id)                                                             \
    static maas_status_t                                                      \
    id##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,          \
        int64_t last)                                                         \
    {                                                                         \
        return sm_run(s, slot, first, last, id##_F32, id##_F64);              \
    }                                                                         \
                                                                              \
    static const maas_kernel_row_t  id##_kernel[] = {                         \
        { #id ".rows", MAAS_CPU_REF, 1, 0, sm_setup, id##_run }               \
    };

SM_OP(softmax)
SM_OP(log_softmax)
SM_OP(hardmax)

static const maas_formal_t  sm_in[] = { { "input", MAAS_D_FLOAT, 'T', 0 } };
static const maas_formal_t  sm_out[] = { { "output", MAAS_D_FLOAT, 'T', 0 } };

static const maas_case_t  sm_cases[] = {
    { "| f32[2,3,17]", NULL },
    { "axis=1 | f32[2,9,130]", NULL },
    { "axis=0 | f32[33]:nan", NULL },
    { "axis=0 | f32[5,300]:inf", NULL },
    { "axis=1 maas_flatten=1 | f32[2,3,7]", NULL },
    { "axis=-1 | f64[3,5]", NULL },
    { "axis=0 | f64[3,5]", NULL },
    { "axis=1 | f32[3,0]", NULL },
    { "axis=0 | f32[1,7]:denormal", NULL },
    { NULL, NULL }
};

static const maas_case_t  sm_bad[] = {
    { "axis=2 | f32[2,3]", "axis 2" },
    { "| i32[2,3]", "int32" },
    { NULL, NULL }
};

#define SM_ROW(NAME, id, d)                                                   \
    { .name = NAME, .domain = "", .since = 13, .first = 6,                    \
      .flags = MAAS_OP_PURE, MAAS_IO(sm_in, sm_out),                          \
      MAAS_ATTRS(sm_attrs, sm_attr_t), .upgrade = sm_upgrade,                 \
      .infer = sm_infer, MAAS_KERNELS(id##_kernel), .grad = d,                \
      .cases = sm_cases, .bad = sm_bad }

const maas_op_t  maas_ops_softmax[] = {
    SM_ROW("Softmax", softmax, maas_grad_softmax),
    SM_ROW("LogSoftmax", log_softmax, maas_grad_softmax),
    SM_ROW("Hardmax", hardmax, maas_grad_zero),
    { .name = NULL }
};
