/*
 * ktable: the tables of kernels, one a CPU level, and the names of levels
 * and formats.  Every level has every entry; the lists are in klevel.h.
 *
 * The tables are constant; all functions here may be called by any thread.
 */

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/klevel.h"


#define KT_U(id, op, l)  [MAAS_U_##id] = maas_k_f32_##op##_##l,
#define KT_B(id, op, l)  [MAAS_B_##id] = maas_k_f32_b##op##_##l,
#define KT_R(id, op, l)  [MAAS_R_##id] = maas_k_f32_reduce_##op##_##l,
#define KT_G(id, op, l)  [MAAS_G_##id] = maas_k_f32_back_##op##_##l,
#define KT_F(id, op, l)  [MAAS_R_##id] = maas_k_f32_fold_##op##_##l,

#define KT_TABLE(id, l, f64)                                                  \
    {                                                                         \
        .level = id,                                                          \
        .gemm = maas_k_f32_gemm_##l,                                          \
        .gemmb = maas_k_f32_gemmb_##l,                                        \
        .gemmta = maas_k_f32_gemmta_##l,                                      \
        .gemmt = maas_k_f32_gemmt_##l,                                        \
        .pack_p16 = maas_k_f32_pack_p16_##l,                                  \
        .unary = { MAAS_K_UNARIES(KT_U, l) },                                 \
        .binary = { MAAS_K_BINARIES(KT_B, l) },                               \
        .reduce = { MAAS_K_REDUCES(KT_R, l) },                                \
        .fold = { MAAS_K_REDUCES(KT_F, l) },                                  \
        .softmax = maas_k_f32_softmax_##l,                                    \
        .log_softmax = maas_k_f32_log_softmax_##l,                            \
        .softmax_add = maas_k_f32_softmax_add_##l,                            \
        .softmax_back = maas_k_f32_softmax_back_##l,                          \
        .layer_norm = maas_k_f32_layer_norm_##l,                              \
        .back = { MAAS_K_BACKS(KT_G, l) },                                    \
        .layer_norm_back = maas_k_f32_layer_norm_back_##l,                    \
        .layer_norm_sums = maas_k_f32_layer_norm_sums_##l,                    \
        .lstm_cell = maas_k_f32_lstm_cell_##l,                                \
        .lstm_back = maas_k_f32_lstm_back_##l,                                \
        .dot = maas_k_f32_dot_##l,                                            \
        .axpy = maas_k_f32_axpy_##l,                                          \
        .transpose = maas_k_f32_transpose_##l,                                \
        .dwconv = maas_k_f32_dwconv_##l,                                      \
        .conv16 = maas_k_f32_conv16_##l,                                      \
        .wgrad16 = maas_k_f32_wgrad16_##l,                                    \
        .dwconv16 = maas_k_f32_dwconv16_##l,                                  \
        .dwgrad16 = maas_k_f32_dwgrad16_##l,                                  \
        .maxpool16 = maas_k_f32_maxpool16_##l,                                \
        .maxgrad16 = maas_k_f32_maxgrad16_##l,                                \
        .winoin16 = maas_k_f32_winoin16_##l,                                  \
        .winoout16 = maas_k_f32_winoout16_##l,                                \
        .lanes16 = maas_k_f32_lanes16_##l,                                    \
        .weave16 = maas_k_f32_weave16_##l,                                    \
        .blend = maas_k_f32_blend_##l,                                        \
        .taps16 = maas_k_f32_taps16_##l,                                      \
        .sum16 = maas_k_f32_sum16_##l,                                        \
        .affine16 = maas_k_f32_affine16_##l,                                  \
        .qgemm = maas_k_q8_gemm_##l,                                          \
        .qpack16 = maas_k_q8_pack16_##l,                                      \
        .qconv16 = maas_k_q8_conv16_##l,                                      \
        .qdw16 = maas_k_q8_dw16_##l,                                          \
        .qmax16 = maas_k_q8_max16_##l,                                        \
        .qadd = maas_k_q8_add_##l,                                            \
        .qfix = maas_k_q8_fix_##l,                                            \
        .unpack16 = maas_k_q8_unpack16_##l,                                   \
        .qscale = maas_k_q8_scale_##l,                                        \
        .qround = maas_k_q8_round_##l,                                        \
        .quantize = maas_k_q8_quantize_##l,                                   \
        .qsum = maas_k_q8_sum_##l,                                            \
        .f16_to_f32 = maas_k_f32_from_f16_##l,                                \
        .f32_to_f16 = maas_k_f32_to_f16_##l,                                  \
        .dgemm = f64,                                                         \
    }


static const maas_kernels_t  kt_tables[] = {
    KT_TABLE(MAAS_CPU_REF, ref, maas_k_f64_gemm_ref),
#if defined(__x86_64__)
    KT_TABLE(MAAS_CPU_V2, v2, maas_k_f64_gemm_blas),
    KT_TABLE(MAAS_CPU_AVX2, avx2, maas_k_f64_gemm_blas),
    KT_TABLE(MAAS_CPU_AVX512, avx512, maas_k_f64_gemm_blas),
#endif
};


static const char *const  kt_cpu_names[MAAS_CPU_LEVELS] = {
    [MAAS_CPU_REF] = "ref",
    [MAAS_CPU_V2] = "v2",
    [MAAS_CPU_AVX2] = "avx2",
    [MAAS_CPU_AVX512] = "avx512",
};


static const char *const  kt_format_names[MAAS_FMTS] = {
    [MAAS_FMT_PLAIN] = "plain",
    [MAAS_FMT_P16] = "p16",
    [MAAS_FMT_C16] = "c16",
    [MAAS_FMT_P16Q8] = "p16q8",
};


const char *
maas_cpu_name(maas_cpu_t level)
{
    if ((unsigned) level >= MAAS_CPU_LEVELS) {
        return "unknown";
    }

    return kt_cpu_names[level];
}


#if defined(__x86_64__)

/* CPUID leaf 1 and 0x80000001: what the compiler's check has no names for. */
static bool
cpu_f16c_lzcnt_movbe(void)
{
    unsigned  a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_F16C)
        || !(c & bit_MOVBE))
    {
        return false;
    }

    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & bit_LZCNT);
}

#endif


/* The compiler's check includes the registers that the system saves. */
maas_cpu_t
maas_cpu_host(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();

    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("ssse3")
        || !__builtin_cpu_supports("popcnt"))
    {
        return MAAS_CPU_REF;
    }

    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")
        || !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2")
        || !cpu_f16c_lzcnt_movbe())
    {
        return MAAS_CPU_V2;
    }

    if (!__builtin_cpu_supports("avx512f")
        || !__builtin_cpu_supports("avx512bw")
        || !__builtin_cpu_supports("avx512cd")
        || !__builtin_cpu_supports("avx512dq")
        || !__builtin_cpu_supports("avx512vl"))
    {
        return MAAS_CPU_AVX2;
    }

    return MAAS_CPU_AVX512;
#else
    return MAAS_CPU_REF;
#endif
}


#if defined(__x86_64__)

/* VPDPBUSD on 512 bits; for the AVX-512 level. */
bool
maas_cpu_has_vnni(void)
{
    return __builtin_cpu_supports("avx512vnni");
}


/* VPDPBUSD on 256 bits, coded in VEX: CPUID leaf 7.1, once a process. */
bool
maas_cpu_has_avxvnni(void)
{
    int               v;
    unsigned          a = 0, b, c, d;
    static int        known;            /* 0: not asked, 1: no, 2: yes */

    v = __atomic_load_n(&known, __ATOMIC_RELAXED);

    if (v == 0) {
        v = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4) ? 2 : 1;
        __atomic_store_n(&known, v, __ATOMIC_RELAXED);
    }

    return v == 2;
}

#endif


bool
maas_cpu_by_name(const char *name, maas_cpu_t *level)
{
    int  i;

    for (i = 0; i < MAAS_CPU_LEVELS; i++) {
        if (strcmp(name, kt_cpu_names[i]) == 0) {
            *level = (maas_cpu_t) i;
            return true;
        }
    }

    return false;
}


const char *
maas_format_name(maas_format_t format)
{
    if ((unsigned) format >= MAAS_FMTS) {
        return "unknown";
    }

    return kt_format_names[format];
}


const maas_kernels_t *
maas_kernels(maas_cpu_t level)
{
    if ((unsigned) level >= maas_nelts(kt_tables)
        || level > maas_cpu_host())
    {
        return NULL;
    }

    return &kt_tables[level];
}
