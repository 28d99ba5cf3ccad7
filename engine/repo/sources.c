/*
 * Which versions a source has, and the names of their images.  Only
 * directories are read and files stat()ed: this runs at every reading of
 * the configuration, in the master.
 *
 * An image is named by the first half of a SHA-256 over everything that it
 * depends on: path, size and time of modification of the model file, of
 * model.json and labels.txt beside it, this build of the engine, the CPU
 * level and the numerics.  No inode: an image made while a container is
 * built fits the container.  Whoever opens an image of that name compares
 * the digest of the contents as well.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/base.h"
#include "build_id.h"
#include "maas.h"


#define SOURCES_MAX  10000


const char *
maas_build_id(void)
{
    return MAAS_BUILD_ID;
}


static maas_status_t
sources_errno(maas_err_t *err, int e, const char *what, const char *path)
{
    return maas_err(err, e == ENOENT || e == ENOTDIR ? MAAS_ENOENT : MAAS_EIO,
                    "%s %s: %s", what, path, strerror(e));
}


static bool
sources_join(char out[1024], const char *dir, const char *name)
{
    size_t  n = strlen(dir);

    return snprintf(out, 1024, n != 0 && dir[n - 1] == '/' ? "%s%s" : "%s/%s",
                    dir, name) < 1024;
}


/* One line of the digest; an absent file has one as well. */
static void
sources_file(maas_sha_t *sha, const char *path)
{
    int          n;
    char         line[256], *real;
    struct stat  st;

    if (stat(path, &st) != 0) {
        maas_sha_update(sha, "-", 2);
        return;
    }

    /* However the configuration spells it. */
    real = realpath(path, NULL);
    if (real != NULL) {
        maas_sha_update(sha, real, strlen(real) + 1);
        free(real);
    }

    n = snprintf(line, sizeof(line), "%lld %lld.%09ld",
                 (long long) st.st_size, (long long) st.st_mtim.tv_sec,
                 st.st_mtim.tv_nsec);

    maas_sha_update(sha, line, (size_t) n + 1);
}


static maas_status_t
sources_key(maas_source_t *s, const char *numerics, maas_err_t *err)
{
    int          n;
    char         dir[1024], path[1024], line[256], *slash;
    uint8_t      digest[MAAS_DIGEST];
    maas_sha_t  *sha;

    snprintf(dir, sizeof(dir), "%s", s->path);
    slash = strrchr(dir, '/');

    if (slash == NULL) {
        snprintf(dir, sizeof(dir), ".");
    } else {
        slash[slash == dir] = '\0';
    }

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(err);
    }

    n = snprintf(line, sizeof(line), "%s %s %s %s", MAAS_VERSION,
                 MAAS_BUILD_ID, maas_cpu(), numerics);
    maas_sha_update(sha, line, (size_t) n + 1);
    sources_file(sha, s->path);

    if (sources_join(path, dir, "model.json")) {
        sources_file(sha, path);
    }

    if (sources_join(path, dir, "labels.txt")) {
        sources_file(sha, path);
    }

    maas_sha_final(sha, digest);
    maas_hex(s->key, digest, 16);
    return MAAS_OK;
}


static bool
sources_is_model(const char *name)
{
    size_t  n = strlen(name);

    return n > 5 && name[0] != '.' && strcmp(name + n - 5, ".onnx") == 0;
}


/* 0: not the name of a version. */
static int64_t
sources_version(const char *name)
{
    int64_t  v = 0;
    size_t   n = strlen(name);

    if (n == 0 || n > 18 || name[0] == '0') {
        return 0;
    }

    for (const char *p = name; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        v = v * 10 + (*p - '0');
    }

    return v;
}


/* The model file of a folder into path; MAAS_OK with path "" when none. */
static maas_status_t
sources_model(const char *dir, char path[1024], maas_err_t *err)
{
    DIR            *d;
    char            found[256] = "", second[256] = "";
    struct dirent  *e;

    path[0] = '\0';

    d = opendir(dir);
    if (d == NULL) {
        return sources_errno(err, errno, "cannot read the folder", dir);
    }

    while (strcmp(found, "model.onnx") != 0 && (e = readdir(d)) != NULL) {
        if (!sources_is_model(e->d_name)) {
            continue;
        }

        if (found[0] != '\0') {
            snprintf(second, sizeof(second), "%s", found);
        }

        snprintf(found, sizeof(found), "%s", e->d_name);
    }

    closedir(d);

    if (second[0] != '\0' && strcmp(found, "model.onnx") != 0) {
        return maas_err(err, MAAS_EINVAL,
                        "%s holds several .onnx files (%s, %s) and none is "
                        "called model.onnx: name the file to serve", dir,
                        second, found);
    }

    if (found[0] != '\0' && !sources_join(path, dir, found)) {
        return maas_err(err, MAAS_EINVAL, "the path %.200s... is too long",
                        dir);
    }

    return MAAS_OK;
}


/* Opening a pipe would wait for its other end. */
static maas_status_t
sources_regular(const char *path, maas_err_t *err)
{
    struct stat  st;

    if (stat(path, &st) != 0 || S_ISREG(st.st_mode)) {
        return MAAS_OK;
    }

    return maas_err(err, MAAS_EINVAL, "%s is %s, not a model file", path,
                    S_ISDIR(st.st_mode) ? "a folder"
                    : S_ISFIFO(st.st_mode) ? "a pipe" : "a device or socket");
}


static maas_status_t
sources_add(maas_sources_t *s, int64_t version, const char *path,
    const char *numerics, maas_err_t *err)
{
    maas_source_t  *v;

    MAAS_TRY(sources_regular(path, err));

    if (s->n >= SOURCES_MAX) {
        return maas_err(err, MAAS_ELIMIT, "more than %d versions",
                        SOURCES_MAX);
    }

    v = realloc(s->version, (s->n + 1) * sizeof(*v));
    if (v == NULL) {
        return maas_err_nomem(err);
    }

    s->version = v;
    v += s->n;
    memset(v, 0, sizeof(*v));
    v->version = version;
    snprintf(v->path, sizeof(v->path), "%s", path);
    s->n++;

    return sources_key(v, numerics, err);
}


static int
sources_order(const void *a, const void *b)
{
    const maas_source_t  *x = a, *y = b;

    return (x->version > y->version) - (x->version < y->version);
}


/* A version that is not whole: an error, or, in a store, left out. */
static maas_status_t
sources_unfinished(maas_sources_t *s, int64_t version, bool store,
    maas_status_t rc, maas_err_t *err)
{
    if (!store) {
        return rc;
    }

    s->unfinished = maas_max(s->unfinished, version);
    err->text[0] = '\0';

    return MAAS_OK;
}


/* What has the name of a version, and is no folder that can be read. */
static maas_status_t
sources_lost(const char *sub, const char *name, int e, maas_err_t *err)
{
    struct stat  st;

    if (lstat(sub, &st) != 0) {
        return MAAS_OK;     /* removed meanwhile */
    }

    return maas_err(err, MAAS_EIO, "version %s cannot be read: %s: %s", name,
                    sub, strerror(e));
}


/* Folders with decimal names under dir. */
static maas_status_t
sources_versions(maas_sources_t *s, const char *dir, const char *numerics,
    bool store, maas_err_t *err)
{
    DIR            *d;
    char            sub[1024], path[1024];
    int64_t         version;
    struct stat     st;
    maas_status_t   rc = MAAS_OK;
    struct dirent  *e;

    d = opendir(dir);
    if (d == NULL) {
        return sources_errno(err, errno, "cannot read the folder", dir);
    }

    while (rc == MAAS_OK && (e = readdir(d)) != NULL) {
        version = sources_version(e->d_name);

        if (version == 0 || !sources_join(sub, dir, e->d_name)) {
            continue;
        }

        if (stat(sub, &st) != 0) {
            rc = sources_lost(sub, e->d_name, errno, err);

            if (rc != MAAS_OK) {
                rc = sources_unfinished(s, version, store, rc, err);
            }

            continue;
        }

        if (!S_ISDIR(st.st_mode)) {
            continue;
        }

        rc = sources_model(sub, path, err);

        if (rc == MAAS_OK && path[0] == '\0') {
            rc = maas_err(err, MAAS_ENOENT, "version %s has no .onnx file: put "
                          "model.onnx into %s, or remove the folder",
                          e->d_name, sub);
            rc = sources_unfinished(s, version, store, rc, err);

        } else if (rc == MAAS_OK) {
            rc = sources_add(s, version, path, numerics, err);
        }
    }

    closedir(d);

    if (rc == MAAS_OK && s->n > 1) {
        qsort(s->version, s->n, sizeof(*s->version), sources_order);
    }

    return rc;
}


static maas_status_t
sources_folder(maas_sources_t *s, const char *path, const char *numerics,
    bool store, maas_err_t *err)
{
    char  file[1024];

    MAAS_TRY(sources_versions(s, path, numerics, store, err));
    MAAS_TRY(sources_model(path, file, err));

    if (s->n != 0 && file[0] != '\0') {
        return maas_err(err, MAAS_EINVAL,
                        "%s holds both a model (%s) and versions: move it "
                        "into a folder of its own, named by a number", path,
                        file);
    }

    if (file[0] != '\0') {
        return sources_add(s, 1, file, numerics, err);
    }

    if (s->n == 0) {
        return maas_err(err, MAAS_ENOENT,
                        "%s holds neither model.onnx nor a version "
                        "(a folder 1/ with model.onnx)", path);
    }

    return MAAS_OK;
}


static maas_status_t
sources_list(maas_sources_t *s, const char *path, const char *numerics,
    bool store, maas_err_t *err)
{
    struct stat    st;
    maas_status_t  rc;

    s->version = NULL;
    s->n = 0;
    s->unfinished = 0;

    if (strlen(path) >= sizeof(s->version[0].path)) {
        return maas_err(err, MAAS_EINVAL, "the path %.200s... is too long",
                        path);
    }

    if (stat(path, &st) != 0) {
        return sources_errno(err, errno, "cannot find the model", path);
    }

    if (S_ISDIR(st.st_mode)) {
        rc = sources_folder(s, path, numerics, store, err);

    } else if (S_ISREG(st.st_mode)) {
        rc = sources_add(s, 1, path, numerics, err);

    } else {
        rc = maas_err(err, MAAS_EINVAL, "%s is neither a file nor a folder",
                      path);
    }

    if (rc != MAAS_OK) {
        maas_sources_free(s);
    }

    return rc;
}


maas_status_t
maas_sources_list(maas_sources_t *s, const char *path, const char *numerics,
    maas_err_t *err)
{
    return sources_list(s, path, numerics, false, err);
}


maas_status_t
maas_sources_store(maas_sources_t *s, const char *path, const char *numerics,
    maas_err_t *err)
{
    return sources_list(s, path, numerics, true, err);
}


void
maas_sources_free(maas_sources_t *s)
{
    free(s->version);
    s->version = NULL;
    s->n = 0;
}


static maas_status_t
sources_keep(const maas_sources_t *s, const char *word, size_t len,
    bool *keep, maas_err_t *err)
{
    char     name[32];
    int64_t  version = 0;

    if (len < sizeof(name)) {
        memcpy(name, word, len);
        name[len] = '\0';
        version = sources_version(name);
    }

    if (version == 0) {
        return maas_err(err, MAAS_EINVAL,
                        "\"%.*s\" is not a version; expected \"latest=N\", "
                        "\"all\" or numbers", (int) maas_min(len, 60u), word);
    }

    for (size_t i = 0; i < s->n; i++) {
        if (s->version[i].version == version) {
            keep[i] = true;
            return MAAS_OK;
        }
    }

    if (s->n == 1) {
        return maas_err(err, MAAS_ENOENT, "there is no version %lld; the "
                        "only one is %lld", (long long) version,
                        (long long) s->version[0].version);
    }

    return maas_err(err, MAAS_ENOENT,
                    "there is no version %lld; there are %zu, from %lld to "
                    "%lld", (long long) version, s->n,
                    s->n == 0 ? 0LL : (long long) s->version[0].version,
                    s->n == 0 ? 0LL
                              : (long long) s->version[s->n - 1].version);
}


maas_status_t
maas_sources_choose(const maas_sources_t *s, const char *spec, bool *keep,
    maas_err_t *err)
{
    size_t  n;

    for (size_t i = 0; i < s->n; i++) {
        keep[i] = strcmp(spec, "all") == 0;
    }

    if (strcmp(spec, "all") == 0) {
        return MAAS_OK;
    }

    if (strncmp(spec, "latest=", 7) == 0) {
        int64_t  latest = sources_version(spec + 7);

        if (latest == 0) {
            return maas_err(err, MAAS_EINVAL,
                            "\"%.60s\": latest=N needs a positive number",
                            spec);
        }

        for (size_t i = 0; i < s->n && (int64_t) i < latest; i++) {
            keep[s->n - 1 - i] = true;
        }

        return MAAS_OK;
    }

    spec += strspn(spec, " \t");

    if (*spec == '\0') {
        return maas_err(err, MAAS_EINVAL,
                        "no versions; expected \"latest=N\", \"all\" or "
                        "numbers");
    }

    while (*spec != '\0') {
        n = strcspn(spec, " \t");
        MAAS_TRY(sources_keep(s, spec, n, keep, err));
        spec += n;
        spec += strspn(spec, " \t");
    }

    return MAAS_OK;
}
