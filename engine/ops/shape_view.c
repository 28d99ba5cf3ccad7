/*
 * Operators that look at a shape or change it and leave the data alone:
 * Shape, Size, Reshape, Flatten, Squeeze, Unsqueeze, Identity.  The planner
 * aliases the views; their kernel copies where it can't.
 */

#include "ops/grads.h"
#include "ops/move.h"
#include "ops/ops_common.h"


typedef struct {
    int64_t  start;
    int64_t  end;
} shape_attr_t;

typedef struct {
    int64_t  allowzero;
} reshape_attr_t;

typedef struct {
    int64_t  axis;
} flatten_attr_t;


/* -- Shape, Size --------------------------------------------------------- */

static void
shape_range(const shape_attr_t *a, int rank, int *first, int *n)
{
    int64_t  start = a->start, end = a->end;

    start = maas_max(0, maas_min(rank, start < 0 ? start + rank : start));
    end = maas_max(0, maas_min(rank, end < 0 ? end + rank : end));

    *first = (int) start;
    *n = (int) maas_max(0, end - start);
}


static maas_status_t
shape_infer(maas_infer_t *c)
{
    int                 first, n;
    maas_dim_t          dim;
    const maas_type_t  *t = c->in[0].type;

    shape_range(c->attr, t->rank, &first, &n);
    dim = n;
    maas_infer_set(c, 0, MAAS_I64, 1, &dim);
    maas_ival_set(c, 0, t->dims + first, n);

    return MAAS_OK;
}


static maas_status_t
shape_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int  at, n;

    (void) slot;
    (void) first;
    (void) last;

    shape_range(s->attr, s->in[0].rank, &at, &n);
    memcpy(s->out[0].data, s->in[0].dims + at, (size_t) n * sizeof(int64_t));

    return MAAS_OK;
}


static maas_status_t
size_infer(maas_infer_t *c)
{
    maas_dim_t          n;
    const maas_type_t  *t = c->in[0].type;

    n = maas_ival_product(c, t->dims, t->rank);
    maas_infer_set(c, 0, MAAS_I64, 0, NULL);
    maas_ival_set(c, 0, &n, 1);

    return MAAS_OK;
}


static maas_status_t
size_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    (void) slot;
    (void) first;
    (void) last;

    *(int64_t *) s->out[0].data = maas_tensor_count(&s->in[0]);

    return MAAS_OK;
}


/* -- views --------------------------------------------------------------- */

/* Bytes in use: a string tensor ends where its last element does. */
static size_t
view_bytes(const maas_tensor_t *t)
{
    size_t    bytes = 0;
    int64_t   n = maas_tensor_count(t);
    uint32_t  *off;

    if (t->dtype == MAAS_STRING) {
        off = t->data;
        return ((size_t) n + 1) * sizeof(uint32_t) + off[n];
    }

    (void) maas_dtype_bytes(t->dtype, n, &bytes);
    return bytes;
}


/* The output has the contents of the input, strings need the room. */
static void
view_values(maas_infer_t *c)
{
    maas_ival_same(c);
    c->out[0].str_bytes = c->in[0].str_bytes;
}


static bool
view_setup(maas_setup_t *u)
{
    if (u->in[0].dtype == MAAS_STRING) {
        u->units = 1;
        u->cost = 1000;
        return true;
    }

    return maas_move_setup(u);
}


static maas_status_t
view_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    size_t   bytes;
    int64_t  from, to;

    if (s->in[0].data == s->out[0].data) {
        return MAAS_OK;
    }

    bytes = view_bytes(&s->in[0]);

    if (s->in[0].dtype == MAAS_STRING && bytes > s->out[0].bytes) {
        return maas_err(slot->err, MAAS_EINTERNAL,
                        "%zu bytes of strings, room for %zu", bytes,
                        s->out[0].bytes);
    }

    from = maas_move_start((int64_t) bytes, s->units, first);
    to = maas_move_start((int64_t) bytes, s->units, last);

    if (from < to) {
        memcpy((char *) s->out[0].data + from,
               (const char *) s->in[0].data + from, (size_t) (to - from));
    }

    return MAAS_OK;
}


static maas_status_t
identity_infer(maas_infer_t *c)
{
    MAAS_TRY(maas_infer_same(c));
    view_values(c);

    return MAAS_OK;
}


/*
 * The dimension that stands as -1: equal factors of both sides cancel, so
 * that [n, 3, 4] -> [n, -1] is known before n is.
 */
static maas_status_t
reshape_rest(maas_infer_t *c, const maas_type_t *in, const maas_dim_t *dims,
    int rank, int at, maas_dim_t *rest)
{
    bool        gone[MAAS_RANK_MAX] = { false };
    maas_dim_t  num = 1, den = 1;

    for (int i = 0; i < rank; i++) {
        int  j;

        if (i == at) {
            continue;
        }

        for (j = 0; j < in->rank; j++) {
            if (!gone[j] && in->dims[j] == dims[i]
                && dims[i] != MAAS_DIM_NONE)
            {
                gone[j] = true;
                break;
            }
        }

        if (j == in->rank) {
            den = maas_dim_mul(c->syms, den, dims[i]);
        }
    }

    for (int j = 0; j < in->rank; j++) {
        if (!gone[j]) {
            num = maas_dim_mul(c->syms, num, in->dims[j]);
        }
    }

    if (maas_dim_known(num) && maas_dim_known(den)
        && (den == 0 || num % den != 0))
    {
        char  a[MAAS_DIMS_TEXT], b[MAAS_DIMS_TEXT];

        return maas_err(c->err, MAAS_EINVAL, "cannot reshape %s into %s: no "
                        "extent fits dimension %d, the one to be inferred",
                        maas_dims_text(a, in->dims, in->rank),
                        maas_dims_text(b, dims, rank), at);
    }

    *rest = den == 1 ? num : maas_dim_div(c->syms, num, den);
    return MAAS_OK;
}


static maas_status_t
reshape_check(maas_infer_t *c, const maas_type_t *in, const maas_dim_t *dims,
    int rank)
{
    char        a[MAAS_DIMS_TEXT], b[MAAS_DIMS_TEXT];
    maas_dim_t  n, m;

    n = maas_ival_product(c, in->dims, in->rank);
    m = maas_ival_product(c, dims, rank);

    if (!maas_dim_known(n) || !maas_dim_known(m) || n == m) {
        return MAAS_OK;
    }

    return maas_err(c->err, MAAS_EINVAL, "cannot reshape %s (%lld elements) "
                    "into %s (%lld elements)",
                    maas_dims_text(a, in->dims, in->rank), (long long) n,
                    maas_dims_text(b, dims, rank), (long long) m);
}


/* Requested dims to real ones: 0 copies, -1 is found, the rest stands. */
static maas_status_t
reshape_dims(maas_infer_t *c, maas_dim_t *dims, int rank)
{
    int                    rest = -1;
    bool                   zero = false;
    const maas_type_t     *in = c->in[0].type;
    const reshape_attr_t  *a = c->attr;

    for (int i = 0; i < rank; i++) {
        if (dims[i] == 0 && !a->allowzero) {
            if (i >= in->rank) {
                return maas_err(c->err, MAAS_EINVAL, "shape copies dimension "
                                "%d of an input of rank %d", i, in->rank);
            }

            dims[i] = in->dims[i];

        } else if (dims[i] == 0) {
            zero = true;

        } else if (dims[i] == -1) {
            if (rest != -1) {
                return maas_err(c->err, MAAS_EINVAL, "shape has -1 at %d and "
                                "at %d, one is allowed", rest, i);
            }

            rest = i;

        } else if (maas_dim_known(dims[i]) && dims[i] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "shape has %lld at %d, "
                            "expected -1 or more", (long long) dims[i], i);
        }
    }

    if (rest != -1 && zero) {
        return maas_err(c->err, MAAS_EINVAL,
                        "shape has both 0 and -1 although allowzero is set");
    }

    if (rest != -1) {
        MAAS_TRY(reshape_rest(c, in, dims, rank, rest, &dims[rest]));
    }

    return MAAS_OK;
}


static maas_status_t
reshape_infer(maas_infer_t *c)
{
    int            rank;
    maas_dim_t     dims[MAAS_IVAL_MAX];
    maas_status_t  known;

    known = maas_ival_vector(c, 1, "shape", MAAS_RANK_MAX, dims, &rank);

    if (known != MAAS_OK && known != MAAS_NEED) {
        return known;
    }

    if (rank == -1) {
        return known;
    }

    if (c->in[1].type->rank == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "shape is a scalar, expected a vector");
    }

    if (known == MAAS_OK) {
        MAAS_TRY(reshape_dims(c, dims, rank));
        MAAS_TRY(reshape_check(c, c->in[0].type, dims, rank));

    } else {
        const maas_type_t  *in = c->in[0].type;

        /* What cannot be told without the other elements stays open. */
        for (int i = 0; i < rank; i++) {
            if (dims[i] == 0 && i < in->rank
                && !((const reshape_attr_t *) c->attr)->allowzero)
            {
                dims[i] = in->dims[i];

            } else if (maas_dim_known(dims[i]) && dims[i] < 0) {
                dims[i] = MAAS_DIM_NONE;
            }
        }
    }

    maas_infer_set(c, 0, c->in[0].type->dtype, rank, dims);
    view_values(c);

    return known;
}


static maas_status_t
flatten_infer(maas_infer_t *c)
{
    int                    rank, axis;
    maas_dim_t             dims[2];
    const maas_type_t     *t = c->in[0].type;
    const flatten_attr_t  *a = c->attr;

    rank = t->rank;

    if (a->axis < -rank || a->axis > rank) {
        return maas_err(c->err, MAAS_EINVAL, "axis %lld is out of range "
                        "[%d, %d]", (long long) a->axis, -rank, rank);
    }

    axis = (int) (a->axis < 0 ? a->axis + rank : a->axis);
    dims[0] = maas_ival_product(c, t->dims, axis);
    dims[1] = maas_ival_product(c, t->dims + axis, rank - axis);
    maas_infer_set(c, 0, t->dtype, 2, dims);
    view_values(c);

    return MAAS_OK;
}


/* Without axes every extent of 1 goes: each has to be known then. */
static maas_status_t
squeeze_all(maas_infer_t *c)
{
    int                 n = 0;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *t = c->in[0].type;

    for (int i = 0; i < t->rank; i++) {
        if (!maas_dim_known(t->dims[i])) {
            return MAAS_INFER_NEED(c, 0);
        }

        if (t->dims[i] != 1) {
            dims[n++] = t->dims[i];
        }
    }

    maas_infer_set(c, 0, t->dtype, n, dims);
    view_values(c);

    return MAAS_OK;
}


static maas_status_t
squeeze_infer(maas_infer_t *c)
{
    int                 n, rank;
    uint32_t            set;
    maas_dim_t          v[MAAS_IVAL_MAX], dims[MAAS_RANK_MAX];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;

    if (!maas_infer_has(c, 1)) {
        return squeeze_all(c);
    }

    rc = maas_ival_vector(c, 1, "axes", MAAS_RANK_MAX, v, &n);

    if (rc == MAAS_NEED && n != -1 && n <= t->rank) {
        for (int i = 0; i < t->rank - n; i++) {
            dims[i] = MAAS_DIM_NONE;
        }

        maas_infer_set(c, 0, t->dtype, t->rank - n, dims);
        view_values(c);
    }

    MAAS_TRY(rc);
    MAAS_TRY(maas_ival_axes(c, v, n, t->rank, &set, NULL));

    rank = 0;

    for (int i = 0; i < t->rank; i++) {
        if (!(set & (1u << i))) {
            dims[rank++] = t->dims[i];

        } else if (maas_dim_known(t->dims[i]) && t->dims[i] != 1) {
            return maas_err(c->err, MAAS_EINVAL, "axis %d has extent %lld, "
                            "expected 1", i, (long long) t->dims[i]);
        }
    }

    maas_infer_set(c, 0, t->dtype, rank, dims);
    view_values(c);

    return MAAS_OK;
}


static maas_status_t
unsqueeze_infer(maas_infer_t *c)
{
    int                 n, rank, from;
    uint32_t            set;
    maas_dim_t          v[MAAS_IVAL_MAX], dims[MAAS_RANK_MAX];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;

    rc = maas_ival_vector(c, 1, "axes", MAAS_RANK_MAX, v, &n);

    if (n == -1) {
        return rc;
    }

    rank = t->rank + n;

    if (rank > MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "the output has rank %d, "
                        "at most %d is supported", rank, MAAS_RANK_MAX);
    }

    set = 0;

    if (rc == MAAS_OK) {
        MAAS_TRY(maas_ival_axes(c, v, n, rank, &set, NULL));
    }

    from = 0;

    for (int i = 0; i < rank; i++) {
        if (rc != MAAS_OK) {
            dims[i] = MAAS_DIM_NONE;
        } else {
            dims[i] = set & (1u << i) ? 1 : t->dims[from++];
        }
    }

    maas_infer_set(c, 0, t->dtype, rank, dims);
    view_values(c);

    return rc;
}


static maas_status_t
axes_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) opset;
    (void) err;

    return maas_raw_attr_to_input(im, n, "axes", 1);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  any_in[] = {
    { "data", MAAS_D_ALL, 'T', 0 }
};

static const maas_formal_t  any_out[] = {
    { "output", MAAS_D_ALL, 'T', 0 }
};

static const maas_formal_t  kind_in[] = {
    { "input", MAAS_D_ALL, 'T', MAAS_ANYKIND }
};

static const maas_formal_t  kind_out[] = {
    { "output", MAAS_D_ALL, 'T', MAAS_ANYKIND }
};

static const maas_formal_t  int_out[] = {
    { "output", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  reshape_in[] = {
    { "data", MAAS_D_ALL, 'T', 0 },
    { "shape", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  squeeze_in[] = {
    { "data", MAAS_D_ALL, 'T', 0 },
    { "axes", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  unsqueeze_in[] = {
    { "data", MAAS_D_ALL, 'T', 0 },
    { "axes", MAAS_D(I64), 0, 0 }
};


static const maas_attr_row_t  shape_attrs[] = {
    { .name = "start", .type = MAAS_ATTR_INT,
      .off = offsetof(shape_attr_t, start) },
    { .name = "end", .type = MAAS_ATTR_INT, .i = INT32_MAX,
      .off = offsetof(shape_attr_t, end) }
};

static const maas_attr_row_t  reshape_attrs[] = {
    { .name = "allowzero", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(reshape_attr_t, allowzero) }
};

static const maas_attr_row_t  flatten_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .i = 1,
      .off = offsetof(flatten_attr_t, axis) }
};


static const maas_kernel_row_t  shape_kernel[] = {
    { .id = "shape.dims", .run = shape_run }
};

static const maas_kernel_row_t  size_kernel[] = {
    { .id = "size.count", .run = size_run }
};

static const maas_kernel_row_t  reshape_kernel[] = {
    { .id = "reshape.copy", .inplace = 1, .setup = view_setup,
      .run = view_run }
};

static const maas_kernel_row_t  flatten_kernel[] = {
    { .id = "flatten.copy", .inplace = 1, .setup = view_setup,
      .run = view_run }
};

static const maas_kernel_row_t  squeeze_kernel[] = {
    { .id = "squeeze.copy", .inplace = 1, .setup = view_setup,
      .run = view_run }
};

static const maas_kernel_row_t  unsqueeze_kernel[] = {
    { .id = "unsqueeze.copy", .inplace = 1, .setup = view_setup,
      .run = view_run }
};

static const maas_kernel_row_t  identity_kernel[] = {
    { .id = "identity.copy", .inplace = 1, .setup = view_setup,
      .run = view_run }
};


static const maas_case_t  shape_cases[] = {
    { "| f32[2,3,4]", NULL },
    { "start=1 | f32[2,3,4]", NULL },
    { "start=-2 end=-1 | i8[2,3,4]", NULL },
    { "start=2 end=1 | f32[2,3,4]", NULL },
    { "| f32[]", NULL },
    { "| u8[0,7]", NULL },
    { NULL, NULL }
};

static const maas_case_t  shape_bad[] = {
    { "axis=1 | f32[2,3]", "axis" },
    { NULL, NULL }
};

static const maas_case_t  size_cases[] = {
    { "| f32[2,3,4]", NULL },
    { "| bool[]", NULL },
    { "| f64[5,0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  reshape_cases[] = {
    { "| f32[2,3,4] =i64[2]{4,-1}", NULL },
    { "| f32[2,3,4] =i64[3]{0,2,6}", NULL },
    { "| f16[2,3,4] =i64[4]{0,-1,1,2}", NULL },
    { "| f32[0,3] =i64[2]{0,-1}", NULL },
    { "allowzero=1 | i64[0,3] =i64[3]{3,4,0}", NULL },
    { "| f64[] =i64[2]{1,1}", NULL },
    { "| bf16[1] =i64[0]", NULL },
    { "| str[2,3] =i64[1]{6}", NULL },
    { "| f32[17,1031] =i64[1]{-1}", NULL },
    { "| u8[2,6] i64[2]{3,4}", NULL },
    { NULL, NULL }
};

static const maas_case_t  reshape_bad[] = {
    { "| f32[2,3] =i64[2]{4,2}", "cannot reshape [2,3] (6 elements)" },
    { "| f32[2,3] =i64[2]{-1,-1}", "one is allowed" },
    { "| f32[2,3] =i64[2]{-1,4}", "to be inferred" },
    { "| f32[6] =i64[2]{6,0}", "copies dimension 1" },
    { "| f32[6] =i64[2]{-2,3}", "expected -1 or more" },
    { "allowzero=1 | f32[0,2] =i64[2]{0,-1}", "both 0 and -1" },
    { NULL, NULL }
};

static const maas_case_t  flatten_cases[] = {
    { "| f32[2,3,4]", NULL },
    { "axis=0 | i16[2,3,4]", NULL },
    { "axis=-1 | u8[2,3,4]", NULL },
    { "axis=3 | f32[2,3,4]", NULL },
    { "axis=0 | f32[]", NULL },
    { "axis=2 | f32[2,0,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  flatten_bad[] = {
    { "axis=4 | f32[2,3,4]", "axis 4 is out of range [-3, 3]" },
    { NULL, NULL }
};

static const maas_case_t  squeeze_cases[] = {
    { "| f32[1,3,1,5]", NULL },
    { "| f32[1,3,1,5] =i64[1]{-2}", NULL },
    { "| i64[1,1] =i64[2]{0,1}", NULL },
    { "| f64[1,0,1] =i64[1]{0}", NULL },
    { "| f32[]", NULL },
    { "| f32[1,3] i64[1]{0}", NULL },
    { NULL, NULL }
};

static const maas_case_t  squeeze_bad[] = {
    { "| f32[1,3] =i64[1]{1}", "axis 1 has extent 3" },
    { "| f32[1,1] =i64[2]{1,-1}", "axis 1 is named twice" },
    { NULL, NULL }
};

static const maas_case_t  unsqueeze_cases[] = {
    { "| f32[3,5] =i64[2]{0,3}", NULL },
    { "| bool[3,5] =i64[1]{-1}", NULL },
    { "| f32[] =i64[1]{0}", NULL },
    { "| f16[0] =i64[2]{-1,0}", NULL },
    { "| f32[3] i64[1]{1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  unsqueeze_bad[] = {
    { "| f32[3,5] =i64[2]{1,1}", "axis 1 is named twice" },
    { "| f32[1,1,1,1,1,1,1,1] =i64[1]{0}", "rank 9" },
    { NULL, NULL }
};

static const maas_case_t  identity_cases[] = {
    { "| f32[2,3]", NULL },
    { "| bf16[]", NULL },
    { "| str[3]", NULL },
    { "| u64[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  identity_bad[] = {
    { "axis=1 | f32[2]", "axis" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_shape_view[] = {
    {
        .name = "Shape", .domain = "", .since = 15, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_SHAPE,
        MAAS_IO(any_in, int_out),
        MAAS_ATTRS(shape_attrs, shape_attr_t),
        .infer = shape_infer,
        MAAS_KERNELS(shape_kernel),
        .grad = maas_grad_zero, .cases = shape_cases, .bad = shape_bad
    },
    {
        .name = "Size", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_SHAPE,
        MAAS_IO(any_in, int_out),
        .infer = size_infer,
        MAAS_KERNELS(size_kernel),
        .grad = maas_grad_zero, .cases = size_cases, .bad = shape_bad
    },
    {
        .name = "Reshape", .domain = "", .since = 14, .first = 5,
        .flags = MAAS_OP_PURE | MAAS_OP_VIEW,
        MAAS_IO(reshape_in, any_out),
        MAAS_ATTRS(reshape_attrs, reshape_attr_t),
        .infer = reshape_infer,
        MAAS_KERNELS(reshape_kernel),
        .grad = maas_grad_view, .cases = reshape_cases, .bad = reshape_bad
    },
    {
        .name = "Flatten", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_VIEW,
        MAAS_IO(any_in, any_out),
        MAAS_ATTRS(flatten_attrs, flatten_attr_t),
        .infer = flatten_infer,
        MAAS_KERNELS(flatten_kernel),
        .grad = maas_grad_view, .cases = flatten_cases, .bad = flatten_bad
    },
    {
        .name = "Squeeze", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_VIEW,
        MAAS_IO(squeeze_in, any_out),
        .upgrade = axes_upgrade,
        .infer = squeeze_infer,
        MAAS_KERNELS(squeeze_kernel),
        .grad = maas_grad_view, .cases = squeeze_cases, .bad = squeeze_bad
    },
    {
        .name = "Unsqueeze", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_VIEW,
        MAAS_IO(unsqueeze_in, any_out),
        .upgrade = axes_upgrade,
        .infer = unsqueeze_infer,
        MAAS_KERNELS(unsqueeze_kernel),
        .grad = maas_grad_view, .cases = unsqueeze_cases, .bad = unsqueeze_bad
    },
    {
        .name = "Identity", .domain = "", .since = 16, .first = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_VIEW,
        MAAS_IO(kind_in, kind_out),
        .infer = identity_infer, .select = maas_select_same,
        MAAS_KERNELS(identity_kernel),
        .grad = maas_grad_view, .cases = identity_cases, .bad = identity_bad
    },
    { .name = NULL }
};
