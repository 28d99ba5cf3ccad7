/*
 * estimator.h: the contract of the models that are fitted in one go
 * (regressions, trees, neighbours, clusters, ...) and of the steps of a
 * pipeline before them (imputing, scaling, ...).  A file in
 * train/estimators/ exports one const array of rows, `const
 * maas_estimator_t maas_estimators_<file>[]`, closed by a row without a
 * name; a script lists the folder.  Nothing else needs to be touched to add
 * one: specifications, documentation and tests read the rows.
 *
 * fit() learns from a dense matrix and writes what it learned as ONNX nodes,
 * so every runtime serves it.
 */

#ifndef MAAS_ESTIMATOR_H
#define MAAS_ESTIMATOR_H

#include "base/team.h"
#include "graph/op.h"
#include "train/build.h"
#include "train/params.h"
#include "train/ranks.h"


typedef enum {
    MAAS_TASK_REGRESSION = 0,   /* y: numbers */
    MAAS_TASK_CLASSIFICATION,   /* label: classes 0 .. n_class - 1 */
    MAAS_TASK_CLUSTERING,       /* nothing but x */
    MAAS_TASK_OUTLIERS,         /* nothing but x */
    MAAS_TASK_TRANSFORM         /* a step of a pipeline */
} maas_task_kind_t;

typedef struct {
    /* Samples: n rows of p features, row-major; NaN: missing. */
    const double       *x;
    int64_t             n;
    int64_t             p;
    /* REGRESSION: n rows of n_target numbers. */
    const double       *y;
    int64_t             n_target;
    /* CLASSIFICATION: n class indices; what the classes are called. */
    const int32_t      *label;
    int                 n_class;
    const maas_str_t   *class_name;     /* NULL: integers, class_int[] */
    const int64_t      *class_int;
    const double       *weight;         /* of each row; NULL: all 1 */

    const void         *param;          /* the row's struct, parsed */
    uint64_t            seed;
    int                 threads;        /* that may be used, at least 1 */
    maas_team_t        *team;           /* carries this call; NULL: alone */
    maas_ranks_t       *ranks;          /* that share the fit; NULL: alone */
    const atomic_bool  *cancel;         /* NULL, or polled: MAAS_ECANCEL */
    void              (*progress)(void *ctx, uint64_t done, uint64_t of);
    void               *progress_ctx;

    /* Nodes go here; `in` is float32 [N,p]. */
    maas_build_t       *build;
    maas_str_t          in;
    /* Set by fit(), names as below; unused ones stay empty. */
    maas_str_t          out[2];
    /* TRANSFORM: what x became, n rows of n_features, in `arena`. */
    double             *features;
    int64_t             n_features;
    /*
     * Where to say what was learned, for people and for tests: appended as
     * members of a JSON object ("coefficients":[..],"intercept":..).  NULL:
     * nobody asks.
     */
    maas_buf_t         *summary;
    /* Lives until the model is written; scratch is fit()'s own to free. */
    maas_arena_t       *arena;
    const maas_host_t  *host;
    maas_err_t         *err;
} maas_fit_job_t;
/*
 * Outputs that fit() gives:
 *   REGRESSION      out[0] "prediction"     float32 [N,n_target]
 *   CLASSIFICATION  out[0] "label"          int64 or string [N]
 *                   out[1] "probabilities"  float32 [N,n_class] (a linear
 *                          SVM without probabilities: "scores")
 *   CLUSTERING      out[0] "cluster"        int64 [N]
 *                   out[1] "distances"      float32 [N,k]
 *   OUTLIERS        out[0] "label"          int64 [N]: 1, or -1 outside
 *                   out[1] "scores"         float32 [N,1]
 *   TRANSFORM       out[0], a fresh name    float32 [N,q]
 * Features are float32 when served: learned thresholds are rounded so that
 * every float32 falls on the side where its double falls.
 */

typedef struct {
    const char             *name;       /* "random_forest" */
    const char             *about;      /* one line for the documentation */
    uint32_t                tasks;      /* set: 1 << maas_task_kind_t */
    /* Parameters: the members of its object in a specification. */
    const maas_param_t     *param;
    uint8_t                 n_param;
    uint16_t                param_size;
    bool                    missing;    /* takes NaN in x */
    maas_status_t         (*fit)(maas_fit_job_t *f, maas_task_kind_t task);
    /*
     * Ranks share the work of fit(), each with all the samples; all end with
     * what one process comes to, bit for bit.  alone: a parameter and its
     * word with which they do not.
     */
    bool                    ranks;
    struct {
        const char         *key;        /* NULL: none */
        const char         *word;
    } alone;
} maas_estimator_t;

#define MAAS_PARAMS(a, t)  .param = a, .n_param = maas_nelts(a),              \
                           .param_size = sizeof(t)

/* NULL when unknown. */
const maas_estimator_t *maas_estimator_find(maas_str_t name);
const maas_estimator_t *maas_estimator_next(const maas_estimator_t *after);

#endif
