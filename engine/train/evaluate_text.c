/*
 * evaluate_text: a result as members of a JSON object, and as a table for
 * people.  Numbers have 17 digits in JSON, so that they can be compared.
 *
 * Threads: reentrant.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/evaluate.h"


#define TEXT_NAME     28        /* columns of a name */
#define TEXT_CLASSES  30        /* more than so many are left out */


void
maas_eval_class_name(maas_buf_t *b, const maas_eval_t *r, int i)
{
    if (r->class_name != NULL) {
        maas_buf_add(b, r->class_name[i].data, r->class_name[i].len);

    } else {
        maas_buf_printf(b, "%d", i);
    }
}


static void
json_class(maas_buf_t *b, const maas_eval_t *r, int i)
{
    char  text[16];

    if (r->class_name != NULL) {
        maas_buf_json(b, r->class_name[i].data, r->class_name[i].len);
        return;
    }

    (void) snprintf(text, sizeof(text), "%d", i);
    maas_buf_json(b, text, strlen(text));
}


static void
json_number(maas_buf_t *b, double v)
{
    char  text[32];

    if (!isfinite(v)) {
        maas_buf_puts(b, "null");
        return;
    }

    /* the shorter one when it reads back alike */
    (void) snprintf(text, sizeof(text), "%.15g", v);
    maas_buf_printf(b, strtod(text, NULL) == v ? "%.15g" : "%.17g", v);
}


static bool
text_shown(const maas_eval_t *r, const bool *show, int m)
{
    if (show != NULL && !show[m]) {
        return false;
    }

    return maas_eval_rows[m].kind == r->kind
           && (r->why[m] == NULL || r->why[m][0] != '\0');
}


static void
json_metrics(maas_buf_t *b, const maas_eval_t *r, const bool *show)
{
    int  n = 0;

    maas_buf_puts(b, "\"metrics\":{");

    for (int m = 0; m < MAAS_M_COUNT; m++) {
        if (text_shown(r, show, m)) {
            maas_buf_printf(b, "%s\"%s\":", n++ == 0 ? "" : ",",
                            maas_eval_rows[m].name);
            json_number(b, r->value[m]);
        }
    }

    maas_buf_puts(b, "},\"undefined\":{");
    n = 0;

    for (int m = 0; m < MAAS_M_COUNT; m++) {
        if (text_shown(r, show, m) && r->why[m] != NULL) {
            maas_buf_printf(b, "%s\"%s\":", n++ == 0 ? "" : ",",
                            maas_eval_rows[m].name);
            maas_buf_json(b, r->why[m], strlen(r->why[m]));
        }
    }

    maas_buf_puts(b, "}");
}


static void
json_line(maas_buf_t *b, const char *name, const maas_eval_line_t *l,
    const char *x, const char *y, const char *at)
{
    const char    *key[3] = { x, y, at };
    const double  *v[3] = { l->x, l->y, l->at };

    maas_buf_printf(b, ",\"%s\":{", name);

    for (int k = 0; k < 3; k++) {
        maas_buf_printf(b, "%s\"%s\":[", k == 0 ? "" : ",", key[k]);

        for (size_t i = 0; i < l->n; i++) {
            maas_buf_puts(b, i == 0 ? "" : ",");
            json_number(b, v[k][i]);
        }

        maas_buf_puts(b, "]");
    }

    maas_buf_puts(b, "}");
}


static void
json_curve(maas_buf_t *b, const maas_eval_curve_t *c)
{
    maas_buf_puts(b, "\"roc_auc\":");
    json_number(b, c->auc);
    maas_buf_puts(b, ",\"average_precision\":");
    json_number(b, c->ap);

    if (c->roc.n > 0) {
        json_line(b, "roc", &c->roc, "fpr", "tpr", "threshold");
        json_line(b, "pr", &c->pr, "recall", "precision", "threshold");
    }

    if (c->calibration.n > 0) {
        json_line(b, "calibration", &c->calibration, "predicted", "share",
                  "rows");
    }
}


static void
json_curves(maas_buf_t *b, const maas_eval_t *r)
{
    maas_buf_puts(b, ",\"curves\":[");

    for (int i = 0; i < r->n_curve; i++) {
        maas_buf_puts(b, i == 0 ? "{\"class\":" : ",{\"class\":");
        json_class(b, r, r->n_curve == 1 ? r->positive : i);
        maas_buf_puts(b, ",");
        json_curve(b, &r->curve[i]);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");

    if (r->micro.roc.n > 0) {
        maas_buf_puts(b, ",\"micro\":{");
        json_curve(b, &r->micro);
        maas_buf_puts(b, "}");
    }
}


static void
json_classes(maas_buf_t *b, const maas_eval_t *r, bool curves)
{
    size_t  k = (size_t) r->n_class;

    maas_buf_puts(b, ",\"classes\":[");

    for (int i = 0; i < r->n_class; i++) {
        const maas_eval_class_t  *c = &r->per_class[i];

        maas_buf_puts(b, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_class(b, r, i);
        maas_buf_puts(b, ",\"precision\":");
        json_number(b, c->precision);
        maas_buf_puts(b, ",\"recall\":");
        json_number(b, c->recall);
        maas_buf_puts(b, ",\"f1\":");
        json_number(b, c->f1);
        maas_buf_puts(b, ",\"support\":");
        json_number(b, c->support);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "],\"confusion\":[");

    for (size_t i = 0; i < k; i++) {
        maas_buf_puts(b, i == 0 ? "[" : ",[");

        for (size_t j = 0; j < k; j++) {
            maas_buf_puts(b, j == 0 ? "" : ",");
            json_number(b, r->confusion[i * k + j]);
        }

        maas_buf_puts(b, "]");
    }

    maas_buf_puts(b, "]");

    if (r->top_k > 0) {
        maas_buf_printf(b, ",\"top_k\":%d", r->top_k);
    }

    if (r->n_class == 2) {
        maas_buf_puts(b, ",\"positive\":");
        json_class(b, r, r->positive);
    }

    if (curves && r->curve != NULL) {
        json_curves(b, r);
    }
}


static void
json_targets(maas_buf_t *b, const maas_eval_t *r)
{
    maas_buf_puts(b, ",\"targets\":[");

    for (int64_t i = 0; i < r->n_target; i++) {
        const maas_eval_target_t  *t = &r->per_target[i];
        double       v[] = { t->mse, t->rmse, t->mae, t->median_ae, t->r2,
                             t->explained_variance };
        const char  *key[] = { "mse", "rmse", "mae", "median_ae", "r2",
                               "explained_variance" };

        maas_buf_puts(b, i == 0 ? "{\"name\":" : ",{\"name\":");

        if (r->target_name != NULL) {
            maas_buf_json(b, r->target_name[i].data, r->target_name[i].len);

        } else {
            maas_buf_printf(b, "\"%lld\"", (long long) i);
        }

        for (size_t k = 0; k < maas_nelts(key); k++) {
            maas_buf_printf(b, ",\"%s\":", key[k]);
            json_number(b, v[k]);
        }

        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


void
maas_eval_json(maas_buf_t *b, const maas_eval_t *r, const bool *show,
    bool curves)
{
    static const char *const  kind[] = { "classification", "regression",
                                         "clustering" };

    maas_buf_printf(b, "\"task\":\"%s\",\"rows\":%lld,\"weight\":",
                    kind[r->kind], (long long) r->n);
    json_number(b, r->weight);
    maas_buf_puts(b, ",");
    json_metrics(b, r, show);

    switch (r->kind) {

    case MAAS_EVAL_CLASSES:
        json_classes(b, r, curves);
        break;

    case MAAS_EVAL_NUMBERS:
        json_targets(b, r);
        break;

    default:
        maas_buf_printf(b, ",\"clusters\":%d,\"measured_rows\":%lld",
                        r->n_cluster, (long long) r->rows);
    }
}


/* -- for people ---------------------------------------------------------- */

static void
text_name(maas_buf_t *b, const maas_str_t *name, int64_t i)
{
    int     wide = 0;
    size_t  at = b->len, n = 0;

    if (name != NULL) {
        /* controls would move the terminal */
        for (size_t k = 0; k < name->len && n < 60; k++, n++) {
            maas_buf_add(b, (unsigned char) name->data[k] < 32
                         || name->data[k] == 127 ? "?" : name->data + k, 1);
        }

    } else {
        maas_buf_printf(b, "%lld", (long long) i);
    }

    for (size_t k = at; !b->failed && k < b->len; k++) {
        wide += ((unsigned char) b->data[k] & 0xc0) != 0x80;
    }

    maas_buf_printf(b, "%*s", maas_max(1, TEXT_NAME - wide), "");
}


static void
text_classes(maas_buf_t *b, const maas_eval_t *r)
{
    int  n = maas_min(r->n_class, TEXT_CLASSES);

    maas_buf_printf(b, "\n%-*s%10s%10s%10s%12s\n", TEXT_NAME, "class",
                    "precision", "recall", "f1", "support");

    for (int i = 0; i < n; i++) {
        const maas_eval_class_t  *c = &r->per_class[i];

        text_name(b, r->class_name != NULL ? &r->class_name[i] : NULL, i);
        maas_buf_printf(b, "%10.6f%10.6f%10.6f%12.6g\n", c->precision,
                        c->recall, c->f1, c->support);
    }

    if (n < r->n_class) {
        maas_buf_printf(b, "and %d more classes\n", r->n_class - n);
    }
}


static void
text_targets(maas_buf_t *b, const maas_eval_t *r)
{
    if (r->n_target < 2) {
        return;
    }

    maas_buf_printf(b, "\n%-*s%12s%12s%12s%10s\n", TEXT_NAME, "target",
                    "rmse", "mae", "median_ae", "r2");

    for (int64_t i = 0; i < maas_min(r->n_target, TEXT_CLASSES); i++) {
        const maas_eval_target_t  *t = &r->per_target[i];

        text_name(b, r->target_name != NULL ? &r->target_name[i] : NULL, i);
        maas_buf_printf(b, "%12.6g%12.6g%12.6g%10.6f\n", t->rmse, t->mae,
                        t->median_ae, t->r2);
    }

    if (r->n_target > TEXT_CLASSES) {
        maas_buf_printf(b, "and %lld more targets\n",
                        (long long) r->n_target - TEXT_CLASSES);
    }
}


void
maas_eval_text(maas_buf_t *b, const maas_eval_t *r, const bool *show)
{
    maas_buf_printf(b, "%-*s%lld\n", TEXT_NAME, "rows", (long long) r->n);

    if (r->kind == MAAS_EVAL_CLUSTERS) {
        maas_buf_printf(b, "%-*s%d\n", TEXT_NAME, "clusters", r->n_cluster);
    }

    for (int m = 0; m < MAAS_M_COUNT; m++) {
        if (!text_shown(r, show, m)) {
            continue;
        }

        maas_buf_printf(b, "%-*s", TEXT_NAME, maas_eval_rows[m].name);

        if (r->why[m] != NULL) {
            maas_buf_printf(b, "- (%s)\n", r->why[m]);

        } else {
            maas_buf_printf(b, m == MAAS_M_TOP_K ? "%.6g (k = %d)\n"
                            : "%.6g\n", r->value[m], r->top_k);
        }
    }

    if (show != NULL) {
        return;
    }

    if (r->kind == MAAS_EVAL_CLASSES) {
        text_classes(b, r);

    } else if (r->kind == MAAS_EVAL_NUMBERS) {
        text_targets(b, r);
    }
}
