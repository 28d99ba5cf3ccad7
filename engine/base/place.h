/*
 * place.h: on which processor each thread of a team is, and moving them.
 *
 * Threads that share out a step wait for the slowest.  When a process of
 * somebody else takes the processor of one, the others would wait for a whole
 * slice of it, 4 ms where a step takes 0.3, and the kernel moves none of them
 * as none rests.  So one that waits brings the one that it waits for to its
 * own processor; when both are there, one goes where the other came from.
 *
 * Ownership: a place belongs to its thread, and may be read while that thread
 *            lives.
 * Threads:   each function says who may call it.
 */

#ifndef MAAS_PLACE_H
#define MAAS_PLACE_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "base/base.h"


typedef struct {
    pid_t         tid;
    clockid_t     clock;            /* processor time of this thread */
    bool          known;            /* tid and clock are */
    atomic_flag   moving;           /* its affinity is being set */
    _Atomic(int)  cpu;              /* where it was seen last */
    _Atomic(int)  before;           /* and where before that */
} maas_place_t;

/* By the thread itself, before anybody else looks at it. */
void maas_place_init(maas_place_t *self);

/* By the thread itself before it ends: nobody moves it any more. */
void maas_place_end(maas_place_t *self);

/* By the thread itself: notes where it is; the processor's number. */
int maas_place_note(maas_place_t *self);

/* By anybody: where that thread noted to be. */
int maas_place_cpu(const maas_place_t *p);

/*
 * By anybody: processor time of that thread in ns, 0: not known.  It stands
 * still while the thread has no processor.
 */
uint64_t maas_place_time(const maas_place_t *p);

/*
 * Moves thread p to that processor; p may be the caller's own, who returns
 * when it has that processor.  Its affinity is as before then.  False: it may
 * not be there, or is being moved.
 */
bool maas_place_move(maas_place_t *p, int cpu);

/*
 * Of the processors that p may use one that is not in taken, the one it was
 * on before if it can be; -1: none.
 */
int maas_place_other(const maas_place_t *p, const cpu_set_t *taken);

#endif
