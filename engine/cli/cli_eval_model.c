/*
 * A model over all rows of some data, in batches: several runs at a time,
 * one on each member of a team.  The first batch runs alone and tells what
 * the outputs look like.
 *
 * Memory: results lie in the arena of the evaluation; a batch's inputs live
 *         until its run is released.
 */

#define _GNU_SOURCE

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_eval.h"


#define MODEL_BATCH     256
#define MODEL_ELEMENTS  (1 << 20)   /* of the inputs of a batch, about */


typedef struct {
    cli_eval_t            *e;
    const cli_eval_run_t  *spec;
    int64_t                batch;
    bool                   fixed;   /* no other number of rows will do */
    int                    label, score;    /* outputs; -1: none */
    bool                   wanted;          /* score was asked for by name */
    _Atomic(int64_t)       next;    /* row of the next batch */
    atomic_bool            failed;
    pthread_mutex_t        mutex;   /* arena and err */
    maas_err_t            *err;
    maas_status_t          rc;
} model_job_t;

typedef struct {
    maas_task_t   task;
    model_job_t  *job;
    sem_t        *done;
} model_task_t;


/* -- outputs ------------------------------------------------------------- */

static bool
model_is_label(const maas_port_t *p)
{
    return p->kind == MAAS_KIND_TENSOR && p->rank >= 0 && p->rank <= 2
           && (p->dtype == MAAS_I64 || p->dtype == MAAS_I32
               || p->dtype == MAAS_STRING);
}


static bool
model_is_score(const maas_port_t *p)
{
    return p->kind != MAAS_KIND_OPTIONAL && p->rank != 0
           && maas_dtypes[p->dtype].is_float;
}


static maas_status_t
model_outputs(model_job_t *job, maas_err_t *err)
{
    int                 named;
    size_t              n;
    const char         *want = job->spec->output;
    const maas_meta_t  *meta = maas_model_meta(job->spec->m->m);
    const maas_port_t  *out = maas_model_outputs(job->spec->m->m, &n);

    job->label = -1;
    job->score = -1;

    for (size_t i = n; i-- > 0; ) {
        job->label = model_is_label(&out[i]) ? (int) i : job->label;
        job->score = model_is_score(&out[i]) ? (int) i : job->score;
    }

    if (meta->meaning == MAAS_MEANS_CLASSES
        || meta->meaning == MAAS_MEANS_REGRESSION)
    {
        job->score = (int) meta->output;
    }

    named = cli_port(out, n, "label", 5);
    job->label = named >= 0 ? named : job->label;

    if (want != NULL) {
        named = cli_port(out, n, want, strlen(want));

        if (named < 0) {
            return maas_err(err, MAAS_EINVAL, "the model has no output "
                            "\"%.60s\"", want);
        }

        job->score = model_is_score(&out[named]) ? named : -1;
        job->label = model_is_label(&out[named]) ? named : -1;
    }

    if (job->score < 0 && job->label < 0) {
        return maas_err(err, MAAS_EINVAL, "the model has no output of classes "
                        "or numbers");
    }

    return MAAS_OK;
}


/* Rows of an output: its first axis, which must be the batch. */
static maas_status_t
model_width(const maas_tensor_t *t, int64_t rows, const maas_port_t *port,
    int64_t *width, maas_err_t *err)
{
    char     dims[MAAS_DIMS_TEXT];
    int64_t  n = maas_tensor_count(t);

    if (t->rank == 0 || t->dims[0] != rows || n % rows != 0 || n == 0) {
        return maas_err(err, MAAS_EINVAL, "output \"%.*s\" is %s for %lld "
                        "rows: one row each is expected",
                        (int) maas_min(port->name.len, 60u), port->name.data,
                        maas_dims_text(dims, t->dims, t->rank),
                        (long long) rows);
    }

    *width = n / rows;
    return MAAS_OK;
}


/* Room for all rows, when the first batch has shown their width. */
static maas_status_t
model_room(model_job_t *job, cli_values_t *v, const maas_tensor_t *t,
    const maas_port_t *port, int64_t width, maas_err_t *err)
{
    size_t       cells;
    maas_str_t   name;
    cli_eval_t  *e = job->e;

    if (v->n != 0) {
        return v->width == width ? MAAS_OK
               : maas_err(err, MAAS_EINVAL, "output \"%.*s\" has %lld numbers "
                          "a row after %lld", (int) port->name.len,
                          port->name.data, (long long) width,
                          (long long) v->width);
    }

    name = maas_arena_str(&e->mem, port->name.data, port->name.len);
    v->what = name.data != NULL ? name.data : "prediction";
    v->width = width;
    v->integer = maas_dtypes[t->dtype].is_int;

    if (!maas_mul_size((size_t) job->spec->rows->n, (size_t) width, &cells)) {
        return maas_err_nomem(err);
    }

    if (t->dtype == MAAS_STRING) {
        v->text = maas_arena_array(&e->mem, cells, sizeof(maas_str_t));

    } else {
        v->number = maas_arena_array(&e->mem, cells, sizeof(double));
    }

    if (v->text == NULL && v->number == NULL) {
        return maas_err_nomem(err);
    }

    v->n = job->spec->rows->n;
    return MAAS_OK;
}


static maas_status_t
model_texts(model_job_t *job, cli_values_t *v, const maas_tensor_t *t,
    int64_t first, int64_t rows, maas_err_t *err)
{
    maas_str_t  s;

    for (int64_t i = 0; i < rows; i++) {
        s = maas_tensor_str(t, i);

        pthread_mutex_lock(&job->mutex);
        v->text[first + i] = maas_arena_str(&job->e->mem, s.data, s.len);
        pthread_mutex_unlock(&job->mutex);

        if (v->text[first + i].data == NULL) {
            return maas_err_nomem(err);
        }
    }

    return MAAS_OK;
}


/* The keys of a map are the classes of its columns. */
static maas_status_t
model_keys(cli_eval_t *e, const maas_tensor_t *keys, maas_err_t *err)
{
    char     text[32];
    int64_t  n = maas_tensor_count(keys);

    e->class_name = maas_arena_array(&e->mem, (size_t) n,
                                     sizeof(maas_str_t));
    if (e->class_name == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < n; i++) {
        maas_str_t  s = { text, 0 };

        if (keys->dtype == MAAS_STRING) {
            s = maas_tensor_str(keys, i);

        } else {
            s.len = (size_t) snprintf(text, sizeof(text), "%.0f",
                                      cli_eval_element(keys, i));
        }

        e->class_name[i] = maas_arena_str(&e->mem, s.data, s.len);
        if (e->class_name[i].data == NULL) {
            return maas_err_nomem(err);
        }
    }

    e->n_class = (int) n;
    return MAAS_OK;
}


static maas_status_t
model_take(model_job_t *job, const maas_run_t *run, int output,
    cli_values_t *v, int64_t first, int64_t rows, int64_t ran,
    maas_err_t *err)
{
    size_t              n;
    int64_t             width = 0;
    maas_status_t       rc;
    maas_tensor_t       t, keys;
    const maas_port_t  *port = maas_model_outputs(job->spec->m->m, &n);

    if (output < 0) {
        return MAAS_OK;
    }

    maas_run_output(run, (size_t) output, &t, &keys);

    if (t.format != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED, "output \"%.*s\" is no tensor",
                        (int) port[output].name.len, port[output].name.data);
    }

    MAAS_TRY(model_width(&t, ran, &port[output], &width, err));

    pthread_mutex_lock(&job->mutex);
    rc = model_room(job, v, &t, &port[output], width, err);

    if (rc == MAAS_OK && keys.data != NULL && job->e->n_class == 0) {
        rc = model_keys(job->e, &keys, err);
    }

    pthread_mutex_unlock(&job->mutex);

    if (rc != MAAS_OK) {
        return rc;
    }

    if (t.dtype == MAAS_STRING) {
        return model_texts(job, v, &t, first, rows, err);
    }

    for (int64_t i = 0; i < rows * width; i++) {
        v->number[first * width + i] = cli_eval_element(&t, i);
    }

    return MAAS_OK;
}


/* -- runs ---------------------------------------------------------------- */

/*
 * Rows [first, first + rows); a model of a fixed batch gets the last row
 * again and again to fill it.
 */
static maas_status_t
model_inputs(model_job_t *job, int64_t first, int64_t rows, int64_t run,
    maas_tensor_t *in, maas_err_t *err)
{
    size_t              n, item;
    maas_tensor_t      *t;
    const maas_port_t  *port = maas_model_inputs(job->spec->m->m, &n);

    for (size_t i = 0; i < n; i++) {
        t = &in[i];
        t->dtype = port[i].dtype;
        t->rank = (uint8_t) maas_max(0, port[i].rank);
        memcpy(t->dims, port[i].dims, sizeof(t->dims));
        t->dims[0] = rows;
        MAAS_TRY(job->spec->rows->fill(job->spec->rows->ctx, i, first, t,
                                       err));

        if (run != rows) {
            uint8_t  *p;

            if (t->dtype == MAAS_STRING) {
                return maas_err(err, MAAS_EUNSUPPORTED, "texts in batches of "
                                "%lld rows alone, and %lld are left",
                                (long long) run, (long long) rows);
            }

            item = t->bytes / (size_t) rows;
            p = aligned_alloc(MAAS_ALIGN, maas_align(item * (size_t) run,
                                                     MAAS_ALIGN));
            if (p == NULL) {
                return maas_err_nomem(err);
            }

            memcpy(p, t->data, t->bytes);

            for (int64_t k = rows; k < run; k++) {
                memcpy(p + (size_t) k * item, p + (size_t) (rows - 1) * item,
                       item);
            }

            free(t->data);
            t->data = p;
            t->bytes = item * (size_t) run;
            t->dims[0] = run;
        }

        MAAS_TRY(maas_model_check_input(job->spec->m->m, i, t, err));
    }

    return MAAS_OK;
}


static maas_status_t
model_batch(model_job_t *job, int64_t first, maas_team_t *team,
    maas_err_t *err)
{
    size_t          n;
    int64_t         rows, ran;
    maas_run_t     *run = NULL;
    maas_model_t   *m = job->spec->m->m;
    maas_status_t   rc;
    maas_tensor_t  *in;

    rows = maas_min(job->batch, job->spec->rows->n - first);
    ran = job->fixed ? job->batch : rows;
    (void) maas_model_inputs(m, &n);

    in = calloc(n + 1, sizeof(*in));
    if (in == NULL) {
        return maas_err_nomem(err);
    }

    rc = model_inputs(job, first, rows, ran, in, err);

    if (rc == MAAS_OK) {
        rc = maas_model_run(m, in, team, NULL, &run, err);
    }

    if (rc == MAAS_OK) {
        rc = model_take(job, run, job->label, &job->e->label, first, rows,
                        ran, err);
    }

    if (rc == MAAS_OK) {
        rc = model_take(job, run, job->score, &job->e->score, first, rows,
                        ran, err);
    }

    maas_run_release(run);

    for (size_t i = 0; i < n; i++) {
        free(in[i].data);
    }

    free(in);

    if (rc != MAAS_OK) {
        (void) maas_err_prefix(err, "rows %lld to %lld", (long long) first,
                               (long long) (first + rows - 1));
    }

    return rc;
}


static void
model_work(maas_task_t *t, maas_team_t *team)
{
    int64_t        first;
    maas_err_t     err;
    model_job_t   *job = ((model_task_t *) t)->job;
    maas_status_t  rc;

    while (!job->failed) {
        first = job->next;

        do {
            if (first >= job->spec->rows->n) {
                return;
            }

        } while (!atomic_compare_exchange_weak(&job->next, &first,
                                               first + job->batch));

        cli_progress_count((uint64_t) first, (uint64_t) job->spec->rows->n);
        rc = model_batch(job, first, team, &err);

        if (rc != MAAS_OK) {
            pthread_mutex_lock(&job->mutex);

            if (!job->failed) {
                job->rc = rc;
                *job->err = err;
            }

            job->failed = true;
            pthread_mutex_unlock(&job->mutex);
        }
    }
}


static void
model_notify(void *ctx)
{
    sem_post(ctx);
}


static maas_status_t
model_all(model_job_t *job, maas_err_t *err)
{
    int            n = job->spec->threads;
    sem_t          done;
    maas_team_t   *team;
    model_task_t  *task;

    if (n <= 1) {
        model_task_t  alone = { .job = job };

        model_work(&alone.task, NULL);
        return job->rc;
    }

    task = calloc((size_t) n, sizeof(*task));
    if (task == NULL) {
        return maas_err_nomem(err);
    }

    sem_init(&done, 0, 0);
    team = maas_team_create(maas_host_default(), n, model_notify, &done);
    if (team == NULL) {
        free(task);
        return maas_err(err, MAAS_ENOMEM, "cannot make %d threads", n);
    }

    for (int i = 0; i < n; i++) {
        task[i].task.run = model_work;
        task[i].job = job;
        maas_team_submit(team, &task[i].task);
    }

    for (int left = n; left > 0; ) {
        while (sem_wait(&done) != 0) {
            /* void */
        }

        for (maas_task_t *t = maas_team_reap(team); t != NULL; t = t->next) {
            left--;
        }
    }

    maas_team_destroy(team);
    free(task);
    return job->rc;
}


/* Rows of a batch: what the model says, what was asked for, a good size. */
static maas_status_t
model_rows(model_job_t *job, maas_err_t *err)
{
    char                text[160];
    size_t              n;
    int64_t             per_row = 0, count, want = job->spec->batch;
    const maas_meta_t  *meta = maas_model_meta(job->spec->m->m);
    const maas_port_t  *port = maas_model_inputs(job->spec->m->m, &n);

    job->batch = 0;

    for (size_t i = 0; i < n; i++) {
        if (port[i].kind != MAAS_KIND_TENSOR || port[i].rank == 0) {
            cli_port_text(&port[i], text, sizeof(text));
            return maas_err(err, MAAS_EINVAL, "input \"%.*s\" (%s) has no "
                            "rows", (int) maas_min(port[i].name.len, 60u),
                            port[i].name.data, text);
        }

        if (port[i].rank > 0 && port[i].dims[0] >= 0) {
            if (port[i].dims[0] == 0
                || (job->fixed && job->batch != port[i].dims[0]))
            {
                return maas_err(err, MAAS_EINVAL, "the inputs differ in their "
                                "first dimension, which is not open");
            }

            job->fixed = true;
            job->batch = port[i].dims[0];
        }

        count = 1;

        for (int d = 1; d < port[i].rank; d++) {
            count *= maas_max(1, maas_min(port[i].dims[d], MODEL_ELEMENTS));
            count = maas_min(count, MODEL_ELEMENTS);
        }

        per_row += count;
    }

    if (job->fixed && want != 0 && want != job->batch) {
        return maas_err(err, MAAS_EINVAL, "--batch %lld: the model takes %lld "
                        "rows", (long long) want, (long long) job->batch);
    }

    if (!job->fixed) {
        job->batch = maas_min(MODEL_BATCH,
                              MODEL_ELEMENTS / maas_max(1, per_row));
        job->batch = meta->profile_max > 0
                     ? maas_min(job->batch, meta->profile_max) : job->batch;
        job->batch = want != 0 ? want : maas_max(1, job->batch);
    }

    return MAAS_OK;
}


/* Names of classes as labels.txt or the model has them. */
static maas_status_t
model_classes(model_job_t *job, maas_err_t *err)
{
    cli_eval_t         *e = job->e;
    const maas_meta_t  *meta = maas_model_meta(job->spec->m->m);

    if (meta->meaning == MAAS_MEANS_REGRESSION && e->task < 0) {
        e->task = MAAS_EVAL_NUMBERS;
    }

    if (meta->meaning == MAAS_MEANS_CLASSES && e->task < 0) {
        e->task = MAAS_EVAL_CLASSES;
    }

    e->logits = e->logits || (meta->softmax && job->spec->output == NULL);

    if (e->n_class != 0 || meta->n_labels == 0) {
        return MAAS_OK;
    }

    e->class_name = maas_arena_array(&e->mem, meta->n_labels,
                                     sizeof(maas_str_t));
    if (e->class_name == NULL) {
        return maas_err_nomem(err);
    }

    for (uint32_t i = 0; i < meta->n_labels; i++) {
        maas_str_t  s = maas_meta_label(meta, i);

        e->class_name[i] = maas_arena_str(&e->mem, s.data, s.len);
        if (e->class_name[i].data == NULL) {
            return maas_err_nomem(err);
        }
    }

    e->n_class = (int) meta->n_labels;
    return MAAS_OK;
}


/* Labels that came with scores of no use, and reverse, are left out. */
static void
model_settle(cli_eval_t *e)
{
    if (e->task == MAAS_EVAL_NUMBERS && e->score.n != 0) {
        e->label.n = 0;
    }

    if (e->task == MAAS_EVAL_CLUSTERS) {
        e->score.n = 0;
    }

    if (e->task == MAAS_EVAL_NUMBERS) {
        e->n_class = 0;
    }
}


maas_status_t
cli_eval_model(cli_eval_t *e, const cli_eval_run_t *run, maas_err_t *err)
{
    model_job_t    job = { .e = e, .spec = run, .err = err };
    maas_status_t  rc;

    if (run->rows->n < 1) {
        return maas_err(err, MAAS_EINVAL, "there are no rows to evaluate");
    }

    MAAS_TRY(model_outputs(&job, err));
    MAAS_TRY(model_rows(&job, err));
    MAAS_TRY(model_classes(&job, err));

    pthread_mutex_init(&job.mutex, NULL);
    cli_progress_begin("running");

    rc = model_batch(&job, 0, NULL, err);

    if (rc == MAAS_OK) {
        job.next = job.batch;
        rc = model_all(&job, err);
    }

    cli_progress_end();
    pthread_mutex_destroy(&job.mutex);

    if (rc == MAAS_OK) {
        model_settle(e);
    }

    return rc;
}


/* -- rows of an array ---------------------------------------------------- */

typedef struct {
    const cli_model_t  *m;
    const char         *path;
    maas_tensor_t       t;
} model_npy_t;


/* Into what the input takes: the same type, or a float of any number. */
static maas_status_t
model_npy_fill(void *ctx, size_t input, int64_t first, maas_tensor_t *t,
    maas_err_t *err)
{
    void         *p;
    size_t        bytes;
    int64_t       per, n, rows = t->dims[0];
    model_npy_t  *a = ctx;

    (void) input;
    per = maas_tensor_count(&a->t) / a->t.dims[0];
    n = per * rows;

    if (t->dtype != a->t.dtype && t->dtype != MAAS_F32
        && t->dtype != MAAS_F64)
    {
        return maas_err(err, MAAS_EINVAL, "%s: the input is %s, and the array "
                        "%s", a->path, maas_dtype_name(t->dtype),
                        maas_dtype_name(a->t.dtype));
    }

    memcpy(t->dims, a->t.dims, sizeof(t->dims));
    t->dims[0] = rows;
    t->rank = a->t.rank;

    if (!maas_dtype_bytes(t->dtype, n, &bytes)) {
        return maas_err_nomem(err);
    }

    p = aligned_alloc(MAAS_ALIGN, maas_align(bytes + 1, MAAS_ALIGN));
    if (p == NULL) {
        return maas_err_nomem(err);
    }

    t->data = p;
    t->bytes = bytes;

    if (t->dtype == a->t.dtype) {
        memcpy(p, (const char *) a->t.data + (size_t) (first * per)
               * maas_dtype_size(t->dtype), bytes);
        return MAAS_OK;
    }

    for (int64_t i = 0; i < n; i++) {
        double  v = cli_eval_element(&a->t, first * per + i);

        if (t->dtype == MAAS_F32) {
            ((float *) p)[i] = (float) v;

        } else {
            ((double *) p)[i] = v;
        }
    }

    return MAAS_OK;
}


maas_status_t
cli_eval_rows_npy(cli_rows_t *rows, const cli_model_t *m, cli_eval_t *e,
    const char *path, maas_err_t *err)
{
    void          *p;
    size_t         n, inputs;
    model_npy_t   *a;
    maas_status_t  rc;

    (void) maas_model_inputs(m->m, &inputs);

    if (inputs != 1) {
        return maas_err(err, MAAS_EINVAL, "%s: one array, and the model has "
                        "%zu inputs", path, inputs);
    }

    a = maas_arena_alloc(&e->mem, sizeof(*a));
    if (a == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(cli_read(path, &p, &n, err));

    rc = maas_npy_read(p, n, &a->t, err);

    if (rc == MAAS_OK && (a->t.rank == 0 || maas_tensor_count(&a->t) == 0)) {
        rc = maas_err(err, MAAS_EINVAL, "rows are expected, and the array is "
                      "empty or one number");
    }

    if (rc != MAAS_OK) {
        free(p);
        return maas_err_prefix(err, "%s", path);
    }

    a->m = m;
    a->path = path;
    rows->n = a->t.dims[0];
    rows->fill = model_npy_fill;
    rows->ctx = a;
    return MAAS_OK;
}
