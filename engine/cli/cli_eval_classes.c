/*
 * From values to a job: what is to be measured, which classes there are and
 * which index each value has.
 *
 * Classes are known by name (of the model, or given), or they are the
 * distinct values of truth and prediction in ascending order.
 */

#define _GNU_SOURCE

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_eval.h"


#define CLASSES_MAX  65536


/* -- the task ------------------------------------------------------------ */

static bool
classes_whole(const cli_values_t *v)
{
    if (v->text != NULL || v->integer) {
        return true;
    }

    for (int64_t i = 0; i < v->n; i++) {
        if (v->number[i] != rint(v->number[i])) {
            return false;
        }
    }

    return true;
}


/* One number a row between 0 and 1, for a truth of 0 and 1? */
static bool
classes_binary(const cli_values_t *truth, const cli_values_t *score)
{
    for (int64_t i = 0; i < score->n; i++) {
        if (!(score->number[i] >= 0 && score->number[i] <= 1)
            || (truth->text == NULL && truth->number[i] != 0
                && truth->number[i] != 1))
        {
            return false;
        }
    }

    return true;
}


static int
classes_task(const cli_eval_t *e)
{
    const cli_values_t  *t = &e->truth, *s = &e->score;

    if (e->task >= 0) {
        return e->task;
    }

    if (t->n == 0) {
        return MAAS_EVAL_CLUSTERS;
    }

    if (t->text != NULL || e->n_class != 0) {
        return MAAS_EVAL_CLASSES;
    }

    if (t->width != 1 || !classes_whole(t)) {
        return MAAS_EVAL_NUMBERS;
    }

    if (e->label.n != 0 || s->width > 1) {
        return MAAS_EVAL_CLASSES;
    }

    return classes_binary(t, s) ? MAAS_EVAL_CLASSES : MAAS_EVAL_NUMBERS;
}


/* -- which classes ------------------------------------------------------- */

static int
classes_order(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


static int
classes_order_text(const void *a, const void *b)
{
    const maas_str_t  *x = a, *y = b;
    int                rc;

    rc = memcmp(x->data, y->data, maas_min(x->len, y->len));
    return rc != 0 ? rc : (x->len > y->len) - (x->len < y->len);
}


static maas_status_t
classes_number_name(cli_eval_t *e, double v, maas_str_t *s, maas_err_t *err)
{
    char  text[32];

    (void) snprintf(text, sizeof(text), fabs(v) < 1e15 ? "%.0f" : "%.17g", v);
    *s = maas_arena_str(&e->mem, text, strlen(text));

    return s->data != NULL ? MAAS_OK : maas_err_nomem(err);
}


/* Values as classes: one whole number or text a row. */
static maas_status_t
classes_check(const cli_values_t *v, maas_err_t *err)
{
    if (v->text != NULL) {
        return MAAS_OK;
    }

    if (v->width != 1) {
        return maas_err(err, MAAS_EINVAL, "%s: one class a row is expected, "
                        "and there are %lld numbers", v->what,
                        (long long) v->width);
    }

    for (int64_t i = 0; i < v->n; i++) {
        if (v->number[i] != rint(v->number[i])
            || fabs(v->number[i]) > 0x1p53)
        {
            return maas_err(err, MAAS_EINVAL, "%s, row %lld: %g is no class: "
                            "a whole number is expected (--task regression "
                            "measures numbers)", v->what, (long long) i,
                            v->number[i]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
classes_which(const cli_eval_t *e, size_t k, maas_err_t *err)
{
    return maas_err(err, MAAS_EINVAL, "%s has %zu classes, and there are "
                    "%lld scores a row: a file of the classes' names in "
                    "order (--labels) says which is which", e->truth.what, k,
                    (long long) e->score.width);
}


static maas_status_t
classes_of_text(cli_eval_t *e, maas_err_t *err)
{
    size_t       n = (size_t) (e->truth.n + e->label.n), k = 0;
    maas_str_t  *all;

    all = maas_arena_array(&e->mem, n, sizeof(*all));
    if (all == NULL) {
        return maas_err_nomem(err);
    }

    memcpy(all, e->truth.text, (size_t) e->truth.n * sizeof(*all));

    if (e->label.n != 0) {
        memcpy(all + e->truth.n, e->label.text,
               (size_t) e->label.n * sizeof(*all));
    }

    qsort(all, n, sizeof(*all), classes_order_text);

    for (size_t i = 0; i < n; i++) {
        if (k == 0 || !maas_str_eq(all[k - 1], all[i])) {
            all[k++] = all[i];
        }
    }

    if (k > CLASSES_MAX) {
        return maas_err(err, MAAS_ELIMIT, "%s: %zu different values are no "
                        "classes", e->truth.what, k);
    }

    if (e->score.n != 0
        && k != (size_t) (e->score.width == 1 ? 2 : e->score.width))
    {
        return classes_which(e, k, err);
    }

    e->class_name = all;
    e->n_class = (int) k;
    return MAAS_OK;
}


/* 0, 1, ... of what the model gives when the data's values fit in. */
static maas_status_t
classes_by_index(cli_eval_t *e, const double *v, size_t k, maas_err_t *err)
{
    int64_t  columns = e->score.width == 1 ? 2 : e->score.width;

    if (k == 0 || v[0] < 0 || v[k - 1] >= (double) columns) {
        return classes_which(e, k, err);
    }

    e->n_class = (int) columns;
    e->class_name = maas_arena_array(&e->mem, (size_t) columns,
                                     sizeof(maas_str_t));
    if (e->class_name == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < columns; i++) {
        MAAS_TRY(classes_number_name(e, (double) i, &e->class_name[i], err));
    }

    return MAAS_OK;
}


static maas_status_t
classes_of_numbers(cli_eval_t *e, maas_err_t *err)
{
    double  *all;
    size_t   n = (size_t) (e->truth.n + e->label.n), k = 0;

    all = maas_arena_array(&e->mem, n, sizeof(*all));
    if (all == NULL) {
        return maas_err_nomem(err);
    }

    memcpy(all, e->truth.number, (size_t) e->truth.n * sizeof(*all));

    if (e->label.n != 0) {
        memcpy(all + e->truth.n, e->label.number,
               (size_t) e->label.n * sizeof(*all));
    }

    qsort(all, n, sizeof(*all), classes_order);

    for (size_t i = 0; i < n; i++) {
        if (k == 0 || all[k - 1] != all[i]) {
            all[k++] = all[i];
        }
    }

    if (e->score.n != 0
        && k != (size_t) (e->score.width == 1 ? 2 : e->score.width))
    {
        return classes_by_index(e, all, k, err);
    }

    if (k > CLASSES_MAX) {
        return maas_err(err, MAAS_ELIMIT, "%s: %zu different values are no "
                        "classes; --task regression measures numbers",
                        e->truth.what, k);
    }

    e->n_class = (int) k;
    e->class_name = maas_arena_array(&e->mem, k, sizeof(maas_str_t));
    if (e->class_name == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < k; i++) {
        MAAS_TRY(classes_number_name(e, all[i], &e->class_name[i], err));
    }

    return MAAS_OK;
}


/* -- the index of each value --------------------------------------------- */

typedef struct {
    maas_str_t  name;
    int32_t     index;
} classes_entry_t;


static int
classes_order_entry(const void *a, const void *b)
{
    return classes_order_text(&((const classes_entry_t *) a)->name,
                              &((const classes_entry_t *) b)->name);
}


static maas_status_t
classes_unknown(const cli_eval_t *e, const cli_values_t *v, int64_t row,
    maas_str_t s, maas_err_t *err)
{
    char         text[MAAS_NEAR_TEXT];
    maas_near_t  near = { .word = s };

    for (int i = 0; i < e->n_class; i++) {
        maas_near(&near, e->class_name[i]);
    }

    return maas_err(err, MAAS_EINVAL, "%s, row %lld: \"%.*s\" is none of the "
                    "%d classes%s", v->what, (long long) row,
                    (int) maas_min(s.len, 60u), s.data, e->n_class,
                    maas_near_text(&near, text));
}


/*
 * Numbers that are no names are indices, when all of them are in range.
 * Returns the first row that is not; n: none.
 */
static int64_t
classes_direct(const cli_eval_t *e, const cli_values_t *v, int32_t *out)
{
    for (int64_t i = 0; i < v->n; i++) {
        if (v->number[i] < 0 || v->number[i] >= e->n_class) {
            return i;
        }

        out[i] = (int32_t) v->number[i];
    }

    return v->n;
}


/* Row i is no name. */
static maas_status_t
classes_other(const cli_eval_t *e, const cli_values_t *v, int64_t i,
    int32_t *out, maas_err_t *err)
{
    char  text[32];

    if (v->text != NULL) {
        return classes_unknown(e, v, i, v->text[i], err);
    }

    i = classes_direct(e, v, out);

    if (i == v->n) {
        return MAAS_OK;
    }

    (void) snprintf(text, sizeof(text), "%.0f", v->number[i]);
    return classes_unknown(e, v, i, (maas_str_t) { text, strlen(text) }, err);
}


static maas_status_t
classes_look_up(cli_eval_t *e, const cli_values_t *v,
    const classes_entry_t *sorted, int32_t *out, maas_err_t *err)
{
    char              text[32];
    classes_entry_t  *found, key;

    for (int64_t i = 0; i < v->n; i++) {
        if (v->text != NULL) {
            key.name = v->text[i];

        } else {
            (void) snprintf(text, sizeof(text), "%.0f", v->number[i]);
            key.name = (maas_str_t) { text, strlen(text) };
        }

        found = bsearch(&key, sorted, (size_t) e->n_class, sizeof(key),
                        classes_order_entry);

        if (found == NULL) {
            return classes_other(e, v, i, out, err);
        }

        out[i] = found->index;
    }

    return MAAS_OK;
}


static maas_status_t
classes_index(cli_eval_t *e, const cli_values_t *v, const int32_t **out,
    maas_err_t *err)
{
    int32_t          *index;
    classes_entry_t  *sorted;

    MAAS_TRY(classes_check(v, err));

    index = maas_arena_array(&e->mem, (size_t) v->n, sizeof(*index));
    sorted = maas_arena_array(&e->mem, (size_t) e->n_class, sizeof(*sorted));

    if (index == NULL || sorted == NULL) {
        return maas_err_nomem(err);
    }

    for (int32_t i = 0; i < e->n_class; i++) {
        sorted[i] = (classes_entry_t) { e->class_name[i], i };
    }

    qsort(sorted, (size_t) e->n_class, sizeof(*sorted), classes_order_entry);

    for (int i = 1; i < e->n_class; i++) {
        if (maas_str_eq(sorted[i].name, sorted[i - 1].name)) {
            return maas_err(err, MAAS_EINVAL, "two classes are called "
                            "\"%.*s\"", (int) maas_min(sorted[i].name.len,
                            60u), sorted[i].name.data);
        }
    }

    *out = index;
    return classes_look_up(e, v, sorted, index, err);
}


/* -- the job ------------------------------------------------------------- */

static maas_status_t
classes_positive(const cli_eval_t *e, maas_eval_job_t *job, maas_err_t *err)
{
    job->positive = 1;

    if (e->positive == NULL) {
        return MAAS_OK;
    }

    if (e->n_class != 2) {
        return maas_err(err, MAAS_EINVAL, "--positive is for two classes, "
                        "and there are %d", e->n_class);
    }

    for (int i = 0; i < 2; i++) {
        if (maas_str_is(e->class_name[i], e->positive)) {
            job->positive = i;
            return MAAS_OK;
        }
    }

    return maas_err(err, MAAS_EINVAL, "--positive %.60s: the classes are "
                    "\"%.*s\" and \"%.*s\"", e->positive,
                    (int) maas_min(e->class_name[0].len, 60u),
                    e->class_name[0].data,
                    (int) maas_min(e->class_name[1].len, 60u),
                    e->class_name[1].data);
}


/*
 * Classes in ascending order are a guess where nobody names them: labels
 * that come with scores must be those of the largest ones, by and large.
 */
static maas_status_t
classes_guessed(const cli_eval_t *e, const maas_eval_job_t *job,
    maas_err_t *err)
{
    int64_t  other = 0;

    if (e->label.n == 0 || e->score.n == 0 || e->score.width != e->n_class) {
        return MAAS_OK;
    }

    for (int64_t i = 0; i < e->score.n; i++) {
        other += job->label[i] != maas_eval_argmax(e->score.number
                                                   + i * e->score.width,
                                                   e->n_class, 1, 0);
    }

    return other <= e->score.n / 2 ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "the labels of %lld of %lld rows are "
                      "not those of the largest scores, were \"%.*s\" the "
                      "first class: a file of the classes' names in order "
                      "(--labels) says which is which", (long long) other,
                      (long long) e->score.n,
                      (int) maas_min(e->class_name[0].len, 60u),
                      e->class_name[0].data);
}


static maas_status_t
classes_job(cli_eval_t *e, maas_eval_job_t *job, maas_err_t *err)
{
    bool  guess = e->n_class == 0;

    MAAS_TRY(classes_check(&e->truth, err));

    if (e->label.n != 0) {
        MAAS_TRY(classes_check(&e->label, err));
    }

    if (e->n_class == 0) {
        if (e->label.n != 0
            && (e->label.text != NULL) != (e->truth.text != NULL))
        {
            return maas_err(err, MAAS_EINVAL, "%s has classes of %s, and %s "
                            "of %s", e->truth.what, e->truth.text != NULL
                            ? "text" : "numbers", e->label.what,
                            e->label.text != NULL ? "text" : "numbers");
        }

        MAAS_TRY(e->truth.text != NULL ? classes_of_text(e, err)
                 : classes_of_numbers(e, err));
    }

    MAAS_TRY(classes_index(e, &e->truth, &job->truth, err));

    if (e->label.n != 0) {
        MAAS_TRY(classes_index(e, &e->label, &job->label, err));
    }

    if (guess) {
        MAAS_TRY(classes_guessed(e, job, err));
    }

    MAAS_TRY(classes_positive(e, job, err));

    if (e->score.n != 0 && e->logits) {
        maas_eval_softmax(e->score.number, e->score.n, (int) e->score.width);
    }

    job->score = e->score.n != 0 ? e->score.number : NULL;
    job->n_score = (int) maas_min(e->score.width, INT32_MAX);
    job->n_class = e->n_class;
    job->class_name = e->class_name;
    return MAAS_OK;
}


static maas_status_t
classes_numbers(cli_eval_t *e, maas_eval_job_t *job, maas_err_t *err)
{
    const cli_values_t  *p = &e->score;

    if (e->score.n == 0) {
        e->score = e->label;
    }

    if (e->truth.text != NULL || p->text != NULL) {
        return maas_err(err, MAAS_EINVAL, "%s: numbers are expected, not "
                        "text", e->truth.text != NULL ? e->truth.what
                                                      : p->what);
    }

    if (e->truth.width != p->width) {
        return maas_err(err, MAAS_EINVAL, "%s has %lld numbers a row, and %s "
                        "%lld", e->truth.what, (long long) e->truth.width,
                        p->what, (long long) p->width);
    }

    job->y = e->truth.number;
    job->predicted = p->number;
    job->n_target = e->truth.width;
    job->target_name = e->target_name;
    return MAAS_OK;
}


static maas_status_t
classes_clusters(cli_eval_t *e, maas_eval_job_t *job, maas_err_t *err)
{
    int32_t  *label;

    if (e->x.n == 0 || e->label.n == 0) {
        return maas_err(err, MAAS_EINVAL, "clusters are measured by the rows "
                        "and the cluster of each; the truth makes classes or "
                        "numbers of them (--truth, --target)");
    }

    MAAS_TRY(classes_check(&e->label, err));

    label = maas_arena_array(&e->mem, (size_t) e->label.n, sizeof(*label));
    if (label == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < e->label.n; i++) {
        if (e->label.text != NULL || fabs(e->label.number[i]) > INT32_MAX) {
            return maas_err(err, MAAS_EINVAL, "%s, row %lld: the number of a "
                            "cluster is expected", e->label.what,
                            (long long) i);
        }

        label[i] = (int32_t) e->label.number[i];
    }

    job->x = e->x.number;
    job->p = e->x.width;
    job->label = label;
    return MAAS_OK;
}


static maas_status_t
classes_rows(const cli_values_t *a, const cli_values_t *b, maas_err_t *err)
{
    if (a->n != 0 && b->n != 0 && a->n != b->n) {
        return maas_err(err, MAAS_EINVAL, "%s has %lld rows, and %s %lld",
                        a->what, (long long) a->n, b->what,
                        (long long) b->n);
    }

    return MAAS_OK;
}


maas_status_t
cli_eval_result(cli_eval_t *e, maas_eval_t *r, maas_err_t *err)
{
    maas_eval_job_t      job = { .host = maas_host_default() };
    const cli_values_t  *p = e->score.n != 0 ? &e->score : &e->label;

    memset(r, 0, sizeof(*r));
    MAAS_TRY(classes_rows(p, &e->truth, err));
    MAAS_TRY(classes_rows(p, &e->x, err));
    MAAS_TRY(classes_rows(p, &e->weight, err));

    if (e->weight.n != 0 && e->weight.width != 1) {
        return maas_err(err, MAAS_EINVAL, "%s: one weight a row is expected",
                        e->weight.what);
    }

    job.n = p->n;
    job.weight = e->weight.n != 0 ? e->weight.number : NULL;
    job.top_k = e->top_k;
    job.bins = e->bins;
    job.max_curves = e->max_curves;
    job.kind = (maas_eval_kind_t) classes_task(e);

    if (job.kind != MAAS_EVAL_CLUSTERS && e->truth.n == 0) {
        return maas_err(err, MAAS_EINVAL, "what is true? (--truth FILE, or "
                        "--target COLUMN)");
    }

    switch (job.kind) {

    case MAAS_EVAL_CLUSTERS:
        MAAS_TRY(classes_clusters(e, &job, err));
        break;

    case MAAS_EVAL_NUMBERS:
        MAAS_TRY(classes_numbers(e, &job, err));
        break;

    default:
        MAAS_TRY(classes_job(e, &job, err));
    }

    return maas_evaluate(&job, r, err);
}
