/*
 * media: JPEG and PNG bytes -> prepared input tensor.
 * Owner: the caller; scratch comes from its host allocator.
 * Threads: reentrant.
 */

#ifndef MAAS_MEDIA_IMAGE_H
#define MAAS_MEDIA_IMAGE_H

#include "repo/meta.h"


typedef struct {
    uint32_t  width, height;
} maas_image_size_t;

/* "image/jpeg", "image/png" by the first bytes; NULL: neither. */
const char *maas_image_sniff(const void *p, size_t n);

/* Reads the header only.  Sizes above max_pixels are MAAS_ELIMIT. */
maas_status_t maas_image_size(const void *p, size_t n, uint64_t max_pixels,
    maas_image_size_t *size, maas_err_t *err);

/*
 * Floats that prep makes of an image of this size: dims (rank 4, or 2 for
 * FLAT), batch 1.
 */
maas_status_t maas_image_dims(const maas_prep_t *prep,
    const maas_image_size_t *size, int64_t *dims, int *rank,
    maas_err_t *err);

/*
 * Decodes, converts to sRGB or gray (alpha over white; 16 bits to 8; CMYK
 * and YCCK converted), resizes (bilinear, antialiased like Pillow's when it
 * shrinks), crops, normalises, lays out as float32 or uint8 into t, whose
 * dims come from maas_image_dims().
 */
maas_status_t maas_image_prepare(const maas_host_t *host, const void *p,
    size_t n, uint64_t max_pixels, const maas_prep_t *prep,
    maas_tensor_t *t, maas_err_t *err);

/*
 * The same of pixels that are decoded already: 8 bits, rows without gaps,
 * 1 channel (gray) or 3 (RGB) side by side.
 */
maas_status_t maas_image_pixels(const maas_host_t *host, const uint8_t *p,
    const maas_image_size_t *size, int channels, const maas_prep_t *prep,
    maas_tensor_t *t, maas_err_t *err);

#endif
