/*
 * What a worker does to its models once it has started: touch the weights,
 * run once, and find out whether requests may be merged.  A version at a
 * time and a step at a time, so that a request that comes meanwhile waits
 * for one step at most, however many models there are.
 *
 * Event loop only, but for ngx_maas_warm_run().  Memory is malloc'd; a
 * version that waits is in ngx_maas_process.warm, one that runs is the
 * team's.
 */

#include "ngx_http_maas_module.h"


typedef enum {
    NGX_MAAS_WARM_RUN = 0,
    NGX_MAAS_WARM_BATCH,
    NGX_MAAS_WARM_PAD,
    NGX_MAAS_WARM_DONE
} ngx_maas_warm_e;


typedef struct {
    ngx_maas_task_t    task;    /* first */
    ngx_queue_t        link;
    maas_model_t      *model;
    ngx_str_t          name;    /* the cycle's */
    int64_t            version;
    ngx_uint_t         batch;
    ngx_maas_warm_e    step;
    maas_status_t      rc;      /* of the step; why in err */
    maas_err_t         err;
} ngx_maas_warm_t;


static void ngx_maas_warm_done(ngx_maas_task_t *t);


/* On a team thread. */

static void
ngx_maas_warm_run(maas_task_t *t, maas_team_t *team)
{
    ngx_maas_warm_t  *w = (ngx_maas_warm_t *) t;

    switch (w->step) {

    case NGX_MAAS_WARM_RUN:
        (void) maas_model_warm(w->model, team, NULL);
        return;

    case NGX_MAAS_WARM_BATCH:
        w->rc = maas_model_batch_check(w->model, team, &w->err);
        return;

    case NGX_MAAS_WARM_PAD:
        w->rc = maas_model_pad_check(w->model, team, &w->err);
        return;

    case NGX_MAAS_WARM_DONE:
        return;
    }
}


static void
ngx_maas_warm_free(ngx_maas_warm_t *w)
{
    maas_model_release(w->model);
    free(w);
}


/* One worker tells for all. */

static void
ngx_maas_warm_failed(ngx_maas_warm_t *w)
{
    if (ngx_worker != 0) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  w->step == NGX_MAAS_WARM_BATCH
                  ? "maas model \"%V\" version %L: its requests run one by "
                    "one in spite of \"batch\": %s"
                  : "maas model \"%V\" version %L: its requests run with "
                    "those of the same length only, in spite of "
                    "\"batch.pad\" of model.json: %s",
                  &w->name, w->version, w->err.text);
}


/* Posts the next version; a worker that leaves needs none. */

void
ngx_maas_warm_start(void)
{
    ngx_queue_t      *q;
    ngx_maas_warm_t  *w;

    if (ngx_exiting) {
        ngx_maas_warm_exit();
        return;
    }

    if (ngx_queue_empty(&ngx_maas_process.warm)) {
        return;
    }

    q = ngx_queue_head(&ngx_maas_process.warm);
    w = ngx_queue_data(q, ngx_maas_warm_t, link);

    ngx_queue_remove(q);
    ngx_maas_task_post(&w->task, ngx_maas_warm_run, ngx_maas_warm_done);
}


static void
ngx_maas_warm_done(ngx_maas_task_t *t)
{
    ngx_maas_warm_t  *w = (ngx_maas_warm_t *) t;

    if (w->rc != MAAS_OK) {
        ngx_maas_warm_failed(w);
        w->step = NGX_MAAS_WARM_DONE;

    } else if (w->batch) {
        w->step++;

    } else {
        w->step = NGX_MAAS_WARM_DONE;
    }

    if (w->step == NGX_MAAS_WARM_DONE || ngx_exiting) {
        ngx_maas_warm_free(w);
        ngx_maas_rest_arm();

    } else {
        ngx_queue_insert_head(&ngx_maas_process.warm, &w->link);
    }

    ngx_maas_warm_start();
}


/* Notes a version; ngx_maas_warm_start() begins. */

void
ngx_maas_warm(maas_model_t *m, ngx_maas_model_t *model, int64_t version)
{
    ngx_maas_warm_t  *w;

    w = calloc(1, sizeof(ngx_maas_warm_t));
    if (w == NULL) {
        return;
    }

    maas_model_retain(m);
    w->model = m;
    w->name = model->name;
    w->version = version;
    w->batch = (model->batch_max > 1);

    ngx_queue_insert_tail(&ngx_maas_process.warm, &w->link);
}


void
ngx_maas_warm_exit(void)
{
    ngx_queue_t      *q;
    ngx_maas_warm_t  *w;

    while (!ngx_queue_empty(&ngx_maas_process.warm)) {
        q = ngx_queue_head(&ngx_maas_process.warm);
        w = ngx_queue_data(q, ngx_maas_warm_t, link);

        ngx_queue_remove(q);
        ngx_maas_warm_free(w);
    }
}
