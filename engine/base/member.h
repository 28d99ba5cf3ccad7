/*
 * member.h: inside a team: what team.c and lease.c share.
 *
 * Ownership: the team owns its members and leases (one for each member, so
 *            that a member which leaves late touches live memory).
 * Threads:   each field says who may touch it.
 */

#ifndef MAAS_MEMBER_H
#define MAAS_MEMBER_H

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/place.h"
#include "base/team.h"


/*
 * How long who waits spins before it sleeps, and after how many pauses it
 * looks at more than the word that it waits for.
 */
#define TEAM_SPIN_NS     50000
#define TEAM_SPIN_PAUSE  32

#define TEAM_SLICE_NS    1000000        /* nobody has less of a processor */
#define TEAM_LINE        64             /* bytes that two cores fight over */

typedef _Atomic(uint32_t)  team_futex_t;

typedef struct team_member_s  team_member_t;

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
    team_member_t          *lender;
    lease_range_t          *range;          /* one for each member */
};

struct team_member_s {
    maas_team_t              *team;
    pthread_t                 thread;
    int                       index;
    maas_lease_t              own;

    /* Read by those who wait for this member; hints, nothing more. */
    _Alignas(TEAM_LINE) maas_place_t  place;        /* hardly ever changes */
    _Alignas(TEAM_LINE) _Atomic(maas_lease_t *)  works; /* it computes for */

    /* Its own. */
    uint64_t                  left;     /* when it changed places last */
    uint64_t                  crowded;  /* until when it does not yield */

    /* Under the team's mutex. */
    bool                      idle;     /* may be leased */
    maas_lease_t             *lease;    /* whom it was asked to help */
    uint32_t                  round;    /* of that lease */
    uint32_t                  rank;     /* which range it is to have */
    maas_lease_t             *helps;    /* since then, until it comes back */
};

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
    _Atomic(int)        host_cpu;       /* where a task came from last */

    _Atomic(maas_task_t *)  finished;   /* newest first */
};

/* The caller as a member; NULL: it is none. */
team_member_t *maas_team_member(void);

/* Computes chunks of a lease until it is over or a task is waiting. */
void maas_lease_help(team_member_t *m, maas_lease_t *l, uint32_t round,
    uint32_t rank);


static inline void
team_futex_wake(team_futex_t *f, int n)
{
    syscall(SYS_futex, f, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}


static inline void
team_sleep(team_futex_t *f, _Atomic(uint32_t) *sleepers, uint32_t seen)
{
    atomic_fetch_add(sleepers, 1);

    if (atomic_load(f) == seen) {
        syscall(SYS_futex, f, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }

    atomic_fetch_sub(sleepers, 1);
}


static inline void
team_signal(team_futex_t *f, _Atomic(uint32_t) *sleepers, int n)
{
    atomic_fetch_add(f, 1);

    if (atomic_load(sleepers) != 0) {
        team_futex_wake(f, n);
    }
}

#endif
