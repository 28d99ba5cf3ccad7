/*
 * model_check.c: does a value fit an input of a model?  The texts name the
 * input, what came and what was expected.
 *
 * Ownership: nothing is kept.
 * Threads:   any; a model's ports do not change.
 */

#include "api/model_priv.h"


/* model.json may bound the batch. */
static maas_status_t
model_check_batch(const maas_model_t *m, const maas_port_t *p,
    const maas_tensor_t *t, maas_err_t *err)
{
    int32_t  axis = m->meta->batch_axis;

    if (m->meta->profile_max > 0 && axis >= 0 && axis < t->rank
        && p->dims[axis] < 0 && t->dims[axis] > m->meta->profile_max)
    {
        return maas_err(err, MAAS_EINVAL,
                        "input '%.*s': a batch of %lld, but this model takes "
                        "at most %lld", (int) p->name.len, p->name.data,
                        (long long) t->dims[axis],
                        (long long) m->meta->profile_max);
    }

    return MAAS_OK;
}


/* dtype of an item; a map has its keys, then its values. */
static maas_status_t
model_check_item(const maas_port_t *p, const maas_items_t *l, uint32_t i,
    maas_err_t *err)
{
    bool     map = p->kind == MAAS_KIND_MAP, key = map && i == 0;
    uint8_t  want = key ? p->key : p->dtype, got = l->item[i].dtype;

    /* What an optional holds may be a map as well. */
    if (p->kind == MAAS_KIND_OPTIONAL && l->inner == MAAS_KIND_MAP && i == 0)
    {
        want = p->key;
    }

    if (got == want || want == MAAS_NODTYPE) {
        return MAAS_OK;
    }

    if (map) {
        return maas_err(err, MAAS_EINVAL, "input '%.*s': the %s of the map "
                        "are expected as %s, but came as %s",
                        (int) p->name.len, p->name.data,
                        key ? "keys" : "values", maas_dtype_name(want),
                        maas_dtype_name(got));
    }

    return maas_err(err, MAAS_EINVAL, "input '%.*s': %s expected, but item "
                    "%u is %s", (int) p->name.len, p->name.data,
                    maas_dtype_name(want), i, maas_dtype_name(got));
}


/* The items of a list: dtypes, how many, and how large. */
static maas_status_t
model_check_items(const maas_model_t *m, const maas_port_t *p,
    const maas_tensor_t *t, maas_err_t *err)
{
    int64_t              n;
    uint64_t             sum = 0;
    const maas_items_t  *l = t->data;
    const maas_tensor_t *item;

    if (t->format != MAAS_FMT_ITEMS || l->kind != p->kind
        || (p->kind == MAAS_KIND_MAP && l->n != 2))
    {
        return maas_err(err, MAAS_EINVAL, "input '%.*s': a %s is expected",
                        (int) p->name.len, p->name.data,
                        maas_kind_name(p->kind));
    }

    if (l->n > MAAS_ITEMS_MAX) {
        return maas_err(err, MAAS_ELIMIT, "input '%.*s': %u tensors; the "
                        "limit is %d", (int) p->name.len, p->name.data, l->n,
                        MAAS_ITEMS_MAX);
    }

    for (uint32_t i = 0; i < l->n; i++) {
        item = &l->item[i];
        MAAS_TRY(model_check_item(p, l, i, err));

        n = maas_dims_count(item->dims, item->rank);
        sum += (uint64_t) maas_max(n, 0);

        if (n < 0 || sum > m->limits.max_elements) {
            return maas_err(err, MAAS_ELIMIT, "input '%.*s': its items have "
                            "more than %llu elements", (int) p->name.len,
                            p->name.data,
                            (unsigned long long) m->limits.max_elements);
        }
    }

    if (p->kind == MAAS_KIND_MAP
        && (l->item[0].rank != 1 || l->item[1].rank != 1
            || l->item[0].dims[0] != l->item[1].dims[0]))
    {
        return maas_err(err, MAAS_EINVAL, "input '%.*s': a map has as many "
                        "keys as values", (int) p->name.len, p->name.data);
    }

    return MAAS_OK;
}


maas_status_t
maas_model_check_input(const maas_model_t *m, size_t i,
    const maas_tensor_t *t, maas_err_t *err)
{
    int64_t             n;
    char                got[MAAS_DIMS_TEXT], want[MAAS_DIMS_TEXT];
    const maas_port_t  *p = &m->port[i];

    if (maas_kind_is_list(p->kind)) {
        return model_check_items(m, p, t, err);
    }

    if (p->dtype != t->dtype) {
        return maas_err(err, MAAS_EINVAL,
                        "input '%.*s': %s expected, but %s came",
                        (int) p->name.len, p->name.data,
                        maas_dtype_name(p->dtype),
                        maas_dtype_name(t->dtype));
    }

    n = maas_dims_count(t->dims, t->rank);
    if (n < 0 || (uint64_t) n > m->limits.max_elements) {
        return maas_err(err, MAAS_ELIMIT,
                        "input '%.*s': shape %s has more than %llu elements",
                        (int) p->name.len, p->name.data,
                        maas_dims_text(got, t->dims, t->rank),
                        (unsigned long long) m->limits.max_elements);
    }

    if (p->rank < 0) {
        return MAAS_OK;
    }

    for (int d = 0; d < p->rank && p->rank == t->rank; d++) {
        if (p->dims[d] >= 0 && p->dims[d] != t->dims[d]) {
            n = -1;
        }
    }

    if (p->rank != t->rank || n < 0) {
        return maas_err(err, MAAS_EINVAL,
                        "input '%.*s': shape %s expected, but %s came",
                        (int) p->name.len, p->name.data,
                        maas_dims_text(want, p->dims, p->rank),
                        maas_dims_text(got, t->dims, t->rank));
    }

    return model_check_batch(m, p, t, err);
}
