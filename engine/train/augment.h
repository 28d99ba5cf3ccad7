/*
 * augment: changed copies of images, as pure functions: what happens to a
 * row in an epoch depends on (seed, epoch, row) and on nothing else.
 *
 * Order: crop with padding, shift, rotate, flips, brightness, noise.
 * Geometry moves whole pixels but for rotate, which is bilinear; what comes
 * from outside is 0.
 *
 * Ownership: the caller's memory; nothing is allocated.
 * Threads:   reentrant.
 */

#ifndef MAAS_AUGMENT_H
#define MAAS_AUGMENT_H

#include "tensor/tensor.h"
#include "train/params.h"


typedef struct {
    double   flip_horizontal;   /* probability */
    double   flip_vertical;     /* probability */
    double   rotate;            /* degrees, uniform in [-rotate, rotate] */
    int64_t  crop;              /* pixels of padding on every side, then a
                                   crop of the old size somewhere inside */
    double   shift;             /* share of each side, uniform, both axes */
    double   noise;             /* standard deviation, as a share of range */
    double   brightness;        /* factor, uniform in [1 - b, 1 + b] */
} maas_augment_t;

/* Rows of the object "augment" of a specification. */
extern const maas_param_t  maas_augment_params[];
extern const size_t        maas_augment_n_params;

/* Nothing is to be done. */
bool maas_augment_none(const maas_augment_t *a);

typedef struct {
    uint8_t   dtype;            /* MAAS_U8 or MAAS_F32 */
    bool      planar;           /* [C,H,W]; else [H,W,C] */
    int64_t   height, width, channels;
    /*
     * Values of float images: `range` is white (1 or 255), black is 0;
     * brightness and noise stay inside.  uint8: 255.
     */
    double    range;
} maas_augment_image_t;

/*
 * out and in: one image each, not the same memory; tmp: room for one more,
 * used only with rotate.
 */
void maas_augment_apply(const maas_augment_t *a,
    const maas_augment_image_t *image, uint64_t seed, uint64_t epoch,
    uint64_t row, const void *in, void *out, void *tmp);

#endif
