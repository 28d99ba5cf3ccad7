/*
 * GridSample-20: samples the images [N, C, H, W] of X at the points of a
 * grid [N, H_out, W_out, 2] of (x, y) in [-1, 1], or those of three axes.
 *
 * A point becomes one, two or four taps on each axis, each a position and a
 * weight; all channels of the point use them.  A point outside is first
 * clamped (border, not with cubic, as in PyTorch and ONNX Runtime) or
 * mirrored (reflection); a tap outside is clamped, mirrored or, with zeros,
 * dropped.  NaN counts as a point before the start.
 *
 * Ownership: nothing is allocated.  Threads: points are independent.
 */

#include <math.h>

#include "ops/move.h"


enum { GRID_LINEAR = 0, GRID_NEAREST, GRID_CUBIC };
enum { GRID_ZEROS = 0, GRID_BORDER, GRID_REFLECTION };

/* The names of opset 20, then those of 16. */
static const char *const  grid_modes[] = { "linear", "nearest", "cubic",
                                           "bilinear", "bicubic", NULL };
static const char *const  grid_paddings[] = { "zeros", "border",
                                              "reflection", NULL };

typedef struct {
    int64_t  align_corners;
    int64_t  mode;
    int64_t  padding;
} grid_attr_t;

#define GRID_AXES  3

static inline int
grid_mode(const grid_attr_t *a)
{
    static const int  modes[] = {
        GRID_LINEAR, GRID_NEAREST, GRID_CUBIC, GRID_LINEAR, GRID_CUBIC
    };

    return modes[a->mode];
}


/* The taps of a point on one axis. */
typedef struct {
    int      n;
    int64_t  at[4];
    double   w[4];
} grid_taps_t;


/* Sizes of an image, outer axes of 1 where it has less than three. */
typedef struct {
    int64_t  in[GRID_AXES];
    int64_t  image;
    int64_t  points;            /* of an image of the output */
} grid_geom_t;


static maas_status_t
grid_infer(maas_infer_t *c)
{
    int                 nd, rank = c->in[0].type->rank;
    maas_dim_t          dims[GRID_AXES + 2], n;
    const maas_type_t  *x = c->in[0].type, *g = c->in[1].type;
    const grid_attr_t  *a = c->attr;

    if (g->rank != rank || rank < 4 || rank > GRID_AXES + 2) {
        return maas_err(c->err, MAAS_EINVAL, "X has rank %d, grid rank %d, "
                        "expected 4 and 4 or 5 and 5", rank, g->rank);
    }

    nd = rank - 2;

    if (nd == 3 && grid_mode(a) == GRID_CUBIC) {
        return maas_err(c->err, MAAS_EUNSUPPORTED,
                        "mode cubic over 3 axes is not defined; linear and "
                        "nearest are");
    }

    MAAS_TRY(maas_infer_merge(c, x->dims[0], g->dims[0], &dims[0],
                              "the batch of X and grid"));
    MAAS_TRY(maas_infer_merge(c, g->dims[nd + 1], nd, &n,
                              "the last axis of grid, and X's axes"));
    dims[1] = x->dims[1];

    for (int i = 0; i < nd; i++) {
        dims[2 + i] = g->dims[1 + i];
    }

    maas_infer_set(c, 0, x->dtype, rank, dims);

    return MAAS_OK;
}


static bool
grid_setup(maas_setup_t *u)
{
    double             taps;
    int                nd = u->in[0].rank - 2, mode = grid_mode(u->attr);
    int64_t            n = maas_tensor_count(&u->out[0]);

    taps = mode == GRID_CUBIC ? 4 : mode == GRID_NEAREST ? 1 : 2;
    taps *= nd == 3 ? taps * taps : taps;
    u->units = maas_max(maas_min(n / 2048,
                        maas_dims_count(u->in[1].dims, nd + 1)), 1);
    u->cost = 50 + (double) n * (10 + 2 * taps);
    return true;
}


/* -- taps ---------------------------------------------------------------- */

static double
grid_mirror(double v, double lo, double hi)
{
    double  d, n, range = hi - lo;

    if (range <= 0) {
        return lo;
    }

    if (v < lo || v > hi) {
        d = v < lo ? lo - v : v - hi;
        n = floor(d / range);
        d -= n * range;
        v = (fmod(n, 2) == 0) == (v < lo) ? lo + d : hi - d;
    }

    return v;
}


static void
grid_weights(const grid_attr_t *a, double t, double *w)
{
    double  s = t + 1, A = -0.75;

    if (grid_mode(a) == GRID_LINEAR) {
        w[0] = 1 - t;
        w[1] = t;
        return;
    }

    for (int i = 0; i < 4; i++) {
        s = fabs(t + 1 - i);
        w[i] = s <= 1 ? ((A + 2) * s - (A + 3)) * s * s + 1
                      : ((A * s - 5 * A) * s + 8 * A) * s - 4 * A;
    }
}


/* v in [-1, 1] on an axis of n pixels; n is not 0. */
static void
grid_taps(grid_taps_t *p, const grid_attr_t *a, double v, int64_t n)
{
    int      mode = grid_mode(a);
    double   lo, hi, whole;
    int64_t  m, at, first;

    lo = a->align_corners ? 0 : -0.5;
    hi = (double) n - 1 - lo;
    v = a->align_corners ? (v + 1) / 2 * ((double) n - 1)
                         : ((v + 1) * (double) n - 1) / 2;
    v = isnan(v) ? -2 : fmax(fmin(v, 1e15), -1e15);
    v = mode == GRID_NEAREST ? rint(v) : v;

    /* A cubic point may lie outside: its taps are clamped one by one. */
    if ((v < lo || v > hi) && a->padding != GRID_ZEROS
        && !(a->padding == GRID_BORDER && mode == GRID_CUBIC))
    {
        v = a->padding == GRID_BORDER ? fmax(fmin(v, (double) n - 1), 0)
                                      : grid_mirror(v, lo, hi);
    }

    whole = mode == GRID_NEAREST ? rint(v) : floor(v);
    first = (int64_t) whole - (mode == GRID_CUBIC);
    m = mode == GRID_NEAREST ? 1 : mode == GRID_LINEAR ? 2 : 4;
    p->n = 0;
    p->w[0] = 1;

    if (m > 1) {
        grid_weights(a, v - whole, p->w);
    }

    for (int64_t i = 0; i < m; i++) {
        at = first + i;

        if (at < 0 || at >= n) {
            if (a->padding == GRID_ZEROS) {
                continue;
            }

            at = a->padding == GRID_REFLECTION
                 ? (int64_t) grid_mirror((double) at, lo, hi) : at;
            at = maas_max(maas_min(at, n - 1), 0);
        }

        p->at[p->n] = at;
        p->w[p->n++] = p->w[i];
    }
}


/* -- points -------------------------------------------------------------- */

/* All channels of a point; x and y: its image and its place in the output. */
#define GRID_POINT(D, type)                                                   \
    static void                                                               \
    grid_point_##D(const maas_tensor_t *x, const maas_tensor_t *y,            \
        const grid_geom_t *g, int64_t from, int64_t to,                       \
        const grid_taps_t *t)                                                 \
    {                                                                         \
        double       sum, part, row;                                          \
        const type  *p, *q;                                                   \
                                                                              \
        for (int64_t c = 0; c < x->dims[1]; c++) {                            \
            p = (const type *) x->data + from + c * g->image;                 \
            sum = 0;                                                          \
                                                                              \
            for (int k = 0; k < t[0].n; k++) {                                \
                part = 0;                                                     \
                                                                              \
                for (int i = 0; i < t[1].n; i++) {                            \
                    q = p + (t[0].at[k] * g->in[1] + t[1].at[i]) * g->in[2];  \
                    row = 0;                                                  \
                                                                              \
                    for (int j = 0; j < t[2].n; j++) {                        \
                        row += (double) q[t[2].at[j]] * t[2].w[j];            \
                    }                                                         \
                                                                              \
                    part += row * t[1].w[i];                                  \
                }                                                             \
                                                                              \
                sum += part * t[0].w[k];                                      \
            }                                                                 \
                                                                              \
            ((type *) y->data)[to + c * g->points] = (type) sum;              \
        }                                                                     \
    }

GRID_POINT(F32, float)
GRID_POINT(F64, double)


static double
grid_coordinate(const maas_tensor_t *g, int64_t i)
{
    return g->dtype == MAAS_F64 ? ((const double *) g->data)[i]
                                : (double) ((const float *) g->data)[i];
}


static maas_status_t
grid_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int                   nd = s->in[0].rank - 2;
    int64_t               p, to, b, from, into, batch = s->in[1].dims[0];
    grid_geom_t           geom = { .in = { 1, 1, 1 } };
    grid_taps_t           t[GRID_AXES] = { { 1, { 0 }, { 1 } } };
    const maas_tensor_t  *x = &s->in[0], *g = &s->in[1], *y = &s->out[0];

    (void) slot;

    for (int i = 0; i < nd; i++) {
        geom.in[GRID_AXES - nd + i] = x->dims[2 + i];
    }

    geom.image = geom.in[0] * geom.in[1] * geom.in[2];
    geom.points = maas_dims_count(y->dims + 2, nd);
    p = maas_move_start(batch * geom.points, s->units, first);
    to = maas_move_start(batch * geom.points, s->units, last);

    for (; p < to; p++) {
        b = p / geom.points;
        from = b * x->dims[1] * geom.image;
        into = b * x->dims[1] * geom.points + p % geom.points;

        /* The grid has the last axis first.  An empty image has no taps. */
        for (int i = 0; geom.image != 0 && i < nd; i++) {
            grid_taps(&t[GRID_AXES - 1 - i], s->attr,
                      grid_coordinate(g, nd * p + i),
                      geom.in[GRID_AXES - 1 - i]);
        }

        if (x->dtype == MAAS_F64) {
            grid_point_F64(x, y, &geom, from, into, t);

        } else {
            grid_point_F32(x, y, &geom, from, into, t);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  grid_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "grid", MAAS_D_FLOAT, 0, 0 }
};

static const maas_formal_t  grid_out[] = { { "Y", MAAS_D_FLOAT, 'T', 0 } };

static const maas_attr_row_t  grid_attrs[] = {
    { .name = "align_corners", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(grid_attr_t, align_corners) },
    { .name = "mode", .type = MAAS_ATTR_STRING, .words = grid_modes,
      .i = GRID_LINEAR, .off = offsetof(grid_attr_t, mode) },
    { .name = "padding_mode", .type = MAAS_ATTR_STRING,
      .words = grid_paddings, .i = GRID_ZEROS,
      .off = offsetof(grid_attr_t, padding) }
};

static const maas_kernel_row_t  grid_kernel[] = {
    { .id = "gridsample.points", .setup = grid_setup, .run = grid_run }
};

static const maas_case_t  grid_cases[] = {
    { "| f32[2,3,5,7] f32[2,4,3,2]", NULL },
    { "mode=nearest align_corners=1 | f32[1,2,5,7] f32[1,9,9,2]", NULL },
    { "mode=bicubic padding_mode=border | f32[1,2,5,7] f32[1,9,9,2]:nan",
      NULL },
    { "mode=bicubic padding_mode=reflection | f64[1,1,5,3] f32[1,9,9,2]:inf",
      NULL },
    { "padding_mode=reflection align_corners=1 | f32[1,2,1,4] "
      "f64[1,5,3,2]:inf", NULL },
    { "mode=nearest padding_mode=reflection | f32[1,2,2,4] f32[1,5,3,2]:nan",
      NULL },
    { "mode=cubic | f32[1,5,33,31] f32[1,40,40,2]", NULL },
    { "mode=linear | f32[2,3,4,5,6] f32[2,2,3,4,3]", NULL },
    { "mode=nearest padding_mode=border | f64[1,2,4,5,6] f32[1,2,3,4,3]:inf",
      NULL },
    { "padding_mode=reflection align_corners=1 | f32[1,2,4,5,6] "
      "f32[1,2,3,4,3]", NULL },
    { "padding_mode=border | f16[1,2,4,4] f16[1,3,3,2]", NULL },
    { "| f32[1,2,0,4] f32[1,3,3,2]", NULL },
    { "| f32[0,2,4,4] f32[0,3,3,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  grid_bad[] = {
    { "| f32[1,2,4] f32[1,3,2]", "expected 4 and 4 or 5 and 5" },
    { "mode=cubic | f32[1,1,2,3,4] f32[1,2,2,2,3]", "mode cubic" },
    { "| f32[1,2,4,4] f32[1,3,3,3]", "the last axis of grid" },
    { "| f32[1,2,4,4] f32[2,3,3,2]", "the batch of X and grid" },
    { "mode=area | f32[1,2,4,4] f32[1,3,3,2]", "mode" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_gridsample[] = {
    {
        .name = "GridSample", .domain = "", .since = 20, .first = 16,
        .flags = MAAS_OP_PURE,
        MAAS_IO(grid_in, grid_out),
        MAAS_ATTRS(grid_attrs, grid_attr_t),
        .infer = grid_infer,
        MAAS_KERNELS(grid_kernel),
        .cases = grid_cases, .bad = grid_bad
    },
    { .name = NULL }
};
