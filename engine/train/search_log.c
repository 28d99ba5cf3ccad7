/*
 * search_log: see search_log.h.
 *
 *   {"search":"DIGEST IN HEX"}
 *   [TRIAL, RUNG, SECONDS, [SCORE, ...]]
 *
 * One score, or one of each fold, with all the digits of a double.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/search_log.h"


#define LOG_NAME  "search."
#define LOG_PATH  4096


static maas_status_t
log_errno(maas_err_t *err, const char *path)
{
    return maas_err(err, MAAS_EIO, "%.300s: %s", path, strerror(errno));
}


static maas_status_t
log_path(const maas_search_log_t *l, const char *name, char path[LOG_PATH],
    maas_err_t *err)
{
    int  n = snprintf(path, LOG_PATH, "%s/" LOG_NAME "%s", l->folder, name);

    return n > 0 && n < LOG_PATH ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "%.100s: the path is too long",
                      l->folder);
}


static bool
log_first(const maas_search_log_t *l)
{
    return l->ranks == NULL || l->ranks->rank == 0;
}


/* -- reading ------------------------------------------------------------- */

static void
log_head(const maas_search_log_t *l, char text[2 * MAAS_DIGEST + 32])
{
    char  hex[2 * MAAS_DIGEST + 1];

    maas_hex(hex, l->digest, MAAS_DIGEST);
    snprintf(text, 2 * MAAS_DIGEST + 32, "{\"search\":\"%s\"}\n", hex);
}


/* A list of numbers, with at least one? */
static bool
log_scores(const json_t *score)
{
    for (size_t i = 0; i < json_array_size(score); i++) {
        if (!json_is_number(json_array_get(score, i))) {
            return false;
        }
    }

    return json_array_size(score) != 0;
}


/* False: no trial, nor what comes behind it. */
static bool
log_take(maas_search_log_t *l, const char *line, ssize_t n)
{
    int      trial, rung;
    char     key[32];
    json_t  *v, *score;
    double   seconds;

    v = n > 0 && line[n - 1] == '\n'
        ? json_loadb(line, (size_t) n, 0, NULL) : NULL;

    if (v == NULL) {
        return false;
    }

    if (json_unpack(v, "[i,i,F,o!]", &trial, &rung, &seconds, &score) != 0
        || !log_scores(score))
    {
        json_decref(v);
        return false;
    }

    snprintf(key, sizeof(key), "%d.%d", trial, rung);
    return json_object_set_new(l->known, key, v) == 0;
}


/*
 * The trials of a file; *whole: bytes of its lines that count.  A file
 * without a whole first line is empty.
 */
static maas_status_t
log_read(maas_search_log_t *l, const char *path, off_t *whole,
    maas_err_t *err)
{
    char           head[2 * MAAS_DIGEST + 32], *line = NULL;
    FILE          *f = fopen(path, "re");
    size_t         size = 0;
    ssize_t        n;
    maas_status_t  rc = MAAS_OK;

    *whole = 0;

    if (f == NULL) {
        return errno == ENOENT ? MAAS_OK : log_errno(err, path);
    }

    log_head(l, head);
    n = getline(&line, &size, f);

    if (n > 0 && line[n - 1] == '\n') {
        if (strcmp(line, head) != 0) {
            rc = maas_err(err, MAAS_EINVAL, "%.200s: the trials are of "
                          "another specification or other data; without "
                          "--resume, the search begins anew", path);
        } else {
            do {
                *whole += n;
                n = getline(&line, &size, f);
            } while (log_take(l, line, n));
        }
    }

    if (rc == MAAS_OK && ferror(f)) {
        rc = log_errno(err, path);
    }

    free(line);
    fclose(f);
    return rc;
}


/* The files of all ranks: read, or removed. */
static maas_status_t
log_all(maas_search_log_t *l, bool take, maas_err_t *err)
{
    DIR            *d = opendir(l->folder);
    char            path[LOG_PATH];
    off_t           whole;
    const char     *name;
    maas_status_t   rc = MAAS_OK;
    struct dirent  *e;

    if (d == NULL) {
        return log_errno(err, l->folder);
    }

    while (rc == MAAS_OK && (e = readdir(d)) != NULL) {
        name = e->d_name + strlen(LOG_NAME);

        if (strncmp(e->d_name, LOG_NAME, strlen(LOG_NAME)) != 0
            || *name == '\0' || strspn(name, "0123456789") != strlen(name))
        {
            continue;
        }

        rc = log_path(l, name, path, err);

        if (rc == MAAS_OK && take) {
            rc = log_read(l, path, &whole, err);

        } else if (rc == MAAS_OK && unlink(path) != 0 && errno != ENOENT) {
            rc = log_errno(err, path);
        }
    }

    closedir(d);
    return rc;
}


/* What the first rank read, and whether it could. */
static maas_status_t
log_share(maas_search_log_t *l, maas_status_t rc, maas_err_t *err)
{
    char      *text = NULL;
    uint64_t   n = 0;

    MAAS_TRY(maas_ranks_meet(l->ranks, rc, NULL, 0, err));

    if (l->ranks == NULL) {
        return MAAS_OK;
    }

    if (log_first(l)) {
        text = json_dumps(l->known, JSON_COMPACT);
        rc = text == NULL ? maas_err_nomem(err) : MAAS_OK;
        n = text == NULL ? 0 : strlen(text);
    }

    rc = maas_ranks_meet(l->ranks, rc, NULL, 0, err);

    if (rc == MAAS_OK) {
        maas_ranks_share(l->ranks, 0, &n, sizeof(n));

        if (!log_first(l)) {
            text = malloc(n + 1);
            rc = text == NULL ? maas_err_nomem(err) : MAAS_OK;
        }

        rc = maas_ranks_meet(l->ranks, rc, NULL, 0, err);
    }

    if (rc == MAAS_OK) {
        maas_ranks_share(l->ranks, 0, text, n);

        if (!log_first(l)) {
            json_decref(l->known);
            l->known = json_loadb(text, n, 0, NULL);
            rc = l->known == NULL ? maas_err_nomem(err) : MAAS_OK;
        }

        rc = maas_ranks_meet(l->ranks, rc, NULL, 0, err);
    }

    free(text);
    return rc;
}


/* -- writing ------------------------------------------------------------- */

static maas_status_t
log_put(maas_search_log_t *l, const char *text, size_t n, maas_err_t *err)
{
    ssize_t      k;
    const char  *p = text;

    while (p < text + n) {
        k = write(l->fd, p, n - (size_t) (p - text));

        if (k < 0 && errno == EINTR) {
            continue;
        }

        if (k <= 0) {
            errno = k == 0 ? ENOSPC : errno;
            return log_errno(err, l->folder);
        }

        p += k;
    }

    return MAAS_OK;
}


static maas_status_t
log_lock(maas_search_log_t *l, maas_err_t *err)
{
    char  path[LOG_PATH];

    MAAS_TRY(log_path(l, "lock", path, err));

    l->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (l->lock < 0) {
        return log_errno(err, path);
    }

    return flock(l->lock, LOCK_EX | LOCK_NB) == 0 ? MAAS_OK
           : maas_err(err, MAAS_EBUSY, "%.300s: another process searches for "
                      "this model", l->folder);
}


/* This rank's file, behind its last whole line. */
static maas_status_t
log_begin(maas_search_log_t *l, maas_err_t *err)
{
    char           name[16], path[LOG_PATH], head[2 * MAAS_DIGEST + 32];
    off_t          whole;
    maas_status_t  rc;

    snprintf(name, sizeof(name), "%d", l->ranks != NULL ? l->ranks->rank : 0);
    MAAS_TRY(log_path(l, name, path, err));
    MAAS_TRY(log_read(l, path, &whole, err));

    l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (l->fd < 0 || ftruncate(l->fd, whole) != 0) {
        return log_errno(err, path);
    }

    log_head(l, head);
    rc = whole == 0 ? log_put(l, head, strlen(head), err) : MAAS_OK;
    l->synced = maas_now_ns();
    return rc;
}


maas_status_t
maas_search_log_open(maas_search_log_t *l, const char *folder,
    const uint8_t digest[MAAS_DIGEST], maas_ranks_t *ranks, bool resume,
    maas_err_t *err)
{
    maas_status_t  rc = MAAS_OK;

    memset(l, 0, sizeof(*l));
    l->folder = folder;
    l->ranks = ranks;
    l->fd = -1;
    l->lock = -1;
    l->known = json_object();
    memcpy(l->digest, digest, MAAS_DIGEST);

    if (l->known == NULL) {
        rc = maas_err_nomem(err);

    } else if (log_first(l)) {
        rc = log_lock(l, err);

        if (rc == MAAS_OK) {
            rc = log_all(l, resume, err);
        }
    }

    MAAS_TRY(log_share(l, rc, err));

    return log_begin(l, err);
}


/* The first rank removes the files when the others have left theirs. */
void
maas_search_log_close(maas_search_log_t *l, bool done)
{
    maas_err_t  err;

    json_decref(l->known);
    l->known = NULL;

    if (l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }

    if (done && log_first(l)) {
        (void) log_all(l, false, &err);
    }

    if (l->lock >= 0) {
        close(l->lock);
        l->lock = -1;
    }
}


/* -- trials -------------------------------------------------------------- */

bool
maas_search_log_find(const maas_search_log_t *l, int folds,
    maas_search_trial_t *t)
{
    char           key[32];
    const json_t  *v, *score;

    snprintf(key, sizeof(key), "%d.%d", t->trial, t->rung);
    v = json_object_get(l->known, key);
    score = json_array_get(v, 3);

    if (score == NULL || json_array_size(score) != (size_t) maas_max(1, folds))
    {
        return false;
    }

    t->seconds = json_number_value(json_array_get(v, 2));
    t->score = json_number_value(json_array_get(score, 0));

    for (int i = 0; i < folds; i++) {
        t->fold[i] = json_number_value(json_array_get(score, (size_t) i));
    }

    return true;
}


/* After a kill all lines count; after a power cut those of a second before. */
maas_status_t
maas_search_log_add(maas_search_log_t *l, int folds,
    const maas_search_trial_t *t, maas_err_t *err)
{
    int             bad = 0;
    char           *text;
    size_t          n;
    json_t         *score = json_array(), *v;
    maas_status_t   rc;

    for (int i = 0; i < maas_max(1, folds); i++) {
        bad |= json_array_append_new(score, json_real(folds == 0 ? t->score
                                                      : t->fold[i]));
    }

    v = json_pack("[i,i,f,o]", t->trial, t->rung, t->seconds, score);
    text = bad != 0 || v == NULL ? NULL : json_dumps(v, JSON_COMPACT);
    json_decref(v);

    if (text == NULL) {
        return maas_err_nomem(err);
    }

    n = strlen(text);
    text[n] = '\n';             /* in place of its zero */
    rc = log_put(l, text, n + 1, err);
    free(text);

    if (rc == MAAS_OK && maas_now_ns() - l->synced > 1000000000u) {
        rc = fdatasync(l->fd) == 0 ? MAAS_OK : log_errno(err, l->folder);
        l->synced = maas_now_ns();
    }

    return rc;
}
