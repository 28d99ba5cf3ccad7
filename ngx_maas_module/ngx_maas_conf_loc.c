/*
 * Setters of the directives of a location.  Literal model names are noted
 * and checked after parsing, so that a location may stand before its model.
 *
 * All memory is the cycle's pool (cf->pool).
 */

#include "ngx_http_maas_module.h"


/* Candidates for "known" in the message on a wrong maas_api. */
static const char *const  ngx_maas_dialects[] = {
    "kserve", "tfserving", "openai", "admin", NULL
};


static ngx_int_t
ngx_maas_add_ref(ngx_conf_t *cf, ngx_str_t *name, const char *directive)
{
    maas_str_t             s;
    ngx_maas_ref_t        *ref;
    ngx_maas_main_conf_t  *mcf;

    s.data = (const char *) name->data;
    s.len = name->len;

    if (!maas_name_valid(s)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid model name \"%V\" in \"%s\", expected the "
                           "name of a maas_model, as in \"%s digits;\"%s",
                           name, directive, directive,
                           ngx_strlchr(name->data, name->data + name->len,
                                       '/')
                           ? " (a URL goes to proxy_pass, a file to the "
                             "\"source\" of a maas_model)" : "");
        return NGX_ERROR;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_maas_module);

    ref = ngx_array_push(&mcf->refs);
    if (ref == NULL) {
        return NGX_ERROR;
    }

    ref->name = *name;
    ref->directive = directive;
    ref->file = cf->conf_file->file.name;
    ref->line = cf->conf_file->line;

    return NGX_OK;
}


static char *
ngx_maas_conf_value(ngx_conf_t *cf, ngx_http_complex_value_t **cv)
{
    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    *cv = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = *cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_maas_conf_serve(ngx_conf_t *cf, ngx_maas_loc_conf_t *alcf)
{
    ngx_maas_main_conf_t      *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->pass || alcf->dialects) {
        return "is duplicate, a location has one maas_pass or maas_api";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_maas_handler;

    if (clcf->name.len && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_maas_module);
    mcf->used++;

    return NGX_CONF_OK;
}


char *
ngx_maas_conf_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_loc_conf_t  *alcf = conf;

    char       *rv;
    ngx_str_t  *value;

    rv = ngx_maas_conf_serve(cf, alcf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_maas_conf_value(cf, &alcf->pass);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;

    if (alcf->pass->lengths == NULL
        && ngx_maas_add_ref(cf, &value[1], "maas_pass") != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_maas_unknown_dialect(ngx_conf_t *cf, ngx_str_t *name)
{
    char         near_text[MAAS_NEAR_TEXT];
    u_char      *p, text[256];
    ngx_uint_t   i;
    maas_str_t   known;
    maas_near_t  near;

    p = text;

    ngx_memzero(&near, sizeof(maas_near_t));
    near.word.data = (const char *) name->data;
    near.word.len = name->len;

    for (i = 0; ngx_maas_dialects[i]; i++) {
        if (maas_dialect_exists(ngx_maas_dialects[i])) {
            known.data = ngx_maas_dialects[i];
            known.len = ngx_strlen(ngx_maas_dialects[i]);
            maas_near(&near, known);

            p = ngx_slprintf(p, text + sizeof(text) - 1, "%s\"%s\"",
                             (p == text) ? "" : ", ", ngx_maas_dialects[i]);
        }
    }

    *p = '\0';

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown dialect \"%V\" in \"maas_api\", known: %s%s",
                       name, text, maas_near_text(&near, near_text));

    return NGX_CONF_ERROR;
}


/* What routes follow; a pattern, a named location and "/" have none. */

static void
ngx_maas_prefix(ngx_conf_t *cf, ngx_str_t *prefix)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->name.len == 0 || clcf->name.data[0] != '/'
#if (NGX_PCRE)
        || clcf->regex
#endif
       )
    {
        return;
    }

    *prefix = clcf->name;

    if (prefix->data[prefix->len - 1] == '/') {
        prefix->len--;
    }
}


char *
ngx_maas_conf_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_loc_conf_t  *alcf = conf;

    char         *rv;
    ngx_str_t    *value;
    ngx_uint_t    i, k;
    const char  **d;

    rv = ngx_maas_conf_serve(cf, alcf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_maas_prefix(cf, &alcf->prefix);

    value = cf->args->elts;

    alcf->dialects = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                      sizeof(char *));
    if (alcf->dialects == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "pass") == 0
            || !maas_dialect_exists((char *) value[i].data))
        {
            return ngx_maas_unknown_dialect(cf, &value[i]);
        }

        d = alcf->dialects->elts;

        for (k = 0; k < alcf->dialects->nelts; k++) {
            if (ngx_strcmp(d[k], value[i].data) == 0) {
                return "names one dialect twice";
            }
        }

        d = ngx_array_push(alcf->dialects);
        *d = (const char *) value[i].data;
    }

    return NGX_CONF_OK;
}


char *
ngx_maas_conf_models(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_loc_conf_t  *alcf = conf;

    ngx_str_t   *value;
    maas_str_t  *s;
    ngx_uint_t   i;

    if (alcf->models != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    alcf->models = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                    sizeof(maas_str_t));
    if (alcf->models == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_maas_add_ref(cf, &value[i], "maas_models") != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        s = ngx_array_push(alcf->models);
        s->data = (const char *) value[i].data;
        s->len = value[i].len;
    }

    return NGX_CONF_OK;
}


char *
ngx_maas_conf_version(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_loc_conf_t  *alcf = conf;

    char        *rv;
    ngx_str_t   *value;
    maas_str_t   s;

    if (alcf->version != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    rv = ngx_maas_conf_value(cf, &alcf->version);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_maas_conf_at(cf, &alcf->version_at) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;
    s.data = (const char *) value[1].data;
    s.len = value[1].len;

    if (alcf->version->lengths == NULL && s.len && !maas_name_valid(s)) {
        return ngx_maas_conf_bad(cf, "a version number, a label, or \"\"");
    }

    return NGX_CONF_OK;
}


char *
ngx_maas_conf_timeout(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_loc_conf_t  *alcf = conf;

    char       *rv;
    ngx_int_t   n;
    ngx_str_t  *value;

    if (alcf->timeout != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    rv = ngx_maas_conf_value(cf, &alcf->timeout);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (alcf->timeout->lengths) {
        return NGX_CONF_OK;
    }

    value = cf->args->elts;
    n = ngx_parse_time(&value[1], 0);

    if (n < 1) {
        return ngx_maas_conf_bad(cf, "a time, for example 2s or 500ms");
    }

    return NGX_CONF_OK;
}
