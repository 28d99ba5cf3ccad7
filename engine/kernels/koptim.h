/*
 * koptim: one step of an optimiser on n elements, in one pass: the gradient
 * is scaled, clipped and gets its penalties while it is read.  Elementwise,
 * no sums, no fused multiply-adds: every level and every split of the
 * elements gives the same bits.
 *
 *   g = clamp(g * scale, -clip, clip) + l2 * p + l1 * sign(p)
 *
 * The formulas of the updates are PyTorch's (torch.optim, its documentation).
 *
 * Threads: reentrant; ranges split the elements.
 */

#ifndef MAAS_OPTIM_KERNELS_H
#define MAAS_OPTIM_KERNELS_H

#include "kernels/kernels.h"


typedef enum {
    /* p -= lr * g */
    MAAS_K_SGD = 0,
    /* m = b1 * m + c1 * g; p -= lr * m */
    MAAS_K_MOMENTUM,
    /* the same m; p -= lr * (g + b1 * m) */
    MAAS_K_NESTEROV,
    /* p *= keep; m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2;
     * p -= lr * m / (sqrt(v) / c2 + eps) */
    MAAS_K_ADAM,
    /* v = b2 * v + (1 - b2) * g^2; p -= lr * g / (sqrt(v) + eps) */
    MAAS_K_RMSPROP,
    /* the same v; m = b1 * m + g / (sqrt(v) + eps); p -= lr * m */
    MAAS_K_RMSPROP_MOMENTUM,
    /* v += g^2; p -= lr * g / (sqrt(v) + eps) */
    MAAS_K_ADAGRAD,
    MAAS_K_OPTIMS
} maas_optim_kernel_t;

typedef struct {
    float  scale;
    float  clip;                /* INFINITY: none */
    float  l1, l2;
    float  lr;
    float  b1, b2;
    float  a1, a2;              /* 1 - b1, 1 - b2, rounded once */
    float  c1, c2;
    float  eps;
    float  keep;
} maas_optim_k_t;

/* m and v: NULL where the update has none. */
typedef void (*maas_optim_pt)(float *p, const float *g, float *m, float *v,
    int64_t n, const maas_optim_k_t *c);

/* Of the level of k. */
maas_optim_pt maas_optim_kernel(const maas_kernels_t *k,
    maas_optim_kernel_t which);

#endif
