/*
 * norm_grad: the gradient of LayerNormalization, by two operators of domain
 * maas.  With x^ = (x - mean) / std, g = dy * scale, and means over a row:
 *
 *   LayerNormGrad       dx = (g - mean(g) - x^ mean(g x^)) / std,
 *                       and mean and 1 / std of each row
 *   LayerNormGradScale  dscale = sum over rows of dy x^,  dbias = of dy
 *
 * The second works by columns, so that sums run over rows in their order
 * whatever the threads are.
 */

#include <math.h>

#include "ops/grads.h"
#include "ops/norm.h"


#define NG_COLUMNS  128             /* of a unit */


/* -- LayerNormGrad ------------------------------------------------------- */

static maas_status_t
ng_infer(maas_infer_t *c)
{
    int                 axis;
    maas_dim_t          dims[MAAS_RANK_MAX + 1];
    const maas_type_t  *x = c->in[1].type;
    const norm_attr_t  *a = c->attr;

    if (c->in[0].type->rank != x->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY and X have ranks %d and %d",
                        c->in[0].type->rank, x->rank);
    }

    MAAS_TRY(maas_axis(a->axis, x->rank, &axis, c->err));

    if (axis == MAAS_RANK_MAX - 1) {
        return maas_err(c->err, MAAS_EINVAL, "axis %d is too large", axis);
    }

    memcpy(dims, x->dims, (size_t) axis * sizeof(maas_dim_t));
    dims[axis] = 2;
    maas_infer_set(c, 1, x->dtype, axis + 1, dims);

    return maas_infer_same(c);
}


static bool
ng_setup(maas_setup_t *u)
{
    int64_t  rows, n;

    norm_rows(u->attr, &u->in[1], &rows, &n);
    u->units = maas_max(rows, 1);
    u->cost = 0.4 * (double) maas_tensor_count(&u->in[1]);
    return true;
}


static void
ng_row_f64(const maas_step_t *s, int64_t u, int64_t n, double eps)
{
    double         mean = 0, var = 0, sg = 0, sx = 0, inv, g, h;
    double        *dx = (double *) s->out[0].data + u * n;
    const double  *dy = (const double *) s->in[0].data + u * n;
    const double  *x = (const double *) s->in[1].data + u * n;
    const double  *w = s->in[2].data;

    for (int64_t i = 0; i < n; i++) {
        mean += x[i];
    }

    mean /= (double) n;

    for (int64_t i = 0; i < n; i++) {
        var += (x[i] - mean) * (x[i] - mean);
    }

    inv = 1 / sqrt(var / (double) n + eps);

    for (int64_t i = 0; i < n; i++) {
        g = dy[i] * w[i];
        sg += g;
        sx += g * (x[i] - mean) * inv;
    }

    for (int64_t i = 0; i < n; i++) {
        h = (x[i] - mean) * inv;
        dx[i] = inv * (dy[i] * w[i] - sg / (double) n - h * sx / (double) n);
    }

    ((double *) s->out[1].data)[2 * u] = mean;
    ((double *) s->out[1].data)[2 * u + 1] = inv;
}


static maas_status_t
ng_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t             rows, n;
    const norm_attr_t  *a = s->attr;

    (void) slot;

    norm_rows(a, &s->in[1], &rows, &n);
    last = maas_min(last, rows);

    if (s->in[0].dtype == MAAS_F32 && first < last) {
        s->k->layer_norm_back((float *) s->out[0].data + first * n,
                              (const float *) s->in[0].data + first * n,
                              (const float *) s->in[1].data + first * n,
                              s->in[2].data, last - first, n, a->epsilon,
                              (float *) s->out[1].data + 2 * first);
        return MAAS_OK;
    }

    for (int64_t u = first; u < last; u++) {
        ng_row_f64(s, u, n, (double) a->epsilon);
    }

    return MAAS_OK;
}


/* -- LayerNormGradScale -------------------------------------------------- */

static maas_status_t
ngs_infer(maas_infer_t *c)
{
    int                 axis;
    const maas_type_t  *x = c->in[1].type;
    const norm_attr_t  *a = c->attr;

    MAAS_TRY(maas_axis(a->axis, x->rank, &axis, c->err));

    for (int o = 0; o < 2; o++) {
        maas_infer_set(c, o, x->dtype, x->rank - axis, x->dims + axis);
    }

    return MAAS_OK;
}


/* Of a unit: of short rows fewer, so that threads have a share each. */
static int64_t
ngs_columns(int64_t n)
{
    return n <= 256 ? NG_COLUMNS / 4 : NG_COLUMNS;
}


static bool
ngs_setup(maas_setup_t *u)
{
    int64_t  rows, n;

    norm_rows(u->attr, &u->in[1], &rows, &n);
    u->units = maas_max((n + ngs_columns(n) - 1) / ngs_columns(n), 1);
    u->cost = 0.15 * (double) maas_tensor_count(&u->in[1]);
    return true;
}


static void
ngs_f64(const maas_step_t *s, int64_t rows, int64_t n, int64_t lo, int64_t m)
{
    double         sw[NG_COLUMNS] = { 0 }, sb[NG_COLUMNS] = { 0 };
    const double  *dy = (const double *) s->in[0].data + lo;
    const double  *x = (const double *) s->in[1].data + lo;
    const double  *stat = s->in[2].data;

    for (int64_t r = 0; r < rows; r++, dy += n, x += n, stat += 2) {
        for (int64_t i = 0; i < m; i++) {
            sw[i] += dy[i] * ((x[i] - stat[0]) * stat[1]);
            sb[i] += dy[i];
        }
    }

    memcpy((double *) s->out[0].data + lo, sw, (size_t) m * sizeof(double));
    memcpy((double *) s->out[1].data + lo, sb, (size_t) m * sizeof(double));
}


static maas_status_t
ngs_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t  rows, n, lo, m;

    (void) slot;

    norm_rows(s->attr, &s->in[1], &rows, &n);

    for (int64_t u = first; u < last; u++) {
        lo = u * ngs_columns(n);
        m = maas_min(n - lo, ngs_columns(n));

        if (m <= 0) {
            continue;
        }

        if (s->in[0].dtype == MAAS_F64) {
            ngs_f64(s, rows, n, lo, m);

        } else {
            s->k->layer_norm_sums((float *) s->out[0].data + lo,
                                  (float *) s->out[1].data + lo,
                                  (const float *) s->in[0].data + lo,
                                  (const float *) s->in[1].data + lo, n,
                                  s->in[2].data, rows, m);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_attr_row_t  ng_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(norm_attr_t, axis), .i = -1 },
    NORM_EPSILON
};

static const maas_kernel_row_t  ng_kernel[] = {
    { "layernormgrad.rows", MAAS_CPU_REF, 0, 0, ng_setup, ng_run }
};

static const maas_kernel_row_t  ngs_kernel[] = {
    { "layernormgrad.columns", MAAS_CPU_REF, 0, 0, ngs_setup, ngs_run }
};

static const maas_formal_t  ng_in[] = {
    NORM_T("dY"), NORM_T("X"), NORM_T("Scale")
};

static const maas_formal_t  ng_out[] = {
    NORM_T("dX"), NORM_T("stats")
};

static const maas_formal_t  ngs_in[] = {
    NORM_T("dY"), NORM_T("X"), NORM_T("stats")
};

static const maas_formal_t  ngs_out[] = {
    NORM_T("dScale"), NORM_T("dBias")
};

static const maas_case_t  ng_cases[] = {
    { "| f32[3,17] f32[3,17] f32[17]", NULL },
    { "axis=1 | f32[2,3,5] f32[2,3,5] f32[3,5]", NULL },
    { "epsilon=0.1 | f64[4,6] f64[4,6] f64[6]", NULL },
    { "| f32[0,4] f32[0,4] f32[4]", NULL },
    { "| f32[70,384] f32[70,384] f32[384]", NULL },
    { NULL, NULL }
};

static const maas_case_t  ng_bad[] = {
    { "| f32[4] f32[1,4] f32[4]", "ranks 1 and 2" },
    { "axis=3 | f32[4] f32[4] f32[4]", "axis" },
    { NULL, NULL }
};

static const maas_case_t  ngs_cases[] = {
    { "| f32[3,17] f32[3,17] f32[3,2]", NULL },
    { "axis=1 | f32[2,3,5] f32[2,3,5] f32[2,2]", NULL },
    { "| f64[4,6] f64[4,6] f64[4,2]", NULL },
    { "| f32[0,4] f32[0,4] f32[0,2]", NULL },
    { "| f32[70,384] f32[70,384] f32[70,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  ngs_bad[] = {
    { "axis=3 | f32[4] f32[4] f32[1,2]", "axis" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_norm_grad[] = {

    { .name = "LayerNormGrad", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(ng_in, ng_out),
      MAAS_ATTRS(ng_attrs, norm_attr_t), .infer = ng_infer,
      MAAS_KERNELS(ng_kernel), .cases = ng_cases, .bad = ng_bad },

    { .name = "LayerNormGradScale", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(ngs_in, ngs_out),
      MAAS_ATTRS(ng_attrs, norm_attr_t), .infer = ngs_infer,
      MAAS_KERNELS(ngs_kernel), .cases = ngs_cases, .bad = ngs_bad },

    { .name = NULL }
};


/* -- LayerNormalization -------------------------------------------------- */

/* Does the parameter have the shape of what is normalised? */
static bool
ng_whole(const maas_grad_t *c, int i, int axis)
{
    const maas_type_t  *x = maas_grad_type(c, c->n->in[0]), *p;

    if (maas_grad_in(c, i) == MAAS_NOVAL) {
        return true;
    }

    p = maas_grad_type(c, c->n->in[i]);

    return p->rank == x->rank - axis
           && memcmp(p->dims, x->dims + axis,
                     (size_t) p->rank * sizeof(maas_dim_t)) == 0;
}


/* Extents of what is normalised, as a tensor. */
static maas_vid_t
ng_shape(maas_grad_t *c, int axis)
{
    maas_raw_attr_t  start = maas_pass_int("start", axis);

    return maas_grad_emit(c, "", "Shape", &start, 1, c->n->in, 1);
}


/* Sums over what broadcasting repeated. */
static maas_vid_t
ng_fit(maas_grad_t *c, maas_vid_t d, int i, int axis)
{
    maas_vid_t  in[] = { d, MAAS_NOVAL };

    if (ng_whole(c, i, axis)) {
        return d;
    }

    in[1] = maas_grad_op1(c, "Shape", c->n->in[i]);
    return maas_grad_emit(c, "maas", "SumTo", NULL, 0, in, 2);
}


maas_status_t
maas_grad_layer_norm(maas_grad_t *c)
{
    int                 axis, rank;
    maas_vid_t          in[3] = { c->dout[0], c->n->in[0], c->n->in[1] };
    maas_vid_t          out[2];
    maas_raw_attr_t     attr[2];
    const norm_attr_t  *a = c->attr;

    MAAS_TRY(maas_axis(a->axis, maas_grad_type(c, in[1])->rank, &axis,
                       c->err));

    for (int o = 1; o < c->n->n_out; o++) {
        if (c->dout[o] != MAAS_NOVAL) {
            return maas_err(c->err, MAAS_EUNSUPPORTED, "the gradient by way "
                            "of the mean and the deviation");
        }
    }

    rank = maas_grad_type(c, in[1])->rank - axis;

    for (int i = 1; i < c->n->n_in; i++) {
        if (c->n->in[i] != MAAS_NOVAL
            && maas_grad_type(c, c->n->in[i])->rank > rank)
        {
            return maas_err(c->err, MAAS_EUNSUPPORTED, "the gradient needs "
                            "parameters of at most %d dimensions", rank);
        }
    }

    if (!ng_whole(c, 1, axis)) {
        in[2] = maas_grad_op2(c, "Expand", in[2], ng_shape(c, axis));
    }

    attr[0] = maas_pass_int("axis", a->axis);
    attr[1] = maas_pass_float("epsilon", a->epsilon);
    maas_grad_emit_n(c, "maas", "LayerNormGrad", attr, 2, in, 3, out, 2);
    c->din[0] = out[0];

    if (c->need[1] || maas_grad_need(c, 2)) {
        in[2] = out[1];
        maas_grad_emit_n(c, "maas", "LayerNormGradScale", attr, 2, in, 3,
                         out, 2);
        c->din[1] = ng_fit(c, out[0], 1, axis);

        if (maas_grad_need(c, 2)) {
            c->din[2] = ng_fit(c, out[1], 2, axis);
        }
    }

    return c->rc;
}
