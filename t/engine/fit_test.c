/*
 * Every estimator that there is, for every task it takes, with its defaults
 * on a few rows: the nodes are written and read again; each allocation
 * refused in turn is MAAS_ENOMEM, without harm and without a leak; a cancel
 * that is asked for beforehand ends the fit; all rows equal is an answer or
 * an error with a text.
 */

#include <math.h>
#include <stdlib.h>

#include "formats/onnx.h"
#include "formats/onnx_write.h"
#include "refuser.h"
#include "tap.h"
#include "train/estimator.h"


enum { N = 60, P = 3, CLASSES = 3 };

static double       x[N * P], y[N], flat[N * P];
static int32_t      label[N];
static atomic_bool  cancel;


static void
make_rows(void)
{
    uint32_t  v = 1;

    for (int i = 0; i < N; i++) {
        label[i] = i % CLASSES;

        for (int j = 0; j < P; j++) {
            v = v * 1664525u + 1013904223u;
            x[i * P + j] = (float) (v / 4294967296.0 + label[i] * (j + 1));
            flat[i * P + j] = 1;
        }

        y[i] = x[i * P] - 2 * x[i * P + 1] + 0.1 * x[i * P + 2];
    }
}


/* -- one fit ------------------------------------------------------------- */

typedef struct {
    maas_arena_t    arena;
    maas_buf_t      summary;
    maas_buf_t      bytes;
    maas_err_t      err;
    maas_fit_job_t  job;
    char            param[512];
} fit_t;


static void
fit_outputs(fit_t *t, maas_task_kind_t task)
{
    int64_t       n = -1, two[] = { -1, -1 };
    maas_build_t *b = t->job.build;

    if (task == MAAS_TASK_REGRESSION || task == MAAS_TASK_TRANSFORM) {
        maas_build_output(b, t->job.out[0], MAAS_F32, 2, two);

    } else {
        maas_build_output(b, t->job.out[0], MAAS_I64, 1, &n);
        maas_build_output(b, t->job.out[1], MAAS_F32, 2, two);
    }
}


static maas_status_t
fit_write(fit_t *t, maas_task_kind_t task)
{
    const maas_raw_model_t  *m;

    fit_outputs(t, task);
    MAAS_TRY(maas_build_done(t->job.build, &m, &t->err));

    return maas_onnx_write(m, NULL, 0, &t->bytes, &t->err);
}


/* The defaults are there before, so that only the fit is refused. */
static maas_status_t
fit_run(fit_t *t, const maas_host_t *host, const maas_estimator_t *e,
    maas_task_kind_t task, const double *rows)
{
    int64_t        dims[] = { -1, P };
    maas_arena_t   plain;

    memset(t, 0, sizeof(*t));
    maas_arena_init(&plain, &maas_host_libc, 0);

    if (e->param_size > sizeof(t->param)
        || maas_params_parse(&plain, NULL, e->param, e->n_param, NULL, NULL,
                             t->param, &t->err) != MAAS_OK)
    {
        maas_arena_destroy(&plain);
        return MAAS_EINTERNAL;
    }

    maas_arena_destroy(&plain);
    maas_arena_init(&t->arena, host, 0);
    maas_buf_init(&t->summary, host);
    maas_buf_init(&t->bytes, host);

    t->job = (maas_fit_job_t) {
        .x = rows, .n = N, .p = P, .y = y, .n_target = 1, .label = label,
        .n_class = CLASSES, .param = t->param, .threads = 1, .host = host,
        .arena = &t->arena, .summary = &t->summary, .err = &t->err,
        .build = maas_build_create(&t->arena), .cancel = &cancel
    };

    if (t->job.build == NULL) {
        return maas_err_nomem(&t->err);
    }

    t->job.in = maas_build_input(t->job.build, "x", MAAS_F32, 2, dims);
    MAAS_TRY(e->fit(&t->job, task));

    return fit_write(t, task);
}


static void
fit_end(fit_t *t)
{
    maas_buf_destroy(&t->bytes);
    maas_buf_destroy(&t->summary);
    maas_arena_destroy(&t->arena);
}


/* -- checks -------------------------------------------------------------- */

static void
check_plain(const maas_estimator_t *e, maas_task_kind_t task)
{
    fit_t              t;
    maas_raw_model_t  *m;

    if (ok(fit_run(&t, &maas_host_libc, e, task, x) == MAAS_OK,
           "%s, task %d: fitted", e->name, task))
    {
        ok(maas_onnx_read(&m, &t.arena, t.bytes.data, t.bytes.len, NULL,
                          &t.err) == MAAS_OK && m->graph.n_node > 0,
           "%s: read again", e->name);

    } else {
        printf("# %s\n", t.err.text);
    }

    fit_end(&t);
}


/* One refusal: MAAS_ENOMEM, and nothing is left. */
static bool
refusal_is_good(const maas_estimator_t *e, maas_task_kind_t task, long k)
{
    bool           good;
    fit_t          t;
    refuser_t      r = { .refuse = k };
    maas_host_t    host = refuser_host(&r);
    maas_status_t  rc;

    rc = fit_run(&t, &host, e, task, x);

    /* A summary that nobody could write to is no reason to fail. */
    good = rc == MAAS_OK ? t.summary.failed
                         : rc == MAAS_ENOMEM && t.err.status == MAAS_ENOMEM;
    fit_end(&t);

    return good && r.live == 0;
}


/* The first ones all, then some of many: forests take one a tree. */
static void
check_refused(const maas_estimator_t *e, maas_task_kind_t task)
{
    long         bad = 0, tried = 0, total;
    fit_t        t;
    refuser_t    r = { 0 };
    maas_host_t  host = refuser_host(&r);

    (void) fit_run(&t, &host, e, task, x);
    total = r.n;
    fit_end(&t);

    for (long k = 1; k <= total; k += 1 + (k > 60) * (total / 40)) {
        bad += !refusal_is_good(e, task, k);
        tried++;
    }

    ok(bad == 0 && tried > 3, "%s: %ld of %ld allocations refused", e->name,
       tried, total);
}


static void
check_odd(const maas_estimator_t *e, maas_task_kind_t task)
{
    fit_t          t;
    maas_status_t  rc;

    cancel = true;
    rc = fit_run(&t, &maas_host_libc, e, task, x);
    ok(rc == MAAS_ECANCEL || rc == MAAS_OK, "%s: cancelled, or too fast for "
       "it", e->name);
    fit_end(&t);
    cancel = false;

    rc = fit_run(&t, &maas_host_libc, e, task, flat);
    ok(rc == MAAS_OK || t.err.text[0] != '\0', "%s: all rows equal: %s",
       e->name, rc == MAAS_OK ? "fitted" : t.err.text);
    fit_end(&t);
}


int
main(void)
{
    const maas_estimator_t  *e = NULL;

    if (!ok(maas_init(NULL, NULL) == MAAS_OK, "init")) {
        return 1;
    }

    make_rows();

    while ((e = maas_estimator_next(e)) != NULL) {
        for (int task = 0; task <= MAAS_TASK_TRANSFORM; task++) {
            if (e->tasks >> task & 1) {
                check_plain(e, (maas_task_kind_t) task);
                check_refused(e, (maas_task_kind_t) task);
                check_odd(e, (maas_task_kind_t) task);
            }
        }
    }

    return done();
}
