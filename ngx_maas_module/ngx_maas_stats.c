/*
 * Counters of inferences in memory that all workers share, so that any of
 * them answers for all.  A slot belongs to a name and a version; it goes on
 * counting over reloads as long as the version's files and what they are
 * compiled for stay the same, else it begins anew.  The engine adds to the
 * counters, on any thread, without a lock; slots are found and taken under
 * the zone's mutex, when a worker starts.
 *
 * A slot that neither this configuration nor the one before has used may be
 * taken for another version when the zone is full.
 */

#include "ngx_http_maas_module.h"


/* Room for some 500 versions. */
#define NGX_MAAS_STATS_SIZE  (1024 * 1024)


typedef struct ngx_maas_slot_s  ngx_maas_slot_t;

struct ngx_maas_slot_s {
    ngx_maas_slot_t       *next;
    ngx_uint_t             generation;      /* that used it last */
    int64_t                version;
    size_t                 len;
    u_char                 name[MAAS_NAME_MAX];
    char                   key[33];
    maas_stats_t           stats;
};

struct ngx_maas_stats_s {
    ngx_uint_t             generation;      /* of configurations */
    ngx_maas_slot_t       *slots;
};


static ngx_int_t
ngx_maas_stats_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t       *pool;
    ngx_maas_main_conf_t  *mcf, *old;

    mcf = zone->data;
    old = data;
    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old) {
        mcf->stats = old->stats;

    } else {
        mcf->stats = ngx_slab_calloc(pool, sizeof(ngx_maas_stats_t));
        if (mcf->stats == NULL) {
            return NGX_ERROR;
        }

        /* a full zone is told by ngx_maas_stats(), once */
        pool->log_nomem = 0;
    }

    mcf->stats->generation++;
    mcf->stats_generation = mcf->stats->generation;
    mcf->stats_pool = pool;

    return NGX_OK;
}


ngx_int_t
ngx_maas_stats_init(ngx_conf_t *cf)
{
    ngx_str_t              name = ngx_string("maas_stats");
    ngx_shm_zone_t        *zone;
    ngx_maas_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_maas_module);

    if (mcf->used == 0) {
        return NGX_OK;
    }

    zone = ngx_shared_memory_add(cf, &name, NGX_MAAS_STATS_SIZE,
                                 &ngx_http_maas_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_maas_stats_zone;
    zone->data = mcf;

    return NGX_OK;
}


static ngx_maas_slot_t *
ngx_maas_stats_find(ngx_maas_main_conf_t *mcf, ngx_str_t *name,
    int64_t version)
{
    ngx_maas_slot_t  *s;

    for (s = mcf->stats->slots; s; s = s->next) {
        if (s->version == version && s->len == name->len
            && ngx_memcmp(s->name, name->data, name->len) == 0)
        {
            return s;
        }
    }

    return NULL;
}


/* A new slot, or one that nobody has used for two configurations. */

static ngx_maas_slot_t *
ngx_maas_stats_take(ngx_maas_main_conf_t *mcf)
{
    ngx_maas_slot_t  *s;

    s = ngx_slab_calloc_locked(mcf->stats_pool, sizeof(ngx_maas_slot_t));

    if (s) {
        s->next = mcf->stats->slots;
        mcf->stats->slots = s;
        return s;
    }

    for (s = mcf->stats->slots; s; s = s->next) {
        if (s->generation + 1 < mcf->stats_generation) {
            s->key[0] = '\0';
            return s;
        }
    }

    return NULL;
}


/* The counters of a version, or NULL: they are the worker's own. */

maas_stats_t *
ngx_maas_stats(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_str_t *name, const maas_source_t *source)
{
    maas_stats_t     *stats;
    ngx_maas_slot_t  *s;

    if (mcf->stats == NULL || name->len > MAAS_NAME_MAX) {
        return NULL;
    }

    ngx_shmtx_lock(&mcf->stats_pool->mutex);

    stats = NULL;
    s = ngx_maas_stats_find(mcf, name, source->version);

    if (s == NULL) {
        s = ngx_maas_stats_take(mcf);
    }

    /* a worker of an older configuration leaves the slot to newer ones */

    if (s && (s->generation <= mcf->stats_generation
              || ngx_strcmp(s->key, source->key) == 0))
    {
        if (ngx_strcmp(s->key, source->key) != 0) {
            ngx_memzero(&s->stats, sizeof(maas_stats_t));
            ngx_memcpy(s->key, source->key, sizeof(s->key));
            ngx_memcpy(s->name, name->data, name->len);
            s->len = name->len;
            s->version = source->version;
        }

        s->generation = ngx_max(s->generation, mcf->stats_generation);
        stats = &s->stats;
    }

    ngx_shmtx_unlock(&mcf->stats_pool->mutex);

    if (stats == NULL) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "maas: no room for the statistics of model \"%V\" "
                      "version %L, this worker counts for itself",
                      name, source->version);
    }

    return stats;
}
