/*
 * lease.c: leases share out the chunks of a step by compare-and-swap.
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
 * Who waits for a member that has no processor, as somebody else's process
 * has it, brings it to its own (place.h).  So a busy neighbour costs its
 * share of one processor, and not of a step's every member.  Nobody yields
 * but to whom it waits for: to a process that never rests a yield gives all
 * that is left of a slice.
 *
 * Ownership: see member.h.
 * Threads:   as team.h says.
 */

#define _GNU_SOURCE
#include <sched.h>

#include "base/member.h"


#define LEASE_CHUNKS   4                /* of a step, for each member */
#define LEASE_LOOK_NS  20000            /* between looks at who is late */


/* A member's view of one that it waits for. */
typedef struct {
    team_member_t  *whom;
    uint64_t        ran;                /* processor time of whom */
    uint64_t        next;               /* when to look at it again */
} lease_look_t;


/*
 * A turn of a spin for what `whom` does.  Yields to nobody but whom; brings
 * it here when it has no processor, and returns where it was, else -1.
 */
static int
lease_look(lease_look_t *k, team_member_t *self, team_member_t *whom)
{
    int       here, there;
    uint64_t  now, ran;

    here = maas_place_note(&self->place);
    there = maas_place_cpu(&whom->place);

    if (here == there) {
        sched_yield();
    }

    now = maas_now_ns();

    if (k->next == 0) {
        k->next = now + LEASE_LOOK_NS;
    }

    if (now < k->next) {
        return -1;
    }

    k->next = now + LEASE_LOOK_NS;
    ran = maas_place_time(&whom->place);

    if (k->whom != whom || k->ran != ran || ran == 0) {
        k->whom = whom;
        k->ran = ran;
        return -1;
    }

    k->whom = NULL;
    return maas_place_move(&whom->place, here) && here != there ? there : -1;
}


/* A helper beside the lender goes where no other member was last. */
static void
lease_leave(maas_lease_t *l, team_member_t *self)
{
    int        here = maas_place_note(&self->place);
    uint64_t   now;
    cpu_set_t  taken;

    if (here != maas_place_cpu(&l->lender->place)) {
        return;
    }

    now = maas_now_ns();
    if (now - self->left < TEAM_SLICE_NS) {
        return;
    }

    self->left = now;
    CPU_ZERO(&taken);

    for (int i = 0; i < self->team->n; i++) {
        CPU_SET(maas_place_cpu(&self->team->member[i].place), &taken);
    }

    (void) maas_place_move(&self->place,
                           maas_place_other(&self->place, &taken));
}


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

        if (m == l->lender) {
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
    team_member_t  *self = maas_team_member();

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


/* Only chunks that somebody is computing are waited for. */
static void
lease_wait(maas_lease_t *l, uint32_t chunks)
{
    uint32_t        spins = 0;
    maas_team_t    *team = l->team;
    lease_look_t    look = { 0 };
    team_member_t  *m;

    while (!lease_done(l, chunks)) {
        __builtin_ia32_pause();

        if (++spins % TEAM_SPIN_PAUSE != 0) {
            continue;
        }

        for (int i = 0; i < team->n; i++) {
            m = &team->member[i];

            if (m != l->lender
                && atomic_load_explicit(&m->works, memory_order_acquire) == l)
            {
                (void) lease_look(&look, l->lender, m);
                break;
            }
        }
    }
}


void
maas_lease_run(maas_lease_t *l, maas_chunk_pt fn, void *arg, int64_t units)
{
    uint32_t  n, chunks;

    n = atomic_load_explicit(&l->ranges, memory_order_relaxed);
    chunks = maas_min(units, (int64_t) n * LEASE_CHUNKS);
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

    (void) maas_place_note(&l->lender->place);
    while (lease_chunk(l, l->lender->index, l->rank)) { /* void */ }

    lease_wait(l, chunks);
}


/* A helper waits for the next step, or the end; as team_spin(). */
static bool
lease_spin(maas_lease_t *l, team_member_t *self, uint32_t seen)
{
    int           cpu, n = 0;
    uint64_t      end = maas_now_ns() + TEAM_SPIN_NS;
    lease_look_t  look = { 0 };

    while (atomic_load_explicit(&l->seq, memory_order_acquire) == seen) {
        __builtin_ia32_pause();

        if (++n % TEAM_SPIN_PAUSE != 0) {
            continue;
        }

        cpu = lease_look(&look, self, l->lender);
        if (cpu >= 0) {
            (void) maas_place_move(&self->place, cpu);
        }

        if (maas_now_ns() > end) {
            return false;
        }
    }

    return true;
}


void
maas_lease_help(team_member_t *m, maas_lease_t *l, uint32_t round,
    uint32_t rank)
{
    uint32_t      seen;
    maas_team_t  *team = m->team;

    while (atomic_load(&l->round) == round && !atomic_load(&team->stop)) {
        seen = atomic_load_explicit(&l->seq, memory_order_acquire);
        lease_leave(l, m);

        atomic_store_explicit(&m->works, l, memory_order_release);
        while (lease_chunk(l, m->index, rank)) { /* void */ }
        atomic_store_explicit(&m->works, NULL, memory_order_relaxed);

        if (atomic_load(&team->waiting) != 0) {
            break;
        }

        if (atomic_load(&l->round) == round && !lease_spin(l, m, seen)) {
            team_sleep(&l->seq, &l->sleepers, seen);
        }
    }
}
