/*
 * The compute team: every task runs once and is reaped once; a leased step
 * computes every unit once, whatever else the members do, and beside threads
 * that never rest; members may be where they might before; scratch slots are
 * never shared; signals stay out; destroying joins.
 */

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/team.h"
#include "tap.h"


#define UNITS  1000

typedef struct {
    maas_task_t   task;
    maas_team_t  *team;
    int           rounds;
    atomic_int    count[UNITS];
    atomic_int    in_slot[64];
    atomic_int    wrong;
    int           leased;
    int           result;
} job_t;


static void
notify(void *ctx)
{
    uint64_t  one = 1;

    if (write(*(int *) ctx, &one, sizeof(one)) < 0) {
        abort();
    }
}


static void
chunk(void *arg, int slot, int64_t first, int64_t last)
{
    job_t  *j = arg;

    if (atomic_fetch_add(&j->in_slot[slot], 1) != 0) {
        atomic_fetch_add(&j->wrong, 1);
    }

    for (int64_t i = first; i < last; i++) {
        atomic_fetch_add(&j->count[i], 1);
    }

    atomic_fetch_sub(&j->in_slot[slot], 1);
}


static void
job_run(maas_task_t *t, maas_team_t *team)
{
    int            n, want[UNITS] = { 0 };
    job_t         *j = (job_t *) t;
    maas_lease_t  *l = maas_lease_begin(team);

    j->leased += l != NULL;

    for (int r = 1; r <= j->rounds; r++) {
        /* Steps of one chunk, a few and many follow each other. */
        n = r % 2 ? UNITS : 1 + r % 5;

        if (l != NULL) {
            maas_lease_run(l, chunk, j, n);
        } else {
            chunk(j, maas_team_self(team), 0, n);
        }

        for (int i = 0; i < UNITS; i++) {
            want[i] += i < n;
            j->result += atomic_load(&j->count[i]) != want[i];
        }
    }

    maas_lease_end(l);
}


static int
reap(maas_team_t *team, int fd, int want)
{
    int             n = 0;
    uint64_t        v;
    maas_task_t    *t;
    struct pollfd   p = { .fd = fd, .events = POLLIN };

    while (n < want && poll(&p, 1, 20000) == 1) {
        if (read(fd, &v, sizeof(v)) < 0) {
            break;
        }

        for (t = maas_team_reap(team); t != NULL; t = t->next) {
            n++;
        }
    }

    return n;
}


static void
test_tasks(int threads, int jobs, int rounds)
{
    int           fd = eventfd(0, EFD_CLOEXEC), wrong = 0, leased = 0;
    job_t        *j = calloc(jobs, sizeof(*j));
    maas_team_t  *team;

    team = maas_team_create(maas_host_default(), threads, notify, &fd);
    ok(team != NULL && maas_team_threads(team) == threads, "%d threads",
       threads);

    for (int i = 0; i < jobs; i++) {
        j[i].task.run = job_run;
        j[i].rounds = rounds;
        maas_team_submit(team, &j[i].task);

        if (i % 7 == 0) {
            usleep(200);
        }
    }

    is_int(reap(team, fd, jobs), jobs, "every task is reaped once");

    for (int i = 0; i < jobs; i++) {
        wrong += j[i].result + atomic_load(&j[i].wrong);
        leased += j[i].leased;
    }

    is_int(wrong, 0, "every unit is computed once in every round");
    printf("# %d of %d jobs had helpers\n", leased, jobs);

    maas_team_destroy(team);
    ok(1, "destroyed");
    close(fd);
    free(j);
}


/* Short steps in a row: a member that comes late finds another step. */
static void
test_short_steps(void)
{
    int           fd = eventfd(0, EFD_CLOEXEC), wrong = 0;
    job_t        *j = calloc(1, sizeof(*j));
    maas_team_t  *team;

    team = maas_team_create(maas_host_default(), 4, notify, &fd);

    for (int i = 0; i < 10; i++) {
        memset(j, 0, sizeof(*j));
        j->task.run = job_run;
        j->rounds = 3000;
        usleep(300);
        maas_team_submit(team, &j->task);
        wrong += reap(team, fd, 1) != 1;
        wrong += j->result + atomic_load(&j->wrong);
    }

    is_int(wrong, 0, "30000 steps of changing length, every unit once");

    maas_team_destroy(team);
    close(fd);
    free(j);
}


/* One job at a time finds the others idle. */
static void
test_leases(void)
{
    int           fd = eventfd(0, EFD_CLOEXEC), leased = 0, wrong = 0;
    job_t        *j = calloc(1, sizeof(*j));
    maas_team_t  *team;

    team = maas_team_create(maas_host_default(), 3, notify, &fd);

    for (int i = 0; i < 200; i++) {
        memset(j, 0, sizeof(*j));
        j->task.run = job_run;
        j->rounds = 10;
        usleep(i % 4 == 0 ? 300 : 0);
        maas_team_submit(team, &j->task);
        reap(team, fd, 1);
        leased += j->leased;
        wrong += j->result + atomic_load(&j->wrong);
    }

    /* How many depends on what else runs on this machine. */
    ok(leased > 0, "lone jobs had helpers");
    is_int(wrong, 0, "and every unit was computed once");

    maas_team_destroy(team);
    close(fd);
    free(j);
}


/* Runs one after another, each with a last step that is not split. */
static void
again_run(maas_task_t *t, maas_team_t *team)
{
    job_t         *j = (job_t *) t;
    maas_lease_t  *l;

    for (int i = 0; i < j->rounds; i++) {
        l = maas_lease_begin(team);
        if (l != NULL) {
            j->leased++;
            maas_lease_run(l, chunk, j, UNITS);
        }

        usleep(300);                    /* the helper falls asleep */
        maas_lease_end(l);
    }
}


/* A run that follows at once has the helpers of the one before. */
static void
test_again(int threads)
{
    int           fd = eventfd(0, EFD_CLOEXEC), wrong = 0;
    job_t        *j = calloc(1, sizeof(*j));
    maas_team_t  *team;

    team = maas_team_create(maas_host_default(), threads, notify, &fd);
    j->task.run = again_run;
    j->rounds = 50;
    maas_team_submit(team, &j->task);
    ok(reap(team, fd, 1) == 1, "runs in a row, %d threads", threads);
    is_int(j->leased, 50, "each had helpers");

    for (int i = 0; i < UNITS; i++) {
        wrong += atomic_load(&j->count[i]) != 50;
    }

    is_int(wrong + atomic_load(&j->wrong), 0, "and each unit once");

    maas_team_destroy(team);
    close(fd);
    free(j);
}


static atomic_bool  hog_end;
static atomic_int   masks_in;


static void *
hog(void *arg)
{
    cpu_set_t  one;

    CPU_ZERO(&one);
    CPU_SET(*(int *) arg, &one);
    (void) sched_setaffinity(0, sizeof(one), &one);

    while (!atomic_load(&hog_end)) { /* void */ }

    return NULL;
}


/* Each on a member of its own: may it run where the process may? */
static void
affinity_run(maas_task_t *t, maas_team_t *team)
{
    job_t      *j = (job_t *) t;
    cpu_set_t   mine, all;

    atomic_fetch_add(&masks_in, 1);
    while (atomic_load(&masks_in) < maas_team_threads(team)) {
        sched_yield();
    }

    sched_getaffinity(getpid(), sizeof(all), &all);

    /* One that was late may still be moving another. */
    for (int i = 0; i < 1000 && j->result == 0; i++) {
        sched_getaffinity(0, sizeof(mine), &mine);
        j->result = CPU_EQUAL(&mine, &all);
        usleep(j->result ? 0 : 1000);
    }
}


/* Threads that never rest take processors from the members. */
static void
test_beside(int threads)
{
    int           fd = eventfd(0, EFD_CLOEXEC), wrong = 0, n = 0, same = 0;
    int           cpu[2];
    job_t        *j = calloc(threads, sizeof(*j));
    cpu_set_t     set;
    pthread_t     t[2];
    maas_team_t  *team;

    sched_getaffinity(0, sizeof(set), &set);
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
        if (CPU_ISSET(i, &set)) {
            cpu[n++] = i;
        }
    }

    team = maas_team_create(maas_host_default(), threads, notify, &fd);
    atomic_store(&hog_end, false);
    for (int i = 0; i < n; i++) {
        pthread_create(&t[i], NULL, hog, &cpu[i]);
    }

    for (int i = 0; i < 5; i++) {
        memset(j, 0, sizeof(*j));
        j->task.run = job_run;
        j->rounds = 300;
        maas_team_submit(team, &j->task);
        wrong += reap(team, fd, 1) != 1;
        wrong += j->result + atomic_load(&j->wrong);
    }

    ok(wrong == 0, "%d threads beside busy ones, every unit once", threads);

    memset(j, 0, threads * sizeof(*j));
    atomic_store(&masks_in, 0);
    for (int i = 0; i < threads; i++) {
        j[i].task.run = affinity_run;
        maas_team_submit(team, &j[i].task);
    }

    wrong = reap(team, fd, threads) != threads;
    for (int i = 0; i < threads; i++) {
        same += j[i].result;
    }

    is_int(wrong, 0, "a task on each member");
    is_int(same, threads, "which may run where the process may");

    atomic_store(&hog_end, true);
    for (int i = 0; i < n; i++) {
        pthread_join(t[i], NULL);
    }

    maas_team_destroy(team);
    close(fd);
    free(j);
}


static void
mask_run(maas_task_t *t, maas_team_t *team)
{
    job_t     *j = (job_t *) t;
    sigset_t   set;

    (void) team;
    pthread_sigmask(SIG_SETMASK, NULL, &set);

    j->result = sigismember(&set, SIGQUIT) && sigismember(&set, SIGCHLD)
                && sigismember(&set, SIGTERM)
                && !sigismember(&set, SIGSEGV)
                && !sigismember(&set, SIGFPE);
}


static void
test_signals(void)
{
    int           fd = eventfd(0, EFD_CLOEXEC);
    job_t         j = { .task.run = mask_run };
    maas_team_t  *team;

    team = maas_team_create(maas_host_default(), 1, notify, &fd);
    maas_team_submit(team, &j.task);
    reap(team, fd, 1);
    ok(j.result, "members block all signals but those of faults");
    maas_team_destroy(team);
    close(fd);
}


int
main(void)
{
    test_tasks(1, 50, 3);
    test_tasks(2, 200, 20);
    test_tasks(4, 300, 30);
    test_tasks(8, 100, 50);
    test_leases();
    test_again(2);
    test_again(4);
    test_short_steps();
    test_beside(2);
    test_beside(3);
    test_signals();

    return done();
}
