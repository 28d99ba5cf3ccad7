/*
 * folder.c: see folder.h.  A name is checked as text first, then by where it
 * really leads; what is opened is that real path, and only a regular file.
 *
 * Ownership: see folder.h.
 * Threads:   one at a time.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"


#define FOLDER_FILES_MAX  65536

#define SHOW(s)  (int) maas_min((s).len, 200), (s).data


maas_status_t
maas_folder_init(maas_folder_t *f, const maas_host_t *host, const char *path,
    maas_err_t *err)
{
    size_t  n;
    char    real[PATH_MAX];

    memset(f, 0, sizeof(*f));
    f->host = host;
    f->last = &f->first;

    if (path == NULL) {
        return MAAS_OK;
    }

    if (realpath(path, real) == NULL) {
        return maas_err(err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "cannot read the folder %s: %s", path,
                        strerror(errno));
    }

    n = strlen(real);

    f->path = maas_alloc(host, n + 1);
    if (f->path == NULL) {
        return maas_err_nomem(err);
    }

    /* "/" becomes "": a slash follows. */
    memcpy(f->path, real, n + 1);
    f->path[n == 1 ? 0 : n] = '\0';

    return MAAS_OK;
}


void
maas_folder_close(maas_folder_t *f)
{
    maas_file_t  *p, *next;

    for (p = f->first; p != NULL; p = next) {
        next = p->next;

        if (p->data != NULL) {
            munmap((void *) p->data, p->size);
        }

        maas_free(f->host, p);
    }

    maas_free(f->host, f->path);
    f->path = NULL;
    f->first = NULL;
    f->last = &f->first;
    f->n = 0;
}


static maas_status_t
folder_name(maas_str_t name, maas_err_t *err)
{
    size_t  n;

    if (name.len == 0 || memchr(name.data, '\0', name.len) != NULL) {
        return maas_err(err, MAAS_EINVAL, "its file has %s",
                        name.len == 0 ? "no name"
                                      : "a name with a NUL in it");
    }

    if (name.data[0] == '/') {
        return maas_err(err, MAAS_EINVAL, "file '%.*s': an absolute path is "
                        "refused, it has to lie in the model's folder",
                        SHOW(name));
    }

    for (size_t i = 0; i < name.len; i += n + 1) {
        for (n = 0; i + n < name.len && name.data[i + n] != '/'; n++) {
            /* void */
        }

        if (n == 2 && memcmp(name.data + i, "..", 2) == 0) {
            return maas_err(err, MAAS_EINVAL, "file '%.*s': a path with '..' "
                            "is refused, it has to lie in the model's folder",
                            SHOW(name));
        }
    }

    return MAAS_OK;
}


/* Where the name really leads, which is inside the folder. */
static maas_status_t
folder_real(const maas_folder_t *f, maas_str_t name, char real[PATH_MAX],
    maas_err_t *err)
{
    size_t  n = strlen(f->path);
    char    path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%.*s", f->path, (int) name.len,
                 name.data) >= (int) sizeof(path))
    {
        return maas_err(err, MAAS_EINVAL, "file '%.*s...': its path is too "
                        "long", SHOW(name));
    }

    if (realpath(path, real) == NULL) {
        return maas_err(err, errno == ENOENT || errno == ENOTDIR
                             ? MAAS_ENOENT : MAAS_EIO,
                        "file '%.*s' cannot be read: %s (in folder %s)",
                        SHOW(name), strerror(errno), f->path);
    }

    if (strncmp(real, f->path, n) != 0 || real[n] != '/') {
        return maas_err(err, MAAS_EINVAL, "file '%.*s' is a symbolic link "
                        "that leads out of the model's folder, to %.300s: "
                        "copy the file into %s", SHOW(name), real, f->path);
    }

    return MAAS_OK;
}


static maas_status_t
folder_map(maas_file_t *p, const char *real, maas_err_t *err)
{
    int           fd;
    void         *data = NULL;
    struct stat   st;

    /* Neither a FIFO nor a device may hold us up. */
    fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
                    | O_NOCTTY);

    if (fd == -1 || fstat(fd, &st) != 0) {
        (void) maas_err(err, MAAS_EIO, "file '%.*s' cannot be read: %s",
                        SHOW(p->name), strerror(errno));
        if (fd != -1) {
            close(fd);
        }

        return MAAS_EIO;
    }

    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return maas_err(err, MAAS_EINVAL, "file '%.*s' is no regular file",
                        SHOW(p->name));
    }

    p->size = (size_t) st.st_size;
    p->mtime = st.st_mtim.tv_sec;
    p->nsec = st.st_mtim.tv_nsec;

    if (p->size != 0) {
        data = mmap(NULL, p->size, PROT_READ, MAP_PRIVATE, fd, 0);
    }

    close(fd);

    if (data == MAP_FAILED) {
        return maas_err(err, MAAS_ENOMEM, "file '%.*s' cannot be mapped: %s",
                        SHOW(p->name), strerror(errno));
    }

    p->data = data;
    return MAAS_OK;
}


maas_status_t
maas_folder_open(maas_folder_t *f, maas_str_t name, maas_file_t **out,
    maas_err_t *err)
{
    char           real[PATH_MAX];
    maas_file_t   *p;
    maas_status_t  rc;

    for (p = f->first; p != NULL; p = p->next) {
        if (maas_str_eq(p->name, name)) {
            *out = p;
            return MAAS_OK;
        }
    }

    MAAS_TRY(folder_name(name, err));

    if (f->path == NULL) {
        return maas_err(err, MAAS_ENOENT, "file '%.*s' cannot be read: the "
                        "model came without a folder", SHOW(name));
    }

    if (f->n == FOLDER_FILES_MAX) {
        return maas_err(err, MAAS_ELIMIT, "more than %d files",
                        FOLDER_FILES_MAX);
    }

    MAAS_TRY(folder_real(f, name, real, err));

    p = maas_calloc(f->host, 1, sizeof(*p) + name.len + 1);
    if (p == NULL) {
        return maas_err_nomem(err);
    }

    memcpy(p + 1, name.data, name.len);
    p->name = (maas_str_t) { (const char *) (p + 1), name.len };

    rc = folder_map(p, real, err);

    if (rc != MAAS_OK) {
        maas_free(f->host, p);
        return rc;
    }

    *f->last = p;
    f->last = &p->next;
    f->n++;
    *out = p;

    return MAAS_OK;
}


maas_status_t
maas_file_check(maas_file_t *f, maas_str_t sha1, maas_err_t *err)
{
    uint8_t  digest[MAAS_SHA1];

    if (f->sha1[0] == '\0') {
        if (!maas_sha1(f->data, f->size, digest)) {
            return maas_err_nomem(err);
        }

        maas_hex(f->sha1, digest, MAAS_SHA1);
    }

    if (sha1.len == 2 * MAAS_SHA1
        && strncasecmp(sha1.data, f->sha1, sha1.len) == 0)
    {
        return MAAS_OK;
    }

    return maas_err(err, MAAS_EINVAL, "file '%.*s' has SHA-1 %s, but the "
                    "model expects %.*s: it is not the file that the model "
                    "was saved with", SHOW(f->name), f->sha1,
                    (int) maas_min(sha1.len, 60u), sha1.data);
}


/* -- what they were, later ------------------------------------------------ */

static void
folder_line(maas_buf_t *b, uint64_t size, int64_t mtime, long nsec,
    const char *name)
{
    maas_buf_printf(b, "%llu %lld.%09ld ", (unsigned long long) size,
                    (long long) mtime, nsec);
    maas_buf_add(b, name, strlen(name) + 1);
}


void
maas_folder_lines(const maas_folder_t *f, maas_buf_t *b)
{
    for (const maas_file_t *p = f->first; p != NULL; p = p->next) {
        folder_line(b, p->size, p->mtime, p->nsec, p->name.data);
    }
}


bool
maas_folder_same(const char *dir, const char *lines, size_t n)
{
    bool         same = true;
    char         path[PATH_MAX];
    size_t       len;
    maas_buf_t   b;
    const char  *name;
    struct stat  st;

    if (n != 0 && lines[n - 1] != '\0') {
        return false;
    }

    maas_buf_init(&b, &maas_host_libc);

    for ( ; n != 0 && same; lines += len, n -= len) {
        len = strlen(lines) + 1;
        name = strchr(lines, ' ');
        name = name != NULL ? strchr(name + 1, ' ') : NULL;
        b.len = 0;

        if (name == NULL
            || snprintf(path, sizeof(path), "%s/%s", dir, name + 1)
               >= (int) sizeof(path)
            || stat(path, &st) != 0)
        {
            same = false;
            break;
        }

        folder_line(&b, (uint64_t) st.st_size, st.st_mtim.tv_sec,
                    st.st_mtim.tv_nsec, name + 1);
        same = !b.failed && b.len == len && memcmp(b.data, lines, len) == 0;
    }

    maas_buf_destroy(&b);
    return same;
}


bool
maas_folder_of(char *out, size_t n, const char *file)
{
    size_t       len;
    const char  *slash = strrchr(file, '/');

    len = slash == NULL ? 1 : slash == file ? 1 : (size_t) (slash - file);

    if (len >= n) {
        return false;
    }

    memcpy(out, slash != NULL ? file : ".", len);
    out[len] = '\0';
    return true;
}
