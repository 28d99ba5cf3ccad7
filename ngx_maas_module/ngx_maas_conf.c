/*
 * Directive setters, create and merge.  Only syntax is judged here; sources
 * are listed, names resolved and images made in init_conf, after the whole
 * file is read (ngx_maas_compile.c).  ngx_maas_conf_model.c has the block
 * of a model, ngx_maas_conf_loc.c what stands in locations.
 *
 * All memory is the cycle's pool (cf->pool).
 */

#include "ngx_http_maas_module.h"


#ifndef NGX_MAAS_PREFIX
#define NGX_MAAS_PREFIX  "/usr"
#endif


void *
ngx_maas_create_main_conf(ngx_conf_t *cf)
{
    ngx_maas_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_maas_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    mcf->memory = NGX_CONF_UNSET;
    mcf->memory_idle = NGX_CONF_UNSET_MSEC;
    mcf->body_memory = NGX_CONF_UNSET;
    mcf->compile_timeout = NGX_CONF_UNSET_MSEC;
    mcf->degraded = NGX_CONF_UNSET_UINT;
    mcf->threads = NGX_CONF_UNSET_UINT;

    if (ngx_array_init(&mcf->models, cf->pool, 8, sizeof(ngx_maas_model_t *))
        != NGX_OK
        || ngx_array_init(&mcf->refs, cf->pool, 8, sizeof(ngx_maas_ref_t))
           != NGX_OK
        || ngx_array_init(&mcf->pins, cf->pool, 8, sizeof(ngx_maas_pin_t))
           != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


/* "maas" beside nginx's own temporary folders: on Debian /var/lib/nginx. */

static ngx_int_t
ngx_maas_default_images(ngx_conf_t *cf, ngx_str_t *images)
{
    u_char     *p, *end;
    ngx_str_t   temp = ngx_string(NGX_HTTP_CLIENT_TEMP_PATH);

    end = temp.data + temp.len;

    while (end > temp.data && end[-1] != '/') {
        end--;
    }

    images->len = end - temp.data + sizeof("maas") - 1;
    images->data = ngx_pnalloc(cf->pool, images->len + 1);

    if (images->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(images->data, temp.data, end - temp.data);
    ngx_memcpy(p, "maas", sizeof("maas"));

    return ngx_conf_full_name(cf->cycle, images, 0);
}


char *
ngx_maas_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    if (mcf->images.data == NULL
        && ngx_maas_default_images(cf, &mcf->images) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (mcf->compiler.data == NULL) {
        ngx_str_set(&mcf->compiler, NGX_MAAS_PREFIX "/bin/maas");
    }

    ngx_conf_init_value(mcf->memory, 0);
    ngx_conf_init_msec_value(mcf->memory_idle, NGX_MAAS_MEMORY_IDLE);
    ngx_conf_init_value(mcf->body_memory, 256 * 1024 * 1024);
    ngx_conf_init_msec_value(mcf->compile_timeout, 60000);
    ngx_conf_init_uint_value(mcf->degraded, 0);
    ngx_conf_init_uint_value(mcf->threads, 0);

    return NGX_CONF_OK;
}


void *
ngx_maas_create_loc_conf(ngx_conf_t *cf)
{
    ngx_maas_loc_conf_t  *alcf;

    alcf = ngx_pcalloc(cf->pool, sizeof(ngx_maas_loc_conf_t));
    if (alcf == NULL) {
        return NULL;
    }

    alcf->models = NGX_CONF_UNSET_PTR;
    alcf->version = NGX_CONF_UNSET_PTR;
    alcf->timeout = NGX_CONF_UNSET_PTR;
    alcf->ignore_client_abort = NGX_CONF_UNSET;
    alcf->intercept_errors = NGX_CONF_UNSET;
    alcf->error_detail = NGX_CONF_UNSET;
    alcf->etag = NGX_CONF_UNSET;

    return alcf;
}


/* A literal version of a literal model is checked after parsing. */

static ngx_int_t
ngx_maas_add_pin(ngx_conf_t *cf, ngx_maas_loc_conf_t *conf)
{
    ngx_maas_pin_t        *pin;
    ngx_maas_main_conf_t  *mcf;

    if (conf->pass->lengths || conf->version == NULL
        || conf->version->lengths || conf->version->value.len == 0)
    {
        return NGX_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_maas_module);

    pin = ngx_array_push(&mcf->pins);
    if (pin == NULL) {
        return NGX_ERROR;
    }

    pin->model = conf->pass->value;
    pin->version = conf->version->value;
    pin->at = conf->version_at;

    return NGX_OK;
}


/* An "if" or a limit_except without a pass keeps that of its location. */

static void
ngx_maas_keep_pass(ngx_conf_t *cf, ngx_maas_loc_conf_t *prev,
    ngx_maas_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (!clcf->noname || conf->pass || conf->dialects) {
        return;
    }

    conf->pass = prev->pass;
    conf->dialects = prev->dialects;
    conf->prefix = prev->prefix;

    if (clcf->lmt_excpt && clcf->handler == NULL
        && (conf->pass || conf->dialects))
    {
        clcf->handler = ngx_maas_handler;
    }
}


char *
ngx_maas_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_maas_loc_conf_t  *prev = parent;
    ngx_maas_loc_conf_t  *conf = child;

    static const char  *pass[] = { "pass" };

    if (conf->version == NGX_CONF_UNSET_PTR) {
        conf->version_at = prev->version_at;
    }

    ngx_conf_merge_ptr_value(conf->models, prev->models, NULL);
    ngx_conf_merge_ptr_value(conf->version, prev->version, NULL);
    ngx_conf_merge_ptr_value(conf->timeout, prev->timeout, NULL);
    ngx_conf_merge_value(conf->ignore_client_abort,
                         prev->ignore_client_abort, 0);
    ngx_conf_merge_value(conf->intercept_errors, prev->intercept_errors, 0);
    ngx_conf_merge_value(conf->error_detail, prev->error_detail, 1);
    ngx_conf_merge_value(conf->etag, prev->etag, 0);

    ngx_maas_keep_pass(cf, prev, conf);

    if (conf->pass) {
        conf->api.dialects = pass;
        conf->api.n_dialects = 1;

        if (ngx_maas_add_pin(cf, conf) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

    } else if (conf->dialects) {
        conf->api.dialects = conf->dialects->elts;
        conf->api.n_dialects = conf->dialects->nelts;

    } else {
        return NGX_CONF_OK;
    }

    conf->enabled = 1;
    conf->api.detail = conf->error_detail;
    conf->api.etag = conf->etag;

    if (conf->models && conf->pass == NULL) {
        conf->api.models = conf->models->elts;
        conf->api.n_models = conf->models->nelts;
    }

    return NGX_CONF_OK;
}


/* Where a directive stands, for errors that are found later. */

ngx_int_t
ngx_maas_conf_at(ngx_conf_t *cf, ngx_str_t *at)
{
    at->data = ngx_pnalloc(cf->pool, cf->conf_file->file.name.len
                                     + sizeof(" in :") + NGX_INT_T_LEN);
    if (at->data == NULL) {
        return NGX_ERROR;
    }

    at->len = ngx_sprintf(at->data, " in %V:%ui", &cf->conf_file->file.name,
                          cf->conf_file->line)
              - at->data;

    return NGX_OK;
}


char *
ngx_maas_conf_bad(ngx_conf_t *cf, const char *expected)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"%V\", expected %s",
                       &value[1], &value[0], expected);

    return NGX_CONF_ERROR;
}


/* maas_memory, where 0 is no budget, and maas_body_memory. */

char *
ngx_maas_conf_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    off_t      *size;
    ngx_str_t  *value;

    size = (off_t *) ((u_char *) conf + cmd->offset);

    if (*size != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *size = ngx_parse_offset(&value[1]);

    if (size == &mcf->memory) {

        if (*size == NGX_ERROR) {
            return ngx_maas_conf_bad(cf, "a size, for example 8g, or 0 for no "
                                         "limit");
        }

        return ngx_maas_conf_at(cf, &mcf->memory_at) == NGX_OK
               ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (*size < 1) {
        return ngx_maas_conf_bad(cf, "a size above 0, for example 256m");
    }

    return NGX_CONF_OK;
}


/* maas_memory_idle, which may be off, and maas_compile_timeout. */

char *
ngx_maas_conf_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_msec_t  *ms;

    ms = (ngx_msec_t *) ((u_char *) conf + cmd->offset);

    if (*ms != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ms == &mcf->memory_idle && ngx_strcmp(value[1].data, "off") == 0) {
        *ms = 0;
        return NGX_CONF_OK;
    }

    n = ngx_parse_time(&value[1], 0);

    if (ms == &mcf->memory_idle && n == NGX_ERROR) {
        return ngx_maas_conf_bad(cf, "a time, for example 10s, or \"off\"");
    }

    if (ms == &mcf->compile_timeout && n < 1) {
        return ngx_maas_conf_bad(cf, "a time above 0, for example 60s or 5m");
    }

    *ms = n;

    return NGX_CONF_OK;
}


char *
ngx_maas_conf_startup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    ngx_str_t  *value;

    if (mcf->degraded != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "strict") == 0) {
        mcf->degraded = 0;

    } else if (ngx_strcmp(value[1].data, "degraded") == 0) {
        mcf->degraded = 1;

    } else {
        return ngx_maas_conf_bad(cf, "\"strict\" or \"degraded\"");
    }

    return NGX_CONF_OK;
}


/* maas_images, maas_compiler: relative to nginx's prefix. */

char *
ngx_maas_conf_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    ngx_str_t  *value, *path;

    path = (ngx_str_t *) ((u_char *) conf + cmd->offset);

    if (path->data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *path = value[1];

    if (path->len == 0) {
        return "needs a path";
    }

    if (ngx_conf_full_name(cf->cycle, path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    while (path->len > 1 && path->data[path->len - 1] == '/') {
        path->data[--path->len] = '\0';
    }

    if (path == &mcf->images
        && ngx_maas_conf_at(cf, &mcf->images_at) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Relative to the configuration's folder, as "source" is. */

char *
ngx_maas_conf_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    ngx_str_t  *value;

    if (mcf->store.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    if (value[1].len == 0) {
        return "needs a path";
    }

    mcf->store = value[1];
    mcf->store_file = cf->conf_file->file.name;
    mcf->store_line = cf->conf_file->line;

    if (ngx_conf_full_name(cf->cycle, &mcf->store, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* "auto", which is 0, or 1 to 1024. */

ngx_int_t
ngx_maas_conf_auto(ngx_str_t *value)
{
    ngx_int_t  n;

    if (ngx_strcmp(value->data, "auto") == 0) {
        return 0;
    }

    n = ngx_atoi(value->data, value->len);

    return n < 1 || n > 1024 ? NGX_ERROR : n;
}


char *
ngx_maas_conf_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (mcf->threads != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_maas_conf_auto(&value[1]);

    if (n == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of threads \"%V\" in "
                           "\"maas_threads\", expected \"auto\" or 1 to 1024",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    mcf->threads = n;

    return NGX_CONF_OK;
}
