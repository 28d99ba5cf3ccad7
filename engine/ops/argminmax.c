/*
 * argminmax: ArgMax and ArgMin along one axis.  A NaN counts as the
 * extreme, as in NumPy; of equal values the first is taken, or the last
 * with select_last_index.
 *
 * The input is seen as [outer, n, inner]; blocks of inner columns keep
 * their best values on the stack while n rows pass.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#include "ops/ops_common.h"


#define ARG_BLOCK  64

typedef struct {
    int64_t  axis;
    int64_t  keepdims;
    int64_t  last;
} arg_attr_t;

static const maas_attr_row_t  arg_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(arg_attr_t, axis) },
    { .name = "keepdims", .type = MAAS_ATTR_INT,
      .off = offsetof(arg_attr_t, keepdims), .i = 1, .min = 0, .max = 1 },
    { .name = "select_last_index", .type = MAAS_ATTR_INT,
      .off = offsetof(arg_attr_t, last), .min = 0, .max = 1 }
};


/* cols columns of n rows, `inner` apart; the best rows go to y. */
typedef void (*arg_block_pt)(int64_t *y, const void *x, int64_t n,
    int64_t inner, int64_t cols, bool last);

/* better: v beats w.  Ties and NaN of both go by `last`. */
#define ARG_LOOP(name, D, type, better)                                       \
    static void                                                               \
    name##_##D(int64_t *y, const void *x, int64_t n, int64_t inner,           \
        int64_t cols, bool last)                                              \
    {                                                                         \
        type         best[ARG_BLOCK];                                         \
        const type  *p = x;                                                   \
                                                                              \
        memcpy(best, p, (size_t) cols * sizeof(type));                        \
        memset(y, 0, (size_t) cols * sizeof(int64_t));                        \
                                                                              \
        for (int64_t i = 1; i < n; i++) {                                     \
            p += inner;                                                       \
                                                                              \
            for (int64_t j = 0; j < cols; j++) {                              \
                const type  v = p[j], w = best[j];                            \
                                                                              \
                if ((better) || (last && (v == w || (v != v && w != w)))) {   \
                    best[j] = v;                                              \
                    y[j] = i;                                                 \
                }                                                             \
            }                                                                 \
        }                                                                     \
    }

#define ARG_MAX(name, D, type)                                                \
    ARG_LOOP(name, D, type, v > w || (v != v && w == w))
#define ARG_MIN(name, D, type)                                                \
    ARG_LOOP(name, D, type, v < w || (v != v && w == w))

MAAS_T_NUM(ARG_MAX, argmax)
MAAS_T_NUM(ARG_MIN, argmin)

static const arg_block_pt  argmax_blocks[MAAS_DTYPES] = {
    MAAS_T_NUM(MAAS_UN_ENTRY, argmax)
};

static const arg_block_pt  argmin_blocks[MAAS_DTYPES] = {
    MAAS_T_NUM(MAAS_UN_ENTRY, argmin)
};


static maas_status_t
arg_infer(maas_infer_t *c)
{
    int                 axis, rank = 0;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const arg_attr_t   *at = c->attr;
    const maas_type_t  *x = c->in[0].type;

    MAAS_TRY(maas_axis(at->axis, x->rank, &axis, c->err));

    if (x->dims[axis] == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "dimension %d is empty; at least one value is "
                        "expected to choose from", axis);
    }

    for (int i = 0; i < x->rank; i++) {
        if (i != axis) {
            dims[rank++] = x->dims[i];

        } else if (at->keepdims) {
            dims[rank++] = 1;
        }
    }

    maas_infer_set(c, 0, MAAS_I64, rank, dims);
    return MAAS_OK;
}


static bool
arg_setup(maas_setup_t *u)
{
    maas_lanes_t       v;
    const arg_attr_t  *at = u->attr;

    maas_lanes(&v, &u->in[0], at->axis, false, ARG_BLOCK);

    u->units = maas_lanes_units(&v);
    u->cost = 100 + (double) maas_tensor_count(&u->in[0]);
    return true;
}


static maas_status_t
arg_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    const arg_block_pt *blocks)
{
    size_t             size = maas_dtype_size(s->in[0].dtype);
    int64_t            hi, col, row;
    maas_lanes_t       v;
    arg_block_pt       block = blocks[s->in[0].dtype];
    const arg_attr_t  *at = s->attr;

    if (block == NULL) {
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    maas_lanes(&v, &s->in[0], at->axis, false, ARG_BLOCK);
    hi = maas_min(last * v.per, v.outer * v.blocks);

    for (int64_t b = first * v.per; b < hi; b++) {
        row = b / v.blocks;
        col = b % v.blocks * ARG_BLOCK;

        block((int64_t *) s->out[0].data + row * v.inner + col,
              (const char *) s->in[0].data
              + (size_t) (row * v.n * v.inner + col) * size,
              v.n, v.inner, maas_min(ARG_BLOCK, v.inner - col), at->last != 0);
    }

    return MAAS_OK;
}


static maas_status_t
argmax_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return arg_run(s, slot, first, last, argmax_blocks);
}


static maas_status_t
argmin_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return arg_run(s, slot, first, last, argmin_blocks);
}


static const maas_kernel_row_t  argmax_kernel[] = {
    { "argmax.blocks", MAAS_CPU_REF, 0, 0, arg_setup, argmax_run }
};

static const maas_kernel_row_t  argmin_kernel[] = {
    { "argmin.blocks", MAAS_CPU_REF, 0, 0, arg_setup, argmin_run }
};

static const maas_formal_t  arg_in[] = { { "data", MAAS_D_NUM, 0, 0 } };
static const maas_formal_t  arg_out[] = { { "reduced", MAAS_D(I64), 0, 0 } };

static const maas_case_t  arg_cases[] = {
    { "| f32[2,3,17]", NULL },
    { "axis=-1 keepdims=0 | f32[5,33]", NULL },
    { "axis=1 | f32[2,9,130]:nan", NULL },
    { "axis=1 select_last_index=1 | f32[2,9,3]:zero", NULL },
    { "axis=0 | f64[7]:inf", NULL },
    { "axis=0 | u8[5,2]", NULL },
    { "axis=1 select_last_index=1 | i64[1,4]{3,1,3,1}", NULL },
    { "axis=1 | f32[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  arg_bad[] = {
    { "axis=2 | f32[2,3]", "axis 2" },
    { "axis=0 | f32[0,3]", "is empty" },
    { "| f32[]", "axis" },
    { "| bool[2]", "bool" },
    { NULL, NULL }
};

#define ARG_ROW(NAME, id)                                                     \
    { .name = NAME, .domain = "", .since = 13, .first = 6,                    \
      .flags = MAAS_OP_PURE, MAAS_IO(arg_in, arg_out),                        \
      MAAS_ATTRS(arg_attrs, arg_attr_t), .infer = arg_infer,                  \
      MAAS_KERNELS(id##_kernel), .cases = arg_cases, .bad = arg_bad }

const maas_op_t  maas_ops_argminmax[] = {
    ARG_ROW("ArgMax", argmax),
    ARG_ROW("ArgMin", argmin),
    { .name = NULL }
};
