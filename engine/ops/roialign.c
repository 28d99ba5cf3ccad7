/*
 * RoiAlign-16: each region of interest of an image [C, H, W] becomes a grid
 * of output_height x output_width bins; a bin is the average or the maximum
 * of points between whose four pixels is interpolated.
 *
 * RoiAlign-10 has no coordinate_transformation_mode: it is
 * output_half_pixel.  With mode "max" the maximum is over the weighted
 * pixels, each by itself, as the operator's reference has it.
 *
 * Ownership: nothing is allocated.  Threads: a unit is some of the planes
 * [region, channel].
 */

#include <math.h>

#include "ops/move.h"


enum { ROI_HALF_PIXEL = 0, ROI_OUTPUT_HALF_PIXEL };
enum { ROI_AVG = 0, ROI_MAX };

static const char *const  roi_transforms[] = { "half_pixel",
                                               "output_half_pixel", NULL };
static const char *const  roi_modes[] = { "avg", "max", NULL };

/* Points of a bin on one axis. */
#define ROI_POINTS_MAX  4096

typedef struct {
    float    scale;
    int64_t  transform;
    int64_t  mode;
    int64_t  height;
    int64_t  width;
    int64_t  ratio;
} roi_attr_t;

/* One axis of a region: start, extent of a bin and its points. */
typedef struct {
    double   start;
    double   bin;
    int64_t  points;
    int64_t  size;              /* of the image */
} roi_axis_t;

/* Two pixels and the weight of the second. */
typedef struct {
    int64_t  lo;
    int64_t  hi;
    double   t;
} roi_tap_t;


static maas_status_t
roi_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset, maas_err_t *err)
{
    maas_raw_attr_t  *a;

    (void) err;

    if (opset >= 16) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_raw_attr_int(im, n, "coordinate_transformation_mode", 0));
    a = maas_raw_attr(n, "coordinate_transformation_mode");
    a->type = MAAS_ATTR_STRING;
    a->s = maas_str("output_half_pixel");

    return MAAS_OK;
}


static maas_status_t
roi_infer(maas_infer_t *c)
{
    maas_dim_t          dims[4], four;
    const maas_type_t  *x = c->in[0].type, *rois = c->in[1].type;
    const maas_type_t  *batch = c->in[2].type;
    const roi_attr_t   *a = c->attr;

    if (x->rank != 4 || rois->rank != 2 || batch->rank != 1) {
        return maas_err(c->err, MAAS_EINVAL, "X, rois and batch_indices have "
                        "ranks %d, %d and %d, expected 4, 2 and 1", x->rank,
                        rois->rank, batch->rank);
    }

    MAAS_TRY(maas_infer_merge(c, rois->dims[1], 4, &four,
                              "the last axis of rois, and 4"));
    MAAS_TRY(maas_infer_merge(c, rois->dims[0], batch->dims[0], &dims[0],
                              "the number of rois and of batch_indices"));
    dims[1] = x->dims[1];
    dims[2] = a->height;
    dims[3] = a->width;
    maas_infer_set(c, 0, x->dtype, 4, dims);

    return MAAS_OK;
}


static bool
roi_setup(maas_setup_t *u)
{
    int64_t            n = maas_tensor_count(&u->out[0]);
    const roi_attr_t  *a = u->attr;

    u->units = maas_max(maas_min(u->out[0].dims[0] * u->out[0].dims[1],
                                 n / 1024), 1);
    u->cost = 50 + (double) n * 20 * (double) maas_max(a->ratio * a->ratio,
                                                       4);
    return true;
}


static double
roi_float(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_F64 ? ((const double *) t->data)[i]
                                : (double) ((const float *) t->data)[i];
}


/* lo, hi: borders of the region in pixels of the input; bins of the axis. */
static maas_status_t
roi_axis(roi_axis_t *v, const roi_attr_t *a, maas_slot_t *slot, double lo,
    double hi, int64_t bins, int64_t size)
{
    double  half, extent, points;

    half = a->transform == ROI_HALF_PIXEL ? 0.5 : 0;
    v->start = lo * (double) a->scale - half;
    extent = hi * (double) a->scale - half - v->start;

    if (a->transform == ROI_OUTPUT_HALF_PIXEL) {
        extent = fmax(extent, 1);
    }

    v->bin = extent / (double) bins;
    points = a->ratio > 0 ? (double) a->ratio : ceil(v->bin);
    v->size = size;

    if (!isfinite(v->start) || !isfinite(extent)
        || !(points <= ROI_POINTS_MAX))
    {
        return maas_err(slot->err, MAAS_EINVAL, "a region from %g to %g has "
                        "%g points in a bin, expected %d or less", lo, hi,
                        points, ROI_POINTS_MAX);
    }

    v->points = (int64_t) fmax(points, 0);
    return MAAS_OK;
}


/* Point i of a bin; false: it lies outside the image. */
static bool
roi_tap(const roi_axis_t *v, int64_t bin, int64_t i, roi_tap_t *tap)
{
    double  at;

    at = v->start + (double) bin * v->bin
         + ((double) i + 0.5) * v->bin / (double) v->points;

    if (at < -1 || at > (double) v->size) {
        return false;
    }

    at = fmax(at, 0);
    tap->lo = maas_min((int64_t) at, v->size - 1);
    tap->hi = maas_min(tap->lo + 1, v->size - 1);
    tap->t = tap->lo == v->size - 1 ? 0 : at - (double) tap->lo;

    return v->size > 0;
}


static double
roi_bin(const maas_tensor_t *x, int64_t plane, const roi_axis_t *ay,
    const roi_axis_t *ax, int64_t i, int64_t j, int64_t mode)
{
    bool       any = false;
    double     v[4], sum = 0, max = 0;
    roi_tap_t  ty, tx;

    for (int64_t p = 0; p < ay->points; p++) {
        bool  inside = roi_tap(ay, i, p, &ty);

        for (int64_t q = 0; q < ax->points; q++) {
            v[0] = v[1] = v[2] = v[3] = 0;

            if (roi_tap(ax, j, q, &tx) && inside) {
                v[0] = roi_float(x, plane + ty.lo * ax->size + tx.lo)
                       * (1 - ty.t) * (1 - tx.t);
                v[1] = roi_float(x, plane + ty.lo * ax->size + tx.hi)
                       * (1 - ty.t) * tx.t;
                v[2] = roi_float(x, plane + ty.hi * ax->size + tx.lo)
                       * ty.t * (1 - tx.t);
                v[3] = roi_float(x, plane + ty.hi * ax->size + tx.hi)
                       * ty.t * tx.t;
            }

            for (int k = 0; k < 4; k++) {
                sum += v[k];
                max = !any || v[k] > max ? v[k] : max;
                any = true;
            }
        }
    }

    return mode == ROI_MAX ? max
           : sum / (double) maas_max(ay->points * ax->points, 1);
}


static maas_status_t
roi_plane(const maas_step_t *s, maas_slot_t *slot, int64_t r, int64_t c)
{
    double                v;
    int64_t               b, plane, at;
    roi_axis_t            ay, ax;
    const roi_attr_t     *a = s->attr;
    const maas_tensor_t  *x = &s->in[0], *rois = &s->in[1], *y = &s->out[0];

    b = maas_move_int(&s->in[2], r);

    if (b < 0 || b >= x->dims[0]) {
        return maas_err(slot->err, MAAS_EINVAL, "batch_indices[%lld] is "
                        "%lld, expected 0 to %lld", (long long) r,
                        (long long) b, (long long) (x->dims[0] - 1));
    }

    MAAS_TRY(roi_axis(&ax, a, slot, roi_float(rois, 4 * r),
                      roi_float(rois, 4 * r + 2), a->width, x->dims[3]));
    MAAS_TRY(roi_axis(&ay, a, slot, roi_float(rois, 4 * r + 1),
                      roi_float(rois, 4 * r + 3), a->height, x->dims[2]));
    plane = (b * x->dims[1] + c) * x->dims[2] * x->dims[3];
    at = (r * x->dims[1] + c) * a->height * a->width;

    for (int64_t i = 0; i < a->height; i++) {
        for (int64_t j = 0; j < a->width; j++) {
            v = roi_bin(x, plane, &ay, &ax, i, j, a->mode);

            if (y->dtype == MAAS_F64) {
                ((double *) y->data)[at++] = v;

            } else {
                ((float *) y->data)[at++] = (float) v;
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
roi_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t  p, to, n, channels = s->in[0].dims[1];

    n = s->out[0].dims[0] * channels;
    p = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);

    for (; p < to; p++) {
        MAAS_TRY(roi_plane(s, slot, p / channels, p % channels));
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  roi_in[] = {
    { "X", MAAS_D_FLOAT, 'T', 0 },
    { "rois", MAAS_D_FLOAT, 'T', 0 },
    { "batch_indices", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  roi_out[] = { { "Y", MAAS_D_FLOAT, 'T', 0 } };

static const maas_attr_row_t  roi_attrs[] = {
    { .name = "coordinate_transformation_mode", .type = MAAS_ATTR_STRING,
      .words = roi_transforms, .i = ROI_HALF_PIXEL,
      .off = offsetof(roi_attr_t, transform) },
    { .name = "mode", .type = MAAS_ATTR_STRING, .words = roi_modes,
      .i = ROI_AVG, .off = offsetof(roi_attr_t, mode) },
    { .name = "output_height", .type = MAAS_ATTR_INT, .i = 1, .min = 1,
      .max = 1 << 20, .off = offsetof(roi_attr_t, height) },
    { .name = "output_width", .type = MAAS_ATTR_INT, .i = 1, .min = 1,
      .max = 1 << 20, .off = offsetof(roi_attr_t, width) },
    { .name = "sampling_ratio", .type = MAAS_ATTR_INT, .min = 0,
      .max = ROI_POINTS_MAX, .off = offsetof(roi_attr_t, ratio) },
    { .name = "spatial_scale", .type = MAAS_ATTR_FLOAT, .f = 1,
      .off = offsetof(roi_attr_t, scale) }
};

static const maas_kernel_row_t  roi_kernel[] = {
    { .id = "roialign.planes", .setup = roi_setup, .run = roi_run }
};

static const maas_case_t  roi_cases[] = {
    { "output_height=3 output_width=2 sampling_ratio=2 | f32[2,3,9,7] "
      "f32[2,4]{0,0,6,8,1,2,5,5} i64[2]{1,0}", NULL },
    { "output_height=2 output_width=2 mode=max | f64[1,2,9,7] "
      "f64[2,4]{-3,-2,6,18,1,2,1.5,2.5} i64[2]{0,0}", NULL },
    { "coordinate_transformation_mode=output_half_pixel spatial_scale=0.5 "
      "output_height=5 output_width=5 | f32[1,4,17,17] "
      "f32[1,4]{0,9,30,33} i64[1]{0}", NULL },
    { "| f32[1,1,4,4] f32[1,4]{3,3,1,1} i64[1]{0}", NULL },
    { "| f32[1,2,0,4] f32[1,4]{0,0,2,2} i64[1]{0}", NULL },
    { "| f32[1,2,4,4] f32[0,4] i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  roi_bad[] = {
    { "| f32[1,2,4,4] f32[1,4]{0,0,2,2} i64[1]{1}",
      "batch_indices[0] is 1, expected 0 to 0" },
    { "| f32[1,2,4,4] f32[1,4]{0,0,1e9,2} i64[1]{0}", "points in a bin" },
    { "| f32[1,2,4,4] f32[1,4]{0,nan,1,2} i64[1]{0}", "points in a bin" },
    { "| f32[1,2,4,4] f32[1,5] i64[1]{0}", "the last axis of rois" },
    { "| f32[1,2,4,4] f32[2,4] i64[1]{0}", "the number of rois" },
    { "| f32[2,4,4] f32[2,4] i64[2]", "expected 4, 2 and 1" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_roialign[] = {
    {
        .name = "RoiAlign", .domain = "", .since = 16, .first = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(roi_in, roi_out),
        MAAS_ATTRS(roi_attrs, roi_attr_t),
        .upgrade = roi_upgrade,
        .infer = roi_infer,
        MAAS_KERNELS(roi_kernel),
        .cases = roi_cases, .bad = roi_bad
    },
    { .name = NULL }
};
