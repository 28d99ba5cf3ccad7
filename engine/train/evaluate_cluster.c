/*
 * evaluate_cluster: the silhouette, euclidean: of a row, (b - a) / max(a, b)
 * with a the mean distance to its own cluster and b to the nearest other
 * one; 0 in a cluster of one row (Rousseeuw 1987).
 *
 * It takes every pair of rows; above a number of rows it is measured over a
 * sample.  A pair's distance is computed once.
 */

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "train/evaluate_stages.h"


#define CLUSTER_ROWS    20000
#define CLUSTER_STREAM  0x73696c68u     /* of random numbers */


typedef struct {
    int64_t   n;
    int       k;
    int64_t  *row;
    int32_t  *label;            /* 0 .. k - 1 */
    int64_t  *size;             /* of each cluster */
    double   *sum;              /* distances of a row to each cluster */
} cluster_t;


/* Rows of the sample: selection sampling, in ascending order. */
static void
cluster_sample(const maas_eval_job_t *job, cluster_t *c)
{
    int64_t        left = job->n, want = c->n, at = 0;
    maas_random_t  g = maas_random(job->seed, CLUSTER_STREAM, 0);

    for (int64_t i = 0; i < job->n; i++, left--) {
        if (maas_random_unit(&g, (uint64_t) i) * (double) left
            < (double) want)
        {
            c->row[at++] = i;
            want--;
        }
    }
}


static int
cluster_order(const void *a, const void *b)
{
    int32_t  x = *(const int32_t *) a, y = *(const int32_t *) b;

    return (x > y) - (x < y);
}


/* Labels become 0 .. k - 1; `sorted` is scratch of n. */
static void
cluster_number(const maas_eval_job_t *job, cluster_t *c, int32_t *sorted)
{
    int32_t  *p;

    for (int64_t i = 0; i < c->n; i++) {
        sorted[i] = job->label[c->row[i]];
    }

    qsort(sorted, (size_t) c->n, sizeof(*sorted), cluster_order);

    for (int64_t i = 0; i < c->n; i++) {
        if (c->k == 0 || sorted[c->k - 1] != sorted[i]) {
            sorted[c->k++] = sorted[i];
        }
    }

    for (int64_t i = 0; i < c->n; i++) {
        p = bsearch(&job->label[c->row[i]], sorted, (size_t) c->k,
                    sizeof(*sorted), cluster_order);
        c->label[i] = (int32_t) (p - sorted);
        c->size[c->label[i]]++;
    }
}


static double
cluster_distance(const double *x, const double *y, int64_t p)
{
    double  d, sum = 0;

    for (int64_t i = 0; i < p; i++) {
        d = x[i] - y[i];
        sum += d * d;
    }

    return sqrt(sum);
}


static double
cluster_row(const maas_eval_job_t *job, const cluster_t *c, int64_t i)
{
    double         a, b = INFINITY;
    int32_t        own = c->label[i];
    const double  *x = job->x + c->row[i] * job->p;

    memset(c->sum, 0, (size_t) c->k * sizeof(double));

    for (int64_t j = 0; j < c->n; j++) {
        if (j != i) {
            c->sum[c->label[j]] += cluster_distance(x, job->x + c->row[j]
                                                    * job->p, job->p);
        }
    }

    if (c->size[own] == 1) {
        return 0;
    }

    a = c->sum[own] / (double) (c->size[own] - 1);

    for (int k = 0; k < c->k; k++) {
        if (k != own) {
            b = fmin(b, c->sum[k] / (double) c->size[k]);
        }
    }

    return fmax(a, b) == 0 ? 0 : (b - a) / fmax(a, b);
}


static void
cluster_measure(const maas_eval_job_t *job, cluster_t *c, maas_eval_t *r)
{
    double  sum = 0;

    r->n_cluster = c->k;
    r->rows = c->n;

    if (c->k < 2 || c->k >= c->n) {
        maas_eval_undefined(r, MAAS_M_SILHOUETTE, "it takes two clusters at "
                            "least, and fewer than rows");
        return;
    }

    for (int64_t i = 0; i < c->n; i++) {
        sum += cluster_row(job, c, i);
    }

    maas_eval_set(r, MAAS_M_SILHOUETTE, sum / (double) c->n);
}


maas_status_t
maas_eval_clusters(const maas_eval_job_t *job, maas_eval_t *r,
    maas_err_t *err)
{
    int32_t    *sorted;
    int64_t     max = job->max_rows > 0 ? job->max_rows : CLUSTER_ROWS;
    cluster_t   c = { .n = maas_min(job->n, max) };

    c.row = maas_calloc(job->host, (size_t) c.n, sizeof(*c.row));
    c.label = maas_calloc(job->host, (size_t) c.n, sizeof(*c.label));
    c.size = maas_calloc(job->host, (size_t) c.n, sizeof(*c.size));
    c.sum = maas_calloc(job->host, (size_t) c.n, sizeof(*c.sum));
    sorted = maas_calloc(job->host, (size_t) c.n, sizeof(*sorted));

    if (c.row != NULL && c.label != NULL && c.size != NULL && c.sum != NULL
        && sorted != NULL)
    {
        cluster_sample(job, &c);
        cluster_number(job, &c, sorted);
        cluster_measure(job, &c, r);
    }

    maas_free(job->host, c.row);
    maas_free(job->host, c.label);
    maas_free(job->host, c.size);
    maas_free(job->host, c.sum);

    if (sorted == NULL || r->rows == 0) {
        maas_free(job->host, sorted);
        return maas_err_nomem(err);
    }

    maas_free(job->host, sorted);
    return MAAS_OK;
}
