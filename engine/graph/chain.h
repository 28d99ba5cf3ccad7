/*
 * chain: steps that run as one, by bands of rows, so that what is between
 * them stays in the cache.  Each step's output is read by the next alone; of
 * it a thread's scratch holds the rows that are still wanted, and the whole
 * tensor is never there.
 *
 * A unit is a band of rows of one image of the last step's output.  Bands
 * that a thread computes one after another share the rows that both want;
 * where it begins, it computes what it wants of the rows before.  An output
 * element's arithmetic is that of its own step: the bits are the same.
 *
 * Ownership: nothing is kept; the scratch is the slot's.
 * Threads:   units are independent.
 */

#ifndef MAAS_CHAIN_H
#define MAAS_CHAIN_H

#include "graph/op.h"


#define MAAS_CHAIN_MAX  8       /* steps */

typedef struct {
    maas_by_rows_t  rows;
    int64_t      most;          /* rows that a unit makes, at most */
    /* Of the output's rows in scratch; all but the last step. */
    int64_t      width;         /* floats of a row of one plane */
    int64_t      plane;         /* floats from a plane to the next */
    int64_t      planes;
    size_t       off;           /* bytes */
} maas_chained_t;

typedef struct {
    int             n;
    int64_t         images;
    int64_t         bands;      /* of an image */
    size_t          scratch;    /* bytes, of a thread */
    maas_chained_t  step[MAAS_CHAIN_MAX];
} maas_chain_t;

/* s[0 .. n - 1], kernels chosen; false: they do not all go by rows. */
bool maas_chain_rows(maas_chain_t *c, const maas_step_t *s, int n);

/* After rows(): places for the rows of so many bands. */
void maas_chain_bands(maas_chain_t *c, const maas_step_t *s, int64_t bands);

/* s[0].chain steps from s on, s[0].units units of all. */
maas_status_t maas_chain_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

#endif
