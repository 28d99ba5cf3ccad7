/*
 * Options, messages, progress and files of the maas command.
 *
 * Ownership: a list or a file that is read is the caller's.
 * Threads:   the main thread, but for progress, which has its own.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"


const char  *cli_command = "";


static int
cli_message(int code, const char *fmt, va_list args)
{
    fflush(stdout);
    fprintf(stderr, "maas%s%s: ", cli_command[0] == '\0' ? "" : " ",
            cli_command);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);

    if (code == CLI_USAGE) {
        fprintf(stderr, "try \"maas %s --help\"\n", cli_command);
    }

    return code;
}


int
cli_usage(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) cli_message(CLI_USAGE, fmt, args);
    va_end(args);
    return CLI_USAGE;
}


int
cli_fail(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) cli_message(CLI_FAILED, fmt, args);
    va_end(args);
    return CLI_FAILED;
}


maas_status_t
cli_print(maas_buf_t *b, maas_err_t *err)
{
    maas_status_t  rc = b->failed ? maas_err_nomem(err) : MAAS_OK;

    if (rc == MAAS_OK) {
        fwrite(b->data, 1, b->len, stdout);
    }

    maas_buf_destroy(b);
    return rc;
}


static bool
cli_add(cli_list_t *l, const char *s)
{
    const char  **v;

    if (l->n == l->cap) {
        v = realloc(l->v, (l->cap * 2 + 8) * sizeof(*v));
        if (v == NULL) {
            return false;
        }

        l->v = v;
        l->cap = l->cap * 2 + 8;
    }

    l->v[l->n++] = s;
    return true;
}


static int
cli_value(const cli_option_t *o, const char *text)
{
    char     *end;
    double    f;
    long long i;

    switch (o->kind) {

    case CLI_TEXT:
        *(const char **) o->value = text;
        return -1;

    case CLI_INT:
        errno = 0;
        i = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0 || i < 1) {
            return cli_usage("%s %s: expected a positive integer", o->name,
                             text);
        }

        *(int64_t *) o->value = i;
        return -1;

    case CLI_FLOAT:
        f = strtod(text, &end);
        if (end == text || *end != '\0' || !isfinite(f) || f <= 0) {
            return cli_usage("%s %s: expected a positive number", o->name,
                             text);
        }

        *(double *) o->value = f;
        return -1;

    default:
        return cli_add(o->value, text) ? -1 : cli_fail("out of memory");
    }
}


static int
cli_unknown(const cli_option_t *opts, maas_str_t arg)
{
    char         text[MAAS_NEAR_TEXT];
    maas_near_t  near = { .word = arg };

    for (const cli_option_t *o = opts; o->name != NULL; o++) {
        maas_near(&near, (maas_str_t) { o->name, strlen(o->name) });
    }

    return cli_usage("unknown option \"%.*s\"%s", (int) maas_min(arg.len, 60),
                     arg.data, maas_near_text(&near, text));
}


/* The option of this name, the end of the list: none. */
static const cli_option_t *
cli_find(const cli_option_t *o, const char *name, size_t len)
{
    while (o->name != NULL
           && (strlen(o->name) != len || memcmp(o->name, name, len) != 0))
    {
        o++;
    }

    return o;
}


int
cli_options(int argc, char **argv, const cli_option_t *opts, cli_list_t *rest,
    const char *help)
{
    int                  rc;
    char                *arg, *eq;
    bool                 only = false;
    size_t               len;
    const cli_option_t  *o;

    for (int i = 0; i < argc; i++) {
        arg = argv[i];

        if (only || arg[0] != '-' || arg[1] == '\0') {
            if (!cli_add(rest, arg)) {
                return cli_fail("out of memory");
            }

            continue;
        }

        if (strcmp(arg, "--") == 0) {
            only = true;
            continue;
        }

        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(help, stdout);
            return CLI_OK;
        }

        eq = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;
        len = eq != NULL ? (size_t) (eq - arg) : strlen(arg);
        o = cli_find(opts, arg, len);

        if (o->name == NULL) {
            return cli_unknown(opts, (maas_str_t) { arg, len });
        }

        if (o->kind == CLI_FLAG) {
            if (eq != NULL) {
                return cli_usage("%s takes no value", o->name);
            }

            *(bool *) o->value = true;
            continue;
        }

        if (eq == NULL && i + 1 == argc) {
            return cli_usage("%s needs a value", o->name);
        }

        rc = cli_value(o, eq != NULL ? eq + 1 : argv[++i]);
        if (rc != -1) {
            return rc;
        }
    }

    return -1;
}


/* -- progress ------------------------------------------------------------ */

static struct {
    pthread_t         thread;
    pthread_mutex_t   mutex;
    pthread_cond_t    cond;
    bool              active, stop;
    const char       *what;
    _Atomic(uint64_t) n, of;
} progress = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .cond = PTHREAD_COND_INITIALIZER
};


static void *
progress_run(void *arg)
{
    bool             shown = false;
    uint64_t         of, start = maas_now_ns();
    struct timespec  ts;

    (void) arg;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_sec++;

    pthread_mutex_lock(&progress.mutex);

    while (!progress.stop) {
        if (pthread_cond_timedwait(&progress.cond, &progress.mutex, &ts)
            != ETIMEDOUT)
        {
            continue;
        }

        of = progress.of;
        fprintf(stderr, "\r%.60s: %llu s", progress.what,
                (unsigned long long) ((maas_now_ns() - start) / 1000000000));
        if (of != 0) {
            fprintf(stderr, ", %llu of %llu", (unsigned long long) progress.n,
                    (unsigned long long) of);
        }
        fputs("\033[K", stderr);
        shown = true;
        ts.tv_nsec += 200000000;
        ts.tv_sec += ts.tv_nsec / 1000000000;
        ts.tv_nsec %= 1000000000;
    }

    pthread_mutex_unlock(&progress.mutex);

    if (shown) {
        fputs("\r\033[K", stderr);
    }

    return NULL;
}


void
cli_progress_begin(const char *what)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }

    progress.what = what;
    progress.stop = false;
    progress.n = 0;
    progress.of = 0;
    progress.active = pthread_create(&progress.thread, NULL, progress_run,
                                     NULL) == 0;
}


void
cli_progress_count(uint64_t n, uint64_t of)
{
    progress.n = n;
    progress.of = of;
}


void
cli_progress_end(void)
{
    if (!progress.active) {
        return;
    }

    pthread_mutex_lock(&progress.mutex);
    progress.stop = true;
    pthread_cond_signal(&progress.cond);
    pthread_mutex_unlock(&progress.mutex);
    pthread_join(progress.thread, NULL);
    progress.active = false;
}


/* -- files --------------------------------------------------------------- */

static maas_status_t
cli_errno(maas_err_t *err, int e, const char *path)
{
    return maas_err(err, e == ENOENT ? MAAS_ENOENT : MAAS_EIO, "%s: %s", path,
                    strerror(e));
}


maas_status_t
cli_read(const char *path, void **data, size_t *size, maas_err_t *err)
{
    int          fd, e = 0;
    char        *p;
    size_t       at = 0;
    ssize_t      n;
    struct stat  st;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return cli_errno(err, errno, path);
    }

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return maas_err(err, MAAS_EIO, "%s: not a file", path);
    }

    p = aligned_alloc(MAAS_ALIGN, maas_align((size_t) st.st_size + 1,
                                             MAAS_ALIGN));
    if (p == NULL) {
        close(fd);
        return maas_err_nomem(err);
    }

    while (at < (size_t) st.st_size) {
        n = read(fd, p + at, (size_t) st.st_size - at);
        if (n <= 0) {
            e = n == 0 ? EIO : errno;
            break;
        }

        at += (size_t) n;
    }

    close(fd);

    if (e != 0) {
        free(p);
        return cli_errno(err, e, path);
    }

    p[at] = '\0';
    *data = p;
    *size = at;
    return MAAS_OK;
}


maas_status_t
cli_write(const char *path, const void *data, size_t size, maas_err_t *err)
{
    FILE  *f = fopen(path, "we");
    bool   bad;

    if (f == NULL) {
        return cli_errno(err, errno, path);
    }

    bad = fwrite(data, 1, size, f) != size;

    if (fclose(f) != 0 || bad) {
        return cli_errno(err, errno, path);
    }

    return MAAS_OK;
}


bool
cli_ends(const char *s, const char *tail)
{
    size_t  n = strlen(s), k = strlen(tail);

    return n >= k && memcmp(s + n - k, tail, k) == 0;
}


const char *
cli_base(const char *path)
{
    const char  *slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}
