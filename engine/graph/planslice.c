/*
 * planslice.c: values that are a part of another's storage.
 *
 * Outputs that are their inputs one after another (a Concat whose outer
 * extents are 1).  An input that is used here for the last time
 * gets its place in the output, from the step on that makes it: its storage
 * becomes a slice of the output's, and the step has nothing to copy.
 *
 * A slice's output was made after it, so going down the storages each finds
 * where the output itself ended up.
 *
 * Outputs that are parts of an input (a Split or Slice that cuts nothing but
 * the outermost extent) are values in the input's storage, as a Reshape's is.
 *
 * Ownership: nothing is kept.
 * Threads:   one thread builds a plan.
 */

#include "graph/planframe.h"


/* May storage `from` lie `delta` bytes into another one? */
static bool
plan_slice_fits(const plan_build_t *b, const plan_val_t *v, uint64_t delta)
{
    const maas_storage_t  *s;

    if (v == NULL || v->storage < 0 || b->storage_refs[v->storage] != 0
        || v->delta != 0 || v->t.dtype == MAAS_STRING)
    {
        return false;
    }

    s = &b->storage[v->storage];

    return s->into == 0 && s->bytes == v->t.bytes && delta % MAAS_ALIGN == 0;
}


bool
plan_slices(plan_build_t *b, int32_t output)
{
    bool         all = true;
    uint64_t     delta = 0;
    plan_val_t  *v;

    for (int i = 0; i < b->flat.n_formal; i++) {
        v = b->val[i];

        if (plan_slice_fits(b, v, delta) && v->storage != output) {
            b->storage[v->storage].into = (uint32_t) output + 1;
            b->storage[v->storage].delta = delta;

        } else {
            all = false;
        }

        delta += b->in[i].bytes;
    }

    return all;
}


void
plan_slices_join(plan_build_t *b)
{
    maas_storage_t  *s, *to;

    for (uint32_t i = b->n_storage; i-- > 0; /* void */ ) {
        s = &b->storage[i];

        if (s->into == 0) {
            continue;
        }

        to = &b->storage[s->into - 1];

        if (to->into != 0) {
            s->delta += to->delta;
            s->into = to->into;
            to = &b->storage[s->into - 1];
        }

        to->first = maas_min(to->first, s->first);
        to->last = maas_max(to->last, s->last);
        s->bytes = 0;
    }
}


void
plan_slices_place(plan_build_t *b)
{
    maas_storage_t  *s;

    for (uint32_t i = 0; i < b->n_storage; i++) {
        s = &b->storage[i];

        if (s->into != 0) {
            s->off = b->storage[s->into - 1].off + s->delta;
        }
    }
}


/* Are the parts in whole bytes, and do they begin where kernels like it? */
static bool
plan_cuts_fit(const plan_build_t *b, const plan_val_t *from, size_t at)
{
    size_t  two;

    if (from->t.dtype == MAAS_STRING || from->t.format != MAAS_FMT_PLAIN
        || !maas_dtype_bytes(from->t.dtype, 2, &two)
        || two != 2 * maas_dtype_size(from->t.dtype))
    {
        return false;
    }

    for (int i = 0; i < b->flat.n_out; i++) {
        if (b->oval[i] == NULL || at % MAAS_ALIGN != 0
            || b->out[i].bytes > from->t.bytes - at)
        {
            return false;
        }

        at += b->out[i].bytes;
    }

    return true;
}


bool
plan_cuts(plan_build_t *b, size_t at)
{
    plan_val_t  from = *b->val[0], *v;

    if (b->flat.n_post != 0 || !plan_cuts_fit(b, &from, at)) {
        return false;
    }

    for (int i = 0; i < b->flat.n_out; i++) {
        v = b->oval[i];
        plan_val_alias(v, &from);
        v->t = b->out[i];
        v->t.data = NULL;
        v->kind = b->infer_out[i].type.kind;
        v->delta += at;

        if (from.t.data != NULL) {
            v->t.data = (char *) from.t.data + at;
            v->off = v->at == MAAS_AT_PLAN ? UINT64_MAX : v->off;
        }

        plan_val_ref(b, v);
        at += b->out[i].bytes;
    }

    return true;
}
