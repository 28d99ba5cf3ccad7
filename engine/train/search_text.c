/*
 * search_text: the trials of a search as a table and as JSON.
 *
 * Threads: reentrant.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "train/search.h"


#define TEXT_FLAGS  (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6))
#define JSON_FLAGS  (JSON_COMPACT | JSON_ENCODE_ANY)


static void
text_dump(maas_buf_t *b, const json_t *v, size_t flags, int wide)
{
    char  *text = json_dumps(v, flags);

    if (text == NULL) {
        b->failed = true;
        return;
    }

    maas_buf_printf(b, "%-*s", wide, text);
    free(text);
}


static void
text_number(maas_buf_t *b, double v)
{
    char  text[MAAS_NUM_TEXT];

    if (!isfinite(v)) {
        maas_buf_puts(b, "null");
        return;
    }

    maas_buf_add(b, text, (size_t) (maas_num_put_f64(text, v) - text));
}


/* Widths of the columns of values. */
static int *
text_widths(const maas_search_t *r)
{
    int         *wide, n = 0;
    char        *text;
    json_t      *v;
    const char  *path;

    wide = calloc(json_object_size(r->trial[0].values) + 1, sizeof(*wide));
    if (wide == NULL) {
        return NULL;
    }

    for (int i = 0; i < r->n; i++) {
        n = 0;

        json_object_foreach(r->trial[i].values, path, v) {
            text = json_dumps(v, TEXT_FLAGS);
            wide[n] = maas_max(wide[n], (int) strlen(path) + 2);
            wide[n] = maas_max(wide[n], text != NULL
                               ? maas_min((int) strlen(text), 60) + 2 : 0);
            n++;
            free(text);
        }
    }

    return wide;
}


static int
text_column(const char *name)
{
    return maas_max(12, (int) strlen(name) + 2);
}


static void
text_trim(maas_buf_t *b)
{
    while (!b->failed && b->len > 0 && b->data[b->len - 1] == ' ') {
        b->len--;
    }
}


static void
text_trial(maas_buf_t *b, const maas_search_t *r,
    const maas_search_trial_t *t, const int *wide)
{
    json_t      *v;
    const char  *path;

    maas_buf_printf(b, "%-7d", t->trial);

    if (r->resource != NULL) {
        maas_buf_printf(b, "%-*.6g", text_column(r->resource), t->resource);
    }

    if (isnan(t->score)) {
        maas_buf_printf(b, "%-*s", text_column(r->metric), "-");

    } else {
        maas_buf_printf(b, "%-*.6g", text_column(r->metric), t->score);
    }

    if (r->folds > 0) {
        maas_buf_printf(b, "%-12.4g", t->std);
    }

    maas_buf_printf(b, "%-10.3g", t->seconds);

    json_object_foreach(t->values, path, v) {
        text_dump(b, v, TEXT_FLAGS, *wide++);
    }

    text_trim(b);

    if (t->error != NULL) {
        maas_buf_printf(b, "\n       failed: %s", t->error);
    }

    maas_buf_puts(b, "\n");
}


void
maas_search_text(maas_buf_t *b, const maas_search_t *r)
{
    int         *wide, n = 0;
    json_t      *v;
    const char  *path;

    if (r->n == 0) {
        return;
    }

    wide = text_widths(r);
    if (wide == NULL) {
        b->failed = true;
        return;
    }

    maas_buf_printf(b, "%-7s", "trial");

    if (r->resource != NULL) {
        maas_buf_printf(b, "%-*s", text_column(r->resource), r->resource);
    }

    maas_buf_printf(b, "%-*s%s%-10s", text_column(r->metric), r->metric,
                    r->folds > 0 ? "std         " : "", "seconds");

    json_object_foreach(r->trial[0].values, path, v) {
        maas_buf_printf(b, "%-*s", wide[n++], path);
    }

    text_trim(b);
    maas_buf_puts(b, "\n");

    for (int i = 0; i < r->n; i++) {
        text_trial(b, r, &r->trial[i], wide);
    }

    free(wide);
}


void
maas_search_trial_json(maas_buf_t *b, const maas_search_t *r,
    const maas_search_trial_t *t)
{
    maas_buf_printf(b, "{\"trial\":%d,\"values\":", t->trial);
    text_dump(b, t->values, JSON_FLAGS, 0);

    if (r->resource != NULL) {
        maas_buf_printf(b, ",\"rung\":%d,\"resource\":", t->rung);
        text_number(b, t->resource);
    }

    maas_buf_puts(b, ",\"score\":");
    text_number(b, t->score);

    if (t->error != NULL) {
        maas_buf_puts(b, ",\"error\":");
        maas_buf_json(b, t->error, strlen(t->error));

    } else if (r->folds > 0) {
        maas_buf_puts(b, ",\"std\":");
        text_number(b, t->std);
        maas_buf_puts(b, ",\"folds\":[");

        for (int i = 0; i < r->folds; i++) {
            maas_buf_puts(b, i == 0 ? "" : ",");
            text_number(b, t->fold[i]);
        }

        maas_buf_puts(b, "]");
    }

    maas_buf_printf(b, ",\"seconds\":%.3f}", t->seconds);
}


void
maas_search_json(maas_buf_t *b, const maas_search_t *r)
{
    static const char *const  type[] = { "grid", "random", "halving" };

    maas_buf_printf(b, "{\"type\":\"%s\",\"metric\":", type[r->type]);
    maas_buf_json(b, r->metric, strlen(r->metric));
    maas_buf_printf(b, ",\"goal\":\"%s\",\"folds\":%d,\"seed\":%llu",
                    r->less ? "min" : "max", r->folds,
                    (unsigned long long) r->seed);

    if (r->resource != NULL) {
        maas_buf_puts(b, ",\"resource\":");
        maas_buf_json(b, r->resource, strlen(r->resource));
    }

    maas_buf_puts(b, ",\"trials\":[");

    for (int i = 0; i < r->n; i++) {
        maas_buf_puts(b, i == 0 ? "" : ",");
        maas_search_trial_json(b, r, &r->trial[i]);
    }

    maas_buf_puts(b, "],\"best\":");

    if (r->best != NULL) {
        text_dump(b, r->best, JSON_FLAGS, 0);

    } else {
        maas_buf_puts(b, "null");
    }

    maas_buf_puts(b, "}");
}
