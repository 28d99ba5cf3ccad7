/*
 * plancache.c: the plans that a model keeps.
 *
 * Plans are found by a key: the dims of all inputs at the root, the contents
 * that chose it below.  One thread plans at a time in a model (a second one
 * that wants the same plan waits and finds it); look-ups are not held up by
 * planning.
 *
 * A list holds max_plans.  Clients choose shapes, and one that never sends
 * the same twice must not push out the plan of one that does: plans that
 * were used once only, or not for a while, compete for a quarter of a list,
 * the others go by how often they are used, with halving counts, then by
 * when.  A tree of plans (those that contents chose) is bounded as a whole as
 * well.
 *
 * Ownership: the model owns its plans; a caller gets a reference.
 * Threads:   any; see model.c.
 */

#include "api/model_priv.h"


#define CACHE_BELOW    16       /* children in all, for each root plan */
#define CACHE_HALVING  1024     /* evictions */
#define CACHE_STEP     ((uint64_t) 1 << 20)     /* bytes to plan in */
#define CACHE_MOST     ((uint64_t) 1 << 30)


static maas_plan_t *
cache_find(maas_model_t *m, maas_plan_t *parent, const void *key, size_t len)
{
    maas_plan_t  *p;

    pthread_mutex_lock(&m->lock);

    p = parent != NULL ? parent->children : m->plans;

    for ( /* void */ ; p != NULL; p = p->next) {
        if (p->key_len == len && memcmp(p->key, key, len) == 0) {
            p->used = model_tick();
            p->seen_ns = maas_coarse_ns();
            p->hits += p->hits < UINT32_MAX;
            atomic_fetch_add(&p->refs, 1);
            break;
        }
    }

    pthread_mutex_unlock(&m->lock);
    return p;
}


/* -- dropping ------------------------------------------------------------ */

void
model_drop_plan(maas_model_t *m, maas_plan_t *p)
{
    maas_plan_t     *child;
    maas_run_ctx_t  *c;

    p->dropped = true;
    m->n_below -= p->level != 0;

    while ((child = p->children) != NULL) {
        p->children = child->next;
        model_drop_plan(m, child);
    }

    p->n_child = 0;

    while ((c = p->idle) != NULL) {
        p->idle = c->next;
        model_ctx_free(m, c);
    }

    maas_plan_release(p, m->src.host);
}


void
model_prune(maas_model_t *m, maas_run_ctx_t *c)
{
    maas_run_ctx_t  *k, **at = &c->children;

    while ((k = *at) != NULL) {
        if (k->plan->dropped) {
            *at = k->next;
            model_ctx_free(m, k);

        } else {
            model_prune(m, k);
            at = &k->next;
        }
    }
}


/* Idle contexts hold plans below the root as well. */
static void
cache_prune(maas_model_t *m)
{
    for (maas_plan_t *p = m->plans; p != NULL; p = p->next) {
        for (maas_run_ctx_t *c = p->idle; c != NULL; c = c->next) {
            model_prune(m, c);
        }
    }
}


static void
cache_halve(maas_plan_t *p)
{
    for ( /* void */ ; p != NULL; p = p->next) {
        p->hits /= 2;
        cache_halve(p->children);
    }
}


/* Does a give way before b? */
static bool
cache_before(const maas_plan_t *a, const maas_plan_t *b)
{
    return a->hits != b->hits ? a->hits < b->hits : a->used < b->used;
}


/* Who leaves a full list. */
static maas_plan_t **
cache_victim(const maas_model_t *m, maas_plan_t **list)
{
    bool           loose;
    uint32_t       n = 0;
    uint64_t       now = maas_coarse_ns();
    maas_plan_t  **at, **victim = NULL;

    for (at = list; *at != NULL; at = &(*at)->next) {
        if (now - (*at)->seen_ns > m->stale_ns) {
            (*at)->hits = 0;
        }

        n += (*at)->hits == 0;
    }

    loose = n >= maas_max(m->limits.max_plans / 4, 1u);

    for (at = list; *at != NULL; at = &(*at)->next) {
        if (((*at)->hits == 0) == loose
            && (victim == NULL || cache_before(*at, *victim)))
        {
            victim = at;
        }
    }

    return victim != NULL ? victim : list;
}


/* The leaf of the tree that gives way; never a root. */
static maas_plan_t *
cache_leaf(maas_plan_t *p, maas_plan_t *best)
{
    for ( /* void */ ; p != NULL; p = p->next) {
        if (p->children != NULL) {
            best = cache_leaf(p->children, best);

        } else if (p->level != 0
                   && (best == NULL || cache_before(p, best)))
        {
            best = p;
        }
    }

    return best;
}


static void
cache_unlink(maas_model_t *m, maas_plan_t **at, uint32_t *n)
{
    maas_plan_t  *p = *at;

    *at = p->next;
    (*n)--;
    model_drop_plan(m, p);

    if (++m->evicted >= CACHE_HALVING) {
        m->evicted = 0;
        cache_halve(m->plans);
    }
}


/* Room for one more in the list, and in the tree. */
static void
cache_evict(maas_model_t *m, maas_plan_t *parent)
{
    bool           below = parent != NULL;
    uint32_t      *n = below ? &parent->n_child : &m->n_plan;
    maas_plan_t   *leaf, **at, **list;

    list = below ? &parent->children : &m->plans;

    if (*n >= m->limits.max_plans) {
        cache_unlink(m, cache_victim(m, list), n);

    } else if (below && m->n_below / CACHE_BELOW >= m->limits.max_plans) {
        leaf = cache_leaf(m->plans, NULL);

        if (leaf != NULL) {
            for (at = &leaf->parent->children; *at != leaf;
                 at = &(*at)->next) { /* void */ }

            cache_unlink(m, at, &leaf->parent->n_child);
        }

    } else {
        return;
    }

    cache_prune(m);
}


/* -- making -------------------------------------------------------------- */

/* Asks for room and tries again while a budget is what refuses. */
static maas_status_t
cache_build(maas_model_t *m, maas_plan_t *parent, const maas_tensor_t *in,
    const void *key, maas_plan_t **out, maas_err_t *err)
{
    bool           room = true;
    uint64_t       refused, bytes;
    maas_status_t  rc;

    for (bytes = CACHE_STEP; /* void */ ; bytes *= 4) {
        refused = atomic_load(&m->refused);

        rc = parent == NULL ? maas_plan_make(out, &m->src, in, err)
                            : maas_plan_child(out, &m->src, parent, key, err);

        if (rc != MAAS_ENOMEM || atomic_load(&m->refused) == refused) {
            return rc;
        }

        /* Once more when all that can be had was freed. */
        if (!room || bytes > CACHE_MOST) {
            return model_spent(err);
        }

        room = model_reclaim(m, maas_min(bytes, model_budget(m)));
    }
}


static maas_status_t
cache_make(maas_model_t *m, maas_plan_t *parent, const maas_tensor_t *in,
    const void *key, size_t len, maas_plan_t **out, maas_err_t *err)
{
    maas_plan_t  *p, **list;

    MAAS_TRY(cache_build(m, parent, in, key, &p, err));

    p->key = maas_arena_dup(&p->mem, key, maas_max(len, 1u));
    if (p->key == NULL) {
        maas_plan_release(p, m->src.host);
        return model_spent(err);
    }

    p->key_len = len;

    pthread_mutex_lock(&m->lock);
    cache_evict(m, parent);

    /* A parent that was dropped meanwhile lends its child to this run. */
    if (parent == NULL || !parent->dropped) {
        list = parent != NULL ? &parent->children : &m->plans;
        p->next = *list;
        *list = p;
        p->used = model_tick();
        p->seen_ns = maas_coarse_ns();
        atomic_fetch_add(&p->refs, 1);

        if (parent != NULL) {
            parent->n_child++;
            m->n_below++;

        } else {
            m->n_plan++;
        }

    } else {
        /* Nor may it keep children: they hold it, and nobody drops it. */
        p->dropped = true;
    }

    pthread_mutex_unlock(&m->lock);

    *out = p;
    return MAAS_OK;
}


maas_status_t
model_plan(maas_model_t *m, maas_plan_t *parent, const maas_tensor_t *in,
    const void *key, size_t len, maas_plan_t **out, maas_err_t *err)
{
    maas_status_t  rc = MAAS_OK;

    *out = cache_find(m, parent, key, len);

    if (*out != NULL) {
        return MAAS_OK;
    }

    pthread_mutex_lock(&m->planning);

    *out = cache_find(m, parent, key, len);

    if (*out == NULL) {
        rc = cache_make(m, parent, in, key, len, out, err);
    }

    pthread_mutex_unlock(&m->planning);
    return rc;
}
