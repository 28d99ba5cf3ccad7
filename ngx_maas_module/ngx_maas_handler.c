/*
 * A request: READ -> DECODE -> QUEUE -> RUN -> ENCODE -> SEND -> DONE.
 *
 * The handler routes and admits before the body is read; the body comes in
 * ngx_maas_body.c; from then on the job moves from phase to phase, on the
 * event loop or through the compute team.  Every phase ends in the next one
 * or in ngx_maas_finish().  While job->on_team is set the call belongs to a
 * team thread, and the event loop may only cancel it.
 */

#include "ngx_http_maas_module.h"


static void ngx_maas_decoded(ngx_maas_job_t *job, maas_status_t rc);


/* The path, and what follows the location's prefix if that is not all. */

static void
ngx_maas_path(ngx_http_request_t *r, ngx_maas_loc_conf_t *alcf,
    maas_request_t *req)
{
    ngx_str_t  *prefix;

    prefix = &alcf->prefix;

    req->path.data = (const char *) r->uri.data;
    req->path.len = r->uri.len;

    if (prefix->len == 0 || r->uri.len < prefix->len
        || ngx_strncmp(r->uri.data, prefix->data, prefix->len) != 0)
    {
        return;
    }

    if (r->uri.len == prefix->len) {
        req->whole = req->path;
        req->path = maas_str("/");

    } else if (r->uri.data[prefix->len] == '/') {
        req->whole = req->path;
        req->path.data += prefix->len;
        req->path.len -= prefix->len;
    }
}


static maas_str_t
ngx_maas_header(ngx_http_request_t *r, const char *name, size_t len)
{
    ngx_uint_t        i;
    maas_str_t        value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].hash && h[i].key.len == len
            && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
        {
            value.data = (const char *) h[i].value.data;
            value.len = h[i].value.len;
            return value;
        }
    }

    return (maas_str_t) { "", 0 };
}


static maas_str_t
ngx_maas_value(ngx_http_request_t *r, ngx_http_complex_value_t *cv)
{
    ngx_str_t   value;
    maas_str_t  s;

    s.data = "";
    s.len = 0;

    if (cv && ngx_http_complex_value(r, cv, &value) == NGX_OK) {
        s.data = (const char *) value.data;
        s.len = value.len;
    }

    return s;
}


/* Tells the engine what is asked; also for $maas_model before the handler. */

maas_action_t
ngx_maas_route(ngx_http_request_t *r, maas_call_t *call)
{
    maas_request_t        req;
    ngx_maas_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);

    ngx_memzero(&req, sizeof(maas_request_t));

    req.method.data = (const char *) r->method_name.data;
    req.method.len = r->method_name.len;
    ngx_maas_path(r, alcf, &req);
    req.args.data = (const char *) r->args.data;
    req.args.len = r->args.len;

    if (r->headers_in.content_type) {
        req.content_type.data =
                        (const char *) r->headers_in.content_type->value.data;
        req.content_type.len = r->headers_in.content_type->value.len;
    }

    req.content_encoding = ngx_maas_header(r, "Content-Encoding",
                                           sizeof("Content-Encoding") - 1);
    req.accept = ngx_maas_header(r, "Accept", sizeof("Accept") - 1);
    req.binary_header = ngx_maas_header(r, "Inference-Header-Content-Length",
                                sizeof("Inference-Header-Content-Length") - 1);

    if (alcf->etag) {
        req.if_none_match = ngx_maas_header(r, "If-None-Match",
                                            sizeof("If-None-Match") - 1);
    }

    req.model = ngx_maas_value(r, alcf->pass);
    req.version = ngx_maas_value(r, alcf->version);

    return maas_call_route(call, &req);
}


static ngx_msec_t
ngx_maas_timeout(ngx_http_request_t *r)
{
    ngx_int_t             n;
    ngx_str_t             s;
    maas_str_t            value;
    ngx_maas_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);

    if (alcf->timeout == NULL) {
        return NGX_MAAS_TIMEOUT;
    }

    value = ngx_maas_value(r, alcf->timeout);

    if (value.len == 0) {
        return NGX_MAAS_TIMEOUT;
    }

    s.data = (u_char *) value.data;
    s.len = value.len;
    n = ngx_parse_time(&s, 0);

    if (n < 1) {
        /* a variable, and so maybe the client's word */
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "invalid \"maas_timeout\" value \"%V\", %d ms is used",
                      &s, NGX_MAAS_TIMEOUT);
        return NGX_MAAS_TIMEOUT;
    }

    return n;
}


/* The headers with which clients and proxies say how long they wait. */

static ngx_int_t
ngx_maas_timeout_headers(ngx_http_request_t *r, ngx_msec_t *timeout)
{
    ngx_int_t   n;
    ngx_str_t   s;
    maas_str_t  value;

    value = ngx_maas_header(r, "Maas-Timeout", sizeof("Maas-Timeout") - 1);

    if (value.len) {
        s.data = (u_char *) value.data;
        s.len = value.len;
        n = ngx_parse_time(&s, 0);

        if (n < 1) {
            return NGX_ERROR;
        }

        *timeout = ngx_min(*timeout, (ngx_msec_t) n);
    }

    value = ngx_maas_header(r, "X-Envoy-Expected-Rq-Timeout-Ms",
                            sizeof("X-Envoy-Expected-Rq-Timeout-Ms") - 1);
    n = ngx_atoi((u_char *) value.data, value.len);

    if (n > 0) {
        *timeout = ngx_min(*timeout, (ngx_msec_t) n);
    }

    return NGX_OK;
}


/* Refused before its body is read, so that none of it is waited for. */

static ngx_uint_t
ngx_maas_admit(ngx_maas_job_t *job, maas_action_t action)
{
    void          *user;
    off_t          len;
    int64_t        version;
    uint32_t       retry;
    maas_str_t     name;
    maas_status_t  rc;

    job->timeout = ngx_maas_timeout(job->r);

    if (maas_call_target(job->call, &user, &name, &version)) {
        job->model = user;
    }

    len = job->r->headers_in.content_length_n;

    if (job->r == job->r->main && len > ngx_maas_process.body_memory) {
        maas_call_fail(job->call, MAAS_ELIMIT,
                       NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                       "a body of %lld bytes is larger than all that the "
                       "server may hold", (long long) len);
        return 0;
    }

    if (ngx_maas_timeout_headers(job->r, &job->timeout) != NGX_OK) {
        maas_call_fail(job->call, MAAS_EINVAL, 0,
                       "the header Maas-Timeout is no time; \"250ms\" and "
                       "\"2s\" are");
        return 0;
    }

    if (action == MAAS_ACT_BODY) {
        return 1;
    }

    if (job->model == NULL || job->model->sched == NULL) {
        maas_call_fail(job->call, MAAS_EUNAVAILABLE, 0,
                       "this model is not available");
        return 0;
    }

    rc = ngx_maas_batch_admit(job, &retry);

    if (rc != MAAS_OK) {
        ngx_maas_refuse(job, rc, retry);
        return 0;
    }

    return 1;
}


/* A request whose body another handler has taken, in part or as a whole. */

static ngx_int_t
ngx_maas_body_missing(ngx_http_request_t *r, ngx_maas_job_t *job)
{
    if (r->reading_body) {
        r->keepalive = 0;
        r->read_event_handler = ngx_http_block_reading;
    }

    maas_call_fail(job->call, MAAS_EIO, NGX_HTTP_INTERNAL_SERVER_ERROR,
                   "the body is not there any more, a handler before has read "
                   "it; one that sends it to a server needs "
                   "\"proxy_request_buffering on\"");

    return ngx_maas_reply(job);
}


ngx_int_t
ngx_maas_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    maas_action_t         action;
    ngx_maas_ctx_t       *ctx;
    ngx_maas_job_t       *job;
    ngx_maas_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);

    ctx = ngx_maas_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_maas_process.catalog == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    job = ngx_maas_job_create(r, ctx, &alcf->api);
    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    action = ngx_maas_route(r, job->call);

    ngx_maas_ctx_routed(ctx, job->call);

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "maas route: action %d, model \"%V\" version \"%V\"",
                   action, &ctx->model, &ctx->version);

    if (action == MAAS_ACT_REPLY || !ngx_maas_admit(job, action)) {
        return ngx_maas_reply(job);
    }

    if (ngx_maas_body_gone(r)) {
        return ngx_maas_body_missing(r, job);
    }

    if (r == r->main) {
        r->request_body_no_buffering = 1;
    }

    r->connection->log->action = "reading the body for a model";

    rc = ngx_http_read_client_request_body(r, ngx_maas_body_first);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_maas_job_stop(job);
        return rc;
    }

    return NGX_DONE;
}


/*
 * Arms the detection of a client that leaves.  What came before is never
 * seen as an event again: look once.
 */

static ngx_int_t
ngx_maas_watch_client(ngx_http_request_t *r)
{
    ngx_connection_t     *c;
    ngx_maas_loc_conf_t  *alcf;

    c = r->connection;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);

    if (r != r->main) {
        return NGX_OK;
    }

    if (alcf->ignore_client_abort) {
        r->read_event_handler = ngx_http_block_reading;
        return NGX_OK;
    }

    r->read_event_handler = ngx_http_test_reading;

    if (c->error
#if (NGX_HTTP_V2)
        || (r->stream == NULL && c->read->pending_eof)
#else
        || c->read->pending_eof
#endif
       )
    {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "client closed the connection before its request ran");
        ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        return NGX_DONE;
    }

    return NGX_OK;
}


/*
 * A timer that is set already would keep its time when the new one is less
 * than NGX_TIMER_LAZY_DELAY away, so it is taken out first.
 */

void
ngx_maas_arm(ngx_maas_job_t *job, ngx_msec_t at)
{
    ngx_msec_int_t  ms;

    ms = at - ngx_current_msec;

    if (job->timer.timer_set) {
        ngx_del_timer(&job->timer);
    }

    ngx_add_timer(&job->timer, ngx_max(ms, 1));
}


/* On a team thread. */

static void
ngx_maas_decode_task(maas_task_t *t, maas_team_t *team)
{
    ngx_maas_job_t *job = (ngx_maas_job_t *) t;

    (void) team;

    if (ngx_maas_body_load(job) != NGX_OK) {
        maas_call_fail(job->call, MAAS_EIO, 0,
                       "the spooled body cannot be read");
        return;
    }

    (void) maas_call_decode(job->call);
}


static ngx_uint_t
ngx_maas_returned(ngx_maas_job_t *job)
{
    static ngx_str_t  none = ngx_null_string;

    job->on_team = 0;

    if (job->r) {
        ngx_http_set_log_request(job->r->connection->log, job->r);
        return 1;
    }

    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                  "maas: a cancelled job of model \"%V\" ended after %uL us",
                  job->model ? &job->model->name : &none,
                  (ngx_maas_now_ns() - job->cancel_ns) / 1000);

    ngx_maas_job_free(job);

    return 0;
}


static void
ngx_maas_decode_done(ngx_maas_task_t *t)
{
    ngx_maas_job_t    *job = (ngx_maas_job_t *) t;
    maas_call_info_t   info;
    ngx_connection_t  *c;

    if (!ngx_maas_returned(job)) {
        return;
    }

    c = job->r->connection;

    maas_call_info(job->call, &info);
    ngx_maas_decoded(job, info.status);

    ngx_http_run_posted_requests(c);
}


/* The whole body is there. */

void
ngx_maas_body_ready(ngx_maas_job_t *job)
{
    ngx_http_request_t *r = job->r;

    if (job->timer.timer_set) {
        ngx_del_timer(&job->timer);
    }

    if (ngx_maas_watch_client(r) != NGX_OK) {
        return;
    }

    maas_call_body(job->call, job->body, job->len);

    job->phase = NGX_MAAS_DECODE;
    job->deadline = ngx_current_msec + job->timeout;

    r->connection->log->action = "running a model";

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "maas body: %uz bytes, %ui parts in files, %M ms for all",
                   job->len, job->nparts, job->timeout);

    if (job->nparts == 0 && maas_call_decode_cheap(job->call)) {
        ngx_maas_decoded(job, maas_call_decode(job->call));
        return;
    }

    ngx_maas_arm(job, job->deadline);

    job->on_team = 1;
    ngx_maas_task_post(&job->task, ngx_maas_decode_task,
                       ngx_maas_decode_done);
}


static ngx_uint_t
ngx_maas_may_inline(ngx_maas_job_t *job)
{
    uint64_t  ns;

    if (job->model->run == NGX_MAAS_RUN_POOL) {
        return 0;
    }

    ns = maas_call_cost(job->call);

    if (ns == UINT64_MAX) {
        return 0;
    }

    return job->model->run == NGX_MAAS_RUN_INLINE || ns < NGX_MAAS_INLINE_NS;
}


/* A time in the body counts from its last byte, and only shortens. */

static void
ngx_maas_shorten(ngx_maas_job_t *job)
{
    uint64_t  us, ms;

    us = maas_call_timeout(job->call);
    ms = us / 1000 + (us % 1000 != 0);

    if (ms != 0 && ms < job->timeout) {
        job->deadline -= job->timeout - ms;
        job->timeout = ms;
        job->expired = ((ngx_msec_int_t) (job->deadline - ngx_current_msec)
                        <= 0);
    }
}


static void
ngx_maas_decoded(ngx_maas_job_t *job, maas_status_t rc)
{
    uint32_t          retry;
    ngx_msec_t        leave;
    maas_call_info_t  info;

    if (rc == MAAS_OK && !job->expired) {
        ngx_maas_shorten(job);
    }

    if (job->expired) {
        maas_call_fail(job->call, MAAS_EDEADLINE, NGX_HTTP_GATEWAY_TIME_OUT,
                       "the deadline of %lu ms passed",
                       (unsigned long) job->timeout);
        rc = MAAS_EDEADLINE;
    }

    maas_call_info(job->call, &info);

    if (rc != MAAS_OK || info.unchanged || job->model == NULL) {
        ngx_maas_finish(job);
        return;
    }

    if (ngx_maas_may_inline(job)) {
        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, job->r->connection->log, 0,
                       "maas run on the event loop");

        job->ctx->queued = 1;
        job->phase = NGX_MAAS_RUN;
        (void) maas_call_run(job->call, NULL);
        ngx_maas_rest_arm();
        ngx_maas_finish(job);
        return;
    }

    rc = ngx_maas_batch_push(job, &retry);

    if (rc != MAAS_OK) {
        ngx_maas_refuse(job, rc, retry);
        ngx_maas_finish(job);
        return;
    }

    leave = ngx_current_msec + job->model->queue_timeout;

    job->leave = ((ngx_msec_int_t) (leave - job->deadline) < 0)
                 ? leave : job->deadline;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, job->r->connection->log, 0,
                   "maas queue: until %M at the latest", job->leave);

    ngx_maas_arm(job, job->leave);
    ngx_maas_batch_start();
}


/* On a team thread: makes the bytes of a result. */

static void
ngx_maas_encode_task(maas_task_t *t, maas_team_t *team)
{
    ngx_maas_job_t *job = (ngx_maas_job_t *) t;

    maas_call_info_t  info;

    (void) team;

    maas_call_info(job->call, &info);

    if (info.status == MAAS_OK) {
        job->reply = maas_call_encode(job->call);
    }
}


/*
 * On a team thread: runs the job and its mates.  These are tasks of their
 * own from then on, and not to be touched any more.
 */

static void
ngx_maas_run_task(maas_task_t *t, maas_team_t *team)
{
    ngx_maas_job_t *job = (ngx_maas_job_t *) t;

    size_t           n;
    uint64_t         now;
    maas_call_t     *call[NGX_MAAS_BATCH_MAX];
    ngx_maas_job_t  *mate, *next;

    n = 0;
    now = ngx_maas_now_ns();

    for (mate = job; mate; mate = mate->mate) {
        mate->run_ns = now;
        call[n++] = mate->call;
    }

    maas_calls_run(call, n, team);

    for (mate = job->mate; mate; mate = next) {
        next = mate->mate;
        maas_team_submit(team, &mate->task.task);
    }

    ngx_maas_encode_task(t, team);
}


static void
ngx_maas_run_done(ngx_maas_task_t *t)
{
    ngx_maas_job_t    *job = (ngx_maas_job_t *) t;
    ngx_connection_t  *c;
    maas_call_info_t   info;

    maas_call_info(job->call, &info);
    ngx_maas_batch_leave(job, info.ran);
    ngx_maas_rest_arm();

    if (!ngx_maas_returned(job)) {
        ngx_maas_batch_start();
        return;
    }

    c = job->r->connection;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "maas run: status %d, %uL us, %uD requests",
                   info.status, info.compute_ns / 1000, info.batch);

    job->ctx->queue_ns = job->run_ns - job->queued_ns;

    if (job->expired && job->reply == NULL) {
        maas_call_fail(job->call, MAAS_EDEADLINE, NGX_HTTP_GATEWAY_TIME_OUT,
                       "the deadline of %lu ms passed",
                       (unsigned long) job->timeout);
    }

    ngx_maas_finish(job);
    ngx_http_run_posted_requests(c);

    ngx_maas_batch_start();
}


/* The scheduler has chosen the job, and its mates. */

void
ngx_maas_run(ngx_maas_job_t *job)
{
    ngx_maas_job_t  *mate;

    for (mate = job; mate; mate = mate->mate) {
        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, mate->r->connection->log, 0,
                       "maas start on the team");

        mate->phase = NGX_MAAS_RUN;
        mate->on_team = 1;
        mate->task.task.run = ngx_maas_encode_task;
        mate->task.done = ngx_maas_run_done;

        ngx_maas_arm(mate, mate->deadline);
    }

    ngx_maas_task_post(&job->task, ngx_maas_run_task, ngx_maas_run_done);
}
