/*
 * Fuzz target: specifications of what is not a network: estimators behind
 * their pipelines, agents, schedules and searches.  A small table is learned
 * from for some ms, then cancelled.  What is learned has to be a model that
 * can be imported, and a rate of a schedule is a number that is not below 0.
 */

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "graph/graph.h"
#include "train/optim.h"
#include "train/pipeline.h"
#include "train/rl.h"
#include "train/search.h"
#include "train/spec.h"


#define FIT_MEMORY  (64u << 20)
#define FIT_US      30000               /* until it is cancelled */
#define FIT_ROWS    24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static maas_dataset_t  *ds;
static atomic_bool      cancel;


static void
fit_alarm(int signal)
{
    (void) signal;
    atomic_store(&cancel, true);
}


static void
fit_timer(int us)
{
    struct itimerval  t = { .it_value.tv_usec = us };

    atomic_store(&cancel, false);
    setitimer(ITIMER_REAL, &t, NULL);
}


/* Two numbers, one of them missing at times, a category and a text. */
static void
fit_table(void)
{
    char                     path[64], text[32];
    struct sigaction         sa = { .sa_handler = fit_alarm,
                                    .sa_flags = SA_RESTART };
    maas_column_spec_t       c[] = {
        { .name = maas_str("a"), .kind = MAAS_COL_NUMBER },
        { .name = maas_str("b"), .kind = MAAS_COL_INTEGER },
        { .name = maas_str("color"), .kind = MAAS_COL_CATEGORY },
        { .name = maas_str("text"), .kind = MAAS_COL_TEXT, .fixed = true }
    };
    maas_dataset_writer_t   *w;

    sigaction(SIGALRM, &sa, NULL);
    snprintf(path, sizeof(path), "/tmp/maas_fuzz_fit_%d.maasds", getpid());

    if (maas_dataset_create(&w, &maas_host_libc, path, c, 4, 0, NULL)
        != MAAS_OK)
    {
        abort();
    }

    for (int i = 0; i < FIT_ROWS; i++) {
        if (i % 7 != 3) {
            maas_dataset_put_number(w, 0, sin(i) * 3);
        }

        maas_dataset_put_integer(w, 1, i * i % 5);
        maas_dataset_put_text(w, 2, i % 3 == 0 ? maas_str("red")
                                               : maas_str("blue"));
        snprintf(text, sizeof(text), "cat %d dog %d", i % 4, i % 2);
        maas_dataset_put_text(w, 3, (maas_str_t) { text, strlen(text) });
        maas_dataset_end_row(w, NULL);
    }

    if (maas_dataset_commit(w, NULL) != MAAS_OK
        || maas_dataset_open(&ds, &maas_host_libc, path, NULL) != MAAS_OK)
    {
        abort();
    }

    unlink(path);
}


static void
fit_model(maas_arena_t *a, const maas_raw_model_t *m)
{
    maas_err_t     err = { 0 };
    maas_graph_t  *g;

    if ((maas_graph_import(&g, a, m, &err) != MAAS_OK
         || maas_graph_infer(g, &err) != MAAS_OK)
        && err.status != MAAS_ENOMEM)
    {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}


/* How the model ends: see estimator.h. */
static void
fit_outputs(maas_fit_job_t *f, maas_task_kind_t task)
{
    int64_t  one[1] = { -1 }, two[2] = { -1, -1 };

    if (task == MAAS_TASK_REGRESSION || task == MAAS_TASK_TRANSFORM) {
        maas_build_output(f->build, f->out[0], MAAS_F32, 2, two);
        return;
    }

    maas_build_output(f->build, f->out[0], MAAS_I64, 1, one);

    if (f->out[1].len != 0) {
        maas_build_output(f->build, f->out[1], MAAS_F32, 2, two);
    }
}


static maas_status_t
fit_pipeline(const maas_spec_t *s, maas_arena_t *a, maas_build_t *b,
    maas_pipeline_t *p, maas_err_t *err)
{
    static const int  column[] = { 0, 1, 2, 3 };

    *p = (maas_pipeline_t) { .ds = ds, .column = column,
        /* a text that no step takes is an error */
        .n_column = s->pipeline != NULL ? 4 : 3, .rows = { .n = FIT_ROWS },
        .steps = s->pipeline, .seed = (uint64_t) s->seed, .threads = 1,
        .cancel = &cancel, .build = b, .arena = a, .host = &maas_host_libc };

    return maas_pipeline_fit(p, err);
}


static maas_status_t
fit_estimator(const maas_spec_t *s, const maas_estimator_t *e,
    maas_task_kind_t task, maas_arena_t *a, maas_err_t *err)
{
    int32_t                   label[FIT_ROWS];
    double                    y[FIT_ROWS];
    maas_buf_t                summary;
    maas_status_t             rc;
    maas_pipeline_t           p;
    static const int64_t      class_int[] = { 0, 1, 2 };
    static const char *const  skip[] = { "type", NULL };
    const maas_raw_model_t   *m;
    maas_fit_job_t            f = { .n = FIT_ROWS, .n_target = 1,
        .seed = (uint64_t) s->seed, .threads = 1, .cancel = &cancel,
        .arena = a, .host = &maas_host_libc, .err = err };

    for (int i = 0; i < FIT_ROWS; i++) {
        y[i] = cos(i) + i;
        label[i] = i % 3;
    }

    f.build = maas_build_create(a);
    f.param = maas_arena_alloc(a, e->param_size + 1u);
    if (f.build == NULL || f.param == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(maas_params_parse(a, s->model, e->param, e->n_param, skip,
                               "model", (void *) f.param, err));
    MAAS_TRY(fit_pipeline(s, a, f.build, &p, err));

    if (p.missing && !e->missing) {
        return MAAS_OK;                 /* train_pipe.c refuses it */
    }

    maas_buf_init(&summary, &maas_host_libc);
    f.x = p.x;
    f.p = p.p;
    f.in = p.value;
    f.summary = &summary;

    if (task == MAAS_TASK_REGRESSION) {
        f.y = y;

    } else if (task == MAAS_TASK_CLASSIFICATION) {
        f.label = label;
        f.n_class = 3;
        f.class_int = class_int;
    }

    rc = e->fit(&f, task);
    maas_buf_destroy(&summary);
    MAAS_TRY(rc);
    fit_outputs(&f, task);
    MAAS_TRY(maas_build_done(f.build, &m, err));
    fit_model(a, m);

    return MAAS_OK;
}


static maas_status_t
fit_agent(const maas_spec_t *s, maas_arena_t *a, maas_err_t *err)
{
    maas_buf_t     b[3];
    maas_status_t  rc;
    maas_rl_job_t  j = { .model = s->model, .seed = (uint64_t) s->seed,
        .host = &maas_host_libc, .k = maas_kernels(MAAS_CPU_REF),
        .arena = a, .cancel = &cancel, .metrics = &b[0], .training = &b[1],
        .history = &b[2] };

    for (int i = 0; i < 3; i++) {
        maas_buf_init(&b[i], &maas_host_libc);
    }

    rc = maas_rl_train(&j, err);

    if (rc == MAAS_OK) {
        fit_model(a, j.result);
    }

    for (int i = 0; i < 3; i++) {
        maas_buf_destroy(&b[i]);
    }

    return rc;
}


static void
fit_schedule(const maas_spec_t *s, maas_arena_t *a)
{
    double                 rate;
    maas_err_t             err;
    maas_schedule_t        c;
    maas_schedule_state_t  st;

    if (maas_schedule_parse(a, s->schedule, &c, &err) != MAAS_OK) {
        return;
    }

    maas_schedule_begin(&st);

    for (int64_t e = 0; e < 20; e++) {
        rate = maas_schedule_rate(&c, &st, 0.1, e, 0.5, 20);

        if (isnan(rate) || rate < 0) {
            fprintf(stderr, "rate %g in epoch %lld\n", rate, (long long) e);
            abort();
        }

        maas_schedule_epoch(&c, &st, rate, e % 4);
    }
}


/* A trial is as good as its text is short. */
static maas_status_t
fit_trial(void *ctx, const maas_search_run_t *run, double *score,
    maas_err_t *err)
{
    char  *text = json_dumps(run->spec, JSON_ENCODE_ANY);

    (void) ctx;
    if (text == NULL) {
        return maas_err(err, MAAS_EINVAL, "no text");
    }

    *score = (double) strlen(text) + run->fold;
    free(text);
    return MAAS_OK;
}


static void
fit_search(const maas_spec_t *s)
{
    maas_err_t         err = { 0 };
    maas_buf_t         b;
    maas_status_t      rc;
    maas_search_t      r;
    maas_search_job_t  job = { .base = s->json, .search = s->search,
        .run = fit_trial, .cancel = &cancel, .host = &maas_host_libc };

    maas_buf_init(&b, &maas_host_libc);
    rc = maas_search(&job, &r, &err);

    if (rc != MAAS_OK && err.text[0] == '\0') {
        abort();
    }

    if (rc == MAAS_OK) {
        maas_search_text(&b, &r);
        maas_search_json(&b, &r);
    }

    maas_search_free(&r);
    maas_buf_destroy(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maas_err_t               err = { 0 };
    maas_str_t               type = maas_str("");
    maas_spec_t              s;
    maas_arena_t             a;
    maas_status_t            rc = MAAS_OK;
    const char              *name;
    const maas_estimator_t  *e;

    if (ds == NULL) {
        fit_table();
    }

    if (maas_spec_parse(&s, &maas_host_libc, (const char *) data, size, ".",
                        NULL, 0, &err) != MAAS_OK)
    {
        return 0;
    }

    name = json_string_value(json_object_get(s.model, "type"));
    type = name != NULL ? (maas_str_t) { name, strlen(name) } : type;
    e = maas_estimator_find(type);

    for (int t = 0; e != NULL && t < MAAS_TASK_TRANSFORM; t++) {
        if (e->tasks >> t & 1) {
            maas_arena_init(&a, &maas_host_libc, FIT_MEMORY);
            fit_timer(FIT_US);
            rc = fit_estimator(&s, e, (maas_task_kind_t) t, &a, &err);
            fit_timer(0);
            maas_arena_destroy(&a);
        }
    }

    maas_arena_init(&a, &maas_host_libc, FIT_MEMORY);
    fit_timer(FIT_US);

    if (maas_rl_agent_find(type) != NULL) {
        rc = fit_agent(&s, &a, &err);
    }

    if (rc != MAAS_OK && err.text[0] == '\0') {
        abort();
    }

    fit_schedule(&s, &a);

    if (s.search != NULL) {
        fit_timer(FIT_US);
        fit_search(&s);
    }

    fit_timer(0);
    maas_arena_destroy(&a);
    maas_spec_free(&s);

    return 0;
}
