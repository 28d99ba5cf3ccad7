/*
 * Shared by reduce.c and reduce_sums.c: the order in which a reduction goes
 * over its input.  Neighbouring dimensions that are both kept or both reduced
 * count as one.  Plain values on the caller's stack; reentrant.
 */

#ifndef MAAS_REDUCE_WALK_H
#define MAAS_REDUCE_WALK_H

#include "graph/op.h"


typedef struct {
    int      n_kept;
    int      n_red;
    bool     inner;             /* the last dimension is reduced */
    int64_t  kept[MAAS_RANK_MAX], kstride[MAAS_RANK_MAX];
    int64_t  red[MAAS_RANK_MAX], rstride[MAAS_RANK_MAX];
    int64_t  count;             /* values per output */
} red_walk_t;


/* Values of an output from which on red_outer_sums() makes them. */
#define RED_BLOCK  64

/*
 * Float32 sums (fn: SUM, SUMSQ or SUMABS) for outputs [lo, hi) of a walk that
 * keeps the last dimension.
 */
void red_outer_sums(const maas_step_t *s, const red_walk_t *w, int fn,
    int64_t lo, int64_t hi);


/* Offset of output i in the input. */
static inline int64_t
red_offset(const red_walk_t *w, int64_t i)
{
    int64_t  off = 0;

    for (int d = 0; d < w->n_kept; d++) {
        off += i % w->kept[d] * w->kstride[d];
        i /= w->kept[d];
    }

    return off;
}


/* Steps the index over reduced dimensions from `from` on; false at the end. */
static inline bool
red_next(const red_walk_t *w, int from, int64_t *idx, int64_t *off)
{
    for (int d = from; d < w->n_red; d++) {
        *off += w->rstride[d];

        if (++idx[d] < w->red[d]) {
            return true;
        }

        *off -= w->red[d] * w->rstride[d];
        idx[d] = 0;
    }

    return false;
}


/* The same by n steps of the first of them, which end within it. */
static inline bool
red_skip(const red_walk_t *w, int64_t n, int64_t *idx, int64_t *off)
{
    idx[0] += n - 1;
    *off += (n - 1) * w->rstride[0];
    return red_next(w, 0, idx, off);
}

#endif
