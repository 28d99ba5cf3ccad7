/*
 * fit_newton.h: Newton's method for smooth convex losses of linear scores:
 *
 *   min over w (k x q)  sum_i loss_i(z_i w') + 1/2 sum_kj penalty_j w_kj^2
 *
 * Small problems solve with the whole Hessian, large ones by conjugate
 * gradients on products with it, preconditioned by its diagonal; a
 * backtracking search makes every step go down.  (Nocedal and Wright,
 * Numerical Optimization, 2nd ed., algorithms 3.1, 7.1.)
 *
 * Ownership: z, penalty and w are the caller's; work lies in scratch.
 * Threads:   the job's; callbacks run on several, for rows of their own.
 */

#ifndef MAAS_FIT_NEWTON_H
#define MAAS_FIT_NEWTON_H

#include "train/fit.h"


typedef struct maas_newton_s  maas_newton_t;

struct maas_newton_s {
    const maas_fit_job_t  *f;
    const double          *z;           /* that of a maas_design_t */
    const double          *penalty;     /* q */
    int64_t                q;
    int64_t                k;

    /*
     * Of rows [first, first + m): the sum of their losses; r: derivatives
     * by the scores.  Score a of row first + i lies at i * ld + a, as does
     * its derivative.
     */
    double               (*loss)(void *ctx, int64_t first, int64_t m,
                                 const double *score, double *r,
                                 int64_t ld);
    /* u: second derivatives at the last scores times v. */
    void                 (*curve)(void *ctx, int64_t first, int64_t m,
                                  const double *v, double *u, int64_t ld);
    /* h (m): entry (a, b) of each row's second derivative, at the last
       scores. */
    void                 (*block)(void *ctx, int64_t first, int64_t m,
                                  int64_t a, int64_t b, double *h);
    void                  *ctx;

    double                 tolerance;   /* of the gradient, to that at 0 */
    int64_t                steps;       /* at most */

    /* Results. */
    int64_t                iterations;
    double                 objective;
    bool                   converged;
};

/* w: k x q, where it starts and where it ends. */
maas_status_t maas_newton_run(maas_newton_t *s, double *w);


/*
 * The z of a job: features less their means (centre), over their standard
 * deviations (1 for constant ones), and a last column of ones for an
 * intercept.  mean and scale have p values each.
 */
typedef struct {
    double   *z;            /* n x ld; what is beyond q is 0 */
    double   *mean;
    double   *scale;
    int64_t   q;
    int64_t   ld;
} maas_design_t;

maas_status_t maas_design_make(const maas_fit_job_t *f,
    maas_arena_t *scratch, bool centre, bool intercept, maas_design_t *d);

/* Coefficients and intercepts (rows each) of the features as they came. */
void maas_design_back(const maas_fit_job_t *f, const maas_design_t *d,
    const double *w, int64_t rows, double *coef, double *intercept);

#endif
