/*
 * The kernel of Resize.
 *
 * Every axis gets a table: for each output position up to four source
 * positions (more with antialias) with weights.  An output row sums the
 * source rows that the tables of the outer axes name, then applies the table
 * of the last axis; so nearest, linear and cubic over any number of axes are
 * one loop.  Coordinates are computed in float32, as ONNX Runtime does; but
 * align_corners divides by what the scale gives, as ONNX's tests have it,
 * where ONNX Runtime takes the rounded extent.
 *
 * Ownership: tables lie in the thread's scratch.  Threads: a unit is a
 * block of output rows; units are independent.
 */

#include <math.h>

#include "ops/resize.h"


#define RS_ROWS  64

typedef struct {
    float    *w;
    int32_t  *at;
    int32_t   n;
    int32_t   outside;          /* of the crop: the extrapolation value */
} rs_tap_t;

/* How an axis is resized. */
typedef struct {
    float    scale;
    float    in, out;
    float    len;               /* out as align_corners wants it */
    float    roi[2];
    int64_t  n_in;
    int64_t  room;              /* taps of a position */
} rs_axis_t;


/* -- tables -------------------------------------------------------------- */

/* out: the resized length; align_corners takes it before it is rounded. */
static float
rs_coordinate(const rs_attr_t *a, float i, float scale, float in, float out,
    const float *roi)
{
    switch (a->coordinates) {
    case RS_PYTORCH_HALF_PIXEL:
        return out > 1 ? (i + 0.5f) / scale - 0.5f : 0;

    case RS_ALIGN_CORNERS:
        return out > 1 ? i * (in - 1) / (out - 1) : 0;

    case RS_ASYMMETRIC:
        return i / scale;

    case RS_TF_CROP:
        return out > 1 ? roi[0] * (in - 1)
                         + i * (roi[1] - roi[0]) * (in - 1) / (out - 1)
                       : 0.5f * (roi[0] + roi[1]) * (in - 1);

    case RS_TF_HALF_PIXEL_NN:
        return (i + 0.5f) / scale;

    case RS_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - out / (in * scale)) + (i + 0.5f) / scale - 0.5f;

    default:
        return (i + 0.5f) / scale - 0.5f;
    }
}


static float
rs_nearest(int64_t mode, float x, float scale)
{
    switch (mode) {
    case RS_PREFER_FLOOR:
        return ceilf(x - 0.5f);
    case RS_PREFER_CEIL:
        return floorf(x + 0.5f);
    case RS_CEIL:
        return ceilf(x);
    case RS_FLOOR_OR_CEIL:
        return scale < 1 ? ceilf(x) : floorf(x);
    default:
        return floorf(x);
    }
}


/* Keys' cubic convolution; f: the fraction behind the second tap. */
static void
rs_cubic(float *w, float a, float f)
{
    float  g = 1 - f;

    w[0] = ((a * (f + 1) - 5 * a) * (f + 1) + 8 * a) * (f + 1) - 4 * a;
    w[1] = ((a + 2) * f - (a + 3)) * f * f + 1;
    w[2] = ((a + 2) * g - (a + 3)) * g * g + 1;
    w[3] = ((a * (g + 1) - 5 * a) * (g + 1) + 8 * a) * (g + 1) - 4 * a;
}


/* Moves taps into the axis; exclude_outside: those out of it weigh 0. */
static void
rs_tap_place(const rs_attr_t *a, rs_tap_t *t, int64_t at, int64_t in)
{
    int    i;
    float  sum = 0;

    for (i = 0; i < t->n; i++, at++) {
        if (a->exclude_outside && (at < 0 || at >= in)) {
            t->w[i] = 0;
        }

        t->at[i] = (int32_t) maas_min(maas_max(at, 0), in - 1);
        sum += t->w[i];
    }

    for (i = 0; (a->exclude_outside || a->antialias) && i < t->n && sum != 0;
         i++)
    {
        t->w[i] /= sum;
    }
}


static void
rs_tap(const rs_attr_t *a, rs_tap_t *t, float x, float scale, int64_t in)
{
    float    base, f;
    int64_t  at;

    x = fminf(fmaxf(x, -1e9f), 1e9f);

    if (a->mode == RS_NEAREST) {
        at = (int64_t) rs_nearest(a->nearest_mode, x, scale);
        t->n = 1;
        t->w[0] = 1;
        t->at[0] = (int32_t) maas_min(maas_max(at, 0), in - 1);
        return;
    }

    base = floorf(x);
    f = x - base;
    at = (int64_t) base;

    if (f == 0 && at >= 0 && at < in) {
        t->n = 1;
        t->w[0] = 1;

    } else if (a->mode == RS_LINEAR) {
        t->n = 2;
        t->w[0] = 1 - f;
        t->w[1] = f;

    } else {
        t->n = 4;
        rs_cubic(t->w, a->cubic_a, f);
        at--;
    }

    rs_tap_place(a, t, at, in);
}


/* The filter is stretched where the axis shrinks. */
static void
rs_tap_antialias(const rs_attr_t *a, rs_tap_t *t, float x,
    const rs_axis_t *ax)
{
    float    v, w, base, scale = fminf(ax->scale, 1);
    int64_t  first, n;

    x = fminf(fmaxf(x, -1e9f), 1e9f);
    base = floorf(x);
    first = (int64_t) floorf((a->mode == RS_LINEAR ? -1 : -2) / scale) + 1;
    n = maas_min(2 - 2 * first, ax->room);

    for (int64_t i = 0; i < n; i++) {
        v = fabsf(((float) (first + i) - (x - base)) * scale);

        if (a->mode == RS_LINEAR) {
            w = fmaxf(1 - v, 0);

        } else if (v <= 1) {
            w = ((a->cubic_a + 2) * v - (a->cubic_a + 3)) * v * v + 1;

        } else {
            w = v < 2 ? ((v - 5) * v + 8) * v * a->cubic_a - 4 * a->cubic_a
                      : 0;
        }

        t->w[i] = w;
    }

    t->n = (int32_t) n;
    rs_tap_place(a, t, (int64_t) base + first, ax->n_in);
}


/* Room for the taps of a position on axis d. */
static int64_t
rs_room(const rs_attr_t *a, const maas_tensor_t *x, const maas_tensor_t *y,
    int d)
{
    double  shrink = (double) x->dims[d] / ((double) y->dims[d] - 0.5);

    if (a->mode == RS_NEAREST) {
        return 1;
    }

    if (!a->antialias || shrink <= 1) {
        return 4;
    }

    return 2 * (int64_t) ceil((a->mode == RS_LINEAR ? 1 : 2) * shrink) + 2;
}


/* The policy's scale; infer() rounded the extents from the same one. */
static float
rs_sizes_scale(const maas_step_t *s)
{
    int64_t               sizes[MAAS_RANK_MAX] = { 0 };
    const maas_tensor_t  *t = &s->in[RS_SIZES];

    for (int i = 0; i < MAAS_RANK_MAX && i < t->dims[0]; i++) {
        sizes[i] = ((const int64_t *) t->data)[i];
    }

    return rs_policy_scale(s->attr, s->in[RS_X].dims, s->in[RS_X].rank,
                           sizes);
}


static void
rs_axis_init(const maas_step_t *s, int d, rs_axis_t *ax)
{
    int                   at, count;
    const float          *v;
    const rs_attr_t      *a = s->attr;
    const maas_tensor_t  *x = &s->in[RS_X];

    at = rs_place(a, d, x->rank, &count);
    ax->n_in = x->dims[d];
    ax->in = (float) x->dims[d];
    ax->out = ax->len = (float) s->out[0].dims[d];
    ax->scale = ax->out / ax->in;
    ax->roi[0] = 0;
    ax->roi[1] = 1;
    ax->room = rs_room(a, x, &s->out[0], d);

    if (at < 0) {
        return;
    }

    if (s->n_formal > RS_SCALES && s->in[RS_SCALES].dtype != MAAS_NODTYPE
        && maas_tensor_count(&s->in[RS_SCALES]) > 0)
    {
        ax->scale = ((const float *) s->in[RS_SCALES].data)[at];
        ax->len = a->coordinates == RS_ALIGN_CORNERS ? ax->in * ax->scale
                                                     : ax->out;

    } else if (a->policy != RS_STRETCH) {
        ax->scale = rs_sizes_scale(s);
    }

    if (a->coordinates == RS_TF_CROP) {
        v = s->in[RS_ROI].data;
        ax->roi[0] = v[at];
        ax->roi[1] = v[at + count];
    }
}


/* Fills the table of axis d, whose weights and positions lie in *pool. */
static void
rs_axis(const maas_step_t *s, int d, rs_tap_t *t, char **pool)
{
    float             x;
    rs_axis_t         ax;
    const rs_attr_t  *a = s->attr;

    rs_axis_init(s, d, &ax);

    for (int64_t i = 0; i < s->out[0].dims[d]; i++, t++) {
        t->outside = 0;
        t->w = (float *) *pool;
        t->at = (int32_t *) (t->w + ax.room);
        *pool += ax.room * (int64_t) (sizeof(float) + sizeof(int32_t));

        if (ax.in == ax.out && ax.scale == 1
            && a->coordinates != RS_TF_CROP)
        {
            t->n = 1;
            t->w[0] = 1;
            t->at[0] = (int32_t) i;
            continue;
        }

        x = rs_coordinate(a, (float) i, ax.scale, ax.in, ax.len, ax.roi);
        t->outside = a->coordinates == RS_TF_CROP
                     && !(x >= 0 && x <= ax.in - 1);

        if (a->antialias && a->mode != RS_NEAREST && ax.scale < 1) {
            rs_tap_antialias(a, t, x, &ax);

        } else {
            rs_tap(a, t, x, ax.scale, ax.n_in);
        }
    }
}


/* -- rows ---------------------------------------------------------------- */

typedef struct {
    int         last;               /* axis of the rows */
    int64_t     in_row, out_row;
    int64_t     stride[MAAS_RANK_MAX];
    rs_tap_t   *tap[MAAS_RANK_MAX];
    void       *row;                /* sums of source rows */
} rs_t;


/* Taps of the outer axes for output row o; false: outside of the crop. */
static bool
rs_row_taps(const rs_t *r, const maas_tensor_t *y, int64_t o,
    const rs_tap_t **t)
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
rs_next(const rs_t *r, const rs_tap_t *const *t, int *c)
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
rs_source(const rs_t *r, const rs_tap_t *const *t, const int *c, float *w)
{
    int64_t  off = 0;

    *w = 1;

    for (int d = 0; d < r->last; d++) {
        off += t[d]->at[c[d]] * r->stride[d];
        *w *= t[d]->w[c[d]];
    }

    return off;
}


#define RS_SAME(v)       (v)
#define RS_ROUND(v, lo, hi)                                                   \
    ((v) <= (double) (lo) ? (lo) : (v) >= (double) (hi) ? (hi) : rint(v))

#define RS_ROW(T, A, fn, PUT)                                                 \
                                                                              \
static void                                                                   \
fn(const rs_t *r, const rs_attr_t *a, T *y, const T *x,                       \
    const rs_tap_t *const *t, bool inside)                                    \
{                                                                             \
    int              j, c[MAAS_RANK_MAX] = { 0 };                             \
    A                v, *row = r->row;                                        \
    bool             first = true;                                            \
    float            w;                                                       \
    int64_t          i;                                                       \
    const T         *p;                                                       \
    const rs_tap_t  *l;                                                       \
                                                                              \
    do {                                                                      \
        p = x + rs_source(r, t, c, &w);                                       \
                                                                              \
        for (i = 0; i < r->in_row; i++) {                                     \
            v = w == 1 ? (A) p[i] : (A) w * (A) p[i];                         \
            row[i] = first ? v : row[i] + v;                                  \
        }                                                                     \
                                                                              \
        first = false;                                                        \
    } while (rs_next(r, t, c));                                               \
                                                                              \
    for (i = 0, l = r->tap[r->last]; i < r->out_row; i++, l++) {              \
        v = l->n == 1 ? row[l->at[0]] : (A) l->w[0] * row[l->at[0]];          \
                                                                              \
        for (j = 1; j < l->n; j++) {                                          \
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


RS_ROW(float, float, rs_row_f32, RS_SAME)


RS_ROW(double, double, rs_row_f64, RS_SAME)

#define RS_PUT_I8(v)   RS_ROUND(v, INT8_MIN, INT8_MAX)
#define RS_PUT_U8(v)   RS_ROUND(v, 0, UINT8_MAX)
#define RS_PUT_I32(v)  RS_ROUND(v, INT32_MIN, INT32_MAX)


RS_ROW(int8_t, double, rs_row_i8, RS_PUT_I8)


RS_ROW(uint8_t, double, rs_row_u8, RS_PUT_U8)


RS_ROW(int32_t, double, rs_row_i32, RS_PUT_I32)


/* Nearest copies elements of any type. */
#define RS_COPY(T, fn)                                                        \
                                                                              \
static void                                                                   \
fn(const rs_t *r, T *y, const T *x, T extra, bool inside)                     \
{                                                                             \
    const rs_tap_t  *l = r->tap[r->last];                                     \
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
rs_copy_row(const maas_step_t *s, const rs_t *r, const rs_tap_t *const *t,
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
    const rs_tap_t   *t[MAAS_RANK_MAX];
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
        rs_row_f32(r, a, (float *) y, x, t, inside);
        break;
    case MAAS_F64:
        rs_row_f64(r, a, (double *) y, x, t, inside);
        break;
    case MAAS_I8:
        rs_row_i8(r, a, (int8_t *) y, x, t, inside);
        break;
    case MAAS_U8:
        rs_row_u8(r, a, (uint8_t *) y, x, t, inside);
        break;
    default:
        rs_row_i32(r, a, (int32_t *) y, x, t, inside);
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
        taps += y->dims[i] * (int64_t) (sizeof(rs_tap_t)
                + (size_t) rs_room(a, x, y, i) * 2 * sizeof(float));
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
    rs_tap_t             *t;
    const maas_tensor_t  *x = &s->in[RS_X], *y = &s->out[0];

    r->row = slot->scratch;
    t = (rs_tap_t *) ((char *) slot->scratch
                      + maas_align((size_t) x->dims[x->rank - 1]
                                   * sizeof(double), 16));

    pool = (char *) t;

    for (d = 0; d < x->rank; d++) {
        pool += (size_t) y->dims[d] * sizeof(rs_tap_t);
    }

    r->last = x->rank - 1;
    r->in_row = x->dims[r->last];
    r->out_row = y->dims[r->last];

    for (d = r->last; d >= 0; d--) {
        r->stride[d] = mul;
        mul *= x->dims[d];
        r->tap[d] = t;
        rs_axis(s, d, t, &pool);
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
fn(const rs_t *r, T *dx, const T *dy, const rs_tap_t *const *t,               \
    int64_t only)                                                             \
{                                                                             \
    int              j, c[MAAS_RANK_MAX] = { 0 };                             \
    T               *row = r->row, *p;                                        \
    float            w;                                                       \
    int64_t          i;                                                       \
    const rs_tap_t  *l;                                                       \
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
    const rs_tap_t       *t[MAAS_RANK_MAX];
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
