/*
 * TopK-11: the k largest or smallest items of every line of an axis, best
 * first.  Equal items are ordered by index; NaN is above every number, as
 * numpy sorts it.  A line keeps its k best items as a heap of indices whose
 * root is the worst, so that n items cost n log k.
 *
 * TopK-1 has k as an attribute, TopK-10 has no `largest` and `sorted`.
 * The result is sorted always: `sorted` 0 asks for no order.
 *
 * Ownership: heaps lie in the scratch of a thread.  Threads: lines are
 * independent.
 */

#include "ops/move.h"
#include "ops/ops_common.h"


typedef struct {
    int64_t  axis;
    int64_t  largest;
    int64_t  sorted;
} topk_attr_t;


static maas_status_t
topk_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    if (opset >= 10) {
        return MAAS_OK;
    }

    if (maas_raw_attr(n, "k") == NULL) {
        return maas_err(err, MAAS_EINVAL, "attribute 'k' is missing");
    }

    return maas_raw_attr_to_input(im, n, "k", 1);
}


static maas_status_t
topk_infer(maas_infer_t *c)
{
    int                 axis, n;
    maas_dim_t          k[1], dims[MAAS_RANK_MAX];
    maas_status_t       rc;
    const maas_type_t  *t = c->in[0].type;

    MAAS_TRY(maas_axis(((const topk_attr_t *) c->attr)->axis, t->rank, &axis,
                       c->err));
    rc = maas_ival_vector(c, 1, "K", 1, k, &n);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    memcpy(dims, t->dims, (size_t) t->rank * sizeof(maas_dim_t));

    if (n == 0) {
        return maas_err(c->err, MAAS_EINVAL, "K is empty, expected a number");
    }

    if (n == 1 && maas_dim_known(k[0])
        && (k[0] < 0 || (maas_dim_known(dims[axis]) && k[0] > dims[axis])))
    {
        return maas_err(c->err, MAAS_EINVAL, "K is %lld, expected 0 to the "
                        "extent of axis %d, %lld", (long long) k[0], axis,
                        (long long) (maas_dim_known(dims[axis]) ? dims[axis]
                                                                : -1));
    }

    dims[axis] = rc == MAAS_OK ? k[0] : MAAS_DIM_NONE;
    maas_infer_set(c, 0, t->dtype, t->rank, dims);

    if (c->n_out > 1) {
        maas_infer_set(c, 1, MAAS_I64, t->rank, dims);
    }

    return rc;
}


typedef struct {
    int64_t  n, k;
    int64_t  inner;
    int64_t  lines;
    bool     largest;
} topk_view_t;


static void
topk_view(topk_view_t *v, const topk_attr_t *a, const maas_tensor_t *x,
    const maas_tensor_t *y)
{
    int  axis = (int) (a->axis < 0 ? a->axis + x->rank : a->axis);

    v->n = x->dims[axis];
    v->k = y->dims[axis];
    v->inner = maas_dims_count(x->dims + axis + 1, x->rank - axis - 1);
    v->lines = maas_dims_count(x->dims, axis) * v->inner;
    v->largest = a->largest != 0;
}


static bool
topk_setup(maas_setup_t *u)
{
    int64_t      n;
    topk_view_t  v;

    topk_view(&v, u->attr, &u->in[0], &u->out[0]);
    n = maas_tensor_count(&u->in[0]);
    u->units = maas_max(maas_min(v.lines, n / 4096), 1);
    u->scratch = (size_t) v.k * sizeof(int64_t);
    u->cost = 100 + (double) n * 10;
    return true;
}


/* -- a line -------------------------------------------------------------- */

/*
 * topk_line(): h gets the indices of the k best, best first.  before(): item
 * i comes before item j in the result.
 */
#define TOPK(a, D, type)                                                      \
    static inline bool                                                        \
    topk_before_##D(const type *x, const topk_view_t *v, int64_t i,           \
        int64_t j)                                                            \
    {                                                                         \
        const type  p = x[i * v->inner], q = x[j * v->inner];                 \
        const bool  nan = p != p, other = q != q;                             \
                                                                              \
        if (nan || other) {                                                   \
            return nan == other ? i < j : nan == v->largest;                  \
        }                                                                     \
                                                                              \
        return p == q ? i < j : (p > q) == v->largest;                        \
    }                                                                         \
                                                                              \
    /* Item `i` into the place of the root of n items. */                     \
    static void                                                               \
    topk_sift_##D(const type *x, const topk_view_t *v, int64_t *h,            \
        int64_t n, int64_t at, int64_t i)                                     \
    {                                                                         \
        int64_t  next;                                                        \
                                                                              \
        while ((next = 2 * at + 1) < n) {                                     \
            if (next + 1 < n                                                  \
                && topk_before_##D(x, v, h[next], h[next + 1]))               \
            {                                                                 \
                next++;                                                       \
            }                                                                 \
                                                                              \
            if (!topk_before_##D(x, v, i, h[next])) {                         \
                break;                                                        \
            }                                                                 \
                                                                              \
            h[at] = h[next];                                                  \
            at = next;                                                        \
        }                                                                     \
                                                                              \
        h[at] = i;                                                            \
    }                                                                         \
                                                                              \
    static void                                                               \
    topk_line_##D(const void *data, int64_t at, const topk_view_t *v,         \
        int64_t *h)                                                           \
    {                                                                         \
        int64_t      i, worst;                                                \
        const type  *x = (const type *) data + at;                            \
                                                                              \
        for (i = 0; i < v->k; i++) {                                          \
            h[i] = i;                                                         \
        }                                                                     \
                                                                              \
        for (i = v->k / 2 - 1; i >= 0; i--) {                                 \
            topk_sift_##D(x, v, h, v->k, i, h[i]);                            \
        }                                                                     \
                                                                              \
        for (i = v->k; i < v->n; i++) {                                       \
            if (topk_before_##D(x, v, i, h[0])) {                             \
                topk_sift_##D(x, v, h, v->k, 0, i);                           \
            }                                                                 \
        }                                                                     \
                                                                              \
        for (i = v->k - 1; i > 0; i--) {                                      \
            worst = h[0];                                                     \
            topk_sift_##D(x, v, h, i, 0, h[i]);                               \
            h[i] = worst;                                                     \
        }                                                                     \
    }

MAAS_T_NUM(TOPK, 0)

typedef void (*topk_line_pt)(const void *data, int64_t at,
    const topk_view_t *v, int64_t *h);

#define TOPK_ENTRY(a, D, type)  [MAAS_##D] = topk_line_##D,

static const topk_line_pt  topk_line[MAAS_DTYPES] = {
    MAAS_T_NUM(TOPK_ENTRY, 0)
};


static void *
topk_out(const maas_step_t *s, int i)
{
    return i < s->n_out && s->out[i].dtype != MAAS_NODTYPE ? s->out[i].data
                                                           : NULL;
}


static maas_status_t
topk_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    char         *y = topk_out(s, 0);
    size_t        size = maas_dtype_size(s->in[0].dtype);
    int64_t      *ix = topk_out(s, 1), *h = slot->scratch;
    int64_t       p, to, at, from;
    const char   *x = s->in[0].data;
    topk_view_t   v;
    topk_line_pt  line = topk_line[s->in[0].dtype];

    if (line == NULL) {
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    topk_view(&v, s->attr, &s->in[0], &s->out[0]);
    p = maas_move_start(v.lines, s->units, first);
    to = v.k == 0 ? p : maas_move_start(v.lines, s->units, last);

    for (; p < to; p++) {
        from = p / v.inner * v.n * v.inner + p % v.inner;
        at = p / v.inner * v.k * v.inner + p % v.inner;
        line(x, from, &v, h);

        for (int64_t i = 0; i < v.k; i++) {
            if (y != NULL) {
                memcpy(y + (size_t) (at + i * v.inner) * size,
                       x + (size_t) (from + h[i] * v.inner) * size, size);
            }

            if (ix != NULL) {
                ix[at + i * v.inner] = h[i];
            }
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  topk_in[] = {
    { "X", MAAS_D_NUM, 'T', 0 },
    { "K", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  topk_outs[] = {
    { "Values", MAAS_D_NUM, 'T', 0 },
    { "Indices", MAAS_D(I64), 0, 0 }
};

static const maas_attr_row_t  topk_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .i = -1,
      .off = offsetof(topk_attr_t, axis) },
    { .name = "largest", .type = MAAS_ATTR_INT, .i = 1, .min = 0, .max = 1,
      .off = offsetof(topk_attr_t, largest) },
    { .name = "sorted", .type = MAAS_ATTR_INT, .i = 1, .min = 0, .max = 1,
      .off = offsetof(topk_attr_t, sorted) }
};

static const maas_kernel_row_t  topk_kernel[] = {
    { .id = "topk.heap", .setup = topk_setup, .run = topk_run }
};

static const maas_case_t  topk_cases[] = {
    { "| f32[3,4] =i64[1]{3}", NULL },
    { "| f32[3,4] i64[1]{3}", NULL },
    { "axis=0 largest=0 | f32[33,5]:nan =i64[1]{9}", NULL },
    { "axis=1 | f32[2,33,3]:nan =i64[1]{33}", NULL },
    { "sorted=0 | i64[5,17] =i64[1]{4}", NULL },
    { "axis=1 largest=0 | u8[2,9,130] =i64[]{2}", NULL },
    { "| f64[1000]:inf =i64[1]{1}", NULL },
    { "| f16[3,7] =i64[1]{2}", NULL },
    { "| i8[4] =i64[1]{0}", NULL },
    { "| f32[0,4] =i64[1]{2}", NULL },
    { "| f32[200,100] =i64[1]{5}", NULL },
    { NULL, NULL }
};

static const maas_case_t  topk_bad[] = {
    { "| f32[3,4] =i64[1]{5}", "K is 5" },
    { "| f32[3,4] i64[1]{-1}", "K is -1" },
    { "axis=2 | f32[3,4] =i64[1]{1}", "axis 2 is out of range" },
    { "| f32[3,4] =i64[2]{1,1}", "K has 2 elements" },
    { "| f32[3,4] =i64[0]", "K is empty" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_topk[] = {
    {
        .name = "TopK", .domain = "", .since = 11, .first = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(topk_in, topk_outs),
        MAAS_ATTRS(topk_attrs, topk_attr_t),
        .upgrade = topk_upgrade,
        .infer = topk_infer,
        MAAS_KERNELS(topk_kernel),
        .cases = topk_cases, .bad = topk_bad
    },
    { .name = NULL }
};
