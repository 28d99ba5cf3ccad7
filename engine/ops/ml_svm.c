/*
 * ml_svm: ai.onnx.ml SVMRegressor and SVMClassifier.  With support vectors a
 * classifier has a machine for each pair of classes, in the order (0, 1),
 * (0, 2), ... (1, 2), ..., and the pairs vote; without them it is linear
 * with a row of coefficients for each class.  Labels and scores of two
 * classes follow ONNX Runtime, for the specification is silent.
 *
 * Ownership: vectors and coefficients lie in the node's attributes.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include <math.h>

#include "ops/ml_common.h"


typedef struct {
    int64_t      kernel;
    int64_t      post;
    maas_list_t  params;        /* gamma, coef0, degree */
    maas_list_t  coefs;
    maas_list_t  rho;
    maas_list_t  vectors;
    int64_t      supports;      /* the regressor's */
    int64_t      one_class;
    maas_list_t  per_class;     /* support vectors of each class */
    maas_list_t  prob_a;
    maas_list_t  prob_b;
    maas_list_t  ints;
    maas_list_t  strings;
} svm_attr_t;

enum { SVM_LINEAR = 0, SVM_POLY, SVM_RBF, SVM_SIGMOID };

static const char *const  svm_words[] = {
    "LINEAR", "POLY", "RBF", "SIGMOID", NULL
};

#define SVM_LIST(label, kind, member)                                         \
    { .name = label, .type = MAAS_ATTR_##kind,                                \
      .off = offsetof(svm_attr_t, member) }

#define SVM_COMMON                                                            \
    { .name = "kernel_type", .type = MAAS_ATTR_STRING,                        \
      .off = offsetof(svm_attr_t, kernel), .words = svm_words },              \
    { .name = "post_transform", .type = MAAS_ATTR_STRING,                     \
      .off = offsetof(svm_attr_t, post), .words = maas_ml_post_words },       \
    SVM_LIST("kernel_params", FLOATS, params),                                \
    SVM_LIST("coefficients", FLOATS, coefs),                                  \
    SVM_LIST("rho", FLOATS, rho),                                             \
    SVM_LIST("support_vectors", FLOATS, vectors)

static const maas_attr_row_t  svr_attrs[] = {
    SVM_COMMON,
    { .name = "n_supports", .type = MAAS_ATTR_INT, .min = 0,
      .max = INT32_MAX, .off = offsetof(svm_attr_t, supports) },
    { .name = "one_class", .type = MAAS_ATTR_INT,
      .off = offsetof(svm_attr_t, one_class) }
};

static const maas_attr_row_t  svc_attrs[] = {
    SVM_COMMON,
    SVM_LIST("vectors_per_class", INTS, per_class),
    SVM_LIST("prob_a", FLOATS, prob_a),
    SVM_LIST("prob_b", FLOATS, prob_b),
    SVM_LIST("classlabels_ints", INTS, ints),
    SVM_LIST("classlabels_strings", STRINGS, strings)
};


/* -- inference ----------------------------------------------------------- */

static int64_t
svm_classes(const svm_attr_t *at)
{
    return (int64_t) at->ints.n + at->strings.n;
}


/* Support vectors of a classifier; checked before they are summed. */
static int64_t
svm_supports(const svm_attr_t *at)
{
    int64_t        n = 0;
    const int64_t  *v = maas_list_ints(at, &at->per_class);

    for (uint32_t i = 0; i < at->per_class.n; i++) {
        n += v[i];
    }

    return n;
}


/* Scores of a row, as output 1 has them. */
static int64_t
svm_scores(const svm_attr_t *at)
{
    int64_t  k = svm_classes(at);

    if (at->per_class.n == 0 || at->prob_a.n != 0 || k <= 2) {
        return k;
    }

    return k * (k - 1) / 2;
}


static maas_status_t
svm_list(maas_infer_t *c, const char *name, int64_t n, int64_t want)
{
    if (n == want) {
        return MAAS_OK;
    }

    return maas_err(c->err, MAAS_EINVAL,
                    "attribute '%s' has %lld values; expected %lld", name,
                    (long long) n, (long long) want);
}


/* What both have: `n` support vectors (0: linear), m scores if linear. */
static maas_status_t
svm_check(maas_infer_t *c, int64_t n, int64_t m, maas_dim_t *rows)
{
    uint32_t           values;
    maas_dim_t         features;
    const svm_attr_t  *at = c->attr;

    MAAS_TRY(maas_ml_rows(c, rows, &features));

    if (at->params.n != 0) {
        MAAS_TRY(svm_list(c, "kernel_params", at->params.n, 3));
    }

    if (at->rho.n == 0) {
        return svm_list(c, "rho", 0, 1);
    }

    values = n > 0 ? at->vectors.n : at->coefs.n;
    m = n > 0 ? n : m;

    if (values == 0 || values % m != 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute '%s' has %u values for %lld %s; expected "
                        "as many for each",
                        n > 0 ? "support_vectors" : "coefficients", values,
                        (long long) m, n > 0 ? "vectors" : "scores");
    }

    return maas_ml_features(c, features, values / m);
}


static maas_status_t
svr_infer(maas_infer_t *c)
{
    maas_dim_t         dims[2];
    const svm_attr_t  *at = c->attr;

    MAAS_TRY(svm_check(c, at->supports, 1, &dims[0]));

    if (at->supports > 0) {
        MAAS_TRY(svm_list(c, "coefficients", at->coefs.n, at->supports));
    }

    dims[1] = 1;
    maas_infer_set(c, 0, MAAS_F32, 2, dims);
    return MAAS_OK;
}


/* The lists of a classifier with a machine for each pair of classes. */
static maas_status_t
svc_check_pairs(maas_infer_t *c, int64_t k)
{
    int64_t            n, pairs = k * (k - 1) / 2;
    const int64_t     *v;
    const svm_attr_t  *at = c->attr;

    if (k < 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "it has %lld class labels; expected two or more",
                        (long long) k);
    }

    MAAS_TRY(svm_list(c, "vectors_per_class", at->per_class.n, k));
    v = maas_list_ints(at, &at->per_class);

    for (int64_t i = 0; i < k; i++) {
        if (v[i] < 0 || v[i] > at->vectors.n) {
            return maas_err(c->err, MAAS_EINVAL,
                            "vectors_per_class[%lld] is %lld", (long long) i,
                            (long long) v[i]);
        }
    }

    n = svm_supports(at);

    if (n == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute 'vectors_per_class' names no vectors; "
                        "without any it has to be absent");
    }

    MAAS_TRY(svm_list(c, "coefficients", at->coefs.n, (k - 1) * n));
    MAAS_TRY(svm_list(c, "rho", at->rho.n, pairs));

    if (at->prob_a.n != 0 || at->prob_b.n != 0) {
        MAAS_TRY(svm_list(c, "prob_a", at->prob_a.n, pairs));
        MAAS_TRY(svm_list(c, "prob_b", at->prob_b.n, pairs));
    }

    return MAAS_OK;
}


static maas_status_t
svc_infer(maas_infer_t *c)
{
    int64_t            k;
    maas_dim_t         dims[2] = { 0, 0 };
    const svm_attr_t  *at = c->attr;

    k = svm_classes(at);

    if (at->per_class.n != 0) {
        MAAS_TRY(svc_check_pairs(c, k));
        MAAS_TRY(svm_check(c, svm_supports(at), 0, &dims[0]));

    } else if (k != 0) {
        MAAS_TRY(svm_check(c, 0, k, &dims[0]));
    }

    MAAS_TRY(maas_ml_labels(c, &at->ints, &at->strings, dims[0]));

    if (c->n_out > 1) {
        dims[1] = svm_scores(at);
        maas_infer_set(c, 1, MAAS_F32, 2, dims);
    }

    return MAAS_OK;
}


/* -- kernels of the machine ---------------------------------------------- */

static float
svm_dot(const float *x, const float *v, int64_t n)
{
    float  sum = 0;

    for (int64_t i = 0; i < n; i++) {
        sum += x[i] * v[i];
    }

    return sum;
}


static float
svm_distance(const float *x, const float *v, int64_t n)
{
    float  sum = 0, d;

    for (int64_t i = 0; i < n; i++) {
        d = x[i] - v[i];
        sum += d * d;
    }

    return sum;
}


/* out[i]: the kernel of x and support vector i. */
static void
svm_kernels(const svm_attr_t *at, const float *x, int64_t n, int64_t count,
    float *out)
{
    float         gamma = 0, coef0 = 0, degree = 0;
    const float  *v = maas_list_floats(at, &at->vectors);
    const float  *p = maas_list_floats(at, &at->params);

    if (at->params.n != 0) {
        gamma = p[0];
        coef0 = p[1];
        degree = p[2];
    }

    for (int64_t i = 0; i < count; i++, v += n) {
        switch (at->kernel) {
        case SVM_POLY:
            out[i] = powf(gamma * svm_dot(x, v, n) + coef0, degree);
            break;
        case SVM_RBF:
            out[i] = expf(-gamma * svm_distance(x, v, n));
            break;
        case SVM_SIGMOID:
            out[i] = tanhf(gamma * svm_dot(x, v, n) + coef0);
            break;
        default:
            out[i] = svm_dot(x, v, n);
        }
    }
}


/* -- work ---------------------------------------------------------------- */

static int64_t
svm_per(const svm_attr_t *at, const maas_tensor_t *x,
    const maas_tensor_t *label)
{
    return label->dtype == MAAS_STRING
           ? maas_max(maas_ml_count(x), 1)
           : maas_unit_items(at->coefs.n + (int64_t) at->vectors.n);
}


/* `more`: floats of scratch besides the row and the kernels. */
static bool
svm_setup(maas_setup_t *u, int64_t supports, int64_t more)
{
    int64_t            rows = maas_ml_count(&u->in[0]), per;
    const svm_attr_t  *at = u->attr;

    per = svm_per(at, &u->in[0], &u->out[0]);
    u->units = maas_max((rows + per - 1) / per, 1);
    u->scratch = sizeof(float) * (size_t) (u->in[0].dims[u->in[0].rank - 1]
                                           + supports + more);
    u->cost = 100 + (double) rows * (30 + 0.6 * (double) at->coefs.n
                                     + 0.6 * (double) at->vectors.n
                                     + 8.0 * (double) supports);
    return true;
}


/* -- regression ---------------------------------------------------------- */

static bool
svr_setup(maas_setup_t *u)
{
    const svm_attr_t  *at = u->attr;

    return svm_setup(u, at->supports, 0);
}


static maas_status_t
svr_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    float              y, *kernels = slot->scratch, *buf;
    int64_t            n = s->in[0].dims[s->in[0].rank - 1], per, hi;
    const float       *x, *coefs;
    const svm_attr_t  *at = s->attr;

    buf = kernels + at->supports;
    coefs = maas_list_floats(at, &at->coefs);
    per = svm_per(at, &s->in[0], &s->out[0]);
    hi = maas_min(last * per, maas_ml_count(&s->in[0]));

    for (int64_t i = first * per; i < hi; i++) {
        x = maas_ml_row(&s->in[0], i, buf);

        if (at->supports > 0) {
            svm_kernels(at, x, n, at->supports, kernels);
            y = svm_dot(kernels, coefs, at->supports);

        } else {
            y = svm_dot(x, coefs, n);
        }

        y += maas_list_floats(at, &at->rho)[0];

        if (at->one_class) {
            y = y > 0 ? 1 : -1;
        }

        ((float *) s->out[0].data)[i] = y;
    }

    return MAAS_OK;
}


/* -- probabilities ------------------------------------------------------- */

/*
 * Probabilities p of k classes from those of pairs, r[i k + j] = P(i | i or
 * j): the minimum of sum (r_ji p_i - r_ij p_j)^2, found by coordinates (Wu,
 * Lin and Weng 2004, "Probability estimates for multi-class classification
 * by pairwise coupling", algorithm 2).  q: room for k k + k floats.
 */
static void
svm_couple(const float *r, int64_t k, float *q, float *p)
{
    float  *qp = q + k * k, pqp, worst, step;

    for (int64_t i = 0; i < k; i++) {
        p[i] = 1 / (float) k;
        q[i * k + i] = 0;

        for (int64_t j = 0; j < k; j++) {
            if (j != i) {
                q[i * k + i] += r[j * k + i] * r[j * k + i];
                q[i * k + j] = -r[j * k + i] * r[i * k + j];
            }
        }
    }

    for (int round = 0; round < 100; round++) {
        pqp = 0;
        worst = 0;

        for (int64_t i = 0; i < k; i++) {
            qp[i] = svm_dot(q + i * k, p, k);
            pqp += p[i] * qp[i];
        }

        for (int64_t i = 0; i < k; i++) {
            worst = fmaxf(worst, fabsf(qp[i] - pqp));
        }

        if (worst < 0.005f / (float) k) {
            return;
        }

        for (int64_t i = 0; i < k; i++) {
            step = (pqp - qp[i]) / q[i * k + i];
            p[i] += step;
            pqp = (pqp + step * (step * q[i * k + i] + 2 * qp[i]))
                  / (1 + step) / (1 + step);

            for (int64_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + step * q[i * k + j]) / (1 + step);
                p[j] /= 1 + step;
            }
        }
    }
}


/* Scores of pairs to probabilities of classes. */
static void
svm_probabilities(const svm_attr_t *at, int64_t k, const float *pair,
    float *room, float *p)
{
    float         v, *r = room;
    int64_t       m = 0;
    const float  *a = maas_list_floats(at, &at->prob_a);
    const float  *b = maas_list_floats(at, &at->prob_b);

    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = i + 1; j < k; j++, m++) {
            v = 1 - maas_ml_logistic(pair[m] * a[m] + b[m]);
            v = fminf(fmaxf(v, 1e-7f), 1 - 1e-7f);
            r[i * k + j] = v;
            r[j * k + i] = 1 - v;
        }
    }

    svm_couple(r, k, room + k * k, p);
}


/* -- classification ------------------------------------------------------ */

/* Scores of the pairs; the class with most votes, the first of equals. */
static int64_t
svm_pairs(const svm_attr_t *at, int64_t k, int64_t n, const float *kernels,
    float *pair, float *votes)
{
    double          sum;
    int64_t         from_i = 0, from_j, best = 0;
    const float    *w = maas_list_floats(at, &at->coefs);
    const float    *rho = maas_list_floats(at, &at->rho);
    const int64_t  *count = maas_list_ints(at, &at->per_class);

    memset(votes, 0, (size_t) k * sizeof(float));

    for (int64_t i = 0; i < k; from_i += count[i++]) {
        from_j = from_i + count[i];

        for (int64_t j = i + 1; j < k; from_j += count[j++]) {
            sum = 0;

            for (int64_t m = from_i; m < from_i + count[i]; m++) {
                sum += w[(j - 1) * n + m] * kernels[m];
            }

            for (int64_t m = from_j; m < from_j + count[j]; m++) {
                sum += w[i * n + m] * kernels[m];
            }

            sum += *rho++;
            *pair++ = (float) sum;
            votes[sum > 0 ? i : j]++;
        }
    }

    for (int64_t i = 1; i < k; i++) {
        best = votes[i] > votes[best] ? i : best;
    }

    return best;
}


/* Linear: a score for each class. */
static int64_t
svm_linear(const svm_attr_t *at, int64_t k, const float *x, int64_t n,
    float *score)
{
    bool          positive = true;
    int64_t       best = 0;
    const float  *w = maas_list_floats(at, &at->coefs);

    for (int64_t i = 0; i < k; i++) {
        score[i] = svm_dot(x, w + i * n, n)
                   + maas_list_floats(at, &at->rho)[0];
        best = score[i] > score[best] ? i : best;
    }

    if (k != 2) {
        return best;
    }

    for (uint32_t i = 0; i < at->coefs.n; i++) {
        positive &= w[i] >= 0;
    }

    return score[best] >= 0.5f && positive ? 1
           : score[best] > 0 && !positive ? 1 : best;
}


/* Two classes, one machine: its score is of the second class. */
static void
svm_second(const svm_attr_t *at, float *score)
{
    if (at->post == ML_LOGISTIC) {
        score[1] = maas_ml_logistic(score[0]);
        score[0] = maas_ml_logistic(-score[0]);
        return;
    }

    score[1] = at->post == ML_PROBIT ? maas_ml_probit(score[0]) : score[0];
    score[0] = at->post == ML_NONE ? -score[1] : 1 - score[1];
}


static int64_t
svm_classify(const svm_attr_t *at, const float *x, int64_t n, float *room,
    float *score)
{
    float    *votes, *pair;
    int64_t   k = svm_classes(at), m, best;

    if (at->per_class.n == 0) {
        best = svm_linear(at, k, x, n, score);

        if (k > 1 || at->post == ML_PROBIT) {
            maas_ml_transform(score, k, at->post);
        }

        return best;
    }

    m = svm_supports(at);
    votes = room + m;
    pair = at->prob_a.n != 0 ? votes + k : score;

    svm_kernels(at, x, n, m, room);
    best = svm_pairs(at, k, m, room, pair, votes);

    if (at->prob_a.n != 0) {
        svm_probabilities(at, k, pair, pair + k * (k - 1) / 2, score);
        maas_ml_transform(score, k, at->post);

    } else if (k == 2) {
        svm_second(at, score);

    } else {
        maas_ml_transform(score, k * (k - 1) / 2, at->post);
    }

    return best;
}


static bool
svc_setup(maas_setup_t *u)
{
    int64_t            k, more;
    const svm_attr_t  *at = u->attr;

    k = svm_classes(at);
    more = svm_scores(at) + k;

    if (at->prob_a.n != 0) {
        more += k * (k - 1) / 2 + 2 * k * k + k;
    }

    return svm_setup(u, svm_supports(at), more);
}


static maas_status_t
svc_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    float             *score = slot->scratch, *buf, *room;
    int64_t            n = s->in[0].dims[s->in[0].rank - 1], per, hi, m, best;
    const svm_attr_t  *at = s->attr;

    m = svm_scores(at);
    buf = score + m;
    room = buf + n;
    per = svm_per(at, &s->in[0], &s->out[0]);
    hi = maas_min(last * per, maas_ml_count(&s->in[0]));
    maas_ml_begin(&s->out[0]);

    for (int64_t i = first * per; i < hi; i++) {
        best = svm_classify(at, maas_ml_row(&s->in[0], i, buf), n, room,
                            score);

        if (s->n_out > 1 && s->out[1].data != NULL) {
            memcpy((float *) s->out[1].data + i * m, score,
                   m * sizeof(float));
        }

        if (s->out[0].data == NULL) {
            continue;
        }

        if (at->ints.n != 0) {
            ((int64_t *) s->out[0].data)[i]
                = maas_list_ints(at, &at->ints)[best];

        } else {
            maas_ml_put(&s->out[0], maas_ml_count(&s->in[0]), i,
                        maas_list_strings(at, &at->strings,
                                          (uint32_t) best));
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  svr_kernel[] = {
    { "svm_regressor.rows", MAAS_CPU_REF, 0, 0, svr_setup, svr_run }
};

static const maas_kernel_row_t  svc_kernel[] = {
    { "svm_classifier.rows", MAAS_CPU_REF, 0, 0, svc_setup, svc_run }
};

static const maas_formal_t  svm_in[] = { { "X", ML_X, 0, 0 } };

static const maas_formal_t  svr_out[] = { { "Y", MAAS_D(F32), 0, 0 } };

static const maas_formal_t  svc_out[] = {
    { "Y", MAAS_D(I64) | MAAS_D(STRING), 0, 0 },
    { "Z", MAAS_D(F32), 0, MAAS_OPT }
};

#define SVR3  "n_supports=3 coefficients=[1,-2,0.5] rho=[0.25] "              \
              "support_vectors=[1,0,-1,2,0.5,1] kernel_params=[0.5,1,3] "
#define SVC2  "vectors_per_class=[1,2] coefficients=[1,-2,0.5] rho=[0.25] "   \
              "support_vectors=[1,0,-1,2,0.5,1] kernel_params=[0.5,1,2] "
#define SVC3  "vectors_per_class=[1,1,2] rho=[0.25,-1,0.5] "                  \
              "coefficients=[1,-2,0.5,2,1,1,-1,0.25] "                        \
              "support_vectors=[1,0,-1,2,0.5,1,-1,-1] "                       \
              "kernel_params=[0.5,1,3] "

static const maas_case_t  svr_cases[] = {
    { SVR3 "kernel_type=RBF | f32[17,2]", NULL },
    { SVR3 "kernel_type=POLY | f64[3,2]", NULL },
    { SVR3 "kernel_type=SIGMOID one_class=1 | i32[5,2]", NULL },
    { SVR3 "| i64[2]", NULL },
    { "coefficients=[1,-2,0.5] rho=[0.25] | f32[5,3]", NULL },
    { SVR3 "| f32[0,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  svr_bad[] = {
    { SVR3 "| f32[5,3]", "3 features" },
    { "coefficients=[1,2] | f32[5,2]", "'rho' has 0" },
    { "n_supports=4 coefficients=[1,2] rho=[0] support_vectors=[1,2,3] "
      "| f32[5,2]", "3 values for 4" },
    { NULL, NULL }
};

static const maas_case_t  svc_cases[] = {
    { SVC2 "classlabels_ints=[3,5] kernel_type=RBF > 2 | f32[17,2]", NULL },
    { SVC2 "classlabels_ints=[3,5] post_transform=LOGISTIC > 2 | f32[3,2]",
      NULL },
    { SVC2 "classlabels_strings=[no,yes] prob_a=[-1] prob_b=[0.5] "
      "kernel_type=POLY > 2 | f64[9,2]", NULL },
    { SVC3 "classlabels_strings=[a,bc,def] kernel_type=SIGMOID > 2 "
      "| f32[19,2]", NULL },
    { SVC3 "classlabels_ints=[0,1,2] prob_a=[-1,-2,-0.5] prob_b=[0,1,-1] "
      "kernel_type=RBF > 2 | f32[33,2]", NULL },
    { "coefficients=[1,-2,0.5,1,1,-1] rho=[0.25] classlabels_ints=[0,1,2] "
      "post_transform=SOFTMAX > 2 | i64[5,2]", NULL },
    { "coefficients=[1,-2,0.5,1] rho=[0.25] classlabels_ints=[0,1] "
      "> 2 | f32[2]", NULL },
    { SVC3 "classlabels_ints=[0,1,2] > 1 | f32[0,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  svc_bad[] = {
    { SVC3 "| f32[5,2]", "class labels" },
    { "coefficients=[1,2] rho=[0] | f32[5,2]", "classlabels" },
    { SVC3 "classlabels_ints=[0,1,2,3] | f32[5,2]", "'vectors_per_class'" },
    { SVC3 "classlabels_ints=[0,1,2] prob_a=[1] | f32[5,2]", "'prob_a'" },
    { SVC2 "classlabels_ints=[0,1] | f32[5,3]", "3 features" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_ml_svm[] = {

    { .name = "SVMRegressor", .domain = "ai.onnx.ml", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE, MAAS_IO(svm_in, svr_out),
      MAAS_ATTRS(svr_attrs, svm_attr_t), .infer = svr_infer,
      MAAS_KERNELS(svr_kernel), .cases = svr_cases, .bad = svr_bad },

    { .name = "SVMClassifier", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE, MAAS_IO(svm_in, svc_out),
      MAAS_ATTRS(svc_attrs, svm_attr_t), .infer = svc_infer,
      MAAS_KERNELS(svc_kernel), .cases = svc_cases, .bad = svc_bad },

    { .name = NULL }
};
