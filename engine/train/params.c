/*
 * params.c: an object of a specification -> a C struct, by its table of
 * rows.  Every fault is told with the key, what was found and what was
 * expected, so that a specification is mended without the documentation.
 *
 * Ownership: strings and lists are copied into the arena; MAAS_PARAM_JSON
 *            borrows.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stdio.h>

#include "train/params.h"


#define PARAM_FAR   1e300           /* a bound that is none */
#define PARAM_TEXT  160

typedef struct {
    maas_arena_t        *arena;
    const char          *where;
    const maas_param_t  *row;
    maas_err_t          *err;
} param_t;


#define param_err(c, ...)                                                     \
    (maas_err((c)->err, MAAS_EINVAL, __VA_ARGS__), param_prefix(c))


static maas_status_t
param_prefix(const param_t *c)
{
    if (c->where != NULL && c->where[0] != '\0') {
        return maas_err_prefix(c->err, "%s", c->where);
    }

    return c->err->status;
}


/* -- words of errors ----------------------------------------------------- */

/* "the number 3.5", "the text \"abc\"", "a list" */
static const char *
param_found(char text[PARAM_TEXT], const json_t *v)
{
    switch (json_typeof(v)) {

    case JSON_OBJECT:
        return "an object";

    case JSON_ARRAY:
        return "a list";

    case JSON_STRING:
        snprintf(text, PARAM_TEXT, "the text \"%.64s\"",
                 json_string_value(v));
        return text;

    case JSON_INTEGER:
        snprintf(text, PARAM_TEXT, "%lld",
                 (long long) json_integer_value(v));
        return text;

    case JSON_REAL:
        snprintf(text, PARAM_TEXT, "%.15g", json_real_value(v));
        return text;

    case JSON_TRUE:
        return "true";

    case JSON_FALSE:
        return "false";

    default:
        return "null";
    }
}


static const char *
param_range(char text[PARAM_TEXT], const maas_param_t *r)
{
    text[0] = '\0';

    if (!(r->max > r->min)) {
        return text;
    }

    if (r->max >= PARAM_FAR && r->min <= -PARAM_FAR) {
        return text;
    }

    if (r->max >= PARAM_FAR) {
        snprintf(text, PARAM_TEXT, r->open ? " above %.15g"
                                           : " of at least %.15g", r->min);

    } else if (r->min <= -PARAM_FAR) {
        snprintf(text, PARAM_TEXT, " of at most %.15g", r->max);

    } else {
        snprintf(text, PARAM_TEXT, r->open ? " above %.15g, at most %.15g"
                                           : " from %.15g to %.15g",
                 r->min, r->max);
    }

    return text;
}


static const char *
param_want(int type)
{
    static const char *const  name[] = {
        [MAAS_PARAM_INT] = "an integer", [MAAS_PARAM_NUMBER] = "a number",
        [MAAS_PARAM_BOOL] = "true or false", [MAAS_PARAM_WORD] = "a word",
        [MAAS_PARAM_TEXT] = "a text", [MAAS_PARAM_INTS] = "an integer",
        [MAAS_PARAM_NUMBERS] = "a number", [MAAS_PARAM_TEXTS] = "a text"
    };

    return type < MAAS_PARAM_JSON ? name[type] : "a value";
}


/* i: place in a list, or -1. */
static maas_status_t
param_wrong(const param_t *c, const json_t *v, int64_t i)
{
    char  found[PARAM_TEXT], range[PARAM_TEXT], at[32] = "";

    if (i >= 0) {
        snprintf(at, sizeof(at), "[%lld]", (long long) i);
    }

    return param_err(c, "\"%s\"%s is %s, expected %s%s", c->row->name, at,
                     param_found(found, v), param_want(c->row->type),
                     param_range(range, c->row));
}


/* -- values -------------------------------------------------------------- */

static bool
param_in_range(const maas_param_t *r, double v)
{
    if (!(r->max > r->min)) {
        return true;
    }

    return v <= r->max && (r->open ? v > r->min : v >= r->min);
}


/* 3.0 is an integer, 3.5 is none. */
static bool
param_int(const maas_param_t *r, const json_t *v, int64_t *out)
{
    double  d;

    if (json_is_integer(v)) {
        *out = json_integer_value(v);

    } else if (json_is_real(v)) {
        d = json_real_value(v);

        if (!(fabs(d) <= 9007199254740992.0) || d != floor(d)) {
            return false;
        }

        *out = (int64_t) d;

    } else {
        return false;
    }

    return param_in_range(r, (double) *out);
}


static bool
param_number(const maas_param_t *r, const json_t *v, double *out)
{
    if (!json_is_number(v)) {
        return false;
    }

    *out = json_number_value(v);

    return isfinite(*out) && param_in_range(r, *out);
}


static maas_status_t
param_text(const param_t *c, const json_t *v, maas_str_t *out)
{
    *out = maas_arena_str(c->arena, json_string_value(v),
                          json_string_length(v));

    return out->data != NULL ? MAAS_OK : maas_err_nomem(c->err);
}


static maas_status_t
param_word(const param_t *c, const json_t *v, int64_t *out)
{
    char                near[MAAS_NEAR_TEXT], list[PARAM_TEXT * 2];
    char                found[PARAM_TEXT];
    size_t              n = 0;
    maas_str_t          s;
    maas_near_t         guess = { 0 };
    const char *const  *w = c->row->words;

    list[0] = '\0';

    if (json_is_string(v)) {
        s = (maas_str_t) { json_string_value(v), json_string_length(v) };
        guess.word = s;

        for (int64_t i = 0; w[i] != NULL; i++) {
            if (maas_str_is(s, w[i])) {
                *out = i;
                return MAAS_OK;
            }
        }
    }

    for (int64_t i = 0; w[i] != NULL; i++) {
        maas_near(&guess, (maas_str_t) { w[i], strlen(w[i]) });

        if (n < sizeof(list)) {
            n += (size_t) snprintf(list + n, sizeof(list) - n, "%s\"%s\"",
                                   i == 0 ? "" : w[i + 1] == NULL ? " or "
                                                                  : ", ",
                                   w[i]);
        }
    }

    return param_err(c, "\"%s\" is %s, expected %s%s", c->row->name,
                     param_found(found, v), list,
                     maas_near_text(&guess, near));
}


/* -- lists --------------------------------------------------------------- */

static size_t
param_item_size(int type)
{
    return type == MAAS_PARAM_INTS ? sizeof(int64_t)
           : type == MAAS_PARAM_NUMBERS ? sizeof(double)
                                        : sizeof(maas_str_t);
}


static maas_status_t
param_item(const param_t *c, const json_t *v, int64_t i, void *to)
{
    switch (c->row->type) {

    case MAAS_PARAM_INTS:
        return param_int(c->row, v, to) ? MAAS_OK : param_wrong(c, v, i);

    case MAAS_PARAM_NUMBERS:
        return param_number(c->row, v, to) ? MAAS_OK : param_wrong(c, v, i);

    default:
        return json_is_string(v) ? param_text(c, v, to)
                                 : param_wrong(c, v, i);
    }
}


/* The three kinds of lists have one layout: pointer, then count. */
static maas_status_t
param_list(const param_t *c, const json_t *v, void *out)
{
    char                *item;
    size_t               size = param_item_size(c->row->type);
    size_t               n = json_is_array(v) ? json_array_size(v) : 1;
    maas_param_texts_t   list;

    item = maas_arena_array(c->arena, maas_max(n, 1u), size);
    if (item == NULL) {
        return maas_err_nomem(c->err);
    }

    if (!json_is_array(v)) {
        MAAS_TRY(param_item(c, v, -1, item));

    } else {
        for (size_t i = 0; i < n; i++) {
            MAAS_TRY(param_item(c, json_array_get(v, i), (int64_t) i,
                                item + i * size));
        }
    }

    list.v = (const maas_str_t *) item;
    list.n = n;
    memcpy(out, &list, sizeof(list));

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static maas_status_t
param_value(const param_t *c, const json_t *v, void *out)
{
    int64_t  i;
    double   d;
    bool     b;

    switch (c->row->type) {

    case MAAS_PARAM_INT:
        if (!param_int(c->row, v, &i)) {
            return param_wrong(c, v, -1);
        }

        memcpy(out, &i, sizeof(i));
        return MAAS_OK;

    case MAAS_PARAM_NUMBER:
        if (!param_number(c->row, v, &d)) {
            return param_wrong(c, v, -1);
        }

        memcpy(out, &d, sizeof(d));
        return MAAS_OK;

    case MAAS_PARAM_BOOL:
        b = json_is_true(v);
        memcpy(out, &b, sizeof(b));
        return json_is_boolean(v) ? MAAS_OK : param_wrong(c, v, -1);

    case MAAS_PARAM_WORD:
        return param_word(c, v, out);

    case MAAS_PARAM_TEXT:
        return json_is_string(v) ? param_text(c, v, out)
                                 : param_wrong(c, v, -1);

    case MAAS_PARAM_JSON:
        memcpy(out, &v, sizeof(v));
        return MAAS_OK;

    default:
        return param_list(c, v, out);
    }
}


static void
param_default(const maas_param_t *r, void *out)
{
    bool     b = r->def != 0;
    int64_t  i;

    switch (r->type) {

    case MAAS_PARAM_INT:
    case MAAS_PARAM_WORD:
        i = (int64_t) r->def;
        memcpy(out, &i, sizeof(i));
        break;

    case MAAS_PARAM_NUMBER:
        memcpy(out, &r->def, sizeof(r->def));
        break;

    case MAAS_PARAM_BOOL:
        memcpy(out, &b, sizeof(b));
        break;

    case MAAS_PARAM_JSON:
        memset(out, 0, sizeof(const json_t *));
        break;

    default:                            /* a text and a list: empty */
        memset(out, 0, sizeof(maas_param_texts_t));
    }
}


/* -- keys ---------------------------------------------------------------- */

static bool
param_known(const maas_param_t *row, size_t n_row, const char *const *skip,
    maas_str_t key)
{
    for (size_t i = 0; i < n_row; i++) {
        if (maas_str_is(key, row[i].name)) {
            return true;
        }
    }

    for ( ; skip != NULL && *skip != NULL; skip++) {
        if (maas_str_is(key, *skip)) {
            return true;
        }
    }

    return false;
}


static maas_status_t
param_unknown(const param_t *c, const maas_param_t *row, size_t n_row,
    const char *const *skip, maas_str_t key)
{
    char         near[MAAS_NEAR_TEXT], list[PARAM_TEXT * 2] = "";
    size_t       n = 0;
    maas_near_t  guess = { .word = key };

    for (size_t i = 0; i < n_row; i++) {
        maas_near(&guess, (maas_str_t) { row[i].name, strlen(row[i].name) });

        if (n < sizeof(list)) {
            n += (size_t) snprintf(list + n, sizeof(list) - n, "%s%s",
                                   n == 0 ? "; there are " : ", ",
                                   row[i].name);
        }
    }

    for ( ; skip != NULL && *skip != NULL; skip++) {
        maas_near(&guess, (maas_str_t) { *skip, strlen(*skip) });
    }

    return param_err(c, "unknown key \"%.*s\"%s",
                     (int) maas_min(key.len, 64), key.data,
                     guess.best.data != NULL ? maas_near_text(&guess, near)
                                             : list);
}


static maas_status_t
param_keys(const param_t *c, const json_t *object, const maas_param_t *row,
    size_t n_row, const char *const *skip)
{
    void        *it;
    json_t      *o = (json_t *) object;
    maas_str_t   key;

    for (it = json_object_iter(o); it != NULL;
         it = json_object_iter_next(o, it))
    {
        key.data = json_object_iter_key(it);
        key.len = strlen(key.data);

        if (!param_known(row, n_row, skip, key)) {
            return param_unknown(c, row, n_row, skip, key);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_params_parse(maas_arena_t *a, const json_t *object,
    const maas_param_t *row, size_t n_row, const char *const *skip,
    const char *where, void *out, maas_err_t *err)
{
    char           found[PARAM_TEXT];
    param_t        c = { .arena = a, .where = where };
    maas_err_t     local;
    const json_t  *v;

    c.err = err != NULL ? err : &local;

    if (object != NULL && !json_is_object(object)) {
        return param_err(&c, "expected an object, found %s",
                         param_found(found, object));
    }

    if (object != NULL) {
        MAAS_TRY(param_keys(&c, object, row, n_row, skip));
    }

    for (size_t i = 0; i < n_row; i++) {
        char  *to = (char *) out + row[i].off;

        c.row = &row[i];
        v = object != NULL ? json_object_get(object, row[i].name) : NULL;

        param_default(&row[i], to);

        if (v != NULL && !json_is_null(v)) {
            MAAS_TRY(param_value(&c, v, to));

        } else if (row[i].required) {
            return param_err(&c, "\"%s\" is missing%s%s", row[i].name,
                             row[i].about != NULL ? ": " : "",
                             row[i].about != NULL ? row[i].about : "");
        }
    }

    return MAAS_OK;
}
