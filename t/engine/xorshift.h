/*
 * Numbers that are the same in every run, for tests and fuzzers without a
 * corpus: xorshift64 (G. Marsaglia, 2003).  One state a program, for one
 * thread; a program may set it.
 */

#ifndef T_XORSHIFT_H
#define T_XORSHIFT_H

#include <stdint.h>


static uint64_t  seed = 88172645463325252u;


static uint64_t
rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed;
}

#endif
