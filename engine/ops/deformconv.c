/*
 * DeformConv-19: a 2-D convolution whose taps are moved by offsets that are
 * data, and may be weighed by a mask.  A tap between pixels is bilinear; a
 * pixel outside of the image is 0.
 *
 * A unit is a block of pixels of one group of one image: its taps become
 * rows of columns, which are multiplied with the weights in ascending order.
 *
 * Ownership: the columns lie in the scratch of a thread.  Threads: units are
 * independent.
 */

#include <math.h>

#include "ops/window.h"


#define DEFORM_PIXELS  256

enum { DEFORM_X, DEFORM_W, DEFORM_OFFSET, DEFORM_B, DEFORM_MASK };

typedef struct {
    maas_window_attr_t  window;
    int64_t             offset_group;
} deform_attr_t;

typedef struct {
    maas_window_t  w;
    int64_t        c, oc;       /* channels of a group, in and out */
    int64_t        k;           /* rows of columns */
    int64_t        per;         /* channels that share offsets */
    int64_t        blocks;
} deform_t;


static bool
deform_has(const maas_tensor_t *in, int n, int i)
{
    return i < n && in[i].dtype != MAAS_NODTYPE;
}


/* Offsets and mask have a value for each tap and pixel of the output. */
static maas_status_t
deform_infer_taps(maas_infer_t *c, maas_dim_t taps, maas_dim_t dims[4])
{
    maas_dim_t          d;
    const maas_type_t  *t;

    for (int i = DEFORM_OFFSET; i <= DEFORM_MASK; i += 2) {
        if (!maas_infer_has(c, i)) {
            continue;
        }

        t = c->in[i].type;

        if (t->rank != 4) {
            return maas_err(c->err, MAAS_EINVAL,
                            "mask has rank %d, expected 4", t->rank);
        }

        MAAS_TRY(maas_infer_merge(c, t->dims[0], dims[0], &dims[0],
                                  "the batch of X and of offset or mask"));
        MAAS_TRY(maas_infer_merge(c, t->dims[1],
                                  i == DEFORM_MASK ? taps : 2 * taps, &d,
                                  "channels of offset or mask"));
        MAAS_TRY(maas_infer_merge(c, t->dims[2], dims[2], &dims[2],
                                  "rows of the output and of offset or "
                                  "mask"));
        MAAS_TRY(maas_infer_merge(c, t->dims[3], dims[3], &dims[3],
                                  "columns of the output and of offset or "
                                  "mask"));
    }

    return MAAS_OK;
}


static maas_status_t
deform_infer(maas_infer_t *c)
{
    maas_dim_t            d, dims[4];
    maas_window_t         win;
    const maas_type_t    *x = c->in[DEFORM_X].type, *t;
    const maas_type_t    *w = c->in[DEFORM_W].type;
    const deform_attr_t  *a = c->attr;

    if (x->rank != 4 || w->rank != 4 || c->in[DEFORM_OFFSET].type->rank != 4)
    {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "X, W and offset have "
                        "ranks %d, %d and %d; 4 is served", x->rank, w->rank,
                        c->in[DEFORM_OFFSET].type->rank);
    }

    dims[0] = x->dims[0];
    dims[1] = w->dims[0];
    dims[2] = dims[3] = MAAS_DIM_NONE;

    if (!maas_dim_known(w->dims[0]) || !maas_dim_known(w->dims[1])
        || !maas_dim_known(w->dims[2]) || !maas_dim_known(w->dims[3]))
    {
        maas_infer_set(c, 0, x->dtype, 4, dims);
        return MAAS_OK;
    }

    MAAS_TRY(maas_window_attrs(&win, &a->window, w->dims + 2, 2, c->err));
    MAAS_TRY(maas_infer_merge(c, x->dims[1], w->dims[1] * a->window.group, &d,
                              "channels of X and of W"));

    if (w->dims[0] % a->window.group != 0
        || (maas_dim_known(d) && d % a->offset_group != 0))
    {
        return maas_err(c->err, MAAS_EINVAL, "group %lld and offset_group "
                        "%lld have to divide the channels (%lld and %lld)",
                        (long long) a->window.group,
                        (long long) a->offset_group, (long long) w->dims[0],
                        (long long) d);
    }

    MAAS_TRY(maas_window_infer(c, &win, &a->window, x->dims + 2, dims + 2));
    MAAS_TRY(deform_infer_taps(c, a->offset_group * w->dims[2] * w->dims[3],
                               dims));

    if (maas_infer_has(c, DEFORM_B)) {
        t = c->in[DEFORM_B].type;
        MAAS_TRY(maas_infer_merge(c, t->rank == 1 ? t->dims[0] : -1,
                                  w->dims[0], &d, "B and outputs of W"));
    }

    maas_infer_set(c, 0, x->dtype, 4, dims);
    return MAAS_OK;
}


static void
deform_init(deform_t *g, const deform_attr_t *a, const maas_tensor_t *in,
    const maas_tensor_t *y)
{
    const maas_tensor_t  *x = &in[DEFORM_X], *w = &in[DEFORM_W];

    maas_window_init(&g->w, &a->window, w->dims + 2, 2, x->dims + 2,
                     y->dims + 2);
    g->c = w->dims[1];
    g->oc = w->dims[0] / a->window.group;
    g->k = g->c * g->w.k_count;
    g->per = x->dims[1] / a->offset_group;
    g->blocks = (g->w.out_count + DEFORM_PIXELS - 1) / DEFORM_PIXELS;
}


static bool
deform_setup(maas_setup_t *u)
{
    deform_t              g;
    const deform_attr_t  *a = u->attr;

    deform_init(&g, a, u->in, &u->out[0]);
    u->units = maas_max(u->in[0].dims[0] * a->window.group * g.blocks, 1);
    u->scratch = (size_t) g.k * DEFORM_PIXELS * sizeof(float);
    u->cost = 100 + (double) maas_tensor_count(&u->out[0]) * (double) g.k / 10
              + (double) (u->in[0].dims[0] * a->window.group * g.k
                          * g.w.out_count) * 5;
    return true;
}


static float
deform_pixel(const float *x, const deform_t *g, int64_t y, int64_t i)
{
    return y < 0 || i < 0 || y >= g->w.in[0] || i >= g->w.in[1]
           ? 0 : x[y * g->w.in[1] + i];
}


static float
deform_sample(const float *x, const deform_t *g, float y, float i)
{
    float    fy, fi;
    int64_t  y0, i0;

    if (!(y > -1 && y < (float) g->w.in[0] && i > -1
          && i < (float) g->w.in[1]))
    {
        return 0;
    }

    y0 = (int64_t) floorf(y);
    i0 = (int64_t) floorf(i);
    fy = y - (float) y0;
    fi = i - (float) i0;

    return (1 - fy) * ((1 - fi) * deform_pixel(x, g, y0, i0)
                       + fi * deform_pixel(x, g, y0, i0 + 1))
           + fy * ((1 - fi) * deform_pixel(x, g, y0 + 1, i0)
                   + fi * deform_pixel(x, g, y0 + 1, i0 + 1));
}


/* Row (channel ch of X, tap t) of the columns: pixels [p, p + n). */
static void
deform_column(const maas_step_t *s, const deform_t *g, float *col, int64_t b,
    int64_t ch, int64_t t, int64_t p, int64_t n)
{
    float                 v;
    int64_t               at, oy, ox, kw = g->w.k[1], hw = g->w.out_count;
    const float          *x, *off, *mask = NULL;
    const deform_attr_t  *a = s->attr;

    x = (const float *) s->in[DEFORM_X].data
        + (b * s->in[DEFORM_X].dims[1] + ch) * g->w.in_count;
    at = (b * a->offset_group + ch / g->per) * g->w.k_count + t;
    off = (const float *) s->in[DEFORM_OFFSET].data + 2 * at * hw;

    if (deform_has(s->in, s->n_formal, DEFORM_MASK)) {
        mask = (const float *) s->in[DEFORM_MASK].data + at * hw;
    }

    for (int64_t i = 0; i < n; i++, p++) {
        oy = p / g->w.out[1];
        ox = p % g->w.out[1];
        v = deform_sample(x, g,
                          (float) (oy * g->w.s[0] - g->w.p0[0]
                                   + t / kw * g->w.d[0]) + off[p],
                          (float) (ox * g->w.s[1] - g->w.p0[1]
                                   + t % kw * g->w.d[1]) + off[hw + p]);
        col[i] = mask != NULL ? v * mask[p] : v;
    }
}


static void
deform_unit(const maas_step_t *s, const deform_t *g, float *cols, int64_t u)
{
    float                *y;
    int64_t               b, group, p, n;
    const float          *w, *bias = NULL;
    const deform_attr_t  *a = s->attr;

    p = u % g->blocks * DEFORM_PIXELS;
    n = maas_min(g->w.out_count - p, DEFORM_PIXELS);
    group = u / g->blocks % a->window.group;
    b = u / g->blocks / a->window.group;

    for (int64_t k = 0; k < g->k; k++) {
        deform_column(s, g, cols + k * DEFORM_PIXELS, b,
                      group * g->c + k / g->w.k_count, k % g->w.k_count, p,
                      n);
    }

    if (deform_has(s->in, s->n_formal, DEFORM_B)) {
        bias = s->in[DEFORM_B].data;
    }

    for (int64_t o = group * g->oc; o < (group + 1) * g->oc; o++) {
        w = (const float *) s->in[DEFORM_W].data + o * g->k;
        y = (float *) s->out[0].data
            + (b * s->out[0].dims[1] + o) * g->w.out_count + p;

        for (int64_t i = 0; i < n; i++) {
            y[i] = bias != NULL ? bias[o] : 0;
        }

        for (int64_t k = 0; k < g->k; k++) {
            s->k->axpy(y, w[k], cols + k * DEFORM_PIXELS, n);
        }
    }
}


static maas_status_t
deform_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    deform_t  g;

    deform_init(&g, s->attr, s->in, &s->out[0]);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    for (int64_t u = first; u < last; u++) {
        deform_unit(s, &g, slot->scratch, u);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  deform_in[] = {
    { "X", MAAS_D(F32), 'T', 0 }, { "W", MAAS_D(F32), 'T', 0 },
    { "offset", MAAS_D(F32), 'T', 0 }, { "B", MAAS_D(F32), 'T', MAAS_OPT },
    { "mask", MAAS_D(F32), 'T', MAAS_OPT }
};

static const maas_formal_t  deform_out[] = { { "Y", MAAS_D(F32), 'T', 0 } };

#define DEFORM_LIST(label)                                                    \
    { .name = #label, .type = MAAS_ATTR_INTS,                                 \
      .off = offsetof(deform_attr_t, window.label) }

static const maas_attr_row_t  deform_attrs[] = {
    DEFORM_LIST(dilations),
    { .name = "group", .type = MAAS_ATTR_INT, .i = 1, .min = 1,
      .max = INT32_MAX, .off = offsetof(deform_attr_t, window.group) },
    DEFORM_LIST(kernel_shape),
    { .name = "offset_group", .type = MAAS_ATTR_INT, .i = 1, .min = 1,
      .max = INT32_MAX, .off = offsetof(deform_attr_t, offset_group) },
    DEFORM_LIST(pads),
    DEFORM_LIST(strides)
};

static const maas_kernel_row_t  deform_kernels[] = {
    { "deformconv.columns", MAAS_CPU_REF, 0, 0, deform_setup, deform_run }
};

static const maas_case_t  deform_cases[] = {
    { "| f32[1,2,5,5] =f32[3,2,2,2] f32[1,8,4,4]", NULL },
    { "pads=[1,1,1,1] group=2 offset_group=2 | f32[2,4,6,7] =f32[6,2,3,3] "
      "f32[2,36,6,7] =f32[6] f32[2,18,6,7]", NULL },
    { "strides=[2,1] dilations=[1,2] | f32[1,2,20,30] f32[3,2,3,3] "
      "f32[1,18,9,26]:inf", NULL },
    { "| f32[0,2,5,5] =f32[3,2,2,2] f32[0,8,4,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  deform_bad[] = {
    { "| f32[1,2,5,5] f32[3,2,2,2] f32[1,4,4,4]", "channels of offset" },
    { "| f32[1,2,5,5] f32[3,2,2,2] f32[1,8,5,4]", "rows of the output" },
    { "group=2 | f32[1,4,5,5] f32[3,2,2,2] f32[1,8,4,4]", "have to divide" },
    { "| f32[1,2,5] f32[3,2,2] f32[1,4,4]", "4 is served" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_deformconv[] = {
    {
        .name = "DeformConv", .domain = "", .since = 19, .first = 19,
        .flags = MAAS_OP_PURE,
        MAAS_IO(deform_in, deform_out),
        MAAS_ATTRS(deform_attrs, deform_attr_t),
        .infer = deform_infer,
        MAAS_KERNELS(deform_kernels),
        .cases = deform_cases, .bad = deform_bad
    },
    { .name = NULL }
};
