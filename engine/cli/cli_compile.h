/*
 * cli_compile.h: what "maas compile" and its --config share.
 *
 * Ownership: an open descriptor belongs to the caller.
 * Threads:   the main thread.
 */

#ifndef MAAS_CLI_COMPILE_H
#define MAAS_CLI_COMPILE_H

#include "cli/cli.h"


/*
 * Unless dir/key is there and verifies, compiles into it.  *fd: open for
 * reading; *made: it was compiled now.
 */
maas_status_t cli_compile_into(const char *dir, const char *key,
    const char *file, const char *name, const char *numerics, int *fd,
    bool *made, maas_err_t *err);

int cli_compile_config(const char *config, const char *prefix, bool json);


/* -- reading nginx.conf -------------------------------------------------- */

typedef struct {
    char  name[MAAS_NAME_MAX + 1];
    char  source[1024];         /* "": of the store */
    char  versions[1536];       /* 64 numbers and more */
    char  labels[1536];         /* numbers of versions that have one */
    char  numerics[16];
} cli_conf_model_t;

typedef struct {
    char               dir[1024];       /* of the main file */
    char               images[1024];    /* as written; "": default */
    char               store[1024];
    char               user[64];
    size_t             n_model;
    cli_conf_model_t  *model;
} cli_conf_t;

/*
 * Finds the directives of maas in a configuration and its includes, and
 * nothing else: it does not check the rest.
 */
maas_status_t cli_conf_read(cli_conf_t *conf, const char *path,
    maas_err_t *err);
void cli_conf_free(cli_conf_t *conf);

#endif
