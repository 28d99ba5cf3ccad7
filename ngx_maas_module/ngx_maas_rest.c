/*
 * maas_memory_idle: working memory that no run has used for so long goes
 * back to the system.  A timer starts with the end of a run; when it expires
 * a task on the compute team gives back what is due, and says when there
 * will be more.  A worker that has given back all it had has no timer.
 *
 * Event loop only, but for the task.  Timer and task belong to the process.
 */

#include "ngx_http_maas_module.h"


typedef struct {
    ngx_maas_task_t   task;     /* first */
    ngx_event_t       timer;
    ngx_msec_t        idle;     /* 0: nothing is given back */
    uint64_t          next;     /* ns; 0: nothing is left */
    ngx_uint_t        trim;     /* no request is in flight */
    unsigned          posted:1;
    unsigned          again:1;  /* a run has ended meanwhile */
} ngx_maas_rest_t;


static ngx_maas_rest_t  ngx_maas_rest;


/* On a team thread. */

static void
ngx_maas_rest_run(maas_task_t *t, maas_team_t *team)
{
    ngx_maas_rest_t *rest = (ngx_maas_rest_t *) t;

    (void) team;

    rest->next = maas_memory_rest((uint64_t) rest->idle * 1000000,
                                  rest->trim);
}


static void
ngx_maas_rest_done(ngx_maas_task_t *t)
{
    ngx_maas_rest_t *rest = (ngx_maas_rest_t *) t;

    rest->posted = 0;

    if (rest->next != 0) {
        ngx_add_timer(&rest->timer, rest->next / 1000000 + 1);

    } else if (rest->again) {
        ngx_add_timer(&rest->timer, rest->idle);
    }
}


static void
ngx_maas_rest_handler(ngx_event_t *ev)
{
    ngx_maas_rest_t *rest = ev->data;

    rest->posted = 1;
    rest->again = 0;
    rest->trim = ngx_queue_empty(&ngx_maas_process.jobs);

    ngx_maas_task_post(&rest->task, ngx_maas_rest_run, ngx_maas_rest_done);
}


void
ngx_maas_rest_init(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    ngx_memzero(&ngx_maas_rest, sizeof(ngx_maas_rest_t));

    ngx_maas_rest.idle = mcf->memory_idle;

    ngx_maas_rest.timer.handler = ngx_maas_rest_handler;
    ngx_maas_rest.timer.data = &ngx_maas_rest;
    ngx_maas_rest.timer.log = cycle->log;
    ngx_maas_rest.timer.cancelable = 1;
}


/* The team is gone; a task that was posted has ended or never will run. */

void
ngx_maas_rest_exit(void)
{
    ngx_maas_rest.idle = 0;

    if (ngx_maas_rest.timer.timer_set) {
        ngx_del_timer(&ngx_maas_rest.timer);
    }
}


/* A run has ended: there may be something to give back later. */

void
ngx_maas_rest_arm(void)
{
    ngx_maas_rest_t *rest = &ngx_maas_rest;

    if (rest->posted) {
        rest->again = 1;
        return;
    }

    if (rest->idle && !rest->timer.timer_set) {
        ngx_add_timer(&rest->timer, rest->idle);
    }
}
