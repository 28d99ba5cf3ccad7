/*
 * fit_design.c: the z of fit_newton.h: features that are centred and scaled,
 * with a column of ones.
 *
 * Ownership: the scratch arena given.
 * Threads:   the job's, for passes over the rows.
 */

#include <math.h>

#include "train/fit_newton.h"
#include "train/fit_rows.h"


typedef struct {
    maas_fit_rows_t   rows;
    maas_design_t    *d;
    const double     *mean;
    const double     *by;           /* 1 / scale */
} design_t;


static maas_status_t
design_part(void *arg, int slot, int64_t part)
{
    double                *z;
    int64_t                first, last;
    design_t              *c = arg;
    const maas_fit_job_t  *f = c->rows.f;

    (void) slot;

    first = maas_fit_rows_at(&c->rows, part);
    last = maas_fit_rows_at(&c->rows, part + 1);
    z = c->d->z + first * c->d->ld;

    c->rows.k->centre(z, c->d->ld, f->x + first * f->p, last - first, f->p,
                      c->mean, c->by, NULL);

    for (int64_t i = first; c->d->q > f->p && i < last; i++) {
        c->d->z[i * c->d->ld + f->p] = 1;
    }

    return MAAS_OK;
}


static maas_status_t
design_rows(design_t *c, maas_arena_t *scratch, bool centre, double *by)
{
    maas_design_t         *d = c->d;
    const maas_fit_job_t  *f = c->rows.f;

    MAAS_TRY(maas_fit_rows_means(&c->rows, scratch, f->x, f->p, NULL,
                                 d->mean, d->scale));

    for (int64_t j = 0; j < f->p; j++) {
        if (maas_fit_constant(d->mean[j], d->scale[j])) {
            d->scale[j] = !centre && f->x[j] != 0 ? fabs(f->x[j]) : 1;
        }

        d->mean[j] = centre ? d->mean[j] : 0;
        by[j] = 1 / d->scale[j];
    }

    c->mean = d->mean;
    c->by = by;

    return maas_fit_rows_each(&c->rows, design_part, c);
}


maas_status_t
maas_design_make(const maas_fit_job_t *f, maas_arena_t *scratch,
    bool centre, bool intercept, maas_design_t *d)
{
    double         *by;
    int64_t         p = f->p;
    design_t        c = { .d = d };
    maas_status_t   rc;

    d->q = p + intercept;
    d->ld = maas_fit_pad(d->q);
    d->mean = maas_arena_array(scratch, (size_t) p, sizeof(double));
    d->scale = maas_arena_array(scratch, (size_t) p, sizeof(double));
    d->z = maas_arena_array(scratch, (size_t) f->n,
                            (size_t) d->ld * sizeof(double));
    by = maas_arena_array(scratch, (size_t) p, sizeof(double));

    if (d->mean == NULL || d->scale == NULL || d->z == NULL || by == NULL) {
        return maas_err_nomem(f->err);
    }

    maas_fit_rows_begin(&c.rows, f);
    rc = design_rows(&c, scratch, centre, by);
    maas_fit_rows_end(&c.rows);

    return rc;
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
