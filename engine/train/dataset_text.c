/*
 * Text files piece by piece; gzip is seen through (RFC 1952, zlib).
 *
 * Ownership: see dataset_import.h.
 * Threads:   one thread.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "train/dataset_import.h"


#define TEXT_PIECE  (1u << 20)


static maas_status_t
text_failed(maas_text_t *t, int e)
{
    return maas_err(t->job->err, e == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                    "%s: %s", t->path, strerror(e));
}


static maas_status_t
text_start(maas_text_t *t)
{
    int      fd;
    uint8_t  magic[2];

    if (lseek(t->fd, 0, SEEK_SET) != 0) {
        return text_failed(t, errno);
    }

    t->pos = t->end = t->buf;
    t->taken = 0;
    t->eof = false;

    if (pread(t->fd, magic, 2, 0) != 2 || magic[0] != 0x1f
        || magic[1] != 0x8b)
    {
        return MAAS_OK;
    }

    fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return text_failed(t, errno);
    }

    t->gz = gzdopen(fd, "rb");
    if (t->gz == NULL) {
        close(fd);
        return maas_err_nomem(t->job->err);
    }

    (void) gzbuffer(t->gz, 256u << 10);
    return MAAS_OK;
}


maas_status_t
maas_text_open(maas_text_t *t, maas_import_job_t *j, const char *path,
    size_t limit)
{
    struct stat  st;

    memset(t, 0, sizeof(*t));
    t->job = j;
    t->path = path;
    t->limit = limit;
    t->fd = open(path, O_RDONLY | O_CLOEXEC);

    if (t->fd < 0) {
        return text_failed(t, errno);
    }

    if (fstat(t->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return maas_err(j->err, MAAS_EIO, "%s: not a file", path);
    }

    t->size = (uint64_t) st.st_size;
    t->cap = maas_min(TEXT_PIECE, maas_max(limit, 16u));
    t->buf = maas_alloc(j->host, t->cap);

    if (t->buf == NULL) {
        return maas_err_nomem(j->err);
    }

    return text_start(t);
}


void
maas_text_close(maas_text_t *t)
{
    if (t->gz != NULL) {
        gzclose(t->gz);
    }

    if (t->fd >= 0) {
        close(t->fd);
    }

    maas_free(t->job->host, t->buf);
    t->gz = NULL;
    t->fd = -1;
    t->buf = NULL;
}


maas_status_t
maas_text_rewind(maas_text_t *t)
{
    if (t->gz != NULL) {
        gzclose(t->gz);
        t->gz = NULL;
    }

    return text_start(t);
}


static maas_status_t
text_read(maas_text_t *t, size_t room, size_t *n)
{
    int          e;
    ssize_t      k;
    const char  *text;

    *n = 0;

    if (t->gz == NULL) {
        do {
            k = read(t->fd, t->end, room);
        } while (k < 0 && errno == EINTR);

        if (k < 0) {
            return text_failed(t, errno);
        }

        *n = (size_t) k;
        return MAAS_OK;
    }

    k = gzread(t->gz, t->end, (unsigned) maas_min(room, 1u << 30));
    text = gzerror(t->gz, &e);

    if (k < 0 || (k == 0 && e != Z_OK && e != Z_STREAM_END)) {
        return maas_err(t->job->err, MAAS_EINVAL, "%s: bad gzip data behind "
                        "%llu bytes: %s", t->path,
                        (unsigned long long) t->taken,
                        e == Z_BUF_ERROR ? "it ends too early" : text);
    }

    *n = (size_t) k;
    return MAAS_OK;
}


maas_status_t
maas_text_more(maas_text_t *t)
{
    char    *p;
    size_t   n, kept = (size_t) (t->end - t->pos);

    if (t->eof) {
        return MAAS_OK;
    }

    if (kept >= t->limit) {
        return MAAS_ELIMIT;
    }

    if (kept == t->cap) {
        n = maas_min(t->cap * 2, t->limit);
        p = maas_alloc(t->job->host, n);
        if (p == NULL) {
            return maas_err_nomem(t->job->err);
        }

        memcpy(p, t->pos, kept);
        maas_free(t->job->host, t->buf);
        t->buf = p;
        t->cap = n;

    } else if (kept != 0) {
        memmove(t->buf, t->pos, kept);
    }

    t->pos = t->buf;
    t->end = t->buf + kept;

    MAAS_TRY(text_read(t, t->cap - kept, &n));
    t->eof = n == 0;
    t->end += n;
    t->taken += n;

    return maas_import_tick(t->job, t->gz == NULL ? t->taken
                            : (uint64_t) gzoffset(t->gz), t->size);
}
