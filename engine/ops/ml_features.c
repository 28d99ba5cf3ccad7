/*
 * ml_features: ai.onnx.ml FeatureVectorizer, which puts features of several
 * inputs side by side, and ArrayFeatureExtractor, which picks columns.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include "ops/ml_common.h"


/* -- FeatureVectorizer --------------------------------------------------- */

typedef struct {
    maas_list_t  dims;
} vectorizer_attr_t;

static const maas_attr_row_t  vectorizer_attrs[] = {
    { .name = "inputdimensions", .type = MAAS_ATTR_INTS,
      .off = offsetof(vectorizer_attr_t, dims) }
};


/* Features of a row of input i: the attribute's, or all that it has. */
static maas_status_t
vectorizer_width(maas_infer_t *c, int i, maas_dim_t *width)
{
    int64_t                   v;
    const maas_type_t        *x = c->in[i].type;
    const vectorizer_attr_t  *at = c->attr;

    if (x->rank == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "input %d has rank 0; expected [rows, features] or "
                        "[features]", i);
    }

    if (at->dims.n != 0) {
        v = maas_list_ints(at, &at->dims)[i];

        if (v < 0 || v > INT32_MAX) {
            return maas_err(c->err, MAAS_EINVAL,
                            "inputdimensions[%d] is %lld", i, (long long) v);
        }

        *width = v;
        return MAAS_OK;
    }

    *width = x->rank == 1 ? x->dims[0] : 1;

    for (int d = 1; d < x->rank; d++) {
        *width = maas_dim_mul(c->syms, *width, x->dims[d]);
    }

    return MAAS_OK;
}


static maas_status_t
vectorizer_infer(maas_infer_t *c)
{
    maas_dim_t                dims[2] = { 0, 0 }, rows, width = 0;
    const vectorizer_attr_t  *at = c->attr;

    if (at->dims.n != 0 && at->dims.n != (uint32_t) c->n_in) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute 'inputdimensions' has %u values for %d "
                        "inputs", at->dims.n, c->n_in);
    }

    for (int i = 0; i < c->n_in; i++) {
        MAAS_TRY(vectorizer_width(c, i, &width));

        rows = c->in[i].type->rank == 1 ? 1 : c->in[i].type->dims[0];

        if (i == 0) {
            dims[0] = rows;

        } else {
            MAAS_TRY(maas_infer_merge(c, dims[0], rows, &dims[0], "rows"));
        }

        dims[1] = maas_dim_add(c->syms, dims[1], width);
    }

    maas_infer_set(c, 0, MAAS_F32, 2, dims);
    return MAAS_OK;
}


/* Features that an input lacks are zero, those that it has too many go. */
static maas_status_t
vectorizer_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                    *y;
    int64_t                   rows = s->out[0].dims[0], at, have, want;
    const maas_tensor_t      *x;
    const vectorizer_attr_t  *a = s->attr;

    (void) slot;
    (void) first;
    (void) last;

    for (int64_t i = 0; i < rows; i++) {
        at = 0;

        for (int k = 0; k < s->n_formal; k++) {
            x = &s->in[k];
            have = x->rank == 1 ? x->dims[0] : maas_tensor_count(x) / rows;
            want = a->dims.n != 0 ? maas_list_ints(a, &a->dims)[k] : have;
            y = (float *) s->out[0].data + i * s->out[0].dims[1] + at;
            memset(y, 0, (size_t) want * sizeof(float));
            maas_cast_row(y, MAAS_F32, (const char *) x->data
                          + (size_t) (i * have) * maas_dtype_size(x->dtype),
                          x->dtype, maas_min(have, want));
            at += want;
        }
    }

    return MAAS_OK;
}


static bool
vectorizer_setup(maas_setup_t *u)
{
    u->cost = 50 + 2.0 * (double) maas_tensor_count(&u->out[0]);
    return true;
}


/* -- ArrayFeatureExtractor ----------------------------------------------- */

/* Text of the output: each of its strings is one of the input's. */
static maas_status_t
extractor_text(maas_infer_t *c, maas_dim_t count)
{
    size_t              longest = 0;
    int64_t             n;
    const uint32_t     *off = c->in[0].data;
    const maas_type_t  *x = c->in[0].type;

    if (off == NULL) {
        return MAAS_INFER_NEED(c, 0);
    }

    n = maas_dims_count(x->dims, x->rank);

    for (int64_t i = 0; i < n; i++) {
        longest = maas_max(longest, off[i + 1] - off[i]);
    }

    return maas_ml_text(c, 0, count, longest);
}


static maas_status_t
extractor_infer(maas_infer_t *c)
{
    int                 rank = c->in[0].type->rank;
    maas_dim_t          dims[MAAS_RANK_MAX], n = 1, count = 1;
    const maas_type_t  *x = c->in[0].type, *index = c->in[1].type;

    if (rank == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "input 0 has rank 0; expected an axis to pick from");
    }

    for (int d = 0; d < index->rank; d++) {
        n = maas_dim_mul(c->syms, n, index->dims[d]);
    }

    memcpy(dims, x->dims, sizeof(dims));
    dims[rank - 1] = n;

    if (rank == 1) {
        rank = 2;
        dims[0] = 1;
        dims[1] = n;
    }

    maas_infer_set(c, 0, x->dtype, rank, dims);

    if (x->dtype != MAAS_STRING) {
        return MAAS_OK;
    }

    for (int d = 0; d < rank; d++) {
        count = maas_dim_mul(c->syms, count, dims[d]);
    }

    return extractor_text(c, count);
}


static maas_status_t
extractor_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    size_t                size = maas_dtype_size(s->in[0].dtype);
    int64_t               total = maas_tensor_count(&s->out[0]);
    int64_t               cols = s->in[0].dims[s->in[0].rank - 1], n, at;
    const int64_t        *index = s->in[1].data;
    const maas_tensor_t  *x = &s->in[0];

    (void) first;
    (void) last;

    n = maas_tensor_count(&s->in[1]);
    maas_ml_begin(&s->out[0]);

    for (int64_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] >= cols) {
            return maas_err(slot->err, MAAS_EINVAL,
                            "index %lld of input 'Y' is %lld; expected 0 to "
                            "%lld", (long long) i, (long long) index[i],
                            (long long) cols - 1);
        }
    }

    for (int64_t i = 0; i < total; i++) {
        at = i / n * cols + index[i % n];

        if (size == 0) {
            maas_ml_put(&s->out[0], total, i, maas_tensor_str(x, at));
            continue;
        }

        memcpy((char *) s->out[0].data + (size_t) i * size,
               (const char *) x->data + (size_t) at * size, size);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  vectorizer_kernel[] = {
    { "feature_vectorizer.rows", MAAS_CPU_REF, 0, 0, vectorizer_setup,
      vectorizer_run }
};

static const maas_kernel_row_t  extractor_kernel[] = {
    { "array_feature_extractor.rows", MAAS_CPU_REF, 0, 0, vectorizer_setup,
      extractor_run }
};

static const maas_formal_t  vectorizer_in[] = {
    { "X", ML_X, 0, MAAS_VARIADIC | MAAS_HETERO }
};

static const maas_formal_t  vectorizer_out[] = {
    { "Y", MAAS_D(F32), 0, 0 }
};

static const maas_formal_t  extractor_in[] = {
    { "X", ML_X | MAAS_D(STRING), 'T', 0 },
    { "Y", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  extractor_out[] = {
    { "Z", ML_X | MAAS_D(STRING), 'T', 0 }
};

static const maas_case_t  vectorizer_cases[] = {
    { "inputdimensions=[2,3] | f32[5,2] i64[5,3]", NULL },
    { "inputdimensions=[1,5,2] | f64[4] i32[3] f32[2]", NULL },
    { "| f32[3,2,2] i64[3,1]", NULL },
    { "inputdimensions=[2] | f32[0,2]", NULL },
    { "inputdimensions=[0,2] | f32[3,1] f32[3,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  vectorizer_bad[] = {
    { "inputdimensions=[2] | f32[5,2] i64[5,3]", "1 values for 2" },
    { "inputdimensions=[2,3] | f32[5,2] i64[4,3]", "rows" },
    { "inputdimensions=[-2] | f32[5,2]", "-2" },
    { NULL, NULL }
};

static const maas_case_t  extractor_cases[] = {
    { "| f32[5,3] i64[2]{2,0}", NULL },
    { "| i32[7] i64[1,3]{6,6,1}", NULL },
    { "| str[4,3] i64[2]{1,2}", NULL },
    { "| f64[2,2,3] i64[]{1}", NULL },
    { "| i64[2,3] i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  extractor_bad[] = {
    { "| f32[5,3] i64[2]{2,3}", "0 to 2" },
    { "| f32[5,3] i64[2]{-1,0}", "-1" },
    { "| f32[] i64[1]{0}", "rank 0" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_ml_features[] = {

    { .name = "FeatureVectorizer", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE,
      MAAS_IO(vectorizer_in, vectorizer_out),
      MAAS_ATTRS(vectorizer_attrs, vectorizer_attr_t),
      .infer = vectorizer_infer, MAAS_KERNELS(vectorizer_kernel),
      .cases = vectorizer_cases, .bad = vectorizer_bad },

    { .name = "ArrayFeatureExtractor", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE,
      MAAS_IO(extractor_in, extractor_out), .infer = extractor_infer,
      MAAS_KERNELS(extractor_kernel), .cases = extractor_cases,
      .bad = extractor_bad },

    { .name = NULL }
};
