/*
 * ops_common: the steps that several families of operators share; see
 * ops_common.h.
 *
 * Ownership: nothing is kept; upgrades allocate through the importer.
 * Threads:   reentrant.
 */

#include "ops/ops_common.h"


bool
maas_setup_cheap(maas_setup_t *u)
{
    return maas_setup_elements(u, 0.3);
}


bool
maas_setup_math(maas_setup_t *u)
{
    return maas_setup_elements(u, 1.5);
}


bool
maas_setup_libm(maas_setup_t *u)
{
    return maas_setup_elements(u, 12);
}


maas_status_t
maas_err_dtype(maas_slot_t *slot, int dtype)
{
    return maas_err(slot->err, MAAS_EINTERNAL, "no kernel for %s",
                    maas_dtype_name(dtype));
}


maas_status_t
maas_un_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last, const maas_un_t *f, double a, double b)
{
    int          dtype = s->in[0].dtype;
    char        *y;
    size_t       in, out;
    int64_t      lo, hi;
    const char  *x;

    maas_unit_range(first, last, maas_tensor_count(&s->in[0]), &lo, &hi);

    if (lo >= hi) {
        return MAAS_OK;
    }

    in = maas_dtype_size(dtype);
    out = maas_dtype_size(s->out[0].dtype);
    x = (const char *) s->in[0].data + (size_t) lo * in;
    y = (char *) s->out[0].data + (size_t) lo * out;

    if (dtype == MAAS_F32 && f->fn != MAAS_UN_ROW) {
        s->k->unary[f->fn]((float *) y, (const float *) x, hi - lo, (float) a,
                           (float) b);
        return MAAS_OK;
    }

    if (f->row[dtype] == NULL) {
        return maas_err_dtype(slot, dtype);
    }

    f->row[dtype](y, x, hi - lo, a, b);
    return MAAS_OK;
}


/* -- older forms --------------------------------------------------------- */

maas_status_t
maas_upgrade_trailing(maas_import_t *im, maas_raw_node_t *n, uint32_t index,
    int rank, int count)
{
    int64_t          axes[MAAS_RANK_MAX];
    maas_str_t       in = n->in[index], out;
    maas_raw_node_t  u = { 0 };

    for (int i = 0; i < count; i++) {
        axes[i] = rank + i;
    }

    out = maas_raw_fresh(im);
    if (out.data == NULL) {
        return MAAS_ENOMEM;
    }

    /* A node of its own, so that the axes become a constant with a name. */
    u.in = &in;
    u.n_in = 1;
    MAAS_TRY(maas_raw_input_ints(im, &u, 1, axes, count, false));
    MAAS_TRY(maas_raw_emit(im, "Unsqueeze", u.in, u.n_in, &out, 1, NULL, 0));

    n->in[index] = out;
    return MAAS_OK;
}


maas_status_t
maas_upgrade_axis(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    int                     ra, rb, count;
    int64_t                 axis;
    const maas_raw_attr_t  *broadcast, *at;

    if (opset >= 7) {
        return MAAS_OK;
    }

    broadcast = maas_raw_attr(n, "broadcast");
    at = maas_raw_attr(n, "axis");
    axis = at != NULL ? at->i : 0;

    /* Without an axis the shapes meet at their ends, as they do today. */
    if (broadcast != NULL && broadcast->i != 0 && at != NULL) {
        ra = maas_raw_input_rank(im, n, 0);
        rb = maas_raw_input_rank(im, n, 1);

        if (ra < 0 || rb < 0) {
            return maas_err(err, MAAS_EUNSUPPORTED,
                            "axis %lld with broadcast needs inputs whose "
                            "ranks are known", (long long) axis);
        }

        if (axis < 0) {
            axis += ra;
        }

        count = ra - (int) axis - rb;

        if (axis < 0 || axis > ra || count < 0) {
            return maas_err(err, MAAS_EINVAL,
                            "axis %lld: a second input of rank %d does not "
                            "fit into rank %d there", (long long) at->i, rb,
                            ra);
        }

        if (count > 0 && rb > 0) {
            MAAS_TRY(maas_upgrade_trailing(im, n, 1, rb, count));
        }
    }

    maas_raw_attr_drop(n, "broadcast");
    maas_raw_attr_drop(n, "axis");
    return MAAS_OK;
}


maas_status_t
maas_upgrade_word(maas_import_t *im, maas_raw_node_t *n, const char *name,
    maas_str_t word)
{
    maas_raw_attr_t  *a;

    MAAS_TRY(maas_raw_attr_int(im, n, name, 0));
    a = maas_raw_attr(n, name);
    a->type = MAAS_ATTR_STRING;
    a->s = word;
    return MAAS_OK;
}


maas_status_t
maas_upgrade_before(maas_import_t *im, maas_raw_node_t *n, uint32_t index,
    const char *op, const maas_str_t *in, uint32_t n_in,
    const maas_raw_attr_t *attr, uint32_t n_attr)
{
    maas_str_t  out = maas_raw_fresh(im);

    if (out.data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit(im, op, in, n_in, &out, 1, attr, n_attr));
    n->in[index] = out;
    return MAAS_OK;
}


void
maas_lanes(maas_lanes_t *v, const maas_tensor_t *x, int64_t axis,
    bool flatten, int64_t block)
{
    int  a = (int) (axis < 0 ? axis + x->rank : axis);

    v->outer = maas_dims_count(x->dims, a);

    if (flatten) {
        v->n = maas_dims_count(x->dims + a, x->rank - a);
        v->inner = 1;

    } else {
        v->n = x->dims[a];
        v->inner = maas_dims_count(x->dims + a + 1, x->rank - a - 1);
    }

    v->blocks = (v->inner + block - 1) / block;
    v->per = maas_unit_items(v->n * maas_min(v->inner, block));
}


maas_status_t
maas_select_same(maas_select_t *c)
{
    c->kind = c->in[0].kind;
    c->inner = c->in[0].inner;
    c->has = c->in[0].has;

    for (uint32_t i = 0; i < c->in[0].n; i++) {
        c->pick[c->n++] = (maas_pick_t) { 0, i };
    }

    return MAAS_OK;
}
