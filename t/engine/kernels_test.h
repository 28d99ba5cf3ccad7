/*
 * kernels_test.h: what the tests of the kernels share: values to compute
 * with, and the comparison bit for bit.  Included once by each program.
 */

#ifndef MAAS_KERNELS_TEST_H
#define MAAS_KERNELS_TEST_H

#include <math.h>
#include <stdlib.h>

#include "tap.h"
#include "kernels/kernels.h"


#define GUARD   64                  /* floats before and behind an output */
#define MAXBUF  400000

static const maas_kernels_t  *ref, *kt;
static uint32_t               seed = 1;
static int                    reported;

static float  bx[MAXBUF], bw[MAXBUF], bb[4096], b0[MAXBUF], b1[MAXBUF];
__attribute__((unused)) static float  pk[MAXBUF];

static const float  specials[] = {
    NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-40f, -1e-45f, 1.17549435e-38f,
    3.4028235e38f, -3.4028235e38f, 1e30f, 88.73f, -103.9f, 1.0f, 0.5f
};


static float
rnd(void)
{
    seed = seed * 1664525u + 1013904223u;

    return (float) (int32_t) seed * 0x1p-31f;
}


static void
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


/* The end of a buffer, so that AddressSanitizer sees a read behind it. */
#define LAST(buf, n)  ((buf) + MAXBUF - (n))

#endif
