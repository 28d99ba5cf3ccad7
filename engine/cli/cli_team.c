/*
 * cli_team.c: a training or a search on a compute team, and the signals that
 * end it.  See cli_train.h.
 *
 * Threads: the main thread waits; run() is on a member of the team.
 */

#include <semaphore.h>
#include <signal.h>

#include "cli/cli.h"
#include "cli/cli_train.h"


typedef struct {
    maas_task_t      task;
    maas_status_t  (*run)(void *ctx, maas_team_t *team, maas_err_t *err);
    void            *ctx;
    maas_err_t      *err;
    maas_status_t    rc;
    sem_t            done;
} team_job_t;

static atomic_bool  team_cancel;


static void
team_signal(int sig)
{
    (void) sig;
    team_cancel = true;
}


const atomic_bool *
cli_train_signals(void)
{
    struct sigaction  sa = { .sa_handler = team_signal,
                             .sa_flags = SA_RESTART };

    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    return &team_cancel;
}


static void
team_task(maas_task_t *task, maas_team_t *team)
{
    team_job_t  *j = (team_job_t *) task;

    j->rc = j->run(j->ctx, team, j->err);
}


static void
team_notify(void *ctx)
{
    sem_post(ctx);
}


maas_status_t
cli_train_on_team(int threads,
    maas_status_t (*run)(void *ctx, maas_team_t *team, maas_err_t *err),
    void *ctx, maas_err_t *err)
{
    team_job_t    j = { .run = run, .ctx = ctx, .err = err };
    maas_team_t  *team;

    if (threads <= 1) {
        return run(ctx, NULL, err);
    }

    j.task.run = team_task;
    sem_init(&j.done, 0, 0);

    team = maas_team_create(maas_host_default(), threads, team_notify,
                            &j.done);
    if (team == NULL) {
        sem_destroy(&j.done);
        return maas_err(err, MAAS_ENOMEM, "cannot make %d threads", threads);
    }

    maas_team_submit(team, &j.task);

    while (sem_wait(&j.done) != 0 || maas_team_reap(team) == NULL) {
        /* void */
    }

    maas_team_destroy(team);
    sem_destroy(&j.done);

    return j.rc;
}
