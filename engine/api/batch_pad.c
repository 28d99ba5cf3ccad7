/*
 * batch_pad.c: calls of several lengths in one run: which may be padded, and
 * with what, as "batch": {"pad": ...} of model.json says it.
 *
 * Ownership: nothing is kept.
 * Threads:   a call belongs to one thread at a time.
 */

#include "api/call.h"


bool
maas_pad_wastes(const maas_meta_t *meta, uint64_t elements, uint64_t own)
{
    return elements > UINT64_MAX / 100
           || elements * 100 > own * meta->pad_percent;
}


int64_t
maas_pad_round(const maas_meta_t *meta, int64_t longest)
{
    int64_t  k = maas_max(meta->pad_multiple, 1u);

    return longest > INT64_MAX - k ? longest : (longest + k - 1) / k * k;
}


/* -- elements ------------------------------------------------------------ */

/* One element; the value has been found to fit.  Returns its bytes. */
static size_t
pad_element(uint8_t dtype, double v, void *out)
{
    float     f = (float) v;
    int64_t   n;
    uint16_t  h;
    size_t    size = maas_dtype_size(dtype);

    switch (dtype) {

    case MAAS_F32:
        memcpy(out, &f, size);
        break;

    case MAAS_F64:
        memcpy(out, &v, size);
        break;

    case MAAS_F16:
        h = maas_f32_to_f16(f);
        memcpy(out, &h, size);
        break;

    case MAAS_BF16:
        h = maas_f32_to_bf16(f);
        memcpy(out, &h, size);
        break;

    default:
        n = (int64_t) v;        /* little-endian: the low bytes come first */
        memcpy(out, &n, size);
    }

    return size;
}


void
maas_pad_fill(maas_tensor_t *t, double value)
{
    char     one[8];
    size_t   n, have, size = pad_element(t->dtype, value, one);

    if (value == 0) {
        memset(t->data, 0, t->bytes);
        return;
    }

    have = maas_min(size, t->bytes);
    memcpy(t->data, one, have);

    while (have < t->bytes) {
        n = maas_min(have, t->bytes - have);
        memcpy((char *) t->data + have, t->data, n);
        have += n;
    }
}


void
maas_pad_copy(void *dst, const int64_t *to, const void *src,
    const int64_t *so, const int64_t *box, int rank, size_t size)
{
    bool    whole = true;
    size_t  into = size, from = size;

    for (int d = 1; d < rank; d++) {
        into *= (size_t) to[d];
        from *= (size_t) so[d];
        whole = whole && box[d] == to[d] && box[d] == so[d];
    }

    if (rank == 0) {
        memcpy(dst, src, size);

    } else if (whole) {
        memcpy(dst, src, from * (size_t) box[0]);

    } else {
        for (int64_t i = 0; i < box[0]; i++) {
            maas_pad_copy((char *) dst + (size_t) i * into, to + 1,
                          (const char *) src + (size_t) i * from, so + 1,
                          box + 1, rank - 1, size);
        }
    }
}


/* -- calls --------------------------------------------------------------- */

/*
 * Has each row of the mask something in it?  What of nothing but padding is
 * the mean of could be anything.
 */
static bool
pad_seen(const maas_tensor_t *t, const maas_meta_t *meta, double value)
{
    int         row = meta->batch_axis, d;
    char        one[8];
    bool        seen = true;
    size_t      size = pad_element(t->dtype, value, one);
    int64_t     n, step = 1, rows = t->dims[row], i;
    const char *p = t->data;

    n = maas_tensor_count(t);

    for (d = row + 1; d < t->rank; d++) {
        step *= t->dims[d];
    }

    for (int64_t r = 0; r < rows && seen; r++) {
        seen = false;

        for (i = 0; i < n && !seen; i++) {
            seen = i / step % rows == r
                   && memcmp(p + (size_t) i * size, one, size) != 0;
        }
    }

    return seen;
}


int64_t
maas_pad_length(const maas_call_t *call)
{
    int                     axis;
    int64_t                 length = 0;
    const maas_meta_t      *meta = call->c.route.m->meta;
    const maas_tensor_t    *t;
    const maas_meta_pad_t  *p;

    if (meta == NULL || meta->n_pads == 0
        || maas_model_pads(call->model) == NULL)
    {
        return 0;
    }

    axis = meta->pad_axis;

    for (uint32_t i = 0; i < meta->n_pads; i++) {
        p = &meta->pad[i];
        t = &call->c.in[p->input];

        if (t->rank <= maas_max(axis, meta->batch_axis) || t->format != 0
            || (i != 0 && t->dims[axis] != length)
            || t->dims[axis] > UINT32_MAX
            || (p->mask && !pad_seen(t, meta, p->value)))
        {
            return 0;
        }

        length = t->dims[axis];
    }

    return length;
}
