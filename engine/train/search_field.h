/*
 * search_field.h: between the files of search: a field and its values, and
 * the values of all fields for each trial.
 *
 * Ownership: fields and values lie in the search's arena.
 * Threads:   one thread.
 */

#ifndef MAAS_SEARCH_FIELD_H
#define MAAS_SEARCH_FIELD_H

#include "base/random.h"
#include "train/search.h"


typedef struct {
    const char  *path;
    json_t      *list;          /* the values; NULL: a range */
    double       min, max;
    bool         log;
    bool         integer;
} maas_search_field_t;

/* steps: a range becomes a list, for a grid. */
maas_status_t maas_search_field(maas_search_field_t *f, const char *path,
    const json_t *v, bool grid, maas_err_t *err);

typedef struct {
    maas_arena_t         *mem;
    maas_search_field_t  *field;
    int                   n_field;
    json_t              **values;       /* {"path": value} of each trial */
    int                   n_trial;
} maas_search_cells_t;

/* Every combination; the last field changes fastest. */
maas_status_t maas_search_grid(maas_search_cells_t *c, maas_err_t *err);

/* n by the seed; fewer where all that can be drawn has been. */
maas_status_t maas_search_draws(maas_search_cells_t *c, uint64_t seed, int n,
    maas_err_t *err);

/* A new reference; u in [0, 1). */
json_t *maas_search_draw(const maas_search_field_t *f, double u);

#endif
