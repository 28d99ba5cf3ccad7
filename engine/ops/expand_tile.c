/*
 * Expand and Tile: copies that repeat their source, by strides of zero.
 * run() needs shapes only, not the contents of `shape` or `repeats`.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent.
 */

#include "ops/grads.h"
#include "ops/move.h"


static maas_status_t
expand_dim(maas_infer_t *c, maas_dim_t a, maas_dim_t b, int axis,
    maas_dim_t *out)
{
    if (maas_dim_known(b) && b < 0) {
        return maas_err(c->err, MAAS_EINVAL, "shape has %lld, expected 0 or "
                        "more", (long long) b);
    }

    if (a == 1 || a == b) {
        *out = b;

    } else if (b == 1) {
        *out = a;

    } else if (maas_dim_known(a) && maas_dim_known(b)) {
        return maas_err(c->err, MAAS_EINVAL, "axis %d of the output: extent "
                        "%lld does not expand to %lld", axis, (long long) a,
                        (long long) b);
    } else {
        *out = maas_dim_known(a) ? a : maas_dim_known(b) ? b : MAAS_DIM_NONE;
    }

    return MAAS_OK;
}


/* One value repeated, or all of them as they were. */
static void
expand_values(maas_infer_t *c, const maas_dim_t *dims, int rank)
{
    int         n;
    int64_t     count;
    maas_dim_t  v[MAAS_IVAL_MAX];

    count = maas_ival_product(c, dims, rank);

    if (!maas_dim_known(count) || count > MAAS_IVAL_MAX
        || !maas_ival_get(c, 0, v, &n) || (n != 1 && n != count))
    {
        return;
    }

    for (int64_t i = n; i < count; i++) {
        v[i] = v[0];
    }

    maas_ival_set(c, 0, v, (int) count);
}


static maas_status_t
expand_infer(maas_infer_t *c)
{
    int                 n, rank, in, at;
    maas_dim_t          v[MAAS_IVAL_MAX], dims[MAAS_RANK_MAX];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;

    rc = maas_ival_vector(c, 1, "shape", MAAS_RANK_MAX, v, &n);

    if (n == -1) {
        return rc;
    }

    rank = maas_max(n, t->rank);

    for (int i = 0; i < rank; i++) {
        in = i - (rank - t->rank);
        at = i - (rank - n);

        MAAS_TRY(expand_dim(c, in < 0 ? 1 : t->dims[in], at < 0 ? 1 : v[at],
                            i, &dims[i]));
    }

    maas_infer_set(c, 0, t->dtype, rank, dims);
    expand_values(c, dims, rank);

    return rc;
}


static void
repeat_run(const maas_step_t *s, maas_move_t *m, int64_t first, int64_t last)
{
    maas_move_close(m);
    maas_move_run(m, s->k, s->out[0].data, s->in[0].data,
                  maas_move_start(m->count, s->units, first),
                  maas_move_start(m->count, s->units, last));
}


static maas_status_t
expand_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   off;
    int64_t               ss[MAAS_RANK_MAX], ds[MAAS_RANK_MAX];
    maas_move_t           m;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    (void) slot;

    off = y->rank - x->rank;
    maas_move_strides(x, ss);
    maas_move_strides(y, ds);
    maas_move_init(&m, x->dtype);

    for (int i = 0; i < y->rank; i++) {
        maas_move_axis(&m, y->dims[i], ds[i],
                       i < off || x->dims[i - off] == 1 ? 0 : ss[i - off]);
    }

    repeat_run(s, &m, first, last);

    return MAAS_OK;
}


static maas_status_t
tile_infer(maas_infer_t *c)
{
    int                 n;
    maas_dim_t          v[MAAS_IVAL_MAX], dims[MAAS_RANK_MAX];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;

    rc = maas_ival_vector(c, 1, "repeats", MAAS_RANK_MAX, v, &n);

    if (rc == MAAS_NEED && n == -1) {
        maas_infer_rank(c, t);
    }

    if (n == -1) {
        return rc;
    }

    if (n != t->rank) {
        return maas_err(c->err, MAAS_EINVAL, "repeats has %d elements, the "
                        "input has rank %d", n, t->rank);
    }

    for (int i = 0; i < n; i++) {
        if (maas_dim_known(v[i]) && v[i] < 0) {
            return maas_err(c->err, MAAS_EINVAL, "repeats has %lld, expected "
                            "0 or more", (long long) v[i]);
        }

        dims[i] = maas_dim_mul(c->syms, t->dims[i], v[i]);
    }

    maas_infer_set(c, 0, t->dtype, t->rank, dims);

    if (t->rank == 1) {
        expand_values(c, dims, 1);
    }

    return rc;
}


static maas_status_t
tile_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t               ss[MAAS_RANK_MAX], ds[MAAS_RANK_MAX];
    maas_move_t           m;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    (void) slot;

    if (maas_tensor_count(y) == 0) {
        return MAAS_OK;
    }

    maas_move_strides(x, ss);
    maas_move_strides(y, ds);
    maas_move_init(&m, x->dtype);

    for (int i = 0; i < y->rank; i++) {
        maas_move_axis(&m, y->dims[i] / x->dims[i], ds[i] * x->dims[i], 0);
        maas_move_axis(&m, x->dims[i], ds[i], ss[i]);
    }

    repeat_run(s, &m, first, last);

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  expand_in[] = {
    { "input", MAAS_D_FIXED, 'T', 0 },
    { "shape", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  tile_in[] = {
    { "input", MAAS_D_FIXED, 'T', 0 },
    { "repeats", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  repeat_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};

static const maas_kernel_row_t  expand_kernel[] = {
    { .id = "expand.move", .setup = maas_move_setup, .run = expand_run }
};

static const maas_kernel_row_t  tile_kernel[] = {
    { .id = "tile.move", .setup = maas_move_setup, .run = tile_run }
};

static const maas_case_t  expand_cases[] = {
    { "| f32[3,1] =i64[3]{2,1,6}", NULL },
    { "| f32[3,1] =i64[2]{3,4}", NULL },
    { "| f16[1,5,1] =i64[3]{4,1,7}", NULL },
    { "| u8[] =i64[2]{3,17}", NULL },
    { "| f64[4,3] =i64[1]{1}", NULL },
    { "| i64[1,3] =i64[2]{0,3}", NULL },
    { "| f32[1,131,1] =i64[3]{5,131,37}", NULL },
    { "| f32[3] =i64[0]", NULL },
    { "| bool[1] i64[1]{9}", NULL },
    { NULL, NULL }
};

static const maas_case_t  expand_bad[] = {
    { "| f32[3] =i64[1]{4}", "extent 3 does not expand to 4" },
    { "| f32[3] =i64[1]{-1}", "expected 0 or more" },
    { NULL, NULL }
};

static const maas_case_t  tile_cases[] = {
    { "| f32[2,3] =i64[2]{2,2}", NULL },
    { "| u8[2,3,4] =i64[3]{3,1,5}", NULL },
    { "| f16[1,7] =i64[2]{5,1}", NULL },
    { "| f64[3] =i64[1]{0}", NULL },
    { "| f32[0,2] =i64[2]{3,3}", NULL },
    { "| i32[] =i64[0]", NULL },
    { "| i16[2,1,3,1,2] =i64[5]{1,2,3,2,1}", NULL },
    { "| f32[33,65] =i64[2]{3,5}", NULL },
    { NULL, NULL }
};

static const maas_case_t  tile_bad[] = {
    { "| f32[2,3] =i64[1]{2}", "repeats has 1 elements" },
    { "| f32[2] =i64[1]{-2}", "expected 0 or more" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_expand_tile[] = {
    {
        .name = "Expand", .domain = "", .since = 13, .first = 8,
        .flags = MAAS_OP_PURE,
        MAAS_IO(expand_in, repeat_out),
        .infer = expand_infer,
        MAAS_KERNELS(expand_kernel),
        .grad = maas_grad_expand,
        .cases = expand_cases, .bad = expand_bad
    },
    {
        .name = "Tile", .domain = "", .since = 13, .first = 6,
        .flags = MAAS_OP_PURE,
        MAAS_IO(tile_in, repeat_out),
        .infer = tile_infer,
        MAAS_KERNELS(tile_kernel),
        .grad = maas_grad_tile,
        .cases = tile_cases, .bad = tile_bad
    },
    { .name = NULL }
};
