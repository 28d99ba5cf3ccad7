/*
 * Tables of signal processing: BlackmanWindow, HannWindow, HammingWindow
 * and MelWeightMatrix, opset 17.  All is computed in double and cast to the
 * dtype that output_datatype names.
 *
 * Ownership: nothing is allocated.  Threads: blocks of a window are
 * independent; a matrix is one unit.
 */

#include <math.h>

#include "ops/move.h"
#include "ops/ops_common.h"


#define SIG_BLOCK  256

typedef struct {
    int64_t  dtype;
    int64_t  periodic;
} sig_attr_t;

enum { MEL_BINS = 0, MEL_LENGTH, MEL_RATE, MEL_LOWER, MEL_UPPER };


static maas_status_t
sig_dtype(maas_infer_t *c, maas_dtype_t *dtype)
{
    const sig_attr_t  *a = c->attr;

    if (a->dtype < 1 || a->dtype >= MAAS_DTYPES
        || !((MAAS_D_NUM | MAAS_D_HALF) & (1u << a->dtype)))
    {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "output_datatype %lld is "
                        "not supported", (long long) a->dtype);
    }

    *dtype = (maas_dtype_t) a->dtype;
    return MAAS_OK;
}


/* The number in integer input i; *v is MAAS_DIM_NONE with MAAS_NEED. */
static maas_status_t
sig_number(maas_infer_t *c, int i, const char *what, int64_t min,
    maas_dim_t *v)
{
    int            n;
    maas_status_t  rc = maas_ival_vector(c, i, what, 1, v, &n);

    if (rc == MAAS_NEED) {
        *v = MAAS_DIM_NONE;
        return rc;
    }

    if (rc == MAAS_OK && n != 1) {
        return maas_err(c->err, MAAS_EINVAL, "%s is empty, expected a number",
                        what);
    }

    if (rc == MAAS_OK && maas_dim_known(v[0]) && v[0] < min) {
        return maas_err(c->err, MAAS_EINVAL, "%s is %lld, expected %lld or "
                        "more", what, (long long) v[0], (long long) min);
    }

    return rc;
}


/* -- windows ------------------------------------------------------------- */

static maas_status_t
win_infer(maas_infer_t *c)
{
    maas_dim_t     n;
    maas_dtype_t   dtype = MAAS_NODTYPE;
    maas_status_t  rc;

    MAAS_TRY(sig_dtype(c, &dtype));
    rc = sig_number(c, 0, "size", 0, &n);

    if (rc == MAAS_OK || rc == MAAS_NEED) {
        maas_infer_set(c, 0, dtype, 1, &n);
    }

    return rc;
}


/* w[i] = c[0] - c[1] cos(2 pi i / n) + c[2] cos(4 pi i / n) */
static maas_status_t
win_run(const maas_step_t *s, int64_t first, int64_t last, const double *c)
{
    char              *y = s->out[0].data;
    size_t             size = maas_dtype_size(s->out[0].dtype);
    double             v[SIG_BLOCK], n, t;
    int64_t            p, to, m, total = s->out[0].dims[0];
    const sig_attr_t  *a = s->attr;

    n = (double) (a->periodic ? total : total - 1);
    maas_unit_range(first, last, total, &p, &to);

    for (; p < to; p += m) {
        m = maas_min(to - p, SIG_BLOCK);

        for (int64_t i = 0; i < m; i++) {
            t = 2 * M_PI * (double) (p + i) / n;

            /* A symmetric window of one item: 0 / 0, its middle is 1. */
            v[i] = n == 0 ? 1 : c[0] - c[1] * cos(t) + c[2] * cos(2 * t);
        }

        maas_cast_row(y + (size_t) p * size, s->out[0].dtype, v, MAAS_F64, m);
    }

    return MAAS_OK;
}


#define WINDOW(name, a, b, c)                                                 \
    static maas_status_t                                                      \
    name##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,        \
        int64_t last)                                                         \
    {                                                                         \
        static const double  factor[] = { a, b, c };                          \
                                                                              \
        (void) slot;                                                          \
        return win_run(s, first, last, factor);                               \
    }                                                                         \
                                                                              \
    static const maas_kernel_row_t  name##_kernel[] = {                       \
        { .id = #name "window.cosines", .setup = maas_setup_libm,             \
          .run = name##_run }                                                 \
    };

WINDOW(blackman, 0.42, 0.5, 0.08)
WINDOW(hann, 0.5, 0.5, 0)
WINDOW(hamming, 25.0 / 46, 21.0 / 46, 0)


/* -- MelWeightMatrix ----------------------------------------------------- */

static maas_status_t
mel_infer(maas_infer_t *c)
{
    maas_dim_t           n, dims[2];
    maas_dtype_t         dtype = MAAS_NODTYPE;
    maas_status_t        rc, rows;
    static const char   *const  names[] = {
        "num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz",
        "upper_edge_hertz"
    };

    MAAS_TRY(sig_dtype(c, &dtype));

    for (int i = 0; i < c->n_in; i++) {
        const maas_type_t  *t = c->in[i].type;

        if (t->rank > 1 || (t->rank == 1 && maas_dim_known(t->dims[0])
                            && t->dims[0] != 1))
        {
            return maas_err(c->err, MAAS_EINVAL, "%s is not a scalar",
                            names[i]);
        }
    }

    rc = sig_number(c, MEL_RATE, names[MEL_RATE], 1, &n);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    rows = sig_number(c, MEL_LENGTH, names[MEL_LENGTH], 0, &n);

    if (rows != MAAS_OK && rows != MAAS_NEED) {
        return rows;
    }

    rc = sig_number(c, MEL_BINS, names[MEL_BINS], 0, &dims[1]);

    if (rc != MAAS_OK && rc != MAAS_NEED) {
        return rc;
    }

    dims[0] = maas_dim_add(c->syms, maas_dim_div(c->syms, n, 2), 1);
    maas_infer_set(c, 0, dtype, 2, dims);

    return rows != MAAS_OK ? MAAS_INFER_NEED(c, MEL_LENGTH) : rc;
}


/* Borders of the filters, as rows of the spectrum. */
typedef struct {
    double  low;                /* in mel */
    double  step;
    double  scale;              /* rows per hertz */
} mel_t;


static double
mel_float(const maas_tensor_t *t)
{
    return t->dtype == MAAS_F64 ? *(const double *) t->data
                                : (double) *(const float *) t->data;
}


static double
mel_of_hertz(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}


static maas_status_t
mel_init(mel_t *m, const maas_step_t *s, maas_slot_t *slot)
{
    double   high, lower, upper;
    int64_t  rate = maas_move_int(&s->in[MEL_RATE], 0);

    lower = mel_float(&s->in[MEL_LOWER]);
    upper = mel_float(&s->in[MEL_UPPER]);

    if (rate < 1) {
        return maas_err(slot->err, MAAS_EINVAL, "sample_rate is %lld, "
                        "expected 1 or more", (long long) rate);
    }

    if (!(lower >= 0 && upper >= lower && upper < 1e9)) {
        return maas_err(slot->err, MAAS_EINVAL, "the edges are %g and %g "
                        "hertz, expected 0 or more in ascending order", lower,
                        upper);
    }

    m->low = mel_of_hertz(lower);
    high = mel_of_hertz(upper);
    m->step = (high - m->low) / (double) (s->out[0].dims[1] + 2);
    m->scale = (double) (maas_move_int(&s->in[MEL_LENGTH], 0) + 1)
               / (double) rate;

    return MAAS_OK;
}


static int64_t
mel_border(const mel_t *m, int64_t i)
{
    double  hertz;

    hertz = 700 * (pow(10, (m->low + (double) i * m->step) / 2595) - 1);
    return (int64_t) fmin(floor(hertz * m->scale), 9e15);
}


/* A triangle: up from row l to c, down to row h. */
static double
mel_weight(int64_t row, int64_t l, int64_t c, int64_t h)
{
    if (row >= c && row < h) {
        return (double) (h - row) / (double) (h - c);
    }

    if (row > c || row < l) {
        return 0;
    }

    return l == c ? 1 : (double) (row - l) / (double) (c - l);
}


static maas_status_t
mel_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    char                 *y = s->out[0].data;
    mel_t                 m;
    size_t                size = maas_dtype_size(s->out[0].dtype);
    double                v;
    int64_t               l, c, h, cols;
    const maas_tensor_t  *t = &s->out[0];

    (void) first;
    (void) last;

    MAAS_TRY(mel_init(&m, s, slot));
    memset(y, 0, (size_t) maas_tensor_count(t) * size);
    cols = t->dims[1];

    for (int64_t i = 0; i < cols; i++) {
        l = mel_border(&m, i);
        c = mel_border(&m, i + 1);
        h = mel_border(&m, i + 2);

        for (int64_t row = l; row <= h && row < t->dims[0]; row++) {
            v = mel_weight(row, l, c, h);
            maas_cast_row(y + (size_t) (row * cols + i) * size, t->dtype, &v,
                          MAAS_F64, 1);
        }
    }

    return MAAS_OK;
}


static bool
mel_setup(maas_setup_t *u)
{
    u->cost = 50 + (double) u->out[0].dims[1] * 200
              + (double) maas_tensor_count(&u->out[0]);
    return true;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  win_in[] = {
    { "size", MAAS_D(I32) | MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  sig_out[] = {
    { "output", MAAS_D_NUM | MAAS_D_HALF, 0, 0 }
};

static const maas_formal_t  mel_in[] = {
    { "num_mel_bins", MAAS_D(I32) | MAAS_D(I64), 'T', 0 },
    { "dft_length", MAAS_D(I32) | MAAS_D(I64), 'T', 0 },
    { "sample_rate", MAAS_D(I32) | MAAS_D(I64), 'T', 0 },
    { "lower_edge_hertz", MAAS_D_FLOAT, 'F', 0 },
    { "upper_edge_hertz", MAAS_D_FLOAT, 'F', 0 }
};

static const maas_attr_row_t  win_attrs[] = {
    { .name = "output_datatype", .type = MAAS_ATTR_INT, .i = MAAS_F32,
      .off = offsetof(sig_attr_t, dtype) },
    { .name = "periodic", .type = MAAS_ATTR_INT, .i = 1, .min = 0, .max = 1,
      .off = offsetof(sig_attr_t, periodic) }
};

static const maas_attr_row_t  mel_attrs[] = {
    { .name = "output_datatype", .type = MAAS_ATTR_INT, .i = MAAS_F32,
      .off = offsetof(sig_attr_t, dtype) }
};

static const maas_kernel_row_t  mel_kernel[] = {
    { .id = "melweightmatrix.columns", .setup = mel_setup, .run = mel_run }
};

static const maas_case_t  win_cases[] = {
    { "| =i64[]{10}", NULL },
    { "periodic=0 | i32[]{257}", NULL },
    { "output_datatype=11 | =i64[1]{7}", NULL },
    { "output_datatype=10 | i64[]{17}", NULL },
    { "output_datatype=7 | =i32[]{5}", NULL },
    { "periodic=0 | =i64[]{1}", NULL },
    { "| i64[]{0}", NULL },
    { "| =i64[]{40000}", NULL },
    { NULL, NULL }
};

static const maas_case_t  win_bad[] = {
    { "| =i64[]{-1}", "size is -1" },
    { "| =i64[2]{1,2}", "size has 2 elements" },
    { "output_datatype=8 | =i64[]{3}", "output_datatype 8" },
    { NULL, NULL }
};

static const maas_case_t  mel_cases[] = {
    { "| =i32[]{8} =i32[]{16} =i32[]{8192} =f32[]{0} =f32[]{4096}", NULL },
    { "| i64[]{5} i64[]{33} i64[]{16000} f64[]{20} f64[]{8000}", NULL },
    { "output_datatype=10 | =i64[]{80} =i64[]{400} =i64[]{16000} "
      "f32[1]{20} f32[1]{7600}", NULL },
    { "| =i64[]{0} =i64[]{0} i64[]{1} =f32[]{0} =f32[]{1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  mel_bad[] = {
    { "| =i32[]{8} =i32[]{16} =i32[]{0} =f32[]{0} =f32[]{4096}",
      "sample_rate is 0" },
    { "| =i32[]{8} =i32[]{16} i32[]{0} =f32[]{0} =f32[]{4096}",
      "sample_rate is 0" },
    { "| =i32[]{8} =i32[]{-2} =i32[]{9} =f32[]{0} =f32[]{4096}",
      "dft_length is -2" },
    { "| =i32[]{8} =i32[]{16} =i32[]{9} =f32[]{9} f32[]{4}",
      "the edges are 9 and 4" },
    { "| =i32[]{8} =i32[]{16} =i32[]{9} =f32[2] f32[]{4}",
      "lower_edge_hertz is not a scalar" },
    { NULL, NULL }
};


#define WINDOW_ROW(NAME, id)                                                  \
    { .name = NAME, .domain = "", .since = 17, .first = 17,                   \
      .flags = MAAS_OP_PURE, MAAS_IO(win_in, sig_out),                        \
      MAAS_ATTRS(win_attrs, sig_attr_t), .infer = win_infer,                  \
      MAAS_KERNELS(id##_kernel), .cases = win_cases, .bad = win_bad }

const maas_op_t  maas_ops_signal[] = {
    WINDOW_ROW("BlackmanWindow", blackman),
    WINDOW_ROW("HannWindow", hann),
    WINDOW_ROW("HammingWindow", hamming),
    {
        .name = "MelWeightMatrix", .domain = "", .since = 17, .first = 17,
        .flags = MAAS_OP_PURE,
        MAAS_IO(mel_in, sig_out),
        MAAS_ATTRS(mel_attrs, sig_attr_t),
        .infer = mel_infer,
        MAAS_KERNELS(mel_kernel),
        .cases = mel_cases, .bad = mel_bad
    },
    { .name = NULL }
};
