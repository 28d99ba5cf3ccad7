/*
 * cli_eval.h: the parts of maas evaluate: truth and predictions from files
 * or from a model that is run, classes by name, a result, a report.
 *
 * Ownership: everything lies in the arena of the cli_eval_t.
 * Threads:   the main thread; rows of a model are run on a team.
 */

#ifndef MAAS_CLI_EVAL_H
#define MAAS_CLI_EVAL_H

#include "cli/cli.h"
#include "train/evaluate.h"


/* n rows of numbers, or of texts; n 0: absent. */
typedef struct {
    int64_t      n;
    int64_t      width;         /* numbers a row */
    double      *number;
    maas_str_t  *text;
    bool         integer;       /* whole numbers by type */
    const char  *what;          /* for messages: a file, a column */
} cli_values_t;

typedef struct {
    maas_arena_t    mem;
    int             task;       /* maas_eval_kind_t; -1: by what there is */
    cli_values_t    truth;
    cli_values_t    label;      /* predicted classes or clusters */
    cli_values_t    score;      /* predicted numbers of each row */
    cli_values_t    x;          /* of clusters */
    cli_values_t    weight;
    bool            logits;     /* scores are to become probabilities */
    maas_str_t     *class_name;     /* as given or known of the model */
    int             n_class;        /* 0: by what there is */
    maas_str_t     *target_name;
    const char     *positive;       /* NULL: the last of two classes */
    int             top_k;
    int             bins;
    int             max_curves;
} cli_eval_t;

/* A .npy file as rows along its first axis. */
maas_status_t cli_eval_npy(cli_eval_t *e, const char *path, cli_values_t *v,
    maas_err_t *err);

/* Lines of a file as names of the classes. */
maas_status_t cli_eval_names(cli_eval_t *e, const char *path,
    maas_err_t *err);

/* Element i of a tensor of numbers, wherever it lies. */
double cli_eval_element(const maas_tensor_t *t, int64_t i);

/* Finds out the task and the classes, fills a job and evaluates it. */
maas_status_t cli_eval_result(cli_eval_t *e, maas_eval_t *r,
    maas_err_t *err);


/*
 * Where rows of a model's inputs come from.  fill() sets data of t (malloc;
 * freed by the caller) to rows first, first + 1, ...; dtype and dims of t
 * are those of the input, dims[0] the number of rows.  Any thread.
 */
typedef struct {
    int64_t         n;
    maas_status_t (*fill)(void *ctx, size_t input, int64_t first,
        maas_tensor_t *t, maas_err_t *err);
    void           *ctx;
} cli_rows_t;

typedef struct {
    const cli_model_t  *m;
    const cli_rows_t   *rows;
    const char         *output;     /* scores; NULL: by name and type */
    int64_t             batch;      /* rows of a run; 0: by their size */
    int                 threads;
} cli_eval_run_t;

/* Runs the model over all rows; sets label, score, classes, logits of e. */
maas_status_t cli_eval_model(cli_eval_t *e, const cli_eval_run_t *run,
    maas_err_t *err);

/* Rows of one array: of the model's only input. */
maas_status_t cli_eval_rows_npy(cli_rows_t *rows, const cli_model_t *m,
    cli_eval_t *e, const char *path, maas_err_t *err);


/*
 * Rows of a dataset, or of what becomes one (CSV, JSON, npz, a folder of
 * images; in a file without a name).  Columns are inputs by name, or side by
 * side where the model has one input of numbers.
 */
typedef struct {
    const char  *path;
    const char  *target;        /* "a" or "a,b"; NULL: label, target, class */
    const char  *features;      /* "a,b"; NULL: as the model names them, or
                                   all others in order */
    const char  *weight;        /* a column, NULL: none */
    bool         no_target;     /* the truth comes from elsewhere */
} cli_table_spec_t;

typedef struct cli_table_s  cli_table_t;

maas_status_t cli_table_open(cli_table_t **t, cli_eval_t *e,
    const cli_table_spec_t *spec, maas_err_t *err);
void cli_table_close(cli_table_t *t);

/* Rows that have a truth; those without are left out and counted. */
maas_status_t cli_table_rows(cli_table_t *t, const cli_model_t *m,
    cli_rows_t *rows, int64_t *left_out, maas_err_t *err);

/* Truth, weights and, for clusters, rows; after the model's classes. */
maas_status_t cli_table_truth(cli_table_t *t, maas_err_t *err);


/*
 * One page with everything inside: curves, tables, and the plotting library,
 * whose file is at chart.  log: lines of JSON of a training; NULL: none.
 */
typedef struct {
    const char  *title;
    const char  *model;         /* NULL: predictions of a file */
    const char  *data;
    const char  *log;
    const char  *chart;         /* NULL: where Debian has it */
    const cli_eval_t  *values;  /* what was evaluated */
} cli_report_t;

maas_status_t cli_report(const cli_report_t *spec, const maas_eval_t *r,
    const char *path, maas_err_t *err);

#endif
