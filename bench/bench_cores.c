/*
 * bench_cores: do two threads have two cores at this moment?
 *
 *     bench_cores [SECONDS]
 *
 * A virtual machine's host may run two of its processors on one core, as
 * hyper-threads, above all when one of them was idle before; inside nothing
 * shows it but the speed, which is halved.  A load on all of them makes the
 * host move them apart.  So for each line of standard input this program
 * keeps every processor that it may use busy, each with a thread pinned to
 * it, until a window of 20 ms went at the full rate of each, but for SECONDS
 * (0.4) at most, and prints one line of JSON: "cores", what the last window
 * reached in units of the best rate that one thread ever had; "windows", how
 * many it took.
 */

#define _GNU_SOURCE

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CORES   64
#define WINDOW  20000000u               /* ns */
#define FULL    0.93
#define CHAINS  12                      /* what hides the latency */

typedef struct {
    pthread_t   thread;
    int         cpu;
    uint64_t    begin, end;             /* of the window */
    double      rate, seed;
} core_t;

static core_t  core[CORES];
static int     n_cores;
static double  best;                    /* of any thread in any window */


static uint64_t
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}


/* Multiply-adds that fill the floating point units of a core. */
static void
work(double *x)
{
    double  a = 0.999999, b = 1e-6;
    double  x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], x4 = x[4], x5 = x[5];
    double  x6 = x[6], x7 = x[7], x8 = x[8], x9 = x[9], xa = x[10];
    double  xb = x[11];

    for (int i = 0; i < 2000; i++) {
        x0 = x0 * a + b;  x1 = x1 * a + b;  x2 = x2 * a + b;
        x3 = x3 * a + b;  x4 = x4 * a + b;  x5 = x5 * a + b;
        x6 = x6 * a + b;  x7 = x7 * a + b;  x8 = x8 * a + b;
        x9 = x9 * a + b;  xa = xa * a + b;  xb = xb * a + b;
    }

    x[0] = x0;  x[1] = x1;  x[2] = x2;  x[3] = x3;  x[4] = x4;  x[5] = x5;
    x[6] = x6;  x[7] = x7;  x[8] = x8;  x[9] = x9;  x[10] = xa;  x[11] = xb;
}


static void *
window(void *data)
{
    core_t     *c = data;
    double      x[CHAINS];
    uint64_t    n = 0, t;
    cpu_set_t   set;

    CPU_ZERO(&set);
    CPU_SET(c->cpu, &set);
    (void) sched_setaffinity(0, sizeof(set), &set);

    for (int i = 0; i < CHAINS; i++) {
        x[i] = i;
    }

    while (now() < c->begin) { /* void */ }

    do {
        work(x);
        n++;
        t = now();
    } while (t < c->end);

    c->rate = (double) n / (double) (t - c->begin);

    for (int i = 0; i < CHAINS; i++) {
        c->seed += x[i];
    }

    return NULL;
}


/* What all of them reach together. */
static double
once(void)
{
    double    sum = 0;
    uint64_t  begin = now() + 200000;

    for (int i = 0; i < n_cores; i++) {
        core[i].begin = begin;
        core[i].end = begin + WINDOW;

        if (pthread_create(&core[i].thread, NULL, window, &core[i]) != 0) {
            fprintf(stderr, "bench_cores: no thread\n");
            exit(1);
        }
    }

    for (int i = 0; i < n_cores; i++) {
        pthread_join(core[i].thread, NULL);
        sum += core[i].rate;
        best = core[i].rate > best ? core[i].rate : best;
    }

    return sum;
}


int
main(int argc, char **argv)
{
    int        n;
    char       line[64];
    double     cores;
    uint64_t   end, limit;
    cpu_set_t  set;

    limit = (uint64_t) ((argc > 1 ? atof(argv[1]) : 0.4) * 1e9);

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        CPU_SET(0, &set);
    }

    for (int i = 0; i < CPU_SETSIZE && n_cores < CORES; i++) {
        if (CPU_ISSET(i, &set)) {
            core[n_cores++].cpu = i;
        }
    }

    while (fgets(line, sizeof(line), stdin) != NULL) {
        end = now() + limit;
        n = 0;

        do {
            cores = once() / best;
            n++;
        } while (cores < n_cores * FULL && now() < end);

        printf("{\"cores\": %.3f, \"windows\": %d}\n", cores, n);
        fflush(stdout);
    }

    return 0;
}
