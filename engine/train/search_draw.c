/*
 * search_draw.c: the values of the trials of a search: the cells of a grid,
 * or draws at random, no two alike.
 *
 * Ownership: the list lies in the caller's arena; the values are references
 *            that the caller gives back, after an error too.
 * Threads:   one thread.
 */

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


static bool
draw_known(const maas_search_cells_t *c, const json_t *values)
{
    for (int i = 0; i < c->n_trial; i++) {
        if (json_equal(c->values[i], values)) {
            return true;
        }
    }

    return false;
}


maas_status_t
maas_search_draws(maas_search_cells_t *c, uint64_t seed, int n,
    maas_err_t *err)
{
    json_t  *values;

    c->values = maas_arena_array(c->mem, (size_t) n, sizeof(json_t *));
    if (c->values == NULL) {
        return maas_err_nomem(err);
    }

    for (int i = 0; i < n; i++) {
        for (int k = 0; k < DRAW_TRIES; k++) {
            values = draw_random(c, seed, i, k);

            if (values != NULL && draw_known(c, values)) {
                json_decref(values);
                continue;
            }

            MAAS_TRY(draw_add(c, values, err));
            break;
        }
    }

    return MAAS_OK;
}
