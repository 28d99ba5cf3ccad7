/*
 * fit_linear.h: the least-squares problem of a job, centred and made small.
 *
 * With q orthogonal and n > p, [x | y] = q [r | s] has the same problem in p
 * rows as in n: ||x w - y||^2 = ||r w - s||^2 + rest.  So whoever solves it
 * touches p x p numbers, whose condition is that of x, not its square.
 *
 * Ownership: everything lies in the scratch arena given.
 */

#ifndef MAAS_FIT_LINEAR_H
#define MAAS_FIT_LINEAR_H

#include "train/fit.h"


typedef struct {
    double   *a;            /* m x p, column-major */
    double   *b;            /* ld x n_target, column-major */
    int64_t   m;
    int64_t   ld;           /* max(m, p) */
    double   *mean;         /* of the features; 0 without intercept */
    double   *y_mean;       /* of the targets */
    double   *rest;         /* of each target */
    double    weight;       /* sum over the rows */
} maas_linear_t;

/* Rows are weighted by the square roots of their weights. */
maas_status_t maas_linear_reduce(const maas_fit_job_t *f,
    maas_arena_t *scratch, bool intercept, maas_linear_t *l);

/* What is taken from columns before they are multiplied. */
typedef struct {
    double   *mean;
    double   *vary;         /* 0: constant but for rounding, else 1 */
} maas_linear_cols_t;

/* v: n rows of `cols` numbers.  centre false: means are 0. */
maas_status_t maas_linear_columns(const maas_fit_job_t *f,
    maas_arena_t *scratch, const double *v, int64_t cols, bool centre,
    maas_linear_cols_t *c);

/*
 * r (q x q, column-major, zeros below the diagonal) of [x | y], centred and
 * weighted; q = p + targets.  Its first p columns are those of x = q r; of a
 * target there are its products with the columns of q, then what these leave
 * of it: the root of the sum of squares of what stands below row p.
 */
maas_status_t maas_linear_triangle(const maas_fit_job_t *f, int64_t targets,
    const maas_linear_cols_t *x, const maas_linear_cols_t *y, double *r);

/*
 * coef: n_target x p.  Finds the intercepts, says all three, writes the
 * nodes.
 */
maas_status_t maas_linear_finish(maas_fit_job_t *f, maas_arena_t *scratch,
    const maas_linear_t *l, const double *coef, bool intercept);

#endif
