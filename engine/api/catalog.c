/*
 * The catalog: which names, versions and labels a process serves.  Few
 * models, looked up by walking lists; entries stay where they are until the
 * catalog is destroyed.
 *
 * Ownership: entries, names and labels live in the catalog's arena; each
 *            entry holds one reference of its model.
 * Threads:   one (the event loop).
 */

#include <stdio.h>

#include "api/model.h"


typedef struct catalog_node_s   catalog_node_t;
typedef struct catalog_label_s  catalog_label_t;
typedef struct catalog_name_s   catalog_name_t;

struct catalog_node_s {
    maas_entry_t     e;                 /* first: an entry is its node */
    maas_stats_t     stats;
    catalog_node_t  *next;              /* of the same name, ascending */
    catalog_name_t  *owner;
};

struct catalog_label_s {
    catalog_label_t  *next;
    maas_str_t        label;
    int64_t           version;
};

struct catalog_name_s {
    catalog_name_t   *next;
    maas_str_t        name;
    catalog_node_t   *versions;
    catalog_label_t  *labels;
};

struct maas_catalog_s {
    const maas_host_t  *host;
    maas_arena_t        arena;
    catalog_name_t     *names;          /* in order of addition */
};


maas_catalog_t *
maas_catalog_create(const maas_host_t *host)
{
    maas_catalog_t  *c;

    c = maas_calloc(host, 1, sizeof(maas_catalog_t));
    if (c == NULL) {
        return NULL;
    }

    c->host = host;
    maas_arena_init(&c->arena, host, 0);

    return c;
}


void
maas_catalog_destroy(maas_catalog_t *c)
{
    if (c == NULL) {
        return;
    }

    for (catalog_name_t *n = c->names; n != NULL; n = n->next) {
        for (catalog_node_t *v = n->versions; v != NULL; v = v->next) {
            if (v->e.model != NULL) {
                maas_model_release(v->e.model);
            }
        }
    }

    maas_arena_destroy(&c->arena);
    maas_free(c->host, c);
}


static catalog_name_t *
catalog_name(const maas_catalog_t *c, maas_str_t name)
{
    for (catalog_name_t *n = c->names; n != NULL; n = n->next) {
        if (maas_str_eq(n->name, name)) {
            return n;
        }
    }

    return NULL;
}


static catalog_node_t *
catalog_version(const catalog_name_t *n, int64_t version)
{
    for (catalog_node_t *v = n->versions; v != NULL; v = v->next) {
        if (v->e.version == version) {
            return v;
        }
    }

    return NULL;
}


static catalog_name_t *
catalog_name_add(maas_catalog_t *c, maas_str_t name)
{
    catalog_name_t  *n, **last;

    n = maas_arena_alloc(&c->arena, sizeof(catalog_name_t));
    if (n == NULL) {
        return NULL;
    }

    n->name = maas_arena_str(&c->arena, name.data, name.len);
    if (n->name.data == NULL) {
        return NULL;
    }

    for (last = &c->names; *last != NULL; last = &(*last)->next) {
        /* void */
    }

    *last = n;
    return n;
}


maas_status_t
maas_catalog_add(maas_catalog_t *c, maas_str_t name, int64_t version,
    maas_model_t *model, const char *reason, void *user, maas_err_t *err)
{
    catalog_name_t   *n;
    catalog_node_t   *v, **at;

    if (!maas_name_valid(name)) {
        return maas_err(err, MAAS_EINVAL, "invalid model name \"%.*s\"",
                        (int) maas_min(name.len, MAAS_NAME_MAX), name.data);
    }

    n = catalog_name(c, name);

    if (n != NULL && catalog_version(n, version) != NULL) {
        return maas_err(err, MAAS_EINVAL,
                        "version %lld of model \"%.*s\" is added twice",
                        (long long) version, (int) name.len, name.data);
    }

    v = maas_arena_alloc(&c->arena, sizeof(catalog_node_t));

    if (v != NULL && n == NULL) {
        n = catalog_name_add(c, name);
    }

    if (v == NULL || n == NULL) {
        return maas_err_nomem(err);
    }

    if (model == NULL) {
        reason = reason != NULL ? reason : "";
        v->e.reason = maas_arena_dup(&c->arena, reason, strlen(reason) + 1);

        if (v->e.reason == NULL) {
            return maas_err_nomem(err);
        }

    } else {
        maas_model_retain(model);
    }

    v->e.name = n->name;
    v->e.version = version;
    v->e.model = model;
    v->e.user = user;
    v->e.stats = &v->stats;
    v->owner = n;

    for (at = &n->versions; *at != NULL; at = &(*at)->next) {
        if ((*at)->e.version > version) {
            break;
        }
    }

    v->next = *at;
    *at = v;

    return MAAS_OK;
}


maas_status_t
maas_catalog_stats(maas_catalog_t *c, maas_str_t name, int64_t version,
    maas_stats_t *stats)
{
    catalog_name_t  *n = catalog_name(c, name);
    catalog_node_t  *v = n != NULL ? catalog_version(n, version) : NULL;

    if (v == NULL) {
        return MAAS_ENOENT;
    }

    v->e.stats = stats;
    return MAAS_OK;
}


/* A label names a version or a label could never be told from one. */
static bool
catalog_number(maas_str_t s, int64_t *v)
{
    *v = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9'
            || !maas_mul_i64(*v, 10, v)
            || __builtin_add_overflow(*v, (int64_t) (s.data[i] - '0'), v))
        {
            return false;
        }
    }

    return s.len != 0;
}


maas_status_t
maas_catalog_label(maas_catalog_t *c, maas_str_t name, maas_str_t label,
    int64_t version, maas_err_t *err)
{
    int64_t           number;
    catalog_name_t   *n;
    catalog_label_t  *l;

    if (!maas_name_valid(label) || catalog_number(label, &number)) {
        return maas_err(err, MAAS_EINVAL, "invalid label \"%.*s\": letters, "
                        "digits, '.', '_' and '-', not only digits",
                        (int) maas_min(label.len, 64), label.data);
    }

    n = catalog_name(c, name);

    if (n == NULL || catalog_version(n, version) == NULL) {
        return maas_err(err, MAAS_ENOENT, "label \"%.*s\" of model \"%.*s\" "
                        "names version %lld, which is not served",
                        (int) label.len, label.data,
                        (int) maas_min(name.len, MAAS_NAME_MAX), name.data,
                        (long long) version);
    }

    for (l = n->labels; l != NULL; l = l->next) {
        if (maas_str_eq(l->label, label)) {
            l->version = version;
            return MAAS_OK;
        }
    }

    l = maas_arena_alloc(&c->arena, sizeof(catalog_label_t));
    if (l == NULL) {
        return maas_err_nomem(err);
    }

    l->label = maas_arena_str(&c->arena, label.data, label.len);
    if (l->label.data == NULL) {
        return maas_err_nomem(err);
    }

    l->version = version;
    l->next = n->labels;
    n->labels = l;

    return MAAS_OK;
}


static catalog_node_t *
catalog_by_label(const catalog_name_t *n, maas_str_t label)
{
    for (catalog_label_t *l = n->labels; l != NULL; l = l->next) {
        if (maas_str_eq(l->label, label)) {
            return catalog_version(n, l->version);
        }
    }

    return NULL;
}


/* The highest version that answers, else the highest. */
static catalog_node_t *
catalog_highest(const catalog_name_t *n)
{
    catalog_node_t  *best = NULL;

    for (catalog_node_t *v = n->versions; v != NULL; v = v->next) {
        if (best == NULL || v->e.model != NULL || best->e.model == NULL) {
            best = v;
        }
    }

    return best;
}


bool
maas_catalog_has(const maas_catalog_t *c, maas_str_t name)
{
    return catalog_name(c, name) != NULL;
}


/* "; it has 1, 3, stable", and which of the labels may be meant. */
static maas_status_t
catalog_no_version(const catalog_name_t *n, maas_str_t version,
    maas_err_t *err)
{
    int          len = 0;
    char         list[160] = "", near[MAAS_NEAR_TEXT];
    maas_near_t  m = { .word = version };

    for (catalog_node_t *v = n->versions; v != NULL; v = v->next) {
        if (len < (int) sizeof(list) - 32) {
            len += snprintf(list + len, sizeof(list) - (size_t) len,
                            "%s%lld", len != 0 ? ", " : "",
                            (long long) v->e.version);
        }
    }

    for (catalog_label_t *l = n->labels; l != NULL; l = l->next) {
        maas_near(&m, l->label);

        if (len + l->label.len + 4 < sizeof(list)) {
            len += snprintf(list + len, sizeof(list) - (size_t) len,
                            ", \"%.*s\"", (int) l->label.len, l->label.data);
        }
    }

    maas_near_text(&m, near);

    return maas_err(err, MAAS_ENOENT,
                    "model \"%.*s\" has no version or label \"%.*s\"%s%s",
                    (int) n->name.len, n->name.data,
                    (int) maas_min(version.len, 64),
                    version.len ? version.data : "",
                    near[0] != '\0' ? near : "; it has ",
                    near[0] != '\0' ? "" : list);
}


maas_status_t
maas_catalog_find(const maas_catalog_t *c, maas_str_t name,
    maas_str_t version, const maas_entry_t **e, maas_err_t *err)
{
    int64_t          number;
    catalog_name_t  *n;
    catalog_node_t  *v;

    n = catalog_name(c, name);
    if (n == NULL) {
        return maas_err(err, MAAS_ENOENT, "unknown model \"%.*s\"",
                        (int) maas_min(name.len, MAAS_NAME_MAX), name.data);
    }

    if (version.len == 0) {
        v = catalog_by_label(n, maas_str("stable"));
        v = v != NULL ? v : catalog_highest(n);

    } else if (catalog_number(version, &number)) {
        v = catalog_version(n, number);

    } else {
        v = catalog_by_label(n, version);
    }

    if (v == NULL) {
        return catalog_no_version(n, version, err);
    }

    *e = &v->e;
    return MAAS_OK;
}


const maas_entry_t *
maas_catalog_next(const maas_catalog_t *c, const maas_entry_t *after)
{
    catalog_name_t        *n;
    const catalog_node_t  *v = (const catalog_node_t *) after;

    if (v != NULL && v->next != NULL) {
        return &v->next->e;
    }

    n = v != NULL ? v->owner->next : c->names;

    return n != NULL && n->versions != NULL ? &n->versions->e : NULL;
}
