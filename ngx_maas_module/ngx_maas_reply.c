/*
 * Replies: what a call has encoded goes out as it lies in the call's memory,
 * which lives until the request's cleanup; headers are copied, because the
 * access log may want them after that.
 *
 * Errors that nginx makes itself in a maas location (401, 403, 413, 429 and
 * so on) get the dialect's body by a header and a body filter, unless an
 * error_page has taken the request elsewhere.
 */

#include "ngx_http_maas_module.h"


#define NGX_MAAS_ERROR_BODY  1024


typedef struct {
    ngx_uint_t   status;
    const char  *text;
} ngx_maas_error_text_t;


static ngx_int_t ngx_maas_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_maas_body_filter(ngx_http_request_t *r, ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_maas_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_maas_next_body_filter;


static const ngx_maas_error_text_t  ngx_maas_error_texts[] = {
    { 400, "bad request" },
    { 401, "authentication is required" },
    { 403, "access is denied" },
    { 404, "not found" },
    { 405, "this method is not allowed here" },
    { 408, "the request took too long" },
    { 411, "a Content-Length is required" },
    { 412, "a precondition failed" },
    { 413, "the body is larger than client_max_body_size" },
    { 414, "the URI is too long" },
    { 415, "this content type is not accepted here" },
    { 429, "too many requests" },
    { 500, "internal error" },
    { 501, "not implemented" },
    { 502, "bad gateway" },
    { 503, "the service is unavailable" },
    { 504, "the deadline passed" },
    { 507, "insufficient storage" },
    { 0, NULL }
};


ngx_int_t
ngx_maas_reply_init(ngx_conf_t *cf)
{
    ngx_maas_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_maas_module);

    if (mcf->used == 0) {
        return NGX_OK;
    }

    ngx_maas_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_maas_header_filter;

    ngx_maas_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_maas_body_filter;

    return NGX_OK;
}


/*
 * A body that is not read yet will not be used.  A client that waits for
 * "100 Continue" gets the reply instead, and the connection ends.
 */

static void
ngx_maas_skip_body(ngx_http_request_t *r)
{
    if (r != r->main || r->request_body) {
        return;
    }

    if (r->headers_in.expect && !r->expect_tested
        && (r->headers_in.content_length_n > 0 || r->headers_in.chunked))
    {
        r->expect_tested = 1;
        r->keepalive = 0;
        r->lingering_close = 1;
        return;
    }

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }
}


static ngx_int_t
ngx_maas_add_header(ngx_http_request_t *r, maas_str_t name, maas_str_t value)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    p = ngx_pnalloc(r->pool, name.len + value.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = p;
    h->key.len = name.len;
    h->value.data = p + name.len;
    h->value.len = value.len;

    ngx_memcpy(h->key.data, name.data, name.len);
    ngx_memcpy(h->value.data, value.data, value.len);

    /* for the filters that compare it, or make it weak */

    if (name.len == sizeof("ETag") - 1
        && ngx_strncmp(name.data, "ETag", sizeof("ETag") - 1) == 0)
    {
        r->headers_out.etag = h;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_maas_add_retry(ngx_http_request_t *r, ngx_uint_t seconds)
{
    u_char      buf[NGX_INT_T_LEN];
    maas_str_t  value;

    value.data = (const char *) buf;
    value.len = ngx_sprintf(buf, "%ui", seconds) - buf;

    return ngx_maas_add_header(r, maas_str("Retry-After"), value);
}


static ngx_int_t
ngx_maas_set_headers(ngx_http_request_t *r, const maas_reply_t *reply)
{
    size_t   i;
    u_char  *p;

    r->headers_out.status = reply->status;

    if (reply->status == NGX_HTTP_NOT_MODIFIED) {
        ngx_http_clear_content_length(r);

    } else {
        r->headers_out.content_length_n = reply->length;
    }

    if (reply->content_type.len) {
        p = ngx_pnalloc(r->pool, reply->content_type.len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, reply->content_type.data, reply->content_type.len);

        r->headers_out.content_type.data = p;
        r->headers_out.content_type.len = reply->content_type.len;
        r->headers_out.content_type_len = reply->content_type.len;
        r->headers_out.content_type_lowcase = NULL;
    }

    for (i = 0; i < reply->n_headers; i++) {
        if (ngx_maas_add_header(r, reply->header[i].name,
                                reply->header[i].value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_maas_send_body(ngx_http_request_t *r, const maas_reply_t *reply)
{
    size_t        i;
    ngx_buf_t    *b;
    ngx_chain_t  *out, **ll, *cl;

    b = NULL;
    ll = &out;

    for (i = 0; i < reply->n_parts; i++) {

        if (reply->part[i].len == 0) {
            continue;
        }

        b = ngx_calloc_buf(r->pool);
        cl = ngx_alloc_chain_link(r->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->memory = 1;
        b->pos = (u_char *) reply->part[i].data;
        b->last = b->pos + reply->part[i].len;

        cl->buf = b;
        *ll = cl;
        ll = &cl->next;
    }

    *ll = NULL;

    if (b == NULL) {
        return ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    return ngx_http_output_filter(r, out);
}


static ngx_int_t
ngx_maas_send(ngx_http_request_t *r, const maas_reply_t *reply)
{
    ngx_int_t  rc;

    if (ngx_maas_set_headers(r, reply) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->connection->log->action = "sending the answer of a model";

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "maas reply: %d, %uz bytes in %uz parts",
                   (int) reply->status, reply->length, reply->n_parts);

    /* without a tag there is nothing that If-Match and the like are about */
    r->disable_not_modified = (r->headers_out.etag == NULL);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_maas_send_body(r, reply);
}


/*
 * The error_page that the status goes to, or NULL.  A request whose body is
 * half read goes nowhere: the rest would be taken for the whole.
 */

static ngx_http_err_page_t *
ngx_maas_error_page(ngx_http_request_t *r, ngx_int_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_maas_loc_conf_t       *alcf;
    ngx_http_core_loc_conf_t  *clcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!alcf->intercept_errors || status < NGX_HTTP_BAD_REQUEST
        || r->error_page || clcf->error_pages == NULL || r->uri_changes == 0
        || r->reading_body)
    {
        return NULL;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == status) {
            return &page[i];
        }
    }

    return NULL;
}


/* What is the server's own fault, clients may not even see. */

static void
ngx_maas_log_fault(ngx_http_request_t *r, ngx_maas_ctx_t *ctx,
    maas_call_t *call)
{
    maas_call_info_t  info;

    maas_call_info(call, &info);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "maas model \"%V\" version %V: %s", &ctx->model,
                  &ctx->version, info.cause);
}


/* Encodes and sends; the value is for ngx_http_finalize_request(). */

ngx_int_t
ngx_maas_reply(ngx_maas_job_t *job)
{
    ngx_maas_ctx_t       *ctx;
    ngx_http_request_t   *r;
    const maas_reply_t   *reply;
    ngx_http_err_page_t  *page;

    r = job->r;
    ctx = job->ctx;

    ngx_maas_job_stop(job);

    reply = job->reply ? job->reply : maas_call_encode(job->call);

    if (reply == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "maas model \"%V\": no memory for an answer",
                      &ctx->model);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_maas_ctx_result(ctx, job->call);

    if (reply->status == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        ngx_maas_log_fault(r, ctx, job->call);
    }

    page = ngx_maas_error_page(r, reply->status);

    /* a page with a status of its own ("=") is no refusal */

    if (ctx->retry_after && (page == NULL || page->overwrite == -1)
        && ngx_maas_add_retry(r, ctx->retry_after) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (page) {
        return ngx_maas_body_give(job, 0) == NGX_OK
               ? (ngx_int_t) reply->status : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_maas_skip_body(r);
    ngx_maas_body_release(job, reply);

    ctx->replied = 1;

    return ngx_maas_send(r, reply);
}


void
ngx_maas_finish(ngx_maas_job_t *job)
{
    ngx_http_request_t  *r;

    r = job->r;

    ngx_http_finalize_request(r, ngx_maas_reply(job));
}


static const char *
ngx_maas_error_text(ngx_uint_t status)
{
    const ngx_maas_error_text_t  *t;

    for (t = ngx_maas_error_texts; t->text; t++) {
        if (t->status == status) {
            return t->text;
        }
    }

    return "the request was refused";
}


static ngx_buf_t *
ngx_maas_error_buf(ngx_http_request_t *r, ngx_uint_t status, const char *text)
{
    size_t                len;
    ngx_buf_t            *b;
    ngx_maas_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);

    b = ngx_create_temp_buf(r->pool, NGX_MAAS_ERROR_BODY);
    if (b == NULL) {
        return NULL;
    }

    len = maas_error_body(&alcf->api, status, text, (char *) b->pos,
                          NGX_MAAS_ERROR_BODY);

    b->last = b->pos + ngx_min(len, NGX_MAAS_ERROR_BODY);
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    return b;
}


/*
 * For a job that the team keeps: an error without its call.  The job has no
 * request from here on.
 */

ngx_int_t
ngx_maas_reply_lost(ngx_maas_job_t *job, ngx_uint_t status, const char *text)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    maas_reply_t         reply;
    ngx_maas_ctx_t      *ctx;
    ngx_http_request_t  *r;

    r = job->r;
    rc = NGX_DECLINED;

    if (ngx_maas_error_page(r, status)) {
        rc = ngx_maas_body_give(job, 1) == NGX_OK
             ? (ngx_int_t) status : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_maas_job_detach(job);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    b = ngx_maas_error_buf(r, status, text);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&reply, sizeof(maas_reply_t));

    reply.status = status;
    reply.content_type = maas_str("application/json");
    reply.n_parts = 1;
    reply.part[0].data = (const char *) b->pos;
    reply.part[0].len = b->last - b->pos;
    reply.length = reply.part[0].len;

    ctx = ngx_http_get_module_ctx(r, ngx_http_maas_module);

    if (ctx) {
        ctx->replied = 1;
    }

    return ngx_maas_send(r, &reply);
}


/* err_status is set where nginx makes its own error page, and only there. */

static ngx_int_t
ngx_maas_header_filter(ngx_http_request_t *r)
{
    ngx_buf_t            *b;
    ngx_chain_t          *cl;
    ngx_maas_ctx_t       *ctx;
    ngx_maas_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);

    if (!alcf->enabled || r->err_status < NGX_HTTP_BAD_REQUEST) {
        return ngx_maas_next_header_filter(r);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_maas_module);

    if (ctx && (ctx->replied || ctx->error)) {
        return ngx_maas_next_header_filter(r);
    }

    if (ctx == NULL) {
        ctx = ngx_maas_ctx_again(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    b = ngx_maas_error_buf(r, r->err_status,
                           ngx_maas_error_text(r->err_status));
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;
    ctx->error = cl;

    ngx_http_clear_content_length(r);

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = b->last - b->pos;

    return ngx_maas_next_header_filter(r);
}


static ngx_int_t
ngx_maas_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t     *out;
    ngx_maas_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_maas_module);

    if (in == NULL || ctx == NULL || ctx->error == NULL) {
        return ngx_maas_next_body_filter(r, in);
    }

    out = ctx->error;
    ctx->error = NULL;
    ctx->replied = 1;

    return ngx_maas_next_body_filter(r, out);
}
