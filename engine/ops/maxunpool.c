/*
 * MaxUnpool-11: the items of X at the places that MaxPool's indices name,
 * zeros elsewhere.  Indices count in the output that kernel, strides and
 * pads give; with output_shape that output lies in the corner of a larger
 * one.  Of items with one place the last wins.
 *
 * Ownership: nothing is allocated.  Threads: one unit, since indices may
 * point anywhere.
 */

#include "ops/move.h"
#include "ops/window.h"


static maas_status_t
unpool_natural(maas_infer_t *c, maas_dim_t *dims)
{
    maas_dim_t          d;
    maas_window_t       w;
    const maas_type_t  *t = c->in[0].type;

    memset(&w, 0, sizeof(w));
    MAAS_TRY(maas_window_attrs(&w, c->attr, NULL, t->rank - 2, c->err));
    memcpy(dims, t->dims, (size_t) t->rank * sizeof(maas_dim_t));

    for (int i = 0; i < w.nd; i++) {
        d = maas_dim_mul(c->syms, maas_dim_sub(c->syms, t->dims[i + 2], 1),
                         w.s[i]);
        d = maas_dim_add(c->syms, d, w.k[i] - w.p0[i] - w.p1[i]);
        dims[i + 2] = d;

        if (maas_dim_known(d) && (d < 0 || d > INT32_MAX)) {
            return maas_err(c->err, MAAS_EINVAL, "axis %d of the output "
                            "would have %lld elements", i + 2,
                            (long long) d);
        }
    }

    return MAAS_OK;
}


static maas_status_t
unpool_infer(maas_infer_t *c)
{
    int                 n;
    maas_dim_t          dims[MAAS_RANK_MAX], v[MAAS_RANK_MAX], same;
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type, *ix = c->in[1].type;

    if (t->rank < 3 || ix->rank != t->rank) {
        return maas_err(c->err, MAAS_EINVAL, "X has rank %d, I rank %d, "
                        "expected 3 or more and the same", t->rank, ix->rank);
    }

    for (int i = 0; i < t->rank; i++) {
        MAAS_TRY(maas_infer_merge(c, t->dims[i], ix->dims[i], &same,
                                  "an axis of X and I"));
    }

    MAAS_TRY(unpool_natural(c, dims));

    if (!maas_infer_has(c, 2)) {
        maas_infer_set(c, 0, t->dtype, t->rank, dims);
        return MAAS_OK;
    }

    rc = maas_ival_vector(c, 2, "output_shape", MAAS_RANK_MAX, v, &n);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    if (n != -1 && n != t->rank) {
        return maas_err(c->err, MAAS_EINVAL, "output_shape has %d values, "
                        "expected %d", n, t->rank);
    }

    for (int i = 0; i < t->rank; i++) {
        v[i] = n == -1 ? MAAS_DIM_NONE : v[i];

        if (maas_dim_known(v[i])
            && (v[i] < 0 || (maas_dim_known(dims[i]) && v[i] < dims[i])))
        {
            return maas_err(c->err, MAAS_EINVAL, "output_shape[%d] is %lld, "
                            "expected %lld or more", i, (long long) v[i],
                            (long long) (maas_dim_known(dims[i]) ? dims[i]
                                                                 : 0));
        }
    }

    maas_infer_set(c, 0, t->dtype, t->rank, v);
    return rc;
}


static bool
unpool_setup(maas_setup_t *u)
{
    u->cost = 50 + (double) maas_tensor_count(&u->out[0])
              + (double) maas_tensor_count(&u->in[0]) * 4;
    return true;
}


/* The output without output_shape; infer() checked the attributes. */
static maas_status_t
unpool_dims(const maas_step_t *s, maas_slot_t *slot, int64_t *dims)
{
    maas_window_t         w;
    const maas_tensor_t  *x = &s->in[0];

    memset(&w, 0, sizeof(w));
    MAAS_TRY(maas_window_attrs(&w, s->attr, NULL, x->rank - 2, slot->err));
    memcpy(dims, x->dims, sizeof(x->dims));

    for (int i = 0; i < w.nd; i++) {
        dims[i + 2] = (x->dims[i + 2] - 1) * w.s[i] + w.k[i] - w.p0[i]
                      - w.p1[i];
    }

    return MAAS_OK;
}


static maas_status_t
unpool_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char                 *dst = s->out[0].data;
    size_t                size = maas_dtype_size(s->in[0].dtype);
    int64_t               n, total, v, at, dims[MAAS_RANK_MAX];
    int64_t               strides[MAAS_RANK_MAX];
    const char           *src = s->in[0].data;
    const maas_tensor_t  *y = &s->out[0];

    (void) first;
    (void) last;

    MAAS_TRY(unpool_dims(s, slot, dims));
    total = maas_dims_count(dims, y->rank);
    maas_dims_strides(y->dims, y->rank, strides);
    memset(dst, 0, (size_t) maas_tensor_count(y) * size);
    n = maas_tensor_count(&s->in[0]);

    for (int64_t i = 0; i < n; i++) {
        v = maas_move_int(&s->in[1], i);

        if (v < 0 || v >= total) {
            return maas_err(slot->err, MAAS_EINVAL, "index %lld at %lld of "
                            "I, expected 0 to %lld", (long long) v,
                            (long long) i, (long long) (total - 1));
        }

        at = 0;

        for (int d = y->rank - 1; d >= 0; d--) {
            at += v % dims[d] * strides[d];
            v /= dims[d];
        }

        memcpy(dst + (size_t) at * size, src + (size_t) i * size, size);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  unpool_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "I", MAAS_D(I64), 0, 0 },
    { "output_shape", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  unpool_out[] = {
    { "output", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_attr_row_t  unpool_attrs[] = {
    MAAS_WINDOW_LIST(kernel_shape),
    MAAS_WINDOW_LIST(pads),
    MAAS_WINDOW_LIST(strides)
};

static const maas_kernel_row_t  unpool_kernel[] = {
    { .id = "maxunpool.scatter", .setup = unpool_setup, .run = unpool_run }
};

static const maas_case_t  unpool_cases[] = {
    { "kernel_shape=[2,2] strides=[2,2] | f32[1,1,2,2] "
      "i64[1,1,2,2]{5,7,13,15}", NULL },
    { "kernel_shape=[2,2] strides=[2,2] | f32[1,1,2,2] "
      "i64[1,1,2,2]{5,7,13,15} =i64[4]{1,1,5,5}", NULL },
    { "kernel_shape=[2] strides=[2] | f64[2,2,2] "
      "i64[2,2,2]{0,3,5,7,9,11,12,15} i64[3]{2,2,5}", NULL },
    { "kernel_shape=[3] pads=[1,1] | f32[1,1,3] i64[1,1,3]{0,0,2}", NULL },
    { "kernel_shape=[2] | f16[1,1,2] i64[1,1,2]{1,2}", NULL },
    { "kernel_shape=[2] | f32[0,1,2] i64[0,1,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  unpool_bad[] = {
    { "kernel_shape=[2] | f32[1,1,2] i64[1,1,2]{1,3}",
      "index 3 at 1 of I, expected 0 to 2" },
    { "kernel_shape=[2] | f32[1,1,2] i64[1,1,2]{1,2} =i64[3]{1,1,2}",
      "output_shape[2] is 2, expected 3" },
    { "kernel_shape=[2] | f32[1,1,2] i64[1,1,2]{1,2} =i64[1]{9}",
      "output_shape has 1 values" },
    { "kernel_shape=[2] | f32[1,2] i64[1,2]{1,2}", "X has rank 2" },
    { "kernel_shape=[1] pads=[1,1] | f32[1,1,1] i64[1,1,1]",
      "would have -1 elements" },
    { "kernel_shape=[2] | f32[1,1,2] i64[1,1,3]", "an axis of X and I" },
    { "| f32[1,1,2] i64[1,1,2]", "kernel_shape" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_maxunpool[] = {
    {
        .name = "MaxUnpool", .domain = "", .since = 11, .first = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(unpool_in, unpool_out),
        MAAS_ATTRS(unpool_attrs, maas_window_attr_t),
        .infer = unpool_infer,
        MAAS_KERNELS(unpool_kernel),
        .cases = unpool_cases, .bad = unpool_bad
    },
    { .name = NULL }
};
