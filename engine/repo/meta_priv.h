/*
 * meta_priv.h: private to repo/: how keys of model.json are read, shared by
 *
 *   meta.c        all but batch; labels.txt; the block
 *   meta_batch.c  batch
 */

#ifndef MAAS_META_PRIV_H
#define MAAS_META_PRIV_H

#include <jansson.h>

#include "repo/meta.h"


typedef struct {
    const char   *where;        /* "model.json: input.image" */
    const json_t *object;
    maas_err_t   *err;
} meta_at_t;


/* An object that has no other keys than these? */
maas_status_t meta_keys(const meta_at_t *at, const char *const *known);

/* What is not there leaves *out alone. */
maas_status_t meta_int(const meta_at_t *at, const char *key, int64_t min,
    int64_t max, int64_t *out);

/* The index of a name, which is the value of `key`. */
maas_status_t meta_name(const meta_at_t *at, const char *key, maas_str_t name,
    const maas_str_t *names, size_t n, const char *what, uint32_t *out);

maas_status_t meta_batch(const json_t *o, maas_meta_t *m,
    const maas_meta_names_t *names, maas_err_t *err);

#endif
