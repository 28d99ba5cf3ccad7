/*
 * team.c: the compute team.  One queue of tasks under a mutex, members that
 * wait first by a brief spin that yields, then on a futex; leases that share
 * out the chunks of a step by compare-and-swap.
 *
 * Each member of a lease has a range of a step's chunks, the same share in
 * every step, so that what a core wrote in one step it reads in the next:
 * two cores may have no cache in common.  It takes them from the front; who
 * has none left takes the last ones of another's.  A ticket {epoch, first,
 * end} is a range's rest.  The fields of a step are written when no ticket
 * has a rest, and read between a ticket and its claim, so a late member can
 * neither run a chunk of a step that is over nor one of a step that has not
 * begun.
 *
 * Ownership: the team owns its members and leases (one for each member, so
 *            that a member which leaves late touches live memory); tasks
 *            belong to the host.
 * Threads:   as maas.h and team.h say.
 */

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/team.h"


/*
 * A spin without sched_yield() keeps the waker and the sleeper on one core
 * for its whole length; with it every 32 pauses, 50 us cost nothing.
 */
#define TEAM_SPIN_NS     50000
#define TEAM_SPIN_YIELD  32

#define TEAM_CHUNKS      4              /* of a step, for each member */
#define TEAM_LINE        64             /* bytes that two cores fight over */

typedef _Atomic(uint32_t)  team_futex_t;

/* A member's part of a step; its owner alone writes to it, as a rule. */
typedef struct {
    _Alignas(TEAM_LINE) _Atomic(uint64_t)  ticket;
    _Alignas(TEAM_LINE) _Atomic(uint32_t)  done;    /* chunks */
} lease_range_t;

struct maas_lease_s {
    /* What the members wait for, and the step, constant until it is done. */
    _Alignas(TEAM_LINE) team_futex_t  seq;  /* moves with steps and end */
    _Atomic(uint32_t)       chunks;
    _Atomic(maas_chunk_pt)  fn;
    _Atomic(void *)         arg;
    _Atomic(int64_t)        units;

    _Alignas(TEAM_LINE) _Atomic(uint32_t)  sleepers;
    _Atomic(uint32_t)       round;          /* of begin and end; odd: open */
    _Atomic(uint32_t)       ranges;         /* with the lender's */
    uint32_t                rank;           /* the lender's */
    uint32_t                epoch;
    maas_team_t            *team;
    lease_range_t          *range;          /* one for each member */
};

typedef struct {
    maas_team_t              *team;
    pthread_t                 thread;
    int                       index;
    maas_lease_t              own;

    /* Under the team's mutex. */
    bool                      idle;     /* may be leased */
    maas_lease_t             *lease;    /* whom it was asked to help */
    uint32_t                  round;    /* of that lease */
    uint32_t                  rank;     /* which range it is to have */
    maas_lease_t             *helps;    /* since then, until it comes back */
} team_member_t;

struct maas_team_s {
    const maas_host_t  *host;
    void              (*notify)(void *ctx);
    void               *ctx;
    int                 n;
    int                 started;
    team_member_t      *member;
    void               *memory;         /* of the members and their leases */

    pthread_mutex_t     mutex;
    maas_task_t        *head, *tail;    /* waiting */
    _Atomic(uint32_t)   waiting;
    team_futex_t        seq;
    _Atomic(uint32_t)   sleepers;
    _Atomic(bool)       stop;

    _Atomic(maas_task_t *)  finished;   /* newest first */
};

static __thread team_member_t  *team_self;


static void
team_futex_wait(team_futex_t *f, uint32_t seen)
{
    syscall(SYS_futex, f, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}


static void
team_futex_wake(team_futex_t *f, int n)
{
    syscall(SYS_futex, f, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}


/* Spins until *f moves; true: it did. */
static bool
team_spin(team_futex_t *f, uint32_t seen)
{
    int       n = 0;
    uint64_t  end = maas_now_ns() + TEAM_SPIN_NS;

    for ( ;; ) {
        if (atomic_load_explicit(f, memory_order_acquire) != seen) {
            return true;
        }

        __builtin_ia32_pause();

        if (++n == TEAM_SPIN_YIELD) {
            n = 0;
            sched_yield();

            if (maas_now_ns() > end) {
                return false;
            }
        }
    }
}


static void
team_wait(team_futex_t *f, _Atomic(uint32_t) *sleepers, uint32_t seen)
{
    if (team_spin(f, seen)) {
        return;
    }

    atomic_fetch_add(sleepers, 1);

    if (atomic_load(f) == seen) {
        team_futex_wait(f, seen);
    }

    atomic_fetch_sub(sleepers, 1);
}


static void
team_signal(team_futex_t *f, _Atomic(uint32_t) *sleepers, int n)
{
    atomic_fetch_add(f, 1);

    if (atomic_load(sleepers) != 0) {
        team_futex_wake(f, n);
    }
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


/* -- leases -------------------------------------------------------------- */

static uint64_t
lease_ticket(uint32_t epoch, uint32_t first, uint32_t end)
{
    return (uint64_t) epoch << 32 | first << 16 | end;
}


/* Runs a chunk of one range, the first or the last; false: none is left. */
static bool
lease_claim(maas_lease_t *l, int slot, lease_range_t *r, bool mine)
{
    void          *arg;
    int64_t        units;
    uint32_t       first, end, chunks, c;
    uint64_t       t, rest;
    maas_chunk_pt  fn;

    t = atomic_load_explicit(&r->ticket, memory_order_acquire);

    do {
        first = (uint32_t) t >> 16;
        end = (uint32_t) t & 0xffff;

        if (first == end) {
            return false;
        }

        fn = atomic_load_explicit(&l->fn, memory_order_acquire);
        arg = atomic_load_explicit(&l->arg, memory_order_acquire);
        units = atomic_load_explicit(&l->units, memory_order_acquire);
        chunks = atomic_load_explicit(&l->chunks, memory_order_acquire);

        c = mine ? first : end - 1;
        rest = mine ? t + (1 << 16) : t - 1;
    } while (!atomic_compare_exchange_weak(&r->ticket, &t, rest));

    fn(arg, slot, units * c / chunks, units * (c + 1) / chunks);
    atomic_fetch_add_explicit(&r->done, 1, memory_order_release);

    return true;
}


/* Runs one chunk; false: none is left. */
static bool
lease_chunk(maas_lease_t *l, int slot, uint32_t rank)
{
    uint32_t  n = atomic_load_explicit(&l->ranges, memory_order_relaxed);

    for (uint32_t i = 0; i < n; i++) {
        if (lease_claim(l, slot, &l->range[(rank + i) % n], i == 0)) {
            return true;
        }
    }

    return false;
}


/* Under the team's mutex: members in their order, so that shares are kept. */
static uint32_t
lease_members(maas_team_t *team, maas_lease_t *l, uint32_t round)
{
    uint32_t        n = 0;
    team_member_t  *m;

    for (int i = 0; i < team->n; i++) {
        m = &team->member[i];

        if (m == team_self) {
            l->rank = n++;

        } else if (m->idle) {
            m->idle = false;
            m->lease = m->helps = l;
            m->round = round;
            m->rank = n++;
        }
    }

    return n;
}


maas_lease_t *
maas_lease_begin(maas_team_t *team)
{
    uint32_t        n = 1, round;
    maas_lease_t   *l;
    team_member_t  *self = team_self;

    if (team == NULL || self == NULL || self->team != team || team->n == 1) {
        return NULL;
    }

    l = &self->own;
    round = atomic_load(&l->round) + 1;
    pthread_mutex_lock(&team->mutex);

    if (team->head == NULL) {
        n = lease_members(team, l, round);
    }

    if (n != 1) {
        atomic_store(&l->ranges, n);
        atomic_store(&l->round, round);
    }

    pthread_mutex_unlock(&team->mutex);

    if (n == 1) {
        return NULL;
    }

    team_signal(&team->seq, &team->sleepers, team->n);
    return l;
}


/*
 * Helpers compute nothing any more, so they may be leased from here on,
 * even those that sleep and have yet to learn that the lease is over: else a
 * run that follows at once would have to do without them.
 */
void
maas_lease_end(maas_lease_t *l)
{
    maas_team_t  *team;

    if (l == NULL) {
        return;
    }

    team = l->team;
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&l->round, 1);

    for (int i = 0; i < team->n; i++) {
        if (team->member[i].helps == l) {
            team->member[i].helps = NULL;
            team->member[i].idle = true;
        }
    }

    pthread_mutex_unlock(&team->mutex);
    team_signal(&l->seq, &l->sleepers, team->n);
}


/* Have all chunks been computed? */
static bool
lease_done(const maas_lease_t *l, uint32_t chunks)
{
    uint32_t  n = atomic_load_explicit(&l->ranges, memory_order_relaxed);
    uint32_t  done = 0;

    for (uint32_t i = 0; i < n; i++) {
        done += atomic_load_explicit(&l->range[i].done, memory_order_acquire);
    }

    return done == chunks;
}


void
maas_lease_run(maas_lease_t *l, maas_chunk_pt fn, void *arg, int64_t units)
{
    uint32_t  n, chunks, spins = 0;

    n = atomic_load_explicit(&l->ranges, memory_order_relaxed);
    chunks = maas_min(units, (int64_t) n * TEAM_CHUNKS);
    l->epoch++;

    atomic_store_explicit(&l->fn, fn, memory_order_release);
    atomic_store_explicit(&l->arg, arg, memory_order_release);
    atomic_store_explicit(&l->units, units, memory_order_release);
    atomic_store_explicit(&l->chunks, chunks, memory_order_release);

    for (uint32_t i = 0; i < n; i++) {
        atomic_store_explicit(&l->range[i].done, 0, memory_order_release);
        atomic_store_explicit(&l->range[i].ticket,
                              lease_ticket(l->epoch, chunks * i / n,
                                           chunks * (i + 1) / n),
                              memory_order_release);
    }

    team_signal(&l->seq, &l->sleepers, l->team->n);

    while (lease_chunk(l, team_self->index, l->rank)) { /* void */ }

    /* Only chunks that somebody is computing are waited for. */
    while (!lease_done(l, chunks)) {
        __builtin_ia32_pause();

        if (++spins % TEAM_SPIN_YIELD == 0) {
            sched_yield();
        }
    }
}


static void
team_help(team_member_t *m, maas_lease_t *l, uint32_t round, uint32_t rank)
{
    uint32_t      seen;
    maas_team_t  *team = m->team;

    while (atomic_load(&l->round) == round && !atomic_load(&team->stop)) {
        seen = atomic_load_explicit(&l->seq, memory_order_acquire);

        if (lease_chunk(l, m->index, rank)) {
            continue;
        }

        if (atomic_load(&team->waiting) != 0) {
            break;
        }

        if (atomic_load(&l->round) == round) {
            team_wait(&l->seq, &l->sleepers, seen);
        }
    }
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
            team_help(m, l, round, rank);

        } else if (t != NULL) {
            t->run(t, team);
            team_finish(team, t);

        } else {
            team_wait(&team->seq, &team->sleepers, seen);
        }
    }

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
