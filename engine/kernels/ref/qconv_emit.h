/*
 * qconv_emit: how the sums of a convolution of 8-bit numbers become what is
 * stored; a template (MAAS_ISA).  Every step rounds by itself, so that all
 * levels agree to the bit.
 */


/* v rounded half to even, within integers lo and hi; NaN gives lo. */
static inline int32_t
MAAS_KQ(near)(float v, float lo, float hi)
{
    union { float f; int32_t i; }  r;

    v = v > lo ? v : lo;
    v = v < hi ? v : hi;
    r.f = v + 12582912.0f;              /* 1.5 * 2^23 */

    return r.i - 0x4b400000;
}


/* 16 sums of one block, which go to element `at`; s: the block's scales. */
static inline void
MAAS_KQ(conv_emit)(const maas_qconv16_t *c, const int32_t *sum,
    const float *s, int64_t at)
{
    int                   l;
    int32_t               q[16];
    uint8_t               b[16], more[16];
    const maas_qconv16_t  k = *c;       /* bytes that are stored are none */

    if (k.scale == NULL) {
        memcpy((int32_t *) k.y + at, sum, 16 * sizeof(int32_t));
        return;
    }

    for (l = 0; l < 16; l++) {
        q[l] = MAAS_KQ(near)((float) sum[l] * s[l], k.lo, k.hi);
    }

    if (k.add == NULL) {
        for (l = 0; l < 16; l++) {
            b[l] = (uint8_t) (q[l] + k.zero);
        }

    } else {
        memcpy(more, k.add + at, sizeof(more));

        for (l = 0; l < 16; l++) {
            q[l] = MAAS_KQ(near)((float) q[l] * k.fsum
                                 + (float) (more[l] - k.zadd) * k.fadd,
                                 k.alo, k.ahi);
        }

        for (l = 0; l < 16; l++) {
            b[l] = (uint8_t) (q[l] + k.azero);
        }
    }

    memcpy((uint8_t *) k.y + at, b, sizeof(b));
}
