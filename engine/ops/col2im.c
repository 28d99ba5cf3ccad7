/*
 * Col2Im-18: columns [N, C * K, L] of blocks back to images [N, C, ...]:
 * what several blocks have of a pixel is added up, tap by tap in ascending
 * order.  A unit is a channel of an image.
 */

#include "ops/move.h"
#include "ops/window.h"


enum { COL_IMAGE = 1, COL_BLOCK };


/* The blocks' window over the image, from the two inputs. */
static maas_status_t
col_window(const maas_window_attr_t *a, const int64_t *image,
    const int64_t *block, int nd, maas_window_t *w, maas_err_t *err)
{
    int64_t  span;

    MAAS_TRY(maas_window_attrs(w, a, block, nd, err));
    w->in_count = w->out_count = w->k_count = 1;

    for (int i = 0; i < nd; i++) {
        w->in[i] = image[i];
        span = image[i] + w->p0[i] + w->p1[i] - (w->k[i] - 1) * w->d[i] - 1;

        if (image[i] < 0 || image[i] > INT32_MAX || span < 0) {
            return maas_err(err, MAAS_EINVAL, "a block of %lld does not fit "
                            "axis %d of the image (%lld)",
                            (long long) block[i], i, (long long) image[i]);
        }

        w->out[i] = span / w->s[i] + 1;
        w->in_count *= w->in[i];
        w->out_count *= w->out[i];
        w->k_count *= w->k[i];
    }

    return MAAS_OK;
}


static maas_status_t
col_infer(maas_infer_t *c)
{
    int                        n, m;
    maas_dim_t                 image[MAAS_IVAL_MAX], block[MAAS_IVAL_MAX];
    maas_dim_t                 d, dims[MAAS_RANK_MAX];
    maas_window_t              w;
    const maas_type_t         *x = c->in[0].type;

    if (x->rank != 3) {
        return maas_err(c->err, MAAS_EINVAL, "input has rank %d, expected 3",
                        x->rank);
    }

    MAAS_TRY(maas_ival_vector(c, COL_IMAGE, "image_shape", MAAS_WINDOW_MAX,
                              image, &n));
    MAAS_TRY(maas_ival_vector(c, COL_BLOCK, "block_shape", MAAS_WINDOW_MAX,
                              block, &m));

    if (n != m || n < 1) {
        return maas_err(c->err, MAAS_EINVAL, "image_shape has %d elements and "
                        "block_shape %d, expected the same", n, m);
    }

    for (int i = 0; i < n; i++) {
        if (!maas_dim_known(image[i])) {
            return MAAS_INFER_NEED(c, COL_IMAGE);
        }

        if (!maas_dim_known(block[i])) {
            return MAAS_INFER_NEED(c, COL_BLOCK);
        }

        dims[2 + i] = image[i];
    }

    MAAS_TRY(col_window(c->attr, image, block, n, &w, c->err));
    MAAS_TRY(maas_infer_merge(c, x->dims[2], w.out_count, &d,
                              "columns of the input and blocks of the "
                              "image"));

    if (maas_dim_known(x->dims[1]) && x->dims[1] % w.k_count != 0) {
        return maas_err(c->err, MAAS_EINVAL, "axis 1 of the input is %lld, "
                        "expected a multiple of the block (%lld)",
                        (long long) x->dims[1], (long long) w.k_count);
    }

    dims[0] = x->dims[0];
    dims[1] = maas_dim_div(c->syms, x->dims[1], w.k_count);
    maas_infer_set(c, 0, x->dtype, n + 2, dims);

    return MAAS_OK;
}


static bool
col_setup(maas_setup_t *u)
{
    u->units = maas_max(u->out[0].dims[0] * u->out[0].dims[1], 1);
    u->cost = 50 + 2 * (double) maas_tensor_count(&u->in[0]);
    return true;
}


/* Adds row o of the blocks, tap (r, kx), to the image. */
#define COL_PLANE(T, fn)                                                      \
                                                                              \
static void                                                                   \
fn(const maas_window_t *w, T *y, const T *x)                                  \
{                                                                             \
    int       l = w->nd - 1;                                                  \
    int64_t   lo, hi, off, base, rows = w->out_count / w->out[l];             \
    const T  *p = x;                                                          \
                                                                              \
    memset(y, 0, (size_t) w->in_count * sizeof(T));                           \
                                                                              \
    for (int64_t r = 0; r < w->k_count / w->k[l]; r++) {                      \
        for (int64_t kx = 0; kx < w->k[l]; kx++, p += w->out_count) {         \
            base = kx * w->d[l] - w->p0[l];                                   \
            maas_window_range(w->out[l], w->s[l], base, w->in[l], &lo, &hi);  \
                                                                              \
            for (int64_t o = 0; o < rows; o++) {                              \
                if (!maas_window_row(w, o, r, &off)) {                        \
                    continue;                                                 \
                }                                                             \
                                                                              \
                for (int64_t i = lo; i < hi; i++) {                           \
                    y[off + base + i * w->s[l]] += p[o * w->out[l] + i];      \
                }                                                             \
            }                                                                 \
        }                                                                     \
    }                                                                         \
}


COL_PLANE(float, col_plane_f32)


COL_PLANE(double, col_plane_f64)


static maas_status_t
col_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int                   nd = s->out[0].rank - 2;
    int64_t               image[MAAS_WINDOW_MAX], block[MAAS_WINDOW_MAX];
    maas_window_t         w;
    const maas_tensor_t  *y = &s->out[0];

    for (int i = 0; i < nd; i++) {
        image[i] = maas_move_int(&s->in[COL_IMAGE], i);
        block[i] = maas_move_int(&s->in[COL_BLOCK], i);

        if (image[i] != y->dims[2 + i]) {
            return maas_err(slot->err, MAAS_EINTERNAL,
                            "image_shape is not what was planned");
        }
    }

    MAAS_TRY(col_window(s->attr, image, block, nd, &w, slot->err));

    if (maas_tensor_count(y) == 0) {
        return MAAS_OK;
    }

    for (int64_t u = first; u < last; u++) {
        if (y->dtype == MAAS_F32) {
            col_plane_f32(&w, (float *) y->data + u * w.in_count,
                          (const float *) s->in[0].data
                          + u * w.k_count * w.out_count);

        } else {
            col_plane_f64(&w, (double *) y->data + u * w.in_count,
                          (const double *) s->in[0].data
                          + u * w.k_count * w.out_count);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  col_in[] = {
    { "input", MAAS_D_FLOAT, 'T', 0 },
    { "image_shape", MAAS_D(I64), 0, 0 },
    { "block_shape", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  col_out[] = { { "output", MAAS_D_FLOAT, 'T', 0 } };

static const maas_attr_row_t  col_attrs[] = {
    MAAS_WINDOW_LIST(dilations),
    MAAS_WINDOW_LIST(pads),
    MAAS_WINDOW_LIST(strides)
};

static const maas_kernel_row_t  col_kernels[] = {
    { "col2im.planes", MAAS_CPU_REF, 0, 0, col_setup, col_run }
};

static const maas_case_t  col_cases[] = {
    { "| f32[1,5,5] =i64[2]{5,5} =i64[2]{1,5}", NULL },
    { "strides=[2,1] pads=[1,0,0,1] dilations=[1,2] | f32[2,12,12] "
      "=i64[2]{6,7} =i64[2]{2,3}", NULL },
    { "| f64[1,8,12] i64[3]{3,3,4} i64[3]{2,2,2}", NULL },
    { "| f32[0,6,4] =i64[1]{5} =i64[1]{2}", NULL },
    { NULL, NULL }
};

static const maas_case_t  col_bad[] = {
    { "| f32[1,5,4] =i64[2]{5,5} =i64[2]{1,5}", "blocks of the image" },
    { "| f32[1,5,5] =i64[2]{5,5} =i64[1]{5}", "expected the same" },
    { "| f32[1,5,5] =i64[2]{5,4} =i64[2]{1,5}", "does not fit" },
    { "| f32[1,6,5] =i64[2]{5,5} =i64[2]{1,5}", "a multiple of the block" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_col2im[] = {
    {
        .name = "Col2Im", .domain = "", .since = 18, .first = 18,
        .flags = MAAS_OP_PURE,
        MAAS_IO(col_in, col_out),
        MAAS_ATTRS(col_attrs, maas_window_attr_t),
        .infer = col_infer,
        MAAS_KERNELS(col_kernels),
        .cases = col_cases, .bad = col_bad
    },
    { .name = NULL }
};
