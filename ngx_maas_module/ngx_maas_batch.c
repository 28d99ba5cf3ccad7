/*
 * Queues around the engine's scheduler: which decoded job runs next on the
 * compute team.  Policy (order, concurrency, estimates) is maas_sched_*;
 * this file gives it the clock and carries its decisions out.
 *
 * Event loop only.  A job is in the scheduler from push until it leaves the
 * queue or its run ends, also when its request is gone meanwhile.
 */

#include "ngx_http_maas_module.h"


ngx_int_t
ngx_maas_batch_init(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    ngx_uint_t          i, n, threads;
    maas_sched_t       *s;
    ngx_maas_model_t  **m;

    threads = maas_team_threads(ngx_maas_process.team);

    s = maas_sched_create(maas_host_default(), threads);
    if (s == NULL) {
        goto failed;
    }

    ngx_maas_process.sched = s;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        n = m[i]->concurrency;

        if (n == 0) {
            /* auto: one model does not take every thread from others */
            n = (mcf->models.nelts > 1 && threads > 1) ? threads - 1
                                                       : threads;
        }

        m[i]->sched = maas_sched_model(s, m[i]->queue_max, n);
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


maas_status_t
ngx_maas_batch_push(ngx_maas_job_t *job)
{
    maas_status_t  rc;

    rc = maas_sched_push(job->model->sched, &job->item);

    if (rc == MAAS_OK) {
        job->in_sched = 1;
        job->queued_ns = ngx_maas_now_ns();
        job->phase = NGX_MAAS_QUEUE;
    }

    return rc;
}


void
ngx_maas_batch_leave(ngx_maas_job_t *job)
{
    if (job->in_sched) {
        job->in_sched = 0;
        maas_sched_remove(&job->item, ngx_current_msec);
    }
}


/* Starts what may start. */

void
ngx_maas_batch_start(void)
{
    ngx_maas_job_t     *job;
    maas_sched_item_t  *it;

    for ( ;; ) {
        it = maas_sched_next(ngx_maas_process.sched, ngx_current_msec);
        if (it == NULL) {
            return;
        }

        job = (ngx_maas_job_t *) ((u_char *) it
                                  - offsetof(ngx_maas_job_t, item));

        if (job->ctx) {
            job->ctx->queued = 1;
            job->ctx->queue_ns = ngx_maas_now_ns() - job->queued_ns;
        }

        ngx_maas_run(job);
    }
}
