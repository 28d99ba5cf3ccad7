/*
 * folder: the files that lie beside a model and belong to it, named by the
 * model's own bytes, which nobody has vouched for.  A name that is absolute,
 * climbs out of the folder or leads out of it by a symbolic link is refused.
 * Files are mapped read-only, each once.
 *
 * Ownership: the folder owns names and mappings until maas_folder_close().
 * Threads:   one at a time.
 */

#ifndef MAAS_FOLDER_H
#define MAAS_FOLDER_H

#include "base/base.h"


typedef struct maas_file_s  maas_file_t;

struct maas_file_s {
    maas_file_t    *next;       /* in the order of first use */
    maas_str_t      name;       /* as the model spells it */
    const uint8_t  *data;       /* NULL when it is empty */
    size_t          size;
    int64_t         mtime;      /* seconds */
    long            nsec;
    char            sha1[2 * MAAS_SHA1 + 1];    /* "": not asked for yet */
};

typedef struct {
    const maas_host_t  *host;
    char               *path;   /* real path; NULL: there is no folder */
    maas_file_t        *first;
    maas_file_t       **last;
    uint32_t            n;
} maas_folder_t;

/* path NULL: no file can be opened. */
maas_status_t maas_folder_init(maas_folder_t *f, const maas_host_t *host,
    const char *path, maas_err_t *err);
void maas_folder_close(maas_folder_t *f);

/* The errors say what is wrong with the file, and name it. */
maas_status_t maas_folder_open(maas_folder_t *f, maas_str_t name,
    maas_file_t **out, maas_err_t *err);

/*
 * SHA-1 against 40 hex digits, computed once a file: MAAS_EINVAL when it is
 * another one.
 */
maas_status_t maas_file_check(maas_file_t *f, maas_str_t sha1,
    maas_err_t *err);


/*
 * What the files are, as text that a later look compares at the cost of a
 * stat each: lines of "SIZE SECONDS.NANOSECONDS NAME", each closed by a NUL.
 */
void maas_folder_lines(const maas_folder_t *f, maas_buf_t *b);

/* Are the files in folder dir still what the n bytes of lines say? */
bool maas_folder_same(const char *dir, const char *lines, size_t n);

/* The folder of a file: "." and "/" where there is no more. */
bool maas_folder_of(char *out, size_t n, const char *file);

#endif
