/*
 * pool_grad: gradients of pooling, over windows and over whole planes.
 *
 * MaxPool gives dY to the first position of the window that has the
 * maximum (a NaN is one), found again from X and Y; AveragePool shares it
 * among the taps that counted; LpPool weighs it by the derivative.  Windows
 * are taken tap by tap in ascending order, so any number of axes is the
 * same code, and any plane: of one channel, or a block of 16.
 *
 * Ownership: nothing is allocated.  Threads: a unit is a plane, or a block.
 */

#include <math.h>
#include <stdio.h>

#include "ops/blocked.h"
#include "ops/grads.h"
#include "ops/pool.h"


typedef struct {
    maas_window_t  w;
    int64_t        p;           /* of LpPool */
    bool           pads;        /* count in an average */
    void          *done;        /* of an output row, by lane */
} pg_t;

/* One plane; x and y may be NULL for an average. */
typedef void (*pg_plane_pt)(const pg_t *g, void *dx, const void *x,
    const void *y, const void *dy);


/* -- planes -------------------------------------------------------------- */

/* The windows of one row of the output: BODY at each tap that lies inside. */
#define PG_ROWS(L, START, BODY)                                               \
    const maas_window_t  *w = &g->w;                                          \
    const int             l = w->nd - 1;                                      \
    const int64_t         ow = w->out[l], s = w->s[l], rows = w->k_count      \
                                                              / w->k[l];      \
    int64_t               o, r, kx, i, c, lo, hi, off, base, at, to;          \
                                                                              \
    for (o = 0; o < w->out_count / ow; o++) {                                 \
        START                                                                 \
                                                                              \
        for (r = 0; r < rows; r++) {                                          \
            if (!maas_window_row(w, o, r, &off)) {                            \
                continue;                                                     \
            }                                                                 \
                                                                              \
            for (kx = 0; kx < w->k[l]; kx++) {                                \
                base = kx * w->d[l] - w->p0[l];                               \
                maas_window_range(ow, s, base, w->in[l], &lo, &hi);           \
                                                                              \
                for (i = lo; i < hi; i++) {                                   \
                    at = (o * ow + i) * L;                                    \
                    to = (off + base + i * s) * L;                            \
                                                                              \
                    for (c = 0; c < L; c++) {                                 \
                        BODY                                                  \
                    }                                                         \
                }                                                             \
            }                                                                 \
        }                                                                     \
    }

#define PG_MAX(fn, T, M)                                                   \
                                                                              \
static void                                                                   \
fn(const pg_t *g, void *pdx, const void *px, const void *py,                  \
    const void *pdy)                                                          \
{                                                                             \
    M        *done = g->done, hit;                                            \
    T        *dx = pdx;                                                       \
    const T  *x = px, *y = py, *dy = pdy;                                     \
                                                                              \
    PG_ROWS(1, memset(done, 0, (size_t) ow * sizeof(M));,                     \
            hit = (x[to + c] == y[at + c] || x[to + c] != x[to + c])          \
                  & (done[i] == 0);                                           \
            dx[to + c] += hit ? dy[at + c] : 0;                               \
            done[i] |= hit;)                                                  \
}

#define PG_AVERAGE(fn, T, L)                                                  \
                                                                              \
static void                                                                   \
fn(const pg_t *g, void *pdx, const void *px, const void *py,                  \
    const void *pdy)                                                          \
{                                                                             \
    T        *dx = pdx, *share = g->done;                                     \
    int64_t   n;                                                              \
    const T  *dy = pdy;                                                       \
                                                                              \
    (void) px;                                                                \
    (void) py;                                                                \
                                                                              \
    PG_ROWS(L, n = maas_pool_count_row(w, o, g->pads);                        \
            for (i = 0; i < ow; i++) {                                        \
                share[i] = 1 / (T) (n * maas_pool_count(w, l, i, g->pads));   \
            },                                                                \
            dx[to + c] += dy[at + c] * share[i];)                             \
}

#define PG_LP(fn, T, POW, ABS)                                                \
                                                                              \
static void                                                                   \
fn(const pg_t *g, void *pdx, const void *px, const void *py,                  \
    const void *pdy)                                                          \
{                                                                             \
    T        *dx = pdx, v;                                                    \
    const T  *x = px, *y = py, *dy = pdy, p = (T) g->p;                       \
                                                                              \
    PG_ROWS(1, ,                                                              \
            v = ABS(x[to + c]);                                               \
            v = v == 0 ? 0 : g->p == 1 ? 1 : POW(v / y[at + c], p - 1);       \
            dx[to + c] += dy[at + c] * (x[to + c] < 0 ? -v : v);)             \
}


PG_MAX(pg_max_f32, float, int32_t)


PG_MAX(pg_max_f64, double, int64_t)


PG_AVERAGE(pg_average_f32, float, 1)


PG_AVERAGE(pg_average_f64, double, 1)


PG_AVERAGE(pg_average_c16, float, MAAS_C16)


PG_LP(pg_lp_f32, float, powf, fabsf)


PG_LP(pg_lp_f64, double, pow, fabs)


/* -- steps --------------------------------------------------------------- */

/* No two windows have a position in common; then, does each have one? */
static bool
pg_apart(const maas_window_t *w, bool *all)
{
    *all = true;

    for (int i = 0; i < w->nd; i++) {
        if ((w->k[i] - 1) * w->d[i] >= w->s[i]) {
            return false;
        }

        *all = *all && w->p0[i] == 0 && w->k[i] == w->s[i] && w->d[i] == 1
               && w->out[i] * w->s[i] == w->in[i];
    }

    return true;
}


/* Units of planes of 16 channels. */
static void
pg_max16(const maas_step_t *s, const maas_window_t *w, int64_t first,
    int64_t last)
{
    int           l = w->nd - 1;
    bool          all, two = l > 0, apart = pg_apart(w, &all);
    float        *dx;
    const float  *dy;
    maas_win16_t  p = {
        .ih = two ? w->in[0] : 1, .oh = two ? w->out[0] : 1,
        .kh = two ? w->k[0] : 1, .sh = two ? w->s[0] : 1,
        .ph = two ? w->p0[0] : 0, .dh = two ? w->d[0] : 1,
        .iw = w->in[l], .ow = w->out[l], .kw = w->k[l], .sw = w->s[l],
        .pw = w->p0[l], .dw = w->d[l]
    };

    for (int64_t u = first; u < last; u++) {
        dx = (float *) s->out[0].data + u * w->in_count * MAAS_C16;
        dy = (const float *) s->in[2].data + u * w->out_count * MAAS_C16;
        p.x = (const float *) s->in[0].data + u * w->in_count * MAAS_C16;
        p.y = (float *) s->in[1].data + u * w->out_count * MAAS_C16;

        if (!apart || !all) {
            memset(dx, 0, (size_t) (w->in_count * MAAS_C16) * sizeof(float));
        }

        s->k->maxgrad16(&p, dx, dy, !apart);
    }
}


/* Of a whole plane: a window as large. */
static void
pg_geom(pg_t *g, const maas_window_attr_t *a, const maas_tensor_t *dx,
    const maas_tensor_t *dy, bool whole)
{
    int64_t                    ones[MAAS_WINDOW_MAX];
    const maas_window_attr_t   none = { 0 };

    g->p = a->p;
    g->pads = a->count_include_pad != 0;
    g->done = NULL;

    if (!whole) {
        maas_window_init(&g->w, a, NULL, dx->rank - 2, dx->dims + 2,
                         dy->dims + 2);
        return;
    }

    if (dx->rank == 2) {
        ones[0] = 1;
        maas_window_init(&g->w, &none, ones, 1, ones, ones);
        return;
    }

    maas_window_init(&g->w, &none, dx->dims + 2, dx->rank - 2, dx->dims + 2,
                     dy->dims + 2);
}


static bool
pg_setup(maas_setup_t *u, bool whole)
{
    pg_t  g;
    bool  c16 = u->out[0].format == MAAS_FMT_C16;

    pg_geom(&g, u->attr, &u->out[0], &u->in[u->n_formal - 1], whole);

    u->units = maas_max(c16 ? maas_planes16(&u->out[0])
                            : u->out[0].dims[0] * u->out[0].dims[1], 1);
    u->scratch = (size_t) g.w.out[g.w.nd - 1] * (c16 ? MAAS_C16 : 1)
                 * sizeof(double);
    u->cost = (double) maas_tensor_count(&u->in[u->n_formal - 1])
              * (double) g.w.k_count * (c16 ? 0.3 : 1)
              + (double) u->out[0].bytes / 20;
    return true;
}


static bool
pg_setup_window(maas_setup_t *u)
{
    return pg_setup(u, false);
}


static bool
pg_setup_whole(maas_setup_t *u)
{
    return pg_setup(u, true);
}


enum { PG_F32, PG_F64, PG_C16, PG_FORMS };

/* dx: output 0; dY is the last formal input, X and Y stand before it. */
static void
pg_units(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last, bool whole, const pg_plane_pt *plane)
{
    pg_t                  g;
    int                   form, n = s->n_formal;
    size_t                size;
    int64_t               lanes;
    const char           *x = NULL, *y = NULL, *dy;
    const maas_tensor_t  *dx = &s->out[0];

    if (maas_tensor_count(dx) == 0) {
        return;
    }

    pg_geom(&g, s->attr, dx, &s->in[n - 1], whole);
    g.done = slot->scratch;

    form = dx->format == MAAS_FMT_C16 ? PG_C16
           : dx->dtype == MAAS_F64 ? PG_F64 : PG_F32;
    lanes = form == PG_C16 ? MAAS_C16 : 1;
    size = maas_dtype_size(dx->dtype) * (size_t) lanes;
    dy = s->in[n - 1].data;

    if (s->in[0].dtype == dx->dtype && n == 3) {
        x = s->in[0].data;
        y = s->in[1].data;
    }

    for (int64_t u = first; u < last; u++) {
        const size_t  in = (size_t) (u * g.w.in_count) * size;
        const size_t  out = (size_t) (u * g.w.out_count) * size;
        char         *to = (char *) dx->data + in;

        memset(to, 0, (size_t) g.w.in_count * size);

        if (g.w.out_count != 0) {
            plane[form](&g, to, x + in, y + out, dy + out);
        }
    }
}


static maas_status_t
pg_run_max(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    pg_t                      g;
    static const pg_plane_pt  row[] = { pg_max_f32, pg_max_f64 };

    if (s->out[0].format != MAAS_FMT_C16) {
        pg_units(s, slot, first, last, false, row);

    } else if (maas_tensor_count(&s->out[0]) != 0) {
        pg_geom(&g, s->attr, &s->out[0], &s->in[2], false);
        pg_max16(s, &g.w, first, last);
    }

    return MAAS_OK;
}


static maas_status_t
pg_run_max_whole(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    static const pg_plane_pt  row[] = { pg_max_f32, pg_max_f64 };

    pg_units(s, slot, first, last, true, row);
    return MAAS_OK;
}


static maas_status_t
pg_run_average(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    static const pg_plane_pt  row[] = { pg_average_f32, pg_average_f64,
                                        pg_average_c16 };

    pg_units(s, slot, first, last, false, row);
    return MAAS_OK;
}


static maas_status_t
pg_run_lp(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    static const pg_plane_pt  row[] = { pg_lp_f32, pg_lp_f64 };

    pg_units(s, slot, first, last, false, row);
    return MAAS_OK;
}


static maas_status_t
pg_run_lp_whole(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    static const pg_plane_pt  row[] = { pg_lp_f32, pg_lp_f64 };

    pg_units(s, slot, first, last, true, row);
    return MAAS_OK;
}


/* -- GlobalAveragePool --------------------------------------------------- */

static bool
pg_setup_spread(maas_setup_t *u)
{
    u->units = maas_max(u->out[0].format == MAAS_FMT_C16
                        ? maas_planes16(&u->out[0])
                        : u->out[0].dims[0] * u->out[0].dims[1], 1);
    u->cost = (double) u->out[0].bytes / 10;
    return true;
}


/* Planes of 16 channels: dY is plain. */
static void
pg_spread16(const maas_step_t *s, int64_t u)
{
    float                *to, v[MAAS_C16] = { 0 };
    int64_t               n, c, i, blocks;
    const float          *dy = s->in[1].data;
    const maas_tensor_t  *dx = &s->out[0];

    n = maas_pixels(dx);
    blocks = maas_blocks(dx->dims[1]);
    c = u % blocks * MAAS_C16;
    to = (float *) dx->data + u * n * MAAS_C16;

    for (i = 0; i < maas_min(dx->dims[1] - c, MAAS_C16); i++) {
        v[i] = dy[u / blocks * dx->dims[1] + c + i] / (float) n;
    }

    for (i = 0; i < n; i++) {
        memcpy(to + i * MAAS_C16, v, sizeof(v));
    }
}


static maas_status_t
pg_run_spread(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double                d;
    int64_t               n;
    const maas_tensor_t  *dx = &s->out[0];

    (void) slot;

    if (maas_tensor_count(dx) == 0) {
        return MAAS_OK;
    }

    n = maas_pixels(dx);

    for (int64_t u = first; u < last; u++) {

        if (dx->format == MAAS_FMT_C16) {
            pg_spread16(s, u);

        } else if (dx->dtype == MAAS_F64) {
            d = ((const double *) s->in[1].data)[u] / (double) n;

            for (int64_t i = 0; i < n; i++) {
                ((double *) dx->data)[u * n + i] = d;
            }

        } else {
            const float  f = ((const float *) s->in[1].data)[u] / (float) n;

            for (int64_t i = 0; i < n; i++) {
                ((float *) dx->data)[u * n + i] = f;
            }
        }
    }

    return MAAS_OK;
}


/* -- shapes -------------------------------------------------------------- */

/* Inputs X, Y and dY. */
static maas_status_t
pg_infer(maas_infer_t *c)
{
    maas_dim_t          d;
    const maas_type_t  *x = c->in[0].type;

    for (int i = 1; i < 3; i++) {
        if (x->rank < 2 || c->in[i].type->rank != x->rank) {
            return maas_err(c->err, MAAS_EINVAL, "input %d has rank %d, X has "
                            "%d, expected the same", i, c->in[i].type->rank,
                            x->rank);
        }

        for (int k = 0; k < 2; k++) {
            MAAS_TRY(maas_infer_merge(c, x->dims[k], c->in[i].type->dims[k],
                                      &d, "images and channels"));
        }

        for (int k = 2; k < x->rank; k++) {
            MAAS_TRY(maas_infer_merge(c, c->in[1].type->dims[k],
                                      c->in[i].type->dims[k], &d,
                                      "sizes of Y and dY"));
        }
    }

    return maas_infer_same(c);
}


static maas_status_t
pg_infer_blocked(maas_infer_t *c)
{
    return maas_blocked_out(c, pg_infer(c));
}


/* Inputs X, for its shape, and dY. */
static maas_status_t
pg_infer_shape(maas_infer_t *c)
{
    maas_dim_t          d;
    const maas_type_t  *x = c->in[0].type, *y = c->in[1].type;

    if (x->rank < 2 || x->rank != y->rank) {
        return maas_err(c->err, MAAS_EINVAL, "X has rank %d and dY has rank "
                        "%d, expected the same, 2 or more", x->rank, y->rank);
    }

    for (int k = 0; k < 2; k++) {
        MAAS_TRY(maas_infer_merge(c, x->dims[k], y->dims[k], &d,
                                  "images and channels"));
    }

    return maas_infer_same(c);
}


static maas_status_t
pg_infer_shape_blocked(maas_infer_t *c)
{
    return maas_blocked_out(c, pg_infer_shape(c));
}


/* -- blocked forms ------------------------------------------------------- */

static bool
pg_max_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    if ((b->in & 3) != 3 || n->n_post != 0
        || (type[0]->rank != 3 && type[0]->rank != 4))
    {
        return false;
    }

    b->op = "MaxPoolGradBlocked";
    b->in = 7;
    return true;
}


static bool
pg_average_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    if (!(b->in & 1) || n->n_post != 0
        || (type[0]->rank != 3 && type[0]->rank != 4))
    {
        return false;
    }

    b->op = "AveragePoolGradBlocked";
    b->in = 3;
    return true;
}


static bool
pg_spread_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    (void) type;

    b->op = "GlobalAveragePoolGradBlocked";
    return (b->in &= 1) != 0 && n->n_post == 0;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  pg_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "Y", MAAS_D_FLOAT, 'T', 0 },
    { "dY", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  pg_shape_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "dY", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  pg_out[] = {
    { "dX", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_attr_row_t  pg_attrs[] = {
    MAAS_WINDOW_AUTO_PAD,
    MAAS_WINDOW_FLAG(ceil_mode),
    MAAS_WINDOW_FLAG(count_include_pad),
    MAAS_WINDOW_LIST(dilations),
    MAAS_WINDOW_LIST(kernel_shape),
    { "p", MAAS_ATTR_INT, false, offsetof(maas_window_attr_t, p), 2, 0, NULL,
      1, INT32_MAX },
    MAAS_WINDOW_LIST(pads),
    MAAS_WINDOW_FLAG(storage_order),
    MAAS_WINDOW_LIST(strides)
};

static const maas_kernel_row_t  pg_max_kernels[] = {
    { "maxpoolgrad.planes", MAAS_CPU_REF, 0, 0, pg_setup_window, pg_run_max }
};

static const maas_kernel_row_t  pg_average_kernels[] = {
    { "averagepoolgrad.planes", MAAS_CPU_REF, 0, 0, pg_setup_window,
      pg_run_average }
};

static const maas_kernel_row_t  pg_lp_kernels[] = {
    { "lppoolgrad.planes", MAAS_CPU_REF, 0, 0, pg_setup_window, pg_run_lp }
};

static const maas_kernel_row_t  pg_max_whole_kernels[] = {
    { "globalmaxpoolgrad", MAAS_CPU_REF, 0, 0, pg_setup_whole,
      pg_run_max_whole }
};

static const maas_kernel_row_t  pg_lp_whole_kernels[] = {
    { "globallppoolgrad", MAAS_CPU_REF, 0, 0, pg_setup_whole,
      pg_run_lp_whole }
};

static const maas_kernel_row_t  pg_spread_kernels[] = {
    { "globalaveragepoolgrad", MAAS_CPU_REF, 0, 0, pg_setup_spread,
      pg_run_spread }
};

static const maas_case_t  pg_cases[] = {
    { "kernel_shape=[2,2] strides=[2,2] | f32[2,3,8,9] f32[2,3,4,4] "
      "f32[2,3,4,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  pg_bad[] = {
    { "kernel_shape=[2,2] | f32[2,3,8,8] f32[2,3,7] f32[2,3,7,7]", "rank 3" },
    { "kernel_shape=[2,2] | f32[2,3,8,8] f32[2,4,7,7] f32[2,4,7,7]",
      "images and channels" },
    { "kernel_shape=[2,2] | f32[2,3,8,8] f32[2,3,7,7] f32[2,3,7,6]",
      "sizes of Y" },
    { NULL, NULL }
};

#define PG_OP(op, formals, shapes, list)                                      \
    .name = op, .domain = "maas", .since = 1,                                 \
    .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(formals, pg_out),       \
    MAAS_ATTRS(pg_attrs, maas_window_attr_t), .infer = shapes,                \
    MAAS_KERNELS(list)


const maas_op_t  maas_ops_pool_grad[] = {

    { PG_OP("MaxPoolGrad", pg_in, pg_infer, pg_max_kernels),
      .blocked = pg_max_blocked, .cases = pg_cases, .bad = pg_bad },

    { PG_OP("MaxPoolGradBlocked", pg_in, pg_infer_blocked,
            pg_max_kernels) },

    { PG_OP("AveragePoolGrad", pg_shape_in, pg_infer_shape,
            pg_average_kernels),
      .blocked = pg_average_blocked },

    { PG_OP("AveragePoolGradBlocked", pg_shape_in, pg_infer_shape_blocked,
            pg_average_kernels) },

    { PG_OP("LpPoolGrad", pg_in, pg_infer, pg_lp_kernels) },

    { PG_OP("GlobalMaxPoolGrad", pg_in, pg_infer, pg_max_whole_kernels) },

    { PG_OP("GlobalLpPoolGrad", pg_in, pg_infer, pg_lp_whole_kernels) },

    { PG_OP("GlobalAveragePoolGrad", pg_shape_in, pg_infer_shape,
            pg_spread_kernels),
      .blocked = pg_spread_blocked },

    { PG_OP("GlobalAveragePoolGradBlocked", pg_shape_in,
            pg_infer_shape_blocked, pg_spread_kernels) },

    { .name = NULL }
};


/* -- gradients ----------------------------------------------------------- */

maas_status_t
maas_grad_pool(maas_grad_t *c)
{
    int         n = 0;
    char        op[40];
    maas_vid_t  in[3];

    snprintf(op, sizeof(op), "%sGrad", c->n->op->name);

    in[n++] = c->n->in[0];

    if (strstr(op, "Average") == NULL) {
        in[n++] = maas_grad_out(c, 0);
    }

    in[n++] = c->dout[0];

    if (c->n->op->attr_size != 0) {
        maas_grad_emit_same(c, "maas", op, in, n, &c->din[0], 1);

    } else {
        c->din[0] = maas_grad_emit(c, "maas", op, NULL, 0, in, n);
    }

    return c->rc;
}
