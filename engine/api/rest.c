/*
 * rest.c: working memory that no run has used for a while goes back to the
 * system, page by page; the blocks stay where they are, and stay charged to
 * the budgets.  A worker that has had nothing to do holds its images (which
 * all workers share) and little else.
 *
 * Only idle contexts are touched, and only under the lock of their model:
 * a run takes its context out of the list under that lock.  It is held for
 * REST_STEP bytes at a time, since the event loop takes it as well.
 *
 * Ownership: nothing is kept.
 * Threads:   any.
 */

#include <malloc.h>

#include "api/model_priv.h"


#define REST_STEP  ((size_t) 1 << 20)

typedef struct {
    uint64_t  now;
    uint64_t  idle_ns;
    uint64_t  next;             /* ns until another is due; UINT64_MAX */
} rest_t;


/* Bytes that were given back, of a context and of those under it. */
static size_t
rest_forget(maas_run_ctx_t *c)
{
    size_t  bytes = c->rested;

    c->rested = 0;

    for (maas_run_ctx_t *k = c->children; k != NULL; k = k->next) {
        bytes += rest_forget(k);
    }

    return bytes;
}


void
model_ctx_wake(maas_model_t *m, maas_run_ctx_t *c)
{
    if (atomic_load_explicit(&m->rested, memory_order_relaxed) != 0) {
        atomic_fetch_sub(&m->rested, rest_forget(c));
    }
}


/* At most REST_STEP bytes of a context and of those under it. */
static size_t
rest_ctx(maas_run_ctx_t *c)
{
    size_t  bytes = maas_ctx_rest(c, REST_STEP);

    for (maas_run_ctx_t *k = c->children; k != NULL && bytes == 0;
         k = k->next)
    {
        bytes = rest_ctx(k);
    }

    return bytes;
}


static bool
rest_has(const maas_run_ctx_t *c)
{
    bool  has = maas_ctx_pages(c) != 0;

    for (const maas_run_ctx_t *k = c->children; k != NULL && !has;
         k = k->next)
    {
        has = rest_has(k);
    }

    return has;
}


/* A step of the first context that is due; what is not due sets `next`. */
static size_t
rest_plan(maas_plan_t *p, rest_t *r)
{
    size_t           bytes;
    uint64_t         idle;
    maas_run_ctx_t  *c;

    for (c = p->idle; c != NULL; c = c->next) {
        idle = r->now > c->idle_ns ? r->now - c->idle_ns : 0;

        if (idle >= r->idle_ns) {
            bytes = rest_ctx(c);

            if (bytes != 0) {
                return bytes;
            }

        } else if (rest_has(c)) {
            r->next = maas_min(r->next, r->idle_ns - idle);
        }
    }

    return 0;
}


/* True: there may be more; once again, without the lock meanwhile. */
static bool
rest_model(maas_model_t *m, void *arg)
{
    rest_t  *r = arg;
    size_t   bytes = 0;

    pthread_mutex_lock(&m->lock);

    for (maas_plan_t *p = m->plans; p != NULL && bytes == 0; p = p->next) {
        bytes = rest_plan(p, r);
    }

    atomic_fetch_add(&m->rested, bytes);
    pthread_mutex_unlock(&m->lock);

    return bytes != 0;
}


uint64_t
maas_memory_rest(uint64_t idle_ns, bool trim)
{
    rest_t  r = { .now = maas_coarse_ns(), .idle_ns = idle_ns };

    do {
        r.next = UINT64_MAX;
    } while (models_each(rest_model, &r));

    if (r.next != UINT64_MAX) {
        return r.next;
    }

#ifdef __GLIBC__
    /* Its lock would hold up others while there is much to free. */
    if (trim) {
        (void) malloc_trim(0);
    }
#else
    (void) trim;
#endif

    return 0;
}
