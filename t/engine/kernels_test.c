/*
 * kernels_test: products, convolution, packing and conversion at every CPU
 * level of this host against the reference level, bit for bit, at sizes
 * around the tiles, with adversarial values and guards around the outputs.
 * (Functions and rows: kernels_math_test.c.)
 *
 * v2 has no fused multiply-add: each of its k steps rounds twice, so it may
 * differ from ref by (k + 2) * 2^-23 of the sum of absolute products.
 */

#include "kernels_test.h"


/* ---- products ---------------------------------------------------------- */

typedef struct {
    int64_t  m, n, k, pad;
    bool     bias, accumulate, adverse;
} shape_t;


/* |a - b| within the bound of v2; s: the product of absolute values. */
static int
far_off(const float *a, const float *b, const float *s, int64_t n, int64_t k)
{
    int      bad = 0;
    int64_t  i;

    for (i = 0; i < n; i++) {
        bad += !(fabsf(a[i] - b[i])
                 <= ((float) k + 2) * 0x1p-23f * fabsf(s[i]) + 1e-30f);
    }

    return bad;
}


static void
make_abs(float *p, int64_t n)
{
    int64_t  i;

    for (i = 0; i < n; i++) {
        p[i] = fabsf(p[i]);
    }
}


/* A product either way round, and how many values its operands have. */
typedef struct {
    maas_gemm_t   g;
    maas_gemmt_t  t;
    float        *x, *w, *bias, *after;
    int64_t       xn, wn, cn;
} product_t;


/* Rows end where the last value ends, as a caller's view may. */
static void
product_make(product_t *p, const shape_t *s, bool t)
{
    int64_t  rows = t ? s->k : s->m, ldx = (t ? s->m : s->k) + s->pad;
    int64_t  ldc = (t ? s->m : s->n) + s->pad;

    p->xn = rows > 0 ? (rows - 1) * ldx + (t ? s->m : s->k) : 0;
    p->wn = (int64_t) maas_p16_elems(s->k, s->n);
    p->cn = (t ? s->n : s->m) * ldc + 2 * GUARD;
    p->x = EDGE(bx, p->xn);
    p->w = LAST(pk, p->wn);
    p->bias = EDGE(bb, s->n);
    p->after = LAST(ba, s->n);
    fill(p->x, p->xn, s->adverse);
    fill(bw, s->k * s->n, s->adverse);
    fill(p->bias, s->n, s->adverse);
    fill(p->after, s->n, s->adverse);
    fill(b0, p->cn, s->adverse);
    memcpy(b1, b0, sizeof(float) * (size_t) p->cn);
    ref->pack_p16(p->w, bw, s->n, 1, s->k, s->n, 0, (s->n + 15) / 16);

    p->g = (maas_gemm_t) { s->m, s->n, s->k, p->x, ldx, p->w, NULL, ldc,
                           s->bias ? p->bias : NULL, s->accumulate,
                           (s->m + s->k) % 3 == 1 ? p->after : NULL };
    p->t = (maas_gemmt_t) { s->m, s->n, s->k, p->x, ldx, p->w, NULL, ldc,
                            s->bias ? p->bias : NULL, s->accumulate };
}


/* In one call, or in parts. */
static void
product_run(product_t *p, const maas_kernels_t *k, float *c, bool t,
    bool parts)
{
    int64_t  m = p->g.m, n = p->g.n, half = parts ? m / 3 : 0;
    int64_t  first = parts ? maas_min(16, n) : 0;

    p->g.c = p->t.c = c + GUARD;

    if (!t) {
        k->gemm(&p->g, 0, half);
        k->gemm(&p->g, half, m);
        return;
    }

    k->gemmt(&p->t, 0, half, 0, n);
    k->gemmt(&p->t, half, m, 0, first);
    k->gemmt(&p->t, half, m, first, n);
}


/* With v2, values are compared by the bound; else by bits. */
static int
gemm_case(const shape_t *s, bool t)
{
    int           bad;
    char          what[128];
    product_t     p;
    static float  sum[MAXBUF];

    product_make(&p, s, t);
    memcpy(sum, b0, sizeof(float) * (size_t) p.cn);
    product_run(&p, ref, b0, t, false);
    product_run(&p, kt, b1, t, true);

    snprintf(what, sizeof(what), "m %d n %d k %d pad %d bias %d acc %d",
             (int) s->m, (int) s->n, (int) s->k, (int) s->pad, s->bias,
             s->accumulate);

    if (kt->level != MAAS_CPU_V2) {
        return differ(b1, b0, p.cn, what);
    }

    make_abs(sum, p.cn);
    make_abs(p.x, p.xn);
    make_abs(p.w, p.wn);
    make_abs(p.bias, s->n);
    make_abs(p.after, s->n);
    product_run(&p, ref, sum, t, false);
    bad = s->adverse ? 0 : far_off(b1, b0, sum, p.cn, s->k);

    return bad + differ(b1, b0, GUARD, "before")
           + differ(b1 + p.cn - GUARD, b0 + p.cn - GUARD, GUARD, "behind");
}


/* A transposed is no other chain: the bits are those of gemm(). */
static int
turned_case(const shape_t *s)
{
    float        *c0 = b0 + GUARD, *c1 = b1 + GUARD, *x, *w, *bias;
    int64_t       m = s->m, k = s->k, lda = m + s->pad;
    int64_t       xn = k > 0 ? (k - 1) * lda + m : 0, half = m / 3;
    int64_t       cn = m * (s->n + s->pad) + 2 * GUARD;
    maas_gemm_t   g;
    static float  turned[MAXBUF];

    x = EDGE(bx, xn);
    w = LAST(pk, (int64_t) maas_p16_elems(k, s->n));
    bias = LAST(bb, s->n);
    fill(x, xn, s->adverse);
    fill(bw, k * s->n, s->adverse);
    fill(bias, s->n, s->adverse);
    fill(b0, cn, s->adverse);
    memcpy(b1, b0, sizeof(float) * (size_t) cn);
    ref->pack_p16(w, bw, s->n, 1, k, s->n, 0, (s->n + 15) / 16);

    for (int64_t i = 0; i < m * k; i++) {
        turned[i] = x[i % k * lda + i / k];
    }

    g = (maas_gemm_t) { m, s->n, k, turned, k, w, c0, s->n + s->pad,
                        s->bias ? bias : NULL, s->accumulate };
    kt->gemm(&g, 0, m);
    g.a = x;
    g.lda = lda;
    g.c = c1;
    kt->gemmta(&g, 0, half);
    kt->gemmta(&g, half, m);

    return differ(b1, b0, cn, "gemmta");
}


static void
test_turned(void)
{
    int      bad = 0;
    shape_t  s;

    for (int i = 0; i < 400; i++) {
        s = (shape_t) { i % 50 + 1, i * 7 % 67 + 1, i * 29 % 400, i % 3 * 3,
                        i & 1, i >> 1 & 1, i % 4 == 3 };
        bad += turned_case(&s);
    }

    s = (shape_t) { 390, 37, 70, 5, true, false, false };
    bad += turned_case(&s);
    ok(bad == 0, "%s gemmta", maas_cpu_name(kt->level));
}


/* B as it lies is no other chain than in panels; rows in two parts. */
static int
plain_case(const shape_t *s)
{
    int64_t      ldb = s->n + s->pad, half = s->m / 2;
    int64_t      bn = s->k > 0 ? (s->k - 1) * ldb + s->n : 0;
    int64_t      cn = s->m * (s->n + s->pad) + 2 * GUARD;
    float       *b = LAST(bw, bn);
    product_t    p;

    fill(b, bn, s->adverse);
    product_make(&p, s, false);
    fill(b, bn, s->adverse);
    ref->pack_p16(p.w, b, ldb, 1, s->k, s->n, 0, (s->n + 15) / 16);
    product_run(&p, kt, b0, false, false);

    p.g.b = b;
    p.g.ldb = ldb;
    p.g.c = b1 + GUARD;
    kt->gemmb(&p.g, 0, half);
    kt->gemmb(&p.g, half, s->m);

    return differ(b1, b0, cn, "gemmb");
}


static void
test_plain(void)
{
    int      bad = 0;
    shape_t  s;

    for (int i = 0; i < 600; i++) {
        s = (shape_t) { i % 11 + 1, i * 7 % 163 + 1, i * 29 % 70, i % 3 * 5,
                        i & 1, i >> 1 & 1, i % 4 == 3 };
        bad += plain_case(&s);
    }

    ok(bad == 0, "%s gemmb", maas_cpu_name(kt->level));
}


static void
test_products(bool t)
{
    static const int  ms[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                               15, 16, 17, 25, 47, 49 };
    static const int  ns[] = { 1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40,
                               47, 48, 49 };
    static const int  ks[] = { 0, 1, 7, 127, 255, 257, 600 };

    int      bad = 0;
    size_t   i, j, l;
    shape_t  s;

    for (i = 0; i < maas_nelts(ms); i++) {
        for (j = 0; j < maas_nelts(ns); j++) {
            for (l = 0; l < maas_nelts(ks); l++) {
                s = (shape_t) { ms[i], ns[j], ks[l], (i + j + l) % 3 * 3,
                                (i + j) & 1, (j + l) & 1, (i + l) % 3 == 0 };

                bad += gemm_case(&s, t);
            }
        }
    }

    s = (shape_t) { 390, 37, 70, 5, true, false, false };
    bad += gemm_case(&s, t);
    s = (shape_t) { 130, 200, 256, 0, true, true, true };
    bad += gemm_case(&s, t);
    s = (shape_t) { 3, 300, 256, 0, false, true, false };
    bad += gemm_case(&s, t);
    s = (shape_t) { 6, 300, 300, 0, true, false, false };
    bad += gemm_case(&s, t);
    s = (shape_t) { 25, 40, 1700, 3, true, true, false };
    bad += gemm_case(&s, t);

    ok(bad == 0, "%s %s", maas_cpu_name(kt->level), t ? "gemmt" : "gemm");
}


/* Row i of a batch has the bits of the single run, at every level. */
static void
test_rows(void)
{
    int          i, bad = 0;
    maas_gemm_t  g = { 29, 77, 300, bx, 300, pk, b0, 77, bb, false };

    fill(bx, 29 * 300, false);
    fill(bw, 300 * 77, false);
    fill(bb, 77, false);
    kt->pack_p16(pk, bw, 77, 1, 300, 77, 0, 5);
    kt->gemm(&g, 0, 29);
    g.c = b1;

    for (i = 0; i < 29; i++) {
        kt->gemm(&g, i, i + 1);
    }

    bad = differ(b1, b0, 29 * 77, "row alone");

    for (i = 0; i < 28; i += 2) {
        kt->gemm(&g, i, i + 2);
    }

    bad += differ(b1, b0, 29 * 77, "two rows");

    ok(bad == 0, "%s rows alone equal rows of a batch",
       maas_cpu_name(kt->level));
}


static void
test_pack(void)
{
    int      k, n, bad = 0;
    float   *src;
    int64_t  size, np;

    for (k = 0; k <= 40; k += 3) {
        for (n = 1; n <= 70; n += (n < 50 ? 1 : 7)) {
            np = (n + 15) / 16;
            size = (int64_t) maas_p16_elems(k, n);
            src = LAST(bw, k * (n + 1) - (k > 0));
            fill(src, k * (n + 1) - (k > 0), true);
            fill(b0, size + GUARD, false);
            memcpy(b1, b0, sizeof(float) * (size_t) (size + GUARD));

            ref->pack_p16(b0, src, n + 1, 1, k, n, 0, np);
            kt->pack_p16(b1, src, n + 1, 1, k, n, 0, np / 2);
            kt->pack_p16(b1, src, n + 1, 1, k, n, np / 2, np);
            bad += differ(b1, b0, size + GUARD, "pack n contiguous");

            src = LAST(bw, n * (k + 1) - 1);
            fill(src, n * (k + 1) - 1, true);
            ref->pack_p16(b0, src, 1, k + 1, k, n, 0, np);
            kt->pack_p16(b1, src, 1, k + 1, k, n, 0, np);
            bad += differ(b1, b0, size + GUARD, "pack k contiguous");

            src = LAST(bw, 2 * k * n - (k > 0));
            fill(src, 2 * k * n - (k > 0), true);
            ref->pack_p16(b0, src, 2 * n, 2, k, n, 0, np);
            kt->pack_p16(b1, src, 2 * n, 2, k, n, 0, np);
            bad += differ(b1, b0, size + GUARD, "pack strided");
        }
    }

    ok(bad == 0, "%s pack_p16", maas_cpu_name(kt->level));
}


static void
test_transpose(void)
{
    int     r, c, n, bad = 0;
    float  *x;

    for (r = 0; r <= 35; r++) {
        for (c = 0; c <= 35; c++) {
            n = r * (c + 1) - (r > 0);
            x = LAST(bx, n);
            fill(x, n, true);
            fill(b0, 40 * 40, false);
            memcpy(b1, b0, sizeof(float) * 1600);
            ref->transpose(b0, r + 2, x, c + 1, r, c);
            kt->transpose(b1, r + 2, x, c + 1, r, c);
            bad += differ(b1, b0, 1600, "transpose");
        }
    }

    ok(bad == 0, "%s transpose", maas_cpu_name(kt->level));
}


/* ---- depthwise convolution --------------------------------------------- */

static int
dwconv_case(int ih, int iw, int k, int s, int p, int d, bool adverse)
{
    int     oh, ow, i, bad = 0, taps = k * k;
    char    what[96];
    float  *x, *w = LAST(bw, taps);

    oh = (ih + 2 * p - d * (k - 1) - 1) / s + 1;
    ow = (iw + 2 * p - d * (k - 1) - 1) / s + 1;

    if (ih + 2 * p < d * (k - 1) + 1 || iw + 2 * p < d * (k - 1) + 1) {
        return 0;
    }

    x = EDGE(bx, ih * iw);
    fill(x, ih * iw, adverse);
    fill(w, taps, adverse);
    fill(b0, oh * ow + 2 * GUARD, false);
    memcpy(b1, b0, sizeof(float) * (size_t) (oh * ow + 2 * GUARD));

    ref->dwconv(b0 + GUARD, x, w, 0.25f, ih, iw, oh, ow, k, k, s, s, p, p,
                d, d, 0, oh);
    kt->dwconv(b1 + GUARD, x, w, 0.25f, ih, iw, oh, ow, k, k, s, s, p, p,
               d, d, oh / 2, oh);
    kt->dwconv(b1 + GUARD, x, w, 0.25f, ih, iw, oh, ow, k, k, s, s, p, p,
               d, d, 0, oh / 2);

    snprintf(what, sizeof(what), "dwconv %dx%d kernel %d stride %d pad %d "
             "dilation %d", ih, iw, k, s, p, d);

    if (kt->level != MAAS_CPU_V2) {
        return differ(b1, b0, oh * ow + 2 * GUARD, what);
    }

    for (i = 0; i < oh * ow + 2 * GUARD && !adverse; i++) {
        bad += !(fabsf(b1[i] - b0[i])
                 <= (float) ((taps + 2) * (taps + 2)) * 0x1p-23f);
    }

    return bad;
}


static void
test_dwconv(void)
{
    static const int  sizes[] = { 1, 2, 5, 7, 8, 14, 17, 28, 33, 56, 70 };

    int     k, s, p, d, bad = 0;
    size_t  i;

    for (i = 0; i < maas_nelts(sizes); i++) {
        for (k = 1; k <= 7; k++) {
            for (s = 1; s <= 3; s++) {
                for (p = 0; p <= k; p++) {
                    for (d = 1; d <= 2; d++) {
                        bad += dwconv_case(sizes[i], sizes[i] + (k & 1), k, s,
                                           p, d, (k + s + p) % 3 == 0);
                    }
                }
            }
        }
    }

    ok(bad == 0, "%s dwconv", maas_cpu_name(kt->level));
}


/* All 65536 halves; floats around the ties. */
static void
test_half(void)
{
    int              i, n, bad = 0;
    float           *x;
    uint16_t        *half;
    uint32_t         u;
    static uint16_t  h[65536], h0[65536], h1[65536];

    for (i = 0; i < 65536; i++) {
        h[i] = (uint16_t) i;
    }

    ref->f16_to_f32(b0, h, 65536);
    kt->f16_to_f32(b1, h, 65536);
    bad += memcmp(b0, b1, 65536 * sizeof(float)) != 0;

    for (n = -3; n <= 3; n++) {
        for (i = 0; i < 65536; i++) {
            memcpy(&u, &b0[i], sizeof(u));
            u += (uint32_t) n + (i & 1 ? 0x1000 : 0);
            memcpy(&bx[i], &u, sizeof(u));
        }

        ref->f32_to_f16(h0, bx, 65536);
        kt->f32_to_f16(h1, bx, 65536);
        bad += memcmp(h0, h1, 65536 * sizeof(uint16_t)) != 0;
    }

    i = (int) all_floats(bx);
    i = maas_min(i, 65536);
    ref->f32_to_f16(h0, bx, i);
    kt->f32_to_f16(h1, bx, i);
    bad += memcmp(h0, h1, (size_t) i * sizeof(uint16_t)) != 0;

    for (n = 0; n <= 40; n++) {
        memset(b0, 0x5a, 64 * sizeof(float));
        memset(b1, 0x5a, 64 * sizeof(float));
        memset(h0, 0x5a, 128);
        memset(h1, 0x5a, 128);
        half = (uint16_t *) LAST(bw, 0) - n;
        memcpy(half, h + 15000, sizeof(*h) * (size_t) n);
        x = LAST(bb, n);
        memcpy(x, bx, sizeof(*x) * (size_t) n);
        ref->f16_to_f32(b0, half, n);
        kt->f16_to_f32(b1, half, n);
        ref->f32_to_f16(h0, x, n);
        kt->f32_to_f16(h1, x, n);
        bad += memcmp(b0, b1, 64 * sizeof(float)) || memcmp(h0, h1, 128);
    }

    ok(bad == 0, "%s float16", maas_cpu_name(kt->level));
}


/* OpenBLAS sums in its own order: k * k * 2^-52 for values within 1. */
static void
test_dgemm(void)
{
    int            i, bad = 0;
    size_t         l;
    static double  a[5000], b[5000], c0[5000], c1[5000];

    static const int  s[][3] = {
        { 1, 1, 0 }, { 1, 1, 1 }, { 3, 50, 17 }, { 40, 1, 60 }, { 33, 37, 41 }
    };

    for (i = 0; i < 5000; i++) {
        a[i] = rnd();
        b[i] = rnd();
    }

    for (l = 0; l < maas_nelts(s); l++) {
        memset(c0, 0x11, sizeof(c0));
        memset(c1, 0x11, sizeof(c1));
        ref->dgemm(s[l][0], s[l][1], s[l][2], a, s[l][2] + 2, b, s[l][1] + 1,
                   c0, s[l][1] + 3);
        kt->dgemm(s[l][0], s[l][1], s[l][2], a, s[l][2] + 2, b, s[l][1] + 1,
                  c1, s[l][1] + 3);

        for (i = 0; i < 5000; i++) {
            bad += !(fabs(c0[i] - c1[i]) <= 41 * 41 * 0x1p-52);
        }
    }

    ok(bad == 0, "%s dgemm", maas_cpu_name(kt->level));
}


static void
test_names(void)
{
    maas_cpu_t  level, got;

    for (level = MAAS_CPU_REF; level < MAAS_CPU_LEVELS; level++) {
        ok(maas_cpu_by_name(maas_cpu_name(level), &got) && got == level,
           "level %s", maas_cpu_name(level));
        ok((maas_kernels(level) != NULL) == (level <= maas_cpu_host()),
           "table of %s as the host has it", maas_cpu_name(level));
    }

    ok(!maas_cpu_by_name("sse9", &got), "no level of an unknown name");
    ok(maas_kernels(MAAS_CPU_LEVELS) == NULL, "no table beyond the last");
    ok(strcmp(maas_format_name(MAAS_FMT_P16), "p16") == 0, "format names");
}


int
main(void)
{
    maas_cpu_t  level;

    test_names();
    ref = maas_kernels(MAAS_CPU_REF);

    for (level = MAAS_CPU_REF; level < MAAS_CPU_LEVELS; level++) {
        kt = maas_kernels(level);

        if (kt == NULL) {
            printf("# this host has no %s\n", maas_cpu_name(level));
            continue;
        }

        test_products(false);
        test_products(true);
        test_rows();
        test_pack();
        test_transpose();
        test_dwconv();
        test_half();
        test_turned();
        test_plain();
        test_dgemm();
    }

    return done();
}
