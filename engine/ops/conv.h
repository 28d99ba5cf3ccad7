/*
 * Shared by the files of convolution: the geometry of one step.
 * Plain values on the caller's stack; reentrant.
 */

#ifndef MAAS_CONV_H
#define MAAS_CONV_H

#include "ops/blocked.h"
#include "ops/window.h"


typedef struct {
    maas_window_t  w;
    int64_t        batch;
    int64_t        group;
    int64_t        icg, ocg;        /* channels of a group */
    int64_t        k;               /* icg * kernel */
    bool           direct;          /* 1x1: pixels are rows of the product */
    int64_t        mb, mblocks;     /* pixels of a unit */
    int64_t        nb, nblocks;     /* channels of a unit */
} conv_geom_t;

/* Of maas.ConvNormed: limits of what is convolved. */
typedef struct {
    maas_window_attr_t  w;              /* first: read as a convolution's */
    float               low, high;
} conv_normed_attr_t;

void conv_geom(conv_geom_t *g, const maas_window_attr_t *a,
    const maas_tensor_t *x, const maas_tensor_t *w, const maas_tensor_t *y);
double conv_flops(const maas_setup_t *u);

/* Dims of Y; W and the bias (-1: the operator has none) by input number. */
maas_status_t conv_infer_dims(maas_infer_t *c, int input, int bias,
    maas_dim_t *dims);

/* Of the gradient by X: inputs dY, W, none, the shape of X. */
maas_status_t conv_infer_adjoint(maas_infer_t *c, bool transposed);

#define CONV_ATTRS                                                            \
    MAAS_WINDOW_AUTO_PAD,                                                     \
    MAAS_WINDOW_LIST(dilations),                                              \
    { "group", MAAS_ATTR_INT, false, offsetof(maas_window_attr_t, group), 1,  \
      0, NULL, 1, INT32_MAX },                                                \
    MAAS_WINDOW_LIST(kernel_shape),                                           \
    MAAS_WINDOW_LIST(pads),                                                   \
    MAAS_WINDOW_LIST(strides)

/* With those of ConvTranspose. */
#define CONV_BACK_ATTRS                                                       \
    CONV_ATTRS,                                                               \
    MAAS_WINDOW_LIST(output_padding),                                         \
    MAAS_WINDOW_LIST(output_shape)

/* By the dims of W: one channel a group. */
static inline bool
conv_w_depthwise(const maas_window_attr_t *a, const int64_t *w)
{
    return w[1] == 1 && a->group > 1 && w[0] == a->group;
}


/* Channels of a group fill blocks, or there is but one group. */
static inline bool
conv_w_aligned(const maas_window_attr_t *a, const int64_t *w)
{
    return a->group == 1 || (w[1] % MAAS_C16 == 0
                             && w[0] / a->group % MAAS_C16 == 0);
}


/* Bias of formal input 2, or NULL. */
static inline const void *
conv_bias(const maas_step_t *s)
{
    return s->n_formal > 2 && s->in[2].dtype != MAAS_NODTYPE
           ? s->in[2].data : NULL;
}


#define CONV_POST  (1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY            \
                    | 1u << MAAS_POST_BINARY_SCALAR                           \
                    | 1u << MAAS_POST_BINARY_CHANNEL)

/* conv_gemm.c */
bool conv_setup_point(maas_setup_t *u);
bool conv_setup_packed(maas_setup_t *u);
bool conv_setup_plain(maas_setup_t *u);
maas_status_t conv_run_point(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t conv_run_gemm(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* conv_blocked.c */
bool conv_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b);
maas_status_t conv_blocked_infer(maas_infer_t *c);
bool conv_blocked_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p);
bool conv_blocked_setup(maas_setup_t *u);
bool conv_normed_setup(maas_setup_t *u);
maas_status_t conv_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t conv_normed_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
bool conv_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r);
bool conv_normed_rows(const maas_setup_t *u, maas_by_rows_t *r);
void conv_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b);
void conv_normed_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b);

/* convtranspose_tiles.c */
bool convtranspose_blocked(const maas_node_t *n,
    const maas_type_t *const *type, maas_blocked_t *b);
bool convtranspose_blocked_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p);
bool convtranspose_planes_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p);
bool convtranspose_blocked_setup(maas_setup_t *u);
bool convtranspose_planes_setup(maas_setup_t *u);
maas_status_t convtranspose_blocked_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);
maas_status_t convtranspose_planes_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);

bool conv_gradx_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b);
bool conv_gradx_blocked_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p);
bool conv_gradx_blocked_setup(maas_setup_t *u);
maas_status_t conv_gradx_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* conv_depthwise.c */
bool conv_blocked_setup_dw(maas_setup_t *u);
maas_status_t conv_blocked_run_dw(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
bool conv_blocked_rows_dw(const maas_setup_t *u, maas_by_rows_t *r);
void conv_blocked_band_dw(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b);

/* conv_grad_phases.c: with strides */
bool conv_gradx_phases_setup(maas_setup_t *u);
maas_status_t conv_gradx_phases_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* conv_grad_depthwise.c */
bool conv_gradx_depthwise_setup(maas_setup_t *u);
maas_status_t conv_gradx_depthwise_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);
bool conv_gradw_depthwise_setup(maas_setup_t *u);
maas_status_t conv_gradw_depthwise_run(const maas_step_t *s,
    maas_slot_t *slot, int64_t first, int64_t last);

/* conv_grad_blocked.c */
bool conv_gradw_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b);
bool conv_gradw_blocked_setup(maas_setup_t *u);
maas_status_t conv_gradw_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* conv_grouped.c: 1x1, groups that do not fill blocks */
bool conv_grouped(const maas_window_attr_t *a, const maas_type_t *w);
bool conv_grouped_setup(maas_setup_t *u);
bool conv_shuffled_setup(maas_setup_t *u);
maas_status_t conv_grouped_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t conv_shuffled_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/* conv_winograd.c */
const char *conv_winograd(const maas_window_attr_t *a, const maas_type_t *x,
    const maas_type_t *w);
bool conv_winograd2_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p);
bool conv_winograd4_pack(const maas_node_t *n,
    const maas_type_t *const *type, maas_pack_t *p);
bool conv_winograd2_setup(maas_setup_t *u);
bool conv_winograd4_setup(maas_setup_t *u);
maas_status_t conv_winograd2_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);
maas_status_t conv_winograd4_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last);

/*
 * Post-ops that the kernels over blocks apply themselves, and how many these
 * are; add NULL: the kernel takes no operand.
 */
int conv_blocked_posts(const maas_step_t *s, const float **add, bool *clip,
    float *lo, float *hi);

/*
 * maas_setup_t.inplace of such a kernel, where it writes nothing to an
 * element before the operand's is read.
 */
uint32_t conv_blocked_inplace(const maas_setup_t *u);

#endif
