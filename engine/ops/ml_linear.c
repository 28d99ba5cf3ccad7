/*
 * ml_linear: ai.onnx.ml LinearRegressor and LinearClassifier.  Scores are
 * sums of float32 in the order of the features.  With a single score the
 * second class, its label and what a transform does follow ONNX Runtime, for
 * the specification is silent.
 *
 * Ownership: coefficients lie in the node's attributes.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include "ops/ml_common.h"


/* Members that both have come first. */
typedef struct {
    maas_list_t  coefs;
    maas_list_t  intercepts;
    int64_t      post;
    int64_t      targets;       /* the regressor's */
    int64_t      multi;         /* says nothing that the coefficients don't */
    maas_list_t  ints;
    maas_list_t  strings;
} linear_attr_t;

#define LINEAR_COMMON(needed)                                                 \
    { .name = "coefficients", .type = MAAS_ATTR_FLOATS, .required = needed,   \
      .off = offsetof(linear_attr_t, coefs) },                                \
    { .name = "intercepts", .type = MAAS_ATTR_FLOATS,                         \
      .off = offsetof(linear_attr_t, intercepts) },                           \
    { .name = "post_transform", .type = MAAS_ATTR_STRING,                     \
      .off = offsetof(linear_attr_t, post), .words = maas_ml_post_words }

static const maas_attr_row_t  regressor_attrs[] = {
    LINEAR_COMMON(true),
    { .name = "targets", .type = MAAS_ATTR_INT, .i = 1, .min = 1,
      .max = 1 << 20, .off = offsetof(linear_attr_t, targets) }
};

static const maas_attr_row_t  classifier_attrs[] = {
    LINEAR_COMMON(true),
    { .name = "multi_class", .type = MAAS_ATTR_INT,
      .off = offsetof(linear_attr_t, multi) },
    { .name = "classlabels_ints", .type = MAAS_ATTR_INTS,
      .off = offsetof(linear_attr_t, ints) },
    { .name = "classlabels_strings", .type = MAAS_ATTR_STRINGS,
      .off = offsetof(linear_attr_t, strings) }
};


/* -- inference ----------------------------------------------------------- */

/* Scores of a row; the classifier has one for each label, or one for two. */
static int64_t
linear_scores(const linear_attr_t *at, bool classify)
{
    int64_t  labels = (int64_t) at->ints.n + at->strings.n;

    if (!classify) {
        return at->targets;
    }

    if (at->intercepts.n != 0) {
        return at->intercepts.n;
    }

    return labels;
}


static maas_status_t
linear_check(maas_infer_t *c, int64_t scores, maas_dim_t *rows)
{
    maas_dim_t            features;
    const linear_attr_t  *at = c->attr;

    MAAS_TRY(maas_ml_rows(c, rows, &features));

    if (at->coefs.n == 0 || at->coefs.n % scores != 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute 'coefficients' has %u values for %lld "
                        "scores; expected as many for each", at->coefs.n,
                        (long long) scores);
    }

    if (at->intercepts.n != 0 && at->intercepts.n != scores) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute 'intercepts' has %u values; expected none "
                        "or %lld", at->intercepts.n, (long long) scores);
    }

    return maas_ml_features(c, features, at->coefs.n / scores);
}


static maas_status_t
regressor_infer(maas_infer_t *c)
{
    maas_dim_t            dims[2];
    const linear_attr_t  *at = c->attr;

    MAAS_TRY(linear_check(c, at->targets, &dims[0]));

    dims[1] = at->targets;
    maas_infer_set(c, 0, MAAS_F32, 2, dims);
    return MAAS_OK;
}


static maas_status_t
linear_infer(maas_infer_t *c)
{
    int64_t               labels, scores;
    maas_dim_t            dims[2];
    const linear_attr_t  *at = c->attr;

    labels = (int64_t) at->ints.n + at->strings.n;
    scores = linear_scores(at, true);

    if (labels != 0 && scores != labels && scores != 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute 'intercepts' has %lld values for %lld "
                        "class labels; expected 1 or as many as labels",
                        (long long) scores, (long long) labels);
    }

    if (labels != 0) {
        MAAS_TRY(linear_check(c, scores, &dims[0]));

    } else {
        dims[0] = 0;            /* maas_ml_labels() says it */
    }

    MAAS_TRY(maas_ml_labels(c, &at->ints, &at->strings, dims[0]));

    dims[1] = scores == 1 && labels == 2 ? 2 : scores;

    if (c->n_out > 1) {
        maas_infer_set(c, 1, MAAS_F32, 2, dims);
    }

    return MAAS_OK;
}


/* -- computing ----------------------------------------------------------- */

static void
linear_row(const linear_attr_t *at, int64_t scores, const float *x, int64_t n,
    float *s)
{
    float         sum;
    const float  *w = maas_list_floats(at, &at->coefs);
    const float  *b = maas_list_floats(at, &at->intercepts);

    for (int64_t i = 0; i < scores; i++, w += n) {
        sum = 0;

        for (int64_t j = 0; j < n; j++) {
            sum += x[j] * w[j];
        }

        s[i] = at->intercepts.n != 0 ? sum + b[i] : sum;
    }
}


/* Rows of a unit; labels that are strings follow each other in one. */
static int64_t
linear_per(const maas_tensor_t *x, const maas_tensor_t *label,
    const linear_attr_t *at)
{
    return label->dtype == MAAS_STRING
           ? maas_max(maas_ml_count(x), 1) : maas_unit_items(at->coefs.n);
}


static bool
linear_setup_with(maas_setup_t *u, bool classify)
{
    int64_t               rows = maas_ml_count(&u->in[0]), per;
    const linear_attr_t  *at = u->attr;

    per = linear_per(&u->in[0], &u->out[0], at);
    u->units = maas_max((rows + per - 1) / per, 1);
    u->scratch = sizeof(float) * (size_t) (u->in[0].dims[u->in[0].rank - 1]
                                           + linear_scores(at, classify) + 2);
    u->cost = 100 + (double) rows * (20 + 0.5 * (double) at->coefs.n);
    return true;
}


static bool
regressor_setup(maas_setup_t *u)
{
    return linear_setup_with(u, false);
}


static bool
linear_setup(maas_setup_t *u)
{
    return linear_setup_with(u, true);
}


static maas_status_t
regressor_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                *y, *buf = slot->scratch;
    int64_t               n = s->in[0].dims[s->in[0].rank - 1], per, hi;
    const linear_attr_t  *at = s->attr;

    per = linear_per(&s->in[0], &s->out[0], at);
    hi = maas_min(last * per, maas_ml_count(&s->in[0]));

    for (int64_t i = first * per; i < hi; i++) {
        y = (float *) s->out[0].data + i * at->targets;
        linear_row(at, at->targets, maas_ml_row(&s->in[0], i, buf), n, y);

        /* Of a single target only PROBIT is a transform. */
        if (at->targets > 1 || at->post == ML_PROBIT) {
            maas_ml_transform(y, at->targets, at->post);
        }
    }

    return MAAS_OK;
}


/* The label of a row by its scores. */
static void
linear_label(const maas_step_t *s, int64_t row, int64_t scores,
    const float *v)
{
    int64_t               best = 0;
    const linear_attr_t  *at = s->attr;
    bool                  two = at->ints.n + at->strings.n == 2;

    for (int64_t i = 1; i < scores; i++) {
        best = v[i] > v[best] ? i : best;
    }

    if (scores == 1) {
        best = v[0] > 0;
    }

    if (at->ints.n != 0) {
        ((int64_t *) s->out[0].data)[row] = scores == 1 && !two
                             ? best : maas_list_ints(at, &at->ints)[best];
        return;
    }

    maas_ml_put(&s->out[0], maas_ml_count(&s->in[0]), row,
                scores == 1 && !two
                ? (maas_str_t) { best ? "1" : "0", 1 }
                : maas_list_strings(at, &at->strings, (uint32_t) best));
}


/* What the scores become, in place; how many they are then. */
static int64_t
linear_post(const linear_attr_t *at, int64_t scores, float *v)
{
    bool  two = at->ints.n + at->strings.n == 2;

    if (scores > 1) {
        maas_ml_transform(v, scores, at->post);
        return scores;
    }

    if (at->post == ML_PROBIT) {
        v[0] = maas_ml_probit(v[0]);
    }

    if (two && at->post == ML_LOGISTIC) {
        v[1] = maas_ml_logistic(v[0]);
        v[0] = maas_ml_logistic(-v[0]);

    } else if (two) {
        v[1] = v[0];
        v[0] = 1 - v[1];
    }

    return two ? 2 : 1;
}


static maas_status_t
linear_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                *v = slot->scratch, *buf;
    int64_t               n = s->in[0].dims[s->in[0].rank - 1], per, hi, m;
    int64_t               scores;
    const linear_attr_t  *at = s->attr;

    scores = linear_scores(at, true);
    buf = v + scores + 2;
    per = linear_per(&s->in[0], &s->out[0], at);
    hi = maas_min(last * per, maas_ml_count(&s->in[0]));
    maas_ml_begin(&s->out[0]);

    for (int64_t i = first * per; i < hi; i++) {
        linear_row(at, scores, maas_ml_row(&s->in[0], i, buf), n, v);

        if (s->out[0].data != NULL) {
            linear_label(s, i, scores, v);
        }

        m = linear_post(at, scores, v);

        if (s->n_out > 1 && s->out[1].data != NULL) {
            memcpy((float *) s->out[1].data + i * m, v, m * sizeof(float));
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  regressor_kernel[] = {
    { "linear_regressor.rows", MAAS_CPU_REF, 0, 0, regressor_setup,
      regressor_run }
};

static const maas_kernel_row_t  linear_kernel[] = {
    { "linear_classifier.rows", MAAS_CPU_REF, 0, 0, linear_setup, linear_run }
};

static const maas_formal_t  linear_in[] = { { "X", ML_X, 0, 0 } };

static const maas_formal_t  regressor_out[] = { { "Y", MAAS_D(F32), 0, 0 } };

static const maas_formal_t  linear_out[] = {
    { "Y", MAAS_D(I64) | MAAS_D(STRING), 0, 0 },
    { "Z", MAAS_D(F32), 0, MAAS_OPT }
};

#define C6  "coefficients=[1,-2,0.5,0.25,3,-1] "

static const maas_case_t  regressor_cases[] = {
    { C6 "| f32[5,6]", NULL },
    { C6 "targets=2 intercepts=[1,-1] post_transform=SOFTMAX | f32[7,3]",
      NULL },
    { C6 "targets=3 post_transform=LOGISTIC | i64[2]", NULL },
    { C6 "targets=6 post_transform=SOFTMAX_ZERO | f64[4,1]", NULL },
    { C6 "intercepts=[0.5] | i32[0,6]", NULL },
    { C6 "| f32[6]:nan", NULL },
    { NULL, NULL }
};

static const maas_case_t  regressor_bad[] = {
    { C6 "| f32[5,4]", "4 features" },
    { C6 "targets=4 | f32[5,4]", "6 values for 4" },
    { C6 "intercepts=[1,2] | f32[5,6]", "'intercepts' has 2" },
    { C6 "| f32[]", "rank 0" },
    { "| f32[5,6]", "coefficients" },
    { NULL, NULL }
};

static const maas_case_t  linear_cases[] = {
    { C6 "intercepts=[1,-1] classlabels_ints=[4,9] > 2 | f32[17,3]", NULL },
    { C6 "intercepts=[1] classlabels_ints=[4,9] > 2 | f32[5,6]", NULL },
    { C6 "intercepts=[1] classlabels_ints=[4,9] post_transform=LOGISTIC "
      "> 2 | f32[5,6]", NULL },
    { C6 "classlabels_strings=[a,bcd,\"\"] post_transform=SOFTMAX > 2 "
      "| f32[33,2]", NULL },
    { C6 "intercepts=[1] classlabels_strings=[x] > 2 | i64[6]", NULL },
    { C6 "classlabels_strings=[a,b] > 2 | f64[0,3]", NULL },
    { C6 "classlabels_ints=[7,8,9] > 1 | i32[4,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  linear_bad[] = {
    { C6 "| f32[5,3]", "classlabels" },
    { C6 "classlabels_ints=[1,2] | f32[5,4]", "4 features" },
    { C6 "classlabels_ints=[1,2] intercepts=[1,2,3] | f32[5,2]",
      "3 values for 2" },
    { C6 "classlabels_ints=[1,2,3,4] | f32[5,2]", "6 values for 4" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_ml_linear[] = {

    { .name = "LinearRegressor", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE, MAAS_IO(linear_in, regressor_out),
      MAAS_ATTRS(regressor_attrs, linear_attr_t), .infer = regressor_infer,
      MAAS_KERNELS(regressor_kernel), .cases = regressor_cases,
      .bad = regressor_bad },

    { .name = "LinearClassifier", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE, MAAS_IO(linear_in, linear_out),
      MAAS_ATTRS(classifier_attrs, linear_attr_t), .infer = linear_infer,
      MAAS_KERNELS(linear_kernel), .cases = linear_cases,
      .bad = linear_bad },

    { .name = NULL }
};
