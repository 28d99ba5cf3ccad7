/*
 * The maas_model block: its keys and their values.  Only syntax is judged
 * here; sources are listed in init_conf (ngx_maas_compile.c).  Every model
 * keeps the file and the line of its block, because init_conf names them.
 *
 * All memory is the cycle's pool (cf->pool).
 */

#include "ngx_http_maas_module.h"


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   min;           /* arguments */
    ngx_uint_t   max;
    const char  *usage;
    char      *(*set)(ngx_conf_t *cf, ngx_maas_model_t *model);
} ngx_maas_key_t;


static char *ngx_maas_model_key(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_maas_key_source(ngx_conf_t *cf, ngx_maas_model_t *model);
static char *ngx_maas_key_versions(ngx_conf_t *cf, ngx_maas_model_t *model);
static char *ngx_maas_key_label(ngx_conf_t *cf, ngx_maas_model_t *model);
static char *ngx_maas_key_queue(ngx_conf_t *cf, ngx_maas_model_t *model);
static char *ngx_maas_key_batch(ngx_conf_t *cf, ngx_maas_model_t *model);
static char *ngx_maas_key_concurrency(ngx_conf_t *cf,
    ngx_maas_model_t *model);
static char *ngx_maas_key_numerics(ngx_conf_t *cf, ngx_maas_model_t *model);
static char *ngx_maas_key_run(ngx_conf_t *cf, ngx_maas_model_t *model);
static char *ngx_maas_key_limits(ngx_conf_t *cf, ngx_maas_model_t *model);


static const ngx_maas_key_t  ngx_maas_keys[] = {
    { ngx_string("source"), 1, 1, "source PATH;", ngx_maas_key_source },
    { ngx_string("versions"), 1, 64, "versions latest=N|all|N ...;",
      ngx_maas_key_versions },
    { ngx_string("label"), 1, 64, "label NAME=VERSION ...;",
      ngx_maas_key_label },
    { ngx_string("batch"), 1, 3, "batch max=N delay=TIME preferred=N,N;",
      ngx_maas_key_batch },
    { ngx_string("queue"), 1, 5,
      "queue max=N timeout=TIME levels=N default=N age=TIME;",
      ngx_maas_key_queue },
    { ngx_string("concurrency"), 1, 1, "concurrency N|auto;",
      ngx_maas_key_concurrency },
    { ngx_string("numerics"), 1, 1, "numerics exact|fast;",
      ngx_maas_key_numerics },
    { ngx_string("run"), 1, 1, "run auto|inline|pool;", ngx_maas_key_run },
    { ngx_string("limits"), 1, 2, "limits elements=N plans=N;",
      ngx_maas_key_limits },
    { ngx_null_string, 0, 0, NULL, NULL }
};


ngx_maas_model_t *
ngx_maas_model_find(ngx_maas_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t          i;
    ngx_maas_model_t  **m;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        if (m[i]->name.len == name->len
            && ngx_strncmp(m[i]->name.data, name->data, name->len) == 0)
        {
            return m[i];
        }
    }

    return NULL;
}


/* A model with every default; name is kept, not copied. */

ngx_maas_model_t *
ngx_maas_model_new(ngx_pool_t *pool, ngx_maas_main_conf_t *mcf,
    ngx_str_t *name)
{
    ngx_maas_model_t  *model, **m;

    model = ngx_pcalloc(pool, sizeof(ngx_maas_model_t));
    if (model == NULL) {
        return NULL;
    }

    model->name = *name;
    model->queue_max = NGX_CONF_UNSET_UINT;
    model->queue_timeout = NGX_CONF_UNSET_MSEC;
    model->levels = NGX_CONF_UNSET_UINT;
    model->level = NGX_CONF_UNSET_UINT;
    model->age = NGX_CONF_UNSET_MSEC;
    model->batch_max = NGX_CONF_UNSET_UINT;
    model->batch_delay = NGX_CONF_UNSET_MSEC;
    model->concurrency = NGX_CONF_UNSET_UINT;
    model->run = NGX_CONF_UNSET_UINT;
    model->plans = NGX_CONF_UNSET_UINT;

    if (ngx_array_init(&model->labels, pool, 2, sizeof(ngx_maas_label_t))
        != NGX_OK
        || ngx_array_init(&model->list, pool, 2, sizeof(ngx_maas_version_t))
           != NGX_OK)
    {
        return NULL;
    }

    m = ngx_array_push(&mcf->models);
    if (m == NULL) {
        return NULL;
    }

    *m = model;

    return model;
}


static ngx_uint_t
ngx_maas_name_ok(ngx_conf_t *cf, ngx_str_t *name, const char *what)
{
    maas_str_t  s;

    s.data = (const char *) name->data;
    s.len = name->len;

    if (maas_name_valid(s)) {
        return 1;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid name \"%V\" in \"%s\": a name starts with a "
                       "letter or digit, goes on with letters, digits, "
                       "\".\", \"_\" or \"-\", and has at most %d bytes",
                       name, what, MAAS_NAME_MAX);
    return 0;
}


char *
ngx_maas_conf_model(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_maas_main_conf_t  *mcf = conf;

    char              *rv;
    ngx_str_t         *value;
    ngx_conf_t         save;
    ngx_maas_model_t  *model;

    value = cf->args->elts;

    if (!ngx_maas_name_ok(cf, &value[1], "maas_model")) {
        return NGX_CONF_ERROR;
    }

    model = ngx_maas_model_find(mcf, &value[1]);

    if (model) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate maas_model \"%V\", the first is in "
                           "%V:%ui", &value[1], &model->file, model->line);
        return NGX_CONF_ERROR;
    }

    model = ngx_maas_model_new(cf->pool, mcf, &value[1]);
    if (model == NULL) {
        return NGX_CONF_ERROR;
    }

    model->file = cf->conf_file->file.name;
    model->line = cf->conf_file->line;

    save = *cf;
    cf->handler = ngx_maas_model_key;
    cf->handler_conf = (char *) model;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv == NGX_CONF_OK && model->run == NGX_MAAS_RUN_INLINE
        && model->batch_max != NGX_CONF_UNSET_UINT && model->batch_max > 1)
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"batch\" of maas_model \"%V\" has no effect "
                           "with \"run inline\": requests that run on the "
                           "event loop wait for no others", &model->name);
    }

    return rv;
}


static char *
ngx_maas_unknown_key(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    char                   text[MAAS_NEAR_TEXT];
    u_char                *p, *last, list[NGX_MAX_CONF_ERRSTR];
    ngx_str_t             *value;
    maas_str_t             known;
    maas_near_t            near;
    const ngx_maas_key_t  *key;

    value = cf->args->elts;
    p = list;
    last = list + sizeof(list) - 1;

    ngx_memzero(&near, sizeof(maas_near_t));
    near.word.data = (const char *) value[0].data;
    near.word.len = value[0].len;

    for (key = ngx_maas_keys; key->name.len; key++) {
        known.data = (const char *) key->name.data;
        known.len = key->name.len;
        maas_near(&near, known);
        p = ngx_slprintf(p, last, "%s%V", p == list ? "" : ", ", &key->name);
    }

    *p = '\0';

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown key \"%V\" in maas_model \"%V\", known: "
                       "%s%s", &value[0], &model->name, list,
                       maas_near_text(&near, text));

    return NGX_CONF_ERROR;
}


static char *
ngx_maas_model_key(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_maas_model_t  *model = conf;

    char                  *rv;
    ngx_str_t             *value;
    ngx_uint_t             n;
    const ngx_maas_key_t  *key;

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    if (ngx_strcmp(value[0].data, "include") == 0 && n == 1) {
        return ngx_conf_include(cf, dummy, conf);
    }

    for (key = ngx_maas_keys; key->name.len; key++) {
        if (ngx_strcmp(key->name.data, value[0].data) == 0) {
            break;
        }
    }

    if (key->name.len == 0) {
        return ngx_maas_unknown_key(cf, model);
    }

    if (n < key->min || n > key->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments of \"%V\" in "
                           "maas_model \"%V\", expected \"%s\"", &value[0],
                           &model->name, key->usage);
        return NGX_CONF_ERROR;
    }

    rv = key->set(cf, model);

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" of maas_model \"%V\" %s", &value[0],
                       &model->name, rv);

    return NGX_CONF_ERROR;
}


static char *
ngx_maas_bad_value(ngx_conf_t *cf, ngx_maas_model_t *model, ngx_str_t *v,
    const char *expected)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"%V\" in maas_model \"%V\", "
                       "expected %s", v, &value[0], &model->name, expected);

    return NGX_CONF_ERROR;
}


static char *
ngx_maas_key_source(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    ngx_str_t  *value;

    if (model->source.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    model->source = value[1];
    model->given = value[1];

    if (model->source.len == 0) {
        return "needs a path";
    }

    if (ngx_conf_full_name(cf->cycle, &model->source, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_maas_key_versions(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    u_char      *p;
    size_t       len;
    ngx_int_t    n;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (model->versions.data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    len = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        len += value[i].len + 1;

        if (cf->args->nelts == 2 && ngx_strcmp(value[i].data, "all") == 0) {
            continue;
        }

        if (cf->args->nelts == 2
            && ngx_strncmp(value[i].data, "latest=", 7) == 0)
        {
            n = ngx_atoi(value[i].data + 7, value[i].len - 7);

        } else {
            n = ngx_atoi(value[i].data, value[i].len);
        }

        if (n < 1) {
            return ngx_maas_bad_value(cf, model, &value[i],
                                      "\"latest=N\", \"all\" or positive "
                                      "version numbers");
        }
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    model->versions.data = p;
    model->versions.len = len - 1;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

    p[-1] = '\0';

    return NGX_CONF_OK;
}


static char *
ngx_maas_key_label(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    u_char            *p;
    ngx_int_t          n;
    ngx_str_t         *value, name;
    ngx_uint_t         i, k;
    ngx_maas_label_t  *l;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_strlchr(value[i].data, value[i].data + value[i].len, '=');
        n = NGX_ERROR;

        if (p) {
            name.data = value[i].data;
            name.len = p - value[i].data;
            n = ngx_atoi(p + 1, value[i].data + value[i].len - p - 1);
        }

        if (n < 1) {
            return ngx_maas_bad_value(cf, model, &value[i],
                                      "NAME=VERSION, for example stable=3");
        }

        if (!ngx_maas_name_ok(cf, &name, "label")) {
            return NGX_CONF_ERROR;
        }

        if (ngx_atoi(name.data, name.len) != NGX_ERROR) {
            return ngx_maas_bad_value(cf, model, &value[i],
                                      "a label that is not a number");
        }

        l = model->labels.elts;

        for (k = 0; k < model->labels.nelts; k++) {
            if (l[k].name.len == name.len
                && ngx_strncmp(l[k].name.data, name.data, name.len) == 0)
            {
                return "names one label twice";
            }
        }

        l = ngx_array_push(&model->labels);
        if (l == NULL) {
            return NGX_CONF_ERROR;
        }

        l->name = name;
        l->version = n;
    }

    return NGX_CONF_OK;
}


/* NAME=VALUE: the value, in *v; 0: it is another name. */

static ngx_uint_t
ngx_maas_named(ngx_str_t *arg, const char *name, ngx_str_t *v)
{
    size_t  len;

    len = ngx_strlen(name);

    if (arg->len <= len || arg->data[len] != '='
        || ngx_strncmp(arg->data, name, len) != 0)
    {
        return 0;
    }

    v->data = arg->data + len + 1;
    v->len = arg->len - len - 1;

    return 1;
}


static char *
ngx_maas_set_number(ngx_conf_t *cf, ngx_maas_model_t *model, ngx_str_t *arg,
    ngx_str_t *v, ngx_int_t max, const char *expected, ngx_uint_t *to)
{
    ngx_int_t  n;

    if (*to != NGX_CONF_UNSET_UINT) {
        return "has a duplicate parameter";
    }

    n = ngx_atoi(v->data, v->len);

    if (n < 1 || n > max) {
        return ngx_maas_bad_value(cf, model, arg, expected);
    }

    *to = n;

    return NGX_CONF_OK;
}


static char *
ngx_maas_set_time(ngx_conf_t *cf, ngx_maas_model_t *model, ngx_str_t *arg,
    ngx_str_t *v, ngx_int_t min, const char *expected, ngx_msec_t *to)
{
    ngx_int_t  n;

    if (*to != NGX_CONF_UNSET_MSEC) {
        return "has a duplicate parameter";
    }

    n = ngx_parse_time(v, 0);

    if (n < min) {
        return ngx_maas_bad_value(cf, model, arg, expected);
    }

    *to = n;

    return NGX_CONF_OK;
}


static char *
ngx_maas_key_queue(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    char        *rv;
    ngx_str_t   *value, v;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_maas_named(&value[i], "max", &v)) {
            rv = ngx_maas_set_number(cf, model, &value[i], &v, 1000000,
                                     "max=1 to max=1000000",
                                     &model->queue_max);

        } else if (ngx_maas_named(&value[i], "timeout", &v)) {
            rv = ngx_maas_set_time(cf, model, &value[i], &v, 1,
                                   "a time, for example timeout=1s",
                                   &model->queue_timeout);

        } else if (ngx_maas_named(&value[i], "levels", &v)) {
            rv = ngx_maas_set_number(cf, model, &value[i], &v,
                                     MAAS_SCHED_LEVELS,
                                     "levels=1 to levels=16",
                                     &model->levels);

        } else if (ngx_maas_named(&value[i], "default", &v)) {
            rv = ngx_maas_set_number(cf, model, &value[i], &v,
                                     MAAS_SCHED_LEVELS,
                                     "default=1 to default=16",
                                     &model->level);

        } else if (ngx_maas_named(&value[i], "age", &v)) {
            rv = ngx_maas_set_time(cf, model, &value[i], &v, 1,
                                   "a time, for example age=200ms",
                                   &model->age);

        } else {
            rv = ngx_maas_bad_value(cf, model, &value[i],
                                    "max=, timeout=, levels=, default= or "
                                    "age=");
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (model->level != NGX_CONF_UNSET_UINT
        && (model->levels == NGX_CONF_UNSET_UINT
            || model->level > model->levels))
    {
        return "has a default that is none of its levels";
    }

    return NGX_CONF_OK;
}


/* preferred=4,8: ascending, at most max. */

static char *
ngx_maas_set_preferred(ngx_conf_t *cf, ngx_maas_model_t *model,
    ngx_str_t *arg, ngx_str_t *v)
{
    u_char     *p, *last, *comma;
    ngx_int_t   n, before;

    if (model->npreferred) {
        return "has a duplicate parameter";
    }

    before = 1;
    last = v->data + v->len;

    for (p = v->data; /* void */ ; p = comma + 1) {
        comma = ngx_strlchr(p, last, ',');
        n = ngx_atoi(p, (comma ? comma : last) - p);

        if (n <= before || model->npreferred == MAAS_SCHED_PREFERRED) {
            return ngx_maas_bad_value(cf, model, arg,
                                      "up to 8 sizes from 2 on, ascending, "
                                      "for example preferred=4,8");
        }

        model->preferred[model->npreferred++] = n;
        before = n;

        if (comma == NULL) {
            return NGX_CONF_OK;
        }
    }
}


static char *
ngx_maas_key_batch(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    char        *rv;
    ngx_str_t   *value, v;
    ngx_uint_t   i;

    if (model->batch_max != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_maas_named(&value[i], "max", &v)) {
            rv = ngx_maas_set_number(cf, model, &value[i], &v,
                                     NGX_MAAS_BATCH_MAX,
                                     "max=1 to max=1024",
                                     &model->batch_max);

        } else if (ngx_maas_named(&value[i], "delay", &v)) {
            rv = ngx_maas_set_time(cf, model, &value[i], &v, 0,
                                   "a time, for example delay=2ms",
                                   &model->batch_delay);

        } else if (ngx_maas_named(&value[i], "preferred", &v)) {
            rv = ngx_maas_set_preferred(cf, model, &value[i], &v);

        } else {
            rv = ngx_maas_bad_value(cf, model, &value[i],
                                    "max=, delay= or preferred=");
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (model->batch_max == NGX_CONF_UNSET_UINT) {
        return "needs max=, for example max=16";
    }

    if (model->npreferred
        && model->preferred[model->npreferred - 1] > model->batch_max)
    {
        return "prefers a size above its max";
    }

    return NGX_CONF_OK;
}


static char *
ngx_maas_key_concurrency(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    if (model->concurrency != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_maas_conf_auto(&value[1]);

    if (n == NGX_ERROR) {
        return ngx_maas_bad_value(cf, model, &value[1],
                                  "\"auto\" or 1 to 1024");
    }

    model->concurrency = n;

    return NGX_CONF_OK;
}


static char *
ngx_maas_key_numerics(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    ngx_str_t  *value;

    if (model->numerics.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "exact") != 0
        && ngx_strcmp(value[1].data, "fast") != 0)
    {
        return ngx_maas_bad_value(cf, model, &value[1],
                                  "\"exact\" or \"fast\"");
    }

    model->numerics = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_maas_key_run(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    ngx_str_t  *value;

    if (model->run != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "auto") == 0) {
        model->run = NGX_MAAS_RUN_AUTO;

    } else if (ngx_strcmp(value[1].data, "inline") == 0) {
        model->run = NGX_MAAS_RUN_INLINE;

    } else if (ngx_strcmp(value[1].data, "pool") == 0) {
        model->run = NGX_MAAS_RUN_POOL;

    } else {
        return ngx_maas_bad_value(cf, model, &value[1],
                                  "\"auto\", \"inline\" or \"pool\"");
    }

    return NGX_CONF_OK;
}


static char *
ngx_maas_key_limits(ngx_conf_t *cf, ngx_maas_model_t *model)
{
    off_t        size;
    ngx_int_t    n;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "elements=", 9) == 0) {
            if (model->elements) {
                return "has a duplicate elements";
            }

            s.data = value[i].data + 9;
            s.len = value[i].len - 9;
            size = ngx_parse_offset(&s);

            if (size < 1) {
                return ngx_maas_bad_value(cf, model, &value[i],
                                          "a number, for example "
                                          "elements=64m");
            }

            model->elements = size;
            continue;
        }

        if (ngx_strncmp(value[i].data, "plans=", 6) == 0) {
            if (model->plans != NGX_CONF_UNSET_UINT) {
                return "has a duplicate plans";
            }

            n = ngx_atoi(value[i].data + 6, value[i].len - 6);

            if (n < 1 || n > 65536) {
                return ngx_maas_bad_value(cf, model, &value[i],
                                          "plans=1 to plans=65536");
            }

            model->plans = n;
            continue;
        }

        return ngx_maas_bad_value(cf, model, &value[i],
                                  "elements= or plans=");
    }

    return NGX_CONF_OK;
}
