/*
 * train_loss: the losses of training, one number for each item of the batch:
 *
 *   maas.Loss(x, y)                 elementwise, the mean of an item
 *     mse        (x - y)^2
 *     mae        |x - y|
 *     huber      d = |x - y|: d <= delta ? d^2 / 2 : delta (d - delta / 2)
 *     binary     of logits: max(x, 0) - x t + log(1 + exp(-|x|)), with
 *                t = y (1 - smoothing) + smoothing / 2
 *     hinge      max(0, 1 - t x), t = y > 0 ? 1 : -1
 *     kl         sum over the last axis of y log(y / x), x at least 1e-7
 *   maas.SoftmaxLoss(x, y)          of logits, classes on the last axis
 *     -sum of t log_softmax(x), t = onehot(y) (1 - smoothing)
 *     + smoothing / classes; y: int64 classes (negative: left out), or t
 *     itself as floats of x's shape; the mean over the other axes
 *
 * and their gradients, maas.LossGrad and maas.SoftmaxLossGrad (x, y, dL).
 * The formulas are those of Keras and PyTorch (their documentation).
 *
 * Ownership: nothing is allocated.
 * Threads:   items are independent; an item is summed in double, in order.
 */

#include <math.h>

#include "graph/grad.h"
#include "ops/ops_common.h"


enum { TL_MSE = 0, TL_MAE, TL_HUBER, TL_BINARY, TL_HINGE, TL_KL };

#define TL_TINY  1e-7

static const char *const  tl_words[] = {
    "mse", "mae", "huber", "binary", "hinge", "kl", NULL
};

typedef struct {
    int64_t  kind;
    float    delta;
    float    smoothing;
} tl_attr_t;


static inline double
tl_get(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_F64 ? ((const double *) t->data)[i]
                                : (double) ((const float *) t->data)[i];
}


static inline void
tl_set(maas_tensor_t *t, int64_t i, double v)
{
    if (t->dtype == MAAS_F64) {
        ((double *) t->data)[i] = v;

    } else {
        ((float *) t->data)[i] = (float) v;
    }
}


/* Elements of an item of x. */
static int64_t
tl_item(const maas_tensor_t *x)
{
    return maas_dims_count(x->dims + 1, x->rank - 1);
}


static bool
tl_setup(maas_setup_t *u)
{
    const maas_tensor_t  *x = &u->in[0];
    int64_t               per = maas_unit_items(tl_item(x) * 8);

    u->units = maas_max((x->dims[0] + per - 1) / per, 1);
    u->cost = 50 + 12 * (double) maas_tensor_count(x);
    return true;
}


static void
tl_range(const maas_tensor_t *x, int64_t first, int64_t last, int64_t *lo,
    int64_t *hi)
{
    int64_t  per = maas_unit_items(tl_item(x) * 8);

    *lo = maas_min(first * per, x->dims[0]);
    *hi = maas_min(last * per, x->dims[0]);
}


/* -- elementwise --------------------------------------------------------- */

static double
tl_value(const tl_attr_t *a, double x, double y)
{
    double  d = x - y;

    switch (a->kind) {

    case TL_MSE:
        return d * d;

    case TL_MAE:
        return fabs(d);

    case TL_HUBER:
        d = fabs(d);
        return d <= (double) a->delta ? d * d / 2
               : (double) a->delta * (d - (double) a->delta / 2);

    case TL_BINARY:
        y = y * (1 - (double) a->smoothing) + (double) a->smoothing / 2;
        return (x > 0 ? x : 0) - x * y + log1p(exp(-fabs(x)));

    case TL_HINGE:
        d = 1 - (y > 0 ? x : -x);
        return d < 0 ? 0 : d;

    default:
        return y > 0 ? y * (log(y) - log(x < TL_TINY ? TL_TINY : x)) : 0 * x;
    }
}


static double
tl_slope(const tl_attr_t *a, double x, double y)
{
    double  d = x - y, delta = (double) a->delta;

    switch (a->kind) {

    case TL_MSE:
        return 2 * d;

    case TL_MAE:
        return d > 0 ? 1 : d < 0 ? -1 : d;

    case TL_HUBER:
        return d > delta ? delta : d < -delta ? -delta : d;

    case TL_BINARY:
        y = y * (1 - (double) a->smoothing) + (double) a->smoothing / 2;
        d = exp(-fabs(x));
        return (x < 0 ? d : 1) / (1 + d) - y;

    case TL_HINGE:
        d = y > 0 ? -1 : 1;
        return 1 + d * x > 0 ? d : 0 * x;

    default:
        return y > 0 && x > TL_TINY ? -y / x : 0;
    }
}


/* What an item's sum is divided by. */
static double
tl_divisor(const tl_attr_t *a, const maas_tensor_t *x)
{
    int64_t  n = tl_item(x);

    if (a->kind == TL_KL && x->rank > 1) {
        n /= maas_max(x->dims[x->rank - 1], 1);
    }

    return (double) maas_max(n, 1);
}


static maas_status_t
loss_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    double           sum, div = tl_divisor(s->attr, &s->in[0]);
    int64_t          lo, hi, n = tl_item(&s->in[0]);
    const tl_attr_t *a = s->attr;

    (void) slot;
    tl_range(&s->in[0], first, last, &lo, &hi);

    for (int64_t i = lo; i < hi; i++) {
        sum = 0;

        for (int64_t j = i * n; j < (i + 1) * n; j++) {
            sum += tl_value(a, tl_get(&s->in[0], j), tl_get(&s->in[1], j));
        }

        tl_set(&s->out[0], i, sum / div);
    }

    return MAAS_OK;
}


static maas_status_t
loss_grad_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double           d, div = tl_divisor(s->attr, &s->in[0]);
    int64_t          lo, hi, n = tl_item(&s->in[0]);
    const tl_attr_t *a = s->attr;

    (void) slot;
    tl_range(&s->in[0], first, last, &lo, &hi);

    for (int64_t i = lo; i < hi; i++) {
        d = tl_get(&s->in[2], i) / div;

        for (int64_t j = i * n; j < (i + 1) * n; j++) {
            tl_set(&s->out[0], j, d * tl_slope(a, tl_get(&s->in[0], j),
                                               tl_get(&s->in[1], j)));
        }
    }

    return MAAS_OK;
}


/* -- softmax ------------------------------------------------------------- */

static int64_t
tl_classes(const maas_tensor_t *x)
{
    return x->dims[x->rank - 1];
}


static bool
soft_setup(maas_setup_t *u)
{
    u->scratch = (size_t) tl_classes(&u->in[0]) * maas_dtype_size(
                     u->in[0].dtype);
    return tl_setup(u);
}


/* log(softmax(x)) of row r into y, or softmax(x) itself. */
static void
soft_row(const maas_step_t *s, int64_t r, bool logarithm, void *to)
{
    double         max = -INFINITY, sum = 0;
    double        *y = to;
    int64_t        n = tl_classes(&s->in[0]);
    const double  *x;

    if (s->in[0].dtype == MAAS_F32) {
        (logarithm ? s->k->log_softmax : s->k->softmax)(
            to, (const float *) s->in[0].data + r * n, n);
        return;
    }

    x = (const double *) s->in[0].data + r * n;

    for (int64_t i = 0; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }

    for (int64_t i = 0; i < n; i++) {
        sum += exp(x[i] - max);
    }

    for (int64_t i = 0; i < n; i++) {
        y[i] = x[i] - max - log(sum);
        y[i] = logarithm ? y[i] : exp(y[i]);
    }
}


/* A class that is none: the error names it. */
static maas_status_t
soft_label(const maas_step_t *s, maas_slot_t *slot, int64_t r, int64_t *c)
{
    *c = ((const int64_t *) s->in[1].data)[r];

    if (*c >= tl_classes(&s->in[0])) {
        return maas_err(slot->err, MAAS_EINVAL, "class %lld, but there are "
                        "%lld scores", (long long) *c,
                        (long long) tl_classes(&s->in[0]));
    }

    return MAAS_OK;
}


static maas_status_t
soft_value(const maas_step_t *s, maas_slot_t *slot, int64_t r, double *out)
{
    double            all = 0, hit = 0, t;
    int64_t           c, n = tl_classes(&s->in[0]);
    maas_tensor_t     p = s->in[0];
    const tl_attr_t  *a = s->attr;

    p.data = slot->scratch;
    soft_row(s, r, true, p.data);

    if (s->in[1].dtype != MAAS_I64) {
        for (int64_t i = 0; i < n; i++) {
            t = tl_get(&s->in[1], r * n + i) * (1 - (double) a->smoothing)
                + (double) a->smoothing / (double) n;
            hit += t == 0 ? 0 : t * tl_get(&p, i);
        }

        *out = -hit;
        return MAAS_OK;
    }

    MAAS_TRY(soft_label(s, slot, r, &c));

    if (c < 0) {
        *out = 0;
        return MAAS_OK;
    }

    for (int64_t i = 0; a->smoothing != 0 && i < n; i++) {
        all += tl_get(&p, i);
    }

    *out = -(1 - (double) a->smoothing) * tl_get(&p, c)
           - (double) a->smoothing / (double) n * all;
    return MAAS_OK;
}


static maas_status_t
soft_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    double   v, sum;
    int64_t  lo, hi, rows;

    tl_range(&s->in[0], first, last, &lo, &hi);
    rows = tl_item(&s->in[0]) / maas_max(tl_classes(&s->in[0]), 1);

    for (int64_t i = lo; i < hi; i++) {
        sum = 0;

        for (int64_t r = i * rows; r < (i + 1) * rows; r++) {
            MAAS_TRY(soft_value(s, slot, r, &v));
            sum += v;
        }

        tl_set(&s->out[0], i, sum / (double) maas_max(rows, 1));
    }

    return MAAS_OK;
}


/* d * (softmax(x) * sum(t) - t) */
static maas_status_t
soft_slope(const maas_step_t *s, maas_slot_t *slot, int64_t r, double d)
{
    double            keep, part, t, sum = 0;
    int64_t           c = -1, n = tl_classes(&s->in[0]);
    maas_tensor_t     p = s->in[0];
    const tl_attr_t  *a = s->attr;

    p.data = slot->scratch;
    soft_row(s, r, false, p.data);
    keep = 1 - (double) a->smoothing;
    part = (double) a->smoothing / (double) n;

    if (s->in[1].dtype == MAAS_I64) {
        MAAS_TRY(soft_label(s, slot, r, &c));

        for (int64_t i = 0; i < n; i++) {
            t = part + (i == c ? keep : 0);
            tl_set(&s->out[0], r * n + i,
                   c < 0 ? 0 : d * (tl_get(&p, i) - t));
        }

        return MAAS_OK;
    }

    for (int64_t i = 0; i < n; i++) {
        sum += tl_get(&s->in[1], r * n + i) * keep + part;
    }

    for (int64_t i = 0; i < n; i++) {
        t = tl_get(&s->in[1], r * n + i) * keep + part;
        tl_set(&s->out[0], r * n + i, d * (tl_get(&p, i) * sum - t));
    }

    return MAAS_OK;
}


static maas_status_t
soft_grad_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double   d;
    int64_t  lo, hi, rows;

    tl_range(&s->in[0], first, last, &lo, &hi);
    rows = tl_item(&s->in[0]) / maas_max(tl_classes(&s->in[0]), 1);

    for (int64_t i = lo; i < hi; i++) {
        d = tl_get(&s->in[2], i) / (double) maas_max(rows, 1);

        for (int64_t r = i * rows; r < (i + 1) * rows; r++) {
            MAAS_TRY(soft_slope(s, slot, r, d));
        }
    }

    return MAAS_OK;
}


/* -- rules --------------------------------------------------------------- */

static maas_status_t
tl_same(maas_infer_t *c, int rank)
{
    maas_dim_t          d;
    const maas_type_t  *x = c->in[0].type, *y = c->in[1].type;

    if (x->rank < 1 || rank < 1 || y->rank != rank) {
        return maas_err(c->err, MAAS_EINVAL, "the result has %d dimensions, "
                        "the target %d", x->rank, y->rank);
    }

    for (int i = 0; i < rank; i++) {
        MAAS_TRY(maas_infer_merge(c, x->dims[i], y->dims[i], &d,
                                  "result and target"));
    }

    return MAAS_OK;
}


static maas_status_t
loss_infer(maas_infer_t *c)
{
    MAAS_TRY(tl_same(c, c->in[0].type->rank));
    maas_infer_set(c, 0, c->in[0].type->dtype, 1, c->in[0].type->dims);

    return MAAS_OK;
}


static maas_status_t
loss_grad_infer(maas_infer_t *c)
{
    MAAS_TRY(tl_same(c, c->in[0].type->rank));

    return maas_infer_same(c);
}


static maas_status_t
soft_infer(maas_infer_t *c)
{
    const maas_type_t  *x = c->in[0].type;

    if (x->rank < 2) {
        return maas_err(c->err, MAAS_EINVAL, "scores have %d dimensions, "
                        "expected at least 2", x->rank);
    }

    if (c->in[1].type->dtype != MAAS_I64
        && c->in[1].type->dtype != x->dtype)
    {
        return maas_err(c->err, MAAS_EINVAL, "the target is %s, expected "
                        "int64 or %s",
                        maas_dtype_name(c->in[1].type->dtype),
                        maas_dtype_name(x->dtype));
    }

    MAAS_TRY(tl_same(c, c->in[1].type->dtype == MAAS_I64 ? x->rank - 1
                                                         : x->rank));
    maas_infer_set(c, 0, x->dtype, 1, x->dims);

    return MAAS_OK;
}


static maas_status_t
soft_grad_infer(maas_infer_t *c)
{
    MAAS_TRY(soft_infer(c));

    return maas_infer_same(c);
}


static maas_status_t
tl_grad(maas_grad_t *c)
{
    bool        soft = c->n->op->name[0] == 'S';
    maas_vid_t  in[3] = { maas_grad_in(c, 0), maas_grad_in(c, 1),
                          c->dout[0] };

    if (maas_grad_need(c, 1)) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "a loss has no gradient "
                        "for its target");
    }

    maas_grad_emit_same(c, "maas", soft ? "SoftmaxLossGrad" : "LossGrad", in,
                        3, &c->din[0], 1);
    return c->rc;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  tl_in[] = {
    { "X",  MAAS_D_FLOAT,  'T', 0 },
    { "Y",  MAAS_D_FLOAT | MAAS_D(I64), 0, 0 },
    { "dL", MAAS_D_FLOAT,  'T', 0 }
};

static const maas_formal_t  tl_out[] = { { "L", MAAS_D_FLOAT, 'T', 0 } };
static const maas_formal_t  tl_dx[] = { { "dX", MAAS_D_FLOAT, 'T', 0 } };

static const maas_attr_row_t  tl_attrs[] = {
    { .name = "kind", .type = MAAS_ATTR_STRING, .words = tl_words,
      .off = offsetof(tl_attr_t, kind) },
    { .name = "delta", .type = MAAS_ATTR_FLOAT, .f = 1,
      .off = offsetof(tl_attr_t, delta) },
    { .name = "smoothing", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(tl_attr_t, smoothing) }
};

static const maas_kernel_row_t  loss_kernel[] = {
    { "loss.rows", MAAS_CPU_REF, 0, 0, tl_setup, loss_run }
};

static const maas_kernel_row_t  loss_grad_kernel[] = {
    { "loss.grad", MAAS_CPU_REF, 1, 0, tl_setup, loss_grad_run }
};

static const maas_kernel_row_t  soft_kernel[] = {
    { "softmaxloss.rows", MAAS_CPU_REF, 0, 0, soft_setup, soft_run }
};

static const maas_kernel_row_t  soft_grad_kernel[] = {
    { "softmaxloss.grad", MAAS_CPU_REF, 1, 0, soft_setup, soft_grad_run }
};

static const maas_case_t  loss_cases[] = {
    { "kind=mse | f32[7,3] =f32[7,3]", NULL },
    { "kind=mae | f32[33,2,2] =f32[33,2,2]", NULL },
    { "kind=huber delta=0.25 | f32[7,3] =f32[7,3]", NULL },
    { "kind=binary smoothing=0.1 | f32[5,1] =f32[5,1]:pos", NULL },
    { "kind=hinge | f32[5,4] =f32[5,4]", NULL },
    { "kind=kl | f32[3,2,5]:pos =f32[3,2,5]:pos", NULL },
    { "kind=mse | f32[4] =f32[4]", NULL },
    { "kind=mse | f32[0,3] =f32[0,3]", NULL },
    { "kind=huber | f32[9000,3] =f32[9000,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  loss_bad[] = {
    { "kind=mse | f32[7,3] f32[7]", "2 dimensions, the target 1" },
    { "kind=mse | f32[7,3] f32[7,2]", "result and target" },
    { "kind=rmse | f32[7,3] f32[7,3]", "expected one of mse" },
    { NULL, NULL }
};

static const maas_case_t  loss_grad_cases[] = {
    { "kind=mse | f32[7,3] f32[7,3] f32[7]", NULL },
    { "kind=mae | f64[7,3] f64[7,3] f64[7]", NULL },
    { "kind=huber delta=0.25 | f32[7,3] f32[7,3] f32[7]", NULL },
    { "kind=binary | f32[5,1] f32[5,1]:pos f32[5]", NULL },
    { "kind=hinge | f32[5,4] f32[5,4] f32[5]", NULL },
    { "kind=kl | f32[3,2,5]:pos f32[3,2,5]:pos f32[3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  loss_grad_bad[] = {
    { "kind=mse | f32[7,3] f32[7,2] f32[7]", "result and target" },
    { NULL, NULL }
};

static const maas_case_t  soft_cases[] = {
    { "| f32[4,5] i64[4]{0,4,2,3}", NULL },
    { "smoothing=0.2 | f32[4,5] i64[4]{0,4,-1,3}", NULL },
    { "| f32[2,3,4] i64[2,3]{0,1,2,3,0,1}", NULL },
    { "smoothing=0.1 | f32[3,5] =f32[3,5]:pos", NULL },
    { "| f64[2,7] i64[2]{6,0}", NULL },
    { "| f32[0,4] i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  soft_bad[] = {
    { "| f32[4,5] i64[4,5]", "2 dimensions, the target 2" },
    { "| f32[4] i64[4]", "expected at least 2" },
    { "| f32[4,5] f64[4,5]", "the target is float64" },
    { NULL, NULL }
};

static const maas_case_t  soft_grad_cases[] = {
    { "| f32[4,5] i64[4]{0,4,2,-1} f32[4]", NULL },
    { "smoothing=0.1 | f64[3,5] f64[3,5]:pos f64[3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  soft_grad_bad[] = {
    { "| f32[4,5] i64[3]{0,1,2} f32[4]", "result and target" },
    { NULL, NULL }
};

#define TL_ROW(NAME, n, o, how, kernels, good, wrong)                         \
    .name = NAME, .domain = "maas", .since = 1,                               \
    .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, .in = tl_in, .n_in = n,         \
    .out = o, .n_out = 1, MAAS_ATTRS(tl_attrs, tl_attr_t), .infer = how,      \
    MAAS_KERNELS(kernels), .cases = good, .bad = wrong

const maas_op_t  maas_ops_train_loss[] = {

    { TL_ROW("Loss", 2, tl_out, loss_infer, loss_kernel, loss_cases,
             loss_bad), .grad = tl_grad },
    { TL_ROW("SoftmaxLoss", 2, tl_out, soft_infer, soft_kernel, soft_cases,
             soft_bad), .grad = tl_grad },
    { TL_ROW("LossGrad", 3, tl_dx, loss_grad_infer, loss_grad_kernel,
             loss_grad_cases, loss_grad_bad) },
    { TL_ROW("SoftmaxLossGrad", 3, tl_dx, soft_grad_infer, soft_grad_kernel,
             soft_grad_cases, soft_grad_bad) },

    { .name = NULL }
};
