/*
 * random: numbers without a state.  Number i of a stream is a function of
 * the key and of i alone, so that no order of threads, and no run that is
 * resumed, changes a bit.  The function is Philox4x32 with 10 rounds: Salmon
 * et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
 *
 * Threads: reentrant.
 */

#ifndef MAAS_RANDOM_H
#define MAAS_RANDOM_H

#include <math.h>
#include <stdint.h>


typedef struct {
    uint32_t  key[2];
    uint32_t  high[2];          /* the upper half of the counter */
} maas_random_t;


/* Streams of one seed differ where `stream` or `sub` does. */
static inline maas_random_t
maas_random(uint64_t seed, uint32_t stream, uint32_t sub)
{
    return (maas_random_t) { { (uint32_t) seed, (uint32_t) (seed >> 32) },
                             { stream, sub } };
}


static inline void
maas_random_block(const maas_random_t *g, uint64_t block, uint32_t out[4])
{
    uint32_t  k0 = g->key[0], k1 = g->key[1];
    uint32_t  c0 = (uint32_t) block, c1 = (uint32_t) (block >> 32);
    uint32_t  c2 = g->high[0], c3 = g->high[1];
    uint64_t  p, q;

    for (int i = 0; i < 10; i++) {
        p = (uint64_t) c0 * 0xd2511f53u;
        q = (uint64_t) c2 * 0xcd9e8d57u;
        c0 = (uint32_t) (q >> 32) ^ c1 ^ k0;
        c1 = (uint32_t) q;
        c2 = (uint32_t) (p >> 32) ^ c3 ^ k1;
        c3 = (uint32_t) p;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }

    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}


/* Number i, of 64 bits: two to a block. */
static inline uint64_t
maas_random_u64(const maas_random_t *g, uint64_t i)
{
    uint32_t  r[4];

    maas_random_block(g, i / 2, r);

    return (uint64_t) r[i % 2 * 2] << 32 | r[i % 2 * 2 + 1];
}


/* In [0, 1), of 53 bits. */
static inline double
maas_random_unit(const maas_random_t *g, uint64_t i)
{
    return (double) (maas_random_u64(g, i) >> 11) * 0x1p-53;
}


/* In [0, n), n > 0; the bias is n / 2^64. */
static inline uint64_t
maas_random_below(const maas_random_t *g, uint64_t i, uint64_t n)
{
    return (uint64_t) ((unsigned __int128) maas_random_u64(g, i) * n >> 64);
}


/* Standard normal, by Box and Muller. */
static inline double
maas_random_normal(const maas_random_t *g, uint64_t i)
{
    double  u = maas_random_unit(g, i & ~(uint64_t) 1);
    double  v = 6.283185307179586 * maas_random_unit(g, i | 1);

    return sqrt(-2 * log(1 - u)) * (i % 2 ? sin(v) : cos(v));
}

#endif
