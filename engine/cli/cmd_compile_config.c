/*
 * maas compile --config: the images that nginx would make when it reads the
 * configuration, made beforehand, under the same names.
 *
 * Ownership: what the configuration says, until the command ends.
 * Threads:   the main thread.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_compile.h"


typedef struct {
    cli_conf_t   conf;
    char         images[2048];
    maas_buf_t   json;
    bool         want_json;
    size_t       made, kept, failed;
} config_t;


/* An option that nginx was built with; false: it says none. */
static bool
config_built(const char *option, char out[1024])
{
    bool   found = false;
    char   line[4096], *p;
    FILE  *f = popen("nginx -V 2>&1", "re");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        p = strstr(line, option);
        if (p != NULL) {
            p += strlen(option);
            snprintf(out, 1024, "%.*s", (int) strcspn(p, " '\n"), p);
            found = true;
        }
    }

    if (f != NULL) {
        (void) pclose(f);
    }

    return found;
}


/* The module's default: "maas" beside nginx's temporary folders. */
static void
config_default_images(char out[1024])
{
    char  temp[1024] = "", *slash;

    (void) config_built("--http-client-body-temp-path=", temp);
    slash = strrchr(temp, '/');
    slash = slash != NULL ? slash + 1 : temp;
    *slash = '\0';

    snprintf(out, 1024, "%.1000smaas", temp);
}


static maas_status_t
config_images(config_t *c, const char *prefix, maas_err_t *err)
{
    char            own[1024], dir[1024];
    struct passwd  *pw;

    if (c->conf.images[0] != '\0') {
        snprintf(dir, sizeof(dir), "%s", c->conf.images);
    } else {
        config_default_images(dir);
    }

    if (dir[0] == '/') {
        snprintf(c->images, sizeof(c->images), "%s", dir);

    } else {
        if (prefix == NULL) {
            snprintf(own, sizeof(own), "/usr/share/nginx");
            (void) config_built("--prefix=", own);
            prefix = own;
        }

        snprintf(c->images, sizeof(c->images), "%s/%s", prefix, dir);
    }

    if (mkdir(c->images, 0700) != 0) {
        return errno == EEXIST
               ? MAAS_OK
               : maas_err(err, MAAS_EIO, "cannot create %s: %s", c->images,
                          strerror(errno));
    }

    if (geteuid() != 0) {
        return MAAS_OK;
    }

    pw = getpwnam(c->conf.user[0] != '\0' ? c->conf.user : "nobody");
    if (pw != NULL && chown(c->images, pw->pw_uid, pw->pw_gid) != 0) {
        return maas_err(err, MAAS_EIO, "cannot chown %s: %s", c->images,
                        strerror(errno));
    }

    return MAAS_OK;
}


static void
config_report(config_t *c, const char *name, const maas_source_t *s,
    const char *what, const char *error)
{
    if (!c->want_json) {
        if (error == NULL) {
            printf("%s version %lld: %s %s.maas\n", name,
                   s != NULL ? (long long) s->version : 0LL, what,
                   s != NULL ? s->key : "");
        } else {
            (void) cli_fail("model \"%s\": %s", name, error);
        }

        return;
    }

    maas_buf_puts(&c->json, c->json.len == 0 ? "[{\"model\":"
                                             : ",{\"model\":");
    maas_buf_json(&c->json, name, strlen(name));

    if (s != NULL) {
        maas_buf_printf(&c->json, ",\"version\":%lld,\"image\":\"%s.maas\"",
                        (long long) s->version, s->key);
    }

    maas_buf_printf(&c->json, ",\"result\":\"%s\"", what);

    if (error != NULL) {
        maas_buf_puts(&c->json, ",\"error\":");
        maas_buf_json(&c->json, error, strlen(error));
    }

    maas_buf_puts(&c->json, "}");
}


static void
config_version(config_t *c, const cli_conf_model_t *m, const maas_source_t *s)
{
    int            fd;
    char           key[64];
    bool           made;
    maas_err_t     err;
    maas_status_t  rc;

    snprintf(key, sizeof(key), "%s.maas", s->key);
    cli_progress_begin(m->name);
    rc = cli_compile_into(c->images, key, s->path, m->name, m->numerics, &fd,
                          &made, &err);
    cli_progress_end();

    if (rc != MAAS_OK) {
        c->failed++;
        config_report(c, m->name, s, "failed", err.text);
        return;
    }

    close(fd);
    c->made += made;
    c->kept += !made;
    config_report(c, m->name, s, made ? "compiled" : "present", NULL);
}


/* Those that are chosen, and those that have a label besides. */
static maas_status_t
config_choose(const cli_conf_model_t *m, const maas_sources_t *s, bool *keep,
    maas_err_t *err)
{
    bool           *more;
    maas_status_t   rc;

    MAAS_TRY(maas_sources_choose(s, m->versions, keep, err));

    if (m->labels[0] == '\0') {
        return MAAS_OK;
    }

    more = calloc(s->n, sizeof(bool));
    if (more == NULL) {
        return maas_err_nomem(err);
    }

    rc = maas_sources_choose(s, m->labels, more, err);

    for (size_t i = 0; i < s->n; i++) {
        keep[i] |= more[i];
    }

    free(more);
    return rc == MAAS_OK ? MAAS_OK : maas_err_prefix(err, "label");
}


static void
config_model(config_t *c, const cli_conf_model_t *m, bool store)
{
    char            path[4096];
    bool           *keep;
    maas_err_t      err;
    maas_status_t   rc;
    maas_sources_t  s;

    if (m->source[0] == '\0') {
        snprintf(path, sizeof(path), "%s%s%s/%s",
                 c->conf.store[0] == '/' ? "" : c->conf.dir,
                 c->conf.store[0] == '/' ? "" : "/", c->conf.store, m->name);
    } else {
        snprintf(path, sizeof(path), "%s%s%s",
                 m->source[0] == '/' ? "" : c->conf.dir,
                 m->source[0] == '/' ? "" : "/", m->source);
    }

    if (m->source[0] == '\0' && c->conf.store[0] == '\0') {
        c->failed++;
        config_report(c, m->name, NULL, "failed",
                      "it has no \"source\", and there is no maas_store");
        return;
    }

    rc = (m->source[0] == '\0' ? maas_sources_store : maas_sources_list)
             (&s, path, m->numerics, &err);

    if (rc == MAAS_ENOENT && store) {
        /* nginx leaves it unavailable, too */
        config_report(c, m->name, NULL, "left out", err.text);
        return;
    }

    if (rc == MAAS_OK) {
        keep = calloc(s.n, sizeof(bool));
        rc = keep == NULL ? maas_err_nomem(&err)
                          : config_choose(m, &s, keep, &err);

        for (size_t i = 0; i < s.n && rc == MAAS_OK; i++) {
            if (keep[i]) {
                config_version(c, m, &s.version[i]);
            }
        }

        free(keep);
        maas_sources_free(&s);
    }

    if (rc != MAAS_OK) {
        c->failed++;
        config_report(c, m->name, NULL, "failed", err.text);
    }
}


/* Folders of the store that no block speaks of. */
static maas_status_t
config_store(config_t *c, maas_err_t *err)
{
    DIR               *d;
    char               dir[2048], sub[4096];
    struct stat        st;
    struct dirent     *e;
    cli_conf_model_t   m;

    if (c->conf.store[0] == '\0') {
        return MAAS_OK;
    }

    snprintf(dir, sizeof(dir), "%s%s%s",
             c->conf.store[0] == '/' ? "" : c->conf.dir,
             c->conf.store[0] == '/' ? "" : "/", c->conf.store);

    d = opendir(dir);
    if (d == NULL) {
        return maas_err(err, MAAS_EIO, "maas_store %s: %s", dir,
                        strerror(errno));
    }

    while ((e = readdir(d)) != NULL) {
        bool  known = false;

        for (size_t i = 0; i < c->conf.n_model; i++) {
            known |= strcmp(c->conf.model[i].name, e->d_name) == 0;
        }

        snprintf(sub, sizeof(sub), "%s/%s", dir, e->d_name);

        if (known || stat(sub, &st) != 0 || !S_ISDIR(st.st_mode)
            || !maas_name_valid((maas_str_t) { e->d_name,
                                               strlen(e->d_name) }))
        {
            continue;
        }

        memset(&m, 0, sizeof(m));
        snprintf(m.name, sizeof(m.name), "%.*s", MAAS_NAME_MAX, e->d_name);
        snprintf(m.versions, sizeof(m.versions), "latest=1");
        snprintf(m.numerics, sizeof(m.numerics), "exact");
        config_model(c, &m, true);
    }

    closedir(d);
    return MAAS_OK;
}


int
cli_compile_config(const char *config, const char *prefix, bool json)
{
    config_t    c;
    maas_err_t  err;

    memset(&c, 0, sizeof(c));
    c.want_json = json;
    maas_buf_init(&c.json, maas_host_default());

    if (cli_conf_read(&c.conf, config, &err) != MAAS_OK
        || config_images(&c, prefix, &err) != MAAS_OK)
    {
        return cli_fail("%s", err.text);
    }

    for (size_t i = 0; i < c.conf.n_model; i++) {
        config_model(&c, &c.conf.model[i], false);
    }

    if (config_store(&c, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    if (json) {
        printf("%.*s]\n", c.json.len == 0 ? 1 : (int) c.json.len,
               c.json.len == 0 ? "[" : c.json.data);
    } else {
        printf("%s: %zu compiled, %zu present, %zu failed\n", c.images,
               c.made, c.kept, c.failed);
    }

    maas_buf_destroy(&c.json);
    cli_conf_free(&c.conf);
    return c.failed == 0 ? CLI_OK : CLI_FAILED;
}
