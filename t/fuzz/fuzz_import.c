/*
 * Fuzz target: the importers of datasets.  The first byte chooses the format
 * and the options, the rest is the file.  What is imported has a right
 * digest; with little memory it is the same as with much.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "train/dataset.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static bool
fuzz_import(const char *source, const char *out, uint8_t how, size_t budget,
    uint8_t digest[MAAS_DIGEST])
{
    maas_err_t       err;
    maas_dataset_import_t    o = { .budget = budget, .record = 5000 };
    maas_dataset_t  *ds;
    static const maas_str_t  missing = { "?", 1 };

    o.format = (maas_import_format_t) (1 + how % 6);
    o.header = (int8_t) (how / 6 % 3) - 1;
    o.n_missing = how / 18 % 2;
    o.missing = &missing;
    o.gray = how / 36 % 2;
    o.width = o.height = how / 72 % 2 * 3;

    if (maas_dataset_import(&maas_host_libc, &source, 1, out, &o, &err)
        != MAAS_OK)
    {
        if (err.text[0] == '\0' || err.status == MAAS_EINTERNAL) {
            abort();
        }

        return false;
    }

    if (maas_dataset_open(&ds, &maas_host_libc, out, &err) != MAAS_OK
        || maas_dataset_verify(ds, &err) != MAAS_OK
        || maas_dataset_rows(ds) == 0)
    {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }

    memcpy(digest, maas_dataset_digest(ds), MAAS_DIGEST);
    maas_dataset_close(ds);
    unlink(out);
    return true;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int      fd;
    char     source[64], out[64];
    uint8_t  one[MAAS_DIGEST], two[MAAS_DIGEST];

    if (size == 0) {
        return 0;
    }

    fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t) size - 1) {
        abort();
    }

    snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    snprintf(out, sizeof(out), "%s/maas_fuzz_%d.maasds",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
             (int) getpid());

    if (fuzz_import(source, out, data[0], 0, one)
        && (!fuzz_import(source, out, data[0], 3000, two)
            || memcmp(one, two, MAAS_DIGEST) != 0))
    {
        abort();
    }

    close(fd);
    return 0;
}
