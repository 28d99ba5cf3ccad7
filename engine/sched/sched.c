/*
 * sched.c: who may start.  A queue and a limit of running calls per model;
 * models take turns; the process runs at most `capacity` calls.  No clock but
 * the argument, no I/O.
 *
 * Ownership: the scheduler owns its models; items are the host's.
 * Threads:   one (the event loop).
 */

#include "base/base.h"
#include "maas.h"


/* Weight of a new service time in the running mean: 1 / 8. */
#define SCHED_SHIFT  3

struct maas_sched_model_s {
    maas_sched_t        *s;
    maas_sched_model_t  *next;          /* ring of models */
    maas_sched_item_t    queue;         /* sentinel; next: oldest */
    uint32_t             queued;
    uint32_t             running;
    uint32_t             max_queue;
    uint32_t             concurrency;
    uint64_t             service_ms;    /* mean of a call, << SCHED_SHIFT */
};

struct maas_sched_s {
    const maas_host_t   *host;
    maas_sched_model_t  *turn;          /* whose turn it is; NULL: none */
    uint32_t             capacity;
    uint32_t             running;
};


maas_sched_t *
maas_sched_create(const maas_host_t *host, uint32_t capacity)
{
    maas_sched_t  *s = maas_calloc(host, 1, sizeof(maas_sched_t));

    if (s != NULL) {
        s->host = host;
        s->capacity = maas_max(capacity, 1u);
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
maas_sched_model(maas_sched_t *s, uint32_t max_queue, uint32_t concurrency)
{
    maas_sched_model_t  *m = maas_calloc(s->host, 1, sizeof(*m));

    if (m == NULL) {
        return NULL;
    }

    m->s = s;
    m->max_queue = max_queue;
    m->concurrency = maas_max(concurrency, 1u);
    m->queue.next = &m->queue;
    m->queue.prev = &m->queue;

    if (s->turn == NULL) {
        m->next = m;
        s->turn = m;
    } else {
        m->next = s->turn->next;
        s->turn->next = m;
    }

    return m;
}


/* Could one more start at once? */
static bool
sched_free(const maas_sched_model_t *m)
{
    return m->queued == 0 && m->running < m->concurrency
           && m->s->running < m->s->capacity;
}


uint32_t
maas_sched_full(const maas_sched_model_t *m)
{
    uint64_t  ms, lanes;

    if (m->queued < m->max_queue || sched_free(m)) {
        return 0;
    }

    /* When half of the queue will be through. */
    lanes = maas_max(maas_min(m->concurrency, m->s->capacity), 1u);
    ms = (m->service_ms >> SCHED_SHIFT) * (m->queued / 2 + 1) / lanes;

    return (uint32_t) maas_max(maas_min((ms + 999) / 1000, (uint64_t) 3600),
                               (uint64_t) 1);
}


maas_status_t
maas_sched_push(maas_sched_model_t *m, maas_sched_item_t *it)
{
    if (maas_sched_full(m) != 0) {
        return MAAS_EBUSY;
    }

    it->model = m;
    it->running = false;
    it->prev = m->queue.prev;
    it->next = &m->queue;
    it->prev->next = it;
    m->queue.prev = it;
    m->queued++;

    return MAAS_OK;
}


static void
sched_unlink(maas_sched_item_t *it)
{
    it->prev->next = it->next;
    it->next->prev = it->prev;
    it->next = NULL;
    it->prev = NULL;
    it->model->queued--;
}


maas_sched_item_t *
maas_sched_next(maas_sched_t *s, uint64_t now_ms)
{
    maas_sched_item_t   *it;
    maas_sched_model_t  *m, *first = s->turn;

    if (first == NULL || s->running >= s->capacity) {
        return NULL;
    }

    m = first;

    do {
        if (m->queued != 0 && m->running < m->concurrency) {
            it = m->queue.next;
            sched_unlink(it);
            it->running = true;
            it->started_ms = now_ms;
            m->running++;
            s->running++;
            s->turn = m->next;
            return it;
        }

        m = m->next;
    } while (m != first);

    return NULL;
}


void
maas_sched_remove(maas_sched_item_t *it, uint64_t now_ms)
{
    uint64_t             ms;
    maas_sched_model_t  *m = it->model;

    if (m == NULL) {
        return;
    }

    if (!it->running) {
        sched_unlink(it);
        it->model = NULL;
        return;
    }

    m->running--;
    m->s->running--;
    it->running = false;
    it->model = NULL;

    ms = now_ms > it->started_ms ? now_ms - it->started_ms : 0;
    m->service_ms += ms - (m->service_ms >> SCHED_SHIFT);
}


uint32_t
maas_sched_queued(const maas_sched_model_t *m)
{
    return m->queued;
}


uint32_t
maas_sched_running(const maas_sched_model_t *m)
{
    return m->running;
}
