/*
 * gather.h: what gathering and scattering share: indices that may be
 * negative, a walk over elements, offsets of slices.  Private to ops/.
 *
 * Ownership: nothing is allocated.
 * Threads:   reentrant.
 */

#ifndef MAAS_GATHER_H
#define MAAS_GATHER_H

#include "ops/move.h"


typedef struct {
    int64_t  axis;
    int64_t  reduction;         /* scatter: index into scatter_reductions */
} gather_attr_t;

static inline bool
gather_index(const maas_tensor_t *t, int64_t i, int64_t dim, int64_t *at)
{
    int64_t  v = maas_move_int(t, i);

    *at = v < 0 ? v + dim : v;
    return *at >= 0 && *at < dim;
}


static inline int
gather_axis(const void *attr, int rank)
{
    int64_t  axis = ((const gather_attr_t *) attr)->axis;

    return (int) (axis < 0 ? axis + rank : axis);
}


static inline int64_t
gather_product(const int64_t *dims, int first, int last)
{
    int64_t  n = 1;

    for (int i = first; i < last; i++) {
        n *= dims[i];
    }

    return n;
}


static inline void
gather_copy(char *d, const char *s, int64_t n)
{
    switch (n) {
    case 1:
        *d = *s;
        break;
    case 2:
        memcpy(d, s, 2);
        break;
    case 4:
        memcpy(d, s, 4);
        break;
    case 8:
        memcpy(d, s, 8);
        break;
    default:
        memcpy(d, s, (size_t) n);
        break;
    }
}


/* Walks positions of a tensor of indices beside offsets into the data. */
typedef struct {
    int      rank;
    int      axis;
    int64_t  dim;               /* of the data along the axis */
    int64_t  stride[MAAS_RANK_MAX];     /* of the data, in items */
    int64_t  n[MAAS_RANK_MAX];
    int64_t  at[MAAS_RANK_MAX];
    int64_t  base;              /* offset without the axis */
} elements_t;


static inline void
elements_start(elements_t *e, const maas_tensor_t *x, const maas_tensor_t *ix,
    int axis, int64_t p)
{
    e->rank = ix->rank;
    e->axis = axis;
    e->dim = x->dims[axis];
    e->base = 0;
    maas_dims_strides(x->dims, x->rank, e->stride);

    for (int i = e->rank - 1; i >= 0; i--) {
        e->n[i] = ix->dims[i];
        e->at[i] = p % e->n[i];
        p /= e->n[i];
        e->base += i == axis ? 0 : e->at[i] * e->stride[i];
    }
}


static inline void
elements_next(elements_t *e)
{
    for (int i = e->rank - 1; i >= 0; i--) {
        if (i != e->axis) {
            e->base += e->stride[i];
        }

        if (++e->at[i] < e->n[i]) {
            return;
        }

        if (i != e->axis) {
            e->base -= e->at[i] * e->stride[i];
        }

        e->at[i] = 0;
    }
}


/* Offset in items of slice i of the indices behind axes [b, b + depth). */
static inline maas_status_t
nd_offset(const maas_tensor_t *x, const maas_tensor_t *ix,
    const int64_t *strides, int b, int depth, int64_t i, maas_slot_t *slot,
    int64_t *off)
{
    int64_t  at;

    *off = 0;

    for (int d = 0; d < depth; d++) {
        if (!gather_index(ix, i * depth + d, x->dims[b + d], &at)) {
            return maas_move_bad_index(slot,
                                       maas_move_int(ix, i * depth + d),
                                       x->dims[b + d]);
        }

        *off += at * strides[b + d];
    }

    return MAAS_OK;
}


/* Ranks, axis and extents of data and indices of the same rank. */
maas_status_t maas_gather_check(maas_infer_t *c, int *axis);

#endif
