/*
 * cli.h: what the commands of maas share: options, messages, files, models
 * and runs.  A command is a function that gets its own arguments and returns
 * an exit code.
 *
 * Threads: everything here is for the main thread, which hands runs to a
 *          compute team when there is one.
 */

#ifndef MAAS_CLI_H
#define MAAS_CLI_H

#include <semaphore.h>

#include "api/model.h"
#include "base/base.h"
#include "maas.h"


/* Exit codes. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,             /* it was tried and did not work */
    CLI_USAGE = 2               /* the command line is wrong */
};

int cmd_compile(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_conformance(int argc, char **argv);
int cmd_dataset(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_tune(int argc, char **argv);


/* -- options ------------------------------------------------------------- */

typedef enum {
    CLI_FLAG = 0,               /* bool */
    CLI_TEXT,                   /* const char * */
    CLI_INT,                    /* int64_t, at least 1 */
    CLI_FLOAT,                  /* double, above 0 */
    CLI_MANY                    /* cli_list_t */
} cli_kind_t;

typedef struct {
    size_t        n;
    size_t        cap;
    const char  **v;
} cli_list_t;

typedef struct {
    const char  *name;          /* "--output-dir" */
    cli_kind_t   kind;
    void        *value;
} cli_option_t;

/*
 * Takes options out of argv (closed by a row without a name); what is left
 * goes into rest.  -1: go on; else exit with it ("--help" prints help, a
 * mistake names it on stderr).
 */
int cli_options(int argc, char **argv, const cli_option_t *opts,
    cli_list_t *rest, const char *help);

/* "maas COMMAND: text" on stderr; returns CLI_USAGE or CLI_FAILED. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* To stdout, unless memory was refused while it grew; destroys b. */
maas_status_t cli_print(maas_buf_t *b, maas_err_t *err);

/* The command's name, for messages. */
extern const char  *cli_command;


/* -- progress ------------------------------------------------------------ */

/*
 * A line on stderr, when that is a terminal and the work lasts longer than
 * a second; end() wipes it.  The text must outlive it.
 */
void cli_progress_begin(const char *what);
void cli_progress_count(uint64_t n, uint64_t of);
void cli_progress_end(void);


/* -- files --------------------------------------------------------------- */

/* Whole file in memory of its own, aligned to MAAS_ALIGN; free(). */
maas_status_t cli_read(const char *path, void **data, size_t *size,
    maas_err_t *err);
maas_status_t cli_write(const char *path, const void *data, size_t size,
    maas_err_t *err);
bool cli_ends(const char *s, const char *tail);

/* Last component of a path. */
const char *cli_base(const char *path);


/* -- models -------------------------------------------------------------- */

typedef struct {
    maas_model_t  *m;
    const void    *image;       /* the bytes behind m */
    size_t         size;
    bool           mapped;
} cli_model_t;

/*
 * path: an image, a model file, or a folder of versions (the latest).  A
 * model file goes through maas_compile() and an image in memory; apart: in
 * a child process, so that this one's memory is that of running.
 */
maas_status_t cli_model_load(cli_model_t *m, const char *path,
    const char *numerics, bool apart, maas_err_t *err);
void cli_model_free(cli_model_t *m);

/* The model file of a path, as above; name: what to call the model. */
maas_status_t cli_model_path(const char *path, char file[1024],
    char name[MAAS_NAME_MAX + 1], maas_err_t *err);


/* -- runs ---------------------------------------------------------------- */

/*
 * n times, on a team of `threads` (1: on this thread); ns (NULL: not
 * wanted) gets the time of each, until `seconds` (0: no end) have passed and
 * `least` runs are made.  Returns the number of runs that it made in n; the
 * last one in run.  The team stays for the next call, until cli_job_end(),
 * which also releases the run; a job must not move between.
 */
typedef struct {
    maas_model_t         *m;
    const maas_tensor_t  *in;
    int                   threads;
    double                seconds;
    size_t                least;
    uint64_t             *ns;
    size_t                n;
    maas_run_t           *run;
    maas_team_t          *team;
    sem_t                 done;         /* a post for each task of the team */
} cli_job_t;

maas_status_t cli_job_run(cli_job_t *job, maas_err_t *err);
void cli_job_end(cli_job_t *job);


/* -- inputs and outputs -------------------------------------------------- */

/*
 * "NAME=FILE" into in[i]; where the model has one input, FILE alone will do.
 * The memory is never freed: it lives as long as the command.
 */
maas_status_t cli_input(const cli_model_t *m, const char *arg,
    maas_tensor_t *in, maas_err_t *err);

/*
 * Makes every input that is still absent (data NULL) of its declared shape;
 * open dimensions are 1, or what a "NAME=1,3,224,224" of shapes says.
 * Floats are uniform in [-1, 1) by seed, ids below the table that they
 * index, masks 1.
 */
maas_status_t cli_fill(const cli_model_t *m, const cli_list_t *shapes,
    uint64_t seed, maas_tensor_t *in, maas_err_t *err);

/* Time by kernel and of the slowest steps, on stdout. */
maas_status_t cli_profile(const cli_model_t *m, const maas_tensor_t *in,
    size_t runs, int threads, maas_err_t *err);

/*
 * Rates of the compute kernels at every level of this CPU, on stdout;
 * seconds: of each kernel (0: a short while).  An exit code.
 */
int cli_kernels(double seconds, bool json);

/* Index of the input that is called so, or -1. */
int cli_port(const maas_port_t *ports, size_t n, const char *name,
    size_t len);

/* "float32 [N,3,224,224]" */
void cli_port_text(const maas_port_t *p, char *out, size_t n);

/* One value as text, as JSON would have it. */
void cli_put_value(maas_buf_t *b, const maas_tensor_t *t, int64_t i);

#endif
