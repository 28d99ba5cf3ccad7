/*
 * ConvInteger-10 and QLinearConv-10: 1-D to 6-D, groups, dilations, pads,
 * auto_pad; the padding has the value of X's zero point.
 *
 * A unit is a block of output pixels of one image and group, and a block of
 * channels.  The taps of a pixel are a row of int16 less the zero point,
 * the weights of a channel another; a sum is their product.  Units of one
 * pixel block follow each other, so that a thread copies its taps once.
 * Sums are int32 and exact; with the bias, they are scaled in float32 by
 * x_scale * w_scale / y_scale.
 *
 * By constant weights over one or two axes they are maas.QConv instead
 * (qconv_blocked.c), by way of the blocked forms below.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/qconv.h"


#define QCONV_BLOCK   65536         /* elements of a block of weights */
#define QCONV_PIXELS  128

/* Inputs by role; -1: the operator has none. */
typedef struct {
    int8_t  w, zx, zw, sx, sw, sy, zy, bias;
    bool    limited;            /* the attributes are qconv_limited_t */
} qconv_in_t;

/* Of maas.QConvLimited: what is within two numbers of y's type. */
typedef struct {
    maas_window_attr_t  w;      /* first: read as a convolution's */
    int64_t             low, high;
} qconv_limited_t;

static const qconv_in_t  qconv_integer = { 1, 2, 3, -1, -1, -1, -1, -1,
                                           false };
static const qconv_in_t  qconv_linear = { 3, 2, 5, 1, 4, 6, 7, 8, false };
static const qconv_in_t  qconv_limited = { 3, 2, 5, 1, 4, 6, 7, 8, true };

typedef struct {
    maas_window_t  w;
    int64_t        batch, group;
    int64_t        icg, ocg;        /* channels of a group */
    int64_t        k, kp;           /* taps of a pixel, and of its row */
    int64_t        mb, mblocks;     /* pixels of a unit */
    int64_t        nb, nblocks;     /* channels of a unit */
    size_t         taps, weights, sums, scale;      /* of the scratch */
} qconv_geom_t;


static void
qconv_geom(qconv_geom_t *g, const qconv_in_t *in, const void *attr,
    const maas_tensor_t *t, const maas_tensor_t *y)
{
    int                        nd = t[0].rank - 2;
    int64_t                    mb, nb;
    const maas_tensor_t       *x = &t[0], *w = &t[in->w];
    const maas_window_attr_t  *a = attr;

    maas_window_init(&g->w, a, w->dims + 2, nd, x->dims + 2, y->dims + 2);

    g->batch = x->dims[0];
    g->group = a->group;
    g->icg = w->dims[1];
    g->ocg = w->dims[0] / a->group;
    g->k = g->icg * g->w.k_count;
    g->kp = quant_row(g->k);

    mb = QCONV_BLOCK / 2 / maas_max(g->kp, 1);
    mb = maas_min(maas_max(mb, 16), QCONV_PIXELS);
    g->mb = maas_min(mb, maas_max(g->w.out_count, 1));
    g->mblocks = (g->w.out_count + g->mb - 1) / g->mb;

    nb = maas_max(QCONV_BLOCK / maas_max(g->kp, 1), 16);
    g->nb = maas_min(maas_min(nb, 512), maas_max(g->ocg, 1));
    g->nblocks = (g->ocg + g->nb - 1) / g->nb;

    g->taps = maas_align((size_t) (g->mb * g->kp) * 2, MAAS_ALIGN);
    g->weights = maas_align((size_t) (g->nb * g->kp) * 2, MAAS_ALIGN);
    g->sums = maas_align((size_t) (g->nb * g->mb) * 4, MAAS_ALIGN);
    g->scale = maas_align((size_t) g->mb * 4, MAAS_ALIGN);
}


static double
qconv_flops_of(const maas_setup_t *u, const maas_tensor_t *w)
{
    double  n = 2.0 * (double) maas_tensor_count(&u->out[0]);

    for (int i = 1; i < w->rank; i++) {
        n *= (double) w->dims[i];
    }

    return n;
}


static double
convinteger_flops(const maas_setup_t *u)
{
    return qconv_flops_of(u, &u->in[1]);
}


static double
qlinearconv_flops(const maas_setup_t *u)
{
    return qconv_flops_of(u, &u->in[3]);
}


static bool
qconv_setup(maas_setup_t *u, const qconv_in_t *in)
{
    qconv_geom_t  g;

    qconv_geom(&g, in, u->attr, u->in, u->out);

    u->units = maas_max(g.batch * g.group * g.mblocks * g.nblocks, 1);
    u->scratch = g.taps + g.weights + g.sums + g.scale;
    u->cost = 100 + qconv_flops_of(u, &u->in[in->w]) / 32
              + (double) u->out[0].bytes;
    return true;
}


static bool
convinteger_setup(maas_setup_t *u)
{
    return qconv_setup(u, &qconv_integer);
}


static bool
qlinearconv_setup(maas_setup_t *u)
{
    return qconv_setup(u, &qconv_linear);
}


/* -- one unit ------------------------------------------------------------ */

typedef struct {
    int64_t   image, group;
    int64_t   m0, pixels;
    int64_t   n0, channels;         /* of the group */
    int16_t  *taps, *weights;
    int32_t  *sums;
    float    *scale;
} qconv_block_t;


/* dst[i * kp] = src[i * s] - zero for i in [0, n). */
static void
qconv_copy(int16_t *dst, int64_t kp, const void *src, maas_dtype_t dtype,
    int64_t s, int64_t n, int32_t zero)
{
    int64_t         i;
    const int8_t   *p = src;
    const uint8_t  *q = src;

    if (dtype == MAAS_I8) {
        for (i = 0; i < n; i++) {
            dst[i * kp] = (int16_t) (p[i * s] - zero);
        }

        return;
    }

    for (i = 0; i < n; i++) {
        dst[i * kp] = (int16_t) (q[i * s] - zero);
    }
}


/* Tap (kr, kx) of one input plane for the pixels of the block. */
static void
qconv_tap(const qconv_geom_t *g, const qconv_block_t *b, int16_t *dst,
    const char *plane, maas_dtype_t dtype, int64_t kr, int64_t kx,
    int32_t zero)
{
    int                   last = g->w.nd - 1;
    int64_t               i, o, x0, n, off, base, lo, hi, ow, m;
    const maas_window_t  *w = &g->w;

    ow = w->out[last];

    for (m = 0; m < b->pixels; m += n) {
        o = (b->m0 + m) / ow;
        x0 = (b->m0 + m) % ow;
        n = maas_min(ow - x0, b->pixels - m);
        lo = hi = 0;

        if (maas_window_row(w, o, kr, &off)) {
            base = x0 * w->s[last] + kx * w->d[last] - w->p0[last];
            maas_window_range(n, w->s[last], base, w->in[last], &lo, &hi);

            if (hi > lo) {
                qconv_copy(dst + (m + lo) * g->kp, g->kp,
                           plane + off + base + lo * w->s[last], dtype,
                           w->s[last], hi - lo, zero);
            }
        }

        for (i = 0; i < lo; i++) {
            dst[(m + i) * g->kp] = 0;
        }

        for (i = maas_max(lo, hi); i < n; i++) {
            dst[(m + i) * g->kp] = 0;
        }
    }
}


static void
qconv_taps(const maas_step_t *s, const qconv_in_t *in, const qconv_geom_t *g,
    const qconv_block_t *b)
{
    int64_t       c, r, kx, m, t = 0, rows, kl;
    int32_t       zero = quant_zero(s, in->zx, 0);
    const char   *plane;

    kl = g->w.k[g->w.nd - 1];
    rows = g->w.k_count / kl;
    plane = (const char *) s->in[0].data
            + (b->image * g->group + b->group) * g->icg * g->w.in_count;

    for (c = 0; c < g->icg; c++) {
        for (r = 0; r < rows; r++) {
            for (kx = 0; kx < kl; kx++) {
                qconv_tap(g, b, b->taps + t++, plane, s->in[0].dtype, r, kx,
                          zero);
            }
        }

        plane += g->w.in_count;
    }

    for (m = 0; m < b->pixels && g->kp != g->k; m++) {
        memset(b->taps + m * g->kp + g->k, 0, (size_t) (g->kp - g->k) * 2);
    }
}


static void
qconv_weights(const maas_step_t *s, const qconv_in_t *in,
    const qconv_geom_t *g, const qconv_block_t *b)
{
    int64_t      j, oc;
    int16_t     *dst = b->weights;
    const char  *w = s->in[in->w].data;

    for (j = 0; j < b->channels; j++) {
        oc = b->group * g->ocg + b->n0 + j;
        quant_widen(dst, w + oc * g->k, s->in[in->w].dtype, 1, g->k,
                    quant_zero(s, in->zw, oc));
        memset(dst + g->k, 0, (size_t) (g->kp - g->k) * 2);
        dst += g->kp;
    }
}


static void
qconv_limit(const maas_step_t *s, char *y, int64_t n)
{
    bool                    is_signed = s->out[0].dtype == MAAS_I8;
    int64_t                 v;
    const qconv_limited_t  *a = s->attr;

    for (int64_t i = 0; i < n; i++) {
        v = is_signed ? ((int8_t *) y)[i] : ((uint8_t *) y)[i];
        y[i] = (char) maas_min(maas_max(v, a->low), a->high);
    }
}


static void
qconv_store(const maas_step_t *s, const qconv_in_t *in,
    const qconv_geom_t *g, const qconv_block_t *b)
{
    char           *y = s->out[0].data;
    float           scale;
    int32_t        *sums;
    int64_t         i, j, oc, at;
    const int32_t  *bias;

    bias = in->bias >= 0 && quant_has(s, in->bias) ? s->in[in->bias].data
                                                   : NULL;

    for (j = 0; j < b->channels; j++) {
        oc = b->group * g->ocg + b->n0 + j;
        at = (b->image * g->group * g->ocg + oc) * g->w.out_count + b->m0;
        sums = b->sums + j * b->pixels;

        if (in->sy < 0) {
            memcpy(y + at * 4, sums, (size_t) b->pixels * 4);
            continue;
        }

        scale = quant_scale(s, in->sx, 0) * quant_scale(s, in->sw, oc)
                / quant_scale(s, in->sy, 0);

        for (i = 0; i < b->pixels; i++) {
            b->scale[i] = scale;

            if (bias != NULL) {
                sums[i] = (int32_t) ((uint32_t) sums[i]
                                     + (uint32_t) bias[oc]);
            }
        }

        quant_round(y + at, s->out[0].dtype, sums, b->scale,
                    quant_zero(s, in->zy, 0), b->pixels);

        if (in->limited) {
            qconv_limit(s, y + at, b->pixels);
        }
    }
}


static maas_status_t
qconv_run(const maas_step_t *s, const qconv_in_t *in, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    char           *p = slot->scratch;
    int64_t         u, t, have = -1;
    qconv_geom_t    g;
    qconv_block_t   b;

    qconv_geom(&g, in, s->attr, s->in, s->out);

    if (maas_tensor_count(&s->out[0]) == 0) {
        return MAAS_OK;
    }

    b.taps = (int16_t *) p;
    b.weights = (int16_t *) (p += g.taps);
    b.sums = (int32_t *) (p += g.weights);
    b.scale = (float *) (p += g.sums);

    for (u = first; u < last; u++) {
        b.n0 = u % g.nblocks * g.nb;
        b.channels = maas_min(g.nb, g.ocg - b.n0);
        t = u / g.nblocks;
        b.m0 = t % g.mblocks * g.mb;
        b.pixels = maas_min(g.mb, g.w.out_count - b.m0);
        b.group = t / g.mblocks % g.group;
        b.image = t / g.mblocks / g.group;

        if (t != have) {
            qconv_taps(s, in, &g, &b);
            have = t;
        }

        qconv_weights(s, in, &g, &b);
        quant_products(b.sums, b.pixels, b.weights, b.channels, b.taps,
                       b.pixels, g.kp);
        qconv_store(s, in, &g, &b);
    }

    return MAAS_OK;
}


static maas_status_t
convinteger_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return qconv_run(s, &qconv_integer, slot, first, last);
}


static maas_status_t
qlinearconv_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return qconv_run(s, &qconv_linear, slot, first, last);
}


static maas_status_t
qconvlimited_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    return qconv_run(s, &qconv_limited, slot, first, last);
}


/* -- shapes -------------------------------------------------------------- */

/* Scales and zero points; oc: output channels. */
static maas_status_t
qconv_infer_params(maas_infer_t *c, const qconv_in_t *in, maas_dim_t oc)
{
    MAAS_TRY(quant_infer_vector(c, in->zx, "the zero point of X", 1, NULL));
    MAAS_TRY(quant_infer_vector(c, in->zw, "the zero point of W", oc,
                                "output channel"));

    if (in->sx < 0) {
        return MAAS_OK;
    }

    MAAS_TRY(quant_infer_vector(c, in->sx, "the scale of X", 1, NULL));
    MAAS_TRY(quant_infer_vector(c, in->sw, "the scale of W", oc,
                                "output channel"));
    MAAS_TRY(quant_infer_vector(c, in->sy, "the scale of Y", 1, NULL));
    return quant_infer_vector(c, in->zy, "the zero point of Y", 1, NULL);
}


static maas_status_t
qconv_infer(maas_infer_t *c, const qconv_in_t *in, maas_dtype_t dtype)
{
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[0].type;

    MAAS_TRY(conv_infer_dims(c, in->w, in->bias, dims));
    MAAS_TRY(qconv_infer_params(c, in, dims[1]));
    maas_infer_set(c, 0, dtype, x->rank, dims);
    return MAAS_OK;
}


static maas_status_t
convinteger_infer(maas_infer_t *c)
{
    return qconv_infer(c, &qconv_integer, MAAS_I32);
}


static maas_status_t
qlinearconv_infer(maas_infer_t *c)
{
    return qconv_infer(c, &qconv_linear, c->in[7].type->dtype);
}


/* -- over blocks of channels --------------------------------------------- */

static bool
convinteger_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    b->op = "ConvIntegerBlocked";
    b->plain = true;
    return qconv_blocked(n, type, b, 1, 3);
}


static bool
qlinearconv_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    b->op = "QConvBlocked";
    return qconv_blocked(n, type, b, 3, 5);
}


static bool
qconvlimited_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    b->op = "QConvLimitedBlocked";
    return qconv_blocked(n, type, b, 3, 5);
}


static maas_status_t
qlinearconv_infer_blocked(maas_infer_t *c)
{
    return maas_blocked_out(c, qlinearconv_infer(c));
}


/* -- rows ---------------------------------------------------------------- */

static const maas_attr_row_t  qconv_attrs[] = {
    MAAS_WINDOW_AUTO_PAD,
    MAAS_WINDOW_LIST(dilations),
    { "group", MAAS_ATTR_INT, false, offsetof(maas_window_attr_t, group), 1,
      0, NULL, 1, INT32_MAX },
    MAAS_WINDOW_LIST(kernel_shape),
    MAAS_WINDOW_LIST(pads),
    MAAS_WINDOW_LIST(strides)
};

#define QCONV_LIMIT(label, member, def)                                       \
    { .name = label, .type = MAAS_ATTR_INT, .i = def, .min = -128,            \
      .max = 255, .off = offsetof(qconv_limited_t, member) }

static const maas_attr_row_t  qconvlimited_attrs[] = {
    CONV_ATTRS,
    QCONV_LIMIT("low", low, -128),
    QCONV_LIMIT("high", high, 255)
};

static const maas_formal_t  convinteger_in[] = {
    { "x",            MAAS_D_Q8, 'X', 0 },
    { "w",            MAAS_D_Q8, 'W', 0 },
    { "x_zero_point", MAAS_D_Q8, 'X', MAAS_OPT },
    { "w_zero_point", MAAS_D_Q8, 'W', MAAS_OPT }
};

static const maas_formal_t  convinteger_out[] = {
    { "y", MAAS_D(I32), 0, 0 }
};

static const maas_formal_t  qlinearconv_in[] = {
    { "x",            MAAS_D_Q8, 'X', 0 },
    { "x_scale",      MAAS_D(F32), 0, 0 },
    { "x_zero_point", MAAS_D_Q8, 'X', 0 },
    { "w",            MAAS_D_Q8, 'W', 0 },
    { "w_scale",      MAAS_D(F32), 0, 0 },
    { "w_zero_point", MAAS_D_Q8, 'W', 0 },
    { "y_scale",      MAAS_D(F32), 0, 0 },
    { "y_zero_point", MAAS_D_Q8, 'Y', 0 },
    { "B",            MAAS_D(I32), 0, MAAS_OPT }
};

static const maas_formal_t  qlinearconv_out[] = {
    { "y", MAAS_D_Q8, 'Y', 0 }
};

static const maas_kernel_row_t  convinteger_kernels[] = {
    { "convinteger.dot", MAAS_CPU_REF, 0, 0, convinteger_setup,
      convinteger_run }
};

static const maas_kernel_row_t  qlinearconv_kernels[] = {
    { "qlinearconv.dot", MAAS_CPU_REF, 0, 0, qlinearconv_setup,
      qlinearconv_run }
};

static const maas_kernel_row_t  qconvlimited_kernels[] = {
    { "qconvlimited.dot", MAAS_CPU_REF, 0, 0, qlinearconv_setup,
      qconvlimited_run }
};

static const maas_case_t  qconvlimited_cases[] = {
    { "pads=[1,1,1,1] low=99 high=140 | u8[2,3,17,19] =f32[]{0.02} =u8[]{114} "
      "=i8[20,3,3,3] =f32[20]:pos =i8[20] =f32[]{3} =u8[]{99} =i32[20]",
      NULL },
    { "low=-50 high=7 | i8[2,6,11,9] f32[]{0.02} i8[]{3} i8[8,6,3,2] "
      "f32[8]:pos i8[]{0} f32[]{0.5} i8[]{-4} i32[8]", NULL },
    { NULL, NULL }
};

static const maas_case_t  convinteger_cases[] = {
    { "| u8[1,1,5,5] =u8[1,1,3,3]", NULL },
    { "pads=[1,1,1,1] | u8[2,3,17,19] =i8[20,3,3,3] =u8[] =i8[20]", NULL },
    { "strides=[2,2] pads=[1,0,2,1] | i8[1,4,9,15] u8[7,4,3,3] i8[]{-5} u8[]",
      NULL },
    { "group=2 dilations=[2,1] | u8[2,6,11,9] u8[8,3,3,2] u8[] u8[8]", NULL },
    { "| i8[2,33,7,5] i8[18,33,1,1] i8[1] i8[1]", NULL },
    { "group=5 pads=[1,1,1,1] | u8[2,5,9,33] =i8[5,1,3,3] =u8[] =i8[5]",
      NULL },
    { "auto_pad=SAME_UPPER strides=[2,2] | u8[1,2,8,7] u8[3,2,3,4] u8[]",
      NULL },
    { "auto_pad=SAME_LOWER | u8[1,2,8,7] u8[3,2,3,4] u8[]", NULL },
    { "auto_pad=VALID | u8[1,2,8,7] u8[3,2,3,4] - u8[3]", NULL },
    { "pads=[2,1] strides=[3] | u8[2,3,40] u8[5,3,4] u8[]{200}", NULL },
    { "pads=[1,1,1,1,1,1] | u8[1,2,4,5,6] u8[3,2,3,3,3] u8[]", NULL },
    { "| u8[1,600,3,7] i8[130,600,1,1] u8[] i8[130]", NULL },
    { "| u8[0,3,5,5] u8[4,3,3,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  convinteger_bad[] = {
    { "| u8[1,3,5,5] u8[4,2,3,3]", "channels of X and W" },
    { "group=3 | u8[1,3,5,5] u8[4,1,3,3]", "multiple of group 3" },
    { "| u8[1,3,2,2] u8[4,3,3,3]", "window spans 3" },
    { "strides=[1] | u8[1,3,5,5] u8[4,3,3,3]", "strides has 1 values" },
    { "| u8[3,5] u8[4,3]", "3 or more" },
    { "| u8[1,3,5,5] u8[4,3,3,3] u8[3]", "expected one element" },
    { "| u8[1,3,5,5] u8[4,3,3,3] u8[] u8[3]", "each output channel (4)" },
    { NULL, NULL }
};

static const maas_case_t  qlinearconv_cases[] = {
    { "| u8[1,1,7,7] f32[]{0.003} u8[]{132} u8[1,1,1,1] f32[1]{0.001} u8[1] "
      "f32[]{0.002} u8[]{123}", NULL },
    { "pads=[1,1,1,1] | u8[2,3,17,19] =f32[]{0.02} =u8[]{114} =i8[20,3,3,3] "
      "=f32[20]:pos =i8[20] =f32[]{3} =u8[]{99} =i32[20]", NULL },
    { "group=2 dilations=[2,1] | i8[2,6,11,9] f32[]{0.02} i8[]{3} i8[8,3,3,2] "
      "f32[8]:pos i8[]{0} f32[]{0.5} i8[]{-4} i32[8]", NULL },
    { "strides=[2] auto_pad=SAME_UPPER | u8[2,3,40] f32[]{0.1} u8[]{7} "
      "i8[5,3,4] f32[1]{0.1} i8[1] f32[]{3} u8[]", NULL },
    { "group=5 pads=[1,1,1,1] | u8[2,5,9,33] f32[]{0.1} u8[] i8[5,1,3,3] "
      "f32[5] i8[5] f32[]{2} i8[]{-9} i32[5]", NULL },
    { "| u8[0,3,5,5] f32[] u8[] u8[4,3,3,3] f32[] u8[] f32[] u8[]", NULL },
    { "| u8[0,3,5,5] f32[] u8[] =u8[4,3,3,3] f32[] =u8[] f32[] u8[]", NULL },
    { "| u8[0,9,5,5] f32[] u8[] =u8[4,9,3,3] f32[] =u8[] f32[] u8[]", NULL },
    { "dilations=[2000000,1] pads=[2000000,0,2000000,0] | u8[1,9,5,5] "
      "f32[]{0.1} u8[]{8} =i8[4,9,3,3] f32[]{0.1} =i8[] f32[]{3} u8[]{9}",
      NULL },
    { "strides=[3000000,1] pads=[3000000,0,3000000,0] | u8[1,9,5,5] "
      "f32[]{0.1} u8[]{8} =i8[4,9,3,3] f32[]{0.1} =i8[] f32[]{3} u8[]{9}",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  qlinearconv_bad[] = {
    { "| u8[1,3,5,5] f32[] u8[] u8[4,2,3,3] f32[] u8[] f32[] u8[]",
      "channels of X and W" },
    { "| u8[1,3,5,5] f32[3] u8[] u8[4,3,3,3] f32[] u8[] f32[] u8[]",
      "the scale of X has shape [3]" },
    { "| u8[1,3,5,5] f32[] u8[] u8[4,3,3,3] f32[3] u8[] f32[] u8[]",
      "each output channel (4)" },
    { "| u8[1,3,5,5] f32[] u8[] u8[4,3,3,3] f32[] u8[] f32[4] u8[]",
      "the scale of Y has shape [4]" },
    { "| u8[1,3,5,5] f32[] u8[] u8[4,3,3,3] f32[] u8[] f32[] u8[] i32[5]",
      "length of B" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_qconv[] = {
    {
        .name = "ConvInteger", .domain = "", .since = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(convinteger_in, convinteger_out),
        MAAS_ATTRS(qconv_attrs, maas_window_attr_t),
        .infer = convinteger_infer,
        MAAS_KERNELS(convinteger_kernels), .blocked = convinteger_blocked,
        .flops = convinteger_flops,
        .cases = convinteger_cases, .bad = convinteger_bad
    },
    {
        .name = "QLinearConv", .domain = "", .since = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(qlinearconv_in, qlinearconv_out),
        MAAS_ATTRS(qconv_attrs, maas_window_attr_t),
        .infer = qlinearconv_infer,
        MAAS_KERNELS(qlinearconv_kernels), .blocked = qlinearconv_blocked,
        .flops = qlinearconv_flops,
        .cases = qlinearconv_cases, .bad = qlinearconv_bad
    },
    {
        .name = "ConvIntegerBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(convinteger_in, convinteger_out),
        MAAS_ATTRS(qconv_attrs, maas_window_attr_t),
        .infer = convinteger_infer
    },
    {
        .name = "QConvBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qlinearconv_in, qlinearconv_out),
        MAAS_ATTRS(qconv_attrs, maas_window_attr_t),
        .infer = qlinearconv_infer_blocked
    },
    {
        .name = "QConvLimited", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qlinearconv_in, qlinearconv_out),
        MAAS_ATTRS(qconvlimited_attrs, qconv_limited_t),
        .infer = qlinearconv_infer,
        MAAS_KERNELS(qconvlimited_kernels), .blocked = qconvlimited_blocked,
        .flops = qlinearconv_flops,
        .cases = qconvlimited_cases
    },
    {
        .name = "QConvLimitedBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qlinearconv_in, qlinearconv_out),
        MAAS_ATTRS(qconvlimited_attrs, qconv_limited_t),
        .infer = qlinearconv_infer_blocked
    },
    { .name = NULL }
};
