/*
 * cli_report.h: between the files of the report.
 *
 * Ownership: a log owns its arena; a report's bytes are the caller's.
 * Threads:   the main thread.
 */

#ifndef MAAS_CLI_REPORT_H
#define MAAS_CLI_REPORT_H

#include "cli/cli_eval.h"


/* One chart of a training: a measure, with that of the validation. */
#define REPORT_LINES   2
#define REPORT_CHARTS  12
#define REPORT_POINTS  400      /* of a line, about */

typedef struct {
    char     name[64];
    size_t   n;
    double  *x, *y;
} report_line_t;

typedef struct {
    char           name[64];
    report_line_t  line[REPORT_LINES];
} report_chart_t;

typedef struct {
    maas_arena_t    mem;
    char            step[32];   /* "epoch" */
    int             n;
    report_chart_t  chart[REPORT_CHARTS];
} report_log_t;

/* Lines of JSON with a member "epoch" or "step"; others are passed over. */
maas_status_t cli_report_log(report_log_t *log, const char *path,
    maas_err_t *err);

/* What report.js reads: an object, safe inside a script element. */
void cli_report_data(maas_buf_t *b, const cli_report_t *spec,
    const maas_eval_t *r, const report_log_t *log);

#endif
