/*
 * Queues around the engine's scheduler: which decoded jobs run next on the
 * compute team, and together.  Policy (order, concurrency, batches,
 * deadlines, estimates) is maas_sched_*; this file gives it the clock and
 * carries its decisions out.
 *
 * Event loop only.  A job is in the scheduler from push until it leaves the
 * queue or its run ends, also when its request is gone meanwhile.
 */

#include "ngx_http_maas_module.h"


#define ngx_maas_now_us()  (ngx_maas_now_ns() / 1000)


static void ngx_maas_wake_handler(ngx_event_t *ev);


static void
ngx_maas_sched_conf(ngx_maas_model_t *model, ngx_uint_t concurrency,
    maas_sched_conf_t *conf)
{
    ngx_uint_t  i;

    ngx_memzero(conf, sizeof(maas_sched_conf_t));

    conf->max_queue = model->queue_max;
    conf->concurrency = concurrency;
    conf->levels = model->levels;
    conf->level = model->level;
    conf->age_us = (uint64_t) model->age * 1000;
    conf->max_batch = model->batch_max;

    /* whoever waits for mates is not to leave the queue for that */
    conf->delay_us = (uint64_t) ngx_min(model->batch_delay,
                                        model->queue_timeout / 2) * 1000;

    conf->n_preferred = model->npreferred;

    for (i = 0; i < model->npreferred; i++) {
        conf->preferred[i] = model->preferred[i];
    }
}


ngx_int_t
ngx_maas_batch_init(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    ngx_uint_t          i, n, threads;
    maas_sched_t       *s;
    maas_sched_conf_t   conf;
    ngx_maas_model_t  **m;

    threads = maas_team_threads(ngx_maas_process.team);

    s = maas_sched_create(maas_host_default(), threads);
    if (s == NULL) {
        goto failed;
    }

    ngx_maas_process.sched = s;

    ngx_maas_process.wake.handler = ngx_maas_wake_handler;
    ngx_maas_process.wake.data = &ngx_maas_process;
    ngx_maas_process.wake.log = cycle->log;
    ngx_maas_process.wake.cancelable = 1;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        n = m[i]->concurrency;

        if (n == 0) {
            /* auto: one model does not take every thread from others */
            n = (mcf->models.nelts > 1 && threads > 1) ? threads - 1
                                                       : threads;
        }

        ngx_maas_sched_conf(m[i], n, &conf);

        m[i]->sched = maas_sched_model(s, &conf);
        if (m[i]->sched == NULL) {
            goto failed;
        }
    }

    return NGX_OK;

failed:

    ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                  "maas: no memory for the scheduler");

    return NGX_ERROR;
}


void
ngx_maas_batch_exit(void)
{
    if (ngx_maas_process.wake.timer_set) {
        ngx_del_timer(&ngx_maas_process.wake);
    }
}


/* Before the body: its size and its priority are not known yet. */

maas_status_t
ngx_maas_batch_admit(ngx_maas_job_t *job, uint32_t *retry)
{
    uint64_t           now;
    maas_sched_item_t  it;

    now = ngx_maas_now_us();

    ngx_memzero(&it, sizeof(maas_sched_item_t));

    it.level = 1;
    it.deadline_us = now + (uint64_t) job->timeout * 1000;

    return maas_sched_admit(job->model->sched, &it, now, retry);
}


maas_status_t
ngx_maas_batch_push(ngx_maas_job_t *job, uint32_t *retry)
{
    uint64_t            now;
    maas_status_t       rc;
    ngx_msec_int_t      left;
    maas_call_needs_t   needs;
    maas_sched_item_t  *it;

    maas_call_needs(job->call, &needs);

    now = ngx_maas_now_us();
    left = job->deadline - ngx_current_msec;

    it = &job->item;
    it->kind = needs.kind;
    it->weight = needs.weight;
    it->rows = needs.rows;
    it->length = needs.length;
    it->percent = needs.percent;
    it->level = ngx_min(needs.priority, NGX_MAX_UINT32_VALUE);
    it->deadline_us = now + (uint64_t) ngx_max(left, 0) * 1000;

    rc = maas_sched_push(job->model->sched, it, now, retry);

    if (rc == MAAS_OK) {
        job->in_sched = 1;
        job->queued_ns = ngx_maas_now_ns();
        job->phase = NGX_MAAS_QUEUE;
    }

    return rc;
}


void
ngx_maas_batch_leave(ngx_maas_job_t *job, ngx_uint_t measured)
{
    if (job->in_sched) {
        job->in_sched = 0;
        maas_sched_remove(&job->item, ngx_maas_now_us(), measured);
    }
}


static ngx_maas_job_t *
ngx_maas_item_job(maas_sched_item_t *it)
{
    return (ngx_maas_job_t *) ((u_char *) it
                               - offsetof(ngx_maas_job_t, item));
}


/* Refused by its timer: another request's event is no place for it. */

static void
ngx_maas_batch_late(void)
{
    uint32_t            retry;
    ngx_maas_job_t     *job;
    maas_sched_item_t  *it;

    for ( ;; ) {
        it = maas_sched_late(ngx_maas_process.sched, ngx_maas_now_us(),
                             &retry);
        if (it == NULL) {
            return;
        }

        job = ngx_maas_item_job(it);

        job->in_sched = 0;
        job->late = 1;

        if (job->ctx) {
            job->ctx->retry_after = retry;
        }

        ngx_maas_arm(job, ngx_current_msec);
    }
}


/* Links the jobs of a run as the scheduler has linked its items. */

static void
ngx_maas_batch_run(maas_sched_item_t *it)
{
    uint64_t         now;
    ngx_maas_job_t  *job, *first;

    now = ngx_maas_now_ns();
    first = ngx_maas_item_job(it);

    for ( /* void */ ; it; it = it->mate) {
        job = ngx_maas_item_job(it);
        job->mate = it->mate ? ngx_maas_item_job(it->mate) : NULL;

        if (job->ctx) {
            job->ctx->queued = 1;
            job->ctx->queue_ns = now - job->queued_ns;
        }
    }

    ngx_maas_run(first);
}


/* Starts what may start. */

void
ngx_maas_batch_start(void)
{
    uint64_t            now, wake;
    ngx_event_t        *ev;
    maas_sched_item_t  *it;

    for ( ;; ) {
        now = ngx_maas_now_us();
        it = maas_sched_next(ngx_maas_process.sched, now, &wake);

        ngx_maas_batch_late();

        if (it == NULL) {
            break;
        }

        ngx_maas_batch_run(it);
    }

    ev = &ngx_maas_process.wake;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (wake != MAAS_SCHED_NEVER) {
        ngx_add_timer(ev, (wake - now + 999) / 1000);
    }
}


static void
ngx_maas_wake_handler(ngx_event_t *ev)
{
    ngx_maas_batch_start();
}
