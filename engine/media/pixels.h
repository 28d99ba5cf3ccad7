/*
 * pixels: 8-bit images between the stages of the preparation: decode ->
 * invert -> resample -> lay out.  Private to media/.
 *
 * Ownership: a maas_pixels_t owns its data (the host's memory);
 * maas_pixels_free() accepts what was never filled.
 * Threads:   reentrant.
 */

#ifndef MAAS_MEDIA_PIXELS_H
#define MAAS_MEDIA_PIXELS_H

#include "media/image.h"


typedef struct {
    uint8_t   *data;            /* rows without gaps, channels interleaved */
    uint32_t   width;
    uint32_t   height;
    int        channels;        /* 1: gray, 3: RGB */
} maas_pixels_t;

/*
 * A part of an image that is scaled to width x height: the pixels of
 * [x, x + cols) x [y, y + rows) of the scaled image.
 */
typedef struct {
    uint32_t  width, height;
    uint32_t  x, y;
    uint32_t  cols, rows;
} maas_window_t;

/* data is allocated; MAAS_ELIMIT when the product overflows. */
maas_status_t maas_pixels_alloc(maas_pixels_t *px, const maas_host_t *host,
    uint32_t width, uint32_t height, int channels, maas_err_t *err);
void maas_pixels_free(maas_pixels_t *px, const maas_host_t *host);

/* MAAS_ELIMIT when width x height is more than max (0: 64 Mi). */
maas_status_t maas_pixels_limit(uint64_t width, uint64_t height, uint64_t max,
    maas_err_t *err);

/* ITU-R 601-2 luma in 16-bit fixed point. */
static inline uint8_t
maas_luma(unsigned r, unsigned g, unsigned b)
{
    return (uint8_t) ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
}


/* channels: 1 or 3, what the caller wants.  px NULL: size only. */
maas_status_t maas_jpeg_read(const maas_host_t *host, const void *p, size_t n,
    uint64_t max_pixels, int channels, maas_image_size_t *size,
    maas_pixels_t *px, maas_err_t *err);
maas_status_t maas_png_read(const maas_host_t *host, const void *p, size_t n,
    uint64_t max_pixels, int channels, maas_image_size_t *size,
    maas_pixels_t *px, maas_err_t *err);

/*
 * Triangle filter, widened when it shrinks; two passes of fixed-point sums,
 * rounded to 8 bits between and after.  out is allocated (cols x rows).
 */
maas_status_t maas_resample(const maas_host_t *host, const maas_pixels_t *in,
    const maas_window_t *w, maas_pixels_t *out, maas_err_t *err);

#endif
