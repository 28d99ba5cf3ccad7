/*
 * The kernels over blocks of 16 channels, at each CPU level, against ref:
 * to the bit, but at v2 (no fused multiply-add).  Sizes lie around the
 * tiles; operands lie at the ends of their pages (kernels_test.h); outputs
 * have guards.
 */

#include "kernels_test.h"


/* Bits, or the bound of k products at v2; k = 0: nothing rounds. */
static int
compare(int64_t n, int64_t k, bool adverse, const char *what)
{
    int      bad = 0;
    int64_t  i;

    n += 2 * GUARD;

    if (kt->level != MAAS_CPU_V2 || k == 0) {
        return differ(b1, b0, n, what);
    }

    for (i = 0; i < n && !adverse; i++) {
        bad += !(fabsf(b1[i] - b0[i]) <= (float) ((k + 4) * (k + 4))
                                         * 0x1p-23f);
    }

    return bad;
}


static void
prepare(int64_t n)
{
    fill(b0, n + 2 * GUARD, false);
    memcpy(b1, b0, sizeof(float) * (size_t) (n + 2 * GUARD));
}


/* -- convolution --------------------------------------------------------- */

typedef struct {
    int   parts, last;          /* of the input; planes: parts of 1 */
    int   k, s, rows, cols, n;
    int   b0, nb;               /* kernel rows that count */
    bool  planes, split, add, clip, bias, adverse;
    bool  left, right;          /* a tap of an end lies beside the row */
    bool  whole;                /* nothing of the first part is skipped */
} conv_t;


/* The chain at once, or an `a` at a time. */
static void
in_parts(const maas_conv16_t *c, bool split)
{
    maas_conv16_t  p = *c;

    if (!split || c->skip != 0) {
        kt->conv16(c);
        return;
    }

    for (int64_t a = 0; a < c->na; a++) {
        p.x = c->x + a * c->xa;
        p.w = c->w + a * c->wa;
        p.na = 1;
        p.last = a + 1 < c->na ? c->run : c->last;
        p.sums = a != 0;
        p.more = a + 1 < c->na;
        kt->conv16(&p);
    }
}


/*
 * The piece that a case describes, its operands filled; how many values the
 * output has.  0: there is no room for them.
 */
static int64_t
conv_make(maas_conv16_t *c, const conv_t *t)
{
    float    *x, *w, *add, *bias;
    int64_t   lane = t->planes ? 1 : 16;
    int64_t   wide = (t->cols - 1) * t->s + t->k;
    int64_t   high = (t->rows - 1) * t->s + t->k;
    int64_t   blocks = (t->n + 15) / 16, pixels = t->rows * t->cols;
    int64_t   nx = t->parts * wide * high * lane, ny = blocks * pixels * 16;
    int64_t   nw = ((t->parts - 1) * lane + t->last) * t->k * t->k * 16;

    if (nx > MAXBUF || ny + 2 * GUARD > MAXBUF || nw * blocks > MAXBUF) {
        return 0;
    }

    x = EDGE(bx, nx);
    w = LAST(bw, nw * blocks);
    add = LAST(ba, ny);
    bias = LAST(bb, t->n);
    fill(x, nx, t->adverse);
    fill(w, nw * blocks, t->adverse);
    fill(add, ny, false);
    fill(bias, t->n, false);

    *c = (maas_conv16_t) {
        .x = x, .w = w, .bias = t->bias ? bias : NULL,
        .add = t->add ? add : NULL, .rows = t->rows, .cols = t->cols,
        .n = t->n, .na = t->parts, .b0 = t->b0, .nb = t->nb,
        .nc = t->planes ? 1 : t->k, .run = t->planes ? t->k : 16,
        .last = t->planes ? t->k : t->last,
        .skip = t->planes || t->k > 1 || t->whole
                ? 0 : 5 % (t->parts == 1 ? t->last : 16),
        .xa = wide * high * lane, .xb = wide * lane, .xc = lane,
        .xrow = t->s * wide * lane, .xcol = t->s * lane,
        .yrow = t->cols * 16, .yblock = pixels * 16,
        .wa = t->k * t->k * lane * 16, .wblock = nw,
        .left = t->left, .right = t->right,
        .ahead = t->add ? w : NULL, .nahead = t->add ? nw : 0,
        .clip = t->clip, .lo = t->n % 16 == 0 ? -INFINITY : -0.5f,
        .hi = t->cols % 3 == 1 ? INFINITY : 0.75f
    };

    return ny;
}


static int
conv_case(const conv_t *t)
{
    char           what[160];
    int64_t        ny, k = t->parts * t->k * t->k * (t->planes ? 1 : 16);
    maas_conv16_t  c;

    ny = conv_make(&c, t);
    if (ny == 0) {
        return 0;
    }

    prepare(ny);
    c.y = b0 + GUARD;
    ref->conv16(&c);
    c.y = b1 + GUARD;
    in_parts(&c, t->split);

    snprintf(what, sizeof(what), "conv16 parts %d last %d kernel %d stride "
             "%d, %dx%d pixels, %d channels, kernel rows %d+%d%s", t->parts,
             t->last, t->k, t->s, t->rows, t->cols, t->n, t->b0, t->nb,
             t->planes ? ", planes" : "");

    return compare(ny, k, t->adverse, what);
}


static void
test_conv(void)
{
    static const int  cols[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15,
                                 16, 27, 28, 29, 43 };
    static const int  ns[] = { 1, 15, 16, 17, 32, 33, 48, 70 };

    int     bad = 0, at = 0;
    size_t  i, j;
    conv_t  t;

    for (i = 0; i < maas_nelts(cols); i++) {
        for (j = 0; j < maas_nelts(ns); j++) {
            for (int v = 0; v < 8; v++, at++) {
                t = (conv_t) {
                    .parts = 1 + at % 3, .last = at % 4 ? 16 : 1 + at % 16,
                    .k = v % 4 == 3 ? 7 : v % 4 + 1, .s = 1 + at % 5 / 3,
                    .rows = 1 + at % 4, .cols = cols[i], .n = ns[j],
                    .planes = v >= 4, .split = at % 5 < 2,
                    .add = at % 3 == 0,
                    .clip = at % 4 == 1, .bias = at % 5 != 0,
                    .adverse = at % 7 == 0
                };
                t.b0 = at % 6 == 0 ? t.k - 1 : 0;
                t.left = !t.planes && t.k > 1 && at / 8 % 4 < 2;
                t.right = !t.planes && t.k > 1 && at / 8 % 3 < 2;
                t.nb = at % 6 == 0 ? 1 : at % 11 == 0 ? 0 : t.k - t.b0;
                bad += conv_case(&t);
            }
        }
    }

    ok(bad == 0, "%s conv16", maas_cpu_name(kt->level));
}


/* Kernels of one tap: pixels in a row, of which some make a tile. */
static void
test_points(void)
{
    static const int  ns[] = { 3, 16, 17, 40, 48, 64 };

    int     bad = 0, at = 0;
    size_t  j;
    conv_t  t;

    for (int cols = 20; cols <= 89; cols++) {
        for (j = 0; j < maas_nelts(ns); j++, at++) {
            t = (conv_t) {
                .parts = 1 + at % 4, .last = at % 3 ? 16 : 1 + at % 16,
                .k = 1, .s = at % 13 == 0 ? 2 : 1, .rows = 1 + at % 5 / 4,
                .cols = cols, .n = ns[j], .nb = 1, .split = at % 5 < 2,
                .add = at % 7 < 3, .clip = at % 4 < 2, .bias = at % 5 != 0,
                .adverse = at % 11 == 0, .whole = true
            };
            bad += conv_case(&t);
        }
    }

    ok(bad == 0, "%s conv16 of points", maas_cpu_name(kt->level));
}


/* -- gradients of weights ------------------------------------------------ */

static int
wgrad_case(int n, int blocks, int rows, int cols, int s, bool planes, int at)
{
    char            what[120];
    float          *x, *dy;
    int64_t         wide = cols * s + 2, nx, ny, lane = planes ? 1 : 16;
    maas_wgrad16_t  c;

    nx = planes ? n * rows * s * wide : rows * s * wide * 16;
    ny = blocks * rows * cols * 16;

    if (nx > MAXBUF || ny > MAXBUF) {
        return 0;
    }

    x = EDGE(bx, nx);
    dy = EDGE(ba, ny);
    fill(x, nx, at % 5 == 0);
    fill(dy, ny, at % 5 == 0);
    prepare(n * blocks * 16);

    c = (maas_wgrad16_t) {
        .x = x, .dy = dy, .n = n, .blocks = blocks, .rows = rows,
        .cols = cols, .xrow = s * wide * lane, .xcol = s * lane,
        .xnext = planes ? rows * s * wide : 1, .yrow = cols * 16,
        .yblock = rows * cols * 16, .dwrow = blocks * 16
    };
    c.dw = b0 + GUARD;
    ref->wgrad16(&c);
    c.dw = b1 + GUARD;
    kt->wgrad16(&c);

    snprintf(what, sizeof(what), "wgrad16 %d inputs, %d blocks, %dx%d pixels, "
             "stride %d%s", n, blocks, rows, cols, s,
             planes ? ", planes" : "");

    return compare(n * blocks * 16, rows * cols, at % 5 == 0, what);
}


static void
test_wgrad(void)
{
    int  bad = 0, at = 0;

    for (int n = 1; n <= 16; n++) {
        for (int blocks = 1; blocks <= 7; blocks++) {
            for (int cols = 1; cols < 20; cols += 6, at++) {
                bad += wgrad_case(n, blocks, 1 + at % 4, cols, 1 + at % 2,
                                  at % 3 == 0, at);
            }
        }
    }

    ok(bad == 0, "%s wgrad16", maas_cpu_name(kt->level));
}


static int
dwgrad_case(int ih, int iw, int kh, int kw, int s, int ph, int pw, int d,
    int at)
{
    int           oh, ow;
    char          what[120];
    float        *x, *dy;
    maas_win16_t  c = { 0 };

    oh = (ih + 2 * ph - d * (kh - 1) - 1) / s + 1;
    ow = (iw + 2 * pw - d * (kw - 1) - 1) / s + 1;

    if (ih + 2 * ph < d * (kh - 1) + 1 || iw + 2 * pw < d * (kw - 1) + 1) {
        return 0;
    }

    x = EDGE(bx, ih * iw * 16);
    dy = EDGE(ba, oh * ow * 16);
    fill(x, ih * iw * 16, at % 3 == 0);
    fill(dy, oh * ow * 16, at % 3 == 0);
    prepare(kh * kw * 16);

    c = (maas_win16_t) {
        .x = x, .ih = ih, .iw = iw, .oh = oh, .ow = ow, .kh = kh, .kw = kw,
        .sh = s, .sw = s, .ph = ph, .pw = pw, .dh = d, .dw = d,
        .y0 = at % 2 ? oh / 3 : 0, .y1 = oh
    };
    ref->dwgrad16(&c, b0 + GUARD, dy);
    kt->dwgrad16(&c, b1 + GUARD, dy);

    snprintf(what, sizeof(what), "dwgrad16 %dx%d kernel %dx%d stride %d pad "
             "%d,%d dilation %d", ih, iw, kh, kw, s, ph, pw, d);

    return compare(kh * kw * 16, oh * ow, at % 3 == 0, what);
}


static void
test_dwgrad(void)
{
    int  bad = 0, at = 0;

    for (int kh = 1; kh <= 5; kh += 2) {
        for (int kw = 1; kw <= 7; kw++) {
            for (int iw = 1; iw <= 19; iw += 3, at++) {
                bad += dwgrad_case(1 + at % 9, iw, kh, kw, 1 + at % 3,
                                   kh / 2, at % 4, 1 + at % 5 / 4, at);
            }
        }
    }

    ok(bad == 0, "%s dwgrad16", maas_cpu_name(kt->level));
}


/* -- windows ------------------------------------------------------------- */

static int
window_case(int ih, int iw, int k, int s, int p, int d, bool max, int at)
{
    int            oh, ow;
    char           what[120];
    float         *x, *w, *bias;
    maas_win16_t   c = { 0 };

    oh = (ih + 2 * p - d * (k - 1) - 1) / s + 1;
    ow = (iw + 2 * p - d * (k - 1) - 1) / s + 1;

    if (ih + 2 * p < d * (k - 1) + 1 || iw + 2 * p < d * (k - 1) + 1) {
        return 0;
    }

    x = EDGE(bx, ih * iw * 16);
    fill(x, ih * iw * 16, at % 3 == 0);
    w = LAST(bw, k * k * 16);
    bias = LAST(bb, 16);
    fill(w, k * k * 16, false);
    fill(bias, 16, false);
    prepare(oh * ow * 16);

    c = (maas_win16_t) {
        .x = x, .w = w, .bias = bias, .ih = ih, .iw = iw, .oh = oh, .ow = ow,
        .kh = k, .kw = k, .sh = s, .sw = s, .ph = p, .pw = p, .dh = d,
        .dw = d, .y0 = 0, .y1 = oh, .clip = at % 4 == 1, .lo = -0.25f,
        .hi = 0.5f, .y = b0 + GUARD
    };
    (max ? ref->maxpool16 : ref->dwconv16)(&c);

    c.y = b1 + GUARD;
    c.y0 = oh / 2;
    (max ? kt->maxpool16 : kt->dwconv16)(&c);
    c.y0 = 0;
    c.y1 = oh / 2;
    (max ? kt->maxpool16 : kt->dwconv16)(&c);

    snprintf(what, sizeof(what), "%s %dx%d kernel %d stride %d pad %d "
             "dilation %d", max ? "maxpool16" : "dwconv16", ih, iw, k, s, p,
             d);

    return compare(oh * ow * 16, max ? 0 : k * k, at % 3 == 0, what);
}


static void
test_windows(bool max)
{
    static const int  sizes[] = { 1, 2, 5, 7, 8, 9, 14, 17, 28, 33 };

    int     k, s, p, d, bad = 0, at = 0;
    size_t  i;

    for (i = 0; i < maas_nelts(sizes); i++) {
        for (k = 1; k <= 7; k++) {
            for (s = 1; s <= 3; s++) {
                for (p = 0; p < k; p++) {
                    for (d = 1; d <= 2; d++, at++) {
                        bad += window_case(sizes[i], sizes[i] + (k & 1), k,
                                           s, p, d, max, at);
                    }
                }
            }
        }
    }

    ok(bad == 0, "%s %s", maas_cpu_name(kt->level),
       max ? "maxpool16" : "dwconv16");
}


static int
maxgrad_case(int ih, int iw, int k, int s, int p, int d, int at)
{
    bool           add = d * (k - 1) >= s;
    char           what[120];
    float         *x, *dy;
    int64_t        i, oh, ow;
    maas_win16_t   c;

    oh = (ih + 2 * p - d * (k - 1) - 1) / s + 1;
    ow = (iw + 2 * p - d * (k - 1) - 1) / s + 1;

    if (ih + 2 * p < d * (k - 1) + 1 || iw + 2 * p < d * (k - 1) + 1) {
        return 0;
    }

    x = EDGE(bx, ih * iw * 16);
    dy = EDGE(ba, oh * ow * 16);
    fill(x, ih * iw * 16, at % 3 == 0);
    fill(dy, oh * ow * 16, false);

    /* Values that are often equal. */
    for (i = 0; i < ih * iw * 16 && at % 2; i++) {
        x[i] = x[i] > 0 ? x[i] > 0.25f : -1;
    }

    c = (maas_win16_t) {
        .x = x, .y = bw, .ih = ih, .iw = iw, .oh = oh, .ow = ow, .kh = k,
        .kw = k, .sh = s, .sw = s, .ph = p, .pw = p, .dh = d, .dw = d,
        .y1 = oh
    };
    ref->maxpool16(&c);

    prepare(ih * iw * 16);
    ref->maxgrad16(&c, b0 + GUARD, dy, add);
    kt->maxgrad16(&c, b1 + GUARD, dy, add);

    snprintf(what, sizeof(what), "maxgrad16 %dx%d kernel %d stride %d pad %d "
             "dilation %d", ih, iw, k, s, p, d);

    return compare(ih * iw * 16, 0, false, what);
}


static void
test_maxgrad(void)
{
    static const int  sizes[] = { 1, 2, 5, 8, 9, 14 };

    int  bad = 0, at = 0;

    for (size_t i = 0; i < maas_nelts(sizes); i++) {
        for (int k = 1; k <= 5; k++) {
            for (int s = 1; s <= 3; s++) {
                for (int p = 0; p < k; p++, at++) {
                    bad += maxgrad_case(sizes[i], sizes[i] + (k & 1), k, s,
                                        p, 1 + at % 2, at);
                }
            }
        }
    }

    ok(bad == 0, "%s maxgrad16", maas_cpu_name(kt->level));
}


/* -- Winograd ------------------------------------------------------------ */

static int
wino_case(int m, int h, int w, int at)
{
    int            t = (m + 2) * (m + 2), bad = 0;
    char           what[80];
    float         *x, *add, *bias;
    maas_wino16_t  c = { .m = m, .h = h, .w = w, .step = 16 + at % 3 * 16 };

    x = EDGE(bx, h * w * 16);
    add = EDGE(ba, h * w * 16);
    bias = LAST(bb, 16);
    fill(x, h * w * 16, at % 4 == 3);
    fill(add, h * w * 16, false);
    fill(bias, 16, false);
    c.bias = bias;
    c.add = at % 2 ? add : NULL;
    c.clip = at % 3 == 0;
    c.lo = -0.4f;
    c.hi = 0.9f;
    snprintf(what, sizeof(what), "winograd %d of %dx%d", m, h, w);

    for (c.y0 = -1; c.y0 < h; c.y0 += m) {
        for (c.x0 = -1; c.x0 < w; c.x0 += m) {
            prepare(t * c.step);
            ref->winoin16(&c, b0 + GUARD, x);
            kt->winoin16(&c, b1 + GUARD, x);
            bad += compare(t * c.step, 36, at % 4 == 3, what);
        }
    }

    x = LAST(bx, t * c.step - c.step + 16);
    fill(x, t * c.step - c.step + 16, at % 4 == 3);

    for (c.y0 = 0; c.y0 < h; c.y0 += m) {
        for (c.x0 = 0; c.x0 < w; c.x0 += m) {
            prepare(h * w * 16);
            ref->winoout16(&c, b0 + GUARD, x);
            kt->winoout16(&c, b1 + GUARD, x);
            bad += compare(h * w * 16, 64, at % 4 == 3, what);
        }
    }

    return bad;
}


static void
test_winograd(void)
{
    int  bad = 0, at = 0;

    for (int m = 2; m <= 4; m += 2) {
        for (int h = 1; h <= 10; h++) {
            for (int w = 1; w <= 10; w++) {
                bad += wino_case(m, h, w, at++);
            }
        }
    }

    ok(bad == 0, "%s winoin16 and winoout16", maas_cpu_name(kt->level));
}


/* -- sums and maps ------------------------------------------------------- */

static void
test_sums(void)
{
    int      bad = 0;
    float   *x;
    int64_t  n;

    for (n = 0; n <= 70; n++) {
        x = LAST(bx, n * 16);
        fill(x, n * 16, n % 5 == 0);
        prepare(16);
        ref->sum16(b0 + GUARD, x, n, 0.125f);
        kt->sum16(b1 + GUARD, x, n, 0.125f);
        bad += differ(b1, b0, 16 + 2 * GUARD, "sum16");

        for (int lanes = 1; lanes <= 16; lanes++) {
            prepare(n * 16);
            ref->lanes16(b0 + GUARD, x, n, lanes);
            kt->lanes16(b1 + GUARD, x, n, lanes);
            bad += differ(b1, b0, n * 16 + 2 * GUARD, "lanes16");
        }

        for (int64_t count = 1; count <= 4; count++) {
            x = LAST(bx, 4 * (n + 1) * 16);
            fill(x, 4 * (n + 1) * 16, n % 5 == 0);
            prepare(count * (n + 2) * 16);
            ref->weave16(b0 + GUARD, (n + 2) * 16, x, (n + 1) * 16, n, count);
            kt->weave16(b1 + GUARD, (n + 2) * 16, x, (n + 1) * 16, n, count);
            bad += differ(b1, b0, count * (n + 2) * 16 + 2 * GUARD,
                          "weave16");
        }

        x = LAST(bx, n * 16);
        fill(bw, 32, false);
        prepare(n * 16);
        ref->affine16(b0 + GUARD, x, bw, bw + 16, n, -0.5f, INFINITY);
        kt->affine16(b1 + GUARD, x, bw, bw + 16, n, -0.5f, INFINITY);
        bad += compare(n * 16, 1, n % 5 == 0, "affine16");
    }

    ok(bad == 0, "%s sum16, lanes16, weave16 and affine16",
       maas_cpu_name(kt->level));
}


#define TAPS  7

/* Rows of any length, from any place on: more of them than a group. */
static void
test_blend(void)
{
    int           bad = 0;
    float         w[TAPS];
    const float  *rows[TAPS];

    for (int64_t n = 1; n <= 83; n += n < 40 ? 1 : 13) {
        for (int r = 1; r <= TAPS; r++) {
            for (int i = 0; i < r; i++) {
                w[i] = i % 3 == 2 ? 1 : rnd();
                rows[i] = LAST(bx, n * TAPS) + (r - 1 - i) * n;
            }

            fill(LAST(bx, n * TAPS), n * TAPS, n % 5 == 0);

            for (int add = 0; add < 2; add++) {
                prepare(n);
                ref->blend(b0 + GUARD, rows, w, r, add, n);
                kt->blend(b1 + GUARD, rows, w, r, add, n);
                bad += differ(b1, b0, n + 2 * GUARD, "blend");
            }
        }
    }

    ok(bad == 0, "%s blend", maas_cpu_name(kt->level));
}


/* Any number of taps of each pixel, the first and last pixel among them. */
static void
test_taps(void)
{
    int         bad = 0;
    float       w[20][TAPS];
    int32_t     at[20][TAPS];
    const float  *x;
    maas_tap_t  t[20];

    for (int64_t in = 1; in <= 9; in++) {
        for (int64_t n = 1; n <= 20; n++) {
            for (int64_t i = 0; i < n; i++) {
                t[i] = (maas_tap_t) { w[i], at[i], 1 + (int) (n + i) % TAPS,
                                      0 };

                for (int j = 0; j < t[i].n; j++) {
                    w[i][j] = t[i].n == 1 ? 1 : rnd();
                    at[i][j] = (int32_t) ((i + j * 5) % in);
                }
            }

            x = EDGE(bx, in * 16);
            fill((float *) x, in * 16, n % 5 == 0);
            prepare(n * 16);
            ref->taps16(b0 + GUARD, x, t, n);
            kt->taps16(b1 + GUARD, x, t, n);
            bad += differ(b1, b0, n * 16 + 2 * GUARD, "taps16");
        }
    }

    ok(bad == 0, "%s taps16", maas_cpu_name(kt->level));
}


int
main(void)
{
    maas_cpu_t  level;

    ref = maas_kernels(MAAS_CPU_REF);

    for (level = MAAS_CPU_REF; level < MAAS_CPU_LEVELS; level++) {
        kt = maas_kernels(level);

        if (kt == NULL) {
            printf("# this host has no %s\n", maas_cpu_name(level));
            continue;
        }

        test_conv();
        test_points();
        test_windows(false);
        test_windows(true);
        test_wgrad();
        test_dwgrad();
        test_maxgrad();
        test_winograd();
        test_sums();
        test_blend();
        test_taps();
    }

    return done();
}
