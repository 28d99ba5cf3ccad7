/*
 * CIFAR-10's binary version into a dataset: records of a label and 32x32
 * red, green and blue values, in data_batch_*.bin; the classes' names are
 * the lines of batches.meta.txt beside them.
 *
 * Ownership: everything is freed before return.
 * Threads:   reentrant.
 * https://www.cs.toronto.edu/~kriz/cifar.html
 */

#define _GNU_SOURCE

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/folder.h"
#include "train/dataset_import.h"


#define CIFAR_SIDE     32
#define CIFAR_PLANE    (CIFAR_SIDE * CIFAR_SIDE)
#define CIFAR_RECORD   (1 + 3 * CIFAR_PLANE)
#define CIFAR_CLASSES  10
#define CIFAR_PATH     4096

typedef struct {
    maas_import_job_t      *job;
    maas_dataset_writer_t  *w;
    maas_str_t              class_name[CIFAR_CLASSES];
    char                    names[1024];
    int                     n_class;
} cifar_t;


/* Digits where there is no file of names. */
static maas_status_t
cifar_names(cifar_t *s, const char *folder)
{
    int     n = 0;
    char    path[CIFAR_PATH], *p = s->names;
    FILE   *f;
    size_t  len;
    static const char  digits[] = "0123456789";

    snprintf(path, sizeof(path), "%.4000s/batches.meta.txt", folder);
    f = fopen(path, "re");

    if (f == NULL) {
        for (n = 0; n < CIFAR_CLASSES; n++) {
            s->class_name[n] = (maas_str_t) { digits + n, 1 };
        }

        s->n_class = n;
        return MAAS_OK;
    }

    while (n < CIFAR_CLASSES
           && fgets(p, (int) (s->names + sizeof(s->names) - p), f) != NULL)
    {
        len = strcspn(p, "\r\n");
        if (len == 0) {
            continue;
        }

        s->class_name[n++] = (maas_str_t) { p, len };
        p += len + 1;
    }

    fclose(f);
    s->n_class = n;

    return n > 0 ? MAAS_OK
           : maas_err(s->job->err, MAAS_EINVAL, "%s: there is no class",
                      path);
}


static maas_status_t
cifar_record(cifar_t *s, const char *path, uint64_t i, const uint8_t *p)
{
    uint8_t  image[3 * CIFAR_PLANE];

    if (p[0] >= s->n_class) {
        return maas_err(s->job->err, MAAS_EINVAL, "%s: record %llu has label "
                        "%u, and there are %d classes", path,
                        (unsigned long long) i, p[0], s->n_class);
    }

    for (int k = 0; k < CIFAR_PLANE; k++) {
        image[3 * k] = p[1 + k];
        image[3 * k + 1] = p[1 + CIFAR_PLANE + k];
        image[3 * k + 2] = p[1 + 2 * CIFAR_PLANE + k];
    }

    maas_dataset_put_item(s->w, 0, image);
    maas_dataset_put_code(s->w, 1, p[0]);

    return maas_dataset_end_row(s->w, s->job->err);
}


static maas_status_t
cifar_records(cifar_t *s, maas_text_t *t)
{
    size_t  n;

    if (t->size == 0) {
        return maas_err(s->job->err, MAAS_EINVAL, "%s: the file is empty",
                        t->path);
    }

    if (t->gz == NULL && t->size % CIFAR_RECORD != 0) {
        return maas_err(s->job->err, MAAS_ETRUNC, "%s: %llu bytes are not a "
                        "number of records of %d", t->path,
                        (unsigned long long) t->size, CIFAR_RECORD);
    }

    for (uint64_t i = 0; ; i++) {
        while ((size_t) (t->end - t->pos) < CIFAR_RECORD && !t->eof) {
            MAAS_TRY(maas_text_more(t));
        }

        n = (size_t) (t->end - t->pos);

        if (n < CIFAR_RECORD) {
            return n == 0 && i != 0 ? MAAS_OK
                   : maas_err(s->job->err, MAAS_ETRUNC, "%s: record %llu has "
                              "%zu of %d bytes", t->path,
                              (unsigned long long) i, n, CIFAR_RECORD);
        }

        MAAS_TRY(cifar_record(s, t->path, i, (const uint8_t *) t->pos));
        t->pos += CIFAR_RECORD;
    }
}


static maas_status_t
cifar_file(cifar_t *s, const char *path)
{
    char                 folder[CIFAR_PATH];
    maas_text_t          t;
    maas_status_t        rc;
    maas_column_spec_t   spec[2] = {
        { .name = maas_str("image"), .kind = MAAS_COL_TENSOR,
          .dtype = MAAS_U8, .rank = 3, .image = 1,
          .dims = { CIFAR_SIDE, CIFAR_SIDE, 3 } },
        { .name = maas_str("label"), .kind = MAAS_COL_CATEGORY,
          .fixed = true, .class_name = s->class_name }
    };

    if (s->w == NULL) {
        if (!maas_folder_of(folder, sizeof(folder), path)) {
            return maas_err(s->job->err, MAAS_ELIMIT, "%.100s...: the path "
                            "is too long", path);
        }

        MAAS_TRY(cifar_names(s, folder));
        spec[1].n_class = (uint32_t) s->n_class;
        MAAS_TRY(maas_dataset_create(&s->w, s->job->host, s->job->path, spec,
                                     2, s->job->o->budget, s->job->err));
    }

    rc = maas_text_open(&t, s->job, path, 1u << 20);

    if (rc == MAAS_OK) {
        rc = cifar_records(s, &t);
    }

    maas_text_close(&t);
    return rc;
}


/* data_batch_1.bin, data_batch_2.bin, ... as far as they go. */
static maas_status_t
cifar_folder(cifar_t *s, const char *folder)
{
    char         path[CIFAR_PATH];
    struct stat  st;

    for (int i = 1; ; i++) {
        snprintf(path, sizeof(path), "%.4000s/data_batch_%d.bin", folder, i);

        if (stat(path, &st) == 0) {
            MAAS_TRY(cifar_file(s, path));

        } else if (i != 1) {
            return MAAS_OK;

        } else {
            return maas_err(s->job->err, MAAS_ENOENT, "%s: %s", path,
                            strerror(errno));
        }
    }
}


maas_status_t
maas_import_cifar(maas_import_job_t *j)
{
    cifar_t        s = { .job = j };
    struct stat    st;
    maas_status_t  rc = MAAS_OK;

    for (int i = 0; i < j->n_source && rc == MAAS_OK; i++) {
        if (stat(j->source[i], &st) != 0) {
            rc = maas_err(j->err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                          "%s: %s", j->source[i], strerror(errno));
        } else if (S_ISDIR(st.st_mode)) {
            rc = cifar_folder(&s, j->source[i]);
        } else {
            rc = cifar_file(&s, j->source[i]);
        }
    }

    if (rc != MAAS_OK) {
        maas_dataset_discard(s.w);
        return rc;
    }

    return maas_dataset_commit(s.w, j->err);
}
