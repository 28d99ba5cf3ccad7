/*
 * A request: create, route, destroy.  Routing asks each dialect of the
 * location in turn; an inference ends the search, documents of several
 * dialects are gathered into one answer.
 *
 * Ownership: a call holds references of its models, its run, its arena and
 *            tensors until it is destroyed; body bytes are the host's.
 * Threads:   one at a time; maas_call_cancel() (batch.c) from any.
 */

#include <stdio.h>
#include <strings.h>

#include "api/call.h"


static const maas_proto_t *
call_dialect(const char *name)
{
    for (size_t i = 0; maas_registry_protos[i] != NULL; i++) {
        if (strcmp(maas_registry_protos[i]->name, name) == 0) {
            return maas_registry_protos[i];
        }
    }

    return NULL;
}


bool
maas_dialect_exists(const char *name)
{
    return call_dialect(name) != NULL;
}


maas_call_t *
maas_call_create(const maas_host_t *host, const maas_api_t *api,
    maas_catalog_t *catalog)
{
    maas_call_t  *call;

    call = maas_alloc(host, sizeof(maas_call_t));
    if (call == NULL) {
        return NULL;
    }

    memset(call, 0, offsetof(maas_call_t, room));

    call->host = host;
    call->api = api;
    call->catalog = catalog;
    maas_arena_init(&call->arena, host, 0);
    maas_arena_lend(&call->arena, call->room, sizeof(call->room));
    atomic_init(&call->cancel, false);
    atomic_init(&call->left, false);
    atomic_init(&call->joint, NULL);

    call->c.host = host;
    call->c.arena = &call->arena;
    maas_buf_init(&call->c.text, host);

    return call;
}


void
maas_call_destroy(maas_call_t *call)
{
    if (call == NULL) {
        return;
    }

    /* A call may be made for its route alone: $maas_model. */
    if (call->body_ns != 0) {
        maas_call_count_failed(call);
    }

    if (call->run != NULL) {
        maas_run_release(call->run);
    }

    maas_joint_release(atomic_load(&call->joint));

    for (size_t i = 0; i < call->n_held; i++) {
        maas_model_release(call->held[i]);
    }

    maas_proto_release(&call->c);
    maas_buf_destroy(&call->c.text);
    maas_arena_destroy(&call->arena);
    maas_free(call->host, call);
}


maas_status_t
maas_call_set_error(maas_call_t *call, maas_status_t status, int http,
    const char *text)
{
    if (call->err.text != text) {
        snprintf(call->err.text, sizeof(call->err.text), "%s", text);
    }

    call->err.status = status;
    call->http = http;
    call->given = false;

    return status;
}


void
maas_call_fail(maas_call_t *call, maas_status_t status, int http,
    const char *fmt, ...)
{
    char     text[MAAS_ERR_TEXT];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    maas_call_set_error(call, status, http, text);
}


/* -- route --------------------------------------------------------------- */

static bool
call_copy(maas_arena_t *a, maas_str_t *to, maas_str_t from)
{
    if (from.len == 0) {
        *to = (maas_str_t) { NULL, 0 };
        return true;
    }

    *to = maas_arena_str(a, from.data, from.len);
    return to->data != NULL;
}


static bool
call_copy_request(maas_call_t *call, const maas_request_t *req)
{
    maas_arena_t    *a = &call->arena;
    maas_request_t  *r = &call->c.req;

    return call_copy(a, &r->method, req->method)
           && call_copy(a, &r->path, req->path)
           && call_copy(a, &r->whole, req->whole)
           && call_copy(a, &r->args, req->args)
           && call_copy(a, &r->content_type, req->content_type)
           && call_copy(a, &r->content_encoding, req->content_encoding)
           && call_copy(a, &r->accept, req->accept)
           && call_copy(a, &r->binary_header, req->binary_header)
           && call_copy(a, &r->if_none_match, req->if_none_match)
           && call_copy(a, &r->model, req->model)
           && call_copy(a, &r->version, req->version);
}


static bool
call_visible(const maas_call_t *call, maas_str_t name)
{
    for (size_t i = 0; i < call->api->n_models; i++) {
        if (maas_str_eq(call->api->models[i], name)) {
            return true;
        }
    }

    return call->api->n_models == 0;
}


static uint64_t
call_memory(const maas_model_t *m)
{
    size_t  held, rested;

    if (m == NULL) {
        return 0;
    }

    held = maas_model_memory(m);
    rested = maas_model_rested(m);

    return maas_model_image_bytes(m) + held - maas_min(rested, held);
}


/* Visible entries: all, of a name, or one version of it. */
static maas_status_t
call_entries(maas_call_t *call, maas_proto_route_t *r, const maas_str_t *name,
    const maas_entry_t *only)
{
    size_t               n = 0;
    const maas_entry_t  *e;
    maas_proto_entry_t  *list = NULL;

    for (int pass = 0; pass < 2; pass++) {

        if (pass == 1) {
            list = maas_arena_array(&call->arena, n + 1,
                                    sizeof(maas_proto_entry_t));
            if (list == NULL) {
                return maas_err_nomem(&call->err);
            }

            n = 0;
        }

        for (e = maas_catalog_next(call->catalog, NULL); e != NULL;
             e = maas_catalog_next(call->catalog, e))
        {
            if ((only != NULL && e != only)
                || (name != NULL && !maas_str_eq(e->name, *name))
                || !call_visible(call, e->name))
            {
                continue;
            }

            if (list != NULL) {
                list[n] = (maas_proto_entry_t) {
                    .name = e->name,
                    .version = e->version,
                    .available = e->model != NULL,
                    .reason = call->api->detail ? e->reason : NULL,
                    .memory = call_memory(e->model),
                    .stats = e->stats
                };
            }

            n++;
        }
    }

    r->entry = list;
    r->n_entry = n;

    return MAAS_OK;
}


static maas_status_t
call_target(maas_call_t *call, maas_proto_route_t *r, const maas_entry_t *e)
{
    const maas_limits_t  *limits;
    maas_proto_model_t   *m;

    if (e->model == NULL) {
        return maas_err(&call->err, MAAS_EUNAVAILABLE,
                        "model \"%.*s\" version %lld is not available%s%s",
                        (int) e->name.len, e->name.data,
                        (long long) e->version,
                        call->api->detail && e->reason[0] ? ": " : "",
                        call->api->detail ? e->reason : "");
    }

    m = maas_arena_alloc(&call->arena, sizeof(maas_proto_model_t));
    if (m == NULL) {
        return maas_err_nomem(&call->err);
    }

    m->name = maas_arena_str(&call->arena, e->name.data, e->name.len);
    if (m->name.data == NULL) {
        return maas_err_nomem(&call->err);
    }

    maas_model_retain(e->model);
    call->held[call->n_held++] = e->model;

    limits = maas_model_limits(e->model);
    m->version = e->version;
    m->in = maas_model_inputs(e->model, &m->n_in);
    m->out = maas_model_outputs(e->model, &m->n_out);
    m->meta = maas_model_meta(e->model);
    m->max_elements = limits != NULL && limits->max_elements != 0
                      ? limits->max_elements : (uint64_t) 64 << 20;
    r->m = m;

    if (r->infer) {
        call->model = e->model;
        call->user = e->user;
        call->stats = e->stats;
    }

    return MAAS_OK;
}


/* No such model, or not in this location: which ones are there? */
static maas_status_t
call_unknown(maas_call_t *call, maas_str_t name)
{
    int                  n = 0;
    char                 list[256] = "", near[MAAS_NEAR_TEXT];
    maas_str_t           last = { NULL, 0 };
    maas_near_t          m = { .word = name };
    const maas_entry_t  *e = NULL;

    /* Only a maas_pass whose variable has no value. */
    if (name.len == 0) {
        return maas_err(&call->err, MAAS_ENOENT, "the request names no model, "
                        "which this location takes from it");
    }

    while (call->api->detail
           && (e = maas_catalog_next(call->catalog, e)) != NULL)
    {
        if (!call_visible(call, e->name) || maas_str_eq(e->name, last)) {
            continue;
        }

        last = e->name;
        maas_near(&m, last);

        if (n < (int) sizeof(list) - MAAS_NAME_MAX - 8) {
            n += snprintf(list + n, sizeof(list) - (size_t) n,
                          "%s\"%.*s\"", n == 0 ? "" : ", ", (int) last.len,
                          last.data);

        } else if (list[n - 1] != '.') {
            n += snprintf(list + n, sizeof(list) - (size_t) n, ", ...");
        }
    }

    maas_near_text(&m, near);

    /* Who may write any name into the URL of a maas_pass is told no others. */
    if (near[0] != '\0' || n == 0 || call->c.req.model.len != 0) {
        n = 0;
    }

    return maas_err(&call->err, MAAS_ENOENT, "unknown model \"%.*s\"%s%s%s",
                    (int) maas_min(name.len, MAAS_NAME_MAX), name.data, near,
                    n != 0 ? "; this location serves " : "",
                    n != 0 ? list : "");
}


/* What the route needs, out of the catalog. */
static maas_status_t
call_resolve(maas_call_t *call, maas_proto_route_t *r)
{
    maas_str_t           name, version;
    const maas_entry_t  *e;

    if (r->need == MAAS_NEED_NOTHING) {
        return MAAS_OK;
    }

    if (r->need == MAAS_NEED_LIST) {
        return call_entries(call, r, NULL, NULL);
    }

    name = r->model.len != 0 ? r->model : call->c.req.model;
    version = r->version.len != 0 ? r->version : call->c.req.version;

    if (!call_visible(call, name) || !maas_catalog_has(call->catalog, name)) {
        return call_unknown(call, name);
    }

    MAAS_TRY(maas_catalog_find(call->catalog, name, version, &e, &call->err));
    MAAS_TRY(call_entries(call, r, &name,
                          r->need == MAAS_NEED_NAME && r->version.len != 0
                          ? e : NULL));

    return r->need == MAAS_NEED_MODEL ? call_target(call, r, e) : MAAS_OK;
}


/*
 * Which of two failures tells the client more?  What one dialect takes for
 * a document of the model "x:predict" is the other's route, whose method or
 * failure counts.
 */
static int
call_weight(const maas_call_t *call, maas_status_t rc)
{
    maas_str_t  name = call->c.route.model;

    switch (rc) {

    case MAAS_OK:
        return 3;

    case MAAS_EMETHOD:
        return name.len == 0 || maas_name_valid(name);

    case MAAS_ENOENT:
        return 0;

    default:
        return 2;
    }
}


/* One dialect's view of a path. */
static maas_status_t
call_try_path(maas_call_t *call, const maas_proto_t *proto, maas_str_t path)
{
    maas_proto_route_t  *r = &call->c.route;

    memset(r, 0, sizeof(*r));
    call->c.http = 0;
    call->c.variant = (maas_str_t) { NULL, 0 };
    call->c.req.path = path;
    r->proto = proto;

    return proto->route(&call->c, &call->err);
}


/*
 * Routes match what follows the location's prefix.  A location within the
 * API ("= /v2/health/ready", "/v2/models/m") has a part of the route, or all
 * of it, in its prefix: there the whole path matches.
 */
static maas_status_t
call_try_route(maas_call_t *call, const maas_proto_t *proto, maas_str_t path)
{
    maas_status_t  rc;
    maas_str_t     whole = call->c.req.whole, first = path;

    if (whole.len == 0) {
        return call_try_path(call, proto, path);
    }

    if (maas_str_is(path, "/")) {
        first = whole;
        whole = path;
    }

    rc = call_try_path(call, proto, first);

    if (rc == MAAS_ENOENT) {
        rc = call_try_path(call, proto, whole);
    }

    /* None: the message names what follows the prefix */
    return rc == MAAS_ENOENT ? call_try_path(call, proto, path) : rc;
}


/* One dialect's view of the request. */
static maas_status_t
call_try(maas_call_t *call, const maas_proto_t *proto, maas_str_t path)
{
    maas_status_t        rc;
    maas_proto_route_t  *r = &call->c.route;

    rc = call_try_route(call, proto, path);

    if (r->model.len != 0 && call->model_name.len == 0) {
        call->model_name = r->model;
    }

    if (rc != MAAS_OK) {
        return rc;
    }

    MAAS_TRY(call_resolve(call, r));

    if (!r->infer) {
        call->route[call->n_route++] = *r;
        return MAAS_OK;
    }

    return proto->admit != NULL ? proto->admit(&call->c, &call->err)
                                : MAAS_OK;
}


bool
maas_call_encoded(const maas_call_t *call)
{
    maas_str_t  s = call->c.req.content_encoding;

    return s.len != 0
           && !(s.len == 8 && strncasecmp(s.data, "identity", 8) == 0);
}


static maas_action_t
call_route(maas_call_t *call)
{
    int                  best = -1;
    maas_err_t           err = { MAAS_ENOENT, "no dialect here" };
    maas_status_t        rc;
    maas_str_t           path = call->c.req.path;
    const maas_proto_t  *proto;
    const char          *allow = NULL;

    for (size_t i = 0; i < call->api->n_dialects
                       && call->n_route < MAAS_CALL_ROUTES; i++)
    {
        proto = call_dialect(call->api->dialects[i]);
        if (proto == NULL) {
            continue;
        }

        rc = call_try(call, proto, path);

        if (rc == MAAS_OK && (call->c.route.infer || call->c.route.body)) {
            call->proto = proto;
            call->err.status = MAAS_OK;
            call->http = 0;
            call->n_route = 0;
            return call->c.route.infer ? MAAS_ACT_INFER : MAAS_ACT_BODY;
        }

        if (call_weight(call, rc) > best) {
            best = call_weight(call, rc);
            call->http = call->c.http;
            call->proto = proto;
            err = call->err;
            err.status = rc;
            allow = call->c.route.allow;
        }
    }

    call->err = err;
    call->c.route.allow = allow;

    return MAAS_ACT_REPLY;
}


maas_action_t
maas_call_route(maas_call_t *call, const maas_request_t *req)
{
    maas_action_t  action;

    if (!call_copy_request(call, req)) {
        maas_call_set_error(call, MAAS_ENOMEM, 0, "out of memory");
        return MAAS_ACT_REPLY;
    }

    call->c.req.method = call->c.req.method.len != 0
                         ? call->c.req.method : maas_str("GET");
    action = call_route(call);

    if (action != MAAS_ACT_REPLY && maas_call_encoded(call)) {
        maas_call_fail(call, MAAS_EMEDIA, 0, "Content-Encoding \"%.*s\" is "
                       "not decoded here; send the body as it is, without "
                       "Content-Encoding",
                       (int) maas_min(call->c.req.content_encoding.len, 64),
                       call->c.req.content_encoding.data);
        action = MAAS_ACT_REPLY;
    }

    if (call->model_name.len == 0) {
        call->model_name = call->c.req.model;
    }

    return action;
}


bool
maas_call_target(const maas_call_t *call, void **user, maas_str_t *name,
    int64_t *version)
{
    if (call->model == NULL) {
        return false;
    }

    *user = call->user;
    *name = call->c.route.m->name;
    *version = call->c.route.m->version;

    return true;
}


maas_str_t
maas_call_model_name(const maas_call_t *call)
{
    return call->model_name;
}


void
maas_call_info(const maas_call_t *call, maas_call_info_t *info)
{
    info->status = call->err.status;
    info->error = call->err.status != MAAS_OK ? call->err.text : "";
    info->cause = call->cause != NULL ? call->cause : info->error;
    info->compute_ns = call->compute_ns;
    info->batch = call->ran ? call->batch : 0;
    info->ran = call->ran;
    info->unchanged = call->unchanged;
}
