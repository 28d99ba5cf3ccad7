/*
 * maas verify IMAGE...: header, sections, every offset, and the payload's
 * checksum.
 *
 * Ownership: the file's bytes, while they are checked.
 * Threads:   the main thread.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"


static const char  verify_help[] =
    "usage: maas verify [--json] IMAGE...\n\n"
    "Checks images: header, sections, every offset, and the checksum of the\n"
    "payload, which mapping does not check.\n";


static void
verify_json(maas_buf_t *b, const char *path, maas_status_t status,
    const maas_err_t *err)
{
    maas_buf_puts(b, b->len == 0 ? "[{\"image\":" : ",{\"image\":");
    maas_buf_json(b, path, strlen(path));
    maas_buf_printf(b, ",\"ok\":%s", status == MAAS_OK ? "true" : "false");

    if (status != MAAS_OK) {
        maas_buf_puts(b, ",\"error\":");
        maas_buf_json(b, err->text, strlen(err->text));
    }

    maas_buf_puts(b, "}");
}


/* json NULL: a line of text. */
static maas_status_t
verify_one(const char *path, maas_buf_t *json)
{
    void           *p = NULL;
    size_t          n;
    maas_err_t      err;
    maas_status_t   status;

    status = cli_read(path, &p, &n, &err);

    if (status == MAAS_OK) {
        status = maas_image_verify(p, n, &err);
        if (status != MAAS_OK) {
            (void) maas_err_prefix(&err, "%s", path);
        }
    }

    if (json != NULL) {
        verify_json(json, path, status, &err);
    } else if (status == MAAS_OK) {
        printf("%s: ok, %zu bytes\n", path, n);
    } else {
        (void) cli_fail("%s", err.text);
    }

    free(p);
    return status;
}


int
cmd_verify(int argc, char **argv)
{
    int            rc;
    bool           json = false;
    cli_list_t     rest = { 0 };
    maas_buf_t     b;
    cli_option_t   opts[] = {
        { "--json", CLI_FLAG, &json },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, verify_help);
    if (rc != -1) {
        return rc;
    }

    if (rest.n == 0) {
        return cli_usage("which image?");
    }

    rc = CLI_OK;
    maas_buf_init(&b, maas_host_default());

    for (size_t i = 0; i < rest.n; i++) {
        if (verify_one(rest.v[i], json ? &b : NULL) != MAAS_OK) {
            rc = CLI_FAILED;
        }
    }

    if (json) {
        printf("%.*s]\n", (int) b.len, b.data);
    }

    maas_buf_destroy(&b);
    return rc;
}
