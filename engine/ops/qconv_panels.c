/*
 * maas.PackQConv: weights of a convolution of 8-bit numbers to panels
 * (qconv.h), the zero points taken away.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/qconv.h"


typedef struct {
    int64_t  group, passes;
} qpack_attr_t;


bool
qconv_panel_init(qconv_panel_t *p, int64_t group, int64_t oc, int64_t icg,
    int64_t kh, int64_t kw, int64_t passes)
{
    int64_t  channels, rows, first, last, taps;

    if (group < 1 || oc < 1 || icg < 1 || kh < 1 || kw < 1 || oc % group != 0
        || passes < 1 || passes > QCONV_PASSES || oc > INT32_MAX
        || icg > INT32_MAX || group > INT32_MAX || kh > INT32_MAX
        || kw > INT32_MAX || !maas_mul_i64(group, icg, &channels))
    {
        return false;
    }

    *p = (qconv_panel_t) {
        .group = group, .oc = oc, .icg = icg, .ocg = oc / group,
        .kh = kh, .kw = kw, .passes = passes, .blocks = maas_blocks(oc),
        .planes = group == 1 && icg <= QCONV_PLANES,
        .depthwise = group > 1 && icg == 1 && oc == group
    };

    p->parts = p->planes ? 1 : maas_blocks(channels);
    p->na = p->parts;
    p->last = p->planes ? 4 : (channels - 1) % MAAS_C16 / 4 * 4 + 4;

    if (group > 1) {
        p->na = 1;
        p->last = MAAS_C16;

        for (int64_t b = 0; b < p->blocks && !p->depthwise; b++) {
            first = b * MAAS_C16 / p->ocg * icg / MAAS_C16;
            last = (maas_min(b * MAAS_C16 + MAAS_C16, oc) - 1) / p->ocg;
            last = ((last + 1) * icg - 1) / MAAS_C16;
            p->na = maas_max(p->na, last - first + 1);
        }
    }

    rows = p->depthwise ? 1 : (p->na - 1) * MAAS_C16 + p->last;
    taps = p->depthwise ? (kh + 3) / 4 * 4 : kh;

    return maas_mul_i64(rows, taps, &p->pass)
           && maas_mul_i64(p->pass, kw, &p->pass)
           && maas_mul_i64(p->pass, MAAS_C16, &p->pass)
           && maas_mul_i64(p->pass, passes, &p->panel)
           && (p->panel += QCONV_HEAD) < INT64_MAX / p->blocks;
}


int64_t
qconv_panel_from(const qconv_panel_t *p, int64_t b)
{
    if (p->depthwise) {
        return b;
    }

    return p->group == 1 ? 0
           : maas_min(b * MAAS_C16 / p->ocg * p->icg / MAAS_C16,
                      p->parts - p->na);
}


/* Where a weight lies in a pass: lane l of block b, input i of its group. */
static int64_t
qpack_at(const qconv_panel_t *p, int64_t b, int l, int64_t i, int64_t ky,
    int64_t kx)
{
    int64_t  c, part, run;

    if (p->depthwise) {
        return (kx * ((p->kh + 3) / 4) + ky / 4) * 64 + l * 4 + ky % 4;
    }

    if (p->planes) {
        return (ky * p->kw + kx) * 64 + l * 4 + i;
    }

    c = (b * MAAS_C16 + l) / p->ocg * p->icg + i
        - qconv_panel_from(p, b) * MAAS_C16;
    part = c / MAAS_C16;
    run = part + 1 < p->na ? MAAS_C16 : p->last;

    return (part * p->kh * p->kw * MAAS_C16 + (ky * p->kw + kx) * run
            + c % MAAS_C16 / 4 * 4) * MAAS_C16 + l * 4 + c % 4;
}


static int32_t
qpack_value(const maas_step_t *s, int64_t at, int64_t oc)
{
    int32_t  v = s->in[0].dtype == MAAS_I8
                 ? ((const int8_t *) s->in[0].data)[at]
                 : ((const uint8_t *) s->in[0].data)[at];

    return v - quant_zero(s, 1, oc);
}


static bool
qpack_panel(qconv_panel_t *p, const qpack_attr_t *a, const int64_t *w,
    int rank)
{
    return qconv_panel_init(p, a->group, w[0], w[1], rank > 3 ? w[2] : 1,
                            w[rank - 1], a->passes);
}


/* Lane l of panel b. */
static void
qpack_channel(const maas_step_t *s, const qconv_panel_t *p, int8_t *y,
    int64_t b, int l)
{
    int32_t  v, part;
    int64_t  i, ky, kx, from, oc = b * MAAS_C16 + l;
    int32_t  sum = 0;

    for (i = 0; i < p->icg; i++) {
        for (ky = 0; ky < p->kh; ky++) {
            for (kx = 0; kx < p->kw; kx++) {
                from = ((oc * p->icg + i) * p->kh + ky) * p->kw + kx;
                v = qpack_value(s, from, oc);
                sum = (int32_t) ((uint32_t) sum + (uint32_t) v);
                from = QCONV_HEAD + qpack_at(p, b, l, i, ky, kx);

                for (int64_t k = 0; k < p->passes; k++, from += p->pass) {
                    part = maas_min(maas_max(v, -128), 127);
                    y[from] = (int8_t) part;
                    v -= part;
                }
            }
        }
    }

    memcpy(y + l * 4, &sum, sizeof(sum));
}


static maas_status_t
qpack_infer(maas_infer_t *c)
{
    maas_dim_t          dims[2] = { MAAS_DIM_NONE, MAAS_DIM_NONE };
    qconv_panel_t       p;
    const maas_type_t  *w = c->in[0].type;

    for (int i = 0; i < w->rank && w->rank > 2 && w->rank < 5; i++) {
        if (!maas_dim_known(w->dims[i])) {
            maas_infer_set(c, 0, MAAS_I8, 2, dims);
            return MAAS_OK;
        }
    }

    if (w->rank < 3 || w->rank > 4
        || !qpack_panel(&p, c->attr, w->dims, w->rank))
    {
        return maas_err(c->err, MAAS_EINVAL, "expected the weights of a "
                        "convolution over one or two axes");
    }

    MAAS_TRY(quant_infer_vector(c, 1, "the zero point of W", w->dims[0],
                                "output channel"));
    dims[0] = p.blocks;
    dims[1] = p.panel;
    maas_infer_set(c, 0, MAAS_I8, 2, dims);
    return MAAS_OK;
}


static bool
qpack_setup(maas_setup_t *u)
{
    u->units = maas_max(u->out[0].dims[0], 1);
    u->cost = (double) u->out[0].bytes;
    return true;
}


static maas_status_t
qpack_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int8_t         *y;
    qconv_panel_t   p;

    (void) slot;

    if (!qpack_panel(&p, s->attr, s->in[0].dims, s->in[0].rank)) {
        return MAAS_OK;
    }

    for (int64_t b = first; b < last; b++) {
        y = (int8_t *) s->out[0].data + b * p.panel;
        memset(y, 0, (size_t) p.panel);

        for (int l = 0; l < MAAS_C16 && b * MAAS_C16 + l < p.oc; l++) {
            qpack_channel(s, &p, y, b, l);
        }
    }

    return MAAS_OK;
}


static const maas_formal_t  qpack_in[] = {
    { "W",            MAAS_D_Q8, 'W', 0 },
    { "w_zero_point", MAAS_D_Q8, 'W', MAAS_OPT }
};

static const maas_formal_t  qpack_out[] = { { "P", MAAS_D(I8), 0, 0 } };

static const maas_attr_row_t  qpack_attrs[] = {
    { .name = "group", .type = MAAS_ATTR_INT, .i = 1, .min = 1,
      .max = INT32_MAX, .off = offsetof(qpack_attr_t, group) },
    { .name = "passes", .type = MAAS_ATTR_INT, .i = 1, .min = 1,
      .max = QCONV_PASSES, .off = offsetof(qpack_attr_t, passes) }
};

static const maas_kernel_row_t  qpack_kernels[] = {
    { "packqconv.panels", MAAS_CPU_REF, 0, 0, qpack_setup, qpack_run }
};

static const maas_case_t  qpack_cases[] = {
    { "| i8[5,3,3,3]", NULL },
    { "group=2 passes=2 | u8[6,9,2,1] u8[6]", NULL },
    { "group=20 passes=3 | u8[20,1,5,3] u8[]", NULL },
    { "group=3 | i8[33,17,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  qpack_bad[] = {
    { "| i8[5,3]", "expected the weights" },
    { "group=2 | i8[5,3,1,1]", "expected the weights" },
    { "| i8[5,3,1,1] i8[4]", "each output channel (5)" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_qconv_panels[] = {
    {
        .name = "PackQConv", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(qpack_in, qpack_out),
        MAAS_ATTRS(qpack_attrs, qpack_attr_t),
        .infer = qpack_infer,
        MAAS_KERNELS(qpack_kernels),
        .cases = qpack_cases, .bad = qpack_bad
    },
    { .name = NULL }
};
