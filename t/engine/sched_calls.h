/*
 * Calls of the scheduler in few words, for its tests.
 */

#ifndef T_SCHED_CALLS_H
#define T_SCHED_CALLS_H

#include <stdlib.h>

#include "base/base.h"
#include "maas.h"


#define MS   ((uint64_t) 1000)
#define SEC  ((uint64_t) 1000000)

static uint64_t  wake;
static uint32_t  retry;


static inline maas_sched_model_t *
model(maas_sched_t *s, maas_sched_conf_t conf)
{
    return maas_sched_model(s, &conf);
}


static inline maas_status_t
push(maas_sched_model_t *m, maas_sched_item_t *it, uint64_t now)
{
    return maas_sched_push(m, it, now, &retry);
}


static inline maas_sched_item_t *
next(maas_sched_t *s, uint64_t now)
{
    return maas_sched_next(s, now, &wake);
}


static inline uint64_t
run_rows(const maas_sched_item_t *it)
{
    uint64_t  n = 0;

    for ( /* void */ ; it != NULL; it = it->mate) {
        n += it->rows;
    }

    return n;
}


static inline uint32_t
run_members(const maas_sched_item_t *it)
{
    uint32_t  n = 0;

    for ( /* void */ ; it != NULL; it = it->mate) {
        n++;
    }

    return n;
}


/* Ends a run: the mates first, as a host may do it. */
static inline void
end(maas_sched_item_t *it, uint64_t now)
{
    maas_sched_item_t  *k, *mate;

    for (k = it->mate; k != NULL; k = mate) {
        mate = k->mate;
        maas_sched_remove(k, now, true);
    }

    maas_sched_remove(it, now, true);
}


static inline void
fill(maas_sched_item_t *x, int n, uint64_t kind, uint32_t rows)
{
    memset(x, 0, n * sizeof(*x));

    for (int i = 0; i < n; i++) {
        x[i].kind = kind;
        x[i].rows = rows;
        x[i].weight = rows;
    }
}

#endif
