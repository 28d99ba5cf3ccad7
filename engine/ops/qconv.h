/*
 * Shared by the files of convolutions of 8-bit numbers over blocks of 16
 * channels: how the weights lie in panels, one a block of output channels.
 *
 * A panel begins with 16 int32 sums of its channels' weights; then, pass by
 * pass (1 to 3, as a weight less its zero point needs them as int8) what
 * maas_qconv16_t says.  The input of a panel:
 *   planes     at most 4 channels, one group: 4 bytes a pixel, made of planes
 *   depthwise  the block of the same number
 *   dense      all blocks; with groups those that the panel's groups touch,
 *              the same number for each panel; the other weights are 0
 * Plain values on the caller's stack; reentrant.
 */

#ifndef MAAS_QCONV_H
#define MAAS_QCONV_H

#include "ops/blocked.h"
#include "ops/conv.h"
#include "ops/quant.h"


#define QCONV_PLANES  4
#define QCONV_HEAD    64
#define QCONV_PASSES  3

typedef struct {
    bool     planes, depthwise;
    int64_t  group, oc, icg, ocg;
    int64_t  kh, kw, passes;
    int64_t  blocks;            /* of the output, and panels */
    int64_t  parts;             /* of the input: blocks, or 1 of planes */
    int64_t  na, last;          /* parts a panel takes; bytes of the last */
    int64_t  pass;              /* bytes of a pass */
    int64_t  panel;             /* bytes */
} qconv_panel_t;

/* Attributes of maas.QConv. */
typedef struct {
    maas_window_attr_t  w;              /* first: read as a convolution's */
    int64_t             oc, icg, passes;
    int64_t             low, high;      /* of what is rounded to y's type */
    int64_t             again;          /* it is rounded once more, by ... */
    int64_t             add_zero, z_zero;
    int64_t             z_low, z_high;
    float               fsum, fadd;
} qconv_attr_t;

enum {
    QCONV_X, QCONV_W, QCONV_ZX, QCONV_SX, QCONV_SW, QCONV_SY, QCONV_ZY,
    QCONV_B, QCONV_ADD
};

/* False: sizes that are none, or too large. */
bool qconv_panel_init(qconv_panel_t *p, int64_t group, int64_t oc,
    int64_t icg, int64_t kh, int64_t kw, int64_t passes);

/* The first part of the input that panel b takes. */
int64_t qconv_panel_from(const qconv_panel_t *p, int64_t b);

/* qconv_blocked.c */
bool qconv_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b, int w, int zw);

#endif
