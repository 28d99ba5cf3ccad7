/*
 * ml_scale: ai.onnx.ml Scaler, Normalizer, Imputer and Binarizer: rows of
 * features to rows of the same size.
 *
 * A list of the file has one value, or one for each feature.  Sizes and
 * ranks that the specification leaves open are refused.
 *
 * Ownership: lists lie in the nodes' attributes.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <math.h>

#include "ops/ml_common.h"


/* -- shared -------------------------------------------------------------- */

/* One value, or one for each feature of [rows, features]. */
static maas_status_t
scale_list(maas_infer_t *c, const char *name, uint32_t n)
{
    maas_dim_t          features;
    const maas_type_t  *x = c->in[0].type;

    if (n == 1) {
        return MAAS_OK;
    }

    features = x->rank > 0 ? x->dims[x->rank - 1] : 1;

    if (n == 0 || x->rank < 1 || x->rank > 2
        || (maas_dim_known(features) && features != n))
    {
        if (x->rank < 1 || x->rank > 2 || !maas_dim_known(features)) {
            return maas_err(c->err, MAAS_EINVAL,
                            "attribute '%s' has %u values for an input of "
                            "rank %d; expected 1 value, or [rows, features] "
                            "and one for each feature", name, n, x->rank);
        }

        return maas_err(c->err, MAAS_EINVAL,
                        "attribute '%s' has %u values; expected 1 or %lld",
                        name, n, (long long) features);
    }

    return MAAS_OK;
}


/* Elements of a row: the last dimension. */
static int64_t
scale_cols(const maas_tensor_t *x)
{
    return x->rank > 0 ? x->dims[x->rank - 1] : 1;
}


/* -- Scaler -------------------------------------------------------------- */

typedef struct {
    maas_list_t  offset;
    maas_list_t  scale;
} scaler_attr_t;

static const maas_attr_row_t  scaler_attrs[] = {
    { .name = "offset", .type = MAAS_ATTR_FLOATS,
      .off = offsetof(scaler_attr_t, offset) },
    { .name = "scale", .type = MAAS_ATTR_FLOATS,
      .off = offsetof(scaler_attr_t, scale) }
};


/* Absent lists change nothing. */
static maas_status_t
scaler_infer(maas_infer_t *c)
{
    const maas_type_t    *x = c->in[0].type;
    const scaler_attr_t  *at = c->attr;

    if (at->offset.n != 0) {
        MAAS_TRY(scale_list(c, "offset", at->offset.n));
    }

    if (at->scale.n != 0) {
        MAAS_TRY(scale_list(c, "scale", at->scale.n));
    }

    maas_infer_set(c, 0, MAAS_F32, x->rank, x->dims);
    return MAAS_OK;
}


/* float64 is scaled as it is, other types as float32. */
static maas_status_t
scaler_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                 o, m, v, *y = s->out[0].data;
    int64_t               lo, hi, cols = maas_max(scale_cols(&s->in[0]), 1);
    const float          *offset, *scale;
    const scaler_attr_t  *at = s->attr;

    (void) slot;

    offset = maas_list_floats(at, &at->offset);
    scale = maas_list_floats(at, &at->scale);
    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);

    for (int64_t i = lo; i < hi; i++) {
        o = at->offset.n == 0 ? 0 : offset[at->offset.n == 1 ? 0 : i % cols];
        m = at->scale.n == 0 ? 1 : scale[at->scale.n == 1 ? 0 : i % cols];

        if (s->in[0].dtype == MAAS_F64) {
            y[i] = (float) ((((const double *) s->in[0].data)[i] - o) * m);
            continue;
        }

        maas_cast_row(&v, MAAS_F32, (const char *) s->in[0].data
                      + i * maas_dtype_size(s->in[0].dtype),
                      s->in[0].dtype, 1);
        y[i] = (v - o) * m;
    }

    return MAAS_OK;
}


static bool
scale_setup(maas_setup_t *u)
{
    return maas_setup_elements(u, 5);
}


/* -- Normalizer ---------------------------------------------------------- */

enum { NORM_MAX = 0, NORM_L1, NORM_L2 };

static const char *const  norm_words[] = { "MAX", "L1", "L2", NULL };

typedef struct {
    int64_t  norm;
} norm_attr_t;

static const maas_attr_row_t  norm_attrs[] = {
    { .name = "norm", .type = MAAS_ATTR_STRING, .words = norm_words,
      .off = offsetof(norm_attr_t, norm) }
};


static maas_status_t
norm_infer(maas_infer_t *c)
{
    maas_dim_t          rows, features;
    const maas_type_t  *x = c->in[0].type;

    MAAS_TRY(maas_ml_rows(c, &rows, &features));

    maas_infer_set(c, 0, MAAS_F32, x->rank, x->dims);
    return MAAS_OK;
}


static bool
norm_setup(maas_setup_t *u)
{
    int64_t  rows = maas_ml_count(&u->in[0]), n = scale_cols(&u->in[0]), per;

    per = maas_unit_items(n);
    u->units = maas_max((rows + per - 1) / per, 1);
    u->cost = 50 + (double) rows * (10 + 2 * (double) n);
    return true;
}


/* The row's norm; MAX is the greatest value, not the greatest magnitude. */
static float
norm_of(const float *x, int64_t n, int64_t norm)
{
    float  v = norm == NORM_MAX && n > 0 ? x[0] : 0;

    for (int64_t i = 0; i < n; i++) {
        switch (norm) {
        case NORM_L1:
            v += fabsf(x[i]);
            break;
        case NORM_L2:
            v += x[i] * x[i];
            break;
        default:
            v = x[i] > v ? x[i] : v;
        }
    }

    return norm == NORM_L2 ? sqrtf(v) : v;
}


/* A row whose norm is zero stays as it is. */
static maas_status_t
norm_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    float              *y, norm;
    int64_t             n = scale_cols(&s->in[0]), per, hi;
    const norm_attr_t  *at = s->attr;

    (void) slot;

    per = maas_unit_items(n);
    hi = maas_min(last * per, maas_ml_count(&s->in[0]));

    for (int64_t i = first * per; i < hi; i++) {
        y = (float *) s->out[0].data + i * n;
        maas_cast_row(y, MAAS_F32, (const char *) s->in[0].data
                      + (size_t) (i * n) * maas_dtype_size(s->in[0].dtype),
                      s->in[0].dtype, n);
        norm = norm_of(y, n, at->norm);

        for (int64_t j = 0; j < n && norm != 0; j++) {
            y[j] /= norm;
        }
    }

    return MAAS_OK;
}


/* -- Imputer ------------------------------------------------------------- */

typedef struct {
    maas_list_t  floats;
    maas_list_t  ints;
    int64_t      old_int;
    float        old_float;
} imputer_attr_t;

static const maas_attr_row_t  imputer_attrs[] = {
    { .name = "imputed_value_floats", .type = MAAS_ATTR_FLOATS,
      .off = offsetof(imputer_attr_t, floats) },
    { .name = "imputed_value_int64s", .type = MAAS_ATTR_INTS,
      .off = offsetof(imputer_attr_t, ints) },
    { .name = "replaced_value_float", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(imputer_attr_t, old_float) },
    { .name = "replaced_value_int64", .type = MAAS_ATTR_INT,
      .off = offsetof(imputer_attr_t, old_int) }
};


static maas_status_t
imputer_infer(maas_infer_t *c)
{
    const char            *name;
    uint32_t               n;
    const imputer_attr_t  *at = c->attr;

    if (maas_dtypes[c->in[0].type->dtype].is_float) {
        name = "imputed_value_floats";
        n = at->floats.n;

    } else {
        name = "imputed_value_int64s";
        n = at->ints.n;
    }

    if (n == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute '%s' is expected for an input of %s", name,
                        maas_dtype_name(c->in[0].type->dtype));
    }

    MAAS_TRY(scale_list(c, name, n));

    return maas_infer_same(c);
}


#define IMPUTE(name, type, list, member, old, same)                           \
    static void                                                               \
    impute_##name(const maas_step_t *s, int64_t cols, int64_t lo, int64_t hi) \
    {                                                                         \
        type                  *y = s->out[0].data;                            \
        const type            *x = s->in[0].data;                             \
        const imputer_attr_t  *at = s->attr;                                  \
                                                                              \
        for (int64_t i = lo; i < hi; i++) {                                   \
            y[i] = same(x[i], at->old)                                        \
                   ? (type) list(at, &at->member)[at->member.n == 1           \
                                                  ? 0 : i % cols] : x[i];     \
        }                                                                     \
    }

#define IMPUTE_INT(a, b)    ((a) == (b))
#define IMPUTE_FLOAT(a, b)  ((a) == (b) || ((a) != (a) && (b) != (b)))

IMPUTE(F32, float, maas_list_floats, floats, old_float, IMPUTE_FLOAT)
IMPUTE(F64, double, maas_list_floats, floats, old_float, IMPUTE_FLOAT)
IMPUTE(I32, int32_t, maas_list_ints, ints, old_int, IMPUTE_INT)
IMPUTE(I64, int64_t, maas_list_ints, ints, old_int, IMPUTE_INT)


static maas_status_t
imputer_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t  lo, hi, cols = maas_max(scale_cols(&s->in[0]), 1);

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);

    switch (s->in[0].dtype) {
    case MAAS_F32:
        impute_F32(s, cols, lo, hi);
        return MAAS_OK;
    case MAAS_F64:
        impute_F64(s, cols, lo, hi);
        return MAAS_OK;
    case MAAS_I32:
        impute_I32(s, cols, lo, hi);
        return MAAS_OK;
    case MAAS_I64:
        impute_I64(s, cols, lo, hi);
        return MAAS_OK;
    default:
        return maas_err_dtype(slot, s->in[0].dtype);
    }
}


/* -- Binarizer ----------------------------------------------------------- */

typedef struct {
    float  threshold;
} binarizer_attr_t;

static const maas_attr_row_t  binarizer_attrs[] = {
    { .name = "threshold", .type = MAAS_ATTR_FLOAT,
      .off = offsetof(binarizer_attr_t, threshold) }
};

/* The threshold is compared as it is, not as a value of the type. */
#define BINARIZE_LOOP(D, type)                                                \
    static void                                                               \
    binarize_##D(type *y, const type *x, int64_t n, double threshold)         \
    {                                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            y[i] = (double) x[i] > threshold;                                 \
        }                                                                     \
    }

BINARIZE_LOOP(F32, float)
BINARIZE_LOOP(F64, double)
BINARIZE_LOOP(I32, int32_t)
BINARIZE_LOOP(I64, int64_t)

#define BINARIZE_CASE(D, type)                                                \
    case MAAS_##D:                                                            \
        binarize_##D((type *) s->out[0].data + lo,                            \
                     (const type *) s->in[0].data + lo, hi - lo,              \
                     at->threshold);                                          \
        return MAAS_OK;


static maas_status_t
binarizer_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t                  lo, hi;
    const binarizer_attr_t  *at = s->attr;

    maas_unit_range(first, last, maas_tensor_count(&s->out[0]), &lo, &hi);

    switch (s->in[0].dtype) {
    BINARIZE_CASE(F32, float)
    BINARIZE_CASE(F64, double)
    BINARIZE_CASE(I32, int32_t)
    BINARIZE_CASE(I64, int64_t)
    default:
        return maas_err_dtype(slot, s->in[0].dtype);
    }
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  scaler_kernel[] = {
    { "scaler.rows", MAAS_CPU_REF, 0, 0, scale_setup, scaler_run }
};

static const maas_kernel_row_t  norm_kernel[] = {
    { "normalizer.rows", MAAS_CPU_REF, 0, 0, norm_setup, norm_run }
};

static const maas_kernel_row_t  imputer_kernel[] = {
    { "imputer.rows", MAAS_CPU_REF, 1, 0, scale_setup, imputer_run }
};

static const maas_kernel_row_t  binarizer_kernel[] = {
    { "binarizer.rows", MAAS_CPU_REF, 1, 0, maas_setup_cheap, binarizer_run }
};

static const maas_formal_t  scale_in[] = { { "X", ML_X, 'T', 0 } };
static const maas_formal_t  scale_out[] = { { "Y", MAAS_D(F32), 0, 0 } };
static const maas_formal_t  scale_same[] = { { "Y", ML_X, 'T', 0 } };

static const maas_case_t  scaler_cases[] = {
    { "offset=[1,2,3] scale=[0.5,2,-1] | f32[5,3]", NULL },
    { "offset=[1] scale=[0.5] | f64[2,17]", NULL },
    { "offset=[1,2,3] scale=[3] | i64[3]", NULL },
    { "scale=[3] | i32[2,3,4]", NULL },
    { "| f32[0,4]", NULL },
    { "offset=[2] | f32[]", NULL },
    { NULL, NULL }
};

static const maas_case_t  scaler_bad[] = {
    { "offset=[1,2] | f32[5,3]", "'offset' has 2" },
    { "scale=[1,2] | f32[5,2,2]", "rank 3" },
    { NULL, NULL }
};

static const maas_case_t  norm_cases[] = {
    { "| f32[7,33]", NULL }, { "norm=L1 | f32[5,3]:zero", NULL },
    { "norm=L2 | f64[5,3]", NULL }, { "norm=L2 | i64[9]", NULL },
    { "norm=MAX | i32[2,1]:zero", NULL }, { "norm=L1 | f32[0,3]", NULL },
    { "| f32[3,0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  norm_bad[] = {
    { "norm=L3 | f32[5,3]", "L3" },
    { "| f32[5,3,2]", "rank 3" },
    { NULL, NULL }
};

static const maas_case_t  imputer_cases[] = {
    { "imputed_value_floats=[1,2,3] replaced_value_float=nan | f32[5,3]:nan",
      NULL },
    { "imputed_value_floats=[9] | f64[5,3]:zero", NULL },
    { "imputed_value_int64s=[9] replaced_value_int64=3 | i64[17]", NULL },
    { "imputed_value_int64s=[9,8] replaced_value_int64=-1 | i32[9,2]", NULL },
    { "imputed_value_floats=[1] | f32[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  imputer_bad[] = {
    { "imputed_value_floats=[1,2] | f32[5,3]", "2 values" },
    { "imputed_value_floats=[1,2] | i64[5,2]", "'imputed_value_int64s'" },
    { NULL, NULL }
};

static const maas_case_t  binarizer_cases[] = {
    { "threshold=0.5 | f32[3,17]:nan", NULL },
    { "threshold=-0.5 | i64[5]", NULL },
    { "| f64[2,2,2]", NULL }, { "| i32[]", NULL }, { "| f32[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  binarizer_bad[] = {
    { "| bool[2]", "bool" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_ml_scale[] = {

    { .name = "Scaler", .domain = "ai.onnx.ml", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE, MAAS_IO(scale_in, scale_out),
      MAAS_ATTRS(scaler_attrs, scaler_attr_t), .infer = scaler_infer,
      MAAS_KERNELS(scaler_kernel), .cases = scaler_cases,
      .bad = scaler_bad },

    { .name = "Normalizer", .domain = "ai.onnx.ml", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE, MAAS_IO(scale_in, scale_out),
      MAAS_ATTRS(norm_attrs, norm_attr_t), .infer = norm_infer,
      MAAS_KERNELS(norm_kernel), .cases = norm_cases, .bad = norm_bad },

    { .name = "Imputer", .domain = "ai.onnx.ml", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE, MAAS_IO(scale_in, scale_same),
      MAAS_ATTRS(imputer_attrs, imputer_attr_t), .infer = imputer_infer,
      MAAS_KERNELS(imputer_kernel), .cases = imputer_cases,
      .bad = imputer_bad },

    { .name = "Binarizer", .domain = "ai.onnx.ml", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE, MAAS_IO(scale_in, scale_same),
      MAAS_ATTRS(binarizer_attrs, binarizer_attr_t),
      .infer = maas_infer_same, MAAS_KERNELS(binarizer_kernel),
      .cases = binarizer_cases, .bad = binarizer_bad },

    { .name = NULL }
};
