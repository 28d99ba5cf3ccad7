/*
 * maas bench --kernels: the rate of every entry of the kernel table at each
 * level that this CPU has, one thread, beside what the machine can do: the
 * multiply-adds of registers for products, a copy in the same cache for what
 * moves data.  A figure is the best of its repetitions.
 *
 * Ownership: one block of buffers for all kernels; it lives for the command.
 * Threads:   the main thread only.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_kernels.h"


#define KB_SECONDS  0.02


static void
kb_copy(const kb_t *b)
{
    memcpy(b->y, b->x, KB_ROW * sizeof(float));
    __asm__ volatile ("" : : "r" (b->y) : "memory");
}


/* Seconds of one call, the best of so many as fit. */
static double
kb_time(kb_run_pt run, const kb_t *b, double seconds)
{
    double    best = 1e30;
    uint64_t  t, end, n = 1;

    t = maas_now_ns();
    end = t + (uint64_t) (seconds * 1e9);
    run(b);

    /* The plain C of a large product is slow enough to be measured once. */
    if (maas_now_ns() > end) {
        return (double) (maas_now_ns() - t) / 1e9;
    }

    /* Ten microseconds at a time, so that reading the clock does not count. */
    for ( ;; ) {
        t = maas_now_ns();

        for (uint64_t i = 0; i < n; i++) {
            run(b);
        }

        t = maas_now_ns() - t;
        best = maas_min(best, (double) t / (double) n);

        if (maas_now_ns() > end) {
            return best / 1e9;
        }

        if (t < 10000) {
            n *= 2;
            best = 1e30;
        }
    }
}


/* Operations a second; 0: unknown. */
static double
kb_peak(maas_cpu_t level)
{
    int       ops = maas_kernels_peak(level, 1000);
    double    best = 1e30;
    uint64_t  t;

    for (int i = 0; ops != 0 && i < 20; i++) {
        t = maas_now_ns();
        (void) maas_kernels_peak(level, 100000);
        t = maas_now_ns() - t;
        best = maas_min(best, (double) t / 1e9);
    }

    return ops * 1e5 / best;
}


static void
kb_print(const kb_row_t *r, maas_cpu_t level, double rate, double peak,
    bool json)
{
    const char  *unit = r->bytes != 0 ? "GB/s" : "GFLOP/s";

    if (json) {
        printf("{\"level\":\"%s\",\"kernel\":\"%s\",\"rate\":%.4g,"
               "\"unit\":\"%s\",\"peak\":%.4g}\n", maas_cpu_name(level),
               r->name, rate / 1e9, unit, peak / 1e9);

    } else if (peak > 0) {
        printf("  %-22s %8.2f %-7s %4.0f %%\n", r->name, rate / 1e9, unit,
               100 * rate / peak);

    } else {
        printf("  %-22s %8.2f %-7s    -\n", r->name, rate / 1e9, unit);
    }

    fflush(stdout);
}


static void
kb_level(maas_cpu_t level, double host, kb_t *b, double seconds, bool json)
{
    double           flops, copy, rate, peak;
    const kb_row_t  *r;

    flops = kb_peak(level);
    copy = KB_ROW * 8 / kb_time(kb_copy, b, seconds);

    if (!json) {
        printf("%s%s: multiply-adds in registers %.1f GFLOP/s, copy %.1f "
               "GB/s\n", level == MAAS_CPU_REF ? "" : "\n",
               maas_cpu_name(level), flops / 1e9, copy / 1e9);
    }

    for (r = cli_kernel_rows; r->name != NULL; r++) {
        b->op = r->op;
        b->m = r->m;
        b->n = r->n;
        b->kk = r->k;

        peak = r->bytes != 0 ? copy : cli_kernel_peak(r, flops, host);
        rate = (r->bytes != 0 ? (double) r->bytes * KB_ROW : cli_kernel_flops(r))
               / kb_time(r->run, b, seconds);
        kb_print(r, level, rate, peak, json);
    }
}


int
cli_kernels(double seconds, bool json)
{
    kb_t       b = { 0 };
    float     *p;
    double     host = kb_peak(maas_cpu_host());
    uint32_t   x = 12345;

    p = aligned_alloc(MAAS_ALIGN, 3 * KB_FLOATS * sizeof(float));
    if (p == NULL) {
        return cli_fail("out of memory");
    }

    /* In [0.5, 1): no logarithm and no power of these is a special case. */
    for (size_t i = 0; i < 3 * KB_FLOATS; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = 0.5f + (float) (x >> 9) * 0x1p-24f;
    }

    b.x = p;
    b.w = p + KB_FLOATS;
    b.y = p + 2 * KB_FLOATS;

    for (maas_cpu_t l = MAAS_CPU_REF; l < MAAS_CPU_LEVELS; l++) {
        b.k = maas_kernels(l);

        if (b.k != NULL) {
            kb_level(l, host, &b, seconds > 0 ? seconds : KB_SECONDS, json);
        }
    }

    free(p);
    return CLI_OK;
}
