/*
 * The timer of a job: a body that comes too slowly, a queue that is too
 * long, a deadline that passes; and what a request is told that is refused
 * for these.
 *
 * Event loop only.
 */

#include "ngx_http_maas_module.h"


void
ngx_maas_refuse(ngx_maas_job_t *job, maas_status_t rc, uint32_t retry)
{
    job->ctx->retry_after = retry;

    if (rc == MAAS_EDEADLINE) {
        maas_call_fail(job->call, rc, NGX_HTTP_SERVICE_UNAVAILABLE,
                       "a deadline of %lu ms cannot be met by model \"%.*s\" "
                       "now", (unsigned long) job->timeout,
                       (int) job->model->name.len, job->model->name.data);
        return;
    }

    maas_call_fail(job->call, MAAS_EBUSY, NGX_HTTP_SERVICE_UNAVAILABLE,
                   "the queue of model \"%.*s\" is full",
                   (int) job->model->name.len, job->model->name.data);
}


/*
 * A body has client_body_timeout, and what it takes at the least rate for
 * the bytes that have come: a trickle ends, a large body on a slow line
 * does not.
 */

static void
ngx_maas_expire_body(ngx_maas_job_t *job)
{
    ngx_msec_t                 end;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = job->r;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    end = job->start + clcf->client_body_timeout
          + job->len / NGX_MAAS_BODY_RATE;

    if ((ngx_msec_int_t) (end - ngx_current_msec) > 0) {
        ngx_maas_arm(job, end);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, NGX_ETIMEDOUT,
                  "client sends its body too slowly");

    r->connection->timedout = 1;
    ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
}


static void
ngx_maas_expire_queue(ngx_maas_job_t *job)
{
    ngx_maas_batch_leave(job, 0);

    job->ctx->queued = 1;
    job->ctx->queue_ns = ngx_maas_now_ns() - job->queued_ns;

    if (job->late) {
        ngx_maas_refuse(job, MAAS_EDEADLINE, job->ctx->retry_after);

    } else if (job->leave == job->deadline) {
        maas_call_fail(job->call, MAAS_EDEADLINE, NGX_HTTP_GATEWAY_TIME_OUT,
                       "the deadline of %lu ms passed in the queue",
                       (unsigned long) job->timeout);

    } else {
        job->ctx->retry_after = 1;
        maas_call_fail(job->call, MAAS_EBUSY, NGX_HTTP_SERVICE_UNAVAILABLE,
                       "waited %lu ms in the queue of model \"%.*s\"",
                       (unsigned long) job->model->queue_timeout,
                       (int) job->model->name.len, job->model->name.data);
    }

    ngx_maas_finish(job);
}


/*
 * The timer of the job.  A job on the team is cancelled and gets a moment
 * to come back, so that the answer is its own dialect's; one that does not
 * come back goes on without its request.
 */

void
ngx_maas_expire(ngx_maas_job_t *job)
{
    ngx_http_request_t  *r;

    r = job->r;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "maas timer: phase %d, expired before: %d",
                   job->phase, job->expired);

    switch (job->phase) {

    case NGX_MAAS_READ:
        ngx_maas_expire_body(job);
        return;

    case NGX_MAAS_QUEUE:
        ngx_maas_expire_queue(job);
        return;

    case NGX_MAAS_DECODE:
    case NGX_MAAS_RUN:

        if (!job->expired) {
            job->expired = 1;
            maas_call_cancel(job->call);
            ngx_add_timer(&job->timer, NGX_MAAS_GRACE);
            return;
        }

        ngx_http_finalize_request(r,
                       ngx_maas_reply_lost(job, NGX_HTTP_GATEWAY_TIME_OUT,
                                           "the deadline passed"));
        return;

    case NGX_MAAS_SEND:
        return;
    }
}
