/*
 * train_dropout: maas.Dropout(x, key), Dropout while training: element i
 * becomes 0 with probability `ratio`, else x / (1 - ratio).  key: the seed
 * and the step; for rows that are a part of a batch also the first of them
 * and how many there are.  Whether element i of the batch stays is a function
 * of seed, step, `node` and i (base/random.h), so the gradient is the same
 * operator on dy, no mask is kept, and it does not matter how a batch is cut.
 *
 * Srivastava et al., "Dropout: a simple way to prevent neural networks from
 * overfitting", 2014.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include "graph/grad.h"
#include "ops/dropout.h"
#include "ops/ops_common.h"


#define DROP_STREAM  0x80000000u        /* | node */

typedef struct {
    int64_t  node;
    float    ratio;
} drop_attr_t;


/* Elements of the batch before x, whose axis 0 is rows or more than rows. */
static uint64_t
drop_before(const int64_t *k, int64_t n_key, int64_t total)
{
    if (n_key != 4 || k[2] <= 0 || k[3] <= 0) {
        return 0;
    }

    return (uint64_t) k[2] * (uint64_t) (total / k[3]);
}


void
maas_drop_init(maas_drop_t *d, const int64_t *key, int64_t n_key,
    int64_t node, float ratio, int64_t total)
{
    d->g = maas_random((uint64_t) key[0], DROP_STREAM | (uint32_t) node,
                       (uint32_t) key[1]);
    d->before = drop_before(key, n_key, total);
    d->below = (uint32_t) ((double) ratio * 4294967296.0);
    d->scale = 1 / (1 - (double) ratio);
}


/* Random bits of element at, of *n that are made at once. */
static const uint32_t *
drop_bits(const maas_drop_t *d, int64_t at, int64_t left, uint32_t *r,
    int64_t *n)
{
    uint64_t  i = d->before + (uint64_t) at;

    *n = maas_min(left, 4 - (int64_t) (i % 4));
    maas_random_block(&d->g, i / 4, r);
    return r + i % 4;
}


void
maas_drop_factors(const maas_drop_t *d, void *f, maas_dtype_t dtype,
    int64_t at, int64_t n)
{
    double           v;
    int64_t          m;
    uint32_t         r[4];
    const uint32_t  *bits;

    for (int64_t i = 0; i < n; i += m) {
        bits = drop_bits(d, at + i, n - i, r, &m);

        for (int64_t j = 0; j < m; j++) {
            v = bits[j] < d->below ? 0 : d->scale;

            if (dtype == MAAS_F64) {
                ((double *) f)[i + j] = v;

            } else {
                ((float *) f)[i + j] = (float) v;
            }
        }
    }
}


static void
drop_block(maas_tensor_t *y, const maas_tensor_t *x, int64_t at, int64_t n,
    const uint32_t *r, uint32_t below, double scale)
{
    for (int64_t i = 0; i < n; i++) {
        if (y->dtype == MAAS_F64) {
            ((double *) y->data)[at + i] = r[i] < below ? 0
                : ((const double *) x->data)[at + i] * scale;

        } else {
            ((float *) y->data)[at + i] = r[i] < below ? 0
                : ((const float *) x->data)[at + i] * (float) scale;
        }
    }
}


static maas_status_t
drop_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t             lo, hi, n, total = maas_tensor_count(&s->out[0]);
    uint32_t            r[4];
    maas_drop_t         d;
    const uint32_t     *bits;
    const drop_attr_t  *a = s->attr;

    (void) slot;
    maas_unit_range(first, last, total, &lo, &hi);
    maas_drop_init(&d, s->in[1].data, s->in[1].dims[0], a->node, a->ratio,
                   total);

    for (int64_t i = lo; i < hi; i += n) {
        bits = drop_bits(&d, i, hi - i, r, &n);
        drop_block(&s->out[0], &s->in[0], i, n, bits, d.below, d.scale);
    }

    return MAAS_OK;
}


static bool
drop_setup(maas_setup_t *u)
{
    return maas_setup_elements(u, 3);
}


static maas_status_t
drop_infer(maas_infer_t *c)
{
    const drop_attr_t  *a = c->attr;
    const maas_type_t  *k = c->in[1].type;

    if (!(a->ratio >= 0 && a->ratio < 1)) {
        return maas_err(c->err, MAAS_EINVAL, "ratio is %g, expected at least "
                        "0 and less than 1", (double) a->ratio);
    }

    if (k->rank != 1 || (maas_dim_known(k->dims[0]) && k->dims[0] != 2
                         && k->dims[0] != 4))
    {
        return maas_err(c->err, MAAS_EINVAL, "the key must have the shape "
                        "[2] or [4]");
    }

    return maas_infer_same(c);
}


static maas_status_t
drop_grad(maas_grad_t *c)
{
    maas_vid_t  in[2] = { c->dout[0], maas_grad_in(c, 1) };

    maas_grad_emit_same(c, "maas", "Dropout", in, 2, &c->din[0], 1);
    return c->rc;
}


static const maas_formal_t  drop_in[] = {
    { "X",   MAAS_D_FLOAT, 'T', 0 },
    { "key", MAAS_D(I64),    0, 0 }
};

static const maas_formal_t  drop_out[] = { { "Y", MAAS_D_FLOAT, 'T', 0 } };

static const maas_attr_row_t  drop_attrs[] = {
    { .name = "node", .type = MAAS_ATTR_INT,
      .off = offsetof(drop_attr_t, node), .min = 0, .max = INT32_MAX },
    { .name = "ratio", .type = MAAS_ATTR_FLOAT, .f = 0.5f,
      .off = offsetof(drop_attr_t, ratio) }
};

static const maas_kernel_row_t  drop_kernel[] = {
    { "dropout.philox", MAAS_CPU_REF, 1, 0, drop_setup, drop_run }
};

static const maas_case_t  drop_cases[] = {
    { "ratio=0.3 node=7 | f32[3,5] i64[2]{42,1}", NULL },
    { "| f64[2,3,4] i64[2]{-1,9}", NULL },
    { "ratio=0 | f32[7] i64[2]{1,2}", NULL },
    { "ratio=0.25 | f32[40000] i64[2]{1,2}", NULL },
    { "| f32[0,3] i64[2]{1,2}", NULL },
    { "ratio=0.4 | f32[3,5] i64[4]{42,1,7,3}", NULL },
    { "| f32[0,3] i64[4]{1,2,5,0}", NULL },
    { NULL, NULL }
};

static const maas_case_t  drop_bad[] = {
    { "ratio=1 | f32[7] i64[2]{1,2}", "ratio is 1" },
    { "| f32[7] i64[3]{1,2,3}", "the key" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_train_dropout[] = {

    { .name = "Dropout", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(drop_in, drop_out),
      MAAS_ATTRS(drop_attrs, drop_attr_t), .infer = drop_infer,
      MAAS_KERNELS(drop_kernel), .grad = drop_grad, .cases = drop_cases,
      .bad = drop_bad },

    { .name = NULL }
};
