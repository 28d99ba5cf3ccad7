/*
 * dataset_feed.c: opening, columns and splits.  See dataset_feed.h.
 *
 * Ownership: a source owns its dataset; lists lie in the arena.
 * Threads:   one thread.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/dataset_rows.h"


#define SHOW(s)  (int) maas_min((s).len, 100u), (s).data

static const char *const  source_by[] = { "random", "group", "time", NULL };

const maas_param_t  maas_data_params[] = {
    { .name = "path", .type = MAAS_PARAM_TEXT, .required = true,
      .off = offsetof(source_json_t, path),
      .about = "a dataset, or a file or folder that can be imported" },
    { .name = "target", .type = MAAS_PARAM_TEXTS,
      .off = offsetof(source_json_t, target),
      .about = "column, or columns, to be predicted" },
    { .name = "features", .type = MAAS_PARAM_TEXTS,
      .off = offsetof(source_json_t, features),
      .about = "columns to predict from; all others" },
    { .name = "split", .type = MAAS_PARAM_JSON,
      .off = offsetof(source_json_t, split),
      .about = "shares for validation and test" },
    { .name = "augment", .type = MAAS_PARAM_JSON,
      .off = offsetof(source_json_t, augment),
      .about = "changed copies of images while training" }
};

const size_t  maas_data_n_params = maas_nelts(maas_data_params);

const maas_param_t  maas_data_split_params[] = {
    { .name = "validation", .type = MAAS_PARAM_NUMBER,
      .off = offsetof(source_split_t, validation), .min = 0, .max = 0.999,
      .about = "share of the rows to judge epochs by" },
    { .name = "test", .type = MAAS_PARAM_NUMBER,
      .off = offsetof(source_split_t, test), .min = 0, .max = 0.999,
      .about = "share that training never sees" },
    { .name = "by", .type = MAAS_PARAM_WORD,
      .off = offsetof(source_split_t, by), .words = source_by,
      .about = "rows at random, whole groups, or the latest" },
    { .name = "column", .type = MAAS_PARAM_TEXT,
      .off = offsetof(source_split_t, column),
      .about = "of the group or the time" },
    { .name = "stratify", .type = MAAS_PARAM_BOOL,
      .off = offsetof(source_split_t, stratify),
      .about = "equal shares of the classes of the target" }
};

const size_t  maas_data_n_split = maas_nelts(maas_data_split_params);


maas_status_t
maas_data_path(maas_arena_t *a, const json_t *data, maas_str_t *path,
    maas_err_t *err)
{
    source_json_t  j = { 0 };

    MAAS_TRY(maas_params_parse(a, data, maas_data_params,
                               maas_data_n_params, NULL, "data", &j, err));
    *path = j.path;

    return MAAS_OK;
}


/* -- opening ------------------------------------------------------------- */

static bool
source_is_dataset(const char *path)
{
    size_t  n = strlen(path);

    return n >= 7 && strcmp(path + n - 7, ".maasds") == 0;
}


/* A file that is imported once has a name by what it was then. */
static maas_status_t
source_cached(const maas_data_spec_t *spec, char path[4096],
    bool *fresh, maas_err_t *err)
{
    char          text[4400], hex[17];
    uint8_t       digest[MAAS_DIGEST];
    maas_sha_t   *sha;
    struct stat   st;

    if (stat(spec->path, &st) != 0) {
        return maas_err(err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "data: %.300s: %s", spec->path, strerror(errno));
    }

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(err);
    }

    snprintf(text, sizeof(text), "%lld %lld.%09ld %.4000s",
             (long long) st.st_size, (long long) st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec, spec->path);
    maas_sha_update(sha, text, strlen(text));
    maas_sha_final(sha, digest);
    maas_hex(hex, digest, 8);
    snprintf(path, 4096, "%.4000s/data-%s.maasds", spec->cache, hex);

    /* The time of a folder says nothing of the files below it. */
    *fresh = S_ISREG(st.st_mode) && access(path, R_OK) == 0;
    return MAAS_OK;
}


/* What was imported when the source was another: nobody reads it again. */
static void
source_sweep(const char *folder, const char *keep)
{
    DIR            *d = opendir(folder);
    char            path[4400];
    struct dirent  *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        snprintf(path, sizeof(path), "%.4000s/%s", folder, e->d_name);

        if (strncmp(e->d_name, "data-", 5) == 0
            && source_is_dataset(e->d_name) && strcmp(path, keep) != 0)
        {
            (void) unlink(path);
        }
    }

    if (d != NULL) {
        closedir(d);
    }
}


/* A folder is imported each time: no fresh one is right too. */
static maas_status_t
source_imported(maas_data_t *s, const char *path, maas_err_t *err)
{
    maas_status_t  rc = maas_dataset_open(&s->ds, s->spec.host, path, err);

    return rc == MAAS_OK ? rc
           : maas_err_prefix(err, "what the first rank imported is not here; "
                             "the folders of data and of models must be the "
                             "same on all machines");
}


static maas_status_t
source_dataset(maas_data_t *s, maas_err_t *err)
{
    bool                        fresh = false;
    char                        path[4096];
    const maas_data_spec_t   *spec = &s->spec;
    maas_dataset_import_t       opts = { .header = -1,
                                         .cancel = spec->cancel,
                                         .progress = spec->progress,
                                         .progress_ctx = spec->progress_ctx };

    if (source_is_dataset(spec->path)) {
        return maas_dataset_open(&s->ds, spec->host, spec->path, err);
    }

    MAAS_TRY(source_cached(spec, path, &fresh, err));

    if (fresh && maas_dataset_open(&s->ds, spec->host, path, err) == MAAS_OK)
    {
        return MAAS_OK;
    }

    if (spec->imported) {
        return source_imported(s, path, err);
    }

    MAAS_TRY(maas_dataset_import(spec->host, &spec->path, 1, path, &opts,
                                 err));
    source_sweep(spec->cache, path);

    return maas_dataset_open(&s->ds, spec->host, path, err);
}


/* -- columns ------------------------------------------------------------- */

static maas_status_t
source_list(maas_data_t *s, const maas_param_texts_t *names, int **list,
    const char *key, maas_err_t *err)
{
    *list = maas_arena_array(s->spec.arena, maas_max(names->n, 1u),
                             sizeof(int));
    if (*list == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < names->n; i++) {
        if (maas_dataset_find(s->ds, names->v[i], &(*list)[i], err)
            != MAAS_OK)
        {
            return maas_err_prefix(err, "data: \"%s\"", key);
        }
    }

    return MAAS_OK;
}


static bool
source_taken(const maas_data_t *s, int column)
{
    const maas_column_t  *c = maas_dataset_column(s->ds, column);

    for (int i = 0; i < s->info.n_target_column; i++) {
        if (s->target[i] == column) {
            return true;
        }
    }

    return s->split.column.len != 0 && maas_str_eq(c->name, s->split.column);
}


/* All columns but the target's and the one that rows are split by. */
static maas_status_t
source_others(maas_data_t *s, maas_err_t *err)
{
    int  n = maas_dataset_columns(s->ds);

    s->feature = maas_arena_array(s->spec.arena, (size_t) n + 1,
                                  sizeof(int));
    if (s->feature == NULL) {
        return maas_err_nomem(err);
    }

    for (int i = 0; i < n; i++) {
        if (!source_taken(s, i)) {
            s->feature[s->info.n_column++] = i;
        }
    }

    return MAAS_OK;
}


static maas_status_t
source_features(maas_data_t *s, maas_err_t *err)
{
    maas_str_t           *name;
    const maas_column_t  *c;

    if (s->j.features.n != 0) {
        MAAS_TRY(source_list(s, &s->j.features, &s->feature, "features",
                             err));
        s->info.n_column = (int) s->j.features.n;

    } else {
        MAAS_TRY(source_others(s, err));
    }

    if (s->info.n_column == 0) {
        return maas_err(err, MAAS_EINVAL, "data: there is no column to "
                        "predict from");
    }

    name = maas_arena_array(s->spec.arena, (size_t) s->info.n_column,
                            sizeof(*name));
    if (name == NULL) {
        return maas_err_nomem(err);
    }

    s->info.plain = true;

    for (int i = 0; i < s->info.n_column; i++) {
        c = maas_dataset_column(s->ds, s->feature[i]);

        for (int k = 0; k < s->info.n_target_column; k++) {
            if (s->target[k] == s->feature[i]) {
                return maas_err(err, MAAS_EINVAL, "data: \"features\": "
                                "\"%.*s\" is the target as well",
                                (int) maas_min(c->name.len, 100u),
                                c->name.data);
            }
        }

        name[i] = c->name;
        s->info.n_feature += (int64_t) c->width;
        s->info.plain = s->info.plain && c->kind != MAAS_COL_TEXT
                        && c->kind != MAAS_COL_CATEGORY;

        if (c->kind == MAAS_COL_TENSOR && c->image && s->info.n_column == 1)
        {
            s->info.image = true;
            s->info.height = c->dims[0];
            s->info.width = c->dims[1];
            s->info.channels = c->rank > 2 ? c->dims[2] : 1;
        }
    }

    s->info.column = name;
    return MAAS_OK;
}


/* A version has its classes in labels.txt: UTF-8, one a line. */
static maas_status_t
source_names(const maas_data_t *s, maas_err_t *err)
{
    maas_str_t   n;
    const char  *what;

    for (int i = 0; i < s->info.n_class && s->info.class_name != NULL; i++) {
        n = s->info.class_name[i];

        if (!maas_utf8_valid(n.data, n.len)) {
            what = "is not UTF-8; save the data as UTF-8";

        } else if (memchr(n.data, '\n', n.len) != NULL
                   || (n.len != 0 && n.data[n.len - 1] == '\r'))
        {
            what = "has a line break, but a version has a class a line";

        } else {
            continue;
        }

        return maas_err(err, MAAS_EINVAL, "column \"%.*s\": the class "
                        "\"%.*s\" %s", (int) maas_min(s->info.target.len, 64),
                        s->info.target.data, (int) maas_min(n.len, 64),
                        n.data, what);
    }

    return MAAS_OK;
}


/* One column of few values is classes; what else has numbers is numbers. */
static maas_status_t
source_target(maas_data_t *s, maas_err_t *err)
{
    maas_err_t            ignored;
    const maas_column_t  *c;

    s->info.n_target_column = (int) s->j.target.n;
    MAAS_TRY(source_list(s, &s->j.target, &s->target, "target", err));

    for (int i = 0; i < s->info.n_target_column; i++) {
        c = maas_dataset_column(s->ds, s->target[i]);
        s->info.n_target += (int64_t) c->width;

        if (i == 0) {
            s->info.target = c->name;
        }

        if (s->info.named.len == 0
            && (c->kind == MAAS_COL_CATEGORY || c->kind == MAAS_COL_TEXT))
        {
            s->info.named = c->name;
        }
    }

    if (s->info.n_target_column == 1
        && maas_dataset_classes(s->ds, s->target[0], 0, s->spec.arena,
                                &s->classes, &ignored) == MAAS_OK)
    {
        s->info.n_class = s->classes.n;
        s->info.class_name = s->classes.name;
        s->info.class_int = s->classes.integer;
        s->info.class_count = s->classes.count;
    }

    return source_names(s, err);
}


/* Rows without a target are left out of every part. */
static maas_status_t
source_skip(maas_data_t *s, maas_err_t *err)
{
    bool                  any = false;
    int64_t               n = maas_dataset_rows(s->ds);
    const maas_column_t  *c;

    for (int i = 0; i < s->info.n_target_column; i++) {
        c = maas_dataset_column(s->ds, s->target[i]);
        any = any || c->stats.missing != 0;
    }

    if (!any) {
        return MAAS_OK;
    }

    s->skip = maas_arena_array(s->spec.arena, (size_t) n / 64 + 1,
                               sizeof(uint64_t));
    if (s->skip == NULL) {
        return maas_err_nomem(err);
    }

    for (int i = 0; i < s->info.n_target_column; i++) {
        c = maas_dataset_column(s->ds, s->target[i]);

        for (int64_t r = 0; r < n; r++) {
            if (!maas_column_has(c, r)) {
                s->skip[r / 64] |= UINT64_C(1) << (r % 64);
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
source_augment(maas_data_t *s, maas_err_t *err)
{
    if (s->j.augment == NULL) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_params_parse(s->spec.arena, s->j.augment,
                               maas_augment_params, maas_augment_n_params,
                               NULL, "data: augment", &s->augment, err));

    if (!s->info.image) {
        return maas_err(err, MAAS_EINVAL, "data: \"augment\" is for one "
                        "column of images");
    }

    s->augmented = !maas_augment_none(&s->augment);
    return MAAS_OK;
}


static maas_status_t
source_read(maas_data_t *s, maas_err_t *err)
{
    maas_arena_t  *a = s->spec.arena;

    MAAS_TRY(maas_params_parse(a, s->spec.data, maas_data_params,
                               maas_data_n_params, NULL, "data", &s->j,
                               err));
    MAAS_TRY(maas_params_parse(a, s->j.split, maas_data_split_params,
                               maas_data_n_split, NULL, "data: split",
                               &s->split, err));

    if (s->split.by != MAAS_SPLIT_RANDOM && s->split.column.len == 0) {
        return maas_err(err, MAAS_EINVAL, "data: split: \"by\" is \"%s\": "
                        "which \"column\"?", source_by[s->split.by]);
    }

    MAAS_TRY(source_dataset(s, err));

    s->info.rows = maas_dataset_rows(s->ds);
    s->info.digest = maas_dataset_digest(s->ds);

    MAAS_TRY(source_target(s, err));
    MAAS_TRY(source_features(s, err));
    MAAS_TRY(source_skip(s, err));

    return source_augment(s, err);
}


maas_status_t
maas_data_open(maas_data_t **out, const maas_data_spec_t *spec,
    maas_err_t *err)
{
    maas_status_t   rc;
    maas_data_t  *s = maas_calloc(spec->host, 1, sizeof(*s));

    *out = NULL;

    if (s == NULL) {
        return maas_err_nomem(err);
    }

    s->spec = *spec;
    rc = source_read(s, err);

    if (rc != MAAS_OK) {
        maas_data_close(s);
        return rc;
    }

    *out = s;
    return MAAS_OK;
}


void
maas_data_close(maas_data_t *s)
{
    if (s == NULL) {
        return;
    }

    maas_free(s->spec.host, s->wide);
    maas_free(s->spec.host, s->pixels);
    maas_free(s->spec.host, s->code);
    maas_free(s->spec.host, s->copy[0]);
    maas_free(s->spec.host, s->copy[1]);
    maas_dataset_close(s->ds);
    maas_free(s->spec.host, s);
}


const maas_data_info_t *
maas_data_info(const maas_data_t *s)
{
    return &s->info;
}


maas_status_t
maas_data_split(maas_data_t *s, int64_t fold, maas_data_rows_t *rows,
    maas_err_t *err)
{
    maas_split_t       split;
    maas_status_t      rc;
    maas_split_spec_t  spec = { .by = (maas_split_by_t) s->split.by,
                                .validation = s->split.validation,
                                .test = s->split.test, .column = -1,
                                .stratify = -1, .seed = s->spec.seed,
                                .skip = s->skip };

    if (s->split.column.len != 0) {
        if (maas_dataset_find(s->ds, s->split.column, &spec.column, err)
            != MAAS_OK)
        {
            return maas_err_prefix(err, "data: split: \"column\"");
        }
    }

    if (s->split.stratify && s->info.n_class != 0) {
        spec.stratify = s->target[0];
    }

    if (fold >= 0) {
        rc = maas_dataset_fold(s->ds, &spec, (int) s->spec.folds, (int) fold,
                               s->spec.arena, &split, err);

    } else {
        rc = maas_dataset_split(s->ds, &spec, s->spec.arena, &split, err);
    }

    if (rc != MAAS_OK) {
        return maas_err_prefix(err, "data: split");
    }

    rows->train = split.train;
    rows->validation = split.validation;
    rows->test = split.test;
    rows->n_train = split.n_train;
    rows->n_validation = split.n_validation;
    rows->n_test = split.n_test;

    return MAAS_OK;
}
