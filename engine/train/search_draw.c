/*
 * search_draw.c: the values of the trials of a search: the cells of a grid,
 * or draws at random, no two alike.
 *
 * Ownership: the list lies in the caller's arena; the values are references
 *            that the caller gives back, after an error too.
 * Threads:   one thread.
 */

#include <math.h>
#include <stdlib.h>

#include "train/search_field.h"


#define DRAW_STREAM  0x73656172u        /* of random numbers */
#define DRAW_TRIES   100                /* to draw what was not drawn yet */


static maas_status_t
draw_add(maas_search_cells_t *c, json_t *values, maas_err_t *err)
{
    if (values == NULL) {
        return maas_err_nomem(err);
    }

    c->values[c->n_trial++] = values;
    return MAAS_OK;
}


/* Cell i; the last field changes fastest. */
static json_t *
draw_cell(const maas_search_cells_t *c, int64_t i, int64_t cells)
{
    json_t  *values = json_object();

    for (int f = 0; values != NULL && f < c->n_field; f++) {
        cells /= (int64_t) json_array_size(c->field[f].list);

        if (json_object_set(values, c->field[f].path,
                            json_array_get(c->field[f].list,
                                           (size_t) (i / cells))) != 0)
        {
            json_decref(values);
            return NULL;
        }

        i %= cells;
    }

    return values;
}


maas_status_t
maas_search_grid(maas_search_cells_t *c, maas_err_t *err)
{
    int64_t  n = 1;

    for (int f = 0; f < c->n_field; f++) {
        if (!maas_mul_i64(n, (int64_t) json_array_size(c->field[f].list), &n)
            || n > MAAS_SEARCH_TRIALS)
        {
            return maas_err(err, MAAS_EINVAL, "search: the grid has more "
                            "than %d cells", MAAS_SEARCH_TRIALS);
        }
    }

    c->values = maas_arena_array(c->mem, (size_t) n, sizeof(json_t *));
    if (c->values == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < n; i++) {
        MAAS_TRY(draw_add(c, draw_cell(c, i, n), err));
    }

    return MAAS_OK;
}


/* Values of a trial by (seed, try, trial, field). */
static json_t *
draw_random(const maas_search_cells_t *c, uint64_t seed, int trial,
    int attempt)
{
    json_t         *v, *values = json_object();
    maas_random_t   g;

    g = maas_random(seed, DRAW_STREAM, (uint32_t) attempt);

    for (int f = 0; values != NULL && f < c->n_field; f++) {
        v = maas_search_draw(&c->field[f], maas_random_unit(&g,
                             (uint64_t) trial * (uint64_t) c->n_field
                             + (uint64_t) f));

        if (v == NULL || json_object_set_new(values, c->field[f].path, v)) {
            json_decref(values);
            return NULL;
        }
    }

    return values;
}


/*
 * Draws values that are not in `seen`, an object whose keys are the texts of
 * those that are.  *values is NULL where there were none in many draws.
 */
static maas_status_t
draw_new(const maas_search_cells_t *c, uint64_t seed, int trial,
    json_t *seen, json_t **values, maas_err_t *err)
{
    int    rc;
    char  *text;

    for (int k = 0; k < DRAW_TRIES; k++) {
        *values = draw_random(c, seed, trial, k);
        text = *values == NULL ? NULL
               : json_dumps(*values, JSON_COMPACT | JSON_SORT_KEYS);

        if (text == NULL) {
            json_decref(*values);
            return maas_err_nomem(err);
        }

        if (json_object_get(seen, text) == NULL) {
            rc = json_object_set_new(seen, text, json_true());
            free(text);

            if (rc != 0) {
                json_decref(*values);
                return maas_err_nomem(err);
            }

            return MAAS_OK;
        }

        free(text);
        json_decref(*values);
    }

    *values = NULL;
    return MAAS_OK;
}


/* How many there are to draw, at most `most`. */
static int64_t
draw_all(const maas_search_cells_t *c, int64_t most)
{
    double  n = 1;

    for (int f = 0; f < c->n_field; f++) {
        n *= c->field[f].list != NULL
             ? (double) json_array_size(c->field[f].list)
             : c->field[f].integer ? c->field[f].max - c->field[f].min + 1
             : INFINITY;
    }

    return n < (double) most ? (int64_t) n : most;
}


maas_status_t
maas_search_draws(maas_search_cells_t *c, uint64_t seed, int n,
    maas_err_t *err)
{
    json_t         *values, *seen = json_object();
    int64_t         all = draw_all(c, n);
    maas_status_t   rc = MAAS_OK;

    c->values = maas_arena_array(c->mem, (size_t) n, sizeof(json_t *));

    if (c->values == NULL || seen == NULL) {
        json_decref(seen);
        return maas_err_nomem(err);
    }

    for (int i = 0; i < n && c->n_trial < all && rc == MAAS_OK; i++) {
        rc = draw_new(c, seed, i, seen, &values, err);

        if (rc == MAAS_OK && values != NULL) {
            c->values[c->n_trial++] = values;
        }
    }

    json_decref(seen);
    return rc;
}
