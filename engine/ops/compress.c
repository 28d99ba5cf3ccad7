/*
 * Compress: the slices of an axis where the condition is true; without an
 * axis the elements of the flattened input.  A condition that is shorter
 * than the axis selects nothing behind its end.
 *
 * Ownership: nothing is allocated.  Threads: a unit is some of the outer
 * items; the flattened input is one.
 */

#include "ops/gather.h"


typedef struct {
    int64_t  axis;
} compress_attr_t;

#define COMPRESS_FLAT  INT64_MIN

typedef struct {
    int64_t      outer;
    int64_t      n;             /* extent of the axis */
    int64_t      bytes;         /* of a slice of an outer item */
    int64_t      words;         /* of the condition, at most n */
} compress_view_t;


static void
compress_view(compress_view_t *v, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *condition)
{
    int      at;
    int64_t  axis = ((const compress_attr_t *) attr)->axis;

    v->outer = 1;
    v->n = maas_tensor_count(x);
    v->bytes = (int64_t) maas_dtype_size(x->dtype);

    if (axis != COMPRESS_FLAT) {
        at = (int) (axis < 0 ? axis + x->rank : axis);
        v->outer = gather_product(x->dims, 0, at);
        v->n = x->dims[at];
        v->bytes *= gather_product(x->dims, at + 1, x->rank);
    }

    v->words = maas_min(condition->dims[0], v->n);
}


static maas_status_t
compress_infer(maas_infer_t *c)
{
    int                 axis = 0, rank = 1;
    int64_t             at = ((const compress_attr_t *) c->attr)->axis;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const int64_t      *extent = maas_infer_extent(c);
    const maas_type_t  *t = c->in[0].type;

    if (c->in[1].type->rank != 1) {
        return maas_err(c->err, MAAS_EINVAL, "condition has rank %d, "
                        "expected 1", c->in[1].type->rank);
    }

    if (at != COMPRESS_FLAT) {
        MAAS_TRY(maas_axis(at, t->rank, &axis, c->err));
        rank = t->rank;
        memcpy(dims, t->dims, (size_t) rank * sizeof(maas_dim_t));
    }

    dims[axis] = extent != NULL ? extent[0] : MAAS_DIM_NONE;
    maas_infer_set(c, 0, t->dtype, rank, dims);

    return extent != NULL ? MAAS_OK : MAAS_INFER_EXTENT;
}


static maas_status_t
compress_extent(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t               n = 0;
    const uint8_t        *c = s->in[1].data;
    compress_view_t       v;

    (void) first;
    (void) last;

    compress_view(&v, s->attr, &s->in[0], &s->in[1]);

    for (int64_t i = 0; i < v.words; i++) {
        n += c[i] != 0;
    }

    for (int64_t i = v.words; i < s->in[1].dims[0]; i++) {
        if (c[i] != 0) {
            return maas_err(slot->err, MAAS_EINVAL, "condition[%lld] is "
                            "true, the input ends at %lld", (long long) i,
                            (long long) v.n);
        }
    }

    *(int64_t *) s->out[0].data = n;
    return MAAS_OK;
}


static bool
compress_setup(maas_setup_t *u)
{
    compress_view_t  v;

    compress_view(&v, u->attr, &u->in[0], &u->in[1]);
    (void) maas_move_setup(u);
    u->units = maas_max(maas_min(u->units, v.outer), 1);
    u->cost += (double) (v.outer * v.words);
    return true;
}


static maas_status_t
compress_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t          o, to, row;
    const char      *x = s->in[0].data;
    const uint8_t   *c = s->in[1].data;
    compress_view_t  v;
    char            *y;

    (void) slot;

    compress_view(&v, s->attr, &s->in[0], &s->in[1]);
    o = maas_move_start(v.outer, s->units, first);
    to = maas_move_start(v.outer, s->units, last);
    row = maas_tensor_count(&s->out[0])
          * (int64_t) maas_dtype_size(s->out[0].dtype)
          / maas_max(v.outer, 1);

    if (row == 0) {
        return MAAS_OK;
    }

    for (; o < to; o++) {
        y = (char *) s->out[0].data + o * row;

        for (int64_t i = 0; i < v.words; i++) {
            if (c[i] != 0) {
                gather_copy(y, x + (o * v.n + i) * v.bytes, v.bytes);
                y += v.bytes;
            }
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  compress_in[] = {
    { "input", MAAS_D_FIXED, 'T', 0 },
    { "condition", MAAS_D(BOOL), 0, 0 }
};

static const maas_formal_t  compress_out[] = {
    { "output", MAAS_D_FIXED, 'T', 0 }
};

static const maas_attr_row_t  compress_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .i = COMPRESS_FLAT,
      .off = offsetof(compress_attr_t, axis) }
};

static const maas_kernel_row_t  compress_kernel[] = {
    { .id = "compress.rows", .setup = compress_setup, .run = compress_run }
};

static const maas_case_t  compress_cases[] = {
    { "axis=0 | f32[3,2] bool[3]{0,1,1}", NULL },
    { "axis=-1 | f64[40,3,5] bool[5]{1,0,0,1,1}", NULL },
    { "axis=1 | u8[70,3,1000] bool[2]{1,1}", NULL },
    { "| f16[3,4] bool[5]{0,1,0,0,1}", NULL },
    { "| i64[3,4] bool[12]", NULL },
    { "| f32[2] bool[4]{0,1,0,0}", NULL },
    { "axis=1 | i16[2,3] bool[0]", NULL },
    { "axis=0 | f32[0,3] bool[0]", NULL },
    { "axis=0 | f32[2,0] bool[2]{1,0}", NULL },
    { "axis=1 | =f32[2,3] =bool[3]{1,0,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  compress_bad[] = {
    { "axis=2 | f32[3,2] bool[2]", "axis 2 is out of range" },
    { "axis=0 | f32[3,2] bool[2,1]", "condition has rank 2, expected 1" },
    { "axis=0 | f32[3,2] bool[4]{0,0,0,1}",
      "condition[3] is true, the input ends at 3" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_compress[] = {
    {
        .name = "Compress", .domain = "", .since = 11, .first = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(compress_in, compress_out),
        MAAS_ATTRS(compress_attrs, compress_attr_t),
        .infer = compress_infer,
        MAAS_KERNELS(compress_kernel),
        .extent = compress_extent, .n_extent = 1,
        .cases = compress_cases, .bad = compress_bad
    },
    { .name = NULL }
};
