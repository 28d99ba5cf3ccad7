/*
 * Operators that permute axes: Transpose, DepthToSpace, SpaceToDepth, and
 * maas.MoveAxis, which takes one axis elsewhere (Scan's axes).  Each
 * is a strided copy; joined axes leave long runs, or 64 x 64 tiles for the
 * transposing kernel.
 */

#include "ops/grads.h"
#include "ops/move.h"


typedef struct {
    maas_list_t  perm;
} transpose_attr_t;

typedef struct {
    int64_t  from;
    int64_t  to;
} axis_attr_t;

typedef struct {
    int64_t  blocksize;
    int64_t  mode;              /* index into depth_modes */
} depth_attr_t;

enum {
    DEPTH_DCR = 0,
    DEPTH_CRD
};


static void
transpose_perm(const transpose_attr_t *a, int rank, int *perm)
{
    const int64_t  *v = maas_list_ints(a, &a->perm);

    for (int i = 0; i < rank; i++) {
        perm[i] = a->perm.n != 0 ? (int) v[i] : rank - 1 - i;
    }
}


static maas_status_t
transpose_infer(maas_infer_t *c)
{
    int                      perm[MAAS_RANK_MAX];
    uint32_t                 set = 0;
    maas_dim_t               dims[MAAS_RANK_MAX];
    const int64_t           *v;
    const maas_type_t       *t = c->in[0].type;
    const transpose_attr_t  *a = c->attr;

    v = maas_list_ints(a, &a->perm);

    if (a->perm.n != 0 && a->perm.n != (uint32_t) t->rank) {
        return maas_err(c->err, MAAS_EINVAL, "perm has %u axes, the input "
                        "has rank %d", a->perm.n, t->rank);
    }

    for (uint32_t i = 0; i < a->perm.n; i++) {
        if (v[i] < 0 || v[i] >= t->rank) {
            return maas_err(c->err, MAAS_EINVAL, "axis %lld of perm is out "
                            "of range [0, %d]", (long long) v[i],
                            t->rank - 1);
        }

        if (set & (1u << v[i])) {
            return maas_err(c->err, MAAS_EINVAL, "axis %lld is named twice",
                            (long long) v[i]);
        }

        set |= 1u << v[i];
    }

    transpose_perm(a, t->rank, perm);

    for (int i = 0; i < t->rank; i++) {
        dims[i] = t->dims[perm[i]];
    }

    maas_infer_set(c, 0, t->dtype, t->rank, dims);

    if (t->rank < 2) {
        maas_ival_same(c);
    }

    return MAAS_OK;
}


static void
move_units(const maas_step_t *s, const maas_move_t *m, int64_t first,
    int64_t last)
{
    maas_move_run(m, s->k, s->out[0].data, s->in[0].data,
                  maas_move_start(m->count, s->units, first),
                  maas_move_start(m->count, s->units, last));
}


/* Axis i of the output is axis perm[i] of the input. */
static void
transpose_units(const maas_step_t *s, const int *perm, int64_t first,
    int64_t last)
{
    int64_t               ss[MAAS_RANK_MAX], ds[MAAS_RANK_MAX];
    maas_move_t           m;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    maas_move_strides(x, ss);
    maas_move_strides(y, ds);
    maas_move_init(&m, x->dtype);

    for (int i = 0; i < y->rank; i++) {
        maas_move_axis(&m, y->dims[i], ds[i], ss[perm[i]]);
    }

    maas_move_close(&m);
    move_units(s, &m, first, last);
}


static maas_status_t
transpose_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int  perm[MAAS_RANK_MAX];

    (void) slot;

    transpose_perm(s->attr, s->in[0].rank, perm);
    transpose_units(s, perm, first, last);

    return MAAS_OK;
}


/* -- one axis ------------------------------------------------------------ */

static maas_status_t
axis_perm(const axis_attr_t *a, int rank, int *perm, maas_err_t *err)
{
    int  n = 0, from, to;

    MAAS_TRY(maas_axis(a->from, rank, &from, err));
    MAAS_TRY(maas_axis(a->to, rank, &to, err));

    for (int i = 0; i < rank; i++) {
        n += n == from;
        perm[i] = i == to ? from : n++;
    }

    return MAAS_OK;
}


static maas_status_t
axis_infer(maas_infer_t *c)
{
    int                 perm[MAAS_RANK_MAX];
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *t = c->in[0].type;

    MAAS_TRY(axis_perm(c->attr, t->rank, perm, c->err));

    for (int i = 0; i < t->rank; i++) {
        dims[i] = t->dims[perm[i]];
    }

    maas_infer_set(c, 0, t->dtype, t->rank, dims);
    return MAAS_OK;
}


static maas_status_t
axis_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int  perm[MAAS_RANK_MAX];

    MAAS_TRY(axis_perm(s->attr, s->in[0].rank, perm, slot->err));
    transpose_units(s, perm, first, last);

    return MAAS_OK;
}


/* -- blocks -------------------------------------------------------------- */

static maas_status_t
depth_check(maas_infer_t *c)
{
    if (c->in[0].type->rank != 4) {
        return maas_err(c->err, MAAS_EINVAL,
                        "the input has rank %d, expected 4",
                        c->in[0].type->rank);
    }

    return MAAS_OK;
}


static maas_status_t
depth_infer(maas_infer_t *c)
{
    int64_t              b;
    maas_dim_t           dims[4];
    const maas_type_t   *t = c->in[0].type;
    const depth_attr_t  *a = c->attr;

    MAAS_TRY(depth_check(c));

    b = a->blocksize;

    if (maas_dim_known(t->dims[1]) && t->dims[1] % (b * b) != 0) {
        return maas_err(c->err, MAAS_EINVAL, "%lld channels do not divide "
                        "into blocks of %lld x %lld",
                        (long long) t->dims[1], (long long) b,
                        (long long) b);
    }

    dims[0] = t->dims[0];
    dims[1] = maas_dim_div(c->syms, t->dims[1], b * b);
    dims[2] = maas_dim_mul(c->syms, t->dims[2], b);
    dims[3] = maas_dim_mul(c->syms, t->dims[3], b);
    maas_infer_set(c, 0, t->dtype, 4, dims);

    return MAAS_OK;
}


static maas_status_t
depth_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t               e, b, ch, hw, w, cs, bs;
    maas_move_t           m;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];
    const depth_attr_t   *a = s->attr;

    (void) slot;

    e = (int64_t) maas_dtype_size(x->dtype);
    b = a->blocksize;
    ch = y->dims[1];
    w = x->dims[3];
    hw = x->dims[2] * w;

    /* Strides of an output channel and of a step between blocks. */
    cs = (a->mode == DEPTH_DCR ? hw : b * b * hw) * e;
    bs = (a->mode == DEPTH_DCR ? ch * hw : hw) * e;

    maas_move_init(&m, x->dtype);
    maas_move_axis(&m, x->dims[0], x->dims[1] * hw * e, x->dims[1] * hw * e);
    maas_move_axis(&m, ch, b * b * hw * e, cs);
    maas_move_axis(&m, x->dims[2], b * b * w * e, w * e);
    maas_move_axis(&m, b, b * w * e, b * bs);
    maas_move_axis(&m, w, b * e, e);
    maas_move_axis(&m, b, e, bs);
    maas_move_close(&m);
    move_units(s, &m, first, last);

    return MAAS_OK;
}


static maas_status_t
space_infer(maas_infer_t *c)
{
    int64_t              b;
    maas_dim_t           dims[4];
    const maas_type_t   *t = c->in[0].type;
    const depth_attr_t  *a = c->attr;

    MAAS_TRY(depth_check(c));

    b = a->blocksize;

    for (int i = 2; i < 4; i++) {
        if (maas_dim_known(t->dims[i]) && t->dims[i] % b != 0) {
            return maas_err(c->err, MAAS_EINVAL, "extent %lld of axis %d "
                            "does not divide into blocks of %lld",
                            (long long) t->dims[i], i, (long long) b);
        }
    }

    dims[0] = t->dims[0];
    dims[1] = maas_dim_mul(c->syms, t->dims[1], b * b);
    dims[2] = maas_dim_div(c->syms, t->dims[2], b);
    dims[3] = maas_dim_div(c->syms, t->dims[3], b);
    maas_infer_set(c, 0, t->dtype, 4, dims);

    return MAAS_OK;
}


static maas_status_t
space_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t               e, b, ch, h, w, all;
    maas_move_t           m;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];
    const depth_attr_t   *a = s->attr;

    (void) slot;

    e = (int64_t) maas_dtype_size(x->dtype);
    b = a->blocksize;
    ch = x->dims[1];
    h = y->dims[2];
    w = y->dims[3];
    all = ch * b * b * h * w * e;

    maas_move_init(&m, x->dtype);
    maas_move_axis(&m, x->dims[0], all, all);
    maas_move_axis(&m, b, b * ch * h * w * e, b * w * e);
    maas_move_axis(&m, b, ch * h * w * e, e);
    maas_move_axis(&m, ch, h * w * e, b * b * h * w * e);
    maas_move_axis(&m, h, w * e, b * b * w * e);
    maas_move_axis(&m, w, e, b * e);
    maas_move_close(&m);
    move_units(s, &m, first, last);

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  move_in[] = {
    { "data", MAAS_D_FIXED, 'T', 0 }
};

static const maas_formal_t  move_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};


static const char *const  depth_modes[] = { "DCR", "CRD", NULL };

static const maas_attr_row_t  transpose_attrs[] = {
    { .name = "perm", .type = MAAS_ATTR_INTS,
      .off = offsetof(transpose_attr_t, perm) }
};

#define DEPTH_BLOCKSIZE                                                       \
    { .name = "blocksize", .type = MAAS_ATTR_INT, .required = true,           \
      .off = offsetof(depth_attr_t, blocksize), .min = 1, .max = 1 << 20 }

static const maas_attr_row_t  depth_attrs[] = {
    DEPTH_BLOCKSIZE,
    { .name = "mode", .type = MAAS_ATTR_STRING,
      .off = offsetof(depth_attr_t, mode), .words = depth_modes }
};

static const maas_attr_row_t  space_attrs[] = {
    DEPTH_BLOCKSIZE
};


static const maas_kernel_row_t  transpose_kernel[] = {
    { .id = "transpose.move", .setup = maas_move_setup, .run = transpose_run }
};

static const maas_kernel_row_t  depth_kernel[] = {
    { .id = "depthtospace.move", .setup = maas_move_setup, .run = depth_run }
};

static const maas_kernel_row_t  space_kernel[] = {
    { .id = "spacetodepth.move", .setup = maas_move_setup, .run = space_run }
};


static const maas_case_t  transpose_cases[] = {
    { "| f32[3,5]", NULL },
    { "perm=[1,0] | f32[65,131]", NULL },
    { "perm=[0,2,3,1] | f32[2,3,7,9]", NULL },
    { "perm=[0,3,1,2] | f32[2,9,17,16]", NULL },
    { "perm=[0,2,1,3] | f16[2,3,4,5]", NULL },
    { "perm=[2,0,1] | f64[5,67,66]", NULL },
    { "perm=[3,1,0,2] | u8[4,5,6,7]", NULL },
    { "perm=[1,0] | bool[130,67]", NULL },
    { "perm=[4,2,0,1,3] | i64[2,3,4,5,6]", NULL },
    { "perm=[1,0] | i16[128,64]", NULL },
    { "| f32[]", NULL },
    { "perm=[1,0,2] | f32[0,3,4]", NULL },
    { "perm=[2,1,0] | f32[4,4,4]:nan", NULL },
    { NULL, NULL }
};

static const maas_case_t  transpose_bad[] = {
    { "perm=[0,2] | f32[2,3]", "axis 2 of perm is out of range" },
    { "perm=[0,0] | f32[2,3]", "axis 0 is named twice" },
    { "perm=[0] | f32[2,3]", "perm has 1 axes" },
    { NULL, NULL }
};

static const maas_case_t  depth_cases[] = {
    { "blocksize=2 | f32[1,8,2,3]", NULL },
    { "blocksize=2 mode=CRD | f32[2,8,5,3]", NULL },
    { "blocksize=3 mode=DCR | i8[1,18,4,5]", NULL },
    { "blocksize=1 | f64[1,2,3,4]", NULL },
    { "blocksize=2 | f16[0,4,2,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  depth_bad[] = {
    { "blocksize=2 | f32[1,6,2,2]", "do not divide" },
    { "blocksize=2 | f32[4,2,2]", "expected 4" },
    { "blocksize=2 mode=XYZ | f32[1,4,2,2]", "XYZ" },
    { NULL, NULL }
};

static const maas_case_t  space_cases[] = {
    { "blocksize=2 | f32[1,3,4,6]", NULL },
    { "blocksize=3 | u16[2,2,3,9]", NULL },
    { "blocksize=1 | f32[1,2,3,4]", NULL },
    { "blocksize=2 | f64[1,0,2,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  space_bad[] = {
    { "blocksize=2 | f32[1,3,4,5]", "extent 5 of axis 3" },
    { NULL, NULL }
};


static const maas_attr_row_t  axis_attrs[] = {
    { .name = "from", .type = MAAS_ATTR_INT, .required = true,
      .off = offsetof(axis_attr_t, from) },
    { .name = "to", .type = MAAS_ATTR_INT, .required = true,
      .off = offsetof(axis_attr_t, to) }
};

static const maas_kernel_row_t  axis_kernel[] = {
    { "moveaxis", MAAS_CPU_REF, 0, 0, maas_move_setup, axis_run }
};

static const maas_case_t  axis_cases[] = {
    { "from=0 to=2 | f32[3,4,5]", NULL }, { "from=2 to=0 | f32[3,4,5]",
      NULL },
    { "from=-1 to=1 | i64[2,3,4,5]", NULL }, { "from=0 to=0 | u8[7]", NULL },
    { NULL, NULL }
};

static const maas_case_t  axis_bad[] = {
    { "from=3 to=0 | f32[3,4,5]", "axis 3" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_transpose[] = {
    {
        .name = "MoveAxis", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(move_in, move_out),
        MAAS_ATTRS(axis_attrs, axis_attr_t),
        .infer = axis_infer,
        MAAS_KERNELS(axis_kernel),
        .cases = axis_cases, .bad = axis_bad
    },
    {
        .name = "Transpose", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(move_in, move_out),
        MAAS_ATTRS(transpose_attrs, transpose_attr_t),
        .infer = transpose_infer,
        MAAS_KERNELS(transpose_kernel),
        .grad = maas_grad_transpose,
        .cases = transpose_cases, .bad = transpose_bad
    },
    {
        .name = "DepthToSpace", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(move_in, move_out),
        MAAS_ATTRS(depth_attrs, depth_attr_t),
        .infer = depth_infer,
        MAAS_KERNELS(depth_kernel),
        .grad = maas_grad_depth,
        .cases = depth_cases, .bad = depth_bad
    },
    {
        .name = "SpaceToDepth", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(move_in, move_out),
        MAAS_ATTRS(space_attrs, depth_attr_t),
        .infer = space_infer,
        MAAS_KERNELS(space_kernel),
        .grad = maas_grad_space,
        .cases = space_cases, .bad = space_bad
    },
    { .name = NULL }
};
