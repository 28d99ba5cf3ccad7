/*
 * evaluate_curve: ROC, precision-recall and calibration curves, and the
 * areas under them.  Rows are sorted by score; equal scores are one point.
 *
 * Average precision is the sum of (R_n - R_n-1) P_n, not a trapezoid.
 * One against one: Hand and Till 2001.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/evaluate_stages.h"


#define CURVE_OVO_CLASSES  100

/* Decisions (rows by classes) up to which all are sorted together. */
#define CURVE_MICRO        (32 * 1024 * 1024)


/* Sums of the rows at or above each distinct score. */
typedef struct {
    double  tp, fp, score;
} curve_step_t;


static int
curve_order(const void *a, const void *b)
{
    double  x = ((const maas_eval_point_t *) a)->score;
    double  y = ((const maas_eval_point_t *) b)->score;

    return (x < y) - (x > y);
}


/* Sorts; rows without weight are left out.  Returns the number of steps. */
static size_t
curve_steps(maas_eval_point_t *p, size_t n, curve_step_t *s)
{
    size_t  k = 0;
    double  tp = 0, fp = 0;

    qsort(p, n, sizeof(*p), curve_order);

    for (size_t i = 0; i < n; i++) {
        if (p[i].weight == 0) {
            continue;
        }

        tp += p[i].positive ? p[i].weight : 0;
        fp += p[i].positive ? 0 : p[i].weight;

        if (k == 0 || s[k - 1].score != p[i].score) {
            k++;
        }

        s[k - 1] = (curve_step_t) { tp, fp, p[i].score };
    }

    return k;
}


static maas_status_t
curve_line(maas_eval_line_t *l, size_t n, maas_arena_t *mem, maas_err_t *err)
{
    l->x = maas_arena_array(mem, n, sizeof(double));
    l->y = maas_arena_array(mem, n, sizeof(double));
    l->at = maas_arena_array(mem, n, sizeof(double));

    return l->x == NULL || l->y == NULL || l->at == NULL
           ? maas_err_nomem(err) : MAAS_OK;
}


static void
curve_add(maas_eval_line_t *l, double x, double y, double at)
{
    l->x[l->n] = x;
    l->y[l->n] = y;
    l->at[l->n++] = at;
}


/* Points between two others on one straight are left out of the line. */
static bool
curve_corner(const curve_step_t *s, size_t k, size_t i)
{
    return i == 0 || i + 1 == k
           || (s[i + 1].fp - s[i].fp) - (s[i].fp - s[i - 1].fp) != 0
           || (s[i + 1].tp - s[i].tp) - (s[i].tp - s[i - 1].tp) != 0;
}


static double
curve_roc(const curve_step_t *s, size_t k, maas_eval_line_t *l)
{
    double  x, y, x0 = 0, y0 = 0, area = 0;
    double  p = s[k - 1].tp, n = s[k - 1].fp;

    if (l != NULL) {
        curve_add(l, n > 0 ? 0 : NAN, p > 0 ? 0 : NAN, INFINITY);
    }

    for (size_t i = 0; i < k; i++) {
        x = n > 0 ? s[i].fp / n : NAN;
        y = p > 0 ? s[i].tp / p : NAN;
        area += (x - x0) * (y + y0) / 2;
        x0 = x;
        y0 = y;

        if (l != NULL && curve_corner(s, k, i)) {
            curve_add(l, x, y, s[i].score);
        }
    }

    return area;
}


/* The line from the lowest threshold up, closed by recall 0, precision 1. */
static double
curve_pr(const curve_step_t *s, size_t k, maas_eval_line_t *l)
{
    double  recall, precision, last = 0, area = 0, p = s[k - 1].tp;

    for (size_t i = 0; i < k; i++) {
        recall = p > 0 ? s[i].tp / p : 1;
        precision = s[i].tp / (s[i].tp + s[i].fp);
        area += (recall - last) * precision;
        last = recall;
    }

    if (l == NULL) {
        return area;
    }

    for (size_t i = k; i-- > 0; ) {
        curve_add(l, p > 0 ? s[i].tp / p : 1,
                  s[i].tp / (s[i].tp + s[i].fp), s[i].score);
    }

    curve_add(l, 0, 1, INFINITY);
    return area;
}


/*
 * Of n points in any order, which are sorted: areas, and lines when mem is
 * not NULL.  one_class: the truth, weights aside, has one class alone.
 */
static maas_status_t
curve_binary(const maas_eval_job_t *job, maas_eval_point_t *p, size_t n,
    bool one_class, maas_arena_t *mem, maas_eval_curve_t *c, maas_err_t *err)
{
    size_t         k;
    maas_status_t  rc = MAAS_OK;
    curve_step_t  *s;

    c->auc = NAN;
    c->ap = NAN;
    c->one_class = one_class;

    s = maas_calloc(job->host, n + 1, sizeof(*s));
    if (s == NULL) {
        return maas_err_nomem(err);
    }

    k = curve_steps(p, n, s);

    if (k > 0 && mem != NULL) {
        rc = curve_line(&c->roc, k + 1, mem, err);

        if (rc == MAAS_OK) {
            rc = curve_line(&c->pr, k + 1, mem, err);
        }
    }

    if (k > 0 && rc == MAAS_OK) {
        c->auc = curve_roc(s, k, mem != NULL ? &c->roc : NULL);
        c->ap = curve_pr(s, k, mem != NULL ? &c->pr : NULL);

        if (one_class) {
            c->auc = NAN;
        }
    }

    maas_free(job->host, s);
    return rc;
}


/*
 * Bins of equal width; one holds the scores above its lower edge up to its
 * upper edge, the first one 0 too.  Rows count alike, as in scikit-learn.
 */
static maas_status_t
curve_calibration(const maas_eval_job_t *job, int class, maas_eval_t *r,
    maas_eval_line_t *l, maas_err_t *err)
{
    int     b, bins = job->bins > 0 ? job->bins : 10;
    double  p, step = 1.0 / bins, *sum;

    MAAS_TRY(curve_line(l, (size_t) bins, &r->mem, err));

    sum = maas_arena_array(&r->mem, (size_t) bins * 3, sizeof(double));
    if (sum == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < job->n; i++) {
        p = maas_eval_score(job, i, class);
        b = (int) (p * bins);
        b = maas_max(0, maas_min(b, bins - 1));

        while (b > 0 && p <= b * step) {
            b--;
        }

        while (b < bins - 1 && p > (b + 1) * step) {
            b++;
        }

        sum[3 * b] += p;
        sum[3 * b + 1] += job->truth[i] == class;
        sum[3 * b + 2]++;
    }

    for (b = 0; b < bins; b++) {
        if (sum[3 * b + 2] > 0) {
            curve_add(l, sum[3 * b] / sum[3 * b + 2],
                      sum[3 * b + 1] / sum[3 * b + 2], sum[3 * b + 2]);
        }
    }

    return MAAS_OK;
}


/* -- one against the rest ------------------------------------------------ */

/* Points of class c, or of every class when c is -1. */
static size_t
curve_points(const maas_eval_job_t *job, int c, maas_eval_point_t *p,
    bool *one_class)
{
    int     first = c < 0 ? 0 : c, last = c < 0 ? job->n_class - 1 : c;
    size_t  n = 0, positive = 0;

    for (int64_t i = 0; i < job->n; i++) {
        for (int k = first; k <= last; k++) {
            p[n].score = maas_eval_score(job, i, k);
            p[n].weight = maas_eval_weight(job, i);
            p[n].positive = job->truth[i] == k;
            positive += p[n++].positive;
        }
    }

    *one_class = positive == 0 || positive == n;
    return n;
}


static maas_status_t
curve_of(const maas_eval_job_t *job, int c, maas_eval_point_t *p,
    maas_eval_t *r, maas_eval_curve_t *out, maas_err_t *err)
{
    bool    one;
    size_t  n = curve_points(job, c, p, &one);
    bool    keep = job->max_curves > 0
                   && (r->n_class <= job->max_curves || r->n_curve == 1
                       || c < 0);

    MAAS_TRY(curve_binary(job, p, n, one, keep ? &r->mem : NULL, out,
                              err));

    if (keep && c >= 0 && r->probabilities) {
        return curve_calibration(job, c, r, &out->calibration, err);
    }

    return MAAS_OK;
}


static void
curve_missing(maas_eval_t *r, int m, int class)
{
    char  *why = maas_arena_alloc(&r->mem, 64);

    if (why != NULL) {
        (void) snprintf(why, 64, "class %d has no rows, or all of them",
                        class);
    }

    maas_eval_undefined(r, m, why != NULL ? why : "a class has no rows");
}


/*
 * scikit-learn's ROC needs rows of every class, and weight on them but in
 * the weighted mean; its average precision does not.
 */
static void
curve_averages(maas_eval_t *r)
{
    int     absent = -1, none = -1;
    double  auc = 0, ap = 0, auc_by = 0, ap_by = 0, w;

    for (int c = r->n_class - 1; c >= 0; c--) {
        w = r->per_class[c].support;
        absent = r->curve[c].one_class ? c : absent;
        none = isnan(r->curve[c].auc) ? c : none;
        auc += r->curve[c].auc;
        ap += r->curve[c].ap;
        auc_by += w > 0 ? w * r->curve[c].auc : 0;
        ap_by += w > 0 ? w * r->curve[c].ap : 0;
    }

    maas_eval_set(r, MAAS_M_AP_MACRO, ap / r->n_class);
    maas_eval_set(r, MAAS_M_AP_WEIGHTED, ap_by / r->weight);

    if (none < 0) {
        maas_eval_set(r, MAAS_M_ROC_AUC_MACRO, auc / r->n_class);

    } else {
        curve_missing(r, MAAS_M_ROC_AUC_MACRO, none);
    }

    if (absent < 0 && !isnan(auc_by)) {
        maas_eval_set(r, MAAS_M_ROC_AUC_WEIGHTED, auc_by / r->weight);

    } else {
        curve_missing(r, MAAS_M_ROC_AUC_WEIGHTED, maas_max(absent, none));
    }
}


static void
curve_micro(maas_eval_t *r, bool done)
{
    if (done) {
        maas_eval_set(r, MAAS_M_AP_MICRO, r->micro.ap);
        maas_eval_set(r, MAAS_M_ROC_AUC_MICRO, r->micro.auc);
        return;
    }

    maas_eval_undefined(r, MAAS_M_AP_MICRO, "too many rows and classes");
    maas_eval_undefined(r, MAAS_M_ROC_AUC_MICRO, "too many rows and classes");
}


static maas_status_t
curve_two(const maas_eval_job_t *job, maas_eval_point_t *p, maas_eval_t *r,
    maas_err_t *err)
{
    MAAS_TRY(curve_of(job, r->positive, p, r, &r->curve[0], err));
    maas_eval_set(r, MAAS_M_AP, r->curve[0].ap);

    if (isnan(r->curve[0].auc)) {
        maas_eval_undefined(r, MAAS_M_ROC_AUC, "one class alone occurs");

    } else {
        maas_eval_set(r, MAAS_M_ROC_AUC, r->curve[0].auc);
    }

    return MAAS_OK;
}


/* -- one against one ----------------------------------------------------- */

/* Rows by class; the rows of class c are row[first[c]] to first[c + 1]. */
static void
curve_buckets(const maas_eval_job_t *job, int64_t *row, int64_t *first)
{
    int  k = job->n_class;

    for (int64_t i = 0; i < job->n; i++) {
        first[job->truth[i] + 1]++;
    }

    for (int c = 0; c < k; c++) {
        first[c + 1] += first[c];
    }

    for (int64_t i = 0; i < job->n; i++) {
        row[first[job->truth[i]]++] = i;
    }

    for (int c = k; c > 0; c--) {
        first[c] = first[c - 1];
    }

    first[0] = 0;
}


/* Area of class a against b, by the scores of a. */
static maas_status_t
curve_pair(const maas_eval_job_t *job, const int64_t *row,
    const int64_t *first, int a, int b, maas_eval_point_t *p, double *area,
    maas_err_t *err)
{
    int                cls[2] = { a, b };
    size_t             n = 0;
    maas_eval_curve_t  c = { 0 };

    for (int k = 0; k < 2; k++) {
        for (int64_t i = first[cls[k]]; i < first[cls[k] + 1]; i++) {
            p[n].score = maas_eval_score(job, row[i], a);
            p[n].weight = 1;
            p[n++].positive = k == 0;
        }
    }

    MAAS_TRY(curve_binary(job, p, n, false, NULL, &c, err));
    *area += c.auc / 2;

    return MAAS_OK;
}


static maas_status_t
curve_pairs(const maas_eval_job_t *job, maas_eval_t *r, int64_t *row,
    int64_t *first, maas_eval_point_t *p, maas_err_t *err)
{
    double   area, sum = 0, by = 0, weight = 0, n = 0;
    int64_t  na, nb;

    curve_buckets(job, row, first);

    for (int a = 0; a < job->n_class; a++) {
        na = first[a + 1] - first[a];

        for (int b = a + 1; b < job->n_class && na > 0; b++) {
            nb = first[b + 1] - first[b];

            if (nb == 0) {
                continue;
            }

            area = 0;
            MAAS_TRY(curve_pair(job, row, first, a, b, p, &area, err));
            MAAS_TRY(curve_pair(job, row, first, b, a, p, &area, err));
            sum += area;
            by += area * (double) (na + nb);
            weight += (double) (na + nb);
            n++;
        }
    }

    if (n == 0) {
        maas_eval_undefined(r, MAAS_M_ROC_AUC_OVO, "one class alone occurs");
        maas_eval_undefined(r, MAAS_M_ROC_AUC_OVO_WEIGHTED,
                            "one class alone occurs");
        return MAAS_OK;
    }

    maas_eval_set(r, MAAS_M_ROC_AUC_OVO, sum / n);
    maas_eval_set(r, MAAS_M_ROC_AUC_OVO_WEIGHTED, by / weight);
    return MAAS_OK;
}


static maas_status_t
curve_ovo(const maas_eval_job_t *job, maas_eval_t *r, maas_err_t *err)
{
    int64_t            *row, *first;
    const char         *why = NULL;
    maas_status_t       rc;
    maas_eval_point_t  *p;

    if (job->weight != NULL) {
        why = "it is not defined with weights";

    } else if (job->n_class > CURVE_OVO_CLASSES) {
        why = "more than 100 classes";
    }

    if (why != NULL) {
        maas_eval_undefined(r, MAAS_M_ROC_AUC_OVO, why);
        maas_eval_undefined(r, MAAS_M_ROC_AUC_OVO_WEIGHTED, why);
        return MAAS_OK;
    }

    row = maas_calloc(job->host, (size_t) job->n, sizeof(*row));
    first = maas_calloc(job->host, (size_t) job->n_class + 1,
                        sizeof(*first));
    p = maas_calloc(job->host, (size_t) job->n, sizeof(*p));

    rc = row == NULL || first == NULL || p == NULL ? maas_err_nomem(err)
         : curve_pairs(job, r, row, first, p, err);

    maas_free(job->host, row);
    maas_free(job->host, first);
    maas_free(job->host, p);
    return rc;
}


/* -- all of them --------------------------------------------------------- */

maas_status_t
maas_eval_curves(const maas_eval_job_t *job, maas_eval_t *r, maas_err_t *err)
{
    bool                micro;
    size_t              cells;
    maas_status_t       rc = MAAS_OK;
    maas_eval_point_t  *p;

    if (r->n_class < 2) {
        return MAAS_OK;
    }

    r->n_curve = r->n_class == 2 ? 1 : r->n_class;
    r->curve = maas_arena_array(&r->mem, (size_t) r->n_curve,
                                sizeof(*r->curve));

    if (!maas_mul_size((size_t) job->n, (size_t) r->n_curve, &cells)
        || r->curve == NULL)
    {
        return maas_err_nomem(err);
    }

    micro = cells <= CURVE_MICRO;

    p = maas_calloc(job->host, micro ? cells : (size_t) job->n,
                    sizeof(*p));
    if (p == NULL) {
        return maas_err_nomem(err);
    }

    if (r->n_curve == 1) {
        rc = curve_two(job, p, r, err);
        maas_free(job->host, p);
        return rc;
    }

    for (int c = 0; c < r->n_curve && rc == MAAS_OK; c++) {
        rc = curve_of(job, c, p, r, &r->curve[c], err);
    }

    if (rc == MAAS_OK && micro) {
        rc = curve_of(job, -1, p, r, &r->micro, err);
    }

    maas_free(job->host, p);

    if (rc == MAAS_OK) {
        curve_averages(r);
        curve_micro(r, micro);
        rc = curve_ovo(job, r, err);
    }

    return rc;
}
