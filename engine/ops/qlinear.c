/*
 * What lies between convolutions of 8-bit numbers in graphs that quantise
 * every tensor (graph/pass/fuse_qlinear.c puts it in), without float32 tensors
 * between:
 *
 *   maas.QAdd      Quantize(Dequantize(a) + Dequantize(b))
 *   maas.QConcat   along axis 1, each input brought to the output's scale
 *   maas.QAverage  GlobalAveragePool; the output 8-bit, or float32
 *
 * Scales are attributes, divided by the output's: y = clamp(round_half_even(
 * (a - za) * fa + ...), ...) + zero.  Each has a form over blocks of 16
 * channels, where bytes lie as uint8 (kernels.h).
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/concat.h"
#include "ops/quant.h"


typedef struct {
    float    fa, fb;
    int64_t  za, zb, zero;
    int64_t  low, high;         /* of y's type */
    int64_t  is_signed;         /* y is int8 */
} qadd_attr_t;

typedef struct {
    int64_t      zero, is_signed;
    maas_list_t  scale, from;   /* of each input */
} qconcat_attr_t;

typedef struct {
    float    scale;
    int64_t  from, zero, is_signed, plain;      /* plain: float32 */
} qaverage_attr_t;


static maas_dtype_t
ql_type(int64_t is_signed)
{
    return is_signed ? MAAS_I8 : MAAS_U8;
}


/* What bytes of blocks are raised by. */
static int32_t
ql_raise(const maas_tensor_t *t)
{
    return t->format == MAAS_FMT_C16 && t->dtype == MAAS_I8 ? 128 : 0;
}


/* Bytes of a tensor, with lanes that are no channels. */
static int64_t
ql_count(const maas_tensor_t *t)
{
    return t->format == MAAS_FMT_C16
           ? maas_planes16(t) * maas_pixels(t) * MAAS_C16
           : maas_tensor_count(t);
}


static inline int32_t
ql_byte(const void *p, int64_t i, bool is_signed)
{
    return is_signed ? ((const int8_t *) p)[i] : ((const uint8_t *) p)[i];
}


/* a of n bytes to y by f, whose b is not used. */
static void
ql_scale(const maas_step_t *s, uint8_t *y, const uint8_t *a, int64_t n,
    const maas_qadd_t *f, bool is_signed)
{
    int32_t  low = is_signed ? -128 : 0;

    if (!is_signed) {
        s->k->qadd(y, a, a, n, f);
        return;
    }

    for (int64_t i = 0; i < n; i++) {
        y[i] = (uint8_t) quant_one((float) ((int8_t) a[i] - f->za) * f->fa,
                                   f->zero, low, low + 255);
    }
}


/* -- QAdd ---------------------------------------------------------------- */

static maas_status_t
qadd_infer(maas_infer_t *c)
{
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *a = c->in[0].type, *b = c->in[1].type;
    const qadd_attr_t  *at = c->attr;

    if (a->rank != b->rank) {
        return maas_err(c->err, MAAS_EINVAL, "the inputs have ranks %d and "
                        "%d", a->rank, b->rank);
    }

    for (int i = 0; i < a->rank; i++) {
        MAAS_TRY(maas_infer_merge(c, a->dims[i], b->dims[i], &dims[i],
                                  "extents of the inputs"));
    }

    maas_infer_set(c, 0, ql_type(at->is_signed), a->rank, dims);
    return MAAS_OK;
}


static maas_status_t
qadd_infer_blocked(maas_infer_t *c)
{
    return maas_blocked_out(c, qadd_infer(c));
}


static bool
qadd_setup(maas_setup_t *u)
{
    int64_t  n = ql_count(&u->out[0]);

    if (u->in[0].format != u->in[1].format
        || u->in[0].format != u->out[0].format)
    {
        return false;
    }

    u->units = maas_units(n);
    u->cost = 50 + (double) n * 0.1;
    return true;
}


static maas_status_t
qadd_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    float                 v;
    uint8_t              *y = s->out[0].data;
    int32_t               raise = ql_raise(&s->out[0]);
    int64_t               lo, hi;
    maas_qadd_t           f;
    const qadd_attr_t    *a = s->attr;
    const maas_tensor_t  *x = s->in;

    (void) slot;

    maas_unit_range(first, last, ql_count(&s->out[0]), &lo, &hi);

    f = (maas_qadd_t) {
        .fa = a->fa, .fb = a->fb, .za = (int32_t) a->za + ql_raise(&x[0]),
        .zb = (int32_t) a->zb + ql_raise(&x[1]),
        .zero = (int32_t) a->zero + raise,
        .lo = (float) (a->low - a->zero), .hi = (float) (a->high - a->zero)
    };

    if (x[0].format == MAAS_FMT_C16
        || (x[0].dtype == MAAS_U8 && x[1].dtype == MAAS_U8))
    {
        s->k->qadd(y + lo, (const uint8_t *) x[0].data + lo,
                   (const uint8_t *) x[1].data + lo, hi - lo, &f);
        return MAAS_OK;
    }

    for (int64_t i = lo; i < hi; i++) {
        v = (float) (ql_byte(x[0].data, i, x[0].dtype == MAAS_I8) - f.za)
            * f.fa
            + (float) (ql_byte(x[1].data, i, x[1].dtype == MAAS_I8) - f.zb)
              * f.fb;
        y[i] = (uint8_t) quant_one(v, f.zero, (int32_t) a->low,
                                   (int32_t) a->high);
    }

    return MAAS_OK;
}


static bool
qadd_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    (void) n;

    if ((b->in & 3) == 0 || type[0]->rank < 3) {
        return false;
    }

    b->op = "QAddBlocked";
    b->in = 3;
    b->bytes = true;
    return true;
}


/* -- QConcat ------------------------------------------------------------- */

static maas_status_t
qconcat_infer(maas_infer_t *c)
{
    const maas_type_t     *t = c->in[0].type;
    const qconcat_attr_t  *a = c->attr;

    if (t->rank < 2 || a->scale.n != (uint32_t) c->n_in
        || a->from.n != (uint32_t) c->n_in)
    {
        return maas_err(c->err, MAAS_EINVAL, "expected an axis 1, and a "
                        "scale and a zero point of each input");
    }

    return maas_concat_infer(c, 1, ql_type(a->is_signed));
}


static maas_status_t
qconcat_infer_blocked(maas_infer_t *c)
{
    return maas_blocked_out(c, qconcat_infer(c));
}


/* Input i as it is. */
static bool
qconcat_same(const maas_setup_t *u, int i)
{
    const qconcat_attr_t  *a = u->attr;

    return maas_list_floats(a, &a->scale)[i] == 1
           && maas_list_ints(a, &a->from)[i] == a->zero
           && u->in[i].dtype == u->out[0].dtype;
}


static bool
qconcat_setup(maas_setup_t *u)
{
    bool  blocked = u->out[0].format == MAAS_FMT_C16;

    u->slices = u->out[0].dims[0] == 1;

    for (int i = 0; i < u->n_formal; i++) {
        if ((u->in[i].format == MAAS_FMT_C16) != blocked) {
            return false;
        }

        u->slices = u->slices && qconcat_same(u, i)
                    && (!blocked || i + 1 == u->n_formal
                        || u->in[i].dims[1] % MAAS_C16 == 0);
    }

    u->units = blocked ? maas_planes16(&u->out[0])
                       : u->out[0].dims[0] * u->n_formal;
    u->cost = 50 + (double) u->out[0].bytes / 10;
    return true;
}


/* What brings input i to the output's scale. */
static maas_qadd_t
qconcat_by(const maas_step_t *s, int i)
{
    int32_t                zero;
    const qconcat_attr_t  *a = s->attr;
    maas_qadd_t            f = { 0 };

    zero = (int32_t) a->zero + (a->is_signed ? 128 : 0);
    f.fa = maas_list_floats(a, &a->scale)[i];
    f.za = (int32_t) maas_list_ints(a, &a->from)[i] + ql_raise(&s->in[i]);
    f.zero = (int32_t) a->zero + ql_raise(&s->out[0]);
    f.lo = (float) -zero;
    f.hi = (float) (255 - zero);
    return f;
}


/* Input i, image n, of plain tensors. */
static void
qconcat_plain(const maas_step_t *s, int i, int64_t n)
{
    int64_t               at = 0, count, all, pixels = maas_pixels(&s->out[0]);
    uint8_t              *y = s->out[0].data;
    maas_qadd_t           f = qconcat_by(s, i);
    const maas_tensor_t  *x = &s->in[i];
    const uint8_t        *from;
    bool                  mixed = x->dtype != s->out[0].dtype;

    for (int j = 0; j < i; j++) {
        at += s->in[j].dims[1];
    }

    all = s->out[0].dims[1] * pixels;
    count = x->dims[1] * pixels;
    y += n * all + at * pixels;
    from = (const uint8_t *) x->data + n * count;

    if (y == from) {
        return;
    }

    if (!mixed) {
        ql_scale(s, y, from, count, &f, x->dtype == MAAS_I8);
        return;
    }

    for (int64_t k = 0; k < count; k++) {
        y[k] = (uint8_t) quant_one((float) (ql_byte(from, k, x->dtype
                                                    == MAAS_I8) - f.za)
                                   * f.fa, f.zero,
                                   (int32_t) f.lo + f.zero,
                                   (int32_t) f.hi + f.zero);
    }
}


/* Channels [c, c + 16) of image n, which are plane u of the output. */
static void
qconcat_block(const maas_step_t *s, int64_t u, int64_t n, int64_t c)
{
    uint8_t              *y;
    int64_t               pixels = maas_pixels(&s->out[0]), lane, at, count;
    int64_t               end = 0;
    maas_qadd_t           f;
    const uint8_t        *x;
    const maas_tensor_t  *t;

    y = (uint8_t *) s->out[0].data + u * pixels * MAAS_C16;

    for (int j = 0; j < s->n_formal && end < c + MAAS_C16; j++) {
        t = &s->in[j];
        at = maas_max(c - end, 0);
        lane = maas_max(end - c, 0);
        end += t->dims[1];
        f = qconcat_by(s, j);

        for ( /* void */ ; at < t->dims[1] && lane < MAAS_C16;
              at += count, lane += count)
        {
            count = maas_min(maas_min(t->dims[1] - at, MAAS_C16 - lane),
                             MAAS_C16 - at % MAAS_C16);
            x = (const uint8_t *) t->data
                + (n * maas_blocks(t->dims[1]) + at / MAAS_C16) * pixels
                  * MAAS_C16 + at % MAAS_C16;

            if (x == y + lane) {
                continue;
            }

            if (count == MAAS_C16) {
                s->k->qadd(y, x, x, pixels * MAAS_C16, &f);
                continue;
            }

            for (int64_t p = 0; p < pixels; p++) {
                s->k->qadd(y + p * MAAS_C16 + lane, x + p * MAAS_C16,
                           x + p * MAAS_C16, count, &f);
            }
        }
    }
}


static maas_status_t
qconcat_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t  blocks = maas_blocks(s->out[0].dims[1]);

    (void) slot;

    for (int64_t u = first; u < last; u++) {
        if (s->out[0].format == MAAS_FMT_C16) {
            qconcat_block(s, u, u / blocks, u % blocks * MAAS_C16);
        } else {
            qconcat_plain(s, (int) (u % s->n_formal), u / s->n_formal);
        }
    }

    return MAAS_OK;
}


static bool
qconcat_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    uint32_t  all = n->n_in < 32 ? (1u << n->n_in) - 1 : 0;

    if ((b->in & all) != all || all == 0 || type[0]->rank < 3) {
        return false;
    }

    b->op = "QConcatBlocked";
    b->in = all;
    b->bytes = true;
    return true;
}


/* -- QAverage ------------------------------------------------------------ */

#define QAVERAGE_PART  (1 << 20)    /* pixels that a uint32 sums */


static maas_status_t
qaverage_infer(maas_infer_t *c)
{
    maas_dim_t              dims[MAAS_RANK_MAX];
    const maas_type_t      *x = c->in[0].type;
    const qaverage_attr_t  *a = c->attr;

    if (x->rank < 3) {
        return maas_err(c->err, MAAS_EINVAL, "X has rank %d, expected 3 or "
                        "more", x->rank);
    }

    for (int i = 0; i < x->rank; i++) {
        dims[i] = i < 2 ? x->dims[i] : 1;
    }

    maas_infer_set(c, 0, a->plain ? MAAS_F32 : ql_type(a->is_signed),
                   x->rank, dims);
    return MAAS_OK;
}


static bool
qaverage_setup(maas_setup_t *u)
{
    u->units = maas_planes16(&u->in[0]);
    u->cost = 50 + (double) u->in[0].bytes / 15;
    return true;
}


/* Sums of n pixels of 16 channels. */
QUANT_FAST static void
qaverage_sum16(uint32_t sum[MAAS_C16], const uint8_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        for (int l = 0; l < MAAS_C16; l++) {
            sum[l] += x[i * MAAS_C16 + l];
        }
    }
}


/* Sum of n pixels of a plane. */
QUANT_FAST static double
qaverage_of(const maas_step_t *s, int64_t plane, int64_t n)
{
    int64_t        i, sum = 0;
    const int8_t  *p = (const int8_t *) s->in[0].data + plane * n;

    if (s->in[0].dtype == MAAS_U8) {
        for (i = 0; i < n; i += QAVERAGE_PART) {
            sum += s->k->qsum((const uint8_t *) p + i,
                              maas_min(n - i, QAVERAGE_PART));
        }

        return (double) sum;
    }

    for (i = 0; i < n; i++) {
        sum += p[i];
    }

    return (double) sum;
}


static maas_status_t
qaverage_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double                  v, sum;
    int64_t                 at, c0, n, blocks, low;
    uint32_t                sums[MAAS_C16];
    const maas_tensor_t    *x = &s->in[0];
    const qaverage_attr_t  *a = s->attr;

    (void) slot;

    n = maas_pixels(x);
    blocks = maas_blocks(x->dims[1]);
    low = a->is_signed ? -128 : 0;

    for (int64_t u = first; u < last; u++) {
        c0 = u % blocks * MAAS_C16;
        at = u / blocks * x->dims[1] + c0;
        memset(sums, 0, sizeof(sums));

        if (x->format == MAAS_FMT_C16) {
            qaverage_sum16(sums, (const uint8_t *) x->data + u * n * MAAS_C16,
                           n);
        }

        for (int l = 0; l < MAAS_C16 && c0 + l < x->dims[1]; l++, at++) {
            sum = x->format == MAAS_FMT_C16
                  ? (double) sums[l] - (double) n * ql_raise(x)
                  : qaverage_of(s, at, n);
            v = (sum - (double) n * (double) a->from) * (double) a->scale
                / (double) n;

            if (a->plain) {
                ((float *) s->out[0].data)[at] = (float) v;
            } else {
                ((uint8_t *) s->out[0].data)[at] =
                    (uint8_t) quant_one((float) v, (int32_t) a->zero,
                                        (int32_t) low, (int32_t) low + 255);
            }
        }
    }

    return MAAS_OK;
}


static bool
qaverage_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    (void) n;

    if (!(b->in & 1) || type[0]->rank < 3) {
        return false;
    }

    b->op = "QAverage";
    b->in = 1;
    b->bytes = true;
    b->plain = true;
    return true;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  qadd_in[] = {
    { "a", MAAS_D_Q8, 0, 0 },
    { "b", MAAS_D_Q8, 0, 0 }
};

static const maas_formal_t  qadd_out[] = { { "y", MAAS_D_Q8, 0, 0 } };

static const maas_formal_t  qconcat_in[] = {
    { "x", MAAS_D_Q8, 0, MAAS_VARIADIC | MAAS_HETERO }
};

static const maas_formal_t  qaverage_in[] = { { "x", MAAS_D_Q8, 0, 0 } };

static const maas_formal_t  qaverage_out[] = {
    { "y", MAAS_D_Q8 | MAAS_D(F32), 0, 0 }
};

#define QL_BYTE(label, attr, member, def)                                     \
    { .name = label, .type = MAAS_ATTR_INT, .i = def, .min = -128,            \
      .max = 255, .off = offsetof(attr, member) }
#define QL_FLAG(label, attr, member)                                          \
    { .name = label, .type = MAAS_ATTR_INT, .min = 0, .max = 1,               \
      .off = offsetof(attr, member) }
#define QL_FLOAT(label, attr, member)                                         \
    { .name = label, .type = MAAS_ATTR_FLOAT, .f = 1,                         \
      .off = offsetof(attr, member) }

static const maas_attr_row_t  qadd_attrs[] = {
    QL_FLOAT("fa", qadd_attr_t, fa),
    QL_FLOAT("fb", qadd_attr_t, fb),
    QL_BYTE("za", qadd_attr_t, za, 0),
    QL_BYTE("zb", qadd_attr_t, zb, 0),
    QL_BYTE("zero", qadd_attr_t, zero, 0),
    QL_BYTE("low", qadd_attr_t, low, 0),
    QL_BYTE("high", qadd_attr_t, high, 255),
    QL_FLAG("signed", qadd_attr_t, is_signed)
};

static const maas_attr_row_t  qconcat_attrs[] = {
    QL_BYTE("zero", qconcat_attr_t, zero, 0),
    QL_FLAG("signed", qconcat_attr_t, is_signed),
    { .name = "scale", .type = MAAS_ATTR_FLOATS, .required = true,
      .off = offsetof(qconcat_attr_t, scale) },
    { .name = "from", .type = MAAS_ATTR_INTS, .required = true,
      .off = offsetof(qconcat_attr_t, from) }
};

static const maas_attr_row_t  qaverage_attrs[] = {
    QL_FLOAT("scale", qaverage_attr_t, scale),
    QL_BYTE("from", qaverage_attr_t, from, 0),
    QL_BYTE("zero", qaverage_attr_t, zero, 0),
    QL_FLAG("signed", qaverage_attr_t, is_signed),
    QL_FLAG("plain", qaverage_attr_t, plain)
};

static const maas_kernel_row_t  qadd_kernels[] = {
    { "qadd", MAAS_CPU_REF, 3, 0, qadd_setup, qadd_run }
};

static const maas_kernel_row_t  qconcat_kernels[] = {
    { "qconcat", MAAS_CPU_REF, 0, 0, qconcat_setup, qconcat_run }
};

static const maas_kernel_row_t  qaverage_kernels[] = {
    { "qaverage", MAAS_CPU_REF, 0, 0, qaverage_setup, qaverage_run }
};

static const maas_case_t  qadd_cases[] = {
    { "fa=0.7 fb=0.2 za=3 zb=200 zero=20 | u8[2,3,5] u8[2,3,5]", NULL },
    { "fa=0.7 fb=1.2 za=-3 zb=20 zero=20 low=20 high=100 | i8[99] u8[99]",
      NULL },
    { "signed=1 low=-128 high=127 za=-3 zb=-9 zero=20 | i8[9,9] i8[9,9]",
      NULL },
    { "| u8[0,4] u8[0,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  qadd_bad[] = {
    { "| u8[2,3] u8[2,4]", "extents of the inputs" },
    { "| u8[2,3] u8[3]", "ranks 2 and 1" },
    { NULL, NULL }
};

static const maas_case_t  qconcat_cases[] = {
    { "scale=[0.7,1] from=[3,9] zero=9 | u8[2,3,5] u8[2,4,5]", NULL },
    { "signed=1 scale=[0.7,1,2] from=[3,9,-4] zero=-9 | "
      "u8[1,3,5] i8[1,4,5] i8[1,40,5]", NULL },
    { "scale=[1] from=[0] | u8[2,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  qconcat_bad[] = {
    { "scale=[1] from=[3,9] | u8[2,3,5] u8[2,4,5]", "of each input" },
    { "scale=[1,1] from=[3,9] | u8[2,3,5] u8[2,4,6]",
      "axis 2 of inputs 0 and 1" },
    { NULL, NULL }
};

static const maas_case_t  qaverage_cases[] = {
    { "scale=1.7 from=9 zero=20 | u8[2,19,5,7]", NULL },
    { "scale=1.7 from=-9 zero=20 signed=1 | i8[2,3,5]", NULL },
    { "scale=0.01 from=100 plain=1 | u8[1,33,7,7]", NULL },
    { NULL, NULL }
};

static const maas_case_t  qaverage_bad[] = {
    { "| u8[2,3]", "expected 3 or more" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_qlinear[] = {
    {
        .name = "QAdd", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qadd_in, qadd_out),
        MAAS_ATTRS(qadd_attrs, qadd_attr_t),
        .infer = qadd_infer,
        MAAS_KERNELS(qadd_kernels), .blocked = qadd_blocked,
        .cases = qadd_cases, .bad = qadd_bad
    },
    {
        .name = "QAddBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qadd_in, qadd_out),
        MAAS_ATTRS(qadd_attrs, qadd_attr_t),
        .infer = qadd_infer_blocked,
        MAAS_KERNELS(qadd_kernels)
    },
    {
        .name = "QConcat", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qconcat_in, qadd_out),
        MAAS_ATTRS(qconcat_attrs, qconcat_attr_t),
        .infer = qconcat_infer,
        MAAS_KERNELS(qconcat_kernels), .blocked = qconcat_blocked,
        .cases = qconcat_cases, .bad = qconcat_bad
    },
    {
        .name = "QConcatBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qconcat_in, qadd_out),
        MAAS_ATTRS(qconcat_attrs, qconcat_attr_t),
        .infer = qconcat_infer_blocked,
        MAAS_KERNELS(qconcat_kernels)
    },
    {
        .name = "QAverage", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qaverage_in, qaverage_out),
        MAAS_ATTRS(qaverage_attrs, qaverage_attr_t),
        .infer = qaverage_infer,
        MAAS_KERNELS(qaverage_kernels), .blocked = qaverage_blocked,
        .cases = qaverage_cases, .bad = qaverage_bad
    },
    { .name = NULL }
};
