/*
 * qconv_dw256: depthwise convolution of 8-bit numbers with VPMADDWD on 256
 * bits, two rows of the kernel at a time; behind qconv_emit256.h.
 */

#define QD_PAIRS  64            /* of taps, whose weights lie on the stack */


/* The weights of pairs of rows as int16, channel by channel. */
static void
MAAS_KQ(dw_weights)(const maas_qconv16_t *k, int16_t w[QD_PAIRS][32])
{
    int            n = 0;
    int64_t        g4 = (k->nb + 3) / 4;
    const int8_t  *from;

    for (int64_t c = 0; c < k->passes * k->nc; c++) {
        for (int64_t b = 0; b < k->nb; b += 2, n++) {
            from = k->w + (c * g4 + b / 4) * 64 + b % 4;

            for (int l = 0; l < 16; l++) {
                w[n][l * 2] = from[l * 4];
                w[n][l * 2 + 1] = b + 1 < k->nb ? from[l * 4 + 1] : 0;
            }
        }
    }
}


static inline __attribute__((always_inline)) void
MAAS_KQ(dw_pixel)(const maas_qconv16_t *k, int16_t w[QD_PAIRS][32],
    const uint8_t *x, int64_t at)
{
    int             n = 0;
    int32_t         sum[16];
    __m128i         r0, r1;
    __m256i         a0, a1, *s = (__m256i *) (void *) sum;
    const __m256i  *f;
    const uint8_t  *t;

    a0 = _mm256_loadu_si256((const __m256i *) k->start);
    a1 = _mm256_loadu_si256((const __m256i *) (k->start + 8));

    for (int64_t p = 0; p < k->passes; p++) {
        for (int64_t c = 0; c < k->nc; c++) {
            t = x + c * k->xc;

            for (int64_t b = 0; b < k->nb; b += 2, t += 2 * k->xb, n++) {
                f = (const __m256i *) (const void *) w[n];
                r0 = _mm_loadu_si128((const __m128i *) t);
                r1 = b + 1 < k->nb
                     ? _mm_loadu_si128((const __m128i *) (t + k->xb))
                     : _mm_setzero_si128();
                a0 = _mm256_add_epi32(a0, _mm256_madd_epi16(
                    _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(r0, r1)),
                    _mm256_loadu_si256(f)));
                a1 = _mm256_add_epi32(a1, _mm256_madd_epi16(
                    _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(r0, r1)),
                    _mm256_loadu_si256(f + 1)));
            }
        }
    }

    _mm256_storeu_si256(s, a0);
    _mm256_storeu_si256(s + 1, a1);
    MAAS_KQ(emit256)(k, sum, k->scale, at);
}


/* Kernels of too many taps go the plain way. */
static void
MAAS_KQ(dw256)(const maas_qconv16_t *k)
{
    int16_t  w[QD_PAIRS][32];

    if (k->passes * k->nc * ((k->nb + 1) / 2) > QD_PAIRS) {
        MAAS_KQ(depthwise)(k);
        return;
    }

    MAAS_KQ(dw_weights)(k, w);

    for (int64_t r = 0; r < k->rows; r++) {
        for (int64_t i = 0; i < k->cols; i++) {
            MAAS_KQ(dw_pixel)(k, w, k->x + r * k->xrow + i * k->xcol,
                              r * k->yrow + i * 16);
        }
    }
}
