/*
 * maas_store: every folder in it is a model; those with a block keep it.
 * Only names are read here, when the configuration is; what versions a
 * folder has is found with the sources (ngx_maas_compile.c).  What looks
 * like a model and is none is said, for nobody would find it otherwise.
 *
 * Memory is the cycle's pool.
 */

#include "ngx_http_maas_module.h"


/* Is the file the source of a maas_model? */

static ngx_uint_t
ngx_maas_store_used(ngx_maas_main_conf_t *mcf, u_char *path)
{
    ngx_uint_t          i;
    ngx_maas_model_t  **m;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        if (m[i]->source.data && ngx_strcmp(m[i]->source.data, path) == 0) {
            return 1;
        }
    }

    return 0;
}


/* A model file that lies in no folder, a folder whose name is no model's. */

static void
ngx_maas_store_passed(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_str_t *entry, u_char *path, ngx_uint_t folder)
{
    u_char  *end;

    end = entry->data + entry->len;

    if (folder && ngx_strcmp(entry->data, "lost+found") != 0) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "the folder \"%V\" of \"maas_store\" is passed over: a "
                      "name has letters, digits, \".\", \"_\" or \"-\", and at "
                      "most %d bytes in %V:%ui", entry, MAAS_NAME_MAX,
                      &mcf->store_file, mcf->store_line);

    } else if (!folder && entry->len > 5
               && ngx_strcmp(end - 5, ".onnx") == 0
               && !ngx_maas_store_used(mcf, path))
    {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "the file \"%V\" of \"maas_store\" is passed over: put "
                      "it into a folder, NAME/1/model.onnx in %V:%ui", entry,
                      &mcf->store_file, mcf->store_line);
    }
}


static ngx_int_t
ngx_maas_store_entry(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_str_t *entry)
{
    u_char            *p;
    size_t             len;
    ngx_str_t          name;
    maas_str_t         s;
    ngx_file_info_t    fi;
    ngx_maas_model_t  *model;

    if (entry->data[0] == '.') {
        return NGX_OK;
    }

    s.data = (const char *) entry->data;
    s.len = entry->len;

    len = mcf->store.len + 1 + entry->len;

    p = ngx_pnalloc(cycle->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(p, "%V/%V%Z", &mcf->store, entry);

    if (ngx_file_info(p, &fi) == NGX_FILE_ERROR) {
        return NGX_OK;
    }

    if (!ngx_is_dir(&fi) || !maas_name_valid(s)) {
        ngx_maas_store_passed(cycle, mcf, entry, p, ngx_is_dir(&fi));
        return NGX_OK;
    }

    name.data = p + mcf->store.len + 1;
    name.len = entry->len;

    model = ngx_maas_model_find(mcf, &name);

    if (model == NULL) {
        model = ngx_maas_model_new(cycle->pool, mcf, &name);
        if (model == NULL) {
            return NGX_ERROR;
        }

        model->file = mcf->store_file;
        model->line = mcf->store_line;
        model->stored = 1;
    }

    if (model->source.data == NULL) {
        model->source.data = p;
        model->source.len = len;
        model->shelved = 1;
    }

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_maas_cmp_names(const void *one, const void *two)
{
    const ngx_str_t  *a = one;
    const ngx_str_t  *b = two;

    return ngx_strcmp(a->data, b->data);
}


/* Every folder of the store is a model; those with a block keep it. */

ngx_int_t
ngx_maas_store(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    ngx_dir_t     dir;
    ngx_int_t     rc;
    ngx_str_t    *name;
    ngx_uint_t    i;
    ngx_array_t   names;

    if (ngx_open_dir(&mcf->store, &dir) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "cannot open the folder \"%V\" of \"maas_store\" in "
                      "%V:%ui", &mcf->store, &mcf->store_file,
                      mcf->store_line);
        return NGX_ERROR;
    }

    rc = ngx_array_init(&names, cycle->pool, 16, sizeof(ngx_str_t));

    while (rc == NGX_OK && ngx_read_dir(&dir) == NGX_OK) {

        name = ngx_array_push(&names);
        if (name == NULL) {
            rc = NGX_ERROR;
            break;
        }

        name->len = ngx_de_namelen(&dir);
        name->data = ngx_pnalloc(cycle->pool, name->len + 1);

        if (name->data == NULL) {
            rc = NGX_ERROR;
            break;
        }

        (void) ngx_cpystrn(name->data, ngx_de_name(&dir), name->len + 1);
    }

    (void) ngx_close_dir(&dir);

    name = names.elts;

    if (rc == NGX_OK) {
        ngx_qsort(name, names.nelts, sizeof(ngx_str_t), ngx_maas_cmp_names);

        for (i = 0; i < names.nelts && rc == NGX_OK; i++) {
            rc = ngx_maas_store_entry(cycle, mcf, &name[i]);
        }
    }

    return rc;
}
