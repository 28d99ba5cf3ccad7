/*
 * fit_newton.c: see fit_newton.h.
 *
 * One pass over the rows, block by block while the cache holds them, gives
 * scores, losses, the gradient and, of small problems, the Hessian.
 *
 * Ownership: work memory ends with the call.
 * Threads:   the job's, for passes; sums of parts in their order.
 * Ranks:     all hold the same sums and steps, so all take the same turns.
 */

#include <float.h>
#include <math.h>

#include "kernels/knear.h"
#include "train/fit_newton.h"
#include "train/fit_rows.h"
#include "train/lapack.h"


#define NEWTON_DENSE   320          /* unknowns with a whole Hessian */
#define NEWTON_ARMIJO  1e-4
#define NEWTON_FLOOR   1e-15        /* of the objective: no more to gain */

typedef enum {
    NEWTON_VALUE = 0,               /* loss, gradient, Hessian if dense */
    NEWTON_DIAGONAL,
    NEWTON_PRODUCT                  /* of the Hessian with a vector */
} newton_pass_t;

typedef struct {
    maas_newton_t         *s;
    maas_fit_rows_t        rows;
    maas_near_pt           near;
    newton_pass_t          pass;
    int64_t                d;           /* unknowns: k * q */
    int64_t                ld;          /* of z: q, padded */
    int64_t                kp;          /* k, padded */
    int64_t                pairs;       /* of classes, of the Hessian */
    double                *wt;          /* k 1: w; panels of knear.h */
    double                *g;           /* d, the gradient */
    double                *step;
    double                *next;
    double                *diag;
    double                *hess;        /* d x d; NULL: products */
    double                *loss;        /* [parts] */
    double                *back;        /* [parts][kp][ld] */
    double                *pair;        /* [parts][pairs][ld][ld] */
    double                *block;       /* [slots], see newton_part() */
    double                *cg[4];       /* residual, direction, hd, z */
} newton_t;


static double
newton_most(const double *a, int64_t n)
{
    double  m = 0;

    for (int64_t i = 0; i < n; i++) {
        m = fmax(m, fabs(a[i]));
    }

    return m;
}


/* -- passes -------------------------------------------------------------- */

/* diag(h) summed over a block of rows, for each class. */
static void
newton_squares(newton_t *c, const double *z, int64_t first, int64_t m,
    double *h, double *back)
{
    double  *d;

    for (int64_t a = 0; a < c->s->k; a++) {
        d = back + a * c->ld;
        c->s->block(c->s->ctx, first, m, a, a, h);

        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < c->ld; j++) {
                d[j] += h[i] * z[i * c->ld + j] * z[i * c->ld + j];
            }
        }
    }
}


/* z' diag(h) z of every pair of classes. */
static void
newton_pairs(newton_t *c, const double *z, int64_t first, int64_t m,
    double *h, double *pair)
{
    maas_fit_product_t  p = {
        .g = pair, .ldg = c->ld, .a = z, .lda = c->ld, .ni = c->ld, .b = z,
        .ldb = c->ld, .nj = c->ld, .h = h, .m = m, .upper = true
    };

    for (int64_t a = 0; a < c->s->k; a++) {
        for (int64_t b = a; b < c->s->k; b++, p.g += c->ld * c->ld) {
            c->s->block(c->s->ctx, first, m, a, b, h);
            c->rows.k->products(&p);
        }
    }
}


/* Scratch of a slot: scores and derivatives of a block, and h. */
static int64_t
newton_block(const newton_t *c)
{
    return MAAS_FIT_ROWS * (2 * c->kp + 1);
}


static maas_status_t
newton_part(void *arg, int slot, int64_t part)
{
    double              *score, *r, *h, *back, *pair;
    int64_t              m, last, i;
    newton_t            *c = arg;
    const double        *z;
    maas_newton_t       *s = c->s;
    maas_fit_product_t   p;

    score = c->block + slot * newton_block(c);
    r = score + MAAS_FIT_ROWS * c->kp;
    h = r + MAAS_FIT_ROWS * c->kp;
    back = c->back + part * c->kp * c->ld;
    pair = c->pair != NULL ? c->pair + part * c->pairs * c->ld * c->ld : NULL;
    last = maas_fit_rows_at(&c->rows, part + 1);

    memset(back, 0, (size_t) (c->kp * c->ld) * sizeof(double));

    if (c->pass == NEWTON_VALUE && pair != NULL) {
        memset(pair, 0, (size_t) (c->pairs * c->ld * c->ld) * sizeof(double));
    }

    c->loss[part] = 0;

    for (i = maas_fit_rows_at(&c->rows, part); i < last; i += m) {
        m = maas_min(last - i, (int64_t) MAAS_FIT_ROWS);
        z = s->z + i * c->ld;

        if (c->pass == NEWTON_DIAGONAL) {
            newton_squares(c, z, i, m, h, back);
            continue;
        }

        if (s->k == 1) {
            c->rows.k->dots(score, c->kp, z, m, c->ld, c->wt);

        } else {
            c->near(score, c->kp, z, m, c->ld, c->wt,
                    c->kp / MAAS_NEAR_PANEL);
        }

        if (c->pass == NEWTON_VALUE) {
            c->loss[part] += s->loss(s->ctx, i, m, score, r, c->kp);

        } else {
            s->curve(s->ctx, i, m, score, r, c->kp);
        }

        p = (maas_fit_product_t) {
            .g = back, .ldg = c->ld, .a = r, .lda = c->kp, .ni = c->kp,
            .b = z, .ldb = c->ld, .nj = c->ld, .m = m
        };
        c->rows.k->products(&p);

        if (c->pass == NEWTON_VALUE && c->pairs != 0) {
            newton_pairs(c, z, i, m, h, pair);
        }
    }

    return MAAS_OK;
}


/* to = what a pass sums at w, with the penalty's part of it. */
static maas_status_t
newton_pass(newton_t *c, newton_pass_t pass, const double *w, double *to)
{
    int64_t  k = c->s->k, q = c->s->q;

    for (int64_t i = 0; pass != NEWTON_DIAGONAL && i < k * q; i++) {
        if (k == 1) {
            c->wt[i] = w[i];
            continue;
        }

        c->wt[i / q / MAAS_NEAR_PANEL * c->ld * MAAS_NEAR_PANEL
              + i % q * MAAS_NEAR_PANEL + i / q % MAAS_NEAR_PANEL] = w[i];
    }

    c->pass = pass;
    MAAS_TRY(maas_fit_rows_run(&c->rows, newton_part, c));
    maas_fit_rows_add(&c->rows, c->back, c->kp * c->ld);

    for (int64_t i = 0; i < k * q; i++) {
        to[i] = c->back[i / q * c->ld + i % q]
                + c->s->penalty[i % q]
                  * (pass == NEWTON_DIAGONAL ? 1 : w[i]);
    }

    return MAAS_OK;
}


/* The objective at w; the gradient goes to g. */
static maas_status_t
newton_value(newton_t *c, const double *w, double *g, double *value)
{
    double  v = 0;

    MAAS_TRY(newton_pass(c, NEWTON_VALUE, w, g));
    maas_fit_rows_share(&c->rows, c->loss, 1);

    for (int64_t part = 0; part < c->rows.parts; part++) {
        v += c->loss[part];
    }

    for (int64_t i = 0; i < c->d; i++) {
        v += 0.5 * c->s->penalty[i % c->s->q] * w[i] * w[i];
    }

    *value = v;
    return MAAS_OK;
}


/* -- the whole Hessian --------------------------------------------------- */

/* From the last pass; LAPACK's upper triangle is the lower one of rows. */
static void
newton_hessian(newton_t *c)
{
    double         v;
    int64_t        k = c->s->k, q = c->s->q, d = c->d, ld = c->ld;
    const double  *g = c->pair;

    for (int64_t a = 0; a < k; a++) {
        for (int64_t b = a; b < k; b++, g += ld * ld) {
            for (int64_t i = 0; i < q; i++) {
                for (int64_t j = 0; j < q; j++) {
                    v = g[maas_min(i, j) * ld + maas_max(i, j)];
                    c->hess[(b * q + i) * d + a * q + j] = v;
                }
            }
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

    maas_fit_rows_add(&c->rows, c->pair, c->pairs * c->ld * c->ld);

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

    /* Where machines differ their LAPACKs may; all go the same way. */
    MAAS_TRY(maas_ranks_meet(c->s->f->ranks, MAAS_OK, NULL, 0,
                             c->s->f->err));
    maas_ranks_share(c->s->f->ranks, 0, c->step,
                     (size_t) d * sizeof(double));

    return MAAS_OK;
}


/* -- products ------------------------------------------------------------ */

static maas_status_t
newton_diagonal(newton_t *c)
{
    double  m;

    MAAS_TRY(newton_pass(c, NEWTON_DIAGONAL, NULL, c->diag));
    m = newton_most(c->diag, c->d);

    for (int64_t i = 0; i < c->d; i++) {
        c->diag[i] = fmax(c->diag[i], fmax(1e-13 * m, DBL_MIN));
    }

    return MAAS_OK;
}


/* Preconditioned conjugate gradients on H step = -g. */
static maas_status_t
newton_products(newton_t *c, double force)
{
    double   *r = c->cg[0], *p = c->cg[1], *hp = c->cg[2], *z = c->cg[3];
    double    rz, next, curve, alpha, goal;
    int64_t   d = c->d;

    MAAS_TRY(newton_diagonal(c));

    for (int64_t i = 0; i < d; i++) {
        c->step[i] = 0;
        r[i] = -c->g[i];
        p[i] = z[i] = r[i] / c->diag[i];
    }

    rz = maas_fit_dot(r, z, d);
    goal = force * force * rz;

    for (int64_t it = 0; it < 2 * d && rz > goal; it++) {
        MAAS_TRY(maas_fit_poll(c->s->f));
        MAAS_TRY(newton_pass(c, NEWTON_PRODUCT, p, hp));

        curve = maas_fit_dot(p, hp, d);
        if (!(curve > 0)) {
            break;
        }

        alpha = rz / curve;

        for (int64_t i = 0; i < d; i++) {
            c->step[i] += alpha * p[i];
            r[i] -= alpha * hp[i];
            z[i] = r[i] / c->diag[i];
        }

        next = maas_fit_dot(r, z, d);

        for (int64_t i = 0; i < d; i++) {
            p[i] = z[i] + next / rz * p[i];
        }

        rz = next;
    }

    return MAAS_OK;
}


/* -- the loop ------------------------------------------------------------ */

/* Goes down the step; *lower false: nowhere lower. */
static maas_status_t
newton_search(newton_t *c, double *w, double *value, double slope,
    bool *lower)
{
    double  t = 1, v, *g = c->diag;

    *lower = false;

    for (int i = 0; i < 60 && !*lower; i++, t *= 0.5) {
        for (int64_t j = 0; j < c->d; j++) {
            c->next[j] = w[j] + t * c->step[j];
        }

        MAAS_TRY(newton_value(c, c->next, g, &v));

        if (v <= *value + NEWTON_ARMIJO * t * slope) {
            *value = v;
            *lower = true;
            memcpy(w, c->next, (size_t) c->d * sizeof(double));
            memcpy(c->g, g, (size_t) c->d * sizeof(double));
        }
    }

    return MAAS_OK;
}


/* The largest derivative at 0, to which others are compared. */
static maas_status_t
newton_start(newton_t *c, const double *w, double *first, double *value)
{
    MAAS_TRY(newton_value(c, w, c->g, value));
    *first = newton_most(c->g, c->d);

    if (newton_most(w, c->d) == 0) {
        return MAAS_OK;
    }

    memset(c->next, 0, (size_t) c->d * sizeof(double));
    MAAS_TRY(newton_value(c, c->next, c->g, value));
    *first = newton_most(c->g, c->d);

    return newton_value(c, w, c->g, value);
}


static maas_status_t
newton_loop(newton_t *c, double *w)
{
    bool            lower = true;
    double          first, now, slope, value;
    maas_newton_t  *s = c->s;

    MAAS_TRY(newton_start(c, w, &first, &value));

    for (s->iterations = 0; ; s->iterations++) {
        now = newton_most(c->g, c->d);
        s->objective = value;
        s->converged = now <= s->tolerance * first;

        if (s->converged || s->iterations == s->steps) {
            return MAAS_OK;
        }

        MAAS_TRY(c->hess != NULL ? newton_dense(c)
                 : newton_products(c, fmin(0.1, sqrt(now / first))));

        slope = maas_fit_dot(c->g, c->step, c->d);

        /* What is left to gain is less than rounding shows. */
        if (!(-slope > NEWTON_FLOOR * fabs(value))) {
            lower = false;

        } else {
            MAAS_TRY(newton_search(c, w, &value, slope, &lower));
        }

        if (!lower) {
            s->converged = -slope <= 1e-9 * fabs(value);
            return MAAS_OK;
        }
    }
}


static maas_status_t
newton_alloc(newton_t *c, maas_arena_t *a)
{
    bool      bad = false, dense = c->d <= NEWTON_DENSE;
    int64_t   d = c->d, ld = c->ld, parts, k = c->s->k;

    c->pairs = dense ? k * (k + 1) / 2 : 0;
    maas_fit_rows_limit(&c->rows, c->pairs * ld * ld + c->kp * ld);
    parts = c->rows.parts;

    struct {
        double  **p;
        int64_t   n;
    } list[] = {
        { &c->wt, c->kp * ld }, { &c->g, d }, { &c->step, d },
        { &c->next, d }, { &c->diag, d }, { &c->loss, parts },
        { &c->back, parts * c->kp * ld },
        { &c->pair, parts * c->pairs * ld * ld },
        { &c->block, c->rows.crew.slots * newton_block(c) },
        { &c->hess, dense ? d * d : 0 },
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
    newton_t       c = { .s = s, .d = s->k * s->q,
                         .ld = maas_fit_pad(s->q),
                         .kp = maas_fit_pad(s->k) };
    maas_arena_t   work;
    maas_status_t  rc;

    c.near = maas_near_kernel(maas_kernels(maas_cpu_host()));
    maas_arena_init(&work, s->f->host, 0);
    maas_fit_rows_begin(&c.rows, s->f);

    rc = newton_alloc(&c, &work);

    if (rc == MAAS_OK) {
        rc = newton_loop(&c, w);
    }

    maas_fit_rows_end(&c.rows);
    maas_arena_destroy(&work);
    return rc;
}
