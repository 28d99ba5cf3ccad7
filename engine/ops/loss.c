/*
 * NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, opset 13.  Scores
 * are [N, C, inner], labels [N, inner].  A label picks a score of its
 * column; ignored ones add neither loss nor weight.  Sums are in double.
 *
 * A unit is a block of columns of one batch item; a loss that is reduced
 * to a scalar is one unit, so that threads do not change the sum.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#include <math.h>

#include "ops/move.h"


#define LOSS_BLOCK  256

enum { LOSS_MEAN = 0, LOSS_SUM, LOSS_NONE };

static const char *const  loss_words[] = { "mean", "sum", "none", NULL };

typedef struct {
    int64_t  reduction;
    int64_t  ignore;            /* INT64_MIN: none */
} loss_attr_t;

/* Sums of a reduced loss. */
typedef struct {
    double  loss;
    double  weight;
} loss_sum_t;


static maas_status_t
loss_labels(maas_infer_t *c, maas_dim_t *dims)
{
    const maas_type_t  *x = c->in[0].type, *t = c->in[1].type;

    if (x->rank < 2 || t->rank != x->rank - 1) {
        return maas_err(c->err, MAAS_EINVAL, "scores have rank %d, labels "
                        "rank %d, expected 2 or more and one less", x->rank,
                        t->rank);
    }

    for (int i = 0; i < t->rank; i++) {
        MAAS_TRY(maas_infer_merge(c, x->dims[i == 0 ? 0 : i + 1], t->dims[i],
                                  &dims[i], "an axis of scores and labels"));
    }

    return MAAS_OK;
}


static maas_status_t
loss_infer(maas_infer_t *c)
{
    maas_dim_t          dims[MAAS_RANK_MAX], classes;
    const maas_type_t  *x = c->in[0].type, *w;
    const loss_attr_t  *a = c->attr;

    MAAS_TRY(loss_labels(c, dims));

    if (maas_infer_has(c, 2)) {
        w = c->in[2].type;

        if (w->rank != 1) {
            return maas_err(c->err, MAAS_EINVAL,
                            "weights have rank %d, expected 1", w->rank);
        }

        MAAS_TRY(maas_infer_merge(c, x->dims[1], w->dims[0], &classes,
                                  "the number of classes and of weights"));
    }

    maas_infer_set(c, 0, x->dtype, a->reduction == LOSS_NONE ? x->rank - 1
                                                             : 0, dims);

    if (c->n_out > 1) {
        maas_infer_set(c, 1, x->dtype, x->rank, x->dims);
    }

    return MAAS_OK;
}


/* -- geometry ------------------------------------------------------------ */

typedef struct {
    int64_t  classes;
    int64_t  inner;
    int64_t  blocks;            /* of a batch item */
    int64_t  count;             /* blocks in all */
} loss_view_t;


static void
loss_view(loss_view_t *v, const maas_tensor_t *x)
{
    v->classes = x->dims[1];
    v->inner = maas_dims_count(x->dims + 2, x->rank - 2);
    v->blocks = (v->inner + LOSS_BLOCK - 1) / LOSS_BLOCK;
    v->count = v->blocks * x->dims[0];
}


static bool
loss_setup(maas_setup_t *u)
{
    loss_view_t         v;
    const loss_attr_t  *a = u->attr;

    loss_view(&v, &u->in[0]);
    u->units = 1;

    if (a->reduction == LOSS_NONE) {
        u->units = maas_max(maas_min(v.count, maas_tensor_count(&u->in[0])
                                              / 4096), 1);
    }

    u->cost = 100 + (double) maas_tensor_count(&u->in[0]) * 5;
    return true;
}


static const void *
loss_weights(const maas_step_t *s)
{
    return s->n_formal > 2 && s->in[2].dtype != MAAS_NODTYPE
           ? s->in[2].data : NULL;
}


/* -- columns ------------------------------------------------------------- */

/*
 * LOSS_COLUMNS: score[j], the picked score of column j, is negated, weighed
 * and stored or summed.  LOSS_SOFTMAX: top[j] + log(sum[j]) is what turns a
 * score of column j into a logarithm of its probability.
 */
#define LOSS_T(D, type)                                                       \
    static void                                                               \
    loss_softmax_##D(const void *x, void *y, const loss_view_t *v,            \
        int64_t n, double *top, double *sum)                                  \
    {                                                                         \
        type        *q = y;                                                   \
        const type  *p = x;                                                   \
                                                                              \
        for (int64_t j = 0; j < n; j++) {                                     \
            top[j] = -INFINITY;                                               \
            sum[j] = 0;                                                       \
        }                                                                     \
                                                                              \
        for (int64_t c = 0; c < v->classes; c++, p += v->inner) {             \
            for (int64_t j = 0; j < n; j++) {                                 \
                top[j] = p[j] > top[j] ? p[j] : top[j];                       \
            }                                                                 \
        }                                                                     \
                                                                              \
        for (int64_t c = 0; c < v->classes; c++) {                            \
            p = (const type *) x + c * v->inner;                              \
                                                                              \
            for (int64_t j = 0; j < n; j++) {                                 \
                sum[j] += exp(p[j] - top[j]);                                 \
            }                                                                 \
        }                                                                     \
                                                                              \
        for (int64_t j = 0; j < n; j++) {                                     \
            sum[j] = log(sum[j]);                                             \
        }                                                                     \
                                                                              \
        for (int64_t c = 0; q != NULL && c < v->classes; c++) {               \
            p = (const type *) x + c * v->inner;                              \
                                                                              \
            for (int64_t j = 0; j < n; j++) {                                 \
                q[c * v->inner + j] = (type) (p[j] - top[j] - sum[j]);        \
            }                                                                 \
        }                                                                     \
    }                                                                         \
                                                                              \
    static double                                                             \
    loss_get_##D(const void *p, int64_t i)                                    \
    {                                                                         \
        return (double) ((const type *) p)[i];                                \
    }                                                                         \
                                                                              \
    static void                                                               \
    loss_put_##D(void *p, int64_t i, double v)                                \
    {                                                                         \
        ((type *) p)[i] = (type) v;                                           \
    }

LOSS_T(F32, float)
LOSS_T(F64, double)

typedef struct {
    void    (*softmax)(const void *x, void *y, const loss_view_t *v,
                int64_t n, double *top, double *sum);
    double  (*get)(const void *p, int64_t i);
    void    (*put)(void *p, int64_t i, double v);
} loss_fn_t;

static const loss_fn_t  loss_f32 = { loss_softmax_F32, loss_get_F32,
                                     loss_put_F32 };
static const loss_fn_t  loss_f64 = { loss_softmax_F64, loss_get_F64,
                                     loss_put_F64 };


/* Columns [j, j + n) of batch item b; top is NULL without a softmax. */
static maas_status_t
loss_block(const maas_step_t *s, maas_slot_t *slot, const loss_fn_t *f,
    const loss_view_t *v, int64_t b, int64_t j, int64_t n, const double *top,
    const double *sum, loss_sum_t *total)
{
    double              w, loss;
    int64_t             label, at = b * v->inner + j;
    const void         *weights = loss_weights(s);
    const loss_attr_t  *a = s->attr;

    for (int64_t i = 0; i < n; i++) {
        label = maas_move_int(&s->in[1], at + i);
        w = loss = 0;

        if (label != a->ignore) {
            if (label < 0 || label >= v->classes) {
                return maas_err(slot->err, MAAS_EINVAL, "label %lld at %lld, "
                                "expected 0 to %lld", (long long) label,
                                (long long) (at + i),
                                (long long) (v->classes - 1));
            }

            w = weights != NULL ? f->get(weights, label) : 1;
            loss = f->get(s->in[0].data,
                          (b * v->classes + label) * v->inner + j + i);
            loss = top != NULL ? loss - top[i] - sum[i] : loss;
            loss *= -w;
        }

        if (a->reduction == LOSS_NONE) {
            f->put(s->out[0].data, at + i, loss);
        }

        total->loss += loss;
        total->weight += w;
    }

    return MAAS_OK;
}


static maas_status_t
loss_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    bool softmax)
{
    bool                prob;
    char               *y;
    size_t              size = maas_dtype_size(s->in[0].dtype), off;
    double              top[LOSS_BLOCK], sum[LOSS_BLOCK];
    int64_t             p, to, b, j, n;
    loss_sum_t          total = { 0, 0 };
    loss_view_t         v;
    const loss_fn_t    *f;
    const loss_attr_t  *a = s->attr;

    f = s->in[0].dtype == MAAS_F64 ? &loss_f64 : &loss_f32;
    prob = softmax && s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE
           && s->out[1].data != NULL;
    loss_view(&v, &s->in[0]);
    p = maas_move_start(v.count, s->units, first);
    to = maas_move_start(v.count, s->units, last);

    for (; p < to; p++) {
        b = p / v.blocks;
        j = p % v.blocks * LOSS_BLOCK;
        n = maas_min(v.inner - j, LOSS_BLOCK);

        if (softmax) {
            off = (size_t) (b * v.classes * v.inner + j) * size;
            y = prob ? (char *) s->out[1].data + off : NULL;
            f->softmax((const char *) s->in[0].data + off, y, &v, n, top,
                       sum);
        }

        MAAS_TRY(loss_block(s, slot, f, &v, b, j, n, softmax ? top : NULL,
                            sum, &total));
    }

    if (a->reduction == LOSS_SUM) {
        f->put(s->out[0].data, 0, total.loss);

    } else if (a->reduction == LOSS_MEAN) {
        f->put(s->out[0].data, 0, total.loss / total.weight);
    }

    return MAAS_OK;
}


static maas_status_t
nll_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    return loss_run(s, slot, first, last, false);
}


static maas_status_t
sce_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    return loss_run(s, slot, first, last, true);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  nll_in[] = {
    { "input", MAAS_D_FLOAT, 'T', 0 },
    { "target", MAAS_D(I32) | MAAS_D(I64), 0, 0 },
    { "weight", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  nll_out[] = { { "loss", MAAS_D_FLOAT, 'T', 0 } };

static const maas_formal_t  sce_in[] = {
    { "scores", MAAS_D_FLOAT, 'T', 0 },
    { "labels", MAAS_D(I32) | MAAS_D(I64), 0, 0 },
    { "weights", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  sce_out[] = {
    { "output", MAAS_D_FLOAT, 'T', 0 },
    { "log_prob", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  loss_attrs[] = {
    { .name = "reduction", .type = MAAS_ATTR_STRING, .words = loss_words,
      .i = LOSS_MEAN, .off = offsetof(loss_attr_t, reduction) },
    { .name = "ignore_index", .type = MAAS_ATTR_INT, .i = INT64_MIN,
      .off = offsetof(loss_attr_t, ignore) }
};

static const maas_kernel_row_t  nll_kernel[] = {
    { .id = "nllloss.columns", .setup = loss_setup, .run = nll_run }
};

static const maas_kernel_row_t  sce_kernel[] = {
    { .id = "softmaxloss.columns", .setup = loss_setup, .run = sce_run }
};

static const maas_case_t  nll_cases[] = {
    { "| f32[3,5] i64[3]{0,4,2}", NULL },
    { "reduction=sum | f32[3,5] i64[3]{0,4,2} f32[5]:pos", NULL },
    { "reduction=none | f32[2,3,4] i32[2,4]{0,1,2,0,2,2,1,1}", NULL },
    { "ignore_index=1 | f64[2,3,4] i32[2,4]{0,1,2,0,2,2,1,1} f64[3]", NULL },
    { "ignore_index=-1 reduction=none | f32[3,5] i64[3]{0,-1,2}", NULL },
    { "reduction=sum ignore_index=9 | f32[1,2,1,3] i64[1,1,3]{9,1,9}",
      NULL },
    { "reduction=none | f32[0,5] i64[0]", NULL },
    { "reduction=sum | f32[2,3,0] i64[2,0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  nll_bad[] = {
    { "| f32[3,5] i64[3]{0,5,2}", "label 5 at 1, expected 0 to 4" },
    { "| f32[3,5] i64[3]{0,-1,2}", "label -1 at 1" },
    { "| f32[3,5] i64[3,5]", "labels rank 2" },
    { "| f32[3,5] i64[3]{0,1,2} f32[4]", "number of classes" },
    { NULL, NULL }
};

static const maas_case_t  sce_cases[] = {
    { "> 2 | f32[3,5] i64[3]{0,4,2}", NULL },
    { "> 1 | f32[3,5] i32[3]{0,4,2} f32[5]:pos", NULL },
    { "reduction=none > 2 | f32[2,3,4] i64[2,4]{0,1,2,0,2,2,1,1}", NULL },
    { "reduction=sum ignore_index=2 > 2 | f64[2,3,4] "
      "i64[2,4]{0,1,2,0,2,2,1,1} f64[3]:pos", NULL },
    { "reduction=none > 2 | f32[0,5] i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  sce_bad[] = {
    { "> 2 | f32[3,5] i64[3]{0,1,7}", "label 7 at 2, expected 0 to 4" },
    { "> 2 | f32[3] i64[]", "scores have rank 1" },
    { "reduction=max > 2 | f32[3,5] i64[3]", "reduction" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_loss[] = {
    {
        .name = "NegativeLogLikelihoodLoss", .domain = "", .since = 13,
        .first = 12,
        .flags = MAAS_OP_PURE,
        MAAS_IO(nll_in, nll_out),
        MAAS_ATTRS(loss_attrs, loss_attr_t),
        .infer = loss_infer,
        MAAS_KERNELS(nll_kernel),
        .cases = nll_cases, .bad = nll_bad
    },
    {
        .name = "SoftmaxCrossEntropyLoss", .domain = "", .since = 13,
        .first = 12,
        .flags = MAAS_OP_PURE,
        MAAS_IO(sce_in, sce_out),
        MAAS_ATTRS(loss_attrs, loss_attr_t),
        .infer = loss_infer,
        MAAS_KERNELS(sce_kernel),
        .cases = sce_cases, .bad = sce_bad
    },
    { .name = NULL }
};
