/*
 * Pad: constant, reflect, edge and wrap; negative pads crop.  Axes that are not
 * padded join their neighbours, so that a row of work is as long as it can
 * be: its middle is one copy, its ends are filled or looked up.
 */

#include "ops/grads.h"
#include "ops/move.h"


typedef struct {
    int64_t  mode;              /* index into pad_modes */
} pad_attr_t;

enum {
    PAD_CONSTANT = 0,
    PAD_REFLECT,
    PAD_EDGE,
    PAD_WRAP
};

enum {
    PAD_PADS = 1,
    PAD_VALUE,
    PAD_AXES
};

typedef struct {
    int64_t  n_in;
    int64_t  n_out;
    int64_t  begin;
    int64_t  stride;            /* of the source, in bytes */
} pad_axis_t;

typedef struct {
    int         mode;
    int         rank;
    int64_t     item;
    uint64_t    value;          /* the item to fill with */
    pad_axis_t  axis[MAAS_RANK_MAX];
} pad_job_t;


/* Pads of some axes to pads of all; *n of them, or -1. */
static maas_status_t
pad_axes(maas_infer_t *c, maas_dim_t *v, int *n)
{
    int         count, at[MAAS_IVAL_MAX], rank = c->in[0].type->rank;
    uint32_t    set;
    maas_dim_t  axes[MAAS_IVAL_MAX], all[2 * MAAS_RANK_MAX] = { 0 };

    if (!maas_infer_has(c, PAD_AXES)) {
        return MAAS_OK;
    }

    if (maas_ival_vector(c, PAD_AXES, "axes", MAAS_RANK_MAX, axes, &count)
        != MAAS_OK)
    {
        *n = -1;
        return MAAS_INFER_NEED(c, PAD_AXES);
    }

    MAAS_TRY(maas_ival_axes(c, axes, count, rank, &set, at));

    if (*n >= 0 && *n != 2 * count) {
        return maas_err(c->err, MAAS_EINVAL, "pads has %d elements, expected "
                        "%d for %d axes", *n, 2 * count, count);
    }

    for (int i = 0; *n >= 0 && i < count; i++) {
        all[at[i]] = v[i];
        all[at[i] + rank] = v[i + count];
    }

    if (*n >= 0) {
        memcpy(v, all, (size_t) (2 * rank) * sizeof(maas_dim_t));
        *n = 2 * rank;
    }

    return MAAS_OK;
}


static maas_status_t
pad_infer(maas_infer_t *c)
{
    int                 n;
    maas_dim_t          d, v[MAAS_IVAL_MAX], dims[MAAS_RANK_MAX];
    maas_status_t       rc, axes;
    const pad_attr_t   *a = c->attr;
    const maas_type_t  *t = c->in[0].type;

    rc = maas_ival_vector(c, PAD_PADS, "pads", 2 * MAAS_RANK_MAX, v, &n);

    if (rc == MAAS_OK || rc == MAAS_NEED) {
        axes = pad_axes(c, v, &n);
        rc = axes != MAAS_OK ? axes : rc;
    }

    if (rc == MAAS_NEED && n == -1) {
        maas_infer_rank(c, t);
    }

    if (n == -1) {
        return rc;
    }

    if (n != 2 * t->rank) {
        return maas_err(c->err, MAAS_EINVAL, "pads has %d elements, expected "
                        "%d for rank %d", n, 2 * t->rank, t->rank);
    }

    for (int i = 0; i < t->rank; i++) {
        d = maas_dim_add(c->syms, v[i], v[i + t->rank]);

        if (a->mode != PAD_CONSTANT && t->dims[i] == 0
            && maas_dim_known(d) && d > 0)
        {
            return maas_err(c->err, MAAS_EINVAL, "axis %d is empty, nothing "
                            "there to pad with", i);
        }

        dims[i] = maas_dim_add(c->syms, t->dims[i], d);

        if (maas_dim_known(dims[i]) && dims[i] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "pads leave axis %d an "
                            "extent of %lld", i, (long long) dims[i]);
        }
    }

    maas_infer_set(c, 0, t->dtype, t->rank, dims);

    return rc;
}


/* Index in the source of position p, or -1: the constant. */
static int64_t
pad_source(int mode, int64_t p, int64_t n)
{
    int64_t  period;

    if (p >= 0 && p < n) {
        return p;
    }

    switch (mode) {
    case PAD_CONSTANT:
        return -1;
    case PAD_EDGE:
        return p < 0 ? 0 : n - 1;
    case PAD_WRAP:
        p %= n;
        return p < 0 ? p + n : p;
    default:
        if (n == 1) {
            return 0;
        }

        period = 2 * (n - 1);
        p %= period;
        p = p < 0 ? p + period : p;
        return p < n ? p : period - p;
    }
}


/* What is added before and behind axis i. */
static void
pad_amounts(const maas_step_t *s, int i, int64_t *begin, int64_t *end)
{
    int64_t               a, n, rank = s->in[0].rank;
    const maas_tensor_t  *axes = &s->in[PAD_AXES];

    if (s->n_formal <= PAD_AXES || axes->dtype == MAAS_NODTYPE) {
        *begin = maas_move_int(&s->in[PAD_PADS], i);
        *end = maas_move_int(&s->in[PAD_PADS], i + rank);
        return;
    }

    *begin = *end = 0;
    n = maas_tensor_count(axes);

    for (int64_t j = 0; j < n; j++) {
        a = maas_move_int(axes, j);

        if (a == i || a + rank == i) {
            *begin = maas_move_int(&s->in[PAD_PADS], j);
            *end = maas_move_int(&s->in[PAD_PADS], j + n);
        }
    }
}


static maas_status_t
pad_job(const maas_step_t *s, maas_slot_t *slot, pad_job_t *j)
{
    bool                  plain;
    int64_t               begin, end, ss[MAAS_RANK_MAX];
    pad_axis_t           *ax;
    const pad_attr_t     *a = s->attr;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    memset(j, 0, sizeof(*j));
    j->mode = (int) a->mode;
    j->item = (int64_t) maas_dtype_size(x->dtype);

    if (s->n_formal > PAD_VALUE && s->in[PAD_VALUE].dtype != MAAS_NODTYPE) {
        if (maas_tensor_count(&s->in[PAD_VALUE]) != 1) {
            return maas_err(slot->err, MAAS_EINVAL,
                            "constant_value is not a scalar");
        }

        memcpy(&j->value, s->in[PAD_VALUE].data, (size_t) j->item);
    }

    maas_move_strides(x, ss);

    for (int i = 0; i < x->rank; i++) {
        pad_amounts(s, i, &begin, &end);

        if (x->dims[i] + begin + end != y->dims[i]) {
            return maas_err(slot->err, MAAS_EINVAL, "pads of axis %d are not "
                            "what was planned", i);
        }

        plain = begin == 0 && end == 0;
        ax = &j->axis[maas_max(j->rank - 1, 0)];

        if (plain && j->rank > 0
            && (j->mode == PAD_CONSTANT
                || (ax->begin == 0 && ax->n_in == ax->n_out)))
        {
            ax->n_in *= x->dims[i];
            ax->n_out *= x->dims[i];
            ax->begin *= x->dims[i];
            ax->stride = ss[i];
            continue;
        }

        j->axis[j->rank++] = (pad_axis_t) {
            x->dims[i], y->dims[i], begin, ss[i]
        };
    }

    if (j->rank == 0) {
        j->axis[j->rank++] = (pad_axis_t) { 1, 1, 0, j->item };
    }

    return MAAS_OK;
}


/* Columns [c, end) outside the source's part of a row. */
static void
pad_border(const pad_job_t *j, char *dst, const char *src, int64_t c,
    int64_t end)
{
    int64_t            p;
    const pad_axis_t  *ax = &j->axis[j->rank - 1];

    if (c >= end) {
        return;
    }

    if (j->mode == PAD_CONSTANT || src == NULL) {
        maas_move_fill(dst + c * j->item, &j->value, (size_t) j->item,
                       end - c);
        return;
    }

    for (; c < end; c++) {
        p = pad_source(j->mode, c - ax->begin, ax->n_in);
        memcpy(dst + c * j->item, src + p * j->item, (size_t) j->item);
    }
}


/* Columns [c, end) of one row; src NULL: all constant. */
static void
pad_row(const pad_job_t *j, char *dst, const char *src, int64_t c,
    int64_t end)
{
    int64_t            lo, hi;
    const pad_axis_t  *ax = &j->axis[j->rank - 1];

    if (src == NULL) {
        pad_border(j, dst, NULL, c, end);
        return;
    }

    lo = maas_max(c, maas_min(end, ax->begin));
    hi = maas_max(lo, maas_min(end, ax->begin + ax->n_in));

    pad_border(j, dst, src, c, lo);

    if (lo < hi) {
        memcpy(dst + lo * j->item, src + (lo - ax->begin) * j->item,
               (size_t) ((hi - lo) * j->item));
    }

    pad_border(j, dst, src, hi, end);
}


static maas_status_t
pad_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    char        *dst = s->out[0].data;
    int64_t      from, to, n, row, at, p, cols;
    pad_job_t    j;
    const char  *src;

    MAAS_TRY(pad_job(s, slot, &j));

    n = maas_tensor_count(&s->out[0]);
    from = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);
    cols = j.axis[j.rank - 1].n_out;

    while (from < to) {
        row = from / cols;
        at = from % cols;
        n = maas_min(cols - at, to - from);
        src = s->in[0].data;

        for (int i = j.rank - 2; i >= 0; i--) {
            p = row % j.axis[i].n_out;
            row /= j.axis[i].n_out;
            p = pad_source(j.mode, p - j.axis[i].begin, j.axis[i].n_in);

            if (p < 0) {
                src = NULL;
                break;
            }

            src += p * j.axis[i].stride;
        }

        pad_row(&j, dst + (from - at) * j.item, src, at, at + n);
        from += n;
    }

    return MAAS_OK;
}


/* Before opset 11 pads and value are attributes. */
static maas_status_t
pad_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    float             value;
    maas_dtype_t      dtype;
    maas_raw_attr_t  *a;

    (void) err;

    if (opset >= 11) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_raw_attr_to_input(im, n, "pads", PAD_PADS));

    a = maas_raw_attr(n, "value");

    if (a == NULL) {
        return MAAS_OK;
    }

    value = a->f;
    maas_raw_attr_drop(n, "value");

    if (value == 0.0f) {
        return MAAS_OK;
    }

    dtype = maas_raw_input_dtype(im, n, 0);

    return maas_raw_input_float(im, n, PAD_VALUE,
                                dtype != MAAS_NODTYPE ? dtype : MAAS_F32,
                                value);
}


/* -- rows ---------------------------------------------------------------- */

static const char *const  pad_modes[] = { "constant", "reflect", "edge",
                                          "wrap", NULL };

/* -- PadGrad ------------------------------------------------------------- */

/*
 * dX: what every position of dY that was copied from one of X holds, added
 * up.  A unit is an index of axis 0 of dX.
 */
typedef struct {
    int      rank;
    int      mode;
    int64_t  begin[MAAS_RANK_MAX];
    int64_t  ss[MAAS_RANK_MAX];         /* strides of dX, in elements */
    int64_t  ds[MAAS_RANK_MAX];         /* of dY */
} padgrad_t;


/* Axes from d on; dx and dy are elements of both. */
static void
padgrad_axis(const padgrad_t *g, const maas_tensor_t *tx,
    const maas_tensor_t *ty, int d, int64_t dx, int64_t dy, int64_t only)
{
    int64_t  p;

    if (d == g->rank) {
        if (tx->dtype == MAAS_F64) {
            ((double *) tx->data)[dx] += ((const double *) ty->data)[dy];

        } else {
            ((float *) tx->data)[dx] += ((const float *) ty->data)[dy];
        }

        return;
    }

    for (int64_t i = 0; i < ty->dims[d]; i++) {
        p = pad_source(g->mode, i - g->begin[d], tx->dims[d]);

        if (p >= 0 && (d > 0 || p == only)) {
            padgrad_axis(g, tx, ty, d + 1, dx + p * g->ss[d],
                         dy + i * g->ds[d], only);
        }
    }
}


static bool
padgrad_setup(maas_setup_t *u)
{
    u->units = u->out[0].rank > 0 ? maas_max(u->out[0].dims[0], 1) : 1;
    u->cost = (double) u->in[0].bytes;
    return true;
}


static maas_status_t
padgrad_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    size_t                row;
    int64_t               end, nx = 1, ny = 1;
    padgrad_t             g = { .rank = s->out[0].rank };
    const pad_attr_t     *a = s->attr;
    const maas_tensor_t  *x = &s->out[0], *y = &s->in[0];

    g.mode = (int) a->mode;

    for (int i = g.rank - 1; i >= 0; i--) {
        pad_amounts(s, i, &g.begin[i], &end);

        if (x->dims[i] + g.begin[i] + end != y->dims[i]) {
            return maas_err(slot->err, MAAS_EINVAL, "pads of axis %d are not "
                            "what was planned", i);
        }

        g.ss[i] = nx;
        g.ds[i] = ny;
        nx *= x->dims[i];
        ny *= y->dims[i];
    }

    if (nx == 0) {
        return MAAS_OK;
    }

    row = (size_t) (g.rank > 0 ? g.ss[0] : 1) * maas_dtype_size(x->dtype);

    for (int64_t u = first; u < last; u++) {
        memset((char *) x->data + (size_t) u * row, 0, row);
        padgrad_axis(&g, x, y, 0, 0, 0, u);
    }

    return MAAS_OK;
}


/* Inputs dY, pads, X for its shape, axes. */
static maas_status_t
padgrad_infer(maas_infer_t *c)
{
    const maas_type_t  *x = c->in[2].type;

    if (x->rank != c->in[0].type->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d and X has rank "
                        "%d, expected the same", c->in[0].type->rank,
                        x->rank);
    }

    maas_infer_set(c, 0, x->dtype, x->rank, x->dims);
    return MAAS_OK;
}


static maas_status_t
pad_grad(maas_grad_t *c)
{
    maas_vid_t  in[] = { c->dout[0], c->n->in[1], c->n->in[0],
                         maas_grad_in(c, PAD_AXES) };

    if (maas_grad_need(c, PAD_VALUE)) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "constant_value has no "
                        "gradient");
    }

    maas_grad_emit_same(c, "maas", "PadGrad", in,
                        in[3] == MAAS_NOVAL ? 3 : 4, &c->din[0], 1);
    return c->rc;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  pad_in[] = {
    { "data", MAAS_D_FIXED, 'T', 0 },
    { "pads", MAAS_D(I64), 0, 0 },
    { "constant_value", MAAS_D_FIXED, 'T', MAAS_OPT },
    { "axes", MAAS_D(I32) | MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  pad_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};

static const maas_attr_row_t  pad_attrs[] = {
    { .name = "mode", .type = MAAS_ATTR_STRING,
      .off = offsetof(pad_attr_t, mode), .words = pad_modes }
};

static const maas_formal_t  padgrad_in[] = {
    { "dY", MAAS_D_FLOAT, 'T', 0 },
    { "pads", MAAS_D(I64), 0, 0 },
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "axes", MAAS_D(I32) | MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  padgrad_out[] = {
    { "dX", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_kernel_row_t  padgrad_kernel[] = {
    { .id = "padgrad.axes", .setup = padgrad_setup, .run = padgrad_run }
};

static const maas_case_t  padgrad_bad[] = {
    { "| f32[3,4] =i64[4]{0,1,0,1} f32[3]", "rank 1" },
    { NULL, NULL }
};

static const maas_kernel_row_t  pad_kernel[] = {
    { .id = "pad.rows", .setup = maas_move_setup, .run = pad_run }
};

static const maas_case_t  pad_cases[] = {
    { "| f32[1,3,4,5] =i64[8]{0,0,1,3,0,0,2,4} =f32[]{1.2}", NULL },
    { "mode=reflect | f32[1,3,4,5] =i64[8]{0,0,1,1,0,0,1,1}", NULL },
    { "mode=edge | f16[1,3,4,5] =i64[8]{0,0,2,1,0,0,1,3}", NULL },
    { "mode=reflect | i32[2,3] =i64[4]{0,5,0,7}", NULL },
    { "| u8[5,7] =i64[4]{-1,2,3,-2} =u8[]{9}", NULL },
    { "mode=edge | f64[5,7] =i64[4]{-2,1,0,-1}", NULL },
    { "| f32[0,3] =i64[4]{2,0,1,0}", NULL },
    { "| i64[3] =i64[2]{-1,-2}", NULL },
    { "| bool[2,2] =i64[4]{1,0,0,1}", NULL },
    { "| f32[130,131] =i64[4]{1,1,1,1}", NULL },
    { "| f32[] =i64[0]", NULL },
    { "mode=wrap | f32[3,4] =i64[4]{2,9,3,5}", NULL },
    { "mode=wrap | u8[3,4] =i64[4]{-1,2,0,5}", NULL },
    { "| f32[2,3,4] =i64[4]{1,2,3,-1} =f32[]{0.5} =i64[2]{-1,0}", NULL },
    { "mode=reflect | f64[2,3,4] i64[2]{1,2} - i32[1]{2}", NULL },
    { "| f32[2,3] =i64[0] - =i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  pad_bad[] = {
    { "| f32[2,3] =i64[2]{1,1}", "expected 4 for rank 2" },
    { "| f32[2] =i64[2]{-2,-1}", "leave axis 0 an extent of -1" },
    { "mode=mirror | f32[2] =i64[2]{1,1}", "mirror" },
    { "| f32[2,3] =i64[4]{1,1,1,1} - =i64[1]{1}", "expected 2 for 1 axes" },
    { "| f32[2,3] =i64[4]{1,1,1,1} - =i64[2]{1,-1}", "axis" },
    { "mode=edge | f32[0] =i64[2]{1,1}", "axis 0 is empty" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_pad[] = {
    {
        .name = "Pad", .domain = "", .since = 19, .first = 2,
        .flags = MAAS_OP_PURE,
        MAAS_IO(pad_in, pad_out),
        MAAS_ATTRS(pad_attrs, pad_attr_t),
        .upgrade = pad_upgrade,
        .infer = pad_infer,
        MAAS_KERNELS(pad_kernel),
        .grad = pad_grad,
        .cases = pad_cases, .bad = pad_bad
    },
    {
        .name = "PadGrad", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(padgrad_in, padgrad_out),
        MAAS_ATTRS(pad_attrs, pad_attr_t),
        .infer = padgrad_infer,
        MAAS_KERNELS(padgrad_kernel),
        .bad = padgrad_bad
    },
    { .name = NULL }
};
