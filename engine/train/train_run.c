/*
 * train_run.c: the frame of a run: folders, lock, data, then a network or an
 * estimator, then the version.  See train_run.h.
 *
 * Ownership: the job is the caller's; all else is freed before it returns.
 * Threads:   a member of the team, or none; a model has one run, by the
 *            lock.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maas.h"
#include "train/estimator.h"
#include "train/rl.h"
#include "train/train_network.h"


static bool
train_first(const maas_train_t *t)
{
    return t->job->ranks == NULL || t->job->ranks->rank == 0;
}


void
maas_train_event(maas_train_t *t, maas_train_event_kind_t kind,
    const maas_trainer_t *trainer, int64_t fold, maas_str_t text)
{
    maas_train_event_t  e = { .kind = kind, .trainer = trainer,
                              .fold = fold, .text = text };

    if (trainer != NULL) {
        e.resumed = trainer->resumed;
    }

    if (t->job->event != NULL && train_first(t)) {
        t->job->event(t->job->ctx, &e);
    }
}


void
maas_train_put(maas_buf_t *b, const char *name, double v)
{
    if (b->len != 0) {
        maas_buf_puts(b, ",");
    }

    if (isfinite(v)) {
        maas_buf_printf(b, "\"%s\":%.9g", name, v);

    } else {
        maas_buf_printf(b, "\"%s\":null", name);
    }
}


/* -- folders ------------------------------------------------------------- */

static maas_status_t
train_errno(maas_train_t *t, const char *path)
{
    return maas_err(t->err, MAAS_EIO, "%.300s: %s", path, strerror(errno));
}


static int
train_work(const maas_train_job_t *job, const char *store, char *path,
    size_t size)
{
    return snprintf(path, size, "%s/%.*s/.train%s%s", store,
                    (int) job->spec->name.len, job->spec->name.data,
                    job->part != NULL ? "/" : "",
                    job->part != NULL ? job->part : "");
}


/* The work folder and all above it; a lock that ends with the process. */
static maas_status_t
train_folders(maas_train_t *t)
{
    int   n;
    char  path[3300];

    n = train_work(t->job, t->store, t->work, sizeof(t->work));

    if (n < 0 || (size_t) n >= sizeof(t->work) - 64) {
        return maas_err(t->err, MAAS_EINVAL, "%.100s: the path is too long",
                        t->store);
    }

    if (!train_first(t)) {
        return MAAS_OK;
    }

    for (char *p = t->work + 1; ; p++) {
        char  c = *p;

        if (c != '/' && c != '\0') {
            continue;
        }

        *p = '\0';

        if (mkdir(t->work, 0777) != 0 && errno != EEXIST) {
            return train_errno(t, t->work);
        }

        *p = c;

        if (c == '\0') {
            break;
        }
    }

    snprintf(path, sizeof(path), "%s/lock", t->work);
    t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (t->lock < 0) {
        return train_errno(t, path);
    }

    if (flock(t->lock, LOCK_EX | LOCK_NB) != 0) {
        return maas_err(t->err, MAAS_EBUSY, "%.300s: another process trains "
                        "this model", t->work);
    }

    return MAAS_OK;
}


/* There are only files in it. */
void
maas_train_part_end(const maas_train_job_t *job)
{
    DIR            *d;
    char            path[3300], file[3600];
    const char     *store = job->store;
    struct dirent  *e;

    if (store == NULL) {
        store = maas_spec_path(job->spec, job->spec->store);
    }

    if (job->part == NULL || store == NULL
        || train_work(job, store, path, sizeof(path)) >= (int) sizeof(path))
    {
        return;
    }

    d = opendir(path);
    if (d == NULL) {
        return;
    }

    while ((e = readdir(d)) != NULL) {
        snprintf(file, sizeof(file), "%s/%.255s", path, e->d_name);
        (void) unlink(file);
    }

    closedir(d);
    (void) rmdir(path);
}


/* -- data ---------------------------------------------------------------- */

static void
train_imported(void *ctx, uint64_t done, uint64_t of)
{
    maas_train_t        *t = ctx;
    maas_train_event_t   e = { .kind = MAAS_TRAIN_IMPORT, .done = done,
                               .of = of };

    if (t->job->event != NULL) {
        t->job->event(t->job->ctx, &e);
    }
}


/* All ranks have the first one's specification and data. */
static maas_status_t
train_same(maas_train_t *t)
{
    uint8_t        digest[MAAS_DIGEST];
    maas_ranks_t  *r = t->job->ranks;

    if (r == NULL) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_ranks_meet(r, MAAS_OK, NULL, 0, t->err));
    memcpy(digest, t->digest, MAAS_DIGEST);
    maas_ranks_share(r, 0, digest, MAAS_DIGEST);

    return memcmp(digest, t->digest, MAAS_DIGEST) == 0 ? MAAS_OK
           : maas_err(t->err, MAAS_EINVAL, "rank %d has another "
                      "specification or other data than rank 0", r->rank);
}


static maas_status_t
train_data(maas_train_t *t)
{
    maas_sha_t          *sha;
    maas_str_t           path;
    maas_spec_t         *s = t->job->spec;
    maas_data_spec_t   spec = { .data = s->data, .cache = t->work,
                                  .host = t->job->host, .arena = &t->arena,
                                  .seed = (uint64_t) s->seed,
                                  .folds = t->job->folds != 0
                                           ? t->job->folds : s->folds,
                                  .imported = !train_first(t),
                                  .cancel = t->job->cancel,
                                  .progress = train_imported,
                                  .progress_ctx = t };

    MAAS_TRY(maas_data_path(&t->arena, s->data, &path, t->err));

    spec.path = maas_spec_path(s, path);
    if (spec.path == NULL) {
        return maas_err_nomem(t->err);
    }

    /* The first rank imports while the others wait. */
    if (train_first(t)) {
        MAAS_TRY(maas_data_open(&t->source, &spec, t->err));
        MAAS_TRY(maas_ranks_meet(t->job->ranks, MAAS_OK, NULL, 0, t->err));

    } else {
        MAAS_TRY(maas_ranks_meet(t->job->ranks, MAAS_OK, NULL, 0, t->err));
        MAAS_TRY(maas_data_open(&t->source, &spec, t->err));
    }

    t->info = maas_data_info(t->source);

    sha = maas_sha_create();
    t->text = maas_spec_text(s);

    if (sha == NULL || t->text == NULL) {
        return maas_err_nomem(t->err);
    }

    maas_sha_update(sha, t->text, strlen(t->text));
    maas_sha_update(sha, t->info->digest, MAAS_DIGEST);
    maas_sha_final(sha, t->digest);
    MAAS_TRY(train_same(t));

    return maas_data_split(t->source, t->job->folds != 0 ? t->job->fold : -1,
                           &t->rows, t->err);
}


/* After folds: the rows of validation are learned too. */
maas_status_t
maas_train_all_rows(maas_train_t *t)
{
    int64_t            *all;
    maas_data_rows_t   *r = &t->rows;

    all = maas_arena_array(&t->arena, (size_t) (r->n_train + r->n_validation)
                           + 1, sizeof(*all));
    if (all == NULL) {
        return maas_err_nomem(t->err);
    }

    memcpy(all, r->train, (size_t) r->n_train * sizeof(*all));

    if (r->n_validation != 0) {
        memcpy(all + r->n_train, r->validation,
               (size_t) r->n_validation * sizeof(*all));
    }

    r->train = all;
    r->n_train += r->n_validation;
    r->n_validation = 0;

    return MAAS_OK;
}


/* -- the run ------------------------------------------------------------- */

typedef enum { TRAIN_NETWORK = 0, TRAIN_ESTIMATOR, TRAIN_AGENT } train_kind_t;


static maas_status_t
train_type(maas_train_t *t, train_kind_t *kind)
{
    char                     near[MAAS_NEAR_TEXT];
    maas_near_t              guess = { 0 };
    const json_t            *type;
    const maas_estimator_t  *e = NULL;

    type = json_object_get(t->job->spec->model, "type");

    if (!json_is_string(type)) {
        return maas_err(t->err, MAAS_EINVAL, "model: no \"type\"; "
                        "\"network\", \"finetune\", an estimator or an agent");
    }

    guess.word = (maas_str_t) { json_string_value(type),
                                json_string_length(type) };
    *kind = maas_str_is(guess.word, "network")
            || maas_str_is(guess.word, "finetune") ? TRAIN_NETWORK
            : maas_rl_agent_find(guess.word) != NULL ? TRAIN_AGENT
                                                     : TRAIN_ESTIMATOR;

    if (*kind != TRAIN_ESTIMATOR || maas_estimator_find(guess.word) != NULL) {
        return MAAS_OK;
    }

    maas_near(&guess, maas_str("network"));
    maas_near(&guess, maas_str("finetune"));

    while ((e = maas_estimator_next(e)) != NULL) {
        maas_near(&guess, (maas_str_t) { e->name, strlen(e->name) });
    }

    for (int i = 0; maas_rl_agent_rows[i] != NULL; i++) {
        maas_near(&guess, (maas_str_t) {
            maas_rl_agent_rows[i]->name, strlen(maas_rl_agent_rows[i]->name)
        });
    }

    return maas_err(t->err, MAAS_EINVAL, "model: unknown type \"%.60s\"%s",
                    guess.word.data, guess.best.data != NULL
                    ? maas_near_text(&guess, near)
                    : "; maas train --describe lists all");
}


/* What was measured, for a search; there is no version. */
static maas_status_t
train_measured(maas_train_t *t)
{
    maas_buf_t  b;

    maas_buf_init(&b, t->job->host);
    maas_buf_puts(&b, "{");
    maas_buf_add(&b, t->metrics.data, t->metrics.len);
    maas_buf_puts(&b, "}");

    if (!b.failed && !t->metrics.failed) {
        t->job->metrics = json_loadb(b.data, b.len, 0, NULL);
    }

    maas_buf_destroy(&b);

    return t->job->metrics != NULL ? MAAS_OK : maas_err_nomem(t->err);
}


bool
maas_train_shared(const json_t *model)
{
    const json_t            *type = json_object_get(model, "type");
    maas_str_t               name = { json_string_value(type),
                                      json_string_length(type) };
    const maas_estimator_t  *e;

    if (!json_is_string(type)) {
        return false;
    }

    if (maas_str_is(name, "network") || maas_str_is(name, "finetune")) {
        return true;
    }

    e = maas_estimator_find(name);

    if (e == NULL || !e->ranks) {
        return false;
    }

    type = e->alone.key == NULL ? NULL
           : json_object_get(model, e->alone.key);

    return !json_is_string(type)
           || strcmp(json_string_value(type), e->alone.word) != 0;
}


static maas_status_t
train_alone(maas_train_t *t)
{
    maas_str_t               name;
    const json_t            *type = json_object_get(t->job->spec->model,
                                                    "type");
    const maas_estimator_t  *e;

    name = (maas_str_t) { json_string_value(type),
                          json_string_length(type) };
    e = maas_estimator_find(name);

    if (e != NULL && e->ranks) {
        return maas_err(t->err, MAAS_EINVAL, "model: \"%s\" with \"%s\" "
                        "\"%s\" is fitted by one process: its steps go from "
                        "row to row, each from where the last one ended",
                        name.data, e->alone.key, e->alone.word);
    }

    return maas_err(t->err, MAAS_EINVAL, "model: \"%s\" is fitted by one "
                    "process: its fit has no parts that processes of mpirun "
                    "could share", name.data);
}


/* Everything up to the data. */
static maas_status_t
train_begin(maas_train_t *t, train_kind_t *kind)
{
    maas_cpu_t  level = MAAS_CPU_REF;

    (void) maas_cpu_by_name(maas_cpu(), &level);
    t->k = maas_kernels(level);
    t->store = t->job->store != NULL
               ? t->job->store : maas_spec_path(t->job->spec,
                                                t->job->spec->store);
    if (t->store == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(train_type(t, kind));
    t->job->resumable = *kind == TRAIN_NETWORK;

    if (t->job->ranks != NULL && !maas_train_shared(t->job->spec->model)) {
        return train_alone(t);
    }

    if (*kind != TRAIN_AGENT && t->job->spec->data == NULL) {
        return maas_err(t->err, MAAS_EINVAL, "\"data\" is missing: where the "
                        "rows come from");
    }

    return train_folders(t);
}


static maas_status_t
train_all(maas_train_t *t)
{
    char          path[3300];
    train_kind_t  kind = TRAIN_NETWORK;

    MAAS_TRY(train_begin(t, &kind));

    if (kind == TRAIN_AGENT) {
        MAAS_TRY(maas_train_rl(t));

    } else {
        MAAS_TRY(train_data(t));
        MAAS_TRY(kind == TRAIN_NETWORK ? maas_train_network(t)
                                       : maas_train_estimator(t));
    }

    if (t->job->trial) {
        return train_measured(t);
    }

    if (!train_first(t)) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_train_write(t));

    /* Nothing is left to resume. */
    for (int64_t i = 0; i <= t->job->spec->folds; i++) {
        snprintf(path, sizeof(path), "%s/checkpoint%s%.0lld", t->work,
                 i != 0 ? "." : "", (long long) i);
        (void) unlink(path);
    }

    return MAAS_OK;
}


static void
train_open(maas_train_t *t, const maas_host_t *host)
{
    maas_arena_init(&t->arena, host, 0);
    maas_buf_init(&t->metrics, host);
    maas_buf_init(&t->training, host);
    maas_buf_init(&t->history, host);
}


static void
train_close(maas_train_t *t)
{
    maas_weights_destroy(&t->weights);
    maas_finetune_close(t->tune);
    maas_data_close(t->source);

    if (t->lock >= 0) {
        close(t->lock);
    }

    free(t->text);
    maas_buf_destroy(&t->metrics);
    maas_buf_destroy(&t->training);
    maas_buf_destroy(&t->history);
    maas_arena_destroy(&t->arena);
}


maas_status_t
maas_train_run(maas_train_job_t *job, maas_err_t *err)
{
    maas_status_t  rc;
    maas_train_t   t = { .job = job, .lock = -1, .err = err };

    train_open(&t, job->host);
    rc = train_all(&t);
    train_close(&t);

    return rc;
}


static maas_status_t
train_digest(maas_train_t *t)
{
    maas_sha_t    *sha;
    train_kind_t   kind = TRAIN_NETWORK;

    MAAS_TRY(train_begin(t, &kind));

    if (kind != TRAIN_AGENT) {
        MAAS_TRY(train_data(t));
        return kind == TRAIN_NETWORK ? maas_train_tune_open(t) : MAAS_OK;
    }

    sha = maas_sha_create();
    t->text = maas_spec_text(t->job->spec);

    if (sha == NULL || t->text == NULL) {
        return maas_err_nomem(t->err);
    }

    maas_sha_update(sha, t->text, strlen(t->text));
    maas_sha_final(sha, t->digest);
    return MAAS_OK;
}


maas_status_t
maas_train_digest(maas_train_job_t *job, uint8_t digest[MAAS_DIGEST],
    maas_err_t *err)
{
    maas_status_t  rc;
    maas_train_t   t = { .job = job, .lock = -1, .err = err };

    train_open(&t, job->host);
    rc = train_digest(&t);
    memcpy(digest, t.digest, MAAS_DIGEST);
    snprintf(job->path, sizeof(job->path), "%s", t.work);
    train_close(&t);

    return rc;
}
