/*
 * fit.c: what estimators share; see fit.h.
 *
 * Ownership: nothing is kept; names lie in the job's arena.
 * Threads:   one thread a job.
 */

#include <math.h>
#include <stdio.h>

#include "train/fit.h"


/* -- checks -------------------------------------------------------------- */

static const char *
fit_number(double v)
{
    return isnan(v) ? "NaN" : v > 0 ? "infinite" : "-infinite";
}


static maas_status_t
fit_check_x(const maas_fit_job_t *f, bool missing)
{
    int64_t        n = f->n * f->p;
    const double  *x = f->x;

    for (int64_t i = 0; i < n; i++) {
        if (isfinite(x[i]) || (missing && isnan(x[i]))) {
            continue;
        }

        return maas_err(f->err, MAAS_EINVAL, "row %lld, feature %lld is %s%s",
                        (long long) (i / f->p), (long long) (i % f->p),
                        fit_number(x[i]), isnan(x[i]) ? "; this model takes "
                        "no missing values: put a step that imputes before "
                        "it, or drop the row" : "");
    }

    return MAAS_OK;
}


static maas_status_t
fit_check_y(const maas_fit_job_t *f)
{
    if (f->n_target < 1 || f->y == NULL) {
        return maas_err(f->err, MAAS_EINVAL, "a regression needs a target");
    }

    for (int64_t i = 0; i < f->n * f->n_target; i++) {
        if (!isfinite(f->y[i])) {
            return maas_err(f->err, MAAS_EINVAL, "the target of row %lld is "
                            "%s", (long long) (i / f->n_target),
                            fit_number(f->y[i]));
        }
    }

    return MAAS_OK;
}


static maas_status_t
fit_check_labels(const maas_fit_job_t *f)
{
    if (f->n_class < 1 || f->label == NULL) {
        return maas_err(f->err, MAAS_EINVAL, "a classification needs a "
                        "target with classes");
    }

    for (int64_t i = 0; i < f->n; i++) {
        if (f->label[i] < 0 || f->label[i] >= f->n_class) {
            return maas_err(f->err, MAAS_EINVAL, "the class of row %lld is "
                            "number %d of %d", (long long) i,
                            (int) f->label[i], f->n_class);
        }
    }

    return MAAS_OK;
}


static maas_status_t
fit_check_weights(const maas_fit_job_t *f)
{
    double  sum = 0;

    if (f->weight == NULL) {
        return MAAS_OK;
    }

    for (int64_t i = 0; i < f->n; i++) {
        if (!(isfinite(f->weight[i]) && f->weight[i] >= 0)) {
            return maas_err(f->err, MAAS_EINVAL, "the weight of row %lld is "
                            "%g; expected 0 or more", (long long) i,
                            f->weight[i]);
        }

        sum += f->weight[i];
    }

    return sum > 0 ? MAAS_OK
           : maas_err(f->err, MAAS_EINVAL, "all weights are zero");
}


maas_status_t
maas_fit_check(const maas_fit_job_t *f, maas_task_kind_t task, bool missing)
{
    int64_t  n;

    if (f->n < 1 || f->p < 1) {
        return maas_err(f->err, MAAS_EINVAL, "%lld rows with %lld features; "
                        "at least one of each is needed", (long long) f->n,
                        (long long) f->p);
    }

    if (!maas_mul_i64(f->n, f->p, &n) || n > INT64_MAX / 64) {
        return maas_err(f->err, MAAS_ELIMIT, "%lld rows with %lld features "
                        "are too many", (long long) f->n, (long long) f->p);
    }

    MAAS_TRY(fit_check_x(f, missing));
    MAAS_TRY(fit_check_weights(f));

    return task == MAAS_TASK_REGRESSION ? fit_check_y(f)
           : task == MAAS_TASK_CLASSIFICATION ? fit_check_labels(f) : MAAS_OK;
}


/* How the name of class k reads; at most 64 bytes of it. */
static const char *
fit_class_text(const maas_fit_job_t *f, int k, char text[80])
{
    if (f->class_name != NULL) {
        snprintf(text, 80, "'%.*s'",
                 (int) maas_min(f->class_name[k].len, 64),
                 f->class_name[k].data);

    } else {
        snprintf(text, 80, "%lld", f->class_int != NULL
                 ? (long long) f->class_int[k] : (long long) k);
    }

    return text;
}


maas_status_t
maas_fit_check_classes(const maas_fit_job_t *f)
{
    char      text[80];
    int       found = 0;
    uint8_t  *seen;

    seen = maas_arena_array(f->arena, (size_t) f->n_class, 1);
    if (seen == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < f->n; i++) {
        seen[f->label[i]] |= f->weight == NULL || f->weight[i] > 0;
    }

    for (int k = 0; k < f->n_class; k++) {
        if (!seen[k] && f->n_class > 1) {
            return maas_err(f->err, MAAS_EINVAL, "class %s has no rows to "
                            "learn from", fit_class_text(f, k, text));
        }

        found += seen[k];
    }

    if (found < 2) {
        return maas_err(f->err, MAAS_EINVAL, "all rows are of one class, %s; "
                        "this model needs at least two",
                        fit_class_text(f, 0, text));
    }

    return MAAS_OK;
}


maas_status_t
maas_fit_no_weights(const maas_fit_job_t *f)
{
    return f->weight == NULL ? MAAS_OK
           : maas_err(f->err, MAAS_EINVAL, "this model takes no weights of "
                      "rows");
}


maas_status_t
maas_fit_poll(const maas_fit_job_t *f)
{
    if (f->cancel != NULL
        && atomic_load_explicit(f->cancel, memory_order_relaxed))
    {
        return maas_err(f->err, MAAS_ECANCEL, "the fit was stopped");
    }

    return MAAS_OK;
}


double *
maas_fit_weights(const maas_fit_job_t *f, maas_arena_t *scratch,
    bool balanced)
{
    double  *w, *of, sum = 0;

    w = maas_arena_array(scratch, (size_t) f->n, sizeof(double));
    of = maas_arena_array(scratch, (size_t) maas_max(f->n_class, 1),
                          sizeof(double));
    if (w == NULL || of == NULL) {
        return NULL;
    }

    for (int64_t i = 0; i < f->n; i++) {
        w[i] = f->weight != NULL ? f->weight[i] : 1;

        if (balanced) {
            of[f->label[i]] += w[i];
            sum += w[i];
        }
    }

    for (int64_t i = 0; balanced && i < f->n; i++) {
        w[i] *= w[i] > 0 ? sum / (f->n_class * of[f->label[i]]) : 0;
    }

    return w;
}


double
maas_fit_dot(const double *a, const double *b, int64_t n)
{
    double   s[4] = { 0, 0, 0, 0 };
    int64_t  i;

    for (i = 0; i + 4 <= n; i += 4) {
        s[0] += a[i] * b[i];
        s[1] += a[i + 1] * b[i + 1];
        s[2] += a[i + 2] * b[i + 2];
        s[3] += a[i + 3] * b[i + 3];
    }

    for ( ; i < n; i++) {
        s[0] += a[i] * b[i];
    }

    return s[0] + s[1] + (s[2] + s[3]);
}


/* -- nodes --------------------------------------------------------------- */

maas_str_t
maas_fit_doubles(maas_fit_job_t *f, const double *v, int rank,
    const int64_t *dims)
{
    maas_tensor_t  t = { .data = (void *) v, .dtype = MAAS_F64,
                         .rank = (uint8_t) rank };

    for (int i = 0; i < rank; i++) {
        t.dims[i] = dims[i];
    }

    /* Counts that a job holds in memory do not overflow. */
    (void) maas_dtype_bytes(MAAS_F64, maas_dims_count(dims, rank), &t.bytes);

    return maas_build_tensor(f->build, NULL, &t);
}


maas_str_t
maas_fit_op(maas_fit_job_t *f, const char *op, const maas_str_t *in,
    size_t n_in, const maas_raw_attr_t *attr, size_t n_attr,
    const char *name)
{
    maas_str_t  out = name != NULL ? (maas_str_t) { name, strlen(name) }
                                   : maas_str("");

    return maas_build_node(f->build, &(maas_build_node_t) {
        .op = op, .in = in, .n_in = n_in, .out = &out, .n_out = 1,
        .attr = attr, .n_attr = n_attr
    });
}


maas_str_t
maas_fit_cast(maas_fit_job_t *f, maas_str_t x, maas_dtype_t to,
    const char *name)
{
    maas_raw_attr_t  a = maas_build_attr_int("to", to);

    return maas_fit_op(f, "Cast", &x, 1, &a, 1, name);
}


maas_raw_attr_t
maas_fit_labels(const maas_fit_job_t *f)
{
    int64_t  *v;

    if (f->class_name != NULL) {
        return maas_build_attr_strings("classlabels_strings", f->class_name,
                                       (size_t) f->n_class);
    }

    v = maas_arena_array(f->arena, (size_t) f->n_class, sizeof(int64_t));

    for (int k = 0; v != NULL && k < f->n_class; k++) {
        v[k] = f->class_int != NULL ? f->class_int[k] : k;
    }

    return maas_build_attr_ints("classlabels_ints", v,
                                v != NULL ? (size_t) f->n_class : 0);
}


/* Names by number; runtimes that gather no strings map them. */
static maas_str_t
fit_label_names(maas_fit_job_t *f, maas_str_t which)
{
    int64_t          *key;
    maas_str_t        out = maas_str("label");
    maas_raw_attr_t   a[2];

    key = maas_arena_array(f->arena, (size_t) f->n_class, sizeof(int64_t));

    for (int k = 0; key != NULL && k < f->n_class; k++) {
        key[k] = k;
    }

    a[0] = maas_build_attr_ints("keys_int64s", key,
                                key != NULL ? (size_t) f->n_class : 0);
    a[1] = maas_build_attr_strings("values_strings", f->class_name,
                                   (size_t) f->n_class);

    return maas_build_node(f->build, &(maas_build_node_t) {
        .op = "LabelEncoder", .domain = "ai.onnx.ml", .in = &which,
        .n_in = 1, .out = &out, .n_out = 1, .attr = a, .n_attr = 2
    });
}


maas_str_t
maas_fit_label(maas_fit_job_t *f, maas_str_t scores)
{
    int64_t          n = f->n_class;
    maas_str_t       in[2], which;
    maas_raw_attr_t  attr[2];

    attr[0] = maas_build_attr_int("axis", 1);
    attr[1] = maas_build_attr_int("keepdims", 0);
    which = maas_fit_op(f, "ArgMax", &scores, 1, attr, 2, NULL);

    if (f->class_name != NULL) {
        return fit_label_names(f, which);
    }

    in[0] = maas_build_ints(f->build, NULL, maas_fit_labels(f).ints, 1, &n);
    in[1] = which;

    return maas_fit_op(f, "Gather", in, 2, NULL, 0, "label");
}


/* coef and intercept as float32, the latter mended; NULL: no memory. */
static float *
fit_floats(const maas_fit_job_t *f, const double *coef,
    const double *intercept, int64_t rows, const double *mean)
{
    double   b;
    float   *v, *c;

    v = maas_arena_array(f->arena, (size_t) (rows * (f->p + 1)),
                         sizeof(float));
    if (v == NULL) {
        (void) maas_err_nomem(f->err);
        return NULL;
    }

    for (int64_t r = 0; r < rows; r++) {
        c = v + r * f->p;
        b = intercept[r];

        for (int64_t j = 0; j < f->p; j++) {
            c[j] = (float) coef[r * f->p + j];

            if (mean != NULL) {
                b += (coef[r * f->p + j] - (double) c[j]) * mean[j];
            }
        }

        v[rows * f->p + r] = (float) b;
    }

    for (int64_t i = 0; i < rows * (f->p + 1); i++) {
        if (!isfinite(v[i])) {
            (void) maas_err(f->err, MAAS_ELIMIT, "a coefficient is beyond "
                            "what float32 holds; scale the features");
            return NULL;
        }
    }

    return v;
}


maas_status_t
maas_fit_regressor(maas_fit_job_t *f, const double *coef,
    const double *intercept, int64_t rows, const double *mean)
{
    float            *v = fit_floats(f, coef, intercept, rows, mean);
    maas_str_t        out = maas_str("prediction");
    maas_raw_attr_t   a[3];

    if (v == NULL) {
        return f->err != NULL ? f->err->status : MAAS_ENOMEM;
    }

    a[0] = maas_build_attr_floats("coefficients", v,
                                  (size_t) (rows * f->p));
    a[1] = maas_build_attr_floats("intercepts", v + rows * f->p,
                                  (size_t) rows);
    a[2] = maas_build_attr_int("targets", rows);

    f->out[0] = maas_build_node(f->build, &(maas_build_node_t) {
        .op = "LinearRegressor", .domain = "ai.onnx.ml", .in = &f->in,
        .n_in = 1, .out = &out, .n_out = 1, .attr = a, .n_attr = 3
    });

    return MAAS_OK;
}


maas_status_t
maas_fit_classifier(maas_fit_job_t *f, const double *coef,
    const double *intercept, int64_t rows, const double *mean,
    const char *post)
{
    float            *v, *both;
    int64_t           p = f->p;
    maas_str_t        out[2] = { maas_str("label"), maas_str("scores") };
    maas_raw_attr_t   a[4];

    v = fit_floats(f, coef, intercept, rows, mean);
    both = maas_arena_array(f->arena, (size_t) (2 * (p + 1)), sizeof(float));

    if (v == NULL || both == NULL) {
        return v == NULL && f->err != NULL ? f->err->status
                                           : maas_err_nomem(f->err);
    }

    if (rows == 1) {                    /* the first class: the opposite */
        for (int64_t j = 0; j <= p; j++) {
            both[j < p ? j : 2 * p] = -v[j];
            both[j < p ? p + j : 2 * p + 1] = v[j];
        }

        v = both;
        rows = 2;
    }

    if (strcmp(post, "NONE") != 0) {
        out[1] = maas_str("probabilities");
    }

    a[0] = maas_build_attr_floats("coefficients", v, (size_t) (rows * p));
    a[1] = maas_build_attr_floats("intercepts", v + rows * p, (size_t) rows);
    a[2] = maas_build_attr_string("post_transform", post);
    a[3] = maas_fit_labels(f);

    (void) maas_build_node(f->build, &(maas_build_node_t) {
        .op = "LinearClassifier", .domain = "ai.onnx.ml", .in = &f->in,
        .n_in = 1, .out = out, .n_out = 2, .attr = a, .n_attr = 4
    });

    f->out[0] = out[0];
    f->out[1] = out[1];

    return MAAS_OK;
}


/* -- what was learned ---------------------------------------------------- */

static maas_buf_t *
fit_member(maas_fit_job_t *f, const char *name)
{
    maas_buf_t  *b = f->summary;

    if (b == NULL) {
        return NULL;
    }

    if (b->len != 0 && b->data[b->len - 1] != '{') {
        maas_buf_puts(b, ",");
    }

    maas_buf_json(b, name, strlen(name));
    maas_buf_puts(b, ":");
    return b;
}


static void
fit_say_number(maas_buf_t *b, double v)
{
    if (isfinite(v)) {
        maas_buf_printf(b, "%.17g", v);

    } else {
        maas_buf_puts(b, "null");
    }
}


static void
fit_say_row(maas_buf_t *b, const double *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        maas_buf_puts(b, i == 0 ? "[" : ",");
        fit_say_number(b, v[i]);
    }

    maas_buf_puts(b, n == 0 ? "[]" : "]");
}


void
maas_fit_say(maas_fit_job_t *f, const char *name, double v)
{
    maas_buf_t  *b = fit_member(f, name);

    if (b != NULL) {
        fit_say_number(b, v);
    }
}


void
maas_fit_say_int(maas_fit_job_t *f, const char *name, int64_t v)
{
    maas_buf_t  *b = fit_member(f, name);

    if (b != NULL) {
        maas_buf_printf(b, "%lld", (long long) v);
    }
}


void
maas_fit_say_bool(maas_fit_job_t *f, const char *name, bool v)
{
    maas_buf_t  *b = fit_member(f, name);

    if (b != NULL) {
        maas_buf_puts(b, v ? "true" : "false");
    }
}


void
maas_fit_say_list(maas_fit_job_t *f, const char *name, const double *v,
    int64_t n)
{
    maas_buf_t  *b = fit_member(f, name);

    if (b != NULL) {
        fit_say_row(b, v, n);
    }
}


void
maas_fit_say_rows(maas_fit_job_t *f, const char *name, const double *v,
    int64_t rows, int64_t cols)
{
    maas_buf_t  *b = fit_member(f, name);

    for (int64_t r = 0; b != NULL && r < rows; r++) {
        maas_buf_puts(b, r == 0 ? "[" : ",");
        fit_say_row(b, v + r * cols, cols);
    }

    if (b != NULL) {
        maas_buf_puts(b, rows == 0 ? "[]" : "]");
    }
}
