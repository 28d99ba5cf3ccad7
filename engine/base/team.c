/*
 * team.c: the compute team.  One queue of tasks under a mutex, members that
 * wait first by a brief spin that yields, then on a futex.
 *
 * Ownership: see member.h; tasks belong to the host.
 * Threads:   as maas.h and team.h say.
 */

#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>

#include "base/member.h"


#define TEAM_CROWD_NS  50000000         /* no yields after one to a process */

static __thread team_member_t  *team_self;


/*
 * Spins until *f moves; true: it did.  Where the host's thread was last it
 * yields every 32 pauses, else that thread would not get on to move it.
 * Beside a process that never rests a yield gives away a slice, in which a
 * task or a lease would wait.
 */
static bool
team_spin(team_futex_t *f, uint32_t seen, team_member_t *self)
{
    int       n = 0;
    uint64_t  t, now = maas_now_ns(), end = now + TEAM_SPIN_NS;

    while (now > self->crowded && now < end) {
        if (atomic_load_explicit(f, memory_order_acquire) != seen) {
            return true;
        }

        __builtin_ia32_pause();

        if (++n % TEAM_SPIN_PAUSE != 0) {
            continue;
        }

        t = now = maas_now_ns();

        if (maas_place_note(&self->place)
            == atomic_load_explicit(&self->team->host_cpu,
                                    memory_order_relaxed))
        {
            sched_yield();
            now = maas_now_ns();
        }

        if (now - t > TEAM_SLICE_NS) {
            self->crowded = now + TEAM_CROWD_NS;
        }
    }

    return false;
}


team_member_t *
maas_team_member(void)
{
    return team_self;
}


/* -- arithmetic ---------------------------------------------------------- */

#define FP_FTZ_DAZ  0x8040u
#define FP_ROUND    0x6000u

unsigned
maas_fp_enter(void)
{
    unsigned  saved = __builtin_ia32_stmxcsr();

    __builtin_ia32_ldmxcsr((saved & ~FP_ROUND) | FP_FTZ_DAZ);
    return saved;
}


void
maas_fp_leave(unsigned saved)
{
    __builtin_ia32_ldmxcsr(saved);
}


/* -- tasks --------------------------------------------------------------- */

static void
team_finish(maas_team_t *team, maas_task_t *t)
{
    maas_task_t  *old = atomic_load(&team->finished);

    do {
        t->next = old;
    } while (!atomic_compare_exchange_weak(&team->finished, &old, t));

    if (old == NULL) {
        team->notify(team->ctx);
    }
}


static maas_task_t *
team_pop(maas_team_t *team)
{
    maas_task_t  *t = team->head;

    if (t != NULL) {
        team->head = t->next;
        if (team->head == NULL) {
            team->tail = NULL;
        }

        atomic_fetch_sub(&team->waiting, 1);
    }

    return t;
}


static void *
team_main(void *data)
{
    uint32_t        seen, round, rank;
    maas_task_t    *t;
    maas_team_t    *team;
    maas_lease_t   *l;
    team_member_t  *m = data;

    team = m->team;
    team_self = m;
    maas_place_init(&m->place);
    (void) maas_fp_enter();

    for ( ;; ) {
        /* Before stop is looked at: destroy() sets it, then moves seq. */
        seen = atomic_load(&team->seq);

        if (atomic_load(&team->stop)) {
            break;
        }

        pthread_mutex_lock(&team->mutex);
        l = m->lease;
        m->lease = NULL;
        round = m->round;
        rank = m->rank;

        /* One that is over keeps nobody from being leased again. */
        if (l != NULL && atomic_load(&l->round) != round) {
            l = NULL;
        }

        m->helps = l;
        t = l == NULL ? team_pop(team) : NULL;
        m->idle = l == NULL && t == NULL;
        pthread_mutex_unlock(&team->mutex);

        if (l != NULL) {
            maas_lease_help(m, l, round, rank);

        } else if (t != NULL) {
            t->run(t, team);
            team_finish(team, t);

        } else if (!team_spin(&team->seq, seen, m)) {
            team_sleep(&team->seq, &team->sleepers, seen);
        }
    }

    maas_place_end(&m->place);
    return NULL;
}


static bool
team_start(maas_team_t *team)
{
    bool      ok = true;
    sigset_t  set, old;

    sigfillset(&set);
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGILL);
    sigdelset(&set, SIGFPE);
    pthread_sigmask(SIG_SETMASK, &set, &old);

    for (int i = 0; i < team->n; i++) {
        if (pthread_create(&team->member[i].thread, NULL, team_main,
                           &team->member[i]) != 0)
        {
            ok = false;
            break;
        }

        team->started++;
    }

    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}


/* Members and the ranges of their leases, each on its own lines. */
static bool
team_members(maas_team_t *team)
{
    size_t          n = (size_t) team->n;
    team_member_t  *m;
    lease_range_t  *range;

    team->memory = maas_calloc(team->host, 1, TEAM_LINE
                               + n * (sizeof(*m) + n * sizeof(*range)));
    if (team->memory == NULL) {
        return false;
    }

    m = (team_member_t *) maas_align((uintptr_t) team->memory, TEAM_LINE);
    range = (lease_range_t *) (m + n);
    team->member = m;

    for (size_t i = 0; i < n; i++) {
        m[i].team = team;
        m[i].index = (int) i;
        m[i].idle = true;
        m[i].own.team = team;
        m[i].own.lender = &m[i];
        m[i].own.range = range + i * n;
    }

    return true;
}


maas_team_t *
maas_team_create(const maas_host_t *host, int threads,
    void (*notify)(void *ctx), void *ctx)
{
    maas_team_t  *team;

    threads = threads < 1 ? 1 : threads > 256 ? 256 : threads;

    team = maas_calloc(host, 1, sizeof(maas_team_t));
    if (team == NULL) {
        return NULL;
    }

    team->host = host;
    team->notify = notify;
    team->ctx = ctx;
    team->n = threads;
    pthread_mutex_init(&team->mutex, NULL);

    if (!team_members(team)) {
        maas_team_destroy(team);
        return NULL;
    }

    if (!team_start(team)) {
        maas_team_destroy(team);
        return NULL;
    }

    return team;
}


void
maas_team_destroy(maas_team_t *team)
{
    if (team == NULL) {
        return;
    }

    atomic_store(&team->stop, true);
    atomic_fetch_add(&team->seq, 1);
    team_futex_wake(&team->seq, INT32_MAX);

    for (int i = 0; i < team->started; i++) {
        atomic_fetch_add(&team->member[i].own.seq, 1);
        team_futex_wake(&team->member[i].own.seq, INT32_MAX);
    }

    for (int i = 0; i < team->started; i++) {
        pthread_join(team->member[i].thread, NULL);
    }

    pthread_mutex_destroy(&team->mutex);
    maas_free(team->host, team->memory);
    maas_free(team->host, team);
}


int
maas_team_threads(const maas_team_t *team)
{
    return team != NULL ? team->n : 1;
}


const atomic_bool *
maas_team_stop(const maas_team_t *team)
{
    return team != NULL ? &team->stop : NULL;
}


int
maas_team_self(const maas_team_t *team)
{
    return team != NULL && team_self != NULL && team_self->team == team
           ? team_self->index : 0;
}


void
maas_team_submit(maas_team_t *team, maas_task_t *t)
{
    maas_lease_t  *l;

    t->next = NULL;
    atomic_store_explicit(&team->host_cpu, sched_getcpu(),
                          memory_order_relaxed);

    pthread_mutex_lock(&team->mutex);

    if (team->tail != NULL) {
        team->tail->next = t;
    } else {
        team->head = t;
    }

    team->tail = t;
    atomic_fetch_add(&team->waiting, 1);
    pthread_mutex_unlock(&team->mutex);

    team_signal(&team->seq, &team->sleepers, 1);

    /* A member that waits for work of a lease leaves it for the task. */
    for (int i = 0; i < team->n; i++) {
        l = &team->member[i].own;

        if (atomic_load(&l->round) % 2 == 1) {
            team_signal(&l->seq, &l->sleepers, 1);
        }
    }
}


maas_task_t *
maas_team_reap(maas_team_t *team)
{
    maas_task_t  *t, *next, *list = NULL;

    t = atomic_exchange(&team->finished, NULL);

    for ( /* void */ ; t != NULL; t = next) {
        next = t->next;
        t->next = list;
        list = t;
    }

    return list;
}
