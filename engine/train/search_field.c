/*
 * search_field: a field of a search: where it is in a specification, and
 * what values it may have.
 *
 * Ownership: a field holds a reference of its list.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/params.h"
#include "train/search_field.h"


#define FIELD_STEPS  10000


/* -- values -------------------------------------------------------------- */

typedef struct {
    double         min, max;
    bool           log;
    int64_t        steps;
    const json_t  *integer;
} field_range_t;

static const maas_param_t  field_params[] = {
    { .name = "min", .type = MAAS_PARAM_NUMBER, .required = true,
      .off = offsetof(field_range_t, min) },
    { .name = "max", .type = MAAS_PARAM_NUMBER, .required = true,
      .off = offsetof(field_range_t, max) },
    { .name = "log", .type = MAAS_PARAM_BOOL,
      .off = offsetof(field_range_t, log) },
    { .name = "steps", .type = MAAS_PARAM_INT, .min = 1, .max = FIELD_STEPS,
      .off = offsetof(field_range_t, steps) },
    { .name = "integer", .type = MAAS_PARAM_JSON,
      .off = offsetof(field_range_t, integer) },
};


static json_t *
field_number(const maas_search_field_t *f, double v)
{
    v = fmax(f->min, fmin(f->max, v));

    return f->integer ? json_integer((json_int_t) rint(v)) : json_real(v);
}


/* Evenly spaced from end to end; equal integers count once. */
static maas_status_t
field_steps(maas_search_field_t *f, int64_t steps, maas_err_t *err)
{
    double   x, low, high;
    json_t  *v, *list = json_array();

    low = f->log ? log(f->min) : f->min;
    high = f->log ? log(f->max) : f->max;

    for (int64_t i = 0; list != NULL && i < steps; i++) {
        size_t  n = json_array_size(list);

        x = i == 0 ? f->min
            : i == steps - 1 ? f->max
            : low + (high - low) * (double) i / (double) (steps - 1);
        x = f->log && i != 0 && i != steps - 1 ? exp(x) : x;
        v = field_number(f, x);

        if (v == NULL) {
            break;
        }

        if (n > 0 && json_equal(json_array_get(list, n - 1), v)) {
            json_decref(v);

        } else if (json_array_append_new(list, v) != 0) {
            break;
        }
    }

    if (list == NULL || json_array_size(list) == 0) {
        json_decref(list);
        return maas_err_nomem(err);
    }

    f->list = list;
    return MAAS_OK;
}


static maas_status_t
field_range(maas_search_field_t *f, const field_range_t *p, const json_t *v,
    bool grid, const char *where, maas_err_t *err)
{
    bool  whole = json_is_integer(json_object_get(v, "min"))
                  && json_is_integer(json_object_get(v, "max"));

    if (p->integer != NULL && !json_is_boolean(p->integer)) {
        return maas_err(err, MAAS_EINVAL, "%s: integer: expected true or "
                        "false", where);
    }

    f->integer = p->integer != NULL ? json_is_true(p->integer) : whole;

    if (f->integer && (p->min != rint(p->min) || p->max != rint(p->max)
                       || fabs(p->min) > 0x1p53 || fabs(p->max) > 0x1p53))
    {
        return maas_err(err, MAAS_EINVAL, "%s: an integer between %g and %g "
                        "is no range of integers", where, p->min, p->max);
    }

    if (!(p->min < p->max)) {
        return maas_err(err, MAAS_EINVAL, "%s: min is %g and max is %g: min "
                        "must be below", where, p->min, p->max);
    }

    if (p->log && !(p->min > 0)) {
        return maas_err(err, MAAS_EINVAL, "%s: min is %g, and a logarithmic "
                        "range is above 0", where, p->min);
    }

    f->min = p->min;
    f->max = p->max;
    f->log = p->log;

    if (!grid && p->steps == 0) {
        return MAAS_OK;
    }

    if (p->steps == 0) {
        return maas_err(err, MAAS_EINVAL, "%s: a grid takes a list, or a "
                        "range with \"steps\"", where);
    }

    return field_steps(f, p->steps, err);
}


maas_status_t
maas_search_field(maas_search_field_t *f, const char *path, const json_t *v,
    bool grid, maas_err_t *err)
{
    char           where[128];
    maas_arena_t   mem;
    maas_status_t  rc;
    field_range_t  p;

    memset(f, 0, sizeof(*f));
    f->path = path;
    (void) snprintf(where, sizeof(where), "fields: \"%.90s\"", path);

    if (json_is_array(v) && json_array_size(v) > 0) {
        f->list = json_incref((json_t *) (uintptr_t) v);
        return MAAS_OK;
    }

    if (!json_is_object(v)) {
        return maas_err(err, MAAS_EINVAL, "%s: expected a list of values, or "
                        "{\"min\": .., \"max\": ..}", where);
    }

    maas_arena_init(&mem, &maas_host_libc, 0);
    rc = maas_params_parse(&mem, v, field_params, maas_nelts(field_params),
                           NULL, where, &p, err);

    if (rc == MAAS_OK) {
        rc = field_range(f, &p, v, grid, where, err);
    }

    maas_arena_destroy(&mem);
    return rc;
}


json_t *
maas_search_draw(const maas_search_field_t *f, double u)
{
    double  low, high, v;

    if (f->list != NULL) {
        size_t  n = json_array_size(f->list);

        return json_incref(json_array_get(f->list, (size_t) (u * (double) n)));
    }

    /* an integer v has the part [v, v + 1) */
    high = f->integer ? f->max + 1 : f->max;
    low = f->log ? log(f->min) : f->min;
    high = f->log ? log(high) : high;
    v = low + u * (high - low);
    v = f->log ? exp(v) : v;

    return field_number(f, f->integer ? floor(v) : v);
}


/* -- places -------------------------------------------------------------- */

/* One step of a path: a member, or an element when index >= 0. */
typedef struct {
    char     name[128];
    int64_t  index;
} field_step_t;


/* Returns behind the step, or NULL: no path. */
static const char *
field_step(const char *p, bool first, field_step_t *s)
{
    char    *end;
    size_t   n;

    s->index = -1;

    if (*p == '[') {
        if (p[1] < '0' || p[1] > '9') {
            return NULL;
        }

        s->index = strtoll(p + 1, &end, 10);
        return *end == ']' && s->index < INT32_MAX ? end + 1 : NULL;
    }

    if (!first) {
        if (*p != '.') {
            return NULL;
        }

        p++;
    }

    n = strcspn(p, ".[");

    if (n == 0 || n >= sizeof(s->name)) {
        return NULL;
    }

    memcpy(s->name, p, n);
    s->name[n] = '\0';
    return p + n;
}


static maas_status_t
field_missing(json_t *at, const field_step_t *s, const char *path,
    const char *where, maas_err_t *err)
{
    char         text[MAAS_NEAR_TEXT];
    json_t      *v;
    const char  *key;
    maas_near_t  near = { .word = { s->name, strlen(s->name) } };

    if (s->index >= 0) {
        return maas_err(err, MAAS_EINVAL, "%s\"%.100s\": there is no element "
                        "%lld: %s", where, path, (long long) s->index,
                        json_is_array(at) ? "the list is shorter"
                                          : "it is no list");
    }

    json_object_foreach(at, key, v) {
        maas_near(&near, (maas_str_t) { key, strlen(key) });
    }

    return maas_err(err, MAAS_EINVAL, "%s\"%.100s\": the specification has no "
                    "\"%.60s\"%s", where, path, s->name,
                    maas_near_text(&near, text));
}


maas_status_t
maas_search_set(json_t *spec, const char *path, json_t *value,
    const char *where, maas_err_t *err)
{
    int            rc = 0;
    json_t        *next, *at = spec;
    const char    *p = path;
    field_step_t   s;

    for (bool first = true; ; first = false) {
        p = field_step(p, first, &s);

        if (p == NULL) {
            return maas_err(err, MAAS_EINVAL, "%s\"%.100s\" is no path: "
                            "\"model.layers[0].units\" would be one", where,
                            path);
        }

        next = s.index >= 0 ? json_array_get(at, (size_t) s.index)
                            : json_object_get(at, s.name);

        if (*p == '\0') {
            break;
        }

        if (next == NULL) {
            return field_missing(at, &s, path, where, err);
        }

        at = next;
    }

    if (s.index >= 0 ? next == NULL : !json_is_object(at)) {
        return field_missing(at, &s, path, where, err);
    }

    rc = s.index >= 0 ? json_array_set(at, (size_t) s.index, value)
                      : json_object_set(at, s.name, value);

    return rc == 0 ? MAAS_OK : maas_err_nomem(err);
}
