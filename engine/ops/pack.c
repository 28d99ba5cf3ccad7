/*
 * maas.Pack: a weight in the panel format of the matrix kernels.  The
 * compiler puts it before a constant and folds it into the image; before a
 * parameter that is trained it stays and runs once in every step.
 *
 * groups matrices of k x n; element (i, j) of matrix g is source element
 * g * gs + i * ks + j * ns.  The output keeps the source's dims; its bytes
 * are groups * maas_p16_elems(k, n) floats.  taps, flip: see maas_pack_t.
 */

#include "graph/op.h"


typedef struct {
    int64_t  format;
    int64_t  groups;
    int64_t  k;
    int64_t  n;
    int64_t  gs;
    int64_t  ks;
    int64_t  ns;
    int64_t  taps;
    int64_t  winograd;
    int64_t  flip;
} pack_attr_t;


static maas_status_t
pack_infer(maas_infer_t *c)
{
    int64_t             last, t, count;
    const pack_attr_t  *a = c->attr;
    const maas_type_t  *x = c->in[0].type;

    if (a->format != MAAS_FMT_P16) {
        return maas_err(c->err, MAAS_EINVAL, "attribute format is %lld, "
                        "expected %d", (long long) a->format, MAAS_FMT_P16);
    }

    if (a->winograd != 0
        && ((a->winograd != 2 && a->winograd != 4) || a->gs != 0
            || a->groups != (a->winograd + 2) * (a->winograd + 2)
            || a->ks != 9 || a->taps != 1))
    {
        return maas_err(c->err, MAAS_EINVAL, "attribute winograd is %lld, "
                        "expected 0, or 2 or 4 over taps of 3x3",
                        (long long) a->winograd);
    }

    if (a->k % a->taps != 0) {
        return maas_err(c->err, MAAS_EINVAL, "attribute taps is %lld, "
                        "expected a divisor of k %lld", (long long) a->taps,
                        (long long) a->k);
    }

    count = maas_dims_count(x->dims, x->rank);
    last = a->flip ? a->taps - 1 : 0;

    if (!maas_mul_i64(a->groups - 1, a->gs, &t)
        || __builtin_add_overflow(last, t, &last)
        || !maas_mul_i64(a->k / (a->flip ? a->taps : 1) - 1, a->ks, &t)
        || __builtin_add_overflow(last, t, &last)
        || !maas_mul_i64(a->n - 1, a->ns, &t)
        || __builtin_add_overflow(last, t, &last)
        || last >= count - (a->winograd != 0 ? 8 : 0))
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "%lld matrices of %lld x %lld reach beyond the "
                        "%lld elements given", (long long) a->groups,
                        (long long) a->k, (long long) a->n,
                        (long long) count);
    }

    if (!maas_mul_size(maas_p16_elems(a->k, a->n) * sizeof(float), a->groups,
                       &c->out[0].str_bytes))
    {
        return maas_err(c->err, MAAS_ELIMIT, "%lld matrices of %lld x %lld "
                        "are too large", (long long) a->groups,
                        (long long) a->k, (long long) a->n);
    }

    MAAS_TRY(maas_infer_same(c));
    c->out[0].type.format = MAAS_FMT_P16;
    return MAAS_OK;
}


static bool
pack_setup(maas_setup_t *u)
{
    const pack_attr_t  *a = u->attr;

    u->units = a->groups * ((a->n + 15) / 16);
    u->cost = (double) a->groups * (double) a->k * (double) a->n * 0.8;
    return true;
}


/* Panel p of one matrix, rows by blocks of channels, then taps. */
static void
pack_taps(const maas_step_t *s, const pack_attr_t *a, float *dst,
    const float *src, int64_t p)
{
    int64_t  c, t, n, k = 0, channels = a->k / a->taps;

    dst += p * a->k * MAAS_P16;
    src += p * MAAS_P16 * a->ns;

    for (c = 0; c < channels; c += MAAS_C16) {
        n = maas_min(channels - c, MAAS_C16);

        for (t = 0; t < a->taps; t++, k += n) {
            s->k->pack_p16(dst + k * MAAS_P16,
                           a->flip ? src + c * a->ks + a->taps - 1 - t
                                   : src + (c * a->taps + t) * a->ks,
                           a->flip ? a->ks : a->taps * a->ks, a->ns, n,
                           maas_min(a->n - p * MAAS_P16, MAAS_P16), 0, 1);
        }
    }
}


/* Rows of G for the points of F(2, 3) and F(4, 3). */
static const double  pack_g2[4][3] = {
    { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 }
};

static const double  pack_g4[6][3] = {
    { 1.0 / 4, 0, 0 },
    { -1.0 / 6, -1.0 / 6, -1.0 / 6 },
    { -1.0 / 6, 1.0 / 6, -1.0 / 6 },
    { 1.0 / 24, 1.0 / 12, 1.0 / 6 },
    { 1.0 / 24, -1.0 / 12, 1.0 / 6 },
    { 0, 0, 1 }
};


/* Panel p of value `g` of the tiles: element (g / t, g % t) of G w G'. */
static void
pack_winograd(const pack_attr_t *a, float *dst, const float *src, int64_t g,
    int64_t p)
{
    double         v;
    int64_t        t = a->winograd + 2, c, n;
    const float   *w;
    const double  *gi, *gj;

    gi = t == 4 ? pack_g2[g / t] : pack_g4[g / t];
    gj = t == 4 ? pack_g2[g % t] : pack_g4[g % t];
    dst += p * a->k * MAAS_P16;

    for (c = 0; c < a->k; c++) {
        for (n = 0; n < MAAS_P16; n++, dst++) {
            v = 0;
            w = src + c * a->ks + (p * MAAS_P16 + n) * a->ns;

            for (int i = 0; i < 9 && p * MAAS_P16 + n < a->n; i++) {
                v += gi[i / 3] * gj[i % 3] * (double) w[i];
            }

            *dst = (float) v;
        }
    }
}


static maas_status_t
pack_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    float              *dst = s->out[0].data;
    int64_t             g, p0, p1, panels;
    const float        *src = s->in[0].data;
    const pack_attr_t  *a = s->attr;

    (void) slot;

    panels = (a->n + 15) / 16;

    while (first < last) {
        g = first / panels;
        p0 = first % panels;
        p1 = maas_min(panels, p0 + (last - first));

        if (a->winograd != 0) {
            pack_winograd(a, dst + (size_t) g * maas_p16_elems(a->k, a->n),
                          src, g, p0);
            first++;
            continue;
        }

        if (a->taps > 1) {
            pack_taps(s, a, dst + (size_t) g * maas_p16_elems(a->k, a->n),
                      src + g * a->gs, p0);
            first++;
            continue;
        }

        s->k->pack_p16(dst + (size_t) g * maas_p16_elems(a->k, a->n),
                       src + g * a->gs, a->ks, a->ns, a->k, a->n, p0, p1);
        first += p1 - p0;
    }

    return MAAS_OK;
}


static const maas_formal_t  pack_in[] = {
    { "X", MAAS_D(F32), 0, 0 }
};

static const maas_formal_t  pack_out[] = {
    { "Y", MAAS_D(F32), 0, 0 }
};

#define PACK_INT(name, lo)                                                    \
    { #name, MAAS_ATTR_INT, true, offsetof(pack_attr_t, name), 0, 0, NULL,    \
      lo, INT64_MAX }

static const maas_attr_row_t  pack_attrs[] = {
    PACK_INT(format, 1),
    PACK_INT(groups, 1),
    PACK_INT(k, 1),
    PACK_INT(n, 1),
    PACK_INT(gs, 0),
    PACK_INT(ks, 0),
    PACK_INT(ns, 0),
    PACK_INT(taps, 1),
    PACK_INT(winograd, 0),
    { "flip", MAAS_ATTR_INT, false, offsetof(pack_attr_t, flip), 0, 0, NULL,
      0, 1 }
};

static const maas_kernel_row_t  pack_kernels[] = {
    { "pack.p16", MAAS_CPU_REF, 0, 0, pack_setup, pack_run }
};

static const maas_case_t  pack_bad[] = {
    { "format=1 groups=2 k=3 n=4 gs=12 ks=4 ns=1 taps=1 winograd=0 | f32[3,4]",
      "reach beyond the 12 elements" },
    { "format=9 groups=1 k=3 n=4 gs=12 ks=4 ns=1 taps=1 winograd=0 | f32[3,4]",
      "format is 9" },
    { "format=1 groups=1 k=3 n=4 gs=12 ks=4 ns=1 taps=2 winograd=0 | f32[3,4]",
      "taps is 2" },
    { "format=1 groups=16 k=1 n=1 gs=0 ks=9 ns=9 taps=1 winograd=3 | "
      "f32[1,1,3,3]", "winograd is 3" },
    { "format=1 groups=16 k=2 n=1 gs=0 ks=9 ns=9 taps=1 winograd=2 | "
      "f32[1,1,3,3]", "reach beyond" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_pack[] = {
    {
        .name = "Pack", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(pack_in, pack_out),
        MAAS_ATTRS(pack_attrs, pack_attr_t),
        .infer = pack_infer,
        MAAS_KERNELS(pack_kernels),
        .bad = pack_bad
    },
    { .name = NULL }
};
