/*
 * checkpoint.c: a run's state as one file.  See trainer.h.
 *
 *   header | state | history | weights | moments | best weights | SHA-256
 *
 * The header says how long each part is; the digest is over all before it.
 * All is in the order of this machine's bytes, which is little-endian.
 *
 * Ownership: nothing is kept open.
 * Threads:   the trainer's.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "train/trainer.h"


#define CKPT_MAGIC    "MAASCKPT"
#define CKPT_VERSION  1
#define CKPT_PARTS    6

typedef struct {
    char      magic[8];
    uint32_t  version;
    uint32_t  state;            /* bytes of maas_trainer_state_t */
    uint64_t  history;          /* bytes */
    int64_t   total;            /* elements of each buffer */
    uint32_t  buffers;          /* bits: weights, moments, best */
    uint32_t  pad;
    uint8_t   digest[MAAS_DIGEST];      /* of specification and data */
} ckpt_head_t;

typedef struct {
    void    *p;
    size_t   n;
} ckpt_part_t;


static uint32_t
ckpt_buffers(const maas_trainer_t *t)
{
    return 1u | (t->moment[0] != NULL ? 2u : 0)
           | (t->moment[1] != NULL ? 4u : 0) | (t->best != NULL ? 8u : 0);
}


static void
ckpt_head(const maas_trainer_t *t, ckpt_head_t *h)
{
    memset(h, 0, sizeof(*h));
    memcpy(h->magic, CKPT_MAGIC, sizeof(h->magic));
    h->version = CKPT_VERSION;
    h->state = sizeof(maas_trainer_state_t);
    h->history = t->history.len;
    h->total = t->o.weights->total;
    h->buffers = ckpt_buffers(t);

    if (t->o.digest != NULL) {
        memcpy(h->digest, t->o.digest, MAAS_DIGEST);
    }
}


/* Buffers in the order of the file; NULL ones are left out. */
static int
ckpt_floats(const maas_trainer_t *t, ckpt_part_t *part)
{
    int     n = 0;
    float  *all[] = { t->o.weights->data, t->moment[0], t->moment[1],
                      t->best };

    for (size_t i = 0; i < maas_nelts(all); i++) {
        if (all[i] != NULL) {
            part[n].p = all[i];
            part[n++].n = (size_t) t->o.weights->total * sizeof(float);
        }
    }

    return n;
}


static maas_status_t
ckpt_errno(maas_err_t *err, const char *path, int e)
{
    return maas_err(err, e == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                    "%s: %s", path, strerror(e));
}


/* -- writing ------------------------------------------------------------- */

static bool
ckpt_put(int fd, maas_sha_t *sha, const void *p, size_t n)
{
    ssize_t      k;
    const char  *q = p;

    if (sha != NULL) {
        maas_sha_update(sha, p, n);
    }

    while (n != 0) {
        k = write(fd, q, n);

        if (k < 0 && errno == EINTR) {
            continue;
        }

        if (k <= 0) {
            errno = k == 0 ? ENOSPC : errno;
            return false;
        }

        q += k;
        n -= (size_t) k;
    }

    return true;
}


static bool
ckpt_put_all(int fd, const maas_trainer_t *t)
{
    int           n;
    bool          good;
    uint8_t       digest[MAAS_DIGEST];
    maas_sha_t   *sha = maas_sha_create();
    ckpt_head_t   h;
    ckpt_part_t   part[CKPT_PARTS];

    if (sha == NULL) {
        errno = ENOMEM;
        return false;
    }

    ckpt_head(t, &h);
    n = ckpt_floats(t, part);

    good = ckpt_put(fd, sha, &h, sizeof(h))
           && ckpt_put(fd, sha, &t->st, sizeof(t->st))
           && ckpt_put(fd, sha, t->history.data, t->history.len);

    for (int i = 0; i < n && good; i++) {
        good = ckpt_put(fd, sha, part[i].p, part[i].n);
    }

    maas_sha_final(sha, digest);

    return good && ckpt_put(fd, NULL, digest, sizeof(digest));
}


maas_status_t
maas_checkpoint_write(const maas_trainer_t *t, maas_err_t *err)
{
    int          fd, dir, e = 0;
    char         tmp[4096], folder[4096];
    const char  *path = t->o.checkpoint;

    if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int) sizeof(tmp)
        || !maas_folder_of(folder, sizeof(folder), path))
    {
        return maas_err(err, MAAS_EINVAL, "%.200s: the path is too long",
                        path);
    }

    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return ckpt_errno(err, tmp, errno);
    }

    if (!ckpt_put_all(fd, t) || fsync(fd) != 0) {
        e = errno;
    }

    if (close(fd) != 0 && e == 0) {
        e = errno;
    }

    if (e == 0 && rename(tmp, path) != 0) {
        e = errno;
    }

    if (e != 0) {
        (void) unlink(tmp);
        return ckpt_errno(err, tmp, e);
    }

    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        (void) fsync(dir);
        close(dir);
    }

    return MAAS_OK;
}


/* -- reading ------------------------------------------------------------- */

static bool
ckpt_get(int fd, maas_sha_t *sha, void *p, size_t n)
{
    char     *q = p;
    size_t    left = n;
    ssize_t   k;

    while (left != 0) {
        k = read(fd, q, left);

        if (k < 0 && errno == EINTR) {
            continue;
        }

        if (k <= 0) {
            return false;
        }

        q += k;
        left -= (size_t) k;
    }

    if (sha != NULL) {
        maas_sha_update(sha, p, n);
    }

    return true;
}


static maas_status_t
ckpt_match(const maas_trainer_t *t, const ckpt_head_t *h, off_t size,
    maas_err_t *err)
{
    uint64_t     want;
    ckpt_head_t  own;
    const char  *path = t->o.checkpoint;

    ckpt_head(t, &own);

    if (memcmp(h->magic, own.magic, sizeof(own.magic)) != 0
        || h->version != own.version || h->state != own.state)
    {
        return maas_err(err, MAAS_EINVAL, "%.200s: no checkpoint of this "
                        "version of maas", path);
    }

    if (memcmp(h->digest, own.digest, MAAS_DIGEST) != 0
        || h->total != own.total || h->buffers != own.buffers)
    {
        return maas_err(err, MAAS_EINVAL, "%.200s: the checkpoint is of "
                        "another specification or other data; without "
                        "--resume, training begins anew", path);
    }

    want = sizeof(own) + sizeof(t->st) + MAAS_DIGEST
           + (uint64_t) __builtin_popcount(own.buffers)
             * (uint64_t) own.total * sizeof(float);

    if (h->history > (uint64_t) size || want + h->history != (uint64_t) size)
    {
        return maas_err(err, MAAS_EINVAL, "%.200s: damaged: %lld bytes",
                        path, (long long) size);
    }

    return MAAS_OK;
}


static maas_status_t
ckpt_load(maas_trainer_t *t, int fd, const ckpt_head_t *h, maas_sha_t *sha,
    maas_err_t *err)
{
    int          n;
    bool         good;
    char        *text;
    ckpt_part_t  part[CKPT_PARTS];

    t->history.len = 0;
    text = maas_buf_reserve(&t->history, h->history + 1);
    if (text == NULL) {
        return maas_err_nomem(err);
    }

    good = ckpt_get(fd, sha, &t->st, sizeof(t->st))
           && ckpt_get(fd, sha, text, h->history);
    t->history.len = h->history;
    n = ckpt_floats(t, part);

    for (int i = 0; i < n && good; i++) {
        good = ckpt_get(fd, sha, part[i].p, part[i].n);
    }

    return good ? MAAS_OK : ckpt_errno(err, t->o.checkpoint, EIO);
}


/* Who writes a file by hand gets the digest right, too. */
static bool
ckpt_within(const maas_trainer_t *t)
{
    const maas_trainer_state_t  *st = &t->st;

    return st->epoch >= 0 && st->epoch <= t->o.epochs && st->batch >= 0
           && st->batch <= t->batches && st->step >= 0
           && st->best_epoch >= 0 && st->best_epoch <= t->o.epochs
           && st->bad >= 0 && (st->done == 0 || st->done == 1);
}


static maas_status_t
ckpt_read(maas_trainer_t *t, int fd, maas_err_t *err)
{
    uint8_t         digest[MAAS_DIGEST], want[MAAS_DIGEST];
    maas_sha_t     *sha;
    ckpt_head_t     h;
    struct stat     st;
    maas_status_t   rc;

    if (fstat(fd, &st) != 0 || !ckpt_get(fd, NULL, &h, sizeof(h))) {
        return maas_err(err, MAAS_EINVAL, "%.200s: no checkpoint",
                        t->o.checkpoint);
    }

    MAAS_TRY(ckpt_match(t, &h, st.st_size, err));

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(err);
    }

    maas_sha_update(sha, &h, sizeof(h));
    rc = ckpt_load(t, fd, &h, sha, err);
    maas_sha_final(sha, digest);
    MAAS_TRY(rc);

    if (!ckpt_get(fd, NULL, want, sizeof(want))
        || memcmp(digest, want, sizeof(want)) != 0)
    {
        return maas_err(err, MAAS_EINVAL, "%.200s: damaged: its digest is "
                        "not that of its bytes", t->o.checkpoint);
    }

    if (!ckpt_within(t)) {
        return maas_err(err, MAAS_EINVAL, "%.200s: damaged: it goes on where "
                        "this run never is", t->o.checkpoint);
    }

    return MAAS_OK;
}


maas_status_t
maas_checkpoint_read(maas_trainer_t *t, maas_err_t *err)
{
    int            fd;
    maas_status_t  rc;

    fd = open(t->o.checkpoint, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ckpt_errno(err, t->o.checkpoint, errno);
    }

    rc = ckpt_read(t, fd, err);
    close(fd);

    return rc;
}
