/*
 * spec: a specification of a training, from JSON.  What is checked here is
 * its frame; data, layers, losses and so on check their own objects.
 *
 * Ownership: a spec owns its JSON; what points into it lives as long.
 * Threads:   one thread.
 */

#ifndef MAAS_SPEC_H
#define MAAS_SPEC_H

#include "train/params.h"


typedef struct {
    maas_str_t          name;           /* of the model */
    maas_str_t          store;
    int64_t             seed;
    const json_t       *data;
    const json_t       *pipeline;       /* NULL: none */
    const json_t       *model;
    const json_t       *loss;
    const json_t       *optimizer;
    const json_t       *schedule;
    const json_t       *early;
    const json_t       *checkpoint;
    const json_t       *search;         /* of maas tune */
    int64_t             epochs;
    int64_t             batch;          /* 0: all rows */
    bool                shuffle;
    int64_t             folds;          /* 0: none */
    maas_param_texts_t  metrics;
    maas_str_t          description;

    json_t             *json;
    char               *folder;         /* of the file: paths start there */
    maas_arena_t        arena;
} maas_spec_t;

extern const maas_param_t  maas_spec_params[];
extern const size_t        maas_spec_n_params;

/*
 * set[]: "optimizer.learning_rate=0.01", "model.layers.0.units=32": members
 * by name, items by number; the value is JSON, or else a text.  Applied in
 * order, before anything is checked.  Objects on the way are made.
 */
maas_status_t maas_spec_read(maas_spec_t *s, const maas_host_t *host,
    const char *path, const char *const *set, size_t n_set,
    maas_err_t *err);

/* The same from text; folder: where relative paths start. */
maas_status_t maas_spec_parse(maas_spec_t *s, const maas_host_t *host,
    const char *text, size_t len, const char *folder,
    const char *const *set, size_t n_set, maas_err_t *err);

void maas_spec_free(maas_spec_t *s);

/* path, or path in the spec's folder; in the spec's arena. */
const char *maas_spec_path(maas_spec_t *s, maas_str_t path);

/* The specification as it was used: sorted keys, no blanks; free(). */
char *maas_spec_text(const maas_spec_t *s);


/* Members of "early_stopping" and of "checkpoint". */
typedef struct {
    maas_str_t  monitor;
    int64_t     patience;
    double      min_delta;
    bool        best;
} maas_spec_early_t;

typedef struct {
    int64_t  steps;
    double   seconds;
} maas_spec_checkpoint_t;

extern const maas_param_t  maas_spec_early_params[];
extern const size_t        maas_spec_n_early;
extern const maas_param_t  maas_spec_checkpoint_params[];
extern const size_t        maas_spec_n_checkpoint;

#endif
