/*
 * The check of a maas_meta_t that came out of an image: offsets, enums and
 * numbers may be anything there.
 *
 * Ownership: none.
 * Threads:   reentrant.
 */

#include <math.h>

#include "repo/meta.h"


static bool
meta_inside(const maas_meta_t *m, maas_meta_str_t s)
{
    return s.off <= m->size && s.len <= m->size - s.off;
}


static const char *
meta_wrong(const maas_meta_t *m, uint32_t n_in, uint32_t n_out)
{
    const maas_prep_t  *p = &m->prep;

    if (p->kind > MAAS_PREP_IMAGE || p->fit > MAAS_FIT_SCALE
        || p->layout > MAAS_LAYOUT_FLAT || p->color > MAAS_COLOR_GRAY
        || p->invert > 1 || m->meaning > MAAS_MEANS_CTC
        || m->softmax > 1 || m->merge_repeats > 1
        || m->order > MAAS_ORDER_TNC)
    {
        return "a value is out of its list";
    }

    if (p->input >= maas_max(n_in, 1u) || m->output >= maas_max(n_out, 1u)) {
        return "it names an input or output that does not exist";
    }

    if (p->width < 0 || p->height < 0 || p->resize < 0
        || p->width > MAAS_META_SIDE || p->height > MAAS_META_SIDE
        || p->resize > MAAS_META_SIDE || p->longest < 0
        || p->longest > MAAS_META_SIDE || p->multiple < 0
        || p->multiple > MAAS_META_MULTIPLE || m->blank < -1
        || m->profile_max < 0
        || m->batch_axis < -1 || m->batch_axis >= MAAS_RANK_MAX)
    {
        return "a size is out of range";
    }

    for (int i = 0; i < 4; i++) {
        if (!isfinite(p->mean[i]) || !isfinite(p->std[i]) || p->std[i] == 0
            || !isfinite(p->scale))
        {
            return "a scale is not a number, or zero";
        }
    }

    return NULL;
}


static const char *
meta_wrong_pad(const maas_meta_t *m, uint32_t n_in)
{
    if (m->n_pads == 0) {
        return NULL;
    }

    if (m->n_pads > MAAS_META_PADS || m->pad_axis < 0
        || m->pad_axis >= MAAS_RANK_MAX || m->pad_axis == m->batch_axis
        || m->pad_multiple > MAAS_META_MULTIPLE
        || m->pad_percent < 100 || m->pad_percent > MAAS_META_PERCENT
        || !(m->tolerance >= 0 && m->tolerance <= 1))
    {
        return "padding is out of range";
    }

    for (uint32_t i = 0; i < m->n_pads; i++) {
        if (m->pad[i].input >= n_in || !isfinite(m->pad[i].value)
            || m->pad[i].mask > 1
            || (i != 0 && m->pad[i].input <= m->pad[i - 1].input))
        {
            return "an input that is padded does not exist";
        }
    }

    return NULL;
}


/* A list of strings, with its strings? */
static bool
meta_strings(const maas_meta_t *m, uint32_t list, uint32_t n)
{
    const maas_meta_str_t  *s;

    if (list % 4 != 0 || list < sizeof(*m) || list > m->size
        || n > (m->size - list) / sizeof(*s))
    {
        return false;
    }

    s = (const maas_meta_str_t *) ((const char *) m + list);

    for (uint32_t i = 0; i < n; i++) {
        if (!meta_inside(m, s[i])) {
            return false;
        }
    }

    return true;
}


maas_status_t
maas_meta_check(const maas_meta_t *m, size_t size, uint32_t n_in,
    uint32_t n_out, maas_err_t *err)
{
    const char  *wrong;

    if (size < sizeof(*m) || m->size < sizeof(*m) || m->size > size) {
        return maas_err(err, MAAS_ETRUNC, "metadata: %zu bytes are too few",
                        size);
    }

    if (!meta_inside(m, m->platform) || !meta_inside(m, m->description)) {
        return maas_err(err, MAAS_ETRUNC, "metadata: an offset is outside");
    }

    if (!meta_strings(m, m->labels, m->n_labels)) {
        return maas_err(err, MAAS_ETRUNC, "metadata: a label is outside");
    }

    if (!meta_strings(m, m->features, m->n_features)) {
        return maas_err(err, MAAS_ETRUNC, "metadata: a feature is outside");
    }

    wrong = meta_wrong(m, n_in, n_out);

    if (wrong == NULL) {
        wrong = meta_wrong_pad(m, n_in);
    }

    return wrong == NULL ? MAAS_OK
                         : maas_err(err, MAAS_EINVAL, "metadata: %s", wrong);
}
