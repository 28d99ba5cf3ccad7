/*
 * qrow_body: rows of 8-bit tensors and of their sums, as loops that the
 * compiler turns into the vectors of the level; a template that a level
 * includes after it has defined MAAS_ISA.  All of it is exact, or rounds
 * element by element, so that all levels agree to the bit.
 */


/* Four rows of 16 columns side by side, flipped, and added to their sums. */
static inline __attribute__((always_inline)) void
MAAS_KQ(four)(uint32_t *restrict y, int32_t *restrict sum, const uint8_t *a,
    const uint8_t *b, const uint8_t *c, const uint8_t *d, uint8_t flip)
{
    const uint32_t  by = flip * 0x1010101u;

    for (int l = 0; l < MAAS_Q16; l++) {
        y[l] = ((uint32_t) a[l] | (uint32_t) b[l] << 8
                | (uint32_t) c[l] << 16 | (uint32_t) d[l] << 24) ^ by;
        sum[l] += (int8_t) (a[l] ^ flip) + (int8_t) (b[l] ^ flip)
                  + (int8_t) (c[l] ^ flip) + (int8_t) (d[l] ^ flip);
    }
}


void
MAAS_KQ(pack16)(int8_t *restrict y, const uint8_t *restrict x, int64_t ld,
    int64_t k, uint8_t flip)
{
    int32_t   sum[MAAS_Q16] = { 0 };
    int64_t   i;
    uint8_t   rest[4][MAAS_Q16];
    uint32_t  v[MAAS_Q16];
    int8_t   *to = y + MAAS_Q16_HEAD;

    for (i = 0; i + 4 <= k; i += 4, to += sizeof(v)) {
        MAAS_KQ(four)(v, sum, x + i * ld, x + (i + 1) * ld, x + (i + 2) * ld,
                      x + (i + 3) * ld, flip);
        memcpy(to, v, sizeof(v));
    }

    if (i < k) {
        memset(rest, flip, sizeof(rest));

        for (int r = 0; i + r < k; r++) {
            memcpy(rest[r], x + (i + r) * ld, MAAS_Q16);
        }

        MAAS_KQ(four)(v, sum, rest[0], rest[1], rest[2], rest[3], flip);
        memcpy(to, v, sizeof(v));
    }

    memcpy(y, sum, sizeof(sum));
}


void
MAAS_KQ(fix)(int32_t *restrict y, const int32_t *restrict x,
    const int32_t *restrict sum, int32_t f, const int32_t *restrict zero,
    int32_t r, int64_t n)
{
    uint32_t  a = (uint32_t) f, b = (uint32_t) r;

    if (zero == NULL) {
        for (int64_t i = 0; i < n; i++) {
            y[i] = (int32_t) ((uint32_t) x[i] + a * (uint32_t) sum[i]);
        }

        return;
    }

    for (int64_t i = 0; i < n; i++) {
        y[i] = (int32_t) ((uint32_t) x[i] + a * (uint32_t) sum[i]
                          + b * (uint32_t) zero[i]);
    }
}


void
MAAS_KQ(scale)(float *restrict y, const int32_t *restrict x,
    const float *restrict scale, int step, int64_t n)
{
    float  s;

    if (step == 0) {
        s = scale[0];

        for (int64_t i = 0; i < n; i++) {
            y[i] = (float) x[i] * s;
        }

        return;
    }

    for (int64_t i = 0; i < n; i++) {
        y[i] = (float) x[i] * scale[i];
    }
}


/* 1.5 * 2^23 leaves the rounded integer in the low bits of a float. */
void
MAAS_KQ(round)(uint8_t *restrict y, const int32_t *restrict x,
    const float *restrict scale, int step, int32_t zero, int32_t lo,
    int32_t hi, int64_t n)
{
    float  v, s, least = (float) (lo - zero), most = (float) (hi - zero);

    union { float f; int32_t i; }  r;

    if (step == 0) {
        s = scale[0];

        for (int64_t i = 0; i < n; i++) {
            v = (float) x[i] * s;
            v = v > least ? v : least;
            v = v < most ? v : most;
            r.f = v + 12582912.0f;
            y[i] = (uint8_t) (r.i - 0x4b400000 + zero);
        }

        return;
    }

    for (int64_t i = 0; i < n; i++) {
        v = (float) x[i] * scale[i];
        v = v > least ? v : least;
        v = v < most ? v : most;
        r.f = v + 12582912.0f;
        y[i] = (uint8_t) (r.i - 0x4b400000 + zero);
    }
}


void
MAAS_KQ(unpack16)(float *restrict y, const int8_t *restrict x,
    const float *restrict scale, const float *restrict zero, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        for (int l = 0; l < MAAS_P16; l++) {
            y[i * MAAS_P16 + l] = ((float) x[i * MAAS_P16 + l] - zero[l])
                                  * scale[l];
        }
    }
}


/* x / scale rounded half to even, plus zero, within 0 and 255; NaN gives 0. */
void
MAAS_KQ(quantize)(uint8_t *restrict y, const float *restrict x, float scale,
    int32_t zero, int64_t n)
{
    float  v, least = (float) -zero, most = (float) (255 - zero);

    union { float f; int32_t i; }  r;

    for (int64_t i = 0; i < n; i++) {
        v = x[i] / scale;
        v = v > least ? v : least;
        v = v < most ? v : most;
        r.f = v + 12582912.0f;
        y[i] = (uint8_t) (r.i - 0x4b400000 + zero);
    }
}


uint32_t
MAAS_KQ(sum)(const uint8_t *x, int64_t n)
{
    uint32_t  sum = 0;

    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
    }

    return sum;
}
