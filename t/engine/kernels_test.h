/*
 * kernels_test.h: what the tests of the kernels share: values to compute
 * with, and the comparison bit for bit.  Included once by each program.
 *
 * Operands lie in buffers of whole pages between pages that cannot be read:
 * LAST() ends with the last readable byte, EDGE() does so or begins with the
 * first one, in turns.  A vector that is loaded over an end is a fault.
 */

#ifndef MAAS_KERNELS_TEST_H
#define MAAS_KERNELS_TEST_H

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tap.h"
#include "kernels/kernels.h"


#define GUARD   64                  /* floats before and behind an output */
#define PAGE    4096
#define MAXBUF  (391 * PAGE / (int) sizeof(float))

static const maas_kernels_t  *ref, *kt;
static uint32_t               seed = 1;
static int                    reported;

static float  *bx, *bw, *bb, *b0, *b1;
__attribute__((unused)) static float  *ba, *pk;

static const float  specials[] = {
    NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-40f, -1e-45f, 1.17549435e-38f,
    3.4028235e38f, -3.4028235e38f, 1e30f, 88.73f, -103.9f, 1.0f, 0.5f
};


/* Bytes, a multiple of PAGE, between two pages that cannot be read. */
static void *
pages(size_t bytes)
{
    char  *p;

    p = mmap(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
             -1, 0);

    if (p == MAP_FAILED
        || mprotect(p + PAGE, bytes, PROT_READ | PROT_WRITE) != 0)
    {
        printf("Bail out!  no memory for the operands\n");
        exit(1);
    }

    return p + PAGE;
}


__attribute__((constructor))
static void
make_buffers(void)
{
    float **const  list[] = { &bx, &bw, &bb, &b0, &b1, &ba, &pk };

    for (size_t i = 0; i < maas_nelts(list); i++) {
        *list[i] = pages(MAXBUF * sizeof(float));
    }
}


static float
rnd(void)
{
    seed = seed * 1664525u + 1013904223u;

    return (float) (int32_t) seed * 0x1p-31f;
}


__attribute__((unused)) static void
fill(float *p, int64_t n, bool adverse)
{
    int64_t  i;

    for (i = 0; i < n; i++) {
        p[i] = rnd();

        if (adverse && (seed >> 8) % 61 == 0) {
            p[i] = specials[(seed >> 16) % maas_nelts(specials)];
        }
    }
}


static bool
same(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof(a)) == 0;
}


/* Counts what differs; the first few are told. */
__attribute__((unused))
static int
differ(const float *a, const float *b, int64_t n, const char *what)
{
    int      bad = 0;
    int64_t  i;

    for (i = 0; i < n; i++) {
        if (!same(a[i], b[i])) {
            bad++;

            if (reported++ < 8) {
                printf("# %s: [%lld] got %.9g, expected %.9g\n", what,
                       (long long) i, a[i], b[i]);
            }
        }
    }

    return bad;
}


/* Every 16411th float, all signs and exponents, and the special ones. */
__attribute__((unused))
static int64_t
all_floats(float *x)
{
    int64_t   n = 0;
    uint64_t  i;
    uint32_t  u;

    for (i = 0; i < maas_nelts(specials); i++) {
        x[n++] = specials[i];
    }

    for (i = 0; i < UINT32_MAX && n < MAXBUF - 2 * GUARD; i += 16411) {
        u = (uint32_t) i;
        memcpy(&x[n++], &u, sizeof(u));
    }

    for (i = 0; i < 100000; i++) {
        x[n++] = rnd() * 16;
    }

    return n;
}


#define LAST(buf, n)  ((buf) + MAXBUF - (n))

__attribute__((unused)) static unsigned  turn;

#define EDGE(buf, n)  (turn++ & 1 ? (buf) : LAST(buf, n))

#endif
