/*
 * fit_newton.c: see fit_newton.h.
 *
 * Ownership: work memory ends with the call.
 * Threads:   one thread a job.
 */

#include <float.h>
#include <math.h>

#include "kernels/kernels.h"
#include "train/fit_newton.h"
#include "train/lapack.h"


#define NEWTON_DENSE   320          /* unknowns with a whole Hessian */
#define NEWTON_LINE    8
#define NEWTON_BLOCK   504          /* rows at a time */
#define NEWTON_ARMIJO  1e-4
#define NEWTON_FLOOR   1e-15        /* of the objective: no more to gain */

typedef struct {
    maas_newton_t         *s;
    const maas_kernels_t  *kern;
    int64_t                d;
    double                *score;       /* n x k */
    double                *r;           /* k x n */
    double                *wt;          /* q x k */
    double                *g;           /* d, the gradient */
    double                *step;
    double                *next;
    double                *diag;
    double                *hess;        /* d x d; NULL: products */
    double                *part;        /* q x q of a block of rows */
    double                *rows;        /* q x NEWTON_BLOCK */
    double                *h;           /* n */
    double                *cg[4];       /* residual, direction, hd, z */
} newton_t;


static double
newton_dot(const double *a, const double *b, int64_t n)
{
    double  s = 0;

    for (int64_t i = 0; i < n; i++) {
        s += a[i] * b[i];
    }

    return s;
}


static double
newton_most(const double *a, int64_t n)
{
    double  m = 0;

    for (int64_t i = 0; i < n; i++) {
        m = fmax(m, fabs(a[i]));
    }

    return m;
}


/* Scores of a k x q matrix. */
static void
newton_scores(newton_t *c, const double *w)
{
    int64_t  k = c->s->k, q = c->s->q;

    for (int64_t a = 0; a < k; a++) {
        for (int64_t j = 0; j < q; j++) {
            c->wt[j * k + a] = w[a * q + j];
        }
    }

    c->kern->dgemm(c->s->n, k, q, c->s->z, q, c->wt, k, c->score, k);
}


/* g = r z + penalty w */
static void
newton_back(newton_t *c, const double *w, double *g)
{
    int64_t  k = c->s->k, q = c->s->q, n = c->s->n;

    c->kern->dgemm(k, q, n, c->r, n, c->s->z, q, g, q);

    for (int64_t a = 0; a < k; a++) {
        for (int64_t j = 0; j < q; j++) {
            g[a * q + j] += c->s->penalty[j] * w[a * q + j];
        }
    }
}


static double
newton_value(newton_t *c, const double *w)
{
    double   v;
    int64_t  q = c->s->q;

    newton_scores(c, w);
    v = c->s->loss(c->s->ctx, c->score, c->r);

    for (int64_t i = 0; i < c->d; i++) {
        v += 0.5 * c->s->penalty[i % q] * w[i] * w[i];
    }

    return v;
}


/* -- the whole Hessian --------------------------------------------------- */

/* to (q x m) = z' diag(h), a line of the cache at a time. */
static void
newton_turn(double *to, const double *z, const double *h, int64_t m,
    int64_t q)
{
    int64_t  n;

    for (int64_t i = 0; i < m; i += NEWTON_LINE) {
        n = maas_min(m - i, (int64_t) NEWTON_LINE);

        for (int64_t j = 0; j < q; j++) {
            for (int64_t r = i; r < i + n; r++) {
                to[j * m + r] = z[r * q + j] * h[r];
            }
        }
    }
}


/* part += z' diag(h) z, over blocks of rows. */
static void
newton_gram(newton_t *c, double *to, int64_t ld)
{
    int64_t        q = c->s->q, n = c->s->n, m;
    const double  *z;

    for (int64_t i = 0; i < n; i += NEWTON_BLOCK) {
        m = maas_min(n - i, (int64_t) NEWTON_BLOCK);
        z = c->s->z + i * q;

        newton_turn(c->rows, z, c->h + i, m, q);
        c->kern->dgemm(q, q, m, c->rows, m, z, q, c->part, q);

        for (int64_t j = 0; j < q; j++) {
            for (int64_t l = 0; l < q; l++) {
                to[j * ld + l] += c->part[j * q + l];
            }
        }
    }
}


static void
newton_hessian(newton_t *c)
{
    int64_t  k = c->s->k, q = c->s->q, d = c->d;

    memset(c->hess, 0, (size_t) (d * d) * sizeof(double));

    for (int64_t a = 0; a < k; a++) {
        for (int64_t b = a; b < k; b++) {
            c->s->block(c->s->ctx, a, b, c->h);

            /* LAPACK's upper triangle is the lower one of rows. */
            newton_gram(c, c->hess + b * q * d + a * q, d);
        }
    }

    for (int64_t i = 0; i < d; i++) {
        c->hess[i * d + i] += c->s->penalty[i % q];
    }
}


/* Directions without curvature get a little, more until it is enough. */
static maas_status_t
newton_dense(newton_t *c)
{
    bool     definite = false;
    double   most = 0;
    int64_t  d = c->d;

    for (double damp = 1e-13; damp < 1 && !definite; damp *= 100) {
        newton_hessian(c);

        for (int64_t i = 0; i < d; i++) {
            most = fmax(most, c->hess[i * d + i]);
            c->step[i] = -c->g[i];
        }

        for (int64_t i = 0; i < d; i++) {
            c->hess[i * d + i] += damp * most;
        }

        MAAS_TRY(maas_lapack_solve(c->hess, d, c->step, 1, &definite,
                                   c->s->f->err));
    }

    for (int64_t i = 0; !definite && i < d; i++) {
        c->step[i] = -c->g[i] / fmax(most, DBL_MIN);
    }

    return MAAS_OK;
}


/* -- products ------------------------------------------------------------ */

static void
newton_diagonal(newton_t *c)
{
    double    m;
    int64_t   q = c->s->q, n = c->s->n;
    double   *d;

    memset(c->diag, 0, (size_t) c->d * sizeof(double));

    for (int64_t a = 0; a < c->s->k; a++) {
        d = c->diag + a * q;
        c->s->block(c->s->ctx, a, a, c->h);

        for (int64_t i = 0; i < n; i++) {
            const double  *z = c->s->z + i * q;

            for (int64_t j = 0; j < q; j++) {
                d[j] += c->h[i] * z[j] * z[j];
            }
        }

        for (int64_t j = 0; j < q; j++) {
            d[j] += c->s->penalty[j];
        }
    }

    m = newton_most(c->diag, c->d);

    for (int64_t i = 0; i < c->d; i++) {
        c->diag[i] = fmax(c->diag[i], fmax(1e-13 * m, DBL_MIN));
    }
}


static void
newton_product(newton_t *c, const double *v, double *hv)
{
    newton_scores(c, v);
    c->s->curve(c->s->ctx, c->score, c->r);
    newton_back(c, v, hv);
}


/* Preconditioned conjugate gradients on H step = -g. */
static maas_status_t
newton_products(newton_t *c, double force)
{
    double   *r = c->cg[0], *p = c->cg[1], *hp = c->cg[2], *z = c->cg[3];
    double    rz, next, curve, alpha, goal;
    int64_t   d = c->d;

    newton_diagonal(c);

    for (int64_t i = 0; i < d; i++) {
        c->step[i] = 0;
        r[i] = -c->g[i];
        p[i] = z[i] = r[i] / c->diag[i];
    }

    rz = newton_dot(r, z, d);
    goal = force * force * rz;

    for (int64_t it = 0; it < 2 * d && rz > goal; it++) {
        MAAS_TRY(maas_fit_poll(c->s->f));
        newton_product(c, p, hp);

        curve = newton_dot(p, hp, d);
        if (!(curve > 0)) {
            break;
        }

        alpha = rz / curve;

        for (int64_t i = 0; i < d; i++) {
            c->step[i] += alpha * p[i];
            r[i] -= alpha * hp[i];
            z[i] = r[i] / c->diag[i];
        }

        next = newton_dot(r, z, d);

        for (int64_t i = 0; i < d; i++) {
            p[i] = z[i] + next / rz * p[i];
        }

        rz = next;
    }

    return MAAS_OK;
}


/* -- the loop ------------------------------------------------------------ */

/* Goes down the step; false: nowhere lower. */
static bool
newton_search(newton_t *c, double *w, double *value, double slope)
{
    double  t = 1, v;

    for (int i = 0; i < 60; i++, t *= 0.5) {
        for (int64_t j = 0; j < c->d; j++) {
            c->next[j] = w[j] + t * c->step[j];
        }

        v = newton_value(c, c->next);

        if (v <= *value + NEWTON_ARMIJO * t * slope) {
            *value = v;
            memcpy(w, c->next, (size_t) c->d * sizeof(double));
            newton_back(c, w, c->g);
            return true;
        }
    }

    return false;
}


static maas_status_t
newton_loop(newton_t *c, double *w)
{
    double          first, now, slope, value;
    maas_newton_t  *s = c->s;

    memset(c->next, 0, (size_t) c->d * sizeof(double));
    (void) newton_value(c, c->next);
    newton_back(c, c->next, c->g);
    first = newton_most(c->g, c->d);

    value = newton_value(c, w);
    newton_back(c, w, c->g);

    for (s->iterations = 0; ; s->iterations++) {
        now = newton_most(c->g, c->d);
        s->objective = value;
        s->converged = now <= s->tolerance * first;

        if (s->converged || s->iterations == s->steps) {
            return MAAS_OK;
        }

        MAAS_TRY(maas_fit_poll(s->f));
        MAAS_TRY(c->hess != NULL ? newton_dense(c)
                 : newton_products(c, fmin(0.1, sqrt(now / first))));

        slope = newton_dot(c->g, c->step, c->d);

        /* What is left to gain is less than rounding shows. */
        if (!(-slope > NEWTON_FLOOR * fabs(value))
            || !newton_search(c, w, &value, slope))
        {
            s->converged = -slope <= 1e-9 * fabs(value);
            return MAAS_OK;
        }
    }
}


static maas_status_t
newton_alloc(newton_t *c, maas_arena_t *a)
{
    bool      bad = false, dense = c->d <= NEWTON_DENSE;
    int64_t   n = c->s->n, k = c->s->k, q = c->s->q, d = c->d;

    struct {
        double  **p;
        int64_t   n;
    } list[] = {
        { &c->score, n * k }, { &c->r, n * k }, { &c->wt, d }, { &c->g, d },
        { &c->step, d }, { &c->next, d }, { &c->diag, d }, { &c->h, n },
        { &c->part, dense ? q * q : 0 }, { &c->hess, dense ? d * d : 0 },
        { &c->rows, dense ? q * NEWTON_BLOCK : 0 },
        { &c->cg[0], dense ? 0 : d }, { &c->cg[1], dense ? 0 : d },
        { &c->cg[2], dense ? 0 : d }, { &c->cg[3], dense ? 0 : d }
    };

    for (size_t i = 0; i < maas_nelts(list); i++) {
        if (list[i].n != 0) {
            *list[i].p = maas_arena_array(a, (size_t) list[i].n,
                                          sizeof(double));
            bad = bad || *list[i].p == NULL;
        }
    }

    return bad ? maas_err_nomem(c->s->f->err) : MAAS_OK;
}


maas_status_t
maas_newton_run(maas_newton_t *s, double *w)
{
    newton_t       c = { .s = s, .d = s->k * s->q };
    maas_arena_t   work;
    maas_status_t  rc;

    c.kern = maas_kernels(maas_cpu_host());
    maas_arena_init(&work, s->f->host, 0);

    rc = newton_alloc(&c, &work);

    if (rc == MAAS_OK) {
        rc = newton_loop(&c, w);
    }

    maas_arena_destroy(&work);
    return rc;
}


/* -- designs ------------------------------------------------------------- */

static void
design_stats(const maas_fit_job_t *f, maas_design_t *d)
{
    double    x, *sum = d->scale;
    int64_t   n = f->n, p = f->p;

    for (int pass = 0; pass < 2; pass++) {
        memset(sum, 0, (size_t) p * sizeof(double));

        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < p; j++) {
                sum[j] += f->x[i * p + j] - d->mean[j];
            }
        }

        for (int64_t j = 0; j < p; j++) {
            d->mean[j] += sum[j] / (double) n;
        }
    }

    memset(sum, 0, (size_t) p * sizeof(double));

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < p; j++) {
            x = f->x[i * p + j] - d->mean[j];
            sum[j] += x * x;
        }
    }

    for (int64_t j = 0; j < p; j++) {
        d->scale[j] = sqrt(sum[j] / (double) n);

        if (!(d->scale[j] > 8 * DBL_EPSILON * fabs(d->mean[j]))) {
            d->scale[j] = 0;            /* constant but for rounding */
        }
    }
}


maas_status_t
maas_design_make(const maas_fit_job_t *f, maas_arena_t *scratch,
    bool centre, bool intercept, maas_design_t *d)
{
    double   *z, x;
    int64_t   n = f->n, p = f->p, q = p + intercept;

    d->q = q;
    d->mean = maas_arena_array(scratch, (size_t) p, sizeof(double));
    d->scale = maas_arena_array(scratch, (size_t) p, sizeof(double));
    d->z = maas_arena_array(scratch, (size_t) n * (size_t) q,
                            sizeof(double));

    if (d->mean == NULL || d->scale == NULL || d->z == NULL) {
        return maas_err_nomem(f->err);
    }

    design_stats(f, d);

    for (int64_t j = 0; j < p; j++) {
        d->mean[j] = centre ? d->mean[j] : 0;

        if (d->scale[j] == 0) {
            d->scale[j] = 1;

            if (!centre && f->x[j] != 0) {
                d->scale[j] = fabs(f->x[j]);
            }
        }
    }

    for (int64_t i = 0; i < n; i++) {
        z = d->z + i * q;

        for (int64_t j = 0; j < p; j++) {
            x = f->x[i * p + j] - d->mean[j];
            z[j] = x / d->scale[j];
        }

        if (intercept) {
            z[p] = 1;
        }
    }

    return MAAS_OK;
}


void
maas_design_back(const maas_fit_job_t *f, const maas_design_t *d,
    const double *w, int64_t rows, double *coef, double *intercept)
{
    int64_t  p = f->p;

    for (int64_t r = 0; r < rows; r++) {
        intercept[r] = d->q > p ? w[r * d->q + p] : 0;

        for (int64_t j = 0; j < p; j++) {
            coef[r * p + j] = w[r * d->q + j] / d->scale[j];
            intercept[r] -= coef[r * p + j] * d->mean[j];
        }
    }
}
