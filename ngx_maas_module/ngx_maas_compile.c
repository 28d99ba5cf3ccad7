/*
 * init_conf: what the configuration names is looked up, checked, and turned
 * into open images.  Runs once per configuration, after the whole file is
 * parsed and "user" is resolved: at start, under "nginx -t", in the master
 * on reload, and in the new binary of an upgrade.  A process that only
 * sends a signal checks names and opens nothing.
 *
 * A failure refuses the configuration, and a running server stays as it
 * was; only at a cold start "maas_startup degraded" lets the site come up
 * with the model unavailable.  Success logs nothing.
 *
 * Memory is the cycle's pool; image descriptors are closed by its cleanups.
 */

#include "ngx_http_maas_module.h"


static ngx_int_t ngx_maas_names(ngx_cycle_t *cycle,
    ngx_maas_main_conf_t *mcf);
static ngx_int_t ngx_maas_source(ngx_cycle_t *cycle,
    ngx_maas_main_conf_t *mcf, ngx_maas_model_t *model);
static ngx_int_t ngx_maas_pins(ngx_cycle_t *cycle,
    ngx_maas_main_conf_t *mcf);
static ngx_int_t ngx_maas_reuse(ngx_cycle_t *cycle,
    ngx_maas_main_conf_t *mcf);
static ngx_int_t ngx_maas_check_memory(ngx_cycle_t *cycle,
    ngx_maas_main_conf_t *mcf);


/* A new binary has inherited sockets, and an old one that goes on. */

ngx_uint_t
ngx_maas_may_degrade(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    return mcf->degraded && ngx_is_init_cycle(cycle->old_cycle)
           && !ngx_inherited && !ngx_test_config;
}


static void
ngx_maas_defaults(ngx_maas_model_t *model)
{
    ngx_conf_init_uint_value(model->queue_max, 256);
    ngx_conf_init_msec_value(model->queue_timeout, 1000);
    ngx_conf_init_uint_value(model->levels, 1);
    ngx_conf_init_uint_value(model->level, 0);
    ngx_conf_init_msec_value(model->age, 200);
    ngx_conf_init_uint_value(model->batch_max, 1);
    ngx_conf_init_msec_value(model->batch_delay, 0);
    ngx_conf_init_uint_value(model->concurrency, 0);
    ngx_conf_init_uint_value(model->run, NGX_MAAS_RUN_AUTO);

    /* every size of a batch is a shape */
    ngx_conf_init_uint_value(model->plans, 15 + model->batch_max);

    if (model->elements == 0) {
        model->elements = 64 * 1024 * 1024;
    }

    if (model->versions.data == NULL) {
        ngx_str_set(&model->versions, "latest=1");
    }

    if (model->numerics.data == NULL) {
        ngx_str_set(&model->numerics, "exact");
    }
}


char *
ngx_maas_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_uint_t             i;
    maas_err_t             err;
    ngx_maas_model_t     **m;
    ngx_maas_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_maas_module);

    if (mcf == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_process == NGX_PROCESS_SIGNALLER) {
        if (mcf->store.data == NULL && ngx_maas_names(cycle, mcf) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (mcf->models.nelts == 0 && mcf->store.data == NULL && mcf->used == 0) {
        return NGX_CONF_OK;
    }

    if (maas_init(NULL, &err) != MAAS_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "maas: %s", err.text);
        return NGX_CONF_ERROR;
    }

    if (mcf->store.data && ngx_maas_store(cycle, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_maas_names(cycle, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        ngx_maas_defaults(m[i]);

        if (ngx_maas_source(cycle, mcf, m[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_maas_pins(cycle, mcf) != NGX_OK
        || ngx_maas_reuse(cycle, mcf) != NGX_OK
        || ngx_maas_compile_all(cycle, mcf) != NGX_OK
        || ngx_maas_check_memory(cycle, mcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Every literal name in the configuration must be a model. */

static ngx_int_t
ngx_maas_names(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    char                near_text[MAAS_NEAR_TEXT];
    u_char             *p, *last, text[1024];
    ngx_uint_t          i, k;
    maas_str_t          known;
    maas_near_t         near;
    ngx_maas_ref_t     *ref;
    ngx_maas_model_t  **m;

    ref = mcf->refs.elts;
    m = mcf->models.elts;

    for (i = 0; i < mcf->refs.nelts; i++) {

        if (ngx_maas_model_find(mcf, &ref[i].name)) {
            continue;
        }

        p = text;
        last = text + sizeof(text);

        ngx_memzero(&near, sizeof(maas_near_t));
        near.word.data = (const char *) ref[i].name.data;
        near.word.len = ref[i].name.len;

        for (k = 0; k < mcf->models.nelts; k++) {
            known.data = (const char *) m[k]->name.data;
            known.len = m[k]->name.len;
            maas_near(&near, known);

            p = ngx_slprintf(p, last, "%s\"%V\"", k ? ", " : "", &m[k]->name);
        }

        if (k == 0) {
            p = ngx_slprintf(p, last, "none; declare it with \"maas_model %V "
                             "{ source PATH; }\"", &ref[i].name);
        }

        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "unknown model \"%V\" in \"%s\", known models: %*s%s "
                      "in %V:%ui", &ref[i].name, ref[i].directive,
                      (size_t) (p - text), text,
                      maas_near_text(&near, near_text), &ref[i].file,
                      ref[i].line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Reports why a model has no versions: refuses, or, where allowed, lets it
 * be unavailable.
 */

static ngx_int_t
ngx_maas_source_failed(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_maas_model_t *model, const char *text)
{
    size_t      len;
    ngx_uint_t  level, degrade;

    degrade = ngx_maas_may_degrade(cycle, mcf);
    level = degrade ? NGX_LOG_ERR : NGX_LOG_EMERG;

    ngx_log_error(level, cycle->log, 0, "maas model \"%V\": %s in %V:%ui",
                  &model->name, text, &model->file, model->line);

    if (!degrade) {
        return NGX_ERROR;
    }

    len = ngx_strlen(text);

    model->reason.data = ngx_pnalloc(cycle->pool, len + 1);
    if (model->reason.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(model->reason.data, text, len + 1);
    model->reason.len = len;
    model->list.nelts = 0;
    model->labels.nelts = 0;

    return NGX_OK;
}


/* Labelled versions are kept besides the chosen ones. */

static ngx_int_t
ngx_maas_keep_labels(ngx_maas_model_t *model, maas_sources_t *s, bool *keep,
    maas_err_t *err)
{
    u_char            *p, *last;
    size_t             k;
    ngx_uint_t         i;
    ngx_maas_label_t  *l;

    l = model->labels.elts;

    for (i = 0; i < model->labels.nelts; i++) {
        for (k = 0; k < s->n; k++) {
            if (s->version[k].version == l[i].version) {
                keep[k] = true;
                break;
            }
        }

        if (k < s->n) {
            continue;
        }

        p = (u_char *) err->text;
        last = p + sizeof(err->text) - 1;

        p = ngx_slprintf(p, last, "label \"%V\" names version %L, but \"%V\" "
                         "holds", &l[i].name, l[i].version, &model->source);

        for (k = 0; k < s->n; k++) {
            p = ngx_slprintf(p, last, " %L", s->version[k].version);
        }

        *p = '\0';

        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_maas_take_versions(ngx_cycle_t *cycle, ngx_maas_model_t *model,
    maas_sources_t *s, bool *keep)
{
    size_t               i;
    ngx_maas_version_t  *v;

    for (i = 0; i < s->n; i++) {
        if (!keep[i]) {
            continue;
        }

        v = ngx_array_push(&model->list);
        if (v == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(v, sizeof(ngx_maas_version_t));

        v->source = s->version[i];
        v->fd = NGX_INVALID_FILE;
    }

    return NGX_OK;
}


/* A path that is not there: where do relative ones start? */

static void
ngx_maas_source_hint(ngx_maas_model_t *model, maas_status_t status,
    maas_err_t *err)
{
    u_char           *p, *last;
    ngx_file_info_t   fi;

    if (status != MAAS_ENOENT || model->given.len == 0
        || model->given.data[0] == '/'
        || ngx_file_info(model->source.data, &fi) != NGX_FILE_ERROR)
    {
        return;
    }

    p = (u_char *) err->text + ngx_strlen(err->text);
    last = (u_char *) err->text + sizeof(err->text) - 1;

    p = ngx_slprintf(p, last, "; a relative \"source\" starts at the folder "
                     "of the configuration file");
    *p = '\0';
}


/* "versions" and what labels name, of all that are there. */

static ngx_int_t
ngx_maas_choose_versions(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_maas_model_t *model, maas_sources_t *s)
{
    bool           *keep;
    maas_err_t      err;
    maas_status_t   status;

    keep = ngx_pcalloc(cycle->pool, (s->n + 1) * sizeof(bool));
    if (keep == NULL) {
        return NGX_ERROR;
    }

    err.text[0] = '\0';

    status = maas_sources_choose(s, (char *) model->versions.data, keep, &err);

    if (status != MAAS_OK
        || ngx_maas_keep_labels(model, s, keep, &err) != NGX_OK)
    {
        return ngx_maas_source_failed(cycle, mcf, model, err.text);
    }

    return ngx_maas_take_versions(cycle, model, s, keep);
}


static ngx_int_t
ngx_maas_source(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_maas_model_t *model)
{
    ngx_int_t        rc;
    maas_err_t       err;
    maas_status_t    status;
    maas_sources_t   s;

    if (model->source.data == NULL) {
        return ngx_maas_source_failed(cycle, mcf, model,
                                      mcf->store.data
                                      ? "has no \"source\", and maas_store "
                                        "has no folder of this name"
                                      : "has no \"source\": give the path of "
                                        "its model file or folder");
    }

    ngx_memzero(&s, sizeof(maas_sources_t));
    err.text[0] = '\0';

    status = (model->shelved ? maas_sources_store : maas_sources_list)
             (&s, (char *) model->source.data, (char *) model->numerics.data,
              &err);

    if (status == MAAS_ENOENT && model->stored) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "maas model \"%V\" is not available: \"%V\" holds no "
                      "version with a model file in %V:%ui", &model->name,
                      &model->source, &model->file, model->line);

        ngx_str_set(&model->reason, "the store holds no version of it");
        return NGX_OK;
    }

    if (status != MAAS_OK) {
        ngx_maas_source_hint(model, status, &err);
        return ngx_maas_source_failed(cycle, mcf, model, err.text);
    }

    if (s.unfinished) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "maas model \"%V\": version %L is left out, "
                      "\"%V/%L\" holds no model file in %V:%ui",
                      &model->name, s.unfinished, &model->source,
                      s.unfinished, &model->file, model->line);
    }

    rc = ngx_maas_choose_versions(cycle, mcf, model, &s);
    maas_sources_free(&s);

    return rc;
}


/* What a location names that could only answer 404. */

static ngx_uint_t
ngx_maas_pinned(ngx_maas_model_t *model, ngx_str_t *version)
{
    ngx_int_t            n;
    ngx_uint_t           i;
    ngx_maas_label_t    *l;
    ngx_maas_version_t  *v;

    n = ngx_atoi(version->data, version->len);
    v = model->list.elts;
    l = model->labels.elts;

    for (i = 0; i < model->list.nelts; i++) {
        if (n != NGX_ERROR && v[i].source.version == n) {
            return 1;
        }
    }

    for (i = 0; i < model->labels.nelts; i++) {
        if (l[i].name.len == version->len
            && ngx_strncmp(l[i].name.data, version->data, version->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* Every literal maas_version must be served, of a model that is there. */

static ngx_int_t
ngx_maas_pins(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    u_char              *p, *last, text[512];
    ngx_uint_t           i, k, level;
    ngx_maas_pin_t      *pin;
    ngx_maas_model_t    *model;
    ngx_maas_label_t    *l;
    ngx_maas_version_t  *v;

    pin = mcf->pins.elts;
    level = ngx_maas_may_degrade(cycle, mcf) ? NGX_LOG_ERR : NGX_LOG_EMERG;

    for (i = 0; i < mcf->pins.nelts; i++) {
        model = ngx_maas_model_find(mcf, &pin[i].model);

        if (model == NULL || model->list.nelts == 0
            || ngx_maas_pinned(model, &pin[i].version))
        {
            continue;
        }

        p = text;
        last = text + sizeof(text);
        v = model->list.elts;
        l = model->labels.elts;

        for (k = 0; k < model->list.nelts; k++) {
            p = ngx_slprintf(p, last, " %L", v[k].source.version);
        }

        for (k = 0; k < model->labels.nelts; k++) {
            p = ngx_slprintf(p, last, " \"%V\"", &l[k].name);
        }

        ngx_log_error(level, cycle->log, 0,
                      "\"maas_version %V\" is no version or label of model "
                      "\"%V\", which serves%*s%V", &pin[i].version,
                      &model->name, (size_t) (p - text), text, &pin[i].at);

        if (level == NGX_LOG_EMERG) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* The configuration of the running cycle, if this module was part of it. */

static ngx_maas_main_conf_t *
ngx_maas_old_conf(ngx_cycle_t *cycle)
{
    ngx_uint_t    i;
    ngx_cycle_t  *old;

    old = cycle->old_cycle;

    if (ngx_is_init_cycle(old)) {
        return NULL;
    }

    for (i = 0; old->modules[i]; i++) {
        if (old->modules[i] == &ngx_http_maas_module) {
            return ngx_http_cycle_get_module_main_conf(old,
                                                       ngx_http_maas_module);
        }
    }

    return NULL;
}


/* The version that has, or will have, the image of a key: the first one. */

ngx_maas_version_t *
ngx_maas_version_of(ngx_maas_main_conf_t *mcf, const char *key)
{
    ngx_uint_t            i, k;
    ngx_maas_model_t    **m;
    ngx_maas_version_t   *v;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        v = m[i]->list.elts;

        for (k = 0; k < m[i]->list.nelts; k++) {
            if (ngx_strcmp(v[k].source.key, key) == 0) {
                return &v[k];
            }
        }
    }

    return NULL;
}


/*
 * The cycle closes the image.  cycle->log is the log of the cycle before, and
 * gone by then; new_log is the cycle's own.
 */

void
ngx_maas_hold(ngx_cycle_t *cycle, ngx_pool_cleanup_t *cln, ngx_fd_t fd,
    char *name)
{
    ngx_pool_cleanup_file_t  *clnf;

    clnf = cln->data;

    clnf->fd = fd;
    clnf->name = (u_char *) name;
    clnf->log = &cycle->new_log;

    cln->handler = ngx_pool_cleanup_file;
}


/* An unchanged source keeps the image that the old cycle holds open. */

static ngx_int_t
ngx_maas_reuse(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    ngx_uint_t             i, k;
    ngx_maas_model_t     **m;
    ngx_pool_cleanup_t    *cln;
    ngx_maas_version_t    *v, *had;
    ngx_maas_main_conf_t  *old;

    old = ngx_maas_old_conf(cycle);

    if (old == NULL) {
        return NGX_OK;
    }

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        v = m[i]->list.elts;

        for (k = 0; k < m[i]->list.nelts; k++) {
            had = ngx_maas_version_of(old, v[k].source.key);

            if (had == NULL || had->fd == NGX_INVALID_FILE
                || !maas_image_fresh(had->fd, v[k].source.path)
                || ngx_maas_version_of(mcf, v[k].source.key) != &v[k])
            {
                continue;
            }

            cln = ngx_pool_cleanup_add(cycle->pool,
                                       sizeof(ngx_pool_cleanup_file_t));
            if (cln == NULL) {
                return NGX_ERROR;
            }

            v[k].fd = fcntl(had->fd, F_DUPFD_CLOEXEC, 0);

            if (v[k].fd == -1) {
                ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                              "maas model \"%V\": cannot keep its image",
                              &m[i]->name);
                return NGX_ERROR;
            }

            ngx_maas_hold(cycle, cln, v[k].fd, v[k].source.path);
        }
    }

    return NGX_OK;
}


/* Bytes of the images that the cycle holds, each once. */

off_t
ngx_maas_image_bytes(ngx_maas_main_conf_t *mcf)
{
    off_t                 sum;
    ngx_uint_t            i, k;
    struct stat           st;
    ngx_maas_model_t    **m;
    ngx_maas_version_t   *v;

    sum = 0;
    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        v = m[i]->list.elts;

        for (k = 0; k < m[i]->list.nelts; k++) {
            if (v[k].fd != NGX_INVALID_FILE
                && ngx_maas_version_of(mcf, v[k].source.key) == &v[k]
                && fstat(v[k].fd, &st) == 0)
            {
                sum += st.st_size;
            }
        }
    }

    return sum;
}


static ngx_int_t
ngx_maas_check_memory(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    off_t  sum;

    if (mcf->memory == 0) {
        return NGX_OK;
    }

    sum = ngx_maas_image_bytes(mcf);

    if (sum < mcf->memory) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                  "the images of the configured models have %O bytes, "
                  "\"maas_memory\" is %O: raise it, or keep fewer versions"
                  "%V", sum, mcf->memory, &mcf->memory_at);

    return NGX_ERROR;
}
