/*
 * Image bytes -> prepared tensor: decode, invert, place (stretch, crop, pad
 * or scale), normalise, lay out.  Pillow and torchvision define the rounding:
 * the longer side is truncated, the crop is centred with half to even.
 *
 * Ownership: the tensor is the caller's; scratch is freed before return.
 * Threads:   reentrant.
 */

#include <math.h>

#include "media/pixels.h"


#define IMAGE_MAX_PIXELS  (64u << 20)
#define IMAGE_SIDE_MAX    (1 << 20)


/* Where the scaled part lands in the tensor; the rest is prep->pad. */
typedef struct {
    maas_window_t  window;
    uint32_t       x, y;
    uint32_t       width, height;
} image_place_t;


maas_status_t
maas_pixels_alloc(maas_pixels_t *px, const maas_host_t *host, uint32_t width,
    uint32_t height, int channels, maas_err_t *err)
{
    size_t  n;

    if (!maas_mul_size(width, height, &n)
        || !maas_mul_size(n, (size_t) channels, &n))
    {
        return maas_err(err, MAAS_ELIMIT, "an image of %ux%u is too large",
                        width, height);
    }

    px->data = maas_alloc(host, n == 0 ? 1 : n);
    if (px->data == NULL) {
        return maas_err_nomem(err);
    }

    px->width = width;
    px->height = height;
    px->channels = channels;
    return MAAS_OK;
}


void
maas_pixels_free(maas_pixels_t *px, const maas_host_t *host)
{
    maas_free(host, px->data);
    px->data = NULL;
}


maas_status_t
maas_pixels_limit(uint64_t width, uint64_t height, uint64_t max,
    maas_err_t *err)
{
    if (max == 0) {
        max = IMAGE_MAX_PIXELS;
    }

    if (width == 0 || height == 0) {
        return maas_err(err, MAAS_EINVAL, "the image is empty: %llux%llu",
                        (unsigned long long) width,
                        (unsigned long long) height);
    }

    if (width > max / height) {
        return maas_err(err, MAAS_ELIMIT,
                        "the image is %llux%llu; at most %llu pixels are taken",
                        (unsigned long long) width,
                        (unsigned long long) height,
                        (unsigned long long) max);
    }

    return MAAS_OK;
}


const char *
maas_image_sniff(const void *p, size_t n)
{
    if (n >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0) {
        return "image/jpeg";
    }

    if (n >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0) {
        return "image/png";
    }

    return NULL;
}


static maas_status_t
image_read(const maas_host_t *host, const void *p, size_t n,
    uint64_t max_pixels, int channels, maas_image_size_t *size,
    maas_pixels_t *px, maas_err_t *err)
{
    const char  *type = maas_image_sniff(p, n);

    if (type == NULL) {
        return maas_err(err, MAAS_EINVAL, n == 0
                        ? "no image: the body is empty"
                        : "not an image: neither JPEG nor PNG begins so");
    }

    return strcmp(type, "image/png") == 0
           ? maas_png_read(host, p, n, max_pixels, channels, size, px, err)
           : maas_jpeg_read(host, p, n, max_pixels, channels, size, px, err);
}


maas_status_t
maas_image_size(const void *p, size_t n, uint64_t max_pixels,
    maas_image_size_t *size, maas_err_t *err)
{
    return image_read(&maas_host_libc, p, n, max_pixels, 3, size, NULL, err);
}


static int
image_channels(const maas_prep_t *prep)
{
    return prep->color == MAAS_COLOR_GRAY ? 1 : 3;
}


/* A side that is not given: bounded, rounded to a multiple, not empty. */
static int64_t
image_side(const maas_prep_t *prep, double side)
{
    double  m = prep->multiple > 0 ? prep->multiple : 1, n;

    if (prep->longest > 0) {
        side = fmin(side, prep->longest);
    }

    n = nearbyint(side / m);

    if (prep->longest > 0 && n * m > prep->longest) {
        n--;
    }

    return (int64_t) (fmin(fmax(n, 1), 2 * IMAGE_SIDE_MAX) * m);
}


/* Sides of 0 keep the aspect; a bound squeezes one, or scales both. */
static void
image_scale(const maas_prep_t *prep, const maas_image_size_t *size,
    int64_t *w, int64_t *h)
{
    double  iw = size->width, ih = size->height, f = 1;

    if (prep->width > 0) {
        *h = image_side(prep, ih * prep->width / iw);

    } else if (prep->height > 0) {
        *w = image_side(prep, iw * prep->height / ih);

    } else {
        if (prep->longest > 0) {
            f = fmin(1, prep->longest / fmax(iw, ih));
        }

        *w = image_side(prep, iw * f);
        *h = image_side(prep, ih * f);
    }
}


maas_status_t
maas_image_dims(const maas_prep_t *prep, const maas_image_size_t *size,
    int64_t *dims, int *rank, maas_err_t *err)
{
    int64_t  w, h, c;

    if (prep->kind != MAAS_PREP_IMAGE) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "the model has no image preparation (model.json)");
    }

    w = prep->width > 0 ? prep->width : (int64_t) size->width;
    h = prep->height > 0 ? prep->height : (int64_t) size->height;
    c = image_channels(prep);

    if (prep->fit == MAAS_FIT_SCALE) {
        image_scale(prep, size, &w, &h);
    }

    if (w <= 0 || h <= 0 || w > IMAGE_SIDE_MAX || h > IMAGE_SIDE_MAX) {
        return maas_err(err, MAAS_ELIMIT,
                        "an image tensor of %lldx%lld is out of range",
                        (long long) w, (long long) h);
    }

    *rank = 4;
    dims[0] = 1;

    switch (prep->layout) {

    case MAAS_LAYOUT_NCHW:
        dims[1] = c;
        dims[2] = h;
        dims[3] = w;
        return MAAS_OK;

    case MAAS_LAYOUT_NHWC:
        dims[1] = h;
        dims[2] = w;
        dims[3] = c;
        return MAAS_OK;

    default:
        *rank = 2;
        dims[1] = c * h * w;
        return MAAS_OK;
    }
}


/* Part [at, at + n) of a side of `scaled` that centres in `want`. */
static void
image_centre(int64_t scaled, int64_t want, uint32_t *from, uint32_t *n,
    uint32_t *to)
{
    if (scaled >= want) {
        *from = (uint32_t) nearbyint((scaled - want) / 2.0);
        *n = (uint32_t) want;
        *to = 0;

    } else {
        *from = 0;
        *n = (uint32_t) scaled;
        *to = (uint32_t) ((want - scaled) / 2);
    }
}


static maas_status_t
image_place(const maas_prep_t *prep, const maas_pixels_t *px,
    image_place_t *pl, maas_err_t *err)
{
    double          f;
    int64_t         w, h, iw = px->width, ih = px->height;
    maas_window_t  *win = &pl->window;

    w = prep->width > 0 ? prep->width : iw;
    h = prep->height > 0 ? prep->height : ih;

    if (prep->fit == MAAS_FIT_SCALE) {
        image_scale(prep, &(maas_image_size_t) { px->width, px->height }, &w,
                    &h);
    }

    pl->width = (uint32_t) w;
    pl->height = (uint32_t) h;

    switch (prep->fit) {

    case MAAS_FIT_CROP:
        w = iw;
        h = ih;

        if (prep->resize > 0) {
            int64_t  side = prep->resize;

            w = iw <= ih ? side : (int64_t) ((double) side * iw / ih);
            h = iw <= ih ? (int64_t) ((double) side * ih / iw) : side;
        }

        break;

    case MAAS_FIT_PAD:
        f = fmin((double) pl->width / iw, (double) pl->height / ih);
        w = maas_max(1, (int64_t) nearbyint(iw * f));
        h = maas_max(1, (int64_t) nearbyint(ih * f));
        break;

    default:
        w = pl->width;
        h = pl->height;
    }

    if (w > UINT32_MAX || h > UINT32_MAX) {
        return maas_err(err, MAAS_ELIMIT,
                        "an image of %lldx%lld cannot be scaled to %lldx%lld",
                        (long long) iw, (long long) ih, (long long) w,
                        (long long) h);
    }

    win->width = (uint32_t) w;
    win->height = (uint32_t) h;
    image_centre(w, pl->width, &win->x, &win->cols, &pl->x);
    image_centre(h, pl->height, &win->y, &win->rows, &pl->y);
    return MAAS_OK;
}


/* 256 answers a channel: (v * scale - mean) / std. */
static void
image_tables(const maas_prep_t *prep, int channels, float table[3][256])
{
    for (int c = 0; c < channels; c++) {
        for (int v = 0; v < 256; v++) {
            table[c][v] = ((float) v * prep->scale - prep->mean[c])
                          / prep->std[c];
        }
    }
}


/* Element of channel c, row y, column x is at c * sc + y * sy + x * sx. */
static void
image_strides(const maas_prep_t *prep, const image_place_t *pl, int channels,
    size_t *sc, size_t *sy, size_t *sx)
{
    if (prep->layout == MAAS_LAYOUT_NCHW) {
        *sx = 1;
        *sy = pl->width;
        *sc = (size_t) pl->width * pl->height;

    } else {
        *sc = 1;
        *sx = (size_t) channels;
        *sy = (size_t) pl->width * channels;
    }
}


static inline uint8_t
image_u8(float v)
{
    return (uint8_t) (v > 0 ? v < 255 ? nearbyintf(v) : 255 : 0);
}


static void
image_store(const maas_prep_t *prep, const image_place_t *pl,
    const maas_pixels_t *px, maas_tensor_t *t)
{
    int      ch = px->channels;
    float    table[3][256];
    size_t   sc, sy, sx, at;
    float   *f = t->data;
    uint8_t *u = t->data;

    image_tables(prep, ch, table);
    image_strides(prep, pl, ch, &sc, &sy, &sx);

    for (int c = 0; c < ch; c++) {
        int  from = prep->color == MAAS_COLOR_BGR ? ch - 1 - c : c;

        for (uint32_t y = 0; y < pl->height; y++) {
            for (uint32_t x = 0; x < pl->width; x++) {
                uint32_t  ix = x - pl->x, iy = y - pl->y;
                uint8_t   v = prep->pad;

                /* wraps below zero: outside as well */
                if (ix < px->width && iy < px->height) {
                    v = px->data[((size_t) iy * px->width + ix) * ch + from];
                }

                at = c * sc + y * sy + x * sx;

                if (t->dtype == MAAS_F32) {
                    f[at] = table[c][v];
                } else {
                    u[at] = image_u8(table[c][v]);
                }
            }
        }
    }
}


static maas_status_t
image_check(const maas_prep_t *prep, const maas_image_size_t *size,
    const maas_tensor_t *t, maas_err_t *err)
{
    int      rank;
    char     got[MAAS_DIMS_TEXT], want[MAAS_DIMS_TEXT];
    size_t   bytes;
    int64_t  dims[MAAS_RANK_MAX];

    if (t->dtype != MAAS_F32 && t->dtype != MAAS_U8) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "an image becomes float32 or uint8, not %s",
                        maas_dtype_name(t->dtype));
    }

    MAAS_TRY(maas_image_dims(prep, size, dims, &rank, err));

    if (t->rank != rank || memcmp(t->dims, dims, rank * sizeof(int64_t)) != 0)
    {
        return maas_err(err, MAAS_EINVAL,
                        "the image makes a tensor of %s, not %s",
                        maas_dims_text(want, dims, rank),
                        maas_dims_text(got, t->dims, t->rank));
    }

    if (!maas_dtype_bytes(t->dtype, maas_dims_count(dims, rank), &bytes)
        || t->data == NULL || t->bytes < bytes)
    {
        return maas_err(err, MAAS_EINTERNAL, "no room for the image's tensor");
    }

    return MAAS_OK;
}


/* Of pixels, which are freed. */
static maas_status_t
image_finish(const maas_host_t *host, maas_pixels_t *px,
    const maas_image_size_t *size, const maas_prep_t *prep,
    maas_tensor_t *t, maas_err_t *err)
{
    size_t          bytes;
    image_place_t   place;
    maas_pixels_t   out;
    maas_status_t   rc;

    rc = image_check(prep, size, t, err);
    if (rc == MAAS_OK) {
        rc = image_place(prep, px, &place, err);
    }

    if (rc == MAAS_OK) {
        bytes = (size_t) px->width * px->height * px->channels;

        for (size_t i = 0; prep->invert && i < bytes; i++) {
            px->data[i] = (uint8_t) (255 - px->data[i]);
        }

        rc = maas_resample(host, px, &place.window, &out, err);
    }

    maas_pixels_free(px, host);

    if (rc == MAAS_OK) {
        image_store(prep, &place, &out, t);
        maas_pixels_free(&out, host);
    }

    return rc;
}


maas_status_t
maas_image_prepare(const maas_host_t *host, const void *p, size_t n,
    uint64_t max_pixels, const maas_prep_t *prep, maas_tensor_t *t,
    maas_err_t *err)
{
    maas_pixels_t      px;
    maas_image_size_t  size;

    if (prep->kind != MAAS_PREP_IMAGE) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "the model has no image preparation (model.json)");
    }

    MAAS_TRY(image_read(host, p, n, max_pixels, image_channels(prep), &size,
                        &px, err));

    return image_finish(host, &px, &size, prep, t, err);
}


maas_status_t
maas_image_pixels(const maas_host_t *host, const uint8_t *p,
    const maas_image_size_t *size, int channels, const maas_prep_t *prep,
    maas_tensor_t *t, maas_err_t *err)
{
    int            want;
    size_t         n;
    maas_pixels_t  px;

    if (prep->kind != MAAS_PREP_IMAGE) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "the model has no image preparation (model.json)");
    }

    want = image_channels(prep);
    MAAS_TRY(maas_pixels_limit(size->width, size->height, 0, err));
    MAAS_TRY(maas_pixels_alloc(&px, host, size->width, size->height, want,
                               err));
    n = (size_t) size->width * size->height;

    for (size_t i = 0; i < n; i++) {
        const uint8_t  *from = p + i * (size_t) channels;
        uint8_t        *to = px.data + i * (size_t) want;

        if (want == 1) {
            to[0] = channels == 1 ? from[0]
                                  : maas_luma(from[0], from[1], from[2]);

        } else {
            to[0] = from[0];
            to[1] = from[channels == 1 ? 0 : 1];
            to[2] = from[channels == 1 ? 0 : 2];
        }
    }

    return image_finish(host, &px, size, prep, t, err);
}
