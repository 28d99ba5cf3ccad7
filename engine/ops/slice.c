/*
 * Slice: a strided copy whose source may run backwards.  infer() computes
 * extents over symbols; run() computes them again from the contents and
 * insists on the planned shape.
 */

#include "ops/grads.h"
#include "ops/move.h"


enum {
    SLICE_STARTS = 1,
    SLICE_ENDS,
    SLICE_AXES,
    SLICE_STEPS
};

/* Beyond every extent: "to the end". */
#define SLICE_FAR  ((int64_t) INT32_MAX - 1)


/* First index and number of items of one axis, all numbers known. */
static void
slice_range(int64_t dim, int64_t start, int64_t end, int64_t step,
    int64_t *first, int64_t *n)
{
    int64_t  lo = step < 0 ? -1 : 0, hi = step < 0 ? dim - 1 : dim;
    int64_t  span;

    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    start = maas_max(step < 0 ? maas_min((int64_t) 0, hi) : 0,
                     maas_min(start, hi));
    end = maas_max(lo, maas_min(end, hi));

    span = step < 0 ? start - end : end - start;
    step = step < 0 ? -step : step;

    *first = start;
    *n = span > 0 && dim > 0 ? (span - 1) / step + 1 : 0;
}


/* Clamped position of a forward slice; symbols count from the front. */
static maas_dim_t
slice_clamp(maas_infer_t *c, maas_dim_t dim, maas_dim_t at)
{
    if (!maas_dim_known(at)) {
        return maas_dim_min(c->syms, at, dim);
    }

    if (at == 0 || at >= SLICE_FAR) {
        return at == 0 ? 0 : dim;
    }

    if (at <= -SLICE_FAR) {
        return 0;
    }

    if (at < 0) {
        return maas_dim_max(c->syms, maas_dim_add(c->syms, dim, at), 0);
    }

    return maas_dim_min(c->syms, dim, at);
}


static maas_dim_t
slice_extent(maas_infer_t *c, maas_dim_t dim, maas_dim_t start,
    maas_dim_t end, maas_dim_t step)
{
    int64_t     first, n;
    maas_dim_t  d;

    if (!maas_dim_known(step) || start == MAAS_DIM_NONE
        || end == MAAS_DIM_NONE)
    {
        return MAAS_DIM_NONE;
    }

    if (maas_dim_known(dim) && maas_dim_known(start) && maas_dim_known(end)) {
        slice_range(dim, start, end, step, &first, &n);
        return n;
    }

    if (step < 0) {
        /* The whole axis backwards is the one that has a name. */
        if (maas_dim_known(start) && maas_dim_known(end)
            && (start == -1 || start >= SLICE_FAR) && end <= -SLICE_FAR)
        {
            return maas_dim_ceil(c->syms, dim, -step);
        }

        return MAAS_DIM_NONE;
    }

    d = maas_dim_sub(c->syms, slice_clamp(c, dim, end),
                     slice_clamp(c, dim, start));

    if (start != 0) {
        d = maas_dim_max(c->syms, d, 0);
    }

    return maas_dim_ceil(c->syms, d, step);
}


/* Contents of one of the four inputs; they must be as many as the starts. */
static maas_status_t
slice_list(maas_infer_t *c, int i, const char *what, int rank, int want,
    maas_dim_t *v, int *n)
{
    maas_status_t  rc;

    rc = maas_ival_vector(c, i, what, rank, v, n);

    if ((rc == MAAS_OK || rc == MAAS_NEED) && *n != -1 && want != -1
        && *n != want)
    {
        return maas_err(c->err, MAAS_EINVAL, "%s has %d elements, starts "
                        "has %d", what, *n, want);
    }

    return rc;
}


static maas_status_t
slice_open(maas_infer_t *c, maas_status_t rc, const maas_type_t *t)
{
    maas_dim_t  dims[MAAS_RANK_MAX];

    if (rc == MAAS_NEED) {
        for (int i = 0; i < t->rank; i++) {
            dims[i] = MAAS_DIM_NONE;
        }

        maas_infer_set(c, 0, t->dtype, t->rank, dims);
    }

    return rc;
}


typedef struct {
    int         n;
    int         axis[MAAS_RANK_MAX];
    maas_dim_t  start[MAAS_IVAL_MAX];
    maas_dim_t  end[MAAS_IVAL_MAX];
    maas_dim_t  step[MAAS_IVAL_MAX];
} slice_spec_t;


static maas_status_t
slice_axes(maas_infer_t *c, slice_spec_t *sp, int rank)
{
    int         n;
    uint32_t    set;
    maas_dim_t  v[MAAS_IVAL_MAX];

    for (int i = 0; i < sp->n; i++) {
        v[i] = i;
        sp->step[i] = 1;
    }

    if (maas_infer_has(c, SLICE_AXES)) {
        MAAS_TRY(slice_list(c, SLICE_AXES, "axes", rank, sp->n, v, &n));
    }

    if (maas_infer_has(c, SLICE_STEPS)) {
        MAAS_TRY(slice_list(c, SLICE_STEPS, "steps", rank, sp->n, sp->step,
                            &n));
    }

    MAAS_TRY(maas_ival_axes(c, v, sp->n, rank, &set, sp->axis));

    for (int i = 0; i < sp->n; i++) {
        if (sp->step[i] == 0) {
            return maas_err(c->err, MAAS_EINVAL, "the step of axis %d is 0",
                            sp->axis[i]);
        }
    }

    return MAAS_OK;
}


/* Slices of symbolic contents: what is left of the vector. */
static void
slice_values(maas_infer_t *c, const slice_spec_t *sp)
{
    int         n;
    int64_t     first = 0, step = 1, count;
    maas_dim_t  v[MAAS_IVAL_MAX], out[MAAS_IVAL_MAX];

    if (c->in[0].type->rank != 1 || !maas_ival_get(c, 0, v, &n)) {
        return;
    }

    count = n;

    if (sp->n == 1) {
        if (!maas_dim_known(sp->start[0]) || !maas_dim_known(sp->end[0])
            || !maas_dim_known(sp->step[0]))
        {
            return;
        }

        step = sp->step[0];
        slice_range(n, sp->start[0], sp->end[0], step, &first, &count);
    }

    for (int64_t i = 0; i < count; i++) {
        out[i] = v[first + i * step];
    }

    maas_ival_set(c, 0, out, (int) count);
}


static maas_status_t
slice_infer(maas_infer_t *c)
{
    int                 n;
    maas_dim_t          dims[MAAS_RANK_MAX];
    slice_spec_t        sp;
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;

    rc = slice_list(c, SLICE_STARTS, "starts", t->rank, -1, sp.start, &sp.n);

    if (rc != MAAS_OK) {
        return slice_open(c, rc, t);
    }

    rc = slice_axes(c, &sp, t->rank);

    if (rc != MAAS_OK) {
        return slice_open(c, rc, t);
    }

    rc = slice_list(c, SLICE_ENDS, "ends", t->rank, sp.n, sp.end, &n);

    if (rc != MAAS_OK) {
        /* Axes that are not cut keep their extents. */
        memcpy(dims, t->dims, sizeof(dims));

        for (int i = 0; i < sp.n; i++) {
            dims[sp.axis[i]] = MAAS_DIM_NONE;
        }

        if (rc == MAAS_NEED) {
            maas_infer_set(c, 0, t->dtype, t->rank, dims);
        }

        return rc;
    }

    memcpy(dims, t->dims, sizeof(dims));

    for (int i = 0; i < sp.n; i++) {
        dims[sp.axis[i]] = slice_extent(c, t->dims[sp.axis[i]], sp.start[i],
                                        sp.end[i], sp.step[i]);
    }

    maas_infer_set(c, 0, t->dtype, t->rank, dims);
    slice_values(c, &sp);

    return MAAS_OK;
}


static bool
slice_given(const maas_step_t *s, int i)
{
    return i < s->n_formal && s->in[i].dtype != MAAS_NODTYPE;
}


/* Is each row of y a whole one of x, and are they one behind another? */
static bool
slice_together(const maas_tensor_t *x, const maas_tensor_t *y)
{
    int  last = x->rank - 1;

    while (last >= 0 && y->dims[last] == x->dims[last]) {
        last--;
    }

    for (int i = 0; i < last; i++) {
        if (y->dims[i] != 1) {
            return false;
        }
    }

    return maas_tensor_count(y) != 0;
}


/* Where the first element is, if all that says so is known; steps of 1. */
static bool
slice_first(const maas_setup_t *u, size_t *at)
{
    int                   a;
    int64_t               ss[MAAS_RANK_MAX], from, n;
    const maas_tensor_t  *in = u->in, *x = &u->in[0];

    *at = 0;

    for (int i = SLICE_STARTS; i < u->n_formal; i++) {
        if (in[i].dtype != MAAS_NODTYPE && in[i].data == NULL) {
            return false;
        }
    }

    maas_move_strides(x, ss);

    for (int64_t i = 0; i < maas_tensor_count(&in[SLICE_STARTS]); i++) {
        a = u->n_formal > SLICE_AXES && in[SLICE_AXES].dtype != MAAS_NODTYPE
            ? (int) maas_move_int(&in[SLICE_AXES], i) : (int) i;
        a = a < 0 ? a + x->rank : a;

        if (a < 0 || a >= x->rank
            || (u->n_formal > SLICE_STEPS
                && in[SLICE_STEPS].dtype != MAAS_NODTYPE
                && maas_move_int(&in[SLICE_STEPS], i) != 1))
        {
            return false;
        }

        slice_range(x->dims[a], maas_move_int(&in[SLICE_STARTS], i),
                    maas_move_int(&in[SLICE_ENDS], i), 1, &from, &n);

        if (n != u->out[0].dims[a]) {
            return false;
        }

        *at += (size_t) (from * ss[a]);
    }

    return true;
}


static bool
slice_setup(maas_setup_t *u)
{
    u->cuts = slice_together(&u->in[0], &u->out[0])
              && slice_first(u, &u->cut_at);

    return maas_move_setup(u);
}


static maas_status_t
slice_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   a;
    int64_t               ss[MAAS_RANK_MAX], ds[MAAS_RANK_MAX];
    int64_t               step, from, n, count;
    const char           *src = s->in[0].data;
    maas_move_t           m;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    maas_move_strides(x, ss);
    maas_move_strides(y, ds);
    count = maas_tensor_count(&s->in[SLICE_STARTS]);

    for (int64_t i = 0; i < count; i++) {
        a = slice_given(s, SLICE_AXES)
            ? (int) maas_move_int(&s->in[SLICE_AXES], i) : (int) i;
        a = a < 0 ? a + x->rank : a;
        step = slice_given(s, SLICE_STEPS)
               ? maas_move_int(&s->in[SLICE_STEPS], i) : 1;

        if (a < 0 || a >= x->rank || step == 0) {
            return maas_err(slot->err, MAAS_EINVAL,
                            "axis %d or step %lld was not planned", a,
                            (long long) step);
        }

        slice_range(x->dims[a], maas_move_int(&s->in[SLICE_STARTS], i),
                    maas_move_int(&s->in[SLICE_ENDS], i), step, &from, &n);

        if (n != y->dims[a]) {
            return maas_err(slot->err, MAAS_EINVAL, "the slice of axis %d "
                            "has %lld items, %lld were planned", a,
                            (long long) n, (long long) y->dims[a]);
        }

        if (n > 0) {
            src += from * ss[a];
        }

        ss[a] = n > 1 ? ss[a] * step : ss[a];
    }

    maas_move_init(&m, x->dtype);

    for (int i = 0; i < y->rank; i++) {
        maas_move_axis(&m, y->dims[i], ds[i], ss[i]);
    }

    maas_move_close(&m);
    maas_move_run(&m, s->k, y->data, src,
                  maas_move_start(m.count, s->units, first),
                  maas_move_start(m.count, s->units, last));

    return MAAS_OK;
}


/* Before opset 10 starts, ends and axes are attributes. */
static maas_status_t
slice_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) err;

    if (opset >= 10) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_raw_attr_to_input(im, n, "starts", SLICE_STARTS));
    MAAS_TRY(maas_raw_attr_to_input(im, n, "ends", SLICE_ENDS));

    return maas_raw_attr_to_input(im, n, "axes", SLICE_AXES);
}


/* -- rows ---------------------------------------------------------------- */

#define SLICE_INT  (MAAS_D(I32) | MAAS_D(I64))

static const maas_formal_t  slice_in[] = {
    { "data", MAAS_D_FIXED, 'T', 0 },
    { "starts", SLICE_INT, 'I', 0 },
    { "ends", SLICE_INT, 'I', 0 },
    { "axes", SLICE_INT, 'I', MAAS_OPT },
    { "steps", SLICE_INT, 'I', MAAS_OPT }
};

static const maas_formal_t  slice_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};

static const maas_kernel_row_t  slice_kernel[] = {
    { .id = "slice.move", .setup = slice_setup, .run = slice_run }
};

static const maas_case_t  slice_cases[] = {
    { "| f32[20,10,5] =i64[2]{0,0} =i64[2]{3,10} =i64[2]{0,1} "
      "=i64[2]{1,1}", NULL },
    { "| f32[20,10,5] =i64[2]{0,0} =i64[2]{3,-1}", NULL },
    { "| f16[20,10,5] =i64[1]{-1} =i64[1]{-9223372036854775807} "
      "=i64[1]{0} =i64[1]{-1}", NULL },
    { "| u8[7,9] =i32[2]{6,-2} =i32[2]{0,0} =i32[2]{0,-1} "
      "=i32[2]{-2,-3}", NULL },
    { "| f64[4,6] =i64[1]{1} =i64[1]{1000} =i64[1]{1} =i64[1]{2}", NULL },
    { "| f32[4,6] =i64[1]{5} =i64[1]{2} =i64[1]{1}", NULL },
    { "| f32[0,6] =i64[1]{0} =i64[1]{4}", NULL },
    { "| f32[0,6] =i64[1]{-1} =i64[1]{-9} =i64[1]{0} =i64[1]{-1}", NULL },
    { "| f32[300,301] =i64[2]{299,300} =i64[2]{-999,-999} =i64[2]{0,1} "
      "=i64[2]{-1,-1}", NULL },
    { "| f32[] =i64[0] =i64[0]", NULL },
    { "| i64[9] i64[1]{2} i64[1]{8} - i64[1]{3}", NULL },
    { NULL, NULL }
};

static const maas_case_t  slice_bad[] = {
    { "| f32[4] =i64[1]{0} =i64[1]{2} =i64[1]{0} =i64[1]{0}", "is 0" },
    { "| f32[4] =i64[1]{0} =i64[1]{2} =i64[1]{1}",
      "axis 1 is out of range" },
    { "| f32[4,4] =i64[2]{0,0} =i64[2]{2,2} =i64[2]{1,-1}",
      "axis 1 is named twice" },
    { "| f32[4,4] =i64[2]{0,0} =i64[1]{2}", "ends has 1 elements" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_slice[] = {
    {
        .name = "Slice", .domain = "", .since = 13, .first = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(slice_in, slice_out),
        .upgrade = slice_upgrade,
        .infer = slice_infer,
        MAAS_KERNELS(slice_kernel),
        .grad = maas_grad_slice,
        .cases = slice_cases, .bad = slice_bad
    },
    { .name = NULL }
};
