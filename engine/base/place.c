/*
 * place.c: see place.h.  The kernel has no call that moves a thread; setting
 * its affinity to one processor does, and the old affinity is set again at
 * once.  A thread whose affinity is set by somebody else in these few
 * microseconds has the old one afterwards.
 *
 * Threads: as place.h says.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "base/place.h"


static void
place_set(maas_place_t *p, int cpu)
{
    int  old = atomic_load_explicit(&p->cpu, memory_order_relaxed);

    if (old != cpu) {
        atomic_store_explicit(&p->before, old, memory_order_relaxed);
        atomic_store_explicit(&p->cpu, cpu, memory_order_relaxed);
    }
}


void
maas_place_init(maas_place_t *self)
{
    self->tid = gettid();
    atomic_flag_clear(&self->moving);
    self->known = pthread_getcpuclockid(pthread_self(), &self->clock) == 0;
    (void) maas_place_note(self);
}


void
maas_place_end(maas_place_t *self)
{
    while (atomic_flag_test_and_set(&self->moving)) {
        sched_yield();
    }
}


int
maas_place_note(maas_place_t *self)
{
    int  cpu = sched_getcpu();

    place_set(self, cpu);

    return cpu;
}


int
maas_place_cpu(const maas_place_t *p)
{
    return atomic_load_explicit(&p->cpu, memory_order_relaxed);
}


uint64_t
maas_place_time(const maas_place_t *p)
{
    struct timespec  t;

    if (!p->known || clock_gettime(p->clock, &t) != 0) {
        return 0;
    }

    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}


bool
maas_place_move(maas_place_t *p, int cpu)
{
    bool       ok;
    cpu_set_t  old, one;

    if (cpu < 0 || cpu >= CPU_SETSIZE || !p->known
        || atomic_flag_test_and_set(&p->moving))
    {
        return false;
    }

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);

    ok = sched_getaffinity(p->tid, sizeof(old), &old) == 0
         && CPU_ISSET(cpu, &old)
         && sched_setaffinity(p->tid, sizeof(one), &one) == 0;

    if (ok) {
        (void) sched_setaffinity(p->tid, sizeof(old), &old);
        place_set(p, cpu);
    }

    atomic_flag_clear(&p->moving);
    return ok;
}


int
maas_place_other(const maas_place_t *p, const cpu_set_t *taken)
{
    int        cpu;
    cpu_set_t  set;

    if (!p->known || sched_getaffinity(p->tid, sizeof(set), &set) != 0) {
        return -1;
    }

    cpu = atomic_load_explicit(&p->before, memory_order_relaxed);
    if (CPU_ISSET(cpu, &set) && !CPU_ISSET(cpu, taken)) {
        return cpu;
    }

    for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set) && !CPU_ISSET(cpu, taken)) {
            return cpu;
        }
    }

    return -1;
}
