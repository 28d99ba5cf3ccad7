/*
 * maas.DynamicRange and maas.DynamicQuantize: DynamicQuantizeLinear in two
 * steps, so that threads share both.  The compiler puts them in its place
 * (graph/pass/fuse_qmatmul.c).
 *
 * A unit finds the least and the greatest value of a block; who ends the
 * last block joins all in their order.  Blocks do not depend on threads.
 *
 * Ownership: nothing is allocated; the blocks' values lie in the memory that
 * the threads of a step share.  Threads: units are independent.
 */

#include <stdatomic.h>

#include "ops/quant.h"


#define RANGE_BLOCK   4096          /* elements, at least */
#define RANGE_BLOCKS  64            /* at most */

typedef struct {
    float  lo, hi;
} range_t;

enum { RANGE_X, RANGE_SCALE, RANGE_ZERO };


/* -- the range ----------------------------------------------------------- */

static maas_status_t
range_infer(maas_infer_t *c)
{
    maas_infer_set(c, 0, MAAS_F32, 0, NULL);
    maas_infer_set(c, 1, MAAS_U8, 0, NULL);
    return MAAS_OK;
}


static bool
range_setup(maas_setup_t *u)
{
    int64_t  n = maas_tensor_count(&u->in[RANGE_X]);

    u->units = maas_min(maas_max(n / RANGE_BLOCK, 1), RANGE_BLOCKS);
    u->shared = MAAS_ALIGN + (size_t) u->units * sizeof(range_t);
    u->cost = 100 + 0.15 * (double) n;
    return true;
}


static maas_status_t
range_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float              lo = 0, hi = 0;
    int64_t            at, end, n = maas_tensor_count(&s->in[RANGE_X]);
    range_t           *r = (range_t *) ((char *) s->shared + MAAS_ALIGN);
    const float       *x = s->in[RANGE_X].data;
    const uint32_t     ended = (uint32_t) (last - first);
    _Atomic(uint32_t) *done = s->shared;

    (void) slot;

    for (int64_t u = first; u < last; u++) {
        at = n / s->units * u;
        end = u == s->units - 1 ? n : at + n / s->units;
        r[u].lo = n != 0 ? s->k->reduce[MAAS_R_MIN](x + at, end - at) : 0;
        r[u].hi = n != 0 ? s->k->reduce[MAAS_R_MAX](x + at, end - at) : 0;
    }

    if (atomic_fetch_add_explicit(done, ended, memory_order_acq_rel) + ended
        != (uint32_t) s->units)
    {
        return MAAS_OK;
    }

    for (int64_t u = 0; u < s->units; u++) {
        lo = r[u].lo < lo ? r[u].lo : lo;
        hi = r[u].hi > hi ? r[u].hi : hi;
    }

    *(uint8_t *) s->out[1].data = quant_dynamic(lo, hi, s->out[0].data);
    return MAAS_OK;
}


/* -- the values ---------------------------------------------------------- */

static maas_status_t
quantize_range_infer(maas_infer_t *c)
{
    const maas_type_t  *x = c->in[RANGE_X].type;

    MAAS_TRY(quant_infer_vector(c, RANGE_SCALE, "the scale", 1, "tensor"));
    MAAS_TRY(quant_infer_vector(c, RANGE_ZERO, "the zero point", 1,
                                "tensor"));
    maas_infer_set(c, 0, MAAS_U8, x->rank, x->dims);
    return MAAS_OK;
}


static bool
quantize_range_setup(maas_setup_t *u)
{
    return maas_setup_elements(u, 0.15);
}


static maas_status_t
quantize_range_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t  at, end;

    (void) slot;

    maas_unit_range(first, last, maas_tensor_count(&s->in[RANGE_X]), &at,
                    &end);
    s->k->quantize((uint8_t *) s->out[0].data + at,
                   (const float *) s->in[RANGE_X].data + at,
                   *(const float *) s->in[RANGE_SCALE].data,
                   *(const uint8_t *) s->in[RANGE_ZERO].data, end - at);
    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  range_in[] = { { "x", MAAS_D(F32), 0, 0 } };

static const maas_formal_t  range_out[] = {
    { "y_scale",      MAAS_D(F32), 0, 0 },
    { "y_zero_point", MAAS_D(U8), 0, 0 }
};

static const maas_formal_t  quantize_range_in[] = {
    { "x",            MAAS_D(F32), 0, 0 },
    { "y_scale",      MAAS_D(F32), 0, 0 },
    { "y_zero_point", MAAS_D(U8), 0, 0 }
};

static const maas_formal_t  quantize_range_out[] = {
    { "y", MAAS_D(U8), 0, 0 }
};

static const maas_kernel_row_t  range_kernels[] = {
    { "dynamicrange.blocks", MAAS_CPU_REF, 0, 0, range_setup, range_run }
};

static const maas_kernel_row_t  quantize_range_kernels[] = {
    { "dynamicquantize.rows", MAAS_CPU_REF, 0, 0, quantize_range_setup,
      quantize_range_run }
};

static const maas_case_t  range_cases[] = {
    { "> 2 | f32[3,17]", NULL },
    { "> 2 | f32[33]:pos", NULL },
    { "> 2 | f32[5]{-1,-2,-3,-0.5,-7}", NULL },
    { "> 2 | f32[4]{0,0,0,0}", NULL },
    { "> 2 | f32[40001]", NULL },
    { "> 2 | f32[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  range_bad[] = {
    { "> 2 | i32[3]", "expected" },
    { NULL, NULL }
};

static const maas_case_t  quantize_range_cases[] = {
    { "| f32[3,17] f32[]{0.02} u8[]{128}", NULL },
    { "| f32[40001] f32[]{0.01} u8[]{3}", NULL },
    { "| f32[33]:nan f32[]{0.05} u8[]{7}", NULL },
    { "| f32[0] f32[] u8[]", NULL },
    { NULL, NULL }
};

static const maas_case_t  quantize_range_bad[] = {
    { "| f32[3] f32[2] u8[]", "the scale has shape [2]" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_quantize_range[] = {
    {
        .name = "DynamicRange", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(range_in, range_out),
        .infer = range_infer,
        MAAS_KERNELS(range_kernels),
        .cases = range_cases, .bad = range_bad
    },
    {
        .name = "DynamicQuantize", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(quantize_range_in, quantize_range_out),
        .infer = quantize_range_infer,
        MAAS_KERNELS(quantize_range_kernels),
        .cases = quantize_range_cases, .bad = quantize_range_bad
    },
    { .name = NULL }
};
