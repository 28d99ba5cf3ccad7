/*
 * kernels: the table of compute kernels.  Kernels see raw pointers and
 * sizes; they allocate nothing, log nothing and keep no state.
 *
 * The plain C reference (kernels/ref) is complete and specifies the edge
 * cases; a level overrides entries upward: ref <- v2 <- avx2 <- avx512.
 * All kernels of one pack format compute an output element as the same
 * chain of fused multiply-adds in ascending k, so that a row of a batch, a
 * tile edge and a thread split give equal bits: ref (fmaf), avx2 and
 * avx512 agree to the bit for GEMM and convolution; v2 has no FMA and
 * agrees with itself only.
 *
 * A sum or dot product of a row runs in 64 lanes (element i in lane i % 64)
 * that are joined by halves, at every level; dot() is thus not the chain of
 * gemm().  gemmt() takes up to 100 KB of stack.
 *
 * Threads: all kernels are reentrant; ranges split them.
 */

#ifndef MAAS_KERNELS_H
#define MAAS_KERNELS_H

#include "base/base.h"


typedef enum {
    MAAS_CPU_REF = 0,           /* plain C */
    MAAS_CPU_V2,                /* x86-64-v2: SSE4.2 */
    MAAS_CPU_AVX2,              /* x86-64-v3: AVX2, FMA, F16C */
    MAAS_CPU_AVX512,            /* x86-64-v4: AVX-512 F, BW, DQ, VL */
    MAAS_CPU_LEVELS
} maas_cpu_t;

const char *maas_cpu_name(maas_cpu_t level);        /* "avx2" */
maas_cpu_t maas_cpu_host(void);                     /* the highest that runs */
bool maas_cpu_by_name(const char *name, maas_cpu_t *level);


/* How the bytes of a tensor are laid out; a closed list. */
typedef enum {
    MAAS_FMT_PLAIN = 0,
    /*
     * Panels of 16 columns of a K x N matrix: element (k, n) lies at
     * ((n / 16) * K + k) * 16 + n % 16; columns beyond N are zero.
     * Batched (groups): one such block after the other.
     */
    MAAS_FMT_P16,
    /*
     * Activations in blocks of 16 channels: [N, C, ...] as
     * [N][(C + 15) / 16][...][16].  Lanes beyond C hold anything finite or
     * not: no kernel lets them reach a result.  8-bit ones lie as uint8: int8
     * is raised by 128.
     */
    MAAS_FMT_C16,
    /*
     * P16 of a float32 matrix whose columns were 8-bit numbers: of each panel
     * 16 scales and 16 zero points, float32, then element (k, n) as an int8
     * at k * 16 + n % 16; unpack16() makes float32 of it.  uint8 is stored
     * less 128, and so is its zero point.
     */
    MAAS_FMT_P16Q8,
    MAAS_FMTS
} maas_format_t;

const char *maas_format_name(maas_format_t format);

/*
 * 8-bit panels of 16 columns of a K x N matrix, an int8 tensor of rank 2
 * with one panel a row: 16 int32 sums of the columns over k, then for each
 * 4 k, and for each column, 4 bytes; rows beyond K and columns beyond N are
 * zero.  A uint8 matrix is stored less 128.
 */
#define MAAS_Q16       16
#define MAAS_Q16_HEAD  64

static inline int64_t
maas_q16_panel(int64_t k)           /* bytes; k < 2^56 */
{
    return MAAS_Q16_HEAD + (k + 3) / 4 * 4 * MAAS_Q16;
}

#define MAAS_P16  16
#define MAAS_C16  16

#define MAAS_P16Q8_HEAD  128

static inline int64_t
maas_p16q8_panel(int64_t k)         /* bytes; k < 2^56 */
{
    return MAAS_P16Q8_HEAD + k * MAAS_P16;
}

static inline bool
maas_format_panels(unsigned format)
{
    return format == MAAS_FMT_P16 || format == MAAS_FMT_P16Q8;
}

static inline size_t
maas_p16_elems(int64_t k, int64_t n)
{
    return (size_t) ((n + 15) / 16) * 16 * (size_t) k;
}


/* Bytes of the panels of a k x n matrix. */
static inline size_t
maas_format_bytes(unsigned format, int64_t k, int64_t n)
{
    return format == MAAS_FMT_P16Q8
           ? (size_t) ((n + MAAS_P16 - 1) / MAAS_P16)
             * (size_t) maas_p16q8_panel(k)
           : maas_p16_elems(k, n) * sizeof(float);
}


typedef enum {
    MAAS_U_EXP = 0, MAAS_U_LOG, MAAS_U_TANH, MAAS_U_SIGMOID, MAAS_U_ERF,
    MAAS_U_SQRT, MAAS_U_RECIP, MAAS_U_ABS, MAAS_U_NEG, MAAS_U_FLOOR,
    MAAS_U_CEIL, MAAS_U_ROUND,          /* half to even */
    MAAS_U_RELU,
    MAAS_U_CLIP,                        /* a: min, b: max; NaN passes */
    MAAS_U_LEAKY,                       /* x < 0 ? a * x : x */
    MAAS_U_ELU,                         /* x < 0 ? a * (exp(x) - 1) : x */
    MAAS_U_HSIGMOID,                    /* clip(a * x + b, 0, 1) */
    MAAS_U_HSWISH,                      /* x * clip(x / 6 + 1/2, 0, 1) */
    MAAS_U_SILU,                        /* x * sigmoid(x) */
    MAAS_U_GELU,                        /* x / 2 * (1 + erf(x / sqrt(2))) */
    MAAS_U_SOFTPLUS,                    /* log(1 + exp(x)) */
    MAAS_U_AFFINE,                      /* a * x + b */
    MAAS_U_SWISH,                       /* x * sigmoid(a * x + b * x^3) */
    MAAS_U_MISH,                        /* x * tanh(log(1 + exp(x))) */
    /*
     * To 8 bits and back: x / a, half to even, within the numbers that with
     * the zero point b make 0 .. 255, or -128 .. 127; times a.  NaN gives the
     * least.
     */
    MAAS_U_QDQ_U8,
    MAAS_U_QDQ_I8,
    MAAS_U_SIN, MAAS_U_COS, MAAS_U_TAN, MAAS_U_ASIN, MAAS_U_ACOS,
    MAAS_U_ATAN, MAAS_U_SINH, MAAS_U_COSH, MAAS_U_ASINH, MAAS_U_ACOSH,
    MAAS_U_ATANH,
    MAAS_UNARIES
} maas_unary_t;

typedef enum {
    MAAS_B_ADD = 0, MAAS_B_SUB, MAAS_B_MUL, MAAS_B_DIV, MAAS_B_MIN,
    MAAS_B_MAX, MAAS_B_POW,
    MAAS_BINARIES
} maas_binary_t;

/*
 * Gradients of functions of one input, by v: its input, or for Relu, Sigmoid
 * and Tanh the output.  At a kink: Relu'(0) = 0, LeakyRelu'(0) = a.
 */
typedef enum {
    MAAS_G_RELU = 0,                    /* v > 0 ? d : 0 */
    MAAS_G_LEAKY,                       /* v > 0 ? d : a * d */
    MAAS_G_ELU,                         /* v > 0 ? d : d * a * exp(v) */
    MAAS_G_SIGMOID,                     /* d * v * (1 - v) */
    MAAS_G_TANH,                        /* d * (1 - v^2) */
    MAAS_G_HSIGMOID,                    /* 0 < a * v + b < 1 ? a * d : 0 */
    MAAS_G_HSWISH,                      /* d * (v / 3 + 1/2) within +-3 */
    MAAS_G_SOFTPLUS,                    /* d * sigmoid(v) */
    MAAS_G_GELU,
    MAAS_G_GELU_TANH,
    MAAS_G_SWISH,                       /* of v * sigmoid(a * v) */
    MAAS_G_MISH,
    MAAS_BACKS
} maas_back_t;

typedef enum {
    MAAS_R_SUM = 0, MAAS_R_MAX, MAAS_R_MIN, MAAS_R_SUMSQ, MAAS_R_SUMABS,
    MAAS_R_PROD,
    MAAS_REDUCES
} maas_reduce_t;


/* float32 matrix product; C is written, or added to when accumulate. */
typedef struct {
    int64_t       m, n, k;
    const float  *a;            /* m x k, row i at a + i * lda */
    int64_t       lda;
    const float  *b;            /* P16 of k x n; gemmb(): see there */
    float        *c;            /* m x n, row i at c + i * ldc */
    int64_t       ldc;
    const float  *bias;         /* n values that start the chain, or NULL */
    bool          accumulate;   /* C starts it; with a bias, C + bias */
    const float  *after;        /* n values added to its end, or NULL */
    int64_t       ldb;          /* of gemmb() only */
} maas_gemm_t;

/*
 * The same product, transposed on both sides, for NCHW convolution:
 * C[n][m] = bias[n] + sum over k of W(k, n) * X[k][m], vectors along m.
 */
typedef struct {
    int64_t       m, n, k;
    const float  *x;            /* k rows of m values, row k at x + k * ldx */
    int64_t       ldx;
    const float  *w;            /* P16 of k x n */
    float        *c;            /* n rows of m values */
    int64_t       ldc;
    const float  *bias;         /* n values, or NULL */
    bool          accumulate;
} maas_gemmt_t;


/*
 * A piece of a convolution over blocked activations: rows x cols pixels of
 * the blocks that hold n output channels.  The chain of an output element
 * starts with its bias and takes na x nb x nc runs of inputs that are
 * neighbours in x, with weights that follow each other in w:
 *
 *   for a in [0, na)  for b in [b0, b0 + nb)  for c in [0, nc)
 *     for i in [0, a + 1 < na ? run : last)
 *       y += x[a * xa + (b - b0) * xb + c * xc + i] * *w++
 *
 * so that one description serves blocked inputs (blocks, kernel rows and
 * columns, channels of the block) and planes (channels, rows, columns).
 * left: the first pixel of a row has nothing under the kernel's first column,
 * right: nor the last pixel under its last one (c = 0, c = nc - 1; nc > 1);
 * their chains leave these runs out.  Then `add` and the limits are applied.  A long chain may be made in parts,
 * each over some of a: `more` leaves the sums in y, `sums` goes on with them.
 *
 * While a piece is computed, `nahead` floats from `ahead` on (and from the
 * places of the further blocks) are fetched, evenly, as weights that come in
 * a burst are waited for.
 */
typedef struct {
    const float  *x;            /* first tap of the first pixel */
    const float  *w;            /* P16; of the first block */
    const float  *bias;         /* n values, or NULL */
    const float  *add;          /* laid out as y, or NULL */
    float        *y;
    int64_t       rows, cols;
    int64_t       n;
    int64_t       na, b0, nb, nc;
    int64_t       run, last;
    int64_t       skip;         /* the first run starts so far in; w does not
                                   have what is skipped */
    int64_t       xa, xb, xc;
    int64_t       xrow, xcol;   /* from an output row or pixel to the next */
    int64_t       yrow, yblock;
    int64_t       wa;           /* floats of w from an a to the next */
    int64_t       wb;           /* runs of the kernel's whole height */
    int64_t       wblock;
    const float  *ahead;        /* read after this piece, or NULL */
    int64_t       nahead;
    bool          left, right;
    bool          sums, more;
    bool          clip;         /* to [lo, hi]; NaN passes */
    float         lo, hi;
} maas_conv16_t;

/*
 * What one output element of a resized axis is made of: elements at[0 .. n)
 * of the input, by weights; n is 1 or more, a single one weighs 1.
 */
typedef struct {
    float    *w;
    int32_t  *at;
    int32_t   n;
    int32_t   outside;          /* of the crop: the caller's concern */
} maas_tap_t;

/* A window over one block of 16 channels; rows [y0, y1) of the output. */
typedef struct {
    const float  *x;            /* ih x iw x 16 */
    const float  *w;            /* kh x kw x 16: a depthwise convolution */
    const float  *bias;         /* 16 values */
    float        *y;            /* oh x ow x 16 */
    int64_t       ih, iw, oh, ow;
    int64_t       kh, kw, sh, sw, ph, pw, dh, dw;
    int64_t       y0, y1;
    bool          clip;
    float         lo, hi;
} maas_win16_t;


/*
 * What a piece of a convolution adds to the gradient of one tap's weights:
 * n inputs by so many blocks of 16 output channels, each a chain over
 * rows x cols pixels, from zero, whose end is added to dw:
 *
 *   dw[i * dwrow + b * 16 + l] +=
 *       sum over (r, c) of x[r * xrow + c * xcol + i * xnext]
 *                          * dy[b * yblock + r * yrow + c * 16 + l]
 */
typedef struct {
    const float  *x;            /* under the tap, at the first pixel */
    const float  *dy;
    float        *dw;
    int64_t       n, blocks;
    int64_t       rows, cols;
    int64_t       xrow, xcol, xnext;
    int64_t       yrow, yblock;
    int64_t       dwrow;
} maas_wgrad16_t;


/*
 * Winograd's transforms of a tile of one block of 16 channels, F(m x m,
 * 3 x 3) with m = 2 or 4: (m + 2)^2 inputs from row y0, column x0 of a plane
 * (zeros outside) to as many values, `step` floats apart, and back to m x m
 * outputs, of which those inside the plane are written.
 */
typedef struct {
    int           m;
    int64_t       h, w;         /* of the plane */
    int64_t       y0, x0;
    int64_t       step;
    const float  *bias;         /* 16 values; back only, as what follows */
    const float  *add;          /* the plane's, or NULL */
    bool          clip;
    float         lo, hi;
} maas_wino16_t;


/*
 * C = A * B of 8-bit integers, sums wrap.  Whole panels are written: C has
 * room for n rounded up to 16 in each row.
 */
typedef struct {
    int64_t        m, n, k;
    const uint8_t *a;           /* m x k, row i at a + i * lda */
    int64_t        lda;
    const int8_t  *b;           /* panels: maas_q16_panel(k) bytes each */
    int32_t       *c;
    int64_t        ldc;
} maas_qgemm_t;


/*
 * A piece of a convolution of 8-bit numbers over blocks of 16 channels: rows x
 * cols pixels of `blocks` blocks of the output.  A sum starts with start[] and
 * takes runs of 4, 8, ... bytes that are neighbours in x, with weights that
 * follow each other in w, as often as `passes` says:
 *
 *   for p in [0, passes)  for a in [0, na)  for b in [0, nb)  for c in [0, nc)
 *     for i in [0, a + 1 < na ? run : last)
 *       y += x[a * xa + b * xb + c * xc + i] * w(next)
 *
 * w: for each 4 i, and for each of 16 channels, 4 bytes.  Sums wrap like
 * unsigned ones.  Without a scale they are stored; else
 *
 *   q = clamp(round_half_even(float32(sum) * scale), lo, hi)
 *
 * NaN giving lo, and q + zero is stored as a byte; or, with what is added,
 *
 *   clamp(round_half_even(q * fsum + (add - zadd) * fadd), alo, ahi) + azero
 *
 * where each product and the sum round to float32.
 */
typedef struct {
    const uint8_t  *x;          /* first tap of the first pixel */
    const int8_t   *w;          /* of the first block */
    const int32_t  *start;      /* 16 for each block */
    const float    *scale;      /* the same, or NULL */
    const uint8_t  *add;        /* laid out as y, or NULL */
    void           *y;          /* uint8, or int32 without a scale */
    int64_t         rows, cols, blocks;
    int64_t         passes, na, nb, nc;
    int64_t         run, last;  /* bytes, multiples of 4 */
    int64_t         xa, xb, xc;
    int64_t         xrow, xcol; /* from an output row or pixel to the next */
    int64_t         yrow, yblock;       /* elements */
    int64_t         wblock;     /* bytes */
    const int8_t   *ahead;      /* weights that come next, or NULL */
    int32_t         zero, zadd, azero;
    float           lo, hi;     /* integers */
    float           fsum, fadd, alo, ahi;
} maas_qconv16_t;


typedef struct {
    float    fa, fb;
    int32_t  za, zb, zero;
    float    lo, hi;            /* integers */
} maas_qadd_t;


typedef struct maas_kernels_s {
    maas_cpu_t  level;

    /* Rows [m0, m1); every column.  M = 1 takes a vector path itself. */
    void (*gemm)(const maas_gemm_t *g, int64_t m0, int64_t m1);

    /*
     * The same of B as it lies: k rows of n values, row i at b + i * ldb.  For
     * a few rows of A, by which packing B would not pay.
     */
    void (*gemmb)(const maas_gemm_t *g, int64_t m0, int64_t m1);

    /* The same of A(i, k) at a + k * lda + i: the gradient of weights. */
    void (*gemmta)(const maas_gemm_t *g, int64_t m0, int64_t m1);

    /* Columns [m0, m1) of C[n][m]; n0, n1 multiples of 16 (n1 may be n). */
    void (*gemmt)(const maas_gemmt_t *g, int64_t m0, int64_t m1,
        int64_t n0, int64_t n1);

    /* dst: P16 of b(k, n) at b[k * ks + n * ns]; panels [p0, p1). */
    void (*pack_p16)(float *dst, const float *b, int64_t ks, int64_t ns,
        int64_t k, int64_t n, int64_t p0, int64_t p1);

    /* y may be x. */
    void (*unary[MAAS_UNARIES])(float *y, const float *x, int64_t n, float a,
        float b);

    /* sa, sb: stride of a and b, 0 or 1.  y may be a or b. */
    void (*binary[MAAS_BINARIES])(float *y, const float *a, int sa,
        const float *b, int sb, int64_t n);

    /* One value from n contiguous ones; n = 0 gives the neutral element. */
    float (*reduce[MAAS_REDUCES])(const float *x, int64_t n);

    /*
     * Reduction across rows, one after the other: y[i] = op(y[i], x[i]), and
     * so on with x + ld, of n columns.
     */
    void (*fold[MAAS_REDUCES])(float *y, const float *x, int64_t ld,
        int64_t rows, int64_t n);

    /* One row; y may be x. */
    void (*softmax)(float *y, const float *x, int64_t n);
    void (*log_softmax)(float *y, const float *x, int64_t n);

    /*
     * Rows of an attention: y = softmax(f * x + add), add may be NULL; and
     * its gradient by p, what that gave, in place of d = dL/dp:
     * f * p * (d - sum(p d)).
     */
    void (*softmax_add)(float *y, const float *x, const float *add,
        int64_t n, float f);
    void (*softmax_back)(float *d, const float *p, int64_t n, float f);

    /*
     * (x - mean) / sqrt(var + eps) * gamma + beta; beta, mean and inv_std
     * may be NULL; y may be x.
     */
    void (*layer_norm)(float *y, const float *x, const float *gamma,
        const float *beta, int64_t n, float eps, float *mean,
        float *inv_std);

    /* dx from d = dy and v; dx may be dy or v. */
    void (*back[MAAS_BACKS])(float *dx, const float *dy, const float *v,
        int64_t n, float a, float b);

    /*
     * The gradient of layer_norm by x, of rows that follow each other: with
     * g = dy * gamma, h = (x - mean) * inv_std and means over the row,
     * (g - mean(g) - h * mean(g h)) * inv_std.  stats: of each row its mean
     * and inv_std.  dx may be dy or x.
     */
    void (*layer_norm_back)(float *dx, const float *dy, const float *x,
        const float *gamma, int64_t rows, int64_t n, float eps,
        float *stats);

    /*
     * Its gradients by gamma and beta, of n columns: sums over rows, each a
     * chain from zero, of dy * h and of dy; row r of dy and x at r * ld, of
     * the statistics at 2 r.
     */
    void (*layer_norm_sums)(float *dgamma, float *dbeta, const float *dy,
        const float *x, int64_t ld, const float *stats, int64_t rows,
        int64_t n);

    /* A row of LSTM: c = f * last + i * g, the gates i o f g in a. */
    void (*lstm_cell)(float *c, const float *a, const float *last,
        int64_t n);

    /*
     * Its gradient: a becomes that by the gates before their functions, from
     * dh and dc, those by the new state and cell, and th, tanh of the new
     * cell; dc becomes that by the last cell.
     */
    void (*lstm_back)(float *a, const float *dh, float *dc,
        const float *last, const float *th, int64_t n);

    float (*dot)(const float *a, const float *b, int64_t n);
    void (*axpy)(float *y, float a, const float *x, int64_t n);

    /* dst[j * ldd + i] = src[i * lds + j], rows x cols of src. */
    void (*transpose)(float *dst, int64_t ldd, const float *src, int64_t lds,
        int64_t rows, int64_t cols);

    /*
     * One channel of a depthwise 2-D convolution, output rows [y0, y1).
     * Sum over (ky, kx) ascending, then nothing: bias starts the chain.
     */
    void (*dwconv)(float *out, const float *in, const float *w, float bias,
        int64_t ih, int64_t iw, int64_t oh, int64_t ow, int kh, int kw,
        int sh, int sw, int ph, int pw, int dh, int dw, int64_t y0,
        int64_t y1);

    /* Blocked activations; see the structures. */
    void (*conv16)(const maas_conv16_t *c);
    void (*wgrad16)(const maas_wgrad16_t *c);
    void (*dwconv16)(const maas_win16_t *c);
    /*
     * What rows [y0, y1) of dy, laid out as y, add to the gradient of
     * dwconv16's weights.  Of each tap two chains over the pixels that it
     * reaches, of even and of odd columns of dy, from zero; their sum is
     * added to dw.
     */
    void (*dwgrad16)(const maas_win16_t *c, float *dw, const float *dy);
    /* Of the taps that lie inside; a NaN among them wins. */
    void (*maxpool16)(const maas_win16_t *c);
    /* plane: h x w x 16 */
    void (*winoin16)(const maas_wino16_t *t, float *v, const float *plane);
    void (*winoout16)(const maas_wino16_t *t, float *plane, const float *v);
    /*
     * The gradient of maxpool16 over the whole plane: y is its output; dy of
     * a pixel goes to the first tap that has the maximum (a NaN is one).
     * add: to what is in dx, which windows share; else no two windows do,
     * and dx of their taps is written.
     */
    void (*maxgrad16)(const maas_win16_t *c, float *dx, const float *dy,
        bool add);
    /* `count` lanes of n pixels: y[p * 16 + l] = x[p * 16 + l]. */
    void (*lanes16)(float *y, const float *x, int64_t n, int64_t count);
    /*
     * Four blocks of channels, xstep floats apart, woven into `count` (1 to
     * 4) blocks, ystep apart: channel 4 j + i is channel j of block i; n
     * pixels.
     */
    void (*weave16)(float *y, int64_t ystep, const float *x, int64_t xstep,
        int64_t n, int64_t count);
    /*
     * y = w[0] * x[0] + w[1] * x[1] + ... of rows of n floats, from the left;
     * products are rounded before they are added.  add: y comes first.
     */
    void (*blend)(float *y, const float *const *x, const float *w, int rows,
        bool add, int64_t n);
    /* The same along a row: pixel i of n is what t[i] says of pixels of x. */
    void (*taps16)(float *y, const float *x, const maas_tap_t *t, int64_t n);
    /* The sum of n pixels of 16 channels, times f. */
    void (*sum16)(float *y, const float *x, int64_t n, float f);
    /* y = clamp(x * a + b) of n pixels, a and b for each channel. */
    void (*affine16)(float *y, const float *x, const float *a,
        const float *b, int64_t n, float lo, float hi);

    void (*qgemm)(const maas_qgemm_t *g);

    /* A panel of 16 columns of k rows; row i at x + i * ld, flip 0 or 128. */
    void (*qpack16)(int8_t *y, const uint8_t *x, int64_t ld, int64_t k,
        uint8_t flip);

    void (*qconv16)(const maas_qconv16_t *c);

    /*
     * Depthwise: channel l of y takes channel l of x, nb x nc taps (na is 1).
     * One block of y.  w: for each column of the kernel, each 4 of its rows
     * and each channel 4 bytes, of rows that there are not 0.
     */
    void (*qdw16)(const maas_qconv16_t *c);

    /* The larger byte of each of 16 channels: nb x nc taps; as qdw16. */
    void (*qmax16)(const maas_qconv16_t *c);

    /*
     * y = clamp(round_half_even((a - za) * fa + (b - zb) * fb), lo, hi) + zero
     * of bytes; products and the sum round to float32, NaN gives lo.
     */
    void (*qadd)(uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t n,
        const maas_qadd_t *f);

    /* y = x + f * sum[i] [+ r * zero[i]], wrapping; y may be x. */
    void (*qfix)(int32_t *y, const int32_t *x, const int32_t *sum, int32_t f,
        const int32_t *zero, int32_t r, int64_t n);

    /* n rows of a panel of MAAS_FMT_P16Q8: y = (x - zero) * scale. */
    void (*unpack16)(float *y, const int8_t *x, const float *scale,
        const float *zero, int64_t n);

    /* y = x * scale[i * step], x rounded to float32 first; step 0 or 1. */
    void (*qscale)(float *y, const int32_t *x, const float *scale, int step,
        int64_t n);

    /*
     * Codes: x * scale[i * step], x rounded to float32 first, half to even,
     * plus zero, within [lo, hi]; NaN gives lo.  step 0 or 1.
     */
    void (*qround)(uint8_t *y, const int32_t *x, const float *scale, int step,
        int32_t zero, int32_t lo, int32_t hi, int64_t n);

    /* uint8: x / scale, half to even, plus zero, saturated; NaN gives 0. */
    void (*quantize)(uint8_t *y, const float *x, float scale, int32_t zero,
        int64_t n);

    uint32_t (*qsum)(const uint8_t *x, int64_t n);

    void (*f16_to_f32)(float *y, const uint16_t *x, int64_t n);
    void (*f32_to_f16)(uint16_t *y, const float *x, int64_t n);

    /*
     * float64, from OpenBLAS where linked, else plain C.  One thread of the
     * process at a time: others wait (maas_blas_enter()).
     */
    void (*dgemm)(int64_t m, int64_t n, int64_t k, const double *a,
        int64_t lda, const double *b, int64_t ldb, double *c, int64_t ldc);
} maas_kernels_t;

/*
 * Around every call of OpenBLAS and its LAPACK: the serial build shares
 * buffers between threads without a lock, and two at once compute wrong
 * results.
 */
void maas_blas_enter(void);
void maas_blas_leave(void);

/* The table of a level; NULL when the host cannot run it. */
const maas_kernels_t *maas_kernels(maas_cpu_t level);

/*
 * n rounds of multiply-adds in registers of a level that the host runs; the
 * float32 operations of a round, 0: there is no such loop.  For benches.
 */
int maas_kernels_peak(maas_cpu_t level, uint64_t n);

#endif
