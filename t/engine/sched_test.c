/*
 * The scheduler: order, limits, turns between models, priorities, batches,
 * deadlines, and the estimates that become Retry-After.  The clock is an
 * argument, so nothing here waits.
 */

#include "sched/sched.h"
#include "sched_calls.h"
#include "tap.h"


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
    is_int(a->running, 2, "two run");

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
    is_int(a->running + b->running, 0, "all done");

    push(a, &x[3], 8 * SEC);
    push(a, &x[4], 8 * SEC);
    maas_sched_remove(&x[3], 8 * SEC, false);
    is_int(a->queued, 1, "one left the queue by itself");
    ok(next(s, 8 * SEC) == &x[4], "the other runs");
    maas_sched_remove(&x[4], 8 * SEC, true);
    maas_sched_remove(&x[4], 8 * SEC, true);
    is_int(a->running, 0, "removing twice does no harm");

    maas_sched_destroy(s);
    maas_sched_destroy(NULL);
}


/* With both queues full, starts alternate. */
static void
test_turns(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 3);
    maas_sched_model_t  *a, *b;
    maas_sched_item_t    x[2], y[2], *it;

    a = model(s, (maas_sched_conf_t) { .max_queue = 2, .concurrency = 2 });
    b = model(s, (maas_sched_conf_t) { .max_queue = 10, .concurrency = 10 });
    fill(x, 2, 0, 1);
    fill(y, 2, 0, 1);

    for (int i = 0; i < 2; i++) {
        push(a, &x[i], 9 * SEC);
        push(b, &y[i], 9 * SEC);
    }

    it = next(s, 9 * SEC);
    ok(it != NULL && it->model != next(s, 9 * SEC)->model,
       "models take turns");

    maas_sched_destroy(s);
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
    is_int(m->running, 1, "as one run");
    is_int(m->queued, 4, "the rest waits");

    maas_sched_remove(&x[3], 0, true);
    is_int(m->running, 1, "a mate leaves, the run goes on");
    end(it, 0);
    is_int(m->running, 0, "the first member ends it");

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

    /* Runs took 7.5 ms on average: the next starts so much before it is due. */
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


/* Twenty runs of 10 ms each; the time when the last has ended. */
static uint64_t
learn_10ms(maas_sched_t *s, maas_sched_model_t *m)
{
    uint64_t            now = 0;
    maas_sched_item_t   x, *it;

    for (int i = 0; i < 20; i++) {
        fill(&x, 1, 0, 1);
        push(m, &x, now);
        it = next(s, now);
        now += 10 * MS;
        end(it, now);
    }

    return now;
}


static void
test_deadlines(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[8], *it;
    uint64_t             now;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100 });
    fill(x, 8, 0, 1);

    x[0].deadline_us = 1;
    ok(push(m, &x[0], 0) == MAAS_OK, "nothing is known: admitted");
    maas_sched_remove(&x[0], 0, false);

    now = learn_10ms(s, m);
    fill(x, 1, 0, 1);
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

    maas_sched_destroy(s);
}


/* What a run says of those that follow. */
static void
test_estimates(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 1);
    maas_sched_model_t  *m;
    maas_sched_item_t    x[2], *it;
    uint64_t             now;

    m = model(s, (maas_sched_conf_t) { .max_queue = 100 });
    now = learn_10ms(s, m);

    /* One that is too high is mended by those that run. */
    fill(x, 2, 0, 1);
    x[0].deadline_us = now + MS;
    ok(push(m, &x[0], now) == MAAS_OK, "an idle model refuses none");
    it = next(s, now);
    ok(it == &x[0], "and runs it");
    end(it, now + MS);

    /* A run that was cut short says nothing. */
    fill(x, 2, 0, 1);
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
    test_turns();
    test_levels();
    test_batch();
    test_batch_rows();
    test_delay();
    test_preferred();
    test_deadlines();
    test_estimates();
    test_cold();
    test_lengths();

    return done();
}
