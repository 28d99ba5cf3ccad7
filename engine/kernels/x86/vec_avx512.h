/*
 * vec_avx512: the vector words in which the templates of kernels/x86 are
 * written, for AVX-512 F, BW, DQ, VL.  vec_avx2.h has the same words.
 *
 * V: 16 floats; VI: 16 int32; VM: a mask of lanes.  *n functions touch the
 * first n lanes in memory only (0 <= n <= VL) and fill the others.
 */

#ifndef MAAS_VEC_AVX512_H
#define MAAS_VEC_AVX512_H

#include <immintrin.h>

#define VL       16
#define V_INL    static inline __attribute__((always_inline))

typedef __m512    V;
typedef __m512i   VI;
typedef __mmask16 VM;


V_INL V v_set1(float x) { return _mm512_set1_ps(x); }
V_INL V v_zero(void) { return _mm512_setzero_ps(); }
V_INL V v_load(const float *p) { return _mm512_loadu_ps(p); }
V_INL void v_store(float *p, V v) { _mm512_storeu_ps(p, v); }
V_INL VM vm_first(int n) { return (VM) ((1u << n) - 1); }
V_INL V v_loadm(const float *p, VM m) { return _mm512_maskz_loadu_ps(m, p); }
V_INL V v_loadn(const float *p, int n) { return v_loadm(p, vm_first(n)); }

V_INL V
v_loadf(const float *p, int n, V fill)
{
    return _mm512_mask_loadu_ps(fill, vm_first(n), p);
}

V_INL void
v_storen(float *p, V v, int n)
{
    _mm512_mask_storeu_ps(p, vm_first(n), v);
}

/* The same for any n: a vector of a tile may lie whole, or not at all. */
V_INL VM
vm_some(int64_t n)
{
    return (VM) (n >= VL ? 0xffff : n > 0 ? (1u << n) - 1 : 0);
}

V_INL V v_loads(const float *p, int64_t n) { return v_loadm(p, vm_some(n)); }

V_INL void
v_stores(float *p, V v, int64_t n)
{
    _mm512_mask_storeu_ps(p, vm_some(n), v);
}

V_INL V v_fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
V_INL V v_fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
V_INL V v_add(V a, V b) { return _mm512_add_ps(a, b); }
V_INL V v_sub(V a, V b) { return _mm512_sub_ps(a, b); }
V_INL V v_mul(V a, V b) { return _mm512_mul_ps(a, b); }
V_INL V v_div(V a, V b) { return _mm512_div_ps(a, b); }
V_INL V v_sqrt(V a) { return _mm512_sqrt_ps(a); }

/* The second operand when they are equal or either is NaN. */
V_INL V v_min(V a, V b) { return _mm512_min_ps(a, b); }
V_INL V v_max(V a, V b) { return _mm512_max_ps(a, b); }

V_INL V v_rint(V a) { return _mm512_roundscale_ps(a, 0x08); }
V_INL V v_floor(V a) { return _mm512_roundscale_ps(a, 0x09); }
V_INL V v_ceil(V a) { return _mm512_roundscale_ps(a, 0x0a); }
V_INL V v_and(V a, V b) { return _mm512_and_ps(a, b); }
V_INL V v_or(V a, V b) { return _mm512_or_ps(a, b); }
V_INL V v_xor(V a, V b) { return _mm512_xor_ps(a, b); }
V_INL V v_andnot(V a, V b) { return _mm512_andnot_ps(a, b); }

V_INL VM v_lt(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
V_INL VM v_eq(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
V_INL VM v_nan(V a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
V_INL V v_sel(VM m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
V_INL VM vm_and(VM a, VM b) { return a & b; }
V_INL bool vm_any(VM m) { return m != 0; }

V_INL VI v_bits(V a) { return _mm512_castps_si512(a); }
V_INL V vi_float(VI a) { return _mm512_castsi512_ps(a); }
V_INL VI vi_set1(int x) { return _mm512_set1_epi32(x); }
V_INL VI vi_iota(void)
{
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
                             15);
}
V_INL VI vi_add(VI a, VI b) { return _mm512_add_epi32(a, b); }
V_INL VI vi_sub(VI a, VI b) { return _mm512_sub_epi32(a, b); }
V_INL VI vi_mul(VI a, VI b) { return _mm512_mullo_epi32(a, b); }
V_INL VI vi_sll(VI a, int n) { return _mm512_slli_epi32(a, (unsigned) n); }
V_INL VI vi_sra(VI a, int n) { return _mm512_srai_epi32(a, (unsigned) n); }
V_INL VI v_toint(V a) { return _mm512_cvtps_epi32(a); }
V_INL V vi_tofloat(VI a) { return _mm512_cvtepi32_ps(a); }
V_INL VM vi_gt(VI a, VI b) { return _mm512_cmpgt_epi32_mask(a, b); }

/* a * 2^n, rounded once; n is an integer within [-252, 254]. */
V_INL V v_scale2(V a, V n) { return _mm512_scalef_ps(a, n); }

/* Every second of the 2 * VL floats of a and b. */
V_INL V
v_even(V a, V b)
{
    return _mm512_permutex2var_ps(a, vi_sll(vi_iota(), 1), b);
}

/* Lanes [w, 2w) come to [0, w); w is a constant. */
V_INL V
v_down(V a, const int w)
{
    return w == 8 ? _mm512_shuffle_f32x4(a, a, 0xee)
           : w == 4 ? _mm512_shuffle_f32x4(a, a, 0x01)
           : w == 2 ? _mm512_permute_ps(a, 0x0e) : _mm512_permute_ps(a, 0x01);
}

V_INL float v_first(V a) { return _mm512_cvtss_f32(a); }

V_INL V
v_from_half(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) p));
}

V_INL void
v_to_half(uint16_t *p, V v)
{
    _mm256_storeu_si256((__m256i *) p, _mm512_cvtps_ph(v, 0));
}

#endif
