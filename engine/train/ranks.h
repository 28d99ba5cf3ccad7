/*
 * ranks: the processes of one training that mpirun started, on one machine or
 * several.  Open MPI is loaded at run time, and only in such a process: no
 * program of ours is linked with it.
 *
 * Every function takes NULL for a process that is alone, and then does
 * nothing.  All ranks make the same calls in the same order.  What is summed
 * is summed on rank 0 and sent from there, so that every rank holds the same
 * bits.
 *
 * An error of one rank ends all: maas_ranks_meet() goes before each exchange
 * and tells who cannot go on.  It says the same of a rank that met in another
 * place, so a rank that fails meets once more, and the others see it wherever
 * they are.  A rank that dies is mpirun's affair: it ends the others.
 *
 * Ownership: the caller closes what it opened.
 * Threads:   any, one at a time.
 */

#ifndef MAAS_RANKS_H
#define MAAS_RANKS_H

#include "base/base.h"


#define MAAS_RANKS_VALUES  16           /* that a meeting can sum */
#define MAAS_RANKS_OWN     14           /* of each rank, that it can gather */

typedef struct {
    int      rank;
    int      n;
    bool     over;              /* they met an error: nobody meets again */
    double  *head;              /* of a meeting */
} maas_ranks_t;

/* NULL in a process that mpirun did not start, or that is its only one. */
maas_status_t maas_ranks_open(maas_ranks_t **out, maas_err_t *err);
void maas_ranks_close(maas_ranks_t *r);

/*
 * Is this the process that tells?  Of ranks the first; where they could not
 * be opened (NULL), the first on this machine.
 */
bool maas_ranks_tells(const maas_ranks_t *r);

/* Threads of each rank on this machine, which has so many cores for them. */
int maas_ranks_threads(int cores);

/*
 * Sums value[0 .. n - 1], n <= MAAS_RANKS_VALUES, unless a rank comes with
 * another status than MAAS_OK: then all return that of the lowest such rank,
 * with its text.
 */
maas_status_t maas_ranks_meet(maas_ranks_t *r, maas_status_t rc,
    double *value, int n, maas_err_t *err);

/*
 * Meets, and gathers own[0 .. MAAS_RANKS_OWN - 1] of all ranks: *all has them
 * one rank behind the other, until the next meeting.  Not for NULL.
 */
maas_status_t maas_ranks_gather(maas_ranks_t *r, maas_status_t rc,
    const double *own, const double **all, maas_err_t *err);

void maas_ranks_sum(maas_ranks_t *r, float *x, int64_t n);
void maas_ranks_sum_f64(maas_ranks_t *r, double *x, int64_t n);

/* From rank `root` to all. */
void maas_ranks_share(maas_ranks_t *r, int root, void *p, size_t bytes);

/* Rows of n that are this rank's: count of them, *first before them. */
int64_t maas_ranks_part(const maas_ranks_t *r, int64_t n, int64_t *first);

#endif
