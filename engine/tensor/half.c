/*
 * IEEE 754 binary16 and bfloat16 to and from binary32, round to nearest,
 * ties to even.  NaN stays NaN (quiet, sign kept); overflow is infinity.
 *
 * Threads: reentrant.
 */

#include "tensor/tensor.h"


typedef union {
    float     f;
    uint32_t  u;
} half_bits_t;


float
maas_f16_to_f32(uint16_t h)
{
    uint32_t     sign, exp, man;
    half_bits_t  v;

    sign = (uint32_t) (h & 0x8000) << 16;
    exp = (h >> 10) & 31;
    man = h & 0x3ff;

    if (exp == 31) {
        v.u = sign | 0x7f800000 | man << 13;

    } else if (exp != 0) {
        v.u = sign | (exp + 112) << 23 | man << 13;

    } else {
        /* Denormal: man * 2^-24, exact in binary32. */
        v.f = (float) man * 0x1p-24f;
        v.u |= sign;
    }

    return v.f;
}


uint16_t
maas_f32_to_f16(float f)
{
    uint32_t     sign, abs, man, shift, half, rest;
    half_bits_t  v;

    v.f = f;
    sign = (v.u >> 16) & 0x8000;
    abs = v.u & 0x7fffffff;

    if (abs > 0x7f800000) {
        return (uint16_t) (sign | 0x7e00 | ((abs >> 13) & 0x3ff));
    }

    if (abs >= 0x47800000) {                    /* 2^16 and above */
        return (uint16_t) (sign | 0x7c00);
    }

    if (abs >= 0x38800000) {                    /* 2^-14: normal */
        abs += 0xfff + ((abs >> 13) & 1);
        return (uint16_t) (sign | ((abs - 0x38000000) >> 13));
    }

    if (abs < 0x33000000) {                     /* below half of 2^-24 */
        return (uint16_t) sign;
    }

    man = (abs & 0x7fffff) | 0x800000;
    shift = 126 - (abs >> 23);                  /* 14 to 24 */
    half = man >> shift;
    rest = man & ((1u << shift) - 1);

    if (rest > 1u << (shift - 1)
        || (rest == 1u << (shift - 1) && (half & 1)))
    {
        half++;
    }

    return (uint16_t) (sign | half);
}
