/*
 * crew.c: the threads of a fit: units are handed out one by one, as trees
 * differ in size.
 *
 * Ownership: the lease is the crew's until end().
 * Threads:   as crew.h says.
 */

#include "train/crew.h"


#define CREW_FP  0x1f80         /* round to nearest, denormals kept */

typedef struct {
    maas_crew_t      *c;
    maas_crew_pt      fn;
    void             *arg;
    int64_t           units;
    uint64_t          base;
    uint64_t          of;
    _Atomic(int64_t)  next;
    _Atomic(int64_t)  done;
    _Atomic(int)      failed;
    atomic_flag       telling;
} crew_run_t;


static unsigned
crew_fp(void)
{
    unsigned  saved = maas_fp_enter();

    maas_fp_leave(CREW_FP);
    return saved;
}


void
maas_crew_begin(maas_crew_t *c, const maas_fit_job_t *f)
{
    c->f = f;
    c->lease = f->threads > 1 ? maas_lease_begin(f->team) : NULL;
    c->slots = c->lease == NULL ? 1
               : maas_min(f->threads, maas_team_threads(f->team));
    c->fp = crew_fp();
}


void
maas_crew_end(maas_crew_t *c)
{
    maas_lease_end(c->lease);
    c->lease = NULL;
    maas_fp_leave(c->fp);
}


static bool
crew_cancelled(const maas_crew_t *c)
{
    const atomic_bool  *cancel = c->f->cancel;

    return cancel != NULL
           && atomic_load_explicit(cancel, memory_order_relaxed);
}


/* One at a time; who finds another at it leaves it to the next unit. */
static void
crew_tell(crew_run_t *r)
{
    const maas_fit_job_t  *f = r->c->f;

    if (r->of == 0 || f->progress == NULL
        || atomic_flag_test_and_set(&r->telling))
    {
        return;
    }

    f->progress(f->progress_ctx, r->base + (uint64_t) atomic_load(&r->done),
                r->of);
    atomic_flag_clear(&r->telling);
}


static void
crew_slot(crew_run_t *r, int slot)
{
    int64_t        i;
    maas_status_t  rc;

    while (atomic_load_explicit(&r->failed, memory_order_relaxed) == MAAS_OK) {
        i = atomic_fetch_add(&r->next, 1);
        if (i >= r->units) {
            break;
        }

        rc = crew_cancelled(r->c) ? MAAS_ECANCEL : r->fn(r->arg, slot, i);

        if (rc != MAAS_OK) {
            atomic_store(&r->failed, rc);
            break;
        }

        atomic_fetch_add(&r->done, 1);
        crew_tell(r);
    }
}


static void
crew_chunk(void *arg, int member, int64_t first, int64_t last)
{
    unsigned     fp = crew_fp();
    crew_run_t  *r = arg;

    (void) member;

    for (int64_t s = first; s < last; s++) {
        crew_slot(r, (int) s);
    }

    maas_fp_leave(fp);
}


maas_status_t
maas_crew_run(maas_crew_t *c, maas_crew_pt fn, void *arg, int64_t units,
    uint64_t base, uint64_t of)
{
    int         rc;
    crew_run_t  r = { .c = c, .fn = fn, .arg = arg, .units = units,
                      .base = base, .of = of,
                      .telling = ATOMIC_FLAG_INIT };

    if (c->lease == NULL || units < 2) {
        crew_slot(&r, 0);

    } else {
        maas_lease_run(c->lease, crew_chunk, &r,
                       maas_min(units, (int64_t) c->slots));
    }

    rc = atomic_load(&r.failed);

    switch (rc) {
    case MAAS_OK:
        return MAAS_OK;
    case MAAS_ENOMEM:
        return maas_err_nomem(c->f->err);
    case MAAS_ECANCEL:
        return maas_err(c->f->err, MAAS_ECANCEL, "the fit was stopped");
    default:
        return maas_err(c->f->err, (maas_status_t) rc, "the fit failed");
    }
}


maas_status_t
maas_crew_poll(const maas_crew_t *c)
{
    return crew_cancelled(c)
           ? maas_err(c->f->err, MAAS_ECANCEL, "the fit was stopped")
           : MAAS_OK;
}
