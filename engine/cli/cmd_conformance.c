/*
 * maas conformance: ONNX backend test cases, each in a child process, so
 * that a crash is one failed case.  Children run side by side; results are
 * printed in the order of the names.
 *
 * A child writes a maas_err_t into its pipe; its exit says the rest.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_case.h"


#define CONF_JOBS_MAX  64
#define CONF_SECONDS   120


static const char  conformance_help[] =
    "usage: maas conformance DIR... [--list FILE] [--write-list FILE]\n"
    "                        [--threads N] [--verbose] [--json]\n\n"
    "Runs ONNX backend test cases: DIR holds case folders (or is one), each\n"
    "with model.onnx and test_data_set_*.  Floats must agree within rtol 1e-3\n"
    "and atol 1e-7, everything else exactly.  A case whose operators or types\n"
    "are not served is skipped, unless FILE of --list names it: a case that is\n"
    "listed must pass.  --write-list names those that pass; --verbose prints\n"
    "skipped cases as well.\n";

typedef enum {
    CASE_PASSED = 0,
    CASE_FAILED,
    CASE_SKIPPED
} case_result_t;

typedef struct {
    char           *name;           /* "node/test_abs" */
    char           *dir;
    bool            listed;
    case_result_t   result;
    char            text[MAAS_ERR_TEXT];
} case_t;

typedef struct {
    case_t   *v;
    size_t    n;
} cases_t;

typedef struct {
    pid_t    pid;
    int      fd;
    case_t  *c;
} child_t;


/* -- which cases --------------------------------------------------------- */

static bool
cases_add(cases_t *s, const char *group, const char *name, const char *dir)
{
    case_t  *v = realloc(s->v, (s->n + 1) * sizeof(*v));

    if (v == NULL) {
        return false;
    }

    s->v = v;
    v += s->n++;
    memset(v, 0, sizeof(*v));

    return asprintf(&v->name, "%s/%s", group, name) >= 0
           && (v->dir = strdup(dir)) != NULL;
}


static bool
cases_is(const char *dir)
{
    char  path[4096];

    return snprintf(path, sizeof(path), "%s/model.onnx", dir)
           < (int) sizeof(path)
           && access(path, R_OK) == 0;
}


static int
cases_order(const void *a, const void *b)
{
    return strcmp(((const case_t *) a)->name, ((const case_t *) b)->name);
}


static int
cases_find(cases_t *s, const char *dir)
{
    DIR            *d;
    char            path[4096], full[4096];
    size_t          n = s->n;
    struct dirent  *e;

    if (realpath(dir, full) == NULL) {
        return cli_fail("%s: %s", dir, strerror(errno));
    }

    if (cases_is(full)) {
        snprintf(path, sizeof(path), "%s", full);
        *strrchr(path, '/') = '\0';
        return cases_add(s, cli_base(path), cli_base(full), full)
               ? -1 : cli_fail("out of memory");
    }

    d = opendir(full);
    if (d == NULL) {
        return cli_fail("%s: %s", dir, strerror(errno));
    }

    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.'
            || snprintf(path, sizeof(path), "%s/%s", full, e->d_name)
               >= (int) sizeof(path)
            || !cases_is(path))
        {
            continue;
        }

        if (!cases_add(s, cli_base(full), e->d_name, path)) {
            closedir(d);
            return cli_fail("out of memory");
        }
    }

    closedir(d);
    return s->n != n ? -1 : cli_fail("%s holds no test cases (folders with "
                                     "model.onnx)", dir);
}


/* Marks what the list names; a name that no case has fails. */
static int
cases_list(cases_t *s, const char *file, size_t *missing)
{
    void       *text;
    char       *line, *next;
    size_t      n;
    maas_err_t  err;

    if (cli_read(file, &text, &n, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    for (next = text; (line = strsep(&next, "\n")) != NULL; ) {
        case_t  key = { .name = line }, *c;

        line[strcspn(line, "# \t\r")] = '\0';
        if (*line == '\0') {
            continue;
        }

        c = s->n == 0 ? NULL
                      : bsearch(&key, s->v, s->n, sizeof(*c), cases_order);

        if (c != NULL) {
            c->listed = true;

        } else {
            printf("FAILED %s: it is in the list, but not there\n", line);
            (*missing)++;
        }
    }

    free(text);
    return -1;
}


/* -- running ------------------------------------------------------------- */

static void
child_run(const case_t *c, int fd)
{
    maas_err_t     err;
    maas_status_t  rc;

    memset(&err, 0, sizeof(err));
    alarm(CONF_SECONDS);

    rc = cli_case_run(c->dir, &err);
    err.status = rc;
    (void) !write(fd, &err, sizeof(err));
    _exit(0);
}


static bool
child_start(child_t *ch, case_t *c)
{
    int  fd[2];

    if (pipe2(fd, O_CLOEXEC) != 0) {
        return false;
    }

    fflush(NULL);
    ch->pid = fork();

    if (ch->pid == 0) {
        close(fd[0]);
        child_run(c, fd[1]);
    }

    close(fd[1]);
    ch->fd = fd[0];
    ch->c = c;

    if (ch->pid < 0) {
        close(fd[0]);
        return false;
    }

    return true;
}


static void
child_end(child_t *ch)
{
    int          status;
    ssize_t      n;
    case_t      *c = ch->c;
    maas_err_t   err;

    n = read(ch->fd, &err, sizeof(err));
    close(ch->fd);

    while (waitpid(ch->pid, &status, 0) < 0 && errno == EINTR) {
        /* void */
    }

    if (n != sizeof(err)) {
        c->result = CASE_FAILED;
        snprintf(c->text, sizeof(c->text), WIFSIGNALED(status)
                 ? WTERMSIG(status) == SIGALRM ? "it took too long (signal %d)"
                                               : "it died of signal %d"
                 : "it ended with %d", WIFSIGNALED(status)
                 ? WTERMSIG(status) : WEXITSTATUS(status));
        return;
    }

    c->result = err.status == MAAS_OK ? CASE_PASSED
                : err.status == MAAS_EUNSUPPORTED && !c->listed
                  ? CASE_SKIPPED : CASE_FAILED;

    err.text[sizeof(err.text) - 1] = '\0';
    memcpy(c->text, err.status == MAAS_OK ? "" : err.text,
           err.status == MAAS_OK ? 1 : sizeof(c->text));
}


static int
cases_run(cases_t *s, size_t jobs)
{
    size_t         next = 0, live = 0, ended = 0;
    child_t        ch[CONF_JOBS_MAX];
    struct pollfd  p[CONF_JOBS_MAX];

    while (next < s->n || live != 0) {
        while (live < jobs && next < s->n) {
            if (!child_start(&ch[live], &s->v[next])) {
                return cli_fail("fork: %s", strerror(errno));
            }

            next++;
            live++;
        }

        for (size_t i = 0; i < live; i++) {
            p[i] = (struct pollfd) { .fd = ch[i].fd, .events = POLLIN };
        }

        if (poll(p, live, -1) < 0) {
            continue;
        }

        for (size_t i = live; i-- != 0; ) {
            if (p[i].revents != 0) {
                child_end(&ch[i]);
                ch[i] = ch[--live];
                cli_progress_count(++ended, s->n);
            }
        }
    }

    return -1;
}


/* -- reports ------------------------------------------------------------- */

static void
report_json(const cases_t *s, const size_t *count)
{
    maas_buf_t                b;
    static const char *const  words[] = { "passed", "failed", "skipped" };

    maas_buf_init(&b, maas_host_default());
    maas_buf_printf(&b, "{\"passed\":%zu,\"failed\":%zu,\"skipped\":%zu,"
                    "\"cases\":[", count[0], count[1], count[2]);

    for (size_t i = 0; i < s->n; i++) {
        maas_buf_puts(&b, i == 0 ? "\n{\"name\":" : ",\n{\"name\":");
        maas_buf_json(&b, s->v[i].name, strlen(s->v[i].name));
        maas_buf_printf(&b, ",\"result\":\"%s\"", words[s->v[i].result]);

        if (s->v[i].text[0] != '\0') {
            maas_buf_puts(&b, ",\"reason\":");
            maas_buf_json(&b, s->v[i].text, strlen(s->v[i].text));
        }

        maas_buf_puts(&b, "}");
    }

    maas_buf_puts(&b, "\n]}\n");
    fwrite(b.data, 1, b.len, stdout);
    maas_buf_destroy(&b);
}


static maas_status_t
report_list(const cases_t *s, const char *file, maas_err_t *err)
{
    maas_buf_t     b;
    maas_status_t  rc;

    maas_buf_init(&b, maas_host_default());

    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].result == CASE_PASSED) {
            maas_buf_printf(&b, "%s\n", s->v[i].name);
        }
    }

    rc = b.failed ? maas_err_nomem(err) : cli_write(file, b.data, b.len, err);
    maas_buf_destroy(&b);
    return rc;
}


static int
report(const cases_t *s, size_t missing, bool list, bool verbose, bool json)
{
    size_t  count[3] = { 0, missing, 0 }, unlisted = 0;

    for (size_t i = 0; i < s->n; i++) {
        const case_t  *c = &s->v[i];

        count[c->result]++;
        unlisted += list && !c->listed && c->result == CASE_PASSED;

        if (!json && (c->result == CASE_FAILED
                      || (verbose && c->result == CASE_SKIPPED)))
        {
            printf("%s %s: %s\n", c->result == CASE_FAILED ? "FAILED"
                                                           : "skipped",
                   c->name, c->text);
        }
    }

    if (json) {
        report_json(s, count);
    } else {
        printf("%zu passed, %zu failed, %zu skipped\n", count[CASE_PASSED],
               count[CASE_FAILED], count[CASE_SKIPPED]);
    }

    if (unlisted != 0) {
        fflush(stdout);
        fprintf(stderr, "%zu cases pass that the list does not name\n",
                unlisted);
    }

    return count[CASE_FAILED] == 0 ? CLI_OK : CLI_FAILED;
}


static int
conformance(const cli_list_t *dirs, const char *list, const char *made,
    int64_t jobs, bool verbose, bool json)
{
    int         rc;
    size_t      missing = 0;
    cases_t     s = { 0 };
    maas_err_t  err;

    for (size_t i = 0; i < dirs->n; i++) {
        rc = cases_find(&s, dirs->v[i]);
        if (rc != -1) {
            return rc;
        }
    }

    qsort(s.v, s.n, sizeof(*s.v), cases_order);

    if (list != NULL) {
        rc = cases_list(&s, list, &missing);
        if (rc != -1) {
            return rc;
        }
    }

    cli_progress_begin("conformance");
    rc = cases_run(&s, (size_t) maas_min(jobs, CONF_JOBS_MAX));
    cli_progress_end();

    if (rc != -1) {
        return rc;
    }

    rc = report(&s, missing, list != NULL, verbose, json);

    if (made != NULL && report_list(&s, made, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    for (size_t i = 0; i < s.n; i++) {
        free(s.v[i].name);
        free(s.v[i].dir);
    }

    free(s.v);
    return rc;
}


int
cmd_conformance(int argc, char **argv)
{
    int           rc;
    bool          json = false, verbose = false;
    int64_t       jobs = maas_cores();
    const char   *list = NULL, *made = NULL;
    cli_list_t    rest = { 0 };
    cli_option_t  opts[] = {
        { "--list", CLI_TEXT, &list },
        { "--write-list", CLI_TEXT, &made },
        { "--threads", CLI_INT, &jobs },
        { "--verbose", CLI_FLAG, &verbose },
        { "--json", CLI_FLAG, &json },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, conformance_help);
    if (rc != -1) {
        return rc;
    }

    if (rest.n == 0) {
        return cli_usage("which folders?");
    }

    return conformance(&rest, list, made, jobs, verbose, json);
}
