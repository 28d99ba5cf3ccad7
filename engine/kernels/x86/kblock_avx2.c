/*
 * kblock_avx2: kernels over blocks of 16 channels, AVX2 and FMA: tiles of 6
 * pixels by one block.  The bodies are in vblock.h, vwindow.h,
 * vtaps.h and vgrad.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"
#include "kernels/x86/vec_avx2.h"


#define MAAS_ISA  avx2

#define KB_HALF   3
#define KB_R(F)   F(0) F(1) F(2) F(3) F(4) F(5)

/* Up to a half, a half and more, two rows. */
#define KB_TILES(F)                                                           \
    F(1, 0, 2, 0) F(2, 0, 2, 0) F(3, 0, 2, 0) F(3, 1, 2, 0) F(3, 2, 2, 0)     \
    F(3, 3, 2, 0) F(1, 1, 2, 1) F(2, 2, 2, 1) F(3, 3, 2, 1)

#include "kernels/x86/vblock.h"
#include "kernels/x86/vwindow.h"
#include "kernels/x86/vtaps.h"

void
MAAS_K(weave16)(float *y, int64_t ystep, const float *x, int64_t xstep,
    int64_t n, int64_t count)
{
    float   *d;
    __m128   a0, a1, a2, a3;

    for (int64_t b = 0; b < count; b++) {
        for (int64_t i = 0; i < n; i++) {
            d = y + b * ystep + i * MAAS_C16;
            a0 = _mm_loadu_ps(x + i * MAAS_C16 + b * 4);
            a1 = _mm_loadu_ps(x + xstep + i * MAAS_C16 + b * 4);
            a2 = _mm_loadu_ps(x + 2 * xstep + i * MAAS_C16 + b * 4);
            a3 = _mm_loadu_ps(x + 3 * xstep + i * MAAS_C16 + b * 4);

            _MM_TRANSPOSE4_PS(a0, a1, a2, a3);

            _mm_storeu_ps(d, a0);
            _mm_storeu_ps(d + 4, a1);
            _mm_storeu_ps(d + 8, a2);
            _mm_storeu_ps(d + 12, a3);
        }
    }
}


#define WG_R        4
#define WG_TILES(F)  F(4, 2) F(2, 2) F(1, 2)

#include "kernels/x86/vgrad.h"
