/*
 * The body of a request, into one malloc'd buffer of the job: read
 * unbuffered from the client, or taken over from the buffers and the
 * temporary file of a body that nginx has read already (mirror, subrequest,
 * another module in an earlier phase).  Pieces in a file are read on the
 * team, the event loop does not wait for a disk.
 *
 * What nginx has read stays as it is, for others read it, too.  What is read
 * unbuffered is given back when error_page takes the request elsewhere; a
 * handler before that has read it so (proxy_request_buffering off) gives
 * nothing back: then it is whole only as long as nothing of it was sent.
 *
 * Received bytes, not announced ones, count against maas_body_memory.
 */

#include "ngx_http_maas_module.h"


static void ngx_maas_body_drain(ngx_http_request_t *r);


static ngx_int_t
ngx_maas_body_reserve(ngx_maas_job_t *job, size_t len)
{
    u_char  *p;
    size_t   size;

    if (len > (size_t) NGX_MAX_SIZE_T_VALUE - job->len) {
        return NGX_ERROR;
    }

    len += job->len;

    if (len <= job->size) {
        return NGX_OK;
    }

    size = job->size ? job->size : 16384;

    while (size < len) {
        if (size > (size_t) NGX_MAX_SIZE_T_VALUE / 2) {
            return NGX_ERROR;
        }

        size *= 2;
    }

    p = realloc(job->body, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    job->body = p;
    job->size = size;

    return NGX_OK;
}


static ngx_int_t
ngx_maas_body_charge(ngx_maas_job_t *job, size_t len)
{
    if (ngx_maas_process.body_bytes + (off_t) len
        > ngx_maas_process.body_memory)
    {
        return NGX_BUSY;
    }

    ngx_maas_process.body_bytes += len;
    job->charged += len;

    return NGX_OK;
}


/* A piece that lies in a file; it is read later, on the team. */

static ngx_int_t
ngx_maas_body_file(ngx_maas_job_t *job, ngx_buf_t *b, size_t len)
{
    ngx_maas_part_t  *part;

    part = realloc(job->part, (job->nparts + 1) * sizeof(ngx_maas_part_t));
    if (part == NULL) {
        return NGX_ERROR;
    }

    job->part = part;
    part += job->nparts;

    part->fd = fcntl(b->file->fd, F_DUPFD_CLOEXEC, 0);
    if (part->fd == -1) {
        return NGX_ERROR;
    }

    part->from = b->file_pos;
    part->at = job->len;
    part->len = len;

    job->nparts++;

    return NGX_OK;
}


static ngx_int_t
ngx_maas_body_take(ngx_maas_job_t *job, ngx_chain_t *cl)
{
    size_t      len;
    ngx_int_t   rc;
    ngx_buf_t  *b;

    for ( /* void */ ; cl; cl = cl->next) {

        b = cl->buf;
        len = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos)
                                   : (size_t) ngx_buf_size(b);

        if (len == 0) {
            continue;
        }

        rc = ngx_maas_body_charge(job, len);
        if (rc != NGX_OK) {
            return rc;
        }

        if (ngx_maas_body_reserve(job, len) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_buf_in_memory(b)) {
            ngx_memcpy(job->body + job->len, b->pos, len);

        } else if (ngx_maas_body_file(job, b, len) != NGX_OK) {
            return NGX_ERROR;
        }

        job->len += len;

        if (job->unbuffered) {
            b->pos = b->last;
        }
    }

    return NGX_OK;
}


/* The pieces that lie in files.  On a team thread. */

ngx_int_t
ngx_maas_body_load(ngx_maas_job_t *job)
{
    size_t            done;
    ssize_t           n;
    ngx_uint_t        i;
    ngx_maas_part_t  *part;

    for (i = 0; i < job->nparts; i++) {
        part = &job->part[i];

        for (done = 0; done < part->len; done += n) {
            n = pread(part->fd, job->body + part->at + done,
                      part->len - done, part->from + done);

            if (n == -1 && ngx_errno == NGX_EINTR) {
                n = 0;
                continue;
            }

            if (n <= 0) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* Ends a body that cannot be taken; the rest of it is not read. */

static void
ngx_maas_body_refuse(ngx_http_request_t *r, ngx_maas_job_t *job, ngx_int_t rc)
{
    if (r->reading_body) {
        r->keepalive = 0;
        r->read_event_handler = ngx_http_block_reading;
    }

    if (rc == NGX_BUSY) {
        job->ctx->retry_after = 1;
        maas_call_fail(job->call, MAAS_EBUSY, NGX_HTTP_SERVICE_UNAVAILABLE,
                       "the server holds as many request bytes as it may");

    } else {
        maas_call_fail(job->call, MAAS_ENOMEM, 0,
                       "no memory for a body of %zu bytes", job->len);
    }

    ngx_maas_finish(job);
}


static void
ngx_maas_body_drain(ngx_http_request_t *r)
{
    ngx_int_t        rc;
    ngx_maas_ctx_t  *ctx;
    ngx_maas_job_t  *job;

    ctx = ngx_http_get_module_ctx(r, ngx_http_maas_module);
    job = ctx->job;

    for ( ;; ) {

        if (r->request_body && r->request_body->bufs) {
            rc = ngx_maas_body_take(job, r->request_body->bufs);

            if (job->unbuffered) {
                r->request_body->bufs = NULL;
            }

            if (rc != NGX_OK) {
                ngx_maas_body_refuse(r, job, rc);
                return;
            }
        }

        if (!r->reading_body) {
            ngx_maas_body_ready(job);
            return;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            if (r->reading_body) {
                r->keepalive = 0;
            }

            /* an error_page may take the request away from this job */
            r->read_event_handler = ngx_http_block_reading;

            ngx_maas_job_stop(job);
            ngx_http_finalize_request(r, rc);
            return;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            return;
        }
    }
}


/*
 * The body has been read unbuffered by a handler before, and a part of it is
 * gone: with an upstream server, or with a job whose body came to no end.
 * Asked before ngx_http_read_client_request_body(), which forgets how the
 * body is read.
 */

ngx_uint_t
ngx_maas_body_gone(ngx_http_request_t *r)
{
    off_t         left;
    ngx_chain_t  *cl;

    if (r != r->main || r->request_body == NULL
        || !r->request_body_no_buffering)
    {
        return 0;
    }

    if (r->upstream ? r->upstream->request_sent : r->reading_body) {
        return 1;
    }

    if (r->http_version >= NGX_HTTP_VERSION_20
        || r->headers_in.content_length_n < 0 || r->headers_in.chunked)
    {
        /* what is left to read is not known */
        return 0;
    }

    left = r->headers_in.content_length_n;

    if (r->reading_body) {
        left -= r->request_body->rest;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        left -= ngx_buf_size(cl->buf);
    }

    return left != 0;
}


/* The handler of ngx_http_read_client_request_body(). */

void
ngx_maas_body_first(ngx_http_request_t *r)
{
    off_t                      len;
    ngx_maas_ctx_t            *ctx;
    ngx_maas_job_t            *job;
    ngx_http_core_loc_conf_t  *clcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_maas_module);
    job = ctx->job;

    r->write_event_handler = ngx_http_request_empty_handler;

    len = r->headers_in.content_length_n;

    if (r == r->main && len > 0 && len <= ngx_maas_process.body_memory) {
        /* address space only, until the bytes come */
        job->body = malloc(len);
        job->size = job->body ? len : 0;
    }

    if (r->reading_body) {
        job->unbuffered = 1;
        r->request_body_no_buffering = 1;
        r->read_event_handler = ngx_maas_body_drain;

        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        job->start = ngx_current_msec;
        ngx_add_timer(&job->timer, clcf->client_body_timeout);
    }

    ngx_maas_body_drain(r);
}


/*
 * The answer is made: its parts may lie among the bytes of the body (an
 * output that is an input), nothing else does.
 */

void
ngx_maas_body_release(ngx_maas_job_t *job, const maas_reply_t *reply)
{
    size_t         i;
    const u_char  *p;

    for (i = 0; i < reply->n_parts; i++) {
        p = (const u_char *) reply->part[i].data;

        if (p >= job->body && p < job->body + job->size) {
            return;
        }
    }

    ngx_maas_process.body_bytes -= job->charged;
    job->charged = 0;

    free(job->body);
    job->body = NULL;
    job->size = 0;
    job->len = 0;
}


/*
 * For the handler that gets the request next: the bytes of the job, which
 * lives as long as the request, or a copy of them.
 */

ngx_int_t
ngx_maas_body_give(ngx_maas_job_t *job, ngx_uint_t copy)
{
    ngx_buf_t           *b;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = job->r;

    if (!job->unbuffered) {
        return NGX_OK;
    }

    r->request_body_no_buffering = 0;

    if (job->len == 0) {
        return NGX_OK;
    }

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->pos = job->body;

    if (copy) {
        b->pos = ngx_pnalloc(r->pool, job->len);
        if (b->pos == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(b->pos, job->body, job->len);
    }

    b->start = b->pos;
    b->last = b->pos + job->len;
    b->end = b->last;
    b->memory = 1;
    b->last_buf = 1;

    cl->buf = b;
    cl->next = NULL;

    r->request_body->bufs = cl;

    return NGX_OK;
}
