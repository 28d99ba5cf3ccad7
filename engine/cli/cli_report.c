/*
 * The report of an evaluation: one page with its data, style, script and
 * the plotting library inside, so that it needs nothing but a browser.
 * Tables are written here, charts are drawn by report.js.
 *
 * Every text of the data passes report_text() or, in JSON, data_text().
 */

#define _GNU_SOURCE

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_report.h"


#define REPORT_CHART    "/usr/share/javascript/chart.js/chart.min.js"
#define REPORT_PACKAGE  "libjs-chart.js"
#define REPORT_MATRIX   24      /* classes of a matrix that is shown */
#define REPORT_CLASSES  200     /* rows of the table of classes */
#define REPORT_PAIRS    20      /* most frequent confusions, else */


/* The files beside this one, as bytes. */
#define REPORT_FILE(name, file)                                               \
    __asm__(".pushsection .rodata\n" #name ":\n.incbin \"" file "\"\n"        \
            #name "_end:\n.byte 0\n.popsection\n");                           \
    extern const char  name[] __attribute__((visibility("hidden")));          \
    extern const char  name##_end[] __attribute__((visibility("hidden")))

REPORT_FILE(report_css, "cli/report.css");
REPORT_FILE(report_js, "cli/report.js");


/* -- texts --------------------------------------------------------------- */

static void
report_text(maas_buf_t *b, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (p[i]) {
        case '<':  maas_buf_puts(b, "&lt;"); break;
        case '>':  maas_buf_puts(b, "&gt;"); break;
        case '&':  maas_buf_puts(b, "&amp;"); break;
        case '"':  maas_buf_puts(b, "&quot;"); break;
        case '\'': maas_buf_puts(b, "&#39;"); break;
        default:
            if ((unsigned char) p[i] < 32 || p[i] == 127) {
                maas_buf_puts(b, "&#xfffd;");

            } else {
                maas_buf_add(b, p + i, 1);
            }
        }
    }
}


static void
report_class(maas_buf_t *b, const maas_eval_t *r, int i)
{
    maas_buf_t  name;

    maas_buf_init(&name, b->host);
    maas_eval_class_name(&name, r, i);
    maas_buf_puts(b, "<bdi>");
    report_text(b, name.data, name.len);
    maas_buf_puts(b, "</bdi>");
    b->failed |= name.failed;
    maas_buf_destroy(&name);
}


static void
report_head(maas_buf_t *b, const cli_report_t *spec, const maas_eval_t *r)
{
    char         date[32];
    time_t       now = time(NULL);
    struct tm    tm;
    const char  *title = spec->title != NULL ? spec->title
                         : cli_base(spec->model != NULL ? spec->model
                                                        : spec->data);

    strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &tm));

    maas_buf_puts(b, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                  "<meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\""
                  "default-src 'none'; style-src 'unsafe-inline'; "
                  "script-src 'unsafe-inline'; img-src data:\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, "
                  "initial-scale=1\">\n"
                  "<link rel=\"icon\" href=\"data:,\">\n<title>");
    report_text(b, title, strlen(title));
    maas_buf_puts(b, "</title>\n<style>\n");
    maas_buf_add(b, report_css, (size_t) (report_css_end - report_css));
    maas_buf_puts(b, "</style>\n</head>\n<body>\n<header>\n<h1><bdi>");
    report_text(b, title, strlen(title));
    maas_buf_puts(b, "</bdi></h1>\n<p>");

    if (spec->model != NULL) {
        maas_buf_puts(b, "Model <bdi>");
        report_text(b, spec->model, strlen(spec->model));
        maas_buf_puts(b, "</bdi> on <bdi>");

    } else {
        maas_buf_puts(b, "Predictions <bdi>");
    }

    report_text(b, spec->data, strlen(spec->data));
    maas_buf_printf(b, "</bdi>, %lld rows, %s</p>\n</header>\n",
                    (long long) r->n, date);
}


/* -- tables -------------------------------------------------------------- */

static void
report_tiles(maas_buf_t *b, const maas_eval_t *r)
{
    static const int  tiles[][5] = {
        { MAAS_M_ACCURACY, MAAS_M_F1, MAAS_M_F1_MACRO, MAAS_M_ROC_AUC,
          MAAS_M_ROC_AUC_MACRO },
        { MAAS_M_R2, MAAS_M_RMSE, MAAS_M_MAE, MAAS_M_MEDIAN_AE, -1 },
        { MAAS_M_SILHOUETTE, -1, -1, -1, -1 },
    };

    maas_buf_puts(b, "<div class=\"tiles\">\n");

    for (int i = 0; i < 5; i++) {
        int  m = tiles[r->kind][i];

        if (m >= 0 && r->why[m] == NULL) {
            maas_buf_printf(b, "<div><b>%.4g</b><span>%s</span></div>\n",
                            r->value[m], maas_eval_rows[m].name);
        }
    }

    maas_buf_puts(b, "</div>\n");
}


static void
report_measures(maas_buf_t *b, const maas_eval_t *r)
{
    maas_buf_puts(b, "<h2>Measures</h2>\n<div class=\"scroll\">"
                  "<table class=\"list\"><tbody>\n");

    for (int m = 0; m < MAAS_M_COUNT; m++) {
        const maas_eval_row_t  *row = &maas_eval_rows[m];

        if (r->why[m] != NULL && r->why[m][0] == '\0') {
            continue;
        }

        maas_buf_printf(b, "<tr><td>%s</td><td>", row->name);

        if (r->why[m] == NULL) {
            maas_buf_printf(b, "%.6g", r->value[m]);

        } else {
            maas_buf_puts(b, "-");
        }

        maas_buf_printf(b, "</td><td class=\"why\">%s",
                        r->why[m] != NULL ? r->why[m] : row->about);

        if (m == MAAS_M_TOP_K) {
            maas_buf_printf(b, " (k = %d)", r->top_k);
        }

        maas_buf_puts(b, "</td></tr>\n");
    }

    maas_buf_puts(b, "</tbody></table></div>\n");
}


/* Shades are shares of the row; right ones are bold as well. */
static void
report_matrix(maas_buf_t *b, const maas_eval_t *r)
{
    size_t  k = (size_t) r->n_class;

    maas_buf_puts(b, "<h2>Confusion matrix</h2>\n<p class=\"note\">Rows: "
                  "true class. Columns: predicted class.</p>\n"
                  "<div class=\"scroll\"><table class=\"matrix\" "
                  "id=\"matrix\"><thead><tr><th></th>");

    for (int j = 0; j < r->n_class; j++) {
        maas_buf_puts(b, "<th scope=\"col\">");
        report_class(b, r, j);
        maas_buf_puts(b, "</th>");
    }

    maas_buf_puts(b, "</tr></thead><tbody>\n");

    for (int i = 0; i < r->n_class; i++) {
        double  all = fmax(r->per_class[i].support, 1e-300);

        maas_buf_puts(b, "<tr><th scope=\"row\">");
        report_class(b, r, i);
        maas_buf_puts(b, "</th>");

        for (int j = 0; j < r->n_class; j++) {
            double  v = r->confusion[(size_t) i * k + (size_t) j];

            maas_buf_printf(b, "<td%s style=\"background:rgba(var(--cell),"
                            "%.3f)\">%.6g</td>",
                            i == j ? " class=\"right\"" : "",
                            v == 0 ? 0 : 0.06 + 0.5 * v / all, v);
        }

        maas_buf_puts(b, "</tr>\n");
    }

    maas_buf_puts(b, "</tbody></table></div>\n");
}


typedef struct {
    double  v;
    int     truth, taken;
} report_pair_t;


/* Of many classes, the pairs that are mixed up most. */
static void
report_pairs(maas_buf_t *b, const maas_eval_t *r)
{
    int            n = 0, at;
    size_t         k = (size_t) r->n_class;
    report_pair_t  top[REPORT_PAIRS + 1];

    for (size_t i = 0; i < k * k; i++) {
        if (i / k == i % k || r->confusion[i] == 0) {
            continue;
        }

        for (at = n; at > 0 && top[at - 1].v < r->confusion[i]; at--) {
            top[at] = top[at - 1];
        }

        top[at] = (report_pair_t) { r->confusion[i], (int) (i / k),
                                    (int) (i % k) };
        n = maas_min(n + 1, REPORT_PAIRS);
    }

    maas_buf_printf(b, "<h2>Most frequent confusions</h2>\n"
                    "<p class=\"note\">Of %d classes.</p>\n"
                    "<div class=\"scroll\"><table class=\"list\" id=\"matrix\">"
                    "<thead><tr><th>true</th><th>predicted</th><th>rows</th>"
                    "</tr></thead><tbody>\n", r->n_class);

    for (int i = 0; i < n; i++) {
        maas_buf_puts(b, "<tr><td>");
        report_class(b, r, top[i].truth);
        maas_buf_puts(b, "</td><td>");
        report_class(b, r, top[i].taken);
        maas_buf_printf(b, "</td><td>%.6g</td></tr>\n", top[i].v);
    }

    maas_buf_puts(b, "</tbody></table></div>\n");
}


static void
report_classes(maas_buf_t *b, const maas_eval_t *r)
{
    bool  scores = r->curve != NULL && r->n_curve > 1;

    maas_buf_printf(b, "<h2>Classes</h2>\n<div class=\"scroll\">"
                    "<table class=\"list wide\"><thead><tr><th>class</th>"
                    "<th>precision</th><th>recall</th><th>F1</th>%s"
                    "<th>support</th></tr></thead><tbody>\n",
                    scores ? "<th>ROC AUC</th><th>AP</th>" : "");

    for (int i = 0; i < maas_min(r->n_class, REPORT_CLASSES); i++) {
        const maas_eval_class_t  *c = &r->per_class[i];

        maas_buf_puts(b, "<tr><td>");
        report_class(b, r, i);
        maas_buf_printf(b, "</td><td>%.4f</td><td>%.4f</td><td>%.4f</td>",
                        c->precision, c->recall, c->f1);

        if (scores && isfinite(r->curve[i].auc)) {
            maas_buf_printf(b, "<td>%.4f</td>", r->curve[i].auc);

        } else if (scores) {
            maas_buf_puts(b, "<td>-</td>");
        }

        if (scores) {
            maas_buf_printf(b, "<td>%.4f</td>", r->curve[i].ap);
        }

        maas_buf_printf(b, "<td>%.6g</td></tr>\n", c->support);
    }

    maas_buf_puts(b, "</tbody></table></div>\n");

    if (r->n_class > REPORT_CLASSES) {
        maas_buf_printf(b, "<p class=\"note\">and %d more classes</p>\n",
                        r->n_class - REPORT_CLASSES);
    }
}


static void
report_targets(maas_buf_t *b, const maas_eval_t *r)
{
    maas_buf_puts(b, "<h2>Targets</h2>\n<div class=\"scroll\">"
                  "<table class=\"list wide\"><thead><tr><th>target</th>"
                  "<th>RMSE</th><th>MAE</th><th>median AE</th><th>R&sup2;"
                  "</th></tr></thead><tbody>\n");

    for (int64_t i = 0; i < maas_min(r->n_target, REPORT_CLASSES); i++) {
        const maas_eval_target_t  *t = &r->per_target[i];

        maas_buf_puts(b, "<tr><td><bdi>");

        if (r->target_name != NULL) {
            report_text(b, r->target_name[i].data, r->target_name[i].len);

        } else {
            maas_buf_printf(b, "%lld", (long long) i);
        }

        maas_buf_printf(b, "</bdi></td><td>%.5g</td><td>%.5g</td>"
                        "<td>%.5g</td><td>%.4f</td></tr>\n", t->rmse, t->mae,
                        t->median_ae, t->r2);
    }

    maas_buf_puts(b, "</tbody></table></div>\n");
}


/* -- charts -------------------------------------------------------------- */

static void
report_figure(maas_buf_t *b, const char *id, const char *title)
{
    maas_buf_puts(b, "<figure><figcaption>");
    report_text(b, title, strlen(title));
    maas_buf_printf(b, "</figcaption><div class=\"plot\"><canvas id=\"%s\" "
                    "role=\"img\" aria-label=\"", id);
    report_text(b, title, strlen(title));
    maas_buf_puts(b, "\"></canvas></div></figure>\n");
}


static bool
report_charts(maas_buf_t *b, const cli_report_t *spec, const maas_eval_t *r,
    const report_log_t *log)
{
    char  id[16];
    bool  calibrated = false, curves, points;

    curves = r->curve != NULL && r->micro.roc.n + r->curve[0].roc.n > 0;
    points = r->kind == MAAS_EVAL_NUMBERS && spec->values->score.n != 0;

    if (log->n == 0 && !curves && !points) {
        return false;
    }

    maas_buf_puts(b, "<h2>Curves</h2>\n<div class=\"charts\">\n");

    for (int i = 0; i < log->n; i++) {
        snprintf(id, sizeof(id), "log%d", i);
        report_figure(b, id, log->chart[i].name);
    }

    if (curves) {
        for (int i = 0; i < r->n_curve; i++) {
            calibrated |= r->curve[i].calibration.n > 0;
        }

        report_figure(b, "roc", "ROC curve");
        report_figure(b, "pr", "Precision and recall");

        if (calibrated) {
            report_figure(b, "calibration", "Calibration");
        }
    }

    if (points) {
        report_figure(b, "points", "Predicted against true");
        report_figure(b, "errors", "Errors");
    }

    maas_buf_puts(b, "</div>\n");
    return true;
}


/* The library must be what it should be, and not end its script element. */
static maas_status_t
report_library(maas_buf_t *b, const char *path, maas_err_t *err)
{
    void           *p;
    size_t          n;
    maas_status_t   rc;

    rc = cli_read(path != NULL ? path : REPORT_CHART, &p, &n, err);

    if (rc == MAAS_ENOENT && path == NULL) {
        return maas_err(err, MAAS_ENOENT, "--report draws with Chart.js, "
                        "which is not installed: apt-get install "
                        REPORT_PACKAGE ", or --chart FILE with chart.min.js");
    }

    if (rc != MAAS_OK) {
        return rc;
    }

    if (memmem(p, maas_min(n, (size_t) 1024), "Chart.js v", 10) == NULL
        || memmem(p, n, "</script", 8) != NULL || !maas_utf8_valid(p, n))
    {
        free(p);
        return maas_err(err, MAAS_EINVAL, "%s: not Chart.js (chart.min.js, "
                        "3 or newer)", path != NULL ? path : REPORT_CHART);
    }

    maas_buf_add(b, p, n);
    free(p);
    return MAAS_OK;
}


static maas_status_t
report_page(maas_buf_t *b, const cli_report_t *spec, const maas_eval_t *r,
    const report_log_t *log, maas_err_t *err)
{
    report_head(b, spec, r);
    report_tiles(b, r);

    if (report_charts(b, spec, r, log)) {
        maas_buf_puts(b, "<script type=\"application/json\" id=\"data\">");
        cli_report_data(b, spec, r, log);
        maas_buf_puts(b, "</script>\n<script>\n");
        MAAS_TRY(report_library(b, spec->chart, err));
        maas_buf_puts(b, "\n</script>\n<script>\n");
        maas_buf_add(b, report_js, (size_t) (report_js_end - report_js));
        maas_buf_puts(b, "</script>\n");
    }

    if (r->kind == MAAS_EVAL_CLASSES) {
        if (r->n_class <= REPORT_MATRIX) {
            report_matrix(b, r);

        } else {
            report_pairs(b, r);
        }

        report_classes(b, r);
    }

    if (r->n_target > 1) {
        report_targets(b, r);
    }

    report_measures(b, r);
    maas_buf_puts(b, "</body>\n</html>\n");

    return b->failed ? maas_err_nomem(err) : MAAS_OK;
}


/* Whole under its name, or not at all. */
static maas_status_t
report_write(const maas_buf_t *b, const char *path, maas_err_t *err)
{
    char           tmp[4096];
    maas_status_t  rc;

    if (snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int) getpid())
        >= (int) sizeof(tmp))
    {
        return maas_err(err, MAAS_EINVAL, "--report: the path is too long");
    }

    rc = cli_write(tmp, b->data, b->len, err);

    if (rc == MAAS_OK && rename(tmp, path) != 0) {
        rc = maas_err(err, MAAS_EIO, "%s: %s", path, strerror(errno));
    }

    if (rc != MAAS_OK) {
        (void) unlink(tmp);
    }

    return rc;
}


maas_status_t
cli_report(const cli_report_t *spec, const maas_eval_t *r, const char *path,
    maas_err_t *err)
{
    maas_buf_t      b;
    report_log_t   *log;
    maas_status_t   rc = MAAS_OK;

    log = calloc(1, sizeof(*log));
    if (log == NULL) {
        return maas_err_nomem(err);
    }

    maas_arena_init(&log->mem, maas_host_default(), 0);
    maas_buf_init(&b, maas_host_default());

    if (spec->log != NULL) {
        rc = cli_report_log(log, spec->log, err);
    }

    if (rc == MAAS_OK) {
        rc = report_page(&b, spec, r, log, err);
    }

    if (rc == MAAS_OK) {
        rc = report_write(&b, path, err);
    }

    maas_buf_destroy(&b);
    maas_arena_destroy(&log->mem);
    free(log);
    return rc;
}
