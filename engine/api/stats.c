/*
 * Counting of inferences, in the units of the Open Inference Protocol's
 * statistics.  The counters may lie in memory that workers share, so they
 * are only added to, each by itself: a reader may see a call in one and not
 * yet in another.
 *
 * Ownership: counters are the catalog's or its host's.
 * Threads:   any; a call is counted by the thread that has it.
 */

#include <time.h>

#include "api/call.h"


#define stats_add(to, n)                                                      \
    atomic_fetch_add_explicit(&(to), (n), memory_order_relaxed)


static void
stats_put(maas_stat_t *s, uint64_t ns)
{
    stats_add(s->count, 1);
    stats_add(s->ns, ns);
}


/* Rows of the first input along the batch axis, where that is open. */
static uint64_t
stats_rows(const maas_call_t *call)
{
    int                        axis;
    const maas_tensor_t       *t = call->c.in;
    const maas_proto_model_t  *m = call->c.route.m;

    axis = m->meta != NULL ? m->meta->batch_axis : 0;

    if (m->n_in == 0 || axis < 0 || axis >= m->in[0].rank || axis >= t->rank
        || m->in[0].dims[axis] >= 0)
    {
        return 1;
    }

    return (uint64_t) t->dims[axis];
}


/* The slot of a batch size, perhaps taken just now; -1: all have others. */
static int
stats_slot(maas_stats_t *s, uint64_t rows)
{
    uint64_t  have;

    for (int i = 0; i < MAAS_STATS_BATCHES; i++) {
        have = atomic_load_explicit(&s->batch[i].rows, memory_order_relaxed);

        if (have == 0) {
            atomic_compare_exchange_strong(&s->batch[i].rows, &have, rows);
            have = atomic_load_explicit(&s->batch[i].rows,
                                        memory_order_relaxed);
        }

        if (have == rows) {
            return i;
        }
    }

    return -1;
}


void
maas_call_count(maas_call_t *call, uint64_t start)
{
    int              i;
    bool             first;
    maas_joint_t    *j = atomic_load(&call->joint);
    uint64_t         rows, queue, output, end = maas_now_ns();
    maas_stats_t    *s = call->stats;
    struct timespec  now;

    if (s == NULL) {
        return;
    }

    call->stats = NULL;

    if (call->unchanged) {
        return;
    }

    rows = stats_rows(call);
    queue = call->decode_ns - call->body_ns
            + call->run_ns - (call->decode_ns + call->input_ns);
    output = end - start;

    stats_put(&s->success, end - call->body_ns);
    stats_put(&s->queue, queue);
    stats_put(&s->input, call->input_ns);
    stats_put(&s->infer, call->compute_ns);
    stats_put(&s->output, output);
    stats_add(s->rows, rows);

    /* A joint run counts once, whoever of its calls comes first. */
    first = j == NULL || call->run != NULL || maas_joint_first(j);
    stats_add(s->runs, first);

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    atomic_store_explicit(&s->last_ms, (uint64_t) now.tv_sec * 1000
                          + (uint64_t) now.tv_nsec / 1000000,
                          memory_order_relaxed);

    rows = j == NULL || call->run != NULL ? rows : maas_joint_rows(j);
    i = first && rows != 0 ? stats_slot(s, rows) : -1;

    if (i >= 0) {
        stats_put(&s->batch[i].input, call->input_ns);
        stats_put(&s->batch[i].infer, call->compute_ns);
        stats_put(&s->batch[i].output, output);
    }
}


void
maas_call_count_failed(maas_call_t *call)
{
    if (call->stats != NULL) {
        stats_put(&call->stats->fail, call->body_ns != 0
                  ? maas_now_ns() - call->body_ns : 0);
        call->stats = NULL;
    }
}
