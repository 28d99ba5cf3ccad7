/*
 * Jobs and the compute team.  A job is malloc'd and detached from its
 * request: the request's cleanup cancels it, a non-cancelable timer keeps a
 * graceful exit waiting for it, and a list of the process finds it when the
 * worker is terminated and no request cleanup runs.
 *
 * A job is freed when neither its request nor the team has it any more.
 * Completions come back through an eventfd; only the done() of a task
 * touches nginx, on the event loop.
 */

#include "ngx_http_maas_module.h"

#include <sys/eventfd.h>
#include <time.h>


static void ngx_maas_notify(void *ctx);
static void ngx_maas_event_handler(ngx_event_t *ev);
static void ngx_maas_timer_handler(ngx_event_t *ev);


uint64_t
ngx_maas_now_ns(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


void
ngx_maas_exec_init(ngx_cycle_t *cycle, ngx_uint_t threads)
{
    int                fd;
    ngx_int_t          flags;
    ngx_connection_t  *c;

    fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, ngx_errno,
                      "maas: eventfd() failed");
        return;
    }

    c = ngx_get_connection(fd, cycle->log);

    if (c == NULL) {
        (void) close(fd);
        return;
    }

    c->log = cycle->log;
    c->pool = NULL;

    c->read->handler = ngx_maas_event_handler;
    c->read->log = cycle->log;
    c->read->channel = 1;
    c->write->log = cycle->log;
    c->write->channel = 1;

    flags = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? NGX_CLEAR_EVENT
                                                    : NGX_LEVEL_EVENT;

    if (ngx_add_event(c->read, NGX_READ_EVENT, flags) != NGX_OK) {
        ngx_free_connection(c);
        (void) close(fd);
        return;
    }

    ngx_maas_process.event = c;
    ngx_maas_process.fd = fd;

    ngx_maas_process.team = maas_team_create(maas_host_default(), threads,
                                             ngx_maas_notify,
                                             &ngx_maas_process.fd);

    if (ngx_maas_process.team == NULL) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "maas: cannot start %ui compute threads", threads);
    }
}


static void
ngx_maas_reap_all(void)
{
    maas_task_t      *t, *next;
    ngx_maas_task_t  *mt;

    for ( ;; ) {
        t = maas_team_reap(ngx_maas_process.team);
        if (t == NULL) {
            return;
        }

        for ( /* void */ ; t; t = next) {
            next = t->next;
            mt = (ngx_maas_task_t *) t;
            mt->done(mt);
        }
    }
}


/*
 * On TERM requests are not finalized and their pools not destroyed, so jobs
 * are cancelled from the list; nobody touches the requests after this.
 */

void
ngx_maas_exec_exit(void)
{
    ngx_queue_t       *q;
    ngx_maas_job_t    *job;
    ngx_connection_t  *c;

    if (ngx_maas_process.team) {

        for (q = ngx_queue_head(&ngx_maas_process.jobs);
             q != ngx_queue_sentinel(&ngx_maas_process.jobs);
             q = ngx_queue_next(q))
        {
            job = ngx_queue_data(q, ngx_maas_job_t, link);

            if (job->on_team) {
                maas_call_cancel(job->call);
            }
        }

        maas_team_destroy(ngx_maas_process.team);
        ngx_maas_process.team = NULL;

        while (!ngx_queue_empty(&ngx_maas_process.jobs)) {
            q = ngx_queue_head(&ngx_maas_process.jobs);
            job = ngx_queue_data(q, ngx_maas_job_t, link);

            ngx_maas_batch_leave(job, 0);
            ngx_maas_job_free(job);
        }

        ngx_maas_warm_exit();
    }

    c = ngx_maas_process.event;

    if (c) {
        ngx_maas_process.event = NULL;
        ngx_close_connection(c);
        ngx_maas_process.fd = -1;
    }
}


/* On a team thread. */

static void
ngx_maas_notify(void *ctx)
{
    uint64_t  one = 1;

    int *fd = ctx;

    if (write(*fd, &one, sizeof(uint64_t)) == -1) {
        /* EAGAIN: the counter is at its limit, the loop will wake anyway */
        return;
    }
}


static void
ngx_maas_event_handler(ngx_event_t *ev)
{
    uint64_t           count;
    ngx_connection_t  *c;

    c = ev->data;

    if (read(c->fd, &count, sizeof(uint64_t)) == -1
        && ngx_errno != NGX_EAGAIN)
    {
        ngx_log_error(NGX_LOG_ERR, ev->log, ngx_errno,
                      "maas: read() of the eventfd failed");
    }

    if (ngx_maas_process.team) {
        ngx_maas_reap_all();
    }
}


void
ngx_maas_task_post(ngx_maas_task_t *t,
    void (*run)(maas_task_t *t, maas_team_t *team),
    void (*done)(ngx_maas_task_t *t))
{
    t->task.run = run;
    t->task.next = NULL;
    t->done = done;

    maas_team_submit(ngx_maas_process.team, &t->task);
}


ngx_maas_job_t *
ngx_maas_job_create(ngx_http_request_t *r, ngx_maas_ctx_t *ctx,
    const maas_api_t *api)
{
    ngx_maas_job_t      *job;
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    job = calloc(1, sizeof(ngx_maas_job_t));
    if (job == NULL) {
        return NULL;
    }

    job->call = maas_call_create(maas_host_default(), api,
                                 ngx_maas_process.catalog);
    if (job->call == NULL) {
        free(job);
        return NULL;
    }

    job->r = r;
    job->ctx = ctx;
    job->cleanup = cln;
    ctx->job = job;

    job->timer.handler = ngx_maas_timer_handler;
    job->timer.data = job;
    job->timer.log = ngx_cycle->log;

    cln->handler = ngx_maas_job_detach;
    cln->data = job;

    ngx_queue_insert_tail(&ngx_maas_process.jobs, &job->link);

    return job;
}


void
ngx_maas_job_free(ngx_maas_job_t *job)
{
    ngx_uint_t  i;

    ngx_queue_remove(&job->link);

    if (job->timer.timer_set) {
        ngx_del_timer(&job->timer);
    }

    maas_call_destroy(job->call);

    for (i = 0; i < job->nparts; i++) {
        (void) close(job->part[i].fd);
    }

    ngx_maas_process.body_bytes -= job->charged;

    free(job->part);
    free(job->body);
    free(job);
}


/* The job makes no more events for its request. */

void
ngx_maas_job_stop(ngx_maas_job_t *job)
{
    if (job->timer.timer_set) {
        ngx_del_timer(&job->timer);
    }

    if (!job->on_team) {
        ngx_maas_batch_leave(job, 0);
    }

    job->phase = NGX_MAAS_SEND;
}


/*
 * The request is over, in whatever way, or goes on without the job.  What
 * runs is cancelled, and freed when the team has let it go.
 */

void
ngx_maas_job_detach(void *data)
{
    ngx_maas_job_t *job = data;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, job->r->connection->log, 0,
                   "maas detach: phase %d, on the team: %d",
                   job->phase, job->on_team);

    ngx_maas_job_stop(job);

    if (job->ctx) {
        if (job->ctx->status == NULL) {
            job->ctx->status = job->expired ? "deadline" : "cancelled";
        }

        job->ctx->job = NULL;
        job->ctx = NULL;
    }

    job->cleanup->handler = NULL;
    job->r = NULL;

    if (job->on_team) {
        ngx_maas_process.cancelled++;
        job->cancel_ns = ngx_maas_now_ns();
        maas_call_cancel(job->call);
        return;
    }

    ngx_maas_job_free(job);
}


static void
ngx_maas_timer_handler(ngx_event_t *ev)
{
    ngx_maas_job_t    *job;
    ngx_connection_t  *c;

    job = ev->data;
    c = job->r->connection;

    ngx_http_set_log_request(c->log, job->r);

    ngx_maas_expire(job);

    ngx_http_run_posted_requests(c);
}
