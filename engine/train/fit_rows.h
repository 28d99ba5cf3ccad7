/*
 * fit_rows.h: passes over the rows of a job by its threads.
 *
 * Rows are cut into parts that depend on their number alone, each with sums
 * of its own, which are added in the order of the parts: one thread and
 * many give the same bits.  Ranks take parts as well, each some that follow
 * one another, and send their sums, part by part, to all others before they
 * are added: ranks change no bit either.
 *
 * Ownership: sums lie in the scratch arena given.
 * Threads:   a pass is begun by one thread; parts run on several.
 */

#ifndef MAAS_FIT_ROWS_H
#define MAAS_FIT_ROWS_H

#include "kernels/kfit.h"
#include "train/crew.h"
#include "train/fit.h"


#define MAAS_FIT_PARTS  16          /* at most */

typedef struct {
    maas_crew_t                crew;
    const maas_fit_job_t      *f;
    const maas_fit_kernels_t  *k;
    int64_t                    parts;
} maas_fit_rows_t;

void maas_fit_rows_begin(maas_fit_rows_t *r, const maas_fit_job_t *f);
void maas_fit_rows_end(maas_fit_rows_t *r);

/* Fewer parts, so that sums of `values` numbers each take no more memory
   than the rows do. */
void maas_fit_rows_limit(maas_fit_rows_t *r, int64_t values);

/* The first row of a part; of number `parts`: n. */
static inline int64_t
maas_fit_rows_at(const maas_fit_rows_t *r, int64_t part)
{
    return r->f->n * part / r->parts;
}


/*
 * One unit a part, of the parts of this rank; polls cancel before each.  All
 * ranks meet behind it, so that sums may be exchanged.
 */
maas_status_t maas_fit_rows_run(maas_fit_rows_t *r, maas_crew_pt fn,
    void *arg);

/* The same of all parts, by every rank: what a row is made into. */
maas_status_t maas_fit_rows_each(maas_fit_rows_t *r, maas_crew_pt fn,
    void *arg);

/* sums[part][n]: every rank gets the others' parts. */
void maas_fit_rows_share(const maas_fit_rows_t *r, double *sums, int64_t n);

/* Shares them; then sums[0][i] = sum over the parts of sums[part][i], in
   their order. */
void maas_fit_rows_add(const maas_fit_rows_t *r, double *sums, int64_t n);

/*
 * Weighted means of n rows of `cols` numbers and, unless NULL, their
 * deviations sqrt(mean of (v - mean)^2).  weight NULL: all 1.  The second
 * pass takes out what rounding did to the first's means.
 */
maas_status_t maas_fit_rows_means(maas_fit_rows_t *r, maas_arena_t *scratch,
    const double *v, int64_t cols, const double *weight, double *mean,
    double *deviation);

/* A column whose values differ by no more than rounding. */
bool maas_fit_constant(double mean, double deviation);

#endif
