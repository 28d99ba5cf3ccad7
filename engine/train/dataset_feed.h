/*
 * dataset_feed: the object "data" of a specification -> a dataset, its
 * columns, its split, and batches of a network.
 *
 * Ownership: a source owns its dataset; lists lie in the arena.
 * Threads:   one thread.
 */

#ifndef MAAS_DATASET_FEED_H
#define MAAS_DATASET_FEED_H

#include <stdatomic.h>

#include "train/dataset.h"
#include "train/feed.h"
#include "train/params.h"


typedef struct maas_data_s  maas_data_t;

typedef struct {
    const json_t       *data;
    const char         *path;       /* of the data, as it is to be opened */
    const char         *cache;      /* folder for what is imported */
    const maas_host_t  *host;
    maas_arena_t       *arena;
    uint64_t            seed;
    int64_t             folds;      /* 0: none */
    bool                imported;   /* by another process: only open it */
    const atomic_bool  *cancel;
    void              (*progress)(void *ctx, uint64_t done, uint64_t of);
    void               *progress_ctx;
} maas_data_spec_t;

/* "path" of the object; NULL with an error where it is missing. */
maas_status_t maas_data_path(maas_arena_t *a, const json_t *data,
    maas_str_t *path, maas_err_t *err);

/* Members of "data", for documentation. */
extern const maas_param_t  maas_data_params[];
extern const size_t        maas_data_n_params;
extern const maas_param_t  maas_data_split_params[];
extern const size_t        maas_data_n_split;

/* Imports what is no .maasds, opens it, finds the columns. */
maas_status_t maas_data_open(maas_data_t **out,
    const maas_data_spec_t *spec, maas_err_t *err);
void maas_data_close(maas_data_t *s);

typedef struct {
    int64_t            rows;
    const uint8_t     *digest;          /* MAAS_DIGEST bytes */
    int64_t            n_feature;       /* numbers of a row, all columns */
    int                n_column;        /* feature columns */
    const maas_str_t  *column;          /* their names */
    bool               plain;           /* neither texts nor categories */
    /* One image column: uint8 [H,W,C]; its input is [C,H,W] / 255. */
    bool               image;
    int64_t            height, width, channels;
    /* Target: one column of classes, or numbers. */
    maas_str_t         target;          /* name of the first; len 0: none */
    int64_t            n_target;        /* numbers of a row */
    int                n_target_column;
    maas_str_t         named;           /* a target that is no numbers */
    int                n_class;         /* 0: numbers */
    const maas_str_t  *class_name;      /* NULL: integers */
    const int64_t     *class_int;
    const int64_t     *class_count;
} maas_data_info_t;

const maas_data_info_t *maas_data_info(const maas_data_t *s);

typedef struct {
    const int64_t  *train, *validation, *test;
    int64_t         n_train, n_validation, n_test;
} maas_data_rows_t;

/* fold -1: the split of the specification; else fold 0 ... folds - 1. */
maas_status_t maas_data_split(maas_data_t *s, int64_t fold,
    maas_data_rows_t *rows, maas_err_t *err);

/*
 * Batches for a network: x of `x` (float32 or int64, dims[0] the batch, as
 * many elements as n_feature); y: int64 classes [N], or float32 of `y`.
 */
void maas_data_feed(maas_data_t *s, const maas_tensor_t *x,
    const maas_tensor_t *y, bool classes, maas_feed_t *feed);

/*
 * Targets that are classes by themselves, 0 ... classes - 1, n_target of them
 * a row, of any shape: y is int64.  Below 0: left out.
 */
void maas_data_each(maas_data_t *s, int64_t classes);

/* Factors of the loss by class; y is of classes, or 0 and 1. */
void maas_data_weigh(maas_data_t *s, const double *factor,
    maas_feed_t *feed);

/* What batches are made of. */
const maas_dataset_t *maas_data_dataset(const maas_data_t *s);
const int *maas_data_columns(const maas_data_t *s);    /* n_column */

/* y of rows as the feed gives it. */
maas_status_t maas_data_targets(maas_data_t *s, const int64_t *row,
    int64_t n, void *y, maas_err_t *err);

/* Targets of rows for estimators: numbers [n, n_target], or classes. */
maas_status_t maas_data_numbers(maas_data_t *s, const int64_t *row,
    int64_t n, double *y, maas_err_t *err);
maas_status_t maas_data_labels(maas_data_t *s, const int64_t *row,
    int64_t n, int32_t *label, maas_err_t *err);

#endif
