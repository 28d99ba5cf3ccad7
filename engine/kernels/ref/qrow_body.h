/*
 * qrow_body: rows of 8-bit tensors and of their sums, as loops that the
 * compiler turns into the vectors of the level; a template that a level
 * includes after it has defined MAAS_ISA.  All of it is exact, or rounds
 * element by element, so that all levels agree to the bit.
 */


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


/*
 * x / scale rounded half to even, plus zero, within 0 and 255; NaN gives 0.
 * 1.5 * 2^23 leaves the rounded integer in the low bits of a float.
 */
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
