/*
 * finetune_cache: what lies before the first weight that is trained gives
 * the same numbers in every epoch: it runs once for each row, and training
 * starts from what it made.
 *
 * Ownership: a cache owns its net and its memory, or unlinked file.
 * Threads:   one thread; the net's steps on the team.
 */

#ifndef MAAS_FINETUNE_CACHE_H
#define MAAS_FINETUNE_CACHE_H

#include "base/team.h"
#include "train/feed.h"
#include "train/finetune.h"


typedef struct maas_finetune_cache_s  maas_finetune_cache_t;

typedef struct {
    maas_finetune_t       *tune;        /* built */
    const maas_kernels_t  *k;
    const maas_feed_t     *feed;        /* rows of the model's input */
    int64_t                rows;        /* of the data */
    const char            *folder;      /* for more than memory should hold */
    maas_team_t           *team;
    /* Targets alone, of rows that are known. */
    maas_status_t        (*targets)(void *ctx, const int64_t *row, int64_t n,
                                    void *y, maas_err_t *err);
    void                  *ctx;
} maas_finetune_cache_opts_t;

/*
 * *out NULL: there is no single float32 value of the batch through which all
 * goes, or no room for it.  Else core is the model behind that value, *x its
 * type.
 */
maas_status_t maas_finetune_cache_create(maas_finetune_cache_t **out,
    const maas_finetune_cache_opts_t *o, const maas_raw_model_t **core,
    maas_tensor_t *x);
void maas_finetune_cache_free(maas_finetune_cache_t *c);

/* Numbers that are kept of a row. */
int64_t maas_finetune_cache_each(const maas_finetune_cache_t *c);

/* As maas_feed_t has it, x of the core's input. */
maas_status_t maas_finetune_cache_rows(maas_finetune_cache_t *c,
    const int64_t *row, int64_t n, uint64_t epoch, void *x, void *y,
    maas_err_t *err);

#endif
