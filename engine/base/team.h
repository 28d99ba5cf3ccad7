/*
 * team.h: inside the engine: how a run borrows free members of its team to
 * split a step.  Tasks and the team itself are in maas.h.
 *
 * A lease is begun by a task that runs on a member.  It takes the members
 * that are idle at that moment and never waits for one to join; a member
 * leaves by itself when the lease has no work and a task is waiting.
 * Members are numbered, and a chunk runs with its member's number, so that
 * scratch memory of a run has one slot for each member.
 */

#ifndef MAAS_TEAM_H
#define MAAS_TEAM_H

#include <stdatomic.h>

#include "maas.h"
#include "base/base.h"


typedef struct maas_lease_s  maas_lease_t;

/* Computes units [first, last) on member `slot`. */
typedef void (*maas_chunk_pt)(void *arg, int slot, int64_t first,
    int64_t last);

/* NULL: not on a member of this team, or nobody is idle. */
maas_lease_t *maas_lease_begin(maas_team_t *team);
void maas_lease_end(maas_lease_t *l);

/* Returns when all units are done.  units > 0. */
void maas_lease_run(maas_lease_t *l, maas_chunk_pt fn, void *arg,
    int64_t units);

/* Becomes true when the team is destroyed; NULL without a team. */
const atomic_bool *maas_team_stop(const maas_team_t *team);

/* The calling member's number; 0 outside a team. */
int maas_team_self(const maas_team_t *team);

/*
 * Flush-to-zero and denormals-are-zero, round to nearest: the arithmetic of
 * every run.  leave() gives back what enter() returned.
 */
unsigned maas_fp_enter(void);
void maas_fp_leave(unsigned saved);

#endif
