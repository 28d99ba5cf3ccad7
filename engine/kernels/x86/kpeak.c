/*
 * kpeak: multiply-adds in registers, for the rate that a kernel is measured
 * against.  Ten independent chains, latency times ports of any CPU so far;
 * level v2 has no multiply-add: its multiplications and additions alternate
 * and take fourteen.
 *
 * Threads: reentrant; no memory is touched.
 */

#include "kernels/kernels.h"


#if defined(__x86_64__)

#define PEAK_CLOBBER                                                          \
    "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",     \
    "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"

#define PEAK_ROW(op, a, b)                                                    \
    op " %%" a "mm14, %%" a "mm15, %%" a "mm" b "\n"

#define PEAK_LOOP(op, a)                                                      \
    "1:\n"                                                                    \
    PEAK_ROW(op, a, "0") PEAK_ROW(op, a, "1") PEAK_ROW(op, a, "2")            \
    PEAK_ROW(op, a, "3") PEAK_ROW(op, a, "4") PEAK_ROW(op, a, "5")            \
    PEAK_ROW(op, a, "6") PEAK_ROW(op, a, "7") PEAK_ROW(op, a, "8")            \
    PEAK_ROW(op, a, "9")                                                      \
    "dec %0\n"                                                                \
    "jnz 1b\n"

#define PEAK_V2(op, b)  op " %%xmm15, %%xmm" b "\n"

#define PEAK_LOOP_V2                                                          \
    "1:\n"                                                                    \
    PEAK_V2("mulps", "0") PEAK_V2("addps", "1") PEAK_V2("mulps", "2")         \
    PEAK_V2("addps", "3") PEAK_V2("mulps", "4") PEAK_V2("addps", "5")         \
    PEAK_V2("mulps", "6") PEAK_V2("addps", "7") PEAK_V2("mulps", "8")         \
    PEAK_V2("addps", "9") PEAK_V2("mulps", "10") PEAK_V2("addps", "11")       \
    PEAK_V2("mulps", "12") PEAK_V2("addps", "13")                             \
    "dec %0\n"                                                                \
    "jnz 1b\n"


int
maas_kernels_peak(maas_cpu_t level, uint64_t n)
{
    if (n == 0) {
        return 0;
    }

    switch (level) {
    case MAAS_CPU_AVX512:
        __asm__ volatile (PEAK_LOOP("vfmadd231ps", "z")
                          : "+r" (n) : : PEAK_CLOBBER);
        return 10 * 2 * 16;

    case MAAS_CPU_AVX2:
        __asm__ volatile (PEAK_LOOP("vfmadd231ps", "y")
                          : "+r" (n) : : PEAK_CLOBBER);
        return 10 * 2 * 8;

    case MAAS_CPU_V2:
        __asm__ volatile (PEAK_LOOP_V2 : "+r" (n) : : PEAK_CLOBBER);
        return 14 * 4;

    default:
        return 0;
    }
}

#else

int
maas_kernels_peak(maas_cpu_t level, uint64_t n)
{
    (void) level;
    (void) n;

    return 0;
}

#endif
