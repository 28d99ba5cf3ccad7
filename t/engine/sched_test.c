/*
 * The scheduler: order, limits, turns between models, and the estimate that
 * becomes Retry-After.  The clock is an argument, so nothing here waits.
 */

#include "base/base.h"
#include "maas.h"
#include "tap.h"


int
main(void)
{
    maas_sched_t        *s = maas_sched_create(maas_host_default(), 3);
    maas_sched_model_t  *a = maas_sched_model(s, 2, 2);
    maas_sched_model_t  *b = maas_sched_model(s, 10, 10);
    maas_sched_item_t    x[8], y[8], *it;

    memset(x, 0, sizeof(x));
    memset(y, 0, sizeof(y));

    is_int(maas_sched_full(a), 0, "an idle model is not full");
    ok(maas_sched_push(a, &x[0]) == MAAS_OK, "first in");
    ok(maas_sched_push(a, &x[1]) == MAAS_OK, "second in");
    ok(maas_sched_push(a, &x[2]) == MAAS_EBUSY, "the queue holds two");
    ok(maas_sched_full(a) >= 1, "full: a time to retry in is given");

    ok(maas_sched_next(s, 0) == &x[0], "oldest first");
    ok(maas_sched_next(s, 0) == &x[1], "concurrency 2: the second too");
    ok(maas_sched_next(s, 0) == NULL, "nothing waits");
    is_int(maas_sched_running(a), 2, "two run");

    ok(maas_sched_push(a, &x[2]) == MAAS_OK, "room in the queue again");
    ok(maas_sched_next(s, 0) == NULL, "but concurrency is used up");

    ok(maas_sched_push(b, &y[0]) == MAAS_OK, "another model");
    ok(maas_sched_push(b, &y[1]) == MAAS_OK, "twice");
    ok(maas_sched_next(s, 0) == &y[0], "the other model has its turn");
    ok(maas_sched_next(s, 0) == NULL, "the process runs three");

    maas_sched_remove(&x[0], 4000);
    it = maas_sched_next(s, 4000);
    ok(it == &x[2] || it == &y[1], "a free place is taken");
    maas_sched_remove(&x[1], 4000);
    ok(maas_sched_next(s, 4000) != NULL, "and the next one");

    maas_sched_remove(&x[2], 8000);
    maas_sched_remove(&y[0], 8000);
    maas_sched_remove(&y[1], 8000);
    is_int(maas_sched_running(a) + maas_sched_running(b), 0, "all done");

    maas_sched_push(a, &x[3]);
    maas_sched_push(a, &x[4]);
    maas_sched_remove(&x[3], 8000);
    is_int(maas_sched_queued(a), 1, "one left the queue by itself");
    ok(maas_sched_next(s, 8000) == &x[4], "the other runs");
    maas_sched_remove(&x[4], 8000);
    maas_sched_remove(&x[4], 8000);
    is_int(maas_sched_running(a), 0, "removing twice does no harm");

    /* Turns: with both queues full, starts alternate. */
    for (int i = 0; i < 2; i++) {
        maas_sched_push(a, &x[i]);
        maas_sched_push(b, &y[i]);
    }

    {
        maas_sched_item_t  *p = maas_sched_next(s, 9000);
        maas_sched_item_t  *q = maas_sched_next(s, 9000);

        ok(p != NULL && q != NULL && p->model != q->model,
           "models take turns");
    }

    maas_sched_destroy(s);
    maas_sched_destroy(NULL);

    return done();
}
