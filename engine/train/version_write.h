/*
 * version_write: a new version of a model in a store: STORE/NAME/VERSION/,
 * the next integer.  Files are written into a folder of another name, synced,
 * and the folder is renamed: a version is there whole or not at all.
 *
 * Ownership: the caller's; end() or drop() closes.
 * Threads:   one process writes versions of a model at a time, by the lock of
 *            train_run.h; others may add folders with numbers.
 */

#ifndef MAAS_VERSION_WRITE_H
#define MAAS_VERSION_WRITE_H

#include "base/base.h"


typedef struct {
    char  model[3072];          /* STORE/NAME */
    char  tmp[3200];            /* STORE/NAME/.train/version */
    bool  open;
} maas_version_t;

/* Makes STORE/NAME and folders above it where they are missing. */
maas_status_t maas_version_begin(maas_version_t *v, const char *store,
    maas_str_t name, maas_err_t *err);

/* name: without a folder. */
maas_status_t maas_version_put(maas_version_t *v, const char *name,
    const void *data, size_t size, maas_err_t *err);

/* *number: the version. */
maas_status_t maas_version_end(maas_version_t *v, int64_t *number,
    maas_err_t *err);

/* Removes what was written; after end() it does nothing. */
void maas_version_drop(maas_version_t *v);

#endif
