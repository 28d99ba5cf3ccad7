/*
 * CumSum: running sums along an axis that is an input.  exclusive: a sum
 * without its own item; reverse: from the end.  Sums are made in the dtype
 * of x, one item after the other.
 *
 * The input is seen as [outer, n, inner]; a unit is a share of the outer *
 * inner lines, and neighbouring lines of one outer item advance together.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/move.h"
#include "ops/ops_common.h"


typedef struct {
    int64_t  exclusive;
    int64_t  reverse;
} cumsum_attr_t;


static maas_status_t
cumsum_infer(maas_infer_t *c)
{
    int                 axis, n;
    maas_dim_t          v[1];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;

    if (t->rank == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "x has rank 0, expected 1 or more");
    }

    rc = maas_ival_vector(c, 1, "axis", 1, v, &n);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    if (n == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "axis is empty, expected a number");
    }

    if (rc == MAAS_OK && maas_dim_known(v[0])) {
        MAAS_TRY(maas_axis(v[0], t->rank, &axis, c->err));
    }

    return maas_infer_same(c);
}


static bool
cumsum_setup(maas_setup_t *u)
{
    int64_t  n = maas_tensor_count(&u->in[0]);

    u->units = maas_units(n);
    u->cost = 50 + (double) n;
    return true;
}


/* m lines beside each other; d: from an item to the next, before or after. */
#define CUMSUM(a, D, type)                                                    \
    static void                                                               \
    cumsum_##D(void *out, const void *in, int64_t at, int64_t n, int64_t d,   \
        int64_t m, bool exclusive)                                            \
    {                                                                         \
        type        *y = (type *) out + at;                                   \
        const type  *x = (const type *) in + at;                              \
                                                                              \
        for (int64_t j = 0; j < m && n > 0; j++) {                            \
            y[j] = exclusive ? 0 : x[j];                                      \
        }                                                                     \
                                                                              \
        for (int64_t i = 1; i < n; i++) {                                     \
            const type  *q = exclusive ? x : x + d;                           \
                                                                              \
            for (int64_t j = 0; j < m; j++) {                                 \
                y[d + j] = (type) (y[j] + q[j]);                              \
            }                                                                 \
                                                                              \
            y += d;                                                           \
            x += d;                                                           \
        }                                                                     \
    }

CUMSUM(0, F32, float)
CUMSUM(0, F64, double)
CUMSUM(0, U32, uint32_t)
CUMSUM(0, U64, uint64_t)

typedef void (*cumsum_pt)(void *out, const void *in, int64_t at, int64_t n,
    int64_t d, int64_t m, bool exclusive);

/* Signed sums wrap: the bits are those of the unsigned ones. */
static const cumsum_pt  cumsum_lines[MAAS_DTYPES] = {
    [MAAS_F32] = cumsum_F32,
    [MAAS_F64] = cumsum_F64,
    [MAAS_I32] = cumsum_U32,
    [MAAS_I64] = cumsum_U64,
    [MAAS_U32] = cumsum_U32,
    [MAAS_U64] = cumsum_U64
};


static maas_status_t
cumsum_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    int64_t               p, to, n, m, inner, lines, at, d;
    cumsum_pt             sum = cumsum_lines[s->in[0].dtype];
    const maas_tensor_t  *x = &s->in[0];
    const cumsum_attr_t  *a = s->attr;

    if (sum == NULL) {
        return maas_err_dtype(slot, x->dtype);
    }

    MAAS_TRY(maas_axis(maas_move_int(&s->in[1], 0), x->rank, &axis,
                       slot->err));
    n = x->dims[axis];
    inner = maas_dims_count(x->dims + axis + 1, x->rank - axis - 1);
    lines = maas_dims_count(x->dims, axis) * inner;
    p = maas_move_start(lines, s->units, first);
    to = maas_move_start(lines, s->units, last);
    d = a->reverse ? -inner : inner;

    for (; p < to; p += m) {
        m = maas_min(inner - p % inner, to - p);
        at = p / inner * n * inner + p % inner;
        sum(s->out[0].data, x->data, a->reverse ? at + (n - 1) * inner : at,
            n, d, m, a->exclusive != 0);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define CUMSUM_TYPES  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64)               \
                       | MAAS_D(U32) | MAAS_D(U64))

static const maas_formal_t  cumsum_in[] = {
    { "x", CUMSUM_TYPES, 'T', 0 },
    { "axis", MAAS_D(I32) | MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  cumsum_out[] = { { "y", CUMSUM_TYPES, 'T', 0 } };

static const maas_attr_row_t  cumsum_attrs[] = {
    { .name = "exclusive", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(cumsum_attr_t, exclusive) },
    { .name = "reverse", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(cumsum_attr_t, reverse) }
};

static const maas_kernel_row_t  cumsum_kernel[] = {
    { .id = "cumsum.lines", .setup = cumsum_setup, .run = cumsum_run }
};

static const maas_case_t  cumsum_cases[] = {
    { "| f32[17] =i64[]{0}", NULL },
    { "exclusive=1 | f32[3,17] i32[]{-1}", NULL },
    { "reverse=1 | f64[3,5,7] =i32[1]{1}", NULL },
    { "reverse=1 exclusive=1 | i64[4,300] i64[]{0}", NULL },
    { "exclusive=1 reverse=1 | u32[9] =i64[]{0}", NULL },
    { "| f32[200,150,2]:inf i64[]{1}", NULL },
    { "| i32[3,0] =i64[]{1}", NULL },
    { "exclusive=1 | u64[0,3] =i64[]{0}", NULL },
    { "| f16[2,3] =i64[]{0}", NULL },
    { NULL, NULL }
};

static const maas_case_t  cumsum_bad[] = {
    { "| f32[3,4] =i64[]{2}", "axis 2 is out of range" },
    { "| f32[3,4] i64[]{-3}", "axis -3 is out of range" },
    { "| f32[] =i64[]{0}", "rank 0" },
    { "| f32[3,4] =i64[2]{0,1}", "axis has 2 elements" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_cumsum[] = {
    {
        .name = "CumSum", .domain = "", .since = 14, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(cumsum_in, cumsum_out),
        MAAS_ATTRS(cumsum_attrs, cumsum_attr_t),
        .infer = cumsum_infer,
        MAAS_KERNELS(cumsum_kernel),
        .cases = cumsum_cases, .bad = cumsum_bad
    },
    { .name = NULL }
};
