/*
 * Kernels of 8-bit tensors at every CPU level, and those that a level
 * chooses from, beside sums in 64 bits: they are exact.  What is read ends
 * with its page (kernels_test.h).
 */

#include "kernels_test.h"
#include "kernels/klevel.h"


#define M_MAX  40
#define N_MAX  80
#define K_MAX  1700
#define ROW    100

typedef struct {
    const char  *name;
    void       (*gemm)(const maas_qgemm_t *g);
    bool         runs;
} variant_t;

static uint8_t  *a;
static int8_t   *panels;
static int8_t    b[K_MAX * N_MAX];
static int32_t   c[M_MAX * (N_MAX + 16) + 1];


/* The last n bytes of a buffer. */
static void *
last(float *buf, int64_t n)
{
    return (char *) LAST(buf, 0) - n;
}


static void
make(int64_t m, int64_t n, int64_t k, bool extreme)
{
    int8_t   *p;
    int64_t   size = (n + 15) / 16 * maas_q16_panel(k);

    a = last(bx, m * k);
    panels = last(bw, size);

    for (int64_t i = 0; i < m * k; i++) {
        a[i] = extreme ? 255 : (uint8_t) (rnd() * 128 + 128);
    }

    memset(panels, 0, (size_t) size);

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
        make(shapes[i / 2][0], shapes[i / 2][1], shapes[i / 2][2], i & 1);
        g = (maas_qgemm_t) {
            shapes[i / 2][0], shapes[i / 2][1], shapes[i / 2][2], a,
            shapes[i / 2][2], panels, c,
            (shapes[i / 2][1] + 15) / 16 * 16 + (i & 2 ? 16 : 0)
        };
        memset(c, 0x55, sizeof(c));
        v->gemm(&g);
        bad += wrong(&g);
        bad += c[(g.m - 1) * g.ldc + (g.n + 15) / 16 * 16] != 0x55555555;
    }

    ok(bad == 0, "%s: products are exact, and only panels are written",
       v->name);
}


/* n values of each operand; one: zero points, and a scale for each. */
static int
rows_case(int64_t n, bool one)
{
    int       bad = 0;
    float    *x = last(bx, n * 4), *scale = last(bb, one ? n * 4 : 4);
    uint8_t   q0[ROW + 1], q1[ROW + 1], *q = last(pk, n);
    int32_t   r0[ROW + 1], r1[ROW + 1];
    int32_t  *s = last(bw, n * 4), *sum = last(ba, n * 4);
    int32_t  *zero = last(b0, n * 4);

    for (int64_t i = 0; i < n; i++) {
        x[i] = i % 23 == 5 ? NAN : i % 29 == 3 ? INFINITY : rnd() * 3;
        s[i] = (int32_t) (rnd() * 2147483647.0f);
        sum[i] = (int32_t) (rnd() * 1e6f);
        zero[i] = (int32_t) (rnd() * 128);
        q[i] = (uint8_t) (rnd() * 128 + 128);
    }

    fill(scale, one ? n : 1, false);
    memset(r0, 0x55, sizeof(r0));
    memset(r1, 0x55, sizeof(r1));
    memset(q0, 0x55, sizeof(q0));
    memset(q1, 0x55, sizeof(q1));

    kt->qfix(r1, s, sum, -77, one ? zero : NULL, 12345, n);
    ref->qfix(r0, s, sum, -77, one ? zero : NULL, 12345, n);
    bad += memcmp(r0, r1, sizeof(r0)) != 0;

    kt->qscale((float *) r1, s, scale, one, n);
    ref->qscale((float *) r0, s, scale, one, n);
    bad += memcmp(r0, r1, sizeof(r0)) != 0;

    for (int lo = -128; lo <= 0; lo += 64) {
        kt->qround(q1, s, scale, one, lo + 100, lo + 3, lo + 250, n);
        ref->qround(q0, s, scale, one, lo + 100, lo + 3, lo + 250, n);
        bad += memcmp(q0, q1, sizeof(q0)) != 0;
    }

    kt->quantize(q1, x, 0.0123f, 97, n);
    ref->quantize(q0, x, 0.0123f, 97, n);
    bad += memcmp(q0, q1, sizeof(q0)) != 0;

    return bad + (kt->qsum(q, n) != ref->qsum(q, n));
}


static void
test_rows(const char *name)
{
    int  bad = 0;

    for (int64_t n = 0; n <= ROW; n++) {
        bad += rows_case(n, false) + rows_case(n, true);
    }

    ok(bad == 0, "%s: rows are those of the reference", name);
}


/* Rows of ld bytes; beside the layout that kernels.h states. */
static void
test_pack(const char *name)
{
    int            bad = 0, v;
    int8_t         y[64 + 16 * 40 + 1];
    int32_t        sum[16], got[16];
    uint8_t       *x, flip;
    const int64_t  sizes[] = { 0, 1, 2, 3, 4, 7, 33 }, ld = 19;

    for (size_t i = 0; i < maas_nelts(sizes) * 2; i++) {
        int64_t  k = sizes[i / 2];

        flip = i & 1 ? 128 : 0;
        x = last(bx, k * ld - (k > 0) * 3);

        for (int64_t j = 0; j < k * ld - (k > 0) * 3; j++) {
            x[j] = (uint8_t) (rnd() * 128 + 128);
        }

        memset(y, 0x55, sizeof(y));
        memset(sum, 0, sizeof(sum));
        kt->qpack16(y, x, ld, k, flip);

        for (int64_t j = 0; j < (k + 3) / 4 * 64; j++) {
            v = j / 64 * 4 + j % 4 < k
                ? (int8_t) (x[(j / 64 * 4 + j % 4) * ld + j % 64 / 4] ^ flip)
                : 0;
            sum[j % 64 / 4] += v;
            bad += y[64 + j] != v;
        }

        memcpy(got, y, sizeof(got));
        bad += memcmp(got, sum, sizeof(sum)) != 0;
        bad += y[maas_q16_panel(k)] != 0x55;
    }

    ok(bad == 0, "%s: columns become a panel", name);
}


/* Beside the formula of DequantizeLinear, in the order of its roundings. */
static void
test_unpack(const char *name)
{
    int            bad = 0;
    float          y[MAAS_P16 * 33 + 1], zero[MAAS_P16], scale[MAAS_P16], v;
    int8_t         x[MAAS_P16 * 33];
    const int64_t  sizes[] = { 0, 1, 2, 7, 33 };

    for (int i = 0; i < MAAS_P16 * 33; i++) {
        x[i] = (int8_t) (rnd() * 128);
    }

    for (int i = 0; i < MAAS_P16; i++) {
        zero[i] = (float) (int8_t) (rnd() * 128);
        scale[i] = rnd();
    }

    for (size_t i = 0; i < maas_nelts(sizes); i++) {
        y[MAAS_P16 * sizes[i]] = 77;
        kt->unpack16(y, x, scale, zero, sizes[i]);
        bad += y[MAAS_P16 * sizes[i]] != 77;

        for (int64_t j = 0; j < MAAS_P16 * sizes[i]; j++) {
            v = (float) ((int32_t) x[j] - (int32_t) zero[j % MAAS_P16])
                * scale[j % MAAS_P16];
            bad += memcmp(&v, &y[j], sizeof(v)) != 0;
        }
    }

    ok(bad == 0, "%s: a panel of 8-bit numbers becomes float32", name);
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
            test_unpack(maas_cpu_name(level));
            test_pack(maas_cpu_name(level));
        }
    }

    return done();
}
