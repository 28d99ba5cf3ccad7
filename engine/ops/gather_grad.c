/*
 * gather_grad: gradients of Gather (an embedding's table), Slice and Tile.
 *
 *   maas.GatherGrad(dY, indices, shape)   rows of dY added where they came
 *                                         from, in the order of the indices
 *   maas.SliceGrad(dY, shape, starts, axes, steps)   dY among zeros
 */

#include "ops/grads.h"
#include "ops/ops_common.h"


/* -- GatherGrad ---------------------------------------------------------- */

#define GG_COLUMNS  256

typedef struct {
    int64_t  axis;
} gg_attr_t;

/* X as [outer, n, inner]; dY as [outer, count, inner]. */
typedef struct {
    int64_t  outer, n, inner, count;
    int64_t  blocks;            /* of columns */
} gg_geom_t;


static maas_status_t
gg_infer(maas_infer_t *c)
{
    int               n, axis;
    maas_dim_t        dims[MAAS_IVAL_MAX];
    const gg_attr_t  *at = c->attr;

    if (maas_infer_ints(c, 2, dims, &n) != MAAS_OK) {
        return MAAS_INFER_NEED(c, 2);
    }

    MAAS_TRY(maas_axis(at->axis, n, &axis, c->err));

    if (c->in[0].type->rank != n - 1 + c->in[1].type->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d, expected %d",
                        c->in[0].type->rank, n - 1 + c->in[1].type->rank);
    }

    maas_infer_set(c, 0, c->in[0].type->dtype, n, dims);
    return MAAS_OK;
}


static void
gg_geom(const void *attr, const maas_tensor_t *x, const maas_tensor_t *index,
    gg_geom_t *g)
{
    int               axis = 0;
    const gg_attr_t  *at = attr;

    (void) maas_axis(at->axis, x->rank, &axis, NULL);

    g->outer = maas_dims_count(x->dims, axis);
    g->n = x->dims[axis];
    g->inner = maas_dims_count(x->dims + axis + 1, x->rank - axis - 1);
    g->count = maas_tensor_count(index);
    g->blocks = (g->inner + GG_COLUMNS - 1) / GG_COLUMNS;
}


static bool
gg_setup(maas_setup_t *u)
{
    gg_geom_t  g;

    gg_geom(u->attr, &u->out[0], &u->in[1], &g);
    u->units = maas_max(g.outer * g.blocks, 1);
    u->cost = 50 + 0.3 * (double) (maas_tensor_count(&u->in[0])
                                   + maas_tensor_count(&u->out[0]));
    return true;
}


static int64_t
gg_index(const maas_tensor_t *t, int64_t i, int64_t n)
{
    int64_t  v = t->dtype == MAAS_I64 ? ((const int64_t *) t->data)[i]
                                      : ((const int32_t *) t->data)[i];

    v = v < 0 ? v + n : v;
    return v >= 0 && v < n ? v : -1;
}


/* Columns [lo, lo + m) of outer item o. */
static maas_status_t
gg_block(const maas_step_t *s, maas_slot_t *slot, const gg_geom_t *g,
    int64_t o, int64_t lo, int64_t m)
{
    bool     wide = s->out[0].dtype == MAAS_F64;
    size_t   size = wide ? 8 : 4;
    int64_t  to, from, row;

    for (int64_t r = 0; r < g->n; r++) {
        memset((char *) s->out[0].data
               + (size_t) ((o * g->n + r) * g->inner + lo) * size, 0,
               (size_t) m * size);
    }

    for (int64_t i = 0; i < g->count; i++) {
        row = gg_index(&s->in[1], i, g->n);

        if (row < 0) {
            return maas_err(slot->err, MAAS_EINVAL, "index %lld lies outside "
                            "of %lld rows", (long long) i, (long long) g->n);
        }

        to = (o * g->n + row) * g->inner + lo;
        from = (o * g->count + i) * g->inner + lo;

        if (!wide) {
            s->k->axpy((float *) s->out[0].data + to, 1,
                       (const float *) s->in[0].data + from, m);
            continue;
        }

        for (int64_t j = 0; j < m; j++) {
            ((double *) s->out[0].data)[to + j] +=
                ((const double *) s->in[0].data)[from + j];
        }
    }

    return MAAS_OK;
}


static maas_status_t
gg_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t    lo;
    gg_geom_t  g;

    gg_geom(s->attr, &s->out[0], &s->in[1], &g);
    last = maas_min(last, g.outer * g.blocks);

    for (int64_t u = first; u < last; u++) {
        lo = u % g.blocks * GG_COLUMNS;
        MAAS_TRY(gg_block(s, slot, &g, u / g.blocks, lo,
                          maas_min(g.inner - lo, GG_COLUMNS)));
    }

    return MAAS_OK;
}


static const maas_attr_row_t  gg_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(gg_attr_t, axis) }
};

static const maas_kernel_row_t  gg_kernel[] = {
    { "gathergrad.rows", MAAS_CPU_REF, 0, 0, gg_setup, gg_run }
};

static const maas_formal_t  gg_in[] = {
    { "dY",      MAAS_D_FLOAT,                'T', 0 },
    { "indices", MAAS_D(I32) | MAAS_D(I64),     0, 0 },
    { "shape",   MAAS_D(I64),                   0, 0 }
};

static const maas_formal_t  gg_out[] = {
    { "dX", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_case_t  gg_cases[] = {
    { "| f32[4,3] =i64[4]{1,0,1,-1} =i64[2]{5,3}", NULL },
    { "axis=1 | f64[2,3,2] =i32[3]{0,0,1} =i64[3]{2,4,2}", NULL },
    { "| f32[2,2,300] =i64[2,2]{0,6,6,1} =i64[2]{7,300}", NULL },
    { "| f32[3] =i64[]{2} =i64[2]{4,3}", NULL },
    { "| f32[0,3] =i64[0] =i64[2]{2,3}", NULL },
    { NULL, NULL }
};

static const maas_case_t  gg_bad[] = {
    { "| f32[1,3] =i64[1]{5} =i64[2]{5,3}", "outside of 5 rows" },
    { "| f32[3] =i64[1]{0} =i64[2]{5,3}", "expected 2" },
    { NULL, NULL }
};


/* -- SliceGrad ----------------------------------------------------------- */

/* By dimension of X: the first index that was taken, and the step. */
typedef struct {
    int64_t  first[MAAS_RANK_MAX];
    int64_t  step[MAAS_RANK_MAX];
} sl_geom_t;


static maas_status_t
sl_infer(maas_infer_t *c)
{
    int         n;
    maas_dim_t  dims[MAAS_IVAL_MAX];

    if (maas_infer_ints(c, 1, dims, &n) != MAAS_OK) {
        return MAAS_INFER_NEED(c, 1);
    }

    for (int i = 2; i < c->n_in; i++) {
        if (maas_infer_has(c, i) && c->in[i].data == NULL) {
            return MAAS_INFER_NEED(c, i);
        }
    }

    if (c->in[0].type->rank != n) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d, the shape %d",
                        c->in[0].type->rank, n);
    }

    maas_infer_set(c, 0, c->in[0].type->dtype, n, dims);
    return MAAS_OK;
}


static int64_t
sl_int(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_I64 ? ((const int64_t *) t->data)[i]
                                : ((const int32_t *) t->data)[i];
}


/* The same clamping as that of Slice. */
static void
sl_geom(const maas_step_t *s, sl_geom_t *g)
{
    int      d;
    int64_t  dim, start, step;
    bool     axes = s->n_in > 3 && s->in[3].dtype != MAAS_NODTYPE;
    bool     steps = s->n_in > 4 && s->in[4].dtype != MAAS_NODTYPE;

    for (d = 0; d < s->out[0].rank; d++) {
        g->first[d] = 0;
        g->step[d] = 1;
    }

    for (int64_t i = 0; i < maas_tensor_count(&s->in[2]); i++) {
        (void) maas_axis(axes ? sl_int(&s->in[3], i) : i, s->out[0].rank, &d,
                         NULL);
        dim = s->out[0].dims[d];
        start = sl_int(&s->in[2], i);
        step = steps ? sl_int(&s->in[4], i) : 1;
        start = start < 0 ? maas_max(start, -dim) + dim : start;
        g->first[d] = maas_min(start, step < 0 ? dim - 1 : dim);
        g->step[d] = step;
    }
}


static bool
sl_setup(maas_setup_t *u)
{
    u->units = 1;
    u->cost = 50 + 0.3 * (double) (maas_tensor_count(&u->in[0])
                                   + maas_tensor_count(&u->out[0]));
    return true;
}


static maas_status_t
sl_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int        rank = s->in[0].rank, d;
    size_t     size = maas_dtype_size(s->in[0].dtype);
    int64_t    at = 0, run, n, i[MAAS_RANK_MAX] = { 0 };
    int64_t    stride[MAAS_RANK_MAX];
    char      *to = s->out[0].data;
    sl_geom_t  g;

    (void) slot;
    (void) first;
    (void) last;

    memset(to, 0, s->out[0].bytes);
    sl_geom(s, &g);
    n = maas_tensor_count(&s->in[0]);

    for (d = rank - 1, run = 1; d >= 0; d--) {
        stride[d] = run;
        run *= s->out[0].dims[d];
        at += g.first[d] * stride[d];
    }

    run = rank > 0 && g.step[rank - 1] == 1 ? s->in[0].dims[rank - 1] : 1;

    for (int64_t e = 0; e < n; e += run) {
        memcpy(to + (size_t) at * size,
               (const char *) s->in[0].data + (size_t) e * size,
               (size_t) run * size);

        for (d = run > 1 ? rank - 2 : rank - 1; d >= 0; d--) {
            at += g.step[d] * stride[d];

            if (++i[d] < s->in[0].dims[d]) {
                break;
            }

            at -= i[d] * g.step[d] * stride[d];
            i[d] = 0;
        }
    }

    return MAAS_OK;
}


static const maas_kernel_row_t  sl_kernel[] = {
    { "slicegrad.rows", MAAS_CPU_REF, 0, 0, sl_setup, sl_run }
};

#define SL_INTS  (MAAS_D(I32) | MAAS_D(I64))

static const maas_formal_t  sl_in[] = {
    { "dY",     MAAS_D_FLOAT, 'T', 0 },
    { "shape",  MAAS_D(I64),    0, 0 },
    { "starts", SL_INTS,        0, 0 },
    { "axes",   SL_INTS,        0, MAAS_OPT },
    { "steps",  SL_INTS,        0, MAAS_OPT }
};

static const maas_case_t  sl_cases[] = {
    { "| f32[2,3] =i64[2]{4,5} =i64[2]{1,2}", NULL },
    { "| f64[2,3] =i64[2]{4,3} =i64[1]{-1} =i64[1]{0} =i64[1]{-2}", NULL },
    { "| f32[3] =i64[1]{7} =i32[1]{1} - =i32[1]{3}", NULL },
    { "| f32[0,2] =i64[2]{3,2} =i64[1]{5} =i64[1]{0}", NULL },
    { "| f32[2,3,40] =i64[3]{2,9,40} =i64[1]{4} =i64[1]{1} =i64[1]{2}",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  sl_bad[] = {
    { "| f32[2] =i64[2]{4,5} =i64[1]{1}", "rank 1, the shape 2" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_gather_grad[] = {

    { .name = "GatherGrad", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(gg_in, gg_out),
      MAAS_ATTRS(gg_attrs, gg_attr_t), .infer = gg_infer,
      MAAS_KERNELS(gg_kernel), .cases = gg_cases, .bad = gg_bad },

    { .name = "SliceGrad", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(sl_in, gg_out),
      .infer = sl_infer, MAAS_KERNELS(sl_kernel), .cases = sl_cases,
      .bad = sl_bad },

    { .name = NULL }
};


/* -- gradients ----------------------------------------------------------- */

maas_status_t
maas_grad_gather(maas_grad_t *c)
{
    int64_t          axis = 0;
    maas_vid_t       in[3] = { c->dout[0], c->n->in[1],
                               maas_grad_op1(c, "Shape", c->n->in[0]) };
    maas_raw_attr_t  attr;

    maas_pass_attr_int(c->n, "axis", &axis);
    attr = maas_pass_int("axis", axis);
    c->din[0] = maas_grad_emit(c, "maas", "GatherGrad", &attr, 1, in, 3);

    return c->rc;
}


maas_status_t
maas_grad_slice(maas_grad_t *c)
{
    maas_vid_t  in[5];

    in[0] = c->dout[0];
    in[1] = maas_grad_op1(c, "Shape", c->n->in[0]);
    in[2] = c->n->in[1];
    in[3] = maas_grad_in(c, 3);
    in[4] = maas_grad_in(c, 4);
    c->din[0] = maas_grad_emit(c, "maas", "SliceGrad", NULL, 0, in, 5);

    return c->rc;
}


/*
 * Each axis of dY is taken apart into repeats and extent; the repeats are
 * summed.
 */
maas_status_t
maas_grad_tile(maas_grad_t *c)
{
    int              rank = maas_grad_type(c, c->n->in[0])->rank;
    int64_t          one[] = { 1 }, flat[] = { -1 }, axes[MAAS_RANK_MAX];
    maas_vid_t       in[2], col[2], axis, d;
    maas_raw_attr_t  attr = maas_pass_int("axis", 1);

    if (rank < 0 || 2 * rank > MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "the gradient of rank %d",
                        rank);
    }

    if (rank == 0) {
        c->din[0] = c->dout[0];
        return MAAS_OK;
    }

    axis = maas_grad_ints(c, one, 1);
    col[0] = maas_grad_op2(c, "Unsqueeze", c->n->in[1], axis);
    col[1] = maas_grad_op2(c, "Unsqueeze",
                           maas_grad_op1(c, "Shape", c->n->in[0]), axis);

    in[0] = maas_grad_emit(c, "", "Concat", &attr, 1, col, 2);
    in[1] = maas_grad_op2(c, "Reshape", in[0], maas_grad_ints(c, flat, 1));
    d = maas_grad_op2(c, "Reshape", c->dout[0], in[1]);

    for (int i = 0; i < rank; i++) {
        axes[i] = 2 * i;
    }

    attr = maas_pass_int("keepdims", 0);
    in[0] = d;
    in[1] = maas_grad_ints(c, axes, rank);
    c->din[0] = maas_grad_emit(c, "", "ReduceSum", &attr, 1, in, 2);

    return c->rc;
}
