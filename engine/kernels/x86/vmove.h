/*
 * vmove: transposition and packing with 8 x 8 blocks; a template
 * (MAAS_ISA) that needs AVX2 only.
 *
 * Ownership: none.
 * Threads:   reentrant.
 */

#include <immintrin.h>


/* 8 x 8 floats: column j of in becomes out[j]. */
static inline __attribute__((always_inline)) void
vt_block(__m256 out[8], const __m256 in[8])
{
    int     i;
    __m256  a[8], b[8];

    for (i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(in[i], in[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(in[i], in[i + 1]);
    }

    for (i = 0; i < 8; i += 4) {
        b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }

    for (i = 0; i < 4; i++) {
        out[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        out[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}


/* r rows by c columns of src, both at most 8. */
static void
vt_edge(float *dst, int64_t ldd, const float *src, int64_t lds, int r, int c)
{
    int  i, j;

    for (j = 0; j < c; j++) {
        for (i = 0; i < r; i++) {
            dst[j * ldd + i] = src[i * lds + j];
        }
    }
}


static inline void
vt_full(float *dst, int64_t ldd, const float *src, int64_t lds)
{
    int     i;
    __m256  in[8], out[8];

#pragma GCC unroll 8
    for (i = 0; i < 8; i++) {
        in[i] = _mm256_loadu_ps(src + i * lds);
    }

    vt_block(out, in);

#pragma GCC unroll 8
    for (i = 0; i < 8; i++) {
        _mm256_storeu_ps(dst + i * ldd, out[i]);
    }
}


/* Strips of 16 rows, so that the lines written are written whole. */
void
MAAS_K(transpose)(float *dst, int64_t ldd, const float *src, int64_t lds,
    int64_t rows, int64_t cols)
{
    int      r, c;
    int64_t  i, j, i0, i1;

    for (i0 = 0; i0 < rows; i0 += 16) {
        i1 = maas_min(i0 + 16, rows);

        for (j = 0; j < cols; j += 8) {
            c = (int) maas_min(cols - j, 8);

            for (i = i0; i < i1; i += 8) {
                r = (int) maas_min(i1 - i, 8);

                if (r == 8 && c == 8) {
                    vt_full(dst + j * ldd + i, ldd, src + i * lds + j, lds);

                } else {
                    vt_edge(dst + j * ldd + i, ldd, src + i * lds + j, lds, r,
                            c);
                }
            }
        }
    }
}


/* A panel of w < 16 columns, or with strides that are both above 1. */
static void
vt_pack_any(float *dst, const float *b, int64_t ks, int64_t ns, int64_t k,
    int w)
{
    int      j;
    int64_t  i;

    for (i = 0; i < k; i++) {
        for (j = 0; j < w; j++) {
            dst[j] = b[j * ns];
        }

        for ( /* void */ ; j < MAAS_P16; j++) {
            dst[j] = 0.0f;
        }

        b += ks;
        dst += MAAS_P16;
    }
}


void
MAAS_K(pack_p16)(float *dst, const float *b, int64_t ks, int64_t ns, int64_t k,
    int64_t n, int64_t p0, int64_t p1)
{
    int      w;
    int64_t  p, i;

    for (p = p0; p < p1; p++) {
        w = (int) maas_min(n - p * MAAS_P16, MAAS_P16);

        if (w == MAAS_P16 && ns == 1) {
            for (i = 0; i < k; i++) {
                memcpy(dst + (p * k + i) * MAAS_P16,
                       b + i * ks + p * MAAS_P16, MAAS_P16 * sizeof(float));
            }

        } else if (w == MAAS_P16 && ks == 1) {
            MAAS_K(transpose)(dst + p * k * MAAS_P16, MAAS_P16,
                              b + p * MAAS_P16 * ns, ns, MAAS_P16, k);

        } else {
            vt_pack_any(dst + p * k * MAAS_P16, b + p * MAAS_P16 * ns, ks, ns,
                        k, w);
        }
    }
}
