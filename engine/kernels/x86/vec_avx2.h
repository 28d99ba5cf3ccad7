/*
 * vec_avx2: the vector words in which the templates of kernels/x86 are
 * written, for AVX2, FMA and F16C.  vec_avx512.h has the same words.
 *
 * V: 8 floats; VI: 8 int32; VM: a mask of lanes.  *n functions touch the
 * first n lanes in memory only (0 <= n <= VL) and fill the others.
 */

#ifndef MAAS_VEC_AVX2_H
#define MAAS_VEC_AVX2_H

#include <immintrin.h>

#define VL       8
#define V_INL    static inline __attribute__((always_inline))

typedef __m256   V;
typedef __m256i  VI;
typedef __m256   VM;


V_INL V v_set1(float x) { return _mm256_set1_ps(x); }
V_INL V v_zero(void) { return _mm256_setzero_ps(); }
V_INL V v_load(const float *p) { return _mm256_loadu_ps(p); }
V_INL void v_store(float *p, V v) { _mm256_storeu_ps(p, v); }
V_INL VI v_bits(V a) { return _mm256_castps_si256(a); }
V_INL V vi_float(VI a) { return _mm256_castsi256_ps(a); }
V_INL VI vi_set1(int x) { return _mm256_set1_epi32(x); }
V_INL VI vi_iota(void) { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }

V_INL VM
vm_first(int n)
{
    return vi_float(_mm256_cmpgt_epi32(vi_set1(n), vi_iota()));
}

V_INL V
v_loadm(const float *p, VM m)
{
    return _mm256_maskload_ps(p, v_bits(m));
}

V_INL V v_loadn(const float *p, int n) { return v_loadm(p, vm_first(n)); }
V_INL V v_sel(VM m, V a, V b) { return _mm256_blendv_ps(b, a, m); }

V_INL V
v_loadf(const float *p, int n, V fill)
{
    return v_sel(vm_first(n), v_loadn(p, n), fill);
}

V_INL void
v_storen(float *p, V v, int n)
{
    _mm256_maskstore_ps(p, v_bits(vm_first(n)), v);
}

/* The same for any n: a vector of a tile may lie whole, or not at all. */
V_INL V
v_loads(const float *p, int64_t n)
{
    return n >= VL ? v_load(p) : v_loadn(p, (int) n);
}

V_INL void
v_stores(float *p, V v, int64_t n)
{
    if (n >= VL) {
        v_store(p, v);

    } else if (n > 0) {
        v_storen(p, v, (int) n);
    }
}

V_INL V v_fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
V_INL V v_fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
V_INL V v_add(V a, V b) { return _mm256_add_ps(a, b); }
V_INL V v_sub(V a, V b) { return _mm256_sub_ps(a, b); }
V_INL V v_mul(V a, V b) { return _mm256_mul_ps(a, b); }
V_INL V v_div(V a, V b) { return _mm256_div_ps(a, b); }
V_INL V v_sqrt(V a) { return _mm256_sqrt_ps(a); }

/* The second operand when they are equal or either is NaN. */
V_INL V v_min(V a, V b) { return _mm256_min_ps(a, b); }
V_INL V v_max(V a, V b) { return _mm256_max_ps(a, b); }

V_INL V v_rint(V a) { return _mm256_round_ps(a, 0x08); }
V_INL V v_floor(V a) { return _mm256_round_ps(a, 0x09); }
V_INL V v_ceil(V a) { return _mm256_round_ps(a, 0x0a); }
V_INL V v_and(V a, V b) { return _mm256_and_ps(a, b); }
V_INL V v_or(V a, V b) { return _mm256_or_ps(a, b); }
V_INL V v_xor(V a, V b) { return _mm256_xor_ps(a, b); }
V_INL V v_andnot(V a, V b) { return _mm256_andnot_ps(a, b); }

V_INL VM v_lt(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
V_INL VM v_eq(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
V_INL VM v_nan(V a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
V_INL VM vm_and(VM a, VM b) { return _mm256_and_ps(a, b); }
V_INL bool vm_any(VM m) { return _mm256_movemask_ps(m) != 0; }

V_INL VI vi_add(VI a, VI b) { return _mm256_add_epi32(a, b); }
V_INL VI vi_sub(VI a, VI b) { return _mm256_sub_epi32(a, b); }
V_INL VI vi_mul(VI a, VI b) { return _mm256_mullo_epi32(a, b); }
V_INL VI vi_sll(VI a, int n) { return _mm256_slli_epi32(a, n); }
V_INL VI vi_sra(VI a, int n) { return _mm256_srai_epi32(a, n); }
V_INL VI v_toint(V a) { return _mm256_cvtps_epi32(a); }
V_INL V vi_tofloat(VI a) { return _mm256_cvtepi32_ps(a); }
V_INL VM vi_gt(VI a, VI b) { return vi_float(_mm256_cmpgt_epi32(a, b)); }

/*
 * a * 2^n, rounded once; n is an integer within [-252, 254], and a is near
 * 1, so that the first product is exact.
 */
V_INL V
v_scale2(V a, V n)
{
    VI  i, h, one;

    i = v_toint(n);
    h = vi_sra(i, 1);
    one = vi_set1(127);
    a = v_mul(a, vi_float(vi_sll(vi_add(h, one), 23)));

    return v_mul(a, vi_float(vi_sll(vi_add(vi_sub(i, h), one), 23)));
}

/* Every second of the 2 * VL floats of a and b. */
V_INL V
v_even(V a, V b)
{
    __m256d  d;

    d = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));

    return _mm256_castpd_ps(_mm256_permute4x64_pd(d, 0xd8));
}

/* Lanes [w, 2w) come to [0, w); w is a constant. */
V_INL V
v_down(V a, const int w)
{
    return w == 4 ? _mm256_permute2f128_ps(a, a, 0x01)
           : w == 2 ? _mm256_permute_ps(a, 0x0e) : _mm256_permute_ps(a, 0x01);
}

V_INL float v_first(V a) { return _mm256_cvtss_f32(a); }

V_INL V
v_from_half(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p));
}

V_INL void
v_to_half(uint16_t *p, V v)
{
    _mm_storeu_si128((__m128i *) p, _mm256_cvtps_ph(v, 0));
}

#endif
