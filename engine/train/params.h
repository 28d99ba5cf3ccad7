/*
 * params: the members of an object in a specification -> a C struct, by a
 * table.  Layers, losses, optimisers, schedules, estimators and steps of a
 * pipeline are all described so; the tables drive checks and documentation.
 *
 * Errors name the place ("layers[2] (dense)"), the key, what was expected,
 * and the nearest known key.
 *
 * Ownership: strings and lists lie in the arena.
 * Threads:   reentrant.
 */

#ifndef MAAS_PARAMS_H
#define MAAS_PARAMS_H

#include <jansson.h>

#include "base/base.h"


typedef enum {
    MAAS_PARAM_INT = 0,         /* int64_t */
    MAAS_PARAM_NUMBER,          /* double */
    MAAS_PARAM_BOOL,            /* bool */
    MAAS_PARAM_WORD,            /* int64_t: index in words */
    MAAS_PARAM_TEXT,            /* maas_str_t */
    MAAS_PARAM_INTS,            /* maas_param_ints_t; one integer will do */
    MAAS_PARAM_NUMBERS,         /* maas_param_numbers_t; one will do */
    MAAS_PARAM_TEXTS,           /* maas_param_texts_t; one will do */
    MAAS_PARAM_JSON             /* const json_t *, borrowed; NULL: absent */
} maas_param_type_t;

typedef struct { const int64_t *v; size_t n; } maas_param_ints_t;
typedef struct { const double *v; size_t n; } maas_param_numbers_t;
typedef struct { const maas_str_t *v; size_t n; } maas_param_texts_t;

typedef struct {
    const char         *name;
    uint8_t             type;       /* maas_param_type_t */
    bool                required;
    uint16_t            off;        /* of the member in the struct */
    double              def;        /* default; WORD: index; lists: none */
    const char *const  *words;      /* of a WORD; NULL-terminated */
    double              min, max;   /* allowed when max > min; lists: each */
    bool                open;       /* min itself is not allowed */
    const char         *about;      /* one line for the documentation */
} maas_param_t;

/*
 * object NULL: defaults, as for a member that is null.  A max of 1e300 or
 * more, and a min of -1e300 or less, are no bounds.  An integer may be
 * written as 3.0.  skip: NULL-terminated names of members that are
 * somebody else's ("type").  where: put before the error's text.
 */
maas_status_t maas_params_parse(maas_arena_t *a, const json_t *object,
    const maas_param_t *row, size_t n_row, const char *const *skip,
    const char *where, void *out, maas_err_t *err);

#endif
