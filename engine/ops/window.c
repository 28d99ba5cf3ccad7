/*
 * window: checks and arithmetic of sliding windows; see window.h.
 *
 * ceil_mode never yields a window that starts behind the data and its left
 * padding, as ONNX made explicit later (opset 19).
 */

#include "ops/window.h"


#define WINDOW_LIMIT  ((int64_t) 1 << 31)


const char *const  maas_window_auto_pad[] = {
    "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL
};


static maas_status_t
window_list(const maas_window_attr_t *a, const maas_list_t *l,
    const char *name, size_t want, int64_t min, int64_t absent, int64_t *v,
    maas_err_t *err)
{
    size_t          i;
    const int64_t  *p;

    if (l->n == 0) {
        for (i = 0; i < want; i++) {
            v[i] = absent;
        }

        return MAAS_OK;
    }

    if (l->n != want) {
        return maas_err(err, MAAS_EINVAL,
                        "attribute %s has %u values, expected %zu", name,
                        (unsigned) l->n, want);
    }

    p = maas_list_ints(a, l);

    for (i = 0; i < want; i++) {
        if (p[i] < min || p[i] >= WINDOW_LIMIT) {
            return maas_err(err, MAAS_EINVAL,
                            "attribute %s[%zu] is %lld, expected %lld or more",
                            name, i, (long long) p[i], (long long) min);
        }

        v[i] = p[i];
    }

    return MAAS_OK;
}


maas_status_t
maas_window_attrs(maas_window_t *w, const maas_window_attr_t *a,
    const int64_t *kernel, int nd, maas_err_t *err)
{
    int      i;
    int64_t  pads[2 * MAAS_WINDOW_MAX], count = 1;

    w->nd = nd;

    if (kernel == NULL && a->kernel_shape.n == 0) {
        return maas_err(err, MAAS_EINVAL,
                        "attribute kernel_shape is missing, expected %d values",
                        nd);
    }

    MAAS_TRY(window_list(a, &a->kernel_shape, "kernel_shape", nd, 1, 1, w->k,
                         err));

    for (i = 0; i < nd && kernel != NULL; i++) {
        if (a->kernel_shape.n != 0 && w->k[i] != kernel[i]) {
            return maas_err(err, MAAS_EINVAL,
                            "attribute kernel_shape[%d] is %lld, but the "
                            "weights have %lld", i, (long long) w->k[i],
                            (long long) kernel[i]);
        }

        if (kernel[i] < 1 || kernel[i] >= WINDOW_LIMIT) {
            return maas_err(err, MAAS_EINVAL,
                            "kernel size %lld on spatial axis %d, expected 1 "
                            "or more", (long long) kernel[i], i);
        }

        w->k[i] = kernel[i];
    }

    MAAS_TRY(window_list(a, &a->strides, "strides", nd, 1, 1, w->s, err));
    MAAS_TRY(window_list(a, &a->dilations, "dilations", nd, 1, 1, w->d, err));
    MAAS_TRY(window_list(a, &a->pads, "pads", 2 * (size_t) nd, 0, 0, pads,
                         err));

    for (i = 0; i < nd; i++) {
        w->p0[i] = a->auto_pad == MAAS_PAD_NOTSET ? pads[i] : 0;
        w->p1[i] = a->auto_pad == MAAS_PAD_NOTSET ? pads[nd + i] : 0;

        count *= w->k[i];

        if (count >= WINDOW_LIMIT
            || (w->k[i] > 1 && w->d[i] > (WINDOW_LIMIT - 1) / (w->k[i] - 1)))
        {
            return maas_err(err, MAAS_EINVAL,
                            "kernel size %lld with dilation %lld is too large",
                            (long long) w->k[i], (long long) w->d[i]);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_window_infer(maas_infer_t *c, const maas_window_t *w,
    const maas_window_attr_t *a, const maas_dim_t *in, maas_dim_t *out)
{
    int          i;
    int64_t      dk;
    maas_dim_t   d, first;
    maas_syms_t *s = c->syms;

    for (i = 0; i < w->nd; i++) {
        dk = (w->k[i] - 1) * w->d[i] + 1;

        if (a->auto_pad == MAAS_PAD_SAME_UPPER
            || a->auto_pad == MAAS_PAD_SAME_LOWER)
        {
            out[i] = maas_dim_ceil(s, in[i], w->s[i]);
            continue;
        }

        if (maas_dim_known(in[i]) && in[i] + w->p0[i] + w->p1[i] < dk) {
            return maas_err(c->err, MAAS_EINVAL,
                            "the window spans %lld on spatial axis %d, but "
                            "the padded input has %lld", (long long) dk, i,
                            (long long) (in[i] + w->p0[i] + w->p1[i]));
        }

        d = maas_dim_add(s, in[i], w->p0[i] + w->p1[i] - dk);

        if (!a->ceil_mode) {
            out[i] = maas_dim_add(s, maas_dim_div(s, d, w->s[i]), 1);
            continue;
        }

        out[i] = maas_dim_add(s, maas_dim_ceil(s, d, w->s[i]), 1);

        if (w->s[i] > 1) {
            first = maas_dim_add(s, in[i], w->p0[i]);
            out[i] = maas_dim_min(s, out[i],
                                  maas_dim_ceil(s, first, w->s[i]));
        }
    }

    return MAAS_OK;
}


/*
 * ConvTranspose with output_shape, `in` being its output: pads follow from
 * the sizes; more of them stand at the end with SAME_UPPER only.
 */
static void
window_transposed(maas_window_t *w, const maas_window_attr_t *a,
    const int64_t *in, const int64_t *out)
{
    int64_t  total, extra;

    for (int i = 0; i < w->nd; i++) {
        w->in[i] = in[i];
        w->out[i] = out[i];
        w->in_count *= in[i];
        w->out_count *= out[i];
        w->k_count *= w->k[i];

        extra = a->output_padding.n != 0
                ? maas_list_ints(a, &a->output_padding)[i] : 0;
        total = (out[i] - 1) * w->s[i] + extra + (w->k[i] - 1) * w->d[i] + 1
                - in[i];
        total = maas_max(total, 0);
        w->p0[i] = a->auto_pad == MAAS_PAD_SAME_UPPER ? total / 2
                                                      : total - total / 2;
        w->p1[i] = total - w->p0[i];
    }
}


void
maas_window_init(maas_window_t *w, const maas_window_attr_t *a,
    const int64_t *kernel, int nd, const int64_t *in, const int64_t *out)
{
    int      i;
    int64_t  total;

    (void) maas_window_attrs(w, a, kernel, nd, NULL);

    w->in_count = w->out_count = w->k_count = 1;

    if (a->output_shape.n != 0) {
        window_transposed(w, a, in, out);
        return;
    }

    for (i = 0; i < nd; i++) {
        w->in[i] = in[i];
        w->out[i] = out[i];
        w->in_count *= in[i];
        w->out_count *= out[i];
        w->k_count *= w->k[i];

        if (a->auto_pad != MAAS_PAD_SAME_UPPER
            && a->auto_pad != MAAS_PAD_SAME_LOWER)
        {
            continue;
        }

        total = (out[i] - 1) * w->s[i] + (w->k[i] - 1) * w->d[i] + 1 - in[i];
        total = maas_max(total, 0);
        w->p0[i] = total / 2;
        if (a->auto_pad == MAAS_PAD_SAME_LOWER) {
            w->p0[i] = total - total / 2;
        }

        w->p1[i] = total - w->p0[i];
    }
}
