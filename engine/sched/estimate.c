/*
 * estimate.c: what runs take and how fast a queue drains, and what follows:
 * whether a request may enter, and when it is worth another try.
 *
 * Times are divided by weights, so that requests of any size feed one
 * figure.  The drain is what passes between the ends of two runs while some
 * wait: it knows of concurrency, of batches, and of other models' turns.
 *
 * Ownership: nothing is kept.
 * Threads:   one (the event loop).
 */

#include "sched/sched.h"


/*
 * The first times are a plain mean, later ones weigh an eighth.  Few say
 * little about requests of another size: the first run of all touches cold
 * memory, so until then a time is multiplied by RATE_FEW at most.
 */
#define RATE_FEW    8
#define RETRY_MAX   3600
#define SLOWER_MAX  4.0         /* of one run; more says little of the next */


uint32_t
sched_level(const maas_sched_model_t *m, const maas_sched_item_t *it)
{
    return it->level == 0 || it->level > m->conf.levels ? m->conf.level
                                                        : it->level;
}


static void
rate_put(sched_rate_t *r, uint64_t us, uint64_t weight)
{
    r->count = maas_min(r->count + 1, (uint32_t) RATE_FEW);
    r->us += ((double) us - r->us) / r->count;
    r->weight += ((double) weight - r->weight) / r->count;
}


static double
rate_us(const sched_rate_t *r, uint64_t weight)
{
    double  times;

    if (r->weight == 0) {
        return 0;
    }

    times = (double) weight / r->weight;

    return r->us * (r->count < RATE_FEW ? maas_min(times, (double) RATE_FEW)
                                        : times);
}


void
sched_measure(maas_sched_model_t *m, const maas_sched_item_t *first,
    uint64_t now_us, bool measured)
{
    double  us;

    if (measured && now_us >= first->started_us) {
        us = rate_us(&m->service, first->run_weight);
        m->slower = us > 0 ? (double) (now_us - first->started_us) / us : 1;
        rate_put(&m->service, now_us - first->started_us, first->run_weight);

        if (m->backlog_us != 0 && now_us >= m->backlog_us) {
            rate_put(&m->drain, now_us - m->backlog_us, first->run_weight);
        }
    }

    m->since_us = now_us;
    m->backlog_us = m->queued != 0 ? now_us : 0;
}


uint64_t
sched_run_us(const maas_sched_model_t *m, uint64_t weight)
{
    double  us = rate_us(&m->service, weight);

    /* Mates that come make the run longer. */
    if (m->conf.max_batch > 1 && us < m->service.us) {
        us = m->service.us;
    }

    return (uint64_t) us;
}


uint64_t
sched_run_most(const maas_sched_model_t *m, uint64_t weight)
{
    double  us = (double) sched_run_us(m, weight);
    double  slower = maas_min(maas_max(m->slower, 1.0), SLOWER_MAX);

    return sched_margin((uint64_t) (us * slower));
}


uint64_t
sched_margin(uint64_t us)
{
    return us + us / 8;
}


/* Until what runs and waits before a request of this level is through. */
static uint64_t
estimate_wait(const maas_sched_model_t *m, uint32_t level, uint64_t now_us)
{
    double    us, left = 0;
    uint64_t  lanes, weight = 0;

    if (m->queued == 0 && m->running < m->conf.concurrency
        && m->s->running < m->s->capacity)
    {
        return 0;
    }

    for (uint32_t i = 0; i < level; i++) {
        weight += m->level[i].weight;
    }

    lanes = maas_min(m->conf.concurrency, m->s->capacity);

    if (m->drain.weight != 0) {
        us = rate_us(&m->drain, weight);
        left = rate_us(&m->drain, m->running_weight);

    } else {
        us = rate_us(&m->service, weight) / (double) lanes;
        left = rate_us(&m->service, m->running_weight) / (double) lanes;
    }

    left -= now_us > m->since_us ? (double) (now_us - m->since_us) : 0;

    return (uint64_t) (us + maas_max(left, 0.0));
}


static uint32_t
estimate_seconds(double us)
{
    return us >= RETRY_MAX * 1e6 ? RETRY_MAX
           : us <= 1e6 ? 1 : (uint32_t) ((us + 999999) / 1e6);
}


/* All of wait and run, with the margin. */
static uint64_t
estimate_end(const maas_sched_model_t *m, const maas_sched_item_t *it,
    uint64_t now_us)
{
    return now_us + sched_margin(estimate_wait(m, sched_level(m, it), now_us)
                                 + sched_run_us(m, it->weight));
}


/*
 * A request of a lower level is passed by all that come within age_us.  Did
 * the level above fill the time until the deadlines by itself, no lower one
 * could ever be admitted: so each leaves a part to those below, the first
 * level most.
 */
uint64_t
sched_reserve(const maas_sched_model_t *m, const maas_sched_item_t *it,
    uint64_t now_us)
{
    uint64_t  left, above = m->conf.levels - 1;

    if (above == 0 || it->deadline_us <= now_us) {
        return 0;
    }

    left = it->deadline_us - now_us;

    return (above + m->conf.levels - sched_level(m, it))
           * maas_min(m->conf.age_us, left / (4 * above));
}


uint32_t
sched_retry(const maas_sched_model_t *m, const maas_sched_item_t *it,
    uint64_t now_us)
{
    uint64_t  end = estimate_end(m, it, now_us);

    return end <= it->deadline_us
           ? 1 : estimate_seconds((double) (end - it->deadline_us));
}


/* When half of the queue will be through. */
static uint32_t
estimate_half(const maas_sched_model_t *m, uint64_t now_us)
{
    return estimate_seconds((double) estimate_wait(m, m->conf.levels, now_us)
                            / 2);
}


maas_status_t
sched_admit(const maas_sched_model_t *m, const maas_sched_item_t *it,
    uint64_t now_us, uint64_t reserve_us, uint32_t *retry)
{
    bool  starts;

    starts = m->queued == 0 && m->running < m->conf.concurrency
             && m->s->running < m->s->capacity;

    if (m->queued >= m->conf.max_queue && !starts) {
        *retry = estimate_half(m, now_us);
        return MAAS_EBUSY;
    }

    if (it->deadline_us == 0 || (m->queued == 0 && m->running == 0)
        || estimate_end(m, it, now_us) + (starts ? 0 : reserve_us)
           <= it->deadline_us)
    {
        return MAAS_OK;
    }

    *retry = sched_retry(m, it, now_us);
    return MAAS_EDEADLINE;
}


/* Its level may not be known yet. */
maas_status_t
maas_sched_admit(const maas_sched_model_t *m, const maas_sched_item_t *it,
    uint64_t now_us, uint32_t *retry)
{
    return sched_admit(m, it, now_us, 0, retry);
}
