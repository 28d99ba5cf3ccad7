/*
 * MaxPool-12, AveragePool-19 and LpPool-18.
 *
 * A unit is a plane (one channel of one image).  An output row is folded
 * from the input rows under its window, tap by tap in ascending order, so
 * any number of spatial axes is the same code; float32 without indices is in
 * pool_rows.c.  A NaN in a window wins.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/grads.h"
#include "ops/pool.h"


static maas_status_t
pool_infer(maas_infer_t *c)
{
    int                 o, nd;
    maas_dim_t          dims[MAAS_RANK_MAX];
    maas_window_t       win;
    const maas_type_t  *x = c->in[0].type;

    if (x->rank < 3) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank %d, expected 3 or more", x->rank);
    }

    nd = x->rank - 2;
    MAAS_TRY(maas_window_attrs(&win, c->attr, NULL, nd, c->err));

    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    MAAS_TRY(maas_window_infer(c, &win, c->attr, x->dims + 2, dims + 2));

    for (o = 0; o < c->n_out; o++) {
        maas_infer_set(c, o, o == 0 ? x->dtype : MAAS_I64, x->rank, dims);
    }

    return MAAS_OK;
}


void
maas_pool_trim(maas_window_t *w)
{
    int64_t  n, before;

    w->k_count = 1;

    for (int d = 0; d < w->nd; d++) {
        n = (w->in[d] + w->p0[d] + w->d[d] - 1) / w->d[d];
        w->k[d] = maas_max(maas_min(w->k[d], n), 1);

        /* All of these stand before the input at the last output, too. */
        before = w->p0[d] - (w->out[d] - 1) * w->s[d];
        before = before > 0 ? maas_min(before, w->p0[d]) / w->d[d] : 0;
        before = maas_min(before, w->k[d] - 1);
        w->k[d] -= before;
        w->p0[d] -= before * w->d[d];
        w->k_count *= w->k[d];
    }
}


/* taps: what is read; full: what counts. */
static void
pool_geom(maas_window_t *taps, maas_window_t *full, const void *attr,
    const maas_tensor_t *x, const maas_tensor_t *y)
{
    maas_window_init(full, attr, NULL, x->rank - 2, x->dims + 2,
                     y->dims + 2);
    *taps = *full;
    maas_pool_trim(taps);
}


static bool
pool_setup(maas_setup_t *u)
{
    maas_window_t  w, full;

    pool_geom(&w, &full, u->attr, &u->in[0], &u->out[0]);
    u->units = maas_max(u->in[0].dims[0] * u->in[0].dims[1], 1);
    u->scratch = u->in[0].dtype == MAAS_F32
                 ? maas_pool_scratch(&w)
                   + (size_t) w.out[w.nd - 1] * sizeof(float) : 0;
    u->cost = (double) maas_tensor_count(&u->out[0]) * (double) w.k_count
              * 0.5;
    return true;
}


/* -- maximum ------------------------------------------------------------- */

#define POOL_MAX(T, fn, LOW)                                                  \
                                                                              \
static void                                                                   \
fn(const maas_window_t *w, T *y, int64_t *at, const T *x, int64_t o)          \
{                                                                             \
    int       l = w->nd - 1;                                                  \
    int64_t   r, kx, i, lo, hi, off, base, s = w->s[l];                       \
    const T  *p;                                                              \
                                                                              \
    for (i = 0; i < w->out[l]; i++) {                                         \
        y[i] = LOW;                                                           \
    }                                                                         \
                                                                              \
    for (i = 0; at != NULL && i < w->out[l]; i++) {                           \
        at[i] = -1;                                                           \
    }                                                                         \
                                                                              \
    for (r = 0; r < w->k_count / w->k[l]; r++) {                              \
        if (!maas_window_row(w, o, r, &off)) {                                \
            continue;                                                         \
        }                                                                     \
                                                                              \
        for (kx = 0; kx < w->k[l]; kx++) {                                    \
            base = kx * w->d[l] - w->p0[l];                                   \
            maas_window_range(w->out[l], s, base, w->in[l], &lo, &hi);        \
            p = x + off + base;                                               \
                                                                              \
            for (i = lo; at == NULL && i < hi; i++) {                         \
                T  v = p[i * s];                                              \
                                                                              \
                y[i] = y[i] > v || y[i] != y[i] ? y[i] : v;                   \
            }                                                                 \
                                                                              \
            for (i = lo; at != NULL && i < hi; i++) {                         \
                T  v = p[i * s];                                              \
                                                                              \
                if (at[i] < 0 || v > y[i] || (v != v && y[i] == y[i])) {      \
                    y[i] = v;                                                 \
                    at[i] = off + base + i * s;                               \
                }                                                             \
            }                                                                 \
        }                                                                     \
    }                                                                         \
}


POOL_MAX(double, pool_max_f64, -INFINITY)


POOL_MAX(float, pool_max_f32, -INFINITY)


POOL_MAX(int8_t, pool_max_i8, INT8_MIN)


POOL_MAX(uint8_t, pool_max_u8, 0)


/* Positions in a plane to the positions that ONNX wants. */
static void
pool_indices(const maas_window_t *w, int64_t *at, int64_t plane, bool column)
{
    int      d;
    int64_t  i, v, pos, mul, c[MAAS_WINDOW_MAX];

    for (i = 0; i < w->out[w->nd - 1]; i++) {
        pos = maas_max(at[i], 0);

        if (column) {
            v = pos;

            for (d = w->nd - 1; d >= 0; d--) {
                c[d] = v % w->in[d];
                v /= w->in[d];
            }

            pos = 0;
            mul = 1;

            for (d = 0; d < w->nd; d++) {
                pos += c[d] * mul;
                mul *= w->in[d];
            }
        }

        at[i] = plane * w->in_count + pos;
    }
}


static void
maxpool_row(const maas_step_t *s, const maas_window_t *w, int64_t plane,
    int64_t o)
{
    char                      *y;
    size_t                     size;
    int64_t                    ow, first, *at = NULL;
    const char                *x;
    const maas_window_attr_t  *a = s->attr;

    ow = w->out[w->nd - 1];
    first = plane * w->out_count + o * ow;
    size = maas_dtype_size(s->in[0].dtype);
    y = (char *) s->out[0].data + (size_t) first * size;
    x = (const char *) s->in[0].data
        + (size_t) (plane * w->in_count) * size;

    if (s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE
        && s->out[1].data != NULL)
    {
        at = (int64_t *) s->out[1].data + first;
    }

    switch (s->in[0].dtype) {
    case MAAS_F32:
        pool_max_f32(w, (float *) y, at, (const float *) x, o);
        break;
    case MAAS_F64:
        pool_max_f64(w, (double *) y, at, (const double *) x, o);
        break;
    case MAAS_I8:
        pool_max_i8(w, (int8_t *) y, at, (const int8_t *) x, o);
        break;
    default:
        pool_max_u8(w, (uint8_t *) y, at, (const uint8_t *) x, o);
        break;
    }

    if (at != NULL) {
        pool_indices(w, at, plane, a->storage_order == 1);
    }
}


static maas_status_t
maxpool_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    bool           plain;
    int64_t        u, o, rows;
    maas_window_t  w, full;

    pool_geom(&w, &full, s->attr, &s->in[0], &s->out[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    rows = w.out_count / w.out[w.nd - 1];
    plain = s->in[0].dtype == MAAS_F32
            && (s->n_out < 2 || s->out[1].dtype == MAAS_NODTYPE
                || s->out[1].data == NULL);

    for (u = first; u < last; u++) {
        if (plain) {
            maas_pool_rows(&w, s->k, MAAS_R_MAX,
                           (float *) s->out[0].data + u * w.out_count,
                           (const float *) s->in[0].data + u * w.in_count,
                           slot->scratch);
            continue;
        }

        for (o = 0; o < rows; o++) {
            maxpool_row(s, &w, u, o);
        }
    }

    return MAAS_OK;
}


/* -- average and norm ---------------------------------------------------- */

int64_t
maas_pool_count(const maas_window_t *w, int d, int64_t o, bool pads)
{
    int64_t  lo, hi, first, last;

    lo = pads ? -w->p0[d] : 0;
    hi = w->in[d] + (pads ? w->p1[d] : 0);
    maas_window_range(w->k[d], w->d[d], o * w->s[d] - w->p0[d] - lo, hi - lo,
                      &first, &last);

    return last - first;
}


int64_t
maas_pool_count_row(const maas_window_t *w, int64_t o, bool pads)
{
    int64_t  n = 1;

    for (int d = w->nd - 2; d >= 0; d--) {
        n *= maas_pool_count(w, d, o % w->out[d], pads);
        o /= w->out[d];
    }

    return n;
}


/* p: 0 sum, 1 sum of magnitudes, else sum of |x| to the p. */
#define POOL_SUM(T, fn, ABS, POW)                                             \
                                                                              \
static inline T                                                               \
fn##_tap(T v, int64_t p)                                                      \
{                                                                             \
    return p == 0 ? v : p == 1 ? ABS(v) : p == 2 ? v * v                      \
                      : POW(ABS(v), (T) p);                                   \
}                                                                             \
                                                                              \
                                                                              \
static inline T                                                               \
fn##_root(T v, int64_t p)                                                     \
{                                                                             \
    return p == 1 ? v : p == 2 ? (T) sqrt((double) v)                         \
                      : POW(v, 1 / (T) p);                                    \
}                                                                             \
                                                                              \
                                                                              \
static void                                                                   \
fn(const maas_window_t *w, T *y, const T *x, int64_t o, int64_t p)            \
{                                                                             \
    int       l = w->nd - 1;                                                  \
    int64_t   r, kx, i, lo, hi, off, base;                                    \
    const T  *t;                                                              \
                                                                              \
    memset(y, 0, (size_t) w->out[l] * sizeof(T));                             \
                                                                              \
    for (r = 0; r < w->k_count / w->k[l]; r++) {                              \
        if (!maas_window_row(w, o, r, &off)) {                                \
            continue;                                                         \
        }                                                                     \
                                                                              \
        for (kx = 0; kx < w->k[l]; kx++) {                                    \
            base = kx * w->d[l] - w->p0[l];                                   \
            maas_window_range(w->out[l], w->s[l], base, w->in[l], &lo, &hi);  \
            t = x + off + base;                                               \
                                                                              \
            for (i = lo; i < hi; i++) {                                       \
                y[i] += fn##_tap(t[i * w->s[l]], p);                          \
            }                                                                 \
        }                                                                     \
    }                                                                         \
                                                                              \
    for (i = 0; p != 0 && i < w->out[l]; i++) {                               \
        y[i] = fn##_root(y[i], p);                                            \
    }                                                                         \
}


POOL_SUM(float, pool_sum_f32, fabsf, powf)


POOL_SUM(double, pool_sum_f64, fabs, pow)


/* Sums of float32 planes to averages; cols: taps of each column. */
static void
pool_divide(const maas_window_t *w, float *y, const float *cols, bool pads)
{
    float    n;
    int64_t  ow = w->out[w->nd - 1];

    for (int64_t o = 0; o < w->out_count / ow; o++, y += ow) {
        n = (float) maas_pool_count_row(w, o, pads);

        for (int64_t i = 0; i < ow; i++) {
            y[i] /= n * cols[i];
        }
    }
}


/* The same of a row of float64. */
static void
pool_divide_f64(const maas_window_t *w, double *y, int64_t o, bool pads)
{
    int      l = w->nd - 1;
    int64_t  n = maas_pool_count_row(w, o, pads);

    for (int64_t i = 0; i < w->out[l]; i++) {
        y[i] /= (double) (n * maas_pool_count(w, l, i, pads));
    }
}


static void
sumpool_row(const maas_step_t *s, const maas_window_t *w,
    const maas_window_t *full, int64_t plane, int64_t o, int64_t p)
{
    int64_t                    at;
    const maas_window_attr_t  *a = s->attr;

    at = plane * w->out_count + o * w->out[w->nd - 1];

    if (s->in[0].dtype == MAAS_F32) {
        const float  *x = (const float *) s->in[0].data + plane * w->in_count;
        float        *y = (float *) s->out[0].data + at;

        pool_sum_f32(w, y, x, o, p);

    } else {
        const double  *x = (const double *) s->in[0].data
                           + plane * w->in_count;
        double        *y = (double *) s->out[0].data + at;

        pool_sum_f64(w, y, x, o, p);

        if (p == 0) {
            pool_divide_f64(full, y, o, a->count_include_pad != 0);
        }
    }
}


static void
averagepool_f32(const maas_step_t *s, const maas_window_t *w,
    const maas_window_t *full, float *scratch, int64_t first, int64_t last)
{
    int                        l = w->nd - 1;
    float                     *y, *cols = scratch;
    const maas_window_attr_t  *a = s->attr;

    for (int64_t i = 0; i < w->out[l]; i++) {
        cols[i] = (float) maas_pool_count(full, l, i,
                                          a->count_include_pad != 0);
    }

    for (int64_t u = first; u < last; u++) {
        y = (float *) s->out[0].data + u * w->out_count;
        maas_pool_rows(w, s->k, MAAS_R_SUM, y,
                       (const float *) s->in[0].data + u * w->in_count,
                       scratch + w->out[l]);
        pool_divide(full, y, cols, a->count_include_pad != 0);
    }
}


static void
sumpool_units(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last, int64_t p)
{
    int64_t        u, o, rows;
    maas_window_t  w, full;

    pool_geom(&w, &full, s->attr, &s->in[0], &s->out[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return;
    }

    if (p == 0 && s->in[0].dtype == MAAS_F32) {
        averagepool_f32(s, &w, &full, slot->scratch, first, last);
        return;
    }

    rows = w.out_count / w.out[w.nd - 1];

    for (u = first; u < last; u++) {
        for (o = 0; o < rows; o++) {
            sumpool_row(s, &w, &full, u, o, p);
        }
    }
}


static maas_status_t
averagepool_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    sumpool_units(s, slot, first, last, 0);
    return MAAS_OK;
}


static maas_status_t
lppool_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    const maas_window_attr_t  *a = s->attr;

    sumpool_units(s, slot, first, last, a->p);
    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define MAXPOOL_TYPES  (MAAS_D_FLOAT | MAAS_D(I8) | MAAS_D(U8))

static const maas_formal_t  maxpool_in[] = {
    { "X", MAXPOOL_TYPES, 'T', 0 }
};

static const maas_formal_t  maxpool_out[] = {
    { "Y", MAXPOOL_TYPES, 'T', 0 },
    { "Indices", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  pool_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  pool_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_attr_row_t  maxpool_attrs[] = {
    MAAS_WINDOW_AUTO_PAD,
    MAAS_WINDOW_FLAG(ceil_mode),
    MAAS_WINDOW_LIST(dilations),
    MAAS_WINDOW_LIST(kernel_shape),
    MAAS_WINDOW_LIST(pads),
    MAAS_WINDOW_FLAG(storage_order),
    MAAS_WINDOW_LIST(strides)
};

static const maas_attr_row_t  averagepool_attrs[] = {
    MAAS_WINDOW_AUTO_PAD,
    MAAS_WINDOW_FLAG(ceil_mode),
    MAAS_WINDOW_FLAG(count_include_pad),
    MAAS_WINDOW_LIST(dilations),
    MAAS_WINDOW_LIST(kernel_shape),
    MAAS_WINDOW_LIST(pads),
    MAAS_WINDOW_LIST(strides)
};

static const maas_attr_row_t  lppool_attrs[] = {
    MAAS_WINDOW_AUTO_PAD,
    MAAS_WINDOW_FLAG(ceil_mode),
    MAAS_WINDOW_LIST(dilations),
    MAAS_WINDOW_LIST(kernel_shape),
    { "p", MAAS_ATTR_INT, false, offsetof(maas_window_attr_t, p), 2, 0, NULL,
      1, INT32_MAX },
    MAAS_WINDOW_LIST(pads),
    MAAS_WINDOW_LIST(strides)
};

static const maas_kernel_row_t  maxpool_kernels[] = {
    { "maxpool.rows", MAAS_CPU_REF, 0, 0, pool_setup, maxpool_run }
};

static const maas_kernel_row_t  averagepool_kernels[] = {
    { "averagepool.rows", MAAS_CPU_REF, 0, 0, pool_setup, averagepool_run }
};

static const maas_kernel_row_t  lppool_kernels[] = {
    { "lppool.rows", MAAS_CPU_REF, 0, 0, pool_setup, lppool_run }
};

static bool
maxpool_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    if (type[0]->dtype == MAAS_U8 || type[0]->dtype == MAAS_I8) {
        b->bytes = true;
        return maas_window_near(n->attr, NULL, type[0]->rank - 2)
               && maas_blocked_window(n, type, "MaxPoolBytes", b);
    }

    return maas_blocked_window(n, type, "MaxPoolBlocked", b);
}


static bool
averagepool_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    return maas_blocked_window(n, type, "AveragePoolBlocked", b);
}


static maas_status_t
pool_blocked_infer(maas_infer_t *c)
{
    return maas_blocked_out(c, pool_infer(c));
}


static const maas_kernel_row_t  maxpool_blocked_kernels[] = {
    { "maxpool.c16", MAAS_CPU_REF, 0, 0, pool_blocked_setup,
      maxpool_blocked_run, pool_blocked_rows, maxpool_blocked_band }
};

static const maas_formal_t  maxpool_bytes_in[] = {
    { "X", MAAS_D(U8) | MAAS_D(I8), 'X', 0 }
};

static const maas_formal_t  maxpool_bytes_out[] = {
    { "Y", MAAS_D(U8) | MAAS_D(I8), 'X', 0 }
};

static const maas_kernel_row_t  maxpool_bytes_kernels[] = {
    { "maxpool.bytes16", MAAS_CPU_REF, 0, 0, qpool_setup, qpool_run }
};

static const maas_kernel_row_t  averagepool_blocked_kernels[] = {
    { "averagepool.c16", MAAS_CPU_REF, 0, 0, averagepool_blocked_setup,
      averagepool_blocked_run, averagepool_blocked_rows,
      averagepool_blocked_band }
};

static const maas_case_t  maxpool_cases[] = {
    { "kernel_shape=[2,2] strides=[2,2] | f32[2,3,8,9]", NULL },
    { "kernel_shape=[3,3] pads=[1,1,1,1] | f32[1,3,17,33]", NULL },
    { "kernel_shape=[3,3] pads=[1,1,1,1] strides=[2,2] | f32[2,2,7,8]:nan",
      NULL },
    { "kernel_shape=[3,2] dilations=[2,2] | f32[1,2,9,7]", NULL },
    { "kernel_shape=[3,3] strides=[2,2] ceil_mode=1 | f32[1,1,6,8]", NULL },
    { "kernel_shape=[3] pads=[1,0] | f32[2,3,19]", NULL },
    { "kernel_shape=[2,2,2] strides=[1,2,1] | f32[1,2,4,5,6]", NULL },
    { "kernel_shape=[2,3] auto_pad=SAME_LOWER | u8[1,2,5,6]", NULL },
    { "kernel_shape=[2,2] | i8[1,2,5,6]", NULL },
    { "kernel_shape=[2,2] | f64[1,2,5,6]", NULL },
    { "kernel_shape=[2,2] | f32[0,2,5,6]", NULL },
    { NULL, NULL }
};

static const maas_case_t  maxpool_bad[] = {
    { "| f32[1,1,4,4]", "kernel_shape" },
    { "kernel_shape=[2] | f32[1,1,4,4]", "kernel_shape has 1 values" },
    { "kernel_shape=[5,5] | f32[1,1,4,4]", "window spans 5" },
    { "kernel_shape=[2] | f32[4,4]", "expected 3 or more" },
    { "kernel_shape=[65536,65536] pads=[65536,65536,65536,65536] | "
      "f32[1,1,4,4]", "too large" },
    { NULL, NULL }
};

static const maas_case_t  averagepool_cases[] = {
    { "kernel_shape=[2,2] strides=[2,2] | f32[2,3,8,9]", NULL },
    { "kernel_shape=[3,3] pads=[1,1,1,1] | f32[1,3,17,33]", NULL },
    { "kernel_shape=[3,3] pads=[1,0,2,1] count_include_pad=1 | f32[1,2,7,8]",
      NULL },
    { "kernel_shape=[3,3] strides=[2,2] ceil_mode=1 | f32[1,1,4,6]", NULL },
    { "kernel_shape=[3] auto_pad=SAME_UPPER | f32[2,3,19]", NULL },
    { "kernel_shape=[2,2,2] | f64[1,2,4,5,6]", NULL },
    { "kernel_shape=[3,2] dilations=[2,3] pads=[2,1,0,3] | f32[1,2,7,9]",
      NULL },
    { "kernel_shape=[2,2,3] dilations=[1,2,1] strides=[2,1,2] ceil_mode=1 "
      "count_include_pad=1 pads=[0,1,1,1,0,1] | f32[1,2,5,6,7]", NULL },
    { NULL, NULL }
};

static const maas_case_t  averagepool_bad[] = {
    { "kernel_shape=[2,2] pads=[0,0] | f32[1,1,4,4]", "pads has 2 values" },
    { NULL, NULL }
};

static const maas_case_t  lppool_cases[] = {
    { "kernel_shape=[2,2] | f32[2,3,8,9]", NULL },
    { "kernel_shape=[2,2] p=1 pads=[1,1,0,0] | f32[2,3,8,9]", NULL },
    { "kernel_shape=[3] p=3 strides=[2] | f64[2,3,9]", NULL },
    { "kernel_shape=[3,2] dilations=[2,1] ceil_mode=1 strides=[2,2] | "
      "f32[1,2,8,9]", NULL },
    { "kernel_shape=[2,2,2] | f32[1,2,4,5,6]", NULL },
    { NULL, NULL }
};

static const maas_case_t  lppool_bad[] = {
    { "kernel_shape=[2,2] p=0 | f32[1,1,4,4]", "p" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_pool[] = {
    {
        .name = "MaxPool", .domain = "", .since = 12,
        .flags = MAAS_OP_PURE,
        MAAS_IO(maxpool_in, maxpool_out),
        MAAS_ATTRS(maxpool_attrs, maas_window_attr_t),
        .infer = pool_infer,
        MAAS_KERNELS(maxpool_kernels), .blocked = maxpool_blocked,
        .grad = maas_grad_pool,
        .cases = maxpool_cases, .bad = maxpool_bad
    },
    {
        .name = "AveragePool", .domain = "", .since = 19,
        .flags = MAAS_OP_PURE,
        MAAS_IO(pool_in, pool_out),
        MAAS_ATTRS(averagepool_attrs, maas_window_attr_t),
        .infer = pool_infer,
        MAAS_KERNELS(averagepool_kernels), .blocked = averagepool_blocked,
        .grad = maas_grad_pool,
        .cases = averagepool_cases, .bad = averagepool_bad
    },
    {
        .name = "LpPool", .domain = "", .since = 18,
        .flags = MAAS_OP_PURE,
        MAAS_IO(pool_in, pool_out),
        MAAS_ATTRS(lppool_attrs, maas_window_attr_t),
        .infer = pool_infer,
        MAAS_KERNELS(lppool_kernels),
        .grad = maas_grad_pool,
        .cases = lppool_cases, .bad = lppool_bad
    },
    {
        .name = "MaxPoolBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        .in = pool_in, .n_in = 1, .out = pool_out, .n_out = 1,
        MAAS_ATTRS(maxpool_attrs, maas_window_attr_t),
        .infer = pool_blocked_infer,
        MAAS_KERNELS(maxpool_blocked_kernels)
    },
    {
        .name = "MaxPoolBytes", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(maxpool_bytes_in, maxpool_bytes_out),
        MAAS_ATTRS(maxpool_attrs, maas_window_attr_t),
        .infer = pool_blocked_infer,
        MAAS_KERNELS(maxpool_bytes_kernels)
    },
    {
        .name = "AveragePoolBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(pool_in, pool_out),
        MAAS_ATTRS(averagepool_attrs, maas_window_attr_t),
        .infer = pool_blocked_infer,
        MAAS_KERNELS(averagepool_blocked_kernels)
    },
    { .name = NULL }
};
