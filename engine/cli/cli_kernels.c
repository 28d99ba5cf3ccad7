/*
 * What maas bench --kernels measures: a run of every entry of the kernel
 * table, of one size or some, and what it costs.  cli_kernel_rates.c does.
 *
 * Ownership: runs take the buffers that they are given.
 * Threads:   the main thread only.
 */

#include "cli/cli_kernels.h"
#include "kernels/kdouble.h"
#include "kernels/klevel.h"


/* -- runs ---------------------------------------------------------------- */

static void
kb_gemm(const kb_t *b)
{
    maas_gemm_t  g = { .m = b->m, .n = b->n, .k = b->kk, .a = b->x,
                       .lda = b->kk, .b = b->w, .c = b->y, .ldc = b->n };

    b->k->gemm(&g, 0, b->m);
}


static void
kb_gemmb(const kb_t *b)
{
    maas_gemm_t  g = { .m = b->m, .n = b->n, .k = b->kk, .a = b->x,
                       .lda = b->kk, .b = b->w, .c = b->y, .ldc = b->n,
                       .ldb = b->n };

    b->k->gemmb(&g, 0, b->m);
}


static void
kb_gemmta(const kb_t *b)
{
    maas_gemm_t  g = { .m = b->m, .n = b->n, .k = b->kk, .a = b->x,
                       .lda = b->m, .b = b->w, .c = b->y, .ldc = b->n };

    b->k->gemmta(&g, 0, b->m);
}


static void
kb_gemmt(const kb_t *b)
{
    maas_gemmt_t  t = { .m = b->m, .n = b->n, .k = b->kk, .x = b->x,
                        .ldx = b->m, .w = b->w, .c = b->y, .ldc = b->m };

    b->k->gemmt(&t, 0, b->m, 0, b->n);
}


/* double: the buffers hold small numbers whichever way they are read */
static void
kb_dgemm(const kb_t *b)
{
    b->k->dgemm(b->m, b->n, b->kk, (const double *) b->x, b->kk,
                (const double *) b->w, b->n, (double *) b->y, b->n);
}


/* A panel of 16 columns; float64, too. */
static void
kb_dgemm16(const kb_t *b)
{
    maas_dgemm16_t  g = { .m = b->m, .k = b->kk, .n = (int) b->n,
                          .a = (const double *) b->x, .ai = b->kk, .ak = 1,
                          .panel = (const double *) b->w,
                          .c = (double *) b->y, .ldc = b->n };

    maas_dgemm16(b->k)(&g);
}


/* m x m pixels by n x n taps, padded */
static void
kb_dwconv(const kb_t *b)
{
    int  n = (int) b->n;

    b->k->dwconv(b->y, b->x, b->w, 0, b->m, b->m, b->m, b->m, n, n, 1, 1,
                 n / 2, n / 2, 1, 1, 0, b->m);
}


/* m x m pixels, kk to n channels, one by one, in blocks of 16 */
static maas_conv16_t
kb_channels16(const kb_t *b)
{
    int64_t  pixels = b->m * b->m;

    return (maas_conv16_t) {
        .x = b->x, .w = b->w, .y = b->y, .rows = b->m, .cols = b->m,
        .n = b->n, .na = b->kk / MAAS_C16, .nb = 1, .nc = 1,
        .run = MAAS_C16, .last = MAAS_C16, .xa = pixels * MAAS_C16,
        .xrow = b->m * MAAS_C16, .xcol = MAAS_C16, .yrow = b->m * MAAS_C16,
        .yblock = pixels * MAAS_C16, .wa = MAAS_C16 * MAAS_P16, .wb = 1,
        .wblock = b->kk * MAAS_P16
    };
}


static void
kb_conv16(const kb_t *b)
{
    maas_conv16_t  c = kb_channels16(b);

    b->k->conv16(&c);
}


/*
 * The gradient of a convolution of stride 2, by its input: one of nine taps,
 * of m x m pixels that go to a phase's sums; kk and n as of conv16.
 */
static void
kb_phase16(const kb_t *b)
{
    maas_conv16_t  c = kb_channels16(b);

    c.b0 = 4;
    c.wa *= 9;
    c.wb = 9;
    c.wblock *= 9;
    c.sums = true;
    b->k->conv16(&c);
}


/* m x m outputs of n x n taps; op: the stride, 0 for 1. */
static maas_win16_t
kb_window(const kb_t *b)
{
    int64_t  s = maas_max(b->op, 1);

    return (maas_win16_t) { .x = b->x, .w = b->w, .bias = b->w, .y = b->y,
                            .ih = b->m * s, .iw = b->m * s, .oh = b->m,
                            .ow = b->m, .kh = b->n, .kw = b->n, .sh = s,
                            .sw = s, .ph = b->n / 2, .pw = b->n / 2, .dh = 1,
                            .dw = 1, .y1 = b->m };
}


static void
kb_dwconv16(const kb_t *b)
{
    maas_win16_t  c = kb_window(b);

    b->k->dwconv16(&c);
}


static void
kb_dwgrad16(const kb_t *b)
{
    maas_win16_t  c = kb_window(b);

    b->k->dwgrad16(&c, b->y, b->x + KB_ROW);
}


static void
kb_maxpool16(const kb_t *b)
{
    maas_win16_t  c = kb_window(b);

    b->k->maxpool16(&c);
}


/* One tap of m x m pixels, op apart, 16 inputs, n channels. */
static void
kb_wgrad16(const kb_t *b)
{
    int64_t         pixels = b->m * b->m;
    maas_wgrad16_t  c = { .x = b->x, .dy = b->w, .dw = b->y, .n = MAAS_C16,
                          .blocks = b->n / MAAS_C16, .rows = b->m,
                          .cols = b->m,
                          .xrow = b->op * b->op * b->m * MAAS_C16,
                          .xcol = b->op * MAAS_C16, .xnext = 1,
                          .yrow = b->m * MAAS_C16,
                          .yblock = pixels * MAAS_C16, .dwrow = b->n };

    b->k->wgrad16(&c);
}


static void
kb_maxgrad16(const kb_t *b)
{
    maas_win16_t  c = { .x = b->x, .y = b->w, .ih = 16, .iw = 16, .oh = 8,
                        .ow = 8, .kh = 2, .kw = 2, .sh = 2, .sw = 2,
                        .dh = 1, .dw = 1, .y1 = 8 };

    b->k->maxgrad16(&c, b->y, b->w, false);
}


/* A tile of six by six, at row 4, column 4 of 16 x 16 pixels. */
static void
kb_winoin16(const kb_t *b)
{
    maas_wino16_t  t = { .m = 4, .h = 16, .w = 16, .y0 = 4, .x0 = 4,
                         .step = MAAS_C16 };

    for (int64_t i = 0; i < KB_ROW; i += 36 * MAAS_C16) {
        b->k->winoin16(&t, b->y, b->x);
    }
}


static void
kb_winoout16(const kb_t *b)
{
    maas_wino16_t  t = { .m = 4, .h = 16, .w = 16, .y0 = 4, .x0 = 4,
                         .step = MAAS_C16, .bias = b->w };

    for (int64_t i = 0; i < KB_ROW; i += 36 * MAAS_C16) {
        b->k->winoout16(&t, b->y, b->x);
    }
}


static void
kb_lanes16(const kb_t *b)
{
    b->k->lanes16(b->y, b->x, KB_ROW / MAAS_C16, 8);
}


static void
kb_weave16(const kb_t *b)
{
    b->k->weave16(b->y, KB_ROW / 4, b->x, KB_ROW / 4, KB_ROW / 4 / MAAS_C16,
                  4);
}


static void
kb_sum16(const kb_t *b)
{
    b->k->sum16(b->y, b->x, KB_ROW / MAAS_C16, 0.5f);
}


static void
kb_affine16(const kb_t *b)
{
    b->k->affine16(b->y, b->x, b->w, b->w, KB_ROW / MAAS_C16, 0, 6);
}


static void
kb_blend(const kb_t *b)
{
    const float  *rows[] = { b->x, b->x + KB_ROW }, w[] = { 0.25f, 0.75f };

    b->k->blend(b->y, rows, w, 2, false, KB_ROW);
}


/* Every pixel twice; op: taps of each. */
static void
kb_taps16(const kb_t *b)
{
    enum { N = KB_ROW / MAAS_C16 };

    float       w[2] = { b->op > 1 ? 0.25f : 1, 0.75f };
    int32_t     at[N + 2];
    maas_tap_t  t[N];

    for (int i = 0; i < N + 2; i++) {
        at[i] = i / 2;
    }

    for (int i = 0; i < N; i++) {
        t[i] = (maas_tap_t) { .w = w, .at = at + i, .n = b->op };
    }

    for (int i = 0; i < KB_TIMES; i++) {
        b->k->taps16(b->y, b->x, t, N);
    }
}


/*
 * 8-bit: m x m outputs of n channels by op x op taps of kk channels (1: a
 * depthwise block), whatever the bytes of the buffers are.
 */
static maas_qconv16_t
kb_bytes16(const kb_t *b)
{
    int64_t  wide = b->m + b->op - 1;

    return (maas_qconv16_t) {
        .x = (const uint8_t *) b->x, .w = (const int8_t *) b->w,
        .start = (const int32_t *) b->w, .scale = b->x, .y = b->y,
        .rows = b->m, .cols = b->m, .blocks = b->n / 16, .passes = 1,
        .na = (b->kk + 15) / 16, .nb = b->op, .nc = b->op, .run = 16,
        .last = 16, .xa = wide * wide * 16, .xb = wide * 16, .xc = 16,
        .xrow = wide * 16, .xcol = 16, .yrow = b->m * 16,
        .yblock = b->m * b->m * 16,
        .wblock = b->kk * b->op * b->op * 16, .hi = 255
    };
}


#define KB_BYTES(op)                                                          \
    static void                                                               \
    kb_##op(const kb_t *b)                                                    \
    {                                                                         \
        maas_qconv16_t  c = kb_bytes16(b);                                    \
                                                                              \
        b->k->op(&c);                                                         \
    }

KB_BYTES(qconv16)
KB_BYTES(qdw16)
KB_BYTES(qmax16)


static void
kb_qadd(const kb_t *b)
{
    maas_qadd_t  f = { .fa = 0.5f, .fb = 0.7f, .zero = 3, .hi = 252 };

    b->k->qadd((uint8_t *) b->y, (const uint8_t *) b->x,
               (const uint8_t *) b->w, KB_ROW, &f);
}


static void
kb_qgemm(const kb_t *b)
{
    maas_qgemm_t  g = { .m = b->m, .n = b->n, .k = b->kk,
                        .a = (const uint8_t *) b->x, .lda = b->kk,
                        .b = (const int8_t *) b->w, .c = (int32_t *) b->y,
                        .ldc = b->n };

    b->k->qgemm(&g);
}


static void
kb_qpack16(const kb_t *b)
{
    b->k->qpack16((int8_t *) b->y, (const uint8_t *) b->x, MAAS_Q16,
                  KB_ROW / MAAS_Q16, 128);
}


static void
kb_qfix(const kb_t *b)
{
    b->k->qfix((int32_t *) b->y, (const int32_t *) b->x,
               (const int32_t *) b->w, 3, NULL, 0, KB_ROW);
}


static void
kb_qscale(const kb_t *b)
{
    b->k->qscale(b->y, (const int32_t *) b->x, b->w, 1, KB_ROW);
}


static void
kb_qround(const kb_t *b)
{
    b->k->qround((uint8_t *) b->y, (const int32_t *) b->x, b->w, 1, 128, 0,
                 255, KB_ROW);
}


static void
kb_unpack16(const kb_t *b)
{
    b->k->unpack16(b->y, (const int8_t *) b->x, b->w, b->w + MAAS_P16,
                   KB_ROW / MAAS_P16);
}


static void
kb_quantize(const kb_t *b)
{
    b->k->quantize((uint8_t *) b->y, b->x, 0.01f, 128, KB_ROW);
}


static void
kb_qsum(const kb_t *b)
{
    b->y[0] = (float) b->k->qsum((const uint8_t *) b->x, KB_ROW);
}


static void
kb_pack(const kb_t *b)
{
    b->k->pack_p16(b->y, b->x, 64, 1, KB_ROW / 64, 64, 0, 4);
}


static void
kb_unary(const kb_t *b)
{
    b->k->unary[b->op](b->y, b->x, KB_ROW, 0.5f, 1.0f);
}


static void
kb_binary(const kb_t *b)
{
    b->k->binary[b->op](b->y, b->x, 1, b->w, 1, KB_ROW);
}


static void
kb_reduce(const kb_t *b)
{
    b->y[0] = b->k->reduce[b->op](b->x, KB_ROW);
}


static void
kb_fold(const kb_t *b)
{
    b->k->fold[b->op](b->y, b->x, 0, 1, KB_ROW);
}


static void
kb_softmax(const kb_t *b)
{
    b->k->softmax(b->y, b->x, KB_ROW);
}


static void
kb_softmax_add(const kb_t *b)
{
    for (int i = 0; i < KB_ROW; i += (int) b->n) {
        b->k->softmax_add(b->y + i, b->x + i, b->w, b->n, 0.5f);
    }
}


static void
kb_softmax_back(const kb_t *b)
{
    for (int i = 0; i < KB_ROW; i += (int) b->n) {
        b->k->softmax_back(b->y + i, b->x + i, b->n, 0.5f);
    }
}


static void
kb_log_softmax(const kb_t *b)
{
    b->k->log_softmax(b->y, b->x, KB_ROW);
}


static void
kb_layer_norm(const kb_t *b)
{
    b->k->layer_norm(b->y, b->x, b->w, b->w, KB_ROW, 1e-5f, NULL, NULL);
}


/* Rows of n. */
static void
kb_norm_back(const kb_t *b)
{
    float  stats[2 * KB_ROW / 64];

    b->k->layer_norm_back(b->y, b->x + KB_ROW, b->x, b->w, KB_ROW / b->n,
                          b->n, 1e-5f, stats);
}


static void
kb_norm_sums(const kb_t *b)
{
    b->k->layer_norm_sums(b->y, b->y + b->n, b->x, b->x + KB_ROW, b->n, b->w,
                          KB_ROW / b->n, b->n);
}


static void
kb_back(const kb_t *b)
{
    b->k->back[b->op](b->y, b->x, b->w, KB_ROW, 0.5f, 1.0f);
}


/* Rows of n, of four gates each. */
static void
kb_lstm_cell(const kb_t *b)
{
    for (int i = 0; i < KB_ROW; i += (int) b->n) {
        b->k->lstm_cell(b->y + i, b->x + 4 * i, b->w + i, b->n);
    }
}


static void
kb_lstm_back(const kb_t *b)
{
    for (int i = 0; i < KB_ROW; i += (int) b->n) {
        b->k->lstm_back(b->y + 4 * i, b->x + i, b->y + 4 * KB_ROW + i,
                        b->w + i, b->w + i, b->n);
    }
}


static void
kb_dot(const kb_t *b)
{
    b->y[0] = b->k->dot(b->x, b->w, KB_ROW);
}


static void
kb_axpy(const kb_t *b)
{
    b->k->axpy(b->y, 0x1p-20f, b->x, KB_ROW);
}


static void
kb_transpose(const kb_t *b)
{
    b->k->transpose(b->y, 64, b->x, 64, 64, 64);
}


static void
kb_from_f16(const kb_t *b)
{
    b->k->f16_to_f32(b->y, (const uint16_t *) b->w, KB_ROW);
}


static void
kb_to_f16(const kb_t *b)
{
    b->k->f32_to_f16((uint16_t *) b->y, b->x, KB_ROW);
}


/* -- the list ------------------------------------------------------------ */

#define KB_U(id, op, l)  { "unary " #op, kb_unary, MAAS_U_##id, 0, 0, 0, 8 },
#define KB_B(id, op, l)  { "binary " #op, kb_binary, MAAS_B_##id, 0, 0, 0, 12 },
#define KB_R(id, op, l)  { "reduce " #op, kb_reduce, MAAS_R_##id, 0, 0, 0, 4 },
#define KB_G(id, op, l)  { "back " #op, kb_back, MAAS_G_##id, 0, 0, 0, 12 },
#define KB_F(id, op, l)  { "fold " #op, kb_fold, MAAS_R_##id, 0, 0, 0, 12 },

const kb_row_t  cli_kernel_rows[] = {
    { "gemm 512x512x512", kb_gemm, 0, 512, 512, 512, 0 },
    { "gemm 128x768x768", kb_gemm, 0, 128, 768, 768, 0 },
    { "gemm 64x3072x768", kb_gemm, 0, 64, 3072, 768, 0 },
    { "gemm 16x768x768", kb_gemm, 0, 16, 768, 768, 0 },
    { "gemm 4x768x768", kb_gemm, 0, 4, 768, 768, 0 },
    { "gemm 1x768x768", kb_gemm, 0, 1, 768, 768, 0 },
    { "gemm 200x50x300", kb_gemm, 0, 200, 50, 300, 0 },
    { "gemmb 1x768x768", kb_gemmb, 0, 1, 768, 768, 0 },
    { "gemmb 4x512x64", kb_gemmb, 0, 4, 512, 64, 0 },
    { "gemmta 256x64x768", kb_gemmta, 0, 256, 64, 768, 0 },
    { "gemmta 64x128x384", kb_gemmta, 0, 64, 128, 384, 0 },
    { "gemmt 64x3136x576", kb_gemmt, 0, 3136, 64, 576, 0 },
    { "gemmt 256x196x2304", kb_gemmt, 0, 196, 256, 2304, 0 },
    { "gemmt 256x49x2304", kb_gemmt, 0, 49, 256, 2304, 0 },
    { "gemmt 24x12544x16", kb_gemmt, 0, 12544, 24, 16, 0 },
    { "dgemm 256x256x256", kb_dgemm, 0, 256, 256, 256, 0 },
    { "dgemm16 256x16x256", kb_dgemm16, 0, 256, 16, 256, 0 },
    { "dwconv 56x56 3x3", kb_dwconv, 0, 56, 3, 1, 0 },
    { "dwconv 14x14 5x5", kb_dwconv, 0, 14, 5, 1, 0 },
    { "conv16 56x56x64, 64", kb_conv16, 0, 56, 64, 64, 0 },
    { "conv16 14x14x256, 256", kb_conv16, 0, 14, 256, 256, 0 },
    { "dwconv16 56x56 3x3", kb_dwconv16, 0, 56, 3, 16, 0 },
    { "dwconv16 28x28 2x2", kb_dwconv16, 0, 28, 2, 16, 0 },
    { "dwconv16 28x28 1x1", kb_dwconv16, 0, 28, 1, 16, 0 },
    { "dwgrad16 56x56 3x3", kb_dwgrad16, 0, 56, 3, 16, 0 },
    { "dwgrad16 28x28/2 3x3", kb_dwgrad16, 2, 28, 3, 16, 0 },
    { "maxpool16 56x56 3x3", kb_maxpool16, 0, 56, 3, 16, 0 },
    { "wgrad16 16x16, 48", kb_wgrad16, 1, 16, 48, 16, 0 },
    { "wgrad16 16x16/2, 48", kb_wgrad16, 2, 16, 48, 16, 0 },
    { "phase16 28x28x128, 32", kb_phase16, 0, 28, 32, 128, 0 },
    { "phase16 14x14x256, 32", kb_phase16, 0, 14, 32, 256, 0 },
    { "phase16 7x7x512, 32", kb_phase16, 0, 7, 32, 512, 0 },
    { "maxgrad16 2x2", kb_maxgrad16, 0, 0, 0, 0, 10 },
    { "winoin16 F(4x4)", kb_winoin16, 0, 0, 0, 0, 8 },
    { "winoout16 F(4x4)", kb_winoout16, 0, 0, 0, 0, 6 },
    { "lanes16", kb_lanes16, 0, 0, 0, 0, 4 },
    { "weave16", kb_weave16, 0, 0, 0, 0, 8 },
    { "blend 2", kb_blend, 0, 0, 0, 0, 12 },
    { "taps16 nearest x2", kb_taps16, 1, 0, 0, 0, 6 * KB_TIMES },
    { "taps16 linear x2", kb_taps16, 2, 0, 0, 0, 6 * KB_TIMES },
    { "sum16", kb_sum16, 0, 0, 0, 0, 4 },
    { "affine16", kb_affine16, 0, 0, 0, 0, 8 },
    { "qgemm 128x768x768", kb_qgemm, 0, 128, 768, 768, 0 },
    { "qgemm 16x768x768", kb_qgemm, 0, 16, 768, 768, 0 },
    { "qpack16", kb_qpack16, 0, 0, 0, 0, 2 },
    { "qconv16 56x56x64, 64", kb_qconv16, 1, 56, 64, 64, 0 },
    { "qconv16 14x14x256, 256", kb_qconv16, 1, 14, 256, 256, 0 },
    { "qconv16 7x7x512, 64 3x3", kb_qconv16, 3, 7, 64, 512, 0 },
    { "qdw16 56x56 3x3", kb_qdw16, 3, 56, 16, 1, 0 },
    { "qdw16 14x14 5x5", kb_qdw16, 5, 14, 16, 1, 0 },
    { "qmax16 28x28 3x3", kb_qmax16, 3, 28, 16, 1, 0 },
    { "qadd", kb_qadd, 0, 0, 0, 0, 3 },
    { "qfix", kb_qfix, 0, 0, 0, 0, 12 },
    { "qscale", kb_qscale, 0, 0, 0, 0, 12 },
    { "qround", kb_qround, 0, 0, 0, 0, 9 },
    { "unpack16", kb_unpack16, 0, 0, 0, 0, 5 },
    { "quantize", kb_quantize, 0, 0, 0, 0, 5 },
    { "qsum", kb_qsum, 0, 0, 0, 0, 1 },
    { "pack_p16", kb_pack, 0, 0, 0, 0, 8 },
    { "transpose", kb_transpose, 0, 0, 0, 0, 8 },
    { "softmax", kb_softmax, 0, 0, 0, 0, 8 },
    { "softmax_add 32", kb_softmax_add, 0, 0, 32, 0, 8 },
    { "softmax_add 512", kb_softmax_add, 0, 0, 512, 0, 8 },
    { "softmax_back 32", kb_softmax_back, 0, 0, 32, 0, 12 },
    { "log_softmax", kb_log_softmax, 0, 0, 0, 0, 8 },
    { "layer_norm", kb_layer_norm, 0, 0, 0, 0, 16 },
    { "layer_norm_back 64", kb_norm_back, 0, 0, 64, 0, 12 },
    { "layer_norm_back", kb_norm_back, 0, 0, KB_ROW, 0, 16 },
    { "layer_norm_sums 64", kb_norm_sums, 0, 0, 64, 0, 8 },
    { "lstm_cell 128", kb_lstm_cell, 0, 0, 128, 0, 20 },
    { "lstm_back 128", kb_lstm_back, 0, 0, 128, 0, 52 },
    { "dot", kb_dot, 0, 0, 0, 0, 8 },
    { "axpy", kb_axpy, 0, 0, 0, 0, 12 },
    { "f16_to_f32", kb_from_f16, 0, 0, 0, 0, 6 },
    { "f32_to_f16", kb_to_f16, 0, 0, 0, 0, 6 },
    MAAS_K_UNARIES(KB_U, 0)
    MAAS_K_BINARIES(KB_B, 0)
    MAAS_K_REDUCES(KB_R, 0)
    MAAS_K_REDUCES(KB_F, 0)
    MAAS_K_BACKS(KB_G, 0)
    { .name = NULL }
};


double
cli_kernel_flops(const kb_row_t *r)
{
    double  taps = 2.0 * (double) (r->m * r->m * r->n * r->n);

    if (r->run == kb_dwconv || r->run == kb_dwconv16
        || r->run == kb_dwgrad16 || r->run == kb_maxpool16)
    {
        return r->run == kb_dwconv ? taps : taps * MAAS_C16;
    }

    if (r->run == kb_qconv16 || r->run == kb_qdw16 || r->run == kb_qmax16) {
        return 2.0 * (double) (r->m * r->m * r->n * r->k * r->op * r->op);
    }

    if (r->run == kb_conv16 || r->run == kb_phase16
        || r->run == kb_wgrad16)
    {
        return 2.0 * (double) (r->m * r->m) * (double) (r->n * r->k);
    }

    return 2.0 * (double) r->m * (double) r->n * (double) r->k;
}


double
cli_kernel_peak(const kb_row_t *r, double flops, double host)
{
    return r->run == kb_dgemm ? host / 2
           : r->run == kb_dgemm16 ? flops / 2 : flops;
}
