/*
 * Shared by resize.c and resize_rows.c: attributes of Resize-19.
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

bool rs_grad_setup(maas_setup_t *u);
maas_status_t rs_grad_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

bool rs_setup(maas_setup_t *u);
maas_status_t rs_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last);

#endif
