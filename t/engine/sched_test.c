/*
 * The scheduler: order, limits, turns between models, priorities, batches,
 * deadlines, and the estimates that become Retry-After.  The clock is an
 * argument, so nothing here waits.
 */

#include <stdlib.h>

#include "base/base.h"
#include "maas.h"
#include "tap.h"


#define MS   ((uint64_t) 1000)
#define SEC  ((uint64_t) 1000000)

static uint64_t  wake;
static uint32_t  retry;


static maas_sched_model_t *
model(maas_sched_t *s, maas_sched_conf_t conf)
{
    return maas_sched_model(s, &conf);
}


static maas_status_t
push(maas_sched_model_t *m, maas_sched_item_t *it, uint64_t now)
{
    return maas_sched_push(m, it, now, &retry);
}


static maas_sched_item_t *
next(maas_sched_t *s, uint64_t now)
{
    return maas_sched_next(s, now, &wake);
}


static uint64_t
run_rows(const maas_sched_item_t *it)
{
    uint64_t  n = 0;

    for ( /* void */ ; it != NULL; it = it->mate) {
        n += it->rows;
    }

    return n;
}


static uint32_t
run_members(const maas_sched_item_t *it)
{
    uint32_t  n = 0;

    for ( /* void */ ; it != NULL; it = it->mate) {
        n++;
    }

    return n;
}


/* Ends a run: the mates first, as a host may do it. */
static void
end(maas_sched_item_t *it, uint64_t now)
{
    maas_sched_item_t  *k, *mate;

    for (k = it->mate; k != NULL; k = mate) {
        mate = k->mate;
        maas_sched_remove(k, now, true);
    }

    maas_sched_remove(it, now, true);
}


static void
fill(maas_sched_item_t *x, int n, uint64_t kind, uint32_t rows)
{
    memset(x, 0, n * sizeof(*x));

    for (int i = 0; i < n; i++) {
        x[i].kind = kind;
        x[i].rows = rows;
        x[i].weight = rows;
    }
}


static void
test_queue(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 3);
    maas_sched_model_t  *a, *b;
    maas_sched_item_t    x[8], y[8], *it;

    a = model(s, (maas_sched_conf_t) { .max_queue = 2, .concurrency = 2 });
    b = model(s, (maas_sched_conf_t) { .max_queue = 10, .concurrency = 10 });
    fill(x, 8, 0, 1);
    fill(y, 8, 0, 1);

    ok(maas_sched_admit(a, &x[0], 0, &retry) == MAAS_OK, "an idle model");
    ok(push(a, &x[0], 0) == MAAS_OK, "first in");
    ok(push(a, &x[1], 0) == MAAS_OK, "second in");
    ok(push(a, &x[2], 0) == MAAS_EBUSY, "the queue holds two");
    is_int(retry, 1, "full: a time to retry in is given");

    ok(next(s, 0) == &x[0], "oldest first");
    ok(next(s, 0) == &x[1], "concurrency 2: the second too");
    ok(next(s, 0) == NULL, "nothing waits");
    ok(wake == MAAS_SCHED_NEVER, "nor will");
    is_int(maas_sched_running(a), 2, "two run");

    ok(push(a, &x[2], 0) == MAAS_OK, "room in the queue again");
    ok(next(s, 0) == NULL, "but concurrency is used up");

    ok(push(b, &y[0], 0) == MAAS_OK, "another model");
    ok(push(b, &y[1], 0) == MAAS_OK, "twice");
    ok(next(s, 0) == &y[0], "the other model has its turn");
    ok(next(s, 0) == NULL, "the process runs three");

    maas_sched_remove(&x[0], 4 * SEC, true);
    it = next(s, 4 * SEC);
    ok(it == &x[2] || it == &y[1], "a free place is taken");
    maas_sched_remove(&x[1], 4 * SEC, true);
    ok(next(s, 4 * SEC) != NULL, "and the next one");

    maas_sched_remove(&x[2], 8 * SEC, true);
    maas_sched_remove(&y[0], 8 * SEC, true);
    maas_sched_remove(&y[1], 8 * SEC, true);
    is_int(maas_sched_running(a) + maas_sched_running(b), 0, "all done");

    push(a, &x[3], 8 * SEC);
    push(a, &x[4], 8 * SEC);
    maas_sched_remove(&x[3], 8 * SEC, false);
    is_int(maas_sched_queued(a), 1, "one left the queue by itself");
    ok(next(s, 8 * SEC) == &x[4], "the other runs");
    maas_sched_remove(&x[4], 8 * SEC, true);
    maas_sched_remove(&x[4], 8 * SEC, true);
    is_int(maas_sched_running(a), 0, "removing twice does no harm");

    /* Turns: with both queues full, starts alternate. */
    for (int i = 0; i < 2; i++) {
        push(a, &x[i], 9 * SEC);
        push(b, &y[i], 9 * SEC);
    }

    it = next(s, 9 * SEC);
    ok(it != NULL && it->model != next(s, 9 * SEC)->model,
       "models take turns");

    maas_sched_destroy(s);
    maas_sched_destroy(NULL);
}


static void
test_levels(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[64], *it;
    uint64_t             now = 0;
    int                  turns = 0;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100, .levels = 3,
                                       .age_us = 10 * MS });
    fill(x, 64, 0, 1);

    x[0].level = 3;
    x[1].level = 0;
    x[2].level = 1;
    x[3].level = 9;
    push(m, &x[0], 0);
    push(m, &x[1], 0);
    push(m, &x[2], 0);
    push(m, &x[3], 0);

    it = next(s, 0);
    ok(it == &x[2], "the highest level first");
    end(it, 0);
    it = next(s, 0);
    ok(it == &x[1], "no level is the default, the middle one");
    end(it, 0);
    it = next(s, 0);
    ok(it == &x[3], "as is one that does not exist");
    end(it, 0);
    it = next(s, 0);
    ok(it == &x[0], "the lowest last");
    end(it, 0);

    /* A stream of the highest level, one each ms, each takes 1 ms. */
    x[0].level = 3;
    push(m, &x[0], now);
    it = NULL;

    for (int i = 1; i < 60 && it != &x[0]; i++, turns++) {
        x[i].level = 1;
        push(m, &x[i], now);
        it = next(s, now);
        now += MS;
        end(it, now);
    }

    ok(it == &x[0], "a low one is not starved");
    is_int(turns, 22, "it waits for its age: two levels of 10 ms");

    maas_sched_destroy(s);
}


static void
test_batch(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 2);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[16], y[4], *it;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100, .max_batch = 8 });
    fill(x, 16, 7, 1);
    fill(y, 4, 9, 1);

    push(m, &x[0], 0);
    it = next(s, 0);
    is_int(run_members(it), 1, "delay 0: one that comes alone runs alone");

    for (int i = 1; i < 12; i++) {
        push(m, &x[i], 0);
    }

    push(m, &y[0], 0);
    ok(next(s, 0) == NULL, "concurrency counts runs");
    end(it, 0);

    it = next(s, 0);
    is_int(run_rows(it), 8, "what waits is taken together, up to max");
    ok(it == &x[1] && it->mate == &x[2], "in order");
    is_int(maas_sched_running(m), 1, "as one run");
    is_int(maas_sched_queued(m), 4, "the rest waits");

    maas_sched_remove(&x[3], 0, true);
    is_int(maas_sched_running(m), 1, "a mate leaves, the run goes on");
    end(it, 0);
    is_int(maas_sched_running(m), 0, "the first member ends it");

    it = next(s, 0);
    is_int(run_rows(it), 3, "then what is left of the kind");
    end(it, 0);
    it = next(s, 0);
    ok(it == &y[0] && it->mate == NULL, "another kind is not merged");
    end(it, 0);

    maas_sched_destroy(s);
}


/* Kinds that take turns in the queue, and requests of several rows. */
static void
test_batch_rows(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 2);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[16], y[4], *it;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100, .max_batch = 8 });
    fill(x, 16, 7, 1);
    fill(y, 4, 9, 1);

    for (int i = 0; i < 3; i++) {
        push(m, &x[i], 0);
        push(m, &y[i], 0);
    }

    it = next(s, 0);
    ok(it == &x[0] && run_members(it) == 3, "mates are found behind others");
    end(it, 0);
    it = next(s, 0);
    ok(it == &y[0] && run_members(it) == 3, "who come next");
    end(it, 0);

    /* Rows. */
    fill(x, 16, 7, 3);
    for (int i = 0; i < 4; i++) {
        push(m, &x[i], 0);
    }

    it = next(s, 0);
    is_int(run_rows(it), 6, "rows count, not requests");
    end(it, 0);
    end(next(s, 0), 0);

    fill(x, 16, 7, 20);
    push(m, &x[0], 0);
    push(m, &x[1], 0);
    it = next(s, 0);
    is_int(run_rows(it), 20, "a request above max runs alone");
    end(it, 0);
    end(next(s, 0), 0);

    fill(x, 16, 0, 1);
    push(m, &x[0], 0);
    push(m, &x[1], 0);
    it = next(s, 0);
    is_int(run_members(it), 1, "kind 0 is never merged");
    end(it, 0);

    maas_sched_destroy(s);
}


static void
test_delay(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 2);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[16], *it;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100, .max_batch = 4,
                                       .delay_us = 5 * MS });
    fill(x, 16, 7, 1);

    push(m, &x[0], 100);
    ok(next(s, 100) == NULL, "it waits for mates");
    is_int((int) wake, 100 + 5 * MS, "for the delay");
    push(m, &x[1], 2 * MS);
    ok(next(s, 2 * MS) == NULL, "both wait");
    is_int((int) wake, 100 + 5 * MS, "as long as the oldest one may");
    it = next(s, 100 + 5 * MS);
    is_int(run_members(it), 2, "then they run");
    end(it, 10 * MS);

    for (int i = 0; i < 4; i++) {
        push(m, &x[i], 20 * MS);
    }

    it = next(s, 20 * MS);
    is_int(run_members(it), 4, "a full one starts at once");
    end(it, 30 * MS);

    /* Runs took 7.5 ms on average: a deadline starts the next so much before. */
    x[0].deadline_us = 40 * MS;
    push(m, &x[0], 30 * MS);
    ok(next(s, 30 * MS) == NULL, "a deadline that leaves time");
    ok(wake > 30 * MS && wake < 33 * MS, "shortens the wait");
    it = next(s, wake);
    ok(it == &x[0], "and starts the run");
    end(it, 40 * MS);

    maas_sched_destroy(s);
}


static void
test_preferred(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[32], *it;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100, .max_batch = 16,
                                       .delay_us = 5 * MS, .n_preferred = 2,
                                       .preferred = { 4, 8 } });
    fill(x, 32, 7, 1);

    for (int i = 0; i < 3; i++) {
        push(m, &x[i], 0);
    }

    ok(next(s, 0) == NULL, "less than a preferred size waits");
    push(m, &x[3], 0);
    it = next(s, 0);
    is_int(run_rows(it), 4, "a preferred size starts at once");
    end(it, 0);

    for (int i = 0; i < 11; i++) {
        push(m, &x[i], 0);
    }

    it = next(s, 0);
    is_int(run_rows(it), 8, "the largest that is there");
    end(it, 0);
    ok(next(s, 0) == NULL, "the other three wait");
    it = next(s, 5 * MS);
    is_int(run_rows(it), 3, "for the delay");
    end(it, 5 * MS);

    fill(x, 32, 7, 3);
    push(m, &x[0], 6 * MS);
    push(m, &x[1], 6 * MS);
    ok(next(s, 6 * MS) == NULL, "3 + 3 is no preferred size");
    maas_sched_remove(&x[0], 6 * MS, false);
    it = next(s, 12 * MS);
    is_int(run_rows(it), 3, "one that has left is not in the run");
    end(it, 12 * MS);

    maas_sched_destroy(s);
}


static void
test_deadlines(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[32], *it;
    uint64_t             now = 0;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100 });
    fill(x, 32, 0, 1);

    x[0].deadline_us = 1;
    ok(push(m, &x[0], 0) == MAAS_OK, "nothing is known: admitted");
    maas_sched_remove(&x[0], 0, false);

    /* Each takes 10 ms. */
    for (int i = 0; i < 20; i++) {
        fill(x, 1, 0, 1);
        push(m, &x[0], now);
        it = next(s, now);
        now += 10 * MS;
        end(it, now);
    }

    push(m, &x[0], now);
    it = next(s, now);

    x[1].deadline_us = now + 15 * MS;
    ok(push(m, &x[1], now) == MAAS_EDEADLINE, "10 ms left and 10 ms to run");
    is_int(retry, 1, "are more than 15: in a second again");
    x[1].deadline_us = now + 25 * MS;
    ok(push(m, &x[1], now) == MAAS_OK, "but 25 will do");
    x[2].deadline_us = now + 16 * MS;
    ok(maas_sched_admit(m, &x[2], now + 9 * MS, &retry) == MAAS_EDEADLINE,
       "those before it count");
    x[2].deadline_us = now + 40 * MS;
    ok(push(m, &x[2], now + 9 * MS) == MAAS_OK, "what has run does not");

    fill(&x[3], 1, 0, 1);
    x[3].weight = 500;
    x[3].deadline_us = now + 2 * SEC;
    ok(push(m, &x[3], now) == MAAS_EDEADLINE, "500 rows take five seconds");
    ok(retry >= 3 && retry <= 5, "Retry-After is computed: %u", retry);

    /* The run takes longer than thought: x[1] has no chance any more. */
    end(it, now + 20 * MS);
    it = next(s, now + 20 * MS);
    ok(it == &x[2], "one that cannot be in time is not started");
    ok(maas_sched_late(s, now + 20 * MS, &retry) == &x[1], "but given back");
    ok(maas_sched_late(s, now + 20 * MS, &retry) == NULL, "once");
    maas_sched_remove(&x[1], now, false);
    end(it, now + 30 * MS);
    now += 30 * MS;

    /* An estimate that is too high is mended by those that run. */
    x[4].deadline_us = now + MS;
    ok(push(m, &x[4], now) == MAAS_OK, "an idle model refuses none");
    it = next(s, now);
    ok(it == &x[4], "and runs it");
    end(it, now + MS);

    /* A run that was cut short says nothing. */
    fill(x, 8, 0, 1);
    push(m, &x[0], now);
    it = next(s, now);
    maas_sched_remove(it, now + 1, false);
    push(m, &x[0], now);
    it = next(s, now);
    x[1].deadline_us = now + 5 * MS;
    ok(push(m, &x[1], now) == MAAS_EDEADLINE, "a cut run is no measure");
    end(it, now);

    maas_sched_destroy(s);
}


/* One row in cold memory does not speak for a thousand in warm. */
static void
test_cold(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[2], *it;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100 });
    fill(x, 2, 0, 1);
    push(m, &x[0], 0);
    it = next(s, 0);
    end(it, 100 * MS);

    push(m, &x[0], 100 * MS);
    it = next(s, 100 * MS);
    x[1].weight = 1000;
    x[1].deadline_us = 10 * SEC;
    ok(push(m, &x[1], 100 * MS) == MAAS_OK, "one run says little");
    maas_sched_remove(&x[1], 101 * MS, false);
    end(it, 110 * MS);

    maas_sched_destroy(s);
}


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


/* Lengths: what would be padded too much waits, and leads the next run. */
static void
test_lengths(void)
{
    maas_sched_t         *s = maas_sched_create(maas_host_default(), 8);
    maas_sched_model_t   *m;
    maas_sched_item_t     x[8], *it;
    static const uint32_t length[8] = { 10, 40, 12, 20, 9, 39, 11, 41 };

    m = model(s, (maas_sched_conf_t) { .max_queue = 10, .concurrency = 8,
                                       .max_batch = 8 });
    fill(x, 8, 1, 1);

    for (int i = 0; i < 8; i++) {
        x[i].length = length[i];
        x[i].percent = 150;
        push(m, &x[i], i);
    }

    /* 3 x 20 for 10 + 12 + 20 is 143 %; with 9, too, it were 157 %. */
    it = next(s, 10);
    ok(it == &x[0] && it->mate == &x[2] && x[2].mate == &x[3]
       && x[3].mate == NULL, "lengths near each other run together");

    it = next(s, 10);
    ok(it == &x[1] && it->mate == &x[5] && x[5].mate == &x[6]
       && x[6].mate == &x[7] && x[7].mate == NULL,
       "then those that had to wait, the oldest first");
    it = next(s, 10);
    ok(it == &x[4] && it->mate == NULL && next(s, 10) == NULL,
       "and the rest");

    end(&x[0], 20);
    end(&x[1], 20);
    end(&x[4], 20);

    for (int i = 0; i < 8; i++) {
        x[i].percent = 10000;
        push(m, &x[i], 30);
    }

    it = next(s, 40);
    is_int(run_members(it), 8, "a limit that allows all");
    end(it, 50);

    for (int i = 0; i < 4; i++) {
        x[i].percent = 100;
        x[i].length = 0;
        x[i].rows = 2;
        push(m, &x[i], 60);
    }

    it = next(s, 70);
    is_int(run_members(it), 4, "no length: nothing to be padded");
    end(it, 80);

    maas_sched_destroy(s);
}


int
main(void)
{
    test_queue();
    test_levels();
    test_batch();
    test_batch_rows();
    test_delay();
    test_preferred();
    test_deadlines();
    test_cold();
    test_overload(1);
    test_overload(16);
    test_goodput();
    test_shares();
    test_lengths();

    return done();
}
