/*
 * Augmented images; see augment.h.  Geometry is done in one walk over the
 * output: each pixel knows where it comes from (flips of the result, then
 * the inverse of the rotation, then shift and crop).
 *
 * Ownership: the caller's memory.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stddef.h>

#include "base/random.h"
#include "train/augment.h"


#define AUG_STREAM  0x41554721      /* of random numbers */

/* Which number is for what; noise has those from AUG_NOISE on. */
enum { AUG_CROP_X = 0, AUG_CROP_Y, AUG_SHIFT_X, AUG_SHIFT_Y, AUG_ROTATE,
       AUG_FLIP_H, AUG_FLIP_V, AUG_BRIGHTNESS, AUG_NOISE = 16 };

#define AUG_ROW(n, m, t, ...)                                                 \
    { .name = n, .type = t, .off = offsetof(maas_augment_t, m), __VA_ARGS__ }

const maas_param_t  maas_augment_params[] = {
    AUG_ROW("flip_horizontal", flip_horizontal, MAAS_PARAM_NUMBER,
            .min = 0, .max = 1, .about = "probability of a left-right flip"),
    AUG_ROW("flip_vertical", flip_vertical, MAAS_PARAM_NUMBER,
            .min = 0, .max = 1, .about = "probability of an upside-down "
            "flip"),
    AUG_ROW("rotate", rotate, MAAS_PARAM_NUMBER,
            .min = 0, .max = 180, .about = "degrees, either way, at most"),
    AUG_ROW("crop", crop, MAAS_PARAM_INT,
            .min = 0, .max = 4096, .about = "pixels of padding around, then "
            "a crop of the old size anywhere inside"),
    AUG_ROW("shift", shift, MAAS_PARAM_NUMBER,
            .min = 0, .max = 1, .about = "share of each side, either way, at "
            "most"),
    AUG_ROW("noise", noise, MAAS_PARAM_NUMBER,
            .min = 0, .max = 1, .about = "standard deviation of normal "
            "noise, as a share of white"),
    AUG_ROW("brightness", brightness, MAAS_PARAM_NUMBER,
            .min = 0, .max = 1, .about = "the factor is uniform in 1 - b to "
            "1 + b")
};

const size_t  maas_augment_n_params = maas_nelts(maas_augment_params);


bool
maas_augment_none(const maas_augment_t *a)
{
    return a->flip_horizontal == 0 && a->flip_vertical == 0 && a->rotate == 0
           && a->crop == 0 && a->shift == 0 && a->noise == 0
           && a->brightness == 0;
}


/* The generator of one image. */
static maas_random_t
aug_random(uint64_t seed, uint64_t epoch, uint64_t row)
{
    uint64_t       key;
    maas_random_t  g = maas_random(seed, AUG_STREAM, (uint32_t) epoch);

    key = maas_random_u64(&g, row);

    return maas_random(key, AUG_STREAM + 1, (uint32_t) (epoch >> 32));
}


/* Uniform in [-limit, limit]. */
static double
aug_either(const maas_random_t *g, int i, double limit)
{
    return (2 * maas_random_unit(g, (uint64_t) i) - 1) * limit;
}


typedef struct {
    int64_t  dx, dy;            /* the source of pixel 0, 0 */
    bool     flip_h, flip_v;
    double   sin, cos;          /* of the rotation; cos 1: none */
    double   factor;            /* of brightness */
} aug_draw_t;


static void
aug_draw(const maas_augment_t *a, const maas_augment_image_t *im,
    const maas_random_t *g, aug_draw_t *d)
{
    double  angle = 0;

    d->dx = d->dy = 0;

    if (a->crop > 0) {
        d->dx = (int64_t) maas_random_below(g, AUG_CROP_X,
                                            2 * (uint64_t) a->crop + 1)
                - a->crop;
        d->dy = (int64_t) maas_random_below(g, AUG_CROP_Y,
                                            2 * (uint64_t) a->crop + 1)
                - a->crop;
    }

    if (a->shift > 0) {
        d->dx -= (int64_t) nearbyint(aug_either(g, AUG_SHIFT_X, a->shift)
                                     * (double) im->width);
        d->dy -= (int64_t) nearbyint(aug_either(g, AUG_SHIFT_Y, a->shift)
                                     * (double) im->height);
    }

    if (a->rotate > 0) {
        angle = aug_either(g, AUG_ROTATE, a->rotate)
                * 0.017453292519943295;
    }

    d->sin = sin(angle);
    d->cos = cos(angle);
    d->flip_h = maas_random_unit(g, AUG_FLIP_H) < a->flip_horizontal;
    d->flip_v = maas_random_unit(g, AUG_FLIP_V) < a->flip_vertical;
    d->factor = 1 + (a->brightness > 0
                     ? aug_either(g, AUG_BRIGHTNESS, a->brightness) : 0);
}


/* Strides in elements of a step along y, x and channels. */
static void
aug_strides(const maas_augment_image_t *im, int64_t *sy, int64_t *sx,
    int64_t *sc)
{
    if (im->planar) {
        *sc = im->height * im->width;
        *sy = im->width;
        *sx = 1;

    } else {
        *sc = 1;
        *sx = im->channels;
        *sy = im->width * im->channels;
    }
}


static inline double
aug_get(const maas_augment_image_t *im, const void *p, int64_t i)
{
    return im->dtype == MAAS_U8 ? ((const uint8_t *) p)[i]
                                : ((const float *) p)[i];
}


static inline void
aug_put(const maas_augment_image_t *im, void *p, int64_t i, double v)
{
    if (im->dtype == MAAS_U8) {
        ((uint8_t *) p)[i] = (uint8_t) (v > 0 ? v < 255 ? nearbyint(v) : 255
                                              : 0);
    } else {
        ((float *) p)[i] = (float) v;
    }
}


/* Whole pixels: rows of the output from rows of the input. */
static void
aug_move(const maas_augment_image_t *im, const aug_draw_t *d, const void *in,
    void *out)
{
    size_t       size = im->dtype == MAAS_U8 ? 1 : sizeof(float);
    int64_t      sy, sx, sc, y, x, from, to, runs, run;
    char        *q = out;
    const char  *p = in;

    aug_strides(im, &sy, &sx, &sc);

    /* Interleaved channels move together. */
    runs = im->planar ? im->channels : 1;
    run = im->planar ? 1 : im->channels;

    for (int64_t c = 0; c < runs; c++) {
        for (int64_t i = 0; i < im->height; i++) {
            y = (d->flip_v ? im->height - 1 - i : i) + d->dy;

            for (int64_t k = 0; k < im->width; k++) {
                x = (d->flip_h ? im->width - 1 - k : k) + d->dx;
                to = (c * sc + i * sy + k * sx) * (int64_t) size;

                if (y < 0 || y >= im->height || x < 0 || x >= im->width) {
                    memset(q + to, 0, (size_t) run * size);
                    continue;
                }

                from = (c * sc + y * sy + x * sx) * (int64_t) size;

                for (size_t b = 0; b < (size_t) run * size; b++) {
                    q[to + (int64_t) b] = p[from + (int64_t) b];
                }
            }
        }
    }
}


/* 0 outside. */
static inline double
aug_at(const maas_augment_image_t *im, const void *p, int64_t y, int64_t x,
    int64_t sy, int64_t sx, int64_t at)
{
    return y < 0 || y >= im->height || x < 0 || x >= im->width ? 0
           : aug_get(im, p, at + y * sy + x * sx);
}


/* About the middle, between the four pixels around the source. */
static void
aug_rotate(const maas_augment_image_t *im, const aug_draw_t *d,
    const void *in, void *out)
{
    double   cy = (double) (im->height - 1) / 2;
    double   cx = (double) (im->width - 1) / 2, fy, fx, v, u, w;
    int64_t  sy, sx, sc, y, x;

    aug_strides(im, &sy, &sx, &sc);

    for (int64_t i = 0; i < im->height; i++) {
        for (int64_t k = 0; k < im->width; k++) {
            v = (double) i - cy;
            u = (double) k - cx;
            fy = d->cos * v - d->sin * u + cy;
            fx = d->sin * v + d->cos * u + cx;
            y = (int64_t) floor(fy);
            x = (int64_t) floor(fx);
            fy -= (double) y;
            fx -= (double) x;

            for (int64_t c = 0; c < im->channels; c++) {
                w = (1 - fy) * ((1 - fx) * aug_at(im, in, y, x, sy, sx,
                                                  c * sc)
                                + fx * aug_at(im, in, y, x + 1, sy, sx,
                                              c * sc))
                    + fy * ((1 - fx) * aug_at(im, in, y + 1, x, sy, sx,
                                              c * sc)
                            + fx * aug_at(im, in, y + 1, x + 1, sy, sx,
                                          c * sc));
                aug_put(im, out, c * sc + i * sy + k * sx, w);
            }
        }
    }
}


static void
aug_light(const maas_augment_t *a, const maas_augment_image_t *im,
    const maas_random_t *g, const aug_draw_t *d, void *out)
{
    double   v, range = im->dtype == MAAS_U8 ? 255 : im->range;
    int64_t  n = im->height * im->width * im->channels;

    for (int64_t i = 0; i < n; i++) {
        v = aug_get(im, out, i) * d->factor;

        if (a->noise > 0) {
            v += maas_random_normal(g, AUG_NOISE + (uint64_t) i) * a->noise
                 * range;
        }

        aug_put(im, out, i, v < 0 ? 0 : v > range ? range : v);
    }
}


void
maas_augment_apply(const maas_augment_t *a, const maas_augment_image_t *image,
    uint64_t seed, uint64_t epoch, uint64_t row, const void *in, void *out,
    void *tmp)
{
    aug_draw_t     d, flat = { 0 };
    maas_random_t  g = aug_random(seed, epoch, row);

    aug_draw(a, image, &g, &d);

    if (d.cos == 1) {
        aug_move(image, &d, in, out);

    } else {
        /* Crop and shift, the rotation, then the flips. */
        flat.dx = d.dx;
        flat.dy = d.dy;
        aug_move(image, &flat, in, out);

        aug_rotate(image, &d, out, tmp);
        flat = (aug_draw_t) { .flip_h = d.flip_h, .flip_v = d.flip_v };
        aug_move(image, &flat, tmp, out);
    }

    if (a->noise > 0 || a->brightness > 0) {
        aug_light(a, image, &g, &d, out);
    }
}
