/*
 * qconv_body: convolutions of 8-bit numbers in plain C; a template that a
 * level includes after it has defined MAAS_ISA.  Sums are exact.
 */

#include "kernels/ref/qconv_emit.h"
#include "kernels/ref/qwindow_body.h"


/* n bytes of one pixel, by the weights of one block. */
static inline const int8_t *
MAAS_KQ(conv_run)(uint32_t acc[16], const uint8_t *x, int64_t n,
    const int8_t *w)
{
    for (int64_t i = 0; i < n; i += 4, w += 64) {
        for (int l = 0; l < 16; l++) {
            acc[l] += (uint32_t) (x[i] * w[l * 4] + x[i + 1] * w[l * 4 + 1]
                                  + x[i + 2] * w[l * 4 + 2]
                                  + x[i + 3] * w[l * 4 + 3]);
        }
    }

    return w;
}


static void
MAAS_KQ(conv_pixel)(const maas_qconv16_t *k, const uint8_t *x, int64_t block,
    int64_t at)
{
    int64_t        p, a, b, c;
    int32_t        sum[16];
    uint32_t       acc[16];
    const int8_t  *w = k->w + block * k->wblock;

    memcpy(acc, k->start + block * 16, sizeof(acc));

    for (p = 0; p < k->passes; p++) {
        for (a = 0; a < k->na; a++) {
            for (b = 0; b < k->nb; b++) {
                for (c = 0; c < k->nc; c++) {
                    w = MAAS_KQ(conv_run)(acc, x + a * k->xa + b * k->xb
                                               + c * k->xc,
                                          a + 1 < k->na ? k->run : k->last,
                                          w);
                }
            }
        }
    }

    memcpy(sum, acc, sizeof(sum));
    MAAS_KQ(conv_emit)(k, sum, k->scale + (k->scale != NULL ? block * 16 : 0),
                       at + block * k->yblock);
}


void
MAAS_KQ(conv16)(const maas_qconv16_t *c)
{
    for (int64_t i = 0; i < c->blocks; i++) {
        for (int64_t y = 0; y < c->rows; y++) {
            for (int64_t x = 0; x < c->cols; x++) {
                MAAS_KQ(conv_pixel)(c, c->x + y * c->xrow + x * c->xcol, i,
                                    y * c->yrow + x * 16);
            }
        }
    }
}


void
MAAS_KQ(dw16)(const maas_qconv16_t *c)
{
    MAAS_KQ(depthwise)(c);
}
