/*
 * Shared by the files of Resize-19: its attributes, the tables of an axis
 * (resize_taps.c), and the sums over the axes before the last one
 * (resize_rows.c), which the plain and the blocked form have in common.
 *
 * Ownership: plain values; tables lie in the scratch of a slot.
 * Threads:   reentrant.
 */

#ifndef MAAS_RESIZE_H
#define MAAS_RESIZE_H

#include "graph/op.h"


enum {
    RS_HALF_PIXEL = 0,
    RS_PYTORCH_HALF_PIXEL,
    RS_ALIGN_CORNERS,
    RS_ASYMMETRIC,
    RS_TF_CROP,
    RS_TF_HALF_PIXEL_NN,
    RS_HALF_PIXEL_SYMMETRIC
};

enum { RS_STRETCH = 0, RS_NOT_LARGER, RS_NOT_SMALLER };

enum { RS_NEAREST = 0, RS_LINEAR, RS_CUBIC };

/* floor_or_ceil: Resize-10, which rounds up where it shrinks. */
enum {
    RS_PREFER_FLOOR = 0, RS_PREFER_CEIL, RS_FLOOR, RS_CEIL, RS_FLOOR_OR_CEIL
};

typedef struct {
    int64_t  coordinates;
    int64_t  mode;
    int64_t  nearest_mode;
    int64_t  exclude_outside;
    int64_t  antialias;
    int64_t  policy;
    maas_list_t  axes;
    float    cubic_a;
    float    extrapolation;
} rs_attr_t;

enum { RS_X, RS_ROI, RS_SCALES, RS_SIZES };

/*
 * The place of axis d among those that scales, sizes and roi are for, and
 * the number of these; -1: the axis stays as it is.
 */
int rs_place(const rs_attr_t *a, int d, int rank, int *count);

float rs_policy_scale(const rs_attr_t *a, const maas_dim_t *in, int rank,
    const maas_dim_t *sizes);

/* -- resize_taps.c ------------------------------------------------------- */

/* Bytes of the table of axis d, for `n` positions. */
size_t rs_table_bytes(const rs_attr_t *a, const maas_tensor_t *x,
    const maas_tensor_t *y, int d, int64_t n);

/* Taps that a position of axis d may have. */
int64_t rs_room(const rs_attr_t *a, const maas_tensor_t *x,
    const maas_tensor_t *y, int d);

/*
 * Positions [first, last) of axis d, of a step with the inputs X, roi, scales
 * and sizes.  Weights and places are taken from *pool.
 */
void rs_axis(const maas_step_t *s, int d, int64_t first, int64_t last,
    maas_tap_t *t, char **pool);

/*
 * Output position i of an axis, i in [0, out), is made of the positions
 * i * in / out - *before and the *reach - 1 behind it, or of some of these,
 * whatever the scale is; false: that is not known.
 */
bool rs_reach(const rs_attr_t *a, int64_t in, int64_t out, int64_t *before,
    int64_t *reach);


/* -- resize_rows.c ------------------------------------------------------- */

typedef struct {
    int          last;              /* axis of the rows */
    int64_t      in_row, out_row;
    int64_t      stride[MAAS_RANK_MAX];
    maas_tap_t  *tap[MAAS_RANK_MAX];
    void        *row;               /* sums of source rows */
} rs_t;

/* n floats of x, summed as the taps of the outer axes say. */
const float *rs_outer(const maas_kernels_t *k, const rs_t *r,
    const maas_tap_t *const *t, const float *x, int64_t n);

bool rs_grad_setup(maas_setup_t *u);
maas_status_t rs_grad_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

bool rs_setup(maas_setup_t *u);
maas_status_t rs_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last);


/* -- resize_blocked.c ---------------------------------------------------- */

bool resize_blocked_setup(maas_setup_t *u);
maas_status_t resize_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
bool resize_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r);
void resize_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b);

#endif
