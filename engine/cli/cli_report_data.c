/*
 * The data behind the charts of a report: curves thinned to what a chart
 * can show, points and errors of numbers, the log of a training.
 *
 * Ownership: lines lie in the log's arena; the text is the caller's.
 * Threads:   the main thread.
 */

#define _GNU_SOURCE

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_report.h"


#define DATA_POINTS  1500       /* of a scatter chart */
#define DATA_BINS    30
#define DATA_LOG     200000     /* lines of a log */


/* -- a log --------------------------------------------------------------- */

/* "validation_loss" -> "loss"; which: is it of the validation? */
static const char *
log_base(const char *key, int *which)
{
    static const char *const  prefix[] = { "validation_", "val_", "train_",
                                           "training_" };

    for (size_t i = 0; i < maas_nelts(prefix); i++) {
        size_t  n = strlen(prefix[i]);

        if (strncmp(key, prefix[i], n) == 0 && key[n] != '\0') {
            *which = i < 2;
            return key + n;
        }
    }

    *which = 0;
    return key;
}


static bool
log_skipped(const char *key)
{
    static const char *const  skip[] = { "epoch", "step", "time", "seconds",
                                         "eta", "left", "batch", "batches",
                                         "samples_per_second" };

    for (size_t i = 0; i < maas_nelts(skip); i++) {
        if (strcmp(key, skip[i]) == 0) {
            return true;
        }
    }

    return false;
}


static report_chart_t *
log_chart(report_log_t *log, const char *name)
{
    for (int i = 0; i < log->n; i++) {
        if (strcmp(log->chart[i].name, name) == 0) {
            return &log->chart[i];
        }
    }

    if (log->n == REPORT_CHARTS || strlen(name) >= 64) {
        return NULL;
    }

    snprintf(log->chart[log->n].name, 64, "%s", name);
    return &log->chart[log->n++];
}


static maas_status_t
log_point(report_log_t *log, const char *key, double x, double y, size_t max,
    maas_err_t *err)
{
    int              which;
    report_line_t   *l;
    report_chart_t  *c = log_chart(log, log_base(key, &which));

    if (c == NULL || strlen(key) >= sizeof(l->name)) {
        return MAAS_OK;
    }

    l = &c->line[which];

    if (l->x == NULL) {
        snprintf(l->name, sizeof(l->name), "%s", key);
        l->x = maas_arena_array(&log->mem, max, sizeof(double));
        l->y = maas_arena_array(&log->mem, max, sizeof(double));

        if (l->x == NULL || l->y == NULL) {
            return maas_err_nomem(err);
        }
    }

    if (l->n < max) {
        l->x[l->n] = x;
        l->y[l->n++] = y;
    }

    return MAAS_OK;
}


static maas_status_t
log_line(report_log_t *log, json_t *o, size_t max, maas_err_t *err)
{
    json_t         *v, *at;
    const char     *key;
    maas_status_t   rc = MAAS_OK;

    at = json_object_get(o, "epoch");

    if (!json_is_number(at)) {
        at = json_object_get(o, "step");
        snprintf(log->step, sizeof(log->step), "step");
    }

    if (!json_is_number(at)) {
        return MAAS_OK;
    }

    json_object_foreach(o, key, v) {
        if (rc == MAAS_OK && json_is_number(v) && !log_skipped(key)
            && isfinite(json_number_value(v)))
        {
            rc = log_point(log, key, json_number_value(at),
                           json_number_value(v), max, err);
        }
    }

    return rc;
}


maas_status_t
cli_report_log(report_log_t *log, const char *path, maas_err_t *err)
{
    void           *p;
    char           *at, *end, *eol;
    size_t          n, lines = 1, number = 0;
    json_t         *o;
    json_error_t    bad;
    maas_status_t   rc = MAAS_OK;

    snprintf(log->step, sizeof(log->step), "epoch");
    MAAS_TRY(cli_read(path, &p, &n, err));

    at = p;
    end = at + n;

    for (size_t i = 0; i < n; i++) {
        lines += at[i] == '\n';
    }

    lines = maas_min(lines, (size_t) DATA_LOG);

    for ( ; at < end && rc == MAAS_OK; at = eol + 1) {
        eol = memchr(at, '\n', (size_t) (end - at));
        eol = eol != NULL ? eol : end;
        number++;

        if (strspn(at, " \t\r\n") >= (size_t) (eol - at)) {
            continue;
        }

        o = json_loadb(at, (size_t) (eol - at), 0, &bad);

        if (o == NULL) {
            rc = maas_err(err, MAAS_EINVAL, "%s, line %zu: %s", path, number,
                          bad.text);
            break;
        }

        rc = log_line(log, o, lines, err);
        json_decref(o);
    }

    free(p);

    if (rc == MAAS_OK && log->n == 0) {
        rc = maas_err(err, MAAS_EINVAL, "%s: no line has an epoch with a "
                      "number beside it", path);
    }

    return rc;
}


/* -- JSON ---------------------------------------------------------------- */

/* Inside a script element no "</script" or "<!--" may stand. */
static void
data_text(maas_buf_t *b, const char *p, size_t n)
{
    char    *s;
    size_t   i, from = b->len;

    maas_buf_json(b, p, n);

    for (i = from; !b->failed && i < b->len; i++) {
        if (b->data[i] != '<') {
            continue;
        }

        if (maas_buf_reserve(b, 5) == NULL) {
            return;
        }

        s = b->data + i;
        memmove(s + 6, s + 1, b->len - i - 1);
        memcpy(s, "\\u003c", 6);
        b->len += 5;
        i += 5;
    }
}


static void
data_number(maas_buf_t *b, double v)
{
    if (isfinite(v)) {
        maas_buf_printf(b, "%.7g", v);

    } else {
        maas_buf_puts(b, "null");
    }
}


static void
data_array(maas_buf_t *b, const char *name, const double *v,
    const size_t *index, size_t n)
{
    maas_buf_printf(b, "\"%s\":[", name);

    for (size_t i = 0; i < n; i++) {
        maas_buf_puts(b, i == 0 ? "" : ",");
        data_number(b, v[index != NULL ? index[i] : i]);
    }

    maas_buf_puts(b, "]");
}


/* Points that are a part in REPORT_POINTS of both axes apart, and the ends. */
static size_t
data_thin(const double *x, const double *y, size_t n, size_t *index)
{
    double  dx = 0, dy = 0, low[2] = { INFINITY, INFINITY };
    double  high[2] = { -INFINITY, -INFINITY };
    size_t  k = 0;

    for (size_t i = 0; i < n; i++) {
        low[0] = fmin(low[0], x[i]);
        low[1] = fmin(low[1], y[i]);
        high[0] = fmax(high[0], x[i]);
        high[1] = fmax(high[1], y[i]);
    }

    dx = (high[0] - low[0]) / REPORT_POINTS;
    dy = (high[1] - low[1]) / REPORT_POINTS;

    for (size_t i = 0; i < n; i++) {
        if (n <= REPORT_POINTS || i == 0 || i + 1 == n
            || fabs(x[i] - x[index[k - 1]]) > dx
            || fabs(y[i] - y[index[k - 1]]) > dy)
        {
            index[k++] = i;
        }
    }

    return k;
}


static void
data_line(maas_buf_t *b, const double *x, const double *y, size_t n)
{
    size_t  k, *index = calloc(n + 1, sizeof(*index));

    if (index == NULL) {
        b->failed = true;
        return;
    }

    k = data_thin(x, y, n, index);
    data_array(b, "x", x, index, k);
    maas_buf_puts(b, ",");
    data_array(b, "y", y, index, k);
    free(index);
}


static void
data_curve(maas_buf_t *b, const maas_eval_curve_t *c, const char *name,
    size_t len, bool micro)
{
    maas_buf_puts(b, "{\"name\":");
    data_text(b, name, len);
    maas_buf_puts(b, ",\"auc\":");
    data_number(b, c->auc);
    maas_buf_puts(b, ",\"ap\":");
    data_number(b, c->ap);
    maas_buf_printf(b, ",\"micro\":%s,\"roc\":{", micro ? "true" : "false");
    data_line(b, c->roc.x, c->roc.y, c->roc.n);
    maas_buf_puts(b, "},\"pr\":{");
    data_line(b, c->pr.x, c->pr.y, c->pr.n);
    maas_buf_puts(b, "}");

    if (c->calibration.n > 0) {
        maas_buf_puts(b, ",\"calibration\":{");
        data_line(b, c->calibration.x, c->calibration.y, c->calibration.n);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "}");
}


static void
data_curves(maas_buf_t *b, const maas_eval_t *r)
{
    int         n = 0;
    maas_buf_t  name;

    maas_buf_init(&name, b->host);
    maas_buf_puts(b, ",\"curves\":[");

    for (int i = 0; i < r->n_curve; i++) {
        if (r->curve[i].roc.n == 0) {
            continue;
        }

        name.len = 0;
        maas_eval_class_name(&name, r, r->n_curve == 1 ? r->positive : i);
        maas_buf_puts(b, n++ == 0 ? "" : ",");
        data_curve(b, &r->curve[i], name.data, name.len, false);
    }

    if (r->micro.roc.n > 0) {
        maas_buf_puts(b, n++ == 0 ? "" : ",");
        data_curve(b, &r->micro, "all classes (micro)", 19, true);
    }

    maas_buf_puts(b, "]");
    b->failed |= name.failed;
    maas_buf_destroy(&name);
}


/* Errors in bins of equal width from the least to the largest. */
static void
data_errors(maas_buf_t *b, const cli_eval_t *e, double low, double high)
{
    double   mid[DATA_BINS], rows[DATA_BINS] = { 0 };
    double   step = (high - low) / DATA_BINS;
    int64_t  m = e->truth.width;

    for (int64_t i = 0; i < e->truth.n; i++) {
        double  d = e->score.number[i * m] - e->truth.number[i * m];
        int     k = step > 0 ? (int) ((d - low) / step) : 0;

        rows[maas_max(0, maas_min(k, DATA_BINS - 1))]++;
    }

    for (int k = 0; k < DATA_BINS; k++) {
        mid[k] = low + (k + 0.5) * step;
    }

    data_array(b, "bins", mid, NULL, step > 0 ? DATA_BINS : 1);
    maas_buf_puts(b, ",");
    data_array(b, "rows", rows, NULL, step > 0 ? DATA_BINS : 1);
}


static void
data_points(maas_buf_t *b, const cli_eval_t *e, const maas_eval_t *r)
{
    double      low = INFINITY, high = -INFINITY, least = INFINITY;
    double      most = -INFINITY;
    size_t      n = 0, *index;
    int64_t     m = e->truth.width, every;
    maas_str_t  name = { "rows", 4 };

    if (r->target_name != NULL) {
        name = r->target_name[0];
    }

    every = (e->truth.n + DATA_POINTS - 1) / DATA_POINTS;
    index = calloc(DATA_POINTS + 1, sizeof(*index));
    if (index == NULL) {
        b->failed = true;
        return;
    }

    for (int64_t i = 0; i < e->truth.n; i++) {
        double  y = e->truth.number[i * m], p = e->score.number[i * m];

        low = fmin(low, fmin(y, p));
        high = fmax(high, fmax(y, p));
        least = fmin(least, p - y);
        most = fmax(most, p - y);

        if (i % every == 0) {
            index[n++] = (size_t) (i * m);
        }
    }

    maas_buf_puts(b, ",\"points\":{\"name\":");
    data_text(b, name.data, name.len);
    maas_buf_puts(b, ",\"low\":");
    data_number(b, low);
    maas_buf_puts(b, ",\"high\":");
    data_number(b, high);
    maas_buf_puts(b, ",");
    data_array(b, "y", e->truth.number, index, n);
    maas_buf_puts(b, ",");
    data_array(b, "predicted", e->score.number, index, n);
    maas_buf_puts(b, ",");
    data_errors(b, e, least, most);
    maas_buf_puts(b, "}");
    free(index);
}


static void
data_log(maas_buf_t *b, const report_log_t *log)
{
    maas_buf_puts(b, ",\"step\":");
    data_text(b, log->step, strlen(log->step));
    maas_buf_puts(b, ",\"log\":[");

    for (int i = 0; i < log->n; i++) {
        int                    n = 0;
        const report_chart_t  *c = &log->chart[i];

        maas_buf_puts(b, i == 0 ? "{\"name\":" : ",{\"name\":");
        data_text(b, c->name, strlen(c->name));
        maas_buf_puts(b, ",\"lines\":[");

        for (int k = 0; k < REPORT_LINES; k++) {
            const report_line_t  *l = &c->line[k];

            if (l->n == 0) {
                continue;
            }

            maas_buf_puts(b, n++ == 0 ? "{\"name\":" : ",{\"name\":");
            data_text(b, l->name, strlen(l->name));
            maas_buf_puts(b, ",");
            data_line(b, l->x, l->y, l->n);
            maas_buf_puts(b, "}");
        }

        maas_buf_puts(b, "]}");
    }

    maas_buf_puts(b, "]");
}


void
cli_report_data(maas_buf_t *b, const cli_report_t *spec,
    const maas_eval_t *r, const report_log_t *log)
{
    maas_buf_puts(b, "{\"rows\":");
    data_number(b, (double) r->n);

    if (r->curve != NULL && r->micro.roc.n + r->curve[0].roc.n > 0) {
        data_curves(b, r);
    }

    if (r->kind == MAAS_EVAL_NUMBERS && spec->values->score.n != 0) {
        data_points(b, spec->values, r);
    }

    if (log->n > 0) {
        data_log(b, log);
    }

    maas_buf_puts(b, "}");
}
