/*
 * softmax_grad: gradients of Softmax and LogSoftmax by their outputs:
 *
 *   y = softmax(x):      dx = y (dy - sum(dy y))
 *   y = log softmax(x):  dx = dy - exp(y) sum(dy)
 *
 * with sums along the axis; see softmax.c for [outer, n, inner].
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


#define SG_BLOCK  256

typedef struct {
    int64_t  axis;
    int64_t  flatten;
} sg_attr_t;                    /* that of Softmax */

/* cols columns of n rows, `inner` elements apart; t: room for n. */
typedef void (*sg_block_pt)(const maas_kernels_t *k, void *dx,
    const void *dy, const void *y, int64_t n, int64_t inner, int64_t cols);


static void
sg_soft_F64(const maas_kernels_t *k, void *dx, const void *dy, const void *y,
    int64_t n, int64_t inner, int64_t cols)
{
    double        *px = dx, sum;
    const double  *pd = dy, *py = y;

    (void) k;

    for (int64_t c = 0; c < cols; c++) {
        sum = 0;

        for (int64_t i = c; i < n * inner; i += inner) {
            sum += pd[i] * py[i];
        }

        for (int64_t i = c; i < n * inner; i += inner) {
            px[i] = py[i] * (pd[i] - sum);
        }
    }
}


static void
sg_log_F64(const maas_kernels_t *k, void *dx, const void *dy, const void *y,
    int64_t n, int64_t inner, int64_t cols)
{
    double        *px = dx, sum;
    const double  *pd = dy, *py = y;

    (void) k;

    for (int64_t c = 0; c < cols; c++) {
        sum = 0;

        for (int64_t i = c; i < n * inner; i += inner) {
            sum += pd[i];
        }

        for (int64_t i = c; i < n * inner; i += inner) {
            px[i] = pd[i] - exp(py[i]) * sum;
        }
    }
}


static void
sg_soft_F32(const maas_kernels_t *k, void *dx, const void *dy, const void *y,
    int64_t n, int64_t inner, int64_t cols)
{
    float         sum[SG_BLOCK] = { 0 }, s, *px = dx;
    const float  *pd = dy, *py = y;

    if (inner == 1) {
        s = k->dot(pd, py, n);

        for (int64_t i = 0; i < n; i++) {
            px[i] = py[i] * (pd[i] - s);
        }

        return;
    }

    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < cols; c++) {
            sum[c] += pd[i * inner + c] * py[i * inner + c];
        }
    }

    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < cols; c++) {
            px[i * inner + c] = py[i * inner + c]
                                * (pd[i * inner + c] - sum[c]);
        }
    }
}


static void
sg_log_F32(const maas_kernels_t *k, void *dx, const void *dy, const void *y,
    int64_t n, int64_t inner, int64_t cols)
{
    float         sum[SG_BLOCK] = { 0 }, s, e[SG_BLOCK], *px = dx;
    int64_t       m;
    const float  *pd = dy, *py = y;

    if (inner == 1) {
        s = k->reduce[MAAS_R_SUM](pd, n);

        for (int64_t i = 0; i < n; i += m) {
            m = maas_min(n - i, SG_BLOCK);
            k->unary[MAAS_U_EXP](e, py + i, m, 0, 0);

            for (int64_t j = 0; j < m; j++) {
                px[i + j] = pd[i + j] - e[j] * s;
            }
        }

        return;
    }

    k->fold[MAAS_R_SUM](sum, pd, inner, n, cols);

    for (int64_t i = 0; i < n; i++) {
        k->unary[MAAS_U_EXP](e, py + i * inner, cols, 0, 0);

        for (int64_t c = 0; c < cols; c++) {
            px[i * inner + c] = pd[i * inner + c] - e[c] * sum[c];
        }
    }
}


static bool
sg_setup(maas_setup_t *u)
{
    maas_lanes_t      v;
    const sg_attr_t  *at = u->attr;

    maas_lanes(&v, &u->in[0], at->axis, at->flatten != 0, SG_BLOCK);

    u->units = maas_lanes_units(&v);
    u->cost = 100 + (double) maas_tensor_count(&u->in[0]);
    return true;
}


static void
sg_units(const maas_step_t *s, int64_t first, int64_t last, sg_block_pt fn)
{
    size_t            size = maas_dtype_size(s->in[0].dtype), off;
    int64_t           o, b, to;
    maas_lanes_t      v;
    const sg_attr_t  *at = s->attr;

    maas_lanes(&v, &s->in[0], at->axis, at->flatten != 0, SG_BLOCK);
    to = maas_min(last * v.per, v.outer * v.blocks);

    for (int64_t i = first * v.per; i < to && v.n != 0; i++) {
        o = i / v.blocks;
        b = i % v.blocks * SG_BLOCK;
        off = (size_t) (o * v.n * v.inner + b) * size;

        fn(s->k, (char *) s->out[0].data + off,
           (const char *) s->in[0].data + off,
           (const char *) s->in[1].data + off, v.n, v.inner,
           maas_min(v.inner - b, SG_BLOCK));
    }
}


static maas_status_t
sg_soft_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;

    sg_units(s, first, last, s->in[0].dtype == MAAS_F64 ? sg_soft_F64
                                                        : sg_soft_F32);
    return MAAS_OK;
}


static maas_status_t
sg_log_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;

    sg_units(s, first, last, s->in[0].dtype == MAAS_F64 ? sg_log_F64
                                                        : sg_log_F32);
    return MAAS_OK;
}


static maas_status_t
sg_infer(maas_infer_t *c)
{
    int               axis, rank = c->in[0].type->rank;
    const sg_attr_t  *at = c->attr;

    if (c->in[1].type->rank != rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY and Y have ranks %d and %d",
                        rank, c->in[1].type->rank);
    }

    if (!at->flatten || at->axis != rank) {
        MAAS_TRY(maas_axis(at->axis, rank, &axis, c->err));
    }

    return maas_infer_same(c);
}


static const maas_attr_row_t  sg_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(sg_attr_t, axis), .i = -1 },
    { .name = "maas_flatten", .type = MAAS_ATTR_INT,
      .off = offsetof(sg_attr_t, flatten), .min = 0, .max = 1 }
};

static const maas_kernel_row_t  soft_kernel[] = {
    { "softmaxgrad.rows", MAAS_CPU_REF, 0, 0, sg_setup, sg_soft_run }
};

static const maas_kernel_row_t  log_kernel[] = {
    { "logsoftmaxgrad.rows", MAAS_CPU_REF, 0, 0, sg_setup, sg_log_run }
};

static const maas_formal_t  sg_in[] = {
    { "dY", MAAS_D_FLOAT, 'T', 0 },
    { "Y",  MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  sg_out[] = {
    { "dX", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_case_t  sg_cases[] = {
    { "| f32[2,3,5] f32[2,3,5]", NULL },
    { "axis=1 | f32[3,4,300] f32[3,4,300]", NULL },
    { "axis=0 | f64[7] f64[7]", NULL },
    { "axis=1 maas_flatten=1 | f32[2,3,5] f32[2,3,5]", NULL },
    { "| f32[0,3] f32[0,3]", NULL },
    { "| f32[3,0] f32[3,0]", NULL },
    { "| f32[65,1030] f32[65,1030]", NULL },
    { NULL, NULL }
};

static const maas_case_t  sg_bad[] = {
    { "| f32[2] f32[2,1]", "ranks 1 and 2" },
    { "axis=2 | f32[2] f32[2]", "axis" },
    { NULL, NULL }
};

#define SG_ROW(NAME, id)                                                      \
    { .name = NAME, .domain = "maas", .since = 1,                             \
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(sg_in, sg_out),       \
      MAAS_ATTRS(sg_attrs, sg_attr_t), .infer = sg_infer,                     \
      MAAS_KERNELS(id##_kernel), .cases = sg_cases, .bad = sg_bad }

const maas_op_t  maas_ops_softmax_grad[] = {
    SG_ROW("SoftmaxGrad", soft),
    SG_ROW("LogSoftmaxGrad", log),
    { .name = NULL }
};


maas_status_t
maas_grad_softmax(maas_grad_t *c)
{
    bool        log = strcmp(c->n->op->name, "LogSoftmax") == 0;
    maas_vid_t  in[] = { c->dout[0], c->n->out[0] };

    maas_grad_emit_same(c, "maas", log ? "LogSoftmaxGrad" : "SoftmaxGrad",
                        in, 2, &c->din[0], 1);
    return c->rc;
}
