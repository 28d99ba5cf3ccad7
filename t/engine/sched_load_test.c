/*
 * The scheduler under more load than can be served: what is answered in time,
 * what comes too late, what each level of priority gets.  Service times are
 * simulated, and the clock is an argument, so nothing here waits.
 */

#include "sched_calls.h"
#include "tap.h"


/*
 * Three times the load that can be served, deadlines of 100 ms, runs of 5 to
 * 15 ms: those admitted are in time, and the machine has no pause.
 */
static void
test_overload(uint32_t max_batch)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t   *x = calloc(50000, sizeof(*x)), *it = NULL, *k, *l;
    uint64_t             now, ends = 0, busy = 0;
    uint32_t             seed = 1, good = 0, late = 0, refused = 0, n = 0;

    m = model(s, (maas_sched_conf_t) { .max_queue = 1000,
                                       .max_batch = max_batch });

    /* A row takes 10 ms alone, 4 ms in a batch besides 6 for the run. */
    for (now = 0; now < 60 * SEC; now += 500) {
        seed = seed * 1664525u + 1013904223u;

        if (now % (max_batch > 1 ? 1500 : 3500) < 500 && n < 50000) {
            fill(&x[n], 1, 7, 1);
            x[n].deadline_us = now + 100 * MS;
            refused += push(m, &x[n++], now) != MAAS_OK;
        }

        if (it != NULL && now >= ends) {
            for (k = it; k != NULL; k = k->mate) {
                good += now <= k->deadline_us;
                late += now > k->deadline_us;
            }

            end(it, now);
            it = NULL;
        }

        if (it == NULL && (it = next(s, now)) != NULL) {
            ends = now + 6 * MS + run_rows(it) * 4 * MS;
            ends = ends - 2 * MS + (seed >> 20) % 4000;
            busy += ends - now;
        }

        while ((l = maas_sched_late(s, now, &retry)) != NULL) {
            refused++;
        }
    }

    printf("# %u came, %u in time, %u late, %u refused, busy %.2f\n", n,
           good, late, refused, (double) busy / 60e6);
    ok(late * 20 <= good, "batch %u: those admitted are in time", max_batch);
    ok(busy > 57 * SEC, "and the machine is not idle");
    ok(refused > n / 2, "most are refused at once");
    ok(good >= (max_batch > 1 ? 60 / 0.0048 * 0.9 : 60 / 0.010 * 0.9),
       "goodput is at least 0.9 of what the machine can");

    maas_sched_destroy(s);
    free(x);
}


/*
 * Open loops of requests with a deadline, on a machine whose runs take
 * 2.6 ms and 0.5 ms for each row, give or take a fifth; it has 32 rows in
 * 18.6 ms at the most, 1720 a second.
 */
typedef struct {
    uint64_t  deadline_us;
    double    load[2];          /* of each level, in units of the most */
    bool      slow;             /* runs take twice as long in each third */
    double    good[2];          /* answers in time, in units of what is */
    double    late;             /* of those that came */
} loop_t;

#define LOOP_RATE  1720.4
#define LOOP_TIME  (12 * SEC)


static uint64_t
loop_run(const loop_t *o, uint64_t rows, uint64_t now, uint32_t *seed)
{
    uint64_t  us = 2600 + rows * 500;

    *seed = *seed * 1664525u + 1013904223u;
    us = us * 4 / 5 + us * 2 / 5 * (*seed >> 16) / 65536;

    return o->slow && now / 400000 % 3 == 2 ? 2 * us : us;
}


/* When the next request of a level comes. */
static uint64_t
loop_due(const loop_t *o, int level, uint64_t n)
{
    double  at = ((double) n + 0.4 * level) / (o->load[level] * LOOP_RATE);

    return at < LOOP_TIME / 1e6 ? (uint64_t) (at * 1e6) : UINT64_MAX;
}


static void
loop(loop_t *o, uint32_t max_batch)
{
    double               done[2] = { 0 }, late = 0;
    uint32_t             seed = 1, levels = o->load[1] > 0 ? 2 : 1;
    uint64_t             n[2] = { 0 }, due, now = 0, ends = UINT64_MAX;
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t   *x = calloc(100000, sizeof(*x)), *it = NULL, *k;

    m = model(s, (maas_sched_conf_t) { .max_queue = 1024, .levels = levels,
                                       .age_us = 50 * MS,
                                       .max_batch = max_batch });

    for ( ;; ) {
        int  level = levels > 1 && loop_due(o, 1, n[1]) < loop_due(o, 0, n[0]);

        due = loop_due(o, level, n[level]);
        now = maas_min(due, ends);

        if (now == UINT64_MAX) {
            break;
        }

        if (now == ends) {
            for (k = it; k != NULL; k = k->mate) {
                done[k->level - 1] += now <= k->deadline_us
                                      && now <= LOOP_TIME;
                late += now > k->deadline_us;
            }

            end(it, now);
            it = NULL;
            ends = UINT64_MAX;

        } else {
            k = &x[n[0] + n[1]];
            fill(k, 1, 7, 1);
            k->level = (uint32_t) level + 1;
            k->deadline_us = now + o->deadline_us;
            (void) push(m, k, now);
            n[level]++;
        }

        if (it == NULL && (it = next(s, now)) != NULL) {
            ends = now + loop_run(o, run_rows(it), now, &seed);
        }

        while (maas_sched_late(s, now, &retry) != NULL) { /* void */ }
    }

    for (int i = 0; i < 2; i++) {
        o->good[i] = done[i] / (LOOP_RATE * LOOP_TIME / 1e6);
    }

    o->late = late / (double) (n[0] + n[1]);
    maas_sched_destroy(s);
    free(x);
}


/* Nothing is lost but what the machine cannot do: it has full runs only. */
static void
test_goodput(void)
{
    loop_t  at = { .deadline_us = 500 * MS, .load = { 1 } };
    loop_t  three = { .deadline_us = 500 * MS, .load = { 3 } };
    loop_t  tight = { .deadline_us = 60 * MS, .load = { 3 } };
    loop_t  ten = { .deadline_us = 500 * MS, .load = { 10 / 3.0 * 1.4 } };
    loop_t  slow = { .deadline_us = 500 * MS, .load = { 3 }, .slow = true };

    loop(&at, 32);
    ok(at.good[0] > 0.98 && at.late == 0, "all that can be served: %.3f",
       at.good[0]);

    loop(&three, 32);
    ok(three.good[0] > 0.98 * at.good[0] && three.late < 0.001,
       "three times as much: %.3f in time, %.4f late", three.good[0],
       three.late);

    loop(&ten, 32);
    ok(ten.good[0] > 0.98 && ten.late < 0.001,
       "nearly five times: %.3f, %.4f late", ten.good[0], ten.late);

    loop(&tight, 32);
    ok(tight.good[0] > 0.95 && tight.late < 0.01,
       "deadlines of three runs: %.3f, %.4f late", tight.good[0],
       tight.late);

    /* Two thirds at full speed and one at half: 5 / 6. */
    loop(&slow, 32);
    ok(slow.good[0] > 0.95 * 5 / 6 && slow.late < 0.01,
       "runs that take twice as long at times: %.3f of 0.833, %.4f late",
       slow.good[0], slow.late);
}


/* A level that has more than can be served by itself. */
static void
test_shares(void)
{
    loop_t  even = { .deadline_us = 500 * MS, .load = { 1.5, 1.5 } };
    loop_t  high = { .deadline_us = 500 * MS, .load = { 2.5, 0.5 } };
    loop_t  some = { .deadline_us = 500 * MS, .load = { 0.5, 2.5 } };

    loop(&even, 32);
    ok(even.good[0] > 0.6 && even.good[1] > 0.1
       && even.good[0] + even.good[1] > 0.95 && even.late < 0.01,
       "the first level has %.2f, the second %.2f", even.good[0],
       even.good[1]);

    loop(&high, 32);
    ok(high.good[0] > 0.6 && high.good[1] > 0.1
       && high.good[0] + high.good[1] > 0.95 && high.late < 0.01,
       "few of the second among many: %.2f and %.2f", high.good[0],
       high.good[1]);

    loop(&some, 32);
    ok(some.good[0] > 0.48 && some.good[0] + some.good[1] > 0.95
       && some.late < 0.01, "what the first level needs is its own: "
       "%.2f and %.2f", some.good[0], some.good[1]);
}


int
main(void)
{
    test_overload(1);
    test_overload(16);
    test_goodput();
    test_shares();

    return done();
}
