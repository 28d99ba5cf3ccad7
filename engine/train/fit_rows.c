/*
 * fit_rows.c: see fit_rows.h.
 *
 * Ownership: sums lie in the scratch arena given.
 * Threads:   parts write to sums of their own; ranks exchange them from the
 *            thread that began the pass.
 */

#include <float.h>
#include <math.h>

#include "train/fit_rows.h"


#define ROWS_PART  1024             /* of a part, at least */


void
maas_fit_rows_begin(maas_fit_rows_t *r, const maas_fit_job_t *f)
{
    r->f = f;
    r->k = maas_fit_kernels(maas_kernels(maas_cpu_host()));
    r->parts = maas_max(1, maas_min(f->n / ROWS_PART,
                                    (int64_t) MAAS_FIT_PARTS));
    maas_crew_begin(&r->crew, f);
}


void
maas_fit_rows_end(maas_fit_rows_t *r)
{
    maas_crew_end(&r->crew);
}


void
maas_fit_rows_limit(maas_fit_rows_t *r, int64_t values)
{
    int64_t  most = r->f->n * r->f->p / maas_max(values, 1);

    r->parts = maas_max(1, maas_min(r->parts, most));
}


typedef struct {
    maas_crew_pt   fn;
    void          *arg;
    int64_t        first;
} rows_own_t;


static maas_status_t
rows_own(void *arg, int slot, int64_t unit)
{
    const rows_own_t  *o = arg;

    return o->fn(o->arg, slot, o->first + unit);
}


maas_status_t
maas_fit_rows_run(maas_fit_rows_t *r, maas_crew_pt fn, void *arg)
{
    int64_t        own;
    rows_own_t     o = { fn, arg, 0 };
    maas_status_t  rc;

    own = maas_ranks_part(r->f->ranks, r->parts, &o.first);
    rc = maas_crew_run(&r->crew, rows_own, &o, own, 0, 0);

    return maas_ranks_meet(r->f->ranks, rc, NULL, 0, r->f->err);
}


maas_status_t
maas_fit_rows_each(maas_fit_rows_t *r, maas_crew_pt fn, void *arg)
{
    return maas_crew_run(&r->crew, fn, arg, r->parts, 0, 0);
}


void
maas_fit_rows_share(const maas_fit_rows_t *r, double *sums, int64_t n)
{
    int64_t        first, own;
    maas_ranks_t  *all = r->f->ranks, of;

    if (all == NULL) {
        return;
    }

    of = *all;

    for (of.rank = 0; of.rank < of.n; of.rank++) {
        own = maas_ranks_part(&of, r->parts, &first);
        maas_ranks_share(all, of.rank, sums + first * n,
                         (size_t) (own * n) * sizeof(double));
    }
}


void
maas_fit_rows_add(const maas_fit_rows_t *r, double *sums, int64_t n)
{
    maas_fit_rows_share(r, sums, n);

    for (int64_t part = 1; part < r->parts; part++) {
        for (int64_t i = 0; i < n; i++) {
            sums[i] += sums[part * n + i];
        }
    }
}


/* -- means --------------------------------------------------------------- */

typedef struct {
    maas_fit_rows_t  *r;
    const double     *v;
    const double     *weight;
    const double     *shift;
    double           *sums;         /* [parts][2][cols] */
    int64_t           cols;
    bool              squares;
} rows_means_t;


static maas_status_t
rows_means_part(void *arg, int slot, int64_t part)
{
    int64_t              first, last;
    double              *sum;
    rows_means_t        *c = arg;
    maas_fit_columns_t   q;

    (void) slot;

    first = maas_fit_rows_at(c->r, part);
    last = maas_fit_rows_at(c->r, part + 1);
    sum = c->sums + part * 2 * c->cols;
    memset(sum, 0, (size_t) (2 * c->cols) * sizeof(double));

    q = (maas_fit_columns_t) {
        .sum = sum, .square = c->squares ? sum + c->cols : NULL,
        .ld = c->cols, .shift = c->shift,
        .weight = c->weight != NULL ? c->weight + first : NULL,
        .x = c->v + first * c->cols, .m = last - first, .p = c->cols
    };

    c->r->k->columns(&q);
    return MAAS_OK;
}


maas_status_t
maas_fit_rows_means(maas_fit_rows_t *r, maas_arena_t *scratch,
    const double *v, int64_t cols, const double *weight, double *mean,
    double *deviation)
{
    double        d, all = 0;
    int64_t       n = r->f->n;
    rows_means_t  c = { r, v, weight, mean, NULL, cols, false };

    c.sums = maas_arena_array(scratch, (size_t) (2 * r->parts),
                              (size_t) cols * sizeof(double));
    if (c.sums == NULL) {
        return maas_err_nomem(r->f->err);
    }

    for (int64_t i = 0; i < n; i++) {
        all += weight != NULL ? weight[i] : 1;
    }

    /* Sums of differences to the first row, then to the means. */
    memcpy(mean, v, (size_t) cols * sizeof(double));

    for (int pass = 0; pass < 2; pass++) {
        c.squares = pass == 1 && deviation != NULL;
        MAAS_TRY(maas_fit_rows_run(r, rows_means_part, &c));
        maas_fit_rows_add(r, c.sums, 2 * cols);

        for (int64_t j = 0; j < cols; j++) {
            d = c.sums[j] / all;
            mean[j] += d;

            if (c.squares) {
                deviation[j] = sqrt(fmax(c.sums[cols + j] / all - d * d, 0));
            }
        }
    }

    return MAAS_OK;
}


bool
maas_fit_constant(double mean, double deviation)
{
    return !(deviation > 8 * DBL_EPSILON * fabs(mean));
}
