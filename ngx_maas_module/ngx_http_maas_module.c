/*
 * Tables of directives and the life of the module: an HTTP module that
 * serves, and a small core module whose init_conf compiles what is
 * configured (see ngx_maas_compile.c).  A worker maps the images that the
 * cycle holds open, starts its compute team and its scheduler here, and
 * stops them in exit_process.  init_process never fails the worker.
 *
 * Everything in this file runs on the event loop's thread.
 */

#include "ngx_http_maas_module.h"


static ngx_int_t ngx_maas_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_maas_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_maas_init_process(ngx_cycle_t *cycle);
static void ngx_maas_exit_process(ngx_cycle_t *cycle);


ngx_maas_process_t  ngx_maas_process;


static ngx_command_t  ngx_maas_commands[] = {

    { ngx_string("maas_images"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_maas_main_conf_t, images),
      NULL },

    { ngx_string("maas_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_store,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_compiler"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_maas_main_conf_t, compiler),
      NULL },

    { ngx_string("maas_memory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_size,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_maas_main_conf_t, memory),
      NULL },

    { ngx_string("maas_memory_idle"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_maas_main_conf_t, memory_idle),
      NULL },

    { ngx_string("maas_body_memory"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_size,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_maas_main_conf_t, body_memory),
      NULL },

    { ngx_string("maas_threads"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_threads,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_compile_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_maas_main_conf_t, compile_timeout),
      NULL },

    { ngx_string("maas_startup"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_startup,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_model"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_maas_conf_model,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_maas_conf_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_models"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_maas_conf_models,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_version"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_version,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_maas_conf_timeout,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("maas_ignore_client_abort"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_maas_loc_conf_t, ignore_client_abort),
      NULL },

    { ngx_string("maas_intercept_errors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_maas_loc_conf_t, intercept_errors),
      NULL },

    { ngx_string("maas_error_detail"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_maas_loc_conf_t, error_detail),
      NULL },

    { ngx_string("maas_etag"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_maas_loc_conf_t, etag),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_maas_module_ctx = {
    ngx_maas_preconfiguration,             /* preconfiguration */
    ngx_maas_postconfiguration,            /* postconfiguration */

    ngx_maas_create_main_conf,             /* create main configuration */
    ngx_maas_init_main_conf,               /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_maas_create_loc_conf,              /* create location configuration */
    ngx_maas_merge_loc_conf                /* merge location configuration */
};


ngx_module_t  ngx_http_maas_module = {
    NGX_MODULE_V1,
    &ngx_http_maas_module_ctx,             /* module context */
    ngx_maas_commands,                     /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_maas_init_process,                 /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_maas_exit_process,                 /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_core_module_t  ngx_maas_core_module_ctx = {
    ngx_string("maas_core"),
    NULL,                                  /* create configuration */
    ngx_maas_init_conf                     /* init configuration */
};


ngx_module_t  ngx_maas_core_module = {
    NGX_MODULE_V1,
    &ngx_maas_core_module_ctx,             /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_maas_preconfiguration(ngx_conf_t *cf)
{
    return ngx_maas_add_variables(cf);
}


static ngx_int_t
ngx_maas_postconfiguration(ngx_conf_t *cf)
{
    if (ngx_maas_stats_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_maas_reply_init(cf);
}


static ngx_uint_t
ngx_maas_threads(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    ngx_uint_t        n;
    ngx_core_conf_t  *ccf;

    if (mcf->threads) {
        return mcf->threads;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    n = maas_cores();

    /* an affinity that the worker has been given is its share already */

    if (ngx_process == NGX_PROCESS_WORKER && !ccf->cpu_affinity_n
        && ccf->worker_processes > 1)
    {
        n /= ccf->worker_processes;
    }

    return ngx_max(n, 1);
}


static void
ngx_maas_map_version(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_maas_model_t *model, ngx_maas_version_t *v,
    const maas_limits_t *limits)
{
    maas_str_t     name;
    maas_err_t     err;
    const char    *reason;
    maas_stats_t  *stats;
    maas_model_t  *m;
    maas_status_t  rc;

    m = NULL;
    reason = (v->reason.len) ? (const char *) v->reason.data : "not compiled";

    if (v->fd != NGX_INVALID_FILE) {
        err.text[0] = '\0';
        rc = maas_model_map(&m, v->fd, limits, &err);

        if (rc != MAAS_OK) {
            ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                          "maas model \"%V\" version %L is unavailable: %s",
                          &model->name, v->source.version, err.text);
            reason = err.text;
            m = NULL;
        }
    }

    name.data = (const char *) model->name.data;
    name.len = model->name.len;

    rc = maas_catalog_add(ngx_maas_process.catalog, name, v->source.version,
                          m, m ? NULL : reason, model, NULL);

    if (rc != MAAS_OK) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "maas model \"%V\" version %L cannot be listed",
                      &model->name, v->source.version);
    }

    if (m) {
        stats = ngx_maas_stats(cycle, mcf, &model->name, &v->source);

        if (stats) {
            (void) maas_catalog_stats(ngx_maas_process.catalog, name,
                                      v->source.version, stats);
        }

        ngx_maas_warm(m, model, v->source.version);
        maas_model_release(m);
    }
}


static void
ngx_maas_map_model(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_maas_model_t *model, off_t arenas)
{
    ngx_uint_t           i;
    maas_str_t           name, label;
    maas_limits_t        limits;
    ngx_maas_label_t    *l;
    ngx_maas_version_t  *v;

    limits.max_elements = model->elements;
    limits.max_plans = model->plans;
    limits.max_memory = arenas;

    name.data = (const char *) model->name.data;
    name.len = model->name.len;

    v = model->list.elts;

    for (i = 0; i < model->list.nelts; i++) {
        ngx_maas_map_version(cycle, mcf, model, &v[i], &limits);
    }

    if (model->list.nelts == 0) {
        (void) maas_catalog_add(ngx_maas_process.catalog, name, 1, NULL,
                                (const char *) model->reason.data, model,
                                NULL);
    }

    l = model->labels.elts;

    for (i = 0; i < model->labels.nelts; i++) {
        label.data = (const char *) l[i].name.data;
        label.len = l[i].name.len;

        (void) maas_catalog_label(ngx_maas_process.catalog, name, label,
                                  l[i].version, NULL);
    }
}


/*
 * What maas_memory leaves for the arenas of one worker; images are one copy
 * for all.  0: no limit.
 */

static off_t
ngx_maas_arena_share(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    off_t             bytes;
    ngx_core_conf_t  *ccf;

    if (mcf->memory == 0) {
        return 0;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    bytes = (mcf->memory - ngx_maas_image_bytes(mcf))
            / ngx_max(ccf->worker_processes, 1);

    return ngx_max(bytes, 1);
}


static ngx_int_t
ngx_maas_init_process(ngx_cycle_t *cycle)
{
    off_t                  arenas;
    ngx_uint_t             i;
    maas_err_t             err;
    ngx_maas_model_t     **m;
    ngx_maas_main_conf_t  *mcf;

    ngx_queue_init(&ngx_maas_process.jobs);
    ngx_queue_init(&ngx_maas_process.warm);
    ngx_maas_process.fd = -1;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_maas_module);

    if (mcf == NULL || mcf->models.nelts + mcf->used == 0) {
        return NGX_OK;
    }

    if (maas_init(NULL, &err) != MAAS_OK) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0, "maas: %s", err.text);
        return NGX_OK;
    }

    ngx_maas_process.body_memory = mcf->body_memory;
    ngx_maas_rest_init(cycle, mcf);

    ngx_maas_exec_init(cycle, ngx_maas_threads(cycle, mcf));

    if (ngx_maas_process.team == NULL
        || ngx_maas_batch_init(cycle, mcf) != NGX_OK)
    {
        return NGX_OK;
    }

    ngx_maas_process.catalog = maas_catalog_create(maas_host_default());

    if (ngx_maas_process.catalog == NULL) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "maas: no memory for the catalog");
        return NGX_OK;
    }

    arenas = ngx_maas_arena_share(cycle, mcf);
    maas_memory_budget(arenas);
    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        ngx_maas_map_model(cycle, mcf, m[i], arenas);
    }

    ngx_maas_warm_start();

    return NGX_OK;
}


static void
ngx_maas_exit_process(ngx_cycle_t *cycle)
{
    ngx_maas_exec_exit();
    ngx_maas_batch_exit();
    ngx_maas_rest_exit();

    maas_sched_destroy(ngx_maas_process.sched);
    ngx_maas_process.sched = NULL;

    maas_catalog_destroy(ngx_maas_process.catalog);
    ngx_maas_process.catalog = NULL;
}
