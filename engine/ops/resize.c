/*
 * Resize-19: shapes, and the older forms Resize-10, Resize-11, Upsample-7
 * and Upsample-9.  The kernels are in resize_rows.c and resize_blocked.c.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/ops_common.h"
#include "ops/grads.h"
#include "ops/resize.h"


static const char *const  rs_coordinates[] = {
    "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
    "tf_crop_and_resize", "tf_half_pixel_for_nn", "half_pixel_symmetric", NULL
};

static const char *const  rs_modes[] = { "nearest", "linear", "cubic", NULL };

static const char *const  rs_nearest_modes[] = {
    "round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
    "floor_or_ceil", NULL
};


static const char *const  rs_policies[] = {
    "stretch", "not_larger", "not_smaller", NULL
};


/* -- shapes -------------------------------------------------------------- */

static bool
rs_given(const maas_infer_t *c, int i)
{
    return maas_infer_has(c, i)
           && !(c->in[i].type->rank == 1 && c->in[i].type->dims[0] == 0);
}


int
rs_place(const rs_attr_t *a, int d, int rank, int *count)
{
    const int64_t  *axes = maas_list_ints(a, &a->axes);

    *count = a->axes.n == 0 ? rank : (int) a->axes.n;

    for (int i = 0; i < (int) a->axes.n; i++) {
        if (axes[i] == d || axes[i] + rank == d) {
            return i;
        }
    }

    return a->axes.n == 0 ? d : -1;
}


static maas_status_t
rs_infer_axes(maas_infer_t *c)
{
    int                axis;
    uint32_t           seen = 0;
    const rs_attr_t   *a = c->attr;

    for (uint32_t i = 0; i < a->axes.n; i++) {
        MAAS_TRY(maas_axis(maas_list_ints(a, &a->axes)[i],
                           c->in[RS_X].type->rank, &axis, c->err));

        if (seen >> axis & 1) {
            return maas_err(c->err, MAAS_EINVAL, "axis %d is given twice",
                            axis);
        }

        seen |= 1u << axis;
    }

    return MAAS_OK;
}


static maas_dim_t
rs_scaled(maas_syms_t *s, maas_dim_t in, float scale)
{
    float  inverse = 1 / scale;

    if (maas_dim_known(in)) {
        return (maas_dim_t) floorf((float) in * scale);
    }

    if (scale == floorf(scale) && scale <= 65536) {
        return maas_dim_mul(s, in, (maas_dim_t) scale);
    }

    if (inverse == floorf(inverse) && inverse <= 65536) {
        return maas_dim_div(s, in, (maas_dim_t) inverse);
    }

    return MAAS_DIM_NONE;
}


static maas_status_t
rs_infer_scales(maas_infer_t *c, maas_dim_t *dims)
{
    int                 i, at, n;
    float               scale, f;
    const float        *v = c->in[RS_SCALES].data, *roi = NULL;
    const maas_type_t  *x = c->in[RS_X].type, *t = c->in[RS_SCALES].type;
    const rs_attr_t    *a = c->attr;

    (void) rs_place(a, 0, x->rank, &n);

    if (t->rank != 1 || (maas_dim_known(t->dims[0]) && t->dims[0] != n)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "scales has %lld values, expected %d, one for each "
                        "axis of X",
                        (long long) (t->rank == 1 ? t->dims[0] : -1), n);
    }

    if (v == NULL) {
        return MAAS_INFER_NEED(c, RS_SCALES);
    }

    if (a->coordinates == RS_TF_CROP && rs_given(c, RS_ROI)) {
        roi = c->in[RS_ROI].data;

        if (roi == NULL || c->in[RS_ROI].type->dtype != MAAS_F32) {
            return MAAS_INFER_NEED(c, RS_ROI);
        }
    }

    for (i = 0; i < x->rank; i++) {
        at = rs_place(a, i, x->rank, &n);

        if (at < 0) {
            dims[i] = x->dims[i];
            continue;
        }

        scale = v[at];

        if (!(scale > 0) || scale > 1e6f) {
            return maas_err(c->err, MAAS_EINVAL,
                            "scales[%d] is %g, expected more than 0", at,
                            (double) scale);
        }

        f = roi != NULL ? roi[n + at] - roi[at] : 1;

        if (!(f >= 0) || f > 1e6f) {
            return maas_err(c->err, MAAS_EINVAL,
                            "roi of axis %d spans %g, expected 0 or more", i,
                            (double) f);
        }

        dims[i] = f == 1 ? rs_scaled(c->syms, x->dims[i], scale)
                  : maas_dim_known(x->dims[i])
                  ? (maas_dim_t) floorf((float) x->dims[i] * f * scale)
                  : MAAS_DIM_NONE;
    }

    return MAAS_OK;
}


/* One scale for all axes, so that they keep their proportions. */
float
rs_policy_scale(const rs_attr_t *a, const maas_dim_t *in, int rank,
    const maas_dim_t *sizes)
{
    int    at, count;
    float  s, scale = 0;
    bool   first = true;

    for (int d = 0; d < rank; d++) {
        at = rs_place(a, d, rank, &count);

        if (at < 0 || in[d] == 0) {
            continue;
        }

        s = (float) sizes[at] / (float) in[d];

        if (first || (a->policy == RS_NOT_LARGER ? s < scale : s > scale)) {
            scale = s;
        }

        first = false;
    }

    return scale;
}


static maas_status_t
rs_infer_policy(maas_infer_t *c, const maas_dim_t *sizes, int n,
    maas_dim_t *dims)
{
    int                 count;
    bool                known = true;
    float               scale;
    const rs_attr_t    *a = c->attr;
    const maas_type_t  *x = c->in[RS_X].type;

    for (int i = 0; i < n; i++) {
        known = known && maas_dim_known(sizes[i]);
    }

    for (int d = 0; d < x->rank; d++) {
        known = known && (rs_place(a, d, x->rank, &count) < 0
                          || maas_dim_known(x->dims[d]));
    }

    scale = known ? rs_policy_scale(a, x->dims, x->rank, sizes) : 0;

    for (int d = 0; d < x->rank; d++) {
        if (rs_place(a, d, x->rank, &count) >= 0) {
            dims[d] = known ? (maas_dim_t) floorf(scale * (float) x->dims[d]
                                                  + 0.5f)
                            : MAAS_DIM_NONE;
        }
    }

    return MAAS_OK;
}


static maas_status_t
rs_infer_sizes(maas_infer_t *c, maas_dim_t *dims)
{
    int                 i, n, at, count;
    maas_dim_t          v[MAAS_IVAL_MAX];
    maas_status_t       rc;
    const rs_attr_t    *a = c->attr;
    const maas_type_t  *x = c->in[RS_X].type;

    rc = maas_infer_ints(c, RS_SIZES, v, &n);
    if (rc != MAAS_OK) {
        return rc;
    }

    (void) rs_place(a, 0, x->rank, &count);

    if (n != count) {
        return maas_err(c->err, MAAS_EINVAL,
                        "sizes has %d values, expected %d, one for each axis "
                        "of X", n, count);
    }

    for (i = 0; i < n; i++) {
        if (maas_dim_known(v[i]) && (v[i] < 0 || v[i] > INT32_MAX)) {
            return maas_err(c->err, MAAS_EINVAL,
                            "sizes[%d] is %lld, expected 0 or more", i,
                            (long long) v[i]);
        }

    }

    for (i = 0; i < x->rank; i++) {
        at = rs_place(a, i, x->rank, &count);
        dims[i] = at < 0 ? x->dims[i] : v[at];
    }

    return a->policy != RS_STRETCH ? rs_infer_policy(c, v, n, dims)
                                   : MAAS_OK;
}


static maas_status_t
rs_infer(maas_infer_t *c)
{
    int                 i, n;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[RS_X].type, *roi;
    const rs_attr_t    *a = c->attr;

    if (x->rank < 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank 0, expected 1 or more");
    }

    MAAS_TRY(rs_infer_axes(c));
    (void) rs_place(a, 0, x->rank, &n);

    if (a->antialias && a->coordinates == RS_TF_CROP) {
        return maas_err(c->err, MAAS_EUNSUPPORTED,
                        "antialias with tf_crop_and_resize is not served");
    }

    if (rs_given(c, RS_SCALES) == rs_given(c, RS_SIZES)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%s of scales and sizes is given, expected one",
                        rs_given(c, RS_SIZES) ? "each" : "neither");
    }

    if (a->coordinates == RS_TF_CROP) {
        roi = rs_given(c, RS_ROI) ? c->in[RS_ROI].type : NULL;

        if (roi == NULL || roi->rank != 1
            || (maas_dim_known(roi->dims[0])
                && roi->dims[0] != 2 * n))
        {
            return maas_err(c->err, MAAS_EINVAL,
                            "tf_crop_and_resize without roi of %d values",
                            2 * n);
        }
    }

    for (i = 0; i < x->rank; i++) {
        dims[i] = rs_place(a, i, x->rank, &n) < 0 ? x->dims[i]
                                                  : MAAS_DIM_NONE;
    }

    /* What is known where the contents of scales or sizes are not. */
    maas_infer_set(c, 0, x->dtype, x->rank, dims);
    MAAS_TRY(rs_given(c, RS_SIZES) ? rs_infer_sizes(c, dims)
                                   : rs_infer_scales(c, dims));

    for (i = 0; i < x->rank; i++) {
        if (maas_dim_known(x->dims[i]) && maas_dim_known(dims[i])
            && (x->dims[i] > INT32_MAX || dims[i] > INT32_MAX
                || (x->dims[i] == 0 && dims[i] > 0)))
        {
            return maas_err(c->err, MAAS_EINVAL,
                            "axis %d of %lld elements cannot become %lld", i,
                            (long long) x->dims[i], (long long) dims[i]);
        }
    }

    maas_infer_set(c, 0, x->dtype, x->rank, dims);
    return MAAS_OK;
}


/* -- older forms --------------------------------------------------------- */

/* (X, scales) to (X, no roi, scales). */
static maas_status_t
rs_old_inputs(maas_import_t *im, maas_raw_node_t *n, maas_str_t nearest)
{
    float       one = 1;
    maas_str_t  scales = n->in[1];

    MAAS_TRY(maas_raw_input_floats(im, n, 2, &one, 1));
    n->in[1] = maas_str("");
    n->in[2] = scales;

    MAAS_TRY(maas_upgrade_word(im, n, "coordinate_transformation_mode",
                               maas_str("asymmetric")));
    return maas_upgrade_word(im, n, "nearest_mode", nearest);
}


static maas_status_t
rs_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset, maas_err_t *err)
{
    if (opset > 10) {
        return MAAS_OK;
    }

    if (n->n_in != 2) {
        return maas_err(err, MAAS_EINVAL, "%u inputs, expected X and scales",
                        (unsigned) n->n_in);
    }

    return rs_old_inputs(im, n, maas_str("floor_or_ceil"));
}


static maas_status_t
upsample_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_raw_attr_t  *a;

    if (opset < 9) {
        a = maas_raw_attr(n, "scales");

        if (a == NULL || a->type != MAAS_ATTR_FLOATS) {
            return maas_err(err, MAAS_EINVAL,
                            "attribute scales is missing, expected floats");
        }

        MAAS_TRY(maas_raw_input_floats(im, n, 1, a->floats, a->n));
        maas_raw_attr_drop(n, "scales");
    }

    if (n->n_in != 2) {
        return maas_err(err, MAAS_EINVAL, "%u inputs, expected X and scales",
                        (unsigned) n->n_in);
    }

    n->op = maas_str("Resize");
    return rs_old_inputs(im, n, maas_str("floor"));
}


/* -- the blocked form ---------------------------------------------------- */

#define RS_EXACT  4096          /* i * (i - 1) is exact in float32 */


static bool
rs_input(const maas_type_t *const *type, const maas_node_t *n, int i)
{
    return i < n->n_formal && type[i] != NULL
           && !(type[i]->rank == 1 && type[i]->dims[0] == 0);
}


/* Does the crop keep axis d whole?  at: its place in roi, or -1. */
static bool
rs_keeps(const maas_node_t *n, const maas_type_t *const *type,
    const maas_blocked_t *b, int d, int at, int count)
{
    const float  *roi = b->data[RS_ROI];

    if (!maas_dim_known(type[RS_X]->dims[d])
        || type[RS_X]->dims[d] > RS_EXACT
        || type[RS_X]->dims[d] != b->out->dims[d])
    {
        return false;
    }

    return at < 0 || (rs_input(type, n, RS_ROI) && roi != NULL
                      && type[RS_ROI]->dtype == MAAS_F32 && roi[at] == 0
                      && roi[at + count] == 1);
}


/*
 * Channels stay as they are; images do where there are as many in the end,
 * which bands of rows want.  Scales and roi are constants, then; of sizes
 * the extents tell.
 */
static bool
rs_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    int               at, count;
    const float      *scales;
    const rs_attr_t  *a = n->attr;

    if (!maas_blocked_window(n, type, "ResizeBlocked", b) || b->out == NULL
        || !maas_dim_known(type[RS_X]->dims[1])
        || type[RS_X]->dims[1] != b->out->dims[1])
    {
        return false;
    }

    scales = rs_input(type, n, RS_SCALES) ? b->data[RS_SCALES] : NULL;

    for (int d = 0; d < 2; d++) {
        at = rs_place(a, d, type[RS_X]->rank, &count);

        if (a->coordinates == RS_TF_CROP && d == 1
            && !rs_keeps(n, type, b, d, at, count))
        {
            return false;
        }

        if (at >= 0 && (rs_input(type, n, RS_SCALES)
                        ? scales == NULL || scales[at] != 1
                        : a->policy != RS_STRETCH))
        {
            return false;
        }
    }

    return true;
}


static maas_status_t
rs_blocked_infer(maas_infer_t *c)
{
    maas_dim_t     in = c->in[RS_X].type->dims[1], out;
    maas_status_t  rc = rs_infer(c);

    if (c->out[0].type.rank >= 0) {     /* of MAAS_NEED, too */
        c->out[0].type.format = MAAS_FMT_C16;
    }

    MAAS_TRY(rc);
    out = c->out[0].type.dims[1];

    if (maas_dim_known(in) && maas_dim_known(out) && in != out) {
        return maas_err(c->err, MAAS_EINVAL, "%lld channels become %lld, "
                        "expected as many: the model was compiled so",
                        (long long) in, (long long) out);
    }

    return MAAS_OK;
}


/* -- the operator -------------------------------------------------------- */

/*
 * The forward operator's shape rule on X says what dY is, so that the
 * kernel's tables reach no further.
 */
static maas_status_t
rs_grad_infer(maas_infer_t *c)
{
    maas_infer_t        f = *c;
    maas_dim_t          ival[MAAS_IVAL_MAX];
    maas_infer_in_t     in[4];
    maas_infer_out_t    out = { .ival = ival, .n_ival = -1, .wanted = true };
    const maas_type_t  *dy = c->in[0].type, *x = c->in[4].type;

    if (x->rank != dy->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d and X has rank "
                        "%d, expected the same", dy->rank, x->rank);
    }

    memcpy(in, c->in, sizeof(in));
    in[RS_X] = c->in[4];
    out.type.rank = -1;
    f.in = in;
    f.n_in = 4;
    f.out = &out;
    f.n_out = 1;
    MAAS_TRY(rs_infer(&f));

    for (int i = 0; i < x->rank; i++) {
        if (maas_dim_known(out.type.dims[i]) && maas_dim_known(dy->dims[i])
            && out.type.dims[i] != dy->dims[i])
        {
            return maas_err(c->err, MAAS_EINVAL, "axis %d of dY is %lld, "
                            "expected %lld: the shape of dY is not that of "
                            "the output", i, (long long) dy->dims[i],
                            (long long) out.type.dims[i]);
        }
    }

    maas_infer_set(c, 0, x->dtype, x->rank, x->dims);
    return MAAS_OK;
}


#define RS_TYPES  (MAAS_D_NUM | MAAS_D(BOOL))

static const maas_formal_t  rs_in[] = {
    { "X", RS_TYPES, 'T', 0 },
    { "roi", MAAS_D_FLOAT, 0, MAAS_OPT },
    { "scales", MAAS_D(F32), 0, MAAS_OPT },
    { "sizes", MAAS_D(I64), 0, MAAS_OPT }
};

/* X: for its shape. */
static const maas_formal_t  rs_grad_in[] = {
    { "dY", MAAS_D_FLOAT, 'T', 0 },
    { "roi", MAAS_D_FLOAT, 0, MAAS_OPT },
    { "scales", MAAS_D(F32), 0, MAAS_OPT },
    { "sizes", MAAS_D(I64), 0, MAAS_OPT },
    { "X", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  rs_grad_out[] = {
    { "dX", MAAS_D_FLOAT, 'T', 0 }
};

static const maas_formal_t  rs_out[] = { { "Y", RS_TYPES, 'T', 0 } };

#define RS_WORD(name, member, words, def)                                     \
    { name, MAAS_ATTR_STRING, false, offsetof(rs_attr_t, member), def, 0,     \
      words }

static const maas_attr_row_t  rs_attrs[] = {
    { "antialias", MAAS_ATTR_INT, false, offsetof(rs_attr_t, antialias), 0, 0,
      NULL, 0, 1 },
    { "axes", MAAS_ATTR_INTS, false, offsetof(rs_attr_t, axes) },
    RS_WORD("coordinate_transformation_mode", coordinates, rs_coordinates,
            RS_HALF_PIXEL),
    { "cubic_coeff_a", MAAS_ATTR_FLOAT, false, offsetof(rs_attr_t, cubic_a),
      0, -0.75f },
    { "exclude_outside", MAAS_ATTR_INT, false,
      offsetof(rs_attr_t, exclude_outside), 0, 0, NULL, 0, 1 },
    { "extrapolation_value", MAAS_ATTR_FLOAT, false,
      offsetof(rs_attr_t, extrapolation) },
    RS_WORD("keep_aspect_ratio_policy", policy, rs_policies, RS_STRETCH),
    RS_WORD("mode", mode, rs_modes, RS_NEAREST),
    RS_WORD("nearest_mode", nearest_mode, rs_nearest_modes, RS_PREFER_FLOOR)
};

static const maas_kernel_row_t  rs_kernels[] = {
    { "resize.rows", MAAS_CPU_REF, 0, 0, rs_setup, rs_run }
};

#define RS_POST  (1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY              \
                  | 1u << MAAS_POST_BINARY_SCALAR                             \
                  | 1u << MAAS_POST_BINARY_CHANNEL                            \
                  | 1u << MAAS_POST_BINARY_PLANE)

static const maas_kernel_row_t  rs_blocked_kernels[] = {
    { "resize.c16", MAAS_CPU_REF, 0, RS_POST, resize_blocked_setup,
      resize_blocked_run, resize_blocked_rows, resize_blocked_band }
};

static const maas_kernel_row_t  rs_grad_kernels[] = {
    { "resizegrad.rows", MAAS_CPU_REF, 0, 0, rs_grad_setup, rs_grad_run }
};

static const maas_case_t  rs_cases[] = {
    { "| f32[1,2,3,5] - =f32[4]{1,1,2,3}", NULL },
    { "mode=linear | f32[2,2,5,7] - - =i64[4]{2,2,9,4}", NULL },
    { "mode=cubic exclude_outside=1 | f32[1,1,6,7] - =f32[4]{1,1,0.6,1.7}",
      NULL },
    { "mode=linear coordinate_transformation_mode=align_corners | "
      "f32[1,3,4] - =f32[3]{1,2,1.5}", NULL },
    { "mode=linear coordinate_transformation_mode=tf_crop_and_resize "
      "extrapolation_value=10.0 | f32[1,1,4,4] "
      "=f32[8]{0,0,0.4,0.6,1,1,1.2,1.7} - =i64[4]{1,1,3,3}", NULL },
    { "nearest_mode=ceil coordinate_transformation_mode=asymmetric | "
      "i64[5,4] - =f32[2]{0.6,1.5}", NULL },
    { "mode=linear | u8[1,1,5,4] - =f32[4]{1,1,2,2}", NULL },
    { "| f32[0,2] - =f32[2]{2,2}", NULL },
    { "mode=linear | f64[33] - - =i64[1]{17}", NULL },
    { "mode=linear antialias=1 | f32[1,2,17,19] - - =i64[4]{1,2,5,8}", NULL },
    { "mode=cubic antialias=1 axes=[2,-1] | f32[1,2,17,19] - "
      "=f32[2]{0.3,0.6}", NULL },
    { "mode=cubic antialias=1 exclude_outside=1 axes=[3,2] | "
      "u8[1,2,17,19] - - =i64[2]{9,40}", NULL },
    { "mode=linear keep_aspect_ratio_policy=not_larger axes=[1,2] | "
      "f32[2,5,7] - - =i64[2]{12,9}", NULL },
    { "keep_aspect_ratio_policy=not_smaller axes=[1,2] | f32[2,5,7] - - "
      "i64[2]{2,6}", NULL },
    { "mode=linear coordinate_transformation_mode=half_pixel_symmetric | "
      "f32[1,9] - =f32[2]{1,0.4}", NULL },
    { NULL, NULL }
};

static const maas_case_t  rs_bad[] = {
    { "| f32[2,3]", "neither of scales and sizes" },
    { "| f32[2,3] - =f32[3]{1,1,1}", "scales has 3 values, expected 2" },
    { "| f32[2,3] - =f32[2]{0,1}", "scales[0] is 0" },
    { "| f32[2,3] - - =i64[1]{4}", "sizes has 1 values, expected 2" },
    { "axes=[1] | f32[2,3] - - =i64[2]{4,4}", "expected 1" },
    { "axes=[1,-1] | f32[2,3] - - =i64[2]{4,4}", "axis 1 is given twice" },
    { "axes=[2] | f32[2,3] - - =i64[1]{4}", "axis 2" },
    { "coordinate_transformation_mode=tf_crop_and_resize | f32[2,3] - "
      "=f32[2]{1,1}", "without roi of 4 values" },
    { NULL, NULL }
};

static const maas_case_t  rs_grad_bad[] = {
    { "| f32[4,6] - =f32[2]{2,2} - f32[2,3,1]", "rank 3" },
    { "| f32[4,6] - =f32[2]{2,2} - f32[2,4]", "the shape of dY" },
    { NULL, NULL }
};


static maas_status_t
rs_grad(maas_grad_t *c)
{
    maas_vid_t  in[] = { c->dout[0], maas_grad_in(c, RS_ROI),
                         maas_grad_in(c, RS_SCALES),
                         maas_grad_in(c, RS_SIZES), c->n->in[0] };

    maas_grad_emit_same(c, "maas", "ResizeGrad", in, 5, &c->din[0], 1);
    return c->rc;
}


/* Ended with opset 9; upgraded to Resize. */
static const maas_formal_t  upsample_in[] = {
    { "X", RS_TYPES, 'T', 0 },
    { "scales", MAAS_D(F32), 0, MAAS_OPT }
};


const maas_op_t  maas_ops_resize[] = {
    {
        .name = "Resize", .domain = "", .since = 19,
        .flags = MAAS_OP_PURE,
        MAAS_IO(rs_in, rs_out),
        MAAS_ATTRS(rs_attrs, rs_attr_t),
        .upgrade = rs_upgrade, .first = 10,
        .infer = rs_infer,
        MAAS_KERNELS(rs_kernels), .blocked = rs_blocked,
        .grad = rs_grad,
        .cases = rs_cases, .bad = rs_bad
    },
    {
        .name = "ResizeBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(rs_in, rs_out),
        MAAS_ATTRS(rs_attrs, rs_attr_t),
        .infer = rs_blocked_infer,
        MAAS_KERNELS(rs_blocked_kernels)
    },
    {
        .name = "ResizeGrad", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(rs_grad_in, rs_grad_out),
        MAAS_ATTRS(rs_attrs, rs_attr_t),
        .infer = rs_grad_infer,
        MAAS_KERNELS(rs_grad_kernels),
        .bad = rs_grad_bad
    },
    {
        .name = "Upsample", .domain = "", .since = 10, .until = 9,
        .flags = MAAS_OP_PURE,
        MAAS_IO(upsample_in, rs_out),
        .upgrade = upsample_upgrade, .first = 7,
        .infer = maas_infer_same
    },
    { .name = NULL }
};
