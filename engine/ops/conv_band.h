/*
 * Shared by the convolutions over blocked activations that go by bands of
 * output rows: the geometry of one step.
 * Plain values on the caller's stack; reentrant.
 */

#ifndef MAAS_CONV_BAND_H
#define MAAS_CONV_BAND_H

#include "ops/blocked.h"
#include "ops/conv.h"


#define CB_SET  32              /* output channels that run together */

typedef struct {
    int64_t  batch, group, icg, ocg;
    int64_t  ih, iw, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw;
    bool     planes;            /* the input is plain */
    bool     flat;              /* a pixel sees itself alone */
    bool     copy;
    bool     left, right;       /* one tap of one pixel is beside its row */
    bool     normed;            /* the copy is scaled, shifted, limited */
    bool     eight;             /* weights of 8 bits */
    int64_t  lane;              /* floats of an input pixel: 16 or 1 */
    int64_t  parts;             /* blocks or planes of the input */
    int64_t  rows, cols;        /* of a band */
    int64_t  in_rows, in_cols;  /* that a band sees, at most */
    int64_t  nrow, ncol;        /* bands */
    int64_t  nb, nset;          /* channels of a unit, multiple of 16 */

    /* Of the run: image 0 of each, and floats from a plane to the next. */
    const float  *x;
    float        *y;
    int64_t       xplane, yplane;
} cb_t;

/* back: x is dY and y is dX of a convolution of stride 1. */
void conv_band_geom(cb_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *w, const maas_tensor_t *y, bool back);

/* The same without bands and units. */
void conv_band_shape(cb_t *g, const void *attr, const maas_tensor_t *x,
    const maas_tensor_t *w, const maas_tensor_t *y, bool back);

/* Where the tensors of a step lie, or what a band of rows says. */
void conv_band_places(cb_t *g, const maas_step_t *s, const maas_band_t *b);

/* How the step goes by rows; setup() has taken it. */
void conv_band_rows(const cb_t *g, maas_by_rows_t *r);

/* Parts of about `n`, each a multiple of `step`. */
int64_t conv_band_even(int64_t all, int64_t n, int64_t step);

#endif
