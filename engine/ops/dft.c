/*
 * DFT-20 and STFT-17.  The transform splits n into its smallest factors
 * (n log n where they are small), in double, with one table of n roots of
 * unity.  Real input has a last axis of 1, complex of 2; output has 2.
 *
 * Ownership: four arrays of n complex numbers lie in the scratch of a
 * thread.  Threads: lines and frames are independent.
 */

#include <math.h>

#include "ops/move.h"


#define DFT_MAX  (1 << 28)

typedef struct {
    int64_t  inverse;
    int64_t  onesided;
} dft_attr_t;

typedef struct {
    double  re;
    double  im;
} dft_num_t;

typedef struct {
    int64_t     n;
    dft_num_t  *root;           /* exp(-2 pi i k / n); inverse: + */
    dft_num_t  *in;
    dft_num_t  *out;
    dft_num_t  *tmp;
} dft_t;

enum { DFT_LENGTH = 1, DFT_AXIS };
enum { STFT_SIGNAL = 0, STFT_STEP, STFT_WINDOW, STFT_LENGTH };


/* -- transform ----------------------------------------------------------- */

static size_t
dft_scratch(int64_t n)
{
    return (size_t) n * 4 * sizeof(dft_num_t);
}


static void
dft_init(dft_t *f, void *scratch, int64_t n, bool inverse)
{
    double  t;

    f->n = n;
    f->root = scratch;
    f->in = f->root + n;
    f->out = f->in + n;
    f->tmp = f->out + n;

    for (int64_t k = 0; k < n; k++) {
        t = 2 * M_PI * (double) k / (double) n;
        f->root[k] = (dft_num_t) { cos(t), inverse ? sin(t) : -sin(t) };
    }
}


static inline dft_num_t
dft_mul(dft_num_t a, dft_num_t b)
{
    return (dft_num_t) { a.re * b.re - a.im * b.im,
                         a.re * b.im + a.im * b.re };
}


/* The p transforms of m items in y become one of p * m items. */
static void
dft_join(const dft_t *f, dft_num_t *y, int64_t p, int64_t m)
{
    int64_t    at, step = f->n / p;
    dft_num_t  sum, v, *t = f->tmp;

    for (int64_t k = 0; k < m; k++) {
        for (int64_t r = 0; r < p; r++) {
            t[r] = dft_mul(y[r * m + k], f->root[r * k * (f->n / (p * m))]);
        }

        for (int64_t q = 0; q < p; q++) {
            sum = t[0];
            at = 0;

            for (int64_t r = 1; r < p; r++) {
                at += q * step;
                at = at >= f->n ? at - f->n : at;
                v = dft_mul(t[r], f->root[at]);
                sum.re += v.re;
                sum.im += v.im;
            }

            y[q * m + k] = sum;
        }
    }
}


/* n items of x, `step` apart, to y; the depth is below log2(n). */
static void
dft_split(const dft_t *f, const dft_num_t *x, int64_t step, dft_num_t *y,
    int64_t n)
{
    int64_t  p = 2;

    if (n == 1) {
        y[0] = x[0];
        return;
    }

    while (n % p != 0) {
        p = p * p > n ? n : p + 1;
    }

    for (int64_t r = 0; r < p; r++) {
        dft_split(f, x + r * step, step * p, y + r * (n / p), n / p);
    }

    dft_join(f, y, p, n / p);
}


static double
dft_float(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_F64 ? ((const double *) t->data)[i]
                                : (double) ((const float *) t->data)[i];
}


static void
dft_store(const maas_tensor_t *t, int64_t i, dft_num_t v)
{
    if (t->dtype == MAAS_F64) {
        ((double *) t->data)[2 * i] = v.re;
        ((double *) t->data)[2 * i + 1] = v.im;

    } else {
        ((float *) t->data)[2 * i] = (float) v.re;
        ((float *) t->data)[2 * i + 1] = (float) v.im;
    }
}


/* -- inference ----------------------------------------------------------- */

/* The number in input i, 1 or more; MAAS_DIM_NONE with MAAS_NEED. */
static maas_status_t
dft_number(maas_infer_t *c, int i, const char *what, maas_dim_t *v)
{
    int            n;
    maas_status_t  rc = maas_ival_vector(c, i, what, 1, v, &n);

    if (rc == MAAS_NEED) {
        *v = MAAS_DIM_NONE;
        return rc;
    }

    if (rc == MAAS_OK
        && (n != 1 || (maas_dim_known(*v) && (*v < 1 || *v > DFT_MAX))))
    {
        return maas_err(c->err, MAAS_EINVAL, "%s is %lld, expected 1 to %d",
                        what, (long long) (n == 1 ? *v : -1), DFT_MAX);
    }

    return rc;
}


static maas_status_t
dft_parts(maas_infer_t *c, maas_dim_t last, bool onesided)
{
    if (maas_dim_known(last) && last != 1 && last != 2) {
        return maas_err(c->err, MAAS_EINVAL, "the last axis has %lld items, "
                        "expected 1 (real) or 2 (complex)",
                        (long long) last);
    }

    if (onesided && last == 2) {
        return maas_err(c->err, MAAS_EINVAL, "onesided is 1 and the input is "
                        "complex, expected a real one");
    }

    return MAAS_OK;
}


/* Bins of n items. */
static maas_dim_t
dft_bins(maas_infer_t *c, maas_dim_t n, bool onesided)
{
    return onesided ? maas_dim_add(c->syms, maas_dim_div(c->syms, n, 2), 1)
                    : n;
}


/* The axis, from an input since opset 20; -2 without it. */
static maas_status_t
dft_infer_axis(maas_infer_t *c, int *axis)
{
    int         n;
    maas_dim_t  v = -2;

    if (maas_infer_has(c, DFT_AXIS)) {
        MAAS_TRY(maas_ival_vector(c, DFT_AXIS, "axis", 1, &v, &n));

        if (n != 1) {
            return maas_err(c->err, MAAS_EINVAL,
                            "axis has %d elements, expected 1", n);
        }

        if (!maas_dim_known(v)) {
            return MAAS_INFER_NEED(c, DFT_AXIS);
        }
    }

    return maas_axis(v, c->in[0].type->rank, axis, c->err);
}


static maas_status_t
dft_infer(maas_infer_t *c)
{
    int                 axis;
    maas_dim_t          n, dims[MAAS_RANK_MAX];
    maas_status_t       rc = MAAS_OK;
    const dft_attr_t   *a = c->attr;
    const maas_type_t  *t = c->in[0].type;

    MAAS_TRY(dft_infer_axis(c, &axis));

    if (axis == t->rank - 1) {
        return maas_err(c->err, MAAS_EINVAL, "axis %d is the last, which has "
                        "the parts of a number", axis);
    }

    if (a->onesided && a->inverse) {
        return maas_err(c->err, MAAS_EUNSUPPORTED,
                        "onesided and inverse are both 1, expected one");
    }

    MAAS_TRY(dft_parts(c, t->dims[t->rank - 1], a->onesided != 0));
    memcpy(dims, t->dims, (size_t) t->rank * sizeof(maas_dim_t));
    n = dims[axis];

    if (maas_infer_has(c, 1)) {
        rc = dft_number(c, 1, "dft_length", &n);

        if (rc != MAAS_OK && rc != MAAS_NEED) {
            return rc;
        }

    } else if (maas_dim_known(n) && (n < 1 || n > DFT_MAX)) {
        return maas_err(c->err, MAAS_EINVAL, "axis %d has %lld items, "
                        "expected 1 to %d", axis, (long long) n, DFT_MAX);
    }

    dims[axis] = dft_bins(c, n, a->onesided != 0);
    dims[t->rank - 1] = 2;
    maas_infer_set(c, 0, t->dtype, t->rank, dims);

    return rc;
}


/* Length of a frame; infer() of STFT. */
static maas_status_t
stft_length(maas_infer_t *c, maas_dim_t *n)
{
    maas_status_t       rc = MAAS_OK;
    const maas_type_t  *w;

    *n = MAAS_DIM_NONE;

    if (maas_infer_has(c, STFT_LENGTH)) {
        rc = dft_number(c, STFT_LENGTH, "frame_length", n);

    } else if (!maas_infer_has(c, STFT_WINDOW)) {
        return maas_err(c->err, MAAS_EINVAL, "neither window nor "
                        "frame_length is given, expected one");
    }

    if (maas_infer_has(c, STFT_WINDOW) && (rc == MAAS_OK || rc == MAAS_NEED))
    {
        w = c->in[STFT_WINDOW].type;

        if (w->rank != 1) {
            return maas_err(c->err, MAAS_EINVAL, "window has rank %d, "
                            "expected 1", w->rank);
        }

        MAAS_TRY(maas_infer_merge(c, *n, w->dims[0], n,
                                  "the length of window and frame_length"));
    }

    if (maas_dim_known(*n) && (*n < 1 || *n > DFT_MAX)) {
        return maas_err(c->err, MAAS_EINVAL, "a frame has %lld items, "
                        "expected 1 to %d", (long long) *n, DFT_MAX);
    }

    return rc;
}


static maas_status_t
stft_infer(maas_infer_t *c)
{
    maas_dim_t          n, step, frames, dims[4];
    maas_status_t       length, rc;
    const dft_attr_t   *a = c->attr;
    const maas_type_t  *t = c->in[STFT_SIGNAL].type;

    if (t->rank != 2 && t->rank != 3) {
        return maas_err(c->err, MAAS_EINVAL, "signal has rank %d, expected "
                        "2 or 3", t->rank);
    }

    if (t->rank == 3) {
        MAAS_TRY(dft_parts(c, t->dims[2], a->onesided != 0));
    }

    length = stft_length(c, &n);

    if (length != MAAS_OK && length != MAAS_NEED) {
        return length;
    }

    rc = dft_number(c, STFT_STEP, "frame_step", &step);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    if (maas_dim_known(n) && maas_dim_known(t->dims[1]) && n > t->dims[1]) {
        return maas_err(c->err, MAAS_EINVAL, "a frame has %lld items, the "
                        "signal %lld", (long long) n,
                        (long long) t->dims[1]);
    }

    frames = maas_dim_sub(c->syms, t->dims[1], n);
    dims[0] = t->dims[0];
    dims[1] = maas_dim_add(c->syms, maas_dim_div(c->syms, frames, step), 1);
    dims[2] = dft_bins(c, n, a->onesided != 0);
    dims[3] = 2;
    maas_infer_set(c, 0, t->dtype, 4, dims);

    return length != MAAS_OK ? MAAS_INFER_NEED(c, STFT_LENGTH) : rc;
}


/* -- steps --------------------------------------------------------------- */

/* -1: it is not known yet. */
static int
dft_axis(const maas_tensor_t *in, int n_formal)
{
    int64_t  axis = -2;

    if (n_formal > DFT_AXIS && in[DFT_AXIS].dtype != MAAS_NODTYPE) {
        if (in[DFT_AXIS].data == NULL) {
            return -1;
        }

        axis = maas_move_int(&in[DFT_AXIS], 0);
    }

    return (int) (axis < 0 ? axis + in[0].rank : axis);
}


/* Room for the items that may have given so many bins. */
static void
dft_cost(maas_setup_t *u, int64_t lines, int64_t bins)
{
    const dft_attr_t  *a = u->attr;
    int64_t            n = a->onesided ? 2 * maas_max(bins, 1) - 1 : bins;

    u->scratch = dft_scratch(n);
    u->units = maas_max(maas_min(lines, lines * n / 2048), 1);
    u->cost = 50 + (double) u->units * (double) n * 40
              + (double) (lines * n) * 5 * log2((double) n + 2);
}


static maas_status_t
dft_check(maas_slot_t *slot, const dft_attr_t *a, int64_t n, int64_t bins)
{
    if (n < 1 || bins != (a->onesided ? n / 2 + 1 : n)) {
        return maas_err(slot->err, MAAS_EINTERNAL, "%lld items were planned "
                        "as %lld bins", (long long) n, (long long) bins);
    }

    return MAAS_OK;
}


static bool
dft_setup(maas_setup_t *u)
{
    int                   axis = dft_axis(u->in, u->n_formal);
    int64_t               bins = 0;
    const maas_tensor_t  *y = &u->out[0];

    for (int i = 0; i < y->rank - 1; i++) {
        bins = axis < 0 || axis == i ? maas_max(bins, y->dims[i]) : bins;
    }

    dft_cost(u, bins == 0 ? 0 : maas_tensor_count(y) / 2 / bins, bins);
    return true;
}


static maas_status_t
dft_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int                   axis;
    dft_t                 f;
    double                scale;
    int64_t               p, to, n, len, bins, inner, lines, parts, at, m;
    const dft_attr_t     *a = s->attr;
    const maas_tensor_t  *x = &s->in[0], *y = &s->out[0];

    axis = dft_axis(s->in, s->n_formal);
    len = x->dims[axis];
    bins = y->dims[axis];
    n = s->n_formal > 1 && s->in[1].dtype != MAAS_NODTYPE
        ? maas_move_int(&s->in[1], 0) : len;
    MAAS_TRY(dft_check(slot, a, n, bins));

    parts = x->dims[x->rank - 1];
    inner = maas_dims_count(x->dims + axis + 1, x->rank - axis - 2);
    lines = maas_dims_count(x->dims, axis) * inner;
    p = maas_move_start(lines, s->units, first);
    to = maas_move_start(lines, s->units, last);
    dft_init(&f, slot->scratch, n, a->inverse != 0);
    scale = a->inverse ? 1 / (double) n : 1;
    m = maas_min(n, len);

    for (; p < to; p++) {
        memset(f.in, 0, (size_t) n * sizeof(dft_num_t));

        for (int64_t i = 0; i < m; i++) {
            at = ((p / inner * len + i) * inner + p % inner) * parts;
            f.in[i].re = dft_float(x, at) * scale;
            f.in[i].im = parts == 2 ? dft_float(x, at + 1) * scale : 0;
        }

        dft_split(&f, f.in, 1, f.out, n);

        for (int64_t i = 0; i < bins; i++) {
            dft_store(y, (p / inner * bins + i) * inner + p % inner,
                      f.out[i]);
        }
    }

    return MAAS_OK;
}


static bool
stft_setup(maas_setup_t *u)
{
    dft_cost(u, u->out[0].dims[0] * u->out[0].dims[1], u->out[0].dims[2]);
    return true;
}


static maas_status_t
stft_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    dft_t                 f;
    double                v;
    int64_t               p, to, n, len, frames, bins, step, parts, at;
    const maas_tensor_t  *x = &s->in[STFT_SIGNAL], *y = &s->out[0], *w;

    w = s->n_formal > STFT_WINDOW && s->in[STFT_WINDOW].dtype != MAAS_NODTYPE
        ? &s->in[STFT_WINDOW] : NULL;
    n = w != NULL ? w->dims[0] : maas_move_int(&s->in[STFT_LENGTH], 0);
    step = maas_move_int(&s->in[STFT_STEP], 0);
    len = x->dims[1];
    frames = y->dims[1];
    bins = y->dims[2];
    parts = x->rank == 3 ? x->dims[2] : 1;
    MAAS_TRY(dft_check(slot, s->attr, n, bins));

    if (step < 1 || n > len || (len - n) / step + 1 != frames) {
        return maas_err(slot->err, MAAS_EINTERNAL, "frames of %lld every "
                        "%lld were planned as %lld", (long long) n,
                        (long long) step, (long long) frames);
    }

    p = maas_move_start(y->dims[0] * frames, s->units, first);
    to = maas_move_start(y->dims[0] * frames, s->units, last);
    dft_init(&f, slot->scratch, n, false);

    for (; p < to; p++) {
        for (int64_t i = 0; i < n; i++) {
            at = (p / frames * len + p % frames * step + i) * parts;
            v = w != NULL ? dft_float(w, i) : 1;
            f.in[i].re = dft_float(x, at) * v;
            f.in[i].im = parts == 2 ? dft_float(x, at + 1) * v : 0;
        }

        dft_split(&f, f.in, 1, f.out, n);

        for (int64_t i = 0; i < bins; i++) {
            dft_store(y, p * bins + i, f.out[i]);
        }
    }

    return MAAS_OK;
}


/* Before 20 the axis was an attribute, 1 by default. */
static maas_status_t
dft_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset, maas_err_t *err)
{
    int64_t  axis = 1;

    (void) opset;
    (void) err;

    return maas_raw_attr(n, "axis") != NULL
           ? maas_raw_attr_to_input(im, n, "axis", DFT_AXIS)
           : maas_raw_input_ints(im, n, DFT_AXIS, &axis, 1, true);
}


/* -- rows ---------------------------------------------------------------- */

#define DFT_INT  (MAAS_D(I32) | MAAS_D(I64))

static const maas_formal_t  dft_in[] = {
    { "input", MAAS_D_FLOAT, 'T', 0 },
    { "dft_length", DFT_INT, 0, MAAS_OPT },
    { "axis", DFT_INT, 0, MAAS_OPT }
};

static const maas_formal_t  stft_in[] = {
    { "signal", MAAS_D_FLOAT, 'T', 0 },
    { "frame_step", DFT_INT, 0, 0 },
    { "window", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "frame_length", DFT_INT, 0, MAAS_OPT }
};

static const maas_formal_t  dft_outs[] = {
    { "output", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_attr_row_t  dft_attrs[] = {
    { .name = "inverse", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(dft_attr_t, inverse) },
    { .name = "onesided", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(dft_attr_t, onesided) }
};

static const maas_attr_row_t  stft_attrs[] = {
    { .name = "onesided", .type = MAAS_ATTR_INT, .i = 1, .min = 0, .max = 1,
      .off = offsetof(dft_attr_t, onesided) }
};

static const maas_kernel_row_t  dft_kernel[] = {
    { .id = "dft.lines", .setup = dft_setup, .run = dft_run }
};

static const maas_kernel_row_t  stft_kernel[] = {
    { .id = "stft.frames", .setup = stft_setup, .run = stft_run }
};

static const maas_case_t  dft_cases[] = {
    { "| f32[2,16,1]", NULL },
    { "onesided=1 | f32[2,3,17,1] - =i64[]{2}", NULL },
    { "inverse=1 | f64[3,30,2,2] - i64[]{1}", NULL },
    { "| f32[2,9,2] =i64[]{12} =i32[]{-2}", NULL },
    { "onesided=1 | f32[2,9,1] i64[]{6}", NULL },
    { "| f32[97,40,1] - i64[]{0}", NULL },
    { "| f32[1,1,2]", NULL },
    { "| f32[0,4,1]", NULL },
    { "| f16[1,8,1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  dft_bad[] = {
    { "| f32[2,9,1] - =i64[]{2}", "axis 2 is the last" },
    { "| f32[2,9,1] - =i64[]{3}", "axis 3 is out of range" },
    { "| f32[2,9] - =i64[]{1}", "axis 1 is the last" },
    { "| f32[2,9,1] - =i64[2]{1,1}", "axis has 2 elements" },
    { "| f32[2,9,3]", "the last axis has 3 items" },
    { "onesided=1 | f32[2,9,2]", "the input is complex" },
    { "onesided=1 inverse=1 | f32[2,9,1]", "are both 1" },
    { "| f32[2,9,1] i64[]{0}", "dft_length is 0" },
    { "| f32[2,0,1]", "axis 1 has 0 items" },
    { NULL, NULL }
};

static const maas_case_t  stft_cases[] = {
    { "| f32[2,128,1] =i64[]{8} f32[16]", NULL },
    { "| f32[2,130] i64[]{8} - i64[]{15}", NULL },
    { "onesided=0 | f64[1,50,2] =i32[]{3} f64[10] =i32[]{10}", NULL },
    { "| f32[1,4,1] =i64[]{100} - =i64[]{4}", NULL },
    { "| f32[0,8,1] =i64[]{2} f32[4]", NULL },
    { "| f32[3,4000,1] =i64[]{160} f32[400]", NULL },
    { NULL, NULL }
};

static const maas_case_t  stft_bad[] = {
    { "| f32[2,128,1] =i64[]{8}", "neither window nor frame_length" },
    { "| f32[2,128,1] =i64[]{0} f32[16]", "frame_step is 0" },
    { "| f32[2,8,1] =i64[]{1} f32[16]", "a frame has 16 items, the signal 8" },
    { "| f32[2,99,1] =i64[]{1} f32[16] =i64[]{15}",
      "the length of window and frame_length" },
    { "| f32[2,99,2] =i64[]{1} f32[16]", "the input is complex" },
    { "| f32[99] =i64[]{1} f32[16]", "signal has rank 1" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_dft[] = {
    {
        .name = "DFT", .domain = "", .since = 20, .first = 17,
        .flags = MAAS_OP_PURE,
        MAAS_IO(dft_in, dft_outs),
        MAAS_ATTRS(dft_attrs, dft_attr_t),
        .upgrade = dft_upgrade, .infer = dft_infer,
        MAAS_KERNELS(dft_kernel),
        .cases = dft_cases, .bad = dft_bad
    },
    {
        .name = "STFT", .domain = "", .since = 17, .first = 17,
        .flags = MAAS_OP_PURE,
        MAAS_IO(stft_in, dft_outs),
        MAAS_ATTRS(stft_attrs, dft_attr_t),
        .infer = stft_infer,
        MAAS_KERNELS(stft_kernel),
        .cases = stft_cases, .bad = stft_bad
    },
    { .name = NULL }
};
