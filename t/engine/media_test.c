/*
 * media: JPEG and PNG made here, prepared by the engine, compared with the
 * formulas of model.json's preparation.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

#include "media/image.h"
#include "engine/tap.h"


typedef struct {
    uint8_t  *data;
    size_t    n;
} bytes_t;

static maas_err_t  err;


static void
mem_write(png_structp png, png_bytep p, size_t n)
{
    bytes_t  *b = png_get_io_ptr(png);

    b->data = realloc(b->data, b->n + n);
    memcpy(b->data + b->n, p, n);
    b->n += n;
}


static bytes_t
make_png(uint32_t w, uint32_t h, int depth, int type, int interlace,
    const uint8_t *rows, size_t step, png_colorp pal, int n_pal)
{
    bytes_t      b = { 0 };
    png_infop    info;
    png_structp  png;

    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    info = png_create_info_struct(png);
    png_set_write_fn(png, &b, mem_write, NULL);
    png_set_IHDR(png, info, w, h, depth, type,
                 interlace ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (pal != NULL) {
        png_set_PLTE(png, info, pal, n_pal);
    }
    png_write_info(png, info);

    for (int pass = png_set_interlace_handling(png); pass > 0; pass--) {
        for (uint32_t y = 0; y < h; y++) {
            png_write_row(png, rows + y * step);
        }
    }

    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return b;
}


static bytes_t
make_jpeg(uint32_t w, uint32_t h, int ch, J_COLOR_SPACE in, bool progressive,
    const uint8_t *rows)
{
    bytes_t                      b = { 0 };
    unsigned long                n = 0;
    struct jpeg_error_mgr        em;
    struct jpeg_compress_struct  c;

    c.err = jpeg_std_error(&em);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &b.data, &n);
    c.image_width = w;
    c.image_height = h;
    c.input_components = ch;
    c.in_color_space = in;
    jpeg_set_defaults(&c);
    if (in == JCS_CMYK) {
        jpeg_set_colorspace(&c, JCS_CMYK);
        c.write_Adobe_marker = FALSE;
    }
    jpeg_set_quality(&c, 100, TRUE);
    if (progressive) {
        jpeg_simple_progression(&c);
    }
    jpeg_start_compress(&c, TRUE);
    for (uint32_t y = 0; y < h; y++) {
        JSAMPROW  row = (JSAMPROW) rows + (size_t) y * w * ch;

        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    b.n = n;
    return b;
}


static maas_prep_t
prep_of(int w, int h, maas_fit_t fit, maas_image_layout_t layout,
    maas_color_t color)
{
    maas_prep_t  p = { .kind = MAAS_PREP_IMAGE, .fit = fit, .layout = layout,
                       .color = color, .width = w, .height = h, .scale = 1,
                       .std = { 1, 1, 1, 1 } };
    return p;
}


/* Prepares into a fresh tensor; data NULL on error. */
static maas_tensor_t
prepare(bytes_t b, const maas_prep_t *p, maas_dtype_t dtype)
{
    int                rank;
    maas_tensor_t      t = { .dtype = dtype };
    maas_image_size_t  size;

    err.text[0] = '\0';
    if (maas_image_size(b.data, b.n, 0, &size, &err) != MAAS_OK
        || maas_image_dims(p, &size, t.dims, &rank, &err) != MAAS_OK)
    {
        return (maas_tensor_t) { 0 };
    }

    t.rank = (uint8_t) rank;
    maas_dtype_bytes(dtype, maas_tensor_count(&t), &t.bytes);
    t.data = malloc(t.bytes);

    if (maas_image_prepare(&maas_host_libc, b.data, b.n, 0, p, &t, &err)
        != MAAS_OK)
    {
        free(t.data);
        return (maas_tensor_t) { 0 };
    }

    return t;
}


static double
worst(const maas_tensor_t *t, double (*want)(int64_t i))
{
    double  d = 0;

    for (int64_t i = 0; t->data != NULL && i < maas_tensor_count(t); i++) {
        d = fmax(d, fabs(((float *) t->data)[i] - want(i)));
    }

    return t->data == NULL ? INFINITY : d;
}


/* A 5 x 3 RGB image; pixel (x, y) channel c. */
#define W  5
#define H  3

static uint8_t  rgb[H][W][3];

static double
want_nchw(int64_t i)
{
    return rgb[i / W % H][i % W][i / (W * H)];
}

static double
want_nhwc(int64_t i)
{
    return ((uint8_t *) rgb)[i];
}

static double
want_bgr(int64_t i)
{
    return rgb[i / W % H][i % W][2 - i / (W * H)];
}

static double
want_gray(int64_t i)
{
    const uint8_t  *p = rgb[i / W][i % W];

    return (uint8_t) ((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000)
                      >> 16);
}

static double
want_norm(int64_t i)
{
    static const float  mean[] = { 0.485f, 0.456f, 0.406f };
    static const float  std[] = { 0.229f, 0.224f, 0.225f };
    int                 c = (int) (i / (W * H));

    return ((float) want_nchw(i) * (1.0f / 255) - mean[c]) / std[c];
}

static double
want_invert(int64_t i)
{
    return 255 - want_nchw(i);
}


/* The same image in each test of what a preparation may say. */
static bytes_t
make_rgb(void)
{
    for (int i = 0; i < W * H * 3; i++) {
        ((uint8_t *) rgb)[i] = (uint8_t) (i * 37 + 11);
    }

    return make_png(W, H, 8, PNG_COLOR_TYPE_RGB, 0, (uint8_t *) rgb, W * 3,
                    NULL, 0);
}


static void
test_layouts(void)
{
    bytes_t        b = make_rgb();
    maas_prep_t    p;
    maas_tensor_t  t;

    ok(strcmp(maas_image_sniff(b.data, b.n), "image/png") == 0, "sniff PNG");

    p = prep_of(0, 0, MAAS_FIT_STRETCH, MAAS_LAYOUT_NCHW, MAAS_COLOR_RGB);
    t = prepare(b, &p, MAAS_F32);
    ok(t.rank == 4 && t.dims[0] == 1 && t.dims[1] == 3 && t.dims[2] == H
       && t.dims[3] == W, "NCHW dims");
    ok(worst(&t, want_nchw) == 0, "NCHW values");
    free(t.data);

    p.layout = MAAS_LAYOUT_NHWC;
    t = prepare(b, &p, MAAS_F32);
    ok(t.dims[1] == H && t.dims[2] == W && t.dims[3] == 3
       && worst(&t, want_nhwc) == 0, "NHWC");
    free(t.data);

    p.layout = MAAS_LAYOUT_FLAT;
    t = prepare(b, &p, MAAS_F32);
    ok(t.rank == 2 && t.dims[1] == W * H * 3 && worst(&t, want_nhwc) == 0,
       "flat");
    free(t.data);

    t = prepare(b, &p, MAAS_U8);
    ok(t.data != NULL && memcmp(t.data, rgb, sizeof(rgb)) == 0, "uint8");
    free(t.data);

    t = prepare(b, &p, MAAS_F16);
    ok(t.data == NULL && strstr(err.text, "float16") != NULL, "%s", err.text);
    free(b.data);
}


static void
test_colors(void)
{
    bytes_t        b = make_rgb();
    maas_prep_t    p;
    maas_tensor_t  t;

    p = prep_of(0, 0, MAAS_FIT_STRETCH, MAAS_LAYOUT_NCHW, MAAS_COLOR_BGR);
    t = prepare(b, &p, MAAS_F32);
    ok(worst(&t, want_bgr) == 0, "BGR");
    free(t.data);

    p.color = MAAS_COLOR_GRAY;
    t = prepare(b, &p, MAAS_F32);
    ok(t.dims[1] == 1 && worst(&t, want_gray) == 0, "gray of colour");
    free(t.data);

    p.color = MAAS_COLOR_RGB;
    p.invert = 1;
    t = prepare(b, &p, MAAS_F32);
    ok(worst(&t, want_invert) == 0, "inverted");
    free(t.data);

    p.invert = 0;
    p.scale = 1.0f / 255;
    memcpy(p.mean, (float[]) { 0.485f, 0.456f, 0.406f }, 12);
    memcpy(p.std, (float[]) { 0.229f, 0.224f, 0.225f }, 12);
    t = prepare(b, &p, MAAS_F32);
    ok(worst(&t, want_norm) < 1e-6, "scale, mean, std");
    free(t.data);
    free(b.data);
}


static double
want_const(int64_t i)
{
    (void) i;
    return 100;
}


static void
check_const(const char *name, bytes_t b, int color, double tol)
{
    maas_prep_t    p;
    maas_tensor_t  t;

    p = prep_of(0, 0, MAAS_FIT_STRETCH, MAAS_LAYOUT_NCHW, color);
    t = prepare(b, &p, MAAS_F32);
    ok(worst(&t, want_const) <= tol, "%s %s", name, err.text);
    free(t.data);
    free(b.data);
}


/* Every kind of file; each image is gray 100 everywhere. */
static void
test_png_kinds(void)
{
    uint8_t    buf[64 * 64 * 8];
    png_color  pal[2] = { { 0, 0, 0 }, { 100, 100, 100 } };

    memset(buf, 100, sizeof(buf));
    check_const("PNG gray", make_png(9, 7, 8, 0, 0, buf, 9, NULL, 0),
                MAAS_COLOR_RGB, 0);
    check_const("PNG gray to gray", make_png(9, 7, 8, 0, 0, buf, 9, NULL, 0),
                MAAS_COLOR_GRAY, 0);
    check_const("PNG interlaced",
                make_png(9, 7, 8, 2, 1, buf, 27, NULL, 0), MAAS_COLOR_RGB, 0);

    for (int i = 0; i < 9 * 7 * 3; i++) {
        buf[2 * i] = 100;               /* 100 * 257 */
        buf[2 * i + 1] = 100;
    }
    check_const("PNG of 16 bits", make_png(9, 7, 16, 2, 0, buf, 54, NULL, 0),
                MAAS_COLOR_RGB, 0);

    memset(buf, 0xff, 16);
    check_const("PNG palette of 1 bit",
                make_png(8, 7, 1, 3, 0, buf, 1, pal, 2), MAAS_COLOR_RGB, 0);

    for (int i = 0; i < 64; i++) {      /* 0.608 of black on white */
        memset(buf + 4 * i, 0, 3);
        buf[4 * i + 3] = 155;
    }
    check_const("PNG alpha over white",
                make_png(8, 8, 8, 6, 0, buf, 32, NULL, 0), MAAS_COLOR_RGB, 0);
    check_const("PNG alpha over white to gray",
                make_png(8, 8, 8, 6, 0, buf, 32, NULL, 0), MAAS_COLOR_GRAY, 0);
    for (int i = 0; i < 64; i++) {
        buf[2 * i] = 0;
        buf[2 * i + 1] = 155;
    }
    check_const("PNG gray with alpha",
                make_png(8, 8, 8, 4, 0, buf, 16, NULL, 0), MAAS_COLOR_GRAY, 0);
}


static void
test_jpeg_kinds(void)
{
    uint8_t  buf[64 * 64 * 8], cmyk[16 * 16 * 4];

    memset(buf, 100, sizeof(buf));
    check_const("JPEG", make_jpeg(33, 17, 3, JCS_RGB, false, buf),
                MAAS_COLOR_RGB, 1);
    check_const("JPEG to gray", make_jpeg(33, 17, 3, JCS_RGB, false, buf),
                MAAS_COLOR_GRAY, 1);
    check_const("JPEG progressive", make_jpeg(33, 17, 3, JCS_RGB, true, buf),
                MAAS_COLOR_RGB, 1);
    check_const("JPEG gray", make_jpeg(33, 17, 1, JCS_GRAYSCALE, false, buf),
                MAAS_COLOR_RGB, 1);
    check_const("JPEG gray to gray",
                make_jpeg(33, 17, 1, JCS_GRAYSCALE, false, buf),
                MAAS_COLOR_GRAY, 1);

    for (int i = 0; i < 16 * 16; i++) {
        cmyk[4 * i] = cmyk[4 * i + 1] = cmyk[4 * i + 2] = 155;
        cmyk[4 * i + 3] = 0;
    }
    check_const("JPEG CMYK", make_jpeg(16, 16, 4, JCS_CMYK, false, cmyk),
                MAAS_COLOR_RGB, 2);
    check_const("JPEG CMYK to gray",
                make_jpeg(16, 16, 4, JCS_CMYK, false, cmyk),
                MAAS_COLOR_GRAY, 2);
}


/* -- resizing against the formula in double precision --------------------- */

static double
tap(double d)
{
    d = fabs(d);
    return d < 1 ? 1 - d : 0;
}


/* One row or column: pixel i of `out` of line (n pixels). */
static double
line_at(const double *line, int n, int out, int i)
{
    double  s = (double) n / out, sup = s > 1 ? s : 1, sum = 0, v = 0;

    for (int j = 0; j < n; j++) {
        double  w = tap((j + 0.5 - (i + 0.5) * s) / sup);

        sum += w;
        v += w * line[j];
    }

    return v / sum;
}


static double
resize_worst(int w, int h, int ow, int oh)
{
    double         d = 0, *mid = malloc(sizeof(double) * ow * h);
    double        *line = malloc(sizeof(double) * (w > h ? w : h));
    bytes_t        b;
    uint8_t       *px = malloc((size_t) w * h);
    maas_prep_t    p;
    maas_tensor_t  t;

    for (int i = 0; i < w * h; i++) {
        px[i] = (uint8_t) ((i * 2654435761u) >> 24);
    }

    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            line[x] = px[y * w + x];
        }
        for (int x = 0; x < ow; x++) {
            mid[y * ow + x] = line_at(line, w, ow, x);
        }
    }

    b = make_png(w, h, 8, 0, 0, px, w, NULL, 0);
    p = prep_of(ow, oh, MAAS_FIT_STRETCH, MAAS_LAYOUT_NCHW, MAAS_COLOR_GRAY);
    t = prepare(b, &p, MAAS_F32);

    for (int x = 0; x < ow; x++) {
        for (int y = 0; y < h; y++) {
            line[y] = mid[y * ow + x];
        }
        for (int y = 0; t.data != NULL && y < oh; y++) {
            d = fmax(d, fabs(((float *) t.data)[y * ow + x]
                             - line_at(line, h, oh, y)));
        }
    }

    d = t.data == NULL ? INFINITY : d;
    free(t.data);
    free(b.data);
    free(px);
    free(mid);
    free(line);
    return d;
}


static void
test_resize(void)
{
    static const int  c[][4] = {
        { 8, 8, 3, 3 }, { 64, 64, 8, 8 }, { 7, 5, 13, 11 }, { 100, 37, 9, 50 },
        { 1, 1, 4, 4 }, { 9, 1, 1, 9 }, { 224, 224, 223, 225 },
        { 333, 2, 31, 1 }, { 2, 700, 2, 3 },
    };

    for (size_t i = 0; i < maas_nelts(c); i++) {
        double  d = resize_worst(c[i][0], c[i][1], c[i][2], c[i][3]);

        ok(d <= 1.01, "%dx%d to %dx%d is within rounding: %.3f", c[i][0],
           c[i][1], c[i][2], c[i][3], d);
    }
}


/* A ramp over x: fits tell by value which columns they took. */
static void
test_fits(void)
{
    float         *f;
    bytes_t        b;
    uint8_t        px[10 * 4];
    maas_prep_t    p;
    maas_tensor_t  t;

    for (int i = 0; i < 40; i++) {
        px[i] = (uint8_t) (i % 10 * 10);
    }

    b = make_png(10, 4, 8, 0, 0, px, 10, NULL, 0);

    p = prep_of(4, 4, MAAS_FIT_CROP, MAAS_LAYOUT_NCHW, MAAS_COLOR_GRAY);
    t = prepare(b, &p, MAAS_F32);
    f = t.data;
    ok(f != NULL && f[0] == 30 && f[3] == 60 && f[12] == 30,
       "centre crop without scaling");
    free(t.data);

    p.resize = 8;
    t = prepare(b, &p, MAAS_F32);
    f = t.data;
    ok(f != NULL && fabsf(f[0] - 38) <= 1 && fabsf(f[3] - 53) <= 1,
       "shorter side to 8, then 4x4 of 20x8: %g %g", f ? f[0] : 0,
       f ? f[3] : 0);
    free(t.data);

    p = prep_of(5, 5, MAAS_FIT_PAD, MAAS_LAYOUT_NCHW, MAAS_COLOR_GRAY);
    p.pad = 200;
    t = prepare(b, &p, MAAS_F32);
    f = t.data;
    ok(f != NULL && f[0] == 200 && f[4] == 200 && f[5] < 20 && f[9] > 70
       && f[10] < 20 && f[15] == 200 && f[24] == 200, "padded to 5x5");
    free(t.data);

    p = prep_of(12, 6, MAAS_FIT_CROP, MAAS_LAYOUT_NCHW, MAAS_COLOR_GRAY);
    p.pad = 7;
    t = prepare(b, &p, MAAS_F32);
    f = t.data;
    ok(f != NULL && f[0] == 7 && f[13] == 0 && f[22] == 90 && f[23] == 7,
       "a crop larger than the image is padded");
    free(t.data);
    free(b.data);
}


/* Sides of 0 follow; a ramp keeps its values at the ends. */
static void
test_scale(void)
{
    bytes_t        b;
    uint8_t        px[40 * 16];
    maas_prep_t    p;
    maas_tensor_t  t;

    static const struct {
        int  width, height, longest, multiple, want_w, want_h;
    } c[] = {
        { 0, 8, 0, 0, 20, 8 },          /* the width follows */
        { 20, 0, 0, 0, 20, 8 },
        { 0, 7, 0, 0, 18, 7 },          /* 17.5: half to even */
        { 0, 5, 0, 0, 12, 5 },          /* 12.5 */
        { 0, 8, 15, 0, 15, 8 },         /* squeezed */
        { 0, 0, 0, 0, 40, 16 },
        { 0, 0, 20, 0, 20, 8 },
        { 0, 0, 60, 0, 40, 16 },        /* no larger than it is */
        { 0, 0, 0, 32, 32, 32 },
        { 0, 0, 39, 32, 32, 32 },
        { 0, 0, 47, 24, 24, 24 },       /* 48 would be longer */
        { 0, 0, 20, 9, 18, 9 },
        { 0, 24, 0, 32, 64, 24 },       /* the given side is as given */
        { 0, 1, 0, 0, 2, 1 },
        { 1, 0, 0, 0, 1, 1 },           /* never empty */
    };

    for (int i = 0; i < 640; i++) {
        px[i] = (uint8_t) (i % 40 * 5);
    }

    b = make_png(40, 16, 8, 0, 0, px, 40, NULL, 0);

    for (size_t i = 0; i < maas_nelts(c); i++) {
        p = prep_of(c[i].width, c[i].height, MAAS_FIT_SCALE,
                    MAAS_LAYOUT_NCHW, MAAS_COLOR_GRAY);
        p.longest = c[i].longest;
        p.multiple = c[i].multiple;
        t = prepare(b, &p, MAAS_F32);
        ok(t.data != NULL && t.dims[2] == c[i].want_h
           && t.dims[3] == c[i].want_w,
           "scale %dx%d, longest %d, multiple %d: %dx%d, expected %dx%d",
           c[i].width, c[i].height, c[i].longest, c[i].multiple,
           (int) t.dims[3], (int) t.dims[2], c[i].want_w, c[i].want_h);
        free(t.data);
    }

    p = prep_of(0, 8, MAAS_FIT_SCALE, MAAS_LAYOUT_NCHW, MAAS_COLOR_GRAY);
    t = prepare(b, &p, MAAS_F32);
    ok(t.data != NULL && ((float *) t.data)[0] < 10
       && ((float *) t.data)[19] > 185, "the whole image is there");
    free(t.data);
    free(b.data);
}


/* -- bad input ------------------------------------------------------------ */

static maas_status_t
status_of(const uint8_t *p, size_t n)
{
    float               f[3 * 8 * 8];
    maas_prep_t         pr;
    maas_tensor_t       t = { .data = f, .bytes = sizeof(f), .dtype = MAAS_F32,
                              .rank = 4, .dims = { 1, 3, 8, 8 } };

    err.text[0] = '\0';
    pr = prep_of(8, 8, MAAS_FIT_STRETCH, MAAS_LAYOUT_NCHW, MAAS_COLOR_RGB);
    return maas_image_prepare(&maas_host_libc, p, n, 1 << 20, &pr, &t, &err);
}


/* CRC-32 of a chunk. */
static uint32_t
png_sum(const uint8_t *p, size_t n)
{
    uint32_t  c = 0xffffffff;

    while (n-- != 0) {
        c ^= *p++;
        for (int i = 0; i < 8; i++) {
            c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
        }
    }

    return ~c;
}


/* A file of n bytes, cut anywhere before its last `tail`. */
static void
test_cut(const bytes_t *file, size_t tail, const char *name)
{
    int     refused = 0, bad_text = 0;
    size_t  n;

    for (n = 0; n + tail < file->n; n++) {
        refused += status_of(file->data, n) != MAAS_OK;
        bad_text += err.text[0] == '\0';
    }

    ok(refused == (int) n && bad_text == 0,
       "a %s cut anywhere is refused, with a text: %s", name, err.text);
}


/* Every step-th bit, one after the other. */
static void
test_flipped(const bytes_t *file, int step, const char *name)
{
    uint8_t  *copy = malloc(file->n);

    for (size_t i = 0; i < file->n; i++) {
        for (int bit = 0; bit < 8; bit += step) {
            memcpy(copy, file->data, file->n);
            copy[i] ^= (uint8_t) (1 << bit);
            (void) status_of(copy, file->n);
        }
    }

    free(copy);
    ok(1, "a %s with any bit flipped does no harm", name);
}


/* A header of 30000 x 30000 pixels before the rest of a small PNG. */
static void
test_huge(const bytes_t *png)
{
    uint8_t            huge[33] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
                                  "\0\0\x75\x30\0\0\x75\x30\x08\x02\0\0\0";
    uint8_t           *copy = malloc(png->n);
    uint32_t           crc = png_sum(huge + 12, 17);
    maas_image_size_t  size;

    for (int i = 0; i < 4; i++) {
        huge[29 + i] = (uint8_t) (crc >> (24 - 8 * i));
    }

    memcpy(copy, huge, 33);
    memcpy(copy + 33, png->data + 33, png->n - 33);
    ok(status_of(copy, png->n) == MAAS_ELIMIT
       && strstr(err.text, "30000x30000") != NULL, "%s", err.text);
    ok(maas_image_size(copy, png->n, 0, &size, NULL) == MAAS_ELIMIT,
       "its size is beyond the default limit too");
    free(copy);
}


static void
test_bad(void)
{
    bytes_t            png, jpg;
    uint8_t            px[32 * 32 * 3];
    maas_image_size_t  size;

    for (size_t i = 0; i < sizeof(px); i++) {
        px[i] = (uint8_t) (i * i >> 3);
    }

    png = make_png(32, 32, 8, 2, 0, px, 96, NULL, 0);
    jpg = make_jpeg(32, 32, 3, JCS_RGB, false, px);
    ok(strcmp(maas_image_sniff(jpg.data, jpg.n), "image/jpeg") == 0,
       "sniff JPEG");

    ok(status_of(png.data, png.n) == MAAS_OK, "PNG as it is");
    ok(status_of(jpg.data, jpg.n) == MAAS_OK, "JPEG as it is");
    ok(status_of(png.data, 0) == MAAS_EINVAL && strstr(err.text, "empty"),
       "%s", err.text);
    ok(status_of((const uint8_t *) "GIF89a..", 8) == MAAS_EINVAL, "%s",
       err.text);

    test_cut(&png, 0, "PNG");
    test_cut(&jpg, 2, "JPEG");
    test_flipped(&png, 1, "PNG");
    test_flipped(&jpg, 3, "JPEG");
    test_huge(&png);

    ok(maas_image_size(png.data, png.n, 1024, &size, NULL) == MAAS_OK
       && size.width == 32, "a size at the limit is taken");
    ok(maas_image_size(jpg.data, jpg.n, 1023, &size, NULL) == MAAS_ELIMIT,
       "one above it is not");

    free(png.data);
    free(jpg.data);
}


static void *
few_alloc(void *ctx, size_t n)
{
    int  *left = ctx;

    return (*left)-- > 0 ? malloc(n) : NULL;
}


static void
few_free(void *ctx, void *p)
{
    (void) ctx;
    free(p);
}


/* Every allocation fails once. */
static void
test_nomem(void)
{
    int            left, done = 0, n;
    float          f[3 * 8 * 8];
    bytes_t        b[2];
    uint8_t        px[32 * 32 * 3] = { 0 };
    maas_host_t    host = { few_alloc, few_free, &left };
    maas_prep_t    p;
    maas_tensor_t  t = { .data = f, .bytes = sizeof(f), .dtype = MAAS_F32,
                         .rank = 4, .dims = { 1, 3, 8, 8 } };

    p = prep_of(8, 8, MAAS_FIT_STRETCH, MAAS_LAYOUT_NCHW, MAAS_COLOR_RGB);
    b[0] = make_png(32, 32, 8, 0, 0, px, 32, NULL, 0);
    b[1] = make_jpeg(32, 32, 4, JCS_CMYK, false, px);

    for (int k = 0; k < 2; k++) {
        for (n = 0; n < 100; n++) {
            left = n;
            if (maas_image_prepare(&host, b[k].data, b[k].n, 0, &p, &t, NULL)
                == MAAS_OK)
            {
                done++;
                break;
            }
        }
        ok(n > 2 && n < 100, "any of %d allocations may fail", n);
        free(b[k].data);
    }
    ok(done == 2, "and the last run went through");
}


int
main(void)
{
    test_layouts();
    test_colors();
    test_png_kinds();
    test_jpeg_kinds();
    test_resize();
    test_fits();
    test_scale();
    test_bad();
    test_nomem();
    return done();
}
