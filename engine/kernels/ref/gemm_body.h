/*
 * gemm_body: plain C products, packing, depthwise convolution and
 * transposition; a template that a level includes after it has defined
 * MAAS_ISA and MAAS_MADD(a, b, c), which is a * b + c with one rounding
 * (ref) or two (v2).
 *
 * These bodies specify the chain: it starts with the bias, with C when
 * accumulate is set (with C + bias when there are both), else with +0, and
 * k ascends; what stands in `after` is added at the end.
 */


static inline float
MAAS_K(start)(const float *c, const float *bias, bool accumulate)
{
    float  v;

    v = accumulate ? *c : 0.0f;

    if (bias != NULL) {
        v = accumulate ? v + *bias : *bias;
    }

    return v;
}


/*
 * One row of w columns, A(i, k) at i * ai + k * ak, the columns of B at b and
 * each `step` floats: chains side by side, of which `lanes` are in B.  The
 * step is hidden from the compiler, which would else make vectors along k and
 * add their lanes one by one.
 */
static inline __attribute__((always_inline)) void
MAAS_K(gemm_tile)(const maas_gemm_t *g, int64_t i, int64_t n0, int w,
    int64_t ai, int64_t ak, const float *b, int64_t step, const int lanes)
{
    int           j;
    float         acc[MAAS_P16] = { 0 };
    float        *c;
    int64_t       k;
    const float  *a;

    __asm__ ("" : "+r" (step));

    a = g->a + i * ai;
    c = g->c + i * g->ldc + n0;

    for (j = 0; j < w; j++) {
        acc[j] = MAAS_K(start)(c + j, g->bias ? g->bias + n0 + j : NULL,
                               g->accumulate);
    }

    for (k = 0; k < g->k; k++) {
        for (j = 0; j < lanes; j++) {
            acc[j] = MAAS_MADD(a[k * ak], b[j], acc[j]);
        }

        b += step;
    }

    for (j = 0; j < w; j++) {
        c[j] = g->after != NULL ? acc[j] + g->after[n0 + j] : acc[j];
    }
}


static void
MAAS_K(gemm_panel)(const maas_gemm_t *g, int64_t i, int64_t n, int64_t ai,
    int64_t ak)
{
    MAAS_K(gemm_tile)(g, i, n, (int) maas_min(g->n - n, MAAS_P16), ai, ak,
                      g->b + n * g->k, MAAS_P16, MAAS_P16);
}


void
MAAS_K(gemm)(const maas_gemm_t *g, int64_t m0, int64_t m1)
{
    int64_t  i, n;

    for (n = 0; n < g->n; n += MAAS_P16) {
        for (i = m0; i < m1; i++) {
            MAAS_K(gemm_panel)(g, i, n, g->lda, 1);
        }
    }
}


void
MAAS_K(gemmta)(const maas_gemm_t *g, int64_t m0, int64_t m1)
{
    int64_t  i, n;

    for (n = 0; n < g->n; n += MAAS_P16) {
        for (i = m0; i < m1; i++) {
            MAAS_K(gemm_panel)(g, i, n, 1, g->lda);
        }
    }
}


void
MAAS_K(gemmb)(const maas_gemm_t *g, int64_t m0, int64_t m1)
{
    int64_t  i, n;

    for (i = m0; i < m1; i++) {
        for (n = 0; n + MAAS_P16 <= g->n; n += MAAS_P16) {
            MAAS_K(gemm_tile)(g, i, n, MAAS_P16, g->lda, 1, g->b + n, g->ldb,
                              MAAS_P16);
        }

        for ( /* void */ ; n < g->n; n++) {
            MAAS_K(gemm_tile)(g, i, n, 1, g->lda, 1, g->b + n, g->ldb, 1);
        }
    }
}


/* One channel n of the transposed product, columns [m, m + w), w <= 16. */
static inline __attribute__((always_inline)) void
MAAS_K(gemmt_tile)(const maas_gemmt_t *g, int64_t n, int64_t m, const int w)
{
    int           j;
    float         acc[MAAS_P16];
    float        *c;
    int64_t       k;
    const float  *b, *x;

    b = g->w + n / MAAS_P16 * MAAS_P16 * g->k + n % MAAS_P16;
    x = g->x + m;
    c = g->c + n * g->ldc + m;

    for (j = 0; j < w; j++) {
        acc[j] = MAAS_K(start)(c + j, g->bias ? g->bias + n : NULL,
                               g->accumulate);
    }

    for (k = 0; k < g->k; k++) {
        for (j = 0; j < w; j++) {
            acc[j] = MAAS_MADD(*b, x[j], acc[j]);
        }

        b += MAAS_P16;
        x += g->ldx;
    }

    memcpy(c, acc, (size_t) w * sizeof(float));
}


void
MAAS_K(gemmt)(const maas_gemmt_t *g, int64_t m0, int64_t m1, int64_t n0,
    int64_t n1)
{
    int64_t  n, m;

    n1 = maas_min(n1, g->n);

    for (m = m0; m < m1; m += MAAS_P16) {
        for (n = n0; n < n1; n++) {
            if (m1 - m >= MAAS_P16) {
                MAAS_K(gemmt_tile)(g, n, m, MAAS_P16);

            } else {
                MAAS_K(gemmt_tile)(g, n, m, (int) (m1 - m));
            }
        }
    }
}


void
MAAS_K(pack_p16)(float *dst, const float *b, int64_t ks, int64_t ns, int64_t k,
    int64_t n, int64_t p0, int64_t p1)
{
    int           j, w;
    int64_t       i, p;
    const float  *s;

    dst += p0 * MAAS_P16 * k;

    for (p = p0; p < p1; p++) {
        w = (int) maas_min(n - p * MAAS_P16, MAAS_P16);

        for (i = 0; i < k; i++) {
            s = b + i * ks + p * MAAS_P16 * ns;

            for (j = 0; j < w; j++) {
                dst[j] = s[j * ns];
            }

            for ( /* void */ ; j < MAAS_P16; j++) {
                dst[j] = 0.0f;
            }

            dst += MAAS_P16;
        }
    }
}


void
MAAS_K(transpose)(float *dst, int64_t ldd, const float *src, int64_t lds,
    int64_t rows, int64_t cols)
{
    int64_t  i, j, i0, i1;

    for (i0 = 0; i0 < rows; i0 += 16) {
        i1 = maas_min(i0 + 16, rows);

        for (j = 0; j < cols; j++) {
            for (i = i0; i < i1; i++) {
                dst[j * ldd + i] = src[i * lds + j];
            }
        }
    }
}


/* Taps outside of the input are left out of the chain. */
void
MAAS_K(dwconv)(float *out, const float *in, const float *w, float bias,
    int64_t ih, int64_t iw, int64_t oh, int64_t ow, int kh, int kw, int sh,
    int sw, int ph, int pw, int dh, int dw, int64_t y0, int64_t y1)
{
    int      ky, kx;
    float    acc;
    int64_t  oy, ox, iy, ix;

    (void) oh;

    for (oy = y0; oy < y1; oy++) {
        for (ox = 0; ox < ow; ox++) {
            acc = bias;

            for (ky = 0; ky < kh; ky++) {
                iy = oy * sh - ph + (int64_t) ky * dh;

                if (iy < 0 || iy >= ih) {
                    continue;
                }

                for (kx = 0; kx < kw; kx++) {
                    ix = ox * sw - pw + (int64_t) kx * dw;

                    if (ix >= 0 && ix < iw) {
                        acc = MAAS_MADD(w[ky * kw + kx], in[iy * iw + ix],
                                        acc);
                    }
                }
            }

            out[oy * ow + ox] = acc;
        }
    }
}
