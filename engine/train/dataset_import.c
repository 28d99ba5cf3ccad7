/*
 * Which importer a source is for.
 *
 * Ownership: see dataset.h.
 * Threads:   reentrant.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/dataset_import.h"


maas_status_t
maas_import_tick(maas_import_job_t *j, uint64_t done, uint64_t of)
{
    if (j->o->progress != NULL) {
        j->o->progress(j->o->progress_ctx, done, of);
    }

    if (j->o->cancel != NULL && atomic_load(j->o->cancel)) {
        return maas_err(j->err, MAAS_ECANCEL, "the import was stopped");
    }

    return MAAS_OK;
}


static bool
import_ends(const char *s, const char *tail)
{
    size_t  n = strlen(s), k = strlen(tail);

    return n >= k && strcasecmp(s + n - k, tail) == 0;
}


static bool
import_name(const char *s, maas_import_format_t *format)
{
    static const struct {
        const char  *tail;
        uint8_t      format;
    } names[] = {
        { ".csv", MAAS_IMPORT_CSV }, { ".tsv", MAAS_IMPORT_CSV },
        { ".csv.gz", MAAS_IMPORT_CSV }, { ".tsv.gz", MAAS_IMPORT_CSV },
        { ".json", MAAS_IMPORT_JSON }, { ".json.gz", MAAS_IMPORT_JSON },
        { ".jsonl", MAAS_IMPORT_JSONL }, { ".ndjson", MAAS_IMPORT_JSONL },
        { ".jsonl.gz", MAAS_IMPORT_JSONL },
        { ".ndjson.gz", MAAS_IMPORT_JSONL },
        { ".npy", MAAS_IMPORT_NPY }, { ".npz", MAAS_IMPORT_NPY },
        { ".tar", MAAS_IMPORT_IMAGES }, { ".tar.gz", MAAS_IMPORT_IMAGES },
        { ".tgz", MAAS_IMPORT_IMAGES }, { ".bin", MAAS_IMPORT_CIFAR10 }
    };

    for (size_t i = 0; i < maas_nelts(names); i++) {
        if (import_ends(s, names[i].tail)) {
            *format = names[i].format;
            return true;
        }
    }

    return false;
}


static maas_import_format_t
import_folder(const char *path)
{
    DIR            *dir = opendir(path);
    struct dirent  *e;
    maas_import_format_t  format = MAAS_IMPORT_IMAGES;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, "data_batch", 10) == 0
            && import_ends(e->d_name, ".bin"))
        {
            format = MAAS_IMPORT_CIFAR10;
        }
    }

    if (dir != NULL) {
        closedir(dir);
    }

    return format;
}


/* By name, else by the first bytes. */
static maas_status_t
import_format(maas_import_job_t *j, maas_import_format_t *format)
{
    int          fd;
    char         head[265] = "";
    ssize_t      n, i = 0;
    struct stat  st;

    if (stat(j->source[0], &st) != 0) {
        return maas_err(j->err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "%s: %s", j->source[0], strerror(errno));
    }

    if (S_ISDIR(st.st_mode)) {
        *format = import_folder(j->source[0]);
        return MAAS_OK;
    }

    if (import_name(j->source[0], format)) {
        return MAAS_OK;
    }

    fd = open(j->source[0], O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, head, sizeof(head));

    if (fd >= 0) {
        close(fd);
    }

    while (i < n && (head[i] == ' ' || head[i] == '\n' || head[i] == '\r'
                     || head[i] == '\t'))
    {
        i++;
    }

    *format = MAAS_IMPORT_CSV;

    if (n >= 6 && (memcmp(head, "\x93NUMPY", 6) == 0
                   || memcmp(head, "PK\3\4", 4) == 0))
    {
        *format = MAAS_IMPORT_NPY;

    } else if (n >= 262 && memcmp(head + 257, "ustar", 5) == 0) {
        *format = MAAS_IMPORT_IMAGES;

    } else if (i < n && (head[i] == '{' || head[i] == '[')) {
        *format = MAAS_IMPORT_JSON;
    }

    return MAAS_OK;
}


/* A source may not be what it is written to. */
static maas_status_t
import_apart(const maas_import_job_t *j)
{
    struct stat  a, b;

    if (stat(j->path, &a) != 0) {
        return MAAS_OK;
    }

    for (int i = 0; i < j->n_source; i++) {
        if (stat(j->source[i], &b) == 0 && a.st_dev == b.st_dev
            && a.st_ino == b.st_ino)
        {
            return maas_err(j->err, MAAS_EINVAL, "%s would be written over "
                            "itself", j->path);
        }
    }

    return MAAS_OK;
}


static maas_status_t
import_one(const maas_import_job_t *j, const char *what)
{
    return j->n_source == 1 ? MAAS_OK
           : maas_err(j->err, MAAS_EINVAL, "%d sources: of %s one is read at "
                      "a time", j->n_source, what);
}


maas_status_t
maas_dataset_import(const maas_host_t *host, const char *const *source,
    int n_source, const char *path, const maas_dataset_import_t *options,
    maas_err_t *err)
{
    maas_import_job_t     j = { host, source, n_source, path, options, err };
    maas_import_format_t  format = options->format;

    if (n_source < 1) {
        return maas_err(err, MAAS_EINVAL, "there is no source");
    }

    MAAS_TRY(import_apart(&j));

    if (format == MAAS_IMPORT_AUTO) {
        MAAS_TRY(import_format(&j, &format));
    }

    switch (format) {

    case MAAS_IMPORT_JSON:
    case MAAS_IMPORT_JSONL:
        MAAS_TRY(import_one(&j, "JSON"));
        return maas_import_json(&j, format == MAAS_IMPORT_JSONL);

    case MAAS_IMPORT_NPY:
        return maas_import_npy(&j);

    case MAAS_IMPORT_IMAGES:
        MAAS_TRY(import_one(&j, "images"));
        return maas_import_images(&j);

    case MAAS_IMPORT_CIFAR10:
        return maas_import_cifar(&j);

    default:
        MAAS_TRY(import_one(&j, "CSV"));
        return maas_import_csv(&j);
    }
}
