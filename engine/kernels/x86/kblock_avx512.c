/*
 * kblock_avx512: kernels over blocks of 16 channels, AVX-512: tiles of 14
 * pixels by two blocks.  The bodies are in vblock.h, vwindow.h and
 * vgrad.h.
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
    F(1, 0, W) F(2, 0, W) F(3, 0, W) F(4, 0, W) F(5, 0, W) F(6, 0, W)         \
    F(7, 0, W) F(7, 1, W) F(7, 2, W) F(7, 3, W) F(7, 4, W) F(7, 5, W)         \
    F(7, 6, W) F(7, 7, W)                                                     \
    F(1, 1, W) F(2, 2, W) F(3, 3, W) F(4, 4, W) F(5, 5, W) F(6, 6, W)
#define KB_TILES(F)  KB_W(F, 1) KB_W(F, 2)

#include "kernels/x86/vblock.h"
#include "kernels/x86/vwindow.h"

#define WG_R        8
#define WG_TILES(F)                                                           \
    F(8, 1) F(8, 2) F(8, 3) F(4, 1) F(4, 2) F(4, 3) F(4, 4)                   \
    F(2, 1) F(2, 2) F(2, 3) F(2, 4) F(1, 1) F(1, 2) F(1, 3) F(1, 4)

#include "kernels/x86/vgrad.h"
