/*
 * sched.c: who may start, and with whom.  A queue for each level of each
 * model; models take turns; the process has at most `capacity` runs.  What
 * is known of times is in estimate.c.  No clock but the argument, no I/O.
 *
 * Ownership: the scheduler owns its models; items are the host's.
 * Threads:   one (the event loop).
 */

#include "sched/sched.h"


maas_sched_t *
maas_sched_create(const maas_host_t *host, uint32_t capacity)
{
    maas_sched_t  *s = maas_calloc(host, 1, sizeof(maas_sched_t));

    if (s != NULL) {
        s->host = host;
        s->capacity = maas_max(capacity, 1u);
        s->late.next = &s->late;
        s->late.prev = &s->late;
    }

    return s;
}


void
maas_sched_destroy(maas_sched_t *s)
{
    maas_sched_model_t  *m, *next, *first;

    if (s == NULL) {
        return;
    }

    first = s->turn;

    for (m = first; m != NULL; m = next) {
        next = m->next == first ? NULL : m->next;
        maas_free(s->host, m);
    }

    maas_free(s->host, s);
}


maas_sched_model_t *
maas_sched_model(maas_sched_t *s, const maas_sched_conf_t *conf)
{
    maas_sched_conf_t   *c;
    maas_sched_model_t  *m = maas_calloc(s->host, 1, sizeof(*m));

    if (m == NULL) {
        return NULL;
    }

    m->s = s;
    m->conf = *conf;

    c = &m->conf;
    c->concurrency = maas_max(c->concurrency, 1u);
    c->max_batch = maas_max(c->max_batch, 1u);
    c->levels = maas_min(maas_max(c->levels, 1u), MAAS_SCHED_LEVELS);
    c->n_preferred = maas_min(c->n_preferred, MAAS_SCHED_PREFERRED);

    if (c->level == 0 || c->level > c->levels) {
        c->level = (c->levels + 1) / 2;
    }

    for (uint32_t i = 0; i < MAAS_SCHED_LEVELS; i++) {
        m->level[i].queue.next = &m->level[i].queue;
        m->level[i].queue.prev = &m->level[i].queue;
    }

    if (s->turn == NULL) {
        m->next = m;
        s->turn = m;
    } else {
        m->next = s->turn->next;
        s->turn->next = m;
    }

    return m;
}


/* -- the queue ----------------------------------------------------------- */

static void
sched_append(maas_sched_item_t *queue, maas_sched_item_t *it)
{
    it->prev = queue->prev;
    it->next = queue;
    it->prev->next = it;
    queue->prev = it;
}


static void
sched_detach(maas_sched_item_t *it)
{
    it->prev->next = it->next;
    it->next->prev = it->prev;
    it->next = NULL;
    it->prev = NULL;
}


static void
sched_unlink(maas_sched_item_t *it)
{
    maas_sched_model_t  *m = it->model;

    sched_detach(it);
    m->queued--;
    m->level[it->level - 1].weight -= it->weight;
}


maas_status_t
maas_sched_push(maas_sched_model_t *m, maas_sched_item_t *it,
    uint64_t now_us, uint32_t *retry)
{
    it->weight = maas_max(it->weight, (uint64_t) 1);
    it->level = sched_level(m, it);

    MAAS_TRY(sched_admit(m, it, now_us, sched_reserve(m, it, now_us),
                         retry));

    it->model = m;
    it->mate = NULL;
    it->running = false;
    it->run_weight = 0;
    it->queued_us = now_us;

    sched_append(&m->level[it->level - 1].queue, it);
    m->level[it->level - 1].weight += it->weight;
    m->queued++;

    return MAAS_OK;
}


/* An item counts as one that came so late. */
static uint64_t
sched_key(const maas_sched_item_t *it)
{
    return it->queued_us + (it->level - 1) * it->model->conf.age_us;
}


/* A walk over all levels in the order of service. */
typedef struct {
    maas_sched_item_t  *at[MAAS_SCHED_LEVELS];
} sched_walk_t;


static void
sched_walk(maas_sched_model_t *m, sched_walk_t *w)
{
    for (uint32_t i = 0; i < m->conf.levels; i++) {
        w->at[i] = m->level[i].queue.next;
    }
}


static maas_sched_item_t *
sched_step(maas_sched_model_t *m, sched_walk_t *w)
{
    uint32_t            best = 0;
    maas_sched_item_t  *it = NULL;

    for (uint32_t i = 0; i < m->conf.levels; i++) {
        if (w->at[i] != &m->level[i].queue
            && (it == NULL || sched_key(w->at[i]) < sched_key(it)))
        {
            it = w->at[i];
            best = i;
        }
    }

    if (it != NULL) {
        w->at[best] = it->next;
    }

    return it;
}


/*
 * Can its deadline no longer be met?  The last one of an idle model runs in
 * any case: else an estimate that is too high would never be mended.  When a
 * whole run of others waits, its place is not for one that may be late: when
 * the machine gets slower, all at the head of the queue are close to that.
 */
static bool
sched_doomed(maas_sched_model_t *m, const maas_sched_item_t *it,
    uint64_t now_us)
{
    if (it->deadline_us == 0 || (m->running == 0 && m->queued == 1)) {
        return false;
    }

    return now_us + (m->queued > m->conf.max_batch
                     ? sched_run_most(m, it->weight)
                     : sched_run_us(m, it->weight))
           > it->deadline_us;
}


/* The next one in the order of service that is not late. */
static maas_sched_item_t *
sched_take(maas_sched_model_t *m, sched_walk_t *w, uint64_t now_us)
{
    maas_sched_item_t  *it;

    while ((it = sched_step(m, w)) != NULL) {
        if (!sched_doomed(m, it, now_us)) {
            return it;
        }

        sched_unlink(it);
        sched_append(&m->s->late, it);
    }

    return NULL;
}


maas_sched_item_t *
maas_sched_late(maas_sched_t *s, uint64_t now_us, uint32_t *retry)
{
    maas_sched_item_t  *it = s->late.next;

    if (it == &s->late) {
        return NULL;
    }

    sched_detach(it);
    *retry = sched_retry(it->model, it, now_us);
    it->model = NULL;

    return it;
}


/* -- a run --------------------------------------------------------------- */

/* Members so far, linked by mate. */
typedef struct {
    maas_sched_item_t  *first, *last;
    maas_sched_item_t  *cut;            /* last one of a preferred size */
    uint64_t            rows;
    uint64_t            longest;        /* of those with a length */
    uint64_t            own;            /* sum of rows x length */
    uint64_t            weight;
    uint64_t            oldest_us;
    uint64_t            due_us;         /* least deadline of the members */
    bool                full;
} sched_run_t;


static void
sched_join(const maas_sched_conf_t *c, sched_run_t *r, maas_sched_item_t *it)
{
    it->mate = NULL;

    if (r->first == NULL) {
        r->first = it;
    } else {
        r->last->mate = it;
    }

    r->last = it;
    r->rows += it->rows;
    r->longest = maas_max(r->longest, (uint64_t) it->length);
    r->own += (uint64_t) it->rows * it->length;
    r->weight += it->weight;
    r->oldest_us = maas_min(r->oldest_us, it->queued_us);

    if (it->deadline_us != 0) {
        r->due_us = maas_min(r->due_us, it->deadline_us);
    }

    for (uint32_t i = 0; i < c->n_preferred; i++) {
        if (c->preferred[i] == r->rows) {
            r->cut = it;
        }
    }

    r->full = r->rows >= c->max_batch;
}


/* Would padding to the longest be too much with this one? */
static bool
sched_wastes(const sched_run_t *r, const maas_sched_item_t *it)
{
    uint64_t  own, longest;

    if (it->length == 0) {
        return false;
    }

    own = r->own + (uint64_t) it->rows * it->length;
    longest = maas_max(r->longest, (uint64_t) it->length);

    return (double) longest * (double) (r->rows + it->rows) * 100
           > (double) own * it->percent;
}


/* The first of the queue and those that may run with it. */
static void
sched_gather(maas_sched_model_t *m, sched_run_t *r, uint64_t now_us)
{
    sched_walk_t               w;
    maas_sched_item_t         *it;
    const maas_sched_conf_t   *c = &m->conf;

    memset(r, 0, sizeof(*r));
    r->oldest_us = UINT64_MAX;
    r->due_us = UINT64_MAX;

    sched_walk(m, &w);

    while (!r->full && (it = sched_take(m, &w, now_us)) != NULL) {

        if (r->first == NULL) {
            sched_join(c, r, it);
            r->full |= it->kind == 0;

        } else if (it->kind == r->first->kind) {

            /* One that does not fit leads the next run. */
            if (r->rows + it->rows > c->max_batch) {
                r->full = true;

            } else if (!sched_wastes(r, it)) {
                sched_join(c, r, it);
            }
        }
    }
}


/* When the run has to start; now or before: at once. */
static uint64_t
sched_start_us(maas_sched_model_t *m, const sched_run_t *r)
{
    uint64_t  at, run;

    if (r->full || r->cut != NULL) {
        return 0;
    }

    at = r->oldest_us + m->conf.delay_us;

    if (r->due_us != UINT64_MAX) {
        run = sched_margin(sched_run_us(m, r->weight));
        at = maas_min(at, r->due_us > run ? r->due_us - run : 0);
    }

    return at;
}


static maas_sched_item_t *
sched_start(maas_sched_model_t *m, sched_run_t *r, uint64_t now_us)
{
    uint64_t            weight = 0;
    maas_sched_item_t  *it;

    if (r->cut != NULL) {
        r->cut->mate = NULL;
    }

    for (it = r->first; it != NULL; it = it->mate) {
        sched_unlink(it);
        it->running = true;
        it->started_us = now_us;
        weight += it->weight;
    }

    r->first->run_weight = weight;

    if (m->running == 0) {
        m->since_us = now_us;
    }

    m->running++;
    m->running_weight += weight;
    m->s->running++;
    m->s->turn = m->next;

    return r->first;
}


maas_sched_item_t *
maas_sched_next(maas_sched_t *s, uint64_t now_us, uint64_t *wake_us)
{
    uint64_t             at;
    sched_run_t          r;
    maas_sched_model_t  *m, *first = s->turn;

    *wake_us = MAAS_SCHED_NEVER;

    if (first == NULL || s->running >= s->capacity) {
        return NULL;
    }

    m = first;

    do {
        if (m->queued != 0 && m->running < m->conf.concurrency) {
            sched_gather(m, &r, now_us);

            if (r.first != NULL) {
                at = sched_start_us(m, &r);

                if (at <= now_us) {
                    return sched_start(m, &r, now_us);
                }

                *wake_us = maas_min(*wake_us, at);
            }
        }

        m = m->next;
    } while (m != first);

    return NULL;
}


void
maas_sched_remove(maas_sched_item_t *it, uint64_t now_us, bool measured)
{
    maas_sched_model_t  *m = it->model;

    if (m == NULL) {
        return;
    }

    if (!it->running) {
        sched_unlink(it);
        it->model = NULL;
        return;
    }

    it->running = false;
    it->model = NULL;

    if (it->run_weight == 0) {
        return;
    }

    m->running--;
    m->running_weight -= it->run_weight;
    m->s->running--;
    sched_measure(m, it, now_us, measured);
    it->run_weight = 0;
}
