/*
 * spec.c: see spec.h.
 *
 * Ownership: a spec owns its JSON; what points into it lives as long.
 * Threads:   one thread.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/folder.h"
#include "maas.h"
#include "train/spec.h"


#define SPEC_MAX    (16u << 20)         /* bytes of a file */

#define SPEC_JSON(m, n, need, text)                                           \
    { .name = n, .type = MAAS_PARAM_JSON, .required = need,                   \
      .off = offsetof(maas_spec_t, m), .about = text }

const maas_param_t  maas_spec_params[] = {
    { .name = "name", .type = MAAS_PARAM_TEXT, .required = true,
      .off = offsetof(maas_spec_t, name), .about = "of the model" },
    { .name = "description", .type = MAAS_PARAM_TEXT,
      .off = offsetof(maas_spec_t, description),
      .about = "goes into model.json" },
    { .name = "store", .type = MAAS_PARAM_TEXT,
      .off = offsetof(maas_spec_t, store),
      .about = "folder of models; \"models\"" },
    { .name = "seed", .type = MAAS_PARAM_INT,
      .off = offsetof(maas_spec_t, seed), .min = 0, .max = 9007199254740991.0,
      .about = "of all that is random" },
    SPEC_JSON(data, "data", false,
              "where the rows come from; an agent has none"),
    SPEC_JSON(pipeline, "pipeline", false, "steps before the model"),
    SPEC_JSON(model, "model", true, "an estimator, a network, or an agent"),
    SPEC_JSON(loss, "loss", false, "of a network; by its target"),
    SPEC_JSON(optimizer, "optimizer", false, "of a network; adam"),
    SPEC_JSON(schedule, "schedule", false, "of the learning rate; constant"),
    { .name = "epochs", .type = MAAS_PARAM_INT, .def = 10,
      .off = offsetof(maas_spec_t, epochs), .min = 0, .max = 1 << 30,
      .about = "passes over the data; 0 writes the model as it starts" },
    { .name = "batch_size", .type = MAAS_PARAM_INT, .def = 32,
      .off = offsetof(maas_spec_t, batch), .min = 0, .max = 1 << 24,
      .about = "rows of a step; 0: all" },
    { .name = "shuffle", .type = MAAS_PARAM_BOOL, .def = 1,
      .off = offsetof(maas_spec_t, shuffle),
      .about = "another order of the rows in every epoch" },
    SPEC_JSON(early, "early_stopping", false, "when to end before that"),
    SPEC_JSON(checkpoint, "checkpoint", false, "how often to write one"),
    SPEC_JSON(search, "search", false, "what maas tune tries; else passed "
              "over"),
    { .name = "folds", .type = MAAS_PARAM_INT,
      .off = offsetof(maas_spec_t, folds), .min = 0, .max = 1000,
      .about = "of cross-validation; 0: none" },
    { .name = "metrics", .type = MAAS_PARAM_TEXTS,
      .off = offsetof(maas_spec_t, metrics),
      .about = "told of every epoch; by the target" }
};

const size_t  maas_spec_n_params = maas_nelts(maas_spec_params);

const maas_param_t  maas_spec_early_params[] = {
    { .name = "monitor", .type = MAAS_PARAM_TEXT,
      .off = offsetof(maas_spec_early_t, monitor),
      .about = "value that is watched; validation_loss, or loss" },
    { .name = "patience", .type = MAAS_PARAM_INT, .def = 5,
      .off = offsetof(maas_spec_early_t, patience), .min = 0, .max = 1 << 30,
      .about = "epochs without progress that are let pass" },
    { .name = "min_delta", .type = MAAS_PARAM_NUMBER,
      .off = offsetof(maas_spec_early_t, min_delta), .min = 0, .max = 1e300,
      .about = "progress is more than this" },
    { .name = "restore_best", .type = MAAS_PARAM_BOOL, .def = 1,
      .off = offsetof(maas_spec_early_t, best),
      .about = "end with the weights of the best epoch" }
};

const size_t  maas_spec_n_early = maas_nelts(maas_spec_early_params);

const maas_param_t  maas_spec_checkpoint_params[] = {
    { .name = "steps", .type = MAAS_PARAM_INT,
      .off = offsetof(maas_spec_checkpoint_t, steps), .min = 0,
      .max = 1 << 30, .about = "steps from one to the next; 0: by time" },
    { .name = "seconds", .type = MAAS_PARAM_NUMBER, .def = 60,
      .off = offsetof(maas_spec_checkpoint_t, seconds), .min = 0,
      .max = 1e9, .about = "seconds from one to the next; 0: by epoch" }
};

const size_t  maas_spec_n_checkpoint =
                  maas_nelts(maas_spec_checkpoint_params);


/* -- --set --------------------------------------------------------------- */

static json_t *
spec_value(const char *text)
{
    json_t  *v = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                            NULL);

    return v != NULL ? v : json_string(text);
}


/* The member of o that key names; a missing object is made. */
static json_t *
spec_member(json_t *o, const char *key)
{
    char    *end;
    size_t   i;
    json_t  *v;

    if (json_is_array(o)) {
        i = strtoul(key, &end, 10);
        return *key != '\0' && *end == '\0' ? json_array_get(o, i) : NULL;
    }

    v = json_object_get(o, key);

    if (v == NULL && json_is_object(o)) {
        v = json_object();
        if (json_object_set_new(o, key, v) != 0) {
            return NULL;
        }
    }

    return v;
}


static bool
spec_put(json_t *o, const char *key, json_t *value)
{
    char    *end;
    size_t   i;

    if (json_is_object(o)) {
        return json_object_set_new(o, key, value) == 0;
    }

    i = strtoul(key, &end, 10);

    if (json_is_array(o) && *key != '\0' && *end == '\0') {
        return i == json_array_size(o)
               ? json_array_append_new(o, value) == 0
               : json_array_set_new(o, i, value) == 0;
    }

    json_decref(value);
    return false;
}


static maas_status_t
spec_set(maas_spec_t *s, const char *set, maas_err_t *err)
{
    char        *path, *key, *dot;
    json_t      *o = s->json;
    const char  *eq = strchr(set, '=');

    if (eq == NULL || eq == set) {
        return maas_err(err, MAAS_EINVAL, "--set %.100s: expected "
                        "PATH=VALUE, like optimizer.learning_rate=0.01",
                        set);
    }

    path = (char *) maas_arena_str(&s->arena, set, (size_t) (eq - set)).data;
    if (path == NULL) {
        return maas_err_nomem(err);
    }

    for (key = path; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        *dot = '\0';
        o = spec_member(o, key);

        if (!json_is_object(o) && !json_is_array(o)) {
            return maas_err(err, MAAS_EINVAL, "--set %.100s: \"%.60s\" is "
                            "neither an object nor an item of a list", set,
                            key);
        }
    }

    if (!spec_put(o, key, spec_value(eq + 1))) {
        return maas_err(err, MAAS_EINVAL, "--set %.100s: the list has no "
                        "item %.60s", set, key);
    }

    return MAAS_OK;
}


/* -- reading ------------------------------------------------------------- */

static maas_status_t
spec_fields(maas_spec_t *s, maas_err_t *err)
{
    MAAS_TRY(maas_params_parse(&s->arena, s->json, maas_spec_params,
                               maas_spec_n_params, NULL, NULL, s, err));

    if (!maas_name_valid(s->name)) {
        return maas_err(err, MAAS_EINVAL, "\"name\" is \"%.*s\", expected 1 "
                        "to %d of A-Z, a-z, 0-9, '.', '_' and '-', the first "
                        "a letter or digit",
                        (int) maas_min(s->name.len, 60u), s->name.data,
                        MAAS_NAME_MAX);
    }

    if (s->folds == 1) {
        return maas_err(err, MAAS_EINVAL, "\"folds\" is 1, expected 0 (none) "
                        "or at least 2");
    }

    if (s->data != NULL && !json_is_object(s->data)) {
        return maas_err(err, MAAS_EINVAL, "\"data\" must be an object like "
                        "{\"path\":\"iris.csv\",\"target\":\"species\"}");
    }

    if (!json_is_object(s->model)) {
        return maas_err(err, MAAS_EINVAL, "\"model\" must be an object like "
                        "{\"type\":\"network\",\"layers\":[...]}");
    }

    if (s->store.len == 0) {
        s->store = maas_str("models");
    }

    return MAAS_OK;
}


maas_status_t
maas_spec_parse(maas_spec_t *s, const maas_host_t *host, const char *text,
    size_t len, const char *folder, const char *const *set, size_t n_set,
    maas_err_t *err)
{
    json_error_t   e;
    maas_status_t  rc = MAAS_OK;

    memset(s, 0, sizeof(*s));
    maas_arena_init(&s->arena, host, 0);
    s->folder = (char *) maas_arena_str(&s->arena, folder,
                                        strlen(folder)).data;
    s->json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);

    if (s->json == NULL) {
        rc = maas_err(err, MAAS_EINVAL, "line %d, column %d: %s", e.line,
                      e.column, e.text);

    } else if (!json_is_object(s->json)) {
        rc = maas_err(err, MAAS_EINVAL, "a specification is a JSON object");

    } else if (s->folder == NULL) {
        rc = maas_err_nomem(err);
    }

    for (size_t i = 0; i < n_set && rc == MAAS_OK; i++) {
        rc = spec_set(s, set[i], err);
    }

    if (rc == MAAS_OK) {
        rc = spec_fields(s, err);
    }

    if (rc != MAAS_OK) {
        maas_spec_free(s);
    }

    return rc;
}


static maas_status_t
spec_load(const maas_host_t *host, const char *path, char **text,
    size_t *len, maas_err_t *err)
{
    int    bad = 0;
    FILE  *f = fopen(path, "re");

    if (f == NULL) {
        return maas_err(err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "%.300s: %s", path, strerror(errno));
    }

    *text = maas_alloc(host, SPEC_MAX + 1);

    if (*text != NULL) {
        *len = fread(*text, 1, SPEC_MAX + 1, f);
        bad = ferror(f) ? errno : 0;
    }

    fclose(f);

    if (*text == NULL) {
        return maas_err_nomem(err);
    }

    if (bad != 0) {                     /* a folder can be opened */
        maas_free(host, *text);
        return maas_err(err, MAAS_EIO, "%.300s: %s", path, strerror(bad));
    }

    if (*len > SPEC_MAX) {
        maas_free(host, *text);
        return maas_err(err, MAAS_ELIMIT, "%.300s: longer than %u bytes",
                        path, SPEC_MAX);
    }

    return MAAS_OK;
}


maas_status_t
maas_spec_read(maas_spec_t *s, const maas_host_t *host, const char *path,
    const char *const *set, size_t n_set, maas_err_t *err)
{
    char           *text = NULL, folder[4096];
    size_t          len = 0;
    maas_status_t   rc;

    memset(s, 0, sizeof(*s));

    if (!maas_folder_of(folder, sizeof(folder), path)) {
        return maas_err(err, MAAS_EINVAL, "%.100s: the path is too long",
                        path);
    }

    MAAS_TRY(spec_load(host, path, &text, &len, err));
    rc = maas_spec_parse(s, host, text, len, folder, set, n_set, err);
    maas_free(host, text);

    return rc == MAAS_OK ? rc : maas_err_prefix(err, "%.200s", path);
}


void
maas_spec_free(maas_spec_t *s)
{
    if (s->json != NULL) {
        json_decref(s->json);
    }

    if (s->arena.host != NULL) {
        maas_arena_destroy(&s->arena);
    }

    memset(s, 0, sizeof(*s));
}


const char *
maas_spec_path(maas_spec_t *s, maas_str_t path)
{
    char    *out;
    size_t   n = strlen(s->folder);

    if (path.len != 0 && path.data[0] == '/') {
        return maas_arena_str(&s->arena, path.data, path.len).data;
    }

    if (strcmp(s->folder, ".") == 0) {
        return maas_arena_str(&s->arena, path.data, path.len).data;
    }

    out = maas_arena_alloc(&s->arena, n + path.len + 2);

    if (out != NULL) {
        memcpy(out, s->folder, n);
        out[n] = '/';
        memcpy(out + n + 1, path.data, path.len);
    }

    return out;
}


char *
maas_spec_text(const maas_spec_t *s)
{
    return json_dumps(s->json, JSON_COMPACT | JSON_SORT_KEYS);
}
