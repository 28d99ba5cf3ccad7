/*
 * Trees under pressure: each allocation of a fit fails once, which gives an
 * error and frees everything; sizes that overflow are refused before any row
 * is looked at; a fit is cancelled in its middle; threads change no bit of
 * the model's bytes.
 */

#include <sched.h>
#include <stdlib.h>

#include "formats/onnx_write.h"
#include "tap.h"
#include "train/estimator.h"


/* Nothing can be tested. */
#define bail(...)  (ok(0, __VA_ARGS__), exit(1))

#define ROWS  400
#define COLS  5

typedef struct {
    const char        *name;
    const char        *params;
    maas_task_kind_t   kind;
} case_t;

static const case_t  cases[] = {
    { "decision_tree", "{}", MAAS_TASK_CLASSIFICATION },
    { "decision_tree", "{\"criterion\":\"entropy\"}",
      MAAS_TASK_CLASSIFICATION },
    { "decision_tree", "{}", MAAS_TASK_REGRESSION },
    { "random_forest", "{\"trees\":6}", MAAS_TASK_CLASSIFICATION },
    { "random_forest", "{\"trees\":6}", MAAS_TASK_REGRESSION },
    { "extra_trees", "{\"trees\":6}", MAAS_TASK_CLASSIFICATION },
    { "gradient_boosting", "{\"iterations\":4}", MAAS_TASK_CLASSIFICATION },
    { "gradient_boosting", "{\"iterations\":4,\"early_stopping\":true}",
      MAAS_TASK_REGRESSION },
    { "isolation_forest", "{\"trees\":6,\"contamination\":0.1}",
      MAAS_TASK_OUTLIERS },
};

typedef struct {
    maas_task_t              task;
    const case_t            *c;
    const maas_estimator_t  *e;
    maas_fit_job_t           job;
    maas_buf_t               bytes;
    maas_err_t               err;
    maas_status_t            rc;
    atomic_bool              cancel;
    uint64_t                 cancel_at;
    atomic_int               over;
} fit_t;

static double   x[ROWS * COLS], y[ROWS];
static int32_t  label[ROWS];

/* A host whose allocation number `fail` is refused. */
static atomic_long  made, live, fail;


static void *
host_alloc(void *ctx, size_t size)
{
    void  *p;

    (void) ctx;

    if (atomic_fetch_add(&made, 1) + 1 == fail || size > 1 << 28) {
        return NULL;
    }

    p = malloc(size);
    atomic_fetch_add(&live, p != NULL);
    return p;
}


static void
host_free(void *ctx, void *p)
{
    (void) ctx;
    atomic_fetch_sub(&live, 1);
    free(p);
}


static const maas_host_t  host = { host_alloc, host_free, NULL };


static void
data(void)
{
    uint32_t  s = 1;

    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++) {
            s = s * 1664525 + 1013904223;
            x[i * COLS + j] = (s >> 8) * 0x1p-24;
        }

        y[i] = x[i * COLS] * 3 - x[i * COLS + 1];
        label[i] = (y[i] > 0.5) + (y[i] > 1.5);
    }
}


static void
progress(void *ctx, uint64_t done, uint64_t of)
{
    fit_t  *t = ctx;

    if (t->cancel_at != 0 && done >= t->cancel_at) {
        atomic_store(&t->cancel, true);
    }

    if (done > of) {
        atomic_store(&t->cancel, true);
    }
}


static void
run(maas_task_t *task, maas_team_t *team)
{
    fit_t                   *t = (fit_t *) task;
    int64_t                  dims[2] = { -1, COLS };
    maas_buf_t               said;
    maas_arena_t             a;
    const maas_raw_model_t  *m;

    maas_arena_init(&a, maas_host_default(), 0);
    maas_buf_init(&said, maas_host_default());
    t->job.team = team;
    t->job.arena = &a;
    t->job.summary = &said;
    t->job.build = maas_build_create(&a);
    t->job.in = maas_build_input(t->job.build, "x", MAAS_F32, 2, dims);
    t->rc = t->e->fit(&t->job, t->c->kind);

    if (t->rc == MAAS_OK) {
        maas_build_output(t->job.build, t->job.out[0],
            t->c->kind == MAAS_TASK_REGRESSION ? MAAS_F32 : MAAS_I64,
            t->c->kind == MAAS_TASK_REGRESSION ? 2 : 1,
            (int64_t[]) { -1, -1 });
        t->rc = maas_build_done(t->job.build, &m, &t->err);
        t->bytes.len = 0;

        if (t->rc == MAAS_OK) {
            t->rc = maas_onnx_write(m, NULL, 0, &t->bytes, &t->err);
        }
    }

    maas_arena_destroy(&a);
    maas_buf_destroy(&said);
    atomic_store(&t->over, 1);
}


static void
notify(void *ctx)
{
    (void) ctx;
}


static void
begin(fit_t *t, const case_t *c, maas_arena_t *a)
{
    json_t  *j = json_loads(c->params, 0, NULL);

    *t = (fit_t) { .c = c };
    t->e = maas_estimator_find((maas_str_t) { c->name, strlen(c->name) });
    t->job = (maas_fit_job_t) {
        .x = x, .n = ROWS, .p = COLS, .y = y, .n_target = 1, .label = label,
        .n_class = 3, .seed = 7, .threads = 1, .host = &host, .err = &t->err,
        .cancel = &t->cancel, .progress = progress, .progress_ctx = t,
        .param = maas_arena_alloc(a, t->e->param_size)
    };
    maas_buf_init(&t->bytes, maas_host_default());

    if (maas_params_parse(a, j, t->e->param, t->e->n_param, NULL, "model",
                          (void *) t->job.param, &t->err) != MAAS_OK)
    {
        bail("%s", t->err.text);
    }

    json_decref(j);
}


static void
run_team(fit_t *t, int threads)
{
    maas_team_t  *team = maas_team_create(maas_host_default(), threads,
                                          notify, NULL);

    t->job.threads = threads;
    t->task.run = run;
    atomic_store(&t->over, 0);
    maas_team_submit(team, &t->task);

    while (!atomic_load(&t->over)) {
        sched_yield();
    }

    maas_team_destroy(team);
}


static void
test_memory(const case_t *c)
{
    long           left = 0, wrong = 0, n;
    fit_t          t;
    maas_arena_t   a;

    maas_arena_init(&a, maas_host_default(), 0);
    begin(&t, c, &a);

    for (n = 1; n < 10000; n++) {
        made = 0;
        fail = n;
        run(&t.task, NULL);
        left += live;

        if (t.rc == MAAS_OK) {
            break;
        }

        wrong += t.rc != MAAS_ENOMEM || strstr(t.err.text, "memory") == NULL;
    }

    ok(t.rc == MAAS_OK && n > 5 && wrong == 0 && left == 0,
       "%s: each of %ld allocations fails once", c->name, n - 1);
    fail = 0;
    maas_buf_destroy(&t.bytes);
    maas_arena_destroy(&a);
}


static void
test_threads(const case_t *c)
{
    fit_t          t;
    size_t         n;
    char          *first;
    maas_arena_t   a;

    maas_arena_init(&a, maas_host_default(), 0);
    begin(&t, c, &a);
    run(&t.task, NULL);
    n = t.bytes.len;
    first = malloc(n + 1);
    memcpy(first, t.bytes.data, n);
    run_team(&t, 2);
    ok(t.rc == MAAS_OK && t.bytes.len == n
       && memcmp(first, t.bytes.data, n) == 0,
       "%s: two threads give the same %zu bytes", c->name, n);
    run_team(&t, 3);
    ok(t.rc == MAAS_OK && t.bytes.len == n
       && memcmp(first, t.bytes.data, n) == 0, "%s: three too", c->name);

    if (strcmp(c->name, "decision_tree") != 0) {
        t.cancel_at = 2;
        run_team(&t, 2);
        ok(t.rc == MAAS_ECANCEL && live == 0, "%s: cancelled in its middle",
           c->name);
    }

    free(first);
    maas_buf_destroy(&t.bytes);
    maas_arena_destroy(&a);
}


/* Nothing of x is read: it is as short as ever. */
static void
test_sizes(const case_t *c)
{
    fit_t                 t;
    maas_arena_t          a;
    static const int64_t  sizes[][2] = {
        { INT64_MAX, 2 }, { INT64_C(1) << 31, 1 }, { 1, INT64_C(1) << 40 },
        { INT64_C(1) << 62, INT64_C(1) << 62 }, { 0, 3 }, { 3, 0 }, { -1, 1 }
    };

    maas_arena_init(&a, maas_host_default(), 0);
    begin(&t, c, &a);

    for (size_t i = 0; i < maas_nelts(sizes); i++) {
        t.job.n = sizes[i][0];
        t.job.p = sizes[i][1];
        run(&t.task, NULL);
        ok((t.rc == MAAS_ELIMIT || t.rc == MAAS_EINVAL) && live == 0,
           "%s: %lld x %lld rows: %s", c->name, (long long) t.job.n,
           (long long) t.job.p, t.err.text);
    }

    maas_buf_destroy(&t.bytes);
    maas_arena_destroy(&a);
}


int
main(void)
{
    maas_err_t  err;

    if (maas_init(NULL, &err) != MAAS_OK) {
        bail("%s", err.text);
    }

    data();

    for (size_t i = 0; i < maas_nelts(cases); i++) {
        test_memory(&cases[i]);
        test_threads(&cases[i]);
        test_sizes(&cases[i]);
    }

    return done();
}
