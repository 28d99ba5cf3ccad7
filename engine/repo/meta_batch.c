/*
 * meta_batch.c: "batch" of model.json: along which axis requests are joined,
 * how many rows there may be, and how lengths that differ are made equal.
 *
 * Ownership: jansson's tree is the caller's.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stdlib.h>

#include "repo/meta_priv.h"


/* Numbers that a double holds without loss. */
#define META_PAD_MAX  9007199254740992.0


static maas_status_t
meta_number(const meta_at_t *at, const char *key, double min, double max,
    double *out)
{
    double         x;
    const json_t  *v = json_object_get(at->object, key);

    if (v == NULL) {
        return MAAS_OK;
    }

    x = json_is_number(v) ? json_number_value(v) : NAN;

    if (!(x >= min && x <= max)) {
        return maas_err(at->err, MAAS_EINVAL,
                        "%s.%s must be a number from %g to %g", at->where,
                        key, min, max);
    }

    *out = x;
    return MAAS_OK;
}


static int
meta_by_input(const void *a, const void *b)
{
    const maas_meta_pad_t  *x = a, *y = b;

    return (x->input > y->input) - (x->input < y->input);
}


/* "values": {"input_ids": 0, ...} */
static maas_status_t
meta_values(const meta_at_t *pad, maas_meta_t *m,
    const maas_meta_names_t *names)
{
    double            x;
    json_t           *value;
    meta_at_t         at = { "model.json: batch.pad.values", NULL, pad->err };
    maas_str_t        name;
    const char       *key;
    maas_meta_pad_t  *p;

    at.object = json_object_get(pad->object, "values");

    if (!json_is_object(at.object) || json_object_size(at.object) == 0
        || json_object_size(at.object) > MAAS_META_PADS)
    {
        return maas_err(at.err, MAAS_EINVAL, "%s must be an object of 1 to "
                        "%d inputs and what each is padded with, such as "
                        "{\"input_ids\": 0}", at.where, MAAS_META_PADS);
    }

    json_object_foreach((json_t *) at.object, key, value) {
        name = (maas_str_t) { key, strlen(key) };
        p = &m->pad[m->n_pads++];
        p->mask = 0;

        MAAS_TRY(meta_name(pad, "values", name, names->in, names->n_in,
                           "input", &p->input));

        x = json_is_number(value) ? json_number_value(value) : NAN;

        if (!(fabs(x) <= META_PAD_MAX)) {
            return maas_err(at.err, MAAS_EINVAL, "%s: that of \"%.60s\" must "
                            "be a number from -2^53 to 2^53", at.where, key);
        }

        p->value = x;
    }

    qsort(m->pad, m->n_pads, sizeof(m->pad[0]), meta_by_input);
    return MAAS_OK;
}


static maas_status_t
meta_mask(const meta_at_t *at, maas_meta_t *m, const maas_meta_names_t *names)
{
    uint32_t       input;
    maas_str_t     name;
    const json_t  *v = json_object_get(at->object, "mask");

    if (v == NULL) {
        return MAAS_OK;
    }

    if (!json_is_string(v)) {
        return maas_err(at->err, MAAS_EINVAL, "%s.mask must be the name of an "
                        "input", at->where);
    }

    name.data = json_string_value(v);
    name.len = json_string_length(v);

    MAAS_TRY(meta_name(at, "mask", name, names->in, names->n_in, "input",
                       &input));

    for (uint32_t i = 0; i < m->n_pads; i++) {
        if (m->pad[i].input == input) {
            m->pad[i].mask = 1;
            return MAAS_OK;
        }
    }

    return maas_err(at->err, MAAS_EINVAL, "%s.mask: \"%.60s\" is not among "
                    "%s.values", at->where, name.data, at->where);
}


static maas_status_t
meta_pad(const json_t *o, maas_meta_t *m, const maas_meta_names_t *names,
    maas_err_t *err)
{
    double                     limit = 1.1;
    int64_t                    n;
    meta_at_t                  at = { "model.json: batch.pad", o, err };
    static const char *const   keys[] = {
        "axis", "values", "mask", "limit", "multiple", "tolerance", NULL
    };

    MAAS_TRY(meta_keys(&at, keys));

    n = m->batch_axis == 1 ? 0 : 1;
    MAAS_TRY(meta_int(&at, "axis", 0, MAAS_RANK_MAX - 1, &n));
    m->pad_axis = (int32_t) n;

    if (m->batch_axis < 0 || m->batch_axis == m->pad_axis) {
        return maas_err(err, MAAS_EINVAL, "%s: axis %d is padded, but the "
                        "batch lies along %s", at.where, m->pad_axis,
                        m->batch_axis < 0 ? "none" : "the same axis");
    }

    n = 1;
    MAAS_TRY(meta_int(&at, "multiple", 1, MAAS_META_MULTIPLE, &n));
    m->pad_multiple = (uint32_t) n;

    MAAS_TRY(meta_number(&at, "limit", 1, MAAS_META_PERCENT / 100, &limit));
    m->pad_percent = (uint32_t) lrint(limit * 100);

    MAAS_TRY(meta_number(&at, "tolerance", 0, 1, &m->tolerance));
    MAAS_TRY(meta_values(&at, m, names));

    return meta_mask(&at, m, names);
}


maas_status_t
meta_batch(const json_t *o, maas_meta_t *m, const maas_meta_names_t *names,
    maas_err_t *err)
{
    int64_t                    axis;
    const json_t              *pad;
    meta_at_t                  at = { "model.json: batch", o, err };
    static const char *const   keys[] = { "axis", "max", "pad", NULL };

    MAAS_TRY(meta_keys(&at, keys));

    if (json_is_null(json_object_get(o, "axis"))) {
        m->batch_axis = -1;

    } else {
        axis = m->batch_axis;
        MAAS_TRY(meta_int(&at, "axis", -1, MAAS_RANK_MAX - 1, &axis));
        m->batch_axis = (int32_t) axis;
    }

    MAAS_TRY(meta_int(&at, "max", 0, 65536, &m->profile_max));

    pad = json_object_get(o, "pad");

    return pad == NULL ? MAAS_OK : meta_pad(pad, m, names, err);
}
