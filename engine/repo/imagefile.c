/*
 * Writing an image file: no reader ever sees half of one.  Space is
 * reserved first (a full disk shows now, not as SIGBUS in a worker that has
 * it mapped), the bytes go into a file without a name, which is synced,
 * made read-only and linked; a file of the same name is replaced by a
 * rename, so that those who mapped the old one keep it.  An image whose
 * model file has changed since has another name; it is removed when the next
 * one is made and nobody holds it.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "formats/model_image.h"
#include "maas.h"


#define IMAGE_PATH_MAX   4096
#define IMAGE_FILES_MAX  (16u << 20)


static maas_status_t
image_errno(maas_err_t *err, int e, const char *what, const char *path)
{
    return maas_err(err, e == ENOENT ? MAAS_ENOENT : MAAS_EIO, "%s %s: %s",
                    what, path, strerror(e));
}


/* temp: the name that it has, "" when it has none. */
static int
image_create(const char *dir, const char *name, char temp[IMAGE_PATH_MAX])
{
    int  fd;

    fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    temp[0] = '\0';

    if (fd >= 0
        || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
    {
        return fd;
    }

    snprintf(temp, IMAGE_PATH_MAX, "%s/.%s.XXXXXX", dir, name);
    fd = mkostemp(temp, O_CLOEXEC);

    if (fd < 0) {
        temp[0] = '\0';
    }

    return fd;
}


static int
image_fill(int fd, const void *image, size_t size)
{
    int          rc;
    ssize_t      n;
    const char  *p = image;

    rc = size == 0 ? 0 : posix_fallocate(fd, 0, (off_t) size);
    if (rc != 0) {
        return rc;
    }

    while (size != 0) {
        n = write(fd, p, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            return n == 0 ? ENOSPC : errno;
        }

        p += n;
        size -= (size_t) n;
    }

    return fchmod(fd, 0444) != 0 || fdatasync(fd) != 0 ? errno : 0;
}


/* Gives the file its name; errno on failure. */
static int
image_link(int fd, const char *dir, const char *name, const char *path,
    char temp[IMAGE_PATH_MAX])
{
    int   e;
    char  self[64];

    if (temp[0] == '\0') {
        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);

        if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) {
            return 0;
        }

        if (errno != EEXIST) {
            return errno;
        }

        for (int i = 0; i < 100; i++) {
            snprintf(temp, IMAGE_PATH_MAX, "%s/.%s.%ld.%d", dir, name,
                     (long) getpid(), i);

            if (linkat(AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW)
                == 0)
            {
                break;
            }

            e = errno;
            temp[0] = '\0';

            if (e != EEXIST) {
                return e;
            }
        }

        if (temp[0] == '\0') {
            return EEXIST;
        }
    }

    return rename(temp, path) == 0 ? 0 : errno;
}


maas_status_t
maas_image_write(const char *dir, const char *name, const void *image,
    size_t size, int *fd, maas_err_t *err)
{
    int   w, e;
    char  path[IMAGE_PATH_MAX], temp[IMAGE_PATH_MAX], self[64];

    *fd = -1;

    if (name[0] == '\0' || strchr(name, '/') != NULL
        || strlen(dir) + strlen(name) > IMAGE_PATH_MAX - 64
        || snprintf(path, sizeof(path), "%s/%s", dir, name)
           >= (int) sizeof(path))
    {
        return maas_err(err, MAAS_EINVAL,
                        "\"%.100s\" is no name for an image in %.200s", name,
                        dir);
    }

    w = image_create(dir, name, temp);
    if (w < 0) {
        return errno == EACCES
               ? maas_err(err, MAAS_EIO, "cannot create an image in %s: "
                          "Permission denied; the folder has to belong to the "
                          "user of the workers", dir)
               : image_errno(err, errno, "cannot create an image in", dir);
    }

    e = image_fill(w, image, size);
    if (e != 0) {
        image_errno(err, e, "cannot write an image into", dir);
        goto failed;
    }

    e = image_link(w, dir, name, path, temp);
    if (e != 0) {
        image_errno(err, e, "cannot name the image", path);
        goto failed;
    }

    /* Not by its name, which another process may have replaced. */
    snprintf(self, sizeof(self), "/proc/self/fd/%d", w);

    *fd = open(self, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) {
        image_errno(err, errno, "cannot open the image", path);
        close(w);
        return MAAS_EIO;
    }

    close(w);
    return MAAS_OK;

failed:

    if (temp[0] != '\0') {
        unlink(temp);
    }

    close(w);
    return MAAS_EIO;
}


/* -- looking at one ------------------------------------------------------- */

/* The section FILES of an image, from its descriptor; NULL: it has none. */
static char *
image_files(int fd, maas_img_header_t *h, size_t *n)
{
    char                       *p;
    const maas_img_section_t   *s = &h->section[MAAS_SEC_FILES];

    if (pread(fd, h, sizeof(*h), 0) != (ssize_t) sizeof(*h)
        || memcmp(h->magic, MAAS_IMAGE_MAGIC, sizeof(h->magic)) != 0
        || h->abi != MAAS_IMAGE_ABI || h->sections != MAAS_SECTIONS
        || s->size == 0 || s->size > IMAGE_FILES_MAX || s->off > INT64_MAX)
    {
        return NULL;
    }

    p = malloc(s->size);

    if (p == NULL
        || pread(fd, p, s->size, (off_t) s->off) != (ssize_t) s->size
        || p[s->size - 1] != '\0')
    {
        free(p);
        return NULL;
    }

    *n = s->size;
    return p;
}


bool
maas_image_fresh(int fd, const char *path)
{
    bool                same;
    char               *lines, dir[IMAGE_PATH_MAX];
    size_t              n, skip;
    maas_img_header_t   h;

    lines = image_files(fd, &h, &n);
    if (lines == NULL) {
        return false;
    }

    skip = strlen(lines) + 1;
    same = maas_folder_of(dir, sizeof(dir), path)
           && maas_folder_same(dir, lines + skip, n - skip);
    free(lines);

    return same;
}


/* -- images that were replaced -------------------------------------------- */

/* Of the same model file, for the same CPU level and numerics? */
static bool
image_replaced(int fd, const maas_img_header_t *own, const char *path)
{
    bool                same;
    char               *lines;
    size_t              n;
    maas_img_header_t   h;

    lines = image_files(fd, &h, &n);
    same = lines != NULL && strcmp(lines, path) == 0 && h.cpu == own->cpu
           && h.numerics == own->numerics;
    free(lines);

    return same;
}


static void
images_sweep_one(int dir, const char *name, const maas_img_header_t *own,
    const char *path)
{
    int  fd;

    fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd == -1) {
        return;
    }

    /* Servers that have it hold a shared lock. */
    if (image_replaced(fd, own, path) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        (void) unlinkat(dir, name, 0);
    }

    close(fd);
}


void
maas_images_sweep(const char *dir, const char *keep, int fd)
{
    DIR                *d;
    char               *path;
    size_t              n;
    struct dirent      *e;
    maas_img_header_t   own;

    path = image_files(fd, &own, &n);
    d = path != NULL && path[0] != '\0' ? opendir(dir) : NULL;

    while (d != NULL && (e = readdir(d)) != NULL) {
        n = strlen(e->d_name);

        if (n > 5 && strcmp(e->d_name + n - 5, ".maas") == 0
            && e->d_name[0] != '.' && strcmp(e->d_name, keep) != 0)
        {
            images_sweep_one(dirfd(d), e->d_name, &own, path);
        }
    }

    if (d != NULL) {
        closedir(d);
    }

    free(path);
}
