/*
 * Models for commands that run one: an image file is mapped as a worker
 * maps it; a model file is compiled into an image in memory, which is then
 * opened the same way.  There is no second loader.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "formats/model_image.h"


maas_status_t
cli_model_path(const char *path, char file[1024],
    char name[MAAS_NAME_MAX + 1], maas_err_t *err)
{
    char             real[4096], *dot;
    size_t           n;
    maas_sources_t   s;

    MAAS_TRY(maas_sources_list(&s, path, "exact", err));

    snprintf(file, 1024, "%s", s.version[s.n - 1].path);
    maas_sources_free(&s);

    if (realpath(path, real) == NULL) {
        snprintf(real, sizeof(real), "%s", path);
    }

    /* models/digits/model.onnx is called digits */
    if (strcmp(cli_base(real), "model.onnx") == 0 && strlen(real) > 11) {
        real[strlen(real) - 11] = '\0';
    }

    n = strlen(cli_base(real));
    snprintf(name, MAAS_NAME_MAX + 1, "%.*s",
             (int) maas_min(n, (size_t) MAAS_NAME_MAX), cli_base(real));

    dot = strrchr(name, '.');
    if (dot != NULL && dot != name) {
        *dot = '\0';
    }

    return MAAS_OK;
}


static maas_status_t
model_map(cli_model_t *m, int fd, const char *path, maas_err_t *err)
{
    struct stat  st;

    MAAS_TRY(maas_model_map(&m->m, fd, NULL, err));

    if (fstat(fd, &st) != 0) {
        return maas_err(err, MAAS_EIO, "%s: %s", path, strerror(errno));
    }

    m->size = (size_t) st.st_size;
    m->image = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);

    if (m->image == MAP_FAILED) {
        m->image = NULL;
        return maas_err(err, MAAS_EIO, "%s: %s", path, strerror(errno));
    }

    m->mapped = true;
    return MAAS_OK;
}


/* The child writes the image, or the error's text; both through files. */
static void
model_child(const maas_compile_t *spec, int image, int text)
{
    void        *p;
    size_t       n;
    maas_err_t   err;

    err.text[0] = '\0';

    if (maas_compile(spec, &p, &n, &err) != MAAS_OK) {
        (void) !write(text, &err, sizeof(err));
        _exit(CLI_FAILED);
    }

    for (size_t at = 0; at < n; ) {
        ssize_t  w = write(image, (char *) p + at, n - at);

        if (w <= 0) {
            _exit(CLI_FAILED);
        }

        at += (size_t) w;
    }

    _exit(CLI_OK);
}


static maas_status_t
model_apart(cli_model_t *m, const maas_compile_t *spec, maas_err_t *err)
{
    int            status, image, text;
    pid_t          pid;
    maas_err_t     child;
    maas_status_t  rc;

    image = memfd_create("image", MFD_CLOEXEC);
    text = memfd_create("error", MFD_CLOEXEC);

    if (image < 0 || text < 0) {
        return maas_err(err, MAAS_EIO, "memfd_create: %s", strerror(errno));
    }

    fflush(NULL);
    pid = fork();

    if (pid == 0) {
        model_child(spec, image, text);
    }

    if (pid < 0) {
        return maas_err(err, MAAS_EIO, "fork: %s", strerror(errno));
    }

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        /* void */
    }

    if (status == 0) {
        rc = model_map(m, image, spec->path, err);

    } else if (pread(text, &child, sizeof(child), 0) == sizeof(child)) {
        rc = maas_err(err, child.status, "%s", child.text);

    } else {
        rc = maas_err(err, MAAS_EINTERNAL, "the compiler died (%s %d)",
                      WIFSIGNALED(status) ? "signal" : "exit",
                      WIFSIGNALED(status) ? WTERMSIG(status)
                                          : WEXITSTATUS(status));
    }

    close(image);
    close(text);
    return rc;
}


static maas_status_t
model_compile(cli_model_t *m, const char *path, const char *numerics,
    bool apart, maas_err_t *err)
{
    char            file[1024], name[MAAS_NAME_MAX + 1];
    void           *image;
    maas_status_t   rc;
    maas_compile_t  spec = { .path = file, .name = name,
                             .numerics = numerics };

    MAAS_TRY(cli_model_path(path, file, name, err));

    spec.passes_off = getenv("MAAS_PASSES_OFF");
    cli_progress_begin("compiling");

    if (apart) {
        rc = model_apart(m, &spec, err);
        cli_progress_end();
        return rc;
    }

    rc = maas_compile(&spec, &image, &m->size, err);
    cli_progress_end();

    if (rc != MAAS_OK) {
        return rc;
    }

    m->image = image;
    return maas_model_open(&m->m, image, m->size, NULL, err);
}


maas_status_t
cli_model_load(cli_model_t *m, const char *path, const char *numerics,
    bool apart, maas_err_t *err)
{
    int            fd;
    char           magic[8] = "";
    struct stat    st;
    maas_status_t  rc;

    memset(m, 0, sizeof(*m));

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return maas_err(err, errno == ENOENT ? MAAS_ENOENT : MAAS_EIO,
                        "%s: %s", path, strerror(errno));
    }

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
        && pread(fd, magic, 8, 0) == 8
        && memcmp(magic, MAAS_IMAGE_MAGIC, 8) == 0)
    {
        rc = model_map(m, fd, path, err);
        if (rc != MAAS_OK) {
            (void) maas_err_prefix(err, "%s", path);
        }

    } else {
        rc = model_compile(m, path, numerics, apart, err);
    }

    close(fd);

    if (rc != MAAS_OK) {
        cli_model_free(m);
    }

    return rc;
}


void
cli_model_free(cli_model_t *m)
{
    if (m->m != NULL) {
        maas_model_release(m->m);
    }

    if (m->image != NULL && m->mapped) {
        munmap((void *) m->image, m->size);

    } else if (m->image != NULL) {
        maas_image_free((void *) m->image);
    }

    memset(m, 0, sizeof(*m));
}


/* -- runs ---------------------------------------------------------------- */

typedef struct {
    maas_task_t    task;
    cli_job_t     *job;
    maas_err_t    *err;
    maas_status_t  rc;
} job_task_t;


static maas_status_t
job_loop(cli_job_t *job, maas_team_t *team, maas_err_t *err)
{
    size_t    n = job->n;
    uint64_t  t, now, start;

    start = maas_now_ns();

    for (job->n = 0; job->n < n; job->n++) {
        maas_run_release(job->run);
        job->run = NULL;

        t = maas_now_ns();
        MAAS_TRY(maas_model_run(job->m, job->in, team, NULL, &job->run, err));
        now = maas_now_ns();

        if (job->ns != NULL) {
            job->ns[job->n] = now - t;
        }

        if (job->seconds > 0 && job->n + 1 >= job->least
            && (double) (now - start) > job->seconds * 1e9)
        {
            job->n++;
            break;
        }
    }

    return MAAS_OK;
}


static void
job_run(maas_task_t *t, maas_team_t *team)
{
    job_task_t  *task = (job_task_t *) t;

    task->rc = job_loop(task->job, team, task->err);
}


static void
job_notify(void *ctx)
{
    sem_post(ctx);
}


maas_status_t
cli_job_run(cli_job_t *job, maas_err_t *err)
{
    job_task_t  task;

    if (job->threads <= 1) {
        return job_loop(job, NULL, err);
    }

    if (job->team == NULL) {
        sem_init(&job->done, 0, 0);
        job->team = maas_team_create(maas_host_default(), job->threads,
                                     job_notify, &job->done);
        if (job->team == NULL) {
            return maas_err(err, MAAS_ENOMEM, "cannot make %d threads",
                            job->threads);
        }
    }

    memset(&task, 0, sizeof(task));
    task.task.run = job_run;
    task.job = job;
    task.err = err;

    maas_team_submit(job->team, &task.task);

    while (sem_wait(&job->done) != 0 || maas_team_reap(job->team) == NULL) {
        /* void */
    }

    return task.rc;
}


void
cli_job_end(cli_job_t *job)
{
    if (job->team != NULL) {
        maas_team_destroy(job->team);
        job->team = NULL;
    }

    maas_run_release(job->run);
    job->run = NULL;
}
