/*
 * crew.h: the threads of a fit and its random bits, for estimators.
 *
 * Random bits are a function of (seed, stream, number), never of a state
 * that threads pass around, so that one thread and many give equal models.
 *
 * Ownership: a crew borrows the job; scratch of a slot is the caller's.
 * Threads:   a crew belongs to the thread that began it.
 */

#ifndef MAAS_CREW_H
#define MAAS_CREW_H

#include "train/estimator.h"


typedef struct {
    const maas_fit_job_t  *f;
    maas_lease_t          *lease;
    int                    slots;       /* of scratch memory, at least 1 */
    unsigned               fp;
} maas_crew_t;

/*
 * Computes one unit with the scratch of `slot`.  What it returns other than
 * MAAS_OK ends the whole; texts of errors are the crew's, as several threads
 * cannot share f->err.
 */
typedef maas_status_t (*maas_crew_pt)(void *arg, int slot, int64_t unit);

/* Arithmetic with denormal numbers, whoever runs it, until end(). */
void maas_crew_begin(maas_crew_t *c, const maas_fit_job_t *f);
void maas_crew_end(maas_crew_t *c);

/*
 * Runs units 0 .. units - 1, each once, in any order; polls cancel before
 * each.  base and of: for the job's progress (base + done units, of all);
 * of 0: none.
 */
maas_status_t maas_crew_run(maas_crew_t *c, maas_crew_pt fn, void *arg,
    int64_t units, uint64_t base, uint64_t of);

/* MAAS_ECANCEL with its text, when somebody asked for it. */
maas_status_t maas_crew_poll(const maas_crew_t *c);


/* -- random bits --------------------------------------------------------- */

static inline uint64_t
maas_crew_mix(uint64_t z)
{
    /* The finaliser of splitmix64: Steele, Lea, Flood, 2014. */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}


typedef struct {
    uint64_t  key;
    uint64_t  next;
} maas_crew_random_t;

static inline maas_crew_random_t
maas_crew_random(uint64_t seed, uint64_t stream)
{
    uint64_t  g = UINT64_C(0x9e3779b97f4a7c15);

    return (maas_crew_random_t) {
        .key = maas_crew_mix(maas_crew_mix(seed + g) + g * (stream + 1))
    };
}


static inline uint64_t
maas_crew_bits(maas_crew_random_t *r)
{
    return maas_crew_mix(r->key + UINT64_C(0x9e3779b97f4a7c15) * ++r->next);
}


/* 0 .. n - 1 */
static inline uint32_t
maas_crew_below(maas_crew_random_t *r, uint32_t n)
{
    return (uint32_t) (((maas_crew_bits(r) >> 32) * n) >> 32);
}


/* [0, 1), 53 bits */
static inline double
maas_crew_uniform(maas_crew_random_t *r)
{
    return (double) (maas_crew_bits(r) >> 11) * 0x1p-53;
}

#endif
