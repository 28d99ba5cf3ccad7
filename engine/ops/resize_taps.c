/*
 * The tables of Resize: for each output position of an axis up to four
 * source positions (more with antialias) with weights.  Coordinates are
 * computed in float32, as ONNX Runtime does; but align_corners divides by
 * what the scale gives, as ONNX's tests have it, where ONNX Runtime takes
 * the rounded extent.
 *
 * Ownership: tables lie where the caller says.  Threads: reentrant.
 */

#include <math.h>

#include "ops/resize.h"


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
rs_tap_place(const rs_attr_t *a, maas_tap_t *t, int64_t at, int64_t in)
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
rs_tap(const rs_attr_t *a, maas_tap_t *t, float x, float scale, int64_t in)
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
rs_tap_antialias(const rs_attr_t *a, maas_tap_t *t, float x,
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


int64_t
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


size_t
rs_table_bytes(const rs_attr_t *a, const maas_tensor_t *x,
    const maas_tensor_t *y, int d, int64_t n)
{
    return (size_t) n * (sizeof(maas_tap_t)
                         + (size_t) rs_room(a, x, y, d)
                           * (sizeof(float) + sizeof(int32_t)));
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


void
rs_axis(const maas_step_t *s, int d, int64_t first, int64_t last,
    maas_tap_t *t, char **pool)
{
    float             x;
    rs_axis_t         ax;
    const rs_attr_t  *a = s->attr;

    rs_axis_init(s, d, &ax);

    for (int64_t i = first; i < last; i++, t++) {
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


/* -- without the scale --------------------------------------------------- */

#define RS_REACH  65536             /* positions, float32 tells them apart */
#define RS_SLACK  (1 / 32.0)        /* more than it errs there */

/* Where position i of `out` lies less i * in / out; inverse: of the scale. */
static double
rs_offset(const rs_attr_t *a, double i, double in, double out,
    double inverse)
{
    double  at = i * inverse;

    switch (a->coordinates) {
    case RS_ALIGN_CORNERS:
        at = i * (in - 1) / maas_max(in / inverse - 1, out - 1);
        break;

    case RS_ASYMMETRIC:
        break;

    case RS_TF_HALF_PIXEL_NN:
        at += 0.5 * inverse;
        break;

    case RS_HALF_PIXEL_SYMMETRIC:
        at += in / 2 * (1 - out * inverse / in);
        /* fall through */

    default:
        at += 0.5 * inverse - 0.5;
    }

    return at - i * in / out;
}


/*
 * The scale gives `out` when in * scale is rounded, down or to the nearest.
 * Offsets are linear in i and go one way with the inverse of the scale, so
 * that the corners bound them.
 */
bool
rs_reach(const rs_attr_t *a, int64_t in, int64_t out, int64_t *before,
    int64_t *reach)
{
    int     more = a->mode == RS_CUBIC ? 2 : 1;
    double  low = 0, high = 0, v, n = (double) in, m = (double) out;

    if (a->coordinates == RS_TF_CROP
        || (a->antialias && a->mode != RS_NEAREST)
        || in < 1 || out < 1 || in > RS_REACH || out > RS_REACH)
    {
        return false;
    }

    if (out == 1) {
        *before = in;
        *reach = 2 * in;
        return true;
    }

    for (int i = 0; i < 4; i++) {
        v = rs_offset(a, i & 1 ? m - 1 : 0, n, m,
                      i & 2 ? n / (m - 0.5) : n / (m + 1));
        low = fmin(low, v);
        high = fmax(high, v);
    }

    if (a->mode == RS_NEAREST && a->nearest_mode == RS_FLOOR) {
        more = 0;
    }

    /* i * in / out lies up to 1 above the integer that offsets are from. */
    low = floor(low - RS_SLACK) - (a->mode == RS_CUBIC ? 1 : 0);
    high = floor(high + RS_SLACK) + 1 + more;
    *before = (int64_t) -low;
    *reach = (int64_t) (high - low) + 1;
    return true;
}
