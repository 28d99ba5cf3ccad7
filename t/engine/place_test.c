/*
 * Where threads are: a thread's processor time stands still while it sleeps
 * and moves while it computes; who is moved is there and may be elsewhere
 * afterwards as before; nobody goes where it may not be, nor after its end.
 */

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/place.h"
#include "tap.h"


typedef struct {
    maas_place_t  place;
    pthread_t     thread;
    atomic_int    phase;                /* 1: it computes, 2: sleeps, 3: ends */
    atomic_int    at;
    atomic_int    cpu;                  /* where it finds itself */
    cpu_set_t     set;
} other_t;

static int  cpus[2], n_cpus;


static void *
other_main(void *data)
{
    int       phase;
    other_t  *o = data;

    maas_place_init(&o->place);

    while ((phase = atomic_load(&o->phase)) != 3) {
        if (phase == 2) {
            atomic_store(&o->at, 2);
            usleep(1000);
            continue;
        }

        atomic_store(&o->cpu, sched_getcpu());
        atomic_store(&o->at, phase);
    }

    sched_getaffinity(0, sizeof(o->set), &o->set);
    maas_place_end(&o->place);
    atomic_store(&o->at, 3);
    return NULL;
}


static void
phase(other_t *o, int to)
{
    atomic_store(&o->phase, to);
    while (atomic_load(&o->at) != to) {
        usleep(100);
    }
}


static bool
is_at(const other_t *o, int cpu)
{
    for (int i = 0; i < 2000 && atomic_load(&o->cpu) != cpu; i++) {
        usleep(1000);
    }

    return atomic_load(&o->cpu) == cpu && maas_place_cpu(&o->place) == cpu;
}


static void
test_time(void)
{
    int       still = 0;
    other_t   o = { .phase = 1 };
    uint64_t  a, b;

    pthread_create(&o.thread, NULL, other_main, &o);
    phase(&o, 1);

    a = maas_place_time(&o.place);
    for (int i = 0; i < 2000 && maas_place_time(&o.place) == a; i++) {
        usleep(1000);
    }
    ok(a != 0 && maas_place_time(&o.place) > a, "its time goes on");

    phase(&o, 2);
    for (int i = 0; i < 200; i++) {
        a = maas_place_time(&o.place);
        b = maas_place_time(&o.place);
        still += a != 0 && a == b;
    }
    ok(still > 100, "it stands still while it sleeps");

    phase(&o, 3);
    ok(!maas_place_move(&o.place, cpus[0]), "nobody moves one that ended");
    pthread_join(o.thread, NULL);
}


static void
test_move(void)
{
    other_t    o = { .phase = 1 };
    cpu_set_t  all, taken;

    pthread_create(&o.thread, NULL, other_main, &o);
    phase(&o, 1);
    sched_getaffinity(0, sizeof(all), &all);

    for (int i = 0; i < 4; i++) {
        if (!maas_place_move(&o.place, cpus[i % 2])
            || maas_place_cpu(&o.place) != cpus[i % 2])
        {
            ok(0, "moved to %d", cpus[i % 2]);
        }
    }

    CPU_ZERO(&taken);
    is_int(maas_place_other(&o.place, &taken), cpus[0],
           "it would go where it was before");
    CPU_SET(cpus[0], &taken);
    is_int(maas_place_other(&o.place, &taken), cpus[1],
           "or to one that is free");
    is_int(maas_place_other(&o.place, &all), -1, "if there is any");

    ok(!maas_place_move(&o.place, -1) && !maas_place_move(&o.place, CPU_SETSIZE)
       && !maas_place_move(&o.place, CPU_SETSIZE - 1),
       "nowhere that there is not");

    phase(&o, 3);
    pthread_join(o.thread, NULL);
    ok(CPU_EQUAL(&all, &o.set), "it may be where it might before");
}


/* Pinned, as a worker may be. */
static void
test_pinned(void)
{
    other_t    o = { .phase = 1 };
    cpu_set_t  old, one, none;

    sched_getaffinity(0, sizeof(old), &old);
    CPU_ZERO(&one);
    CPU_SET(cpus[0], &one);
    sched_setaffinity(0, sizeof(one), &one);
    pthread_create(&o.thread, NULL, other_main, &o);
    sched_setaffinity(0, sizeof(old), &old);
    phase(&o, 1);

    ok(!maas_place_move(&o.place, cpus[1]) && is_at(&o, cpus[0]),
       "nobody moves it where it may not be");
    CPU_ZERO(&none);
    is_int(maas_place_other(&o.place, &none), cpus[0], "it may be here");
    is_int(maas_place_other(&o.place, &one), -1, "and nowhere else");

    phase(&o, 3);
    pthread_join(o.thread, NULL);
    ok(CPU_EQUAL(&one, &o.set), "it is pinned as before");
}


int
main(void)
{
    cpu_set_t  set;

    sched_getaffinity(0, sizeof(set), &set);
    for (int i = 0; i < CPU_SETSIZE && n_cpus < 2; i++) {
        if (CPU_ISSET(i, &set)) {
            cpus[n_cpus++] = i;
        }
    }

    test_time();

    if (n_cpus == 2) {
        test_move();
        test_pinned();
    } else {
        ok(1, "one processor, there is nowhere to go");
    }

    return done();
}
