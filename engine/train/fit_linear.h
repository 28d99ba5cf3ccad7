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

/*
 * r (q x q, column-major, zeros below the diagonal) with r'r = [x | y]'[x |
 * y] of the centred, weighted rows; q = p + targets.
 */
maas_status_t maas_linear_triangle(const maas_fit_job_t *f, int64_t targets,
    const double *mean, const double *y_mean, double *r);

/*
 * coef: n_target x p.  Finds the intercepts, says all three, writes the
 * nodes.
 */
maas_status_t maas_linear_finish(maas_fit_job_t *f, maas_arena_t *scratch,
    const maas_linear_t *l, const double *coef, bool intercept);

#endif
