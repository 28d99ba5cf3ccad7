/*
 * LRN-13, LpNormalization-1, MeanVarianceNormalization-13.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <float.h>
#include <math.h>

#include "graph/op.h"


#define LRN_BLOCK  256

typedef struct {
    float        alpha;
    float        beta;
    float        bias;
    int64_t      size;
    int64_t      axis;
    int64_t      p;
    maas_list_t  axes;
} lrn_attr_t;


static inline double
lrn_at(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_F32 ? (double) ((const float *) t->data)[i]
                                : ((const double *) t->data)[i];
}


static inline void
lrn_put(const maas_tensor_t *t, int64_t i, double v)
{
    if (t->dtype == MAAS_F32) {
        ((float *) t->data)[i] = (float) v;

    } else {
        ((double *) t->data)[i] = v;
    }
}


/* -- LRN ----------------------------------------------------------------- */

static maas_status_t
lrn_infer(maas_infer_t *c)
{
    if (c->in[0].type->rank < 3) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank %d, expected 3 or more",
                        c->in[0].type->rank);
    }

    return maas_infer_same(c);
}


static bool
lrn_setup(maas_setup_t *u)
{
    const lrn_attr_t  *a = u->attr;

    u->units = maas_max(u->in[0].dims[0] * u->in[0].dims[1], 1);
    u->cost = (double) maas_tensor_count(&u->in[0])
              * (double) (maas_min(a->size, u->in[0].dims[1]) + 10);
    return true;
}


/* Pixels [at, at + n) of channel c; x, y: the image. */
static void
lrn_block_f32(const maas_step_t *s, int64_t c, int64_t channels, int64_t hw,
    const float *x, float *y, int64_t n)
{
    float              sum[LRN_BLOCK], power;
    int64_t            i, j, lo, hi;
    const float       *p;
    const lrn_attr_t  *a = s->attr;

    lo = maas_max(c - (a->size - 1) / 2, 0);
    hi = maas_min(c + a->size / 2, channels - 1);

    for (i = 0; i < n; i++) {
        sum[i] = 0;
    }

    for (j = lo; j <= hi; j++) {
        p = x + j * hw;

        for (i = 0; i < n; i++) {
            sum[i] += p[i] * p[i];
        }
    }

    power = -a->beta;
    s->k->unary[MAAS_U_AFFINE](sum, sum, n, a->alpha / (float) a->size,
                               a->bias);
    s->k->binary[MAAS_B_POW](sum, sum, 1, &power, 0, n);
    s->k->binary[MAAS_B_MUL](y + c * hw, x + c * hw, 1, sum, 1, n);
}


static void
lrn_plane_f64(const maas_step_t *s, int64_t c, int64_t channels, int64_t hw,
    const double *x, double *y)
{
    double             sum;
    int64_t            i, j, lo, hi;
    const lrn_attr_t  *a = s->attr;

    lo = maas_max(c - (a->size - 1) / 2, 0);
    hi = maas_min(c + a->size / 2, channels - 1);

    for (i = 0; i < hw; i++) {
        for (sum = 0, j = lo; j <= hi; j++) {
            sum += x[j * hw + i] * x[j * hw + i];
        }

        sum = (double) a->bias + (double) a->alpha / (double) a->size * sum;
        y[c * hw + i] = x[c * hw + i] * pow(sum, -(double) a->beta);
    }
}


static maas_status_t
lrn_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t               u, i, n, c, channels, hw = 1, image;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    (void) slot;

    if (maas_tensor_count(x) == 0) {
        return MAAS_OK;
    }

    channels = x->dims[1];

    for (i = 2; i < x->rank; i++) {
        hw *= x->dims[i];
    }

    for (u = first; u < last; u++) {
        c = u % channels;
        image = u / channels * channels * hw;

        if (x->dtype == MAAS_F64) {
            lrn_plane_f64(s, c, channels, hw,
                          (const double *) x->data + image,
                          (double *) y->data + image);
            continue;
        }

        for (i = 0; i < hw; i += LRN_BLOCK) {
            n = maas_min(hw - i, LRN_BLOCK);
            lrn_block_f32(s, c, channels, hw,
                          (const float *) x->data + image + i,
                          (float *) y->data + image + i, n);
        }
    }

    return MAAS_OK;
}


/* -- LpNormalization ----------------------------------------------------- */

static maas_status_t
lp_infer(maas_infer_t *c)
{
    int                axis;
    const lrn_attr_t  *a = c->attr;

    MAAS_TRY(maas_axis(a->axis, c->in[0].type->rank, &axis, c->err));
    return maas_infer_same(c);
}


static void
lp_geom(const lrn_attr_t *a, const maas_tensor_t *x, int64_t *outer,
    int64_t *n, int64_t *inner)
{
    int  i, axis = 0;

    (void) maas_axis(a->axis, x->rank, &axis, NULL);
    *outer = *inner = 1;
    *n = x->dims[axis];

    for (i = 0; i < x->rank; i++) {
        if (i != axis) {
            *(i < axis ? outer : inner) *= x->dims[i];
        }
    }
}


static bool
lp_setup(maas_setup_t *u)
{
    int64_t  outer, n, inner;

    lp_geom(u->attr, &u->in[0], &outer, &n, &inner);
    u->units = maas_max(outer, 1);
    u->cost = (double) maas_tensor_count(&u->in[0]) * 2;
    return true;
}


/* In double, so that squares neither overflow nor vanish; in 4 chains. */
static double
lp_sum(const float *x, int64_t n, bool square)
{
    double   v, sum[4] = { 0 };
    int64_t  i, m = n - n % 4;

    for (i = 0; i < m; i += 4) {
        for (int j = 0; j < 4; j++) {
            v = (double) x[i + j];
            sum[j] += square ? v * v : fabs(v);
        }
    }

    for ( /* void */ ; i < n; i++) {
        v = (double) x[i];
        sum[0] += square ? v * v : fabs(v);
    }

    return sum[0] + sum[1] + (sum[2] + sum[3]);
}


/* A vector without length stays zero. */
static void
lp_row_f32(const maas_step_t *s, int64_t at, int64_t n)
{
    float              *y = (float *) s->out[0].data + at, f;
    double              norm;
    const float        *x = (const float *) s->in[0].data + at;
    const lrn_attr_t   *a = s->attr;

    norm = lp_sum(x, n, a->p != 1);
    norm = a->p == 1 ? norm : sqrt(norm);
    f = (float) norm;

    if (norm != 0 && f > 0 && f <= FLT_MAX) {
        s->k->binary[MAAS_B_DIV](y, x, 1, &f, 0, n);
        return;
    }

    for (int64_t i = 0; i < n; i++) {
        y[i] = norm != 0 ? (float) ((double) x[i] / norm) : 0;
    }
}


static maas_status_t
lp_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    double             v, norm;
    int64_t            u, i, j, at, outer, n, inner;
    const lrn_attr_t  *a = s->attr;

    (void) slot;

    lp_geom(a, &s->in[0], &outer, &n, &inner);

    for (u = first; u < last && u < outer; u++) {
        if (s->in[0].dtype == MAAS_F32 && inner == 1) {
            lp_row_f32(s, u * n, n);
            continue;
        }

        for (j = 0; j < inner; j++) {
            at = u * n * inner + j;
            norm = 0;

            for (i = 0; i < n; i++) {
                v = lrn_at(&s->in[0], at + i * inner);
                norm += a->p == 1 ? fabs(v) : v * v;
            }

            norm = a->p == 1 ? norm : sqrt(norm);

            for (i = 0; i < n; i++) {
                v = lrn_at(&s->in[0], at + i * inner);
                lrn_put(&s->out[0], at + i * inner, norm != 0 ? v / norm : 0);
            }
        }
    }

    return MAAS_OK;
}


/* -- MeanVarianceNormalization ------------------------------------------- */

/* Bit i: axis i is reduced.  Without the attribute: all but the channels. */
static maas_status_t
mvn_axes(const lrn_attr_t *a, int rank, uint32_t *set, maas_err_t *err)
{
    int                   axis;
    static const int64_t  usual[] = { 0, 2, 3 };
    const int64_t        *v = usual;
    uint32_t              n = maas_nelts(usual);

    if (a->axes.n != 0) {
        v = maas_list_ints(a, &a->axes);
        n = a->axes.n;
    }

    *set = 0;

    for (uint32_t i = 0; i < n; i++) {
        MAAS_TRY(maas_axis(v[i], rank, &axis, err));
        *set |= 1u << axis;
    }

    return MAAS_OK;
}


static maas_status_t
mvn_infer(maas_infer_t *c)
{
    uint32_t  set;

    MAAS_TRY(mvn_axes(c->attr, c->in[0].type->rank, &set, c->err));
    return maas_infer_same(c);
}


/* Axes that are kept (units) and reduced, innermost first. */
typedef struct {
    int      n[2];
    int64_t  dim[2][MAAS_RANK_MAX];
    int64_t  stride[2][MAAS_RANK_MAX];
    int64_t  count[2];
} mvn_geom_t;


static void
mvn_geom(mvn_geom_t *g, const lrn_attr_t *a, const maas_tensor_t *x)
{
    int       w;
    int64_t   mul = 1;
    uint32_t  set;

    (void) mvn_axes(a, x->rank, &set, NULL);
    memset(g, 0, sizeof(mvn_geom_t));
    g->count[0] = g->count[1] = 1;

    for (int i = x->rank - 1; i >= 0; i--) {
        w = set >> i & 1;
        g->dim[w][g->n[w]] = x->dims[i];
        g->stride[w][g->n[w]++] = mul;
        g->count[w] *= x->dims[i];
        mul *= x->dims[i];
    }
}


static int64_t
mvn_at(const mvn_geom_t *g, int w, int64_t i)
{
    int64_t  at = 0;

    for (int d = 0; d < g->n[w]; d++) {
        at += i % g->dim[w][d] * g->stride[w][d];
        i /= g->dim[w][d];
    }

    return at;
}


static bool
mvn_setup(maas_setup_t *u)
{
    mvn_geom_t  g;

    mvn_geom(&g, u->attr, &u->in[0]);
    u->units = maas_max(g.count[0], 1);
    u->cost = (double) maas_tensor_count(&u->in[0]) * 10;
    return true;
}


/*
 * What is reduced lies in runs of `run` values: those of the innermost axes
 * that follow each other.
 */
static int64_t
mvn_run_length(const mvn_geom_t *g)
{
    int64_t  run = 1;

    for (int d = 0; d < g->n[1] && g->stride[1][d] == run; d++) {
        run *= g->dim[1][d];
    }

    return run;
}


/* Unit u of float32, runs of more than one value. */
static void
mvn_runs_f32(const maas_step_t *s, const mvn_geom_t *g, int64_t u,
    int64_t run)
{
    float         m, f, buf[LRN_BLOCK];
    float        *y = (float *) s->out[0].data + mvn_at(g, 0, u);
    double        mean = 0, var = 0;
    int64_t       i, j, n, at;
    const float  *x = (const float *) s->in[0].data + mvn_at(g, 0, u);

    for (i = 0; i < g->count[1]; i += run) {
        mean += (double) s->k->reduce[MAAS_R_SUM](x + mvn_at(g, 1, i), run);
    }

    m = (float) (mean / (double) g->count[1]);

    for (i = 0; i < g->count[1]; i += run) {
        at = mvn_at(g, 1, i);

        for (j = 0; j < run; j += n) {
            n = maas_min(run - j, LRN_BLOCK);
            s->k->binary[MAAS_B_SUB](buf, x + at + j, 1, &m, 0, n);
            var += (double) s->k->reduce[MAAS_R_SUMSQ](buf, n);
        }
    }

    f = (float) (sqrt(var / (double) g->count[1]) + 1e-9);

    for (i = 0; i < g->count[1]; i += run) {
        at = mvn_at(g, 1, i);
        s->k->binary[MAAS_B_SUB](y + at, x + at, 1, &m, 0, run);
        s->k->binary[MAAS_B_DIV](y + at, y + at, 1, &f, 0, run);
    }
}


/* (x - mean) / (standard deviation + 1e-9), as the function body has it. */
static maas_status_t
mvn_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    double      v, mean, var;
    int64_t     u, i, at, run;
    mvn_geom_t  g;

    (void) slot;

    mvn_geom(&g, s->attr, &s->in[0]);
    run = mvn_run_length(&g);

    for (u = first; u < last && u < g.count[0]; u++) {
        if (s->in[0].dtype == MAAS_F32 && run > 1) {
            mvn_runs_f32(s, &g, u, run);
            continue;
        }

        at = mvn_at(&g, 0, u);
        mean = var = 0;

        for (i = 0; i < g.count[1]; i++) {
            mean += lrn_at(&s->in[0], at + mvn_at(&g, 1, i));
        }

        mean /= (double) g.count[1];

        for (i = 0; i < g.count[1]; i++) {
            v = lrn_at(&s->in[0], at + mvn_at(&g, 1, i)) - mean;
            var += v * v;
        }

        var = sqrt(var / (double) g.count[1]) + 1e-9;

        for (i = 0; i < g.count[1]; i++) {
            v = lrn_at(&s->in[0], at + mvn_at(&g, 1, i)) - mean;
            lrn_put(&s->out[0], at + mvn_at(&g, 1, i), v / var);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  lrn_in[] = { { "X", MAAS_D_FLOAT, 'T', 0 } };
static const maas_formal_t  lrn_out[] = { { "Y", MAAS_D_FLOAT, 'T', 0 } };

static const maas_attr_row_t  lrn_attrs[] = {
    { "alpha", MAAS_ATTR_FLOAT, false, offsetof(lrn_attr_t, alpha), 0,
      1e-4f },
    { "beta", MAAS_ATTR_FLOAT, false, offsetof(lrn_attr_t, beta), 0, 0.75f },
    { "bias", MAAS_ATTR_FLOAT, false, offsetof(lrn_attr_t, bias), 0, 1 },
    { "size", MAAS_ATTR_INT, true, offsetof(lrn_attr_t, size), 0, 0, NULL, 1,
      INT32_MAX }
};

static const maas_attr_row_t  lp_attrs[] = {
    { "axis", MAAS_ATTR_INT, false, offsetof(lrn_attr_t, axis), -1 },
    { "p", MAAS_ATTR_INT, false, offsetof(lrn_attr_t, p), 2, 0, NULL, 1, 2 }
};

static const maas_attr_row_t  mvn_attrs[] = {
    { "axes", MAAS_ATTR_INTS, false, offsetof(lrn_attr_t, axes) }
};

static const maas_kernel_row_t  lrn_kernels[] = {
    { "lrn", MAAS_CPU_REF, 0, 0, lrn_setup, lrn_run }
};

static const maas_kernel_row_t  lp_kernels[] = {
    { "lpnorm", MAAS_CPU_REF, 1, 0, lp_setup, lp_run }
};

static const maas_kernel_row_t  mvn_kernels[] = {
    { "meanvariancenorm", MAAS_CPU_REF, 1, 0, mvn_setup, mvn_run }
};

static const maas_case_t  lrn_cases[] = {
    { "size=3 | f32[2,5,5,7]", NULL },
    { "size=4 alpha=0.5 beta=0.5 bias=2.0 | f32[1,17,33]", NULL },
    { "size=5 | f32[1,3,1,300]", NULL },
    { "size=5 | f64[2,9,3,2]", NULL },
    { "size=3 | f32[0,3,4,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  lrn_bad[] = {
    { "size=0 | f32[1,3,4,4]", "size" },
    { "| f32[1,3,4,4]", "size" },
    { "size=3 | f32[3,4]", "expected 3 or more" },
    { NULL, NULL }
};

static const maas_case_t  lp_cases[] = {
    { "| f32[3,33]", NULL },
    { "axis=1 p=1 | f32[2,5,3]", NULL },
    { "axis=0 | f64[4,3]", NULL },
    { "| f32[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  lp_bad[] = {
    { "axis=2 | f32[2,3]", "axis" },
    { "p=3 | f32[2,3]", "p" },
    { NULL, NULL }
};

static const maas_case_t  mvn_cases[] = {
    { "| f32[3,2,5,7]", NULL },
    { "axes=[-1,0] | f32[3,2,9]", NULL },
    { "axes=[1] | f64[3,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  mvn_bad[] = {
    { "| f32[3,4]", "axis" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_lrn[] = {
    {
        .name = "LRN", .domain = "", .since = 13,
        .flags = MAAS_OP_PURE,
        MAAS_IO(lrn_in, lrn_out),
        MAAS_ATTRS(lrn_attrs, lrn_attr_t),
        .infer = lrn_infer,
        MAAS_KERNELS(lrn_kernels),
        .cases = lrn_cases, .bad = lrn_bad
    },
    {
        .name = "LpNormalization", .domain = "", .since = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(lrn_in, lrn_out),
        MAAS_ATTRS(lp_attrs, lrn_attr_t),
        .infer = lp_infer,
        MAAS_KERNELS(lp_kernels),
        .cases = lp_cases, .bad = lp_bad
    },
    {
        .name = "MeanVarianceNormalization", .domain = "", .since = 13,
        .flags = MAAS_OP_PURE,
        MAAS_IO(lrn_in, lrn_out),
        MAAS_ATTRS(mvn_attrs, lrn_attr_t),
        .infer = mvn_infer,
        MAAS_KERNELS(mvn_kernels),
        .cases = mvn_cases, .bad = mvn_bad
    },
    { .name = NULL }
};
