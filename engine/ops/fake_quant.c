/*
 * maas.FakeQuant: float32 rounded to what 8 bits hold, QuantizeLinear and
 * DequantizeLinear at once; the compiler puts it in the place of the two
 * (graph/pass/fuse_qdq.c):
 *
 *   y = (clamp(round_half_even(x / scale) + zero) - zero) * scale
 *
 * clamped to 0 .. 255, or -128 .. 127 (`signed`); NaN gives the least.  It is
 * a post-op of what makes x wherever that takes functions of one element.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/ops_common.h"


typedef struct {
    float    scale;
    int64_t  zero;
    int64_t  sign;
} fake_attr_t;


static maas_unary_t
fake_fn(const fake_attr_t *a)
{
    return a->sign ? MAAS_U_QDQ_I8 : MAAS_U_QDQ_U8;
}


static maas_status_t
fake_infer(maas_infer_t *c)
{
    int64_t             lo;
    const fake_attr_t  *a = c->attr;

    lo = a->sign ? -128 : 0;

    if (a->zero < lo || a->zero > lo + 255) {
        return maas_err(c->err, MAAS_EINVAL, "attribute zero is %lld, "
                        "expected %lld to %lld", (long long) a->zero,
                        (long long) lo, (long long) lo + 255);
    }

    if (!(a->scale > 0)) {
        return maas_err(c->err, MAAS_EINVAL, "attribute scale is %g, "
                        "expected more than 0", (double) a->scale);
    }

    return maas_infer_same(c);
}


static maas_status_t
fake_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t             lo, hi;
    const fake_attr_t  *a = s->attr;

    (void) slot;

    maas_unit_range(first, last, maas_tensor_count(&s->in[0]), &lo, &hi);

    if (lo < hi) {
        s->k->unary[fake_fn(a)]((float *) s->out[0].data + lo,
                                (const float *) s->in[0].data + lo, hi - lo,
                                a->scale, (float) a->zero);
    }

    return MAAS_OK;
}


static bool
fake_post(const maas_node_t *n, int through, const void *const *data,
    maas_post_t *out)
{
    const fake_attr_t  *a = n->attr;

    (void) data;

    *out = (maas_post_t) { .kind = MAAS_POST_UNARY, .fn = fake_fn(a),
                           .a = a->scale, .b = (float) a->zero };
    return through == 0;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  fake_in[] = { { "X", MAAS_D(F32), 0, 0 } };
static const maas_formal_t  fake_out[] = { { "Y", MAAS_D(F32), 0, 0 } };

static const maas_attr_row_t  fake_attrs[] = {
    { .name = "scale", .type = MAAS_ATTR_FLOAT, .required = true,
      .off = offsetof(fake_attr_t, scale) },
    { .name = "zero", .type = MAAS_ATTR_INT,
      .off = offsetof(fake_attr_t, zero) },
    { .name = "signed", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(fake_attr_t, sign) }
};

static const maas_kernel_row_t  fake_kernels[] = {
    { "fakequant.rows", MAAS_CPU_REF, 1, 0, maas_setup_cheap, fake_run }
};

static const maas_case_t  fake_cases[] = {
    { "scale=0.02 zero=113 | f32[3,17]:nan", NULL },
    { "scale=0.5 zero=-3 signed=1 | f32[33]:inf", NULL },
    { "scale=1 | f32[8]{-2.5,-1.5,-0.5,0.5,1.5,2.5,254.5,255.5}", NULL },
    { "scale=0.01 zero=255 | f32[40000]", NULL },
    { "scale=0.01 | f32[0,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  fake_bad[] = {
    { "scale=0.5 zero=300 | f32[3]", "zero is 300" },
    { "scale=0.5 zero=128 signed=1 | f32[3]", "expected -128 to 127" },
    { "scale=0 | f32[3]", "scale is 0" },
    { "scale=1 | i32[3]", "expected" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_fake_quant[] = {
    {
        .name = "FakeQuant", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL | MAAS_OP_ELEMENTWISE,
        MAAS_IO(fake_in, fake_out),
        MAAS_ATTRS(fake_attrs, fake_attr_t),
        .infer = fake_infer,
        MAAS_KERNELS(fake_kernels),
        .as_post = fake_post,
        .cases = fake_cases, .bad = fake_bad
    },
    { .name = NULL }
};
