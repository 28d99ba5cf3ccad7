/*
 * A rough reader of nginx configurations: words, quotes, comments, blocks
 * and includes, as ngx_conf_read_token() has them.  It keeps what concerns
 * models and steps over the rest.
 */

#define _GNU_SOURCE

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_compile.h"


#define CONF_DEPTH  32
#define CONF_NONE   SIZE_MAX


typedef struct {
    cli_conf_t   *conf;
    const char   *file;
    const char   *pos;
    unsigned      line;
    unsigned      depth;        /* of includes */
    maas_err_t   *err;
    size_t        n, cap;
    char        **word;
} conf_file_t;

static maas_status_t conf_read(cli_conf_t *conf, const char *path,
    unsigned depth, int level, size_t m, maas_err_t *err);


static maas_status_t
conf_error(conf_file_t *f, const char *what)
{
    return maas_err(f->err, MAAS_EINVAL, "%s in %s:%u", what, f->file,
                    f->line);
}


static void
conf_space(conf_file_t *f)
{
    for ( ;; ) {
        if (*f->pos == '#') {
            f->pos += strcspn(f->pos, "\n");

        } else if (*f->pos != '\0' && isspace((unsigned char) *f->pos)) {
            f->line += *f->pos == '\n';
            f->pos++;

        } else {
            return;
        }
    }
}


static maas_status_t
conf_room(conf_file_t *f)
{
    char  **word;

    if (f->n < f->cap) {
        return MAAS_OK;
    }

    word = realloc(f->word, (f->cap * 2 + 16) * sizeof(*word));
    if (word == NULL) {
        return maas_err_nomem(f->err);
    }

    f->word = word;
    f->cap = f->cap * 2 + 16;
    return MAAS_OK;
}


/* One word, unescaped. */
static maas_status_t
conf_word(conf_file_t *f)
{
    char    quote = 0, *w;
    size_t  n = 0, room = strlen(f->pos) + 1;

    MAAS_TRY(conf_room(f));

    if (*f->pos == '"' || *f->pos == '\'') {
        quote = *f->pos++;
    }

    room = maas_min(room, (size_t) 65536);
    w = malloc(room);
    if (w == NULL) {
        return maas_err_nomem(f->err);
    }

    f->word[f->n++] = w;

    for ( ;; f->pos++) {
        char  c = *f->pos;

        if (c == '\0') {
            return conf_error(f, "the file ends inside a directive");
        }

        if (quote != 0 ? c == quote
                       : isspace((unsigned char) c) || c == ';' || c == '{')
        {
            break;
        }

        if (quote == 0 && c == '$' && f->pos[1] == '{') {
            /* ${name} is not a block */
            if (n + 2 < room) {
                w[n++] = '$';
            }

            f->pos++;
            c = '{';

        } else if (c == '\\' && f->pos[1] != '\0') {
            c = *++f->pos;
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }

        f->line += c == '\n';

        if (n + 1 >= room) {
            return conf_error(f, "a word is too long");
        }

        w[n++] = c;
    }

    f->pos += quote != 0;
    w[n] = '\0';
    return MAAS_OK;
}


/* Words up to ';', '{' or '}', which comes in *end; '\0': end of file. */
static maas_status_t
conf_directive(conf_file_t *f, char *end)
{
    while (f->n != 0) {
        free(f->word[--f->n]);
    }

    for ( ;; ) {
        conf_space(f);
        *end = *f->pos;

        if (*end == '\0') {
            return f->n == 0 ? MAAS_OK
                             : conf_error(f, "the file ends in a directive");
        }

        if (*end == ';' || *end == '{' || *end == '}') {
            f->pos++;
            return MAAS_OK;
        }

        MAAS_TRY(conf_word(f));
    }
}


static maas_status_t
conf_set(conf_file_t *f, char *out, size_t n)
{
    if (f->n < 2 || strlen(f->word[1]) >= n) {
        return conf_error(f, f->n < 2 ? "a directive without a value"
                                      : "a value is too long");
    }

    memcpy(out, f->word[1], strlen(f->word[1]) + 1);
    return MAAS_OK;
}


/* All words after the first, with a space between. */
static maas_status_t
conf_set_all(conf_file_t *f, char *out, size_t n)
{
    size_t  at = 0;

    if (f->n < 2) {
        return conf_error(f, "a directive without a value");
    }

    for (size_t i = 1; i < f->n; i++) {
        at += (size_t) snprintf(out + at, n - at, "%s%s", i == 1 ? "" : " ",
                                f->word[i]);

        if (at >= n) {
            return conf_error(f, "a value is too long");
        }
    }

    return MAAS_OK;
}


/* "stable=3 old=1": the numbers, after those of other such directives. */
static maas_status_t
conf_labels(conf_file_t *f, char *out, size_t n)
{
    size_t       at = strlen(out);
    const char  *version;

    for (size_t i = 1; i < f->n; i++) {
        version = strchr(f->word[i], '=');

        if (version == NULL) {
            return conf_error(f, "a label is not NAME=VERSION");
        }

        at += (size_t) snprintf(out + at, n - at, "%s%s",
                                at == 0 ? "" : " ", version + 1);

        if (at >= n) {
            return conf_error(f, "too many labels");
        }
    }

    return MAAS_OK;
}


static maas_status_t
conf_model(conf_file_t *f, size_t *number)
{
    cli_conf_t        *conf = f->conf;
    cli_conf_model_t  *m;

    m = realloc(conf->model, (conf->n_model + 1) * sizeof(*m));
    if (m == NULL) {
        return maas_err_nomem(f->err);
    }

    conf->model = m;
    *number = conf->n_model++;
    m += *number;
    memset(m, 0, sizeof(*m));
    snprintf(m->versions, sizeof(m->versions), "latest=1");
    snprintf(m->numerics, sizeof(m->numerics), "exact");

    return conf_set(f, m->name, sizeof(m->name));
}


static maas_status_t
conf_include(conf_file_t *f, int level, size_t m)
{
    char           path[2048];
    glob_t         g;
    maas_status_t  rc = MAAS_OK;

    if (f->n < 2) {
        return conf_error(f, "\"include\" without a file");
    }

    snprintf(path, sizeof(path), "%s%s%s",
             f->word[1][0] == '/' ? "" : f->conf->dir,
             f->word[1][0] == '/' ? "" : "/", f->word[1]);

    if (strpbrk(f->word[1], "*?[") == NULL) {
        return conf_read(f->conf, path, f->depth + 1, level, m, f->err);
    }

    if (glob(path, 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc && rc == MAAS_OK; i++) {
            rc = conf_read(f->conf, g.gl_pathv[i], f->depth + 1, level, m,
                           f->err);
        }

        globfree(&g);
    }

    return rc;
}


/* number: the directive stands in the block of this model. */
static maas_status_t
conf_take(conf_file_t *f, int level, size_t number)
{
    const char        *w = f->word[0];
    cli_conf_model_t  *m;

    if (strcmp(w, "include") == 0) {
        return conf_include(f, level, number);
    }

    if (number != CONF_NONE) {
        m = &f->conf->model[number];

        if (strcmp(w, "source") == 0) {
            return conf_set(f, m->source, sizeof(m->source));
        }

        if (strcmp(w, "numerics") == 0) {
            return conf_set(f, m->numerics, sizeof(m->numerics));
        }

        if (strcmp(w, "versions") == 0) {
            return conf_set_all(f, m->versions, sizeof(m->versions));
        }

        if (strcmp(w, "label") == 0) {
            return conf_labels(f, m->labels, sizeof(m->labels));
        }

        return MAAS_OK;
    }

    if (strcmp(w, "maas_images") == 0) {
        return conf_set(f, f->conf->images, sizeof(f->conf->images));
    }

    if (strcmp(w, "maas_store") == 0) {
        return conf_set(f, f->conf->store, sizeof(f->conf->store));
    }

    if (level == 0 && strcmp(w, "user") == 0) {
        return conf_set(f, f->conf->user, sizeof(f->conf->user));
    }

    return MAAS_OK;
}


static maas_status_t
conf_block(conf_file_t *f, int level, size_t m)
{
    int            deep = level;
    char           end;
    maas_status_t  rc;

    for ( ;; ) {
        rc = conf_directive(f, &end);
        if (rc != MAAS_OK) {
            return rc;
        }

        if (end == '\0') {
            return deep == level ? MAAS_OK
                                 : conf_error(f, "a block is not closed");
        }

        if (end == '}') {
            if (deep-- == level) {
                return conf_error(f, "unexpected \"}\"");
            }

            m = CONF_NONE;
            continue;
        }

        if (f->n == 0) {
            return conf_error(f, "unexpected \";\" or \"{\"");
        }

        if (end == '{') {
            deep++;

            if (strcmp(f->word[0], "maas_model") == 0) {
                MAAS_TRY(conf_model(f, &m));

            } else if (cli_ends(f->word[0], "_by_lua_block")
                       || strcmp(f->word[0], "js_content") == 0)
            {
                return conf_error(f, "foreign code cannot be read");
            }

            continue;
        }

        MAAS_TRY(conf_take(f, deep, m));
    }
}


/* f->pos begins a text of n bytes, which is to have no zero byte. */
static maas_status_t
conf_whole(conf_file_t *f, size_t n)
{
    const char  *zero = memchr(f->pos, '\0', n);

    for (const char *p = f->pos; zero != NULL && p < zero; p++) {
        f->line += *p == '\n';
    }

    return zero == NULL ? MAAS_OK
           : conf_error(f, "a zero byte, which no configuration has,");
}


static maas_status_t
conf_read(cli_conf_t *conf, const char *path, unsigned depth, int level,
    size_t m, maas_err_t *err)
{
    void           *text;
    size_t          n;
    conf_file_t     f = { .conf = conf, .file = path, .line = 1,
                          .depth = depth, .err = err };
    maas_status_t   rc;

    if (depth > CONF_DEPTH) {
        return maas_err(err, MAAS_ELIMIT, "%s: includes nest too deeply",
                        path);
    }

    MAAS_TRY(cli_read(path, &text, &n, err));

    f.pos = text;
    rc = conf_whole(&f, n);

    if (rc == MAAS_OK) {
        rc = conf_block(&f, level, m);
    }

    while (f.n != 0) {
        free(f.word[--f.n]);
    }

    free(f.word);
    free(text);
    return rc;
}


maas_status_t
cli_conf_read(cli_conf_t *conf, const char *path, maas_err_t *err)
{
    char  real[4096], *slash;

    memset(conf, 0, sizeof(*conf));

    if (realpath(path, real) == NULL) {
        return maas_err(err, MAAS_ENOENT, "%s: no such file", path);
    }

    snprintf(conf->dir, sizeof(conf->dir), "%.1000s",
             path[0] == '/' ? path : real);
    slash = strrchr(conf->dir, '/');
    if (slash != NULL) {
        slash[slash == conf->dir] = '\0';
    }

    return conf_read(conf, path, 0, 0, CONF_NONE, err);
}


void
cli_conf_free(cli_conf_t *conf)
{
    free(conf->model);
    conf->model = NULL;
    conf->n_model = 0;
}
