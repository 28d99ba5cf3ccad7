/*
 * Convolutions, windows and sums of 8-bit numbers at every CPU level, and the
 * kernels that a level chooses from, beside the plain C reference; that beside
 * sums in 64 bits.  What is read ends with its page (kernels_test.h).
 */

#include "kernels_test.h"
#include "kernels/klevel.h"


#define YMAX  (64 << 10)

typedef void (*conv_pt)(const maas_qconv16_t *c);

typedef struct {
    const char  *name;
    conv_pt      conv, dw, max;
    bool         runs;
} variant_t;

static uint8_t  out0[YMAX], out1[YMAX], more[YMAX];
static int32_t  start[16 * 8];
static float    scale[16 * 8];

/* rows, cols, blocks, passes, na, nb, nc, run, last, stride */
static const int64_t  shapes[][10] = {
    { 1, 1, 1, 1, 1, 1, 1, 16, 16, 1 },
    { 1, 13, 2, 1, 2, 1, 1, 16, 4, 1 },
    { 1, 14, 3, 1, 1, 1, 1, 16, 8, 1 },
    { 1, 29, 5, 2, 3, 1, 1, 16, 12, 2 },
    { 3, 15, 1, 1, 1, 3, 3, 16, 16, 1 },
    { 2, 7, 4, 3, 2, 2, 3, 16, 16, 3 },
    { 4, 33, 2, 1, 1, 3, 1, 28, 28, 1 },
    { 5, 6, 3, 1, 4, 5, 5, 16, 4, 1 },
    { 2, 28, 1, 2, 1, 3, 3, 16, 16, 2 },
    { 2, 3, 1, 1, 1, 7, 2, 16, 16, 1 },
    { 1, 3, 1, 2, 1, 9, 7, 16, 16, 1 },
};


static void *
last(float *buf, int64_t n)
{
    return (char *) LAST(buf, 0) - n;
}


static void
bytes(uint8_t *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        p[i] = (uint8_t) (rnd() * 128 + 128);
    }
}


/* Planes that end with the last byte read; kind: of bytes, or int32. */
static maas_qconv16_t
make(const int64_t *s, int kind, bool dw)
{
    int64_t         w, wide, rows, n, step = s[0] < 4 && s[7] == 28 ? 4 : 16;
    maas_qconv16_t  c = {
        .rows = s[0], .cols = s[1], .blocks = dw ? 1 : s[2], .passes = s[3],
        .na = dw ? 1 : s[4], .nb = s[5], .nc = s[6], .run = s[7],
        .last = s[8], .start = start, .scale = kind == 0 ? NULL : scale,
        .add = kind > 1 ? more : NULL, .zero = 3, .zadd = 130, .azero = 200,
        .lo = -3, .hi = 252, .fsum = 0.7f, .fadd = 0.3f, .alo = -100,
        .ahi = 55
    };

    wide = (s[1] - 1) * s[9] + s[6] + (s[7] - 4) / step;
    rows = (s[0] - 1) * s[9] + s[5];
    c.xc = c.xcol = step;
    c.xcol *= s[9];
    c.xb = wide * step;
    c.xrow = c.xb * s[9];
    c.xa = rows * c.xb;
    n = (c.na - 1) * c.xa
        + ((rows - 1) * wide + (s[1] - 1) * s[9] + s[6] - 1) * step
        + (dw ? 16 : s[8] > s[7] ? s[8] : s[4] > 1 ? maas_max(s[7], s[8])
                                                   : s[8]);
    w = ((c.na - 1) * s[7] + s[8]) * 16 * s[5] * s[6];
    w = dw ? (s[5] + 3) / 4 * 64 * s[6] : w;
    c.wblock = w * s[3];
    c.x = last(bx, n);
    c.w = last(bw, c.wblock * c.blocks);
    c.yrow = s[1] * 16;
    c.yblock = s[0] * s[1] * 16;

    bytes((uint8_t *) c.x, n);

    for (int64_t i = 0; i < c.wblock * c.blocks; i++) {
        ((int8_t *) c.w)[i] = (int8_t) (dw && i % 4 >= (s[5] - 1) % 4 + 1
                                        && i / 64 % ((s[5] + 3) / 4)
                                           == (s[5] - 1) / 4
                                        ? 0 : rnd() * 128);
    }

    return c;
}


static void
values(int64_t n)
{
    static const float  odd[] = { NAN, INFINITY, -1, 0, 1e30f };

    for (int64_t i = 0; i < 16 * 8; i++) {
        start[i] = (int32_t) (rnd() * 20000);
        scale[i] = i % 19 == 7 ? odd[i % 5]
                               : (rnd() + 1) * 0.01f / (float) n;
    }

    bytes(more, YMAX);
}


static int
unlike(conv_pt a, conv_pt b, maas_qconv16_t *c)
{
    memset(out0, 0x55, sizeof(out0));
    memset(out1, 0x55, sizeof(out1));
    c->y = out0;
    a(c);
    c->y = out1;
    b(c);

    return memcmp(out0, out1, sizeof(out0)) != 0;
}


static void
test_variant(const variant_t *v)
{
    int             bad = 0;
    maas_qconv16_t  c;

    for (size_t i = 0; i < maas_nelts(shapes); i++) {
        values(shapes[i][4] * shapes[i][5] * shapes[i][6]);

        for (int kind = 0; kind < 3; kind++) {
            c = make(shapes[i], kind, false);
            bad += v->conv != NULL && unlike(v->conv, ref->qconv16, &c);

            c = make(shapes[i], kind, true);
            bad += c.xc == 16 && v->dw != NULL
                   && unlike(v->dw, ref->qdw16, &c);
            bad += c.xc == 16 && v->max != NULL
                   && unlike(v->max, ref->qmax16, &c);
        }
    }

    ok(bad == 0, "%s: bytes and sums are those of the reference", v->name);
}


/* The reference's sums, one by one. */
static void
test_reference(void)
{
    int             bad = 0;
    int64_t         sum, a, b, k, i, l, p, x, run;
    maas_qconv16_t  c;
    const int8_t   *w;

    for (size_t s = 0; s < maas_nelts(shapes); s++) {
        values(1);
        c = make(shapes[s], 0, false);
        c.y = out0;
        ref->qconv16(&c);

        for (p = 0; p < c.blocks * c.cols * 16; p++) {
            l = p % 16;
            x = p / 16 % c.cols;
            w = c.w + p / 16 / c.cols * c.wblock + l * 4;
            sum = start[p / 16 / c.cols * 16 + l];

            for (int64_t q = 0; q < c.passes * c.na; q++) {
                a = q % c.na;
                run = a + 1 < c.na ? c.run : c.last;

                for (k = 0; k < c.nb * c.nc; k++) {
                    for (i = 0; i < run; i++) {
                        b = (c.rows - 1) * c.xrow + x * c.xcol + a * c.xa
                            + k / c.nc * c.xb + k % c.nc * c.xc + i;
                        sum += c.x[b] * w[i / 4 * 64 + i % 4];
                    }

                    w += run * 16;
                }
            }

            bad += ((int32_t *) (void *) out0)[p / 16 / c.cols * c.yblock
                                             + (c.rows - 1) * c.yrow
                                             + x * 16 + l] != (int32_t) sum;
        }
    }

    ok(bad == 0, "the reference's sums are exact");
}


static void
test_add(const char *name)
{
    int            bad = 0;
    uint8_t       *a, *b;
    maas_qadd_t    f = { .fa = 0.37f, .fb = 1.21f, .za = 7, .zb = 200,
                         .zero = 128, .lo = -128, .hi = 127 };

    values(1);

    for (int64_t n = 0; n < 150; n++) {
        a = last(bx, n);
        b = last(bw, n);
        memcpy(a, more, (size_t) n);
        memcpy(b, more + 1000, (size_t) n);
        memset(out0, 0x55, sizeof(out0));
        memset(out1, 0x55, sizeof(out1));
        f.fb = n == 149 ? NAN : f.fb;
        kt->qadd(out0, a, b, n, &f);
        ref->qadd(out1, a, b, n, &f);
        bad += memcmp(out0, out1, sizeof(out0)) != 0;
    }

    ok(bad == 0, "%s: sums of two tensors are those of the reference", name);
}


int
main(void)
{
    bool       v4 = maas_cpu_host() == MAAS_CPU_AVX512;
    bool       v3 = maas_cpu_host() >= MAAS_CPU_AVX2;
    variant_t  v[] = {
        { "avx512vnni", maas_k_q8_conv16_avx512vnni,
          maas_k_q8_dw16_avx512vnni, NULL, v4 && maas_cpu_has_vnni() },
        { "avx512madd", maas_k_q8_conv16_avx512madd,
          maas_k_q8_dw16_avx512madd, NULL, v4 },
        { "avxvnni", maas_k_q8_conv16_avxvnni, NULL, NULL,
          v3 && maas_cpu_has_avxvnni() },
        { "avx2madd", maas_k_q8_conv16_avx2madd, NULL, NULL, v3 },
    };

    ref = maas_kernels(MAAS_CPU_REF);
    test_reference();

    for (size_t i = 0; i < maas_nelts(v); i++) {
        if (v[i].runs) {
            test_variant(&v[i]);

        } else {
            printf("# this host has no %s\n", v[i].name);
        }
    }

    for (int l = MAAS_CPU_REF; l < MAAS_CPU_LEVELS; l++) {
        kt = maas_kernels((maas_cpu_t) l);

        if (kt != NULL) {
            test_variant(&(variant_t) { maas_cpu_name((maas_cpu_t) l),
                                        kt->qconv16, kt->qdw16, kt->qmax16,
                                        true });
            test_add(maas_cpu_name((maas_cpu_t) l));
        }
    }

    return done();
}
