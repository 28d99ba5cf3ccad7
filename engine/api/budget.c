/*
 * budget.c: the memory that plans and contexts may take, of a model and of
 * the process.  Shapes are chosen by clients, so every byte counts: a
 * model's plans, their scratch and its contexts come from a host of the
 * model's own, which refuses what a budget does not allow.
 *
 * When a budget is spent, idle contexts give way, then plans; of all models
 * when it is the process's: one model's clients cannot starve another model
 * by leaving memory idle.
 *
 * Ownership: a block has its size in front of it.
 * Threads:   any.  `models_lock` comes before the lock of a model.
 */

#include "api/model_priv.h"


/* In front of a block; keeps malloc's alignment. */
typedef struct {
    size_t  size;
    size_t  pad;
} budget_head_t;

_Static_assert(sizeof(budget_head_t) == 16, "alignment of blocks");

static _Atomic(uint64_t)  memory_budget;
static _Atomic(uint64_t)  memory_used;
static _Atomic(uint64_t)  memory_tick;

static pthread_mutex_t  models_lock = PTHREAD_MUTEX_INITIALIZER;
static maas_model_t    *models;


void
maas_memory_budget(uint64_t bytes)
{
    atomic_store(&memory_budget, bytes);
}


uint64_t
model_tick(void)
{
    return atomic_fetch_add(&memory_tick, 1) + 1;
}


/* -- the host ------------------------------------------------------------ */

/* Takes bytes of both budgets, or none. */
static bool
budget_charge(maas_model_t *m, uint64_t bytes)
{
    uint64_t  budget = atomic_load(&memory_budget);

    if (atomic_fetch_add(&m->memory, bytes) + bytes > m->limits.max_memory) {
        atomic_fetch_sub(&m->memory, bytes);
        return false;
    }

    if (atomic_fetch_add(&memory_used, bytes) + bytes > budget
        && budget != 0)
    {
        atomic_fetch_sub(&memory_used, bytes);
        atomic_fetch_sub(&m->memory, bytes);
        return false;
    }

    return true;
}


static void
budget_return(maas_model_t *m, uint64_t bytes)
{
    atomic_fetch_sub(&m->memory, bytes);
    atomic_fetch_sub(&memory_used, bytes);
}


static void *
budget_alloc(void *ctx, size_t size)
{
    maas_model_t   *m = ctx;
    budget_head_t  *h;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }

    size += sizeof(budget_head_t);

    if (!budget_charge(m, size)) {
        atomic_fetch_add(&m->refused, 1);
        return NULL;
    }

    h = maas_alloc(maas_host_default(), size);

    if (h == NULL) {
        budget_return(m, size);
        return NULL;
    }

    h->size = size;
    return h + 1;
}


static void
budget_free(void *ctx, void *p)
{
    budget_head_t  *h;

    if (p != NULL) {
        h = (budget_head_t *) p - 1;
        budget_return(ctx, h->size);
        maas_free(maas_host_default(), h);
    }
}


void
model_join(maas_model_t *m)
{
    m->host = (maas_host_t) { budget_alloc, budget_free, m };

    pthread_mutex_lock(&models_lock);
    m->next = models;
    models = m;
    pthread_mutex_unlock(&models_lock);
}


void
model_leave(maas_model_t *m)
{
    maas_model_t  **at;

    pthread_mutex_lock(&models_lock);

    for (at = &models; *at != NULL; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }

    pthread_mutex_unlock(&models_lock);
}


bool
models_each(bool (*fn)(maas_model_t *m, void *arg), void *arg)
{
    maas_model_t  *m;

    pthread_mutex_lock(&models_lock);

    for (m = models; m != NULL && !fn(m, arg); m = m->next) { /* void */ }

    pthread_mutex_unlock(&models_lock);
    return m != NULL;
}


/* -- making room --------------------------------------------------------- */

static bool
budget_room(const maas_model_t *m, uint64_t bytes, bool *own)
{
    uint64_t  budget = atomic_load(&memory_budget);

    *own = bytes > m->limits.max_memory
           || atomic_load(&m->memory) > m->limits.max_memory - bytes;

    return !*own && (budget == 0
                     || (bytes <= budget
                         && atomic_load(&memory_used) <= budget - bytes));
}


/* The plan used longest ago that has what is wanted; under the lock. */
static maas_plan_t **
budget_oldest(maas_model_t *m, bool idle)
{
    maas_plan_t  **at, **oldest = NULL;

    for (at = &m->plans; *at != NULL; at = &(*at)->next) {
        if ((!idle || (*at)->idle != NULL)
            && (oldest == NULL || (*at)->used < (*oldest)->used))
        {
            oldest = at;
        }
    }

    return oldest;
}


/* Frees one idle context (idle), or drops one plan; false: it has none. */
static bool
budget_give(maas_model_t *m, bool idle)
{
    maas_plan_t     *p, **at;
    maas_run_ctx_t  *c;

    pthread_mutex_lock(&m->lock);

    at = budget_oldest(m, idle);
    p = at != NULL ? *at : NULL;

    if (p != NULL && idle) {
        c = p->idle;
        p->idle = c->next;
        model_ctx_free(m, c);

    } else if (p != NULL) {
        *at = p->next;
        m->n_plan--;
        model_drop_plan(m, p);
    }

    pthread_mutex_unlock(&m->lock);
    return p != NULL;
}


/* Which model has the oldest; own: only this one may help. */
static bool
budget_give_any(maas_model_t *m, bool own, bool idle)
{
    uint64_t       used = UINT64_MAX;
    maas_plan_t  **at;
    maas_model_t  *from = NULL;

    for (maas_model_t *k = own ? m : models; k != NULL;
         k = own ? NULL : k->next)
    {
        pthread_mutex_lock(&k->lock);

        at = budget_oldest(k, idle);
        if (at != NULL && (*at)->used < used) {
            used = (*at)->used;
            from = k;
        }

        pthread_mutex_unlock(&k->lock);
    }

    return from != NULL && budget_give(from, idle);
}


uint64_t
model_budget(const maas_model_t *m)
{
    uint64_t  budget = atomic_load(&memory_budget);

    return budget == 0 ? m->limits.max_memory
                       : maas_min(budget, m->limits.max_memory);
}


bool
model_reclaim(maas_model_t *m, uint64_t bytes)
{
    bool  own, room;

    /* What can never be had is no reason to throw away what is there. */
    if (bytes > model_budget(m)) {
        return false;
    }

    pthread_mutex_lock(&models_lock);

    do {
        room = budget_room(m, bytes, &own);
    } while (!room && (budget_give_any(m, own, true)
                       || budget_give_any(m, own, false)));

    pthread_mutex_unlock(&models_lock);
    return room;
}


/* -- contexts ------------------------------------------------------------ */

maas_status_t
model_spent(maas_err_t *err)
{
    return maas_err(err, MAAS_ENOMEM, "the working memory for these shapes "
                    "is not to be had now: the budget is spent");
}


void
model_ctx_free(maas_model_t *m, maas_run_ctx_t *c)
{
    model_ctx_wake(m, c);
    maas_ctx_destroy(c, m->src.host);
}


maas_status_t
model_ctx_make(maas_model_t *m, maas_plan_t *p, maas_run_ctx_t *parent,
    uint32_t slots, maas_run_ctx_t **out, maas_err_t *err)
{
    uint64_t       bytes = maas_ctx_bytes(p, slots);
    maas_status_t  rc;

    rc = maas_ctx_create(out, &m->src, p, parent, slots, err);

    if (rc != MAAS_ENOMEM || bytes > UINT64_MAX / 2) {
        return rc;
    }

    /* With what alignment and the head of the block take. */
    if (model_reclaim(m, bytes + 4 * MAAS_ALIGN)) {
        rc = maas_ctx_create(out, &m->src, p, parent, slots, err);
    }

    return rc == MAAS_ENOMEM
           ? maas_err(err, rc, "%llu bytes of working memory are not to be "
                      "had now: the budget is spent",
                      (unsigned long long) bytes)
           : rc;
}
