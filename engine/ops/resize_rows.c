/*
 * The kernel of Resize.
 *
 * Every axis gets a table (resize_taps.c).  An output row sums the source
 * rows that the tables of the outer axes name, then applies the table of the
 * last axis; so nearest, linear and cubic over any number of axes are one
 * loop.
 *
 * Ownership: tables lie in the thread's scratch.  Threads: a unit is a
 * block of output rows; units are independent.
 */

#include <math.h>

#include "ops/resize.h"


#define RS_ROWS  64


/* -- rows ---------------------------------------------------------------- */

/* Taps of the outer axes for output row o; false: outside of the crop. */
static bool
rs_row_taps(const rs_t *r, const maas_tensor_t *y, int64_t o,
    const maas_tap_t **t)
{
    bool  inside = true;

    for (int d = r->last - 1; d >= 0; d--) {
        t[d] = &r->tap[d][o % y->dims[d]];
        inside = inside && !t[d]->outside;
        o /= y->dims[d];
    }

    return inside;
}


/* Steps c over all combinations of outer taps; false after the last. */
static bool
rs_next(const rs_t *r, const maas_tap_t *const *t, int *c)
{
    for (int d = r->last - 1; d >= 0; d--) {
        if (++c[d] < t[d]->n) {
            return true;
        }

        c[d] = 0;
    }

    return false;
}


static int64_t
rs_source(const rs_t *r, const maas_tap_t *const *t, const int *c, float *w)
{
    int64_t  off = 0;

    *w = 1;

    for (int d = 0; d < r->last; d++) {
        off += t[d]->at[c[d]] * r->stride[d];
        *w *= t[d]->w[c[d]];
    }

    return off;
}


#define RS_GROUP  4                 /* rows that are summed at once */

const float *
rs_outer(const maas_kernels_t *k, const rs_t *r, const maas_tap_t *const *t,
    const float *x, int64_t n)
{
    int           c[MAAS_RANK_MAX] = { 0 }, rows = 0;
    bool          add = false, more;
    float         w[RS_GROUP];
    const float  *p[RS_GROUP];

    do {
        p[rows] = x + rs_source(r, t, c, &w[rows]);
        more = rs_next(r, t, c);
        rows++;

        if (!more && !add && rows == 1 && w[0] == 1) {
            return p[0];
        }

        if (!more || rows == RS_GROUP) {
            k->blend(r->row, p, w, rows, add, n);
            add = true;
            rows = 0;
        }
    } while (more);

    return r->row;
}


#define RS_SUM(T, A, fn)                                                      \
                                                                              \
static const A *                                                              \
fn(const rs_t *r, const maas_tap_t *const *t, const T *x)                     \
{                                                                             \
    int       c[MAAS_RANK_MAX] = { 0 };                                       \
    A         v, *row = r->row;                                               \
    bool      first = true;                                                   \
    float     w;                                                              \
    const T  *p;                                                              \
                                                                              \
    do {                                                                      \
        p = x + rs_source(r, t, c, &w);                                       \
                                                                              \
        for (int64_t i = 0; i < r->in_row; i++) {                             \
            v = w == 1 ? (A) p[i] : (A) w * (A) p[i];                         \
            row[i] = first ? v : row[i] + v;                                  \
        }                                                                     \
                                                                              \
        first = false;                                                        \
    } while (rs_next(r, t, c));                                               \
                                                                              \
    return row;                                                               \
}

#define RS_SAME(v)       (v)
#define RS_ROUND(v, lo, hi)                                                   \
    ((v) <= (double) (lo) ? (lo) : (v) >= (double) (hi) ? (hi) : rint(v))

/* From the sums of source rows to output. */
#define RS_ALONG(T, A, fn, PUT)                                               \
                                                                              \
static void                                                                   \
fn(const rs_t *r, const rs_attr_t *a, T *y, const A *row, bool inside)        \
{                                                                             \
    A                  v;                                                     \
    const maas_tap_t  *l = r->tap[r->last];                                   \
                                                                              \
    for (int64_t i = 0; i < r->out_row; i++, l++) {                           \
        v = l->n == 1 ? row[l->at[0]] : (A) l->w[0] * row[l->at[0]];          \
                                                                              \
        for (int j = 1; j < l->n; j++) {                                      \
            v += (A) l->w[j] * row[l->at[j]];                                 \
        }                                                                     \
                                                                              \
        if (!inside || l->outside) {                                          \
            v = (A) a->extrapolation;                                         \
        }                                                                     \
                                                                              \
        y[i] = (T) PUT(v);                                                    \
    }                                                                         \
}

#define RS_ROW(T, A, sum, along, PUT)  RS_SUM(T, A, sum)                      \
                                       RS_ALONG(T, A, along, PUT)


RS_ALONG(float, float, rs_along_f32, RS_SAME)


RS_ROW(double, double, rs_sum_f64, rs_along_f64, RS_SAME)

#define RS_PUT_I8(v)   RS_ROUND(v, INT8_MIN, INT8_MAX)
#define RS_PUT_U8(v)   RS_ROUND(v, 0, UINT8_MAX)
#define RS_PUT_I32(v)  RS_ROUND(v, INT32_MIN, INT32_MAX)


RS_ROW(int8_t, double, rs_sum_i8, rs_along_i8, RS_PUT_I8)


RS_ROW(uint8_t, double, rs_sum_u8, rs_along_u8, RS_PUT_U8)


RS_ROW(int32_t, double, rs_sum_i32, rs_along_i32, RS_PUT_I32)


/* Nearest copies elements of any type. */
#define RS_COPY(T, fn)                                                        \
                                                                              \
static void                                                                   \
fn(const rs_t *r, T *y, const T *x, T extra, bool inside)                     \
{                                                                             \
    const maas_tap_t  *l = r->tap[r->last];                                   \
                                                                              \
    for (int64_t i = 0; i < r->out_row; i++, l++) {                           \
        y[i] = inside && !l->outside ? x[l->at[0]] : extra;                   \
    }                                                                         \
}


RS_COPY(uint8_t, rs_copy_8)


RS_COPY(uint16_t, rs_copy_16)


RS_COPY(uint32_t, rs_copy_32)


RS_COPY(uint64_t, rs_copy_64)


/* The bits of the extrapolation value in a type. */
static uint64_t
rs_extra(float v, maas_dtype_t dtype)
{
    double    d = v;
    uint64_t  bits = 0;

    if (dtype == MAAS_F32) {
        memcpy(&bits, &v, sizeof(v));

    } else if (dtype == MAAS_F64) {
        memcpy(&bits, &d, sizeof(d));

    } else if (dtype == MAAS_BOOL) {
        bits = v != 0;

    } else if (v > -9e18f && v < 9e18f) {
        bits = (uint64_t) (int64_t) v;
    }

    return bits;
}


static void
rs_copy_row(const maas_step_t *s, const rs_t *r, const maas_tap_t *const *t,
    char *y, bool inside)
{
    int               c[MAAS_RANK_MAX] = { 0 };
    float             w;
    size_t            size = maas_dtype_size(s->in[RS_X].dtype);
    uint64_t          e;
    const void       *x;
    const rs_attr_t  *a = s->attr;

    e = rs_extra(a->extrapolation, s->in[RS_X].dtype);
    x = (const char *) s->in[RS_X].data
        + (size_t) rs_source(r, t, c, &w) * size;

    switch (size) {
    case 1:
        rs_copy_8(r, (uint8_t *) y, x, (uint8_t) e, inside);
        break;
    case 2:
        rs_copy_16(r, (uint16_t *) y, x, (uint16_t) e, inside);
        break;
    case 4:
        rs_copy_32(r, (uint32_t *) y, x, (uint32_t) e, inside);
        break;
    default:
        rs_copy_64(r, (uint64_t *) y, x, e, inside);
        break;
    }
}


static void
rs_row(const maas_step_t *s, const rs_t *r, int64_t o)
{
    bool              inside;
    char             *y;
    const void       *x = s->in[RS_X].data;
    const maas_tap_t   *t[MAAS_RANK_MAX];
    const rs_attr_t  *a = s->attr;

    inside = rs_row_taps(r, &s->out[0], o, t);
    y = (char *) s->out[0].data
        + (size_t) (o * r->out_row) * maas_dtype_size(s->out[0].dtype);

    if (a->mode == RS_NEAREST) {
        rs_copy_row(s, r, t, y, inside);
        return;
    }

    switch (s->in[RS_X].dtype) {
    case MAAS_F32:
        rs_along_f32(r, a, (float *) y,
                     rs_outer(s->k, r, t, x, r->in_row), inside);
        break;
    case MAAS_F64:
        rs_along_f64(r, a, (double *) y, rs_sum_f64(r, t, x), inside);
        break;
    case MAAS_I8:
        rs_along_i8(r, a, (int8_t *) y, rs_sum_i8(r, t, x), inside);
        break;
    case MAAS_U8:
        rs_along_u8(r, a, (uint8_t *) y, rs_sum_u8(r, t, x), inside);
        break;
    default:
        rs_along_i32(r, a, (int32_t *) y, rs_sum_i32(r, t, x), inside);
        break;
    }
}


bool
rs_setup(maas_setup_t *u)
{
    int64_t               rows = 1, taps = 0, room = 1;
    const rs_attr_t      *a = u->attr;
    const maas_tensor_t  *x = &u->in[RS_X], *y = &u->out[0];

    if (a->mode != RS_NEAREST
        && !((MAAS_D_FLOAT | MAAS_D(I8) | MAAS_D(U8) | MAAS_D(I32))
             >> x->dtype & 1))
    {
        return false;
    }

    if (a->coordinates == RS_TF_CROP && u->in[RS_ROI].dtype != MAAS_F32) {
        return false;
    }

    for (int i = 0; i < y->rank; i++) {
        rows *= i + 1 < y->rank ? y->dims[i] : 1;
        room = maas_max(room, rs_room(a, x, y, i));
        taps += (int64_t) rs_table_bytes(a, x, y, i, y->dims[i]);
    }

    u->units = maas_max((rows + RS_ROWS - 1) / RS_ROWS, 1);
    u->scratch = (size_t) taps
                 + (size_t) x->dims[x->rank - 1] * sizeof(double) + 64;
    u->cost = (double) maas_tensor_count(y) * (double) room;
    return true;
}


/* The tables of all axes; returns the number of rows. */
static int64_t
rs_tables(const maas_step_t *s, maas_slot_t *slot, rs_t *r)
{
    int                   d;
    char                 *pool;
    int64_t               rows = 1, mul = 1;
    maas_tap_t             *t;
    const maas_tensor_t  *x = &s->in[RS_X], *y = &s->out[0];

    r->row = slot->scratch;
    t = (maas_tap_t *) ((char *) slot->scratch
                      + maas_align((size_t) x->dims[x->rank - 1]
                                   * sizeof(double), 16));

    pool = (char *) t;

    for (d = 0; d < x->rank; d++) {
        pool += (size_t) y->dims[d] * sizeof(maas_tap_t);
    }

    r->last = x->rank - 1;
    r->in_row = x->dims[r->last];
    r->out_row = y->dims[r->last];

    for (d = r->last; d >= 0; d--) {
        r->stride[d] = mul;
        mul *= x->dims[d];
        r->tap[d] = t;
        rs_axis(s, d, 0, y->dims[d], t, &pool);
        t += y->dims[d];
        rows *= d < r->last ? y->dims[d] : 1;
    }

    return rows;
}


maas_status_t
rs_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    rs_t     r;
    int64_t  o, rows;

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    rows = rs_tables(s, slot, &r);

    for (o = first * RS_ROWS; o < rows && o < last * RS_ROWS; o++) {
        rs_row(s, &r, o);
    }

    return MAAS_OK;
}


/* -- the gradient: the same sums, backwards ------------------------------ */

/* only: the index of axis 0 that is written; -1: all. */
#define RS_BACK(T, fn)                                                        \
                                                                              \
static void                                                                   \
fn(const rs_t *r, T *dx, const T *dy, const maas_tap_t *const *t,             \
    int64_t only)                                                             \
{                                                                             \
    int              j, c[MAAS_RANK_MAX] = { 0 };                             \
    T               *row = r->row, *p;                                        \
    float            w;                                                       \
    int64_t          i;                                                       \
    const maas_tap_t  *l;                                                     \
                                                                              \
    for (j = 0, i = only < 0; r->last > 0 && j < t[0]->n; j++) {              \
        i += t[0]->at[j] == only;                                             \
    }                                                                         \
                                                                              \
    if (i == 0) {                                                             \
        return;                                                               \
    }                                                                         \
                                                                              \
    memset(row, 0, (size_t) r->in_row * sizeof(T));                           \
                                                                              \
    for (i = 0, l = r->tap[r->last]; i < r->out_row; i++, l++) {              \
        for (j = 0; j < l->n && !l->outside; j++) {                           \
            row[l->at[j]] += (T) l->w[j] * dy[i];                             \
        }                                                                     \
    }                                                                         \
                                                                              \
    do {                                                                      \
        p = dx + rs_source(r, t, c, &w);                                      \
                                                                              \
        for (i = 0; i < r->in_row                                             \
                    && (only < 0 || t[0]->at[c[0]] == only); i++)             \
        {                                                                     \
            p[i] += (T) w * row[i];                                           \
        }                                                                     \
    } while (rs_next(r, t, c));                                               \
}


RS_BACK(float, rs_back_f32)


RS_BACK(double, rs_back_f64)


/* Inputs dY, roi, scales, sizes, X: as the forward step had them. */
static void
rs_forward(const maas_tensor_t *in, const maas_tensor_t *dx,
    maas_tensor_t *x)
{
    memcpy(x, in, 4 * sizeof(*x));
    x[RS_X] = *dx;
}


bool
rs_grad_setup(maas_setup_t *u)
{
    maas_setup_t   f = *u;
    maas_tensor_t  in[4];

    rs_forward(u->in, &u->out[0], in);
    f.in = in;
    f.out = u->in;
    f.n_formal = 4;

    if (!rs_setup(&f)) {
        return false;
    }

    u->units = u->out[0].rank > 1 ? maas_max(u->out[0].dims[0], 1) : 1;
    u->scratch = f.scratch;
    u->cost = f.cost;
    return true;
}


maas_status_t
rs_grad_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    rs_t                  r;
    size_t                size = maas_dtype_size(s->out[0].dtype), slice;
    int64_t               o, rows, u;
    maas_step_t           f = *s;
    maas_tensor_t         in[4], *dx = &s->out[0];
    const maas_tap_t       *t[MAAS_RANK_MAX];
    const maas_tensor_t  *dy = &s->in[0];

    if (maas_tensor_count(dx) == 0) {
        return MAAS_OK;
    }

    rs_forward(s->in, dx, in);
    f.in = in;
    f.out = s->in;
    f.n_formal = 4;
    rows = rs_tables(&f, slot, &r);
    slice = (size_t) (maas_tensor_count(dx) / s->units) * size;

    for (u = first; u < last; u++) {
        memset((char *) dx->data + (size_t) u * slice, 0, slice);

        for (o = 0; o < rows && r.out_row != 0; o++) {
            if (!rs_row_taps(&r, dy, o, t)) {
                continue;
            }

            if (dx->dtype == MAAS_F64) {
                rs_back_f64(&r, dx->data, (const double *) dy->data
                                          + o * r.out_row, t,
                            r.last > 0 ? u : -1);

            } else {
                rs_back_f32(&r, dx->data, (const float *) dy->data
                                          + o * r.out_row, t,
                            r.last > 0 ? u : -1);
            }
        }
    }

    return MAAS_OK;
}
