/*
 * random_forest, extra_trees: many trees that differ by chance, averaged:
 * Breiman, "Random forests", 2001; Geurts, Ernst, Wehenkel, "Extremely
 * randomized trees", 2006.
 *
 * Ownership: as estimator.h says.
 * Threads:   a tree on each; tree i's random bits are a function of the seed
 *            and of i.
 */

#include <math.h>

#include "train/estimators/grow.h"


typedef struct {
    int64_t        trees;
    int64_t        criterion;
    int64_t        max_depth;
    int64_t        min_samples_split;
    int64_t        min_samples_leaf;
    const json_t  *max_features;
    bool           bootstrap;
} forest_param_t;

static const char *const  forest_criteria[] = { "gini", "entropy", NULL };

#define FOREST_PARAMS(drawn)                                                  \
    { "trees", MAAS_PARAM_INT, false, offsetof(forest_param_t, trees), 100,   \
      NULL, 1, 100000, .about = "how many trees are averaged" },              \
    { "criterion", MAAS_PARAM_WORD, false,                                    \
      offsetof(forest_param_t, criterion), 0, forest_criteria,                \
      .about = "impurity of classes; numbers are split by squared error" },   \
    { "max_depth", MAAS_PARAM_INT, false,                                     \
      offsetof(forest_param_t, max_depth), 0, NULL, 0, 1 << 30,               \
      .about = "cuts from the root to a leaf; 0: any" },                      \
    { "min_samples_split", MAAS_PARAM_INT, false,                             \
      offsetof(forest_param_t, min_samples_split), 2, NULL, 2, 1 << 30,       \
      .about = "rows that a node needs to be cut" },                          \
    { "min_samples_leaf", MAAS_PARAM_INT, false,                              \
      offsetof(forest_param_t, min_samples_leaf), 1, NULL, 1, 1 << 30,        \
      .about = "rows that a leaf needs" },                                    \
    { "max_features", MAAS_PARAM_JSON, false,                                 \
      offsetof(forest_param_t, max_features),                                 \
      .about = "features drawn for each cut: \"all\" (default for numbers), " \
               "\"sqrt\" (default for classes), \"log2\", a count, or a "     \
               "fraction" },                                                  \
    { "bootstrap", MAAS_PARAM_BOOL, false,                                    \
      offsetof(forest_param_t, bootstrap), drawn,                             \
      .about = "each tree learns from as many rows, drawn with replacement" }

static const maas_param_t  forest_params[] = { FOREST_PARAMS(1) };
static const maas_param_t  extra_params[] = { FOREST_PARAMS(0) };


static maas_status_t
forest_run(maas_fit_job_t *f, maas_task_kind_t task, bool random)
{
    double                 d = floor(sqrt((double) f->p));
    const forest_param_t  *p = f->param;
    maas_grow_t            g = {
        .by = (maas_grow_by_t) p->criterion,
        .max_depth = p->max_depth ? (uint32_t) p->max_depth : UINT32_MAX,
        .min_split = (uint32_t) p->min_samples_split,
        .min_leaf = (uint32_t) p->min_samples_leaf,
        .random = random, .bootstrap = p->bootstrap,
    };

    d = task == MAAS_TASK_REGRESSION ? (double) f->p : maas_max(d, 1);
    MAAS_TRY(maas_grow_features(f, p->max_features, (uint32_t) d,
                                &g.max_features));

    return maas_grow_fit(f, task, &g, p->trees);
}


static maas_status_t
forest_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return forest_run(f, task, false);
}


static maas_status_t
extra_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    return forest_run(f, task, true);
}


const maas_estimator_t  maas_estimators_random_forest[] = {
    { "random_forest", "trees of bootstrap samples with features drawn for "
      "each cut, averaged",
      1 << MAAS_TASK_REGRESSION | 1 << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(forest_params, forest_param_t), false, forest_fit,
      true },
    { "extra_trees", "trees that cut at random thresholds, the best of the "
      "features drawn, averaged",
      1 << MAAS_TASK_REGRESSION | 1 << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(extra_params, forest_param_t), false, extra_fit, true },
    { 0 }
};
