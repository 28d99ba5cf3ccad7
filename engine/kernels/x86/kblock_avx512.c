/*
 * kblock_avx512: kernels over blocks of 16 channels, AVX-512: tiles of 14
 * pixels by two blocks.  The bodies are in vblock.h, vwindow.h,
 * vtaps.h and vgrad.h.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <math.h>

#include "kernels/klevel.h"
#include "kernels/x86/vec_avx512.h"


#define MAAS_ISA  avx512

#define KB_HALF   7
#define KB_R(F)   F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10)     \
                  F(11) F(12) F(13)

/* Up to a half, a half and more, two rows. */
#define KB_W(F, W)                                                            \
    F(1, 0, W, 0) F(2, 0, W, 0) F(3, 0, W, 0) F(4, 0, W, 0) F(5, 0, W, 0)     \
    F(6, 0, W, 0) F(7, 0, W, 0) F(7, 1, W, 0) F(7, 2, W, 0) F(7, 3, W, 0)     \
    F(7, 4, W, 0) F(7, 5, W, 0) F(7, 6, W, 0) F(7, 7, W, 0)                   \
    F(1, 1, W, 1) F(2, 2, W, 1) F(3, 3, W, 1) F(4, 4, W, 1) F(5, 5, W, 1)     \
    F(6, 6, W, 1) F(7, 7, W, 1)
#define KB_TILES(F)  KB_W(F, 1) KB_W(F, 2)

#include "kernels/x86/vblock.h"
#include "kernels/x86/vwindow.h"
#include "kernels/x86/vtaps.h"

/* Lane l of output b: element 4 b + l / 4 of input l % 4. */
void
MAAS_K(weave16)(float *y, int64_t ystep, const float *x, int64_t xstep,
    int64_t n, int64_t count)
{
    __m512   a0, a1, a2, a3, lo, hi;
    __m512i  at = _mm512_setr_epi32(0, 16, 0, 16, 1, 17, 1, 17, 2, 18, 2, 18,
                                    3, 19, 3, 19), pick;

    for (int64_t i = 0; i < n; i++) {
        a0 = _mm512_loadu_ps(x + i * MAAS_C16);
        a1 = _mm512_loadu_ps(x + xstep + i * MAAS_C16);
        a2 = _mm512_loadu_ps(x + 2 * xstep + i * MAAS_C16);
        a3 = _mm512_loadu_ps(x + 3 * xstep + i * MAAS_C16);
        pick = at;

        for (int64_t b = 0; b < count; b++) {
            lo = _mm512_permutex2var_ps(a0, pick, a1);
            hi = _mm512_permutex2var_ps(a2, pick, a3);
            _mm512_storeu_ps(y + b * ystep + i * MAAS_C16,
                             _mm512_mask_blend_ps(0xcccc, lo, hi));
            pick = _mm512_add_epi32(pick, _mm512_set1_epi32(4));
        }
    }
}


#define WG_R        8
#define WG_TILES(F)                                                           \
    F(8, 1) F(8, 2) F(8, 3) F(4, 1) F(4, 2) F(4, 3) F(4, 4)                   \
    F(2, 1) F(2, 2) F(2, 3) F(2, 4) F(1, 1) F(1, 2) F(1, 3) F(1, 4)

#include "kernels/x86/vgrad.h"
