/*
 * reduce: ReduceSum Mean Max Min Prod L1 L2 LogSum LogSumExp SumSquare.
 *
 * Neighbouring dimensions of one fate are joined, so that a shape becomes a
 * few alternating kept and reduced ones.  If the last is reduced, each
 * output is a sum of row sums; if it is kept, rows are folded into a row of
 * outputs.  An output element depends on its own inputs only, in an order
 * that neither units nor threads change.
 *
 * An empty reduction gives the neutral element: 0, 1, or the type's limit.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#include <float.h>
#include <math.h>

#include "ops/grads.h"
#include "ops/ops_common.h"
#include "ops/reduce_walk.h"


/* -- typed reductions ---------------------------------------------------- */

/* *acc = *acc op (reduction of n contiguous values). */
typedef void (*red_row_pt)(void *acc, const void *x, int64_t n);

/* y[i] = y[i] op x[i]. */
typedef void (*red_fold_pt)(void *y, const void *x, int64_t n);

/* Types that ONNX reduces, besides float32 (which has its place for exp). */
#define RED_T(T, a)                                                           \
    T(a, F64, double) T(a, I32, int32_t) T(a, I64, int64_t)                   \
    T(a, U32, uint32_t) T(a, U64, uint64_t) T(a, I8, int8_t) T(a, U8, uint8_t)

#define RED_LOOP(name, D, type, expr)                                         \
    static void                                                               \
    name##_row_##D(void *acc, const void *x, int64_t n)                       \
    {                                                                         \
        type         r = *(type *) acc;                                       \
        const type  *p = x;                                                   \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            const type  v = p[i];                                             \
                                                                              \
            r = (type) (expr);                                                \
        }                                                                     \
                                                                              \
        *(type *) acc = r;                                                    \
    }                                                                         \
                                                                              \
    static void                                                               \
    name##_fold_##D(void *y, const void *x, int64_t n)                        \
    {                                                                         \
        type        *q = y;                                                   \
        const type  *p = x;                                                   \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            const type  v = p[i], r = q[i];                                   \
                                                                              \
            q[i] = (type) (expr);                                             \
        }                                                                     \
    }

/* To the type in which an overflow of integers is defined. */
#define W_F64(v)  (v)
#define W_I32(v)  ((uint64_t) (v))
#define W_I64(v)  ((uint64_t) (v))
#define W_U32(v)  ((uint64_t) (v))
#define W_U64(v)  ((uint64_t) (v))
#define W_I8(v)   ((uint64_t) (v))
#define W_U8(v)   ((uint64_t) (v))

#define RED_SUM(name, D, type)   RED_LOOP(name, D, type, W_##D(r) + W_##D(v))
#define RED_PROD(name, D, type)  RED_LOOP(name, D, type, W_##D(r) * W_##D(v))
#define RED_SQ(name, D, type)    RED_LOOP(name, D, type,                      \
                                          W_##D(r) + W_##D(v) * W_##D(v))
#define RED_ABS(name, D, type)   RED_LOOP(name, D, type,                      \
                                 v > 0 ? W_##D(r) + W_##D(v)                  \
                                       : W_##D(r) - W_##D(v))
/* A NaN stays. */
#define RED_MAX(name, D, type)   RED_LOOP(name, D, type,                      \
                                          r > v || r != r ? r : v)
#define RED_MIN(name, D, type)   RED_LOOP(name, D, type,                      \
                                          r < v || r != r ? r : v)

RED_T(RED_SUM, sum)
RED_T(RED_PROD, prod)
RED_T(RED_SQ, sumsq)
RED_T(RED_ABS, sumabs)
RED_T(RED_MAX, max)
RED_T(RED_MIN, min)

/* The greater of two booleans is their or, the lesser their and. */
RED_MAX(max, BOOL, uint8_t)
RED_MIN(min, BOOL, uint8_t)

#define ROW_ENTRY(name, D, type)   [MAAS_##D] = name##_row_##D,
#define FOLD_ENTRY(name, D, type)  [MAAS_##D] = name##_fold_##D,

static const red_row_pt  red_rows[MAAS_REDUCES][MAAS_DTYPES] = {
    [MAAS_R_SUM] = { RED_T(ROW_ENTRY, sum) },
    [MAAS_R_PROD] = { RED_T(ROW_ENTRY, prod) },
    [MAAS_R_SUMSQ] = { RED_T(ROW_ENTRY, sumsq) },
    [MAAS_R_SUMABS] = { RED_T(ROW_ENTRY, sumabs) },
    [MAAS_R_MAX] = { RED_T(ROW_ENTRY, max) ROW_ENTRY(max, BOOL, uint8_t) },
    [MAAS_R_MIN] = { RED_T(ROW_ENTRY, min) ROW_ENTRY(min, BOOL, uint8_t) }
};

static const red_fold_pt  red_folds[MAAS_REDUCES][MAAS_DTYPES] = {
    [MAAS_R_SUM] = { RED_T(FOLD_ENTRY, sum) },
    [MAAS_R_PROD] = { RED_T(FOLD_ENTRY, prod) },
    [MAAS_R_SUMSQ] = { RED_T(FOLD_ENTRY, sumsq) },
    [MAAS_R_SUMABS] = { RED_T(FOLD_ENTRY, sumabs) },
    [MAAS_R_MAX] = { RED_T(FOLD_ENTRY, max) FOLD_ENTRY(max, BOOL, uint8_t) },
    [MAAS_R_MIN] = { RED_T(FOLD_ENTRY, min) FOLD_ENTRY(min, BOOL, uint8_t) }
};


#define FILL(name, D, type)                                                   \
    case MAAS_##D:                                                            \
        for (int64_t i = 0; i < n; i++) {                                     \
            ((type *) y)[i] = fn == MAAS_R_PROD ? 1                           \
                              : fn == MAAS_R_MAX ? (type) LOW_##D             \
                              : fn == MAAS_R_MIN ? (type) TOP_##D : 0;        \
        }                                                                     \
        break;

#define LOW_F32  -INFINITY
#define TOP_F32  INFINITY
#define LOW_F64  -INFINITY
#define TOP_F64  INFINITY
#define LOW_I32  INT32_MIN
#define TOP_I32  INT32_MAX
#define LOW_I64  INT64_MIN
#define TOP_I64  INT64_MAX
#define LOW_U32  0
#define TOP_U32  UINT32_MAX
#define LOW_U64  0
#define TOP_U64  UINT64_MAX
#define LOW_I8   INT8_MIN
#define TOP_I8   INT8_MAX
#define LOW_U8   0
#define TOP_U8   UINT8_MAX
#define LOW_BOOL  0
#define TOP_BOOL  1

/* n neutral elements. */
static void
red_fill(void *y, int dtype, int fn, int64_t n)
{
    switch (dtype) {
    FILL(-, F32, float)
    FILL(-, BOOL, uint8_t)
    RED_T(FILL, -)
    }
}


/* -- the walk ------------------------------------------------------------ */

/* axes[d] says that dimension d is reduced. */
static void
red_walk_init(red_walk_t *w, const maas_tensor_t *x, const bool *axes)
{
    int      last = -1;
    int64_t  step = 1;
    int64_t  *dim, *stride;
    int       nk = 0, nr = 0;

    w->count = 1;

    /* From the last dimension out; the arrays are built reversed. */
    for (int d = x->rank - 1; d >= 0; d--) {
        if (axes[d]) {
            w->count *= x->dims[d];
        }

        if (x->dims[d] == 1) {
            continue;
        }

        dim = axes[d] ? &w->red[nr] : &w->kept[nk];
        stride = axes[d] ? &w->rstride[nr] : &w->kstride[nk];

        if (last == axes[d]) {
            dim[-1] *= x->dims[d];

        } else {
            *dim = x->dims[d];
            *stride = step;
            nr += axes[d];
            nk += !axes[d];
        }

        if (last < 0) {
            w->inner = axes[d];
        }

        last = axes[d];
        step *= x->dims[d];
    }

    if (last < 0) {
        w->inner = true;        /* a single element */
    }

    w->n_kept = nk;
    w->n_red = nr;
}


static float
red_join(int fn, float a, float b)
{
    switch (fn) {
    case MAAS_R_PROD:
        return a * b;
    case MAAS_R_MAX:
        return a > b || a != a ? a : b;
    case MAAS_R_MIN:
        return a < b || a != a ? a : b;
    default:
        return a + b;
    }
}


/* The last dimension is reduced: outputs [lo, hi), one by one. */
static void
red_inner(const maas_step_t *s, const red_walk_t *w, int fn, int64_t lo,
    int64_t hi)
{
    int          dtype = s->in[0].dtype;
    char        *y = s->out[0].data;
    bool         first;
    size_t       size = maas_dtype_size(dtype);
    int64_t      n = w->n_red > 0 ? w->red[0] : 1, off, idx[MAAS_RANK_MAX];
    const char  *x = s->in[0].data;

    for (int64_t i = lo; i < hi; i++) {
        off = red_offset(w, i);
        memset(idx, 0, sizeof(idx));
        first = true;

        do {
            const char  *p = x + off * (int64_t) size;

            if (dtype == MAAS_F32) {
                float  v = s->k->reduce[fn]((const float *) p, n);
                float  *q = (float *) y + i;

                *q = first ? v : red_join(fn, *q, v);
                first = false;

            } else {
                red_rows[fn][dtype](y + i * (int64_t) size, p, n);
            }

        } while (red_next(w, 1, idx, &off));
    }
}


/* The last dimension is kept: rows of outputs, cut at lo and hi. */
static void
red_outer(const maas_step_t *s, const red_walk_t *w, int fn, int64_t lo,
    int64_t hi)
{
    int          dtype = s->in[0].dtype;
    char        *y = s->out[0].data;
    size_t       size = maas_dtype_size(dtype);
    int64_t      n, rows, off, idx[MAAS_RANK_MAX];
    const char  *x = s->in[0].data;

    if (dtype == MAAS_F32 && w->count > RED_BLOCK
        && (fn == MAAS_R_SUM || fn == MAAS_R_SUMSQ || fn == MAAS_R_SUMABS))
    {
        red_outer_sums(s, w, fn, lo, hi);
        return;
    }

    for (int64_t i = lo; i < hi; i += n) {
        n = maas_min(w->kept[0] - i % w->kept[0], hi - i);
        off = red_offset(w, i);
        memset(idx, 0, sizeof(idx));

        rows = w->n_red > 0 ? w->red[0] : 1;

        do {
            if (dtype == MAAS_F32) {
                s->k->fold[fn]((float *) y + i, (const float *) x + off,
                               w->rstride[0], rows, n);
                continue;
            }

            for (int64_t r = 0; r < rows; r++) {
                red_folds[fn][dtype](y + i * (int64_t) size,
                                     x + (off + r * w->rstride[0])
                                         * (int64_t) size, n);
            }

        } while (red_next(w, 1, idx, &off));
    }
}


/* -- LogSumExp ----------------------------------------------------------- */

#define LSE_CHUNK  256

/* sum of exp(x - m) over a contiguous row of float32. */
static float
lse_row(const maas_kernels_t *k, const float *x, int64_t n, float m)
{
    float    sum = 0, buf[LSE_CHUNK];
    int64_t  c;

    for (int64_t i = 0; i < n; i += c) {
        c = maas_min(n - i, LSE_CHUNK);
        k->unary[MAAS_U_AFFINE](buf, x + i, c, 1, -m);
        k->unary[MAAS_U_EXP](buf, buf, c, 0, 0);
        sum += k->reduce[MAAS_R_SUM](buf, c);
    }

    return sum;
}


/* After the maxima: the sum, for float32 with the last dimension reduced. */
static void
lse_inner(const maas_step_t *s, const red_walk_t *w, int64_t lo, int64_t hi)
{
    float        *y = s->out[0].data, m, sum;
    int64_t       n = w->n_red > 0 ? w->red[0] : 1, off, idx[MAAS_RANK_MAX];
    const float  *x = s->in[0].data;

    for (int64_t i = lo; i < hi; i++) {
        off = red_offset(w, i);
        memset(idx, 0, sizeof(idx));
        m = isfinite(y[i]) ? y[i] : 0;
        sum = 0;

        do {
            sum += lse_row(s->k, x + off, n, m);
        } while (red_next(w, 1, idx, &off));

        y[i] = logf(sum) + m;
    }
}


/* Any type and shape, one value at a time; y holds the maxima. */
#define LSE_CASE(a, D, type)                                                  \
    case MAAS_##D: {                                                          \
        type        *y = s->out[0].data;                                      \
        const type  *x = s->in[0].data;                                       \
                                                                              \
        for (int64_t i = lo; i < hi; i++) {                                   \
            m = isfinite((double) y[i]) ? (double) y[i] : 0;                  \
            sum = 0;                                                          \
            off = red_offset(w, i);                                           \
            memset(idx, 0, sizeof(idx));                                      \
                                                                              \
            do {                                                              \
                sum += exp((double) x[off] - m);                              \
            } while (red_next(w, 0, idx, &off));                              \
                                                                              \
            r = log(sum) + m;                                                 \
            maas_cast_row(&y[i], MAAS_##D, &r, MAAS_F64, 1);                  \
        }                                                                     \
        break;                                                                \
    }

static void
lse_any(const maas_step_t *s, const red_walk_t *w, int64_t lo, int64_t hi)
{
    double   m, sum, r;
    int64_t  off, idx[MAAS_RANK_MAX];

    switch (s->in[0].dtype) {
    LSE_CASE(-, F32, float)
    RED_T(LSE_CASE, -)
    }
}


/* -- what follows the reduction ------------------------------------------ */

typedef enum {
    RED_NONE = 0, RED_MEAN, RED_SQRT, RED_LOG, RED_LSE
} red_after_t;


#define AFTER_CASE(a, D, type)                                                \
    case MAAS_##D:                                                            \
        for (int64_t i = lo; i < hi; i++) {                                   \
            type    *y = (type *) s->out[0].data + i;                         \
            double   v = (double) *y;                                         \
                                                                              \
            if (after == RED_MEAN) {                                          \
                *y = count == 0 ? 0 : sizeof(type) == 8                       \
                     ? (type) (*y / (type) count)                             \
                     : (type) ((int64_t) *y / count);                         \
                continue;                                                     \
            }                                                                 \
                                                                              \
            v = after == RED_SQRT ? sqrt(v) : log(v);                         \
            maas_cast_row(y, MAAS_##D, &v, MAAS_F64, 1);                      \
        }                                                                     \
        break;

static void
red_finish(const maas_step_t *s, red_after_t after, int64_t count,
    int64_t lo, int64_t hi)
{
    int  dtype = s->in[0].dtype;

    if (dtype == MAAS_F32) {
        float  n = (float) count;
        float  *y = (float *) s->out[0].data + lo;

        if (after == RED_MEAN) {
            s->k->binary[MAAS_B_DIV](y, y, 1, &n, 0, hi - lo);

        } else {
            s->k->unary[after == RED_SQRT ? MAAS_U_SQRT : MAAS_U_LOG]
                (y, y, hi - lo, 0, 0);
        }

        return;
    }

    if (dtype == MAAS_F64 && after == RED_MEAN) {
        for (int64_t i = lo; i < hi; i++) {
            ((double *) s->out[0].data)[i] /= (double) count;
        }

        return;
    }

    switch (dtype) {
    RED_T(AFTER_CASE, -)
    }
}


/* -- the operators ------------------------------------------------------- */

typedef struct {
    int64_t  keepdims;
    int64_t  noop;
} red_attr_t;

static const maas_attr_row_t  red_attrs[] = {
    { .name = "keepdims", .type = MAAS_ATTR_INT,
      .off = offsetof(red_attr_t, keepdims), .i = 1, .min = 0, .max = 1 },
    { .name = "noop_with_empty_axes", .type = MAAS_ATTR_INT,
      .off = offsetof(red_attr_t, noop), .min = 0, .max = 1 }
};


/* Marks the reduced dimensions; no axes: all, or none with noop. */
static maas_status_t
red_mark(const red_attr_t *at, const int64_t *axes, int64_t n, int rank,
    bool *mark, maas_err_t *err)
{
    int  d;

    for (d = 0; d < rank; d++) {
        mark[d] = n == 0 && !at->noop;
    }

    for (int64_t i = 0; i < n; i++) {
        MAAS_TRY(maas_axis(axes[i], rank, &d, err));

        if (mark[d]) {
            return maas_err(err, MAAS_EINVAL, "axis %d is given twice", d);
        }

        mark[d] = true;
    }

    return MAAS_OK;
}


static maas_status_t
red_infer(maas_infer_t *c)
{
    int                 n = 0, rank = 0;
    bool                mark[MAAS_RANK_MAX];
    maas_dim_t          axes[MAAS_IVAL_MAX], dims[MAAS_RANK_MAX];
    const red_attr_t   *at = c->attr;
    const maas_type_t  *x = c->in[0].type;

    if (maas_infer_has(c, 1)) {
        MAAS_TRY(maas_infer_ints(c, 1, axes, &n));

        for (int i = 0; i < n; i++) {
            if (!maas_dim_known(axes[i])) {
                return MAAS_INFER_NEED(c, 1);
            }
        }

    }

    MAAS_TRY(red_mark(at, axes, n, x->rank, mark, c->err));

    for (int d = 0; d < x->rank; d++) {
        if (!mark[d]) {
            dims[rank++] = x->dims[d];

        } else if (at->keepdims) {
            dims[rank++] = 1;
        }
    }

    maas_infer_set(c, 0, x->dtype, rank, dims);
    return MAAS_OK;
}


/* Outputs per unit: each takes in / out values. */
static int64_t
red_outputs(int64_t in, int64_t out)
{
    return maas_unit_items(out > 0 ? in / out : 1);
}


static bool
red_setup(maas_setup_t *u)
{
    int64_t  in = maas_tensor_count(&u->in[0]);
    int64_t  out = maas_tensor_count(&u->out[0]);
    int64_t  per = red_outputs(in, out);

    u->units = maas_max((out + per - 1) / per, 1);
    u->cost = 100 + 0.5 * (double) in + 2 * (double) out;
    return true;
}


static bool
lse_setup(maas_setup_t *u)
{
    red_setup(u);
    u->cost += 3 * (double) maas_tensor_count(&u->in[0]);
    return true;
}


/* The axes of a step. */
static maas_status_t
red_axes(const maas_step_t *s, maas_slot_t *slot, bool *mark)
{
    int64_t               n, axes[MAAS_IVAL_MAX];
    const red_attr_t     *at = s->attr;
    const maas_tensor_t  *t;

    if (s->n_formal < 2 || s->in[1].dtype == MAAS_NODTYPE) {
        return red_mark(at, NULL, 0, s->in[0].rank, mark, slot->err);
    }

    t = &s->in[1];
    n = maas_tensor_count(t);

    if (n > MAAS_IVAL_MAX) {
        return maas_err(slot->err, MAAS_EINVAL, "too many axes: %lld",
                        (long long) n);
    }

    maas_cast_row(axes, MAAS_I64, t->data, t->dtype, n);

    return red_mark(at, axes, n, s->in[0].rank, mark, slot->err);
}


static maas_status_t
red_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    int fn, red_after_t after)
{
    int         dtype = s->in[0].dtype;
    bool        mark[MAAS_RANK_MAX];
    size_t      size = maas_dtype_size(dtype);
    int64_t     in, out, per, lo, hi;
    red_walk_t  w = { 0 };

    in = maas_tensor_count(&s->in[0]);
    out = maas_tensor_count(&s->out[0]);
    per = red_outputs(in, out);
    lo = maas_min(first * per, out);
    hi = maas_min(last * per, out);

    if (lo >= hi) {
        return MAAS_OK;
    }

    if (dtype != MAAS_F32 && red_rows[fn][dtype] == NULL) {
        return maas_err_dtype(slot, dtype);
    }

    MAAS_TRY(red_axes(s, slot, mark));
    red_walk_init(&w, &s->in[0], mark);
    red_fill((char *) s->out[0].data + (size_t) lo * size, dtype, fn, hi - lo);

    if (in > 0 && w.inner) {
        red_inner(s, &w, fn, lo, hi);

    } else if (in > 0) {
        red_outer(s, &w, fn, lo, hi);
    }

    if (after == RED_LSE && in > 0) {
        if (dtype == MAAS_F32 && w.inner) {
            lse_inner(s, &w, lo, hi);

        } else {
            lse_any(s, &w, lo, hi);
        }

    } else if (after != RED_NONE && after != RED_LSE) {
        red_finish(s, after, w.count, lo, hi);
    }

    return MAAS_OK;
}


#define RED_OP(id, fn, after, setup)                                          \
    static maas_status_t                                                      \
    id##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,          \
        int64_t last)                                                         \
    {                                                                         \
        return red_run(s, slot, first, last, fn, after);                      \
    }                                                                         \
                                                                              \
    static const maas_kernel_row_t  id##_kernel[] = {                         \
        { "reduce." #id, MAAS_CPU_REF, 0, 0, setup, id##_run }                \
    };

RED_OP(total, MAAS_R_SUM, RED_NONE, red_setup)
RED_OP(mean, MAAS_R_SUM, RED_MEAN, red_setup)
RED_OP(max, MAAS_R_MAX, RED_NONE, red_setup)
RED_OP(min, MAAS_R_MIN, RED_NONE, red_setup)
RED_OP(prod, MAAS_R_PROD, RED_NONE, red_setup)
RED_OP(l1, MAAS_R_SUMABS, RED_NONE, red_setup)
RED_OP(l2, MAAS_R_SUMSQ, RED_SQRT, red_setup)
RED_OP(log_sum, MAAS_R_SUM, RED_LOG, red_setup)
RED_OP(log_sum_exp, MAAS_R_MAX, RED_LSE, lse_setup)
RED_OP(sum_square, MAAS_R_SUMSQ, RED_NONE, red_setup)


/* The axes were an attribute before 18, those of ReduceSum before 13. */
static maas_status_t
red_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) opset;
    (void) err;

    return maas_raw_attr_to_input(im, n, "axes", 1);
}


/* -- rows ---------------------------------------------------------------- */

#define RED_WIDE  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64) | MAAS_D(U32)     \
                   | MAAS_D(U64))
#define RED_ANY   (RED_WIDE | MAAS_D(I8) | MAAS_D(U8) | MAAS_D(BOOL))

#define RED_AXES  { "axes", MAAS_D(I64), 0, MAAS_OPT }

static const maas_formal_t  wide_in[] = {
    { "data", RED_WIDE, 'T', 0 }, RED_AXES
};
static const maas_formal_t  wide_out[] = { { "reduced", RED_WIDE, 'T', 0 } };
static const maas_formal_t  any_in[] = {
    { "data", RED_ANY, 'T', 0 }, RED_AXES
};
static const maas_formal_t  any_out[] = { { "reduced", RED_ANY, 'T', 0 } };

static const maas_case_t  red_cases[] = {
    { "| f32[3,5,17]", NULL },
    { "| f32[3,5,17] =i64[1]{1}", NULL },
    { "keepdims=0 | f32[3,5,33] =i64[1]{-1}", NULL },
    { "| f32[3,5,17]:pos =i64[2]{0,2}", NULL },
    { "keepdims=0 | f32[2,3,4,5]:pos =i64[2]{1,3}", NULL },
    { "| f32[2,3,4,5]:nan =i64[2]{0,2}", NULL },
    { "| f32[]", NULL },
    { "| f32[2,0,3] =i64[1]{1}", NULL },
    { "| f32[2,0,3] =i64[1]{0}", NULL },
    { "| f64[3,7]:inf =i64[1]{1}", NULL },
    { "| i32[5,9] =i64[1]{0}", NULL },
    { "| i64[4]{1,2,3,4}", NULL },
    { "| f32[40,50,60] =i64[2]{0,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  any_cases[] = {
    { "| f32[3,5,17]:nan", NULL },
    { "| f32[3,5,17]:inf =i64[1]{1}", NULL },
    { "keepdims=0 | f64[3,5,4] =i64[2]{0,2}", NULL },
    { "| i8[5,9] =i64[1]{0}", NULL },
    { "| u8[5,33] =i64[1]{1}", NULL },
    { "| u64[0]", NULL },
    { "| bool[3,5] =i64[1]{1}", NULL },
    { "keepdims=0 | bool[3,5,2] =i64[1]{0}", NULL },
    { "noop_with_empty_axes=1 | f32[3,5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  sum_cases[] = {
    { "| f32[3,5,17]", NULL },
    { "keepdims=0 | f32[3,5,17] =i64[1]{1}", NULL },
    { "noop_with_empty_axes=1 | f32[3,5] =i64[0]{}", NULL },
    { "| f32[3,5] =i64[0]{}", NULL },
    { "| f64[2,3,4] =i64[2]{-1,0}", NULL },
    { "| i32[2,3,4] =i64[1]{1}", NULL },
    { "| f32[2,0] =i64[1]{1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  red_bad[] = {
    { "| f32[2,3] =i64[1]{3}", "axis 3" },
    { "| f32[2,3] =i64[2]{0,-2}", "twice" },
    { "| str[2,3]", "string" },
    { NULL, NULL }
};

static const maas_case_t  sum_bad[] = {
    { "| f32[2,3] =i64[1]{-3}", "axis -3" },
    { "| f32[2,3] =i32[1]{0}", "int32" },
    { NULL, NULL }
};

#define RED_ROW(NAME, id, io, c)                                              \
    { .name = NAME, .domain = "", .since = 18, .first = 6,                    \
      .flags = MAAS_OP_PURE, MAAS_IO(io##_in, io##_out),                      \
      MAAS_ATTRS(red_attrs, red_attr_t), .upgrade = red_upgrade,              \
      .infer = red_infer, MAAS_KERNELS(id##_kernel),                          \
      .grad = maas_grad_reduce, .cases = c, .bad = red_bad }

const maas_op_t  maas_ops_reduce[] = {

    RED_ROW("ReduceMean", mean, wide, red_cases),
    RED_ROW("ReduceMax", max, any, any_cases),
    RED_ROW("ReduceMin", min, any, any_cases),
    RED_ROW("ReduceProd", prod, wide, red_cases),
    RED_ROW("ReduceL1", l1, wide, red_cases),
    RED_ROW("ReduceL2", l2, wide, red_cases),
    RED_ROW("ReduceLogSum", log_sum, wide, red_cases),
    RED_ROW("ReduceLogSumExp", log_sum_exp, wide, red_cases),
    RED_ROW("ReduceSumSquare", sum_square, wide, red_cases),

    { .name = "ReduceSum", .domain = "", .since = 13, .first = 6,
      .flags = MAAS_OP_PURE, MAAS_IO(wide_in, wide_out),
      MAAS_ATTRS(red_attrs, red_attr_t), .upgrade = red_upgrade,
      .infer = red_infer, MAAS_KERNELS(total_kernel),
      .grad = maas_grad_reduce, .cases = sum_cases, .bad = sum_bad },

    { .name = NULL }
};
