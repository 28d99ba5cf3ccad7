/*
 * Kernels of 8-bit tensors at every CPU level, and those that a level
 * chooses from, beside sums in 64 bits: they are exact.
 */

#include <math.h>

#include "tap.h"
#include "kernels/klevel.h"


#define M_MAX  40
#define N_MAX  80
#define K_MAX  1700

typedef struct {
    const char  *name;
    void       (*gemm)(const maas_qgemm_t *g);
    bool         runs;
} variant_t;

static const maas_kernels_t  *ref, *kt;
static uint32_t               seed = 1;

static uint8_t  a[M_MAX * K_MAX];
static int8_t   panels[N_MAX * (K_MAX + 8) + (N_MAX / 16 + 1) * MAAS_Q16_HEAD];
static int8_t   b[K_MAX * N_MAX];
static int32_t  c[M_MAX * (N_MAX + 16) + 1];


static float
rnd(void)
{
    seed = seed * 1664525u + 1013904223u;

    return (float) (int32_t) seed * 0x1p-31f;
}


static void
make(int64_t m, int64_t n, int64_t k, bool extreme)
{
    int8_t  *p;

    for (int64_t i = 0; i < m * k; i++) {
        a[i] = extreme ? 255 : (uint8_t) (rnd() * 128 + 128);
    }

    memset(panels, 0, sizeof(panels));

    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < n; j++) {
            b[i * n + j] = (int8_t) (extreme ? -128 + (j & 1) * 255
                                             : rnd() * 128);
            p = panels + j / 16 * maas_q16_panel(k) + MAAS_Q16_HEAD;
            p[i / 4 * 64 + j % 16 * 4 + i % 4] = b[i * n + j];
        }
    }
}


static int
wrong(const maas_qgemm_t *g)
{
    int      bad = 0;
    int64_t  i, j, l, sum;

    for (i = 0; i < g->m; i++) {
        for (j = 0; j < g->n; j++) {
            sum = 0;

            for (l = 0; l < g->k; l++) {
                sum += (int64_t) a[i * g->k + l] * b[l * g->n + j];
            }

            bad += c[i * g->ldc + j] != (int32_t) sum;
        }
    }

    return bad;
}


static void
test_gemm(const variant_t *v)
{
    int                   bad = 0;
    maas_qgemm_t          g;
    static const int64_t  shapes[][3] = {
        { 1, 1, 1 }, { 1, 16, 4 }, { 2, 17, 5 }, { 3, 31, 3 }, { 5, 33, 64 },
        { 12, 32, 768 }, { 13, 48, 771 }, { 25, 64, 1537 }, { 40, 80, 1700 },
        { 7, 8, 766 }, { 11, 70, 2 }
    };

    for (size_t i = 0; i < maas_nelts(shapes) * 2; i++) {
        g = (maas_qgemm_t) {
            shapes[i / 2][0], shapes[i / 2][1], shapes[i / 2][2], a,
            shapes[i / 2][2], panels, c,
            (shapes[i / 2][1] + 15) / 16 * 16 + (i & 2 ? 16 : 0)
        };
        make(g.m, g.n, g.k, i & 1);
        memset(c, 0x55, sizeof(c));
        v->gemm(&g);
        bad += wrong(&g);
        bad += c[(g.m - 1) * g.ldc + (g.n + 15) / 16 * 16] != 0x55555555;
    }

    ok(bad == 0, "%s: products are exact, and only panels are written",
       v->name);
}


static void
test_rows(const char *name)
{
    int             bad = 0;
    float           x[100], y0[100], y1[100], scale[100];
    uint8_t         q0[100], q1[100];
    int32_t         s[100], sum[100], zero[100], r0[100], r1[100];
    const int64_t   sizes[] = { 0, 1, 7, 16, 33, 100 };

    for (int i = 0; i < 100; i++) {
        x[i] = i % 23 == 5 ? NAN : i % 29 == 3 ? INFINITY : rnd() * 3;
        s[i] = (int32_t) (rnd() * 2147483647.0f);
        sum[i] = (int32_t) (rnd() * 1e6f);
        zero[i] = (int32_t) (rnd() * 128);
        scale[i] = rnd();
    }

    for (size_t i = 0; i < maas_nelts(sizes) * 2; i++) {
        int64_t  n = sizes[i / 2];

        kt->qfix(r1, s, sum, -77, i & 1 ? zero : NULL, 12345, n);
        ref->qfix(r0, s, sum, -77, i & 1 ? zero : NULL, 12345, n);
        bad += memcmp(r0, r1, (size_t) n * 4) != 0;

        kt->qscale(y1, s, scale, i & 1, n);
        ref->qscale(y0, s, scale, i & 1, n);
        bad += memcmp(y0, y1, (size_t) n * 4) != 0;

        kt->quantize(q1, x, 0.0123f, 97, n);
        ref->quantize(q0, x, 0.0123f, 97, n);
        bad += memcmp(q0, q1, (size_t) n) != 0;

        bad += kt->qsum(a, n) != ref->qsum(a, n);
    }

    ok(bad == 0, "%s: rows are those of the reference", name);
}


int
main(void)
{
    maas_cpu_t  level;
    variant_t   v[] = {
        { "avx512vnni", maas_k_q8_gemm_avx512vnni,
          maas_cpu_host() == MAAS_CPU_AVX512 && maas_cpu_has_vnni() },
        { "avx512madd", maas_k_q8_gemm_avx512madd,
          maas_cpu_host() == MAAS_CPU_AVX512 },
        { "avxvnni", maas_k_q8_gemm_avxvnni,
          maas_cpu_host() >= MAAS_CPU_AVX2 && maas_cpu_has_avxvnni() },
        { "avx2madd", maas_k_q8_gemm_avx2madd,
          maas_cpu_host() >= MAAS_CPU_AVX2 },
    };

    ref = maas_kernels(MAAS_CPU_REF);

    for (size_t i = 0; i < maas_nelts(v); i++) {
        if (v[i].runs) {
            test_gemm(&v[i]);

        } else {
            printf("# this host has no %s\n", v[i].name);
        }
    }

    for (level = MAAS_CPU_REF; level < MAAS_CPU_LEVELS; level++) {
        kt = maas_kernels(level);

        if (kt != NULL) {
            test_gemm(&(variant_t) { maas_cpu_name(level), kt->qgemm, true });
            test_rows(maas_cpu_name(level));
        }
    }

    return done();
}
