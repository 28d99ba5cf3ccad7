/*
 * NonZero: the indices of the elements that are not zero, one column an
 * element, in row-major order.  How many there are only the data tell.
 *
 * Ownership: nothing is allocated; how large the output is, extent() says.
 * Threads:   one unit, as a column follows the one before.
 */

#include "ops/ops_common.h"


/* NaN is not zero, -0.0 is. */
#define NONZERO_LOOP(type)                                                    \
    for (int64_t i = from; i < n; i++) {                                      \
        if (((const type *) x->data)[i] != 0) {                               \
            return i;                                                         \
        }                                                                     \
    }                                                                         \
    return n;


/* The first element from `from` on that is not zero; n: none. */
static int64_t
nonzero_next(const maas_tensor_t *x, int64_t from, int64_t n)
{
    switch (x->dtype) {
    case MAAS_F32:
        NONZERO_LOOP(float)
    case MAAS_F64:
        NONZERO_LOOP(double)
    case MAAS_I32:
    case MAAS_U32:
        NONZERO_LOOP(uint32_t)
    case MAAS_I64:
    case MAAS_U64:
        NONZERO_LOOP(uint64_t)
    case MAAS_I16:
    case MAAS_U16:
        NONZERO_LOOP(uint16_t)
    default:
        NONZERO_LOOP(uint8_t)
    }
}


static maas_status_t
nonzero_extent(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t  n = maas_tensor_count(&s->in[0]);
    int64_t  count = 0;

    (void) slot;
    (void) first;
    (void) last;

    for (int64_t i = nonzero_next(&s->in[0], 0, n); i < n;
         i = nonzero_next(&s->in[0], i + 1, n))
    {
        count++;
    }

    *(int64_t *) s->out[0].data = count;
    return MAAS_OK;
}


/* A scalar counts as one dimension. */
static maas_status_t
nonzero_infer(maas_infer_t *c)
{
    maas_dim_t      dims[2];
    const int64_t  *extent = maas_infer_extent(c);

    dims[0] = maas_max(c->in[0].type->rank, 1);
    dims[1] = extent != NULL ? extent[0] : MAAS_DIM_NONE;

    maas_infer_set(c, 0, MAAS_I64, 2, dims);
    return extent != NULL ? MAAS_OK : MAAS_INFER_EXTENT;
}


static bool
nonzero_setup(maas_setup_t *u)
{
    u->cost = (double) u->in[0].bytes * 0.3
              + (double) u->out[0].bytes * 0.3;
    return true;
}


static maas_status_t
nonzero_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t               rest, at = 0;
    int64_t               n = maas_tensor_count(&s->in[0]);
    int64_t               cols = s->out[0].dims[1];
    int64_t              *y = s->out[0].data;
    const maas_tensor_t  *x = &s->in[0];

    (void) slot;
    (void) first;
    (void) last;

    for (int64_t i = nonzero_next(x, 0, n); i < n && at < cols;
         i = nonzero_next(x, i + 1, n), at++)
    {
        rest = i;

        for (int d = x->rank - 1; d >= 0; d--) {
            y[d * cols + at] = rest % x->dims[d];
            rest /= x->dims[d];
        }

        if (x->rank == 0) {
            y[at] = 0;
        }
    }

    return MAAS_OK;
}


static const maas_formal_t  nonzero_in[] = {
    { "X", MAAS_D_NUM | MAAS_D(BOOL), 0, 0 }
};

static const maas_formal_t  nonzero_out[] = {
    { "Y", MAAS_D(I64), 0, 0 }
};

static const maas_kernel_row_t  nonzero_kernels[] = {
    { "nonzero", MAAS_CPU_REF, 0, 0, nonzero_setup, nonzero_run }
};

static const maas_case_t  nonzero_cases[] = {
    { "| f32[3,5]:zero", NULL }, { "| i64[2,2,2]{0,1,0,3,0,0,-1,2}", NULL },
    { "| bool[7]", NULL }, { "| f32[0,3]", NULL }, { "| f32[]{2}", NULL },
    { "| u8[4]{0,0,0,0}", NULL }, { "| =f32[4]{0,1,0,2}", NULL },
    { NULL, NULL }
};

static const maas_case_t  nonzero_bad[] = {
    { "| str[3]", "string" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_nonzero[] = {
    {
        .name = "NonZero", .domain = "", .since = 13, .first = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(nonzero_in, nonzero_out),
        .infer = nonzero_infer,
        MAAS_KERNELS(nonzero_kernels),
        .extent = nonzero_extent, .n_extent = 1,
        .cases = nonzero_cases, .bad = nonzero_bad
    },
    { .name = NULL }
};
