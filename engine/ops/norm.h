/*
 * norm: what the normalisations share: attributes, geometry, elements as
 * double, rows behind an axis and parameters that broadcast to X.
 *
 * Ownership: plain values.  Threads: reentrant.
 */

#ifndef MAAS_NORM_H
#define MAAS_NORM_H

#include "graph/op.h"


typedef struct {
    float    epsilon;
    float    momentum;
    int64_t  training_mode;
    int64_t  axis;
    int64_t  stash_type;
    int64_t  num_groups;
} norm_attr_t;


#define NORM_T(name)  { name, MAAS_D_FLOAT, 'T', 0 }

#define NORM_EPSILON                                                          \
    { "epsilon", MAAS_ATTR_FLOAT, false, offsetof(norm_attr_t, epsilon), 0,   \
      1e-5f }


/* images x channels x pixels */
typedef struct {
    int64_t  n, c, hw;
} norm_geom_t;


static inline void
norm_geom(norm_geom_t *g, const maas_tensor_t *x)
{
    g->n = x->dims[0];
    g->c = x->rank > 1 ? x->dims[1] : 1;
    g->hw = 1;

    for (int i = 2; i < x->rank; i++) {
        g->hw *= x->dims[i];
    }
}


/* Inputs [first, last) are vectors of the channels of X. */
static inline maas_status_t
norm_channels(maas_infer_t *c, int first, int last)
{
    maas_dim_t          ch, d;
    const maas_type_t  *x = c->in[0].type;

    ch = x->rank > 1 ? x->dims[1] : 1;

    for (int i = first; i < last; i++) {
        if (c->in[i].type->rank != 1) {
            return maas_err(c->err, MAAS_EINVAL,
                            "input %d has rank %d, expected 1", i,
                            c->in[i].type->rank);
        }

        MAAS_TRY(maas_infer_merge(c, ch, c->in[i].type->dims[0], &d,
                                  "channels of X and of the parameters"));
        ch = d;
    }

    return MAAS_OK;
}


static inline double
norm_at(const maas_tensor_t *t, int64_t i)
{
    return t->dtype == MAAS_F32 ? (double) ((const float *) t->data)[i]
                                : ((const double *) t->data)[i];
}


static inline void
norm_put(const maas_tensor_t *t, int64_t i, double v)
{
    if (t->dtype == MAAS_F32) {
        ((float *) t->data)[i] = (float) v;

    } else {
        ((double *) t->data)[i] = v;
    }
}


/* Rows and their length. */
static inline void
norm_rows(const norm_attr_t *a, const maas_tensor_t *x, int64_t *rows,
    int64_t *n)
{
    int  i, axis = 0;

    (void) maas_axis(a->axis, x->rank, &axis, NULL);
    *rows = *n = 1;

    for (i = 0; i < x->rank; i++) {
        *(i < axis ? rows : n) *= x->dims[i];
    }
}


/* The element of a parameter that belongs to element i of X. */
static inline int64_t
norm_param(const maas_tensor_t *x, const maas_tensor_t *p, int64_t i)
{
    int64_t  at = 0, mul = 1, n;

    for (int d = 1; d <= p->rank; d++) {
        n = p->dims[p->rank - d];
        at += (n == 1 ? 0 : i % x->dims[x->rank - d]) * mul;
        mul *= n;
        i /= x->dims[x->rank - d];
    }

    return at;
}


/* Input i must broadcast to X in one direction. */
maas_status_t norm_broadcasts(maas_infer_t *c, int i);

#endif
