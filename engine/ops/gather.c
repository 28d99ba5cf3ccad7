/*
 * Gather, GatherElements, GatherND.  Negative indices count from the end;
 * one outside is a run-time error that names it.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include "ops/gather.h"
#include "ops/grads.h"
#include "ops/ops_common.h"


typedef struct {
    int64_t  batch_dims;
} nd_attr_t;

/* Bytes of a slice that one position copies; longer ones are cut. */
#define GATHER_CHUNK  MAAS_MOVE_UNIT


static maas_status_t
gather_rank(maas_infer_t *c, int rank)
{
    if (rank > MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "the output has rank %d, "
                        "at most %d is supported", rank, MAAS_RANK_MAX);
    }

    return MAAS_OK;
}


/* -- Gather -------------------------------------------------------------- */

static void
gather_values(maas_infer_t *c)
{
    int         n, m;
    int64_t     at;
    maas_dim_t  v[MAAS_IVAL_MAX], ix[MAAS_IVAL_MAX], out[MAAS_IVAL_MAX];

    if (!maas_ival_get(c, 0, v, &n) || !maas_ival_get(c, 1, ix, &m)) {
        return;
    }

    for (int i = 0; i < m; i++) {
        at = maas_dim_known(ix[i]) && ix[i] < 0 ? ix[i] + n : ix[i];

        out[i] = maas_dim_known(at) && at >= 0 && at < n ? v[at]
                                                         : MAAS_DIM_NONE;
    }

    maas_ival_set(c, 0, out, m);
}


static maas_status_t
gather_infer(maas_infer_t *c)
{
    int                   axis, rank;
    maas_dim_t            dims[2 * MAAS_RANK_MAX];
    const maas_type_t    *t = c->in[0].type, *ix = c->in[1].type;
    const gather_attr_t  *a = c->attr;

    MAAS_TRY(maas_axis(a->axis, t->rank, &axis, c->err));
    rank = t->rank - 1 + ix->rank;
    MAAS_TRY(gather_rank(c, rank));

    memcpy(dims, t->dims, (size_t) axis * sizeof(maas_dim_t));
    memcpy(dims + axis, ix->dims, (size_t) ix->rank * sizeof(maas_dim_t));
    memcpy(dims + axis + ix->rank, t->dims + axis + 1,
           (size_t) (t->rank - axis - 1) * sizeof(maas_dim_t));

    maas_infer_set(c, 0, t->dtype, rank, dims);

    if (t->rank == 1) {
        gather_values(c);
    }

    return MAAS_OK;
}


static maas_status_t
gather_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    char                 *dst = s->out[0].data;
    int64_t               outer, inner, dim, n, chunks, p, to, at, o, i, off;
    const char           *src = s->in[0].data;
    const maas_tensor_t  *x = &s->in[0], *ix = &s->in[1];

    axis = gather_axis(s->attr, x->rank);
    outer = gather_product(x->dims, 0, axis);
    dim = x->dims[axis];
    inner = gather_product(x->dims, axis + 1, x->rank)
            * (int64_t) maas_dtype_size(x->dtype);
    n = maas_tensor_count(ix);
    chunks = (inner + GATHER_CHUNK - 1) / GATHER_CHUNK;

    p = maas_move_start(outer * n * chunks, s->units, first);
    to = maas_move_start(outer * n * chunks, s->units, last);

    for (; p < to; p++) {
        off = p % chunks * GATHER_CHUNK;
        i = p / chunks % n;
        o = p / chunks / n;

        if (!gather_index(ix, i, dim, &at)) {
            return maas_move_bad_index(slot, maas_move_int(ix, i), dim);
        }

        gather_copy(dst + (o * n + i) * inner + off,
                    src + (o * dim + at) * inner + off,
                    maas_min(inner - off, GATHER_CHUNK));
    }

    return MAAS_OK;
}


/* -- elements ------------------------------------------------------------ */

maas_status_t
maas_gather_check(maas_infer_t *c, int *axis)
{
    const maas_type_t    *t = c->in[0].type, *ix = c->in[1].type;
    const gather_attr_t  *a = c->attr;

    if (t->rank != ix->rank) {
        return maas_err(c->err, MAAS_EINVAL, "indices has rank %d, data has "
                        "rank %d", ix->rank, t->rank);
    }

    MAAS_TRY(maas_axis(a->axis, t->rank, axis, c->err));

    for (int i = 0; i < t->rank; i++) {
        if (i != *axis && maas_dim_known(t->dims[i])
            && maas_dim_known(ix->dims[i]) && ix->dims[i] > t->dims[i])
        {
            return maas_err(c->err, MAAS_EINVAL, "axis %d of indices has "
                            "extent %lld, that of data %lld", i,
                            (long long) ix->dims[i],
                            (long long) t->dims[i]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
elements_infer(maas_infer_t *c)
{
    int                 axis;
    const maas_type_t  *ix = c->in[1].type;

    MAAS_TRY(maas_gather_check(c, &axis));
    maas_infer_set(c, 0, c->in[0].type->dtype, ix->rank, ix->dims);

    return MAAS_OK;
}


/*
 * A row of n positions; next: of the data, from one to the next.  Returns n,
 * or the first whose index is outside.
 */
#define ELEMENTS_ROW(name, I, T)                                              \
static int64_t                                                                \
name(void *dst, const void *src, const void *index, int64_t n,                \
    const elements_t *e, int64_t next)                                        \
{                                                                             \
    T        *y = dst;                                                        \
    int64_t   at, stride = e->stride[e->axis];                                \
    const I  *ix = index;                                                     \
    const T  *x = (const T *) src + e->base;                                  \
                                                                              \
    for (int64_t j = 0; j < n; j++) {                                         \
        at = ix[j] < 0 ? ix[j] + e->dim : ix[j];                              \
                                                                              \
        if (at < 0 || at >= e->dim) {                                         \
            return j;                                                         \
        }                                                                     \
                                                                              \
        y[j] = x[at * stride + j * next];                                     \
    }                                                                         \
                                                                              \
    return n;                                                                 \
}

ELEMENTS_ROW(elements_i64_1, int64_t, uint8_t)


ELEMENTS_ROW(elements_i64_2, int64_t, uint16_t)


ELEMENTS_ROW(elements_i64_4, int64_t, uint32_t)


ELEMENTS_ROW(elements_i64_8, int64_t, uint64_t)


ELEMENTS_ROW(elements_i32_1, int32_t, uint8_t)


ELEMENTS_ROW(elements_i32_2, int32_t, uint16_t)


ELEMENTS_ROW(elements_i32_4, int32_t, uint32_t)


ELEMENTS_ROW(elements_i32_8, int32_t, uint64_t)


typedef int64_t (*elements_row_pt)(void *dst, const void *src,
    const void *index, int64_t n, const elements_t *e, int64_t next);

/* NULL: not for these. */
static elements_row_pt
elements_row(const maas_tensor_t *x, const maas_tensor_t *ix)
{
    bool  wide = ix->dtype == MAAS_I64;

    if (!wide && ix->dtype != MAAS_I32) {
        return NULL;
    }

    switch (maas_dtype_size(x->dtype)) {
    case 1:
        return wide ? elements_i64_1 : elements_i32_1;
    case 2:
        return wide ? elements_i64_2 : elements_i32_2;
    case 4:
        return wide ? elements_i64_4 : elements_i32_4;
    case 8:
        return wide ? elements_i64_8 : elements_i32_8;
    default:
        return NULL;
    }
}


/* The axis of the rows: the innermost that has more than one position. */
static int
elements_last(const elements_t *e)
{
    int  last = e->rank - 1;

    while (last > 0 && e->n[last] == 1) {
        last--;
    }

    return last;
}


/* n positions further in the row, or to the next one where it ends. */
static void
elements_skip(elements_t *e, int last, int64_t n)
{
    e->at[last] += n - 1;
    e->base += last == e->axis ? 0 : (n - 1) * e->stride[last];
    elements_next(e);
}


static maas_status_t
elements_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    char                 *dst = s->out[0].data;
    int64_t               p, to, n, bad, size, next;
    elements_t            e;
    elements_row_pt       row;
    const maas_tensor_t  *x = &s->in[0], *ix = &s->in[1];

    size = (int64_t) maas_dtype_size(x->dtype);
    p = maas_move_start(maas_tensor_count(ix), s->units, first);
    to = maas_move_start(maas_tensor_count(ix), s->units, last);
    row = elements_row(x, ix);

    if (p >= to) {
        return MAAS_OK;
    }

    if (row == NULL) {
        return maas_err_dtype(slot, x->dtype);
    }

    elements_start(&e, x, ix, gather_axis(s->attr, x->rank), p);

    axis = elements_last(&e);
    next = axis == e.axis ? 0 : e.stride[axis];

    for ( /* void */ ; p < to; p += n) {
        n = maas_min(e.n[axis] - e.at[axis], to - p);
        bad = row(dst + p * size, x->data, (const char *) ix->data
                  + (size_t) p * maas_dtype_size(ix->dtype), n, &e, next);

        if (bad < n) {
            return maas_move_bad_index(slot, maas_move_int(ix, p + bad),
                                       e.dim);
        }

        elements_skip(&e, axis, n);
    }

    return MAAS_OK;
}


/* -- GatherND ------------------------------------------------------------ */

static maas_status_t
nd_infer(maas_infer_t *c)
{
    int                 b, depth, rank;
    maas_dim_t          dims[2 * MAAS_RANK_MAX];
    const maas_type_t  *t = c->in[0].type, *ix = c->in[1].type;

    if (t->rank == 0 || ix->rank == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "data and indices need a rank of 1 or more");
    }

    b = (int) maas_min(((const nd_attr_t *) c->attr)->batch_dims,
                       MAAS_RANK_MAX);

    if (b >= t->rank || b >= ix->rank) {
        return maas_err(c->err, MAAS_EINVAL, "batch_dims %d is not below the "
                        "ranks %d and %d", b, t->rank, ix->rank);
    }

    if (!maas_dim_known(ix->dims[ix->rank - 1])) {
        return MAAS_INFER_NEED(c, 1);
    }

    depth = (int) maas_min(ix->dims[ix->rank - 1], MAAS_RANK_MAX + 1);

    if (depth < 1 || depth > t->rank - b) {
        return maas_err(c->err, MAAS_EINVAL, "the last axis of indices has "
                        "extent %lld, expected 1 to %d",
                        (long long) ix->dims[ix->rank - 1], t->rank - b);
    }

    rank = ix->rank - 1 + t->rank - b - depth;
    MAAS_TRY(gather_rank(c, rank));

    memcpy(dims, ix->dims, (size_t) (ix->rank - 1) * sizeof(maas_dim_t));
    memcpy(dims + ix->rank - 1, t->dims + b + depth,
           (size_t) (t->rank - b - depth) * sizeof(maas_dim_t));

    for (int i = 0; i < b; i++) {
        MAAS_TRY(maas_infer_merge(c, t->dims[i], ix->dims[i], &dims[i],
                                  "a batch axis of data and indices"));
    }

    maas_infer_set(c, 0, t->dtype, rank, dims);

    return MAAS_OK;
}


static maas_status_t
nd_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int                   b, depth;
    char                 *dst = s->out[0].data;
    int64_t               n, batch, bytes, size, slices, p, to, off;
    int64_t               strides[MAAS_RANK_MAX];
    const char           *src = s->in[0].data;
    const maas_tensor_t  *x = &s->in[0], *ix = &s->in[1];

    b = (int) ((const nd_attr_t *) s->attr)->batch_dims;
    depth = (int) ix->dims[ix->rank - 1];
    size = (int64_t) maas_dtype_size(x->dtype);
    maas_dims_strides(x->dims, x->rank, strides);

    n = gather_product(ix->dims, 0, ix->rank - 1);
    slices = gather_product(ix->dims, b, ix->rank - 1);
    batch = gather_product(x->dims, b, x->rank) * size;
    bytes = gather_product(x->dims, b + depth, x->rank) * size;

    p = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);

    for (; p < to; p++) {
        MAAS_TRY(nd_offset(x, ix, strides, b, depth, p, slot, &off));
        gather_copy(dst + p * bytes, src + p / slices * batch + off * size,
                    bytes);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define GATHER_INT  (MAAS_D(I32) | MAAS_D(I64))

static const maas_formal_t  gather_in[] = {
    { "data", MAAS_D_FIXED, 'T', 0 },
    { "indices", GATHER_INT, 0, 0 }
};

static const maas_formal_t  nd_in[] = {
    { "data", MAAS_D_FIXED, 'T', 0 },
    { "indices", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  gather_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};


static const maas_attr_row_t  gather_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(gather_attr_t, axis) }
};

static const maas_attr_row_t  nd_attrs[] = {
    { .name = "batch_dims", .type = MAAS_ATTR_INT,
      .off = offsetof(nd_attr_t, batch_dims), .min = 0, .max = INT32_MAX }
};

static const maas_kernel_row_t  gather_kernel[] = {
    { .id = "gather.rows", .setup = maas_move_setup, .run = gather_run }
};

static const maas_kernel_row_t  elements_kernel[] = {
    { .id = "gather.elements", .setup = maas_move_setup,
      .run = elements_run }
};

static const maas_kernel_row_t  nd_kernel[] = {
    { .id = "gather.nd", .setup = maas_move_setup, .run = nd_run }
};

static const maas_case_t  gather_cases[] = {
    { "| f32[5,4,3,2] i64[3]{0,1,3}", NULL },
    { "axis=1 | f32[5,4,3,2] i64[3]{0,-1,3}", NULL },
    { "axis=-1 | u8[3,7] i32[2,2]{6,0,-7,3}", NULL },
    { "axis=1 | f16[3,7] i64[]{2}", NULL },
    { "| f64[5] i64[]{-1}", NULL },
    { "axis=1 | f32[2,3,5] i64[0]", NULL },
    { "axis=1 | f32[0,3] i64[2]{0,2}", NULL },
    { "| f32[3,40000] i64[5]{2,1,0,-1,-2}", NULL },
    { "| i64[9] =i64[3]{8,1,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  gather_bad[] = {
    { "| f32[5,4] =i64[1]{9}", "index 9 is out of range [-5, 4]" },
    { "axis=2 | f32[5,4] =i64[1]{0}", "axis 2 is out of range" },
    { "| f32[] =i64[1]{0}", "axis 0 is out of range" },
    { NULL, NULL }
};

static const maas_case_t  elements_cases[] = {
    { "axis=1 | f32[2,2] i64[2,2]{0,0,1,0}", NULL },
    { "axis=0 | i16[3,3] i32[2,3]{1,-2,0,2,0,0}", NULL },
    { "axis=-1 | f64[2,3] i64[1,5]{0,1,2,-1,-3}", NULL },
    { "axis=0 | f32[3,3] i64[0,3]", NULL },
    { "axis=1 | f32[2,3,4] i64[2,4,1]{0,-1,2,1,1,0,-3,2}", NULL },
    { "axis=2 | u8[1,2,3] i32[1,2,4]{0,-1,2,1,1,0,-3,2}", NULL },
    { NULL, NULL }
};

static const maas_case_t  elements_bad[] = {
    { "axis=1 | f32[2,2] =i64[2,1]{0,2}", "index 2 is out of range [-2, 1]" },
    { "axis=1 | f32[2,2] =i64[2]{0,1}", "indices has rank 1" },
    { "axis=1 | f32[2,2] =i64[3,1]{0,1,0}", "axis 0 of indices" },
    { NULL, NULL }
};

static const maas_case_t  nd_cases[] = {
    { "| f32[2,2] i64[2,2]{0,0,1,1}", NULL },
    { "| i32[2,2,2] i64[2,1,2]{0,1,1,0}", NULL },
    { "batch_dims=1 | f32[2,3,4] i64[2,1]{1,-1}", NULL },
    { "| u8[3,5] i64[1]{2}", NULL },
    { "| f64[3,5] i64[0,1]", NULL },
    { "batch_dims=1 | f16[2,3] i64[2,4,1]{0,1,2,0,-1,-2,-3,0}", NULL },
    { NULL, NULL }
};

static const maas_case_t  nd_bad[] = {
    { "| f32[2,2] =i64[1,3]{0,0,0}", "expected 1 to 2" },
    { "batch_dims=2 | f32[2,2] =i64[1,1]{0}", "batch_dims 2" },
    { "| f32[2,2] =i64[1,2]{0,-3}", "index -3 is out of range [-2, 1]" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_gather[] = {
    {
        .name = "Gather", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(gather_in, gather_out),
        MAAS_ATTRS(gather_attrs, gather_attr_t),
        .infer = gather_infer,
        MAAS_KERNELS(gather_kernel),
        .grad = maas_grad_gather,
        .cases = gather_cases, .bad = gather_bad
    },
    {
        .name = "GatherElements", .domain = "", .since = 13, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(gather_in, gather_out),
        MAAS_ATTRS(gather_attrs, gather_attr_t),
        .infer = elements_infer,
        MAAS_KERNELS(elements_kernel),
        .cases = elements_cases, .bad = elements_bad
    },
    {
        .name = "GatherND", .domain = "", .since = 13, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(nd_in, gather_out),
        MAAS_ATTRS(nd_attrs, nd_attr_t),
        .infer = nd_infer,
        MAAS_KERNELS(nd_kernel),
        .cases = nd_cases, .bad = nd_bad
    },
    { .name = NULL }
};
