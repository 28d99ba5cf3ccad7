/*
 * Fuzz target: checkpoints of a training.  The first byte says whether the
 * digest is made right before the bytes are read, as one may who writes a
 * file by hand; the rest is the file.  What is accepted says where in the
 * run it goes on, within the run.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "train/trainer.h"


#define CKPT_WEIGHTS  16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
ckpt_digest(uint8_t *p, size_t n)
{
    maas_sha_t  *sha = maas_sha_create();

    if (sha == NULL) {
        abort();
    }

    maas_sha_update(sha, p, n - MAAS_DIGEST);
    maas_sha_final(sha, p + n - MAAS_DIGEST);
}


static void
ckpt_read(const char *path)
{
    float            buffer[4][CKPT_WEIGHTS] = { { 0 } };
    maas_err_t       err;
    maas_weights_t   w = { .total = CKPT_WEIGHTS, .data = buffer[0] };
    maas_trainer_t   t = { .o = { .weights = &w, .epochs = 3,
                                  .checkpoint = path },
                           .moment = { buffer[1], buffer[2] },
                           .best = buffer[3], .batches = 4 };

    maas_buf_init(&t.history, &maas_host_libc);
    err.text[0] = '\0';

    if (maas_checkpoint_read(&t, &err) != MAAS_OK) {
        if (err.text[0] == '\0') {
            abort();
        }

    } else if (t.st.batch < 0 || t.st.batch > t.batches || t.st.epoch < 0
               || t.st.epoch > t.o.epochs || t.st.step < 0
               || t.st.best_epoch < 0 || t.st.best_epoch > t.o.epochs)
    {
        fprintf(stderr, "it goes on at epoch %lld, batch %lld\n",
                (long long) t.st.epoch, (long long) t.st.batch);
        abort();
    }

    maas_buf_destroy(&t.history);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int       fd;
    char      path[64];
    uint8_t  *file;

    if (size < 1 + MAAS_DIGEST) {
        return 0;
    }

    size--;
    file = malloc(size);

    if (file == NULL) {
        abort();
    }

    memcpy(file, data + 1, size);

    if (data[0] & 1) {
        ckpt_digest(file, size);
    }

    fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, file, size) != (ssize_t) size) {
        abort();
    }

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ckpt_read(path);
    close(fd);
    free(file);

    return 0;
}
