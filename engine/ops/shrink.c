/*
 * Shrink: x + bias below -lambd, x - bias above lambd, 0 between and for
 * NaN.  Integers are compared and moved as doubles.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/ops_common.h"


typedef struct {
    float  bias;
    float  lambd;
} shrink_attr_t;

#define SHRINK(name, D, type)                                                 \
    MAAS_UN_LOOP(name, D, type, v < -b ? v + a : v > b ? v - a : 0)

/* float32 stays float32: A is the bias, B the limit. */
MAAS_UN_LOOP(shrink, F32, float, v < -B ? v + A : v > B ? v - A : 0)
SHRINK(shrink, F64, double)
MAAS_T_INT(SHRINK, shrink)

static const maas_un_t  shrink_un = {
    MAAS_UN_ROW, { MAAS_T_NUM(MAAS_UN_ENTRY, shrink) }
};


static maas_status_t
shrink_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    const shrink_attr_t  *a = s->attr;

    return maas_un_run(s, slot, first, last, &shrink_un, (double) a->bias,
                       (double) a->lambd);
}


static const maas_formal_t  shrink_in[] = {
    { "input", MAAS_D_NUM, 'T', 0 }
};

static const maas_formal_t  shrink_out[] = {
    { "output", MAAS_D_NUM, 'T', 0 }
};

static const maas_attr_row_t  shrink_attrs[] = {
    { .name = "bias", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(shrink_attr_t, bias) },
    { .name = "lambd", .type = MAAS_ATTR_FLOAT, .f = 0.5f,
      .off = offsetof(shrink_attr_t, lambd) }
};

static const maas_kernel_row_t  shrink_kernel[] = {
    { "shrink.rows", MAAS_CPU_REF, 1, 0, maas_setup_cheap, shrink_run }
};

static const maas_case_t  shrink_cases[] = {
    { "| f32[3,17]", NULL },
    { "lambd=1.5 bias=1.5 | f32[257]:nan", NULL },
    { "lambd=1.0 bias=0.25 | f64[3,5]:inf", NULL },
    { "lambd=2.0 bias=1.0 | i32[5,9]", NULL },
    { "lambd=2.0 bias=1.0 | u8[19]", NULL },
    { "bias=0.5 | f16[7]", NULL },
    { "| f32[0]", NULL },
    { "| f32[]", NULL },
    { NULL, NULL }
};

static const maas_case_t  shrink_bad[] = {
    { "| bool[3]", "bool" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_shrink[] = {
    {
        .name = "Shrink", .domain = "", .since = 9, .first = 9,
        .flags = MAAS_OP_PURE | MAAS_OP_ELEMENTWISE,
        MAAS_IO(shrink_in, shrink_out),
        MAAS_ATTRS(shrink_attrs, shrink_attr_t),
        .infer = maas_infer_same,
        MAAS_KERNELS(shrink_kernel),
        .cases = shrink_cases, .bad = shrink_bad
    },
    { .name = NULL }
};
