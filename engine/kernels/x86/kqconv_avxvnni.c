/*
 * kqconv_avxvnni: convolutions of 8-bit numbers with VPDPBUSD on 256 bits
 * (VEX): tiles of 6 pixels by 16 channels.
 *
 * Nothing is allocated and nothing kept; all functions are reentrant.
 */

#include <immintrin.h>

#include "kernels/klevel.h"


#define MAAS_ISA  avxvnni

#include "kernels/x86/qconv_emit256.h"

#define KC_NAME   maas_k_q8_conv16_avxvnni
#define KC_BUFFER
#define KC_ROW    MAAS_KQ(emit256)
#define KC_ROWS   6
#define KQ_COLS   8
#define KC_R(F)   F(0) F(1) F(2) F(3) F(4) F(5)

#include "kernels/x86/qvec_avxvnni.h"

Q_INL QV q_start(const int32_t *s) { return q_load((const int8_t *) s); }

Q_INL void q_store(int32_t *c, QV s) { _mm256_storeu_si256((QB *) c, s); }

#include "kernels/x86/qconv_tile.h"
