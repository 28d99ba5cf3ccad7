/*
 * GlobalMaxPool-1, GlobalAveragePool-1, GlobalLpPool-2: a unit is a plane.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/grads.h"
#include "ops/pool.h"


static maas_status_t
global_infer(maas_infer_t *c)
{
    int                 i;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[0].type;

    if (x->rank < 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank %d, expected 2 or more", x->rank);
    }

    for (i = 0; i < x->rank; i++) {
        dims[i] = i < 2 ? x->dims[i] : 1;
    }

    maas_infer_set(c, 0, x->dtype, x->rank, dims);
    return MAAS_OK;
}


static bool
global_setup(maas_setup_t *u)
{
    u->units = maas_max(u->in[0].dims[0] * u->in[0].dims[1], 1);
    u->cost = (double) u->in[0].bytes / 20;
    return true;
}


enum { GLOBAL_MAX, GLOBAL_AVERAGE, GLOBAL_LP };


static double
global_tap(double v, int64_t p)
{
    return p == 1 ? fabs(v) : p == 2 ? v * v : pow(fabs(v), (double) p);
}


static double
global_root(double v, int64_t p)
{
    return p == 1 ? v : p == 2 ? sqrt(v) : pow(v, 1 / (double) p);
}


static double
global_f64(const double *x, int64_t n, int what, int64_t p)
{
    double   v = what == GLOBAL_MAX ? -INFINITY : 0;
    int64_t  i;

    for (i = 0; i < n; i++) {
        if (what == GLOBAL_MAX) {
            v = v > x[i] || v != v ? v : x[i];

        } else {
            v += what != GLOBAL_LP ? x[i] : global_tap(x[i], p);
        }
    }

    return what == GLOBAL_AVERAGE ? v / (double) n
           : what == GLOBAL_LP ? global_root(v, p) : v;
}


static float
global_f32(const maas_kernels_t *k, const float *x, int64_t n, int what,
    int64_t p)
{
    float  v = 0;

    if (what == GLOBAL_MAX) {
        return k->reduce[MAAS_R_MAX](x, n);
    }

    if (what == GLOBAL_AVERAGE) {
        return k->reduce[MAAS_R_SUM](x, n) / (float) n;
    }

    if (p <= 2) {
        v = k->reduce[p == 1 ? MAAS_R_SUMABS : MAAS_R_SUMSQ](x, n);

    } else {
        for (int64_t i = 0; i < n; i++) {
            v += powf(fabsf(x[i]), (float) p);
        }
    }

    return (float) global_root(v, p);
}


static maas_status_t
global_units(const maas_step_t *s, int64_t first, int64_t last, int what)
{
    int64_t                    u, n = 1;
    const maas_tensor_t       *x = &s->in[0];
    const maas_window_attr_t  *a = s->attr;

    for (int i = 2; i < x->rank; i++) {
        n *= x->dims[i];
    }

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    for (u = first; u < last; u++) {
        if (x->dtype == MAAS_F32) {
            ((float *) s->out[0].data)[u] =
                global_f32(s->k, (const float *) x->data + u * n, n, what,
                           what == GLOBAL_LP ? a->p : 0);

        } else {
            ((double *) s->out[0].data)[u] =
                global_f64((const double *) x->data + u * n, n, what,
                           what == GLOBAL_LP ? a->p : 0);
        }
    }

    return MAAS_OK;
}


static maas_status_t
globalmax_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;
    return global_units(s, first, last, GLOBAL_MAX);
}


static maas_status_t
globalaverage_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;
    return global_units(s, first, last, GLOBAL_AVERAGE);
}


static maas_status_t
globallp_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;
    return global_units(s, first, last, GLOBAL_LP);
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  global_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  global_out[] = {
    { "Y", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_attr_row_t  globallp_attrs[] = {
    { "p", MAAS_ATTR_INT, false, offsetof(maas_window_attr_t, p), 2, 0, NULL,
      1, INT32_MAX }
};

static const maas_kernel_row_t  globalmax_kernels[] = {
    { "globalmaxpool", MAAS_CPU_REF, 0, 0, global_setup, globalmax_run }
};

static const maas_kernel_row_t  globalaverage_kernels[] = {
    { "globalaveragepool", MAAS_CPU_REF, 0, 0, global_setup,
      globalaverage_run }
};

static const maas_kernel_row_t  globallp_kernels[] = {
    { "globallppool", MAAS_CPU_REF, 0, 0, global_setup, globallp_run }
};

static const maas_kernel_row_t  globalaverage_blocked_kernels[] = {
    { "globalaveragepool.c16", MAAS_CPU_REF, 0, 0, global_blocked_setup,
      globalaverage_blocked_run }
};

/* One pixel of each plane: plain values. */
static bool
globalaverage_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    b->plain = true;
    return maas_blocked_window(n, type, "GlobalAveragePoolBlocked", b);
}

static const maas_case_t  global_cases[] = {
    { "| f32[2,3,7,5]", NULL },
    { "| f32[1,17,33]", NULL },
    { "| f64[2,3,7,5]", NULL },
    { "| f32[0,3,7,5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  global_bad[] = {
    { "| f32[3]", "expected 2 or more" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_poolglobal[] = {
    {
        .name = "GlobalMaxPool", .domain = "", .since = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(global_in, global_out),
        .infer = global_infer,
        MAAS_KERNELS(globalmax_kernels),
        .grad = maas_grad_pool,
        .cases = global_cases, .bad = global_bad
    },
    {
        .name = "GlobalAveragePool", .domain = "", .since = 1,
        .flags = MAAS_OP_PURE,
        MAAS_IO(global_in, global_out),
        .infer = global_infer,
        MAAS_KERNELS(globalaverage_kernels),
        .blocked = globalaverage_blocked,
        .grad = maas_grad_pool,
        .cases = global_cases, .bad = global_bad
    },
    {
        .name = "GlobalLpPool", .domain = "", .since = 2,
        .flags = MAAS_OP_PURE,
        MAAS_IO(global_in, global_out),
        MAAS_ATTRS(globallp_attrs, maas_window_attr_t),
        .infer = global_infer,
        MAAS_KERNELS(globallp_kernels),
        .grad = maas_grad_pool,
        .cases = global_cases, .bad = global_bad
    },
    {
        .name = "GlobalAveragePoolBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(global_in, global_out),
        .infer = global_infer,
        MAAS_KERNELS(globalaverage_blocked_kernels)
    },
    { .name = NULL }
};
