/*
 * kernels_bench: GFLOP/s of the float32 products at each CPU level of this
 * host, one thread, beside the peak that multiply-adds in registers reach.
 * Not a test; each figure is the best of a few runs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels/kernels.h"

#define BENCH_NS  150000000u        /* of one figure */


typedef struct {
    const char  *name;
    bool         t;                 /* the transposed product */
    int64_t      m, n, k;
} bench_t;


static const bench_t  benches[] = {
    { "gemm   1024x1024x1024", false, 1024, 1024, 1024 },
    { "gemm   128x768x768", false, 128, 768, 768 },
    { "gemm   128x3072x768", false, 128, 3072, 768 },
    { "gemm   1x768x768", false, 1, 768, 768 },
    { "gemm   1x4096x1024", false, 1, 4096, 1024 },
    { "gemm   2x768x768", false, 2, 768, 768 },
    { "gemm   4x768x768", false, 4, 768, 768 },
    { "gemm   16x768x768", false, 16, 768, 768 },
    { "gemm   200x50x300", false, 200, 50, 300 },
    { "gemmt  64x3136x576", true, 3136, 64, 576 },
    { "gemmt  256x196x2304", true, 196, 256, 2304 },
    { "gemmt  512x49x4608", true, 49, 512, 4608 },
    { "gemmt  128x784x64", true, 784, 128, 64 },
    { "gemmt  24x12544x16", true, 12544, 24, 16 },
};


static float *
bench_floats(size_t n)
{
    float    *p;
    size_t    i;
    uint32_t  x = 12345;

    p = aligned_alloc(64, maas_align((n + 64) * sizeof(float), 64));

    if (p == NULL) {
        exit(2);
    }

    for (i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (float) (int32_t) x * 0x1p-31f;
    }

    return p;
}


static double
bench_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}


static void
bench_run(const maas_kernels_t *k, const bench_t *b, const float *x,
    const float *w, float *c)
{
    maas_gemm_t   g = { .m = b->m, .n = b->n, .k = b->k, .a = x, .lda = b->k,
                        .b = w, .c = c, .ldc = b->n };
    maas_gemmt_t  t = { .m = b->m, .n = b->n, .k = b->k, .x = x, .ldx = b->m,
                        .w = w, .c = c, .ldc = b->m };

    if (b->t) {
        k->gemmt(&t, 0, b->m, 0, b->n);

    } else {
        k->gemm(&g, 0, b->m);
    }
}


static double
bench_one(const maas_kernels_t *k, const bench_t *b)
{
    int     i;
    float  *x, *w, *c;
    double  t, best, end;

    x = bench_floats((size_t) (b->m * b->k));
    w = bench_floats(maas_p16_elems(b->k, b->n));
    c = bench_floats((size_t) (b->m * b->n));

    best = 1e30;
    end = bench_now() + BENCH_NS * 1e-9;

    for (i = 0; i < 2 || bench_now() < end; i++) {
        t = bench_now();
        bench_run(k, b, x, w, c);
        t = bench_now() - t;
        best = t < best ? t : best;
    }

    free(x);
    free(w);
    free(c);

    return 2.0 * (double) b->m * (double) b->n * (double) b->k / best * 1e-9;
}


static void
bench_unary(const maas_kernels_t *k, maas_unary_t op, const char *name)
{
    int      i;
    float   *x;
    double   t, best = 1e30;
    int64_t  n = 4096;
    float   *y;

    x = bench_floats((size_t) n);
    y = bench_floats((size_t) n);

    for (i = 0; i < 200; i++) {
        t = bench_now();
        k->unary[op](y, x, n, 0.0f, 1.0f);
        t = bench_now() - t;
        best = t < best ? t : best;
    }

    printf("  %-8s %8.2f Gelem/s\n", name, (double) n / best * 1e-9);
    free(x);
    free(y);
}


/* The rate of multiply-adds without memory: 12 or 24 chains per level. */
static double
bench_peak(maas_cpu_t level)
{
    float    x[1024] = { 0 };
    double   t, best = 1e30;
    int      i;
    int64_t  n = 1000000;

    (void) x;

    for (i = 0; i < 5; i++) {
        t = bench_now();

#if defined(__x86_64__)
        if (level == MAAS_CPU_AVX512) {
            __asm__ volatile (
                "mov %0, %%rcx\n1:\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm0\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm1\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm2\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm3\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm4\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm5\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm6\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm7\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm8\n"
                "vfmadd231ps %%zmm30, %%zmm31, %%zmm9\n"
                "dec %%rcx\njnz 1b\n" : : "r" (n)
                : "rcx", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                  "xmm6", "xmm7", "xmm8", "xmm9", "cc");

        } else if (level == MAAS_CPU_AVX2) {
            __asm__ volatile (
                "mov %0, %%rcx\n1:\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm0\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm1\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm2\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm3\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm4\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm5\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm6\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm7\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm8\n"
                "vfmadd231ps %%ymm14, %%ymm15, %%ymm9\n"
                "dec %%rcx\njnz 1b\n" : : "r" (n)
                : "rcx", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                  "xmm6", "xmm7", "xmm8", "xmm9", "cc");
        }
#endif
        t = bench_now() - t;
        best = t < best ? t : best;
    }

    return 20.0 * (level == MAAS_CPU_AVX512 ? 16 : 8) * (double) n / best
           * 1e-9;
}


int
main(int argc, char **argv)
{
    size_t                 i;
    maas_cpu_t             level;
    const maas_kernels_t  *k;

    for (level = MAAS_CPU_V2; level < MAAS_CPU_LEVELS; level++) {
        k = maas_kernels(level);

        if (k == NULL || (argc > 1 && strcmp(argv[1], maas_cpu_name(level)))) {
            continue;
        }

        printf("%s\n", maas_cpu_name(level));

        if (level >= MAAS_CPU_AVX2) {
            printf("  %-24s %8.1f GFLOP/s\n", "peak", bench_peak(level));
        }

        for (i = 0; i < maas_nelts(benches); i++) {
            printf("  %-24s %8.1f GFLOP/s\n", benches[i].name,
                   bench_one(k, &benches[i]));
        }

        bench_unary(k, MAAS_U_EXP, "exp");
        bench_unary(k, MAAS_U_TANH, "tanh");
        bench_unary(k, MAAS_U_GELU, "gelu");
        bench_unary(k, MAAS_U_RELU, "relu");
    }

    return 0;
}
