/*
 * version_write.c: see version_write.h.
 *
 * Ownership: the caller's; end() or drop() closes.
 * Threads:   one writer of a model, by the lock of train_run.h.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/version_write.h"


#define VERSION_TRIES  100      /* numbers that others may take meanwhile */


static maas_status_t
version_errno(maas_err_t *err, const char *path, int e)
{
    return maas_err(err, MAAS_EIO, "%.300s: %s", path, strerror(e));
}


/* mkdir -p */
static maas_status_t
version_folders(char *path, maas_err_t *err)
{
    for (char *p = path + 1; ; p++) {
        char  c = *p;

        if (c != '/' && c != '\0') {
            continue;
        }

        *p = '\0';

        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            return version_errno(err, path, errno);
        }

        *p = c;

        if (c == '\0') {
            return MAAS_OK;
        }
    }
}


maas_status_t
maas_version_begin(maas_version_t *v, const char *store, maas_str_t name,
    maas_err_t *err)
{
    int  n;

    v->open = false;
    n = snprintf(v->model, sizeof(v->model), "%s/%.*s", store,
                 (int) name.len, name.data);

    if (n < 0 || (size_t) n >= sizeof(v->model)) {
        return maas_err(err, MAAS_EINVAL, "%.100s: the path is too long",
                        store);
    }

    MAAS_TRY(version_folders(v->model, err));

    snprintf(v->tmp, sizeof(v->tmp), "%s/.train", v->model);
    MAAS_TRY(version_folders(v->tmp, err));

    /* What a process left that was killed here. */
    snprintf(v->tmp, sizeof(v->tmp), "%s/.train/version", v->model);
    v->open = true;
    maas_version_drop(v);

    if (mkdir(v->tmp, 0777) != 0) {
        return version_errno(err, v->tmp, errno);
    }

    v->open = true;
    return MAAS_OK;
}


static bool
version_write(int fd, const char *p, size_t n)
{
    ssize_t  k;

    while (n != 0) {
        k = write(fd, p, n);

        if (k < 0 && errno == EINTR) {
            continue;
        }

        if (k <= 0) {
            errno = k == 0 ? ENOSPC : errno;
            return false;
        }

        p += k;
        n -= (size_t) k;
    }

    return fsync(fd) == 0;
}


maas_status_t
maas_version_put(maas_version_t *v, const char *name, const void *data,
    size_t size, maas_err_t *err)
{
    int   fd, e = 0;
    char  path[3500];

    snprintf(path, sizeof(path), "%s/%s", v->tmp, name);

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return version_errno(err, path, errno);
    }

    if (!version_write(fd, data, size)) {
        e = errno;
    }

    if (close(fd) != 0 && e == 0) {
        e = errno;
    }

    return e == 0 ? MAAS_OK : version_errno(err, path, e);
}


/* The largest number among the names in the folder. */
static int64_t
version_last(const char *folder)
{
    DIR            *d = opendir(folder);
    char           *end;
    int64_t         n, last = 0;
    struct dirent  *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        n = strtoll(e->d_name, &end, 10);

        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && *end == '\0'
            && n < INT64_MAX)
        {
            last = maas_max(last, n);
        }
    }

    if (d != NULL) {
        closedir(d);
    }

    return last;
}


static void
version_sync(const char *folder)
{
    int  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void) fsync(fd);
        close(fd);
    }
}


maas_status_t
maas_version_end(maas_version_t *v, int64_t *number, maas_err_t *err)
{
    char  path[3200];

    version_sync(v->tmp);

    for (int i = 0; i < VERSION_TRIES; i++) {
        *number = version_last(v->model) + 1;
        snprintf(path, sizeof(path), "%s/%lld", v->model,
                 (long long) *number);

        /* An empty folder of that name is nobody's version. */
        if (rename(v->tmp, path) == 0) {
            v->open = false;
            version_sync(v->model);
            return MAAS_OK;
        }

        if (errno != EEXIST && errno != ENOTEMPTY) {
            return version_errno(err, path, errno);
        }
    }

    return version_errno(err, path, errno);
}


void
maas_version_drop(maas_version_t *v)
{
    DIR            *d;
    char            path[3500];
    struct dirent  *e;

    if (!v->open) {
        return;
    }

    v->open = false;
    d = opendir(v->tmp);

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", v->tmp, e->d_name);
            (void) unlink(path);
        }
    }

    if (d != NULL) {
        closedir(d);
    }

    (void) rmdir(v->tmp);
}
