/*
 * evaluate: how good predictions are.  Arrays in, a result out: measures of
 * classes, of numbers and of clusters, curves, a confusion matrix; as JSON
 * and as a table.  Every value is what scikit-learn's function of that name
 * gives with its defaults, computed in double; where it refuses, the value
 * is NaN and why[] says the reason.
 *
 * Ownership: a job owns nothing; a result owns all that it points to, until
 *            maas_eval_free().
 * Threads:   reentrant; one thread per result.
 */

#ifndef MAAS_EVALUATE_H
#define MAAS_EVALUATE_H

#include "base/base.h"


typedef enum {
    MAAS_EVAL_CLASSES = 0,
    MAAS_EVAL_NUMBERS,
    MAAS_EVAL_CLUSTERS
} maas_eval_kind_t;

/* Measures, in the order in which they are shown. */
enum {
    MAAS_M_ACCURACY = 0,
    MAAS_M_BALANCED_ACCURACY,
    MAAS_M_PRECISION,           /* of two classes: of the positive one */
    MAAS_M_RECALL,
    MAAS_M_F1,
    MAAS_M_PRECISION_MACRO,     /* classes that occur in truth or prediction */
    MAAS_M_RECALL_MACRO,
    MAAS_M_F1_MACRO,
    MAAS_M_PRECISION_MICRO,
    MAAS_M_RECALL_MICRO,
    MAAS_M_F1_MICRO,
    MAAS_M_PRECISION_WEIGHTED,
    MAAS_M_RECALL_WEIGHTED,
    MAAS_M_F1_WEIGHTED,
    MAAS_M_MATTHEWS,
    MAAS_M_KAPPA,
    MAAS_M_TOP_K,
    MAAS_M_ROC_AUC,             /* two classes */
    MAAS_M_ROC_AUC_MACRO,       /* more: one against the rest */
    MAAS_M_ROC_AUC_WEIGHTED,
    MAAS_M_ROC_AUC_MICRO,
    MAAS_M_ROC_AUC_OVO,         /* one against one, macro */
    MAAS_M_ROC_AUC_OVO_WEIGHTED,
    MAAS_M_AP,                  /* average precision; two classes */
    MAAS_M_AP_MACRO,
    MAAS_M_AP_WEIGHTED,
    MAAS_M_AP_MICRO,
    MAAS_M_LOG_LOSS,
    MAAS_M_BRIER,
    MAAS_M_MSE,
    MAAS_M_RMSE,
    MAAS_M_MAE,
    MAAS_M_MEDIAN_AE,
    MAAS_M_MAX_ERROR,
    MAAS_M_MAPE,
    MAAS_M_R2,
    MAAS_M_EXPLAINED_VARIANCE,
    MAAS_M_SILHOUETTE,
    MAAS_M_COUNT
};

typedef struct {
    const char  *name;          /* "roc_auc_macro" */
    const char  *about;         /* one line for the documentation */
    uint8_t      kind;          /* maas_eval_kind_t */
    bool         less;          /* smaller is better */
} maas_eval_row_t;

extern const maas_eval_row_t  maas_eval_rows[MAAS_M_COUNT];

/* The measure of that name; -1: none, with the nearest one in err. */
int maas_eval_find(maas_str_t name, maas_err_t *err);


typedef struct {
    const maas_host_t  *host;
    maas_eval_kind_t    kind;
    int64_t             n;          /* rows, at least 1 */
    const double       *weight;     /* n, at least 0; NULL: all 1 */

    /*
     * CLASSES.  truth: n indices in [0, n_class).  label: n predicted ones;
     * NULL: the largest score of each row, the first of equal ones.  score:
     * n x n_score, n_score = n_class, or 1: of the positive class of two;
     * NULL: none, and no curves.
     */
    const int32_t      *truth;
    const int32_t      *label;
    const double       *score;
    int                 n_score;
    int                 n_class;
    int                 positive;   /* of two classes: which; 1 as a rule */
    const maas_str_t   *class_name; /* n_class; NULL: numbers */
    int                 top_k;      /* 0: 5 of more than 5, 2 of more than 2 */
    int                 bins;       /* of calibration curves; 0: 10 */
    double              eps;        /* log loss clips to it; 0: DBL_EPSILON */
    /* Keep curves where there are at most so many classes; 0: none. */
    int                 max_curves;
    bool                no_curves;  /* nor areas under any */

    /* NUMBERS: n x n_target, row-major. */
    const double       *y;
    const double       *predicted;
    int64_t             n_target;
    const maas_str_t   *target_name;    /* n_target; NULL: numbers */

    /*
     * CLUSTERS: n x p, and label: any integers (-1 of no cluster is a
     * cluster too, as in scikit-learn).  Above max_rows (0: 20000) a sample
     * of so many rows, drawn by the seed, is measured.
     */
    const double       *x;
    int64_t             p;
    int64_t             max_rows;
    uint64_t            seed;
} maas_eval_job_t;


typedef struct {
    double  precision;
    double  recall;
    double  f1;
    double  support;            /* sum of the weights of its rows */
    double  predicted;          /* likewise of what was taken for it */
} maas_eval_class_t;

typedef struct {
    size_t   n;
    double  *x;
    double  *y;
    double  *at;                /* threshold of each point */
} maas_eval_line_t;

/* Of one class against the rest; lines only when kept. */
typedef struct {
    maas_eval_line_t  roc;          /* false, true positive rate; at[0] inf */
    maas_eval_line_t  pr;           /* recall, precision; at: n - 1 of them */
    maas_eval_line_t  calibration;  /* mean score, share; at: rows of a bin */
    double            auc;          /* NaN: undefined */
    double            ap;
    bool              one_class;    /* no row is of it, or all are */
} maas_eval_curve_t;

typedef struct {
    double  mse, rmse, mae, median_ae, r2, explained_variance;
} maas_eval_target_t;

typedef struct {
    maas_arena_t         mem;
    maas_eval_kind_t     kind;
    int64_t              n;
    double               weight;        /* sum */
    double               value[MAAS_M_COUNT];
    /* NULL: value[] counts.  "": it does not apply here.  Else the reason. */
    const char          *why[MAAS_M_COUNT];

    /* CLASSES */
    int                  n_class;
    int                  positive;
    int                  top_k;
    bool                 probabilities; /* scores are in [0,1], sum to 1 */
    const maas_str_t    *class_name;    /* copies; NULL: numbers */
    maas_eval_class_t   *per_class;     /* n_class */
    double              *confusion;     /* [truth][predicted] */
    maas_eval_curve_t   *curve;         /* NULL: no scores */
    int                  n_curve;       /* n_class, or 1: of two classes */
    maas_eval_curve_t    micro;         /* of more than two classes */

    /* NUMBERS */
    int64_t              n_target;
    const maas_str_t    *target_name;
    maas_eval_target_t  *per_target;

    /* CLUSTERS */
    int                  n_cluster;
    int64_t              rows;          /* that were measured */
} maas_eval_t;

/*
 * MAAS_EINVAL names the row: of a class out of range, a number that is not
 * finite, a bad weight.  r may be freed after a failure, too.
 */
maas_status_t maas_evaluate(const maas_eval_job_t *job, maas_eval_t *r,
    maas_err_t *err);
void maas_eval_free(maas_eval_t *r);

/* In place: rows of logits become probabilities; one column: sigmoid. */
void maas_eval_softmax(double *score, int64_t n, int n_score);

/* The class of a row: the first largest; one column: above the threshold. */
int32_t maas_eval_argmax(const double *row, int n_score, int positive,
    double threshold);

/*
 * Members of a JSON object, without its braces.  show: MAAS_M_COUNT flags
 * (NULL: all measures).  NaN is null, with its reason in "undefined".
 */
void maas_eval_json(maas_buf_t *b, const maas_eval_t *r, const bool *show,
    bool curves);

/* For people: a table of measures, then classes or targets. */
void maas_eval_text(maas_buf_t *b, const maas_eval_t *r, const bool *show);

/* The name of class i, or its number. */
void maas_eval_class_name(maas_buf_t *b, const maas_eval_t *r, int i);

#endif
