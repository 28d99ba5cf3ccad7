/*
 * qwindow_body: windows over one block of channels of 8-bit numbers, and sums
 * of two tensors, as loops that the compiler turns into the vectors of the
 * level; a template (MAAS_ISA), behind qconv_emit.h.  KQ_EMIT: what stores 16
 * sums, where the level has its own.
 */

#ifndef KQ_EMIT
#define KQ_EMIT  MAAS_KQ(conv_emit)
#endif


#define QW_PIXELS  8


/* The products of one tap, of n pixels; w: 4 bytes apart. */
static inline void
MAAS_KQ(tap)(uint32_t *restrict acc, const uint8_t *restrict x, int64_t step,
    int64_t n, const int8_t *restrict w)
{
    int16_t  f[16];

    for (int l = 0; l < 16; l++) {
        f[l] = w[l * 4];
    }

    for (int64_t i = 0; i < n; i++) {
        for (int l = 0; l < 16; l++) {
            acc[i * 16 + l] += (uint32_t) ((int16_t) x[i * step + l] * f[l]);
        }
    }
}


static inline void
MAAS_KQ(depthwise)(const maas_qconv16_t *k)
{
    int64_t         p, r, x, n, b, c, g4 = (k->nb + 3) / 4;
    int32_t         sum[16];
    uint32_t        acc[QW_PIXELS * 16];
    const int8_t   *w;
    const uint8_t  *at;

    for (r = 0; r < k->rows; r++) {
        for (x = 0; x < k->cols; x += n) {
            n = maas_min(k->cols - x, QW_PIXELS);
            at = k->x + r * k->xrow + x * k->xcol;

            for (int64_t i = 0; i < n; i++) {
                memcpy(acc + i * 16, k->start, 16 * sizeof(uint32_t));
            }

            for (p = 0; p < k->passes; p++) {
                for (c = 0; c < k->nc; c++) {
                    for (b = 0; b < k->nb; b++) {
                        w = k->w + ((p * k->nc + c) * g4 + b / 4) * 64
                            + b % 4;
                        MAAS_KQ(tap)(acc, at + b * k->xb + c * k->xc,
                                     k->xcol, n, w);
                    }
                }
            }

            for (int64_t i = 0; i < n; i++) {
                memcpy(sum, acc + i * 16, sizeof(sum));
                KQ_EMIT(k, sum, k->scale, r * k->yrow + (x + i) * 16);
            }
        }
    }
}


/* 16 bytes as one vector, where there are any. */
typedef uint8_t  MAAS_KQ(bytes_t) __attribute__((vector_size(16), aligned(1)));


void
MAAS_KQ(max16)(const maas_qconv16_t *k)
{
    int64_t           r, x, b, c;
    const uint8_t    *at;
    MAAS_KQ(bytes_t)  m, t, more;

    for (r = 0; r < k->rows; r++) {
        for (x = 0; x < k->cols; x++) {
            at = k->x + r * k->xrow + x * k->xcol;
            memcpy(&m, at, sizeof(m));

            for (b = 0; b < k->nb; b++) {
                for (c = 0; c < k->nc; c++) {
                    memcpy(&t, at + b * k->xb + c * k->xc, sizeof(t));
                    more = (MAAS_KQ(bytes_t)) (t > m);
                    m = (t & more) | (m & ~more);
                }
            }

            memcpy((uint8_t *) k->y + r * k->yrow + x * 16, &m, sizeof(m));
        }
    }
}


void
MAAS_KQ(add)(uint8_t *restrict y, const uint8_t *restrict a,
    const uint8_t *restrict b, int64_t n, const maas_qadd_t *f)
{
    float              v;
    const maas_qadd_t  g = *f;

    for (int64_t i = 0; i < n; i++) {
        v = (float) (a[i] - g.za) * g.fa + (float) (b[i] - g.zb) * g.fb;
        y[i] = (uint8_t) (MAAS_KQ(near)(v, g.lo, g.hi) + g.zero);
    }
}
