/*
 * Fuzz target: the configurations of nginx that `maas compile --config`
 * reads.  Whatever is read has names, sources and versions that end in their
 * fields.  The configuration may include itself, and nothing else.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_compile.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static char  folder[] = "/tmp/maas_fuzz_conf_XXXXXX";
static char  path[64];


static void
conf_remove(void)
{
    unlink(path);
    rmdir(folder);
}


static void
conf_folder(void)
{
    if (path[0] != '\0') {
        return;
    }

    if (mkdtemp(folder) == NULL) {
        abort();
    }

    snprintf(path, sizeof(path), "%s/self.conf", folder);
    atexit(conf_remove);
}


/* Does an "include" name another file? */
static bool
conf_leaves(const uint8_t *data, size_t size)
{
    static const char  word[] = "include", self[] = " self.conf;";
    const uint8_t     *p = data, *end = data + size;

    while ((p = memmem(p, (size_t) (end - p), word, strlen(word))) != NULL) {
        p += strlen(word);

        if ((size_t) (end - p) < strlen(self)
            || memcmp(p, self, strlen(self)) != 0)
        {
            return true;
        }
    }

    /* The word may also be escaped. */
    return memmem(data, size, "\\", 1) != NULL
           && memmem(data, size, "lude", 4) != NULL;
}


static void
conf_ends(const char *s, size_t n)
{
    if (memchr(s, '\0', n) == NULL) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          fd;
    cli_conf_t   conf;
    maas_err_t   err = { 0 };

    conf_folder();

    if (conf_leaves(data, size)) {
        return 0;
    }

    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    if (fd < 0 || write(fd, data, size) != (ssize_t) size) {
        abort();
    }

    close(fd);

    if (cli_conf_read(&conf, path, &err) != MAAS_OK && err.text[0] == '\0') {
        abort();
    }

    conf_ends(conf.images, sizeof(conf.images));
    conf_ends(conf.store, sizeof(conf.store));
    conf_ends(conf.user, sizeof(conf.user));

    for (size_t i = 0; i < conf.n_model; i++) {
        conf_ends(conf.model[i].name, sizeof(conf.model[i].name));
        conf_ends(conf.model[i].source, sizeof(conf.model[i].source));
        conf_ends(conf.model[i].versions, sizeof(conf.model[i].versions));
        conf_ends(conf.model[i].numerics, sizeof(conf.model[i].numerics));
    }

    cli_conf_free(&conf);
    return 0;
}
