/*
 * pipeline_number.c: steps that work on numbers: imputing and scaling, with
 * scikit-learn's definitions (SimpleImputer, StandardScaler, MinMaxScaler,
 * MaxAbsScaler, RobustScaler, Normalizer).  Missing values (NaN) count in no
 * statistic.
 *
 * Threads: one thread.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/pipeline.h"


/* -- columns of a block -------------------------------------------------- */

static int
pn_order(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


/* The values of column j that are there, ascending; their number. */
static int64_t
pn_sorted(const maas_pipe_t *c, const maas_pipe_block_t *b, int64_t j,
    double *v)
{
    double   x;
    int64_t  n = 0;

    for (int64_t r = 0; r < c->p->n; r++) {
        x = b->x[r * b->width + j];

        if (!isnan(x)) {
            v[n++] = x;
        }
    }

    qsort(v, n, sizeof(*v), pn_order);
    return n;
}


/* Percentile q of n ascending values, linear between neighbours. */
static double
pn_quantile(const double *v, int64_t n, double q)
{
    double   at = q * (double) (n - 1);
    int64_t  i = (int64_t) at;

    return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - (double) i)
                     : v[n - 1];
}


static void
pn_moments(const double *v, int64_t n, double *mean, double *var)
{
    double  sum = 0, sq = 0;

    for (int64_t i = 0; i < n; i++) {
        sum += v[i];
    }

    *mean = sum / (double) n;

    for (int64_t i = 0; i < n; i++) {
        sq += (v[i] - *mean) * (v[i] - *mean);
    }

    *var = sq / (double) n;
}


/* A node of ai.onnx.ml with two lists of floats, after the block. */
static void
pn_emit(maas_pipe_t *c, maas_pipe_block_t *b, const char *op,
    const maas_raw_attr_t *attr, size_t n)
{
    b->value = maas_build_node(c->p->build, &(maas_build_node_t) {
        .op = op, .domain = "ai.onnx.ml", .in = &b->value, .n_in = 1,
        .attr = attr, .n_attr = n });
}


/* -- impute -------------------------------------------------------------- */

enum { PN_MEAN = 0, PN_MEDIAN, PN_MOST, PN_CONSTANT };

static const char *const  pn_strategies[] = {
    "mean", "median", "most_frequent", "constant", NULL
};

typedef struct {
    int64_t             strategy;
    double              value;
    maas_param_texts_t  columns;
} pn_impute_t;

#define PN_COLUMNS(T)                                                         \
    { .name = "columns", .type = MAAS_PARAM_TEXTS,                            \
      .off = offsetof(T, columns),                                            \
      .about = "which; without it all that fit" }

static const maas_param_t  pn_impute_params[] = {
    { .name = "strategy", .type = MAAS_PARAM_WORD, .words = pn_strategies,
      .off = offsetof(pn_impute_t, strategy),
      .about = "what takes the place of a missing value" },
    { .name = "value", .type = MAAS_PARAM_NUMBER,
      .off = offsetof(pn_impute_t, value),
      .about = "that of the strategy \"constant\"" },
    PN_COLUMNS(pn_impute_t)
};


/* The smallest of the values that come most often. */
static double
pn_most(const double *v, int64_t n)
{
    double   best = v[0];
    int64_t  run = 0, most = 0;

    for (int64_t i = 0; i < n; i++) {
        run = i > 0 && v[i] == v[i - 1] ? run + 1 : 1;

        if (run > most) {
            most = run;
            best = v[i];
        }
    }

    return best;
}


static maas_status_t
pn_fill(maas_pipe_t *c, const maas_pipe_block_t *b, int64_t j, double *v,
    double *fill)
{
    double              var;
    int64_t             n = pn_sorted(c, b, j, v);
    const pn_impute_t  *at = c->param;

    if (at->strategy == PN_CONSTANT) {
        *fill = at->value;
        return MAAS_OK;
    }

    if (n == 0) {
        return maas_err(c->err, MAAS_EINVAL, "%s: column \"%.*s\" has no "
                        "value in any row to learn from", c->where,
                        (int) maas_min(b->name[j].len, 64), b->name[j].data);
    }

    if (at->strategy == PN_MEDIAN) {
        *fill = pn_quantile(v, n, 0.5);

    } else if (at->strategy == PN_MOST) {
        *fill = pn_most(v, n);

    } else {
        pn_moments(v, n, fill, &var);
    }

    return MAAS_OK;
}


static maas_status_t
pn_impute_block(maas_pipe_t *c, maas_pipe_block_t *b)
{
    float              *fill;
    double             *v, value;
    maas_raw_attr_t     attr[2];
    const pn_impute_t  *at = c->param;

    fill = maas_arena_array(c->p->arena, b->width + 1, sizeof(*fill));
    v = maas_arena_array(c->p->arena, c->p->n + 1, sizeof(*v));
    if (fill == NULL || v == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int64_t j = 0; j < b->width; j++) {
        fill[j] = NAN;

        if (!maas_pipe_takes(&at->columns, b->name[j])) {
            continue;
        }

        MAAS_TRY(pn_fill(c, b, j, v, &value));
        fill[j] = (float) value;

        for (int64_t r = 0; r < c->p->n; r++) {
            if (isnan(b->x[r * b->width + j])) {
                b->x[r * b->width + j] = (double) fill[j];
            }
        }
    }

    attr[0] = maas_build_attr_floats("imputed_value_floats", fill, b->width);
    attr[1] = maas_build_attr_float("replaced_value_float", NAN);
    pn_emit(c, b, "Imputer", attr, 2);

    return MAAS_OK;
}


static maas_status_t
pn_each(maas_pipe_t *c, const maas_param_texts_t *columns,
    maas_status_t (*fit)(maas_pipe_t *c, maas_pipe_block_t *b))
{
    bool  any = false;

    MAAS_TRY(maas_pipe_named(c, columns, false, true));

    for (int i = 0; i < c->n_block; i++) {
        if (!c->block[i].text) {
            MAAS_TRY(fit(c, &c->block[i]));
            any = true;
        }
    }

    return any ? MAAS_OK
           : maas_err(c->err, MAAS_EINVAL, "%s: no feature is a number at "
                      "this point", c->where);
}


static maas_status_t
pn_impute(maas_pipe_t *c)
{
    return pn_each(c, &((const pn_impute_t *) c->param)->columns,
                   pn_impute_block);
}


/* -- scale --------------------------------------------------------------- */

enum { PN_STANDARD = 0, PN_MINMAX, PN_MAXABS, PN_ROBUST };

static const char *const  pn_kinds[] = {
    "standard", "minmax", "maxabs", "robust", NULL
};

typedef struct {
    int64_t             kind;
    maas_param_texts_t  columns;
} pn_scale_t;

static const maas_param_t  pn_scale_params[] = {
    { .name = "kind", .type = MAAS_PARAM_WORD, .words = pn_kinds,
      .off = offsetof(pn_scale_t, kind),
      .about = "standard: mean 0, deviation 1; minmax: to [0, 1]; maxabs: "
               "to [-1, 1]; robust: by median and quartiles" },
    PN_COLUMNS(pn_scale_t)
};


/* offset and width of a column: x becomes (x - offset) / width. */
static void
pn_range(const maas_pipe_t *c, const double *v, int64_t n, double *offset,
    double *width)
{
    double              var, eps = 2.220446049250313e-16;
    const pn_scale_t   *at = c->param;

    switch (at->kind) {

    case PN_STANDARD:
        pn_moments(v, n, offset, &var);

        /* A constant column: rounding is no deviation (scikit-learn). */
        *width = var <= (double) n * eps * var + ((double) n * *offset * eps)
                                                 * ((double) n * *offset
                                                    * eps)
                 ? 1 : sqrt(var);
        break;

    case PN_MINMAX:
        *offset = v[0];
        *width = v[n - 1] - v[0];
        break;

    case PN_MAXABS:
        *offset = 0;
        *width = fmax(fabs(v[0]), fabs(v[n - 1]));
        break;

    default:
        *offset = pn_quantile(v, n, 0.5);
        *width = pn_quantile(v, n, 0.75) - pn_quantile(v, n, 0.25);
    }

    if (!(fabs(*width) > 10 * eps)) {
        *width = 1;
    }
}


static maas_status_t
pn_scale_block(maas_pipe_t *c, maas_pipe_block_t *b)
{
    float             *offset, *scale;
    double            *v, o, w;
    int64_t            n;
    maas_raw_attr_t    attr[2];
    const pn_scale_t  *at = c->param;

    offset = maas_arena_array(c->p->arena, b->width + 1, sizeof(*offset));
    scale = maas_arena_array(c->p->arena, b->width + 1, sizeof(*scale));
    v = maas_arena_array(c->p->arena, c->p->n + 1, sizeof(*v));
    if (offset == NULL || scale == NULL || v == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int64_t j = 0; j < b->width; j++) {
        offset[j] = 0;
        scale[j] = 1;
        n = pn_sorted(c, b, j, v);

        if (n == 0 || !maas_pipe_takes(&at->columns, b->name[j])) {
            continue;
        }

        pn_range(c, v, n, &o, &w);
        offset[j] = (float) o;
        scale[j] = (float) (1 / w);

        for (int64_t r = 0; r < c->p->n; r++) {
            b->x[r * b->width + j] = (b->x[r * b->width + j] - o) / w;
        }
    }

    attr[0] = maas_build_attr_floats("offset", offset, b->width);
    attr[1] = maas_build_attr_floats("scale", scale, b->width);
    pn_emit(c, b, "Scaler", attr, 2);

    return MAAS_OK;
}


static maas_status_t
pn_scale(maas_pipe_t *c)
{
    return pn_each(c, &((const pn_scale_t *) c->param)->columns,
                   pn_scale_block);
}


/* -- normalize ----------------------------------------------------------- */

static const char *const  pn_norms[] = { "l2", "l1", "max", NULL };

typedef struct {
    int64_t             norm;
    maas_param_texts_t  columns;        /* none: the whole row */
} pn_norm_t;

static const maas_param_t  pn_norm_params[] = {
    { .name = "norm", .type = MAAS_PARAM_WORD, .words = pn_norms,
      .off = offsetof(pn_norm_t, norm),
      .about = "each row of numbers is divided by its norm" }
};


static double
pn_length(const double *x, int64_t n, int64_t norm)
{
    double  s = 0;

    for (int64_t i = 0; i < n; i++) {
        s = norm == 0 ? s + x[i] * x[i] : norm == 1 ? s + fabs(x[i])
            : fmax(s, fabs(x[i]));
    }

    return norm == 0 ? sqrt(s) : s;
}


static maas_status_t
pn_norm_block(maas_pipe_t *c, maas_pipe_block_t *b)
{
    static const char *const  word[] = { "L2", "L1", "MAX" };

    double            s;
    maas_raw_attr_t   attr;
    const pn_norm_t  *at = c->param;

    for (int64_t r = 0; r < c->p->n; r++) {
        s = pn_length(b->x + r * b->width, b->width, at->norm);

        for (int64_t j = 0; j < b->width && s != 0; j++) {
            b->x[r * b->width + j] /= s;
        }
    }

    attr = maas_build_attr_string("norm", word[at->norm]);
    pn_emit(c, b, "Normalizer", &attr, 1);

    return MAAS_OK;
}


static maas_status_t
pn_norm(maas_pipe_t *c)
{
    return pn_each(c, &((const pn_norm_t *) c->param)->columns,
                   pn_norm_block);
}


const maas_pipe_row_t  maas_pipe_number_rows[] = {
    { .name = "impute", .about = "fills in missing numbers",
      MAAS_PARAMS(pn_impute_params, pn_impute_t), .fit = pn_impute },
    { .name = "scale", .about = "brings columns of numbers to one scale",
      MAAS_PARAMS(pn_scale_params, pn_scale_t), .fit = pn_scale },
    { .name = "normalize", .about = "brings rows of numbers to one length",
      MAAS_PARAMS(pn_norm_params, pn_norm_t), .fit = pn_norm },
    { .name = NULL }
};
