/*
 * klevel: private to kernels/.  The list of kernels that every level has,
 * as macros over (level), from which declarations and tables are made; and
 * the macros that the templates (*_body.h) use to name their functions.
 *
 * A function is called maas_k_f32_<op>_<level>.  A file that includes a
 * template defines MAAS_ISA first.
 */

#ifndef MAAS_KLEVEL_H
#define MAAS_KLEVEL_H

#include "kernels/kernels.h"


#define MAAS_K_CAT_(op, isa)  maas_k_f32_##op##_##isa
#define MAAS_K_CAT(op, isa)   MAAS_K_CAT_(op, isa)
#define MAAS_K(op)            MAAS_K_CAT(op, MAAS_ISA)

#define MAAS_KQ_CAT_(op, isa)  maas_k_q8_##op##_##isa
#define MAAS_KQ_CAT(op, isa)   MAAS_KQ_CAT_(op, isa)
#define MAAS_KQ(op)            MAAS_KQ_CAT(op, MAAS_ISA)

/*
 * Sums, products and dot products of a row are made in this many lanes:
 * element i goes to lane i % 64 in ascending order, a last block is filled
 * up with the neutral element, and lanes are joined by halves: 0 with 32,
 * 1 with 33, ..., then 0 with 16, until one is left.
 */
#define MAAS_K_LANES  64

#define MAAS_K_UNARIES(X, l)                                                  \
    X(EXP, exp, l) X(LOG, log, l) X(TANH, tanh, l) X(SIGMOID, sigmoid, l)     \
    X(ERF, erf, l) X(SQRT, sqrt, l) X(RECIP, recip, l) X(ABS, abs, l)         \
    X(NEG, neg, l) X(FLOOR, floor, l) X(CEIL, ceil, l) X(ROUND, round, l)     \
    X(RELU, relu, l) X(CLIP, clip, l) X(LEAKY, leaky, l) X(ELU, elu, l)       \
    X(HSIGMOID, hsigmoid, l) X(HSWISH, hswish, l) X(SILU, silu, l)            \
    X(GELU, gelu, l) X(SOFTPLUS, softplus, l) X(AFFINE, affine, l)            \
    X(SWISH, swish, l) X(MISH, mish, l) X(QDQ_U8, qdq_u8, l)                  \
    X(QDQ_I8, qdq_i8, l) X(SIN, sin, l) X(COS, cos, l) X(TAN, tan, l)         \
    X(ASIN, asin, l) X(ACOS, acos, l) X(ATAN, atan, l) X(SINH, sinh, l)       \
    X(COSH, cosh, l) X(ASINH, asinh, l) X(ACOSH, acosh, l)                    \
    X(ATANH, atanh, l)

#define MAAS_K_BINARIES(X, l)                                                 \
    X(ADD, add, l) X(SUB, sub, l) X(MUL, mul, l) X(DIV, div, l)               \
    X(MIN, min, l) X(MAX, max, l) X(POW, pow, l)

#define MAAS_K_REDUCES(X, l)                                                  \
    X(SUM, sum, l) X(MAX, max, l) X(MIN, min, l) X(SUMSQ, sumsq, l)           \
    X(SUMABS, sumabs, l) X(PROD, prod, l)

#define MAAS_K_BACKS(X, l)                                                    \
    X(RELU, relu, l) X(LEAKY, leaky, l) X(ELU, elu, l)                        \
    X(SIGMOID, sigmoid, l) X(TANH, tanh, l) X(HSIGMOID, hsigmoid, l)          \
    X(HSWISH, hswish, l) X(SOFTPLUS, softplus, l) X(GELU, gelu, l)            \
    X(GELU_TANH, gelu_tanh, l) X(SWISH, swish, l) X(MISH, mish, l)


#define MAAS_K_DECL_U(id, op, l)                                              \
    void maas_k_f32_##op##_##l(float *y, const float *x, int64_t n, float a,  \
        float b);
#define MAAS_K_DECL_B(id, op, l)                                              \
    void maas_k_f32_b##op##_##l(float *y, const float *a, int sa,             \
        const float *b, int sb, int64_t n);
#define MAAS_K_DECL_R(id, op, l)                                              \
    float maas_k_f32_reduce_##op##_##l(const float *x, int64_t n);            \
    void maas_k_f32_fold_##op##_##l(float *y, const float *x, int64_t ld,     \
        int64_t rows, int64_t n);
#define MAAS_K_DECL_G(id, op, l)                                              \
    void maas_k_f32_back_##op##_##l(float *dx, const float *dy,               \
        const float *v, int64_t n, float a, float b);

#define MAAS_K_DECLARE(l)                                                     \
    MAAS_K_UNARIES(MAAS_K_DECL_U, l)                                          \
    MAAS_K_BINARIES(MAAS_K_DECL_B, l)                                         \
    MAAS_K_REDUCES(MAAS_K_DECL_R, l)                                          \
    MAAS_K_BACKS(MAAS_K_DECL_G, l)                                            \
    void maas_k_f32_gemm_##l(const maas_gemm_t *g, int64_t m0, int64_t m1);   \
    void maas_k_f32_gemmb_##l(const maas_gemm_t *g, int64_t m0, int64_t m1);  \
    void maas_k_f32_gemmta_##l(const maas_gemm_t *g, int64_t m0, int64_t m1); \
    void maas_k_f32_gemmt_##l(const maas_gemmt_t *g, int64_t m0, int64_t m1,  \
        int64_t n0, int64_t n1);                                              \
    void maas_k_f32_pack_p16_##l(float *dst, const float *b, int64_t ks,      \
        int64_t ns, int64_t k, int64_t n, int64_t p0, int64_t p1);            \
    void maas_k_f32_softmax_##l(float *y, const float *x, int64_t n);         \
    void maas_k_f32_log_softmax_##l(float *y, const float *x, int64_t n);     \
    void maas_k_f32_softmax_add_##l(float *y, const float *x,                 \
        const float *add, int64_t n, float f);                                \
    void maas_k_f32_softmax_back_##l(float *d, const float *p, int64_t n,     \
        float f);                                                             \
    void maas_k_f32_layer_norm_##l(float *y, const float *x,                  \
        const float *gamma, const float *beta, int64_t n, float eps,          \
        float *mean, float *inv_std);                                         \
    void maas_k_f32_layer_norm_back_##l(float *dx, const float *dy,           \
        const float *x, const float *gamma, int64_t rows, int64_t n,          \
        float eps, float *stats);                                             \
    void maas_k_f32_layer_norm_sums_##l(float *dgamma, float *dbeta,          \
        const float *dy, const float *x, int64_t ld, const float *stats,      \
        int64_t rows, int64_t n);                                             \
    void maas_k_f32_lstm_cell_##l(float *c, const float *a,                   \
        const float *last, int64_t n);                                        \
    void maas_k_f32_lstm_back_##l(float *a, const float *dh, float *dc,       \
        const float *last, const float *th, int64_t n);                       \
    float maas_k_f32_dot_##l(const float *a, const float *b, int64_t n);      \
    void maas_k_f32_axpy_##l(float *y, float a, const float *x, int64_t n);   \
    void maas_k_f32_transpose_##l(float *dst, int64_t ldd, const float *src,  \
        int64_t lds, int64_t rows, int64_t cols);                             \
    void maas_k_f32_dwconv_##l(float *out, const float *in, const float *w,   \
        float bias, int64_t ih, int64_t iw, int64_t oh, int64_t ow, int kh,   \
        int kw, int sh, int sw, int ph, int pw, int dh, int dw, int64_t y0,   \
        int64_t y1);                                                          \
    void maas_k_f32_conv16_##l(const maas_conv16_t *c);                       \
    void maas_k_f32_wgrad16_##l(const maas_wgrad16_t *c);                     \
    void maas_k_f32_dwconv16_##l(const maas_win16_t *c);                      \
    void maas_k_f32_dwgrad16_##l(const maas_win16_t *c, float *dw,            \
        const float *dy);                                                     \
    void maas_k_f32_maxpool16_##l(const maas_win16_t *c);                     \
    void maas_k_f32_maxgrad16_##l(const maas_win16_t *c, float *dx,           \
        const float *dy, bool add);                                           \
    void maas_k_f32_winoin16_##l(const maas_wino16_t *t, float *v,            \
        const float *plane);                                                  \
    void maas_k_f32_winoout16_##l(const maas_wino16_t *t, float *plane,       \
        const float *v);                                                      \
    void maas_k_f32_lanes16_##l(float *y, const float *x, int64_t n,          \
        int64_t count);                                                       \
    void maas_k_f32_weave16_##l(float *y, int64_t ystep, const float *x,      \
        int64_t xstep, int64_t n, int64_t count);                             \
    void maas_k_f32_blend_##l(float *y, const float *const *x,                \
        const float *w, int rows, bool add, int64_t n);                       \
    void maas_k_f32_taps16_##l(float *y, const float *x,                      \
        const maas_tap_t *t, int64_t n);                                      \
    void maas_k_f32_sum16_##l(float *y, const float *x, int64_t n, float f);  \
    void maas_k_f32_affine16_##l(float *y, const float *x, const float *a,    \
        const float *b, int64_t n, float lo, float hi);                       \
    void maas_k_q8_gemm_##l(const maas_qgemm_t *g);                           \
    void maas_k_q8_pack16_##l(int8_t *y, const uint8_t *x, int64_t ld,        \
        int64_t k, uint8_t flip);                                             \
    void maas_k_q8_conv16_##l(const maas_qconv16_t *c);                       \
    void maas_k_q8_dw16_##l(const maas_qconv16_t *c);                         \
    void maas_k_q8_max16_##l(const maas_qconv16_t *c);                        \
    void maas_k_q8_add_##l(uint8_t *y, const uint8_t *a, const uint8_t *b,    \
        int64_t n, const maas_qadd_t *f);                                     \
    void maas_k_q8_fix_##l(int32_t *y, const int32_t *x, const int32_t *sum,  \
        int32_t f, const int32_t *zero, int32_t r, int64_t n);                \
    void maas_k_q8_scale_##l(float *y, const int32_t *x, const float *scale,  \
        int step, int64_t n);                                                 \
    void maas_k_q8_round_##l(uint8_t *y, const int32_t *x,                    \
        const float *scale, int step, int32_t zero, int32_t lo, int32_t hi,   \
        int64_t n);                                                           \
    void maas_k_q8_unpack16_##l(float *y, const int8_t *x,                    \
        const float *scale, const float *zero, int64_t n);                    \
    void maas_k_q8_quantize_##l(uint8_t *y, const float *x, float scale,      \
        int32_t zero, int64_t n);                                             \
    uint32_t maas_k_q8_sum_##l(const uint8_t *x, int64_t n);                  \
    void maas_k_f32_from_f16_##l(float *y, const uint16_t *x, int64_t n);     \
    void maas_k_f32_to_f16_##l(uint16_t *y, const float *x, int64_t n);

MAAS_K_DECLARE(ref)
MAAS_K_DECLARE(v2)
MAAS_K_DECLARE(avx2)
MAAS_K_DECLARE(avx512)

/* What the entries of two levels choose from. */
bool maas_cpu_has_vnni(void);
bool maas_cpu_has_avxvnni(void);
void maas_k_q8_gemm_avx512vnni(const maas_qgemm_t *g);
void maas_k_q8_gemm_avx512madd(const maas_qgemm_t *g);
void maas_k_q8_gemm_avxvnni(const maas_qgemm_t *g);
void maas_k_q8_gemm_avx2madd(const maas_qgemm_t *g);
void maas_k_q8_conv16_avx512vnni(const maas_qconv16_t *c);
void maas_k_q8_conv16_avx512madd(const maas_qconv16_t *c);
void maas_k_q8_conv16_avxvnni(const maas_qconv16_t *c);
void maas_k_q8_conv16_avx2madd(const maas_qconv16_t *c);
void maas_k_q8_dw16_avx512vnni(const maas_qconv16_t *c);
void maas_k_q8_dw16_avx512madd(const maas_qconv16_t *c);

void maas_k_f64_gemm_ref(int64_t m, int64_t n, int64_t k, const double *a,
    int64_t lda, const double *b, int64_t ldb, double *c, int64_t ldc);
void maas_k_f64_gemm_blas(int64_t m, int64_t n, int64_t k, const double *a,
    int64_t lda, const double *b, int64_t ldb, double *c, int64_t ldc);

#endif
