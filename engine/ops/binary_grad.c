/*
 * binary_grad: gradients of the arithmetic operators and of Where, and
 * maas.SumTo(dy, shape), which sums over what broadcasting repeated where
 * the shapes are known only while planning.
 *
 * Where inputs of Min and Max are equal, they share the gradient evenly, as
 * PyTorch has it.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"


/* -- gradients ----------------------------------------------------------- */

static void
bg_set(maas_grad_t *c, int i, maas_vid_t d)
{
    c->din[i] = maas_grad_unbroadcast(c, d, c->n->out[0], c->n->in[i]);
}


maas_status_t
maas_grad_add(maas_grad_t *c)
{
    for (int i = 0; i < c->n->n_in; i++) {
        if (c->need[i]) {
            bg_set(c, i, c->dout[0]);
        }
    }

    return c->rc;
}


maas_status_t
maas_grad_sub(maas_grad_t *c)
{
    if (c->need[0]) {
        bg_set(c, 0, c->dout[0]);
    }

    if (c->need[1]) {
        bg_set(c, 1, maas_grad_op1(c, "Neg", c->dout[0]));
    }

    return c->rc;
}


maas_status_t
maas_grad_mul(maas_grad_t *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->need[i]) {
            bg_set(c, i, maas_grad_op2(c, "Mul", c->dout[0],
                                       c->n->in[1 - i]));
        }
    }

    return c->rc;
}


/* y = a / b:  da = dy / b,  db = -dy y / b. */
maas_status_t
maas_grad_div(maas_grad_t *c)
{
    maas_vid_t  d = maas_grad_op2(c, "Div", c->dout[0], c->n->in[1]);

    if (c->need[0]) {
        bg_set(c, 0, d);
    }

    if (c->need[1]) {
        d = maas_grad_op2(c, "Mul", d, c->n->out[0]);
        bg_set(c, 1, maas_grad_op1(c, "Neg", d));
    }

    return c->rc;
}


/* The exponent in the dtype of the base. */
static maas_vid_t
bg_exponent(maas_grad_t *c)
{
    maas_vid_t       a = c->n->in[0], b = c->n->in[1];
    maas_raw_attr_t  to;

    if (maas_grad_type(c, a)->dtype == maas_grad_type(c, b)->dtype) {
        return b;
    }

    to = maas_pass_int("to", maas_grad_type(c, a)->dtype);
    return maas_grad_emit(c, "", "Cast", &to, 1, &b, 1);
}


/* y = a^b:  da = dy b a^(b - 1),  db = dy y log a (0 where a <= 0). */
maas_status_t
maas_grad_pow(maas_grad_t *c)
{
    maas_vid_t  a = c->n->in[0], b = bg_exponent(c), d, safe, pos, zero;

    if (c->need[0]) {
        d = maas_grad_op2(c, "Sub", b, maas_grad_scalar(c, a, 1));
        d = maas_grad_op2(c, "Mul", maas_grad_op2(c, "Pow", a, d), b);
        bg_set(c, 0, maas_grad_op2(c, "Mul", c->dout[0], d));
    }

    if (c->need[1]) {
        zero = maas_grad_scalar(c, a, 0);
        pos = maas_grad_op2(c, "Greater", a, zero);
        safe = maas_grad_op3(c, "Where", pos, a, maas_grad_scalar(c, a, 1));
        d = maas_grad_op2(c, "Mul", c->n->out[0],
                          maas_grad_op1(c, "Log", safe));
        bg_set(c, 1, maas_grad_op2(c, "Mul", c->dout[0], d));
    }

    return c->rc;
}


maas_status_t
maas_grad_mean(maas_grad_t *c)
{
    maas_vid_t  d;

    d = maas_grad_op2(c, "Mul", c->dout[0],
                      maas_grad_scalar(c, c->n->in[0], 1.0 / c->n->n_in));

    for (int i = 0; i < c->n->n_in; i++) {
        if (c->need[i]) {
            bg_set(c, i, d);
        }
    }

    return c->rc;
}


/* 1 where input i is the extreme, else 0. */
static maas_vid_t
bg_chosen(maas_grad_t *c, int i)
{
    maas_vid_t       same = maas_grad_op2(c, "Equal", c->n->in[i],
                                          c->n->out[0]);
    maas_raw_attr_t  to;

    to = maas_pass_int("to", maas_grad_type(c, c->n->in[i])->dtype);
    return maas_grad_emit(c, "", "Cast", &to, 1, &same, 1);
}


maas_status_t
maas_grad_extreme(maas_grad_t *c)
{
    maas_vid_t  share, sum = MAAS_NOVAL;

    for (int i = 0; i < c->n->n_in; i++) {
        share = bg_chosen(c, i);
        sum = i == 0 ? share : maas_grad_op2(c, "Add", sum, share);
    }

    share = maas_grad_op2(c, "Div", c->dout[0], sum);

    for (int i = 0; i < c->n->n_in; i++) {
        if (c->need[i]) {
            bg_set(c, i, maas_grad_op2(c, "Mul", share, bg_chosen(c, i)));
        }
    }

    return c->rc;
}


maas_status_t
maas_grad_where(maas_grad_t *c)
{
    maas_vid_t  zero = maas_grad_scalar(c, c->n->out[0], 0);
    maas_vid_t  cond = c->n->in[0];

    if (c->need[1]) {
        bg_set(c, 1, maas_grad_op3(c, "Where", cond, c->dout[0], zero));
    }

    if (c->need[2]) {
        bg_set(c, 2, maas_grad_op3(c, "Where", cond, zero, c->dout[0]));
    }

    return c->rc;
}


/* -- SumTo --------------------------------------------------------------- */

static maas_status_t
sumto_infer(maas_infer_t *c)
{
    int         n;
    maas_dim_t  a, dims[MAAS_IVAL_MAX];

    if (maas_infer_ints(c, 1, dims, &n) != MAAS_OK) {
        return MAAS_INFER_NEED(c, 1);
    }

    if (n > c->in[0].type->rank) {
        return maas_err(c->err, MAAS_EINVAL, "the shape has %d dimensions, "
                        "dY only %d", n, c->in[0].type->rank);
    }

    for (int d = 0; d < n; d++) {
        a = c->in[0].type->dims[c->in[0].type->rank - n + d];

        if (maas_dim_known(a) && maas_dim_known(dims[d]) && dims[d] != a
            && dims[d] != 1)
        {
            return maas_err(c->err, MAAS_EINVAL, "dimension %d of the shape "
                            "is %lld, that of dY %lld", d,
                            (long long) dims[d], (long long) a);
        }
    }

    maas_infer_set(c, 0, c->in[0].type->dtype, n, dims);
    return MAAS_OK;
}


/* Elements of y to those of dy: by each axis a step, 0 where repeated. */
typedef struct {
    int      rank;
    int64_t  dims[MAAS_RANK_MAX];
    int64_t  kept[MAAS_RANK_MAX];       /* extent in the output */
    int64_t  step[MAAS_RANK_MAX];       /* elements of dy */
} sumto_t;


static void
sumto_load(const maas_step_t *s, sumto_t *g)
{
    int      lead = s->in[0].rank - s->out[0].rank;
    int64_t  step = 1;

    g->rank = s->in[0].rank;

    for (int d = g->rank - 1; d >= 0; d--) {
        g->dims[d] = s->in[0].dims[d];
        g->kept[d] = d < lead ? 1 : s->out[0].dims[d - lead];
        g->step[d] = step;
        step *= g->dims[d];
    }
}


/* The sum of all elements of dy that output element o stands for. */
static double
sumto_one(const sumto_t *g, const maas_step_t *s, int64_t o)
{
    int      d, n = 0, axis[MAAS_RANK_MAX];
    double   sum = 0;
    int64_t  at = 0, i[MAAS_RANK_MAX] = { 0 };

    for (d = g->rank - 1; d >= 0; d--) {
        at += o % g->kept[d] * g->step[d];
        o /= g->kept[d];

        if (g->kept[d] != g->dims[d]) {
            axis[n++] = d;

            if (g->dims[d] == 0) {
                return 0;
            }
        }
    }

    do {
        sum += s->in[0].dtype == MAAS_F64
               ? ((const double *) s->in[0].data)[at]
               : (double) ((const float *) s->in[0].data)[at];

        for (d = 0; d < n; d++) {
            at += g->step[axis[d]];

            if (++i[d] < g->dims[axis[d]]) {
                break;
            }

            at -= i[d] * g->step[axis[d]];
            i[d] = 0;
        }
    } while (d < n);

    return sum;
}


static maas_status_t
sumto_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    sumto_t  g;
    double   sum;

    (void) slot;

    sumto_load(s, &g);

    for (int64_t o = first; o < last; o++) {
        sum = sumto_one(&g, s, o);

        if (s->out[0].dtype == MAAS_F64) {
            ((double *) s->out[0].data)[o] = sum;

        } else {
            ((float *) s->out[0].data)[o] = (float) sum;
        }
    }

    return MAAS_OK;
}


static bool
sumto_setup(maas_setup_t *u)
{
    u->units = maas_tensor_count(&u->out[0]);
    u->cost = 50 + 1.5 * (double) maas_tensor_count(&u->in[0]);
    return true;
}


static const maas_kernel_row_t  sumto_kernel[] = {
    { "sumto.loops", MAAS_CPU_REF, 0, 0, sumto_setup, sumto_run }
};

static const maas_formal_t  sumto_in[] = {
    { "dY",    MAAS_D_FLOAT,  'T', 0 },
    { "shape", MAAS_D(I64),     0, 0 }
};

static const maas_formal_t  sumto_out[] = {
    { "dX", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_case_t  sumto_cases[] = {
    { "| f32[2,3,5] =i64[1]{5}", NULL },
    { "| f32[2,3,5] =i64[3]{2,1,5}", NULL },
    { "| f64[4,3] =i64[2]{4,3}", NULL },
    { "| f32[4,3] =i64[0]", NULL },
    { "| f32[0,3] =i64[2]{1,3}", NULL },
    { "| f32[2,300,7] =i64[3]{1,300,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  sumto_bad[] = {
    { "| f32[2] =i64[2]{1,2}", "2 dimensions" },
    { "| f32[4,3] =i64[1]{2}", "that of dY 3" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_binary_grad[] = {

    { .name = "SumTo", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(sumto_in, sumto_out),
      .infer = sumto_infer, MAAS_KERNELS(sumto_kernel),
      .cases = sumto_cases, .bad = sumto_bad },

    { .name = NULL }
};
