/*
 * Concat and Split: rows of one tensor against rows of many, cut along one
 * axis.  Work is divided by bytes of the joined side, whatever the number
 * of rows is.
 */

#include <stdio.h>

#include "ops/concat.h"
#include "ops/grads.h"
#include "ops/move.h"


typedef struct {
    int64_t  axis;
    int64_t  num_outputs;       /* of Split; 0: not given */
} axis_attr_t;


/* Elements before and behind an axis, the latter in bytes. */
static void
cut_extents(const maas_tensor_t *t, int axis, int64_t *outer, int64_t *inner)
{
    *outer = 1;
    *inner = (int64_t) maas_dtype_size(t->dtype);

    for (int i = 0; i < t->rank; i++) {
        if (i < axis) {
            *outer *= t->dims[i];
        } else if (i > axis) {
            *inner *= t->dims[i];
        }
    }
}


/* -- Concat -------------------------------------------------------------- */

/* A vector of the known and symbolic contents of every input. */
static void
concat_values(maas_infer_t *c)
{
    int         n, at = 0;
    maas_dim_t  d, v[MAAS_IVAL_MAX], all[MAAS_IVAL_MAX];

    for (int i = 0; i < c->n_in; i++) {
        d = c->in[i].type->dims[0];

        if (!maas_dim_known(d) || d > MAAS_IVAL_MAX - at) {
            return;
        }

        if (!maas_ival_get(c, i, v, &n)) {
            return;
        }

        memcpy(all + at, v, (size_t) n * sizeof(maas_dim_t));
        at += n;
    }

    maas_ival_set(c, 0, all, at);
}


maas_status_t
maas_concat_infer(maas_infer_t *c, int axis, maas_dtype_t dtype)
{
    char                what[64];
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *t = c->in[0].type, *u;

    memcpy(dims, t->dims, sizeof(dims));

    for (int i = 1; i < c->n_in; i++) {
        u = c->in[i].type;

        if (u->rank != t->rank) {
            return maas_err(c->err, MAAS_EINVAL, "input %d has rank %d, "
                            "input 0 has rank %d", i, u->rank, t->rank);
        }

        for (int d = 0; d < t->rank; d++) {
            if (d == axis) {
                dims[d] = maas_dim_add(c->syms, dims[d], u->dims[d]);
                continue;
            }

            snprintf(what, sizeof(what), "axis %d of inputs 0 and %d", d, i);
            MAAS_TRY(maas_infer_merge(c, dims[d], u->dims[d], &dims[d],
                                      what));
        }
    }

    maas_infer_set(c, 0, dtype, t->rank, dims);
    return MAAS_OK;
}


static maas_status_t
concat_infer(maas_infer_t *c)
{
    int                 axis;
    const maas_type_t  *t = c->in[0].type;
    const axis_attr_t  *a = c->attr;

    if (t->rank == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "scalars have no axis to join along");
    }

    MAAS_TRY(maas_axis(a->axis, t->rank, &axis, c->err));
    MAAS_TRY(maas_concat_infer(c, axis, t->dtype));

    if (t->rank == 1) {
        concat_values(c);
    }

    return MAAS_OK;
}


/* Along channels, where half of the inputs are blocked. */
static bool
concat_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    const axis_attr_t  *a = n->attr;
    int                 have = 0, rank = type[0]->rank;

    if ((a->axis < 0 ? a->axis + rank : a->axis) != 1) {
        return false;
    }

    for (int i = 0; i < n->n_in; i++) {
        if (type[i]->rank != rank || !maas_dim_known(type[i]->dims[1])) {
            return false;
        }

        have += b->in >> i & 1;
    }

    b->op = "ConcatBlocked";
    b->in = (uint32_t) ((1ull << n->n_in) - 1);
    return have > 0 && have * 2 >= n->n_in;
}


/* One row of the output, bytes [at, at + n). */
static void
concat_row(const maas_step_t *s, int axis, int64_t inner, int64_t row,
    int64_t at, int64_t n, char *dst)
{
    int64_t      size, len;
    const char  *src;

    for (int i = 0; i < s->n_formal && n > 0; i++) {
        size = s->in[i].dims[axis] * inner;

        if (at >= size) {
            at -= size;
            continue;
        }

        len = maas_min(n, size - at);
        src = (const char *) s->in[i].data + row * size + at;

        if (src != dst) {
            memcpy(dst, src, (size_t) len);
        }

        dst += len;
        n -= len;
        at = 0;
    }
}


/* Whole rows of `size` bytes, from number `row` on, one input at a time. */
static void
concat_rows(const maas_step_t *s, int axis, int64_t inner, int64_t size,
    int64_t row, int64_t rows, char *dst)
{
    int64_t      len;
    const char  *src;

    for (int i = 0; i < s->n_formal; i++) {
        len = s->in[i].dims[axis] * inner;
        src = (const char *) s->in[i].data + row * len;

        if (len > 0 && src != dst) {
            maas_move_block(dst, size, src, len, len, rows);
        }

        dst += len;
    }
}


static bool
concat_setup(maas_setup_t *u)
{
    int                 axis;
    int64_t             outer, inner;
    const axis_attr_t  *a = u->attr;

    axis = (int) (a->axis < 0 ? a->axis + u->out[0].rank : a->axis);
    cut_extents(&u->out[0], axis, &outer, &inner);
    u->slices = outer == 1 && u->n_post == 0;

    return maas_move_setup(u);
}


static maas_status_t
concat_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    char                 *dst = s->out[0].data;
    int64_t               outer, inner, size, from, to, n;
    const axis_attr_t    *a = s->attr;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    axis = (int) (a->axis < 0 ? a->axis + y->rank : a->axis);
    cut_extents(y, axis, &outer, &inner);
    size = y->dims[axis] * inner;

    from = maas_move_start(outer * size, s->units, first);
    to = maas_move_start(outer * size, s->units, last);

    while (from < to) {
        if (from % size == 0 && to - from >= size) {
            n = (to - from) / size;
            concat_rows(s, axis, inner, size, from / size, n, dst + from);
            from += n * size;
            continue;
        }

        n = maas_min(size - from % size, to - from);
        concat_row(s, axis, inner, from / size, from % size, n, dst + from);
        from += n;
    }

    return MAAS_OK;
}


/* -- Split --------------------------------------------------------------- */

/* With num_outputs the last part may be smaller than the others. */
static maas_status_t
split_equal(maas_infer_t *c, maas_dim_t dim, maas_dim_t *parts)
{
    int                 n = c->n_out;
    maas_dim_t          size;
    const axis_attr_t  *a = c->attr;

    if (a->num_outputs != 0 && a->num_outputs != n) {
        return maas_err(c->err, MAAS_EINVAL, "num_outputs is %lld, but there "
                        "are %d outputs", (long long) a->num_outputs, n);
    }

    if (maas_dim_known(dim) && dim % n != 0 && a->num_outputs == 0) {
        return maas_err(c->err, MAAS_EINVAL, "extent %lld does not divide "
                        "into %d equal parts", (long long) dim, n);
    }

    size = maas_dim_ceil(c->syms, dim, n);

    for (int i = 0; i < n; i++) {
        parts[i] = size;
    }

    if (a->num_outputs != 0) {
        parts[n - 1] = maas_dim_sub(c->syms, dim,
                                    maas_dim_mul(c->syms, size, n - 1));
    }

    if (maas_dim_known(parts[n - 1]) && parts[n - 1] < 0) {
        return maas_err(c->err, MAAS_EINVAL, "extent %lld gives no %d parts "
                        "of %lld", (long long) dim, n, (long long) size);
    }

    return MAAS_OK;
}


static maas_status_t
split_given(maas_infer_t *c, maas_dim_t dim, maas_dim_t *parts)
{
    int         n;
    maas_dim_t  sum = 0, v[MAAS_IVAL_MAX];

    MAAS_TRY(maas_ival_vector(c, 1, "split", MAAS_IVAL_MAX, v, &n));

    if (n != c->n_out) {
        return maas_err(c->err, MAAS_EINVAL, "split has %d parts for %d "
                        "outputs", n, c->n_out);
    }

    for (int i = 0; i < n; i++) {
        if (maas_dim_known(v[i]) && v[i] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "part %d is %lld, expected "
                            "0 or more", i, (long long) v[i]);
        }

        parts[i] = v[i];
        sum = maas_dim_add(c->syms, sum, v[i]);
    }

    if (maas_dim_known(sum) && maas_dim_known(dim) && sum != dim) {
        return maas_err(c->err, MAAS_EINVAL, "the parts sum to %lld, the "
                        "axis has extent %lld", (long long) sum,
                        (long long) dim);
    }

    return MAAS_OK;
}


static maas_status_t
split_infer(maas_infer_t *c)
{
    int                 axis;
    maas_dim_t          dims[MAAS_RANK_MAX], parts[MAAS_IVAL_MAX];
    maas_dim_t          v[MAAS_IVAL_MAX];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;
    const axis_attr_t  *a = c->attr;
    int                 n, at = 0;
    bool                values;

    MAAS_TRY(maas_axis(a->axis, t->rank, &axis, c->err));

    if (c->n_out > MAAS_IVAL_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "%d outputs, at most %d "
                        "are supported", c->n_out, MAAS_IVAL_MAX);
    }

    for (int i = 0; i < c->n_out; i++) {
        parts[i] = MAAS_DIM_NONE;
    }

    rc = maas_infer_has(c, 1) ? split_given(c, t->dims[axis], parts)
                              : split_equal(c, t->dims[axis], parts);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    values = t->rank == 1 && maas_ival_get(c, 0, v, &n);
    memcpy(dims, t->dims, sizeof(dims));

    for (int i = 0; i < c->n_out; i++) {
        dims[axis] = parts[i];
        maas_infer_set(c, i, t->dtype, t->rank, dims);

        values = values && maas_dim_known(parts[i]) && parts[i] <= n - at;

        if (values) {
            maas_ival_set(c, i, v + at, (int) parts[i]);
            at += (int) parts[i];
        }
    }

    return rc;
}


static int64_t
split_part(const maas_step_t *s, int axis, int i)
{
    int64_t  n;

    if (s->n_formal > 1 && s->in[1].dtype != MAAS_NODTYPE) {
        return maas_move_int(&s->in[1], i);
    }

    n = (s->in[0].dims[axis] + s->n_out - 1) / s->n_out;

    return i < s->n_out - 1 ? n : s->in[0].dims[axis] - n * (s->n_out - 1);
}


/* The plan's shapes and the contents of `split` must agree. */
static maas_status_t
split_check(const maas_step_t *s, maas_slot_t *slot, int axis)
{
    int64_t  n, left = s->in[0].dims[axis];

    for (int i = 0; i < s->n_out; i++) {
        n = split_part(s, axis, i);

        if (n < 0 || n > left || (s->out[i].dtype != MAAS_NODTYPE
                                  && s->out[i].dims[axis] != n))
        {
            return maas_err(slot->err, MAAS_EINVAL,
                            "part %d is %lld, not what was planned", i,
                            (long long) n);
        }

        left -= n;
    }

    return MAAS_OK;
}


/* One row of the input, bytes [at, at + n). */
static void
split_row(const maas_step_t *s, int axis, int64_t inner, int64_t row,
    int64_t at, int64_t n, const char *src)
{
    char     *dst;
    int64_t   size, len;

    for (int i = 0; i < s->n_out && n > 0; i++) {
        size = split_part(s, axis, i) * inner;

        if (at >= size) {
            at -= size;
            continue;
        }

        len = maas_min(n, size - at);
        dst = s->out[i].data;

        if (dst != NULL && s->out[i].dtype != MAAS_NODTYPE) {
            memcpy(dst + row * size + at, src, (size_t) len);
        }

        src += len;
        n -= len;
        at = 0;
    }
}


/* Whole rows of `size` bytes, from number `row` on, one part at a time. */
static void
split_rows(const maas_step_t *s, int axis, int64_t inner, int64_t size,
    int64_t row, int64_t rows, const char *src)
{
    char     *dst;
    int64_t   len;

    for (int i = 0; i < s->n_out; i++) {
        len = split_part(s, axis, i) * inner;
        dst = s->out[i].data;

        if (len > 0 && dst != NULL && s->out[i].dtype != MAAS_NODTYPE) {
            maas_move_block(dst + row * len, len, src, size, len, rows);
        }

        src += len;
    }
}


static bool
split_setup(maas_setup_t *u)
{
    int                   axis;
    int64_t               outer, inner;
    const axis_attr_t    *a = u->attr;
    const maas_tensor_t  *x = &u->in[0];

    axis = (int) (a->axis < 0 ? a->axis + x->rank : a->axis);
    cut_extents(x, axis, &outer, &inner);

    /* Parts that only the run tells are checked by it. */
    u->cuts = outer == 1 && (u->n_formal < 2
                             || u->in[1].dtype == MAAS_NODTYPE
                             || u->in[1].data != NULL);

    return maas_move_setup(u);
}


static maas_status_t
split_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    int64_t               outer, inner, size, from, to, n;
    const char           *src = s->in[0].data;
    const axis_attr_t    *a = s->attr;
    const maas_tensor_t  *x = &s->in[0];

    axis = (int) (a->axis < 0 ? a->axis + x->rank : a->axis);
    MAAS_TRY(split_check(s, slot, axis));

    cut_extents(x, axis, &outer, &inner);
    size = x->dims[axis] * inner;

    from = maas_move_start(outer * size, s->units, first);
    to = maas_move_start(outer * size, s->units, last);

    while (from < to) {
        if (from % size == 0 && to - from >= size) {
            n = (to - from) / size;
            split_rows(s, axis, inner, size, from / size, n, src + from);
            from += n * size;
            continue;
        }

        n = maas_min(size - from % size, to - from);
        split_row(s, axis, inner, from / size, from % size, n, src + from);
        from += n;
    }

    return MAAS_OK;
}


static maas_status_t
split_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) err;

    return opset < 13 ? maas_raw_attr_to_input(im, n, "split", 1) : MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  concat_in[] = {
    { "inputs", MAAS_D_FIXED, 'T', MAAS_VARIADIC }
};

static const maas_formal_t  concat_out[] = {
    { "concat_result", MAAS_D_FIXED, 'T', 0 }
};

static const maas_formal_t  split_in[] = {
    { "input", MAAS_D_FIXED, 'T', 0 },
    { "split", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  split_out[] = {
    { "outputs", MAAS_D_FIXED, 'T', MAAS_VARIADIC }
};


static const maas_attr_row_t  concat_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .required = true,
      .off = offsetof(axis_attr_t, axis) }
};

static const maas_attr_row_t  split_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(axis_attr_t, axis) },
    { .name = "num_outputs", .type = MAAS_ATTR_INT, .min = 0,
      .max = INT32_MAX, .off = offsetof(axis_attr_t, num_outputs) }
};


static const maas_kernel_row_t  concat_kernel[] = {
    { .id = "concat.rows", .setup = concat_setup, .run = concat_run }
};

static const maas_kernel_row_t  split_kernel[] = {
    { .id = "split.rows", .setup = split_setup, .run = split_run }
};


static const maas_case_t  concat_cases[] = {
    { "axis=0 | f32[2,3] f32[4,3]", NULL },
    { "axis=1 | f32[2,3] f32[2,5] f32[2,1]", NULL },
    { "axis=-1 | f16[3,2,5] f16[3,2,7]", NULL },
    { "axis=1 | u8[5,3,9] u8[5,0,9] u8[5,4,9]", NULL },
    { "axis=0 | i64[3]", NULL },
    { "axis=0 | bool[0] bool[0]", NULL },
    { "axis=1 | f64[70,300] f64[70,131]", NULL },
    { NULL, NULL }
};

static const maas_case_t  concat_bad[] = {
    { "axis=2 | f32[2,3] f32[2,3]", "axis 2 is out of range" },
    { "axis=1 | f32[2,3] f32[3,3]", "axis 0 of inputs 0 and 1" },
    { "axis=0 | f32[2,3] f32[2]", "input 1 has rank 1" },
    { "axis=0 | f32[] f32[]", "no axis" },
    { NULL, NULL }
};

static const maas_case_t  split_cases[] = {
    { "axis=1 | f32[3,4]", NULL },
    { "| f16[5,3] =i64[1]{5}", NULL },
    { "axis=-1 | i8[2,0]", NULL },
    { "axis=-1 | u64[700,31]", NULL },
    { "axis=1 num_outputs=1 | f32[3,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  split_bad[] = {
    { "axis=1 | f32[3,4] =i64[1]{3}", "sum to 3" },
    { "axis=1 | f32[3,4] =i64[2]{2,2}", "2 parts for 1 outputs" },
    { "axis=4 | f32[3,4]", "axis 4 is out of range" },
    { "num_outputs=3 | f32[3,4]", "num_outputs is 3, but there are 1" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_concat_split[] = {
    {
        .name = "Concat", .domain = "", .since = 13, .first = 4,
        .flags = MAAS_OP_PURE,
        MAAS_IO(concat_in, concat_out),
        MAAS_ATTRS(concat_attrs, axis_attr_t),
        .infer = concat_infer,
        MAAS_KERNELS(concat_kernel), .blocked = concat_blocked,
        .grad = maas_grad_concat,
        .cases = concat_cases, .bad = concat_bad
    },
    {
        .name = "Split", .domain = "", .since = 18, .first = 2,
        .flags = MAAS_OP_PURE,
        MAAS_IO(split_in, split_out),
        MAAS_ATTRS(split_attrs, axis_attr_t),
        .upgrade = split_upgrade,
        .infer = split_infer,
        MAAS_KERNELS(split_kernel),
        .grad = maas_grad_split,
        .cases = split_cases, .bad = split_bad
    },
    { .name = NULL }
};
