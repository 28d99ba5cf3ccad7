/*
 * decision_tree: one tree with exact splits, for classes and for numbers.
 *
 * Ownership: as estimator.h says.
 * Threads:   columns are sorted by several, the tree grows on one.
 */

#include "train/estimators/grow.h"


typedef struct {
    int64_t        criterion;
    int64_t        max_depth;
    int64_t        min_samples_split;
    int64_t        min_samples_leaf;
    const json_t  *max_features;
} tree_param_t;

static const char *const  tree_criteria[] = { "gini", "entropy", NULL };

static const maas_param_t  tree_params[] = {
    { "criterion", MAAS_PARAM_WORD, false,
      offsetof(tree_param_t, criterion), 0, tree_criteria,
      .about = "impurity of classes; numbers are split by squared error" },
    { "max_depth", MAAS_PARAM_INT, false, offsetof(tree_param_t, max_depth),
      0, NULL, 0, 1 << 30, .about = "cuts from the root to a leaf; 0: any" },
    { "min_samples_split", MAAS_PARAM_INT, false,
      offsetof(tree_param_t, min_samples_split), 2, NULL, 2, 1 << 30,
      .about = "rows that a node needs to be cut" },
    { "min_samples_leaf", MAAS_PARAM_INT, false,
      offsetof(tree_param_t, min_samples_leaf), 1, NULL, 1, 1 << 30,
      .about = "rows that a leaf needs" },
    { "max_features", MAAS_PARAM_JSON, false,
      offsetof(tree_param_t, max_features),
      .about = "features drawn for each cut: \"all\" (default), \"sqrt\", "
               "\"log2\", a count, or a fraction" },
};


static maas_status_t
tree_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    const tree_param_t  *p = f->param;
    maas_grow_t          g = {
        .by = (maas_grow_by_t) p->criterion,
        .max_depth = p->max_depth ? (uint32_t) p->max_depth : UINT32_MAX,
        .min_split = (uint32_t) p->min_samples_split,
        .min_leaf = (uint32_t) p->min_samples_leaf,
    };

    MAAS_TRY(maas_grow_features(f, p->max_features, (uint32_t) f->p,
                                &g.max_features));

    return maas_grow_fit(f, task, &g, 1);
}


const maas_estimator_t  maas_estimators_decision_tree[] = {
    { "decision_tree", "one tree of cuts at the best threshold of a feature",
      1 << MAAS_TASK_REGRESSION | 1 << MAAS_TASK_CLASSIFICATION,
      MAAS_PARAMS(tree_params, tree_param_t), false, tree_fit },
    { 0 }
};
