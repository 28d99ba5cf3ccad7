/*
 * A model's run as a task of a team, waited for by polling: the test's thread
 * leaves its processor to the team's.
 */

#ifndef T_TEAM_JOB_H
#define T_TEAM_JOB_H

#include <sched.h>
#include <stdatomic.h>

#include "maas.h"


typedef struct {
    maas_task_t           task;         /* first */
    maas_model_t         *m;
    const maas_tensor_t  *in;
    maas_run_t           *run;
    maas_status_t         rc;
    maas_err_t            err;
    atomic_bool           done;
} job_t;


static void
job_task(maas_task_t *t, maas_team_t *team)
{
    job_t  *j = (job_t *) t;

    j->rc = maas_model_run(j->m, j->in, team, NULL, &j->run, &j->err);
    atomic_store(&j->done, true);
}


static void
job_notify(void *ctx)
{
    (void) ctx;
}


/* The run is the caller's when MAAS_OK is returned. */
static maas_status_t
job_run(maas_team_t *team, job_t *j, maas_model_t *m, const maas_tensor_t *in)
{
    *j = (job_t) { .task.run = job_task, .m = m, .in = in };
    maas_team_submit(team, &j->task);

    while (!atomic_load(&j->done) || maas_team_reap(team) == NULL) {
        sched_yield();
    }

    return j->rc;
}

#endif
