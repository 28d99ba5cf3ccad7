/*
 * window: the geometry that convolution and pooling share: kernel, strides,
 * dilations, pads of up to six spatial axes, with auto_pad and ceil_mode.
 * Inference uses it with symbolic sizes, kernels with the real ones.
 *
 * Ownership: plain values on the caller's stack.  Threads: reentrant.
 * Spec: ONNX Conv-11, ConvTranspose-11, MaxPool-12, AveragePool-11.
 */

#ifndef MAAS_WINDOW_H
#define MAAS_WINDOW_H

#include "graph/op.h"


#define MAAS_WINDOW_MAX  (MAAS_RANK_MAX - 2)

enum {
    MAAS_PAD_NOTSET = 0,
    MAAS_PAD_SAME_UPPER,
    MAAS_PAD_SAME_LOWER,
    MAAS_PAD_VALID
};

extern const char *const  maas_window_auto_pad[];

/* The attributes of all operators of this kind; each lists what it has. */
typedef struct {
    int64_t      auto_pad;
    int64_t      group;
    int64_t      ceil_mode;
    int64_t      count_include_pad;
    int64_t      storage_order;
    int64_t      p;
    maas_list_t  dilations;
    maas_list_t  kernel_shape;
    maas_list_t  pads;
    maas_list_t  strides;
    maas_list_t  output_padding;
    maas_list_t  output_shape;
} maas_window_attr_t;

#define MAAS_WINDOW_AUTO_PAD                                                  \
    { "auto_pad", MAAS_ATTR_STRING, false,                                    \
      offsetof(maas_window_attr_t, auto_pad), 0, 0, maas_window_auto_pad }
#define MAAS_WINDOW_LIST(name)                                                \
    { #name, MAAS_ATTR_INTS, false, offsetof(maas_window_attr_t, name) }
#define MAAS_WINDOW_FLAG(name)                                                \
    { #name, MAAS_ATTR_INT, false, offsetof(maas_window_attr_t, name),        \
      0, 0, NULL, 0, 1 }

typedef struct {
    int      nd;
    int64_t  in[MAAS_WINDOW_MAX];
    int64_t  out[MAAS_WINDOW_MAX];
    int64_t  k[MAAS_WINDOW_MAX];
    int64_t  s[MAAS_WINDOW_MAX];        /* stride */
    int64_t  d[MAAS_WINDOW_MAX];        /* dilation */
    int64_t  p0[MAAS_WINDOW_MAX];       /* pad before */
    int64_t  p1[MAAS_WINDOW_MAX];       /* pad after */
    int64_t  in_count;                  /* products */
    int64_t  out_count;
    int64_t  k_count;
} maas_window_t;

/*
 * Checks lists against nd axes; kernel: sizes from the weights, or NULL:
 * then kernel_shape is required.  Fills w->nd, k, s, d and explicit pads.
 */
maas_status_t maas_window_attrs(maas_window_t *w,
    const maas_window_attr_t *a, const int64_t *kernel, int nd,
    maas_err_t *err);

/* Output sizes of a convolution or pooling over symbolic sizes. */
maas_status_t maas_window_infer(maas_infer_t *c, const maas_window_t *w,
    const maas_window_attr_t *a, const maas_dim_t *in, maas_dim_t *out);

/* The geometry of a step; sizes were validated by infer. */
void maas_window_init(maas_window_t *w, const maas_window_attr_t *a,
    const int64_t *kernel, int nd, const int64_t *in, const int64_t *out);

/*
 * The window's span and strides are so small that rows which it sees may be
 * copied with padding; kernel: sizes from the weights, or NULL.
 */
static inline bool
maas_window_near(const maas_window_attr_t *a, const int64_t *kernel, int nd)
{
    int64_t  k, d, s;

    for (int i = 0; i < nd; i++) {
        k = kernel != NULL ? kernel[i]
            : i < (int) a->kernel_shape.n
              ? maas_list_ints(a, &a->kernel_shape)[i] : 1;
        d = i < (int) a->dilations.n
            ? maas_list_ints(a, &a->dilations)[i] : 1;
        s = i < (int) a->strides.n ? maas_list_ints(a, &a->strides)[i] : 1;

        if (s > 64 || k > 1024 || d > 1024 || (k - 1) * d > 1024) {
            return false;
        }
    }

    return true;
}


/* First and last + 1 x in [0, n) with 0 <= x * s + off < size. */
static inline void
maas_window_range(int64_t n, int64_t s, int64_t off, int64_t size,
    int64_t *first, int64_t *last)
{
    int64_t  lo, hi;

    lo = off >= 0 ? 0 : (-off + s - 1) / s;
    hi = off >= size ? 0 : (size - 1 - off) / s + 1;

    *last = hi < n ? hi : n;
    *first = lo < *last ? lo : *last;
}


/*
 * Offset of the input row that output row `o` (all spatial axes but the
 * last) reads at kernel row `r`; false: the row lies in the padding.
 */
static inline bool
maas_window_row(const maas_window_t *w, int64_t o, int64_t r, int64_t *off)
{
    int64_t  i, pos, mul = w->in[w->nd - 1];

    *off = 0;

    for (i = w->nd - 2; i >= 0; i--) {
        pos = (o % w->out[i]) * w->s[i] - w->p0[i] + (r % w->k[i]) * w->d[i];
        if (pos < 0 || pos >= w->in[i]) {
            return false;
        }

        *off += pos * mul;
        mul *= w->in[i];
        o /= w->out[i];
        r /= w->k[i];
    }

    return true;
}

#endif
