/*
 * Scatter, ScatterElements, ScatterND.  They run in one unit, so that
 * repeated indices are applied in order; a negative index counts from the
 * end, one outside is a run-time error that names it.
 */

#include "ops/gather.h"
#include "ops/ops_common.h"


enum {
    SCATTER_NONE = 0,
    SCATTER_ADD,
    SCATTER_MUL,
    SCATTER_MAX,
    SCATTER_MIN
};


/*
 * Sums and products of integers are made in uint64_t, where overflow is
 * defined and the low bits are the same.  A NaN that is met stays.
 */
#define SCATTER_ONE(T, W, a, b)                                               \
    (op == SCATTER_ADD ? (T) ((W) (a) + (W) (b))                              \
     : op == SCATTER_MUL ? (T) ((W) (a) * (W) (b))                            \
     : op == SCATTER_MAX ? ((a) > (b) || (a) != (a) ? (a) : (b))              \
     : ((a) < (b) || (a) != (a) ? (a) : (b)))

#define SCATTER_ROW(D, T, W)                                                  \
    case MAAS_##D: {                                                          \
        T        *d = dst;                                                    \
        const T  *u = src;                                                    \
        for (int64_t i = 0; i < n; i++) {                                     \
            d[i] = SCATTER_ONE(T, W, d[i], u[i]);                             \
        }                                                                     \
        break;                                                                \
    }

#define SCATTER_INT(a, D, T)  SCATTER_ROW(D, T, uint64_t)

#define SCATTER_HALF(D, from, to)                                             \
    case MAAS_##D: {                                                          \
        float            a, b;                                                \
        uint16_t        *d = dst;                                             \
        const uint16_t  *u = src;                                             \
        for (int64_t i = 0; i < n; i++) {                                     \
            a = from(d[i]);                                                   \
            b = from(u[i]);                                                   \
            d[i] = to(SCATTER_ONE(float, float, a, b));                       \
        }                                                                     \
        break;                                                                \
    }

static void
scatter_reduce(int dtype, int op, void *dst, const void *src, int64_t n)
{
    switch (dtype) {
    SCATTER_ROW(F32, float, float)
    SCATTER_ROW(F64, double, double)
    SCATTER_HALF(F16, maas_f16_to_f32, maas_f32_to_f16)
    SCATTER_HALF(BF16, maas_bf16_to_f32, maas_f32_to_bf16)
    MAAS_T_INT(SCATTER_INT, -)
    }
}


static maas_status_t
scatter_reduction(maas_infer_t *c, int64_t reduction)
{
    if (reduction != SCATTER_NONE && c->in[0].type->dtype == MAAS_BOOL) {
        return maas_err(c->err, MAAS_EINVAL,
                        "reduction is not defined for bool");
    }

    return MAAS_OK;
}


static maas_status_t
scatter_infer(maas_infer_t *c)
{
    int                 axis;
    maas_dim_t          d;
    const maas_type_t  *ix = c->in[1].type, *u = c->in[2].type;

    MAAS_TRY(maas_gather_check(c, &axis));
    MAAS_TRY(scatter_reduction(c,
                              ((const gather_attr_t *) c->attr)->reduction));

    if (u->rank != ix->rank) {
        return maas_err(c->err, MAAS_EINVAL, "updates has rank %d, indices "
                        "has rank %d", u->rank, ix->rank);
    }

    for (int i = 0; i < u->rank; i++) {
        MAAS_TRY(maas_infer_merge(c, u->dims[i], ix->dims[i], &d,
                                  "an axis of updates and indices"));
    }

    return maas_infer_same(c);
}


static bool
scatter_setup(maas_setup_t *u)
{
    maas_move_setup(u);
    u->units = 1;
    u->cost += 5 * (double) maas_tensor_count(&u->in[1]);

    return true;
}


/* The output starts as the data. */
static int64_t
scatter_begin(const maas_step_t *s)
{
    int64_t  size = (int64_t) maas_dtype_size(s->in[0].dtype);
    int64_t  n = maas_tensor_count(&s->in[0]);

    if (s->out[0].data != s->in[0].data && n > 0) {
        memcpy(s->out[0].data, s->in[0].data, (size_t) (n * size));
    }

    return size;
}


static maas_status_t
scatter_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char                 *dst = s->out[0].data, *d;
    int64_t               n, at, size;
    elements_t            e;
    const char           *src = s->in[2].data;
    const gather_attr_t  *a = s->attr;
    const maas_tensor_t  *x = &s->in[0], *ix = &s->in[1];

    if (first >= last) {
        return MAAS_OK;
    }

    size = scatter_begin(s);
    n = maas_tensor_count(ix);

    if (n == 0) {
        return MAAS_OK;
    }

    elements_start(&e, x, ix, gather_axis(s->attr, x->rank), 0);

    for (int64_t p = 0; p < n; p++) {
        if (!gather_index(ix, p, e.dim, &at)) {
            return maas_move_bad_index(slot, maas_move_int(ix, p), e.dim);
        }

        d = dst + (e.base + at * e.stride[e.axis]) * size;

        if (a->reduction == SCATTER_NONE) {
            gather_copy(d, src + p * size, size);
        } else {
            scatter_reduce(x->dtype, (int) a->reduction, d, src + p * size,
                           1);
        }

        elements_next(&e);
    }

    return MAAS_OK;
}


static maas_status_t
scatter_nd_infer(maas_infer_t *c)
{
    int                 depth;
    maas_dim_t          d;
    const maas_type_t  *t = c->in[0].type, *ix = c->in[1].type;
    const maas_type_t  *u = c->in[2].type;

    MAAS_TRY(maas_infer_same(c));
    MAAS_TRY(scatter_reduction(c,
                              ((const gather_attr_t *) c->attr)->reduction));

    if (t->rank == 0 || ix->rank == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "data and indices need a rank of 1 or more");
    }

    if (!maas_dim_known(ix->dims[ix->rank - 1])) {
        return MAAS_OK;
    }

    depth = (int) maas_min(ix->dims[ix->rank - 1], MAAS_RANK_MAX + 1);

    if (depth > t->rank) {
        return maas_err(c->err, MAAS_EINVAL, "the last axis of indices has "
                        "extent %lld, expected at most %d",
                        (long long) ix->dims[ix->rank - 1], t->rank);
    }

    if (u->rank != ix->rank - 1 + t->rank - depth) {
        return maas_err(c->err, MAAS_EINVAL, "updates has rank %d, expected "
                        "%d", u->rank, ix->rank - 1 + t->rank - depth);
    }

    for (int i = 0; i < u->rank; i++) {
        d = i < ix->rank - 1 ? ix->dims[i]
                             : t->dims[i - (ix->rank - 1) + depth];
        MAAS_TRY(maas_infer_merge(c, u->dims[i], d, &d,
                                  "an axis of updates"));
    }

    return MAAS_OK;
}


static maas_status_t
scatter_nd_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   depth;
    char                 *dst = s->out[0].data;
    int64_t               n, items, size, off, strides[MAAS_RANK_MAX];
    const char           *src = s->in[2].data;
    const gather_attr_t  *a = s->attr;
    const maas_tensor_t  *x = &s->in[0], *ix = &s->in[1];

    if (first >= last) {
        return MAAS_OK;
    }

    size = scatter_begin(s);
    depth = (int) ix->dims[ix->rank - 1];
    n = gather_product(ix->dims, 0, ix->rank - 1);
    items = gather_product(x->dims, depth, x->rank);
    maas_dims_strides(x->dims, x->rank, strides);

    for (int64_t p = 0; p < n; p++) {
        MAAS_TRY(nd_offset(x, ix, strides, 0, depth, p, slot, &off));

        if (a->reduction == SCATTER_NONE) {
            gather_copy(dst + off * size, src + p * items * size,
                        items * size);
        } else {
            scatter_reduce(x->dtype, (int) a->reduction, dst + off * size,
                           src + p * items * size, items);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define SCATTER_INDEX  (MAAS_D(I32) | MAAS_D(I64))

static const maas_formal_t  scatter_in[] = {
    { "data", MAAS_D_FIXED, 'T', 0 },
    { "indices", SCATTER_INDEX, 0, 0 },
    { "updates", MAAS_D_FIXED, 'T', 0 }
};

static const maas_formal_t  scatter_nd_in[] = {
    { "data", MAAS_D_FIXED, 'T', 0 },
    { "indices", MAAS_D(I64), 0, 0 },
    { "updates", MAAS_D_FIXED, 'T', 0 }
};

static const maas_formal_t  scatter_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};


static const char *const  scatter_reductions[] = {
    "none", "add", "mul", "max", "min", NULL
};

static const maas_attr_row_t  scatter_old_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(gather_attr_t, axis) }
};

static const maas_attr_row_t  scatter_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(gather_attr_t, axis) },
    { .name = "reduction", .type = MAAS_ATTR_STRING,
      .off = offsetof(gather_attr_t, reduction),
      .words = scatter_reductions }
};

static const maas_attr_row_t  scatter_nd_attrs[] = {
    { .name = "reduction", .type = MAAS_ATTR_STRING,
      .off = offsetof(gather_attr_t, reduction),
      .words = scatter_reductions }
};


static const maas_kernel_row_t  scatter_old_kernel[] = {
    { .id = "scatter.opset9", .inplace = 1, .setup = scatter_setup,
      .run = scatter_run }
};

static const maas_kernel_row_t  scatter_kernel[] = {
    { .id = "scatter.elements", .inplace = 1, .setup = scatter_setup,
      .run = scatter_run }
};

static const maas_kernel_row_t  scatter_nd_kernel[] = {
    { .id = "scatter.nd", .inplace = 1, .setup = scatter_setup,
      .run = scatter_nd_run }
};


static const maas_case_t  scatter_old_cases[] = {
    { "| f32[3,3] i64[2,3]{1,0,2,0,2,1} f32[2,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  scatter_cases[] = {
    { "| f32[3,3] i64[2,3]{1,0,2,0,2,1} f32[2,3]", NULL },
    { "axis=1 reduction=add | f32[1,5] i64[1,3]{1,1,-1} f32[1,3]", NULL },
    { "axis=1 reduction=mul | i8[1,5] i32[1,3]{1,1,-1} i8[1,3]", NULL },
    { "reduction=add | f16[4] i64[3]{0,0,0} f16[3]", NULL },
    { "reduction=max | f32[4]:nan i64[3]{0,0,2} f32[3]", NULL },
    { "reduction=min | i8[4] i64[3]{0,0,2} i8[3]", NULL },
    { "reduction=max | bf16[4] i64[3]{0,0,2} bf16[3]:nan", NULL },
    { "| u16[4] i64[0] u16[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  scatter_bad[] = {
    { "| f32[3] i64[1]{3} f32[1]", "index 3 is out of range [-3, 2]" },
    { "| f32[3] i64[1]{0} f32[2]", "updates and indices" },
    { NULL, NULL }
};

static const maas_case_t  scatter_nd_cases[] = {
    { "| f32[8] i64[4,1]{4,3,1,7} f32[4]", NULL },
    { "| f64[4,4,4] i64[2,1]{0,2} f64[2,4,4]", NULL },
    { "reduction=add | i16[4,3] i64[3,1]{0,0,-1} i16[3,3]", NULL },
    { "reduction=mul | bf16[2,2] i64[2,2]{0,1,0,1} bf16[2]", NULL },
    { "reduction=min | f64[4,3] i64[3,1]{0,0,-1} f64[3,3]", NULL },
    { "reduction=max | u32[4,3] i64[3,1]{0,0,-1} u32[3,3]", NULL },
    { "| f32[2,0] i64[1,1]{1} f32[1,0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  scatter_nd_bad[] = {
    { "| f32[8] i64[1,1]{8} f32[1]", "index 8 is out of range [-8, 7]" },
    { "| f32[8] i64[1,1]{1} f32[1,1]", "updates has rank 2, expected 1" },
    { "reduction=add | bool[2] i64[1,1]{1} bool[1]", "bool" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_scatter[] = {
    {
        .name = "Scatter", .domain = "", .since = 9, .until = 10, .first = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(scatter_in, scatter_out),
        MAAS_ATTRS(scatter_old_attrs, gather_attr_t),
        .infer = scatter_infer,
        MAAS_KERNELS(scatter_old_kernel),
        .cases = scatter_old_cases, .bad = scatter_bad
    },
    {
        .name = "ScatterElements", .domain = "", .since = 18, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(scatter_in, scatter_out),
        MAAS_ATTRS(scatter_attrs, gather_attr_t),
        .infer = scatter_infer,
        MAAS_KERNELS(scatter_kernel),
        .cases = scatter_cases, .bad = scatter_bad
    },
    {
        .name = "ScatterND", .domain = "", .since = 18, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(scatter_nd_in, scatter_out),
        MAAS_ATTRS(scatter_nd_attrs, gather_attr_t),
        .infer = scatter_nd_infer,
        MAAS_KERNELS(scatter_nd_kernel),
        .cases = scatter_nd_cases, .bad = scatter_nd_bad
    },
    { .name = NULL }
};
