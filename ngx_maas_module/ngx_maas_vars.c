/*
 * Variables, and the context of a request that feeds them.  The context is
 * in the request's pool and outlives the job; an internal redirect (that of
 * error_page) clears r->ctx, so it is also found by its pool cleanup.
 *
 * $maas_model is computed from the URI when nothing is routed yet: it is a
 * key of limit_req, which runs before the content handler.
 */

#include "ngx_http_maas_module.h"


static ngx_int_t ngx_maas_variable_model(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_maas_variable_version(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_maas_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_maas_variable_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_maas_variable_batch(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_maas_variable_cancelled(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_maas_variables[] = {

    { ngx_string("maas_model"), NULL, ngx_maas_variable_model,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("maas_version"), NULL, ngx_maas_variable_version,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("maas_status"), NULL, ngx_maas_variable_status,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("maas_queue_time"), NULL, ngx_maas_variable_time,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("maas_compute_time"), NULL, ngx_maas_variable_time,
      1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("maas_batch_size"), NULL, ngx_maas_variable_batch,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("maas_cancelled"), NULL, ngx_maas_variable_cancelled,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


/* What $maas_status says; the order is that of maas_status_t. */

static const char *const  ngx_maas_status_names[] = {
    "ok", "no_memory", "invalid", "not_found", "unsupported", "truncated",
    "limit", "cancelled", "deadline", "busy", "io", "method", "media",
    "forbidden", "unavailable", "internal"
};


ngx_int_t
ngx_maas_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_maas_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static const char *
ngx_maas_status_name(maas_status_t status)
{
    if ((ngx_uint_t) status < sizeof(ngx_maas_status_names)
                              / sizeof(ngx_maas_status_names[0]))
    {
        return ngx_maas_status_names[status];
    }

    return "internal";
}


/* Only a mark in the list of the pool's cleanups. */

static void
ngx_maas_ctx_mark(void *data)
{
    (void) data;
}


ngx_maas_ctx_t *
ngx_maas_ctx_create(ngx_http_request_t *r)
{
    ngx_maas_ctx_t      *ctx;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_maas_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_maas_ctx_t));

    ctx->request = r;
    cln->handler = ngx_maas_ctx_mark;

    ngx_http_set_ctx(r, ctx, ngx_http_maas_module);

    return ctx;
}


/* The context of the request's last run through a maas location. */

static ngx_maas_ctx_t *
ngx_maas_ctx(ngx_http_request_t *r)
{
    ngx_maas_ctx_t      *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_http_get_module_ctx(r, ngx_http_maas_module);

    if (ctx) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_maas_ctx_mark) {
            ctx = cln->data;

            if (ctx->request == r) {
                return ctx;
            }
        }
    }

    return NULL;
}


/*
 * For an error that replaces whatever there was: a filter that ends a reply
 * (If-Match: 412) has cleared r->ctx, too.  What the log shows stays.
 */

ngx_maas_ctx_t *
ngx_maas_ctx_again(ngx_http_request_t *r)
{
    ngx_maas_ctx_t  *ctx;

    ctx = ngx_maas_ctx(r);

    if (ctx == NULL) {
        return ngx_maas_ctx_create(r);
    }

    ctx->replied = 0;
    ngx_http_set_ctx(r, ctx, ngx_http_maas_module);

    return ctx;
}


static ngx_int_t
ngx_maas_copy(ngx_http_request_t *r, ngx_str_t *to, maas_str_t from)
{
    to->data = ngx_pnalloc(r->pool, from.len + 1);
    if (to->data == NULL) {
        to->len = 0;
        return NGX_ERROR;
    }

    ngx_memcpy(to->data, from.data, from.len);
    to->len = from.len;

    return NGX_OK;
}


void
ngx_maas_ctx_routed(ngx_maas_ctx_t *ctx, maas_call_t *call)
{
    void        *user;
    u_char      *p;
    int64_t      version;
    maas_str_t   name;

    ctx->routed = 1;

    name = maas_call_model_name(call);

    if (name.len) {
        (void) ngx_maas_copy(ctx->request, &ctx->model, name);
    }

    if (!maas_call_target(call, &user, &name, &version) || version <= 0) {
        return;
    }

    p = ngx_pnalloc(ctx->request->pool, NGX_INT64_LEN);

    if (p) {
        ctx->version.data = p;
        ctx->version.len = ngx_sprintf(p, "%L", version) - p;
    }
}


void
ngx_maas_ctx_result(ngx_maas_ctx_t *ctx, maas_call_t *call)
{
    maas_call_info_t  info;

    maas_call_info(call, &info);

    ctx->status = ngx_maas_status_name(info.status);
    ctx->ran = info.ran;
    ctx->compute_ns = info.compute_ns;
    ctx->batch = info.batch;
}


static void
ngx_maas_set_value(ngx_http_variable_value_t *v, const void *data, size_t len)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = (u_char *) data;
    v->len = len;
}


static ngx_int_t
ngx_maas_variable_model(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t             name;
    ngx_int_t             rc;
    maas_str_t            s;
    maas_call_t          *call;
    ngx_maas_ctx_t       *ctx;
    ngx_maas_loc_conf_t  *alcf;

    ctx = ngx_maas_ctx(r);

    if (ctx && ctx->routed) {
        if (ctx->model.len == 0) {
            v->not_found = 1;
            return NGX_OK;
        }

        ngx_maas_set_value(v, ctx->model.data, ctx->model.len);
        return NGX_OK;
    }

    v->not_found = 1;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_maas_module);

    if (!alcf->enabled || ngx_maas_process.catalog == NULL) {
        return NGX_OK;
    }

    call = maas_call_create(maas_host_default(), &alcf->api,
                            ngx_maas_process.catalog);
    if (call == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_maas_route(r, call);

    s = maas_call_model_name(call);
    rc = NGX_OK;

    if (s.len) {
        rc = ngx_maas_copy(r, &name, s);

        if (rc == NGX_OK) {
            ngx_maas_set_value(v, name.data, name.len);
        }
    }

    maas_call_destroy(call);

    return rc;
}


static ngx_int_t
ngx_maas_variable_version(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_maas_ctx_t  *ctx;

    ctx = ngx_maas_ctx(r);

    if (ctx == NULL || ctx->version.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_maas_set_value(v, ctx->version.data, ctx->version.len);

    return NGX_OK;
}


static ngx_int_t
ngx_maas_variable_status(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_maas_ctx_t  *ctx;

    ctx = ngx_maas_ctx(r);

    if (ctx == NULL || ctx->status == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    ngx_maas_set_value(v, ctx->status, ngx_strlen(ctx->status));

    return NGX_OK;
}


/* Seconds with microseconds; "-" when it did not come to that. */

static ngx_int_t
ngx_maas_variable_time(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char          *p;
    uint64_t         us;
    ngx_maas_ctx_t  *ctx;

    ctx = ngx_maas_ctx(r);

    if (ctx == NULL || (data == 0 && !ctx->queued) || (data == 1 && !ctx->ran))
    {
        ngx_maas_set_value(v, "-", 1);
        return NGX_OK;
    }

    us = ((data == 0) ? ctx->queue_ns : ctx->compute_ns) / 1000;

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + 8);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_maas_set_value(v, p, ngx_sprintf(p, "%uL.%06uL", us / 1000000,
                                         us % 1000000) - p);

    return NGX_OK;
}


/* How many requests were in the run. */

static ngx_int_t
ngx_maas_variable_batch(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char          *p;
    ngx_maas_ctx_t  *ctx;

    ctx = ngx_maas_ctx(r);

    if (ctx == NULL || !ctx->ran) {
        ngx_maas_set_value(v, "-", 1);
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_maas_set_value(v, p, ngx_sprintf(p, "%ui", ctx->batch) - p);

    return NGX_OK;
}


/* A counter of this worker: runs whose client left or whose time was up. */

static ngx_int_t
ngx_maas_variable_cancelled(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    v->data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (v->data == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(v->data, "%ui", ngx_maas_process.cancelled)
             - v->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
